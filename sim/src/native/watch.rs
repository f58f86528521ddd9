//! Watching an execution: which accesses race, what each fork writes that is not its own, and what a user calls it.
//!
//! The first execution is watched, and so is every other one that does something no watched one did. Which accesses race
//! does not depend on the schedule as long as all tasks do the same, so that is all there is to see.

use std::collections::BTreeMap;
use std::panic::Location as Caller;
use std::sync::Arc;

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::{TaskId, Tasks};
use rustc_hash::FxHashSet;

use super::state::{Made, NewlyHot, State, Status, Touched};
use crate::check::blame::{Blame, is_effect};
use crate::check::joins;
use crate::check::scene::{Place, Scene, Standing};
use crate::check::{Entry, Findings, Races, Shadow};
use crate::execution::Site;
use crate::machine::access::ThingId;
use crate::names::{NameKey, Named};

/// What a watch has seen of one execution.
#[derive(Debug, Default)]
pub(super) struct Watch {
    shadow: Shadow,
    pub(super) findings: Findings,
    pub(super) newly_hot: NewlyHot,
    /// What things are called: what was passed in from outside, then the attributes of modules.
    named: BTreeMap<NameKey, Named>,
    /// What each task calls what it was given.
    given: BTreeMap<(TaskId, NameKey), Named>,
    /// Where things were made.
    made: Made,
}

impl Watch {
    /// A task was forked at a site.
    pub(super) fn forked(&mut self, child: TaskId, site: Site) {
        self.shadow.begin(child);
        if !self.findings.has_fork(site) {
            self.findings.add_fork(child, vec![site]);
        }
    }

    /// A task has ended.
    pub(super) fn ended(&mut self, task: TaskId) {
        self.shadow.end(task);
    }

    /// Something was made there.
    pub(super) fn made(&mut self, slot: SlotId, what: &'static str, at: &'static Caller<'static>) {
        // An operator in place gives what was made before.
        self.made.entry(slot).or_insert((what, at));
    }

    /// `task` calls something so; the first name stays. What main was given, and attributes, are called so by everybody.
    pub(super) fn name(&mut self, task: TaskId, key: NameKey, path: Arc<str>, attribute: bool) {
        let named = Named { path, attribute };
        if attribute || task == TaskId::MAIN {
            self.named.entry(key).or_insert(named).attribute |= attribute;
        } else {
            self.given.entry((task, key)).or_insert(named);
        }
    }

    /// Records what the task that runs now touches.
    pub(super) fn observe(&mut self, state: &State, site: Site, touches: &[Touched]) {
        let id = state.current;
        if id == TaskId::MAIN && self.shadow.is_quiet() {
            return;
        }
        // No calls lead to a place that we know of.
        let calls: Arc<[Site]> = Arc::default();
        let clock = |task: TaskId| &state.tasks[task.index()].clock;
        let mut pairs = Vec::new();
        for touched in touches {
            let entry = Entry::new(clock(id), touched.access.clone(), site, calls.clone(), 0);
            let Some(Races { now, earlier }) = self.shadow.record(entry, clock) else { continue };
            if !state.hot().contains(&now.access.location) {
                self.newly_hot.insert(now.access.location);
            }
            pairs.extend(earlier.into_iter().map(|earlier| (touched.thing, now.clone(), earlier)));
        }
        let effects = touches.iter().filter(|touched| touched.access.kind.writes());
        let mut effects = effects.filter(|touched| is_effect(&state.names, id, touched.thing.key.0)).peekable();
        if pairs.is_empty() && effects.peek().is_none() {
            return;
        }
        let mut findings = std::mem::take(&mut self.findings);
        let scene = Scenery { state, watch: self };
        let mut blame = Blame::new(&scene, &mut findings);
        effects.for_each(|touched| blame.effect(id, site, &calls, touched.thing));
        pairs.iter().for_each(|(thing, now, earlier)| blame.race(*thing, now, earlier));
        blame.join();
        self.findings = findings;
    }

    /// A task has just begun to wait.
    pub(super) fn find_deadlock(&mut self, state: &State, task: TaskId) {
        self.judge(state, |scene, findings| joins::find_deadlock(scene, task, findings));
    }

    /// The execution is over; `held` are the tasks whose futures the caller can still reach.
    pub(super) fn conclude(&mut self, state: &State, held: &FxHashSet<TaskId>) {
        self.judge(state, |scene, findings| joins::conclude(scene, &state.joined, held, findings));
    }

    fn judge(&mut self, state: &State, work: impl FnOnce(&Scenery<'_>, &mut Findings)) {
        let mut findings = std::mem::take(&mut self.findings);
        work(&Scenery { state, watch: self }, &mut findings);
        self.findings = findings;
    }
}

/// An execution as it is seen by those who blame.
struct Scenery<'a> {
    state: &'a State,
    watch: &'a Watch,
}

impl Scene for Scenery<'_> {
    fn names(&self) -> &Tasks {
        &self.state.names
    }

    fn tasks(&self) -> impl Iterator<Item = TaskId> {
        let mut tasks = self.state.made.clone();
        tasks.sort_unstable();
        tasks.into_iter()
    }

    fn standing(&self, task: TaskId) -> Standing<'_> {
        let found = &self.state.tasks[task.index()];
        match found.status {
            Status::Waiting(target) => {
                Standing::Waiting(target, self.state.waiting_at(task).expect("it waits somewhere"))
            }
            Status::Ended => Standing::Ended(found.error.as_deref()),
            Status::Going | Status::Parked => Standing::Going,
        }
    }

    fn fork(&self, task: TaskId) -> Option<&Place> {
        self.state.tasks[task.index()].fork.as_ref()
    }

    fn operator(&self, site: Site) -> String {
        self.state.shared().sites.operator(site).to_string()
    }

    fn place(&self, stack: &[Site]) -> Option<(String, u32, u32)> {
        self.state.shared().sites.place(stack[0])
    }

    fn named(&self, thing: ThingId, writer: TaskId) -> Named {
        let (slot, _) = thing.key;
        let plain = |path: String, attribute| Named { path: path.into(), attribute };
        if slot == SlotId::GENERATOR {
            return plain("global RNG".into(), false);
        }
        if let Some(named) = self.watch.named.get(&thing.key) {
            return named.clone();
        }
        let owner = TaskId::new(slot.owner());
        let names = &self.state.names;
        let own = slot.owner() != u32::MAX && names.is_ancestor_or_self(writer, owner);
        let mut giver = Some(writer).filter(|_| !own);
        while let Some(task) = giver {
            if let Some(named) = self.watch.given.get(&(task, thing.key)) {
                return named.clone();
            }
            giver = names.parent(task);
        }
        let Some(&(what, at)) = self.watch.made.get(&slot) else { return plain("something".into(), false) };
        let place = format!("{}:{}", at.file(), at.line());
        // The report may find a variable there; nobody reads sources before there is a report.
        match own {
            _ if slot.owner() == u32::MAX => plain(format!("global made at {place}"), false),
            true => plain(format!("{what} made at {place}"), false),
            false => plain(format!("captured {what} made at {place}"), what == "attribute"),
        }
    }
}
