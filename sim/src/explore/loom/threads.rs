//! A program's tasks as loom threads.
//!
//! loom sees what can matter and nothing else: one loom `Mutex` for each location that others race for, held for one
//! step that touches it. Never a loom atomic, though it would do for a read or a write: loom 0.7 misses orders of atomic
//! loads (loom's issue 392), and none of locks. A fork is a spawned thread. A wait parks until the other task has ended:
//! it is order and no conflict, and a lock around it would only make loom try both orders of what has one. All else is
//! plain data, since loom switches threads at its own operations alone.
//!
//! Kernels run on a large stack of their own, since loom's threads have 32 KiB. No execution is left in the middle, not
//! even one that is cut, deadlocked or panicking: loom's objects cannot be dropped from outside of it.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use corosensei::stack::DefaultStack;
use forkcheck_scheduler::{Location, TaskId};

use super::{Alone, FORKS, Next, too_many};
use crate::config::Config;
use crate::execution::{Cut, Subject};
use crate::explore::{CUT_EXECUTIONS, Coverage, Exploration, Stage};

/// The stack that kernels run on; only what is used of it is committed.
const STACK_BYTES: usize = 256 << 20;

/// How many operations one execution may have: locks, waits, and two at the end of each task.
const OPERATIONS: usize = 20_000;
const OPERATIONS_PER_TASK: usize = 2;

/// Every schedule that loom finds different, under the budget; started again whenever another location turns out to be
/// hot.
pub(super) fn search<S>(program: &S, config: &Config, exploration: &mut Exploration)
where
    S: Subject<Execution: Alone + 'static> + Clone + Send + 'static,
{
    loop {
        (exploration.executions, exploration.discarded, exploration.cuts) = (0, 0, 0);
        let (campaign, finished) = check(Campaign::new(program, config, std::mem::take(exploration)));
        let progress = campaign.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = progress.panic {
            resume_unwind(panic);
        }
        *exploration = progress.exploration;
        if progress.newly_hot.is_empty() || progress.over {
            if progress.newly_hot.is_empty() && finished && exploration.cuts == 0 {
                exploration.coverage = Coverage::Exhausted;
            }
            return;
        }
        tracing::info!(newly = progress.newly_hot.len(), "more locations are raced for: loom starts again");
        Arc::make_mut(&mut exploration.hot).extend(progress.newly_hot);
    }
}

/// Runs loom, and says whether it came to its end.
fn check<S>(campaign: Campaign<S>) -> (Campaign<S>, bool)
where
    S: Subject<Execution: Alone + 'static> + Clone + Send + 'static,
{
    let campaign = Arc::new(campaign);
    let shared = campaign.clone();
    let model = move || {
        // Between two executions nothing of loom is alive, so this is where it can be left. No panic: no hook is told.
        if shared.lock().is_enough() {
            resume_unwind(Box::new(Stop));
        }
        let execution = Arc::new(Execution::new(shared.clone()));
        execution.drive(TaskId::MAIN);
    };
    let checked = catch_unwind(AssertUnwindSafe(|| {
        // Whatever loom reads of the environment is set here; and it logs each of its operations.
        let mut builder = loom::model::Builder::new();
        builder.max_threads = FORKS as usize + 1;
        builder.max_branches = OPERATIONS + 100;
        builder.max_permutations = None;
        builder.max_duration = None;
        builder.preemption_bound = None;
        builder.checkpoint_file = None;
        builder.checkpoint_interval = usize::MAX;
        builder.location = false;
        builder.log = false;
        tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::new(), || builder.check(model));
    }));
    let finished = match checked {
        Ok(()) => true,
        Err(payload) if payload.is::<Stop>() => false,
        Err(payload) => resume_unwind(payload),
    };
    (Arc::into_inner(campaign).expect("loom has let go of everything"), finished)
}

/// How loom is told to leave.
struct Stop;

/// What all executions of one search share.
struct Campaign<S> {
    program: S,
    config: Config,
    progress: Mutex<Progress>,
    stack: Mutex<DefaultStack>,
}

/// What the executions so far have led to.
struct Progress {
    exploration: Exploration,
    newly_hot: Vec<Location>,
    /// Whether there is no budget, or no use, for more.
    over: bool,
    /// A mistake of ours, to be passed on when loom has been left.
    panic: Option<Box<dyn Any + Send>>,
}

impl<S: Subject<Execution: Alone> + Clone> Campaign<S> {
    fn new(program: &S, config: &Config, exploration: Exploration) -> Self {
        let mut config = config.clone();
        config.limits.tasks = config.limits.tasks.min(FORKS + 1);
        let progress = Progress { exploration, newly_hot: Vec::new(), over: false, panic: None };
        let stack = DefaultStack::new(STACK_BYTES).expect("address space for a stack");
        Self { program: program.clone(), config, progress: Mutex::new(progress), stack: Mutex::new(stack) }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on the large stack. A panic is kept until loom has been left, and this execution is the last.
    fn on_stack<R>(&self, work: impl FnOnce() -> R) -> Option<R> {
        let mut stack = self.stack.lock().unwrap_or_else(PoisonError::into_inner);
        let done = corosensei::on_stack(&mut *stack, || catch_unwind(AssertUnwindSafe(work)));
        let keep = |panic| {
            let mut progress = self.lock();
            progress.over = true;
            progress.panic.get_or_insert(panic);
        };
        done.map_err(keep).ok()
    }
}

impl Progress {
    /// Takes down what an execution has led to.
    fn note(&mut self, mut machine: impl Alone, config: &Config) {
        machine.conclude();
        self.exploration.note(&machine, None);
        self.exploration.tell(config, Stage::Executions, None);
        self.newly_hot.extend(machine.newly_hot());
        let Exploration { executions, cuts, cut, .. } = &mut self.exploration;
        if *cut == Some(Cut::Tasks(FORKS + 1)) {
            *cut = Some(Cut::Refused(too_many("more in some")));
        }
        self.over |= *executions + *cuts >= config.executions
            || config.limits.expired()
            || *cuts >= CUT_EXECUTIONS
            || matches!(cut, Some(Cut::Refused(_)));
        (self.exploration.findings, self.exploration.names) = machine.into_parts();
    }

