//! Comparisons of numbers, text, devices and enum members, and identity.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{not_these_numbers, rows};
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Scalar;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| equal(call).map(Value::Bool) =>
        "aten::eq" "aten::eq.int" "aten::eq.float" "aten::eq.complex" "aten::eq.bool" "aten::eq.str" "aten::eq.device"
        "aten::eq.enum" "aten::eq.int_float" "aten::eq.float_int" "aten::eq.complex_float" "aten::eq.float_complex";
    |call| Ok(Value::Bool(!equal(call)?)) =>
        "aten::ne" "aten::ne.int" "aten::ne.float" "aten::ne.complex" "aten::ne.bool" "aten::ne.str" "aten::ne.device"
        "aten::ne.enum" "aten::ne.int_float" "aten::ne.float_int" "aten::ne.complex_float" "aten::ne.float_complex";
    |call| ordered(call, Ordering::is_lt) =>
        "aten::lt" "aten::lt.int" "aten::lt.float" "aten::lt.int_float" "aten::lt.float_int" "aten::lt.str";
    |call| ordered(call, Ordering::is_le) =>
        "aten::le" "aten::le.int" "aten::le.float" "aten::le.int_float" "aten::le.float_int" "aten::le.str";
    |call| ordered(call, Ordering::is_gt) =>
        "aten::gt" "aten::gt.int" "aten::gt.float" "aten::gt.int_float" "aten::gt.float_int" "aten::gt.str";
    |call| ordered(call, Ordering::is_ge) =>
        "aten::ge" "aten::ge.int" "aten::ge.float" "aten::ge.int_float" "aten::ge.float_int" "aten::ge.str";
    |call| Ok(Value::Bool(is(call.value(0), call.value(1)))) => "aten::__is__";
    |call| Ok(Value::Bool(!is(call.value(0), call.value(1)))) => "aten::__isnot__";
};

fn equal(call: &Call<'_>) -> Result<bool, Fault> {
    Ok(match (call.value(0), call.value(1)) {
        (Value::Str(a), Value::Str(b)) | (Value::Device(a), Value::Device(b)) => a == b,
        (Value::Enum(a), Value::Enum(b)) => a.class == b.class && a.name == b.name,
        _ => match (call.scalar(0)?, call.scalar(1)?) {
            (Scalar::Int(a), Scalar::Int(b)) => a == b,
            (a @ Scalar::Complex(_), b) | (a, b @ Scalar::Complex(_)) => {
                a.cast::<num_complex::Complex64>() == b.cast::<num_complex::Complex64>()
            }
            (a, b) => a.to_f64() == b.to_f64(),
        },
    })
}

fn ordered(call: &Call<'_>, holds: fn(Ordering) -> bool) -> Result<Value, Fault> {
    let ordering = match (call.value(0), call.value(1)) {
        (Value::Str(a), Value::Str(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        _ => match (call.scalar(0)?, call.scalar(1)?) {
            (Scalar::Complex(_), _) | (_, Scalar::Complex(_)) => return Err(not_these_numbers(call)),
            (a @ Scalar::Float(_), b) | (a, b @ Scalar::Float(_)) => a.to_f64().partial_cmp(&b.to_f64()),
            (a, b) => Some(a.to_i64().cmp(&b.to_i64())),
        },
    };
    // Nothing is ordered against nan.
    Ok(Value::Bool(ordering.is_some_and(holds)))
}

/// Identity: of the same thing, or equal for numbers and None; two texts are the same only if they share memory.
fn is(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a), Value::Complex(b)) => a == b,
        (Value::Device(a), Value::Device(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => Arc::ptr_eq(a, b),
        (Value::Tuple(a), Value::Tuple(b)) => Arc::ptr_eq(a, b),
        (Value::Tensor(a), Value::Tensor(b)) => a.is(b),
        (Value::List(a), Value::List(b)) => a.is(b),
        (Value::Dict(a), Value::Dict(b)) => a.is(b),
        (Value::Object(a), Value::Object(b)) => a.is(b),
        (Value::Enum(a), Value::Enum(b)) => a.class == b.class && a.name == b.name,
        (Value::Future(a), Value::Future(b)) => a.task() == b.task(),
        (Value::Await(a), Value::Await(b)) => a.is(b),
        (Value::Generator(a), Value::Generator(b)) => a.is(b),
        (Value::Function(a), Value::Function(b)) => a == b,
        _ => false,
    }
}
