//! A program with one thing done otherwise: what is changed is a copy.

use std::collections::BTreeSet;

use forkcheck_model::copy::copy_deep;
use forkcheck_model::effects::{Place, World};
use forkcheck_model::graph::{Block, Graph, Node, NodeKind, Span, ValueId, ValueInfo};
use forkcheck_model::module::{ClassKind, Function, FunctionId, Parameter};
use forkcheck_model::operators;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Object, Value};

/// The owner of copied things: nothing that was loaded has it.
const COPIES: u32 = u32::MAX - 1;

/// The number of nodes that were just made, until all are numbered anew.
const NEW: u32 = u32::MAX;

/// How a thing is made one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Copying {
    /// `x.clone()`.
    Tensor,
    /// `xs.copy()`, of a list or dict: what it holds stays the same.
    Container,
    /// `[x.clone() for x in xs]`.
    Tensors,
}

impl Copying {
    /// How a thing of this type can be copied.
    pub(super) fn of(ty: &Type) -> Vec<Copying> {
        match ty {
            Type::Tensor => vec![Copying::Tensor],
            Type::List(item) if **item == Type::Tensor => vec![Copying::Container, Copying::Tensors],
            Type::List(_) => vec![Copying::Container],
            Type::Dict(key, _) if copied_by(key).is_some() => vec![Copying::Container],
            _ => Vec::new(),
        }
    }

    /// The copy in the user's words.
    pub(super) fn words(self, name: &str) -> String {
        match self {
            Copying::Tensor => format!("{name}.clone()"),
            Copying::Container => format!("{name}.copy()"),
            Copying::Tensors => format!("[t.clone() for t in {name}]"),
        }
    }
}

/// The operator that copies a dict with such keys.
fn copied_by(key: &Type) -> Option<&'static str> {
    Some(match key {
        Type::Str => "aten::copy.Dict_str",
        Type::Int => "aten::copy.Dict_int",
        Type::Bool => "aten::copy.Dict_bool",
        Type::Float => "aten::copy.Dict_float",
        Type::Complex => "aten::copy.Dict_complex",
        Type::Tensor => "aten::copy.Dict_Tensor",
        _ => return None,
    })
}

/// The fork is given a copy of its `input`-th captured value, made right before it.
pub(super) fn copied(world: &World<'_>, fork: Place, input: usize, copying: Copying) -> Option<Vec<Function>> {
    let mut functions = world.functions.to_vec();
    let graph = &mut functions[fork.function.0 as usize].graph;
    let original = *node(&graph.body, fork.node)?.inputs.get(input)?;
    let mut maker = Maker::before(graph, fork.node)?;
    let copy = maker.copy(original, copying)?;
    maker.insert();
    // Before it is numbered anew, the fork still has its old number.
    node_mut(&mut graph.body, fork.node)?.inputs[input] = copy;
    number(graph);
    Some(functions)
}

/// The function begins with a copy of its parameter, and goes on with that.
pub(super) fn owned(world: &World<'_>, function: FunctionId, param: usize, copying: Copying) -> Option<Vec<Function>> {
    let mut functions = world.functions.to_vec();
    let graph = &mut functions[function.0 as usize].graph;
    let original = *graph.body.params.get(param)?;
    let mut maker = Maker::before(graph, 0)?;
    let copy = maker.copy(original, copying)?;
    let made = std::mem::take(&mut maker.made);
    replace(&mut graph.body, original, copy);
    graph.body.nodes.splice(0..0, made);
    number(graph);
    Some(functions)
}

