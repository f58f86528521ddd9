//! What each node of a graph reads and writes, and what is known of each fork: for a reader of the graph.
//!
//! A graph is shown with the closures that it starts, and without the functions that it calls. So what a call does is said of
//! the call, that of forks within it included, except what it does to things that it has made itself.

use std::collections::BTreeMap;
use std::iter::successors;

use indexmap::{IndexMap, IndexSet};
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::forks::ForkId;
use super::heap::{LocationId, Origin, Sort, Thing};
use super::interpret::Interpreter;
use super::names::{Names, Target};
use super::record::Touch;
use super::verdict::{Analysis, judge};
use super::{Place, TooLarge, World};
use crate::graph::NodeKind;
use crate::module::FunctionId;
use crate::operators::Access;

/// A program may have very many forks that may all run together; so many are named beside each.
const MOST_BESIDE: usize = 5;

/// What a graph does, and the closures that it starts.
#[derive(Debug)]
pub struct Description {
    /// What is wrong with it.
    pub analysis: Analysis,
    /// What is known of the nodes that touch or fork something.
    pub nodes: BTreeMap<Place, Touched>,
    /// The forks that run each closure that is shown, and those that calls in a graph start which is shown.
    pub forks: BTreeMap<FunctionId, Vec<ForkId>>,
    /// What may run while a task of the fork does.
    pub beside: BTreeMap<ForkId, Beside>,
}

/// What a node may do on some inputs, whatever it calls included.
#[derive(Debug, Default)]
pub struct Touched {
    /// What it reads: what was there before or comes from outside, and of what the task has made itself, whatever anybody
    /// writes or another task touches.
    pub reads: Vec<Target>,
    /// What it writes.
    pub writes: Vec<Target>,
    /// The forks that it starts.
    pub forks: Vec<ForkId>,
    /// Whether nobody knows all that it does.
    pub unknown: bool,
}

/// What may run while a task of a fork does: those above it that do something meanwhile, then forks that are no part of it.
#[derive(Debug, Default)]
pub struct Beside {
    /// Some of them; the fork itself, if several of its tasks may run together.
    pub forks: Vec<ForkId>,
    /// Whether there are more.
    pub more: bool,
}

/// Says what the function `entry` does, on any arguments, node by node.
///
/// # Errors
/// If the program is too large.
pub fn describe(world: &World<'_>, entry: FunctionId) -> Result<Description, TooLarge> {
    let interpreter = Interpreter::run(world, entry)?;
    let mut shown = FxHashSet::default();
    show(world, entry, &mut shown);
    let teller = Teller { interpreter: &interpreter, shown };
    Ok(Description {
        analysis: judge(&interpreter),
        nodes: teller.nodes(),
        forks: teller.forks(),
        beside: teller.beside(),
    })
}

/// A function and the closures that it starts, but those of which nothing is known.
fn show(world: &World<'_>, id: FunctionId, shown: &mut FxHashSet<FunctionId>) {
    let mut waiting = vec![id];
    while let Some(id) = waiting.pop() {
        if shown.insert(id) {
            waiting.extend(world.function(id).graph.body.nodes_within().filter_map(|node| match node.kind {
                NodeKind::Fork(body) | NodeKind::Awaitable(body) => {
                    (!world.function(body).graph.is_unknown_as(node.kind.name())).then_some(body)
                }
                _ => None,
            }));
        }
    }
}

struct Teller<'a> {
    interpreter: &'a Interpreter<'a>,
    /// The functions whose nodes are shown.
    shown: FxHashSet<FunctionId>,
}

/// What is known of a node while it is being collected.
#[derive(Default)]
struct Collected {
    reads: IndexSet<Target, FxBuildHasher>,
    writes: IndexSet<Target, FxBuildHasher>,
    forks: Vec<ForkId>,
    unknown: bool,
}

