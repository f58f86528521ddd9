//! Which steps of an execution must come before which, so that another order of them means the same.
//!
//! Executions that agree on the order of conflicting steps have the same outcome (Mazurkiewicz, 1977). An order that a
//! search stumbled on is one of many, and seldom the simplest. Given the steps in that order, this says at each point of
//! another execution whether a task may already take its next one. An execution that follows the default order as
//! far as it is allowed to is equivalent, and switches only where the order matters.

use std::collections::BTreeMap;

use crate::footprint::Footprint;
use crate::task::TaskId;

/// Most steps that are compared with each other; of longer executions the order is kept as it is.
const COMPARED_MAX: usize = 2048;

/// The steps that were taken so far of an execution that is to be equivalent to another.
#[derive(Debug, Clone)]
pub struct Precedence {
    /// By task: what each of its steps needs.
    needs: BTreeMap<TaskId, Vec<Needs>>,
    /// How many steps each task has taken.
    taken: BTreeMap<TaskId, usize>,
    left: usize,
}

/// For some other tasks, how many of their steps must come first.
type Needs = Vec<(TaskId, usize)>;

impl Precedence {
    /// Of an execution that took these steps in this order.
    pub fn of(steps: &[(TaskId, Footprint)]) -> Self {
        let mut needs: BTreeMap<TaskId, Vec<Needs>> = BTreeMap::new();
        // Of each step, which one of its task it is, from 1.
        let mut number = Vec::with_capacity(steps.len());
        for (i, (task, footprint)) in steps.iter().enumerate() {
            let (nearest, all) = (i.saturating_sub(1)..i, steps.len() > COMPARED_MAX);
            let before = if all { nearest } else { 0..i };
            let mut own = Needs::new();
            for earlier in before.rev() {
                let (other, touched) = &steps[earlier];
                let known = || own.iter().any(|(known, _)| known == other);
                if other != task && !known() && (all || touched.conflicts(footprint)) {
                    own.push((*other, number[earlier]));
                }
            }
            let steps_of_task = needs.entry(*task).or_default();
            steps_of_task.push(own);
            number.push(steps_of_task.len());
        }
        Self { needs, taken: BTreeMap::new(), left: steps.len() }
    }

    /// Whether `task` may take its next step: everything has been taken that must come before.
    pub fn allows(&self, task: TaskId) -> bool {
        self.next(task).is_some_and(|needs| needs.iter().all(|&(other, count)| self.taken(other) >= count))
    }

    /// The tasks that must take further steps before `task` may take its next one.
    pub fn missing(&self, task: TaskId) -> impl Iterator<Item = TaskId> {
        let needs = self.next(task).into_iter().flatten();
        needs.filter(|&&(other, count)| self.taken(other) < count).map(|&(other, _)| other)
    }

    /// `task`, which was allowed to, has taken a step.
    pub fn took(&mut self, task: TaskId) {
        assert!(self.left > 0, "no more steps are taken than there were");
        *self.taken.entry(task).or_default() += 1;
        self.left -= 1;
    }

    /// How many steps are left to take.
    pub fn left(&self) -> usize {
        self.left
    }

    fn taken(&self, task: TaskId) -> usize {
        self.taken.get(&task).copied().unwrap_or(0)
    }

    fn next(&self, task: TaskId) -> Option<&Needs> {
        self.needs.get(&task)?.get(self.taken(task))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::choice::Moment;
    use crate::rng::Rng;
    use crate::system::System;
    use crate::toy::{self, Op::*, Program, Toy};
    use proptest::prelude::*;

    /// A random execution.
    pub(crate) fn random<'p>(program: &'p Program, seed: u64) -> (Vec<(TaskId, Footprint)>, Toy<'p>) {
        let (mut rng, mut toy, mut steps) = (Rng::new(seed), Toy::new(program), Vec::new());
        while !toy.enabled().is_empty() {
            let task = toy.enabled()[rng.below(toy.enabled().len())];
            steps.push((task, toy.pending(task).clone()));
            toy.step(task).unwrap();
        }
        (steps, toy)
    }

    /// An equivalent execution in the default order as far as that is allowed, and the tasks that took its steps.
    pub(crate) fn simplest<'p>(program: &'p Program, steps: &[(TaskId, Footprint)]) -> Toy<'p> {
        let (mut precedence, mut toy) = (Precedence::of(steps), Toy::new(program));
        while precedence.left() > 0 {
            let default = toy.order.next(toy.enabled()).expect("steps are left");
            let allowed = |task: &TaskId| precedence.allows(*task);
            let task = Some(default).filter(allowed).or_else(|| toy.enabled().iter().find(allowed));
            let task = task.expect("the least step of the other execution is allowed");
            precedence.took(task);
            toy.step(task).unwrap();
        }
        toy
    }

    /// Two tasks that read, then write, one cell. By default the newer one, `b`, begins. Reads commute, so that it may
    /// read first although `a` did; then it has to let `a` write.
    #[test]
    fn what_commutes_is_put_in_the_default_order() {
        let program = Program::family([vec![Read(0), Write(0)], vec![Read(0), Write(0)]]);
        let [a, b] = [1, 2].map(TaskId::new);
        let steps = [(a, read()), (b, read()), (a, write()), (b, write())];
        assert_eq!(simplest(&program, &steps).trace(), [b, a, a, b]);
        let mut precedence = Precedence::of(&steps);
        assert!(precedence.allows(a) && precedence.allows(b));
        precedence.took(b);
        assert!(precedence.allows(a) && !precedence.allows(b));
        assert_eq!(precedence.missing(b).collect::<Vec<_>>(), [a]);
    }

    fn read() -> Footprint {
        Footprint::from_iter([crate::Access::whole(crate::Location(0), crate::Kind::Read)])
    }

    fn write() -> Footprint {
        Footprint::from_iter([crate::Access::whole(crate::Location(0), crate::Kind::Write)])
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn equivalent_executions_have_the_same_outcome(program in toy::any_program(), seed: u64) {
            let (steps, toy) = random(&program, seed);
            let again = simplest(&program, &steps);
            prop_assert_eq!(again.outcome(), toy.outcome());
            prop_assert_eq!(again.trace().len(), toy.trace().len());
        }
    }
}
