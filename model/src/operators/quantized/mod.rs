//! Quantized tensors: numbers as small integers, with a scale and a zero point.
//!
//! The arithmetic is PyTorch's reference path (that of fbgemm without vector instructions): sums of products are exact
//! integers, and what comes of them is rounded once.

mod packed;

use super::{Call, Correction, Fault, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[packed::KERNELS];

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

/// What PyTorch says when an operator for one kind of tensor is given the other.
fn wrong_backend(call: &Call<'_>, backend: &str) -> Fault {
    Fault::raised(format!(
        "Could not run '{}' with arguments from the '{backend}' backend. This could be because the operator doesn't exist \
         for this backend, or was omitted during the selective/custom build process (if using custom build).",
        call.name()
    ))
}
