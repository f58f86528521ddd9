//! The arguments of a call, by position, as the types that the schema promises.
//!
//! The frontend types every call, so a wrong kind is rare: a value that was never set, an archive that lies.
//! It ends the call as unsupported.

use std::sync::Arc;

use super::{Call, Fault};
use crate::tensor::{DType, Dims, Scalar, Tensor};
use crate::value::{Generator, List, Value};

impl<'a> Call<'a> {
    /// The operator's full name, such as `aten::add.Tensor`.
    pub fn name(&self) -> String {
        self.operator.full_name()
    }

    /// The argument number `i`.
    pub fn value(&self, i: usize) -> &'a Value {
        &self.args[i]
    }

    /// The position of the argument called `name`, if the overload has one.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.operator.schema.argument(name)
    }

    /// Whether the argument is there and not `None`.
    pub fn given(&self, i: usize) -> bool {
        !matches!(self.args.get(i), None | Some(Value::None))
    }

    /// A tensor.
    pub fn tensor(&self, i: usize) -> Result<&'a Tensor, Fault> {
        match &self.args[i] {
            Value::Tensor(tensor) => Ok(tensor),
            _ => Err(self.wrong(i, "a tensor")),
        }
    }

    /// A tensor or `None`.
    pub fn opt_tensor(&self, i: usize) -> Result<Option<&'a Tensor>, Fault> {
        self.optional(i, Self::tensor)
    }

    /// An integer.
    pub fn int(&self, i: usize) -> Result<i64, Fault> {
        match &self.args[i] {
            Value::Int(value) => Ok(*value),
            Value::Bool(value) => Ok(*value as i64),
            _ => Err(self.wrong(i, "an int")),
        }
    }

    /// An integer or `None`.
    pub fn opt_int(&self, i: usize) -> Result<Option<i64>, Fault> {
        self.optional(i, Self::int)
    }

    /// A float; an integer becomes one.
    pub fn float(&self, i: usize) -> Result<f64, Fault> {
        match &self.args[i] {
            Value::Float(value) => Ok(*value),
            Value::Int(value) => Ok(*value as f64),
            _ => Err(self.wrong(i, "a float")),
        }
    }

    /// A float or `None`.
    pub fn opt_float(&self, i: usize) -> Result<Option<f64>, Fault> {
        self.optional(i, Self::float)
    }

    /// A truth value.
    pub fn bool(&self, i: usize) -> Result<bool, Fault> {
        match &self.args[i] {
            Value::Bool(value) => Ok(*value),
            _ => Err(self.wrong(i, "a bool")),
        }
    }

    /// A truth value or `None`.
    pub fn opt_bool(&self, i: usize) -> Result<Option<bool>, Fault> {
        self.optional(i, Self::bool)
    }

    /// A number.
    pub fn scalar(&self, i: usize) -> Result<Scalar, Fault> {
        Scalar::from_value(&self.args[i]).ok_or_else(|| self.wrong(i, "a number"))
    }

    /// A number or `None`.
    pub fn opt_scalar(&self, i: usize) -> Result<Option<Scalar>, Fault> {
        self.optional(i, Self::scalar)
    }

    /// Text.
    pub fn str(&self, i: usize) -> Result<&'a Arc<str>, Fault> {
        match &self.args[i] {
            Value::Str(text) => Ok(text),
            _ => Err(self.wrong(i, "a str")),
        }
    }

    /// Text or `None`.
    pub fn opt_str(&self, i: usize) -> Result<Option<&'a Arc<str>>, Fault> {
        self.optional(i, Self::str)
    }

    /// A list.
    pub fn list(&self, i: usize) -> Result<&'a List, Fault> {
        match &self.args[i] {
            Value::List(list) => Ok(list),
            _ => Err(self.wrong(i, "a list")),
        }
    }

    /// A list of integers; where the schema gives its length, one integer stands for so many.
    pub fn ints(&self, i: usize) -> Result<Dims, Fault> {
        if let Value::Int(value) = &self.args[i] {
            return Ok(Dims::from_elem(*value, self.size_of(i)));
        }
        let content = self.list(i)?.content();
        let ints: Option<Dims> = content.items.iter().map(as_int).collect();
        let ints = ints.ok_or_else(|| self.wrong(i, "a list of ints"))?;
        // A list of one stands for all, too: `int[2] stride=[2]`.
        let size = self.size_of(i);
        Ok(if ints.len() == 1 && size > 1 { Dims::from_elem(ints[0], size) } else { ints })
    }

    /// A list of integers or `None`.
    pub fn opt_ints(&self, i: usize) -> Result<Option<Dims>, Fault> {
        self.optional(i, Self::ints)
    }

    /// A list of floats.
    pub fn floats(&self, i: usize) -> Result<Vec<f64>, Fault> {
        let content = self.list(i)?.content();
        let float = |value: &Value| match value {
            Value::Float(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            _ => None,
        };
        content.items.iter().map(float).collect::<Option<_>>().ok_or_else(|| self.wrong(i, "a list of floats"))
    }

    /// A list of floats or `None`.
    pub fn opt_floats(&self, i: usize) -> Result<Option<Vec<f64>>, Fault> {
        self.optional(i, Self::floats)
    }

    /// A list of tensors.
    pub fn tensors(&self, i: usize) -> Result<Vec<Tensor>, Fault> {
        let content = self.list(i)?.content();
        let tensor = |value: &Value| match value {
            Value::Tensor(tensor) => Some(tensor.clone()),
            _ => None,
        };
        content.items.iter().map(tensor).collect::<Option<_>>().ok_or_else(|| self.wrong(i, "a list of tensors"))
    }

    /// A list of tensors and `None`s, such as indices.
    pub fn opt_tensor_items(&self, i: usize) -> Result<Vec<Option<Tensor>>, Fault> {
        let content = self.list(i)?.content();
        let tensor = |value: &Value| match value {
            Value::Tensor(tensor) => Some(Some(tensor.clone())),
            Value::None => Some(None),
            _ => None,
        };
        content.items.iter().map(tensor).collect::<Option<_>>().ok_or_else(|| self.wrong(i, "a list of tensors"))
    }

    /// A dtype.
    pub fn dtype(&self, i: usize) -> Result<DType, Fault> {
        let code = self.int(i)?;
        DType::from_code(code).ok_or_else(|| self.wrong(i, "a dtype"))
    }

    /// A dtype or `None`.
    pub fn opt_dtype(&self, i: usize) -> Result<Option<DType>, Fault> {
        self.optional(i, Self::dtype)
    }

    /// A dtype, or `default` for `None`.
    pub fn dtype_or(&self, i: usize, default: DType) -> Result<DType, Fault> {
        Ok(self.opt_dtype(i)?.unwrap_or(default))
    }

    /// The generator that the call draws from: its argument `generator` if given, or the default one.
    pub fn drawn_from(&self) -> &'a Generator {
        match self.position("generator").map(|i| &self.args[i]) {
            Some(Value::Generator(generator)) => generator,
            _ => self.generator,
        }
    }

    /// A dimension given as argument `i`, counted from the end if negative, of a tensor of this rank.
    pub fn dim(&self, i: usize, rank: usize) -> Result<usize, Fault> {
        wrap_dim(self.int(i)?, rank)
    }

    /// The fault of an argument that is not what the schema promises.
    pub fn wrong(&self, i: usize, expected: &str) -> Fault {
        let name = self.operator.schema.arguments.get(i).map_or("", |argument| &argument.name);
        Fault::Unsupported(format!("{}: expected {expected} for `{name}`, found {:?}", self.name(), self.args[i]))
    }

    fn optional<R>(&self, i: usize, get: impl Fn(&Self, usize) -> Result<R, Fault>) -> Result<Option<R>, Fault> {
        if self.given(i) { get(self, i).map(Some) } else { Ok(None) }
    }

    /// The length that the schema gives to a list; one where it gives none.
    fn size_of(&self, i: usize) -> usize {
        self.operator.schema.arguments.get(i).and_then(|argument| argument.size).unwrap_or(1)
    }
}

fn as_int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(*value),
        Value::Bool(value) => Some(*value as i64),
        _ => None,
    }
}

/// A dimension counted from the end if negative, or PyTorch's error; a tensor without dimensions has one here.
pub fn wrap_dim(dim: i64, rank: usize) -> Result<usize, Fault> {
    let bound = rank.max(1) as i64;
    if (-bound..bound).contains(&dim) {
        return Ok((if dim < 0 { dim + bound } else { dim }) as usize);
    }
    let (least, most) = (-bound, bound - 1);
    Err(Fault::raised(format!("Dimension out of range (expected to be in range of [{least}, {most}], but got {dim})")))
}
