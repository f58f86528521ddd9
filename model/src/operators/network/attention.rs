//! Attention by scaled dot products.

use crate::operators::curves::Curves;
use crate::operators::linalg::matmul::matmul_of;
use crate::operators::random::drop_elements;
use crate::operators::reduce::softmax::softmax_row;
use crate::operators::{Call, Fault, Operator};
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Dims, Layout, Tensor, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

pub(super) fn attention(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (query, mut key, mut value) = (call.tensor(0)?.clone(), call.tensor(1)?.clone(), call.tensor(2)?.clone());
    let (mask, dropout, causal) = (call.opt_tensor(3)?, call.float(4)?, call.bool(5)?);
    let (scale, grouped) = (call.opt_float(6)?, call.bool(7)?);
    check(&query, &key, &value, mask, causal)?;
    if grouped {
        key = repeated_heads(call, &query, &key)?;
        value = repeated_heads(call, &query, &value)?;
    }
    let dtype = query.dtype();
    let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
    let in_wide = |tensor: &Tensor, call: &mut Call<'_>| {
        if tensor.dtype() == wide { Ok(tensor.clone()) } else { tensor.convert(call.allocator, wide) }
    };
    let (query, key, value) = (in_wide(&query, call)?, in_wide(&key, call)?, in_wide(&value, call)?);
    let width = query.sizes()[query.sizes().len() - 1];
    let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
    let key = transposed(call, &key);
    let scores = matmul_of(call, &query, &key)?;
    let weights = dispatch!(wide wide, "aten::scaled_dot_product_attention", T => {
        weights::<T>(call, &scores, mask, causal, scale)?
    });
    let weights = if dropout > 0.0 { drop_elements(call, &weights, dropout)? } else { weights };
    let result = matmul_of(call, &weights, &value)?;
    let result = if dtype == wide { result } else { result.convert(call.allocator, dtype)? };
    Ok(Value::Tensor(result))
}

fn check(query: &Tensor, key: &Tensor, value: &Tensor, mask: Option<&Tensor>, causal: bool) -> Result<(), Fault> {
    if key.dtype() != query.dtype() || value.dtype() != query.dtype() {
        return raised(format!(
            "Expected query, key, and value to have the same dtype, but got query.dtype: {} key.dtype: {} and \
             value.dtype: {} instead.",
            query.dtype().c_name(),
            key.dtype().c_name(),
            value.dtype().c_name()
        ));
    }
    if [query, key, value].iter().any(|tensor| tensor.sizes().len() < 2) {
        let ranks = [query, key, value].map(|tensor| tensor.sizes().len());
        return raised(format!(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {}, key.dim: {} and \
             value.dim: {} instead.",
            ranks[0], ranks[1], ranks[2]
        ));
    }
    if !query.dtype().is_floating_point() {
        return Err(Fault::no_kernel("aten::scaled_dot_product_attention", query.dtype()));
    }
    if let Some(mask) = mask
        && mask.dtype() != DType::Bool
        && mask.dtype() != query.dtype()
    {
        return raised(format!(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: {} and  \
             query.dtype: {} instead.",
            mask.dtype().c_name(),
            query.dtype().c_name()
        ));
    }
    if mask.is_some() && causal {
        return raised("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
    }
    Ok(())
}

/// Each head of keys or values as often as there are heads of queries for it.
fn repeated_heads(call: &mut Call<'_>, query: &Tensor, tensor: &Tensor) -> Result<Tensor, Fault> {
    let (q_sizes, sizes) = (query.sizes(), tensor.sizes());
    let (rank, q_rank) = (sizes.len(), q_sizes.len());
    if rank < 3 || q_rank < 3 {
        return raised("Expected query, key, and value to be at least 3 dimensional when enable_gqa is set");
    }
    let (heads, wanted) = (sizes[rank - 3], q_sizes[q_rank - 3]);
    if heads == 0 || wanted % heads != 0 {
        return raised("Number of heads in key and value must divide the number of heads in query");
    }
    let times = (wanted / heads) as usize;
    let mut result: Dims = sizes.clone();
    result[rank - 3] = wanted;
    let part = (sizes[rank - 2] * sizes[rank - 1]).max(1) as usize;
    let elements = call.read::<f64>(tensor)?;
    let repeated: Vec<f64> = elements.chunks(part).flat_map(|head| head.repeat(times)).collect();
    call.create(tensor.dtype(), &result, &repeated)
}

/// A view with the last two dimensions exchanged.
fn transposed(call: &mut Call<'_>, tensor: &Tensor) -> Tensor {
    let metadata = tensor.metadata();
    let exchange = |from: &[i64]| -> Dims {
        let mut dims: Dims = from.into();
        let rank = dims.len();
        dims.swap(rank - 1, rank - 2);
        dims
    };
    let layout = &metadata.layout;
    let layout = Layout::strided(&exchange(layout.sizes()), &exchange(layout.strides()), layout.offset());
    Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout)
}

/// The softmax of scaled and masked scores; a row that may look at nothing has no weights.
fn weights<T: Curves>(
    call: &mut Call<'_>,
    scores: &Tensor,
    mask: Option<&Tensor>,
    causal: bool,
    scale: f64,
) -> Result<Tensor, Fault> {
    let own = scores.sizes();
    let sizes = match mask {
        Some(mask) => broadcast(&own, &mask.sizes())?,
        None => own,
    };
    let (memory, math) = (call.memory(), call.modes.math);
    let columns = sizes[sizes.len() - 1] as usize;
    let rows = sizes[sizes.len() - 2] as usize;
    let mut x = scores.read_expanded::<T>(&sizes, &memory)?.to_vec();
    x.iter_mut().for_each(|x| *x = *x * T::of(scale));
    if let Some(mask) = mask {
        let added = mask.read_expanded::<T>(&sizes, &memory)?;
        let hides = mask.dtype() == DType::Bool;
        for (x, &m) in x.iter_mut().zip(&*added) {
            *x = if !hides {
                *x + m
            } else if m == T::of(0.0) {
                -T::INFINITY
            } else {
                *x
            };
        }
    }
    if causal {
        for (i, row) in x.chunks_mut(columns.max(1)).enumerate() {
            row.iter_mut().skip(i % rows + 1).for_each(|x| *x = -T::INFINITY);
        }
    }
    let mut results: Vec<T> = Vec::with_capacity(x.len());
    for row in x.chunks(columns.max(1)) {
        if row.iter().all(|&x| x == -T::INFINITY) {
            results.extend(row.iter().map(|_| T::of(0.0)));
        } else {
            softmax_row(row, &mut results, math);
        }
    }
    call.create(T::DTYPE, &sizes, &results)
}

/// Whether weights are dropped by chance.
pub(super) fn draws(operator: &Operator, args: &[Value]) -> bool {
    let i = operator.schema.argument("dropout_p").expect("attention may drop");
    matches!(args[i], Value::Float(p) if p > 0.0 && p < 1.0)
}
