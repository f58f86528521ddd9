//! A random program as a code file, and as code for the oracle's own interpreter: both know the same lines.

use std::fmt::Write;

use forkcheck::Program;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{DType, Layout, Storage, Tensor};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Dict, DictContent, Key, List, ListContent, Value};

use super::program::{
    Body, Combine, Condition, Held, Holder, KEYS, Kind, Operand, Returned, Sample, Statement, Var, View,
};
use crate::archive::{archive_with_submodules, program_of_archive};

/// What the storage of the inputs, and that of the attribute `w`, hold at first.
pub const INPUTS: [i64; 6] = [1, 2, 3, 5, 7, 11];
/// See [`INPUTS`].
pub const W: [i64; 2] = [13, 17];
/// The attribute `n` at first.
pub const N: i64 = 3;
/// The submodules.
const SUBS: [&str; 2] = ["s", "r"];
/// The attribute `k` of the submodules at first.
pub const K: i64 = 2;
/// What the only elements of the attributes `l` and `d` hold at first.
pub const HELD: [[i64; 2]; 2] = [[19, 23], [29, 31]];

/// An instruction of the oracle's interpreter: at most one visible step.
#[derive(Debug, Clone)]
pub enum Op {
    /// As the statement says; blocks, `AddToN` and `FillFromN` do not occur.
    Plain(Statement),
    /// Reads `self.n` into the register.
    LoadN,
    /// Writes the register plus this number to `self.n`.
    StoreN(i64),
    /// Reads `k` into the register.
    LoadK(Holder),
    /// Writes the register plus this number to `k`.
    StoreK(Holder, i64),
    /// Fills the tensor with the register.
    FillRegister(Var),
    /// Begins this loop over the items of the list, with as many turns as the int says.
    Begin(usize, Var, Option<Var>),
    /// The next turn of this loop, or on elsewhere.
    Turn(usize, usize),
    /// Takes the item of the list for this turn of this loop.
    Item(usize, Var, Var),
    /// Goes on elsewhere unless the condition holds.
    Unless(Condition, usize),
    /// Goes on elsewhere.
    Jump(usize),
    /// Leaves the function.
    Return(Var),
}

/// The instructions of a function, each with its line.
pub type Code = Vec<(Op, u32)>;

/// A program as text and as instructions.
#[derive(Debug)]
pub struct Rendered {
    /// The code file.
    pub text: String,
    /// `forward`, then the functions.
    pub codes: Vec<Code>,
}

impl Rendered {
    /// Writes a program down.
    pub fn new(sample: &Sample) -> Self {
        let mut writer = Writer::default();
        for line in
            ["class M(Module):", "  __parameters__ = []", "  __buffers__ = [\"w\", ]", "  w : Tensor", "  n : int"]
        {
            writer.line(0, line);
        }
        for line in ["l : List[Tensor]", "d : Dict[str, Tensor]", "s : __torch__.N", "r : __torch__.N"] {
            writer.line(1, line);
        }
        writer.line(1, "def forward(self: __torch__.M,");
        writer.line(2, "v0: Tensor,");
        writer.line(2, "v1: Tensor,");
        writer.line(2, "v2: List[Tensor],");
        writer.line(2, &format!("v3: Dict[str, Tensor]) -> {}:", annotation(sample.main.returns.kind())));
        writer.line(2, "v4 = annotate(List[Future[Tensor]], [])");
        let mut main = sample.main.clone();
        let made = [Statement::NewObject(Var::OBJECT, Var(1)), Statement::Measure(Var::LENGTH, Var::LIST)];
        main.statements.splice(0..0, made.into_iter().take(Var::params(sample.language).len() - Var::OBJECT.0));
        let mut codes = vec![writer.body(&main, 2)];
        for (i, function) in sample.functions.iter().enumerate() {
            writer.line(0, &format!("def f{i}(self: __torch__.M,"));
            let params = Var::params(sample.language);
            for (number, &kind) in params.iter().enumerate() {
                let last = number + 1 == params.len();
                let end = if last { format!(") -> {}:", annotation(function.returns.kind())) } else { ",".to_string() };
                writer.line(2, &format!("v{number}: {}{end}", annotation(kind)));
            }
            codes.push(writer.body(function, 1));
        }
        for line in ["class N(Module):", "  __parameters__ = []", "  __buffers__ = []", "  k : int"] {
            writer.line(0, line);
        }
        for line in ["class C:", "  t : Tensor", "  k : int"] {
            writer.line(0, line);
        }
        Self { text: writer.text, codes }
    }
}

