//! Functions around the gamma function: the incomplete ones, the zeta function, the derivatives of the logarithm, many dimensions.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::super::{Call, Fault, Kernel};
use super::functions::in_f64;
use super::plan::{Plan, Rule, compute};
use super::rows;
use super::special::digamma;
use crate::tensor::DType;
use crate::tensor::number::Wide;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    igamma: "igamma" "igamma_" "igamma.out" "special_gammainc" "special_gammainc.out";
    igammac: "igammac" "igammac_" "igammac.out" "special_gammaincc" "special_gammaincc.out";
    zeta_of: "special_zeta" "special_zeta.other_scalar" "special_zeta.self_scalar"
        "special_zeta.out" "special_zeta.other_scalar_out" "special_zeta.self_scalar_out";
    polygamma: "polygamma" "polygamma.out" "polygamma_" "special_polygamma" "special_polygamma.out";
    mvlgamma: "mvlgamma" "mvlgamma.out" "special_multigammaln" "special_multigammaln.out";
    mvlgamma_in_place: "mvlgamma_";
};

/// Refuses the half precisions, which PyTorch has no kernel for.
pub(super) fn check_dtype(call: &Call<'_>, plan: &Plan<'_>) -> Result<()> {
    match plan.dtype {
        DType::Float16 | DType::BFloat16 => Err(Fault::no_kernel(call.operator.name, plan.dtype)),
        _ => Ok(()),
    }
}

/// Computes in f64.
fn of_both<W: Wide>(x: W, y: W, f: impl Fn(f64, f64) -> f64) -> W {
    W::of(f(x.to_f64(), y.to_f64()))
}

fn igamma(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    compute!(floats plan, call, T => plan.zip(call, |a: T, x: T| of_both(a, x, lower)))
}

fn igammac(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    compute!(floats plan, call, T => plan.zip(call, |a: T, x: T| of_both(a, x, upper)))
}

fn zeta_of(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Float)?;
    check_dtype(call, &plan)?;
    compute!(floats plan, call, T => plan.zip(call, |x: T, q: T| of_both(x, q, zeta)))
}

fn polygamma(call: &mut Call<'_>) -> Result {
    let (order, self_) = if call.operator.name == "aten::polygamma_" { (1, 0) } else { (0, 1) };
    let n = call.int(order)?;
    if n < 0 {
        return Err(Fault::raised("polygamma(n, x) does not support negative n."));
    }
    let plan = Plan::new(call, &[self_], Rule::Float)?;
    compute!(floats plan, call, T => plan.map(call, |x: T| in_f64(x, |x| derivative(n, x))))
}

fn mvlgamma(call: &mut Call<'_>) -> Result {
    let p = call.int(1)?;
    if call.tensor(0)?.dtype() == DType::Bool {
        return Err(Fault::raised("The input tensor may not be a boolean tensor."));
    }
    if p < 1 {
        return Err(Fault::raised("p has to be greater than or equal to 1"));
    }
    // PyTorch makes a tensor of all terms; so many that it could not are refused.
    let _room = call.room::<f64>(&[p as usize, call.tensor(0)?.numel() as usize])?;
    let constant = p as f64 * (p as f64 - 1.0) / 4.0 * libm::log(PI);
    let of = |x: f64| (0..p).map(|j| libm::lgamma(x - j as f64 / 2.0)).sum::<f64>() + constant;
    let plan = Plan::unary(call, Rule::Float)?;
    compute!(floats plan, call, T => plan.map(call, |x: T| in_f64(x, of)))
}

/// PyTorch copies the result, and so a tensor of integers keeps its dtype.
fn mvlgamma_in_place(call: &mut Call<'_>) -> Result {
    let result = call.run("aten::mvlgamma", call.args)?;
    call.run("aten::copy_", &[call.args[0].clone(), result])
}

/// The derivatives of [`digamma`].
fn derivative(n: i64, x: f64) -> f64 {
    match n {
        0 => digamma(x),
        1 if x < 0.5 => {
            let sine = libm::sin(PI * x);
            PI * PI / (sine * sine) - zeta(2.0, 1.0 - x)
        }
        1 if x == f64::INFINITY => 0.0,
        1 => zeta(2.0, x),
        _ => {
            let sign = if n % 2 == 1 { 1.0 } else { -1.0 };
            let order = n as f64 + 1.0;
            sign * libm::exp(libm::lgamma(order)) * zeta(order, x)
        }
    }
}

