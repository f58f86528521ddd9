//! Our speed beside that of loom 0.7 and shuttle 0.9, in one run: `cargo bench -p forkcheck-tests --bench peers`.
//!
//! Everything is measured by criterion; the table at the end has the ratio of the medians, row by row. Ours runs plain
//! state machines with the schedule recorded and the outcome hashed.

mod closures;
mod interpreted;
mod ours;
mod table;
mod workloads;

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use criterion::Criterion;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler, UrwRandomScheduler};
use workloads::{on_loom, on_shuttle};

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
        .output_directory(&folder)
        .configure_from_args();
    ours::measure(&mut criterion);
    closures::measure(&mut criterion);
    shuttle_bugs(&mut criterion);
    shuttle_samples(&mut criterion);
    loom_exhausts(&mut criterion);
    criterion.final_summary();
    std::io::stdout().write_all(table::render(&folder).as_bytes()).expect("somebody reads the table");
}

/// One execution each.
fn shuttle_samples(criterion: &mut Criterion) {
    let mut one = |name: &str, body: fn()| {
        shuttle(criterion, &format!("random/{name}/shuttle"), |runs| RandomScheduler::new_from_seed(1, runs), body);
        shuttle(criterion, &format!("pct/{name}/shuttle"), |runs| PctScheduler::new_from_seed(1, 3, runs), body);
        shuttle(criterion, &format!("uniform/{name}/shuttle"), |runs| UrwRandomScheduler::new_from_seed(1, runs), body);
    };
    one("W1 N=4", || {
        black_box(on_shuttle::increments(4));
    });
    one("W5 N=100", || on_shuttle::updates(100, 10));
    one("W5 N=1000", || on_shuttle::updates(1000, 10));
}

/// Until each bug is seen for the first time, one seed after another, under the strategy of shuttle's that is best at it.
fn shuttle_bugs(criterion: &mut Criterion) {
    bug(criterion, "chain reversed", 2, on_shuttle::chain_reversed);
    bug(criterion, "cycle", 4, on_shuttle::cycle);
}

/// More executions than any seed takes.
const PATIENCE: usize = 1000;

fn bug(criterion: &mut Criterion, name: &str, depth: usize, body: fn() -> bool) {
    criterion.bench_function(&format!("bug/{name}/shuttle"), |bencher| {
        let mut seed = 0;
        bencher.iter_custom(|runs| {
            let mut sum = Duration::ZERO;
            for _ in 0..runs {
                seed += 1;
                let mut config = shuttle::Config::new();
                config.failure_persistence = shuttle::FailurePersistence::None;
                let seen = Arc::new(OnceLock::new());
                let first = seen.clone();
                let start = Instant::now();
                shuttle::Runner::new(PctScheduler::new_from_seed(seed, depth, PATIENCE), config).run(move || {
                    if body() {
                        first.get_or_init(Instant::now);
                    }
                });
                sum += seen.get().map_or_else(|| start.elapsed(), |seen| seen.duration_since(start));
            }
            sum
        });
    });
}

fn shuttle<S: Scheduler + 'static>(criterion: &mut Criterion, name: &str, scheduler: impl Fn(usize) -> S, body: fn()) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|runs| {
            let mut config = shuttle::Config::new();
            config.failure_persistence = shuttle::FailurePersistence::None;
            let start = Instant::now();
            shuttle::Runner::new(scheduler(runs as usize), config).run(body);
            start.elapsed()
        });
    });
}

/// The whole space each.
fn loom_exhausts(criterion: &mut Criterion) {
    let mut all = |name: &str, body: fn()| {
        criterion.bench_function(&format!("exhaustive/{name}/loom"), |bencher| {
            bencher.iter(|| {
                let mut builder = loom::model::Builder::new();
                builder.max_branches = 10_000;
                builder.preemption_bound = None;
                builder.check(body);
            });
        });
    };
    all("W1 N=2", || {
        black_box(on_loom::increments(2));
    });
    all("W1 N=3", || {
        black_box(on_loom::increments(3));
    });
    all("W2 N=4", || on_loom::private_stores(4, 4));
}
