//! The three types that reductions compute in.

use std::cmp::Ordering;

use crate::tensor::{DType, Number};

/// What a reduction computes in: `f32` for floats of up to 32 bits, `f64`, and `i64` for integers and bools.
pub(in crate::operators) trait Computed: Number {
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Less than or equal to every other.
    const LOWEST: Self;
    /// The sum; integers wrap.
    fn plus(self, other: Self) -> Self;
    /// The product; integers wrap.
    fn times(self, other: Self) -> Self;
    /// Whether it is not a number.
    fn is_nan(self) -> bool;
    /// The order of the numbers, a NaN after all others.
    fn order(self, other: Self) -> Ordering;
}

macro_rules! floats {
    ($($float:ident)*) => {
        $(impl Computed for $float {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LOWEST: Self = $float::NEG_INFINITY;

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }

            fn order(self, other: Self) -> Ordering {
                self.partial_cmp(&other).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
            }
        })*
    };
}

floats!(f32 f64);

impl Computed for i64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const LOWEST: Self = i64::MIN;

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self.wrapping_mul(other)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }

    fn order(self, other: Self) -> Ordering {
        self.cmp(&other)
    }
}

/// The dtype of the type that a dtype is computed in.
pub(in crate::operators) fn computed_in(dtype: DType) -> DType {
    match dtype {
        DType::Float16 | DType::BFloat16 => DType::Float32,
        DType::Bool => DType::Int64,
        // The 64 bits of an unsigned integer would not be ordered right.
        DType::UInt64 => dtype,
        _ if dtype.is_integral() => DType::Int64,
        _ => dtype,
    }
}

/// Runs its body with the type that a dtype is computed in.
macro_rules! compute {
    ($dtype:expr, $operator:expr, $T:ident => $body:expr) => {
        $crate::tensor::dispatch!(
            @ [Float32 f32, Float64 f64, Int64 i64] $crate::operators::reduce::number::computed_in($dtype), $operator,
            $T => $body
        )
    };
}

pub(in crate::operators) use compute;

/// The sum of many numbers: pairwise, so that the error grows with the logarithm of their count.
pub(in crate::operators) fn sum<T: Computed>(numbers: &[T]) -> T {
    if numbers.len() > 128 {
        let (left, right) = numbers.split_at(numbers.len() / 2);
        return sum(left).plus(sum(right));
    }
    // Eight sums at a time are what a processor can keep busy with.
    let mut lanes = [T::ZERO; 8];
    let chunks = numbers.chunks_exact(8);
    let mut rest = chunks.remainder().iter().fold(T::ZERO, |sum, &x| sum.plus(x));
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = lane.plus(x);
        }
    }
    for lane in lanes {
        rest = rest.plus(lane);
    }
    rest
}
