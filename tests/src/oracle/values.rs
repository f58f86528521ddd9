//! Random programs about what values hold: lists, dicts, tuples, optionals, objects, futures and awaitables, each in others,
//! through functions, branches and loops.
//!
//! The other random programs have an oracle that knows their truth, and so a small language. Of these nobody knows what is
//! true; but each value that a run sees must have been foreseen ([`eager`]), and what is proved without running, a search
//! must not refute.

use forkcheck::audit::audit;
use forkcheck::{Config, Program, static_audit};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::types::Type;
use forkcheck_model::value::{List, ListContent, Value};
use forkcheck_scheduler::Spec;
use forkcheck_scheduler::rng::Rng;

use super::eager;
use crate::archive::program_of;

/// What became of a program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Programs that were run.
    pub programs: u64,
    /// Values that were held against what was foreseen.
    pub values: u64,
    /// Pairs of values that share memory.
    pub pairs: u64,
    /// Those that return something.
    pub returned: u64,
    /// Those that fork.
    pub forking: u64,
    /// Those of them that were proved, and searched all the same.
    pub proved: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Tally) {
        self.programs += other.programs;
        self.values += other.values;
        self.pairs += other.pairs;
        self.returned += other.returned;
        self.forking += other.forking;
        self.proved += other.proved;
    }
}

/// Holds the laws for the program of these choices; otherwise says which is broken, with the program.
///
/// # Errors
/// If a law is broken.
pub fn check(choices: &[u8]) -> Result<Tally, String> {
    let code = code(choices);
    let broken = |wrong: String| format!("{wrong}\n{code}");
    let mut tally = Tally { programs: 1, ..Tally::default() };
    if let Some(run) = eager::run(&program(&code)) {
        if !run.complaints.is_empty() {
            return Err(broken(run.complaints.join("\n")));
        }
        tally.values = run.values;
        tally.pairs = run.pairs;
        tally.returned = u64::from(run.result.is_ok());
    }
    let program = program(&code);
    let said = static_audit("values", "forward", &program.module, &Config::default()).map_err(|e| e.to_string())?;
    tally.forking = u64::from(!said.forks.is_empty());
    if said.verdict.is_some_and(|verdict| verdict.name() == "pure") && !said.forks.is_empty() {
        tally.proved = 1;
        let found = audit(&program, &Config { strategy: Spec::Dpor, executions: SEARCHED, ..Config::default() });
        let errors: Vec<_> = found.findings.iter().filter(|finding| finding.severity == "error").collect();
        let distinct = found.outcomes.as_ref().map_or(1, |outcomes| outcomes.distinct);
        if !errors.is_empty() || distinct != 1 {
            return Err(broken(format!("proved, but {distinct} outcomes and {errors:?}")));
        }
    }
    Ok(tally)
}

/// So many executions try to refute what is proved.
const SEARCHED: u64 = 100;

/// The choices of a seed.
pub fn choices(seed: u64) -> Vec<u8> {
    let mut random = Rng::new(seed);
    (0..600).map(|_| random.below(256) as u8).collect()
}

fn program(code: &str) -> Program {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut tensor = |number: i64| Tensor::from_vec(&mut allocator, &[2], &[number, number]).expect("it is small");
    let (x, b, item) = (tensor(1), tensor(2), Value::Tensor(tensor(3)));
    let k = List::new(&mut allocator, ListContent { item: Type::Tensor, items: vec![item] });
    program_of(code, &[("b", Value::Tensor(b)), ("k", Value::List(k))], vec![Value::Tensor(x), Value::Bool(true)])
}

/// A type of the language.
#[derive(Debug, Clone, PartialEq)]
enum Ty {
    Tensor,
    Int,
    Str,
    /// The class `C`, which has a tensor `t` and a list of tensors `l`.
    Object,
    List(Box<Ty>),
    Dict(Box<Ty>),
    /// With an int.
    Tuple(Box<Ty>),
    Optional(Box<Ty>),
    Future(Box<Ty>),
    Await(Box<Ty>),
}

