//! Hidden nondeterminism: one schedule is run twice and compared event by event, and the first event that differs is named.
//!
//! Everything rests on executions that are a function of their schedule. Where that fails, by an operator that looks at a
//! clock or by a mistake of ours, a digest of the whole state before each event says after which event it began.

use std::fmt;

use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Footprint, Schedule, System, TaskId, Tasks};

use super::schedule::Follower;
use crate::config::{Atomicity, Limits};
use crate::execution::{Event, Execution, Go, Guide, OutcomeKey, Site, Subject};

/// Where two executions along one schedule part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// Which event it is, from 0; those before it are alike.
    pub index: usize,
    /// The event: the fork path of its task and what it executes where. `None` if the executions differ from the start.
    pub event: Option<String>,
    /// What differs.
    pub what: Difference,
}

/// What differs between two executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The states after the event, although it began in equal ones.
    State,
    /// The event itself: another task, place or access, although the states before it are equal.
    Event,
    /// One execution ends before the event.
    Length,
    /// The outcomes, although all events are alike.
    Outcome,
}

/// Runs `schedule` twice; `None` if the executions are alike, or if it is stale for this program.
pub fn check<S: Subject>(program: &S, schedule: &Schedule, limits: &Limits) -> Option<Divergence> {
    let follower = || Follower::new(schedule, Mode::Strict);
    compare(program, schedule.atomicity, limits, &mut follower(), &mut follower())
}

/// Runs `program` as the one guide says and as the other, and compares.
pub fn compare<S: Subject>(
    program: &S,
    atomicity: Atomicity,
    limits: &Limits,
    first: &mut dyn Guide<S::Execution>,
    second: &mut dyn Guide<S::Execution>,
) -> Option<Divergence> {
    let trace = |guide: &mut dyn Guide<S::Execution>| {
        let mut machine = program.execution(atomicity, limits, Tasks::new()).with_digests();
        let mut tracer = Tracer { guide, events: Vec::new() };
        machine.run(&mut tracer);
        let events = tracer.events;
        let end = (machine.digest(), machine.outcome().map(|outcome| outcome.key()));
        (events, end, machine)
    };
    let (a, a_end, machine) = trace(first);
    let (b, b_end, _) = trace(second);
    let (index, what) = differ(&a, &a_end, &b, &b_end)?;
    let event = |at: usize| a.get(at).or_else(|| b.get(at)).map(|event| event.text(program, machine.names()));
    match what {
        // It is the one before that led to different states.
        Difference::State => {
            Some(Divergence { index: index.saturating_sub(1), event: index.checked_sub(1).and_then(event), what })
        }
        _ => Some(Divergence { index, event: event(index), what }),
    }
}

/// The state at the end, and the outcome.
type End = (Option<u128>, Option<OutcomeKey>);

/// The first event before which the states differ, or that differs itself.
fn differ(a: &[Traced], a_end: &End, b: &[Traced], b_end: &End) -> Option<(usize, Difference)> {
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        if a.state != b.state {
            return Some((i, Difference::State));
        }
        if a != b {
            return Some((i, Difference::Event));
        }
    }
    let common = a.len().min(b.len());
    let state = |events: &[Traced], end: &End| events.get(common).map_or(end.0, |event| event.state);
    if state(a, a_end) != state(b, b_end) {
        return Some((common, Difference::State));
    }
    if a.len() != b.len() {
        return Some((common, Difference::Length));
    }
    (a_end != b_end).then_some((common, Difference::Outcome))
}

/// An event, and the state before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Traced {
    task: TaskId,
    site: Site,
    phase: u8,
    touched: Footprint,
    state: Option<u128>,
}

impl Traced {
    fn text<S: Subject>(&self, program: &S, names: &Tasks) -> String {
        let task = names.path(self.task);
        if self.site == Site::LOOK {
            return format!("the look at the results by {task}");
        }
        let operator = program.operator(self.site);
        match program.span(self.site) {
            Some(span) => format!("{operator} at {}:{} in {task}", span.file(), span.line()),
            None => format!("{operator} in {task}"),
        }
    }
}

/// Notes every event that its guide lets happen.
struct Tracer<'a, E: Execution> {
    guide: &'a mut dyn Guide<E>,
    events: Vec<Traced>,
}

impl<E: Execution> Guide<E> for Tracer<'_, E> {
    fn before(&mut self, machine: &E, event: &Event<'_, E>) -> Go {
        let Event { task, site, phase, touches, .. } = *event;
        let traced = Traced { task, site, phase, touched: machine.footprint(touches), state: machine.digest() };
        let go = self.guide.before(machine, event);
        if matches!(go, Go::On | Go::Half) {
            self.events.push(traced);
        }
        go
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event.as_deref().unwrap_or("the start");
        let what = match self.what {
            Difference::State => "leads to another state",
            Difference::Event => "is another event",
            Difference::Length => "does not happen",
            Difference::Outcome => {
                return f.write_str("the second time, every event is the same, and the outcome is another one");
            }
        };
        write!(f, "the second time, event {} ({event}) {what}", self.index + 1)
    }
}
