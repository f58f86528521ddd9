//! The oracle's own interpreter: what a program does, step by step, straight from the words of the README.
//!
//! Everything here is the plainest thing that works: whole states are copied, tensors are lists of places in a list of
//! numbers. Nothing is shared with the checker but the text of the program.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::program::{Combine, Condition, Held, Holder, KEYS, Operand, Statement, Var, View};
use super::render::{Code, HELD, INPUTS, K, N, Op, W};

/// A number that stands for a fork path in all executions of a program.
pub type TaskName = u8;

/// Fork paths: which fork, in order, of which task.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<(TaskName, u8), TaskName>);

impl Names {
    fn child(&mut self, parent: TaskName, k: u8) -> TaskName {
        let next = TaskName::try_from(self.0.len() + 1).expect("few tasks");
        *self.0.entry((parent, k)).or_insert(next)
    }
}

/// A value of a variable. Tensors, lists and dicts by their places in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// Nothing yet.
    None,
    /// An int.
    Int(i64),
    /// A tensor.
    Tensor(usize),
    /// A list of tensors or futures.
    List(usize),
    /// A dict.
    Dict(usize),
    /// A future.
    Future(TaskName),
    /// A tuple of two, which nobody can change.
    Pair(usize),
    /// An object.
    Object(usize),
}

/// A tensor: which storage, from where, how far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    storage: usize,
    offset: usize,
    /// Sizes and strides.
    dims: Vec<(usize, usize)>,
}

impl Shape {
    /// The places of its elements in the storage, in row-major order.
    fn places(&self) -> Vec<usize> {
        self.dims.iter().fold(vec![self.offset], |places, &(size, stride)| {
            places.iter().flat_map(|place| (0..size).map(move |i| place + i * stride)).collect()
        })
    }

    fn sizes(&self) -> Vec<usize> {
        self.dims.iter().map(|dim| dim.0).collect()
    }

    /// Whether its elements fill a stretch of memory, in some order of the dimensions.
    fn is_dense(&self) -> bool {
        let mut dims: Vec<_> = self.dims.iter().filter(|dim| dim.0 != 1).collect();
        dims.sort_by_key(|dim| dim.1);
        let mut expected = 1;
        dims.iter().all(|(size, stride)| {
            let fits = *stride == expected;
            expected *= size;
            fits
        })
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.dims.iter().rev().filter(|dim| dim.0 != 1).all(|(size, stride)| {
            let fits = *stride == expected;
            expected *= size;
            fits
        })
    }

    /// Whether PyTorch refuses to write this tensor while it reads the other: they share memory, but are not alike.
    fn overlaps_partly(&self, other: &Shape) -> bool {
        if self.storage != other.storage || !self.is_dense() || !other.is_dense() {
            return false;
        }
        let end = |shape: &Shape| shape.offset + shape.places().len();
        if self.offset == other.offset && end(self) == end(other) {
            let strides = |shape: &Shape| shape.dims.iter().map(|dim| dim.1).collect::<Vec<_>>();
            return strides(self) != strides(other);
        }
        self.offset < end(other) && other.offset < end(self)
    }
}

/// Where an access goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The elements of a storage.
    Data(usize),
    /// Sizes and strides of a tensor.
    Meta(usize),
    /// A list.
    List(usize),
    /// A dict.
    Dict(usize),
    /// An attribute.
    N,
    /// An attribute.
    W,
    /// An attribute that is a container.
    Held(Held),
    /// The attribute `k` of a submodule.
    Sub(usize),
    /// `t` of an object.
    T(usize),
    /// `k` of an object.
    K(usize),
    /// The default generator.
    Generator,
    /// What is printed. Writes commute.
    Stdout,
}

/// An access of a step.
#[derive(Debug, Clone, Copy)]
pub struct Access {
    /// Of what.
    pub place: Place,
    /// Which elements.
    pub mask: u64,
    /// Reads, writes.
    pub how: (bool, bool),
}

const READ: (bool, bool) = (true, false);
const WRITE: (bool, bool) = (false, true);
const BOTH: (bool, bool) = (true, true);

impl Access {
    fn whole(place: Place, how: (bool, bool)) -> Self {
        Self { place, mask: u64::MAX, how }
    }

    /// Whether the order of the two can matter.
    pub fn conflicts(&self, other: &Access) -> bool {
        let commute = self.place == Place::Stdout;
        self.place == other.place && self.mask & other.mask != 0 && (self.how.1 || other.how.1) && !commute
    }
}

/// A step that was taken.
#[derive(Debug, Clone)]
pub struct Step {
    /// By whom.
    pub task: TaskName,
    /// Where; 0 for the look of the caller.
    pub line: u32,
    /// What it touched.
    pub accesses: Vec<Access>,
    /// The same, but of an operator in two halves everything with the first: whether it races does not depend on that.
    pub whole: Vec<Access>,
    /// For each access that writes: whether it is an effect, whether what is written can be reached from an attribute.
    pub writes: Vec<(Place, bool, bool)>,
    /// The steps before it, by program order, forks and waits; bit i is step i.
    pub sync: u128,
    /// The same, and by the order of conflicting steps; with itself.
    pub down: u128,
}

/// How the entry ended, and what the caller sees.
pub type Look = (Result<Vec<Seen>, String>, Vec<Seen>);

/// Contents, as they are printed and compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Sizes and elements.
    Tensor(Vec<usize>, Vec<i64>),
    /// In order.
    List(Vec<Seen>),
    /// In order of insertion.
    Dict(Vec<(&'static str, Seen)>),
    /// In order.
    Tuple(Vec<Seen>),
    /// A number.
    Int(i64),
    /// Seed and how many draws since.
    Generator(u64, usize),
}

/// The outcome of an execution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// When the entry returned; as at rest, if it never did.
    pub at_return: Look,
    /// When every task had ended.
    pub at_rest: Look,
    /// Whether some task waits for ever.
    pub deadlock: bool,
}

