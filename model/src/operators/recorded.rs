//! Holds kernels to what PyTorch was recorded to give, one call a line; `tests/record/recorder.py` tells the notation.

use super::{Call, Fault, GeneratorState, Modes, Printed, find};
use crate::slot::{Allocator, Memory};
use crate::tensor::{Bool8, Content, DType, Element, Layout, Storage, Tensor};
use crate::types::Type;
use crate::value::{Generator, List, ListContent, Value};

/// Runs every call of `recording` and compares its result, what it wrote, its error and its draws. Floats may differ
/// by `tolerance`, relatively or absolutely; all else must be the same.
pub(super) fn check(recording: &str, tolerance: f64) {
    let mut wrong = Vec::new();
    for (seed, line) in recording.lines().enumerate() {
        if let Err(difference) = check_line(line, seed as u64, tolerance) {
            wrong.push(format!("{:.300}\n    {difference:.600}", line));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recording.lines().count(), wrong.join("\n"));
}

fn check_line(line: &str, seed: u64, tolerance: f64) -> Result<(), String> {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut reader = Reader { text: line, at: 0, allocator: &mut allocator };
    let name = reader.word();
    let operator = find(name).unwrap_or_else(|| panic!("{name} is in the table"));
    let mut args = Vec::new();
    while !reader.eat("=> ") && !reader.eat("!! ") {
        args.push(reader.value());
    }
    let raises = line[..reader.at].ends_with("!! ");
    let expected = reader.value();
    let mut after = args.clone();
    if reader.eat("| ") {
        while let Some((i, _)) = line[reader.at..].split_once('=').filter(|(i, _)| i.parse::<usize>().is_ok()) {
            reader.at += i.len() + 1;
            after[i.parse::<usize>().expect("digits")] = reader.value();
        }
    }
    let unchanged: Vec<Value> = args.iter().map(|value| copied(value, reader.allocator)).collect();
    for (value, unchanged) in after.iter_mut().zip(unchanged) {
        if args.iter().any(|arg| same(arg, value)) {
            *value = unchanged;
        }
    }
    let draws = reader.eat("~ ").then(|| (reader.value(), reader.value()));

    let generator = Generator::default_seeded(seed);
    let mut modes = Modes::default();
    let mut printed = Printed::default();
    let mut call = Call {
        operator,
        args: &args,
        allocator: &mut allocator,
        generator: &generator,
        modes: &mut modes,
        printed: &mut printed,
    };
    let result = operator.kernel.ok_or("no kernel")?(&mut call);
    match result {
        Err(Fault::Raised { message, .. }) if raises => {
            let Value::Str(expected) = expected else { panic!("an error is a text") };
            return if message == *expected { Ok(()) } else { Err(format!("raises {message}")) };
        }
        Err(fault) => return Err(format!("{fault:?}")),
        Ok(_) if raises => return Err("does not raise".into()),
        Ok(result) => compare(&result, &expected, tolerance)?,
    }
    for (i, (value, expected)) in args.iter().zip(&after).enumerate() {
        compare(value, expected, tolerance).map_err(|difference| format!("afterwards argument {i}: {difference}"))?;
    }
    draws.map_or(Ok(()), |(normal, random)| compare_draws(&generator, &normal, &random))
}

/// The state of the generator shows in what it draws next.
fn compare_draws(generator: &Generator, normal: &Value, random: &Value) -> Result<(), String> {
    let (found_normal, found_random) = generator.slot().update(|state: &mut GeneratorState| {
        let normal = super::random::distribution::normal(state, 0.0, 1.0);
        (normal, (state.next_u64() & i64::MAX as u64) as i64)
    });
    compare(&Value::Float(found_normal), normal, 1e-12)
        .and(compare(&Value::Int(found_random), random, 0.0))
        .map_err(|difference| format!("the generator is in another state: {difference}"))
}

fn compare(found: &Value, expected: &Value, tolerance: f64) -> Result<(), String> {
    let differ = || format!("found {}", show(found));
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(1.0);
    let equal = match (found, expected) {
        (Value::Tensor(a), Value::Tensor(b)) => {
            let (a_meta, b_meta) = (a.metadata(), b.metadata());
            // What rounds its result to 16 bits may round to either neighbour.
            let tolerance = match b_meta.dtype {
                DType::Float16 => tolerance.max(2e-3),
                DType::BFloat16 => tolerance.max(1.6e-2),
                _ => tolerance,
            };
            let close =
                |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(1.0);
            a_meta.dtype == b_meta.dtype
                && a_meta.layout.sizes() == b_meta.layout.sizes()
                && numbers(a).iter().zip(&numbers(b)).all(|(&a, &b)| close(a, b))
        }
        (Value::List(a), Value::List(b)) => return compare_all(&a.content().items, &b.content().items, tolerance),
        (Value::Tuple(a), Value::Tuple(b)) => return compare_all(a, b, tolerance),
        (Value::Float(a), Value::Float(b)) => close(*a, *b),
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::None, Value::None) | (Value::Generator(_), Value::Generator(_)) => true,
        _ => false,
    };
    if equal { Ok(()) } else { Err(differ()) }
}

