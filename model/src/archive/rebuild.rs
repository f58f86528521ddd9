//! From the nodes of a pickle to values: what was one node becomes one value, so that sharing survives.
//!
//! A walk with its own stack builds children before parents. Values are walked by recursion later on (when they
//! are dropped, compared, printed), so the depth to which they may nest has a limit here, and so has the number
//! of paths through what they share.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::conform::{Classes, conform, type_of_items};
use super::globals::Global;
use super::pickle::{Call, Node, NodeId, ObjectNode, Pickle};
use super::storages::Storages;
use crate::copy::copy_deep;
use crate::error::Error;
use crate::module::{Class, ClassKind};
use crate::slot::Allocator;
use crate::tensor::Storage;
use crate::types::Type;
use crate::value::{Dict, DictContent, EnumMember, Key, List, ListContent, Object, Value};

/// A rebuilt object graph.
#[derive(Debug)]
pub struct Rebuilt {
    /// What the pickle is of.
    pub value: Value,
    /// Objects whose attributes are not set yet: `__setstate__` has to be called with the value, in this order.
    pub pending_set_state: Vec<(Object, Value)>,
}

/// Builds the values that `pickle` describes, of classes that are all in `classes`.
pub fn rebuild(
    pickle: &Pickle,
    storages: &Storages,
    classes: &BTreeMap<Arc<str>, Arc<Class>>,
    allocator: &mut Allocator,
) -> Result<Rebuilt, Error> {
    let mut builder = Builder {
        pickle,
        records: storages,
        classes: Classes(classes),
        allocator,
        slots: vec![Slot::Untouched; pickle.len()],
        measures: vec![Measure { depth: 0, paths: 0 }; pickle.len()],
        storages: BTreeMap::new(),
        pending_set_state: Vec::new(),
    };
    let value = builder.build(pickle.root())?;
    Ok(Rebuilt { value, pending_set_state: builder.pending_set_state })
}

/// Values nest at most this deep.
const DEEPEST: u32 = 500;
/// A value has at most this many parts, counting what is shared once for every path to it.
const MOST_PATHS: u64 = 1 << 24;

pub(super) struct Builder<'a> {
    pub(super) pickle: &'a Pickle,
    pub(super) records: &'a Storages,
    classes: Classes<'a>,
    pub(super) allocator: &'a mut Allocator,
    slots: Vec<Slot>,
    measures: Vec<Measure>,
    pub(super) storages: BTreeMap<Arc<str>, Storage>,
    pending_set_state: Vec<(Object, Value)>,
}

/// How far a node has come.
#[derive(Clone)]
enum Slot {
    Untouched,
    /// Its children are being built: meeting it again means that it contains itself.
    Open,
    Built(Value),
}

#[derive(Clone, Copy)]
struct Measure {
    depth: u32,
    paths: u64,
}

enum Step {
    Open(NodeId),
    Close(NodeId),
}

