//! What forks and waits alone can do wrong: circles of waits, futures and errors that nobody waits for, and nests of waits
//! that a pool of threads could hang in.
//!
//! A circle is found by the wait that closes it. The rest is known when an execution is over. There it matters what the
//! caller still holds: a future that can be reached from the result, an argument or the module may be waited for later,
//! so neither it nor its error is lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_scheduler::TaskId;
use forkcheck_scheduler::pool::{Join, Joins};
use rustc_hash::FxHashSet;

use super::finding::{Deed, Findings, Key, Kind, StuckWait, TARGETS};
use super::nests::{Nest, NestTask};
use super::scene::{Place, Scene, Standing, stack};
use crate::execution::{Raised, Site};
use crate::names::fork_order;

/// A fork, or a wait that was passed.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    /// Who forked or waited.
    pub(crate) task: TaskId,
    /// What, and whom.
    pub(crate) join: Join,
    /// Where.
    pub(crate) site: Site,
    /// The calls that lead there, outermost first.
    pub(crate) calls: Arc<[Site]>,
}

/// Follows the waits from `task`, which has just begun one: if they lead back to it, it waits for ever.
pub(crate) fn find_deadlock(scene: &impl Scene, task: TaskId, findings: &mut Findings) {
    let mut circle = vec![(task, None)];
    let count = scene.names().count();
    while let Standing::Waiting(next, place) = scene.standing(circle.last().expect("it starts with the task").0) {
        circle.last_mut().expect("the same").1 = Some(place);
        if next == task {
            let circle = circle.into_iter().map(|(task, place)| (task, place.expect("each of them waits"))).collect();
            return add_deadlock(scene, circle, findings);
        }
        // It may lead into a circle that was found before.
        if circle.len() > count {
            return;
        }
        circle.push((next, None));
    }
}

fn add_deadlock(scene: &impl Scene, circle: Vec<(TaskId, Place)>, findings: &mut Findings) {
    // The same circle is closed by any of its tasks; it is told from the first by name.
    let paths: Vec<String> = circle.iter().map(|&(task, _)| scene.names().path(task)).collect();
    let first = (0..circle.len()).min_by(|&a, &b| fork_order(&paths[a], &paths[b])).expect("it has a task");
    let waits: Vec<StuckWait> = (0..circle.len())
        .map(|i| {
            let (at, next) = ((first + i) % circle.len(), (first + i + 1) % circle.len());
            let (site, calls) = &circle[at].1;
            let fork = scene.fork_site(circle[next].0).map_or(Vec::new(), |fork| fork.stack);
            let (task, target) = (paths[at].clone(), paths[next].clone());
            StuckWait { task, target, stack: stack(*site, calls), fork }
        })
        .collect();
    let mut sites: Vec<Site> = waits.iter().map(|wait| wait.stack[0]).collect();
    sites.sort();
    sites.dedup();
    let words: Vec<&str> = waits.iter().map(|wait| wait.task.as_str()).chain([waits[0].task.as_str()]).collect();
    let key = Key { kind: Kind::Deadlock, deed: Deed::Node(sites[0]), line: None, fork: None, circle: sites };
    let task = circle[first].0;
    let mut finding = scene.finding(Kind::Deadlock, waits[0].stack.clone(), task, scene.fork_site(task));
    finding.targets.push(words.join(" waits for "));
    finding.waits = waits;
    findings.add(key, finding);
}

/// Says what is wrong with an execution that is over; `held` are the tasks whose futures the caller can still reach.
pub(crate) fn conclude(scene: &impl Scene, joined: &[Joined], held: &FxHashSet<TaskId>, findings: &mut Findings) {
    find_lost_errors(scene, held, findings);
    find_unwaited_forks(scene, joined, held, findings);
    note_nest(scene, joined, findings);
}

fn error(scene: &impl Scene, task: TaskId) -> Option<&Raised> {
    if let Standing::Ended(error) = scene.standing(task) { error } else { None }
}

fn returned(scene: &impl Scene, task: TaskId) -> bool {
    matches!(scene.standing(task), Standing::Ended(None))
}

/// An error passes from wait to wait, and nothing on the way can catch it. So it is lost unless it came to the caller,
/// who gets one at most, or the caller holds the future of a task that it came to.
fn find_lost_errors(scene: &impl Scene, held: &FxHashSet<TaskId>, findings: &mut Findings) {
    let own = |&task: &TaskId| error(scene, task).is_some_and(|raised| raised.origin == task);
    let raised: Vec<TaskId> = scene.tasks().filter(|&task| task != TaskId::MAIN).filter(own).collect();
    if raised.is_empty() {
        return;
    }
    let came_to = |task: TaskId| error(scene, task).map(|raised| raised.origin);
    let caller = came_to(TaskId::MAIN).into_iter();
    let seen: FxHashSet<TaskId> = caller.chain(held.iter().filter_map(|&task| came_to(task))).collect();
    for task in raised.into_iter().filter(|task| !seen.contains(task)) {
        let raised = error(scene, task).expect("it was just found");
        let message = format!("{}: {}", raised.class.as_deref().unwrap_or("RuntimeError"), raised.message);
        let (stack, fork) = (raised.trail.clone(), scene.fork_site(task));
        let key = scene.key(Kind::LostError, &stack, fork.as_ref());
        let mut finding = scene.finding(Kind::LostError, stack, task, fork);
        finding.targets.push(message);
        findings.add(key, finding);
    }
}

