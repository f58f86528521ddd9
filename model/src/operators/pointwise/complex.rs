//! Functions of complex numbers. They are computed in double precision.

use num_complex::Complex64;

use super::super::complex::{length, pow, sqrt};
use super::super::output::Accepts;
use super::super::{Call, Destination, Fault};
use super::plan::{Plan, compute};
use crate::tensor::{Math, Number};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

/// A function of every element.
pub(super) fn map(plan: Plan<'_>, call: &mut Call<'_>, function: fn(Math, Complex64) -> Complex64) -> Result {
    let math = call.modes.math;
    compute!(complex plan, call, T => plan.map(call, |x: T| T::from_complex(function(math, x.cast()))))
}

/// How far from zero each element is. An `out` of complex numbers has the dtype of the input, one of others any that real numbers can
/// be cast to.
pub(super) fn abs(call: &mut Call<'_>) -> Result {
    let (input, math) = (call.tensor(0)?, call.modes.math);
    if call.operator.name.ends_with('_') {
        return Err(Fault::raised("In-place abs is not supported for complex tensors."));
    }
    let lengths: Vec<f64> = call.read::<Complex64>(input)?.iter().map(|&x| length(math, x)).collect();
    let (dtype, destination) = match call.destination()? {
        Destination::Out(out, accepts) if out.dtype().is_complex() => (input.dtype(), Destination::Out(out, accepts)),
        Destination::Out(out, _) => (input.dtype().of_parts(), Destination::Out(out, Accepts::Castable)),
        destination => (input.dtype().of_parts(), destination),
    };
    let result = call.create(dtype, &input.sizes(), &lengths)?;
    destination.receive(call, &result)?;
    Ok(Value::Tensor(destination.target().cloned().unwrap_or(result)))
}

/// Powers. Those that have a function of their own are exact where they can be.
pub(super) fn powers(plan: Plan<'_>, call: &mut Call<'_>) -> Result {
    let math = call.modes.math;
    let power = |x: Complex64, y: Complex64| match (y.re, y.im) {
        (0.0, 0.0) => Complex64::ONE,
        (0.5, 0.0) => sqrt(math, x),
        (2.0, 0.0) => x * x,
        (3.0, 0.0) => x * x * x,
        (-0.5, 0.0) => 1.0 / sqrt(math, x),
        (-1.0, 0.0) => 1.0 / x,
        (-2.0, 0.0) => 1.0 / (x * x),
        _ => pow(math, x, y),
    };
    compute!(complex plan, call, T => plan.zip(call, |x: T, y: T| T::from_complex(power(x.cast(), y.cast()))))
}

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn functions_of_complex_numbers_are_as_worked_out() {
        // |3 + 4i| = 5; (1 + 2i)^2 = -3 + 4i; sqrt(-3 + 4i) = 1 + 2i; 1 / (1 + 2i) = (1 - 2i) / 5; exp(i pi) = -1;
        // log(-1) = i pi; sin(i) = i sinh 1; cos(i) = cosh 1; sgn(3 + 4i) = 0.6 + 0.8i.
        replay(
            "aten::abs c64[2]{3.0:4.0 0.0:-2.0} -> f32[2]{5.0 2.0}
aten::abs c128[1]{3.0:4.0} -> f64[1]{5.0}
aten::abs.out c64[1]{3.0:4.0} f64[1]{0.0} -> f64[1]{5.0} & 1=f64[1]{5.0}
aten::abs.out c64[1]{3.0:4.0} c64[1]{0.0:0.0} -> c64[1]{5.0:0.0} & 1=c64[1]{5.0:0.0}
aten::abs.out c64[1]{3.0:4.0} c128[1]{0.0:0.0} -> ! Found dtype ComplexDouble but expected ComplexFloat
aten::abs.out c64[1]{3.0:4.0} i64[1]{0} -> ! result type Float can't be cast to the desired output type Long
aten::abs_ c64[1]{3.0:4.0} -> ! In-place abs is not supported for complex tensors.
aten::square c64[1]{1.0:2.0} -> c64[1]{-3.0:4.0}
aten::pow.Tensor_Scalar c64[1]{1.0:2.0} 2 -> c64[1]{-3.0:4.0}
aten::pow.Tensor_Scalar c128[1]{-3.0:4.0} 0.5 ~> c128[1]{1.0:2.0}
aten::sqrt c128[1]{-3.0:4.0} ~> c128[1]{1.0:2.0}
aten::rsqrt c128[1]{-3.0:4.0} ~> c128[1]{0.2:-0.4}
aten::reciprocal c64[1]{1.0:2.0} ~> c64[1]{0.2:-0.4}
aten::exp_ c128[1]{0.0:3.141592653589793} ~> c128[1]{-1.0:0.0} & 0=c128[1]{-1.0:0.0}
aten::log c128[1]{-1.0:0.0} ~> c128[1]{0.0:3.141592653589793}
aten::sin c128[1]{0.0:1.0} ~> c128[1]{0.0:1.1752011936438014}
aten::cos c128[1]{0.0:1.0} ~> c128[1]{1.5430806348152437:0.0}
aten::sgn c128[2]{3.0:4.0 0.0:0.0} ~> c128[2]{0.6:0.8 0.0:0.0}",
        );
    }
}