#[derive(Debug, Clone)]
struct Frame {
    code: Rc<Code>,
    next: usize,
    vars: Vec<Slot>,
    register: i64,
    /// By loop: how many turns it has, and how many are done.
    turns: BTreeMap<usize, (usize, usize)>,
    /// Where the caller wants the result.
    to: Var,
}

#[derive(Debug, Clone)]
enum Store {
    Elements(usize, Vec<usize>, Vec<i64>),
    Append(usize, usize, Slot),
}

#[derive(Debug, Clone)]
struct Task {
    parent: TaskName,
    fork_line: u32,
    frames: Vec<Frame>,
    /// The second half of an operator.
    store: Option<Store>,
    result: Option<Result<Slot, String>>,
    /// The entry has returned, but the caller has not looked.
    looks: bool,
    forks: u8,
    sync: u128,
    down: u128,
}

/// A state of an execution.
#[derive(Debug, Clone)]
pub struct State {
    codes: Rc<Vec<Rc<Code>>>,
    draws: Rc<BTreeMap<u64, Vec<[i64; 2]>>>,
    split: bool,
    tasks: BTreeMap<TaskName, Task>,
    /// Each with its creator.
    storages: Vec<(Vec<i64>, TaskName)>,
    shapes: Vec<(Shape, TaskName)>,
    lists: Vec<(Vec<Slot>, TaskName)>,
    dicts: Vec<(Vec<(usize, Slot)>, TaskName)>,
    pairs: Vec<[Slot; 2]>,
    /// `t` and `k`.
    objects: Vec<((Slot, i64), TaskName)>,
    /// `k` of each submodule; both are the first if they are one.
    subs: [i64; 2],
    one_sub: bool,
    n: i64,
    w: usize,
    /// The list and the dict.
    held: [Slot; 2],
    generator: (u64, usize),
    at_return: Option<Look>,
    /// Whether a tensor was written while one that overlaps it partly was read, which is refused.
    pub overlapping: bool,
    /// What the attributes held at first.
    attribute_at_first: (usize, usize),
    /// Every step so far.
    pub steps: Vec<Step>,
}

/// The inputs, by their places in the heap: `x`, `y`, the list's element, `w`.
const X: usize = 0;
const Y: usize = 1;
const ROW: usize = 2;
const W_AT_FIRST: usize = 3;
const HELD_AT_FIRST: [usize; 2] = [4, 5];

const OVERLAP: &str = "some elements of the input and the output are one";

/// As many visible steps as an execution may have: one bit each.
const LONGEST: usize = 128;

impl State {
    /// The beginning of an execution.
    pub fn new(
        codes: Rc<Vec<Rc<Code>>>,
        y: (usize, usize),
        one_sub: bool,
        draws: Rc<BTreeMap<u64, Vec<[i64; 2]>>>,
        split: bool,
        names: &mut Names,
    ) -> Self {
        let shape = |storage, offset, dims: &[(usize, usize)]| (Shape { storage, offset, dims: dims.to_vec() }, 0);
        let vars = vec![Slot::Tensor(X), Slot::Tensor(Y), Slot::List(0), Slot::Dict(0), Slot::List(1)];
        let frame = Frame { code: codes[0].clone(), next: 0, vars, register: 0, turns: BTreeMap::new(), to: Var(0) };
        let main = Task {
            parent: 0,
            fork_line: 0,
            frames: vec![frame],
            store: None,
            result: None,
            looks: false,
            forks: 0,
            sync: 0,
            down: 0,
        };
        let mut state = Self {
            codes,
            draws,
            split,
            tasks: [(0, main)].into(),
            storages: vec![(INPUTS.to_vec(), 0), (W.to_vec(), 0), (HELD[0].to_vec(), 0), (HELD[1].to_vec(), 0)],
            shapes: vec![
                shape(0, 0, &[(2, 2), (2, 1)]),
                shape(0, y.0, &[(2, y.1)]),
                shape(0, 2, &[(2, 1)]),
                shape(1, 0, &[(2, 1)]),
                shape(2, 0, &[(2, 1)]),
                shape(3, 0, &[(2, 1)]),
            ],
            lists: vec![(vec![Slot::Tensor(ROW)], 0), (Vec::new(), 0), (vec![Slot::Tensor(HELD_AT_FIRST[0])], 0)],
            dicts: vec![(vec![(0, Slot::Tensor(Y))], 0), (vec![(0, Slot::Tensor(HELD_AT_FIRST[1]))], 0)],
            pairs: Vec::new(),
            objects: Vec::new(),
            subs: [K; 2],
            one_sub,
            n: N,
            w: W_AT_FIRST,
            held: [Slot::List(2), Slot::Dict(1)],
            generator: (0, 0),
            at_return: None,
            overlapping: false,
            attribute_at_first: (W_AT_FIRST, 1),
            steps: Vec::new(),
        };
        state.settle(names);
        state
    }

    /// Who can take a step.
    pub fn enabled(&self) -> Vec<TaskName> {
        self.tasks.iter().filter(|(_, task)| self.stands(task)).map(|(&name, _)| name).collect()
    }

    /// Whether the task stands before a visible step.
    fn stands(&self, task: &Task) -> bool {
        task.looks || (task.result.is_none() && !self.waits(task))
    }

    fn waits(&self, task: &Task) -> bool {
        let frame = task.frames.last().expect("it has not ended");
        matches!(&frame.code[frame.next].0, Op::Plain(Statement::Wait(..)))
    }

    /// Whether no step more can be told from the others, or a list has been doubled too often.
    pub fn is_long(&self) -> bool {
        self.steps.len() >= LONGEST || self.lists.iter().any(|list| list.0.len() >= LONGEST)
    }