/// The fork is waited for right before the node `before` of the same function; if its future is bound there.
pub(super) fn waited(world: &World<'_>, fork: Place, before: Place) -> Option<Vec<Function>> {
    let mut functions = world.functions.to_vec();
    let graph = &mut functions[fork.function.0 as usize].graph;
    let future = node(&graph.body, fork.node)?.outputs[0];
    let mut scope = Vec::new();
    if !scope_of(&graph.body, before.node, &mut scope) || !scope.contains(&future) {
        return None;
    }
    let Type::Future(result) = graph.value(future).ty.clone() else { return None };
    let mut maker = Maker::before(graph, before.node)?;
    maker.node(NodeKind::Wait, &[future], (*result).clone());
    maker.insert();
    number(graph);
    Some(functions)
}

/// The object, and all that it leads to, after `eval()`; `None` if nothing was in training.
pub(super) fn evaluated(root: &Object) -> Option<Object> {
    let mut allocator = Allocator::new(COPIES, Memory::unlimited());
    let copy = copy_deep(&[Value::Object(root.clone())], &mut allocator).pop()?;
    let Value::Object(root) = copy.clone() else { return None };
    let (mut waiting, mut seen, mut changed) = (vec![copy], BTreeSet::new(), false);
    while let Some(value) = waiting.pop() {
        match &value {
            Value::Tuple(items) => waiting.extend(items.iter().cloned()),
            Value::List(list) if seen.insert(list.id()) => waiting.extend(list.content().items.iter().cloned()),
            Value::Dict(dict) if seen.insert(dict.id()) => waiting.extend(dict.content().entries.values().cloned()),
            Value::Object(object) if seen.insert(object.id()) => {
                let class = object.class();
                let training = class.attribute("training").filter(|_| matches!(class.kind, ClassKind::Module { .. }));
                if let Some(index) = training
                    && matches!(object.attribute(index), Value::Bool(true))
                {
                    object.set_attribute(index, Value::Bool(false));
                    changed = true;
                }
                waiting.extend(object.slot().get().iter().cloned());
            }
            _ => {}
        }
    }
    changed.then_some(root)
}

/// What the innermost node of `stack` draws is drawn before the fork, and handed on to where it was drawn; if it is drawn
/// with constant arguments, once in each task, and every call on the way is of a known function.
pub(super) fn drawn_before(world: &World<'_>, stack: &[Place], fork: Place) -> Option<Vec<Function>> {
    let mut functions = world.functions.to_vec();
    let (draw, calls) = stack.split_first()?;
    let mut inner = functions[draw.function.0 as usize].clone();
    let drawn = outermost(&inner.graph, draw.node)?.clone();
    let [output] = drawn.outputs[..] else { return None };
    let ty = inner.graph.value(output).ty.clone();
    let taken = &inner.graph.body.nodes;
    let recipe: Vec<Node> = recipe(taken, &drawn.inputs)?.into_iter().chain([drawn.clone()]).collect();
    let types: Vec<Type> = recipe.iter().map(|node| inner.graph.value(node.outputs[0]).ty.clone()).collect();
    // What was drawn becomes a parameter.
    inner.graph.body.nodes.retain(|node| node.id != draw.node);
    inner.graph.body.params.push(output);
    inner.params.push(Parameter { name: "drawn".into(), ty: ty.clone(), default: None });
    let mut callee = add(&mut functions, inner);
    for (i, call) in calls.iter().enumerate() {
        let mut outer = functions[call.function.0 as usize].clone();
        let node = outermost(&outer.graph, call.node)?;
        let is_known = match &node.kind {
            NodeKind::CallFunction(function) => *function == stack[i].function,
            NodeKind::CallMethod(_) => match &outer.graph.value(node.inputs[0]).ty {
                Type::Named(name) => world.classes.get(name).is_some_and(|class| class.kind != ClassKind::Interface),
                _ => false,
            },
            _ => false,
        };
        if !is_known {
            return None;
        }
        let param = value(&mut outer.graph, ty.clone());
        outer.graph.body.params.push(param);
        outer.params.push(Parameter { name: "drawn".into(), ty: ty.clone(), default: None });
        let node = node_mut(&mut outer.graph.body, call.node)?;
        node.kind = NodeKind::CallFunction(callee);
        node.inputs.push(param);
        callee = add(&mut functions, outer);
    }
    let closure = stack.last()?.function;
    let graph = &mut functions[fork.function.0 as usize].graph;
    if !matches!(node(&graph.body, fork.node)?.kind, NodeKind::Fork(forked) if forked == closure) {
        return None;
    }
    let mut maker = Maker::before(graph, fork.node)?;
    let mut made: Vec<(ValueId, ValueId)> = Vec::new();
    for (node, ty) in recipe.iter().zip(types) {
        let of = |old: &ValueId| made.iter().find(|(known, _)| known == old).map(|(_, new)| *new);
        let inputs: Vec<ValueId> = node.inputs.iter().filter_map(of).collect();
        let new = maker.node(node.kind.clone(), &inputs, ty);
        made.push((node.outputs[0], new));
    }
    maker.insert();
    let fork = node_mut(&mut graph.body, fork.node)?;
    fork.kind = NodeKind::Fork(callee);
    fork.inputs.push(made.last()?.1);
    number(graph);
    Some(functions)
}

