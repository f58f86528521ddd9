//! A fingerprint of values: equal contents give equal digests, whatever the strides and who shares what.
//!
//! Containers are hashed from the inside out, each once, so that shared ones cost nothing. What refers back to
//! itself is hashed by how far back it refers; members of such a knot by when they were met in it.

use std::fmt;

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_128;

use crate::copy::{address, identity};
use crate::tensor::Tensor;
use crate::value::{Awaited, Value};

/// 128 bits (XXH3) that stand for the contents of values; the same on every platform.
///
/// Numbers count by their bits, tensors by dtype, sizes and elements in row-major order, dicts with the order of
/// their entries, objects by class and attributes. Which task a future is of does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u128);

impl Digest {
    /// The digest of these values, in this order.
    pub fn of(values: &[Value]) -> Self {
        let mut hashing = Hashing::default();
        let mut buffer = Vec::new();
        for value in values {
            buffer.extend(hashing.value(value).to_le_bytes());
        }
        Digest(xxh3_128(&buffer))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A container that is being hashed.
struct Frame {
    address: usize,
    /// What is hashed in the end.
    buffer: Vec<u8>,
    /// The children that are still to come, the next one last.
    children: Vec<Value>,
    /// The lowest frame that this one or something in it refers back to.
    lowest: usize,
    /// How many members of knots were met before this frame began.
    met: usize,
    /// How many of `members` there were before this frame began.
    members: usize,
    /// Keeps the container alive, so that its address stays its own.
    value: Value,
}

/// What is known of a container.
#[derive(Clone, Copy)]
enum Known {
    /// It is the frame at this place.
    Open(usize),
    /// It was finished, and refers to nothing that was not.
    Done(u128),
    /// It was finished as the so-manieth of a knot that reaches down to this frame.
    Member(usize, usize),
}

#[derive(Default)]
struct Hashing {
    /// By address; only looked up.
    known: FxHashMap<usize, Known>,
    /// Every container that was hashed lives until the end, so that addresses stay unique.
    kept: Vec<Value>,
    frames: Vec<Frame>,
    met: usize,
    /// The members of knots that are still open.
    members: Vec<usize>,
}

impl Hashing {
    fn value(&mut self, value: &Value) -> u128 {
        let mut root = Vec::new();
        self.child(value, &mut root);
        while let Some(frame) = self.frames.last_mut() {
            match frame.children.pop() {
                Some(child) => {
                    let mut buffer = std::mem::take(&mut frame.buffer);
                    let place = self.frames.len() - 1;
                    self.child(&child, &mut buffer);
                    self.frames[place].buffer = buffer;
                }
                None => {
                    let digest = self.close();
                    let buffer = self.frames.last_mut().map_or(&mut root, |frame| &mut frame.buffer);
                    buffer.extend(digest.to_le_bytes());
                }
            }
        }
        xxh3_128(&root)
    }

    /// Adds a value to the buffer of the container around it, or opens a frame for it.
    fn child(&mut self, value: &Value, buffer: &mut Vec<u8>) {
        let tag = tag(value);
        buffer.push(tag);
        let place = match value {
            Value::Tuple(items) if items.is_empty() => return,
            Value::Tuple(items) => address(items),
            Value::List(_) | Value::Dict(_) | Value::Object(_) | Value::Await(_) => {
                identity(value).expect("containers have an identity")
            }
            _ => return leaf(value, buffer),
        };
        let depth = self.frames.len();
        match self.known.get(&place).copied() {
            Some(Known::Done(digest)) => buffer.extend(digest.to_le_bytes()),
            Some(Known::Open(frame)) => {
                buffer.push(b'^');
                buffer.extend(((depth - frame) as u64).to_le_bytes());
                self.refers_to(frame);
            }
            Some(Known::Member(number, lowest)) => {
                buffer.push(b'~');
                buffer.extend(((self.met - number) as u64).to_le_bytes());
                self.refers_to(lowest);
            }
            None => {
                self.known.insert(place, Known::Open(depth));
                let (buffer, children) = content(value);
                let (met, members) = (self.met, self.members.len());
                let value = value.clone();
                self.frames.push(Frame { address: place, buffer, children, lowest: depth, met, members, value });
            }
        }
    }

    fn refers_to(&mut self, lowest: usize) {
        let frame = self.frames.last_mut().expect("a reference stands in a container");
        frame.lowest = frame.lowest.min(lowest);
    }

    /// Finishes the last frame.
    fn close(&mut self) -> u128 {
        let frame = self.frames.pop().expect("there is a frame to close");
        let depth = self.frames.len();
        let digest = xxh3_128(&frame.buffer);
        if frame.lowest < depth {
            self.met += 1;
            self.known.insert(frame.address, Known::Member(self.met, frame.lowest));
            self.members.push(frame.address);
            self.refers_to(frame.lowest);
        } else {
            // A knot is closed: its members were hashed relative to this frame, and are forgotten with it.
            for member in self.members.drain(frame.members..) {
                self.known.remove(&member);
            }
            self.met = frame.met;
            self.known.insert(frame.address, Known::Done(digest));
        }
        self.kept.push(frame.value);
        digest
    }
}

/// What a container adds to its hash itself, and its children, the first one last.
fn content(value: &Value) -> (Vec<u8>, Vec<Value>) {
    let (mut buffer, mut children) = (Vec::new(), Vec::new());
    match value {
        Value::Tuple(items) => children.extend_from_slice(items),
        Value::List(list) => children.extend_from_slice(&list.slot().lock().items),
        Value::Dict(dict) => {
            for (key, value) in &dict.slot().lock().entries {
                children.extend([key.to_value(), value.clone()]);
            }
        }
        Value::Object(object) => {
            text(&object.class().name, &mut buffer);
            children.extend_from_slice(&object.slot().lock());
        }
        Value::Await(awaited) => match &**awaited.slot().lock() {
            Awaited::Pending { body, captures } => {
                buffer.extend(body.0.to_le_bytes());
                children.extend_from_slice(captures);
            }
            Awaited::Done(value) => children.push(value.clone()),
        },
        _ => unreachable!("only containers have contents"),
    }
    buffer.extend((children.len() as u64).to_le_bytes());
    children.reverse();
    (buffer, children)
}

/// Adds a value that holds no others.
fn leaf(value: &Value, buffer: &mut Vec<u8>) {
    match value {
        Value::None | Value::Future(_) | Value::Uninitialized => {}
        Value::Bool(value) => buffer.push(*value as u8),
        Value::Int(value) => buffer.extend(value.to_le_bytes()),
        Value::Float(value) => buffer.extend(value.to_bits().to_le_bytes()),
        Value::Complex(value) => {
            buffer.extend(value.re.to_bits().to_le_bytes());
            buffer.extend(value.im.to_bits().to_le_bytes());
        }
        Value::Str(value) | Value::Device(value) => text(value, buffer),
        Value::Tensor(tensor) => hash_tensor(tensor, buffer),
        Value::Enum(member) => {
            text(&member.class, buffer);
            text(&member.name, buffer);
        }
        Value::Generator(generator) => buffer.extend(xxh3_128(&generator.content().to_bytes()).to_le_bytes()),
        Value::Function(function) => buffer.extend(function.0.to_le_bytes()),
        Value::List(_) | Value::Dict(_) | Value::Tuple(_) | Value::Object(_) | Value::Await(_) => {
            unreachable!("containers are no leaves")
        }
    }
}

fn text(text: &str, buffer: &mut Vec<u8>) {
    buffer.extend((text.len() as u64).to_le_bytes());
    buffer.extend(text.as_bytes());
}

/// A tensor that shows a whole storage in order has the storage's own hash, which is kept with the content.
fn hash_tensor(tensor: &Tensor, buffer: &mut Vec<u8>) {
    let metadata = tensor.metadata();
    let layout = &metadata.layout;
    buffer.push(metadata.dtype as u8);
    if let Some(nested) = &metadata.nested {
        // No tensor has so many dimensions, so none is taken for a nested one.
        buffer.extend(u64::MAX.to_le_bytes());
        buffer.extend(nested.to_numbers().flat_map(i64::to_le_bytes));
    }
    buffer.extend((layout.rank() as u64).to_le_bytes());
    buffer.extend(layout.sizes().iter().flat_map(|size| size.to_le_bytes()));
    if let Some(quantizer) = &metadata.quantizer {
        buffer.extend(quantizer.to_bits().into_iter().flat_map(u64::to_le_bytes));
    }
    let content = metadata.storage.content();
    if tensor.is_vast() {
        // Nobody holds such elements one by one, so nothing is lost by looking at how they are made.
        buffer.extend(layout.strides().iter().chain([&layout.offset()]).flat_map(|stride| stride.to_le_bytes()));
        buffer.extend(content.hash().to_le_bytes());
        return;
    }
    let len = layout.numel() as usize * metadata.dtype.size();
    let whole = layout.is_contiguous() && layout.offset() == 0 && content.len() == len;
    let hash = if whole { content.hash() } else { xxh3_128(&tensor.row_major_bytes()) };
    buffer.extend(hash.to_le_bytes());
}

/// A byte for each kind of value.
fn tag(value: &Value) -> u8 {
    match value {
        Value::None => 0,
        Value::Bool(_) => 1,
        Value::Int(_) => 2,
        Value::Float(_) => 3,
        Value::Complex(_) => 4,
        Value::Str(_) => 5,
        Value::Device(_) => 6,
        Value::Tensor(_) => 7,
        Value::List(_) => 8,
        Value::Dict(_) => 9,
        Value::Tuple(_) => 10,
        Value::Object(_) => 11,
        Value::Enum(_) => 12,
        Value::Future(_) => 13,
        Value::Await(_) => 14,
        Value::Generator(_) => 15,
        Value::Function(_) => 16,
        Value::Uninitialized => 17,
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::slot::{Allocator, Memory};
    use crate::tensor::{DType, Layout};
    use crate::types::Type;
    use crate::value::{Dict, DictContent, Key, List, ListContent};

    fn list(allocator: &mut Allocator, items: Vec<Value>) -> Value {
        Value::List(List::new(allocator, ListContent { item: Type::Any, items }))
    }

    fn dict(allocator: &mut Allocator, keys: &[i64]) -> Value {
        let entries = keys.iter().map(|&key| (Key::Int(key), Value::Int(key))).collect();
        Value::Dict(Dict::new(allocator, DictContent { key: Type::Int, value: Type::Int, entries }))
    }

    /// Whether two values have the same digest, alone and as the first of two items.
    fn check(a: &Value, b: &Value, same: bool) {
        assert_eq!(Digest::of(from_ref(a)) == Digest::of(from_ref(b)), same, "{a:?} {b:?}");
        assert_eq!(Digest::of(&[a.clone(), Value::None]) == Digest::of(&[b.clone(), Value::None]), same);
        assert_eq!(a.same(b), same, "{a:?} {b:?}");
    }

    #[test]
    fn contents_count_and_nothing_else() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let m = &mut allocator;
        let x = Tensor::from_vec(m, &[2, 2], &[1i64, 2, 3, 4]).unwrap();
        let y = Tensor::from_vec(m, &[2, 2], &[1i64, 3, 2, 4]).unwrap();
        let transposed = Tensor::new(m, y.storage(), DType::Int64, Layout::strided(&[2, 2], &[1, 2], 0));
        let flat = Tensor::new(m, x.storage(), DType::Int64, Layout::contiguous(&[4]));
        let floats = Tensor::from_vec(m, &[2, 2], &[1f64, 2.0, 3.0, 4.0]).unwrap();
        let [x, y, transposed, flat, floats] = [x, y, transposed, flat, floats].map(Value::Tensor);
        check(&x, &transposed, true);
        check(&x, &y, false);
        check(&x, &flat, false);
        check(&x, &floats, false);
        // The same tensor twice, or two equal ones.
        let (shared, apart) = (list(m, vec![x.clone(), x.clone()]), list(m, vec![x.clone(), transposed]));
        check(&shared, &apart, true);
        let (shared, apart) = (list(m, vec![shared.clone(), shared]), list(m, vec![apart.clone(), apart]));
        check(&shared, &apart, true);
        check(&Value::Float(0.0), &Value::Float(-0.0), false);
        check(&Value::Float(f64::NAN), &Value::Float(f64::NAN), true);
        check(&Value::Int(1), &Value::Float(1.0), false);
        check(&Value::Int(1), &Value::Bool(true), false);
        check(&dict(m, &[1, 2]), &dict(m, &[1, 2]), true);
        check(&dict(m, &[1, 2]), &dict(m, &[2, 1]), false);
        let (nested, flat) = (list(m, vec![Value::Int(1)]), Value::tuple([Value::Int(1)]));
        check(&nested, &flat, false);
    }

    #[test]
    fn knots_are_told_apart() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let m = &mut allocator;
        // A list that holds itself and a number.
        let mut knot = |number: i64| {
            let knot = List::new(m, ListContent { item: Type::Any, items: vec![Value::Int(number)] });
            knot.slot().update(|content| content.items.push(Value::List(knot.clone())));
            Value::List(knot)
        };
        let (a, b, c) = (knot(1), knot(1), knot(2));
        check(&a, &b, true);
        check(&a, &c, false);
        for knot in [a, b, c] {
            let Value::List(knot) = knot else { unreachable!("it is a list") };
            knot.slot().update(|content| content.items.clear());
        }
    }

    #[test]
    fn sharing_costs_nothing() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let (mut lists, mut tuples) = (Value::Int(1), Value::Int(1));
        for _ in 0..200 {
            lists = list(&mut allocator, vec![lists.clone(), lists]);
            tuples = Value::tuple([tuples.clone(), tuples]);
        }
        check(&lists, &lists.clone(), true);
        check(&tuples, &tuples.clone(), true);
        check(&lists, &tuples, false);
    }
}
