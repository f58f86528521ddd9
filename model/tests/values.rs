//! Operators on numbers, text, lists and dicts give what PyTorch gave when `values.txt` was recorded.
//!
//! The lines are written by `tests/record/values.py`.

use forkcheck_model::difference::close;
use forkcheck_model::operators::{Call, Fault, Modes, find};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::value::{Dict, DictContent, Generator, Key, List, ListContent};
use forkcheck_model::{DType, Tensor, Type, Value};

#[test]
fn every_line_is_what_pytorch_gave() {
    let wrong: Vec<String> = include_str!("values.txt").lines().filter_map(|line| check(line).err()).collect();
    assert!(wrong.is_empty(), "{} lines differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn check(line: &str) -> Result<(), String> {
    let mut reader = Reader { rest: "", allocator: Allocator::new(0, Memory::unlimited()) };
    let mut fields: Vec<&str> = line.split('\t').collect();
    let after = fields.last().and_then(|field| field.strip_prefix("~ ")).map(|text| reader.read(text));
    if after.is_some() {
        fields.pop();
    }
    let expected = fields.pop().expect("a line has a result");
    let operator = find(fields[0]).unwrap_or_else(|| panic!("PyTorch has {}", fields[0]));
    let args: Vec<Value> = fields[1..].iter().map(|field| reader.read(field)).collect();
    let kernel = operator.kernel.ok_or_else(|| format!("{line}: no kernel"))?;
    let generator = Generator::default_seeded(0);
    let result = kernel(&mut Call {
        operator,
        args: &args,
        allocator: &mut reader.allocator,
        generator: &generator,
        modes: &mut Modes::default(),
        printed: &mut Default::default(),
    });
    match (result, expected.split_at(2)) {
        (Ok(value), ("= ", text)) => {
            // A few ulps apart where the mathematical libraries differ.
            let difference = close("result", &value, &reader.read(text), 4e-15, 0.0);
            difference.map_or(Ok(()), |difference| Err(format!("{line}: {difference}")))?;
        }
        (Err(Fault::Raised { message, .. }), ("! ", text)) => {
            let Value::Str(expected) = reader.read(text) else { panic!("a message is text: {line}") };
            // Where PyTorch trips over its own assertion it is enough to raise.
            if *message != *expected && !expected.contains("INTERNAL ASSERT") {
                return Err(format!("{line}: {message}"));
            }
        }
        (result, _) => return Err(format!("{line}: {result:?}")),
    }
    let difference = after.and_then(|after| close("changed", &args[0], &after, 0.0, 0.0));
    difference.map_or(Ok(()), |difference| Err(format!("{line}: {difference}")))
}

/// Reads the notation of `values.py`.
struct Reader<'a> {
    rest: &'a str,
    allocator: Allocator,
}

impl<'a> Reader<'a> {
    fn read(&mut self, text: &'a str) -> Value {
        self.rest = text;
        let value = self.value();
        assert_eq!(self.rest, "", "a value ends where its text ends: {text}");
        value
    }

    fn value(&mut self) -> Value {
        for (word, value) in [("None", Value::None), ("True", Value::Bool(true)), ("False", Value::Bool(false))] {
            if self.eat(word) {
                return value;
            }
        }
        if self.eat("C(") {
            let parts = self.items(")");
            return Value::Complex(Box::new(num_complex::Complex64::new(float(&parts[0]), float(&parts[1]))));
        }
        if self.eat("D") {
            return Value::Device(self.string().into());
        }
        if self.eat("T") {
            return self.tensor();
        }
        if self.eat("[") {
            let items = self.items("]");
            let item = items.first().map_or(Type::Int, type_of);
            return Value::List(List::new(&mut self.allocator, ListContent { item, items }));
        }
        if self.eat("(") {
            return Value::tuple(self.items(")"));
        }
        if self.eat("{") {
            return self.dict();
        }
        if self.rest.starts_with('"') {
            return Value::str(self.string());
        }
        self.number()
    }

    fn items(&mut self, end: &str) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.eat(end) {
            items.push(self.value());
            self.eat(", ");
        }
        items
    }

    fn dict(&mut self) -> Value {
        let mut content = DictContent { key: Type::Str, value: Type::Int, entries: Default::default() };
        while !self.eat("}") {
            let key = self.value();
            assert!(self.eat(": "), "a key has a value");
            let value = self.value();
            (content.key, content.value) = (type_of(&key), type_of(&value));
            content.entries.insert(Key::from_value(&key).expect("a key"), value);
            self.eat(", ");
        }
        Value::Dict(Dict::new(&mut self.allocator, content))
    }

    fn tensor(&mut self) -> Value {
        let dtype = DType::from_name(&self.string()).expect("a dtype");
        assert!(self.eat("["), "a tensor has sizes");
        let sizes: Vec<i64> = self.items("]").iter().map(|size| float(size) as i64).collect();
        assert!(self.eat("("), "a tensor has elements");
        let elements: Vec<f64> = self.items(")").iter().map(float).collect();
        let doubles = Tensor::from_vec(&mut self.allocator, &sizes, &elements).expect("memory is unlimited");
        Value::Tensor(doubles.convert(&mut self.allocator, dtype).expect("a dtype of elements"))
    }

    /// A string as JSON writes it, ASCII only.
    fn string(&mut self) -> String {
        assert!(self.eat("\""), "a string begins: {}", self.rest);
        let mut units = Vec::new();
        loop {
            let c = self.next();
            units.push(match c {
                '"' => return String::from_utf16(&units).expect("text"),
                '\\' => match self.next() {
                    'n' => 10,
                    't' => 9,
                    'r' => 13,
                    'f' => 12,
                    'b' => 8,
                    'u' => {
                        let digits: String = (0..4).map(|_| self.next()).collect();
                        u16::from_str_radix(&digits, 16).expect("four digits")
                    }
                    other => other as u16,
                },
                other => other as u16,
            });
        }
    }

    fn number(&mut self) -> Value {
        let end = self.rest.find([',', ')', ']', '}', ':']).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        match number.parse() {
            Ok(int) => Value::Int(int),
            Err(_) => Value::Float(number.parse().unwrap_or_else(|_| panic!("a number: {number}"))),
        }
    }

    fn next(&mut self) -> char {
        let c = self.rest.chars().next().expect("the text goes on");
        self.rest = &self.rest[c.len_utf8()..];
        c
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(value) => *value,
        Value::Int(value) => *value as f64,
        Value::Bool(value) => *value as i64 as f64,
        other => panic!("a number: {other:?}"),
    }
}

fn type_of(value: &Value) -> Type {
    match value {
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Bool(_) => Type::Bool,
        Value::Complex(_) => Type::Complex,
        Value::Str(_) => Type::Str,
        Value::Tensor(_) => Type::Tensor,
        Value::List(list) => Type::list(list.content().item.clone()),
        Value::Dict(dict) => Type::dict(dict.content().key.clone(), dict.content().value.clone()),
        Value::Tuple(items) => Type::tuple(items.iter().map(type_of).collect::<Vec<_>>()),
        _ => Type::Any,
    }
}
