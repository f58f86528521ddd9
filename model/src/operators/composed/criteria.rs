//! Losses of pairs and triples, as PyTorch composes them: what their elements are, and what they refuse, is what the
//! operators that they call make of their arguments.

use super::of;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Tensor;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::binary_cross_entropy_with_logits", binary_cross_entropy_with_logits),
    ("aten::cosine_embedding_loss", cosine_embedding),
    ("aten::hinge_embedding_loss", hinge_embedding),
    ("aten::kl_div", kl_div),
    ("aten::l1_loss", l1),
    ("aten::margin_ranking_loss", margin_ranking),
    ("aten::poisson_nll_loss", poisson_nll),
    ("aten::soft_margin_loss", soft_margin),
    ("aten::triplet_margin_loss", triplet_margin),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// The losses, their mean or their sum, as argument `i` says: whatever is neither 1 nor 2 leaves them as they are.
fn reduced(call: &mut Call<'_>, losses: Value, i: usize) -> Result {
    match call.int(i)? {
        1 => call.run("aten::mean", &[losses]),
        2 => call.run("aten::sum", &[losses]),
        _ => Ok(losses),
    }
}

/// `a - b` of tensors.
fn difference(call: &mut Call<'_>, a: &Value, b: &Value) -> Result {
    call.run("aten::sub.Tensor", &[a.clone(), b.clone()])
}

/// `a * b` of tensors.
fn product(call: &mut Call<'_>, a: &Value, b: &Value) -> Result {
    call.run("aten::mul.Tensor", &[a.clone(), b.clone()])
}

/// `x + number`.
fn plus(call: &mut Call<'_>, x: Value, number: Value) -> Result {
    call.run("aten::add.Scalar", &[x, number])
}

/// `number - x`, which has the dtype of `x` whatever the number is.
fn number_minus(call: &mut Call<'_>, number: Value, x: &Value) -> Result {
    let filled = call.run("aten::zeros_like", std::slice::from_ref(x))?;
    let filled = call.run("aten::fill_.Scalar", &[filled, number])?;
    call.run("aten::sub_.Tensor", &[filled, x.clone()])
}

/// What is below zero becomes zero.
fn not_below_zero(call: &mut Call<'_>, x: Value) -> Result {
    call.run("aten::clamp_min", &[x, Value::Int(0)])
}

fn l1(call: &mut Call<'_>) -> Result {
    let apart = difference(call, call.value(0), call.value(1))?;
    let losses = call.run("aten::abs", &[apart])?;
    reduced(call, losses, 2)
}

fn kl_div(call: &mut Call<'_>) -> Result {
    let (x, target) = (call.value(0), call.value(1));
    let dtypes = [call.tensor(0)?.dtype(), call.tensor(1)?.dtype()];
    if dtypes.iter().any(|dtype| dtype.is_complex()) {
        return raised("kl_div: Complex inputs not supported.");
    }
    if dtypes.iter().any(|dtype| !dtype.is_floating_point()) {
        return raised("kl_div: Integral inputs not supported.");
    }
    let losses = if call.bool(3)? {
        let apart = difference(call, target, x)?;
        let probability = call.run("aten::exp", std::slice::from_ref(target))?;
        product(call, &probability, &apart)?
    } else {
        let entropy = call.run("aten::xlogy.Tensor", &[target.clone(), target.clone()])?;
        let crossed = product(call, target, x)?;
        difference(call, &entropy, &crossed)?
    };
    reduced(call, losses, 2)
}

fn soft_margin(call: &mut Call<'_>) -> Result {
    let mut losses = call.run("aten::neg", &[call.value(0).clone()])?;
    losses = call.run("aten::mul_.Tensor", &[losses, call.value(1).clone()])?;
    losses = call.run("aten::exp_", &[losses])?;
    losses = call.run("aten::log1p_", &[losses])?;
    match call.int(2)? {
        0 => Ok(losses),
        1 => call.run("aten::mean", &[losses]),
        _ => call.run("aten::sum", &[losses]),
    }
}

fn margin_ranking(call: &mut Call<'_>) -> Result {
    let apart = difference(call, call.value(0), call.value(1))?;
    let against = call.run("aten::neg", &[call.value(2).clone()])?;
    let wrong = product(call, &against, &apart)?;
    let wrong = plus(call, wrong, call.value(3).clone())?;
    let losses = not_below_zero(call, wrong)?;
    reduced(call, losses, 4)
}

fn hinge_embedding(call: &mut Call<'_>) -> Result {
    let (x, target, margin) = (call.value(0), call.value(1), call.value(2));
    let zeros = call.run("aten::zeros_like", std::slice::from_ref(x))?;
    let short = number_minus(call, margin.clone(), x)?;
    let short = not_below_zero(call, short)?;
    let mut part = |label: i64, loss: &Value| {
        let other = call.run("aten::ne.Scalar", &[target.clone(), Value::Int(label)])?;
        call.run("aten::where.self", &[other, loss.clone(), zeros.clone()])
    };
    let (apart, close) = (part(1, &short)?, part(-1, x)?);
    let losses = call.run("aten::add.Tensor", &[apart, close])?;
    reduced(call, losses, 3)
}

fn poisson_nll(call: &mut Call<'_>) -> Result {
    let (x, target) = (call.value(0), call.value(1));
    let mut losses = if call.bool(2)? {
        let rate = call.run("aten::exp", std::slice::from_ref(x))?;
        let likely = product(call, target, x)?;
        difference(call, &rate, &likely)?
    } else {
        let rate = plus(call, x.clone(), call.value(4).clone())?;
        let log = call.run("aten::log", &[rate])?;
        let likely = product(call, target, &log)?;
        difference(call, x, &likely)?
    };
    if call.bool(3)? {
        let stirling = stirling(call, target)?;
        losses = call.run("aten::add.Tensor", &[losses, stirling])?;
    }
    reduced(call, losses, 5)
}

