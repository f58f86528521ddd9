//! Functions of one number that keep its dtype: signs, roundings, replacements.

use num_complex::Complex64;

use super::super::complex::length;
use super::super::{Call, Fault, Kernel};
use super::calculate::Calculate;
use super::plan::{Plan, Rule, compute};
use super::{complex, forms, rows};
use crate::tensor::number::Wide;
use crate::tensor::{DType, Scalar};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const FORMS: &[(&str, Kernel)] = forms! {
    abs; absolute = abs; neg; negative = neg; sign; sgn; square;
    floor; ceil; round; trunc; fix = trunc; frac; nan_to_num;
};

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    round: "round.decimals" "round_.decimals" "round.decimals_out" "special_round" "special_round.out";
    positive: "positive";
};

fn abs(call: &mut Call<'_>) -> Result {
    if call.tensor(0)?.dtype().is_complex() {
        return complex::abs(call);
    }
    let plan = Plan::unary(call, Rule::Common)?;
    compute!(numbers plan, call, T => plan.map::<T, T>(call, Calculate::abs))
}

fn neg(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    match plan.dtype {
        DType::Bool => Err(Fault::raised(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use \
             the `~` or `logical_not()` operator instead.",
        )),
        DType::Complex64 | DType::Complex128 => {
            compute!(complex plan, call, T => plan.map(call, |x: T| -x))
        }
        _ => compute!(numbers plan, call, T => plan.map::<T, T>(call, Calculate::neg)),
    }
}

fn sign(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    compute!(real plan, call, T => plan.map::<T, T>(call, Calculate::sign))
}

/// The sign; of a complex number, that of length one in the same direction.
fn sgn(call: &mut Call<'_>) -> Result {
    if !call.tensor(0)?.dtype().is_complex() {
        return sign(call);
    }
    let plan = Plan::unary(call, Rule::Common)?;
    complex::map(plan, call, |math, x| if x == Complex64::ZERO { x } else { x / length(math, x) })
}

/// A bool's square is an integer, as is its power with a number.
fn square(call: &mut Call<'_>) -> Result {
    let mut plan = Plan::unary(call, Rule::Common)?;
    if plan.dtype.is_complex() {
        return complex::map(plan, call, |_, x| x * x);
    }
    if plan.dtype == DType::Bool {
        plan = plan.computed_in(DType::Int64)?;
    }
    compute!(numbers plan, call, T => plan.map(call, |x: T| Calculate::mul(x, x)))
}

/// The tensor itself.
fn positive(call: &mut Call<'_>) -> Result {
    if call.tensor(0)?.dtype() == DType::Bool {
        return Err(Fault::raised("The `+` operator, on a bool tensor is not supported."));
    }
    Ok(call.value(0).clone())
}

/// Roundings of floats; integers stay as they are.
macro_rules! roundings {
    ($($name:ident: $f:path;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::unary(call, Rule::Common)?;
            if plan.dtype.is_integral() {
                return compute!(integers plan, call, T => plan.map(call, |x: T| x));
            }
            compute!(floats plan, call, T => plan.map::<T, T>(call, $f))
        })*
    };
}

roundings! {
    floor: Wide::floor;
    ceil: Wide::ceil;
    trunc: Wide::trunc;
    round_to_whole: Wide::round_ties_even;
}

fn round(call: &mut Call<'_>) -> Result {
    let Some(i) = call.position("decimals") else { return round_to_whole(call) };
    let decimals = call.int(i)?;
    let plan = Plan::unary(call, Rule::Common)?;
    if decimals == 0 && plan.dtype.is_floating_point() {
        return round_to_whole(call);
    }
    compute!(floats plan, call, T => {
        let power = T::of(libm::pow(10.0, decimals.unsigned_abs().min(400) as f64));
        plan.map(call, |x: T| {
            if decimals < 0 { (x / power).round_ties_even() * power } else { (x * power).round_ties_even() / power }
        })
    })
}

fn frac(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    compute!(floats plan, call, T => plan.map(call, |x: T| x - x.trunc()))
}

/// Replaces what is not a finite number: by zero and the greatest numbers, unless told otherwise.
fn nan_to_num(call: &mut Call<'_>) -> Result {
    let (nan, high, low) = (call.opt_float(1)?, call.opt_float(2)?, call.opt_float(3)?);
    let plan = Plan::unary(call, Rule::Common)?;
    if !plan.dtype.is_floating_point() {
        return compute!(any plan, call, T => plan.map(call, |x: T| x));
    }
    let greatest = match plan.dtype {
        DType::Float16 => 65504.0,
        DType::BFloat16 => f64::from(half::bf16::MAX),
        DType::Float32 => f32::MAX as f64,
        _ => f64::MAX,
    };
    compute!(floats plan, call, T => {
        let nan: T = plan.number(&Scalar::Float(nan.unwrap_or(0.0)))?;
        let high: T = plan.number(&Scalar::Float(high.unwrap_or(greatest)))?;
        let low: T = plan.number(&Scalar::Float(low.unwrap_or(-greatest)))?;
        plan.map(call, |x: T| match x {
            x if x.is_nan() => nan,
            T::INFINITY => high,
            T::NEG_INFINITY => low,
            x => x,
        })
    })
}
