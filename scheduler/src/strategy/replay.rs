//! Follows a schedule: the default order, left where the schedule says so.
//!
//! Guarantee: the program that the schedule was taken from repeats the same steps. For another program the anchors
//! may not be met. Strict replay then fails as stale, with the deviation that did not apply: an execution that is not
//! the recorded one must never pass for it. Lenient replay leaves such deviations out and lists them; minimisation
//! uses it to try a part of a schedule, or the same on a smaller input.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::schedule::{Deviation, Event, Schedule};
use crate::task::{TaskId, Tasks};

/// What becomes of a deviation that does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The replay is stale.
    Strict,
    /// It is left out.
    Lenient,
}

/// One execution along a schedule.
///
/// Ask before every step, with the event that is next by default; then let the task that is answered take one step,
/// and go on in the default order from there. When the execution is over, ask whether the replay is `finished`.
#[derive(Debug, Clone)]
pub struct Replay {
    deviations: Vec<Deviation>,
    mode: Mode,
    /// Strict: the deviations before this one were applied.
    next: usize,
    /// Lenient: those not met so far, by site.
    unmet: BTreeMap<u64, VecDeque<usize>>,
    /// Those that applied, in the order in which they did.
    applied: Vec<usize>,
}

impl Replay {
    /// The beginning of an execution along `schedule`.
    pub fn new(schedule: &Schedule, mode: Mode) -> Self {
        let deviations = schedule.deviations.clone();
        let mut unmet: BTreeMap<u64, VecDeque<usize>> = BTreeMap::new();
        for (i, deviation) in deviations.iter().enumerate() {
            unmet.entry(deviation.at.site).or_default().push_back(i);
        }
        Self { deviations, mode, next: 0, unmet, applied: Vec::new() }
    }

    /// Who takes the next step: the task of `event`, or the one that the schedule lets go instead.
    ///
    /// `event` is the one that the default task is about to do; `can_go` says which other tasks could go instead.
    pub fn pick(&mut self, tasks: &Tasks, can_go: impl Fn(TaskId) -> bool, event: &Event) -> Result<TaskId, Stale> {
        let Some(index) = self.deviation_at(tasks, event) else { return Ok(event.task) };
        let target = tasks.find(&self.deviations[index].to).filter(|&to| can_go(to));
        match (target, self.mode) {
            (Some(to), _) => {
                self.applied.push(index);
                self.next = index + 1;
                Ok(to)
            }
            (None, Mode::Lenient) => Ok(event.task),
            (None, Mode::Strict) => Err(self.stale(index, Why::TargetCannotGo)),
        }
    }

    /// Whether a deviation that may apply now is anchored at `event`: a caller that does operators in two steps only where
    /// something happens between them asks this of the second.
    pub fn waits_for(&self, tasks: &Tasks, event: &Event) -> bool {
        let at = |&i: &usize| event.is_at(&self.deviations[i].at, tasks);
        match self.mode {
            Mode::Strict => self.next < self.deviations.len() && at(&self.next),
            Mode::Lenient => self.unmet.get(&event.site).is_some_and(|unmet| unmet.iter().any(at)),
        }
    }

    /// The execution is over. A strict replay is stale if a deviation was not reached.
    pub fn finished(&self) -> Result<(), Stale> {
        match self.mode {
            Mode::Strict if self.next < self.deviations.len() => Err(self.stale(self.next, Why::NotReached)),
            _ => Ok(()),
        }
    }

    /// The deviations that were applied, in the order in which they were: the schedule of this execution.
    pub fn applied(&self) -> impl Iterator<Item = &Deviation> {
        self.applied.iter().map(|&i| &self.deviations[i])
    }

    /// The deviations that were not applied.
    pub fn skipped(&self) -> impl Iterator<Item = &Deviation> {
        let skipped = |&(i, _): &(usize, _)| !self.applied.contains(&i);
        self.deviations.iter().enumerate().filter(skipped).map(|(_, deviation)| deviation)
    }

    /// The deviation that is anchored here, if its turn has come. It is taken off the list.
    fn deviation_at(&mut self, tasks: &Tasks, event: &Event) -> Option<usize> {
        match self.mode {
            Mode::Strict => self.deviations.get(self.next).filter(|d| event.is_at(&d.at, tasks)).map(|_| self.next),
            Mode::Lenient => {
                let here = self.unmet.get_mut(&event.site)?;
                let place = here.iter().position(|&i| event.is_at(&self.deviations[i].at, tasks))?;
                here.remove(place)
            }
        }
    }

    fn stale(&self, index: usize, why: Why) -> Stale {
        Stale { index, deviation: self.deviations[index].clone(), why }
    }
}

/// A schedule that does not apply to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Which deviation did not apply, from 0.
    pub index: usize,
    /// That deviation.
    pub deviation: Deviation,
    /// What was wrong with it.
    pub why: Why,
}

