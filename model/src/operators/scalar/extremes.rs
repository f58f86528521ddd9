//! `min` and `max` of two numbers, of a list, and of two lists; sums, `any` and `all` of lists.

use super::{complex, not_these_numbers, pair, rows};
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Scalar;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| of_two(call, true) => "prim::min" "prim::min.int" "prim::min.float" "prim::min.int_float" "prim::min.float_int";
    |call| of_two(call, false) => "prim::max" "prim::max.int" "prim::max.float" "prim::max.int_float" "prim::max.float_int";
    |call| of_one_list(call, true) => "prim::min.self_int" "prim::min.self_float" "prim::min.self_bool";
    |call| of_one_list(call, false) => "prim::max.self_int" "prim::max.self_float" "prim::max.self_bool";
    |call| of_two_lists(call, true) => "prim::min.int_list" "prim::min.float_list" "prim::min.bool_list";
    |call| of_two_lists(call, false) => "prim::max.int_list" "prim::max.float_list" "prim::max.bool_list";
    sum => "aten::sum.int" "aten::sum.float" "aten::sum.complex" "aten::sum.bool";
    |call| Ok(Value::Bool(numbers(call, 0)?.iter().any(|item| item.is_true()))) =>
        "aten::any.int" "aten::any.float" "aten::any.bool";
    |call| Ok(Value::Bool(numbers(call, 0)?.iter().all(|item| item.is_true()))) =>
        "aten::all.int" "aten::all.float" "aten::all.bool";
    any_text => "aten::any.str";
};

/// Whether `a` is before `b`; never with a nan.
fn less(a: Scalar, b: Scalar) -> bool {
    match (a, b) {
        (Scalar::Float(_), _) | (_, Scalar::Float(_)) => a.to_f64() < b.to_f64(),
        _ => a.to_i64() < b.to_i64(),
    }
}

/// Of two the first, if it is strictly better; so of a nan and a number the second.
fn of_two(call: &Call<'_>, least: bool) -> Result<Value, Fault> {
    let (a, b) = pair(call)?;
    if let (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) = (a, b) {
        return Err(not_these_numbers(call));
    }
    let first = if least { less(a, b) } else { less(b, a) };
    let chosen = if first { a } else { b };
    // A float beside an int makes the result a float.
    let float = matches!((a, b), (Scalar::Float(_), _) | (_, Scalar::Float(_)));
    Ok(if float { Value::Float(chosen.to_f64()) } else { chosen.to_value() })
}

fn of_one_list(call: &Call<'_>, least: bool) -> Result<Value, Fault> {
    let name = if least { "min" } else { "max" };
    let items = numbers(call, 0)?;
    let mut items = items.iter().copied();
    let first = items.next().ok_or_else(|| Fault::raised(format!("{name}() arg is an empty sequence")))?;
    let better = |best, item| if least { less(item, best) } else { less(best, item) };
    Ok(items.fold(first, |best, item| if better(best, item) { item } else { best }).to_value())
}

/// The lists are compared item by item, and a prefix is less; the first is given if it is strictly better.
fn of_two_lists(call: &Call<'_>, least: bool) -> Result<Value, Fault> {
    let (a, b) = (numbers(call, 0)?, numbers(call, 1)?);
    let differs = a.iter().zip(&b).find(|(a, b)| a.to_f64() != b.to_f64());
    let first = match (differs, least) {
        (Some((a, b)), true) => less(*a, *b),
        (Some((a, b)), false) => less(*b, *a),
        (None, true) => a.len() < b.len(),
        (None, false) => a.len() > b.len(),
    };
    Ok(call.value(usize::from(!first)).clone())
}

fn sum(call: &mut Call<'_>) -> Result<Value, Fault> {
    let items = numbers(call, 0)?;
    Ok(match call.operator.overload {
        "float" => Value::Float(items.iter().map(|item| item.to_f64()).fold(0.0, |sum, item| sum + item)),
        "complex" => {
            let sum = items.iter().map(|item| item.cast::<num_complex::Complex64>()).sum::<num_complex::Complex64>();
            complex(sum.re, sum.im)
        }
        _ => Value::Int(items.iter().map(|item| item.to_i64()).fold(0, i64::wrapping_add)),
    })
}

fn any_text(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    Ok(Value::Bool(content.items.iter().any(|item| matches!(item, Value::Str(text) if !text.is_empty()))))
}

/// The numbers of the list that is argument `i`.
fn numbers(call: &Call<'_>, i: usize) -> Result<Vec<Scalar>, Fault> {
    let content = call.list(i)?.content();
    content
        .items
        .iter()
        .map(|item| Scalar::from_value(item).ok_or_else(|| call.wrong(i, "a list of numbers")))
        .collect()
}
