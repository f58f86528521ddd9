//! From what an operator touches in general to what this call touches: the one place where arguments become locations.

use forkcheck_model::graph::NodeKind;
use forkcheck_model::operators::{Access, Operator, Place};
use forkcheck_model::slot::SlotId;
use forkcheck_model::tensor::{Metadata, Storage, Tensor};
use forkcheck_model::value::{Await, Awaited, Dict, Generator, List, Object, Value};
use forkcheck_scheduler::{Footprint, Location, Region};
use smallvec::SmallVec;

use super::task::Returns;
use crate::names::NameKey;

/// One access of one step.
#[derive(Debug, Clone)]
pub struct Touch {
    /// The thing itself, for naming it and for keeping its old content.
    pub thing: Thing,
    /// Which part of it.
    pub region: Region,
    /// How.
    pub access: Access,
}

/// The accesses of one step, in schema order.
pub type Touches = Vec<Touch>;

/// Something that can be written.
#[derive(Debug, Clone)]
pub enum Thing {
    /// The bytes behind tensors.
    Storage(Storage),
    /// The metadata of a tensor.
    Shape(Tensor),
    /// A list as a whole.
    List(List),
    /// A dict as a whole.
    Dict(Dict),
    /// One attribute of an object.
    Attribute(Object, usize),
    /// An awaitable's result.
    Await(Await),
    /// A generator of random numbers.
    Generator(Generator),
    /// What the program prints to.
    Stdout,
    /// Flags of the whole process.
    ProcessFlags,
}

/// Who a thing is, for those who must not keep it alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThingId {
    /// Its slot, and which attribute if it is an object's.
    pub key: NameKey,
    /// Whether it is a generator: a draw is the drawer's business, never that of the one who made the generator.
    pub generator: bool,
}

impl Thing {
    /// Its identity alone.
    pub fn identity(&self) -> ThingId {
        let attribute = if let Thing::Attribute(_, index) = self { Some(*index) } else { None };
        ThingId { key: (self.slot(), attribute), generator: matches!(self, Thing::Generator(_)) }
    }

    /// Whose content it is. The attributes of an object share its slot.
    pub fn slot(&self) -> SlotId {
        match self {
            Thing::Storage(storage) => storage.id(),
            Thing::Shape(tensor) => tensor.id(),
            Thing::List(list) => list.id(),
            Thing::Dict(dict) => dict.id(),
            Thing::Attribute(object, _) => object.id(),
            Thing::Await(awaited) => awaited.id(),
            Thing::Generator(generator) => generator.id(),
            Thing::Stdout => SlotId::STDOUT,
            Thing::ProcessFlags => SlotId::PROCESS_FLAGS,
        }
    }

    /// Its number for the scheduler. Each attribute of an object has its own, so that a race for one makes no choice points
    /// of the others. So has each kind of thing: a task that goes another way at a branch gives the name of one thing to
    /// another, and if that were a list or a shape, which lead to other things, a race for the one would make it uncertain
    /// what a step touches that meets the other.
    pub fn location(&self) -> Location {
        let slot = self.slot().bits();
        // No execution has so many tasks that their numbers reach these bits; a process's things have all, and keep them.
        let of_kind = |kind: u64| Location(slot ^ kind << 61);
        match self {
            Thing::Attribute(_, index) => Location(mix(slot, *index as u64)),
            Thing::Shape(_) => of_kind(1),
            Thing::List(_) => of_kind(2),
            Thing::Dict(_) => of_kind(3),
            Thing::Await(_) => of_kind(4),
            Thing::Storage(_) | Thing::Generator(_) | Thing::Stdout | Thing::ProcessFlags => of_kind(0),
        }
    }
}

