//! Losses.

use crate::operators::reduce::moments::norm_of;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::broadcast::broadcast;
use crate::tensor::promote::result_type;
use crate::tensor::{DType, Dims, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Sums begin at zero, so none of nothing is negative; an iterator's begins at `-0.0`.
fn sum_of(losses: &[f64]) -> f64 {
    losses.iter().fold(0.0, |sum, loss| sum + loss)
}

/// The losses of all elements (0), their mean (1) or their sum (2).
fn reduce(call: &mut Call<'_>, dtype: DType, sizes: &[i64], losses: &[f64], reduction: i64) -> Result<Value, Fault> {
    let result = match reduction {
        0 => call.create(dtype, sizes, losses)?,
        1 => call.create(dtype, &[], &[sum_of(losses) / losses.len() as f64])?,
        2 => call.create(dtype, &[], &[sum_of(losses)])?,
        _ => return raised(format!("{reduction} is not a valid value for reduction")),
    };
    call.deliver(result)
}

/// A loss of two tensors, element by element.
fn of_two(call: &mut Call<'_>, reduction: usize, loss: impl Fn(f64, f64) -> f64) -> Result<Value, Fault> {
    let (a, b, reduction) = (call.tensor(0)?, call.tensor(1)?, call.int(reduction)?);
    let (dtype, sizes) = (result_type(a, b)?, broadcast(&a.sizes(), &b.sizes())?);
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let losses: Vec<f64> = x.iter().zip(&*y).map(|(&x, &y)| loss(x, y)).collect();
    if !dtype.is_floating_point() && reduction == 1 {
        let name = dtype.scalar_type_name();
        return raised(format!(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: \
             {name}"
        ));
    }
    reduce(call, dtype, &sizes, &losses, reduction)
}

pub(super) fn mse(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_two(call, 2, |x, y| (x - y) * (x - y))
}

pub(super) fn l1(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_two(call, 2, |x, y| (x - y).abs())
}

pub(super) fn smooth_l1(call: &mut Call<'_>) -> Result<Value, Fault> {
    let beta = call.float(3)?;
    if beta < 0.0 {
        return raised("smooth_l1_loss does not support negative values for beta.");
    }
    of_two(call, 2, |x, y| {
        let z = (x - y).abs();
        if z < beta { 0.5 * z * z / beta } else { z - 0.5 * beta }
    })
}

pub(super) fn huber(call: &mut Call<'_>) -> Result<Value, Fault> {
    let delta = call.float(3)?;
    if delta.is_nan() || delta <= 0.0 {
        return raised("huber_loss does not support non-positive values for delta.");
    }
    of_two(call, 2, |x, y| {
        let z = (x - y).abs();
        if z <= delta { 0.5 * z * z } else { delta * (z - 0.5 * delta) }
    })
}

pub(super) fn kl_div(call: &mut Call<'_>) -> Result<Value, Fault> {
    let of_log = call.bool(3)?;
    of_two(call, 2, |x, y| match of_log {
        true => libm::exp(y) * (y - x),
        false if y == 0.0 => 0.0 - y * x,
        false => y * libm::log(y) - y * x,
    })
}

pub(super) fn soft_margin(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_two(call, 2, |x, y| libm::log1p(libm::exp(-y * x)))
}

pub(super) fn hinge_embedding(call: &mut Call<'_>) -> Result<Value, Fault> {
    let margin = call.float(2)?;
    of_two(call, 3, |x, y| {
        let positive = if y == 1.0 { x } else { 0.0 };
        let negative = if y == -1.0 { (margin - x).max(0.0) } else { 0.0 };
        positive + negative
    })
}

pub(super) fn poisson_nll(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (log, full, eps) = (call.bool(2)?, call.bool(3)?, call.float(4)?);
    of_two(call, 5, |x, y| {
        let loss = if log { libm::exp(x) - y * x } else { x - y * libm::log(x + eps) };
        let stirling = y * libm::log(y) - y + 0.5 * libm::log(2.0 * std::f64::consts::PI * y);
        if full && y > 1.0 { loss + stirling } else { loss }
    })
}

pub(super) fn margin_ranking(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, target) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (margin, reduction) = (call.float(3)?, call.int(4)?);
    let sizes = broadcast(&broadcast(&a.sizes(), &b.sizes())?, &target.sizes())?;
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let target = target.read_expanded::<f64>(&sizes, &memory)?;
    let losses: Vec<f64> = (0..x.len()).map(|i| (-target[i] * (x[i] - y[i]) + margin).max(0.0)).collect();
    reduce(call, result_type(a, b)?, &sizes, &losses, reduction)
}

