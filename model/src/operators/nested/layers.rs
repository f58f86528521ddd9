//! Layers on nested tensors, as an encoder of transformers calls them.

use super::super::shape::views::over;
use super::super::{Call, Fault};
use super::making::joined;
use super::{memory, nested, of, refuse};
use crate::tensor::Layout;
use crate::value::Value;

/// As if the elements were all in one dimension.
pub(super) fn elementwise(call: &mut Call<'_>) -> Result<Value, Fault> {
    let name = call.operator.name.trim_start_matches("aten::");
    let all = call.args.iter().find_map(|arg| if let Value::Tensor(tensor) = arg { tensor.nested() } else { None });
    let all = all.ok_or_else(|| refuse(call))?;
    let mut args = call.args.to_vec();
    for arg in &mut args {
        let Value::Tensor(tensor) = arg else { continue };
        let metadata = tensor.metadata();
        match &metadata.nested {
            Some(nested) if *nested != all => {
                return Err(Fault::raised(format!("{name} does not support broadcasting when given a NestedTensor")));
            }
            Some(nested) => *arg = of(&memory(call, tensor, &[nested.numel()])),
            None if metadata.layout.rank() == 0 => {}
            None => {
                let first = call.tensor(0)?.nested().is_some();
                let (first, second) = if first { ("a nested", "non-nested") } else { ("a non-nested", "nested") };
                return Err(Fault::raised(format!(
                    "Expected both self and other to be nested, but got {first} self and {second} other"
                )));
            }
        }
    }
    let Value::Tensor(result) = call.run_plain(&args)? else { return Err(refuse(call)) };
    let same = |arg: &Value| matches!(arg, Value::Tensor(tensor) if tensor.is(&result));
    Ok(match args.iter().position(same) {
        Some(i) => call.args[i].clone(),
        None => Value::Tensor(result.nest(all)),
    })
}

/// As if the rows of all entries were those of one matrix: the first argument is nested, and no other.
fn by_rows(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, nested) = (call.tensor(0)?, nested(call, 0)?);
    let last = nested.size(nested.rank() - 1).filter(|&last| last > 0).ok_or_else(|| refuse(call))?;
    let rows = memory(call, tensor, &[nested.numel() / last, last]);
    let mut args = call.args.to_vec();
    args[0] = of(&rows);
    let Value::Tensor(result) = call.run_plain(&args)? else { return Err(refuse(call)) };
    let width = result.sizes()[1];
    Ok(Value::Tensor(result.nest(nested.with_last(width).ok_or_else(|| refuse(call))?)))
}

pub(super) fn linear(call: &mut Call<'_>) -> Result<Value, Fault> {
    check_matrix(call, "Linear", 1)?;
    by_rows(call)
}

/// Raises what PyTorch raises if the rows of the first argument cannot be multiplied with the weight that is argument
/// number `i`; it multiplies with the transposed weight, or has its `linear` transpose it.
fn check_matrix(call: &Call<'_>, caller: &str, i: usize) -> Result<(), Fault> {
    let (nested, weight) = (nested(call, 0)?, call.tensor(i)?);
    if weight.nested().is_some() {
        let words = format!("{caller} does not support nested weight when input is a nested tensor.");
        return Err(Fault::raised(words));
    }
    let sizes = weight.sizes();
    if nested.rank() != 3 || sizes.len() != 2 {
        return Err(Fault::raised(format!(
            "{caller} requires nested_tensor.dim == 3 and dense_matrix.dim == 2. Nested tensor dim: {}. Dense tensor dim: {}",
            nested.rank(),
            sizes.len()
        )));
    }
    let (last, inner) = (nested.size(2).ok_or_else(|| refuse(call))?, sizes[1]);
    if last != inner {
        let dim = if caller == "Linear" { 1 } else { 0 };
        return Err(Fault::raised(format!(
            "Shape mismatch for NestedTensor {caller}: Expected input's (a nested tensor) 'last_dim' to equal \
             'weight.size({dim}), but got: last_dim = {last}, and weight.size({dim}) = {inner}"
        )));
    }
    Ok(())
}

pub(super) fn layer_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (nested, shape) = (nested(call, 0)?, call.ints(1)?);
    if !call.given(2) || !call.given(3) {
        return Err(Fault::raised("NestedTensor layer_norm requires weight and bias"));
    }
    match (nested.size(nested.rank() - 1), &shape[..]) {
        (Some(last), &[width]) if last != width => {
            Err(Fault::raised("The shape at dimension 0of normalized_shape doesn't match the input"))
        }
        (_, [_]) => by_rows(call),
        _ => Err(refuse(call)),
    }
}

/// Attention of each sequence by itself; weights, if they are wanted, are padded with zeros.
pub(super) fn attention(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [query, key, value] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    if call.given(9) {
        return Err(Fault::raised("NestedTensor with mask is not supported yet"));
    }
    if !(query.is(key) && key.is(value)) || query.numel() == 0 {
        return Err(refuse(call));
    }
    let nested = nested(call, 0)?;
    if nested.rank() != 3 {
        return Err(Fault::raised(format!("expected 3-D `query`, got {}-D tensor", nested.rank())));
    }
    check_matrix(call, "Matmul", 5)?;
    let longest = nested.longest()[0];
    let (heads, wanted, averaged) = (call.int(4)?, call.bool(10)?, call.bool(11)?);
    let (mut outputs, mut weights) = (Vec::new(), Vec::new());
    for layout in nested.layouts() {
        let &[steps, width] = layout.sizes() else { unreachable!("the tensor has three dimensions") };
        if steps == 0 && wanted {
            let sizes: &[i64] = if averaged { &[1, longest, longest] } else { &[1, heads, longest, longest] };
            weights.push(call.zeros(query.dtype(), sizes)?);
        }
        if steps == 0 {
            continue;
        }
        let sequence =
            over(call, query, Layout::strided(&[1, steps, width], &[steps * width, width, 1], layout.offset()));
        let mut args = vec![of(&sequence), of(&sequence), of(&sequence)];
        args.extend_from_slice(&call.args[3..]);
        let results = call.run_plain(&args)?;
        let Value::Tuple(results) = &results else { unreachable!("attention gives two") };
        let rows = call.int_list(&[steps, width]);
        outputs.push(call.run_tensor("aten::reshape", &[results[0].clone(), rows])?);
        if wanted {
            let padding = call.int_list(&[0, longest - steps, 0, longest - steps]);
            weights.push(call.run_tensor("aten::constant_pad_nd", &[results[1].clone(), padding])?);
        }
    }
    let output = joined(call, outputs)?.nest(nested);
    let weights = if wanted { of(&joined(call, weights)?) } else { Value::None };
    Ok(Value::tuple([of(&output), weights]))
}
