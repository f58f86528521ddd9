//! Replays what PyTorch's operators were recorded to give; see `tests/record/fixture.py` for the notation. Nested
//! tensors, which no file of it has, are written as `nested[f32[2,1]{1 2}, f32[1,1]{3}]`. Packed parameters are held to what
//! they are saved as.
//!
//! Every case is run by [`observe`](super::observe), so it also holds the operator's effects to what its kernel does.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use half::{bf16, f16};
use num_complex::Complex;

use super::observe::{call_within, observe};
use super::{Fault, Operator};
use crate::slot::{Allocator, Memory};
use crate::tensor::{
    Affine, Bool8, Content, DType, Dims, Layout, Metadata, Nested, Number, Quantizer, Scalar, Storage, Tensor, dispatch,
};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

/// Replays every case of a fixture file.
///
/// # Panics
/// If a case comes out differently: all that do are listed.
pub(crate) fn replay(text: &str) {
    let failures: Vec<String> = text.lines().filter_map(|line| Case::parse(line).fails(line)).collect();
    let shown: Vec<&str> = failures.iter().take(60).map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} cases differ\n{}", failures.len(), text.lines().count(), shown.join("\n"));
}

/// Replays a recording that is not kept, and tells what differs: by kind and operator, the shortest case of each first.
#[test]
#[expect(clippy::print_stdout, reason = "what differs is for the eye")]
#[ignore = "asks for a file, in FORKCHECK_RECORDING; `tests/record/swept.py` makes one"]
fn recording() {
    let path = std::env::var("FORKCHECK_RECORDING").expect("a file");
    let text = std::fs::read_to_string(&path).expect("what PyTorch gave");
    let mut differing: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let failure = catch_unwind(|| Case::parse(line).fails(line));
        let failure = failure.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            Some(format!("{line}\n    PANIC {text}"))
        });
        let Some(failure) = failure else { continue };
        let found = failure.rsplit_once("\n    ").map_or("", |(_, found)| found);
        let refused = line.contains("~> ! ");
        let kind = match () {
            () if found.starts_with("PANIC") => "panic",
            () if found.starts_with("shares") => "sharing",
            () if found.starts_with("Unsupported") || found == "no kernel" => "no kernel",
            () if found.starts_with("Raised") && refused => "words",
            () if found.starts_with("Raised") => "refused here",
            () if refused => "accepted here",
            () => "value",
        };
        differing.entry((kind, line.split(' ').next().expect("a name"))).or_default().push(failure);
    }
    for ((kind, _), mut failures) in differing {
        failures.sort_by_key(String::len);
        println!("{kind} ({}) {:.2500}", failures.len(), failures[0]);
    }
}

/// Checks that the call of a line is refused for want of memory, at once.
///
/// # Panics
/// If it is not.
pub(crate) fn refuses(line: &str) {
    let case = Case::parse(line);
    let result = call_within(1 << 20, case.operator, &case.args);
    assert!(matches!(result, Err(Fault::Memory(_))), "{line}: {result:?}");
}

/// Calls every operator of a recording on tensors that show more than a machine holds, and on numbers as large. Whatever comes of it, it comes
/// soon and without a panic: what takes memory asks the meter first. How many calls the meter refuses.
///
/// # Panics
/// If a call does. One that takes memory unasked ends the process.
pub(crate) fn refused_when_stretched(text: &str) -> usize {
    let mut refused = 0;
    for line in text.lines() {
        let case = Case::parse(line);
        if ONE_BY_ONE.contains(&case.operator.name) {
            continue;
        }
        let mut allocator = Allocator::new(3, Memory::unlimited());
        let args: Vec<Value> = case.args.iter().map(|value| stretched(value, &mut allocator)).collect();
        let result = catch_unwind(AssertUnwindSafe(|| call_within(1 << 20, case.operator, &args)));
        refused += matches!(result.unwrap_or_else(|_| panic!("stretched: {line}")), Err(Fault::Memory(_))) as usize;
    }
    refused
}

