//! One execution of a program: tasks that take steps in whatever order they are told to.
//!
//! A machine runs in one of two ways. In the *default order* ([`Machine::run`]) it goes on as plain Python would, each
//! fork to its end at the fork, unless a [`Guide`] sends it elsewhere before an event. For *searches* it is a
//! [`System`](forkcheck_scheduler::System): every task runs until it is about to touch a location that others race for,
//! and the search says whose such step comes next. All state is in slots and in tasks that are copied when they are
//! changed, so that a search goes back to any earlier point without starting over.

pub mod access;
pub mod alone;
pub mod code;
mod digest;
mod execute;
mod execution;
mod joins;
mod live;
pub(crate) mod node;
mod observe;
mod ready;
pub mod reuse;
mod system;
mod task;
mod types;
mod undo;

use std::cell::RefCell;
use std::sync::Arc;

use forkcheck_model::copy::copy_deep;
use forkcheck_model::digest::Digest;
use forkcheck_model::operators::Printed;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::value::{Generator, Value};
use forkcheck_scheduler::{Clock, Enabled, Location, TaskId, Tasks};
use rustc_hash::FxHashSet;
use std::collections::{BTreeMap, BTreeSet};

use crate::check::joins::Joined;
use crate::check::{Findings, Shadow};
use crate::config::{Atomicity, Limits};
use crate::names::{NameKey, Named};
use crate::program::Program;

pub use crate::execution::{ChildFirst, Cut, Event, Go, Guide, Outcome, OutcomeKey, Raised, Site};
use access::Touches;
use code::{Action, Codes};
pub(crate) use execute::{apply, of_a_call, private_copies, public};
pub use ready::Ready;
pub use system::Mark;
pub(crate) use task::Store;
pub(crate) use task::{Frame, Returns};
pub use task::{State, Task};

/// The seed of the default generator at the start of every execution.
pub(crate) const GENERATOR_SEED: u64 = 0;

/// After how many steps it is asked whether the time is up.
pub(crate) const LIMITS_EVERY: u64 = 4096;

/// One execution of a program.
#[derive(Debug)]
pub struct Machine {
    program: Program,
    atomicity: Atomicity,
    limits: Limits,
    /// By number; `None` for a task that this execution has not forked.
    tasks: Vec<Option<Arc<Task>>>,
    /// The tasks by age, and which of them can go on.
    ready: Ready,
    /// Names of all tasks of all executions.
    names: Tasks,
    /// The root object and the arguments, as this execution changes them.
    entry: Vec<Value>,
    /// Constants that can be written.
    shared: Vec<Value>,
    /// How many slots of main's hold these and the arguments.
    given: u32,
    generator: Generator,
    printed: Printed,
    steps: u64,
    cut: Option<Cut>,
    looks: Looks,
    /// Locations where the order of accesses matters.
    hot: Arc<FxHashSet<Location>>,
    /// Tasks that are about to touch a hot location.
    enabled: Enabled,
    /// Whether a task was ever parked before a step of which others can change what it touches.
    leading: bool,
    /// Those that the last step of the search enabled.
    woken: Vec<TaskId>,
    /// Who took each step of the search.
    order: Vec<TaskId>,
    /// In a search, what it puts back when it returns.
    undo: Option<undo::Log>,
    /// In a search, what of the given slots was written.
    heap: RefCell<digest::Heap>,
    shadow: Shadow,
    /// Every fork, and every wait that was passed, in the order in which they came.
    joined: Vec<Joined>,
    /// Whether accesses are watched at all.
    watched: bool,
    findings: Findings,
    /// In a search, pairs of deeds of which it was said that they race.
    told: FxHashSet<(u128, u128)>,
    /// Locations that turned out to be raced for but were not hot.
    newly_hot: BTreeSet<Location>,
    /// What kernels gave, if a search has opened it.
    reuse: Option<reuse::Reuse>,
    /// Names that were looked for and found.
    named: RefCell<BTreeMap<NameKey, Named>>,
}

/// The two looks at the outcome.
#[derive(Debug, Clone, Default)]
struct Looks {
    at_return: Option<u128>,
    /// Copies of what was seen, if asked for.
    kept: Option<Kept>,
    keep: bool,
}

/// What the caller sees.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The result, if there was no error.
    pub result: Option<Value>,
    /// The root object, then the arguments.
    pub entry: Vec<Value>,
}

/// What a step led to.
enum Flow {
    /// The task can go on.
    Next,
    /// It forked this task.
    Forked(TaskId),
    /// It waits.
    Waits,
    /// It has ended; these can go on.
    Ended(Vec<TaskId>),
}

