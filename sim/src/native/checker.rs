//! The door for tests: a body in, a report or a panic out.

use std::fmt;
use std::panic::Location as Caller;
use std::path::PathBuf;
use std::sync::Arc;

use forkcheck_model::Error;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Schedule, Spec, TaskId};

use super::edge::{self, Store};
use super::fork::Input;
use super::look::{Kept, Look, Outcome, Shown};
use super::module::{Forward, Visitor};
use super::run::{Body, Given, Main};
use super::stack::Driver;
use super::world;
use crate::check::Kind;
use crate::config::{Atomicity, Config, Limits};
use crate::execution::{ChildFirst, Subject as _};
use crate::explore::repeat::compare;
use crate::report::{Report, Verdict, message_of};

/// How many executions of a test, if nobody says otherwise.
const EXECUTIONS: u64 = 1000;

/// Tasks that live at once: each has a stack of its own.
const TASKS: u32 = 10_000;

/// Bytes of a task's stack; only what is used of it is committed.
const STACK_BYTES: usize = 1 << 20;

/// Checks a body that forks: panics with a report if a fork is impure, or the result depends on the schedule.
///
/// It runs once if nothing races, because then every schedule gives the same result. Otherwise it runs under every schedule
/// that could differ, or under as many as the budget allows. The variables `FORKCHECK_…` are honoured, see
/// [`Checker::from_env`].
///
/// ```
/// use forkcheck::{check, fork, wait};
///
/// check(|| {
///     let a = fork(|x: i64| x + 1, (1,));
///     let b = fork(|x: i64| x * 2, (3,));
///     wait(&a) + wait(&b)
/// });
/// ```
///
/// What is found shows the lines of both sides:
///
/// ```should_panic
/// use forkcheck::{Attr, check, fork, wait};
///
/// check(|| {
///     let count = Attr::new(0);
///     let add = |count: Attr<i64>| { count.update(|n| n + 1); };
///     let (a, b) = (fork(add, (count.clone(),)), fork(add, (count.clone(),)));
///     wait(&a);
///     wait(&b);
///     count.get() // 2, or 1
/// });
/// ```
///
/// # Panics
/// With the report; and if a variable has a value that means nothing.
#[track_caller]
pub fn check<T: Outcome + Send + Sync + 'static>(body: impl Fn() -> T + Send + Sync + 'static) {
    Checker::of_env().check(body);
}

/// Audits a module on inputs, as the command audits an archive: is each fork pure, and is there one result?
///
/// Attributes, parameters and inputs are put back before each execution; what they hold in the end is a part of the outcome.
///
/// ```
/// use forkcheck::{Attr, Forward, Module, Tensor, Visitor, audit, fork, wait};
///
/// #[derive(Clone)]
/// struct Twice { calls: Attr<u64> }
///
/// impl Module for Twice {
///     fn visit(&self, visitor: &mut Visitor) {
///         visitor.attribute("calls", &self.calls);
///     }
/// }
///
/// impl Forward<(Tensor,)> for Twice {
///     type Out = Tensor;
///
///     fn forward(&self, (x,): (Tensor,)) -> Tensor {
///         let calls = self.calls.clone();
///         let double = fork(move |x: Tensor| { calls.update(|n| n + 1); x * 2.0 }, (x,));
///         wait(&double)
///     }
/// }
///
/// let report = audit(&Twice { calls: Attr::new(0) }, (Tensor::from([1.0f32]),));
/// assert_eq!(report.findings[0].target, "self.calls");
/// ```
#[track_caller]
pub fn audit<M, A>(module: &M, inputs: A) -> Report
where
    M: Forward<A> + Clone + Send + Sync + 'static,
    M::Out: Outcome + Send + Sync + 'static,
    A: Input + Clone + Send + Sync + 'static,
{
    Checker::new().audit(module, inputs)
}

/// How to check a body.
///
/// ```
/// use forkcheck::{Checker, fork, wait};
///
/// let report = Checker::new().strategy("dpor").budget(10_000).run(|| wait(&fork(|| 1, ())));
/// assert_eq!(report.verdict.unwrap().name(), "pure");
/// assert_eq!(report.stats.executions, Some(1));
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing until `run` or `check`"]
pub struct Checker {
    config: Config,
    driver: Driver,
    allowed: Vec<(Kind, Option<String>)>,
    expects: Expects,
    store: Store,
    replay: Option<Schedule>,
    /// Whether a schedule of another body is passed over: the environment speaks to all tests at once.
    lenient: bool,
    twice: bool,
    name: Option<String>,
}

/// What a check holds a body to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    /// No effect, and one outcome.
    Pure,
    /// One outcome.
    Deterministic,
}

