//! One number at a time from a generator, computed operation by operation as PyTorch's CPU kernels compute it, so
//! that the bits are the same (`ATen/core/DistributionsHelper.h`, `TransformationHelper.h`).
//!
//! PyTorch built with MKL takes other numbers for `bernoulli_` and `exponential_` on Intel's processors: it draws one
//! seed and leaves the rest to MKL. On all others it goes this way, and so do we everywhere.

use half::{bf16, f16};

use crate::operators::GeneratorState;
use crate::tensor::{Bool8, Float, Number, Wide};

/// A float that can be drawn.
pub(super) trait DrawnFloat: Float {
    /// Bits of precision: one more than the mantissa stores.
    const PRECISION: u32;
    /// The greatest finite value.
    const GREATEST: f64;

    /// A uniform number in `[from, to)`.
    fn uniform(generator: &mut GeneratorState, from: f64, to: f64) -> Self {
        let (from, to) = (Self::from_f64(from), Self::from_f64(to));
        let span = Self::narrow(to.widen() - from.widen());
        // PyTorch's compiler fuses the product with the sum.
        Self::narrow(Self::unit(generator).mul_add(span.widen(), from.widen()))
    }

    /// A uniform number in `[0, 1)` with as many bits as the type holds.
    fn unit(generator: &mut GeneratorState) -> Self::Wide {
        Self::Wide::of(unit(generator.next_u32() as u64, Self::PRECISION))
    }
}

impl DrawnFloat for f64 {
    const PRECISION: u32 = f64::MANTISSA_DIGITS;
    const GREATEST: f64 = f64::MAX;

    fn unit(generator: &mut GeneratorState) -> f64 {
        uniform(generator)
    }
}

impl DrawnFloat for f32 {
    const PRECISION: u32 = f32::MANTISSA_DIGITS;
    const GREATEST: f64 = f32::MAX as f64;
}

impl DrawnFloat for f16 {
    const PRECISION: u32 = f16::MANTISSA_DIGITS;
    const GREATEST: f64 = f16::MAX.to_f64_const();
}

impl DrawnFloat for bf16 {
    const PRECISION: u32 = bf16::MANTISSA_DIGITS;
    const GREATEST: f64 = bf16::MAX.to_f64_const();
}

/// What `random_` without bounds draws: every bit of an integer but the sign, every integer that a float holds.
pub(super) trait DrawnWhole: Number {
    /// The greatest number drawn when only the lower bound is given.
    const MOST: i64;
    /// A number between zero and the greatest.
    fn whole(generator: &mut GeneratorState) -> Self;
}

macro_rules! whole {
    ($($rust:ty, $most:expr, $next:ident, $modulus:expr;)*) => {
        $(impl DrawnWhole for $rust {
            const MOST: i64 = $most;

            fn whole(generator: &mut GeneratorState) -> Self {
                Self::from_i64((generator.$next() as u64 % $modulus) as i64)
            }
        })*
    };
}

whole! {
    u8, u8::MAX as i64, next_u32, 1 << 8;
    i8, i8::MAX as i64, next_u32, 1 << 7;
    i16, i16::MAX as i64, next_u32, 1 << 15;
    i32, i32::MAX as i64, next_u32, 1 << 31;
    i64, i64::MAX, next_u64, 1 << 63;
    Bool8, 1, next_u32, 2;
    f16, 1 << f16::MANTISSA_DIGITS, next_u32, (1 << f16::MANTISSA_DIGITS) + 1;
    bf16, 1 << bf16::MANTISSA_DIGITS, next_u32, (1 << bf16::MANTISSA_DIGITS) + 1;
    f32, 1 << f32::MANTISSA_DIGITS, next_u32, (1 << f32::MANTISSA_DIGITS) + 1;
    f64, 1 << f64::MANTISSA_DIGITS, next_u64, (1 << f64::MANTISSA_DIGITS) + 1;
}

/// The low `digits` bits as a fraction of one.
fn unit(bits: u64, digits: u32) -> f64 {
    (bits & ((1 << digits) - 1)) as f64 / (1u64 << digits) as f64
}

/// A uniform number in `[0, 1)` with all the bits of an `f64`.
pub(in crate::operators) fn uniform(generator: &mut GeneratorState) -> f64 {
    unit(generator.next_u64(), f64::MANTISSA_DIGITS)
}

/// An integer in `[base, base + range)`; slightly skewed, as PyTorch's is.
pub(super) fn integer(generator: &mut GeneratorState, range: u64, base: i64) -> i64 {
    let bits = if range >= 1 << 28 { generator.next_u64() } else { generator.next_u32() as u64 };
    (bits % range).wrapping_add(base as u64) as i64
}

/// A normal number by the method of Box and Muller, which makes two: the second is kept for the next call.
pub(in crate::operators) fn normal(generator: &mut GeneratorState, mean: f64, std: f64) -> f64 {
    let standard = generator.next_normal_double.take().unwrap_or_else(|| {
        let (u1, u2) = (uniform(generator), uniform(generator));
        let radius = (-2.0 * libm::log1p(-u2)).sqrt();
        let angle = 2.0 * std::f64::consts::PI * u1;
        generator.next_normal_double = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    });
    standard * std + mean
}

/// An exponential number.
pub(super) fn exponential(generator: &mut GeneratorState, lambda: f64) -> f64 {
    -1.0 / lambda * libm::log1p(-uniform(generator))
}

/// The number of trials up to the first success.
pub(super) fn geometric(generator: &mut GeneratorState, p: f64) -> f64 {
    (libm::log(uniform(generator)) / libm::log1p(-p)).ceil()
}

/// A number from Cauchy's distribution.
pub(super) fn cauchy(generator: &mut GeneratorState, median: f64, sigma: f64) -> f64 {
    median + sigma * libm::tan(std::f64::consts::PI * (uniform(generator) - 0.5))
}
