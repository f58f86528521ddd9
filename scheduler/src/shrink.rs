//! The smallest schedule that still does what is wanted, and in a form that equal failures share.
//!
//! Two things are done until neither helps. Deviations are left out, in stretches of half of them, a quarter, and so on
//! to single ones (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing Input*, 2002; Choi and Zeller
//! did it to schedules in the same year). Then each switch is put off to as late an event as still does: so it stands
//! right before the access whose order matters.
//!
//! Guarantee, if there were runs enough: no single deviation can be left out, and none can be put off to the next event.
//! It is a local minimum. A shorter schedule may exist that deviates elsewhere; only a search over states finds it.

use std::collections::BTreeMap;

use crate::schedule::{Anchor, Deviation, Schedule};

/// One execution along a candidate; what does not apply was left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    /// Whether it did what is wanted.
    pub holds: bool,
    /// The deviations that applied, in the order in which they did.
    pub applied: Vec<Deviation>,
    /// The events that a switch can stand before, in the order in which they happened.
    pub events: Vec<Anchor>,
}

/// A schedule that was made short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// The schedule.
    pub schedule: Schedule,
    /// How many candidates were run.
    pub runs: usize,
    /// Whether there were runs enough for the guarantee.
    pub minimal: bool,
}

impl Shrunk {
    /// The same schedule without its last switch: it goes the same way up to there, and does something else. What
    /// happens between the two is the failure. `None` if there is no switch.
    pub fn neighbour(&self) -> Option<Schedule> {
        let mut neighbour = self.schedule.clone();
        neighbour.deviations.pop().map(|_| neighbour)
    }
}

/// Makes `schedule`, which holds, shorter and later, at the cost of at most `runs` executions.
///
/// `attempt` runs a candidate leniently. It must be a function: the same for the same candidate.
pub fn shrink(schedule: Schedule, runs: usize, attempt: impl FnMut(&Schedule) -> Tried) -> Shrunk {
    let mut search = Search { best: schedule, left: runs, tried: BTreeMap::new(), attempt };
    let minimal = loop {
        match search.round() {
            Ok(true) => {}
            Ok(false) => break true,
            Err(Spent) => break false,
        }
    };
    Shrunk { schedule: search.best, runs: runs - search.left, minimal }
}

/// No execution is left.
struct Spent;

struct Search<F> {
    /// Invariant: it holds.
    best: Schedule,
    left: usize,
    /// Candidates that were run before: passes that confirm a result meet them again.
    tried: BTreeMap<Vec<Deviation>, Tried>,
    attempt: F,
}

impl<F: FnMut(&Schedule) -> Tried> Search<F> {
    fn run(&mut self, deviations: Vec<Deviation>) -> Result<Tried, Spent> {
        if let Some(tried) = self.tried.get(&deviations) {
            return Ok(tried.clone());
        }
        self.left = self.left.checked_sub(1).ok_or(Spent)?;
        let candidate = Schedule { deviations, ..self.best };
        let tried = (self.attempt)(&candidate);
        self.tried.insert(candidate.deviations, tried.clone());
        Ok(tried)
    }

    /// Runs a candidate, and keeps what applied of it if that holds.
    fn accept(&mut self, deviations: Vec<Deviation>) -> Result<bool, Spent> {
        let tried = self.run(deviations)?;
        if tried.holds {
            self.best.deviations = tried.applied;
        }
        Ok(tried.holds)
    }

    /// Says whether anything helped. What became shorter is halved at other places than before, so it is looked at again.
    fn round(&mut self) -> Result<bool, Spent> {
        let shorter = self.leave_out()?;
        Ok(self.put_off()? || shorter)
    }

    /// Leaves out stretches of deviations, the latest first since what follows depends on what precedes, until every
    /// single one is needed. Says whether any could be.
    fn leave_out(&mut self) -> Result<bool, Spent> {
        let mut shorter = false;
        let mut stretch = self.best.deviations.len().div_ceil(2);
        while stretch > 0 {
            let mut needed = true;
            let mut end = self.best.deviations.len();
            while end > 0 {
                let start = end.saturating_sub(stretch);
                let mut candidate = self.best.deviations.clone();
                candidate.drain(start..end);
                if self.accept(candidate)? {
                    (needed, shorter) = (false, true);
                }
                end = start.min(self.best.deviations.len());
            }
            // A single one may have become needless when a later one went.
            if stretch > 1 || needed {
                stretch /= 2;
            }
        }
        Ok(shorter)
    }

