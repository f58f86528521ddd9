//! What all strategies that pick have in common, tested on random programs.

use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::bodies::oracle::{any_program, brute_force, profile};
use crate::bodies::{Program, Run, workloads};
use crate::choice::{Ending, Scheduler};
use crate::profile::Profile;
use crate::spec::Spec;
use crate::strategy::dpor::dpor;
use crate::strategy::states::{Progress, states};
use crate::system::System;

const SAMPLING: [Spec; 5] = [Spec::Random, Spec::Pct { depth: 2 }, Spec::Pct { depth: 4 }, Spec::Pos, Spec::Uniform];

/// What can be seen at the ends of so many executions.
fn outcomes(program: &Program, scheduler: &mut dyn Scheduler, runs: u32) -> BTreeSet<Vec<u64>> {
    let mut run = Run::linear(program);
    let mut one = || {
        assert_eq!(run.execute(scheduler), Some(Ending::Complete));
        run.seen().to_vec()
    };
    (0..runs).map(|_| one()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sampled_outcomes_are_outcomes_and_with_enough_runs_all(program in any_program(), seed: u64) {
        let Some(truth) = brute_force(&program, 300) else { return Ok(()) };
        let profile = profile(&program);
        for spec in SAMPLING {
            // A run seed each, as callers do that spread the runs over threads.
            let seen = outcomes(&program, &mut *spec.scheduler(seed, &profile).unwrap(), 40);
            prop_assert!(seen.is_subset(&truth.outcomes), "{spec}");
        }
        for spec in [Spec::RoundRobin, Spec::ChildFirst] {
            let seen = outcomes(&program, &mut *spec.scheduler(seed, &profile).unwrap(), 1);
            prop_assert!(seen.is_subset(&truth.outcomes), "{spec}");
        }
        for spec in [Spec::Random, Spec::Pos, Spec::Uniform] {
            // The rarest of 300 orders comes up more often than once in 1000 runs, or almost.
            let mut scheduler = spec.scheduler(seed, &profile).unwrap();
            let mut seen = BTreeSet::new();
            for _ in 0..60 {
                seen.extend(outcomes(&program, &mut *scheduler, 500));
                if seen == truth.outcomes {
                    break;
                }
            }
            prop_assert_eq!(&seen, &truth.outcomes, "{}", spec);
        }
    }

    /// The same by the searches, where there are too many orders to try them all.
    #[test]
    fn sampled_outcomes_are_among_those_of_the_searches(program in any_program(), seed: u64) {
        let (mut by_dpor, mut left) = (BTreeSet::new(), 3000);
        let searched = dpor(&mut Run::new(&program), &mut |run: &mut Run<'_>, ending| {
            assert_eq!(ending, Ending::Complete);
            by_dpor.insert(run.seen().to_vec());
            left -= 1;
            if left > 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if !searched.exhausted() {
            return Ok(());
        }
        let (by_states, _) =
            states(|| Run::new(&program), |run| run.seen().to_vec(), 1, u64::MAX, &Progress::default()).unwrap();
        prop_assert!(by_states.outcomes.keys().eq(&by_dpor));
        let profile = profile(&program);
        for spec in SAMPLING.into_iter().chain([Spec::RoundRobin, Spec::ChildFirst]) {
            let runs = if SAMPLING.contains(&spec) { 40 } else { 1 };
            let seen = outcomes(&program, &mut *spec.scheduler(seed, &profile).unwrap(), runs);
            prop_assert!(seen.is_subset(&by_dpor), "{spec}");
        }
    }

    /// Also a profile of another program, and one that was cut.
    #[test]
    fn no_profile_makes_a_strategy_fail(program in any_program(), known in any_program(), limit in 0..6usize) {
        let cut = Arc::new(Profile::of(&mut Run::new(&program).limited(limit)));
        for profile in [cut, profile(&known)] {
            for spec in SAMPLING {
                outcomes(&program, &mut *spec.scheduler(1, &profile).unwrap(), 20);
            }
        }
    }

    /// A machine that goes back to its start between runs must look like one that has just begun.
    #[test]
    fn going_back_to_the_start_is_a_new_beginning(program in any_program(), seed: u64) {
        let profile = profile(&program);
        for spec in SAMPLING {
            let (mut a, mut b) = (spec.scheduler(seed, &profile).unwrap(), spec.scheduler(seed, &profile).unwrap());
            let (mut new, mut old) = (Run::new(&program), Run::new(&program));
            let start = old.mark();
            for _ in 0..5 {
                new.execute(&mut *a);
                old.rewind(&start);
                assert!(b.begin());
                let ending = crate::system::run(&mut old, &mut *b);
                b.end(ending);
                prop_assert_eq!(new.seen(), old.seen());
            }
        }
    }
}

/// No program is too small, and none has too many tasks.
#[test]
fn small_and_large_programs() {
    for program in [workloads::fork_join(3), workloads::writers(1), workloads::updates(300, 2), workloads::tree(6)] {
        let profile = profile(&program);
        for spec in SAMPLING {
            outcomes(&program, &mut *spec.scheduler(1, &profile).unwrap(), 20);
        }
    }
}
