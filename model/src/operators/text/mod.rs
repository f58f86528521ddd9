//! Strings, formatting and the text of values.

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];
