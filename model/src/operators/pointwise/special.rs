//! Functions that are not in `libm`, computed in f64.

use std::f64::consts::PI;

/// The inverse of the error function: a rational approximation and two steps of Newton's method, as in PyTorch.
pub(super) fn erfinv(y: f64) -> f64 {
    const A: [f64; 4] = [0.886226899, -1.645349621, 0.914624893, -0.140543331];
    const B: [f64; 4] = [-2.118377725, 1.442710462, -0.329097515, 0.012229801];
    const C: [f64; 4] = [-1.970840454, -1.624906493, 3.429567803, 1.641345311];
    const D: [f64; 2] = [3.543889200, 1.637067800];
    let magnitude = y.abs();
    if magnitude.is_nan() || magnitude > 1.0 {
        return f64::NAN;
    }
    if magnitude == 1.0 {
        return f64::INFINITY.copysign(y);
    }
    let polynomial = |coefficients: &[f64], z: f64| coefficients.iter().rev().fold(0.0, |sum, c| sum * z + c);
    let mut x = if magnitude <= 0.7 {
        let z = y * y;
        y * polynomial(&A, z) / (polynomial(&B, z) * z + 1.0)
    } else {
        let z = (-libm::log((1.0 - magnitude) / 2.0)).sqrt();
        (polynomial(&C, z) / (polynomial(&D, z) * z + 1.0)).copysign(y)
    };
    for _ in 0..2 {
        x -= (libm::erf(x) - y) / (2.0 / PI.sqrt() * libm::exp(-x * x));
    }
    x
}

/// The derivative of the logarithm of the gamma function: reflected to positive numbers, raised to ten, then the
/// asymptotic series, as in Cephes.
pub(super) fn digamma(x: f64) -> f64 {
    const SERIES: [f64; 7] = [
        8.333_333_333_333_333e-2,
        -2.109_279_609_279_609_3e-2,
        7.575_757_575_757_576e-3,
        -4.166_666_666_666_667e-3,
        3.968_253_968_253_968e-3,
        -8.333_333_333_333_333e-3,
        8.333_333_333_333_333e-2,
    ];
    if x == 0.0 {
        return f64::INFINITY.copysign(-x);
    }
    if x < 0.0 {
        if x == x.trunc() {
            return f64::NAN;
        }
        let part = x.fract();
        return digamma(1.0 - x) - PI / libm::tan(PI * part);
    }
    let (mut x, mut result) = (x, 0.0);
    while x < 10.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let z = 1.0 / (x * x);
    // The last of the array is the first of the series.
    let tail = if x < 1e17 { z * SERIES.iter().fold(0.0, |sum, c| sum * z + c) } else { 0.0 };
    result + libm::log(x) - 0.5 / x - tail
}

/// The modified Bessel function of the first kind and order zero, by its power series or its asymptotic one.
pub(super) fn i0(x: f64) -> f64 {
    let x = x.abs();
    if !x.is_finite() {
        // PyTorch's product of infinity and zero.
        return f64::NAN;
    }
    if x < 30.0 {
        let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
        while term > sum * 1e-17 {
            let ratio = x / (2.0 * k);
            term *= ratio * ratio;
            sum += term;
            k += 1.0;
        }
        return sum;
    }
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..20 {
        let odd = (2 * k - 1) as f64;
        term *= odd * odd / (8.0 * x * k as f64);
        sum += term;
    }
    libm::exp(x) / (2.0 * PI * x).sqrt() * sum
}
