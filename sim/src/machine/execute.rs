//! What each instruction does.

use std::sync::Arc;

use forkcheck_model::graph::NodeKind;
use forkcheck_model::module::FunctionId;
use forkcheck_model::operators::{Call, Effect, Fault, Operator, Place, text};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{Metadata, Storage, Tensor};
use forkcheck_model::value::{Await, Awaited, Value};
use forkcheck_scheduler::TaskId;
use forkcheck_scheduler::pool::Join;

use super::access::{self, Thing, Touch, Touches};
use super::code::{Action, Codes, Instruction};
use super::node::{self, method};
use super::task::{Frame, Returns, State, Store, Stored, Task};
use super::{Cut, Flow, Machine, changed};
use crate::execution::{Raised, Site};
use forkcheck_model::operators::Access;

/// Why a step gave no value.
enum Trouble {
    /// The program raised an error.
    Raised(Option<String>, String),
    /// We cannot do this.
    Cut(Cut),
}

impl Machine {
    /// Executes the next instruction of the task, or the half of it that is due.
    pub(super) fn execute(&mut self, codes: &Codes, id: TaskId, half: bool) -> Flow {
        if let State::Returned(result) = &self.task(id).state {
            let result = result.clone();
            return self.end_entry(result);
        }
        let frame = self.task(id).frame();
        let code = codes.function(frame.code.function);
        let instruction = &code.instructions[frame.next];
        match &instruction.action {
            Action::Node(kind) | Action::Plain(_, kind) => match self.node(id, kind, instruction, half) {
                Ok(flow) => flow,
                Err(Trouble::Raised(class, message)) => {
                    let raised = Raised { class, message, origin: id, trail: Vec::new() };
                    self.raise(id, instruction.site, raised)
                }
                Err(Trouble::Cut(cut)) => {
                    self.stop(cut);
                    Flow::Waits
                }
            },
            Action::Shared(index) => {
                let value = self.shared[*index].clone();
                self.set(id, instruction, value)
            }
            Action::Return => self.leave(id, instruction),
            _ => {
                let steps = node::glide(code, self.task_mut(id).frame_mut(), 1, None);
                assert_eq!(steps, 1, "it concerns the frame alone");
                Flow::Next
            }
        }
    }

    /// Executes the instructions that concern the frame alone, up to the next one that does not. Nobody else sees them, so
    /// nobody is asked.
    pub(super) fn glide(&mut self, codes: &Codes, id: TaskId) {
        let task = self.task(id);
        let Some(frame) = task.frames.last().filter(|frame| frame.code.instructions[frame.next].action.is_local())
        else {
            return;
        };
        let code = codes.function(frame.code.function);
        // Limits are looked at in the ordinary way.
        let to_limit = super::LIMITS_EVERY - 1 - self.steps % super::LIMITS_EVERY;
        let most = to_limit.min(self.limits.steps.saturating_sub(self.steps));
        self.steps += node::glide(code, self.task_mut(id).frame_mut(), most, None);
    }

    /// Sets the instruction's outputs and goes on to the next one.
    fn set(&mut self, id: TaskId, instruction: &Instruction, value: Value) -> Flow {
        self.task_mut(id).frame_mut().set(instruction, value);
        Flow::Next
    }

