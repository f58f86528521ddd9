//! Operators that pick, place or rearrange elements.

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];
