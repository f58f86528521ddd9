//! Losses.

use crate::operators::results::{dense_like, sizes_text, tuple};
use crate::operators::{Call, Fault};
use crate::tensor::broadcast::broadcast;
use crate::tensor::overlap::result_layout;
use crate::tensor::promote::{check_can_cast, result_type};
use crate::tensor::{DType, Dims, Layout, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Sums begin at zero, so none of nothing is negative; an iterator's begins at `-0.0`.
fn sum_of(losses: &[f64]) -> f64 {
    losses.iter().fold(0.0, |sum, loss| sum + loss)
}

/// The mean (1) of all losses, their sum (2), or all of them.
fn reduce(call: &mut Call<'_>, dtype: DType, losses: &[f64], layout: Layout, reduction: i64) -> Result<Value, Fault> {
    let result = match reduction {
        1 => call.create(dtype, &[], &[sum_of(losses) / losses.len() as f64])?,
        2 => call.create(dtype, &[], &[sum_of(losses)])?,
        _ => {
            let plain = call.zeros(dtype, layout.sizes())?;
            let result = Tensor::new(call.allocator, plain.storage(), dtype, layout);
            result.store(losses)?;
            result
        }
    };
    Ok(Value::Tensor(result))
}

fn check_floats(kernel: &str, dtype: DType) -> Result<(), Fault> {
    match dtype.is_floating_point() {
        true => Ok(()),
        false => raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())),
    }
}

/// A loss of two tensors, element by element.
fn of_two(call: &mut Call<'_>, kernel: &str, dtype: DType, loss: impl Fn(f64, f64) -> f64) -> Result<Value, Fault> {
    let (a, b, reduction) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?);
    let sizes = broadcast(&a.sizes(), &b.sizes())?;
    check_floats(kernel, result_type(a, b)?)?;
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let losses: Vec<f64> = x.iter().zip(&*y).map(|(&x, &y)| loss(x, y)).collect();
    let layout = result_layout(&[&a.metadata().layout, &b.metadata().layout], &sizes);
    reduce(call, dtype, &losses, layout, reduction)
}

pub(super) fn mse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let dtype = result_type(call.tensor(0)?, call.tensor(1)?)?;
    of_two(call, "mse_cpu", dtype, |x, y| (x - y) * (x - y))
}

pub(super) fn smooth_l1(call: &mut Call<'_>) -> Result<Value, Fault> {
    let beta = call.float(3)?;
    if beta < 0.0 {
        return raised("smooth_l1_loss does not support negative values for beta.");
    }
    let dtype = result_type(call.tensor(0)?, call.tensor(1)?)?;
    of_two(call, "smooth_l1_cpu", dtype, |x, y| {
        let z = (x - y).abs();
        if z < beta { 0.5 * z * z / beta } else { z - 0.5 * beta }
    })
}

pub(super) fn huber(call: &mut Call<'_>) -> Result<Value, Fault> {
    let delta = call.float(3)?;
    if delta.is_nan() || delta <= 0.0 {
        return raised("huber_loss does not support non-positive values for delta.");
    }
    // The losses have the dtype of the first.
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    check_can_cast(result_type(a, b)?, a.dtype())?;
    of_two(call, "huber_cpu", a.dtype(), |x, y| {
        let z = (x - y).abs();
        if z <= delta { 0.5 * z * z } else { delta * (z - 0.5 * delta) }
    })
}

