//! `--strategy loom`: the loom model checker as a second opinion on small programs.
//!
//! Its search is another's, so that agreement means something; ours is the faster one, and has no limit of forks.

#[cfg(feature = "loom")]
mod threads;

use forkcheck_scheduler::{Location, TaskId};

use crate::config::Config;
use crate::execution::{Cut, Execution, Subject};
use crate::explore::Exploration;

/// An execution of which each task is driven by itself, as by a thread: whoever drives one is told of all that concerns
/// other tasks, forks and waits too, so that another's threads, locks and signals can stand for them.
pub trait Alone: Execution {
    /// Gets ready to be driven so.
    fn alone(self) -> Self {
        self
    }

    /// Lets the task run on, the others standing still, until something concerns them.
    fn advance(&mut self, task: TaskId) -> Next;

    /// Whether the step that the task stopped before still touches none but these locations. Others may have led it elsewhere.
    fn touches_only(&self, task: TaskId, locations: &[Location]) -> bool {
        let _ = (task, locations);
        true
    }

    /// Lets the task take the step that it stopped before, and run on.
    fn take(&mut self, task: TaskId) -> Next;

    /// Cuts the execution.
    fn stop(&mut self, cut: Cut);

    /// The last task is over.
    fn conclude(&mut self);
}

/// What a task comes to that concerns others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// A step that touches these hot locations, in ascending order. [`Alone::take`] takes it.
    Touches(Vec<Location>),
    /// A wait for the end of this task. `take` it when the task has ended; if it cannot end, the wait is for ever.
    Waits(TaskId),
    /// It has just forked this task, and goes on.
    Forked(TaskId),
    /// It takes no more steps: it has ended, waits for ever, or the execution was cut.
    Over,
}

/// Forks in one execution: loom has room for five threads, the caller's included, and uses none of them twice.
#[cfg(feature = "loom")]
const FORKS: u32 = 4;

/// Why loom cannot run `program`, if it cannot.
pub fn refusal<S: Subject>(program: &S, config: &Config) -> Option<String> {
    refused(&super::certificate(program, config))
}

/// Goes on from the first run, if anything raced in it, with every schedule that loom finds different.
pub(crate) fn search<S>(program: &S, config: &Config, mut first: Exploration) -> Exploration
where
    S: Subject<Execution: Alone + 'static> + Clone + Send + 'static,
{
    if let Some(reason) = refused(&first) {
        first.refuse(reason);
    } else if first.cut.is_none() && !first.hot.is_empty() {
        run(program, config, &mut first);
    }
    first
}

#[cfg(feature = "loom")]
use threads::search as run;

#[cfg(feature = "loom")]
fn refused(first: &Exploration) -> Option<String> {
    (first.tasks > FORKS + 1).then(|| too_many(&(first.tasks - 1).to_string()))
}

#[cfg(feature = "loom")]
fn too_many(forks: &str) -> String {
    format!("loom runs at most {FORKS} forks in one execution, and this program has {forks}: use the strategy `dpor`")
}

#[cfg(not(feature = "loom"))]
fn refused(_: &Exploration) -> Option<String> {
    Some("this forkcheck was built without its feature `loom`: use the strategy `dpor`".to_string())
}

#[cfg(not(feature = "loom"))]
fn run<S>(_: &S, _: &Config, _: &mut Exploration) {
    unreachable!("without loom every program is refused")
}
