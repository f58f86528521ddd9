//! Addition to powers: two operands, the result in their common dtype.

use num_complex::Complex;

use super::super::{Call, Fault, Kernel};
use super::calculate::Calculate;
use super::plan::{Operand, Plan, Rule, compute, zip_singles};
use super::{complex, rows};
use crate::tensor::number::Wide;
use crate::tensor::{DType, Scalar};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    add: "add.Tensor" "add.Scalar" "add_.Tensor" "add_.Scalar" "add.out" "add.Scalar_out";
    sub: "sub.Tensor" "sub.Scalar" "sub_.Tensor" "sub_.Scalar" "sub.out" "sub.Scalar_out"
        "subtract.Tensor" "subtract.Scalar" "subtract_.Tensor" "subtract_.Scalar" "subtract.out";
    rsub: "rsub.Tensor" "rsub.Scalar" "rsub.Tensor_out" "rsub.Scalar_out";
    mul: "mul.Tensor" "mul.Scalar" "mul_.Tensor" "mul_.Scalar" "mul.out" "mul.Scalar_out"
        "multiply.Tensor" "multiply.Scalar" "multiply_.Tensor" "multiply_.Scalar" "multiply.out";
    div: "div.Tensor" "div.Scalar" "div_.Tensor" "div_.Scalar" "div.out" "div.Scalar_out"
        "div.Tensor_mode" "div.Scalar_mode" "div_.Tensor_mode" "div_.Scalar_mode" "div.out_mode" "div.Scalar_mode_out"
        "divide.Tensor" "divide.Scalar" "divide_.Tensor" "divide_.Scalar" "divide.out"
        "divide.Tensor_mode" "divide.Scalar_mode" "divide_.Tensor_mode" "divide_.Scalar_mode" "divide.out_mode"
        "true_divide.Tensor" "true_divide.Scalar" "true_divide_.Tensor" "true_divide_.Scalar" "true_divide.out";
    floor_divide: "floor_divide" "floor_divide.Scalar" "floor_divide_.Tensor" "floor_divide_.Scalar"
        "floor_divide.out" "floor_divide.Scalar_out";
    remainder: "remainder.Tensor" "remainder.Scalar" "remainder_.Tensor" "remainder_.Scalar" "remainder.Tensor_out"
        "remainder.Scalar_out" "remainder.Scalar_Tensor" "remainder.Scalar_Tensor_out";
    fmod: "fmod.Tensor" "fmod.Scalar" "fmod_.Tensor" "fmod_.Scalar" "fmod.Tensor_out" "fmod.Scalar_out";
    pow: "pow.Tensor_Tensor" "pow.Tensor_Scalar" "pow.Scalar" "pow_.Tensor" "pow_.Scalar"
        "pow.Tensor_Tensor_out" "pow.Tensor_Scalar_out" "pow.Scalar_out";
    maximum: "maximum" "maximum.out" "max.other" "max.out";
    minimum: "minimum" "minimum.out" "min.other" "min.out";
    fmax: "fmax" "fmax.out";
    fmin: "fmin" "fmin.out";
    atan2: "atan2" "atan2_" "atan2.out" "arctan2" "arctan2_" "arctan2.out";
    hypot: "hypot" "hypot_" "hypot.out";
    copysign: "copysign.Tensor" "copysign.Scalar" "copysign_.Tensor" "copysign_.Scalar" "copysign.out"
        "copysign.Scalar_out";
    xlogy: "xlogy.Tensor" "xlogy.Scalar_Self" "xlogy.Scalar_Other" "xlogy_.Tensor" "xlogy_.Scalar_Other"
        "xlogy.OutTensor" "xlogy.OutScalar_Self" "xlogy.OutScalar_Other"
        "special_xlogy" "special_xlogy.self_scalar" "special_xlogy.other_scalar";
    xlog1py: "special_xlog1py" "special_xlog1py.self_scalar" "special_xlog1py.other_scalar"
        "special_xlog1py.out" "special_xlog1py.self_scalar_out" "special_xlog1py.other_scalar_out";
    logaddexp: "logaddexp" "logaddexp.out";
    logaddexp2: "logaddexp2" "logaddexp2.out";
    heaviside: "heaviside" "heaviside_" "heaviside.out";
};

