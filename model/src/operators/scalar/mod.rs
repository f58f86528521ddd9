//! Numbers, truth values and the functions on them.

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];
