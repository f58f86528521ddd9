//! A task: a stack of frames, and what it knows of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_model::operators::Modes;
use forkcheck_model::slot::Allocator;
use forkcheck_model::tensor::{Content, Dims, Storage, Tensor};
use forkcheck_model::value::{Await, Value};
use forkcheck_scheduler::{Clock, Footprint, TaskId};

use super::access::Touches;
use super::code::{Code, Register};
use super::digest::Memo;
use crate::execution::{Raised, Site};

/// One run of a forked function; task 0 is the caller.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its number, the same in every execution.
    pub id: TaskId,
    /// When it was made: how many tasks of this execution are older.
    pub age: u32,
    /// What it is doing; the innermost frame last.
    pub frames: Vec<Frame>,
    /// Whether it can go on.
    pub state: State,
    /// What happens before its next step.
    pub clock: Clock,
    /// Names what it makes.
    pub allocator: Allocator,
    /// Its modes, inherited at the fork.
    pub modes: Modes,
    /// How often it has forked each callee.
    pub forked: BTreeMap<Arc<str>, u32>,
    /// The second half of an operator whose first half was done.
    pub store: Option<Store>,
    /// Tasks that wait for it.
    pub waiters: Vec<TaskId>,
    /// The sites of the calls that lead to the innermost frame, outermost first.
    pub calls: Arc<[Site]>,
    /// Where it was forked: the site, and the calls that led there.
    pub fork: Option<(Site, Arc<[Site]>)>,
    /// What a search has stopped it before.
    pub(super) parked: Option<Arc<Parked>>,
    /// A hash of its fork path.
    pub(super) name: u64,
    /// In a search, a hash of what it did that can be found fault with.
    pub(super) deeds: u128,
    /// When a search last saved it.
    pub(super) epoch: u64,
    /// Its part of the digest.
    pub(super) memo: Memo,
}

/// A step that a search has stopped a task before.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) site: Site,
    /// 1 for the second half of an operator, else 0.
    pub(super) phase: u8,
    pub(super) touches: Touches,
    pub(super) footprint: Footprint,
    /// Whether others can still change what it touches.
    pub(super) led: bool,
    /// Whether others can still change what it touches where others race.
    pub(super) varies: bool,
}

/// Whether a task can go on.
#[derive(Debug, Clone)]
pub enum State {
    /// It can take a step.
    Ready,
    /// It waits for another task to end.
    Waiting(TaskId),
    /// Task 0 only: the entry has returned, and the caller is about to look at everything.
    Returned(Result<Value, Raised>),
    /// It has ended.
    Ended(Result<Value, Raised>),
}

/// A function that is being executed.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its code.
    pub code: Arc<Code>,
    /// The next instruction.
    pub next: usize,
    /// Its variables.
    pub registers: Vec<Value>,
    /// What happens with the result.
    pub returns: Returns,
    /// The sites of the calls that lead to the caller, unless this is the outermost frame.
    pub calls: Option<Arc<[Site]>>,
}

/// What happens with the result of a frame.
#[derive(Debug, Clone)]
pub enum Returns {
    /// It is the task's result.
    Task,
    /// It goes to this register of the caller.
    To(Register),
    /// Nobody wants it.
    Nowhere,
    /// It becomes the value of the awaitable, and goes to this register of the caller.
    Await(Await, Register),
}

/// The second half of an operator: what its kernel computed from what it read, not yet stored.
#[derive(Debug, Clone)]
pub enum Store {
    /// Tensors to be written.
    Tensors(Vec<Stored>),
    /// An item to be stored at the length that the list had when it was read.
    Append(forkcheck_model::value::List, usize, Value),
}

/// A tensor that the second half of an operator writes, where its elements lay when the operator began.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The tensor, which the operator returns.
    pub original: Tensor,
    /// Its storage.
    pub storage: Storage,
    /// Its sizes then.
    pub sizes: Dims,
    /// A private copy that holds the new elements.
    pub copy: Tensor,
    /// Of an operator that writes only selected elements, what was read: only what differs from it is stored.
    pub base: Option<Arc<Content>>,
}

impl Stored {
    /// Whether the operator gives the tensor other sizes, as it does to an `out` of the wrong ones.
    pub fn is_resized(&self) -> bool {
        self.copy.sizes() != self.sizes
    }
}

impl Task {
    /// The innermost frame.
    ///
    /// # Panics
    /// If the task has ended.
    pub fn frame(&self) -> &Frame {
        self.frames.last().expect("a task that runs has a frame")
    }

    /// The innermost frame, to be changed.
    ///
    /// # Panics
    /// If the task has ended.
    pub fn frame_mut(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("a task that runs has a frame")
    }

    /// Whether it can take a step.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready | State::Returned(_))
    }

    /// Whether nothing more will happen in it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }
}

impl Frame {
    /// A frame about to execute `code` on `args`.
    ///
    /// # Panics
    /// If there are not as many arguments as parameters.
    pub fn new(code: Arc<Code>, args: impl IntoIterator<Item = Value>, returns: Returns) -> Self {
        Self::within(Vec::new(), code, args, returns)
    }

    /// The same with an empty vector that is used for the registers.
    pub(crate) fn within(
        mut registers: Vec<Value>,
        code: Arc<Code>,
        args: impl IntoIterator<Item = Value>,
        returns: Returns,
    ) -> Self {
        registers.resize(code.registers as usize, Value::Uninitialized);
        let mut args = args.into_iter();
        for &param in &code.params {
            registers[param as usize] = args.next().expect("an argument for each parameter");
        }
        assert!(args.next().is_none(), "a parameter for each argument");
        Self { code, next: 0, registers, returns, calls: None }
    }

    /// Its registers, emptied, for another frame.
    pub(crate) fn into_registers(self) -> Vec<Value> {
        let mut registers = self.registers;
        registers.clear();
        registers
    }

    /// The values of these registers.
    pub fn values<'a>(&'a self, registers: &'a [Register]) -> impl Iterator<Item = Value> + 'a {
        registers.iter().map(|&register| self.registers[register as usize].clone())
    }
}
