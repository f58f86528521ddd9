//! Products and convolutions held to loops that say what they are, element by element.
//!
//! All numbers are eighths below two, so that every sum of products is exact, in whatever order it is added up.

use super::observe::call_within;
use super::{Fault, find};
use crate::slot::{Allocator, Memory};
use crate::tensor::{DType, Layout, Number, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

/// Draws of no consequence.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A tensor of drawn elements that lies in memory in a drawn way: in order, with its dimensions reversed, or as part of
/// larger rows.
fn tensor<T: Number>(draws: &mut Draws, allocator: &mut Allocator, sizes: &[i64]) -> Tensor {
    let (way, gap) = (draws.below(3), draws.below(4) as i64);
    let count = sizes.iter().product::<i64>();
    let elements = |draws: &mut Draws, count: i64| -> Vec<T> {
        let eighths = |draws: &mut Draws| draws.below(31) as f64 - 15.0;
        let scale = if T::DTYPE.is_floating_point() { 0.125 } else { 1.0 };
        (0..count).map(|_| T::from_f64(eighths(draws) * scale)).collect()
    };
    let mut strides = vec![0; sizes.len()];
    let (mut step, offset) = (1, if way == 2 { gap } else { 0 });
    for i in 0..sizes.len() {
        let dim = if way == 1 { i } else { sizes.len() - 1 - i };
        strides[dim] = step;
        step *= sizes[dim].max(1) + if way == 2 { gap } else { 0 };
    }
    let all = elements(draws, if count == 0 { 0 } else { step + offset });
    let base = Tensor::from_vec(allocator, &[all.len() as i64], &all).unwrap();
    Tensor::new(allocator, base.storage(), T::DTYPE, Layout::strided(sizes, &strides, offset))
}

fn call(name: &str, args: &[Value]) -> Tensor {
    match call_within(u64::MAX, find(name).expect("an operator"), args) {
        Ok(Value::Tensor(tensor)) => tensor,
        other => panic!("{name}: {other:?}"),
    }
}

fn elements(tensor: &Tensor) -> Vec<f64> {
    tensor.to_f64s(&Memory::unlimited()).unwrap()
}

fn ints(allocator: &mut Allocator, items: &[i64]) -> Value {
    let items = items.iter().map(|&item| Value::Int(item)).collect();
    Value::List(List::new(allocator, ListContent { item: Type::Int, items }))
}

/// Batches of `a` and `b` are equal, or one of them is one.
fn check_product<T: Number>(draws: &mut Draws, batches: (i64, i64), (rows, inner, columns): (i64, i64, i64)) {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let a = tensor::<T>(draws, &mut allocator, &[batches.0, rows, inner]);
    let b = tensor::<T>(draws, &mut allocator, &[batches.1, inner, columns]);
    let (x, y) = (elements(&a), elements(&b));
    let found = call("aten::matmul", &[Value::Tensor(a), Value::Tensor(b)]);
    let mut expected = Vec::new();
    for batch in 0..batches.0.max(batches.1) {
        let x = |i: i64, p: i64| x[((batch % batches.0 * rows + i) * inner + p) as usize];
        let y = |p: i64, j: i64| y[((batch % batches.1 * inner + p) * columns + j) as usize];
        for i in 0..rows {
            expected.extend((0..columns).map(|j| (0..inner).map(|p| x(i, p) * y(p, j)).sum::<f64>()));
        }
    }
    assert_eq!(found.sizes().as_slice(), [batches.0.max(batches.1), rows, columns]);
    assert_eq!(elements(&found), expected, "{batches:?}, {rows}x{inner}x{columns}");
}

#[test]
fn products_are_sums_of_products() {
    let mut draws = Draws(1);
    // Around the sizes of a tile (4, 6, 8, 16), of a vector (32), and of a factor that is not packed (4).
    let sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 15, 16, 17, 31, 32, 33, 64, 65];
    for _ in 0..400 {
        let shape = (draws.one_of(&sizes), draws.one_of(&sizes), draws.one_of(&sizes));
        let batches = draws.one_of(&[(1, 1), (2, 2), (3, 1), (1, 3)]);
        check_product::<f32>(&mut draws, batches, shape);
        check_product::<f64>(&mut draws, batches, shape);
        check_product::<i64>(&mut draws, batches, shape);
    }
    // Longer than what is summed at a time (256); more rows and columns than are packed at a time (2^17 / 300).
    check_product::<f32>(&mut draws, (1, 1), (445, 300, 450));
    check_product::<f64>(&mut draws, (1, 1), (17, 9000, 9));
}

