//! Bessel's functions of the orders zero and one, and Airy's, computed in f64.
//!
//! Those of real argument are `libm`'s. The modified ones are the power series, Hankel's expansion, and for the second kind the
//! integral of `exp(-x cosh t) cosh(nu t)`, by the trapezoidal rule (Trefethen and Weideman, "The exponentially convergent
//! trapezoidal rule", 2014). Where PyTorch's polynomials give NaN or an infinity, so do these.

use std::f64::consts::{FRAC_PI_4, PI};

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// PyTorch takes the cosine of an infinite argument.
fn of_finite(x: f64, f: impl Fn(f64) -> f64) -> f64 {
    if x.is_infinite() { f64::NAN } else { f(x) }
}

pub(super) fn j0(x: f64) -> f64 {
    of_finite(x, libm::j0)
}

pub(super) fn j1(x: f64) -> f64 {
    of_finite(x, libm::j1)
}

pub(super) fn y0(x: f64) -> f64 {
    of_finite(x, |x| if x == 0.0 { f64::NEG_INFINITY } else { libm::y0(x) })
}

pub(super) fn y1(x: f64) -> f64 {
    of_finite(x, |x| if x == 0.0 { f64::NEG_INFINITY } else { libm::y1(x) })
}

pub(super) fn spherical_j0(x: f64) -> f64 {
    if x.is_infinite() {
        0.0
    } else if x == 0.0 {
        1.0
    } else {
        libm::sin(x) / x
    }
}

/// From here on Hankel's expansion is exact.
const FAR: f64 = 30.0;

/// `I(x)` of order 0 or 1 for `0 <= x < FAR`, by its power series, all of whose terms are positive.
fn near_i(order: u8, x: f64) -> f64 {
    let half = x / 2.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= half * half / (k * (k + order as f64));
        sum += term;
        k += 1.0;
    }
    if order == 1 { half * sum } else { sum }
}

/// `exp(-x) I(x)` for `x >= FAR`.
fn far_i(order: u8, x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..=25 {
        let odd = (2 * k - 1) as f64;
        term *= (odd * odd - 4.0 * order as f64) / (8.0 * x * k as f64);
        sum += term;
    }
    sum / (2.0 * PI * x).sqrt()
}

pub(super) fn scaled_i0(x: f64) -> f64 {
    let x = x.abs();
    if x < FAR { libm::exp(-x) * near_i(0, x) } else { far_i(0, x) }
}

pub(super) fn scaled_i1(x: f64) -> f64 {
    let size = x.abs();
    (if size < FAR { libm::exp(-size) * near_i(1, size) } else { far_i(1, size) }).copysign(x)
}

pub(super) fn i1(x: f64) -> f64 {
    let size = x.abs();
    // PyTorch's product of infinity and zero.
    of_finite(x, |x| (if size < FAR { near_i(1, size) } else { libm::exp(size) * far_i(1, size) }).copysign(x))
}

/// `exp(x) K(x)` of any order, for `x >= 2`.
fn far_k(order: f64, x: f64) -> f64 {
    let step = (0.5 / x.sqrt()).min(0.2);
    let integrand = |t: f64| {
        let half = libm::sinh(t / 2.0);
        libm::exp(-2.0 * x * half * half) * libm::cosh(order * t)
    };
    let (mut sum, mut k) = (0.5, 1.0);
    loop {
        let term = integrand(k * step);
        sum += term;
        k += 1.0;
        if term <= sum * 1e-18 {
            return step * sum;
        }
    }
}

/// `K0(x)` for `0 < x < 2`.
fn near_k0(x: f64) -> f64 {
    let square = x * x / 4.0;
    let (mut sum, mut term, mut harmonic) = (0.0, 1.0, 0.0);
    for k in 1..20 {
        term *= square / (k * k) as f64;
        harmonic += 1.0 / k as f64;
        sum += term * harmonic;
    }
    sum - (libm::log(x / 2.0) + EULER) * near_i(0, x)
}

