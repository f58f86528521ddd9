//! Task clocks: what one point of a run knows of the other tasks, by program order, fork and wait.
//!
//! A task learns of another in three ways only: it was forked by it, or by somebody who knew of it, or it waited for
//! somebody who did. So it knows nothing of the other, or everything (it has completed), or what came before one of
//! its forks. A clock is therefore a set of completed tasks, as intervals of numbers, and the last known fork of the
//! few others, most of them ancestors. Under child-first numbering a joined subtree is one interval, so fork-join
//! programs keep clocks of constant size without the union-find of SP-bags (Feng and Leiserson, SPAA 1997), and
//! futures that escape need no other algorithm: each adds an interval or two.
//!
//! Time is counted in *segments*. A task's segment ends at its forks and waits; all accesses in one segment know, and
//! are known by, the same.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::task::TaskId;

/// What the current point of one task knows.
///
/// A clone costs three reference counts at most. The order of execution does not matter: the same program has the same clocks
/// under every schedule, as long as it forks and waits the same.
#[derive(Debug, Clone)]
pub struct Clock {
    task: TaskId,
    segment: u32,
    /// Tasks that completed before this point.
    done: Intervals,
    /// The forks that led here, from the root on.
    spine: Option<Arc<Fork>>,
    /// What waits taught beyond `spine`: tasks not known to be complete, each with its last known segment.
    /// Invariant: ascending by task; none of them done; each later than what `spine` knows.
    /// Mostly nothing, and that needs no allocation.
    learnt: Option<Arc<Vec<(TaskId, u32)>>>,
}

/// One fork of an ancestor. Everything that the ancestor did up to and including this segment came before.
#[derive(Debug)]
struct Fork {
    task: TaskId,
    segment: u32,
    depth: u32,
    up: Option<Arc<Fork>>,
    /// A shortcut to an older ancestor, placed so that a search takes a logarithm of the depth (Myers, 1983).
    jump: Option<Arc<Fork>>,
}

impl Clock {
    /// The beginning of main, which knows nothing.
    pub fn root() -> Self {
        Self { task: TaskId::MAIN, segment: 0, done: Intervals::default(), spine: None, learnt: None }
    }

    /// Whose clock it is.
    pub fn task(&self) -> TaskId {
        self.task
    }

    /// The segment that accesses made now belong to.
    pub fn segment(&self) -> u32 {
        self.segment
    }

    /// Forks `child`: the clock at its beginning. The parent's next segment begins.
    pub fn fork(&mut self, child: TaskId) -> Clock {
        let fork = Fork::below(self.spine.as_ref(), self.task, self.segment);
        self.advance();
        Self {
            task: child,
            segment: 0,
            done: self.done.clone(),
            spine: Some(Arc::new(fork)),
            learnt: self.learnt.clone(),
        }
    }

    /// Waits for a task that has ended with the clock `last`. The next segment begins.
    pub fn wait(&mut self, last: &Clock) {
        self.advance();
        if self.done.contains(last.task) {
            return;
        }
        let unknown = |&(task, segment): &(TaskId, u32)| !self.knows(task, segment);
        let mut news: Vec<(TaskId, u32)> = last.parts().iter().copied().filter(unknown).collect();
        let mut theirs = last.spine.as_ref();
        while let Some(fork) = theirs {
            // Above a common fork, both know the same.
            if self
                .spine
                .as_ref()
                .and_then(|mine| mine.at_depth(fork.depth))
                .is_some_and(|mine| Arc::ptr_eq(mine, fork))
            {
                break;
            }
            news.extend(Some((fork.task, fork.segment)).filter(unknown));
            theirs = fork.up.as_ref();
        }
        self.done.add_all(&last.done);
        self.done.add(last.task);
        self.learn(news);
    }

    /// Whether what `task` did in `segment` happens before now. A task's own past always does.
    pub fn knows(&self, task: TaskId, segment: u32) -> bool {
        task == self.task && segment <= self.segment
            || self.done.contains(task)
            || self.forker(task).is_some_and(|known| segment <= known)
    }

    /// Whether `task` is known to have completed.
    pub fn completed(&self, task: TaskId) -> bool {
        self.done.contains(task)
    }

    /// The tasks that are known to have completed, as intervals of numbers: each the first, and one past the last.
    pub fn completed_spans(&self) -> &[(u32, u32)] {
        self.done.spans()
    }

