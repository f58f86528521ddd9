//! What is wrong with a program, as plain data.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use forkcheck_scheduler::TaskId;
use rustc_hash::FxHashMap;

use super::nests::Nests;
use crate::execution::Site;
use crate::names::{NAMELESS, fork_order, name_order};

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A fork writes what it was given.
    InputMutation,
    /// A fork writes an attribute, parameter or buffer of a module.
    AttributeMutation,
    /// A fork draws from or seeds the default generator, or changes a flag of the process.
    GlobalState,
    /// A fork prints.
    Output,
    /// A task writes what is its own while a fork uses it.
    ParentMutation,
    /// Two accesses race, and neither belongs to any of the above.
    Race,
    /// Tasks wait for each other.
    Deadlock,
    /// A task raised an error that the caller never sees.
    LostError,
    /// Nobody waited for a fork.
    UnwaitedFork,
    /// A pool of threads that blocks at a wait could hang.
    PoolStarvation,
    /// An operator that we cannot execute.
    OpaqueOperator,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Makes the program impure.
    Error,
    /// Worth knowing.
    Warning,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 11] = [
        Kind::InputMutation,
        Kind::AttributeMutation,
        Kind::GlobalState,
        Kind::Output,
        Kind::ParentMutation,
        Kind::Race,
        Kind::Deadlock,
        Kind::LostError,
        Kind::UnwaitedFork,
        Kind::PoolStarvation,
        Kind::OpaqueOperator,
    ];

    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::InputMutation => "input-mutation",
            Kind::AttributeMutation => "attribute-mutation",
            Kind::GlobalState => "global-state",
            Kind::Output => "output",
            Kind::ParentMutation => "parent-mutation",
            Kind::Race => "race",
            Kind::Deadlock => "deadlock",
            Kind::LostError => "lost-error",
            Kind::UnwaitedFork => "unwaited-fork",
            Kind::PoolStarvation => "pool-starvation",
            Kind::OpaqueOperator => "opaque-operator",
        }
    }

    /// The code that `explain` knows. Never reused for another kind.
    pub fn code(self) -> &'static str {
        match self {
            Kind::InputMutation => "FC0101",
            Kind::AttributeMutation => "FC0102",
            Kind::GlobalState => "FC0103",
            Kind::Output => "FC0104",
            Kind::ParentMutation => "FC0105",
            Kind::Race => "FC0201",
            Kind::Deadlock => "FC0202",
            Kind::LostError => "FC0301",
            Kind::UnwaitedFork => "FC0302",
            Kind::PoolStarvation => "FC0303",
            Kind::OpaqueOperator => "FC0401",
        }
    }

    /// Whether it is about something that is written.
    pub(crate) fn writes(self) -> bool {
        match self {
            Kind::InputMutation | Kind::AttributeMutation | Kind::GlobalState => true,
            Kind::Output | Kind::ParentMutation | Kind::Race => true,
            Kind::Deadlock | Kind::LostError | Kind::UnwaitedFork => false,
            Kind::PoolStarvation | Kind::OpaqueOperator => false,
        }
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        match self {
            Kind::LostError | Kind::UnwaitedFork | Kind::PoolStarvation | Kind::OpaqueOperator => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

/// One thing that is wrong, with everything that a report says about it.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// PyTorch's name of what was executed.
    pub operator: String,
    /// What is written, as a user would write it; several where one node writes several. Of the kinds that write
    /// nothing: the circle of waits, the message of the error, the tasks that nobody waited for, the threads needed.
    pub targets: Vec<String>,
    /// Where: the site, then the calls that lead there, innermost first.
    pub stack: Vec<Site>,
    /// The fork that it belongs to.
    pub fork: Option<ForkSite>,
    /// The task that did it.
    pub task: TaskId,
    /// The access that it races with.
    pub race: Option<RaceSide>,
    /// The waits that it consists of: those of a deadlock, or those that take a pool's threads.
    pub waits: Vec<StuckWait>,
}

/// A loop can write any number of things; so many are kept of a finding.
pub(crate) const TARGETS: usize = 64;

impl Finding {
    /// Takes in what another step, or another schedule, has shown of the same finding.
    fn join(&mut self, mut other: Finding) {
        match self.kind {
            // The same sites can be a circle of other tasks: the fewest, and then the first by name.
            Kind::Deadlock => {
                let waits = |finding: &Finding| finding.waits.iter().map(|wait| wait.task.clone()).collect::<Vec<_>>();
                let (ours, theirs) = (waits(self), waits(&other));
                let names = || theirs.iter().zip(&ours).map(|(a, b)| fork_order(a, b)).find(|order| order.is_ne());
                if theirs.len() < ours.len() || theirs.len() == ours.len() && names() == Some(Ordering::Less) {
                    *self = other;
                }
            }
            Kind::UnwaitedFork => {
                if fork_order(&other.targets[0], &self.targets[0]).is_lt() {
                    std::mem::swap(self, &mut other);
                }
                self.targets.append(&mut other.targets);
                self.targets.sort_by(|a, b| fork_order(a, b));
                self.targets.dedup();
                self.targets.truncate(TARGETS);
            }
            Kind::PoolStarvation => {}
            Kind::LostError => {
                if (&other.targets, other.task) < (&self.targets, self.task) {
                    *self = other;
                }
            }
            _ => {
                self.join_targets(std::mem::take(&mut other.targets));
                self.join_sides(other);
            }
        }
    }

    /// Takes in another task that did it, and what that one raced with. The two sides of a race stay together, and the
    /// smallest stay, whatever the order in which they are met.
    pub(crate) fn join_sides(&mut self, other: Finding) {
        fn rank(finding: &Finding) -> impl Ord {
            (finding.race.is_none(), finding.task, &finding.stack, &finding.race)
        }
        if rank(&other) < rank(self) {
            (self.task, self.stack, self.fork, self.race) = (other.task, other.stack, other.fork, other.race);
        }
    }

    /// Takes in what else is written. One step tells what it writes in the order of its schema; what several steps write is
    /// in an order of its own, so that it does not matter which of them is met first.
    fn join_targets(&mut self, targets: Vec<String>) {
        let known = |target: &String| self.targets.contains(target);
        if targets.iter().all(known) && (targets.len() < self.targets.len() || self.targets <= targets) {
            return;
        }
        if self.targets.iter().all(|target| targets.contains(target)) {
            self.targets = targets;
            return;
        }
        self.targets.extend(targets);
        // It had a name elsewhere.
        self.targets.retain(|target| target != NAMELESS);
        self.targets.sort_by(|a, b| name_order(a, b));
        self.targets.dedup();
        self.targets.truncate(TARGETS);
    }
}

/// Where a task was forked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForkSite {
    /// The task.
    pub task: TaskId,
    /// The site of the fork, then the calls that lead there, innermost first.
    pub stack: Vec<Site>,
}

