//! Who touches what, and which forks may be running meanwhile.
//!
//! The last pass goes through the program once, in its own order, on a clock of its own. For each fork it is noted from when
//! to when it may be running while the task above it goes on. A wait ends a fork if it is surely for the last task that was
//! forked there; a loop over a list of futures ends all that was counted in it.

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::forks::{ForkId, Forks};
use super::heap::{LocationId, Origin};
use super::region::Region;
use crate::operators::Access;

/// A node that touches something, in one calling context.
#[derive(Debug, Clone)]
pub(super) struct Touch {
    /// The calling context.
    pub(super) instance: u32,
    /// The node.
    pub(super) node: u32,
    /// The fork whose task it is.
    pub(super) fork: ForkId,
    /// What is touched.
    pub(super) location: LocationId,
    /// Which attribute, of an object.
    pub(super) cell: u32,
    /// Which part, of the elements of a tensor.
    pub(super) region: Option<Region>,
    /// How.
    pub(super) access: Access,
    /// Whether every task of the fork does.
    pub(super) certain: bool,
    /// When.
    pub(super) times: SmallVec<[u64; 1]>,
}

type TouchKey = (u32, u32, LocationId, u32, Option<Region>, bool);

/// The accesses, and the forks that may be running.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    time: u64,
    /// The fork whose task is being looked at.
    owner: ForkId,
    running: Running,
    waited: Vec<Waited>,
    /// While the task of the first goes on, the second may be running from then to then.
    spells: FxHashMap<(ForkId, ForkId), Vec<(u64, u64)>>,
    pub(super) touches: Vec<Touch>,
    known: FxHashMap<TouchKey, usize>,
    /// When a future was last put into a list, by where that comes from; [`OPEN`] if a task writes it whose own it is not, which may
    /// do so at any time.
    put: FxHashMap<Origin, u64>,
    /// When a length was last taken, by calling context and node.
    measured: FxHashMap<(u32, u32), u64>,
    /// Where several lists that are there at once may come from. Only asked.
    remade: FxHashSet<Origin>,
    /// Nodes that nobody knows, with their contexts.
    pub(super) opaque: Vec<(u32, u32, ForkId)>,
}

/// The forks that may be running, ascending.
pub(super) type Running = Vec<(ForkId, Hold)>;

/// Where the futures of the running tasks of a fork are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    /// Whether the last one is in a variable alone.
    last: bool,
    /// Where those before it are.
    rest: Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// There are none.
    Nowhere,
    /// All are in this list.
    In(LocationId),
    /// Nobody knows.
    Lost,
}

impl Hold {
    const LOST: Hold = Hold { last: false, rest: Held::Lost };
}

/// A fork whose task was waited for, and within which fork's tasks its future has stayed until then.
pub(super) type Waited = (ForkId, ForkId);

/// What goes on above, kept while a fork's body is looked at.
#[derive(Debug)]
pub(super) struct Outer {
    owner: ForkId,
    running: Running,
    waited: Vec<Waited>,
}

/// An end that has not come.
const OPEN: u64 = u64::MAX;

impl Recorder {
    /// The next moment.
    pub(super) fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// The forks that may be running now.
    pub(super) fn running(&self) -> &Running {
        &self.running
    }

    /// Notes an access, now.
    pub(super) fn touch(&mut self, touch: Touch) {
        let time = self.tick();
        let Touch { instance, node, location, cell, ref region, access, .. } = touch;
        let key = (instance, node, location, cell, region.clone(), access.writes());
        let index = *self.known.entry(key).or_insert_with(|| {
            self.touches.push(touch);
            self.touches.len() - 1
        });
        self.touches[index].times.push(time);
    }

    /// Begins with the body of a fork.
    pub(super) fn enter(&mut self, fork: ForkId) -> Outer {
        let outer = Outer {
            owner: self.owner,
            running: std::mem::take(&mut self.running),
            waited: std::mem::take(&mut self.waited),
        };
        self.owner = fork;
        outer
    }

    /// Goes on above: the forks that may still be running, and those that were surely waited for.
    pub(super) fn leave(&mut self, outer: Outer) -> (Vec<ForkId>, Vec<Waited>) {
        let end = self.tick();
        let left: Vec<ForkId> = self.running.iter().map(|row| row.0).collect();
        left.iter().for_each(|&fork| self.close(fork, end));
        self.running = outer.running;
        self.owner = outer.owner;
        (left, std::mem::replace(&mut self.waited, outer.waited))
    }

