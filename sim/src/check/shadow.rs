//! Who accessed what: every access of an execution that a later one could race with.
//!
//! With fork and wait alone, what happens before what does not depend on the schedule, so one complete execution shows
//! every race of its input (Feng and Leiserson, "Efficient detection of determinacy races in Cilk programs", 1997,
//! carried over to futures; the proof stands in ARCHITECTURE.md). No access is forgotten that could still race: unlike
//! a detector for threads, this one is complete for the execution it watched.
//!
//! What can be forgotten is what every later access is bound to know of. A later access is made by a task that lives
//! now or by a descendant that it will fork, and that inherits what it knows; so an access that all living tasks know
//! of races with nothing any more. The same holds at once for whatever the only living task does. This is what keeps
//! the shadow of a program small that joins its forks, however many there are. A search may come back to a mark, so
//! what was there at the last mark stays.

use std::collections::BTreeSet;
use std::sync::Arc;

use forkcheck_scheduler::{Access, Clock, Location, TaskId};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::execution::Site;
use crate::machine::access::ThingId;

/// How many of a task's last accesses to a location are compared with the next one, which may say nothing new.
const RECENT: usize = 32;

/// How many accesses to one location, and to all, are kept before it is asked which can be forgotten.
const FEW: usize = 16;
const MANY: usize = 1024;

/// All accesses so far that a later one could race with.
#[derive(Debug)]
pub struct Shadow {
    locations: FxHashMap<Location, Entries>,
    /// How many entries there are, and how many are kept before the next sweep.
    kept: usize,
    limit: usize,
    /// How many accesses were entered.
    entered: u64,
    /// Tasks that have not ended.
    live: BTreeSet<TaskId>,
    /// What came since the first mark, for going back.
    journal: Option<Vec<Change>>,
    /// How many accesses had been entered at the last mark.
    floor: u64,
}

/// A point to come back to.
#[derive(Debug, Clone, Copy)]
pub struct ShadowMark {
    journal: usize,
    entered: u64,
}

/// One thing that came.
#[derive(Debug)]
enum Change {
    Entered(Location, Side, u64),
    Began(TaskId),
    Ended(TaskId),
}

/// Accesses to one location. Two reads never race, so a read looks at the writes alone.
#[derive(Debug)]
struct Entries {
    reads: Vec<Entry>,
    writes: Vec<Entry>,
    limit: usize,
}

/// Which of the two.
#[derive(Debug, Clone, Copy)]
enum Side {
    Reads,
    Writes,
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
    /// Who the thing is.
    pub thing: ThingId,
    /// Where.
    pub site: Site,
    /// The calls that lead there, outermost first.
    pub calls: Arc<[Site]>,
    /// In a search, a hash of it and all that the task did before.
    pub deed: u128,
    /// Its place among all accesses.
    order: u64,
}

impl Entry {
    /// An access that is being made.
    pub fn new(clock: &Clock, access: Access, thing: ThingId, site: Site, calls: Arc<[Site]>, deed: u128) -> Self {
        Self { task: clock.task(), segment: clock.segment(), access, thing, site, calls, deed, order: 0 }
    }

    /// Whether it says the same.
    fn repeats(&self, other: &Entry) -> bool {
        self.task == other.task
            && self.segment == other.segment
            && self.site == other.site
            && self.access == other.access
    }
}

impl Entries {
    fn new() -> Self {
        Self { reads: Vec::new(), writes: Vec::new(), limit: FEW }
    }

    fn side(&mut self, side: Side) -> &mut Vec<Entry> {
        match side {
            Side::Reads => &mut self.reads,
            Side::Writes => &mut self.writes,
        }
    }

    fn len(&self) -> usize {
        self.reads.len() + self.writes.len()
    }

    /// Leaves what is older than `floor`, and what some living task does not know of, each once.
    fn forget(&mut self, floor: u64, known: &impl Fn(TaskId, u32) -> bool) {
        for entries in [&mut self.reads, &mut self.writes] {
            let mut seen = FxHashSet::default();
            entries.retain(|entry| {
                let repeats = !seen.insert((entry.task, entry.segment, entry.site, entry.access.clone()));
                entry.order < floor || !repeats && !known(entry.task, entry.segment)
            });
        }
        self.limit = FEW.max(2 * self.len());
    }
}

impl Shadow {
    /// No access yet, and main alone.
    pub fn new() -> Self {
        Self {
            locations: FxHashMap::default(),
            kept: 0,
            limit: MANY,
            entered: 0,
            live: BTreeSet::from([TaskId::MAIN]),
            journal: None,
            floor: 0,
        }
    }