/// Operators that take no memory but write every place of their argument, however many it shows; and those that take it from the meter of
/// their argument, which has no limit here.
const ONE_BY_ONE: &[&str] = &[
    "aten::fill_",
    "aten::zero_",
    "aten::copy_",
    "aten::_no_grad_fill_",
    "aten::_no_grad_zero_",
    "aten::_foreach_zero_",
    "aten::resize_as_",
    "aten::resize_",
];

/// The same with 10^11 elements or more, that are one in memory, in each tensor of several; and with a larger number for each size.
fn stretched(value: &Value, allocator: &mut Allocator) -> Value {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            let long = metadata.layout.sizes().iter().filter(|&&size| size > 1).count();
            if long == 0 || metadata.quantizer.is_some() || metadata.nested.is_some() {
                return value.clone();
            }
            let length = [100_000_000_000, 1_000_000, 10_000, 1_000][(long - 1).min(3)];
            let sizes: Dims =
                metadata.layout.sizes().iter().map(|&size| if size > 1 { length } else { size }).collect();
            let layout = Layout::strided(&sizes, &vec![0; sizes.len()], metadata.layout.offset());
            Value::Tensor(Tensor::with(allocator, Metadata { layout, ..(*metadata).clone() }))
        }
        Value::List(list) => {
            let content = list.content();
            let items = content.items.iter().map(|item| stretched(item, allocator)).collect();
            Value::List(List::new(allocator, ListContent { item: content.item.clone(), items }))
        }
        Value::Int(3..100) => Value::Int(1_000_000_000),
        other => other.clone(),
    }
}

/// One line.
struct Case {
    operator: &'static Operator,
    args: Vec<Value>,
    /// Whether the last bits may differ.
    close: bool,
    expected: Result<Value, String>,
    /// Tensor arguments that were changed, and to what.
    changed: BTreeMap<usize, Value>,
    /// Tensors of the result that have the memory of a tensor of the arguments, if that was recorded: both are counted as
    /// they are written.
    shared: Option<BTreeMap<usize, usize>>,
}

impl Case {
    fn parse(line: &str) -> Case {
        let (name, rest) = line.split_once(' ').expect("a name");
        let operator = super::find(name).unwrap_or_else(|| panic!("{name} is an operator"));
        // After one without arguments stand two spaces.
        let mut parser = Parser { rest: rest.trim_start(), allocator: Allocator::new(7, Memory::unlimited()) };
        let mut args = Vec::new();
        let close = loop {
            if parser.eat("-> ") {
                break false;
            }
            if parser.eat("~> ") {
                break true;
            }
            let arg = parser.value(&args);
            args.push(arg);
            parser.eat(" ");
        };
        if parser.eat("! ") {
            let expected = Err(parser.rest.to_owned());
            return Case { operator, args, close, expected, changed: BTreeMap::new(), shared: None };
        }
        let expected = Ok(parser.result());
        let mut changed = BTreeMap::new();
        while parser.eat(" & ") {
            let i = parser.until('=').parse().expect("a position");
            parser.eat("=");
            changed.insert(i, parser.result());
        }
        let shared = parser.eat(" ^").then(|| {
            let pairs = std::mem::take(&mut parser.rest).split_whitespace();
            let pair = |text: &str| text.split_once('=').and_then(|(i, j)| Some((i.parse().ok()?, j.parse().ok()?)));
            pairs.map(|text| pair(text).expect("two positions")).collect()
        });
        assert_eq!(parser.rest, "", "all of the line is read: {line}");
        Case { operator, args, close, expected, changed, shared }
    }

    /// What is wrong, if anything is.
    fn fails(self, line: &str) -> Option<String> {
        if self.operator.kernel.is_none() {
            return Some(format!("{line}\n    no kernel"));
        }
        let found = match (observe(self.operator, &self.args), &self.expected) {
            (Ok(found), Ok(expected)) if same(&found, expected, self.close) => self.fails_besides(&found)?,
            (Ok(found), _) => show(&found),
            (Err(Fault::Raised { message, .. }), Err(expected)) if message == *expected => return None,
            // PyTorch raises where it has no kernel; we say that we have none.
            (Err(Fault::Unsupported(_)), Err(expected)) if says_no_kernel(expected) => return None,
            (Err(fault), _) => format!("{fault:?}"),
        };
        Some(format!("{line}\n    {found}"))
    }

