//! The search for states: each once, by as many threads as wanted, with the same result for any number of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use forkcheck_scheduler::strategy::states;
use forkcheck_scheduler::{Location, System, TaskId, Tasks};

use super::{Basis, Coverage, Exploration, Progress, Seen, Stage};
use crate::config::Config;
use crate::execution::{OutcomeKey, Sought};
use crate::machine::Machine;
use crate::program::Program;

/// As many states are allowed for each execution of the budget.
const STATES_PER_EXECUTION: u64 = 100;

/// Sees every state, as far as the budget goes.
pub(crate) fn states(program: &Program, config: &Config, exploration: &mut Exploration) -> Sought {
    loop {
        exploration.restart();
        match seek(program, config, exploration) {
            (Sought::MoreHot, _) => {}
            // What a part of the states shows depends on which part it is; for one thread that is certain.
            (Sought::Unfinished, Some(found)) => {
                let found = if config.jobs == 1 { found } else { search(program, config, 1, exploration) };
                found.part(program, config, exploration);
                return Sought::Unfinished;
            }
            (sought, _) => return sought,
        }
    }
}

/// Sees every state; `exploration` stays as it was if that cannot be done.
pub(crate) fn explore(program: &Program, config: &Config, exploration: &mut Exploration) -> Sought {
    seek(program, config, exploration).0
}

/// The same, with what was found if that is not all.
fn seek(program: &Program, config: &Config, exploration: &mut Exploration) -> (Sought, Option<Found>) {
    let jobs = config.jobs;
    let mut found = search(program, config, jobs, exploration);
    if jobs > 1 && found.machines.iter().any(|machine| exploration.is_left_to_chance(machine)) {
        found = search(program, config, 1, exploration);
    }
    if exploration.extend(&found.newly_hot) {
        exploration.names = found.names;
        return (Sought::MoreHot, None);
    }
    if !found.states.exhausted() {
        return (Sought::Unfinished, Some(found));
    }
    exploration.coverage = Coverage::Exhausted;
    found.part(program, config, exploration);
    (Sought::Complete, None)
}

/// What a search has found.
struct Found {
    states: states::States<OutcomeKey>,
    machines: Vec<Machine>,
    newly_hot: BTreeSet<Location>,
    names: Tasks,
    ends: u64,
    tasks: u32,
}

fn search(program: &Program, config: &Config, jobs: u32, exploration: &Exploration) -> Found {
    let most = config.executions.saturating_mul(STATES_PER_EXECUTION);
    let (ends, tasks) = (AtomicU64::new(0), AtomicU32::new(0));
    let progress = states::Progress::default();
    let make = || exploration.fresh(program, config);
    let outcome = |machine: &mut Machine| {
        ends.fetch_add(1, Ordering::Relaxed);
        tasks.fetch_max(machine.task_count(), Ordering::Relaxed);
        let chance = jobs > 1 && exploration.is_left_to_chance(machine);
        if chance || !machine.newly_hot().is_empty() || config.limits.expired() {
            progress.stop();
        }
        if let Some(watch) = &config.watch {
            let (done, outcomes) = (progress.states(), progress.outcomes() as usize);
            watch(&Progress {
                stage: Stage::States,
                done,
                total: None,
                outcomes,
                since_new: progress.since_new_outcome(),
            });
        }
        machine.outcome().expect("an execution that was not cut has an outcome").key()
    };
    let (states, machines) =
        states::states(make, outcome, jobs as usize, most, &progress).expect("a machine has a digest");
    let newly_hot = machines.iter().flat_map(|machine| machine.newly_hot().iter().copied()).collect();
    let longest = machines.iter().map(Machine::names).max_by_key(|names| names.count());
    let names = longest.expect("there is a worker").clone();
    Found { states, newly_hot, names, machines, ends: ends.into_inner(), tasks: tasks.into_inner() }
}

impl Found {
    /// Adds what was found to `exploration`.
    fn part(self, program: &Program, config: &Config, exploration: &mut Exploration) {
        exploration.basis = Basis::States;
        exploration.names = self.names;
        exploration.states = self.states.states;
        exploration.steps += self.states.steps;
        exploration.executions += self.ends;
        exploration.tasks = exploration.tasks.max(self.tasks);
        exploration.discarded += self.states.cut;
        for mut machine in self.machines {
            exploration.findings.absorb(machine.take_findings(), |task| task);
        }
        // The outcomes that are reached with the fewest switches come first.
        let mut ways: Vec<_> = self.states.outcomes.into_values().collect();
        ways.sort_by(|a, b| (a.preemptions, &a.schedule).cmp(&(b.preemptions, &b.schedule)));
        for way in ways {
            let seen = exploration.along(program, config, way.schedule);
            exploration.keep_best(seen);
        }
    }
}

impl Exploration {
    /// Whether it would show who of several machines came first: they give new tasks different numbers, and take the same
    /// state for two; and a thing that only variables hold has the name of whoever holds it when it is met.
    fn is_left_to_chance(&self, machine: &Machine) -> bool {
        machine.names().count() > self.names.count() || machine.has_asked_for_names()
    }

    /// The outcome of the steps of these tasks.
    fn along(&self, program: &Program, config: &Config, order: Vec<TaskId>) -> Seen {
        let mut machine = self.fresh(program, config).unwatched();
        for &task in &order {
            machine.step(task).expect("these steps were taken before");
        }
        let outcome = machine.outcome().expect("these steps led to an outcome");
        Seen { outcome, order: Some(order), hot: self.hot.clone(), drawn: None }
    }
}
