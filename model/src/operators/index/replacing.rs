//! A copy of a tensor with one of its views replaced: `select_scatter` and its sisters.

use super::super::shape::{layouts, reshaping};
use super::super::{Call, Fault, Kernel};
use super::elements::{Grid, clone, copy_to, gathered};
use crate::tensor::{Layout, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::as_strided_scatter", |call| replaced(call, as_strided)),
    ("aten::diagonal_scatter", |call| replaced(call, diagonal)),
    ("aten::select_scatter", |call| replaced(call, select)),
    ("aten::slice_scatter", |call| replaced(call, slice)),
];

fn replaced(call: &mut Call<'_>, view: fn(&Call<'_>, &Layout) -> Result<Layout, Fault>) -> Result<Value, Fault> {
    let (source, new) = (call.tensor(0)?, call.tensor(1)?);
    let result = clone_with_gaps(call, source)?;
    let metadata = result.metadata();
    let part = view(call, &metadata.layout)?;
    if part.sizes() != &new.sizes()[..] {
        return Err(Fault::raised(format!(
            "expected src to have a size equal to the slice of self. src size = {:?}, slice size = {:?}",
            new.sizes(),
            part.sizes()
        )));
    }
    let new = if new.dtype() == metadata.dtype { new.clone() } else { new.convert(call.allocator, metadata.dtype)? };
    copy_to(&metadata.storage, &part, &new.metadata());
    call.deliver(result)
}

/// A copy that lies exactly as the original in its storage, gaps and all.
fn clone_with_gaps(call: &mut Call<'_>, source: &Tensor) -> Result<Tensor, Fault> {
    let metadata = source.metadata();
    let end = metadata.layout.end().expect("the layout fits its storage");
    if metadata.layout.overlaps_itself() || metadata.layout.numel() == 0 {
        return clone(call, source);
    }
    let all = Layout::contiguous(&[end]);
    let copy = gathered(call.allocator, &metadata, all.clone(), &Grid::of(&all))?;
    copy.slot().update(|copied| copied.layout = metadata.layout.clone());
    Ok(copy)
}

fn as_strided(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    let metadata = call.tensor(0)?.metadata();
    let (offset, size) = (call.opt_int(4)?.unwrap_or(layout.offset()), metadata.dtype.size());
    let len = layout.end().unwrap_or(0) as usize * size;
    reshaping::as_strided(&call.ints(2)?, &call.ints(3)?, offset, size, len)
}

fn diagonal(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::diagonal(layout, call.int(2)?, call.int(3)?, call.int(4)?)
}

fn select(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::select(layout, call.int(2)?, call.int(3)?)
}

fn slice(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::slice(layout, call.int(2)?, call.opt_int(3)?, call.opt_int(4)?, call.int(5)?)
}
