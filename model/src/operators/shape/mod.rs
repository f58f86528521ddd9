//! Views, and operators that look at or change metadata only.

mod in_place;
#[cfg(test)]
mod laws;
pub(super) mod layouts;
pub(super) mod lists;
mod readers;
mod reinterpret;
pub(super) mod reshaping;
pub(super) mod views;

use super::corrections::{Row, count, joined};
use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    views::VIEWS,
    views::RESHAPES,
    views::IN_PLACE,
    reinterpret::KERNELS,
    lists::KERNELS,
    in_place::KERNELS,
    readers::KERNELS,
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &joined::<{ count(TABLES) }>(TABLES);

const TABLES: &[&[Row]] = &[views::CORRECTIONS, lists::CORRECTIONS, in_place::CORRECTIONS, readers::CORRECTIONS];

#[cfg(test)]
mod tests {
    use super::super::fixture::replay;

    #[test]
    fn views_are_pytorchs() {
        replay(include_str!("../fixtures/views.txt"));
    }

    #[test]
    fn lists_of_views_are_pytorchs() {
        replay(include_str!("../fixtures/view_lists.txt"));
    }

    #[test]
    fn changes_of_metadata_are_pytorchs() {
        replay(include_str!("../fixtures/metadata.txt"));
    }

    #[test]
    fn what_is_told_is_pytorchs() {
        replay(include_str!("../fixtures/readers.txt"));
    }

    #[test]
    fn what_only_torchscript_tells() {
        replay(
            "prim::dtype f32[2]{1.0 2.0} -> 6\n\
             prim::device f32[2]{1.0 2.0} -> @cpu\n\
             prim::layout i64[]{1} -> 0\n\
             prim::nbytes i16[2,3/6,1]{0 1 2 3 4 5 6 7 8} -> 12\n\
             prim::itemsize i16[]{1} -> 2\n\
             prim::is_cuda b8[]{1} -> False\n\
             prim::requires_grad f32[]{1.0} -> False\n\
             prim::name f32[]{1.0} -> None\n\
             prim::data f32[2,2/1,2]{0.0 1.0 2.0 3.0} -> f32[2,2/1,2]{0.0 2.0 1.0 3.0}",
        );
    }
}
