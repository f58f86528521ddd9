//! What makes nested tensors of others, and others of them.

use super::super::shape::views::over;
use super::super::{Call, Fault};
use super::{memory, nested, of, refuse};
use crate::tensor::{DType, Dims, Layout, Nested, Tensor};
use crate::value::Value;

/// What a mask keeps of each sequence: as many first steps as it has truths.
pub(super) fn from_mask(call: &mut Call<'_>) -> Result<Value, Fault> {
    let kept = kept(call)?;
    if call.bool(2)? && !kept.iter().all(|steps| is_aligned(steps)) {
        return Err(Fault::raised("Mask must be left-aligned without gaps"));
    }
    let input = call.tensor(0)?;
    let width = input.sizes()[2];
    let entries = kept.iter().map(|steps| {
        let count = steps.iter().filter(|&&step| step).count();
        Dims::from_slice(&[count as i64, width])
    });
    pack(call, input, 2, entries.collect())
}

/// Whether what a mask keeps of each sample are its first steps: an encoder asks before it leaves the others out.
pub(super) fn is_left_aligned(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Bool(kept(call)?.iter().all(|steps| is_aligned(steps))))
}

fn is_aligned(steps: &[bool]) -> bool {
    steps.is_sorted_by(|a, b| a >= b)
}

/// The rows of the mask that is the second argument.
fn kept(call: &Call<'_>) -> Result<Vec<Vec<bool>>, Fault> {
    let (input, mask) = (call.tensor(0)?, call.tensor(1)?);
    let (x, m) = (input.sizes(), mask.sizes());
    if mask.dtype() != DType::Bool {
        let name = mask.dtype().scalar_type_name();
        return Err(Fault::raised(format!("Expected mask to be of ScalarType Bool, but got {name} instead.")));
    }
    if m.len() != 2 {
        return Err(Fault::raised("Padding mask should be 2D"));
    }
    if x.len() != 3 {
        return Err(Fault::raised("Input should be a 3D tensor, N * L * D"));
    }
    if x[..2] != m[..] {
        return Err(Fault::raised("Mask size should match input size"));
    }
    if m[1] == 0 {
        let words = format!("select(): index -1 out of range for tensor of size {:?} at dimension 1", &m[..]);
        return Err(Fault::raised(words));
    }
    let kept = mask.to_f64s(&call.memory())?;
    Ok(kept.chunks(m[1] as usize).map(|steps| steps.iter().map(|&step| step != 0.0).collect()).collect())
}

/// What rows of sizes say of a padded tensor; its heads, if asked to, become part of the last dimension.
pub(super) fn from_padded(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (padded, sizes, fuse) = (call.tensor(0)?.clone(), call.tensor(1)?, call.bool(2)?);
    let shape = sizes.sizes();
    let (&[_, rank], DType::Int64) = (&shape[..], sizes.dtype()) else {
        return Err(Fault::unsupported(format!("{} of sizes that are no matrix of ints", call.name())));
    };
    let numbers = call.read::<i64>(sizes)?;
    let entries = numbers.chunks(rank.max(1) as usize).map(Dims::from_slice).collect();
    if !fuse {
        return pack(call, &padded, rank as usize, entries);
    }
    let order = call.int_list(&[0, 2, 1, 3]);
    let turned = call.run_tensor("aten::permute", &[of(&padded), order])?;
    let &[batch, steps, heads, width] = &turned.sizes()[..] else { unreachable!("it was turned so") };
    let flat = call.int_list(&[batch, steps, heads * width]);
    let fused = call.run_tensor("aten::reshape", &[of(&turned), flat])?;
    pack(call, &fused, rank as usize, entries)
}

/// The first elements of each slice of a padded tensor, as many in each dimension as its entry has.
fn pack(call: &mut Call<'_>, padded: &Tensor, rank: usize, entries: Vec<Dims>) -> Result<Value, Fault> {
    let sizes = padded.sizes();
    let fits = |entry: &Dims| entry.iter().zip(&sizes[1..]).all(|(&size, &most)| (0..=most).contains(&size));
    if sizes.len() != rank + 1 || sizes[0] != entries.len() as i64 || !entries.iter().all(fits) {
        return Err(Fault::unsupported(format!("{} of entries that are not in the padded tensor", call.name())));
    }
    let mut parts = vec![];
    for (i, entry) in entries.iter().enumerate() {
        parts.push(part(call, padded, i, entry));
    }
    join(call, padded.dtype(), rank, entries, parts)
}

