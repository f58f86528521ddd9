//! Random programs, a slow second interpreter of them, and the enumeration of all their schedules, for tests.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::bodies::{NOBODY, Op, Op::*, Part, Program, Run};
use crate::choice::{Moment, Scheduler};
use crate::footprint::Footprint;
use crate::profile::Profile;
use crate::rng::run_seed;
use crate::system::System;
use crate::task::TaskId;

/// Up to five tasks: a random tree of forks, waits for anybody, steps of all kinds at two cells and five elements,
/// branches and errors.
pub(crate) fn any_program() -> impl Strategy<Value = Program> {
    let part = (0..3u32, 1..3u32, 0..3u32).prop_map(|(start, step, count)| Part { start, step, count });
    let op = prop_oneof![
        6 => (0..2usize).prop_map(Read),
        8 => (0..2usize).prop_map(Write),
        2 => (0..2usize).prop_map(Load),
        2 => (0..2usize).prop_map(Store),
        1 => (0..2usize).prop_map(|cell| Update(cell, 1)),
        1 => (2..4usize).prop_map(Print),
        2 => part.clone().prop_map(ReadPart),
        2 => part.prop_map(WritePart),
        1 => Just(Draw),
        1 => (1..4u64).prop_map(Add),
        1 => (1..4u32).prop_map(|count| SkipIfOdd { count }),
        1 => (0..3u32, 1..4u32).prop_map(|(value, count)| SkipUnless { value, count }),
        3 => (1..5usize).prop_map(Wait),
        1 => Just(Raise),
    ];
    let body = prop::collection::vec(op, 0..4);
    (prop::collection::vec(body, 1..6), prop::collection::vec(any::<[u8; 2]>(), 4)).prop_map(|(mut bodies, forks)| {
        for (child, [parent, place]) in (1..bodies.len()).zip(forks) {
            let parent = usize::from(parent) % child;
            let place = usize::from(place) % (bodies[parent].len() + 1);
            bodies[parent].insert(place, Fork(child));
        }
        let count = bodies.len();
        for body in &mut bodies {
            body.retain(|op| !matches!(op, Wait(target) if *target >= count));
        }
        Program::new(&bodies)
    })
}

/// Runs one execution by a strategy, and gives the numbers of the tasks in the order of their steps.
pub(crate) fn drive(program: &Program, scheduler: &mut impl Scheduler) -> Vec<u32> {
    let mut run = Run::linear(program);
    run.execute(scheduler).expect("the strategy has one more");
    run.order().iter().map(|task| task.number()).collect()
}

/// A program in the middle of an execution, as plainly as can be. Everything that decides what follows, and nothing
/// else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    /// The next instruction of each task, before it has ended.
    at: Vec<Option<usize>>,
    ends: Vec<Option<Result<(), usize>>>,
    accumulators: Vec<u64>,
    cells: Vec<u64>,
    array: Vec<u64>,
    generator: u64,
}

impl State {
    pub(crate) fn new(program: &Program) -> Self {
        let count = program.tasks();
        let mut state = Self {
            at: vec![None; count],
            ends: vec![None; count],
            accumulators: vec![0; count],
            cells: vec![0; program.cells],
            array: vec![0; program.elements],
            generator: 0,
        };
        state.at[0] = Some(0);
        state.settle(program);
        state
    }

    /// What a task that has begun and not ended does next.
    fn next(&self, program: &Program, task: usize) -> Option<Op> {
        let at = self.at[task]?;
        Some(program.body(TaskId::new(task as u32)).get(at).copied().unwrap_or(Return))
    }

    /// The tasks that can take a visible step, with its footprint.
    pub(crate) fn enabled(&self, program: &Program) -> Vec<(usize, Footprint)> {
        let footprint = |task| self.next(program, task).map(Op::footprint).filter(|footprint| !footprint.is_empty());
        (0..program.tasks()).filter_map(|task| Some((task, footprint(task)?))).collect()
    }

    /// Takes one step after another that touches nothing, until there is none.
    fn settle(&mut self, program: &Program) {
        while (0..program.tasks()).any(|task| self.go_on(program, task)) {}
    }

    fn go_on(&mut self, program: &Program, task: usize) -> bool {
        let Some(op) = self.next(program, task) else { return false };
        let known = &mut self.accumulators[task];
        let mut skipped = 0;
        match op {
            Set(value) => *known = value,
            Add(value) => *known = known.wrapping_add(value),
            SkipIfOdd { count } if !known.is_multiple_of(2) => skipped = count,
            SkipUnless { value, count } if *known != u64::from(value) => skipped = count,
            SkipIfOdd { .. } | SkipUnless { .. } => {}
            Fork(child) => {
                if program.parents[child] == task && self.at[child].is_none() && self.ends[child].is_none() {
                    self.at[child] = Some(0);
                }
            }
            Wait(target) => match self.ends[target] {
                None => return false,
                Some(Ok(())) => {}
                Some(error) => return self.end(task, error),
            },
            Raise => return self.end(task, Err(task)),
            Return => return self.end(task, Ok(())),
            _ => return false,
        }
        self.at[task] = self.at[task].map(|at| at + 1 + skipped as usize);
        true
    }