/// A fork is unwaited if no wait for it was begun in the whole execution. Errors skip waits that do stand in the
/// program: nothing is said where the entry has not returned, or the task that forked has failed.
fn find_unwaited_forks(scene: &impl Scene, joined: &[Joined], held: &FxHashSet<TaskId>, findings: &mut Findings) {
    if !returned(scene, TaskId::MAIN) {
        return;
    }
    let mut waited = vec![false; scene.names().count()];
    for joined in joined {
        if let Join::Wait(target) = joined.join {
            waited[target as usize] = true;
        }
    }
    for task in scene.tasks() {
        if let Standing::Waiting(target, _) = scene.standing(task) {
            waited[target.index()] = true;
        }
    }
    let mut places: BTreeMap<Place, Vec<TaskId>> = BTreeMap::new();
    for joined in joined {
        let Join::Fork(child) = joined.join else { continue };
        let child = TaskId::new(child);
        if !waited[child.index()] && !held.contains(&child) && returned(scene, joined.task) {
            places.entry((joined.site, joined.calls.clone())).or_default().push(child);
        }
    }
    if places.is_empty() {
        return;
    }
    let numbers = numbers_by_name(scene);
    for ((site, calls), mut tasks) in places {
        tasks.sort_by_key(|task| numbers[task.index()]);
        let fork = scene.fork_site(tasks[0]);
        let parent = scene.names().parent(tasks[0]).expect("it was forked");
        let stack = stack(site, &calls);
        let key = scene.key(Kind::UnwaitedFork, &stack, fork.as_ref());
        let mut finding = scene.finding(Kind::UnwaitedFork, stack, parent, fork);
        finding.targets = tasks.into_iter().take(TARGETS).map(|task| scene.names().path(task)).collect();
        findings.add(key, finding);
    }
}

/// Keeps who forked and waited for whom, for the question how large a pool must be, if forked tasks wait at all.
fn note_nest(scene: &impl Scene, joined: &[Joined], findings: &mut Findings) {
    let waits = |joined: &Joined| joined.task != TaskId::MAIN && matches!(joined.join, Join::Wait(_));
    let over = |task| matches!(scene.standing(task), Standing::Ended(_));
    if !joined.iter().any(waits) || !scene.tasks().all(over) {
        return;
    }
    // Only the order within each task counts.
    let mut by_task = vec![0; scene.names().count()];
    for joined in joined {
        let (kind, other) = match joined.join {
            Join::Fork(child) => (1, child),
            Join::Wait(target) => (2, target),
        };
        let event = u64::from(joined.site.0) << 34 | u64::from(other) << 2 | kind;
        let so_far: &mut u64 = &mut by_task[joined.task.index()];
        *so_far = (so_far.rotate_left(5) ^ event).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    let bytes: Vec<u8> = by_task.iter().flat_map(|hash| hash.to_le_bytes()).collect();
    if findings.nests.is_new(xxhash_rust::xxh3::xxh3_128(&bytes)) {
        findings.nests.add(nest(scene, joined));
    }
}

/// By task: its place among the tasks of this execution by name. Paths are not needed for that, which can be long.
fn numbers_by_name(scene: &impl Scene) -> Vec<u32> {
    let mut numbers = vec![0; scene.names().count()];
    let here: FxHashSet<TaskId> = scene.tasks().collect();
    let here = scene.names().by_name().into_iter().filter(|task| here.contains(task));
    for (number, task) in here.enumerate() {
        numbers[task.index()] = number as u32;
    }
    numbers
}

/// Tasks are numbered by name, so that nothing depends on the schedule.
fn nest(scene: &impl Scene, joined: &[Joined]) -> Nest {
    let numbers = numbers_by_name(scene);
    let mut tasks: Vec<TaskId> = scene.tasks().collect();
    tasks.sort_by_key(|task| numbers[task.index()]);
    let mut joins = vec![Vec::new(); tasks.len()];
    let mut places = vec![Vec::new(); tasks.len()];
    let mut forks = vec![Vec::new(); tasks.len()];
    for joined in joined {
        let number = numbers[joined.task.index()] as usize;
        joins[number].push(match joined.join {
            Join::Fork(child) => {
                forks[numbers[child as usize] as usize] = stack(joined.site, &joined.calls);
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