impl std::fmt::Display for Ty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ty::Tensor => f.write_str("Tensor"),
            Ty::Int => f.write_str("int"),
            Ty::Str => f.write_str("str"),
            Ty::Object => f.write_str("__torch__.C"),
            Ty::List(item) => write!(f, "List[{item}]"),
            Ty::Dict(item) => write!(f, "Dict[str, {item}]"),
            Ty::Tuple(item) => write!(f, "Tuple[{item}, int]"),
            Ty::Optional(item) => write!(f, "Optional[{item}]"),
            Ty::Future(item) => write!(f, "Future[{item}]"),
            Ty::Await(item) => write!(f, "Await[{item}]"),
        }
    }
}

struct Signature {
    params: Vec<Ty>,
    returns: Ty,
}

/// Writes a program, from choices that are nothing but zeros at the end.
struct Writer<'a> {
    choices: std::slice::Iter<'a, u8>,
    /// Those that may be called: the ones before.
    functions: Vec<Signature>,
    lines: String,
    depth: usize,
    variables: Vec<(String, Ty)>,
    count: usize,
}

const CLASS: &str = "class C:\n  t : Tensor\n  l : List[Tensor]\ndef make(t: Tensor,\n    l: List[Tensor]) -> __torch__.C:\n  c = \
                     __torch__.C.__new__(__torch__.C)\n  c.t = t\n  c.l = l\n  return c\n";

/// The text of a program.
pub fn code(choices: &[u8]) -> String {
    let mut writer = Writer {
        choices: choices.iter(),
        functions: Vec::new(),
        lines: String::new(),
        depth: 1,
        variables: Vec::new(),
        count: 0,
    };
    let mut functions = String::new();
    for f in 0..3 {
        let returns = writer.ty(2);
        let params: Vec<Ty> = (0..1 + writer.below(2)).map(|_| writer.ty(2)).collect();
        writer.variables = params.iter().enumerate().map(|(i, ty)| (format!("p{i}"), ty.clone())).collect();
        let declared: Vec<String> = writer.variables.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
        let body = writer.body(3, &returns);
        functions += &format!("def f{f}({}) -> {returns}:\n{body}", declared.join(",\n    "));
        writer.functions.push(Signature { params, returns });
    }
    writer.depth = 2;
    writer.variables = vec![("x".into(), Ty::Tensor)];
    writer.line("b = self.b");
    writer.line("k = self.k");
    writer.variables.extend([("b".into(), Ty::Tensor), ("k".into(), Ty::List(Ty::Tensor.into()))]);
    let body = writer.body(10, &Ty::Tensor);
    format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  b : Tensor\n  k : List[Tensor]\n  def forward(self: \
         __torch__.M,\n    x: Tensor,\n    flag: bool) -> Tensor:\n{body}{CLASS}{functions}"
    )
}

