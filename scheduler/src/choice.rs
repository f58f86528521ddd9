//! One choice of who goes next, and the strategies that make it: the point where a user's own strategy plugs in.

use std::fmt;

use crate::enabled::Enabled;
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
/// use forkcheck_scheduler::{Choice, Scheduler, TaskId};
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
///         choice.enabled().iter().max().expect("a choice is never empty")
///     }
/// }
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

    /// Has the next execution be the one of this number, counted from 0, so that several schedulers can share a campaign. Where
    /// chance plays no part there is nothing to do.
    fn seek(&mut self, run: u64) {
        let _ = run;
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

/// What can be seen of an execution between two steps.
///
/// Only steps that touch something are seen. Fork, wait, end and whatever else touches nothing conflicts with nothing, now
/// or ever: an execution takes such steps by itself, as soon as they are possible. So a *pending* footprint is never
/// empty.
pub trait Moment {
    /// The tasks that can step. Empty when the execution is over, by completion or by deadlock.
    fn enabled(&self) -> &Enabled;

    /// The tasks that the last step enabled, the one that took it not among them; before the first step, all that are
    /// enabled. A strategy that keeps the tasks in an order of its own learns of changes here.
    fn woken(&self) -> &[TaskId];

    /// What an enabled task would read and write in its next step; never empty.
    fn pending(&self, task: TaskId) -> &Footprint;

    /// Who took each step so far.
    fn order(&self) -> &[TaskId];

    /// Who goes next by the child-first order, see [`DefaultOrder`](crate::DefaultOrder); `None` if nobody is enabled.
    ///
    /// Where numbers stem from an execution in the default order, the smaller of two tasks that can go went first there.
    fn default_next(&self) -> Option<TaskId> {
        let last = self.order().last().copied().filter(|&task| self.enabled().contains(task));
        last.or_else(|| self.enabled().iter().min())
    }
}

/// The tasks that can take the next step, and what they would do.
#[derive(Clone, Copy)]
pub struct Choice<'a> {
    moment: &'a dyn Moment,
    /// Invariant: the moment's; not empty.
    enabled: &'a Enabled,
}

impl<'a> Choice<'a> {
    /// The choice at a moment; `None` if nobody can step.
    #[inline]
    pub fn new(moment: &'a dyn Moment) -> Option<Self> {
        let enabled = moment.enabled();
        (!enabled.is_empty()).then_some(Self { moment, enabled })
    }

    /// The tasks that can step; never empty.
    #[inline]
    pub fn enabled(&self) -> &'a Enabled {
        self.enabled
    }

    /// The tasks that the last step enabled, the one that took it not among them. In the first choice of an execution, all
    /// tasks that are enabled.
    #[inline]
    pub fn woken(&self) -> &'a [TaskId] {
        self.moment.woken()
    }

    /// What `task`, which is enabled, would read and write in this step; never empty.
    #[inline]
    pub fn pending(&self, task: TaskId) -> &'a Footprint {
        self.moment.pending(task)
    }

    /// The task that stepped last; none at the beginning. It may be waiting now, or have ended.
    #[inline]
    pub fn last(&self) -> Option<TaskId> {
        self.moment.order().last().copied()
    }

    /// The task that the child-first order would pick.
    pub fn default(&self) -> TaskId {
        self.moment.default_next().expect("somebody is enabled")
    }
}

impl fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Choice")
            .field("enabled", &self.enabled.as_slice())
            .field("last", &self.last())
            .finish_non_exhaustive()
    }
}
