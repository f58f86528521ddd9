//! From what a trace has recorded to functions: each forked body becomes one, and futures get their types.

use forkcheck_model::graph::{Block, Graph, Node, NodeKind, ValueId, ValueInfo};
use forkcheck_model::module::{Function, Parameter};
use forkcheck_model::types::Type;
use forkcheck_model::value::Value;

use super::recorder::{Frame, FrameId};

/// The function of each frame.
pub(super) fn functions(name: &str, frames: &[Frame]) -> Vec<Function> {
    (0..frames.len())
        .map(|frame| {
            let graph = Lift::new(frames, frame).graph();
            let name = if frame == 0 { name.into() } else { format!("{name}.<forked function>").into() };
            let params = graph.body.params.iter().map(|&id| parameter(graph.value(id))).collect();
            let returns = graph.value(graph.body.returns[0]).ty.clone();
            Function { name, params, returns, graph }
        })
        .collect()
}

fn parameter(value: &ValueInfo) -> Parameter {
    Parameter { name: value.name.clone().unwrap_or_else(|| "".into()), ty: value.ty.clone(), default: None }
}

/// The type of what a frame returns: a list, one value as it is, none as `None`, several as a tuple.
fn result(frames: &[Frame], frame: FrameId) -> Type {
    let returns = &frames[frame].graph.body.returns;
    match returns[..] {
        _ if is_list(&frames[frame]) => Type::list(Type::Tensor),
        [] => Type::None,
        [value] => type_of(frames, frame, value),
        _ => Type::tuple(returns.iter().map(|&value| type_of(frames, frame, value)).collect::<Vec<_>>()),
    }
}

fn is_list(frame: &Frame) -> bool {
    frame.list == Some(frame.graph.body.returns.len())
}

fn type_of(frames: &[Frame], frame: FrameId, value: ValueId) -> Type {
    match frames[frame].futures.get(&value) {
        Some(&fork) => Type::future(result(frames, fork)),
        None => frames[frame].graph.value(value).ty.clone(),
    }
}

/// One frame on its way to a graph, whose values are numbered as they are bound.
struct Lift<'a> {
    frames: &'a [Frame],
    frame: FrameId,
    graph: Graph,
    /// By number in the frame.
    renamed: Vec<Option<ValueId>>,
}

impl<'a> Lift<'a> {
    fn new(frames: &'a [Frame], frame: FrameId) -> Self {
        let renamed = vec![None; frames[frame].graph.values.len()];
        Self { frames, frame, graph: Graph::default(), renamed }
    }

    fn graph(mut self) -> Graph {
        let Block { params, nodes, returns } = &self.frames[self.frame].graph.body;
        self.graph.body.params = params.iter().map(|&value| self.bind(value)).collect();
        let mut waits = self.frames[self.frame].waits.iter().peekable();
        for (place, node) in nodes.iter().enumerate() {
            match waits.next_if(|(_, wait)| *wait == place) {
                Some(&(fork, _)) => self.wait(node, fork),
                None => {
                    let outputs = node.outputs.iter().map(|&value| self.bind(value)).collect();
                    self.push(node, outputs);
                }
            }
        }
        let returns: Vec<ValueId> = returns.iter().map(|&value| self.bound(value)).collect();
        let value = match returns[..] {
            _ if is_list(&self.frames[self.frame]) => self.made(NodeKind::ListConstruct(Type::Tensor), returns),
            [value] => value,
            [] => self.made(NodeKind::Constant(Value::None), Vec::new()),
            _ => self.made(NodeKind::TupleConstruct(None), returns),
        };
        self.graph.body.returns = vec![value];
        self.graph
    }

    /// A wait binds all that its fork returns, whoever asked for it.
    fn wait(&mut self, node: &Node, fork: FrameId) {
        let returns = &self.frames[fork].graph.body.returns;
        let list = is_list(&self.frames[fork]);
        if let ([output], [_], false) = (&node.outputs[..], &returns[..], list) {
            let output = self.bind(*output);
            return self.push(node, vec![output]);
        }
        let whole = self.value(ValueInfo { name: None, ty: result(self.frames, fork) });
        self.push(node, vec![whole]);
        if list || returns.len() > 1 {
            let mut outputs: Vec<ValueId> = node.outputs.iter().map(|&value| self.bind(value)).collect();
            for &value in &returns[outputs.len()..] {
                outputs.push(self.value(ValueInfo { name: None, ty: type_of(self.frames, fork, value) }));
            }
            let kind = if list { NodeKind::ListUnpack } else { NodeKind::TupleUnpack };
            self.node(kind, vec![whole], outputs);
        }
    }

    /// Takes a node over, with these outputs.
    fn push(&mut self, node: &Node, outputs: Vec<ValueId>) {
        let inputs = node.inputs.iter().map(|&value| self.bound(value)).collect();
        let id = self.graph.body.nodes.len() as u32;
        self.graph.body.nodes.push(Node { id, inputs, outputs, ..node.clone() });
    }

    /// A node that nobody wrote.
    fn node(&mut self, kind: NodeKind, inputs: Vec<ValueId>, outputs: Vec<ValueId>) {
        let id = self.graph.body.nodes.len() as u32;
        self.graph.body.nodes.push(Node { id, kind, inputs, outputs, blocks: Vec::new(), span: None });
    }

    /// What a frame returns, made of its values.
    fn made(&mut self, kind: NodeKind, inputs: Vec<ValueId>) -> ValueId {
        let value = self.value(ValueInfo { name: None, ty: result(self.frames, self.frame) });
        self.node(kind, inputs, vec![value]);
        value
    }

    fn value(&mut self, info: ValueInfo) -> ValueId {
        self.graph.values.push(info);
        ValueId(self.graph.values.len() as u32 - 1)
    }

    fn bind(&mut self, value: ValueId) -> ValueId {
        let name = self.frames[self.frame].graph.value(value).name.clone();
        let new = self.value(ValueInfo { name, ty: type_of(self.frames, self.frame, value) });
        self.renamed[value.0 as usize] = Some(new);
        new
    }

    fn bound(&self, value: ValueId) -> ValueId {
        self.renamed[value.0 as usize].expect("a value is bound before it is used")
    }
}
