//! One execution of a Rust body, as its tasks see it: who goes on, what each is about to touch, what each has made.
//!
//! Code of a task that is about to fork, wait or touch something comes here first ([`step`], [`fork`](State::fork)). In
//! a search it goes on at once unless it touches what others race for; then it *parks*, and goes on when a strategy says
//! so. In the default order it stops before whatever it touches, because a schedule may send the execution elsewhere
//! there. Nothing here allocates or hashes once an execution like this one has been run: tables are used again.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location as Caller;
use std::sync::{Arc, Mutex};

use forkcheck_model::operators::Modes;
use forkcheck_model::slot::{Allocator, Memory, SlotId};
use forkcheck_model::value::Generator;
use forkcheck_scheduler::pool::Join;
use forkcheck_scheduler::{
    Access, Choice, Clock, Enabled, Footprint, Kind, Location, Moment, Region, Scheduler, TaskId, Tasks,
};
use rustc_hash::FxHashSet;
use smallvec::SmallVec;

use super::sites::Sites;
use super::stack::{self, Job};
use super::watch::Watch;
use super::{look, outside, world};
use crate::check::joins::Joined;
use crate::config::{Atomicity, Limits};
use crate::execution::{Cut, Raised, Site};
use crate::explore::Hot;
use crate::machine::Ready;
use crate::machine::access::ThingId;

/// The seed of the generator at the start of every execution.
const GENERATOR_SEED: u64 = 0;

/// What all executions of one body share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Places in the user's source.
    pub(super) sites: Sites,
    /// Which executions were watched, by what they did: the watch has nothing to learn from another one that does the
    /// same. Only asked.
    pub(super) familiar: FxHashSet<u64>,
}

/// One access of a step.
#[derive(Debug, Clone)]
pub(super) struct Touched {
    pub(super) thing: ThingId,
    pub(super) access: Access,
}

impl Touched {
    /// An access to a thing that has one location for itself.
    pub(super) fn whole(slot: SlotId, kind: Kind) -> Self {
        let thing = ThingId { key: (slot, None), generator: slot == SlotId::GENERATOR };
        Self { thing, access: Access::whole(Location(slot.bits()), kind) }
    }
}

/// A step that a task is about to take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    /// The execution that what it touches was made in, and where.
    pub(super) serial: u64,
    pub(super) made: Option<&'static Caller<'static>>,
    /// What it touches.
    pub(super) touches: &'a [Touched],
    /// What a report calls it.
    pub(super) operator: &'static str,
    /// Where the user wrote it; nowhere for the caller's look.
    pub(super) at: Option<&'static Caller<'static>>,
    /// Whether it takes two steps where others race for what it reads and writes.
    pub(super) splits: bool,
}

/// In which way an execution goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As a guide says, who is asked before each access.
    Guided,
    /// As a search or a strategy says, who are asked at hot locations.
    Searched,
    /// As somebody says who drives each task by itself, and is told of forks too.
    Driven,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
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
pub(super) struct Task {
    pub(super) born: bool,
    pub(super) status: Status,
    pub(super) job: Option<JobBox>,
    pub(super) parked: Parked,
    waiters: Vec<TaskId>,
    /// Tasks that it forked, in order.
    forked: Vec<TaskId>,
    /// How many things it has made that have a name.
    pub(super) slots: u32,
    pub(super) modes: Modes,
    pub(super) clock: Clock,
    /// A hash of the places, accesses, forks and waits on its way.
    pub(super) deeds: u64,
    /// Where it was forked, if anybody watches.
    pub(super) fork: Option<(Site, Arc<[Site]>)>,
    /// Where it waits.
    pub(super) waits_at: Option<&'static Caller<'static>>,
    pub(super) error: Option<Box<Raised>>,
    age: u32,
}

/// A job that has a `Debug`.
pub(super) struct JobBox(pub(super) Arc<dyn Job>);

impl std::fmt::Debug for JobBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a job")
    }
}

/// What was given from outside, with a `Debug`.
#[derive(Clone)]
pub(super) struct GivenBox(pub(super) Arc<dyn super::run::Given>);

impl std::fmt::Debug for GivenBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("what was given")
    }
}

