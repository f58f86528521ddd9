//! From accesses to what is wrong: what forks write that is not their own, and what tasks write while their forks use it.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::forks::ForkId;
use super::heap::{LocationId, Origin, Sort, Thing};
use super::interpret::Interpreter;
use super::lattice::Abstract;
use super::record::{Recorder, Touch};
use crate::module::FunctionId;
use crate::operators::Access;
use crate::value::Value;

/// What a program may do, on any inputs.
#[derive(Debug, Clone, Default)]
pub struct Analysis {
    /// Every fork in every calling context, in the order in which the program comes by; the entry is not among them.
    pub forks: Vec<ForkEffects>,
    /// Every write that makes a fork impure, in the order in which the program comes by.
    pub writes: Vec<Write>,
    /// Where something happens of which nobody knows what it does, innermost first; with the fork whose task it is.
    pub opaque: Vec<(Vec<Place>, ForkId)>,
    /// How many nodes were looked at, each in each calling context once.
    pub nodes: usize,
}

/// A fork, and whether it is pure.
#[derive(Debug, Clone)]
pub struct ForkEffects {
    /// Its number.
    pub id: ForkId,
    /// The name of its first task: `main/enc#0/head#2`.
    pub path: String,
    /// What its tasks are called.
    pub callee: String,
    /// Where it is forked, then the calls that lead there, innermost first.
    pub stack: Vec<Place>,
    /// Whether its tasks leave alone what is not their own, whatever the inputs are.
    pub pure: bool,
}

/// A node of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The function.
    pub function: FunctionId,
    /// The number of the node.
    pub node: u32,
}

/// What kind of write it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A fork writes what it was given.
    Input,
    /// A fork writes an attribute, or what one holds.
    Attribute,
    /// A fork draws from the default generator, seeds it, or changes a flag of the process.
    Global,
    /// A fork prints.
    Output,
    /// A task writes what is its own while a fork may use it.
    Parent,
}

/// A write that makes a fork impure.
#[derive(Debug, Clone)]
pub struct Write {
    /// What kind.
    pub kind: Kind,
    /// The node that writes, then the calls that lead there, innermost first.
    pub stack: Vec<Place>,
    /// The fork whose task writes; of a task's own things, the entry or the fork above.
    pub writer: ForkId,
    /// The fork that it is held against.
    pub fork: ForkId,
    /// What is written.
    pub target: Target,
    /// Whether every execution that begins the fork's task does it, unless an error ends it before.
    pub certain: bool,
    /// What may use the same at the same time.
    pub other: Option<Other>,
}

/// What a user would call a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By this path: `input xs[1]`, `self.inner.n`, `global RNG`.
    Path(String),
    /// The variable of a function; `true` if it is its metadata alone.
    Local(FunctionId, String, bool),
    /// The constant that a node binds.
    Constant(Place),
    /// It has no name.
    Nameless,
}

/// An access that may come at the same time.
#[derive(Debug, Clone)]
pub struct Other {
    /// The fork whose task it is.
    pub fork: ForkId,
    /// Where, innermost first.
    pub stack: Vec<Place>,
    /// Whether it writes.
    pub writes: bool,
}

/// Says what is wrong with a program that was looked at.
pub(super) fn judge(interpreter: &Interpreter<'_>) -> Analysis {
    let recorder = interpreter.recorder.as_ref().expect("the last pass records");
    let judge =
        Judge { interpreter, recorder, classes: Classes::of(interpreter, recorder), names: FxHashMap::default() };
    judge.run()
}

/// What may be the same memory: all inputs together, everything else by where it comes from.
type Class = (Option<Origin>, Sort, u32);

/// The touches of each class, by fork.
#[derive(Default)]
struct Classes(FxHashMap<Class, BTreeMap<ForkId, Vec<usize>>>);

impl Classes {
    fn of(interpreter: &Interpreter<'_>, recorder: &Recorder) -> Self {
        let mut classes = Self::default();
        for (i, touch) in recorder.touches.iter().enumerate() {
            let class = class(interpreter, touch);
            classes.0.entry(class).or_default().entry(touch.fork).or_default().push(i);
        }
        classes
    }
}

fn class(interpreter: &Interpreter<'_>, touch: &Touch) -> Class {
    let location = interpreter.heap.location(touch.location);
    let origin = match &location.origin {
        Origin::Input(_) => None,
        origin => Some(origin.clone()),
    };
    (origin, location.sort, touch.cell)
}

