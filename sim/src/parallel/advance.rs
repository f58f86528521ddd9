//! What a worker does: goes on with a task until it ends or waits.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use forkcheck_model::graph::NodeKind;
use forkcheck_model::module::FunctionId;
use forkcheck_model::operators::{Access, Call, Fault, Operator, Printed, text};
use forkcheck_model::slot::Allocator;
use forkcheck_model::value::{Awaited, Future, Value};
use forkcheck_scheduler::TaskId;

use super::World;
use super::stripes::Held;
use super::task::{self, Promised, Task};
use crate::execution::{Cut, Raised};
use crate::machine::access::{self, Touch};
use crate::machine::code::{Action, Instruction};
use crate::machine::node::{self, Inputs};
use crate::machine::{LIMITS_EVERY, Returns};

/// How many tasks that have ended a worker keeps.
const SPARE_MOST: usize = 64;

/// How many calls may be within each other in a task.
const CALLS_MOST: usize = 1_000_000;

/// Where a task is after a node.
enum Flow {
    /// At the next instruction of the same frame.
    Next,
    /// In another frame.
    Elsewhere,
    /// At a wait for this.
    Waits(Future),
    /// It has ended, or is given up.
    Over,
}

/// Why a node gave no value.
enum Trouble {
    Raised {
        /// Qualified class of the exception, if a `raise` made it.
        class: Option<String>,
        message: String,
    },
    Cut(Cut),
}

/// What one worker has at hand.
struct Worker {
    number: usize,
    /// Steps before limits are looked at again.
    left: u64,
    /// Tasks that have ended, to be used again.
    #[expect(clippy::vec_box, reason = "tasks go from hand to hand, and are boxed everywhere")]
    spare: Vec<Box<Task>>,
}

impl World {
    /// Does what the worker does, until all is done.
    pub(super) fn work(&self, number: usize) {
        let mut worker = Worker { number, left: LIMITS_EVERY, spare: Vec::new() };
        self.pool.work(number, |task| self.advance(task, &mut worker));
    }

    fn advance(&self, mut task: Box<Task>, worker: &mut Worker) {
        loop {
            match self.run_frame(&mut task, worker) {
                Flow::Next | Flow::Elsewhere => {}
                Flow::Over => {
                    if worker.spare.len() < SPARE_MOST {
                        worker.spare.push(task);
                    }
                    return;
                }
                Flow::Waits(future) => match Promised::of(&future).result.park(task) {
                    Ok(first) => {
                        if first {
                            self.awaited(&future);
                        }
                        return;
                    }
                    Err(back) => task = back,
                },
            }
        }
    }

    /// Runs the innermost frame until it calls, is left, or the task cannot go on.
    fn run_frame(&self, task: &mut Box<Task>, worker: &mut Worker) -> Flow {
        let codes = &self.program.codes;
        let code = codes.function(task.frame().code.function);
        let dying = code.dying();
        loop {
            let frame = task.frame();
            worker.left -= node::glide(code, frame, worker.left, Some(dying));
            if worker.left == 0 && !self.within_limits(worker) || self.pool.is_stopped() {
                return Flow::Over;
            }
            let instruction = &code.instructions[frame.next];
            let dies = dying[frame.next];
            let flow = match &instruction.action {
                Action::Node(kind) | Action::Plain(_, kind) => self.node(task, kind, instruction, dies, worker),
                Action::Shared(index) => {
                    frame.set(instruction, self.shared[*index].clone());
                    Ok(Flow::Next)
                }
                Action::Return => Ok(self.leave(task, instruction, worker)),
                // The limits were due in the middle.
                _ => continue,
            };
            worker.left = worker.left.saturating_sub(1);
            match flow {
                Ok(Flow::Next) => {}
                Ok(flow) => return flow,
                Err(Trouble::Raised { class, message }) => {
                    let origin = TaskId::new(task.number);
                    let raised = Raised { class, message, origin, trail: task.stack(instruction.site) };
                    return self.end(task, Err(Arc::new(raised)), worker);
                }
                Err(Trouble::Cut(cut)) => {
                    self.cut(cut);
                    return Flow::Over;
                }
            }
        }
    }

    /// Says how many steps were taken, and whether there may be more.
    fn within_limits(&self, worker: &mut Worker) -> bool {
        worker.left = LIMITS_EVERY;
        let steps = self.steps.fetch_add(LIMITS_EVERY, Ordering::Relaxed) + LIMITS_EVERY;
        let cut = if steps > self.limits.steps {
            Cut::Steps(self.limits.steps)
        } else if self.limits.expired() {
            Cut::Time
        } else {
            return true;
        };
        self.cut(cut);
        false
    }