    /// What is wrong with what a call has written, or with the memory of its result.
    fn fails_besides(&self, found: &Value) -> Option<String> {
        let wrong = self.changed.iter().find(|(i, expected)| !same(&self.args[**i], expected, self.close));
        if let Some((i, _)) = wrong {
            return Some(format!("argument {i} becomes {}", show(&self.args[*i])));
        }
        let (expected, found) = (self.shared.as_ref()?, shared(&self.args, found));
        (*expected != found).then(|| format!("shares {found:?}"))
    }
}

/// Whether it is not a kernel that refuses, but there is none.
fn says_no_kernel(error: &str) -> bool {
    error.contains("not implemented for '") || error.starts_with("Could not run '")
}

/// For each tensor in a result, the first of the arguments that has the same memory.
fn shared(args: &[Value], result: &Value) -> BTreeMap<usize, usize> {
    let (mut given, mut found) = (Vec::new(), Vec::new());
    args.iter().for_each(|arg| tensors(arg, &mut given));
    tensors(result, &mut found);
    let owner = |tensor: &Tensor| given.iter().position(|arg| arg.storage().is(&tensor.storage()));
    let full = found.iter().enumerate().filter(|(_, tensor)| tensor.numel() > 0);
    full.filter_map(|(i, tensor)| Some((i, owner(tensor)?))).collect()
}

fn tensors(value: &Value, into: &mut Vec<Tensor>) {
    match value {
        Value::Tensor(tensor) => into.push(tensor.clone()),
        Value::List(list) => list.content().items.iter().for_each(|item| tensors(item, into)),
        Value::Tuple(items) => items.iter().for_each(|item| tensors(item, into)),
        _ => {}
    }
}

/// Whether two values are the same, tensors by dtype, sizes, strides and elements.
fn same(found: &Value, expected: &Value, close: bool) -> bool {
    match (found, expected) {
        (Value::Tensor(a), Value::Tensor(b)) => same_tensor(a, b, close),
        (Value::Float(a), Value::Float(b)) => same_float(*a, *b, if close { 1e-6 } else { 0.0 }),
        (Value::Complex(a), Value::Complex(b)) => {
            let tolerance = if close { 1e-12 } else { 0.0 };
            same_float(a.re, b.re, tolerance) && same_float(a.im, b.im, tolerance)
        }
        (Value::List(a), Value::List(b)) => same_all(&a.content().items, &b.content().items, close),
        (Value::Tuple(a), Value::Tuple(b)) => same_all(a, b, close),
        (Value::Object(a), Value::Tuple(_)) => same(&a.attribute(0), expected, close),
        (a, b) => show(a) == show(b),
    }
}

fn same_all(a: &[Value], b: &[Value], close: bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, close))
}

fn same_tensor(a: &Tensor, b: &Tensor, close: bool) -> bool {
    let (x, y) = (a.metadata(), b.metadata());
    let strides = |layout: &Layout| if layout.is_contiguous() { None } else { Some(layout.strides().to_vec()) };
    if x.dtype != y.dtype
        || x.quantizer != y.quantizer
        || x.nested != y.nested
        || x.layout.sizes() != y.layout.sizes()
        || strides(&x.layout) != strides(&y.layout)
    {
        return false;
    }
    let (a, b) = (&plain(a), &plain(b));
    let dtype = a.dtype();
    let tolerance = match dtype {
        _ if !close => 0.0,
        DType::Float16 => 2e-3,
        DType::BFloat16 => 2e-2,
        DType::Float64 | DType::Complex128 => 1e-12,
        _ => 2e-6,
    };
    let parts = |tensor: &Tensor| -> Result<Vec<(f64, f64, i64)>, Fault> {
        dispatch!(all dtype, "a comparison", T => Ok(tensor.to_vec::<T>().into_iter().map(|element| {
            let complex = element.cast::<Complex<f64>>();
            (complex.re, complex.im, element.to_i64())
        }).collect()))
    };
    let (left, right) = (parts(a).expect("a known dtype"), parts(b).expect("a known dtype"));
    let integral = dtype.is_integral();
    left.iter().zip(&right).all(|(a, b)| match integral {
        true => a.2 == b.2,
        false => same_float(a.0, b.0, tolerance) && same_float(a.1, b.1, tolerance),
    })
}

