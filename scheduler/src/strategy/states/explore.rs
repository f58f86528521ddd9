//! Finding the states: workers that each have a system of their own, and one table of what was seen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::graph::{CUT, Edge, Graph};
use super::{NoDigest, Progress, States};
use crate::system::System;
use crate::task::TaskId;

/// A search by one worker that can be interrupted and resumed.
pub struct Explorer<S: System, O> {
    shared: Shared<O>,
    worker: Worker<S>,
    progress: Progress,
}

impl<S: System, O: Ord> Explorer<S, O> {
    /// A search from where `system` stands, of at most `most` states.
    ///
    /// # Errors
    /// If the system has no digest.
    pub fn new(system: S, most: u64) -> Result<Self, NoDigest> {
        let root = system.digest().ok_or(NoDigest)?;
        Ok(Self { shared: Shared::new(1, most, root), worker: Worker::new(system), progress: Progress::default() })
    }

    /// Takes so many steps more, or fewer if nothing is left; false if nothing is left to do,
    /// or the outcome is None, which gives the search up.
    pub fn advance(&mut self, steps: u64, outcome: &mut impl FnMut(&mut S) -> Option<O>) -> bool {
        self.worker.run(&self.shared, &self.progress, outcome, steps)
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The program, somewhere on its way.
    pub fn system(&self) -> &S {
        &self.worker.system
    }

    /// What is known now.
    pub fn finish(self) -> States<O> {
        let unfinished = !self.worker.frames.is_empty() || !self.shared.queue().orders.is_empty();
        self.shared.finish(vec![self.worker.found], unfinished)
    }
}

impl<S: System, O> fmt::Debug for Explorer<S, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explorer").field("progress", &self.progress).finish_non_exhaustive()
    }
}

pub(super) fn in_parallel<S: System + Send, O: Ord + Send>(
    make: &(impl Fn() -> S + Sync),
    outcome: &(impl Fn(&mut S) -> Option<O> + Sync),
    jobs: usize,
    most: u64,
    progress: &Progress,
) -> Result<(States<O>, Vec<S>), NoDigest> {
    let system = make();
    let shared = Shared::new(jobs, most, system.digest().ok_or(NoDigest)?);
    let work = |system: S| {
        let mut worker = Worker::new(system);
        worker.run(&shared, progress, &mut |system| outcome(system), u64::MAX);
        (worker.found, worker.system)
    };
    let done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..jobs).map(|_| scope.spawn(|| work(make()))).collect();
        let mut done = vec![work(system)];
        done.extend(others.into_iter().map(|other| other.join().expect("a panic of a worker is told by itself")));
        done
    });
    let (found, systems) = done.into_iter().unzip();
    Ok((shared.finish(found, false), systems))
}

/// What all workers share.
#[derive(Debug)]
struct Shared<O> {
    jobs: usize,
    most: u64,
    /// By part of the digest: the numbers of the states seen.
    seen: Box<[Mutex<FxHashMap<u128, u32>>]>,
    outcomes: Mutex<BTreeMap<O, u32>>,
    queue: Mutex<Queue>,
    /// Workers that wait for an order, less the orders that wait for a worker.
    hungry: AtomicUsize,
    wake: Condvar,
    /// The search was given up.
    stopped: AtomicBool,
}

/// Parts of the search that are waiting for a worker.
#[derive(Debug, Default)]
struct Queue {
    orders: Vec<Order>,
    /// How many workers wait.
    waiting: usize,
    /// There will be no more orders.
    over: bool,
}

/// Go along `path` from the beginning, to the state `from`; then let `task` go, and explore what follows.
#[derive(Debug)]
struct Order {
    path: Vec<TaskId>,
    from: u32,
    /// None for the beginning itself.
    task: Option<TaskId>,
}

/// The number of the first state.
const ROOT: u32 = 0;
const SHARDS: usize = 64;

