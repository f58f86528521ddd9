//! A Rust body as something to explore: a [`Subject`], and its executions.
//!
//! A native stack cannot be copied, so there is no way back but to begin again: to rewind is to run the body once more and
//! to take the same steps. That is cheap, because stacks and tables are used again, and it rests on the body being a
//! function of its schedule; where it is not, the first step that is not possible again says so.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use forkcheck_model::difference::first_difference;
use forkcheck_model::digest::Digest;
use forkcheck_model::graph::Span;
use forkcheck_model::slot::SlotId;
use forkcheck_model::value::{Generator, Value};
use forkcheck_scheduler::schedule::program_tag;
use forkcheck_scheduler::{
    Access, Clock, Enabled, Ending, Footprint, Kind, Location, Moment, Refused, Schedule, Scheduler, System, TaskId,
    Tasks,
};
use rustc_hash::FxHashSet;
use smallvec::{SmallVec, smallvec};

use super::fork::attempt;
use super::guarded::Thread;
use super::look::{Kept, Look, Shown};
use super::sites::Sites;
use super::stack::{Driver, Job, Stacks};
use super::state::{Begin, Met, Shared, State, Status, Strategy, Touched, Turn, Way, step_of_look};
use super::world::{self, World};
use super::{edge, lock, outside, panics, stack};
use crate::check::Findings;
use crate::config::{Atomicity, Config, Limits};
use crate::execution::{ChildFirst, Cut, Event, Execution, Go, Guide, Outcome, Raised, Site, Subject};
use crate::explore::loom::{Alone, Next};
use crate::explore::repeat::compare;
use crate::explore::schedule::replay;
use crate::explore::{Exploration, Hot};
use crate::report::Difference;
use crate::report::build::json;
use forkcheck_scheduler::strategy::replay::Mode;

/// What is checked: a function that is called once for each execution.
pub(super) type Main = Arc<dyn Fn() -> Arc<dyn Kept> + Send + Sync>;

/// A Rust body with all that its executions share.
#[derive(Clone)]
pub(super) struct Body {
    pub(super) main: Main,
    /// What reports call it.
    pub(super) name: String,
    /// The test that runs it, for the command that repeats a schedule.
    pub(super) test: Option<String>,
    /// Where the check stands.
    pub(super) file: String,
    pub(super) driver: Driver,
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) adopted: Arc<FxHashSet<SlotId>>,
    /// What was passed in from outside: by path its contents, and how to put them back.
    pub(super) given: Option<Arc<dyn Given>>,
}

/// What a body was given from outside.
pub(super) trait Given: Send + Sync {
    /// Makes everything as it was at the start.
    fn restore(&self);
    /// Gives names to what there is.
    fn tell(&self);
    /// Looks at everything.
    fn look(&self, look: &mut Look) -> Shown;
}

impl Body {
    pub(super) fn new(main: Main, name: String, file: String, driver: Driver) -> Self {
        let shared = Shared { sites: Sites::reading(edge::read_source), ..Shared::default() };
        let (adopted, given, test) = (Arc::default(), None, edge::test());
        Self { main, name, test, file, driver, shared: Arc::new(Mutex::new(shared)), adopted, given }
    }

    /// The command that runs the test that the body is of: the one that runs now, or else what its name says. One example of a
    /// documentation cannot be named, so all are run.
    pub(super) fn command(&self) -> String {
        if self.is_example() {
            return "cargo test --doc".to_string();
        }
        let of_name = || {
            let name = self.name.split('#').next().unwrap_or(&self.name);
            name.split_once("::").map_or(name, |(_, test)| test)
        };
        format!("cargo test {}", self.test.as_deref().unwrap_or_else(of_name))
    }

    /// Whether it is an example of a documentation: rustdoc makes crates of these, in a folder that is new each time.
    fn is_example(&self) -> bool {
        self.name.starts_with("rust_out::") || self.name.contains("::__doctest_")
    }

    fn sites<R>(&self, work: impl FnOnce(&mut Sites) -> R) -> R {
        work(&mut lock(&self.shared).sites)
    }
}

impl Subject for Body {
    type Execution = Run;

