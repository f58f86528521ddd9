//! A task of an execution: how it stands, what it is about to do, and what it has made so far.

use std::cell::OnceCell;
use std::panic::Location as Caller;
use std::sync::Arc;

use forkcheck_model::operators::Modes;
use forkcheck_scheduler::{Access, Clock, Footprint, Kind, Location, TaskId};

use crate::execution::{Raised, Site};
use crate::native::stack::Job;

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::native) enum Status {
    /// It can go on by itself.
    Going,
    /// It is about to touch something, and goes on when somebody says so.
    Parked,
    /// It waits for another one to end.
    Waiting(TaskId),
    /// It has ended.
    Ended,
}

/// A task of this execution.
#[derive(Debug)]
pub(in crate::native) struct Task {
    pub(in crate::native) born: bool,
    pub(in crate::native) status: Status,
    pub(in crate::native) job: Option<JobBox>,
    pub(in crate::native) parked: Parked,
    pub(super) waiters: Vec<TaskId>,
    /// Tasks that it forked, in order.
    pub(super) forked: Vec<TaskId>,
    /// How many things it has made that have a name.
    pub(in crate::native) slots: u32,
    pub(in crate::native) modes: Modes,
    pub(in crate::native) clock: Clock,
    /// A hash of the places, accesses, forks and waits on its way.
    pub(in crate::native) deeds: u64,
    /// Where it was forked, if anybody watches.
    pub(in crate::native) fork: Option<(Site, Arc<[Site]>)>,
    /// Where it waits.
    pub(in crate::native) waits_at: Option<&'static Caller<'static>>,
    pub(in crate::native) error: Option<Box<Raised>>,
    pub(super) age: u32,
}

/// A job that has a `Debug`.
pub(in crate::native) struct JobBox(pub(in crate::native) Arc<dyn Job>);

impl std::fmt::Debug for JobBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a job")
    }
}

/// What a parked task is about to do.
#[derive(Debug, Default)]
pub(in crate::native) struct Parked {
    /// By number, if anybody guides or watches.
    pub(in crate::native) site: Option<Site>,
    pub(in crate::native) phase: u8,
    /// Of what is touched, that for which others race; made when somebody asks, if it is `one` access.
    footprint: OnceCell<Footprint>,
    one: Option<(Location, Kind)>,
    /// All that is touched, if anybody guides.
    pub(in crate::native) touched: Footprint,
    pub(in crate::native) splits: bool,
    /// Whether it is to do the first half only.
    pub(in crate::native) half: bool,
}

impl Parked {
    /// Of what is touched, that for which others race.
    pub(in crate::native) fn footprint(&self) -> &Footprint {
        self.footprint.get_or_init(|| self.one.iter().map(|&(location, kind)| Access::whole(location, kind)).collect())
    }

    /// Sets the footprint; says whether it is not empty.
    pub(super) fn is_about(&mut self, accesses: impl Iterator<Item = Access>) -> bool {
        let footprint: Footprint = accesses.collect();
        let some = !footprint.is_empty();
        (self.footprint, self.one) = (OnceCell::from(footprint), None);
        some
    }

    /// Sets the footprint to one access of something that has a location for itself.
    #[inline]
    pub(super) fn is_about_one(&mut self, location: Location, kind: Kind) {
        self.footprint.take();
        self.one = Some((location, kind));
    }
}

impl Task {
    pub(super) fn new() -> Self {
        Self {
            born: false,
            status: Status::Ended,
            job: None,
            parked: Parked::default(),
            waiters: Vec::new(),
            forked: Vec::new(),
            slots: 0,
            modes: Modes::default(),
            clock: Clock::root(),
            deeds: 0,
            fork: None,
            waits_at: None,
            error: None,
            age: 0,
        }
    }
}

/// Whether a task that stands so can take a step.
pub(super) fn is_ready(status: Status) -> bool {
    matches!(status, Status::Going | Status::Parked)
}
