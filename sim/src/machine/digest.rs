//! A hash of the whole state of an execution: equal states have equal ones, however they were reached.
//!
//! Two states with equal digests have the same future: the same outcomes, and the same findings. So a digest covers what
//! any task can still read, and what each task did that a later access could race with (its *deeds*); a value that was
//! read and is no longer held is in neither, which is what lets states merge. Things count by their names, which are the
//! same in every execution and on every machine, never by address.
//!
//! A digest costs what changed since the one before. Each task keeps its own part until it changes. Of what was there
//! before the run, most of it the weights of a model, only what was written counts, by how it differs from the start.
//! What was made since is hashed when a task or such a thing holds it; the bytes of a storage keep their hash themselves.

use std::sync::OnceLock;

use forkcheck_model::slot::SlotId;
use forkcheck_model::value::{Awaited, Value};
use forkcheck_scheduler::TaskId;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::access::{Thing, Touch};
use super::task::{Returns, State, Store, Task};
use super::{Machine, Raised};
use crate::execution::Site;

/// The name of main's fork path.
pub(super) const MAIN: u64 = 0;

/// The name of a fork path, from that of the parent.
pub(super) fn name(parent: u64, callee: &str, occurrence: u32) -> u64 {
    let mut bytes: SmallVec<[u8; 64]> = SmallVec::new();
    bytes.extend_from_slice(&parent.to_le_bytes());
    bytes.extend_from_slice(&occurrence.to_le_bytes());
    bytes.extend_from_slice(callee.as_bytes());
    xxh3_64(&bytes)
}

/// A part of the digest, kept until what it is of changes. A changed copy begins without.
#[derive(Debug, Default)]
pub(super) struct Memo(OnceLock<Part>);

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Memo {
    pub(super) fn forget(&mut self) {
        self.0.take();
    }
}

/// The hash of a task or a thing, by the names of what it holds.
#[derive(Debug)]
struct Part {
    hash: u128,
    /// What it holds that was made during the run.
    made: SmallVec<[Thing; 2]>,
}

/// What was there before the run and was written since.
#[derive(Debug, Default)]
pub(super) struct Heap {
    places: FxHashMap<SlotId, usize>,
    written: Vec<Written>,
    /// Places in `written` that changed since the last digest.
    changed: Vec<usize>,
    /// The sum of how all of them differ from the start, as of the last digest.
    difference: u128,
}

#[derive(Debug)]
struct Written {
    thing: Thing,
    /// Its hash at the start.
    start: u128,
    /// As of the last digest.
    part: Part,
    changed: bool,
}

impl Heap {
    /// The slot has another content than at the last digest.
    pub(super) fn changed(&mut self, slot: SlotId) {
        if let Some(&place) = self.places.get(&slot) {
            let written = &mut self.written[place];
            if !std::mem::replace(&mut written.changed, true) {
                self.changed.push(place);
            }
        }
    }
}

impl Machine {
    /// In a search, keeps the content of a thing that is about to be written.
    pub(super) fn about_to_write(&mut self, thing: &Thing) {
        let Some(undo) = &mut self.undo else { return };
        undo.save(thing);
        let slot = thing.slot();
        if self.is_made(slot) || matches!(thing, Thing::Stdout | Thing::ProcessFlags) {
            return;
        }
        if !self.heap.get_mut().places.contains_key(&slot) {
            let part = self.part_of(thing);
            let heap = self.heap.get_mut();
            heap.places.insert(slot, heap.written.len());
            heap.written.push(Written { thing: thing.clone(), start: part.hash, part, changed: false });
        }
        self.heap.get_mut().changed(slot);
    }

    /// Whether the slot was made during the run.
    fn is_made(&self, slot: SlotId) -> bool {
        slot.owner() != u32::MAX && (slot.owner() != TaskId::MAIN.number() || slot.index() >= self.given)
    }

    /// The digest of the state; every task is parked, waits or has ended.
    pub(super) fn state_digest(&self) -> u128 {
        let mut seen = FxHashSet::default();
        let mut queue: Vec<Thing> = Vec::new();
        let mut sum = 0u128;
        for task in self.tasks.iter().flatten() {
            let part = task.memo.0.get_or_init(|| self.part_of_task(task));
            sum = sum.wrapping_add(part.hash);
            queue.extend(part.made.iter().cloned());
        }
        let mut heap = self.heap.borrow_mut();
        self.refresh(&mut heap);
        sum = sum.wrapping_add(heap.difference);
        queue.extend(heap.written.iter().flat_map(|written| written.part.made.iter().cloned()));
        drop(heap);
        while let Some(thing) = queue.pop() {
            if seen.insert(thing.slot()) {
                let part = self.part_of(&thing);
                sum = sum.wrapping_add(part.hash);
                queue.extend(part.made);
            }
        }
        match self.looks.at_return {
            Some(look) => xxh3_128([sum.to_le_bytes(), look.to_le_bytes()].as_flattened()),
            None => xxh3_128(&sum.to_le_bytes()),
        }
    }

