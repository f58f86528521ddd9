//! A small interpreter of fork/wait programs, and the enumeration of all their schedules, for tests.
//!
//! [`bodies`](crate::bodies) are quick because what an instruction touches is known beforehand. Here it may depend on what
//! others wrote, which searches must be able to bear.

use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::bodies::oracle::{self, Class};
use crate::choice::{Moment, Scheduler};
use crate::default_order::{DefaultOrder, OrderMark};
use crate::enabled::Enabled;
use crate::footprint::{Access, Footprint, Kind, Location};
use crate::happens_before::Clock;
use crate::system::{Refused, System, run};
use crate::task::TaskId;

/// One step of a toy task. Bodies and tasks have the same numbers: each body is forked at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// Mixes a cell into the accumulator.
    Read(usize),
    /// Stores something made of the accumulator.
    Write(usize),
    /// Writes a line, in no order.
    Print(usize),
    /// Reads a cell, and goes to the end of the body if it is zero: control that depends on data.
    StopIfZero(usize),
    /// Writes one of two cells: the first if the pointer, a cell, is even. What is touched depends on data.
    Through(usize, [usize; 2]),
    /// Begins the body of this number; a second fork of it does nothing.
    Fork(usize),
    /// Waits for the end of the body of this number, also if somebody else forks it.
    Wait(usize),
}

use Op::*;

pub(crate) const CELLS: usize = 8;

/// Bodies of the tasks; the first is main's.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) bodies: Vec<Vec<Op>>,
    /// By task and place, for an even and an odd pointer.
    footprints: Vec<Vec<[Footprint; 2]>>,
}

impl Program {
    pub(crate) fn new(bodies: &[&[Op]]) -> Self {
        Self::from_bodies(bodies.iter().map(|body| body.to_vec()).collect())
    }

    /// Main forks all bodies, then waits for all.
    pub(crate) fn family(bodies: impl IntoIterator<Item = Vec<Op>>) -> Self {
        let mut all = vec![vec![]];
        all.extend(bodies);
        let children = 1..all.len();
        all[0] = children.clone().map(Fork).chain(children.map(Wait)).collect();
        Self::from_bodies(all)
    }

    pub(crate) fn from_bodies(bodies: Vec<Vec<Op>>) -> Self {
        let footprint = |op: &Op| {
            let access = |cell: &usize, kind| Access::whole(Location(*cell as u64), kind);
            [0, 1].map(|odd| match op {
                Read(cell) | StopIfZero(cell) => Footprint::from_iter([access(cell, Kind::Read)]),
                Write(cell) => Footprint::from_iter([access(cell, Kind::Write)]),
                Print(cell) => Footprint::from_iter([access(cell, Kind::Commute)]),
                Through(pointer, cells) => {
                    Footprint::from_iter([access(pointer, Kind::Read), access(&cells[odd], Kind::Write)])
                }
                Fork(_) | Wait(_) => Footprint::default(),
            })
        };
        let footprints = bodies.iter().map(|body| body.iter().map(footprint).collect()).collect();
        Self { bodies, footprints }
    }

    /// Whether what a step touches may depend on who went before it.
    pub(crate) fn touches_by_data(&self) -> bool {
        self.bodies.iter().flatten().any(|op| matches!(op, Through(..)))
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.bodies)
    }
}

/// n tasks that each write one and the same cell.
pub(crate) fn writers(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![Write(0)]))
}

/// n tasks that each add to one cell, in two steps.
pub(crate) fn increments(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![Read(0), Write(0)]))
}

/// n tasks that each read a cell, and one that writes it.
pub(crate) fn readers(n: usize) -> Program {
    Program::family((0..n).map(|_| vec![Read(0)]).chain([vec![Write(0)]]))
}

/// Up to four tasks: a random tree of forks, waits for anybody, accesses to two cells.
pub(crate) fn any_program() -> impl Strategy<Value = Program> {
    let op = prop_oneof![
        3 => (0..2usize).prop_map(Read),
        4 => (0..2usize).prop_map(Write),
        1 => (0..2usize).prop_map(|cell| Print(cell + 2)),
        1 => (0..2usize).prop_map(StopIfZero),
        1 => (0..2usize).prop_map(|pointer| Through(pointer, [1 - pointer, 2])),
        1 => (1..4usize).prop_map(Wait),
    ];
    let body = prop::collection::vec(op, 0..4);
    (prop::collection::vec(body, 1..5), prop::collection::vec(any::<[u8; 2]>(), 3)).prop_map(|(mut bodies, forks)| {
        for (child, [parent, place]) in (1..bodies.len()).zip(forks) {
            let parent = usize::from(parent) % child;
            let place = usize::from(place) % (bodies[parent].len() + 1);
            bodies[parent].insert(place, Fork(child));
        }
        let count = bodies.len();
        for body in &mut bodies {
            body.retain(|op| !matches!(op, Wait(target) if *target >= count));
        }
        Program::from_bodies(bodies)
    })
}

