//! The forks of a program, as a tree: each fork node in each calling context, below the fork whose task reaches it.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::lattice::Abstract;
use super::record::Waited;
use crate::module::FunctionId;

/// A fork, by number; number 0 is the entry, which nobody forks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForkId(pub u32);

impl ForkId {
    /// The entry.
    pub const MAIN: ForkId = ForkId(0);
}

/// A fork: one task, or as many as the program makes there.
#[derive(Debug)]
pub(super) struct Fork {
    /// The fork whose task forks it.
    pub(super) parent: Option<ForkId>,
    /// The calling context and the node.
    pub(super) place: (u32, u32),
    /// What it runs.
    pub(super) body: FunctionId,
    /// The calling context that it begins.
    pub(super) instance: u32,
    /// What its tasks are called: the callee, and the how-manieth of this callee below its parent.
    pub(super) name: (Arc<str>, u32),
    /// Whether one task of the parent may fork several here.
    pub(super) many: bool,
    /// Whether every task of the parent forks here.
    pub(super) certain: bool,
    /// What its tasks return.
    pub(super) result: Abstract,
    /// Forks that its tasks have surely waited for, which others had forked.
    pub(super) waited: Vec<Waited>,
    /// Forks below that may go on when a task of it has ended.
    pub(super) left: Vec<ForkId>,
    /// Whether there are any: then what a task of it has made may be in use by others when it has been waited for.
    pub(super) outlived: bool,
    /// When its parent comes by.
    pub(super) times: Vec<u64>,
    depth: u32,
    children: Vec<ForkId>,
}

/// All forks.
#[derive(Debug)]
pub(super) struct Forks {
    all: Vec<Fork>,
    /// How many forks of each callee there are below each fork.
    occurrences: FxHashMap<(ForkId, Arc<str>), u32>,
}

impl Forks {
    /// The entry alone.
    pub(super) fn new(entry: FunctionId, name: Arc<str>) -> Self {
        Self { all: vec![Fork::new(None, (0, 0), entry, 0, (name, 0), 0)], occurrences: FxHashMap::default() }
    }

    /// What is known of a fork.
    pub(super) fn get(&self, id: ForkId) -> &Fork {
        &self.all[id.0 as usize]
    }

    /// The same, to change.
    pub(super) fn get_mut(&mut self, id: ForkId) -> &mut Fork {
        &mut self.all[id.0 as usize]
    }

    /// All of them, parents first.
    pub(super) fn ids(&self) -> impl Iterator<Item = ForkId> + use<> {
        (0..self.all.len() as u32).map(ForkId)
    }

    /// Adds a fork.
    pub(super) fn add(
        &mut self,
        parent: ForkId,
        place: (u32, u32),
        body: FunctionId,
        instance: u32,
        callee: Arc<str>,
    ) -> ForkId {
        let id = ForkId(self.all.len() as u32);
        let next = self.occurrences.entry((parent, callee.clone())).or_default();
        let occurrence = *next;
        *next += 1;
        let depth = self.get(parent).depth + 1;
        self.all.push(Fork::new(Some(parent), place, body, instance, (callee, occurrence), depth));
        self.get_mut(parent).children.push(id);
        id
    }

    /// After a pass that records: notes which forks are outlived. Says whether any was not known to be, and so whether
    /// everything must be looked at again.
    pub(super) fn note_outlived(&mut self) -> bool {
        let mut news = false;
        for fork in &mut self.all {
            news |= !fork.outlived && !fork.left.is_empty();
            fork.outlived |= !fork.left.is_empty();
        }
        if news {
            self.all.iter_mut().for_each(|fork| fork.times.clear());
        }
        news
    }

    /// Whether `inner` is `outer` or below it.
    pub(super) fn is_within(&self, mut inner: ForkId, outer: ForkId) -> bool {
        let depth = self.get(outer).depth;
        while self.get(inner).depth > depth {
            inner = self.get(inner).parent.expect("only the entry has none");
        }
        inner == outer
    }

    /// The fork nearest to both that both are within.
    pub(super) fn common(&self, mut a: ForkId, b: ForkId) -> ForkId {
        while !self.is_within(b, a) {
            a = self.get(a).parent.expect("everything is within the entry");
        }
        a
    }

    /// The child of `outer` that `inner` is within.
    pub(super) fn child_towards(&self, mut inner: ForkId, outer: ForkId) -> ForkId {
        while self.get(inner).parent != Some(outer) {
            inner = self.get(inner).parent.expect("it is below");
        }
        inner
    }

    /// The fork and everything below it.
    pub(super) fn subtree(&self, id: ForkId) -> Vec<ForkId> {
        let mut all = vec![id];
        let mut at = 0;
        while at < all.len() {
            all.extend(&self.get(all[at]).children);
            at += 1;
        }
        all
    }

    /// The name of its first task: `main/enc#0/head#2`.
    pub(super) fn path(&self, id: ForkId) -> String {
        let Fork { parent, name: (callee, occurrence), .. } = self.get(id);
        match parent {
            None => "main".to_string(),
            Some(parent) => format!("{}/{callee}#{occurrence}", self.path(*parent)),
        }
    }
}

impl Fork {
    fn new(
        parent: Option<ForkId>,
        place: (u32, u32),
        body: FunctionId,
        instance: u32,
        name: (Arc<str>, u32),
        depth: u32,
    ) -> Self {
        Self {
            parent,
            place,
            body,
            instance,
            name,
            many: false,
            certain: true,
            result: Abstract::default(),
            waited: Vec::new(),
            left: Vec::new(),
            outlived: false,
            times: Vec::new(),
            depth,
            children: Vec::new(),
        }
    }
}
