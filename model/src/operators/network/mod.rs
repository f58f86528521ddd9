//! Layers of neural networks and their losses.

mod attention;
mod convolution;
mod depthwise;
mod embedding;
mod fractional;
mod loss;
mod normalize;
mod packing;
mod planes;
mod pool;
mod recurrent;
mod resize;
mod transformer;
mod unpool;
mod volume;
mod window;
mod winograd;

use super::corrections::When;
use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    &[
        ("aten::_convolution", convolution::convolution),
        ("aten::_convolution.deprecated", convolution::convolution),
        ("aten::_convolution_mode", convolution::convolution_mode),
        ("aten::col2im", convolution::col2im),
        ("aten::conv1d", convolution::conv),
        ("aten::conv1d.padding", convolution::conv),
        ("aten::conv2d", convolution::conv),
        ("aten::conv2d.padding", convolution::conv),
        ("aten::conv3d", convolution::conv),
        ("aten::conv3d.padding", convolution::conv),
        ("aten::conv_tbc", convolution::conv_tbc),
        ("aten::conv_transpose1d", convolution::conv_transpose),
        ("aten::conv_transpose2d.input", convolution::conv_transpose),
        ("aten::conv_transpose3d.input", convolution::conv_transpose),
        ("aten::convolution", convolution::convolution),
        ("aten::im2col", convolution::im2col),
    ],
    &[
        ("aten::adaptive_avg_pool1d", pool::adaptive_avg_pool),
        ("aten::adaptive_avg_pool2d", pool::adaptive_avg_pool),
        ("aten::adaptive_avg_pool3d", pool::adaptive_avg_pool),
        ("aten::adaptive_max_pool1d", pool::adaptive_max_pool),
        ("aten::adaptive_max_pool2d", pool::adaptive_max_pool),
        ("aten::adaptive_max_pool3d", pool::adaptive_max_pool),
        ("aten::avg_pool1d", pool::avg_pool),
        ("aten::avg_pool2d", pool::avg_pool),
        ("aten::avg_pool3d", pool::avg_pool),
        ("aten::max_pool1d", pool::max_pool),
        ("aten::max_pool1d_with_indices", pool::max_pool_with_indices),
        ("aten::max_pool2d", pool::max_pool),
        ("aten::max_pool2d_with_indices", pool::max_pool_with_indices),
        ("aten::max_pool3d", pool::max_pool),
        ("aten::max_pool3d_with_indices", pool::max_pool_with_indices),
        ("aten::fractional_max_pool2d", fractional::pool),
        ("aten::fractional_max_pool3d", fractional::pool),
        ("aten::max_unpool2d", unpool::max_unpool),
        ("aten::max_unpool3d", unpool::max_unpool),
    ],
    &[
        ("aten::_native_batch_norm_legit", normalize::native_batch_norm),
        ("aten::_native_batch_norm_legit.no_stats", normalize::native_batch_norm),
        ("aten::_native_batch_norm_legit_no_training", normalize::native_batch_norm),
        ("aten::batch_norm", normalize::batch_norm),
        ("aten::group_norm", normalize::group_norm),
        ("aten::instance_norm", normalize::instance_norm),
        ("aten::layer_norm", normalize::layer_norm),
        ("aten::native_batch_norm", normalize::native_batch_norm),
        ("aten::native_group_norm", normalize::native_group_norm),
        ("aten::native_layer_norm", normalize::native_layer_norm),
        ("aten::rms_norm", normalize::rms_norm),
    ],
    &[
        ("aten::_embedding_bag", embedding::embedding_bag),
        ("aten::_embedding_bag_forward_only", embedding::embedding_bag),
        ("aten::embedding", embedding::embedding),
        ("aten::embedding_bag", embedding::embedding_bag),
        ("aten::embedding_bag.padding_idx", embedding::embedding_bag),
        ("aten::embedding_renorm_", embedding::embedding_renorm_),
    ],
    &[
        ("aten::_upsample_bicubic2d_aa", resize::bicubic_antialiased),
        ("aten::_upsample_bicubic2d_aa.vec", resize::bicubic_antialiased),
        ("aten::_upsample_bilinear2d_aa", resize::linear_antialiased),
        ("aten::_upsample_bilinear2d_aa.vec", resize::linear_antialiased),
        ("aten::_upsample_nearest_exact1d", resize::nearest_exact),
        ("aten::_upsample_nearest_exact1d.vec", resize::nearest_exact),
        ("aten::_upsample_nearest_exact2d", resize::nearest_exact),
        ("aten::_upsample_nearest_exact2d.vec", resize::nearest_exact),
        ("aten::_upsample_nearest_exact3d", resize::nearest_exact),
        ("aten::_upsample_nearest_exact3d.vec", resize::nearest_exact),
        ("aten::affine_grid_generator", resize::affine_grid),
        ("aten::grid_sampler", resize::grid_sampler),
        ("aten::grid_sampler_2d", resize::grid_sampler),
        ("aten::grid_sampler_3d", volume::grid_sampler),
        ("aten::upsample_bicubic2d", resize::bicubic),
        ("aten::upsample_bicubic2d.vec", resize::bicubic),
        ("aten::upsample_bilinear2d", resize::linear),
        ("aten::upsample_bilinear2d.vec", resize::linear),
        ("aten::upsample_linear1d", resize::linear),
        ("aten::upsample_linear1d.vec", resize::linear),
        ("aten::upsample_nearest1d", resize::nearest),
        ("aten::upsample_nearest1d.vec", resize::nearest),
        ("aten::upsample_nearest2d", resize::nearest),
        ("aten::upsample_nearest2d.vec", resize::nearest),
        ("aten::upsample_nearest3d", resize::nearest),
        ("aten::upsample_nearest3d.vec", resize::nearest),
        ("aten::upsample_trilinear3d", resize::linear),
        ("aten::upsample_trilinear3d.vec", resize::linear),
    ],
    &[
        ("aten::_masked_softmax", transformer::masked_softmax),
        ("aten::_native_multi_head_attention", transformer::multi_head_attention),
        ("aten::_safe_softmax", transformer::safe_softmax),
        ("aten::_scaled_dot_product_attention_math", transformer::attention_math),
        ("aten::_scaled_dot_product_flash_attention_for_cpu", transformer::attention_flash),
        ("aten::_transform_bias_rescale_qkv", transformer::transform_bias_rescale),
        ("aten::_transformer_encoder_layer_fwd", transformer::encoder_layer),
    ],
    &[
        ("aten::_pack_padded_sequence", packing::pack_padded),
        ("aten::_pad_packed_sequence", packing::pad_packed),
        ("aten::gru.data", recurrent::of_packed),
        ("aten::gru.input", recurrent::of_input),
        ("aten::gru_cell", recurrent::cell),
        ("aten::lstm.data", recurrent::of_packed),
        ("aten::lstm.input", recurrent::of_input),
        ("aten::lstm_cell", recurrent::cell),
        ("aten::rnn_relu.data", recurrent::of_packed),
        ("aten::rnn_relu.input", recurrent::of_input),
        ("aten::rnn_relu_cell", recurrent::cell),
        ("aten::rnn_tanh.data", recurrent::of_packed),
        ("aten::rnn_tanh.input", recurrent::of_input),
        ("aten::rnn_tanh_cell", recurrent::cell),
        ("aten::scaled_dot_product_attention", attention::attention),
    ],
    &[
        ("aten::binary_cross_entropy", loss::binary_cross_entropy),
        ("aten::cross_entropy_loss", loss::cross_entropy),
        ("aten::huber_loss", loss::huber),
        ("aten::mse_loss", loss::mse),
        ("aten::nll_loss", loss::nll),
        ("aten::nll_loss2d", loss::nll2d),
        ("aten::nll_loss2d_forward", loss::nll2d_forward),
        ("aten::nll_loss_forward", loss::nll_forward),
        ("aten::nll_loss_nd", loss::nll_nd),
        ("aten::smooth_l1_loss", loss::smooth_l1),
    ],
];

