//! What training for quantization computes: elements rounded to the grid of integers that they will be stored as.

use super::of;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::{Bool8, DType, Scalar, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::fake_quantize_per_tensor_affine", |call| per_tensor(call).map(|both| both.0)),
    ("aten::fake_quantize_per_tensor_affine.tensor_qparams", |call| per_tensor(call).map(|both| both.0)),
    ("aten::fake_quantize_per_tensor_affine_cachemask", |call| per_tensor(call).map(joined)),
    ("aten::fake_quantize_per_channel_affine", |call| per_channel(call).map(|both| both.0)),
    ("aten::fake_quantize_per_channel_affine_cachemask", |call| per_channel(call).map(joined)),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

fn joined((values, mask): (Value, Value)) -> Value {
    Value::tuple([values, mask])
}

/// Where the integers end, both included.
type Range = (i64, i64);

fn range(call: &Call<'_>, i: usize) -> Result<Range> {
    let (least, greatest) = (call.int(i)?, call.int(i + 1)?);
    match least <= greatest {
        true => Ok((least, greatest)),
        false => raised("`quant_min` should be less than or         equal to `quant_max`."),
    }
}

fn check_zero(zero: f64, (least, greatest): Range) -> Result<()> {
    match (least as f64..=greatest as f64).contains(&zero) {
        true => Ok(()),
        false => raised("`zero_point` must be between `quant_min` and `quant_max`."),
    }
}

/// What scales and zeros of channels must be.
fn check_channels(scales: &Tensor, zeros: &Tensor) -> Result<()> {
    let (scale, zero) = (scales.dtype(), zeros.dtype());
    if scale != DType::Float32 {
        return raised(format!("Scale must be Float, found {}", scale.scalar_type_name()));
    }
    if !matches!(zero, DType::Int32 | DType::Float32 | DType::Float16) {
        return raised(format!("Zero-point must be Int32, Float or Half, found {}", zero.scalar_type_name()));
    }
    for (tensor, name) in [(scales, "scale"), (zeros, "zero point")] {
        if tensor.sizes().len() != 1 {
            return raised(format!("{name} should be a 1-D tensor"));
        }
    }
    match scales.numel() == zeros.numel() {
        true => Ok(()),
        false => raised("scale and zero-point need to have the same dimensions"),
    }
}

/// One scale and one zero for all. A zero that is a number is within the range.
fn per_tensor(call: &mut Call<'_>) -> Result<(Value, Value)> {
    let item = |call: &mut Call<'_>, i: usize| match call.value(i).clone() {
        Value::Tensor(tensor) => call.run("aten::item", &[of(&tensor)]),
        number => Ok(number),
    };
    let (scale, zero) = (item(call, 1)?, item(call, 2)?);
    let number = |value: &Value| Scalar::from_value(value).map_or(0.0, Scalar::to_f64);
    let (scale, zero) = (number(&scale), number(&zero).trunc());
    let range = range(call, 3)?;
    if matches!(call.value(2), Value::Int(_)) {
        check_zero(zero, range)?;
    }
    rounded(call, "fake_quantize_tensor_cachemask_kernel_type_handling", |x, _| {
        on_grid(x, scale as f32, range, |steps| steps.round_ties_even() + zero, zero)
    })
}

/// A scale and a zero for each place along a dimension. Zeros may be fractions, and are added before rounding then.
fn per_channel(call: &mut Call<'_>) -> Result<(Value, Value)> {
    let (x, scales, zeros, dim) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?, call.int(3)?);
    check_channels(scales, zeros)?;
    let sizes = x.sizes();
    let channels = sizes[wrap_existing_dim(dim, sizes.len())?];
    if scales.numel() != channels {
        return raised("dimensions of scale and zero-point are not consistent with input tensor");
    }
    let (range, floating) = (range(call, 4)?, zeros.dtype().is_floating_point());
    let (scales, zeros) = (call.read::<f32>(scales)?.to_vec(), call.read::<f64>(zeros)?.to_vec());
    if !floating {
        zeros.iter().try_for_each(|&zero| check_zero(zero, range))?;
    }
    if dim < 0 {
        return raised("`axis` must be between 0 and number of dimensions of input");
    }
    let inner = sizes[dim as usize + 1..].iter().product::<i64>().max(1) as usize;
    rounded(call, "fake_quantize_channel_cachemask_cpu_type_handling", |x, i| {
        let channel = i / inner % channels as usize;
        let zero = zeros[channel];
        let place = |steps: f64| match floating {
            true => (steps + zero).round_ties_even(),
            false => steps.round_ties_even() + zero,
        };
        on_grid(x, scales[channel], range, place, zero)
    })
}

/// The element on the grid that is nearest, and whether it was inside. What is no place on a grid of 64 bits counts as
/// the least, as processors have it.
fn on_grid(x: f64, scale: f32, (least, greatest): Range, place: impl Fn(f64) -> f64, zero: f64) -> (f64, bool) {
    const BOUND: f64 = (1u64 << 63) as f64;
    let place = place(x * (1.0 / scale) as f64);
    let place = if (-BOUND..BOUND).contains(&place) { place as i64 } else { i64::MIN };
    let inside = (least..=greatest).contains(&place);
    ((place.clamp(least, greatest) as f64 - zero) * scale as f64, inside)
}

/// Every element and whether it was inside of the grid, by a function of the element and its position.
fn rounded(call: &mut Call<'_>, kernel: &str, each: impl Fn(f64, usize) -> (f64, bool)) -> Result<(Value, Value)> {
    let x = call.tensor(0)?;
    let dtype = x.dtype();
    if !dtype.is_floating_point() {
        return Err(Fault::raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())));
    }
    let elements = call.read::<f64>(x)?;
    // Products of floats are floats.
    let narrow = |x: f64| if dtype == DType::Float64 { x } else { x as f32 as f64 };
    let results = elements.iter().enumerate().map(|(i, &x)| each(x, i));
    let (values, mask): (Vec<f64>, Vec<Bool8>) = results.map(|(x, inside)| (narrow(x), Bool8::from(inside))).unzip();
    let (output, inside) = (call.zeros_like(x, dtype)?, call.zeros_like(x, DType::Bool)?);
    output.store(&values)?;
    inside.store(&mask)?;
    Ok((of(&output), of(&inside)))
}