pub(super) fn binary_cross_entropy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, target, weight, reduction) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?, call.int(3)?);
    let (sizes, dtype) = (input.sizes(), input.dtype());
    // Dimensions of one element do not count.
    let squeezed = |tensor: &Tensor| tensor.sizes().into_iter().filter(|&size| size != 1).collect::<Dims>();
    let common = broadcast(&squeezed(input), &squeezed(target))?;
    if target.dtype() != dtype {
        let names = [target.dtype(), dtype].map(DType::scalar_type_name);
        return raised(format!("Found dtype {} but expected {}", names[0], names[1]));
    }
    check_floats("binary_cross_entropy", dtype)?;
    if common != squeezed(input) && common.iter().product::<i64>() > 0 {
        return Err(Fault::unsupported("aten::binary_cross_entropy with targets of more sizes"));
    }
    let memory = call.memory();
    let (x, y) = (call.read::<f64>(input)?, call.read::<f64>(target)?);
    let y = if y.len() == 1 { vec![y[0]; x.len()] } else { y.to_vec() };
    for (x, y) in x.iter().zip(&y) {
        for (name, value) in [("input", x), ("target", y)] {
            if !(0.0..=1.0).contains(value) {
                return raised(format!("all elements of {name} should be between 0 and 1"));
            }
        }
    }
    // PyTorch keeps the logarithms from passing -100.
    let loss = |(&x, &y): (&f64, &f64)| (y - 1.0) * libm::log1p(-x).max(-100.0) - y * libm::log(x).max(-100.0);
    let mut losses: Vec<f64> = x.iter().zip(&y).map(loss).collect();
    if let Some(weight) = weight {
        if broadcast(&sizes, &weight.sizes())? != sizes {
            let (found, wanted) = (sizes_text(&sizes), sizes_text(&broadcast(&sizes, &weight.sizes())?));
            return raised(format!("output with shape {found} doesn't match the broadcast shape {wanted}"));
        }
        let weights = weight.read_expanded::<f64>(&sizes, &memory)?;
        losses.iter_mut().zip(&*weights).for_each(|(loss, weight)| *loss *= weight);
    }
    let layout = dense_like(&input.metadata().layout);
    reduce(call, dtype, &losses, layout, reduction)
}

/// Checks the sizes of scores and targets, and tells whether they are planes.
type CheckSizes = fn(&[i64], &[i64]) -> Result<bool, Fault>;

/// Scores of one sample or of several, one a row.
fn rows(sizes: &[i64], targets: &[i64]) -> Result<bool, Fault> {
    if targets.len() > 1 {
        return raised("0D or 1D target tensor expected, multi-target not supported");
    }
    match (sizes, targets) {
        ([_], []) => Ok(false),
        ([samples], [count]) | ([samples, _], [count]) if samples == count => Ok(false),
        ([_, _], []) => raised("Dimension specified as 0 but tensor has no dimensions"),
        ([_] | [_, _], _) => raised(format!("size mismatch (got input: {sizes:?}, target: {targets:?})")),
        _ => raised("input tensor should be 1D or 2D"),
    }
}

/// Scores of the points of planes.
fn planes(sizes: &[i64], targets: &[i64]) -> Result<bool, Fault> {
    if targets.len() != 3 {
        let rank = targets.len();
        return raised(format!(
            "only batches of spatial targets supported (3D tensors) but got targets of dimension: {rank}"
        ));
    }
    let [samples, _, height, width] = *sizes else {
        let rank = sizes.len();
        return raised(format!(
            "only batches of spatial inputs supported (4D tensors), but got input of dimension: {rank}"
        ));
    };
    if targets != [samples, height, width] {
        return raised(format!("size mismatch (got input: {sizes:?} , target: {targets:?}"));
    }
    Ok(true)
}

/// Scores of points in any number of dimensions.
fn points(sizes: &[i64], targets: &[i64]) -> Result<bool, Fault> {
    let (Some(&samples), count) = (sizes.first(), targets.first().copied().unwrap_or(0)) else {
        return raised("Expected 1 or more dimensions (got 0)");
    };
    if sizes.len() > 1 && samples != count {
        return raised(format!("Expected input batch_size ({samples}) to match target batch_size ({count})."));
    }
    match sizes.len() {
        1 | 2 => rows(sizes, targets),
        4 => planes(sizes, targets),
        _ => {
            let expected = [&sizes[..1], &sizes[2..]].concat();
            if targets != expected {
                return raised(format!("Expected target size {expected:?}, got {targets:?}"));
            }
            Ok(true)
        }
    }
}

/// Scores of classes and the class of each sample.
struct Classes {
    /// Scores: sample, class, place.
    scores: Vec<f64>,
    targets: Vec<i64>,
    weights: Option<Vec<f64>>,
    classes: usize,
    places: usize,
    ignored: i64,
}

