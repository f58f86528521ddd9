//! How much there is to explore, and what a sample may have missed.
//!
//! - [`classes`] estimates how many inequivalent executions there are, from a few walks down the tree of a search. Knuth,
//!   "Estimating the efficiency of backtrack programs" (1975): where there are b ways on, take one of them at random; the
//!   product of the b along a walk has the number of leaves as its mean. Without bias, but it may scatter widely.
//! - [`News`] estimates the chance that the next random execution shows an outcome not seen before: the share of the
//!   executions whose outcome was seen once. Good, "The population frequencies of species" (1953), after Turing.
//! - [`pct_chance`], [`miss_chance`] and [`runs_for`] bound what sampling by PCT misses: with n tasks, k steps and depth d
//!   each run finds a bug with a chance of p = 1/(n·k^(d-1)), and N of them miss it with a chance of at most (1-p)^N.
//!
//! Sums and products only, so that results are the same on every machine.

use std::collections::BTreeMap;

use crate::rng::Rng;
use crate::system::System;
use crate::task::TaskId;
use crate::trace::{FootprintId, Footprints};

/// What random walks say of a total.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// How many walks there were.
    pub walks: u32,
    /// The mean, which is the estimate.
    pub mean: f64,
    /// The variance of the mean, as estimated from the walks; 0 for one walk.
    pub variance: f64,
}

/// Estimates the number of executions that are inequivalent, by so many walks from where `system` stands.
///
/// The tree is that of [`dfs`](crate::strategy::dfs), where tasks explored before sleep; a walk that ends with all asleep
/// counts nothing, because there is no execution. The system is left where it was.
pub fn classes<S: System>(system: &mut S, rng: &mut Rng, walks: u32) -> Estimate {
    let begin = system.mark();
    let mut footprints = Footprints::default();
    let (mut mean, mut squares) = (0.0, 0.0);
    for walk in 1..=walks {
        let leaves = walk_once(system, rng, &mut footprints);
        system.rewind(&begin);
        let off = leaves - mean;
        mean += off / f64::from(walk);
        squares += off * (leaves - mean);
    }
    let pairs = f64::from(walks) * f64::from(walks.saturating_sub(1));
    Estimate { walks, mean, variance: if walks > 1 { squares / pairs } else { 0.0 } }
}

fn walk_once<S: System>(system: &mut S, rng: &mut Rng, footprints: &mut Footprints) -> f64 {
    let mut sleeping: Vec<(TaskId, FootprintId)> = Vec::new();
    let mut leaves = 1.0;
    while !system.enabled().is_empty() {
        let asleep = |task: &TaskId| sleeping.iter().any(|(other, _)| other == task);
        let mut awake: Vec<TaskId> = system.enabled().iter().filter(|task| !asleep(task)).collect();
        if awake.is_empty() {
            return 0.0;
        }
        awake.sort_unstable();
        leaves *= awake.len() as f64;
        let place = if awake.len() == 1 { 0 } else { rng.below(awake.len()) };
        let task = awake[place];
        sleeping.extend(awake[..place].iter().map(|&task| (task, footprints.id(system.pending(task)))));
        let touched = footprints.id(system.pending(task));
        sleeping.retain(|&(_, footprint)| !footprints.conflict(footprint, touched));
        if system.step(task).is_err() {
            break;
        }
    }
    leaves
}

/// Counts outcomes of random executions, and tells how likely a new one is.
#[derive(Debug, Clone, Default)]
pub struct News<O> {
    seen: BTreeMap<O, u64>,
    runs: u64,
    once: u64,
}

impl<O: Ord> News<O> {
    /// Nothing was seen.
    pub fn new() -> Self {
        Self { seen: BTreeMap::new(), runs: 0, once: 0 }
    }

    /// An execution had this outcome; says whether it is new.
    pub fn note(&mut self, outcome: O) -> bool {
        self.runs += 1;
        let times = self.seen.entry(outcome).or_insert(0);
        *times += 1;
        match *times {
            1 => self.once += 1,
            2 => self.once -= 1,
            _ => {}
        }
        *times == 1
    }

