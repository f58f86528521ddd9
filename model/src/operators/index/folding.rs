//! Adding to, multiplying or comparing with elements that are already there, at given places.

use half::{bf16, f16};
use num_complex::Complex;

use super::super::Fault;
use crate::slot::Memory;
use crate::tensor::{Bool8, DType, Number, Scalar, Storage, Tensor, dispatch};

/// How an element changes the one at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fold {
    Add,
    Multiply,
    Greatest,
    Least,
}

/// Elements that can be folded; a sum of bools is their disjunction.
pub(super) trait Folded: Number {
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    /// The greater one; a NaN if either is.
    fn greatest(self, other: Self) -> Self;
    fn least(self, other: Self) -> Self;

    fn fold(self, other: Self, how: Fold) -> Self {
        match how {
            Fold::Add => self.add(other),
            Fold::Multiply => self.multiply(other),
            Fold::Greatest => self.greatest(other),
            Fold::Least => self.least(other),
        }
    }
}

macro_rules! folded {
    ($($rust:ty: $add:expr, $multiply:expr, $nan:expr);* $(;)?) => {
        $(impl Folded for $rust {
            fn add(self, other: Self) -> Self {
                $add(self, other)
            }
            fn multiply(self, other: Self) -> Self {
                $multiply(self, other)
            }
            fn greatest(self, other: Self) -> Self {
                if $nan(self) || !($nan(other) || other > self) { self } else { other }
            }
            fn least(self, other: Self) -> Self {
                if $nan(self) || !($nan(other) || other < self) { self } else { other }
            }
        })*
    };
}

macro_rules! folded_integers {
    ($($rust:ident),*) => { folded! { $($rust: $rust::wrapping_add, $rust::wrapping_mul, |_| false);* } };
}

folded_integers!(u8, i8, i16, i32, i64, u16, u32, u64);
folded! {
    f32: |a, b| a + b, |a, b| a * b, f32::is_nan;
    f64: |a, b| a + b, |a, b| a * b, f64::is_nan;
    f16: |a: f16, b: f16| f16::from_f32(a.to_f32() + b.to_f32()),
         |a: f16, b: f16| f16::from_f32(a.to_f32() * b.to_f32()), f16::is_nan;
    bf16: |a: bf16, b: bf16| bf16::from_f32(a.to_f32() + b.to_f32()),
          |a: bf16, b: bf16| bf16::from_f32(a.to_f32() * b.to_f32()), bf16::is_nan;
    Bool8: |a, b| (bool::from(a) || bool::from(b)).into(), |a, b| (bool::from(a) && bool::from(b)).into(), |_| false;
}

macro_rules! folded_complex {
    ($($part:ty),*) => {
        $(impl Folded for Complex<$part> {
            fn add(self, other: Self) -> Self {
                self + other
            }
            fn multiply(self, other: Self) -> Self {
                self * other
            }
            // Complex numbers have no order; nobody asks.
            fn greatest(self, _: Self) -> Self {
                self
            }
            fn least(self, _: Self) -> Self {
                self
            }
        })*
    };
}

folded_complex!(f32, f64);

/// Folds `source`, in row-major order at the positions `from`, times `alpha`, into `target` at the places `to`.
pub(super) fn fold_each(
    memory: &Memory,
    target: &Tensor,
    to: &[usize],
    source: &Tensor,
    from: &[usize],
    how: Fold,
    alpha: Scalar,
) -> Result<(), Fault> {
    dispatch!(all target.dtype(), "a reduction by index", T => {
        let metadata = source.metadata();
        let factor = alpha.cast::<T>();
        let plain = factor == Scalar::Int(1).cast::<T>();
        let taken: Vec<T> = {
            let _charge = memory.charge((from.len() as u64).saturating_mul(size_of::<T>() as u64))?;
            let content = metadata.storage.content();
            let elements = content.elements::<T>();
            from.iter().map(|&i| if plain { elements[i] } else { factor.multiply(elements[i]) }).collect()
        };
        target.storage().update(|content| {
            let all = content.elements_mut::<T>();
            to.iter().zip(taken).for_each(|(&place, element)| all[place] = all[place].fold(element, how));
        });
        Ok(())
    })
}

/// Writes one number to every place.
pub(super) fn fill_each(storage: &Storage, dtype: DType, to: &[usize], value: Scalar) -> Result<(), Fault> {
    dispatch!(all dtype, "a fill by index", T => {
        storage.update(|content| {
            let all = content.elements_mut::<T>();
            to.iter().for_each(|&place| all[place] = value.cast());
        });
        Ok(())
    })
}

/// Folds one number into every place.
pub(super) fn fold_number(target: &Tensor, to: &[usize], value: Scalar, how: Fold) -> Result<(), Fault> {
    dispatch!(all target.dtype(), "a reduction by index", T => {
        target.storage().update(|content| {
            let all = content.elements_mut::<T>();
            to.iter().for_each(|&place| all[place] = all[place].fold(value.cast(), how));
        });
        Ok(())
    })
}
