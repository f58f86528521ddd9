//! Plain state machines as programs: to try a strategy, to measure one, to test one.
//!
//! A [`Program`] is a list of bodies, each a list of [`Op`]s over numbered cells; body 0 is main. A [`Run`] of it is a
//! [`System`](crate::System) and, if it is [`linear`](Run::linear), allocates nothing after its first execution, so
//! that what is measured is the strategy. [`workloads`] has the programs by which schedulers are compared.
//!
//! ```
//! use forkcheck_scheduler::bodies::{Op::*, Program, Run};
//! use forkcheck_scheduler::strategy::random::Random;
//! use std::collections::BTreeSet;
//!
//! // Two tasks increment a cell, not atomically; only the cell is looked at.
//! let increment = || vec![Load(0), Add(1), Store(0)];
//! let program = Program::family([increment(), increment()]).observing(1);
//! let (mut run, mut random, mut outcomes) = (Run::linear(&program), Random::new(1), BTreeSet::new());
//! for _ in 0..100 {
//!     run.execute(&mut random);
//!     outcomes.insert(run.cell(0));
//! }
//! assert_eq!(outcomes, BTreeSet::from([1, 2]));
//! ```

#[cfg(test)]
pub(crate) mod oracle;
mod run;
pub mod workloads;

use std::collections::BTreeMap;

pub use run::{Mark, Run};

use crate::footprint::{Access, Footprint, Kind, Location};
use crate::region::Region;
use crate::task::TaskId;

use Op::*;

/// One instruction of a body. A task has an accumulator, which begins as 0.
///
/// Those that touch a cell, the array or the generator are visible steps. The others touch nothing and are taken at
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    /// Mixes a cell into the accumulator, so that the accumulator tells all that was read, in order.
    Read(usize),
    /// Stores a number made of the accumulator and of who stores.
    Write(usize),
    /// The accumulator becomes the cell.
    Load(usize),
    /// The cell becomes the accumulator.
    Store(usize),
    /// Adds a number to a cell in one step; the accumulator becomes the old content.
    Update(usize, u32),
    /// Adds a line to a cell, in no order: see [`Kind::Commute`].
    Print(usize),
    /// Mixes elements of the array into the accumulator.
    ReadPart(Part),
    /// Stores numbers made of the accumulator and of who stores to elements of the array.
    WritePart(Part),
    /// Mixes the next number of the generator into the accumulator.
    Draw,
    /// The accumulator becomes a number.
    Set(u64),
    /// Adds to the accumulator.
    Add(u64),
    /// Skips `count` instructions, or those that are left, if the accumulator is odd.
    SkipIfOdd {
        /// How many.
        count: u32,
    },
    /// Skips `count` instructions, or those that are left, unless the accumulator is `value`.
    SkipUnless {
        /// What the accumulator is compared with.
        value: u32,
        /// How many.
        count: u32,
    },
    /// Begins the body of this number, if this task is its parent and did not begin it before.
    Fork(usize),
    /// Waits for the end of the body of this number, whoever forks it, and for ever if nobody does. If it ended with an
    /// error, so does this task.
    Wait(usize),
    /// The task ends with an error that names it.
    Raise,
    /// The task ends. So it does after its last instruction.
    Return,
}

/// Elements of the array: `count` of them, `step` apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// The first.
    pub start: u32,
    /// The distance from each to the next.
    pub step: u32,
    /// How many.
    pub count: u32,
}

/// The location of the array. That of a cell is its number.
pub const ARRAY: Location = Location(1 << 40);
/// The location of the generator.
pub const GENERATOR: Location = Location((1 << 40) + 1);

impl Op {
    /// What it touches.
    pub fn footprint(self) -> Footprint {
        let one = |access| Footprint::from_iter([access]);
        let cell = |cell, kind| one(Access::whole(Location(cell as u64), kind));
        let part = |part: Part, kind| one(Access::new(ARRAY, part.region(), kind));
        match self {
            Read(at) | Load(at) => cell(at, Kind::Read),
            Write(at) | Store(at) => cell(at, Kind::Write),
            Update(at, _) => cell(at, Kind::Update),
            Print(at) => cell(at, Kind::Commute),
            ReadPart(at) => part(at, Kind::Read),
            WritePart(at) => part(at, Kind::Write),
            Draw => one(Access::whole(GENERATOR, Kind::Update)),
            Set(_) | Add(_) | SkipIfOdd { .. } | SkipUnless { .. } | Fork(_) | Wait(_) | Raise | Return => {
                Footprint::default()
            }
        }
    }

    /// The cell it touches.
    fn cell(self) -> Option<usize> {
        match self {
            Read(cell) | Write(cell) | Load(cell) | Store(cell) | Update(cell, _) | Print(cell) => Some(cell),
            _ => None,
        }
    }
}

impl Part {
    fn region(self) -> Region {
        let (start, step) = (u64::from(self.start), u64::from(self.step));
        Region::strided(start * 8, 8, &[(self.count.into(), step * 8)])
    }

    fn elements(self) -> impl Iterator<Item = usize> {
        (0..self.count as usize).map(move |i| self.start as usize + i * self.step as usize)
    }
}

