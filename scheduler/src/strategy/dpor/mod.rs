//! Optimal dynamic partial order reduction: one execution for each order of conflicting steps, and no other.
//!
//! Abdulla, Aronis, Jonsson, Sagonas, "Source Sets: A Foundation for Optimal Dynamic Partial Order Reduction", JACM 64
//! (2017). Each execution is searched for races: conflicting steps that could be neighbours in the other order. For each
//! the steps that lead to that order go into the wakeup tree of the state before the race, unless they are
//! equivalent to what was explored from there or will be. So a race is reversed once, and no execution is begun that
//! will be found to be a repetition, which is where [`dfs`](crate::strategy::dfs) loses its time.
//!
//! Guarantee: each equivalence class of executions (equal order of conflicting steps) is completed exactly once, and none
//! is blocked. The paper takes for granted that a step touches the same whether it comes before or after one that it
//! races with. Where it does not, as when an operator takes all tensors of a list that is raced for, the system says so
//! ([`System::varies`]). Once such a step is the second of a race, the search tries all ways that are awake: that never
//! misses a class either, but may have blocked executions.
//!
//! What a reversed race takes along is all that does not come because of its first step, up to the end of the execution:
//! a way that conflicts with nothing before the second step may still conflict with something after it, and two ways that
//! count on each other would leave an execution to nobody. Unlike the paper, races are looked for when a step is taken, and
//! most are settled then, once for all executions that share them: by a way whose own step is in what is known already,
//! and that begins whatever follows. The others wait for the end of each execution. And of the steps that are taken
//! along, only those become a way that it takes to wake everybody who sleeps: from there on everything is explored.
//!
//! *Why nothing is missed.* Follow an execution down the tree, at each state by the first of its explored ways that begins
//! what is left. Suppose that it ends at a state E where no way that is known, explored or asleep, begins what is left. Each of
//! them conflicts with some step of that; let g be the one for which this is the last: with e, after the steps w. g is a
//! way of E, or of a state A above it, from which the steps u lead to E; g conflicts with neither u nor w, or it would not
//! sleep. So some execution that begins with g, u, w, e was explored, if E is the first state where anything is
//! missed. There g and e race, and what e takes along begins with u, w, e. A way that sleeps at A and begins that would
//! sleep at E too, and conflict with a later step than g, or begin what is left. So it went into the tree of A, where it
//! follows the leftmost way that begins it. A way left of u would sleep at E, so it follows u; and u is no leaf
//! on the way to E, because there nobody sleeps, but g does. So it leads to a way of E that begins w and e, and that is
//! more than g does: a contradiction.
//!
//! Fork and wait are order, never races: no schedule can reverse them. Memory is proportional to the depth, and to the
//! ways that are still to be explored.

mod wakeup;

use crate::choice::Ending;
use crate::system::{Searched, System, Visitor};
use crate::task::TaskId;
use crate::trace::{FootprintId, Footprints, Trace};
use wakeup::{Execution, NodeId, Sequence, Wakeup, Way};

/// Runs one execution for each order of conflicting steps, from the current state of `system`.
///
/// The visitor is told of each end. Afterwards the system is in the last state that was reached.
pub fn dpor<S: System>(system: &mut S, visitor: &mut impl Visitor<S>) -> Searched {
    Dpor::new().resume(system, visitor)
}

/// A search that can be interrupted and resumed.
#[derive(Debug)]
pub struct Dpor<M> {
    searched: Searched,
    phase: Phase,
    /// The states of the current execution.
    /// Invariant: between two steps, one more than there are events in `trace`.
    states: Vec<State<M>>,
    trace: Trace,
    wakeup: Wakeup,
    root: NodeId,
    footprints: Footprints,
    /// For each state in turn, the ways that need not be taken from it: every execution that begins so was seen.
    sleeping: Vec<Way>,
    /// The events that race with the latest one.
    races: Vec<u32>,
    /// Races of which it takes a whole execution to say whether the other order is explored elsewhere, by their second
    /// events.
    undecided: Vec<[u32; 2]>,
    sequence: Sequence,
    /// A race was met of whose second step others could change what it touches. From then on every way that is awake is
    /// taken, as by [`dfs`](crate::strategy::dfs): what the step will touch when it comes first, and so what it races with
    /// then, cannot be foreseen.
    unforeseen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    AtLeaf,
    Done,
}

