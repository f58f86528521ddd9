//! The first place where two values differ, and whether they are close.
//!
//! Like the digest it looks at contents: not at strides, and not at who shares what with whom.

use std::fmt;
use std::sync::Arc;

use num_complex::Complex64;
use rustc_hash::FxHashSet;

use crate::copy::{address, identity};
use crate::operators::Fault;
use crate::slot::Memory;
use crate::tensor::{Bool8, Metadata, Quantizer, Scalar, Tensor};
use crate::value::{Awaited, Value};

/// Where two values differ, and what stands there.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The place, as a user would write it: `output[0][1]`, `self.n[2]`, `len(output)`.
    pub place: String,
    /// What the first value has there: a number, a text, or a text that says what it is.
    pub a: Value,
    /// What the second has there.
    pub b: Value,
}

/// How far numbers may be apart: `|a - b| <= atol + rtol * |b|`, and nan is close to nan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Relative to the second number.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

/// The first difference between two values called `name`, numbers compared by their bits; `None` if they are the same.
///
/// ```
/// use forkcheck_model::{Value, difference::first_difference};
/// let a = Value::tuple([Value::Int(1), Value::str("x")]);
/// let b = Value::tuple([Value::Int(1), Value::str("y")]);
/// assert_eq!(first_difference("output", &a, &b).unwrap().to_string(), "output[1]: \"x\" and \"y\"");
/// assert!(first_difference("output", &a, &a).is_none());
/// ```
pub fn first_difference(name: &str, a: &Value, b: &Value) -> Option<Difference> {
    Search::new(None).run(name, a, b)
}

/// The first place where two values called `name` are not close; `None` if `a` is close to `b` everywhere.
///
/// Structure, text, dtypes and sizes are compared exactly, numbers as `torch.allclose(equal_nan=True)` does.
pub fn close(name: &str, a: &Value, b: &Value, rtol: f64, atol: f64) -> Option<Difference> {
    Search::new(Some(Tolerance { rtol, atol })).run(name, a, b)
}

impl Value {
    /// Whether both have the same contents, numbers compared by their bits.
    pub fn same(&self, other: &Value) -> bool {
        first_difference("", self, other).is_none()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} and {}", self.place, Shown(&self.a), Shown(&self.b))
    }
}

/// A number or text of a difference.
struct Shown<'a>(&'a Value);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{value:?}"),
            Value::Complex(value) => write!(f, "{:?}{:+?}j", value.re, value.im),
            Value::Str(value) => write!(f, "{value:?}"),
            Value::Device(value) => write!(f, "{value}"),
            other => f.write_str(kind(other)),
        }
    }
}

/// One step from a value to one inside.
#[derive(Debug, Clone)]
enum Step {
    /// An item of a list or tuple, an element of a tensor, a value of a dict, by its key.
    Item(String),
    /// An attribute.
    Attribute(Arc<str>),
}

struct Search {
    tolerance: Option<Tolerance>,
    /// What was compared or is going to be: a pair is looked at once, so that cycles end. Only looked up.
    seen: FxHashSet<(usize, usize)>,
    /// Each value's way: the entry it came from, and the step.
    ways: Vec<(usize, Step)>,
}

/// The way of the values that were asked about.
const ROOT: usize = usize::MAX;

/// What differs, below the end of a way, and what each side has there.
type Found = Option<(Spot, Value, Value)>;

/// What of a value differs.
enum Spot {
    /// The value as such.
    Whole,
    /// An element of a tensor, by its place.
    Element(String),
    /// A property such as its length.
    Property(&'static str),
}

impl Search {
    fn new(tolerance: Option<Tolerance>) -> Self {
        Search { tolerance, seen: FxHashSet::default(), ways: Vec::new() }
    }

