//! What views do to a layout: arithmetic on sizes and strides, without any tensor.
//!
//! Sizes, strides and offsets come out exactly as PyTorch's, also where they do not matter (a size of one, no
//! elements), because programs can ask for them.

use super::super::Fault;
use super::super::arguments::wrap_dim;
use crate::tensor::{DType, Dims, Layout};

/// `dim` counted from the front, for operators that ask for the size of a dimension that must exist.
pub(in crate::operators) fn wrap_existing_dim(dim: i64, rank: usize) -> Result<usize, Fault> {
    if rank == 0 {
        return Err(Fault::raised(format!("Dimension specified as {dim} but tensor has no dimensions")));
    }
    wrap_dim(dim, rank)
}

/// Every dimension of `dims` counted from the front, none twice.
pub(in crate::operators) fn wrap_dims(dims: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
    let mut wrapped = Vec::with_capacity(dims.len());
    for &dim in dims {
        let dim = wrap_dim(dim, rank)?;
        if wrapped.contains(&dim) {
            return Err(Fault::raised(format!("dim {dim} appears multiple times in the list of dims")));
        }
        wrapped.push(dim);
    }
    Ok(wrapped)
}

/// A layout by explicit sizes and strides, refused when the elements cannot be counted.
pub(in crate::operators) fn checked(sizes: &[i64], strides: &[i64], offset: i64) -> Result<Layout, Fault> {
    match Layout::count(sizes) {
        Some(_) => Ok(Layout::strided(sizes, strides, offset)),
        None => Err(Fault::raised("numel: integer multiplication overflow")),
    }
}

/// One index of a dimension, which goes away.
pub(in crate::operators) fn select(layout: &Layout, dim: i64, index: i64) -> Result<Layout, Fault> {
    if layout.rank() == 0 {
        return Err(Fault::raised("select() cannot be applied to a 0-dim tensor."));
    }
    let dim = wrap_dim(dim, layout.rank())?;
    let size = layout.sizes()[dim];
    if !(-size..size).contains(&index) {
        return Err(Fault::raised(format!(
            "select(): index {index} out of range for tensor of size {:?} at dimension {dim}",
            layout.sizes()
        )));
    }
    let index = if index < 0 { index + size } else { index };
    let (mut sizes, mut strides) = dims_of(layout);
    sizes.remove(dim);
    let stride = strides.remove(dim);
    checked(&sizes, &strides, layout.offset().saturating_add(index.saturating_mul(stride)))
}