/// What a parked task is about to do.
#[derive(Debug, Default)]
pub(super) struct Parked {
    /// By number, if anybody guides or watches.
    pub(super) site: Option<Site>,
    pub(super) phase: u8,
    /// Of what is touched, that for which others race; made when somebody asks, if it is `one` access.
    footprint: OnceCell<Footprint>,
    one: Option<(Location, Kind)>,
    /// All that is touched, if anybody guides.
    pub(super) touched: Footprint,
    pub(super) splits: bool,
    /// Whether it is to do the first half only.
    pub(super) half: bool,
}

impl Parked {
    /// Of what is touched, that for which others race.
    pub(super) fn footprint(&self) -> &Footprint {
        self.footprint.get_or_init(|| self.one.iter().map(|&(location, kind)| Access::whole(location, kind)).collect())
    }

    /// Sets the footprint; says whether it is not empty.
    fn is_about(&mut self, accesses: impl Iterator<Item = Access>) -> bool {
        let footprint: Footprint = accesses.collect();
        let some = !footprint.is_empty();
        (self.footprint, self.one) = (OnceCell::from(footprint), None);
        some
    }

    /// Sets the footprint to one access of something that has a location for itself.
    #[inline]
    fn is_about_one(&mut self, location: Location, kind: Kind) -> bool {
        self.footprint.take();
        self.one = Some((location, kind));
        true
    }
}

/// The k-th fork of a task, as it was seen before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kin {
    callee: &'static str,
    child: TaskId,
}

/// What an execution has left that is the user's.
#[derive(Debug, Default)]
pub(super) struct Left {
    jobs: Vec<JobBox>,
    globals: Vec<(SlotId, Arc<dyn look::Kept>)>,
    result: Option<Arc<dyn look::Kept>>,
}

/// A strategy that runs an execution, with a `Debug`.
pub(super) struct Strategy(pub(super) Box<dyn Scheduler + Send>);

impl std::fmt::Debug for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a strategy")
    }
}

/// One execution.
#[derive(Debug)]
pub(super) struct State {
    /// Tells this execution from all others of the process.
    pub(super) serial: u64,
    pub(super) way: Way,
    /// Whether a guide is asked before each access.
    pub(super) asks: bool,
    pub(super) atomicity: Atomicity,
    pub(super) limits: Limits,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) hot: Hot,
    /// By number.
    pub(super) tasks: Vec<Task>,
    /// The tasks of this execution, in order of creation.
    pub(super) made: Vec<TaskId>,
    pub(super) ready: Ready,
    pub(super) names: Tasks,
    kin: Vec<Vec<Kin>>,
    /// Who runs now.
    pub(super) current: TaskId,
    /// Who goes on before anybody is asked, the next one last.
    pub(super) going: Vec<TaskId>,
    pub(super) enabled: Enabled,
    pub(super) woken: Vec<TaskId>,
    pub(super) order: Vec<TaskId>,
    /// Who is asked which task goes next, while a strategy runs an execution.
    pub(super) scheduler: Option<Strategy>,
    /// What tensors are charged to.
    memory: Memory,
    /// Tasks that have not ended.
    pub(super) live: usize,
    /// Whether anybody asks what happens before a step.
    pub(super) clocks: bool,
    pub(super) watch: Option<Box<Watch>>,
    pub(super) given: Option<GivenBox>,
    /// What was made outside and passed in.
    pub(super) adopted: Arc<FxHashSet<SlotId>>,
    pub(super) joined: Vec<Joined>,
    pub(super) steps: u64,
    pub(super) cut: Option<Cut>,
    pub(super) generator: Generator,
    pub(super) drawn: bool,
    pub(super) globals: Vec<(SlotId, Arc<dyn look::Kept>)>,
    pub(super) result: Option<Arc<dyn look::Kept>>,
    pub(super) at_return: Option<u128>,
    /// Whether nobody else was left at the look.
    pub(super) alone: bool,
    /// Whether attributes decide what the look is at, and whether a step was taken since that was found out.
    pub(super) leading: bool,
    stale: bool,
}