    fn node(&mut self, id: TaskId, kind: &NodeKind, instruction: &Instruction, half: bool) -> Result<Flow, Trouble> {
        let inputs: smallvec::SmallVec<[Value; 8]> = self.task(id).frame().values(&instruction.inputs).collect();
        let value = match kind {
            NodeKind::Operator(operator) => {
                if self.task(id).store.is_some() {
                    return self.second_half(id, operator, instruction);
                }
                if half {
                    return self.first_half(id, operator, &inputs, instruction);
                }
                self.call_operator(id, operator, &inputs, &inputs, instruction.site)?
            }
            NodeKind::CallFunction(function) => {
                return Ok(self.call(id, *function, inputs, instruction, None));
            }
            NodeKind::CallMethod(name) => {
                let function = method(&inputs[0], name);
                return Ok(self.call(id, function, inputs, instruction, None));
            }
            NodeKind::Enter => {
                let function =
                    node::enter(&inputs[0]).map_err(|fault| self.fault(id, fault, node::AUTOCAST, instruction.site))?;
                return Ok(self.call(id, function, inputs, instruction, None));
            }
            NodeKind::Exit => {
                let (function, args) = node::exit(&self.program.module, inputs);
                return Ok(self.call(id, function, args, instruction, None));
            }
            NodeKind::Fork(closure) => return self.fork(id, *closure, inputs, instruction),
            NodeKind::Wait => return Ok(self.wait(id, &inputs[0], instruction)),
            NodeKind::AwaitableWait => return Ok(self.wait_for_awaitable(id, &inputs[0], instruction)),
            NodeKind::Print => {
                let memory = self.task(id).allocator.memory().clone();
                let printed = text::print_values(&inputs, &memory)
                    .map_err(|fault| self.fault(id, fault, "prim::Print", instruction.site))?;
                self.printed.text.push_str(&printed);
                Value::None
            }
            NodeKind::Opaque(name) => {
                return Err(self.opaque(id, name.to_string(), node::FOREIGN.to_string(), instruction.site));
            }
            kind => {
                let computed =
                    node::compute(kind, &inputs, instruction.outputs.len(), &mut self.task_mut(id).allocator);
                computed.map_err(|fault| self.fault(id, fault, kind.name(), instruction.site))?
            }
        };
        Ok(self.set(id, instruction, value))
    }

    /// Calls a kernel on `args`: what the program gave, or private copies of that.
    fn call_operator(
        &mut self,
        id: TaskId,
        operator: &'static Operator,
        args: &[Value],
        given: &[Value],
        site: Site,
    ) -> Result<Value, Trouble> {
        let Some(kernel) = operator.kernel else {
            return Err(self.opaque(id, operator.full_name(), node::NO_KERNEL.to_string(), site));
        };
        let sizes = |args| -> smallvec::SmallVec<[_; 1]> { access::outs(operator, args).map(Tensor::sizes).collect() };
        let before = sizes(args);
        access::outs(operator, given).for_each(|out| self.about_to_write(&Thing::Shape(out.clone())));
        let task = changed(&mut self.tasks, &mut self.undo, id);
        let known = self.reuse.as_ref().and_then(|reuse| Some((reuse, reuse.know(operator, args, &task.modes)?)));
        if let Some(kept) = known.as_ref().and_then(|(reuse, call)| reuse.find(call.key)) {
            let result = kept.give(args, &mut task.allocator);
            return result.map_err(|error| Trouble::Cut(Cut::Memory(error)));
        }
        let named = task.allocator.count();
        let mut call = Call {
            operator,
            args,
            allocator: &mut task.allocator,
            generator: &self.generator,
            modes: &mut task.modes,
            printed: &mut self.printed,
        };
        let result = call.compute(kernel);
        if let (Some((reuse, call)), Ok(value)) = (known, &result) {
            reuse.keep(&call, args, value, named, &task.allocator);
        }
        if !before.is_empty() && sizes(args) != before {
            self.observe_resize(id, operator, given, site);
        }
        result.map_err(|fault| self.fault(id, fault, &operator.full_name(), site))
    }

    fn fault(&self, id: TaskId, fault: Fault, operator: &str, site: Site) -> Trouble {
        match fault {
            Fault::Raised { class, message } => Trouble::Raised(class, message),
            Fault::Memory(error) => Trouble::Cut(Cut::Memory(error)),
            Fault::Unsupported(reason) => self.opaque(id, operator.to_string(), reason, site),
        }
    }

    /// An `out` of the wrong sizes was given others: a write of its metadata that nobody could foresee.
    fn observe_resize(&mut self, id: TaskId, operator: &'static Operator, args: &[Value], site: Site) {
        let touches: Touches = access::outs(operator, args).map(|out| Touch::shape(out, Access::ReadWrite)).collect();
        self.did(id, site, &touches);
        if self.watched {
            self.observe(id, site, &touches);
        }
    }

    fn opaque(&self, id: TaskId, operator: String, reason: String, site: Site) -> Trouble {
        Trouble::Cut(Cut::Opaque { operator, reason, stack: self.stack(id, site), task: id })
    }

    /// The site, then the calls that lead there, innermost first.
    pub(super) fn stack(&self, id: TaskId, site: Site) -> Vec<Site> {
        std::iter::once(site).chain(self.task(id).calls.iter().rev().copied()).collect()
    }