    fn execution(&self, atomicity: Atomicity, limits: &Limits, names: Tasks) -> Run {
        panics::be_quiet();
        // A `Run` with coroutines stays on its thread.
        let bound = matches!(self.driver, Driver::Coroutine(_)).then(Thread::current);
        let mut state = State::new(self.shared.clone(), atomicity, limits.clone(), names, bound);
        state.adopted = self.adopted.clone();
        let main = Arc::new(MainJob { main: self.main.clone(), given: self.given.clone() });
        Run {
            serials: 0..0,
            main,
            state: Some(Box::new(state)),
            stacks: Stacks::new(self.driver),
            findings: Findings::default(),
            newly_hot: BTreeSet::new(),
            outcome: None,
            watches: true,
            met: None,
        }
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> &str {
        "main"
    }

    fn tag(&self) -> u32 {
        let file = if self.is_example() { "" } else { &self.file };
        program_tag(xxhash_rust::xxh3::xxh3_64(format!("{file}\n{}", self.name).as_bytes()))
    }

    fn span(&self, site: Site) -> Option<Span> {
        self.sites(|sites| sites.span(site))
    }

    fn user_span(&self, stack: &[Site]) -> Option<Span> {
        stack.first().and_then(|&site| self.span(site))
    }

    fn function_name(&self, site: Site) -> String {
        self.sites(|sites| sites.function(site)).unwrap_or_default()
    }

    fn operator(&self, site: Site) -> String {
        self.sites(|sites| sites.operator(site).to_string())
    }

    fn target(&self, raw: &str) -> String {
        self.sites(|sites| sites.named(raw))
    }

    fn replay_command(&self, schedule: &Schedule) -> String {
        format!("FORKCHECK_REPLAY={schedule} {}", self.command())
    }

    fn error_text(&self, raised: &Raised) -> String {
        let mut text = String::new();
        for &site in &raised.trail {
            if let Some(span) = self.span(site) {
                let what = self.operator(site);
                text.push_str(&format!("{what} at {}:{}\n", span.file(), span.line()));
            }
        }
        text.push_str(&format!("{}: {}", raised.class.as_deref().unwrap_or("panic"), raised.message));
        text
    }

    fn difference(&self, config: &Config, first: &Schedule, second: &Schedule) -> Option<Difference> {
        let end = |schedule: &Schedule| {
            let run = replay(self, schedule, Mode::Strict, &config.limits).execution;
            Some((run.failure()?, run.views(self)))
        };
        let ((a_failed, a), (b_failed, b)) = (end(first)?, end(second)?);
        if a_failed != b_failed {
            let text = |failed: Option<String>, views: &[(String, Value)]| match failed {
                Some(failed) => failed.into(),
                None => json(&views[0].1),
            };
            return Some(Difference { place: "output".to_string(), a: text(a_failed, &a), b: text(b_failed, &b) });
        }
        let found = a.iter().zip(&b).find_map(|((name, a), (_, b))| first_difference(name, a, b))?;
        Some(Difference { place: found.place, a: json(&found.a), b: json(&found.b) })
    }

    fn loom(&self, config: &Config, mut first: Exploration) -> Exploration {
        // With a body that cannot be repeated loom may come to no end.
        let guides = (&mut ChildFirst, &mut ChildFirst);
        if let Some(divergence) = compare(self, config.atomicity, &config.limits, guides.0, guides.1) {
            first.cut = Some(Cut::Unrepeatable(format!("loom cannot run this body: {divergence}")));
            return first;
        }
        crate::explore::loom::search(self, config, first)
    }
}

/// The body itself, as what main runs.
struct MainJob {
    main: Main,
    given: Option<Arc<dyn Given>>,
}

impl Job for MainJob {
    fn run(self: Arc<Self>) -> Option<TaskId> {
        if let Some(given) = &self.given {
            given.tell();
        }
        let (kept, error) = match attempt(|| (self.main)()) {
            Ok(kept) => (Some(kept), None),
            Err(failed) => (None, Some(failed.0)),
        };
        meet_globals();
        let given = self.given.as_deref();
        let mut look = Look::default();
        let mut shown = look_with(&mut look, kept.as_deref(), error.as_deref(), given);
        let serial = world::checked(|state| {
            state.task().error.clone_from(&error);
            state.result = kept;
            state.leading |= look.leads.iter().any(|slot| state.hot().contains(&Location(slot.bits())));
            state.serial
        });
        step_of_look(serial.unwrap_or_default(), &look.touches, || {
            let mut look = Look::default();
            shown = look_now(&mut look, given);
            look.touches
        });
        let digest = digest(&shown);
        world::checked(|state| {
            state.at_return = Some(digest);
            state.alone = state.live == 1;
            state.end(error)
        })
        .flatten()
    }
}

/// Begins the globals that nobody has touched yet in this execution, and that others have known: the caller looks at all.
fn meet_globals() {
    let unmet = world::checked(|state| {
        state.looked = true;
        state.unmet()
    });
    for (slot, begin) in unmet.into_iter().flatten() {
        // If that panics, whoever touches it first will show it.
        if let Ok(met) = attempt(|| begin.met(slot)) {
            world::checked(|state| state.meet(met, begin));
        }
    }
}

impl Begin {
    /// Makes the global of this execution.
    pub(super) fn met(&self, slot: SlotId) -> Met {
        let begun = world::checked(|state| state.begin_global(Some(inside(slot))));
        let value = attempt(|| (self.begin)());
        world::checked(|state| state.begin_global(begun.flatten()));
        let value = value.unwrap_or_else(|failed| resume_unwind(Box::new(failed)));
        let at_first = digest(&[value.look(&mut Look::default()).0]);
        Met { slot, made: self.made, value, at_first }
    }
}

/// The number of the first thing that a global makes when it begins, far from those of others.
fn inside(slot: SlotId) -> u32 {
    xxhash_rust::xxh3::xxh3_64(&slot.bits().to_le_bytes()) as u32 | 0x100
}

/// What the caller sees now: the result, what was passed in, the globals, the generator if anybody drew.
fn look_with(look: &mut Look, result: Option<&dyn Kept>, error: Option<&Raised>, given: Option<&dyn Given>) -> Views {
    let found = world::checked(|state| (state.globals.clone(), state.drawn_from()));
    let (globals, generator) = found.expect("it is asked by executions");
    look_at(look, result, error, &globals, generator, given, false)
}

/// The same of an execution that has its result already.
fn look_now(look: &mut Look, given: Option<&dyn Given>) -> Views {
    let found = world::checked(|state| (state.result.clone(), state.tasks[0].error.clone()));
    let (result, error) = found.expect("it is asked by executions");
    look_with(look, result.as_deref(), error.as_deref(), given)
}

/// Finds out anew what the caller's look is about to touch, where others may have led it elsewhere.
fn look_again(given: Option<&dyn Given>) {
    let mut look = Look::default();
    look_now(&mut look, given);
    world::checked(|state| state.park_look(&look.touches));
}

/// The pairs of a path and contents that a look at what was passed in consists of.
fn by_path(given: &Value) -> Vec<(String, Value)> {
    let Value::Tuple(rows) = given else { return Vec::new() };
    let row = |row: &Value| match row {
        Value::Tuple(pair) => match &pair[..] {
            [Value::Str(path), contents] => Some((path.to_string(), contents.clone())),
            _ => None,
        },
        _ => None,
    };
    rows.iter().filter_map(row).collect()
}

/// What is seen: mostly the result alone, and that needs no allocation.
type Views = SmallVec<[Value; 1]>;

/// Globals that are as they were at first are left out, unless the `whole` is wanted.
fn look_at(
    look: &mut Look,
    result: Option<&dyn Kept>,
    error: Option<&Raised>,
    globals: &[Met],
    generator: Option<Generator>,
    given: Option<&dyn Given>,
    whole: bool,
) -> Views {
    let mut shown: Views = smallvec![match (result, error) {
        (Some(result), _) => result.look(look).0,
        (None, Some(raised)) => Value::str(format!("panic: {}", raised.message)),
        (None, None) => Value::str("deadlock"),
    }];
    if let Some(given) = given {
        shown.push(given.look(look).0);
    }
    for met in globals {
        look.reads_whole(met.slot, met.value.leads());
        let contents = met.value.look(look).0;
        if whole {
            shown.push(contents);
        } else if digest(std::slice::from_ref(&contents)) != met.at_first {
            // Which one it is tells it from others with the same contents.
            shown.push(Value::tuple(vec![Value::Int(met.slot.bits() as i64), contents]));
        }
    }
    if let Some(generator) = generator {
        shown.push(Value::Generator(generator));
    }
    // A draw that is still to come would change the generator, so the look is at it even if nobody has drawn yet.
    look.reads(Touched::whole(SlotId::GENERATOR, Kind::Read));
    shown
}

/// What tells what the caller sees from other things: a number alone by itself, for that is what bodies return most.
fn digest(shown: &[Value]) -> u128 {
    match shown {
        [Value::Int(number)] => xxhash_rust::xxh3::xxh3_128_with_seed(&number.to_le_bytes(), 1),
        [Value::Bool(truth)] => xxhash_rust::xxh3::xxh3_128_with_seed(&[u8::from(*truth)], 2),
        _ => Digest::of(shown).0,
    }
}

/// Numbers for executions, which no other one of the process ever has.
fn serials() -> Range<u64> {
    /// They are taken many at a time, for an execution may be as short as fifty agreements with other threads on a number.
    const MANY: u64 = 1 << 10;
    static NEXT: AtomicU64 = AtomicU64::new(outside::SERIAL + 1);
    let first = NEXT.fetch_add(MANY, Ordering::Relaxed);
    first..first + MANY
}

/// One execution of a body after another.
pub(super) struct Run {
    serials: Range<u64>,
    main: Arc<MainJob>,
    /// Not here while tasks run: then it is in the world that they see.
    state: Option<Box<State>>,
    stacks: Stacks,
    findings: Findings,
    newly_hot: BTreeSet<Location>,
    outcome: Option<Outcome>,
    /// Whether anything is looked for at all.
    watches: bool,
    /// The number of the last execution that did what a watched one did: mostly the next one does the same.
    met: Option<u64>,
}

impl Run {
    fn state(&self) -> &State {
        self.state.as_ref().expect("no task runs now")
    }

