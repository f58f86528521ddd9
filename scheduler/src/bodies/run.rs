//! One execution of plain bodies after another, with nothing allocated, hashed or copied per step.
//!
//! The whole state is one list of words: how each task stands, the cells, what each task knows, who waits for whom. To
//! go back is to put old words back; to begin again is to copy the first words over them, which were taken after
//! main had gone as far as it can without a choice. What is looked at in the end is one slice of the words.

use crate::bodies::{Op, Op::*, Part, Program};
use crate::choice::{Ending, Moment, Scheduler};
use crate::default_order::{DefaultOrder, OrderMark};
use crate::enabled::Enabled;
use crate::footprint::Footprint;
use crate::happens_before::Clock;
use crate::system::{Refused, System, run};
use crate::task::TaskId;

/// A [`Program`] in the middle of an execution. When it is over, [`reset`](Run::reset) begins the next.
#[derive(Debug, Clone)]
pub struct Run<'p> {
    program: &'p Program,
    /// By task its phase; the cells; the array; the generator; by task the accumulator; by task its links.
    words: Vec<u64>,
    places: Places,
    enabled: Enabled,
    order: Vec<TaskId>,
    default_order: DefaultOrder,
    /// Whom each step enabled, one step after another; those of the last step from `woken_from` on.
    woken: Vec<TaskId>,
    woken_from: usize,
    /// Tasks that can go on at once, the next one last. Empty between steps.
    going: Vec<u32>,
    /// What each task knows, from its fork on; empty if nobody will ask.
    clocks: Vec<Clock>,
    /// How to go back, if somebody may want to.
    undo: Vec<Undo>,
    old_clocks: Vec<(u32, Clock)>,
    remembers: bool,
    limit: usize,
    start: Start,
}

/// The state before the first choice.
#[derive(Debug, Clone)]
struct Start {
    words: Vec<u64>,
    enabled: Enabled,
    default_order: OrderMark,
    clocks: Vec<Clock>,
}

/// Where the parts of the state begin.
#[derive(Debug, Clone, Copy)]
struct Places {
    cells: usize,
    array: usize,
    generator: usize,
    accumulators: usize,
    links: usize,
    /// One past what is looked at in the end.
    observed: usize,
}

/// A word as it was, or a change of who is enabled.
#[derive(Debug, Clone, Copy)]
struct Undo {
    /// Which word; or `INSERTED` or `REMOVED`, and then the word holds the task and its place.
    place: u32,
    word: u64,
}

const INSERTED: u32 = u32::MAX;
const REMOVED: u32 = u32::MAX - 1;

/// A state to return to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    undo: usize,
    old_clocks: usize,
    steps: usize,
    woken: [usize; 2],
    default_order: OrderMark,
}

/// How a task stands: one of these, and eight bits higher a number.
mod phase {
    /// Nobody forked it.
    pub(super) const UNBORN: u64 = 0;
    /// It ended without error.
    pub(super) const ENDED: u64 = 1;
    /// It ended with the error of the task of this number.
    pub(super) const FAILED: u64 = 2;
    /// It waits, at the instruction of this number.
    pub(super) const WAITING: u64 = 3;
    /// It can take the step of this instruction.
    pub(super) const STANDING: u64 = 4;

    pub(super) fn make(kind: u64, number: usize) -> u64 {
        kind | (number as u64) << 8
    }

    pub(super) fn split(phase: u64) -> (u64, usize) {
        (phase & 0xff, (phase >> 8) as usize)
    }
}

impl<'p> Run<'p> {
    /// The beginning of an execution, with everything that a search may ask for.
    pub fn new(program: &'p Program) -> Self {
        Self::with_clocks(program, vec![Clock::root(); program.tasks()])
    }

    /// The beginning of an execution for a [`Scheduler`](crate::Scheduler), which never asks what happens before a
    /// step: without clocks. After the first execution, nothing is allocated any more.
    pub fn linear(program: &'p Program) -> Self {
        Self::with_clocks(program, Vec::new())
    }

