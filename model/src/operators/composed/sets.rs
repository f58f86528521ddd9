//! Membership, products and choices of elements, and the places of triangles.

use super::of;
use crate::operators::corrections::When;
use crate::operators::{Call, Correction, Fault, Kernel};
use crate::tensor::{Bool8, DType, dispatch};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::cartesian_prod", cartesian_prod),
    ("aten::combinations", combinations),
    ("aten::fill_diagonal_", fill_diagonal_),
    ("aten::gcd", |call| by_pairs(call, gcd)),
    ("aten::gcd_", |call| by_pairs(call, gcd)),
    ("aten::isin.Scalar_Tensor", isin),
    ("aten::isin.Tensor_Scalar", isin),
    ("aten::isin.Tensor_Tensor", isin),
    ("aten::lcm", |call| by_pairs(call, lcm)),
    ("aten::lcm_", |call| by_pairs(call, lcm)),
    ("aten::linalg_vander", |call| vander(call, true)),
    ("aten::tril_indices", |call| triangle(call, true)),
    ("aten::triu_indices", |call| triangle(call, false)),
    ("aten::vander", |call| {
        let increasing = call.bool(2)?;
        vander(call, increasing)
    }),
];

/// What the schemas do not say.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] =
    // The product of one tensor is that tensor.
    &[("aten::cartesian_prod", &[Correction::AliasesWhen(When::ONE)])];

/// Whether each element is among others.
fn isin(call: &mut Call<'_>) -> Result {
    let invert = call.bool(3)?;
    for i in [0, 1] {
        let dtype = match call.value(i) {
            Value::Tensor(tensor) => tensor.dtype(),
            _ => call.scalar(i)?.dtype(),
        };
        if dtype == DType::Bool || dtype.is_complex() {
            let name = dtype.scalar_type_name();
            return Err(Fault::raised(format!("Unsupported input type encountered for isin(): {name}")));
        }
    }
    let numbers = |call: &Call<'_>, i: usize| -> Result<Vec<f64>> {
        match call.value(i) {
            Value::Tensor(tensor) => tensor.to_f64s(&call.memory()),
            _ => Ok(vec![call.scalar(i)?.cast::<f64>()]),
        }
    };
    let (elements, mut set) = (numbers(call, 0)?, numbers(call, 1)?);
    set.sort_by(f64::total_cmp);
    let zero = |x: f64| if x == 0.0 { 0.0 } else { x };
    set.iter_mut().for_each(|x| *x = zero(*x));
    // What is not a number is equal to nothing.
    let within = |&x: &f64| !x.is_nan() && set.binary_search_by(|other| other.total_cmp(&zero(x))).is_ok();
    let found: Vec<Bool8> = elements.iter().map(|x| (within(x) != invert).into()).collect();
    let sizes = if let Value::Tensor(tensor) = call.value(0) { tensor.sizes() } else { Default::default() };
    call.create(DType::Bool, &sizes, &found).map(Value::Tensor)
}

/// Every way to take one element of each.
fn cartesian_prod(call: &mut Call<'_>) -> Result {
    let tensors = call.tensors(0)?;
    if let Some(tensor) = tensors.iter().find(|tensor| tensor.sizes().len() != 1) {
        let rank = tensor.sizes().len();
        return Err(Fault::raised(format!("Expect a 1D vector, but got shape with {rank} dimensions")));
    }
    if let [only] = &tensors[..] {
        return Ok(of(only));
    }
    let grids = call.tensor_list(tensors);
    let grids = call.run_tensors("aten::meshgrid.indexing", &[grids, Value::str("ij")])?;
    let mut flat = Vec::new();
    for grid in &grids {
        flat.push(call.run_tensor("aten::flatten.using_ints", &[of(grid)])?);
    }
    let flat = call.tensor_list(flat);
    call.run("aten::stack", &[flat, Value::Int(1)])
}

