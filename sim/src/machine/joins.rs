//! What the machine has to say of its forks and waits; [`check::joins`](crate::check::joins) says what is wrong with them.

use forkcheck_model::value::{Awaited, Value};
use forkcheck_scheduler::TaskId;
use forkcheck_scheduler::pool::Join;
use rustc_hash::FxHashSet;

use super::Machine;
use super::task::State;
use crate::check::joins::{self, Joined};
use crate::execution::Site;

impl Machine {
    pub(super) fn note_join(&mut self, task: TaskId, join: Join, site: Site) {
        let calls = self.task(task).calls.clone();
        self.joined.push(Joined { task, join, site, calls });
    }

    /// `id` has just begun to wait.
    pub(super) fn find_deadlock(&mut self, id: TaskId) {
        self.judge(|machine, findings| joins::find_deadlock(machine, id, findings));
    }

    /// Says what is wrong with an execution if it is over.
    pub(crate) fn conclude(&mut self) {
        if self.cut.is_some() || !self.ready.is_empty() {
            return;
        }
        let held = self.held_by_caller();
        self.judge(|machine, findings| joins::conclude(machine, &machine.joined, &held, findings));
    }

    /// The tasks whose futures the caller can reach when all is over: in the result, an argument or the module, or in the
    /// result of another such task.
    fn held_by_caller(&self) -> FxHashSet<TaskId> {
        let mut held = FxHashSet::default();
        let mut seen = FxHashSet::default();
        let mut stack = self.entry.clone();
        stack.extend(self.result(TaskId::MAIN).cloned());
        while let Some(value) = stack.pop() {
            match &value {
                Value::Future(future) => {
                    let task = TaskId::new(future.task());
                    if held.insert(task) {
                        stack.extend(self.result(task).cloned());
                    }
                }
                Value::Tuple(items) => stack.extend(items.iter().cloned()),
                Value::List(list) if seen.insert(list.id()) => stack.extend(list.content().items.iter().cloned()),
                Value::Dict(dict) if seen.insert(dict.id()) => stack.extend(dict.content().entries.values().cloned()),
                Value::Object(object) if seen.insert(object.id()) => stack.extend(object.slot().get().iter().cloned()),
                Value::Await(awaited) if seen.insert(awaited.id()) => match &*awaited.content() {
                    Awaited::Done(value) => stack.push(value.clone()),
                    Awaited::Pending { captures, .. } => stack.extend(captures.iter().cloned()),
                },
                _ => {}
            }
        }
        held
    }

    fn result(&self, task: TaskId) -> Option<&Value> {
        match &self.task(task).state {
            State::Ended(Ok(value)) => Some(value),
            _ => None,
        }
    }
}