    /// Computes an operator from what it reads now, and leaves the storing for later.
    fn first_half(
        &mut self,
        id: TaskId,
        operator: &'static Operator,
        inputs: &[Value],
        instruction: &Instruction,
    ) -> Result<Flow, Trouble> {
        let (args, store) = private_copies(operator, inputs);
        let value = match &store {
            Store::Append(list, ..) => Value::List(list.clone()),
            Store::Tensors(stores) => {
                let value = self.call_operator(id, operator, &args, inputs, instruction.site)?;
                public(value, stores)
            }
        };
        let flow = self.set(id, instruction, value);
        // The store belongs to the instruction that was read, so the task stays on it until it is done.
        let task = self.task_mut(id);
        task.frame_mut().next -= 1;
        task.store = Some(store);
        Ok(flow)
    }

    /// Stores what the first half computed.
    fn second_half(&mut self, id: TaskId, operator: &Operator, instruction: &Instruction) -> Result<Flow, Trouble> {
        let task = self.task_mut(id);
        let store = task.store.take().expect("the first half is done");
        task.frame_mut().next += 1;
        apply(store).map_err(|fault| self.fault(id, fault, &operator.full_name(), instruction.site))?;
        Ok(Flow::Next)
    }

    fn call(
        &mut self,
        id: TaskId,
        function: FunctionId,
        args: impl IntoIterator<Item = Value>,
        instruction: &Instruction,
        awaited: Option<Await>,
    ) -> Flow {
        let code = self.program.codes.function(function).clone();
        let task = self.task_mut(id);
        task.frame_mut().next += 1;
        let returns = match (awaited, instruction.outputs.first()) {
            (Some(awaited), Some(&register)) => Returns::Await(awaited, register),
            (_, Some(&register)) => Returns::To(register),
            (_, None) => Returns::Nowhere,
        };
        let calls = task.calls.iter().copied().chain([instruction.site]).collect();
        let calls = std::mem::replace(&mut task.calls, calls);
        task.frames.push(Frame { calls: Some(calls), ..Frame::new(code, args, returns) });
        Flow::Next
    }

    /// Leaves the innermost function.
    fn leave(&mut self, id: TaskId, instruction: &Instruction) -> Flow {
        let task = self.task_mut(id);
        let mut frame = task.frames.pop().expect("a function that returns has a frame");
        let mut values = frame.values(&instruction.inputs);
        let value = values.next().unwrap_or(Value::None);
        assert!(values.next().is_none(), "a function returns one value");
        drop(values);
        if task.frames.is_empty() {
            return self.end(id, Ok(value));
        }
        task.calls = frame.calls.take().expect("a function that was called has a caller");
        match frame.returns {
            Returns::To(register) => task.frame_mut().registers[register as usize] = value,
            Returns::Await(awaited, register) => {
                task.frame_mut().registers[register as usize] = value.clone();
                self.about_to_write(&Thing::Await(awaited.clone()));
                awaited.slot().set(Arc::new(Awaited::Done(value)));
            }
            Returns::Nowhere => {}
            Returns::Task => unreachable!("the outermost frame was handled"),
        }
        Flow::Next
    }

    fn fork(
        &mut self,
        id: TaskId,
        closure: FunctionId,
        captures: impl IntoIterator<Item = Value>,
        instruction: &Instruction,
    ) -> Result<Flow, Trouble> {
        if self.ready.count() >= self.limits.tasks {
            return Err(Trouble::Cut(Cut::Tasks(self.limits.tasks)));
        }
        let code = self.program.codes.function(closure).clone();
        let task = changed(&mut self.tasks, &mut self.undo, id);
        let k = match task.forked.get_mut(&code.callee) {
            Some(forks) => {
                *forks += 1;
                *forks - 1
            }
            None => {
                task.forked.insert(code.callee.clone(), 1);
                0
            }
        };
        let fork = Some((instruction.site, task.calls.clone()));
        let (modes, memory) = (task.modes.clone(), task.allocator.memory().clone());
        let child = self.names.intern(id, &code.callee, k);
        let clock = task.clock.fork(child);
        let name = super::digest::name(task.name, &code.callee, k);
        let mut child_task = Task {
            id: child,
            age: self.ready.add(child),
            frames: vec![Frame::new(code, captures, Returns::Task)],
            state: State::Ready,
            clock,
            allocator: forkcheck_model::slot::Allocator::new(child.index() as u32, memory),
            modes,
            forked: Default::default(),
            store: None,
            waiters: Vec::new(),
            calls: self.program.codes.no_calls.clone(),
            fork,
            parked: None,
            name,
            deeds: name.into(),
            epoch: 0,
            memo: Default::default(),
        };
        if let Some(undo) = &mut self.undo {
            undo.born(&mut child_task);
        }
        self.shadow.begin(child);
        if !self.findings.has_fork(instruction.site) {
            let stack = self.stack(id, instruction.site);
            self.findings.add_fork(child, stack);
        }
        self.note_join(id, Join::Fork(child.number()), instruction.site);
        if self.tasks.len() <= child.index() {
            self.tasks.resize(child.index() + 1, None);
        }
        assert!(self.tasks[child.index()].is_none(), "a fork path names one task of an execution");
        self.tasks[child.index()] = Some(Arc::new(child_task));
        self.met(id, instruction.site, child);
        self.set(id, instruction, Value::Future(Arc::new(child.number())));
        Ok(Flow::Forked(child))
    }

