//! Runs a program on the spot, as plain Python would: a fork runs to its end where it stands. Each node is executed as its
//! graph says it, by an interpreter of its own, and everything that it shows is held against what the static part foresaw.
//!
//! Random programs ask whether proofs are true; this asks whether what proofs are made of is true, of every program that
//! runs, also where nothing is forked.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forkcheck::Program;
use forkcheck_model::copy::copy_deep;
use forkcheck_model::difference::numbers;
use forkcheck_model::effects::{Foreseen, Seen, World};
use forkcheck_model::graph::{Block, Node, NodeKind, ValueId};
use forkcheck_model::module::{Attribute, FunctionId, Module};
use forkcheck_model::operators::{Call, Fault, Modes, Operator, Printed};
use forkcheck_model::slot::{Allocator, Memory, SlotId};
use forkcheck_model::tensor::{Scalar, Tensor};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Await, Awaited, Dict, DictContent, Generator, Key, List, ListContent, Object, Value};

/// What came of a program that was run on the spot.
#[derive(Debug)]
pub struct Eager {
    /// What it returns, or why it does not.
    pub result: Result<Value, Stop>,
    /// What was not foreseen.
    pub complaints: Vec<String>,
    /// How many values were held against what was foreseen.
    pub values: u64,
    /// How many pairs of values were found to share memory.
    pub pairs: u64,
}

/// Why a program does not return.
#[derive(Debug, Clone, PartialEq)]
pub enum Stop {
    /// It raised this.
    Raised(String),
    /// We cannot compute something.
    Unsupported(String),
    /// What comes was not foreseen, so there is nothing to hold it against.
    Unforeseen,
}

/// So many values that share memory are held against each other.
const MOST_SIGHTINGS: usize = 40;

/// So many nodes are executed.
const MOST_NODES: u64 = 1_000_000;

/// Of larger tensors nobody asks which elements they show.
const MOST_ELEMENTS: i64 = 64;

/// Whether all that a program shows was foreseen, as far as it gets.
///
/// # Errors
/// If not: what was not.
pub fn was_foreseen(program: &Program) -> Result<(), String> {
    let complaints = run(program).map_or(Vec::new(), |run| run.complaints);
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

/// Who names what is given, and what is made: what was loaded has names of its own.
const GIVEN: u32 = u32::MAX - 1;
const MADE: u32 = u32::MAX;

/// Runs a program, whose module it changes as the program does. `None` if the static part gives it up, or says of something
/// in it that it does not know what that does.
pub fn run(program: &Program) -> Option<Eager> {
    let world = World::of(&program.module, |functions, id| functions[id.0 as usize].name.to_string());
    let foreseen = Foreseen::of(&world, program.entry).ok().filter(Foreseen::is_complete)?;
    let mut runner = Runner {
        module: &program.module,
        foreseen,
        allocator: Allocator::new(MADE, Memory::unlimited()),
        generator: Generator::default_seeded(0),
        modes: Modes::default(),
        printed: Printed::default(),
        results: Vec::new(),
        sightings: BTreeMap::new(),
        complaints: Vec::new(),
        values: 0,
        pairs: 0,
        nodes: 0,
    };
    let inputs = copy_deep(&program.inputs, &mut Allocator::new(GIVEN, Memory::unlimited()));
    let args = [vec![Value::Object(program.module.root.clone())], inputs].concat();
    let result = runner.function(program.entry, Some(Foreseen::ENTRY), args);
    let Runner { complaints, values, pairs, .. } = runner;
    Some(Eager { result, complaints, values, pairs })
}

struct Runner<'a> {
    module: &'a Module,
    foreseen: Foreseen<'a>,
    allocator: Allocator,
    generator: Generator,
    modes: Modes,
    printed: Printed,
    /// By number of the task.
    results: Vec<Result<Value, Stop>>,
    sightings: BTreeMap<SlotId, Vec<Sighting>>,
    complaints: Vec<String>,
    values: u64,
    pairs: u64,
    nodes: u64,
}

/// A value that was seen to be, or to show, some memory.
struct Sighting {
    seen: Seen,
    /// Of a small tensor, which elements it shows.
    elements: Option<BTreeSet<i64>>,
}

struct Frame {
    function: FunctionId,
    context: u32,
    values: Vec<Value>,
}

