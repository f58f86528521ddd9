//! The programs by which schedulers are compared, small ones with exact counts and large ones for speed.
//!
//! Numbers of classes are of Mazurkiewicz traces: schedules up to the order of steps that do not conflict.

use crate::bodies::{Op, Op::*, Program};

/// `n` tasks that do nothing are forked and waited for. One class, without a step.
pub fn fork_join(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![]))
}

/// `n` tasks increment one cell, not atomically: (n!)² classes, n results.
pub fn increments(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![Load(0), Add(1), Store(0)])).observing(1)
}

/// `n` tasks store to a cell of their own, `k` times each. One class.
pub fn private_stores(n: usize, k: usize) -> Program {
    Program::family((0..n).map(|i| vec![Store(i); k])).observing(n)
}

/// `readers` tasks read one cell, `reads` times each, and one task writes it once: (reads + 1)^readers classes, and
/// as many outcomes, because what was read is looked at.
pub fn readers_and_writer(readers: usize, reads: usize) -> Program {
    Program::family((0..readers).map(|_| vec![Read(0); reads]).chain([vec![Write(0)]]))
}

/// `n` readers of one cell and a writer of it: 2^n classes.
pub fn readers(n: usize) -> Program {
    readers_and_writer(n, 1)
}

/// A binary tree of forks whose 2^depth leaves each store their number to one cell. Main is the root: 2^(depth + 1) - 1
/// tasks, (2^depth)! classes, 2^depth results.
pub fn tree(depth: u32) -> Program {
    let mut bodies = Vec::new();
    grow(&mut bodies, depth);
    Program::new(&bodies).observing(1)
}

/// Adds a tree, in child-first order, and gives the number of its root.
fn grow(bodies: &mut Vec<Vec<Op>>, depth: u32) -> usize {
    let root = bodies.len();
    bodies.push(Vec::new());
    bodies[root] = match depth {
        0 => vec![Set(root as u64), Store(0)],
        _ => {
            let (left, right) = (grow(bodies, depth - 1), grow(bodies, depth - 1));
            vec![Fork(left), Fork(right), Wait(left), Wait(right)]
        }
    };
    root
}

/// `n` tasks add 1 to one cell in one step, `k` times each: all orders are classes of their own, with one result.
pub fn updates(n: usize, k: usize) -> Program {
    Program::family((0..n).map(|_| vec![Update(0, 1); k])).observing(1)
}

/// `n` tasks each write one cell once: n! classes.
pub fn writers(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![Write(0)]))
}

/// `n` tasks each write and read a cell of their own. One class.
pub fn disjoint_writers(n: usize) -> Program {
    Program::family((0..n).map(|i| vec![Write(i), Read(i), Write(i)]))
}

/// `n` tasks in a ring each store to their cell and load their neighbour's: 2^n - 1 classes, because all but the
/// one order in which every load precedes its neighbour's store are possible.
pub fn ring(n: usize) -> Program {
    Program::family((0..n).map(|i| vec![Set(1), Store(i), Load((i + 1) % n)]))
}

/// Two tasks, one of which does `i += j` and the other `j += i`, `n` times, the two reads and the store each a step: 3,
/// 19 and 141 classes for n = 1, 2, 3.
pub fn alternating_adds(n: usize) -> Program {
    // The accumulator tells the reads, so it need not be their sum.
    Program::family([[0, 1], [1, 0]].map(|[mine, other]| [Read(mine), Read(other), Write(mine)].repeat(n)))
}

/// Four tasks of ten steps, forked in the order A B C D, and a bug of depth 3: D finds out, in cell 0, whether A's 8th
/// step came before B's 3rd, B's 8th before C's 3rd, and C's 8th before D's 3rd. All other steps are stores to cells
/// that nobody else touches. Eight classes, two results.
pub fn chain() -> Program {
    Program::family(chain_of_four()).observing(1)
}

/// The same, forked in the order D C B A. Who begins with the task that was forked first begins with the bug in
/// [`chain`]; who begins with the one forked last, as the default order does, begins with it here.
pub fn chain_reversed() -> Program {
    let mut bodies = chain_of_four();
    bodies.reverse();
    Program::family(bodies).observing(1)
}

/// The tasks of [`chain`]. Each passes on, in a cell, whether all went wrong so far.
fn chain_of_four() -> Vec<Vec<Op>> {
    let (ab, bc, cd) = (1, 2, 3);
    vec![
        steps(4, &[(8, Store(ab))], Some(1)),
        steps(5, &[(3, Load(ab)), (8, Store(bc))], None),
        steps(6, &[(3, Load(bc)), (8, Store(cd))], None),
        steps(0, &[(3, Load(cd))], None),
    ]
}