    fn state_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("no task runs now")
    }

    /// Begins an execution anew.
    fn begin(&mut self, way: Way, watched: bool) {
        // Tasks that are in the middle of something are taken down; their destructors see no execution.
        self.stacks.clear();
        let serial = self.serials.next().unwrap_or_else(|| {
            self.serials = serials();
            self.serials.next().expect("there are some")
        });
        stack::drop_left(self.state_mut().reset(serial));
        self.main.given.iter().for_each(|given| given.restore());
        self.outcome = None;
        let main = self.main.clone();
        let watches = watched && self.watches;
        self.state_mut().begin(main, way, watches.then(Default::default));
    }

    /// Gives control to a task, and to those that it is handed over to, until one pauses or ends and does not say who goes on.
    #[inline(always)]
    fn resume(&mut self, task: TaskId) {
        self.stacks.run(task, |task| {
            let job = world::checked(|state| state.tasks[task.index()].job.take()).flatten();
            job.expect("a task has a stack from its first step to its end").0
        });
    }

    /// Lets somebody work while the tasks of this execution can run.
    fn inside<R>(&mut self, work: impl FnOnce(&mut Self) -> R) -> R {
        /// Takes the execution back, even from a panic.
        struct Inside<'a>(&'a mut Run);
        impl Drop for Inside<'_> {
            fn drop(&mut self) {
                if let World::Checked(state) = world::take() {
                    self.0.state = Some(state);
                }
            }
        }
        world::put(World::Checked(self.state.take().expect("no task runs now")));
        let inside = Inside(self);
        work(inside.0)
    }

    /// Lets tasks run until each is about to touch a hot location, waits or has ended; and to the end, if a strategy is there
    /// to be asked.
    #[inline(always)]
    fn settle(&mut self) {
        self.inside(|run| {
            while let Some(turn) = world::checked(State::next).flatten() {
                match turn {
                    Turn::Run(next) => run.resume(next),
                    Turn::Look => look_again(run.main.given.as_deref()),
                }
            }
        });
    }

    /// Goes on by the steps of these tasks.
    fn follow(&mut self, order: &[TaskId]) {
        self.settle();
        for &task in order {
            self.state_mut().take_step(task);
            self.settle();
        }
    }

    /// An execution that has come to its end: its outcome is found, and if it did something new, it is watched.
    fn conclude_search(&mut self) {
        self.find_outcome();
        self.note_missed();
        let state = self.state();
        if !self.watches || !state.enabled.is_empty() || state.cut.is_some() {
            return;
        }
        let signature = self.signature();
        if self.met == Some(signature) || state.shared().familiar.contains(&signature) {
            self.met = Some(signature);
            return;
        }
        if state.watch.is_none() {
            let order = state.order.clone();
            self.begin(Way::Searched, true);
            self.follow(&order);
            self.find_outcome();
            if self.state().cut.is_none() && self.signature() != signature {
                self.state_mut().stop_unrepeatable("an execution that is repeated does something else");
                self.outcome = None;
            }
            self.conclude_watch(signature);
        }
    }

    /// A global that the caller should have looked at is raced for: then all begins anew, with a look that is at it.
    fn note_missed(&mut self) {
        let missed = std::mem::take(&mut self.state_mut().missed);
        self.newly_hot.extend(missed);
    }

    /// A number for what all tasks did, and what came of it: which futures the caller holds, say, and which errors are lost.
    fn signature(&self) -> u64 {
        let outcome = self.outcome.as_ref().map_or(0, |outcome| outcome.digests.0 ^ outcome.digests.1.rotate_left(1));
        self.state().signature() ^ outcome as u64
    }

    /// Takes what a watch has seen of an execution that is over.
    fn conclude_watch(&mut self, signature: u64) {
        let held = self.held();
        let Some(mut watch) = self.state_mut().watch.take() else { return };
        let over = self.state().cut.is_none();
        if over {
            watch.conclude(self.state(), &held);
            self.state().shared().familiar.insert(signature);
        }
        self.newly_hot.append(&mut watch.newly_hot);
        self.findings.absorb(std::mem::take(&mut watch.findings), |task| task);
    }

    /// The tasks whose futures the caller still holds.
    fn held(&self) -> FxHashSet<TaskId> {
        self.seen(false).0.futures.into_iter().collect()
    }

    /// What there is to see now.
    fn seen(&self, whole: bool) -> (Look, Views) {
        let state = self.state();
        let main = &state.tasks[0];
        let error = main.error.as_deref().filter(|_| main.status == Status::Ended);
        let result = state.result.as_deref();
        let mut look = Look::default();
        let given = self.main.given.as_deref();
        let shown = look_at(&mut look, result, error, &state.globals, state.drawn_from(), given, whole);
        (look, shown)
    }

    /// How the execution failed, if it did; nothing if it was cut.
    fn failure(&self) -> Option<Option<String>> {
        let outcome = self.outcome.as_ref()?;
        let raised = || outcome.error.as_ref().map(|raised| format!("panic: {}", raised.message));
        Some(if outcome.deadlock.is_empty() { raised() } else { Some("deadlock".to_string()) })
    }

    /// What the caller sees when all is over, by name: the result, what was passed in, the globals, the generator.
    fn views(&self, body: &Body) -> Vec<(String, Value)> {
        let mut seen = self.seen(true).1.into_iter();
        let mut views = vec![("output".to_string(), seen.next().expect("there is a result, or an error"))];
        if self.main.given.is_some() {
            views.extend(seen.next().iter().flat_map(by_path));
        }
        let globals = self.state().globals.iter().map(|met| {
            let made = met.made;
            body.target(&format!("global made at {}:{}", made.file(), made.line()))
        });
        views.extend(globals.zip(&mut seen));
        views.extend(seen.map(|generator| ("global RNG".to_string(), generator)));
        views
    }

    fn find_outcome(&mut self) {
        let state = self.state();
        let over = state.cut.is_none() && state.enabled.is_empty() && state.going.is_empty();
        if !over || (state.live > 0 && state.made.iter().any(|&task| state.is_ready(task))) {
            return;
        }
        // What nobody can have changed since the return is not looked at again.
        let at_rest = match state.at_return {
            Some(digest) if state.alone => digest,
            _ => digest(&self.seen(false).1),
        };
        let state = self.state();
        let main = &state.tasks[0];
        let error = main.error.as_deref().filter(|_| main.status == Status::Ended).cloned();
        let digests = (state.at_return.unwrap_or(at_rest), at_rest);
        let deadlock = if state.live > 0 { state.stuck() } else { Vec::new() };
        self.outcome = Some(Outcome { digests, error, deadlock });
    }
}