    fn run(mut self, name: &str, a: &Value, b: &Value) -> Option<Difference> {
        let mut waiting = vec![(a.clone(), b.clone(), ROOT)];
        // What was compared stays alive, so that addresses stay unique.
        let mut kept = Vec::new();
        while let Some((a, b, way)) = waiting.pop() {
            if let Some((spot, left, right)) = self.compare(&a, &b, way, &mut waiting) {
                let place = self.place(name, way);
                let place = match spot {
                    Spot::Whole => place,
                    Spot::Element(element) => place + &element,
                    Spot::Property(property) => format!("{property}({place})"),
                };
                return Some(Difference { place, a: left, b: right });
            }
            kept.push((a, b));
        }
        None
    }

    fn place(&self, name: &str, mut way: usize) -> String {
        let mut steps = Vec::new();
        while way != ROOT {
            let (from, step) = &self.ways[way];
            steps.push(match step {
                Step::Item(item) => item.clone(),
                Step::Attribute(name) => format!(".{name}"),
            });
            way = *from;
        }
        steps.push(name.to_string());
        steps.reverse();
        steps.concat()
    }

    /// Compares two values, and puts what they hold among those that wait, the first last.
    fn compare(&mut self, a: &Value, b: &Value, way: usize, waiting: &mut Vec<(Value, Value, usize)>) -> Found {
        let different = || Some((Spot::Whole, a.clone(), b.clone()));
        let property = |name, a: Value, b: Value| Some((Spot::Property(name), a, b));
        let mut inside = Vec::new();
        match (a, b) {
            (Value::None, Value::None) | (Value::Uninitialized, Value::Uninitialized) => {}
            (Value::Future(_), Value::Future(_)) => {}
            (Value::Bool(x), Value::Bool(y)) if x == y => {}
            (Value::Int(x), Value::Int(y)) if x == y || self.near(Scalar::Int(*x), Scalar::Int(*y)) => {}
            (Value::Float(x), Value::Float(y)) if self.near(Scalar::Float(*x), Scalar::Float(*y)) => {}
            (Value::Complex(x), Value::Complex(y)) if self.near(Scalar::Complex(**x), Scalar::Complex(**y)) => {}
            (Value::Str(x), Value::Str(y)) | (Value::Device(x), Value::Device(y)) if x == y => {}
            (Value::Enum(x), Value::Enum(y)) if x.class == y.class && x.name == y.name => {}
            (Value::Function(x), Value::Function(y)) if x == y => {}
            (Value::Generator(x), Value::Generator(y)) => {
                if *x.content() != *y.content() {
                    return property("state", a.clone(), b.clone());
                }
            }
            (Value::Tensor(x), Value::Tensor(y)) => return self.tensors(x, y),
            (Value::List(x), Value::List(y)) => {
                let (x, y) = (x.content(), y.content());
                if x.items.len() != y.items.len() {
                    return property("len", Value::Int(x.items.len() as i64), Value::Int(y.items.len() as i64));
                }
                let pairs = x.items.iter().cloned().zip(y.items.iter().cloned()).enumerate();
                inside.extend(pairs.map(|(i, (x, y))| (x, y, Step::Item(format!("[{i}]")))));
            }
            (Value::Tuple(x), Value::Tuple(y)) => {
                if x.len() != y.len() {
                    return property("len", Value::Int(x.len() as i64), Value::Int(y.len() as i64));
                }
                let pairs = x.iter().cloned().zip(y.iter().cloned()).enumerate();
                inside.extend(pairs.map(|(i, (x, y))| (x, y, Step::Item(format!("[{i}]")))));
            }
            (Value::Dict(x), Value::Dict(y)) => {
                let (x, y) = (x.content(), y.content());
                if x.entries.len() != y.entries.len() {
                    return property("len", Value::Int(x.entries.len() as i64), Value::Int(y.entries.len() as i64));
                }
                // The order of entries counts, so keys are compared place by place.
                for (i, ((key, x), (other, y))) in x.entries.iter().zip(&y.entries).enumerate() {
                    let name = Shown(&key.to_value()).to_string();
                    inside.push((key.to_value(), other.to_value(), Step::Item(format!(".keys()[{i}]"))));
                    inside.push((x.clone(), y.clone(), Step::Item(format!("[{name}]"))));
                }
            }
            (Value::Object(x), Value::Object(y)) => {
                if x.class().name != y.class().name {
                    return property("type", Value::Str(x.class().name.clone()), Value::Str(y.class().name.clone()));
                }
                let names = x.class().attributes.iter().map(|attribute| Step::Attribute(attribute.name.clone()));
                let (x, y) = (x.slot().get(), y.slot().get());
                let pairs = x.iter().cloned().zip(y.iter().cloned());
                inside.extend(pairs.zip(names).map(|((x, y), step)| (x, y, step)));
            }
            (Value::Await(x), Value::Await(y)) => match (&*x.content(), &*y.content()) {
                (Awaited::Done(x), Awaited::Done(y)) => inside.push((x.clone(), y.clone(), Step::Item(String::new()))),
                (Awaited::Pending { body: x, captures }, Awaited::Pending { body: y, captures: others })
                    if x == y && captures.len() == others.len() =>
                {
                    let pairs = captures.iter().cloned().zip(others.iter().cloned()).enumerate();
                    inside.extend(pairs.map(|(i, (x, y))| (x, y, Step::Item(format!(".captures[{i}]")))));
                }
                _ => return different(),
            },
            _ if kind(a) != kind(b) => return property("type", Value::str(kind(a)), Value::str(kind(b))),
            _ => return different(),
        }
        self.enter(a, b, way, inside, waiting);
        None
    }

