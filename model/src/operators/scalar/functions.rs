//! Elementary functions of one or two numbers.
//!
//! A `Scalar` overload computes in 32 bits, as PyTorch does, except for those that round.

use num_complex::Complex64;

use super::{complex, not_these_numbers, pair, rows};
use crate::operators::{Call, Fault, Kernel, complex as of_complex};
use crate::tensor::{Math, Scalar};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| unary(call, Math::exp, Some(of_complex::exp)) =>
        "aten::exp.int" "aten::exp.float" "aten::exp.complex" "aten::exp.Scalar";
    |call| unary(call, Math::ln, Some(of_complex::ln)) =>
        "aten::log.int" "aten::log.float" "aten::log.complex" "aten::log.Scalar";
    |call| unary(call, Math::log10, Some(of_complex::log10)) =>
        "aten::log10.int" "aten::log10.float" "aten::log10.complex" "aten::log10.Scalar";
    |call| unary(call, |_, x| x.sqrt(), Some(of_complex::sqrt)) =>
        "aten::sqrt.int" "aten::sqrt.float" "aten::sqrt.complex" "aten::sqrt.Scalar";
    |call| unary(call, Math::sin, Some(of_complex::sin)) =>
        "aten::sin.int" "aten::sin.float" "aten::sin.complex" "aten::sin.Scalar";
    |call| unary(call, Math::cos, Some(of_complex::cos)) =>
        "aten::cos.int" "aten::cos.float" "aten::cos.complex" "aten::cos.Scalar";
    |call| unary(call, Math::tan, Some(of_complex::tan)) =>
        "aten::tan.int" "aten::tan.float" "aten::tan.complex" "aten::tan.Scalar";
    |call| unary(call, Math::asin, Some(of_complex::asin)) =>
        "aten::asin.int" "aten::asin.float" "aten::asin.complex" "aten::asin.Scalar";
    |call| unary(call, Math::acos, Some(of_complex::acos)) =>
        "aten::acos.int" "aten::acos.float" "aten::acos.complex" "aten::acos.Scalar";
    |call| unary(call, Math::atan, Some(of_complex::atan)) =>
        "aten::atan.int" "aten::atan.float" "aten::atan.complex" "aten::atan.Scalar";
    |call| unary(call, Math::sinh, Some(of_complex::sinh)) =>
        "aten::sinh.int" "aten::sinh.float" "aten::sinh.complex" "aten::sinh.Scalar";
    |call| unary(call, Math::cosh, Some(of_complex::cosh)) =>
        "aten::cosh.int" "aten::cosh.float" "aten::cosh.complex" "aten::cosh.Scalar";
    |call| unary(call, Math::tanh, Some(of_complex::tanh)) =>
        "aten::tanh.int" "aten::tanh.float" "aten::tanh.complex" "aten::tanh.Scalar";
    |call| unary(call, |_, x| libm::asinh(x), Some(of_complex::asinh)) =>
        "aten::asinh.int" "aten::asinh.float" "aten::asinh.complex" "aten::asinh.Scalar";
    |call| unary(call, |_, x| libm::acosh(x), Some(of_complex::acosh)) =>
        "aten::acosh.int" "aten::acosh.float" "aten::acosh.complex" "aten::acosh.Scalar";
    |call| unary(call, |_, x| libm::atanh(x), Some(of_complex::atanh)) =>
        "aten::atanh.int" "aten::atanh.float" "aten::atanh.complex" "aten::atanh.Scalar";
    |call| unary(call, Math::exp_m1, None) => "aten::expm1.int" "aten::expm1.float" "aten::expm1.Scalar";
    |call| unary(call, Math::ln_1p, None) => "aten::log1p.int" "aten::log1p.float" "aten::log1p.Scalar";
    |call| unary(call, |_, x| libm::erf(x), None) => "aten::erf.int" "aten::erf.float" "aten::erf.Scalar";
    |call| unary(call, |_, x| libm::erfc(x), None) => "aten::erfc.int" "aten::erfc.float" "aten::erfc.Scalar";
    |call| unary(call, |_, x| libm::tgamma(x), None) => "aten::gamma.int" "aten::gamma.float" "aten::gamma.Scalar";
    |call| unary(call, |_, x| libm::lgamma(x), None) => "aten::lgamma.int" "aten::lgamma.float" "aten::lgamma.Scalar";
    |call| unary(call, |_, x| x.abs(), None) => "aten::fabs.int" "aten::fabs.float" "aten::fabs.Scalar";
    |call| unary(call, |_, x| x * (180.0 / std::f64::consts::PI), None) =>
        "aten::degrees.int" "aten::degrees.float" "aten::degrees.Scalar";
    |call| unary(call, |_, x| x * (std::f64::consts::PI / 180.0), None) =>
        "aten::radians.int" "aten::radians.float" "aten::radians.Scalar";
    |call| unary(call, |_, x| if x < 0.0 { std::f64::consts::PI } else { 0.0 }, None) =>
        "aten::angle.int" "aten::angle.float";
    // The overload for any number gives what a float of 32 bits holds, as those of the other functions do.
    |call| Ok(Value::Float(match call.scalar(0)? {
        Scalar::Complex(z) => f64::from(of_complex::angle(call.modes.math, z) as f32),
        x if x.to_f64() < 0.0 => f64::from(std::f32::consts::PI),
        _ => 0.0,
    })) => "aten::angle.Scalar";
    |call| match call.scalar(0)? {
        Scalar::Complex(z) => Ok(Value::Float(of_complex::angle(call.modes.math, z))),
        _ => Err(not_these_numbers(call)),
    } => "aten::angle.complex";
    |call| rounded(call, f64::floor) => "aten::floor.int" "aten::floor.float" "aten::floor.Scalar";
    |call| rounded(call, f64::ceil) => "aten::ceil.int" "aten::ceil.float" "aten::ceil.Scalar";
    |call| match call.scalar(0)? {
        Scalar::Complex(_) => Err(not_these_numbers(call)),
        x => Ok(Value::Float(x.to_f64().round_ties_even())),
    } => "aten::round.int" "aten::round.float" "aten::round.Scalar";
    |call| binary(call, Math::atan2) => "aten::atan2.int" "aten::atan2.float" "aten::atan2.int_float"
        "aten::atan2.float_int" "aten::atan2.Scalar_Scalar";
    |call| binary(call, |_, a, b| a.copysign(b)) => "aten::copysign" "aten::copysign.int" "aten::copysign.float"
        "aten::copysign.int_float" "aten::copysign.float_int";
    log_to_base => "aten::log.int_int" "aten::log.float_float" "aten::log.int_float" "aten::log.float_int"
        "aten::log.Scalar_Scalar" "aten::log.complex_complex" "aten::log.complex_float" "aten::log.complex_int"
        "aten::log.float_complex" "aten::log.int_complex";
    |call| {
        let (length, angle) = pair(call)?;
        let point = of_complex::from_polar(call.modes.math, length.to_f64(), angle.to_f64());
        Ok(complex(point.re, point.im))
    } => "aten::polar.int" "aten::polar.float" "aten::polar.int_float" "aten::polar.float_int"
        "aten::polar.Scalar_Scalar";
    |call| is(call, f64::is_nan, |parts| parts.0 || parts.1) => "aten::isnan.float" "aten::isnan.complex";
    |call| is(call, f64::is_infinite, |parts| parts.0 || parts.1) => "aten::isinf.float" "aten::isinf.complex";
    |call| is(call, f64::is_finite, |parts| parts.0 && parts.1) => "aten::isfinite.float" "aten::isfinite.complex";
    |call| {
        let (fraction, exponent) = libm::frexp(call.float(0)?);
        Ok(Value::tuple([Value::Float(fraction), Value::Int(exponent.into())]))
    } => "aten::frexp";
    |call| {
        let (fraction, whole) = libm::modf(call.float(0)?);
        Ok(Value::tuple([Value::Float(fraction), Value::Float(whole)]))
    } => "aten::modf";
    |call| {
        let exponent = call.int(1)?.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        Ok(Value::Float(libm::scalbn(call.float(0)?, exponent)))
    } => "aten::ldexp";
};

