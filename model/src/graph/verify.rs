//! Every structural invariant of a graph, in one place.
//!
//! The frontend holds each graph to them in debug builds; whoever reads graphs may count on them.

use super::{Block, Graph, Node, NodeKind, ValueId};
use crate::types::Type;

impl Graph {
    /// Panics if the graph is not well-formed: it is our own mistake, whatever the input was.
    ///
    /// # Panics
    /// If a value is used where it is not bound, or bound twice; if the nodes are not numbered in program order; or if
    /// a node has not as many inputs, outputs and blocks as its kind wants.
    pub fn verify(&self) {
        let mut verifier = Verifier { graph: self, bound: vec![false; self.values.len()], next: 0 };
        verifier.block(&self.body);
        assert_eq!(self.body.returns.len(), 1, "a function returns one value");
    }
}

struct Verifier<'a> {
    graph: &'a Graph,
    /// Which values are bound here, by number.
    bound: Vec<bool>,
    /// The number of the next node.
    next: u32,
}

impl Verifier<'_> {
    fn block(&mut self, block: &Block) {
        let mut here: Vec<ValueId> = Vec::new();
        let mut bind = |this: &mut Self, id: ValueId| {
            let bound = &mut this.bound[id.0 as usize];
            assert!(!std::mem::replace(bound, true), "{id:?} is bound twice");
            here.push(id);
        };
        for &param in &block.params {
            bind(self, param);
        }
        for node in &block.nodes {
            self.node(node);
            for &output in &node.outputs {
                bind(self, output);
            }
        }
        self.uses(&block.returns);
        // What a block binds is not known outside.
        for id in here {
            self.bound[id.0 as usize] = false;
        }
    }

    fn uses(&self, ids: &[ValueId]) {
        for id in ids {
            assert!(self.bound[id.0 as usize], "{id:?} is used where it is not bound");
        }
    }

    fn node(&mut self, node: &Node) {
        assert_eq!(node.id, self.next, "nodes are numbered in program order");
        self.next += 1;
        self.uses(&node.inputs);
        for block in &node.blocks {
            self.block(block);
        }
        let (inputs, outputs, blocks) = (node.inputs.len(), node.outputs.len(), node.blocks.len());
        let ty = |id: ValueId| &self.graph.value(id).ty;
        match &node.kind {
            NodeKind::If => {
                assert_eq!((inputs, blocks), (1, 2), "an `If` has a condition and two branches");
                for block in &node.blocks {
                    assert!(block.params.is_empty(), "a branch has no parameters");
                    assert_eq!(block.returns.len(), outputs, "a branch returns what the `If` binds");
                }
                return;
            }
            NodeKind::Loop => {
                assert_eq!((inputs, blocks), (outputs + 2, 1), "a `Loop` has a limit, a condition and carried values");
                let body = &node.blocks[0];
                assert_eq!(body.params.len(), outputs + 1, "a body takes its number and the carried values");
                assert_eq!(body.returns.len(), outputs + 1, "a body returns a condition and the carried values");
                assert_eq!(*ty(body.params[0]), Type::Int, "the number of a trip is an int");
                return;
            }
            NodeKind::Constant(_) | NodeKind::CreateObject(_) | NodeKind::Uninitialized => {
                assert_eq!((inputs, outputs), (0, 1), "{} makes one value of nothing", node.kind.name());
            }
            NodeKind::Operator(operator) => {
                let schema = &operator.schema;
                let enough = inputs == schema.arguments.len() || (schema.vararg && inputs >= schema.arguments.len());
                assert!(enough, "{} takes {} arguments", operator.name, schema.arguments.len());
                assert!(schema.varret || outputs == schema.returns.len(), "{} binds its results", operator.name);
            }
            NodeKind::SetAttr { .. } => assert_eq!((inputs, outputs), (2, 0), "an attribute is set to a value"),
            NodeKind::Exit => assert_eq!((inputs, outputs), (1, 0), "a manager is left"),
            NodeKind::Print | NodeKind::RaiseException => assert_eq!(outputs, 0, "nothing is bound"),
            NodeKind::ListUnpack | NodeKind::TupleUnpack => assert_eq!(inputs, 1, "one value is unpacked"),
            NodeKind::GetAttr { .. }
            | NodeKind::Wait
            | NodeKind::AwaitableWait
            | NodeKind::AwaitableNowait
            | NodeKind::TupleIndex(_)
            | NodeKind::TupleSlice(..)
            | NodeKind::IsInstance(_)
            | NodeKind::UncheckedCast
            | NodeKind::Enter
            | NodeKind::ToList
            | NodeKind::EnumName
            | NodeKind::EnumValue => assert_eq!((inputs, outputs), (1, 1), "{} maps one to one", node.kind.name()),
            NodeKind::CallFunction(_)
            | NodeKind::Fork(_)
            | NodeKind::Awaitable(_)
            | NodeKind::ListConstruct(_)
            | NodeKind::TupleConstruct(_)
            | NodeKind::DictConstruct(..) => assert_eq!(outputs, 1, "{} binds one value", node.kind.name()),
            NodeKind::CallMethod(_) => assert!(inputs >= 1 && outputs == 1, "a method has an object and a result"),
            NodeKind::ContainerIndex => assert_eq!((inputs, outputs), (2, 1), "a container and an index"),
            NodeKind::TupleItem => assert_eq!((inputs, outputs), (2, 1), "a tuple and an index"),
            NodeKind::Opaque(_) => {}
        }
        assert_eq!(blocks, 0, "{} has no blocks", node.kind.name());
    }
}