/// Every `step`-th index from `start` to before `end`, clamped as Python clamps.
pub(in crate::operators) fn slice(
    layout: &Layout,
    dim: i64,
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> Result<Layout, Fault> {
    if layout.rank() == 0 {
        return Err(Fault::raised("slice() cannot be applied to a 0-dim tensor."));
    }
    let dim = wrap_dim(dim, layout.rank())?;
    if step <= 0 {
        return Err(Fault::raised("slice step must be positive"));
    }
    let size = layout.sizes()[dim];
    let clamped = |bound: i64| if bound < 0 { bound + size } else { bound }.clamp(0, size);
    let start = clamped(start.unwrap_or(0));
    let end = clamped(end.unwrap_or(size)).max(start);
    let (mut sizes, mut strides) = dims_of(layout);
    let offset = layout.offset().saturating_add(start.saturating_mul(strides[dim]));
    sizes[dim] = if end == start { 0 } else { (end - start - 1) / step + 1 };
    strides[dim] = strides[dim].saturating_mul(step);
    checked(&sizes, &strides, offset)
}

/// `length` indices from `start`, none missing.
pub(in crate::operators) fn narrow(layout: &Layout, dim: i64, start: i64, length: i64) -> Result<Layout, Fault> {
    if layout.rank() == 0 {
        return Err(Fault::raised("narrow() cannot be applied to a 0-dim tensor."));
    }
    if length < 0 {
        return Err(Fault::raised("narrow(): length must be non-negative."));
    }
    let wrapped = wrap_dim(dim, layout.rank())?;
    let size = layout.sizes()[wrapped];
    if !(-size..=size).contains(&start) {
        return Err(Fault::raised(format!(
            "start out of range (expected to be in range of [{}, {size}], but got {start})",
            -size
        )));
    }
    let start = if start < 0 { start + size } else { start };
    if length > size - start {
        return Err(Fault::raised(format!("start ({start}) + length ({length}) exceeds dimension size ({size}).")));
    }
    slice(layout, dim, Some(start), Some(start + length), 1)
}

/// Two dimensions exchanged.
pub(in crate::operators) fn transpose(layout: &Layout, dim0: i64, dim1: i64) -> Result<Layout, Fault> {
    let (dim0, dim1) = (wrap_dim(dim0, layout.rank())?, wrap_dim(dim1, layout.rank())?);
    let (mut sizes, mut strides) = dims_of(layout);
    if layout.rank() > 0 {
        sizes.swap(dim0, dim1);
        strides.swap(dim0, dim1);
    }
    checked(&sizes, &strides, layout.offset())
}

/// The transpose of a matrix; anything smaller stays. `name` is the operator's, for its message.
pub(in crate::operators) fn t(layout: &Layout, name: &str) -> Result<Layout, Fault> {
    match layout.rank() {
        0 | 1 => Ok(layout.clone()),
        2 => transpose(layout, 0, 1),
        rank => Err(Fault::raised(format!("{name}() expects a tensor with <= 2 dimensions, but self is {rank}D"))),
    }
}

/// Dimensions in the order `dims`.
pub(in crate::operators) fn permute(layout: &Layout, dims: &[i64]) -> Result<Layout, Fault> {
    let rank = layout.rank();
    if dims.len() != rank {
        return Err(Fault::raised(format!(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired \
             ordering of dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {}",
            dims.len()
        )));
    }
    let mut seen = vec![false; rank];
    let (mut sizes, mut strides) = (Dims::new(), Dims::new());
    for &dim in dims {
        let dim = wrap_dim(dim, rank)?;
        if std::mem::replace(&mut seen[dim], true) {
            return Err(Fault::raised("permute(): duplicate dims are not allowed."));
        }
        sizes.push(layout.sizes()[dim]);
        strides.push(layout.strides()[dim]);
    }
    checked(&sizes, &strides, layout.offset())
}

/// Dimensions `source` put at the places `destination`; the others keep their order.
pub(in crate::operators) fn movedim(layout: &Layout, source: &[i64], destination: &[i64]) -> Result<Layout, Fault> {
    if source.len() != destination.len() {
        return Err(Fault::raised(format!(
            "movedim: Invalid source or destination dims: source ({source:?} dims) should contain the same number of \
             dims as destination ({destination:?} dims)"
        )));
    }
    let rank = layout.rank();
    let wrapped = |dims: &[i64]| dims.iter().map(|&dim| wrap_dim(dim, rank)).collect::<Result<Vec<_>, _>>();
    let (from, to) = (wrapped(source)?, wrapped(destination)?);
    for (wrapped, dims, name) in [(&from, source, "source"), (&to, destination, "destination")] {
        if (1..wrapped.len()).any(|i| wrapped[..i].contains(&wrapped[i])) {
            return Err(Fault::raised(format!("movedim: repeated dim in `{name}` ({dims:?})")));
        }
    }
    if rank == 0 {
        return Ok(layout.clone());
    }
    let mut others = (0..rank).filter(|dim| !from.contains(dim));
    let order: Vec<i64> = (0..rank)
        .map(|place| match to.iter().position(|&dim| dim == place) {
            Some(i) => from[i] as i64,
            None => others.next().expect("as many other places as other dimensions") as i64,
        })
        .collect();
    permute(layout, &order)
}

/// A new dimension of one index.
pub(in crate::operators) fn unsqueeze(layout: &Layout, dim: i64) -> Result<Layout, Fault> {
    let dim = wrap_dim(dim, layout.rank() + 1)?;
    let (mut sizes, mut strides) = dims_of(layout);
    let stride = if dim < sizes.len() { sizes[dim].saturating_mul(strides[dim]) } else { 1 };
    sizes.insert(dim, 1);
    strides.insert(dim, stride);
    checked(&sizes, &strides, layout.offset())
}

/// Without the dimensions of one index: those of `dims`, or all of them.
pub(in crate::operators) fn squeeze(layout: &Layout, dims: Option<&[i64]>) -> Result<Layout, Fault> {
    let dims = dims.map(|dims| wrap_dims(dims, layout.rank())).transpose()?;
    let (mut sizes, mut strides) = (Dims::new(), Dims::new());
    for (dim, (&size, &stride)) in layout.sizes().iter().zip(layout.strides()).enumerate() {
        if size != 1 || dims.as_ref().is_some_and(|dims| !dims.contains(&dim)) {
            sizes.push(size);
            strides.push(stride);
        }
    }
    checked(&sizes, &strides, layout.offset())
}

/// Dimensions of one index repeated, and new ones in front; -1 keeps a size. The dtype is for a message.
pub(in crate::operators) fn expand(layout: &Layout, target: &[i64], dtype: DType) -> Result<Layout, Fault> {
    let (rank, existing) = (target.len(), layout.rank());
    if rank < existing {
        return Err(Fault::raised(format!(
            "expand({}{{{:?}}}, size={target:?}): the number of sizes provided ({rank}) must be greater or equal \
             to the number of dimensions in the tensor ({existing})",
            class_name(dtype),
            layout.sizes()
        )));
    }
    if existing == 0 {
        return checked(target, &vec![0; rank], layout.offset());
    }
    let (mut sizes, mut strides) = (Dims::from_elem(0, rank), Dims::from_elem(0, rank));
    for i in (0..rank).rev() {
        let old = (i + existing).checked_sub(rank);
        let (size, stride) = match old {
            Some(dim) => (layout.sizes()[dim], layout.strides()[dim]),
            None => (1, i64::saturating_mul(sizes[i + 1], strides[i + 1])),
        };
        if target[i] == -1 && old.is_none() {
            return Err(Fault::raised(format!(
                "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
            )));
        }
        (sizes[i], strides[i]) = match target[i] {
            wanted if wanted == -1 || wanted == size => (size, stride),
            wanted if size == 1 => (wanted, 0),
            wanted => {
                return Err(Fault::raised(format!(
                    "The expanded size of the tensor ({wanted}) must match the existing size ({size}) at \
                     non-singleton dimension {i}.  Target sizes: {target:?}.  Tensor sizes: {:?}",
                    layout.sizes()
                )));
            }
        };
    }
    checked(&sizes, &strides, layout.offset())
}

/// How PyTorch calls the tensors of a dtype: the oldest ones have a name of their own.
fn class_name(dtype: DType) -> String {
    match dtype.scalar_type_name() {
        name @ ("Byte" | "Char" | "Short" | "Int" | "Long" | "Half" | "Float" | "Double") => {
            format!("torch.{name}Tensor")
        }
        name => format!("CPU{name}Type"),
    }
}

/// The diagonal of two dimensions, as a last dimension.
pub(in crate::operators) fn diagonal(layout: &Layout, offset: i64, dim1: i64, dim2: i64) -> Result<Layout, Fault> {
    let (first, second) = (wrap_dim(dim1, layout.rank())?, wrap_dim(dim2, layout.rank())?);
    if first == second {
        return Err(Fault::raised(format!("diagonal dimensions cannot be identical {dim1}, {dim2}")));
    }
    let (mut sizes, mut strides) = dims_of(layout);
    let (down, right) = (offset.saturating_neg().max(0), offset.max(0));
    let size = sizes[first].saturating_sub(down).min(sizes[second].saturating_sub(right)).max(0);
    let start = if size == 0 { 0 } else { down * strides[first] + right * strides[second] };
    let stride = strides[first].saturating_add(strides[second]);
    for dim in [first.max(second), first.min(second)] {
        sizes.remove(dim);
        strides.remove(dim);
    }
    sizes.push(size);
    strides.push(stride);
    checked(&sizes, &strides, layout.offset() + start)
}

/// Windows of `size` indices every `step`, as a last dimension.
pub(in crate::operators) fn unfold(layout: &Layout, dim: i64, size: i64, step: i64) -> Result<Layout, Fault> {
    let dim = wrap_dim(dim, layout.rank())?;
    let (existing, stride) = match layout.rank() {
        0 => (1, 1),
        _ => (layout.sizes()[dim], layout.strides()[dim]),
    };
    if size < 0 {
        return Err(Fault::raised(format!("size is {size} but must be >= 0")));
    }
    if size > existing {
        return Err(Fault::raised(format!(
            "maximum size for tensor at dimension {dim} is {existing} but size is {size}"
        )));
    }
    if step <= 0 {
        return Err(Fault::raised(format!("step is {step} but must be > 0")));
    }
    let (mut sizes, mut strides) = dims_of(layout);
    if layout.rank() > 0 {
        sizes[dim] = (existing - size) / step + 1;
        strides[dim] = stride.saturating_mul(step);
    }
    sizes.push(size);
    strides.push(stride);
    checked(&sizes, &strides, layout.offset())
}

/// Copies of sizes and strides, to be changed.
fn dims_of(layout: &Layout) -> (Dims, Dims) {
    (layout.sizes().into(), layout.strides().into())
}
