//! Operators that are a few calls of others: statistics, sets, weights, quantiles, resizing as it was once called, losses of
//! sequences, and other names of what there is.
//!
//! What they read and write is what their schemas say, whatever the calls inside do.

mod convolutions;
mod copies;
mod criteria;
mod gradient;
mod grid;
mod interpolate;
mod losses;
mod names;
mod quantiles;
mod sets;
mod statistics;
mod unique;
mod weights;
mod windows;

use super::compose::of;
use super::corrections::{Row, count, joined};
use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    convolutions::ROWS,
    copies::ROWS,
    criteria::ROWS,
    gradient::ROWS,
    grid::ROWS,
    interpolate::ROWS,
    losses::ROWS,
    names::ROWS,
    quantiles::ROWS,
    sets::ROWS,
    statistics::ROWS,
    unique::ROWS,
    weights::ROWS,
    windows::ROWS,
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &joined::<{ count(TABLES) }>(TABLES);

const TABLES: &[&[Row]] = &[copies::CORRECTIONS, names::CORRECTIONS, sets::CORRECTIONS];

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    /// The values were worked out by hand and by plain loops; none is recorded.
    #[test]
    fn compositions_are_as_worked_out() {
        replay(include_str!("worked_out.txt"));
    }
}