impl Rendered {
    /// The same program with other names for its functions and variables: those that came first, by name, come last.
    pub fn renamed(&self) -> Self {
        let mut text = String::new();
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let mut rest = self.text.as_str();
        while let Some(start) = rest.find(is_name) {
            let end = rest[start..].find(|c| !is_name(c)).map_or(rest.len(), |length| start + length);
            text.push_str(&rest[..start]);
            let word = &rest[start..end];
            match (&word[..1], word[1..].parse::<u32>()) {
                ("f", Ok(number)) => write!(text, "g{}", 9 - number),
                ("v", Ok(number)) => write!(text, "u{}", 9999 - number),
                _ => write!(text, "{word}"),
            }
            .expect("text takes every write");
            rest = &rest[end..];
        }
        text.push_str(rest);
        Self { text, codes: self.codes.clone() }
    }
}

#[derive(Default)]
struct Writer {
    text: String,
    lines: u32,
    /// Names that nobody uses.
    unused: usize,
    closures: usize,
    code: Code,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) -> u32 {
        writeln!(self.text, "{}{text}", "  ".repeat(depth)).expect("text takes every write");
        self.lines += 1;
        self.lines
    }

    fn body(&mut self, body: &Body, depth: usize) -> Code {
        self.code = Code::new();
        self.block(&body.statements, depth);
        let line = self.line(depth, &format!("return v{}", body.result.0));
        self.code.push((Op::Return(body.result), line));
        std::mem::take(&mut self.code)
    }

    fn block(&mut self, statements: &[Statement], depth: usize) {
        statements.iter().for_each(|statement| self.statement(statement, depth));
    }

    /// A block of an `if`, which is never empty.
    fn inner(&mut self, statements: &[Statement], depth: usize) {
        self.block(statements, depth);
        if statements.is_empty() {
            self.line(depth, "pass");
        }
    }

    fn statement(&mut self, statement: &Statement, depth: usize) {
        match statement {
            Statement::If(condition, then, otherwise) => self.branch(*condition, then, otherwise, depth),
            Statement::Twice(body) => {
                self.line(depth, &format!("for i{} in range(2):", self.lines));
                let from = self.code.len();
                self.inner(body, depth + 1);
                // Blocks of it jump to places of the first round; the second is as far away as it is long.
                let length = self.code.len() - from;
                let again: Code = self.code[from..].iter().map(|(op, line)| (op.moved(length), *line)).collect();
                self.code.extend(again);
            }
            Statement::Fork(to, callee, args) => {
                let name = format!("__forked_function{}", self.closures);
                self.closures += 1;
                self.line(depth, &format!("def {name}():"));
                self.line(depth + 1, &format!("return {}", call(*callee, args)));
                let line = self.line(depth, &format!("v{} = fork({name})", to.0));
                self.code.push((Op::Plain(statement.clone()), line));
            }
            Statement::AddToN(k) => {
                let line = self.line(depth, &format!("self.n = torch.add(self.n, {k})"));
                self.code.extend([(Op::LoadN, line), (Op::StoreN(*k), line)]);
            }
            Statement::FillFromN(to) => {
                let line = self.unused_line(depth, &format!("torch.fill_(v{}, self.n)", to.0));
                self.code.extend([(Op::LoadN, line), (Op::FillRegister(*to), line)]);
            }
            Statement::NewObject(to, first) => {
                let line = self.line(depth, &format!("v{} = __torch__.C.__new__(__torch__.C)", to.0));
                self.code.push((Op::Plain(statement.clone()), line));
                self.statement(&Statement::SetT(*to, *first), depth);
                self.statement(&Statement::SetK(Holder::Object(*to), 1), depth);
            }
            Statement::AddToK(holder, number) => {
                let place = k(*holder);
                let line = self.line(depth, &format!("{place} = torch.add({place}, {number})"));
                self.code.extend([(Op::LoadK(*holder), line), (Op::StoreK(*holder, *number), line)]);
            }
            Statement::Each(to, list, turns, body) => {
                let number = self.lines as usize;
                let count = turns.map_or_else(|| format!("torch.len(v{})", list.0), |turns| format!("v{}", turns.0));
                let line = self.line(depth, &format!("for i{number} in range({count}):"));
                self.code.push((Op::Begin(number, *list, *turns), line));
                let turn = self.code.len();
                self.code.push((Op::Turn(number, 0), line));
                let line = self.line(depth + 1, &format!("v{} = v{}[i{number}]", to.0, list.0));
                self.code.push((Op::Item(number, *to, *list), line));
                self.block(body, depth + 1);
                self.code.push((Op::Jump(turn), line));
                self.code[turn].0 = Op::Turn(number, self.code.len());
            }
            plain => {
                let (target, text) = expression(plain);
                let line = match target {
                    Some(target) => self.line(depth, &format!("{target} = {text}")),
                    None if returns_nothing(plain) => self.line(depth, &text),
                    None => self.unused_line(depth, &text),
                };
                self.code.push((Op::Plain(plain.clone()), line));
            }
        }
    }

    fn unused_line(&mut self, depth: usize, text: &str) -> u32 {
        self.unused += 1;
        self.line(depth, &format!("_{} = {text}", self.unused))
    }

    fn branch(&mut self, condition: Condition, then: &[Statement], otherwise: &[Statement], depth: usize) {
        let text = match condition {
            Condition::Sum(tensor, k) => format!("bool(torch.gt(torch.sum(v{}), {k}))", tensor.0),
            Condition::N(k) => format!("torch.gt(self.n, {k})"),
            Condition::Length(list, k) => format!("torch.gt(torch.len(v{}), {k})", list.0),
            Condition::K(holder, number) => format!("torch.gt({}, {number})", k(holder)),
            Condition::Key(dict, key) => format!("torch.__contains__(v{}, \"{}\")", dict.0, KEYS[key]),
        };
        let line = self.line(depth, &format!("if {text}:"));
        let test = self.code.len();
        self.code.push((Op::Unless(condition, 0), line));
        self.inner(then, depth + 1);
        let over = self.code.len();
        let line = self.line(depth, "else:");
        self.code.push((Op::Jump(0), line));
        let start = self.code.len();
        self.inner(otherwise, depth + 1);
        self.code[test].0 = Op::Unless(condition, start);
        self.code[over].0 = Op::Jump(self.code.len());
    }
}

