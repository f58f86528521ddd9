//! What a trace has recorded so far: a graph of the traced function, and one of each fork.
//!
//! Values are known by what they are: an operator's input is the value that was bound last to that very tensor. A forked
//! body that uses something of the code around it captures it: it becomes an input of `prim::fork`. What leaves a
//! body is found out when it is used: then the fork returns it, and the wait that came before hands it out.

use std::panic::Location as Caller;
use std::sync::Arc;

use forkcheck_model::graph::{Graph, Node, NodeKind, Source, Span, ValueId, ValueInfo};
use forkcheck_model::module::FunctionId;
use forkcheck_model::operators::Operator;
use forkcheck_model::slot::SlotId;
use forkcheck_model::tensor::Tensor as Plain;
use forkcheck_model::types::Type;
use forkcheck_model::value::Value;
use forkcheck_scheduler::TaskId;
use rustc_hash::FxHashMap;

use super::registered::Registered;

/// What is recorded while a function runs.
pub(super) struct Recorder {
    /// That of the function, then those of the forks in the order in which they began.
    pub(super) frames: Vec<Frame>,
    /// The frames whose code runs now, the innermost one last.
    open: Vec<FrameId>,
    numbers: Numbers,
    registered: Registered,
    /// The fork of each future of this trace.
    forks: FxHashMap<TaskId, FrameId>,
}

/// A frame by number.
pub(super) type FrameId = usize;

/// The graph of the function or of a fork. The types of futures, and what is returned, are put in when all is known.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) graph: Graph,
    /// The forks of the values that are futures.
    pub(super) futures: FxHashMap<ValueId, FrameId>,
    known: FxHashMap<Thing, ValueId>,
    /// What each parameter is in the frame around; of a fork.
    captured: Vec<ValueId>,
    /// What each returned value is.
    returned: Vec<Thing>,
    /// Of a result that is a list, how many items it has. What else is returned makes a tuple of it.
    pub(super) list: Option<usize>,
    /// The waits by the forks that they wait for: the nodes' places.
    pub(super) waits: Vec<(FrameId, usize)>,
}

/// Something that values of several frames can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    Tensor(u32),
    /// The future of a fork.
    Future(FrameId),
    /// Something that the traced module holds, or the module itself.
    Attribute(usize),
}

/// What is known of a result: the tensors that it is made of. Of a type of the user's it is none.
#[derive(Default)]
pub(super) struct Tensors {
    pub(super) tensors: Vec<Plain>,
    /// Whether it is a list of them, not one or a tuple.
    pub(super) list: bool,
}

/// Numbers of tensors. They are kept, so that no other one takes the place of one that is gone.
#[derive(Default)]
struct Numbers {
    /// Those of different threads can have one slot.
    by_slot: FxHashMap<SlotId, Vec<(Plain, u32)>>,
    count: u32,
}

impl Numbers {
    fn of(&mut self, tensor: &Plain) -> Thing {
        let known = self.by_slot.entry(tensor.id()).or_default();
        let number = known.iter().find(|(other, _)| other.is(tensor)).map(|(_, number)| *number);
        Thing::Tensor(number.unwrap_or_else(|| {
            known.push((tensor.clone(), self.count));
            self.count += 1;
            self.count - 1
        }))
    }
}

impl Recorder {
    /// Begins with the parameters: the module, if one is traced, and the tensors of the inputs.
    pub(super) fn new(registered: Registered) -> Self {
        let mut recorder = Self {
            frames: vec![Frame::default()],
            open: vec![0],
            numbers: Numbers::default(),
            registered,
            forks: FxHashMap::default(),
        };
        if let Some(class) = recorder.registered.module().cloned() {
            recorder.parameter("self", class, Thing::Attribute(Registered::SELF));
        }
        for input in std::mem::take(&mut recorder.registered.inputs) {
            let thing = recorder.numbers.of(&input);
            recorder.parameter("input", Type::Tensor, thing);
        }
        recorder
    }

    fn parameter(&mut self, name: &str, ty: Type, thing: Thing) {
        let frame = &mut self.frames[0];
        let value = frame.value(Some(name.into()), ty);
        frame.graph.body.params.push(value);
        // The same tensor given twice is the first of the two parameters.
        frame.known.entry(thing).or_insert(value);
    }

    /// An operator was called.
    pub(super) fn operator(
        &mut self,
        operator: &'static Operator,
        args: &[Value],
        value: &Value,
        at: &'static Caller<'static>,
    ) {
        let inputs = args.iter().map(|arg| self.value_of(arg)).collect();
        let results = match (value, operator.schema.returns.len()) {
            (Value::Tuple(items), several) if several > 1 => items.to_vec(),
            (_, 0) => Vec::new(),
            _ => vec![value.clone()],
        };
        let outputs: Vec<ValueId> = results.iter().map(|result| self.top().value(None, type_of(result))).collect();
        self.top().node(NodeKind::Operator(operator), inputs, outputs.clone(), Some(at));
        for (result, output) in results.iter().zip(outputs) {
            if let Value::Tensor(tensor) = result {
                // From now on the tensor is what an operator in place has made of it.
                let thing = self.numbers.of(tensor);
                self.top().known.insert(thing, output);
            }
        }
    }

