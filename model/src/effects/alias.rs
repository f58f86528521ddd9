//! Questions about one graph: what may share memory with what, who writes it, and which node may change places with which.
//!
//! The questions of PyTorch's `AliasDb`, so that its answers can be held against ours. Ours know more: a fork writes what its
//! body writes, from the fork on; parts of a tensor that constant indices tell apart are apart; loops are looked at until
//! nothing changes.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use super::heap::{LocationId, Origin, Sort, Thing, ThingId};
use super::interpret::Interpreter;
use super::record::Touch;
use super::{ForkId, TooLarge, World};
use crate::graph::{Block, Graph, Node, NodeKind, ValueId};
use crate::module::FunctionId;
use crate::operators::Access;

/// The answers for one graph.
pub struct Aliases<'a> {
    interpreter: Interpreter<'a>,
    graph: &'a Graph,
    /// By top-level node: everything that it touches, its blocks and what it calls included; of a fork and of a wait for it,
    /// what the body does too.
    touched: Vec<Vec<Touch>>,
}

impl std::fmt::Debug for Aliases<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aliases").field("nodes", &self.touched.len()).finish_non_exhaustive()
    }
}

impl<'a> Aliases<'a> {
    /// Looks at a function with everything that it calls.
    ///
    /// # Errors
    /// If it is too large.
    pub fn of(world: &'a World<'a>, function: FunctionId) -> Result<Self, TooLarge> {
        let interpreter = Interpreter::run(world, function)?;
        let graph = &world.function(function).graph;
        let mut this = Self { interpreter, graph, touched: Vec::new() };
        this.touched = graph.body.nodes.iter().map(|node| this.touches_of(node)).collect();
        Ok(this)
    }

    /// Whether two values, or anything that they hold, may be the same thing or share elements.
    pub fn may_contain_alias(&self, a: ValueId, b: ValueId) -> bool {
        let (a, b) = (self.reachable(a), self.reachable(b));
        a.iter().any(|&a| b.iter().any(|&b| self.interpreter.heap.may_alias(a, b)))
    }

    /// Whether anything in the graph may write a value itself: the elements or the metadata of a tensor, a container as
    /// such, an object's attributes; of a tuple, its items.
    pub fn has_writers(&self, value: ValueId) -> bool {
        (0..self.touched.len()).any(|node| self.writes(node, value))
    }

    /// Whether a top-level node may write a value itself.
    pub fn writes(&self, node: usize, value: ValueId) -> bool {
        let mut things = Vec::new();
        self.interpreter.value(0, value).each_thing(&mut |thing| things.push(thing));
        let held: Vec<LocationId> = self.locations(things);
        let mut writes = self.touched[node].iter().filter(|touch| touch.access.writes());
        writes.any(|touch| held.iter().any(|&held| self.interpreter.heap.may_be_same(held, touch.location)))
    }

    /// Whether the top-level node number `node` may be moved to just before (`after`: just after) the node number `point`,
    /// together with whatever must move along.
    pub fn can_move(&self, node: usize, point: usize, after: bool) -> bool {
        if node == point {
            return false;
        }
        let forward = node < point;
        let mut moving = vec![node];
        let between: Vec<usize> = if forward { (node + 1..point).collect() } else { (point + 1..node).rev().collect() };
        for other in between {
            if moving.iter().any(|&moved| self.depend(moved, other)) {
                moving.push(other);
            }
        }
        // A node that goes forward to just before the point, or back to just after it, does not pass it.
        let passes = forward == after;
        !passes || !moving.iter().any(|&moved| self.depend(moved, point))
    }

    /// Whether two nodes must stay in their order.
    fn depend(&self, a: usize, b: usize) -> bool {
        let nodes = &self.graph.body.nodes;
        let (first, second) = (&nodes[a.min(b)], &nodes[a.max(b)]);
        uses(second).iter().any(|used| first.outputs.contains(used))
            || self.is_seen(a)
            || self.is_seen(b)
            || self.touched[a].iter().any(|one| self.touched[b].iter().any(|other| self.conflict(one, other)))
    }

    /// Whether a node does something that is seen outside: it prints, draws or seeds, or ends the program. Nothing passes it.
    fn is_seen(&self, node: usize) -> bool {
        let outside = |touch: &Touch| {
            let origin = &self.interpreter.heap.location(touch.location).origin;
            touch.access.writes() && matches!(origin, Origin::Stdout | Origin::Generator | Origin::Flags)
        };
        control(&self.graph.body.nodes[node]) || self.touched[node].iter().any(outside)
    }

    /// Whether the order of two accesses can be seen.
    fn conflict(&self, a: &Touch, b: &Touch) -> bool {
        let heap = &self.interpreter.heap;
        let apart =
            matches!((&a.region, &b.region), (Some(one), Some(other)) if heap.are_apart(a.location, one, other));
        let writes = a.access.writes() || b.access.writes();
        writes && a.cell == b.cell && !apart && heap.may_be_same(a.location, b.location)
    }