/// What is to be done next with an execution.
#[derive(Debug)]
pub(super) enum Turn {
    /// This task goes on, with what it has to begin with.
    Run(TaskId, Option<JobBox>),
    /// It is to be found out anew what the caller's look is at.
    Look,
}

/// What comes of a step that is about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// It is taken at once.
    Go,
    /// It is taken when this stack is resumed.
    Pause,
    /// It is never taken: the execution was cut.
    Never,
}

/// Announces a step, and returns when it is to be taken. Says whether only its first half is, which reads; the second half
/// is announced by [`store`].
///
/// # Panics
/// If what it touches was made in another execution.
#[inline]
pub(super) fn step(step: Step<'_>) -> Taken {
    let arrival = world::checked(|state| match state.is_own(&step) {
        false => Err(state.serial),
        true => Ok(match state.arrive(&step) {
            Arrival::Go => Ok(state.pass(&step)),
            arrival => Err(arrival),
        }),
    });
    let arrival = match arrival {
        None if step.serial == outside::SERIAL => return Taken::default(),
        None => return outside::refuse(&step, outside::SERIAL),
        Some(Err(own)) => return outside::refuse(&step, own),
        Some(Ok(Ok(half))) => return Taken { half, paused: false },
        Some(Ok(Err(arrival))) => arrival,
    };
    await_turn(arrival);
    let half = world::checked(|state| state.pass(&step)).unwrap_or(false);
    Taken { half, paused: true }
}

/// How a step was taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taken {
    /// Only its first half was.
    pub(super) half: bool,
    /// Others may have gone before.
    pub(super) paused: bool,
}

/// Announces the second half of a step, which writes.
pub(super) fn store(step: Step<'_>) {
    let Some(arrival) = world::checked(|state| state.arrive_to_store(&step)) else { return };
    await_turn(arrival);
    world::checked(|state| state.pass_store());
}

fn await_turn(arrival: Arrival) {
    match arrival {
        Arrival::Go => {}
        Arrival::Pause => stack::pause(),
        Arrival::Never => loop {
            stack::pause();
        },
    }
}

