//! Turning what a step touches into findings.
//!
//! The rules are those of the README: a fork may write only what it, or a task that it forked, has made; and nobody may
//! write what a fork is using. A finding belongs to the fork of the task that executes the write.

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::TaskId;

use super::Machine;
use super::access::{ThingId, Touch, Touches};
use crate::check::finding::TARGETS;
use crate::check::{Entry, Finding, ForkSite, Key, Kind, RaceSide, Races, Told};
use crate::execution::Site;
use crate::names::Named;

/// Findings of one step, before they are joined with what is known: several targets of one write are one finding.
type Fresh = Vec<(Key, Finding, Vec<String>)>;

impl Machine {
    /// Records the accesses of a step, and what is wrong with them.
    pub(super) fn observe(&mut self, id: TaskId, site: Site, touches: &Touches) {
        if id == TaskId::MAIN && self.shadow.is_quiet() {
            return;
        }
        let mut fresh = Fresh::new();
        for touch in touches {
            if touch.access.writes() && self.is_effect(id, touch.thing.slot()) {
                self.effect(id, site, touch, &mut fresh);
            }
        }
        for (i, touch) in touches.iter().enumerate() {
            let task = self.task(id);
            let deed = task.deeds.wrapping_add(i as u128);
            let entry = Entry::new(&task.clock, touch.to_access(), site, task.calls.clone(), deed);
            let tasks = &self.tasks;
            let clock = |id: TaskId| &tasks[id.index()].as_ref().expect("a task that lives").clock;
            let Some(Races { now, earlier }) = self.shadow.record(entry, clock) else { continue };
            let location = now.access.location;
            if !self.hot.contains(&location) {
                self.newly_hot.insert(location);
            }
            for earlier in earlier {
                // A search brings the same two together again and again.
                if self.undo.is_none() || self.told.insert((earlier.deed, now.deed)) {
                    self.race(touch.thing.identity(), &now, &earlier, &mut fresh);
                }
            }
        }
        self.join(fresh);
    }

    /// Whether a write by the task is an effect: of something that neither it nor a task that it forked has made.
    fn is_effect(&self, id: TaskId, slot: SlotId) -> bool {
        id != TaskId::MAIN && !self.owns(id, slot)
    }

    fn owns(&self, id: TaskId, slot: SlotId) -> bool {
        slot.owner() != u32::MAX && self.names.is_ancestor_or_self(id, TaskId::new(slot.owner()))
    }

    fn effect(&mut self, id: TaskId, site: Site, touch: &Touch, fresh: &mut Fresh) {
        let (thing, task) = (touch.thing.identity(), self.task(id));
        let (calls, fork) = (task.calls.clone(), self.fork_of(id));
        let named = self.name(thing, id);
        let kind = effect_kind(thing, &named);
        if self.findings.is_news(Told { kind, site, calls, fork, target: named.path.clone(), race: None }) {
            let stack = self.stack(id, site);
            let fork = self.fork_site(id);
            let key = self.key(kind, &stack, fork.as_ref());
            add(fresh, key, &named.path, || self.finding(kind, stack, id, fork));
        }
        // Each fork on the way to the one that owns it is impure too.
        let mut ancestor = Some(id);
        while let Some(id) = ancestor.filter(|&id| self.is_effect(id, thing.key.0)) {
            if let Some(site) = self.fork_of(id) {
                self.findings.impure(site);
            }
            ancestor = self.names.parent(id);
        }
    }

    /// Two accesses of a thing that race: fills in the effects they belong to, or the parent's writing while a fork uses it.
    fn race(&mut self, thing: ThingId, now: &Entry, earlier: &Entry, fresh: &mut Fresh) {
        let mut attributed = false;
        for (writer, other) in [(now, earlier), (earlier, now)] {
            if !writer.access.kind.writes() {
                continue;
            }
            if self.is_effect(writer.task, thing.key.0) {
                let named = self.name(thing, writer.task);
                self.add_race(effect_kind(thing, &named), &named, writer.task, writer, other, fresh);
                attributed = true;
            } else if other.task != TaskId::MAIN && !thing.generator {
                let named = self.name(thing, writer.task);
                self.add_race(Kind::ParentMutation, &named, other.task, writer, other, fresh);
                attributed = true;
            }
        }
        if !attributed {
            let (writer, other) = if now.access.kind.writes() { (now, earlier) } else { (earlier, now) };
            let named = self.name(thing, writer.task);
            self.add_race(Kind::Race, &named, writer.task, writer, other, fresh);
        }
    }

