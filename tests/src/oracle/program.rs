//! Random fork/wait programs: what they can say, and how bytes become one.
//!
//! A program is decoded from a list of choices, each a byte, so that one generator serves proptest (which makes the
//! list shorter and its bytes smaller), a seed (a list drawn from it) and a fuzzer (its input). Every list is a
//! program: where it has run out, each choice is the first, which is to stop.
//!
//! All tensors are of `int64` and their shapes are known here, so that no operator is refused for a shape, and sums do not
//! depend on rounding.
//!
//! What was added to the language later is only said by programs of a [`Size`] that asks for it: a seed that once broke a law stays
//! the program that did.

use std::rc::Rc;

/// A program: `forward(x, y, l, d)` of a module with a tensor `w`, an int `n`, a list `l` and a dict `d`, and the functions that it
/// forks.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Where `y` lies: at this element of the storage that `x` begins, with this stride. From 4 on it is disjoint from `x`.
    pub y: (usize, usize),
    /// What it can say.
    pub language: Language,
    /// Whether the submodules `s` and `r` are one.
    pub one_sub: bool,
    /// The body of `forward`.
    pub main: Body,
    /// Functions that are forked and called, each by those before it only.
    pub functions: Vec<Body>,
}

/// What a program can say: each says what those before it do, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// Tensors, and containers that grow.
    Plain,
    /// Variables are assigned again, functions return other things than vectors, there are objects, and containers are attributes
    /// and shrink.
    Rich,
    /// Futures wait in lists that tasks fill, empty and go through, as far as they were long once; some are waited for on one way
    /// only.
    Queues,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::Plain, Language::Rich, Language::Queues];
}

/// Statements, and the variable that is returned.
#[derive(Debug, Clone)]
pub struct Body {
    /// In order.
    pub statements: Vec<Statement>,
    /// What is returned.
    pub result: Var,
    /// What that is.
    pub returns: Returned,
}

/// What a function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// A tensor of two elements.
    Vector,
    /// A list of vectors.
    Tensors,
    /// A dict of vectors.
    Dict,
    /// Two vectors.
    Pair,
    /// A future of a vector, of a task that goes on alone.
    Future,
    /// A list of such.
    Futures,
}

impl Returned {
    /// The kind of a variable that it is put into.
    pub fn kind(self) -> Kind {
        match self {
            Returned::Vector => Kind::Tensor(&[2]),
            Returned::Tensors => Kind::Tensors,
            Returned::Dict => Kind::Dict,
            Returned::Pair => Kind::Pair,
            Returned::Future => Kind::Future(Returned::Vector),
            Returned::Futures => Kind::Futures,
        }
    }
}

/// A variable of a function; the first ones are its parameters, see [`Var::params`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Var(pub usize);

impl Var {
    /// The parameters of every function: a matrix, a vector, a list and a dict of vectors, a list of futures; in rich programs an
    /// object, and where there are queues an int. What comes after the dict `forward` makes itself.
    const PARAMS: [Kind; 7] =
        [Kind::Tensor(&[2, 2]), Kind::Tensor(&[2]), Kind::Tensors, Kind::Dict, Kind::Futures, Kind::Object, Kind::Int];
    /// The list of vectors that `forward` is given.
    pub const LIST: Var = Var(2);
    /// The object that `forward` makes.
    pub const OBJECT: Var = Var(5);
    /// The int that `forward` makes, the length of its list.
    pub const LENGTH: Var = Var(6);