impl Classes {
    /// The arguments of a loss by classes, in the order of `nll_loss`.
    fn of(call: &Call<'_>, check: CheckSizes) -> Result<Classes, Fault> {
        let (input, target, weight, ignored) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?, call.int(4)?);
        let sizes = input.sizes();
        let planes = check(&sizes, &target.sizes())?;
        let classes = sizes[usize::from(sizes.len() > 1)];
        if let Some(found) = weight.map(|weight| weight.sizes()).filter(|found| found.as_slice() != [classes]) {
            return raised(if planes {
                "weight tensor should be defined either for all or no classes".to_owned()
            } else {
                format!(
                    "weight tensor should be defined either for all {classes} classes or no classes but got weight \
                     tensor of shape: {found:?}"
                )
            });
        }
        let kernel = if planes { "nll_loss2d_forward_out_frame" } else { "nll_loss_out_frame" };
        check_floats(kernel, input.dtype())?;
        let known = matches!(target.dtype(), DType::Int64 | DType::UInt8);
        let mut targets = if known || target.numel() > 0 { target.to_i64s(&call.memory())? } else { Vec::new() };
        if !known && !targets.is_empty() {
            return raised(format!("expected scalar type Long but found {}", target.dtype().scalar_type_name()));
        }
        if sizes.len() == 1 {
            // Of one sample, the first of as many targets as classes counts.
            targets.truncate(1);
        }
        if let Some(wrong) = targets.iter().find(|&&t| t != ignored && !(0..classes).contains(&t)) {
            return raised(format!("Target {wrong} is out of bounds."));
        }
        Ok(Classes {
            scores: input.to_f64s(&call.memory())?,
            targets,
            weights: weight.map(|weight| weight.to_f64s(&call.memory())).transpose()?,
            classes: classes as usize,
            places: sizes.iter().skip(2).product::<i64>() as usize,
            ignored,
        })
    }

    /// The sizes of the losses of all targets.
    fn loss_sizes(call: &Call<'_>) -> Result<Dims, Fault> {
        let single = call.tensor(0)?.sizes().len() == 1;
        Ok(if single { Dims::new() } else { call.tensor(1)?.sizes() })
    }

    /// The scores as the logarithm of softmax.
    fn log_softmax(&mut self) {
        let (classes, places) = (self.classes, self.places);
        for sample in self.scores.chunks_mut((classes * places).max(1)) {
            for place in 0..places {
                let at = |class: usize| class * places + place;
                let most = (0..classes).map(|class| sample[at(class)]).fold(f64::NEG_INFINITY, f64::max);
                let total: f64 = (0..classes).map(|class| libm::exp(sample[at(class)] - most)).sum();
                (0..classes).for_each(|class| sample[at(class)] -= most + libm::log(total));
            }
        }
    }

    fn score(&self, i: usize, class: usize) -> f64 {
        self.scores[(i / self.places * self.classes + class) * self.places + i % self.places]
    }

    fn weight(&self, class: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[class])
    }

    /// The loss of each target and the sum of their weights.
    fn losses(&self) -> (Vec<f64>, f64) {
        let mut total = 0.0;
        let loss = |(i, &target): (usize, &i64)| {
            if target == self.ignored {
                return 0.0;
            }
            let weight = self.weight(target as usize);
            total += weight;
            -self.score(i, target as usize) * weight
        };
        let losses = self.targets.iter().enumerate().map(loss).collect();
        (losses, total)
    }
}

/// What a mean of weighted losses is divided by is the sum of the weights.
fn reduce_weighted(
    call: &mut Call<'_>,
    dtype: DType,
    sizes: &[i64],
    (losses, total): (&[f64], f64),
    reduction: i64,
) -> Result<Tensor, Fault> {
    let sum = sum_of(losses);
    match reduction {
        // One sample without a target has a loss of zero.
        0 if losses.len() as i64 == sizes.iter().product::<i64>() => call.create(dtype, sizes, losses),
        1 => call.create(dtype, &[], &[sum / total]),
        _ => call.create(dtype, &[], &[sum]),
    }
}

/// The loss by classes, and the sum of the weights.
fn by_classes(call: &mut Call<'_>, check: CheckSizes) -> Result<[Tensor; 2], Fault> {
    let classes = Classes::of(call, check)?;
    let (losses, total) = classes.losses();
    let (dtype, sizes, reduction) = (call.tensor(0)?.dtype(), Classes::loss_sizes(call)?, call.int(3)?);
    // Of one sample there is a weight, whatever is made of the losses.
    let kept = reduction == 0 && call.tensor(0)?.sizes().len() > 1;
    let result = reduce_weighted(call, dtype, &sizes, (&losses, total), reduction)?;
    Ok([result, call.create(dtype, &[], &[if kept { 0.0 } else { total }])?])
}

/// The loss alone.
fn loss(call: &mut Call<'_>, check: CheckSizes) -> Result<Value, Fault> {
    let [loss, _] = by_classes(call, check)?;
    Ok(Value::Tensor(loss))
}