/// The nodes that make these values, if they make them of nothing but constants.
fn recipe(nodes: &[Node], values: &[ValueId]) -> Option<Vec<Node>> {
    let mut recipe: Vec<Node> = Vec::new();
    for value in values {
        let maker = nodes.iter().find(|node| node.outputs.contains(value))?;
        match &maker.kind {
            NodeKind::Constant(Value::Tensor(_) | Value::Generator(_)) => return None,
            NodeKind::Constant(_) => {}
            NodeKind::ListConstruct(_) | NodeKind::TupleConstruct(_) => {
                recipe.extend(self::recipe(nodes, &maker.inputs)?);
            }
            _ => return None,
        }
        recipe.push(maker.clone());
    }
    Some(recipe)
}

fn add(functions: &mut Vec<Function>, mut function: Function) -> FunctionId {
    number(&mut function.graph);
    functions.push(function);
    FunctionId(functions.len() as u32 - 1)
}

/// Nodes that are made to stand before another.
struct Maker<'a> {
    graph: &'a mut Graph,
    before: u32,
    span: Option<Span>,
    made: Vec<Node>,
}

impl<'a> Maker<'a> {
    fn before(graph: &'a mut Graph, before: u32) -> Option<Self> {
        let span = node(&graph.body, before)?.span.clone();
        Some(Self { graph, before, span, made: Vec::new() })
    }

    /// A node that binds one value.
    fn node(&mut self, kind: NodeKind, inputs: &[ValueId], ty: Type) -> ValueId {
        let output = value(self.graph, ty);
        self.made.push(self.of(kind, inputs, vec![output], Vec::new()));
        output
    }

    fn of(&self, kind: NodeKind, inputs: &[ValueId], outputs: Vec<ValueId>, blocks: Vec<Block>) -> Node {
        Node { id: NEW, kind, inputs: inputs.to_vec(), outputs, blocks, span: self.span.clone() }
    }

    fn constant(&mut self, value: Value, ty: Type) -> ValueId {
        self.node(NodeKind::Constant(value), &[], ty)
    }

    fn operator(&mut self, name: &str, inputs: &[ValueId], ty: Type) -> Option<ValueId> {
        let operator = operators::find(name)?;
        Some(self.node(NodeKind::Operator(operator), inputs, ty))
    }

    fn copy(&mut self, original: ValueId, copying: Copying) -> Option<ValueId> {
        let ty = self.graph.value(original).ty.clone();
        match copying {
            Copying::Tensor => {
                let format = self.constant(Value::None, Type::None);
                self.operator("aten::clone", &[original, format], ty)
            }
            Copying::Container => {
                let operator = match &ty {
                    Type::Dict(key, _) => copied_by(key)?,
                    _ => "aten::copy.t",
                };
                self.operator(operator, &[original], ty)
            }
            Copying::Tensors => self.comprehension(original, ty),
        }
    }

