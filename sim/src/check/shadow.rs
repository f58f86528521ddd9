//! Who accessed what: every access of an execution that a later one could race with.
//!
//! With fork and wait alone, what happens before what does not depend on the schedule, so one complete execution shows
//! every race of its input (Feng and Leiserson, "Efficient detection of determinacy races in Cilk programs", 1997,
//! carried over to futures; the proof stands in ARCHITECTURE.md). Nothing is ever forgotten: unlike a detector for
//! threads, this one is complete for the execution it watched.

use std::sync::Arc;

use forkcheck_scheduler::{Access, Clock, Location, TaskId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::machine::access::Thing;
use crate::machine::code::Site;

/// All accesses so far.
#[derive(Debug, Default)]
pub struct Shadow {
    locations: FxHashMap<Location, Vec<Entry>>,
    /// The locations of the entries in the order in which they came, for going back.
    journal: Vec<Location>,
    /// Accesses that would say nothing new. Forgetting some is harmless.
    seen: FxHashSet<(TaskId, u32, Site, Access)>,
}

/// An access that was made.
#[derive(Debug, Clone)]
pub struct Entry {
    /// By whom.
    pub task: TaskId,
    /// Between which of the task's forks and waits.
    pub segment: u32,
    /// What and how.
    pub access: Access,
    /// The thing itself.
    pub thing: Thing,
    /// Where.
    pub site: Site,
    /// The calls that lead there, outermost first.
    pub calls: Arc<[Site]>,
    /// In a search, a hash of it and all that the task did before.
    pub deed: u128,
}

impl Shadow {
    /// Adds an access, and gives the earlier ones that it races with: in conflict, and not known to have happened before.
    pub fn record(&mut self, entry: Entry, clock: &Clock) -> Vec<Entry> {
        let key = (entry.task, entry.segment, entry.site, entry.access.clone());
        if !self.seen.insert(key) {
            return Vec::new();
        }
        let entries = self.locations.entry(entry.access.location).or_default();
        let races = entries
            .iter()
            .filter(|earlier| earlier.task != entry.task)
            .filter(|earlier| earlier.access.conflicts(&entry.access))
            .filter(|earlier| !clock.knows(earlier.task, earlier.segment))
            .cloned()
            .collect();
        self.journal.push(entry.access.location);
        entries.push(entry);
        races
    }

    /// A point to come back to.
    pub fn mark(&self) -> usize {
        self.journal.len()
    }

    /// Forgets what came after the point.
    pub fn rewind(&mut self, mark: usize) {
        for location in self.journal.drain(mark..).rev() {
            self.locations.get_mut(&location).and_then(Vec::pop).expect("the journal names each entry");
        }
        self.seen.clear();
    }
}
