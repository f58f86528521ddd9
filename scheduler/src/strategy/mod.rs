//! The strategies, one algorithm a file.
//!
//! Linear ones are a [`Scheduler`](crate::Scheduler) and see one execution after another; searches are functions over
//! a [`System`](crate::System).

pub mod auto;
pub mod child_first;
pub mod dfs;
pub mod dpor;
pub mod pairs;
pub mod pct;
pub mod pos;
pub mod random;
pub mod replay;
pub mod round_robin;
pub mod states;
pub mod uniform;

#[cfg(test)]
mod laws;

use crate::rng::{Rng, run_seed};

/// The random numbers of one execution after another, each with a seed of its own.
#[derive(Debug, Clone)]
struct Campaign {
    seed: u64,
    /// Executions begun so far.
    runs: u64,
    rng: Rng,
}

impl Campaign {
    fn new(seed: u64) -> Self {
        Self { seed, runs: 0, rng: Rng::new(seed) }
    }

    fn begin(&mut self) {
        // The first run has the campaign's own seed, and its numbers are there already.
        if self.runs > 0 {
            self.rng = Rng::new(run_seed(self.seed, self.runs));
        }
        self.runs += 1;
    }

    fn run_seed(&self) -> Option<u64> {
        self.runs.checked_sub(1).map(|run| run_seed(self.seed, run))
    }
}
