//! An encoder's layer on a nested tensor held to the same layer on each sequence alone, and on what is padded and masked.

use super::super::observe::observe;
use super::super::{Fault, find};
use super::{NESTED, NOT_HERE};
use crate::slot::{Allocator, Memory};
use crate::tensor::{Bool8, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

/// The values were worked out by hand, the words are those of PyTorch's source; none is recorded.
#[test]
fn nested_tensors_are_as_worked_out() {
    crate::operators::fixture::replay(include_str!("worked_out.txt"));
}

#[test]
fn every_row_is_of_an_operator_that_runs_and_stands_once() {
    let names: Vec<&str> = NESTED.iter().map(|row| row.0).chain(NOT_HERE.iter().copied()).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(find(name).is_some_and(|operator| operator.kernel.is_some()), "{name}");
        assert!(!names[..i].contains(name), "{name} stands twice");
    }
}

const WIDTH: i64 = 4;
const HEADS: i64 = 2;
const STEPS: i64 = 5;
/// How much of each sequence is there; one has nothing, one all.
const LENGTHS: [i64; 4] = [3, 5, 0, 1];

/// Makes arguments, and calls operators under watch.
struct World {
    allocator: Allocator,
    seed: u32,
}

impl World {
    fn new() -> Self {
        World { allocator: Allocator::new(0, Memory::unlimited()), seed: 1 }
    }

    /// A tensor of numbers between -1 and 1.
    fn drawn(&mut self, sizes: &[i64]) -> Value {
        let mut next = || {
            self.seed = self.seed.wrapping_mul(1664525).wrapping_add(1013904223);
            f64::from(self.seed >> 8) / f64::from(1 << 23) - 1.0
        };
        let numbers: Vec<f64> = (0..sizes.iter().product()).map(|_| next()).collect();
        Value::Tensor(Tensor::from_vec(&mut self.allocator, sizes, &numbers).unwrap())
    }

    /// What is there of each sequence.
    fn mask(&mut self) -> Value {
        let kept = LENGTHS.iter().flat_map(|&length| (0..STEPS).map(move |step| Bool8::from(step < length)));
        let kept: Vec<Bool8> = kept.collect();
        Value::Tensor(Tensor::from_vec(&mut self.allocator, &[LENGTHS.len() as i64, STEPS], &kept).unwrap())
    }

    fn call(&mut self, name: &str, args: &[Value]) -> Value {
        observe(find(name).expect("an operator"), args).unwrap_or_else(|fault| panic!("{name}: {fault:?}"))
    }

    fn nest(&mut self, padded: &Value) -> Value {
        let mask = self.mask();
        self.call("aten::_nested_tensor_from_mask", &[padded.clone(), mask, Value::Bool(true)])
    }

    /// The first steps of the sequence number `i`, alone.
    fn sequence(&mut self, padded: &Value, i: usize) -> Value {
        let part = |world: &mut Self, x: &Value, dim: i64, start: i64, length: i64| {
            world.call("aten::narrow", &[x.clone(), Value::Int(dim), Value::Int(start), Value::Int(length)])
        };
        let row = part(self, padded, 0, i as i64, 1);
        part(self, &row, 1, 0, LENGTHS[i])
    }

    /// The parameters of attention: width and heads, both projections.
    fn attention(&mut self) -> Vec<Value> {
        let [wide, narrow] = [3 * WIDTH, WIDTH];
        let sizes: [&[i64]; 4] = [&[wide, WIDTH], &[wide], &[narrow, WIDTH], &[narrow]];
        let projections = sizes.map(|sizes| self.drawn(sizes));
        [Value::Int(WIDTH), Value::Int(HEADS)].into_iter().chain(projections).collect()
    }

    /// The parameters of a layer, in the order of the schema.
    fn layer(&mut self, gelu: bool, norm_first: bool) -> Vec<Value> {
        let mut layer = self.attention();
        layer.extend([Value::Bool(gelu), Value::Bool(norm_first), Value::Float(1e-5)]);
        let inner = 3;
        let sizes: [&[i64]; 8] =
            [&[WIDTH], &[WIDTH], &[WIDTH], &[WIDTH], &[inner, WIDTH], &[inner], &[WIDTH, inner], &[WIDTH]];
        layer.extend(sizes.map(|sizes| self.drawn(sizes)));
        layer
    }

    fn encode(&mut self, source: &Value, layer: &[Value], mask: Option<Value>) -> Value {
        let kind = if mask.is_some() { Value::Int(1) } else { Value::None };
        let args = [std::slice::from_ref(source), layer, &[mask.unwrap_or(Value::None), kind]].concat();
        self.call("aten::_transformer_encoder_layer_fwd", &args)
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Tensor(tensor) => tensor.to_vec::<f64>(),
        other => panic!("a tensor, not {other:?}"),
    }
}

