//! Operators that make tensors: from nothing, from numbers, as copies of other tensors; and numbers from tensors.

mod conversions;
pub(super) mod copies;
mod factories;
mod fills;
pub(in crate::operators) mod formats;
mod numbers;
mod ranges;

use super::corrections::{Row, count, joined};
use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] =
    &[conversions::ROWS, copies::ROWS, factories::ROWS, fills::ROWS, numbers::ROWS, ranges::ROWS];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &joined::<{ count(TABLES) }>(TABLES);

const TABLES: &[&[Row]] = &[conversions::CORRECTIONS, factories::CORRECTIONS, fills::CORRECTIONS, numbers::CORRECTIONS];

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn creation_is_pytorchs() {
        replay(include_str!("../fixtures/creation.txt"));
    }

    #[test]
    fn conversion_is_pytorchs() {
        replay(include_str!("../fixtures/conversion.txt"));
    }
}
