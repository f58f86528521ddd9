//! Who goes next: schedules, strategies and searches over fork/wait programs.
//!
//! This crate knows numbered tasks and numbered locations, never a tensor. A program is something that takes *steps*.
//! At each moment some tasks can go; each says beforehand what its next step would read and write. Somebody picks one,
//! and it takes one step. From that everything here follows:
//!
//! - [`task`]: a task has a number in this process and a fork path in every process.
//! - [`footprint`]: what a step reads and writes, and the only definition of *conflict*. [`region`]: exactly which
//!   bytes, and whether two views share one.
//! - [`happens_before`]: what one point of an execution knows of the others, by program order, fork and wait. A
//!   conflict between two accesses that do not know of each other is a race.
//! - [`choice`]: who can go ([`enabled`]), and the trait [`Scheduler`] that picks: `begin`, `pick`, `end`. A user's own
//!   strategy plugs in here.
//! - [`system`]: what a search needs instead: to step, to remember a state and to return to it.
//! - [`strategy`]: one algorithm a file. [`estimate`]: how much there is to explore, and what a sample may have missed.
//! - [`default_order`]: child first, the order of eager mode, and [`schedule`]: an execution as a short list of
//!   deviations from it, with a text form that can be kept in a bug report. [`strategy::replay`] follows it;
//!   [`precedence`] finds the simplest of equivalent executions, and [`shrink()`] makes a schedule short.
//! - [`pool`]: how many threads a pool needs that blocks at a wait.
//! - [`profile`]: what a first execution showed, for strategies that must know how much is still to come.
//! - [`bodies`]: plain state machines as programs, to try a strategy on.
//! - [`rng`]: random numbers and run seeds that mean the same in every release. [`spec`]: the names of strategies.
//!
//! Two facts carry the searches. *Nothing ever disables a step*: there are no locks, a wait becomes possible when its
//! task has ended and stays so. And *only the order of conflicting steps matters*: executions that agree on it have the
//! same outcome.
//!
//! Nothing here reads a clock, the environment, an address or a hash order. The same seed and the same program give
//! the same steps.
//!
//! ```
//! use forkcheck_scheduler::happens_before::Clock;
//! use forkcheck_scheduler::{Access, Footprint, Kind, Location, Region, TaskId};
//!
//! // Two tasks write neighbouring rows of a matrix, and a third one a column of it.
//! let row = |i: u64| Region::strided(i * 40, 4, &[(10, 4)]);
//! let column = Region::strided(8, 4, &[(3, 40)]);
//! let write = |region| Footprint::from_iter([Access::new(Location(0), region, Kind::Write)]);
//! assert!(!write(row(0)).conflicts(&write(row(1))));
//! assert!(write(row(1)).conflicts(&write(column)));
//!
//! // Whether that conflict is a race is for the clocks to say.
//! let mut main = Clock::root();
//! let rows = main.fork(TaskId::new(1));
//! let racing = main.fork(TaskId::new(2));
//! assert!(!racing.knows(TaskId::new(1), 0));
//! main.wait(&rows);
//! let ordered = main.fork(TaskId::new(3));
//! assert!(ordered.knows(TaskId::new(1), 0));
//! ```

#![forbid(unsafe_code)]

pub mod bodies;
pub mod choice;
pub mod default_order;
pub mod enabled;
pub mod estimate;
pub mod footprint;
pub mod happens_before;
pub mod pool;
pub mod precedence;
pub mod profile;
pub mod region;
pub mod rng;
pub mod schedule;
pub mod shrink;
pub mod spec;
pub mod strategy;
pub mod system;
pub mod task;

mod trace;

#[cfg(test)]
mod toy;

pub use choice::{Choice, Ending, Moment, Scheduler};
pub use default_order::DefaultOrder;
pub use enabled::Enabled;
pub use footprint::{Access, Footprint, Kind, Location};
pub use happens_before::Clock;
pub use precedence::Precedence;
pub use profile::Profile;
pub use region::Region;
pub use rng::{Rng, run_seed};
pub use schedule::{Anchor, Atomicity, Deviation, Event, Schedule, ScheduleError};
pub use shrink::{Shrunk, Tried, shrink};
pub use spec::{STRATEGIES, Spec, SpecError};
pub use system::{Refused, Searched, System, Visitor, run};
pub use task::{TaskId, Tasks};