#[derive(Debug)]
struct State<M> {
    node: NodeId,
    /// The way back, if more than one task could go on.
    mark: Option<M>,
    /// Where its part of `sleeping` begins.
    sleeping: usize,
    /// How many of its ways were explored.
    explored: usize,
}

impl<M> Dpor<M> {
    /// A search that has not begun.
    pub fn new() -> Self {
        let mut footprints = Footprints::default();
        let nothing = footprints.id(crate::Footprint::EMPTY);
        let (wakeup, root) = Wakeup::new(nothing);
        Self {
            searched: Searched::default(),
            phase: Phase::New,
            states: Vec::new(),
            trace: Trace::default(),
            wakeup,
            root,
            footprints,
            sleeping: Vec::new(),
            races: Vec::new(),
            undecided: Vec::new(),
            sequence: Sequence::default(),
            unforeseen: false,
        }
    }

    /// What the search did so far.
    pub fn searched(&self) -> Searched {
        self.searched
    }

    /// Whether nothing is left to explore.
    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// The share of the executions that is known to be done, if the ways on from each state weigh the same. Ways that
    /// are found later make it smaller.
    pub fn share(&self) -> f64 {
        let (mut share, mut done) = (1.0, 0.0);
        for state in &self.states {
            let ways = state.explored + self.wakeup.ways(state.node);
            done += share * state.explored as f64 / ways.max(1) as f64;
            share /= ways.max(1) as f64;
        }
        if self.phase == Phase::New { 0.0 } else { done + share }
    }

    /// Goes on until the visitor interrupts the search or nothing is left; says what was done altogether.
    ///
    /// `system` is the one that the search began with, as the search left it.
    pub fn resume<S: System<Mark = M>>(&mut self, system: &mut S, visitor: &mut impl Visitor<S>) -> Searched {
        self.searched.stopped = false;
        loop {
            if self.phase == Phase::New {
                self.enter(self.root, 0);
            } else if self.phase == Phase::Done || !self.turn(system) {
                self.phase = Phase::Done;
                return self.searched;
            }
            let ending = self.descend(system);
            self.decide_races();
            if ending == Ending::Cut {
                // The step that was refused.
                self.forget(self.states.len() - 1);
            }
            self.phase = Phase::AtLeaf;
            if !self.searched.leaf(system, visitor, ending) {
                return self.searched;
            }
        }
    }

    /// Goes on from the last state to the end of the execution.
    fn descend<S: System<Mark = M>>(&mut self, system: &mut S) -> Ending {
        loop {
            let here = self.states.len() - 1;
            let Some(child) = self.next(system) else {
                if system.enabled().is_empty() {
                    return Ending::Complete;
                }
                if !self.unforeseen {
                    assert!(!system.repeats(), "who sleeps is woken by the way that was taken");
                    return Ending::Cut;
                }
                return Ending::Blocked;
            };
            if system.enabled().is_empty() && !system.repeats() {
                // The way back led elsewhere.
                return Ending::Cut;
            }
            let Way { task, footprint: foreseen } = self.wakeup.way(child);
            assert!(system.enabled().contains(task), "{task} was enabled when its step was reversed, and stays so");
            let footprint = self.footprints.id(system.pending(task));
            if footprint != foreseen {
                // The system did not say that the step varies; from here on it is treated as if it had.
                self.unforeseen = true;
                self.wakeup.found(child, footprint);
            }
            let start = self.states[here].sleeping;
            let asleep = self.sleeping.len();
            assert!(self.sleeping[start..].iter().all(|way| way.task != task), "{task}, which goes on, is awake");
            // Who sleeps does not become a way to take from here, so with them one alone needs no way back.
            if self.states[here].mark.is_none() && system.enabled().len() > 1 + asleep - start {
                self.states[here].mark = Some(system.mark());
            }
            self.trace.push(system.clock(task), footprint, &self.footprints, &mut self.races);
            self.unforeseen |= !self.races.is_empty() && system.varies(task);
            self.reverse_races();
            self.searched.steps += 1;
            let foreseen = cfg!(debug_assertions).then(|| self.foresee(system, task));
            if system.step(task).is_err() {
                return Ending::Cut;
            }
            for (other, footprint) in foreseen.into_iter().flatten() {
                assert_eq!(self.footprints.get(footprint), system.pending(other), "{other} does not vary");
            }
            for other in start..asleep {
                let other = self.sleeping[other];
                if !self.footprints.conflict(other.footprint, footprint) {
                    self.sleeping.push(other);
                }
            }
            self.enter(child, asleep);
        }
    }

