//! `_foreach_*`: the same operator on each item of lists.
//!
//! PyTorch's kernels for other machines do all items in one; on the CPU they call the operator for one tensor after another, and so
//! does the one kernel here, whose rows are made: an operator has it if the operator for one tensor has a kernel.

use super::{Call, Correction, Fault, Kernel, Operator, find};
use crate::tensor::Tensor;
use crate::value::Value;

/// The rows are made where they are looked up.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[];

/// They write all of each tensor.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_foreach_copy_", &[Correction::Overwrites(&["self"])]),
    ("aten::_foreach_zero_", &[Correction::Overwrites(&["self"])]),
];

/// The operator that does the same to one tensor, if there is one with a kernel.
pub(super) fn single(operator: &Operator) -> Option<&'static Operator> {
    let short = operator.name.strip_prefix("aten::_foreach_")?;
    let (short, in_place) = short.strip_suffix('_').map_or((short, ""), |short| (short, "_"));
    let overload = match (short, operator.overload) {
        (_, overload) if overload.ends_with("out") => return None,
        ("norm", _) => return find("aten::linalg_vector_norm"),
        (_, "") | ("addcdiv" | "addcmul", _) => "",
        ("pow", "List") if in_place.is_empty() => "Tensor_Tensor",
        ("pow", "Scalar" | "ScalarList") if in_place.is_empty() => "Tensor_Scalar",
        ("clamp_min" | "clamp_max" | "maximum" | "minimum", "Scalar" | "ScalarList") => "",
        (_, "Scalar" | "ScalarList" | "ScalarAndTensor") => "Scalar",
        _ => "Tensor",
    };
    let short = match short {
        "maximum" => "clamp_min",
        "minimum" => "clamp_max",
        other => other,
    };
    let dot = if overload.is_empty() { "" } else { "." };
    find(&format!("aten::{short}{in_place}{dot}{overload}")).filter(|single| single.kernel.is_some())
}

pub(super) fn each(call: &mut Call<'_>) -> Result<Value, Fault> {
    let single = single(call.operator).expect("it had one when the table was made");
    let args = call.args.iter().map(|arg| items(call, arg)).collect::<Result<Vec<_>, Fault>>()?;
    let count = check(call, &args)?;
    let mut results: Vec<Tensor> = Vec::new();
    for i in 0..count {
        let mut one: Vec<Value> = args.iter().map(|arg| arg.at(i)).collect();
        if single.name == "aten::linalg_vector_norm" {
            // Of all of the tensor, without dimensions that are kept.
            one.splice(2..2, [Value::None, Value::Bool(false)]);
        }
        match call.run(&single.full_name(), &one)? {
            Value::Tensor(result) => results.push(result),
            other => panic!("{} gives {other:?}", single.full_name()),
        }
    }
    Ok(if call.operator.schema.returns.is_empty() { Value::None } else { call.tensor_list(results) })
}

/// An argument: one value for all calls, or one for each.
enum Items {
    Same(Value),
    Tensors(Vec<Value>),
    Numbers(Vec<Value>),
}

impl Items {
    fn at(&self, i: usize) -> Value {
        match self {
            Items::Same(value) => value.clone(),
            Items::Tensors(values) | Items::Numbers(values) => values[i].clone(),
        }
    }
}

fn items(call: &Call<'_>, arg: &Value) -> Result<Items, Fault> {
    match arg {
        Value::List(list) => {
            let items = list.content().items.clone();
            let numbers = items.first().is_some_and(|item| !matches!(item, Value::Tensor(_)));
            Ok(if numbers { Items::Numbers(items) } else { Items::Tensors(items) })
        }
        Value::Tensor(tensor)
            if matches!(
                call.operator.name.trim_end_matches('_'),
                "aten::_foreach_addcdiv" | "aten::_foreach_addcmul"
            ) =>
        {
            packed(call, tensor)
        }
        Value::Tensor(tensor) => {
            let sizes = tensor.sizes();
            if sizes.is_empty() {
                return Ok(Items::Same(arg.clone()));
            }
            Err(Fault::raised(format!(
                "scalar tensor expected to be 0 dim but it has {} dimensions and {} elements.",
                sizes.len(),
                tensor.numel()
            )))
        }
        other => Ok(Items::Same(other.clone())),
    }
}