    /// Lets the task take its next visible step, and everything go on that touches nothing.
    ///
    /// # Panics
    /// If the execution is [long](State::is_long).
    pub fn step(&mut self, name: TaskName, names: &mut Names) {
        let (line, accesses) = self.pending(name);
        let (sync, down) = (self.tasks[&name].sync, self.tasks[&name].down);
        let index = self.steps.len();
        assert!(index < LONGEST, "as many steps as bits");
        let conflicting = self
            .steps
            .iter()
            .filter(|step| step.accesses.iter().any(|earlier| accesses.iter().any(|access| access.conflicts(earlier))));
        let down = conflicting.fold(down, |down, step| down | step.down) | 1 << index;
        let whole = self.whole(name, &accesses);
        let effects = whole.iter().filter(|access| access.how.1);
        let writes =
            effects.map(|access| (access.place, self.is_effect(name, access.place), self.is_attribute(access.place)));
        let writes = writes.collect();
        self.steps.push(Step { task: name, line, accesses, whole, writes, sync, down });
        let task = self.task(name);
        task.sync |= 1 << index;
        task.down = down;
        if let Err(error) = self.perform(name) {
            self.end(name, Err(error));
        }
        self.settle(names);
    }

    fn task(&mut self, name: TaskName) -> &mut Task {
        self.tasks.get_mut(&name).expect("a task that was forked")
    }

    fn is_ancestor_or_self(&self, ancestor: TaskName, mut task: TaskName) -> bool {
        while task != ancestor && task != 0 {
            task = self.tasks[&task].parent;
        }
        task == ancestor
    }

    /// Whether `task` made it, or a task in its subtree.
    pub fn owns(&self, task: TaskName, place: Place) -> bool {
        match place {
            Place::Data(i) => self.is_ancestor_or_self(task, self.storages[i].1),
            Place::Meta(i) => self.is_ancestor_or_self(task, self.shapes[i].1),
            Place::List(i) => self.is_ancestor_or_self(task, self.lists[i].1),
            Place::Dict(i) => self.is_ancestor_or_self(task, self.dicts[i].1),
            Place::T(i) | Place::K(i) => self.is_ancestor_or_self(task, self.objects[i].1),
            Place::N | Place::W | Place::Held(_) | Place::Sub(_) => task == 0,
            Place::Generator | Place::Stdout => false,
        }
    }

    fn is_effect(&self, task: TaskName, place: Place) -> bool {
        task != 0 && !self.owns(task, place)
    }

    fn is_attribute(&self, place: Place) -> bool {
        match place {
            Place::N | Place::W | Place::Held(_) | Place::Sub(_) => true,
            Place::Meta(i) => i == self.w || i == self.attribute_at_first.0,
            Place::Data(i) => i == self.shapes[self.w].0.storage || i == self.attribute_at_first.1,
            _ => false,
        }
    }

    /// The line of the fork that made a task; 0 for the entry.
    pub fn fork_line(&self, task: TaskName) -> u32 {
        self.tasks[&task].fork_line
    }

    /// The parent of a task.
    pub fn parent(&self, task: TaskName) -> TaskName {
        self.tasks[&task].parent
    }

    /// Every task but the entry.
    pub fn forked(&self) -> impl Iterator<Item = TaskName> {
        self.tasks.keys().copied().filter(|&task| task != 0)
    }

    /// Whether a task has raised an error, or waits.
    pub fn is_failing(&self) -> bool {
        self.tasks.values().any(|task| !matches!(task.result, Some(Ok(_))))
    }

    /// How it ended, when nobody can take a step.
    pub fn outcome(&self) -> Outcome {
        let at_rest = self.look();
        let deadlock = self.tasks.values().any(|task| task.result.is_none());
        Outcome { at_return: self.at_return.clone().unwrap_or_else(|| at_rest.clone()), at_rest, deadlock }
    }

    fn look(&self) -> Look {
        let result = match &self.tasks[&0].result {
            Some(Ok(value)) => Ok(vec![self.see(*value)]),
            Some(Err(error)) => Err(error.clone()),
            None => Err("waits for ever".to_string()),
        };
        let inputs = [Slot::Tensor(X), Slot::Tensor(Y), Slot::List(0), Slot::Dict(0), Slot::Tensor(self.w)];
        let mut seen: Vec<Seen> = inputs.iter().map(|slot| self.see(*slot)).collect();
        seen.push(Seen::Int(self.n));
        seen.extend(self.held.map(|slot| self.see(slot)));
        seen.extend([0, 1].map(|sub| Seen::Int(self.subs[self.sub(sub)])));
        seen.push(Seen::Generator(self.generator.0, self.generator.1));
        (result, seen)
    }

    fn see(&self, slot: Slot) -> Seen {
        match slot {
            Slot::Tensor(i) => Seen::Tensor(self.shapes[i].0.sizes(), self.elements(i)),
            Slot::List(i) => Seen::List(self.lists[i].0.iter().map(|item| self.see(*item)).collect()),
            Slot::Dict(i) => {
                Seen::Dict(self.dicts[i].0.iter().map(|(key, item)| (KEYS[*key], self.see(*item))).collect())
            }
            Slot::Int(number) => Seen::Int(number),
            Slot::Pair(i) => Seen::Tuple(self.pairs[i].iter().map(|item| self.see(*item)).collect()),
            Slot::None | Slot::Future(_) | Slot::Object(_) => unreachable!("the caller cannot get at it"),
        }
    }

    fn elements(&self, tensor: usize) -> Vec<i64> {
        let shape = &self.shapes[tensor].0;
        shape.places().iter().map(|&place| self.storages[shape.storage].0[place]).collect()
    }