    /// The forks that led here, the latest first: each the task that forked, and the segment that ended with the fork.
    pub fn forks(&self) -> impl Iterator<Item = (TaskId, u32)> + '_ {
        std::iter::successors(self.spine.as_deref(), |fork| fork.up.as_deref()).map(|fork| (fork.task, fork.segment))
    }

    /// Tasks of which waits for others taught a part: each with the last segment that is known, ascending by task.
    pub fn parts(&self) -> &[(TaskId, u32)] {
        self.learnt.as_deref().map_or(&[], Vec::as_slice)
    }

    /// How many things it remembers, the forks that led here apart: what its size and the cost of a wait depend on.
    pub fn size(&self) -> usize {
        self.done.spans().len() + self.parts().len()
    }

    /// The last known segment of a task of which a part is known.
    fn forker(&self, task: TaskId) -> Option<u32> {
        match self.parts().binary_search_by_key(&task, |&(task, _)| task) {
            Ok(place) => Some(self.parts()[place].1),
            Err(_) => self.spine.as_ref()?.find(task),
        }
    }

    fn learn(&mut self, mut news: Vec<(TaskId, u32)>) {
        news.retain(|&(task, segment)| !self.knows(task, segment));
        if news.is_empty() && !self.parts().iter().any(|&(task, _)| self.done.contains(task)) {
            return;
        }
        news.extend(self.parts());
        // The latest of each task comes first, and stays.
        news.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        news.dedup_by_key(|&mut (task, _)| task);
        news.retain(|&(task, _)| !self.done.contains(task));
        self.learnt = (!news.is_empty()).then(|| Arc::new(news));
    }

    fn advance(&mut self) {
        self.segment = self.segment.checked_add(1).expect("a task forks and waits fewer than 2^32 times");
    }
}

impl Fork {
    fn below(up: Option<&Arc<Fork>>, task: TaskId, segment: u32) -> Self {
        let depth = up.map_or(0, |up| up.depth + 1);
        // Two jumps of equal length are joined to one.
        let jump = up.map(|up| match &up.jump {
            Some(jump) => match &jump.jump {
                Some(far) if up.depth - jump.depth == jump.depth - far.depth => far,
                _ => up,
            },
            None => up,
        });
        Self { task, segment, depth, up: up.cloned(), jump: jump.cloned() }
    }

    /// The last known segment of an ancestor. Numbers grow from parent to child.
    fn find(self: &Arc<Self>, task: TaskId) -> Option<u32> {
        let found = self.climb(|fork| fork.task.cmp(&task))?;
        Some(found.segment)
    }

    fn at_depth(self: &Arc<Self>, depth: u32) -> Option<&Arc<Self>> {
        self.climb(|fork| fork.depth.cmp(&depth))
    }

    /// The ancestor for which `order` is `Equal`; it is `Greater` for all below and `Less` for all above.
    fn climb(self: &Arc<Self>, order: impl Fn(&Fork) -> Ordering) -> Option<&Arc<Self>> {
        let mut at = self;
        while order(at) == Ordering::Greater {
            at = match (&at.jump, &at.up) {
                (Some(jump), _) if order(jump) != Ordering::Less => jump,
                (_, Some(up)) => up,
                (_, None) => return None,
            };
        }
        (order(at) == Ordering::Equal).then_some(at)
    }
}

impl Drop for Fork {
    fn drop(&mut self) {
        // One by one, because a chain of forks may be longer than the stack.
        let mut unused: Vec<Arc<Fork>> = self.up.take().into_iter().chain(self.jump.take()).collect();
        while let Some(fork) = unused.pop() {
            if let Some(mut fork) = Arc::into_inner(fork) {
                unused.extend(fork.up.take().into_iter().chain(fork.jump.take()));
            }
        }
    }
}

/// A set of tasks, as intervals of their numbers: pairs of the first and one past the last.
///
/// Invariant: the intervals ascend; none is empty, and none touches the next.
#[derive(Debug, Clone, Default)]
enum Intervals {
    #[default]
    Empty,
    /// What fork-join programs have. It needs no allocation.
    One([(u32, u32); 1]),
    Many(Arc<Vec<(u32, u32)>>),
}

impl Intervals {
    fn spans(&self) -> &[(u32, u32)] {
        match self {
            Intervals::Empty => &[],
            Intervals::One(span) => span,
            Intervals::Many(spans) => spans,
        }
    }

    fn contains(&self, task: TaskId) -> bool {
        let spans = self.spans();
        let place = spans.partition_point(|&(_, end)| end <= task.number());
        spans.get(place).is_some_and(|&(start, _)| start <= task.number())
    }

    fn add(&mut self, task: TaskId) {
        self.add_span(task.number(), task.number() + 1);
    }

    fn add_span(&mut self, start: u32, end: u32) {
        // The spans that overlap or touch the new one become one with it.
        let spans = self.spans();
        let from = spans.partition_point(|&(_, end)| end < start);
        let to = spans.partition_point(|&(start, _)| start <= end);
        let (first, last) = if from == to { (start, end) } else { (spans[from].0, spans[to - 1].1) };
        let joined = (start.min(first), end.max(last));
        if spans[from..to] == [joined] {
            return;
        }
        if to - from == spans.len() {
            *self = Intervals::One([joined]);
        } else {
            self.many().splice(from..to, [joined]);
        }
    }

    fn add_all(&mut self, other: &Intervals) {
        for &(start, end) in other.spans() {
            self.add_span(start, end);
        }
    }

