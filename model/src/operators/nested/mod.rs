//! Nested tensors: what makes them, what knows of them, and what keeps them from all else.
//!
//! A kernel takes the layout of a tensor for all that there is to know, which it is not of a nested one. So a call with a
//! nested tensor goes to the kernel of the same name in [`NESTED`], and is refused if there is none. Every call comes by
//! [`Call::compute`]. PyTorch's encoder of transformers nests what a padding mask keeps: the rows of all sequences are
//! multiplied at once, and attention is that of each sequence alone.

mod layers;
mod making;
mod parts;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::compose::of;
use super::effects::holds_tensors;
use super::quantized::not_here;
use super::shape::views::over;
use super::{Call, Correction, Fault, Kernel, Operator};
use crate::tensor::{Layout, Nested, Tensor};
use crate::value::Value;

/// Full names and kernels, for calls without a nested tensor.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[&[
    ("aten::_nested_from_padded", making::from_padded),
    ("aten::_nested_tensor_from_mask", making::from_mask),
    ("aten::_nested_tensor_from_mask_left_aligned", making::is_left_aligned),
    ("aten::_nested_tensor_from_tensor_list", making::from_list),
    ("aten::_nested_tensor_size", |_| Err(not_here("aten::_nested_tensor_size", "CPU"))),
    ("aten::nested_to_padded_tensor", |call| call.run("aten::to_padded_tensor", call.args)),
    ("aten::to_padded_tensor", |_| Err(not_here("aten::to_padded_tensor", "CPU"))),
]];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[("aten::_nested_tensor_size", &[Correction::ShapeOnly])];

/// The kernels for calls with a nested tensor.
const NESTED: &[(&str, Kernel)] = &[
    ("aten::_native_multi_head_attention", layers::attention),
    ("aten::_nested_tensor_size", parts::sizes_of_entries),
    ("aten::_nested_tensor_size.out", ordinary),
    ("aten::_transformer_encoder_layer_fwd", ordinary),
    ("aten::abs", layers::elementwise),
    ("aten::abs_", layers::elementwise),
    ("aten::add.Tensor", layers::elementwise),
    ("aten::add_.Tensor", layers::elementwise),
    ("aten::clone", layers::elementwise),
    ("aten::contiguous", ordinary),
    ("aten::cos", layers::elementwise),
    ("aten::detach", layers::elementwise),
    ("aten::dim", |call| Ok(Value::Int(nested(call, 0)?.rank() as i64))),
    ("aten::div.Tensor", layers::elementwise),
    ("aten::dropout", layers::elementwise),
    ("aten::element_size", ordinary),
    ("aten::fill_.Scalar", layers::elementwise),
    ("aten::gelu", layers::elementwise),
    ("aten::gelu_", layers::elementwise),
    ("aten::get_device", ordinary),
    ("aten::is_complex", ordinary),
    ("aten::is_contiguous", ordinary),
    ("aten::is_floating_point", ordinary),
    ("aten::is_inference", ordinary),
    ("aten::is_leaf", ordinary),
    ("aten::is_signed", ordinary),
    ("aten::layer_norm", layers::layer_norm),
    ("aten::len.Tensor", |_| Err(Fault::raised(NO_SIZES))),
    ("aten::linear", layers::linear),
    ("aten::logical_not", layers::elementwise),
    ("aten::logical_not_", layers::elementwise),
    ("aten::mul.Scalar", layers::elementwise),
    ("aten::mul.Tensor", layers::elementwise),
    ("aten::mul_.Scalar", layers::elementwise),
    ("aten::mul_.Tensor", layers::elementwise),
    ("aten::neg", layers::elementwise),
    ("aten::neg_", layers::elementwise),
    ("aten::nested_to_padded_tensor", ordinary),
    ("aten::numel", ordinary),
    ("aten::relu", layers::elementwise),
    ("aten::relu_", layers::elementwise),
    ("aten::select.int", parts::select),
    ("aten::silu", layers::elementwise),
    ("aten::silu_", layers::elementwise),
    ("aten::sin", layers::elementwise),
    ("aten::size", |_| Err(Fault::raised(NO_SIZES))),
    ("aten::size.int", parts::size),
    ("aten::sub.Tensor", layers::elementwise),
    ("aten::tanh", layers::elementwise),
    ("aten::tanh_", layers::elementwise),
    ("aten::to_padded_tensor", making::to_padded),
    ("aten::to_padded_tensor.out", ordinary),
    ("aten::unbind.int", parts::unbind),
    ("aten::zero_", layers::elementwise),
    ("prim::device", ordinary),
    ("prim::dtype", ordinary),
    ("prim::is_cpu", ordinary),
    ("prim::is_cuda", ordinary),
    ("prim::is_meta", ordinary),
    ("prim::is_mkldnn", ordinary),
    ("prim::is_mps", ordinary),
    ("prim::is_nested", |_| Ok(Value::Bool(true))),
    ("prim::is_quantized", ordinary),
    ("prim::is_sparse", ordinary),
    ("prim::is_xla", ordinary),
    ("prim::itemsize", ordinary),
    ("prim::layout", ordinary),
    ("prim::name", ordinary),
    ("prim::requires_grad", ordinary),
];