    /// Adds a finding about `writer`, which belongs to the fork of the task `blamed`, with the access that it races with.
    fn add_race(
        &mut self,
        kind: Kind,
        named: &Named,
        blamed: TaskId,
        writer: &Entry,
        other: &Entry,
        fresh: &mut Fresh,
    ) {
        let (calls, fork) = (writer.calls.clone(), self.fork_of(blamed));
        let race = Some((other.task, other.site));
        let told = Told { kind, site: writer.site, calls, fork, target: named.path.clone(), race };
        if !self.findings.is_news(told) {
            return;
        }
        let (stack, fork) = (entry_stack(writer), self.fork_site(blamed));
        let key = self.key(kind, &stack, fork.as_ref());
        add(fresh, key.clone(), &named.path, || self.finding(kind, stack, writer.task, fork));
        self.fill_race(&key, other, fresh);
    }

    fn fill_race(&self, key: &Key, other: &Entry, fresh: &mut Fresh) {
        let (_, finding, _) = fresh.iter_mut().find(|row| row.0 == *key).expect("it was just added");
        finding.fill_race(Some(RaceSide {
            task: other.task,
            operator: self.operator(other.site),
            stack: entry_stack(other),
            writes: other.access.kind.writes(),
        }));
    }

    fn join(&mut self, fresh: Fresh) {
        for (key, mut finding, mut targets) in fresh {
            targets.truncate(TARGETS);
            finding.targets = targets;
            self.findings.add(key, finding);
        }
    }

    pub(super) fn finding(&self, kind: Kind, stack: Vec<Site>, task: TaskId, fork: Option<ForkSite>) -> Finding {
        Finding {
            kind,
            operator: self.operator(stack[0]),
            targets: Vec::new(),
            stack,
            fork,
            task,
            race: None,
            waits: Vec::new(),
        }
    }

    pub(super) fn key(&self, kind: Kind, stack: &[Site], fork: Option<&ForkSite>) -> Key {
        let span = self.program.user_span(stack);
        let line = span.map(|span| (span.file().to_string(), span.line()));
        Key { kind, site: stack[0], line, fork: fork.map(|fork| fork.stack[0]), circle: Vec::new() }
    }

    /// The site where a task was forked.
    fn fork_of(&self, id: TaskId) -> Option<Site> {
        self.task(id).fork.as_ref().map(|(site, _)| *site)
    }

    /// Where a task was forked, with the calls of its parent that led there.
    pub(super) fn fork_site(&self, id: TaskId) -> Option<ForkSite> {
        let (site, calls) = self.task(id).fork.as_ref()?;
        let stack = std::iter::once(*site).chain(calls.iter().rev().copied()).collect();
        Some(ForkSite { task: id, stack })
    }

    /// PyTorch's name of what stands at a site.
    pub(super) fn operator(&self, site: Site) -> String {
        match site {
            Site::LOOK => "return".to_string(),
            site => self.program.codes.site(site).operator.to_string(),
        }
    }

    /// What a user would call the thing.
    fn name(&mut self, thing: ThingId, writer: TaskId) -> Named {
        if let Some(named) = self.program.names.get(&thing.key).or_else(|| self.named.get(&thing.key)) {
            return named.clone();
        }
        let named = self.find_name(thing.key, writer);
        self.named.insert(thing.key, named.clone());
        named
    }
}

fn add(fresh: &mut Fresh, key: Key, target: &str, finding: impl FnOnce() -> Finding) {
    match fresh.iter_mut().find(|row| row.0 == key) {
        Some((_, _, targets)) if targets.iter().any(|known| known == target) => {}
        Some((_, _, targets)) => targets.push(target.to_string()),
        None => fresh.push((key, finding(), vec![target.to_string()])),
    }
}

fn effect_kind(thing: ThingId, named: &Named) -> Kind {
    match thing.key.0 {
        SlotId::GENERATOR | SlotId::PROCESS_FLAGS => Kind::GlobalState,
        SlotId::STDOUT => Kind::Output,
        _ if named.attribute => Kind::AttributeMutation,
        _ => Kind::InputMutation,
    }
}

fn entry_stack(entry: &Entry) -> Vec<Site> {
    std::iter::once(entry.site).chain(entry.calls.iter().rev().copied()).collect()
}
