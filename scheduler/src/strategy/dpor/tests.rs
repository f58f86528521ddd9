//! Exact numbers of executions, each with why, and the laws on generated programs.

use super::*;
use crate::strategy::child_first::ChildFirst;
use crate::strategy::dfs::dfs;
use crate::toy::{self, Op::*, Program, Toy};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

fn search(program: &Program) -> (Searched, BTreeSet<toy::Outcome>) {
    let mut outcomes = BTreeSet::new();
    let searched = dpor(&mut Toy::new(program), &mut |toy: &mut Toy<'_>, ending| {
        if ending == Ending::Complete {
            outcomes.insert(toy.outcome());
        }
        ControlFlow::Continue(())
    });
    (searched, outcomes)
}

#[track_caller]
fn check(program: Program, executions: u64, outcomes: usize) {
    let (searched, found) = search(&program);
    assert!(searched.exhausted());
    assert_eq!((searched.complete, searched.blocked), (executions, 0), "{program:?}");
    assert_eq!(found.len(), outcomes);
}

#[test]
fn writers_of_one_location_go_in_every_order() {
    // All writes conflict, so each of the n! orders is a class of its own; the last one is what remains.
    for (n, factorial) in [(1, 1), (2, 2), (3, 6), (4, 24), (5, 120), (6, 720), (7, 5040)] {
        check(toy::writers(n), factorial, n);
    }
}

#[test]
fn each_reader_is_before_or_after_the_writer() {
    // Readers commute with each other, and each sees the old or the new value: 2^n.
    for n in 0..10 {
        check(toy::readers(n), 1 << n, 1 << n);
    }
}

#[test]
fn strangers_have_one_execution() {
    check(Program::family((0..6).map(|i| vec![Write(i), Read(i), Write(i)])), 1, 1);
    // Prints to one place commute.
    check(Program::family((0..6).map(|_| vec![Print(0)])), 1, 1);
    // W2 of the benchmarks: four tasks of four steps, each at its own location.
    check(Program::family((0..4).map(|i| vec![Write(i); 4])), 1, 1);
}

#[test]
fn forks_and_waits_alone_have_one_execution() {
    // W0: nothing is touched, so there is nothing to choose.
    for n in 0..5 {
        check(Program::family((0..n).map(|_| vec![])), 1, 1);
    }
    // And they order what is touched: one execution, however the tasks are nested.
    check(Program::new(&[&[Fork(1), Wait(1), Write(0)], &[Write(0), Fork(2), Wait(2)], &[Write(0)]]), 1, 1);
}

#[test]
fn increments_that_are_not_atomic() {
    // W1. Classes are orders of the n stores, n!, times the places of the n loads among them: the i-th task in the order
    // of stores loads before its own store, in one of i gaps between the i - 1 others: again n!.
    for (n, classes) in [(1, 1), (2, 4), (3, 36), (4, 576), (5, 14_400)] {
        let (searched, _) = search(&toy::increments(n));
        assert_eq!((searched.complete, searched.blocked), (classes, 0));
    }
}

#[test]
fn increments_under_a_lock_taken_twice() {
    // W1m: every access conflicts with every other, so each interleaving is a class: (2n)! / 2^n.
    for (n, classes) in [(1, 1), (2, 6), (3, 90), (4, 2520)] {
        let (searched, _) = search(&Program::family((0..n).map(|_| vec![Write(0), Write(0)])));
        assert_eq!((searched.complete, searched.blocked), (classes, 0));
    }
}

#[test]
fn readers_of_several_steps() {
    // W3: the one write stands in one of four gaps of each of the three readers: 4^3, and each is seen.
    check(Program::family((0..3).map(|_| vec![Read(0); 3]).chain([vec![Write(0)]])), 64, 64);
}

/// A binary tree of forks; its leaves write one location.
fn tree(depth: u32) -> Program {
    let count = (1 << (depth + 1)) - 1;
    let bodies: Vec<Vec<toy::Op>> = (0..count)
        .map(|task| {
            let (left, right) = (2 * task + 1, 2 * task + 2);
            if right < count { vec![Fork(left), Fork(right), Wait(left), Wait(right)] } else { vec![Write(0)] }
        })
        .collect();
    Program::from_bodies(bodies)
}

#[test]
fn a_tree_of_forks() {
    // W4: 2, 4 and 8 leaves write one location, in every order.
    check(tree(1), 2, 2);
    check(tree(2), 24, 4);
    check(tree(3), 40_320, 8);
}