impl Default for Checker {
    fn default() -> Self {
        Self::new()
    }
}

impl Checker {
    /// A checker with the strategy `auto`, 1000 executions, seed 0; it reads no variable and stores nothing.
    pub fn new() -> Self {
        let limits = Limits { tasks: TASKS, ..Limits::default() };
        Self {
            config: Config { executions: EXECUTIONS, limits, ..Config::default() },
            driver: Driver::Coroutine(STACK_BYTES),
            allowed: Vec::new(),
            expects: Expects::Pure,
            store: Store::off(),
            replay: None,
            lenient: false,
            twice: false,
            name: None,
        }
    }

    /// As the environment says, the only place where it is read:
    ///
    /// | variable | |
    /// |---|---|
    /// | `FORKCHECK_STRATEGY` | as of [`strategy`](Checker::strategy) |
    /// | `FORKCHECK_SEED` | of the strategies that draw |
    /// | `FORKCHECK_ITERS` | executions: with 1 and a run's seed, that run |
    /// | `FORKCHECK_BUDGET` | executions, or a time such as `30s` |
    /// | `FORKCHECK_REPLAY` | a schedule `fc1.…` that a report printed: of the body that it belongs to, it alone is run |
    /// | `FORKCHECK_PERSIST` | the folder where failures are stored, or `off`; otherwise `forkcheck-failures` |
    /// | `FORKCHECK_LOG` | what is logged, such as `info` |
    /// | `FORKCHECK_CHECK_DETERMINISM` | 1: the default schedule runs twice, and the first event that differs is named |
    ///
    /// # Errors
    /// If a value means nothing: which, and what was expected.
    pub fn from_env() -> Result<Self, Error> {
        edge::configure(Self::new())
    }

    /// The same; a value that means nothing is a panic of the caller's.
    #[track_caller]
    pub(crate) fn of_env() -> Self {
        match Self::from_env() {
            Ok(checker) => checker,
            Err(error) => panic!("{error}"),
        }
    }

    /// Who goes next: `auto`, `child-first`, `round-robin`, `random`, `pct:D`, `pos`, `uniform`, `dfs`, `dpor` or `loom`.
    ///
    /// # Panics
    /// If there is no such strategy.
    #[track_caller]
    pub fn strategy(mut self, name: &str) -> Self {
        match self.set_strategy(name) {
            Ok(()) => self,
            Err(error) => panic!("{error}"),
        }
    }

    pub(super) fn set_strategy(&mut self, name: &str) -> Result<(), String> {
        match name.parse::<Spec>() {
            Ok(Spec::Threads { .. }) => Err(format!(
                "expected a strategy that explores, found {name:?}: real threads are what `script` runs on"
            )),
            Ok(spec) => {
                self.config.strategy = spec;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// How many executions at most.
    pub fn budget(mut self, executions: u64) -> Self {
        self.config.ask_for(executions.max(1));
        self
    }

    /// The seed of strategies that draw.
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Whether an update of what is raced for is one step or two; two, if nobody says otherwise.
    pub fn atomicity(mut self, atomicity: Atomicity) -> Self {
        self.config.atomicity = atomicity;
        self
    }

    /// How many steps an execution may take; a body that takes more is taken not to end.
    pub fn steps(mut self, steps: u64) -> Self {
        self.config.limits.steps = steps;
        self
    }

    /// How many bytes the tensors of an execution may take at once.
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.config.limits.memory = bytes;
        self
    }

    /// Bytes of each task's stack: 1 MiB, if nobody says otherwise. A task that needs more ends the process.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.driver = match self.driver {
            Driver::Coroutine(_) => Driver::Coroutine(bytes),
            Driver::Thread(_) => Driver::Thread(bytes),
        };
        self
    }

    /// Runs each task on a thread of the operating system, one at a time: far slower, for debuggers and sanitizers.
    pub fn threads(mut self) -> Self {
        let (Driver::Coroutine(bytes) | Driver::Thread(bytes)) = self.driver;
        self.driver = Driver::Thread(bytes);
        self
    }