    /// Puts each switch off, the latest first, to the last of the events that it can be put off to one by one. Says
    /// whether any was.
    fn put_off(&mut self) -> Result<bool, Spent> {
        let mut moved = false;
        for i in (0..self.best.deviations.len()).rev() {
            // Moving another one may have made some needless.
            if i >= self.best.deviations.len() {
                continue;
            }
            let later = self.later_events(i)?;
            // Doubling, then halving: between `holds` and `fails` stands at least one event that was not tried.
            let (mut holds, mut fails, mut step) = (0, later.len() + 1, 1);
            while fails - holds > 1 {
                let next = if fails > later.len() { (holds + step).min(later.len()) } else { (holds + fails) / 2 };
                let mut candidate = self.best.deviations.clone();
                candidate[i].at = later[next - 1].clone();
                let (length, to) = (candidate.len(), candidate[i].to.clone());
                let tried = self.run(candidate)?;
                if tried.holds && tried.applied.len() < length {
                    self.best.deviations = tried.applied;
                    return Ok(true);
                }
                let same = tried.applied.get(i).is_some_and(|moved| moved.to == to && moved.at == later[next - 1]);
                if tried.holds && same {
                    self.best.deviations = tried.applied;
                    moved = true;
                    holds = next;
                    step *= 2;
                } else {
                    fails = next;
                }
            }
        }
        Ok(moved)
    }