#[test]
fn updates_in_a_loop() {
    // W5, small: n tasks of k updates of one location, so every interleaving is a class: (nk)! / k!^n.
    for (n, k, classes) in [(2, 2, 6), (2, 3, 20), (3, 2, 90), (2, 5, 252), (3, 3, 1680)] {
        let (searched, _) = search(&Program::family((0..n).map(|_| vec![Write(0); k])));
        assert_eq!((searched.complete, searched.blocked), (classes, 0), "{n} tasks of {k} updates");
    }
}

#[test]
fn a_ring_of_stores_and_loads() {
    // Each of n tasks stores to its own cell and then loads its neighbour's: 2^n orders of the pairs, without the one in
    // which every load comes before its store, which is a circle.
    for (n, classes) in [(2, 3), (3, 7), (4, 15)] {
        let (searched, _) = search(&Program::family((0..n).map(|i| vec![Write(i), Read((i + 1) % n)])));
        assert_eq!((searched.complete, searched.blocked), (classes, 0));
    }
}

#[test]
fn two_tasks_add_to_each_other() {
    // i += j against j += i, n times: task 1 loads j and stores i, task 2 loads i and stores j. A class says for each load
    // which stores of the other came before. Two ascending staircases, load over store, that do not cross: 3 for n = 1
    // (not both loads after the other's store); the numbers for more were counted by brute force.
    for (n, classes) in [(1, 3), (2, 19), (3, 141), (4, 1107)] {
        let alternate = |load: usize, store: usize| [Read(load), Write(store)].repeat(n);
        let (searched, _) = search(&Program::family([alternate(1, 0), alternate(0, 1)]));
        assert_eq!((searched.complete, searched.blocked), (classes, 0));
    }
}

#[test]
fn the_last_zero_of_an_array() {
    // The example of the paper: task j of n writes cell j from cell j - 1, and a reader goes down from cell n to the first
    // that is zero. The paper's count is (n + 3) · 2^(n - 2).
    for (n, classes) in [(2, 5), (3, 12), (4, 28), (5, 64)] {
        let writers = (1..=n).map(|j| vec![Read(j - 1), Write(j)]);
        let reader = (0..=n).rev().map(StopIfZero).collect();
        let (searched, _) = search(&Program::family(writers.chain([reader])));
        assert_eq!((searched.complete, searched.blocked), (classes, 0), "{n}");
    }
}

/// Tasks of ten steps, those named at shared cells, the others at cells of their own.
fn chain_of_four(shared: [&[(usize, toy::Op)]; 4]) -> Program {
    Program::family(shared.iter().enumerate().map(|(task, shared)| {
        let mut body = vec![Write(3 + task); 10];
        for &(step, op) in *shared {
            body[step] = op;
        }
        body
    }))
}

#[test]
fn planted_bugs_have_eight_executions() {
    // Three pairs of conflicting steps that are free of each other: 2^3.
    let chain = chain_of_four([
        &[(8, Write(0))],
        &[(3, Read(0)), (8, Write(1))],
        &[(3, Read(1)), (8, Write(2))],
        &[(3, Read(2))],
    ]);
    check(chain, 8, 8);
    // A.3 and B.3, B.6 and C.4, C.7 and A.8; the fourth is noise.
    let cycle = chain_of_four([
        &[(3, Write(0)), (8, Read(2))],
        &[(3, Read(0)), (6, Write(1))],
        &[(4, Read(1)), (7, Write(2))],
        &[],
    ]);
    check(cycle, 8, 8);
}

#[test]
fn no_two_ways_count_on_each_other() {
    // Where one write lies among two, which of two tasks comes first at a second location, and which at a third: all
    // free of each other. A search that does not look at what follows a race leaves one of the twelve to a way that sleeps,
    // and that way leaves it here.
    let bodies = [vec![Write(2), Read(1)], vec![Write(1), Write(0)], vec![Write(2), Write(2)], vec![Write(0)]];
    // Who wrote last is seen, and not who wrote before.
    check(Program::family(bodies), 3 * 2 * 2, 2 * 2 * 2);
    // The same with more readers.
    let main = vec![Fork(1), Fork(2), Fork(3), Read(0), Read(1), Write(2)];
    let others = [vec![Read(0), Read(0)], vec![Write(0), Write(1)], vec![Write(2)]];
    let (searched, _) = search(&Program::from_bodies([main].into_iter().chain(others).collect()));
    assert_eq!((searched.complete, searched.blocked), (2 * 3 * 2 * 2, 0));
}

