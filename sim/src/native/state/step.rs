//! The steps of a task: announced before they are taken, in halves where others race, and summed up.

use std::panic::Location as Caller;

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::{Access, Kind, Location, Region, TaskId};
use smallvec::SmallVec;

use super::{State, Status, Way};
use crate::config::Atomicity;
use crate::execution::Cut;
use crate::machine::access::ThingId;
use crate::native::{outside, stack, world};

/// One access of a step.
#[derive(Debug, Clone)]
pub(in crate::native) struct Touched {
    pub(in crate::native) thing: ThingId,
    pub(in crate::native) access: Access,
}

impl Touched {
    /// An access to a thing that has one location for itself.
    pub(in crate::native) fn whole(slot: SlotId, kind: Kind) -> Self {
        let thing = ThingId { key: (slot, None), generator: slot == SlotId::GENERATOR };
        Self { thing, access: Access::whole(Location(slot.bits()), kind) }
    }
}

/// A step that a task is about to take.
#[derive(Debug, Clone, Copy)]
pub(in crate::native) struct Step<'a> {
    /// The execution that what it touches was made in, and where.
    pub(in crate::native) serial: u64,
    pub(in crate::native) made: Option<&'static Caller<'static>>,
    /// What it touches.
    pub(in crate::native) touches: &'a [Touched],
    /// What a report calls it.
    pub(in crate::native) operator: &'static str,
    /// Where the user wrote it; nowhere for the caller's look.
    pub(in crate::native) at: Option<&'static Caller<'static>>,
    /// Whether it takes two steps where others race for what it reads and writes.
    pub(in crate::native) splits: bool,
}

/// What comes of a step that is about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::native) enum Arrival {
    /// It is taken at once.
    Go,
    /// It is taken when this stack is resumed.
    Pause,
    /// The same, and this task goes on meanwhile.
    To(TaskId),
    /// It is never taken: the execution was cut.
    Never,
}

/// Announces a step, and returns when it is to be taken. Says whether only its first half is, which reads; the second half
/// is announced by [`store`].
///
/// # Panics
/// If what it touches was made in another execution.
#[inline]
#[track_caller]
pub(in crate::native) fn step(step: Step<'_>) -> Taken {
    if let Some(taken) = announce(&step) {
        return taken;
    }
    let half = world::checked(|state| state.pass(&step)).unwrap_or(false);
    Taken { half }
}

/// The caller's look, which touches this as far as it is known; where others go first, it is at what `again` then finds.
///
/// # Panics
/// As [`step`].
pub(in crate::native) fn step_of_look(
    serial: u64,
    touches: &[Touched],
    again: impl FnOnce() -> SmallVec<[Touched; 2]>,
) {
    let look = Step { serial, made: None, touches, operator: "return", at: None, splits: false };
    if announce(&look).is_none() {
        let touches = &again();
        world::checked(|state| state.pass(&Step { touches, ..look }));
    }
}

/// Announces a step. How it was taken, if that was at once; otherwise this returns when it is to be taken.
#[inline(always)]
#[track_caller]
fn announce(step: &Step<'_>) -> Option<Taken> {
    let arrival = world::checked(|state| match state.is_own(step) {
        false => Err(state.serial),
        true => Ok(match state.arrive(step) {
            Arrival::Go => Ok(state.pass(step)),
            arrival => Err(arrival),
        }),
    });
    match arrival {
        None if step.serial == outside::SERIAL => Some(Taken::default()),
        None => Some(outside::refuse(step, outside::SERIAL)),
        Some(Err(own)) => Some(outside::refuse(step, own)),
        Some(Ok(Ok(half))) => Some(Taken { half }),
        Some(Ok(Err(arrival))) => {
            await_turn(arrival);
            None
        }
    }
}

/// Announces an access of a thing that has one location for itself, as [`step`] does. Most steps are such, so this is the short
/// way: what follows a switch of stacks is little, and stands in the function that called.
#[inline(always)]
#[track_caller]
pub(in crate::native) fn touch(
    place: &Place,
    kind: Kind,
    operator: &'static str,
    at: &'static Caller<'static>,
) -> Taken {
    match arrive_quickly(place, kind, at) {
        Some(Arrival::Go) => Taken { half: false },
        Some(Arrival::To(next)) => {
            stack::hand_over(next);
            Taken { half: false }
        }
        Some(Arrival::Pause) => {
            stack::pause();
            Taken { half: false }
        }
        _ => touch_slowly(place, kind, operator, at),
    }
}

/// With all that it asks it is one piece of machine code: to call and return would be a fifth of it.
#[inline(never)]
fn arrive_quickly(place: &Place, kind: Kind, at: &'static Caller<'static>) -> Option<Arrival> {
    world::checked(|state| state.arrive_quickly(place, kind, at)).flatten()
}

#[cold]
#[inline(never)]
#[track_caller]
fn touch_slowly(place: &Place, kind: Kind, operator: &'static str, at: &'static Caller<'static>) -> Taken {
    step(place.step(&place.touches(kind), operator, at))
}

