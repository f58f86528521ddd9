//! A task of an execution: how it stands, what it is about to do, and what it has made so far.

use std::cell::{OnceCell, RefCell};
use std::mem::offset_of;
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

/// A task of this execution. What a step touches comes first and fits a line of the cache, for a walk over a thousand tasks finds
/// none of them there.
#[derive(Debug)]
#[repr(C, align(64))]
pub(in crate::native) struct Task {
    pub(in crate::native) status: Status,
    /// A hash of the places, accesses, forks and waits on its way.
    pub(in crate::native) deeds: u64,
    pub(in crate::native) job: Option<JobBox>,
    pub(in crate::native) parked: Parked,
    pub(in crate::native) born: bool,
    pub(super) waiters: Vec<TaskId>,
    /// Tasks that it forked, in order.
    pub(super) forked: Vec<TaskId>,
    /// How many things it has made that have a name.
    pub(in crate::native) slots: u32,
    /// While it begins a global: the number of the next thing that this makes. Whoever touches it first makes it, and it is nobody's.
    pub(super) beginning: Option<u32>,
    pub(in crate::native) modes: Modes,
    pub(in crate::native) clock: Clock,
    /// Where it was forked, if anybody watches.
    pub(in crate::native) fork: Option<(Site, Arc<[Site]>)>,
    /// Where it waits, if it does.
    pub(in crate::native) waits_at: Option<&'static Caller<'static>>,
    pub(in crate::native) error: Option<Box<Raised>>,
    /// The error that came out of its last wait, as long as it may be on its way up.
    pub(in crate::native) rising: Option<Box<Raised>>,
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
#[repr(C)]
pub(in crate::native) struct Parked {
    one: Option<(Location, Kind)>,
    /// Of what is touched, that for which others race; made when somebody asks, if it is `one` access.
    footprint: OnceCell<Box<Footprint>>,
    pub(in crate::native) phase: u8,
    pub(in crate::native) splits: bool,
    /// Whether it is to do the first half only.
    pub(in crate::native) half: bool,
    /// By number, if anybody guides or watches.
    pub(in crate::native) site: Option<Site>,
    /// Room for the next footprint that is asked for.
    room: RefCell<Option<Box<Footprint>>>,
    /// All that is touched, if anybody guides.
    pub(in crate::native) touched: Footprint,
}

impl Parked {
    /// Of what is touched, that for which others race.
    pub(in crate::native) fn footprint(&self) -> &Footprint {
        self.footprint.get_or_init(|| {
            let mut footprint = self.room.take().unwrap_or_default();
            footprint.clear();
            self.one.iter().for_each(|&(location, kind)| footprint.push(Access::whole(location, kind)));
            footprint
        })
    }

    /// Sets the footprint; says whether it is not empty.
    pub(super) fn is_about(&mut self, accesses: impl Iterator<Item = Access>) -> bool {
        let footprint: Footprint = accesses.collect();
        let some = !footprint.is_empty();
        (self.footprint, self.one) = (OnceCell::from(Box::new(footprint)), None);
        some
    }

    /// Sets the footprint to one access of something that has a location for itself.
    #[inline(always)]
    pub(super) fn is_about_one(&mut self, location: Location, kind: Kind) {
        self.one = Some((location, kind));
        if self.footprint.get().is_some() {
            self.make_room();
        }
    }

    /// Somebody has asked for the footprint before this one: it is made in the same place.
    #[inline(never)]
    fn make_room(&mut self) {
        *self.room.get_mut() = self.footprint.take();
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(offset_of!(Task, parked) + offset_of!(Parked, site) <= 64, "what a step touches is one line");

impl Task {
    pub(super) fn new() -> Self {
        Self {
            status: Status::Ended,
            deeds: 0,
            job: None,
            parked: Parked::default(),
            born: false,
            waiters: Vec::new(),
            forked: Vec::new(),
            slots: 0,
            beginning: None,
            modes: Modes::default(),
            clock: Clock::root(),
            fork: None,
            waits_at: None,
            rising: None,
            error: None,
            age: 0,
        }
    }
}

/// Whether a task that stands so can take a step.
pub(super) fn is_ready(status: Status) -> bool {
    matches!(status, Status::Going | Status::Parked)
}