    fn wait(&mut self, id: TaskId, future: &Value, instruction: &Instruction) -> Flow {
        let Value::Future(future) = future else { unreachable!("the frontend lets only futures be waited for") };
        let target = TaskId::new(future.task());
        if let State::Ended(result) = &self.task(target).state {
            let (result, last) = (result.clone(), self.task(target).clock.clone());
            self.task_mut(id).clock.wait(&last);
            self.note_join(id, Join::Wait(target.number()), instruction.site);
            self.met(id, instruction.site, target);
            return match result {
                Ok(value) => self.set(id, instruction, value),
                Err(raised) => self.raise(id, instruction.site, raised),
            };
        }
        self.set_state(id, State::Waiting(target));
        self.task_mut(target).waiters.push(id);
        self.find_deadlock(id);
        Flow::Waits
    }

    fn wait_for_awaitable(&mut self, id: TaskId, awaited: &Value, instruction: &Instruction) -> Flow {
        let Value::Await(awaited) = awaited else { unreachable!("the frontend lets only awaitables be awaited") };
        match &*awaited.content() {
            Awaited::Done(value) => self.set(id, instruction, value.clone()),
            Awaited::Pending { body, captures } => {
                self.call(id, *body, captures.clone(), instruction, Some(awaited.clone()))
            }
        }
    }

    /// Unwinds the whole task: nothing in TorchScript catches an error.
    fn raise(&mut self, id: TaskId, site: Site, mut raised: Raised) -> Flow {
        raised.trail.extend(self.stack(id, site));
        self.task_mut(id).frames.clear();
        self.end(id, Err(raised))
    }

    fn end(&mut self, id: TaskId, result: Result<Value, Raised>) -> Flow {
        if id == TaskId::MAIN {
            self.task_mut(id).state = State::Returned(result);
            return Flow::Next;
        }
        let task = self.task_mut(id);
        task.frames = Vec::new();
        let waiters = std::mem::take(&mut task.waiters);
        self.set_state(id, State::Ended(result));
        self.shadow.end(id);
        for &waiter in &waiters {
            self.set_state(waiter, State::Ready);
        }
        Flow::Ended(waiters)
    }

    /// The caller looks at everything, and is done.
    fn end_entry(&mut self, result: Result<Value, Raised>) -> Flow {
        self.looks.at_return = Some(self.look());
        if self.looks.keep {
            self.looks.kept = Some(self.snapshot());
        }
        let waiters = std::mem::take(&mut self.task_mut(TaskId::MAIN).waiters);
        self.set_state(TaskId::MAIN, State::Ended(result));
        self.shadow.end(TaskId::MAIN);
        Flow::Ended(waiters)
    }
}

