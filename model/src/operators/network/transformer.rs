//! Whole layers of a transformer as PyTorch's fast path calls them: attention with its projections, an encoder layer; and
//! the parts of attention that have operators of their own.

use crate::operators::compose::of;
use crate::operators::results::{sizes_text, tuple};
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The feed-forward part of an encoder layer, and what is around both of its parts.
pub(super) fn encoder_layer(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, width, eps) = (call.tensor(0)?.clone(), call.int(1)?, Value::Float(call.float(9)?));
    let (gelu, norm_first) = (call.bool(7)?, call.bool(8)?);
    if source.numel() == 0 {
        return call.run("aten::clone", &[of(&source)]);
    }
    let args = call.args;
    let norm = |call: &mut Call<'_>, x: &Tensor, weight: usize| {
        let width = call.int_list(&[width]);
        let affine = [args[weight].clone(), args[weight + 1].clone()];
        let [scale, bias] = affine;
        call.run_tensor("aten::layer_norm", &[of(x), width, scale, bias, eps.clone(), Value::Bool(true)])
    };
    let add = |call: &mut Call<'_>, a: &Tensor, b: &Tensor| call.run_tensor("aten::add.Tensor", &[of(a), of(b)]);

    let mut x = if norm_first { norm(call, &source, 10)? } else { source.clone() };
    let mut attention = vec![of(&x), of(&x), of(&x)];
    attention.extend_from_slice(&args[1..7]);
    attention.extend([args[18].clone(), Value::Bool(false), Value::Bool(true), args[19].clone()]);
    x = match call.run("aten::_native_multi_head_attention", &attention)? {
        Value::Tuple(results) => match &results[0] {
            Value::Tensor(x) => x.clone(),
            other => panic!("attention gives {other:?}"),
        },
        other => panic!("attention gives {other:?}"),
    };
    x = add(call, &x, &source)?;
    if !norm_first {
        x = norm(call, &x, 10)?;
    }
    let before = x.clone();
    if norm_first {
        x = norm(call, &x, 12)?;
    }
    x = call.run_tensor("aten::linear", &[of(&x), args[14].clone(), args[15].clone()])?;
    x = call.run_tensor(if gelu { "aten::gelu" } else { "aten::relu" }, &[of(&x)])?;
    x = call.run_tensor("aten::linear", &[of(&x), args[16].clone(), args[17].clone()])?;
    x = add(call, &x, &before)?;
    if !norm_first {
        x = norm(call, &x, 12)?;
    }
    Ok(Value::Tensor(x))
}

/// Attention of several heads with its projections, and the weights if they are wanted.
pub(super) fn multi_head_attention(call: &mut Call<'_>) -> Result<Value, Fault> {
    check(call)?;
    let [query, key, value] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let (heads, weight, need_weights, average) = (call.int(4)?, call.tensor(5)?, call.bool(10)?, call.bool(11)?);
    let args = call.args;
    let projected = if query.is(key) && key.is(value) {
        call.run_tensor("aten::linear", &[of(query), of(weight)])?
    } else {
        let thirds = call.run_tensors("aten::chunk", &[of(weight), Value::Int(3), Value::Int(0)])?;
        let mut parts = Vec::new();
        for (input, third) in [query, key, value].into_iter().zip(&thirds) {
            parts.push(call.run_tensor("aten::linear", &[of(input), of(third)])?);
        }
        let parts = call.tensor_list(parts);
        call.run_tensor("aten::cat", &[parts, Value::Int(2)])?
    };
    if projected.numel() == 0 {
        let empty = call.run("aten::empty_like", &[of(query)])?;
        return Ok(Value::tuple([empty, Value::None]));
    }
    let parts = [of(&projected), args[6].clone(), Value::Int(heads)];
    let parts = call.run_tensors("aten::_transform_bias_rescale_qkv", &parts)?;
    let keys = call.run("aten::transpose.int", &[of(&parts[1]), Value::Int(-2), Value::Int(-1)])?;
    let scores = call.run_tensor("aten::matmul", &[of(&parts[0]), keys])?;
    let weights = match call.opt_tensor(9)? {
        Some(mask) => {
            let mask = match mask.dtype() {
                DType::Bool => of(mask),
                _ => call.run("aten::ne.Scalar", &[of(mask), Value::Int(0)])?,
            };
            call.run_tensor("aten::_masked_softmax", &[of(&scores), mask, Value::Int(3), args[12].clone()])?
        }
        None => call.run_tensor("aten::softmax.int", &[of(&scores), Value::Int(3)])?,
    };
    let context = call.run_tensor("aten::matmul", &[of(&weights), of(&parts[2])])?;
    let order = call.int_list(&[0, 2, 1, 3]);
    let context = call.run("aten::permute", &[of(&context), order])?;
    let sizes = query.sizes();
    let sizes = call.int_list(&sizes);
    let context = call.run("aten::reshape", &[context, sizes])?;
    let output = call.run("aten::linear", &[context, args[7].clone(), args[8].clone()])?;
    let weights = match (need_weights, average) {
        (false, _) => Value::None,
        (true, false) => of(&weights),
        (true, true) => {
            let heads_dim = call.int_list(&[1]);
            let sum = call.run("aten::sum.dim_IntList", &[of(&weights), heads_dim])?;
            call.run("aten::div.Scalar", &[sum, Value::Int(heads)])?
        }
    };
    Ok(Value::tuple([output, weights]))
}