    /// A fork's body begins; the number of its frame.
    pub(super) fn begin(&mut self) -> FrameId {
        self.frames.push(Frame::default());
        self.open.push(self.frames.len() - 1);
        self.frames.len() - 1
    }

    /// The body of a fork has returned this. The future is known by `task`.
    pub(super) fn end(&mut self, frame: FrameId, result: Tensors, task: TaskId, at: &'static Caller<'static>) {
        assert_eq!(self.open.last(), Some(&frame), "forks end in reverse order");
        for tensor in &result.tensors {
            let value = self.tensor(tensor);
            let thing = self.numbers.of(tensor);
            let frame = self.top();
            frame.returned.push(thing);
            frame.graph.body.returns.push(value);
        }
        self.top().list = result.list.then_some(result.tensors.len());
        self.open.pop();
        let inputs = std::mem::take(&mut self.frames[frame].captured);
        let parent = self.top();
        let future = parent.future(frame);
        parent.known.insert(Thing::Future(frame), future);
        parent.node(NodeKind::Fork(FunctionId(frame as u32)), inputs, vec![future], Some(at));
        self.forks.insert(task, frame);
    }

    /// A fork's body was left by a panic: there is no such fork.
    pub(super) fn abandon(&mut self, frame: FrameId) {
        let level = self.open.iter().position(|&open| open == frame).expect("it has begun");
        self.open.truncate(level);
    }

    /// A future was waited for. One from outside of the trace is finished, and what it gives is as other things from outside.
    pub(super) fn wait(&mut self, task: TaskId, at: &'static Caller<'static>) {
        let Some(&fork) = self.forks.get(&task) else { return };
        let Some(future) = self.find(self.open.len() - 1, Thing::Future(fork)) else { return };
        let things = self.frames[fork].returned.clone();
        let frame = self.top();
        let outputs: Vec<ValueId> = things.iter().map(|&thing| frame.value_for(thing)).collect();
        frame.known.extend(things.into_iter().zip(outputs.iter().copied()));
        frame.waits.push((fork, frame.graph.body.nodes.len()));
        frame.node(NodeKind::Wait, vec![future], outputs, Some(at));
    }

    /// The function has returned this; maybe the items of a list of tensors.
    pub(super) fn conclude(&mut self, result: &Value, list: bool) {
        assert_eq!(self.open, [0], "all forks have ended");
        let value = match result {
            Value::Tuple(items) if list => {
                let inputs = items.iter().map(|item| self.value_of(item)).collect();
                self.top().single(NodeKind::ListConstruct(Type::Tensor), inputs, Type::list(Type::Tensor))
            }
            other => self.value_of(other),
        };
        self.top().graph.body.returns.push(value);
    }

    fn top(&mut self) -> &mut Frame {
        let frame = *self.open.last().expect("the function's frame is open");
        &mut self.frames[frame]
    }

    /// The value that something is where the code runs now; what nobody knows is a constant.
    fn value_of(&mut self, value: &Value) -> ValueId {
        match value {
            Value::Tensor(tensor) => self.tensor(tensor),
            Value::List(list) => {
                let content = list.content();
                let inputs = content.items.iter().map(|item| self.value_of(item)).collect();
                let ty = Type::list(content.item.clone());
                self.top().single(NodeKind::ListConstruct(content.item.clone()), inputs, ty)
            }
            Value::Tuple(items) => {
                let inputs: Vec<ValueId> = items.iter().map(|item| self.value_of(item)).collect();
                let types: Vec<Type> = items.iter().map(type_of).collect();
                self.top().single(NodeKind::TupleConstruct(None), inputs, Type::tuple(types))
            }
            other => self.top().constant(other.clone()),
        }
    }

    fn tensor(&mut self, tensor: &Plain) -> ValueId {
        let thing = self.numbers.of(tensor);
        if let Some(value) = self.find(self.open.len() - 1, thing) {
            return value;
        }
        let value = match self.registered.place_of(tensor) {
            Some(place) => self.attribute(place),
            None => self.top().constant(Value::Tensor(tensor.clone())),
        };
        self.top().known.insert(thing, value);
        value
    }

