//! Elements as numbers: conversion between dtypes as C casts do on x86, and what floats are computed in.

use half::{bf16, f16};
use num_complex::{Complex, Complex64};

use super::elementary::Elementary;
use super::{Bool8, Element};

/// An element that can be converted to any other.
///
/// A conversion is a C cast as x86 does it: integers wrap, floats are cut towards zero, what does not fit gives
/// the smallest integer, and only the real part of a complex is left.
pub trait Number: Element + Default {
    /// Converts an integer.
    fn from_i64(value: i64) -> Self;
    /// Converts an integer too great for the others.
    fn from_u64(value: u64) -> Self {
        Self::from_i64(value as i64)
    }
    /// Converts a float.
    fn from_f64(value: f64) -> Self;
    /// Converts a complex.
    fn from_complex(value: Complex64) -> Self {
        Self::from_f64(value.re)
    }
    /// Converts to another element type.
    fn cast<T: Number>(self) -> T;

    /// As a float.
    fn to_f64(self) -> f64 {
        self.cast()
    }
    /// As an integer.
    fn to_i64(self) -> i64 {
        self.cast()
    }
    /// Whether it is not zero.
    fn is_true(self) -> bool {
        self.cast::<Bool8>().into()
    }
}

/// The float to integer conversion of x86: what does not fit becomes the smallest integer.
fn f64_to_i64(value: f64) -> i64 {
    // The upper bound is 2^63 itself; a NaN is in no range.
    if (-9223372036854775808.0..9223372036854775808.0).contains(&value) { value as i64 } else { i64::MIN }
}

/// The same for 32 bits.
fn f64_to_i32(value: f64) -> i32 {
    if value > -2147483649.0 && value < 2147483648.0 { value as i32 } else { i32::MIN }
}

/// The 64-bit unsigned conversion, which compilers build from the signed one.
fn f64_to_u64(value: f64) -> u64 {
    if value >= 9223372036854775808.0 {
        (f64_to_i64(value - 9223372036854775808.0) as u64) ^ (1 << 63)
    } else {
        f64_to_i64(value) as u64
    }
}

macro_rules! integers {
    ($($rust:ty: $convert:path),* $(,)?) => {
        $(impl Number for $rust {
            fn from_i64(value: i64) -> Self {
                value as Self
            }
            fn from_f64(value: f64) -> Self {
                $convert(value) as Self
            }
            fn cast<T: Number>(self) -> T {
                T::from_i64(self as i64)
            }
        })*
    };
}

// The narrow signed types convert through 32 bits, as compilers do; `c10::convert` sends uint8 through 64.
integers! {
    u8: f64_to_i64, i8: f64_to_i32, i16: f64_to_i32, i32: f64_to_i32, i64: f64_to_i64, u16: f64_to_i32, u32: f64_to_i64,
}

impl Number for u64 {
    fn from_i64(value: i64) -> Self {
        value as u64
    }
    fn from_f64(value: f64) -> Self {
        f64_to_u64(value)
    }
    fn cast<T: Number>(self) -> T {
        T::from_u64(self)
    }
}

macro_rules! floats {
    ($($rust:ty: $from_i64:expr, $from_u64:expr, $from_f64:expr, $to_f64:expr);* $(;)?) => {
        $(impl Number for $rust {
            fn from_i64(value: i64) -> Self {
                $from_i64(value)
            }
            fn from_u64(value: u64) -> Self {
                $from_u64(value)
            }
            fn from_f64(value: f64) -> Self {
                $from_f64(value)
            }
            fn cast<T: Number>(self) -> T {
                T::from_f64($to_f64(self))
            }
        })*
    };
}

// As in PyTorch, everything becomes a half by way of f32.
floats! {
    f32: |x| x as f32, |x| x as f32, |x| x as f32, f64::from;
    f64: |x| x as f64, |x| x as f64, |x| x, |x| x;
    f16: |x| f16::from_f32(x as f32), |x| f16::from_f32(x as f32), |x| f16::from_f32(x as f32), f16::to_f64;
    bf16: |x| bf16::from_f32(x as f32), |x| bf16::from_f32(x as f32), |x| bf16::from_f32(x as f32), bf16::to_f64;
}

impl Default for Bool8 {
    fn default() -> Self {
        false.into()
    }
}

impl Number for Bool8 {
    fn from_i64(value: i64) -> Self {
        (value != 0).into()
    }
    fn from_f64(value: f64) -> Self {
        (value != 0.0).into()
    }
    fn from_complex(value: Complex64) -> Self {
        (value != Complex64::ZERO).into()
    }
    fn cast<T: Number>(self) -> T {
        T::from_i64(bool::from(self) as i64)
    }
}

impl Number for Complex<f32> {
    fn from_i64(value: i64) -> Self {
        Complex::new(value as f32, 0.0)
    }
    fn from_f64(value: f64) -> Self {
        Complex::new(value as f32, 0.0)
    }
    fn from_complex(value: Complex64) -> Self {
        Complex::new(value.re as f32, value.im as f32)
    }
    fn cast<T: Number>(self) -> T {
        T::from_complex(Complex::new(self.re.into(), self.im.into()))
    }
}

