//! Arithmetic on numbers, and bits of integers.
//!
//! Integers wrap as in C++. What would be undefined there, or stop the process, raises an error here.

use num_complex::Complex64;

use super::{complex, not_these_numbers, pair, rows};
use crate::operators::{Call, Fault, Kernel, complex as of_complex};
use crate::tensor::Scalar;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| combine(call, i64::wrapping_add, |a, b| a + b, |a, b| a + b) =>
        "aten::add" "aten::add.int" "aten::add.float" "aten::add.complex" "aten::add.int_float" "aten::add.float_int"
        "aten::add.complex_int" "aten::add.complex_float" "aten::add.int_complex" "aten::add.float_complex";
    |call| combine(call, i64::wrapping_sub, |a, b| a - b, |a, b| a - b) =>
        "aten::sub" "aten::sub.int" "aten::sub.float" "aten::sub.complex" "aten::sub.int_float" "aten::sub.float_int"
        "aten::sub.complex_int" "aten::sub.complex_float" "aten::sub.int_complex" "aten::sub.float_complex";
    |call| combine(call, i64::wrapping_mul, |a, b| a * b, multiply_complex) =>
        "aten::mul" "aten::mul.int" "aten::mul.float" "aten::mul.complex" "aten::mul.int_float" "aten::mul.float_int"
        "aten::mul.complex_int" "aten::mul.complex_float" "aten::mul.int_complex" "aten::mul.float_complex";
    div => "aten::div" "aten::div.int" "aten::div.float" "aten::div.complex";
    floordiv => "aten::floordiv" "aten::floordiv.int" "aten::floordiv.float" "aten::floordiv.int_float"
        "aten::floordiv.float_int";
    remainder => "aten::remainder" "aten::remainder.int" "aten::remainder.float" "aten::remainder.int_float"
        "aten::remainder.float_int";
    divmod => "aten::divmod.int" "aten::divmod.float" "aten::divmod.int_float" "aten::divmod.float_int";
    fmod => "aten::fmod" "aten::fmod.int" "aten::fmod.float" "aten::fmod.int_float" "aten::fmod.float_int";
    ieee_remainder => "aten::mathremainder" "aten::mathremainder.int" "aten::mathremainder.float"
        "aten::mathremainder.int_float" "aten::mathremainder.float_int";
    pow => "aten::pow.int" "aten::pow.float" "aten::pow.int_float" "aten::pow.float_int" "aten::pow.Scalar_Scalar"
        "aten::pow.complex" "aten::pow.complex_float" "aten::pow.float_complex";
    pow_to_int => "aten::pow.int_to_int";
    neg => "aten::neg.int" "aten::neg.float" "aten::neg.complex" "aten::neg.Scalar";
    abs => "prim::abs.int" "prim::abs.float" "prim::abs.complex" "prim::abs.Scalar";
    |call| bits(call, |a, b| a & b) => "aten::__and__.int" "aten::__and__.bool";
    |call| bits(call, |a, b| a | b) => "aten::__or__.int" "aten::__or__.bool";
    |call| bits(call, |a, b| a ^ b) => "aten::__xor__.int" "aten::__xor__.bool";
    // The machine looks at the low six bits of the distance.
    |call| bits(call, |a, b| a.wrapping_shl(b as u32)) => "aten::__lshift__.int";
    right_shift => "aten::__rshift__.int";
    |call| Ok(Value::Bool(!call.bool(0)?)) => "aten::__not__";
    round_to_zero_floordiv => "aten::__round_to_zero_floordiv.int";
    gcd => "aten::gcd.int";
    factorial => "aten::factorial.int";
};

/// An operation on two ints, two floats or two complex numbers; mixed ones are widened first.
fn combine(
    call: &Call<'_>,
    ints: fn(i64, i64) -> i64,
    floats: fn(f64, f64) -> f64,
    complexes: fn(Complex64, Complex64) -> Complex64,
) -> Result<Value, Fault> {
    Ok(match pair(call)? {
        (a @ Scalar::Complex(_), b) | (a, b @ Scalar::Complex(_)) => {
            Value::Complex(Box::new(complexes(a.cast(), b.cast())))
        }
        (a @ Scalar::Float(_), b) | (a, b @ Scalar::Float(_)) => Value::Float(floats(a.to_f64(), b.to_f64())),
        (a, b) => Value::Int(ints(a.to_i64(), b.to_i64())),
    })
}

