//! Stacks that tasks run on: a task can be paused inside of any access, and goes on where it was.
//!
//! A Rust function keeps its state on a native stack, so a task that may be paused needs one of its own. Stacks are
//! kept and used again; a switch costs a few nanoseconds and allocates nothing. Two drivers serve one interface:
//! [coroutines](corosensei), and [threads of which one runs at a time](super::baton), for debuggers and for platforms
//! without coroutines.
//!
//! Beside [`guarded`](super::guarded) this is the only module of the crate with unsafe code. A coroutine is given a reference to
//! what pauses it, which lives on its own stack as long as it runs. Whoever pauses is deep inside of a user's function, to which no
//! reference of ours can be passed, so the address is kept aside. It is read only by code that runs on that very stack: each stack
//! sets it when control comes to it, and what runs stacks one after another ([`Stacks::run`]) takes it away before anything else
//! runs on the stack that it was called on.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::Arc;

use corosensei::stack::{DefaultStack, STACK_ALIGNMENT, Stack as Memory, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};
use forkcheck_scheduler::TaskId;

use super::baton::Baton;

/// What a stack can be asked to run.
pub(super) trait Job: Send + Sync {
    /// Runs it to its end, and says which task goes on then, if that is known. A panic of the user's code does not leave it.
    fn run(self: Arc<Self>) -> Option<TaskId>;
}

/// How control came back from a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The job is in the middle of something.
    Stopped,
    /// The same, and it says which task goes on now.
    To(TaskId),
    /// The job is done, and this task goes on now, if that is known.
    Done(Option<TaskId>),
}

/// Which kind of stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    /// A coroutine with a stack of so many bytes.
    Coroutine(usize),
    /// An operating system's thread, of which one runs at a time.
    Thread(usize),
}

/// A stack that jobs run on, one after another.
pub(super) enum Stack {
    /// See [`Driver::Coroutine`].
    Coroutine(Fiber),
    /// See [`Driver::Thread`].
    Thread(Baton),
}

type Switch = Yielder<(), Pause>;

thread_local! {
    /// What pauses the stack that runs now; null on the thread's own stack.
    static SWITCH: Cell<*const Switch> = const { Cell::new(ptr::null()) };
    /// Whether the stack that runs now is being taken down.
    static FALLING: Cell<bool> = const { Cell::new(false) };
    /// What the stack that gets control is to begin with. Taken at once, so it need not be dropped with the thread.
    static JOB: Cell<Option<ManuallyDrop<Arc<dyn Job>>>> = const { Cell::new(None) };
}

/// A coroutine, and whether it is in the middle of a job.
pub(super) struct Fiber {
    coroutine: Coroutine<(), Pause, (), Shifted>,
    busy: bool,
}

/// Stacks that are kept for the next check on this thread: to map memory for one takes as long as a hundred steps.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<(Driver, Box<Stack>)>> = const { RefCell::new(Vec::new()) };
}

/// The stacks of the tasks of an execution.
pub(super) struct Stacks {
    driver: Driver,
    /// By task: the stack that it is in the middle of something on.
    of_tasks: Vec<Option<Box<Stack>>>,
    /// How many of these there are.
    busy: usize,
    #[expect(clippy::vec_box, reason = "a stack goes from task to task as one word")]
    idle: Vec<Box<Stack>>,
}

impl Stacks {
    pub(super) fn new(driver: Driver) -> Self {
        Self { driver, of_tasks: Vec::new(), busy: 0, idle: Vec::new() }
    }

