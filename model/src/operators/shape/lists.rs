//! Operators that give a list of views: pieces of one tensor, or several tensors brought to a common shape.

use super::super::arguments::wrap_dim;
use super::super::{Call, Correction, Fault, Kernel, When, value_text};
use super::layouts;
use super::reshaping;
use super::views::over;
use crate::tensor::broadcast::broadcast_all;
use crate::tensor::{DType, Dims, Layout, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::atleast_1d", |call| atleast(call, 1)),
    ("aten::atleast_1d.Sequence", |call| atleast_each(call, 1)),
    ("aten::atleast_2d", |call| atleast(call, 2)),
    ("aten::atleast_2d.Sequence", |call| atleast_each(call, 2)),
    ("aten::atleast_3d", |call| atleast(call, 3)),
    ("aten::atleast_3d.Sequence", |call| atleast_each(call, 3)),
    ("aten::broadcast_tensors", broadcast_tensors),
    ("aten::chunk", chunk),
    ("aten::dsplit.array", |call| direction_split(call, "dsplit", 3)),
    ("aten::dsplit.int", |call| direction_split(call, "dsplit", 3)),
    ("aten::hsplit.array", |call| direction_split(call, "hsplit", 1)),
    ("aten::hsplit.int", |call| direction_split(call, "hsplit", 1)),
    ("aten::meshgrid", |call| meshgrid(call, "ij")),
    ("aten::meshgrid.indexing", |call| meshgrid(call, call.str(1)?)),
    ("aten::split", split_with_sizes),
    ("aten::split.Tensor", split),
    ("aten::split.sizes", split_with_sizes),
    ("aten::split_with_sizes", split_with_sizes),
    ("aten::tensor_split.indices", |call| split_at(call, &call.ints(1)?, call.int(2)?)),
    ("aten::tensor_split.sections", |call| split_even(call, call.int(1)?, call.int(2)?)),
    ("aten::tensor_split.tensor_indices_or_sections", tensor_split),
    ("aten::unbind.int", unbind),
    ("aten::unsafe_chunk", chunk),
    ("aten::unsafe_split.Tensor", split),
    ("aten::unsafe_split_with_sizes", split_with_sizes),
    ("aten::vsplit.array", |call| direction_split(call, "vsplit", 2)),
    ("aten::vsplit.int", |call| direction_split(call, "vsplit", 2)),
];

/// What shares memory although the schemas promise new tensors.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::atleast_1d", ALIASES),
    ("aten::atleast_1d.Sequence", ALIASES),
    ("aten::atleast_2d", ALIASES),
    ("aten::atleast_2d.Sequence", ALIASES),
    ("aten::atleast_3d", ALIASES),
    ("aten::atleast_3d.Sequence", ALIASES),
    ("aten::broadcast_tensors", ALIASES),
    ("aten::meshgrid", ALIASES),
    ("aten::meshgrid.indexing", ALIASES),
    ("aten::unsafe_chunk", ALIASES),
    ("aten::unsafe_split.Tensor", ALIASES),
    ("aten::unsafe_split_with_sizes", ALIASES),
];

/// In every call, unread.
pub(super) const ALIASES: &[Correction] = &[Correction::AliasesWhen(When::Always)];

/// The number of dimensions from which on a tensor may be split.
fn splittable(call: &Call<'_>) -> Result<Layout, Fault> {
    let layout = call.tensor(0)?.metadata().layout.clone();
    match layout.rank() {
        0 => Err(Fault::raised("split expects at least a 1-dimensional tensor")),
        _ => Ok(layout),
    }
}

/// The list of views of the first argument with these layouts.
fn views(call: &mut Call<'_>, layouts: Vec<Layout>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let pieces = layouts.into_iter().map(|layout| over(call, tensor, layout)).collect();
    Ok(tensor_list(call, pieces))
}

/// Tensors as a list.
pub(in crate::operators) fn tensor_list(call: &mut Call<'_>, tensors: Vec<Tensor>) -> Value {
    let items = tensors.into_iter().map(Value::Tensor).collect();
    Value::List(List::new(call.allocator, ListContent { item: Type::Tensor, items }))
}

/// Pieces of `size` along `dim`, the last maybe smaller.
fn split_every(call: &mut Call<'_>, layout: &Layout, size: i64, dim: usize) -> Result<Value, Fault> {
    let total = layout.sizes()[dim];
    count_of_pieces(call, total / size.max(1))?;
    // An empty dimension still makes one piece.
    let starts = (0..total.max(1)).step_by(size.max(1) as usize);
    let pieces = starts.map(|start| layouts::narrow(layout, dim as i64, start, size.min(total - start)));
    let pieces = pieces.collect::<Result<_, _>>()?;
    views(call, pieces)
}