/// The zeta function of Hurwitz.
fn zeta(x: f64, q: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    if x.is_nan() || q.is_nan() || x < 1.0 {
        return f64::NAN;
    }
    if q > 0.0 {
        return zeta_of_positive(x, q);
    }
    if q == q.floor() {
        return f64::INFINITY;
    }
    if x != x.floor() {
        return f64::NAN;
    }
    // The terms to the left of zero are a zeta function without its tail, and with a sign.
    let right = q - q.floor();
    let left = zeta_of_positive(x, 1.0 - right) - zeta_of_positive(x, 1.0 - q);
    if x % 2.0 == 0.0 { zeta_of_positive(x, right) + left } else { zeta_of_positive(x, right) - left }
}

/// By the formula of Euler and Maclaurin.
fn zeta_of_positive(x: f64, q: f64) -> f64 {
    /// Bernoulli's numbers of even index, each divided by the factorial of its index.
    const BERNOULLI: [f64; 12] = [
        0.083_333_333_333_333_33,
        -0.001_388_888_888_888_889,
        3.306_878_306_878_307e-5,
        -8.267_195_767_195_768e-7,
        2.087_675_698_786_81e-8,
        -5.284_190_138_687_493e-10,
        1.338_253_653_068_467_9e-11,
        -3.389_680_296_322_582_7e-13,
        8.586_062_056_277_845e-15,
        -2.174_868_698_558_062e-16,
        5.509_002_828_360_229_5e-18,
        -1.395_446_468_581_252_3e-19,
    ];
    let (mut sum, mut from) = (0.0, q);
    // The series below needs a start that is great beside the exponent, unless there is nothing left to add.
    while from < 10.0 + x / 2.0 {
        let term = libm::pow(from, -x);
        sum += term;
        if term <= sum * 1e-17 {
            return sum;
        }
        from += 1.0;
    }
    let term = libm::pow(from, -x);
    let mut rest = from / (x - 1.0) + 0.5;
    let mut factor = x / from;
    for (j, bernoulli) in BERNOULLI.iter().enumerate() {
        rest += bernoulli * factor;
        let k = (2 * j + 1) as f64;
        factor *= (x + k) * (x + k + 1.0) / (from * from);
    }
    sum + term * rest
}

/// What an incomplete gamma function is at the borders of its domain: the lower one there.
fn lower_at_border(a: f64, x: f64) -> Option<f64> {
    if a.is_nan() || x.is_nan() || a < 0.0 || x < 0.0 || (a == 0.0 && x == 0.0) || (a.is_infinite() && x.is_infinite())
    {
        Some(f64::NAN)
    } else if a == 0.0 || x.is_infinite() {
        Some(1.0)
    } else if x == 0.0 || a.is_infinite() {
        Some(0.0)
    } else {
        None
    }
}

/// The regularized lower incomplete gamma function.
fn lower(a: f64, x: f64) -> f64 {
    if let Some(value) = lower_at_border(a, x) {
        value
    } else if is_uniform(a, x) {
        uniform(a, x, -1.0)
    } else if x < a + 1.0 {
        series(a, x)
    } else {
        1.0 - fraction(a, x)
    }
}

/// The regularized upper incomplete gamma function, which is one less the lower.
fn upper(a: f64, x: f64) -> f64 {
    if let Some(value) = lower_at_border(a, x) {
        return 1.0 - value;
    }
    if is_uniform(a, x) {
        return uniform(a, x, 1.0);
    }
    if x >= a + 1.0 {
        return fraction(a, x);
    }
    let other = series(a, x);
    // So close to one the difference has few digits.
    if other > 0.9 && x < 1.5 { near_zero(a, x) } else { 1.0 - other }
}

/// `m - ln(1 + m)`
fn excess(m: f64) -> f64 {
    if m.abs() > 0.1 {
        return m - libm::log1p(m);
    }
    (2..20).rev().fold(0.0, |sum, k| 1.0 / k as f64 - m * sum) * m * m
}

