//! Random fork/wait programs: what they can say, and how bytes become one.
//!
//! A program is decoded from a list of choices, each a byte, so that one generator serves proptest (which makes the
//! list shorter and its bytes smaller), a seed (a list drawn from it) and a fuzzer (its input). Every list is a
//! program: where it has run out, each choice is the first, which is to stop.
//!
//! All tensors are of `int64` and their shapes are known here, so that no operator is refused for a shape, and sums do not
//! depend on rounding.

/// A program: `forward(x, y, l, d)` of a module with an int `n` and a tensor `w`, and the functions that it forks.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Where `y` lies: at this element of the storage that `x` begins, with this stride. From 4 on it is disjoint from `x`.
    pub y: (usize, usize),
    /// The body of `forward`.
    pub main: Body,
    /// Functions that are forked and called, each by those before it only.
    pub functions: Vec<Body>,
}

/// Statements, and the variable that is returned.
#[derive(Debug, Clone)]
pub struct Body {
    /// In order.
    pub statements: Vec<Statement>,
    /// A tensor of two elements.
    pub result: Var,
}

/// A variable of a function; the first ones are its parameters, see [`Var::PARAMS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Var(pub usize);

impl Var {
    /// The parameters of every function: a matrix, a vector, a list and a dict of vectors, and a list of futures, which
    /// `forward` makes itself.
    pub const PARAMS: [Kind; 5] = [Kind::Tensor(&[2, 2]), Kind::Tensor(&[2]), Kind::Tensors, Kind::Dict, Kind::Futures];
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A tensor of these sizes.
    Tensor(&'static [usize]),
    /// A list of vectors.
    Tensors,
    /// A dict of vectors.
    Dict,
    /// A future of a vector.
    Future,
    /// A list of such.
    Futures,
}

/// The keys of dicts.
pub const KEYS: [&str; 3] = ["p", "q", "r"];

/// One line of a program, or one block.
#[derive(Debug, Clone)]
pub enum Statement {
    /// A view of a tensor.
    View(Var, Var, View),
    /// `to = a + b` or `a * b`, a new tensor.
    Fresh(Var, Combine, Var, Operand),
    /// `a += b` or `a *= b`, in place.
    Update(Combine, Var, Operand),
    /// `a.copy_(b)`
    Copy(Var, Var),
    /// `a.fill_(k)`
    Fill(Var, i64),
    /// `a.fill_(self.n)`
    FillFromN(Var),
    /// `a.t_()`
    Transpose(Var),
    /// `self.n += k`
    AddToN(i64),
    /// `self.n = k`
    SetN(i64),
    /// `to = self.w`
    GetW(Var),
    /// `self.w = a`
    SetW(Var),
    /// `l.append(a)`, also of futures.
    Append(Var, Var),
    /// `l[i] = a`
    SetItem(Var, usize, Var),
    /// `to = l[i]`, also of futures.
    GetItem(Var, Var, usize),
    /// `d[key] = a`
    SetKey(Var, usize, Var),
    /// `to = d[key]`
    GetKey(Var, Var, usize),
    /// `to = torch.randint(0, 100, [2])`
    Draw(Var),
    /// `torch.manual_seed(k)`
    Seed(u64),
    /// `print("…")`
    Print,
    /// `print(a)`
    PrintTensor(Var),
    /// A new list of tensors with this one.
    NewTensors(Var, Var),
    /// A new, empty dict.
    NewDict(Var),
    /// A new, empty list of futures.
    NewFutures(Var),
    /// `if` … `else`
    If(Condition, Vec<Statement>, Vec<Statement>),
    /// The same twice.
    Twice(Vec<Statement>),
    /// `raise ValueError("e…")`
    Raise(u64),
    /// `to = fork(function, …)`
    Fork(Var, usize, Vec<Var>),
    /// `to = function(…)`
    Call(Var, usize, Vec<Var>),
    /// `to = wait(future)`
    Wait(Var, Var),
}

/// How a view is made.
#[derive(Debug, Clone, Copy)]
pub enum View {
    /// `select(dim, index)`
    Select(usize, usize),
    /// `slice(dim, start, start + 1)`
    Slice(usize, usize),
    /// `t()`
    Transpose,
}

/// An operator of two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// Commutes.
    Add,
    /// Commutes, but not with the other.
    Mul,
}

