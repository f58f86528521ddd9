//! The tree of a code file: the small part of Python that PyTorch prints, and nothing else.
//!
//! Positions are byte offsets in the text. Parentheses are not kept, and a node begins at its leftmost word inside
//! of them, as in PyTorch's parser, since the debug records count on it.

use std::sync::Arc;

/// All definitions of a code file, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Classes and functions.
    pub definitions: Vec<Definition>,
}

/// A stretch of the text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Where it begins.
    pub start: u32,
    /// Where it ends.
    pub end: u32,
}

/// What a code file defines.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// A class of any kind.
    Class(Class),
    /// A free function.
    Function(Function),
}

/// A class, with the name of what it is derived from: `Module`, `NamedTuple`, `Enum`, an interface, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// Its name in the file.
    pub name: Arc<str>,
    /// The word in parentheses.
    pub base: Option<Arc<str>>,
    /// Its body.
    pub members: Vec<Member>,
    /// The name in the text.
    pub place: Place,
}

/// A line of a class, or a method.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// `__parameters__ = ["w", ]` and its like.
    Names(Arc<str>, Vec<Arc<str>>),
    /// `w : Tensor`, `__annotations__["0"] = T`, `k : Final[int] = 3`, or `RED = 1` of an enum.
    Attribute {
        /// The name, any text at all.
        name: Arc<str>,
        /// The declared type.
        ty: Option<Expr>,
        /// The value of a constant.
        value: Option<Expr>,
        /// The line.
        place: Place,
    },
    /// A method.
    Method(Function),
}

/// A function, method or forked closure.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Its name in the file.
    pub name: Arc<str>,
    /// Its parameters; none for a closure.
    pub params: Vec<Param>,
    /// The declared result.
    pub returns: Option<Expr>,
    /// Its statements.
    pub body: Vec<Statement>,
    /// The name in the text.
    pub place: Place,
}

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name.
    pub name: Arc<str>,
    /// The declared type; `self` of an interface has none.
    pub ty: Option<Expr>,
    /// What it is when a call does not say.
    pub default: Option<Expr>,
    /// The name in the text.
    pub place: Place,
}

/// A statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Which.
    pub kind: StatementKind,
    /// All of it.
    pub place: Place,
}

/// The kinds of statements.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `a = e`, `a : T = e`, `self.n = e`
    Assign(Expr, Option<Expr>, Expr),
    /// `a, b = e` and `a, = e`
    Unpack(Vec<Expr>, Expr),
    /// A call for its effects.
    Expr(Expr),
    /// `if c: … else: …`
    If(Expr, Vec<Statement>, Vec<Statement>),
    /// `for i in range(n): …`, with the number of trips.
    For(Arc<str>, Expr, Vec<Statement>),
    /// `while c: …`
    While(Expr, Vec<Statement>),
    /// `with e as v: …`
    With(Expr, Option<Expr>, Vec<Statement>),
    /// `return e`
    Return(Option<Expr>),
    /// `def __forked_function(): …`
    Closure(Arc<Function>),
    /// `pass`
    Pass,
}

/// An expression; types are expressions too.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// Which.
    pub kind: ExprKind,
    /// All of it.
    pub place: Place,
}

/// The kinds of expressions.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A name.
    Name(Arc<str>),
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer with its sign.
    Int(i64),
    /// A float with its sign; `inf` and `nan` too.
    Float(f64),
    /// A complex literal: `1.+2.j`, `0.-infj`.
    Complex(f64, f64),
    /// A string.
    Str(Arc<str>),
    /// `a.b`
    Attribute(Box<Expr>, Arc<str>),
    /// `f(a, b, k=c)`
    Call(Box<Expr>, Vec<Expr>, Vec<(Arc<str>, Expr)>),
    /// `a[b]`; a type's `T[K, V]` has a tuple for `b`.
    Subscript(Box<Expr>, Box<Expr>),
    /// `t[a:b]`
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{a: b}`
    Dict(Vec<(Expr, Expr)>),
}
