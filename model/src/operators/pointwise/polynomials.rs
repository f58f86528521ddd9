//! Orthogonal polynomials: by their recurrences, those of Chebyshev by cosines where PyTorch takes these.

use super::super::{Call, Fault, Kernel};
use super::gamma::check_dtype;
use super::plan::{Plan, Rule, compute};
use crate::tensor::number::Wide;
use crate::tensor::{Math, Number};
use crate::value::Value;

/// Polynomials in the type that they are computed in, each with the rows of its six forms.
macro_rules! polynomials {
    ($($kernel:ident $name:literal: |$x:ident, $n:ident, $math:ident| $body:expr;)*) => {
        pub(super) const ROWS: &[(&str, Kernel)] = &[$(
            (concat!("aten::special_", $name), $kernel),
            (concat!("aten::special_", $name, ".out"), $kernel),
            (concat!("aten::special_", $name, ".x_scalar"), $kernel),
            (concat!("aten::special_", $name, ".x_scalar_out"), $kernel),
            (concat!("aten::special_", $name, ".n_scalar"), $kernel),
            (concat!("aten::special_", $name, ".n_scalar_out"), $kernel)
        ),*];

        $(fn $kernel(call: &mut Call<'_>) -> Result<Value, Fault> {
            fn compute<W: Wide>($x: W, $n: i64, $math: Math) -> W {
                $body
            }
            let (plan, math) = (Plan::binary(call, Rule::Float)?, call.modes.math);
            check_dtype(call, &plan)?;
            compute!(floats plan, call, T => {
                plan.zip(call, |x: T, n: T| {
                    let n = n.to_i64();
                    if n < 0 { 0.0 } else { compute(x, n, math) }
                })
            })
        })*
    };
}

polynomials! {
    chebyshev_t "chebyshev_polynomial_t": |x, n, math| chebyshev(Kind::T, x, n, math);
    chebyshev_u "chebyshev_polynomial_u": |x, n, math| chebyshev(Kind::U, x, n, math);
    chebyshev_v "chebyshev_polynomial_v": |x, n, math| chebyshev(Kind::V, x, n, math);
    chebyshev_w "chebyshev_polynomial_w": |x, n, math| chebyshev(Kind::W, x, n, math);
    shifted_t "shifted_chebyshev_polynomial_t": |x, n, math| chebyshev(Kind::T, x + x - W::of(1.0), n, math);
    shifted_u "shifted_chebyshev_polynomial_u": |x, n, math| chebyshev(Kind::U, x + x - W::of(1.0), n, math);
    shifted_v "shifted_chebyshev_polynomial_v": |x, n, math| chebyshev(Kind::V, x + x - W::of(1.0), n, math);
    shifted_w "shifted_chebyshev_polynomial_w": |x, n, math| chebyshev(Kind::W, x + x - W::of(1.0), n, math);
    hermite_h "hermite_polynomial_h": |x, n, _math| hermite(x + x, n, 2.0);
    hermite_he "hermite_polynomial_he": |x, n, _math| hermite(x, n, 1.0);
    laguerre_l "laguerre_polynomial_l": |x, n, _math| laguerre(x, n);
    legendre_p "legendre_polynomial_p": |x, n, _math| legendre(x, n);
}

fn number<W: Wide>(n: i64) -> W {
    W::of(n as f64)
}

/// From the polynomials of degree zero, which is one, and of degree one: the next is `next(k, this, the one before)`.
fn recurrence<W: Wide>(n: i64, first: W, next: impl Fn(i64, W, W) -> W) -> W {
    let (mut before, mut last) = (W::of(1.0), first);
    if n == 0 {
        return before;
    }
    for k in 1..n {
        if last.is_nan() {
            break;
        }
        (before, last) = (last, next(k, last, before));
    }
    last
}

/// The four kinds of Chebyshev's polynomials.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    T,
    U,
    V,
    W,
}

fn chebyshev<F: Wide>(kind: Kind, x: F, n: i64, math: Math) -> F {
    let one = F::of(1.0);
    let sign = if n % 2 == 0 { one } else { -one };
    if x.abs() == one {
        let at_one = match kind {
            Kind::T => one,
            Kind::U => number::<F>(n) + one,
            // Mirrored, the third kind is the fourth.
            Kind::V if x > F::of(0.0) => one,
            Kind::W if x < F::of(0.0) => one,
            Kind::V | Kind::W => number::<F>(n) + number(n) + one,
        };
        return if x > F::of(0.0) { at_one } else { sign * at_one };
    }
    let double = x + x;
    if n > 8 && x.abs() < one {
        return of_angle(kind, math.acos(x), n, sign, math);
    }
    let first = match kind {
        Kind::T => x,
        Kind::U => double,
        Kind::V => double - one,
        Kind::W => double + one,
    };
    recurrence(n, first, |_, last, before| double * last - before)
}

/// The same of a cosine's angle. Near the ends the quotients have no digits, and are what they are there.
fn of_angle<F: Wide>(kind: Kind, angle: F, n: i64, sign: F, math: Math) -> F {
    let half = angle / F::of(2.0);
    let odd = (number::<F>(n) + F::of(0.5)) * angle;
    match kind {
        Kind::T => math.cos(number::<F>(n) * angle),
        Kind::U => math.sin((number::<F>(n) + F::of(1.0)) * angle) / math.sin(angle),
        Kind::V if math.sin(half) == F::of(1.0) => sign * (number::<F>(n) + number(n) + F::of(1.0)),
        Kind::V => math.cos(odd) / math.cos(half),
        Kind::W if math.cos(half) == F::of(1.0) => number::<F>(n) + number(n) + F::of(1.0),
        Kind::W => math.sin(odd) / math.sin(half),
    }
}

/// With the factor 2 the physicists' polynomials, with 1 the probabilists'.
fn hermite<W: Wide>(first: W, n: i64, factor: f64) -> W {
    // Beyond these degrees PyTorch no longer computes.
    let most = if W::EPSILON.to_f64() > f64::EPSILON { 128 } else { 512 };
    if n > most {
        return W::NAN;
    }
    recurrence(n, first, |k, last, before| first * last - W::of(factor * k as f64) * before)
}

fn laguerre<W: Wide>(x: W, n: i64) -> W {
    let one = W::of(1.0);
    if x == W::of(0.0) {
        return one;
    }
    recurrence(n, one - x, |k, last, before| {
        ((number::<W>(k + k) + (one - x)) * last - number::<W>(k) * before) / number::<W>(k + 1)
    })
}

fn legendre<W: Wide>(x: W, n: i64) -> W {
    let one = W::of(1.0);
    if x.abs() == one {
        return if x > W::of(0.0) || n % 2 == 0 { one } else { -one };
    }
    recurrence(n, x, |k, last, before| {
        (number::<W>(k + k + 1) * x * last - number::<W>(k) * before) / number::<W>(k + 1)
    })
}