fn unary(
    call: &Call<'_>,
    float: fn(Math, f64) -> f64,
    of_complex: Option<fn(Math, Complex64) -> Complex64>,
) -> Result<Value, Fault> {
    let math = call.modes.math;
    let result = match (call.scalar(0)?, of_complex) {
        (Scalar::Complex(z), Some(function)) => {
            let result = function(math, z);
            return Ok(complex(result.re, result.im));
        }
        (Scalar::Complex(_), None) => return Err(not_these_numbers(call)),
        (x, _) => float(math, x.to_f64()),
    };
    Ok(Value::Float(if call.operator.overload == "Scalar" { f64::from(result as f32) } else { result }))
}

fn binary(call: &Call<'_>, float: fn(Math, f64, f64) -> f64) -> Result<Value, Fault> {
    let (a, b) = pair(call)?;
    Ok(Value::Float(float(call.modes.math, a.to_f64(), b.to_f64())))
}

/// `floor` and `ceil` give integers.
fn rounded(call: &Call<'_>, round: fn(f64) -> f64) -> Result<Value, Fault> {
    match call.scalar(0)? {
        Scalar::Int(x) => Ok(Value::Int(x)),
        Scalar::Float(x) => {
            let result = round(x);
            // Beyond ±2^63 there is no integer; PyTorch's own test is as coarse, and lets 2^63 itself through.
            if (-9223372036854775808.0..=9223372036854775808.0).contains(&result) {
                return Ok(Value::Int(Scalar::Float(result).to_i64()));
            }
            let text = if x.is_nan() { "nan".into() } else { format!("{x:.6}") };
            Err(Fault::raised(format!("Cannot convert float {text} to integer")))
        }
        _ => Err(not_these_numbers(call)),
    }
}

/// The logarithm of the first number to the base of the second.
fn log_to_base(call: &mut Call<'_>) -> Result<Value, Fault> {
    let math = call.modes.math;
    Ok(match pair(call)? {
        (a @ Scalar::Complex(_), b) | (a, b @ Scalar::Complex(_)) => {
            let (a, b): (Complex64, Complex64) = (a.cast(), b.cast());
            let quotient = of_complex::ln(math, a) / of_complex::ln(math, b);
            complex(quotient.re, quotient.im)
        }
        (a, b) => Value::Float(math.ln(a.to_f64()) / math.ln(b.to_f64())),
    })
}

/// A property of a number, or of both parts of a complex one.
fn is(call: &Call<'_>, property: fn(f64) -> bool, both: fn((bool, bool)) -> bool) -> Result<Value, Fault> {
    Ok(Value::Bool(match call.scalar(0)? {
        Scalar::Complex(z) => both((property(z.re), property(z.im))),
        x => property(x.to_f64()),
    }))
}