fn split(call: &mut Call<'_>) -> Result<Value, Fault> {
    let layout = splittable(call)?;
    let size = call.int(1)?;
    if size < 0 {
        return Err(Fault::raised(format!("split expects split_size be non-negative, but got split_size={size}")));
    }
    let dim = call.dim(2, layout.rank())?;
    let total = layout.sizes()[dim];
    if size == 0 && total != 0 {
        return Err(Fault::raised(format!(
            "split_size can only be 0 if dimension size is 0, but got dimension size of {total}"
        )));
    }
    split_every(call, &layout, size, dim)
}

fn chunk(call: &mut Call<'_>) -> Result<Value, Fault> {
    let layout = call.tensor(0)?.metadata().layout.clone();
    let chunks = call.int(1)?;
    if layout.rank() == 0 {
        return Err(Fault::raised("chunk expects at least a 1-dimensional tensor"));
    }
    if chunks <= 0 {
        return Err(Fault::raised(format!("chunk expects `chunks` to be greater than 0, got: {chunks}")));
    }
    let dim = call.dim(2, layout.rank())?;
    let total = layout.sizes()[dim];
    if total == 0 {
        // The number of pieces is kept, each being empty.
        let pieces = vec![layout; count_of_pieces(call, chunks)?];
        return views(call, pieces);
    }
    split_every(call, &layout, total / chunks + (total % chunks != 0) as i64, dim)
}

/// A number of pieces given by the program, refused when the list alone would pass the limit of memory.
fn count_of_pieces(call: &Call<'_>, count: i64) -> Result<usize, Fault> {
    let bytes = (count as u64).saturating_mul(size_of::<Layout>() as u64);
    call.allocator.memory().charge(bytes)?;
    Ok(count as usize)
}

fn split_with_sizes(call: &mut Call<'_>) -> Result<Value, Fault> {
    let layout = splittable(call)?;
    let sizes = call.ints(1)?;
    let dim = call.dim(2, layout.rank())?;
    let total = layout.sizes()[dim];
    if sizes.iter().any(|&size| size < 0) {
        return Err(Fault::raised(format!(
            "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes:?}"
        )));
    }
    if sizes.iter().try_fold(0i64, |sum, &size| sum.checked_add(size)) != Some(total) {
        return Err(Fault::raised(format!(
            "split_with_sizes expects split_sizes to sum exactly to {total} (input tensor's size at dimension {}), \
             but got split_sizes={sizes:?}",
            call.int(2)?
        )));
    }
    let mut start = 0;
    let mut pieces = Vec::with_capacity(sizes.len());
    for size in sizes {
        pieces.push(layouts::narrow(&layout, dim as i64, start, size)?);
        start += size;
    }
    views(call, pieces)
}

/// Pieces between these indices, as Python slices.
fn split_at(call: &mut Call<'_>, indices: &[i64], dim: i64) -> Result<Value, Fault> {
    let layout = tensor_splittable(call)?;
    let dim = wrap_dim(dim, layout.rank())? as i64;
    let mut start = 0;
    let mut pieces = Vec::with_capacity(indices.len() + 1);
    for &end in indices {
        pieces.push(layouts::slice(&layout, dim, Some(start), Some(end), 1)?);
        start = end;
    }
    pieces.push(layouts::slice(&layout, dim, Some(start), None, 1)?);
    views(call, pieces)
}

/// So many pieces, the first ones greater by one where it does not go evenly.
fn split_even(call: &mut Call<'_>, sections: i64, dim: i64) -> Result<Value, Fault> {
    let layout = tensor_splittable(call)?;
    let dim = wrap_dim(dim, layout.rank())?;
    if sections <= 0 {
        return Err(Fault::raised(format!("number of sections must be larger than 0, got {sections}")));
    }
    let count = count_of_pieces(call, sections)?;
    let total = layout.sizes()[dim];
    let mut start = 0;
    let mut pieces = Vec::with_capacity(count);
    for i in 0..sections {
        let size = total / sections + (i < total % sections) as i64;
        pieces.push(layouts::slice(&layout, dim as i64, Some(start), Some(start + size), 1)?);
        start += size;
    }
    views(call, pieces)
}

fn tensor_splittable(call: &Call<'_>) -> Result<Layout, Fault> {
    let layout = call.tensor(0)?.metadata().layout.clone();
    match layout.rank() {
        0 => Err(Fault::raised("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")),
        _ => Ok(layout),
    }
}

fn tensor_split(call: &mut Call<'_>) -> Result<Value, Fault> {
    tensor_splittable(call)?;
    let given = call.tensor(1)?;
    if given.dtype() != DType::Int64 {
        return Err(Fault::raised(format!(
            "tensor_split expected tensor_indices_or_sections to have dtype of long, but got {}",
            given.dtype().scalar_type_name()
        )));
    }
    let values = call.read::<i64>(given)?;
    match given.sizes().len() {
        0 => split_even(call, values[0], call.int(2)?),
        1 => split_at(call, &values, call.int(2)?),
        rank => Err(Fault::raised(format!(
            "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor, but \
             got a tensor with {rank} dims"
        ))),
    }
}