    /// `[x.clone() for x in xs]`.
    fn comprehension(&mut self, tensors: ValueId, ty: Type) -> Option<ValueId> {
        let length = self.operator("aten::len.t", &[tensors], Type::Int)?;
        let (yes, none) = (self.constant(Value::Bool(true), Type::Bool), self.constant(Value::None, Type::None));
        let list = self.node(NodeKind::ListConstruct(Type::Tensor), &[], ty.clone());
        let before = std::mem::take(&mut self.made);
        let trip = value(self.graph, Type::Int);
        let item = self.operator("aten::__getitem__.t", &[tensors, trip], Type::Tensor)?;
        let copy = self.operator("aten::clone", &[item, none], Type::Tensor)?;
        self.operator("aten::append.t", &[list, copy], ty)?;
        let body = Block { params: vec![trip], nodes: std::mem::replace(&mut self.made, before), returns: vec![yes] };
        self.made.push(self.of(NodeKind::Loop, &[length, yes], Vec::new(), vec![body]));
        Some(list)
    }

    fn insert(self) {
        let (block, at) = place(&mut self.graph.body, self.before).expect("it was found before");
        block.nodes.splice(at..at, self.made);
    }
}

/// Whoever used one value uses the other.
fn replace(block: &mut Block, old: ValueId, new: ValueId) {
    let one = |id: &mut ValueId| *id = if *id == old { new } else { *id };
    block.returns.iter_mut().for_each(one);
    for node in &mut block.nodes {
        node.inputs.iter_mut().for_each(one);
        node.blocks.iter_mut().for_each(|block| replace(block, old, new));
    }
}

/// A new value of the graph, without a name.
fn value(graph: &mut Graph, ty: Type) -> ValueId {
    graph.values.push(ValueInfo { name: None, ty });
    ValueId(graph.values.len() as u32 - 1)
}

/// The node of this number.
pub(super) fn node(block: &Block, id: u32) -> Option<&Node> {
    // Of nodes in program order, it is the last one that is not after it, or inside of that.
    let last = block.nodes.partition_point(|node| node.id <= id).checked_sub(1)?;
    let node = &block.nodes[last];
    if node.id == id { Some(node) } else { node.blocks.iter().find_map(|block| self::node(block, id)) }
}

fn node_mut(block: &mut Block, id: u32) -> Option<&mut Node> {
    let (block, at) = place(block, id)?;
    block.nodes.get_mut(at)
}

/// The block that the node of this number is in, and where.
fn place(block: &mut Block, id: u32) -> Option<(&mut Block, usize)> {
    if let Some(at) = block.nodes.iter().position(|node| node.id == id) {
        return Some((block, at));
    }
    block.nodes.iter_mut().flat_map(|node| &mut node.blocks).find_map(|block| place(block, id))
}

/// The node of this number, if it is in the outermost block.
fn outermost(graph: &Graph, id: u32) -> Option<&Node> {
    graph.body.nodes.iter().find(|node| node.id == id)
}

/// Collects what is bound right before the node of this number.
fn scope_of(block: &Block, id: u32, scope: &mut Vec<ValueId>) -> bool {
    scope.extend(&block.params);
    for node in &block.nodes {
        if node.id == id {
            return true;
        }
        for block in &node.blocks {
            let outside = scope.len();
            if scope_of(block, id, scope) {
                return true;
            }
            scope.truncate(outside);
        }
        scope.extend(&node.outputs);
    }
    false
}

/// Numbers the nodes in program order, and holds the graph to what a graph must be.
fn number(graph: &mut Graph) {
    fn walk(block: &mut Block, next: &mut u32) {
        for node in &mut block.nodes {
            node.id = *next;
            *next += 1;
            node.blocks.iter_mut().for_each(|block| walk(block, next));
        }
    }
    walk(&mut graph.body, &mut 0);
    graph.verify();
}
