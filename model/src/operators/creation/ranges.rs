//! Tensors of evenly spaced numbers, and the windows of signal processing.

use std::f64::consts::PI;

use super::super::{Call, Fault, Kernel};
use super::factories::{check_sizes, dtype_of};
use crate::tensor::{DType, Scalar, Tensor, dispatch};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::arange", arange),
    ("aten::arange.start", arange),
    ("aten::arange.start_step", arange),
    ("aten::arange.out", arange),
    ("aten::arange.start_out", arange),
    ("aten::range", arange),
    ("aten::range.step", arange),
    ("aten::range.out", arange),
    ("aten::range.out_", arange),
    ("aten::linspace", linspace),
    ("aten::linspace.out", linspace),
    ("aten::linspace.Tensor_Tensor", linspace),
    ("aten::linspace.Tensor_Scalar", linspace),
    ("aten::linspace.Scalar_Tensor", linspace),
    ("aten::linspace.Tensor_Tensor_out", linspace),
    ("aten::linspace.Tensor_Scalar_out", linspace),
    ("aten::linspace.Scalar_Tensor_out", linspace),
    ("aten::logspace", linspace),
    ("aten::logspace.out", linspace),
    ("aten::logspace.Tensor_Tensor", linspace),
    ("aten::logspace.Tensor_Scalar", linspace),
    ("aten::logspace.Scalar_Tensor", linspace),
    ("aten::logspace.Tensor_Tensor_out", linspace),
    ("aten::logspace.Tensor_Scalar_out", linspace),
    ("aten::logspace.Scalar_Tensor_out", linspace),
    ("aten::hann_window", |call| window(call, hann)),
    ("aten::hann_window.periodic", |call| window(call, hann)),
    ("aten::hamming_window", |call| window(call, hamming)),
    ("aten::hamming_window.periodic", |call| window(call, hamming)),
    ("aten::blackman_window", |call| window(call, blackman)),
    ("aten::blackman_window.periodic", |call| window(call, blackman)),
    ("aten::bartlett_window", |call| window(call, bartlett)),
    ("aten::bartlett_window.periodic", |call| window(call, bartlett)),
];

/// From `start` to `end` by `step`; `range` includes the end and is always of floats.
fn arange(call: &mut Call<'_>) -> Result {
    let inclusive = call.operator.name == "aten::range";
    let number = |name: &str, default: Scalar| call.position(name).map_or(Ok(default), |i| call.scalar(i));
    let (start, end) = (number("start", Scalar::Int(0))?, number("end", Scalar::Int(0))?);
    let step = number("step", Scalar::Int(1))?;
    let integral = [start, end, step].iter().all(|number| !matches!(number, Scalar::Float(_)));
    let dtype = dtype_of(call, if integral && !inclusive { DType::Int64 } else { DType::Float32 })?;
    if dtype.is_complex() {
        let kernel = if inclusive { "range_cpu" } else { "arange_cpu" };
        return Err(Fault::raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())));
    }
    let count = steps(start, end, step, dtype, inclusive)?;
    check_sizes(&[count])?;
    let result = if dtype.is_integral() {
        let (start, step) = (start.to_i64(), step.to_i64());
        elements(call, count, dtype, |i| Scalar::Int(start.wrapping_add(step.wrapping_mul(i))))?
    } else {
        let (start, step) = (start.to_f64(), step.to_f64());
        elements(call, count, dtype, |i| Scalar::Float(start + step * i as f64))?
    };
    call.deliver(result)
}

/// How many numbers there are, or what is wrong with the range.
fn steps(start: Scalar, end: Scalar, step: Scalar, dtype: DType, inclusive: bool) -> Result<i64> {
    if dtype.is_integral() && !inclusive {
        [start, end, step].iter().try_for_each(|number| number.check_fits(DType::Int64))?;
    }
    let (from, to, by) = (start.to_f64(), end.to_f64(), step.to_f64());
    if by == 0.0 {
        return Err(Fault::raised("step must be nonzero"));
    }
    if !from.is_finite() || !to.is_finite() {
        return Err(Fault::raised(format!("unsupported range: {} -> {}", c_float(from), c_float(to))));
    }
    if (by > 0.0) != (to >= from) && to != from {
        let words = "upper bound and lower bound inconsistent with step sign";
        return Err(Fault::raised(if inclusive {
            words
        } else {
            "upper bound and larger bound inconsistent with step sign"
        }));
    }
    let count = if dtype == DType::Int64 && !inclusive {
        // Exactly, for numbers that a float does not hold.
        let (from, to, by) = (start.to_i64() as i128, end.to_i64() as i128, step.to_i64() as i128);
        if by == 0 {
            return Err(Fault::raised("step must be nonzero"));
        }
        ((to - from + by - by.signum()) / by) as f64
    } else if inclusive {
        ((to - from) / by + 1.0).floor()
    } else {
        ((to - from) / by).ceil()
    };
    if !(0.0..9.0e18).contains(&count) {
        return Err(Fault::raised("invalid size, possible overflow?"));
    }
    Ok(count as i64)
}

