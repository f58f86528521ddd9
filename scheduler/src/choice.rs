//! One choice of who goes next, and the strategies that make it: the point where a user's own strategy plugs in.

use std::fmt;

use crate::footprint::Footprint;
use crate::task::TaskId;

/// Decides which task steps next, in one execution after another.
///
/// `begin` opens an execution, `pick` is asked before each visible step of it, `end` closes it. A strategy only
/// picks: it has no say in what a step is, and sees tasks and locations as numbers.
///
/// A strategy must be deterministic: with the same seed and the same choices it picks the same tasks. What it draws
/// comes from [`Rng`](crate::Rng), seeded per execution with [`run_seed`](crate::run_seed).
///
/// ```
/// use forkcheck_scheduler::{Choice, Ending, Footprint, Scheduler, TaskId};
///
/// /// Lets the newest task go first, whoever stepped last.
/// struct Newest;
///
/// impl Scheduler for Newest {
///     fn begin(&mut self) -> bool {
///         true
///     }
///
///     fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
///         *choice.enabled().last().expect("a choice is never empty")
///     }
/// }
///
/// // Two toy tasks of two steps each, which touch nothing.
/// let mut left = [2, 2];
/// let mut order = Vec::new();
/// let mut strategy = Newest;
/// assert!(strategy.begin());
/// loop {
///     let enabled: Vec<_> = (0..2).filter(|&i| left[i as usize] > 0).map(TaskId::new).collect();
///     let pending = |_| Footprint::EMPTY;
///     let last = order.last().copied();
///     let default = enabled.first().copied().unwrap_or_default();
///     let Some(choice) = Choice::new(&enabled, &pending, last, default) else { break };
///     let task = strategy.pick(&choice);
///     left[task.index()] -= 1;
///     order.push(task);
/// }
/// strategy.end(Ending::Complete);
/// assert_eq!(order.iter().map(|task| task.number()).collect::<Vec<_>>(), [1, 1, 0, 0]);
/// ```
pub trait Scheduler {
    /// Opens the next execution, or says that there is none left to run.
    fn begin(&mut self) -> bool;

    /// The task that takes the next step: one of [`Choice::enabled`].
    fn pick(&mut self, choice: &Choice<'_>) -> TaskId;

    /// Closes the execution.
    fn end(&mut self, ending: Ending) {
        let _ = ending;
    }

    /// The seed that repeats the current execution as the first of a new campaign, if chance plays a part.
    fn run_seed(&self) -> Option<u64> {
        None
    }
}

/// How an execution came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was enabled any more: all tasks had ended, or those left wait for each other.
    Complete,
    /// A limit on steps, tasks or memory refused the next step.
    Cut,
    /// A search gave it up, because every way on was explored from elsewhere.
    Blocked,
}

/// The tasks that can take the next step, and what they would do.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    /// Invariant: ascending, not empty.
    enabled: &'a [TaskId],
    pending: &'a dyn Fn(TaskId) -> &'a Footprint,
    last: Option<TaskId>,
    /// Invariant: one of `enabled`.
    default: TaskId,
}

impl<'a> Choice<'a> {
    /// A choice among `enabled`, which ascends; `None` if it is empty.
    ///
    /// `pending` tells the footprint of the step that a task takes if it is picked, `last` is who took the step before,
    /// and `default` who goes next by the child-first order.
    ///
    /// # Panics
    /// If `default` is not enabled.
    pub fn new(
        enabled: &'a [TaskId],
        pending: &'a dyn Fn(TaskId) -> &'a Footprint,
        last: Option<TaskId>,
        default: TaskId,
    ) -> Option<Self> {
        if enabled.is_empty() {
            return None;
        }
        debug_assert!(enabled.is_sorted(), "enabled tasks ascend: {enabled:?}");
        assert!(enabled.binary_search(&default).is_ok(), "the default {default} is enabled: {enabled:?}");
        Some(Self { enabled, pending, last, default })
    }

    /// The tasks that can step, ascending; never empty.
    pub fn enabled(&self) -> &'a [TaskId] {
        self.enabled
    }

    /// What `task`, which is enabled, would read and write in this step.
    pub fn pending(&self, task: TaskId) -> &'a Footprint {
        (self.pending)(task)
    }

    /// The task that stepped last; none at the beginning. It may be waiting now, or have ended.
    pub fn last(&self) -> Option<TaskId> {
        self.last
    }

    /// The task that the child-first order would pick.
    pub fn default(&self) -> TaskId {
        self.default
    }
}

impl fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { enabled, pending: _, last, default } = self;
        f.debug_struct("Choice")
            .field("enabled", enabled)
            .field("last", last)
            .field("default", default)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_empty_choice() {
        assert!(Choice::new(&[], &|_| Footprint::EMPTY, None, TaskId::MAIN).is_none());
        let choice = Choice::new(&[TaskId::MAIN], &|_| Footprint::EMPTY, None, TaskId::MAIN).unwrap();
        assert!(choice.pending(TaskId::MAIN).is_empty());
    }
}