impl Op {
    fn moved(&self, by: usize) -> Op {
        match self {
            Op::Unless(condition, to) => Op::Unless(*condition, to + by),
            Op::Jump(to) => Op::Jump(to + by),
            Op::Turn(number, to) => Op::Turn(*number, to + by),
            other => other.clone(),
        }
    }
}

/// A type, as it is written.
fn annotation(kind: Kind) -> &'static str {
    match kind {
        Kind::Tensor(_) => "Tensor",
        Kind::Tensors => "List[Tensor]",
        Kind::Dict => "Dict[str, Tensor]",
        Kind::Pair => "Tuple[Tensor, Tensor]",
        Kind::Future(Returned::Vector) => "Future[Tensor]",
        Kind::Futures => "List[Future[Tensor]]",
        Kind::Object => "__torch__.C",
        Kind::Int => "int",
        Kind::Nest | Kind::Queues | Kind::Future(_) => unreachable!("no function is given or returns such a thing"),
    }
}

/// Where an int `k` is.
fn k(holder: Holder) -> String {
    match holder {
        Holder::Object(object) => format!("v{}.k", object.0),
        Holder::Sub(sub) => format!("self.{}.k", SUBS[sub]),
    }
}

fn held(held: Held) -> &'static str {
    match held {
        Held::List => "self.l",
        Held::Dict => "self.d",
    }
}

fn call(callee: usize, args: &[Var]) -> String {
    let args: Vec<String> = args.iter().map(|arg| format!("v{}, ", arg.0)).collect();
    format!("__torch__.f{callee}(self, {})", args.concat())
}

