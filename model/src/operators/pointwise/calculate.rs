//! Arithmetic of elements in the types that they are computed in: integers wrap as in C.

use crate::tensor::Math;
use crate::tensor::number::{Real, Wide};

/// An element with PyTorch's arithmetic. Divisors of integers are not zero.
pub(super) trait Calculate: Real {
    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    /// `self * factor + summand`, with one rounding.
    fn multiply_add(self, factor: Self, summand: Self) -> Self;
    fn div_trunc(self, other: Self) -> Self;
    fn div_floor(self, other: Self) -> Self;
    /// The remainder of [`Calculate::div_floor`].
    fn remainder(self, other: Self) -> Self;
    /// The remainder of [`Calculate::div_trunc`].
    fn fmod(self, other: Self) -> Self;
    fn pow(self, exponent: Self, math: Math) -> Self;
    fn neg(self) -> Self;
    fn abs(self) -> Self;
    fn is_nan(self) -> bool {
        false
    }
    /// The greater, or the NaN if there is one.
    fn maximum(self, other: Self) -> Self {
        if self.is_nan() || !(other > self || other.is_nan()) { self } else { other }
    }
    /// The lesser, or the NaN if there is one.
    fn minimum(self, other: Self) -> Self {
        if self.is_nan() || !(other < self || other.is_nan()) { self } else { other }
    }
    /// The greater, or the number if the other is NaN.
    fn fmax(self, other: Self) -> Self {
        if self.is_nan() || other > self { other } else { self }
    }
    /// The lesser, or the number if the other is NaN.
    fn fmin(self, other: Self) -> Self {
        if self.is_nan() || other < self { other } else { self }
    }
    /// -1, 0 or 1.
    fn sign(self) -> Self {
        let zero = Self::default();
        Self::from_i64((self > zero) as i64 - (self < zero) as i64)
    }
}

impl Calculate for i64 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }
    fn sub(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
    fn mul(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }
    fn multiply_add(self, factor: Self, summand: Self) -> Self {
        self.wrapping_mul(factor).wrapping_add(summand)
    }
    fn div_trunc(self, other: Self) -> Self {
        self.wrapping_div(other)
    }
    fn div_floor(self, other: Self) -> Self {
        let (quotient, rest) = (self.wrapping_div(other), self.wrapping_rem(other));
        if rest != 0 && (rest < 0) != (other < 0) { quotient.wrapping_sub(1) } else { quotient }
    }
    fn remainder(self, other: Self) -> Self {
        let rest = self.wrapping_rem(other);
        if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest }
    }
    fn fmod(self, other: Self) -> Self {
        self.wrapping_rem(other)
    }
    fn pow(self, exponent: Self, _: Math) -> Self {
        if exponent < 0 {
            // Rounded towards zero, all but one and minus one vanish.
            return match self {
                1 => 1,
                -1 if exponent % 2 == 0 => 1,
                -1 => -1,
                _ => 0,
            };
        }
        let (mut result, mut base, mut left) = (1i64, self, exponent);
        while left > 0 {
            if left & 1 == 1 {
                result = result.wrapping_mul(base);
            }
            base = base.wrapping_mul(base);
            left >>= 1;
        }
        result
    }
    fn neg(self) -> Self {
        self.wrapping_neg()
    }
    fn abs(self) -> Self {
        self.wrapping_abs()
    }
}

macro_rules! floats {
    ($($rust:ty),*) => {
        $(impl Calculate for $rust {
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn sub(self, other: Self) -> Self {
                self - other
            }
            fn mul(self, other: Self) -> Self {
                self * other
            }
            fn multiply_add(self, factor: Self, summand: Self) -> Self {
                self.mul_add(factor, summand)
            }
            fn div_trunc(self, other: Self) -> Self {
                (self / other).trunc()
            }
            fn div_floor(self, other: Self) -> Self {
                div_floor(self, other)
            }
            fn remainder(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
            }
            fn fmod(self, other: Self) -> Self {
                self % other
            }
            fn pow(self, exponent: Self, math: Math) -> Self {
                math.powf(self, exponent)
            }
            fn neg(self) -> Self {
                -self
            }
            fn abs(self) -> Self {
                self.abs()
            }
            fn is_nan(self) -> bool {
                <$rust>::is_nan(self)
            }
        })*
    };
}

floats!(f32, f64);

/// As CPython divides floats, and so PyTorch.
fn div_floor<W: Wide>(a: W, b: W) -> W {
    let zero = W::of(0.0);
    if b == zero {
        return a / b;
    }
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != zero && (b < zero) != (rest < zero) {
        quotient = quotient - W::of(1.0);
    }
    if quotient == zero {
        return zero.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > W::of(0.5) { floor + W::of(1.0) } else { floor }
}