    /// A task was forked.
    pub fn begin(&mut self, task: TaskId) {
        self.live.insert(task);
        self.note(Change::Began(task));
    }

    /// A task has ended.
    pub fn end(&mut self, task: TaskId) {
        self.live.remove(&task);
        self.note(Change::Ended(task));
    }

    fn note(&mut self, change: Change) {
        if let Some(journal) = &mut self.journal {
            journal.push(change);
        }
    }

    /// Whether nothing that is accessed now can race, before or after: no task but this one lives, and no access of
    /// another is left.
    pub fn is_quiet(&self) -> bool {
        self.kept == 0 && self.live.len() == 1
    }

    /// How many accesses are kept.
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Adds an access, and gives the earlier ones that it races with: in conflict, and not known to have happened before.
    /// `clock` tells what a living task knows.
    pub fn record<'c>(&mut self, entry: &Entry, clock: impl Fn(TaskId) -> &'c Clock) -> Vec<Entry> {
        let alone = self.live.len() == 1;
        if alone && self.kept == 0 {
            return Vec::new();
        }
        let location = entry.access.location;
        let entries = match self.locations.get_mut(&location) {
            Some(entries) => entries,
            None if alone => return Vec::new(),
            None => self.locations.entry(location).or_insert_with(Entries::new),
        };
        let side = if entry.access.kind.writes() { Side::Writes } else { Side::Reads };
        let recent = entries.side(side).iter().rev().take(RECENT);
        if recent.take_while(|earlier| earlier.task == entry.task).any(|earlier| earlier.repeats(entry)) {
            return Vec::new();
        }
        let mine = clock(entry.task);
        let races = |earlier: &&Entry| {
            earlier.task != entry.task
                && !mine.knows(earlier.task, earlier.segment)
                && earlier.access.conflicts(&entry.access)
        };
        let mut found: Vec<Entry> = entries.writes.iter().filter(races).cloned().collect();
        if let Side::Writes = side {
            found.extend(entries.reads.iter().filter(races).cloned());
            found.sort_by_key(|earlier| earlier.order);
        }
        if alone {
            return found;
        }
        let entry = Entry { order: self.entered, ..entry.clone() };
        self.entered += 1;
        self.kept += 1;
        if let Some(journal) = &mut self.journal {
            journal.push(Change::Entered(location, side, entry.order));
        }
        entries.side(side).push(entry);
        if entries.len() >= entries.limit || self.kept >= self.limit {
            self.forget(location, clock);
        }
        found
    }

    /// Forgets what no later access can race with: at one location, and everywhere if there is much. Both are done
    /// when so much was added as was left the last time, so that an access costs the same however many there are.
    fn forget<'c>(&mut self, location: Location, clock: impl Fn(TaskId) -> &'c Clock) {
        let known = |task, segment| self.live.iter().all(|&live| clock(live).knows(task, segment));
        if self.kept >= self.limit {
            // In any order: what is left does not depend on it.
            self.locations.retain(|_, entries| {
                entries.forget(self.floor, &known);
                entries.len() > 0
            });
            self.kept = self.locations.values().map(Entries::len).sum();
            self.limit = MANY.max(2 * self.kept);
        } else if let Some(entries) = self.locations.get_mut(&location) {
            self.kept -= entries.len();
            entries.forget(self.floor, &known);
            self.kept += entries.len();
        }
    }

    /// A point to come back to.
    pub fn mark(&mut self) -> ShadowMark {
        self.floor = self.entered;
        ShadowMark { journal: self.journal.get_or_insert_default().len(), entered: self.entered }
    }

    /// Forgets what came after the point.
    pub fn rewind(&mut self, mark: ShadowMark) {
        for change in self.journal.iter_mut().flat_map(|journal| journal.drain(mark.journal..)).rev() {
            match change {
                Change::Entered(location, side, order) => {
                    // What was forgotten is gone already.
                    let Some(entries) = self.locations.get_mut(&location) else { continue };
                    if entries.side(side).pop_if(|last| last.order == order).is_some() {
                        self.kept -= 1;
                    }
                }
                Change::Began(task) => {
                    self.live.remove(&task);
                }
                Change::Ended(task) => {
                    self.live.insert(task);
                }
            }
        }
        (self.entered, self.floor) = (mark.entered, mark.entered);
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self::new()
    }
}
