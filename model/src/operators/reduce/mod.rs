//! Operators that make few numbers of many: sums, extremes, norms, sorting, softmax.

mod extremes;
mod histogram;
pub(super) mod moments;
pub(super) mod number;
mod order;
mod rows;
mod scan;
mod selection;
pub(super) mod softmax;
mod sums;

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    &[
        ("aten::all", sums::all),
        ("aten::all.dim", sums::all),
        ("aten::all.dims", sums::all),
        ("aten::all.out", sums::all),
        ("aten::any", sums::any),
        ("aten::any.dim", sums::any),
        ("aten::any.dims", sums::any),
        ("aten::any.out", sums::any),
        ("aten::bincount", sums::bincount),
        ("aten::count_nonzero", sums::count_nonzero),
        ("aten::count_nonzero.dim_IntList", sums::count_nonzero),
        ("aten::histc", sums::histc),
        ("aten::histogram.bin_ct", histogram::of_count),
        ("aten::histogram.bins_tensor", histogram::of_edges),
        ("aten::histogramdd", histogram::of_rows),
        ("aten::histogramdd.TensorList_bins", histogram::of_rows),
        ("aten::histogramdd.int_bins", histogram::of_rows),
        ("aten::mean", sums::mean),
        ("aten::mean.dim", sums::mean),
        ("aten::mean.out", sums::mean),
        ("aten::nanmean", sums::nanmean),
        ("aten::nansum", sums::nansum),
        ("aten::prod", sums::prod),
        ("aten::prod.dim_int", sums::prod),
        ("aten::prod.int_out", sums::prod),
        ("aten::sum", sums::sum_kernel),
        ("aten::sum.IntList_out", sums::sum_kernel),
        ("aten::sum.dim_IntList", sums::sum_kernel),
        ("aten::trace", sums::trace),
    ],
    &[
        ("aten::dist", moments::dist),
        ("aten::frobenius_norm.dim", moments::frobenius_norm),
        ("aten::linalg_norm", moments::linalg_norm),
        ("aten::linalg_norm.ord_str", moments::linalg_norm),
        ("aten::linalg_vector_norm", moments::vector_norm),
        ("aten::norm.Scalar", moments::norm),
        ("aten::norm.ScalarOpt_dim", moments::norm),
        ("aten::norm.ScalarOpt_dim_dtype", moments::norm),
        ("aten::norm.ScalarOpt_dtype", moments::norm),
        ("aten::norm.out", moments::norm),
        ("aten::renorm", moments::renorm),
        ("aten::std", moments::std),
        ("aten::std.correction", moments::std),
        ("aten::std.dim", moments::std),
        ("aten::std_mean", moments::std_mean),
        ("aten::std_mean.correction", moments::std_mean),
        ("aten::std_mean.dim", moments::std_mean),
        ("aten::var", moments::var),
        ("aten::var.correction", moments::var),
        ("aten::var.dim", moments::var),
        ("aten::var_mean", moments::var_mean),
        ("aten::var_mean.correction", moments::var_mean),
        ("aten::var_mean.dim", moments::var_mean),
    ],
    &[
        ("aten::amax", extremes::amax),
        ("aten::amax.out", extremes::amax),
        ("aten::amin", extremes::amin),
        ("aten::amin.out", extremes::amin),
        ("aten::aminmax", extremes::aminmax),
        ("aten::argmax", extremes::argmax),
        ("aten::argmin", extremes::argmin),
        ("aten::kthvalue", extremes::kthvalue),
        ("aten::max", extremes::max),
        ("aten::max.dim", extremes::max_dim),
        ("aten::median", extremes::median),
        ("aten::median.dim", extremes::median_dim),
        ("aten::min", extremes::min),
        ("aten::min.dim", extremes::min_dim),
        ("aten::mode", extremes::mode),
        ("aten::nanmedian", extremes::nanmedian),
        ("aten::nanmedian.dim", extremes::nanmedian_dim),
    ],
    &[
        ("aten::argsort", order::argsort),
        ("aten::argsort.stable", order::argsort),
        ("aten::msort", order::msort),
        ("aten::sort", order::sort),
        ("aten::sort.stable", order::sort),
        ("aten::topk", order::topk),
    ],
    &[
        ("aten::cummax", scan::cummax),
        ("aten::cummin", scan::cummin),
        ("aten::cumprod", scan::cumprod),
        ("aten::cumprod.out", scan::cumprod),
        ("aten::cumprod_", scan::cumprod),
        ("aten::cumsum", scan::cumsum),
        ("aten::cumsum.out", scan::cumsum),
        ("aten::cumsum_", scan::cumsum),
        ("aten::logcumsumexp", scan::logcumsumexp),
    ],
    &[
        ("aten::_log_softmax", softmax::log_softmax_inner),
        ("aten::_softmax", softmax::softmax_inner),
        ("aten::log_softmax.int", softmax::log_softmax),
        ("aten::logsumexp", softmax::logsumexp),
        ("aten::softmax.int", softmax::softmax),
        ("aten::special_logsumexp", softmax::logsumexp),
        ("aten::special_softmax", softmax::softmax),
    ],
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_those_of_pytorch() {
        crate::operators::recorded::check(include_str!("recorded.txt"), 1e-5);
    }

    /// The values were counted by hand; none is recorded.
    #[test]
    fn histograms_are_as_worked_out() {
        crate::operators::fixture::replay(include_str!("worked_out.txt"));
    }
}
