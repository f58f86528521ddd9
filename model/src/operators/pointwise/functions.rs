//! Functions of one float: integers become the default float first.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::super::{Call, Fault, Kernel};
use super::plan::{Plan, Rule, compute};
use super::{forms, rows, special};
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

/// Functions of a float in the width that it is computed in.
macro_rules! functions {
    ($($name:ident: |$x:ident| $body:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            fn compute<W: Wide>($x: W) -> W {
                $body
            }
            let plan = Plan::unary(call, Rule::Float)?;
            compute!(floats plan, call, T => {
                plan.map(call, |x: T| compute(x))
            })
        })*
    };
}

functions! {
    sqrt: |x| x.sqrt();
    rsqrt: |x| W::of(1.0) / x.sqrt();
    reciprocal: |x| W::of(1.0) / x;
    exp: |x| x.exp();
    exp2: |x| x.exp2();
    expm1: |x| x.exp_m1();
    log: |x| x.ln();
    log2: |x| x.log2();
    log10: |x| x.log10();
    log1p: |x| x.ln_1p();
    sin: |x| x.sin();
    cos: |x| x.cos();
    tan: |x| x.tan();
    asin: |x| x.asin();
    acos: |x| x.acos();
    atan: |x| x.atan();
    sinh: |x| x.sinh();
    cosh: |x| x.cosh();
    tanh: |x| x.tanh();
    asinh: |x| in_f64(x, libm::asinh);
    acosh: |x| x.acosh();
    atanh: |x| in_f64(x, libm::atanh);
    erf: |x| in_f64(x, libm::erf);
    erfc: |x| in_f64(x, libm::erfc);
    erfinv: |x| in_f64(x, special::erfinv);
    lgamma: |x| in_f64(x, libm::lgamma);
    digamma: |x| in_f64(x, special::digamma);
    i0: |x| in_f64(x, special::i0);
    sigmoid: |x| W::of(1.0) / (W::of(1.0) + (-x).exp());
    sinc: |x| if x == W::of(0.0) { W::of(1.0) } else { let y = W::of(PI) * x; y.sin() / y };
    deg2rad: |x| x * W::of(PI / 180.0);
    rad2deg: |x| x * W::of(180.0 / PI);
    ndtr: |x| in_f64(x, |x| 0.5 * libm::erfc(-x * FRAC_1_SQRT_2));
    entr: |x| if x.is_nan() { x } else if x > W::of(0.0) { -x * x.ln() } else if x == W::of(0.0) { x.abs() } else { -W::INFINITY };
}

/// Computes in f64, for functions that f32 does not have.
pub(super) fn in_f64<W: Wide>(x: W, f: impl Fn(f64) -> f64) -> W {
    W::of(f(x.to_f64()))
}

/// The logarithm of the odds, with the probability kept away from 0 and 1 by `eps`.
fn logit(call: &mut Call<'_>) -> Result {
    let eps = call.opt_float(1)?;
    let plan = Plan::unary(call, Rule::Float)?;
    compute!(floats plan, call, T => {
        let clamp = |x: T| match eps.map(T::of) {
            Some(eps) if x < eps => eps,
            Some(eps) if x > 1.0 - eps => 1.0 - eps,
            _ => x,
        };
        plan.map(call, |x: T| {
            let x = clamp(x);
            (x / (1.0 - x)).ln()
        })
    })
}