/// The integers of a quantized tensor; any other as it is.
fn plain(tensor: &Tensor) -> Tensor {
    tensor.integers(&mut Allocator::new(6, Memory::unlimited())).unwrap_or_else(|| tensor.clone())
}

/// Floats are the same if they print so, or if they are so close.
fn same_float(a: f64, b: f64, tolerance: f64) -> bool {
    if a.is_nan() || b.is_nan() || a == b {
        // Where the last bits may differ, so may the sign of a zero: PyTorch's own depends on the vector width.
        let zeros = tolerance == 0.0 && a == 0.0 && b == 0.0 && a.is_sign_negative() != b.is_sign_negative();
        return a.is_nan() == b.is_nan() && !zeros;
    }
    (a - b).abs() <= tolerance * b.abs().max(1e-30) || (a - b).abs() < tolerance * 0.1
}

/// A value for the eye.
fn show(value: &Value) -> String {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            let plain = plain(tensor);
            let elements = || -> Result<String, Fault> {
                dispatch!(all plain.dtype(), "printing", T => Ok(format!("{:?}", plain.to_vec::<T>())))
            };
            let quantizer = metadata.quantizer.iter().map(|quantizer| format!("{quantizer:?}")).collect::<String>();
            let (sizes, strides) = (metadata.layout.sizes(), metadata.layout.strides());
            let nested =
                metadata.nested.iter().map(|nested| format!("nested{:?}", nested.entries())).collect::<String>();
            format!("{nested}{}{quantizer}{sizes:?}/{strides:?}{}", metadata.dtype, elements().unwrap_or_default())
        }
        Value::List(list) => format!("[{}]", list.content().items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Tuple(items) => format!("({})", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => format!("<{}>", show(&object.attribute(0))),
        other => format!("{other:?}"),
    }
}

