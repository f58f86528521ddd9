//! How many threads a pool needs that *blocks* at a wait, so that it can never hang.
//!
//! Such a pool starts tasks in the order in which they were forked, and a task that waits keeps its thread. When every
//! thread is held by a task that waits for one that has not started, nothing ever moves again (PyTorch issue 109782). A
//! pool that suspends a waiting task, as PyTorch's interpreter does, cannot hang in this way. The caller has a thread of
//! its own and takes none of the pool's.
//!
//! What one execution forked and waited for, task by task, is all that matters. Of the steps of a pool only the order of
//! forks is a choice: starting the first task of the queue, passing a wait whose task has ended, and ending only ever
//! make other steps possible and commute with them, so they are taken at once and no hang is missed (a persistent set of
//! one, Godefroid 1996). States are remembered. More threads are not always safer: two tasks that run side by side can
//! fork in an order that one thread never shows. So the answer is one more than the *largest* pool that can hang.
//!
//! A pool with a thread more than there are tasks that can wait at the same time cannot hang: the width of the order
//! "ends before the other is forked" among tasks that wait (Dilworth, 1950), found by matching. Where one run that hangs
//! meets this bound, as in all nests of forks and joins, nothing needs to be searched.

use std::collections::{BTreeSet, VecDeque};

/// What a task does that matters to a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Join {
    /// Forks the task of this number.
    Fork(u32),
    /// Waits for the task of this number.
    Wait(u32),
}

use Join::{Fork, Wait};

/// The forks and waits of one execution that ran to its end: by task, in program order. Task 0 is the caller.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joins {
    /// Invariant: each task but the caller is forked once, and nobody waits for the caller.
    tasks: Vec<Vec<Join>>,
}

/// How many threads a pool needs that blocks at a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// A pool of one thread less can hang.
    pub at_least: u32,
    /// No pool of this size or above can hang. The same as `at_least` unless the search was given up.
    pub at_most: u32,
    /// How the pool of `at_least - 1` threads hangs: what each of its threads is stuck at. Empty if no pool can.
    pub hang: Vec<Stuck>,
}

/// A task that waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// Which task.
    pub task: u32,
    /// Its how-manieth fork or wait it stands at, from 0.
    pub at: u32,
    /// For whom it waits.
    pub target: u32,
}

/// Programs with more tasks get bounds without a search, and above that the plainest bounds.
const SEARCHED_TASKS: usize = 64;
const MATCHED_TASKS: usize = 1024;

impl Joins {
    /// # Panics
    /// If a task is not forked exactly once, or somebody waits for the caller: there is no such execution.
    pub fn new(tasks: Vec<Vec<Join>>) -> Self {
        let mut forked = vec![0; tasks.len()];
        for join in tasks.iter().flatten() {
            match *join {
                Fork(child) => forked[child as usize] += 1,
                Wait(target) => assert_ne!(target, 0, "nobody holds the caller's future"),
            }
        }
        assert!(forked.iter().enumerate().all(|(task, &forks)| forks == u32::from(task > 0)), "each is forked once");
        Self { tasks }
    }

    /// By task: its forks and waits.
    pub fn tasks(&self) -> &[Vec<Join>] {
        &self.tasks
    }

    /// How many threads are needed, looking at `states` states at most where the bounds do not meet.
    ///
    /// # Panics
    /// If tasks wait for each other in a circle: no execution that ended did.
    pub fn need(&self, states: usize) -> Need {
        let waits = |task: &&Vec<Join>| task.iter().any(|join| matches!(join, Wait(_)));
        let waiting = self.tasks[1..].iter().filter(waits).count() as u32;
        let mut need = Need { at_least: 1, at_most: 1 + waiting, hang: Vec::new() };
        if waiting == 0 {
            return need;
        }
        assert!(self.first_hang(u32::MAX).is_none(), "an execution that ended has no circle of waits");
        if self.tasks.len() <= MATCHED_TASKS {
            need.at_most = 1 + self.width();
        }
        let hang = |threads: u32| Some((threads, self.first_hang(threads)?));
        if let Some((threads, hang)) = likely(need.at_most - 1).find_map(hang) {
            need = Need { at_least: threads + 1, hang, ..need };
        }
        if self.tasks.len() > SEARCHED_TASKS {
            return need;
        }
        let mut left = states;
        while need.at_least < need.at_most {
            match self.search(need.at_most - 1, &mut left) {
                Some(Some(hang)) => need = Need { at_least: need.at_most, hang, ..need },
                Some(None) => need.at_most -= 1,
                None => break,
            }
        }
        need
    }