    fn data(&self, tensor: usize, how: (bool, bool)) -> Access {
        let shape = &self.shapes[tensor].0;
        let mask = shape.places().iter().fold(0, |mask, place| mask | 1 << place);
        Access { place: Place::Data(shape.storage), mask, how }
    }

    /// Everything that the caller can reach from the result, the arguments and the attributes.
    fn reach(&self, slot: Slot, accesses: &mut Vec<Access>) {
        match slot {
            Slot::Tensor(i) => accesses.extend([self.data(i, READ), Access::whole(Place::Meta(i), READ)]),
            Slot::List(i) => {
                accesses.push(Access::whole(Place::List(i), READ));
                self.lists[i].0.iter().for_each(|item| self.reach(*item, accesses));
            }
            Slot::Dict(i) => {
                accesses.push(Access::whole(Place::Dict(i), READ));
                self.dicts[i].0.iter().for_each(|(_, item)| self.reach(*item, accesses));
            }
            Slot::Pair(i) => self.pairs[i].iter().for_each(|item| self.reach(*item, accesses)),
            _ => {}
        }
    }

    /// The line and the accesses of the task's next step; none where it touches nothing.
    fn pending(&self, name: TaskName) -> (u32, Vec<Access>) {
        let task = &self.tasks[&name];
        let mut accesses = Vec::new();
        if task.looks {
            let result = task.result.clone().expect("it returned").unwrap_or(Slot::None);
            let inputs = [Slot::Tensor(X), Slot::Tensor(Y), Slot::List(0), Slot::Dict(0), Slot::Tensor(self.w)];
            [result].iter().chain(&inputs).chain(&self.held).for_each(|slot| self.reach(*slot, &mut accesses));
            let attributes = [Place::N, Place::W, Place::Held(Held::List), Place::Held(Held::Dict), Place::Generator];
            accesses.extend(attributes.map(|place| Access::whole(place, READ)));
            accesses.extend([Place::Sub(0), Place::Sub(self.sub(1))].map(|place| Access::whole(place, READ)));
            return (0, accesses);
        }
        let frame = task.frames.last().expect("it has not ended");
        let (op, line) = &frame.code[frame.next];
        match &task.store {
            Some(Store::Elements(storage, places, _)) => {
                let mask = places.iter().fold(0, |mask, place| mask | 1 << place);
                accesses.push(Access { place: Place::Data(*storage), mask, how: WRITE });
            }
            Some(Store::Append(list, ..)) => accesses.push(Access::whole(Place::List(*list), WRITE)),
            None => {
                self.touches(frame, op, &mut accesses);
                if self.split && splits(op) {
                    accesses.retain(|access| access.how.0);
                    accesses.iter_mut().for_each(|access| access.how.1 = false);
                }
            }
        }
        (*line, accesses)
    }

    fn whole(&self, name: TaskName, accesses: &[Access]) -> Vec<Access> {
        let task = &self.tasks[&name];
        if task.store.is_some() {
            return Vec::new();
        }
        let Some(frame) = task.frames.last() else { return accesses.to_vec() };
        let mut whole = Vec::new();
        self.touches(frame, &frame.code[frame.next].0, &mut whole);
        whole
    }

