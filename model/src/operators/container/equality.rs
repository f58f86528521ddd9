//! Whether two values are equal, as the items of lists are compared.

use super::rows;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::broadcast::broadcast;
use crate::tensor::{Scalar, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| lists_equal(call).map(Value::Bool) => "aten::eq.int_list" "aten::eq.float_list" "aten::eq.bool_list"
        "aten::eq.str_list" "aten::eq.Tensor_list";
    |call| Ok(Value::Bool(!lists_equal(call)?)) => "aten::ne.int_list" "aten::ne.float_list" "aten::ne.bool_list"
        "aten::ne.str_list" "aten::ne.Tensor_list";
};

fn lists_equal(call: &Call<'_>) -> Result<bool, Fault> {
    let (a, b) = (call.list(0)?.content(), call.list(1)?.content());
    if a.items.len() != b.items.len() {
        return Ok(false);
    }
    for (a, b) in a.items.iter().zip(&b.items) {
        if !equal(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether two items are equal: numbers by value, text by its characters, tensors as `bool(a == b)`.
pub(in crate::operators) fn equal(a: &Value, b: &Value) -> Result<bool, Fault> {
    Ok(match (a, b) {
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Tensor(a), Value::Tensor(b)) => tensors_equal(a, b)?,
        (Value::None, Value::None) => true,
        (a, b) => match (Scalar::from_value(a), Scalar::from_value(b)) {
            (Some(Scalar::Int(a)), Some(Scalar::Int(b))) => a == b,
            (Some(a @ Scalar::Complex(_)), Some(b)) | (Some(a), Some(b @ Scalar::Complex(_))) => {
                a.cast::<num_complex::Complex64>() == b.cast::<num_complex::Complex64>()
            }
            (Some(a), Some(b)) => a.to_f64() == b.to_f64(),
            _ => return Err(Fault::unsupported(format!("a comparison of {a:?} and {b:?}"))),
        },
    })
}

/// `bool(a == b)`: defined for results of one element only.
fn tensors_equal(a: &Tensor, b: &Tensor) -> Result<bool, Fault> {
    let sizes = broadcast(&a.sizes(), &b.sizes())?;
    match sizes.iter().product::<i64>() {
        0 => Err(Fault::raised("Boolean value of Tensor with no values is ambiguous")),
        1 => equal(&a.item()?.to_value(), &b.item()?.to_value()),
        _ => Err(Fault::raised("Boolean value of Tensor with more than one value is ambiguous")),
    }
}
