//! A random program as a Rust body, and what the checker must say of it: the same oracle for the other way in.
//!
//! An archive's statements are one by one what a user of the library would write: a tensor is a [`Tensor`], an attribute, a
//! container or an object is made of [`Attr`]s. A body that makes all by itself has values for errors, so that the caller sees its
//! arguments after one too; the same program as a module that is audited, with state from outside, panics.

use std::collections::BTreeSet;
use std::sync::Arc;

use forkcheck::report::{Assurance, Report};
use forkcheck::{
    Atomicity, Attr, Checker, Forward, Future, Global, Input, Look as Looks, Module, Outcome, Shown, Tensor, Visitor,
    fork, wait,
};

use super::laws::{Effort, IN_VAIN, Tally, same};
use super::program::{Body, Combine, Condition, Held, Holder, Language, Operand, Sample, Statement, Var, View};
use super::render::{HELD, INPUTS, K, N, Rendered, W};
use super::truth::{Draws, Truth};

/// What a function gives, or the error that it raises.
type Out = Result<Val, String>;
type List = Attr<Vec<Tensor>>;
type Queue = Attr<Vec<Future<Out>>>;
type Dict = Attr<Vec<(usize, Tensor)>>;

/// What a variable holds.
#[derive(Clone)]
enum Val {
    Tensor(Tensor),
    List(List),
    Dict(Dict),
    Pair(Tensor, Tensor),
    Future(Future<Out>),
    Futures(Queue),
    Nest(Attr<Vec<List>>),
    Queues(Attr<Vec<Queue>>),
    Object(Attr<Tensor>, Attr<i64>),
    Int(i64),
}

impl Outcome for Val {
    fn look(&self, look: &mut Looks) -> Shown {
        match self {
            Val::Tensor(tensor) => tensor.look(look),
            Val::List(list) => list.look(look),
            Val::Dict(dict) => dict.look(look),
            Val::Pair(a, b) => (a, b).look(look),
            Val::Future(future) => future.look(look),
            Val::Futures(futures) => futures.look(look),
            Val::Nest(nest) => nest.look(look),
            Val::Queues(nest) => nest.look(look),
            Val::Object(t, k) => (t, k).look(look),
            Val::Int(number) => number.look(look),
        }
    }
}

impl Input for Val {
    fn visit_input(&self, visitor: &mut Visitor) {
        match self {
            Val::Tensor(tensor) => tensor.visit_input(visitor),
            Val::List(list) => list.visit_input(visitor),
            Val::Dict(dict) => dict.visit_input(visitor),
            Val::Pair(a, b) => (a.clone(), b.clone()).visit_input(visitor),
            Val::Future(future) => future.visit_input(visitor),
            Val::Futures(futures) => futures.visit_input(visitor),
            Val::Nest(nest) => nest.visit_input(visitor),
            Val::Queues(nest) => nest.visit_input(visitor),
            Val::Object(t, k) => (t.clone(), k.clone()).visit_input(visitor),
            Val::Int(number) => number.visit_input(visitor),
        }
    }
}

macro_rules! take {
    ($($name:ident -> $ty:ty: $pattern:pat => $value:expr;)*) => { $(
        fn $name(&self, var: Var) -> $ty {
            match &self.vars[var.0] {
                Some($pattern) => $value.clone(),
                _ => unreachable!("a variable of another kind"),
            }
        }
    )* };
}

/// An attribute of the module; in rich programs some are globals, which nobody else has.
#[derive(Clone)]
enum Place<T: 'static> {
    Attr(Attr<T>),
    Global(&'static Global<T>),
}

static N_OF_ALL: Global<i64> = Global::new(|| N);
static L_OF_ALL: Global<List> = Global::new(held_list);
static D_OF_ALL: Global<Dict> = Global::new(held_dict);

fn held_list() -> List {
    Attr::new(vec![Tensor::from(HELD[0])])
}

fn held_dict() -> Dict {
    Attr::new(vec![(0, Tensor::from(HELD[1]))])
}

