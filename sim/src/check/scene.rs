//! What must be known of an execution to say whose fault something is.

use std::sync::Arc;

use forkcheck_scheduler::{TaskId, Tasks};

use super::finding::{Deed, Finding, ForkSite, Key, Kind};
use crate::execution::{Raised, Site};
use crate::machine::access::ThingId;
use crate::names::Named;

/// A place: the site, and the calls that lead there, outermost first.
pub(crate) type Place = (Site, Arc<[Site]>);

/// An execution, for those who blame.
pub(crate) trait Scene {
    /// The names of all tasks.
    fn names(&self) -> &Tasks;

    /// The tasks of this execution.
    fn tasks(&self) -> impl Iterator<Item = TaskId>;

    /// How a task of this execution stands.
    fn standing(&self, task: TaskId) -> Standing<'_>;

    /// Where a task was forked; main was not.
    fn fork(&self, task: TaskId) -> Option<&Place>;

    /// What is executed at a site.
    fn operator(&self, site: Site) -> String;

    /// The file, line and column of the user's code that a stack leads to.
    fn place(&self, stack: &[Site]) -> Option<(String, u32, u32)>;

    /// What a user would call the thing, which `writer` writes.
    fn named(&self, thing: ThingId, writer: TaskId) -> Named;

    /// The site of a task's fork.
    fn fork_of(&self, task: TaskId) -> Option<Site> {
        self.fork(task).map(|(site, _)| *site)
    }

    /// The fork of a task, with the calls of its parent that led there.
    fn fork_site(&self, task: TaskId) -> Option<ForkSite> {
        self.fork(task).map(|(site, calls)| ForkSite { task, stack: stack(*site, calls) })
    }

    /// What makes a finding the same as others.
    fn key(&self, kind: Kind, stack: &[Site], fork: Option<&ForkSite>) -> Key {
        let place = self.place(stack);
        let column = place.as_ref().map(|&(_, _, column)| column);
        let deed = Deed::of(kind, stack[0], || self.operator(stack[0]), column);
        let line = place.map(|(file, line, _)| (file, line));
        Key { kind, deed, line, fork: fork.map(|fork| fork.stack[0]), circle: Vec::new() }
    }

    /// A finding with nothing said yet of what it is about.
    fn finding(&self, kind: Kind, stack: Vec<Site>, task: TaskId, fork: Option<ForkSite>) -> Finding {
        let operator = self.operator(stack[0]);
        Finding { kind, operator, targets: Vec::new(), stack, fork, task, race: None, waits: Vec::new() }
    }
}

/// How a task stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing<'a> {
    /// It can go on.
    Going,
    /// It waits for another one, at this place.
    Waiting(TaskId, Place),
    /// It has ended, with this error if with one.
    Ended(Option<&'a Raised>),
}

/// A place with the innermost site first.
pub(crate) fn stack(site: Site, calls: &[Site]) -> Vec<Site> {
    std::iter::once(site).chain(calls.iter().rev().copied()).collect()
}
