//! Values that tasks share: behind a lock where threads are about, and bound to one thread in a checked body, where tasks take
//! turns on it.
//!
//! A lock that nobody contends for still costs two atomic operations each time, twenty cycles each: an eighth of all the
//! time of a thousand tasks that update one attribute ten times each. So a value that is made under the checker has none: it is
//! *bound* to the thread that made it, which alone may touch it.
//!
//! Beside [`stack`](super::stack) this is the only module of the crate with unsafe code. What a bound value holds is touched in
//! one function, [`Bound::with`], and only after two questions. Is this the thread that the value is bound to? Threads are told
//! apart by numbers that are given out once, so no two threads ever touch the same value. Is nobody further up on this thread in
//! the middle of it? A mark says so that is set as long as the reference lives. Whether two tasks are coroutines of the thread
//! makes no difference to either.
#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::num::NonZeroU64;
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, TryLockError};

use super::world;

/// A value that one task at a time touches.
pub(super) enum Guarded<T> {
    /// By whoever has the lock.
    Locked(Mutex<T>),
    /// By one thread.
    Bound(Bound<T>),
}

/// Somebody is in the middle of the value who cannot go on before the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InUse;

impl InUse {
    /// # Panics
    /// Always: `what` is in use, and nothing but a clone of it runs meanwhile.
    #[cold]
    pub(super) fn refuse(self, what: fmt::Arguments<'_>) -> ! {
        panic!(
            "{what} is just being cloned: its `clone` forks, waits, or touches what others race for, and a task that came in between \
             needs it too; `clone` should only copy"
        )
    }
}

impl<T> Guarded<T> {
    /// A value of one thread, or of all.
    #[inline(always)]
    pub(super) fn new(value: T, bound: Option<Thread>) -> Self {
        match bound {
            Some(thread) => Self::Bound(Bound { thread, in_use: Cell::new(false), value: UnsafeCell::new(value) }),
            None => Self::Locked(Mutex::new(value)),
        }
    }

    /// Does something with the value; waits until other threads have done what they do with it.
    ///
    /// # Errors
    /// If somebody is in the middle of it who goes on after this: what runs here has called back, or a task has paused.
    ///
    /// # Panics
    /// If the value is bound to another thread.
    #[inline(always)]
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, InUse> {
        match self {
            Self::Bound(bound) => bound.with(work),
            Self::Locked(lock) => with_lock(lock, work),
        }
    }

    /// Does something with a value that other threads may be in the middle of while this one runs a checked body; waits for them.
    ///
    /// # Panics
    /// If the value is bound, which other threads never touch.
    #[inline(never)]
    pub(super) fn wait_with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let Self::Locked(lock) = self else { panic!("a value of this thread alone is not waited for") };
        work(&mut super::lock(lock))
    }
}

fn with_lock<T, R>(lock: &Mutex<T>, work: impl FnOnce(&mut T) -> R) -> Result<R, InUse> {
    let mut value = match lock.try_lock() {
        Ok(value) => value,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // One task of a checked body runs at a time, so whoever has it is paused and would be waited for for ever.
        Err(TryLockError::WouldBlock) if world::kind() == world::Kind::Checked => return Err(InUse),
        Err(TryLockError::WouldBlock) => super::lock(lock),
    };
    Ok(work(&mut value))
}

/// A thread, by a number that no other one ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Thread(NonZeroU64);

impl Thread {
    /// The thread that runs this.
    #[inline(always)]
    pub(super) fn current() -> Self {
        match CURRENT.try_with(Cell::get) {
            Ok(Some(thread)) => thread,
            _ => Self::number(),
        }
    }

    #[cold]
    fn number() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let thread = Self(NonZeroU64::new(number).expect("nobody counts that far"));
        CURRENT.set(Some(thread));
        thread
    }
}

thread_local! {
    /// This thread, once somebody has asked. Needs no destructor, so it is there as long as the thread is.
    static CURRENT: Cell<Option<Thread>> = const { Cell::new(None) };
}