    /// The parameters of the functions of a program.
    pub fn params(language: Language) -> &'static [Kind] {
        let count = match language {
            Language::Plain => 5,
            Language::Rich => 6,
            Language::Queues => 7,
        };
        &Var::PARAMS[..count]
    }
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
    /// A tuple of two vectors.
    Pair,
    /// A future.
    Future(Returned),
    /// A list of futures of vectors.
    Futures,
    /// A list of lists of vectors.
    Nest,
    /// A list of lists of futures of vectors.
    Queues,
    /// An object of a class with a vector `t` and an int `k`.
    Object,
    /// The length that a list had.
    Int,
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
    /// `l.append(a)`, also of futures and of lists.
    Append(Var, Var),
    /// `l[i] = a`
    SetItem(Var, usize, Var),
    /// `to = l[i]`, also of futures and of lists.
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
    /// `to = from`, of a variable that there is.
    Assign(Var, Var),
    /// `to = (a, b)`
    Pack(Var, Var, Var),
    /// `to = pair[i]`
    Unpack(Var, Var, usize),
    /// `to = a.unbind(dim)`, a new list of views of a matrix.
    Unbind(Var, Var, usize),
    /// `to = a.contiguous()`, which is `a` itself if it is that already.
    Contiguous(Var, Var),
    /// `to = l.pop()`
    Pop(Var, Var),
    /// `l.extend(other)`
    Extend(Var, Var),
    /// `l.clear()`
    Clear(Var),
    /// `to = d.pop(key)`
    PopKey(Var, Var, usize),
    /// `to = self.l`, or of `d` if it is a dict.
    GetHeld(Var, Held),
    /// `self.l = from`, likewise.
    SetHeld(Held, Var),
    /// `to = C()`, whose `t` is this vector and whose `k` is 1.
    NewObject(Var, Var),
    /// `to = o.t`
    GetT(Var, Var),
    /// `o.t = from`
    SetT(Var, Var),
    /// `o.k = k`
    SetK(Holder, i64),
    /// `o.k += k`
    AddToK(Holder, i64),
    /// `to = a + b`, a new list.
    Concat(Var, Var, Var),
    /// `to = l[0:1]`, a new list.
    Head(Var, Var),
    /// `to = d.values()`, a new list.
    Values(Var, Var),
    /// `to = d.get(key, a)`
    Get(Var, Var, usize, Var),
    /// `to = d.setdefault(key, a)`
    SetDefault(Var, Var, usize, Var),
    /// `torch.add(a, b, out=to)`, all of the same sizes.
    AddOut(Var, Var, Var),
    /// `to = [l]`, a new list of lists, also of futures.
    NewNest(Var, Var),
    /// `for to in l`, also of futures; with an int `for i in range(int)`, and `to` is `l[i]`.
    Each(Var, Var, Option<Var>, Vec<Statement>),
    /// `to = len(l)`, also of futures.
    Measure(Var, Var),
}

/// What has an int `k`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An object.
    Object(Var),
    /// The submodule `s` or `r`.
    Sub(usize),
}

/// An attribute that is a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// `l`, a list of vectors.
    List,
    /// `d`, a dict of vectors.
    Dict,
}

impl Held {
    fn kind(self) -> Kind {
        match self {
            Held::List => Kind::Tensors,
            Held::Dict => Kind::Dict,
        }
    }
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
    /// `o.k > k`
    K(Holder, i64),
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
    /// What it can say.
    pub language: Language,
}

/// Variables from here on are those that nobody looks at.
const UNSEEN: usize = 500;

/// The kinds of statements that a program is about, so that its tasks meet.
const FAMILIES: usize = 9;

struct Maker<'a> {
    choices: Choices<'a>,
    families: u32,
    language: Language,
}

/// The variables of the function that is being made.
#[derive(Clone)]
struct Scope {
    /// `None` for one of a block that has ended.
    kinds: Vec<Option<Kind>>,
    /// Which functions can be forked: those from this one on.
    callees: usize,
    /// What each function returns.
    functions: Rc<[Returned]>,
}

