//! From accesses to what is wrong: what forks write that is not their own, and what tasks write while their forks use it.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::forks::ForkId;
use super::heap::{LocationId, Origin, Sort};
use super::interpret::Interpreter;
use super::names::{Names, Target};
use super::record::{Recorder, Touch};
use crate::module::FunctionId;
use crate::operators::Access;

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

impl Analysis {
    /// What is known of a fork; nothing of the entry.
    pub fn fork(&self, id: ForkId) -> Option<&ForkEffects> {
        self.forks.get((id.0 as usize).checked_sub(1)?)
    }

    /// The name of a fork's first task.
    pub fn path(&self, id: ForkId) -> &str {
        self.fork(id).map_or("main", |fork| &fork.path)
    }
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
    let recorder = interpreter.recorded();
    Judge { interpreter, recorder, classes: Classes::of(interpreter, recorder) }.run()
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
}

impl Judge<'_> {
    fn run(self) -> Analysis {
        let forks = &self.interpreter.forks;
        let mut impure = FxHashSet::default();
        let mut writes = Vec::new();
        let wrong: Vec<(usize, Vec<Blame>)> =
            (0..self.recorder.touches.len()).map(|i| (i, self.blame(i))).filter(|row| !row.1.is_empty()).collect();
        let mut names = (!wrong.is_empty()).then(|| Names::of(self.interpreter));
        for (i, blamed) in wrong {
            let touch = &self.recorder.touches[i];
            let (target, attribute) = names.as_mut().expect("something is wrong").target(touch);
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
                    stack: self.interpreter.stack(touch.instance, touch.node),
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
                stack: self.interpreter.stack(fork.place.0, fork.place.1),
                pure: !impure.contains(&id),
            }
        };
        let opaque =
            self.recorder.opaque.iter().map(|&(instance, node, fork)| (self.interpreter.stack(instance, node), fork));
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
        let heap = &self.interpreter.heap;
        let apart =
            matches!((&a.region, &b.region), (Some(one), Some(other)) if heap.are_apart(a.location, one, other));
        // Two tasks of one fork: what each has made is not the other's, unless it got out.
        let own = a.fork == b.fork && self.owns(a.fork, a.location);
        !apart && !own && heap.may_be_same(a.location, b.location)
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
        Other {
            fork: touch.fork,
            stack: self.interpreter.stack(touch.instance, touch.node),
            writes: touch.access != Access::Read,
        }
    }
}