/// The other side of a race.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RaceSide {
    /// The task.
    pub task: TaskId,
    /// PyTorch's name of what was executed; `return` for the caller's look at the outcome.
    pub operator: String,
    /// Where, innermost first.
    pub stack: Vec<Site>,
    /// Whether it writes.
    pub writes: bool,
}

/// A wait that never ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StuckWait {
    /// The fork path of the task that waits.
    pub task: String,
    /// The fork path of the task that it waits for.
    pub target: String,
    /// Where it waits, innermost first.
    pub stack: Vec<Site>,
    /// Where `target` is forked, innermost first; empty for the caller.
    pub fork: Vec<Site>,
}

/// What makes two findings the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What kind.
    pub kind: Kind,
    /// What is executed.
    pub deed: Deed<Site>,
    /// The user's line: the index of its frame does not matter, the place does.
    pub line: Option<(String, u32)>,
    /// The site of the fork that it belongs to.
    pub fork: Option<Site>,
    /// All sites of a deadlock, ascending; empty for the other kinds, which have one.
    pub circle: Vec<Site>,
}

/// What is executed, as far as it makes a finding another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed<N> {
    /// This node.
    Node(N),
    /// Any node of this operator that the user's line leads to from this column. A module of many layers writes the same in
    /// each, and the compiler copies a library's class for each set of constants: to the user that is one call.
    Called(String, u32),
}

impl<N> Deed<N> {
    /// What a finding of this kind is about: a node, whose operator the user's line leads to from this column.
    pub(crate) fn of(kind: Kind, node: N, operator: impl FnOnce() -> String, column: Option<u32>) -> Self {
        match column {
            Some(column) if kind.writes() => Deed::Called(operator(), column),
            _ => Deed::Node(node),
        }
    }
}

