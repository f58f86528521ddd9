//! How fast the strategies are on plain bodies: `cargo run --release -p forkcheck-scheduler --example speed [WORD]`.
//!
//! Time is that of this process on a processor, where Linux tells it, because the machine may be busy. The schedule is
//! recorded and the outcome hashed in every execution.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use forkcheck_scheduler::bodies::{Program, Run, workloads};
use forkcheck_scheduler::{Moment, Profile, Scheduler, Spec};

/// Nanoseconds for each round; the best of several counts.
const ROUND: f64 = 100e6;
const ROUNDS: u32 = 5;

fn main() {
    let only = std::env::args().nth(1).unwrap_or_default();
    let programs = [
        ("increments(2)", workloads::increments(2)),
        ("increments(4)", workloads::increments(4)),
        ("private_stores(4, 4)", workloads::private_stores(4, 4)),
        ("readers_and_writer(3, 3)", workloads::readers_and_writer(3, 3)),
        ("tree(3)", workloads::tree(3)),
        ("updates(4, 10)", workloads::updates(4, 10)),
        ("updates(100, 10)", workloads::updates(100, 10)),
        ("updates(1000, 10)", workloads::updates(1000, 10)),
    ];
    for name in ["random", "pct:3", "pos", "uniform"] {
        for (title, program) in &programs {
            if name.contains(&only) || title.contains(&only) {
                measure(name, title, program);
            }
        }
    }
}

fn measure(name: &str, title: &str, program: &Program) {
    let spec: Spec = name.parse().expect("a strategy");
    let profile = Arc::new(Profile::of(&mut Run::new(program)));
    let mut scheduler = spec.scheduler(1, &profile).expect("a strategy that picks");
    let mut run = Run::linear(program);
    let rounds = (0..ROUNDS).map(|_| round(&mut run, scheduler.as_mut()));
    let best = rounds.fold(f64::INFINITY, f64::min);
    let steps = run.order().len() as f64;
    println!("{name:8} {title:26} {:10.1} k/s {best:10.1} ns/run {:6.1} ns/step", 1e6 / best, best / steps);
}

/// Nanoseconds for one execution.
fn round(run: &mut Run<'_>, scheduler: &mut dyn Scheduler) -> f64 {
    let (begin, mut done) = (Instant::now(), 0);
    let used = on_processor();
    loop {
        for _ in 0..(100_000 / (run.order().len() + 1)).max(1) {
            run.execute(scheduler);
            black_box(run.outcome());
            done += 1;
        }
        let time = match (used, on_processor()) {
            (Some(before), Some(now)) => now - before,
            _ => begin.elapsed().as_nanos() as f64,
        };
        if time >= ROUND {
            return time / f64::from(done);
        }
    }
}

/// Nanoseconds that this process has had so far.
fn on_processor() -> Option<f64> {
    std::fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok()
}