    /// Something that the module holds, got attribute by attribute.
    fn attribute(&mut self, place: usize) -> ValueId {
        if let Some(value) = self.find(self.open.len() - 1, Thing::Attribute(place)) {
            return value;
        }
        let attribute = self.registered.attribute(place).clone();
        let owner = self.attribute(attribute.owner);
        let kind = NodeKind::GetAttr { name: attribute.name, index: attribute.index };
        let value = self.top().single(kind, vec![owner], attribute.ty);
        self.top().known.insert(Thing::Attribute(place), value);
        value
    }

    /// The value that something is in the open frame number `level`, captured if need be.
    fn find(&mut self, level: usize, thing: Thing) -> Option<ValueId> {
        let frame = self.open[level];
        if let Some(value) = self.find_inside(frame, thing) {
            return Some(value);
        }
        let around = level.checked_sub(1)?;
        let outer = self.find(around, thing)?;
        let info = self.frames[self.open[around]].graph.value(outer).clone();
        let frame = &mut self.frames[frame];
        let value = frame.value(info.name, info.ty);
        if let Thing::Future(fork) = thing {
            frame.futures.insert(value, fork);
        }
        frame.graph.body.params.push(value);
        frame.captured.push(outer);
        frame.known.insert(thing, value);
        Some(value)
    }

    /// The value that something is in a frame itself; or in a fork that it has waited for, which then returns it.
    fn find_inside(&mut self, frame: FrameId, thing: Thing) -> Option<ValueId> {
        if let Some(&value) = self.frames[frame].known.get(&thing) {
            return Some(value);
        }
        for i in (0..self.frames[frame].waits.len()).rev() {
            let (fork, node) = self.frames[frame].waits[i];
            let Some(value) = self.find_inside(fork, thing) else { continue };
            self.frames[fork].returns(thing, value);
            let returned = self.frames[fork].returned.clone();
            self.frames[frame].hand_out(node, &returned);
            return Some(self.frames[frame].known[&thing]);
        }
        None
    }
}

impl Frame {
    /// A new value.
    pub(super) fn value(&mut self, name: Option<Arc<str>>, ty: Type) -> ValueId {
        self.graph.values.push(ValueInfo { name, ty });
        ValueId(self.graph.values.len() as u32 - 1)
    }

    /// A new value that is the future of a fork. Its type is not known before the end.
    fn future(&mut self, fork: FrameId) -> ValueId {
        let value = self.value(None, Type::Any);
        self.futures.insert(value, fork);
        value
    }

    fn value_for(&mut self, thing: Thing) -> ValueId {
        match thing {
            Thing::Tensor(_) => self.value(None, Type::Tensor),
            Thing::Future(fork) => self.future(fork),
            Thing::Attribute(_) => unreachable!("attributes are read, not returned"),
        }
    }

    fn node(
        &mut self,
        kind: NodeKind,
        inputs: Vec<ValueId>,
        outputs: Vec<ValueId>,
        at: Option<&'static Caller<'static>>,
    ) {
        let id = self.graph.body.nodes.len() as u32;
        self.graph.body.nodes.push(Node { id, kind, inputs, outputs, blocks: Vec::new(), span: at.map(span) });
    }

    /// A node that binds one value and that nobody wrote.
    fn single(&mut self, kind: NodeKind, inputs: Vec<ValueId>, ty: Type) -> ValueId {
        let value = self.value(None, ty);
        self.node(kind, inputs, vec![value], None);
        value
    }

    fn constant(&mut self, value: Value) -> ValueId {
        let ty = type_of(&value);
        self.single(NodeKind::Constant(value), Vec::new(), ty)
    }

    /// Has the body return something.
    fn returns(&mut self, thing: Thing, value: ValueId) {
        if !self.returned.contains(&thing) {
            self.returned.push(thing);
            self.graph.body.returns.push(value);
        }
    }

    /// Has a wait hand out all that its fork returns.
    fn hand_out(&mut self, node: usize, returned: &[Thing]) {
        for &thing in &returned[self.graph.body.nodes[node].outputs.len()..] {
            let value = self.value_for(thing);
            self.known.entry(thing).or_insert(value);
            self.graph.body.nodes[node].outputs.push(value);
        }
    }
}

/// Where the user wrote something. As in traces of PyTorch, only the line is known.
fn span(at: &'static Caller<'static>) -> Span {
    let (file, first_line) = (at.file().to_string(), at.line());
    Span::new(
        Arc::new(Source {
            file,
            text: String::new(),
            first_line,
            first_column: 0,
            trace: String::new(),
            lines: Default::default(),
        }),
        0,
        0,
    )
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::None => Type::None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Str(_) => Type::Str,
        Value::Tensor(_) => Type::Tensor,
        Value::List(list) => Type::list(list.content().item.clone()),
        Value::Tuple(items) => Type::tuple(items.iter().map(type_of).collect::<Vec<_>>()),
        _ => Type::Any,
    }
}
