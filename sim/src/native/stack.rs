//! Stacks that tasks run on: a task can be paused inside of any access, and goes on where it was.
//!
//! A Rust function keeps its state on a native stack, so a task that may be paused needs one of its own. Stacks are
//! kept and used again; a switch costs a few nanoseconds and allocates nothing. Two drivers serve one interface:
//! [coroutines](corosensei), and [threads of which one runs at a time](super::baton), for debuggers and for platforms
//! without coroutines.
//!
//! This is the only module of the crate with unsafe code. A coroutine is given a reference to what pauses it, which
//! lives on its own stack as long as it runs. Whoever pauses is deep inside of a user's function, to which no reference
//! of ours can be passed, so the address is kept aside. It is read only by code that runs on that very stack: it is set
//! whenever control comes to a stack, and taken away when control leaves it.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::Arc;

use corosensei::stack::{DefaultStack, STACK_ALIGNMENT, Stack as Memory, StackPointer};
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::baton::Baton;

/// What a stack can be asked to run.
pub(super) trait Job: Send + Sync {
    /// Runs it to its end. A panic of the user's code does not leave it.
    fn run(self: Arc<Self>);
}

/// How control came back from a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    /// The job is in the middle of something.
    Stopped,
    /// The job is done.
    Done,
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

type Switch = Yielder<Option<Arc<dyn Job>>, Pause>;

thread_local! {
    /// What pauses the stack that runs now; null on the thread's own stack.
    static SWITCH: Cell<*const Switch> = const { Cell::new(ptr::null()) };
    /// Whether the stack that runs now is being taken down.
    static FALLING: Cell<bool> = const { Cell::new(false) };
}

/// A coroutine, and whether it is in the middle of a job.
pub(super) struct Fiber {
    coroutine: Coroutine<Option<Arc<dyn Job>>, Pause, (), Shifted>,
    busy: bool,
}

/// Stacks that are kept for the next check on this thread: to map memory for one takes as long as a hundred steps.
const KEPT: usize = 64;

thread_local! {
    static IDLE: RefCell<Vec<(Driver, Stack)>> = const { RefCell::new(Vec::new()) };
}

/// A stack with nothing to do: one that was kept, if there is one of its kind.
pub(super) fn take(driver: Driver) -> Stack {
    let kept = IDLE.with_borrow_mut(|idle| {
        let place = idle.iter().rposition(|(kind, _)| *kind == driver)?;
        Some(idle.swap_remove(place).1)
    });
    kept.unwrap_or_else(|| Stack::new(driver))
}

/// Keeps stacks that have nothing to do, as many as there is room for.
pub(super) fn keep(driver: Driver, stacks: Vec<Stack>) {
    let left = IDLE.with_borrow_mut(|idle| {
        let mut stacks = stacks.into_iter();
        let room = KEPT.saturating_sub(idle.len());
        idle.extend(stacks.by_ref().take(room).map(|stack| (driver, stack)));
        stacks
    });
    drop(left);
}

impl Stack {
    /// A stack with nothing to do.
    pub(super) fn new(driver: Driver) -> Self {
        match driver {
            Driver::Coroutine(bytes) => Stack::Coroutine(Fiber::new(bytes)),
            Driver::Thread(bytes) => Stack::Thread(Baton::new(bytes)),
        }
    }

    /// Gives control to the stack until it pauses or is done: a `job` to one that has nothing to do, nothing to one
    /// that goes on.
    pub(super) fn resume(&mut self, job: Option<Arc<dyn Job>>) -> Pause {
        match self {
            Stack::Coroutine(fiber) => fiber.resume(job),
            Stack::Thread(baton) => baton.resume(job),
        }
    }
}

