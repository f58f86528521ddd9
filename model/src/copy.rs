//! Copies of whole values, for runs that must not see what other runs have written.
//!
//! Aliasing is kept: what was one thing before is one thing after, and tensors that shared a storage share its
//! copy. The bytes themselves are shared until somebody writes. Nothing here recurses, because a program may link
//! as many objects as it likes.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::slot::{Allocator, SlotId};
use crate::tensor::{Metadata, Storage, Tensor};
use crate::value::{Await, Awaited, Dict, DictContent, Generator, Key, List, ListContent, Object, TensorKey, Value};

/// Copies of `values` that share nothing with them that can be written, and alias each other as they do.
///
/// ```
/// use forkcheck_model::copy::copy_deep;
/// use forkcheck_model::slot::{Allocator, Memory};
/// use forkcheck_model::{Tensor, Value};
/// let mut allocator = Allocator::new(0, Memory::unlimited());
/// let x = Tensor::from_vec(&mut allocator, &[2], &[1.0f32, 2.0])?;
/// let copies = copy_deep(&[Value::Tensor(x.clone()), Value::Tensor(x.clone())], &mut allocator);
/// let [Value::Tensor(a), Value::Tensor(b)] = &copies[..] else { unreachable!() };
/// assert!(a.is(b) && !a.is(&x));
/// # Ok::<(), forkcheck_model::slot::OutOfMemory>(())
/// ```
pub fn copy_deep(values: &[Value], allocator: &mut Allocator) -> Vec<Value> {
    let mut copier =
        Copier { allocator, made: FxHashMap::default(), storages: FxHashMap::default(), hollow: Vec::new() };
    let copies = values.iter().map(|value| copier.value(value)).collect();
    while let Some((old, new)) = copier.hollow.pop() {
        copier.fill(&old, &new);
    }
    copies
}

struct Copier<'a> {
    allocator: &'a mut Allocator,
    /// The copy of each thing, by the address of the old one, which lives as long as this. Only looked up.
    made: FxHashMap<usize, Value>,
    storages: FxHashMap<usize, Storage>,
    /// Pairs of an old container and its copy, which is still empty.
    hollow: Vec<(Value, Value)>,
}

/// A step of copying a tuple, which cannot be made before its items.
enum Step<'v> {
    Copy(&'v Value),
    /// Make a tuple of the last so many copies.
    Close(&'v Arc<[Value]>),
}

impl Copier<'_> {
    /// The copy of a value; containers are made hollow and filled later.
    fn value(&mut self, value: &Value) -> Value {
        let Value::Tuple(_) = value else { return self.simple(value) };
        let mut steps = vec![Step::Copy(value)];
        let mut copies = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Copy(Value::Tuple(items)) => match self.made.get(&address(items)) {
                    Some(copy) => copies.push(copy.clone()),
                    None => {
                        steps.push(Step::Close(items));
                        steps.extend(items.iter().rev().map(Step::Copy));
                    }
                },
                Step::Copy(value) => copies.push(self.simple(value)),
                Step::Close(items) => {
                    let copy = Value::tuple(copies.split_off(copies.len() - items.len()));
                    self.made.insert(address(items), copy.clone());
                    copies.push(copy);
                }
            }
        }
        copies.pop().expect("a value has a copy")
    }

    /// The copy of a value that is no tuple.
    fn simple(&mut self, value: &Value) -> Value {
        let Some(address) = identity(value) else { return value.clone() };
        if let Some(copy) = self.made.get(&address) {
            return copy.clone();
        }
        let copy = match value {
            Value::Tensor(tensor) => Value::Tensor(self.tensor(tensor)),
            Value::List(list) => {
                let content = ListContent { item: list.slot().lock().item.clone(), items: Vec::new() };
                Value::List(List::new(self.allocator, content))
            }
            Value::Dict(dict) => {
                let content = dict.content();
                let (key, value) = (content.key.clone(), content.value.clone());
                Value::Dict(Dict::new(self.allocator, DictContent { key, value, entries: Default::default() }))
            }
            Value::Object(object) => {
                let nothing = vec![Value::Uninitialized; object.class().attributes.len()];
                Value::Object(Object::new(self.allocator, object.class().clone(), nothing))
            }
            Value::Await(_) => Value::Await(Await::new(self.allocator, Awaited::Done(Value::Uninitialized))),
            // The default generator belongs to the process, not to a value.
            Value::Generator(generator) if generator.id() == SlotId::GENERATOR => value.clone(),
            Value::Generator(generator) => {
                Value::Generator(Generator::new(self.allocator, generator.content().as_ref().clone()))
            }
            _ => unreachable!("only things have an identity"),
        };
        self.made.insert(address, copy.clone());
        if !matches!(value, Value::Tensor(_) | Value::Generator(_)) {
            self.hollow.push((value.clone(), copy.clone()));
        }
        copy
    }

    fn tensor(&mut self, tensor: &Tensor) -> Tensor {
        let metadata = tensor.metadata();
        let address = std::ptr::from_ref(metadata.storage.slot()).addr();
        let storage = match self.storages.get(&address) {
            Some(storage) => storage.clone(),
            None => {
                let storage = Storage::sharing(self.allocator, metadata.storage.content());
                self.storages.insert(address, storage.clone());
                storage
            }
        };
        Tensor::with(self.allocator, Metadata { storage, ..metadata.as_ref().clone() })
    }

    /// Fills the copy of a container.
    fn fill(&mut self, old: &Value, new: &Value) {
        match (old, new) {
            (Value::List(old), Value::List(new)) => {
                let items = old.content().items.iter().map(|item| self.value(item)).collect();
                new.slot().update(|content| content.items = items);
            }
            (Value::Dict(old), Value::Dict(new)) => {
                let content = old.content();
                let entries = content.entries.iter().map(|(key, value)| (self.key(key), self.value(value))).collect();
                new.slot().update(|content| content.entries = entries);
            }
            (Value::Object(old), Value::Object(new)) => {
                let attributes: Vec<_> = old.slot().get().iter().map(|value| self.value(value)).collect();
                new.slot().set(Arc::new(attributes));
            }
            (Value::Await(old), Value::Await(new)) => {
                let content = match &*old.content() {
                    Awaited::Pending { body, captures } => {
                        let captures = captures.iter().map(|value| self.value(value)).collect();
                        Awaited::Pending { body: *body, captures }
                    }
                    Awaited::Done(value) => Awaited::Done(self.value(value)),
                };
                new.slot().set(Arc::new(content));
            }
            _ => unreachable!("a copy is of the same kind"),
        }
    }

    fn key(&mut self, key: &Key) -> Key {
        match key {
            Key::Tensor(tensor) => match self.simple(&Value::Tensor(tensor.0.clone())) {
                Value::Tensor(copy) => Key::Tensor(TensorKey(copy)),
                _ => unreachable!("a copy is of the same kind"),
            },
            key => key.clone(),
        }
    }
}