    /// A task is forked, and whatever it forks may begin.
    pub(super) fn start(&mut self, fork: ForkId, forks: &Forks) {
        for begun in forks.subtree(fork) {
            let now = match self.find(begun) {
                Err(at) => {
                    self.running.insert(at, (begun, Hold { last: begun == fork, rest: Held::Nowhere }));
                    self.open(begun);
                    continue;
                }
                Ok(at) => &mut self.running[at].1,
            };
            *now = match *now {
                Hold { last: false, rest: rest @ Held::In(_) } => Hold { last: true, rest },
                _ => Hold::LOST,
            };
        }
    }

    /// Tasks of these forks may have been forked, nobody knows how many, and anything may have been done to lists.
    pub(super) fn start_lost(&mut self, some: &[ForkId], forks: &Forks) {
        some.iter().for_each(|&fork| self.start(fork, forks));
        for (fork, hold) in &mut self.running {
            if matches!(hold.rest, Held::In(_)) || some.contains(fork) {
                *hold = Hold::LOST;
            }
        }
    }

    /// A future is waited for, which has stayed within the tasks of `scope`: that of the last task that was forked there, or of some.
    /// Whether this task surely comes here is `certain`; what it has forked itself is known to be running, or not, on each way.
    pub(super) fn wait(&mut self, (fork, scope): Waited, last: bool, certain: bool, forks: &Forks) {
        let below = forks.is_within(fork, self.owner);
        if !below {
            if certain && !forks.get(fork).many {
                self.waited.push((fork, scope));
            }
            return;
        }
        if !self.is_own(scope, forks) {
            return;
        }
        let mut ended = is_one(fork, self.owner, forks);
        if let Ok(at) = self.find(fork) {
            let hold = &mut self.running[at].1;
            match *hold {
                Hold { last: true, rest: Held::Nowhere } => ended |= last,
                Hold { last: true, rest: rest @ Held::In(_) } if last => *hold = Hold { last: false, rest },
                _ => {}
            }
        }
        if ended {
            self.end(fork, forks);
        }
    }

    fn end(&mut self, fork: ForkId, forks: &Forks) {
        let now = self.tick();
        for ended in forks.subtree(fork) {
            if ended == fork || !forks.get(fork).left.contains(&ended) {
                self.stop(ended, now);
            }
        }
        for &(waited, scope) in &forks.get(fork).waited {
            if forks.is_within(waited, self.owner) && is_one(waited, self.owner, forks) && self.is_own(scope, forks) {
                self.stop(waited, now);
            }
        }
    }

    /// Whether a future that has stayed within the tasks of `scope` is of a task that this one has forked, or one below it. If it
    /// has been outside, it may have come from another task of the same fork.
    fn is_own(&self, scope: ForkId, forks: &Forks) -> bool {
        forks.is_within(scope, self.owner)
    }

    fn stop(&mut self, fork: ForkId, now: u64) {
        if let Ok(at) = self.find(fork) {
            self.running.remove(at);
            self.close(fork, now);
        }
    }

    /// A future is put into a list.
    pub(super) fn hold(&mut self, (fork, scope): Waited, list: LocationId, origin: &Origin, forks: &Forks) {
        let now = self.tick();
        self.note_put(origin, now);
        if let Some(at) = self.find(fork).ok().filter(|_| self.is_own(scope, forks)) {
            let hold = &mut self.running[at].1;
            *hold = match *hold {
                Hold { last: true, rest } if rest == Held::Nowhere || rest == Held::In(list) => {
                    Hold { last: false, rest: Held::In(list) }
                }
                _ => Hold::LOST,
            };
        }
    }

    /// A list is written that belongs to the tasks of `scope`.
    pub(super) fn write_list(&mut self, origin: &Origin, scope: ForkId) {
        if scope != self.owner {
            self.note_put(origin, OPEN);
        }
    }

    fn note_put(&mut self, origin: &Origin, time: u64) {
        let last = self.put.entry(origin.clone()).or_default();
        *last = time.max(*last);
    }

    /// A list is made: futures in the one that was made there before are lost. Whether there may be several at once is `remade`.
    pub(super) fn renew(&mut self, list: LocationId, origin: &Origin, remade: bool) {
        self.lose(list);
        if remade {
            self.remade.insert(origin.clone());
        }
    }

    /// Whether several lists may come from there.
    pub(super) fn is_remade(&self, origin: &Origin) -> bool {
        self.remade.contains(origin)
    }