/// `x^a exp(-x) / gamma(a + 1)`
fn weight(a: f64, x: f64) -> f64 {
    if a < 10.0 {
        return libm::exp(a * libm::log(x) - x - libm::lgamma(a + 1.0));
    }
    // What Stirling's formula leaves of the logarithm of the gamma function.
    let square = 1.0 / (a * a);
    let rest = [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let rest = rest.iter().rev().fold(0.0, |sum, c| sum * square + c) / a;
    libm::exp(-a * excess((x - a) / a) - rest) / (2.0 * PI * a).sqrt()
}

/// The lower function by its power series.
fn series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= x / (a + k);
        sum += term;
        k += 1.0;
    }
    weight(a, x) * sum
}

/// The upper function by the continued fraction of Legendre, from front to back by the method of Lentz.
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut b = x + 1.0 - a;
    let mut denominator = 1.0 / away(b);
    let (mut numerator, mut value) = (1.0 / TINY, denominator);
    for k in 1..100_000 {
        let k = k as f64;
        let part = k * (a - k);
        b += 2.0;
        denominator = 1.0 / away(part * denominator + b);
        numerator = away(b + part / numerator);
        let change = denominator * numerator;
        value *= change;
        if (change - 1.0).abs() < 1e-16 {
            break;
        }
    }
    weight(a, x) * a * value
}

/// The upper function for small `a` and `x`: the series, from which the one has been taken away term by term.
fn near_zero(a: f64, x: f64) -> f64 {
    let (mut sum, mut power) = (0.0, 1.0);
    for k in 1..60 {
        power *= -x / k as f64;
        sum += power / (a + k as f64);
    }
    let logarithm = a * libm::log(x);
    -libm::expm1(logarithm - libm::lgamma(a + 1.0)) - libm::exp(logarithm - libm::lgamma(a)) * sum
}

/// Whether both are so great, and so near to each other, that the other expansions are slow.
fn is_uniform(a: f64, x: f64) -> bool {
    a > 1e4 && (x - a).abs() < 0.2 * a
}

/// The upper function (`side` 1) or the lower (-1) by Temme's expansion (SIAM J. Math. Anal. 10, 1979), with the coefficients as power
/// series of `eta`.
fn uniform(a: f64, x: f64, side: f64) -> f64 {
    #[rustfmt::skip]
    const COEFFICIENTS: [[f64; 12]; 3] = [
        [
            -0.333_333_333_333_333_3, 0.083_333_333_333_333_33, -0.014_814_814_814_814_815, 0.001_157_407_407_407_407_3,
            0.000_352_733_686_067_019_4, -0.000_178_755_144_032_921_8, 3.919_263_178_522_438e-5, -2.185_448_510_679_992e-6,
            -1.854_062_210_715_16e-6, 8.296_711_340_953_087e-7, -1.766_595_273_682_607_8e-7, 6.707_853_543_401_498e-9,
        ],
        [
            -0.001_851_851_851_851_852, -0.003_472_222_222_222_222, 0.002_645_502_645_502_645_4, -0.000_990_226_337_448_559_6,
            0.000_205_761_316_872_427_98, -4.018_775_720_164_609e-7, -1.809_855_033_448_997_7e-5, 7.649_160_916_081_11e-6,
            -1.612_090_089_456_344_6e-6, 4.647_127_802_807_434e-9, 1.378_633_446_915_721e-7, -5.752_545_603_517_705e-8,
        ],
        [
            0.004_133_597_883_597_883, -0.002_681_327_160_493_827_3, 0.000_771_604_938_271_604_9, 2.009_387_860_082_304_7e-6,
            -0.000_107_366_532_263_651_6, 5.292_344_882_912_012_5e-5, -1.276_063_518_861_872_8e-5, 3.423_578_734_096_138e-8,
            1.372_195_730_906_293_4e-6, -6.298_992_138_380_055e-7, 1.428_062_060_406_424e-7, -2.047_709_842_199_086_6e-10,
        ],
    ];
    let m = (x - a) / a;
    let half_square = excess(m);
    let eta = (2.0 * half_square).sqrt().copysign(m);
    let polynomial = |coefficients: &[f64; 12]| coefficients.iter().rev().fold(0.0, |sum, c| sum * eta + c);
    let sum = COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficients| sum / a + polynomial(coefficients));
    let rest = libm::exp(-a * half_square) / (2.0 * PI * a).sqrt() * sum;
    0.5 * libm::erfc(side * eta * a.sqrt() * FRAC_1_SQRT_2) + side * rest
}