/// Gives control back to whoever resumed this stack, until it is resumed again.
///
/// # Panics
/// On a thread's own stack, from which there is no way back.
pub(super) fn pause() {
    let switch = SWITCH.get();
    if switch.is_null() {
        return super::baton::pause();
    }
    // SAFETY: `SWITCH` is not null, so control is on the stack of the coroutine that set it: whenever control leaves a
    // coroutine, by a pause or by its end, `Fiber::resume` puts back what was there before. The yielder is borrowed by
    // the coroutine's function for as long as that has not returned, and it has not, for it called us. It is used by the
    // thread that runs it, because a `Fiber` is not `Send`.
    let job = unsafe { &*switch }.suspend(Pause::Stopped);
    debug_assert!(job.is_none(), "a stack that is in the middle of a job gets no other");
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

impl Fiber {
    fn new(bytes: usize) -> Self {
        let coroutine = Coroutine::with_stack(Shifted::new(bytes), |switch: &Switch, mut job: Option<Arc<dyn Job>>| {
            while let Some(work) = job {
                SWITCH.set(switch);
                work.run();
                job = switch.suspend(Pause::Done);
            }
        });
        Self { coroutine, busy: false }
    }

    fn resume(&mut self, job: Option<Arc<dyn Job>>) -> Pause {
        assert_eq!(self.busy, job.is_none(), "a job is given to a stack that has none");
        let before = SWITCH.replace(ptr::null());
        let result = self.coroutine.resume(job);
        SWITCH.set(before);
        let CoroutineResult::Yield(pause) = result else { unreachable!("it was given a job") };
        self.busy = pause == Pause::Stopped;
        pause
    }
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
            self.coroutine.resume(None);
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
        fn run(self: Arc<Self>) {
            for i in 0..self.1 {
                self.2.lock().unwrap().push((self.0, i));
                pause();
            }
        }
    }

    const DRIVERS: [Driver; 2] = [Driver::Coroutine(1 << 16), Driver::Thread(1 << 16)];

    #[test]
    fn stacks_take_turns_and_are_used_again() {
        for driver in DRIVERS {
            let noted = Arc::new(Mutex::new(Vec::new()));
            let job = |name, count| -> Option<Arc<dyn Job>> { Some(Arc::new(Noting(name, count, noted.clone()))) };
            let (mut a, mut b) = (Stack::new(driver), Stack::new(driver));
            assert_eq!(a.resume(job(1, 2)), Pause::Stopped);
            assert_eq!(b.resume(job(2, 1)), Pause::Stopped);
            assert_eq!(a.resume(None), Pause::Stopped);
            assert_eq!(b.resume(None), Pause::Done);
            assert_eq!(b.resume(job(3, 0)), Pause::Done);
            assert_eq!(a.resume(None), Pause::Done);
            assert_eq!(*noted.lock().unwrap(), [(1, 0), (2, 0), (1, 1)]);
        }
    }

    /// Runs another job on a stack of its own, and pauses inside and outside of it.
    struct Nesting(Arc<AtomicU32>);

    impl Job for Nesting {
        fn run(self: Arc<Self>) {
            let mut inner = Stack::new(Driver::Coroutine(1 << 16));
            let noted = Arc::new(Mutex::new(Vec::new()));
            inner.resume(Some(Arc::new(Noting(0, 1, noted))));
            pause();
            self.0.fetch_add(1, Ordering::Relaxed);
            assert_eq!(inner.resume(None), Pause::Done);
            pause();
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_pause_is_of_the_innermost_stack() {
        let count = Arc::new(AtomicU32::new(0));
        let mut outer = Stack::new(Driver::Coroutine(1 << 18));
        assert_eq!(outer.resume(Some(Arc::new(Nesting(count.clone())))), Pause::Stopped);
        assert_eq!(count.load(Ordering::Relaxed), 0);
        assert_eq!(outer.resume(None), Pause::Stopped);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        assert_eq!(outer.resume(None), Pause::Done);
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
        fn run(self: Arc<Self>) {
            let _held = Held(self.0.clone());
            pause();
        }
    }

    #[test]
    fn what_lives_on_a_stack_that_is_dropped_is_dropped() {
        for driver in DRIVERS {
            let count = Arc::new(AtomicU32::new(0));
            let mut stack = Stack::new(driver);
            assert_eq!(stack.resume(Some(Arc::new(Holding(count.clone())))), Pause::Stopped);
            drop(stack);
            assert_eq!(count.load(Ordering::Relaxed), 1, "{driver:?}");
            assert!(!is_falling());
        }
        drop(Stack::new(Driver::Coroutine(1 << 16)));
    }

    #[test]
    #[should_panic = "there is no way back"]
    fn a_threads_own_stack_cannot_pause() {
        pause();
    }
}