/// The product as C defines it: a result of two nans is repaired where an operand is infinite.
fn multiply_complex(a: Complex64, b: Complex64) -> Complex64 {
    let product = a * b;
    if !(product.re.is_nan() && product.im.is_nan()) {
        return product;
    }
    let boxed = |z: Complex64| {
        let side = |part: f64| if part.is_infinite() { 1f64 } else { 0.0 }.copysign(part);
        Complex64::new(side(z.re), side(z.im))
    };
    let finite = |z: Complex64| {
        let side = |part: f64| if part.is_nan() { 0f64.copysign(part) } else { part };
        Complex64::new(side(z.re), side(z.im))
    };
    let infinite = |z: Complex64| z.re.is_infinite() || z.im.is_infinite();
    let (a, b) = match (infinite(a), infinite(b)) {
        (true, true) => (boxed(a), boxed(b)),
        (true, false) => (boxed(a), finite(b)),
        (false, true) => (finite(a), boxed(b)),
        (false, false) => return product,
    };
    Complex64::new(f64::INFINITY * (a.re * b.re - a.im * b.im), f64::INFINITY * (a.re * b.im + a.im * b.re))
}

fn div(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match pair(call)? {
        (Scalar::Complex(a), Scalar::Complex(b)) => Value::Complex(Box::new(divide_complex(a, b))),
        (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => return Err(not_these_numbers(call)),
        (a, b) => Value::Float(a.to_f64() / b.to_f64()),
    })
}

/// The quotient as C defines it: scaled by a power of two, and infinite for a divisor of zero.
fn divide_complex(a: Complex64, b: Complex64) -> Complex64 {
    let (mut c, mut d, mut scale) = (b.re, b.im, 0);
    let greatest = c.abs().max(d.abs());
    if greatest.is_finite() && greatest > 0.0 {
        scale = libm::ilogb(greatest);
        (c, d) = (libm::scalbn(c, -scale), libm::scalbn(d, -scale));
    }
    let denominator = c * c + d * d;
    let re = libm::scalbn((a.re * c + a.im * d) / denominator, -scale);
    let im = libm::scalbn((a.im * c - a.re * d) / denominator, -scale);
    if re.is_nan() && im.is_nan() && denominator == 0.0 && !(a.re.is_nan() && a.im.is_nan()) {
        let infinity = f64::INFINITY.copysign(c);
        return Complex64::new(infinity * a.re, infinity * a.im);
    }
    Complex64::new(re, im)
}

fn floordiv(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match pair(call)? {
        (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => return Err(not_these_numbers(call)),
        (a @ Scalar::Float(_), b) | (a, b @ Scalar::Float(_)) => Value::Float((a.to_f64() / b.to_f64()).floor()),
        (a, b) => Value::Int(floor_divide(a.to_i64(), b.to_i64()).ok_or_else(|| Fault::raised("division by 0"))?),
    })
}

/// The quotient rounded towards minus infinity; `None` for a divisor of zero.
fn floor_divide(a: i64, b: i64) -> Option<i64> {
    if b == 0 {
        return None;
    }
    let quotient = a.wrapping_div(b);
    Some(if (a < 0) != (b < 0) && a.wrapping_rem(b) != 0 { quotient - 1 } else { quotient })
}

fn remainder(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match pair(call)? {
        (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => return Err(not_these_numbers(call)),
        (a @ Scalar::Float(_), b) | (a, b @ Scalar::Float(_)) => {
            // Not Python's formula: an infinite divisor gives nan.
            let (a, b) = (a.to_f64(), b.to_f64());
            Value::Float((b + a % b) % b)
        }
        (_, b) if b.to_i64() == 0 => return Err(Fault::raised("division by 0")),
        (a, b) => {
            let (a, b) = (a.to_i64(), b.to_i64());
            Value::Int(b.wrapping_add(a.wrapping_rem(b)).wrapping_rem(b))
        }
    })
}

