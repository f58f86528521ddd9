//! Comparisons and other questions: the result is a bool.

use super::super::{Call, Destination, Fault, Kernel};
use super::plan::{Plan, Rule, compute, zip_singles};
use super::rows;
use crate::tensor::number::Wide;
use crate::tensor::promote::result_type;
use crate::tensor::{Bool8, DType, Number, dispatch};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    eq: "eq.Tensor" "eq.Scalar" "eq_.Tensor" "eq_.Scalar" "eq.Tensor_out" "eq.Scalar_out";
    ne: "ne.Tensor" "ne.Scalar" "ne_.Tensor" "ne_.Scalar" "ne.Tensor_out" "ne.Scalar_out"
        "not_equal.Tensor" "not_equal.Scalar" "not_equal_.Tensor" "not_equal_.Scalar" "not_equal.Tensor_out"
        "not_equal.Scalar_out";
    lt: "lt.Tensor" "lt.Scalar" "lt_.Tensor" "lt_.Scalar" "lt.Tensor_out" "lt.Scalar_out"
        "less.Tensor" "less.Scalar" "less_.Tensor" "less_.Scalar" "less.Tensor_out" "less.Scalar_out";
    le: "le.Tensor" "le.Scalar" "le_.Tensor" "le_.Scalar" "le.Tensor_out" "le.Scalar_out"
        "less_equal.Tensor" "less_equal.Scalar" "less_equal_.Tensor" "less_equal_.Scalar" "less_equal.Tensor_out"
        "less_equal.Scalar_out";
    gt: "gt.Tensor" "gt.Scalar" "gt_.Tensor" "gt_.Scalar" "gt.Tensor_out" "gt.Scalar_out"
        "greater.Tensor" "greater.Scalar" "greater_.Tensor" "greater_.Scalar" "greater.Tensor_out"
        "greater.Scalar_out";
    ge: "ge.Tensor" "ge.Scalar" "ge_.Tensor" "ge_.Scalar" "ge.Tensor_out" "ge.Scalar_out"
        "greater_equal.Tensor" "greater_equal.Scalar" "greater_equal_.Tensor" "greater_equal_.Scalar"
        "greater_equal.Tensor_out" "greater_equal.Scalar_out";
    isnan: "isnan" "isnan.out";
    isinf: "isinf" "isinf.out";
    isfinite: "isfinite";
    isposinf: "isposinf" "isposinf.out";
    isneginf: "isneginf" "isneginf.out";
    isreal: "isreal";
    signbit: "signbit" "signbit.out";
    isclose: "isclose";
    allclose: "allclose";
    equal: "equal";
};

/// Comparisons of two operands in their common dtype.
macro_rules! comparisons {
    ($($name:ident: $set:ident |$a:ident, $b:ident| $body:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            if let Some(truth) = zip_singles(call, |$a, $b| Bool8::from($body)) {
                return Ok(truth);
            }
            let plan = Plan::binary(call, Rule::Bool)?;
            compute!($set plan, call, T => {
                plan.zip(call, |$a: T, $b: T| Bool8::from($body))
            })
        })*
    };
}

comparisons! {
    eq: any |a, b| a == b;
    ne: any |a, b| a != b;
    lt: real |a, b| a < b;
    le: real |a, b| a <= b;
    gt: real |a, b| a > b;
    ge: real |a, b| a >= b;
}

/// Questions about one number: what is so of all integers, of a float `x`, and of a complex number of two parts.
macro_rules! questions {
    ($($name:ident: $otherwise:literal |$x:ident| $body:expr, |$re:ident, $im:ident| $complex:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::unary(call, Rule::Bool)?;
            if plan.dtype.is_complex() {
                return compute!(complex plan, call, T => plan.map(call, |x: T| {
                    let ($re, $im) = (x.re, x.im);
                    Bool8::from($complex)
                }));
            }
            if !plan.dtype.is_floating_point() {
                return compute!(any plan, call, T => {
                    plan.map(call, |_: T| Bool8::from($otherwise))
                });
            }
            compute!(floats plan, call, T => plan.map(call, |$x: T| Bool8::from($body)))
        })*
    };
}