    /// The events that follow the one before which deviation `i` stands, if the schedule ends there.
    fn later_events(&mut self, i: usize) -> Result<Vec<Anchor>, Spent> {
        let at = self.best.deviations[i].at.clone();
        let mut events = self.run(self.best.deviations[..i].to_vec())?.events;
        let place = events.iter().position(|event| *event == at);
        Ok(events.split_off(place.map_or(events.len(), |place| place + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Moment;
    use crate::precedence;
    use crate::schedule::{Atomicity, Event};
    use crate::strategy::replay::{Mode, Replay};
    use crate::system::System;
    use crate::task::{TaskId, Tasks};
    use crate::toy::{self, Op::*, Outcome, Program, Toy};
    use proptest::prelude::*;

    const ENOUGH: usize = 10_000;

    /// Numbers are the same as the toy's, because it has no others.
    fn tasks(program: &Program) -> Tasks {
        let mut tasks = Tasks::new();
        for body in 1..program.bodies.len() {
            tasks.intern(TaskId::MAIN, &format!("body{body}"), 0);
        }
        tasks
    }

    fn event(toy: &Toy<'_>, task: TaskId) -> Event {
        Event { task, site: toy.place(task) as u64, occurrence: 0, phase: 0 }
    }

    /// A random execution, and its schedule: either that of the very steps, or of an equivalent execution.
    fn record(program: &Program, seed: u64, simplest: bool) -> (Schedule, Outcome) {
        let (steps, last) = precedence::tests::random(program, seed);
        let order = if simplest {
            precedence::tests::simplest(program, &steps).trace().to_vec()
        } else {
            last.trace().to_vec()
        };
        let (tasks, mut toy, mut schedule) = (tasks(program), Toy::new(program), Schedule::new(Atomicity::Op, 1));
        for task in order {
            let default = toy.order.next(toy.enabled()).expect("a step is left");
            schedule.record(&tasks, &event(&toy, default), task);
            toy.step(task).unwrap();
        }
        (schedule, toy.outcome())
    }

    /// An execution along a schedule; `None` if a strict one is stale.
    fn follow(program: &Program, schedule: &Schedule, mode: Mode) -> Option<(Tried, Outcome)> {
        let (tasks, mut toy) = (tasks(program), Toy::new(program));
        let (mut replay, mut events) = (Replay::new(schedule, mode), Vec::new());
        while let Some(default) = toy.order.next(toy.enabled()) {
            let task = replay.pick(&tasks, |task| toy.enabled().contains(task), &event(&toy, default)).ok()?;
            events.push(event(&toy, task).anchor(&tasks));
            toy.step(task).unwrap();
        }
        replay.finished().ok()?;
        Some((Tried { holds: false, applied: replay.applied().cloned().collect(), events }, toy.outcome()))
    }

    fn shrunk(program: &Program, schedule: Schedule, wanted: &Outcome, runs: usize) -> Shrunk {
        shrink(schedule, runs, |candidate| {
            let (tried, outcome) = follow(program, candidate, Mode::Lenient).expect("lenient ones go through");
            Tried { holds: outcome == *wanted, ..tried }
        })
    }

    fn deviation(site: u64) -> Deviation {
        Deviation { at: Anchor { task: "main".into(), site, occurrence: 0, phase: 0 }, to: "main/f#0".into() }
    }

    /// Each of two tasks reads and writes. Nobody's update is lost: no switch, or one to the second before the first has
    /// read. The first's is lost, or the second's: a switch before the first writes, and one before the second does.
    #[test]
    fn a_lost_update_takes_two_switches() {
        let program = Program::family([vec![Read(0), Write(0)], vec![Read(0), Write(0)]]);
        let mut shortest = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let (schedule, outcome) = record(&program, seed, true);
            let shrunk = shrunk(&program, schedule, &outcome, ENOUGH);
            shortest.insert(shrunk.schedule.deviations.len());
        }
        assert_eq!(shortest.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    /// Of ten switches that happen one after another three are needed: found in less than all subsets.
    #[test]
    fn needless_deviations_are_left_out() {
        let needed = [2, 3, 7];
        let ten = Schedule { deviations: (0..10).map(deviation).collect(), ..Schedule::new(Atomicity::Op, 0) };
        let shrunk = shrink(ten, ENOUGH, |candidate| {
            let applied = candidate.deviations.clone();
            let holds = needed.iter().all(|&site| applied.contains(&deviation(site)));
            Tried { holds, applied, events: Vec::new() }
        });
        assert_eq!(shrunk.schedule.deviations, needed.map(deviation));
        assert!(shrunk.minimal && shrunk.runs < 40, "{} runs", shrunk.runs);
        assert_eq!(shrunk.neighbour().expect("it has switches").deviations, [deviation(2), deviation(3)]);
    }

    /// The switch may stand anywhere up to the 70th of 100 events; eleven candidates find it: 1, 3, 7, 15, 31, 63, 100
    /// (the end comes before 127), then 81, 72, 67, 69, 70, 71 by halving.
    #[test]
    fn a_switch_is_put_off_to_the_last_event_that_will_do() {
        let early = Schedule { deviations: vec![deviation(0)], ..Schedule::new(Atomicity::Op, 0) };
        let shrunk = shrink(early, ENOUGH, |candidate| {
            let applied = candidate.deviations.clone();
            let holds = matches!(&applied[..], [only] if only.at.site <= 70);
            Tried { holds, applied, events: (0..=100).map(|site| deviation(site).at).collect() }
        });
        assert_eq!(shrunk.schedule.deviations, [deviation(70)]);
        assert!(shrunk.runs < 20, "{} runs", shrunk.runs);
    }

    /// What was left after one round could be halved at another place, where two neighbours go together.
    #[test]
    fn what_became_shorter_is_halved_again() {
        let program = Program::new(&[
            &[Read(0), Fork(1), Fork(3), Read(0), Write(0)],
            &[Write(1), Read(0), Fork(2), StopIfZero(0)],
            &[Read(0)],
            &[Read(0), Read(0), Read(1)],
        ]);
        let (schedule, outcome) = record(&program, 8_871_045_853_622_702_077, false);
        let once = shrunk(&program, schedule, &outcome, ENOUGH).schedule;
        assert_eq!(once.deviations.len(), 3);
        assert_eq!(shrunk(&program, once.clone(), &outcome, ENOUGH).schedule, once);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_result_holds_is_minimal_and_is_left_alone(program in toy::any_program(), seed: u64, simplest: bool) {
            let (schedule, outcome) = record(&program, seed, simplest);
            let shrunk = shrunk(&program, schedule.clone(), &outcome, ENOUGH);
            prop_assert!(shrunk.minimal);
            let best = &shrunk.schedule;
            prop_assert!(best.deviations.len() <= schedule.deviations.len());
            // It is strict, and gives the same.
            let (tried, again) = follow(&program, best, Mode::Strict).expect("a schedule of this program");
            prop_assert_eq!(&again, &outcome);
            prop_assert_eq!(&tried.applied, &best.deviations);
            for i in 0..best.deviations.len() {
                let mut shorter = best.clone();
                shorter.deviations.remove(i);
                let (_, other) = follow(&program, &shorter, Mode::Lenient).expect("lenient");
                prop_assert_ne!(&other, &outcome, "deviation {} is needless", i);
            }
            let twice = self::shrunk(&program, best.clone(), &outcome, ENOUGH);
            prop_assert_eq!(&twice.schedule, best);
            // Its neighbour goes the same way up to the last switch.
            if let Some(neighbour) = shrunk.neighbour() {
                prop_assert!(follow(&program, &neighbour, Mode::Strict).is_some_and(|(_, other)| other != outcome));
            }
        }

        #[test]
        fn a_budget_is_kept_and_what_it_allows_holds(program in toy::any_program(), seed: u64, runs in 0..12usize) {
            let (schedule, outcome) = record(&program, seed, false);
            let shrunk = shrunk(&program, schedule.clone(), &outcome, runs);
            prop_assert!(shrunk.runs <= runs);
            prop_assert!(shrunk.schedule.deviations.len() <= schedule.deviations.len());
            let (_, again) = follow(&program, &shrunk.schedule, Mode::Strict).expect("a schedule of this program");
            prop_assert_eq!(again, outcome);
        }

        /// Also of what no program does: any function of the deviations.
        #[test]
        fn any_predicate_is_shrunk_to_a_local_minimum(sites in prop::collection::vec(0..9u64, 0..12), salt: u64) {
            let start = Schedule { deviations: sites.iter().map(|&site| deviation(site)).collect(), ..Schedule::new(Atomicity::Op, 0) };
            let holds = |deviations: &[Deviation]| {
                let code = deviations.iter().fold(salt, |code, d| crate::run_seed(code, d.at.site));
                deviations == start.deviations || code % 3 == 0
            };
            let shrunk = shrink(start.clone(), ENOUGH, |candidate| {
                let applied = candidate.deviations.clone();
                Tried { holds: holds(&applied), applied, events: Vec::new() }
            });
            let best = shrunk.schedule.deviations;
            prop_assert!(holds(&best));
            for i in 0..best.len() {
                let mut shorter = best.clone();
                shorter.remove(i);
                prop_assert!(!holds(&shorter));
            }
        }
    }
}