    fn refresh(&self, heap: &mut Heap) {
        for place in heap.changed.drain(..) {
            let written = &mut heap.written[place];
            let part = self.part_of(&written.thing);
            let before = written.part.hash.wrapping_sub(written.start);
            let now = part.hash.wrapping_sub(written.start);
            heap.difference = heap.difference.wrapping_sub(before).wrapping_add(now);
            written.part = part;
            written.changed = false;
        }
    }

    /// In a search, adds accesses to the deeds of a task.
    pub(super) fn did(&mut self, id: TaskId, site: Site, touches: &[Touch]) {
        self.add_deed(id, site, |writer| {
            for touch in touches {
                writer.slot(touch.thing.slot());
                writer.hashed(&(touch.access as u8, &touch.region));
            }
        });
    }

    /// In a search, adds the fork of another task, or the wait for one, to the deeds of a task.
    pub(super) fn met(&mut self, id: TaskId, site: Site, other: TaskId) {
        self.add_deed(id, site, |writer| writer.task(other));
    }

    fn add_deed(&mut self, id: TaskId, site: Site, write: impl FnOnce(&mut Writer<'_>)) {
        if self.undo.is_some() {
            let task = self.task(id);
            let mut writer = Writer::new(self);
            writer.bytes.extend_from_slice(&task.deeds.to_le_bytes());
            writer.site(site);
            task.calls.iter().for_each(|&call| writer.site(call));
            write(&mut writer);
            let deeds = xxh3_128(&writer.bytes);
            self.task_mut(id).deeds = deeds;
        }
    }

    fn part_of_task(&self, task: &Task) -> Part {
        let mut writer = Writer::new(self);
        writer.number(task.name);
        writer.bytes.extend_from_slice(&task.deeds.to_le_bytes());
        match &task.state {
            State::Ready => writer.tag(0),
            // Whom it waits for, its next instruction says.
            State::Waiting(_) => writer.tag(1),
            State::Returned(result) => {
                writer.tag(2);
                writer.result(result);
            }
            State::Ended(result) => {
                writer.tag(3);
                writer.result(result);
                return writer.part();
            }
        }
        writer.number(task.allocator.count().into());
        let modes = &task.modes;
        writer.hashed(&[modes.grad, modes.inference, modes.autocast]);
        writer.frames(task);
        if let Some(store) = &task.store {
            writer.store(store);
        }
        writer.part()
    }

    fn part_of(&self, thing: &Thing) -> Part {
        let mut writer = Writer::new(self);
        writer.slot(thing.slot());
        writer.hashed(&std::mem::discriminant(thing));
        match thing {
            Thing::Storage(storage) => {
                let content = storage.slot().lock();
                writer.number(content.len() as u64);
                writer.bytes.extend_from_slice(&content.hash().to_le_bytes());
            }
            Thing::Shape(tensor) => {
                let metadata = tensor.slot().lock();
                writer.tag(metadata.dtype as u8);
                writer.tag(metadata.requires_grad.into());
                writer.hashed(&(metadata.layout.sizes(), metadata.layout.strides(), metadata.layout.offset()));
                if let Some(nested) = &metadata.nested {
                    writer.hashed(&nested.to_numbers().collect::<Vec<_>>());
                }
                writer.thing(Thing::Storage(metadata.storage.clone()));
            }
            Thing::List(list) => writer.values(&list.slot().lock().items),
            Thing::Dict(dict) => {
                let content = dict.slot().lock();
                let entries = content.entries.iter().flat_map(|(key, value)| [key.to_value(), value.clone()]);
                writer.values(&entries.collect::<Vec<_>>());
            }
            Thing::Attribute(object, _) => {
                writer.text(&object.class().name);
                writer.values(&object.slot().lock());
            }
            Thing::Await(awaited) => match &**awaited.slot().lock() {
                Awaited::Pending { body, captures } => {
                    writer.tag(0);
                    writer.number(body.0.into());
                    writer.values(captures);
                }
                Awaited::Done(value) => {
                    writer.tag(1);
                    writer.values(std::slice::from_ref(value));
                }
            },
            Thing::Generator(generator) => writer.bytes.extend_from_slice(&generator.content().to_bytes()),
            Thing::Stdout | Thing::ProcessFlags => unreachable!("they are no slots of a value"),
        }
        writer.part()
    }
}

/// Writes down what a part of the state is.
struct Writer<'m> {
    machine: &'m Machine,
    bytes: SmallVec<[u8; 256]>,
    made: SmallVec<[Thing; 2]>,
}

impl<'m> Writer<'m> {
    fn new(machine: &'m Machine) -> Self {
        Self { machine, bytes: SmallVec::new(), made: SmallVec::new() }
    }

    fn part(self) -> Part {
        Part { hash: xxh3_128(&self.bytes), made: self.made }
    }

