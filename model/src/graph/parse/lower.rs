//! From the tree to graphs: names become values, kinds become nodes, callees become functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::declare::{Declared, Shape, name_of};
use super::syntax::{Tree, nested};
use super::tree::{self, Binding, Use};
use super::{DEPTH_LIMIT, GraphText, constants, overload_of};
use crate::error::Error;
use crate::frontend::is_unknown;
use crate::graph::{Block, Graph, Node, NodeKind, Source, Span, ValueId, ValueInfo};
use crate::module::{Attribute, Class, ClassKind, Function, FunctionId, Parameter};
use crate::operators::{Operator, overloads};
use crate::slot::{Allocator, Memory};
use crate::types::Type;
use crate::value::Value;

/// All graphs of a text.
pub(super) fn lower(tree: &Tree<'_>, declared: Declared) -> Result<GraphText, Error> {
    let mut output = Output {
        tree,
        classes: BTreeMap::new(),
        functions: vec![None],
        bodies: vec![(0, GraphText::MAIN, "graph".into())],
        callees: FxHashMap::default(),
        allocator: Allocator::new(0, Memory::unlimited()),
    };
    output.make_classes(declared);
    while let Some((section, id, name)) = output.bodies.pop() {
        let function = function(&mut output, section, name)?;
        output.functions[id.0 as usize] = Some(function);
    }
    let functions: Vec<Function> =
        output.functions.into_iter().map(|function| function.expect("every body was made")).collect();
    if cfg!(debug_assertions) {
        functions.iter().for_each(|function| function.graph.verify());
    }
    Ok(GraphText { functions, classes: output.classes })
}

/// What all graphs of a text share.
struct Output<'t, 'a> {
    tree: &'a Tree<'t>,
    classes: BTreeMap<Arc<str>, Arc<Class>>,
    /// `None` where the graph is still to be made.
    functions: Vec<Option<Function>>,
    /// The sections that are still to be made: which, as which function, by what name.
    bodies: Vec<(usize, FunctionId, Arc<str>)>,
    /// Functions of which only name and types are known.
    callees: FxHashMap<(Arc<str>, Vec<Type>, Type), FunctionId>,
    allocator: Allocator,
}

impl Output<'_, '_> {
    fn make_classes(&mut self, declared: Declared) {
        for (name, declaration) in declared {
            let mut methods = BTreeMap::new();
            for (method, (params, returns)) in declaration.methods {
                let id = self.unknown_function(&format!("{name}.{method}"), &params, returns);
                methods.insert(method, id);
            }
            let attributes = declaration.attributes.into_iter().map(|(name, (ty, _))| Attribute { name, ty }).collect();
            let kind = match declaration.shape {
                Shape::Object => ClassKind::Plain,
                Shape::NamedTuple => ClassKind::NamedTuple,
                Shape::Enum => ClassKind::Enum,
            };
            let constants = declaration.members;
            self.classes.insert(name.clone(), Arc::new(Class { name, kind, attributes, constants, methods }));
        }
    }

    /// The function `name` that takes and gives values of these types.
    fn callee(&mut self, name: &str, params: Vec<Type>, returns: Type) -> FunctionId {
        let key = (Arc::from(name), params, returns);
        if let Some(&id) = self.callees.get(&key) {
            return id;
        }
        let id = self.unknown_function(name, &key.1, key.2.clone());
        self.callees.insert(key, id);
        id
    }

    fn unknown_function(&mut self, name: &str, params: &[Type], returns: Type) -> FunctionId {
        let graph = Graph::unknown(name, params, returns.clone());
        let parameter =
            |(i, ty): (usize, &Type)| Parameter { name: i.to_string().into(), ty: ty.clone(), default: None };
        let params = params.iter().enumerate().map(parameter).collect();
        self.functions.push(Some(Function { name: name.into(), params, returns, graph }));
        FunctionId(self.functions.len() as u32 - 1)
    }

    /// The body of a closure that is started in the function `around`.
    fn body(&mut self, section: usize, around: &str, what: &str) -> FunctionId {
        self.functions.push(None);
        let id = FunctionId(self.functions.len() as u32 - 1);
        self.bodies.push((section, id, format!("{around}.<{what} function>").into()));
        id
    }
}

