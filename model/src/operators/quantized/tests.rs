//! The kernels held to the definition: loops over integers, in exact arithmetic.
//!
//! Scales are powers of two where elements are compared, so that floats hold every number exactly and halves are halves;
//! laws allow a step.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::observe::observe;
use super::super::{Fault, find};
use crate::slot::{Allocator, Memory};
use crate::tensor::quantizer::range;
use crate::tensor::{Affine, DType, Metadata, Quantizer, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

/// Makes arguments, and calls operators under watch.
struct World(Allocator);

impl World {
    fn new() -> Self {
        World(Allocator::new(0, Memory::unlimited()))
    }

    /// A quantized tensor of these integers.
    fn quantized(&mut self, dtype: DType, sizes: &[i64], integers: &[i64], quantizer: Quantizer) -> Value {
        let plain = if dtype == DType::QInt8 { DType::Int8 } else { DType::UInt8 };
        let tensor = Tensor::zeros(&mut self.0, sizes, plain).unwrap();
        tensor.store(integers).unwrap();
        let quantizer = Some(Arc::new(quantizer));
        let metadata = Metadata { dtype, quantizer, ..(*tensor.metadata()).clone() };
        Value::Tensor(Tensor::with(&mut self.0, metadata))
    }

    fn floats(&mut self, sizes: &[i64], numbers: &[f32]) -> Value {
        Value::Tensor(Tensor::from_vec(&mut self.0, sizes, numbers).unwrap())
    }

    fn ints(&mut self, items: &[i64]) -> Value {
        let items = items.iter().map(|&item| Value::Int(item)).collect();
        Value::List(List::new(&mut self.0, ListContent { item: Type::Int, items }))
    }

    fn call(&mut self, name: &str, args: &[Value]) -> Value {
        observe(find(name).expect("an operator"), args).unwrap_or_else(|fault| panic!("{name}: {fault:?}"))
    }

    /// The integers of a result, in row-major order.
    fn elements(&mut self, value: &Value) -> Vec<i64> {
        match self.call("aten::int_repr", std::slice::from_ref(value)) {
            Value::Tensor(tensor) => tensor.to_i64s(&Memory::unlimited()).unwrap(),
            other => panic!("a tensor, not {other:?}"),
        }
    }

    fn numbers(&mut self, value: &Value) -> Vec<f64> {
        match self.call("aten::dequantize.self", std::slice::from_ref(value)) {
            Value::Tensor(tensor) => tensor.to_f64s(&Memory::unlimited()).unwrap(),
            other => panic!("a tensor, not {other:?}"),
        }
    }

    fn raises(&mut self, name: &str, args: &[Value], words: &str) {
        match observe(find(name).expect("an operator"), args) {
            Err(Fault::Raised { message, .. }) => assert!(message.starts_with(words), "{name}: {message}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn affine(scale: f64, zero_point: i64) -> Affine {
    Affine { scale, zero_point }
}

fn sizes(value: &Value) -> Vec<i64> {
    let Value::Tensor(tensor) = value else { panic!("a tensor") };
    tensor.sizes().to_vec()
}

fn strides(value: &Value) -> Vec<i64> {
    let Value::Tensor(tensor) = value else { panic!("a tensor") };
    tensor.metadata().layout.strides().to_vec()
}

/// The nearest element of `quint8`, halves to the even one.
fn nearest(number: f64, scale: f64, zero_point: i64) -> i64 {
    let steps = number / scale;
    let (below, rest) = (steps.floor(), steps - steps.floor());
    let up = rest > 0.5 || (rest == 0.5 && below.rem_euclid(2.0) == 1.0);
    (below as i64 + i64::from(up) + zero_point).clamp(0, 255)
}

/// Integers of no consequence.
fn drawn(seed: u64, count: usize, least: i64, greatest: i64) -> Vec<i64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            least + (state >> 33) as i64 % (greatest - least + 1)
        })
        .collect()
}

#[test]
fn numbers_are_quantized_and_come_back() {
    let mut world = World::new();
    let x = world.floats(&[2, 2], &[-1.0, 0.25, 0.5, 100.0]);
    let args = [x.clone(), Value::Float(0.5), Value::Int(3), Value::Int(DType::QUInt8.code())];
    let q = world.call("aten::quantize_per_tensor", &args);
    // -2, 1/2 (even: 0), 1 and 200 steps from 3.
    assert_eq!(world.elements(&q), [1, 3, 4, 203]);
    assert_eq!(world.numbers(&q), [-1.0, 0.0, 0.5, 100.0]);
    assert!(matches!(world.call("aten::q_scale", std::slice::from_ref(&q)), Value::Float(0.5)));
    assert!(matches!(world.call("aten::q_zero_point", std::slice::from_ref(&q)), Value::Int(3)));
    assert!(matches!(world.call("aten::qscheme", std::slice::from_ref(&q)), Value::Int(0)));
    world.raises(
        "aten::q_scale",
        std::slice::from_ref(&x),
        "Could not run 'aten::q_scale' with arguments from the 'CPU' backend.",
    );
    let args = [q, Value::Float(0.5), Value::Int(3), Value::Int(DType::QUInt8.code())];
    let words = "Could not run 'aten::quantize_per_tensor' with arguments from the 'QuantizedCPU' backend.";
    world.raises("aten::quantize_per_tensor", &args, words);
    // What is not quantized is handed through, and the watch knows that.
    let itself = world.call("aten::dequantize.self", std::slice::from_ref(&x));
    assert!(matches!((&itself, &x), (Value::Tensor(a), Value::Tensor(b)) if a.is(b)));
    let (scale, zero_point) = (world.floats(&[1], &[0.5]), Tensor::from_vec(&mut world.0, &[1], &[3i64]).unwrap());
    let args = [x.clone(), scale, Value::Tensor(zero_point), Value::Int(DType::QUInt8.code())];
    let by_tensors = world.call("aten::quantize_per_tensor.tensor_qparams", &args);
    assert_eq!(world.elements(&by_tensors), [1, 3, 4, 203]);
    let args = [x.clone(), Value::Float(0.5), Value::Int(256), Value::Int(DType::QUInt8.code())];
    let words = "quantize_tensor_per_tensor_affine zero_point 256 is above upper bound.";
    world.raises("aten::quantize_per_tensor", &args, words);

    let scales = Value::Tensor(Tensor::from_vec(&mut world.0, &[2], &[0.5f64, 0.25]).unwrap());
    let zero_points = Value::Tensor(Tensor::from_vec(&mut world.0, &[2], &[0i64, 1]).unwrap());
    for (axis, expected) in [(0, [-2, 0, 3, 127]), (1, [-2, 2, 1, 127])] {
        let args = [x.clone(), scales.clone(), zero_points.clone(), Value::Int(axis), Value::Int(DType::QInt8.code())];
        let q = world.call("aten::quantize_per_channel", &args);
        assert_eq!(world.elements(&q), expected, "axis {axis}");
        assert!(
            matches!(world.call("aten::q_per_channel_axis", std::slice::from_ref(&q)), Value::Int(found) if found == axis)
        );
    }
    // From -1 to 100 in 255 steps, of which 2.52 lie below zero.
    let args = [x, Value::Int(DType::QUInt8.code()), Value::Bool(false)];
    let q = world.call("aten::quantize_per_tensor_dynamic", &args);
    assert!(matches!(world.call("aten::q_zero_point", std::slice::from_ref(&q)), Value::Int(3)));
    assert!(matches!(world.call("aten::q_scale", &[q]), Value::Float(scale) if scale == 101.0 / 255.0));
}

/// A linear layer's packed parameters, with a scale and zero point for each output.
fn packed_linear(world: &mut World, outputs: usize, inner: usize, weight: &[i64], bias: &[f32]) -> Value {
    let channels = (0..outputs).map(|i| affine([0.25, 0.5][i % 2], [0, 2][i % 2])).collect();
    let quantizer = Quantizer::PerChannel { channels, axis: 0 };
    let weight = world.quantized(DType::QInt8, &[outputs as i64, inner as i64], weight, quantizer);
    let bias = world.floats(&[outputs as i64], bias);
    world.call("quantized::linear_prepack", &[weight, bias])
}

/// What a linear layer is: the numbers that its elements stand for, multiplied and added up.
fn linear_numbers(x: &[f64], weight: &[i64], bias: &[f32], inner: usize) -> Vec<f64> {
    let row = |x: &[f64], output: usize| {
        let affine = affine([0.25, 0.5][output % 2], [0, 2][output % 2]);
        let number = |k: usize| (weight[output * inner + k] - affine.zero_point) as f64 * affine.scale;
        x.iter().enumerate().map(|(k, x)| x * number(k)).sum::<f64>() + f64::from(bias[output])
    };
    x.chunks(inner).flat_map(|x| (0..bias.len()).map(move |output| row(x, output))).collect()
}

#[test]
fn a_linear_layer_is_the_sum_of_products_rounded_once() {
    let mut world = World::new();
    let (rows, inner, outputs) = (3, 20, 5);
    let x = drawn(1, rows * inner, 0, 255);
    let weight = drawn(2, outputs * inner, -128, 127);
    let bias = [1.5f32, -2.0, 0.0, 100.25, -300.0];
    let packed = packed_linear(&mut world, outputs, inner, &weight, &bias);
    let input = world.quantized(DType::QUInt8, &[3, 20], &x, Quantizer::per_tensor(0.125, 100));
    let numbers: Vec<f64> = x.iter().map(|&x| (x - 100) as f64 * 0.125).collect();
    let expected = linear_numbers(&numbers, &weight, &bias, inner);
    for (name, relu) in [("quantized::linear", false), ("quantized::linear_relu", true)] {
        let args = [input.clone(), packed.clone(), Value::Float(16.0), Value::Int(120)];
        let found = world.call(name, &args);
        let nearest = |&number: &f64| nearest(if relu { number.max(0.0) } else { number }, 16.0, 120);
        assert_eq!(world.elements(&found), expected.iter().map(nearest).collect::<Vec<_>>(), "{name}");
    }
    let plain = world.floats(&[3, 20], &[0.5; 60]);
    let args = [plain, packed.clone(), Value::Float(16.0), Value::Int(120)];
    world.raises(
        "quantized::linear",
        &args,
        "Could not run 'quantized::linear' with arguments from the 'CPU' backend.",
    );
    let args = [input, packed.clone(), Value::Bool(false)];
    let words = "Could not run 'quantized::linear_dynamic' with arguments from the 'QuantizedCPU' backend.";
    world.raises("quantized::linear_dynamic", &args, words);
    // What is taken apart is what was packed, and nothing of it is shared.
    let Value::Tuple(parts) = world.call("quantized::linear_unpack", &[packed]) else { panic!("a tuple") };
    assert_eq!(world.elements(&parts[0]), weight);
}

#[test]
fn activations_are_quantized_on_their_way_into_a_dynamic_layer() {
    let mut world = World::new();
    let (inner, outputs) = (4, 3);
    // From -1 to 191/64 in 255 steps of 1/64; or, with half of the range, 127 steps of 255/127/64.
    let x = [-1.0f32, 191.0 / 64.0, 0.3, 1.26];
    let weight = drawn(3, outputs * inner, -128, 127);
    let bias = [0.5f32, -0.25, 7.0];
    let packed = packed_linear(&mut world, outputs, inner, &weight, &bias);
    let input = world.floats(&[1, 4], &x);
    for (reduce_range, scale) in [(false, 1.0 / 64.0), (true, 255.0 / 64.0 / 127.0)] {
        let rounded: Vec<f64> = x.iter().map(|&x| (f64::from(x) / scale).round() * scale).collect();
        let mut expected = linear_numbers(&rounded, &weight, &bias, inner);
        for (name, relu) in [("quantized::linear_dynamic", false), ("quantized::linear_relu_dynamic", true)] {
            let found = world.call(name, &[input.clone(), packed.clone(), Value::Bool(reduce_range)]);
            let Value::Tensor(found) = found else { panic!("a tensor") };
            if relu {
                expected.iter_mut().for_each(|number| *number = number.max(0.0));
            }
            for (found, expected) in found.to_f64s(&Memory::unlimited()).unwrap().iter().zip(&expected) {
                assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{name}: {found} {expected}");
            }
        }
    }
}

/// What a convolution of images is, element by element: the numbers that the elements stand for.
struct Image {
    channels: usize,
    outputs: usize,
    groups: usize,
    size: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Image {
    fn out(&self) -> usize {
        (self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }

    fn numbers(&self, x: &[f64], weight: &[f64], bias: &[f32]) -> Vec<f64> {
        let (n, k, out) = (self.size, self.kernel, self.out());
        let (inner, each) = (self.channels / self.groups, self.outputs / self.groups);
        let mut numbers = Vec::new();
        for output in 0..self.outputs {
            for (i, j) in (0..out).flat_map(|i| (0..out).map(move |j| (i, j))) {
                let mut sum = f64::from(bias[output]);
                for (c, a, b) in (0..inner).flat_map(|c| (0..k).flat_map(move |a| (0..k).map(move |b| (c, a, b)))) {
                    let place =
                        |at: usize, step: usize| (at * self.stride + step * self.dilation).checked_sub(self.padding);
                    let (Some(row), Some(column)) = (place(i, a), place(j, b)) else { continue };
                    if row < n && column < n {
                        let channel = output / each * inner + c;
                        sum += x[(channel * n + row) * n + column] * weight[((output * inner + c) * k + a) * k + b];
                    }
                }
                numbers.push(sum);
            }
        }
        numbers
    }
}

#[test]
fn a_convolution_is_the_sum_of_products_rounded_once() {
    let image = |channels, outputs, groups, size, kernel, stride, padding, dilation| Image {
        channels,
        outputs,
        groups,
        size,
        kernel,
        stride,
        padding,
        dilation,
    };
    let images = [image(3, 4, 1, 7, 3, 1, 1, 1), image(4, 8, 2, 9, 3, 2, 1, 2), image(6, 6, 6, 5, 3, 1, 1, 1)];
    for (seed, image) in images.iter().enumerate() {
        let mut world = World::new();
        let (n, k) = (image.size as i64, image.kernel as i64);
        let inner = image.channels / image.groups;
        let x = drawn(seed as u64, image.channels * image.size * image.size, 0, 255);
        let weight = drawn(seed as u64 + 9, image.outputs * inner * image.kernel * image.kernel, -128, 127);
        let bias: Vec<f32> = (0..image.outputs).map(|i| i as f32 * 4.25 - 8.0).collect();
        let channels: Vec<Affine> = (0..image.outputs).map(|i| affine([0.25, 0.125][i % 2], [0, -3][i % 2])).collect();
        let each = inner * image.kernel * image.kernel;
        let weight_numbers: Vec<f64> = weight
            .iter()
            .enumerate()
            .map(|(i, &w)| (w - channels[i / each].zero_point) as f64 * channels[i / each].scale)
            .collect();
        let quantizer = Quantizer::PerChannel { channels, axis: 0 };
        let weight = world.quantized(DType::QInt8, &[image.outputs as i64, inner as i64, k, k], &weight, quantizer);
        let bias_value = world.floats(&[image.outputs as i64], &bias);
        let lines = [image.stride, image.padding, image.dilation].map(|line| world.ints(&[line as i64, line as i64]));
        let [stride, padding, dilation] = lines;
        let args = [weight, bias_value, stride, padding, dilation, Value::Int(image.groups as i64)];
        let packed = world.call("quantized::conv2d_prepack", &args);
        let input =
            world.quantized(DType::QUInt8, &[1, image.channels as i64, n, n], &x, Quantizer::per_tensor(0.5, 7));
        let numbers: Vec<f64> = x.iter().map(|&x| (x - 7) as f64 * 0.5).collect();
        let expected = image.numbers(&numbers, &weight_numbers, &bias);
        for (name, relu) in [("quantized::conv2d.new", false), ("quantized::conv2d_relu.new", true)] {
            let args = [input.clone(), packed.clone(), Value::Float(32.0), Value::Int(90)];
            let found = world.call(name, &args);
            let nearest = |&number: &f64| nearest(if relu { number.max(0.0) } else { number }, 32.0, 90);
            assert_eq!(world.elements(&found), expected.iter().map(nearest).collect::<Vec<_>>(), "{name} {seed}");
            let (outputs, out) = (image.outputs as i64, image.out() as i64);
            assert_eq!(strides(&found), [outputs * out * out, 1, outputs * out, outputs], "channels last");
        }
    }
}

#[test]
fn a_convolution_of_a_line_is_one_of_an_image_of_height_one() {
    let mut world = World::new();
    let weight = world.quantized(DType::QInt8, &[1, 1, 2], &[2, -1], Quantizer::per_tensor(1.0, 0));
    let [stride, padding, dilation] = [[1], [1], [1]].map(|line| world.ints(&line));
    let args = [weight, Value::None, stride, padding, dilation, Value::Int(1)];
    let packed = world.call("quantized::conv1d_prepack", &args);
    let x = world.quantized(DType::QUInt8, &[1, 1, 3], &[11, 12, 13], Quantizer::per_tensor(1.0, 10));
    let found = world.call("quantized::conv1d", &[x, packed.clone(), Value::Float(1.0), Value::Int(10)]);
    // Of 0 1 2 3 0: -1, 2 - 2, 4 - 3, 6.
    assert_eq!((sizes(&found), world.elements(&found)), (vec![1, 1, 4], vec![9, 10, 11, 16]));
    let Value::Tuple(parts) = world.call("quantized::conv1d_unpack", &[packed]) else { panic!("a tuple") };
    assert_eq!((sizes(&parts[0]), world.elements(&parts[0])), (vec![1, 1, 2], vec![2, -1]));
}

#[test]
fn sums_and_products_are_rounded_once() {
    let mut world = World::new();
    let (a, b) = ([0, 100, 255, 30], [7, 0, 200, 33]);
    let x = world.quantized(DType::QUInt8, &[2, 2], &a, Quantizer::per_tensor(0.5, 30));
    let y = world.quantized(DType::QUInt8, &[2, 2], &b, Quantizer::per_tensor(0.25, 32));
    let numbers: Vec<(f64, f64)> =
        a.iter().zip(&b).map(|(&a, &b)| ((a - 30) as f64 * 0.5, (b - 32) as f64 * 0.25)).collect();
    type Exact = fn(f64, f64) -> f64;
    let cases: [(&str, Exact); 4] = [
        ("quantized::add", |a, b| a + b),
        ("quantized::add_relu", |a, b| (a + b).max(0.0)),
        ("quantized::mul", |a, b| a * b),
        ("quantized::mul_relu", |a, b| (a * b).max(0.0)),
    ];
    for (name, exact) in cases {
        let found = world.call(name, &[x.clone(), y.clone(), Value::Float(2.0), Value::Int(20)]);
        let expected: Vec<i64> = numbers.iter().map(|&(a, b)| nearest(exact(a, b), 2.0, 20)).collect();
        assert_eq!(world.elements(&found), expected, "{name}");
    }
    let plain = world.floats(&[2, 2], &[0.0; 4]);
    let args = [x.clone(), plain.clone(), Value::Float(2.0), Value::Int(20)];
    world.raises("quantized::add", &args, "Could not run 'aten::qscheme' with arguments from the 'CPU' backend.");
    let args = [x, plain, Value::Int(1)];
    world.raises(
        "aten::add.Tensor",
        &args,
        "Could not run 'aten::add.out' with arguments from the 'QuantizedCPU' backend.",
    );
}

#[test]
fn ordinary_operators_keep_what_elements_stand_for() {
    let mut world = World::new();
    let integers = drawn(5, 32, 0, 255);
    let quantizer = || Quantizer::per_tensor(0.5, 100);
    let x = world.quantized(DType::QUInt8, &[1, 2, 4, 4], &integers, quantizer());
    let check = |world: &mut World, name: &str, args: &[Value], expected: Vec<i64>| {
        let found = world.call(name, args);
        assert_eq!(world.elements(&found), expected, "{name}");
        let Value::Tensor(found) = found else { panic!("a tensor") };
        assert_eq!(found.metadata().quantizer.as_deref(), Some(&quantizer()), "{name}");
    };
    let of = |number: i64| Value::Int(number);
    check(&mut world, "aten::relu", std::slice::from_ref(&x), integers.iter().map(|&x| x.max(100)).collect());
    // From -1.5 to 6: three steps below, twelve above.
    let args = [x.clone(), Value::Float(-1.5), Value::Float(6.0)];
    check(&mut world, "aten::hardtanh", &args, integers.iter().map(|&x| x.clamp(97, 112)).collect());
    check(&mut world, "quantized::clamp", &args, integers.iter().map(|&x| x.clamp(97, 112)).collect());
    check(&mut world, "aten::clone", &[x.clone(), Value::None], integers.clone());
    let args = [x.clone(), of(1), of(2)];
    let transposed: Vec<i64> = (0..32).map(|i| integers[i / 4 % 2 * 16 + i / 8 * 4 + i % 4]).collect();
    check(&mut world, "aten::transpose.int", &args, transposed);
    let args = [x.clone(), of(1), of(1)];
    check(&mut world, "aten::select.int", &args, integers[16..].to_vec());

    // Planes of four by four, in windows of two by two.
    let windows: Vec<[i64; 4]> = (0..8)
        .map(|i| {
            let at = i / 4 * 16 + i / 2 % 2 * 8 + i % 2 * 2;
            [integers[at], integers[at + 1], integers[at + 4], integers[at + 5]]
        })
        .collect();
    let mean =
        |window: &[i64]| nearest(window.iter().map(|x| (x - 100) as f64).sum::<f64>() / window.len() as f64, 1.0, 100);
    let [two, one, zero] = [[2, 2], [1, 1], [0, 0]].map(|line| world.ints(&line));
    let flag = Value::Bool(false);
    let args = [x.clone(), two.clone(), two.clone(), zero.clone(), one.clone(), flag.clone()];
    check(&mut world, "aten::max_pool2d", &args, windows.iter().map(|w| *w.iter().max().unwrap()).collect());
    let args = [x.clone(), two.clone(), two, zero, flag, Value::Bool(true), Value::None];
    check(&mut world, "aten::avg_pool2d", &args, windows.iter().map(|window| mean(window)).collect());
    let means: Vec<i64> = integers.chunks(16).map(mean).collect();
    check(&mut world, "aten::adaptive_avg_pool2d", &[x.clone(), one], means.clone());
    let dims = world.ints(&[2, 3]);
    check(&mut world, "aten::mean.dim", &[x.clone(), dims, Value::Bool(true), Value::None], means);

    let list = |world: &mut World, items: Vec<Value>| {
        Value::List(List::new(&mut world.0, ListContent { item: Type::Tensor, items }))
    };
    let other = world.quantized(DType::QUInt8, &[1, 1, 4, 4], &integers[..16], quantizer());
    let both = list(&mut world, vec![x.clone(), other]);
    check(&mut world, "aten::cat", &[both, of(1)], [&integers[..], &integers[..16]].concat());
    let other = world.quantized(DType::QUInt8, &[1, 1, 4, 4], &integers[..16], Quantizer::per_tensor(1.0, 50));
    let both = list(&mut world, vec![x.clone(), other]);
    // Steps of 1 from 50 are two of 1/2 from 100, as far as they go.
    let second = integers[..16].iter().map(|&x| (2 * (x - 50) + 100).clamp(0, 255));
    let expected: Vec<i64> = integers.iter().copied().chain(second).collect();
    check(&mut world, "aten::cat", &[both.clone(), of(1)], expected.clone());
    check(&mut world, "quantized::cat", &[both, of(1), Value::None, Value::None], expected);

    let [first, second] = [[1, 2], [3, 4]].map(|row| world.quantized(DType::QUInt8, &[2], &row, quantizer()));
    let both = list(&mut world, vec![first, second]);
    check(&mut world, "aten::stack", &[both, of(1)], vec![1, 3, 2, 4]);

    // In place: the tensor itself, and numbers that are quantized for it.
    let target = world.quantized(DType::QUInt8, &[2], &[3, 200], quantizer());
    check(&mut world, "aten::relu_", std::slice::from_ref(&target), vec![100, 200]);
    assert_eq!(world.elements(&target), [100, 200]);
    let numbers = world.floats(&[2], &[1.0, -2.0]);
    check(&mut world, "aten::copy_", &[target.clone(), numbers.clone(), Value::Bool(false)], vec![102, 96]);
    let words = "Copying from quantized Tensor to non-quantized Tensor is not allowed";
    world.raises("aten::copy_", &[numbers, target, Value::Bool(false)], words);
}

#[test]
fn functions_are_of_the_numbers() {
    let mut world = World::new();
    let integers: Vec<i64> = (0..=255).step_by(5).collect();
    let x = world.quantized(DType::QUInt8, &[52], &integers, Quantizer::per_tensor(0.0625, 128));
    let numbers: Vec<f64> = integers.iter().map(|&x| (x - 128) as f64 / 16.0).collect();
    let hardsigmoid = |x: f64| (x / 6.0 + 0.5).clamp(0.0, 1.0);
    let given = [Value::Float(0.0625), Value::Int(10)];
    let with = |rest: &[Value]| [std::slice::from_ref(&x), rest].concat();
    type Function<'a> = &'a dyn Fn(f64) -> f64;
    let cases: [(&str, Vec<Value>, Function<'_>, f64, i64); 6] = [
        ("aten::sigmoid", with(&[]), &logistic, 1.0 / 256.0, 0),
        ("aten::tanh", with(&[]), &libm::tanh, 1.0 / 128.0, 128),
        ("aten::hardsigmoid", with(&[]), &hardsigmoid, 1.0 / 256.0, 0),
        ("quantized::hardswish", with(&given), &|x| x * hardsigmoid(x), 0.0625, 10),
        ("quantized::sigmoid", with(&given), &logistic, 0.0625, 10),
        (
            "quantized::leaky_relu",
            with(&[Value::Float(0.25), Value::Bool(false), given[0].clone(), given[1].clone()]),
            &|x| if x < 0.0 { x * 0.25 } else { x },
            0.0625,
            10,
        ),
    ];
    for (name, args, function, scale, zero_point) in cases {
        let found = world.call(name, &args);
        for (found, &x) in world.elements(&found).into_iter().zip(&numbers) {
            // Where the number lies between two elements, single precision may take the other.
            let exact = (function(x) / scale + zero_point as f64).clamp(0.0, 255.0);
            assert!((found as f64 - exact).abs() <= 0.5 + 1e-3, "{name} of {x}: {found}, {exact}");
        }
    }
}

#[test]
fn a_batch_norm_is_a_line() {
    let mut world = World::new();
    let x = world.quantized(DType::QUInt8, &[1, 2, 1, 2], &[8, 12, 20, 0], Quantizer::per_tensor(0.5, 10));
    let mut vector = |numbers: [f32; 2]| world.floats(&[2], &numbers);
    let (weight, bias, mean, var) = (vector([2.0, 1.0]), vector([0.5, -1.0]), vector([1.0, 0.0]), vector([4.0, 1.0]));
    let args = [x, weight, bias, mean, var, Value::Float(0.0), Value::Float(0.25), Value::Int(20)];
    // (-1 - 1) / 2 * 2 + 1/2 = -3/2, (1 - 1) / 2 * 2 + 1/2 = 1/2; 5 - 1 = 4, -5 - 1 = -6: in quarters.
    let found = world.call("quantized::batch_norm2d", &args);
    assert_eq!(world.elements(&found), [14, 22, 36, 0]);
    let found = world.call("quantized::batch_norm2d_relu", &args);
    assert_eq!(world.elements(&found), [20, 22, 36, 20]);
}

#[test]
fn a_number_changes_what_elements_stand_for() {
    let mut world = World::new();
    let integers = [0, 30, 100, 255];
    let x = world.quantized(DType::QUInt8, &[4], &integers, Quantizer::per_tensor(0.5, 30));
    let numbers: Vec<f64> = integers.iter().map(|&x| (x - 30) as f64 * 0.5).collect();
    let mut check = |name: &str, number: f64, scale: f64, zero_point: i64, elements: Option<[i64; 4]>| {
        let found = world.call(name, &[x.clone(), Value::Float(number)]);
        assert!(
            matches!(world.call("aten::q_scale", std::slice::from_ref(&found)), Value::Float(s) if (s - scale).abs() < 1e-12)
        );
        let zero = world.call("aten::q_zero_point", std::slice::from_ref(&found));
        assert!(matches!(zero, Value::Int(found) if found == zero_point), "{name} {number}: {zero:?}");
        if let Some(elements) = elements {
            assert_eq!(world.elements(&found), elements, "{name} {number}");
        }
        world.numbers(&found)
    };
    // 3.2 is 6.4 steps, and counts as 6.
    let found = check("quantized::add_scalar", 3.2, 0.5, 24, Some(integers));
    assert_eq!(found, numbers.iter().map(|x| x + 3.0).collect::<Vec<_>>());
    // 200 steps would take the zero point to -170, so 425 steps have to fit where 255 did.
    let found = check("quantized::add_scalar", 100.0, 0.5 * 425.0 / 255.0, 0, None);
    assert!(found.iter().zip(&numbers).all(|(found, x)| (found - (x + 100.0)).abs() <= 0.5 * 425.0 / 510.0 + 1e-4));
    check("quantized::add_scalar_relu", -10.0, 0.5, 50, Some([50, 50, 100, 255]));
    let found = check("quantized::mul_scalar", 4.0, 2.0, 30, Some(integers));
    assert_eq!(found, numbers.iter().map(|x| x * 4.0).collect::<Vec<_>>());
    let found = check("quantized::mul_scalar", -2.0, 1.0, 225, Some([255, 225, 155, 0]));
    assert_eq!(found, numbers.iter().map(|x| x * -2.0).collect::<Vec<_>>());
    check("quantized::mul_scalar_relu", -2.0, 1.0, 225, Some([255, 225, 225, 225]));
    check("quantized::mul_scalar", 0.0, 1.0, 0, Some([0; 4]));
}

#[test]
fn an_embedding_gives_rows_as_numbers() {
    let mut world = World::new();
    // Each row has a scale and a zero point of its own, which need not be whole.
    let quantizer = Quantizer::PerChannelFloat { channels: vec![(0.5, 2.5), (0.25, 0.0), (1.0, 10.0)], axis: 0 };
    let weight = world.quantized(DType::QUInt8, &[3, 2], &[1, 2, 3, 4, 5, 6], quantizer);
    let packed = world.call("quantized::embedding_bag_prepack", std::slice::from_ref(&weight));
    let indices = Value::Tensor(Tensor::from_vec(&mut world.0, &[2, 1], &[2i64, 0]).unwrap());
    let found = world.call("quantized::embedding_byte", &[packed.clone(), indices, Value::Bool(false)]);
    assert_eq!((sizes(&found), world.numbers(&found)), (vec![2, 1, 2], vec![-5.0, -4.0, -0.75, -0.25]));
    let back = world.call("quantized::embedding_bag_unpack", &[packed]);
    assert!(back.same(&weight));
}

/// The rows are (-0.75, -0.25), (0.75, 1) and (-5, -4). The errors are PyTorch's.
#[test]
fn bags_of_an_embedding_are_sums_of_rows() {
    let mut world = World::new();
    let quantizer = Quantizer::PerChannelFloat { channels: vec![(0.5, 2.5), (0.25, 0.0), (1.0, 10.0)], axis: 0 };
    let weight = world.quantized(DType::QUInt8, &[3, 2], &[1, 2, 3, 4, 5, 6], quantizer);
    let packed = world.call("quantized::embedding_bag_prepack", &[weight]);
    let mut bags = |sizes: &[i64], indices: &[i64], offsets: Option<&[i64]>, factors: Option<&[f32]>, last: bool| {
        let mut longs =
            |sizes: &[i64], numbers: &[i64]| Value::Tensor(Tensor::from_vec(&mut world.0, sizes, numbers).unwrap());
        let indices = longs(sizes, indices);
        let offsets = offsets.map_or(Value::None, |offsets| longs(&[offsets.len() as i64], offsets));
        let factors = factors.map_or(Value::None, |factors| world.floats(&[factors.len() as i64], factors));
        let (no, mode) = (Value::Bool(false), Value::Int(0));
        let args = [packed.clone(), indices, offsets, no.clone(), mode, no, factors, Value::None, Value::Bool(last)];
        match observe(find("quantized::embedding_bag_byte").expect("an operator"), &args) {
            Ok(sums) => Ok(match &sums {
                Value::Tensor(sums) => sums.to_vec::<f32>(),
                other => panic!("a tensor, not {other:?}"),
            }),
            Err(Fault::Raised { message, .. }) => Err(message),
            Err(fault) => panic!("{fault:?}"),
        }
    };
    assert_eq!(bags(&[2, 2], &[2, 0, 1, 1], None, None, false), Ok(vec![-5.75, -4.25, 1.5, 2.0]));
    assert_eq!(
        bags(&[2, 2], &[2, 0, 1, 1], None, Some(&[1.0, 2.0, 0.5, 3.0]), false),
        Ok(vec![-6.5, -4.5, 2.625, 3.5])
    );
    assert_eq!(bags(&[3], &[2, 0, 1], Some(&[0, 1]), None, false), Ok(vec![-5.0, -4.0, 0.0, 0.75]));
    // The last offset ends the last bag, which is empty here.
    assert_eq!(bags(&[3], &[2, 0, 1], Some(&[0, 1, 1]), None, true), Ok(vec![-5.0, -4.0, 0.0, 0.0]));
    assert_eq!(
        bags(&[2], &[0, 9], Some(&[0]), None, false),
        Err("Index 1 is out of bounds: 9, range 0 to 3".to_owned())
    );
    assert_eq!(
        bags(&[2], &[0, 1], None, None, false),
        Err("embedding_bag_byte expects offsets to be set for 1D indices.".to_owned())
    );
}

proptest! {
    /// A layer on quantized numbers is the layer on the numbers, quantized, within a step.
    #[test]
    fn a_linear_layer_is_within_a_step_of_the_one_on_numbers(
        seed in 0..1000u64, (rows, inner, outputs) in (1..4usize, 1..40usize, 1..5usize),
        scales in (0.01..0.5f64, 1.0..8f64), zero_points in (0..256i64, 0..256i64)
    ) {
        let mut world = World::new();
        let x = drawn(seed, rows * inner, 0, 255);
        let weight = drawn(seed + 1, outputs * inner, -128, 127);
        let bias: Vec<f32> = drawn(seed + 2, outputs, -50, 50).iter().map(|&b| b as f32 * 0.3).collect();
        let packed = packed_linear(&mut world, outputs, inner, &weight, &bias);
        let quantizer = Quantizer::per_tensor(scales.0, zero_points.0);
        let input = world.quantized(DType::QUInt8, &[rows as i64, inner as i64], &x, quantizer);
        let args = [input, packed, Value::Float(scales.1), Value::Int(zero_points.1)];
        let found = world.call("quantized::linear", &args);
        let numbers: Vec<f64> = x.iter().map(|&x| (x - zero_points.0) as f64 * scales.0).collect();
        let expected = linear_numbers(&numbers, &weight, &bias, inner);
        for (found, number) in world.elements(&found).into_iter().zip(expected) {
            prop_assert!((found - nearest(number, scales.1, zero_points.1)).abs() <= 1);
        }
    }

    /// Quantizing and back moves a number inside the range by half a step at most. The zero point is rounded, so the
    /// outermost numbers may lie half a step beyond the range.
    #[test]
    fn a_tensor_comes_back_within_half_a_step(
        numbers in proptest::collection::vec(-100.0..100f32, 1..20), qint8 in any::<bool>()
    ) {
        let mut world = World::new();
        let dtype = if qint8 { DType::QInt8 } else { DType::QUInt8 };
        let x = world.floats(&[numbers.len() as i64], &numbers);
        let q = world.call("aten::quantize_per_tensor_dynamic", &[x, Value::Int(dtype.code()), Value::Bool(false)]);
        let Value::Float(scale) = world.call("aten::q_scale", std::slice::from_ref(&q)) else { panic!("a float") };
        let (least, greatest) = range(dtype);
        let elements = world.elements(&q);
        for ((back, &x), element) in world.numbers(&q).into_iter().zip(&numbers).zip(elements) {
            let inside = element > least && element < greatest;
            let most = if inside { 0.5 } else { 1.0 };
            prop_assert!((back - f64::from(x)).abs() <= scale * (most + 1e-4), "{x} {back}");
        }
    }
}

/// The weights of a cell as numbers: rows of gates.
struct Gates {
    weight: Vec<f64>,
    bias: Vec<f32>,
}

impl Gates {
    /// Drawn weights of sixteenths, and the packed parameters that hold them.
    fn drawn(world: &mut World, seed: u64, gates: usize, inner: usize) -> (Self, Value) {
        let integers = drawn(seed, gates * inner, -16, 16);
        let bias: Vec<f32> = drawn(seed + 1, gates, -8, 8).iter().map(|&b| b as f32 / 8.0).collect();
        let sizes = [gates as i64, inner as i64];
        let weight = world.quantized(DType::QInt8, &sizes, &integers, Quantizer::per_tensor(0.0625, 0));
        let vector = world.floats(&[gates as i64], &bias);
        let packed = world.call("quantized::linear_prepack", &[weight, vector]);
        (Self { weight: integers.iter().map(|&w| w as f64 / 16.0).collect(), bias }, packed)
    }

    fn of(&self, x: &[f64]) -> Vec<f64> {
        let rows = self.weight.chunks(x.len()).zip(&self.bias);
        rows.map(|(row, &b)| row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + f64::from(b)).collect()
    }
}

/// Numbers as a layer sees them that quantizes them to half of the range of `quint8`.
fn seen(x: &[f64]) -> Vec<f64> {
    let (least, greatest) = x.iter().fold((0f64, 0f64), |(least, greatest), &x| (least.min(x), greatest.max(x)));
    let scale = (greatest - least) / 127.0;
    if scale == 0.0 {
        return x.to_vec();
    }
    let zero_point = (-least / scale).round();
    x.iter().map(|x| (((x / scale).round() + zero_point).clamp(0.0, 255.0) - zero_point) * scale).collect()
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-x))
}

/// The hidden states of an LSTM along a sequence of one row each, from states of zero.
fn lstm(x: &[Vec<f64>], input: &Gates, hidden: &Gates, width: usize) -> Vec<Vec<f64>> {
    let all = seen(&x.concat());
    let (mut h, mut c) = (vec![0.0; width], vec![0.0; width]);
    let mut states = Vec::new();
    for x in all.chunks(x[0].len()) {
        let gates: Vec<f64> = input.of(x).iter().zip(hidden.of(&seen(&h))).map(|(a, b)| a + b).collect();
        let gate = |number: usize, i: usize| gates[number * width + i];
        for i in 0..width {
            c[i] = logistic(gate(1, i)) * c[i] + logistic(gate(0, i)) * libm::tanh(gate(2, i));
            h[i] = logistic(gate(3, i)) * libm::tanh(c[i]);
        }
        states.push(h.clone());
    }
    states
}

/// The same of a GRU.
fn gru(x: &[Vec<f64>], input: &Gates, hidden: &Gates, width: usize) -> Vec<Vec<f64>> {
    let all = seen(&x.concat());
    let mut h = vec![0.0; width];
    let mut states = Vec::new();
    for x in all.chunks(x[0].len()) {
        let (a, b) = (input.of(x), hidden.of(&seen(&h)));
        for i in 0..width {
            let (reset, update) = (logistic(a[i] + b[i]), logistic(a[width + i] + b[width + i]));
            let new = libm::tanh(a[2 * width + i] + reset * b[2 * width + i]);
            h[i] = (1.0 - update) * new + update * h[i];
        }
        states.push(h.clone());
    }
    states
}

#[test]
fn recurrent_networks_quantize_what_goes_into_each_product() {
    let (width, inner, steps) = (3, 4, 5);
    let mut world = World::new();
    let mut cell = |seed: u64, gates: usize, inner: usize| {
        let (input, packed_input) = Gates::drawn(&mut world, seed, gates * width, inner);
        let (hidden, packed_hidden) = Gates::drawn(&mut world, seed + 7, gates * width, width);
        let biases = [0; 2].map(|_| world.floats(&[1], &[0.0]));
        let [bias_input, bias_hidden] = biases;
        let args = [packed_input, packed_hidden, bias_input, bias_hidden, Value::Bool(true)];
        let packed = world.call("quantized::make_quantized_cell_params_dynamic", &args);
        (input, hidden, packed)
    };
    let (forwards, backwards) = (cell(1, 4, inner), cell(2, 4, inner));
    let (first, second) = (cell(3, 3, inner), cell(4, 3, width));
    let numbers: Vec<f32> = drawn(11, steps * inner, -100, 100).iter().map(|&x| x as f32 / 64.0).collect();
    let rows: Vec<Vec<f64>> = numbers.chunks(inner).map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
    let list = |world: &mut World, items: Vec<Value>| {
        Value::List(List::new(&mut world.0, ListContent { item: Type::Any, items }))
    };
    let close = |found: &Value, expected: &[f64]| {
        let Value::Tensor(found) = found else { panic!("a tensor") };
        let found = found.to_f64s(&Memory::unlimited()).unwrap();
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {expected:?}");
    };

    // An LSTM both ways: the states of the second go from the end to the beginning.
    let x = world.floats(&[steps as i64, 1, inner as i64], &numbers);
    let zeros = vec![0.0; 2 * width];
    let states = [0; 2].map(|_| world.floats(&[2, 1, width as i64], &zeros));
    let states = list(&mut world, states.to_vec());
    let cells = list(&mut world, vec![forwards.2.clone(), backwards.2.clone()]);
    let (one, number, no, yes) = (Value::Int(1), Value::Float(0.0), Value::Bool(false), Value::Bool(true));
    let flags = [yes.clone(), one, number.clone(), no.clone(), yes.clone(), no.clone(), Value::None, no.clone()];
    let found = world.call("aten::quantized_lstm.input", &[&[x, states, cells], &flags[..]].concat());
    let Value::Tuple(found) = found else { panic!("a tuple") };
    let there = lstm(&rows, &forwards.0, &forwards.1, width);
    let reversed: Vec<Vec<f64>> = rows.iter().rev().cloned().collect();
    let back = lstm(&reversed, &backwards.0, &backwards.1, width);
    let outputs: Vec<f64> = there.iter().zip(back.iter().rev()).flat_map(|(a, b)| [&a[..], b].concat()).collect();
    close(&found[0], &outputs);
    close(&found[1], &[&there[steps - 1][..], &back[steps - 1]].concat());

    // A GRU of two layers, with the batch first.
    let x = world.floats(&[1, steps as i64, inner as i64], &numbers);
    let states = world.floats(&[2, 1, width as i64], &zeros);
    let cells = list(&mut world, vec![first.2.clone(), second.2.clone()]);
    let flags = [yes.clone(), Value::Int(2), number, no.clone(), no, yes];
    let found = world.call("aten::quantized_gru.input", &[&[x, states, cells], &flags[..]].concat());
    let Value::Tuple(found) = found else { panic!("a tuple") };
    let lower = gru(&rows, &first.0, &first.1, width);
    let upper = gru(&lower, &second.0, &second.1, width);
    close(&found[0], &upper.concat());
    close(&found[1], &[&lower[steps - 1][..], &upper[steps - 1]].concat());
}
