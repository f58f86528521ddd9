//! Each task in turn, a step at a time, once: the fairest schedule, and the one with the most switches.
//!
//! Guarantee: one execution, and an enabled task steps before any other steps twice more. A step costs constant time.

use std::collections::VecDeque;

use crate::choice::{Choice, Scheduler};
use crate::task::TaskId;

/// Runs the tasks in turn, once.
#[derive(Debug, Clone, Default)]
pub struct RoundRobin {
    begun: bool,
    /// The enabled tasks, the next one first.
    turns: VecDeque<TaskId>,
}

impl RoundRobin {
    /// A campaign of one execution.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Scheduler for RoundRobin {
    fn begin(&mut self) -> bool {
        self.turns.clear();
        !std::mem::replace(&mut self.begun, true)
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        self.turns.extend(choice.woken());
        self.turns.extend(choice.last().filter(|&last| choice.enabled().contains(last)));
        self.turns.pop_front().expect("a choice is never empty")
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
        assert_eq!(order.iter().map(|task| task.number()).collect::<Vec<_>>(), [0, 1, 2, 0, 1]);
        let mut once = RoundRobin::new();
        assert!(once.begin() && !once.begin());
    }
}