impl Machine {
    /// A machine about to start `program`, in a state of its own.
    pub fn new(program: &Program, atomicity: Atomicity, limits: Limits, names: Tasks) -> Self {
        let mut allocator = Allocator::new(0, Memory::with_limit(limits.memory));
        let entry = program.entry_values(&mut allocator);
        Self::start(program, entry, allocator, atomicity, limits, names)
    }

    /// A machine about to call the entry of `program` on these very values.
    pub fn on(program: &Program, args: Vec<Value>, atomicity: Atomicity, limits: Limits, names: Tasks) -> Self {
        let allocator = Allocator::new(0, Memory::with_limit(limits.memory));
        Self::start(program, args, allocator, atomicity, limits, names)
    }

    fn start(
        program: &Program,
        entry: Vec<Value>,
        mut allocator: Allocator,
        atomicity: Atomicity,
        limits: Limits,
        names: Tasks,
    ) -> Self {
        let shared = program.shared_values(&mut allocator);
        let given = allocator.count();
        let frame = Frame::new(program.codes.function(program.entry).clone(), entry.iter().cloned(), Returns::Task);
        let main = Task {
            id: TaskId::MAIN,
            age: 0,
            frames: vec![frame],
            state: State::Ready,
            clock: Clock::root(),
            allocator,
            modes: program.modes(),
            forked: BTreeMap::new(),
            store: None,
            waiters: Vec::new(),
            calls: program.codes.no_calls.clone(),
            fork: None,
            parked: None,
            name: digest::MAIN,
            deeds: digest::MAIN.into(),
            epoch: 0,
            memo: Default::default(),
        };
        Self {
            program: program.clone(),
            atomicity,
            limits,
            tasks: vec![Some(Arc::new(main))],
            ready: Ready::new(),
            names,
            entry,
            shared,
            given,
            generator: Generator::default_seeded(GENERATOR_SEED),
            printed: Printed::default(),
            steps: 0,
            cut: None,
            looks: Looks::default(),
            hot: Arc::default(),
            enabled: Enabled::new(),
            leading: false,
            woken: Vec::new(),
            order: Vec::new(),
            undo: None,
            heap: RefCell::default(),
            shadow: Shadow::new(),
            watched: true,
            joined: Vec::new(),
            findings: Findings::default(),
            told: FxHashSet::default(),
            newly_hot: BTreeSet::new(),
            reuse: program.reuse.is_open().then(|| program.reuse.clone()),
            named: RefCell::default(),
        }
    }

    /// Runs to the end in the default order, or as `guide` says.
    pub fn run(&mut self, guide: &mut dyn Guide) {
        let program = self.program.clone();
        let mut current = TaskId::MAIN;
        while self.cut.is_none() {
            if !self.is_ready(current) {
                // The task that was made last goes on: its waiter, for a fork that has just ended.
                let Some(next) = self.ready.newest() else { break };
                current = next;
            }
            self.glide(&program.codes, current);
            let (site, phase, touches) = self.upcoming(current);
            let mut half = false;
            if !touches.is_empty() {
                match guide.before(self, &Event { task: current, site, phase, touches: &touches }) {
                    Go::On => {}
                    Go::Half => half = true,
                    Go::To(other) => {
                        assert!(self.is_ready(other), "a guide names a task that can go on");
                        current = other;
                        continue;
                    }
                    Go::Stop => return,
                }
            }
            if let Flow::Forked(child) = self.perform(&program.codes, current, site, &touches, half) {
                current = child;
            }
        }
        self.conclude();
    }

    /// How the execution ended; `None` if it was cut or has not ended.
    pub fn outcome(&self) -> Option<Outcome> {
        if self.cut.is_some() || !self.ready.is_empty() {
            return None;
        }
        let deadlock: Vec<_> = self.live().map(|task| task.id).collect();
        let error = match &self.task(TaskId::MAIN).state {
            State::Ended(Err(raised)) => Some(raised.clone()),
            _ => None,
        };
        let at_rest = self.look();
        Some(Outcome { digests: (self.looks.at_return.unwrap_or(at_rest), at_rest), error, deadlock })
    }

    /// What the entry returned or raised, if it has ended.
    pub fn into_result(self) -> Option<Result<Value, Raised>> {
        match &self.task(TaskId::MAIN).state {
            State::Ended(result) if self.cut.is_none() => Some(result.clone()),
            _ => None,
        }
    }