/// A float as C++ streams print it.
fn c_float(value: f64) -> String {
    match value {
        _ if value.is_nan() => "nan".into(),
        f64::INFINITY => "inf".into(),
        f64::NEG_INFINITY => "-inf".into(),
        value => format!("{value}"),
    }
}

fn elements(call: &mut Call<'_>, count: i64, dtype: DType, element: impl Fn(i64) -> Scalar) -> Result<Tensor> {
    dispatch!(all dtype, call.operator.name, T => {
        Tensor::build(call.allocator, &[count], |out: &mut [T]| {
            for (i, out) in out.iter_mut().enumerate() {
                *out = element(i as i64).cast();
            }
        })
    })
}

/// `steps` numbers from `start` to `end`, both included; for `logspace`, powers of `base`.
fn linspace(call: &mut Call<'_>) -> Result {
    let (start, end) = (bound(call, 0)?, bound(call, 1)?);
    let steps = call.int(2)?;
    let base = call.position("base").map_or(Ok(None), |i| call.opt_float(i))?;
    let dtype = dtype_of(call, DType::Float32)?;
    if steps < 0 {
        return Err(Fault::raised("number of steps must be non-negative"));
    }
    if dtype.is_complex() {
        return Err(Fault::no_kernel(call.operator.name, dtype));
    }
    // The shorter floats step by one of their own.
    let short_step: Option<f32> = match dtype {
        DType::Float32 | DType::Float16 | DType::BFloat16 => {
            let step = (end as f32 - start as f32) / (steps - 1) as f32;
            Some(Scalar::Float(step.into()).cast_through(dtype)?)
        }
        _ => None,
    };
    // Counted from the nearer end, so that both ends are exact.
    let at = |i: i64| {
        if steps == 1 {
            return start;
        }
        if let Some(step) = short_step {
            let near = i < steps / 2;
            let (from, by, count) = if near { (start, step, i) } else { (end, -step, steps - 1 - i) };
            return f64::from(by.mul_add(count as f32, from as f32));
        }
        let step = (end - start) / (steps - 1) as f64;
        if i < steps / 2 { start + step * i as f64 } else { end - step * (steps - 1 - i) as f64 }
    };
    let result = elements(call, steps, dtype, |i| Scalar::Float(base.map_or(at(i), |base| libm::pow(base, at(i)))))?;
    call.deliver(result)
}

/// An end, given as a number or as a tensor without dimensions.
fn bound(call: &Call<'_>, i: usize) -> Result<f64> {
    let Value::Tensor(tensor) = call.value(i) else { return Ok(call.scalar(i)?.to_f64()) };
    let rank = |i: usize| match call.value(i) {
        Value::Tensor(tensor) => Some(tensor.sizes().len()),
        _ => None,
    };
    let ranks = [("start", rank(0)), ("end", rank(1))];
    if ranks.iter().all(|(_, rank)| rank.unwrap_or(0) == 0) {
        return Ok(tensor.item()?.to_f64());
    }
    let told = |(name, rank): (&str, Option<usize>)| Some(format!("{name} with {} dimension(s)", rank?));
    let told: Vec<String> = ranks.into_iter().filter_map(told).collect();
    let (function, text) = (&call.operator.name["aten::".len()..], "only supports 0-dimensional start and end tensors");
    Err(Fault::raised(format!("{function} {text}, but got {}.", told.join(" and "))))
}

/// A window of so many samples, by its shape over 0 to 1; a periodic one leaves out the last.
fn window(call: &mut Call<'_>, shape: fn(f64) -> f64) -> Result {
    let length = call.int(0)?;
    let periodic = call.position("periodic").map_or(Ok(true), |i| call.bool(i))?;
    let dtype = dtype_of(call, DType::Float32)?;
    let name = &call.operator.name["aten::".len()..];
    // One or no sample is nothing to compute.
    if !(dtype.is_floating_point() || dtype.is_complex() && length < 2) {
        return Err(Fault::raised(format!("{name} expects floating point dtypes, got: {}", dtype.scalar_type_name())));
    }
    if length < 0 {
        return Err(Fault::raised(format!("{name} requires non-negative window_length, got window_length={length}")));
    }
    let span = (if periodic { length } else { length - 1 }).max(1) as f64;
    let result =
        elements(call, length, dtype, |i| Scalar::Float(if length == 1 { 1.0 } else { shape(i as f64 / span) }))?;
    Ok(Value::Tensor(result))
}

fn hann(x: f64) -> f64 {
    0.5 - 0.5 * libm::cos(2.0 * PI * x)
}

fn hamming(x: f64) -> f64 {
    0.54 - 0.46 * libm::cos(2.0 * PI * x)
}

fn blackman(x: f64) -> f64 {
    0.42 - 0.5 * libm::cos(2.0 * PI * x) + 0.08 * libm::cos(4.0 * PI * x)
}

fn bartlett(x: f64) -> f64 {
    1.0 - (2.0 * x - 1.0).abs()
}
