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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footprint::{Access, Footprint, Kind, Location};
    use crate::happens_before::Clock;

    /// Task i, from 1, writes the i-th of these cells; nobody waits for anybody.
    fn writers<const N: usize>(cells: [u64; N]) -> (Trace, Footprints, [Way; N]) {
        let (mut trace, mut footprints, mut races) = (Trace::default(), Footprints::default(), Vec::new());
        let (mut main, mut number) = (Clock::root(), 0);
        let ways = cells.map(|cell| {
            let write = Footprint::from_iter([Access::whole(Location(cell), Kind::Write)]);
            let footprint = footprints.id(&write);
            number += 1;
            let clock = main.fork(TaskId::new(number));
            trace.push(&clock, footprint, &footprints, &mut races);
            Way { task: clock.task(), footprint }
        });
        (trace, footprints, ways)
    }

    #[test]
    fn a_weak_initial_waits_for_nothing_in_the_sequence() {
        // The third write comes after the first, and the second is free of both.
        let (trace, footprints, [first, second, third]) = writers([0, 1, 0]);
        for (way, sequence, expected) in [
            (first, &[0, 1, 2][..], true),
            (second, &[0, 1, 2], true),
            (third, &[0, 1, 2], false),
            (third, &[1, 2], true),
            // Who is not in it must be free of all that is.
            (second, &[0, 2], true),
            (third, &[1], true),
            (third, &[0, 1], false),
            (first, &[2], false),
            (first, &[], true),
        ] {
            assert_eq!(can_begin(way, sequence, &trace, &footprints), expected, "{way:?} in {sequence:?}");
        }
    }

    /// From the left the tasks, in brackets behind each what follows it.
    fn shape(wakeup: &Wakeup, at: NodeId) -> String {
        let children = std::iter::successors(wakeup.first(at), |&child| wakeup.node(child).next);
        let child = |child| match wakeup.first(child) {
            None => wakeup.way(child).task.number().to_string(),
            Some(_) => format!("{}[{}]", wakeup.way(child).task.number(), shape(wakeup, child)),
        };
        children.map(child).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_sequence_goes_where_nothing_equivalent_is() {
        // 1 to 4 conflict with each other, 5 with nobody; 1 is explored first.
        let (trace, footprints, ways) = writers([0, 0, 0, 0, 1]);
        let (mut wakeup, root) = Wakeup::new(ways[0].footprint);
        wakeup.begin(root, ways[0]);
        let mut insert = |sequence: &[u32], expected: &str| {
            wakeup.insert(root, sequence.to_vec(), &trace, &footprints);
            assert_eq!(shape(&wakeup, root), expected, "{sequence:?}");
        };
        insert(&[1, 2], "1 2[3]");
        // Another that begins alike branches off, to the right.
        insert(&[1, 3], "1 2[3 4]");
        // Below a leaf everything will be explored: nothing is added.
        insert(&[1, 2, 3], "1 2[3 4]");
        insert(&[4, 1, 2], "1 2[3 4]");
        // What is the beginning of a way that is there will be seen.
        insert(&[1], "1 2[3 4]");
        insert(&[2], "1 2[3 4] 3");
        insert(&[2, 3], "1 2[3 4] 3");
        // Nobody need wait for 5, so it goes down to a leaf.
        insert(&[4], "1 2[3 4] 3");
    }
}
