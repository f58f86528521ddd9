//! What training for quantization computes: elements rounded to the grid of integers that they will be stored as.

use super::of;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Tensor;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::fake_quantize_per_tensor_affine", |call| per_tensor(call).map(|both| both.0)),
    ("aten::fake_quantize_per_tensor_affine.tensor_qparams", |call| per_tensor(call).map(|both| both.0)),
    ("aten::fake_quantize_per_tensor_affine_cachemask", |call| per_tensor(call).map(joined)),
    ("aten::fake_quantize_per_channel_affine", |call| per_channel(call).map(|both| both.0)),
    ("aten::fake_quantize_per_channel_affine_cachemask", |call| per_channel(call).map(joined)),
];

fn joined((values, mask): (Value, Value)) -> Value {
    Value::tuple([values, mask])
}

/// One scale and one zero for all.
fn per_tensor(call: &mut Call<'_>) -> Result<(Value, Value)> {
    let (x, least, greatest) = (call.tensor(0)?.clone(), call.int(3)?, call.int(4)?);
    let one = |call: &mut Call<'_>, i: usize| match call.value(i).clone() {
        Value::Tensor(tensor) => Ok(of(&tensor)),
        number => call.run("aten::scalar_tensor", &[number, Value::Int(6)]),
    };
    let (scale, zero) = (one(call, 1)?, one(call, 2)?);
    rounded(call, &x, scale, zero, least, greatest)
}

/// A scale and a zero for each place along a dimension.
fn per_channel(call: &mut Call<'_>) -> Result<(Value, Value)> {
    let (x, dim, least, greatest) = (call.tensor(0)?.clone(), call.int(3)?, call.int(4)?, call.int(5)?);
    let rank = x.sizes().len();
    if !(0..rank as i64).contains(&dim) {
        return Err(Fault::raised("`axis` must be between 0 and number of dimensions of input"));
    }
    let channels = x.sizes()[dim as usize];
    if call.tensor(1)?.numel() != channels || call.tensor(2)?.numel() != channels {
        return Err(Fault::raised("dimensions of scale and zero-point are not consistent with input tensor"));
    }
    let mut sizes = vec![1; rank];
    sizes[dim as usize] = channels;
    let along = |call: &mut Call<'_>, i: usize| {
        let sizes = call.int_list(&sizes);
        call.run("aten::reshape", &[call.args[i].clone(), sizes])
    };
    let (scale, zero) = (along(call, 1)?, along(call, 2)?);
    rounded(call, &x, scale, zero, least, greatest)
}

/// The elements on the grid, and which of them are inside of it.
fn rounded(
    call: &mut Call<'_>,
    x: &Tensor,
    scale: Value,
    zero: Value,
    least: i64,
    greatest: i64,
) -> Result<(Value, Value)> {
    if least > greatest {
        return Err(Fault::raised("`quant_min` should be less than or equal to `quant_max`."));
    }
    let inverse = call.run("aten::reciprocal", std::slice::from_ref(&scale))?;
    let steps = call.run("aten::mul.Tensor", &[of(x), inverse])?;
    let steps = call.run("aten::round", &[steps])?;
    let places = call.run("aten::add.Tensor", &[steps, zero.clone()])?;
    let inside = call.run("aten::clamp", &[places.clone(), Value::Int(least), Value::Int(greatest)])?;
    let mask = call.run("aten::eq.Tensor", &[places, inside.clone()])?;
    let steps = call.run("aten::sub.Tensor", &[inside, zero])?;
    let values = call.run("aten::mul.Tensor", &[steps, scale])?;
    let values = call.run("aten::to.dtype", &[values, Value::Int(x.dtype().code())])?;
    Ok((values, mask))
}
