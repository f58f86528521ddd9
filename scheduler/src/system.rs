//! What a search needs of a program: to step it, and to return to an earlier state.
//!
//! Searches such as [`dfs`](crate::strategy::dfs::dfs) are functions over a [`System`]. An interpreter that keeps old
//! contents rewinds; a program with a native stack rewinds by running again from the start.

use std::ops::ControlFlow;

use crate::choice::{Choice, Ending, Moment, Scheduler};
use crate::happens_before::Clock;
use crate::task::TaskId;

/// A program in the middle of an execution.
///
/// Three promises, on which every search relies:
/// - *Deterministic*: the same steps from the same state lead to the same state.
/// - *Monotone*: a task that is enabled stays so until it steps. There are no locks.
/// - *Honest*: two steps whose footprints do not conflict lead to the same state in either order, and neither changes
///   the footprint of the other. The footprint of a pending step includes what decides its extent.
pub trait System: Moment {
    /// A state to return to.
    type Mark;

    /// Lets an enabled task take one step, and then every task those that touch nothing.
    ///
    /// When a limit refuses it, the state is of no use until it is rewound.
    fn step(&mut self, task: TaskId) -> Result<(), Refused>;

    /// Remembers the current state. A search asks only where it will come back, and drops the mark when it will not.
    fn mark(&mut self) -> Self::Mark;

    /// Returns to a state of this execution, at or before the current one.
    fn rewind(&mut self, mark: &Self::Mark);

    /// What happens before the next step of an enabled task by program order, fork and wait.
    ///
    /// Footprints tell which steps conflict; this tells which of them no schedule can reverse.
    fn clock(&self, task: TaskId) -> &Clock;

    /// Whether others could still change what the pending step of `task` will touch, as when an operator takes all tensors
    /// of a list that is raced for. A question of what the task is about to do, whoever went before.
    ///
    /// Where it says no, the footprint stays the same until the step is taken. [`dpor`](crate::strategy::dpor) foresees
    /// the footprints of steps it has not reversed yet, and stops doing so when it meets a step that varies.
    fn varies(&self, task: TaskId) -> bool {
        let _ = task;
        false
    }

    /// Whether a way back leads to where it led from, whatever runs. Where code that nobody knows is run again from the start,
    /// it may not be deterministic; it should see that, and enable nobody.
    fn repeats(&self) -> bool {
        true
    }

    /// A hash of the whole state, the same for equal states however they were reached; `None` if there is no such
    /// thing, as for native stacks.
    fn digest(&self) -> Option<u128> {
        None
    }
}

/// Runs an execution from where `system` stands to its end, as `scheduler` says; the caller has begun it and will end it.
///
/// # Panics
/// If the scheduler picks a task that is not enabled.
pub fn run<S: System, C: Scheduler + ?Sized>(system: &mut S, scheduler: &mut C) -> Ending {
    loop {
        let Some(choice) = Choice::new(system) else { return Ending::Complete };
        let task = scheduler.pick(&choice);
        assert!(choice.enabled().contains(task), "a strategy picks a task that is enabled, not {task}");
        if system.step(task).is_err() {
            return Ending::Cut;
        }
    }
}

/// A limit on steps, tasks or memory refused a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// Is told of the end of each execution, and may stop the search.
///
/// The system is in its last state and will be rewound next. Every `FnMut(&mut S, Ending) -> ControlFlow<()>` is one.
pub trait Visitor<S> {
    /// An execution came to its end; `Break` when the budget is used up or enough is known.
    fn leaf(&mut self, system: &mut S, ending: Ending) -> ControlFlow<()>;
}

impl<S, F: FnMut(&mut S, Ending) -> ControlFlow<()>> Visitor<S> for F {
    fn leaf(&mut self, system: &mut S, ending: Ending) -> ControlFlow<()> {
        self(system, ending)
    }
}

/// What a search did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Searched {
    /// Executions that ran to their end.
    pub complete: u64,
    /// Executions given up because every way on was explored from elsewhere.
    pub blocked: u64,
    /// Executions that a limit cut.
    pub cut: u64,
    /// Steps taken, in all executions together.
    pub steps: u64,
    /// The visitor stopped the search before its end.
    pub stopped: bool,
}

impl Searched {
    /// Whether the search covered everything: it was not stopped, and no execution was cut.
    pub fn exhausted(&self) -> bool {
        !self.stopped && self.cut == 0
    }

    /// Counts a leaf, tells the visitor of it, and says whether to go on.
    pub(crate) fn leaf<S>(&mut self, system: &mut S, visitor: &mut impl Visitor<S>, ending: Ending) -> bool {
        match ending {
            Ending::Complete => self.complete += 1,
            Ending::Blocked => self.blocked += 1,
            Ending::Cut => self.cut += 1,
        }
        self.stopped = visitor.leaf(system, ending).is_break();
        !self.stopped
    }
}
