//! The random walk: each enabled task is as likely as any other, at every step.
//!
//! Guarantee: every schedule has a chance, the product of one over the number of enabled tasks at each step. The
//! chances are far from equal, long delays are rare, so it is a baseline and not a method of its own.

use crate::choice::{Choice, Scheduler};
use crate::rng::{Rng, run_seed};
use crate::task::TaskId;

/// Runs random walks, as many as wanted.
#[derive(Debug, Clone)]
pub struct Random {
    seed: u64,
    /// Executions begun so far.
    runs: u64,
    rng: Rng,
}

impl Random {
    /// A campaign with this seed. Its first execution is that of the run with the seed `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, runs: 0, rng: Rng::new(seed) }
    }
}

impl Scheduler for Random {
    fn begin(&mut self) -> bool {
        self.rng = Rng::new(run_seed(self.seed, self.runs));
        self.runs += 1;
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let enabled = choice.enabled();
        match enabled.len() {
            // A forced step draws nothing, so that steps which nobody else can take do not shift the rest.
            1 => enabled[0],
            many => enabled[self.rng.below(many)],
        }
    }

    fn run_seed(&self) -> Option<u64> {
        self.runs.checked_sub(1).map(|run| run_seed(self.seed, run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{drive, writers};

    #[test]
    fn a_run_seed_repeats_the_run() {
        let program = writers(5);
        let mut campaign = Random::new(11);
        for _ in 0..20 {
            let order = drive(&program, &mut campaign);
            let mut again = Random::new(campaign.run_seed().unwrap());
            assert_eq!(drive(&program, &mut again), order);
            assert_eq!(again.run_seed(), campaign.run_seed());
        }
    }

    #[test]
    fn a_seed_picks_the_same_for_ever() {
        let order = drive(&writers(3), &mut Random::new(7));
        assert_eq!(order.iter().map(|task| task.number()).collect::<Vec<_>>(), [3, 1, 2]);
    }
}