impl Moment for Run {
    fn enabled(&self) -> &Enabled {
        self.state().enabled()
    }

    fn woken(&self) -> &[TaskId] {
        self.state().woken()
    }

    fn pending(&self, task: TaskId) -> &Footprint {
        self.state().pending(task)
    }

    fn order(&self) -> &[TaskId] {
        self.state().order()
    }
}

/// A moment of an execution, to be come back to.
#[derive(Debug)]
pub(super) struct Mark {
    /// How many steps led there.
    steps: usize,
    /// By which one sees that the way back leads to the same moment.
    moment: u64,
}

impl System for Run {
    type Mark = Mark;

    fn step(&mut self, task: TaskId) -> Result<(), Refused> {
        self.outcome = None;
        self.state_mut().take_step(task);
        self.settle();
        if self.state().cut.is_some() {
            return Err(Refused);
        }
        if self.state().enabled.is_empty() {
            self.conclude_search();
        }
        if self.state().cut.is_some() { Err(Refused) } else { Ok(()) }
    }

    fn mark(&mut self) -> Mark {
        Mark { steps: self.state().order.len(), moment: self.state().moment() }
    }

    fn rewind(&mut self, mark: &Mark) {
        // What could not be repeated before may have ended early.
        let steps = mark.steps.min(self.state().order.len());
        let order = self.state().order[..steps].to_vec();
        self.begin(Way::Searched, false);
        self.follow(&order);
        let state = self.state_mut();
        if state.cut.is_none() && (steps, state.moment()) != (mark.steps, mark.moment) {
            state.stop_elsewhere();
        }
    }

