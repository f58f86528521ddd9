//! Signatures of operators, parsed from PyTorch's own notation.
//!
//! `aten::add_.Tensor(Tensor(a!) self, Tensor other, *, Scalar alpha=1) -> Tensor(a!)`: types, names, defaults,
//! and in parentheses after a type its alias set, with `!` where the operator writes.

use std::sync::Arc;

use crate::types::Type;

/// A signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// Declared arguments, in order.
    pub arguments: Vec<Argument>,
    /// Results, in order.
    pub returns: Vec<Return>,
    /// Whether more arguments of any type may follow the declared ones.
    pub vararg: bool,
    /// Whether the number of results is only known at the call.
    pub varret: bool,
}

/// An argument of a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// Its name.
    pub name: Arc<str>,
    /// Its type; `SymInt`, `ScalarType`, `Layout` and `MemoryFormat` are ints.
    pub ty: Type,
    /// The `2` of `int[2]`: one item stands for that many.
    pub size: Option<usize>,
    /// What it is when a call does not say.
    pub default: Option<Literal>,
    /// Whether it must be given by name.
    pub keyword_only: bool,
    /// What it may share, and whether it is written.
    pub alias: Option<Alias>,
}

/// A result of a signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Return {
    /// Its type.
    pub ty: Type,
    /// What it may share with the arguments.
    pub alias: Option<Alias>,
}

/// An alias annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The sets it belongs to before the call; `*` is anything on the heap.
    pub sets: Vec<Arc<str>>,
    /// Whether it is written.
    pub writes: bool,
    /// Whether it escapes to the heap (`a -> *`).
    pub escapes: bool,
}

/// The text of a default value.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `None`
    None,
    /// `True`, `False`
    Bool(bool),
    /// An integer; for a sized list, each of its items.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string.
    Str(Arc<str>),
    /// A list.
    List(Vec<Literal>),
}

impl Schema {
    /// Parses what follows the name: `(…) -> …`. The text is our own table's.
    ///
    /// # Panics
    /// If the text is not a signature.
    pub(super) fn parse(text: &str) -> Schema {
        let mut parser = Parser { text, at: 0 };
        let schema = parser.schema();
        assert_eq!(parser.at, text.len(), "a signature ends where its text ends: {text}");
        schema
    }

    /// The position of the argument `name`.
    pub fn argument(&self, name: &str) -> Option<usize> {
        self.arguments.iter().position(|argument| &*argument.name == name)
    }
}

