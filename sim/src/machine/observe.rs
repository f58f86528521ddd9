//! Turning what a step touches into findings.
//!
//! The rules are those of the README: a fork may write only what it, or a task that it forked, has made; and nobody may
//! write what a fork is using. A finding belongs to the fork of the task that executes the write.

use std::sync::Arc;

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::TaskId;

use super::access::{Thing, Touch, Touches};
use super::code::Site;
use super::{Machine, Task};
use crate::check::{Entry, Finding, ForkSite, Key, Kind, RaceSide};
use crate::names::Named;

/// Findings of one step, before they are joined with what is known: several targets of one write are one finding.
type Fresh = Vec<(Key, Finding, Vec<String>)>;

impl Machine {
    /// Records the accesses of a step, and what is wrong with them.
    pub(super) fn observe(&mut self, id: TaskId, site: Site, touches: &Touches) {
        let task = self.tasks[id.index()].clone().expect("the task that takes the step");
        let mut fresh = Fresh::new();
        for touch in touches {
            if touch.access.writes() && self.is_effect(id, &touch.thing) {
                self.effect(&task, site, touch, &mut fresh);
            }
        }
        for (i, touch) in touches.iter().enumerate() {
            let entry = Entry {
                task: id,
                segment: task.clock.segment(),
                access: touch.to_access(),
                thing: touch.thing.clone(),
                site,
                calls: task.calls.clone(),
                deed: task.deeds.wrapping_add(i as u128),
            };
            for earlier in self.shadow.record(entry.clone(), &task.clock) {
                let location = entry.access.location;
                if !self.hot.contains(&location) {
                    self.newly_hot.insert(location);
                }
                // A search brings the same two together again and again.
                if self.undo.is_none() || self.told.insert((earlier.deed, entry.deed)) {
                    self.race(&entry, &earlier, &mut fresh);
                }
            }
        }
        self.join(fresh);
    }

    /// Whether a write by the task is an effect: of something that neither it nor a task that it forked has made.
    fn is_effect(&self, id: TaskId, thing: &Thing) -> bool {
        id != TaskId::MAIN && !self.owns(id, thing.slot())
    }

    fn owns(&self, id: TaskId, slot: SlotId) -> bool {
        slot.owner() != u32::MAX && self.names.is_ancestor_or_self(id, TaskId::new(slot.owner()))
    }

    fn effect(&mut self, task: &Arc<Task>, site: Site, touch: &Touch, fresh: &mut Fresh) {
        let stack = self.stack(task.id, site);
        let named = self.name(&touch.thing, task.id);
        let kind = effect_kind(&touch.thing, &named);
        let fork = self.fork_site(task.id);
        let key = self.key(kind, &stack, fork.as_ref());
        add(fresh, key, named.path, || self.finding(kind, stack, task.id, fork));
        // Each fork on the way to the one that owns it is impure too.
        let mut ancestor = Some(task.id);
        while let Some(id) = ancestor.filter(|&id| self.is_effect(id, &touch.thing)) {
            if let Some((site, _)) = self.task(id).fork {
                self.findings.impure(site);
            }
            ancestor = self.names.parent(id);
        }
    }

    /// Two accesses that race: fills in the effects they belong to, or the parent's writing while a fork uses it.
    fn race(&mut self, now: &Entry, earlier: &Entry, fresh: &mut Fresh) {
        let mut attributed = false;
        for (writer, other) in [(now, earlier), (earlier, now)] {
            if !writer.access.kind.writes() {
                continue;
            }
            let stack = entry_stack(writer);
            let named = self.name(&writer.thing, writer.task);
            if self.is_effect(writer.task, &writer.thing) {
                let kind = effect_kind(&writer.thing, &named);
                let fork = self.fork_site(writer.task);
                let key = self.key(kind, &stack, fork.as_ref());
                add(fresh, key.clone(), named.path, || self.finding(kind, stack, writer.task, fork));
                self.fill_race(&key, other, fresh);
                attributed = true;
            } else if other.task != TaskId::MAIN && !matches!(writer.thing, Thing::Generator(_)) {
                let fork = self.fork_site(other.task);
                let key = self.key(Kind::ParentMutation, &stack, fork.as_ref());
                add(fresh, key.clone(), named.path, || self.finding(Kind::ParentMutation, stack, writer.task, fork));
                self.fill_race(&key, other, fresh);
                attributed = true;
            }
        }
        if !attributed {
            let (writer, other) = if now.access.kind.writes() { (now, earlier) } else { (earlier, now) };
            let (stack, named) = (entry_stack(writer), self.name(&writer.thing, writer.task));
            let fork = self.fork_site(writer.task);
            let key = self.key(Kind::Race, &stack, fork.as_ref());
            add(fresh, key.clone(), named.path, || self.finding(Kind::Race, stack, writer.task, fork));
            self.fill_race(&key, other, fresh);
        }
    }

    fn fill_race(&self, key: &Key, other: &Entry, fresh: &mut Fresh) {
        let (_, finding, _) = fresh.iter_mut().find(|row| row.0 == *key).expect("it was just added");
        finding.race.get_or_insert_with(|| RaceSide {
            task: other.task,
            operator: self.operator(other.site),
            stack: entry_stack(other),
            writes: other.access.kind.writes(),
        });
    }

    fn join(&mut self, fresh: Fresh) {
        for (key, mut finding, targets) in fresh {
            finding.add_targets(targets);
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
    fn name(&mut self, thing: &Thing, writer: TaskId) -> Named {
        let key = crate::names::key(thing);
        if let Some(named) = self.program.names.get(&key).or_else(|| self.named.get(&key)) {
            return named.clone();
        }
        let named = self.find_name(thing, writer);
        self.named.insert(key, named.clone());
        named
    }
}

fn add(fresh: &mut Fresh, key: Key, target: String, finding: impl FnOnce() -> Finding) {
    match fresh.iter_mut().find(|row| row.0 == key) {
        Some((_, _, targets)) if targets.contains(&target) => {}
        Some((_, _, targets)) => targets.push(target),
        None => fresh.push((key, finding(), vec![target])),
    }
}

fn effect_kind(thing: &Thing, named: &Named) -> Kind {
    match thing {
        Thing::Generator(generator) if generator.id() == SlotId::GENERATOR => Kind::GlobalState,
        Thing::ProcessFlags => Kind::GlobalState,
        Thing::Stdout => Kind::Output,
        _ if named.attribute => Kind::AttributeMutation,
        _ => Kind::InputMutation,
    }
}

fn entry_stack(entry: &Entry) -> Vec<Site> {
    std::iter::once(entry.site).chain(entry.calls.iter().rev().copied()).collect()
}