    fn with_clocks(program: &'p Program, clocks: Vec<Clock>) -> Self {
        let tasks = program.tasks();
        let cells = tasks;
        let array = cells + program.cells;
        let generator = array + program.elements;
        let accumulators = generator + 1;
        let links = accumulators + tasks;
        let observed = program.observed.map_or(links, |observed| cells + observed);
        let mut run = Self {
            program,
            words: vec![0; links + tasks],
            places: Places { cells, array, generator, accumulators, links, observed },
            enabled: Enabled::new(),
            order: Vec::new(),
            default_order: DefaultOrder::new(),
            woken: Vec::new(),
            woken_from: 0,
            going: Vec::new(),
            clocks,
            undo: Vec::new(),
            old_clocks: Vec::new(),
            remembers: false,
            limit: usize::MAX,
            start: Start {
                words: Vec::new(),
                enabled: Enabled::new(),
                default_order: DefaultOrder::new().mark(),
                clocks: Vec::new(),
            },
        };
        run.settle(0, program.starts[0] as usize, NO_TASK);
        run.start = Start {
            words: run.words.clone(),
            enabled: run.enabled.clone(),
            default_order: run.default_order.mark(),
            clocks: run.clocks.clone(),
        };
        run.reset();
        run
    }

    /// The same, but it refuses to take more than `steps` steps.
    pub fn limited(mut self, steps: usize) -> Self {
        self.limit = steps;
        self
    }

    /// Begins the next execution.
    pub fn reset(&mut self) {
        self.words.copy_from_slice(&self.start.words);
        self.enabled.clone_from(&self.start.enabled);
        self.default_order.rewind(&self.start.default_order);
        self.order.clear();
        self.woken.clear();
        self.woken.extend_from_slice(self.start.enabled.as_slice());
        self.woken_from = 0;
        self.clocks.clone_from(&self.start.clocks);
        self.undo.clear();
        self.old_clocks.clear();
        self.remembers = false;
    }

    /// One execution from its beginning, as `scheduler` says; `None` if it has none left to run.
    pub fn execute<C: Scheduler + ?Sized>(&mut self, scheduler: &mut C) -> Option<Ending> {
        if !scheduler.begin() {
            return None;
        }
        self.reset();
        let ending = run(self, scheduler);
        scheduler.end(ending);
        Some(ending)
    }

    /// What runs.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// A hash of what can be seen in the end: how each task ended and with which error, the cells, the array, the
    /// generator, and what each task knows; or the part of it that the program says is looked at.
    #[inline]
    pub fn outcome(&self) -> u64 {
        hash(self.seen())
    }

    /// The words of which [`outcome`](Run::outcome) is the hash.
    #[inline]
    pub fn seen(&self) -> &[u64] {
        &self.words[..self.places.observed]
    }

    /// The content of a cell.
    pub fn cell(&self, cell: usize) -> u64 {
        self.words[self.places.cells..self.places.array][cell]
    }

    /// What a task knows, or knew when it ended.
    pub fn accumulator(&self, task: TaskId) -> u64 {
        self.words[self.places.accumulators..self.places.links][task.index()]
    }

    /// Whether a task has ended, with or without an error.
    pub fn ended(&self, task: TaskId) -> bool {
        matches!(phase::split(self.words[task.index()]).0, phase::ENDED | phase::FAILED)
    }

    /// The task that raised the error with which this one ended.
    pub fn error(&self, task: TaskId) -> Option<TaskId> {
        let (kind, number) = phase::split(self.words[task.index()]);
        (kind == phase::FAILED).then(|| TaskId::new(number as u32))
    }

    /// Whether tasks wait although nobody can step.
    pub fn deadlocked(&self) -> bool {
        let waits = |&phase: &u64| phase::split(phase).0 == phase::WAITING;
        self.enabled.is_empty() && self.words[..self.program.tasks()].iter().any(waits)
    }

