//! A strategy from outside the crate plugs in like those of the crate: the example, driven over programs.

use std::collections::BTreeSet;

use forkcheck_scheduler::bodies::{Run, workloads};
use forkcheck_scheduler::{Moment, Scheduler};
use own_strategy::Bursts;

#[allow(dead_code)]
#[path = "../examples/own_strategy.rs"]
mod own_strategy;

#[test]
fn it_reaches_every_outcome() {
    for (program, outcomes) in [(workloads::increments(3), 3), (workloads::readers(3), 8), (workloads::writers(4), 4)] {
        let (mut run, mut bursts, mut seen) = (Run::linear(&program), Bursts::new(1, 4), BTreeSet::new());
        for _ in 0..2000 {
            run.execute(&mut bursts);
            seen.insert(run.outcome());
        }
        assert_eq!((seen.len(), bursts.completed), (outcomes, 2000));
    }
}

#[test]
fn it_repeats_an_execution_by_its_seed() {
    let program = workloads::chain();
    let (mut run, mut bursts) = (Run::linear(&program), Bursts::new(1, 4));
    for _ in 0..20 {
        run.execute(&mut bursts);
        let order = run.order().to_vec();
        run.execute(&mut Bursts::new(bursts.run_seed().unwrap(), 4));
        assert_eq!(run.order(), order);
    }
}
