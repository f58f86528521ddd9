//! Running a program under many schedules: the certificate first, then every schedule that could differ.
//!
//! One run in the default order with happens-before shows every race of the input. Without a race every schedule gives
//! the same result, and one run is all. Otherwise the locations raced for are *hot*: only steps that touch them are
//! choice points, and whatever lies between two of them is one step of the search. A run that shows a race elsewhere
//! makes that location hot too, and the search starts again.

pub mod schedule;

use std::ops::ControlFlow;
use std::sync::Arc;

use forkcheck_scheduler::strategy::dfs;
use forkcheck_scheduler::{Ending, Location, Moment, Schedule, Spec, TaskId, Tasks, run};
use rustc_hash::FxHashSet;

use crate::check::Findings;
use crate::config::Config;
use crate::machine::{ChildFirst, Cut, Machine, Outcome};
use crate::program::Program;

/// A search gives up after as many executions that were cut: each takes as long as the limits allow.
const CUT_EXECUTIONS: u32 = 8;

/// What was seen under all schedules that were run.
#[derive(Debug)]
pub struct Exploration {
    /// The different outcomes, in the order in which they were first seen.
    pub outcomes: Vec<Seen>,
    /// Complete executions since the last restart of the search.
    pub executions: u64,
    /// Executions that were given up: equivalent to others, or cut.
    pub discarded: u64,
    /// Steps of all executions.
    pub steps: u64,
    /// Tasks of the largest execution.
    pub tasks: u32,
    /// Whether no other outcome is possible.
    pub coverage: Coverage,
    /// Everything that is wrong.
    pub findings: Findings,
    /// The names of all tasks.
    pub names: Tasks,
    /// Why the first execution that was cut was cut.
    pub cut: Option<Cut>,
    /// Where the order of accesses matters.
    pub hot: Arc<FxHashSet<Location>>,
}

/// An outcome, and how to get there.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The outcome.
    pub outcome: Outcome,
    /// Which task took each step at a hot location; `None` for the default order.
    pub order: Option<Vec<TaskId>>,
    /// Where the order of accesses mattered in that search.
    pub hot: Arc<FxHashSet<Location>>,
    /// The seed of the run, for a strategy that draws.
    pub run_seed: Option<u64>,
}

/// How much was covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// One run without a race stands for all.
    Certified,
    /// Every schedule that could differ was run.
    Exhausted,
    /// Some schedules were run.
    Sampled,
}

/// Runs `program` as `config` says.
pub fn explore(program: &Program, config: &Config) -> Exploration {
    let mut exploration = certificate(program, config);
    tracing::info!(steps = exploration.steps, racing = exploration.hot.len(), "one run in the default order");
    if exploration.cut.is_some() {
        // Other schedules of a program that does not end, or that we cannot execute, are no better.
        return exploration;
    }
    let racing = !exploration.hot.is_empty();
    match config.strategy {
        Spec::Auto | Spec::Dfs if racing => search(program, config, &mut exploration),
        Spec::Auto | Spec::Dfs | Spec::ChildFirst => {}
        _ => sample(program, config, &mut exploration),
    }
    exploration
}

/// One run in the default order.
fn certificate(program: &Program, config: &Config) -> Exploration {
    let mut machine = Machine::new(program, config.atomicity, config.limits.clone(), Tasks::new());
    machine.run(&mut ChildFirst);
    let outcome = machine.outcome();
    let hot: FxHashSet<Location> = machine.newly_hot().iter().copied().collect();
    let certified = outcome.as_ref().is_some_and(|outcome| hot.is_empty() && outcome.deadlock.is_empty());
    let mut exploration = Exploration {
        outcomes: Vec::new(),
        executions: u64::from(outcome.is_some()),
        discarded: u64::from(outcome.is_none()),
        steps: machine.steps(),
        tasks: machine.task_count(),
        coverage: if certified { Coverage::Certified } else { Coverage::Sampled },
        cut: machine.cut().cloned(),
        hot: Arc::new(hot),
        findings: Findings::default(),
        names: Tasks::new(),
    };
    exploration.outcomes.extend(outcome.map(|outcome| Seen {
        outcome,
        order: None,
        hot: Arc::default(),
        run_seed: None,
    }));
    (exploration.findings, exploration.names) = machine.into_parts();
    exploration
}

