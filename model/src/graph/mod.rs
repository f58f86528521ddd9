//! The typed graph of a function: blocks, nodes, values; in single-assignment form, as PyTorch's own.
//!
//! A graph is made once, by the frontend or from its text ([`parse`](mod@parse)), and never changed. Forked and awaitable closures are functions of
//! their own, called through the node that captured their free variables.

pub mod dot;
pub mod parse;
pub mod print;
pub mod span;
mod verify;

use std::sync::Arc;

pub use span::{Source, Span};

use crate::module::{Class, FunctionId};
use crate::operators::Operator;
use crate::types::Type;
use crate::value::Value;

/// A function's body.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Everything that is bound to a name, indexed by [`ValueId`].
    pub values: Vec<ValueInfo>,
    /// The outermost block: its parameters are the function's, its results what the function returns.
    pub body: Block,
}

/// A value of a graph, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

/// What is known of a value before the run.
#[derive(Debug, Clone)]
pub struct ValueInfo {
    /// The variable of the code that it was bound to; `None` for a temporary.
    pub name: Option<Arc<str>>,
    /// Its type.
    pub ty: Type,
}

/// A sequence of nodes with parameters and results.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Bound when the block is entered.
    pub params: Vec<ValueId>,
    /// Executed in order.
    pub nodes: Vec<Node>,
    /// Handed out at the end.
    pub returns: Vec<ValueId>,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Node {
    /// Unique in the graph, in program order from 0.
    pub id: u32,
    /// What it does.
    pub kind: NodeKind,
    /// What it consumes.
    pub inputs: Vec<ValueId>,
    /// What it binds.
    pub outputs: Vec<ValueId>,
    /// The branches of an `If`, the body of a `Loop`.
    pub blocks: Vec<Block>,
    /// Where the user wrote it, if anybody knows.
    pub span: Option<Span>,
}

