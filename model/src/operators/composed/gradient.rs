//! Gradients of sampled functions: central differences of second order, at the edges one-sided ones (Fornberg, "Generation of finite
//! difference formulas on arbitrarily spaced grids", 1988).

use super::of;
use crate::operators::arguments::wrap_dim;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::gradient.array", |call| gradient(call, None, 1)),
    ("aten::gradient.scalararray", |call| gradient(call, Some(1), 2)),
    ("aten::gradient.scalarint", |call| gradient(call, Some(1), 2)),
    ("aten::gradient.scalarrayarray", |call| gradient(call, Some(1), 2)),
    ("aten::gradient.scalarrayint", |call| gradient(call, Some(1), 2)),
    ("aten::gradient.tensorarray", |call| gradient(call, Some(1), 2)),
    ("aten::gradient.tensorarrayint", |call| gradient(call, Some(1), 2)),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// The positions of the spacing, if there can be one, and of the dimensions; the order at the edges follows these.
fn gradient(call: &mut Call<'_>, spacing: Option<usize>, dim: usize) -> Result {
    let x = call.tensor(0)?;
    let rank = x.sizes().len();
    let given = match call.value(dim) {
        Value::None => None,
        Value::Int(dim) => Some(vec![*dim]),
        _ => Some(call.ints(dim)?.to_vec()),
    };
    let edge_order = call.int(dim + 1)?;
    let spacings = spacings(call, spacing)?;
    if x.dtype() == DType::UInt8 {
        return raised("torch.gradient does not support uint8 input.");
    }
    check_count(spacings.as_ref().ok(), given.as_deref(), rank)?;
    if !(1..=2).contains(&edge_order) {
        return raised("torch.gradient only supports edge_order=1 and edge_order=2.");
    }
    let mut dims = Vec::new();
    for dim in given.unwrap_or_else(|| (0..rank as i64).collect()) {
        let dim = wrap_dim(dim, rank)?;
        if dims.contains(&dim) {
            return raised(format!("dim {dim} appears multiple times in the list of dims"));
        }
        if x.sizes().get(dim).copied().unwrap_or(1) < edge_order + 1 {
            return raised("torch.gradient expected each dimension size to be at least edge_order+1");
        }
        dims.push(dim);
    }
    let mut results = Vec::with_capacity(dims.len());
    for (i, &dim) in dims.iter().enumerate() {
        let spacing = match &spacings {
            Err(same) => same.clone(),
            // One stands for all.
            Ok(each) => each[if each.len() == 1 { 0 } else { i }].clone(),
        };
        let line = Line { x, dim };
        results.push(match spacing {
            Value::Tensor(points) => uneven(call, &line, &points, edge_order)?,
            step => even(call, &line, step, edge_order)?,
        });
    }
    Ok(call.tensor_list(results))
}

/// A spacing for each dimension, or one for all of them.
fn spacings(call: &Call<'_>, i: Option<usize>) -> Result<std::result::Result<Vec<Value>, Value>> {
    Ok(match i.map(|i| call.value(i)) {
        Some(Value::List(list)) => Ok(list.content().items.clone()),
        None | Some(Value::None) => Err(Value::Int(1)),
        Some(step) => Err(step.clone()),
    })
}

fn check_count(spacings: Option<&Vec<Value>>, dims: Option<&[i64]>, rank: usize) -> Result<()> {
    let Some(count) = spacings.map(Vec::len) else { return Ok(()) };
    let expected = "torch.gradient expected spacing to be unspecified, a scalar or";
    match dims {
        None if count != 1 && count != rank => raised(format!(
            "{expected} a list of length equal to 'self.dim() = {rank}', since dim argument was not given, but got a list of \
             length {count}"
        )),
        Some(dims) if count != dims.len() => raised(format!(
            "{expected} it's spacing and dim arguments to have the same length, but got a spacing argument of length {count} \
             and a dim argument of length {}.",
            dims.len()
        )),
        _ => Ok(()),
    }
}

/// What is sampled along a dimension.
struct Line<'a> {
    x: &'a Tensor,
    dim: usize,
}

impl Line<'_> {
    fn count(&self) -> i64 {
        self.x.sizes()[self.dim]
    }

    /// The samples from `from` on, as many as are not among the last `left`.
    fn samples(&self, call: &mut Call<'_>, from: i64, left: i64) -> Result {
        let length = Value::Int(self.count() - left - from);
        call.run("aten::narrow", &[of(self.x), Value::Int(self.dim as i64), Value::Int(from), length])
    }

    /// One sample, counted from the end if `i` is negative.
    fn sample(&self, call: &mut Call<'_>, i: i64) -> Result {
        let from = if i < 0 { self.count() + i } else { i };
        self.samples(call, from, self.count() - from - 1)
    }

    /// A sum of samples, each with a weight.
    fn weighted(&self, call: &mut Call<'_>, terms: &[(i64, Value)]) -> Result {
        let mut sum = None;
        for (i, weight) in terms {
            let sample = self.sample(call, *i)?;
            let term = times(call, sample, weight)?;
            sum = Some(plus(call, sum, term)?);
        }
        Ok(sum.expect("some terms"))
    }

    fn joined(&self, call: &mut Call<'_>, parts: [Value; 3]) -> Result<Tensor> {
        let parts =
            parts.into_iter().map(|part| if let Value::Tensor(part) = part { part } else { unreachable!("a tensor") });
        let parts = call.tensor_list(parts.collect());
        call.run_tensor("aten::cat", &[parts, Value::Int(self.dim as i64)])
    }
}