/// Where a value lies that has one location for itself, and who may touch it: what its accesses are announced with.
#[derive(Debug, Clone, Copy)]
pub(in crate::native) struct Place {
    pub(in crate::native) slot: SlotId,
    /// As of a [`Step`].
    pub(in crate::native) serial: u64,
    pub(in crate::native) made: &'static Caller<'static>,
}

impl Place {
    pub(in crate::native) fn touches(&self, kind: Kind) -> [Touched; 1] {
        [Touched::whole(self.slot, kind)]
    }

    /// The step that makes the access.
    pub(in crate::native) fn step<'a>(
        &self,
        touches: &'a [Touched],
        operator: &'static str,
        at: &'static Caller<'static>,
    ) -> Step<'a> {
        Step { serial: self.serial, made: Some(self.made), touches, operator, at: Some(at), splits: true }
    }
}

/// How a step was taken.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::native) struct Taken {
    /// Only its first half was.
    pub(in crate::native) half: bool,
}

/// Announces the second half of a step, which writes.
pub(in crate::native) fn store(step: Step<'_>) {
    // What it touches was seen with the first half, so there is nothing to do when its turn has come.
    world::checked(|state| state.arrive_to_store(&step)).into_iter().for_each(await_turn);
}

#[inline(always)]
pub(in crate::native) fn await_turn(arrival: Arrival) {
    match arrival {
        Arrival::Go => {}
        Arrival::Pause => stack::pause(),
        Arrival::To(next) => stack::hand_over(next),
        Arrival::Never => stack::never(),
    }
}

impl State {
    /// What comes of an access, if it is taken whole and nobody watches or guides. It is summed up beforehand, so there is nothing
    /// to do when its turn has come.
    #[inline(always)]
    fn arrive_quickly(&mut self, place: &Place, kind: Kind, at: &'static Caller<'static>) -> Option<Arrival> {
        let quick = self.quickly != outside::SERIAL && !std::thread::panicking();
        let own = place.serial == self.quickly || place.slot.owner() == u32::MAX;
        let whole = kind != Kind::Update || self.atomicity == Atomicity::Op;
        if !quick || !own || !whole || !self.count() {
            return None;
        }
        let location = Location(place.slot.bits());
        let hot = self.is_hot(location);
        let id = self.current;
        let task = &mut self.tasks[id.index()];
        task.deeds = mix(task.deeds ^ place_of(Some(at)), deed(location, kind));
        if !hot {
            return Some(Arrival::Go);
        }
        task.parked.is_about_one(location, kind);
        (task.parked.phase, task.parked.half, task.parked.splits) = (0, false, true);
        task.status = Status::Parked;
        self.enable(id);
        Some(self.give_way(id))
    }

    /// Whether others race for the location; the last one that they did is known at once.
    #[inline(always)]
    fn is_hot(&mut self, location: Location) -> bool {
        if self.last_hot == Some(location) {
            return true;
        }
        let hot = self.hot.contains(&location);
        if hot {
            self.last_hot = Some(location);
        }
        hot
    }

    fn arrive(&mut self, step: &Step<'_>) -> Arrival {
        if !self.count() {
            return Arrival::Never;
        }
        if std::thread::panicking() {
            // Who is suspended while it unwinds leaves the thread panicking for everybody else.
            let at = step.at.map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
            let reason =
                format!("{}{at} was reached while a panic unwinds: nothing can be chosen there", step.operator);
            self.stop(Cut::Refused(reason));
            return Arrival::Go;
        }
        let id = self.current;
        if self.way == Way::Guided && !self.asks {
            return Arrival::Go;
        }
        let site = (self.way == Way::Guided).then(|| self.site(step.operator, step.at));
        let half = self.way != Way::Guided && self.splits(step);
        let task = &mut self.tasks[id.index()];
        let parked = &mut task.parked;
        let hot = &self.hot;
        let some = match step.touches {
            [Touched { access: Access { location, region: Region::Whole, kind }, .. }] => {
                parked.is_about_one(*location, if half { Kind::Read } else { *kind });
                hot.contains(location)
            }
            touches => {
                let accesses =
                    touches.iter().map(|touched| &touched.access).filter(|access| hot.contains(&access.location));
                // The first half only reads.
                let accesses = accesses.filter(|access| !half || access.kind != Kind::Write);
                parked.is_about(accesses.map(|access| match half {
                    true => Access { kind: Kind::Read, ..access.clone() },
                    false => access.clone(),
                }))
            }
        };
        (parked.phase, parked.half, parked.splits) = (0, half, step.splits);
        if self.way == Way::Guided {
            parked.site = site;
            parked.touched = step.touches.iter().map(|touched| touched.access.clone()).collect();
            if step.touches.is_empty() {
                return Arrival::Go;
            }
            self.set_status(id, Status::Parked);
            return Arrival::Pause;
        }
        if !some {
            return Arrival::Go;
        }
        self.park(id);
        self.give_way(id)
    }

