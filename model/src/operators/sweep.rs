//! Calls every operator that runs on arguments made up from its schema, and holds its effects to what it does.
//!
//! Values recorded from PyTorch say what an operator computes, but only of the calls that somebody thought of. Here nobody
//! knows what comes out; what is held ([`observe`]) is that no kernel panics, writes what it is not said to write, or gives
//! back what its row calls new. Arguments are small and odd: one element or none, one tensor for two arguments, a power of
//! one, a view.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::observe::observe;
use super::registry::names;
use super::schema::{Argument, Literal};
use super::{GeneratorState, Operator, overloads};
use crate::slot::{Allocator, Memory};
use crate::tensor::{Bool8, Element, Layout, Tensor};
use crate::types::Type;
use crate::value::{Generator, List, ListContent, Value};

/// What arguments are made of.
struct Maker {
    allocator: Allocator,
    choices: GeneratorState,
    /// Tensors that an argument may be again.
    known: Vec<Tensor>,
}

impl Maker {
    fn below(&mut self, end: usize) -> usize {
        (self.choices.next_u64() % end as u64) as usize
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Arguments for a call; nothing if a type of the schema has no values here.
    fn arguments(&mut self, operator: &'static Operator) -> Option<Vec<Value>> {
        self.known.clear();
        operator.schema.arguments.iter().map(|argument| self.argument(argument)).collect()
    }

    fn argument(&mut self, argument: &Argument) -> Option<Value> {
        match &argument.default {
            Some(default) if self.below(2) == 0 => self.literal(default, &argument.ty),
            // One of other sizes is given those of the result, which is not foreseen if it is not empty.
            _ if argument.is_out() && argument.ty == Type::Tensor => Some(Value::Tensor(self.of::<f32>(&[0], &[]))),
            _ => self.value(&argument.ty),
        }
    }

    fn literal(&mut self, literal: &Literal, ty: &Type) -> Option<Value> {
        Some(match (literal, ty) {
            (Literal::None, _) => Value::None,
            (_, Type::Optional(item)) => self.literal(literal, item)?,
            (Literal::List(items), Type::List(item)) => {
                let items: Option<Vec<Value>> = items.iter().map(|one| self.literal(one, item)).collect();
                self.list(item, items?)
            }
            // For each item of a list whose size is known.
            (_, Type::List(item)) => {
                let one = self.literal(literal, item)?;
                self.list(item, vec![one; 2])
            }
            (Literal::Int(number), Type::Float) => Value::Float(*number as f64),
            (Literal::Int(number), _) => Value::Int(*number),
            (Literal::Bool(truth), _) => Value::Bool(*truth),
            (Literal::Float(number), _) => Value::Float(*number),
            (Literal::Str(text), _) => Value::str(&**text),
            (Literal::List(_), _) => return None,
        })
    }

    fn list(&mut self, item: &Type, items: Vec<Value>) -> Value {
        Value::List(List::new(&mut self.allocator, ListContent { item: item.clone(), items }))
    }

    fn value(&mut self, ty: &Type) -> Option<Value> {
        Some(match ty {
            Type::Tensor => Value::Tensor(self.tensor()),
            Type::Int => Value::Int(self.one(&[-1, 0, 0, 1, 1, 2, 3])),
            Type::Float => Value::Float(self.one(&[0.0, 0.5, 1.0, 2.0])),
            Type::Bool => Value::Bool(self.below(2) == 0),
            Type::Number => match self.below(2) {
                0 => self.value(&Type::Int)?,
                _ => self.value(&Type::Float)?,
            },
            Type::Str => Value::str(self.one(&WORDS)),
            Type::Generator => Value::Generator(Generator::default_seeded(2)),
            Type::Optional(item) => match self.below(3) {
                0 => self.value(item)?,
                _ => Value::None,
            },
            Type::List(item) => {
                let items: Option<Vec<Value>> =
                    (0..self.one(&[0, 1, 1, 1, 2, 2, 3])).map(|_| self.value(item)).collect();
                self.list(item, items?)
            }
            _ => return None,
        })
    }

    /// A small tensor: most of two dimensions at most, of small whole numbers.
    fn tensor(&mut self) -> Tensor {
        if !self.known.is_empty() && self.below(4) == 0 {
            let at = self.below(self.known.len());
            return self.known[at].clone();
        }
        let sizes = self.one(&SIZES);
        let numel = sizes.iter().product::<i64>() as usize;
        let numbers: Vec<i64> = (0..numel).map(|_| self.below(4) as i64).collect();
        let tensor = match self.below(8) {
            0..=3 => self.of(sizes, &numbers.iter().map(|&number| number as f32).collect::<Vec<_>>()),
            4 => self.of(sizes, &numbers.iter().map(|&number| number as f64).collect::<Vec<_>>()),
            5..=6 => self.of(sizes, &numbers),
            _ => self.of(sizes, &numbers.iter().map(|&number| Bool8::from(number > 1)).collect::<Vec<_>>()),
        };
        let tensor = if self.below(4) == 0 { self.transposed(&tensor) } else { tensor };
        self.known.push(tensor.clone());
        tensor
    }

    fn of<T: Element>(&mut self, sizes: &[i64], elements: &[T]) -> Tensor {
        Tensor::from_vec(&mut self.allocator, sizes, elements).expect("it is small")
    }

    /// The same memory with the dimensions the other way round.
    fn transposed(&mut self, tensor: &Tensor) -> Tensor {
        let metadata = tensor.metadata();
        let turned = |of: &[i64]| of.iter().rev().copied().collect::<Vec<_>>();
        let layout = Layout::strided(&turned(metadata.layout.sizes()), &turned(metadata.layout.strides()), 0);
        Tensor::new(&mut self.allocator, metadata.storage.clone(), metadata.dtype, layout)
    }
}

const SIZES: [&[i64]; 12] =
    [&[], &[0], &[1], &[2], &[3], &[1, 1], &[1, 2], &[2, 2], &[2, 1], &[1, 1, 2], &[1, 2, 2, 2], &[2, 0]];

/// Texts that some operator knows.
const WORDS: [&str; 14] =
    ["", "a", "i->i", "ij->ji", "mean", "linear", "fro", "nuc", "reflect", "constant", "floor", "trunc", "sum", "none"];

/// What came of calling each operator some times.
#[derive(Default)]
struct Swept {
    /// Calls that were accepted, and of how many operators.
    accepted: usize,
    operators: usize,
    /// By operator, how its kernel or its row is wrong.
    wrong: Vec<String>,
}

fn sweep(seed: u64, calls: usize) -> Swept {
    let choices = GeneratorState::seeded(seed);
    let mut maker = Maker { allocator: Allocator::new(2, Memory::unlimited()), choices, known: Vec::new() };
    let mut swept = Swept::default();
    for operator in names().flat_map(|name| overloads(name).expect("it is a name")) {
        if operator.kernel.is_none() || operator.schema.vararg {
            continue;
        }
        let before = swept.accepted;
        for _ in 0..calls {
            let Some(args) = maker.arguments(operator) else { break };
            match catch_unwind(AssertUnwindSafe(|| observe(operator, &args))) {
                Ok(result) => swept.accepted += usize::from(result.is_ok()),
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
                    let args: Vec<String> = args.iter().map(shown).collect();
                    swept.wrong.push(format!(
                        "{}({}): {}",
                        operator.full_name(),
                        args.join(", "),
                        text.unwrap_or_default()
                    ));
                    break;
                }
            }
        }
        swept.operators += usize::from(swept.accepted > before);
    }
    swept
}