/// Numbers that are given as a tensor.
fn packed(call: &Call<'_>, tensor: &Tensor) -> Result<Items, Fault> {
    let sizes = tensor.sizes();
    if sizes.len() != 1 {
        return Err(Fault::raised(format!(
            "Expected packed scalar Tensor to be of dimension 1. Got {} instead.",
            sizes.len()
        )));
    }
    let count = call.list(0)?.content().items.len();
    if sizes[0] != count as i64 {
        return Err(Fault::raised(format!(
            "Expected length of scalars to match input of length {count} but got {} instead.",
            sizes[0]
        )));
    }
    if tensor.dtype().is_floating_point() {
        return Ok(Items::Numbers(tensor.to_f64s(&call.memory())?.into_iter().map(Value::Float).collect()));
    }
    Ok(Items::Numbers(tensor.to_i64s(&call.memory())?.into_iter().map(Value::Int).collect()))
}

/// The length that all lists have.
fn check(call: &Call<'_>, args: &[Items]) -> Result<usize, Fault> {
    let mut first = None;
    for arg in args {
        let (Items::Tensors(items) | Items::Numbers(items)) = arg else { continue };
        if items.is_empty() {
            return Err(Fault::raised("Tensor list must have at least one tensor."));
        }
        let count = *first.get_or_insert(items.len());
        if items.len() != count {
            return Err(Fault::raised(match arg {
                Items::Numbers(_) => {
                    let words = "Tensor list must have same number of elements as scalar list";
                    let lists = args.iter().filter(|arg| matches!(arg, Items::Tensors(_))).count();
                    if lists > 1 { format!("{words}, got {count} and {}", items.len()) } else { format!("{words}.") }
                }
                _ => format!("Tensor lists must have the same number of tensors, got {count} and {}", items.len()),
            }));
        }
    }
    first.ok_or_else(|| call.wrong(0, "a list"))
}

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;
    use crate::operators::{overloads, registry::names};

    /// All but the forms that write to a list of their own.
    #[test]
    fn every_one_runs() {
        let all = names().filter(|name| name.starts_with("aten::_foreach_"));
        for operator in all.flat_map(|name| overloads(name).expect("its own name")) {
            assert_eq!(operator.kernel.is_some(), !operator.overload.ends_with("out"), "{}", operator.full_name());
        }
    }

    #[test]
    fn each_item_is_done_alone() {
        replay(
            "aten::_foreach_abs [f32[2]{-1.0 2.0}, i64[1]{-3}] -> [f32[2]{1.0 2.0}, i64[1]{3}]
aten::_foreach_abs_ [f32[2]{-1.0 2.0}, i64[1]{-3}] -> None & 0=[f32[2]{1.0 2.0}, i64[1]{3}]
aten::_foreach_sqrt [i64[1]{4}, f64[2,1]{9.0 0.25}] -> [f32[1]{2.0}, f64[2,1]{3.0 0.5}]
aten::_foreach_neg [f32[0]{}] -> [f32[0]{}]
aten::_foreach_add.Scalar [f32[1]{1.0}, i64[1]{2}] 3 -> [f32[1]{4.0}, i64[1]{5}]
aten::_foreach_add.List [f32[1]{1.0}, f32[1]{2.0}] [f32[1]{10.0}, f32[2]{20.0 30.0}] 2 -> [f32[1]{21.0}, f32[2]{42.0 62.0}]
aten::_foreach_add.ScalarList [f32[1]{1.0}, f32[1]{2.0}] [0.5, 1.5] -> [f32[1]{1.5}, f32[1]{3.5}]
aten::_foreach_add.Tensor [f32[1]{1.0}, f32[1]{2.0}] f32[]{10.0} 2 -> [f32[1]{21.0}, f32[1]{22.0}]
aten::_foreach_add_.List [f32[1]{1.0}, f32[1]{2.0}] [f32[1]{10.0}, f32[1]{20.0}] 1 -> None & 0=[f32[1]{11.0}, f32[1]{22.0}]
aten::_foreach_sub_.ScalarList [f32[1]{1.0}, f32[1]{2.0}] [1.0, 3.0] -> None & 0=[f32[1]{0.0}, f32[1]{-1.0}]
aten::_foreach_mul_.Tensor [f32[1]{3.0}, f32[2]{2.0 4.0}] f32[]{0.5} -> None & 0=[f32[1]{1.5}, f32[2]{1.0 2.0}]
aten::_foreach_div.Scalar [f32[1]{3.0}, i64[1]{3}] 2 -> [f32[1]{1.5}, f32[1]{1.5}]
aten::_foreach_maximum.Scalar [f32[2]{1.0 3.0}] 2 -> [f32[2]{2.0 3.0}]
aten::_foreach_minimum_.List [f32[2]{1.0 3.0}] [f32[2]{2.0 2.0}] -> None & 0=[f32[2]{1.0 2.0}]
aten::_foreach_clamp_max.ScalarList [f32[2]{1.0 3.0}, f32[1]{5.0}] [2.0, 4.0] -> [f32[2]{1.0 2.0}, f32[1]{4.0}]
aten::_foreach_pow.Scalar [f32[1]{3.0}] 2 -> [f32[1]{9.0}]
aten::_foreach_pow.List [f32[1]{3.0}] [f32[1]{2.0}] -> [f32[1]{9.0}]
aten::_foreach_pow_.ScalarList [f32[1]{3.0}, f32[1]{2.0}] [2.0, 3.0] -> None & 0=[f32[1]{9.0}, f32[1]{8.0}]
aten::_foreach_pow.ScalarAndTensor 2 [f32[1]{3.0}, f32[1]{4.0}] -> [f32[1]{8.0}, f32[1]{16.0}]
aten::_foreach_lerp.List [f32[1]{1.0}] [f32[1]{3.0}] [f32[1]{0.25}] -> [f32[1]{1.5}]
aten::_foreach_lerp_.Scalar [f32[1]{1.0}] [f32[1]{3.0}] 0.25 -> None & 0=[f32[1]{1.5}]
aten::_foreach_addcmul.Scalar [f32[1]{1.0}] [f32[1]{3.0}] [f32[1]{4.0}] 2 -> [f32[1]{25.0}]
aten::_foreach_addcdiv_.ScalarList [f32[1]{1.0}, f32[1]{1.0}] [f32[1]{3.0}, f32[1]{4.0}] [f32[1]{2.0}, f32[1]{2.0}] [2.0, 1.0] -> None & 0=[f32[1]{4.0}, f32[1]{3.0}]
aten::_foreach_addcmul.Tensor [f32[1]{1.0}, f32[1]{2.0}] [f32[1]{3.0}, f32[1]{3.0}] [f32[1]{4.0}, f32[1]{4.0}] f32[2]{2.0 0.5} -> [f32[1]{25.0}, f32[1]{8.0}]
aten::_foreach_norm.Scalar [f32[2]{3.0 4.0}, f64[2,1]{-6.0 8.0}] 2 None -> [f32[]{5.0}, f64[]{10.0}]
aten::_foreach_norm.Scalar [f32[2]{3.0 4.0}] 1 7 -> [f64[]{7.0}]
aten::_foreach_max [f32[2]{3.0 4.0}, i64[2]{1 0}] -> [f32[]{4.0}, i64[]{1}]
aten::_foreach_copy_ [f32[2]{3.0 4.0}] [i64[2]{1 0}] False -> None & 0=[f32[2]{1.0 0.0}]
aten::_foreach_zero_ [f32[2]{3.0 4.0}, i64[1]{7}] -> None & 0=[f32[2]{0.0 0.0}, i64[1]{0}]",
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_in_pytorchs_words() {
        replay(
            "aten::_foreach_abs [] -> ! Tensor list must have at least one tensor.
aten::_foreach_mul.List [f32[1]{1.0}, f32[1]{2.0}] [f32[1]{1.0}] -> ! Tensor lists must have the same number of tensors, got 2 and 1
aten::_foreach_mul.ScalarList [f32[1]{1.0}, f32[1]{2.0}] [1.0] -> ! Tensor list must have same number of elements as scalar list.
aten::_foreach_mul.Tensor [f32[1]{1.0}] f32[2]{1.0 2.0} -> ! scalar tensor expected to be 0 dim but it has 1 dimensions and 2 elements.
aten::_foreach_addcmul.Tensor [f32[1]{1.0}] [f32[1]{1.0}] [f32[1]{1.0}] f32[2]{1.0 2.0} -> ! Expected length of scalars to match input of length 1 but got 2 instead.
aten::_foreach_addcmul.Tensor [f32[1]{1.0}] [f32[1]{1.0}] [f32[1]{1.0}] f32[]{1.0} -> ! Expected packed scalar Tensor to be of dimension 1. Got 0 instead.",
        );
    }
}
