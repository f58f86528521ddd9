//! Exhaustive searches: every execution that could differ, under a budget.
//!
//! Only steps at racing locations are choice points. An execution that shows a race elsewhere makes that location one of
//! them, and the search starts again; what was found until then stays.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use forkcheck_scheduler::estimate::classes;
use forkcheck_scheduler::strategy::child_first::ChildFirst;
use forkcheck_scheduler::strategy::dfs::dfs;
use forkcheck_scheduler::strategy::dpor::Dpor;
use forkcheck_scheduler::strategy::pairs::{Reversal, racing};
use forkcheck_scheduler::{Ending, Location, Rng, Scheduler, Searched, Spec, System, run};

use super::sample::{Sampling, translation};
use super::{Basis, CUT_EXECUTIONS, Coverage, Exploration, Stage};
use crate::config::Config;
use crate::execution::{Execution, Sought, Subject};

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Depth first, with sleep sets.
    Dfs,
    /// Optimal partial-order reduction.
    Dpor,
}

/// Runs every execution that could differ, as far as the budget goes.
pub(super) fn executions<S: Subject>(program: &S, config: &Config, search: Search, exploration: &mut Exploration) {
    exploration.basis = Basis::Executions;
    loop {
        exploration.restart();
        let mut machine = exploration.machine(program, config);
        let mut spending = Spending { program, config, spent: 0, most: config.executions, walked: 0.0 };
        let searched: Searched = match search {
            Search::Dpor => spending.go_on(&mut Dpor::new(), exploration, &mut machine),
            Search::Dfs => dfs(&mut machine, &mut |machine: &mut S::Execution, ending: Ending| {
                let on = spending.leaf(exploration, machine, ending);
                exploration.tell(config, Stage::Executions, None);
                on
            }),
        };
        let over = spending.is_over(exploration);
        if exploration.take_back(machine) && !over {
            continue;
        }
        if searched.exhausted() {
            exploration.coverage = Coverage::Exhausted;
        }
        return;
    }
}

/// How many executions are tried before states are: enough for most programs.
const FEW: u64 = 200;

/// What fits: a few executions; if they are not all there are, both orders of each racing pair, and every state; if there
/// are too many, more executions; and for what is left of the budget, samples.
pub(super) fn auto<S: Subject>(program: &S, config: &Config, exploration: &mut Exploration) {
    loop {
        exploration.restart();
        exploration.basis = Basis::Executions;
        let mut machine = exploration.machine(program, config);
        let mut dpor = Dpor::new();
        let mut spending = Spending { program, config, spent: 0, most: config.executions.min(FEW), walked: 0.0 };
        let mut searched = spending.go_on(&mut dpor, exploration, &mut machine);
        (exploration.findings, exploration.names) = (machine.take_findings(), machine.names().clone());
        let hopeless = exploration.cuts > 0 || config.limits.expired() || exploration.is_settled(config);
        if machine.newly_hot().is_empty() && searched.stopped && !hopeless && spending.spent < config.executions {
            pairs(program, config, exploration);
            if !exploration.is_settled(config) {
                match program.states(config, exploration) {
                    Sought::Complete => return,
                    Sought::MoreHot => continue,
                    Sought::Unfinished | Sought::Unable(_) => {}
                }
                spending.most = config.executions.div_ceil(2);
                let known = exploration.outcomes.len();
                searched = spending.go_on(&mut dpor, exploration, &mut machine);
                exploration.take_in(&mut machine, known);
            }
        }
        let over = exploration.cuts >= CUT_EXECUTIONS || config.limits.expired();
        if exploration.extend(machine.newly_hot()) && !over {
            continue;
        }
        if searched.exhausted() {
            exploration.coverage = Coverage::Exhausted;
        } else if exploration.is_settled(config) {
            exploration.basis = Basis::Samples;
        } else if !over && spending.spent < config.executions {
            samples(program, config, config.executions - spending.spent, exploration);
        }
        return;
    }
}

/// What samples are drawn by, and how many of a hundred: the even spread first, then what finds deep bugs with a known
/// chance, and the one that is good where tasks race for many things.
const PORTFOLIO: [(Spec, u64); 4] =
    [(Spec::Uniform, 45), (Spec::Pct { depth: 2 }, 25), (Spec::Pct { depth: 3 }, 15), (Spec::Pos, 15)];

/// Samples for what is left of the budget.
fn samples<S: Subject>(program: &S, config: &Config, runs: u64, exploration: &mut Exploration) {
    let mut left = runs;
    for (i, (spec, share)) in PORTFOLIO.into_iter().enumerate() {
        let last = i + 1 == PORTFOLIO.len();
        let runs = if last { left } else { (runs * share / 100).min(left) };
        left -= runs;
        if runs > 0 && exploration.cuts < CUT_EXECUTIONS && !exploration.is_settled(config) {
            Sampling { program, config, spec, runs }.run(exploration);
        }
    }
    exploration.basis = Basis::Samples;
}

/// How many racing pairs are tried both ways.
const PAIRS: usize = 256;