    fn frames(&mut self, task: &Task) {
        // The register that a call will set holds nothing yet.
        let mut pending = None;
        for (i, frame) in task.frames.iter().enumerate().rev() {
            let stands = frame.next + usize::from(task.store.is_some() && i + 1 == task.frames.len());
            self.number(frame.code.function.0.into());
            self.number(frame.next as u64);
            for &register in frame.code.live(stands) {
                if pending != Some(register) {
                    self.value(&frame.registers[register as usize]);
                }
            }
            pending = match &frame.returns {
                Returns::Task | Returns::Nowhere => None,
                Returns::To(register) => Some(*register),
                Returns::Await(awaited, register) => {
                    self.thing(Thing::Await(awaited.clone()));
                    Some(*register)
                }
            };
        }
    }

    fn store(&mut self, store: &Store) {
        match store {
            Store::Tensors(stores) => {
                for stored in stores {
                    self.thing(Thing::Shape(stored.original.clone()));
                    self.thing(Thing::Storage(stored.storage.clone()));
                    // The copy has no name that means anything.
                    let copy = stored.copy.metadata();
                    let base = stored.base.as_ref().map(|base| base.hash());
                    self.hashed(&(copy.layout.sizes(), copy.layout.strides(), copy.layout.offset()));
                    self.hashed(&(copy.storage.content().hash(), base, stored.is_resized()));
                }
            }
            Store::Append(list, place, item) => {
                self.thing(Thing::List(list.clone()));
                self.number(*place as u64);
                self.value(item);
            }
        }
    }

    fn result(&mut self, result: &Result<Value, Raised>) {
        match result {
            Ok(value) => self.value(value),
            Err(raised) => {
                self.hashed(&(&raised.class, &raised.message, &raised.trail));
                self.task(raised.origin);
            }
        }
    }

    fn values(&mut self, values: &[Value]) {
        self.number(values.len() as u64);
        values.iter().for_each(|value| self.value(value));
    }

    /// A value; tuples are taken apart without recursion, because a program may nest them as deep as it likes.
    fn value(&mut self, value: &Value) {
        let mut rest: SmallVec<[&Value; 8]> = SmallVec::from_slice(&[value]);
        while let Some(value) = rest.pop() {
            match value {
                Value::None => self.tag(0),
                Value::Bool(value) => self.hashed(&(1u8, value)),
                Value::Int(value) => self.hashed(&(2u8, value)),
                Value::Float(value) => self.hashed(&(3u8, value.to_bits())),
                Value::Complex(value) => self.hashed(&(4u8, value.re.to_bits(), value.im.to_bits())),
                Value::Str(text) => self.hashed(&(5u8, text)),
                Value::Device(text) => self.hashed(&(6u8, text)),
                Value::Tuple(items) => {
                    self.tag(7);
                    self.number(items.len() as u64);
                    rest.extend(items.iter().rev());
                }
                Value::Enum(member) => self.hashed(&(8u8, &member.class, &member.name)),
                Value::Future(future) => {
                    self.tag(9);
                    self.task(TaskId::new(future.task()));
                }
                Value::Function(function) => self.hashed(&(10u8, function.0)),
                Value::Uninitialized => self.tag(11),
                Value::Tensor(tensor) => self.thing(Thing::Shape(tensor.clone())),
                Value::List(list) => self.thing(Thing::List(list.clone())),
                Value::Dict(dict) => self.thing(Thing::Dict(dict.clone())),
                Value::Object(object) => self.thing(Thing::Attribute(object.clone(), 0)),
                Value::Await(awaited) => self.thing(Thing::Await(awaited.clone())),
                Value::Generator(generator) => self.thing(Thing::Generator(generator.clone())),
            }
        }
    }

    /// A thing, by its name.
    fn thing(&mut self, thing: Thing) {
        self.tag(12);
        let slot = thing.slot();
        self.slot(slot);
        if self.machine.is_made(slot) {
            self.made.push(thing);
        }
    }

    fn slot(&mut self, slot: SlotId) {
        match slot.owner() {
            u32::MAX => self.number(u64::MAX),
            owner => self.task(TaskId::new(owner)),
        }
        self.bytes.extend_from_slice(&slot.index().to_le_bytes());
    }

    fn task(&mut self, task: TaskId) {
        self.number(self.machine.task(task).name);
    }

    fn site(&mut self, site: Site) {
        self.bytes.extend_from_slice(&site.0.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.hashed(text);
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    /// Whatever can be hashed, by the bytes that it gives a hasher.
    fn hashed(&mut self, what: &(impl std::hash::Hash + ?Sized)) {
        what.hash(&mut Bytes(&mut self.bytes));
    }
}

/// Keeps what it is given.
struct Bytes<'b>(&'b mut SmallVec<[u8; 256]>);

impl std::hash::Hasher for Bytes<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the bytes are hashed as a whole")
    }
}
