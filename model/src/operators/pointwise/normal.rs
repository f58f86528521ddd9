//! What the error function is when it is scaled, taken the logarithm of, or inverted, computed in f64.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI, SQRT_2};

use super::special::erfinv;

/// `exp(x^2) erfc(x)`.
pub(super) fn erfcx(x: f64) -> f64 {
    let square = x * x;
    // What rounding took from the square matters in its exponential.
    let exponential = || libm::exp(square) * (1.0 + x.mul_add(x, -square));
    if x < -26.7 {
        f64::INFINITY
    } else if x < 10.0 {
        exponential() * libm::erfc(x)
    } else if x > 1e8 {
        FRAC_2_SQRT_PI / 2.0 / x
    } else {
        // The expansion for great arguments, by the rule of Horner.
        let sum = (1..=12).rev().fold(1.0, |sum, k| 1.0 - (2 * k - 1) as f64 / (2.0 * square) * sum);
        FRAC_2_SQRT_PI / 2.0 / x * sum
    }
}

/// The logarithm of the distribution function of the normal distribution.
pub(super) fn log_ndtr(x: f64) -> f64 {
    let t = x * FRAC_1_SQRT_2;
    if x < -1.0 { libm::log(erfcx(-t) / 2.0) - t * t } else { libm::log1p(-libm::erfc(t) / 2.0) }
}

/// The inverse of the distribution function of the normal distribution: in its tails by Newton's method for the logarithm, from the
/// approximation of Hastings (Abramowitz and Stegun 26.2.22).
pub(super) fn ndtri(p: f64) -> f64 {
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p == 1.0 {
        return f64::INFINITY;
    }
    if !(0.0..1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.9 {
        return -ndtri(1.0 - p);
    }
    if p > 0.1 {
        return SQRT_2 * erfinv(2.0 * p - 1.0);
    }
    let logarithm = libm::log(p);
    let t = (-2.0 * logarithm).sqrt();
    let mut x = (2.30753 + 0.27061 * t) / (1.0 + t * (0.99229 + t * 0.04481)) - t;
    for _ in 0..5 {
        // The quotient of the distribution function and its density.
        let quotient = erfcx(-x * FRAC_1_SQRT_2) * (PI / 2.0).sqrt();
        x -= (log_ndtr(x) - logarithm) * quotient;
    }
    x
}
