//! What is left of a profile while an execution goes on, and what of it must happen before a certain step.

use crate::profile::sums::Sums;
use crate::profile::{Profile, Stage, Step};
use crate::task::TaskId;

/// The steps that are known from a profile and not taken yet.
#[derive(Debug)]
pub(crate) struct Left {
    /// By task: steps that are left, and steps taken.
    counts: Vec<(u32, u32)>,
    /// The steps that are left once more.
    sums: Sums,
}

impl Left {
    /// Everything.
    pub(crate) fn new(profile: &Profile) -> Self {
        let counts = || (0..profile.tasks()).map(|task| profile.steps_of(TaskId::new(task as u32)));
        Self { counts: counts().map(|count| (count as u32, 0)).collect(), sums: Sums::new(counts()) }
    }

    /// How many steps are left.
    #[inline]
    pub(crate) fn total(&self) -> usize {
        self.sums.total()
    }

    /// How many steps are left of a task.
    #[inline]
    pub(crate) fn of(&self, task: TaskId) -> usize {
        self.counts.get(task.index()).map_or(0, |&(left, _)| left as usize)
    }

    /// How many steps a task has taken, and so the index of its next one.
    #[inline]
    pub(crate) fn taken(&self, task: TaskId) -> usize {
        self.counts.get(task.index()).map_or(0, |&(_, taken)| taken as usize)
    }

    /// Takes the next step of a task.
    pub(crate) fn take(&mut self, task: TaskId) {
        let Some((left, taken)) = self.counts.get_mut(task.index()) else { return };
        *taken += 1;
        if *left > 0 {
            *left -= 1;
            self.sums.lower(task.index());
        }
    }

    /// The n-th of the steps that are left, ascending by task.
    pub(crate) fn nth(&self, n: usize) -> Step {
        let (task, nth) = self.sums.find(n);
        let task = TaskId::new(task as u32);
        Step { task, index: self.taken(task) + nth }
    }
}

impl Clone for Left {
    fn clone(&self) -> Self {
        Self { counts: self.counts.clone(), sums: self.sums.clone() }
    }

    /// Keeps the room.
    fn clone_from(&mut self, other: &Self) {
        self.counts.clone_from(&other.counts);
        self.sums.clone_from(&other.sums);
    }
}

/// The steps that are left and happen before a certain step.
#[derive(Debug)]
pub(crate) struct Before<'a> {
    profile: &'a Profile,
    left: &'a Left,
    step: Step,
    stage: &'a Stage,
    /// The oldest of the task and its origins whose own origin has begun, or that has none.
    begun: TaskId,
    /// All of them. Those of tasks that a future without nesting taught of may be counted twice.
    count: usize,
}

impl<'a> Before<'a> {
    pub(crate) fn new(profile: &'a Profile, left: &'a Left, step: Step) -> Self {
        let stage = profile.stage(step);
        let begun = profile.climb(step.task, |task| left.taken(task) == 0);
        let mut before = Self { profile, left, step, stage, begun, count: 0 };
        before.count = before.own()
            + stage.done.iter().map(|&span| before.in_span(span)).sum::<usize>()
            + stage.parts.iter().map(|&(task, steps)| before.in_part(task, steps)).sum::<usize>()
            + before.in_origin()
            + before.in_origins();
        before
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The n-th of them.
    pub(crate) fn nth(&self, mut n: usize) -> Step {
        assert!(n < self.count, "there are more than {n} steps before");
        let next = |task| self.left.taken(task);
        if n < self.own() {
            return Step { task: self.step.task, index: next(self.step.task) + n };
        }
        n -= self.own();
        for &(start, end) in &self.stage.done {
            let here = self.in_span((start, end));
            if n < here {
                return self.left.nth(self.left.sums.below(start as usize) + n);
            }
            n -= here;
        }
        for &(task, steps) in &self.stage.parts {
            let here = self.in_part(task, steps);
            if n < here {
                return Step { task, index: next(task) + n };
            }
            n -= here;
        }
        if n < self.in_origin() {
            let task = self.profile.origin(self.begun).expect("steps of it are left").0;
            return Step { task, index: next(task) + n };
        }
        // The origins below have not begun: their steps are counted from the oldest on.
        let n = n - self.in_origin() + self.profile.above(self.begun);
        let child = self.profile.climb(self.step.task, |task| self.profile.above(task) > n);
        let task = self.profile.origin(child).expect("steps of it are left").0;
        Step { task, index: n - self.profile.above(task) }
    }

    /// Earlier steps of the same task.
    fn own(&self) -> usize {
        self.step.index.saturating_sub(self.left.taken(self.step.task))
    }

    fn in_span(&self, (start, end): (u32, u32)) -> usize {
        self.left.sums.below(end as usize) - self.left.sums.below(start as usize)
    }

    fn in_part(&self, task: TaskId, steps: usize) -> usize {
        steps.saturating_sub(self.left.taken(task))
    }

    /// The rest of what an origin that has begun, or the last one, does before its forks lead here.
    fn in_origin(&self) -> usize {
        self.profile.origin(self.begun).map_or(0, |(task, steps)| self.in_part(task, steps))
    }

    /// What the origins below do that have not begun.
    fn in_origins(&self) -> usize {
        self.profile.above(self.step.task) - self.profile.above(self.begun)
    }
}
