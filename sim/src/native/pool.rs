//! The real pool: tasks of scripted functions on threads, for speed.
//!
//! A wait blocks its thread, as in a pool that cannot suspend; so that this never hangs, the pool has another thread for
//! each that is blocked. As many run as the machine has cores, then, whatever the shape of the forks.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use super::lock;
use super::stack::Job;

thread_local! {
    /// Whether forks of this thread go to the pool.
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Whether forks of this thread go to the pool.
pub(super) fn is_on() -> bool {
    ON.get()
}

/// Runs a function whose forks go to the pool.
pub(super) fn with<R>(work: impl FnOnce() -> R) -> R {
    /// Turns it off again, even after a panic.
    struct Off(bool);
    impl Drop for Off {
        fn drop(&mut self) {
            ON.set(self.0);
        }
    }
    let _off = Off(ON.replace(true));
    work()
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Arc<dyn Job>>,
    /// Threads that there are, and that wait for something.
    threads: usize,
    blocked: usize,
    idle: usize,
}

struct Pool {
    queue: Mutex<Queue>,
    /// A job has come.
    more: Condvar,
    /// A job has ended.
    ended: Condvar,
    width: usize,
}

fn pool() -> &'static Pool {
    static POOL: OnceLock<Pool> = OnceLock::new();
    POOL.get_or_init(|| Pool {
        queue: Mutex::default(),
        more: Condvar::new(),
        ended: Condvar::new(),
        width: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Sees to it that jobs have a thread: one more where too few run.
    fn staff(&'static self, queue: &mut Queue) {
        let running = queue.threads - queue.blocked.min(queue.threads);
        if !queue.jobs.is_empty() && queue.idle == 0 && running < self.width {
            queue.threads += 1;
            std::thread::Builder::new().name("forkcheck".into()).spawn(move || self.work()).expect("a thread");
        }
    }

    fn work(&'static self) {
        ON.set(true);
        let mut queue = self.lock();
        loop {
            match queue.jobs.pop_front() {
                Some(job) => {
                    drop(queue);
                    job.run();
                    queue = self.lock();
                    self.ended.notify_all();
                }
                None => {
                    queue.idle += 1;
                    queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    queue.idle -= 1;
                }
            }
        }
    }
}

/// Starts a job on the pool.
pub(super) fn start(job: Arc<dyn Job>) {
    let pool = pool();
    let mut queue = pool.lock();
    queue.jobs.push_back(job);
    pool.staff(&mut queue);
    pool.more.notify_one();
}

/// Blocks until something is so, which an end of a job has made so.
pub(super) fn wait_until(is_so: impl Fn() -> bool) {
    if is_so() {
        return;
    }
    let pool = pool();
    let mut queue = pool.lock();
    let counted = usize::from(ON.get() && std::thread::current().name() == Some("forkcheck"));
    queue.blocked += counted;
    pool.staff(&mut queue);
    while !is_so() {
        queue = pool.ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    queue.blocked -= counted;
}