/// All that one write, or one race of it, can add to what was found before. A program comes by it again and again, in
/// loops and under other schedules, and the second time there is no news.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Told {
    /// What kind.
    pub kind: Kind,
    /// The node that writes.
    pub site: Site,
    /// The calls that lead there, outermost first.
    pub calls: Arc<[Site]>,
    /// The site of the fork that it belongs to.
    pub fork: Option<Site>,
    /// What is written.
    pub target: Arc<str>,
    /// Who it races with, where, and the calls that lead there.
    pub race: Option<(TaskId, Site, Arc<[Site]>)>,
}

/// Everything found so far, over all schedules.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    found: BTreeMap<Key, Finding>,
    /// The first task of those of whom it was told; only asked.
    told: FxHashMap<Told, TaskId>,
    /// The forks seen: each site with the first task that was forked there, and whether any task of it was impure.
    forks: BTreeMap<Site, Fork>,
    /// The fork and wait structures in which forked tasks wait.
    pub(crate) nests: Nests,
}

/// A fork of the program.
#[derive(Debug, Clone)]
pub struct Fork {
    /// The first task that was forked here.
    pub task: TaskId,
    /// Where, innermost first.
    pub stack: Vec<Site>,
    /// Whether every task forked here leaves alone what is not its own.
    pub pure: bool,
}

impl Findings {
    /// Adds a finding, or what it says beyond the known one.
    pub fn add(&mut self, key: Key, finding: Finding) {
        match self.found.entry(key) {
            Entry::Vacant(place) => {
                place.insert(finding);
            }
            Entry::Occupied(mut known) => known.get_mut().join(finding),
        }
    }

    /// Whether this was not told before, or only of tasks with greater numbers: a finding names the first task that it is
    /// about, whoever is met first. From now on it was told.
    pub fn is_news(&mut self, told: Told, task: TaskId) -> bool {
        let first = self.told.entry(told).or_insert(TaskId::new(u32::MAX));
        let news = task < *first;
        *first = task.min(*first);
        news
    }

    /// Everything found so far. What stays knows the forks, for a search may have passed them before the place that it
    /// goes back to.
    pub fn take(&mut self) -> Findings {
        let forks = self.forks.iter().map(|(&site, fork)| (site, Fork { pure: true, ..fork.clone() })).collect();
        std::mem::replace(self, Findings { forks, ..Findings::default() })
    }

    /// Adds what others have found, who number the tasks differently: `translate` gives our numbers.
    pub fn absorb(&mut self, others: Findings, translate: impl Fn(TaskId) -> TaskId) {
        for (key, mut finding) in others.found {
            finding.task = translate(finding.task);
            finding.fork.iter_mut().for_each(|fork| fork.task = translate(fork.task));
            finding.race.iter_mut().for_each(|race| race.task = translate(race.task));
            self.add(key, finding);
        }
        for (site, mut fork) in others.forks {
            fork.task = translate(fork.task);
            let known = self.forks.entry(site).or_insert_with(|| fork.clone());
            known.pure &= fork.pure;
        }
        self.nests.absorb(others.nests, translate);
    }

    /// Everything found, in a fixed order: of each kind as it stands in the code.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        let mut found: Vec<&Finding> = self.found.values().collect();
        found.sort_by_key(|finding| (finding.kind, finding.stack.first().copied()));
        found.into_iter()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether the fork at `site` was seen before.
    pub fn has_fork(&self, site: Site) -> bool {
        self.forks.contains_key(&site)
    }

    /// Notes a fork, by the first task that was forked there; the innermost site is the fork's.
    pub fn add_fork(&mut self, task: TaskId, stack: Vec<Site>) {
        self.forks.insert(stack[0], Fork { task, stack, pure: true });
    }

    /// Notes that a fork was impure.
    pub fn impure(&mut self, site: Site) {
        if let Some(fork) = self.forks.get_mut(&site) {
            fork.pure = false;
        }
    }

    /// The forks seen, in the order of their sites.
    pub fn forks(&self) -> impl Iterator<Item = &Fork> {
        self.forks.values()
    }
}