/// What a node does.
#[derive(Debug, Clone)]
pub enum NodeKind {
    /// Binds a constant. A tensor among the constants is one location per node.
    Constant(Value),
    /// Calls an operator; the inputs are the arguments in schema order, defaults filled in. The values behind a
    /// schema's `...` follow its declared arguments.
    Operator(&'static Operator),
    /// Reads the attribute number `index` of the object that is the input.
    GetAttr {
        /// The attribute's name.
        name: Arc<str>,
        /// Its place in the class.
        index: usize,
    },
    /// Writes the attribute number `index` of the object that is the first input; the second is the value.
    SetAttr {
        /// The attribute's name.
        name: Arc<str>,
        /// Its place in the class.
        index: usize,
    },
    /// Calls a function.
    CallFunction(FunctionId),
    /// Calls a method of the object that is the first input; looked up in the object's class when it runs, since
    /// the input may be typed by an interface.
    CallMethod(Arc<str>),
    /// Starts a task that runs the closure on the inputs; binds its future.
    Fork(FunctionId),
    /// `aten::wait`: the result of a future.
    Wait,
    /// Makes a lazily computed value of the closure and the inputs.
    Awaitable(FunctionId),
    /// Computes it if nobody has, and binds the result.
    AwaitableWait,
    /// Wraps a value that is known already.
    AwaitableNowait,
    /// Runs the first block if the input is true, else the second; binds what the block returns.
    If,
    /// Inputs: the greatest number of trips, a first condition, the carried values. The block takes the trip's number
    /// and the carried values, and returns the next condition and the next carried values.
    Loop,
    /// A new list of the inputs, whose items are of this type.
    ListConstruct(Type),
    /// A tuple of the inputs; of a NamedTuple class, its name.
    TupleConstruct(Option<Arc<str>>),
    /// A new dict of the inputs, alternately keys and values of these types.
    DictConstruct(Type, Type),
    /// The items of a list, which must be as many as the outputs.
    ListUnpack,
    /// The items of a tuple.
    TupleUnpack,
    /// One item of a tuple.
    TupleIndex(usize),
    /// The item of a tuple of items of one type at an index that is the second input.
    TupleItem,
    /// Items `begin..end` of a tuple.
    TupleSlice(usize, usize),
    /// A new object with uninitialised attributes.
    CreateObject(Arc<Class>),
    /// Whether the input is of one of these types.
    IsInstance(Vec<Type>),
    /// The input, known to be of the output's type.
    UncheckedCast,
    /// A value that must never be read.
    Uninitialized,
    /// Prints the inputs, separated by spaces.
    Print,
    /// Raises an error; inputs: message, and the qualified class name if there is one.
    RaiseException,
    /// Enters the context manager that is the input; binds what its `__enter__` returns.
    Enter,
    /// Leaves the context manager.
    Exit,
    /// `x.tolist()`: inputs the tensor; the output's type says the shape of the result.
    ToList,
    /// The name of an enum member.
    EnumName,
    /// The value of an enum member.
    EnumValue,
    /// An item of a module container, by position or by name: the attribute of the first input that the second input
    /// names. The output's type is an interface.
    ContainerIndex,
    /// Calls an operator that the table lacks, by its name: nobody knows what it does.
    Opaque(Arc<str>),
}

impl NodeKind {
    /// PyTorch's name: `aten::add_`, `prim::SetAttr`.
    pub fn name(&self) -> &str {
        match self {
            NodeKind::Constant(_) => "prim::Constant",
            NodeKind::Operator(operator) => operator.name,
            NodeKind::GetAttr { .. } => "prim::GetAttr",
            NodeKind::SetAttr { .. } => "prim::SetAttr",
            NodeKind::CallFunction(_) => "prim::CallFunction",
            NodeKind::CallMethod(_) => "prim::CallMethod",
            NodeKind::Fork(_) => "prim::fork",
            NodeKind::Wait => "aten::wait",
            NodeKind::Awaitable(_) => "prim::awaitable",
            NodeKind::AwaitableWait => "prim::awaitable_wait",
            NodeKind::AwaitableNowait => "prim::awaitable_nowait",
            NodeKind::If => "prim::If",
            NodeKind::Loop => "prim::Loop",
            NodeKind::ListConstruct(_) => "prim::ListConstruct",
            NodeKind::TupleConstruct(_) => "prim::TupleConstruct",
            NodeKind::DictConstruct(..) => "prim::DictConstruct",
            NodeKind::ListUnpack => "prim::ListUnpack",
            NodeKind::TupleUnpack => "prim::TupleUnpack",
            NodeKind::TupleIndex(_) | NodeKind::TupleItem => "prim::TupleIndex",
            NodeKind::TupleSlice(..) => "prim::TupleSlice",
            NodeKind::CreateObject(_) => "prim::CreateObject",
            NodeKind::IsInstance(_) => "prim::isinstance",
            NodeKind::UncheckedCast => "prim::unchecked_cast",
            NodeKind::Uninitialized => "prim::Uninitialized",
            NodeKind::Print => "prim::Print",
            NodeKind::RaiseException => "prim::RaiseException",
            NodeKind::Enter => "prim::Enter",
            NodeKind::Exit => "prim::Exit",
            NodeKind::ToList => "prim::tolist",
            NodeKind::EnumName => "prim::EnumName",
            NodeKind::EnumValue => "prim::EnumValue",
            NodeKind::ContainerIndex => "prim::ModuleContainerIndex",
            NodeKind::Opaque(name) => name,
        }
    }
}

impl Block {
    /// Every node of it and of the blocks in it, in program order.
    pub fn nodes_within(&self) -> impl Iterator<Item = &Node> {
        let mut waiting = vec![self.nodes.iter()];
        std::iter::from_fn(move || {
            while let Some(nodes) = waiting.last_mut() {
                match nodes.next() {
                    Some(node) => {
                        waiting.extend(node.blocks.iter().rev().map(|block| block.nodes.iter()));
                        return Some(node);
                    }
                    None => {
                        waiting.pop();
                    }
                }
            }
            None
        })
    }
}

impl Graph {
    /// What is known of the value `id`.
    pub fn value(&self, id: ValueId) -> &ValueInfo {
        &self.values[id.0 as usize]
    }

    /// A body of which only the name and what goes in and out is known: all of it is one [`NodeKind::Opaque`].
    pub fn unknown(name: &str, params: &[Type], returns: Type) -> Graph {
        let mut graph = Graph::default();
        let types = params.iter().chain(std::iter::once(&returns));
        graph.values.extend(types.map(|ty| ValueInfo { name: None, ty: ty.clone() }));
        let inputs: Vec<ValueId> = (0..params.len()).map(|i| ValueId(i as u32)).collect();
        let outputs = vec![ValueId(params.len() as u32)];
        let kind = NodeKind::Opaque(name.into());
        let node =
            Node { id: 0, kind, inputs: inputs.clone(), outputs: outputs.clone(), blocks: Vec::new(), span: None };
        graph.body = Block { params: inputs, nodes: vec![node], returns: outputs };
        graph
    }

    /// Whether it is an [unknown](Graph::unknown) body of this name.
    pub fn is_unknown_as(&self, name: &str) -> bool {
        matches!(&self.body.nodes[..], [Node { kind: NodeKind::Opaque(found), .. }] if &**found == name)
    }

    /// The types of what the function returns (one value; `None` counts).
    pub fn return_types(&self) -> impl Iterator<Item = &Type> {
        self.body.returns.iter().map(|&id| &self.value(id).ty)
    }
}
