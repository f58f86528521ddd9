//! A task that runs for real: frames, and the promise of its result.

use std::mem;
use std::sync::Arc;

use forkcheck_model::operators::Modes;
use forkcheck_model::slot::Allocator;
use forkcheck_model::value::{Forked, Future, Value};

use super::pool::Job;
use super::promise::Promise;
use crate::execution::{Raised, Site};
use crate::machine::code::Code;
use crate::machine::{Frame, Returns};

/// What a task came to.
pub(super) type Result = std::result::Result<Value, Arc<Raised>>;

/// One run of a forked function; number 0 is the caller.
pub(super) struct Task {
    /// How many were made before.
    pub(super) number: u32,
    /// What it is doing; the innermost frame last.
    pub(super) frames: Vec<Frame>,
    /// Names what it makes.
    pub(super) allocator: Allocator,
    /// Its modes, inherited at the fork.
    pub(super) modes: Modes,
    /// Who is told how it ends; `None` when that is done.
    promise: Option<Arc<Promised>>,
    /// Registers of frames that were left, to be used again.
    spare: Vec<Vec<Value>>,
}

/// What a future is a handle of.
pub(super) struct Promised {
    /// The number of the task.
    number: u32,
    /// Its result.
    pub(super) result: Promise<Box<Task>, Result>,
}

impl Job for Box<Task> {
    fn age(&self) -> u32 {
        self.number
    }
}

impl Forked for Promised {
    fn task(&self) -> u32 {
        self.number
    }
}

impl std::fmt::Debug for Promised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Promised({})", self.number)
    }
}

impl Promised {
    /// What a future is a handle of.
    ///
    /// # Panics
    /// If another executor has made it.
    pub(super) fn of(future: &Future) -> &Promised {
        let future: &dyn std::any::Any = &**future;
        future.downcast_ref().expect("a future of this execution")
    }
}

impl Task {
    /// A task about to execute `code` on `args`; `spare`, which has ended, is made use of.
    pub(super) fn new(
        spare: Option<Box<Task>>,
        code: &Arc<Code>,
        args: impl IntoIterator<Item = Value>,
        allocator: Allocator,
        modes: Modes,
    ) -> Box<Task> {
        let number = allocator.owner();
        let promise = Some(Arc::new(Promised { number, result: Promise::new() }));
        let mut task = match spare {
            Some(mut task) => {
                (task.number, task.allocator, task.modes, task.promise) = (number, allocator, modes, promise);
                task
            }
            None => Box::new(Task { number, frames: Vec::new(), allocator, modes, promise, spare: Vec::new() }),
        };
        task.enter(code, args, Returns::Task);
        task
    }

    /// A handle of its result.
    ///
    /// # Panics
    /// If it has ended.
    pub(super) fn future(&self) -> Future {
        self.promise.clone().expect("it has not ended")
    }

    /// Ends it: it holds nothing any more, and those are given that waited for it.
    ///
    /// # Panics
    /// If it has ended.
    #[expect(clippy::vec_box, reason = "tasks go from hand to hand, and are boxed everywhere")]
    pub(super) fn end(&mut self, result: Result) -> Vec<Box<Task>> {
        self.spare.extend(self.frames.drain(..).map(Frame::into_registers));
        self.promise.take().expect("it has not ended").result.keep(result)
    }

    /// The innermost frame.
    pub(super) fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a task that runs has a frame")
    }

    /// Enters a function.
    pub(super) fn enter(&mut self, code: &Arc<Code>, args: impl IntoIterator<Item = Value>, returns: Returns) {
        let registers = self.spare.pop().unwrap_or_default();
        self.frames.push(Frame::within(registers, code.clone(), args, returns));
    }

    /// Leaves the innermost function; says what happens with its result.
    pub(super) fn leave(&mut self) -> Returns {
        let mut frame = self.frames.pop().expect("a function that returns has a frame");
        let returns = mem::replace(&mut frame.returns, Returns::Nowhere);
        self.spare.push(frame.into_registers());
        returns
    }

    /// The sites of the innermost frame's instruction, which is at `site`, and of the calls that lead there, innermost first.
    pub(super) fn stack(&self, site: Site) -> Vec<Site> {
        let (_, callers) = self.frames.split_last().expect("a task that runs has a frame");
        // A caller is already at the instruction after the call.
        let call = |frame: &Frame| frame.code.instructions[frame.next - 1].site;
        std::iter::once(site).chain(callers.iter().rev().map(call)).collect()
    }
}