/// Both orders of each racing pair of the first execution.
fn pairs<S: Subject>(program: &S, config: &Config, exploration: &mut Exploration) {
    let mut machine = exploration.machine(program, config);
    let start = machine.mark();
    let (pairs, _) = racing(&mut machine, &mut ChildFirst::new(), PAIRS);
    let mut reversal = Reversal::new(pairs);
    while !exploration.is_over(config) && reversal.begin() {
        machine.rewind(&start);
        run(&mut machine, &mut reversal);
        exploration.note(&machine, None);
        exploration.tell(config, Stage::Pairs, None);
    }
    // What else is raced for, the search for states will meet too.
    (exploration.findings, exploration.names) = machine.into_parts();
}

/// Random walks for an estimate of the total. They are made, if somebody watches, when ten times as many executions are done.
const WALKS: u32 = 32;

/// The budget of a search.
struct Spending<'a, S> {
    program: &'a S,
    config: &'a Config,
    spent: u64,
    most: u64,
    /// How many executions there are, by random walks; 0 before these.
    walked: f64,
}

type Mark<S> = <<S as Subject>::Execution as System>::Mark;

impl<S: Subject> Spending<'_, S> {
    /// Goes on with a search as far as the budget goes, and tells after each execution how many there may be in all.
    fn go_on(
        &mut self,
        dpor: &mut Dpor<Mark<S>>,
        exploration: &mut Exploration,
        machine: &mut S::Execution,
    ) -> Searched {
        loop {
            let mut on = ControlFlow::Continue(());
            let searched = dpor.resume(machine, &mut |machine: &mut S::Execution, ending: Ending| {
                on = self.leaf(exploration, machine, ending);
                ControlFlow::Break(())
            });
            if !searched.stopped {
                return searched;
            }
            let total = self.config.watch.is_some().then(|| self.total(dpor.share(), exploration));
            exploration.tell(self.config, Stage::Executions, total);
            if on.is_break() {
                return searched;
            }
        }
    }

    /// How many executions there may be, when a share of them seems to be done. That share alone tells too few, as long as
    /// ways are found later; so do walks, where few of them see much. The larger number says what is left.
    fn total(&mut self, share: f64, exploration: &Exploration) -> f64 {
        if self.spent == u64::from(10 * WALKS) {
            let mut machine = exploration.fresh(self.program, self.config);
            self.walked = classes(&mut machine, &mut Rng::new(self.config.seed), WALKS).mean;
        }
        let left = (1.0 - share) * self.walked.max(self.spent as f64 / share);
        (exploration.executions + exploration.discarded) as f64 + left
    }

    /// Notes the end of an execution; says whether there may be another.
    fn leaf(&mut self, exploration: &mut Exploration, machine: &mut S::Execution, ending: Ending) -> ControlFlow<()> {
        match ending {
            Ending::Blocked => exploration.discarded += 1,
            Ending::Complete | Ending::Cut => exploration.note(machine, None),
        }
        self.spent += 1;
        exploration.tell_second(self.program, self.config, Some(machine.names()));
        let enough = self.is_over(exploration) || !machine.newly_hot().is_empty();
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn is_over(&self, exploration: &Exploration) -> bool {
        self.spent >= self.most || exploration.is_over(self.config)
    }
}

impl Exploration {
    /// Whether no more executions are to be run, whatever is left of the budget.
    pub(super) fn is_over(&self, config: &Config) -> bool {
        self.cuts >= CUT_EXECUTIONS || config.limits.expired() || self.is_settled(config)
    }

    /// Whether `auto` has two outcomes in hand, and has seen [enough](Config::enough).
    pub(crate) fn is_settled(&self, config: &Config) -> bool {
        config.strategy == Spec::Auto && self.outcomes.len() > 1 && self.steps >= config.enough
    }

    /// Begins again, with what is known to be raced for.
    pub(super) fn restart(&mut self) {
        (self.executions, self.discarded, self.cuts, self.steps, self.states) = (0, 0, 0, 0, 0);
    }

    /// Takes in what a machine has found that may have met other tasks than we have, and so has other numbers for them; the
    /// outcomes from `from` on are its.
    fn take_in(&mut self, machine: &mut impl Execution, from: usize) {
        let findings = machine.take_findings();
        let numbers = translation(&mut self.names, machine.names());
        self.outcomes[from..].iter_mut().for_each(|seen| seen.translate(|task| numbers[task.index()]));
        self.findings.absorb(findings, |task| numbers[task.index()]);
    }

    /// Takes what the machine has found; says whether more locations are raced for than we knew.
    fn take_back(&mut self, machine: impl Execution) -> bool {
        let more = self.extend(machine.newly_hot());
        (self.findings, self.names) = machine.into_parts();
        more
    }

    /// Adds locations that turned out to be raced for; says whether there were any.
    pub(super) fn extend(&mut self, newly: &BTreeSet<Location>) -> bool {
        if !newly.is_empty() {
            tracing::info!(newly = newly.len(), "more locations are raced for: the search starts again");
            Arc::make_mut(&mut self.hot).extend(newly.iter().copied());
        }
        !newly.is_empty()
    }
}