impl Task {
    fn new() -> Self {
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

impl State {
    pub(super) fn new(shared: Arc<Mutex<Shared>>, atomicity: Atomicity, limits: Limits, names: Tasks) -> Self {
        let memory = Memory::with_limit(limits.memory);
        Self {
            serial: 0,
            way: Way::Guided,
            asks: true,
            atomicity,
            limits,
            shared,
            hot: Hot::default(),
            tasks: Vec::new(),
            made: Vec::new(),
            ready: Ready::new(),
            names,
            kin: Vec::new(),
            current: TaskId::MAIN,
            going: Vec::new(),
            enabled: Enabled::new(),
            woken: Vec::new(),
            order: Vec::new(),
            scheduler: None,
            memory,
            live: 0,
            clocks: true,
            watch: None,
            given: None,
            adopted: Arc::default(),
            joined: Vec::new(),
            steps: 0,
            cut: None,
            generator: Generator::default_seeded(GENERATOR_SEED),
            drawn: false,
            globals: Vec::new(),
            result: None,
            at_return: None,
            alone: false,
            leading: false,
            stale: false,
        }
    }

    /// Gets ready for another execution. What the last one has left of the user's is given back, to be dropped where no
    /// execution is disturbed.
    pub(super) fn reset(&mut self, serial: u64) -> Left {
        let mut left = Left::default();
        self.serial = serial;
        for task in self.made.drain(..) {
            let task = &mut self.tasks[task.index()];
            task.born = false;
            task.status = Status::Ended;
            left.jobs.extend(task.job.take());
            task.waiters.clear();
            task.forked.clear();
            (task.fork, task.waits_at, task.error) = (None, None, None);
        }
        if self.way == Way::Guided {
            self.ready = Ready::new();
        }
        self.going.clear();
        self.give_up();
        self.woken.clear();
        self.order.clear();
        self.joined.clear();
        (self.steps, self.live, self.cut, self.at_return) = (0, 0, None, None);
        (self.alone, self.leading) = (false, false);
        if self.drawn {
            self.generator = Generator::default_seeded(GENERATOR_SEED);
            self.drawn = false;
        }
        left.globals.append(&mut self.globals);
        left.result = self.result.take();
        left
    }

    /// Makes main, about to begin.
    pub(super) fn begin(&mut self, job: Arc<dyn Job>) {
        self.give_birth(TaskId::MAIN, job);
        self.tasks[0].clock = Clock::root();
        self.tasks[0].modes = Modes::default();
        self.current = TaskId::MAIN;
        self.going.push(TaskId::MAIN);
    }

    fn give_birth(&mut self, id: TaskId, job: Arc<dyn Job>) {
        if self.tasks.len() <= id.index() {
            self.tasks.resize_with(id.index() + 1, Task::new);
        }
        if self.way == Way::Guided && id != TaskId::MAIN {
            self.ready.add(id);
        }
        let age = self.made.len() as u32;
        self.made.push(id);
        self.live += 1;
        let task = &mut self.tasks[id.index()];
        assert!(!task.born, "a fork path names one task of an execution");
        task.born = true;
        task.age = age;
        task.status = Status::Going;
        task.job = Some(JobBox(job));
        task.slots = 0;
        task.deeds = u64::from(id.number());
    }

    /// The identity of something that the task that runs now makes.
    pub(super) fn fresh(&mut self) -> SlotId {
        let task = &mut self.tasks[self.current.index()];
        let slot = SlotId::new(self.current.number(), task.slots);
        task.slots += 1;
        slot
    }

    /// Lets somebody make things in the name of the task that runs now.
    pub(super) fn make<R>(&mut self, work: impl FnOnce(&mut Allocator, &mut Modes) -> R) -> R {
        let mut allocator = Allocator::new(self.current.number(), self.memory.clone());
        let task = &mut self.tasks[self.current.index()];
        if task.slots > 0 {
            allocator = allocator.at(task.slots);
        }
        let made = work(&mut allocator, &mut task.modes);
        task.slots = allocator.count();
        made
    }

    /// This task goes on, with what it has to begin with.
    pub(super) fn enter(&mut self, id: TaskId) -> Option<JobBox> {
        self.current = id;
        self.tasks[id.index()].job.take()
    }

    /// Who runs now.
    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.current.index()]
    }

    /// Whether the task can take a step.
    pub(super) fn is_ready(&self, id: TaskId) -> bool {
        self.tasks.get(id.index()).is_some_and(|task| task.born && is_ready(task.status))
    }

    fn set_status(&mut self, id: TaskId, status: Status) {
        let task = &mut self.tasks[id.index()];
        task.status = status;
        if self.way == Way::Guided {
            let age = task.age;
            self.ready.set(age, is_ready(status));
        }
    }

    /// Stops the execution.
    pub(super) fn stop(&mut self, cut: Cut) {
        self.cut.get_or_insert(cut);
    }