    fn end(&mut self, task: usize, end: Result<(), usize>) -> bool {
        self.at[task] = None;
        self.ends[task] = Some(end);
        true
    }

    pub(crate) fn step(&mut self, program: &Program, task: usize) {
        let known = self.accumulators[task];
        const FACTOR: u64 = 0xa409_3822_299f_31d1;
        let mix = |known: u64, read: u64| known.wrapping_mul(FACTOR).wrapping_add(read.wrapping_add(1));
        let make = |known: u64| (known.wrapping_add(1).wrapping_mul(FACTOR)).rotate_left(32).wrapping_add(task as u64);
        match self.next(program, task).expect("the task is enabled") {
            Read(cell) => self.accumulators[task] = mix(known, self.cells[cell]),
            Load(cell) => self.accumulators[task] = self.cells[cell],
            Store(cell) => self.cells[cell] = known,
            Write(cell) => {
                self.cells[cell] = make(known);
                self.accumulators[task] = known.wrapping_add(1);
            }
            Update(cell, by) => {
                self.accumulators[task] = self.cells[cell];
                self.cells[cell] = self.cells[cell].wrapping_add(by.into());
            }
            Print(cell) => self.cells[cell] = self.cells[cell].wrapping_add(1),
            ReadPart(part) => {
                for i in 0..part.count {
                    let element = self.array[(part.start + i * part.step) as usize];
                    self.accumulators[task] = mix(self.accumulators[task], element);
                }
            }
            WritePart(part) => {
                for i in 0..part.count {
                    let element = part.start + i * part.step;
                    self.array[element as usize] = make(known.wrapping_add(element.into()));
                }
                self.accumulators[task] = known.wrapping_add(1);
            }
            Draw => {
                self.generator = self.generator.wrapping_add(1);
                self.accumulators[task] = mix(known, self.generator);
            }
            _ => panic!("not a visible step"),
        }
        self.at[task] = self.at[task].map(|at| at + 1);
        self.settle(program);
    }
}

/// A class of interleavings, as the order of its conflicting steps: pairs of (task, index of its step).
pub(crate) type Class = Vec<[(usize, usize); 2]>;

/// Everything that the schedules of a program do, found without any cleverness.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// All interleavings, as the numbers of the tasks in the order of their steps.
    pub(crate) orders: BTreeSet<Vec<u32>>,
    pub(crate) classes: BTreeSet<Class>,
    pub(crate) ends: BTreeSet<State>,
    /// The same by [`Run::seen`].
    pub(crate) outcomes: BTreeSet<Vec<u64>>,
}

/// Runs all interleavings, or gives up if there are more than `most`.
pub(crate) fn brute_force(program: &Program, most: usize) -> Option<Truth> {
    let mut truth = Truth::default();
    let mut states = vec![(State::new(program), Vec::<(usize, Footprint)>::new())];
    while let Some((state, steps)) = states.pop() {
        let enabled = state.enabled(program);
        if enabled.is_empty() {
            if truth.orders.len() == most {
                return None;
            }
            let order: Vec<u32> = steps.iter().map(|&(task, _)| task as u32).collect();
            truth.classes.insert(class(&steps));
            truth.outcomes.insert(seen(program, &order));
            truth.orders.insert(order);
            truth.ends.insert(state);
            continue;
        }
        for step in enabled {
            let (mut state, mut steps) = (state.clone(), steps.clone());
            state.step(program, step.0);
            steps.push(step);
            states.push((state, steps));
        }
    }
    Some(truth)
}

/// The class of an interleaving.
pub(crate) fn class_of(program: &Program, order: &[u32]) -> Class {
    let mut run = Run::linear(program);
    let mut steps = Vec::new();
    for &task in order {
        steps.push((task as usize, run.pending(TaskId::new(task)).clone()));
        run.step(TaskId::new(task)).expect("there is no limit");
    }
    class(&steps)
}

/// How often each order comes up in so many executions.
pub(crate) fn orders(program: &Program, scheduler: &mut impl Scheduler, runs: u32) -> BTreeMap<Vec<u32>, u32> {
    let mut seen: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
    let mut run = Run::linear(program);
    for _ in 0..runs {
        run.execute(scheduler).expect("the strategy has one more");
        *seen.entry(run.order().iter().map(|task| task.number()).collect()).or_default() += 1;
    }
    seen
}