impl Teller<'_> {
    fn nodes(&self) -> BTreeMap<Place, Touched> {
        let recorder = self.interpreter.recorded();
        let mut nodes: IndexMap<Place, Collected, FxBuildHasher> = IndexMap::default();
        let mut names = Names::of(self.interpreter);
        let shared = self.shared();
        let mut known = FxHashSet::default();
        for touch in &recorder.touches {
            let (reads, writes) = (touch.access != Access::Write, touch.access.writes());
            if !writes && !self.is_news(touch, &shared) {
                continue;
            }
            let mut named = None;
            for (at, place) in self.shown_places(touch.instance, touch.node) {
                let key = (place, touch.location, touch.cell, reads, writes);
                if self.made_below(at, touch.location) || !known.insert(key) {
                    continue;
                }
                let target = named.get_or_insert_with(|| names.target(touch).0).clone();
                let node = nodes.entry(place).or_default();
                if reads && target != Target::Nameless {
                    node.reads.insert(target.clone());
                }
                if writes {
                    node.writes.insert(target);
                }
            }
        }
        for &(instance, node, _) in &recorder.opaque {
            for (_, place) in self.shown_places(instance, node) {
                nodes.entry(place).or_default().unknown = true;
            }
        }
        for fork in self.interpreter.forks.ids().skip(1) {
            let (instance, node) = self.interpreter.forks.get(fork).place;
            for (_, place) in self.shown_places(instance, node) {
                nodes.entry(place).or_default().forks.push(fork);
            }
        }
        nodes.into_iter().map(|(place, node)| (place, node.finish())).collect()
    }

    /// The node, and the calls that lead there, as far as they are shown; those of tasks whose bodies are not shown go on
    /// where they are forked.
    fn shown_places(&self, instance: u32, node: u32) -> impl Iterator<Item = ((u32, u32), Place)> {
        let places = successors(Some((instance, node)), |&(index, _)| {
            let instance = &self.interpreter.instances[index as usize];
            let fork = self.interpreter.forks.get(instance.fork);
            let hidden = instance.fork != ForkId::MAIN && !self.shown.contains(&fork.body);
            instance.caller.or(hidden.then_some(fork.place))
        });
        let placed =
            places.map(|at| (at, Place { function: self.interpreter.instances[at.0 as usize].function, node: at.1 }));
        placed.filter(|(_, place)| self.shown.contains(&place.function))
    }

    /// Whether a call has made the thing, or something within the call.
    fn made_below(&self, call: (u32, u32), location: LocationId) -> bool {
        let Origin::Made { instance, .. } = self.interpreter.heap.location(location).origin else { return false };
        let mut at = instance;
        while at != call.0 {
            match self.interpreter.caller(at) {
                Some(caller) if caller == call => return true,
                Some(caller) => at = caller.0,
                None => return false,
            }
        }
        false
    }

    /// What tasks have made that somebody writes, or that tasks of two forks touch.
    fn shared(&self) -> FxHashSet<(&Origin, Sort)> {
        let mut first: FxHashMap<(&Origin, Sort), ForkId> = FxHashMap::default();
        let mut shared = FxHashSet::default();
        for touch in &self.interpreter.recorded().touches {
            let location = self.interpreter.heap.location(touch.location);
            let key = (&location.origin, location.sort);
            if touch.access.writes() || *first.entry(key).or_insert(touch.fork) != touch.fork {
                shared.insert(key);
            }
        }
        shared
    }

    /// Whether a read helps a reader: nobody else can touch what a task has made and keeps for itself, and an attribute that
    /// only leads on to a module is never replaced.
    fn is_news(&self, touch: &Touch, shared: &FxHashSet<(&Origin, Sort)>) -> bool {
        let heap = &self.interpreter.heap;
        let location = heap.location(touch.location);
        match location.origin {
            Origin::Made { .. } => shared.contains(&(&location.origin, location.sort)),
            _ if location.sort == Sort::Object && !heap.written.contains(&(touch.location, touch.cell)) => {
                let held = heap.held(touch.location, touch.cell);
                let module = |thing: &Thing| matches!(thing, Thing::Whole(location) if heap.location(*location).sort == Sort::Object);
                held.is_empty() || !held.iter().all(|(_, thing)| module(thing))
            }
            _ => true,
        }
    }

    /// The forks that are told of with each function that is shown.
    fn forks(&self) -> BTreeMap<FunctionId, Vec<ForkId>> {
        let mut told: BTreeMap<FunctionId, Vec<ForkId>> = BTreeMap::new();
        for id in self.interpreter.forks.ids().skip(1) {
            let fork = self.interpreter.forks.get(id);
            let home = match self.shown.contains(&fork.body) {
                true => Some(fork.body),
                false => self.shown_places(fork.place.0, fork.place.1).next().map(|(_, place)| place.function),
            };
            told.entry(home.expect("the entry is shown")).or_default().push(id);
        }
        told
    }

    fn beside(&self) -> BTreeMap<ForkId, Beside> {
        let (forks, recorder) = (&self.interpreter.forks, self.interpreter.recorded());
        let mut times: FxHashMap<ForkId, Vec<u64>> = FxHashMap::default();
        for touch in &recorder.touches {
            times.entry(touch.fork).or_default().extend(&touch.times);
        }
        times.values_mut().for_each(|times| times.sort_unstable());
        let beside = |id: ForkId| {
            let above = successors(forks.get(id).parent, |&above| forks.get(above).parent);
            let above = above.filter(|above| {
                let times = times.get(above).map_or(&[][..], Vec::as_slice);
                recorder.spells(*above, id).iter().any(|&(from, to)| {
                    let next = times.partition_point(|&time| time < from);
                    times.get(next).is_some_and(|&time| time < to)
                })
            });
            let others = forks.ids().skip(1).filter(|&other| recorder.are_parallel(id, other, forks));
            let mut all: Vec<ForkId> = above.chain(others).take(MOST_BESIDE + 1).collect();
            let more = all.len() > MOST_BESIDE;
            all.truncate(MOST_BESIDE);
            Beside { forks: all, more }
        };
        forks.ids().skip(1).map(|id| (id, beside(id))).collect()
    }
}

impl Collected {
    /// Without metadata of what is itself touched in the same way: that its shape is looked at too is no news.
    fn finish(self) -> Touched {
        let itself = |target: &Target| match target {
            Target::Path(path) => path.strip_prefix("shape of ").map(|path| Target::Path(path.to_string())),
            Target::Local(function, name, true) => Some(Target::Local(*function, name.clone(), false)),
            _ => None,
        };
        let known = |target: &Target, writes: bool| {
            itself(target)
                .is_some_and(|itself| self.writes.contains(&itself) || !writes && self.reads.contains(&itself))
        };
        Touched {
            reads: self.reads.iter().filter(|target| !known(target, false)).cloned().collect(),
            writes: self.writes.iter().filter(|target| !known(target, true)).cloned().collect(),
            forks: self.forks,
            unknown: self.unknown,
        }
    }
}
