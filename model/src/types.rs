//! What the annotations say: TorchScript's types, and the two ways they are printed.

use std::fmt;
use std::sync::Arc;

/// A TorchScript type. Class-like types are named by their qualified name; the module has the definitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// Any value at all.
    Any,
    /// A tensor of any shape and dtype.
    Tensor,
    /// 64-bit integer.
    Int,
    /// 64-bit float.
    Float,
    /// Truth value.
    Bool,
    /// Complex number of two 64-bit floats.
    Complex,
    /// Text.
    Str,
    /// The type of `None`.
    None,
    /// Any of int, float, bool, complex; schemas write it `Scalar`.
    Number,
    /// A device.
    Device,
    /// A generator of random numbers.
    Generator,
    /// A stream of an accelerator.
    Stream,
    /// The memory of a tensor, as a value of its own.
    Storage,
    /// A value or `None`.
    Optional(Arc<Type>),
    /// A list.
    List(Arc<Type>),
    /// A dict; keys are int, float, bool, complex, str or tensor.
    Dict(Arc<Type>, Arc<Type>),
    /// A tuple.
    Tuple(Arc<[Type]>),
    /// The result of a fork.
    Future(Arc<Type>),
    /// The result of an awaitable.
    Await(Arc<Type>),
    /// A remote reference.
    RRef(Arc<Type>),
    /// One of several types.
    Union(Arc<[Type]>),
    /// A class, module, NamedTuple, enum or interface of the archive.
    Named(Arc<str>),
    /// The type of any enum member, in schemas only.
    AnyEnum,
    /// A function bound to a name.
    Function(Arc<str>),
    /// A type variable of a schema, such as `t` in `t[]`.
    Variable(Arc<str>),
    /// A list of any type, in schemas only.
    AnyList,
    /// A tuple of any types, in schemas only.
    AnyTuple,
}

impl Type {
    /// `List[item]`.
    pub fn list(item: Type) -> Self {
        Type::List(Arc::new(item))
    }

    /// `Dict[key, value]`.
    pub fn dict(key: Type, value: Type) -> Self {
        Type::Dict(Arc::new(key), Arc::new(value))
    }

    /// `Optional[item]`; an optional or `None` stays itself.
    pub fn optional(item: Type) -> Self {
        match item {
            Type::Optional(_) | Type::None | Type::Any => item,
            item => Type::Optional(Arc::new(item)),
        }
    }

    /// `Tuple[items]`.
    pub fn tuple(items: impl Into<Arc<[Type]>>) -> Self {
        Type::Tuple(items.into())
    }

    /// `Future[item]`.
    pub fn future(item: Type) -> Self {
        Type::Future(Arc::new(item))
    }

    /// A class-like type by qualified name.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Type::Named(name.into())
    }

    /// The text of code files and type tags: `List[int]`, `Optional[Tensor]`.
    pub fn code(&self) -> CodeType<'_> {
        CodeType(self)
    }
}

/// The text of graphs and schemas: `int[]`, `Tensor?`.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Optional(item) => write!(f, "{item}?"),
            Type::List(item) => write!(f, "{item}[]"),
            Type::Dict(key, value) => write!(f, "Dict({key}, {value})"),
            Type::Tuple(items) => write!(f, "({})", Commas(items, false)),
            Type::Future(item) => write!(f, "Future[{item}]"),
            Type::Await(item) => write!(f, "Await({item})"),
            Type::RRef(item) => write!(f, "RRef[{item}]"),
            Type::Union(items) => write!(f, "Union({})", Commas(items, false)),
            Type::None => f.write_str("NoneType"),
            Type::Number => f.write_str("Scalar"),
            Type::Function(_) => f.write_str("Function"),
            other => write!(f, "{}", other.code()),
        }
    }
}

/// A type in the text of code files, made by [`Type::code`].
#[derive(Debug, Clone, Copy)]
pub struct CodeType<'a>(&'a Type);

impl fmt::Display for CodeType<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Type::Any => f.write_str("Any"),
            Type::Tensor => f.write_str("Tensor"),
            Type::Int => f.write_str("int"),
            Type::Float => f.write_str("float"),
            Type::Bool => f.write_str("bool"),
            Type::Complex => f.write_str("complex"),
            Type::Str => f.write_str("str"),
            Type::None => f.write_str("NoneType"),
            Type::Number => f.write_str("number"),
            Type::Device => f.write_str("Device"),
            Type::Generator => f.write_str("Generator"),
            Type::Stream => f.write_str("Stream"),
            Type::Storage => f.write_str("Storage"),
            Type::Optional(item) => write!(f, "Optional[{}]", item.code()),
            Type::List(item) => write!(f, "List[{}]", item.code()),
            Type::Dict(key, value) => write!(f, "Dict[{}, {}]", key.code(), value.code()),
            Type::Tuple(items) if items.is_empty() => f.write_str("Tuple[()]"),
            Type::Tuple(items) => write!(f, "Tuple[{}]", Commas(items, true)),
            Type::Future(item) => write!(f, "Future[{}]", item.code()),
            Type::Await(item) => write!(f, "Await[{}]", item.code()),
            Type::RRef(item) => write!(f, "RRef[{}]", item.code()),
            Type::Union(items) => write!(f, "Union[{}]", Commas(items, true)),
            Type::Named(name) | Type::Variable(name) => f.write_str(name),
            Type::Function(_) => f.write_str("Function"),
            Type::AnyEnum => f.write_str("AnyEnumType"),
            Type::AnyList => f.write_str("list"),
            Type::AnyTuple => f.write_str("tuple"),
        }
    }
}

/// Types separated by commas, in code or graph text.
struct Commas<'a>(&'a [Type], bool);

impl fmt::Display for Commas<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            if self.1 { write!(f, "{}", item.code())? } else { write!(f, "{item}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_and_code_print_types_differently() {
        let ty = Type::dict(Type::Str, Type::optional(Type::list(Type::tuple([Type::Tensor, Type::Int]))));
        assert_eq!(ty.to_string(), "Dict(str, (Tensor, int)[]?)");
        assert_eq!(ty.code().to_string(), "Dict[str, Optional[List[Tuple[Tensor, int]]]]");
    }
}