    /// Gives control to a task, and to those that it is handed over to, until one pauses or ends and does not say who goes on.
    /// A task that has no stack yet begins with its job.
    #[inline(always)]
    pub(super) fn run(&mut self, first: TaskId, mut job_of: impl FnMut(TaskId) -> Arc<dyn Job>) {
        let _away = Away::from_here();
        let mut task = first;
        loop {
            let pause = match self.of_tasks.get_mut(task.index()) {
                Some(Some(stack)) => stack.go_on(),
                _ => {
                    // Whatever runs now is on this stack, and not on the one that control came back from.
                    SWITCH.set(ptr::null());
                    let job = job_of(task);
                    self.begin(task, job)
                }
            };
            task = match pause {
                Pause::To(next) => next,
                Pause::Stopped => return,
                Pause::Done(next) => {
                    self.busy -= 1;
                    if let Some(stack) = self.of_tasks[task.index()].take() {
                        self.idle.push(stack);
                    }
                    match next {
                        Some(next) => next,
                        None => return,
                    }
                }
            };
        }
    }

    #[inline(always)]
    fn begin(&mut self, task: TaskId, job: Arc<dyn Job>) -> Pause {
        if self.of_tasks.len() <= task.index() {
            self.of_tasks.resize_with(task.index() + 1, || None);
        }
        let stack = self.idle.pop().unwrap_or_else(|| self.take());
        self.busy += 1;
        self.of_tasks[task.index()].insert(stack).start(job)
    }

    /// A stack with nothing to do: one that was kept, if there is one of its kind.
    #[cold]
    fn take(&self) -> Box<Stack> {
        let kept = IDLE.with_borrow_mut(|idle| {
            let place = idle.iter().rposition(|(kind, _)| *kind == self.driver)?;
            Some(idle.swap_remove(place).1)
        });
        kept.unwrap_or_else(|| Box::new(Stack::new(self.driver)))
    }

    /// Takes down the stacks of tasks that are in the middle of something.
    #[inline]
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.busy) > 0 {
            self.of_tasks.iter_mut().for_each(|stack| *stack = None);
        }
    }
}

impl Drop for Stacks {
    /// Keeps stacks that have nothing to do, as many as there is room for.
    fn drop(&mut self) {
        self.clear();
        let stacks = IDLE.with_borrow_mut(|idle| {
            let mut stacks = std::mem::take(&mut self.idle).into_iter();
            let room = KEPT.saturating_sub(idle.len());
            idle.extend(stacks.by_ref().take(room).map(|stack| (self.driver, stack)));
            stacks
        });
        drop(stacks);
    }
}

/// Control goes from here to other stacks; when it is back for good, what pauses the stack that runs is what it was.
struct Away(*const Switch);

impl Away {
    #[inline(always)]
    fn from_here() -> Self {
        Self(SWITCH.replace(ptr::null()))
    }
}

impl Drop for Away {
    #[inline(always)]
    fn drop(&mut self) {
        SWITCH.set(self.0);
    }
}

impl Stack {
    /// A stack with nothing to do.
    pub(super) fn new(driver: Driver) -> Self {
        match driver {
            Driver::Coroutine(bytes) => Stack::Coroutine(Fiber::new(bytes)),
            Driver::Thread(bytes) => Stack::Thread(Baton::new(bytes)),
        }
    }

    /// Has a stack with nothing to do begin a job; runs it until it pauses or is done.
    #[cfg(test)]
    pub(super) fn begin(&mut self, job: Arc<dyn Job>) -> Pause {
        let _away = Away::from_here();
        self.start(job)
    }

    /// Has a stack that is in the middle of a job go on, until it pauses or is done.
    #[cfg(test)]
    pub(super) fn resume(&mut self) -> Pause {
        let _away = Away::from_here();
        self.go_on()
    }

    /// Begins a job, for somebody who is [`Away`].
    #[inline(always)]
    fn start(&mut self, job: Arc<dyn Job>) -> Pause {
        match self {
            Stack::Coroutine(fiber) => fiber.start(job),
            Stack::Thread(baton) => baton.resume(Some(job)),
        }
    }

    /// Goes on with a job, for somebody who is [`Away`].
    #[inline(always)]
    fn go_on(&mut self) -> Pause {
        match self {
            Stack::Coroutine(fiber) => fiber.go_on(),
            Stack::Thread(baton) => baton.resume(None),
        }
    }
}