/// The profile of a program.
pub(crate) fn profile(program: &Program) -> Arc<Profile> {
    Arc::new(Profile::of(&mut Run::new(program)))
}

/// Each execution of a campaign is the first of the campaign that has its seed, and the same in whatever order they are run.
pub(crate) fn check_run_seeds<S: Scheduler>(program: &Program, new: impl Fn(u64) -> S) {
    let mut campaign = new(11);
    let orders: Vec<Vec<u32>> = (0..50)
        .map(|_| {
            let order = drive(program, &mut campaign);
            let mut again = new(campaign.run_seed().expect("chance plays a part"));
            assert_eq!(drive(program, &mut again), order);
            assert_eq!(again.run_seed(), campaign.run_seed());
            order
        })
        .collect();
    let mut elsewhere = new(11);
    for run in [30, 31, 7, 0, 1, 49] {
        elsewhere.seek(run);
        assert_eq!(drive(program, &mut elsewhere), orders[run as usize], "run {run}");
        assert_eq!(elsewhere.run_seed(), Some(run_seed(11, run)));
    }
}

/// What the fast interpreter shows at the end of an interleaving.
fn seen(program: &Program, order: &[u32]) -> Vec<u64> {
    let mut run = Run::new(program);
    order.iter().for_each(|&task| run.step(TaskId::new(task)).expect("there is no limit"));
    run.seen().to_vec()
}

/// The class of these steps, each with its task.
pub(crate) fn class(steps: &[(usize, Footprint)]) -> Class {
    let index = |at: usize| (steps[at].0, steps[..at].iter().filter(|step| step.0 == steps[at].0).count());
    let mut pairs = Vec::new();
    for (j, b) in steps.iter().enumerate() {
        for (i, a) in steps[..j].iter().enumerate() {
            if a.0 != b.0 && a.1.conflicts(&b.1) {
                pairs.push([index(i), index(j)]);
            }
        }
    }
    pairs.sort();
    pairs
}