#[test]
fn linear_adds_its_bias_to_every_row() {
    let mut draws = Draws(2);
    for (rows, inner, columns) in [(1, 7, 5), (4, 64, 33), (5, 3, 16), (9, 40, 17), (0, 3, 2), (3, 0, 2), (3, 2, 0)] {
        for bias_sizes in [vec![columns], vec![1], vec![1, columns], vec![rows, columns]] {
            let mut allocator = Allocator::new(0, Memory::unlimited());
            let a = tensor::<f32>(&mut draws, &mut allocator, &[rows, inner]);
            let w = tensor::<f32>(&mut draws, &mut allocator, &[columns, inner]);
            let bias = tensor::<f32>(&mut draws, &mut allocator, &bias_sizes);
            let (x, y) = (elements(&a), elements(&w));
            let z = bias.read_expanded::<f64>(&[rows, columns], &Memory::unlimited()).unwrap().to_vec();
            let found = call("aten::linear", &[Value::Tensor(a), Value::Tensor(w), Value::Tensor(bias)]);
            let mut expected = Vec::new();
            for (i, j) in (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))) {
                let terms = (0..inner).map(|p| x[(i * inner + p) as usize] * y[(j * inner + p) as usize]);
                expected.push(z[(i * columns + j) as usize] + terms.sum::<f64>());
            }
            assert_eq!(elements(&found), expected, "{rows}x{inner}x{columns} + {bias_sizes:?}");
        }
    }
}

/// One dimension that is convolved over.
#[derive(Debug, Clone, Copy)]
struct Line {
    size: i64,
    kernel: i64,
    stride: i64,
    padding: i64,
    dilation: i64,
}

impl Line {
    fn drawn(draws: &mut Draws) -> Line {
        let kernel = draws.one_of(&[1, 1, 2, 3, 3, 5]);
        let (dilation, padding) = (draws.one_of(&[1, 1, 1, 2, 3]), draws.one_of(&[0, 0, 1, 2, 4]));
        let least = (dilation * (kernel - 1) + 1 - 2 * padding).max(0);
        let size = least + draws.one_of(&[0, 1, 2, 3, 7, 11]);
        let size = if size == 0 && padding == 0 { 1 } else { size };
        Line { size, kernel, stride: draws.one_of(&[1, 1, 1, 2, 3]), padding, dilation }
    }

    fn output(self) -> i64 {
        (self.size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) / self.stride + 1
    }
}