pub(super) fn nll(call: &mut Call<'_>) -> Result<Value, Fault> {
    loss(call, rows)
}

pub(super) fn nll2d(call: &mut Call<'_>) -> Result<Value, Fault> {
    loss(call, planes)
}

pub(super) fn nll_nd(call: &mut Call<'_>) -> Result<Value, Fault> {
    loss(call, points)
}

pub(super) fn nll_forward(call: &mut Call<'_>) -> Result<Value, Fault> {
    by_classes(call, rows).map(tuple)
}

pub(super) fn nll2d_forward(call: &mut Call<'_>) -> Result<Value, Fault> {
    by_classes(call, planes).map(tuple)
}

pub(super) fn cross_entropy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, target, reduction, smoothing) = (call.tensor(0)?, call.tensor(1)?, call.int(3)?, call.float(5)?);
    if !(0.0..=1.0).contains(&smoothing) {
        return raised(format!("label_smoothing must be between 0.0 and 1.0. Got: {smoothing}"));
    }
    if target.sizes() == input.sizes() {
        return by_probabilities(call, smoothing);
    }
    check_floats("log_softmax_lastdim_kernel_impl", input.dtype())?;
    let mut classes = Classes::of(call, points)?;
    classes.log_softmax();
    let (dtype, sizes) = (input.dtype(), Classes::loss_sizes(call)?);
    let (mut losses, total) = classes.losses();
    if smoothing > 0.0 {
        for (i, loss) in losses.iter_mut().enumerate() {
            let kept = classes.targets[i] != classes.ignored;
            let weighted = |class: usize| -classes.score(i, class) * classes.weight(class);
            let smooth = if kept { (0..classes.classes).map(weighted).sum::<f64>() } else { 0.0 };
            *loss = (1.0 - smoothing) * *loss + smoothing / classes.classes as f64 * smooth;
        }
    }
    reduce_weighted(call, dtype, &sizes, (&losses, total), reduction).map(Value::Tensor)
}

/// Cross entropy whose targets are probabilities of all classes.
fn by_probabilities(call: &mut Call<'_>, smoothing: f64) -> Result<Value, Fault> {
    let (input, target, weight, reduction) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?, call.int(3)?);
    let sizes = input.sizes();
    let class_dim = usize::from(sizes.len() > 1);
    if !target.dtype().is_floating_point() {
        let name = target.dtype().scalar_type_name();
        return raised(format!("Expected floating point type for target with class probabilities, got {name}"));
    }
    if call.int(4)? >= 0 {
        return raised("ignore_index is not supported for floating point target");
    }
    check_floats("log_softmax_lastdim_kernel_impl", input.dtype())?;
    let Some(&count) = sizes.get(class_dim) else {
        return raised("Dimension specified as 1 but tensor has no dimensions");
    };
    if let Some(found) = weight.map(|weight| weight.sizes()).filter(|found| found.as_slice() != [count]) {
        return raised(format!(
            "cross_entropy: weight tensor should be defined either for all {count} classes or no classes but got \
             weight tensor of shape: {found:?}"
        ));
    }
    let mut classes = Classes {
        scores: input.to_f64s(&call.memory())?,
        targets: Vec::new(),
        weights: weight.map(|weight| weight.to_f64s(&call.memory())).transpose()?,
        classes: count as usize,
        places: sizes.iter().skip(2).product::<i64>() as usize,
        ignored: -100,
    };
    classes.log_softmax();
    let probabilities = target.to_f64s(&call.memory())?;
    let mut result_sizes = sizes.clone();
    result_sizes.remove(class_dim);
    let samples = result_sizes.iter().product::<i64>() as usize;
    let loss = |i: usize| {
        let term = |class: usize| {
            let at = (i / classes.places * classes.classes + class) * classes.places + i % classes.places;
            let probability = probabilities[at] * (1.0 - smoothing) + smoothing / classes.classes as f64;
            -classes.score(i, class) * probability * classes.weight(class)
        };
        (0..classes.classes).map(term).sum::<f64>()
    };
    let losses: Vec<f64> = (0..samples).map(loss).collect();
    reduce_weighted(
        call,
        result_type(input, target)?,
        &result_sizes,
        (&losses, input.numel() as f64 / count as f64),
        reduction,
    )
    .map(Value::Tensor)
}
