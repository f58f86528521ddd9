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

/// How many of a task's last accesses to a location are compared with the next one, which may say nothing new.
const RECENT: usize = 32;

/// How many accesses to one location, and to all, are kept before it is asked which can be forgotten.
const FEW: u32 = 16;
const MANY: usize = 1024;

/// For how many accesses there is room from the beginning: about what a small network makes. Growing to that step by step
/// would cost as much as a tenth of what they cost.
const ROOM: usize = 256;

/// All accesses so far that a later one could race with.
#[derive(Debug)]
pub struct Shadow {
    /// Accesses in the order in which they came. Those that were forgotten stay until the next sweep.
    entries: Vec<Kept>,
    locations: FxHashMap<Location, Chains>,
    /// How many entries are not forgotten.
    kept: usize,
    /// How many entries there may be before the next sweep.
    limit: usize,
    /// Tasks that have not ended.
    live: BTreeSet<TaskId>,
    /// Who began and ended since the first mark, for going back.
    journal: Option<Vec<Change>>,
    /// How many entries there were at the last mark: these are not forgotten.
    floor: usize,
}

/// A point to come back to.
#[derive(Debug, Clone, Copy)]
pub struct ShadowMark {
    journal: usize,
    entries: usize,
}

/// What became of a task.
#[derive(Debug)]
enum Change {
    Began(TaskId),
    Ended(TaskId),
}

/// The accesses to one location that are kept, as two chains from the latest one back. Two reads never race, so a read
/// looks at the writes alone.
#[derive(Debug, Clone, Copy)]
struct Chains {
    reads: u32,
    writes: u32,
    len: u32,
    limit: u32,
}

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// An access in its chain.
#[derive(Debug)]
struct Kept {
    entry: Entry,
    /// The one before it in its chain.
    before: u32,
    forgotten: bool,
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
    /// Where.
    pub site: Site,
    /// The calls that lead there, outermost first.
    pub calls: Arc<[Site]>,
    /// In a search, a hash of it and all that the task did before.
    pub deed: u128,
}

/// An access and the earlier ones that it races with, in the order in which they came.
#[derive(Debug)]
pub struct Races {
    /// The access that was made just now.
    pub now: Entry,
    /// The others.
    pub earlier: Vec<Entry>,
}

impl Entry {
    /// An access that is being made.
    pub fn new(clock: &Clock, access: Access, site: Site, calls: Arc<[Site]>, deed: u128) -> Self {
        Self { task: clock.task(), segment: clock.segment(), access, site, calls, deed }
    }

    /// Whether it says the same.
    fn repeats(&self, other: &Entry) -> bool {
        self.said() == other.said()
    }

    /// What it says.
    fn said(&self) -> (TaskId, u32, Site, &Access) {
        (self.task, self.segment, self.site, &self.access)
    }
}

impl Chains {
    const EMPTY: Chains = Chains { reads: NONE, writes: NONE, len: 0, limit: FEW };

    /// The latest of those that write, or of the others.
    fn latest(&mut self, writes: bool) -> &mut u32 {
        if writes { &mut self.writes } else { &mut self.reads }
    }

    /// Makes the entry at this place the latest of its chain.
    fn link(&mut self, entries: &mut [Kept], place: usize) {
        let number = u32::try_from(place).ok().filter(|&number| number != NONE);
        let Kept { entry, before, .. } = &mut entries[place];
        let latest = self.latest(entry.access.kind.writes());
        *before = std::mem::replace(latest, number.expect("fewer than 2^32 accesses are kept"));
        self.len += 1;
    }
}

/// The entry at this place and those before it in its chain, each with its place.
fn chain(entries: &[Kept], mut at: u32) -> impl Iterator<Item = (usize, &Entry)> {
    std::iter::from_fn(move || {
        let place = at as usize;
        let kept = entries.get(place)?;
        at = kept.before;
        Some((place, &kept.entry))
    })
}

/// Those in the chains that an access races with.
fn races(entries: &[Kept], chains: Chains, now: &Entry, mine: &Clock) -> Option<Races> {
    let races = |earlier: &Entry| {
        earlier.task != now.task && !mine.knows(earlier.task, earlier.segment) && earlier.access.conflicts(&now.access)
    };
    let reads = if now.access.kind.writes() { chains.reads } else { NONE };
    let others = chain(entries, chains.writes).chain(chain(entries, reads));
    let mut found = others.filter(|(_, earlier)| races(earlier)).peekable();
    found.peek()?;
    let mut found: Vec<(usize, &Entry)> = found.collect();
    found.sort_by_key(|&(place, _)| place);
    Some(Races { now: now.clone(), earlier: found.into_iter().map(|(_, earlier)| earlier.clone()).collect() })
}

