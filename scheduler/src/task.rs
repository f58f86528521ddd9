//! Tasks and their names: a small number in this process, a fork path in every process.
//!
//! A number is cheap and a path lasts. The interner keeps the two together across executions, so that a task has
//! the same number under every schedule; paths are what schedules and reports write down.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The number of a task; 0 is the caller, named `main`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TaskId(u32);

impl TaskId {
    /// The task that everything starts from.
    pub const MAIN: TaskId = TaskId(0);

    /// The task of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The number, to index a table of tasks.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{}", self.0)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The interner of fork paths. Keep one for all the executions of a program.
///
/// A parent has a smaller number than its children. Numbers are given in order of first sight; when the first
/// execution is child-first, each subtree is one run of numbers, which is what keeps task clocks small.
///
/// ```
/// use forkcheck_scheduler::{TaskId, Tasks};
///
/// let mut tasks = Tasks::new();
/// let enc = tasks.intern(TaskId::MAIN, "enc", 0);
/// let head = tasks.intern(enc, "head", 0);
/// assert_eq!(tasks.path(head), "main/enc#0/head#0");
/// assert_eq!(tasks.intern(TaskId::MAIN, "enc", 0), enc);
/// assert_eq!(tasks.find("main/enc#0/head#0"), Some(head));
/// ```
#[derive(Debug, Clone)]
pub struct Tasks {
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
struct Node {
    /// `None` for main alone.
    birth: Option<Birth>,
    depth: u32,
    /// Per callee, the forks of it in order: the k-th entry is its k-th fork by this task.
    children: BTreeMap<Arc<str>, Vec<TaskId>>,
}

#[derive(Debug, Clone)]
struct Birth {
    parent: TaskId,
    callee: Arc<str>,
    occurrence: u32,
}

impl Tasks {
    /// Main alone.
    pub fn new() -> Self {
        Self { nodes: vec![Node { birth: None, depth: 0, children: BTreeMap::new() }] }
    }

    /// The task of `parent`'s `occurrence`-th fork of `callee`, counted from 0.
    ///
    /// # Panics
    /// If `parent` is unknown, or forks of `callee` by it were left out: a caller counts from 0 in each execution.
    pub fn intern(&mut self, parent: TaskId, callee: &str, occurrence: u32) -> TaskId {
        let fresh = TaskId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 tasks"));
        let node = &mut self.nodes[parent.index()];
        let depth = node.depth + 1;
        let callee = match node.children.get_key_value(callee) {
            Some((_, forks)) if (occurrence as usize) < forks.len() => return forks[occurrence as usize],
            Some((callee, _)) => callee.clone(),
            None => Arc::from(callee),
        };
        let forks = node.children.entry(callee.clone()).or_default();
        assert_eq!(occurrence as usize, forks.len(), "forks of one callee are counted without gaps");
        forks.push(fresh);
        let birth = Some(Birth { parent, callee, occurrence });
        self.nodes.push(Node { birth, depth, children: BTreeMap::new() });
        fresh
    }

    /// All tasks in the order of their names, whatever their numbers: each before those that it forked, and these by
    /// callee, then as they were forked.
    pub fn by_name(&self) -> Vec<TaskId> {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut open = vec![TaskId::MAIN];
        while let Some(task) = open.pop() {
            order.push(task);
            let forks = self.nodes[task.index()].children.values().rev().flat_map(|forks| forks.iter().rev());
            open.extend(forks);
        }
        order
    }

    /// How many tasks are known, main among them.
    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Forgets all but the first `count` tasks.
    ///
    /// Strategies see tasks in the order of their numbers. A sampled execution must not depend on which tasks the
    /// executions before it happened to meet, or its seed would not repeat it: give each the same tasks to begin with,
    /// those of the first, child-first execution.
    pub fn truncate(&mut self, count: usize) {
        assert!(count > 0, "main stays");
        for node in self.nodes.drain(count.min(self.nodes.len())..).rev().collect::<Vec<_>>() {
            let birth = node.birth.expect("main stays");
            if let Some(parent) = self.nodes.get_mut(birth.parent.index()) {
                // Forks of one callee have ascending numbers, so the greatest number is the last of them.
                parent.children.get_mut(&birth.callee).expect("a child is listed").pop();
            }
        }
    }

    /// The fork path, such as `main/enc#0/head#2`.
    ///
    /// The characters `/`, `#` and `%` of a callee's name are written `%2f`, `%23` and `%25`.
    pub fn path(&self, task: TaskId) -> String {
        let mut births = Vec::with_capacity(self.nodes[task.index()].depth as usize);
        let mut at = task;
        while let Some(birth) = &self.nodes[at.index()].birth {
            births.push(birth);
            at = birth.parent;
        }
        let mut path = String::from("main");
        for birth in births.into_iter().rev() {
            path.push('/');
            escape(&birth.callee, &mut path);
            write!(path, "#{}", birth.occurrence).expect("a string takes everything");
        }
        path
    }

    /// The task of this path, if it was interned.
    pub fn find(&self, path: &str) -> Option<TaskId> {
        let mut names = path.split('/');
        if names.next() != Some("main") {
            return None;
        }
        names.try_fold(TaskId::MAIN, |task, name| {
            let (callee, occurrence) = name.rsplit_once('#')?;
            let forks = self.nodes[task.index()].children.get(unescape(callee).as_str())?;
            forks.get(occurrence.parse::<usize>().ok()?).copied()
        })
    }