    /// Accepts an effect: findings of this kind about this target (as a report writes it), or about any if there is none.
    /// Outcomes are compared all the same.
    pub fn allow<'a>(mut self, kind: Kind, target: impl Into<Option<&'a str>>) -> Self {
        self.allowed.push((kind, target.into().map(str::to_string)));
        self
    }

    /// [`check`](Checker::check) holds the body to both: no effects, and one outcome. That is so unless said otherwise.
    pub fn expect_pure(mut self) -> Self {
        self.expects = Expects::Pure;
        self
    }

    /// [`check`](Checker::check) holds the body to one outcome, whatever effects its forks have.
    pub fn expect_deterministic(mut self) -> Self {
        self.expects = Expects::Deterministic;
        self
    }

    /// Stores failures in this folder, and runs them first the next time.
    pub fn persist(mut self, folder: impl Into<PathBuf>) -> Self {
        self.store = Store::folder(folder.into());
        self
    }

    /// What reports call the body, and what schedules and stored failures belong to; otherwise the path of the function it stands
    /// in, with `#2` for the second check there. A check in a loop or in a function that tests share is one body for all schedules:
    /// name it after what differs.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs only this schedule, which a report printed.
    ///
    /// # Panics
    /// If it is no schedule.
    #[track_caller]
    pub fn replay(mut self, schedule: &str) -> Self {
        match schedule.parse() {
            Ok(schedule) => self.replay = Some(schedule),
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// Runs the default schedule twice, and says where the two executions part if they do.
    pub fn check_determinism(mut self) -> Self {
        self.twice = true;
        self
    }

    pub(super) fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    pub(super) fn replay_if_own(&mut self, schedule: Schedule) {
        (self.replay, self.lenient) = (Some(schedule), true);
    }

    pub(super) fn store(&mut self, store: Store) {
        self.store = store;
    }

    /// Explores a body, and reports. Never panics over what it finds.
    ///
    /// # Panics
    /// In a harness already: the outer one could not see what the inner one runs.
    #[track_caller]
    pub fn run<T: Outcome + Send + Sync + 'static>(&self, body: impl Fn() -> T + Send + Sync + 'static) -> Report {
        let at = Caller::caller();
        let name = self.name.clone().unwrap_or_else(|| body_name(&body, at));
        let main: Main = Arc::new(move || -> Arc<dyn Kept> { Arc::new(body()) });
        self.explore(&Body::new(main, name, at.file().to_string(), self.driver), None, at)
    }

    /// Explores a module on inputs; see [`audit`].
    ///
    /// # Panics
    /// As [`run`](Checker::run).
    #[track_caller]
    pub fn audit<M, A>(&self, module: &M, inputs: A) -> Report
    where
        M: Forward<A> + Clone + Send + Sync + 'static,
        M::Out: Outcome + Send + Sync + 'static,
        A: Input + Clone + Send + Sync + 'static,
    {
        let at = Caller::caller();
        let mut visitor = Visitor::new();
        inputs.visit_input(&mut visitor);
        visitor.root(module);
        let name = self.name.clone().unwrap_or_else(|| std::any::type_name::<M>().to_string());
        let module = module.clone();
        let main: Main = Arc::new(move || -> Arc<dyn Kept> { Arc::new(module.forward(inputs.clone())) });
        let mut body = Body::new(main, name, at.file().to_string(), self.driver);
        body.adopted = Arc::new(visitor.found.iter().map(|((slot, _), ..)| *slot).collect());
        body.given = Some(Arc::new(Outside { visitor }));
        self.explore(&body, None, at)
    }

    /// Explores a body, and panics with the report if it is not what it is expected to be.
    ///
    /// # Panics
    /// As [`check`].
    #[track_caller]
    pub fn check<T: Outcome + Send + Sync + 'static>(&self, body: impl Fn() -> T + Send + Sync + 'static) {
        if let Some(message) = self.message(&self.run(body)) {
            // The panic is the message; where it began is of no interest.
            panic!("{message}");
        }
    }

    /// Explores a body on one of many inputs; the message if it is not what it is expected to be.
    ///
    /// Schedules that were printed or stored name the input: a replay is of that input alone, and others are explored as ever.
    #[cfg(feature = "proptest")]
    #[track_caller]
    pub(crate) fn failure_on<I, T>(&self, input: I, body: impl Fn(&I) -> T + Send + Sync + 'static) -> Option<String>
    where
        I: fmt::Debug + Send + Sync + 'static,
        T: Outcome + Send + Sync + 'static,
    {
        let at = Caller::caller();
        let name = self.name.clone().unwrap_or_else(|| body_name(&body, at));
        let shown = format!("{input:?}");
        let main: Main = Arc::new(move || -> Arc<dyn Kept> { Arc::new(body(&input)) });
        let place = format!("{}\n{shown}", at.file());
        let body = Body::new(main, name, place, self.driver);
        let mut report = self.explore(&body, Some(&shown), at);
        if let (None, Some(outcomes)) = (&report.replay, &report.outcomes) {
            // What every schedule shows, the first one does; and it names the input.
            let first = outcomes.witnesses.first().and_then(|witness| witness.schedule.parse().ok());
            report.replay = first.map(|schedule| body.replay_command(&schedule));
        }
        self.message(&report)
    }

    /// What a check fails with.
    fn message(&self, report: &Report) -> Option<String> {
        Some(format!("forkcheck: {}\n\n{report}", self.objection(report)?))
    }

    /// What is wrong with a report, in the eyes of a check.
    fn objection(&self, report: &Report) -> Option<String> {
        let errors: Vec<_> = report.findings.iter().filter(|finding| finding.severity == "error").collect();
        let effects = ["input-mutation", "attribute-mutation", "global-state", "output", "parent-mutation", "race"];
        let wrong = match self.expects {
            Expects::Pure => !errors.is_empty(),
            Expects::Deterministic => errors.iter().any(|finding| !effects.contains(&finding.kind)),
        };
        let error = report.outcomes.as_ref().and_then(|outcomes| outcomes.error.as_ref());
        match report.verdict {
            Some(Verdict::Nondeterministic) => Some("the result depends on the schedule".to_string()),
            Some(Verdict::Unknown) => {
                let why = report.notes.first().map(|note| format!(": {note}")).unwrap_or_default();
                Some(format!("nothing is known of this body{why}"))
            }
            None if report.notes.iter().any(|note| note.starts_with("stale")) => {
                Some("the schedule no longer applies".to_string())
            }
            _ if error.is_some() => error.map(|error| {
                let (message, places) = message_of(error);
                places.lines().fold(message.to_string(), |text, place| format!("{text}\n  {place}"))
            }),
            _ if wrong => Some(counted(errors.len())),
            _ => None,
        }
    }

    #[track_caller]
    fn explore(&self, body: &Body, input: Option<&str>, at: &Caller<'_>) -> Report {
        if world::is_harness() {
            panic!(
                "a checked body was begun at {}:{} inside of another one, which could not see what it does: call one after the \
                 other, or drop the inner one",
                at.file(),
                at.line()
            );
        }
        let own = |schedule: &&Schedule| (input.is_none() && !self.lenient) || schedule.program == body.tag();
        if let Some(schedule) = self.replay.as_ref().filter(own) {
            let (mut report, replayed) = crate::replay::replay_report(body, &self.config, schedule, Mode::Strict);
            if schedule.program != body.tag() {
                report.notes.push("stale: the schedule is of another body".to_string());
            }
            report.notes.extend(replayed.stale.map(|stale| format!("stale: {stale}")));
            return self.allowing(report);
        }
        let hidden = self
            .twice
            .then(|| compare(body, self.config.atomicity, &self.config.limits, &mut ChildFirst, &mut ChildFirst));
        let mut report = self.store.audit(body, self.name.clone(), input, &self.config);
        if let Some(divergence) = hidden.flatten() {
            report.verdict = Some(Verdict::Unknown);
            (report.assurance, report.rests_on) = (None, None);
            report.notes.push(format!("the body is no function of its schedule: {divergence}"));
        }
        self.allowing(report)
    }

    /// Without the findings that the user accepts.
    fn allowing(&self, mut report: Report) -> Report {
        let accepted = |kind: &str, target: &str| {
            let by = |(allowed, wanted): &(Kind, Option<String>)| {
                allowed.name() == kind && wanted.as_ref().is_none_or(|wanted| wanted == target)
            };
            self.allowed.iter().any(by)
        };
        let before = report.findings.len();
        report.findings.retain(|finding| !accepted(finding.kind, &finding.target));
        let gone = before - report.findings.len();
        if gone > 0 {
            report.notes.push(format!("the test allows {}", counted(gone)));
        }
        report
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 finding".to_string(),
        count => format!("{count} findings"),
    }
}

/// The function around a closure, by the name of its type; and which of several checks in one function it is.
fn body_name<F>(_: &F, at: &'static Caller<'static>) -> String {
    let function = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    match edge::checks_before(at) {
        0 => function.to_string(),
        before => format!("{function}#{}", before + 1),
    }
}

/// A module and inputs from outside.
struct Outside {
    visitor: Visitor,
}

impl Given for Outside {
    fn restore(&self) {
        self.visitor.held.iter().for_each(|(_, held)| held.restore());
        self.visitor.reached.iter().for_each(|held| held.restore());
    }

    fn tell(&self) {
        self.visitor.tell(TaskId::MAIN);
    }

    fn look(&self, look: &mut Look) -> Shown {
        let held = self.visitor.held.iter().map(|(path, held)| Shown::all([Shown::text(path), held.look(look)]));
        Shown::all(held.collect::<Vec<_>>())
    }
}

/// The text of the command's report.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::report::text::render(self, false))
    }
}