#[test]
fn a_wait_orders_what_comes_after() {
    check(Program::new(&[&[Fork(1), Wait(1), Write(0)], &[Write(0)]]), 1, 1);
    check(Program::new(&[&[Fork(1), Write(0), Wait(1)], &[Write(0)]]), 2, 2);
    // Main waits for a task without steps that waited for the writer.
    check(Program::new(&[&[Fork(1), Fork(2), Wait(2), Write(0)], &[Write(0)], &[Wait(1)]]), 1, 1);
}

#[test]
fn a_deadlock_is_an_end_like_any_other() {
    // Each of the two children waits for the other.
    let (searched, outcomes) = search(&Program::new(&[&[Fork(1), Fork(2), Wait(1), Write(0)], &[Wait(2)], &[Wait(1)]]));
    assert_eq!((searched.complete, outcomes.len()), (1, 1));
    assert!(outcomes.first().unwrap().deadlock);
}

#[test]
fn a_cut_execution_is_counted_and_the_search_goes_on() {
    let program = toy::writers(2);
    let mut toy = Toy::new(&program);
    // Two writes, and the last one is refused; the race with it was found all the same.
    toy.limit = 1;
    let searched = dpor(&mut toy, &mut |_: &mut Toy<'_>, _| ControlFlow::Continue(()));
    assert_eq!((searched.complete, searched.cut, searched.exhausted()), (0, 2, false));
}

#[test]
fn the_first_execution_is_in_the_default_order() {
    let program = toy::increments(3);
    let mut first = None;
    dpor(&mut Toy::new(&program), &mut |toy: &mut Toy<'_>, _| {
        first = Some(toy.trace().to_vec());
        ControlFlow::Break(())
    });
    assert_eq!(first.unwrap(), toy::drive(&program, &mut ChildFirst::default()));
}

#[test]
fn an_interrupted_search_goes_on_where_it_was() {
    let program = toy::increments(3);
    let mut toy = Toy::new(&program);
    let mut search = Dpor::new();
    let (mut rounds, mut share) = (0, 0.0);
    while !search.is_done() {
        search.resume(&mut toy, &mut |_: &mut Toy<'_>, _| ControlFlow::Break(()));
        assert!(search.share() >= 0.0 && search.share() <= 1.0);
        share = search.share();
        rounds += 1;
    }
    // The last round finds that nothing is left.
    assert_eq!((rounds, search.searched().complete, search.searched().exhausted()), (37, 36, true));
    assert_eq!(share, 1.0);
}

fn laws(program: &Program) -> Result<(), TestCaseError> {
    let Some(truth) = toy::brute_force(program, 20_000) else { return Ok(()) };
    let (searched, outcomes) = search(program);
    prop_assert!(outcomes.iter().eq(truth.outcomes.keys()));
    prop_assert_eq!(searched.complete, truth.classes.len() as u64);
    if !program.touches_by_data() {
        prop_assert_eq!(searched.blocked, 0);
    }
    Ok(())
}

/// Tasks without branches that main begins at once: many classes, and few ways to go wrong but for those of a search.
fn straight() -> impl Strategy<Value = Program> {
    let op = (any::<bool>(), 0..3usize).prop_map(|(reads, cell)| if reads { Read(cell) } else { Write(cell) });
    prop::collection::vec(prop::collection::vec(op, 0..4), 2..6).prop_map(|mut bodies| {
        let children = 1..bodies.len();
        bodies[0].splice(0..0, children.map(Fork));
        Program::from_bodies(bodies)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_finds_as_many_classes_as_a_search_with_sleep_sets(program in straight()) {
        let (mut outcomes, mut left) = (BTreeSet::new(), 5000);
        let slow = dfs(&mut Toy::new(&program), &mut |toy: &mut Toy<'_>, ending| {
            left -= 1;
            if ending == Ending::Complete {
                outcomes.insert(toy.outcome());
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if slow.exhausted() {
            let (searched, found) = search(&program);
            prop_assert_eq!((searched.complete, searched.blocked), (slow.complete, 0));
            prop_assert_eq!(found, outcomes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_finds_every_class_once_and_every_outcome(program in toy::any_program()) {
        laws(&program)?;
    }
}