/// `convolution` of three lines; those that are not there have size and kernel one.
fn check_convolution<T: Number>(
    draws: &mut Draws,
    rank: usize,
    lines: [Line; 3],
    (samples, groups, channels, outputs): (i64, i64, i64, i64),
    biased: bool,
) {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let used = &lines[3 - rank..];
    let sizes_of =
        |lead: [i64; 2], of: fn(&Line) -> i64| -> Vec<i64> { lead.into_iter().chain(used.iter().map(of)).collect() };
    let input = tensor::<T>(draws, &mut allocator, &sizes_of([samples, groups * channels], |line| line.size));
    let weight = tensor::<T>(draws, &mut allocator, &sizes_of([groups * outputs, channels], |line| line.kernel));
    let bias = biased.then(|| tensor::<T>(draws, &mut allocator, &[groups * outputs]));
    let (x, w) = (elements(&input), elements(&weight));
    let b = bias.as_ref().map_or(vec![0.0; (groups * outputs) as usize], elements);
    let mut list = |of: fn(&Line) -> i64| ints(&mut allocator, &used.iter().map(of).collect::<Vec<i64>>());
    let (stride, padding) = (list(|line| line.stride), list(|line| line.padding));
    let (dilation, none) = (list(|line| line.dilation), list(|_| 0));
    let bias = bias.map_or(Value::None, Value::Tensor);
    let args = [Value::Tensor(input), Value::Tensor(weight), bias, stride, padding, dilation];
    let args = [&args[..], &[Value::Bool(false), none, Value::Int(groups)]].concat();
    let found = call("aten::convolution", &args);

    let [d, h, w_line] = lines;
    let mut expected = Vec::new();
    let places = |lines: [i64; 3]| {
        (0..lines[0]).flat_map(move |i| (0..lines[1]).flat_map(move |j| (0..lines[2]).map(move |k| [i, j, k])))
    };
    for (sample, output) in (0..samples).flat_map(|n| (0..groups * outputs).map(move |o| (n, o))) {
        for o in places(lines.map(Line::output)) {
            let mut sum = b[output as usize];
            for channel in 0..channels {
                for k in places(lines.map(|line| line.kernel)) {
                    let at = |i: usize| o[i] * lines[i].stride - lines[i].padding + k[i] * lines[i].dilation;
                    if (0..3).any(|i| !(0..lines[i].size).contains(&at(i))) {
                        continue;
                    }
                    let plane = sample * groups * channels + output / outputs * channels + channel;
                    let element = ((plane * d.size + at(0)) * h.size + at(1)) * w_line.size + at(2);
                    let kernel = output * channels + channel;
                    let kernel = ((kernel * d.kernel + k[0]) * h.kernel + k[1]) * w_line.kernel + k[2];
                    sum += x[element as usize] * w[kernel as usize];
                }
            }
            expected.push(sum);
        }
    }
    assert_eq!(found.sizes().as_slice(), sizes_of([samples, groups * outputs], |line| line.output()));
    let what = (used, [samples, groups, channels, outputs], T::DTYPE);
    assert_eq!(elements(&found), expected, "{what:?}");
}

#[test]
fn convolutions_are_sums_over_windows() {
    const NONE: Line = Line { size: 1, kernel: 1, stride: 1, padding: 0, dilation: 1 };
    let mut draws = Draws(3);
    for round in 0..600 {
        let rank = draws.one_of(&[1, 2, 2, 2, 3]);
        let mut lines = [NONE; 3];
        lines[3 - rank..].iter_mut().for_each(|line| *line = Line::drawn(&mut draws));
        let channels = draws.one_of(&[1, 1, 2, 3, 5]);
        let counts = (draws.one_of(&[0, 1, 1, 2]), draws.one_of(&[1, 1, 2, 3]), channels, draws.one_of(&[1, 2, 5, 7]));
        let biased = round % 2 == 0;
        match round % 5 {
            0 => check_convolution::<f64>(&mut draws, rank, lines, counts, biased),
            1 => check_convolution::<i64>(&mut draws, rank, lines, counts, biased),
            _ => check_convolution::<f32>(&mut draws, rank, lines, counts, biased),
        }
    }
    // Tiles of two by two on planes that they do not fill; more rows of them than go at a time (256 tiles); two groups.
    for (height, width, padding, counts) in [
        (40, 31, 1, (1, 1, 40, 40)),
        (13, 14, 2, (2, 1, 64, 80)),
        (15, 16, 0, (1, 2, 64, 96)),
        (2, 600, 1, (1, 1, 40, 40)),
    ] {
        let line = |size| Line { size, kernel: 3, stride: 1, padding, dilation: 1 };
        check_convolution::<f32>(&mut draws, 2, [NONE, line(height), line(width)], counts, true);
        check_convolution::<f64>(&mut draws, 2, [NONE, line(height), line(width)], counts, false);
        check_convolution::<i64>(&mut draws, 2, [NONE, line(height), line(width)], counts, false);
    }
    // Long runs, of one channel and of many.
    let line = |stride| Line { size: 23, kernel: 3, stride, padding: 1, dilation: 1 };
    for (groups, channels, outputs) in [(1, 33, 17), (24, 1, 1), (5, 1, 2), (1, 40, 3)] {
        for stride in [1, 2] {
            let lines = [NONE, line(stride), line(stride)];
            check_convolution::<f32>(&mut draws, 2, lines, (1, groups, channels, outputs), true);
        }
    }
}

