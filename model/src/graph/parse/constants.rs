//! The values of constants, as far as the text has them.
//!
//! What a literal means depends on the type: `1` may be a bool, `"cpu"` a device. The elements of tensors are printed for
//! people, so they are not read: a tensor without elements stands for each.

use std::sync::Arc;

use num_complex::Complex64;

use super::syntax::{Cursor, NamedTuples, error_at};
use crate::error::Error;
use crate::slot::Allocator;
use crate::tensor::{DType, Tensor};
use crate::types::Type;
use crate::value::{Dict, DictContent, EnumMember, Generator, Key, List, ListContent, Value};

/// How deep constants may be nested.
const DEEPEST: u32 = 64;

/// The value that is written at `range` of `text` for a constant of type `ty`; `None` if the text does not have it, as of
/// an object.
pub(super) fn constant(
    text: &str,
    range: std::ops::Range<usize>,
    ty: &Type,
    allocator: &mut Allocator,
) -> Result<Option<Value>, Error> {
    let cursor = Cursor { text: &text[..range.end], at: range.start, named_tuples: NamedTuples::new() };
    let mut reader = Reader { cursor, allocator };
    if is_tensor(ty) {
        return Ok(Some(reader.tensor()));
    }
    let value = reader.value(ty, 0)?;
    match value {
        Some(_) if !reader.cursor.at_end() => Err(reader.cursor.expected("the end of the constant")),
        value => Ok(value),
    }
}

fn is_tensor(ty: &Type) -> bool {
    match ty {
        Type::Optional(ty) => **ty == Type::Tensor,
        ty => *ty == Type::Tensor,
    }
}

struct Reader<'t, 'a> {
    cursor: Cursor<'t>,
    allocator: &'a mut Allocator,
}

impl Reader<'_, '_> {
    fn value(&mut self, ty: &Type, depth: u32) -> Result<Option<Value>, Error> {
        if depth > DEEPEST {
            return Err(self.cursor.expected(&format!("a constant nested at most {DEEPEST} deep")));
        }
        let ty = if let Type::Optional(inner) = ty { inner } else { ty };
        self.cursor.skip();
        let rest = self.cursor.rest();
        match rest.chars().next() {
            Some('"') => {
                let text = self.cursor.string()?;
                Ok(Some(if *ty == Type::Device { Value::Device(text.into()) } else { Value::str(text) }))
            }
            Some('[') => self.list(ty, depth),
            Some('(') => self.tuple(ty, depth),
            Some('{') if *ty == Type::Tensor => self.cursor.balanced().map(|()| Some(self.tensor())),
            Some('{') => self.dict(ty, depth),
            Some('<') if rest.starts_with("<Tensor>") && matches!(ty, Type::Tensor | Type::Any) => {
                self.cursor.expect("<Tensor>")?;
                Ok(Some(self.tensor()))
            }
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number(ty).map(Some),
            Some(_) => self.word(ty, depth),
            None => Err(self.cursor.expected("a constant")),
        }
    }

    fn tensor(&mut self) -> Value {
        let nothing = Tensor::zeros(self.allocator, &[0], DType::Float32);
        Value::Tensor(nothing.expect("a tensor without elements takes no memory"))
    }