struct Parser<'a> {
    rest: &'a str,
    allocator: Allocator,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn until(&mut self, end: char) -> &'a str {
        let i = self.rest.find(end).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(i);
        self.rest = rest;
        word
    }

    /// An argument.
    fn value(&mut self, before: &[Value]) -> Value {
        let argument = |i: &str| before[i.parse::<usize>().expect("a position")].clone();
        if self.eat("=") {
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (i, rest) = self.rest.split_at(end);
            self.rest = rest;
            return argument(i);
        }
        if self.eat("$") {
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).expect("a dtype");
            let (i, rest) = self.rest.split_at(end);
            self.rest = rest;
            let Value::Tensor(base) = argument(i) else { panic!("a view is of a tensor") };
            let (dtype, quantizer, layout) = self.shape();
            let view = Tensor::new(&mut self.allocator, base.storage(), dtype, layout);
            return Value::Tensor(view.quantized(quantizer));
        }
        self.plain(|parser| parser.value(before), true)
    }

    /// A result: a tensor lists the elements that it shows.
    fn result(&mut self) -> Value {
        self.plain(Self::result, false)
    }

    fn plain(&mut self, mut nested: impl FnMut(&mut Self) -> Value, whole: bool) -> Value {
        for (token, value) in [("None", Value::None), ("True", Value::Bool(true)), ("False", Value::Bool(false))] {
            if self.eat(token) {
                return value;
            }
        }
        if self.eat("@") {
            return Value::Device(self.until(' ').into());
        }
        if self.eat("\"") {
            return self.string();
        }
        if self.eat("<(") {
            let state = Value::tuple(self.items(")", &mut nested));
            assert!(self.eat(">"), "a state ends: {}", self.rest);
            return state;
        }
        if self.eat("<") {
            return self.made(&mut nested);
        }
        if self.eat("nested[") {
            let entries = self.items("]", &mut nested);
            return Value::Tensor(self.nested(&entries));
        }
        if self.eat("[") {
            let items = self.items("]", &mut nested);
            // Only the kinds of the items matter to kernels.
            let item = match items.first() {
                Some(Value::Tensor(_)) => Type::Tensor,
                Some(Value::Float(_)) => Type::Float,
                Some(Value::Bool(_)) => Type::Bool,
                Some(Value::List(inner)) => Type::list(inner.content().item.clone()),
                _ => Type::Int,
            };
            return Value::List(List::new(&mut self.allocator, ListContent { item, items }));
        }
        if self.eat("(") {
            return Value::tuple(self.items(")", &mut nested));
        }
        let start = self.rest.chars().next().expect("a value");
        let is_word = start.is_ascii_lowercase() && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if is_word && start != 'c'
            || self.rest.starts_with("c64[")
            || self.rest.starts_with("c128[")
            || self.rest.starts_with("bf16[")
            || self.rest.starts_with("qi")
            || self.rest.starts_with("qu")
        {
            return Value::Tensor(self.tensor(whole));
        }
        if self.eat("c") {
            return scalar(self.word()).to_value();
        }
        scalar(self.word()).to_value()
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find([' ', ',', ']', ')', '}', '>']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// What a call gives: packed parameters, which no text holds.
    fn made(&mut self, nested: &mut impl FnMut(&mut Self) -> Value) -> Value {
        let name = self.word();
        let mut args = Vec::new();
        while !self.eat(">") {
            self.eat(" ");
            args.push(nested(self));
        }
        let operator = super::find(name).unwrap_or_else(|| panic!("{name} is an operator"));
        call_within(u64::MAX, operator, &args).unwrap_or_else(|fault| panic!("{name} packs: {fault:?}"))
    }

    fn items(&mut self, end: &str, nested: &mut impl FnMut(&mut Self) -> Value) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(nested(self));
            self.eat(", ");
        }
        items
    }

    fn string(&mut self) -> Value {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        loop {
            match chars.next().expect("a string ends") {
                (i, '"') => {
                    self.rest = &self.rest[i + 1..];
                    return Value::Str(Arc::from(text));
                }
                (_, '\\') => match chars.next().expect("a character").1 {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                (_, other) => text.push(other),
            }
        }
    }

    /// A dtype, what the elements stand for, and a layout: `f32[2,3/1,2+4]`.
    fn shape(&mut self) -> (DType, Option<Arc<Quantizer>>, Layout) {
        let kind = self.until('[');
        let (dtype, quantizer) = match kind.split_once('(') {
            Some((short, pairs)) => (dtype(short), Some(Arc::new(quantizer(pairs.trim_end_matches(')'))))),
            None => (dtype(kind), None),
        };
        self.eat("[");
        let text = self.until(']');
        self.eat("]");
        let (text, offset) = text.split_once('+').unwrap_or((text, "0"));
        let numbers = |text: &str| -> Vec<i64> {
            text.split(',').filter(|n| !n.is_empty()).map(|n| n.parse().unwrap()).collect()
        };
        let layout = match text.split_once('/') {
            Some((sizes, strides)) => Layout::strided(&numbers(sizes), &numbers(strides), offset.parse().unwrap()),
            None => Layout::contiguous(&numbers(text)),
        };
        (dtype, quantizer, layout)
    }

    /// A nested tensor of these entries: `nested[f32[2,1]{1 2}, f32[1,1]{3}]`.
    fn nested(&mut self, entries: &[Value]) -> Tensor {
        let entry =
            |value: &Value| if let Value::Tensor(tensor) = value { tensor.clone() } else { panic!("{value:?}") };
        let entries: Vec<Tensor> = entries.iter().map(entry).collect();
        let bytes: Vec<u8> = entries.iter().flat_map(Tensor::row_major_bytes).collect();
        let (rank, dtype) = entries.first().map_or((0, DType::Float32), |entry| (entry.sizes().len(), entry.dtype()));
        let sizes = Nested::new(rank, entries.iter().map(Tensor::sizes).collect()).expect("few elements");
        let tensor = Tensor::zeros(&mut self.allocator, &[sizes.numel()], dtype).expect("there is memory");
        tensor.storage().update(|content| content.bytes_mut().copy_from_slice(&bytes));
        tensor.nest(sizes)
    }

    fn tensor(&mut self, whole: bool) -> Tensor {
        let (dtype, quantizer, layout) = self.shape();
        assert!(self.eat("{"), "elements: {}", self.rest);
        let text = self.until('}');
        self.eat("}");
        let Some(quantizer) = quantizer else { return self.fill(dtype, layout, text, whole).expect("a known dtype") };
        let integers = dtype.of_integers().expect("an integer fills a byte");
        let integers = self.fill(integers, layout, text, whole).expect("a known dtype");
        let metadata = Metadata { dtype, quantizer: Some(quantizer), ..(*integers.metadata()).clone() };
        Tensor::with(&mut self.allocator, metadata)
    }

    fn fill(&mut self, dtype: DType, layout: Layout, text: &str, whole: bool) -> Result<Tensor, Fault> {
        dispatch!(all dtype, "a fixture", T => {
            let elements: Vec<T> = text.split(' ').filter(|n| !n.is_empty()).map(|n| scalar(n).cast()).collect();
            let allocator = &mut self.allocator;
            if whole {
                let content = Content::from_slice(&elements, allocator.memory())?;
                let storage = Storage::new(allocator, content);
                return Ok(Tensor::new(allocator, storage, dtype, layout));
            }
            let end = layout.end().expect("a sane layout") as usize;
            let content = Content::from_slice(&vec![T::default(); end], allocator.memory())?;
            let storage = Storage::new(allocator, content);
            let tensor = Tensor::new(allocator, storage, dtype, layout);
            tensor.write(&elements);
            Ok(tensor)
        })
    }
}