fn shown(value: &Value) -> String {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            format!("{:?}{:?}/{:?}", metadata.dtype, metadata.layout.sizes(), metadata.layout.strides())
        }
        Value::List(list) => format!("[{}]", list.content().items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        other => format!("{other:?}"),
    }
}

#[test]
fn kernels_do_what_their_rows_say() {
    let swept = sweep(1, 40);
    assert!(swept.wrong.is_empty(), "{}", swept.wrong.join("\n"));
    // Most are asked for what they do not do; that is no reason to ask for less.
    assert!(
        swept.accepted > 50_000 && swept.operators > 2_200,
        "{} calls of {} operators",
        swept.accepted,
        swept.operators
    );
}

/// A few short calls of each operator, as `tests/record/swept.py` recorded them, with which arguments the results share memory.
#[test]
fn made_up_arguments_give_what_pytorch_gives() {
    super::fixture::replay(include_str!("fixtures/swept.txt"));
}

/// The same calls on tensors of 10^11 elements that are one in memory, with a mebibyte to work in. Some 1 700 are refused for it; of the others
/// most are errors, have no such tensor, or give a view.
#[test]
fn what_does_not_fit_is_refused_before_it_is_begun() {
    let refused = super::fixture::refused_when_stretched(include_str!("fixtures/swept.txt"));
    assert!(refused > 1500, "{refused} calls were refused");
}

/// The same of quantized tensors and packed parameters, as `tests/record/swept_quantized.py` recorded them.
#[test]
fn quantized_arguments_give_what_pytorch_gives() {
    super::fixture::replay(include_str!("fixtures/quantized.txt"));
}
