//! Which dtypes an `out` may have that is not of the result's: PyTorch's operators differ, by how each of them was written.
//!
//! Most convert to whatever the result can be cast to. The names below are those of PyTorch 2.7 that, called with an `out`
//! of six dtypes each, did not.

use super::{Fault, Operator};
use crate::tensor::DType;
use crate::tensor::promote::check_can_cast;

/// Raises what PyTorch raises if an operator does not write a result of one dtype to an `out` of another.
pub(super) fn check_out_dtype(operator: &Operator, result: DType, out: DType) -> Result<(), Fault> {
    if result == out {
        return Ok(());
    }
    let full_name = operator.full_name();
    let name = full_name.strip_prefix("aten::").unwrap_or(&full_name);
    let among = |names: &[&str]| names.binary_search(&name).is_ok();
    if among(EXACT) {
        let text =
            format!("Expected out tensor to have dtype {}, but got {} instead", result.cpp_name(), out.cpp_name());
        return Err(Fault::raised(text));
    }
    if among(SAME) {
        let (out, result) = (out.scalar_type_name(), result.scalar_type_name());
        return Err(Fault::raised(format!("Found dtype {out} but expected {result}")));
    }
    check_can_cast(result, out)
}

/// Those that compute the result first, or say beforehand what it is.
#[rustfmt::skip]
const EXACT: &[&str] = &[
    "__lshift__.Scalar_out", "__lshift__.Tensor_out", "__rshift__.Scalar_out", "__rshift__.Tensor_out",
    "_adaptive_avg_pool2d.out", "_adaptive_avg_pool3d.out", "_add_relu.Scalar_out", "_addmm_activation.out",
    "_aminmax.dim_out", "_aminmax.out", "_conj_physical.out", "_log_softmax.out",
    "_native_batch_norm_legit_no_training.out", "_pdist_forward.out", "_reshape_alias_copy.out", "_softmax.out",
    "_transform_bias_rescale_qkv.out", "_transformer_encoder_layer_fwd.out", "_trilinear.out", "_unique.out",
    "_unique2.out", "_unsafe_view.out", "_upsample_bicubic2d_aa.out", "_upsample_bilinear2d_aa.out",
    "_upsample_nearest_exact1d.out", "_upsample_nearest_exact2d.out", "_weight_norm_interface.out",
    "adaptive_avg_pool1d.out", "adaptive_max_pool2d.out", "adaptive_max_pool3d.out", "add.Scalar_out", "addmm.out",
    "alias_copy.out", "aminmax.out", "argmax.out", "argmin.out", "argsort.stable_out", "as_strided_copy.out",
    "as_strided_scatter.out", "avg_pool1d.out", "avg_pool2d.out", "baddbmm.out", "bernoulli.Tensor_out",
    "bernoulli.float_out", "binary_cross_entropy_with_logits.out", "bincount.out", "binomial.out",
    "bitwise_and.Scalar_Tensor_out", "bitwise_left_shift.Scalar_Tensor_out", "bitwise_or.Scalar_Tensor_out",
    "bitwise_right_shift.Scalar_Tensor_out", "bitwise_xor.Scalar_Tensor_out", "block_diag.out", "bmm.out",
    "bucketize.Scalar_out", "cauchy.out", "celu.out", "channel_shuffle.out", "clone.out", "constant_pad_nd.out",
    "copy.out", "count_nonzero.dim_IntList_out", "count_nonzero.out", "cross.out", "dequantize.self_out",
    "detach_copy.out", "diag.out", "diag_embed.out", "diagonal_copy.out", "diagonal_scatter.out", "dist.out",
    "div.Scalar_mode_out", "div.Scalar_out", "embedding.out", "expand_copy.out", "exponential.out",
    "fake_quantize_per_channel_affine_cachemask.out", "fake_quantize_per_tensor_affine_cachemask.out",
    "fill.Scalar_out", "fill.Tensor_out", "flip.out", "floor_divide.Scalar_out", "fractional_max_pool2d.output",
    "frobenius_norm.out", "gather.out", "geometric.out", "grid_sampler_2d.out", "index_fill.int_Tensor_out",
    "index_put.out", "inverse.out", "isin.Scalar_Tensor_out", "isin.Tensor_Scalar_out", "isin.Tensor_Tensor_out",
    "isinf.out", "isnan.out", "lift_fresh_copy.out", "linalg_cholesky.out", "linalg_cholesky_ex.L", "linalg_cross.out",
    "linalg_det.out", "linalg_eigh.eigvals", "linalg_eigvalsh.out", "linalg_inv.out", "linalg_inv_ex.inverse",
    "linalg_lu.out", "linalg_lu_factor.out", "linalg_lu_factor_ex.out", "linalg_matmul.out", "linalg_matrix_exp.out",
    "linalg_qr.out", "linalg_slogdet.out", "linalg_solve.out", "linalg_solve_ex.out", "linalg_svd.U",
    "linalg_svdvals.out", "linalg_vector_norm.out", "linear.out", "log_normal.out", "log_softmax.int_out",
    "lu_unpack.out", "masked_fill.Scalar_out", "masked_fill.Tensor_out", "masked_scatter.out", "max.dim_max",
    "max_pool2d_with_indices.out", "median.out", "min.dim_min", "mm.out", "msort.out", "mul.Scalar_out", "mv.out",
    "nanmedian.out", "native_dropout.out", "native_group_norm.out", "native_layer_norm.out", "nll_loss.out",
    "nll_loss_forward.output", "norm.ScalarOpt_dtype_out", "norm.Scalar_out", "norm.dtype_out", "norm.out",
    "permute_copy.out", "pixel_shuffle.out", "pixel_unshuffle.out", "poisson.out", "prod.out", "put.out", "qr.Q",
    "random.from_out", "random.out", "random.to_out", "reflection_pad1d.out", "reflection_pad3d.out", "relu.out",
    "remainder.Scalar_Tensor_out", "renorm.out", "repeat.out", "replication_pad1d.out", "replication_pad2d.out",
    "replication_pad3d.out", "roll.out", "rot90.out", "rsub.Scalar_out", "rsub.Tensor_out", "scatter.src_out",
    "scatter.value_out", "scatter_add.out", "scatter_reduce.two_out", "select_copy.int_out", "select_scatter.out",
    "slice_copy.Tensor_out", "slice_scatter.out", "slogdet.out", "softmax.int_out", "sort.values", "sort.values_stable",
    "squeeze_copy.dim_out", "squeeze_copy.dims_out", "squeeze_copy.out", "std_mean.correction_out", "sub.Scalar_out",
    "sum.out", "svd.U", "t_copy.out", "take_along_dim.out", "topk.values", "trace.out", "transpose_copy.int_out",
    "triangular_solve.X", "tril.out", "triu.out", "unfold_copy.out", "uniform.out", "unique_consecutive.out",
    "unique_dim.out", "unique_dim_consecutive.out", "unsqueeze_copy.out", "upsample_bicubic2d.out",
    "upsample_bilinear2d.out", "upsample_bilinear2d.vec_out", "upsample_linear1d.out", "upsample_nearest1d.out",
    "upsample_nearest2d.out", "upsample_nearest2d.vec_out", "upsample_nearest3d.out", "upsample_trilinear3d.out",
    "var_mean.correction_out", "view_as_complex_copy.out", "view_as_real_copy.out", "view_copy.dtype_out",
    "view_copy.out", "zero.out",
];