fn compare_all(found: &[Value], expected: &[Value], tolerance: f64) -> Result<(), String> {
    if found.len() != expected.len() {
        return Err(format!("{} items, not {}", found.len(), expected.len()));
    }
    found.iter().zip(expected).try_for_each(|(a, b)| compare(a, b, tolerance))
}

fn show(value: &Value) -> String {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            format!("{}{:?} {:?}", metadata.dtype.name(), metadata.layout.sizes(), numbers(tensor))
        }
        other => format!("{other:?}"),
    }
}

/// Every element as a float; integers of a recording are small enough.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    fn all<T: Element>(tensor: &Tensor, number: impl Fn(T) -> f64) -> Vec<f64> {
        tensor.to_vec::<T>().into_iter().map(number).collect()
    }
    match tensor.dtype() {
        DType::Bool => all::<Bool8>(tensor, |v| bool::from(v) as u8 as f64),
        DType::UInt8 => all::<u8>(tensor, f64::from),
        DType::Int8 => all::<i8>(tensor, f64::from),
        DType::Int16 => all::<i16>(tensor, f64::from),
        DType::Int32 => all::<i32>(tensor, f64::from),
        DType::Int64 => all::<i64>(tensor, |v| v as f64),
        DType::Float16 => all::<half::f16>(tensor, f64::from),
        DType::BFloat16 => all::<half::bf16>(tensor, f64::from),
        DType::Float32 => all::<f32>(tensor, f64::from),
        DType::Float64 => all::<f64>(tensor, |v| v),
        other => panic!("{other} is not compared"),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Tensor(a), Value::Tensor(b)) => a.is(b),
        (Value::List(a), Value::List(b)) => a.is(b),
        _ => false,
    }
}

/// A copy of what a call may write, to see later that it did not.
fn copied(value: &Value, allocator: &mut Allocator) -> Value {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            let content = Content::clone(&metadata.storage.content());
            let storage = Storage::new(allocator, content);
            Value::Tensor(Tensor::new(allocator, storage, metadata.dtype, metadata.layout.clone()))
        }
        Value::List(list) => {
            let ListContent { item, items } = &*list.content();
            let items = items.iter().map(|item| copied(item, allocator)).collect();
            Value::List(List::new(allocator, ListContent { item: item.clone(), items }))
        }
        other => other.clone(),
    }
}

struct Reader<'a, 'b> {
    text: &'a str,
    at: usize,
    allocator: &'b mut Allocator,
}