    /// `1`, `-2.5`, `1e-08`, `1.+2.j`
    fn number(&mut self, ty: &Type) -> Result<Value, Error> {
        let at = self.cursor.at;
        let bytes = self.cursor.rest().as_bytes();
        // A sign belongs to the number at its beginning, after an exponent, and before an imaginary part.
        let length = bytes.iter().position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(byte)));
        let text = &self.cursor.rest()[..length.unwrap_or(bytes.len())];
        self.cursor.at += text.len();
        let value = match (text.strip_suffix('j'), ty) {
            (Some(parts), _) => complex(parts).map(|value| Value::Complex(Box::new(value))),
            (None, Type::Bool) => match text {
                "0" => Some(Value::Bool(false)),
                "1" => Some(Value::Bool(true)),
                _ => None,
            },
            (None, Type::Float) => float(text).map(Value::Float),
            (None, Type::Complex) => float(text).map(|re| Value::Complex(Box::new(Complex64::new(re, 0.0)))),
            (None, Type::Int) => text.parse().map(Value::Int).ok(),
            (None, _) => text.parse().map(Value::Int).ok().or_else(|| float(text).map(Value::Float)),
        };
        value.ok_or_else(|| {
            error_at(self.cursor.text, at, format!("expected a constant of type `{ty}`, found `{text}`"))
        })
    }

    fn word(&mut self, ty: &Type, depth: u32) -> Result<Option<Value>, Error> {
        let start = self.cursor.at;
        let word = self.cursor.until("a constant", |c| !(c.is_alphanumeric() || c == '_' || c == '.'));
        let Ok(word) = word else { return Ok(None) };
        Ok(match word {
            "None" => Some(Value::None),
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            _ if float(word).is_some() || float(word.trim_end_matches('j')).is_some() => {
                self.cursor.at = start;
                Some(self.number(ty)?)
            }
            "annotate" => return self.annotated(depth),
            "torch.device" | "device" => {
                let named = ["(type=", "("].into_iter().any(|open| self.cursor.eat(open));
                if !named {
                    return Err(self.cursor.expected("`(`"));
                }
                let text = self.cursor.string()?;
                self.cursor.expect(")")?;
                Some(Value::Device(text.into()))
            }
            "torch.Generator" => {
                let at = self.cursor.at;
                self.cursor.skip();
                self.cursor.balanced()?;
                let arguments = &self.cursor.text[at..self.cursor.at];
                let seed = arguments.split_once("seed=").map(|(_, rest)| rest.trim_end_matches(')').trim());
                seed.and_then(|seed| seed.parse().ok()).map(|seed| Value::Generator(Generator::constant(seed)))
            }
            member => match (ty, member.rsplit_once('.')) {
                (Type::Named(class), Some((prefix, name))) if prefix == &**class => {
                    let (class, name) = (class.clone(), name.into());
                    Some(Value::Enum(Arc::new(EnumMember { class, name, value: Value::Uninitialized })))
                }
                _ => None,
            },
        })
    }

    /// `annotate(List[int], [])`: the type stands there as in code.
    fn annotated(&mut self, depth: u32) -> Result<Option<Value>, Error> {
        self.cursor.expect("(")?;
        self.cursor.skip();
        let at = self.cursor.at;
        while !matches!(self.cursor.rest().chars().next(), None | Some(',' | ')')) {
            match self.cursor.rest().chars().next() {
                Some('[' | '(') => self.cursor.balanced()?,
                Some(other) => self.cursor.at += other.len_utf8(),
                None => break,
            }
        }
        let ty = Type::parse_code(&self.cursor.text[at..self.cursor.at])
            .map_err(|error| error_at(self.cursor.text, at, error.message()))?;
        self.cursor.expect(",")?;
        let value = self.value(&ty, depth + 1)?;
        if value.is_some() {
            self.cursor.expect(")")?;
        }
        Ok(value)
    }

    fn list(&mut self, ty: &Type, depth: u32) -> Result<Option<Value>, Error> {
        let item = match ty {
            Type::List(item) => (**item).clone(),
            _ => Type::Any,
        };
        let items = self.items("[", "]", |_| item.clone(), depth)?;
        Ok(items.map(|items| Value::List(List::new(self.allocator, ListContent { item, items }))))
    }

    fn tuple(&mut self, ty: &Type, depth: u32) -> Result<Option<Value>, Error> {
        let of = |i: usize| match ty {
            Type::Tuple(types) => types.get(i).cloned().unwrap_or(Type::Any),
            _ => Type::Any,
        };
        Ok(self.items("(", ")", of, depth)?.map(Value::tuple))
    }

    /// Items in brackets; the last may be followed by a comma.
    fn items(
        &mut self,
        open: &str,
        close: &str,
        ty: impl Fn(usize) -> Type,
        depth: u32,
    ) -> Result<Option<Vec<Value>>, Error> {
        self.cursor.expect(open)?;
        let mut items = Vec::new();
        while !self.cursor.eat(close) {
            if !items.is_empty() {
                self.cursor.expect(",")?;
                if self.cursor.eat(close) {
                    break;
                }
            }
            let Some(item) = self.value(&ty(items.len()), depth + 1)? else { return Ok(None) };
            items.push(item);
        }
        Ok(Some(items))
    }

    fn dict(&mut self, ty: &Type, depth: u32) -> Result<Option<Value>, Error> {
        let (key, value) = match ty {
            Type::Dict(key, value) => ((**key).clone(), (**value).clone()),
            _ => (Type::Any, Type::Any),
        };
        let mut content = DictContent { key, value, entries: Default::default() };
        self.cursor.expect("{")?;
        while !self.cursor.eat("}") {
            if !content.entries.is_empty() {
                self.cursor.expect(",")?;
                if self.cursor.eat("}") {
                    break;
                }
            }
            let at = self.cursor.at;
            let Some(key) = self.value(&content.key, depth + 1)? else { return Ok(None) };
            let key = Key::from_value(&key).ok_or_else(|| {
                error_at(self.cursor.text, at, "expected a key that is a number, a string or a tensor".to_string())
            })?;
            self.cursor.expect(":")?;
            let Some(value) = self.value(&content.value, depth + 1)? else { return Ok(None) };
            content.entries.insert(key, value);
        }
        Ok(Some(Value::Dict(Dict::new(self.allocator, content))))
    }
}

/// A float as C prints it. Rust's words for infinities and no number are wider than C's.
fn float(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['+', '-']);
    let named = matches!(digits, "inf" | "nan" | "NaN");
    let number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if named || number { text.parse().ok() } else { None }
}

/// `1.+2.` of `1.+2.j`.
fn complex(parts: &str) -> Option<Complex64> {
    let bytes = parts.as_bytes();
    let is_split = |&at: &usize| b"+-".contains(&bytes[at]) && !b"eE".contains(&bytes[at - 1]);
    match (1..bytes.len()).rev().find(is_split) {
        Some(at) => Some(Complex64::new(float(&parts[..at])?, float(&parts[at..])?)),
        None => Some(Complex64::new(0.0, float(parts)?)),
    }
}
