//! The second driver of stacks: operating-system threads that hand a baton on, so that one of them runs at a time.
//!
//! Slower by a factor of ten thousand than a coroutine, and the same to a debugger, a profiler and a sanitizer as any
//! program. What a thread keeps to itself (`thread_local!`) stays apart here, while coroutines share it; so a program
//! that behaves differently under the two drivers depends on that.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::stack::{Job, Pause};
use super::world::{self, World};

/// What goes to a thread with the baton.
enum Turn {
    /// A job to start, or nothing to go on.
    Run(Option<Arc<dyn Job>>, World),
    /// The thread comes to its end; what lives on its stack is dropped.
    Fall,
}

/// What comes back with it.
type Back = (Result<Pause, Box<dyn Any + Send>>, World);

/// A thread that runs when it is told to.
pub(super) struct Baton {
    turns: Sender<Turn>,
    back: Receiver<Back>,
    thread: Option<JoinHandle<()>>,
    busy: bool,
}

/// The ends of the channels on the thread's own side.
struct Ends {
    turns: Receiver<Turn>,
    back: Sender<Back>,
}

thread_local! {
    static ENDS: RefCell<Option<Ends>> = const { RefCell::new(None) };
    static FALLING: RefCell<bool> = const { RefCell::new(false) };
}

/// Unwinds a thread that is to come to its end. Not a panic: no hook is told.
struct Fallen;

impl Baton {
    pub(super) fn new(bytes: usize) -> Self {
        let ((turns, their_turns), (their_back, back)) = (channel(), channel());
        let work = move || {
            ENDS.set(Some(Ends { turns: their_turns, back: their_back }));
            while let Some(Some(job)) = next_turn() {
                match catch_unwind(AssertUnwindSafe(|| job.run())) {
                    Err(payload) if payload.is::<Fallen>() => return,
                    result => give_back(result.map(Pause::Done)),
                }
            }
        };
        let thread = std::thread::Builder::new().stack_size(bytes.max(1 << 16)).spawn(work).expect("a thread");
        Self { turns, back, thread: Some(thread), busy: false }
    }

    pub(super) fn resume(&mut self, job: Option<Arc<dyn Job>>) -> Pause {
        assert_eq!(self.busy, job.is_none(), "a job is given to a thread that has none");
        self.turns.send(Turn::Run(job, world::take())).expect("the thread waits for its turn");
        let (pause, world) = self.back.recv().expect("the thread gives the baton back");
        world::put(world);
        let pause = pause.unwrap_or_else(|panic| resume_unwind(panic));
        self.busy = !matches!(pause, Pause::Done(_));
        pause
    }
}

impl Drop for Baton {
    fn drop(&mut self) {
        // It may have ended by a panic of ours.
        let _ = self.turns.send(Turn::Fall);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for the baton; `None` if the thread is to end.
fn next_turn() -> Option<Option<Arc<dyn Job>>> {
    let turn = ENDS.with_borrow(|ends| ends.as_ref().expect("a thread of ours").turns.recv());
    match turn {
        Ok(Turn::Run(job, world)) => {
            world::put(world);
            Some(job)
        }
        Ok(Turn::Fall) | Err(_) => None,
    }
}

fn give_back(result: Result<Pause, Box<dyn Any + Send>>) {
    let world = world::take();
    // Whoever waits for the baton may have panicked, and be gone.
    let _ = ENDS.with_borrow(|ends| ends.as_ref().expect("a thread of ours").back.send((result, world)));
}

/// Hands the baton back until it comes again.
#[cold]
pub(super) fn pause(pause: Pause) {
    assert!(ENDS.with_borrow(Option::is_some), "there is no way back from a thread's own stack");
    give_back(Ok(pause));
    if next_turn().is_none() {
        FALLING.set(true);
        resume_unwind(Box::new(Fallen));
    }
}

/// Whether this thread is one of ours.
pub(super) fn is_task() -> bool {
    ENDS.with_borrow(Option::is_some)
}

/// Whether the thread unwinds to its end.
pub(super) fn is_falling() -> bool {
    FALLING.with_borrow(|falling| *falling)
}
