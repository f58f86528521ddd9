//! Copies of tensors, into new ones and into others.

use super::super::index::elements::{Grid, gathered};
use super::super::quantized::suggested;
use super::super::{Call, Destination, Fault, Kernel};
use super::conversions::check_device;
use super::formats::Format;
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Layout, Scalar, Storage, Tensor, dispatch};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::clone", clone),
    ("aten::_to_copy", to_copy),
    ("aten::copy_", copy_in_place),
    ("aten::copy_.Tensor", copy_in_place),
    ("aten::copy_.float", copy_in_place),
    ("aten::copy_.int", copy_in_place),
    ("aten::copy", copy),
];

/// A copy in another dtype and layout (of the same sizes).
pub(in crate::operators) fn copy_as(
    call: &mut Call<'_>,
    source: &Tensor,
    dtype: DType,
    layout: Layout,
) -> Result<Tensor> {
    if dtype.is_quantized() && dtype == source.dtype() {
        let metadata = source.metadata();
        return gathered(call.allocator, &metadata, layout, &Grid::of(&metadata.layout));
    }
    let bytes = Storage::for_layout(call.allocator, &layout, dtype)?;
    let target = Tensor::new(call.allocator, bytes, dtype, layout);
    transfer(call, source, &target)?;
    Ok(target)
}

/// Copies elements, expanded and converted; all are read before the first is written.
fn transfer(call: &Call<'_>, source: &Tensor, target: &Tensor) -> Result<()> {
    let sizes = target.sizes();
    dispatch!(all target.dtype(), call.operator.name, T => {
        let elements = source.read_expanded::<T>(&sizes, call.allocator.memory())?;
        if source.storage().is(&target.storage()) {
            // Let go of the content that is about to be written.
            let elements = elements.to_vec();
            return target.store(&elements);
        }
        target.store(&elements)
    })
}

fn clone(call: &mut Call<'_>) -> Result {
    let source = call.tensor(0)?;
    let format = call.position("memory_format").map_or(Ok(None), |i| call.opt_int(i))?;
    let own = source.metadata().layout.clone();
    let layout = match format.unwrap_or(1) {
        // New quantized tensors lie in order or channels last, whatever they are like.
        1 if source.dtype().is_quantized() => suggested(&own, own.sizes())?,
        code => Format::from_code(code)?.layout(&own)?,
    };
    let copy = copy_as(call, source, source.dtype(), layout)?;
    call.deliver(copy)
}

fn to_copy(call: &mut Call<'_>) -> Result {
    let source = call.tensor(0)?;
    if let Some(Value::Device(device)) = call.position("device").map(|i| call.value(i)) {
        check_device(device)?;
    }
    let dtype = call.position("dtype").map_or(Ok(source.dtype()), |i| call.dtype_or(i, source.dtype()))?;
    let format = call.position("memory_format").map_or(Ok(None), |i| call.opt_int(i))?;
    let layout = Format::from_code(format.unwrap_or(1))?.layout(&source.metadata().layout)?;
    let copy = copy_as(call, source, dtype, layout)?;
    call.deliver(copy)
}

/// `self` becomes `src`, expanded to its sizes and converted to its dtype.
fn copy_in_place(call: &mut Call<'_>) -> Result {
    let target = call.tensor(0)?;
    let Value::Tensor(source) = call.value(1) else {
        let number = call.scalar(1)?;
        number.check_fits(target.dtype())?;
        fill(target, number)?;
        return Ok(call.value(0).clone());
    };
    if !source.is(target) {
        check_copy(target, source)?;
        transfer(call, source, target)?;
    }
    Ok(call.value(0).clone())
}

fn check_copy(target: &Tensor, source: &Tensor) -> Result<()> {
    let sizes = target.sizes();
    Destination::InPlace(target).check_overlap(&[source])?;
    Destination::InPlace(target).check_sizes(&broadcast(&sizes, &source.sizes())?)
}

/// What `self` would become, as a new tensor.
fn copy(call: &mut Call<'_>) -> Result {
    let (like, source) = (call.tensor(0)?, call.tensor(1)?);
    let layout = Format::Preserve.layout(&like.metadata().layout)?;
    let sizes = like.sizes();
    Destination::InPlace(like).check_sizes(&broadcast(&sizes, &source.sizes())?)?;
    let copy = copy_as(call, source, like.dtype(), layout)?;
    call.deliver(copy)
}

/// Makes every element the same number, converted as C casts.
pub(super) fn fill(tensor: &Tensor, number: Scalar) -> Result<()> {
    let metadata = tensor.metadata();
    let layout = &metadata.layout;
    dispatch!(all metadata.dtype, "aten::fill_", T => {
        let element: T = number.cast();
        metadata.storage.update(|content| {
            let elements = content.elements_mut::<T>();
            if layout.is_contiguous() && layout.numel() > 0 {
                let start = layout.offset() as usize;
                elements[start..start + layout.numel() as usize].fill(element);
            } else {
                layout.for_each(|at| elements[at] = element);
            }
        });
        Ok(())
    })
}