/// Gives control back to whoever resumed this stack, until it is resumed again.
///
/// # Panics
/// On a thread's own stack, from which there is no way back.
#[inline(always)]
pub(super) fn pause() {
    give_back(Pause::Stopped);
}

/// Gives control back as [`pause`] does, and says which task goes on meanwhile.
///
/// # Panics
/// As [`pause`].
#[inline(always)]
pub(super) fn hand_over(task: TaskId) {
    give_back(Pause::To(task));
}

#[inline(always)]
fn give_back(pause: Pause) {
    let switch = SWITCH.get();
    if switch.is_null() {
        return super::baton::pause(pause);
    }
    // SAFETY: `SWITCH` is not null, so control is on the stack of the coroutine that set it: whenever control leaves a
    // coroutine, by a pause or by its end, to a stack that calls anything but the next coroutine, that sets it to null or puts
    // back what was there before ([`Away`], [`Stacks::run`]). The yielder is borrowed by the coroutine's function for as long as that has not returned, and it has not, for it called us. It is used by the
    // thread that runs it, because a `Fiber` is not `Send`.
    unsafe { &*switch }.suspend(pause);
    SWITCH.set(switch);
}

/// Gives control back for ever: the execution was cut, and this stack will be taken down where it stands.
pub(super) fn never() -> ! {
    loop {
        pause();
    }
}

/// Whether this code runs on a stack of ours, as a task does.
pub(super) fn is_task() -> bool {
    !SWITCH.get().is_null() || super::baton::is_task()
}

/// Whether the stack that runs now is being taken down: destructors run, and nothing matters any more.
pub(super) fn is_falling() -> bool {
    FALLING.get() || super::baton::is_falling()
}

/// Drops what an execution has left, on the stack of whoever runs it: destructors of the user's may use what it has made, and
/// nothing matters any more.
pub(super) fn drop_left<T>(left: T) {
    /// Puts back what was there, even after a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            FALLING.set(self.0);
        }
    }
    let _before = Before(FALLING.replace(true));
    drop(left);
}

impl Fiber {
    fn new(bytes: usize) -> Self {
        let coroutine = Coroutine::with_stack(Shifted::new(bytes), |switch: &Switch, ()| {
            while let Some(job) = JOB.take() {
                SWITCH.set(switch);
                let next = ManuallyDrop::into_inner(job).run();
                switch.suspend(Pause::Done(next));
            }
        });
        Self { coroutine, busy: false }
    }

    #[inline(always)]
    fn start(&mut self, job: Arc<dyn Job>) -> Pause {
        if self.busy {
            not_so("a job is given to a stack that has none");
        }
        self.busy = true;
        JOB.set(Some(ManuallyDrop::new(job)));
        self.switch()
    }

    #[inline(always)]
    fn go_on(&mut self) -> Pause {
        if !self.busy {
            not_so("a stack goes on with the job that it has");
        }
        self.switch()
    }

    /// Control is back on the stack that this was called from when it returns, but `SWITCH` is still that of the coroutine.
    #[inline(always)]
    fn switch(&mut self) -> Pause {
        let CoroutineResult::Yield(pause) = self.coroutine.resume(()) else { not_so("it was given a job") };
        if let Pause::Done(_) = pause {
            self.busy = false;
        }
        pause
    }
}

/// An invariant does not hold.
#[cold]
fn not_so(what: &str) -> ! {
    // It is no task that panics.
    SWITCH.set(ptr::null());
    panic!("{what}");
}

/// Memory for a stack that begins somewhat below its end, each somewhere else. All ends lie at the same place of a page, and so
/// the tops of a thousand stacks would share a few sets of a cache.
struct Shifted {
    memory: DefaultStack,
    shift: usize,
}

/// Shifts are multiples of a cache line, below a page.
const LINE: usize = 64;
const PAGE: usize = 4096;