impl<'a> Reader<'a, '_> {
    /// The value that stands here, and the space after it.
    fn value(&mut self) -> Value {
        let value = match self.text.as_bytes()[self.at] {
            b'"' => self.string(),
            b'[' | b'(' => self.items(),
            _ => self.scalar_or_tensor(),
        };
        self.eat(" ");
        value
    }

    fn items(&mut self) -> Value {
        let list = self.eat("[");
        if !list {
            assert!(self.eat("("), "a list or a tuple");
        }
        let mut items = Vec::new();
        while !self.eat(if list { "]" } else { ")" }) {
            items.push(self.value());
        }
        if !list {
            return Value::Tuple(items.into());
        }
        let item = match items.iter().find(|item| !matches!(item, Value::None)) {
            Some(Value::Float(_)) => Type::Float,
            Some(Value::Bool(_)) => Type::Bool,
            Some(Value::Tensor(_)) => Type::Tensor,
            _ => Type::Int,
        };
        Value::List(List::new(self.allocator, ListContent { item, items }))
    }

    fn string(&mut self) -> Value {
        let mut text = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 2;
                    return Value::Str(text.into());
                }
                '\\' => match chars.next().expect("a character").1 {
                    'n' => text.push('\n'),
                    other => text.push(other),
                },
                other => text.push(other),
            }
        }
        panic!("a string ends: {}", self.text)
    }

    fn scalar_or_tensor(&mut self) -> Value {
        let rest = &self.text[self.at..];
        let end = rest.find([' ', ']', ')', '[']).unwrap_or(rest.len());
        if rest[end..].starts_with('[') {
            return self.tensor();
        }
        self.at += end;
        match &rest[..end] {
            "N" => Value::None,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            word if word.starts_with('G') => {
                let state = GeneratorState::seeded(word[1..].parse().expect("a seed"));
                Value::Generator(Generator::new(self.allocator, state))
            }
            word => word
                .parse()
                .map(Value::Int)
                .or_else(|_| word.parse().map(Value::Float))
                .unwrap_or_else(|_| panic!("a value: {word} in {}", self.text)),
        }
    }

    /// `dtype[sizes:strides]{elements}`
    fn tensor(&mut self) -> Value {
        let rest = &self.text[self.at..];
        let (head, rest) = rest.split_once('[').expect("sizes");
        let (shape, rest) = rest.split_once("]{").expect("elements");
        let (elements, _) = rest.split_once('}').expect("an end");
        self.at += head.len() + shape.len() + elements.len() + 4;
        let dims = |text: &str| -> Vec<i64> {
            text.split(',').filter(|d| !d.is_empty()).map(|d| d.parse().expect("a number")).collect()
        };
        let (sizes, strides) = shape.split_once(':').unwrap_or((shape, ""));
        let sizes = dims(sizes);
        let layout = match strides {
            "" => Layout::contiguous(&sizes),
            strides => Layout::strided(&sizes, &dims(strides), 0),
        };
        let dtype = DType::from_name(head).expect("a dtype");
        let words: Vec<&str> = elements.split_whitespace().collect();
        let len = layout.end().expect("small") as usize * dtype.size();
        let content = Content::zeroed(len, self.allocator.memory()).expect("unlimited");
        let storage = Storage::new(self.allocator, content);
        let tensor = Tensor::new(self.allocator, storage, dtype, layout);
        write(&tensor, &words);
        Value::Tensor(tensor)
    }

    fn word(&mut self) -> &'a str {
        let word = self.text[self.at..].split(' ').next().expect("a word");
        self.at += word.len() + 1;
        word
    }

    fn eat(&mut self, token: &str) -> bool {
        let eaten = self.text[self.at..].starts_with(token);
        if eaten {
            self.at += token.len();
        }
        eaten
    }
}

fn write(tensor: &Tensor, words: &[&str]) {
    fn all<T: Element>(tensor: &Tensor, words: &[&str], parse: impl Fn(&str) -> Option<T>) {
        let elements: Vec<T> = words.iter().map(|word| parse(word).expect("an element")).collect();
        tensor.write(&elements);
    }
    match tensor.dtype() {
        DType::Bool => all::<Bool8>(tensor, words, |w| Some((w == "true").into())),
        DType::UInt8 => all::<u8>(tensor, words, |w| w.parse().ok()),
        DType::Int8 => all::<i8>(tensor, words, |w| w.parse().ok()),
        DType::Int16 => all::<i16>(tensor, words, |w| w.parse().ok()),
        DType::Int32 => all::<i32>(tensor, words, |w| w.parse().ok()),
        DType::Int64 => all::<i64>(tensor, words, |w| w.parse().ok()),
        DType::Float16 => all::<half::f16>(tensor, words, |w| w.parse().map(half::f16::from_f64).ok()),
        DType::BFloat16 => all::<half::bf16>(tensor, words, |w| w.parse().map(half::bf16::from_f64).ok()),
        DType::Float32 => all::<f32>(tensor, words, |w| w.parse().ok()),
        DType::Float64 => all::<f64>(tensor, words, |w| w.parse().ok()),
        other => panic!("{other} is not recorded"),
    }
}