/// A number for the pair, by the finalizer of SplitMix64 (Steele, Lea and Flood, 2014). That two of n pairs, or a pair and
/// a slot, get the same has a chance of about n²/2^64; then two locations would be taken for one.
fn mix(slot: u64, index: u64) -> u64 {
    let mut z = slot.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Touch {
    fn whole(thing: Thing, access: Access) -> Self {
        Self { thing, region: Region::Whole, access }
    }

    /// The elements that a tensor shows; `None` if there are none.
    pub fn data(tensor: &Tensor, access: Access) -> Option<Self> {
        let metadata = tensor.metadata();
        let thing = Thing::Storage(metadata.storage.clone());
        (metadata.layout.numel() > 0).then(|| Touch { thing, region: region(&metadata), access })
    }

    /// The elements of `storage` that a tensor, which need not be of that storage, would show; `None` if there are none.
    pub fn stored(storage: &Storage, like: &Tensor) -> Option<Self> {
        let metadata = like.metadata();
        let thing = Thing::Storage(storage.clone());
        (metadata.layout.numel() > 0).then(|| Touch { thing, region: region(&metadata), access: Access::Write })
    }

    /// The metadata of a tensor.
    pub fn shape(tensor: &Tensor, access: Access) -> Self {
        Self::whole(Thing::Shape(tensor.clone()), access)
    }

    /// The attribute number `index` of `object`.
    pub fn attribute(object: &Object, index: usize, access: Access) -> Self {
        Self::whole(Thing::Attribute(object.clone(), index), access)
    }

    /// Its form for the scheduler. Whatever is printed can be printed in any order, so writes to stdout commute.
    pub fn to_access(&self) -> forkcheck_scheduler::Access {
        let kind = match (&self.thing, self.access) {
            (Thing::Stdout, _) => forkcheck_scheduler::Kind::Commute,
            (_, Access::Read) => forkcheck_scheduler::Kind::Read,
            (_, Access::Write) => forkcheck_scheduler::Kind::Write,
            (_, Access::ReadWrite) => forkcheck_scheduler::Kind::Update,
        };
        forkcheck_scheduler::Access { location: self.thing.location(), region: self.region.clone(), kind }
    }
}

/// The footprint of `touches`.
pub fn footprint(touches: &[Touch]) -> Footprint {
    touches.iter().map(Touch::to_access).collect()
}

/// Whether a node can touch anything, whatever its inputs are.
pub fn may_touch(kind: &NodeKind) -> bool {
    matches!(
        kind,
        NodeKind::Operator(_)
            | NodeKind::GetAttr { .. }
            | NodeKind::ContainerIndex
            | NodeKind::SetAttr { .. }
            | NodeKind::ListUnpack
            | NodeKind::AwaitableWait
            | NodeKind::ToList
            | NodeKind::Print
    )
}

/// What a node touches when it is executed with these inputs.
pub fn of_node(kind: &NodeKind, inputs: &[Value], generator: &Generator) -> Touches {
    let mut touches = Touches::new();
    match kind {
        NodeKind::Operator(operator) => touches = of_operator(operator, inputs, generator),
        NodeKind::GetAttr { index, .. } => touches.push(Touch::attribute(object(inputs), *index, Access::Read)),
        NodeKind::ContainerIndex => {
            if let Ok(index) = super::types::container_index(inputs) {
                touches.push(Touch::attribute(object(inputs), index, Access::Read));
            }
        }
        NodeKind::SetAttr { index, .. } => touches.push(Touch::attribute(object(inputs), *index, Access::Write)),
        NodeKind::ListUnpack => {
            if let Value::List(list) = &inputs[0] {
                touches.push(Touch::whole(Thing::List(list.clone()), Access::Read));
            }
        }
        NodeKind::AwaitableWait => {
            // Who computes it writes it when that is done.
            if let Value::Await(awaited) = &inputs[0] {
                touches.push(Touch::whole(Thing::Await(awaited.clone()), Access::Read));
            }
        }
        NodeKind::ToList => contents(&inputs[0], &mut touches),
        NodeKind::Print => {
            inputs.iter().for_each(|input| contents(input, &mut touches));
            touches.push(Touch::whole(Thing::Stdout, Access::Write));
        }
        kind => debug_assert!(!may_touch(kind), "what {} touches is known", kind.name()),
    }
    touches
}

/// What a function touches when it returns: whoever has computed an awaitable lets it remember.
pub fn of_return(returns: &Returns) -> Touches {
    match returns {
        Returns::Await(awaited, _) => vec![Touch::whole(Thing::Await(awaited.clone()), Access::Write)],
        Returns::Task | Returns::To(_) | Returns::Nowhere => Touches::new(),
    }
}

/// The tensors that an operator is given to write its results to. They are resized if they are of the wrong sizes, which no
/// effect foretells.
pub fn outs<'a>(operator: &'a Operator, args: &'a [Value]) -> impl Iterator<Item = &'a Tensor> {
    let outs = operator.schema.arguments.iter().zip(args).filter(|(argument, _)| argument.is_out());
    outs.filter_map(|(_, value)| if let Value::Tensor(tensor) = value { Some(tensor) } else { None })
}

/// What an operator touches when it is called with these inputs.
pub fn of_operator(operator: &Operator, inputs: &[Value], generator: &Generator) -> Touches {
    let mut touches = Touches::new();
    for effect in operator.effects(inputs) {
        of_place(effect.place, effect.access, inputs, generator, &mut touches);
    }
    touches
}

fn object(inputs: &[Value]) -> &Object {
    match &inputs[0] {
        Value::Object(object) => object,
        other => unreachable!("attributes are of objects, not of {other:?}"),
    }
}

fn of_place(place: Place, access: Access, inputs: &[Value], generator: &Generator, touches: &mut Touches) {
    match place {
        Place::Data(i) => data(&inputs[i], access, touches),
        Place::Shape(i) => shape(&inputs[i], access, touches),
        Place::Items(i) => match &inputs[i] {
            Value::List(list) => touches.push(Touch::whole(Thing::List(list.clone()), access)),
            Value::Dict(dict) => touches.push(Touch::whole(Thing::Dict(dict.clone()), access)),
            _ => {}
        },
        Place::Generator(explicit) => {
            let generator = match explicit.map(|i| &inputs[i]) {
                Some(Value::Generator(explicit)) => explicit,
                _ => generator,
            };
            touches.push(Touch::whole(Thing::Generator(generator.clone()), access));
        }
        Place::Stdout => touches.push(Touch::whole(Thing::Stdout, access)),
        Place::ProcessFlags => touches.push(Touch::whole(Thing::ProcessFlags, access)),
    }
}

/// The elements of a tensor, or of every tensor in a container; the container itself is read.
fn data(value: &Value, access: Access, touches: &mut Touches) {
    match value {
        Value::Tensor(tensor) => touches.extend(Touch::data(tensor, access)),
        Value::List(list) => {
            touches.push(Touch::whole(Thing::List(list.clone()), Access::Read));
            list.content().items.iter().for_each(|item| data(item, access, touches));
        }
        Value::Dict(dict) => {
            touches.push(Touch::whole(Thing::Dict(dict.clone()), Access::Read));
            dict.content().entries.values().for_each(|item| data(item, access, touches));
        }
        Value::Tuple(items) => items.iter().for_each(|item| data(item, access, touches)),
        _ => {}
    }
}

/// The metadata of a tensor, or of every tensor in a container.
fn shape(value: &Value, access: Access, touches: &mut Touches) {
    match value {
        Value::Tensor(tensor) => touches.push(Touch::shape(tensor, access)),
        Value::List(list) => list.content().items.iter().for_each(|item| shape(item, access, touches)),
        Value::Dict(dict) => dict.content().entries.values().for_each(|item| shape(item, access, touches)),
        Value::Tuple(items) => items.iter().for_each(|item| shape(item, access, touches)),
        _ => {}
    }
}

/// Reads of everything in a value, as printing does.
fn contents(value: &Value, touches: &mut Touches) {
    shape(value, Access::Read, touches);
    data(value, Access::Read, touches);
}

/// Reads of everything that can be reached from `values`: what the caller sees when the entry has returned.
pub fn reachable(values: &[Value], generator: &Generator) -> Touches {
    let mut touches = Touches::new();
    let mut seen = rustc_hash::FxHashSet::default();
    let mut stack: Vec<Value> = values.iter().rev().cloned().collect();
    while let Some(value) = stack.pop() {
        let handle = match &value {
            Value::Tensor(tensor) => tensor.id(),
            Value::List(list) => list.id(),
            Value::Dict(dict) => dict.id(),
            Value::Object(object) => object.id(),
            Value::Await(awaited) => awaited.id(),
            Value::Tuple(items) => {
                stack.extend(items.iter().rev().cloned());
                continue;
            }
            _ => continue,
        };
        if !seen.insert(handle) {
            continue;
        }
        match &value {
            Value::List(list) => {
                touches.push(Touch::whole(Thing::List(list.clone()), Access::Read));
                stack.extend(list.content().items.iter().rev().cloned());
            }
            Value::Dict(dict) => {
                touches.push(Touch::whole(Thing::Dict(dict.clone()), Access::Read));
                stack.extend(dict.content().entries.values().rev().cloned());
            }
            Value::Object(object) => {
                let attributes = object.slot().get();
                let reads = (0..attributes.len()).map(|i| Touch::attribute(object, i, Access::Read));
                touches.extend(reads);
                stack.extend(attributes.iter().rev().cloned());
            }
            Value::Await(awaited) => {
                touches.push(Touch::whole(Thing::Await(awaited.clone()), Access::Read));
                match &*awaited.content() {
                    Awaited::Done(value) => stack.push(value.clone()),
                    Awaited::Pending { captures, .. } => stack.extend(captures.iter().rev().cloned()),
                }
            }
            tensor => contents(tensor, &mut touches),
        }
    }
    touches.push(Touch::whole(Thing::Generator(generator.clone()), Access::Read));
    touches
}

/// Exactly the bytes that a tensor shows.
fn region(metadata: &Metadata) -> Region {
    let size = metadata.dtype.size() as u64;
    let layout = &metadata.layout;
    let dims = layout.sizes().iter().zip(layout.strides());
    let dims: SmallVec<[(u64, u64); 5]> = dims.map(|(&count, &stride)| (count as u64, stride as u64 * size)).collect();
    Region::strided(layout.offset() as u64 * size, size, &dims)
}
