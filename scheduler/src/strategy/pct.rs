//! Probabilistic concurrency testing: random priorities, lowered at `depth - 1` random steps.
//!
//! Burckhardt, Kothari, Musuvathi and Nagarakatti, "A randomized scheduler with probabilistic guarantees of finding
//! bugs", ASPLOS 2010. Guarantee: a bug of depth d, one that is sure to appear if d steps are in a certain order, among
//! n tasks and k steps is found by each execution with a chance of at least 1/(n·k^(d-1)). It holds if no execution
//! takes more than the k steps that are assumed; fork, wait and end are no steps.
//!
//! Unlike in the paper, the change comes before the step at which it is due: a task is also lowered before its first
//! step. Each change has a priority of its own, whatever their order in time.
//!
//! The enabled tasks are in a heap that changes only when a task becomes enabled or stops being so: a step costs
//! constant time, a wait the logarithm of the number of tasks.

use std::collections::BinaryHeap;

use crate::choice::{Choice, Scheduler};
use crate::profile::Profile;
use crate::strategy::Campaign;
use crate::task::TaskId;

/// Runs by random priorities, as often as wanted.
#[derive(Debug, Clone)]
pub struct Pct {
    campaign: Campaign,
    /// How many changes there are in an execution.
    changes: u32,
    /// Among how many steps they are drawn.
    steps: usize,
    /// By task; 0 before it is drawn. Those that are drawn have the first bit set, those that were lowered have not.
    priorities: Vec<u64>,
    /// The enabled tasks. Invariant: between two choices, the task that was picked is on top.
    heap: BinaryHeap<(u64, TaskId)>,
    /// The steps before which a task is lowered and its new priority, the next one last.
    due: Vec<(usize, u64)>,
    step: usize,
}

impl Pct {
    /// A campaign with this seed, aimed at bugs of this depth, which is at least 1, in programs of as many steps as
    /// `profile` says.
    pub fn new(seed: u64, depth: u32, profile: &Profile) -> Self {
        Self {
            campaign: Campaign::new(seed),
            changes: depth.saturating_sub(1),
            steps: profile.steps().max(1),
            priorities: Vec::new(),
            heap: BinaryHeap::new(),
            due: Vec::new(),
            step: 0,
        }
    }

    fn priority(&mut self, task: TaskId) -> u64 {
        if self.priorities.len() <= task.index() {
            self.priorities.resize(task.index() + 1, 0);
        }
        let priority = &mut self.priorities[task.index()];
        if *priority == 0 {
            *priority = self.campaign.rng.next_u64() | DRAWN;
        }
        *priority
    }
}

const DRAWN: u64 = 1 << 63;

impl Scheduler for Pct {
    fn begin(&mut self) -> bool {
        self.campaign.begin();
        self.priorities.fill(0);
        self.heap.clear();
        self.due.clear();
        for change in 0..self.changes {
            self.due.push((self.campaign.rng.below(self.steps), u64::from(change) + 1));
        }
        self.due.sort_unstable_by(|a, b| b.cmp(a));
        self.step = 0;
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        if let Some(&(_, last)) = self.heap.peek()
            && !choice.enabled().contains(last)
        {
            self.heap.pop();
        }
        for &task in choice.woken() {
            let priority = self.priority(task);
            self.heap.push((priority, task));
        }
        while let Some(&(step, priority)) = self.due.last()
            && step == self.step
        {
            self.due.pop();
            let mut top = self.heap.peek_mut().expect("a choice is never empty");
            top.0 = priority;
            self.priorities[top.1.index()] = priority;
        }
        self.step += 1;
        self.heap.peek().expect("a choice is never empty").1
    }

    fn seek(&mut self, run: u64) {
        self.campaign.seek(run);
    }