    /// Where in its body an enabled task stands.
    pub fn place(&self, task: TaskId) -> usize {
        self.standing(task) - self.program.starts[task.index()] as usize
    }

    /// The instruction before which an enabled task stands.
    #[inline]
    fn standing(&self, task: TaskId) -> usize {
        let (kind, at) = phase::split(self.words[task.index()]);
        assert_eq!(kind, phase::STANDING, "{task} is enabled");
        at
    }

    #[cfg(test)]
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    #[inline]
    fn set(&mut self, place: usize, word: u64) {
        if self.remembers {
            self.undo.push(Undo { place: place as u32, word: self.words[place] });
        }
        self.words[place] = word;
    }

    /// Lets `task` go on at the instruction `at` until it stands before an access, waits or has ended; and likewise
    /// whom that lets go. A child goes before its parent. `stepper` is not woken.
    fn settle(&mut self, task: usize, at: usize, stepper: usize) {
        self.advance(task, at, stepper);
        while let Some(next) = self.going.pop() {
            let (_, at) = phase::split(self.words[next as usize]);
            self.advance(next as usize, at, stepper);
        }
    }

    fn advance(&mut self, mut task: usize, mut at: usize, stepper: usize) {
        let program = self.program;
        loop {
            match program.ops[at] {
                Set(value) => self.set(self.places.accumulators + task, value),
                Add(value) => {
                    let place = self.places.accumulators + task;
                    self.set(place, self.words[place].wrapping_add(value));
                }
                SkipIfOdd { count } if self.words[self.places.accumulators + task] % 2 == 1 => {
                    at = self.skip(task, at, count);
                }
                SkipUnless { value, count } if self.words[self.places.accumulators + task] != u64::from(value) => {
                    at = self.skip(task, at, count);
                }
                SkipIfOdd { .. } | SkipUnless { .. } => {}
                Fork(child) => {
                    if program.parents[child] == task && self.words[child] == phase::UNBORN {
                        self.forked(task, child);
                        self.set(task, phase::make(phase::WAITING, at + 1));
                        self.going.push(task as u32);
                        // The child is no longer unborn from here on.
                        (task, at) = (child, program.starts[child] as usize);
                        self.set(task, phase::make(phase::WAITING, at));
                        continue;
                    }
                }
                Wait(target) => match phase::split(self.words[target]) {
                    (phase::ENDED, _) => self.waited(task, target),
                    (phase::FAILED, origin) => {
                        self.waited(task, target);
                        return self.leave(task, phase::make(phase::FAILED, origin));
                    }
                    _ => return self.wait(task, at, target),
                },
                Raise => return self.leave(task, phase::make(phase::FAILED, task)),
                Return => return self.leave(task, phase::ENDED),
                _ => return self.stand(task, at, stepper),
            }
            at += 1;
        }
    }

    fn forked(&mut self, parent: usize, child: usize) {
        let id = TaskId::new(child as u32);
        self.default_order.forked(id);
        if !self.clocks.is_empty() {
            self.remember_clock(parent);
            self.clocks[child] = self.clocks[parent].fork(id);
        }
    }

    fn waited(&mut self, task: usize, target: usize) {
        if !self.clocks.is_empty() {
            self.remember_clock(task);
            let last = self.clocks[target].clone();
            self.clocks[task].wait(&last);
        }
    }

    fn remember_clock(&mut self, task: usize) {
        if self.remembers {
            self.old_clocks.push((task as u32, self.clocks[task].clone()));
        }
    }

    /// The last of the instructions that are skipped.
    fn skip(&self, task: usize, at: usize, count: u32) -> usize {
        let end = self.program.starts.get(task + 1).map_or(self.program.ops.len(), |&next| next as usize);
        (at + count as usize).min(end - 2)
    }