    fn touches(&self, frame: &Frame, op: &Op, accesses: &mut Vec<Access>) {
        let tensor = |var: &Var| match frame.vars[var.0] {
            Slot::Tensor(i) => i,
            other => unreachable!("a tensor, not {other:?}"),
        };
        let list = |var: &Var| match frame.vars[var.0] {
            Slot::List(i) => Place::List(i),
            Slot::Dict(i) => Place::Dict(i),
            other => unreachable!("a container, not {other:?}"),
        };
        let object = |var: &Var| match frame.vars[var.0] {
            Slot::Object(i) => i,
            other => unreachable!("an object, not {other:?}"),
        };
        let k = |holder: &Holder| match holder {
            Holder::Object(var) => Place::K(object(var)),
            Holder::Sub(sub) => Place::Sub(self.sub(*sub)),
        };
        let mut touch = |place, how| accesses.push(Access::whole(place, how));
        let mut elements: Vec<(usize, (bool, bool))> = Vec::new();
        match op {
            Op::LoadN => touch(Place::N, READ),
            Op::StoreN(_) => touch(Place::N, WRITE),
            Op::LoadK(holder) | Op::Unless(Condition::K(holder, _), _) => touch(k(holder), READ),
            Op::StoreK(holder, _) | Op::Plain(Statement::SetK(holder, _)) => touch(k(holder), WRITE),
            Op::Begin(_, a, None) | Op::Item(_, _, a) => touch(list(a), READ),
            Op::FillRegister(a) => elements.push((tensor(a), WRITE)),
            Op::Unless(Condition::Sum(a, _), _) => elements.push((tensor(a), READ)),
            Op::Unless(Condition::N(_), _) => touch(Place::N, READ),
            Op::Unless(Condition::Length(a, _) | Condition::Key(a, _), _) => touch(list(a), READ),
            Op::Begin(..) | Op::Jump(_) | Op::Turn(..) | Op::Return(_) => {}
            Op::Plain(statement) => match statement {
                Statement::Concat(_, a, b) => {
                    touch(list(a), READ);
                    touch(list(b), READ);
                }
                Statement::Head(_, a)
                | Statement::Values(_, a)
                | Statement::Get(_, a, ..)
                | Statement::Measure(_, a) => touch(list(a), READ),
                Statement::SetDefault(_, a, ..) => touch(list(a), BOTH),
                Statement::AddOut(to, a, b) => {
                    elements.extend([(tensor(a), READ), (tensor(b), READ), (tensor(to), WRITE)]);
                }
                Statement::GetT(_, of) => touch(Place::T(object(of)), READ),
                Statement::SetT(of, _) => touch(Place::T(object(of)), WRITE),
                Statement::View(_, of, _) | Statement::Unbind(_, of, _) => touch(Place::Meta(tensor(of)), READ),
                // It is known beforehand whether it copies.
                Statement::Contiguous(_, of) if self.shapes[tensor(of)].0.is_contiguous() => {
                    touch(Place::Meta(tensor(of)), READ);
                }
                Statement::Contiguous(_, of) => elements.push((tensor(of), READ)),
                Statement::Pop(_, a) | Statement::Clear(a) | Statement::PopKey(_, a, _) => touch(list(a), BOTH),
                Statement::Extend(a, other) => {
                    touch(list(a), BOTH);
                    touch(list(other), READ);
                }
                Statement::GetHeld(_, held) => touch(Place::Held(*held), READ),
                Statement::SetHeld(held, _) => touch(Place::Held(*held), WRITE),
                Statement::Fresh(_, _, a, b) => {
                    elements.push((tensor(a), READ));
                    if let Operand::Tensor(b) = b {
                        elements.push((tensor(b), READ));
                    }
                }
                Statement::Update(_, a, b) => {
                    elements.push((tensor(a), BOTH));
                    if let Operand::Tensor(b) = b {
                        elements.push((tensor(b), READ));
                    }
                }
                Statement::Copy(a, b) => elements.extend([(tensor(a), WRITE), (tensor(b), READ)]),
                Statement::Fill(a, _) => elements.push((tensor(a), WRITE)),
                Statement::Transpose(a) => touch(Place::Meta(tensor(a)), BOTH),
                Statement::SetN(_) => touch(Place::N, WRITE),
                Statement::GetW(_) => touch(Place::W, READ),
                Statement::SetW(_) => touch(Place::W, WRITE),
                Statement::Append(a, _) => touch(list(a), BOTH),
                Statement::SetItem(a, ..) => touch(list(a), BOTH),
                Statement::SetKey(a, ..) => touch(list(a), BOTH),
                Statement::GetItem(_, a, _) | Statement::GetKey(_, a, _) => touch(list(a), READ),
                Statement::Draw(_) => touch(Place::Generator, BOTH),
                Statement::Seed(_) => touch(Place::Generator, WRITE),
                Statement::Print => touch(Place::Stdout, WRITE),
                Statement::PrintTensor(a) => {
                    touch(Place::Stdout, WRITE);
                    elements.push((tensor(a), READ));
                }
                _ => {}
            },
        }
        for (tensor, how) in elements {
            accesses.extend([self.data(tensor, how), Access::whole(Place::Meta(tensor), READ)]);
        }
    }

    /// Lets everything go on that touches nothing: forks, calls, waits for what has ended, jumps.
    fn settle(&mut self, names: &mut Names) {
        while self.settle_once(names) {}
    }

    fn settle_once(&mut self, names: &mut Names) -> bool {
        let all: Vec<TaskName> = self.tasks.keys().copied().collect();
        let mut moved = false;
        for name in all {
            while self.tasks[&name].result.is_none() && self.pending(name).1.is_empty() {
                if !self.quiet(name, names) {
                    break;
                }
                moved = true;
            }
        }
        moved
    }

    /// A step that touches nothing; false if the task waits.
    fn quiet(&mut self, name: TaskName, names: &mut Names) -> bool {
        let (lists, dicts) = (self.lists.len(), self.dicts.len());
        let (pairs, objects) = (self.pairs.len(), self.objects.len());
        let frame = self.task(name).frames.last_mut().expect("it has not ended");
        let (op, line) = frame.code[frame.next].clone();
        match op {
            Op::Jump(to) => frame.next = to,
            Op::Begin(number, _, Some(turns)) => {
                let Slot::Int(turns) = frame.vars[turns.0] else { unreachable!("an int") };
                frame.turns.insert(number, (turns as usize, 0));
                frame.next += 1;
            }
            Op::Turn(number, to) => {
                let (all, done) = frame.turns[&number];
                frame.next = if done < all { frame.next + 1 } else { to };
            }
            Op::Return(var) => {
                let value = frame.vars[var.0];
                let to = frame.to;
                self.task(name).frames.pop();
                match self.task(name).frames.last_mut() {
                    Some(frame) => set(frame, to, value),
                    None => self.end(name, Ok(value)),
                }
            }
            Op::Plain(Statement::Fork(to, callee, args)) => {
                let vars = args.iter().map(|arg| frame.vars[arg.0]).collect();
                let code = self.codes[callee + 1].clone();
                let task = self.task(name);
                let child = names.child(name, task.forks);
                task.forks += 1;
                set(task.frames.last_mut().expect("it has not ended"), to, Slot::Future(child));
                let task = Task {
                    parent: name,
                    fork_line: line,
                    frames: vec![Frame { code, next: 0, vars, register: 0, turns: BTreeMap::new(), to: Var(0) }],
                    store: None,
                    result: None,
                    looks: false,
                    forks: 0,
                    sync: task.sync,
                    down: task.down,
                };
                self.tasks.insert(child, task);
            }
            Op::Plain(Statement::Call(to, callee, args)) => {
                let vars = args.iter().map(|arg| frame.vars[arg.0]).collect();
                let code = self.codes[callee + 1].clone();
                self.task(name).frames.push(Frame { code, next: 0, vars, register: 0, turns: BTreeMap::new(), to });
            }
            Op::Plain(Statement::Wait(to, future)) => {
                let Slot::Future(target) = frame.vars[future.0] else { unreachable!("a future") };
                let target = &self.tasks[&target];
                let Some(result) = target.result.clone() else { return false };
                let (sync, down) = (target.sync, target.down);
                let task = self.task(name);
                task.sync |= sync;
                task.down |= down;
                match result {
                    Ok(value) => set(task.frames.last_mut().expect("it has not ended"), to, value),
                    Err(error) => self.end(name, Err(error)),
                }
            }
            Op::Plain(Statement::Raise(k)) => self.end(name, Err(format!("e{k}"))),
            Op::Plain(Statement::NewTensors(to, first) | Statement::NewNest(to, first)) => {
                let first = frame.vars[first.0];
                set(frame, to, Slot::List(lists));
                self.lists.push((vec![first], name));
            }
            Op::Plain(Statement::NewFutures(to)) => {
                set(frame, to, Slot::List(lists));
                self.lists.push((Vec::new(), name));
            }
            Op::Plain(Statement::Assign(to, from)) => {
                let value = frame.vars[from.0];
                set(frame, to, value);
            }
            Op::Plain(Statement::NewObject(to, _)) => {
                set(frame, to, Slot::Object(objects));
                self.objects.push(((Slot::None, 0), name));
            }
            Op::Plain(Statement::Pack(to, a, b)) => {
                let pair = [frame.vars[a.0], frame.vars[b.0]];
                set(frame, to, Slot::Pair(pairs));
                self.pairs.push(pair);
            }
            Op::Plain(Statement::Unpack(to, pair, i)) => {
                let Slot::Pair(pair) = frame.vars[pair.0] else { unreachable!("a pair") };
                let item = self.pairs[pair][i];
                set(self.task(name).frames.last_mut().expect("it has not ended"), to, item);
            }
            Op::Plain(Statement::NewDict(to)) => {
                set(frame, to, Slot::Dict(dicts));
                self.dicts.push((Vec::new(), name));
            }
            other => unreachable!("{other:?} touches something"),
        }
        true
    }