    fn node(
        &self,
        task: &mut Box<Task>,
        kind: &NodeKind,
        instruction: &Instruction,
        dies: u64,
        worker: &mut Worker,
    ) -> Result<Flow, Trouble> {
        if matches!(kind, NodeKind::Wait) {
            return Ok(self.wait(task, instruction, worker));
        }
        let mut inputs = Inputs::new();
        task.frame().inputs(instruction, dies, &mut inputs);
        let value = match kind {
            NodeKind::Operator(operator) => {
                let _held = self.hold(kind, &inputs);
                self.call_operator(task, operator, &inputs, instruction)?
            }
            NodeKind::CallFunction(function) => return self.call(task, *function, inputs.drain(..), instruction),
            NodeKind::CallMethod(name) => {
                let function = node::method(&inputs[0], name);
                return self.call(task, function, inputs.drain(..), instruction);
            }
            NodeKind::Enter => {
                let function =
                    node::enter(&inputs[0]).map_err(|fault| self.fault(task, fault, node::AUTOCAST, instruction))?;
                return self.call(task, function, inputs.drain(..), instruction);
            }
            NodeKind::Exit => {
                let (function, args) = node::exit(&self.program.module, inputs);
                return self.call(task, function, args, instruction);
            }
            NodeKind::Fork(closure) => return self.fork(task, *closure, &mut inputs, instruction, worker),
            NodeKind::AwaitableWait => return Ok(self.wait_for_awaitable(task, &inputs[0], instruction)),
            NodeKind::Print => {
                let _held = self.hold(kind, &inputs);
                let printed = text::print_values(&inputs, &self.memory);
                let printed = printed.map_err(|fault| self.fault(task, fault, "prim::Print", instruction))?;
                self.told().printed.text.push_str(&printed);
                Value::None
            }
            NodeKind::Opaque(name) => {
                let fault = Fault::unsupported(node::FOREIGN);
                return Err(self.fault(task, fault, name, instruction));
            }
            kind => {
                let _held = self.hold(kind, &inputs);
                let computed = node::compute(kind, &inputs, instruction.outputs.len(), &mut task.allocator);
                computed.map_err(|fault| self.fault(task, fault, kind.name(), instruction))?
            }
        };
        task.frame().set(instruction, value);
        Ok(Flow::Next)
    }

