//! A strategy of one's own: `cargo run -p forkcheck-scheduler --example own_strategy`.
//!
//! It stays with a task for a few steps before it goes to another. That finds bugs that need a long delay, which a random
//! walk hardly ever makes.
#![allow(clippy::print_stdout)]

use forkcheck_scheduler::bodies::{Run, workloads};
use forkcheck_scheduler::{Choice, Ending, Rng, Scheduler, TaskId, run_seed};

/// Goes to another task at one step in `stay`.
#[derive(Debug)]
pub(crate) struct Bursts {
    stay: usize,
    seed: u64,
    runs: u64,
    rng: Rng,
    /// How many executions came to their end.
    pub(crate) completed: u64,
}

impl Bursts {
    /// A campaign with this seed.
    pub(crate) fn new(seed: u64, stay: usize) -> Self {
        Self { stay, seed, runs: 0, rng: Rng::new(seed), completed: 0 }
    }
}

impl Scheduler for Bursts {
    fn begin(&mut self) -> bool {
        // Each execution has a seed of its own, so that any of them can be repeated alone.
        self.rng = Rng::new(run_seed(self.seed, self.runs));
        self.runs += 1;
        true
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let enabled = choice.enabled();
        match choice.last().filter(|&last| enabled.contains(last)) {
            Some(last) if self.rng.below(self.stay) > 0 => last,
            _ => enabled[self.rng.below(enabled.len())],
        }
    }

    fn end(&mut self, ending: Ending) {
        self.completed += u64::from(ending == Ending::Complete);
    }

    fn run_seed(&self) -> Option<u64> {
        self.runs.checked_sub(1).map(|run| run_seed(self.seed, run))
    }
}

fn main() {
    // Four tasks of ten steps; in cell 0 they say whether they ran one after another in the wrong order.
    let program = workloads::chain_reversed();
    let (mut run, mut bursts) = (Run::linear(&program), Bursts::new(1, 20));
    while run.cell(0) != 1 {
        run.execute(&mut bursts);
    }
    let seed = bursts.run_seed().expect("it has begun");
    println!("found in execution {}, which has the seed {seed:#x}", bursts.completed);
    let again = run.execute(&mut Bursts::new(seed, 20));
    assert_eq!((again, run.cell(0)), (Some(Ending::Complete), 1));
}