thread_local! {
    static NEXT_SHIFT: Cell<usize> = const { Cell::new(0) };
}

impl Shifted {
    fn new(bytes: usize) -> Self {
        let memory = DefaultStack::new(bytes + PAGE).expect("address space for a stack");
        // Seven lines are what a paused task mostly has in use.
        let shift = NEXT_SHIFT.replace((NEXT_SHIFT.get() + 7 * LINE) % PAGE);
        assert!(shift.is_multiple_of(STACK_ALIGNMENT) && memory.base().get() - shift > memory.limit().get());
        Self { memory, shift }
    }
}

// SAFETY: what is between `base` and `limit` is a part of the memory of a `DefaultStack`, which guarantees all that is wanted
// for the whole of it: that it is mapped, writable, of no use to anybody else, has a guard page at its limit, and stays where
// it is when the value is moved. `new` has asserted that the base is aligned and lies above the limit. The memory is given
// back when `memory` is dropped, with the whole value.
unsafe impl Memory for Shifted {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.memory.base().get() - self.shift).expect("it lies above the limit")
    }

    fn limit(&self) -> StackPointer {
        self.memory.limit()
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        self.memory.teb_fields()
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.memory.update_teb_fields(stack_limit, guaranteed_stack_bytes);
    }
}

impl Drop for Fiber {
    fn drop(&mut self) {
        if self.coroutine.done() {
            return;
        }
        let (before, falling) = (SWITCH.replace(ptr::null()), FALLING.replace(self.busy));
        if self.busy {
            // The user's destructors run. Should they be many and one of them panic, that ends the process.
            self.coroutine.force_unwind();
        } else if self.coroutine.started() {
            self.coroutine.resume(());
        }
        FALLING.set(falling);
        SWITCH.set(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Notes what it does in a list that all share.
    struct Noting(u32, u32, Arc<Mutex<Vec<(u32, u32)>>>);

    impl Job for Noting {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            for i in 0..self.1 {
                self.2.lock().unwrap().push((self.0, i));
                pause();
            }
            None
        }
    }

    const DRIVERS: [Driver; 2] = [Driver::Coroutine(1 << 16), Driver::Thread(1 << 16)];

    #[test]
    fn stacks_take_turns_and_are_used_again() {
        for driver in DRIVERS {
            let noted = Arc::new(Mutex::new(Vec::new()));
            let job = |name, count| Arc::new(Noting(name, count, noted.clone()));
            let (mut a, mut b) = (Stack::new(driver), Stack::new(driver));
            assert_eq!(a.begin(job(1, 2)), Pause::Stopped);
            assert_eq!(b.begin(job(2, 1)), Pause::Stopped);
            assert_eq!(a.resume(), Pause::Stopped);
            assert_eq!(b.resume(), Pause::Done(None));
            assert_eq!(b.begin(job(3, 0)), Pause::Done(None));
            assert_eq!(a.resume(), Pause::Done(None));
            assert_eq!(*noted.lock().unwrap(), [(1, 0), (2, 0), (1, 1)]);
        }
    }

    /// Runs another job on a stack of its own, and pauses inside and outside of it.
    struct Nesting(Arc<AtomicU32>);

    impl Job for Nesting {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            let mut inner = Stack::new(Driver::Coroutine(1 << 16));
            let noted = Arc::new(Mutex::new(Vec::new()));
            inner.begin(Arc::new(Noting(0, 1, noted)));
            pause();
            self.0.fetch_add(1, Ordering::Relaxed);
            assert_eq!(inner.resume(), Pause::Done(None));
            pause();
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }
    }

    #[test]
    fn a_pause_is_of_the_innermost_stack() {
        let count = Arc::new(AtomicU32::new(0));
        let mut outer = Stack::new(Driver::Coroutine(1 << 18));
        assert_eq!(outer.begin(Arc::new(Nesting(count.clone()))), Pause::Stopped);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!(outer.resume(), Pause::Stopped);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(outer.resume(), Pause::Done(None));
        assert!(SWITCH.get().is_null());
    }

