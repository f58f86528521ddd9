//! The pool and its promises under the model checker: every order of their locks and counters, up to a number of preemptions.
//!
//! Jobs are small programs over a few promises. What each must lead to is said; that nothing is lost, nobody sleeps for ever and
//! all workers leave is the model checker's business, which reports a thread that cannot go on.

use std::sync::Arc;

use loom::sync::atomic::{AtomicUsize as Counter, Ordering::SeqCst};

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Condvar, Mutex, MutexGuard};
    pub(super) use std::sync::PoisonError;
}

#[allow(clippy::duplicate_mod, reason = "the same code on other locks")]
#[path = "pool.rs"]
mod pool;
#[allow(clippy::duplicate_mod, reason = "the same code on other locks")]
#[path = "promise.rs"]
mod promise;

use pool::{Job, Pool};
use promise::Promise;

/// What a job does next.
#[derive(Debug, Clone)]
enum Op {
    /// Forks a job: it is run at once, and the rest of this one is queued.
    Fork(Vec<Op>),
    /// Waits for the promise.
    Wait(usize),
    /// Keeps the promise.
    Keep(usize),
    /// Counts that it came here.
    Hit,
    /// Keeps its worker busy until somebody came to a `Hit`.
    Busy,
    /// Stops the pool.
    Stop,
}

use Op::{Busy, Fork, Hit, Keep, Stop, Wait};

struct Program {
    age: u32,
    ops: Vec<Op>,
    next: usize,
}

impl Job for Program {
    fn age(&self) -> u32 {
        self.age
    }
}

impl Program {
    fn new(age: u32, ops: Vec<Op>) -> Self {
        Self { age, ops, next: 0 }
    }
}

struct World {
    pool: Pool<Program>,
    promises: Vec<Promise<Program, u32>>,
    made: Counter,
    hits: Counter,
}

impl World {
    fn advance(&self, worker: usize, mut job: Program) {
        while let Some(op) = job.ops.get(job.next).cloned() {
            if self.pool.is_stopped() {
                return;
            }
            job.next += 1;
            match op {
                Fork(ops) => {
                    let age = self.made.fetch_add(1, SeqCst) as u32;
                    self.pool.submit(worker, std::mem::replace(&mut job, Program::new(age, ops)));
                }
                Wait(promise) => match self.promises[promise].get() {
                    Some(value) => assert_eq!(value, 7),
                    None => match self.promises[promise].park(job) {
                        Ok(_) => return,
                        Err(back) => job = back,
                    },
                },
                Keep(promise) => {
                    for waiter in self.promises[promise].keep(7) {
                        self.pool.submit(worker, waiter);
                    }
                }
                Hit => drop(self.hits.fetch_add(1, SeqCst)),
                Busy => {
                    while self.hits.load(SeqCst) == 0 {
                        loom::thread::yield_now();
                    }
                }
                Stop => self.pool.stop(),
            }
        }
    }
}

/// Runs `main` on so many workers in every order; `hits` are the numbers of [`Hit`]s that it may come to.
fn check(workers: usize, promises: usize, main: &[Op], hits: std::ops::RangeInclusive<usize>) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    let main = main.to_vec();
    model.check(move || {
        let world = Arc::new(World {
            pool: Pool::new(workers, Program::new(0, main.clone())),
            promises: (0..promises).map(|_| Promise::new()).collect(),
            made: Counter::new(1),
            hits: Counter::new(0),
        });
        let others: Vec<_> = (1..workers)
            .map(|worker| {
                let world = world.clone();
                loom::thread::spawn(move || world.pool.work(worker, |job| world.advance(worker, job)))
            })
            .collect();
        world.pool.work(0, |job| world.advance(0, job));
        others.into_iter().for_each(|other| other.join().expect("a worker that leaves"));
        let came = world.hits.load(SeqCst);
        assert!(hits.contains(&came), "{came} of {hits:?}");
        let stopped = world.pool.is_stopped();
        assert!(stopped || world.pool.busy() == 0, "it is over when there is nothing left to do");
        for promise in &world.promises {
            let (kept, waiting) = (promise.get().is_some(), promise.abandon().len());
            assert!(stopped || waiting == 0 || !kept, "{waiting} wait for what is there");
        }
    });
}

#[test]
fn a_job_that_is_stolen_is_run_once() {
    check(2, 0, &[Fork(vec![Hit]), Hit], 2..=2);
}

/// The worker that queued the rest of the first job has no time for it: another must not sleep through that.
#[test]
fn a_job_is_stolen_while_its_worker_is_busy() {
    check(2, 0, &[Fork(vec![Busy, Hit]), Hit], 2..=2);
}

#[test]
fn a_wait_finds_the_value_or_is_woken() {
    check(2, 1, &[Fork(vec![Keep(0), Hit]), Wait(0), Hit], 2..=2);
}

#[test]
fn a_wait_after_the_end_goes_on() {
    check(1, 1, &[Fork(vec![Keep(0), Hit]), Wait(0), Wait(0), Hit], 2..=2);
}

#[test]
fn two_that_wait_are_both_woken() {
    check(2, 1, &[Fork(vec![Wait(0), Hit]), Fork(vec![Keep(0)]), Wait(0), Hit], 2..=2);
}

#[test]
fn three_workers_lose_nothing() {
    check(3, 1, &[Fork(vec![Keep(0), Hit]), Wait(0), Hit], 2..=2);
}

#[test]
fn one_worker_waits_at_any_depth() {
    // Each waits for the next one, which is forked first and waits itself: nobody holds the only thread.
    let deep = vec![Fork(vec![Fork(vec![Wait(2), Keep(1), Hit]), Wait(1), Keep(0), Hit]), Keep(2), Wait(0), Hit];
    check(1, 3, &deep, 3..=3);
    check(2, 3, &deep, 3..=3);
}

#[test]
fn a_job_that_nobody_waits_for_is_finished() {
    check(2, 1, &[Fork(vec![Fork(vec![Hit]), Hit])], 2..=2);
}

#[test]
fn a_wait_for_ever_ends_the_pool() {
    check(1, 1, &[Wait(0), Hit], 0..=0);
    check(2, 2, &[Fork(vec![Wait(0), Hit]), Wait(1), Hit], 0..=0);
}

#[test]
fn a_pool_that_is_stopped_leaves_its_queues() {
    check(2, 0, &[Fork(vec![Stop, Hit]), Hit], 0..=1);
    check(1, 0, &[Fork(vec![Stop, Hit]), Hit], 0..=0);
}
