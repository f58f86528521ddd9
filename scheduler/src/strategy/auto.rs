//! Everything in turn: what costs least first, and what proves most before what only samples.
//!
//! 1. One execution in the default order. Without a pair of steps that race, no schedule can make a difference.
//! 2. Both orders of each racing [pair](crate::strategy::pairs).
//! 3. [`dpor`](crate::strategy::dpor) and [`states`](crate::strategy::states) in turn, because each is far faster than
//!    the other on some programs and there is no telling before on which. The first to finish has seen everything.
//! 4. Neither does under the budget: random executions, shared out among strategies whose strengths differ, with a bound
//!    on the chance that they miss something.
//!
//! Turns are counted in steps, so the result depends on the program and the plan alone.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use crate::choice::{Ending, Scheduler};
use crate::estimate::{News, miss_chance, pct_chance};
use crate::strategy::child_first::ChildFirst;
use crate::strategy::dpor::Dpor;
use crate::strategy::pairs::{Reversal, racing};
use crate::strategy::states::{Explorer, States};
use crate::system::{Searched, System, run};
use crate::task::TaskId;

/// How much to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// How many racing pairs are reversed at most.
    pub pairs: usize,
    /// How many steps each of the two searches may take.
    pub steps: u64,
    /// How many states may be kept.
    pub states: u64,
    /// How many random executions are run where no search finishes.
    pub runs: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { pairs: 1000, steps: 2_000_000, states: 1_000_000, runs: 10_000 }
    }
}

/// A strategy that has a share in the random executions.
pub struct Sampler {
    /// The strategy.
    pub scheduler: Box<dyn Scheduler>,
    /// Its share, compared with those of the others.
    pub weight: u32,
    /// The depth that it aims at, if it is PCT: only then something is known of what it misses.
    pub depth: Option<u32>,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("weight", &self.weight).field("depth", &self.depth).finish_non_exhaustive()
    }
}

/// The size of the executions seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Tasks that took steps, at most.
    pub tasks: usize,
    /// Steps of an execution, at most.
    pub steps: usize,
}

/// A part of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The execution in the default order.
    Default,
    /// The reversal of a pair.
    Pairs,
    /// Partial-order reduction.
    Dpor,
    /// Explicit states.
    States,
    /// Random executions.
    Sampling,
}

/// What is known now.
#[derive(Debug, Clone, PartialEq)]
pub struct Explored<O> {
    /// Every outcome seen.
    pub outcomes: BTreeMap<O, First>,
    /// What the verdict rests on.
    pub basis: Basis<O>,
    /// Executions that ran to their end, not counting those of a search of states, which has none.
    pub executions: u64,
    /// Executions that a limit cut.
    pub cut: u64,
    /// The greatest execution.
    pub size: Size,
}

/// Where an outcome was seen first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct First {
    /// By which part of the plan.
    pub stage: Stage,
    /// Who took each step.
    pub schedule: Vec<TaskId>,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum Basis<O> {
    /// No two steps race in one complete execution, so all have the same outcome.
    NoRace,
    /// Every execution that could differ was run.
    Dpor(Searched),
    /// Every state was explored.
    States(States<O>),
    /// A sample.
    Sampled(Sample),
    /// The judge had enough.
    Stopped,
}

/// What is known of what a sample misses.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Random executions.
    pub runs: u64,
    /// By depth: the greatest chance that a bug of this depth was missed, if no execution is greater than those seen.
    pub misses: BTreeMap<u32, f64>,
    /// The chance that the next execution shows something new, as Good and Turing estimate it.
    pub news: f64,
}

/// Explores what `make` begins.
///
/// `judge` is told of each execution that has ended, or last state, and says what it comes to; None if it comes to
/// nothing, as when it was cut, and `Break` if enough is known. `samplers` makes the strategies for random executions.
pub fn auto<S: System, O: Ord + Clone>(
    make: impl Fn() -> S,
    plan: &Plan,
    samplers: impl FnOnce(Size) -> Vec<Sampler>,
    judge: impl FnMut(&mut S, Ending) -> ControlFlow<(), Option<O>>,
) -> Explored<O> {
    let mut campaign =
        Campaign { judge, outcomes: BTreeMap::new(), executions: 0, cut: 0, size: Size::default(), busy: Vec::new() };
    let basis = match campaign.explore(make, plan, samplers) {
        ControlFlow::Continue(basis) => basis,
        ControlFlow::Break(()) => Basis::Stopped,
    };
    let Campaign { outcomes, executions, cut, size, .. } = campaign;
    Explored { outcomes, basis, executions, cut, size }
}