/// Bodies, ready to run. Bodies and tasks are the same: each body runs at most once, in one task of its number.
///
/// The *parent* of a body is the first that forks it, as main's text is read child-first: at a fork, the text of the
/// child. Forks of it by others do nothing. Bodies are renumbered in the order in which that reading begins them, so
/// that each subtree is one run of numbers; those listed in this order keep their numbers. Those that nobody forks are
/// last.
#[derive(Debug, Clone)]
pub struct Program {
    /// The instructions of all bodies, each closed by `Return`.
    ops: Vec<Op>,
    /// Where each body begins in `ops`.
    starts: Vec<u32>,
    /// By body; main's and those of bodies that nobody forks are `NOBODY`.
    parents: Vec<usize>,
    /// The different footprints, and by instruction which it has.
    footprints: Vec<Footprint>,
    footprint_of: Vec<u32>,
    cells: usize,
    elements: usize,
    /// How many cells are looked at in the end, if not everything is.
    observed: Option<usize>,
}

const NOBODY: usize = usize::MAX;

impl Program {
    /// A program of these bodies; the first is main.
    ///
    /// # Panics
    /// If there is none, or one forks or waits for a body that does not exist.
    pub fn new<B: AsRef<[Op]>>(bodies: &[B]) -> Self {
        assert!(!bodies.is_empty(), "there is a main");
        let (order, parents) = child_first(bodies);
        let mut number = vec![0; bodies.len()];
        order.iter().enumerate().for_each(|(new, &old)| number[old] = new);
        let mut program = Self {
            ops: Vec::new(),
            starts: Vec::new(),
            parents: order.iter().map(|&old| parents[old].map_or(NOBODY, |parent| number[parent])).collect(),
            footprints: Vec::new(),
            footprint_of: Vec::new(),
            cells: 0,
            elements: 0,
            observed: None,
        };
        for body in order {
            program.starts.push(u32::try_from(program.ops.len()).expect("fewer than 2^32 instructions"));
            program.ops.extend(bodies[body].as_ref().iter().map(|&op| match op {
                Fork(child) => Fork(number[child]),
                Wait(target) => Wait(number[target]),
                _ => op,
            }));
            program.ops.push(Return);
        }
        program.lay_out();
        program
    }

    /// Main forks all bodies, then waits for all.
    pub fn family(bodies: impl IntoIterator<Item = Vec<Op>>) -> Self {
        let mut all = vec![vec![]];
        all.extend(bodies);
        let children = 1..all.len();
        all[0] = children.clone().map(Fork).chain(children.map(Wait)).collect();
        Self::new(&all)
    }

    /// The same, but in the end only the first `cells` cells are looked at, and how tasks ended; not the other cells
    /// and what tasks know.
    pub fn observing(mut self, cells: usize) -> Self {
        self.observed = Some(cells.min(self.cells));
        self
    }

    /// How many tasks there are at most.
    pub fn tasks(&self) -> usize {
        self.starts.len()
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The instructions of a task.
    pub fn body(&self, task: TaskId) -> &[Op] {
        let start = self.starts[task.index()] as usize;
        let end = self.starts.get(task.index() + 1).map_or(self.ops.len(), |&next| next as usize);
        &self.ops[start..end - 1]
    }

    /// The task that forks this one; none for main, and for a body that nobody forks.
    pub fn parent(&self, task: TaskId) -> Option<TaskId> {
        let parent = self.parents[task.index()];
        (parent != NOBODY).then(|| TaskId::new(parent as u32))
    }

    fn lay_out(&mut self) {
        self.cells = self.ops.iter().filter_map(|op| op.cell()).max().map_or(0, |cell| cell + 1);
        let parts = self.ops.iter().filter_map(|op| match op {
            ReadPart(part) | WritePart(part) => part.elements().last(),
            _ => None,
        });
        self.elements = parts.max().map_or(0, |element| element + 1);
        let mut known = BTreeMap::new();
        for op in &self.ops {
            let footprint = op.footprint();
            let next = self.footprints.len() as u32;
            let index = *known.entry(footprint.clone()).or_insert(next);
            if index == next {
                self.footprints.push(footprint);
            }
            self.footprint_of.push(index);
        }
    }
}

/// The bodies in the order in which a child-first reading of main begins them, then the others; and their parents.
fn child_first<B: AsRef<[Op]>>(bodies: &[B]) -> (Vec<usize>, Vec<Option<usize>>) {
    let (mut order, mut parents, mut seen) = (vec![0], vec![None; bodies.len()], vec![false; bodies.len()]);
    seen[0] = true;
    let mut reading = vec![(0, bodies[0].as_ref().iter())];
    while let Some((body, ops)) = reading.last_mut() {
        let body = *body;
        match ops.next() {
            None => drop(reading.pop()),
            Some(&Fork(child)) if !seen[child] => {
                seen[child] = true;
                parents[child] = Some(body);
                order.push(child);
                reading.push((child, bodies[child].as_ref().iter()));
            }
            Some(_) => {}
        }
    }
    order.extend((0..bodies.len()).filter(|&body| !seen[body]));
    (order, parents)
}
