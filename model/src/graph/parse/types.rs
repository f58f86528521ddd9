//! Types as graphs print them: `Tensor?`, `int[]`, `Dict(str, Tensor)`, `Float(2, 3, strides=[3, 1])`.

use std::sync::Arc;

use super::syntax::{Cursor, error_at};
use crate::error::Error;
use crate::frontend::{is_small, unknown};
use crate::types::Type;

/// How deep types may be nested, and how many `[]` and `?` may follow each other.
const DEEPEST: u32 = 64;

/// How PyTorch names tensors whose dtype it knows.
const TENSORS: &[&str] = &[
    "Float",
    "Double",
    "Half",
    "BFloat16",
    "Long",
    "Int",
    "Short",
    "Char",
    "Byte",
    "Bool",
    "ComplexFloat",
    "ComplexDouble",
    "ComplexHalf",
    "QInt8",
    "QUInt8",
    "QInt32",
    "UInt16",
    "UInt32",
    "UInt64",
];

/// Types of which nothing is known here but the name.
const NAMES: &[&str] = &["Capsule", "PyObject", "QScheme", "Quantizer", "AnyClassType"];

impl Cursor<'_> {
    pub(super) fn ty(&mut self) -> Result<Type, Error> {
        self.skip();
        let at = self.at;
        let ty = self.nested_type(0)?;
        match is_small(&ty) {
            true => Ok(ty),
            false => Err(error_at(self.text, at, "expected a type of at most 1000 parts")),
        }
    }

    fn nested_type(&mut self, depth: u32) -> Result<Type, Error> {
        self.skip();
        if depth == DEEPEST {
            return Err(self.expected(&format!("a type nested at most {DEEPEST} deep")));
        }
        let mut ty = if self.sees("(") {
            Type::tuple(self.several("(", ")", depth)?)
        } else if self.eat("?") {
            unknown()
        } else {
            self.word_type(depth)?
        };
        let mut suffixes = 0;
        loop {
            ty = if self.rest().starts_with("[]") {
                self.at += 2;
                Type::list(ty)
            } else if self.rest().starts_with('?') {
                self.at += 1;
                Type::optional(ty)
            } else {
                return Ok(ty);
            };
            suffixes += 1;
            if suffixes > DEEPEST {
                return Err(self.expected(&format!("a type nested at most {DEEPEST} deep")));
            }
        }
    }

    fn word_type(&mut self, depth: u32) -> Result<Type, Error> {
        self.skip();
        let at = self.at;
        let word = self.until("a type", |c| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
        Ok(match word {
            "Dict" => {
                let [key, value] = self.exactly(at, depth)?;
                Type::dict(key, value)
            }
            "Future" => self.exactly(at, depth).map(|[item]| Type::future(item))?,
            "RRef" => self.exactly(at, depth).map(|[item]| Type::RRef(Arc::new(item)))?,
            "Await" => self.exactly(at, depth).map(|[item]| Type::Await(Arc::new(item)))?,
            "Optional" => self.exactly(at, depth).map(|[item]| Type::optional(item))?,
            "List" => self.exactly(at, depth).map(|[item]| Type::list(item))?,
            "Tuple" => Type::tuple(self.arguments(depth)?),
            "Union" => Type::Union(self.arguments(depth)?.into()),
            "NamedTuple" => self.named_tuple(depth)?,
            "Enum" | "InterfaceType" => {
                self.expect("<")?;
                let name = self.until("a class", |c| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
                self.expect(">")?;
                Type::named(name)
            }
            "Function" => Type::Function("".into()),
            "SymInt" | "ScalarType" | "Layout" | "MemoryFormat" => Type::Int,
            word if word == "Tensor" || TENSORS.contains(&word) => {
                // The shape, and whether it has a gradient.
                if self.rest().starts_with('(') {
                    self.balanced()?;
                }
                Type::Tensor
            }
            word => match Type::of_word(word) {
                Some(ty) => ty,
                None if word.contains('.') || NAMES.contains(&word) => Type::named(word),
                None => return Err(error_at(self.text, at, format!("expected a type, found `{word}`"))),
            },
        })
    }

    /// `NamedTuple(a : Tensor, b : int)`: a class that is named by this text, since the text has no other name for it.
    fn named_tuple(&mut self, depth: u32) -> Result<Type, Error> {
        let mut fields: Vec<(Arc<str>, Type)> = Vec::new();
        self.expect("(")?;
        while !self.eat(")") {
            if !fields.is_empty() {
                self.expect(",")?;
            }
            let name = self.until("the name of a field", |c| !(c.is_alphanumeric() || c == '_'))?;
            self.expect(":")?;
            fields.push((name.into(), self.nested_type(depth + 1)?));
        }
        let texts: Vec<String> = fields.iter().map(|(name, ty)| format!("{name} : {ty}")).collect();
        let text: Arc<str> = format!("NamedTuple({})", texts.join(", ")).into();
        self.named_tuples.insert(text.clone(), fields);
        Ok(Type::Named(text))
    }

    fn exactly<const N: usize>(&mut self, at: usize, depth: u32) -> Result<[Type; N], Error> {
        let types = self.arguments(depth)?;
        <[Type; N]>::try_from(types)
            .map_err(|types| error_at(self.text, at, format!("expected {N} types in brackets, found {}", types.len())))
    }

    /// Types in round or square brackets; PyTorch prints either.
    fn arguments(&mut self, depth: u32) -> Result<Vec<Type>, Error> {
        if self.sees("(") { self.several("(", ")", depth) } else { self.several("[", "]", depth) }
    }

    pub(super) fn several(&mut self, open: &str, close: &str, depth: u32) -> Result<Vec<Type>, Error> {
        let mut types = Vec::new();
        self.expect(open)?;
        while !self.eat(close) {
            if !types.is_empty() {
                self.expect(",")?;
            }
            types.push(self.nested_type(depth + 1)?);
        }
        Ok(types)
    }
}