/// The state of a fast run in the form of the slow one.
fn state(run: &Run<'_>, slow: &State) -> State {
    let program = run.program();
    let tasks = || (0..program.tasks()).map(|task| TaskId::new(task as u32));
    let end = |task| run.ended(task).then(|| run.error(task).map_or(Ok(()), |origin| Err(origin.index())));
    State {
        // A task that waits is compared by what it does afterwards.
        at: tasks()
            .zip(&slow.at)
            .map(|(t, &at)| if run.enabled().contains(t) { Some(run.place(t)) } else { at })
            .collect(),
        ends: tasks().map(end).collect(),
        accumulators: tasks().map(|task| run.accumulator(task)).collect(),
        cells: (0..program.cells()).map(|cell| run.cell(cell)).collect(),
        ..slow.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows `choices`; calls `at` in each state.
    fn walk<'p>(program: &'p Program, choices: &[usize], mut at: impl FnMut(&mut Run<'p>, &State)) {
        let (mut fast, mut slow) = (Run::new(program), State::new(program));
        at(&mut fast, &slow);
        for choice in choices {
            let Some(&task) = fast.enabled().as_slice().get(choice % fast.enabled().len().max(1)) else { break };
            fast.step(task).unwrap();
            slow.step(program, task.index());
            at(&mut fast, &slow);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_fast_interpreter_does_what_the_slow_one_does(
            program in any_program(), choices in prop::collection::vec(any::<usize>(), 24),
        ) {
            let mut known = BTreeSet::new();
            walk(&program, &choices, |fast, slow| {
                let enabled: BTreeMap<usize, Footprint> = slow.enabled(&program).into_iter().collect();
                let theirs = fast.enabled().iter().map(|task| (task.index(), fast.pending(task).clone())).collect();
                assert_eq!(enabled, theirs);
                assert_eq!(&state(fast, slow), slow);
                // Who is enabled now and was not, but for the stepper.
                let now: BTreeSet<TaskId> = fast.enabled().iter().collect();
                let last = fast.order().last().copied();
                let woken: BTreeSet<TaskId> = now.difference(&known).copied().filter(|&task| Some(task) != last).collect();
                assert_eq!(fast.woken().iter().copied().collect::<BTreeSet<_>>(), woken);
                assert_eq!(fast.woken().len(), woken.len());
                known = now;
            });
        }

        #[test]
        fn going_back_restores_everything(
            program in any_program(), choices in prop::collection::vec(any::<usize>(), 24),
        ) {
            let whole = |run: &Run<'_>| {
                let enabled = run.enabled().as_slice().to_vec();
                let clocks = format!("{:?}", run.enabled().iter().map(|task| run.clock(task)).collect::<Vec<_>>());
                (run.words().to_vec(), enabled, run.order().to_vec(), run.woken().to_vec(), run.default_next(), clocks)
            };
            let mut passed = Vec::new();
            let mut last = None;
            walk(&program, &choices, |run, _| {
                passed.push((run.mark(), whole(run)));
                last = Some(run.clone());
            });
            let mut run = last.unwrap();
            let end = whole(&run);
            for (mark, before) in passed.iter().rev() {
                run.rewind(mark);
                prop_assert_eq!(&whole(&run), before);
                // Forth and back again, from each state.
                end.2[before.2.len()..].iter().for_each(|&task| run.step(task).unwrap());
                prop_assert_eq!(&whole(&run), &end);
                run.rewind(mark);
            }
            run.reset();
            prop_assert_eq!(whole(&run), whole(&Run::new(&program)));
        }

        #[test]
        fn states_of_one_digest_are_equal(program in any_program(), walks: [[u8; 16]; 8]) {
            let mut known: BTreeMap<u128, State> = BTreeMap::new();
            for choices in walks {
                walk(&program, &choices.map(usize::from), |fast, slow| {
                    assert_eq!(known.entry(fast.digest().unwrap()).or_insert_with(|| slow.clone()), slow);
                });
            }
        }
    }

    #[test]
    fn digests_of_different_states_differ() {
        let program = crate::bodies::workloads::increments(4);
        let (mut digests, mut states) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![(Run::new(&program), State::new(&program))];
        while let Some((fast, slow)) = open.pop() {
            digests.insert(fast.digest());
            // What an ended task knows is not looked at, and does not make two states.
            let mut state = slow.clone();
            (0..program.tasks())
                .filter(|&task| state.ends[task].is_some())
                .for_each(|task| state.accumulators[task] = 0);
            if states.insert(state) {
                for task in fast.enabled().iter() {
                    let (mut fast, mut slow) = (fast.clone(), slow.clone());
                    fast.step(task).unwrap();
                    slow.step(&program, task.index());
                    open.push((fast, slow));
                }
            }
        }
        assert_eq!(digests.len(), states.len());
        assert!(states.len() > 100, "{}", states.len());
    }

    #[test]
    fn an_error_ends_who_waits_for_it_and_a_cycle_of_waits_is_a_deadlock() {
        let program = Program::new(&[
            vec![Fork(1), Fork(3), Wait(1), Write(0)],
            vec![Fork(2), Wait(2)],
            vec![Raise],
            vec![Wait(3)],
        ]);
        let run = Run::new(&program);
        let [main, one, two, three] = [0, 1, 2, 3].map(TaskId::new);
        assert_eq!([main, one, two, three].map(|task| run.error(task)), [Some(two), Some(two), Some(two), None]);
        assert_eq!([main, one, two, three].map(|task| run.ended(task)), [true, true, true, false]);
        assert!(run.deadlocked() && run.cell(0) == 0);
    }

    #[test]
    fn bodies_are_numbered_child_first_and_belong_to_their_first_parent() {
        // Body 4 forks 3 first and 2 later; 1 is forked by nobody; 2 is forked by main too, but read later.
        let program = Program::new(&[
            vec![Fork(4), Fork(2), Wait(1)],
            vec![Write(1)],
            vec![Write(2)],
            vec![Write(3)],
            vec![Fork(3), Fork(2)],
        ]);
        let body = |number| program.body(TaskId::new(number)).to_vec();
        assert_eq!(
            [0, 1, 2, 3, 4].map(body),
            [vec![Fork(1), Fork(3), Wait(4)], vec![Fork(2), Fork(3)], vec![Write(3)], vec![Write(2)], vec![Write(1)],]
        );
        let parents = [0, 1, 2, 3, 4].map(|task| program.parent(TaskId::new(task)).map(TaskId::number));
        assert_eq!(parents, [None, Some(0), Some(1), Some(1), None]);
        assert_eq!(program.parents[4], NOBODY);
        let mut run = Run::new(&program);
        assert_eq!(run.enabled().len(), 2);
        run.step(TaskId::new(2)).unwrap();
        run.step(TaskId::new(3)).unwrap();
        assert!(run.deadlocked(), "nobody forks what main waits for");
    }

    #[test]
    fn a_strategy_drives_it() {
        let program = crate::bodies::workloads::writers(3);
        // All three were forked before the first choice, the third one last.
        assert_eq!(drive(&program, &mut crate::strategy::child_first::ChildFirst::new()), [3, 2, 1]);
    }

    #[test]
    fn a_limit_refuses_a_step() {
        let program = crate::bodies::workloads::writers(2);
        let mut run = Run::new(&program).limited(1);
        run.step(TaskId::new(1)).unwrap();
        assert!(run.step(TaskId::new(2)).is_err());
    }
}