    /// The intervals as a list of our own.
    fn many(&mut self) -> &mut Vec<(u32, u32)> {
        if !matches!(self, Intervals::Many(_)) {
            *self = Intervals::Many(Arc::new(self.spans().to_vec()));
        }
        let Intervals::Many(spans) = self else { unreachable!("it was just made so") };
        Arc::make_mut(spans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const MAIN: TaskId = TaskId::MAIN;
    const A: TaskId = TaskId::new(1);
    const B: TaskId = TaskId::new(2);

    #[test]
    fn fork_and_wait_order_what_came_before() {
        let mut main = Clock::root();
        let mut a = main.fork(A);
        assert!(a.knows(MAIN, 0) && !a.knows(MAIN, 1));
        assert!(main.knows(MAIN, 1) && !main.knows(A, 0));
        let b = a.fork(B);
        assert!(b.knows(A, 0) && !b.knows(A, 1) && b.knows(MAIN, 0) && !b.knows(MAIN, 1));
        // Waiting for a task says nothing of what it forked and did not wait for.
        main.wait(&a);
        assert_eq!(main.segment(), 2, "what comes after a wait knows more than what came before");
        assert!(main.completed(A) && main.knows(A, 1) && !main.knows(B, 0));
        main.wait(&b);
        assert!(main.knows(B, 0));
        assert_eq!(main.done.spans(), [(1, 3)]);
    }

    #[test]
    fn an_escaped_future_tells_of_its_forker() {
        let mut main = Clock::root();
        let mut a = main.fork(A);
        let b = a.fork(B);
        // Main got the future of B through memory; A is still running.
        main.wait(&b);
        assert!(main.knows(A, 0) && !main.knows(A, 1) && !main.completed(A));
        assert_eq!(main.parts(), [(A, 0)]);
        main.wait(&a);
        assert!(main.knows(A, 7) && main.parts().is_empty());
    }

    #[test]
    fn joined_subtrees_are_one_interval() {
        let mut main = Clock::root();
        for number in 0..1000 {
            let mut child = main.fork(TaskId::new(2 * number + 1));
            let grandchild = child.fork(TaskId::new(2 * number + 2));
            child.wait(&grandchild);
            main.wait(&child);
        }
        assert_eq!((main.done.spans(), main.parts().len()), ([(1, 2001)].as_slice(), 0));
    }

    #[test]
    fn chains_of_forks_may_be_long() {
        let mut clocks = vec![Clock::root()];
        for number in 1..200_000 {
            let child = clocks.last_mut().unwrap().fork(TaskId::new(number));
            clocks.push(child);
        }
        let deepest = clocks.pop().unwrap();
        assert!(
            (0..199_999).step_by(999).all(|n| deepest.knows(TaskId::new(n), 0) && !deepest.knows(TaskId::new(n), 1))
        );
        drop(clocks);
        drop(deepest);
    }

    /// A random run: who acts, and whether it forks, waits for one of the ended tasks, or ends.
    #[derive(Debug, Clone)]
    enum Action {
        Fork,
        Wait(usize),
        End,
    }

    fn run() -> impl Strategy<Value = Vec<(usize, Action)>> {
        let action = prop_oneof![
            3 => Just(Action::Fork),
            4 => any::<usize>().prop_map(Action::Wait),
            2 => Just(Action::End),
        ];
        prop::collection::vec((any::<usize>(), action), 0..60)
    }

    /// Points of the run, one per segment and one at the end; `before` holds all points that reach it.
    struct Point {
        clock: Clock,
        before: BTreeSet<(TaskId, u32)>,
    }

    fn check(actions: Vec<(usize, Action)>) -> Result<(), TestCaseError> {
        let point = |clock: &Clock, before: &BTreeSet<_>| {
            let mut before = before.clone();
            before.insert((clock.task(), clock.segment()));
            Point { clock: clock.clone(), before }
        };
        let mut live = vec![point(&Clock::root(), &BTreeSet::new())];
        let mut ended: Vec<Point> = Vec::new();
        let mut points: Vec<Point> = Vec::new();
        let mut tasks = 1;
        for (who, action) in actions {
            if live.is_empty() {
                break;
            }
            let at = who % live.len();
            points.push(Point { clock: live[at].clock.clone(), before: live[at].before.clone() });
            match action {
                Action::Fork => {
                    let mut clock = live[at].clock.clone();
                    let child = clock.fork(TaskId::new(tasks));
                    tasks += 1;
                    let forked = point(&child, &live[at].before);
                    live[at] = point(&clock, &live[at].before);
                    live.push(forked);
                }
                Action::Wait(target) if !ended.is_empty() => {
                    let target = &ended[target % ended.len()];
                    let mut clock = live[at].clock.clone();
                    clock.wait(&target.clock);
                    live[at] = point(&clock, &live[at].before.union(&target.before).copied().collect());
                }
                Action::Wait(_) => {}
                Action::End => ended.push(live.remove(at)),
            }
        }
        points.extend(live);
        points.extend(ended);
        for point in &points {
            for other in &points {
                let access = (other.clock.task(), other.clock.segment());
                let reaches = point.before.contains(&access);
                prop_assert_eq!(point.clock.knows(access.0, access.1), reaches, "{:?} at {:?}", access, &point.clock);
            }
            let spans = point.clock.done.spans();
            prop_assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", spans);
            prop_assert!(point.clock.parts().windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_clock_knows_exactly_what_reaches_it(actions in run()) {
            check(actions)?;
        }
    }
}