    /// Lets the values inside wait, unless this pair of containers was met before.
    fn enter(
        &mut self,
        a: &Value,
        b: &Value,
        way: usize,
        inside: Vec<(Value, Value, Step)>,
        waiting: &mut Vec<(Value, Value, usize)>,
    ) {
        let place = |value: &Value| match value {
            Value::Tuple(items) => Some(address(items)),
            value => identity(value),
        };
        if let (Some(a), Some(b)) = (place(a), place(b))
            && !inside.is_empty()
            && !self.seen.insert((a, b))
        {
            return;
        }
        let first = waiting.len();
        for (a, b, step) in inside {
            self.ways.push((way, step));
            waiting.push((a, b, self.ways.len() - 1));
        }
        waiting[first..].reverse();
    }

    fn tensors(&self, a: &Tensor, b: &Tensor) -> Found {
        let property = |name, a: String, b: String| Some((Spot::Property(name), Value::str(a), Value::str(b)));
        let (left, right) = (a.metadata(), b.metadata());
        if left.dtype != right.dtype {
            return property("dtype", left.dtype.to_string(), right.dtype.to_string());
        }
        let (sizes, others) = (left.layout.sizes(), right.layout.sizes());
        if sizes != others || left.nested != right.nested {
            return property("shape", shape_text(&left), shape_text(&right));
        }
        if left.quantizer != right.quantizer {
            return property("quantizer", quantizer_text(&left), quantizer_text(&right));
        }
        let (content, other) = (left.storage.content(), right.storage.content());
        if left.layout == right.layout && (Arc::ptr_eq(&content, &other) || content.hash() == other.hash()) {
            return None;
        }
        if a.is_vast() || b.is_vast() {
            return Some((Spot::Whole, Value::Tensor(a.clone()), Value::Tensor(b.clone())));
        }
        let size = left.dtype.size();
        let (x, y) = (a.row_major_bytes(), b.row_major_bytes());
        let mut unlike = (0..x.len() / size).filter(|i| x[i * size..][..size] != y[i * size..][..size]);
        let first = unlike.next()?;
        let Some((elements, others)) = numbers(a).zip(numbers(b)) else {
            // Of a dtype that we cannot compute with the bytes are all that there is.
            let bytes = |all: &[u8]| Value::str(format!("{:02x?}", &all[first * size..][..size]));
            return Some((Spot::Element(place(first, &left)), bytes(&x), bytes(&y)));
        };
        let at = match self.tolerance {
            None => first,
            Some(_) => std::iter::once(first).chain(unlike).find(|&i| !self.near(elements[i], others[i]))?,
        };
        Some((Spot::Element(place(at, &left)), elements[at].to_value(), others[at].to_value()))
    }

