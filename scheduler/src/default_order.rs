//! The default order D, from which every schedule is a list of deviations: child first.
//!
//! At a fork go to the child; otherwise stay with the current task while it can go; otherwise go to the most recently
//! created task that can. It is the order of eager mode, where a body runs at its fork, and it is fixed for ever: a
//! schedule string of today must mean the same tomorrow.

use crate::enabled::Enabled;
use crate::task::TaskId;

/// Where one execution stands in the default order.
///
/// Tell it of every fork and every step, in whatever order the tasks go. "Recently" is by creation in *this*
/// execution: the numbers of tasks stem from an earlier one, perhaps in another process.
#[derive(Debug, Clone)]
pub struct DefaultOrder {
    /// In order of creation.
    created: Vec<TaskId>,
    /// The place in `created`, by task; `UNBORN` if it is not there.
    rank: Vec<u32>,
    state: State,
}

/// What changes with every step.
#[derive(Debug, Clone, Copy)]
struct State {
    last: Option<TaskId>,
    /// The child that the last step forked.
    child: Option<TaskId>,
}

/// A moment to return to.
#[derive(Debug, Clone, Copy)]
pub struct OrderMark {
    created: usize,
    state: State,
}

const UNBORN: u32 = u32::MAX;

impl DefaultOrder {
    /// The beginning: main alone.
    pub fn new() -> Self {
        Self { created: vec![TaskId::MAIN], rank: vec![0], state: State { last: None, child: None } }
    }

    /// `task` took a step.
    pub fn stepped(&mut self, task: TaskId) {
        self.state = State { last: Some(task), child: None };
    }

    /// The task that stepped last has forked `child` in that step.
    pub fn forked(&mut self, child: TaskId) {
        if self.rank.len() <= child.index() {
            self.rank.resize(child.index() + 1, UNBORN);
        }
        assert_eq!(self.rank[child.index()], UNBORN, "{child} is created once");
        self.rank[child.index()] = u32::try_from(self.created.len()).expect("fewer than 2^32 tasks");
        self.created.push(child);
        self.state.child = Some(child);
    }

    /// The task that stepped last.
    pub fn last(&self) -> Option<TaskId> {
        self.state.last
    }

    /// Who goes next by default, among the enabled tasks; `None` if there are none.
    pub fn next(&self, enabled: &Enabled) -> Option<TaskId> {
        let can_go = |task: &TaskId| enabled.contains(*task);
        let State { last, child } = self.state;
        child.filter(can_go).or(last.filter(can_go)).or_else(|| enabled.iter().max_by_key(|t| self.rank[t.index()]))
    }

    /// Remembers this moment.
    pub fn mark(&self) -> OrderMark {
        OrderMark { created: self.created.len(), state: self.state }
    }

    /// Returns to an earlier moment.
    pub fn rewind(&mut self, mark: &OrderMark) {
        for unborn in self.created.drain(mark.created..) {
            self.rank[unborn.index()] = UNBORN;
        }
        self.state = mark.state;
    }
}

impl Default for DefaultOrder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(order: &DefaultOrder, enabled: &[u32], expected: u32) {
        let enabled: Enabled = enabled.iter().copied().map(TaskId::new).collect();
        assert_eq!(order.next(&enabled), Some(TaskId::new(expected)), "among {enabled:?}");
    }

    #[test]
    fn child_then_current_then_newest() {
        let mut order = DefaultOrder::new();
        check(&order, &[0], 0);
        order.stepped(TaskId::MAIN);
        // Task 7 is created before task 3: an earlier execution numbered them.
        order.forked(TaskId::new(7));
        check(&order, &[0, 7], 7);
        check(&order, &[0], 0);
        let mark = order.mark();
        order.stepped(TaskId::MAIN);
        check(&order, &[0, 7], 0);
        order.forked(TaskId::new(3));
        order.stepped(TaskId::MAIN);
        check(&order, &[3, 7], 3);
        order.rewind(&mark);
        check(&order, &[0, 7], 7);
        assert_eq!(order.last(), Some(TaskId::MAIN));
        order.forked(TaskId::new(3));
        assert_eq!(order.next(&Enabled::new()), None);
    }
}