/// Those whose loops read and write one dtype.
#[rustfmt::skip]
const SAME: &[&str] = &[
    "abs.out", "absolute.out", "binary_cross_entropy.out", "bitwise_not.out", "ceil.out", "clamp.out", "clamp_max.out",
    "clamp_min.out", "clip.out", "conj_physical.out", "elu.out", "fft_ihfft2.out", "fft_ihfftn.out", "fix.out",
    "floor.out", "frac.out", "gelu.out", "hardshrink.out", "hardsigmoid.out", "hardswish.out", "hardtanh.out",
    "leaky_relu.out", "lerp.Tensor_out", "mish.out", "neg.out", "negative.out", "round.decimals_out", "round.out",
    "sgn.out", "sign.out", "silu.out", "soft_margin_loss.out", "softplus.out", "softshrink.out", "special_round.out",
    "trunc.out",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::find;

    #[test]
    fn the_names_are_sorted_and_those_of_operators() {
        for names in [EXACT, SAME] {
            assert!(names.is_sorted());
            for name in names {
                assert!(find(&format!("aten::{name}")).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn an_out_of_another_dtype_is_refused_as_pytorch_does() {
        crate::operators::fixture::replay(concat!(
            "aten::abs.out f32[1]{-1.0} f64[0]{} -> ! Found dtype Double but expected Float\n",
            "aten::clone.out f32[1]{-1.0} None f64[0]{} -> ! Expected out tensor to have dtype float, but got double instead\n",
            "aten::isnan.out f32[1]{1.0} f32[0]{} -> ! Expected out tensor to have dtype bool, but got float instead\n",
            "aten::exp.out f32[1]{0.0} f64[0]{} -> f64[1]{1.0} & 1=f64[1]{1.0}\n",
            "aten::exp.out f32[1]{0.0} i64[0]{} -> ! result type Float can't be cast to the desired output type Long",
        ));
    }
}
