//! Both orders of each racing pair: the shortest way to what one race can do.
//!
//! From one execution it is known which of its steps conflict, and which of those no fork or wait orders. The execution
//! has shown one order of each such pair. For the other, the default order is followed, with one exception: the task of
//! the first step is held before it until the second step is done.
//!
//! Guarantee: an effect that appears whenever one pair of these steps is reversed (a bug of depth 2) is found, by one
//! execution for each pair. Needs no chance and no luck, so it comes before everything else.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use crate::choice::{Choice, Ending, Scheduler};
use crate::footprint::Location;
use crate::system::System;
use crate::task::TaskId;
use crate::trace::{FootprintId, Footprints};

/// A step of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    /// Whose step it is.
    pub task: TaskId,
    /// Which of its steps, from 0.
    pub nth: u32,
}

/// Two steps that conflict and that a schedule could take in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// The one that came first in the execution where they were found.
    pub first: Step,
    /// The other.
    pub second: Step,
}

/// Runs an execution from where `system` stands, by `scheduler`, and lists its racing pairs; if there are more than
/// `most`, those that came together first.
pub fn racing<S: System, C: Scheduler + ?Sized>(system: &mut S, scheduler: &mut C, most: usize) -> (Vec<Pair>, Ending) {
    let mut watched = Watched::default();
    let ending = loop {
        let Some(choice) = Choice::new(system) else { break Ending::Complete };
        let task = scheduler.pick(&choice);
        if watched.pairs.len() < most {
            watched.step(system, task);
        }
        if system.step(task).is_err() {
            break Ending::Cut;
        }
    };
    watched.pairs.truncate(most);
    (watched.pairs, ending)
}

/// An execution of which the racing pairs are wanted.
#[derive(Default)]
struct Watched {
    events: Vec<Event>,
    /// By location: the events that touch it.
    at: FxHashMap<Location, Vec<u32>>,
    /// By task.
    steps: Vec<u32>,
    footprints: Footprints,
    pairs: Vec<Pair>,
}

struct Event {
    step: Step,
    segment: u32,
    footprint: FootprintId,
}

impl Watched {
    fn step<S: System>(&mut self, system: &S, task: TaskId) {
        let footprint = system.pending(task);
        let clock = system.clock(task);
        let id = self.footprints.id(footprint);
        if self.steps.len() <= task.index() {
            self.steps.resize(task.index() + 1, 0);
        }
        let step = Step { task, nth: self.steps[task.index()] };
        self.steps[task.index()] += 1;
        let locations: BTreeSet<Location> = footprint.accesses().iter().map(|access| access.location).collect();
        let near: BTreeSet<u32> = if locations.contains(&Location::EVERYTHING) {
            (0..self.events.len() as u32).collect()
        } else {
            let touched = locations.iter().chain([&Location::EVERYTHING]).filter_map(|at| self.at.get(at));
            touched.flatten().copied().collect()
        };
        for earlier in near {
            let event = &self.events[earlier as usize];
            if !clock.knows(event.step.task, event.segment) && self.footprints.conflict(event.footprint, id) {
                self.pairs.push(Pair { first: event.step, second: step });
            }
        }
        for location in locations {
            self.at.entry(location).or_default().push(self.events.len() as u32);
        }
        self.events.push(Event { step, segment: clock.segment(), footprint: id });
    }
}

/// Runs one execution for each pair, in which its second step comes first.
#[derive(Debug, Clone)]
pub struct Reversal {
    /// Those to come, the next one last.
    pairs: Vec<Pair>,
    current: Option<Pair>,
    /// How many steps the two tasks took.
    taken: [u32; 2],
}

impl Reversal {
    /// One execution for each of these.
    pub fn new(mut pairs: Vec<Pair>) -> Self {
        pairs.reverse();
        Self { pairs, current: None, taken: [0; 2] }
    }

    /// The pair whose execution was begun last.
    pub fn current(&self) -> Option<Pair> {
        self.current
    }
}

impl Scheduler for Reversal {
    fn begin(&mut self) -> bool {
        self.current = self.pairs.pop();
        self.taken = [0; 2];
        self.current.is_some()
    }

    fn pick(&mut self, choice: &Choice<'_>) -> TaskId {
        let Pair { first, second } = self.current.expect("an execution was begun");
        let held = self.taken[0] == first.nth && self.taken[1] <= second.nth;
        let default = choice.default();
        let task = if !held || default != first.task {
            default
        } else if choice.enabled().contains(second.task) {
            second.task
        } else {
            // If nobody else can go, the two are ordered after all, because other data led another way.
            choice.enabled().iter().filter(|&task| task != first.task).max().unwrap_or(default)
        };
        self.taken[0] += u32::from(task == first.task);
        self.taken[1] += u32::from(task == second.task);
        task
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::{Op::*, Program, Run, workloads};
    use crate::choice::Moment;
    use crate::strategy::child_first::ChildFirst;

    fn pairs_of(program: &Program) -> Vec<Pair> {
        let (pairs, ending) = racing(&mut Run::new(program), &mut ChildFirst::new(), usize::MAX);
        assert_eq!(ending, Ending::Complete);
        pairs
    }

    /// What is seen after each reversal, and whether it was one.
    fn reversals(program: &Program) -> Vec<Vec<u64>> {
        let pairs = pairs_of(program);
        let mut reversal = Reversal::new(pairs.clone());
        let mut seen = Vec::new();
        for pair in pairs {
            let mut run = Run::linear(program);
            run.execute(&mut reversal).expect("there is one for each pair");
            let place = |step: Step| {
                let mine = (0..run.order().len()).filter(|&place| run.order()[place] == step.task);
                mine.clone().nth(step.nth as usize).expect("the step is taken")
            };
            assert_eq!(reversal.current(), Some(pair));
            assert!(place(pair.second) < place(pair.first), "{pair:?} in {:?}", run.order());
            seen.push(run.seen().to_vec());
        }
        assert!(!reversal.begin());
        seen
    }

    #[test]
    fn racing_pairs_are_those_that_conflict_and_are_not_ordered() {
        // Load and store of one against the store of the other, and the store against the load: 3 of 4 pairs.
        assert_eq!(pairs_of(&workloads::increments(2)).len(), 3);
        // Each two of n writers: C(5, 2).
        assert_eq!(pairs_of(&workloads::writers(5)).len(), 10);
        assert_eq!(pairs_of(&workloads::disjoint_writers(3)).len(), 0);
        assert_eq!(pairs_of(&workloads::chain()).len(), 3);
        let waited = Program::new(&[vec![Fork(1), Wait(1), Write(0)], vec![Write(0)]]);
        assert_eq!(pairs_of(&waited).len(), 0);
        let (some, _) = racing(&mut Run::new(&workloads::writers(5)), &mut ChildFirst::new(), 4);
        assert_eq!(some.len(), 4);
    }

    #[test]
    fn every_pair_is_reversed() {
        // A lost update shows as soon as the store of the first comes after the load of the second.
        let seen = reversals(&workloads::increments(2));
        assert!(seen.iter().any(|seen| seen[0] == 1), "{seen:?}");
        for program in [workloads::writers(4), workloads::chain(), workloads::cycle(), workloads::ring(4)] {
            reversals(&program);
        }
    }
}
