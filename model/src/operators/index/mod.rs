//! Picking, placing and joining elements: indexing, gathering, scattering, concatenation, padding.

mod advanced;
mod along;
mod diagonals;
pub(super) mod elements;
mod folding;
mod joining;
mod padding;
mod rearranging;
mod replacing;
mod scattering;
mod searching;
mod selecting;

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    advanced::KERNELS,
    along::KERNELS,
    diagonals::KERNELS,
    joining::KERNELS,
    padding::KERNELS,
    rearranging::KERNELS,
    replacing::KERNELS,
    scattering::KERNELS,
    searching::KERNELS,
    selecting::KERNELS,
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

#[cfg(test)]
mod tests {
    use super::super::fixture::{refuses, replay};

    #[test]
    fn advanced_indexing_is_pytorchs() {
        replay(include_str!("../fixtures/advanced_indexing.txt"));
    }

    #[test]
    fn indices_along_a_dimension_are_pytorchs() {
        replay(include_str!("../fixtures/along_a_dimension.txt"));
    }

    #[test]
    fn scattering_is_pytorchs() {
        replay(include_str!("../fixtures/scattering.txt"));
    }

    #[test]
    fn joining_is_pytorchs() {
        replay(include_str!("../fixtures/joining.txt"));
    }

    #[test]
    fn rearranging_is_pytorchs() {
        replay(include_str!("../fixtures/rearranging.txt"));
    }

    #[test]
    fn padding_is_pytorchs() {
        replay(include_str!("../fixtures/padding.txt"));
    }

    #[test]
    fn searching_is_pytorchs() {
        replay(include_str!("../fixtures/searching.txt"));
    }

    #[test]
    fn what_is_refused_is_pytorchs() {
        replay(include_str!("../fixtures/picking_refused.txt"));
    }

    #[test]
    fn what_cannot_fit_is_refused_at_once() {
        // A few bytes can show more elements than any memory holds.
        let huge = "i64[1099511627776,2/0,1]{1 2}";
        let check = |operator: &str, args: &str| {
            refuses(&format!("{operator} {huge} {args}{}-> None", if args.is_empty() { "" } else { " " }));
        };
        check("aten::reshape", "[-1]");
        check("aten::ravel", "");
        check("aten::flip", "[0]");
        check("aten::roll", "[1] [0]");
        check("aten::repeat", "[2, 2]");
        check("aten::repeat_interleave.self_int", "2 0 None");
        check("aten::unbind.int", "0");
        check("aten::chunk", "1099511627776 0");
        check("aten::split.Tensor", "1 0");
        check("aten::tensor_split.sections", "1099511627776 0");
        check("aten::pad", "[1, 1] \"constant\" None");
        check("aten::pad", "[1, 1] \"circular\" None");
        check("aten::constant_pad_nd", "[0, 0, 1, 1] 7");
        check("aten::index.Tensor", "[None, i64[1]{0}]");
        check("aten::index_put", "[None, i64[1]{0}] i64[]{1} False");
        check("aten::index_select", "1 i64[1]{0}");
        check("aten::nonzero", "");
        check("aten::take", "i64[1]{0}");
        check("aten::masked_select", "b8[]{1}");
        check("aten::tril", "0");
        check("aten::scatter.value", "0 i64[1,1]{0} 7");
        check("aten::diag_embed", "0 0 1");
        check("aten::_unique2", "True False False");
    }
}
