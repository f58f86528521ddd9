//! What forks and waits alone can do wrong: circles of waits, futures and errors that nobody waits for, and nests of waits
//! that a pool of threads could hang in.
//!
//! A circle is found by the wait that closes it. The rest is known when an execution is over. There it matters what the
//! caller still holds: a future that can be reached from the result, an argument or the module may be waited for later,
//! so neither it nor its error is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_model::value::{Awaited, Value};
use forkcheck_scheduler::TaskId;
use forkcheck_scheduler::pool::{Join, Joins};
use rustc_hash::FxHashSet;

use super::task::State;
use super::{Machine, Raised};
use crate::check::{Key, Kind, Nest, NestTask, StuckWait, TARGETS};
use crate::execution::Site;
use crate::names::fork_order;

/// A site, and the calls that lead there, outermost first.
type Place = (Site, Arc<[Site]>);

/// A fork, or a wait that was passed.
#[derive(Debug, Clone)]
pub(super) struct Joined {
    task: TaskId,
    join: Join,
    site: Site,
    calls: Arc<[Site]>,
}

impl Joined {
    fn stack(&self) -> Vec<Site> {
        stack(self.site, &self.calls)
    }
}

fn stack(site: Site, calls: &[Site]) -> Vec<Site> {
    std::iter::once(site).chain(calls.iter().rev().copied()).collect()
}

impl Machine {
    pub(super) fn note_join(&mut self, task: TaskId, join: Join, site: Site) {
        let calls = self.task(task).calls.clone();
        self.joined.push(Joined { task, join, site, calls });
    }

    /// Follows the waits from `id`, which has just begun one: if they lead back to it, it waits for ever.
    pub(super) fn find_deadlock(&mut self, id: TaskId) {
        let mut circle = vec![id];
        while let State::Waiting(next) = self.task(*circle.last().expect("it starts with the task")).state {
            if next == id {
                return self.add_deadlock(&circle);
            }
            // It may lead into a circle that was found before.
            if circle.len() > self.ready.count() as usize {
                return;
            }
            circle.push(next);
        }
    }

    fn add_deadlock(&mut self, circle: &[TaskId]) {
        // The same circle is closed by any of its tasks; it is told from the first by name.
        let paths: Vec<String> = circle.iter().map(|&task| self.names.path(task)).collect();
        let first = (0..circle.len()).min_by(|&a, &b| fork_order(&paths[a], &paths[b])).expect("it has a task");
        let waits: Vec<StuckWait> = (0..circle.len())
            .map(|i| {
                let (at, next) = ((first + i) % circle.len(), (first + i + 1) % circle.len());
                let frame = self.task(circle[at]).frame();
                let site = frame.code.instructions[frame.next].site;
                let fork = self.fork_site(circle[next]).map_or(Vec::new(), |fork| fork.stack);
                let (task, target) = (paths[at].clone(), paths[next].clone());
                StuckWait { task, target, stack: self.stack(circle[at], site), fork }
            })
            .collect();
        let mut sites: Vec<Site> = waits.iter().map(|wait| wait.stack[0]).collect();
        sites.sort();
        sites.dedup();
        let words: Vec<&str> = waits.iter().map(|wait| wait.task.as_str()).chain([waits[0].task.as_str()]).collect();
        let key = Key { kind: Kind::Deadlock, site: sites[0], line: None, fork: None, circle: sites };
        let task = circle[first];
        let mut finding = self.finding(Kind::Deadlock, waits[0].stack.clone(), task, self.fork_site(task));
        finding.targets.push(words.join(" waits for "));
        finding.waits = waits;
        self.findings.add(key, finding);
    }

    /// Says what is wrong with an execution if it is over.
    pub(crate) fn conclude(&mut self) {
        if self.cut.is_some() || !self.ready.is_empty() {
            return;
        }
        let held = self.held_by_caller();
        self.find_lost_errors(&held);
        self.find_unwaited_forks(&held);
        self.note_nest();
    }

    /// The tasks whose futures the caller can reach when all is over: in the result, an argument or the module, or in the
    /// result of another such task.
    fn held_by_caller(&self) -> FxHashSet<TaskId> {
        let mut held = FxHashSet::default();
        let mut seen = FxHashSet::default();
        let mut stack = self.entry.clone();
        stack.extend(self.result(TaskId::MAIN).cloned());
        while let Some(value) = stack.pop() {
            match &value {
                Value::Future(number) => {
                    let task = TaskId::new(*number);
                    if held.insert(task) {
                        stack.extend(self.result(task).cloned());
                    }
                }
                Value::Tuple(items) => stack.extend(items.iter().cloned()),
                Value::List(list) if seen.insert(list.id()) => stack.extend(list.content().items.iter().cloned()),
                Value::Dict(dict) if seen.insert(dict.id()) => stack.extend(dict.content().entries.values().cloned()),
                Value::Object(object) if seen.insert(object.id()) => stack.extend(object.slot().get().iter().cloned()),
                Value::Await(awaited) if seen.insert(awaited.id()) => match &*awaited.content() {
                    Awaited::Done(value) => stack.push(value.clone()),
                    Awaited::Pending { captures, .. } => stack.extend(captures.iter().cloned()),
                },
                _ => {}
            }
        }
        held
    }

    fn result(&self, task: TaskId) -> Option<&Value> {
        match &self.task(task).state {
            State::Ended(Ok(value)) => Some(value),
            _ => None,
        }
    }

    fn error(&self, task: TaskId) -> Option<&Raised> {
        match &self.task(task).state {
            State::Ended(Err(raised)) => Some(raised),
            _ => None,
        }
    }

