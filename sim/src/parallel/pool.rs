//! A pool of threads that take jobs from each other when they have none (Blumofe and Leiserson, 1999).
//!
//! Each worker has a queue. It takes the job that it queued last, so that one worker alone goes on as plain Python would; those
//! with nothing to do take the job that was queued first, which is likely the largest. A job that cannot go on is not in
//! any queue: whoever holds it submits it again. The pool is done when no job is queued and none is run, because then
//! nobody is left who could submit one.
//!
//! Locks and counters come from `super::sync`, so that the model checker runs this very code on its own.

use std::collections::VecDeque;

use super::sync::{AtomicBool, AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, PoisonError};

/// Something that a worker can go on with.
pub(super) trait Job {
    /// Jobs that were made later go first.
    fn age(&self) -> u32;
}

/// The queues, and who sleeps.
pub(super) struct Pool<J> {
    /// By worker. Invariant: the oldest job is in front.
    queues: Box<[Mutex<VecDeque<J>>]>,
    /// Jobs that are queued or being run.
    busy: AtomicUsize,
    /// Workers that are about to sleep, or do. Changed under the lock of `done`.
    sleepers: AtomicUsize,
    /// Whether there will be no more jobs.
    done: Mutex<bool>,
    /// A job was queued, or all is done.
    wake: Condvar,
    /// Whether jobs are to be given up.
    stopped: AtomicBool,
}

impl<J: Job> Pool<J> {
    /// A pool for so many workers, whose first job the worker 0 begins with.
    pub(super) fn new(workers: usize, first: J) -> Self {
        let queues: Box<[_]> = (0..workers).map(|_| Mutex::new(VecDeque::new())).collect();
        lock(&queues[0]).push_back(first);
        Self {
            queues,
            busy: AtomicUsize::new(1),
            sleepers: AtomicUsize::new(0),
            done: Mutex::new(false),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Queues a job with a worker, by its age.
    pub(super) fn submit(&self, worker: usize, job: J) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        {
            let mut queue = lock(&self.queues[worker]);
            match queue.back() {
                Some(last) if last.age() > job.age() => {
                    let at = queue.partition_point(|other| other.age() <= job.age());
                    queue.insert(at, job);
                }
                _ => queue.push_back(job),
            }
        }
        // Whoever counts itself as a sleeper looks at this queue afterwards: either it is seen here, or it sees the job.
        if self.sleepers.load(Ordering::Relaxed) > 0 {
            drop(lock(&self.done));
            self.wake.notify_one();
        }
    }

    /// Does what a worker does, until all is done: `run` goes on with a job as far as it can.
    pub(super) fn work(&self, worker: usize, mut run: impl FnMut(J)) {
        let on_panic = StopOnDrop(self);
        while let Some(job) = self.next(worker) {
            run(job);
            if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.finish();
            }
        }
        std::mem::forget(on_panic);
    }

    /// Gives up: jobs that are run should end soon, and none is begun.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.finish();
    }

    /// Whether jobs are to be given up.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// How many jobs are queued or being run.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    fn finish(&self) {
        *lock(&self.done) = true;
        self.wake.notify_all();
    }

    /// The next job of a worker; it sleeps until there is one. `None` when all is done.
    fn next(&self, worker: usize) -> Option<J> {
        if self.is_stopped() {
            return None;
        }
        if let Some(job) = self.take(worker) {
            return Some(job);
        }
        let mut done = lock(&self.done);
        self.sleepers.fetch_add(1, Ordering::Relaxed);
        let job = loop {
            if *done {
                break None;
            }
            if let Some(job) = self.take(worker) {
                break Some(job);
            }
            done = self.wake.wait(done).unwrap_or_else(PoisonError::into_inner);
        };
        self.sleepers.fetch_sub(1, Ordering::Relaxed);
        job
    }

    /// The worker's newest job, or another's oldest.
    fn take(&self, worker: usize) -> Option<J> {
        if let Some(job) = lock(&self.queues[worker]).pop_back() {
            return Some(job);
        }
        let others = (1..self.queues.len()).map(|step| (worker + step) % self.queues.len());
        others.into_iter().find_map(|other| lock(&self.queues[other]).pop_front())
    }
}

/// Ends the pool if its worker panics, so that the others do not wait for it.
struct StopOnDrop<'p, J: Job>(&'p Pool<J>);

impl<J: Job> Drop for StopOnDrop<'_, J> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A panic elsewhere ends the pool; what the lock holds is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