    /// How a pool of so many threads hangs when the oldest task that can fork always does so first.
    fn first_hang(&self, threads: u32) -> Option<Vec<Stuck>> {
        let mut pool = Pool::start(self, threads);
        while let Some(task) = pool.forkers.first().copied() {
            pool.fork(task);
        }
        pool.hang()
    }

    /// How a pool of so many threads can hang, if it can; `None` if the states are used up.
    fn search(&self, threads: u32, states: &mut usize) -> Option<Option<Vec<Stuck>>> {
        let start = Pool::start(self, threads);
        let mut seen = BTreeSet::from([start.state.clone()]);
        let mut open = vec![start];
        while let Some(pool) = open.pop() {
            if let Some(hang) = pool.hang() {
                return Some(Some(hang));
            }
            for &task in pool.forkers.iter().rev() {
                let mut next = pool.clone();
                next.fork(task);
                if seen.insert(next.state.clone()) {
                    *states = states.checked_sub(1)?;
                    open.push(next);
                }
            }
        }
        Some(None)
    }

    /// The most tasks that wait and of which none ends before another is forked.
    fn width(&self) -> u32 {
        let before = self.ended_before_fork();
        let waits = |&task: &usize| self.tasks[task].iter().any(|join| matches!(join, Wait(_)));
        let waiting: Vec<usize> = (1..self.tasks.len()).filter(waits).collect();
        let later: Vec<Vec<usize>> = waiting
            .iter()
            .map(|&first| (0..waiting.len()).filter(|&then| before[waiting[then]].contains(first)).collect())
            .collect();
        // As few chains as possible: each task is followed by at most one, and each pair that is matched joins two chains.
        let mut follows: Vec<Option<usize>> = vec![None; waiting.len()];
        let mut chains = waiting.len() as u32;
        for first in 0..waiting.len() {
            chains -= u32::from(augment(first, &later, &mut follows));
        }
        chains
    }

    /// By task: the tasks that have ended before it is forked, under every schedule.
    fn ended_before_fork(&self) -> Vec<Set> {
        let count = self.tasks.len();
        let mut known = vec![Set::new(count); count];
        let mut at_fork = known.clone();
        // By task: how many of its forks and waits are taken in; `None` before its own fork is.
        let mut at = vec![None; count];
        at[0] = Some(0);
        let mut moved = true;
        while std::mem::take(&mut moved) {
            for task in 0..count {
                while let Some((place, &join)) = at[task].and_then(|place| Some((place, self.tasks[task].get(place)?)))
                {
                    match join {
                        Fork(child) => {
                            at_fork[child as usize] = known[task].clone();
                            known[child as usize] = known[task].clone();
                            at[child as usize] = Some(0);
                        }
                        Wait(target) if at[target as usize] == Some(self.tasks[target as usize].len()) => {
                            let theirs = known[target as usize].clone();
                            known[task].join(&theirs);
                            known[task].insert(target as usize);
                        }
                        Wait(_) => break,
                    }
                    at[task] = Some(place + 1);
                    moved = true;
                }
            }
        }
        at_fork
    }
}

/// Sizes of pools to try, the greatest first: all that are small, and twice as many each time above.
fn likely(most: u32) -> impl Iterator<Item = u32> {
    let small = (1..=most.min(32)).rev();
    std::iter::successors(Some(most).filter(|&most| most > 32), |size| Some(size / 2).filter(|&half| half > 32))
        .chain(small)
}

