//! Filling tensors with one number.

use super::super::{Call, Correction, Fault, Kernel};
use super::copies::{copy_as, fill};
use super::formats::Format;
use crate::operators::corrections::Row;
use crate::tensor::{DType, Scalar};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::zero_", fill_in_place),
    ("aten::fill_.Scalar", fill_in_place),
    ("aten::fill_.Tensor", fill_in_place),
    ("aten::zero", filled),
    ("aten::fill.Scalar", filled),
    ("aten::fill.Tensor", filled),
];

/// What was there before does not matter.
const OVERWRITES: &[Correction] = &[Correction::Overwrites(&["self"])];

pub(super) const CORRECTIONS: &[Row] = &[
    ("aten::zero_", OVERWRITES),
    ("aten::fill_.Scalar", OVERWRITES),
    ("aten::fill_.Tensor", OVERWRITES),
    ("aten::copy_", OVERWRITES),
    ("aten::copy_.Tensor", OVERWRITES),
    ("aten::copy_.float", OVERWRITES),
    ("aten::copy_.int", OVERWRITES),
    ("aten::zero", &[Correction::ShapeOnly]),
    ("aten::fill.Scalar", &[Correction::ShapeOnly]),
];

/// The number to fill with: zero, or the second argument. A number has to fit; a tensor's is converted.
fn filling(call: &Call<'_>, dtype: DType) -> Result<Scalar> {
    if call.operator.name.starts_with("aten::zero") {
        return Ok(Scalar::Int(0));
    }
    let Value::Tensor(value) = call.value(1) else {
        let number = call.scalar(1)?;
        return number.check_fits(dtype).map(|()| number);
    };
    match value.sizes().len() {
        0 => value.item(),
        rank => Err(Fault::raised(format!(
            "fill_ only supports 0-dimension value tensor but got tensor with {rank} dimensions."
        ))),
    }
}

fn fill_in_place(call: &mut Call<'_>) -> Result {
    let tensor = call.tensor(0)?;
    fill(tensor, filling(call, tensor.dtype())?)?;
    Ok(call.value(0).clone())
}

fn filled(call: &mut Call<'_>) -> Result {
    let like = call.tensor(0)?;
    let number = filling(call, like.dtype())?;
    let layout = Format::Preserve.layout(&like.metadata().layout)?;
    let copy = copy_as(call, like, like.dtype(), layout)?;
    fill(&copy, number)?;
    call.deliver(copy)
}