fn returns_nothing(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::SetKey(..)
            | Statement::Seed(_)
            | Statement::Print
            | Statement::PrintTensor(_)
            | Statement::Raise(_)
            | Statement::Extend(..)
            | Statement::Clear(_)
    )
}

/// The variable that is assigned, and what.
fn expression(statement: &Statement) -> (Option<String>, String) {
    let name = |var: &Var| format!("v{}", var.0);
    let verb = |combine: &Combine| if *combine == Combine::Add { "add" } else { "mul" };
    let operand = |operand: &Operand| match operand {
        Operand::Number(number) => number.to_string(),
        Operand::Tensor(tensor) => name(tensor),
    };
    match statement {
        Statement::View(to, of, View::Select(dim, at)) => {
            (Some(name(to)), format!("torch.select({}, {dim}, {at})", name(of)))
        }
        Statement::View(to, of, View::Slice(dim, at)) => {
            (Some(name(to)), format!("torch.slice({}, {dim}, {at}, {})", name(of), at + 1))
        }
        Statement::View(to, of, View::Transpose) => (Some(name(to)), format!("torch.t({})", name(of))),
        Statement::Fresh(to, combine, a, b) => {
            (Some(name(to)), format!("torch.{}({}, {})", verb(combine), name(a), operand(b)))
        }
        Statement::Update(combine, a, b) => (None, format!("torch.{}_({}, {})", verb(combine), name(a), operand(b))),
        Statement::Copy(a, b) => (None, format!("torch.copy_({}, {})", name(a), name(b))),
        Statement::Fill(a, k) => (None, format!("torch.fill_({}, {k})", name(a))),
        Statement::Transpose(a) => (None, format!("torch.t_({})", name(a))),
        Statement::SetN(k) => (Some("self.n".into()), k.to_string()),
        Statement::GetW(to) => (Some(name(to)), "self.w".into()),
        Statement::SetW(from) => (Some("self.w".into()), name(from)),
        Statement::Append(list, item) => (None, format!("torch.append({}, {})", name(list), name(item))),
        Statement::SetItem(list, i, item) => (None, format!("torch._set_item({}, {i}, {})", name(list), name(item))),
        Statement::GetItem(to, list, i) => (Some(name(to)), format!("{}[{i}]", name(list))),
        Statement::SetKey(dict, key, item) => {
            (None, format!("torch._set_item({}, \"{}\", {})", name(dict), KEYS[*key], name(item)))
        }
        Statement::GetKey(to, dict, key) => (Some(name(to)), format!("{}[\"{}\"]", name(dict), KEYS[*key])),
        Statement::Draw(to) => (Some(name(to)), "torch.randint(0, 100, [2])".into()),
        Statement::Seed(k) => (None, format!("torch.manual_seed({k})")),
        Statement::Print => (None, "print(\"here\")".into()),
        Statement::PrintTensor(a) => (None, format!("print({})", name(a))),
        Statement::NewTensors(to, first) => (Some(name(to)), format!("[{}]", name(first))),
        Statement::NewDict(to) => (Some(name(to)), "annotate(Dict[str, Tensor], {})".into()),
        Statement::NewFutures(to) => (Some(name(to)), "annotate(List[Future[Tensor]], [])".into()),
        Statement::Raise(k) => (None, format!("ops.prim.RaiseException(\"e{k}\", \"builtins.ValueError\")")),
        Statement::Call(to, callee, args) => (Some(name(to)), call(*callee, args)),
        Statement::Wait(to, future) => (Some(name(to)), format!("torch.wait({})", name(future))),
        Statement::Assign(to, from) => (Some(name(to)), name(from)),
        Statement::Pack(to, a, b) => (Some(name(to)), format!("({}, {})", name(a), name(b))),
        Statement::Unpack(to, pair, i) => (Some(name(to)), format!("({})[{i}]", name(pair))),
        Statement::Unbind(to, of, dim) => (Some(name(to)), format!("torch.unbind({}, {dim})", name(of))),
        Statement::Contiguous(to, of) => (Some(name(to)), format!("torch.contiguous({})", name(of))),
        Statement::Measure(to, list) => (Some(name(to)), format!("torch.len({})", name(list))),
        Statement::Pop(to, list) => (Some(name(to)), format!("torch.pop({})", name(list))),
        Statement::Extend(list, other) => (None, format!("torch.extend({}, {})", name(list), name(other))),
        Statement::Clear(list) => (None, format!("torch.clear({})", name(list))),
        Statement::PopKey(to, dict, key) => (Some(name(to)), format!("torch.pop({}, \"{}\")", name(dict), KEYS[*key])),
        Statement::GetHeld(to, from) => (Some(name(to)), held(*from).into()),
        Statement::SetHeld(to, from) => (Some(held(*to).into()), name(from)),
        Statement::Concat(to, a, b) => (Some(name(to)), format!("torch.add({}, {})", name(a), name(b))),
        Statement::Head(to, list) => (Some(name(to)), format!("torch.slice({}, 0, 1)", name(list))),
        Statement::Values(to, dict) => (Some(name(to)), format!("torch.values({})", name(dict))),
        Statement::Get(to, dict, key, default) => {
            (Some(name(to)), format!("torch.get({}, \"{}\", {})", name(dict), KEYS[*key], name(default)))
        }
        Statement::SetDefault(to, dict, key, default) => {
            (Some(name(to)), format!("torch.setdefault({}, \"{}\", {})", name(dict), KEYS[*key], name(default)))
        }
        Statement::AddOut(to, a, b) => (None, format!("torch.add({}, {}, out={})", name(a), name(b), name(to))),
        Statement::NewNest(to, first) => (Some(name(to)), format!("[{}]", name(first))),
        Statement::GetT(to, object) => (Some(name(to)), format!("v{}.t", object.0)),
        Statement::SetT(object, from) => (Some(format!("v{}.t", object.0)), name(from)),
        Statement::SetK(holder, number) => (Some(k(*holder)), number.to_string()),
        Statement::If(..)
        | Statement::Twice(_)
        | Statement::Each(..)
        | Statement::NewObject(..)
        | Statement::AddToK(..)
        | Statement::Fork(..)
        | Statement::AddToN(_)
        | Statement::FillFromN(_) => unreachable!("written by its own function"),
    }
}