    fn clock(&self, task: TaskId) -> &Clock {
        &self.state().tasks[task.index()].clock
    }

    fn varies(&self, task: TaskId) -> bool {
        self.state().is_led(task)
    }

    fn repeats(&self) -> bool {
        false
    }
}

impl Execution for Run {
    type Touches = Footprint;

    fn with_hot(mut self, hot: Hot) -> Self {
        self.state_mut().set_hot(hot);
        self
    }

    fn with_findings(mut self, findings: Findings) -> Self {
        self.findings = findings;
        self
    }

    fn into_search(mut self) -> Self {
        self.begin(Way::Searched, false);
        self.settle();
        self.conclude_search();
        self
    }

    fn unwatched(mut self) -> Self {
        self.watches = false;
        self
    }

    fn linear(mut self) -> Self {
        self.state_mut().clocks = false;
        self
    }

    fn campaign(&mut self, start: &Mark, scheduler: Box<dyn Scheduler + Send>) -> (Ending, Box<dyn Scheduler + Send>) {
        assert_eq!(start.steps, 0, "a strategy sees an execution from its first step on");
        self.begin(Way::Searched, false);
        // Here tasks ask the strategy themselves. The first one that does sees whether this is the start.
        let state = self.state_mut();
        (state.scheduler, state.start) = (Some(Strategy(scheduler)), Some(start.moment));
        self.settle();
        let state = self.state_mut();
        let Strategy(scheduler) = state.scheduler.take().expect("whoever asks it puts it back");
        if state.cut.is_some() {
            return (Ending::Cut, scheduler);
        }
        self.conclude_search();
        (Ending::Complete, scheduler)
    }

