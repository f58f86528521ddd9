//! The same workloads under our strategies and searches.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use criterion::Criterion;
use forkcheck::audit::audit;
use forkcheck::{Atomicity, Config};
use forkcheck_scheduler::bodies::{Program, Run, workloads};
use forkcheck_scheduler::strategy::auto::{Plan, auto};
use forkcheck_scheduler::strategy::dpor::dpor;
use forkcheck_scheduler::strategy::states::{Progress, states};
use forkcheck_scheduler::{Ending, Profile, Spec, run};

use crate::interpreted;

/// Everything of ours.
pub(crate) fn measure(criterion: &mut Criterion) {
    for (name, program) in [
        ("W1 N=4", workloads::increments(4)),
        ("W5 N=4", workloads::updates(4, 10)),
        ("W5 N=100", workloads::updates(100, 10)),
        ("W5 N=1000", workloads::updates(1000, 10)),
    ] {
        for spec in [Spec::Random, Spec::Pct { depth: 3 }, Spec::Pos, Spec::Uniform] {
            sample(criterion, name, &program, spec);
        }
    }
    for (name, program) in [
        ("W1 N=2", workloads::increments(2)),
        ("W1 N=3", workloads::increments(3)),
        ("W1 N=4", workloads::increments(4)),
        ("W2 N=4", workloads::private_stores(4, 4)),
        ("W3", workloads::readers_and_writer(3, 3)),
        ("W4 depth 3", workloads::tree(3)),
    ] {
        exhaust(criterion, name, &program);
    }
    for (name, program, jobs) in [
        ("10 writers", workloads::writers(10), 1),
        ("12 writers", workloads::writers(12), 1),
        ("15 writers, 1 job", workloads::writers(15), 1),
        ("15 writers, 2 jobs", workloads::writers(15), 2),
    ] {
        all_states(criterion, name, &program, jobs);
    }
    for (name, program) in
        [("chain", workloads::chain()), ("chain reversed", workloads::chain_reversed()), ("cycle", workloads::cycle())]
    {
        second_outcome(criterion, name, &program);
    }
    interpreter(criterion);
}

/// One execution: its schedule is recorded and its outcome hashed.
fn sample(criterion: &mut Criterion, name: &str, program: &Program, spec: Spec) {
    let group = spec.to_string().replace(":3", "");
    criterion.bench_function(&format!("{group}/{name}/forkcheck"), |bencher| {
        let profile = Arc::new(Profile::of(&mut Run::new(program)));
        let mut execution = Run::linear(program);
        let mut scheduler = spec.scheduler(1, &profile).expect("a strategy that picks");
        bencher.iter(|| {
            execution.reset();
            assert!(scheduler.begin());
            let ending = run(&mut execution, scheduler.as_mut());
            scheduler.end(ending);
            black_box(execution.outcome())
        });
    });
}

/// The whole space, each outcome hashed.
fn exhaust(criterion: &mut Criterion, name: &str, program: &Program) {
    criterion.bench_function(&format!("exhaustive/{name}/forkcheck"), |bencher| {
        bencher.iter(|| {
            let mut outcomes = 0;
            let mut execution = Run::new(program);
            dpor(&mut execution, &mut |execution: &mut Run<'_>, _: Ending| {
                outcomes ^= execution.outcome();
                ControlFlow::Continue(())
            });
            black_box(outcomes)
        });
    });
}

fn all_states(criterion: &mut Criterion, name: &str, program: &Program, jobs: usize) {
    criterion.bench_function(&format!("states/{name}/forkcheck"), |bencher| {
        bencher.iter(|| {
            let make = || Run::new(program);
            states(make, |run| run.outcome(), jobs, u64::MAX, &Progress::default()).expect("it has a digest").0.states
        });
    });
}

/// How long `auto` takes to see a second outcome, the bug.
fn second_outcome(criterion: &mut Criterion, name: &str, program: &Program) {
    criterion.bench_function(&format!("auto/{name}/forkcheck"), |bencher| {
        bencher.iter(|| {
            let mut first = None;
            let judge = |run: &mut Run<'_>, _: Ending| {
                let outcome = run.outcome();
                match *first.get_or_insert(outcome) == outcome {
                    true => ControlFlow::Continue(Some(outcome)),
                    false => ControlFlow::Break(()),
                }
            };
            let explored = auto(|| Run::new(program), &Plan::default(), |_| Vec::new(), judge);
            assert!(explored.executions > 1, "{name} has two outcomes");
        });
    });
}

/// Archives, from the certificate to the report.
fn interpreter(criterion: &mut Criterion) {
    let config = |strategy, executions, jobs| Config {
        strategy,
        executions,
        jobs,
        atomicity: Atomicity::Op,
        ..Config::default()
    };
    for (name, program, config) in [
        ("1000 samples of W1 N=4", interpreted::increments(4), config(Spec::Random, 1000, 1)),
        ("dpor W1 N=3", interpreted::increments(3), config(Spec::Dpor, 10_000, 1)),
        ("dpor W1 N=4", interpreted::increments(4), config(Spec::Dpor, 10_000, 1)),
        ("states 10 writers", interpreted::writers(10), config(Spec::States, 10_000, 1)),
        ("100 000 samples, 1 job", interpreted::increments(4), config(Spec::Random, 100_000, 1)),
        ("100 000 samples, 2 jobs", interpreted::increments(4), config(Spec::Random, 100_000, 2)),
    ] {
        criterion.bench_function(&format!("interpreter/{name}/forkcheck"), |bencher| {
            bencher.iter(|| audit(&program, &config));
        });
    }
}
