//! Products of matrices and vectors, factors and eigenvalues of matrices, distances between vectors.

mod complex;
mod distance;
mod eigen;
mod einsum;
mod factor;
mod field;
mod ldl;
mod least_squares;
pub(super) mod matmul;
mod norms;
pub(super) mod product;
mod spectrum;
mod stored;
mod tensors;

use super::corrections::When;
use super::{Correction, Kernel, out};
use field::by_field;

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    &[
        ("aten::addbmm", matmul::addbmm),
        ("aten::addbmm.out", matmul::addbmm),
        ("aten::addbmm_", matmul::addbmm),
        ("aten::addmm", matmul::addmm),
        ("aten::addmm.out", matmul::addmm),
        ("aten::addmm_", matmul::addmm),
        ("aten::addmv", matmul::addmv),
        ("aten::addmv.out", matmul::addmv),
        ("aten::addmv_", matmul::addmv),
        ("aten::addr", matmul::addr),
        ("aten::addr.out", matmul::addr),
        ("aten::addr_", matmul::addr),
        ("aten::baddbmm", matmul::baddbmm),
        ("aten::baddbmm.out", matmul::baddbmm),
        ("aten::baddbmm_", matmul::baddbmm),
        ("aten::bmm", matmul::bmm),
        ("aten::bmm.out", matmul::bmm),
        ("aten::chain_matmul", matmul::chain),
        ("aten::chain_matmul.out", out::cast),
        ("aten::dot", matmul::dot),
        ("aten::dot.out", matmul::dot),
        ("aten::ger", matmul::outer),
        ("aten::ger.out", matmul::outer),
        ("aten::inner", matmul::inner),
        ("aten::inner.out", matmul::inner),
        ("aten::linalg_matmul", matmul::matmul),
        ("aten::linalg_matmul.out", matmul::matmul),
        ("aten::linalg_multi_dot", matmul::multi_dot),
        ("aten::linear", matmul::linear),
        ("aten::linear.out", matmul::linear),
        ("aten::matmul", matmul::matmul),
        ("aten::matmul.out", matmul::matmul),
        ("aten::mm", matmul::mm),
        ("aten::mm.out", matmul::mm),
        ("aten::mv", matmul::mv),
        ("aten::mv.out", matmul::mv),
        ("aten::outer", matmul::outer),
        ("aten::outer.out", matmul::outer),
        ("aten::vdot", matmul::vdot),
        ("aten::vdot.out", matmul::vdot),
    ],
    &[
        ("aten::_trilinear", einsum::trilinear),
        ("aten::bilinear", einsum::bilinear),
        ("aten::einsum", einsum::einsum),
        ("aten::kron", einsum::kron),
        ("aten::kron.out", einsum::kron),
        ("aten::tensordot", einsum::tensordot),
        ("aten::tensordot.out", einsum::tensordot),
    ],
    &[
        ("aten::_pdist_forward", distance::pdist),
        ("aten::cdist", distance::cdist),
        ("aten::cosine_similarity", distance::cosine_similarity),
        ("aten::cross", distance::cross),
        ("aten::cross.out", distance::cross),
        ("aten::linalg_cross", distance::cross),
        ("aten::linalg_cross.out", distance::cross),
        ("aten::linalg_vecdot", distance::vecdot),
        ("aten::linalg_vecdot.out", distance::vecdot),
        ("aten::pairwise_distance", distance::pairwise_distance),
        ("aten::pdist", distance::pdist),
    ],
    eigen::ROWS,
    ldl::ROWS,
    least_squares::ROWS,
    norms::ROWS,
    stored::ROWS,
    tensors::ROWS,
    &[
        ("aten::cholesky.out", out::cast),
        ("aten::cholesky_solve.out", out::cast),
        ("aten::cholesky", by_field!(factor::older_cholesky)),
        ("aten::cholesky_inverse", by_field!(factor::cholesky_inverse)),
        ("aten::cholesky_solve", by_field!(factor::cholesky_solve)),
        ("aten::det", by_field!(factor::determinant)),
        ("aten::inverse", by_field!(factor::inverse)),
        ("aten::linalg_cholesky", by_field!(factor::cholesky)),
        ("aten::linalg_cholesky_ex", by_field!(factor::cholesky_ex)),
        ("aten::linalg_det", by_field!(factor::determinant)),
        ("aten::linalg_eigh", by_field!(spectrum::symmetric_eigen)),
        ("aten::linalg_eigvalsh", by_field!(spectrum::symmetric_eigenvalues)),
        ("aten::linalg_inv", by_field!(factor::inverse)),
        ("aten::linalg_inv_ex", by_field!(factor::inverse_ex)),
        ("aten::linalg_lu", by_field!(factor::lu_parts)),
        ("aten::linalg_lu_factor", by_field!(factor::lu_factor)),
        ("aten::linalg_lu_factor.out", factor::lu_factor_out),
        ("aten::linalg_lu_factor_ex", by_field!(factor::lu_factor_ex)),
        ("aten::linalg_matrix_exp", by_field!(spectrum::exponential)),
        ("aten::linalg_matrix_power", spectrum::power),
        ("aten::linalg_matrix_rank", by_field!(spectrum::rank)),
        ("aten::linalg_matrix_rank.atol_rtol_float", by_field!(spectrum::rank)),
        ("aten::linalg_matrix_rank.atol_rtol_tensor", by_field!(spectrum::rank)),
        ("aten::linalg_matrix_rank.tol_tensor", by_field!(spectrum::rank)),
        ("aten::linalg_pinv", by_field!(spectrum::pseudoinverse)),
        ("aten::linalg_pinv.atol_rtol_float", by_field!(spectrum::pseudoinverse)),
        ("aten::linalg_pinv.atol_rtol_tensor", by_field!(spectrum::pseudoinverse)),
        ("aten::linalg_pinv.rcond_tensor", by_field!(spectrum::pseudoinverse)),
        ("aten::linalg_qr", by_field!(factor::qr)),
        ("aten::linalg_slogdet", by_field!(factor::sign_and_log_determinant)),
        ("aten::linalg_solve", by_field!(factor::solve)),
        ("aten::linalg_solve_ex", by_field!(factor::solve_ex)),
        ("aten::linalg_solve_triangular", by_field!(factor::solve_triangular)),
        ("aten::linalg_svd", by_field!(spectrum::svd)),
        ("aten::linalg_svdvals", by_field!(spectrum::singular_values)),
        ("aten::logdet", by_field!(factor::log_determinant)),
        ("aten::matrix_exp", by_field!(spectrum::exponential)),
        ("aten::matrix_power", spectrum::power),
        ("aten::nuclear_norm", by_field!(spectrum::nuclear_norm)),
        ("aten::pinverse", by_field!(spectrum::pseudoinverse)),
        ("aten::qr", by_field!(factor::older_qr)),
        ("aten::slogdet", by_field!(factor::sign_and_log_determinant)),
        ("aten::svd", by_field!(spectrum::older_svd)),
        ("aten::triangular_solve", by_field!(factor::triangular_solve)),
    ],
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] =
    &[("aten::einsum", &[Correction::AliasesWhen(When::Arguments(einsum::is_view))])];

#[cfg(test)]
mod tests {
    #[test]
    fn complex_integral_and_empty_matrices_are_pytorchs() {
        crate::operators::fixture::replay(include_str!("../fixtures/linear_algebra.txt"));
    }

    #[test]
    fn products_are_those_of_pytorch() {
        crate::operators::recorded::check(include_str!("recorded.txt"), 1e-5);
    }

    #[test]
    fn factors_of_complex_matrices_are_those_of_pytorch() {
        crate::operators::fixture::replay(include_str!("complex_factors.txt"));
    }

    /// The values were worked out with exact fractions; none is recorded.
    #[test]
    fn factors_are_as_worked_out() {
        crate::operators::fixture::replay(include_str!("worked_out.txt"));
    }
}