/// The address of the thing that a value is a handle of; numbers, text and tuples are none.
pub(crate) fn identity(value: &Value) -> Option<usize> {
    Some(match value {
        Value::Tensor(tensor) => std::ptr::from_ref(tensor.slot()).addr(),
        Value::List(list) => std::ptr::from_ref(list.slot()).addr(),
        Value::Dict(dict) => std::ptr::from_ref(dict.slot()).addr(),
        Value::Object(object) => std::ptr::from_ref(object.slot()).addr(),
        Value::Await(awaited) => std::ptr::from_ref(awaited.slot()).addr(),
        Value::Generator(generator) => std::ptr::from_ref(generator.slot()).addr(),
        _ => return None,
    })
}

/// The address of a tuple's items. Empty tuples may share one, and are equal then.
pub(crate) fn address(items: &Arc<[Value]>) -> usize {
    items.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{Attribute, Class, ClassKind};
    use crate::slot::Memory;
    use crate::tensor::{DType, Layout};
    use crate::types::Type;

    fn list(allocator: &mut Allocator, items: Vec<Value>) -> List {
        List::new(allocator, ListContent { item: Type::Any, items })
    }

    #[test]
    fn what_was_one_thing_stays_one_thing() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = Tensor::from_vec(&mut allocator, &[4], &[1i64, 2, 3, 4]).unwrap();
        let view = Tensor::new(&mut allocator, x.storage(), DType::Int64, Layout::strided(&[2], &[2], 1));
        let inner = Value::List(list(&mut allocator, vec![Value::Tensor(x.clone())]));
        let outer = Value::List(list(&mut allocator, vec![inner.clone(), inner, Value::Tensor(view)]));
        let copies = copy_deep(&[outer.clone(), Value::Tensor(x.clone())], &mut allocator);
        let [Value::List(copy), Value::Tensor(y)] = &copies[..] else { panic!("the same kinds") };
        let content = copy.content();
        let [Value::List(a), Value::List(b), Value::Tensor(view)] = &content.items[..] else {
            panic!("the same kinds")
        };
        assert!(a.is(b));
        assert!(view.storage().is(&y.storage()) && !y.storage().is(&x.storage()));
        view.write(&[20i64, 40]);
        assert_eq!((y.to_vec::<i64>(), x.to_vec::<i64>()), (vec![1, 20, 3, 40], vec![1, 2, 3, 4]));
    }

    #[test]
    fn cycles_and_chains_of_any_length_are_copied() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let class = Arc::new(Class {
            name: "Node".into(),
            kind: ClassKind::Plain,
            attributes: vec![Attribute { name: "next".into(), ty: Type::Any }],
            constants: Default::default(),
            methods: Default::default(),
        });
        let last = Object::new(&mut allocator, class.clone(), vec![Value::None]);
        let mut chain = Value::Object(last.clone());
        for i in 0..100_000 {
            chain = match i % 3 {
                0 => Value::Object(Object::new(&mut allocator, class.clone(), vec![chain])),
                1 => Value::List(list(&mut allocator, vec![chain])),
                _ => Value::tuple([chain]),
            };
        }
        let copy = copy_deep(&[chain.clone()], &mut allocator).pop().unwrap();
        assert!(copy.same(&chain));
        assert_eq!(crate::Digest::of(&[copy]), crate::Digest::of(&[chain.clone()]));
        last.set_attribute(0, chain.clone());
        let copy = copy_deep(&[chain.clone()], &mut allocator).pop().unwrap();
        assert!(copy.same(&chain));
        assert_eq!(crate::Digest::of(&[copy]), crate::Digest::of(&[chain]));
        last.set_attribute(0, Value::None);
    }
}