    fn end(&mut self, name: TaskName, result: Result<Slot, String>) {
        self.overlapping |= result.as_ref().is_err_and(|error| error == OVERLAP);
        let task = self.task(name);
        task.frames.clear();
        task.result = Some(result);
        task.looks = name == 0;
    }

    /// The task's next visible step, or the half of it that is due.
    fn perform(&mut self, name: TaskName) -> Result<(), String> {
        if self.tasks[&name].looks {
            self.at_return = Some(self.look());
            self.task(name).looks = false;
            return Ok(());
        }
        if let Some(store) = self.task(name).store.take() {
            self.store(store);
            self.task(name).frames.last_mut().expect("it has not ended").next += 1;
            return Ok(());
        }
        let mut frame = self.task(name).frames.pop().expect("it has not ended");
        let (op, _) = frame.code[frame.next].clone();
        let done = self.execute(name, &mut frame, &op);
        let halved = self.tasks[&name].store.is_some();
        if !matches!(op, Op::Unless(..)) && !halved {
            frame.next += 1;
        }
        self.task(name).frames.push(frame);
        done
    }

    fn execute(&mut self, name: TaskName, frame: &mut Frame, op: &Op) -> Result<(), String> {
        let tensor = |frame: &Frame, var: &Var| match frame.vars[var.0] {
            Slot::Tensor(i) => i,
            other => unreachable!("a tensor, not {other:?}"),
        };
        let container = |frame: &Frame, var: &Var| match frame.vars[var.0] {
            Slot::List(i) | Slot::Dict(i) => i,
            other => unreachable!("a container, not {other:?}"),
        };
        let object = |frame: &Frame, var: &Var| match frame.vars[var.0] {
            Slot::Object(i) => i,
            other => unreachable!("an object, not {other:?}"),
        };
        match op {
            Op::LoadK(holder) => frame.register = *self.k(frame, *holder),
            Op::StoreK(holder, k) => *self.k(frame, *holder) = frame.register + k,
            Op::Begin(number, list, _) => {
                let turns = self.lists[container(frame, list)].0.len();
                frame.turns.insert(*number, (turns, 0));
            }
            Op::Item(number, to, list) => {
                let turn = frame.turns.get_mut(number).expect("the loop has begun");
                turn.1 += 1;
                let at = turn.1 - 1;
                let item = self.lists[container(frame, list)].0.get(at).copied();
                frame.vars_set(*to, item.ok_or("list index out of range")?);
            }
            Op::LoadN => frame.register = self.n,
            Op::StoreN(k) => self.n = frame.register + k,
            Op::FillRegister(a) => self.fill(tensor(frame, a), frame.register),
            Op::Unless(condition, to) => {
                let holds = match condition {
                    Condition::Sum(a, k) => self.elements(tensor(frame, a)).iter().fold(0, wrapping) > *k,
                    Condition::N(k) => self.n > *k,
                    Condition::K(holder, k) => *self.k(frame, *holder) > *k,
                    Condition::Length(list, k) => self.lists[container(frame, list)].0.len() as i64 > *k,
                    Condition::Key(dict, key) => self.dicts[container(frame, dict)].0.iter().any(|row| row.0 == *key),
                };
                frame.next = if holds { frame.next + 1 } else { *to };
            }
            Op::Jump(_) | Op::Turn(..) | Op::Return(_) => unreachable!("they touch nothing"),
            Op::Plain(statement) => match statement {
                Statement::Concat(to, a, b) => {
                    let mut items = self.lists[container(frame, a)].0.clone();
                    items.extend_from_slice(&self.lists[container(frame, b)].0);
                    self.new_list(name, frame, *to, items);
                }
                Statement::Head(to, a) => {
                    let items = self.lists[container(frame, a)].0.iter().take(1).copied().collect();
                    self.new_list(name, frame, *to, items);
                }
                Statement::Values(to, a) => {
                    let items = self.dicts[container(frame, a)].0.iter().map(|row| row.1).collect();
                    self.new_list(name, frame, *to, items);
                }
                Statement::Get(to, a, key, default) => {
                    let row = self.dicts[container(frame, a)].0.iter().find(|row| row.0 == *key);
                    frame.vars_set(*to, row.map_or(frame.vars[default.0], |row| row.1));
                }
                Statement::SetDefault(to, a, key, default) => {
                    let entries = &mut self.dicts[container(frame, a)].0;
                    if !entries.iter().any(|row| row.0 == *key) {
                        entries.push((*key, frame.vars[default.0]));
                    }
                    let row = entries.iter().find(|row| row.0 == *key).expect("it is there now");
                    frame.vars_set(*to, row.1);
                }
                Statement::AddOut(to, a, b) => {
                    let (to, first, second) = (tensor(frame, to), tensor(frame, a), tensor(frame, b));
                    self.check_overlap(to, first)?;
                    self.check_overlap(to, second)?;
                    let elements = self.combined(Combine::Add, first, Operand::Tensor(*b), frame);
                    self.store_or_keep(name, to, elements);
                }
                Statement::Measure(to, list) => {
                    let length = self.lists[container(frame, list)].0.len();
                    frame.vars_set(*to, Slot::Int(length as i64));
                }
                Statement::GetT(to, of) => frame.vars_set(*to, self.objects[object(frame, of)].0.0),
                Statement::SetT(of, from) => self.objects[object(frame, of)].0.0 = frame.vars[from.0],
                Statement::SetK(holder, k) => *self.k(frame, *holder) = *k,
                Statement::View(to, of, how) => {
                    let mut shape = self.shapes[tensor(frame, of)].0.clone();
                    match *how {
                        View::Select(dim, at) => {
                            shape.offset += at * shape.dims[dim].1;
                            shape.dims.remove(dim);
                        }
                        View::Slice(dim, at) => {
                            shape.offset += at * shape.dims[dim].1;
                            shape.dims[dim].0 = 1;
                        }
                        View::Transpose => shape.dims.swap(0, 1),
                    }
                    frame.vars_set(*to, Slot::Tensor(self.shapes.len()));
                    self.shapes.push((shape, name));
                }
                Statement::Fresh(to, combine, a, b) => {
                    let a = tensor(frame, a);
                    let elements = self.combined(*combine, a, *b, frame);
                    let sizes = self.shapes[a].0.sizes();
                    frame.vars_set(*to, self.tensor(name, &sizes, elements));
                }
                Statement::Update(combine, a, b) => {
                    let a = tensor(frame, a);
                    if let Operand::Tensor(b) = b {
                        self.check_overlap(a, tensor(frame, b))?;
                    }
                    let elements = self.combined(*combine, a, *b, frame);
                    self.store_or_keep(name, a, elements);
                }
                Statement::Copy(a, b) => {
                    let (a, b) = (tensor(frame, a), tensor(frame, b));
                    self.check_overlap(a, b)?;
                    let elements = self.broadcast(b, a);
                    self.store_or_keep(name, a, elements);
                }
                Statement::Fill(a, k) => self.fill(tensor(frame, a), *k),
                Statement::Transpose(a) => self.shapes[tensor(frame, a)].0.dims.swap(0, 1),
                Statement::SetN(k) => self.n = *k,
                Statement::GetW(to) => frame.vars_set(*to, Slot::Tensor(self.w)),
                Statement::SetW(from) => self.w = tensor(frame, from),
                Statement::Append(list, item) => {
                    let list = container(frame, list);
                    let store = Store::Append(list, self.lists[list].0.len(), frame.vars[item.0]);
                    match self.split {
                        true => self.task(name).store = Some(store),
                        false => self.store(store),
                    }
                }
                Statement::SetItem(list, i, item) => {
                    let place = self.lists[container(frame, list)].0.get_mut(*i);
                    *place.ok_or("list index out of range")? = frame.vars[item.0];
                }
                Statement::GetItem(to, list, i) => {
                    let item = self.lists[container(frame, list)].0.get(*i).copied();
                    frame.vars_set(*to, item.ok_or("list index out of range")?);
                }
                Statement::SetKey(dict, key, item) => {
                    let entries = &mut self.dicts[container(frame, dict)].0;
                    match entries.iter_mut().find(|row| row.0 == *key) {
                        Some(row) => row.1 = frame.vars[item.0],
                        None => entries.push((*key, frame.vars[item.0])),
                    }
                }
                Statement::GetKey(to, dict, key) => {
                    let row = self.dicts[container(frame, dict)].0.iter().find(|row| row.0 == *key).copied();
                    frame.vars_set(*to, row.ok_or_else(|| format!("no key {}", KEYS[*key]))?.1);
                }
                Statement::Draw(to) => {
                    let (seed, count) = self.generator;
                    let drawn = self.draws[&seed][count].to_vec();
                    self.generator.1 += 1;
                    frame.vars_set(*to, self.tensor(name, &[2], drawn));
                }
                Statement::Seed(seed) => self.generator = (*seed, 0),
                Statement::Unbind(to, of, dim) => {
                    let of = tensor(frame, of);
                    let rows = (0..2).map(|at| {
                        let mut shape = self.shapes[of].0.clone();
                        shape.offset += at * shape.dims[*dim].1;
                        shape.dims.remove(*dim);
                        self.shapes.push((shape, name));
                        Slot::Tensor(self.shapes.len() - 1)
                    });
                    let rows = rows.collect();
                    self.new_list(name, frame, *to, rows);
                }
                Statement::Contiguous(to, of) => {
                    let of = tensor(frame, of);
                    let shape = &self.shapes[of].0;
                    let itself = shape.is_contiguous();
                    let (sizes, elements) = (shape.sizes(), self.elements(of));
                    let made = if itself { Slot::Tensor(of) } else { self.tensor(name, &sizes, elements) };
                    frame.vars_set(*to, made);
                }
                Statement::Pop(to, list) => {
                    let item = self.lists[container(frame, list)].0.pop();
                    frame.vars_set(*to, item.ok_or("pop from empty list")?);
                }
                Statement::Extend(list, other) => {
                    let items = self.lists[container(frame, other)].0.clone();
                    self.lists[container(frame, list)].0.extend(items);
                }
                Statement::Clear(list) => self.lists[container(frame, list)].0.clear(),
                Statement::PopKey(to, dict, key) => {
                    let entries = &mut self.dicts[container(frame, dict)].0;
                    let at = entries.iter().position(|row| row.0 == *key);
                    let at = at.ok_or_else(|| format!("no key {}", KEYS[*key]))?;
                    frame.vars_set(*to, entries.remove(at).1);
                }
                Statement::GetHeld(to, held) => frame.vars_set(*to, self.held[*held as usize]),
                Statement::SetHeld(held, from) => self.held[*held as usize] = frame.vars[from.0],
                Statement::Print | Statement::PrintTensor(_) => {}
                other => unreachable!("{other:?} touches nothing"),
            },
        }
        Ok(())
    }