    /// Counts a step; says whether the execution goes on.
    fn count(&mut self) -> bool {
        self.steps += 1;
        if self.steps > self.limits.steps {
            self.stop(Cut::Steps(self.limits.steps));
        }
        if self.steps.is_multiple_of(4096) && self.limits.expired() {
            self.stop(Cut::Time);
        }
        self.cut.is_none()
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
        let site = (self.way == Way::Guided).then(|| self.site(step));
        let half = self.way != Way::Guided && self.splits(step);
        let task = &mut self.tasks[id.index()];
        let parked = &mut task.parked;
        let hot = &self.hot;
        let some = match step.touches {
            [Touched { access: Access { location, region: Region::Whole, kind }, .. }] => {
                hot.contains(location) && parked.is_about_one(*location, if half { Kind::Read } else { *kind })
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
        self.await_choice(id)
    }

    /// Whether the step was made in this execution, or passed in.
    fn is_own(&self, step: &Step<'_>) -> bool {
        step.serial == self.serial
            || step.touches.iter().all(|touched| {
                let slot = touched.thing.key.0;
                slot.owner() == u32::MAX || self.adopted.contains(&slot)
            })
    }

    /// A task has parked. If nobody else has to go on first, and a strategy is there to be asked, it is asked here: a task
    /// that is picked again goes on without a switch of stacks.
    fn await_choice(&mut self, id: TaskId) -> Arrival {
        if self.going.is_empty() && self.scheduler.is_some() && self.choose() == Some(id) {
            self.going.pop();
            return Arrival::Go;
        }
        Arrival::Pause
    }

    /// Has the strategy pick who steps next, who then is the next to go on.
    fn choose(&mut self) -> Option<TaskId> {
        let mut scheduler = self.scheduler.take()?;
        let picked = Choice::new(self).map(|choice| scheduler.0.pick(&choice));
        self.scheduler = Some(scheduler);
        let task = picked?;
        self.take_step(task);
        Some(task)
    }

    /// Who goes on now, with what it has to begin with; nobody if everybody stands before a choice that is not ours, or the
    /// execution is over.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Turn> {
        if self.going.is_empty() && std::mem::take(&mut self.stale) && self.is_led(TaskId::MAIN) {
            return Some(Turn::Look);
        }
        if self.cut.is_some() {
            self.give_up();
            self.going.clear();
            return None;
        }
        if self.going.is_empty() {
            self.choose();
        }
        let id = self.going.pop()?;
        self.current = id;
        Some(Turn::Run(id, self.tasks[id.index()].job.take()))
    }

    /// The task is about to touch something for which others race.
    fn park(&mut self, id: TaskId) {
        self.set_status(id, Status::Parked);
        assert!(self.enabled.insert(id), "a task is parked once");
        if self.order.last() != Some(&id) || self.woken_all() {
            self.woken.push(id);
        }
    }

    /// Before the first step all tasks count as woken.
    fn woken_all(&self) -> bool {
        self.order.is_empty()
    }

    /// The step is taken; says whether only the first half is.
    fn pass(&mut self, step: &Step<'_>) -> bool {
        let task = &mut self.tasks[self.current.index()];
        let half = std::mem::take(&mut task.parked.half);
        let (line, column) = step.at.map_or((0, 0), |at| (at.line(), at.column()));
        task.deeds = mix(task.deeds, u64::from(line) << 32 | u64::from(column));
        for touched in step.touches {
            let access = &touched.access;
            let region = match &access.region {
                Region::Whole => 0,
                region => hash_of(region),
            };
            task.deeds = mix(task.deeds, access.location.0 ^ region.rotate_left(7) ^ (access.kind as u64) << 62);
        }
        if let Some(mut watch) = self.watch.take() {
            let site = self.site(step);
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
        let site = (self.way == Way::Guided).then(|| self.site(step));
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
        } else {
            self.park(id);
            return self.await_choice(id);
        }
        Arrival::Pause
    }

    /// What the step touches was seen with its first half.
    fn pass_store(&mut self) {
        let parked = &mut self.task().parked;
        parked.phase = 0;
    }

    /// Whether the step takes two: it reads and writes where others race.
    fn splits(&self, step: &Step<'_>) -> bool {
        let hot = |touched: &&Touched| self.hot.contains(&touched.access.location) && !touched.thing.generator;
        let any = |test: fn(Kind) -> bool| step.touches.iter().filter(hot).any(|touched| test(touched.access.kind));
        step.splits && self.atomicity == Atomicity::Split && any(Kind::reads) && any(Kind::writes)
    }

    /// The number of a place.
    fn site(&self, step: &Step<'_>) -> Site {
        match step.at {
            None => Site::LOOK,
            Some(at) => self.shared.lock().expect("nobody panics with it").sites.number(at, step.operator),
        }
    }

    /// Forks a task; `None` if the execution was cut. Says whether the caller pauses so that it goes on first.
    pub(super) fn fork(
        &mut self,
        callee: &'static str,
        job: Arc<dyn Job>,
        at: &'static Caller<'static>,
    ) -> Option<(TaskId, bool)> {
        if !self.count() {
            return None;
        }
        if self.made.len() as u32 >= self.limits.tasks {
            self.stop(Cut::Tasks(self.limits.tasks));
            return None;
        }
        let parent = self.current;
        let child = self.child(parent, callee);
        let clock = self.clocks.then(|| self.task().clock.fork(child));
        let task = self.task();
        task.deeds = mix(task.deeds, u64::from(at.line()) << 32 | u64::from(child.number()));
        task.forked.push(child);
        let modes = task.modes.clone();
        self.give_birth(child, job);
        let task = &mut self.tasks[child.index()];
        task.modes = modes;
        if let Some(clock) = clock {
            task.clock = clock;
        }
        if self.watch.is_some() {
            let site =
                self.site(&Step { serial: 0, made: None, touches: &[], operator: "fork", at: Some(at), splits: false });
            let place = (site, self.no_calls());
            self.tasks[child.index()].fork = Some(place.clone());
            self.note_join(parent, Join::Fork(child.number()), site);
            self.watch.as_mut().expect("it watches").forked(child, place.0);
        }
        self.going.push(child);
        // Child first. In a search it does not matter who comes first to where others race, and it saves two switches that the
        // parent goes on.
        Some((child, self.way != Way::Searched))
    }

    /// The task that this fork of `parent` makes: the same as the last time if the parent forks the same.
    fn child(&mut self, parent: TaskId, callee: &'static str) -> TaskId {
        if self.kin.len() <= parent.index() {
            self.kin.resize_with(parent.index() + 1, Vec::new);
        }
        let place = self.tasks[parent.index()].forked.len();
        let known = self.kin[parent.index()].get(place).copied();
        if let Some(kin) = known.filter(|kin| kin.callee == callee) {
            return kin.child;
        }
        let name = super::fork::short_name(callee);
        let earlier = self.tasks[parent.index()].forked.iter().filter(|&&child| self.names.callee(child) == name);
        let occurrence = earlier.count() as u32;
        let child = self.names.intern(parent, &name, occurrence);
        let kin = &mut self.kin[parent.index()];
        kin.truncate(place);
        if kin.len() == place {
            kin.push(Kin { callee, child });
        }
        child
    }

    fn no_calls(&self) -> Arc<[Site]> {
        self.shared.lock().expect("nobody panics with it").sites.no_calls()
    }

    fn note_join(&mut self, task: TaskId, join: Join, site: Site) {
        let calls = self.no_calls();
        self.joined.push(Joined { task, join, site, calls });
    }

    /// Whether the wait is over; if not, the caller pauses and asks again.
    pub(super) fn wait(&mut self, target: TaskId, at: &'static Caller<'static>) -> bool {
        let id = self.current;
        if self.tasks[target.index()].status != Status::Ended {
            self.tasks[target.index()].waiters.push(id);
            self.tasks[id.index()].waits_at = Some(at);
            self.set_status(id, Status::Waiting(target));
            if let Some(mut watch) = self.watch.take() {
                watch.find_deadlock(self, id);
                self.watch = Some(watch);
            }
            return false;
        }
        self.count();
        if self.clocks {
            let last = self.tasks[target.index()].clock.clone();
            self.task().clock.wait(&last);
        }
        let task = self.task();
        task.deeds = mix(task.deeds, u64::from(at.line()) << 32 | u64::from(target.number()) ^ 1 << 63);
        task.waits_at = None;
        if self.watch.is_some() {
            let site =
                self.site(&Step { serial: 0, made: None, touches: &[], operator: "wait", at: Some(at), splits: false });
            self.note_join(id, Join::Wait(target.number()), site);
        }
        true
    }

    /// The place where a task waits.
    pub(super) fn waiting_at(&self, id: TaskId) -> Option<(Site, Arc<[Site]>)> {
        let at = self.tasks[id.index()].waits_at?;
        Some((
            self.site(&Step { serial: 0, made: None, touches: &[], operator: "wait", at: Some(at), splits: false }),
            self.no_calls(),
        ))
    }

    /// The task that runs has ended.
    pub(super) fn end(&mut self, error: Option<Raised>) {
        let id = self.current;
        let task = self.task();
        task.error = error.map(Box::new);
        self.live -= 1;
        let task = self.task();
        let waiters = std::mem::take(&mut task.waiters);
        self.set_status(id, Status::Ended);
        if let Some(watch) = &mut self.watch {
            watch.ended(id);
        }
        for &waiter in &waiters {
            self.set_status(waiter, Status::Going);
            self.going.push(waiter);
        }
        let mut waiters = waiters;
        waiters.clear();
        self.tasks[id.index()].waiters = waiters;
    }

    /// An enabled task takes its step.
    pub(super) fn take_step(&mut self, task: TaskId) {
        if !self.enabled.remove(task) {
            // A search picks who is enabled, so only a repetition can come here.
            let reason = format!(
                "{} cannot take the step that it took before: the body depends on something that forkcheck does not see, such \
                 as a clock, a random number of another library, an atomic that was captured, the order of a hash map; \
                 FORKCHECK_CHECK_DETERMINISM=1 names the first event that differs",
                self.names.path(task)
            );
            return self.stop(Cut::Refused(reason));
        }
        self.order.push(task);
        self.stale = self.leading;
        self.woken.clear();
        self.tasks[task.index()].status = Status::Going;
        self.going.push(task);
    }

    /// Nobody goes on in an execution that was cut.
    pub(super) fn give_up(&mut self) {
        self.going.clear();
        while let Some(&task) = self.enabled.as_slice().last() {
            self.enabled.remove(task);
        }
    }

    /// The caller's look is about to touch this.
    pub(super) fn park_look(&mut self, touches: &[Touched]) {
        let accesses = touches.iter().map(|touched| &touched.access);
        let hot = &self.hot;
        self.tasks[0].parked.is_about(accesses.filter(|access| hot.contains(&access.location)).cloned());
    }

    /// The task that this one forked last.
    pub(super) fn forked_last(&self, task: TaskId) -> Option<TaskId> {
        self.tasks[task.index()].forked.last().copied()
    }

    /// Tasks that wait for ever.
    pub(super) fn stuck(&self) -> Vec<TaskId> {
        let waits = |task: &TaskId| matches!(self.tasks[task.index()].status, Status::Waiting(_));
        let mut stuck: Vec<TaskId> = self.made.iter().copied().filter(waits).collect();
        stuck.sort_unstable();
        stuck
    }

    /// A hash of all that was done by all tasks, whatever the order.
    pub(super) fn signature(&self) -> u64 {
        self.made.iter().fold(0, |sum, task| sum.wrapping_add(mix(self.tasks[task.index()].deeds, 0x5157)))
    }

    /// Whether the task is main before its look, and others can still change what that is at.
    pub(super) fn is_led(&self, task: TaskId) -> bool {
        task == TaskId::MAIN && self.leading && self.tasks[0].status == Status::Parked
    }

    /// A place that an error has come through.
    pub(super) fn place(&self, what: &'static str, file: &str, line: u32, column: u32) -> Site {
        self.shared.lock().expect("nobody panics with it").sites.number_at(file, line, column, what)
    }
}

impl Moment for State {
    fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    fn woken(&self) -> &[TaskId] {
        &self.woken
    }

