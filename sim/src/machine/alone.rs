//! One task driven by itself, for a model checker that runs each task on a thread of its own.
//!
//! In a search every task runs on to its next racing access by itself. Here whoever drives a task is told of all that
//! concerns other tasks, forks and waits too, so that another's threads, locks and signals can stand for them.

use forkcheck_model::graph::NodeKind;
use forkcheck_model::value::Value;
use forkcheck_scheduler::{Location, TaskId};

use super::access::Touches;
use super::code::Action;
use super::{Flow, Machine, State};
use crate::execution::Cut;
use crate::explore::loom::{Alone, Next};

impl Alone for Machine {
    fn advance(&mut self, id: TaskId) -> Next {
        let program = self.program.clone();
        while self.cut.is_none() && self.is_ready(id) {
            if let Some(target) = self.awaited(id) {
                return Next::Waits(target);
            }
            let (site, _, touches) = self.upcoming(id);
            let locations = self.hot_of(&touches);
            if !locations.is_empty() {
                return Next::Touches(locations);
            }
            if let Flow::Forked(child) = self.perform(&program.codes, id, site, &touches, false) {
                return Next::Forked(child);
            }
        }
        Next::Over
    }

    fn touches_only(&self, id: TaskId, locations: &[Location]) -> bool {
        self.hot_of(&self.upcoming(id).2).iter().all(|location| locations.contains(location))
    }

    fn take(&mut self, id: TaskId) -> Next {
        let (site, phase, touches) = self.upcoming(id);
        if self.is_hot(&touches) {
            self.order.push(id);
        }
        let half = phase == 0 && self.splits(id, &touches);
        self.perform(&self.program.clone().codes, id, site, &touches, half);
        self.advance(id)
    }

    fn stop(&mut self, cut: Cut) {
        Machine::stop(self, cut);
    }

    fn conclude(&mut self) {
        Machine::conclude(self);
    }
}

impl Machine {
    /// The hot locations among these, ascending.
    fn hot_of(&self, touches: &Touches) -> Vec<Location> {
        let locations = touches.iter().map(|touch| touch.thing.location());
        let mut locations: Vec<_> = locations.filter(|location| self.hot.contains(location)).collect();
        locations.sort_unstable();
        locations.dedup();
        locations
    }

    /// The task whose end the next step waits for, if it is a wait.
    fn awaited(&self, id: TaskId) -> Option<TaskId> {
        let task = self.task(id);
        if !matches!(task.state, State::Ready) {
            return None;
        }
        let frame = task.frame();
        let instruction = &frame.code.instructions[frame.next];
        match (&instruction.action, instruction.inputs.first().map(|&input| &frame.registers[input as usize])) {
            (Action::Node(NodeKind::Wait), Some(Value::Future(future))) => Some(TaskId::new(future.task())),
            _ => None,
        }
    }
}