    fn new_list(&mut self, name: TaskName, frame: &mut Frame, to: Var, items: Vec<Slot>) {
        frame.vars_set(to, Slot::List(self.lists.len()));
        self.lists.push((items, name));
    }

    /// Which submodule this is.
    fn sub(&self, sub: usize) -> usize {
        if self.one_sub { 0 } else { sub }
    }

    fn k(&mut self, frame: &Frame, holder: Holder) -> &mut i64 {
        match holder {
            Holder::Object(var) => match frame.vars[var.0] {
                Slot::Object(i) => &mut self.objects[i].0.1,
                other => unreachable!("an object, not {other:?}"),
            },
            Holder::Sub(sub) => &mut self.subs[self.sub(sub)],
        }
    }

    fn check_overlap(&self, to: usize, from: usize) -> Result<(), String> {
        let partly = to != from && self.shapes[to].0.overlaps_partly(&self.shapes[from].0);
        if partly { Err(OVERLAP.to_string()) } else { Ok(()) }
    }

    /// The elements of `from`, repeated to the sizes of `to`.
    fn broadcast(&self, from: usize, to: usize) -> Vec<i64> {
        let (from, to) = (&self.shapes[from].0, &self.shapes[to].0);
        let mut shape = from.clone();
        let missing = to.dims.len() - from.dims.len();
        shape.dims = to.dims.iter().map(|dim| (dim.0, 0)).collect();
        for (dim, own) in shape.dims[missing..].iter_mut().zip(&from.dims) {
            dim.1 = if own.0 == 1 { 0 } else { own.1 };
        }
        shape.places().iter().map(|&place| self.storages[shape.storage].0[place]).collect()
    }