    /// Something may be taken out of a list.
    pub(super) fn lose(&mut self, list: LocationId) {
        for (_, hold) in &mut self.running {
            if hold.rest == Held::In(list) {
                *hold = Hold::LOST;
            }
        }
    }

    /// A node takes the length of a list.
    pub(super) fn measure(&mut self, instance: u32, node: u32) {
        let now = self.tick();
        self.measured.insert((instance, node), now);
    }

    /// As many futures in a list were waited for, from the first, as a node found in it. These are all that were put into it, unless
    /// more were since, or other tasks write it: they may take some out, or write over them.
    pub(super) fn join_list(&mut self, list: LocationId, origin: &Origin, measured: (u32, u32), forks: &Forks) {
        if self.put.get(origin) > self.measured.get(&measured) {
            return;
        }
        let all = Hold { last: false, rest: Held::In(list) };
        let joined: Vec<ForkId> = self.running.iter().filter(|row| row.1 == all).map(|row| row.0).collect();
        joined.into_iter().for_each(|fork| self.end(fork, forks));
    }

    /// Goes on where these were running.
    pub(super) fn resume(&mut self, running: Running) {
        let now = self.tick();
        let ended: Vec<_> = self.running.iter().map(|row| row.0).filter(|fork| !contains(&running, *fork)).collect();
        let begun: Vec<_> = running.iter().map(|row| row.0).filter(|fork| self.find(*fork).is_err()).collect();
        ended.into_iter().for_each(|fork| self.close(fork, now));
        self.running = running;
        begun.into_iter().for_each(|fork| self.open(fork));
    }

    /// Goes on after one of several ways.
    pub(super) fn merge(&mut self, ways: Vec<Running>) {
        let mut all = Running::new();
        for (fork, hold) in ways.into_iter().flatten() {
            match all.binary_search_by_key(&fork, |row| row.0) {
                Err(at) => all.insert(at, (fork, hold)),
                Ok(at) if all[at].1 != hold => all[at].1 = Hold::LOST,
                Ok(_) => {}
            }
        }
        self.resume(all);
    }

    /// Whether `fork` may be running while a task of `owner` is at one of these moments.
    pub(super) fn is_running(&self, owner: ForkId, fork: ForkId, times: &[u64]) -> bool {
        self.spells(owner, fork).iter().any(|(from, to)| times.iter().any(|time| from <= time && time < to))
    }

    /// From when to when `fork` may be running while a task of `owner` goes on.
    pub(super) fn spells(&self, owner: ForkId, fork: ForkId) -> &[(u64, u64)] {
        self.spells.get(&(owner, fork)).map_or(&[], Vec::as_slice)
    }

    /// Whether tasks of the two forks may run at the same time.
    pub(super) fn are_parallel(&self, a: ForkId, b: ForkId, forks: &Forks) -> bool {
        let common = forks.common(a, b);
        if common == a || common == b {
            // One is above the other: that depends on the moment. Two tasks of one fork: whether it is running when it is forked.
            let outer = forks.get(a).parent.unwrap_or(ForkId::MAIN);
            return a == b && a != ForkId::MAIN && self.is_running(outer, a, &forks.get(a).times);
        }
        let (towards_a, towards_b) = (forks.child_towards(a, common), forks.child_towards(b, common));
        self.is_running(common, a, &forks.get(towards_b).times)
            || self.is_running(common, b, &forks.get(towards_a).times)
    }

    fn find(&self, fork: ForkId) -> Result<usize, usize> {
        self.running.binary_search_by_key(&fork, |row| row.0)
    }

    fn open(&mut self, fork: ForkId) {
        // A fork does not run beside itself yet when it is forked.
        let time = self.time + 1;
        self.spells.entry((self.owner, fork)).or_default().push((time, OPEN));
    }

    fn close(&mut self, fork: ForkId, now: u64) {
        let spell = self.spells.get_mut(&(self.owner, fork)).and_then(|spells| spells.last_mut());
        spell.expect("what is running has begun").1 = now;
    }
}

/// Whether a task of `owner` has exactly one task of `fork` below it.
pub(super) fn is_one(mut fork: ForkId, owner: ForkId, forks: &Forks) -> bool {
    while fork != owner {
        if forks.get(fork).many {
            return false;
        }
        fork = forks.get(fork).parent.expect("it is below");
    }
    true
}

fn contains(running: &Running, fork: ForkId) -> bool {
    running.binary_search_by_key(&fork, |row| row.0).is_ok()
}
