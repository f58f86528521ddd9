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
    /// Room for [`remove_first`](Wakeup::remove_first).
    unused: Vec<NodeId>,
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
        (Self { nodes: vec![root], free: None, unused: Vec::new() }, NodeId(0))
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

    /// Sees to it that executions which begin with `sequence` are explored from `at`, whose leftmost way is being explored,
    /// unless they are seen by way of those who sleep there. False if that cannot be decided before more of the
    /// execution is known; nothing is changed then.
    ///
    /// A way that begins the sequence is followed, the leftmost if there are several, and what is left of the sequence is
    /// added below it: as far as it takes to wake everybody who will sleep, so that from there on everything is explored.
    pub(super) fn insert(
        &mut self,
        at: NodeId,
        sequence: &mut Sequence,
        asleep: &[Way],
        execution: &Execution<'_>,
    ) -> bool {
        let asleep_begin = asleep.iter().map(|&way| execution.begins(way, sequence));
        match asleep_begin.max() {
            Some(Begins::Yes) => return true,
            Some(Begins::Perhaps) => return sequence.whole,
            Some(Begins::No) | None => {}
        }
        sequence.asleep.clear();
        sequence.asleep.extend(asleep);
        let mut parent = at;
        // The way being explored begins with what the sequence is to precede.
        let mut last = self.first(at);
        let mut child = last.and_then(|exploring| self.node(exploring).next);
        sequence.asleep.extend(last.map(|exploring| self.way(exploring)));
        while let Some(here) = child {
            let way = self.way(here);
            match execution.begins(way, sequence) {
                Begins::Perhaps if !sequence.whole => return false,
                Begins::No => {
                    sequence.asleep.push(way);
                    last = child;
                    child = self.node(here).next;
                    continue;
                }
                Begins::Yes | Begins::Perhaps => {}
            }
            // Below a leaf everything will be explored.
            if self.first(here).is_none() {
                return true;
            }
            execution.follow(way, sequence);
            if sequence.events.is_empty() {
                return sequence.whole;
            }
            (parent, last, child) = (here, None, self.first(here));
        }
        for &event in &sequence.events {
            let event = execution.trace.event(event as usize);
            let way = Way { task: event.task, footprint: event.footprint };
            parent = self.append(parent, last.take(), way);
            sequence.asleep.retain(|other| !execution.footprints.conflict(other.footprint, way.footprint));
            if sequence.asleep.is_empty() {
                break;
            }
        }
        true
    }

    /// Removes the leftmost way of a state with all below it.
    pub(super) fn remove_first(&mut self, at: NodeId) {
        let removed = self.first(at).expect("there is a way to remove");
        self.nodes[at.0 as usize].first = self.node(removed).next;
        self.unused.push(removed);
        while let Some(node) = self.unused.pop() {
            let mut child = self.first(node);
            while let Some(here) = child {
                self.unused.push(here);
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

/// Events that are to come first.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// In the order of the execution.
    pub(super) events: Vec<u32>,
    /// Whether these are all, up to the end of the execution.
    pub(super) whole: bool,
    /// Those who will sleep when what is left of it is explored.
    asleep: Vec<Way>,
}

/// Whether a way can come first in an execution that is equivalent to one that begins with a sequence. A *weak initial*
/// of the sequence, in the paper's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Begins {
    /// Something in the sequence must come before it.
    No,
    /// It conflicts with nothing in the sequence, but is not there either.
    Perhaps,
    /// It is there, and nothing in the sequence happens before it.
    Yes,
}

/// The execution that sequences are of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution<'a> {
    pub(super) trace: &'a Trace,
    pub(super) footprints: &'a Footprints,
}

