//! The random walk: each enabled task is as likely as any other, at every step.
//!
//! Guarantee: every schedule has a chance, the product of one over the number of enabled tasks at each step. The
//! chances are far from equal, long delays are rare, so it is a baseline and not a method of its own.

use crate::choice::{Choice, Scheduler};
use crate::strategy::Campaign;
use crate::task::TaskId;

/// Runs random walks, as many as wanted.
#[derive(Debug, Clone)]
pub struct Random {
    campaign: Campaign,
}

impl Random {
    /// A campaign with this seed. Its first execution is that of the run with the seed `seed`.
    pub fn new(seed: u64) -> Self {
        Self { campaign: Campaign::new(seed) }
    }
}

impl Scheduler for Random {
    fn begin(&mut self) -> bool {
        self.campaign.begin();
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let enabled = choice.enabled();
        match enabled.len() {
            // A forced step draws nothing, so that steps which nobody else can take do not shift the rest.
            1 => enabled[0],
            many => enabled[self.campaign.rng.below(many)],
        }
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
    use crate::bodies::oracle::{check_run_seeds, drive};
    use crate::bodies::workloads;

    #[test]
    fn a_run_seed_repeats_the_run() {
        check_run_seeds(&workloads::writers(5), Random::new);
    }

    #[test]
    fn a_seed_picks_the_same_for_ever() {
        assert_eq!(drive(&workloads::updates(3, 3), &mut Random::new(7)), [3, 3, 1, 2, 2, 1, 1, 3, 2]);
    }
}
