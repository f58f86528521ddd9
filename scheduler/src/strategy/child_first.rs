//! The default order, once: each forked body runs at its fork, as in eager mode.
//!
//! Guarantee: one execution, the same for ever, and the reference result. With task clocks watching it, an execution
//! without races certifies every other (Feng and Leiserson's theorem, SPAA 1997, for any fork/wait program).

use crate::choice::{Choice, Scheduler};
use crate::task::TaskId;

/// Runs the default order once.
#[derive(Debug, Clone, Default)]
pub struct ChildFirst {
    begun: bool,
}

impl ChildFirst {
    /// A campaign of one execution.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Scheduler for ChildFirst {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        choice.default()
    }
}
