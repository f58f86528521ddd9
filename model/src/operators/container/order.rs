//! Sorting lists.
//!
//! Up to sixteen items are sorted by insertion, as the C++ library does, so that even nans come to lie as they do
//! in PyTorch; more are merged. Neither minds an order that is none.

use std::cmp::Ordering;

use super::{new_list, rows};
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Scalar;
use crate::types::Type;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    sort => "aten::sort.int" "aten::sort.float" "aten::sort.bool" "aten::sort.str" "aten::sort.Tensor" "aten::sort.any";
    sorted => "aten::sorted.int" "aten::sorted.float" "aten::sorted.bool" "aten::sorted.str" "aten::sorted.Tensor"
        "aten::sorted.any";
};

fn sort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    let items = in_order(content.items.clone(), &content.item, call.bool(1)?)?;
    call.list(0)?.slot().update(|list| list.items = items);
    Ok(Value::None)
}

fn sorted(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    let items = in_order(content.items.clone(), &content.item, false)?;
    Ok(new_list(call, content.item.clone(), items))
}

fn in_order(items: Vec<Value>, ty: &Type, reverse: bool) -> Result<Vec<Value>, Fault> {
    let mut before = |a: &Value, b: &Value| match compare(a, b, ty)? {
        Some(Ordering::Equal) => Ok(false),
        ordering => Ok((ordering == Some(Ordering::Less)) != reverse),
    };
    if items.len() <= 16 { by_insertion(items, &mut before) } else { by_merging(items, &mut before) }
}

type Before<'a> = &'a mut dyn FnMut(&Value, &Value) -> Result<bool, Fault>;

fn by_insertion(mut items: Vec<Value>, before: Before<'_>) -> Result<Vec<Value>, Fault> {
    for i in 1..items.len() {
        // An item that comes before the first goes there at once; else it moves down from where it is.
        let mut at = if before(&items[i], &items[0])? { 0 } else { i };
        while at > 0 && before(&items[i], &items[at - 1])? {
            at -= 1;
        }
        items[at..=i].rotate_right(1);
    }
    Ok(items)
}

fn by_merging(mut items: Vec<Value>, before: Before<'_>) -> Result<Vec<Value>, Fault> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (mut a, mut b) = pair.split_at(width.min(pair.len()));
            while let ([first, rest @ ..], [second, others @ ..]) = (a, b) {
                if before(second, first)? {
                    merged.push(second.clone());
                    b = others;
                } else {
                    merged.push(first.clone());
                    a = rest;
                }
            }
            merged.extend_from_slice(a);
            merged.extend_from_slice(b);
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

/// How two items are ordered; `None` beside a nan.
fn compare(a: &Value, b: &Value, ty: &Type) -> Result<Option<Ordering>, Fault> {
    Ok(match (a, b) {
        (Value::Str(a), Value::Str(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.iter().zip(b.iter()) {
                match compare(a, b, ty)? {
                    Some(Ordering::Equal) => {}
                    ordering => return Ok(ordering),
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        (Value::Tensor(a), Value::Tensor(b)) => {
            let one = |tensor: &crate::tensor::Tensor| match tensor.numel() {
                0 => Err(Fault::raised("Boolean value of Tensor with no values is ambiguous")),
                1 => tensor.item(),
                _ => Err(Fault::raised("Boolean value of Tensor with more than one value is ambiguous")),
            };
            numbers(one(a)?, one(b)?)
        }
        (Value::Object(a), Value::Object(_)) if a.class().methods.contains_key("__lt__") => {
            return Err(Fault::unsupported("sorting objects by their `__lt__`"));
        }
        (a, b) => match (Scalar::from_value(a), Scalar::from_value(b)) {
            (Some(Scalar::Complex(_)), _) | (_, Some(Scalar::Complex(_))) | (None, _) | (_, None) => {
                return Err(Fault::raised(format!(
                    "Only list of Tensors, ints, floats, bools, strs, a User Defined Class that defines the __lt__ \
                     compare method or Tuples of aforementioned types can be sorted, got list of {}",
                    ty.code()
                )));
            }
            (Some(a), Some(b)) => numbers(a, b),
        },
    })
}

fn numbers(a: Scalar, b: Scalar) -> Option<Ordering> {
    match (a, b) {
        (Scalar::Float(_), _) | (_, Scalar::Float(_)) => a.to_f64().partial_cmp(&b.to_f64()),
        _ => Some(a.to_i64().cmp(&b.to_i64())),
    }
}