    /// What all but `stepping` will touch, as far as nobody can change it.
    fn foresee<S: System<Mark = M>>(&mut self, system: &S, stepping: TaskId) -> Vec<(TaskId, FootprintId)> {
        let others = system.enabled().iter().filter(|&task| task != stepping && !system.varies(task));
        others.map(|task| (task, self.footprints.id(system.pending(task)))).collect()
    }

    fn enter(&mut self, node: NodeId, sleeping: usize) {
        self.states.push(State { node, mark: None, sleeping, explored: 0 });
    }

    /// The way to take from the last state: the leftmost of its tree, or else anybody's who is awake.
    fn next<S: System<Mark = M>>(&mut self, system: &S) -> Option<NodeId> {
        let State { node, sleeping, .. } = *self.states.last().expect("an execution has a state");
        while let Some(child) = self.wakeup.first(node) {
            if !self.unforeseen {
                return Some(child);
            }
            self.wakeup.remove_first(node);
        }
        let task = awake(system, &self.sleeping[sleeping..])?;
        let footprint = self.footprints.id(system.pending(task));
        Some(self.wakeup.begin(node, Way { task, footprint }))
    }

    /// Sees to it that each race of the last event is explored in the other order too, as far as that can be told yet.
    fn reverse_races(&mut self) {
        let last = self.trace.len() - 1;
        for i in 0..self.races.len() {
            let race = [self.races[i], last as u32];
            if !self.unforeseen && !self.reverse(race, false) {
                self.undecided.push(race);
            }
        }
    }

    /// The same, at the end of an execution, for the races that had to wait for it.
    fn decide_races(&mut self) {
        for i in 0..self.undecided.len() {
            if !self.unforeseen {
                let decided = self.reverse(self.undecided[i], true);
                assert!(decided, "there is no more to know");
            }
        }
    }

    /// Sees to it that a race is explored in the other order too: what comes after its first event and not because of it,
    /// the second event among that. False if that cannot be told before the `whole` execution is known.
    fn reverse(&mut self, [first, second]: [u32; 2], whole: bool) -> bool {
        let end = if whole { self.trace.len() as u32 } else { second + 1 };
        let apart = |&event: &u32| event == second || !self.trace.before(first as usize, event as usize);
        self.sequence.events.clear();
        self.sequence.events.extend((first + 1..end).filter(apart));
        self.sequence.whole = whole;
        let first = first as usize;
        let asleep = &self.sleeping[self.states[first].sleeping..self.states[first + 1].sleeping];
        let execution = Execution { trace: &self.trace, footprints: &self.footprints };
        self.wakeup.insert(self.states[first].node, &mut self.sequence, asleep, &execution)
    }

    /// Forgets all but the first events.
    fn forget(&mut self, count: usize) {
        self.trace.truncate(count);
        self.undecided.truncate(self.undecided.partition_point(|&[_, second]| (second as usize) < count));
    }

    /// Goes back to the last state from which there is another way; false if there is none.
    fn turn<S: System<Mark = M>>(&mut self, system: &mut S) -> bool {
        while let Some(state) = self.states.last_mut() {
            if let Some(explored) = self.wakeup.first(state.node) {
                self.sleeping.push(self.wakeup.way(explored));
                self.wakeup.remove_first(state.node);
                state.explored += 1;
                if self.unforeseen {
                    if let Some(mark) = &state.mark {
                        system.rewind(mark);
                        if awake(system, &self.sleeping[state.sleeping..]).is_some() {
                            return true;
                        }
                    }
                } else if self.wakeup.first(state.node).is_some() {
                    if let Some(mark) = &state.mark {
                        system.rewind(mark);
                        return true;
                    }
                    assert!(!system.repeats(), "a state with another way has a mark");
                    self.searched.cut += 1;
                }
            }
            self.sleeping.truncate(state.sleeping);
            self.states.pop();
            self.forget(self.states.len().saturating_sub(1));
        }
        false
    }
}

/// The task to go on with where nothing else asks for one: the default one, if it does not sleep.
fn awake<S: System>(system: &S, asleep: &[Way]) -> Option<TaskId> {
    let awake = |task: &TaskId| asleep.iter().all(|way| way.task != *task);
    system.default_next().filter(awake).or_else(|| system.enabled().iter().filter(awake).min())
}

impl<M> Default for Dpor<M> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