    /// Why the execution was cut.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// Looks for nothing: there will be no findings, and no certificate. For runs that are about values alone.
    #[must_use]
    pub fn unwatched(mut self) -> Self {
        self.watched = false;
        self
    }

    /// Keeps what kernels give, and takes it where it is known: for the first of many executions of the program.
    #[must_use]
    pub fn reusing(mut self) -> Self {
        self.program.reuse.open(self.limits.memory);
        self.reuse = self.program.reuse.is_open().then(|| self.program.reuse.clone());
        self
    }

    /// Accesses that a later one could race with.
    pub fn shadow(&self) -> &Shadow {
        &self.shadow
    }

    /// Keeps copies of what the caller sees when the entry returns.
    pub fn keep_values(&mut self) {
        self.looks.keep = true;
    }

    /// The copies of [`Machine::keep_values`].
    pub fn kept(&self) -> Option<&Kept> {
        self.looks.kept.as_ref()
    }

    /// The root object and the arguments as they are now.
    pub fn entry(&self) -> &[Value] {
        &self.entry
    }

    /// The constants that can be written, with the variable that each is bound to in the code.
    pub(crate) fn shared_constants(&self) -> impl Iterator<Item = (&Value, Option<String>)> {
        self.shared.iter().zip(&self.program.codes.shared).map(|(value, shared)| (value, shared.name.clone()))
    }

    /// Where the user wrote what stands at a site.
    pub(crate) fn site_span(&self, site: Site) -> Option<&forkcheck_model::graph::Span> {
        self.program.span(site)
    }