/// Finds `first` a follower, letting others find another one (Kuhn, 1955).
fn augment(first: usize, later: &[Vec<usize>], follows: &mut [Option<usize>]) -> bool {
    let mut tried = vec![false; follows.len()];
    // The way there: who looks for a follower, how far it has looked, and the one it is trying to take.
    let mut way = vec![(first, 0)];
    while let Some(&(task, next)) = way.last() {
        let Some(&then) = later[task].get(next) else {
            way.pop();
            continue;
        };
        way.last_mut().expect("just seen").1 += 1;
        if std::mem::replace(&mut tried[then], true) {
            continue;
        }
        match follows[then] {
            Some(other) => way.push((other, 0)),
            None => {
                for &(task, next) in &way {
                    follows[later[task][next - 1]] = Some(task);
                }
                return true;
            }
        }
    }
    false
}

/// Task numbers, a bit each.
#[derive(Debug, Clone)]
struct Set(Vec<u64>);

impl Set {
    fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn insert(&mut self, task: usize) {
        self.0[task / 64] |= 1 << (task % 64);
    }

    fn contains(&self, task: usize) -> bool {
        self.0[task / 64] >> (task % 64) & 1 == 1
    }

    fn join(&mut self, other: &Set) {
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine |= theirs);
    }
}

/// A pool at work, where nothing but forks can be done next.
#[derive(Debug, Clone)]
struct Pool<'a> {
    joins: &'a Joins,
    state: State,
    /// Threads that hold no task.
    free: u32,
    /// Tasks that stand before a fork.
    forkers: BTreeSet<u32>,
    /// By task: those that stand before a wait for it.
    waiters: Vec<Vec<u32>>,
}

/// All that decides what a pool of a given size can still do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// By task: how many of its forks and waits are done; `None` before it starts.
    at: Vec<Option<u32>>,
    /// Tasks that were forked and have not started.
    queue: VecDeque<u32>,
}

impl<'a> Pool<'a> {
    fn start(joins: &'a Joins, threads: u32) -> Self {
        let count = joins.tasks.len();
        let mut at = vec![None; count];
        at[0] = Some(0);
        let state = State { at, queue: VecDeque::new() };
        let waiters = vec![Vec::new(); count];
        let mut pool = Self { joins, state, free: threads, forkers: BTreeSet::new(), waiters };
        pool.settle(0);
        pool
    }

    /// Lets `task`, which stands before a fork, do it.
    fn fork(&mut self, task: u32) {
        let at = self.state.at[task as usize].as_mut().expect("a task that forks has started");
        let Fork(child) = self.joins.tasks[task as usize][*at as usize] else {
            unreachable!("it stands before a fork")
        };
        *at += 1;
        self.forkers.remove(&task);
        self.state.queue.push_back(child);
        self.settle(task);
    }

    /// Lets `task`, and whoever can go on because of it, pass waits, end and start, until only forks are left.
    fn settle(&mut self, task: u32) {
        let mut going = vec![task];
        loop {
            while let Some(task) = going.pop() {
                self.advance(task, &mut going);
            }
            if self.free == 0 {
                return;
            }
            let Some(first) = self.state.queue.pop_front() else { return };
            self.free -= 1;
            self.state.at[first as usize] = Some(0);
            going.push(first);
        }
    }

    fn advance(&mut self, task: u32, going: &mut Vec<u32>) {
        loop {
            let at = self.state.at[task as usize].expect("a task that goes on has started");
            match self.joins.tasks[task as usize].get(at as usize) {
                Some(Fork(_)) => {
                    self.forkers.insert(task);
                    return;
                }
                Some(&Wait(target)) if !self.has_ended(target) => {
                    self.waiters[target as usize].push(task);
                    return;
                }
                Some(Wait(_)) => self.state.at[task as usize] = Some(at + 1),
                None => {
                    self.free += u32::from(task != 0);
                    going.append(&mut self.waiters[task as usize]);
                    return;
                }
            }
        }
    }

    fn has_ended(&self, task: u32) -> bool {
        self.state.at[task as usize].is_some_and(|at| at as usize == self.joins.tasks[task as usize].len())
    }