    fn is_enough(&self) -> bool {
        self.over || !self.newly_hot.is_empty()
    }
}

/// One execution, shared by its threads.
struct Execution<S: Subject> {
    campaign: Arc<Campaign<S>>,
    /// One for each location that others race for.
    locks: BTreeMap<Location, loom::sync::Mutex<()>>,
    /// Never held while loom may switch.
    state: Mutex<State<S::Execution>>,
}

struct State<E> {
    /// Until the last thread is done.
    machine: Option<E>,
    /// Who waits for whom, on which thread. Invariant: no circle.
    waits: BTreeMap<TaskId, (TaskId, loom::thread::Thread)>,
    /// Tasks that take no more steps: they have ended, or never will.
    over: BTreeSet<TaskId>,
    /// Threads that are not done.
    running: u32,
    /// At most so many operations of loom so far.
    operations: usize,
}

impl<S> Execution<S>
where
    S: Subject<Execution: Alone + 'static> + Clone + Send + 'static,
{
    fn new(campaign: Arc<Campaign<S>>) -> Self {
        let hot = campaign.lock().exploration.hot.clone();
        let locks = hot.iter().map(|&location| (location, loom::sync::Mutex::new(()))).collect();
        let Campaign { program, config, .. } = &*campaign;
        let machine = campaign.on_stack(|| campaign.lock().exploration.collecting(program, config).alone());
        let (waits, over) = (BTreeMap::new(), BTreeSet::new());
        let state = State { machine, waits, over, running: 1, operations: OPERATIONS_PER_TASK };
        Self { campaign, locks, state: Mutex::new(state) }
    }

    /// What a thread does: takes the steps of its task, each in its turn.
    fn drive(self: Arc<Self>, id: TaskId) {
        let mut next = self.go_on(|machine| machine.advance(id));
        loop {
            next = match next {
                Next::Touches(locations) => {
                    // All in one order, so that two threads cannot wait for each other.
                    let locked = locations.iter().map(|location| self.locks[location].lock().expect("nobody panics"));
                    let locked: Vec<_> = locked.collect();
                    // While it waited for them, others may have led it to more: then it locks that too.
                    let next = self.go_on(|machine| match machine.touches_only(id, &locations) {
                        true => machine.take(id),
                        false => machine.advance(id),
                    });
                    drop(locked);
                    next
                }
                Next::Waits(target) => {
                    self.wait(id, target);
                    self.go_on(|machine| machine.take(id))
                }
                Next::Forked(child) => {
                    let execution = self.clone();
                    loom::thread::spawn(move || execution.drive(child));
                    self.go_on(|machine| machine.advance(id))
                }
                Next::Over => break,
            }
        }
        self.end(id);
    }

    /// Lets a task run, and it alone, until it comes to something that concerns others.
    fn go_on(&self, work: impl FnOnce(&mut S::Execution) -> Next) -> Next {
        let mut state = self.state();
        let next = self.on_machine(&mut state, work).unwrap_or(Next::Over);
        state.operations += match &next {
            Next::Touches(locations) => locations.len(),
            Next::Waits(_) => 1,
            Next::Forked(_) => OPERATIONS_PER_TASK,
            Next::Over => 0,
        };
        if state.operations > OPERATIONS {
            let reason = "too many racing steps for loom in one execution: use the strategy `dpor`".to_string();
            self.on_machine(&mut state, |machine| machine.stop(Cut::Refused(reason)));
            return Next::Over;
        }
        state.running += u32::from(matches!(next, Next::Forked(_)));
        next
    }

    /// Returns when `target` is over, or would wait for `id` in turn: the last of a circle finds it closed and gives up,
    /// and then so do the others.
    fn wait(&self, id: TaskId, target: TaskId) {
        loop {
            let mut state = self.state();
            if state.over.contains(&target) || state.waits_for(target, id) {
                state.waits.remove(&id);
                return;
            }
            state.waits.insert(id, (target, loom::thread::current()));
            drop(state);
            loom::thread::park();
        }
    }

    /// Wakes those who wait for the task; the last one closes the execution.
    fn end(&self, id: TaskId) {
        let mut state = self.state();
        state.over.insert(id);
        for (_, thread) in state.waits.values().filter(|(target, _)| *target == id) {
            thread.unpark();
        }
        state.running -= 1;
        if state.running == 0
            && let Some(machine) = state.machine.take()
        {
            self.campaign.on_stack(|| self.campaign.lock().note(machine, &self.campaign.config));
        }
    }

    fn state(&self) -> MutexGuard<'_, State<S::Execution>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when that panics, and ever after: a machine that was left in the middle of a step is not run on.
    fn on_machine<R>(&self, state: &mut State<S::Execution>, work: impl FnOnce(&mut S::Execution) -> R) -> Option<R> {
        let machine = state.machine.as_mut()?;
        let done = self.campaign.on_stack(|| work(machine));
        if done.is_none() {
            state.machine = None;
        }
        done
    }
}

impl<E> State<E> {
    /// Whether `first` is `last`, or waits for it, or for one who does.
    fn waits_for(&self, first: TaskId, last: TaskId) -> bool {
        std::iter::successors(Some(first), |task| self.waits.get(task).map(|(target, _)| *target))
            .any(|task| task == last)
    }
}