impl<O: Ord> Shared<O> {
    fn new(jobs: usize, most: u64, root: u128) -> Self {
        let shards = if jobs == 1 { 1 } else { SHARDS };
        let seen: Box<[Mutex<FxHashMap<u128, u32>>]> = (0..shards).map(|_| Mutex::default()).collect();
        lock(&seen[Self::shard(root, shards)]).insert(root, ROOT);
        let queue = Queue { orders: vec![Order { path: Vec::new(), from: ROOT, task: None }], ..Queue::default() };
        Self {
            jobs,
            most,
            seen,
            outcomes: Mutex::default(),
            queue: Mutex::new(queue),
            hungry: AtomicUsize::new(0),
            wake: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }

    fn shard(digest: u128, shards: usize) -> usize {
        (digest >> 96) as usize % shards
    }

    /// The number of a state, and whether it is new.
    fn visit(&self, digest: u128) -> (u32, bool) {
        let shard = Self::shard(digest, self.seen.len());
        let mut states = lock(&self.seen[shard]);
        let next = (states.len() + 1) * self.seen.len() + shard;
        let id = *states.entry(digest).or_insert(u32::try_from(next).expect("fewer than 2^32 states"));
        (id, id as usize == next)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// The next order; waits for one while others could still give some.
    fn take(&self) -> Option<Order> {
        let mut queue = self.queue();
        loop {
            if queue.over {
                return None;
            }
            if let Some(order) = queue.orders.pop() {
                return Some(order);
            }
            queue.waiting += 1;
            if queue.waiting == self.jobs {
                queue.over = true;
                self.wake.notify_all();
                return None;
            }
            self.hungry.store(queue.waiting, Ordering::Relaxed);
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.waiting = queue.waiting.saturating_sub(1);
            self.hungry.store(queue.waiting.saturating_sub(queue.orders.len()), Ordering::Relaxed);
        }
    }

    fn give(&self, order: Order) {
        let mut queue = self.queue();
        queue.orders.push(order);
        self.hungry.store(queue.waiting.saturating_sub(queue.orders.len()), Ordering::Relaxed);
        drop(queue);
        self.wake.notify_one();
    }

    /// Sends everybody home.
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.queue().over = true;
        self.wake.notify_all();
    }

    fn finish(self, found: Vec<Found>, unfinished: bool) -> States<O> {
        let states = self.seen.iter().map(|states| lock(states).len() as u64).sum();
        let outcomes = self.outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
        Graph::new(ROOT, found).weigh(states, outcomes, unfinished || self.stopped.into_inner())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one worker found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) edges: Vec<Edge>,
    /// Last states, each with the number of its outcome.
    pub(super) ends: Vec<(u32, u32)>,
}

/// Explores depth first.
struct Worker<S: System> {
    system: S,
    /// The beginning, and how many steps led there.
    root: S::Mark,
    root_steps: usize,
    /// The states on the way from `path` on whose steps are being tried.
    frames: Vec<Frame<S::Mark>>,
    /// Tasks to be tried, in the order of the frames.
    untried: Vec<TaskId>,
    /// How many steps lead from the beginning to the first frame.
    base: usize,
    found: Found,
    /// Steps and closed states that the others were not told of.
    untold: [u64; 2],
}

struct Frame<M> {
    state: u32,
    /// The way back, while there is more than one task to try.
    mark: Option<M>,
    /// Its part of `untried`, of which the tasks from `next` to `end` are left.
    start: usize,
    next: usize,
    end: usize,
}

/// After how many steps the others are told.
const REPORT: u64 = 64;

impl<S: System> Worker<S> {
    fn new(mut system: S) -> Self {
        let (root, root_steps) = (system.mark(), system.order().len());
        let (frames, untried) = (Vec::new(), Vec::new());
        Self { system, root, root_steps, frames, untried, base: 0, found: Found::default(), untold: [0; 2] }
    }

    /// Takes up to so many steps; false if nothing is left to do, here and anywhere.
    fn run<O: Ord>(
        &mut self,
        shared: &Shared<O>,
        progress: &Progress,
        outcome: &mut impl FnMut(&mut S) -> Option<O>,
        steps: u64,
    ) -> bool {
        for _ in 0..steps {
            self.untold[0] += 1;
            if self.untold[0] >= REPORT {
                self.report(progress);
                if progress.stop.load(Ordering::Relaxed) || shared.stopped.load(Ordering::Relaxed) {
                    shared.stop();
                    return false;
                }
                if shared.hungry.load(Ordering::Relaxed) > 0 {
                    self.share(shared);
                }
            }
            while self.frames.last().is_some_and(|frame| frame.next == frame.end) {
                let frame = self.frames.pop().expect("it was there");
                self.untried.truncate(frame.start);
                self.untold[1] += 1;
            }
            if self.frames.is_empty() {
                self.report(progress);
                let Some(order) = shared.take() else { return false };
                if !self.follow(order, shared, progress, outcome) {
                    shared.stop();
                    return false;
                }
            } else if !self.step(shared, progress, outcome) {
                shared.stop();
                return false;
            }
        }
        true
    }