struct Campaign<O, J> {
    judge: J,
    outcomes: BTreeMap<O, First>,
    executions: u64,
    cut: u64,
    size: Size,
    /// By task: whether it took a step in the execution that is looked at.
    busy: Vec<bool>,
}

/// The first turn of a search has so many steps; each later one twice as many as the one before.
const TURN: u64 = 1024;

impl<O: Ord + Clone, J> Campaign<O, J> {
    fn explore<S: System>(
        &mut self,
        make: impl Fn() -> S,
        plan: &Plan,
        samplers: impl FnOnce(Size) -> Vec<Sampler>,
    ) -> ControlFlow<(), Basis<O>>
    where
        J: FnMut(&mut S, Ending) -> ControlFlow<(), Option<O>>,
    {
        let mut system = make();
        let begin = system.mark();
        let (pairs, ending) = racing(&mut system, &mut ChildFirst::new(), plan.pairs);
        self.see(&mut system, ending, Stage::Default)?;
        if pairs.is_empty() && ending == Ending::Complete {
            return ControlFlow::Continue(Basis::NoRace);
        }
        let mut reversal = Reversal::new(pairs);
        while reversal.begin() {
            system.rewind(&begin);
            let ending = run(&mut system, &mut reversal);
            self.see(&mut system, ending, Stage::Pairs)?;
        }
        if let Some(basis) = self.search(make(), make(), plan)? {
            return ControlFlow::Continue(basis);
        }
        let mut samplers = samplers(self.size);
        let (mut sample, mut news) = (Sample::default(), News::new());
        let mut runs: BTreeMap<u32, u64> = BTreeMap::new();
        let mut credit = vec![0i64; samplers.len()];
        let total: i64 = samplers.iter().map(|sampler| i64::from(sampler.weight)).sum();
        while sample.runs < plan.runs && !samplers.is_empty() {
            // Each is owed its share of every execution; who is owed most has the next one.
            samplers.iter().zip(&mut credit).for_each(|(sampler, credit)| *credit += i64::from(sampler.weight));
            let next = (0..samplers.len()).max_by_key(|&place| (credit[place], usize::MAX - place)).expect("some");
            credit[next] -= total;
            let sampler = &mut samplers[next];
            if !sampler.scheduler.begin() {
                break;
            }
            system.rewind(&begin);
            let ending = run(&mut system, sampler.scheduler.as_mut());
            sampler.scheduler.end(ending);
            sample.runs += 1;
            *runs.entry(sampler.depth.unwrap_or(0)).or_insert(0) += 1;
            if let Some(outcome) = self.see(&mut system, ending, Stage::Sampling)? {
                news.note(outcome);
            }
        }
        let Size { tasks, steps } = self.size;
        let aimed = runs.into_iter().filter(|&(depth, _)| depth > 0);
        sample.misses =
            aimed.map(|(depth, runs)| (depth, miss_chance(pct_chance(tasks, steps, depth), runs))).collect();
        sample.news = news.chance();
        ControlFlow::Continue(Basis::Sampled(sample))
    }

    /// The two searches in turn, up to the first that finishes; None if none does.
    fn search<S: System>(&mut self, mut one: S, other: S, plan: &Plan) -> ControlFlow<(), Option<Basis<O>>>
    where
        J: FnMut(&mut S, Ending) -> ControlFlow<(), Option<O>>,
    {
        let mut dpor = Some(Dpor::new());
        let mut states = Explorer::new(other, plan.states).ok();
        let (mut turn, mut limit) = (TURN, 0);
        while limit < plan.steps && (dpor.is_some() || states.is_some()) {
            let steps = turn.min(plan.steps - limit);
            limit += steps;
            if let Some(search) = &mut dpor {
                let mut seen = ControlFlow::Continue(None);
                while seen.is_continue() && !search.is_done() && search.searched().steps < limit {
                    search.resume(&mut one, &mut |system: &mut S, ending: Ending| {
                        seen = self.see(system, ending, Stage::Dpor);
                        ControlFlow::Break(())
                    });
                }
                seen?;
                if search.is_done() {
                    if search.searched().exhausted() {
                        return ControlFlow::Continue(Some(Basis::Dpor(search.searched())));
                    }
                    dpor = None;
                }
            }
            if let Some(search) = &mut states {
                let mut seen = ControlFlow::Continue(None);
                let more = search.advance(steps, &mut |system: &mut S| {
                    // In a last state nobody can go: that is complete, by whatever way.
                    seen = self.see(system, Ending::Complete, Stage::States);
                    seen.clone().continue_value().flatten()
                });
                seen?;
                if !more {
                    let found = states.take().expect("it was there").finish();
                    if found.exhausted() {
                        return ControlFlow::Continue(Some(Basis::States(found)));
                    }
                }
            }
            turn *= 2;
        }
        ControlFlow::Continue(None)
    }