/// Rows of the last dimension of several tensors of the same sizes, and the sizes without it.
fn rows(call: &Call<'_>, tensors: &[&Tensor]) -> Result<(Vec<Vec<f64>>, usize, Dims), Fault> {
    let mut sizes = Dims::new();
    for tensor in tensors {
        sizes = broadcast(&sizes, &tensor.sizes())?;
    }
    let memory = call.memory();
    let all = tensors.iter().map(|tensor| Ok(tensor.read_expanded::<f64>(&sizes, &memory)?.to_vec()));
    let all = all.collect::<Result<Vec<Vec<f64>>, Fault>>()?;
    let length = sizes.pop().unwrap_or(1) as usize;
    Ok((all, length, sizes))
}

pub(super) fn cosine_embedding(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, target) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (margin, reduction) = (call.float(3)?, call.int(4)?);
    let (both, length, sizes) = rows(call, &[a, b])?;
    let target = target.to_f64s(&call.memory())?;
    if target.len() as i64 != sizes.iter().product::<i64>() {
        return raised("cosine_embedding_loss: inputs and target must have as many samples");
    }
    const EPSILON: f64 = 1e-12;
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let loss = |i: usize| {
        let (x, y) = (&both[0][i * length..(i + 1) * length], &both[1][i * length..(i + 1) * length]);
        let cosine = dot(x, y) / ((dot(x, x) + EPSILON) * (dot(y, y) + EPSILON)).sqrt();
        if target[i] == 1.0 {
            1.0 - cosine
        } else if target[i] == -1.0 {
            (cosine - margin).max(0.0)
        } else {
            0.0
        }
    };
    let losses: Vec<f64> = (0..target.len()).map(loss).collect();
    reduce(call, result_type(a, b)?, &sizes, &losses, reduction)
}

pub(super) fn triplet_margin(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensors = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let (margin, p, eps, swap) = (call.float(3)?, call.float(4)?, call.float(5)?, call.bool(6)?);
    let reduction = call.int(7)?;
    let (all, length, sizes) = rows(call, &tensors)?;
    let distance = |a: usize, b: usize, i: usize| {
        let difference = |k: usize| all[a][i * length + k] - all[b][i * length + k] + eps;
        norm_of(&(0..length).map(difference).collect::<Vec<f64>>(), p)
    };
    let loss = |i: usize| {
        let negative = distance(0, 2, i);
        let negative = if swap { negative.min(distance(1, 2, i)) } else { negative };
        (margin + distance(0, 1, i) - negative).max(0.0)
    };
    let losses: Vec<f64> = (0..sizes.iter().product::<i64>() as usize).map(loss).collect();
    reduce(call, result_type(tensors[0], tensors[1])?, &sizes, &losses, reduction)
}

pub(super) fn binary_cross_entropy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, target, weight, reduction) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?, call.int(3)?);
    let sizes = input.sizes();
    broadcast(&sizes, &target.sizes())?;
    if target.sizes() != sizes {
        return Err(Fault::unsupported("aten::binary_cross_entropy of tensors of different sizes"));
    }
    let memory = call.memory();
    let (x, y) = (call.read::<f64>(input)?, call.read::<f64>(target)?);
    if x.iter().any(|x| !(0.0..=1.0).contains(x)) {
        return raised("all elements of input should be between 0 and 1");
    }
    // PyTorch keeps the logarithms from passing -100.
    let loss = |(&x, &y): (&f64, &f64)| (y - 1.0) * libm::log1p(-x).max(-100.0) - y * libm::log(x).max(-100.0);
    let mut losses: Vec<f64> = x.iter().zip(&*y).map(loss).collect();
    if let Some(weight) = weight {
        if broadcast(&sizes, &weight.sizes())? != sizes {
            return Err(Fault::unsupported("aten::binary_cross_entropy with weights of more sizes"));
        }
        let weights = weight.read_expanded::<f64>(&sizes, &memory)?;
        losses.iter_mut().zip(&*weights).for_each(|(loss, weight)| *loss *= weight);
    }
    reduce(call, input.dtype(), &sizes, &losses, reduction)
}