/// Whose fault a write is.
struct Blame {
    /// Whether the writer does not own it; else a fork uses what it owns.
    effect: bool,
    /// The fork that it is held against.
    fork: ForkId,
    /// The touch that may come at the same time.
    other: Option<usize>,
}

struct Judge<'a> {
    interpreter: &'a Interpreter<'a>,
    recorder: &'a Recorder,
    classes: Classes,
    /// What attributes hold, by where it comes from, with the path.
    names: FxHashMap<(Origin, Sort, u32), String>,
}

impl Judge<'_> {
    fn run(mut self) -> Analysis {
        let forks = &self.interpreter.forks;
        let mut impure = FxHashSet::default();
        let mut writes = Vec::new();
        let wrong: Vec<(usize, Vec<Blame>)> =
            (0..self.recorder.touches.len()).map(|i| (i, self.blame(i))).filter(|row| !row.1.is_empty()).collect();
        if !wrong.is_empty() {
            self.name_attributes();
        }
        for (i, blamed) in wrong {
            let touch = &self.recorder.touches[i];
            let (target, attribute) = self.target(touch);
            for Blame { effect, fork, other } in blamed {
                if effect {
                    let mut above = Some(fork);
                    while let Some(fork) = above.filter(|&fork| !self.owns(fork, touch.location)) {
                        impure.insert(fork);
                        above = forks.get(fork).parent;
                    }
                }
                writes.push(Write {
                    kind: if effect { self.kind(touch, attribute) } else { Kind::Parent },
                    stack: self.stack(touch.instance, touch.node),
                    writer: touch.fork,
                    fork,
                    target: target.clone(),
                    certain: touch.certain && self.is_certain(fork),
                    other: other.map(|other| self.other(other)),
                });
            }
        }
        let fork = |id: ForkId| {
            let fork = forks.get(id);
            ForkEffects {
                id,
                path: forks.path(id),
                callee: fork.name.0.to_string(),
                stack: self.stack(fork.place.0, fork.place.1),
                pure: !impure.contains(&id),
            }
        };
        let opaque = self.recorder.opaque.iter().map(|&(instance, node, fork)| (self.stack(instance, node), fork));
        let mut opaque: Vec<_> = opaque.collect();
        opaque.dedup();
        Analysis {
            forks: forks.ids().skip(1).map(fork).collect(),
            writes,
            opaque,
            nodes: self.interpreter.instances.iter().map(|instance| instance.values.len()).sum(),
        }
    }

    /// Whose fault a touch is.
    fn blame(&self, index: usize) -> Vec<Blame> {
        let touch = &self.recorder.touches[index];
        if !touch.access.writes() {
            return Vec::new();
        }
        let by_fork = &self.classes.0[&class(self.interpreter, touch)];
        let sort = self.interpreter.heap.location(touch.location).sort;
        if !self.owns(touch.fork, touch.location) {
            let is_stdout = self.interpreter.heap.location(touch.location).origin == Origin::Stdout;
            let others = by_fork.iter().filter(|_| !is_stdout);
            let other = others.filter_map(|(&fork, touches)| self.meets(touch, fork, touches)).next();
            return vec![Blame { effect: true, fork: touch.fork, other }];
        }
        if sort == Sort::Generator || by_fork.len() < 2 {
            return Vec::new();
        }
        let below = by_fork.iter().filter(|(fork, _)| **fork != touch.fork && **fork != ForkId::MAIN);
        let met = |(&fork, touches): (&ForkId, &Vec<usize>)| {
            let other = self.meets(touch, fork, touches)?;
            Some(Blame { effect: false, fork, other: Some(other) })
        };
        below.filter_map(met).collect()
    }

    /// A touch of `fork` of the same memory that may come at the same time.
    fn meets(&self, touch: &Touch, fork: ForkId, touches: &[usize]) -> Option<usize> {
        let (forks, recorder) = (&self.interpreter.forks, self.recorder);
        let at_once: &dyn Fn(&Touch) -> bool = if fork != touch.fork && forks.is_within(fork, touch.fork) {
            if !recorder.is_running(touch.fork, fork, &touch.times) {
                return None;
            }
            &|_| true
        } else if fork != touch.fork && forks.is_within(touch.fork, fork) {
            &|other| recorder.is_running(fork, touch.fork, &other.times)
        } else {
            if !recorder.are_parallel(touch.fork, fork, forks) {
                return None;
            }
            &|_| true
        };
        touches.iter().copied().find(|&i| {
            let other = &recorder.touches[i];
            self.overlap(touch, other) && at_once(other)
        })
    }

    fn overlap(&self, a: &Touch, b: &Touch) -> bool {
        let apart = matches!((&a.region, &b.region), (Some(a), Some(b)) if a.is_apart_from(b));
        // Two tasks of one fork: what each has made is not the other's, unless it got out.
        let own = a.fork == b.fork && self.owns(a.fork, a.location);
        !apart && !own && self.interpreter.heap.may_be_same(a.location, b.location)
    }

    /// Whether a thing is its own for every task of the fork.
    fn owns(&self, fork: ForkId, location: LocationId) -> bool {
        self.interpreter.forks.is_within(self.interpreter.heap.location(location).scope, fork)
    }

    fn is_certain(&self, mut fork: ForkId) -> bool {
        loop {
            let this = self.interpreter.forks.get(fork);
            match this.parent {
                None => return true,
                Some(_) if !this.certain => return false,
                Some(parent) => fork = parent,
            }
        }
    }

    fn kind(&self, touch: &Touch, attribute: bool) -> Kind {
        match self.interpreter.heap.location(touch.location).origin {
            Origin::Stdout => Kind::Output,
            Origin::Generator | Origin::Flags => Kind::Global,
            _ if attribute => Kind::Attribute,
            _ => Kind::Input,
        }
    }

    fn other(&self, index: usize) -> Other {
        let touch = &self.recorder.touches[index];
        Other { fork: touch.fork, stack: self.stack(touch.instance, touch.node), writes: touch.access != Access::Read }
    }

    /// The node, then the calls of its task that lead there.
    fn stack(&self, instance: u32, node: u32) -> Vec<Place> {
        let mut stack = Vec::new();
        let mut at = Some((instance, node));
        while let Some((index, node)) = at {
            let instance = &self.interpreter.instances[index as usize];
            stack.push(Place { function: instance.function, node });
            at = instance.caller;
        }
        stack
    }

    /// What a user would call what is touched, and whether it is an attribute or what one holds.
    fn target(&self, touch: &Touch) -> (Target, bool) {
        let heap = &self.interpreter.heap;
        let location = heap.location(touch.location);
        let path = |text: &str| Target::Path(text.to_string());
        match &location.origin {
            Origin::Stdout => return (path("stdout"), false),
            Origin::Generator => return (path("global RNG"), false),
            Origin::Flags => return (path("process flags"), false),
            _ => {}
        }
        let prefix = if location.sort == Sort::Shape { "shape of " } else { "" };
        if let Some(name) = self.names.get(&(location.origin.clone(), location.sort, touch.cell)) {
            return (Target::Path(format!("{prefix}{name}")), true);
        }
        let target = match &location.origin {
            Origin::Input(at) => Target::Path(format!("{prefix}input {}{}", heap.path_text(*at), self.member(touch))),
            Origin::Constant(function, node) => Target::Constant(Place { function: *function, node: *node }),
            Origin::Loaded(_) => self.constant(touch.location),
            _ => self.local(touch),
        };
        (target, false)
    }

    /// The attribute of an object of the inputs.
    fn member(&self, touch: &Touch) -> String {
        let heap = &self.interpreter.heap;
        let class = match heap.input_class(touch.location) {
            Some(crate::types::Type::Named(name)) => self.interpreter.world.classes.get(name),
            _ => None,
        };
        let attribute = class.and_then(|class| class.attributes.get(touch.cell as usize));
        match heap.location(touch.location).sort {
            Sort::Object => attribute.map_or(String::new(), |attribute| format!(".{}", attribute.name)),
            _ => String::new(),
        }
    }

    /// The constant that holds a loaded thing which no attribute holds.
    fn constant(&self, wanted: LocationId) -> Target {
        let Origin::Loaded(slot) = self.interpreter.heap.location(wanted).origin else { return Target::Nameless };
        let holds = |value: &Value| match value {
            Value::Tensor(tensor) => tensor.id() == slot || tensor.storage().id() == slot,
            Value::List(list) => list.id() == slot,
            Value::Dict(dict) => dict.id() == slot,
            Value::Object(object) => object.id() == slot,
            _ => false,
        };
        for instance in &self.interpreter.instances {
            let graph = &self.interpreter.world.function(instance.function).graph;
            let constant = |node: &&crate::graph::Node| matches!(&node.kind, crate::graph::NodeKind::Constant(value) if holds(value));
            if let Some(node) = graph.body.nodes.iter().find(constant) {
                return Target::Constant(Place { function: instance.function, node: node.id });
            }
        }
        Target::Nameless
    }

    /// The creator's variable, or that of whoever called it; else that of the writer.
    fn local(&self, touch: &Touch) -> Target {
        let location = self.interpreter.heap.location(touch.location);
        let Origin::Made { instance, .. } = location.origin else { return Target::Nameless };
        let shape = location.sort == Sort::Shape;
        let mut at = Some(instance);
        let mut contexts = Vec::new();
        while let Some(index) = at {
            contexts.push(index);
            let instance = &self.interpreter.instances[index as usize];
            at = instance.caller.map(|(caller, _)| caller);
        }
        contexts.push(touch.instance);
        // A fork's parameters are what the captures are called.
        let forked = self.interpreter.forks.get(touch.fork).instance;
        contexts.extend(self.interpreter.instances[forked as usize + 1..].first().map(|_| forked + 1));
        for index in contexts {
            let instance = &self.interpreter.instances[index as usize];
            let graph = &self.interpreter.world.function(instance.function).graph;
            let named = graph.values.iter().zip(&instance.values).find_map(|(info, value)| {
                let name = info.name.as_ref()?;
                self.is_of(value, touch.location).then(|| name.to_string())
            });
            if let Some(name) = named {
                return Target::Local(instance.function, name, shape);
            }
        }
        Target::Nameless
    }

    /// Whether a value may be what was made there, wherever it is by now.
    fn is_of(&self, value: &Abstract, wanted: LocationId) -> bool {
        let heap = &self.interpreter.heap;
        let (origin, sort) = (&heap.location(wanted).origin, heap.location(wanted).sort);
        let same =
            |location: LocationId| heap.location(location).origin == *origin && heap.location(location).sort == sort;
        value.things.iter().any(|thing| match heap.thing(thing) {
            Thing::Tensor { storage, shape, .. } => same(*storage) || same(*shape),
            Thing::Whole(location) => same(*location),
            _ => false,
        })
    }

    /// Names everything that can be reached from the root, by the first path in declaration order, depth first.
    fn name_attributes(&mut self) {
        let Some(root) = self.interpreter.world.root else { return };
        let heap = &self.interpreter.heap;
        let Some(begin) = heap.find(&Origin::Loaded(root.id()), Sort::Object) else { return };
        let mut seen = FxHashSet::default();
        let mut waiting = vec![(Thing::Whole(begin), "self".to_string())];
        while let Some((thing, path)) = waiting.pop() {
            let mut name = |location: LocationId, cell: u32, path: &str| {
                let known = heap.location(location);
                self.names.entry((known.origin.clone(), known.sort, cell)).or_insert_with(|| path.to_string());
            };
            match thing {
                Thing::Tensor { storage, shape, .. } => {
                    name(storage, 0, &path);
                    name(shape, 0, &path);
                }
                Thing::Whole(location) if seen.insert(location) => {
                    let sort = heap.location(location).sort;
                    let first = waiting.len();
                    if sort == Sort::Object {
                        for (i, attribute) in heap.attributes(location).into_iter().enumerate() {
                            let path = member(&path, &attribute);
                            name(location, i as u32, &path);
                            for thing in heap.held(location, i as u32) {
                                waiting.push((thing.1, path.clone() + &thing.0));
                            }
                        }
                    } else {
                        name(location, 0, &path);
                        for thing in heap.held(location, 0) {
                            waiting.push((thing.1, path.clone() + &thing.0));
                        }
                    }
                    waiting[first..].reverse();
                }
                _ => {}
            }
        }
    }
}

/// `self.inner`; the members of a `ModuleList` are numbered, and written with brackets.
fn member(path: &str, name: &str) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("{path}[{name}]") } else { format!("{path}.{name}") }
}
