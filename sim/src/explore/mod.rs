//! Running a program under many schedules: the certificate first, then every schedule that could differ.
//!
//! One run in the default order with happens-before shows every race of the input. Without a race every schedule gives
//! the same result, and one run is all. Otherwise the locations raced for are *hot*: only steps that touch them are
//! choice points, and whatever lies between two of them is one step of the search. A run that shows a race elsewhere
//! makes that location hot too, and the search starts again.

pub mod loom;
pub mod progress;
pub mod repeat;
mod sample;
pub mod schedule;
mod search;
pub(crate) mod states;

use std::collections::BTreeSet;
use std::sync::Arc;

use forkcheck_scheduler::{Location, Schedule, Spec, TaskId, Tasks};
use rustc_hash::FxHashSet;

use crate::check::Findings;
use crate::config::Config;
use crate::execution::{ChildFirst, Cut, Execution, Outcome, OutcomeKey, Sought, Subject};
pub use progress::{Progress, Stage};

/// A search gives up after as many executions that were cut: each takes as long as the limits allow.
const CUT_EXECUTIONS: u64 = 8;

/// Where the order of accesses matters.
pub type Hot = Arc<FxHashSet<Location>>;

/// What was seen under all schedules that were run.
#[derive(Debug, Clone, Default)]
pub struct Exploration {
    /// The different outcomes, in the order in which they were first seen.
    pub outcomes: Vec<Seen>,
    /// Complete executions since the last restart of the search.
    pub executions: u64,
    /// Executions that were given up: equivalent to others, or cut.
    pub discarded: u64,
    /// Executions that were cut.
    cuts: u64,
    /// Different states, of a search for states.
    pub states: u64,
    /// Steps of all executions.
    pub steps: u64,
    /// Tasks of the largest execution.
    pub tasks: u32,
    /// Whether no other outcome is possible.
    pub coverage: Coverage,
    /// What the first run and the stages after it have come to.
    pub basis: Basis,
    /// What samples may have missed, for the smallest depth of which that is known.
    pub missed: Option<Missed>,
    /// Everything that is wrong.
    pub findings: Findings,
    /// The names of all tasks.
    pub names: Tasks,
    /// Why the first execution that was cut was cut.
    pub cut: Option<Cut>,
    /// Where the order of accesses matters.
    pub hot: Hot,
    /// Whether it was told that there are two outcomes.
    told: bool,
    /// Locations raced for that no search knew: it starts again.
    newly_hot: BTreeSet<Location>,
    /// The execution that showed the last new outcome.
    last_new: u64,
    /// What tells one outcome from another, of all that were seen; only looked up.
    known: FxHashSet<OutcomeKey>,
}

/// An outcome, and how to get there.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The outcome.
    pub outcome: Outcome,
    /// Which task took each step at a hot location; `None` for the default order.
    pub order: Option<Vec<TaskId>>,
    /// Where the order of accesses mattered in that search.
    pub hot: Hot,
    /// The strategy that drew it, and the seed of the run.
    pub drawn: Option<(Spec, u64)>,
}

impl Seen {
    /// Gives the tasks other numbers.
    fn translate(&mut self, number: impl Fn(TaskId) -> TaskId) {
        self.outcome.deadlock.iter_mut().for_each(|task| *task = number(*task));
        self.order.iter_mut().flatten().for_each(|task| *task = number(*task));
    }
}

/// How much was covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coverage {
    /// One run without a race stands for all.
    Certified,
    /// Every schedule that could differ was run.
    Exhausted,
    /// Some schedules were run.
    #[default]
    Sampled,
}

/// What samples may have missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Missed {
    /// How many steps must come in a certain order.
    pub depth: u32,
    /// The greatest chance that no run had them so.
    pub chance: f64,
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Basis {
    /// One execution.
    #[default]
    One,
    /// Every inequivalent execution, or as many as the budget allowed.
    Executions,
    /// Every state, or as many as the budget allowed.
    States,
    /// Executions under a strategy that draws.
    Samples,
}

/// Runs `program` as `config` says.
pub fn explore<S: Subject>(program: &S, config: &Config) -> Exploration {
    let mut exploration = certificate(program, config);
    tracing::info!(steps = exploration.steps, racing = exploration.hot.len(), "one run in the default order");
    if config.strategy == Spec::Loom {
        return program.loom(config, exploration);
    }
    if exploration.cut.is_some() || exploration.hot.is_empty() {
        // Other schedules of a program that does not end, or that we cannot execute, are no better. And without a race
        // they are no different.
        return exploration;
    }
    match config.strategy {
        Spec::Auto => search::auto(program, config, &mut exploration),
        Spec::Dpor => search::executions(program, config, search::Search::Dpor, &mut exploration),
        Spec::Dfs => search::executions(program, config, search::Search::Dfs, &mut exploration),
        Spec::States => {
            if let Sought::Unable(reason) = program.all_states(config, &mut exploration) {
                exploration.refuse(format!("{reason}: use the strategy `dpor`"));
            }
        }
        Spec::ChildFirst => {}
        spec => {
            // Round-robin goes one way only.
            let runs = if spec == Spec::RoundRobin { 1 } else { config.executions };
            // What the first run found stays; its outcome and its count are not the strategy's.
            let first = exploration.clone();
            exploration =
                Exploration { findings: first.findings, names: first.names, hot: first.hot, ..Default::default() };
            exploration.basis = if runs == 1 { Basis::One } else { Basis::Samples };
            sample::Sampling { program, config, spec, runs }.run(&mut exploration);
        }
    }
    exploration
}