    /// An error passes from wait to wait, and nothing on the way can catch it. So it is lost unless it came to the caller,
    /// who gets one at most, or the caller holds the future of a task that it came to.
    fn find_lost_errors(&mut self, held: &FxHashSet<TaskId>) {
        let tasks = || self.tasks.iter().flatten().map(|task| task.id);
        let own = |&task: &TaskId| self.error(task).is_some_and(|raised| raised.origin == task);
        let raised: Vec<TaskId> = tasks().filter(|&task| task != TaskId::MAIN).filter(own).collect();
        if raised.is_empty() {
            return;
        }
        let came_to = |task: TaskId| self.error(task).map(|raised| raised.origin);
        let caller = came_to(TaskId::MAIN).into_iter();
        let seen: FxHashSet<TaskId> = caller.chain(held.iter().filter_map(|&task| came_to(task))).collect();
        for task in raised.into_iter().filter(|task| !seen.contains(task)) {
            let raised = self.error(task).expect("it was just found");
            let message = format!("{}: {}", raised.class.as_deref().unwrap_or("RuntimeError"), raised.message);
            let (stack, fork) = (raised.trail.clone(), self.fork_site(task));
            let key = self.key(Kind::LostError, &stack, fork.as_ref());
            let mut finding = self.finding(Kind::LostError, stack, task, fork);
            finding.targets.push(message);
            self.findings.add(key, finding);
        }
    }

    /// A fork is unwaited if no wait for it was begun in the whole execution. Errors skip waits that do stand in the
    /// program: nothing is said where the entry has not returned, or the task that forked has failed.
    fn find_unwaited_forks(&mut self, held: &FxHashSet<TaskId>) {
        if self.result(TaskId::MAIN).is_none() {
            return;
        }
        let mut waited = vec![false; self.tasks.len()];
        for joined in &self.joined {
            if let Join::Wait(target) = joined.join {
                waited[target as usize] = true;
            }
        }
        for task in self.live() {
            if let State::Waiting(target) = task.state {
                waited[target.index()] = true;
            }
        }
        let mut places: BTreeMap<Place, Vec<TaskId>> = BTreeMap::new();
        for joined in &self.joined {
            let Join::Fork(child) = joined.join else { continue };
            let child = TaskId::new(child);
            if !waited[child.index()] && !held.contains(&child) && self.result(joined.task).is_some() {
                places.entry((joined.site, joined.calls.clone())).or_default().push(child);
            }
        }
        if places.is_empty() {
            return;
        }
        let numbers = self.numbers_by_name();
        for ((site, calls), mut tasks) in places {
            tasks.sort_by_key(|task| numbers[task.index()]);
            let fork = self.fork_site(tasks[0]);
            let parent = self.names.parent(tasks[0]).expect("it was forked");
            let stack = stack(site, &calls);
            let key = self.key(Kind::UnwaitedFork, &stack, fork.as_ref());
            let mut finding = self.finding(Kind::UnwaitedFork, stack, parent, fork);
            finding.targets = tasks.into_iter().take(TARGETS).map(|task| self.names.path(task)).collect();
            self.findings.add(key, finding);
        }
    }

    /// Keeps who forked and waited for whom, for the question how large a pool must be, if forked tasks wait at all.
    fn note_nest(&mut self) {
        let waits = |joined: &Joined| joined.task != TaskId::MAIN && matches!(joined.join, Join::Wait(_));
        if !self.joined.iter().any(waits) || self.live().next().is_some() {
            return;
        }
        // Only the order within each task counts.
        let mut by_task = vec![0; self.tasks.len()];
        for joined in &self.joined {
            let (kind, other) = match joined.join {
                Join::Fork(child) => (1, child),
                Join::Wait(target) => (2, target),
            };
            let event = u64::from(joined.site.0) << 34 | u64::from(other) << 2 | kind;
            let so_far: &mut u64 = &mut by_task[joined.task.index()];
            *so_far = (so_far.rotate_left(5) ^ event).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let bytes: Vec<u8> = by_task.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        if self.findings.nests.is_new(xxhash_rust::xxh3::xxh3_128(&bytes)) {
            let nest = self.nest();
            self.findings.nests.add(nest);
        }
    }

    /// By task: its place among the tasks of this execution by name. Paths are not needed for that, which can be long.
    fn numbers_by_name(&self) -> Vec<u32> {
        let mut numbers = vec![0; self.tasks.len()];
        let here = self.names.by_name().into_iter().filter(|&task| self.exists(task));
        for (number, task) in here.enumerate() {
            numbers[task.index()] = number as u32;
        }
        numbers
    }

    /// Tasks are numbered by name, so that nothing depends on the schedule.
    fn nest(&self) -> Nest {
        let numbers = self.numbers_by_name();
        let mut tasks: Vec<TaskId> = self.tasks.iter().flatten().map(|task| task.id).collect();
        tasks.sort_by_key(|task| numbers[task.index()]);
        let mut joins = vec![Vec::new(); tasks.len()];
        let mut places = vec![Vec::new(); tasks.len()];
        let mut forks = vec![Vec::new(); tasks.len()];
        for joined in &self.joined {
            let number = numbers[joined.task.index()] as usize;
            joins[number].push(match joined.join {
                Join::Fork(child) => {
                    forks[numbers[child as usize] as usize] = joined.stack();
                    Join::Fork(numbers[child as usize])
                }
                Join::Wait(target) => Join::Wait(numbers[target as usize]),
            });
            places[number].push((joined.site, joined.calls.clone()));
        }
        let named = tasks.into_iter().zip(forks).zip(places);
        let tasks = named.map(|((task, fork), places)| NestTask { task, fork, places }).collect();
        Nest { joins: Joins::new(joins), tasks }
    }
}