impl Sample {
    /// The program that these choices make.
    pub fn of(choices: &[u8], size: Size) -> Self {
        let mut maker = Maker { choices: Choices(choices.iter()), families: 0, language: size.language };
        let y = maker.choices.one(&[(4, 1), (0, 1), (1, 2), (3, 1), (2, 1), (0, 2)]);
        for _ in 0..=maker.choices.below(3) {
            maker.families |= 1 << maker.choices.below(FAMILIES);
        }
        let one_sub = size.language >= Language::Rich && maker.choices.below(2) == 1;
        let functions: Rc<[Returned]> =
            (0..1 + maker.choices.below(size.functions)).map(|_| maker.returned()).collect();
        let returned = match maker.returned() {
            // The caller is given no futures: whether it would wait is not for the program to say.
            Returned::Future | Returned::Futures => Returned::Vector,
            other => other,
        };
        let main = maker.body(0, &functions, returned, size.main);
        let bodies = functions.iter().enumerate();
        let functions = bodies.map(|(i, &one)| maker.body(i + 1, &functions, one, size.function)).collect();
        Self { y, language: size.language, one_sub, main, functions }
    }

    /// Whether some statement is such, in blocks too.
    pub fn any(&self, test: impl Fn(&Statement) -> bool) -> bool {
        fn in_block(statements: &[Statement], test: &impl Fn(&Statement) -> bool) -> bool {
            statements.iter().any(|statement| {
                test(statement)
                    || match statement {
                        Statement::If(_, a, b) => in_block(a, test) || in_block(b, test),
                        Statement::Twice(body) | Statement::Each(.., body) => in_block(body, test),
                        _ => false,
                    }
            })
        }
        [&self.main].into_iter().chain(&self.functions).any(|body| in_block(&body.statements, &test))
    }

    /// The program of a seed, for long runs.
    pub fn of_seed(seed: u64, size: Size) -> Self {
        let mut random = forkcheck_scheduler::rng::Rng::new(seed);
        let choices: Vec<u8> = (0..400).map(|_| random.below(256) as u8).collect();
        Self::of(&choices, size)
    }
}

