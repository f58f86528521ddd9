//! Explicit states: every state once, however many schedules lead to it.
//!
//! Schedules that lead to one state have one future. Where values merge, there are far fewer states than orders of
//! conflicting steps: n tasks that write one location have n! orders and n · 2^(n-1) + 1 states. The other way round
//! everything that stays distinguishable, as what readers have read, makes more states than orders; then
//! [`dpor`](crate::strategy::dpor) is the better search.
//!
//! Guarantee: every outcome is found. The finished graph of states tells more, exactly: how many schedules lead to each
//! outcome, how probable it is under the random walk, and the schedule with the fewest preemptions that does; see
//! [`Reach`]. All of that is computed from the graph alone in an order of its own, so several workers give the same
//! result as one, to the last bit.
//!
//! States are told apart by 128 bits of hash. Among n of them the chance that two differ and are taken for one is about
//! n²/2^129, that is 10^-27 for a million.

mod explore;
mod graph;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::system::System;
use crate::task::TaskId;

pub use explore::Explorer;

/// Explores all states from where `make` begins, at most `most` of them, by `jobs` workers.
///
/// `outcome` says what a last state comes to, and is asked once for each. When the search is not finished, because there
/// are more states or `progress` was told to stop, the outcomes are those met so far, and with several workers it
/// depends on chance which these are. The systems come back too, one for each worker: they may have learnt something
/// on the way.
///
/// # Errors
/// If the system has no digest, so that equal states cannot be recognised.
pub fn states<S: System + Send, O: Ord + Send>(
    make: impl Fn() -> S + Sync,
    outcome: impl Fn(&mut S) -> O + Sync,
    jobs: usize,
    most: u64,
    progress: &Progress,
) -> Result<(States<O>, Vec<S>), NoDigest> {
    explore::in_parallel(&make, &|system: &mut S| Some(outcome(system)), jobs.max(1), most, progress)
}

/// What there is to know about all states.
#[derive(Debug, Clone, PartialEq)]
pub struct States<O> {
    /// What the last states come to, and how they are reached.
    pub outcomes: BTreeMap<O, Reach>,
    /// Different states.
    pub states: u64,
    /// Steps from one of them to another; each was taken once.
    pub steps: u64,
    /// Steps that a limit refused.
    pub cut: u64,
    /// Not all states were explored.
    pub stopped: bool,
    /// Some state comes again, so that there are schedules without end.
    pub endless: bool,
}

impl<O> States<O> {
    /// Whether nothing was left out: the search was finished, and no step was refused.
    pub fn exhausted(&self) -> bool {
        !self.stopped && self.cut == 0
    }
}

/// How an outcome is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Reach {
    /// How many schedules lead to it; the greatest number stands for itself and all that are greater. None if not all
    /// states were explored or there are schedules without end.
    pub schedules: Option<u128>,
    /// The chance that the random walk ends so. None in the same cases.
    pub probability: Option<f64>,
    /// A schedule with the fewest preemptions among those explored: who takes each step.
    pub schedule: Vec<TaskId>,
    /// How often it turns away from a task that could go on.
    pub preemptions: u32,
}

/// How far a search has come, for others to look at, and a way to stop it.
#[derive(Debug, Default)]
pub struct Progress {
    states: AtomicU64,
    closed: AtomicU64,
    steps: AtomicU64,
    outcomes: AtomicU64,
    news: AtomicU64,
    stop: AtomicBool,
}

impl Progress {
    /// Different states found.
    pub fn states(&self) -> u64 {
        self.states.load(Ordering::Relaxed)
    }

    /// States found of which not every step was taken yet.
    pub fn frontier(&self) -> u64 {
        self.states().saturating_sub(self.closed.load(Ordering::Relaxed))
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Different outcomes found.
    pub fn outcomes(&self) -> u64 {
        self.outcomes.load(Ordering::Relaxed)
    }

    /// Steps since an outcome was found that was not seen before.
    pub fn since_new_outcome(&self) -> u64 {
        self.steps().saturating_sub(self.news.load(Ordering::Relaxed))
    }

    /// Asks the workers to give up soon.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The system has no digest, so equal states cannot be recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDigest;

impl fmt::Display for NoDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("states of native stacks cannot be compared; use `dpor`")
    }
}

impl std::error::Error for NoDigest {}

#[cfg(test)]
mod tests;