/// Operators that PyTorch has for other tensors and not for nested ones, as far as is known: neither a kernel, nor a way to
/// compose them of others. Of what is on neither list nobody has said what it does.
const NOT_HERE: &[&str] = &[
    "aten::argmax",
    "aten::cumsum",
    "aten::exp",
    "aten::gather",
    "aten::index_select",
    "aten::log",
    "aten::maximum",
    "aten::mean.dim",
    "aten::minimum",
    "aten::permute",
    "aten::pow.Tensor_Scalar",
    "aten::slice.Tensor",
    "aten::sort",
];

/// What PyTorch says when it is asked for the sizes of a nested tensor as if they were numbers.
pub const NO_SIZES: &str = "Internal error: NestedTensorImpl doesn't support sizes. Please file an issue.";

impl Call<'_> {
    /// Runs `kernel`, that of the operator, or its place-holder if there is a nested tensor among the arguments.
    #[inline]
    pub fn compute(&mut self, kernel: Kernel) -> Result<Value, Fault> {
        if Nested::is_met() && takes_nested(self.operator, self.args) {
            return of_nested(self);
        }
        kernel(self)
    }

    /// Runs the operator's kernel for other tensors on such tensors.
    fn run_plain(&mut self, args: &[Value]) -> Result<Value, Fault> {
        if takes_nested(self.operator, args) {
            return Err(refuse(self));
        }
        self.run_kernel(kernel(self.operator), args)
    }
}

/// Whether an argument that the operator takes for a tensor, or for several, is nested.
fn takes_nested(operator: &Operator, args: &[Value]) -> bool {
    let is_nested = |value: &Value| matches!(value, Value::Tensor(tensor) if tensor.nested().is_some());
    operator.schema.arguments.iter().zip(args).any(|(argument, value)| match value {
        Value::Tensor(_) => holds_tensors(&argument.ty) && is_nested(value),
        Value::List(list) => holds_tensors(&argument.ty) && list.content().items.iter().any(is_nested),
        _ => false,
    })
}

/// Whether an operator gives a nested tensor when it is given none. No `out` can be one.
pub(super) fn makes_nested(operator: &Operator) -> bool {
    let makers =
        ["aten::_nested_from_padded", "aten::_nested_tensor_from_mask", "aten::_nested_tensor_from_tensor_list"];
    makers.contains(&operator.name)
}

fn of_nested(call: &mut Call<'_>) -> Result<Value, Fault> {
    let name = call.name();
    if let Some((_, kernel)) = NESTED.iter().find(|row| row.0 == name) {
        return kernel(call);
    }
    if NOT_HERE.contains(&&*name) {
        return Err(not_here(&name, "NestedTensorCPU"));
    }
    Err(refuse(call))
}

fn refuse(call: &Call<'_>) -> Fault {
    Fault::unsupported(format!("{} of nested tensors", call.name()))
}

/// Runs the kernel for other tensors: it composes operators, or looks at nothing that is different here.
fn ordinary(call: &mut Call<'_>) -> Result<Value, Fault> {
    kernel(call.operator)(call)
}

fn kernel(operator: &Operator) -> Kernel {
    operator.kernel.expect("what has none is not called")
}

/// The sizes of a nested argument.
fn nested(call: &Call<'_>, i: usize) -> Result<Arc<Nested>, Fault> {
    call.tensor(i)?.nested().ok_or_else(|| refuse(call))
}

/// The elements of all entries, with these sizes; the same memory.
fn memory(call: &mut Call<'_>, tensor: &Tensor, sizes: &[i64]) -> Tensor {
    over(call, tensor, Layout::contiguous(sizes))
}
