//! Wakeup trees: which ways are still to be explored from the states of the current execution.

use crate::task::TaskId;
use crate::trace::{FootprintId, Footprints, Trace};

/// One tree for all states of the current execution, which is its leftmost path.
///
/// The children of a node are the ways on from its state, the leftmost being explored and the others to follow from
/// left to right.
#[derive(Debug)]
pub(super) struct Wakeup {
    nodes: Vec<Node>,
    /// Nodes to be used again, linked by `next`.
    free: Option<NodeId>,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    way: Way,
    first: Option<NodeId>,
    next: Option<NodeId>,
}

/// A task that goes on from a state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) task: TaskId,
    /// What it will touch, as far as that can be foreseen.
    pub(super) footprint: FootprintId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(u32);

impl Wakeup {
    /// The tree of an execution that has not begun; its root.
    pub(super) fn new(footprint: FootprintId) -> (Self, NodeId) {
        let root = Node { way: Way { task: TaskId::MAIN, footprint }, first: None, next: None };
        (Self { nodes: vec![root], free: None }, NodeId(0))
    }

    /// The way that is explored now or next.
    pub(super) fn first(&self, at: NodeId) -> Option<NodeId> {
        self.node(at).first
    }

    pub(super) fn way(&self, at: NodeId) -> Way {
        self.node(at).way
    }

    /// Corrects what a way was thought to touch.
    pub(super) fn found(&mut self, at: NodeId, footprint: FootprintId) {
        self.nodes[at.0 as usize].way.footprint = footprint;
    }

    /// How many ways on there are, the one being explored among them.
    pub(super) fn ways(&self, at: NodeId) -> usize {
        std::iter::successors(self.node(at).first, |&child| self.node(child).next).count()
    }

    /// Adds the only way on from a state.
    pub(super) fn begin(&mut self, at: NodeId, way: Way) -> NodeId {
        assert!(self.first(at).is_none(), "where there are ways on, one of them is taken");
        self.append(at, None, way)
    }

    /// Adds `sequence`, some events of `trace`, to what will be explored from `at`, whose leftmost way is being explored,
    /// unless something equivalent is there.
    pub(super) fn insert(&mut self, at: NodeId, mut sequence: Vec<u32>, trace: &Trace, footprints: &Footprints) {
        let mut parent = at;
        // The way being explored begins with what the sequence is to precede.
        let mut last = self.first(at);
        let mut child = last.and_then(|exploring| self.node(exploring).next);
        while let Some(here) = child {
            let way = self.way(here);
            if !can_begin(way, &sequence, trace, footprints) {
                last = child;
                child = self.node(here).next;
                continue;
            }
            if let Some(place) = sequence.iter().position(|&event| trace.event(event as usize).task == way.task) {
                sequence.remove(place);
            }
            // Below a leaf everything will be explored; and so will a sequence of which nothing is left.
            if self.first(here).is_none() || sequence.is_empty() {
                return;
            }
            (parent, last, child) = (here, None, self.first(here));
        }
        for event in sequence {
            let event = trace.event(event as usize);
            parent = self.append(parent, last.take(), Way { task: event.task, footprint: event.footprint });
        }
    }

    /// Removes the leftmost way of a state with all below it.
    pub(super) fn remove_first(&mut self, at: NodeId) {
        let removed = self.first(at).expect("there is a way to remove");
        self.nodes[at.0 as usize].first = self.node(removed).next;
        let mut unused = vec![removed];
        while let Some(node) = unused.pop() {
            let mut child = self.first(node);
            while let Some(here) = child {
                unused.push(here);
                child = self.node(here).next;
            }
            self.nodes[node.0 as usize].next = self.free;
            self.free = Some(node);
        }
    }

    /// Adds a node to the right of `left`, or as the first child.
    fn append(&mut self, parent: NodeId, left: Option<NodeId>, way: Way) -> NodeId {
        let node = Node { way, first: None, next: None };
        let id = match self.free {
            Some(id) => {
                self.free = self.node(id).next;
                self.nodes[id.0 as usize] = node;
                id
            }
            None => {
                self.nodes.push(node);
                NodeId(u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 nodes"))
            }
        };
        match left {
            Some(left) => self.nodes[left.0 as usize].next = Some(id),
            None => self.nodes[parent.0 as usize].first = Some(id),
        }
        id
    }

    fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

/// Whether `way` can come first in an execution that is equivalent to one that begins with `sequence`: it is the first
/// step of its task there and nothing in the sequence happens before it, or it is not there and conflicts with nothing
/// in it. A *weak initial* of the sequence, in the paper's words.
pub(super) fn can_begin(way: Way, sequence: &[u32], trace: &Trace, footprints: &Footprints) -> bool {
    for (place, &event) in sequence.iter().enumerate() {
        if trace.event(event as usize).task == way.task {
            return sequence[..place].iter().all(|&earlier| !trace.before(earlier as usize, event as usize));
        }
    }
    sequence.iter().all(|&event| !footprints.conflict(way.footprint, trace.event(event as usize).footprint))
}
