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
    /// The execution that begins next.
    next: u64,
    /// Of the one that has begun last; of run 0 before that.
    rng: Rng,
}

impl Campaign {
    fn new(seed: u64) -> Self {
        Self { seed, next: 0, rng: Rng::new(seed) }
    }

    fn begin(&mut self) {
        self.rng.reseed(run_seed(self.seed, self.next));
        self.next += 1;
    }

    fn seek(&mut self, run: u64) {
        self.next = run;
    }

    fn run_seed(&self) -> Option<u64> {
        self.next.checked_sub(1).map(|run| run_seed(self.seed, run))
    }
}
