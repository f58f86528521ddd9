//! Classes: what the text shows of them.
//!
//! A class has the attributes that are read or written, with the types that they have there, and the methods that are
//! called, whose bodies are unknown. A class whose values are made, unpacked or indexed as tuples is a NamedTuple.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::syntax::Tree;
use super::tree::{Binding, Block, Node, Use};
use crate::error::Error;
use crate::types::Type;
use crate::value::Value;

/// The classes of a text, by name.
pub(super) type Declared = BTreeMap<Arc<str>, Declaration>;

/// What is seen of a class.
#[derive(Debug, Default)]
pub(super) struct Declaration {
    pub(super) shape: Shape,
    /// Attributes, or the fields of a NamedTuple: the type, and whether it was read and not only written.
    pub(super) attributes: IndexMap<Arc<str>, (Type, bool), FxBuildHasher>,
    /// Methods: the types of all arguments, the object first, and of the result.
    pub(super) methods: BTreeMap<Arc<str>, (Vec<Type>, Type)>,
    /// Members of an enum, whose values the text does not have.
    pub(super) members: BTreeMap<Arc<str>, Value>,
}

/// What kind of class.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Shape {
    #[default]
    Object,
    NamedTuple,
    Enum,
}

/// The name that an attribute of a node gives: a string.
pub(super) fn name_of(tree: &Tree<'_>, node: &Node<'_>) -> Result<Arc<str>, Error> {
    let Some(attribute) = node.attribute("name") else {
        return Err(tree.error(node.at, format!("expected `{}[name=\"…\"]`", node.kind)));
    };
    let range = attribute.at..attribute.at + attribute.value.len();
    let mut allocator = crate::slot::Allocator::new(0, crate::slot::Memory::unlimited());
    match super::constants::constant(tree.text, range, &Type::Str, &mut allocator)? {
        Some(Value::Str(name)) => Ok(name),
        _ => Err(tree.error(attribute.at, format!("expected a name in quotes, found `{}`", attribute.value))),
    }
}

/// All classes that the text uses.
pub(super) fn declare(tree: &Tree<'_>) -> Result<Declared, Error> {
    let mut classes = Declared::new();
    for (name, fields) in &tree.named_tuples {
        let class = classes.entry(name.clone()).or_default();
        class.shape = Shape::NamedTuple;
        class.attributes = fields.iter().map(|(name, ty)| (name.clone(), (ty.clone(), true))).collect();
    }
    for section in &tree.sections {
        let mut walk = Walk { tree, classes: &mut classes, known: FxHashMap::default() };
        walk.block(&section.body)?;
    }
    Ok(classes)
}

struct Walk<'t, 'a> {
    tree: &'a Tree<'t>,
    classes: &'a mut Declared,
    /// What is bound in the graph: its type, and its value if it is a constant int.
    known: FxHashMap<&'t str, (&'a Type, Option<usize>)>,
}

impl<'t, 'a> Walk<'t, 'a> {
    fn block(&mut self, block: &'a Block<'t>) -> Result<(), Error> {
        self.bind(&block.params);
        for node in &block.nodes {
            self.node(node)?;
            self.bind(&node.outputs);
            if let ("prim::Constant", Some(value), [output]) = (node.kind, node.attribute("value"), &node.outputs[..]) {
                self.known.insert(output.name, (&output.ty, value.value.parse().ok()));
            }
            for block in &node.blocks {
                self.block(block)?;
            }
        }
        Ok(())
    }