/// Every schedule that could differ, under the budget; started again whenever another location turns out to be hot.
fn search(program: &Program, config: &Config, exploration: &mut Exploration) {
    loop {
        exploration.executions = 0;
        exploration.discarded = 0;
        let findings = std::mem::take(&mut exploration.findings);
        let names = std::mem::take(&mut exploration.names);
        let mut machine = Machine::new(program, config.atomicity, config.limits.clone(), names)
            .with_hot(exploration.hot.clone())
            .with_findings(findings)
            .into_search();
        let mut spent = 0;
        let over = |spent: u64| spent >= config.executions || config.limits.expired();
        let mut cut = 0;
        let searched = dfs::dfs(&mut machine, &mut |machine: &mut Machine, ending: Ending| {
            match ending {
                Ending::Blocked => exploration.discarded += 1,
                Ending::Complete | Ending::Cut => exploration.note(machine, None),
            }
            spent += 1;
            cut += u32::from(ending == Ending::Cut);
            let enough = !machine.newly_hot().is_empty() || over(spent) || cut >= CUT_EXECUTIONS;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let newly: Vec<Location> = machine.newly_hot().iter().copied().collect();
        (exploration.findings, exploration.names) = machine.into_parts();
        if newly.is_empty() || over(spent) || cut >= CUT_EXECUTIONS {
            if newly.is_empty() && searched.exhausted() {
                exploration.coverage = Coverage::Exhausted;
            }
            return;
        }
        tracing::info!(newly = newly.len(), "more locations are raced for: the search starts again");
        Arc::make_mut(&mut exploration.hot).extend(newly);
    }
}

/// Runs one after another under a strategy that picks. The choice points are those of the first run, so that the seed
/// of a run alone says what it does.
fn sample(program: &Program, config: &Config, exploration: &mut Exploration) {
    let Some(mut scheduler) = config.strategy.scheduler(config.seed) else {
        unreachable!("the command line refuses {}, which is not built", config.strategy);
    };
    // Round-robin goes one way only.
    let runs = if config.strategy == Spec::RoundRobin { 1 } else { config.executions };
    let mut done = 0;
    exploration.executions = 0;
    exploration.outcomes.clear();
    let numbered = exploration.names.clone();
    while done < runs && !config.limits.expired() && scheduler.begin() {
        done += 1;
        let findings = std::mem::take(&mut exploration.findings);
        // Strategies pick by number, so each run starts with the numbers that the first run gave.
        let names = numbered.clone();
        let mut machine = Machine::new(program, config.atomicity, config.limits.clone(), names)
            .with_hot(exploration.hot.clone())
            .with_findings(findings)
            .into_search();
        let ending = run(&mut machine, scheduler.as_mut());
        exploration.note(&mut machine, scheduler.run_seed());
        scheduler.end(ending);
        (exploration.findings, exploration.names) = machine.into_parts();
    }
}

/// The schedule of the first run of a strategy that picks.
///
/// `None` if the run was cut, or could not be repeated.
pub fn first_schedule(program: &Program, config: &Config) -> Option<Schedule> {
    let exploration = explore(program, &Config { executions: 1, ..config.clone() });
    let seen = exploration.outcomes.last()?;
    schedule::of(program, config, &exploration.names, seen)
}

impl Exploration {
    /// Counts an execution that has ended, and keeps its outcome if it is new.
    fn note(&mut self, machine: &mut Machine, run_seed: Option<u64>) {
        self.steps += machine.steps();
        self.tasks = self.tasks.max(machine.task_count());
        let Some(outcome) = machine.outcome() else {
            self.discarded += 1;
            self.cut = self.cut.take().or_else(|| machine.cut().cloned());
            return;
        };
        self.executions += 1;
        if !self.outcomes.iter().any(|seen| seen.outcome.same_as(&outcome)) {
            tracing::debug!(execution = self.executions, "an outcome that was not seen before");
            let hot = self.hot.clone();
            self.outcomes.push(Seen { outcome, order: Some(machine.order().to_vec()), hot, run_seed });
        }
    }
}