/// Batch statistics are kept when training, though the schema does not say so.
const TRAINS: &[Correction] = &[Correction::Writes(&["running_mean", "running_var"], When::Argument("training"))];
/// Layers with dropout between them.
const RECURRENT: &[Correction] = &[Correction::Draws(When::Plain(recurrent::draws))];
const ATTENTION: &[Correction] = &[Correction::Draws(When::Plain(attention::draws))];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_batch_norm_impl_index", TRAINS),
    ("aten::_native_batch_norm_legit", TRAINS),
    ("aten::_scaled_dot_product_attention_math", ATTENTION),
    ("aten::_scaled_dot_product_flash_attention_for_cpu", ATTENTION),
    ("aten::batch_norm", TRAINS),
    ("aten::batch_norm_update_stats", &[Correction::Writes(&["running_mean", "running_var"], When::Always)]),
    ("aten::cudnn_batch_norm", TRAINS),
    ("aten::gru.data", RECURRENT),
    ("aten::gru.input", RECURRENT),
    ("aten::instance_norm", &[Correction::Writes(&["running_mean", "running_var"], When::Argument("use_input_stats"))]),
    ("aten::lstm.data", RECURRENT),
    ("aten::lstm.input", RECURRENT),
    ("aten::miopen_batch_norm", TRAINS),
    ("aten::native_batch_norm", TRAINS),
    ("aten::rnn_relu.data", RECURRENT),
    ("aten::rnn_relu.input", RECURRENT),
    ("aten::rnn_tanh.data", RECURRENT),
    ("aten::rnn_tanh.input", RECURRENT),
    ("aten::scaled_dot_product_attention", ATTENTION),
];

#[cfg(test)]
mod tests {
    #[test]
    fn layers_are_those_of_pytorch() {
        crate::operators::recorded::check(include_str!("recorded.txt"), 1e-5);
    }

    /// What PyTorch gave on made up arguments where we once gave something else (`tests/record/swept.py`): layers, losses,
    /// statistics, random numbers, ties.
    #[test]
    fn what_made_up_arguments_found_is_pytorchs() {
        crate::operators::fixture::replay(include_str!("../fixtures/layers_and_reductions.txt"));
    }

    /// The values were worked out by hand and by plain loops; none is recorded.
    #[test]
    fn packing_transformers_and_losses_are_as_worked_out() {
        crate::operators::fixture::replay(include_str!("worked_out.txt"));
    }
}