    /// Whether two numbers of one kind count as equal.
    fn near(&self, a: Scalar, b: Scalar) -> bool {
        match (self.tolerance, a, b) {
            (None, Scalar::Float(a), Scalar::Float(b)) => a.to_bits() == b.to_bits(),
            (None, Scalar::Complex(a), Scalar::Complex(b)) => {
                (a.re.to_bits(), a.im.to_bits()) == (b.re.to_bits(), b.im.to_bits())
            }
            (None, a, b) => a == b,
            (Some(_), Scalar::Bool(a), Scalar::Bool(b)) => a == b,
            (Some(tolerance), a, b) => tolerance.covers(a.cast(), b.cast()),
        }
    }
}

impl Tolerance {
    fn covers(self, a: Complex64, b: Complex64) -> bool {
        let nan = |z: Complex64| z.re.is_nan() || z.im.is_nan();
        if nan(a) || nan(b) {
            return nan(a) && nan(b);
        }
        let length = |z: Complex64| libm::hypot(z.re, z.im);
        let distance = length(a - b);
        // Infinities are close to themselves alone: their distance is nan, or infinite and so not allowed.
        a == b || (distance.is_finite() && distance <= self.atol + self.rtol * length(b))
    }
}

/// The elements as numbers, if the dtype has any and they can be held one by one.
pub fn numbers(tensor: &Tensor) -> Option<Vec<Scalar>> {
    if tensor.is_vast() { None } else { scalars(tensor, &Memory::unlimited()).ok() }
}

/// The elements as numbers, of which quantized ones stand for floats.
pub fn scalars(tensor: &Tensor, memory: &Memory) -> Result<Vec<Scalar>, Fault> {
    let dtype = tensor.dtype();
    if let Some(numbers) = tensor.stands_for(memory)? {
        return Ok(numbers.into_iter().map(|number| Scalar::Float(f64::from(number))).collect());
    }
    Ok(if dtype.is_complex() {
        tensor.read::<Complex64>(memory)?.iter().map(|&z| Scalar::Complex(z)).collect()
    } else if dtype.is_floating_point() {
        tensor.read::<f64>(memory)?.iter().map(|&x| Scalar::Float(x)).collect()
    } else if dtype == crate::tensor::DType::Bool {
        tensor.read::<Bool8>(memory)?.iter().map(|&x| Scalar::Bool(x.into())).collect()
    } else {
        tensor.read::<i64>(memory)?.iter().map(|&x| Scalar::Int(x)).collect()
    })
}

fn quantizer_text(metadata: &Metadata) -> String {
    let Some(quantizer) = metadata.quantizer.as_deref() else { return "none".into() };
    match (quantizer, quantizer.slices()) {
        (Quantizer::PerTensor(affine), _) => format!("scale {}, zero point {}", affine.scale, affine.zero_point),
        (_, Some((channels, axis))) => format!("{channels} channels of axis {axis}"),
        (_, None) => unreachable!("what is not per tensor has slices"),
    }
}

fn shape_text(metadata: &Metadata) -> String {
    match &metadata.nested {
        None => format!("{:?}", metadata.layout.sizes()),
        Some(nested) => format!("nested {:?}", nested.entries()),
    }
}

/// The place of the element number `at` of a tensor: `[1][2]`.
fn place(at: usize, metadata: &Metadata) -> String {
    let Some(nested) = &metadata.nested else { return index(at, metadata.layout.sizes()) };
    let mut left = at;
    for (i, entry) in nested.layouts().enumerate() {
        let count = entry.numel() as usize;
        if left < count {
            return format!("[{i}]{}", index(left, entry.sizes()));
        }
        left -= count;
    }
    unreachable!("an element is of an entry")
}

/// The place of the element number `at` among so many in each dimension.
fn index(mut at: usize, sizes: &[i64]) -> String {
    let mut places = Vec::new();
    for &size in sizes.iter().rev() {
        places.push(format!("[{}]", at % size as usize));
        at /= size as usize;
    }
    places.reverse();
    places.concat()
}

/// What kind of value it is, as a user would say.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Float(_) => "float",
        Value::Complex(_) => "complex",
        Value::Str(_) => "str",
        Value::Device(_) => "device",
        Value::Tensor(_) => "Tensor",
        Value::List(_) => "list",
        Value::Dict(_) => "dict",
        Value::Tuple(_) => "tuple",
        Value::Object(_) => "object",
        Value::Enum(_) => "enum",
        Value::Future(_) => "Future",
        Value::Await(_) => "Await",
        Value::Generator(_) => "Generator",
        Value::Function(_) => "function",
        Value::Uninitialized => "uninitialized",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Allocator;
    use crate::types::Type;
    use crate::value::{List, ListContent};