/// The second operand.
#[derive(Debug, Clone, Copy)]
pub enum Operand {
    /// A number.
    Number(i64),
    /// A tensor that can be broadcast to the sizes of the first.
    Tensor(Var),
}

/// What a branch depends on.
#[derive(Debug, Clone, Copy)]
pub enum Condition {
    /// `bool(a.sum() > k)`
    Sum(Var, i64),
    /// `self.n > k`
    N(i64),
    /// `len(l) > k`
    Length(Var, i64),
    /// `key in d`
    Key(Var, usize),
}

/// Choices, one after another.
#[derive(Debug)]
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % end.max(1)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// How long a program may be.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Statements of `forward`, not counting those in blocks.
    pub main: usize,
    /// Statements of each function.
    pub function: usize,
    /// Functions.
    pub functions: usize,
}

/// The kinds of statements that a program is about, so that its tasks meet.
const FAMILIES: usize = 9;

struct Maker<'a> {
    choices: Choices<'a>,
    families: u32,
}

/// The variables of the function that is being made.
#[derive(Clone)]
struct Scope {
    /// `None` for one of a block that has ended.
    kinds: Vec<Option<Kind>>,
    /// Which functions can be forked: those from this one on.
    callees: usize,
    functions: usize,
}

impl Sample {
    /// The program that these choices make.
    pub fn of(choices: &[u8], size: Size) -> Self {
        let mut maker = Maker { choices: Choices(choices.iter()), families: 0 };
        let y = maker.choices.one(&[(4, 1), (0, 1), (1, 2), (3, 1), (2, 1), (0, 2)]);
        for _ in 0..=maker.choices.below(3) {
            maker.families |= 1 << maker.choices.below(FAMILIES);
        }
        let functions = 1 + maker.choices.below(size.functions);
        let main = maker.body(0, functions, size.main);
        let functions = (0..functions).map(|i| maker.body(i + 1, functions, size.function)).collect();
        Self { y, main, functions }
    }

    /// The program of a seed, for long runs.
    pub fn of_seed(seed: u64, size: Size) -> Self {
        let mut random = forkcheck_scheduler::rng::Rng::new(seed);
        let choices: Vec<u8> = (0..400).map(|_| random.below(256) as u8).collect();
        Self::of(&choices, size)
    }
}

