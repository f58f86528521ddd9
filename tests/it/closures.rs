//! Rust bodies: what is found, how many executions it takes, and that every schedule can be run again.

use forkcheck::report::{Assurance, Report, Verdict};
use forkcheck::{Attr, Checker, Future, Global, Tensor, fork, rng, wait};

/// n tasks that read a number and write one more.
fn increments(n: usize) -> impl Fn() -> i64 + Send + Sync + 'static {
    move || {
        let count = Attr::new(0i64);
        let tasks: Vec<Future<()>> = (0..n)
            .map(|_| {
                let count = count.clone();
                fork(move || count.set(count.get() + 1), ())
            })
            .collect();
        tasks.iter().for_each(wait);
        count.get()
    }
}

#[track_caller]
fn check_counts(report: &Report, executions: u64, outcomes: usize) {
    let found = report.outcomes.as_ref().unwrap();
    assert_eq!((report.stats.executions, found.distinct), (Some(executions), outcomes), "{report}");
    assert_eq!((report.assurance, report.stats.discarded), (Some(Assurance::Exhausted), 0), "{report}");
}

#[test]
fn every_inequivalent_schedule_is_run_exactly_once() {
    // Orders of n reads and n writes of one location, each read before its own write, where reads commute: 4, 36, 576.
    for (n, executions) in [(2, 4), (3, 36), (4, 576)] {
        let report = Checker::new().strategy("dpor").run(increments(n));
        check_counts(&report, executions, n);
    }
}

#[test]
fn every_witness_can_be_run_again() {
    for strategy in ["auto", "dpor", "dfs", "random", "pct:2", "pos", "uniform"] {
        let report = Checker::new().strategy(strategy).budget(200).run(increments(3));
        let outcomes = report.outcomes.as_ref().unwrap();
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{strategy}: {report}");
        assert!(outcomes.witnesses.len() >= 2, "{strategy}: {report}");
        for witness in &outcomes.witnesses {
            let again = Checker::new().replay(&witness.schedule).run(increments(3));
            assert_eq!(again.outcomes.as_ref().unwrap().witnesses[0].digest, witness.digest, "{strategy}: {again}");
        }
    }
}

#[test]
fn a_body_without_a_race_runs_once() {
    let report = Checker::new().run(|| {
        let x = Tensor::from(vec![1.0f32; 8]);
        let parts: Vec<_> = (0..4).map(|i| fork(|x: Tensor| x.sum(), (x.narrow(0, 2 * i, 2),))).collect();
        parts.iter().map(|part| wait(part).item()).sum::<f64>()
    });
    assert_eq!((report.verdict, report.assurance), (Some(Verdict::Pure), Some(Assurance::Certified)), "{report}");
    assert_eq!(report.stats.executions, Some(1));
}

/// The findings, each as its kind, target, line and fork line.
fn found(report: &Report) -> Vec<(&str, &str, u32, u32)> {
    let line = |line: Option<u32>| line.unwrap_or(0);
    let row = |f: &'_ forkcheck::report::FindingReport| (f.kind, line(f.line), line(f.fork_line));
    report.findings.iter().map(|f| (row(f).0, f.target.as_str(), row(f).1, row(f).2)).collect()
}

static HITS: Global<u64> = Global::new(|| 0);

#[test]
fn each_kind_of_effect_is_named_with_its_lines() {
    let base = line!();
    let report = Checker::new().run(|| {
        let x = Tensor::from([1.0f32, 2.0]);
        let a = fork(|x: Tensor| x.add_(1.0), (x.clone(),)); // base + 3
        wait(&a);
        let own = x.clone();
        let b = fork(move || own.mul_(2.0), ()); // base + 6
        wait(&b);
        let c = fork(|| HITS.update(|n| n + 1), ()); // base + 8
        wait(&c);
        let d = fork(|| rng().below(6), ()); // base + 10
        wait(&d);
        x
    });
    let made = format!("captured tensor made at {}:{}", file!(), base + 2);
    // The generator's line is that of `below`, because what a method of ours calls is not the user's code.
    assert_eq!(
        found(&report),
        [
            ("input-mutation", "input 0", base + 3, base + 3),
            ("input-mutation", made.as_str(), base + 6, base + 6),
            ("global-state", "global HITS", base + 8, base + 8),
            ("global-state", "global RNG", base + 10, base + 10),
        ],
        "{report}"
    );
    assert_eq!((report.verdict, report.stats.executions), (Some(Verdict::Impure), Some(1)));
}

