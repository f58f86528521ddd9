//! Looking rows up in a table.

use crate::operators::reduce::moments::norm_of;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, Elements, Tensor, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Row numbers, each checked to be in the table.
fn rows_of(call: &Call<'_>, indices: &Tensor, rows: i64, operator: &str) -> Result<Vec<usize>, Fault> {
    if !matches!(indices.dtype(), DType::Int64 | DType::Int32) {
        let found = indices.dtype().scalar_type_name();
        return raised(format!(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got \
             torch.{found}Tensor instead (while checking arguments for {operator})"
        ));
    }
    let rows_of = |&i: &i64| if (0..rows).contains(&i) { Ok(i as usize) } else { raised("index out of range in self") };
    call.read::<i64>(indices)?.iter().map(rows_of).collect()
}

pub(super) fn embedding(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, indices) = (call.tensor(0)?, call.tensor(1)?);
    let sizes = weight.sizes();
    let &[rows, columns] = &sizes[..] else { return raised("'weight' must be 2-D") };
    let chosen = rows_of(call, indices, rows, "embedding")?;
    let mut result: Dims = indices.sizes();
    result.push(columns);
    let output = call.zeros(weight.dtype(), &result)?;
    let columns = columns as usize;
    dispatch!(all weight.dtype(), "aten::embedding", T => {
        let table = call.read::<T>(weight)?;
        let elements: Vec<T> =
            chosen.iter().flat_map(|&row| table[row * columns..(row + 1) * columns].iter().copied()).collect();
        output.store(&elements)?;
    });
    Ok(Value::Tensor(output))
}

/// Scales the chosen rows down to a norm, in place.
pub(super) fn embedding_renorm_(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, indices, most, p) = (call.tensor(0)?, call.tensor(1)?, call.float(2)?, call.float(3)?);
    let sizes = weight.sizes();
    let &[rows, columns] = &sizes[..] else {
        return raised(format!(
            "Expected 2-dimensional tensor, but got {}-dimensional tensor for argument #1 'self' (while checking arguments for embedding_renorm_)",
            sizes.len()
        ));
    };
    let mut chosen = rows_of(call, indices, rows, "embedding_renorm_")?;
    chosen.sort_unstable();
    chosen.dedup();
    let mut table = weight.to_f64s(&call.memory())?;
    for row in chosen {
        let row = &mut table[row * columns as usize..(row + 1) * columns as usize];
        let norm = norm_of(row, p);
        if norm > most {
            row.iter_mut().for_each(|x| *x *= most / (norm + 1e-7));
        }
    }
    weight.store(&table)?;
    Ok(call.args[0].clone())
}

/// Sums, means or maxima of the rows of each bag. The other results are for the backward pass.
pub(super) fn embedding_bag(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, indices, offsets) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (mode, weights, last) = (call.int(4)?, call.opt_tensor(6)?, call.bool(7)?);
    let sizes = weight.sizes();
    let &[rows, columns] = &sizes[..] else { return raised("'weight' must be 2-D") };
    let padding = padding_of(call, rows)?;
    let chosen = rows_of(call, indices, rows, "embedding_bag")?;
    let starts = call.read::<i64>(offsets)?.to_vec();
    let bags = starts.len() - (last && !starts.is_empty()) as usize;
    let ordered = starts.windows(2).all(|pair| pair[0] <= pair[1]);
    if starts.first().is_some_and(|&start| start != 0) || !ordered || starts.last() > Some(&(chosen.len() as i64)) {
        return raised("offsets has to start at 0, to grow, and not to pass the number of indices");
    }
    let end = |bag: usize| starts.get(bag + 1).map_or(chosen.len(), |&start| start as usize);
    let table = call.read::<f64>(weight)?;
    let scales = weights.map(|weights| call.read::<f64>(weights)).transpose()?;
    if scales.as_ref().is_some_and(|scales| scales.len() != chosen.len()) {
        return raised("embedding_bag: expected per_sample_weights of as many elements as there are indices");
    }
    let columns = columns as usize;
    let mut elements = vec![0.0f64; bags * columns];
    for (bag, sums) in elements.chunks_mut(columns.max(1)).enumerate() {
        let members = (starts[bag] as usize..end(bag)).filter(|&i| Some(chosen[i]) != padding);
        let count = members.clone().count();
        for (k, i) in members.enumerate() {
            let scale = scales.as_ref().map_or(1.0, |scales| scales[i]);
            for (sum, x) in sums.iter_mut().zip(&table[chosen[i] * columns..]) {
                *sum = if mode == 2 && k > 0 {
                    sum.max(*x)
                } else if mode == 2 {
                    *x
                } else {
                    *sum + x * scale
                };
            }
        }
        if mode == 1 && count > 0 {
            sums.iter_mut().for_each(|sum| *sum /= count as f64);
        }
    }
    let output = call.create(weight.dtype(), &[bags as i64, columns as i64], &elements)?;
    bag_results(call, output, [indices, offsets], mode, &Bags { count: bags, chosen, starts, table, columns, padding })
}