impl Maker<'_> {
    fn body(&mut self, callees: usize, functions: usize, most: usize) -> Body {
        let mut scope = Scope { kinds: Var::PARAMS.map(Some).to_vec(), callees, functions };
        let statements = self.block(&mut scope, most, 2);
        let vectors = scope.of(|kind| kind == Kind::Tensor(&[2]));
        Body { statements, result: self.choices.one(&vectors) }
    }

    fn block(&mut self, scope: &mut Scope, most: usize, depth: usize) -> Vec<Statement> {
        let mut statements = Vec::new();
        while statements.len() < most && self.choices.below(8) != 0 {
            statements.extend(self.statement(scope, depth));
        }
        statements
    }

    /// A block whose variables nobody sees afterwards.
    fn inner(&mut self, scope: &mut Scope, depth: usize) -> Vec<Statement> {
        let outer = scope.kinds.len();
        let statements = self.block(scope, 2, depth - 1);
        scope.kinds[outer..].fill(None);
        statements
    }

    fn statement(&mut self, scope: &mut Scope, depth: usize) -> Option<Statement> {
        let futures = scope.of(|kind| kind == Kind::Future);
        let forks = scope.callees < scope.functions;
        Some(match self.choices.below(12) {
            0..=2 if forks => self.fork(scope),
            3..=4 if !futures.is_empty() => {
                let future = self.choices.one(&futures);
                Statement::Wait(scope.add(Kind::Tensor(&[2])), future)
            }
            5 if depth > 0 => self.branch(scope, depth),
            6 => self.container(scope),
            7 => self.view(scope),
            _ => {
                let mut family = self.choices.below(FAMILIES);
                while self.families & (1 << family) == 0 {
                    family = (family + 1) % FAMILIES;
                }
                self.of_family(family, scope)?
            }
        })
    }

    fn of_family(&mut self, family: usize, scope: &mut Scope) -> Option<Statement> {
        let number = self.choices.below(3) as i64 + 2;
        Some(match family {
            0 => self.in_place(scope),
            1 => match self.choices.below(4) {
                0..=1 => Statement::AddToN(number),
                2 => Statement::SetN(number),
                _ => Statement::FillFromN(self.tensor(scope)),
            },
            2 => match self.choices.below(3) {
                0..=1 => Statement::GetW(scope.add(Kind::Tensor(&[2]))),
                _ => Statement::SetW(self.vector(scope)),
            },
            3 => {
                let list = self.choices.one(&scope.of(|kind| kind == Kind::Tensors));
                match self.choices.below(3) {
                    0 => Statement::Append(list, self.vector(scope)),
                    1 => Statement::SetItem(list, self.choices.below(3), self.vector(scope)),
                    _ => Statement::GetItem(scope.add(Kind::Tensor(&[2])), list, self.choices.below(3)),
                }
            }
            4 => {
                let dict = self.choices.one(&scope.of(|kind| kind == Kind::Dict));
                let key = self.choices.below(KEYS.len());
                match self.choices.below(2) {
                    0 => Statement::SetKey(dict, key, self.vector(scope)),
                    _ => Statement::GetKey(scope.add(Kind::Tensor(&[2])), dict, key),
                }
            }
            5 => match self.choices.below(4) {
                0..=2 => Statement::Draw(scope.add(Kind::Tensor(&[2]))),
                _ => Statement::Seed(1 + self.choices.below(2) as u64),
            },
            6 => match self.choices.below(3) {
                0 => Statement::Raise(self.choices.below(2) as u64),
                _ => {
                    let condition = self.condition(scope);
                    Statement::If(condition, vec![Statement::Raise(self.choices.below(2) as u64)], Vec::new())
                }
            },
            7 => {
                let matrices = scope.of(|kind| kind == Kind::Tensor(&[2, 2]));
                Statement::Transpose(self.choices.one(&matrices))
            }
            _ => match self.choices.below(2) {
                0 => Statement::Print,
                _ => Statement::PrintTensor(self.tensor(scope)),
            },
        })
    }

    fn in_place(&mut self, scope: &mut Scope) -> Statement {
        let to = self.tensor(scope);
        match self.choices.below(8) {
            0 => Statement::Fill(to, self.choices.below(4) as i64),
            1..=2 => match self.operand(to, scope) {
                Operand::Tensor(from) => Statement::Copy(to, from),
                Operand::Number(number) => Statement::Fill(to, number),
            },
            3 => {
                let operand = self.operand(to, scope);
                let sizes = scope.sizes(to);
                let combine = self.combine();
                Statement::Fresh(scope.add(Kind::Tensor(sizes)), combine, to, operand)
            }
            _ => Statement::Update(self.combine(), to, self.operand(to, scope)),
        }
    }

    fn combine(&mut self) -> Combine {
        self.choices.one(&[Combine::Add, Combine::Mul])
    }

    fn operand(&mut self, to: Var, scope: &Scope) -> Operand {
        let sizes = scope.sizes(to);
        let fitting = scope.of(|kind| matches!(kind, Kind::Tensor(from) if broadcasts(from, sizes)));
        match self.choices.below(2) {
            0 => Operand::Number(self.choices.below(3) as i64 + 2),
            _ => Operand::Tensor(self.choices.one(&fitting)),
        }
    }

    fn tensor(&mut self, scope: &Scope) -> Var {
        self.choices.one(&scope.of(|kind| matches!(kind, Kind::Tensor(_))))
    }

    fn vector(&mut self, scope: &Scope) -> Var {
        self.choices.one(&scope.of(|kind| kind == Kind::Tensor(&[2])))
    }

    fn view(&mut self, scope: &mut Scope) -> Statement {
        let of = self.choices.one(&scope.of(|kind| matches!(kind, Kind::Tensor(sizes) if !sizes.is_empty())));
        let sizes = scope.sizes(of);
        let dim = self.choices.below(sizes.len());
        let at = self.choices.below(sizes[dim]);
        let (kind, how): (&'static [usize], View) = match (self.choices.below(3), sizes) {
            (2, [2, 2]) => (&[2, 2], View::Transpose),
            (1, [2, 2]) if dim == 0 => (&[1, 2], View::Slice(dim, at)),
            (1, [2, 2]) => (&[2, 1], View::Slice(dim, at)),
            (1, [_]) => (&[1], View::Slice(dim, at)),
            (_, [_]) => (&[], View::Select(dim, at)),
            (_, [a, b]) if [*a, *b][1 - dim] == 1 => (&[1], View::Select(dim, at)),
            _ => (&[2], View::Select(dim, at)),
        };
        Statement::View(scope.add(Kind::Tensor(kind)), of, how)
    }

    /// Futures that travel, and containers of a task's own.
    fn container(&mut self, scope: &mut Scope) -> Statement {
        let futures = scope.of(|kind| kind == Kind::Future);
        let queue = self.choices.one(&scope.of(|kind| kind == Kind::Futures));
        match self.choices.below(6) {
            0 | 1 if !futures.is_empty() => Statement::Append(queue, self.choices.one(&futures)),
            0..=2 => Statement::GetItem(scope.add(Kind::Future), queue, self.choices.below(2)),
            3 => {
                let first = self.vector(scope);
                Statement::NewTensors(scope.add(Kind::Tensors), first)
            }
            4 => Statement::NewDict(scope.add(Kind::Dict)),
            _ => Statement::NewFutures(scope.add(Kind::Futures)),
        }
    }

    fn branch(&mut self, scope: &mut Scope, depth: usize) -> Statement {
        if self.choices.below(4) == 0 {
            return Statement::Twice(self.inner(scope, depth));
        }
        let condition = self.condition(scope);
        let then = self.inner(scope, depth);
        Statement::If(condition, then, self.inner(scope, depth))
    }

    fn condition(&mut self, scope: &Scope) -> Condition {
        match self.choices.below(5) {
            0..=1 => Condition::Sum(self.tensor(scope), 3 * self.choices.below(6) as i64),
            2 => Condition::N(1 + 2 * self.choices.below(4) as i64),
            3 => {
                let list = self.choices.one(&scope.of(|kind| kind == Kind::Tensors));
                Condition::Length(list, self.choices.below(3) as i64)
            }
            _ => {
                let dict = self.choices.one(&scope.of(|kind| kind == Kind::Dict));
                Condition::Key(dict, self.choices.below(KEYS.len()))
            }
        }
    }

    fn fork(&mut self, scope: &mut Scope) -> Statement {
        let callee = scope.callees + self.choices.below(scope.functions - scope.callees);
        let args = Var::PARAMS
            .iter()
            .map(|&param| {
                let fitting = scope.of(|kind| kind == param);
                self.choices.one(&fitting)
            })
            .collect();
        match self.choices.below(6) {
            5 => Statement::Call(scope.add(Kind::Tensor(&[2])), callee, args),
            _ => Statement::Fork(scope.add(Kind::Future), callee, args),
        }
    }
}

impl Scope {
    fn of(&self, fits: impl Fn(Kind) -> bool) -> Vec<Var> {
        let fitting = self.kinds.iter().enumerate().filter(|(_, kind)| kind.is_some_and(&fits));
        fitting.map(|(i, _)| Var(i)).collect()
    }

    fn add(&mut self, kind: Kind) -> Var {
        self.kinds.push(Some(kind));
        Var(self.kinds.len() - 1)
    }

    fn sizes(&self, var: Var) -> &'static [usize] {
        match self.kinds[var.0] {
            Some(Kind::Tensor(sizes)) => sizes,
            other => unreachable!("a tensor, not {other:?}"),
        }
    }
}

/// Whether a tensor of the sizes `from` can be stored to one of the sizes `to`.
fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(a, b)| a == b || *a == 1)
}