/// One section as a function.
fn function(output: &mut Output<'_, '_>, section: usize, name: Arc<str>) -> Result<Function, Error> {
    let body = &output.tree.sections[section].body;
    let mut lowering = Lowering {
        output,
        name: name.clone(),
        graph: Graph::default(),
        scope: FxHashMap::default(),
        ints: FxHashMap::default(),
        next: 0,
    };
    let params = lowering.bind_all(&body.params)?;
    let mut nodes = lowering.nodes(&body.nodes, 0)?;
    let mut returns = lowering.uses(&body.returns)?;
    if returns.len() != 1 {
        let types: Vec<Type> = returns.iter().map(|&id| lowering.graph.value(id).ty.clone()).collect();
        let tuple = lowering.new_value(None, Type::tuple(types));
        let id = lowering.number();
        let kind = NodeKind::TupleConstruct(None);
        nodes.push(Node { id, kind, inputs: returns, outputs: vec![tuple], blocks: Vec::new(), span: None });
        returns = vec![tuple];
    }
    let mut graph = lowering.graph;
    let parameter = |binding: &Binding<'_>| Parameter {
        name: variable(binding.name).unwrap_or(binding.name).into(),
        ty: binding.ty.clone(),
        default: None,
    };
    let parameters = body.params.iter().map(parameter).collect();
    let ty = graph.value(returns[0]).ty.clone();
    graph.body = Block { params, nodes, returns };
    Ok(Function { name, params: parameters, returns: ty, graph })
}

/// The variable that a value is named after: `x` of `x.1`; none if it only has a number.
fn variable(name: &str) -> Option<&str> {
    let name = match name.rsplit_once('.') {
        Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    };
    name.starts_with(|c: char| !c.is_ascii_digit()).then_some(name)
}

/// Nodes that run the section that they own on their inputs, and give what it returns.
const RUN_IN_PLACE: &[&str] = &[
    "prim::DifferentiableGraph",
    "prim::TensorExprGroup",
    "prim::FunctionalGraph",
    "prim::FallbackGraph",
    "prim::FusionGroup",
    "prim::CudaFusionGroup",
    "prim::oneDNNFusionGroup",
    "prim::StaticSubgraph",
];

/// What a name stands for.
#[derive(Debug, Clone)]
enum Bound {
    Value(ValueId),
    /// A function, by its name.
    Function(Arc<str>),
}

/// One graph being made.
struct Lowering<'t, 'a, 'o> {
    output: &'o mut Output<'t, 'a>,
    /// The function's.
    name: Arc<str>,
    graph: Graph,
    scope: FxHashMap<&'t str, Bound>,
    /// Which values are constant ints.
    ints: FxHashMap<ValueId, i64>,
    /// The number of the next node.
    next: u32,
}