/// Nearly the logarithm of a factorial, and zero up to one: `y * log(y) - y + 0.5 * log(2 * pi * y)`.
fn stirling(call: &mut Call<'_>, target: &Value) -> Result {
    let log = call.run("aten::log", std::slice::from_ref(target))?;
    let powers = product(call, target, &log)?;
    let powers = difference(call, &powers, target)?;
    let circle = call.run("aten::mul.Scalar", &[target.clone(), Value::Float(2.0 * std::f64::consts::PI)])?;
    let log = call.run("aten::log", &[circle])?;
    let half = call.run("aten::mul.Scalar", &[log, Value::Float(0.5)])?;
    let term = call.run("aten::add.Tensor", &[powers, half])?;
    let small = call.run("aten::le.Scalar", &[target.clone(), Value::Int(1)])?;
    call.run("aten::masked_fill.Scalar", &[term, small, Value::Int(0)])
}

fn cosine_embedding(call: &mut Call<'_>) -> Result {
    const EPSILON: f64 = 1e-12;
    let (a, b, target) = (call.value(0), call.value(1), call.value(2));
    let (a_sizes, b_sizes, rank) = (call.tensor(0)?.sizes(), call.tensor(1)?.sizes(), call.tensor(2)?.sizes().len());
    if rank > 1 {
        return raised("0D or 1D target tensor expected, multi-target not supported");
    }
    if a_sizes.len() != rank + 1 {
        return raised(format!(
            "{rank}D target tensor expects {}D input tensors, but found inputs with sizes {a_sizes:?} and {b_sizes:?}.",
            rank + 1
        ));
    }
    let mut dot = |a: &Value, b: &Value| {
        let products = product(call, a, b)?;
        let dims = call.int_list(&[rank as i64]);
        call.run("aten::sum.dim_IntList", &[products, dims])
    };
    let (both, first, second) = (dot(a, b)?, dot(a, a)?, dot(b, b)?);
    let first = plus(call, first, Value::Float(EPSILON))?;
    let second = plus(call, second, Value::Float(EPSILON))?;
    let squared = product(call, &first, &second)?;
    let lengths = call.run("aten::sqrt", &[squared])?;
    let cosine = call.run("aten::div.Tensor", &[both, lengths])?;
    let zeros = call.run("aten::zeros_like", std::slice::from_ref(&cosine))?;
    let apart = number_minus(call, Value::Int(1), &cosine)?;
    let close = call.run("aten::sub.Scalar", &[cosine, call.value(3).clone()])?;
    let close = not_below_zero(call, close)?;
    let mut part = |label: i64, loss: Value| {
        let meant = call.run("aten::eq.Scalar", &[target.clone(), Value::Int(label)])?;
        call.run("aten::where.self", &[meant, loss, zeros.clone()])
    };
    let (apart, close) = (part(1, apart)?, part(-1, close)?);
    let losses = call.run("aten::add.Tensor", &[apart, close])?;
    reduced(call, losses, 4)
}

/// The norm of the difference, to which the argument `eps` is added, along the last dimension.
fn distance(call: &mut Call<'_>, a: &Tensor, b: &Tensor) -> Result {
    let apart = difference(call, &of(a), &of(b))?;
    let apart = plus(call, apart, call.value(5).clone())?;
    let last = call.int_list(&[-1]);
    call.run("aten::norm.ScalarOpt_dim", &[apart, call.value(4).clone(), last])
}

fn triplet_margin(call: &mut Call<'_>) -> Result {
    let [anchor, positive, negative] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let ranks = [anchor, positive, negative].map(|x| x.sizes().len());
    if ranks[0] != ranks[1] || ranks[0] != ranks[2] {
        let [a, p, n] = ranks;
        return raised(format!(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: \
             anchor {a}D, positive {p}D, and negative {n}D inputs"
        ));
    }
    let (near, mut far) = (distance(call, anchor, positive)?, distance(call, anchor, negative)?);
    if call.bool(6)? {
        let swapped = distance(call, positive, negative)?;
        far = call.run("aten::min.other", &[far, swapped])?;
    }
    let wanted = plus(call, near, call.value(3).clone())?;
    let short = difference(call, &wanted, &far)?;
    let losses = not_below_zero(call, short)?;
    reduced(call, losses, 7)
}

fn binary_cross_entropy_with_logits(call: &mut Call<'_>) -> Result {
    let (x, target) = (call.value(0), call.value(1));
    let mut log = call.run("aten::log_sigmoid", std::slice::from_ref(x))?;
    if call.given(3) {
        let more = call.run("aten::sub.Scalar", &[call.value(3).clone(), Value::Int(1)])?;
        let more = product(call, &more, target)?;
        let factor = plus(call, more, Value::Int(1))?;
        log = call.run("aten::mul_.Tensor", &[log, factor])?;
    }
    let against = number_minus(call, Value::Int(1), target)?;
    let against = call.run("aten::mul_.Tensor", &[against, x.clone()])?;
    let mut losses = call.run("aten::sub_.Tensor", &[against, log])?;
    if call.given(2) {
        losses = call.run("aten::mul_.Tensor", &[losses, call.value(2).clone()])?;
    }
    reduced(call, losses, 4)
}