/// `K1(x)` for `0 < x < 2`.
fn near_k1(x: f64) -> f64 {
    let square = x * x / 4.0;
    // The digamma functions of k + 1 and k + 2.
    let (mut term, mut first) = (1.0, -EULER);
    let mut sum = 0.0;
    for k in 1..20 {
        let second = first + 1.0 / k as f64;
        sum += term * (first + second);
        term *= square / (k * (k + 1)) as f64;
        first = second;
    }
    1.0 / x + libm::log(x / 2.0) * near_i(1, x) - x / 4.0 * sum
}

/// A function of the second kind: NaN to the left of its pole, nothing at infinity.
fn second_kind(x: f64, near: impl Fn(f64) -> f64, far: impl Fn(f64) -> f64) -> f64 {
    if x == 0.0 {
        f64::INFINITY
    } else if x.is_nan() || x < 0.0 {
        f64::NAN
    } else if x < 2.0 {
        near(x)
    } else if x.is_infinite() {
        0.0
    } else {
        far(x)
    }
}

pub(super) fn k0(x: f64) -> f64 {
    second_kind(x, near_k0, |x| libm::exp(-x) * far_k(0.0, x))
}

pub(super) fn k1(x: f64) -> f64 {
    second_kind(x, near_k1, |x| libm::exp(-x) * far_k(1.0, x))
}

pub(super) fn scaled_k0(x: f64) -> f64 {
    second_kind(x, |x| libm::exp(x) * near_k0(x), |x| far_k(0.0, x))
}

pub(super) fn scaled_k1(x: f64) -> f64 {
    second_kind(x, |x| libm::exp(x) * near_k1(x), |x| far_k(1.0, x))
}

/// Airy's function: from its values at zero by Taylor's series of the differential equation `y'' = x y`; to the right of them it is
/// a `K` of order one third, to the left the expansion for great arguments (DLMF 9.6.2, 9.7.9).
pub(super) fn airy_ai(x: f64) -> f64 {
    let zeta = 2.0 / 3.0 * x.abs() * x.abs().sqrt();
    if !x.is_finite() {
        f64::NAN
    } else if x > 103.892 {
        // It is too small for PyTorch, too.
        0.0
    } else if x > 2.1 {
        libm::exp(-zeta) * far_k(1.0 / 3.0, zeta) * (x / 3.0).sqrt() / PI
    } else if x > -9.0 {
        airy_in_steps(x)
    } else {
        airy_far_left(-x, zeta)
    }
}

fn airy_in_steps(x: f64) -> f64 {
    let steps = x.abs().ceil().max(1.0);
    let h = x / steps;
    let (mut value, mut slope) = (0.355_028_053_887_817_2, -0.258_819_403_792_806_8);
    for step in 0..steps as i32 {
        let center = h * step as f64;
        // The coefficients of Taylor's series, times powers of h.
        let mut terms = [0.0, value, slope * h];
        (value, slope) = (value + terms[2], terms[2]);
        for k in 2..45 {
            let next = (center * terms[1] + h * terms[0]) * h * h / (k * (k - 1)) as f64;
            terms = [terms[1], terms[2], next];
            value += next;
            slope += next * k as f64;
        }
        slope /= h;
    }
    value
}

fn airy_far_left(size: f64, zeta: f64) -> f64 {
    let (mut even, mut odd, mut term) = (1.0, 0.0, 1.0);
    for k in 1..20 {
        let six = 6.0 * k as f64;
        term *= (six - 5.0) * (six - 3.0) * (six - 1.0) / ((2 * k - 1) as f64 * 216.0 * k as f64 * zeta);
        let sign = if k % 4 < 2 { 1.0 } else { -1.0 };
        *(if k % 2 == 0 { &mut even } else { &mut odd }) += sign * term;
    }
    let angle = zeta - FRAC_PI_4;
    (libm::cos(angle) * even + libm::sin(angle) * odd) / (PI * size.sqrt()).sqrt()
}