/// Every choice of `r` elements, in order.
fn combinations(call: &mut Call<'_>) -> Result {
    let (x, r, again) = (call.tensor(0)?, call.int(1)?, call.bool(2)?);
    if x.sizes().len() != 1 {
        let rank = x.sizes().len();
        return Err(Fault::raised(format!("Expect a 1D vector, but got shape with {rank} dimensions")));
    }
    if r < 0 {
        return Err(Fault::raised(format!("Expect a non-negative number, but got {r}")));
    }
    let (n, r) = (x.numel(), r as usize);
    let mut rows: Vec<Vec<i64>> = vec![Vec::new()];
    let from = |row: &[i64]| row.last().map_or(0, |&last| if again { last } else { last + 1 });
    for length in 1..=r {
        let count: usize = rows.iter().map(|row| (n - from(row)).max(0) as usize).fold(0, usize::saturating_add);
        // Each is a list of its own, whose memory is rounded up.
        let _room = call.room::<[i64; 4]>(&[count, length.div_ceil(4) + 1])?;
        let next = |row: &Vec<i64>| (from(row)..n).map(|i| [&row[..], &[i]].concat()).collect::<Vec<_>>();
        rows = rows.iter().flat_map(next).collect();
    }
    if r == 0 {
        return call.zeros(x.dtype(), &[0]).map(Value::Tensor);
    }
    let places: Vec<i64> = rows.concat();
    let index = call.create(DType::Int64, &[rows.len() as i64, r as i64], &places)?;
    call.run("aten::take", &[of(x), of(&index)])
}

/// Rows and columns of the elements of a triangle, row by row: the lower one, or the upper.
fn triangle(call: &mut Call<'_>, lower: bool) -> Result {
    let (rows, columns, offset, dtype) = (call.int(0)?, call.int(1)?, call.int(2)?, call.dtype_or(3, DType::Int64)?);
    if rows < 0 || columns < 0 {
        let (name, found) = if rows < 0 { ("row", rows) } else { ("col", columns) };
        return Err(Fault::raised(format!("{name} must be non-negative, got{found}")));
    }
    let count = match lower {
        true => count_below(rows, columns, offset.into()),
        false => rows as i128 * columns as i128 - count_below(rows, columns, offset as i128 - 1),
    };
    let _room = call.room::<[i64; 3]>(&[usize::try_from(count).unwrap_or(usize::MAX)])?;
    let (mut places, mut second) = (Vec::new(), Vec::new());
    for row in (0..rows).take_while(|_| count > 0) {
        let begin = row.saturating_add(offset).saturating_add(lower as i64).clamp(0, columns);
        for column in if lower { 0..begin } else { begin..columns } {
            places.push(row);
            second.push(column);
        }
    }
    places.extend(second);
    call.create(dtype, &[2, count as i64], &places).map(Value::Tensor)
}

/// How many elements of a matrix are on this diagonal or below it: row `i` has as many as `i + offset + 1` says, from none to all.
fn count_below(rows: i64, columns: i64, offset: i128) -> i128 {
    let (rows, columns) = (rows as i128, columns as i128);
    // Of the rows whose number is at most `last` where the first to have one is number one.
    let up_to = |last: i128| {
        let short = last.clamp(0, columns);
        short * (short + 1) / 2 + (last - columns).max(0) * columns
    };
    up_to(rows + offset) - up_to(offset)
}