    /// The chance that the next execution shows something new; 1 before the first.
    pub fn chance(&self) -> f64 {
        if self.runs == 0 { 1.0 } else { self.once as f64 / self.runs as f64 }
    }
}

/// The least chance with which a run of PCT shows a bug of depth `depth` among so many tasks and steps.
pub fn pct_chance(tasks: usize, steps: usize, depth: u32) -> f64 {
    1.0 / (tasks.max(1) as f64 * power(steps.max(1) as f64, u64::from(depth.saturating_sub(1))))
}

/// The greatest chance that all of `runs` runs miss what each shows with a chance of `chance`.
pub fn miss_chance(chance: f64, runs: u64) -> f64 {
    power(1.0 - chance.clamp(0.0, 1.0), runs)
}

/// The least number of runs that miss with a chance of at most `miss` what each shows with a chance of `chance`. None if
/// no number is enough.
pub fn runs_for(chance: f64, miss: f64) -> Option<u64> {
    let enough = |runs| miss_chance(chance, runs) <= miss;
    let mut most = 1;
    while !enough(most) {
        most = if most < 1 << 62 { most * 2 } else { return None };
    }
    let (mut few, mut enough_runs) = (0, most);
    while few < enough_runs {
        let middle = few + (enough_runs - few) / 2;
        if enough(middle) { enough_runs = middle } else { few = middle + 1 }
    }
    Some(enough_runs)
}

fn power(mut base: f64, mut exponent: u64) -> f64 {
    let mut product = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            product *= base;
        }
        base *= base;
        exponent /= 2;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::{Program, Run, workloads};

    /// The estimate is within three standard deviations of what a search counts.
    fn check(program: &Program, walks: u32, expected: f64) {
        let mut run = Run::new(program);
        let estimate = classes(&mut run, &mut Rng::new(3), walks);
        assert!((estimate.mean - expected).powi(2) <= 9.0 * estimate.variance, "{estimate:?} for {expected}");
        let again = classes(&mut run, &mut Rng::new(3), walks);
        assert_eq!(again, estimate, "the system is where it was");
    }

    #[test]
    fn the_mean_of_walks_is_the_number_of_classes() {
        // With all steps in conflict every walk has n! leaves, exactly.
        check(&workloads::writers(5), 7, 120.0);
        check(&workloads::fork_join(3), 7, 1.0);
        // Elsewhere they scatter.
        check(&workloads::increments(4), 10_000, 576.0);
        check(&workloads::readers(6), 10_000, 64.0);
        check(&workloads::ring(4), 10_000, 15.0);
    }

    #[test]
    fn what_was_seen_once_tells_of_what_was_not_seen() {
        let mut news = News::new();
        assert_eq!(news.chance(), 1.0);
        assert!(news.note("a") && news.note("b"));
        assert_eq!(news.chance(), 1.0);
        assert!(!news.note("a"));
        assert_eq!(news.chance(), 1.0 / 3.0);
        assert!(!news.note("b") && !news.note("b"));
        assert_eq!(news.chance(), 0.0);
    }

    #[test]
    fn bounds_of_pct() {
        // 4 tasks, 10 steps, depth 2: 1/40. (39/40)^n <= 1 % from n = 182 on: ln 0.01 / ln 0.975 = 181.9.
        let chance = pct_chance(4, 10, 2);
        assert_eq!(chance, 1.0 / 40.0);
        assert_eq!(runs_for(chance, 0.01), Some(182));
        assert!(miss_chance(chance, 181) > 0.01 && miss_chance(chance, 182) <= 0.01);
        assert_eq!(pct_chance(3, 7, 1), 1.0 / 3.0);
        assert_eq!(pct_chance(3, 7, 3), 1.0 / 147.0);
        assert_eq!((runs_for(1.0, 0.0), runs_for(0.0, 0.5), runs_for(0.5, 1.0)), (Some(1), None, Some(0)));
        assert_eq!(miss_chance(0.5, 3), 0.125);
    }
}
