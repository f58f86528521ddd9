//! Windows with parameters of their own.

use super::of;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::DType;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::hamming_window.periodic_alpha", hamming),
    ("aten::hamming_window.periodic_alpha_beta", hamming),
    ("aten::kaiser_window", kaiser),
    ("aten::kaiser_window.beta", kaiser),
    ("aten::kaiser_window.periodic", kaiser),
];

/// How long the window is, the last place of the whole that it is the beginning of, and its dtype.
fn extent(call: &Call<'_>) -> Result<(i64, f64, DType)> {
    let length = call.int(0)?;
    let name = call.operator.name.trim_start_matches("aten::");
    if length < 0 {
        return Err(Fault::raised(format!("{name} requires non-negative window_length, got window_length={length}")));
    }
    let periodic = call.position("periodic").map_or(Ok(true), |i| call.bool(i))?;
    let dtype = call.dtype_or(call.position("dtype").expect("a window has a dtype"), DType::Float32)?;
    // One or no sample is nothing to compute.
    if !(dtype.is_floating_point() || dtype.is_complex() && length < 2) {
        return Err(Fault::raised(format!("{name} expects floating point dtypes, got: {}", dtype.scalar_type_name())));
    }
    // Samples are computed as f64, a few times over, before there is a tensor.
    drop(call.room::<[f64; 4]>(&[length as usize])?);
    Ok((length, (length + periodic as i64 - 1) as f64, dtype))
}

fn hamming(call: &mut Call<'_>) -> Result {
    let (length, last, dtype) = extent(call)?;
    let alpha = call.float(2)?;
    let beta = if call.position("beta").is_some() { call.float(3)? } else { 0.46 };
    let at = |i: i64| alpha - beta * libm::cos(2.0 * std::f64::consts::PI * i as f64 / last);
    let elements: Vec<f64> = if length == 1 { vec![1.0] } else { (0..length).map(at).collect() };
    call.create(dtype, &[length], &elements).map(Value::Tensor)
}

/// Kaiser and Schafer, "On the use of the I0-sinh window for spectrum analysis", 1980.
fn kaiser(call: &mut Call<'_>) -> Result {
    let (length, last, dtype) = extent(call)?;
    let beta = call.position("beta").map_or(Ok(12.0), |i| call.float(i))?;
    let middle = last / 2.0;
    let inside = |i: i64| {
        let from_middle = (i as f64 - middle) / middle;
        beta * (1.0 - from_middle * from_middle).max(0.0).sqrt()
    };
    let mut arguments: Vec<f64> = if length == 1 { vec![beta] } else { (0..length).map(inside).collect() };
    arguments.push(beta);
    let arguments = call.create(DType::Float64, &[length + 1], &arguments)?;
    let values = call.run_tensor("aten::i0", &[of(&arguments)])?;
    let values = call.read::<f64>(&values)?;
    let elements: Vec<f64> = values[..length as usize].iter().map(|value| value / values[length as usize]).collect();
    call.create(dtype, &[length], &elements).map(Value::Tensor)
}
