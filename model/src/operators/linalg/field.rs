//! The numbers that matrices are made of, real or complex: what the formulas of factors ask of them, so that each is written once.

use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use num_complex::Complex64;

use super::super::Call;
use crate::tensor::Number;
use crate::value::Value;

/// A real or a complex number. What is measured of one is real.
pub(super) trait Field:
    Number
    + From<f64>
    + Sum
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Mul<f64, Output = Self>
    + Div<f64, Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
{
    fn parts(self) -> [f64; 2];
    fn conjugate(self) -> Self;
    fn modulus(self) -> f64;
    fn over(self, divisor: Self) -> Self;
    /// The number of modulus one in this direction, or zero.
    fn direction(self) -> Self;
    /// The logarithm of a number of modulus one, or of zero.
    fn logarithm(self) -> Self;

    fn real(self) -> f64 {
        self.parts()[0]
    }

    fn is_zero(self) -> bool {
        self.size() == 0.0
    }

    /// The square of the modulus.
    fn square(self) -> f64 {
        let [re, im] = self.parts();
        re * re + im * im
    }

    /// What LAPACK compares pivots by, which takes no root.
    fn size(self) -> f64 {
        let [re, im] = self.parts();
        re.abs() + im.abs()
    }
}

impl Field for f64 {
    fn parts(self) -> [f64; 2] {
        [self, 0.0]
    }

    fn conjugate(self) -> Self {
        self
    }

    fn modulus(self) -> f64 {
        self.abs()
    }

    fn over(self, divisor: Self) -> Self {
        self / divisor
    }

    fn direction(self) -> Self {
        if self == 0.0 { 0.0 } else { self.signum() }
    }

    fn logarithm(self) -> Self {
        if self < 0.0 { f64::NAN } else { 0.0 }
    }
}

impl Field for Complex64 {
    fn parts(self) -> [f64; 2] {
        [self.re, self.im]
    }

    fn conjugate(self) -> Self {
        self.conj()
    }

    fn modulus(self) -> f64 {
        libm::hypot(self.re, self.im)
    }

    /// The divisor is made small first, or its square might be no number.
    fn over(self, divisor: Self) -> Self {
        let size = divisor.size();
        let small = divisor / size;
        self / size * small.conj() / small.norm_sqr()
    }

    fn direction(self) -> Self {
        if self.is_zero() { self } else { self / self.modulus() }
    }

    fn logarithm(self) -> Self {
        // To that of zero PyTorch adds an infinity as a complex number, once more times one: the imaginary part of that is no number.
        Complex64::new(0.0, if self.is_zero() { f64::NAN } else { libm::atan2(self.im, self.re) })
    }
}

/// Whether a tensor among the arguments is complex.
pub(super) fn of_complex(call: &Call<'_>) -> bool {
    call.args.iter().any(|arg| matches!(arg, Value::Tensor(tensor) if tensor.dtype().is_complex()))
}

/// The kernel that does it with real numbers, or with complex ones if there is one among the arguments.
macro_rules! by_field {
    ($($kernel:ident)::+) => {
        |call| match $crate::operators::linalg::field::of_complex(call) {
            true => $($kernel)::+::<num_complex::Complex64>(call),
            false => $($kernel)::+::<f64>(call),
        }
    };
}
pub(super) use by_field;