/// Why a deviation did not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The execution ended without the event that it is anchored on.
    NotReached,
    /// The task that was to go next does not exist, has ended, or is waiting.
    TargetCannotGo,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::NotReached => "the execution ended before this event",
            Why::TargetCannotGo => "the task to go to cannot step here",
        };
        write!(f, "the schedule no longer applies: deviation {} ({}): {why}", self.index + 1, self.deviation)
    }
}

impl std::error::Error for Stale {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Moment;
    use crate::rng::Rng;
    use crate::schedule::{Anchor, Atomicity};
    use crate::system::System;
    use crate::toy::{self, Program, Toy};
    use proptest::prelude::*;

    /// Numbers are the same as the toy's, because it has no others.
    fn tasks(program: &Program) -> Tasks {
        let mut tasks = Tasks::new();
        for body in 1..program.bodies.len() {
            tasks.intern(TaskId::MAIN, &format!("body{body}"), 0);
        }
        tasks
    }

    fn event(toy: &Toy<'_>, task: TaskId) -> Event {
        // Two sites for all tasks, two phases each, to see that every part of an anchor counts.
        let place = toy.place(task);
        Event { task, site: place as u64 % 2, occurrence: place as u32 / 4, phase: (place / 2 % 2) as u8 }
    }

    /// A random execution, and its schedule.
    fn record(program: &Program, seed: u64) -> (Schedule, Vec<TaskId>) {
        let (tasks, mut rng, mut toy) = (tasks(program), Rng::new(seed), Toy::new(program));
        let mut schedule = Schedule::new(Atomicity::Split, 1);
        while let Some(default) = toy.order.next(toy.enabled()) {
            let task = toy.enabled()[rng.below(toy.enabled().len())];
            schedule.record(&tasks, &event(&toy, default), task);
            toy.step(task).unwrap();
        }
        (schedule, toy.trace().to_vec())
    }

    fn replay(program: &Program, schedule: &Schedule, mode: Mode) -> Result<(Vec<TaskId>, usize), Stale> {
        let (tasks, mut toy) = (tasks(program), Toy::new(program));
        let mut replay = Replay::new(schedule, mode);
        while let Some(default) = toy.order.next(toy.enabled()) {
            let task = replay.pick(&tasks, |task| toy.enabled().contains(task), &event(&toy, default))?;
            toy.step(task).unwrap();
        }
        replay.finished()?;
        Ok((toy.trace().to_vec(), replay.skipped().count()))
    }

    fn deviation(task: &str, site: u64, to: &str) -> Deviation {
        Deviation { at: Anchor { task: task.into(), site, occurrence: 0, phase: 0 }, to: to.into() }
    }

    fn check_stale(deviations: &[Deviation], index: usize, why: Why) {
        let program = toy::writers(2);
        let schedule = Schedule { deviations: deviations.to_vec(), ..Schedule::new(Atomicity::Op, 0) };
        let stale = replay(&program, &schedule, Mode::Strict).unwrap_err();
        assert_eq!((stale.index, stale.why), (index, why), "{stale}");
        assert_eq!(stale.deviation, deviations[index]);
        let (_, skipped) = replay(&program, &schedule, Mode::Lenient).unwrap();
        assert_eq!(skipped, 1, "the lenient replay applies the others");
    }

    #[test]
    fn a_deviation_that_does_not_apply_is_stale() {
        let good = deviation("main/body2#0", 0, "main/body1#0");
        check_stale(&[deviation("main/body9#0", 0, "main")], 0, Why::NotReached);
        check_stale(&[good.clone(), deviation("main", 9, "main")], 1, Why::NotReached);
        check_stale(&[deviation("main", 9, "main"), good.clone()], 0, Why::NotReached);
        check_stale(&[deviation("main/body2#0", 0, "main")], 0, Why::TargetCannotGo);
        check_stale(&[deviation("main/body1#0", 0, "main/body9#0")], 0, Why::TargetCannotGo);
    }

    #[test]
    fn no_deviation_is_the_default_order() {
        let program = toy::writers(3);
        let (trace, _) = replay(&program, &Schedule::new(Atomicity::Op, 0), Mode::Strict).unwrap();
        assert_eq!(trace, toy::drive(&program, &mut crate::strategy::child_first::ChildFirst::new()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_execution_is_repeated_from_its_text(program in toy::any_program(), seed: u64) {
            let (schedule, trace) = record(&program, seed);
            let schedule: Schedule = schedule.to_string().parse().unwrap();
            for mode in [Mode::Strict, Mode::Lenient] {
                prop_assert_eq!(replay(&program, &schedule, mode), Ok((trace.clone(), 0)));
            }
        }
    }
}