pub(super) fn binary_cross_entropy_with_logits(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, target, reduction) = (call.tensor(0)?, call.tensor(1)?, call.int(4)?);
    let mut sizes = broadcast(&target.sizes(), &input.sizes())?;
    for extra in [call.opt_tensor(2)?, call.opt_tensor(3)?].into_iter().flatten() {
        sizes = broadcast(&sizes, &extra.sizes())?;
    }
    let memory = call.memory();
    let (x, y) = (input.read_expanded::<f64>(&sizes, &memory)?, target.read_expanded::<f64>(&sizes, &memory)?);
    let factors = |i: usize| call.opt_tensor(i)?.map(|t| t.read_expanded::<f64>(&sizes, &memory)).transpose();
    let (weights, positive) = (factors(2)?, factors(3)?);
    let loss = |i: usize| {
        let (x, y) = (x[i], y[i]);
        let log_sigmoid = x.min(0.0) - libm::log1p(libm::exp(-x.abs()));
        let positive = positive.as_ref().map_or(1.0, |positive| positive[i]);
        let loss = (1.0 - y) * x - ((positive - 1.0) * y + 1.0) * log_sigmoid;
        loss * weights.as_ref().map_or(1.0, |weights| weights[i])
    };
    let losses: Vec<f64> = (0..x.len()).map(loss).collect();
    reduce(call, result_type(input, target)?, &sizes, &losses, reduction)
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
    fn of(call: &Call<'_>) -> Result<Classes, Fault> {
        let (input, target, weight, ignored) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?, call.int(4)?);
        let (sizes, t_sizes) = (input.sizes(), target.sizes());
        if t_sizes.len() > 1 && sizes.len() <= 2 {
            return raised("0D or 1D target tensor expected, multi-target not supported");
        }
        if target.dtype() != DType::Int64 && target.dtype() != DType::UInt8 {
            return raised(format!("expected scalar type Long but found {}", target.dtype().scalar_type_name()));
        }
        if !input.dtype().is_floating_point() {
            return raised(format!(
                "\"nll_loss_out_frame\" not implemented for '{}'",
                input.dtype().scalar_type_name()
            ));
        }
        let (classes, expected): (i64, Dims) = match sizes.len() {
            0 => return raised("input tensor should be 1D or 2D"),
            1 => (sizes[0], Dims::new()),
            _ => (sizes[1], [&sizes[..1], &sizes[2..]].concat().into()),
        };
        let single = sizes.len() == 1 && t_sizes.as_slice() == [1];
        if t_sizes != expected && !single {
            return raised(format!("size mismatch (got input: {sizes:?}, target: {t_sizes:?})"));
        }
        if let Some(found) = weight.map(|weight| weight.sizes()).filter(|found| found.as_slice() != [classes]) {
            return raised(format!(
                "weight tensor should be defined either for all {classes} classes or no classes but got weight tensor \
                 of shape: {found:?}"
            ));
        }
        let targets = target.to_i64s(&call.memory())?;
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
        0 => call.create(dtype, sizes, losses),
        1 => call.create(dtype, &[], &[sum / total]),
        _ => call.create(dtype, &[], &[sum]),
    }
}

pub(super) fn nll(call: &mut Call<'_>) -> Result<Value, Fault> {
    let classes = Classes::of(call)?;
    let (losses, total) = classes.losses();
    let (dtype, sizes, reduction) = (call.tensor(0)?.dtype(), call.tensor(1)?.sizes(), call.int(3)?);
    let result = reduce_weighted(call, dtype, &sizes, (&losses, total), reduction)?;
    call.deliver(result)
}

/// `nll_loss_forward`: gives the sum of the weights, too.
pub(super) fn nll_forward(call: &mut Call<'_>) -> Result<Value, Fault> {
    let classes = Classes::of(call)?;
    let (losses, total) = classes.losses();
    let (dtype, sizes, reduction) = (call.tensor(0)?.dtype(), call.tensor(1)?.sizes(), call.int(3)?);
    let result = reduce_weighted(call, dtype, &sizes, (&losses, total), reduction)?;
    let total = call.create(dtype, &[], &[if reduction == 0 { 0.0 } else { total }])?;
    Ok(tuple([result, total]))
}

pub(super) fn cross_entropy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, target, reduction, smoothing) = (call.tensor(0)?, call.tensor(1)?, call.int(3)?, call.float(5)?);
    if !(0.0..=1.0).contains(&smoothing) {
        return raised(format!("label_smoothing must be between 0.0 and 1.0. Got: {smoothing}"));
    }
    if target.dtype().is_floating_point() && target.sizes() == input.sizes() {
        return by_probabilities(call, smoothing);
    }
    let mut classes = Classes::of(call)?;
    classes.log_softmax();
    let (dtype, sizes) = (input.dtype(), target.sizes());
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
    let Some(&count) = sizes.get(class_dim) else { return raised("input tensor should be 1D or 2D") };
    let mut classes = Classes {
        scores: input.to_f64s(&call.memory())?,
        targets: Vec::new(),
        weights: weight.map(|weight| weight.to_f64s(&call.memory())).transpose()?,
        classes: count as usize,
        places: sizes.iter().skip(2).product::<i64>() as usize,
        ignored: -100,
    };
    if classes.weights.as_ref().is_some_and(|weights| weights.len() != classes.classes) {
        return raised("cross_entropy: weight tensor should be defined either for all classes or no classes");
    }
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
    reduce_weighted(call, input.dtype(), &result_sizes, (&losses, samples as f64), reduction).map(Value::Tensor)
}