/// Four tasks of ten steps and a bug that needs A to be interrupted: A finds out, in cell 0, whether its 3rd step came
/// before B's 3rd, B's 6th before C's 4th, and C's 7th before its own 8th. D has nothing to do with it. Eight classes,
/// two results.
pub fn cycle() -> Program {
    let (ab, bc, ca) = (1, 2, 3);
    Program::family([
        steps(0, &[(3, Store(ab)), (8, Load(ca))], Some(1)),
        steps(4, &[(3, Load(ab)), (6, Store(bc))], None),
        steps(5, &[(4, Load(bc)), (7, Store(ca))], None),
        steps(6, &[], None),
    ])
    .observing(1)
}

/// Eight tasks of 50 instructions and a bug of depth 4: the eighth finds out, in cell 0, whether each of three others had
/// done the first of two neighbouring steps and none the second, so that cell 0 holds 3. Each of the four must be stopped
/// at one place, and the other four tasks have nothing to do with it.
///
/// Of the instructions, 24 touch something; the others stand for what nobody races with, which is no choice. All tasks
/// draw numbers before and after, from one generator, so that no order of the 16 draws is like another: at least
/// 16! / 2!^8, or 8 · 10^10 classes, and no fewer states, because who draws knows what the others did.
pub fn windows() -> Program {
    let drawing = |middle: &[(usize, Op)]| {
        let given = [&[(10, Draw)], middle, &[(40, Draw)]].concat();
        let quiet = |number| given.iter().find(|&&(at, _)| at == number).map_or(Add(0), |&(_, op)| op);
        (1..=50).map(quiet).collect::<Vec<Op>>()
    };
    let passer = drawing(&[(25, Update(1, 1)), (26, Update(1, 16))]);
    let looker = drawing(&[(25, Load(1)), (26, Store(0))]);
    // Strangers in between, so that a search which has only come to reorder the last tasks has not decided it.
    let concerned = [&passer, &passer, &passer, &looker];
    Program::family(concerned.into_iter().flat_map(|body| [body.clone(), drawing(&[])])).observing(1)
}

/// Ten steps: those given, counted from 1, and stores to `private`.
fn steps(private: usize, given: &[(usize, Op)], accumulator: Option<u64>) -> Vec<Op> {
    let step = |number| given.iter().find(|&&(at, _)| at == number).map_or(Store(private), |&(_, op)| op);
    accumulator.map(Set).into_iter().chain((1..=10).map(step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::{Run, oracle};
    use crate::strategy::dfs::dfs;
    use std::collections::BTreeSet;
    use std::ops::ControlFlow;

    /// Classes by depth-first search, which completes each once, and outcomes.
    fn check(name: &str, program: &Program, classes: u64, outcomes: usize) {
        let mut seen = BTreeSet::new();
        let mut run = Run::new(program);
        let searched = dfs(&mut run, &mut |run: &mut Run<'_>, ending| {
            if ending == crate::Ending::Complete {
                seen.insert(run.seen().to_vec());
            }
            ControlFlow::Continue(())
        });
        assert_eq!((searched.complete, seen.len()), (classes, outcomes), "{name}");
        if let Some(truth) = oracle::brute_force(program, 3000) {
            assert_eq!((truth.classes.len() as u64, truth.outcomes), (classes, seen), "{name}");
        }
    }

    /// The counts are derived where the workloads are described.
    #[test]
    fn classes_and_outcomes() {
        check("fork_join(4)", &fork_join(4), 1, 1);
        for (n, classes) in [(1, 1), (2, 4), (3, 36), (4, 576)] {
            check(&format!("increments({n})"), &increments(n), classes, n);
        }
        check("private_stores(4, 4)", &private_stores(4, 4), 1, 1);
        check("readers_and_writer(3, 3)", &readers_and_writer(3, 3), 64, 64);
        check("readers(5)", &readers(5), 32, 32);
        for (depth, classes) in [(0, 1), (1, 2), (2, 24), (3, 40320)] {
            check(&format!("tree({depth})"), &tree(depth), classes, 1 << depth);
        }
        assert_eq!(tree(3).tasks(), 15);
        // 6! / (2!)³ orders of three tasks of two steps.
        check("updates(3, 2)", &updates(3, 2), 90, 1);
        check("writers(4)", &writers(4), 24, 4);
        check("disjoint_writers(3)", &disjoint_writers(3), 1, 1);
        for (n, classes) in [(2, 3), (3, 7), (4, 15)] {
            check(&format!("ring({n})"), &ring(n), classes, classes as usize);
        }
        for (n, classes) in [(1, 3), (2, 19), (3, 141)] {
            check(&format!("alternating_adds({n})"), &alternating_adds(n), classes, classes as usize);
        }
        check("chain()", &chain(), 8, 2);
        check("chain_reversed()", &chain_reversed(), 8, 2);
        check("cycle()", &cycle(), 8, 2);
    }
}
