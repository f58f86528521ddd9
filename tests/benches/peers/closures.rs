//! The same workloads as Rust closures under our checker.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use criterion::Criterion;
use forkcheck::{Atomicity, Attr, Checker, Future, fork, wait};

/// Everything of ours that is a closure.
pub(crate) fn measure(criterion: &mut Criterion) {
    samples(criterion, "W1 N=4", || increments(4));
    samples(criterion, "W5 N=100", || updates(100, 10));
    samples(criterion, "W5 N=1000", || updates(1000, 10));
    exhaust(criterion, "W1 N=2", || increments(2));
    exhaust(criterion, "W1 N=3", || increments(3));
    exhaust(criterion, "W1 N=4", || increments(4));
    exhaust(criterion, "W2 N=4", || private_stores(4, 4));
    found(criterion, "chain reversed", chain_reversed);
    found(criterion, "cycle", cycle);
}

fn checker(strategy: &str) -> Checker {
    Checker::new().strategy(strategy).atomicity(Atomicity::Op)
}

/// Executions before the clock starts: the certificate, a profile, and the first of the strategy.
const BEFORE: u64 = 16;

/// One execution each, of many: from one beginning of the body to a later one.
fn samples(criterion: &mut Criterion, name: &str, body: fn() -> i64) {
    for strategy in ["random", "pct:3", "uniform"] {
        let group = strategy.replace(":3", "");
        criterion.bench_function(&format!("closures {group}/{name}/forkcheck"), |bencher| {
            bencher.iter_custom(|runs| {
                let clock = Arc::new(Clock { begun: AtomicU64::new(0), times: [OnceLock::new(), OnceLock::new()] });
                let ours = clock.clone();
                black_box(checker(strategy).budget(runs + 2 * BEFORE).run(move || {
                    ours.begin(runs);
                    body()
                }));
                let [start, end] = &clock.times;
                end.get().expect("it ran so often").duration_since(*start.get().expect("it ran so often"))
            });
        });
    }
}

/// Notes when two of the executions of a body begin.
struct Clock {
    begun: AtomicU64,
    times: [OnceLock<Instant>; 2],
}

impl Clock {
    fn begin(&self, runs: u64) {
        let begun = self.begun.fetch_add(1, Ordering::Relaxed);
        if begun == BEFORE {
            self.times[0].get_or_init(Instant::now);
        } else if begun == BEFORE + runs {
            self.times[1].get_or_init(Instant::now);
        }
    }
}

/// The whole space, and the report.
fn exhaust(criterion: &mut Criterion, name: &str, body: fn() -> i64) {
    criterion.bench_function(&format!("closures exhaustive/{name}/forkcheck"), |bencher| {
        bencher.iter(|| black_box(checker("dpor").budget(1_000_000).run(body)));
    });
}

/// Until the bug is seen for the first time.
fn found(criterion: &mut Criterion, name: &str, body: fn() -> bool) {
    criterion.bench_function(&format!("closures bug/{name}/forkcheck"), |bencher| {
        bencher.iter_custom(|runs| {
            let mut sum = Duration::ZERO;
            for _ in 0..runs {
                let start = Instant::now();
                let seen = Arc::new(OnceLock::new());
                let first = seen.clone();
                checker("auto").run(move || {
                    let bug = body();
                    if bug {
                        first.get_or_init(Instant::now);
                    }
                    bug
                });
                sum += seen.get().expect("the bug is found").duration_since(start);
            }
            sum
        });
    });
}

fn join_all(tasks: &[Future<()>]) {
    tasks.iter().for_each(wait);
}

fn increments(n: usize) -> i64 {
    let cell = Attr::new(0i64);
    let task = |cell: Attr<i64>| cell.set(cell.get() + 1);
    let tasks: Vec<_> = (0..n).map(|_| fork(task, (cell.clone(),))).collect();
    join_all(&tasks);
    cell.get()
}

fn updates(n: usize, k: usize) -> i64 {
    let cell = Attr::new(0i64);
    let task = move |cell: Attr<i64>| {
        (0..k).for_each(|_| {
            cell.update(|n| n + 1);
        })
    };
    let tasks: Vec<_> = (0..n).map(|_| fork(task, (cell.clone(),))).collect();
    join_all(&tasks);
    cell.get()
}

fn private_stores(n: usize, k: usize) -> i64 {
    let cells: Vec<Attr<usize>> = (0..n).map(|_| Attr::new(0)).collect();
    let task = move |cell: Attr<usize>| (0..k).for_each(|i| cell.set(i));
    let tasks: Vec<_> = cells.iter().map(|cell| fork(task, (cell.clone(),))).collect();
    join_all(&tasks);
    cells.iter().map(|cell| cell.get() as i64).sum()
}

/// Ten steps of a task: stores to a cell of its own, but for a load of `from` as the step `load` and a store of what it saw to
/// `to` as the step `store`. Gives what it saw.
fn steps(from: Option<(usize, Attr<bool>)>, to: Option<(usize, Attr<bool>)>) -> bool {
    let own = Attr::new(0usize);
    let mut seen = from.is_none();
    for step in 1..=10 {
        match (&from, &to) {
            (Some((at, cell)), _) if *at == step => seen = cell.get(),
            (_, Some((at, cell))) if *at == step => cell.set(seen),
            _ => own.set(step),
        }
    }
    seen
}

/// Four tasks, forked last first: the bug wants A's 8th step before B's 3rd, B's 8th before C's 3rd, C's 8th before D's 3rd.
fn chain_reversed() -> bool {
    let cells: Vec<Attr<bool>> = (0..3).map(|_| Attr::new(false)).collect();
    let at = |step: usize, place: usize| Some((step, cells[place].clone()));
    let d = fork(steps, (at(3, 2), None));
    let c = fork(steps, (at(3, 1), at(8, 2)));
    let b = fork(steps, (at(3, 0), at(8, 1)));
    let a = fork(steps, (None, at(8, 0)));
    let seen = [a, b, c, d].map(|task| wait(&task));
    seen[3]
}

/// The bug wants A's 3rd step before B's 3rd, B's 6th before C's 4th, and C's 7th before A's 8th.
fn cycle() -> bool {
    let cells: Vec<Attr<bool>> = (0..3).map(|_| Attr::new(false)).collect();
    let at = |step: usize, place: usize| Some((step, cells[place].clone()));
    let (x, z) = (cells[0].clone(), cells[2].clone());
    let a = fork(
        move || {
            let own = Attr::new(0usize);
            let mut seen = false;
            for step in 1..=10 {
                match step {
                    3 => x.set(true),
                    8 => seen = z.get(),
                    _ => own.set(step),
                }
            }
            seen
        },
        (),
    );
    let b = fork(steps, (at(3, 0), at(6, 1)));
    let c = fork(steps, (at(4, 1), at(7, 2)));
    let d = fork(steps, (None, None));
    let seen = [a, b, c, d].map(|task| wait(&task));
    seen[0]
}