/// A convolution of 40 channels of 32 by 32 by kernels of 3x3, which goes by tiles.
fn convolved<T: Number>(x: &[f64], w: &[f64]) -> Vec<f64> {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut tensor = |sizes: &[i64], elements: &[f64]| {
        let elements: Vec<T> = elements.iter().map(|&x| T::from_f64(x)).collect();
        Value::Tensor(Tensor::from_vec(&mut allocator, sizes, &elements).unwrap())
    };
    let (x, w) = (tensor(&[1, 40, 32, 32], x), tensor(&[40, 40, 3, 3], w));
    let mut ones = || ints(&mut allocator, &[1, 1]);
    elements(&call("aten::conv2d", &[x, w, Value::None, ones(), ones(), ones(), Value::Int(1)]))
}

/// Numbers of 24 bits below a half.
fn fractions(count: usize) -> Vec<f64> {
    (0..count).map(|i| f64::from(((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5)).collect()
}

#[test]
fn convolutions_by_tiles_round_no_worse_than_others() {
    let (x, w) = (fractions(40 * 32 * 32), fractions(40 * 40 * 9));
    let (single, double) = (convolved::<f32>(&x, &w), convolved::<f64>(&x, &w));
    let worst = single.iter().zip(&double).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    // 360 terms below 1/4: sums stay below 90, whose last bit is 2^-17.
    assert!(worst < 1.0 / 131072.0, "{worst}");
}

#[test]
fn what_is_infinite_reaches_only_those_that_see_it() {
    let (x, w) = (fractions(40 * 32 * 32), fractions(40 * 40 * 9));
    let plain = convolved::<f32>(&x, &w);
    for strange in [f64::INFINITY, f64::NAN, 1e30] {
        let mut x = x.clone();
        // Row 5 and column 8 of the first channel.
        x[5 * 32 + 8] = strange;
        for (i, (found, plain)) in convolved::<f32>(&x, &w).into_iter().zip(&plain).enumerate() {
            let (row, column) = (i / 32 % 32, i % 32);
            let sees = (4..=6).contains(&row) && (7..=9).contains(&column);
            assert_eq!((found - plain).abs() < 1e-4, !sees, "{strange} at {row}, {column}: {found} and {plain}");
        }
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_laid_out() {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Tensor::zeros(&mut allocator, &[1, 2, 4, 4], DType::Float32).unwrap();
    let w = Tensor::zeros(&mut allocator, &[1, 2, 1, 1], DType::Float32).unwrap();
    for padding in [1 << 14, 1 << 31, 1 << 61] {
        let mut list = |item: i64| ints(&mut allocator, &[item, item]);
        let (stride, padding, dilation) = (list(1 << 40), list(padding), list(1));
        let args = [Value::Tensor(x.clone()), Value::Tensor(w.clone()), Value::None, stride, padding, dilation];
        let small = call_within(1 << 20, find("aten::conv2d").unwrap(), &[&args[..], &[Value::Int(1)]].concat());
        assert!(!matches!(small, Err(Fault::Unsupported(_))), "{small:?}");
    }
    let mut list = |item: i64| ints(&mut allocator, &[item, item]);
    let (stride, padding, dilation) = (list(1), list(1 << 14), list(1));
    let args = [Value::Tensor(x), Value::Tensor(w), Value::None, stride, padding, dilation, Value::Int(1)];
    let refused = call_within(1 << 20, find("aten::conv2d").unwrap(), &args);
    assert!(matches!(refused, Err(Fault::Memory(_))), "{refused:?}");
}

#[test]
fn pools_are_those_that_also_say_where() {
    let mut draws = Draws(4);
    for _ in 0..300 {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let rank = 1 + draws.below(3);
        let lines: Vec<Line> = (0..rank)
            .map(|_| {
                let line = Line::drawn(&mut draws);
                // Padding is at most half of the window, dilation left out.
                let padding = line.padding.min(line.kernel / 2);
                Line { padding, size: line.size.max(line.dilation * (line.kernel - 1) + 1), ..line }
            })
            .collect();
        let sizes: Vec<i64> = [2, 3].into_iter().chain(lines.iter().map(|line| line.size)).collect();
        let input = tensor::<f32>(&mut draws, &mut allocator, &sizes);
        let nowhere = draws.below(input.numel() as usize);
        let mut numbers: Vec<f32> = elements(&input).iter().map(|&x| x as f32).collect();
        numbers[nowhere] = draws.one_of(&[f32::NAN, f32::NEG_INFINITY, 1.0]);
        input.write(&numbers);
        let mut list = |of: fn(&Line) -> i64| ints(&mut allocator, &lines.iter().map(of).collect::<Vec<i64>>());
        let (kernel, stride) = (list(|line| line.kernel), list(|line| line.stride));
        let (padding, dilation) = (list(|line| line.padding), list(|line| line.dilation));
        let ceil = Value::Bool(draws.below(2) == 0);
        let args = [Value::Tensor(input), kernel, stride, padding, dilation, ceil];
        let found = call(&format!("aten::max_pool{rank}d"), &args);
        let both = call_within(u64::MAX, find(&format!("aten::max_pool{rank}d_with_indices")).unwrap(), &args);
        let Ok(Value::Tuple(both)) = both else { panic!("{both:?}") };
        let Value::Tensor(expected) = &both[0] else { panic!("values") };
        assert_eq!(found.sizes(), expected.sizes());
        let bits = |tensor: &Tensor| elements(tensor).iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
        assert_eq!(bits(&found), bits(expected), "{lines:?}");
    }
}

#[test]
fn in_place_is_as_out_of_place() {
    let mut draws = Draws(5);
    for (name, operands) in [("relu", 1), ("hardswish", 1), ("neg", 1), ("mul", 2), ("sub", 2), ("div", 2), ("lt", 2)] {
        for sizes in [vec![4, 5], vec![0, 5], vec![7], vec![]] {
            for same in [false, true] {
                let mut allocator = Allocator::new(0, Memory::unlimited());
                let x = tensor::<f32>(&mut draws, &mut allocator, &sizes);
                let y = if same { x.clone() } else { tensor::<f32>(&mut draws, &mut allocator, &sizes) };
                let mut args = vec![Value::Tensor(x.clone())];
                if operands == 2 {
                    args.push(Value::Tensor(y));
                }
                if name == "sub" {
                    args.push(Value::Int(2));
                }
                let overload = if operands == 2 { ".Tensor" } else { "" };
                let bits = |tensor: &Tensor| elements(tensor).iter().map(|x| x.to_bits()).collect::<Vec<u64>>();
                let expected = bits(&call(&format!("aten::{name}{overload}"), &args));
                let found = call(&format!("aten::{name}_{overload}"), &args);
                assert!(found.is(&x));
                assert_eq!(bits(&x), expected, "{name} of {sizes:?}");
            }
        }
    }
}

#[test]
fn planes_have_their_means() {
    let mut draws = Draws(6);
    for sizes in [[2, 3, 1, 1], [1, 2, 7, 7], [1, 1, 1, 5], [0, 2, 3, 3]] {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = tensor::<f32>(&mut draws, &mut allocator, &sizes);
        let one = ints(&mut allocator, &[1, 1]);
        let found = call("aten::adaptive_avg_pool2d", &[Value::Tensor(x.clone()), one]);
        let plane = (sizes[2] * sizes[3]) as usize;
        let mean = |plane: &[f64]| f64::from((plane.iter().sum::<f64>() / plane.len() as f64) as f32);
        assert_eq!(elements(&found), elements(&x).chunks(plane).map(mean).collect::<Vec<f64>>());
    }
}