/// Raises what PyTorch raises for sizes that do not go together.
fn check(call: &Call<'_>) -> Result<(), Fault> {
    let (width, heads) = (call.int(3)?, call.int(4)?);
    let sizes = |i: usize| Ok::<_, Fault>(call.tensor(i)?.sizes());
    let (query, weight, bias) = (sizes(0)?, sizes(5)?, sizes(6)?);
    for (i, name) in ["query", "key", "value"].into_iter().enumerate() {
        let found = sizes(i)?;
        if found.len() != 3 {
            return raised(format!("expected 3-D `{name}`, got {}-D tensor", found.len()));
        }
        if i == 0 && found[2] != width {
            return raised(format!("passed-in embed_dim {width} didn't match last dim of query {}", found[2]));
        }
    }
    if sizes(1)? != query || sizes(2)? != query {
        return raised("expected `query`/`key`/`value` shapes to match");
    }
    for (name, found, rank) in [("qkv_weight", &weight, 2), ("qkv_bias", &bias, 1)] {
        if found.len() != rank {
            return raised(format!("expected {rank}-D `{name}`, got {}-D tensor", found.len()));
        }
        if name == "qkv_weight" && found[0] != 3 * width {
            return raised("expected `qkv_weight` first dim to be 3x embed_dim");
        }
        if name == "qkv_weight" && found[1] != width {
            return raised("expected `qkv_weight` second dim to be embed_Dim");
        }
        if name == "qkv_bias" && found[0] != 3 * width {
            return raised("expected `qkv_bias` first dim and first dim of query to be equal");
        }
    }
    if heads < 1 || width % heads != 0 {
        return raised("`embed_dim` must divide evenly by `num_heads`");
    }
    Ok(())
}

/// Queries, keys and values by head, with their biases, the queries scaled.
pub(super) fn transform_bias_rescale(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (projected, bias, heads) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?);
    let sizes = projected.sizes();
    let &[batch, steps, three] = &sizes[..] else {
        return raised(format!("expected a 3-D tensor, got {}-D", sizes.len()));
    };
    if three % 3 != 0 || heads < 1 || three / 3 % heads != 0 {
        return raised("Expected D % num_head == 0 to be true, but got false.");
    }
    let width = three / 3 / heads;
    let biased = call.run("aten::add.Tensor", &[of(projected), of(bias)])?;
    let split = call.int_list(&[batch, steps, 3, heads, width]);
    let split = call.run("aten::view", &[biased, split])?;
    let mut parts = Vec::new();
    for i in 0..3 {
        let part = call.run("aten::select.int", &[split.clone(), Value::Int(2), Value::Int(i)])?;
        let part = call.run("aten::transpose.int", &[part, Value::Int(1), Value::Int(2)])?;
        parts.push(call.run_tensor("aten::contiguous", &[part])?);
    }
    let [query, key, value] = parts.try_into().expect("three");
    let scale = match projected.dtype() {
        DType::Float64 => 1.0 / (width as f64).sqrt(),
        _ => (1.0 / (width as f32).sqrt()) as f64,
    };
    let query = call.run_tensor("aten::mul.Scalar", &[of(&query), Value::Float(scale)])?;
    Ok(tuple([query, key, value]))
}

/// A softmax that leaves out what is masked.
pub(super) fn masked_softmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, mask, kind) = (call.tensor(0)?, call.tensor(1)?, call.opt_int(3)?);
    if mask.dtype() != DType::Bool {
        return raised("Mask should be a boolean tensor");
    }
    let Some(kind) = kind else { return raised("Mask Type should be defined") };
    if !(0..=2).contains(&kind) {
        return raised("Mask Type should be 0 (src_mask), 1 (src_key_padding_mask), or 2 (default_mask)");
    }
    let (x, m) = (input.sizes(), mask.sizes());
    let of_keys = kind == 1 && x.len() == 4 && m.len() == 2 && m[..] == [x[0], x[2]] && x[2] == x[3];
    let of_pairs = kind == 0 && x.len() == 4 && m.len() == 2 && m[..] == [x[2], x[3]] && x[2] == x[3];
    if m != x && !of_keys && !of_pairs {
        return raised(format!("Mask shape should match input. mask: {} input: {}", sizes_text(&m), sizes_text(&x)));
    }
    let mask = match of_keys {
        true => {
            let sizes = call.int_list(&[m[0], 1, 1, m[1]]);
            call.run("aten::reshape", &[of(mask), sizes])?
        }
        false => of(mask),
    };
    let last = Value::Int(x.len() as i64 - 1);
    let dim = if call.given(2) { call.args[2].clone() } else { last };
    let hidden = call.run("aten::masked_fill.Scalar", &[of(input), mask, Value::Float(f64::NEG_INFINITY)])?;
    call.run("aten::softmax.int", &[hidden, dim])
}