impl Builder<'_> {
    fn build(&mut self, root: NodeId) -> Result<Value, Error> {
        let mut steps = vec![Step::Open(root)];
        let mut children = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Open(id) => match self.slots[id.index()] {
                    Slot::Built(_) => {}
                    Slot::Open => return Err(self.pickle.error(id, "the value contains itself")),
                    Slot::Untouched => {
                        self.slots[id.index()] = Slot::Open;
                        children.clear();
                        self.children(id, &mut children)?;
                        steps.push(Step::Close(id));
                        steps.extend(children.iter().rev().map(|&child| Step::Open(child)));
                    }
                },
                Step::Close(id) => {
                    children.clear();
                    self.children(id, &mut children)?;
                    self.measure(id, &children)?;
                    let value = self.value(id)?;
                    self.slots[id.index()] = Slot::Built(value);
                }
            }
        }
        Ok(self.built(root))
    }

    /// The nodes whose values are needed for the value of `id`.
    fn children(&self, id: NodeId, children: &mut Vec<NodeId>) -> Result<(), Error> {
        match self.pickle.node(id) {
            Node::Tuple(items) => children.extend(items),
            Node::List(items) | Node::Dict(items) => children.extend(items),
            Node::Call(call) => match &call.function {
                Global::OrderedDict => children.extend(&call.entries),
                Global::Parameter | Global::TypeTag | Global::Size => children.push(self.first(call)?),
                Global::Class(_) => children.push(call.arguments),
                Global::QuantizedTensor => children.extend(self.channels_of(call)),
                Global::TypedList(_) => match self.pickle.node(self.first(call)?) {
                    Node::List(items) => children.extend(items),
                    _ => return Err(self.pickle.unexpected(self.first(call)?, "a list")),
                },
                _ => {}
            },
            Node::Object(object) => match self.attributes(object)? {
                Some(entries) => children.extend(entries.iter().skip(1).step_by(2)),
                None => children.extend(object.state),
            },
            _ => {}
        }
        Ok(())
    }

    /// The names and values of an object's attributes, unless its state is for `__setstate__` or for code in C++.
    fn attributes(&self, object: &ObjectNode) -> Result<Option<&[NodeId]>, Error> {
        let class = self.classes.0.get(&object.class);
        if is_foreign(&object.class) || class.is_some_and(|class| class.methods.contains_key("__setstate__")) {
            return Ok(None);
        }
        match object.state.map(|state| (state, self.pickle.node(state))) {
            Some((_, Node::Dict(entries))) => Ok(Some(entries)),
            Some((state, _)) => Err(self.pickle.unexpected(state, "a dict of attributes")),
            None => Ok(Some(&[])),
        }
    }

    fn measure(&mut self, id: NodeId, children: &[NodeId]) -> Result<(), Error> {
        let mut measure = Measure { depth: 1, paths: 1 };
        for child in children {
            let child = self.measures[child.index()];
            measure.depth = measure.depth.max(child.depth + 1);
            measure.paths = measure.paths.saturating_add(child.paths);
        }
        if measure.depth > DEEPEST {
            return Err(self.pickle.error(id, format!("expected values nested at most {DEEPEST} deep")));
        }
        if measure.paths > MOST_PATHS {
            return Err(self.pickle.error(id, format!("expected a value of at most {MOST_PATHS} parts")));
        }
        self.measures[id.index()] = measure;
        Ok(())
    }

    /// The value of a node whose children are built.
    fn value(&mut self, id: NodeId) -> Result<Value, Error> {
        Ok(match self.pickle.node(id) {
            Node::None => Value::None,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::Int(*value),
            Node::Float(value) => Value::Float(*value),
            Node::Str(text) => Value::Str(text.clone()),
            Node::Tuple(items) => Value::Tuple(items.iter().map(|&item| self.built(item)).collect()),
            Node::List(items) => self.list(id, items, None)?,
            Node::Dict(entries) => self.dict(id, entries, None)?,
            Node::Call(call) => self.call(id, call)?,
            Node::Object(object) => self.object(id, object)?,
            Node::Global(global) => match &**global {
                Global::DType(dtype) => Value::Int(dtype.code()),
                _ => return Err(self.pickle.unexpected(id, "a value")),
            },
            Node::Storage(_) => return Err(self.pickle.unexpected(id, "a value")),
        })
    }

    pub(super) fn built(&self, id: NodeId) -> Value {
        match &self.slots[id.index()] {
            Slot::Built(value) => value.clone(),
            _ => panic!("children are built before their parents"),
        }
    }

    fn list(&mut self, id: NodeId, items: &[NodeId], item: Option<&Type>) -> Result<Value, Error> {
        let items: Vec<Value> = items.iter().map(|&item| self.built(item)).collect();
        let item = match item {
            Some(item) => {
                let mut check = items.iter().try_for_each(|value| conform(value, item, self.classes));
                check = check.map_err(|error| self.pickle.error(id, error.message()));
                check.map(|()| item.clone())?
            }
            None => type_of_items(&items),
        };
        Ok(Value::List(List::new(self.allocator, ListContent { item, items })))
    }

    fn dict(&mut self, id: NodeId, entries: &[NodeId], types: Option<(&Type, &Type)>) -> Result<Value, Error> {
        let mut content = DictContent { key: Type::Any, value: Type::Any, entries: Default::default() };
        for pair in entries.chunks_exact(2) {
            let (key, value) = (self.built(pair[0]), self.built(pair[1]));
            if let Some((key_type, value_type)) = types {
                conform(&key, key_type, self.classes)
                    .and_then(|()| conform(&value, value_type, self.classes))
                    .map_err(|error| self.pickle.error(id, error.message()))?;
            }
            let key = Key::from_value(&key)
                .ok_or_else(|| self.pickle.unexpected(pair[0], "a key (int, float, bool, complex, str or tensor)"))?;
            content.entries.insert(key, value);
        }
        (content.key, content.value) = match types {
            Some((key, value)) => (key.clone(), value.clone()),
            None => {
                let keys: Vec<Value> = content.entries.keys().map(Key::to_value).collect();
                (type_of_items(&keys), type_of_items(content.entries.values()))
            }
        };
        Ok(Value::Dict(Dict::new(self.allocator, content)))
    }

    fn first(&self, call: &Call) -> Result<NodeId, Error> {
        let arguments = self.pickle.tuple(call.arguments, "a tuple of arguments")?;
        arguments.first().copied().ok_or_else(|| self.pickle.unexpected(call.arguments, "at least one argument"))
    }

    fn call(&mut self, id: NodeId, call: &Call) -> Result<Value, Error> {
        let pickle = self.pickle;
        match &call.function {
            Global::Tensor | Global::QuantizedTensor | Global::TensorWithDtype | Global::FromType => {
                self.tensor(id, call)
            }
            Global::Parameter => self.parameter(call),
            Global::UnsupportedTensor(kind) => Err(pickle.error(id, format!("{kind} tensors are not supported"))),
            Global::OrderedDict => self.dict(id, &call.entries, None),
            Global::TypedList(item) => match pickle.node(self.first(call)?) {
                Node::List(items) => self.list(id, items, Some(item)),
                _ => Err(pickle.unexpected(call.arguments, "a list")),
            },
            Global::TypeTag => self.tagged(id, call),
            Global::Size => match self.built(self.first(call)?) {
                size @ Value::Tuple(_) => Ok(size),
                _ => Err(pickle.unexpected(call.arguments, "a tuple of sizes")),
            },
            Global::Device => self.device(call),
            Global::Complex => match pickle.tuple(call.arguments, "two floats")? {
                &[re, im] => match (pickle.node(re), pickle.node(im)) {
                    (&Node::Float(re), &Node::Float(im)) => {
                        Ok(Value::Complex(Box::new(num_complex::Complex64::new(re, im))))
                    }
                    _ => Err(pickle.unexpected(call.arguments, "two floats")),
                },
                _ => Err(pickle.unexpected(call.arguments, "two floats")),
            },
            Global::Class(class) => self.enum_member(id, class, call.arguments),
            other => Err(pickle.error(id, format!("expected a function, found {other:?}"))),
        }
    }

    /// A container with its type as text; the container itself was built without.
    fn tagged(&mut self, id: NodeId, call: &Call) -> Result<Value, Error> {
        let &[container, tag] = self.pickle.tuple(call.arguments, "a container and its type")? else {
            return Err(self.pickle.unexpected(call.arguments, "a container and its type"));
        };
        let text = self.pickle.str(tag, "the text of a type")?;
        let ty = Type::parse_code(text).map_err(|error| self.pickle.error(tag, error.message()))?;
        let value = self.built(container);
        conform(&value, &ty, self.classes).map_err(|error| self.pickle.error(id, error.message()))?;
        Ok(value)
    }

    fn device(&self, call: &Call) -> Result<Value, Error> {
        let pickle = self.pickle;
        match *pickle.tuple(call.arguments, "a device")? {
            [name] => Ok(Value::Device(pickle.str(name, "the name of a device")?.clone())),
            [name, index] => {
                let (name, index) =
                    (pickle.str(name, "the name of a device")?, pickle.int(index, "a device's number")?);
                Ok(Value::Device(format!("{name}:{index}").into()))
            }
            _ => Err(pickle.unexpected(call.arguments, "a device")),
        }
    }

    fn class(&self, id: NodeId, name: &Arc<str>) -> Result<Arc<Class>, Error> {
        let class = self.classes.0.get(name);
        class.cloned().ok_or_else(|| self.pickle.error(id, format!("the class `{name}` is not defined below code/")))
    }

    fn enum_member(&self, id: NodeId, class: &Arc<str>, value: NodeId) -> Result<Value, Error> {
        let class = self.class(id, class)?;
        if class.kind != ClassKind::Enum {
            return Err(self.pickle.error(id, format!("expected an enum, found the class `{}`", class.name)));
        }
        let wanted = self.built(value);
        let same =
            |value: &Value| matches!((Key::from_value(value), Key::from_value(&wanted)), (Some(a), Some(b)) if a == b);
        for (name, constant) in &class.constants {
            match constant {
                Value::Enum(member) if same(&member.value) => return Ok(constant.clone()),
                value if same(value) => {
                    let (class, name, value) = (class.name.clone(), name.clone(), value.clone());
                    return Ok(Value::Enum(Arc::new(EnumMember { class, name, value })));
                }
                _ => {}
            }
        }
        Err(self.pickle.unexpected(value, &format!("the value of a member of `{}`", class.name)))
    }

    fn object(&mut self, id: NodeId, node: &ObjectNode) -> Result<Value, Error> {
        if is_foreign(&node.class) {
            let state = node.state.map_or(Value::None, |state| self.built(state));
            // Code in C++ makes something of its own of the state, so nothing else shares its tensors.
            let state = copy_deep(&[state], self.allocator);
            let class = Arc::new(Class::of_cpp(node.class.clone()));
            return Ok(Value::Object(Object::new(self.allocator, class, state)));
        }
        let class = self.class(id, &node.class)?;
        if !matches!(class.kind, ClassKind::Module { .. } | ClassKind::Plain) {
            return Err(self.pickle.error(id, format!("`{}` is not a class that has objects", class.name)));
        }
        let mut values = vec![Value::Uninitialized; class.attributes.len()];
        let entries = self.attributes(node)?.map(<[NodeId]>::to_vec);
        for pair in entries.iter().flat_map(|entries| entries.chunks_exact(2)) {
            let name = self.pickle.str(pair[0], "the name of an attribute")?;
            let Some(index) = class.attribute(name) else {
                let message = format!("the class `{}` has no attribute `{}`", class.name, name.escape_debug());
                return Err(self.pickle.error(pair[0], message));
            };
            let value = self.built(pair[1]);
            conform(&value, &class.attributes[index].ty, self.classes).map_err(|error| {
                self.pickle.error(pair[1], format!("attribute `{name}` of `{}`: {}", class.name, error.message()))
            })?;
            values[index] = value;
        }
        if let (Some(_), Some(index)) =
            (&entries, values.iter().position(|value| matches!(value, Value::Uninitialized)))
        {
            let missing = &class.attributes[index].name;
            return Err(self
                .pickle
                .error(id, format!("the object of `{}` lacks the attribute `{missing}`", class.name)));
        }
        let object = Object::new(self.allocator, class, values);
        if entries.is_none() {
            let state =
                node.state.ok_or_else(|| self.pickle.error(id, "expected a state for `__setstate__`, found none"))?;
            self.pending_set_state.push((object.clone(), self.built(state)));
        }
        Ok(Value::Object(object))
    }
}

/// Whether a class is written in C++. Nobody here knows more of its objects than what was saved of them.
fn is_foreign(class: &str) -> bool {
    class.starts_with("__torch__.torch.classes.")
}