    /// Tells how many steps were taken and states closed since the last time.
    fn report(&mut self, progress: &Progress) {
        let [steps, closed] = std::mem::take(&mut self.untold);
        progress.steps.fetch_add(steps, Ordering::Relaxed);
        progress.closed.fetch_add(closed, Ordering::Relaxed);
    }

    /// Tries the next task of the last state; false if there are too many states.
    fn step<O: Ord>(
        &mut self,
        shared: &Shared<O>,
        progress: &Progress,
        outcome: &mut impl FnMut(&mut S) -> Option<O>,
    ) -> bool {
        let frame = self.frames.last_mut().expect("somebody is to be tried");
        if frame.next > frame.start {
            let mark = frame.mark.as_ref().expect("where a second task is tried there is a way back");
            self.system.rewind(mark);
        }
        let (from, task) = (frame.state, self.untried[frame.next]);
        frame.next += 1;
        if frame.next == frame.end {
            frame.mark = None;
        }
        if self.system.step(task).is_err() {
            self.found.edges.push(Edge { from, task, to: CUT });
            return true;
        }
        let digest = self.system.digest().expect("it had one in the beginning");
        let (to, new) = shared.visit(digest);
        self.found.edges.push(Edge { from, task, to });
        if new {
            if progress.states.fetch_add(1, Ordering::Relaxed) >= shared.most {
                return false;
            }
            return self.enter(to, shared, progress, outcome);
        }
        true
    }

    /// Gets ready to try every task in the state, which is new; false if its outcome is the last one wanted.
    fn enter<O: Ord>(
        &mut self,
        state: u32,
        shared: &Shared<O>,
        progress: &Progress,
        outcome: &mut impl FnMut(&mut S) -> Option<O>,
    ) -> bool {
        let start = self.untried.len();
        self.untried.extend(self.system.enabled().iter());
        let end = self.untried.len();
        if start == end {
            self.untold[1] += 1;
            let Some(outcome) = outcome(&mut self.system) else { return false };
            let mut outcomes = lock(&shared.outcomes);
            let next = outcomes.len() as u32;
            let number = *outcomes.entry(outcome).or_insert(next);
            self.found.ends.push((state, number));
            if number == next {
                progress.outcomes.store(u64::from(next) + 1, Ordering::Relaxed);
                progress.news.store(progress.steps(), Ordering::Relaxed);
            }
            return true;
        }
        self.untried[start..].sort_unstable();
        let mark = (end > start + 1).then(|| self.system.mark());
        self.frames.push(Frame { state, mark, start, next: start, end });
        true
    }

    fn follow<O: Ord>(
        &mut self,
        order: Order,
        shared: &Shared<O>,
        progress: &Progress,
        outcome: &mut impl FnMut(&mut S) -> Option<O>,
    ) -> bool {
        self.system.rewind(&self.root);
        self.base = order.path.len();
        for &task in &order.path {
            self.system.step(task).expect("the way was gone before");
        }
        match order.task {
            None => {
                progress.states.fetch_add(1, Ordering::Relaxed);
                self.enter(order.from, shared, progress, outcome)
            }
            Some(task) => {
                self.untried.push(task);
                self.frames.push(Frame { state: order.from, mark: None, start: 0, next: 0, end: 1 });
                true
            }
        }
    }

    /// Gives the others what lies furthest back, because most is left to do there.
    fn share<O: Ord>(&mut self, shared: &Shared<O>) {
        let Some(depth) = self.frames.iter().position(|frame| frame.next < frame.end) else { return };
        let last = self.frames.len() - 1;
        let frame = &mut self.frames[depth];
        // The last task of all stays here.
        if depth == last && frame.next + 1 == frame.end {
            return;
        }
        frame.end -= 1;
        let way = &self.system.order()[self.root_steps..][..self.base + depth];
        shared.give(Order { path: way.to_vec(), from: frame.state, task: Some(self.untried[frame.end]) });
    }
}
