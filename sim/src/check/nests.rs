//! How large a pool must be that blocks at a wait: from the executions whose forked tasks wait, to one finding.
//!
//! See [`forkcheck_scheduler::pool`] for the question and the answer. An execution only notes who forked and waited for
//! whom; the answer is sought once, when all is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_scheduler::pool::{Joins, Need};
use forkcheck_scheduler::{TaskId, Tasks};
use rustc_hash::FxHashSet;

use super::finding::{Deed, Finding, Findings, ForkSite, Key, Kind, StuckWait};
use crate::execution::Site;

/// More structures than these are not looked at, and no more forks and waits in all.
const STRUCTURES: usize = 32;
const JOINS: usize = 1 << 20;

/// States that are looked at, for one structure.
const STATES: usize = 10_000;

/// Waits that a finding lists; the tasks that can wait at the same time may be any number.
const WAITS: usize = 32;

/// The different structures of forks and waits that were seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Nests {
    /// Digests of those that were seen.
    seen: FxHashSet<u128>,
    /// By their content, so that it does not matter which was seen first.
    kept: BTreeMap<Joins, Nest>,
}

/// Who forked and waited for whom in one execution.
#[derive(Debug, Clone)]
pub(crate) struct Nest {
    /// By number.
    pub(crate) joins: Joins,
    /// The same tasks.
    pub(crate) tasks: Vec<NestTask>,
}

/// A task of a nest.
#[derive(Debug, Clone)]
pub(crate) struct NestTask {
    /// Which task.
    pub(crate) task: TaskId,
    /// Where it was forked, innermost first; empty for the caller.
    pub(crate) fork: Vec<Site>,
    /// Where each of its forks and waits stands: the site, and the calls that lead there, outermost first.
    pub(crate) places: Vec<(Site, Arc<[Site]>)>,
}

impl Nests {
    /// Whether this is the first structure with the digest.
    pub(crate) fn is_new(&mut self, digest: u128) -> bool {
        self.seen.insert(digest)
    }

    /// Keeps what others have seen, who number the tasks differently.
    pub(super) fn absorb(&mut self, others: Nests, translate: impl Fn(TaskId) -> TaskId) {
        for mut nest in others.kept.into_values() {
            nest.tasks.iter_mut().for_each(|task| task.task = translate(task.task));
            self.add(nest);
        }
    }

    /// Keeps a structure.
    pub(crate) fn add(&mut self, nest: Nest) {
        self.kept.entry(nest.joins.clone()).or_insert(nest);
        let size = |nest: &Nest| nest.joins.tasks().iter().map(Vec::len).sum::<usize>();
        while self.kept.len() > 1
            && (self.kept.len() > STRUCTURES || self.kept.values().map(size).sum::<usize>() > JOINS)
        {
            self.kept.pop_last();
        }
    }
}

impl Findings {
    /// Adds the finding that a pool which blocks at a wait needs more than one thread, if it does: that of the execution
    /// that needs the most.
    pub(crate) fn judge_pools(&mut self, names: &Tasks) {
        let needs = self.nests.kept.values().map(|nest| (nest.joins.need(STATES), nest));
        // The first of those that need the same.
        let most = needs.rev().max_by_key(|(need, _)| (need.at_least, need.at_most));
        let Some((need, nest)) = most.filter(|(need, _)| need.at_least > 1) else { return };
        let finding = starvation(&need, nest, names);
        let deed = Deed::Node(finding.stack[0]);
        let key = Key { kind: Kind::PoolStarvation, deed, line: None, fork: None, circle: Vec::new() };
        self.add(key, finding);
    }
}

fn starvation(need: &Need, nest: &Nest, names: &Tasks) -> Finding {
    let task = |number: u32| &nest.tasks[number as usize];
    let waits: Vec<StuckWait> = need
        .hang
        .iter()
        .take(WAITS)
        .map(|stuck| {
            let (site, calls) = &task(stuck.task).places[stuck.at as usize];
            let stack = std::iter::once(*site).chain(calls.iter().rev().copied()).collect();
            let path = |number: u32| names.path(task(number).task);
            StuckWait {
                task: path(stuck.task),
                target: path(stuck.target),
                stack,
                fork: task(stuck.target).fork.clone(),
            }
        })
        .collect();
    let first = task(need.hang[0].task);
    let threads = match (need.at_least, need.at_most) {
        (least, most) if least == most => format!("at least {least} threads"),
        (least, most) => format!("at least {least} threads, and {most} at most"),
    };
    Finding {
        kind: Kind::PoolStarvation,
        operator: "aten::wait".to_string(),
        targets: vec![threads],
        stack: waits[0].stack.clone(),
        fork: Some(ForkSite { task: first.task, stack: first.fork.clone() }),
        task: first.task,
        race: None,
        waits,
    }
}