    fn bind(&mut self, bindings: &'a [Binding<'t>]) {
        self.known.extend(bindings.iter().map(|binding| (binding.name, (&binding.ty, None))));
    }

    /// The types of values; of what is not bound, nothing is known yet.
    fn types(&self, uses: &[Use<'t>]) -> Vec<Type> {
        uses.iter().map(|value| self.known.get(value.name).map_or(Type::Any, |known| known.0.clone())).collect()
    }

    /// The class of a value, if it has one.
    fn class(&mut self, value: Option<&Use<'t>>) -> Option<&mut Declaration> {
        match self.known.get(value?.name)?.0 {
            Type::Named(name) => Some(self.classes.entry(name.clone()).or_default()),
            _ => None,
        }
    }

    fn named(&mut self, ty: &Type) -> Option<&mut Declaration> {
        match ty {
            Type::Named(name) => Some(self.classes.entry(name.clone()).or_default()),
            _ => None,
        }
    }

    fn node(&mut self, node: &'a Node<'t>) -> Result<(), Error> {
        let inputs = self.types(&node.inputs);
        let object = node.inputs.first();
        let output = node.outputs.first().map(|output| &output.ty);
        match (node.kind, output) {
            ("prim::GetAttr", Some(ty)) => {
                let name = name_of(self.tree, node)?;
                if let Some(class) = self.class(object) {
                    class.attribute(name, ty, true);
                }
            }
            ("prim::SetAttr", _) if inputs.len() == 2 => {
                let name = name_of(self.tree, node)?;
                if let Some(class) = self.class(object) {
                    class.attribute(name, &inputs[1], false);
                }
            }
            ("prim::CallMethod", Some(ty)) => {
                let name = name_of(self.tree, node)?;
                if let Some(class) = self.class(object) {
                    class.method(name, inputs, ty);
                }
            }
            ("prim::CreateObject", Some(ty)) => {
                self.named(ty);
            }
            ("prim::TupleConstruct", Some(ty)) => {
                if let Some(class) = self.named(ty) {
                    class.tuple(inputs);
                }
            }
            ("prim::TupleUnpack", _) => {
                if let Some(class) = self.class(object) {
                    class.tuple(node.outputs.iter().map(|output| output.ty.clone()).collect());
                }
            }
            ("prim::TupleIndex", Some(ty)) => {
                let index = node.inputs.get(1).and_then(|index| self.known.get(index.name)?.1);
                if let (Some(index @ 0..100), Some(class)) = (index, self.class(object)) {
                    let mut types = vec![Type::Any; index + 1];
                    types[index] = ty.clone();
                    class.tuple(types);
                }
            }
            ("prim::EnumName" | "prim::EnumValue", _) => {
                if let Some(class) = self.class(object) {
                    class.shape = Shape::Enum;
                }
            }
            ("prim::Constant", Some(Type::Named(name))) => {
                let value = node.attribute("value").map_or("", |value| value.value);
                if let Some(member) = value.strip_prefix(&**name).and_then(|rest| rest.strip_prefix('.')) {
                    let class = self.classes.entry(name.clone()).or_default();
                    class.shape = Shape::Enum;
                    class.members.insert(member.into(), Value::Uninitialized);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Declaration {
    /// What is read has the declared type; what is written may be narrower.
    fn attribute(&mut self, name: Arc<str>, ty: &Type, read: bool) {
        let known = self.attributes.entry(name).or_insert_with(|| (ty.clone(), read));
        if read && !known.1 {
            *known = (ty.clone(), true);
        } else if read == known.1 && known.0 != *ty {
            known.0 = Type::Any;
        }
    }

    fn method(&mut self, name: Arc<str>, params: Vec<Type>, returns: &Type) {
        let Some((known, known_returns)) = self.methods.get_mut(&name) else {
            self.methods.insert(name, (params, returns.clone()));
            return;
        };
        // A call with another number of arguments cannot be of this method; who makes the graph sees that too.
        if known.len() == params.len() {
            for (known, param) in known.iter_mut().zip(params) {
                if *known != param {
                    *known = Type::Any;
                }
            }
        }
        if known_returns != returns {
            *known_returns = Type::Any;
        }
    }

    /// Fields of a NamedTuple by position, where its own text does not name them.
    fn tuple(&mut self, types: Vec<Type>) {
        if self.shape == Shape::NamedTuple
            && self.attributes.values().all(|known| known.1)
            && !self.attributes.is_empty()
        {
            return;
        }
        self.shape = Shape::NamedTuple;
        for (i, ty) in types.into_iter().enumerate() {
            let (known, _) = self.attributes.entry(i.to_string().into()).or_insert_with(|| (ty.clone(), false));
            if *known == Type::Any {
                *known = ty;
            }
        }
    }
}
