//! Exhaustive depth-first search with sleep sets.
//!
//! Godefroid, *Partial-Order Methods for the Verification of Concurrent Systems*, LNCS 1032 (1996), chapter 5. A task
//! whose step was explored from a state sleeps in the sibling branches until a step conflicts with it, because until
//! then every execution that takes it was seen. Guarantee: each equivalence class of executions (equal order of
//! conflicting steps) is completed exactly once. Some executions may be begun and then found to be asleep; they are
//! counted as blocked. Optimal DPOR has none of these.

use crate::choice::Ending;
use crate::system::{Searched, System, Visitor};
use crate::task::TaskId;

/// Runs every execution from the current state of `system`, up to the order of steps that do not conflict.
///
/// The visitor is told of each end. Afterwards the system is in the last state that was reached.
pub fn dfs<S: System>(system: &mut S, visitor: &mut impl Visitor<S>) -> Searched {
    let mut searched = Searched::default();
    let mut branches: Vec<Branch<S::Mark>> = Vec::new();
    let mut sleeping: Vec<TaskId> = Vec::new();
    loop {
        let ending = descend(system, &mut sleeping, &mut branches, &mut searched);
        if !searched.leaf(system, visitor, ending) {
            return searched;
        }
        if !turn(system, &mut sleeping, &mut branches) {
            return searched;
        }
    }
}

/// A state from which several tasks are to be tried.
struct Branch<M> {
    state: M,
    /// Those asleep here, and those tried already.
    sleeping: Vec<TaskId>,
    /// Those to be tried after `current`, the next one last.
    untried: Vec<TaskId>,
    /// The task being tried.
    current: TaskId,
}

/// Follows the first way that is awake, and leaves a branch wherever there is another.
fn descend<S: System>(
    system: &mut S,
    sleeping: &mut Vec<TaskId>,
    branches: &mut Vec<Branch<S::Mark>>,
    searched: &mut Searched,
) -> Ending {
    // After a turn, the branch on top says who is to go first.
    let mut forced = branches.last().map(|branch| branch.current);
    loop {
        let task = match forced.take() {
            Some(task) => task,
            None => match awake(system, sleeping) {
                Awake::None if system.enabled().is_empty() => return Ending::Complete,
                Awake::None => return Ending::Blocked,
                Awake::One(task) => task,
                Awake::More(current, untried) => {
                    branches.push(Branch { state: system.mark(), sleeping: sleeping.clone(), untried, current });
                    current
                }
            },
        };
        sleeping.retain(|&other| !system.pending(other).conflicts(system.pending(task)));
        searched.steps += 1;
        if system.step(task).is_err() {
            return Ending::Cut;
        }
    }
}

/// Goes back to the nearest branch with an untried way; false if there is none.
fn turn<S: System>(system: &mut S, sleeping: &mut Vec<TaskId>, branches: &mut Vec<Branch<S::Mark>>) -> bool {
    while let Some(branch) = branches.last_mut() {
        if let Some(next) = branch.untried.pop() {
            system.rewind(&branch.state);
            branch.sleeping.push(branch.current);
            branch.current = next;
            sleeping.clone_from(&branch.sleeping);
            return true;
        }
        branches.pop();
    }
    false
}

/// The tasks to try in a state.
enum Awake {
    None,
    One(TaskId),
    /// The first, and the others in reverse.
    More(TaskId, Vec<TaskId>),
}

/// All that do not sleep.
fn awake<S: System>(system: &S, sleeping: &[TaskId]) -> Awake {
    let mut awake = system.enabled().iter().filter(|task| !sleeping.contains(task));
    let Some(first) = awake.next() else { return Awake::None };
    let mut others: Vec<TaskId> = awake.collect();
    others.reverse();
    if others.is_empty() { Awake::One(first) } else { Awake::More(first, others) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toy::{self, Op::*, Program, Toy};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::ops::ControlFlow;

    fn search(program: &Program) -> (Searched, BTreeSet<toy::Outcome>) {
        let mut outcomes = BTreeSet::new();
        let mut toy = Toy::new(program);
        let searched = dfs(&mut toy, &mut |toy: &mut Toy<'_>, ending| {
            if ending == Ending::Complete {
                outcomes.insert(toy.outcome());
            }
            ControlFlow::Continue(())
        });
        (searched, outcomes)
    }

    fn check(program: Program, executions: u64) {
        let (searched, _) = search(&program);
        assert!(searched.exhausted());
        assert_eq!(searched.complete, executions, "{program:?}");
    }

    #[test]
    fn writers_of_one_location_go_in_every_order() {
        // All writes conflict, so each of the n! orders is a class of its own.
        for (n, factorial) in [(1, 1), (2, 2), (3, 6), (4, 24), (5, 120)] {
            check(toy::writers(n), factorial);
        }
    }

    #[test]
    fn each_reader_is_before_or_after_the_writer() {
        // Readers commute with each other, and each sees the old or the new value: 2^n.
        for n in 0..6 {
            check(toy::readers(n), 1 << n);
        }
    }

    #[test]
    fn strangers_have_one_execution() {
        check(Program::family((0..6).map(|i| vec![Write(i), Read(i), Write(i)])), 1);
        // Prints to one place commute.
        check(Program::family((0..6).map(|_| vec![Print(0)])), 1);
    }

    #[test]
    fn increments_that_are_not_atomic() {
        // Classes are orders of the n stores, n!, times the places of the n loads among them: the i-th task in the
        // order of stores loads before its own store, in one of i gaps between the i - 1 others: again n!.
        for (n, classes) in [(1, 1), (2, 4), (3, 36), (4, 576)] {
            check(Program::family((0..n).map(|_| vec![Read(0), Write(0)])), classes);
        }
    }

    #[test]
    fn a_wait_orders_what_comes_after() {
        check(Program::new(&[&[Fork(1), Wait(1), Write(0)], &[Write(0)]]), 1);
        check(Program::new(&[&[Fork(1), Write(0), Wait(1)], &[Write(0)]]), 2);
    }

    #[test]
    fn a_deadlock_is_an_end_like_any_other() {
        // Each of the two children waits for the other.
        let (searched, outcomes) =
            search(&Program::new(&[&[Fork(1), Fork(2), Wait(1), Write(0)], &[Wait(2)], &[Wait(1)]]));
        assert_eq!((searched.complete, outcomes.len()), (1, 1));
        assert!(outcomes.first().unwrap().deadlock);
    }

    #[test]
    fn the_visitor_stops_the_search() {
        let program = toy::writers(4);
        let mut budget = 5;
        let searched = dfs(&mut Toy::new(&program), &mut |_: &mut Toy<'_>, _| {
            budget -= 1;
            if budget == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((searched.complete, searched.stopped, searched.exhausted()), (5, true, false));
    }

    #[test]
    fn a_cut_execution_is_counted_and_the_search_goes_on() {
        let program = toy::writers(2);
        let mut toy = Toy::new(&program);
        // Two writes, and the last one is refused.
        toy.limit = 1;
        let searched = dfs(&mut toy, &mut |_: &mut Toy<'_>, _| ControlFlow::Continue(()));
        assert_eq!((searched.complete, searched.cut, searched.exhausted()), (0, 2, false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_finds_every_class_once_and_every_outcome(program in toy::any_program()) {
            let Some(truth) = toy::brute_force(&program, 20_000) else { return Ok(()) };
            let (searched, outcomes) = search(&program);
            prop_assert_eq!(searched.complete, truth.classes.len() as u64);
            prop_assert!(outcomes.iter().eq(truth.outcomes.keys()));
        }
    }
}