/// The program for the checker.
pub fn program(sample: &Sample, rendered: &Rendered) -> Program {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let whole = Tensor::from_vec(&mut allocator, &[INPUTS.len() as i64], &INPUTS).expect("it is small");
    let storage: Storage = whole.storage();
    let mut view = |offset: usize, sizes: &[i64], strides: &[i64]| {
        let layout = Layout::strided(sizes, strides, offset as i64);
        Value::Tensor(Tensor::new(&mut allocator, storage.clone(), DType::Int64, layout))
    };
    let x = view(0, &[2, 2], &[2, 1]);
    let y = view(sample.y.0, &[2], &[sample.y.1 as i64]);
    let row = view(2, &[2], &[1]);
    let list = List::new(&mut allocator, ListContent { item: Type::Tensor, items: vec![row] });
    let entries = [(Key::Str(KEYS[0].into()), y.clone())].into_iter().collect();
    let dict = Dict::new(&mut allocator, DictContent { key: Type::Str, value: Type::Tensor, entries });
    let w = Value::Tensor(Tensor::from_vec(&mut allocator, &[2], &W).expect("it is small"));
    let [first, second] =
        HELD.map(|held| Value::Tensor(Tensor::from_vec(&mut allocator, &[2], &held).expect("it is small")));
    let held_list = List::new(&mut allocator, ListContent { item: Type::Tensor, items: vec![first] });
    let entries = [(Key::Str(KEYS[0].into()), second)].into_iter().collect();
    let held_dict = Dict::new(&mut allocator, DictContent { key: Type::Str, value: Type::Tensor, entries });
    let attributes = [("w", w), ("n", Value::Int(N)), ("l", Value::List(held_list)), ("d", Value::Dict(held_dict))];
    let submodules = [("s", "N", K), ("r", if sample.one_sub { "" } else { "N" }, K)];
    let bytes = archive_with_submodules(&rendered.text, &attributes, &submodules);
    program_of_archive(&bytes, &rendered.text, vec![x, y, Value::List(list), Value::Dict(dict)])
}