    /// Asks what has happened, and keeps it if it is new.
    fn see<S: System>(&mut self, system: &mut S, ending: Ending, stage: Stage) -> ControlFlow<(), Option<O>>
    where
        J: FnMut(&mut S, Ending) -> ControlFlow<(), Option<O>>,
    {
        match ending {
            Ending::Complete => self.executions += u64::from(stage != Stage::States),
            Ending::Cut => self.cut += 1,
            Ending::Blocked => return ControlFlow::Continue(None),
        }
        self.measure(system.order());
        let outcome = (self.judge)(system, ending)?;
        if let Some(outcome) = &outcome
            && !self.outcomes.contains_key(outcome)
        {
            self.outcomes.insert(outcome.clone(), First { stage, schedule: system.order().to_vec() });
        }
        ControlFlow::Continue(outcome)
    }

    fn measure(&mut self, order: &[TaskId]) {
        self.busy.fill(false);
        let mut tasks = 0;
        for task in order {
            if self.busy.len() <= task.index() {
                self.busy.resize(task.index() + 1, false);
            }
            tasks += usize::from(!std::mem::replace(&mut self.busy[task.index()], true));
        }
        self.size.tasks = self.size.tasks.max(tasks);
        self.size.steps = self.size.steps.max(order.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::oracle::profile;
    use crate::bodies::{Program, Run, workloads};
    use crate::estimate::runs_for;
    use crate::spec::Spec;
    use crate::strategy::random::Random;

    fn explore(program: &Program, plan: &Plan) -> Explored<Vec<u64>> {
        let random = |seed, weight, depth| Sampler { scheduler: Box::new(Random::new(seed)), weight, depth };
        let samplers = |_| vec![random(1, 3, Some(2)), random(2, 1, None)];
        auto(
            || Run::new(program),
            plan,
            samplers,
            |run: &mut Run<'_>, ending| {
                ControlFlow::Continue((ending == Ending::Complete).then(|| run.seen().to_vec()))
            },
        )
    }

    fn stages(explored: &Explored<Vec<u64>>) -> Vec<Stage> {
        explored.outcomes.values().map(|first| first.stage).collect()
    }

    #[test]
    fn without_a_race_one_execution_is_enough() {
        for program in [workloads::fork_join(3), workloads::disjoint_writers(4)] {
            let explored = explore(&program, &Plan::default());
            assert_eq!((explored.basis, explored.executions, explored.outcomes.len()), (Basis::NoRace, 1, 1));
        }
    }

    #[test]
    fn what_was_cut_proves_nothing() {
        // No race, and one: neither the first execution nor a search came to an end.
        for program in [workloads::private_stores(2, 2), workloads::increments(2)] {
            let explored = auto(
                || Run::new(&program).limited(3),
                &Plan::default(),
                |_| vec![],
                |run: &mut Run<'_>, ending| {
                    ControlFlow::Continue((ending == Ending::Complete).then(|| run.seen().to_vec()))
                },
            );
            assert_eq!((explored.executions, explored.outcomes.len()), (0, 0));
            assert!(matches!(explored.basis, Basis::Sampled(_)) && explored.cut > 0, "{:?}", explored.basis);
        }
    }

    #[test]
    fn a_bug_of_one_reversal_is_found_by_the_pairs() {
        let explored = explore(&workloads::increments(2), &Plan::default());
        let mut stages = stages(&explored);
        stages.sort();
        assert_eq!(stages, [Stage::Default, Stage::Pairs]);
        // One in the default order, three pairs, and four classes.
        assert_eq!(explored.executions, 1 + 3 + 4);
        assert!(matches!(explored.basis, Basis::Dpor(searched) if searched.complete == 4));
    }

    #[test]
    fn planted_bugs_are_found_and_everything_is_seen() {
        for (program, name) in [(workloads::chain_reversed(), "chain reversed"), (workloads::cycle(), "cycle")] {
            let explored = explore(&program, &Plan::default());
            // Two results, and eight classes that are few enough for the first search.
            assert_eq!(explored.outcomes.len(), 2, "{name}");
            assert!(matches!(explored.basis, Basis::Dpor(searched) if searched.complete == 8), "{name}");
        }
    }

