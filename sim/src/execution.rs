//! What an execution is, whoever runs it: its events, those who guide it, how it ends.
//!
//! Two kinds of program are executed: an archive's functions by the interpreter ([`machine`](crate::machine)), and Rust
//! functions on stacks of their own. Whoever explores, records, repeats and reports sees neither: a program is a
//! [`Subject`], and one run of it an [`Execution`].

use std::collections::BTreeSet;
use std::fmt::{self, Debug};

use forkcheck_model::graph::Span;
use forkcheck_model::slot::OutOfMemory;
use forkcheck_scheduler::{Ending, Footprint, Schedule, Scheduler, System, TaskId, Tasks};

use crate::check::Findings;
use crate::config::{Atomicity, Config, Limits};
use crate::explore::{Exploration, Hot};
use crate::machine::Machine;
use crate::report::Difference;

/// A program that can be run under any schedule, any number of times.
pub trait Subject: Sync {
    /// One run of it.
    type Execution: Execution;

    /// A run that is about to begin, in a state of its own.
    fn execution(&self, atomicity: Atomicity, limits: &Limits, names: Tasks) -> Self::Execution;

    /// What reports call it.
    fn name(&self) -> &str;

    /// The method that is entered.
    fn method(&self) -> &str;

    /// Tells its schedules from those of other programs; see [`program_tag`](forkcheck_scheduler::schedule::program_tag).
    fn tag(&self) -> u32;

    /// Where the user wrote what stands at a site.
    fn span(&self, site: Site) -> Option<Span>;

    /// The innermost place of a stack that the user wrote.
    fn user_span(&self, stack: &[Site]) -> Option<Span>;

    /// The name of the function that a site is in.
    fn function_name(&self, site: Site) -> String;

    /// What is executed at a site, in a few words.
    fn operator(&self, site: Site) -> String;

    /// What is written, as a user would write it: `raw` is how the execution calls it.
    fn target(&self, raw: &str) -> String {
        raw.to_string()
    }

    /// The command that repeats a schedule.
    fn replay_command(&self, schedule: &Schedule) -> String;

    /// An error as a user reads it.
    fn error_text(&self, raised: &Raised) -> String;

    /// Where the outcomes of two schedules differ first.
    fn difference(&self, config: &Config, first: &Schedule, second: &Schedule) -> Option<Difference>;

    /// Sees every state, where states can be told apart; `exploration` stays as it was if that is not possible.
    fn states(&self, config: &Config, exploration: &mut Exploration) -> Sought {
        let _ = (config, exploration);
        Sought::Unable("this program keeps state where its states cannot be told apart")
    }

    /// The same with a budget of its own: what was seen is kept even if it is only a part.
    fn all_states(&self, config: &Config, exploration: &mut Exploration) -> Sought {
        self.states(config, exploration)
    }

    /// Goes on from the first run by the search of loom.
    fn loom(&self, config: &Config, first: Exploration) -> Exploration;
}

/// How a search for states ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// Every state was seen.
    Complete,
    /// More locations are raced for than we knew: it must start again.
    MoreHot,
    /// The budget was used up, or an execution was cut.
    Unfinished,
    /// There are no states to seek, and why.
    Unable(&'static str),
}

/// One run of a program.
///
/// It goes in one of two ways: in the default order, unless a [`Guide`] sends it elsewhere; or as a [`System`], with steps
/// at hot locations alone, when [`into_search`](Execution::into_search) has been called.
pub trait Execution: System + Sized {
    /// What an event touches.
    type Touches: ?Sized + Debug;

    /// Makes these locations the ones where the order of accesses matters.
    fn with_hot(self, hot: Hot) -> Self;

    /// Goes on collecting where an earlier execution left off.
    fn with_findings(self, findings: Findings) -> Self;

    /// Runs until every task is about to touch a hot location.
    fn into_search(self) -> Self;

    /// Looks for nothing: for runs that are about outcomes alone.
    fn unwatched(self) -> Self {
        self
    }

    /// Will only be run by strategies, which never ask what happens before a step.
    fn linear(self) -> Self {
        self
    }

    /// Keeps track of what changes, where states have a digest.
    fn with_digests(self) -> Self {
        self
    }

    /// Goes back to `start`, where no step was taken yet, and runs to the end as a strategy says, which has begun; gives it back for
    /// the next run.
    fn campaign(
        &mut self,
        start: &Self::Mark,
        mut scheduler: Box<dyn Scheduler + Send>,
    ) -> (Ending, Box<dyn Scheduler + Send>) {
        self.rewind(start);
        (forkcheck_scheduler::run(self, scheduler.as_mut()), scheduler)
    }

    /// Runs to the end in the default order, or as `guide` says.
    fn run(&mut self, guide: &mut dyn Guide<Self>);

    /// How it ended; `None` if it was cut or has not ended.
    fn outcome(&self) -> Option<Outcome>;

    /// Why it was cut.
    fn cut(&self) -> Option<&Cut>;

    /// Steps taken.
    fn steps(&self) -> u64;

    /// Tasks made, the first one included.
    fn task_count(&self) -> u32;