    fn stand(&mut self, task: usize, at: usize, stepper: usize) {
        self.set(task, phase::make(phase::STANDING, at));
        let id = TaskId::new(task as u32);
        if self.enabled.insert(id) {
            if self.remembers {
                self.undo.push(Undo { place: INSERTED, word: task as u64 });
            }
            if task != stepper {
                self.woken.push(id);
            }
        }
    }

    /// The task is no longer enabled.
    fn disable(&mut self, task: usize) {
        let id = TaskId::new(task as u32);
        if let Some(place) = self.enabled.place(id) {
            self.enabled.remove(id);
            if self.remembers {
                self.undo.push(Undo { place: REMOVED, word: task as u64 | (place as u64) << 32 });
            }
        }
    }

    /// The task waits, and is the first of those that wait for `target`.
    fn wait(&mut self, task: usize, at: usize, target: usize) {
        self.disable(task);
        self.set(task, phase::make(phase::WAITING, at));
        let (mine, theirs) = (self.places.links + task, self.places.links + target);
        let (first, next) = (self.words[theirs] & LOW, self.words[theirs] & !LOW);
        self.set(mine, self.words[mine] & LOW | first << 32);
        self.set(theirs, next | (task as u64 + 1));
    }

    /// The task ends, and those that wait for it go on.
    fn leave(&mut self, task: usize, phase: u64) {
        self.disable(task);
        self.set(task, phase);
        if self.program.observed.is_some() {
            // So that states that differ in nothing else are equal.
            self.set(self.places.accumulators + task, 0);
        }
        let mut waiter = self.words[self.places.links + task] & LOW;
        while waiter > 0 {
            self.going.push(waiter as u32 - 1);
            waiter = self.words[self.places.links + waiter as usize - 1] >> 32;
        }
    }

    /// Takes the visible step of `op`.
    fn access(&mut self, task: usize, op: Op) {
        let accumulator = self.places.accumulators + task;
        let known = self.words[accumulator];
        match op {
            Read(cell) => self.set(accumulator, mixed(known, self.words[self.places.cells + cell])),
            Write(cell) => {
                self.set(accumulator, known.wrapping_add(1));
                self.set(self.places.cells + cell, made(known, task));
            }
            Load(cell) => self.set(accumulator, self.words[self.places.cells + cell]),
            Store(cell) => self.set(self.places.cells + cell, known),
            Update(cell, by) => {
                let old = self.words[self.places.cells + cell];
                self.set(accumulator, old);
                self.set(self.places.cells + cell, old.wrapping_add(by.into()));
            }
            Print(cell) => {
                let place = self.places.cells + cell;
                self.set(place, self.words[place].wrapping_add(1));
            }
            ReadPart(part) => self.set(accumulator, self.read_part(known, part)),
            WritePart(part) => {
                self.set(accumulator, known.wrapping_add(1));
                for element in part.elements() {
                    self.set(self.places.array + element, made(known.wrapping_add(element as u64), task));
                }
            }
            Draw => {
                let drawn = self.words[self.places.generator].wrapping_add(1);
                self.set(self.places.generator, drawn);
                self.set(accumulator, mixed(known, drawn));
            }
            _ => unreachable!("what touches nothing is taken at once"),
        }
    }

    fn read_part(&self, known: u64, part: Part) -> u64 {
        part.elements().fold(known, |known, element| mixed(known, self.words[self.places.array + element]))
    }
}

const NO_TASK: usize = usize::MAX;
const LOW: u64 = 0xffff_ffff;

/// What a task knows after it has read a word.
fn mixed(known: u64, read: u64) -> u64 {
    known.wrapping_mul(FACTOR).wrapping_add(read).wrapping_add(1)
}

/// What a task that knows so much stores.
fn made(known: u64, task: usize) -> u64 {
    known.wrapping_add(1).wrapping_mul(FACTOR).rotate_left(32).wrapping_add(task as u64)
}