/// What can be seen of an execution at its end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outcome {
    cells: [u64; CELLS],
    accumulators: Vec<u64>,
    pub(crate) deadlock: bool,
}

/// A program in the middle of an execution.
#[derive(Debug, Clone)]
pub(crate) struct Toy<'p> {
    program: &'p Program,
    state: State,
    enabled: Enabled,
    woken: Vec<TaskId>,
    pub(crate) order: DefaultOrder,
    /// Steps that may be taken before the next is refused.
    pub(crate) limit: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct State {
    cells: [u64; CELLS],
    accumulators: Vec<u64>,
    /// The next step of each task; `None` before it is forked.
    at: Vec<Option<usize>>,
    /// What each task knows, from its fork on.
    clocks: Vec<Clock>,
    trace: Vec<TaskId>,
    /// The place in its body of each step of `trace`, and whether its pointer was odd.
    steps: Vec<(usize, usize)>,
}

impl<'p> Toy<'p> {
    pub(crate) fn new(program: &'p Program) -> Self {
        let count = program.bodies.len();
        let mut at = vec![None; count];
        at[0] = Some(0);
        let clocks = vec![Clock::root(); count];
        let state =
            State { cells: [0; CELLS], accumulators: vec![0; count], at, clocks, trace: Vec::new(), steps: Vec::new() };
        let mut toy = Self {
            program,
            state,
            enabled: Enabled::new(),
            woken: Vec::new(),
            order: DefaultOrder::new(),
            limit: usize::MAX,
        };
        toy.settle();
        toy.woken = toy.enabled.iter().collect();
        toy
    }

    /// The steps taken so far.
    pub(crate) fn trace(&self) -> &[TaskId] {
        &self.state.trace
    }

    /// Where in its body an enabled task stands.
    pub(crate) fn place(&self, task: TaskId) -> usize {
        self.state.at[task.index()].expect("enabled tasks have begun")
    }

    /// Which of the footprints of an op holds now.
    fn odd(&self, op: Op) -> usize {
        match op {
            Through(pointer, _) => (self.state.cells[pointer] % 2) as usize,
            _ => 0,
        }
    }

    pub(crate) fn outcome(&self) -> Outcome {
        let deadlock = (0..self.program.bodies.len()).any(|task| self.state.at[task].is_some() && !self.ended(task));
        Outcome { cells: self.state.cells, accumulators: self.state.accumulators.clone(), deadlock }
    }

    fn ended(&self, task: usize) -> bool {
        self.state.at[task] == Some(self.program.bodies[task].len())
    }

    /// What the task would do next, if it has begun and not ended.
    fn next(&self, task: usize) -> Option<Op> {
        self.program.bodies[task].get(self.state.at[task]?).copied()
    }

    /// Forks and waits wherever that is possible; then those are enabled that stand before an access.
    fn settle(&mut self) {
        loop {
            let free = |task: &usize| match self.next(*task) {
                Some(Fork(_)) => true,
                Some(Wait(target)) => self.ended(target),
                _ => false,
            };
            let Some(task) = (0..self.program.bodies.len()).find(free) else { break };
            match self.next(task) {
                Some(Fork(child)) if self.state.at[child].is_none() => {
                    self.state.at[child] = Some(0);
                    let forked = TaskId::new(child as u32);
                    self.state.clocks[child] = self.state.clocks[task].fork(forked);
                    self.order.forked(forked);
                }
                Some(Wait(target)) => {
                    let last = self.state.clocks[target].clone();
                    self.state.clocks[task].wait(&last);
                }
                _ => {}
            }
            self.state.at[task] = self.state.at[task].map(|at| at + 1);
        }
        let stands = |task: &usize| !matches!(self.next(*task), None | Some(Fork(_) | Wait(_)));
        self.enabled = (0..self.program.bodies.len()).filter(stands).map(|task| TaskId::new(task as u32)).collect();
    }
}

impl Moment for Toy<'_> {
    fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    fn woken(&self) -> &[TaskId] {
        &self.woken
    }

    fn pending(&self, task: TaskId) -> &Footprint {
        let place = self.place(task);
        let odd = self.odd(self.program.bodies[task.index()][place]);
        &self.program.footprints[task.index()][place][odd]
    }

    fn order(&self) -> &[TaskId] {
        &self.state.trace
    }

    fn default_next(&self) -> Option<TaskId> {
        self.order.next(&self.enabled)
    }
}

