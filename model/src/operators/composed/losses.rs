//! Losses of sequences without alignment (Graves et al., "Connectionist Temporal Classification", 2006), and of margins.

use crate::operators::{Call, Fault, Kernel};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::ctc_loss.IntList", ctc),
    ("aten::ctc_loss.Tensor", ctc),
    ("aten::multi_margin_loss", multi_margin),
    ("aten::multilabel_margin_loss", multilabel_margin),
    ("aten::multilabel_margin_loss_forward", multilabel_margin_forward),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// Lengths, as a list or a tensor.
fn lengths(call: &Call<'_>, i: usize) -> Result<Vec<i64>> {
    match call.value(i) {
        Value::Tensor(tensor) => {
            if !matches!(tensor.dtype(), DType::Int64 | DType::Int32) {
                let name = if i == 2 { "input_lengths" } else { "target_lengths" };
                return raised(format!("{name} must be integral"));
            }
            tensor.to_i64s(&call.memory())
        }
        _ => Ok(call.ints(i)?.to_vec()),
    }
}

/// The logarithm of a sum of what these are logarithms of.
fn log_sum(terms: &[f64]) -> f64 {
    let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        most
    } else {
        most + libm::log(terms.iter().map(|x| libm::exp(x - most)).sum::<f64>())
    }
}

/// Reduces the losses of samples as `reduction` says; each is divided by its weight for a mean.
fn reduced(call: &mut Call<'_>, dtype: DType, losses: &[f64], reduction: i64, mean: f64) -> Result {
    match reduction {
        0 => call.create(dtype, &[losses.len() as i64], losses).map(Value::Tensor),
        1 => call.create(dtype, &[], &[mean]).map(Value::Tensor),
        _ => call.create(dtype, &[], &[losses.iter().sum::<f64>()]).map(Value::Tensor),
    }
}

fn ctc(call: &mut Call<'_>) -> Result {
    let (log_probs, targets) = (call.tensor(0)?, call.tensor(1)?);
    let (input_lengths, target_lengths) = (lengths(call, 2)?, lengths(call, 3)?);
    let (blank, reduction, zero_infinity) = (call.int(4)?, call.int(5)?, call.bool(6)?);
    let (sizes, dtype) = (log_probs.sizes(), log_probs.dtype());
    let batched = sizes.len() == 3;
    let (steps, samples, labels) = match sizes[..] {
        [steps, samples, labels] => (steps, samples as usize, labels),
        [steps, labels] => (steps, 1, labels),
        _ => return raised(format!("log_probs must be of two or three dimensions, got {}", sizes.len())),
    };
    if !(0..labels).contains(&blank) {
        return raised("blank must be in label range");
    }
    for (name, lengths) in [("input_lengths", &input_lengths), ("target_lengths", &target_lengths)] {
        if lengths.len() != samples {
            return raised(format!("{name} must be of size batch_size"));
        }
    }
    let (logs, labels_of) = (call.read::<f64>(log_probs)?, targets.to_i64s(&call.memory())?);
    let wide = targets.sizes().len() == 2;
    let row = targets.sizes().last().copied().unwrap_or(0) as usize;
    let mut losses = Vec::with_capacity(samples);
    let mut start = 0;
    for sample in 0..samples {
        let (length, count) = (input_lengths[sample], target_lengths[sample]);
        if !(0..=steps).contains(&length) {
            return raised(format!(
                "Expected input_lengths to have value at most {steps}, but got value {length} (while checking arguments for ctc_loss_cpu)"
            ));
        }
        let from = if wide { sample * row } else { start };
        let Some(target) = labels_of.get(from..from + count.max(0) as usize).filter(|_| !wide || count as usize <= row)
        else {
            return raised(format!(
                "Expected tensor to have size at least {count} at dimension 1, but got size {row} (while checking arguments for ctc_loss_cpu)"
            ));
        };
        start += count.max(0) as usize;
        if target.iter().any(|label| !(0..labels).contains(label)) {
            return raised("target labels must be in the range of the labels");
        }
        let log = |step: i64, label: i64| logs[((step * samples as i64 + sample as i64) * labels + label) as usize];
        losses.push(ctc_of(length, target, blank, log));
    }
    if zero_infinity {
        losses.iter_mut().filter(|loss| **loss == f64::INFINITY).for_each(|loss| *loss = 0.0);
    }
    let weighted: f64 = losses.iter().zip(&target_lengths).map(|(loss, &count)| loss / count.max(1) as f64).sum();
    let mean = weighted / samples as f64;
    if !batched && reduction == 0 {
        return call.create(dtype, &[], &losses).map(Value::Tensor);
    }
    reduced(call, dtype, &losses, reduction, mean)
}

/// The loss of one sample: over all ways to spread the labels, with blanks between, over so many steps.
fn ctc_of(steps: i64, target: &[i64], blank: i64, log: impl Fn(i64, i64) -> f64) -> f64 {
    if steps == 0 {
        return if target.is_empty() { 0.0 } else { f64::INFINITY };
    }
    let label = |s: usize| if s.is_multiple_of(2) { blank } else { target[s / 2] };
    let states = 2 * target.len() + 1;
    let mut alpha = vec![f64::NEG_INFINITY; states];
    alpha[0] = log(0, blank);
    if states > 1 {
        alpha[1] = log(0, label(1));
    }
    for step in 1..steps {
        let before = alpha.clone();
        for s in 0..states {
            let mut ways = vec![before[s]];
            if s > 0 {
                ways.push(before[s - 1]);
            }
            // A label may follow another at once, unless it is the same.
            if s > 1 && s % 2 == 1 && label(s) != label(s - 2) {
                ways.push(before[s - 2]);
            }
            alpha[s] = log_sum(&ways) + log(step, label(s));
        }
    }
    -log_sum(&alpha[states.saturating_sub(2)..])
}

