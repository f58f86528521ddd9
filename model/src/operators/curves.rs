//! Exponential, sigmoid and hyperbolic tangent as arithmetic without branches, so that loops over them are compiled to
//! wide registers. The constants for floats are those of Cephes (Moshier, 1992); all are within 4e-7 of the truth,
//! relative to it. Doubles go the slow way.

use super::linalg::product::{Factor, multiply_add};
use crate::tensor::Wide;

/// A float with curves.
pub(in crate::operators) trait Curves: Factor + Wide {
    /// `1 / (1 + exp(-self))`
    fn sigmoid<const FUSED: bool>(self) -> Self;
    /// The hyperbolic tangent.
    fn tangent<const FUSED: bool>(self) -> Self;
    /// The exponential of a number that is not positive; less than 2e-38 is zero.
    fn decay<const FUSED: bool>(self) -> Self;
}

impl Curves for f64 {
    #[inline(always)]
    fn sigmoid<const FUSED: bool>(self) -> f64 {
        1.0 / (1.0 + libm::exp(-self))
    }

    #[inline(always)]
    fn tangent<const FUSED: bool>(self) -> f64 {
        libm::tanh(self)
    }

    #[inline(always)]
    fn decay<const FUSED: bool>(self) -> f64 {
        libm::exp(self)
    }
}

impl Curves for f32 {
    #[inline(always)]
    fn sigmoid<const FUSED: bool>(self) -> f32 {
        1.0 / (1.0 + exponential::<FUSED>(-self))
    }

    #[inline(always)]
    fn tangent<const FUSED: bool>(self) -> f32 {
        let size = self.abs();
        let far = 1.0 - 2.0 / (exponential::<FUSED>(size + size) + 1.0);
        // Near zero the difference would cancel.
        let z = self * self;
        let factors = [-5.704_989e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1];
        let near = multiply_add::<f32, FUSED>(polynomial::<FUSED, 5>(z, factors) * z, self, self);
        let tangent = if size < 0.625 { near } else { far };
        tangent.copysign(self)
    }

    #[inline(always)]
    fn decay<const FUSED: bool>(self) -> f32 {
        let decay = exponential::<FUSED>(self);
        if self < -87.0 { 0.0 } else { decay }
    }
}

/// A polynomial, the factor of the highest power first.
#[inline(always)]
fn polynomial<const FUSED: bool, const N: usize>(x: f32, factors: [f32; N]) -> f32 {
    let mut sum = factors[0];
    for factor in &factors[1..] {
        sum = multiply_add::<f32, FUSED>(sum, x, *factor);
    }
    sum
}

/// The exponential of a number between -87 and 88; of those beyond, that of the nearer end.
#[inline(always)]
fn exponential<const FUSED: bool>(x: f32) -> f32 {
    // A NaN is neither greater nor less, and stays.
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    // Adding 1.5 * 2^23 rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = multiply_add::<f32, FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let power = shifted - ROUND;
    // The logarithm of two, in two parts.
    let rest = multiply_add::<f32, FUSED>(power, -0.693_359_4, x);
    let rest = multiply_add::<f32, FUSED>(power, 2.121_944_4e-4, rest);
    let factors = [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    let sum = polynomial::<FUSED, 6>(rest, factors);
    let mantissa = multiply_add::<f32, FUSED>(sum, rest * rest, rest) + 1.0;
    let exponent = (shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127)) << 23;
    mantissa * f32::from_bits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const FUSED: bool>() {
        for i in -40_000..=40_000 {
            let x = i as f32 * (1.0 / 400.0);
            let (sigmoid, tanh) = (1.0 / (1.0 + libm::exp(-f64::from(x))), libm::tanh(f64::from(x)));
            let close = |found: f32, truth: f64| (f64::from(found) - truth).abs() <= 4e-7 * truth.abs() + 2e-38;
            assert!(close(x.sigmoid::<FUSED>(), sigmoid), "sigmoid {x}: {} {sigmoid}", x.sigmoid::<FUSED>());
            assert!(close(x.tangent::<FUSED>(), tanh), "tanh {x}: {} {tanh}", x.tangent::<FUSED>());
        }
        for i in 0..=40_000 {
            let x = i as f32 * (-1.0 / 400.0);
            let truth = libm::exp(f64::from(x));
            let found = f64::from(x.decay::<FUSED>());
            assert!((found - truth).abs() <= 2e-7 * truth + 2e-38, "exp {x}: {found} {truth}");
        }
        assert_eq!((f32::NEG_INFINITY.decay::<FUSED>(), 0f32.decay::<FUSED>()), (0.0, 1.0));
        assert!(f32::NAN.decay::<FUSED>().is_nan());
        assert_eq!((0f32.sigmoid::<FUSED>(), 0f32.tangent::<FUSED>()), (0.5, 0.0));
        assert_eq!((f32::INFINITY.sigmoid::<FUSED>(), f32::NEG_INFINITY.tangent::<FUSED>()), (1.0, -1.0));
        assert!((-0f32).tangent::<FUSED>().is_sign_negative());
        assert!(f32::NAN.sigmoid::<FUSED>().is_nan() && f32::NAN.tangent::<FUSED>().is_nan());
    }

    #[test]
    fn curves_are_close_to_those_of_doubles() {
        check::<false>();
        check::<true>();
    }
}
