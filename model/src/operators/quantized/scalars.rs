//! Quantized tensors and one number: the elements stay, as far as they can, and what they stand for changes.

use super::super::{Call, Fault, Kernel};
use super::parts::{Parts, suggested, together};
use crate::tensor::quantizer::range;
use crate::tensor::{Affine, Quantizer};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("quantized::add.Scalar", |call| add(call, [0, 1], false)),
    ("quantized::add.Scalar2", |call| add(call, [1, 0], false)),
    ("quantized::add_relu.Scalar", |call| add(call, [0, 1], true)),
    ("quantized::add_relu.Scalar2", |call| add(call, [1, 0], true)),
    ("quantized::add_scalar", |call| add(call, [0, 1], false)),
    ("quantized::add_scalar_relu", |call| add(call, [0, 1], true)),
    ("quantized::mul.Scalar", |call| mul(call, [0, 1], false)),
    ("quantized::mul.Scalar2", |call| mul(call, [1, 0], false)),
    ("quantized::mul_relu.Scalar", |call| mul(call, [0, 1], true)),
    ("quantized::mul_relu.Scalar2", |call| mul(call, [1, 0], true)),
    ("quantized::mul_scalar", |call| mul(call, [0, 1], false)),
    ("quantized::mul_scalar_relu", |call| mul(call, [0, 1], true)),
];

/// The zero point moves by the number; where it would leave the range, the scale grows and the elements are rounded anew.
fn add(call: &mut Call<'_>, places: [usize; 2], relu: bool) -> Result<Value, Fault> {
    let (parts, affine) = Parts::with_affine(call, places[0])?;
    let (least, greatest) = range(parts.dtype);
    let steps = (call.scalar(places[1])?.to_f64() / affine.scale).round_ties_even() as i64;
    let zero_point = affine.zero_point.saturating_sub(steps);
    let width = (greatest - least) as f64;
    let output = if zero_point < least {
        Affine { scale: (greatest - zero_point) as f64 / width * affine.scale, zero_point: least }
    } else if zero_point > greatest {
        Affine { scale: (zero_point - least) as f64 / width * affine.scale, zero_point: greatest }
    } else {
        return put(call, places[0], &parts, Affine { zero_point, ..affine }, relu, |element| element);
    };
    let (multiplier, dtype) = ((affine.scale / output.scale) as f32, parts.dtype);
    put(call, places[0], &parts, output, relu, |element| {
        output.round((element - zero_point) as f32 * multiplier, dtype)
    })
}

/// The scale is multiplied; a negative number turns the range around.
fn mul(call: &mut Call<'_>, places: [usize; 2], relu: bool) -> Result<Value, Fault> {
    let (parts, affine) = Parts::with_affine(call, places[0])?;
    let (least, greatest) = range(parts.dtype);
    let number = call.scalar(places[1])?.to_f64();
    if number > 0.0 {
        let output = Affine { scale: affine.scale * number, ..affine };
        return put(call, places[0], &parts, output, relu, |element| element);
    }
    if number < 0.0 {
        let output = Affine { scale: affine.scale * -number, zero_point: greatest - (affine.zero_point - least) };
        return put(call, places[0], &parts, output, relu, |element| greatest + least - element);
    }
    put(call, places[0], &parts, Affine { scale: 1.0, zero_point: 0 }, relu, |_| 0)
}

fn put(
    call: &mut Call<'_>,
    place: usize,
    parts: &Parts,
    output: Affine,
    relu: bool,
    change: impl Fn(i64) -> i64,
) -> Result<Value, Fault> {
    let elements = call.read::<i64>(&parts.integers)?;
    let floor = if relu { output.zero_point } else { i64::MIN };
    let elements: Vec<i64> = elements.iter().map(|&element| change(element).max(floor)).collect();
    let layout = suggested(&call.tensor(place)?.metadata().layout, &parts.integers.sizes())?;
    Ok(Value::Tensor(together(call, &elements, layout, parts.dtype, Quantizer::PerTensor(output))?))
}
