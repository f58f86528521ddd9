//! Sampling: one execution after another under a strategy that picks, on as many threads as wanted.
//!
//! The result is the same for any number of threads. Run i has a seed of its own and starts from the same state, so it
//! does not matter who runs it. Runs go in blocks of a fixed size, and finished blocks are joined in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use forkcheck_scheduler::estimate::{miss_chance, pct_chance};
use forkcheck_scheduler::{Ending, Location, Profile, Spec, TaskId, Tasks, run_seed};

use super::{CUT_EXECUTIONS, Exploration, Missed, Seen, Stage};
use crate::check::Findings;
use crate::config::Config;
use crate::execution::{Cut, Execution, Subject};

/// How many runs are done in one go. Part of what a report depends on, so it is no number of threads.
const BLOCK: u64 = 32;

/// What is the same for all runs.
pub(super) struct Sampling<'a, S> {
    pub(super) program: &'a S,
    pub(super) config: &'a Config,
    pub(super) spec: Spec,
    /// How many runs.
    pub(super) runs: u64,
}

impl<S: Subject> Sampling<'_, S> {
    /// Adds all runs to `exploration`, whose racing locations are the choice points and whose tasks keep their numbers. As
    /// long as no run shows a race elsewhere, the seed of a run alone says what it does. One that does makes that
    /// location a choice point too, and all runs begin again.
    pub(super) fn run(&self, exploration: &mut Exploration) {
        loop {
            let before = exploration.clone();
            self.all(exploration);
            let newly = std::mem::take(&mut exploration.newly_hot);
            if newly.is_empty() || self.config.limits.expired() {
                return;
            }
            let seen = std::mem::replace(exploration, before);
            (exploration.findings, exploration.names) = (seen.findings, seen.names);
            exploration.extend(&newly);
        }
    }

    fn all(&self, exploration: &mut Exploration) {
        let first =
            Exploration { names: exploration.names.clone(), hot: exploration.hot.clone(), ..Default::default() };
        let profile = self.profile(&first);
        let before = exploration.executions;
        self.blocks(exploration, &first, &profile);
        if let Spec::Pct { depth } = self.spec {
            // Some may not have been run.
            let runs = exploration.executions - before;
            let chance = miss_chance(pct_chance(profile.tasks(), profile.steps(), depth), runs);
            exploration.missed.get_or_insert(Missed { depth, chance });
        }
    }

    fn blocks(&self, exploration: &mut Exploration, first: &Exploration, profile: &Arc<Profile>) {
        let blocks = self.runs.div_ceil(BLOCK);
        let threads = u64::from(self.config.jobs).min(blocks);
        if threads <= 1 {
            let mut worker = Worker::new(self, first, profile.clone());
            for index in 0..blocks {
                if !self.join(exploration, worker.block(self, index)) {
                    return;
                }
            }
            return;
        }
        let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (send, receive) = mpsc::channel();
            for _ in 0..threads {
                let (send, next, stop) = (send.clone(), &next, &stop);
                let profile = profile.clone();
                scope.spawn(move || {
                    let mut worker = Worker::new(self, first, profile);
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= blocks || send.send((index, worker.block(self, index))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(send);
            let mut early: BTreeMap<u64, Block> = BTreeMap::new();
            let mut due = 0;
            for (index, block) in receive {
                early.insert(index, block);
                while let Some(block) = early.remove(&due) {
                    due += 1;
                    if !self.join(exploration, block) {
                        stop.store(true, Ordering::Relaxed);
                        return;
                    }
                }
            }
        });
    }

    /// What the strategy must know beforehand, from an execution of its own.
    fn profile(&self, first: &Exploration) -> Arc<Profile> {
        if !self.spec.needs_profile() {
            return Arc::default();
        }
        Arc::new(Profile::of(&mut first.fresh(self.program, self.config)))
    }

    /// Adds the next block; says whether to go on.
    fn join(&self, exploration: &mut Exploration, block: Block) -> bool {
        let translation = match &block.names {
            None => Vec::new(),
            Some(names) => translation(&mut exploration.names, names),
        };
        let translate = |task: TaskId| translation.get(task.index()).copied().unwrap_or(task);
        exploration.findings.absorb(block.findings, translate);
        for (execution, mut seen) in block.seen {
            seen.translate(translate);
            exploration.keep(seen, exploration.executions + execution);
        }
        exploration.executions += block.executions;
        exploration.discarded += block.discarded;
        exploration.cuts += block.discarded;
        exploration.steps += block.steps;
        exploration.tasks = exploration.tasks.max(block.tasks);
        exploration.cut = exploration.cut.take().or(block.cut);
        exploration.tell_second(self.program, self.config, None);
        exploration.tell(self.config, Stage::Sampling, Some(self.runs as f64));
        exploration.newly_hot = block.newly_hot;
        exploration.newly_hot.is_empty() && !exploration.is_over(self.config)
    }
}

/// The numbers in `known` of all tasks of `names`, by their numbers there.
pub(super) fn translation(known: &mut Tasks, names: &Tasks) -> Vec<TaskId> {
    let mut numbers = vec![TaskId::MAIN];
    for number in 1..names.count() {
        let task = TaskId::new(number as u32);
        // A parent has a smaller number than its children.
        let parent = numbers[names.parent(task).expect("only main has no parent").index()];
        numbers.push(known.intern(parent, names.callee(task), names.occurrence(task)));
    }
    numbers
}

/// What a block of runs has shown.
struct Block {
    findings: Findings,
    /// Outcomes that were new in this block, with the run in which they were first seen.
    seen: Vec<(u64, Seen)>,
    /// The tasks, if there are some that the first run did not have.
    names: Option<Tasks>,
    /// Locations raced for that were no choice points.
    newly_hot: BTreeSet<Location>,
    executions: u64,
    discarded: u64,
    steps: u64,
    tasks: u32,
    cut: Option<Cut>,
}

/// One thread's machine, which goes back to its start after each run.
struct Worker<E: Execution> {
    machine: E,
    start: E::Mark,
    known: usize,
    hot: super::Hot,
    profile: Arc<Profile>,
}

impl<E: Execution> Worker<E> {
    fn new<S: Subject<Execution = E>>(sampling: &Sampling<'_, S>, first: &Exploration, profile: Arc<Profile>) -> Self {
        let mut machine = first.fresh(sampling.program, sampling.config).linear();
        // What was found on the way to the start, the certificate has found as well; and a block must not show whether it is
        // its worker's first.
        machine.take_findings();
        Self { start: machine.mark(), machine, known: first.names.count(), hot: first.hot.clone(), profile }
    }

    fn block<S: Subject<Execution = E>>(&mut self, sampling: &Sampling<'_, S>, index: u64) -> Block {
        let runs = index * BLOCK..sampling.runs.min((index + 1) * BLOCK);
        let mut block = Exploration { hot: self.hot.clone(), ..Exploration::default() };
        let mut seen = Vec::new();
        let mut scheduler =
            sampling.spec.scheduler(sampling.config.seed, &self.profile).expect("a strategy that picks");
        scheduler.seek(runs.start);
        for i in runs {
            if block.discarded >= CUT_EXECUTIONS || sampling.config.limits.expired() {
                break;
            }
            assert!(scheduler.begin(), "there are no more runs than the strategy has");
            let seed = run_seed(sampling.config.seed, i);
            debug_assert!(scheduler.run_seed().is_none_or(|own| own == seed), "a strategy that draws seeks the run");
            let ending;
            (ending, scheduler) = self.machine.campaign(&self.start, scheduler);
            block.note(&self.machine, Some((sampling.spec, seed)));
            if block.outcomes.len() > seen.len() {
                seen.push(block.executions);
            }
            debug_assert_ne!(ending, Ending::Blocked, "only searches give executions up");
        }
        let findings = self.machine.take_findings();
        let names = self.machine.names();
        Block {
            findings,
            seen: seen.into_iter().zip(block.outcomes).collect(),
            newly_hot: self.machine.newly_hot().clone(),
            names: (names.count() > self.known).then(|| names.clone()),
            executions: block.executions,
            discarded: block.discarded,
            steps: block.steps,
            tasks: block.tasks,
            cut: block.cut,
        }
    }
}