/// The first elements of the slice number `i` of a padded tensor.
fn part(call: &mut Call<'_>, padded: &Tensor, i: usize, sizes: &[i64]) -> Tensor {
    let metadata = padded.metadata();
    let (layout, strides) = (&metadata.layout, metadata.layout.strides());
    over(call, padded, Layout::strided(sizes, &strides[1..], layout.offset() + i as i64 * strides[0]))
}

/// Tensors one after the other, as the entries of a nested one.
fn join(
    call: &mut Call<'_>,
    dtype: DType,
    rank: usize,
    entries: Vec<Dims>,
    parts: Vec<Tensor>,
) -> Result<Value, Fault> {
    let nested = Nested::new(rank, entries).ok_or_else(|| refuse(call))?;
    let mut flat = Vec::new();
    for part in &parts {
        let all = call.int_list(&[-1]);
        flat.push(call.run_tensor("aten::reshape", &[of(part), all])?);
    }
    let memory = if flat.is_empty() { call.zeros(dtype, &[0])? } else { joined(call, flat)? };
    Ok(Value::Tensor(memory.nest(nested)))
}

/// A new tensor of these, one after the other.
pub(super) fn joined(call: &mut Call<'_>, parts: Vec<Tensor>) -> Result<Tensor, Fault> {
    let parts = call.tensor_list(parts);
    call.run_tensor("aten::cat", &[parts])
}

pub(super) fn from_list(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let entries: Vec<Dims> = tensors.iter().map(Tensor::sizes).collect();
    for (i, pair) in entries.windows(2).enumerate() {
        let (previous, found) = (pair[0].len(), pair[1].len());
        if previous != found {
            return Err(Fault::raised(format!(
                "All Tensors given to nested_tensor must have the same dimension. Found dimension {found} for Tensor at index {} \
                 and dimension {previous} for Tensor at index {i}.",
                i + 1
            )));
        }
    }
    let dtype = call.dtype_or(1, tensors.first().map_or(DType::Float32, Tensor::dtype))?;
    if tensors.iter().any(|tensor| tensor.dtype() != dtype) {
        return Err(Fault::unsupported(format!("{} of tensors of another dtype", call.name())));
    }
    let rank = entries.first().map_or(0, |sizes| sizes.len());
    join(call, dtype, rank, entries, tensors)
}

/// The entries in one tensor, as large as the longest or as the sizes that are asked for.
pub(super) fn to_padded(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, nested, padding) = (call.tensor(0)?, nested(call, 0)?, call.args[1].clone());
    if nested.entries().is_empty() {
        let nothing = of(&memory(call, tensor, &[0]));
        return call.run("aten::clone", &[nothing]);
    }
    let mut sizes: Dims = [nested.entries().len() as i64].into_iter().chain(nested.longest()).collect();
    if let Some(asked) = call.opt_ints(2)? {
        if asked.len() != sizes.len() {
            let words = "Length of output_size does not match NestedTensor dims. Broadcasting is not supported.";
            return Err(Fault::raised(words));
        }
        if asked.iter().zip(&sizes).any(|(asked, size)| asked < size) {
            let words = "Value in output_size is less than NestedTensor padded size. Truncation is not supported.";
            return Err(Fault::raised(words));
        }
        sizes = asked;
    }
    let padded = call.zeros(tensor.dtype(), &sizes)?;
    call.run("aten::fill_.Scalar", &[of(&padded), padding])?;
    for (i, layout) in nested.layouts().enumerate() {
        let part = part(call, &padded, i, layout.sizes());
        let entry = over(call, tensor, layout);
        call.run("aten::copy_", &[of(&part), of(&entry)])?;
    }
    Ok(of(&padded))
}
