//! What an archive holds, resolved: classes, functions, and the object that is the module.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::archive::Archive;
use crate::error::Error;
use crate::frontend;
use crate::graph::Graph;
use crate::slot::Allocator;
use crate::types::Type;
use crate::value::{Object, Value};

/// A loaded program: every class and function of the archive, and the root object.
#[derive(Debug, Clone)]
pub struct Module {
    /// The object that `torch.jit.load` would return.
    pub root: Object,
    /// Every function and method, indexed by [`FunctionId`]; forked closures too.
    pub functions: Vec<Function>,
    /// Every class-like type, by qualified name.
    pub classes: BTreeMap<Arc<str>, Arc<Class>>,
    /// The version of the archive's format, which said what operators mean: up to 3, `aten::div` of integers truncates.
    pub version: u32,
    /// Objects of `root` whose attributes are not set yet: before anything else runs, `__setstate__` has to be called
    /// on each with the value, in this order.
    pub pending_set_state: Vec<(Object, Value)>,
}

/// A function of a module, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// A function, method or closure.
#[derive(Debug, Clone)]
pub struct Function {
    /// Qualified name; a closure is named after the function around it: `__torch__.M.forward.<forked function>`.
    pub name: Arc<str>,
    /// Parameters, `self` first for a method; captured values for a closure.
    pub params: Vec<Parameter>,
    /// What it returns.
    pub returns: Type,
    /// Its body.
    pub graph: Graph,
}

/// The last part of the name of an awaitable's body.
pub const AWAITABLE_BODY: &str = "<awaitable function>";

/// A parameter of a function.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
    /// The value it takes where a call does not give one.
    pub default: Option<Value>,
}

/// A class-like type.
#[derive(Debug)]
pub struct Class {
    /// Qualified name, mangled as in the archive.
    pub name: Arc<str>,
    /// What kind of class.
    pub kind: ClassKind,
    /// The attributes in declaration order; the fields of a NamedTuple.
    pub attributes: Vec<Attribute>,
    /// `Final` constants.
    pub constants: BTreeMap<Arc<str>, Value>,
    /// Methods by name. For an interface, the declared ones, without bodies.
    pub methods: BTreeMap<Arc<str>, FunctionId>,
}

/// What kind of class.
#[derive(Debug, Clone, PartialEq)]
pub enum ClassKind {
    /// An `nn.Module`.
    Module {
        /// The attributes that are parameters.
        parameters: Vec<Arc<str>>,
        /// The attributes that are buffers.
        buffers: Vec<Arc<str>>,
    },
    /// A class compiled by `torch.jit.script`.
    Plain,
    /// A NamedTuple: its values are tuples.
    NamedTuple,
    /// An enum; the members with their values are the constants.
    Enum,
    /// An interface: only declares methods.
    Interface,
}

/// An attribute of a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Its name; not always an identifier (`"0"` in a `ModuleList`).
    pub name: Arc<str>,
    /// Its declared type.
    pub ty: Type,
}

impl Attribute {
    /// The attribute of what is at this path: `self.inner`; the members of a `ModuleList` are numbered, and written with
    /// brackets.
    pub fn path_from(&self, path: &str) -> String {
        let name = &self.name;
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{path}[{name}]")
        } else {
            format!("{path}.{name}")
        }
    }
}

impl Class {
    /// A class that is written in C++. What we see of its objects is what they are saved as.
    pub fn of_cpp(name: impl Into<Arc<str>>) -> Self {
        let attributes = vec![Attribute { name: "state".into(), ty: Type::Any }];
        let (constants, methods) = (BTreeMap::new(), BTreeMap::new());
        Class { name: name.into(), kind: ClassKind::Plain, attributes, constants, methods }
    }

    /// Whether nothing is known of the class but what its objects are saved as.
    pub fn is_of_cpp(&self) -> bool {
        matches!(&self.attributes[..], [state] if &*state.name == "state" && state.ty == Type::Any)
    }

    /// The place of the attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<usize> {
        self.attributes.iter().position(|attribute| &*attribute.name == name)
    }
}

impl Module {
    /// Reads the bytes of an archive and resolves everything in it.
    pub fn load(bytes: &[u8], allocator: &mut Allocator) -> Result<Module, Error> {
        frontend::compile(&Archive::read(bytes)?, allocator)
    }

    /// The function `id`.
    pub fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0 as usize]
    }

    /// The method `name` of the root object.
    pub fn method(&self, name: &str) -> Option<FunctionId> {
        self.root.class().methods.get(name).copied()
    }
}
