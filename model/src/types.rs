//! What the annotations say: TorchScript's types, and the two ways they are printed.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;

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
    /// Whether it stands for several types.
    pub(crate) fn mentions_variable(&self) -> bool {
        match self {
            Type::Variable(_) => true,
            Type::Optional(item) | Type::List(item) | Type::Future(item) => item.mentions_variable(),
            Type::Dict(key, value) => key.mentions_variable() || value.mentions_variable(),
            Type::Tuple(items) => items.iter().any(Type::mentions_variable),
            _ => false,
        }
    }

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

    /// Reads the text of code files and type tags, the inverse of [`Type::code`]. A name that is not a type of the
    /// language is a class.
    pub fn parse_code(text: &str) -> Result<Type, Error> {
        let mut parser = CodeParser { rest: text };
        let ty = parser.ty(0)?;
        if parser.rest.is_empty() { Ok(ty) } else { Err(parser.expected("the end of the type")) }
    }

    /// The type that a single word of the language means: `int`, `Tensor`.
    pub(crate) fn of_word(word: &str) -> Option<Type> {
        Some(match word {
            "Any" => Type::Any,
            "Tensor" => Type::Tensor,
            "int" => Type::Int,
            "float" => Type::Float,
            "bool" => Type::Bool,
            "complex" => Type::Complex,
            "str" => Type::Str,
            "None" | "NoneType" => Type::None,
            "number" | "Scalar" => Type::Number,
            "Device" | "torch.device" => Type::Device,
            "Generator" | "torch.Generator" => Type::Generator,
            "Stream" | "torch.Stream" => Type::Stream,
            "Storage" => Type::Storage,
            "AnyEnumType" => Type::AnyEnum,
            "list" => Type::AnyList,
            "tuple" => Type::AnyTuple,
            _ => return None,
        })
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

/// Reads a type in the text of code files.
struct CodeParser<'a> {
    rest: &'a str,
}

impl CodeParser<'_> {
    /// Types nest by recursion here and wherever they are used later, so their depth has a limit.
    const DEEPEST: usize = 64;

    fn ty(&mut self, depth: usize) -> Result<Type, Error> {
        if depth > Self::DEEPEST {
            return Err(Error::new(format!("expected a type nested at most {} deep", Self::DEEPEST)));
        }
        let name = self.name()?;
        Ok(match name {
            "Optional" => Type::optional(self.one(depth)?),
            "List" => Type::list(self.one(depth)?),
            "Future" => Type::future(self.one(depth)?),
            "Await" => Type::Await(Arc::new(self.one(depth)?)),
            "RRef" => Type::RRef(Arc::new(self.one(depth)?)),
            "Dict" => {
                let [key, value] = <[Type; 2]>::try_from(self.arguments(depth)?)
                    .map_err(|found| Error::new(format!("expected Dict[key, value], found {} types", found.len())))?;
                Type::dict(key, value)
            }
            "Tuple" => Type::tuple(self.arguments(depth)?),
            "Union" => Type::Union(self.arguments(depth)?.into()),
            word => Type::of_word(word).unwrap_or_else(|| Type::named(word)),
        })
    }

    fn name(&mut self) -> Result<&str, Error> {
        self.rest = self.rest.trim_start();
        let length =
            self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(self.rest.len());
        if length == 0 {
            return Err(self.expected("a type"));
        }
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest.trim_start();
        Ok(name)
    }

    fn one(&mut self, depth: usize) -> Result<Type, Error> {
        let [item] = <[Type; 1]>::try_from(self.arguments(depth)?)
            .map_err(|found| Error::new(format!("expected one type in brackets, found {}", found.len())))?;
        Ok(item)
    }

    /// `[T, U]`, or `[()]` for none.
    fn arguments(&mut self, depth: usize) -> Result<Vec<Type>, Error> {
        self.token("[")?;
        let mut arguments = Vec::new();
        if self.rest.starts_with('(') {
            self.token("(")?;
            self.token(")")?;
        } else {
            arguments.push(self.ty(depth + 1)?);
            while self.rest.starts_with(',') {
                self.token(",")?;
                arguments.push(self.ty(depth + 1)?);
            }
        }
        self.token("]")?;
        Ok(arguments)
    }

    fn token(&mut self, token: &str) -> Result<(), Error> {
        let rest = self.rest.strip_prefix(token).ok_or_else(|| self.expected(&format!("`{token}`")))?;
        self.rest = rest.trim_start();
        Ok(())
    }

    fn expected(&self, what: &str) -> Error {
        let found: String = self.rest.chars().take(40).collect();
        Error::new(format!("expected {what} in a type, found `{}`", found.escape_debug()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_text_goes_round() {
        let texts = [
            "Dict[str, Optional[List[Tuple[Tensor, int]]]]",
            "Tuple[()]",
            "Future[NoneType]",
            "Union[int, str, __torch__._t2.___torch_mangle_0.A]",
            "Dict[int, Device]",
        ];
        for text in texts {
            assert_eq!(Type::parse_code(text).unwrap().code().to_string(), text);
        }
        assert_eq!(Type::parse_code("List[ int ]").unwrap(), Type::list(Type::Int));
        let refused = |text: &str| Type::parse_code(text).unwrap_err().to_string();
        assert_eq!(refused("List[int"), "expected `]` in a type, found ``");
        assert_eq!(refused("Dict[int]"), "expected Dict[key, value], found 1 types");
        assert_eq!(refused("int]"), "expected the end of the type in a type, found `]`");
        assert_eq!(refused(&"List[".repeat(1000)), "expected a type nested at most 64 deep");
    }

    #[test]
    fn graphs_and_code_print_types_differently() {
        let ty = Type::dict(Type::Str, Type::optional(Type::list(Type::tuple([Type::Tensor, Type::Int]))));
        assert_eq!(ty.to_string(), "Dict(str, (Tensor, int)[]?)");
        assert_eq!(ty.code().to_string(), "Dict[str, Optional[List[Tuple[Tensor, int]]]]");
    }
}