    /// Every thing that can be reached from a value.
    fn reachable(&self, value: ValueId) -> Vec<ThingId> {
        let mut all = BTreeSet::new();
        let mut waiting = vec![self.interpreter.value(0, value).clone()];
        while let Some(value) = waiting.pop() {
            let mut things = Vec::new();
            value.each_thing(&mut |thing| things.push(thing));
            for thing in things {
                if !all.insert(thing) {
                    continue;
                }
                match *self.interpreter.heap.thing(thing) {
                    Thing::Whole(location) | Thing::Foreign(location) => {
                        waiting.extend(self.interpreter.heap.known_contents(location));
                    }
                    Thing::Future { fork, .. } => waiting.push(self.interpreter.forks.get(fork).result.clone()),
                    Thing::Tensor { .. } => {}
                }
            }
        }
        all.into_iter().collect()
    }

    /// The locations behind things.
    fn locations(&self, things: Vec<ThingId>) -> Vec<LocationId> {
        let locations = things.into_iter().flat_map(|thing| match *self.interpreter.heap.thing(thing) {
            Thing::Tensor { storage, shape, .. } => vec![storage, shape],
            Thing::Whole(location) | Thing::Foreign(location) => vec![location],
            Thing::Future { .. } => Vec::new(),
        });
        locations.collect()
    }

    fn touches_of(&self, node: &Node) -> Vec<Touch> {
        let ids: FxHashSet<u32> = self::within(node).map(|node| node.id).collect();
        let forks = &self.interpreter.forks;
        let began = |fork: ForkId| {
            let place = forks.get(fork).place;
            fork != ForkId::MAIN && self.is_below(place.0, place.1, &ids)
        };
        let waited = |fork: ForkId| {
            matches!(node.kind, NodeKind::Wait)
                && self.interpreter.value(0, node.inputs[0]).things.iter().any(|thing| {
                    matches!(*self.interpreter.heap.thing(thing), Thing::Future { fork: waited, .. }
                        if forks.is_within(fork, waited))
                })
        };
        let of: FxHashSet<ForkId> = forks.ids().filter(|&fork| began(fork) || waited(fork)).collect();
        let within = |touch: &&Touch| {
            touch.fork == ForkId::MAIN && self.is_below(touch.instance, touch.node, &ids)
                || forks.ids().any(|fork| of.contains(&fork) && forks.is_within(touch.fork, fork))
        };
        let mut touches: Vec<Touch> = self.interpreter.recorded().touches.iter().filter(within).cloned().collect();
        // What nobody knows may write everything that it is given, and whatever is outside.
        let opaque = self.interpreter.recorded().opaque.iter().filter(|(instance, number, fork)| {
            *fork == ForkId::MAIN && self.is_below(*instance, *number, &ids)
                || forks.ids().any(|known| of.contains(&known) && forks.is_within(*fork, known))
        });
        for &(instance, number, fork) in opaque {
            let written = self.interpreter.heap.all_from_outside();
            let given = uses(node).into_iter().flat_map(|value| self.locations(self.reachable(value)));
            for location in written.into_iter().chain(given) {
                let sort = self.interpreter.heap.location(location).sort;
                let region = (sort == Sort::Storage).then(|| super::region::Region::whole(None));
                let access = Access::ReadWrite;
                let times = Default::default();
                touches.push(Touch {
                    instance,
                    node: number,
                    fork,
                    location,
                    cell: 0,
                    region,
                    access,
                    certain: false,
                    times,
                });
            }
        }
        touches
    }

    /// Whether a node of a calling context is one of these of the graph itself, or is called by one.
    fn is_below(&self, instance: u32, node: u32, ids: &FxHashSet<u32>) -> bool {
        let up = |&(index, _): &(u32, u32)| self.interpreter.caller(index);
        std::iter::successors(Some((instance, node)), up)
            .find(|&(index, _)| index == 0)
            .is_some_and(|(_, node)| ids.contains(&node))
    }
}

/// A node and all in its blocks.
fn within(node: &Node) -> impl Iterator<Item = &Node> {
    std::iter::once(node).chain(node.blocks.iter().flat_map(Block::nodes_within))
}

/// Whether a node may end the program.
fn control(node: &Node) -> bool {
    within(node).any(|node| matches!(node.kind, NodeKind::RaiseException))
}

/// Every value that a node, or one in its blocks, uses.
fn uses(node: &Node) -> Vec<ValueId> {
    within(node)
        .flat_map(|node| node.blocks.iter().flat_map(|block| &block.returns).chain(&node.inputs))
        .copied()
        .collect()
}
