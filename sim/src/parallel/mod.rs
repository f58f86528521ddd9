//! A program on real threads: `run --strategy threads:N`; with one thread also the fast way to run anything.
//!
//! Nothing is watched and nobody chooses: tasks are jobs of a pool. A fork runs its body at once, as plain Python does, and leaves the
//! rest of the forking task to whoever has nothing to do. A task that waits for one that has not ended gives its thread back, so
//! any depth of waits takes one thread. Tasks that nobody waits for are finished.
//!
//! Each step is atomic, as explorations have it: what happens here is among what they find. On one thread the order is that of
//! the default schedule.

mod advance;
mod pool;
mod promise;
mod stripes;
mod task;
#[cfg(all(test, feature = "loom"))]
mod under_loom;

/// What the pool and its promises are made of.
mod sync {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(super) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
}

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use forkcheck_model::copy::copy_deep;
use forkcheck_model::operators::Printed;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::value::{Forked, Generator, Value};
use forkcheck_scheduler::TaskId;

use crate::config::Limits;
use crate::execution::{Cut, Outcome, Raised};
use crate::machine::{GENERATOR_SEED, deadlocked, look};
use crate::program::Program;
use pool::Pool;
use stripes::Stripes;
use task::{Promised, Task};

/// What a run on threads came to.
#[derive(Debug)]
pub struct Ran {
    /// What the entry returned or raised, as it was then; `None` if it waits for ever or the run was cut.
    pub result: Option<Result<Value, Raised>>,
    /// What was printed.
    pub printed: Printed,
    /// Why the run was given up.
    pub cut: Option<Cut>,
    /// What the caller saw, if it was asked for and the run was not cut.
    pub outcome: Option<Outcome>,
}

/// Runs `program` on `threads` threads.
///
/// ```no_run
/// # fn example(program: forkcheck::Program) {
/// let ran = forkcheck::parallel::run(&program, &Default::default(), 2);
/// println!("{}", ran.printed.text);
/// # }
/// ```
///
/// # Panics
/// If `threads` is 0.
pub fn run(program: &Program, limits: &Limits, threads: u32) -> Ran {
    World::new(program, limits, threads, false).run()
}

/// The same, and what the caller sees at the two looks, comparable with [`Outcome`]s of explorations.
///
/// # Panics
/// If `threads` is 0.
pub fn run_and_look(program: &Program, limits: &Limits, threads: u32) -> Ran {
    World::new(program, limits, threads, true).run()
}

/// One execution, shared by its workers.
struct World {
    program: Program,
    limits: Limits,
    threads: usize,
    /// Whether digests of what the caller sees are wanted.
    looks: bool,
    pool: Pool<Box<Task>>,
    stripes: Stripes,
    /// The root object and the arguments.
    entry: Vec<Value>,
    /// Constants that can be written.
    shared: Vec<Value>,
    generator: Generator,
    memory: Memory,
    /// Tasks that were made, and those that have not ended.
    made: AtomicU32,
    live: AtomicU32,
    /// Steps taken, as far as workers have said.
    steps: AtomicU64,
    state: Mutex<Told>,
}

/// What tasks leave behind.
#[derive(Default)]
struct Told {
    printed: Printed,
    cut: Option<Cut>,
    /// How the entry returned.
    returned: Option<Returned>,
    /// Those that were waited for while they ran: whoever still waits at the end waits for ever.
    awaited: Vec<Weak<dyn Forked>>,
}

/// The caller's look when the entry returns.
struct Returned {
    /// What it gave.
    result: Result<Value, Raised>,
    /// A copy of that, if others may still write it.
    copy: Option<Value>,
    /// The digest of what the caller saw, if looks are wanted.
    digest: u128,
}

impl World {
    fn new(program: &Program, limits: &Limits, threads: u32, looks: bool) -> Self {
        assert!(threads > 0, "somebody must run the tasks");
        let memory = Memory::with_limit(limits.memory);
        let mut allocator = Allocator::new(0, memory.clone());
        let entry = program.entry_values(&mut allocator);
        let shared = program.shared_values(&mut allocator);
        let code = program.codes.function(program.entry);
        let main = Task::new(None, code, entry.iter().cloned(), allocator, program.modes());
        Self {
            program: program.clone(),
            limits: limits.clone(),
            threads: threads as usize,
            looks,
            pool: Pool::new(threads as usize, main),
            stripes: Stripes::new(),
            entry,
            shared,
            generator: Generator::default_seeded(GENERATOR_SEED),
            memory,
            made: AtomicU32::new(1),
            live: AtomicU32::new(1),
            steps: AtomicU64::new(0),
            state: Mutex::default(),
        }
    }

    fn run(self) -> Ran {
        std::thread::scope(|scope| {
            for worker in 1..self.threads {
                let world = &self;
                let thread = std::thread::Builder::new().spawn_scoped(scope, move || world.work(worker));
                if thread.is_err() {
                    // The system gives no more threads. Fewer do as well.
                    break;
                }
            }
            self.work(0);
        });
        self.conclude()
    }

    fn conclude(self) -> Ran {
        let mut told = std::mem::take(&mut *self.told());
        let awaited = told.awaited.drain(..).filter_map(|future| future.upgrade());
        let waiting = awaited.flat_map(|future| Promised::of(&future).result.abandon());
        let mut waiting: Vec<TaskId> = waiting.map(|task| TaskId::new(task.number)).collect();
        waiting.sort_unstable();
        let at_rest = |result: &Result<Value, Raised>| look(result, &self.entry, &self.generator);
        let outcome = (self.looks && told.cut.is_none()).then(|| match &told.returned {
            Some(Returned { result, digest, .. }) => {
                let digests = (*digest, at_rest(result));
                Outcome { digests, error: result.as_ref().err().cloned(), deadlock: waiting.clone() }
            }
            None => {
                let digest = at_rest(&Err(deadlocked()));
                Outcome { digests: (digest, digest), error: None, deadlock: waiting.clone() }
            }
        });
        let returned = told.returned.take().filter(|_| told.cut.is_none());
        let result = returned.map(|Returned { result, copy, .. }| copy.map_or(result, Ok));
        Ran { result, printed: told.printed, cut: told.cut, outcome }
    }

    /// The entry has returned: the caller looks.
    fn returned(&self, result: task::Result) {
        let result = result.map_err(Arc::unwrap_or_clone);
        let alone = self.pool.busy() == 1;
        let _held = (!alone).then(|| self.stripes.hold_all());
        let digest = if self.looks { look(&result, &self.entry, &self.generator) } else { 0 };
        let copied =
            |value: &Value| copy_deep(std::slice::from_ref(value), &mut Allocator::new(0, Memory::unlimited())).pop();
        let copy = result.as_ref().ok().filter(|_| !alone).and_then(copied);
        self.told().returned = Some(Returned { result, copy, digest });
    }

    /// Gives the run up.
    fn cut(&self, cut: Cut) {
        self.told().cut.get_or_insert(cut);
        self.pool.stop();
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