    fn pending(&self, task: TaskId) -> &Footprint {
        self.tasks[task.index()].parked.footprint()
    }

    fn order(&self) -> &[TaskId] {
        &self.order
    }

    fn default_next(&self) -> Option<TaskId> {
        // As for archives: numbers stem from an execution in the default order.
        let last = self.order.last().copied().filter(|&task| self.enabled.contains(task));
        last.or_else(|| self.enabled.iter().min())
    }
}

fn is_ready(status: Status) -> bool {
    matches!(status, Status::Going | Status::Parked)
}

/// Multiplies and folds, so that every bit of the result depends on all of both.
#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(u128::from(word ^ 0xa409_3822_299f_31d1 | 1));
    (product as u64) ^ ((product >> 64) as u64).rotate_left(17) ^ word
}

fn hash_of(region: &Region) -> u64 {
    use std::hash::{Hash, Hasher};
    let mut hasher = rustc_hash::FxHasher::default();
    region.hash(&mut hasher);
    hasher.finish()
}

/// Things that are named, and tasks that have them; kept here so that both watch and state can be built apart.
pub(super) type Made = BTreeMap<SlotId, (&'static str, &'static Caller<'static>)>;

/// Locations that turned out to be raced for.
pub(super) type NewlyHot = BTreeSet<Location>;