    fn run(&mut self, guide: &mut dyn Guide<Self>) {
        self.begin(Way::Guided, true);
        self.state_mut().asks = !guide.is_plain();
        self.state_mut().going.clear();
        let mut current = TaskId::MAIN;
        loop {
            if self.state().cut.is_some() {
                break;
            }
            if !self.state().is_ready(current) {
                let Some(next) = self.state().ready.newest() else { break };
                current = next;
            }
            if self.state().tasks[current.index()].status == Status::Parked {
                let parked = &self.state().tasks[current.index()].parked;
                let site = parked.site.expect("a guided task has a site");
                let event = Event { task: current, site, phase: parked.phase, touches: &parked.touched };
                let half = match guide.before(self, &event) {
                    Go::On => false,
                    Go::Half => true,
                    Go::To(other) => {
                        assert!(self.state().is_ready(other), "a guide names a task that can go on");
                        current = other;
                        continue;
                    }
                    Go::Stop => return,
                };
                let task = &mut self.state_mut().tasks[current.index()];
                task.parked.half = half;
                task.status = Status::Going;
            }
            self.state_mut().current = current;
            self.inside(|run| run.resume(current));
            // A child goes first; who was woken is ready.
            if let Some(&next) = self.state().going.last() {
                if self.state().forked_last(current) == Some(next) {
                    current = next;
                }
                self.state_mut().going.clear();
            }
        }
        self.find_outcome();
        self.note_missed();
        let signature = self.signature();
        self.conclude_watch(signature);
    }