    /// Makes the step atomic, if anybody else is there.
    fn hold(&self, kind: &NodeKind, inputs: &[Value]) -> Option<Held<'_>> {
        if self.threads == 1 || !access::may_touch(kind) {
            return None;
        }
        Some(self.stripes.hold(|| {
            let mut touches = access::of_node(kind, inputs, &self.generator);
            if let NodeKind::Operator(operator) = kind {
                touches.extend(access::outs(operator, inputs).map(|out| Touch::shape(out, Access::ReadWrite)));
            }
            touches
        }))
    }

    fn call_operator(
        &self,
        task: &mut Task,
        operator: &'static Operator,
        args: &[Value],
        instruction: &Instruction,
    ) -> Result<Value, Trouble> {
        let Some(kernel) = operator.kernel else {
            let fault = Fault::unsupported(node::NO_KERNEL);
            return Err(self.fault(task, fault, &operator.full_name(), instruction));
        };
        let mut printed = Printed::default();
        let Task { allocator, modes, .. } = task;
        let generator = &self.generator;
        let result = Call { operator, args, allocator, generator, modes, printed: &mut printed }.compute(kernel);
        if !printed.is_empty() {
            self.told().printed.append(printed);
        }
        result.map_err(|fault| self.fault(task, fault, &operator.full_name(), instruction))
    }

    fn fault(&self, task: &Task, fault: Fault, operator: &str, instruction: &Instruction) -> Trouble {
        match fault {
            Fault::Raised { class, message } => Trouble::Raised { class, message },
            Fault::Memory(error) => Trouble::Cut(Cut::Memory(error)),
            Fault::Unsupported(reason) => Trouble::Cut(Cut::Opaque {
                operator: operator.to_string(),
                reason,
                stack: task.stack(instruction.site),
                task: TaskId::new(task.number),
            }),
        }
    }

    fn call(
        &self,
        task: &mut Task,
        function: FunctionId,
        args: impl IntoIterator<Item = Value>,
        instruction: &Instruction,
    ) -> Result<Flow, Trouble> {
        if task.frames.len() >= CALLS_MOST {
            let refused = format!("more than {CALLS_MOST} calls are within each other: does the recursion end?");
            return Err(Trouble::Cut(Cut::Refused(refused)));
        }
        let returns = instruction.outputs.first().map_or(Returns::Nowhere, |&register| Returns::To(register));
        task.frame().next += 1;
        task.enter(self.program.codes.function(function), args, returns);
        Ok(Flow::Elsewhere)
    }

    fn leave(&self, task: &mut Box<Task>, instruction: &Instruction, worker: &mut Worker) -> Flow {
        let value = match instruction.inputs[..] {
            [] => Value::None,
            [register] => mem::replace(&mut task.frame().registers[register as usize], Value::None),
            _ => unreachable!("a function returns one value"),
        };
        match task.leave() {
            Returns::Task => return self.end(task, Ok(value), worker),
            Returns::To(register) => task.frame().registers[register as usize] = value,
            Returns::Await(awaited, register) => {
                task.frame().registers[register as usize] = value.clone();
                awaited.slot().set(Arc::new(Awaited::Done(value)));
            }
            Returns::Nowhere => {}
        }
        Flow::Elsewhere
    }

    /// Goes on with the body; the rest of the task is for whoever has nothing to do, or for later.
    fn fork(
        &self,
        task: &mut Box<Task>,
        closure: FunctionId,
        captures: &mut Inputs,
        instruction: &Instruction,
        worker: &mut Worker,
    ) -> Result<Flow, Trouble> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        if self.live.fetch_add(1, Ordering::Relaxed) >= self.limits.tasks {
            return Err(Trouble::Cut(Cut::Tasks(self.limits.tasks)));
        }
        let code = self.program.codes.function(closure);
        let allocator = Allocator::new(number, self.memory.clone());
        let child = Task::new(worker.spare.pop(), code, captures.drain(..), allocator, task.modes.clone());
        task.frame().set(instruction, Value::Future(child.future()));
        self.pool.submit(worker.number, mem::replace(task, child));
        Ok(Flow::Elsewhere)
    }

    fn wait(&self, task: &mut Box<Task>, instruction: &Instruction, worker: &mut Worker) -> Flow {
        let Value::Future(future) = &task.frame().registers[instruction.inputs[0] as usize] else {
            unreachable!("the frontend lets only futures be waited for")
        };
        match Promised::of(future).result.get() {
            Some(Ok(value)) => {
                task.frame().set(instruction, value);
                Flow::Next
            }
            Some(Err(raised)) => {
                let mut raised = Raised::clone(&raised);
                raised.trail.extend(task.stack(instruction.site));
                self.end(task, Err(Arc::new(raised)), worker)
            }
            None => Flow::Waits(future.clone()),
        }
    }

    /// Remembers that a task waits for this one, in case that it does so for ever.
    fn awaited(&self, future: &Future) {
        let awaited = &mut self.told().awaited;
        if awaited.len() == awaited.capacity() {
            awaited.retain(|promised| promised.strong_count() > 0);
        }
        awaited.push(Arc::downgrade(future));
    }

    fn wait_for_awaitable(&self, task: &mut Task, awaited: &Value, instruction: &Instruction) -> Flow {
        let Value::Await(awaited) = awaited else { unreachable!("the frontend lets only awaitables be awaited") };
        match &*awaited.content() {
            Awaited::Done(value) => {
                task.frame().set(instruction, value.clone());
                Flow::Next
            }
            Awaited::Pending { body, captures } => {
                let returns = match instruction.outputs.first() {
                    Some(&register) => Returns::Await(awaited.clone(), register),
                    None => Returns::Nowhere,
                };
                task.frame().next += 1;
                task.enter(self.program.codes.function(*body), captures.iter().cloned(), returns);
                Flow::Elsewhere
            }
        }
    }

    /// The task has ended: those that wait can go on.
    fn end(&self, task: &mut Task, result: task::Result, worker: &mut Worker) -> Flow {
        if task.number == 0 {
            self.returned(result.clone());
        }
        for waiter in task.end(result) {
            self.pool.submit(worker.number, waiter);
        }
        self.live.fetch_sub(1, Ordering::Relaxed);
        Flow::Over
    }
}
