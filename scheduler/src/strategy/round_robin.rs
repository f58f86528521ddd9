//! Each task in turn, a step at a time, once: the fairest schedule, and the one with the most switches.
//!
//! Guarantee: one execution, and an enabled task steps before any other steps twice more.

use crate::choice::{Choice, Scheduler};
use crate::task::TaskId;

/// Runs the tasks in turn, once.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin {
    begun: bool,
}

impl RoundRobin {
    /// A campaign of one execution.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Scheduler for RoundRobin {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let enabled = choice.enabled();
        let next = choice.last().map_or(0, |last| enabled.partition_point(|&task| task <= last));
        enabled[next % enabled.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{Op::*, Program, drive};

    #[test]
    fn tasks_take_turns() {
        let program = Program::new(&[&[Fork(1), Fork(2), Read(0), Read(0)], &[Read(0), Read(0)], &[Read(0)]]);
        let order = drive(&program, &mut RoundRobin::new());
        assert_eq!(order.iter().map(|task| task.number()).collect::<Vec<_>>(), [0, 1, 0, 1, 2, 0, 0]);
        let mut once = RoundRobin::new();
        assert!(once.begin() && !once.begin());
    }
}