/// The row that does not count: counted from the end if negative, but where `-1` stands for none.
fn padding_of(call: &Call<'_>, rows: i64) -> Result<Option<usize>, Fault> {
    let Some(given) = call.opt_int(8)? else { return Ok(None) };
    let inner = call.operator.name != "aten::embedding_bag";
    if inner {
        return Ok(usize::try_from(given).ok());
    }
    if !(-rows..rows).contains(&given) {
        let (least, most) = (-rows, rows - 1);
        return raised(format!(
            "padding_idx must be within the number of embeddings, {least} through {most}, but got {given}"
        ));
    }
    Ok(Some(if given < 0 { given + rows } else { given } as usize))
}

/// The rows that were looked up, and the bags that they are in.
struct Bags {
    count: usize,
    chosen: Vec<usize>,
    /// Where each bag begins.
    starts: Vec<i64>,
    table: Elements<f64>,
    columns: usize,
    /// The row that does not count.
    padding: Option<usize>,
}

/// What `embedding_bag` gives besides: the bag of each index, the sizes of the bags, and where maxima stood.
fn bag_results(
    call: &mut Call<'_>,
    output: Tensor,
    [indices, offsets]: [&Tensor; 2],
    mode: i64,
    Bags { count: bags, chosen, starts, table, columns, padding }: &Bags,
) -> Result<Value, Fault> {
    let (bags, columns, padding) = (*bags, *columns, *padding);
    let dtype = offsets.dtype();
    let end = |bag: usize| starts.get(bag + 1).map_or(chosen.len(), |&start| start as usize);
    // PyTorch's fast sums leave these unset.
    let bag_of: Vec<i64> =
        (0..bags).flat_map(|bag| (starts[bag] as usize..end(bag)).map(move |_| bag as i64)).collect();
    let bag_of = if mode == 0 { Vec::new() } else { bag_of };
    let offset2bag = call.create(indices.dtype(), &[bag_of.len() as i64], &bag_of)?;
    let members = |bag: usize| (starts[bag] as usize..end(bag)).filter(|&i| Some(chosen[i]) != padding);
    let count = |bag: usize| if mode == 0 { 0 } else { members(bag).count() as i64 };
    let counts: Vec<i64> = (0..bags).map(count).collect();
    let sizes = call.create(dtype, &[bags as i64], &counts)?;
    let mut most = Vec::new();
    let largest_of = if mode == 2 { bags } else { 0 };
    for bag in 0..largest_of {
        for column in 0..columns {
            let best = members(bag).reduce(|a, b| {
                if table[chosen[b] * columns + column] > table[chosen[a] * columns + column] { b } else { a }
            });
            most.push(best.map_or(0, |i| chosen[i] as i64));
        }
    }
    let most = match mode {
        2 => call.create(dtype, &[bags as i64, columns as i64], &most)?,
        _ => call.create(dtype, &[bags as i64], &counts)?,
    };
    Ok(tuple([output, offset2bag, sizes, most]))
}