    fn combined(&self, combine: Combine, a: usize, b: Operand, frame: &Frame) -> Vec<i64> {
        let first = self.elements(a);
        let second = match b {
            Operand::Number(number) => vec![number; first.len()],
            Operand::Tensor(b) => match frame.vars[b.0] {
                Slot::Tensor(b) => self.broadcast(b, a),
                other => unreachable!("a tensor, not {other:?}"),
            },
        };
        let pairs = first.iter().zip(&second);
        match combine {
            Combine::Add => pairs.map(|(a, b)| a.wrapping_add(*b)).collect(),
            Combine::Mul => pairs.map(|(a, b)| a.wrapping_mul(*b)).collect(),
        }
    }

    fn tensor(&mut self, name: TaskName, sizes: &[usize], elements: Vec<i64>) -> Slot {
        let mut stride = elements.len();
        let dims = sizes
            .iter()
            .map(|&size| {
                stride /= size;
                (size, stride)
            })
            .collect();
        self.shapes.push((Shape { storage: self.storages.len(), offset: 0, dims }, name));
        self.storages.push((elements, name));
        Slot::Tensor(self.shapes.len() - 1)
    }

    fn fill(&mut self, tensor: usize, k: i64) {
        let shape = self.shapes[tensor].0.clone();
        let count = shape.places().len();
        self.store(Store::Elements(shape.storage, shape.places(), vec![k; count]));
    }

    fn store_or_keep(&mut self, name: TaskName, tensor: usize, elements: Vec<i64>) {
        let shape = &self.shapes[tensor].0;
        let store = Store::Elements(shape.storage, shape.places(), elements);
        match self.split {
            true => self.task(name).store = Some(store),
            false => self.store(store),
        }
    }

    fn store(&mut self, store: Store) {
        match store {
            Store::Elements(storage, places, elements) => {
                let content = &mut self.storages[storage].0;
                places.iter().zip(elements).for_each(|(&place, element)| content[place] = element);
            }
            Store::Append(list, at, item) => match self.lists[list].0.get_mut(at) {
                Some(place) => *place = item,
                None => self.lists[list].0.push(item),
            },
        }
    }
}

impl Frame {
    fn vars_set(&mut self, to: Var, value: Slot) {
        if self.vars.len() <= to.0 {
            self.vars.resize(to.0 + 1, Slot::None);
        }
        self.vars[to.0] = value;
    }
}

/// Gives a variable its value and goes on.
fn set(frame: &mut Frame, to: Var, value: Slot) {
    frame.vars_set(to, value);
    frame.next += 1;
}

fn wrapping(sum: i64, element: &i64) -> i64 {
    sum.wrapping_add(*element)
}

/// Operators that first read and later store: those that read and write tensors, and `append`.
fn splits(op: &Op) -> bool {
    matches!(op, Op::Plain(Statement::Update(..) | Statement::Copy(..) | Statement::AddOut(..) | Statement::Append(..)))
}