    /// Whether the step was made in this execution, or passed in.
    fn is_own(&self, step: &Step<'_>) -> bool {
        step.serial == self.serial
            || step.touches.iter().all(|touched| {
                let slot = touched.thing.key.0;
                slot.owner() == u32::MAX || self.adopted.contains(&slot)
            })
    }

    /// A task cannot go on by itself. If nobody else has to go on first, and a strategy is there to be asked, it is asked here: a
    /// task that is picked again goes on without a switch of stacks, and another one without a look at the execution.
    #[inline(always)]
    pub(super) fn give_way(&mut self, id: TaskId) -> Arrival {
        if self.way != Way::Searched || self.cut.is_some() || self.stale {
            return Arrival::Pause;
        }
        let Some(next) = self.next_task() else { return Arrival::Pause };
        if next == id {
            return Arrival::Go;
        }
        self.current = next;
        Arrival::To(next)
    }

    /// The task is about to touch something for which others race.
    #[inline(always)]
    fn park(&mut self, id: TaskId) {
        self.set_status(id, Status::Parked);
        self.enable(id);
    }

    /// The task is one of those of which one is picked.
    #[inline(always)]
    fn enable(&mut self, id: TaskId) {
        assert!(self.enabled.insert(id), "a task is parked once");
        // Before the first step all tasks count as woken.
        if self.order.last() != Some(&id) {
            self.woken.push(id);
        }
    }

    /// The step is taken; says whether only the first half is.
    fn pass(&mut self, step: &Step<'_>) -> bool {
        let task = &mut self.tasks[self.current.index()];
        let half = std::mem::take(&mut task.parked.half);
        let at = place_of(step.at);
        if step.touches.is_empty() {
            task.deeds = mix(task.deeds, at);
        }
        for Touched { access, .. } in step.touches {
            let region = match &access.region {
                Region::Whole => 0,
                region => hash_of(region),
            };
            task.deeds = mix(task.deeds ^ at, deed(access.location, access.kind) ^ region.rotate_left(7));
        }
        if let Some(mut watch) = self.watch.take() {
            let site = self.site(step.operator, step.at);
            watch.observe(self, site, step.touches);
            self.watch = Some(watch);
        }
        half
    }

    fn arrive_to_store(&mut self, step: &Step<'_>) -> Arrival {
        if !self.count() {
            return Arrival::Never;
        }
        let id = self.current;
        let site = (self.way == Way::Guided).then(|| self.site(step.operator, step.at));
        let writes = step.touches.iter().filter(|touched| touched.access.kind.writes());
        let writes: SmallVec<[Access; 2]> =
            writes.map(|touched| Access { kind: Kind::Write, ..touched.access.clone() }).collect();
        let parked = &mut self.tasks[id.index()].parked;
        let hot = &self.hot;
        parked.is_about(writes.iter().filter(|access| hot.contains(&access.location)).cloned());
        (parked.phase, parked.half, parked.splits) = (1, false, false);
        if self.way == Way::Guided {
            (parked.site, parked.touched) = (site, writes.into_iter().collect());
            self.set_status(id, Status::Parked);
            return Arrival::Pause;
        }
        self.park(id);
        self.give_way(id)
    }

    /// Whether the step takes two: it reads and writes where others race.
    fn splits(&self, step: &Step<'_>) -> bool {
        let hot = |touched: &&Touched| self.hot.contains(&touched.access.location) && !touched.thing.generator;
        let any = |test: fn(Kind) -> bool| step.touches.iter().filter(hot).any(|touched| test(touched.access.kind));
        step.splits && self.atomicity == Atomicity::Split && any(Kind::reads) && any(Kind::writes)
    }

    /// The caller's look is about to touch this.
    pub(in crate::native) fn park_look(&mut self, touches: &[Touched]) {
        let accesses = touches.iter().map(|touched| &touched.access);
        let hot = &self.hot;
        self.tasks[0].parked.is_about(accesses.filter(|access| hot.contains(&access.location)).cloned());
    }

    /// Whether the task is main before its look, and others can still change what that is at.
    pub(in crate::native) fn is_led(&self, task: TaskId) -> bool {
        task == TaskId::MAIN && self.leading && self.tasks[0].status == Status::Parked
    }
}

/// A place in the source as a word.
#[inline(always)]
fn place_of(at: Option<&Caller<'_>>) -> u64 {
    at.map_or(0, |at| u64::from(at.line()) << 32 | u64::from(at.column()))
}

/// An access of a whole location as a word.
#[inline(always)]
fn deed(location: Location, kind: Kind) -> u64 {
    location.0 ^ (kind as u64) << 62
}

/// Makes a small number fill a word.
pub(super) const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Multiplies and folds, so that every bit of the result depends on all of both.
#[inline]
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ SPREAD).wrapping_mul(u128::from(word ^ 0xa409_3822_299f_31d1 | 1));
    (product as u64) ^ ((product >> 64) as u64).rotate_left(17) ^ word
}

fn hash_of(region: &Region) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    region.hash(&mut hasher);
    hasher.finish()
}