impl Number for Complex<f64> {
    fn from_i64(value: i64) -> Self {
        Complex::new(value as f64, 0.0)
    }
    fn from_f64(value: f64) -> Self {
        Complex::new(value, 0.0)
    }
    fn from_complex(value: Complex64) -> Self {
        value
    }
    fn cast<T: Number>(self) -> T {
        T::from_complex(self)
    }
}

/// A real number: it has an order.
pub trait Real: Number + PartialOrd {}

impl PartialOrd for Bool8 {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        bool::from(*self).partial_cmp(&bool::from(*other))
    }
}

macro_rules! reals {
    ($($rust:ty),*) => { $(impl Real for $rust {})* };
}

reals!(u8, i8, i16, i32, i64, u16, u32, u64, f16, bf16, f32, f64, Bool8);

/// A float: computed in [`Float::Wide`] and rounded when it is stored.
pub trait Float: Real {
    /// `f64` for itself, `f32` for all others.
    type Wide: Wide;
    /// The value to compute with.
    fn widen(self) -> Self::Wide;
    /// The value to store.
    fn narrow(value: Self::Wide) -> Self;
}

impl Float for f32 {
    type Wide = f32;
    fn widen(self) -> f32 {
        self
    }
    fn narrow(value: f32) -> f32 {
        value
    }
}

impl Float for f64 {
    type Wide = f64;
    fn widen(self) -> f64 {
        self
    }
    fn narrow(value: f64) -> f64 {
        value
    }
}

impl Float for f16 {
    type Wide = f32;
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(value: f32) -> f16 {
        f16::from_f32(value)
    }
}

impl Float for bf16 {
    type Wide = f32;
    fn widen(self) -> f32 {
        self.to_f32()
    }
    fn narrow(value: f32) -> bf16 {
        bf16::from_f32(value)
    }
}

/// Declares [`Wide`] and forwards its methods to those of `f32` and `f64`, with docs.
macro_rules! wide {
    (unary { $($unary:ident $unary_doc:literal)* } binary { $($binary:ident $binary_doc:literal)* }) => {
        /// What floats are computed in: `f32` or `f64`.
        pub trait Wide:
            Float<Wide = Self> + Arithmetic + Elementary + std::ops::Neg<Output = Self> + std::ops::Rem<Output = Self> + std::iter::Sum
        {
            /// Infinity.
            const INFINITY: Self;
            /// Not a number.
            const NAN: Self;
            /// The greatest finite number.
            const MAX: Self;
            /// The distance from one to the next number.
            const EPSILON: Self;
            /// The smallest positive normal number.
            const MIN_POSITIVE: Self;
            /// A constant, rounded.
            fn of(value: f64) -> Self;
            /// Whether it is not a number.
            fn is_nan(self) -> bool;
            /// Whether it is an infinity.
            fn is_infinite(self) -> bool;
            /// Whether it is neither infinite nor NaN.
            fn is_finite(self) -> bool;
            /// Whether the sign bit is set.
            fn is_sign_negative(self) -> bool;
            /// `self * a + b` with one rounding.
            fn mul_add(self, a: Self, b: Self) -> Self;
            $(#[doc = $unary_doc] fn $unary(self) -> Self;)*
            $(#[doc = $binary_doc] fn $binary(self, other: Self) -> Self;)*
        }

        wide!(impl f32 { $($unary)* } { $($binary)* });
        wide!(impl f64 { $($unary)* } { $($binary)* });
    };
    (impl $float:ident { $($unary:ident)* } { $($binary:ident)* }) => {
        impl Wide for $float {
            const INFINITY: Self = $float::INFINITY;
            const NAN: Self = $float::NAN;
            const MAX: Self = $float::MAX;
            const EPSILON: Self = $float::EPSILON;
            const MIN_POSITIVE: Self = $float::MIN_POSITIVE;
            fn of(value: f64) -> Self {
                value as $float
            }
            fn is_nan(self) -> bool {
                self.is_nan()
            }
            fn is_infinite(self) -> bool {
                self.is_infinite()
            }
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            fn is_sign_negative(self) -> bool {
                self.is_sign_negative()
            }
            fn mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            $(fn $unary(self) -> Self {
                self.$unary()
            })*
            $(fn $binary(self, other: Self) -> Self {
                self.$binary(other)
            })*
        }
    };
}

wide! {
    unary {
        abs "The absolute value." sqrt "The square root."
        floor "Rounded down." ceil "Rounded up." trunc "Rounded towards zero."
        round_ties_even "Rounded to the nearest, ties to even."
    }
    binary {
        copysign "With another's sign." min "The lesser, of two numbers." max "The greater, of two numbers."
    }
}

/// What can be added, multiplied and divided by operators that cannot fail.
pub trait Arithmetic:
    Number
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
}

impl Arithmetic for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Arithmetic for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Arithmetic for Complex<f32> {
    const ZERO: Self = Complex::new(0.0, 0.0);
    const ONE: Self = Complex::new(1.0, 0.0);
}

impl Arithmetic for Complex<f64> {
    const ZERO: Self = Complex::new(0.0, 0.0);
    const ONE: Self = Complex::new(1.0, 0.0);
}