/// One run in the default order.
fn certificate<S: Subject>(program: &S, config: &Config) -> Exploration {
    let mut machine = program.execution(config.atomicity, &config.limits, Tasks::new());
    machine.run(&mut ChildFirst);
    let hot: FxHashSet<Location> = machine.newly_hot().iter().copied().collect();
    let mut exploration = Exploration::default();
    exploration.count(&machine);
    if let Some(outcome) = machine.outcome() {
        exploration.keep(Seen { outcome, order: None, hot: Hot::default(), drawn: None }, 1);
    }
    if !exploration.outcomes.is_empty() && hot.is_empty() {
        exploration.coverage = Coverage::Certified;
    }
    exploration.hot = Arc::new(hot);
    (exploration.findings, exploration.names) = machine.into_parts();
    exploration
}

/// The schedule of the first run of a strategy that picks.
///
/// `None` if the run was cut, or could not be repeated.
pub fn first_schedule<S: Subject>(program: &S, config: &Config) -> Option<Schedule> {
    let exploration = explore(program, &Config { executions: 1, ..config.clone() });
    let seen = exploration.outcomes.last()?;
    schedule::of(program, config, &exploration.names, seen)
}

impl Exploration {
    /// A machine at the start of an execution, which has found nothing yet.
    fn fresh<S: Subject>(&self, program: &S, config: &Config) -> S::Execution {
        self.start(program, config, self.names.clone(), Findings::default()).into_search()
    }

    /// A machine to search with, which goes on collecting what is found.
    fn machine<S: Subject>(&mut self, program: &S, config: &Config) -> S::Execution {
        self.collecting(program, config).into_search()
    }

    /// A machine for one execution, which goes on collecting what is found.
    fn collecting<S: Subject>(&mut self, program: &S, config: &Config) -> S::Execution {
        let (findings, names) = (std::mem::take(&mut self.findings), std::mem::take(&mut self.names));
        self.start(program, config, names, findings)
    }

    fn start<S: Subject>(&self, program: &S, config: &Config, names: Tasks, findings: Findings) -> S::Execution {
        program.execution(config.atomicity, &config.limits, names).with_hot(self.hot.clone()).with_findings(findings)
    }

    /// Counts an execution that has ended, and keeps its outcome if it is new.
    fn note(&mut self, machine: &impl Execution, drawn: Option<(Spec, u64)>) {
        self.count(machine);
        let Some(outcome) = machine.outcome() else { return };
        if !machine.newly_hot().is_empty() {
            // The order of steps at the locations we knew does not fix this outcome. Whoever explores starts again with
            // those that are new, and finds it then.
            return;
        }
        if !self.known.contains(&outcome.key()) {
            let seen = Seen { outcome, order: Some(machine.order().to_vec()), hot: self.hot.clone(), drawn };
            self.keep(seen, self.executions);
        }
    }

    /// Counts an execution that has ended.
    fn count(&mut self, machine: &impl Execution) {
        self.steps += machine.steps();
        self.tasks = self.tasks.max(machine.task_count());
        match machine.cut() {
            None => self.executions += 1,
            Some(cut) => {
                self.discarded += 1;
                self.cuts += 1;
                self.cut.get_or_insert_with(|| cut.clone());
            }
        }
    }

    /// Keeps an outcome if it is new; it was seen in this execution.
    fn keep(&mut self, seen: Seen, execution: u64) {
        if self.known.insert(seen.outcome.key()) {
            tracing::debug!(execution, "an outcome that was not seen before");
            self.outcomes.push(seen);
            self.last_new = execution;
        }
    }

    /// Keeps an outcome, and this way to it unless it is that of the default order.
    fn keep_best(&mut self, seen: Seen) {
        match self.outcomes.iter_mut().find(|known| known.outcome.same_as(&seen.outcome)) {
            Some(known) if known.order.is_some() => *known = seen,
            Some(_) => {}
            None => self.keep(seen, self.executions),
        }
    }

    /// Tells whoever keeps failures, once there are two outcomes: an exploration that is killed later must not lose them.
    /// `names` are those of the machine, while it has them.
    pub(crate) fn tell_second<S: Subject>(&mut self, program: &S, config: &Config, names: Option<&Tasks>) {
        let (Some(found), [first, second, ..], false) = (&config.found, &self.outcomes[..], self.told) else { return };
        let names = names.unwrap_or(&self.names);
        let witness =
            |seen| Some(crate::report::build::witness(program, &schedule::of(program, config, names, seen)?, seen));
        if let (Some(first), Some(second)) = (witness(first), witness(second)) {
            found(&[first, second]);
        }
        self.told = true;
    }

    /// Gives up, because the strategy cannot run the program: nothing is known.
    pub(crate) fn refuse(&mut self, reason: String) {
        self.outcomes.clear();
        (self.executions, self.coverage) = (0, Coverage::Sampled);
        self.cut = Some(Cut::Refused(reason));
    }

    /// Tells whoever watches how far it is.
    fn tell(&self, config: &Config, stage: Stage, total: Option<f64>) {
        if let Some(watch) = &config.watch {
            watch(&Progress {
                stage,
                done: self.executions + self.discarded,
                total,
                outcomes: self.outcomes.len(),
                since_new: self.executions - self.last_new.min(self.executions),
            });
        }
    }
}
