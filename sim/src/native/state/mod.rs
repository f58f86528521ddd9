//! One execution of a Rust body, as its tasks see it: who goes on, what each is about to touch, what each has made.
//!
//! Code of a task that is about to fork, wait or touch something comes here first ([`step`], [`fork`](State::fork)). In
//! a search it goes on at once unless it touches what others race for; then it *parks*, and goes on when a strategy says
//! so. In the default order it stops before whatever it touches, because a schedule may send the execution elsewhere
//! there. Nothing here allocates or hashes once an execution like this one has been run: tables are used again.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location as Caller;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use forkcheck_model::operators::Modes;
use forkcheck_model::slot::{Allocator, Memory, SlotId};
use forkcheck_model::value::Generator;
use forkcheck_scheduler::pool::Join;
use forkcheck_scheduler::{Choice, Clock, Enabled, Footprint, Location, Moment, Scheduler, TaskId, Tasks};
use rustc_hash::FxHashSet;

use super::guarded::Thread;
use super::sites::Sites;
use super::stack::Job;
use super::watch::Watch;
use super::{lock, look, outside};
use crate::check::joins::Joined;
use crate::config::{Atomicity, Limits};
use crate::execution::{Cut, Raised, Site};
use crate::explore::Hot;
use crate::machine::{GENERATOR_SEED, LIMITS_EVERY, Ready};

mod step;
mod task;

pub(super) use step::{Arrival, Place, Step, Taken, Touched, await_turn, step, step_of_look, store, touch};
use step::{SPREAD, mix};
use task::is_ready;
pub(super) use task::{JobBox, Status, Task};

/// What all executions of one body share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Places in the user's source.
    pub(super) sites: Sites,
    /// Which executions were watched, by what they did: the watch has nothing to learn from another one that does the
    /// same. Only asked.
    pub(super) familiar: FxHashSet<u64>,
    /// Every global that an execution has met: a caller that looks before anybody has touched it sees it too.
    pub(super) globals: BTreeMap<SlotId, Begin>,
    /// How many these are, for those who need not lock to know that they have met them all.
    pub(super) known: Arc<AtomicUsize>,
}

/// A global of an execution.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) slot: SlotId,
    pub(super) made: &'static Caller<'static>,
    pub(super) value: Arc<dyn look::Kept>,
    /// What tells its first contents from others. As long as it has them it is no part of an outcome, so that it does not matter
    /// whether anybody has touched it yet.
    pub(super) at_first: u128,
}

/// Makes the value that a global begins with.
#[derive(Clone)]
pub(super) struct Begin {
    pub(super) begin: Arc<dyn Fn() -> Arc<dyn look::Kept> + Send + Sync>,
    pub(super) made: &'static Caller<'static>,
}

impl std::fmt::Debug for Begin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a beginning")
    }
}

/// Tables that are kept for the next check on this thread: to make them anew takes as long as a short execution.
#[derive(Debug, Default)]
struct Room {
    tasks: Vec<Task>,
    made: Vec<TaskId>,
    ready: Ready,
    going: Vec<TaskId>,
    enabled: Enabled,
    woken: Vec<TaskId>,
    order: Vec<TaskId>,
    joined: Vec<Joined>,
}

/// For how many tasks room is kept.
const KEPT: usize = 64;