fn divmod(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match pair(call)? {
        (Scalar::Int(a), Scalar::Int(b)) => {
            let quotient = floor_divide(a, b)
                .ok_or_else(|| Fault::raised("ZeroDivisionError: integer division or modulo by zero"))?;
            Value::tuple([Value::Int(quotient), Value::Int(a.wrapping_sub(quotient.wrapping_mul(b)))])
        }
        (a, b) => {
            // Beside an integer, PyTorch takes a float for one of 32 bits.
            let (a, b) = match (a, b) {
                (Scalar::Int(a), b) => (a as f64, f64::from(b.to_f64() as f32)),
                (a, Scalar::Int(b)) => (f64::from(a.to_f64() as f32), b as f64),
                (a, b) => (a.to_f64(), b.to_f64()),
            };
            if b == 0.0 {
                return Err(Fault::raised("ZeroDivisionError: float divmod()"));
            }
            let mut rest = a % b;
            if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
                rest += b;
            }
            Value::tuple([Value::Float((a - rest) / b), Value::Float(rest)])
        }
    })
}

fn fmod(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = pair(call)?;
    Ok(Value::Float(a.to_f64() % b.to_f64()))
}

fn ieee_remainder(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = pair(call)?;
    Ok(Value::Float(libm::remainder(a.to_f64(), b.to_f64())))
}

fn pow(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (any_number, math) = (call.operator.overload == "Scalar_Scalar", call.modes.math);
    Ok(match pair(call)? {
        (Scalar::Complex(a), Scalar::Complex(b)) => Value::Complex(Box::new(of_complex::pow(math, a, b))),
        (Scalar::Complex(a), b @ Scalar::Float(_)) => Value::Complex(Box::new(of_complex::pow(math, a, b.cast()))),
        (a @ Scalar::Float(_), Scalar::Complex(b)) => Value::Complex(Box::new(of_complex::pow(math, a.cast(), b))),
        (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => return Err(not_these_numbers(call)),
        (a, b) if a.to_f64() == 0.0 && b.to_f64() < 0.0 && !any_number => {
            return Err(Fault::raised("0.0 cannot be raised to a negative power"));
        }
        (a, b) => Value::Float(math.powf(a.to_f64(), b.to_f64())),
    })
}

fn pow_to_int(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (base, exponent) = (call.int(0)?, call.int(1)?);
    if base == 0 && exponent < 0 {
        return Err(Fault::raised("0.0 cannot be raised to a negative power"));
    }
    // Computed as floats, as PyTorch does; beyond the range the machine gives its least integer.
    Ok(Value::Int(Scalar::Float(call.modes.math.powf(base as f64, exponent as f64)).to_i64()))
}

fn neg(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match call.scalar(0)? {
        Scalar::Int(a) => Value::Int(a.wrapping_neg()),
        Scalar::Float(a) => Value::Float(-a),
        Scalar::Complex(a) => complex(-a.re, -a.im),
        Scalar::Bool(_) => return Err(not_these_numbers(call)),
    })
}

fn abs(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match call.scalar(0)? {
        Scalar::Int(a) => Value::Int(a.wrapping_abs()),
        Scalar::Float(a) => Value::Float(a.abs()),
        Scalar::Complex(a) => Value::Float(of_complex::length(call.modes.math, a)),
        Scalar::Bool(_) => return Err(not_these_numbers(call)),
    })
}

fn bits(call: &Call<'_>, ints: fn(i64, i64) -> i64) -> Result<Value, Fault> {
    Ok(match (call.value(0), call.value(1)) {
        (Value::Bool(a), Value::Bool(b)) => Value::Bool(ints(*a as i64, *b as i64) != 0),
        _ => Value::Int(ints(call.int(0)?, call.int(1)?)),
    })
}

fn right_shift(call: &mut Call<'_>) -> Result<Value, Fault> {
    bits(call, |a, b| a.wrapping_shr(b as u32))
}

fn round_to_zero_floordiv(call: &mut Call<'_>) -> Result<Value, Fault> {
    match (call.int(0)?, call.int(1)?) {
        (_, 0) => Err(Fault::raised("division by 0")),
        (a, b) => Ok(Value::Int(a.wrapping_div(b))),
    }
}

fn gcd(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (mut a, mut b) = (call.int(0)?.unsigned_abs(), call.int(1)?.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    Ok(Value::Int(a as i64))
}

fn factorial(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = call.int(0)?;
    if n < 0 {
        return Err(Fault::raised("factorial() not defined for negative values"));
    }
    // From 66 on the product has 64 factors of two and wraps to zero.
    Ok(Value::Int(if n > 65 { 0 } else { (1..=n).fold(1, i64::wrapping_mul) }))
}