    /// The task that forked this one; main has none.
    pub fn parent(&self, task: TaskId) -> Option<TaskId> {
        self.nodes[task.index()].birth.as_ref().map(|birth| birth.parent)
    }

    /// The name of the function that was forked; `main` for main.
    pub fn callee(&self, task: TaskId) -> &str {
        self.nodes[task.index()].birth.as_ref().map_or("main", |birth| &birth.callee)
    }

    /// Which fork of its callee by its parent this is, from 0.
    pub fn occurrence(&self, task: TaskId) -> u32 {
        self.nodes[task.index()].birth.as_ref().map_or(0, |birth| birth.occurrence)
    }

    /// Whether `task` is `ancestor` or lies in its subtree.
    pub fn is_ancestor_or_self(&self, ancestor: TaskId, task: TaskId) -> bool {
        // Numbers grow from parent to child, so the climb can stop early.
        let mut at = task;
        while at > ancestor {
            at = self.parent(at).expect("main is the smallest task");
        }
        at == ancestor
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

fn escape(callee: &str, path: &mut String) {
    for c in callee.chars() {
        match c {
            '/' => path.push_str("%2f"),
            '#' => path.push_str("%23"),
            '%' => path.push_str("%25"),
            _ => path.push(c),
        }
    }
}

fn unescape(name: &str) -> String {
    name.replace("%2f", "/").replace("%23", "#").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_path_has_the_same_number() {
        let mut tasks = Tasks::new();
        let a0 = tasks.intern(TaskId::MAIN, "a", 0);
        let b0 = tasks.intern(TaskId::MAIN, "b", 0);
        let a1 = tasks.intern(TaskId::MAIN, "a", 1);
        let nested = tasks.intern(a1, "a", 0);
        // Another execution sees them in another order.
        assert_eq!(tasks.intern(TaskId::MAIN, "b", 0), b0);
        assert_eq!(tasks.intern(TaskId::MAIN, "a", 0), a0);
        assert_eq!(tasks.intern(TaskId::MAIN, "a", 1), a1);
        assert_eq!(tasks.intern(a1, "a", 0), nested);
        assert_eq!(tasks.count(), 5);
        assert_eq!(tasks.parent(nested), Some(a1));
        assert_eq!((tasks.callee(a1), tasks.occurrence(a1)), ("a", 1));
        assert_eq!((tasks.parent(TaskId::MAIN), tasks.callee(TaskId::MAIN)), (None, "main"));
    }

    #[test]
    fn forgotten_tasks_are_numbered_anew() {
        let mut tasks = Tasks::new();
        let a = tasks.intern(TaskId::MAIN, "f", 0);
        let b = tasks.intern(TaskId::MAIN, "f", 1);
        let below_b = tasks.intern(b, "g", 0);
        tasks.truncate(2);
        assert_eq!((tasks.count(), tasks.find("main/f#0"), tasks.find("main/f#1")), (2, Some(a), None));
        assert_eq!(tasks.intern(a, "g", 0), b, "the numbers are free again");
        assert_eq!(tasks.intern(TaskId::MAIN, "f", 1), below_b);
        tasks.truncate(100);
        assert_eq!(tasks.count(), 4);
    }

    #[test]
    fn ancestors_include_the_task_itself() {
        let mut tasks = Tasks::new();
        let a = tasks.intern(TaskId::MAIN, "f", 0);
        let b = tasks.intern(TaskId::MAIN, "f", 1);
        let below_a = tasks.intern(a, "f", 0);
        for (ancestor, task, expected) in [
            (TaskId::MAIN, below_a, true),
            (a, below_a, true),
            (b, below_a, false),
            (below_a, below_a, true),
            (below_a, a, false),
            (a, b, false),
        ] {
            assert_eq!(tasks.is_ancestor_or_self(ancestor, task), expected, "{ancestor} over {task}");
        }
    }

    #[test]
    fn every_path_is_found_again_whatever_the_names() {
        let mut tasks = Tasks::new();
        let mut parent = TaskId::MAIN;
        for name in ["enc", "", "a/b", "c#7", "100%", "%2f", "{closure}", "é"] {
            parent = tasks.intern(parent, name, 0);
            assert_eq!(tasks.find(&tasks.path(parent)), Some(parent), "{name}");
        }
        for path in ["", "main/", "main/enc", "main/enc#", "main/enc#1", "main/enc#-1", "enc#0", "main/enc#0/"] {
            assert_eq!(tasks.find(path), None, "{path}");
        }
    }

    #[test]
    fn tasks_are_listed_by_name_whatever_their_numbers() {
        let paths = |tasks: &Tasks| tasks.by_name().into_iter().map(|task| tasks.path(task)).collect::<Vec<_>>();
        let mut tasks = Tasks::new();
        let b = tasks.intern(TaskId::MAIN, "b", 0);
        for k in 0..11 {
            tasks.intern(TaskId::MAIN, "a", k);
        }
        tasks.intern(b, "z", 0);
        let mut truth: Vec<String> = (0..11).map(|k| format!("main/a#{k}")).collect();
        truth.insert(0, "main".to_string());
        truth.extend(["main/b#0".to_string(), "main/b#0/z#0".to_string()]);
        assert_eq!(paths(&tasks), truth);
    }
}