/// `hsplit` and its sisters: along a dimension that the name says, of a tensor of at least `rank` dimensions.
fn direction_split(call: &mut Call<'_>, name: &str, rank: usize) -> Result<Value, Fault> {
    let sizes = call.tensor(0)?.sizes();
    if sizes.len() < rank {
        return Err(Fault::raised(format!(
            "torch.{name} requires a tensor with at least {rank} dimension, but got a tensor with {} dimensions!",
            sizes.len()
        )));
    }
    let dim = match name {
        "hsplit" if sizes.len() == 1 => 0,
        "hsplit" => 1,
        _ => rank - 2 + (name == "dsplit") as usize,
    };
    if let Value::List(_) = call.value(1) {
        return split_at(call, &call.ints(1)?, dim as i64);
    }
    let sections = call.int(1)?;
    if sections == 0 || sizes[dim] % sections != 0 {
        return Err(Fault::raised(format!(
            "torch.{name} attempted to split along dimension {dim}, but the size of the dimension {} is not divisible \
             by the split_size {sections}!",
            sizes[dim]
        )));
    }
    split_even(call, sections, dim as i64)
}

fn unbind(call: &mut Call<'_>) -> Result<Value, Fault> {
    let layout = call.tensor(0)?.metadata().layout.clone();
    let dim = call.dim(1, layout.rank())?;
    layouts::wrap_existing_dim(dim as i64, layout.rank())?;
    count_of_pieces(call, layout.sizes()[dim])?;
    let pieces = (0..layout.sizes()[dim]).map(|index| layouts::select(&layout, dim as i64, index));
    let pieces = pieces.collect::<Result<_, _>>()?;
    views(call, pieces)
}

fn broadcast_tensors(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let sizes: Vec<Dims> = tensors.iter().map(Tensor::sizes).collect();
    let common = broadcast_all(sizes.iter().map(|sizes| &sizes[..]))?;
    expand_each(call, &tensors, &common)
}

fn expand_each(call: &mut Call<'_>, tensors: &[Tensor], sizes: &[i64]) -> Result<Value, Fault> {
    let mut expanded = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let layout = layouts::expand(&tensor.metadata().layout, sizes, tensor.dtype())?;
        expanded.push(over(call, tensor, layout));
    }
    Ok(tensor_list(call, expanded))
}

/// The coordinates of a grid: each tensor along a dimension of its own.
fn meshgrid(call: &mut Call<'_>, indexing: &str) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let Some(first) = tensors.first() else {
        return Err(Fault::raised("meshgrid expects a non-empty TensorList"));
    };
    if tensors.iter().any(|tensor| tensor.dtype() != first.dtype()) {
        return Err(Fault::raised("meshgrid expects all tensors to have the same dtype"));
    }
    let swap = match indexing {
        "xy" => tensors.len() >= 2,
        "ij" => false,
        other => {
            return Err(Fault::raised(format!(
                "torch.meshgrid: indexing must be one of \"xy\" or \"ij\", but received: {other}"
            )));
        }
    };
    if let Some(tensor) = tensors.iter().find(|tensor| tensor.sizes().len() > 1) {
        let text = value_text(&Value::Tensor(tensor.clone()), &call.memory())?;
        return Err(Fault::raised(format!(
            "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {text}"
        )));
    }
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    if swap {
        order.swap(0, 1);
    }
    let sizes: Dims = order.iter().map(|&i| tensors[i].numel()).collect();
    let mut grids = tensors.clone();
    for (dim, &i) in order.iter().enumerate() {
        let mut shape = Dims::from_elem(1, tensors.len());
        shape[dim] = sizes[dim];
        let layout = reshaping::strict_view(&tensors[i].metadata().layout, &shape)?;
        let layout = layouts::expand(&layout, &sizes, tensors[i].dtype())?;
        grids[i] = over(call, &tensors[i], layout);
    }
    Ok(tensor_list(call, grids))
}

fn atleast(call: &mut Call<'_>, rank: usize) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?.clone();
    Ok(Value::Tensor(with_rank(call, tensor, rank)?))
}

fn atleast_each(call: &mut Call<'_>, rank: usize) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let tensors = tensors.into_iter().map(|tensor| with_rank(call, tensor, rank)).collect::<Result<_, _>>()?;
    Ok(tensor_list(call, tensors))
}

/// The tensor itself if it has enough dimensions, or a view with more, placed as NumPy does.
pub(in crate::operators) fn with_rank(call: &mut Call<'_>, tensor: Tensor, rank: usize) -> Result<Tensor, Fault> {
    let layout = tensor.metadata().layout.clone();
    let new = match (layout.rank(), rank) {
        (0, _) => reshaping::strict_view(&layout, &Dims::from_elem(1, rank))?,
        (1, 2) => layouts::unsqueeze(&layout, 0)?,
        (1, 3) => layouts::unsqueeze(&layouts::unsqueeze(&layout, 0)?, -1)?,
        (2, 3) => layouts::unsqueeze(&layout, -1)?,
        _ => return Ok(tensor),
    };
    Ok(over(call, &tensor, new))
}