    fn outcome(&self) -> Option<Outcome> {
        self.outcome.clone()
    }

    fn cut(&self) -> Option<&Cut> {
        self.state().cut.as_ref()
    }

    fn steps(&self) -> u64 {
        self.state().steps
    }

    fn task_count(&self) -> u32 {
        self.state().made.len() as u32
    }

    fn names(&self) -> &Tasks {
        &self.state().names
    }

    fn newly_hot(&self) -> &BTreeSet<Location> {
        &self.newly_hot
    }

    fn take_findings(&mut self) -> Findings {
        std::mem::take(&mut self.findings)
    }

    fn into_parts(mut self) -> (Findings, Tasks) {
        let names = std::mem::take(&mut self.state_mut().names);
        (std::mem::take(&mut self.findings), names)
    }

    fn is_ready(&self, task: TaskId) -> bool {
        self.state().is_ready(task)
    }

    fn newest_first(&self) -> impl Iterator<Item = TaskId> {
        self.state().ready.newest_first()
    }

    fn is_hot(&self, touches: &Footprint) -> bool {
        touches.accesses().iter().any(|access| self.state().hot().contains(&access.location))
    }

    fn footprint(&self, touches: &Footprint) -> Footprint {
        touches.clone()
    }

    fn halves(&self, event: &Event<'_, Self>) -> bool {
        let hot = |access: &&Access| self.state().hot().contains(&access.location);
        let any = |test: fn(Kind) -> bool| event.touches.accesses().iter().filter(hot).any(|access| test(access.kind));
        event.phase == 0 && self.can_halve(event.task) && any(Kind::reads) && any(Kind::writes)
    }

    fn can_halve(&self, task: TaskId) -> bool {
        self.state().atomicity == Atomicity::Split && self.state().tasks[task.index()].parked.splits
    }

    fn anchor(&self, site: Site) -> u64 {
        self.state().shared().sites.anchor(site)
    }
}

/// Each task by a thread of somebody else's, who is told of forks, waits and hot steps.
impl Alone for Run {
    fn alone(mut self) -> Self {
        self.begin(Way::Driven, false);
        self
    }

    fn advance(&mut self, task: TaskId) -> Next {
        if self.state().cut.is_some() || self.state().tasks[task.index()].status != Status::Going {
            return Next::Over;
        }
        let state = self.state_mut();
        // Who goes on is for the threads to say.
        state.going.clear();
        state.current = task;
        self.inside(|run| run.resume(task));
        let state = self.state();
        if state.cut.is_some() {
            return Next::Over;
        }
        match state.tasks[task.index()].status {
            Status::Going => Next::Forked(state.forked_last(task).expect("it has just forked")),
            Status::Waiting(target) => Next::Waits(target),
            Status::Ended => Next::Over,
            Status::Parked => {
                let accesses = state.tasks[task.index()].parked.footprint().accesses();
                let mut locations: Vec<Location> = accesses.iter().map(|access| access.location).collect();
                locations.dedup();
                Next::Touches(locations)
            }
        }
    }

    fn take(&mut self, task: TaskId) -> Next {
        if self.state().tasks[task.index()].status == Status::Parked {
            self.state_mut().take_step(task);
        }
        self.advance(task)
    }

    fn stop(&mut self, cut: Cut) {
        self.state_mut().stop(cut);
    }

    fn conclude(&mut self) {
        self.state_mut().going.clear();
        self.conclude_search();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Before the state that their destructors might ask for.
        self.stacks.clear();
        if let Some(mut state) = self.state.take() {
            stack::drop_left(state.reset(0));
            state.keep_room();
        }
        // What was passed in is left as it was found.
        self.main.given.iter().for_each(|given| given.restore());
        debug_assert!(!stack::is_falling());
    }
}
