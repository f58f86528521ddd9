//! Functions of one float or complex number: integers become the default float first.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

use num_complex::Complex64;

use super::super::complex as of_complex;
use super::super::{Call, Fault, Kernel};
use super::plan::{Plan, Rule, compute};
use super::{complex, forms, rows, special};
use crate::tensor::Math;
use crate::tensor::number::Wide;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const FORMS: &[(&str, Kernel)] = forms! {
    sqrt; rsqrt; reciprocal; exp; exp2; expm1; log; log2; log10; log1p;
    sin; cos; tan; asin; acos; atan; sinh; cosh; tanh; asinh; acosh; atanh;
    arcsin = asin; arccos = acos; arctan = atan; arcsinh = asinh; arccosh = acosh; arctanh = atanh;
    erf; erfc; erfinv; lgamma; digamma; sigmoid; logit; sinc; deg2rad; rad2deg; i0;
};

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    exp2: "special_exp2" "special_exp2.out";
    expm1: "special_expm1" "special_expm1.out";
    log1p: "special_log1p" "special_log1p.out";
    erf: "special_erf" "special_erf.out";
    erfc: "special_erfc" "special_erfc.out";
    erfinv: "special_erfinv" "special_erfinv.out";
    lgamma: "special_gammaln" "special_gammaln.out";
    digamma: "special_digamma" "special_digamma.out" "special_psi" "special_psi.out";
    sigmoid: "special_expit" "special_expit.out";
    logit: "special_logit" "special_logit.out";
    sinc: "special_sinc" "special_sinc.out";
    i0: "special_i0" "special_i0.out";
    ndtr: "special_ndtr" "special_ndtr.out";
    entr: "special_entr" "special_entr.out";
};

/// Functions of a float in the width that it is computed in, and of a complex number, where there is one.
macro_rules! functions {
    ($($name:ident: |$x:ident $(, $math:ident)?| $body:expr $(, complex $complex:expr)?;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            fn compute<W: Wide>($x: W $(, $math: Math)?) -> W {
                $body
            }
            let plan = Plan::unary(call, Rule::Float)?;
            $(if plan.dtype.is_complex() {
                return complex::map(plan, call, $complex);
            })?
            $(let $math = call.modes.math;)?
            compute!(floats plan, call, T => {
                plan.map(call, |x: T| compute(x $(, $math)?))
            })
        })*
    };
}

functions! {
    sqrt: |x| x.sqrt(), complex of_complex::sqrt;
    rsqrt: |x| W::of(1.0) / x.sqrt(), complex |math, x| 1.0 / of_complex::sqrt(math, x);
    reciprocal: |x| W::of(1.0) / x, complex |_, x| 1.0 / x;
    exp: |x, math| math.exp(x), complex of_complex::exp;
    exp2: |x, math| math.exp2(x), complex |math, x| of_complex::exp(math, x * LN_2);
    expm1: |x, math| math.exp_m1(x), complex |math, x| of_complex::exp(math, x) - 1.0;
    log: |x, math| math.ln(x), complex of_complex::ln;
    log2: |x, math| math.log2(x), complex |math, x| of_complex::ln(math, x) / LN_2;
    log10: |x, math| math.log10(x), complex of_complex::log10;
    log1p: |x, math| math.ln_1p(x), complex |math, x| of_complex::ln(math, x + 1.0);
    sin: |x, math| math.sin(x), complex of_complex::sin;
    cos: |x, math| math.cos(x), complex of_complex::cos;
    tan: |x, math| math.tan(x), complex of_complex::tan;
    asin: |x, math| math.asin(x), complex of_complex::asin;
    acos: |x, math| math.acos(x), complex of_complex::acos;
    atan: |x, math| math.atan(x), complex of_complex::atan;
    sinh: |x, math| math.sinh(x), complex of_complex::sinh;
    cosh: |x, math| math.cosh(x), complex of_complex::cosh;
    tanh: |x, math| math.tanh(x), complex of_complex::tanh;
    asinh: |x| in_f64(x, libm::asinh), complex of_complex::asinh;
    acosh: |x| in_f64(x, libm::acosh), complex of_complex::acosh;
    atanh: |x| in_f64(x, libm::atanh), complex of_complex::atanh;
    erf: |x| in_f64(x, libm::erf);
    erfc: |x| in_f64(x, libm::erfc);
    erfinv: |x| in_f64(x, special::erfinv);
    lgamma: |x| in_f64(x, libm::lgamma);
    digamma: |x| in_f64(x, special::digamma);
    i0: |x| in_f64(x, special::i0);
    sigmoid: |x, math| W::of(1.0) / (W::of(1.0) + math.exp(-x)), complex |math, x| 1.0 / (1.0 + of_complex::exp(math, -x));
    sinc: |x, math| if x == W::of(0.0) { W::of(1.0) } else { let y = W::of(PI) * x; math.sin(y) / y },
        complex |math, x| if x == Complex64::ZERO { Complex64::ONE } else { of_complex::sin(math, x * PI) / (x * PI) };
    deg2rad: |x| x * W::of(PI / 180.0);
    rad2deg: |x| x * W::of(180.0 / PI);
    ndtr: |x| in_f64(x, |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2));
    entr: |x, math| if x.is_nan() { x } else if x > W::of(0.0) { -x * math.ln(x) } else if x == W::of(0.0) { x.abs() } else { -W::INFINITY };
}

/// Computes in f64, for functions that f32 does not have.
pub(super) fn in_f64<W: Wide>(x: W, f: impl Fn(f64) -> f64) -> W {
    W::of(f(x.to_f64()))
}

/// The logarithm of the odds, with the probability kept away from 0 and 1 by `eps`.
fn logit(call: &mut Call<'_>) -> Result {
    let (eps, math) = (call.opt_float(1)?, call.modes.math);
    let plan = Plan::unary(call, Rule::Float)?;
    compute!(floats plan, call, T => {
        let clamp = |x: T| match eps.map(T::of) {
            Some(eps) if x < eps => eps,
            Some(eps) if x > 1.0 - eps => 1.0 - eps,
            _ => x,
        };
        plan.map(call, |x: T| {
            let x = clamp(x);
            math.ln(x / (1.0 - x))
        })
    })
}