/// Powers of each element.
fn vander(call: &mut Call<'_>, increasing: bool) -> Result {
    let (x, n) = (call.tensor(0)?, call.opt_int(1)?);
    let sizes = x.sizes();
    let linalg = call.operator.name == "aten::linalg_vander";
    if sizes.is_empty() || (!linalg && sizes.len() != 1) {
        return Err(Fault::raised(if linalg {
            "torch.linalg.vander: The input must have at least one dimension.".to_string()
        } else {
            "x must be a one-dimensional tensor.".to_string()
        }));
    }
    let kind = x.dtype();
    if linalg && matches!(kind, DType::Bool | DType::Float16 | DType::BFloat16) {
        return Err(Fault::raised(format!(
            "linalg.vander supports floating point, complex, and integer tensors, but got {}",
            kind.scalar_type_name()
        )));
    }
    let n = n.unwrap_or(sizes[sizes.len() - 1]);
    if n < if linalg { 2 } else { 0 } {
        return Err(Fault::raised(if linalg {
            "N must be greater than 1.".to_string()
        } else {
            "N must be non-negative.".to_string()
        }));
    }
    let with = |count: i64| [&sizes[..], &[count]].concat();
    let column = call.run("aten::unsqueeze", &[of(x), Value::Int(-1)])?;
    let (first, others) = (call.int_list(&with(n.min(1))), call.int_list(&with((n - 1).max(0))));
    let columns = call.run("aten::expand", &[column, others])?;
    let powers = call.run_tensor("aten::cumprod", &[columns, Value::Int(-1)])?;
    let ones = call.run_tensor("aten::new_ones", &[of(&powers), first])?;
    let all = call.tensor_list(vec![ones, powers]);
    let all = call.run("aten::cat", &[all, Value::Int(-1)])?;
    if increasing {
        return Ok(all);
    }
    let last = call.int_list(&[-1]);
    call.run("aten::flip", &[all, last])
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i64
}

fn lcm(a: i64, b: i64) -> i64 {
    let divisor = gcd(a, b);
    if divisor == 0 { 0 } else { (a / divisor).wrapping_mul(b).wrapping_abs() }
}

/// A function of pairs of integers.
fn by_pairs(call: &mut Call<'_>, function: fn(i64, i64) -> i64) -> Result {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    // The sum of both has the dtype and the sizes of the result.
    let like = call.run_tensor("aten::add.Tensor", &[of(a), of(b)])?;
    let (dtype, sizes) = (like.dtype(), like.sizes());
    if !dtype.is_integral() || dtype == DType::Bool {
        let name = call.operator.name.trim_start_matches("aten::").trim_end_matches('_');
        return Err(Fault::raised(format!("\"{name}_cpu\" not implemented for '{}'", dtype.scalar_type_name())));
    }
    let memory = call.memory();
    let (a, b) = (a.read_expanded::<i64>(&sizes, &memory)?, b.read_expanded::<i64>(&sizes, &memory)?);
    let results: Vec<i64> = a.iter().zip(&*b).map(|(&a, &b)| function(a, b)).collect();
    drop((a, b));
    let result = call.create(dtype, &sizes, &results)?;
    call.deliver(result)
}

/// Writes the elements whose indices are all the same; a tall matrix may begin anew.
fn fill_diagonal_(call: &mut Call<'_>) -> Result {
    let (x, value, wrap) = (call.tensor(0)?, call.scalar(1)?, call.bool(2)?);
    let sizes = x.sizes();
    if sizes.len() < 2 {
        return Err(Fault::raised("dimensions must larger than 1"));
    }
    if sizes.len() > 2 && sizes.iter().any(|&size| size != sizes[0]) {
        return Err(Fault::raised("all dimensions of input must be of equal length"));
    }
    let count = *sizes.iter().min().expect("two dimensions") as usize;
    let columns = sizes[sizes.len() - 1] as usize;
    dispatch!(all x.dtype(), "aten::fill_diagonal_", T => {
        let mut elements = call.read::<T>(x)?.to_vec();
        let step: usize =
            (0..sizes.len()).map(|dim| sizes[dim + 1..].iter().product::<i64>() as usize).sum();
        for i in 0..count {
            elements[i * step] = value.cast();
        }
        if wrap && sizes.len() == 2 && sizes[0] > sizes[1] + 1 {
            let step = columns + 1;
            (0..elements.len()).step_by(step).for_each(|i| elements[i] = value.cast());
        }
        x.store(&elements)?;
    });
    Ok(call.args[0].clone())
}