/// The private copies that the first half of an operator works on instead, and what the second half will store. Whatever
/// shares memory with what is written shares it in the copies too, so that the operator does as it always does.
///
/// The task does not name them: what it makes later has the same name whether it did this in halves or not.
pub(crate) fn private_copies(operator: &'static Operator, inputs: &[Value]) -> (Vec<Value>, Store) {
    if let (true, Value::List(list)) = (operator.name == "aten::append", &inputs[0]) {
        let length = list.content().items.len();
        return (Vec::new(), Store::Append(list.clone(), length, inputs[1].clone()));
    }
    let written = |effect: Effect| match effect.place {
        Place::Data(i) if effect.access.writes() => {
            if let Value::Tensor(tensor) = &inputs[i] {
                Some(tensor)
            } else {
                None
            }
        }
        _ => None,
    };
    let written: Vec<&Tensor> = operator.effects(inputs).into_iter().filter_map(written).collect();
    let allocator = &mut of_a_call();
    let mut storages: Vec<(Storage, Storage)> = Vec::new();
    for tensor in &written {
        let storage = tensor.storage();
        if !storages.iter().any(|(original, _)| original.is(&storage)) {
            let copy = Storage::sharing(allocator, storage.content());
            storages.push((storage, copy));
        }
    }
    let mut copies: Vec<(Tensor, Tensor)> = Vec::new();
    let mut args = inputs.to_vec();
    for arg in &mut args {
        let Value::Tensor(tensor) = arg else { continue };
        let metadata = tensor.metadata();
        let Some((_, storage)) = storages.iter().find(|(original, _)| original.is(&metadata.storage)) else { continue };
        if !copies.iter().any(|(original, _)| original.is(tensor)) {
            let metadata = Metadata { storage: storage.clone(), ..(*metadata).clone() };
            copies.push((tensor.clone(), Tensor::with(allocator, metadata)));
        }
        let copy = copies.iter().find(|(original, _)| original.is(tensor)).expect("it was just made");
        *arg = Value::Tensor(copy.1.clone());
    }
    copies.retain(|(original, _)| written.iter().any(|tensor| tensor.is(original)));
    let stores = copies.into_iter().map(|(original, copy)| {
        let (storage, sizes) = (original.storage(), original.sizes());
        let base = operator.writes_part().then(|| storage.content());
        Stored { original, storage, sizes, copy, base }
    });
    (args, Store::Tensors(stores.collect()))
}

/// Names what lives for the length of a call, and no search or report ever asks for.
pub(crate) fn of_a_call() -> Allocator {
    Allocator::new(u32::MAX - 1, Memory::unlimited())
}

/// An in-place operator returns what it wrote: the tensor itself, not the private copy.
pub(crate) fn public(value: Value, stores: &[Stored]) -> Value {
    match &value {
        Value::Tensor(tensor) => match stores.iter().find(|store| store.copy.is(tensor)) {
            Some(store) => Value::Tensor(store.original.clone()),
            None => value,
        },
        Value::Tuple(items) => Value::tuple(items.iter().map(|item| public(item.clone(), stores)).collect::<Vec<_>>()),
        _ => value,
    }
}

/// The second half of an operator. It can fail only where it makes room.
pub(crate) fn apply(store: Store) -> Result<(), Fault> {
    match store {
        Store::Tensors(stores) => {
            for stored in &stores {
                let Stored { original, storage, copy, base, .. } = stored;
                if stored.is_resized() {
                    // Others may have led the tensor to another storage since.
                    storage.grow(copy.storage().content().len())?;
                    original.resize(&copy.sizes())?;
                }
                copy.copy_bytes_to(storage, base.as_deref());
            }
        }
        Store::Append(list, at, item) => list.slot().update(|content| match content.items.get_mut(at) {
            Some(place) => *place = item,
            None => content.items.push(item),
        }),
    }
    Ok(())
}

/// What the second half of an operator touches.
pub(super) fn store_touches(store: &Store) -> Touches {
    match store {
        Store::Tensors(stores) => {
            let elements = stores.iter().filter_map(|stored| Touch::stored(&stored.storage, &stored.copy));
            let resized = stores.iter().filter(|stored| stored.is_resized());
            elements.chain(resized.map(|stored| Touch::shape(&stored.original, Access::Write))).collect()
        }
        Store::Append(list, ..) => [Touch {
            thing: Thing::List(list.clone()),
            region: forkcheck_scheduler::Region::Whole,
            access: Access::Write,
        }]
        .into_iter()
        .collect(),
    }
}

/// What the first half touches: what is read, and the generator, for what is drawn is drawn then.
pub(super) fn first_half(touches: &Touches) -> Touches {
    let reads = touches.iter().filter(|touch| touch.access.reads());
    let first = |touch: &Touch| match touch.thing {
        Thing::Generator(_) => touch.clone(),
        _ => Touch { access: Access::Read, ..touch.clone() },
    };
    reads.map(first).collect()
}