/// Rows of scores: one for each sample, or one in all.
fn rows(x: &Tensor) -> (usize, usize) {
    match x.sizes()[..] {
        [rows, columns] => (rows as usize, columns as usize),
        _ => (1, x.numel() as usize),
    }
}

/// A vector or a matrix with some classes, of any number of samples.
fn check_classes(x: &Tensor, classes: usize) -> Result<()> {
    match classes == 0 || x.sizes().len() > 2 {
        true => raised(format!(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: {:?}",
            x.sizes()
        )),
        false => Ok(()),
    }
}

fn multi_margin(call: &mut Call<'_>) -> Result {
    let (x, target) = (call.tensor(0)?, call.tensor(1)?);
    let (p, margin) = (call.scalar(2)?.cast::<i64>(), call.scalar(3)?.cast::<f64>());
    let (weight, reduction) = (call.opt_tensor(4)?, call.int(5)?);
    if p != 1 && p != 2 {
        return raised("multi_margin_loss: Invalid p, expected 1 or 2");
    }
    let (samples, classes) = rows(x);
    check_classes(x, classes)?;
    let (scores, labels) = (call.read::<f64>(x)?, target.to_i64s(&call.memory())?);
    if labels.len() != samples {
        return raised(format!("inconsistent target size, expected {samples} but got {:?}", target.sizes()));
    }
    if let Some(weight) = weight.filter(|weight| weight.sizes().len() > 1 || weight.numel() != classes as i64) {
        return raised(format!("inconsistent weight size, expected {classes} but got {:?}", weight.sizes()));
    }
    let weights = weight.map(|weight| weight.to_f64s(&call.memory())).transpose()?;
    let mut losses = Vec::with_capacity(samples);
    for (row, &label) in scores.chunks(classes).zip(&labels) {
        if !(0..classes as i64).contains(&label) {
            return raised(format!("target out of range: {label} of {classes} classes"));
        }
        let label = label as usize;
        let each = (0..classes).filter(|&j| j != label).map(|j| {
            let short = (margin - row[label] + row[j]).max(0.0);
            let short = if p == 1 { short } else { short * short };
            short * weights.as_ref().map_or(1.0, |weights| weights[label])
        });
        losses.push(each.sum::<f64>() / classes as f64);
    }
    let mean = losses.iter().sum::<f64>() / samples as f64;
    if reduction == 0 && x.sizes().len() < 2 {
        return call.create(x.dtype(), &[], &losses).map(Value::Tensor);
    }
    reduced(call, x.dtype(), &losses, reduction, mean)
}

/// Labels of a row come first; `-1` ends them.
fn multilabel_margin(call: &mut Call<'_>) -> Result {
    let (x, target, reduction) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?);
    let (samples, classes) = rows(x);
    if target.sizes() != x.sizes() {
        return raised(format!("inconsistent target size: {:?} for input of size: {:?}", target.sizes(), x.sizes()));
    }
    check_classes(x, classes)?;
    let (scores, labels) = (call.read::<f64>(x)?, target.to_i64s(&call.memory())?);
    let mut losses = Vec::with_capacity(samples);
    for (row, labels) in scores.chunks(classes).zip(labels.chunks(classes)) {
        let wanted: Vec<i64> = labels.iter().copied().take_while(|&label| label >= 0).collect();
        if wanted.iter().any(|&label| label >= classes as i64) {
            return raised("target out of range");
        }
        let others = (0..classes).filter(|&j| !wanted.contains(&(j as i64)));
        let loss: f64 =
            others.flat_map(|j| wanted.iter().map(move |&label| (1.0 - row[label as usize] + row[j]).max(0.0))).sum();
        losses.push(loss / classes as f64);
    }
    let mean = losses.iter().sum::<f64>() / samples as f64;
    if reduction == 0 && x.sizes().len() < 2 {
        return call.create(x.dtype(), &[], &losses).map(Value::Tensor);
    }
    reduced(call, x.dtype(), &losses, reduction, mean)
}

/// The loss, and which classes are wanted: one for them, in the sizes of the labels.
fn multilabel_margin_forward(call: &mut Call<'_>) -> Result {
    let loss = multilabel_margin(call)?;
    let (x, target) = (call.tensor(0)?, call.tensor(1)?);
    let classes = rows(x).1;
    let labels = target.to_i64s(&call.memory())?;
    let mut wanted = vec![0.0; labels.len()];
    for (row, labels) in wanted.chunks_mut(classes).zip(labels.chunks(classes)) {
        labels.iter().take_while(|&&label| label >= 0).for_each(|&label| row[label as usize] = 1.0);
    }
    let wanted = call.create(x.dtype(), &target.sizes(), &wanted)?;
    Ok(Value::tuple([loss, Value::Tensor(wanted)]))
}