/// A value that one thread touches.
pub(super) struct Bound<T> {
    thread: Thread,
    in_use: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: a shared reference gives access to `in_use` and `value` in `with` alone, and there only to the thread that `thread`
// names. Numbers are never given twice, so all these accesses are made by one thread, one after another. Any thread may drop
// the value, as it may any that is `Send`: who drops it owns it, and so comes after all who had a reference.
unsafe impl<T: Send> Sync for Bound<T> {}

// What panics in `with` leaves the value as whole as it would leave one behind a lock, see `super::lock`.
impl<T> RefUnwindSafe for Bound<T> {}

impl<T> Bound<T> {
    /// See [`Guarded::with`].
    #[inline(always)]
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Result<R, InUse> {
        /// Takes the mark away, even after a panic, and when a stack is taken down.
        struct Using<'a>(&'a Cell<bool>);
        impl Drop for Using<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.thread != Thread::current() {
            foreign();
        }
        if self.in_use.replace(true) {
            return Err(InUse);
        }
        let _using = Using(&self.in_use);
        // SAFETY: this is the thread that the value is bound to, and no other one comes here. On this thread nobody has a
        // reference, for the mark was not set; and nobody gets one, for it is set until `work` has returned or unwound, after
        // which the reference is gone.
        Ok(work(unsafe { &mut *self.value.get() }))
    }
}

#[cold]
fn foreign() -> ! {
    panic!("a value that was made inside of a checked body is used on a thread that forkcheck does not run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::stack::{self, Driver, Job, Pause, Stack};
    use forkcheck_scheduler::TaskId;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    #[test]
    fn whoever_comes_while_it_is_in_use_is_told_so() {
        for bound in [Some(Thread::current()), None] {
            let value = Guarded::new(1, bound);
            assert_eq!(value.with(|n| std::mem::replace(n, 2)), Ok(1));
            // Behind a lock this is for checked bodies: elsewhere other threads are waited for.
            if bound.is_some() {
                assert_eq!(value.with(|_| value.with(|n| *n)), Ok(Err(InUse)));
            }
            let panicked = catch_unwind(AssertUnwindSafe(|| value.with(|_| panic!("in the middle"))));
            assert!(panicked.is_err());
            assert_eq!(value.with(|n| *n), Ok(2));
        }
    }

    #[test]
    fn another_thread_sees_nothing_of_a_bound_value() {
        let value = Arc::new(Guarded::new(vec![1], Some(Thread::current())));
        let theirs = value.clone();
        let seen = std::thread::spawn(move || theirs.with(|value| value.push(2))).join();
        let message = *seen.unwrap_err().downcast::<&str>().unwrap();
        assert!(message.contains("on a thread that forkcheck does not run"), "{message}");
        assert_eq!(value.with(|value| value.clone()), Ok(vec![1]));
        // Nor does one that comes after the thread has ended: it might have got its place in memory, but not its number.
        let left = std::thread::spawn(|| Guarded::new(vec![3], Some(Thread::current()))).join().unwrap();
        for _ in 0..20 {
            let left = &left;
            std::thread::scope(|scope| assert!(scope.spawn(|| left.with(|value| value.len())).join().is_err()));
        }
    }

    #[test]
    fn another_thread_may_drop_it() {
        let dropped = Arc::new(());
        let value = Guarded::new(dropped.clone(), Some(Thread::current()));
        std::thread::spawn(move || drop(value)).join().unwrap();
        assert_eq!(Arc::strong_count(&dropped), 1);
    }

    /// Pauses in the middle of the value.
    struct Pausing(Arc<Guarded<i32>>);

    impl Job for Pausing {
        fn run(self: Arc<Self>) -> Option<TaskId> {
            let _ = self.0.with(|n| {
                *n += 1;
                stack::pause();
                *n += 1;
            });
            None
        }
    }

    #[test]
    fn a_task_that_pauses_keeps_it_in_use() {
        let value = Arc::new(Guarded::new(0, Some(Thread::current())));
        let (mut a, mut b) = (Stack::new(Driver::Coroutine(1 << 16)), Stack::new(Driver::Coroutine(1 << 16)));
        assert_eq!(a.begin(Arc::new(Pausing(value.clone()))), Pause::Stopped);
        assert_eq!(value.with(|n| *n), Err(InUse));
        assert_eq!(b.begin(Arc::new(Pausing(value.clone()))), Pause::Done(None));
        assert_eq!(a.resume(), Pause::Done(None));
        assert_eq!(value.with(|n| *n), Ok(2));
        // A stack that is taken down leaves it free.
        assert_eq!(a.begin(Arc::new(Pausing(value.clone()))), Pause::Stopped);
        drop(a);
        assert_eq!(value.with(|n| *n), Ok(3));
    }
}