    /// What was printed.
    pub fn printed(&self) -> &Printed {
        &self.printed
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Tasks made, the first one included.
    pub fn task_count(&self) -> u32 {
        self.ready.count()
    }

    /// The names of all tasks.
    pub fn names(&self) -> &Tasks {
        &self.names
    }

    /// What was found so far.
    pub fn findings(&self) -> &Findings {
        &self.findings
    }

    /// What was found since the start or the last taking. What is found next, and how it is named, does not depend on it.
    pub fn take_findings(&mut self) -> Findings {
        self.told.clear();
        self.named.get_mut().clear();
        self.findings.take()
    }

    /// The findings and the names, for the next machine.
    pub fn into_parts(self) -> (Findings, Tasks) {
        (self.findings, self.names)
    }

    /// Goes on collecting where an earlier machine left off.
    pub fn with_findings(mut self, findings: Findings) -> Self {
        self.findings = findings;
        self
    }

    /// Locations that turned out to be raced for.
    pub fn newly_hot(&self) -> &BTreeSet<Location> {
        &self.newly_hot
    }

    /// Whether any of `touches` is of a location that others race for.
    pub fn is_hot(&self, touches: &Touches) -> bool {
        !self.hot.is_empty() && touches.iter().any(|touch| self.hot.contains(&touch.thing.location()))
    }

    /// Makes these locations the ones where the order of accesses matters.
    pub fn with_hot(mut self, hot: Arc<FxHashSet<Location>>) -> Self {
        self.hot = hot;
        self
    }

    /// The name of a site that lasts; see [`code::Codes::anchor`].
    pub fn anchor(&self, site: Site) -> u64 {
        self.program.codes.anchor(&self.program.module, site)
    }

    /// Whether the event is done in two halves because it reads and writes where others race.
    pub fn halves(&self, event: &Event<'_>) -> bool {
        self.splits(event.task, event.touches)
    }

    /// Whether the task's next step could be done in two halves.
    pub fn can_halve(&self, id: TaskId) -> bool {
        self.atomicity == Atomicity::Split && self.may_split(id)
    }

    /// Cuts the execution.
    pub fn stop(&mut self, cut: Cut) {
        self.cut.get_or_insert(cut);
    }

    /// The task `id`.
    ///
    /// # Panics
    /// If this execution has not forked it.
    pub fn task(&self, id: TaskId) -> &Task {
        self.tasks[id.index()].as_ref().expect("a task that was forked")
    }

    /// Whether this execution has forked the task.
    pub fn exists(&self, id: TaskId) -> bool {
        self.tasks.get(id.index()).is_some_and(|task| task.is_some())
    }

    /// Whether the task can take a step.
    pub fn is_ready(&self, id: TaskId) -> bool {
        self.exists(id) && self.task(id).is_ready()
    }

    fn task_mut(&mut self, id: TaskId) -> &mut Task {
        changed(&mut self.tasks, &mut self.undo, id)
    }

    /// Lets the task go on, or stops it.
    fn set_state(&mut self, id: TaskId, state: State) {
        let task = self.task_mut(id);
        task.state = state;
        let (age, ready) = (task.age, task.is_ready());
        self.ready.set(age, ready);
    }

    fn live(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().flatten().map(|task| &**task).filter(|task| !task.has_ended())
    }

    /// What the task would do next: the site, the half, and what it touches.
    fn upcoming(&self, id: TaskId) -> (Site, u8, Touches) {
        let task = self.task(id);
        if let State::Returned(result) = &task.state {
            let mut seen: Vec<Value> = result.iter().cloned().collect();
            seen.extend(self.entry.iter().cloned());
            // Nobody is left who could disturb the look, and what was disturbed before is in the shadow.
            return (Site::LOOK, 0, access::reachable(&seen, &self.generator));
        }
        let frame = task.frame();
        let instruction = &frame.code.instructions[frame.next];
        if let Some(store) = &task.store {
            return (instruction.site, 1, execute::store_touches(store));
        }
        let touches = match &instruction.action {
            Action::Node(kind) if access::may_touch(kind) => {
                let inputs: smallvec::SmallVec<[Value; 8]> = frame.values(&instruction.inputs).collect();
                access::of_node(kind, &inputs, &self.generator)
            }
            Action::Return => access::of_return(&frame.returns),
            _ => Touches::new(),
        };
        (instruction.site, 0, touches)
    }

    /// Lets the task take its next step, or the first half of it.
    fn perform(&mut self, codes: &Codes, id: TaskId, site: Site, touches: &Touches, half: bool) -> Flow {
        self.steps += 1;
        if self.steps > self.limits.steps {
            self.stop(Cut::Steps(self.limits.steps));
            return Flow::Waits;
        }
        if self.steps.is_multiple_of(LIMITS_EVERY) && self.limits.expired() {
            self.stop(Cut::Time);
            return Flow::Waits;
        }
        if !touches.is_empty() {
            // What an operator touches does not depend on whether it is done in halves: all is seen with the first.
            if self.task(id).store.is_none() {
                self.did(id, site, touches);
                if self.watched {
                    self.observe(id, site, touches);
                }
            }
            let first = half.then(|| execute::first_half(touches));
            let touches = first.as_ref().unwrap_or(touches);
            touches.iter().filter(|touch| touch.access.writes()).for_each(|touch| self.about_to_write(&touch.thing));
        }
        self.execute(codes, id, half)
    }

    /// The caller's look at everything.
    fn look(&self) -> u128 {
        match &self.task(TaskId::MAIN).state {
            State::Returned(result) | State::Ended(result) => look(result, &self.entry, &self.generator),
            // The entry waits for ever.
            _ => look(&Err(deadlocked()), &self.entry, &self.generator),
        }
    }

    /// Copies of what the caller sees now.
    pub fn snapshot(&self) -> Kept {
        let result = match &self.task(TaskId::MAIN).state {
            State::Returned(Ok(value)) | State::Ended(Ok(value)) => Some(value.clone()),
            _ => None,
        };
        let mut values = self.entry.clone();
        values.extend(result.clone());
        let mut copies = copy_deep(&values, &mut Allocator::new(0, Memory::unlimited()));
        let result = result.and_then(|_| copies.pop());
        Kept { result, entry: copies }
    }
}

/// What the caller sees: the digest of the result, the arguments, the attributes and the generator.
pub(crate) fn look(result: &Result<Value, Raised>, entry: &[Value], generator: &Generator) -> u128 {
    let mut values = vec![match result {
        Ok(value) => value.clone(),
        Err(raised) => Value::str(format!("{:?}: {}", raised.class, raised.message)),
    }];
    values.extend(entry[1..].iter().cloned());
    values.push(entry[0].clone());
    values.push(Value::Generator(generator.clone()));
    Digest::of(&values).0
}

/// What the result is taken for when the entry waits for ever.
pub(crate) fn deadlocked() -> Raised {
    Raised { class: None, message: "deadlock".to_string(), origin: TaskId::MAIN, trail: Vec::new() }
}

/// A task that is about to be changed: a search keeps it as it was.
fn changed<'t>(tasks: &'t mut [Option<Arc<Task>>], undo: &mut Option<undo::Log>, id: TaskId) -> &'t mut Task {
    let task = tasks[id.index()].as_mut().expect("a task that was forked");
    if let Some(undo) = undo {
        undo.save_task(task);
    }
    let task = Arc::make_mut(task);
    task.memo.forget();
    task
}
