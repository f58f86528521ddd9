//! Quantized tensors: numbers as small integers, with a scale and a zero point.
//!
//! The arithmetic is PyTorch's reference path (that of fbgemm without vector instructions): sums of products are exact
//! integers, and what comes of them is rounded once.

mod conversion;
mod elements;
mod functions;
mod layers;
mod ordinary;
mod packed;
mod parts;
mod recurrent;
mod scalars;
#[cfg(test)]
mod tests;
mod views;

use super::corrections::{Row, count, joined};
use super::{Call, Fault, Kernel};
use crate::value::Value;
pub(super) use ordinary::{KERNELS as ORDINARY, NOT_HERE};
pub(super) use parts::suggested;
pub(super) use views::viewed;

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] =
    &[conversion::KERNELS, functions::KERNELS, layers::KERNELS, packed::KERNELS, recurrent::KERNELS, scalars::KERNELS];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[Row] = &joined::<{ count(TABLES) }>(TABLES);

const TABLES: &[&[Row]] = &[conversion::CORRECTIONS, functions::CORRECTIONS];

/// The kernels of an operator that has one for plain tensors and another for quantized ones.
#[derive(Debug, Clone, Copy)]
pub struct Kinds {
    /// For plain tensors.
    pub plain: Kernel,
    /// For calls with a quantized tensor among the arguments.
    pub quantized: Kernel,
}

/// Runs the kernel that suits the arguments.
pub(super) fn choose(call: &mut Call<'_>) -> Result<Value, Fault> {
    let kinds = call.operator.kinds.expect("it has two kernels");
    let kernel = if ordinary::is_asked(call.args) { kinds.quantized } else { kinds.plain };
    kernel(call)
}

/// Runs the kernel for plain tensors, which knows no quantized ones, and says in PyTorch's words that neither does PyTorch's.
pub(super) fn refuse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let kinds = call.operator.kinds.expect("it has two kernels");
    match (kinds.plain)(call) {
        Err(Fault::Unsupported(_)) if ordinary::is_asked(call.args) => (kinds.quantized)(call),
        result => result,
    }
}

/// What PyTorch says when an operator for one kind of tensor is given the other.
fn wrong_backend(call: &Call<'_>, backend: &str) -> Fault {
    for arg in call.args {
        if let Value::Tensor(tensor) = arg
            && tensor.dtype().is_quantized()
            && tensor.metadata().quantizer.is_none()
        {
            return Fault::no_kernel(call.operator.name, tensor.dtype());
        }
    }
    not_here(&call.name(), backend)
}

/// What PyTorch says when an operator has no kernel for the arguments.
pub(super) fn not_here(name: &str, backend: &str) -> Fault {
    Fault::raised(format!(
        "Could not run '{name}' with arguments from the '{backend}' backend. This could be because the operator doesn't exist \
         for this backend, or was omitted during the selective/custom build process (if using custom build)."
    ))
}
