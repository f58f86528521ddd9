//! Hidden nondeterminism: an execution is repeated under its own schedule, and must be the same step for step.
//!
//! Everything here rests on programs being deterministic but for the schedule. One that reads a clock, an address or a
//! hash order behind the harness's back makes schedules mean nothing and searches miss things. [`record`] notes what can
//! be seen of an execution, and [`repeat`] names the first event at which a repetition differs.
//!
//! What it can miss: a difference that shows in none of who can go, what they touch, and the digest of the state.

use std::fmt;

use crate::choice::{Choice, Ending, Scheduler};
use crate::footprint::Footprint;
use crate::system::System;
use crate::task::TaskId;

/// What could be seen of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    moments: Vec<Seen>,
    ending: Ending,
}

/// What could be seen before a step, or at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// Those who could go, ascending.
    enabled: Vec<TaskId>,
    /// The step that was taken; none at the end.
    step: Option<(TaskId, Footprint)>,
    digest: Option<u128>,
}

impl Record {
    /// Who took each step.
    pub fn order(&self) -> impl Iterator<Item = TaskId> {
        self.moments.iter().filter_map(|seen| seen.step.as_ref()).map(|&(task, _)| task)
    }

    /// How it came to its end.
    pub fn ending(&self) -> Ending {
        self.ending
    }
}

/// The first event at which a repetition differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The number of the event, from 0; one past the last if only the end differs.
    pub event: usize,
    /// Whose step it is; none at the end.
    pub task: Option<TaskId>,
    /// What is different.
    pub what: What,
}

/// What is different, as it was first and as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Who can go.
    Enabled(Vec<TaskId>, Vec<TaskId>),
    /// What the step touches.
    Footprint(Footprint, Footprint),
    /// Some content: the state before the step has another digest.
    State,
    /// Whether a limit refuses the step.
    Ending(Ending, Ending),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}", self.event)?;
        if let Some(task) = self.task {
            write!(f, ", a step of {task}")?;
        }
        match &self.what {
            What::Enabled(first, again) => write!(f, ": {first:?} could go, and now {again:?}"),
            What::Footprint(first, again) => {
                write!(f, ": it touched {:?}, and now {:?}", first.accesses(), again.accesses())
            }
            What::State => f.write_str(": the state is another one"),
            What::Ending(first, again) => write!(f, ": the execution was {first:?}, and now {again:?}"),
        }
    }
}

/// Runs an execution from where `system` stands, by `scheduler`, and notes what can be seen of it.
pub fn record<S: System, C: Scheduler + ?Sized>(system: &mut S, scheduler: &mut C) -> Record {
    let mut moments = Vec::new();
    loop {
        let task = Choice::new(system).map(|choice| scheduler.pick(&choice));
        moments.push(look(system, task));
        let Some(task) = task else { return Record { moments, ending: Ending::Complete } };
        if system.step(task).is_err() {
            return Record { moments, ending: Ending::Cut };
        }
    }
}

/// Runs the execution again from where `system` stands, which is where the recorded one began.
///
/// # Errors
/// The first event that differs.
pub fn repeat<S: System>(system: &mut S, record: &Record) -> Result<(), Difference> {
    let last = record.moments.len() - 1;
    for (event, seen) in record.moments.iter().enumerate() {
        let task = seen.step.as_ref().map(|&(task, _)| task);
        let differs = |what| Err(Difference { event, task, what });
        let enabled = sorted(system);
        if enabled != seen.enabled {
            return differs(What::Enabled(seen.enabled.clone(), enabled));
        }
        let again = look(system, task);
        if let (Some((_, first)), Some((_, again))) = (&seen.step, &again.step)
            && first != again
        {
            return differs(What::Footprint(first.clone(), again.clone()));
        }
        if again.digest != seen.digest {
            return differs(What::State);
        }
        let Some(task) = task else { break };
        let ending = if system.step(task).is_err() { Ending::Cut } else { Ending::Complete };
        let expected = if event == last { record.ending } else { Ending::Complete };
        if ending != expected {
            return differs(What::Ending(expected, ending));
        }
    }
    Ok(())
}

fn look<S: System>(system: &S, task: Option<TaskId>) -> Seen {
    let step = task.map(|task| (task, system.pending(task).clone()));
    Seen { enabled: sorted(system), step, digest: system.digest() }
}

fn sorted<S: System>(system: &S) -> Vec<TaskId> {
    let mut enabled = system.enabled().as_slice().to_vec();
    enabled.sort_unstable();
    enabled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::{Op::*, Program, Run, workloads};
    use crate::strategy::random::Random;

    fn recorded(program: &Program, seed: u64) -> Record {
        let mut random = Random::new(seed);
        random.begin();
        record(&mut Run::new(program), &mut random)
    }

    /// A program whose second task depends on something that the harness does not see: a clock, say, that moves between
    /// two executions.
    fn at_this_hour(hidden: &[crate::bodies::Op]) -> Program {
        Program::family([vec![Write(0), Write(0)], hidden.to_vec()])
    }

    #[test]
    fn a_deterministic_program_repeats_itself() {
        for seed in 0..20 {
            for program in [workloads::increments(3), workloads::tree(2), workloads::ring(3)] {
                let record = recorded(&program, seed);
                assert_eq!(repeat(&mut Run::new(&program), &record), Ok(()));
                assert_eq!((record.ending(), record.order().count() > 0), (Ending::Complete, true));
            }
        }
    }

    #[track_caller]
    fn check(first: &Program, again: &Program, event: usize, task: Option<u32>, message: &str) {
        let mut order = crate::strategy::child_first::ChildFirst::new();
        order.begin();
        let record = record(&mut Run::new(first), &mut order);
        let difference = repeat(&mut Run::new(again), &record).unwrap_err();
        assert_eq!((difference.event, difference.task), (event, task.map(TaskId::new)), "{difference}");
        assert_eq!(difference.to_string(), message);
    }

    #[test]
    fn the_first_difference_is_named() {
        // At another hour it touches another cell.
        check(
            &at_this_hour(&[Write(0)]),
            &at_this_hour(&[Write(1)]),
            0,
            Some(2),
            "event 0, a step of t2: it touched [Access { location: l0, region: Whole, kind: Write }], and now [Access { \
             location: l1, region: Whole, kind: Write }]",
        );
        // It touches the same with its first step, and then it can still go.
        let (once, twice) = (at_this_hour(&[Write(0)]), at_this_hour(&[Write(0), Read(0)]));
        check(&once, &twice, 1, Some(1), "event 1, a step of t1: [t1] could go, and now [t1, t2]");
        // It stores another number.
        let store = |number| at_this_hour(&[Read(0), Set(number), Store(0)]);
        check(&store(1), &store(2), 1, Some(2), "event 1, a step of t2: the state is another one");
        // Only the end differs.
        let end = |number| Program::family([vec![Write(0), Set(number)]]);
        check(&end(1), &end(2), 1, None, "event 1: the state is another one");
    }
}
