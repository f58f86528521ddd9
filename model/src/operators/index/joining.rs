//! Joining tensors: `cat`, `stack` and what is made of them.

use super::super::arguments::wrap_dim;
use super::super::shape::lists::with_rank;
use super::super::shape::views::{over, reshaped};
use super::super::shape::{layouts, reshaping};
use super::super::{Call, Fault, Kernel};
use super::elements::{copy_to, places, zeros};
use super::folding::fill_each;
use crate::tensor::layout::contiguous_strides;
use crate::tensor::promote::result_type_all;
use crate::tensor::{DType, Dims, Layout, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_stack", stack),
    ("aten::_stack.out", stack),
    ("aten::block_diag", block_diag),
    ("aten::cat", cat),
    ("aten::cat.out", cat),
    ("aten::column_stack", column_stack),
    ("aten::column_stack.out", column_stack),
    ("aten::concat", cat),
    ("aten::concat.out", cat),
    ("aten::concatenate", cat),
    ("aten::concatenate.out", cat),
    ("aten::dstack", |call| direction_stack(call, "dstack", 3)),
    ("aten::dstack.out", |call| direction_stack(call, "dstack", 3)),
    ("aten::hstack", |call| direction_stack(call, "hstack", 1)),
    ("aten::hstack.out", |call| direction_stack(call, "hstack", 1)),
    ("aten::pad_sequence", pad_sequence),
    ("aten::row_stack", |call| direction_stack(call, "vstack", 2)),
    ("aten::row_stack.out", |call| direction_stack(call, "vstack", 2)),
    ("aten::stack", stack),
    ("aten::stack.out", stack),
    ("aten::vstack", |call| direction_stack(call, "vstack", 2)),
    ("aten::vstack.out", |call| direction_stack(call, "vstack", 2)),
];

fn cat(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let result = joined(call, &tensors, call.int(1)?)?;
    call.deliver(result)
}

/// An empty vector may be joined with anything, as in the time before tensors had empty dimensions.
fn is_skipped(tensor: &Tensor) -> bool {
    tensor.sizes()[..] == [0]
}

/// The tensors one behind the other along `dim`, in their common dtype.
pub(super) fn joined(call: &mut Call<'_>, tensors: &[Tensor], dim: i64) -> Result<Tensor, Fault> {
    if tensors.is_empty() {
        return Err(Fault::raised("torch.cat(): expected a non-empty list of Tensors"));
    }
    if let Some(i) = tensors.iter().position(|tensor| tensor.sizes().is_empty()) {
        return Err(Fault::raised(format!("zero-dimensional tensor (at position {i}) cannot be concatenated")));
    }
    let dtype = result_type_all(tensors)?;
    let counted: Vec<(usize, &Tensor)> = tensors.iter().enumerate().filter(|(_, tensor)| !is_skipped(tensor)).collect();
    let Some(&(_, first)) = counted.first() else {
        return zeros(call.allocator, &[0], dtype);
    };
    let first = first.sizes();
    let dim = wrap_dim(dim, first.len())?;
    let mut sizes = first.clone();
    sizes[dim] = 0;
    for (i, tensor) in &counted {
        let other = tensor.sizes();
        check_joinable(&first, &other, dim, *i)?;
        sizes[dim] += other[dim];
    }
    let result = zeros(call.allocator, &sizes, dtype)?;
    let layout = joined_layout(&counted, &sizes);
    result.slot().update(|metadata| metadata.layout = layout.clone());
    let mut start = 0;
    for (_, tensor) in counted {
        let size = tensor.sizes()[dim];
        let part = layouts::slice(&layout, dim as i64, Some(start), Some(start + size), 1)?;
        let converted;
        let source = if tensor.dtype() == dtype {
            tensor
        } else {
            converted = tensor.convert(call.allocator, dtype)?;
            &converted
        };
        copy_to(&result.storage(), &part, &source.metadata());
        start += size;
    }
    Ok(result)
}

fn check_joinable(first: &Dims, other: &Dims, dim: usize, i: usize) -> Result<(), Fault> {
    if first.len() != other.len() {
        return Err(Fault::raised(format!(
            "Tensors must have same number of dimensions: got {} and {}",
            first.len(),
            other.len()
        )));
    }
    match (0..first.len()).find(|&d| d != dim && first[d] != other[d]) {
        None => Ok(()),
        Some(d) => Err(Fault::raised(format!(
            "Sizes of tensors must match except in dimension {dim}. Expected size {} but got size {} for tensor \
             number {i} in the list.",
            first[d], other[d]
        ))),
    }
}

/// Channels last if all tensors lie so, row-major otherwise.
fn joined_layout(tensors: &[(usize, &Tensor)], sizes: &[i64]) -> Layout {
    let order: &[usize] = match sizes.len() {
        4 => &[1, 3, 2, 0],
        5 => &[1, 4, 3, 2, 0],
        _ => return Layout::contiguous(sizes),
    };
    let strides_of = |sizes: &[i64]| {
        let mut strides = Dims::from_elem(1, sizes.len());
        let mut step = 1;
        for &dim in order {
            strides[dim] = step;
            step *= sizes[dim].max(1);
        }
        strides
    };
    let lies_so = |tensor: &Tensor| {
        let layout = &tensor.metadata().layout;
        !layout.is_contiguous() && layout.strides() == &strides_of(layout.sizes())[..]
    };
    let strides =
        if tensors.iter().all(|(_, tensor)| lies_so(tensor)) { strides_of(sizes) } else { contiguous_strides(sizes) };
    Layout::strided(sizes, &strides, 0)
}