impl Maker<'_> {
    fn returned(&mut self) -> Returned {
        if self.language < Language::Rich {
            return Returned::Vector;
        }
        match self.choices.below(10) {
            0..=3 => Returned::Vector,
            4 => Returned::Tensors,
            5 => Returned::Dict,
            6 => Returned::Pair,
            7..=8 => Returned::Future,
            _ => Returned::Futures,
        }
    }

    fn body(&mut self, callees: usize, functions: &Rc<[Returned]>, returns: Returned, most: usize) -> Body {
        let kinds = Var::params(self.language).iter().copied().map(Some).collect();
        let mut scope = Scope { kinds, callees, functions: functions.clone() };
        let mut statements = self.block(&mut scope, most, 2);
        let fitting = scope.of(|kind| kind == returns.kind());
        if !fitting.is_empty() {
            return Body { statements, result: self.choices.one(&fitting), returns };
        }
        // Futures and pairs are the only things that a function may not have.
        let result = match returns {
            Returned::Pair => {
                let (a, b) = (self.vector(&scope), self.vector(&scope));
                let pair = scope.add(Kind::Pair);
                statements.push(Statement::Pack(pair, a, b));
                pair
            }
            _ => {
                let queue = self.choices.one(&scope.of(|kind| kind == Kind::Futures));
                let future = scope.add(Kind::Future(Returned::Vector));
                statements.push(Statement::GetItem(future, queue, 0));
                future
            }
        };
        Body { statements, result, returns }
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
        if self.language < Language::Queues {
            return self.of_any(scope, depth);
        }
        let forks = scope.callees < scope.functions.len();
        match self.choices.below(12) {
            0..=2 if forks => Some(self.fork(scope)),
            3..=7 => self.queue(scope, depth),
            // A wait that did not happen shows where the parent of a fork that only reads writes.
            8..=9 if scope.callees > 0 => {
                let of = self.tensor(scope);
                Some(self.fresh(of, scope))
            }
            8..=9 => Some(self.in_place(scope)),
            _ => self.of_any(scope, depth),
        }
    }

    fn of_any(&mut self, scope: &mut Scope, depth: usize) -> Option<Statement> {
        let futures = scope.of(|kind| matches!(kind, Kind::Future(_)));
        let forks = scope.callees < scope.functions.len();
        Some(match self.choices.below(if self.language >= Language::Rich { 18 } else { 12 }) {
            0..=2 if forks => self.fork(scope),
            3..=4 if !futures.is_empty() => {
                let future = self.choices.one(&futures);
                let Some(Kind::Future(of)) = scope.kinds[future.0] else { unreachable!("a future") };
                Statement::Wait(scope.add(of.kind()), future)
            }
            5 if depth > 0 => self.branch(scope, depth),
            6 => self.container(scope),
            7 => self.view(scope),
            12..=13 => self.assign(scope)?,
            14..=15 => self.added(scope)?,
            16 => self.object(scope),
            17 if depth > 0 => self.each(scope, depth),
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
                let list = self.list(scope);
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
            3 => self.fresh(to, scope),
            _ => Statement::Update(self.combine(), to, self.operand(to, scope)),
        }
    }

    fn fresh(&mut self, of: Var, scope: &mut Scope) -> Statement {
        let operand = self.operand(of, scope);
        let sizes = scope.sizes(of);
        let combine = self.combine();
        Statement::Fresh(scope.add(Kind::Tensor(sizes)), combine, of, operand)
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

    fn list(&mut self, scope: &Scope) -> Var {
        self.choices.one(&scope.of(|kind| kind == Kind::Tensors))
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
        let vector = Kind::Future(Returned::Vector);
        let futures = scope.of(|kind| kind == vector);
        let queue = self.choices.one(&scope.of(|kind| kind == Kind::Futures));
        match self.choices.below(6) {
            0 | 1 if !futures.is_empty() => Statement::Append(queue, self.choices.one(&futures)),
            0..=2 => Statement::GetItem(scope.add(vector), queue, self.choices.below(2)),
            3 => {
                let first = self.vector(scope);
                Statement::NewTensors(scope.add(Kind::Tensors), first)
            }
            4 => Statement::NewDict(scope.add(Kind::Dict)),
            _ => Statement::NewFutures(scope.add(Kind::Futures)),
        }
    }

    /// A variable becomes another: what is written afterwards depends on the way that was taken.
    fn assign(&mut self, scope: &Scope) -> Option<Statement> {
        let to = self.choices.one(&scope.of(|_| true));
        let kind = scope.kinds[to.0];
        let others: Vec<Var> = scope.of(|other| Some(other) == kind).into_iter().filter(|var| *var != to).collect();
        (!others.is_empty()).then(|| Statement::Assign(to, self.choices.one(&others)))
    }

    /// What only rich programs say.
    fn added(&mut self, scope: &mut Scope) -> Option<Statement> {
        let list = self.list(scope);
        let dict = self.choices.one(&scope.of(|kind| kind == Kind::Dict));
        let held = self.choices.one(&[Held::List, Held::Dict]);
        let key = self.choices.below(KEYS.len());
        let nests = scope.of(|kind| kind == Kind::Nest);
        Some(match self.choices.below(26) {
            14 => {
                let other = self.list(scope);
                Statement::Concat(scope.add(Kind::Tensors), list, other)
            }
            15 => Statement::Head(scope.add(Kind::Tensors), list),
            16 => Statement::Values(scope.add(Kind::Tensors), dict),
            17 => {
                let default = self.vector(scope);
                Statement::Get(scope.add(Kind::Tensor(&[2])), dict, key, default)
            }
            18 => {
                let default = self.vector(scope);
                Statement::SetDefault(scope.add(Kind::Tensor(&[2])), dict, key, default)
            }
            19..=20 => Statement::AddOut(self.vector(scope), self.vector(scope), self.vector(scope)),
            21..=22 => Statement::NewNest(scope.add(Kind::Nest), list),
            23 if !nests.is_empty() => Statement::Append(self.choices.one(&nests), list),
            24..=25 if !nests.is_empty() => {
                let nest = self.choices.one(&nests);
                Statement::GetItem(scope.add(Kind::Tensors), nest, self.choices.below(2))
            }
            23..=25 => return None,
            0 => {
                let (a, b) = (self.vector(scope), self.vector(scope));
                Statement::Pack(scope.add(Kind::Pair), a, b)
            }
            1..=2 => {
                let pairs = scope.of(|kind| kind == Kind::Pair);
                let pair = (!pairs.is_empty()).then(|| self.choices.one(&pairs))?;
                Statement::Unpack(scope.add(Kind::Tensor(&[2])), pair, self.choices.below(2))
            }
            3..=4 => {
                let matrix = self.choices.one(&scope.of(|kind| kind == Kind::Tensor(&[2, 2])));
                Statement::Unbind(scope.add(Kind::Tensors), matrix, self.choices.below(2))
            }
            5..=6 => {
                let of = self.tensor(scope);
                let sizes = scope.sizes(of);
                Statement::Contiguous(scope.add(Kind::Tensor(sizes)), of)
            }
            7 => Statement::Pop(scope.add(Kind::Tensor(&[2])), list),
            8 => Statement::Extend(list, self.list(scope)),
            9 => Statement::Clear(list),
            10 => Statement::PopKey(scope.add(Kind::Tensor(&[2])), dict, key),
            11..=12 => Statement::GetHeld(scope.add(held.kind()), held),
            _ => Statement::SetHeld(held, if held == Held::List { list } else { dict }),
        })
    }

    fn object(&mut self, scope: &mut Scope) -> Statement {
        let object = self.choices.one(&scope.of(|kind| kind == Kind::Object));
        let number = self.choices.below(3) as i64 + 2;
        match self.choices.below(8) {
            0 => {
                let first = self.vector(scope);
                Statement::NewObject(scope.add(Kind::Object), first)
            }
            1..=2 => Statement::GetT(scope.add(Kind::Tensor(&[2])), object),
            3..=4 => Statement::SetT(object, self.vector(scope)),
            5 => Statement::SetK(self.holder(scope), number),
            _ => Statement::AddToK(self.holder(scope), number),
        }
    }

    fn holder(&mut self, scope: &Scope) -> Holder {
        match self.choices.below(4) {
            0..=1 => Holder::Object(self.choices.one(&scope.of(|kind| kind == Kind::Object))),
            sub => Holder::Sub(sub - 2),
        }
    }

    fn each(&mut self, scope: &mut Scope, depth: usize) -> Statement {
        let list = self.choices.one(&scope.of(|kind| matches!(kind, Kind::Tensors | Kind::Futures)));
        let queue = scope.kinds[list.0] == Some(Kind::Futures);
        let outer = scope.kinds.len();
        let item = scope.add(if queue { Kind::Future(Returned::Vector) } else { Kind::Tensor(&[2]) });
        let mut body = self.inner(scope, depth);
        if queue {
            // That is what one goes through futures for.
            body.insert(0, wait_unseen(item));
        }
        scope.kinds[outer..].fill(None);
        Statement::Each(item, list, None, body)
    }

    /// Futures in lists: what was waited for depends on the way, on the length that was taken, and on who else is at the list.
    fn queue(&mut self, scope: &mut Scope, depth: usize) -> Option<Statement> {
        let vector = Kind::Future(Returned::Vector);
        let futures = scope.of(|kind| kind == vector);
        // Mostly what was forked last: otherwise few are ever put into a list.
        let future = match self.choices.below(2) {
            0 => futures.last().copied(),
            _ => (!futures.is_empty()).then(|| self.choices.one(&futures)),
        };
        let queues = scope.of(|kind| kind == Kind::Futures);
        let queue = self.choices.one(&queues);
        let nests = scope.of(|kind| kind == Kind::Queues);
        let nest = (!nests.is_empty()).then(|| self.choices.one(&nests));
        Some(match self.choices.below(22) {
            0..=2 => Statement::Append(queue, future?),
            3..=4 => Statement::Measure(scope.add(Kind::Int), queue),
            5..=7 if depth > 0 => self.each_of(queue, scope, depth),
            8..=9 if depth > 0 => {
                let condition = self.condition(scope);
                let wait = vec![wait_unseen(future?)];
                let otherwise = self.inner(scope, depth);
                Statement::If(condition, wait, otherwise)
            }
            10 => Statement::Pop(scope.add(vector), queue),
            11 => Statement::Extend(queue, self.choices.one(&queues)),
            12 => Statement::Clear(queue),
            13 => Statement::SetItem(queue, self.choices.below(2), future?),
            14 => {
                let other = self.choices.one(&queues);
                Statement::Concat(scope.add(Kind::Futures), queue, other)
            }
            15 => Statement::Head(scope.add(Kind::Futures), queue),
            16..=17 => Statement::NewFutures(scope.add(Kind::Futures)),
            18 => Statement::NewNest(scope.add(Kind::Queues), queue),
            19 => Statement::Append(nest?, queue),
            20..=21 => {
                let nest = nest?;
                Statement::GetItem(scope.add(Kind::Futures), nest, self.choices.below(2))
            }
            _ => return None,
        })
    }

    /// A loop over futures that waits for each, or for some, and as far as the list is long or once was.
    fn each_of(&mut self, queue: Var, scope: &mut Scope, depth: usize) -> Statement {
        let outer = scope.kinds.len();
        let ints = scope.of(|kind| kind == Kind::Int);
        let turns = (self.choices.below(2) == 1).then(|| self.choices.one(&ints));
        let item = scope.add(Kind::Future(Returned::Vector));
        let mut body = self.inner(scope, depth);
        let wait = wait_unseen(item);
        let wait = match self.choices.below(4) {
            0 => Statement::If(self.condition(scope), vec![wait], Vec::new()),
            _ => wait,
        };
        body.insert(self.choices.below(body.len() + 1), wait);
        scope.kinds[outer..].fill(None);
        Statement::Each(item, queue, turns, body)
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
        match self.choices.below(if self.language >= Language::Rich { 6 } else { 5 }) {
            5 => Condition::K(self.holder(scope), 1 + self.choices.below(4) as i64),
            0..=1 => Condition::Sum(self.tensor(scope), 3 * self.choices.below(6) as i64),
            2 => Condition::N(1 + 2 * self.choices.below(4) as i64),
            3 => {
                let list = self.list(scope);
                Condition::Length(list, self.choices.below(3) as i64)
            }
            _ => {
                let dict = self.choices.one(&scope.of(|kind| kind == Kind::Dict));
                Condition::Key(dict, self.choices.below(KEYS.len()))
            }
        }
    }

    fn fork(&mut self, scope: &mut Scope) -> Statement {
        let callee = scope.callees + self.choices.below(scope.functions.len() - scope.callees);
        let returned = scope.functions[callee];
        let args = Var::params(self.language)
            .iter()
            .map(|&param| {
                let fitting = scope.of(|kind| kind == param);
                self.choices.one(&fitting)
            })
            .collect();
        match self.choices.below(6) {
            5 => Statement::Call(scope.add(returned.kind()), callee, args),
            _ => Statement::Fork(scope.add(Kind::Future(returned)), callee, args),
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

/// A wait whose result nobody looks at.
fn wait_unseen(future: Var) -> Statement {
    Statement::Wait(Var(UNSEEN + future.0), future)
}

/// Whether a tensor of the sizes `from` can be stored to one of the sizes `to`.
fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(a, b)| a == b || *a == 1)
}
