//! What changed since the points that a search may come back to, so that going back costs what was done since.
//!
//! Contents, tasks and the set of enabled tasks are put back one by one, the last change first. The alternative is a copy
//! of the table of tasks at every point, which costs more the more tasks there are; ARCHITECTURE.md has the figures.

use std::sync::Arc;

use forkcheck_model::operators::GeneratorState;
use forkcheck_model::slot::{Slot, SlotId};
use forkcheck_model::tensor::{Content, Metadata, Storage, Tensor};
use forkcheck_model::value::{Await, Awaited, Dict, DictContent, Generator, List, ListContent, Object, Value};
use forkcheck_scheduler::TaskId;
use rustc_hash::FxHashSet;

use super::Machine;
use super::access::Thing;
use super::task::Task;

/// What was replaced, in the order in which it was.
#[derive(Debug, Default)]
pub(super) struct Log {
    slots: Vec<Saved>,
    tasks: Vec<(TaskId, Option<Arc<Task>>)>,
    /// Tasks that became enabled, or (with the place they had) ceased to be.
    enabled: Vec<(TaskId, Option<usize>)>,
    /// Slots saved since the last point: another write needs no second saving.
    since_mark: FxHashSet<SlotId>,
    /// Grows with every point and every return. A task of this epoch was saved since. There is no point in epoch 0.
    epoch: u64,
}

/// A point in the log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    slots: usize,
    tasks: usize,
    enabled: usize,
}

/// A slot and its old content.
#[derive(Debug)]
enum Saved {
    Storage(Storage, Arc<Content>),
    Shape(Tensor, Arc<Metadata>),
    List(List, Arc<ListContent>),
    Dict(Dict, Arc<DictContent>),
    Object(Object, Arc<Vec<Value>>),
    Await(Await, Arc<Awaited>),
    Generator(Generator, Arc<GeneratorState>),
}

impl Log {
    /// Keeps a content that is about to be replaced.
    pub(super) fn save(&mut self, thing: &Thing) {
        if self.epoch > 0 && self.since_mark.insert(thing.slot()) {
            self.slots.extend(Saved::of(thing));
        }
    }

    /// Keeps a task that is about to be changed.
    pub(super) fn save_task(&mut self, task: &mut Arc<Task>) {
        if task.epoch != self.epoch {
            self.tasks.push((task.id, Some(task.clone())));
            Arc::make_mut(task).epoch = self.epoch;
        }
    }

    /// Notes that a task was made, and gives it the epoch.
    pub(super) fn born(&mut self, task: &mut Task) {
        task.epoch = self.epoch;
        if self.epoch > 0 {
            self.tasks.push((task.id, None));
        }
    }

    /// Notes that a task became enabled, or ceased to be and had this place.
    pub(super) fn enabled(&mut self, task: TaskId, place: Option<usize>) {
        if self.epoch > 0 {
            self.enabled.push((task, place));
        }
    }

    /// A point to come back to.
    pub(super) fn mark(&mut self) -> Point {
        self.next_epoch();
        Point { slots: self.slots.len(), tasks: self.tasks.len(), enabled: self.enabled.len() }
    }

    /// Whether it is time for a check: as often as the number of points and returns has another digit.
    pub(super) fn is_due(&self) -> bool {
        self.epoch.is_power_of_two()
    }

    fn next_epoch(&mut self) {
        self.since_mark.clear();
        self.epoch += 1;
    }
}

impl Machine {
    /// Puts everything back that was changed since the point.
    pub(super) fn put_back(&mut self, point: Point) {
        let log = self.undo.as_mut().expect("a search keeps what it will put back");
        log.next_epoch();
        for saved in log.slots.drain(point.slots..).rev() {
            let slot = saved.put_back();
            self.heap.get_mut().changed(slot);
        }
        for (id, old) in log.tasks.drain(point.tasks..).rev() {
            let task = &mut self.tasks[id.index()];
            if let Some(now) = task {
                self.ready.set(now.age, false);
            }
            if let Some(old) = &old {
                self.ready.set(old.age, old.is_ready());
            }
            *task = old;
        }
        for (task, place) in log.enabled.drain(point.enabled..).rev() {
            match place {
                None => assert!(self.enabled.remove(task), "a task that became enabled was so"),
                Some(place) => self.enabled.insert_at(task, place),
            }
        }
    }
}

impl Saved {
    fn of(thing: &Thing) -> Option<Saved> {
        Some(match thing {
            Thing::Storage(storage) => Saved::Storage(storage.clone(), storage.content()),
            Thing::Shape(tensor) => Saved::Shape(tensor.clone(), tensor.metadata()),
            Thing::List(list) => Saved::List(list.clone(), list.content()),
            Thing::Dict(dict) => Saved::Dict(dict.clone(), dict.content()),
            Thing::Attribute(object, _) => Saved::Object(object.clone(), object.slot().get()),
            Thing::Await(awaited) => Saved::Await(awaited.clone(), awaited.content()),
            Thing::Generator(generator) => Saved::Generator(generator.clone(), generator.content()),
            // What was printed is cut back to its old length, and no operator we execute sets process flags.
            Thing::Stdout | Thing::ProcessFlags => return None,
        })
    }

    fn put_back(self) -> SlotId {
        match self {
            Saved::Storage(handle, content) => put(handle.slot(), content),
            Saved::Shape(handle, content) => put(handle.slot(), content),
            Saved::List(handle, content) => put(handle.slot(), content),
            Saved::Dict(handle, content) => put(handle.slot(), content),
            Saved::Object(handle, content) => put(handle.slot(), content),
            Saved::Await(handle, content) => put(handle.slot(), content),
            Saved::Generator(handle, content) => put(handle.slot(), content),
        }
    }
}

fn put<T>(slot: &Slot<T>, content: Arc<T>) -> SlotId {
    slot.set(content);
    slot.id()
}