thread_local! {
    static ROOM: Cell<Room> = Cell::default();
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
    globals: Vec<Met>,
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
    /// The thread that all tasks run on, if it is one: what they make is bound to it.
    pub(super) bound: Option<Thread>,
    pub(super) way: Way,
    /// Whether a guide is asked before each access.
    pub(super) asks: bool,
    pub(super) atomicity: Atomicity,
    pub(super) limits: Limits,
    pub(super) shared: Arc<Mutex<Shared>>,
    known: Arc<AtomicUsize>,
    hot: Hot,
    last_hot: Option<Location>,
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
    /// The moment at which it is to be asked first, until it is.
    pub(super) start: Option<u64>,
    /// What tensors are charged to.
    memory: Memory,
    /// Tasks that have not ended.
    pub(super) live: usize,
    /// Whether anybody asks what happens before a step.
    pub(super) clocks: bool,
    pub(super) watch: Option<Box<Watch>>,
    /// What was made outside and passed in.
    pub(super) adopted: Arc<FxHashSet<SlotId>>,
    pub(super) joined: Vec<Joined>,
    pub(super) steps: u64,
    /// The number of the step at which to look whether the execution goes on.
    look_at: u64,
    /// The number of this execution, if an access is all that is to be noted of one; otherwise that of none.
    quickly: u64,
    pub(super) cut: Option<Cut>,
    /// Made when somebody asks for it, for that takes as long as a short execution.
    generator: Option<Generator>,
    pub(super) drawn: bool,
    /// By slot.
    pub(super) globals: Vec<Met>,
    /// Whether the caller has begun to look.
    pub(super) looked: bool,
    /// Globals that were met for the first time after that, by any execution: the look would have been at them too.
    pub(super) missed: Vec<Location>,
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
    /// This task goes on.
    Run(TaskId),
    /// It is to be found out anew what the caller's look is at.
    Look,
}

impl State {
    pub(super) fn new(
        shared: Arc<Mutex<Shared>>,
        atomicity: Atomicity,
        limits: Limits,
        names: Tasks,
        bound: Option<Thread>,
    ) -> Self {
        let memory = Memory::with_limit(limits.memory);
        let known = lock(&shared).known.clone();
        let Room { tasks, made, ready, going, enabled, woken, order, joined } = ROOM.take();
        Self {
            serial: 0,
            bound,
            way: Way::Guided,
            asks: true,
            atomicity,
            limits,
            shared,
            known,
            hot: Hot::default(),
            last_hot: None,
            tasks,
            made,
            ready,
            names,
            kin: Vec::new(),
            current: TaskId::MAIN,
            going,
            enabled,
            woken,
            order,
            scheduler: None,
            start: None,
            memory,
            live: 0,
            clocks: true,
            watch: None,
            adopted: Arc::default(),
            joined,
            steps: 0,
            look_at: 0,
            quickly: outside::SERIAL,
            cut: None,
            generator: None,
            drawn: false,
            globals: Vec::new(),
            looked: false,
            missed: Vec::new(),
            result: None,
            at_return: None,
            alone: false,
            leading: false,
            stale: false,
        }
    }

    /// Makes these locations the ones where the order of accesses matters.
    pub(super) fn set_hot(&mut self, hot: Hot) {
        (self.hot, self.last_hot) = (hot, None);
    }

    /// Where the order of accesses matters.
    pub(super) fn hot(&self) -> &Hot {
        &self.hot
    }

    /// Gets ready for another execution. What the last one has left of the user's is given back, to be dropped where no
    /// execution is disturbed.
    pub(super) fn reset(&mut self, serial: u64) -> Left {
        let mut left = Left::default();
        self.serial = serial;
        for &id in &self.made {
            let task = &mut self.tasks[id.index()];
            (task.born, task.status) = (false, Status::Ended);
            task.waiters.clear();
            task.forked.clear();
            if task.job.is_some() {
                left.jobs.extend(task.job.take());
            }
            if task.error.is_some() || task.rising.is_some() || task.fork.is_some() {
                (task.fork, task.error, task.rising) = (None, None, None);
            }
        }
        self.made.clear();
        self.ready.clear();
        self.give_up();
        self.woken.clear();
        self.order.clear();
        self.joined.clear();
        (self.steps, self.look_at, self.live, self.cut, self.at_return) = (0, 0, 0, None, None);
        (self.alone, self.leading, self.looked, self.start) = (false, false, false, None);
        if self.drawn {
            (self.generator, self.drawn) = (None, false);
        }
        left.globals.append(&mut self.globals);
        left.result = self.result.take();
        left
    }