impl<T: Outcome + Clone + Send + Sync + 'static> Place<T> {
    fn new(global: Option<&'static Global<T>>, begin: impl FnOnce() -> T) -> Self {
        global.map_or_else(|| Place::Attr(Attr::new(begin())), Place::Global)
    }

    fn get(&self) -> T {
        match self {
            Place::Attr(attr) => attr.get(),
            Place::Global(global) => global.get(),
        }
    }

    fn set(&self, value: T) {
        match self {
            Place::Attr(attr) => attr.set(value),
            Place::Global(global) => global.set(value),
        }
    }
}

impl<T: Outcome + Clone + Send + Sync> Outcome for Place<T> {
    fn look(&self, look: &mut Looks) -> Shown {
        match self {
            Place::Attr(attr) => attr.look(look),
            // The caller sees all globals anyhow.
            Place::Global(_) => Shown::nothing(),
        }
    }
}

impl<T: Outcome + Clone + Send + Sync + 'static> Input for Place<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        match self {
            Place::Attr(attr) => attr.visit_input(visitor),
            Place::Global(_) => {}
        }
    }
}

/// The attributes of the module, and the code.
struct Host {
    sample: Sample,
    /// Whether errors are panics, not values.
    panics: bool,
    w: Attr<Tensor>,
    n: Place<i64>,
    l: Place<List>,
    d: Place<Dict>,
    subs: [Attr<i64>; 2],
}

/// A call of a function.
struct Frame {
    host: Arc<Host>,
    vars: Vec<Option<Val>>,
}

/// What the caller sees of the attributes.
type Seen = (Attr<Tensor>, Place<i64>, Place<List>, Place<Dict>, [Attr<i64>; 2]);

/// The module of a program, and the inputs of its `forward`.
fn parts(sample: &Sample, panics: bool) -> (Arc<Host>, [Val; 4]) {
    let whole = Tensor::from(INPUTS);
    let x = whole.narrow(0, 0, 4).view(&[2, 2]);
    let y = match sample.y {
        (offset, 1) => whole.narrow(0, offset as i64, 2),
        (offset, _) => whole.narrow(0, offset as i64, 4).view(&[2, 2]).select(1, 0),
    };
    let list = Attr::new(vec![whole.narrow(0, 2, 2)]);
    let dict = Attr::new(vec![(0, y.clone())]);
    let sub = Attr::new(K);
    let other = if sample.one_sub { sub.clone() } else { Attr::new(K) };
    let rich = sample.language >= Language::Rich;
    let host = Host {
        sample: sample.clone(),
        panics,
        w: Attr::new(Tensor::from(W)),
        n: Place::new(rich.then_some(&N_OF_ALL), || N),
        l: Place::new(rich.then_some(&L_OF_ALL), held_list),
        d: Place::new(rich.then_some(&D_OF_ALL), held_dict),
        subs: [sub, other],
    };
    (Arc::new(host), [Val::Tensor(x), Val::Tensor(y), Val::List(list), Val::Dict(dict)])
}

/// Calls `forward`.
fn forward(host: &Arc<Host>, inputs: &[Val; 4]) -> Out {
    let mut vars = inputs.to_vec();
    vars.push(Val::Futures(Attr::new(Vec::new())));
    if let (true, Val::Tensor(y)) = (host.sample.language >= Language::Rich, &inputs[1]) {
        vars.push(Val::Object(Attr::new(y.clone()), Attr::new(1)));
    }
    if let (true, Val::List(list)) = (host.sample.language >= Language::Queues, &inputs[Var::LIST.0]) {
        vars.push(Val::Int(list.get().len() as i64));
    }
    call(host, &host.sample.main, vars)
}

/// Runs a program from beginning to end.
fn run(sample: &Sample) -> (Out, [Val; 4], Seen) {
    let (host, inputs) = parts(sample, false);
    let result = forward(&host, &inputs);
    let (w, n, l, d) = (host.w.clone(), host.n.clone(), host.l.clone(), host.d.clone());
    (result, inputs, (w, n, l, d, host.subs.clone()))
}

/// A program whose state is made outside of it, and whose errors are panics.
#[derive(Clone)]
struct Audited(Arc<Host>);

