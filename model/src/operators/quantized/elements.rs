//! Ordinary operators that compare, choose or replace elements of quantized tensors.

use super::super::creation::copies::copy_as;
use super::super::{Call, Fault};
use super::conversion::dequantized;
use super::parts::{Parts, relabelled, suggested};
use crate::tensor::{Quantizer, Tensor};
use crate::value::Value;

/// The kernel for plain tensors on other arguments.
fn plainly(call: &mut Call<'_>, args: &[Value]) -> Result<Value, Fault> {
    let plain = call.operator.kinds.expect("it has two kernels").plain;
    call.run_kernel(plain, args)
}

/// Comparisons, and what tells of an element, are of the numbers.
pub(super) fn compared(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut args = call.args.to_vec();
    for arg in &mut args {
        if let Value::Tensor(tensor) = arg {
            *arg = Value::Tensor(dequantized(call, &tensor.clone())?);
        }
    }
    plainly(call, &args)
}

/// Whether two tensors are quantized alike and have the same elements.
pub(super) fn equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (left, right) = (call.tensor(0)?, call.tensor(1)?);
    if left.dtype() != right.dtype() {
        let (expected, found) = (left.dtype().scalar_type_name(), right.dtype().scalar_type_name());
        let text = format!("Expected all tensors to have the same dtype, but got {expected} and {found}");
        return Err(Fault::raised(text));
    }
    if left.metadata().quantizer != right.metadata().quantizer || left.sizes() != right.sizes() {
        return Ok(Value::Bool(false));
    }
    let (left, right) = (Parts::of(call, 0)?, Parts::of(call, 1)?);
    plainly(call, &[Value::Tensor(left.integers), Value::Tensor(right.integers)])
}

/// Some of the elements, such as the greatest or all in order, and where they are: integers are ordered as what they stand for.
pub(super) fn chosen(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (parts, _) = Parts::with_affine(call, 0)?;
    let mut args = call.args.to_vec();
    args[0] = Value::Tensor(ordered(call, &parts)?);
    let label = |call: &mut Call<'_>, value: &Value| match value {
        Value::Tensor(found) if found.dtype() == parts.integers.dtype() => {
            Value::Tensor(relabelled(call, found, parts.dtype, parts.quantizer.clone()))
        }
        other => other.clone(),
    };
    let found = plainly(call, &args)?;
    Ok(match &found {
        Value::Tuple(items) => Value::Tuple(items.iter().map(|item| label(call, item)).collect()),
        one => label(call, one),
    })
}

/// The plain kernel on the integers as they lie in a new tensor.
pub(super) fn in_order(call: &mut Call<'_>) -> Result<Value, Fault> {
    let parts = Parts::of(call, 0)?;
    let mut args = call.args.to_vec();
    args[0] = Value::Tensor(ordered(call, &parts)?);
    match plainly(call, &args)? {
        Value::Tensor(found) => Ok(Value::Tensor(relabelled(call, &found, parts.dtype, parts.quantizer))),
        _ => unreachable!("it gives a tensor"),
    }
}

/// The integers as they lie in a new tensor.
pub(super) fn ordered(call: &mut Call<'_>, parts: &Parts) -> Result<Tensor, Fault> {
    let layout = suggested(&parts.integers.metadata().layout, &parts.integers.sizes())?;
    copy_as(call, &parts.integers, parts.integers.dtype(), layout)
}

/// `full_like`, `ones_like` and `empty_like`: a copy that is filled.
pub(super) fn like(call: &mut Call<'_>) -> Result<Value, Fault> {
    let own = call.tensor(0)?.dtype();
    let dtype = call.dtype_or(call.position("dtype").expect("the schema has it"), own)?;
    if dtype != own {
        let text = "It is currently not supported to specify a dtype that doesn't match the input tensor's dtype via \
                    empty_like.  Specified: ";
        return Err(Fault::raised(format!(
            "{text}{} Input tensor's dtype: {}",
            dtype.scalar_type_name(),
            own.scalar_type_name()
        )));
    }
    let copy = call.run_tensor("aten::clone", &[call.value(0).clone(), Value::None])?;
    if call.operator.name == "aten::empty_like" {
        let parts = Parts::of_tensor(call, &copy)?.expect("it is a copy of a quantized one");
        call.run("aten::fill_.Scalar", &[Value::Tensor(parts.integers), Value::Int(0)])?;
        return Ok(Value::Tensor(copy));
    }
    let number = if call.operator.name == "aten::ones_like" { Value::Int(1) } else { call.value(1).clone() };
    call.run("aten::fill_.Scalar", &[Value::Tensor(copy), number])
}

/// The element for a number, or for a tensor of one.
fn element(call: &mut Call<'_>, i: usize, parts: &Parts) -> Result<Value, Fault> {
    let number = match call.value(i) {
        Value::Tensor(tensor) => dequantized(call, tensor)?.item()?.to_f64(),
        _ => call.scalar(i)?.to_f64(),
    };
    Ok(Value::Int(parts.affine()?.quantize(number as f32, parts.dtype)))
}

/// The first argument itself if the operator writes it, or else a copy of it.
fn target(call: &mut Call<'_>) -> Result<Tensor, Fault> {
    let tensor = call.tensor(0)?.clone();
    match call.destination()?.target().is_some() {
        true => Ok(tensor),
        false => call.run_tensor("aten::clone", &[Value::Tensor(tensor), Value::None]),
    }
}

/// All elements become the one that is nearest to a number.
pub(super) fn filled(call: &mut Call<'_>) -> Result<Value, Fault> {
    replaced(call, |call, parts| {
        let element = element(call, 1, parts)?;
        call.run("aten::fill_.Scalar", &[Value::Tensor(parts.integers.clone()), element])
    })
}

/// The elements that a mask names become the one that is nearest to a number.
pub(super) fn masked(call: &mut Call<'_>) -> Result<Value, Fault> {
    if !matches!(call.tensor(0)?.metadata().quantizer.as_deref(), Some(Quantizer::PerTensor(_))) {
        return Err(Fault::raised(
            "masked_fill__quantized_cpu for quantized tensors is currently only supported for per tensor quantized tensors",
        ));
    }
    replaced(call, |call, parts| {
        let args = [Value::Tensor(parts.integers.clone()), call.value(1).clone(), element(call, 2, parts)?];
        call.run("aten::masked_fill_.Scalar", &args)
    })
}

fn replaced(
    call: &mut Call<'_>,
    write: impl FnOnce(&mut Call<'_>, &Parts) -> Result<Value, Fault>,
) -> Result<Value, Fault> {
    let target = target(call)?;
    let parts = Parts::of_tensor(call, &target)?.ok_or_else(|| super::wrong_backend(call, "CPU"))?;
    write(call, &parts)?;
    Ok(Value::Tensor(target))
}

/// What is added around is the element that is nearest to a number.
pub(super) fn padded(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (parts, _) = Parts::with_affine(call, 0)?;
    let element = element(call, 2, &parts)?;
    let args = [Value::Tensor(parts.integers.clone()), call.value(1).clone(), element];
    match plainly(call, &args)? {
        Value::Tensor(found) => Ok(Value::Tensor(relabelled(call, &found, parts.dtype, parts.quantizer))),
        _ => unreachable!("it gives a tensor"),
    }
}