    /// Keeps the tables of an execution that was reset for the next check, if they are not large.
    pub(super) fn keep_room(self) {
        let Self { mut tasks, made, ready, going, enabled, woken, order, joined, .. } = self;
        if tasks.len() <= KEPT {
            tasks.iter_mut().for_each(|task| task.clock = Clock::root());
            ROOM.set(Room { tasks, made, ready, going, enabled, woken, order, joined });
        }
    }

    /// Makes main, about to begin.
    pub(super) fn begin(&mut self, job: Arc<dyn Job>, way: Way, watch: Option<Box<Watch>>) {
        self.quickly = if way == Way::Searched && watch.is_none() { self.serial } else { outside::SERIAL };
        (self.way, self.watch) = (way, watch);
        let main = self.give_birth(TaskId::MAIN, job);
        (main.clock, main.modes) = (Clock::root(), Modes::default());
        self.current = TaskId::MAIN;
        self.going.push(TaskId::MAIN);
    }

    #[inline(always)]
    fn give_birth(&mut self, id: TaskId, job: Arc<dyn Job>) -> &mut Task {
        if self.tasks.len() <= id.index() {
            self.make_tasks(id);
        }
        if self.way == Way::Guided {
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
        (task.slots, task.beginning) = (0, None);
        task.deeds = u64::from(id.number()).wrapping_mul(SPREAD);
        task
    }

    /// A task with a higher number than any before.
    #[cold]
    fn make_tasks(&mut self, id: TaskId) {
        self.tasks.resize_with(id.index() + 1, Task::new);
    }

    /// The generator of random numbers, which begins alike in every execution.
    pub(super) fn generator(&mut self) -> Generator {
        self.generator.get_or_insert_with(|| Generator::default_seeded(GENERATOR_SEED)).clone()
    }

    /// The generator, if anybody has drawn from it.
    pub(super) fn drawn_from(&self) -> Option<Generator> {
        self.generator.clone().filter(|_| self.drawn)
    }

    /// The identity of something that the task that runs now makes.
    pub(super) fn fresh(&mut self) -> SlotId {
        let task = &mut self.tasks[self.current.index()];
        if let Some(next) = &mut task.beginning {
            *next = next.wrapping_add(1);
            return SlotId::new(u32::MAX, *next);
        }
        let slot = SlotId::new(self.current.number(), task.slots);
        task.slots += 1;
        slot
    }

    /// Lets somebody make things in the name of the task that runs now.
    pub(super) fn make<R>(&mut self, work: impl FnOnce(&mut Allocator, &mut Modes) -> R) -> R {
        if let Some(next) = self.task().beginning {
            let mut allocator = Allocator::new(u32::MAX, self.memory.clone()).at(next.wrapping_add(1));
            let made = work(&mut allocator, &mut Modes::default());
            self.task().beginning = Some(allocator.count());
            return made;
        }
        let mut allocator = Allocator::new(self.current.number(), self.memory.clone());
        let task = &mut self.tasks[self.current.index()];
        if task.slots > 0 {
            allocator = allocator.at(task.slots);
        }
        let made = work(&mut allocator, &mut task.modes);
        task.slots = allocator.count();
        made
    }

    /// What the task that runs makes from now on is made by a global, if there is a number of its next thing; says what was so before.
    pub(super) fn begin_global(&mut self, next: Option<u32>) -> Option<u32> {
        std::mem::replace(&mut self.task().beginning, next)
    }

    /// Globals that other executions have met and this one has not.
    pub(super) fn unmet(&self) -> Vec<(SlotId, Begin)> {
        if self.known.load(Ordering::Acquire) == self.globals.len() {
            return Vec::new();
        }
        let met = |slot: &SlotId| self.globals.binary_search_by_key(slot, |met| met.slot).is_ok();
        let shared = self.shared();
        shared.globals.iter().filter(|(slot, _)| !met(slot)).map(|(slot, begin)| (*slot, begin.clone())).collect()
    }

    /// Adds a global that this execution has just met.
    pub(super) fn meet(&mut self, met: Met, begin: Begin) {
        let slot = met.slot;
        let Err(place) = self.globals.binary_search_by_key(&slot, |met| met.slot) else { return };
        self.globals.insert(place, met);
        let mut shared = self.shared();
        let new = shared.globals.insert(slot, begin).is_none();
        self.known.store(shared.globals.len(), Ordering::Release);
        drop(shared);
        if new && self.looked {
            self.missed.push(Location(slot.bits()));
        }
    }

    /// Who runs now.
    pub(super) fn task(&mut self) -> &mut Task {
        &mut self.tasks[self.current.index()]
    }

    /// Whether the task can take a step.
    pub(super) fn is_ready(&self, id: TaskId) -> bool {
        self.tasks.get(id.index()).is_some_and(|task| task.born && is_ready(task.status))
    }

    #[inline(always)]
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
        self.look_at = 0;
    }