impl Module for Audited {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("w", &self.0.w);
        visitor.attribute("n", &self.0.n);
        visitor.attribute("l", &self.0.l);
        visitor.attribute("d", &self.0.d);
        visitor.attribute("s", &self.0.subs[0]);
        visitor.attribute("r", &self.0.subs[1]);
    }
}

impl Forward<([Val; 4],)> for Audited {
    type Out = Val;

    fn forward(&self, (inputs,): ([Val; 4],)) -> Val {
        forward(&self.0, &inputs).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn call(host: &Arc<Host>, body: &Body, args: Vec<Val>) -> Out {
    let mut frame = Frame { host: host.clone(), vars: args.into_iter().map(Some).collect() };
    frame.block(&body.statements)?;
    Ok(frame.get(body.result))
}

impl Frame {
    take! {
        tensor -> Tensor: Val::Tensor(tensor) => tensor;
        list -> List: Val::List(list) => list;
        dict -> Dict: Val::Dict(dict) => dict;
        future -> Future<Out>: Val::Future(future) => future;
        queue -> Queue: Val::Futures(queue) => queue;
    }

    fn get(&self, var: Var) -> Val {
        self.vars[var.0].clone().expect("a variable that was set")
    }

    fn set(&mut self, var: Var, value: Val) {
        if self.vars.len() <= var.0 {
            self.vars.resize(var.0 + 1, None);
        }
        self.vars[var.0] = Some(value);
    }

    fn set_tensor(&mut self, var: Var, tensor: Tensor) {
        self.set(var, Val::Tensor(tensor));
    }

    fn set_list(&mut self, var: Var, items: Vec<Tensor>) {
        self.set(var, Val::List(Attr::new(items)));
    }

    fn block(&mut self, statements: &[Statement]) -> Result<(), String> {
        statements.iter().try_for_each(|statement| self.statement(statement))
    }

    fn k(&self, holder: Holder) -> Attr<i64> {
        match holder {
            Holder::Sub(sub) => self.host.subs[sub].clone(),
            Holder::Object(var) => match self.get(var) {
                Val::Object(_, k) => k,
                _ => unreachable!("an object"),
            },
        }
    }

    fn t(&self, var: Var) -> Attr<Tensor> {
        match self.get(var) {
            Val::Object(t, _) => t,
            _ => unreachable!("an object"),
        }
    }

    fn holds(&self, condition: Condition) -> bool {
        match condition {
            Condition::Sum(a, k) => self.tensor(a).sum().item() > k as f64,
            Condition::N(k) => self.host.n.get() > k,
            Condition::Length(list, k) => self.list(list).get().len() as i64 > k,
            Condition::Key(dict, key) => self.dict(dict).get().iter().any(|row| row.0 == key),
            Condition::K(holder, k) => self.k(holder).get() > k,
        }
    }

    fn operand(&self, operand: Operand) -> forkcheck::Operand {
        match operand {
            Operand::Number(number) => number.into(),
            Operand::Tensor(var) => self.tensor(var).into(),
        }
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), String> {
        match *statement {
            Statement::If(condition, ref then, ref otherwise) => {
                let block = if self.holds(condition) { then } else { otherwise };
                self.block(block)?;
            }
            Statement::Twice(ref body) => {
                self.block(body)?;
                self.block(body)?;
            }
            Statement::Each(to, list, turns, ref body) => self.each(to, list, turns, body)?,
            Statement::Raise(k) => return Err(format!("e{k}")),
            Statement::Fork(to, callee, ref args) => {
                let args = args.iter().map(|arg| self.get(*arg)).collect();
                let future = forked(self.host.clone(), callee, args);
                self.set(to, Val::Future(future));
            }
            Statement::Call(to, callee, ref args) => {
                let args = args.iter().map(|arg| self.get(*arg)).collect();
                let host = self.host.clone();
                let value = call(&host, &host.sample.functions[callee], args)?;
                self.set(to, value);
            }
            Statement::Wait(to, future) => {
                let value = wait(&self.future(future))?;
                self.set(to, value);
            }
            Statement::Assign(to, from) => self.set(to, self.get(from)),
            Statement::Pack(to, a, b) => self.set(to, Val::Pair(self.tensor(a), self.tensor(b))),
            Statement::Unpack(to, pair, i) => match self.get(pair) {
                Val::Pair(a, b) => self.set_tensor(to, [a, b][i].clone()),
                _ => unreachable!("a pair"),
            },
            _ => match self.of_tensors(statement) {
                true => {}
                false => self.of_state(statement)?,
            },
        }
        Ok(())
    }

    /// How many turns there are is known at first; which variable the items come from, and what it holds then, at each.
    fn each(&mut self, to: Var, list: Var, turns: Option<Var>, body: &[Statement]) -> Result<(), String> {
        let turns = match turns.map(|turns| self.get(turns)) {
            None => self.length(list),
            Some(Val::Int(turns)) => turns as usize,
            Some(_) => unreachable!("an int"),
        };
        for i in 0..turns {
            self.statement(&Statement::GetItem(to, list, i))?;
            self.block(body)?;
        }
        Ok(())
    }

    fn length(&self, list: Var) -> usize {
        match self.get(list) {
            Val::List(list) => list.get().len(),
            Val::Futures(list) => list.get().len(),
            _ => unreachable!("a list"),
        }
    }

    /// What only touches tensors; false if the statement is another one.
    fn of_tensors(&mut self, statement: &Statement) -> bool {
        match *statement {
            Statement::View(to, of, how) => {
                let of = self.tensor(of);
                let view = match how {
                    View::Select(dim, at) => of.select(dim as i64, at as i64),
                    View::Slice(dim, at) => of.narrow(dim as i64, at as i64, 1),
                    View::Transpose => of.t(),
                };
                self.set_tensor(to, view);
            }
            Statement::Unbind(to, of, dim) => {
                let of = self.tensor(of);
                self.set_list(to, vec![of.select(dim as i64, 0), of.select(dim as i64, 1)]);
            }
            Statement::Fresh(to, combine, a, b) => {
                let (a, b) = (self.tensor(a), self.operand(b));
                self.set_tensor(to, if combine == Combine::Add { a.add(b) } else { a.mul(b) });
            }
            Statement::Update(combine, a, b) => {
                let (a, b) = (self.tensor(a), self.operand(b));
                if combine == Combine::Add {
                    a.add_(b)
                } else {
                    a.mul_(b)
                };
            }
            Statement::Copy(a, b) => {
                self.tensor(a).copy_(&self.tensor(b));
            }
            Statement::Fill(a, k) => {
                self.tensor(a).fill_(k);
            }
            Statement::FillFromN(a) => {
                let n = self.host.n.get();
                self.tensor(a).fill_(n);
            }
            _ => return false,
        }
        true
    }

    /// What touches attributes and containers.
    fn of_state(&mut self, statement: &Statement) -> Result<(), String> {
        let missing = || "list index out of range".to_string();
        match *statement {
            Statement::AddToN(k) => self.host.n.set(self.host.n.get() + k),
            Statement::SetN(k) => self.host.n.set(k),
            Statement::GetW(to) => self.set_tensor(to, self.host.w.get()),
            Statement::SetW(from) => self.host.w.set(self.tensor(from)),
            Statement::GetHeld(to, Held::List) => self.set(to, Val::List(self.host.l.get())),
            Statement::GetHeld(to, Held::Dict) => self.set(to, Val::Dict(self.host.d.get())),
            Statement::SetHeld(Held::List, from) => self.host.l.set(self.list(from)),
            Statement::SetHeld(Held::Dict, from) => self.host.d.set(self.dict(from)),
            Statement::NewTensors(to, first) => self.set_list(to, vec![self.tensor(first)]),
            Statement::NewDict(to) => self.set(to, Val::Dict(Attr::new(Vec::new()))),
            Statement::NewFutures(to) => self.set(to, Val::Futures(Attr::new(Vec::new()))),
            Statement::NewNest(to, first) => {
                let nest = match self.get(first) {
                    Val::List(list) => Val::Nest(Attr::new(vec![list])),
                    Val::Futures(queue) => Val::Queues(Attr::new(vec![queue])),
                    _ => unreachable!("a list"),
                };
                self.set(to, nest);
            }
            Statement::NewObject(to, first) => {
                self.set(to, Val::Object(Attr::new(self.tensor(first)), Attr::new(1)));
            }
            Statement::GetT(to, object) => self.set_tensor(to, self.t(object).get()),
            Statement::SetT(object, from) => self.t(object).set(self.tensor(from)),
            Statement::SetK(holder, k) => self.k(holder).set(k),
            Statement::AddToK(holder, k) => {
                let place = self.k(holder);
                place.set(place.get() + k);
            }
            Statement::Append(list, item) => match self.get(list) {
                Val::List(list) => list.modify(|list| list.push(self.tensor(item))),
                Val::Futures(list) => list.modify(|list| list.push(self.future(item))),
                Val::Nest(list) => list.modify(|list| list.push(self.list(item))),
                Val::Queues(list) => list.modify(|list| list.push(self.queue(item))),
                _ => unreachable!("a list"),
            },
            Statement::SetItem(list, i, item) => {
                let set = match self.get(list) {
                    Val::List(list) => list.modify(|list| set_item(list, i, self.tensor(item))),
                    Val::Futures(list) => list.modify(|list| set_item(list, i, self.future(item))),
                    _ => unreachable!("a list"),
                };
                set.ok_or_else(missing)?;
            }
            Statement::GetItem(to, list, i) => {
                let item = match self.get(list) {
                    Val::List(list) => list.get().get(i).cloned().map(Val::Tensor),
                    Val::Futures(list) => list.get().get(i).cloned().map(Val::Future),
                    Val::Nest(list) => list.get().get(i).cloned().map(Val::List),
                    Val::Queues(list) => list.get().get(i).cloned().map(Val::Futures),
                    _ => unreachable!("a list"),
                };
                self.set(to, item.ok_or_else(missing)?);
            }
            Statement::Pop(to, list) => {
                let item = match self.get(list) {
                    Val::List(list) => list.modify(Vec::pop).map(Val::Tensor),
                    Val::Futures(list) => list.modify(Vec::pop).map(Val::Future),
                    _ => unreachable!("a list"),
                };
                self.set(to, item.ok_or("pop from empty list")?);
            }
            Statement::Clear(list) => match self.get(list) {
                Val::List(list) => list.modify(Vec::clear),
                Val::Futures(list) => list.modify(Vec::clear),
                _ => unreachable!("a list"),
            },
            Statement::Head(to, list) => {
                let head = match self.get(list) {
                    Val::List(list) => Val::List(Attr::new(list.get().into_iter().take(1).collect())),
                    Val::Futures(list) => Val::Futures(Attr::new(list.get().into_iter().take(1).collect())),
                    _ => unreachable!("a list"),
                };
                self.set(to, head);
            }
            Statement::Measure(to, list) => self.set(to, Val::Int(self.length(list) as i64)),
            Statement::Values(to, dict) => {
                let items = self.dict(dict).get();
                self.set_list(to, items.into_iter().map(|row| row.1).collect());
            }
            ref other => self.of_dicts(other)?,
        }
        Ok(())
    }

    fn of_dicts(&mut self, statement: &Statement) -> Result<(), String> {
        let found = |dict: &[(usize, Tensor)], key| dict.iter().find(|row| row.0 == key).map(|row| row.1.clone());
        let missing = |key: usize| format!("no key {}", super::program::KEYS[key]);
        match *statement {
            Statement::SetKey(dict, key, item) => {
                let item = self.tensor(item);
                self.dict(dict).modify(|dict| match dict.iter_mut().find(|row| row.0 == key) {
                    Some(row) => row.1 = item,
                    None => dict.push((key, item)),
                });
            }
            Statement::GetKey(to, dict, key) => {
                let item = found(&self.dict(dict).get(), key);
                self.set_tensor(to, item.ok_or_else(|| missing(key))?);
            }
            Statement::PopKey(to, dict, key) => {
                let item = self.dict(dict).modify(|dict| {
                    let at = dict.iter().position(|row| row.0 == key)?;
                    Some(dict.remove(at).1)
                });
                self.set_tensor(to, item.ok_or_else(|| missing(key))?);
            }
            Statement::Get(to, dict, key, default) => {
                let item = found(&self.dict(dict).get(), key);
                self.set_tensor(to, item.unwrap_or_else(|| self.tensor(default)));
            }
            Statement::SetDefault(to, dict, key, default) => {
                let default = self.tensor(default);
                let item = self.dict(dict).modify(|dict| match dict.iter().find(|row| row.0 == key) {
                    Some(row) => row.1.clone(),
                    None => {
                        dict.push((key, default.clone()));
                        default
                    }
                });
                self.set_tensor(to, item);
            }
            ref other => unreachable!("{other:?} has no counterpart, see `is_rust`"),
        }
        Ok(())
    }
}

fn set_item<T>(list: &mut [T], i: usize, item: T) -> Option<()> {
    list.get_mut(i).map(|place| *place = item)
}

fn forked(host: Arc<Host>, callee: usize, args: Vec<Val>) -> Future<Out> {
    let task = move |args: Vec<Val>| match call(&host, &host.sample.functions[callee], args) {
        Err(error) if host.panics => panic!("{error}"),
        result => result,
    };
    fork(task, (args,))
}

/// Whether the library can say all that a program says. It has no operators that write sizes, print or draw as archives do, none that
/// touches two containers at once, and under [`Atomicity::Split`] it takes two steps to change a container, where an archive takes one.
fn is_rust(sample: &Sample, split: bool) -> bool {
    !sample.any(|statement| match statement {
        Statement::Transpose(_)
        | Statement::Draw(_)
        | Statement::Seed(_)
        | Statement::Print
        | Statement::PrintTensor(_)
        | Statement::Contiguous(..)
        | Statement::AddOut(..)
        | Statement::Concat(..)
        | Statement::Extend(..) => true,
        Statement::Append(..)
        | Statement::SetItem(..)
        | Statement::SetKey(..)
        | Statement::Pop(..)
        | Statement::Clear(_)
        | Statement::PopKey(..)
        | Statement::SetDefault(..) => split,
        _ => false,
    })
}

/// Holds the laws for one program as a Rust body, if it can be one; what is compared counts once for either atomicity.
///
/// # Errors
/// If a law is broken: which, and the program's text.
pub fn check(sample: &Sample, draws: &Draws, effort: Effort) -> Result<Tally, String> {
    let rendered = Rendered::new(sample);
    let mut tally = Tally::default();
    for atomicity in [Atomicity::Op, Atomicity::Split] {
        let split = atomicity == Atomicity::Split;
        if !is_rust(sample, split) {
            continue;
        }
        let Some(truth) = Truth::of(sample, &rendered, draws, split, effort.beginnings) else { continue };
        // What a panic or a wait for ever leaves is another matter.
        if truth.deadlocks() || truth.overlapping {
            continue;
        }
        for outside in [false, true] {
            let place = if outside { "audit" } else { "check" };
            hold(sample, &truth, atomicity, effort, outside)
                .map_err(|wrong| format!("{place}, {atomicity:?}: {wrong}\ny is {:?}\n{}", sample.y, rendered.text))?;
        }
        tally.programs += 1;
        tally.racy += u64::from(truth.racy);
        tally.nondeterministic += u64::from(truth.outcomes.len() > 1);
        tally.classes += truth.classes;
    }
    Ok(tally)
}

fn hold(sample: &Sample, truth: &Truth, atomicity: Atomicity, effort: Effort, outside: bool) -> Result<(), String> {
    let (host, inputs) = parts(sample, true);
    let explored = |checker: Checker, strategy: &str, budget: u64| {
        let checker = checker.strategy(strategy).budget(budget).atomicity(atomicity).name("sample");
        let sample = sample.clone();
        if outside {
            checker.audit(&Audited(host.clone()), (inputs.clone(),))
        } else {
            checker.run(move || run(&sample))
        }
    };
    for strategy in ["auto", "dfs", "dpor"] {
        let budget = IN_VAIN * (truth.classes + 10);
        let report = explored(Checker::new(), strategy, budget);
        let stats = &report.stats;
        let begun = stats.executions.unwrap_or_default() + stats.discarded;
        if strategy == "dfs" && begun >= budget {
            continue;
        }
        exhaustive(&report, truth, strategy).map_err(|wrong| format!("{strategy}: {wrong}"))?;
        if strategy == "dpor" {
            witnesses(&report, |schedule| explored(Checker::new().replay(schedule), "auto", 1))?;
        }
    }
    for strategy in ["random", "pct:2", "pos", "uniform", "round-robin", "child-first"] {
        let report = explored(Checker::new(), strategy, effort.samples);
        let found = report.outcomes.as_ref().ok_or("no outcomes")?.distinct;
        same(&format!("{strategy}: outcomes of samples"), (1..=truth.outcomes.len()).contains(&found), true)?;
        witnesses(&report, |schedule| explored(Checker::new().replay(schedule), "auto", 1))
            .map_err(|wrong| format!("{strategy}: {wrong}"))?;
    }
    if truth.racy {
        let report = explored(Checker::new(), "loom", effort.loom);
        if report.assurance == Some(Assurance::Exhausted) {
            exhaustive(&report, truth, "loom").map_err(|wrong| format!("loom: {wrong}"))?;
        }
    }
    Ok(())
}

fn exhaustive(report: &Report, truth: &Truth, strategy: &str) -> Result<(), String> {
    let assurance = if truth.racy { Assurance::Exhausted } else { Assurance::Certified };
    same("assurance", report.assurance, Some(assurance))?;
    let outcomes = report.outcomes.as_ref().ok_or("no outcomes")?;
    same("outcomes", outcomes.distinct, truth.outcomes.len())?;
    same("outcomes at rest", outcomes.distinct_at_rest, truth.at_rest().len())?;
    if strategy == "dfs" || strategy == "dpor" {
        same("executions", report.stats.executions, Some(truth.classes))?;
    }
    if strategy == "dpor" && !truth.varying {
        same("executions begun in vain", report.stats.discarded, 0)?;
    }
    same("verdict", report.verdict.map(|verdict| verdict.name()), Some(truth.verdict()))?;
    // All forks stand on one line here; which of them a finding is about is for the archives' laws.
    let kind = |kind| if ["attribute-mutation", "global-state"].contains(&kind) { "input-mutation" } else { kind };
    let known = ["input-mutation", "attribute-mutation", "global-state", "parent-mutation", "race"];
    let found = report.findings.iter().filter(|finding| known.contains(&finding.kind));
    let found: BTreeSet<_> = found.map(|finding| (kind(finding.kind), finding.race.is_some())).collect();
    let truly: BTreeSet<_> = truth.found.iter().map(|(&(name, ..), &races)| (kind(name), races)).collect();
    let kinds = |of: &BTreeSet<(&'static str, bool)>| of.iter().map(|row| row.0).collect::<BTreeSet<_>>();
    same("kinds of findings", kinds(&found), kinds(&truly))?;
    let raced = |of: &BTreeSet<(&'static str, bool)>| of.iter().any(|row| row.1);
    same("a finding that races", raced(&found), raced(&truly))?;
    let pure = report.forks.iter().all(|fork| fork.pure);
    same("all forks are pure", pure, truth.forks.values().all(|&pure| pure))
}

fn witnesses(report: &Report, replay: impl Fn(&str) -> Report) -> Result<(), String> {
    let outcomes = report.outcomes.as_ref().ok_or("no outcomes")?;
    for witness in &outcomes.witnesses {
        let again = replay(&witness.schedule);
        let found = again.outcomes.as_ref().and_then(|outcomes| outcomes.witnesses.first());
        same("a replay of a witness", found.map(|first| &first.digest), Some(&witness.digest))?;
    }
    Ok(())
}