/// A softmax whose rows of nothing but minus infinity are zeros.
pub(super) fn safe_softmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (args, input) = (call.args, call.tensor(0)?);
    let weights = call.run("aten::softmax.int", &[args[0].clone(), args[1].clone(), args[2].clone()])?;
    let hidden = call.run("aten::eq.Scalar", &[of(input), Value::Float(f64::NEG_INFINITY)])?;
    let hidden = call.run("aten::all.dim", &[hidden, args[1].clone(), Value::Bool(true)])?;
    call.run("aten::masked_fill.Scalar", &[weights, hidden, Value::Int(0)])
}

/// The scaled and masked scores of queries and keys.
fn scores(
    call: &mut Call<'_>,
    [query, key]: [&Tensor; 2],
    mask: Option<&Tensor>,
    causal: bool,
    scale: Option<f64>,
) -> Result<Value, Fault> {
    let width = query.sizes().last().copied().unwrap_or(1);
    let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
    let keys = call.run("aten::transpose.int", &[of(key), Value::Int(-2), Value::Int(-1)])?;
    let scores = call.run("aten::matmul", &[of(query), keys])?;
    let scores = call.run_tensor("aten::mul.Scalar", &[scores, Value::Float(scale)])?;
    if causal && mask.is_some() {
        return raised("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    }
    let minus_infinity = Value::Float(f64::NEG_INFINITY);
    if causal {
        let sizes = scores.sizes();
        let [.., rows, columns] = sizes[..] else {
            let rank = sizes.len();
            return raised(format!("causal attention of scores with {rank} dimensions; there must be at least two"));
        };
        let square = call.int_list(&[rows, columns]);
        let kind = Value::Int(DType::Bool.code());
        let ones = call.run("aten::ones", &[square, kind])?;
        let later = call.run("aten::triu", &[ones, Value::Int(1)])?;
        return call.run("aten::masked_fill.Scalar", &[of(&scores), later, minus_infinity]);
    }
    match mask {
        None => Ok(of(&scores)),
        Some(mask) if mask.dtype() == DType::Bool => {
            let hidden = call.run("aten::logical_not", &[of(mask)])?;
            call.run("aten::masked_fill.Scalar", &[of(&scores), hidden, minus_infinity])
        }
        Some(mask) => call.run("aten::add.Tensor", &[of(&scores), of(mask)]),
    }
}

/// Attention step by step, with its weights.
pub(super) fn attention_math(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [query, key, value] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let (mask, dropout, causal, scale) = (call.opt_tensor(3)?, call.float(4)?, call.bool(5)?, call.opt_float(7)?);
    if call.given(6) || call.bool(8)? {
        return Err(Fault::unsupported(format!("{} with a dropout mask or grouped heads", call.name())));
    }
    let scores = scores(call, [query, key], mask, causal, scale)?;
    let mut weights = call.run("aten::_safe_softmax", &[scores, Value::Int(-1)])?;
    if dropout > 0.0 {
        weights = call.run("aten::dropout", &[weights, Value::Float(dropout), Value::Bool(true)])?;
    }
    let output = call.run("aten::matmul", &[weights.clone(), of(value)])?;
    Ok(Value::tuple([output, weights]))
}

/// Attention, and the logarithms of the sums that its weights were divided by.
pub(super) fn attention_flash(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [query, key, value] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let (dropout, causal, mask, scale) = (call.float(3)?, call.bool(4)?, call.opt_tensor(5)?, call.opt_float(6)?);
    wrap_existing_dim(2, query.sizes().len())?;
    if [query, key, value].iter().any(|tensor| tensor.sizes().len() != 4) {
        return raised("scaled_dot_product_attention_flash_attention: Accept only 4 dims inputs shape of {B, H, T, K}");
    }
    if dropout != 0.0 {
        return raised("scaled_dot_product_attention_flash_attention: Currently do not support dropout > 0");
    }
    let scores = scores(call, [query, key], mask, causal, scale)?;
    let last = call.int_list(&[-1]);
    let narrow = matches!(query.dtype(), DType::Float16 | DType::BFloat16);
    let wide = if narrow { DType::Float32 } else { query.dtype() };
    let sums = call.run("aten::to.dtype", &[scores.clone(), Value::Int(wide.code())])?;
    let sums = call.run("aten::logsumexp", &[sums, last])?;
    // They lie by queries first, then by heads.
    let by_queries =
        |call: &mut Call<'_>, x: Value| call.run("aten::transpose.int", &[x, Value::Int(1), Value::Int(2)]);
    let sums = by_queries(call, sums)?;
    let sums = call.run("aten::contiguous", &[sums])?;
    let sums = by_queries(call, sums)?;
    let weights = call.run("aten::_safe_softmax", &[scores, Value::Int(-1)])?;
    let output = call.run("aten::matmul", &[weights, of(value)])?;
    Ok(Value::tuple([output, sums]))
}