/// Whether both have the same numbers, but for the last bits of sums in another order.
fn check_close(found: &Value, expected: &Value) {
    let (found, expected) = (numbers(found), numbers(expected));
    assert_eq!(found.len(), expected.len());
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
    assert!(found.iter().zip(&expected).all(near), "{found:?} {expected:?}");
}

#[test]
fn a_layer_is_that_of_each_sequence_alone_and_of_what_is_padded_and_masked() {
    for (gelu, norm_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let world = &mut World::new();
        let source = world.drawn(&[LENGTHS.len() as i64, STEPS, WIDTH]);
        let layer = world.layer(gelu, norm_first);
        let nested = world.nest(&source);
        let encoded = world.encode(&nested, &layer, None);
        let padded = world.call("aten::to_padded_tensor", &[encoded, Value::Float(0.0), Value::None]);
        let mask = world.mask();
        let hidden = world.call("aten::logical_not", &[mask]);
        let slow = world.encode(&source, &layer, Some(hidden));
        for i in 0..LENGTHS.len() {
            let (alone, found) = (world.sequence(&source, i), world.sequence(&padded, i));
            check_close(&found, &world.encode(&alone, &layer, None));
            check_close(&found, &world.sequence(&slow, i));
        }
    }
}

#[test]
fn weights_of_attention_are_those_of_each_sequence_among_zeros() {
    let world = &mut World::new();
    let source = world.drawn(&[LENGTHS.len() as i64, STEPS, WIDTH]);
    let parameters = world.attention();
    let attend = |world: &mut World, x: &Value| {
        let inputs = [x.clone(), x.clone(), x.clone()];
        let options = [Value::None, Value::Bool(true), Value::Bool(true), Value::None];
        match world.call("aten::_native_multi_head_attention", &[&inputs, &parameters[..], &options].concat()) {
            Value::Tuple(results) => [results[0].clone(), results[1].clone()],
            other => panic!("two tensors, not {other:?}"),
        }
    };
    let nested = world.nest(&source);
    let [output, weights] = attend(world, &nested);
    let entries = match world.call("aten::unbind.int", &[output, Value::Int(0)]) {
        Value::List(entries) => entries.content().items.clone(),
        other => panic!("a list, not {other:?}"),
    };
    let weights = numbers(&weights);
    assert_eq!(weights.len() as i64, LENGTHS.len() as i64 * STEPS * STEPS);
    for (i, &length) in LENGTHS.iter().enumerate().filter(|(_, length)| **length > 0) {
        let alone = world.sequence(&source, i);
        let [output, expected] = attend(world, &alone);
        check_close(&entries[i], &output);
        let expected = numbers(&expected);
        for (at, &weight) in weights.chunks((STEPS * STEPS) as usize).nth(i).unwrap().iter().enumerate() {
            let (row, column) = (at as i64 / STEPS, at as i64 % STEPS);
            let there = row < length && column < length;
            let expected = if there { expected[(row * length + column) as usize] } else { 0.0 };
            assert!((weight - expected).abs() < 1e-12, "{i} {row} {column}");
        }
    }
}

/// Where nobody has said what PyTorch does, nothing is computed from elements that are not what they look like.
#[test]
fn what_knows_nothing_of_nested_tensors_does_not_see_them() {
    let world = &mut World::new();
    let source = world.drawn(&[LENGTHS.len() as i64, STEPS, WIDTH]);
    let nested = world.nest(&source);
    let list = ListContent { item: Type::Tensor, items: vec![source.clone(), nested.clone()] };
    let list = Value::List(List::new(&mut world.allocator, list));
    let mut mixed = world.attention();
    mixed[2] = nested.clone();
    let inputs = [nested.clone(), nested.clone(), nested.clone()];
    let options = [Value::None, Value::Bool(true), Value::Bool(true), Value::None];
    let width = ListContent { item: Type::Int, items: vec![Value::Int(WIDTH)] };
    let width = Value::List(List::new(&mut world.allocator, width));
    let [scale, bias] = [nested.clone(), world.drawn(&[WIDTH])];
    let normed = vec![nested.clone(), width, scale, bias, Value::Float(0.0), Value::Bool(true)];
    let refused: [(&str, Vec<Value>); 5] = [
        ("aten::sigmoid", vec![nested.clone()]),
        ("aten::cat", vec![list, Value::Int(0)]),
        ("aten::mul.out", vec![source.clone(), source.clone(), nested.clone()]),
        ("aten::select.int", vec![nested.clone(), Value::Int(1), Value::Int(0)]),
        ("aten::layer_norm", normed),
    ];
    for (name, args) in refused {
        let expected = Fault::unsupported(format!("{name} of nested tensors"));
        assert_eq!(observe(find(name).unwrap(), &args).unwrap_err(), expected);
    }
    let attention = find("aten::_native_multi_head_attention").unwrap();
    let words = Fault::raised("Matmul does not support nested weight when input is a nested tensor.");
    assert_eq!(observe(attention, &[&inputs, &mixed[..], &options].concat()).unwrap_err(), words);
}