    /// The tasks that hold a thread, if the pool hangs.
    fn hang(&self) -> Option<Vec<Stuck>> {
        let all_ended = (0..self.joins.tasks.len() as u32).all(|task| self.has_ended(task));
        if all_ended || !self.forkers.is_empty() {
            return None;
        }
        let stuck = (1..self.joins.tasks.len() as u32).filter_map(|task| {
            let at = self.state.at[task as usize]?;
            match *self.joins.tasks[task as usize].get(at as usize)? {
                Wait(target) => Some(Stuck { task, at, target }),
                Fork(_) => unreachable!("nobody can fork"),
            }
        });
        Some(stuck.collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `F1 F2 W1; F3 W3; ; ` — tasks in order, `F` forks and `W` waits.
    fn joins(text: &str) -> Joins {
        let join = |word: &str| {
            let number = word[1..].parse().unwrap();
            if word.starts_with('F') { Fork(number) } else { Wait(number) }
        };
        Joins::new(text.split(';').map(|task| task.split_whitespace().map(join).collect()).collect())
    }

    /// What is needed, and who is stuck at whom in a pool of one thread less.
    fn check(text: &str, threads: u32, hang: &[(u32, u32)]) {
        let need = joins(text).need(100_000);
        assert_eq!((need.at_least, need.at_most), (threads, threads), "{text}");
        let found: Vec<_> = need.hang.iter().map(|stuck| (stuck.task, stuck.target)).collect();
        assert_eq!(found, hang, "{text}");
    }

    #[test]
    fn only_the_caller_waits() {
        // Its thread is not the pool's, so one thread does everything.
        check("F1 F2 F3 W1 W2 W3; ; ; ", 1, &[]);
        // Nobody waits at all.
        check("F1; F2; ", 1, &[]);
    }

    #[test]
    fn each_level_of_waits_holds_a_thread() {
        check("F1 W1; F2 W2; ", 2, &[(1, 2)]);
        check("F1 W1; F2 W2; F3 W3; ", 3, &[(1, 2), (2, 3)]);
        check("F1 W1; F2 W2; F3 W3; F4 W4; ", 4, &[(1, 2), (2, 3), (3, 4)]);
    }

    #[test]
    fn each_parent_that_waits_at_the_same_time_holds_a_thread() {
        // Three parents, each with a child, all started before any child.
        check("F1 F2 F3 W1 W2 W3; F4 W4; F5 W5; F6 W6; ; ; ", 4, &[(1, 4), (2, 5), (3, 6)]);
        // One after the other they need no more than one of them would.
        check("F1 W1 F2 W2 F3 W3; F4 W4; F5 W5; F6 W6; ; ; ", 2, &[(1, 4)]);
    }

    #[test]
    fn a_wait_for_what_was_forked_earlier_never_blocks_in_a_queue() {
        // 2 waits for 1, which stands before it in the queue: by the time that 2 has a thread, 1 has one too.
        check("F1 F2 W2; ; W1", 1, &[]);
        check("F1 F2 F3 W3; ; W1; W2", 1, &[]);
    }

    #[test]
    fn nested_forks_without_nested_waits_need_one_thread() {
        // The grandchild is waited for by the caller, who got its future from the child.
        check("F1 W1 W2; F2; ", 1, &[]);
    }

    #[test]
    fn more_threads_can_be_worse() {
        // 1 forks 3 and hands its future out; 2 forks 4 and 5, which both wait for 1 and then for 3. One thread runs 1
        // before 2, so 3 stands before 4 and 5. Two threads may run 2 first: 4 waits for 1, 5 starts when 1 has ended,
        // and 3 stands behind them.
        let program = joins("F1 F2 W2 W4 W5; F3; F4 F5; ; W1 W3; W1 W3");
        assert_eq!(program.search(1, &mut 1000), Some(None));
        check("F1 F2 W2 W4 W5; F3; F4 F5; ; W1 W3; W1 W3", 3, &[(4, 3), (5, 3)]);
    }

    #[test]
    fn a_large_program_gets_bounds_without_a_search() {
        // A binary tree of forks, each of which waits for both of its own: 1023 tasks, of which 511 wait; the caller's
        // wait takes no thread of the pool, 510 do.
        let tree = |task: u32| {
            let (left, right) = (2 * task + 1, 2 * task + 2);
            if right < 1023 { vec![Fork(left), Fork(right), Wait(left), Wait(right)] } else { Vec::new() }
        };
        let need = Joins::new((0..1023).map(tree).collect()).need(0);
        assert_eq!((need.at_least, need.at_most, need.hang.len()), (511, 511, 510));
        // A chain of 10 000 tasks is beyond the matching, but not beyond the plain bounds.
        let chain = |task: u32| if task < 9_999 { vec![Fork(task + 1), Wait(task + 1)] } else { Vec::new() };
        let need = Joins::new((0..10_000).map(chain).collect()).need(0);
        assert_eq!((need.at_least, need.at_most), (9_999, 9_999));
    }

    #[test]
    #[should_panic(expected = "circle")]
    fn a_circle_of_waits_is_no_execution_that_ended() {
        joins("F1 F2; W2; W1").need(10);
    }

    /// The largest pool that can hang, by trying every order of single steps: start, fork, pass a wait, end.
    fn largest_that_hangs(joins: &Joins) -> u32 {
        let most = joins.tasks.len() as u32;
        (1..most).rev().find(|&threads| hangs(joins, threads)).unwrap_or(0)
    }

    fn hangs(joins: &Joins, threads: u32) -> bool {
        // By task: not started, or how far it is; one more than its length when it has ended.
        type Plain = (Vec<Option<usize>>, Vec<u32>);
        let mut at = vec![None; joins.tasks.len()];
        at[0] = Some(0);
        let start: Plain = (at, Vec::new());
        let mut seen = BTreeSet::from([start.clone()]);
        let mut open = vec![start];
        let ended = |at: &[Option<usize>], task: usize| at[task] == Some(joins.tasks[task].len() + 1);
        while let Some((at, queue)) = open.pop() {
            let mut next: Vec<Plain> = Vec::new();
            let busy = (1..at.len()).filter(|&task| at[task].is_some() && !ended(&at, task)).count();
            if busy < threads as usize && !queue.is_empty() {
                let (mut at, mut queue) = (at.clone(), queue.clone());
                at[queue.remove(0) as usize] = Some(0);
                next.push((at, queue));
            }
            for task in 0..at.len() {
                let Some(place) = at[task].filter(|_| !ended(&at, task)) else { continue };
                let (mut later, mut queued) = (at.clone(), queue.clone());
                later[task] = Some(place + 1);
                match joins.tasks[task].get(place) {
                    Some(&Wait(target)) if !ended(&at, target as usize) => continue,
                    Some(&Fork(child)) => queued.push(child),
                    _ => {}
                }
                next.push((later, queued));
            }
            if next.is_empty() && !(0..at.len()).all(|task| ended(&at, task)) {
                return true;
            }
            open.extend(next.into_iter().filter(|state| seen.insert(state.clone())));
        }
        false
    }

    /// Executions of up to seven tasks that end.
    fn executions() -> impl Strategy<Value = Joins> {
        let parents = proptest::collection::vec((0..7u32, 0..4usize), 1..7);
        let waits = proptest::collection::vec((0..7usize, 1..7u32, 0..5usize), 0..8);
        (parents, waits).prop_filter_map("a circle of waits", |(parents, waits)| {
            let count = parents.len() + 1;
            let mut tasks = vec![Vec::new(); count];
            for (child, &(parent, place)) in (1u32..).zip(&parents) {
                let task: &mut Vec<Join> = &mut tasks[(parent % child) as usize];
                task.insert(place.min(task.len()), Fork(child));
            }
            for &(task, target, place) in &waits {
                let (task, target) = (task % count, 1 + (target - 1) % (count as u32 - 1));
                let task = &mut tasks[task];
                task.insert(place.min(task.len()), Wait(target));
            }
            let joins = Joins::new(tasks);
            joins.first_hang(u32::MAX).is_none().then_some(joins)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn the_need_is_that_of_every_order_of_steps(joins in executions()) {
            let truth = largest_that_hangs(&joins) + 1;
            let need = joins.need(1_000_000);
            prop_assert_eq!((need.at_least, need.at_most), (truth, truth));
            prop_assert_eq!(need.hang.len() as u32, truth - 1);
            let bounds = joins.need(0);
            prop_assert!(bounds.at_least <= truth && truth <= bounds.at_most, "{:?} of {}", bounds, truth);
        }
    }
}