fn times(call: &mut Call<'_>, x: Value, weight: &Value) -> Result {
    let name = if matches!(weight, Value::Tensor(_)) { "aten::mul.Tensor" } else { "aten::mul.Scalar" };
    call.run(name, &[x, weight.clone()])
}

fn plus(call: &mut Call<'_>, sum: Option<Value>, term: Value) -> Result {
    match sum {
        Some(sum) => call.run("aten::add.Tensor", &[sum, term]),
        None => Ok(term),
    }
}

/// Samples at equal distances.
fn even(call: &mut Call<'_>, line: &Line<'_>, step: Value, edge_order: i64) -> Result<Tensor> {
    let mut edge = |terms: &[(i64, f64)]| {
        let terms: Vec<(i64, Value)> = terms.iter().map(|&(i, weight)| (i, Value::Float(weight))).collect();
        let sum = line.weighted(call, &terms)?;
        call.run("aten::div.Scalar", &[sum, step.clone()])
    };
    let (first, last) = if edge_order == 1 {
        (edge(&[(1, 1.0), (0, -1.0)])?, edge(&[(-1, 1.0), (-2, -1.0)])?)
    } else {
        (edge(&[(0, -1.5), (1, 2.0), (2, -0.5)])?, edge(&[(-3, 0.5), (-2, -2.0), (-1, 1.5)])?)
    };
    let (right, left) = (line.samples(call, 2, 0)?, line.samples(call, 0, 2)?);
    let difference = call.run("aten::sub.Tensor", &[right, left])?;
    let slope = call.run("aten::div.Scalar", &[difference, step])?;
    let center = call.run("aten::div.Scalar", &[slope, Value::Int(2)])?;
    line.joined(call, [first, center, last])
}

/// Samples at these points.
fn uneven(call: &mut Call<'_>, line: &Line<'_>, points: &Tensor, edge_order: i64) -> Result<Tensor> {
    if points.sizes().len() != 1 {
        return raised(format!(
            "torch.gradient expected each element of spacing to have one dimension, but got an element with {} dimensions!",
            points.sizes().len()
        ));
    }
    let places = points.to_f64s(&call.memory())?;
    let steps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    if steps.len() as i64 + 1 != line.count() {
        return raised(format!(
            "torch.gradient expected each element of spacing to have the size of its dimension, {}, but got {}",
            line.count(),
            places.len()
        ));
    }
    let dtype = if points.dtype().is_integral() { DType::Float32 } else { points.dtype() };
    // The weights of three neighbours for the slope at the middle one.
    let weights: Vec<[f64; 3]> = steps
        .windows(2)
        .map(|steps| (steps[0], steps[1]))
        .map(|(a, b)| [-b / (a * (a + b)), (b - a) / (a * b), a / (b * (a + b))])
        .collect();
    let mut center = None;
    for k in 0..3 {
        let mut sizes = vec![1; line.x.sizes().len()];
        sizes[line.dim] = weights.len() as i64;
        let column: Vec<f64> = weights.iter().map(|weights| weights[k]).collect();
        let weight = of(&call.create(dtype, &sizes, &column)?);
        let samples = line.samples(call, k as i64, 2 - k as i64)?;
        let term = times(call, samples, &weight)?;
        center = Some(plus(call, center, term)?);
    }
    let end = steps.len() - 1;
    let (first, last) = if edge_order == 1 {
        let edge = |call: &mut Call<'_>, (right, left): (i64, i64), step: f64| {
            let (right, left) = (line.sample(call, right)?, line.sample(call, left)?);
            let difference = call.run("aten::sub.Tensor", &[right, left])?;
            let step = of(&call.create(points.dtype(), &[], &[step])?);
            call.run("aten::div.Tensor", &[difference, step])
        };
        (edge(call, (1, 0), steps[0])?, edge(call, (-1, -2), steps[end])?)
    } else {
        let edge = |call: &mut Call<'_>, terms: [(i64, f64); 3]| {
            let mut weights = Vec::new();
            for (i, weight) in terms {
                weights.push((i, of(&call.create(dtype, &[], &[weight])?)));
            }
            line.weighted(call, &weights)
        };
        let [a, b, c] = one_sided(steps[0], steps[1]);
        let [d, e, f] = one_sided(steps[end], steps[end - 1]);
        (edge(call, [(0, a), (1, b), (2, c)])?, edge(call, [(-3, -f), (-2, -e), (-1, -d)])?)
    };
    line.joined(call, [first, center.expect("three terms"), last])
}

/// The weights of three neighbours for the slope at the first of them, by the distances between them.
fn one_sided(near: f64, far: f64) -> [f64; 3] {
    let both = near + far;
    [-(near + both) / (near * both), both / (near * far), -near / (far * both)]
}
