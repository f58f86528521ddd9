//! Recording what a step touches, and what is wrong with it.

use forkcheck_scheduler::{TaskId, Tasks};

use super::access::{ThingId, Touches};
use super::{Machine, State};
use crate::check::blame::{Blame, is_effect};
use crate::check::scene::{Place, Scene, Standing};
use crate::check::{Entry, Findings, Races};
use crate::execution::Site;
use crate::names::{Named, fixed_name};

impl Machine {
    /// Records the accesses of a step, and what is wrong with them.
    pub(super) fn observe(&mut self, id: TaskId, site: Site, touches: &Touches) {
        if id == TaskId::MAIN && self.shadow.is_quiet() {
            return;
        }
        let mut effects = Vec::new();
        for touch in touches {
            if touch.access.writes() && is_effect(&self.names, id, touch.thing.slot()) {
                effects.push(touch.thing.identity());
            }
        }
        let mut pairs = Vec::new();
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
                    pairs.push((touch.thing.identity(), now.clone(), earlier));
                }
            }
        }
        if effects.is_empty() && pairs.is_empty() {
            return;
        }
        let calls = self.task(id).calls.clone();
        self.blame(|blame| {
            effects.into_iter().for_each(|thing| blame.effect(id, site, &calls, thing));
            pairs.iter().for_each(|(thing, now, earlier)| blame.race(*thing, now, earlier));
        });
    }

    /// Whether something was met that had no name at the start.
    pub(crate) fn has_asked_for_names(&self) -> bool {
        self.named.borrow().keys().any(|key| fixed_name(key.0).is_none())
    }

    /// Lets somebody add to the findings who looks at everything else.
    fn blame(&mut self, work: impl FnOnce(&mut Blame<'_, Machine>)) {
        let mut findings = std::mem::take(&mut self.findings);
        let mut blame = Blame::new(self, &mut findings);
        work(&mut blame);
        blame.join();
        self.findings = findings;
    }

    /// Lets somebody look at everything who adds to the findings.
    pub(super) fn judge(&mut self, work: impl FnOnce(&Machine, &mut Findings)) {
        let mut findings = std::mem::take(&mut self.findings);
        work(self, &mut findings);
        self.findings = findings;
    }
}

impl Scene for Machine {
    fn names(&self) -> &Tasks {
        &self.names
    }

    fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.tasks.iter().flatten().map(|task| task.id)
    }

    fn standing(&self, id: TaskId) -> Standing<'_> {
        let task = self.task(id);
        match &task.state {
            State::Waiting(target) => {
                let frame = task.frame();
                let site = frame.code.instructions[frame.next].site;
                Standing::Waiting(*target, (site, task.calls.clone()))
            }
            State::Ended(result) => Standing::Ended(result.as_ref().err()),
            State::Ready | State::Returned(_) => Standing::Going,
        }
    }

    fn fork(&self, task: TaskId) -> Option<&Place> {
        self.task(task).fork.as_ref()
    }

    fn operator(&self, site: Site) -> String {
        self.program.operator(site).to_string()
    }

    fn place(&self, stack: &[Site]) -> Option<(String, u32, u32)> {
        self.program.user_span(stack).map(|span| (span.file().to_string(), span.line(), span.column()))
    }

    fn named(&self, thing: ThingId, writer: TaskId) -> Named {
        if let Some(named) = self.program.names.get(&thing.key) {
            return named.clone();
        }
        if let Some(named) = self.named.borrow().get(&thing.key) {
            return named.clone();
        }
        let named = self.find_name(thing.key, writer);
        self.named.borrow_mut().insert(thing.key, named.clone());
        named
    }
}