impl<'t, 'a> Lowering<'t, 'a, '_> {
    fn number(&mut self) -> u32 {
        self.next += 1;
        self.next - 1
    }

    fn error<R>(&self, at: usize, message: impl Into<String>) -> Result<R, Error> {
        Err(self.output.tree.error(at, message))
    }

    fn new_value(&mut self, name: Option<&str>, ty: Type) -> ValueId {
        self.graph.values.push(ValueInfo { name: name.map(Arc::from), ty });
        ValueId(self.graph.values.len() as u32 - 1)
    }

    fn bind(&mut self, binding: &Binding<'t>) -> Result<ValueId, Error> {
        let id = self.new_value(variable(binding.name), binding.ty.clone());
        self.bind_to(binding, Bound::Value(id))?;
        Ok(id)
    }

    fn bind_to(&mut self, binding: &Binding<'t>, bound: Bound) -> Result<(), Error> {
        match self.scope.insert(binding.name, bound) {
            None => Ok(()),
            Some(_) => self.error(binding.at, format!("expected a new value, found `%{}` again", binding.name)),
        }
    }

    fn bind_all(&mut self, bindings: &[Binding<'t>]) -> Result<Vec<ValueId>, Error> {
        bindings.iter().map(|binding| self.bind(binding)).collect()
    }

    fn value(&self, value: &Use<'t>) -> Result<ValueId, Error> {
        match self.scope.get(value.name) {
            Some(Bound::Value(id)) => Ok(*id),
            Some(Bound::Function(name)) => {
                self.error(value.at, format!("expected a value, found the function `{name}`, which can only be called"))
            }
            None => self.error(value.at, format!("expected a value that is bound here, found `%{}`", value.name)),
        }
    }

    fn type_of(&self, value: &Use<'t>) -> Result<&Type, Error> {
        Ok(&self.graph.value(self.value(value)?).ty)
    }

    fn uses(&self, uses: &[Use<'t>]) -> Result<Vec<ValueId>, Error> {
        uses.iter().map(|value| self.value(value)).collect()
    }

    fn nodes(&mut self, nodes: &'a [tree::Node<'t>], depth: u32) -> Result<Vec<Node>, Error> {
        let mut made = Vec::with_capacity(nodes.len());
        for node in nodes {
            self.node(node, depth, &mut made)?;
        }
        Ok(made)
    }

    fn block(&mut self, block: &'a tree::Block<'t>, depth: u32) -> Result<Block, Error> {
        let params = self.bind_all(&block.params)?;
        let nodes = self.nodes(&block.nodes, depth)?;
        let returns = self.uses(&block.returns)?;
        // What a block binds is not known outside.
        for binding in block.params.iter().chain(block.nodes.iter().flat_map(|node| &node.outputs)) {
            self.scope.remove(binding.name);
        }
        Ok(Block { params, nodes, returns })
    }

    fn node(&mut self, node: &'a tree::Node<'t>, depth: u32, made: &mut Vec<Node>) -> Result<(), Error> {
        if depth == DEPTH_LIMIT {
            return self.error(node.at, nested());
        }
        if node.section.get() != 0 && RUN_IN_PLACE.contains(&kind_of(node)) {
            return self.in_place(node, depth, made);
        }
        if let ("prim::Constant", [Binding { ty: Type::Function(_), .. }]) = (node.kind, &node.outputs[..]) {
            let name = name_of(self.output.tree, node)?;
            return self.bind_to(&node.outputs[0], Bound::Function(name));
        }
        let id = self.number();
        let (kind, inputs) = self.kind(node)?;
        let mut blocks = Vec::new();
        if matches!(kind, NodeKind::If | NodeKind::Loop) {
            for block in &node.blocks {
                blocks.push(self.block(block, depth + 1)?);
            }
        }
        let outputs = self.bind_all(&node.outputs)?;
        if let (NodeKind::Constant(Value::Int(value)), [output]) = (&kind, &outputs[..]) {
            self.ints.insert(*output, *value);
        }
        let span =
            node.place.map(|place| Span::new(Arc::new(Source::of_place(place.file, place.line, place.column)), 0, 0));
        made.push(Node { id, kind, inputs, outputs, blocks, span });
        Ok(())
    }

    /// The nodes of the section that the node owns and runs.
    fn in_place(&mut self, node: &'a tree::Node<'t>, depth: u32, made: &mut Vec<Node>) -> Result<(), Error> {
        let inputs = self.uses(&node.inputs)?;
        let section = &self.output.tree.sections[node.section.get()];
        let body = &section.body;
        self.counts(section.at, "parameters", body.params.len(), inputs.len())?;
        self.counts(section.at, "results", body.returns.len(), node.outputs.len())?;
        let around = std::mem::take(&mut self.scope);
        for (param, &input) in body.params.iter().zip(&inputs) {
            self.bind_to(param, Bound::Value(input))?;
        }
        made.extend(self.nodes(&body.nodes, depth + 1)?);
        let returns = self.uses(&body.returns)?;
        self.scope = around;
        for (output, id) in node.outputs.iter().zip(returns) {
            self.bind_to(output, Bound::Value(id))?;
        }
        Ok(())
    }

    fn counts(&self, at: usize, what: &str, found: usize, expected: usize) -> Result<(), Error> {
        if found == expected { Ok(()) } else { self.error(at, format!("expected {expected} {what}, found {found}")) }
    }

    /// What a node does, and with what.
    fn kind(&mut self, node: &'a tree::Node<'t>) -> Result<(NodeKind, Vec<ValueId>), Error> {
        let kind = kind_of(node);
        if kind == "prim::CallFunction" {
            return self.call_function(node);
        }
        let mut inputs = self.uses(&node.inputs)?;
        let made = match kind {
            "prim::Constant" => self.constant(node)?,
            "prim::fork" | "prim::awaitable" => self.start(node, kind, &inputs)?,
            "prim::CallMethod" | "prim::GetAttr" | "prim::SetAttr" => self.member(node, kind, &inputs)?,
            "prim::ListConstruct" | "prim::DictConstruct" | "prim::TupleConstruct" | "prim::CreateObject" => {
                self.construct(node, kind)?
            }
            "prim::TupleIndex" => {
                let kind = self.tuple_index(node, &inputs)?;
                if let NodeKind::TupleIndex(_) = kind {
                    inputs.truncate(1);
                }
                kind
            }
            "prim::TupleSlice" => self.tuple_slice(node, &inputs)?,
            "prim::isinstance" => NodeKind::IsInstance(self.types(node)?),
            "prim::tolist" => {
                // PyTorch adds what the type of the result says too.
                inputs.truncate(1);
                NodeKind::ToList
            }
            "aten::wait" => NodeKind::Wait,
            "prim::awaitable_wait" => NodeKind::AwaitableWait,
            "prim::awaitable_nowait" => NodeKind::AwaitableNowait,
            "prim::If" => NodeKind::If,
            "prim::Loop" => NodeKind::Loop,
            "prim::ListUnpack" => NodeKind::ListUnpack,
            "prim::TupleUnpack" => NodeKind::TupleUnpack,
            "prim::unchecked_cast" => NodeKind::UncheckedCast,
            "prim::Uninitialized" => NodeKind::Uninitialized,
            "prim::Print" => NodeKind::Print,
            "prim::RaiseException" => NodeKind::RaiseException,
            "prim::Enter" => NodeKind::Enter,
            "prim::Exit" => NodeKind::Exit,
            "prim::EnumName" => NodeKind::EnumName,
            "prim::EnumValue" => NodeKind::EnumValue,
            "prim::ModuleContainerIndex" => NodeKind::ContainerIndex,
            _ => return self.operator(node, inputs),
        };
        if let NodeKind::Opaque(_) = made {
            return self.opaque(node, inputs);
        }
        self.check(node, &made, inputs.len())?;
        Ok((made, inputs))
    }

    /// Holds a node to the invariants of its kind.
    fn check(&self, node: &tree::Node<'t>, kind: &NodeKind, inputs: usize) -> Result<(), Error> {
        let outputs = node.outputs.len();
        let (wanted_inputs, wanted_outputs) = match kind {
            NodeKind::If => return self.check_if(node, inputs),
            NodeKind::Loop => return self.check_loop(node, inputs),
            NodeKind::Constant(_) | NodeKind::CreateObject(_) | NodeKind::Uninitialized => (Some(0), Some(1)),
            NodeKind::SetAttr { .. } => (Some(2), Some(0)),
            NodeKind::Exit => (Some(1), Some(0)),
            NodeKind::Print | NodeKind::RaiseException => (None, Some(0)),
            NodeKind::ListUnpack | NodeKind::TupleUnpack => (Some(1), None),
            NodeKind::ContainerIndex | NodeKind::TupleItem => (Some(2), Some(1)),
            NodeKind::Fork(_)
            | NodeKind::Awaitable(_)
            | NodeKind::CallMethod(_)
            | NodeKind::ListConstruct(_)
            | NodeKind::TupleConstruct(_)
            | NodeKind::DictConstruct(..) => (None, Some(1)),
            _ => (Some(1), Some(1)),
        };
        self.counts(node.at, "inputs", inputs, wanted_inputs.unwrap_or(inputs))?;
        self.counts(node.at, "results", outputs, wanted_outputs.unwrap_or(outputs))?;
        self.counts(node.at, "blocks", node.blocks.len(), 0)?;
        let tuple = match kind {
            NodeKind::TupleConstruct(_) => self.length(&node.outputs[0].ty).map(|length| (length, inputs)),
            NodeKind::TupleUnpack => self.length(self.type_of(&node.inputs[0])?).map(|length| (length, outputs)),
            _ => None,
        };
        tuple.map_or(Ok(()), |(length, found)| self.counts(node.at, "items of the tuple", found, length))
    }

    fn check_if(&self, node: &tree::Node<'t>, inputs: usize) -> Result<(), Error> {
        self.counts(node.at, "inputs", inputs, 1)?;
        self.counts(node.at, "blocks", node.blocks.len(), 2)?;
        for block in &node.blocks {
            self.counts(node.at, "parameters of a branch", block.params.len(), 0)?;
            self.counts(node.at, "results of a branch", block.returns.len(), node.outputs.len())?;
        }
        Ok(())
    }

    fn check_loop(&self, node: &tree::Node<'t>, inputs: usize) -> Result<(), Error> {
        self.counts(node.at, "inputs", inputs, node.outputs.len() + 2)?;
        self.counts(node.at, "blocks", node.blocks.len(), 1)?;
        let body = &node.blocks[0];
        self.counts(node.at, "parameters of the loop's body", body.params.len(), node.outputs.len() + 1)?;
        self.counts(node.at, "results of the loop's body", body.returns.len(), node.outputs.len() + 1)?;
        match &body.params[0] {
            Binding { ty: Type::Int, .. } => Ok(()),
            other => self.error(other.at, format!("expected an int that counts the trips, found `{}`", other.ty)),
        }
    }

    fn constant(&mut self, node: &tree::Node<'t>) -> Result<NodeKind, Error> {
        let [output] = &node.outputs[..] else {
            return self.error(node.at, format!("expected 1 results, found {}", node.outputs.len()));
        };
        let Some(value) = node.attribute("value") else {
            if node.attributes.is_empty() {
                return Ok(NodeKind::Constant(Value::None));
            }
            return Ok(NodeKind::Opaque(node.head.into()));
        };
        let range = value.at..value.at + value.value.len();
        let text = self.output.tree.text;
        let value = constants::constant(text, range, &output.ty, &mut self.output.allocator)?;
        Ok(value.map_or_else(|| NodeKind::Opaque(node.head.into()), NodeKind::Constant))
    }

    /// The closure in the section of the node; without one, a body of which nothing is known.
    fn start(&mut self, node: &tree::Node<'t>, kind: &str, inputs: &[ValueId]) -> Result<NodeKind, Error> {
        let is_fork = kind == "prim::fork";
        let section = node.section.get();
        let id = if section == 0 {
            let returns = match node.outputs.first().map(|output| &output.ty) {
                Some(Type::Future(item) | Type::Await(item)) => (**item).clone(),
                _ => Type::Any,
            };
            let params = self.types_of(inputs);
            self.output.callee(kind, params, returns)
        } else {
            let body = &self.output.tree.sections[section];
            self.counts(body.at, "parameters", body.body.params.len(), inputs.len())?;
            self.output.body(section, &self.name, if is_fork { "forked" } else { "awaitable" })
        };
        Ok(if is_fork { NodeKind::Fork(id) } else { NodeKind::Awaitable(id) })
    }

    fn types_of(&self, values: &[ValueId]) -> Vec<Type> {
        values.iter().map(|&id| self.graph.value(id).ty.clone()).collect()
    }

    fn call_function(&mut self, node: &'a tree::Node<'t>) -> Result<(NodeKind, Vec<ValueId>), Error> {
        let callee = node.inputs.first().and_then(|callee| self.scope.get(callee.name));
        let Some(Bound::Function(name)) = callee.cloned() else {
            // What is called is computed.
            let inputs = self.uses(&node.inputs)?;
            return self.opaque(node, inputs);
        };
        let inputs = self.uses(&node.inputs[1..])?;
        self.counts(node.at, "results", node.outputs.len(), 1)?;
        self.counts(node.at, "blocks", node.blocks.len(), 0)?;
        let params = self.types_of(&inputs);
        let id = self.output.callee(&name, params, node.outputs[0].ty.clone());
        Ok((NodeKind::CallFunction(id), inputs))
    }

    /// An attribute or a method of an object, as the class was declared.
    fn member(&mut self, node: &tree::Node<'t>, kind: &str, inputs: &[ValueId]) -> Result<NodeKind, Error> {
        let name = name_of(self.output.tree, node)?;
        let Some(&object) = inputs.first() else { return self.error(node.at, "expected an object, found nothing") };
        let ty = &self.graph.value(object).ty;
        let class = match ty {
            Type::Named(class) => self.output.classes.get(class),
            Type::Any => None,
            ty if is_unknown(ty) => None,
            ty => return self.error(node.inputs[0].at, format!("expected an object, found a value of type `{ty}`")),
        };
        let unknown = NodeKind::Opaque(node.head.into());
        let Some(class) = class else { return Ok(unknown) };
        if kind == "prim::CallMethod" {
            // A method takes one number of arguments, with defaults filled in; another method of that name is unknown.
            let params = class.methods.get(&name).and_then(|id| self.output.functions[id.0 as usize].as_ref());
            let fits = params.is_some_and(|method| method.params.len() == inputs.len());
            return Ok(if fits { NodeKind::CallMethod(name) } else { unknown });
        }
        Ok(match (class.attribute(&name), kind) {
            (Some(index), "prim::GetAttr") => NodeKind::GetAttr { name, index },
            (Some(index), _) => NodeKind::SetAttr { name, index },
            (None, _) => unknown,
        })
    }

    fn construct(&self, node: &tree::Node<'t>, kind: &str) -> Result<NodeKind, Error> {
        let Some(output) = node.outputs.first() else { return self.error(node.at, "expected a result, found none") };
        let expected = match (kind, &output.ty) {
            ("prim::ListConstruct", Type::List(item)) => return Ok(NodeKind::ListConstruct((**item).clone())),
            ("prim::DictConstruct", Type::Dict(key, value)) => {
                if node.inputs.len() % 2 == 1 {
                    return self.error(node.at, "expected a value for each key");
                }
                return Ok(NodeKind::DictConstruct((**key).clone(), (**value).clone()));
            }
            ("prim::TupleConstruct", Type::Tuple(_)) => return Ok(NodeKind::TupleConstruct(None)),
            ("prim::TupleConstruct", Type::Named(name)) => return Ok(NodeKind::TupleConstruct(Some(name.clone()))),
            ("prim::CreateObject", Type::Named(name)) => match self.output.classes.get(name) {
                Some(class) => return Ok(NodeKind::CreateObject(class.clone())),
                None => "a class",
            },
            ("prim::ListConstruct", _) => "a list",
            ("prim::DictConstruct", _) => "a dict",
            ("prim::TupleConstruct", _) => "a tuple",
            _ => "a class",
        };
        self.error(output.at, format!("expected the type of {expected}, found `{}`", output.ty))
    }

    fn tuple_index(&self, node: &tree::Node<'t>, inputs: &[ValueId]) -> Result<NodeKind, Error> {
        self.counts(node.at, "inputs", inputs.len(), 2)?;
        let length = self.length(&self.graph.value(inputs[0]).ty).unwrap_or(0) as i64;
        let index_ty = &self.graph.value(inputs[1]).ty;
        let one_type = matches!(&self.graph.value(inputs[0]).ty, Type::Tuple(items)
            if items.first().is_some_and(|first| items.iter().all(|item| item == first)));
        let index =
            self.ints.get(&inputs[1]).map(|&index| if index < 0 { index.saturating_add(length) } else { index });
        match index {
            Some(index) if (0..length).contains(&index) => Ok(NodeKind::TupleIndex(index as usize)),
            None if *index_ty == Type::Int && one_type => Ok(NodeKind::TupleItem),
            _ => self.error(node.inputs[1].at, "expected a constant that is an index into a tuple"),
        }
    }

    fn tuple_slice(&self, node: &tree::Node<'t>, inputs: &[ValueId]) -> Result<NodeKind, Error> {
        self.counts(node.at, "inputs", inputs.len(), 1)?;
        let length = self.length(&self.graph.value(inputs[0]).ty);
        let (begin, end) = (self.number_at(node, "beg")?, self.number_at(node, "end")?);
        match length {
            Some(length) if begin <= end && end <= length => Ok(NodeKind::TupleSlice(begin, end)),
            _ => self.error(node.inputs[0].at, format!("expected a tuple that has the items {begin} to {end}")),
        }
    }

    /// How many items a tuple of this type has.
    fn length(&self, ty: &Type) -> Option<usize> {
        match ty {
            Type::Tuple(items) => Some(items.len()),
            Type::Named(name) => self.output.classes.get(name).map(|class| class.attributes.len()),
            _ => None,
        }
    }

    fn number_at(&self, node: &tree::Node<'t>, name: &str) -> Result<usize, Error> {
        let number = node.attribute(name).and_then(|attribute| attribute.value.parse().ok());
        number.map_or_else(|| self.error(node.at, format!("expected `{name}=` and a number from 0")), Ok)
    }

    /// `[types=[int, Tensor]]`
    fn types(&self, node: &tree::Node<'t>) -> Result<Vec<Type>, Error> {
        match node.attribute("types") {
            Some(types) => self.output.tree.types(types),
            None => self.error(node.at, "expected `types=` and a list of types"),
        }
    }

    /// A call of an operator of PyTorch's list, or of something that nobody knows.
    fn operator(&mut self, node: &'a tree::Node<'t>, inputs: Vec<ValueId>) -> Result<(NodeKind, Vec<ValueId>), Error> {
        let Some(overloads) = overloads(node.kind) else {
            return match node.kind.starts_with("aten::") {
                true => self.error(node.at, format!("unknown operator `{}`", node.kind)),
                false => self.opaque(node, inputs),
            };
        };
        if !node.kind.starts_with("aten::") && (!node.attributes.is_empty() || overloads.iter().all(says_nothing)) {
            return self.opaque(node, inputs);
        }
        self.counts(node.at, "attributes", node.attributes.len(), 0)?;
        let types = self.types_of(&inputs);
        let operator = match overload_of(&self.output.classes, overloads, &types) {
            Ok(operator) => operator,
            Err(message) => return self.error(node.at, message),
        };
        if !operator.schema.varret {
            self.counts(node.at, "results", node.outputs.len(), operator.schema.returns.len())?;
        }
        self.counts(node.at, "blocks", node.blocks.len(), 0)?;
        Ok((NodeKind::Operator(operator), inputs))
    }

    /// A node that nobody knows. It may do anything with what it is given and with what its blocks use.
    fn opaque(&self, node: &'a tree::Node<'t>, mut inputs: Vec<ValueId>) -> Result<(NodeKind, Vec<ValueId>), Error> {
        let mut inside = FxHashSet::default();
        let mut given: FxHashSet<ValueId> = inputs.iter().copied().collect();
        for block in &node.blocks {
            self.outside(block, &mut inside, &mut given, &mut inputs)?;
        }
        Ok((NodeKind::Opaque(node.head.into()), inputs))
    }

    /// Adds to `inputs` what `block` uses of what is bound around it.
    fn outside(
        &self,
        block: &'a tree::Block<'t>,
        inside: &mut FxHashSet<&'t str>,
        given: &mut FxHashSet<ValueId>,
        inputs: &mut Vec<ValueId>,
    ) -> Result<(), Error> {
        inside.extend(block.params.iter().map(|binding| binding.name));
        let mut take = |uses: &[Use<'t>], inside: &FxHashSet<&'t str>| {
            for value in uses.iter().filter(|value| !inside.contains(value.name)) {
                if let Some(Bound::Function(_)) = self.scope.get(value.name) {
                    continue;
                }
                let id = self.value(value)?;
                if given.insert(id) {
                    inputs.push(id);
                }
            }
            Ok(())
        };
        for node in &block.nodes {
            take(&node.inputs, inside)?;
            inside.extend(node.outputs.iter().map(|binding| binding.name));
        }
        take(&block.returns, inside)?;
        for block in block.nodes.iter().flat_map(|node| &node.blocks) {
            self.outside(block, inside, given, inputs)?;
        }
        Ok(())
    }
}

/// Whether a signature leaves open what goes in or what comes out, as of nodes that only optimised graphs have: then it
/// does not say what is written and shared either.
fn says_nothing(operator: &Operator) -> bool {
    let schema = &operator.schema;
    schema.varret || (schema.vararg && schema.arguments.is_empty())
}

/// The kind without the number of its section. Closures have that even where their section is missing.
fn kind_of<'t>(node: &tree::Node<'t>) -> &'t str {
    let numberless = || {
        let (kind, number) = node.kind.rsplit_once('_')?;
        let starts = matches!(kind, "prim::fork" | "prim::awaitable");
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        (numbered && (starts || node.section.get() != 0)).then_some(kind)
    };
    numberless().unwrap_or(node.kind)
}
