//! Exact numbers of states and schedules, each with why, and the laws on generated programs.

use super::*;
use crate::bodies::{Program, Run, workloads};
use crate::toy::{self, Toy};
use proptest::prelude::*;

fn search(program: &Program, jobs: usize) -> States<Vec<u64>> {
    let progress = Progress::default();
    let (found, _) = states(|| Run::new(program), |run| run.seen().to_vec(), jobs, u64::MAX, &progress).unwrap();
    assert!(found.exhausted() && !found.endless);
    assert_eq!((progress.states(), progress.outcomes()), (found.states, found.outcomes.len() as u64));
    found
}

fn schedules<O>(found: &States<O>) -> u128 {
    found.outcomes.values().map(|reach| reach.schedules.unwrap()).sum()
}

#[test]
fn writers_of_one_location() {
    // A state is who has written, and who was the last of them: the sum of k · C(n, k), and the beginning. Each of the n!
    // schedules ends with one of n last writers, with equal chances; nobody need be interrupted.
    for (n, factorial) in [(1, 1), (2, 2), (3, 6), (4, 24), (10, 3_628_800)] {
        let found = search(&workloads::writers(n), 1);
        assert_eq!(found.states, n as u64 * (1 << (n - 1)) + 1);
        assert_eq!((schedules(&found), found.outcomes.len()), (factorial, n));
        for reach in found.outcomes.values() {
            assert_eq!((reach.schedules, reach.preemptions), (Some(factorial / n as u128), 0));
            assert!((reach.probability.unwrap() - 1.0 / n as f64).abs() < 1e-12);
        }
    }
}

#[test]
fn more_schedules_than_a_number_can_tell() {
    // 4 tasks of 10 steps that have nothing to do with each other: 40! / 10!^4 schedules. A state is how far each has
    // come: 11^4.
    let found = search(&workloads::private_stores(4, 10), 1);
    assert_eq!((found.states, schedules(&found)), (14_641, 4_705_360_871_073_570_227_520));
    // 2 tasks of 80 steps: C(160, 80) > 2^155.
    let found = search(&workloads::private_stores(2, 80), 1);
    assert_eq!((found.states, schedules(&found)), (81 * 81, u128::MAX));
}

#[test]
fn a_lost_update_needs_one_preemption() {
    let found = search(&workloads::increments(2), 1);
    let mut results: Vec<_> = found.outcomes.values().map(|reach| (reach.preemptions, reach.schedules)).collect();
    results.sort();
    // Of the 6 interleavings of two loads and stores, 2 keep the tasks apart.
    assert_eq!(results, [(0, Some(2)), (1, Some(4))]);
}

#[test]
fn several_workers_find_the_same() {
    for program in [
        workloads::writers(9),
        workloads::increments(4),
        workloads::readers_and_writer(3, 3),
        workloads::tree(3),
        workloads::cycle(),
        workloads::fork_join(3),
    ] {
        let alone = search(&program, 1);
        for jobs in [2, 3, 8] {
            assert_eq!(search(&program, jobs), alone);
        }
    }
}

#[test]
fn a_search_can_be_interrupted_and_resumed() {
    let program = workloads::increments(4);
    let mut explorer = Explorer::new(Run::new(&program), u64::MAX).unwrap();
    let mut rounds = 0;
    while explorer.advance(100, &mut |run| Some(run.seen().to_vec())) {
        rounds += 1;
    }
    assert!(rounds > 3);
    assert!(!explorer.advance(100, &mut |run| Some(run.seen().to_vec())));
    assert_eq!(explorer.progress().frontier(), 0);
    assert_eq!(explorer.finish(), search(&program, 1));
}

#[test]
fn a_search_that_was_stopped_says_so() {
    let program = workloads::increments(4);
    for jobs in [1, 2] {
        let progress = Progress::default();
        let (found, _) = states(|| Run::new(&program), |run| run.seen().to_vec(), jobs, 50, &progress).unwrap();
        assert!(found.stopped && !found.exhausted());
        assert!(found.outcomes.values().all(|reach| reach.schedules.is_none() && reach.probability.is_none()));
        let progress = Progress::default();
        progress.stop();
        let (found, _) = states(|| Run::new(&program), |run| run.seen().to_vec(), jobs, u64::MAX, &progress).unwrap();
        assert!(found.stopped);
    }
    let mut explorer = Explorer::new(Run::new(&program), u64::MAX).unwrap();
    assert!(explorer.advance(50, &mut |run| Some(run.seen().to_vec())));
    assert!(explorer.finish().stopped);
    let mut explorer = Explorer::new(Run::new(&program), u64::MAX).unwrap();
    assert!(!explorer.advance(u64::MAX, &mut |_| None::<u8>));
    let found = explorer.finish();
    assert!(found.stopped && found.outcomes.is_empty());
}

#[test]
fn refused_steps_are_counted() {
    let program = toy::writers(3);
    let make = || {
        let mut toy = Toy::new(&program);
        toy.limit = 2;
        toy
    };
    let (found, _) = states(make, |toy| toy.outcome(), 1, u64::MAX, &Progress::default()).unwrap();
    // The third write is refused in each of the 6 states where two have written.
    assert_eq!((found.cut, found.states, found.outcomes.len(), found.exhausted()), (6, 10, 0, false));
}

/// The schedule does lead to the outcome, with so many preemptions.
fn follow(program: &toy::Program, reach: &Reach) -> (toy::Outcome, usize) {
    let mut toy = Toy::new(program);
    let mut preemptions = 0;
    for &task in &reach.schedule {
        let last = toy.trace().last().copied();
        preemptions +=
            usize::from(last.is_some_and(|last| last != task && crate::Moment::enabled(&toy).contains(last)));
        toy.step(task).unwrap();
    }
    (toy.outcome(), preemptions)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_weighs_all_outcomes_as_brute_force_does(program in toy::any_program(), jobs in 1..4usize) {
        let Some(truth) = toy::brute_force(&program, 20_000) else { return Ok(()) };
        let (found, _) = states(|| Toy::new(&program), |toy| toy.outcome(), jobs, u64::MAX, &Progress::default()).unwrap();
        prop_assert!(found.exhausted() && !found.endless);
        prop_assert!(found.outcomes.keys().eq(truth.outcomes.keys()));
        for (outcome, reach) in &found.outcomes {
            let tally = truth.outcomes[outcome];
            prop_assert_eq!(reach.schedules, Some(tally.schedules));
            prop_assert!((reach.probability.unwrap() - tally.probability).abs() < 1e-9);
            prop_assert_eq!(reach.preemptions as usize, tally.preemptions);
            prop_assert_eq!(follow(&program, reach), (outcome.clone(), tally.preemptions));
        }
    }
}