    /// Counts a step; says whether the execution goes on.
    #[inline(always)]
    fn count(&mut self) -> bool {
        self.steps += 1;
        self.steps < self.look_at || self.goes_on()
    }

    /// Looks at the limits, and says when to look again.
    #[cold]
    fn goes_on(&mut self) -> bool {
        if self.steps > self.limits.steps {
            self.stop(Cut::Steps(self.limits.steps));
        }
        if self.steps.is_multiple_of(LIMITS_EVERY) && self.limits.expired() {
            self.stop(Cut::Time);
        }
        if self.cut.is_some() {
            return false;
        }
        self.look_at = (self.steps + 1).next_multiple_of(LIMITS_EVERY).min(self.limits.steps.saturating_add(1));
        true
    }

    /// Has the strategy pick who steps next, who then goes on.
    #[inline(always)]
    fn choose(&mut self) -> Option<TaskId> {
        let mut scheduler = self.scheduler.take()?;
        if self.start.is_some() && !self.is_at_start() {
            self.scheduler = Some(scheduler);
            return None;
        }
        let picked = Choice::new(self).map(|choice| scheduler.0.pick(&choice));
        self.scheduler = Some(scheduler);
        let task = picked?;
        if self.leave(task) {
            return Some(task);
        }
        self.refuse(task);
        None
    }

    /// Whether the execution is where others began as well.
    #[inline(never)]
    fn is_at_start(&mut self) -> bool {
        if self.start.take() != Some(self.moment()) {
            self.stop_elsewhere();
        }
        self.cut.is_none()
    }

    /// Stops an execution that is not where it was before at this moment.
    #[cold]
    pub(super) fn stop_elsewhere(&mut self) {
        self.stop_unrepeatable("some task does not do what it did before");
        self.give_up();
    }