    /// Pauses while something with a destructor lives.
    struct Holding(Arc<AtomicU32>);

    struct Held(Arc<AtomicU32>);

    impl Drop for Held {
        fn drop(&mut self) {
            assert!(is_falling());
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Job for Holding {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            let _held = Held(self.0.clone());
            pause();
            None
        }
    }

    #[test]
    fn what_lives_on_a_stack_that_is_dropped_is_dropped() {
        for driver in DRIVERS {
            let count = Arc::new(AtomicU32::new(0));
            let mut stack = Stack::new(driver);
            assert_eq!(stack.begin(Arc::new(Holding(count.clone()))), Pause::Stopped);
            // It is in the middle of something whether it paused or handed over.
            let mut other = Stack::new(driver);
            let next = TaskId::new(7);
            assert_eq!(other.begin(Arc::new(Handing(next, Held(count.clone())))), Pause::To(next));
            drop((stack, other));
            assert_eq!(count.load(Ordering::Relaxed), 2, "{driver:?}");
            assert!(!is_falling());
        }
        drop(Stack::new(Driver::Coroutine(1 << 16)));
    }

    /// Hands over while something with a destructor lives.
    struct Handing(TaskId, Held);

    impl Job for Handing {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            let Handing(next, _held) = &*self;
            hand_over(*next);
            pause();
            None
        }
    }

    /// Hands over as often as it is told, in the middle of a recursion that is deeper each time, and checks that it finds its
    /// stack as it was.
    struct Deep(u32);

    fn descend(depth: u32) -> u64 {
        let here = std::hint::black_box([u64::from(depth); 9]);
        hand_over(TaskId::new(depth));
        let below = if depth == 0 { 0 } else { descend(depth - 1) };
        hand_over(TaskId::new(depth));
        assert_eq!(here, [u64::from(depth); 9]);
        below + here[depth as usize % 9]
    }

    impl Job for Deep {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            assert_eq!(descend(self.0), u64::from(self.0 * (self.0 + 1) / 2));
            None
        }
    }

    #[test]
    fn stacks_that_hand_over_in_turn_stay_as_they_were() {
        for driver in DRIVERS {
            let mut stacks: Vec<Stack> = (0..5).map(|_| Stack::new(driver)).collect();
            for depth in [3, 40, 1] {
                let expected = (0..=depth).rev().chain(0..=depth).map(|depth| Pause::To(TaskId::new(depth)));
                let pauses: Vec<Pause> = expected.chain([Pause::Done(None)]).collect();
                // Their turns are mixed: each begins a turn after the one before it.
                for turn in 0..pauses.len() + stacks.len() - 1 {
                    for (late, stack) in stacks.iter_mut().enumerate() {
                        let Some(own) = turn.checked_sub(late).filter(|own| *own < pauses.len()) else { continue };
                        let pause = if own == 0 { stack.begin(Arc::new(Deep(depth))) } else { stack.resume() };
                        assert_eq!(pause, pauses[own], "{driver:?}");
                    }
                }
            }
            assert!(SWITCH.get().is_null());
        }
    }

    #[test]
    #[should_panic = "a job is given to a stack that has none"]
    fn a_stack_in_the_middle_of_a_job_takes_no_other() {
        let mut stack = Stack::new(Driver::Coroutine(1 << 16));
        stack.begin(Arc::new(Deep(1)));
        stack.begin(Arc::new(Deep(1)));
    }

    #[test]
    #[should_panic = "a stack goes on with the job that it has"]
    fn a_stack_without_a_job_does_not_go_on() {
        Stack::new(Driver::Coroutine(1 << 16)).resume();
    }

    #[test]
    #[should_panic = "there is no way back"]
    fn a_threads_own_stack_cannot_pause() {
        pause();
    }
}