impl Execution<'_> {
    fn begins(&self, way: Way, sequence: &Sequence) -> Begins {
        for (place, &event) in sequence.events.iter().enumerate() {
            if self.trace.event(event as usize).task == way.task {
                let first = |&earlier: &u32| !self.trace.before(earlier as usize, event as usize);
                return if sequence.events[..place].iter().all(first) { Begins::Yes } else { Begins::No };
            }
        }
        let apart = |&event: &u32| !self.footprints.conflict(way.footprint, self.trace.event(event as usize).footprint);
        if sequence.events.iter().all(apart) { Begins::Perhaps } else { Begins::No }
    }

    /// Takes a way that begins the sequence out of it.
    fn follow(&self, way: Way, sequence: &mut Sequence) {
        let is_it = |&event: &u32| self.trace.event(event as usize).task == way.task;
        if let Some(place) = sequence.events.iter().position(is_it) {
            sequence.events.remove(place);
        }
        sequence.asleep.retain(|other| !self.footprints.conflict(other.footprint, way.footprint));
    }
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
    fn what_begins_a_sequence_waits_for_nothing_in_it() {
        // The third write comes after the first, and the second is free of both.
        let (trace, footprints, [first, second, third]) = writers([0, 1, 0]);
        let execution = Execution { trace: &trace, footprints: &footprints };
        for (way, events, expected) in [
            (first, &[0, 1, 2][..], Begins::Yes),
            (second, &[0, 1, 2], Begins::Yes),
            (third, &[0, 1, 2], Begins::No),
            (third, &[1, 2], Begins::Yes),
            // Who is not in it must be free of all that is, and of what may follow.
            (second, &[0, 2], Begins::Perhaps),
            (third, &[1], Begins::Perhaps),
            (third, &[0, 1], Begins::No),
            (first, &[2], Begins::No),
            (first, &[], Begins::Perhaps),
        ] {
            let sequence = Sequence { events: events.to_vec(), ..Sequence::default() };
            assert_eq!(execution.begins(way, &sequence), expected, "{way:?} in {events:?}");
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
        // 1 and 3 conflict, and so do 2 and 4, and 5 and 6; 7 conflicts with nobody. 1 is explored first.
        let (trace, footprints, ways) = writers([0, 1, 0, 1, 2, 2, 3]);
        let execution = Execution { trace: &trace, footprints: &footprints };
        let (mut wakeup, root) = Wakeup::new(ways[0].footprint);
        wakeup.begin(root, ways[0]);
        let mut insert = |asleep: &[Way], tasks: &[u32], whole: bool, decided: bool, expected: &str| {
            let events = tasks.iter().map(|task| task - 1).collect();
            let mut sequence = Sequence { events, whole, ..Sequence::default() };
            assert_eq!(wakeup.insert(root, &mut sequence, asleep, &execution), decided, "{tasks:?}");
            assert_eq!(shape(&wakeup, root), expected, "{tasks:?}");
        };
        // As far as it takes to wake 1.
        insert(&[], &[2, 3, 5], true, true, "1 2[3]");
        // 2 may begin that too, if nothing follows that conflicts with it. If so, below a leaf everything will be explored.
        insert(&[], &[3], false, false, "1 2[3]");
        insert(&[], &[3], true, true, "1 2[3]");
        insert(&[], &[2, 3, 4], true, true, "1 2[3]");
        // This wakes 2 as well.
        insert(&[], &[4, 5, 3], false, true, "1 2[3] 4[5[3]]");
        // What is the beginning of a way that is there will be seen, but more may follow.
        insert(&[], &[4, 5], true, true, "1 2[3] 4[5[3]]");
        insert(&[], &[4, 5], false, false, "1 2[3] 4[5[3]]");
        // The leftmost way that begins it is followed, and what differs goes to the right. 4 has woken 2 already.
        insert(&[], &[4, 6, 3, 7], true, true, "1 2[3] 4[5[3] 6[3]]");
        insert(&[], &[4, 3], false, false, "1 2[3] 4[5[3] 6[3]]");
        // Who sleeps has seen to what it begins.
        insert(&[ways[4]], &[5, 4, 6, 3], false, true, "1 2[3] 4[5[3] 6[3]]");
        insert(&[ways[6]], &[4, 3], false, false, "1 2[3] 4[5[3] 6[3]]");
        insert(&[ways[6]], &[4, 3], true, true, "1 2[3] 4[5[3] 6[3]]");
    }

    #[test]
    fn a_sequence_is_added_until_nobody_sleeps() {
        let (trace, footprints, ways) = writers([0, 1, 2, 0, 1, 2]);
        let execution = Execution { trace: &trace, footprints: &footprints };
        let added = |asleep: &[Way]| {
            let (mut wakeup, root) = Wakeup::new(ways[0].footprint);
            wakeup.begin(root, ways[0]);
            let mut sequence = Sequence { events: vec![3, 4, 5], ..Sequence::default() };
            assert!(wakeup.insert(root, &mut sequence, asleep, &execution));
            shape(&wakeup, root)
        };
        // 4 wakes 1, 5 wakes 2, and 6 wakes 3.
        assert_eq!(added(&[]), "1 4");
        assert_eq!(added(&[ways[1]]), "1 4[5]");
        assert_eq!(added(&[ways[2]]), "1 4[5[6]]");
    }
}