    /// Who goes on now; nobody if everybody stands before a choice that is not ours, or the
    /// execution is over.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Turn> {
        if self.going.is_empty() && std::mem::take(&mut self.stale) && self.is_led(TaskId::MAIN) {
            return Some(Turn::Look);
        }
        if self.cut.is_some() {
            self.give_up();
            return None;
        }
        self.current = self.next_task()?;
        Some(Turn::Run(self.current))
    }

    /// Who goes on before anybody is asked, or else who a strategy picks.
    #[inline(always)]
    fn next_task(&mut self) -> Option<TaskId> {
        match self.going.pop() {
            Some(task) => Some(task),
            None => self.choose(),
        }
    }

    /// What all executions of the body share.
    pub(super) fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// The number of a place; that of the caller's look, if it is nowhere.
    fn site(&self, operator: &'static str, at: Option<&'static Caller<'static>>) -> Site {
        at.map_or(Site::LOOK, |at| self.shared().sites.number(at, operator))
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
        let task = &mut self.tasks[parent.index()];
        task.deeds = mix(task.deeds, u64::from(at.line()) << 32 | u64::from(child.number()));
        task.forked.push(child);
        let modes = task.modes.clone();
        let clock = self.clocks.then(|| task.clock.fork(child));
        let task = self.give_birth(child, job);
        task.modes = modes;
        if let Some(clock) = clock {
            task.clock = clock;
        }
        if self.watch.is_some() {
            let site = self.site("fork", Some(at));
            self.tasks[child.index()].fork = Some((site, Arc::default()));
            self.note_join(parent, Join::Fork(child.number()), site);
            self.watch.as_mut().expect("it watches").forked(child, site);
        }
        self.going.push(child);
        // Child first. In a search it does not matter who comes first to where others race, and it saves two switches that the
        // parent goes on.
        Some((child, self.way != Way::Searched))
    }

    /// The task that this fork of `parent` makes: the same as the last time if the parent forks the same.
    #[inline(always)]
    fn child(&mut self, parent: TaskId, callee: &'static str) -> TaskId {
        let place = self.tasks[parent.index()].forked.len();
        // Mostly it is the same text in the same place.
        match self.kin.get(parent.index()).and_then(|kin| kin.get(place)) {
            Some(kin) if std::ptr::eq(kin.callee, callee) => kin.child,
            _ => self.other_child(parent, callee, place),
        }
    }

    #[inline(never)]
    fn other_child(&mut self, parent: TaskId, callee: &'static str, place: usize) -> TaskId {
        if self.kin.len() <= parent.index() {
            self.kin.resize_with(parent.index() + 1, Vec::new);
        }
        let known = self.kin[parent.index()].get(place).copied();
        if let Some(kin) = known.filter(|kin| kin.callee == callee) {
            return kin.child;
        }
        let name = super::fork::short_name(callee);
        let earlier = self.tasks[parent.index()].forked.iter().filter(|&&child| self.names.callee(child) == name);
        let occurrence = earlier.count() as u32;
        let child = self.names.intern(parent, name, occurrence);
        let kin = &mut self.kin[parent.index()];
        kin.truncate(place);
        if kin.len() == place {
            kin.push(Kin { callee, child });
        }
        child
    }

    fn note_join(&mut self, task: TaskId, join: Join, site: Site) {
        self.joined.push(Joined { task, join, site, calls: Arc::default() });
    }

    /// Begins a wait. What comes of it, if the task has not ended: then the caller [joins](State::join) it when its turn has come.
    pub(super) fn wait(&mut self, target: TaskId, at: &'static Caller<'static>) -> Option<Arrival> {
        let id = self.current;
        self.count();
        let task = &mut self.tasks[id.index()];
        task.deeds = mix(task.deeds, u64::from(at.line()) << 32 | u64::from(target.number()) ^ 1 << 63);
        let awaited = &mut self.tasks[target.index()];
        if awaited.status == Status::Ended {
            self.join(target, at);
            return None;
        }
        awaited.waiters.push(id);
        self.tasks[id.index()].waits_at = Some(at);
        self.set_status(id, Status::Waiting(target));
        if let Some(mut watch) = self.watch.take() {
            watch.find_deadlock(self, id);
            self.watch = Some(watch);
        }
        Some(self.give_way(id))
    }

    /// Whether anybody wants to know of joins.
    #[inline]
    pub(super) fn notes_joins(&self) -> bool {
        self.clocks || self.watch.is_some()
    }

    /// The wait is over: all that the task did comes before what follows.
    #[inline(always)]
    pub(super) fn join(&mut self, target: TaskId, at: &'static Caller<'static>) {
        if self.notes_joins() {
            self.note_wait(target, at);
        }
    }

    #[inline(never)]
    fn note_wait(&mut self, target: TaskId, at: &'static Caller<'static>) {
        assert!(self.has_ended(target), "who waits goes on after the end");
        let id = self.current;
        if self.clocks {
            let last = self.tasks[target.index()].clock.clone();
            self.tasks[id.index()].clock.wait(&last);
        }
        if self.watch.is_some() {
            let site = self.site("wait", Some(at));
            self.note_join(id, Join::Wait(target.number()), site);
        }
    }

    pub(super) fn has_ended(&self, task: TaskId) -> bool {
        self.tasks[task.index()].status == Status::Ended
    }

    /// The place where a task waits.
    pub(super) fn waiting_at(&self, id: TaskId) -> Option<(Site, Arc<[Site]>)> {
        let at = self.tasks[id.index()].waits_at?;
        Some((self.site("wait", Some(at)), Arc::default()))
    }

    /// The task that runs has ended. Says who goes on, if that is known.
    pub(super) fn end(&mut self, error: Option<Box<Raised>>) -> Option<TaskId> {
        let id = self.current;
        let task = &mut self.tasks[id.index()];
        // An error is a deed too: the last thing that a task read may be all that tells it from another one.
        task.deeds = mix(task.deeds, u64::from(error.is_some()));
        if error.is_some() {
            task.error = error;
        }
        let waits = !task.waiters.is_empty();
        self.live -= 1;
        self.set_status(id, Status::Ended);
        if let Some(watch) = &mut self.watch {
            watch.ended(id);
        }
        if waits {
            self.wake_waiters(id);
        }
        match self.give_way(id) {
            Arrival::To(next) => Some(next),
            _ => None,
        }
    }

    /// Who waits for the task goes on.
    fn wake_waiters(&mut self, id: TaskId) {
        let mut waiters = std::mem::take(&mut self.tasks[id.index()].waiters);
        for waiter in waiters.drain(..) {
            self.set_status(waiter, Status::Going);
            self.going.push(waiter);
        }
        // Its room is used again.
        self.tasks[id.index()].waiters = waiters;
    }

    /// An enabled task takes its step.
    pub(super) fn take_step(&mut self, task: TaskId) {
        if self.leave(task) {
            self.going.push(task);
        } else {
            self.refuse(task);
        }
    }

    /// A task was to take a step that it cannot take. A search picks who is enabled, so only a repetition can come here.
    #[cold]
    fn refuse(&mut self, task: TaskId) {
        self.stop_unrepeatable(&format!("{} cannot take the step that it took before", self.names.path(task)));
    }

    /// Stops an execution that does not repeat what an earlier one did.
    #[cold]
    pub(super) fn stop_unrepeatable(&mut self, what: &str) {
        let reason = format!(
            "{what}: the body depends on something that forkcheck does not see, such as a clock, a random number of another \
             library, an atomic that was captured, the order of a hash map; FORKCHECK_CHECK_DETERMINISM=1 names the first \
             event that differs"
        );
        self.stop(Cut::Unrepeatable(reason));
    }

    /// A task leaves those that are enabled to take its step; false if it is none of them.
    #[inline(always)]
    fn leave(&mut self, task: TaskId) -> bool {
        if !self.enabled.remove(task) {
            return false;
        }
        self.order.push(task);
        self.stale = self.leading;
        self.woken.clear();
        self.tasks[task.index()].status = Status::Going;
        true
    }

    /// Nobody goes on in an execution that was cut.
    pub(super) fn give_up(&mut self) {
        self.going.clear();
        while let Some(&task) = self.enabled.as_slice().last() {
            self.enabled.remove(task);
        }
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

    /// A number by which one sees, mostly, that this moment is another one: how many tasks there are, and what some of those have
    /// done that are about to step.
    pub(super) fn moment(&self) -> u64 {
        let counts = (self.made.len() as u64) << 32 | self.enabled.len() as u64;
        let some = self.order.last().copied().into_iter().chain(self.enabled.iter().take(8));
        some.fold(counts, |sum, task| mix(sum ^ u64::from(task.number()), self.tasks[task.index()].deeds))
    }

    /// A place that an error has come through.
    pub(super) fn place(&self, what: &'static str, file: Cow<'static, str>, line: u32, column: u32) -> Site {
        self.shared().sites.number_at(file, line, column, what)
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
}

/// Where things were made, and what they are.
pub(super) type Made = BTreeMap<SlotId, (&'static str, &'static Caller<'static>)>;

/// Locations that turned out to be raced for.
pub(super) type NewlyHot = BTreeSet<Location>;