impl Shadow {
    /// No access yet, and main alone.
    pub fn new() -> Self {
        Self {
            entries: Vec::with_capacity(ROOM),
            locations: FxHashMap::with_capacity_and_hasher(ROOM / 4, Default::default()),
            kept: 0,
            limit: MANY,
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

    /// Adds an access, and gives the earlier ones that it races with, if there are any: in conflict, and not known to
    /// have happened before. `clock` tells what a living task knows.
    pub fn record<'c>(&mut self, entry: Entry, clock: impl Fn(TaskId) -> &'c Clock) -> Option<Races> {
        let alone = self.live.len() == 1;
        let location = entry.access.location;
        let chains = match alone {
            true => self.locations.get_mut(&location)?,
            false => self.locations.entry(location).or_insert(Chains::EMPTY),
        };
        let recent = chain(&self.entries, *chains.latest(entry.access.kind.writes())).take(RECENT);
        if recent.take_while(|(_, earlier)| earlier.task == entry.task).any(|(_, earlier)| earlier.repeats(&entry)) {
            return None;
        }
        let races = races(&self.entries, *chains, &entry, clock(entry.task));
        if !alone {
            self.entries.push(Kept { entry, before: NONE, forgotten: false });
            self.kept += 1;
            let last = self.entries.len() - 1;
            chains.link(&mut self.entries, last);
            if chains.len >= chains.limit || self.entries.len() >= self.limit {
                self.forget(location, clock);
            }
        }
        races
    }

    /// Forgets what no later access can race with: at one location, and everywhere if there is much. Both are done
    /// when so much was added as was left the last time, so that an access costs the same however many there are.
    fn forget<'c>(&mut self, location: Location, clock: impl Fn(TaskId) -> &'c Clock) {
        let chains = self.locations[&location];
        if self.entries.len() >= self.limit {
            let all = 0..self.entries.len();
            self.forget_among(all.filter(|&place| !self.entries[place].forgotten).collect(), clock);
            // What was there at the last mark keeps its place.
            let mut places = 0..;
            self.entries.retain(|kept| places.next() < Some(self.floor) || !kept.forgotten);
            self.limit = MANY.max(2 * self.entries.len());
            self.locations.clear();
            for place in 0..self.entries.len() {
                let Kept { entry, forgotten: false, .. } = &self.entries[place] else { continue };
                let chains = self.locations.entry(entry.access.location).or_insert(Chains::EMPTY);
                chains.link(&mut self.entries, place);
            }
            self.locations.values_mut().for_each(|chains| chains.limit = FEW.max(2 * chains.len));
        } else if chains.len >= chains.limit {
            let both = chain(&self.entries, chains.reads).chain(chain(&self.entries, chains.writes));
            let mut places: Vec<usize> = both.map(|(place, _)| place).collect();
            places.sort_unstable();
            let mut chains = Chains::EMPTY;
            for place in self.forget_among(places, clock) {
                chains.link(&mut self.entries, place);
            }
            chains.limit = FEW.max(2 * chains.len);
            self.locations.insert(location, chains);
        }
    }

    /// Forgets those of these places, the oldest first, that no later access can race with or that say nothing new, and
    /// gives the others.
    fn forget_among<'c>(&mut self, places: Vec<usize>, clock: impl Fn(TaskId) -> &'c Clock) -> Vec<usize> {
        let known = |entry: &Entry| self.live.iter().all(|&live| clock(live).knows(entry.task, entry.segment));
        // Those that have ended will say no more, so they need not be asked whether they said it before.
        let mut said = FxHashSet::default();
        let stays = |&place: &usize| {
            let entry = &self.entries[place].entry;
            place < self.floor || !known(entry) && (!self.live.contains(&entry.task) || said.insert(entry.said()))
        };
        let (left, others): (Vec<usize>, Vec<usize>) = places.into_iter().partition(stays);
        self.kept -= others.len();
        others.into_iter().for_each(|place| self.entries[place].forgotten = true);
        left
    }

    /// A point to come back to.
    pub fn mark(&mut self) -> ShadowMark {
        self.floor = self.entries.len();
        ShadowMark { journal: self.journal.get_or_insert_default().len(), entries: self.entries.len() }
    }

    /// Forgets what came after the point.
    pub fn rewind(&mut self, mark: ShadowMark) {
        while self.entries.len() > mark.entries {
            let Some(Kept { entry, before, forgotten: false }) = self.entries.pop() else { continue };
            self.kept -= 1;
            let chains = self.locations.get_mut(&entry.access.location).expect("an entry is in a chain");
            chains.len -= 1;
            *chains.latest(entry.access.kind.writes()) = before;
        }
        self.floor = mark.entries;
        for change in self.journal.iter_mut().flat_map(|journal| journal.drain(mark.journal..)).rev() {
            match change {
                Change::Began(task) => self.live.remove(&task),
                Change::Ended(task) => self.live.insert(task),
            };
        }
    }
}

impl Default for Shadow {
    fn default() -> Self {
        Self::new()
    }
}