impl Argument {
    /// Whether it is the `out` of an out-variant: written, given by name, not read.
    pub fn is_out(&self) -> bool {
        self.keyword_only && self.alias.as_ref().is_some_and(|alias| alias.writes)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn schema(&mut self) -> Schema {
        let mut schema = Schema { arguments: Vec::new(), returns: Vec::new(), vararg: false, varret: false };
        self.expect("(");
        let mut keyword_only = false;
        while !self.eat(")") {
            if self.eat("*, ") {
                keyword_only = true;
            }
            if self.eat("...") {
                schema.vararg = true;
            } else {
                schema.arguments.push(self.argument(keyword_only));
            }
            self.eat(", ");
        }
        self.expect(" -> ");
        if self.eat("...") {
            schema.varret = true;
        } else if self.eat("(") {
            while !self.eat(")") {
                if self.eat("...") {
                    schema.varret = true;
                } else {
                    schema.returns.push(self.result());
                }
                self.eat(", ");
            }
        } else {
            schema.returns.push(self.result());
        }
        schema
    }

    fn argument(&mut self, keyword_only: bool) -> Argument {
        let (ty, size, alias) = self.annotated_type();
        self.expect(" ");
        let name = self.word().into();
        let default = self.eat("=").then(|| self.literal());
        Argument { name, ty, size, default, keyword_only, alias }
    }

    fn result(&mut self) -> Return {
        let (ty, _, alias) = self.annotated_type();
        if self.text[self.at..].starts_with(' ') {
            self.at += 1;
            self.word();
        }
        Return { ty, alias }
    }

    /// A type with its suffixes: `Tensor(a!)`, `Tensor(a)[]`, `int[2]?`, `Dict(str, t)(a!)`.
    fn annotated_type(&mut self) -> (Type, Option<usize>, Option<Alias>) {
        let mut ty = self.base_type();
        let mut size = None;
        let mut alias = None;
        loop {
            if self.eat("[") {
                let digits = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
                size = self.text[self.at..self.at + digits].parse().ok();
                self.at += digits;
                self.expect("]");
                ty = Type::list(ty);
            } else if self.eat("?") {
                ty = Type::optional(ty);
            } else if self.text[self.at..].starts_with('(') {
                // Of nested sets the outermost says what happens to the argument itself.
                alias = Some(self.alias());
            } else {
                return (ty, size, alias);
            }
        }
    }

    fn base_type(&mut self) -> Type {
        if self.eat("(") {
            let mut items = Vec::new();
            while !self.eat(")") {
                items.push(self.annotated_type().0);
                self.eat(", ");
            }
            return Type::tuple(items);
        }
        let word = self.word();
        match word {
            "Dict" | "Future" | "RRef" | "Await" | "Union" => {
                self.expect("(");
                let mut items = Vec::new();
                while !self.eat(")") {
                    items.push(self.annotated_type().0);
                    self.eat(", ");
                }
                let mut items = items.into_iter();
                let mut next = || items.next().expect("a parameter of the type");
                match word {
                    "Dict" => {
                        let key = next();
                        Type::dict(key, next())
                    }
                    "Future" => Type::future(next()),
                    "RRef" => Type::RRef(Arc::new(next())),
                    "Await" => Type::Await(Arc::new(next())),
                    _ => Type::Union(items.collect()),
                }
            }
            _ => named_type(word),
        }
    }

    fn alias(&mut self) -> Alias {
        self.expect("(");
        let mut alias = Alias { sets: Vec::new(), writes: false, escapes: false };
        loop {
            if self.eat("*") {
                alias.sets.push("*".into());
            } else {
                alias.sets.push(self.word().into());
            }
            alias.writes |= self.eat("!");
            if !self.eat("|") {
                break;
            }
        }
        if self.eat(" -> ") {
            if self.eat("*") {
                alias.escapes = true;
            } else {
                while !self.text[self.at..].starts_with(')') {
                    self.at += 1;
                }
            }
        }
        self.expect(")");
        alias
    }

    fn literal(&mut self) -> Literal {
        if self.eat("None") {
            return Literal::None;
        }
        if self.eat("True") {
            return Literal::Bool(true);
        }
        if self.eat("False") {
            return Literal::Bool(false);
        }
        if self.eat("[") {
            let mut items = Vec::new();
            while !self.eat("]") {
                items.push(self.literal());
                self.eat(",");
                self.eat(" ");
            }
            return Literal::List(items);
        }
        if self.eat("\"") {
            return Literal::Str(self.string().into());
        }
        let rest = &self.text[self.at..];
        let end = rest.find([',', ')', ']']).expect("something follows a number");
        self.at += end;
        let number = &rest[..end];
        match number.parse() {
            Ok(int) => Literal::Int(int),
            Err(_) => Literal::Float(number.parse().unwrap_or_else(|_| panic!("a default: {number}"))),
        }
    }

    fn string(&mut self) -> String {
        let mut text = String::new();
        let mut chars = self.text[self.at..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return text;
                }
                '\\' => text.push(match chars.next().expect("a character after a backslash").1 {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'f' => '\x0c',
                    'v' => '\x0b',
                    other => other,
                }),
                other => text.push(other),
            }
        }
        panic!("a string ends: {}", self.text)
    }

    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        assert!(end > 0, "a word at byte {} of {}", self.at, self.text);
        self.at += end;
        &rest[..end]
    }

    fn eat(&mut self, token: &str) -> bool {
        let eaten = self.text[self.at..].starts_with(token);
        if eaten {
            self.at += token.len();
        }
        eaten
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "`{token}` at byte {} of {}", self.at, self.text);
    }
}

/// A type that is one word in a schema.
fn named_type(word: &str) -> Type {
    match word {
        "Tensor" => Type::Tensor,
        "int" | "SymInt" | "ScalarType" | "Layout" | "MemoryFormat" | "QScheme" | "int64_t" => Type::Int,
        "float" => Type::Float,
        "bool" => Type::Bool,
        "complex" => Type::Complex,
        "str" | "Dimname" => Type::Str,
        "Scalar" | "number" => Type::Number,
        "Device" => Type::Device,
        "Generator" => Type::Generator,
        "Stream" => Type::Stream,
        "Storage" => Type::Storage,
        "NoneType" => Type::None,
        "Any" => Type::Any,
        "AnyEnumType" => Type::AnyEnum,
        "list" => Type::AnyList,
        "tuple" => Type::AnyTuple,
        _ if word.contains('.') => Type::named(word),
        _ => Type::Variable(word.into()),
    }
}
