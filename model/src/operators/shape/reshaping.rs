//! The same elements under other sizes: which strides show them, if any do.

use super::super::Fault;
use super::super::arguments::wrap_dim;
use super::layouts::{checked, wrap_existing_dim};
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{Dims, Layout};

/// Sizes with -1 replaced by what makes `count` elements.
pub(in crate::operators) fn infer_size(wanted: &[i64], count: i64) -> Result<Dims, Fault> {
    let invalid = || Fault::raised(format!("shape '{wanted:?}' is invalid for input of size {count}"));
    let mut sizes: Dims = wanted.into();
    let mut unknown = None;
    let mut known = 1i64;
    for (dim, &size) in wanted.iter().enumerate() {
        match size {
            -1 if unknown.is_some() => return Err(Fault::raised("only one dimension can be inferred")),
            -1 => unknown = Some(dim),
            i64::MIN..-1 => return Err(Fault::raised(format!("invalid shape dimension {size}"))),
            _ => known = known.checked_mul(size).ok_or_else(invalid)?,
        }
    }
    match unknown {
        None if known == count => Ok(sizes),
        Some(_) if known == 0 && count == 0 => Err(Fault::raised(format!(
            "cannot reshape tensor of 0 elements into shape {wanted:?} because the unspecified dimension size -1 can \
             be any value and is ambiguous"
        ))),
        Some(dim) if known > 0 && count % known == 0 => {
            sizes[dim] = count / known;
            Ok(sizes)
        }
        _ => Err(invalid()),
    }
}

/// The same elements in the same order under other sizes of equal count, or `None` if no strides can show them.
///
/// Neighbouring dimensions that lie without gaps form a chunk; each must be cut by whole new dimensions.
pub(in crate::operators) fn view(layout: &Layout, sizes: &[i64]) -> Option<Layout> {
    let (old, old_strides) = (layout.sizes(), layout.strides());
    if layout.numel() == 0 {
        let strides = if old == sizes { old_strides.into() } else { contiguous_strides(sizes) };
        return checked(sizes, &strides, layout.offset()).ok();
    }
    if old.is_empty() {
        return checked(sizes, &vec![1; sizes.len()], layout.offset()).ok();
    }
    let mut strides = Dims::from_elem(0, sizes.len());
    let mut next = sizes.len();
    let mut base = old_strides[old.len() - 1];
    let (mut chunk, mut covered) = (1i64, 1i64);
    for dim in (0..old.len()).rev() {
        chunk *= old[dim];
        let ends = dim == 0 || (old[dim - 1] != 1 && old_strides[dim - 1] != chunk.saturating_mul(base));
        if !ends {
            continue;
        }
        while next > 0 && (covered < chunk || sizes[next - 1] == 1) {
            next -= 1;
            strides[next] = covered.saturating_mul(base);
            covered *= sizes[next];
        }
        if covered != chunk {
            return None;
        }
        if dim > 0 {
            base = old_strides[dim - 1];
            (chunk, covered) = (1, 1);
        }
    }
    if next == 0 { checked(sizes, &strides, layout.offset()).ok() } else { None }
}

/// [`view`], or PyTorch's error.
pub(in crate::operators) fn strict_view(layout: &Layout, sizes: &[i64]) -> Result<Layout, Fault> {
    let sizes = infer_size(sizes, layout.numel())?;
    view(layout, &sizes).ok_or_else(|| {
        Fault::raised(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two \
             contiguous subspaces). Use .reshape(...) instead.",
        )
    })
}

/// Sizes with the dimensions from `start` to `end` made one.
pub(in crate::operators) fn flat_sizes(layout: &Layout, start: i64, end: i64) -> Result<Dims, Fault> {
    let (start, end) = (wrap_dim(start, layout.rank())?, wrap_dim(end, layout.rank())?);
    if start > end {
        return Err(Fault::raised("flatten() has invalid args: start_dim cannot come after end_dim"));
    }
    let sizes = layout.sizes();
    if sizes.is_empty() {
        return Ok(Dims::from_slice(&[1]));
    }
    let mut flat: Dims = sizes[..start].into();
    flat.push(sizes[start..=end].iter().product());
    flat.extend_from_slice(&sizes[end + 1..]);
    Ok(flat)
}

/// Sizes with the dimension `dim` cut into `parts`.
pub(in crate::operators) fn unflat_sizes(layout: &Layout, dim: i64, parts: &[i64]) -> Result<Dims, Fault> {
    let dim = wrap_dim(dim, layout.rank())?;
    if parts.is_empty() {
        return Err(Fault::raised("unflatten: sizes must be non-empty"));
    }
    if layout.rank() == 0 {
        wrap_existing_dim(dim as i64, 0)?;
    }
    let size = layout.sizes()[dim];
    let parts = infer_size(parts, size).map_err(|fault| match fault {
        Fault::Raised { message, .. } if message.starts_with("shape ") => Fault::raised(format!(
            "unflatten: Provided sizes {parts:?} don't multiply up to the size of dim {dim} ({size}) in the input tensor"
        )),
        Fault::Raised { message, .. } if !message.starts_with("cannot ") => Fault::raised(format!("unflatten got an unexpected error:\n{message}")),
        fault => fault,
    })?;
    let mut sizes = Dims::from_slice(&layout.sizes()[..dim]);
    sizes.extend_from_slice(&parts);
    sizes.extend_from_slice(&layout.sizes()[dim + 1..]);
    Ok(sizes)
}

/// Sizes, strides and an offset in elements of `item` bytes, held against a storage of `len` bytes.
pub(in crate::operators) fn as_strided(
    sizes: &[i64],
    strides: &[i64],
    offset: i64,
    item: usize,
    len: usize,
) -> Result<Layout, Fault> {
    if sizes.len() != strides.len() {
        return Err(Fault::raised("mismatch in length of strides and shape"));
    }
    if strides.iter().any(|&stride| stride < 0) {
        return Err(Fault::raised(format!(
            "as_strided: Negative strides are not supported at the moment, got strides: {strides:?}"
        )));
    }
    if offset < 0 {
        return Err(Fault::raised(format!("Tensor: invalid storage offset {offset}")));
    }
    let overflow =
        || Fault::raised(format!("Storage size calculation overflowed with sizes={sizes:?} and strides={strides:?}"));
    Layout::count(sizes).ok_or_else(overflow)?;
    let layout = Layout::strided(sizes, strides, offset);
    let needed = layout.end().and_then(|end| end.checked_mul(item as i64)).ok_or_else(overflow)?;
    if layout.numel() > 0 && needed > len as i64 {
        return Err(Fault::raised(format!(
            "setStorage: sizes {sizes:?}, strides {strides:?}, storage offset {offset}, and itemsize {item} requiring \
             a storage size of {needed} are out of bounds for storage of size {len}"
        )));
    }
    Ok(layout)
}
