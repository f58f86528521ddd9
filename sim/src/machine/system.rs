//! The machine as a search sees it: steps at racing locations, points to come back to.

use std::collections::BTreeSet;
use std::sync::Arc;

use forkcheck_scheduler::{Clock, Enabled, Footprint, Moment, Refused, System, TaskId};

use super::access::{self, Touches};
use super::code::Action;
use super::{Flow, Looks, Machine, Task, undo};
use crate::config::Atomicity;
use forkcheck_model::graph::NodeKind;

/// A point of an execution that a search can come back to.
#[derive(Debug)]
pub struct Mark {
    tasks: Vec<Option<Arc<Task>>>,
    ready: BTreeSet<(u32, TaskId)>,
    created: u32,
    printed: usize,
    steps: u64,
    looks: Looks,
    parked: std::collections::BTreeMap<TaskId, Footprint>,
    enabled: Enabled,
    order: usize,
    undo: usize,
    shadow: usize,
    joined: usize,
}

impl Machine {
    /// Gets ready to be searched: every task runs until it is about to touch a hot location.
    #[must_use]
    pub fn into_search(mut self) -> Self {
        self.undo = Some(undo::Log::default());
        self.settle(vec![TaskId::MAIN]);
        self.woken = self.enabled.iter().collect();
        self
    }

    /// Lets the task take the step that it is parked at, and then everything run on to the next hot locations.
    fn step_parked(&mut self, id: TaskId) {
        assert!(self.parked.remove(&id).is_some(), "a search picks a task that is enabled");
        self.enabled.remove(id);
        self.woken.clear();
        let (site, phase, touches) = self.upcoming(id);
        let half = phase == 0 && self.splits(id, &touches);
        let mut on = vec![id];
        match self.perform(id, site, touches, half) {
            Flow::Next => {}
            Flow::Forked(child) => on.push(child),
            Flow::Waits => on.clear(),
            Flow::Ended(woken) => on = woken,
        }
        self.settle(on);
        self.woken.retain(|&woken| woken != id);
    }

    /// Lets these tasks, and those that they fork or wake, run until each is parked, waits or has ended. What they
    /// touch on the way nobody races for, so the order does not matter.
    fn settle(&mut self, mut on: Vec<TaskId>) {
        while let Some(mut id) = on.pop() {
            while self.cut.is_none() && self.is_ready(id) {
                let (site, _, touches) = self.upcoming(id);
                if self.is_hot(&touches) {
                    self.parked.insert(id, access::footprint(&touches));
                    self.enabled.insert(id);
                    self.woken.push(id);
                    break;
                }
                match self.perform(id, site, touches, false) {
                    Flow::Next => {}
                    Flow::Forked(child) => {
                        on.push(id);
                        id = child;
                    }
                    Flow::Waits => break,
                    Flow::Ended(woken) => on.extend(woken),
                }
            }
        }
        if self.cut.is_some() {
            self.enabled.clear();
        }
        self.conclude();
    }

    /// Whether the next step of the task takes two: an operator that reads and writes where others race.
    pub(super) fn splits(&self, id: TaskId, touches: &Touches) -> bool {
        self.atomicity == Atomicity::Split && self.may_split(id) && {
            let hot = |touch: &&access::Touch| self.hot.contains(&touch.thing.location());
            let data =
                |touch: &&access::Touch| matches!(touch.thing, access::Thing::Storage(_) | access::Thing::List(_));
            let reads = touches.iter().filter(hot).filter(data).any(|touch| touch.access.reads());
            let writes = touches.iter().filter(hot).filter(data).any(|touch| touch.access.writes());
            reads && writes
        }
    }

    /// Whether the next step is an operator that can be done in two halves: a tensor operator, or `append`. Generators
    /// are locked, and so are the other operators on containers.
    pub(super) fn may_split(&self, id: TaskId) -> bool {
        let Some(frame) = self.task(id).frames.last() else { return false };
        match &frame.code.instructions[frame.next].action {
            Action::Node(NodeKind::Operator(operator)) => operator.splits(),
            _ => false,
        }
    }
}

impl Moment for Machine {
    fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    fn woken(&self) -> &[TaskId] {
        &self.woken
    }

    fn pending(&self, task: TaskId) -> &Footprint {
        &self.parked[&task]
    }

    fn order(&self) -> &[TaskId] {
        &self.order
    }

    fn default_next(&self) -> Option<TaskId> {
        // Numbers stem from an execution in the default order, so the smaller of two tasks that can go went first there.
        let last = self.order.last().copied().filter(|&task| self.enabled.contains(task));
        last.or_else(|| self.enabled.iter().min())
    }
}

impl System for Machine {
    type Mark = Mark;

    fn step(&mut self, task: TaskId) -> Result<(), Refused> {
        self.order.push(task);
        self.step_parked(task);
        if self.cut.is_some() { Err(Refused) } else { Ok(()) }
    }

    fn mark(&mut self) -> Mark {
        Mark {
            tasks: self.tasks.clone(),
            ready: self.ready.clone(),
            created: self.created,
            printed: self.printed.len(),
            steps: self.steps,
            looks: self.looks.clone(),
            parked: self.parked.clone(),
            enabled: self.enabled.clone(),
            order: self.order.len(),
            undo: self.undo.as_mut().expect("a search keeps what it will put back").mark(),
            shadow: self.shadow.mark(),
            joined: self.joined.len(),
        }
    }

    fn rewind(&mut self, mark: &Mark) {
        self.undo.as_mut().expect("a search keeps what it will put back").rewind(mark.undo);
        self.shadow.rewind(mark.shadow);
        self.joined.truncate(mark.joined);
        self.tasks.clone_from(&mark.tasks);
        self.ready.clone_from(&mark.ready);
        self.created = mark.created;
        self.printed.truncate(mark.printed);
        self.steps = mark.steps;
        self.order.truncate(mark.order);
        self.cut = None;
        self.looks = mark.looks.clone();
        self.parked.clone_from(&mark.parked);
        self.enabled.clone_from(&mark.enabled);
    }

    fn clock(&self, task: TaskId) -> &Clock {
        &self.task(task).clock
    }

    fn digest(&self) -> Option<u128> {
        None
    }
}