/// `self + alpha * other`.
fn add(call: &mut Call<'_>) -> Result {
    if has_plain_alpha(call)
        && let Some(sum) = zip_singles(call, Calculate::add)
    {
        return Ok(sum);
    }
    let plan = Plan::binary(call, Rule::Common)?;
    let alpha = alpha(call, plan.dtype)?;
    sum(call, plan, alpha)
}

/// `self - alpha * other`.
fn sub(call: &mut Call<'_>) -> Result {
    if has_plain_alpha(call)
        && let Some(difference) = zip_singles(call, Calculate::sub)
    {
        return Ok(difference);
    }
    check_subtraction(call)?;
    let plan = Plan::binary(call, Rule::Common)?;
    let alpha = negative(alpha(call, plan.dtype)?);
    sum(call, plan, alpha)
}

/// `other - alpha * self`.
fn rsub(call: &mut Call<'_>) -> Result {
    check_subtraction(call)?;
    let plan = Plan::new(call, &[1, 0], Rule::Common)?;
    let alpha = negative(alpha(call, plan.dtype)?);
    sum(call, plan, alpha)
}

fn check_subtraction(call: &Call<'_>) -> Result<()> {
    let is_bool = |i| Operand::of(call, i).map(|operand| operand.dtype() == DType::Bool);
    match (is_bool(0)?, is_bool(1)?) {
        (false, false) => Ok(()),
        (true, true) => Err(Fault::raised(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` \
             operator instead.",
        )),
        _ => Err(Fault::raised(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, \
             use the `~` or `logical_not()` operator instead.",
        )),
    }
}

/// The factor of the second operand, which must be of a kind that fits. Inlined, for it is nearly always one.
#[inline(always)]
fn alpha(call: &Call<'_>, dtype: DType) -> Result<Scalar> {
    if has_plain_alpha(call) { Ok(Scalar::Int(1)) } else { given_alpha(call, dtype) }
}

/// Whether the factor is one, or there is none.
#[inline(always)]
fn has_plain_alpha(call: &Call<'_>) -> bool {
    // It comes third wherever there is one; `rsub` and `sub` have the same form.
    let has_one = call.operator.schema.arguments.get(2).is_some_and(|argument| &*argument.name == "alpha");
    !has_one || matches!(call.value(2), Value::Int(1))
}

fn given_alpha(call: &Call<'_>, dtype: DType) -> Result<Scalar> {
    match call.scalar(2)? {
        Scalar::Bool(_) if dtype != DType::Bool => {
            Err(Fault::raised("Boolean alpha only supported for Boolean results."))
        }
        Scalar::Float(_) if !dtype.is_floating_point() && !dtype.is_complex() => {
            Err(Fault::raised("For integral input tensors, argument alpha must not be a floating point number."))
        }
        Scalar::Complex(_) if !dtype.is_complex() => {
            Err(Fault::raised("For non-complex input tensors, argument alpha must not be a complex number."))
        }
        alpha => Ok(alpha),
    }
}

fn negative(alpha: Scalar) -> Scalar {
    match alpha {
        Scalar::Bool(value) => Scalar::Int(-(value as i64)),
        Scalar::Int(value) => Scalar::Int(value.wrapping_neg()),
        Scalar::Float(value) => Scalar::Float(-value),
        Scalar::Complex(value) => Scalar::Complex(-value),
    }
}

/// `a + alpha * b`; a product is not rounded before it is added to.
fn sum(call: &mut Call<'_>, plan: Plan<'_>, alpha: Scalar) -> Result {
    let (one, minus_one) = match alpha {
        Scalar::Int(alpha) => (alpha == 1, alpha == -1),
        alpha => (alpha.to_f64() == 1.0, alpha.to_f64() == -1.0),
    };
    if plan.dtype.is_complex() {
        return compute!(complex plan, call, T => {
            let alpha: T = alpha.cast();
            plan.zip(call, |a: T, b: T| a + alpha * b)
        });
    }
    compute!(real plan, call, T => {
        if one {
            plan.zip::<T, T>(call, Calculate::add)
        } else if minus_one {
            plan.zip::<T, T>(call, Calculate::sub)
        } else {
            let alpha: T = plan.number(&alpha)?;
            plan.zip(call, |a: T, b: T| Calculate::multiply_add(b, alpha, a))
        }
    })
}

fn mul(call: &mut Call<'_>) -> Result {
    if let Some(product) = zip_singles(call, Calculate::mul) {
        return Ok(product);
    }
    let plan = Plan::binary(call, Rule::Common)?;
    match plan.dtype {
        DType::Complex64 | DType::Complex128 => {
            compute!(complex plan, call, T => plan.zip(call, |a: T, b: T| a * b))
        }
        // `mul_.Scalar` swaps its operands, so that its number is not in the place that keeps precision.
        DType::Float16 | DType::BFloat16 if plan.operands[1].is_single() && call.operator.name != "aten::mul_" => {
            by_precise_number(call, plan, |a, b| a * b)
        }
        _ => compute!(real plan, call, T => plan.zip::<T, T>(call, Calculate::mul)),
    }
}

/// Halves with a single number, which is not rounded to a half before.
fn by_precise_number(call: &mut Call<'_>, plan: Plan<'_>, f: impl Fn(f32, f32) -> f32) -> Result {
    let number = plan.exact_lane::<f32>(call, 1)?;
    // There is none in an empty result.
    let number = if plan.count() == 0 { 0.0 } else { number.at(0) };
    plan.map(call, |a: f32| f(a, number))
}

fn div(call: &mut Call<'_>) -> Result {
    let mode = match call.position("rounding_mode") {
        Some(i) => call.opt_str(i)?,
        None => None,
    };
    match mode.map(|mode| &**mode) {
        None => true_divide(call),
        Some("trunc") => trunc_divide(call),
        Some("floor") => floor_divide(call),
        Some(mode) => Err(Fault::raised(format!(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{mode}'"
        ))),
    }
}

fn true_divide(call: &mut Call<'_>) -> Result {
    if let Some(quotient) = zip_singles(call, |a, b| a / b) {
        return Ok(quotient);
    }
    let plan = Plan::binary(call, Rule::Float)?;
    match plan.dtype {
        DType::Complex64 | DType::Complex128 => {
            compute!(complex plan, call, T => plan.zip(call, |a: T, b: T| div_complex(a, b)))
        }
        DType::Float16 | DType::BFloat16 if plan.operands[1].is_single() => by_precise_number(call, plan, |a, b| a / b),
        _ => compute!(floats plan, call, T => plan.zip(call, |a: T, b: T| a / b)),
    }
}

/// Divides by the greater part first (Smith, 1962), as PyTorch and NumPy do.
fn div_complex<W: Wide>(x: Complex<W>, y: Complex<W>) -> Complex<W> {
    let (a, b, c, d) = (x.re, x.im, y.re, y.im);
    let one = W::of(1.0);
    if c.abs() >= d.abs() {
        if c.abs() == W::of(0.0) && d.abs() == W::of(0.0) {
            return Complex::new(a / c.abs(), b / d.abs());
        }
        let ratio = d / c;
        let scale = one / (c + d * ratio);
        return Complex::new((a + b * ratio) * scale, (b - a * ratio) * scale);
    }
    let ratio = c / d;
    let scale = one / (c * ratio + d);
    Complex::new((a * ratio + b) * scale, (b * ratio - a) * scale)
}

/// An integer divisor of zero ends the call.
fn check_divisor(call: &Call<'_>, plan: &Plan<'_>) -> Result<()> {
    if !plan.dtype.is_integral() || plan.count() == 0 {
        return Ok(());
    }
    compute!(integers plan, call, T => {
        if plan.lane::<T>(call, 1)?.any(|b| b == 0) {
            return Err(Fault::raised("ZeroDivisionError"));
        }
        Ok(())
    })
}

/// Functions that divide.
macro_rules! divisions {
    ($($name:ident: $f:path;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::binary(call, Rule::Common)?;
            check_divisor(call, &plan)?;
            compute!(numbers plan, call, T => plan.zip::<T, T>(call, $f))
        })*
    };
}

divisions! {
    trunc_divide: Calculate::div_trunc;
    floor_divide: Calculate::div_floor;
    remainder: Calculate::remainder;
    fmod: Calculate::fmod;
}

fn pow(call: &mut Call<'_>) -> Result {
    let mut plan = Plan::binary(call, Rule::Common)?;
    match plan.operands[..] {
        [Operand::Number(_), _] => plan = plan.contiguous(),
        [_, Operand::Number(_)] => plan = plan.ordered(&[0])?,
        _ => {}
    }
    if plan.dtype.is_complex() {
        return complex::powers(plan, call);
    }
    if let Operand::Number(exponent) = plan.operands[1] {
        if plan.dtype.is_integral() && exponent.to_i64() < 0 {
            return Err(Fault::raised("Integers to negative integer powers are not allowed."));
        }
        if plan.dtype.is_floating_point() {
            return pow_number(call, plan, exponent.to_f64());
        }
    }
    let math = call.modes.math;
    compute!(numbers plan, call, T => plan.zip(call, |base: T, exponent: T| Calculate::pow(base, exponent, math)))
}

/// The powers that have a function of their own.
fn pow_number(call: &mut Call<'_>, plan: Plan<'_>, exponent: f64) -> Result {
    let math = call.modes.math;
    // The square root of minus zero is minus zero; its power is not, and f16 takes the power.
    let root = exponent == 0.5 && plan.dtype != DType::Float16;
    compute!(floats plan, call, T => {
        let power: fn(T, T) -> T = if root {
            |a, _| a.sqrt()
        } else if exponent == 2.0 {
            |a, _| a * a
        } else if exponent == 3.0 {
            |a, _| a * a * a
        } else if exponent == -0.5 {
            |a, _| 1.0 / a.sqrt()
        } else if exponent == -1.0 {
            |a, _| 1.0 / a
        } else if exponent == -2.0 {
            |a, _| 1.0 / (a * a)
        } else {
            return plan.zip(call, |a: T, exponent: T| math.powf(a, exponent));
        };
        plan.zip(call, power)
    })
}

/// Functions that order.
macro_rules! choices {
    ($($name:ident: $f:path;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::binary(call, Rule::Common)?;
            compute!(real plan, call, T => plan.zip::<T, T>(call, $f))
        })*
    };
}

choices! {
    maximum: Calculate::maximum;
    minimum: Calculate::minimum;
    fmax: Calculate::fmax;
    fmin: Calculate::fmin;
}

/// A function of two floats.
macro_rules! float_functions {
    ($($name:ident: $rule:ident |$a:ident, $b:ident $(, $math:ident)?| $body:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::binary(call, Rule::$rule)?;
            $(let $math = call.modes.math;)?
            compute!(floats plan, call, T => {
                plan.zip(call, |$a: T, $b: T| -> T { $body })
            })
        })*
    };
}

float_functions! {
    atan2: Float |a, b, math| math.atan2(a, b);
    hypot: Common |a, b, math| math.hypot(a, b);
    copysign: Float |a, b| a.copysign(b);
    xlogy: Float |a, b, math| if b.is_nan() { b } else if a == zero(a) { zero(a) } else { a * math.ln(b) };
    xlog1py: Float |a, b, math| if b.is_nan() { b } else if a == zero(a) { zero(a) } else { a * math.ln_1p(b) };
    logaddexp: Common |a, b, math| {
        if a.is_infinite() && a == b { a } else { larger(a, b) + math.ln_1p(math.exp(-(a - b).abs())) }
    };
    logaddexp2: Common |a, b, math| {
        let log2_e = number(a, std::f64::consts::LOG2_E);
        if a.is_infinite() && a == b { a } else { larger(a, b) + math.ln_1p(math.exp2(-(a - b).abs())) * log2_e }
    };
}

fn zero<W: Wide>(_: W) -> W {
    W::of(0.0)
}

/// A constant of the type of another number.
fn number<W: Wide>(_: W, value: f64) -> W {
    W::of(value)
}

/// The greater, or NaN if there is one.
fn larger<W: Wide>(a: W, b: W) -> W {
    if a.is_nan() || b.is_nan() { W::NAN } else { a.max(b) }
}

fn heaviside(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    let dtypes = (plan.operands[0].dtype(), plan.operands[1].dtype());
    if dtypes.0 != dtypes.1 {
        return Err(Fault::raised("heaviside is not yet implemented for tensors with different dtypes."));
    }
    compute!(real plan, call, T => {
        let zero = T::default();
        plan.zip(call, |a: T, b: T| {
            if a == zero { b } else if a > zero { crate::tensor::Number::from_i64(1) } else { zero }
        })
    })
}