impl System for Toy<'_> {
    type Mark = (State, OrderMark);

    fn step(&mut self, task: TaskId) -> Result<(), Refused> {
        assert!(self.enabled.contains(task), "{task} is enabled");
        if self.state.trace.len() >= self.limit {
            return Err(Refused);
        }
        self.order.stepped(task);
        let place = self.place(task);
        let body = &self.program.bodies[task.index()];
        let (op, mut next) = (body[place], place + 1);
        self.state.steps.push((place, self.odd(op)));
        let accumulator = &mut self.state.accumulators[task.index()];
        match op {
            StopIfZero(cell) if self.state.cells[cell] == 0 => next = body.len(),
            Read(cell) | StopIfZero(cell) => {
                *accumulator = accumulator.wrapping_mul(31).wrapping_add(self.state.cells[cell] + 1)
            }
            Write(_) | Through(..) => {
                let cell = match op {
                    Write(cell) => cell,
                    Through(pointer, cells) => cells[(self.state.cells[pointer] % 2) as usize],
                    _ => unreachable!(),
                };
                *accumulator += 1;
                self.state.cells[cell] = accumulator.wrapping_mul(1009).wrapping_add(task.number().into());
            }
            Print(cell) => self.state.cells[cell] = self.state.cells[cell].wrapping_add(1),
            Fork(_) | Wait(_) => unreachable!("taken when they are possible"),
        }
        self.state.at[task.index()] = Some(next);
        self.state.trace.push(task);
        let before = self.enabled.clone();
        self.settle();
        self.woken = self.enabled.iter().filter(|&other| !before.contains(other)).collect();
        Ok(())
    }

    fn mark(&mut self) -> Self::Mark {
        (self.state.clone(), self.order.mark())
    }

    fn rewind(&mut self, (state, order): &Self::Mark) {
        self.state.clone_from(state);
        self.order.rewind(order);
        self.settle();
    }

    fn clock(&self, task: TaskId) -> &Clock {
        &self.state.clocks[task.index()]
    }

    fn varies(&self, task: TaskId) -> bool {
        matches!(self.next(task.index()), Some(Through(..)))
    }

    fn digest(&self) -> Option<u128> {
        let state = &self.state;
        let places = state.at.iter().map(|at| at.map_or(0, |at| at as u64 + 1));
        let words = state.cells.iter().chain(&state.accumulators).copied().chain(places);
        Some(words.fold(0, |hash: u128, word| {
            let mixed = (hash ^ u128::from(word)).wrapping_mul(0x2d35_8dcc_aa6c_78a5_8bb8_4b93_962e_acc9);
            mixed ^ mixed >> 64
        }))
    }
}

/// Runs one execution by a strategy, and gives the tasks in the order of their steps.
pub(crate) fn drive(program: &Program, scheduler: &mut impl Scheduler) -> Vec<TaskId> {
    let mut toy = Toy::new(program);
    assert!(scheduler.begin());
    let ending = run(&mut toy, scheduler);
    scheduler.end(ending);
    toy.trace().to_vec()
}

/// Everything that the schedules of a program do, found without any cleverness.
#[derive(Debug)]
pub(crate) struct Truth {
    pub(crate) classes: BTreeSet<Class>,
    pub(crate) outcomes: BTreeMap<Outcome, Tally>,
}

/// What all schedules that lead to one outcome come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tally {
    pub(crate) schedules: u128,
    /// The chance that a random walk ends there.
    pub(crate) probability: f64,
    /// The fewest switches away from a task that could go on.
    pub(crate) preemptions: usize,
}

/// Runs all interleavings, or gives up if there are more than `most`.
pub(crate) fn brute_force(program: &Program, most: usize) -> Option<Truth> {
    let mut truth = Truth { classes: BTreeSet::new(), outcomes: BTreeMap::new() };
    let begin = Tally { schedules: 1, probability: 1.0, preemptions: 0 };
    let mut states = vec![(Toy::new(program), begin)];
    let mut leaves = 0;
    while let Some((toy, tally)) = states.pop() {
        let enabled = toy.enabled();
        if enabled.is_empty() {
            leaves += 1;
            if leaves > most {
                return None;
            }
            truth.classes.insert(class(&toy));
            let none = Tally { schedules: 0, probability: 0.0, preemptions: usize::MAX };
            let all = truth.outcomes.entry(toy.outcome()).or_insert(none);
            all.schedules += 1;
            all.probability += tally.probability;
            all.preemptions = all.preemptions.min(tally.preemptions);
        }
        for task in enabled.iter() {
            let mut next = toy.clone();
            next.step(task).expect("there is no limit");
            let probability = tally.probability / enabled.len() as f64;
            let preempts = toy.trace().last().is_some_and(|&last| last != task && enabled.contains(last));
            let preemptions = tally.preemptions + usize::from(preempts);
            states.push((next, Tally { probability, preemptions, ..tally }));
        }
    }
    Some(truth)
}

fn class(toy: &Toy<'_>) -> Class {
    let footprint =
        |task: TaskId, (place, odd): (usize, usize)| toy.program.footprints[task.index()][place][odd].clone();
    let steps = toy.trace().iter().zip(&toy.state.steps);
    oracle::class(&steps.map(|(&task, &step)| (task.index(), footprint(task, step))).collect::<Vec<_>>())
}