    fn run_seed(&self) -> Option<u64> {
        self.campaign.run_seed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::oracle::{check_run_seeds, drive, profile};
    use crate::bodies::{Op::*, Program, Run, workloads};
    use crate::estimate::{pct_chance, runs_for};
    use crate::strategy::random::Random;

    /// How many of so many executions end with 1 in cell 0.
    fn hits(program: &Program, scheduler: &mut impl Scheduler, runs: u32) -> u32 {
        let mut run = Run::linear(program);
        let mut hit = || {
            run.execute(scheduler).expect("there is always one more");
            u32::from(run.cell(0) == 1)
        };
        (0..runs).map(|_| hit()).sum()
    }

    /// The rate must not lie under the bound by more than four standard deviations.
    fn check(program: &Program, depth: u32, tasks: u32, runs: u32) -> u32 {
        let profile = profile(program);
        let bound = 1.0 / (f64::from(tasks) * (profile.steps() as f64).powi(depth as i32 - 1));
        let least = bound * f64::from(runs) - 4.0 * (bound * f64::from(runs)).sqrt();
        assert!(least > 0.0, "too few runs to fail");
        let hits = hits(program, &mut Pct::new(1, depth, &profile), runs);
        assert!(f64::from(hits) >= least, "{hits} hits in {runs} runs, depth {depth}, bound {bound}");
        hits
    }

    /// A chain of `depth` constraints: each task must load after its predecessor's store. Forked in reverse.
    fn ordered(depth: usize) -> Program {
        let cell = |i: usize| (i + 1) % (depth + 1);
        let first = vec![Set(1), Store(cell(0)), Store(cell(0))];
        let others = (1..=depth).map(|i| vec![Load(cell(i - 1)), Store(cell(i))]);
        Program::family([first].into_iter().chain(others).collect::<Vec<_>>().into_iter().rev())
    }

    #[test]
    fn bugs_of_each_depth_are_found_as_often_as_promised() {
        // Bounds: 1/2, 1/(3·6), 1/(4·8²), 1/(5·10³).
        for depth in 1..=4 {
            check(&ordered(depth), depth as u32, depth as u32 + 1, 120_000);
        }
        // 1/(4·40²)
        for program in [workloads::chain(), workloads::chain_reversed(), workloads::cycle()] {
            check(&program, 3, 4, 200_000);
        }
    }

    /// The bug needs the first of another task's two steps between the steps `at` and `at + 1` of one that takes
    /// `steps`.
    fn interrupted(steps: usize, at: usize) -> Program {
        let mut long = vec![Store(2); steps];
        (long[at], long[at + 1]) = (Store(1), Update(1, 1));
        Program::family([[vec![Set(1)], long].concat(), vec![Load(1), Store(0)]])
    }

    #[test]
    fn the_bound_is_met_where_it_is_tight() {
        // The long task must have the higher priority, 1/2, and be lowered before its 9th step, one of 14 in all.
        let program = interrupted(12, 7);
        let runs = 56_000;
        let found = check(&program, 2, 2, runs);
        let expected = f64::from(runs) / 28.0;
        assert!((f64::from(found) - expected).abs() < 4.0 * expected.sqrt(), "{found} hits, {expected} expected");
        // One change fewer never finds it.
        assert_eq!(hits(&program, &mut Pct::new(1, 1, &profile(&program)), 1000), 0);
    }

    /// The looker has the least priority of the four that matter, and each of the three others is lowered right before its
    /// second step: 1/4 · 3!/k³, where k = 24. Promised is 1/(8·k³). So many runs as miss what is promised with a chance
    /// of less than 10^-6 are ln(10^6) · 8 · 24³ of them, about 1.5 million; a twelfth of that would do.
    #[test]
    fn a_bug_of_depth_4_among_8_tasks_of_50_steps_is_found_within_the_bound_by_each_seed() {
        let program = workloads::windows();
        let profile = profile(&program);
        assert_eq!((profile.steps(), program.tasks() - 1), (24, 8));
        let most = runs_for(pct_chance(8, 24, 4), 1e-6).expect("a chance");
        assert!((1_527_000..1_529_000).contains(&most), "{most}");
        let mut run = Run::linear(&program);
        let mut found = Vec::new();
        for seed in 1..=20 {
            let mut pct = Pct::new(seed, 4, &profile);
            let mut shows = || run.execute(&mut pct).is_some() && run.cell(0) == 3;
            found.push((1..=most).find(|_| shows()).expect("it is found within the bound"));
        }
        // Each takes 9216 runs in the mean; the mean of 20 has a standard deviation of 9216/√20.
        let mean = found.iter().sum::<u64>() as f64 / 20.0;
        assert!((mean - 9216.0).abs() < 4.0 * 9216.0 / 20f64.sqrt(), "{found:?}");
        // With one change fewer it is never found.
        let mut shallow = Pct::new(1, 3, &profile);
        assert!((0..20_000).all(|_| run.execute(&mut shallow).is_some() && run.cell(0) != 3));
    }

    #[test]
    fn a_random_walk_misses_the_bound() {
        // 1/6400 promised for depth 3; the walk is far below.
        let hits = hits(&workloads::chain_reversed(), &mut Random::new(1), 100_000);
        assert!(hits < 16, "{hits}");
    }

    #[test]
    fn changes_beyond_the_end_and_unknown_programs_are_no_harm() {
        let program = workloads::increments(3);
        for known in [workloads::fork_join(1), workloads::updates(3, 100)] {
            let mut pct = Pct::new(1, 9, &profile(&known));
            let orders = crate::bodies::oracle::orders(&program, &mut pct, 3000);
            assert!(orders.len() >= 6);
        }
    }

    #[test]
    fn a_run_seed_repeats_the_run() {
        let program = workloads::chain();
        let profile = profile(&program);
        check_run_seeds(&program, |seed| Pct::new(seed, 3, &profile));
    }

    #[test]
    fn a_seed_picks_the_same_for_ever() {
        let program = workloads::updates(3, 3);
        let order = drive(&program, &mut Pct::new(7, 3, &profile(&program)));
        assert_eq!(order, [1, 1, 1, 3, 3, 3, 2, 2, 2]);
    }
}
