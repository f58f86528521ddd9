//! What a variable holds.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use num_complex::Complex64;
use rustc_hash::FxBuildHasher;

use crate::module::{Class, FunctionId};
use crate::operators::GeneratorState;
use crate::slot::{Allocator, Slot, SlotId};
use crate::tensor::Tensor;
use crate::types::Type;

/// A TorchScript value. Tensors, lists, dicts and objects are handles: a clone is the same thing.
#[derive(Debug, Clone)]
pub enum Value {
    /// `None`, and the result of operators that return nothing.
    None,
    /// A truth value.
    Bool(bool),
    /// A 64-bit integer; dtypes, layouts and memory formats too.
    Int(i64),
    /// A 64-bit float.
    Float(f64),
    /// A complex number.
    Complex(Box<Complex64>),
    /// Text.
    Str(Arc<str>),
    /// A device, such as `cpu`.
    Device(Arc<str>),
    /// A tensor.
    Tensor(Tensor),
    /// A list.
    List(List),
    /// A dict.
    Dict(Dict),
    /// A tuple, or a NamedTuple.
    Tuple(Arc<[Value]>),
    /// An object of a class or module.
    Object(Object),
    /// A member of an enum.
    Enum(Arc<EnumMember>),
    /// The result of a fork.
    Future(Future),
    /// The result of an awaitable: computed by the first who waits.
    Await(Await),
    /// A generator of random numbers.
    Generator(Generator),
    /// A function bound to a name.
    Function(FunctionId),
    /// A value that must never be read (`prim::Uninitialized`).
    Uninitialized,
}

/// The result of a fork: a handle of whoever runs the tasks.
pub type Future = Arc<dyn Forked>;

/// What a future stands for, to those who do not run tasks.
pub trait Forked: Any + fmt::Debug + Send + Sync {
    /// The number of the task.
    fn task(&self) -> u32;
}

/// A task whose result is found by its number.
impl Forked for u32 {
    fn task(&self) -> u32 {
        *self
    }
}

/// A member of an enum class.
#[derive(Debug)]
pub struct EnumMember {
    /// Qualified name of the enum.
    pub class: Arc<str>,
    /// Name of the member.
    pub name: Arc<str>,
    /// Its value: an int, float or str.
    pub value: Value,
}

/// A list: one location as a whole.
#[derive(Clone)]
pub struct List(Arc<Slot<ListContent>>);

/// What a list holds.
#[derive(Debug, Clone)]
pub struct ListContent {
    /// The declared type of the items.
    pub item: Type,
    /// The items.
    pub items: Vec<Value>,
}

/// A dict in insertion order: one location as a whole.
#[derive(Clone)]
pub struct Dict(Arc<Slot<DictContent>>);

/// What a dict holds.
#[derive(Debug, Clone)]
pub struct DictContent {
    /// The declared type of the keys.
    pub key: Type,
    /// The declared type of the values.
    pub value: Type,
    /// The entries, in insertion order.
    pub entries: IndexMap<Key, Value, FxBuildHasher>,
}

/// A key of a dict, compared as Python compares: floats by value (and `0.0 == -0.0`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// An int.
    Int(i64),
    /// A bool.
    Bool(bool),
    /// A float, by its bits (minus zero made zero).
    Float(u64),
    /// A complex, by its bits (minus zeros made zero).
    Complex(u64, u64),
    /// A str.
    Str(Arc<str>),
    /// A tensor, by identity.
    Tensor(TensorKey),
}

/// A tensor as a key: equal only to itself.
#[derive(Debug, Clone)]
pub struct TensorKey(pub Tensor);

impl PartialEq for TensorKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }
}

impl Eq for TensorKey {}

impl std::hash::Hash for TensorKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.id().hash(state);
    }
}

/// An object of a class or module: each attribute is a location.
#[derive(Clone)]
pub struct Object {
    class: Arc<Class>,
    /// Invariant: as many values as the class has attributes.
    slot: Arc<Slot<Vec<Value>>>,
}

/// A lazily computed value; see `torch.jit._awaitable`.
#[derive(Clone)]
pub struct Await(Arc<Slot<Awaited>>);

/// What stands behind an [`Await`].
#[derive(Debug, Clone)]
pub enum Awaited {
    /// Not computed yet: the captured values of its body, known to who runs it by number.
    Pending {
        /// Which body.
        body: FunctionId,
        /// What it captured.
        captures: Vec<Value>,
    },
    /// Computed.
    Done(Value),
}

/// A generator of random numbers: one location as a whole.
#[derive(Clone)]
pub struct Generator(Arc<Slot<GeneratorState>>);

/// Handles of one slot each have the same few methods.
macro_rules! handle {
    ($name:ident, $content:ty) => {
        impl $name {
            /// A new one around `content`.
            pub fn new(allocator: &mut Allocator, content: $content) -> Self {
                Self(Arc::new(Slot::new(allocator, content)))
            }

            /// Who it is.
            pub fn id(&self) -> SlotId {
                self.0.id()
            }

            /// Whether both handles are of the same thing.
            pub fn is(&self, other: &$name) -> bool {
                Arc::ptr_eq(&self.0, &other.0)
            }

            /// The slot with its content.
            pub fn slot(&self) -> &Slot<$content> {
                &self.0
            }

            /// The content as it is now.
            pub fn content(&self) -> Arc<$content> {
                self.0.get()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), self.id())
            }
        }
    };
}

handle!(List, ListContent);
handle!(Dict, DictContent);
handle!(Await, Awaited);
handle!(Generator, GeneratorState);