impl<'a> Runner<'a> {
    fn function(&mut self, id: FunctionId, context: Option<u32>, mut args: Vec<Value>) -> Result<Value, Stop> {
        let function = self.module.function(id);
        let Some(context) = context else {
            self.complaints.push(format!("{} is called, which was not foreseen", function.name));
            return Err(Stop::Unforeseen);
        };
        for param in function.params.iter().skip(args.len()) {
            args.push(param.default.clone().expect("the frontend asks for what has no default"));
        }
        let values = vec![Value::Uninitialized; function.graph.values.len()];
        let mut frame = Frame { function: id, context, values };
        for (&param, arg) in function.graph.body.params.iter().zip(args) {
            self.bind(&mut frame, param, arg);
        }
        self.block(&mut frame, &function.graph.body)?;
        let returned = function.graph.body.returns.first();
        Ok(returned.map_or(Value::None, |id| frame.values[id.0 as usize].clone()))
    }

    fn block(&mut self, frame: &mut Frame, block: &'a Block) -> Result<(), Stop> {
        block.nodes.iter().try_for_each(|node| self.node(frame, node))
    }

    fn node(&mut self, frame: &mut Frame, node: &'a Node) -> Result<(), Stop> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(Stop::Unsupported("so many nodes".into()));
        }
        match node.kind {
            NodeKind::If => return self.branch(frame, node),
            NodeKind::Loop => return self.repeat(frame, node),
            _ => {}
        }
        let inputs: Vec<Value> = node.inputs.iter().map(|id| frame.values[id.0 as usize].clone()).collect();
        let value = self.compute(frame, node, inputs)?;
        match (&*node.outputs, &node.kind) {
            ([], _) => {}
            ([output], kind) if !matches!(kind, NodeKind::TupleUnpack | NodeKind::ListUnpack) => {
                self.bind(frame, *output, value);
            }
            (outputs, _) => {
                for (&output, value) in outputs.iter().zip(tuple(&value)) {
                    self.bind(frame, output, value.clone());
                }
            }
        }
        Ok(())
    }

    fn branch(&mut self, frame: &mut Frame, node: &'a Node) -> Result<(), Stop> {
        let block = &node.blocks[usize::from(!truth(&frame.values[node.inputs[0].0 as usize]))];
        self.block(frame, block)?;
        self.hand_on(frame, &block.returns, &node.outputs);
        Ok(())
    }

    fn repeat(&mut self, frame: &mut Frame, node: &'a Node) -> Result<(), Stop> {
        let body = &node.blocks[0];
        let most = int(&frame.values[node.inputs[0].0 as usize]);
        let mut goes_on = truth(&frame.values[node.inputs[1].0 as usize]);
        let mut carried = &node.inputs[2..];
        let mut trip = 0;
        while goes_on && trip < most {
            self.bind(frame, body.params[0], Value::Int(trip));
            self.hand_on(frame, carried, &body.params[1..]);
            self.block(frame, body)?;
            goes_on = truth(&frame.values[body.returns[0].0 as usize]);
            carried = &body.returns[1..];
            trip += 1;
        }
        self.hand_on(frame, carried, &node.outputs);
        Ok(())
    }

    /// Binds values to others, all at once.
    fn hand_on(&mut self, frame: &mut Frame, from: &[ValueId], to: &[ValueId]) {
        let values: Vec<Value> = from.iter().map(|id| frame.values[id.0 as usize].clone()).collect();
        for (&id, value) in to.iter().zip(values) {
            self.bind(frame, id, value);
        }
    }

    /// What a node gives; of several outputs, a tuple.
    fn compute(&mut self, frame: &Frame, node: &Node, inputs: Vec<Value>) -> Result<Value, Stop> {
        let called = |this: &Self, function| this.foreseen.called(frame.context, node.id, function);
        Ok(match &node.kind {
            NodeKind::Constant(value) => value.clone(),
            NodeKind::Operator(operator) => return self.operator(frame, node, operator, &inputs),
            NodeKind::GetAttr { index, .. } => object(&inputs[0]).attribute(*index),
            NodeKind::SetAttr { index, .. } => {
                self.expect_write(frame, node);
                object(&inputs[0]).set_attribute(*index, inputs[1].clone());
                Value::None
            }
            NodeKind::CallFunction(function) => return self.function(*function, called(self, *function), inputs),
            NodeKind::CallMethod(name) => return self.method(frame, node, name, inputs),
            NodeKind::Enter => return self.method(frame, node, "__enter__", inputs),
            NodeKind::Exit => {
                let function = method(&inputs[0], "__exit__");
                let mut args = inputs;
                args.resize(self.module.function(function).params.len(), Value::None);
                return self.function(function, called(self, function), args);
            }
            NodeKind::Fork(body) => {
                let modes = self.modes.clone();
                let context = self.foreseen.forked(frame.context, node.id, *body);
                let result = self.function(*body, context, inputs);
                self.modes = modes;
                self.results.push(result);
                Value::Future(Arc::new(self.results.len() as u32 - 1))
            }
            NodeKind::Wait => match &inputs[0] {
                Value::Future(future) => return self.results[future.task() as usize].clone(),
                other => panic!("a future, not {other:?}"),
            },
            NodeKind::Awaitable(body) => {
                Value::Await(Await::new(&mut self.allocator, Awaited::Pending { body: *body, captures: inputs }))
            }
            NodeKind::AwaitableWait => return self.wait_for_awaitable(frame, node, &inputs[0]),
            NodeKind::AwaitableNowait => {
                Value::Await(Await::new(&mut self.allocator, Awaited::Done(inputs[0].clone())))
            }
            NodeKind::ListConstruct(item) => self.list(item.clone(), inputs),
            NodeKind::DictConstruct(key, value) => {
                let pairs = inputs.chunks_exact(2);
                let entries = pairs.map(|pair| (Key::from_value(&pair[0]).expect("a key"), pair[1].clone()));
                let content = DictContent { key: key.clone(), value: value.clone(), entries: entries.collect() };
                Value::Dict(Dict::new(&mut self.allocator, content))
            }
            NodeKind::TupleConstruct(_) => Value::tuple(&*inputs),
            NodeKind::TupleUnpack => inputs[0].clone(),
            NodeKind::TupleIndex(index) => tuple(&inputs[0])[*index].clone(),
            NodeKind::TupleItem => {
                let (items, Value::Int(index)) = (tuple(&inputs[0]), &inputs[1]) else { unreachable!("an index") };
                let index = if *index < 0 { index + items.len() as i64 } else { *index };
                let item = items.get(usize::try_from(index).unwrap_or(usize::MAX)).cloned();
                item.ok_or_else(|| Stop::Raised("no such item".into()))?
            }
            NodeKind::TupleSlice(begin, end) => Value::tuple(&tuple(&inputs[0])[*begin..*end]),
            NodeKind::ListUnpack => match &inputs[0] {
                Value::List(list) if list.content().items.len() == node.outputs.len() => {
                    Value::tuple(&*list.content().items)
                }
                _ => return Err(Stop::Raised("another number of items".into())),
            },
            NodeKind::CreateObject(class) => {
                let values = vec![Value::Uninitialized; class.attributes.len()];
                Value::Object(Object::new(&mut self.allocator, class.clone(), values))
            }
            NodeKind::IsInstance(types) => Value::Bool(types.iter().any(|ty| is_instance(&inputs[0], ty))),
            NodeKind::UncheckedCast => inputs[0].clone(),
            NodeKind::Uninitialized => Value::Uninitialized,
            NodeKind::Print => Value::None,
            NodeKind::RaiseException => return Err(Stop::Raised(format!("{:?}", inputs[0]))),
            NodeKind::ToList => self.numbers(&inputs[0])?,
            NodeKind::EnumName | NodeKind::EnumValue => match &inputs[0] {
                Value::Enum(member) if matches!(node.kind, NodeKind::EnumName) => Value::Str(member.name.clone()),
                Value::Enum(member) => member.value.clone(),
                other => panic!("an enum member, not {other:?}"),
            },
            NodeKind::ContainerIndex => {
                let container = object(&inputs[0]);
                let name = match &inputs[1] {
                    Value::Int(index @ ..0) => {
                        let is_number = |of: &&Attribute| of.name.bytes().all(|byte| byte.is_ascii_digit());
                        let members = container.class().attributes.iter().filter(is_number).count();
                        (index + members as i64).to_string()
                    }
                    Value::Int(index) => index.to_string(),
                    Value::Str(key) => key.to_string(),
                    other => panic!("an index or a key, not {other:?}"),
                };
                let index = container.class().attribute(&name);
                container.attribute(index.ok_or_else(|| Stop::Raised("no such member".into()))?)
            }
            NodeKind::Opaque(name) => return Err(Stop::Unsupported(name.to_string())),
            NodeKind::If | NodeKind::Loop => unreachable!("they bind what their blocks return"),
        })
    }

    fn method(&mut self, frame: &Frame, node: &Node, name: &str, inputs: Vec<Value>) -> Result<Value, Stop> {
        let function = method(&inputs[0], name);
        self.function(function, self.foreseen.called(frame.context, node.id, function), inputs)
    }

    fn operator(
        &mut self,
        frame: &Frame,
        node: &Node,
        operator: &'static Operator,
        args: &[Value],
    ) -> Result<Value, Stop> {
        if operator.effects(args).iter().any(|effect| effect.access.writes()) {
            self.expect_write(frame, node);
        }
        let kernel = operator.kernel.ok_or_else(|| Stop::Unsupported(operator.full_name()))?;
        let mut call = Call {
            operator,
            args,
            allocator: &mut self.allocator,
            generator: &self.generator,
            modes: &mut self.modes,
            printed: &mut self.printed,
        };
        call.compute(kernel).map_err(|fault| match fault {
            Fault::Raised { message, .. } => Stop::Raised(message),
            other => Stop::Unsupported(format!("{other:?}")),
        })
    }

    fn wait_for_awaitable(&mut self, frame: &Frame, node: &Node, awaited: &Value) -> Result<Value, Stop> {
        let Value::Await(awaited) = awaited else { panic!("an awaitable, not {awaited:?}") };
        match &*awaited.content() {
            Awaited::Done(value) => Ok(value.clone()),
            Awaited::Pending { body, captures } => {
                let context = self.foreseen.called(frame.context, node.id, *body);
                let value = self.function(*body, context, captures.clone())?;
                awaited.slot().set(Arc::new(Awaited::Done(value.clone())));
                Ok(value)
            }
        }
    }

    fn list(&mut self, item: Type, items: Vec<Value>) -> Value {
        Value::List(List::new(&mut self.allocator, ListContent { item, items }))
    }

    /// `x.tolist()`.
    fn numbers(&mut self, value: &Value) -> Result<Value, Stop> {
        let Value::Tensor(tensor) = value else { panic!("a tensor, not {value:?}") };
        if tensor.nested().is_some() {
            return Err(Stop::Raised("its sizes differ".into()));
        }
        let items: Vec<Value> =
            numbers(tensor).expect("the frontend types it for numbers").into_iter().map(Scalar::to_value).collect();
        let ty = match items.first() {
            Some(Value::Float(_)) => Type::Float,
            Some(Value::Bool(_)) => Type::Bool,
            Some(Value::Complex(_)) => Type::Complex,
            _ => Type::Int,
        };
        Ok(self.nested(&items, &tensor.sizes(), ty))
    }

    fn nested(&mut self, items: &[Value], sizes: &[i64], ty: Type) -> Value {
        let Some((&size, inner)) = sizes.split_first() else { return items[0].clone() };
        let each = items.len() / size.max(1) as usize;
        let parts = (0..size as usize).map(|i| self.nested(&items[i * each..][..each], inner, ty.clone())).collect();
        let item = inner.iter().fold(ty, |ty, _| Type::list(ty));
        self.list(item, parts)
    }

    /// Binds a value, and holds it against what was foreseen.
    fn bind(&mut self, frame: &mut Frame, id: ValueId, value: Value) {
        let seen = (frame.context, id);
        if !matches!(value, Value::Uninitialized) {
            self.values += 1;
            if !self.foreseen.admits(seen, &value) {
                self.complain(frame, id, format!("{value:?} was not foreseen"));
            }
            match &value {
                Value::Tensor(tensor) => self.sight(frame, id, tensor.storage().id(), elements(tensor)),
                Value::List(list) => self.sight(frame, id, list.id(), None),
                Value::Dict(dict) => self.sight(frame, id, dict.id(), None),
                Value::Object(object) => self.sight(frame, id, object.id(), None),
                Value::Await(awaited) => self.sight(frame, id, awaited.id(), None),
                _ => {}
            }
        }
        frame.values[id.0 as usize] = value;
    }

    /// A value is, or shows, this memory: so whatever else did must be known to.
    fn sight(&mut self, frame: &Frame, id: ValueId, slot: SlotId, elements: Option<BTreeSet<i64>>) {
        let seen = (frame.context, id);
        let sightings = self.sightings.entry(slot).or_default();
        if sightings.len() >= MOST_SIGHTINGS || sightings.iter().any(|of| of.seen == seen && of.elements == elements) {
            return;
        }
        let mut wrong = Vec::new();
        for other in sightings.iter() {
            self.pairs += 1;
            let meet = match (&elements, &other.elements) {
                (Some(one), Some(other)) => !one.is_disjoint(other),
                _ => false,
            };
            if !self.foreseen.may_share(seen, other.seen) {
                wrong.push((other.seen, "shares memory"));
            } else if meet && !self.foreseen.may_overlap(seen, other.seen) {
                wrong.push((other.seen, "shares elements"));
            }
        }
        sightings.push(Sighting { seen, elements });
        for ((context, other), how) in wrong {
            self.complain(frame, id, format!("{how} with {} of context {context}", other.0));
        }
    }

    fn expect_write(&mut self, frame: &Frame, node: &Node) {
        if !self.foreseen.writes(frame.context, node.id) {
            let function = &self.module.function(frame.function).name;
            self.complaints.push(format!("{function}, node {} ({}): writes", node.id, node.kind.name()));
        }
    }

    fn complain(&mut self, frame: &Frame, id: ValueId, what: String) {
        let function = self.module.function(frame.function);
        let info = function.graph.value(id);
        let maker = function.graph.body.nodes_within().find(|node| node.outputs.contains(&id));
        let maker = maker.map_or("parameter".to_string(), |node| {
            let place = node.span.as_ref().map_or(String::new(), |span| format!(" on line {}", span.line()));
            format!("{}{place}", node.kind.name())
        });
        let name = info.name.as_deref().unwrap_or("_");
        self.complaints.push(format!("{}, {name} (value {}, {maker}): {what}", function.name, id.0));
    }
}