#[test]
fn a_parent_that_writes_what_a_fork_uses_is_told() {
    let report = Checker::new().run(|| {
        let x = Tensor::from([1.0f32, 2.0]);
        let sum = fork(|x: Tensor| x.sum(), (x.clone(),));
        x.add_(1.0);
        wait(&sum).item()
    });
    assert_eq!(found(&report)[0].0, "parent-mutation");
    assert_eq!(found(&report)[0].1, "local x");
    check_counts(&report, 2, 2);
}

#[test]
fn views_of_different_elements_do_not_race() {
    let report = Checker::new().run(|| {
        let x = Tensor::zeros(&[2, 3]);
        let fill = |row: Tensor, by: f32| {
            row.add_(by);
        };
        let tasks = [fork(fill, (x.select(0, 0), 1.0)), fork(fill, (x.select(0, 1), 2.0))];
        tasks.iter().for_each(wait);
        x
    });
    assert_eq!((report.verdict, report.assurance), (Some(Verdict::Impure), Some(Assurance::Certified)), "{report}");
}

#[test]
fn an_update_in_place_is_two_steps_unless_it_is_said_to_be_one() {
    let body = || {
        let x = Tensor::from([0.0f32]);
        let add = |x: Tensor| {
            x.add_(1.0);
        };
        let tasks = [fork(add, (x.clone(),)), fork(add, (x.clone(),))];
        tasks.iter().for_each(wait);
        x.item()
    };
    let split = Checker::new().run(body);
    assert_eq!(split.outcomes.as_ref().unwrap().distinct, 2, "one of two updates can be lost: {split}");
    let op = Checker::new().atomicity(forkcheck::Atomicity::Op).run(body);
    assert_eq!(op.outcomes.as_ref().unwrap().distinct, 1, "{op}");
}

#[test]
fn a_panic_in_a_task_surfaces_at_each_wait_with_its_path() {
    let report = Checker::new().run(|| {
        let outer = fork(
            || {
                let inner = fork(|| -> i64 { panic!("no way") }, ());
                wait(&inner)
            },
            (),
        );
        wait(&outer)
    });
    let error = report.outcomes.as_ref().unwrap().error.as_ref().unwrap();
    assert!(error.ends_with("panic: no way"), "{error}");
    assert_eq!(error.matches("wait at").count(), 2, "{error}");
    assert_eq!(report.verdict, Some(Verdict::Pure), "every schedule fails alike: {report}");
}

#[test]
fn a_circle_of_waits_is_a_deadlock() {
    let report = Checker::new().run(|| {
        let next: Attr<Option<Future<i64>>> = Attr::new(None);
        let own = next.clone();
        let a = fork(move || own.get().map_or(0, |future| wait(&future)), ());
        next.set(Some(a.clone()));
        wait(&a)
    });
    let deadlock = report.findings.iter().find(|finding| finding.kind == "deadlock");
    assert!(deadlock.is_some_and(|finding| finding.waits.len() == 1), "{report}");
    assert_eq!(report.outcomes.as_ref().unwrap().distinct, 2, "{report}");
}

#[test]
fn eager_mode_runs_on_the_spot() {
    let order = Attr::new(Vec::new());
    let push = |order: Attr<Vec<i64>>, n: i64| {
        order.update(|mut all| {
            all.push(n);
            all
        });
        n
    };
    let first = fork(push, (order.clone(), 1));
    push(order.clone(), 2);
    assert_eq!((wait(&first), wait(&first.clone())), (1, 1));
    assert_eq!(order.get(), [1, 2]);
}