    /// By which part of the plan an execution is met first that ends with `bug` in cell 0, and the how many-th it is.
    /// Nothing is explored after it.
    fn found(program: &Program, bug: u64, plan: &Plan, samplers: impl FnOnce(Size) -> Vec<Sampler>) -> (Stage, u64) {
        let (mut asked, mut met) = (0, None);
        let explored = auto(
            || Run::new(program),
            plan,
            samplers,
            |run: &mut Run<'_>, _| {
                if met.is_some() {
                    return ControlFlow::Break(());
                }
                asked += 1;
                met = (run.cell(0) == bug).then_some(asked);
                ControlFlow::Continue(Some(run.cell(0)))
            },
        );
        (explored.outcomes[&bug].stage, met.expect("the bug is found"))
    }

    /// After the default order and the reversals of three pairs come eight classes.
    #[test]
    fn planted_bugs_are_found_within_twelve_executions() {
        let by_auto = |program: &Program| found(program, 1, &Plan::default(), |_| vec![]);
        // The default order begins with the task that was forked last, A, and so with the bug.
        assert_eq!(by_auto(&workloads::chain_reversed()), (Stage::Default, 1));
        // Here it begins with D: all three pairs must be reversed, which the last class does.
        assert_eq!(by_auto(&workloads::chain()), (Stage::Dpor, 1 + 3 + 8));
        assert_eq!(by_auto(&workloads::cycle()), (Stage::Dpor, 1 + 3 + 7));
    }

    /// Too many classes and states for the searches, of which the first seed gets the whole budget; and each seed finds it
    /// in the runs that miss what PCT promises with a chance of less than 10^-6.
    #[test]
    fn a_bug_of_depth_4_among_8_tasks_of_50_steps_is_left_to_the_samples() {
        let program = workloads::windows();
        let profile = profile(&program);
        let runs = runs_for(pct_chance(8, 24, 4), 1e-6).expect("a chance");
        for seed in 1..=20 {
            let steps = if seed == 1 { Plan::default().steps } else { 20_000 };
            let samplers = |size| {
                assert_eq!(size, Size { tasks: 8, steps: 24 });
                let sampler = |spec: Spec, depth| {
                    let scheduler = spec.scheduler(seed, &profile).expect("it samples");
                    Sampler { scheduler, weight: 1, depth }
                };
                vec![
                    sampler(Spec::Pct { depth: 4 }, Some(4)),
                    sampler(Spec::Random, None),
                    sampler(Spec::Pos, None),
                    sampler(Spec::Uniform, None),
                ]
            };
            let (stage, nth) = found(&program, 3, &Plan { steps, runs: 4 * runs, ..Plan::default() }, samplers);
            assert_eq!(stage, Stage::Sampling, "seed {seed}, execution {nth}");
        }
    }

    #[test]
    fn where_values_merge_states_finish_first() {
        // 9! orders against 9 · 2^8 + 1 states.
        let explored = explore(&workloads::writers(9), &Plan::default());
        assert!(matches!(&explored.basis, Basis::States(found) if found.states == 2305), "{:?}", explored.basis);
        assert_eq!(explored.outcomes.len(), 9);
    }

    #[test]
    fn where_nothing_finishes_a_sample_is_drawn() {
        let plan = Plan { steps: 2000, runs: 100, ..Plan::default() };
        let explored = explore(&workloads::updates(4, 10), &plan);
        let Basis::Sampled(sample) = explored.basis else { panic!("{:?}", explored.basis) };
        assert_eq!((sample.runs, explored.size), (100, Size { tasks: 4, steps: 40 }));
        // 75 of the runs were for depth 2: each misses with a chance of 1 - 1/(4 · 40).
        assert_eq!(sample.misses, BTreeMap::from([(2, miss_chance(1.0 / 160.0, 75))]));
        // All updates add up to the same.
        assert_eq!((sample.news, explored.outcomes.len()), (0.0, 1));
    }

    #[test]
    fn the_judge_can_have_enough() {
        let program = workloads::increments(4);
        for enough in [1, 2, 20, 100] {
            let mut asked = 0;
            let explored = auto(
                || Run::new(&program),
                &Plan::default(),
                |_| vec![],
                |run: &mut Run<'_>, _| {
                    asked += 1;
                    if asked == enough {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(Some(run.seen().to_vec()))
                    }
                },
            );
            assert_eq!((explored.basis, asked), (Basis::Stopped, enough));
        }
    }
}