    fn tensor(allocator: &mut Allocator, sizes: &[i64], elements: &[f32]) -> Value {
        Value::Tensor(Tensor::from_vec(allocator, sizes, elements).unwrap())
    }

    fn check(a: &Value, b: &Value, expected: &str) {
        let found = first_difference("output", a, b).map(|difference| difference.to_string());
        assert_eq!(found.unwrap_or_default(), expected);
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let m = &mut allocator;
        let mut list =
            |items: &[Value]| Value::List(List::new(m, ListContent { item: Type::Any, items: items.to_vec() }));
        let (one, two) = (Value::Int(1), Value::Int(2));
        check(&list(&[one.clone(), two.clone()]), &list(&[one.clone(), one.clone()]), "output[1]: 2 and 1");
        check(&list(std::slice::from_ref(&one)), &list(&[]), "len(output): 1 and 0");
        check(&one, &Value::Float(1.0), "type(output): \"int\" and \"float\"");
        let x = tensor(m, &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let y = tensor(m, &[2, 2], &[1.0, 2.0, 3.5, 5.0]);
        check(
            &Value::tuple([one.clone(), x.clone()]),
            &Value::tuple([one.clone(), y.clone()]),
            "output[1][1][0]: 3.0 and 3.5",
        );
        check(&x, &tensor(m, &[4], &[1.0, 2.0, 3.0, 4.0]), "shape(output): \"[2, 2]\" and \"[4]\"");
        check(&x, &x.clone(), "");
    }

    #[test]
    fn closeness_is_that_of_allclose() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let mut close_to = |a: f32, b: f32, rtol, atol| {
            let (a, b) = (tensor(&mut allocator, &[1], &[a]), tensor(&mut allocator, &[1], &[b]));
            close("x", &a, &b, rtol, atol).is_none()
        };
        assert!(close_to(f32::NAN, f32::NAN, 0.0, 0.0));
        assert!(!close_to(f32::NAN, 1.0, 1.0, 1.0));
        assert!(close_to(f32::INFINITY, f32::INFINITY, 0.0, 0.0));
        assert!(!close_to(f32::INFINITY, f32::NEG_INFINITY, 1.0, 1.0));
        assert!(!close_to(1.0, f32::INFINITY, 1.0, 1.0));
        assert!(close_to(0.0, -0.0, 0.0, 0.0));
        // Relative to the second number.
        assert!(close_to(90.0, 100.0, 0.1, 0.0));
        assert!(!close_to(100.0, 90.0, 0.1, 0.0));
        assert!(close_to(1.0, 1.5, 0.0, 0.5));
    }
}