questions! {
    isnan: false |x| x.is_nan(), |re, im| re.is_nan() || im.is_nan();
    isinf: false |x| x.is_infinite(), |re, im| re.is_infinite() || im.is_infinite();
    isfinite: true |x| x.is_finite(), |re, im| re.is_finite() && im.is_finite();
    isreal: true |_x| true, |_re, im| im == 0.0;
}

/// Whether each number is this infinity.
macro_rules! infinities {
    ($($name:ident: $infinity:ident;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            check_bool_out(call)?;
            let plan = Plan::unary(call, Rule::Bool)?;
            if !plan.dtype.is_floating_point() {
                return compute!(real plan, call, T => plan.map(call, |_: T| Bool8::from(false)));
            }
            compute!(floats plan, call, T => plan.map(call, |x: T| Bool8::from(x == T::$infinity)))
        })*
    };
}

infinities! {
    isposinf: INFINITY;
    isneginf: NEG_INFINITY;
}

/// Refuses an `out` that is not of bools, in words of these operators' own.
fn check_bool_out(call: &Call<'_>) -> Result<()> {
    match call.destination()? {
        Destination::Out(out, _) if out.dtype() != DType::Bool => {
            let name = call.operator.name.trim_start_matches("aten::");
            Err(Fault::raised(format!("{name} does not support non-boolean outputs.")))
        }
        _ => Ok(()),
    }
}

fn signbit(call: &mut Call<'_>) -> Result {
    check_bool_out(call)?;
    let plan = Plan::unary(call, Rule::Bool)?;
    if plan.dtype.is_floating_point() {
        return compute!(floats plan, call, T => {
            plan.map(call, |x: T| Bool8::from(x.is_sign_negative()))
        });
    }
    compute!(real plan, call, T => plan.map(call, |x: T| Bool8::from(x < T::default())))
}

/// How near two numbers must be.
#[derive(Debug, Clone, Copy)]
struct Nearness {
    relative: f64,
    absolute: f64,
    equal_nan: bool,
}

impl Nearness {
    fn of(call: &Call<'_>) -> Result<Self> {
        let nearness = Self { relative: call.float(2)?, absolute: call.float(3)?, equal_nan: call.bool(4)? };
        let (a, b) = (call.tensor(0)?.dtype(), call.tensor(1)?.dtype());
        if a != b {
            let (a, b) = (a.scalar_type_name(), b.scalar_type_name());
            return Err(Fault::raised(format!("{a} did not match {b}")));
        }
        for (name, value) in [("rtol", nearness.relative), ("atol", nearness.absolute)] {
            if value < 0.0 || value.is_nan() {
                let text = format!("{name} must be greater than or equal to zero, but got {value}");
                return Err(Fault::raised(text));
            }
        }
        Ok(nearness)
    }

    fn holds<W: Wide>(self, a: W, b: W) -> bool {
        if a == b || (self.equal_nan && a.is_nan() && b.is_nan()) {
            return true;
        }
        let allowed = W::of(self.absolute) + (W::of(self.relative) * b).abs();
        let distance = (a - b).abs();
        distance.is_finite() && distance <= allowed
    }
}

fn isclose(call: &mut Call<'_>) -> Result {
    let nearness = Nearness::of(call)?;
    let plan = Plan::binary(call, Rule::Bool)?;
    if plan.dtype.is_floating_point() {
        return compute!(floats plan, call, T => {
            plan.zip(call, |a: T, b: T| Bool8::from(nearness.holds(a, b)))
        });
    }
    // Integers are compared as f64, unless they are the same.
    compute!(real plan, call, T => {
        plan.zip(call, |a: T, b: T| Bool8::from(a == b || nearness.holds(a.to_f64(), b.to_f64())))
    })
}

fn allclose(call: &mut Call<'_>) -> Result {
    let Value::Tensor(near) = isclose(call)? else { unreachable!("`isclose` gives a tensor") };
    Ok(Value::Bool(near.read::<Bool8>(call.allocator.memory())?.iter().all(|&x| x.is_true())))
}

/// Whether both have the same sizes and elements.
fn equal(call: &mut Call<'_>) -> Result {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    if a.sizes() != b.sizes() {
        return Ok(Value::Bool(false));
    }
    let memory = call.allocator.memory();
    dispatch!(all result_type(a, b)?, call.operator.name, T => {
        Ok(Value::Bool(*a.read::<T>(memory)? == *b.read::<T>(memory)?))
    })
}