impl Writer<'_> {
    fn below(&mut self, end: usize) -> usize {
        self.choices.next().map_or(0, |&choice| choice as usize % end)
    }

    fn line(&mut self, text: impl std::fmt::Display) {
        self.lines += &format!("{}{text}\n", "  ".repeat(self.depth));
    }

    fn fresh(&mut self, prefix: &str) -> String {
        self.count += 1;
        format!("{prefix}{}", self.count)
    }

    /// A type that something can be made of, nested so deep.
    fn ty(&mut self, nested: usize) -> Ty {
        if nested == 0 {
            return [Ty::Tensor, Ty::Object, Ty::Int, Ty::Str][[0, 0, 0, 1, 2, 3][self.below(6)]].clone();
        }
        let kind = self.below(9);
        if let 7 | 8 = kind
            && !self.functions.is_empty()
        {
            let at = self.below(self.functions.len());
            let returns = self.functions[at].returns.clone().into();
            return if kind == 7 { Ty::Future(returns) } else { Ty::Await(returns) };
        }
        let item = |this: &mut Self| Box::new(this.ty(nested - 1));
        match kind {
            1 => Ty::List(item(self)),
            2 => Ty::Dict(item(self)),
            3 => Ty::Tuple(item(self)),
            4 => match self.ty(nested - 1) {
                optional @ Ty::Optional(_) => optional,
                item => Ty::Optional(item.into()),
            },
            5 => Ty::Object,
            _ => self.ty(0),
        }
    }

    /// Binds it to a variable.
    fn bound(&mut self, ty: &Ty, text: String) -> String {
        let name = self.fresh("v");
        self.line(format!("{name} = {text}"));
        self.variables.push((name.clone(), ty.clone()));
        name
    }

    fn variable(&mut self, fits: impl Fn(&Ty) -> bool) -> Option<(String, Ty)> {
        let fitting: Vec<_> = self.variables.iter().filter(|(_, ty)| fits(ty)).cloned().collect();
        if fitting.is_empty() {
            return None;
        }
        let at = self.below(fitting.len());
        Some(fitting[at].clone())
    }

    /// The name of something of a type.
    fn some(&mut self, ty: &Ty, depth: usize) -> String {
        if self.below(3) < 2
            && let Some((name, _)) = self.variable(|of| of == ty)
        {
            return name;
        }
        let text = self.made(ty, depth);
        self.bound(ty, text)
    }

    /// Something of a type out of something that holds it.
    fn held(&mut self, ty: &Ty) -> Option<String> {
        let (name, of) = self.variable(|of| match of {
            Ty::List(item)
            | Ty::Dict(item)
            | Ty::Tuple(item)
            | Ty::Optional(item)
            | Ty::Future(item)
            | Ty::Await(item) => **item == *ty,
            Ty::Object => matches!(ty, Ty::Tensor) || *ty == Ty::List(Ty::Tensor.into()),
            _ => false,
        })?;
        let way = self.below(4);
        Some(match (of, way) {
            (Ty::List(_), 1) => format!("torch.pop({name})"),
            (Ty::List(_), 0) => format!("{name}[0]"),
            (Ty::List(_), _) => format!("{name}[-1]"),
            (Ty::Dict(_), 1) => format!("torch.values({name})[0]"),
            (Ty::Dict(_), 2) => format!("(torch.items({name})[0])[1]"),
            (Ty::Dict(_), 3) => format!("(torch.popitem({name}))[1]"),
            (Ty::Dict(_), _) => format!("{name}[\"a\"]"),
            (Ty::Tuple(_), _) => format!("({name})[0]"),
            (Ty::Optional(_), _) => format!("torch._unwrap_optional({name})"),
            (Ty::Future(_), _) => format!("torch.wait({name})"),
            (Ty::Await(_), _) => format!("ops.prim.awaitable_wait({name})"),
            (_, _) if *ty == Ty::Tensor => format!("{name}.t"),
            (_, _) => format!("{name}.l"),
        })
    }

    /// An expression that makes something of a type.
    fn made(&mut self, ty: &Ty, depth: usize) -> String {
        if self.below(3) == 1
            && let Some(held) = self.held(ty)
        {
            return held;
        }
        if self.below(4) == 1
            && let Some(call) = self.call(ty, depth)
        {
            return call;
        }
        let way = if depth == 0 { 0 } else { self.below(8) };
        let below = depth.saturating_sub(1);
        match (ty, way) {
            (Ty::Tensor, 1) => format!("torch.slice({}, 0, 0, 1)", self.some(ty, below)),
            (Ty::Tensor, 2) => format!("torch.view({}, [-1])", self.some(ty, below)),
            (Ty::Tensor, 3) => format!("torch.add_({}, 1)", self.some(ty, below)),
            (Ty::Tensor, 4) => format!("torch.select({}, 0, 0)", self.some(ty, below)),
            (Ty::Tensor, 5) => "torch.zeros([2], dtype=4)".to_string(),
            (Ty::Tensor, _) => match self.variable(|of| *of == Ty::Tensor) {
                Some((name, _)) => format!("torch.add({name}, 1)"),
                None => "torch.ones([2], dtype=4)".into(),
            },
            (Ty::Int, 1..=3) => format!("torch.len({})", self.some(&Ty::List(Ty::Tensor.into()), below)),
            (Ty::Int, 4..=5) => format!("torch.dim({})", self.some(&Ty::Tensor, below)),
            (Ty::Int, 6) => format!("torch.len(torch.size({}))", self.some(&Ty::Tensor, below)),
            (Ty::Int, _) => self.below(3).to_string(),
            (Ty::Str, 1..=3) => format!("torch.keys({})[0]", self.some(&Ty::Dict(Ty::Tensor.into()), below)),
            (Ty::Str, _) => ["\"a\"", "\"b\""][self.below(2)].to_string(),
            (Ty::Object, _) => {
                let (t, l) = (self.some(&Ty::Tensor, below), self.some(&Ty::List(Ty::Tensor.into()), below));
                format!("__torch__.make({t}, {l}, )")
            }
            (Ty::List(_), 1) => format!("torch.copy({})", self.some(ty, below)),
            (Ty::List(_), 2) => format!("torch.add({}, {})", self.some(ty, below), self.some(ty, below)),
            (Ty::List(_), 3) => format!("torch.slice({}, 0, 1)", self.some(ty, below)),
            (Ty::List(_), 4) => format!("torch.mul({}, 2)", self.some(ty, below)),
            (Ty::List(item), 5) => format!("torch.values({})", self.some(&Ty::Dict(item.clone()), below)),
            (Ty::List(item), _) => {
                let items: Vec<String> = (0..1 + self.below(2)).map(|_| self.some(item, below)).collect();
                format!("annotate({ty}, [{}])", items.join(", "))
            }
            (Ty::Dict(_), 1) => format!("torch.copy({})", self.some(ty, below)),
            (Ty::Dict(item), 2) => format!("torch.dict([(\"a\", {})])", self.some(item, below)),
            (Ty::Dict(item), _) => format!("annotate({ty}, {{\"a\": {}}})", self.some(item, below)),
            (Ty::Tuple(item), _) => {
                let (item, int) = (self.some(item, below), self.some(&Ty::Int, 0));
                format!("({item}, {int})")
            }
            (Ty::Optional(_), 1) => format!("annotate({ty}, None)"),
            (Ty::Optional(item), 2) => format!("torch.get({}, \"a\")", self.some(&Ty::Dict(item.clone()), below)),
            (Ty::Optional(item), _) => format!("annotate({ty}, {})", self.some(item, below)),
            (Ty::Future(item), _) => self.closure("fork", item, below),
            (Ty::Await(item), _) => self.closure("awaitable", item, below),
        }
    }

    /// A call of a function that returns this.
    fn call(&mut self, ty: &Ty, depth: usize) -> Option<String> {
        let fitting: Vec<usize> = (0..self.functions.len()).filter(|&f| self.functions[f].returns == *ty).collect();
        if fitting.is_empty() || depth == 0 {
            return None;
        }
        let f = fitting[self.below(fitting.len())];
        let params = self.functions[f].params.clone();
        let args: Vec<String> = params.iter().map(|param| self.some(param, depth - 1)).collect();
        Some(format!("__torch__.f{f}({}, )", args.join(", ")))
    }

    fn closure(&mut self, word: &str, returns: &Ty, depth: usize) -> String {
        let call = self.call(returns, depth.max(1)).expect("only such types are chosen");
        let body = if word == "fork" { "__forked_function" } else { "__awaitable_function" };
        self.line(format!("def {body}():"));
        self.line(format!("  return {call}"));
        format!("{word}({body})")
    }

    /// Some statements, and a result.
    fn body(&mut self, statements: usize, returns: &Ty) -> String {
        for _ in 0..1 + self.below(statements) {
            self.statement(2);
        }
        let result = self.some(returns, 1);
        self.line(format!("return {result}"));
        std::mem::take(&mut self.lines)
    }

    fn statement(&mut self, nested: usize) {
        match self.below(if nested == 0 { 8 } else { 11 }) {
            0..=2 => {
                let ty = self.ty(2);
                let text = self.made(&ty, 2);
                self.bound(&ty, text);
            }
            3 => {
                let tensor = self.some(&Ty::Tensor, 1);
                self.effect(format!("torch.add_({tensor}, 1)"));
            }
            4 => {
                if let Some((list, Ty::List(item))) = self.variable(|ty| matches!(ty, Ty::List(_))) {
                    let item = self.some(&item, 1);
                    self.effect(format!("torch.append({list}, {item})"));
                }
            }
            5 => match self.variable(|ty| matches!(ty, Ty::List(_) | Ty::Dict(_))) {
                Some((list, Ty::List(item))) => {
                    let item = self.some(&item, 1);
                    self.effect(format!("torch._set_item({list}, 0, {item})"));
                }
                Some((dict, Ty::Dict(item))) => {
                    let item = self.some(&item, 1);
                    self.line(format!("torch._set_item({dict}, \"b\", {item})"));
                }
                _ => {}
            },
            6 => {
                if let Some((object, _)) = self.variable(|ty| *ty == Ty::Object) {
                    let tensor = self.some(&Ty::Tensor, 1);
                    self.line(format!("{object}.t = {tensor}"));
                }
            }
            7 => {
                if let Some((future, Ty::Future(item))) = self.variable(|ty| matches!(ty, Ty::Future(_))) {
                    self.bound(&item, format!("torch.wait({future})"));
                }
            }
            8 => {
                let condition = self.condition();
                let ty = self.ty(2);
                let name = self.fresh("w");
                self.line(format!("if {condition}:"));
                self.block(nested - 1, Some((&name, &ty)));
                self.line("else:");
                self.block(nested - 1, Some((&name, &ty)));
                self.variables.push((name, ty));
            }
            9 => {
                // How many is not known, but that there are not many, since lists grow.
                let trips = ["2", "torch.len([x0, x0])", "torch.dim(x0)", "1", "0"][self.below(5)];
                let trips = trips.replace("x0", &self.some(&Ty::Tensor, 1));
                let counter = self.fresh("i");
                let carried = self.variable(|ty| !matches!(ty, Ty::Int | Ty::Str));
                let again = carried.map(|(name, ty)| {
                    let fresh = self.bound(&ty, name);
                    (fresh, ty)
                });
                self.line(format!("for {counter} in range({trips}):"));
                self.block(nested - 1, again.as_ref().map(|(name, ty)| (name.as_str(), ty)));
            }
            _ => {
                if let Some((optional, Ty::Optional(item))) = self.variable(|ty| matches!(ty, Ty::Optional(_))) {
                    self.line(format!("if torch.__isnot__({optional}, None):"));
                    let known = self.variables.len();
                    self.depth += 1;
                    self.bound(&item, format!("unchecked_cast({item}, {optional})"));
                    self.statement(nested - 1);
                    self.depth -= 1;
                    self.variables.truncate(known);
                    self.line("else:");
                    self.line("  pass");
                }
            }
        }
    }

    fn effect(&mut self, text: String) {
        let name = self.fresh("_");
        self.line(format!("{name} = {text}"));
    }

    fn condition(&mut self) -> String {
        match self.below(5) {
            1 => format!("torch.gt({}, 1)", self.some(&Ty::Int, 1)),
            2 => format!("torch.eq({}, \"a\")", self.some(&Ty::Str, 1)),
            3 => match self.variable(|ty| matches!(ty, Ty::Dict(_))) {
                Some((dict, _)) => format!("torch.__contains__({dict}, \"b\")"),
                None => "True".into(),
            },
            4 => match self.variable(|ty| matches!(ty, Ty::Optional(_))) {
                Some((optional, _)) => format!("torch.__is__({optional}, None)"),
                None => "False".into(),
            },
            _ => format!("torch.gt(torch.len([{}]), 0)", self.some(&Ty::Tensor, 1)),
        }
    }

    /// A block that gives a variable a value at its end.
    fn block(&mut self, nested: usize, sets: Option<(&str, &Ty)>) {
        let known = self.variables.len();
        self.depth += 1;
        for _ in 0..self.below(3) {
            self.statement(nested);
        }
        match sets {
            Some((name, ty)) => {
                let value = self.some(ty, 1);
                self.line(format!("{name} = {value}"));
            }
            None => self.line("pass"),
        }
        self.depth -= 1;
        self.variables.truncate(known);
    }
}