fn stack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let Some(first) = tensors.first() else {
        return Err(Fault::raised("stack expects a non-empty TensorList"));
    };
    let sizes = first.sizes();
    let dim = wrap_dim(call.int(1)?, sizes.len() + 1)? as i64;
    if let Some(i) = tensors.iter().position(|tensor| tensor.sizes() != sizes) {
        return Err(Fault::raised(format!(
            "stack expects each tensor to be equal size, but got {sizes:?} at entry 0 and {:?} at entry {i}",
            tensors[i].sizes()
        )));
    }
    if (dim as usize) < sizes.len() {
        // Joined first, then cut: so the result lies as PyTorch's does.
        let result = joined(call, &tensors, dim)?;
        let mut stacked = sizes;
        stacked.insert(dim as usize, tensors.len() as i64);
        let layout = reshaping::strict_view(&result.metadata().layout, &stacked)?;
        result.slot().update(|metadata| metadata.layout = layout);
        return call.deliver(result);
    }
    let mut raised = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        let layout = layouts::unsqueeze(&tensor.metadata().layout, dim)?;
        raised.push(over(call, tensor, layout));
    }
    let result = joined(call, &raised, dim)?;
    call.deliver(result)
}

/// `hstack` and its sisters: tensors of at least `rank` dimensions, along the dimension that the name says.
fn direction_stack(call: &mut Call<'_>, name: &str, rank: usize) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    if tensors.is_empty() {
        return Err(Fault::raised(format!("{name} expects a non-empty TensorList")));
    }
    let tensors: Vec<Tensor> =
        tensors.into_iter().map(|tensor| with_rank(call, tensor, rank)).collect::<Result<_, _>>()?;
    let dim = match name {
        "hstack" => (tensors[0].sizes().len() > 1) as i64,
        "vstack" => 0,
        _ => 2,
    };
    let result = joined(call, &tensors, dim)?;
    call.deliver(result)
}

fn column_stack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    if tensors.is_empty() {
        return Err(Fault::raised("column_stack expects a non-empty TensorList"));
    }
    let mut columns = Vec::with_capacity(tensors.len());
    for tensor in &tensors {
        columns.push(match tensor.sizes().len() {
            0 | 1 => reshaped(call, tensor, &[tensor.numel(), 1])?,
            _ => tensor.clone(),
        });
    }
    let result = joined(call, &columns, 1)?;
    call.deliver(result)
}

fn block_diag(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    if tensors.is_empty() {
        let nothing = zeros(call.allocator, &[1, 0], DType::Float32)?;
        return call.deliver(nothing);
    }
    let dtype = result_type_all(&tensors)?;
    let mut blocks = Vec::with_capacity(tensors.len());
    for (i, tensor) in tensors.into_iter().enumerate() {
        let rank = tensor.sizes().len();
        if rank > 2 {
            return Err(Fault::raised(format!(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {rank} dimensions"
            )));
        }
        let block = tensor.convert(call.allocator, dtype)?;
        blocks.push(with_rank(call, block, 2)?);
    }
    let total = |dim: usize| blocks.iter().map(|block| block.sizes()[dim]).sum::<i64>();
    let result = zeros(call.allocator, &[total(0), total(1)], dtype)?;
    let layout = result.metadata().layout.clone();
    let (mut row, mut column) = (0, 0);
    for block in &blocks {
        let sizes = block.sizes();
        let rows = layouts::slice(&layout, 0, Some(row), Some(row + sizes[0]), 1)?;
        let part = layouts::slice(&rows, 1, Some(column), Some(column + sizes[1]), 1)?;
        copy_to(&result.storage(), &part, &block.metadata());
        row += sizes[0];
        column += sizes[1];
    }
    call.deliver(result)
}

/// Sequences of several lengths as the rows of one tensor, filled up at one end.
fn pad_sequence(call: &mut Call<'_>) -> Result<Value, Fault> {
    let sequences = call.tensors(0)?;
    let (batch_first, padding, side) = (call.bool(1)?, call.scalar(2)?, call.str(3)?);
    let Some(first) = sequences.first() else {
        return Err(Fault::raised("received an empty list of sequences"));
    };
    if !matches!(&**side, "left" | "right") {
        return Err(Fault::raised(format!("Expected padding_side to be one of left or right, but got {side}.")));
    }
    let Some(trailing) = first.sizes().get(1..).map(Dims::from_slice) else {
        return Err(Fault::Unsupported("aten::pad_sequence of single numbers".into()));
    };
    if sequences.iter().any(|other| other.dtype() != first.dtype() || other.sizes().get(1..) != Some(&trailing[..])) {
        return Err(Fault::Unsupported("aten::pad_sequence of sequences of several kinds".into()));
    }
    let longest = sequences.iter().map(|sequence| sequence.sizes()[0]).max().unwrap_or(0);
    let batch = sequences.len() as i64;
    let mut sizes = if batch_first { Dims::from_slice(&[batch, longest]) } else { Dims::from_slice(&[longest, batch]) };
    sizes.extend_from_slice(&trailing);
    let result = zeros(call.allocator, &sizes, first.dtype())?;
    let layout = result.metadata().layout.clone();
    fill_each(&result.storage(), first.dtype(), &places(&layout), padding)?;
    for (i, sequence) in sequences.iter().enumerate() {
        let length = sequence.sizes()[0];
        let start = if &**side == "left" { longest - length } else { 0 };
        let row = layouts::select(&layout, if batch_first { 0 } else { 1 }, i as i64)?;
        let part = layouts::slice(&row, 0, Some(start), Some(start + length), 1)?;
        copy_to(&result.storage(), &part, &sequence.metadata());
    }
    Ok(Value::Tensor(result))
}