    /// The names of all tasks.
    fn names(&self) -> &Tasks;

    /// Locations that turned out to be raced for but were not hot.
    fn newly_hot(&self) -> &BTreeSet<forkcheck_scheduler::Location>;

    /// What was found since the start or the last taking.
    fn take_findings(&mut self) -> Findings;

    /// The findings and the names, for the next execution.
    fn into_parts(self) -> (Findings, Tasks);

    /// Whether the task can take a step.
    fn is_ready(&self, task: TaskId) -> bool;

    /// The tasks that can take a step, the newest first.
    fn newest_first(&self) -> impl Iterator<Item = TaskId>;

    /// Whether any of `touches` is of a hot location.
    fn is_hot(&self, touches: &Self::Touches) -> bool;

    /// The same for whoever compares events.
    fn footprint(&self, touches: &Self::Touches) -> Footprint;

    /// Whether the event is done in two halves because it reads and writes where others race.
    fn halves(&self, event: &Event<'_, Self>) -> bool;

    /// Whether the task's next step could be done in two halves.
    fn can_halve(&self, task: TaskId) -> bool;

    /// The name of a site that lasts, as a hash of 40 bits.
    fn anchor(&self, site: Site) -> u64;
}

/// A place in the program, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(pub u32);

impl Site {
    /// The look at the outcome when the entry returns; not a node.
    pub const LOOK: Site = Site(u32::MAX);
}

/// An event of the default order, about to happen.
#[derive(Debug)]
pub struct Event<'a, E: Execution = Machine> {
    /// The task that is about to take the step.
    pub task: TaskId,
    /// Where it stands.
    pub site: Site,
    /// 1 for the second half of an operator, else 0.
    pub phase: u8,
    /// What it touches.
    pub touches: &'a E::Touches,
}

/// Sends an execution in the default order elsewhere.
pub trait Guide<E: Execution = Machine> {
    /// Called before each event that touches anything: stay with the task, go to another, or do the first half only.
    fn before(&mut self, execution: &E, event: &Event<'_, E>) -> Go;

    /// Whether it lets everything happen, so that nobody need stop to ask.
    fn is_plain(&self) -> bool {
        false
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of what the caller saw when the entry had returned, and of what was there when every task had ended.
    pub digests: (u128, u128),
    /// The error that the entry raised.
    pub error: Option<Raised>,
    /// Tasks that wait for each other for ever.
    pub deadlock: Vec<TaskId>,
}

/// What to do before an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Go {
    /// Let it happen.
    On,
    /// Let its first half happen (it stores later).
    Half,
    /// Let this task go on instead.
    To(TaskId),
    /// Give up.
    Stop,
}

/// The plain default order.
#[derive(Debug)]
pub struct ChildFirst;

impl<E: Execution> Guide<E> for ChildFirst {
    fn before(&mut self, _: &E, _: &Event<'_, E>) -> Go {
        Go::On
    }

    fn is_plain(&self) -> bool {
        true
    }
}

/// What tells one outcome from another: both digests, and whether there was a deadlock.
pub type OutcomeKey = (u128, u128, bool);

impl Outcome {
    /// What tells it from others.
    pub fn key(&self) -> OutcomeKey {
        (self.digests.0, self.digests.1, !self.deadlock.is_empty())
    }

    /// Whether the caller sees the same.
    pub fn same_as(&self, other: &Outcome) -> bool {
        self.key() == other.key()
    }
}

/// An error that a task raised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// Qualified class of the exception, if a `raise` made it.
    pub class: Option<String>,
    /// The message.
    pub message: String,
    /// The task that raised it first; those that waited for it raised it again.
    pub origin: TaskId,
    /// Where it was raised, and the calls, waits and forks that it came through: innermost first.
    pub trail: Vec<Site>,
}

/// Why an execution was not completed; it has no outcome then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// The limit of steps was reached.
    Steps(u64),
    /// The limit of tasks was reached.
    Tasks(u32),
    /// The limit of memory was reached.
    Memory(OutOfMemory),
    /// The time was up.
    Time,
    /// The strategy cannot run it.
    Refused(String),
    /// It could not take the steps that it took before.
    Unrepeatable(String),
    /// An operator that we cannot execute.
    Opaque {
        /// Its name.
        operator: String,
        /// What we cannot do.
        reason: String,
        /// Where it stands, then the calls that lead there, innermost first.
        stack: Vec<Site>,
        /// Who called it.
        task: TaskId,
    },
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cut::Steps(limit) => write!(f, "an execution was cut after {limit} steps: does the program end?"),
            Cut::Tasks(limit) => write!(f, "an execution was cut at {limit} tasks"),
            Cut::Memory(error) => write!(
                f,
                "an execution was cut: it asked for {} bytes, and {} may live at once (the limit `max-memory`)",
                error.asked, error.limit
            ),
            Cut::Time => f.write_str("the time is up"),
            Cut::Refused(reason) | Cut::Unrepeatable(reason) => f.write_str(reason),
            Cut::Opaque { operator, reason, .. } => write!(f, "{operator} cannot be executed: {reason}"),
        }
    }
}