/// A scale and a zero point, or pairs of them and the dimension of the slices: `0.5 3`, `0.5 3, 0.25 4 @ 1`.
fn quantizer(text: &str) -> Quantizer {
    let Some((pairs, axis)) = text.split_once(" @ ") else {
        let (scale, zero_point) = text.split_once(' ').expect("two numbers");
        return Quantizer::per_tensor(scale.parse().unwrap(), zero_point.parse().unwrap());
    };
    let pairs = pairs.split(", ").filter_map(|pair| pair.split_once(' '));
    let axis = axis.parse().expect("a dimension");
    if text.split_once(' ').expect("two numbers").1.split([',', ' ']).next().expect("a number").contains(['.', 'n']) {
        let channels = pairs.map(|(scale, zero_point)| (scale.parse().unwrap(), zero_point.parse().unwrap())).collect();
        return Quantizer::PerChannelFloat { channels, axis };
    }
    let affine = |(scale, zero_point): (&str, &str)| Affine {
        scale: scale.parse().unwrap(),
        zero_point: zero_point.parse().unwrap(),
    };
    Quantizer::PerChannel { channels: pairs.map(affine).collect(), axis }
}

fn dtype(short: &str) -> DType {
    match short {
        "qi8" => DType::QInt8,
        "qu8" => DType::QUInt8,
        "qi32" => DType::QInt32,
        "u8" => DType::UInt8,
        "i8" => DType::Int8,
        "i16" => DType::Int16,
        "i32" => DType::Int32,
        "i64" => DType::Int64,
        "u16" => DType::UInt16,
        "u32" => DType::UInt32,
        "u64" => DType::UInt64,
        "f16" => DType::Float16,
        "bf16" => DType::BFloat16,
        "f32" => DType::Float32,
        "f64" => DType::Float64,
        "b8" => DType::Bool,
        "c64" => DType::Complex64,
        "c128" => DType::Complex128,
        other => panic!("{other} is a dtype"),
    }
}

/// A number as Python prints it, or `re:im`.
fn scalar(text: &str) -> Scalar {
    if let Some((re, im)) = text.split_once(':') {
        return Scalar::Complex(Complex::new(re.parse().unwrap(), im.parse().unwrap()));
    }
    match text.parse::<i64>() {
        Ok(int) => Scalar::Int(int),
        Err(_) => match text.parse::<u64>() {
            Ok(int) => Scalar::Int(int as i64),
            Err(_) => Scalar::Float(text.parse().unwrap_or_else(|_| panic!("{text} is a number"))),
        },
    }
}

// The element types that the macro names.
#[allow(unused_imports, reason = "named for the reader of the notation")]
use {Bool8 as _, bf16 as _, f16 as _};
