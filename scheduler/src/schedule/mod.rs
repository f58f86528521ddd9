//! A schedule: the default order, and a short list of deviations anchored on source events.
//!
//! Its length grows with what is unusual about an execution and not with its steps, and it survives changes of the
//! program elsewhere: a deviation says "when this task is about to do that for the k-th time, let this other task go
//! first", by names that last. Its text form is one token, see [`text`].

pub mod text;

use std::fmt;
use std::str::FromStr;

pub use text::ScheduleError;

use crate::task::{TaskId, Tasks};

/// Whether an operator is one step or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Atomicity {
    /// An operator is one step.
    Op,
    /// An operator that reads and writes a racing location takes two steps: it reads, then it stores.
    #[default]
    Split,
}

/// Which task steps next, at every step of an execution, and what a step is.
///
/// ```
/// use forkcheck_scheduler::{Anchor, Atomicity, Deviation, Schedule};
///
/// let mut schedule = Schedule::new(Atomicity::Split, 0x5eed);
/// let at = Anchor { task: "main/enc#0".into(), site: 77, occurrence: 0, phase: 1 };
/// schedule.deviations.push(Deviation { at, to: "main".into() });
/// let text = schedule.to_string();
/// assert!(text.starts_with("fc1."));
/// assert_eq!(text.parse(), Ok(schedule));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule {
    /// What a step is.
    pub atomicity: Atomicity,
    /// 24 bits of the program's digest, to notice a schedule of another program.
    pub program: u32,
    /// In the order in which they happen.
    pub deviations: Vec<Deviation>,
}

impl Schedule {
    /// The default order itself.
    pub fn new(atomicity: Atomicity, program: u32) -> Self {
        Self { atomicity, program, deviations: Vec::new() }
    }

    /// Notes that `picked` takes the next step, where `default` would be next by the default order.
    ///
    /// Told of every step of an execution in its order, it becomes the schedule of that execution.
    pub fn record(&mut self, tasks: &Tasks, default: &Event, picked: TaskId) {
        if picked != default.task {
            self.deviations.push(Deviation { at: default.anchor(tasks), to: tasks.path(picked) });
        }
    }
}

/// One departure from the default order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deviation {
    /// The event that would be next by default.
    pub at: Anchor,
    /// The path of the task that takes one step instead, and is the current task from then on.
    pub to: String,
}

/// An event of one task, by names that last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Anchor {
    /// The fork path of the task.
    pub task: String,
    /// A hash of the event's place in the source, given by the caller; of 40 bits, see [`site_hash`].
    pub site: u64,
    /// How many times the task reached that site before.
    pub occurrence: u32,
    /// Which step of the operator: 0 for the first or only one.
    pub phase: u8,
}

/// What a schedule keeps of the hash of a place.
pub fn site_hash(hash: u64) -> u64 {
    hash & ((1 << 40) - 1)
}

/// What a schedule keeps of the digest of a program.
pub fn program_tag(digest: u64) -> u32 {
    digest as u32 & ((1 << 24) - 1)
}

/// An event that a task is about to do; an [`Anchor`] with the task's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The task.
    pub task: TaskId,
    /// A hash of the event's place in the source; of 40 bits.
    pub site: u64,
    /// How many times the task reached that site before.
    pub occurrence: u32,
    /// Which step of the operator: 0 for the first or only one.
    pub phase: u8,
}

impl Event {
    /// The event by names that last.
    pub fn anchor(&self, tasks: &Tasks) -> Anchor {
        let Self { task, site, occurrence, phase } = *self;
        Anchor { task: tasks.path(task), site, occurrence, phase }
    }

    /// Whether an anchor means this event.
    pub fn is_at(&self, anchor: &Anchor, tasks: &Tasks) -> bool {
        // The path last, because it takes a search.
        self.site == anchor.site
            && self.occurrence == anchor.occurrence
            && self.phase == anchor.phase
            && tasks.find(&anchor.task) == Some(self.task)
    }
}

impl fmt::Display for Atomicity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Atomicity::Op => "op",
            Atomicity::Split => "split",
        })
    }
}

impl FromStr for Atomicity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "op" => Ok(Atomicity::Op),
            "split" => Ok(Atomicity::Split),
            _ => Err(format!("expected `op` or `split`, found {text:?}")),
        }
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, site, occurrence, phase } = self;
        write!(f, "{task} at site {site:010x}, occurrence {occurrence}, phase {phase}")
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gives way to {}", self.at, self.to)
    }
}
