//! What a first execution showed: how many steps each task takes, and what must happen before each of them.
//!
//! Strategies that draw executions with known chances need to know how much is still to come. Only visible steps
//! count, those that touch something.

mod left;
mod sums;

pub(crate) use left::{Before, Left};

use crate::happens_before::Clock;
use crate::system::System;
use crate::task::TaskId;

/// Steps, and what happens before them by program order, fork and wait.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    tasks: Vec<Task>,
    steps: usize,
}

/// One task, as far as it was seen.
#[derive(Debug, Clone, Default)]
struct Task {
    /// Whether `origin` and what follows from it is known.
    born: bool,
    /// The nearest ancestor that takes steps before the forks that lead here.
    origin: Option<Origin>,
    /// How many steps of ancestors come before its first, by forks.
    above: usize,
    /// How many origins lie above.
    depth: u32,
    /// An older origin of its origins, or its own, placed so that a search takes a logarithm of the depth (Myers,
    /// 1983).
    jump: Option<TaskId>,
    /// Its steps, in groups that know the same of other tasks.
    stages: Vec<Stage>,
    /// For each of its segments with steps: its number, and how many steps the task had taken at its end.
    segments: Vec<(u32, u32)>,
}

/// A part of an ancestor that comes before all steps of a task.
#[derive(Debug, Clone, Copy)]
struct Origin {
    task: TaskId,
    /// Its first steps, as many as these; more than none.
    steps: usize,
}

/// Steps of one task between two waits.
#[derive(Debug, Clone)]
struct Stage {
    /// The first of them; the next stage begins where this one ends.
    from: usize,
    /// The tasks that have ended before, as intervals of numbers.
    done: Vec<(u32, u32)>,
    /// Tasks of which waits for others taught a part, and how many steps that is.
    parts: Vec<(TaskId, usize)>,
}

/// A step, by its task and how many steps the task takes before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) task: TaskId,
    pub(crate) index: usize,
}

impl Profile {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs one execution of `system` to its end, or to a limit, and notes all its steps.
    pub fn of<S: System>(system: &mut S) -> Self {
        let mut profile = Self::new();
        // The newest goes first, as far as that costs nothing to find: it matters for programs alone whose steps depend
        // on their order.
        while let Some(&task) = system.enabled().as_slice().last() {
            profile.step(task, system.clock(task));
            if system.step(task).is_err() {
                break;
            }
        }
        profile
    }

    /// Notes the next step of a task, and what is known at it. To be called in the order of an execution.
    pub fn step(&mut self, task: TaskId, clock: &Clock) {
        assert_eq!(clock.task(), task, "the clock is the task's own");
        self.bear(clock);
        let count = self.steps_of(task);
        let new_segment = self.tasks[task.index()].segments.last().is_none_or(|&(last, _)| last != clock.segment());
        if new_segment {
            self.tasks[task.index()].segments.push((clock.segment(), count as u32));
            let parts = clock.parts().iter().map(|&(other, segment)| (other, self.steps_through(other, segment)));
            let parts: Vec<_> = parts.filter(|&(_, steps)| steps > 0).collect();
            let stages = &mut self.tasks[task.index()].stages;
            if stages.last().is_none_or(|last| last.done != clock.completed_spans() || last.parts != parts) {
                stages.push(Stage { from: count, done: clock.completed_spans().to_vec(), parts });
            }
        }
        self.tasks[task.index()].segments.last_mut().expect("just pushed").1 += 1;
        self.steps += 1;
    }

    /// How many steps there are.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// One more than the greatest number of a task that steps or has a descendant that does.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// How many steps a task takes.
    pub fn steps_of(&self, task: TaskId) -> usize {
        let segments = self.tasks.get(task.index()).map(|task| task.segments.as_slice());
        segments.and_then(|segments| segments.last()).map_or(0, |&(_, steps)| steps as usize)
    }

    /// How many steps a task takes in its segments up to this one.
    fn steps_through(&self, task: TaskId, segment: u32) -> usize {
        let Some(task) = self.tasks.get(task.index()) else { return 0 };
        let after = task.segments.partition_point(|&(number, _)| number <= segment);
        after.checked_sub(1).map_or(0, |last| task.segments[last].1 as usize)
    }

    /// The stage of a step.
    fn stage(&self, step: Step) -> &Stage {
        let stages = &self.tasks[step.task.index()].stages;
        &stages[stages.partition_point(|stage| stage.from <= step.index) - 1]
    }

    /// Whether no wait lies between a step and a later one of the same task.
    pub(crate) fn same_stage(&self, earlier: usize, later: Step) -> bool {
        let stages = &self.tasks[later.task.index()].stages;
        stages.len() == 1 || self.stage(later).from <= earlier
    }

    /// The nearest ancestor that takes steps before the forks that lead to `task`, and how many.
    fn origin(&self, task: TaskId) -> Option<(TaskId, usize)> {
        self.tasks[task.index()].origin.map(|Origin { task, steps }| (task, steps))
    }

    /// How many steps of ancestors come before the first of `task`, by forks.
    fn above(&self, task: TaskId) -> usize {
        self.tasks[task.index()].above
    }

    /// Notes where a task and its ancestors come from.
    fn bear(&mut self, clock: &Clock) {
        if self.tasks.len() <= clock.task().index() {
            self.tasks.resize(clock.task().index() + 1, Task::default());
        }
        let mut unknown = Vec::new();
        let (mut child, mut forks) = (clock.task(), clock.forks());
        while !self.tasks[child.index()].born {
            let fork = forks.next();
            unknown.push((child, fork));
            let Some((parent, _)) = fork else { break };
            child = parent;
        }
        for (child, fork) in unknown.into_iter().rev() {
            let origin = fork.and_then(|(parent, segment)| match self.steps_through(parent, segment) {
                // Where the parent comes from is where the child comes from.
                0 => self.tasks[parent.index()].origin,
                steps => Some(Origin { task: parent, steps }),
            });
            let jump = origin.map(|origin| self.jump_over(origin.task));
            let (above, depth) = origin.map_or((0, 0), |Origin { task, steps }| {
                (self.tasks[task.index()].above + steps, self.tasks[task.index()].depth + 1)
            });
            let task = &mut self.tasks[child.index()];
            (task.born, task.origin, task.above, task.depth, task.jump) = (true, origin, above, depth, jump);
        }
    }

    /// Where a task jumps to whose origin is `up`: two jumps of equal length are joined to one.
    fn jump_over(&self, up: TaskId) -> TaskId {
        let depth = |task: TaskId| self.tasks[task.index()].depth;
        let jump = |task: TaskId| self.tasks[task.index()].jump;
        match jump(up).and_then(|near| Some((near, jump(near)?))) {
            Some((near, far)) if depth(up) - depth(near) == depth(near) - depth(far) => far,
            _ => up,
        }
    }

    /// Goes from a task up its origins as long as `further` says so of the next one. It must be true of all below one,
    /// and false of all above.
    fn climb(&self, from: TaskId, further: impl Fn(TaskId) -> bool) -> TaskId {
        let mut at = from;
        loop {
            let task = &self.tasks[at.index()];
            at = match (task.jump, task.origin) {
                (Some(jump), _) if further(jump) => jump,
                (_, Some(origin)) if further(origin.task) => origin.task,
                _ => return at,
            };
        }
    }
}
