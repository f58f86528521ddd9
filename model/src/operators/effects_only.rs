//! Operators that we never compute, whose schemas do not say what they touch: other machines' kernels, gradients, files.
//!
//! Every operator has its effects, with a kernel or without, so that a program can be judged that cannot be run.

use super::corrections::When;
use super::{Access, Correction, Kernel, Operator};
use crate::value::Value;
use Correction::{Draws, Prints, ProcessFlags, Unknown, Writes};

/// None has a kernel.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[];

/// Draws if `dropout_p` says that some elements are dropped.
const ATTENTION: &[Correction] = &[Draws(When::Plain(drops_some))];
/// Draws when it trains and drops something between its layers.
const RECURRENT: &[Correction] = &[Draws(When::Plain(drops_between_layers))];
const DRAWS: &[Correction] = &[Draws(When::Always)];
const STATISTICS: &[Correction] = &[Writes(&["running_mean", "running_var"], When::Argument("training"))];
/// What a call leaves behind is for others to find: which device is current, which stream.
const FLAGS: &[Correction] = &[ProcessFlags(Access::Write)];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_cudnn_attention_forward", ATTENTION),
    ("aten::_cudnn_init_dropout_state", DRAWS),
    ("aten::_cudnn_init_dropout_state.out", DRAWS),
    ("aten::_cudnn_rnn", RECURRENT),
    ("aten::_cudnn_rnn.out", RECURRENT),
    ("aten::_efficient_attention_forward", ATTENTION),
    ("aten::_fill_mem_eff_dropout_mask_", DRAWS),
    ("aten::_flash_attention_forward", ATTENTION),
    ("aten::_fused_dropout", DRAWS),
    ("aten::_fused_dropout.out", DRAWS),
    ("aten::_fused_sdp_choice", ATTENTION),
    ("aten::_lstm_mps", RECURRENT),
    ("aten::_lstm_mps.out", RECURRENT),
    ("aten::_nested_tensor_softmax_with_shape", DRAWS),
    ("aten::_sample_dirichlet", DRAWS),
    ("aten::_sample_dirichlet.out", DRAWS),
    ("aten::_scaled_dot_product_attention_math_for_mps", ATTENTION),
    ("aten::_scaled_dot_product_cudnn_attention", ATTENTION),
    ("aten::_scaled_dot_product_cudnn_attention_backward", ATTENTION),
    ("aten::_scaled_dot_product_efficient_attention", ATTENTION),
    ("aten::_scaled_dot_product_efficient_attention_backward", ATTENTION),
    ("aten::_scaled_dot_product_flash_attention", ATTENTION),
    ("aten::_scaled_dot_product_fused_attention_overrideable", ATTENTION),
    ("aten::_standard_gamma", DRAWS),
    ("aten::_standard_gamma.out", DRAWS),
    ("aten::_triton_scaled_dot_attention", ATTENTION),
    ("aten::_triton_scaled_dot_attention.out", ATTENTION),
    // The gradients of leaves are written, and nobody says which those are.
    ("aten::backward", &[Unknown]),
    ("aten::backward.TensorList", &[Unknown]),
    ("aten::batch_norm_update_stats.out", &[Writes(&["running_mean", "running_var"], When::Always)]),
    ("aten::cudnn_batch_norm.out", STATISTICS),
    ("aten::dist_backward", &[Unknown]),
    ("aten::miopen_batch_norm.out", STATISTICS),
    ("aten::miopen_rnn", RECURRENT),
    ("aten::miopen_rnn.out", RECURRENT),
    ("aten::native_batch_norm.out", STATISTICS),
    ("aten::rrelu_with_noise_functional", &[Draws(When::Argument("training"))]),
    // A file is seen by others, as what is printed is.
    ("aten::save", &[Prints]),
    ("cuda::_exchange_device", FLAGS),
    ("cuda::_maybe_exchange_device", FLAGS),
    ("cuda::_set_device", FLAGS),
    ("cuda::set_stream", FLAGS),
];

fn drops_some(operator: &Operator, args: &[Value]) -> bool {
    let i = operator.schema.argument("dropout_p").expect("attention may drop");
    !matches!(args[i], Value::Float(p) if p <= 0.0 || p >= 1.0)
}

fn drops_between_layers(operator: &Operator, args: &[Value]) -> bool {
    let value = |name: &str| &args[operator.schema.argument(name).expect("a recurrent network has it")];
    let several = !matches!(value("num_layers"), Value::Int(..2));
    let train = !matches!(value("train"), Value::Bool(false));
    several && train && !matches!(value("dropout"), Value::Float(p) if *p <= 0.0 || *p >= 1.0)
}

#[cfg(test)]
mod tests {
    use crate::operators::{Correction, find};

    /// PyTorch's operators with the tag `nondeterministic_seeded`, by full name.
    const SEEDED: &str = include_str!("seeded.txt");

    #[test]
    fn whatever_pytorch_tags_as_drawing_draws() {
        let draws = |name: &str| {
            let operator = find(name).unwrap_or_else(|| panic!("{name} is an operator"));
            operator.corrections.iter().any(|correction| matches!(correction, Correction::Draws(_)))
        };
        assert_eq!(SEEDED.lines().filter(|name| draws(name)).count(), 141);
        // These lack the tag, and draw.
        assert!(draws("aten::_no_grad_uniform_") && draws("aten::_no_grad_normal_"));
        assert!(!draws("aten::relu"));
    }
}
