//! Functions of complex numbers. They are computed in double precision.

use std::f64::consts::LN_2;

use num_complex::Complex64;

use super::super::scalar::complex::{
    acos, acosh, asin, asinh, atan, atanh, cos, cosh, exp, ln, log10, pow, sin, sinh, sqrt, tan, tanh,
};
use super::super::{Call, Fault};
use super::plan::{Plan, compute};
use crate::tensor::{DType, Math, Number};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

/// The dtype of a complex number's parts.
pub(in crate::operators) fn part(dtype: DType) -> DType {
    match dtype {
        DType::Complex64 => DType::Float32,
        DType::Complex128 => DType::Float64,
        real => real,
    }
}

/// The operator's function of every element.
pub(super) fn map(plan: Plan<'_>, call: &mut Call<'_>) -> Result {
    let name = call.operator.name.trim_start_matches("aten::").trim_start_matches("special_").trim_end_matches('_');
    let Some(function) = function(name) else { return Err(Fault::no_kernel(call.operator.name, plan.dtype)) };
    let math = call.modes.math;
    compute!(complex plan, call, T => plan.map(call, |x: T| T::from_complex(function(math, x.cast()))))
}

fn function(name: &str) -> Option<fn(Math, Complex64) -> Complex64> {
    Some(match name {
        "sqrt" => sqrt,
        "rsqrt" => |math, x| 1.0 / sqrt(math, x),
        "reciprocal" => |_, x| 1.0 / x,
        "square" => |_, x| x * x,
        "exp" => exp,
        "exp2" => |math, x| exp(math, x * LN_2),
        "expm1" => |math, x| exp(math, x) - 1.0,
        "log" => ln,
        "log2" => |math, x| ln(math, x) / LN_2,
        "log10" => log10,
        "log1p" => |math, x| ln(math, x + 1.0),
        "sin" => sin,
        "cos" => cos,
        "tan" => tan,
        "sinh" => sinh,
        "cosh" => cosh,
        "tanh" => tanh,
        "asin" | "arcsin" => asin,
        "acos" | "arccos" => acos,
        "atan" | "arctan" => atan,
        "asinh" | "arcsinh" => asinh,
        "acosh" | "arccosh" => acosh,
        "atanh" | "arctanh" => atanh,
        "sigmoid" | "expit" => |math, x| 1.0 / (1.0 + exp(math, -x)),
        // The number of length one in the same direction.
        "sgn" => |math, x| if x == Complex64::ZERO { x } else { x / math.hypot(x.re, x.im) },
        _ => return None,
    })
}

/// How far from zero each element is.
pub(super) fn abs(call: &mut Call<'_>) -> Result {
    let (input, math) = (call.tensor(0)?, call.modes.math);
    if call.operator.name.ends_with('_') {
        return Err(Fault::raised("In-place abs is not supported for complex tensors."));
    }
    let lengths: Vec<f64> = call.read::<Complex64>(input)?.iter().map(|x| math.hypot(x.re, x.im)).collect();
    let result = call.create(part(input.dtype()), &input.sizes(), &lengths)?;
    call.deliver(result)
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