/// The last handle of a container takes what it holds apart without recursion: values may link to any depth.
macro_rules! end_flat {
    ($($name:ty: $field:tt),*) => {
        $(impl Drop for $name {
            fn drop(&mut self) {
                if let Some(content) = Arc::get_mut(&mut self.$field).and_then(|slot| Arc::get_mut(slot.get_mut())) {
                    take_apart(content.take_values());
                }
            }
        })*
    };
}

end_flat!(List: 0, Dict: 0, Await: 0, Object: slot);

fn take_apart(mut values: Vec<Value>) {
    while let Some(mut value) = values.pop() {
        match &mut value {
            // Each handle gives up what it holds before it ends, so that its own drop finds nothing.
            Value::List(List(slot)) => give_up(slot, &mut values),
            Value::Dict(Dict(slot)) => give_up(slot, &mut values),
            Value::Await(Await(slot)) => give_up(slot, &mut values),
            Value::Object(object) => give_up(&mut object.slot, &mut values),
            Value::Tuple(items) => {
                if let Some(items) = Arc::get_mut(items) {
                    values.extend(items.iter_mut().map(|item| std::mem::replace(item, Value::None)));
                }
            }
            _ => {}
        }
    }
}

fn give_up<T: Holds>(slot: &mut Arc<Slot<T>>, values: &mut Vec<Value>) {
    if let Some(content) = Arc::get_mut(slot).and_then(|slot| Arc::get_mut(slot.get_mut())) {
        values.append(&mut content.take_values());
    }
}

/// A content that holds values.
trait Holds {
    /// The values, out of a content that nobody will look at again.
    fn take_values(&mut self) -> Vec<Value>;
}

impl Holds for ListContent {
    fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.items)
    }
}

impl Holds for DictContent {
    fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.entries).into_values().collect()
    }
}

impl Holds for Vec<Value> {
    fn take_values(&mut self) -> Vec<Value> {
        std::mem::take(self)
    }
}

impl Holds for Awaited {
    fn take_values(&mut self) -> Vec<Value> {
        match self {
            Awaited::Pending { captures, .. } => std::mem::take(captures),
            Awaited::Done(value) => vec![std::mem::replace(value, Value::None)],
        }
    }
}

impl Generator {
    /// The default generator of a process, in the state that `torch.manual_seed(seed)` gives.
    pub fn default_seeded(seed: u64) -> Self {
        Self(Arc::new(Slot::named(SlotId::GENERATOR, GeneratorState::seeded(seed))))
    }

    /// A generator that is a constant of a graph, in the state that `manual_seed(seed)` gives. Executions work on copies
    /// of it, which have names of their own.
    pub fn constant(seed: u64) -> Self {
        Self(Arc::new(Slot::named(SlotId::new(u32::MAX, u32::MAX), GeneratorState::seeded(seed))))
    }
}

impl Object {
    /// An object with one value for each attribute of its class.
    ///
    /// # Panics
    /// If there are more or fewer values than attributes.
    pub fn new(allocator: &mut Allocator, class: Arc<Class>, values: Vec<Value>) -> Self {
        assert_eq!(class.attributes.len(), values.len(), "one value for each attribute of {}", class.name);
        Self { class, slot: Arc::new(Slot::new(allocator, values)) }
    }

    /// Who it is.
    pub fn id(&self) -> SlotId {
        self.slot.id()
    }

    /// Whether both handles are of the same object.
    pub fn is(&self, other: &Object) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot)
    }

    /// What it is an object of.
    pub fn class(&self) -> &Arc<Class> {
        &self.class
    }

    /// The slot with the attributes' values, in the order of the class.
    pub fn slot(&self) -> &Slot<Vec<Value>> {
        &self.slot
    }

    /// The value of the attribute number `index`.
    pub fn attribute(&self, index: usize) -> Value {
        self.slot.lock()[index].clone()
    }

    /// Replaces the value of the attribute number `index`.
    pub fn set_attribute(&self, index: usize, value: Value) {
        self.slot.update(|values| values[index] = value);
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.class.name, self.id())
    }
}

impl Key {
    /// The key that a value is, if it can be one.
    pub fn from_value(value: &Value) -> Option<Key> {
        // Adding zero turns minus zero into zero and leaves everything else.
        let bits = |float: f64| (float + 0.0).to_bits();
        Some(match value {
            Value::Int(value) => Key::Int(*value),
            Value::Bool(value) => Key::Bool(*value),
            Value::Float(value) => Key::Float(bits(*value)),
            Value::Complex(value) => Key::Complex(bits(value.re), bits(value.im)),
            Value::Str(value) => Key::Str(value.clone()),
            Value::Tensor(value) => Key::Tensor(TensorKey(value.clone())),
            _ => return None,
        })
    }

    /// The key as a user writes it: `'w'`, `3`.
    pub fn literal(&self) -> String {
        match self {
            Key::Str(text) => format!("'{text}'"),
            Key::Int(value) => value.to_string(),
            Key::Bool(value) => if *value { "True" } else { "False" }.to_string(),
            Key::Float(bits) => f64::from_bits(*bits).to_string(),
            Key::Complex(..) | Key::Tensor(_) => "…".to_string(),
        }
    }

    /// The value that the key is.
    pub fn to_value(&self) -> Value {
        match self {
            Key::Int(value) => Value::Int(*value),
            Key::Bool(value) => Value::Bool(*value),
            Key::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Key::Complex(re, im) => Value::Complex(Box::new(Complex64::new(f64::from_bits(*re), f64::from_bits(*im)))),
            Key::Str(value) => Value::Str(value.clone()),
            Key::Tensor(value) => Value::Tensor(value.0.clone()),
        }
    }
}

impl Value {
    /// Text as a value.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Value::Str(text.into())
    }

    /// Values as a tuple.
    pub fn tuple(items: impl Into<Arc<[Value]>>) -> Self {
        Value::Tuple(items.into())
    }
}