impl Moment for Run<'_> {
    #[inline]
    fn enabled(&self) -> &Enabled {
        &self.enabled
    }

    #[inline]
    fn woken(&self) -> &[TaskId] {
        &self.woken[self.woken_from..]
    }

    #[inline]
    fn pending(&self, task: TaskId) -> &Footprint {
        &self.program.footprints[self.program.footprint_of[self.standing(task)] as usize]
    }

    fn order(&self) -> &[TaskId] {
        &self.order
    }

    fn default_next(&self) -> Option<TaskId> {
        self.default_order.next(&self.enabled)
    }
}

impl System for Run<'_> {
    type Mark = Mark;

    fn step(&mut self, task: TaskId) -> Result<(), Refused> {
        let at = self.standing(task);
        if self.order.len() >= self.limit {
            return Err(Refused);
        }
        self.order.push(task);
        self.default_order.stepped(task);
        self.woken_from = self.woken.len();
        self.access(task.index(), self.program.ops[at]);
        self.settle(task.index(), at + 1, task.index());
        Ok(())
    }

    fn mark(&mut self) -> Mark {
        self.remembers = true;
        Mark {
            undo: self.undo.len(),
            old_clocks: self.old_clocks.len(),
            steps: self.order.len(),
            woken: [self.woken_from, self.woken.len()],
            default_order: self.default_order.mark(),
        }
    }

    fn rewind(&mut self, mark: &Mark) {
        for Undo { place, word } in self.undo.drain(mark.undo..).rev() {
            let task = TaskId::new(word as u32);
            match place {
                INSERTED => assert!(self.enabled.remove(task)),
                REMOVED => self.enabled.insert_at(task, (word >> 32) as usize),
                _ => self.words[place as usize] = word,
            }
        }
        for (task, clock) in self.old_clocks.drain(mark.old_clocks..).rev() {
            self.clocks[task as usize] = clock;
        }
        self.order.truncate(mark.steps);
        self.woken_from = mark.woken[0];
        self.woken.truncate(mark.woken[1]);
        self.default_order.rewind(&mark.default_order);
    }

    /// # Panics
    /// If the run is [`linear`](Run::linear).
    fn clock(&self, task: TaskId) -> &Clock {
        assert!(!self.clocks.is_empty(), "a linear run keeps no clocks");
        &self.clocks[task.index()]
    }

    /// Of how tasks stand, of all cells and of what tasks know that may still matter: all that decides what can follow.
    fn digest(&self) -> Option<u128> {
        let words = &self.words[..self.places.links];
        // Both in one pass: neither waits for the products of the other.
        let both = words.iter().fold((FIRST, SECOND), |(a, b), &word| (fold(FIRST, a, word), fold(SECOND, b, word)));
        Some(u128::from(both.0) << 64 | u128::from(both.1))
    }
}

/// The fraction of pi.
const FIRST: u64 = 0x243f_6a88_85a3_08d3;
const SECOND: u64 = 0x1319_8a2e_0370_7344;
const FACTOR: u64 = 0xa409_3822_299f_31d1;

fn hash(words: &[u64]) -> u64 {
    words.iter().fold(FIRST, |hash, &word| fold(FIRST, hash, word))
}

/// Multiplies and folds: both halves of a product depend on every bit of its factors.
fn fold(start: u64, hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word) * u128::from(FACTOR);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_every_word_but_the_order_of_waits() {
        let part = Part { start: 0, step: 1, count: 3 };
        let program = Program::family([vec![Write(0), WritePart(part)], vec![Draw, Read(1)]]);
        let run = Run::new(&program);
        // Three tasks with a phase, an accumulator and a link each, two cells, three elements, the generator.
        assert_eq!(run.words.len(), 3 * 3 + 2 + 3 + 1);
        for place in 0..run.words.len() {
            let mut other = run.clone();
            other.words[place] ^= 1 << 8;
            assert_eq!(other.digest() != run.digest(), place < run.places.links, "word {place}");
        }
    }
}
