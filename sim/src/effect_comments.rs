//! What `forkcheck graph --effects` says between the lines of a graph: what each node reads and writes, and whether each
//! fork is pure.

use std::collections::BTreeMap;

use forkcheck_model::effects::{
    Beside, Description, ForkEffects, ForkId, Kind, Place, Target, TooLarge, World, describe,
};
use forkcheck_model::graph::Node;
use forkcheck_model::graph::parse::GraphText;
use forkcheck_model::graph::print::Comments;
use forkcheck_model::module::{FunctionId, Module};
use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;

use crate::machine::code::callee_name;
use crate::static_words::Words;

/// Of what a call reads so much is named; a call may read a whole network. What is written is always named.
const MOST_READS: usize = 6;

/// The comments on a graph and on the closures that it starts.
pub struct EffectComments<'a> {
    words: Words<'a>,
    description: Description,
    /// What each fork writes that it does not own, and what others write that it uses.
    writes: BTreeMap<ForkId, Writes>,
    /// Whether there is anything of which nobody knows what it does.
    some_unknown: bool,
}

/// Each once, in the order in which the program comes by.
type Texts = IndexSet<String, FxBuildHasher>;

/// What is wrong with a fork, in words.
#[derive(Default)]
struct Writes {
    must: Texts,
    may: Texts,
    /// Tasks that write what is their own while the fork uses it.
    meanwhile: Texts,
    /// Of what nobody knows what it does.
    unknown: Texts,
}

impl Writes {
    const NONE: &Writes = &Writes {
        must: Texts::with_hasher(FxBuildHasher),
        may: Texts::with_hasher(FxBuildHasher),
        meanwhile: Texts::with_hasher(FxBuildHasher),
        unknown: Texts::with_hasher(FxBuildHasher),
    };
}

impl std::fmt::Debug for EffectComments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EffectComments").field("nodes", &self.description.nodes.len()).finish_non_exhaustive()
    }
}

impl<'a> EffectComments<'a> {
    /// On a function of a module.
    ///
    /// # Errors
    /// If the program is too large to be looked at.
    pub fn of_module(module: &'a Module, entry: FunctionId) -> Result<Self, TooLarge> {
        Self::of(&World::of(module, callee_name), entry)
    }

    /// On a graph that was read.
    ///
    /// # Errors
    /// If the program is too large to be looked at.
    pub fn of_graph(text: &'a GraphText) -> Result<Self, TooLarge> {
        let world = World { functions: &text.functions, classes: &text.classes, root: None, callee: callee_name };
        Self::of(&world, GraphText::MAIN)
    }

    fn of(world: &World<'a>, entry: FunctionId) -> Result<Self, TooLarge> {
        let description = describe(world, entry)?;
        let mut this =
            Self { words: Words::of(world.functions), description, writes: BTreeMap::new(), some_unknown: false };
        this.collect();
        Ok(this)
    }

    /// Sorts what is wrong by the forks that it is held against.
    fn collect(&mut self) {
        let mut all: BTreeMap<ForkId, Writes> = BTreeMap::new();
        for write in &self.description.analysis.writes {
            let target = self.words.target(&write.target);
            let known = all.entry(write.fork).or_default();
            if write.kind == Kind::Parent {
                let writer = self.description.analysis.path(write.writer).to_string();
                let verb = if write.certain { "writes" } else { "may write" };
                known.meanwhile.insert(format!("{writer} {verb} {target} meanwhile"));
            } else if write.certain {
                known.must.insert(target);
            } else {
                known.may.insert(target);
            }
        }
        for (stack, fork) in &self.description.analysis.opaque {
            self.some_unknown = true;
            all.entry(*fork).or_default().unknown.insert(self.words.node(stack[0]).kind.name().to_string());
        }
        for Writes { must, may, .. } in all.values_mut() {
            may.retain(|target| !must.contains(target));
        }
        self.writes = all;
    }

    /// Whether it is pure, what it writes, and what it may run beside.
    fn summary(&self, id: ForkId) -> String {
        let fork = self.description.analysis.fork(id).expect("every fork is known");
        let writes = self.writes.get(&id).unwrap_or(Writes::NONE);
        let within = |other: &&ForkEffects| {
            other.path.strip_prefix(&*fork.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mut within = self.description.analysis.forks.iter().filter(within);
        let unknown = |fork: &ForkEffects| self.writes.get(&fork.id).is_some_and(|writes| !writes.unknown.is_empty());
        let mut parts = vec![match fork.pure {
            true if self.some_unknown && within.clone().any(unknown) => "unknown".to_string(),
            true => "pure".to_string(),
            false if writes.must.is_empty() && writes.may.is_empty() => {
                let guilty = within.find(|fork| !fork.pure && fork.id != id);
                format!("impure by what {} writes", guilty.map_or("a fork within", |fork| &fork.path))
            }
            false => "impure".to_string(),
        }];
        let mut list = |verb: &str, texts: &Texts| {
            if !texts.is_empty() {
                parts.push(format!("{verb} {}", joined(texts)));
            }
        };
        list("must write", &writes.must);
        list("may write", &writes.may);
        parts.extend(writes.meanwhile.iter().cloned());
        parts.extend(writes.unknown.iter().map(|name| format!("nobody knows what {name} reads and writes")));
        parts.extend(self.beside(id));
        format!("{}: {}", fork.path, parts.join("; "))
    }

    fn beside(&self, id: ForkId) -> Option<String> {
        let Beside { forks, more } = self.description.beside.get(&id).filter(|beside| !beside.forks.is_empty())?;
        let name = |&other: &ForkId| {
            if other == id { "others like it".to_string() } else { self.description.analysis.path(other).to_string() }
        };
        let more = if *more { " and more" } else { "" };
        Some(format!("may run beside {}{more}", forks.iter().map(name).collect::<Vec<_>>().join(", ")))
    }
}

impl Comments for EffectComments<'_> {
    fn of_node(&mut self, function: FunctionId, node: &Node) -> Option<String> {
        let Self { words, description, .. } = self;
        let touched = description.nodes.get(&Place { function, node: node.id })?;
        let mut names = |targets: &[Target], most: usize| {
            let named: Texts = targets.iter().take(most).map(|target| words.target(target)).collect();
            let rest = targets.len().saturating_sub(most);
            joined(&named) + &if rest > 0 { format!(" and {rest} more") } else { String::new() }
        };
        let mut parts = Vec::new();
        if !touched.forks.is_empty() {
            let forks: Vec<&str> = touched.forks.iter().map(|&fork| description.analysis.path(fork)).collect();
            parts.push(format!("forks {}", forks.join(", ")));
        }
        if !touched.reads.is_empty() {
            parts.push(format!("reads {}", names(&touched.reads, MOST_READS)));
        }
        if !touched.writes.is_empty() {
            parts.push(format!("writes {}", names(&touched.writes, usize::MAX)));
        }
        if touched.unknown {
            let els = if parts.is_empty() { "" } else { "else " };
            parts.push(format!("nobody knows what {els}it reads and writes"));
        }
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    fn of_function(&mut self, function: FunctionId) -> Vec<String> {
        let forks = self.description.forks.get(&function);
        forks.into_iter().flatten().map(|&fork| self.summary(fork)).collect()
    }
}

fn joined(texts: &Texts) -> String {
    texts.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
