//! Turning what a step touches into findings.
//!
//! The rules are those of the README: a fork may write only what it, or a task that it forked, has made; and nobody may
//! write what a fork is using. A finding belongs to the fork of the task that executes the write.

use std::sync::Arc;

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::{TaskId, Tasks};

use super::finding::{Finding, Findings, Key, Kind, RaceSide, TARGETS, Told};
use super::scene::{Scene, stack};
use super::shadow::Entry;
use crate::execution::Site;
use crate::machine::access::ThingId;
use crate::names::Named;

/// Findings of one step, before they are joined with what is known: several targets of one write are one finding.
pub(crate) struct Blame<'a, S> {
    scene: &'a S,
    findings: &'a mut Findings,
    fresh: Vec<(Key, Finding, Vec<String>)>,
}

/// Whether a write by the task is an effect: of something that neither it nor a task that it forked has made.
pub(crate) fn is_effect(names: &Tasks, task: TaskId, slot: SlotId) -> bool {
    let owns = slot.owner() != u32::MAX && names.is_ancestor_or_self(task, TaskId::new(slot.owner()));
    task != TaskId::MAIN && !owns
}

impl<'a, S: Scene> Blame<'a, S> {
    /// Of a step in `scene`; [`join`](Blame::join) adds what comes of it to `findings`.
    pub(crate) fn new(scene: &'a S, findings: &'a mut Findings) -> Self {
        Self { scene, findings, fresh: Vec::new() }
    }

    /// The task writes, at this site, something that is not its own.
    pub(crate) fn effect(&mut self, task: TaskId, site: Site, calls: &Arc<[Site]>, thing: ThingId) {
        let scene = self.scene;
        let fork = scene.fork_of(task);
        let named = scene.named(thing, task);
        let kind = effect_kind(thing, &named);
        let told = Told { kind, site, calls: calls.clone(), fork, target: named.path.clone(), race: None };
        if self.findings.is_news(told, task) {
            let stack = stack(site, calls);
            let fork = scene.fork_site(task);
            let key = scene.key(kind, &stack, fork.as_ref());
            self.add(key, &named.path, scene.finding(kind, stack, task, fork));
        }
        // Each fork on the way to the one that owns it is impure too.
        let mut ancestor = Some(task);
        while let Some(task) = ancestor.filter(|&task| is_effect(scene.names(), task, thing.key.0)) {
            if let Some(site) = scene.fork_of(task) {
                self.findings.impure(site);
            }
            ancestor = scene.names().parent(task);
        }
    }

    /// Two accesses of a thing that race: fills in the effects they belong to, or the parent's writing while a fork uses it.
    pub(crate) fn race(&mut self, thing: ThingId, now: &Entry, earlier: &Entry) {
        let scene = self.scene;
        let mut attributed = false;
        for (writer, other) in [(now, earlier), (earlier, now)] {
            if !writer.access.kind.writes() {
                continue;
            }
            if is_effect(scene.names(), writer.task, thing.key.0) {
                let named = scene.named(thing, writer.task);
                self.add_race(effect_kind(thing, &named), &named, writer.task, writer, other);
                attributed = true;
            } else if other.task != TaskId::MAIN && !thing.generator {
                let named = scene.named(thing, writer.task);
                self.add_race(Kind::ParentMutation, &named, other.task, writer, other);
                attributed = true;
            }
        }
        if !attributed {
            let (writer, other) = if now.access.kind.writes() { (now, earlier) } else { (earlier, now) };
            let named = scene.named(thing, writer.task);
            self.add_race(Kind::Race, &named, writer.task, writer, other);
        }
    }

    /// Adds a finding about `writer`, which belongs to the fork of the task `blamed`, with the access that it races with.
    fn add_race(&mut self, kind: Kind, named: &Named, blamed: TaskId, writer: &Entry, other: &Entry) {
        let scene = self.scene;
        let (calls, fork) = (writer.calls.clone(), scene.fork_of(blamed));
        let race = Some((other.task, other.site, other.calls.clone()));
        let told = Told { kind, site: writer.site, calls, fork, target: named.path.clone(), race };
        if !self.findings.is_news(told, writer.task) {
            return;
        }
        let (stack, fork) = (stack(writer.site, &writer.calls), scene.fork_site(blamed));
        let key = scene.key(kind, &stack, fork.as_ref());
        let race = Some(RaceSide {
            task: other.task,
            operator: scene.operator(other.site),
            stack: self::stack(other.site, &other.calls),
            writes: other.access.kind.writes(),
        });
        self.add(key, &named.path, Finding { race, ..scene.finding(kind, stack, writer.task, fork) });
    }

    /// Adds what one task writes at one place, or what else it writes there.
    fn add(&mut self, key: Key, target: &str, finding: Finding) {
        let same =
            |row: &&mut (Key, Finding, _)| row.0 == key && (row.1.task, &row.1.stack) == (finding.task, &finding.stack);
        match self.fresh.iter_mut().find(same) {
            None => self.fresh.push((key, finding, vec![target.to_string()])),
            Some((_, known, targets)) => {
                known.join_sides(finding);
                if !targets.iter().any(|known| known == target) {
                    targets.push(target.to_string());
                }
            }
        }
    }

    /// Adds all to the findings.
    pub(crate) fn join(self) {
        for (key, mut finding, mut targets) in self.fresh {
            targets.truncate(TARGETS);
            finding.targets = targets;
            self.findings.add(key, finding);
        }
    }
}

fn effect_kind(thing: ThingId, named: &Named) -> Kind {
    match thing.key.0 {
        SlotId::GENERATOR | SlotId::PROCESS_FLAGS => Kind::GlobalState,
        SlotId::STDOUT => Kind::Output,
        slot if slot.owner() == u32::MAX => Kind::GlobalState,
        _ if named.attribute => Kind::AttributeMutation,
        _ => Kind::InputMutation,
    }
}