/// Which elements of its memory a small tensor shows, in bytes from its beginning.
fn elements(tensor: &Tensor) -> Option<BTreeSet<i64>> {
    let metadata = tensor.metadata();
    let layout = &metadata.layout;
    if tensor.nested().is_some() || layout.numel() > MOST_ELEMENTS {
        return None;
    }
    let size = metadata.dtype.size() as i64;
    let mut starts = vec![layout.offset()];
    for (&count, &stride) in layout.sizes().iter().zip(layout.strides()) {
        starts = starts.iter().flat_map(|start| (0..count).map(move |i| start + i * stride)).collect();
    }
    Some(starts.iter().flat_map(|start| (0..size).map(move |byte| start * size + byte)).collect())
}

/// Whether `value` is of the type, as `isinstance` asks.
fn is_instance(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (_, Type::Any) => true,
        (value, Type::Optional(item)) => matches!(value, Value::None) || is_instance(value, item),
        (value, Type::Union(items)) => items.iter().any(|item| is_instance(value, item)),
        (Value::List(list), Type::List(item)) => list.content().item == **item,
        (Value::Dict(dict), Type::Dict(key, item)) => {
            let content = dict.content();
            content.key == **key && content.value == **item
        }
        (Value::Tuple(items), Type::Tuple(types)) => {
            items.len() == types.len() && items.iter().zip(types.iter()).all(|(item, ty)| is_instance(item, ty))
        }
        (Value::Object(object), Type::Named(name)) => object.class().name == *name,
        (Value::Enum(member), Type::Named(name)) => member.class == *name,
        (value, ty) => matches!(
            (value, ty),
            (Value::None, Type::None)
                | (Value::Bool(_), Type::Bool)
                | (Value::Int(_), Type::Int | Type::Number)
                | (Value::Float(_), Type::Float | Type::Number)
                | (Value::Complex(_), Type::Complex | Type::Number)
                | (Value::Str(_), Type::Str)
                | (Value::Device(_), Type::Device)
                | (Value::Tensor(_), Type::Tensor)
                | (Value::List(_), Type::AnyList)
                | (Value::Tuple(_), Type::AnyTuple)
                | (Value::Generator(_), Type::Generator)
                | (Value::Future(_), Type::Future(_))
                | (Value::Await(_), Type::Await(_))
                | (Value::Enum(_), Type::AnyEnum)
        ),
    }
}

fn method(value: &Value, name: &str) -> FunctionId {
    object(value).class().methods[name]
}

fn object(value: &Value) -> &Object {
    match value {
        Value::Object(object) => object,
        other => panic!("an object, not {other:?}"),
    }
}

fn tuple(value: &Value) -> &[Value] {
    match value {
        Value::Tuple(items) => items,
        other => panic!("a tuple, not {other:?}"),
    }
}

fn truth(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(value) => *value,
        other => panic!("an int, not {other:?}"),
    }
}
