//! Counting loops, modes of the task, flags of the process, warnings.

use super::rows;
use crate::operators::corrections::Correction;
use crate::operators::{Access, Call, Fault, Kernel};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    range_length => "aten::__range_length";
    derive_index => "aten::__derive_index";
    range_list => "prim::rangelist";
    |call| Ok(Value::Bool(call.modes.grad)) => "aten::is_grad_enabled";
    |call| {
        call.modes.grad = call.bool(0)?;
        Ok(Value::None)
    } => "aten::set_grad_enabled";
    |call| Ok(Value::Bool(call.modes.autocast)) => "aten::is_autocast_enabled" "aten::is_autocast_cpu_enabled";
    warn => "aten::warn";
    |call| {
        call.printed.text.push_str(call.str(0)?);
        Ok(Value::None)
    } => "aten::_print";
    |_| Ok(Value::Bool(true)) => "aten::is_scripting";
    |_| Ok(Value::Bool(false)) => "aten::_get_tracing_state" "aten::has_torch_function" "aten::is_vulkan_available";
    |call| Ok(call.value(if call.bool(0)? { 1 } else { 2 }).clone()) => "prim::IfThenElse";
    unwrap_optional => "aten::_unwrap_optional";
    |call| Ok(call.value(0).clone()) => "prim::unchecked_unwrap_optional";
    assert_scalar => "aten::_assert_scalar";
};

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::warn", &[Correction::Prints]),
    ("aten::_print", &[Correction::Prints]),
    ("aten::_cufft_clear_plan_cache", &[Correction::ProcessFlags(Access::Write)]),
    ("aten::_cufft_set_plan_cache_max_size", &[Correction::ProcessFlags(Access::Write)]),
    ("aten::_cufft_get_plan_cache_max_size", &[Correction::ProcessFlags(Access::Read)]),
    ("aten::_cufft_get_plan_cache_size", &[Correction::ProcessFlags(Access::Read)]),
];

fn range_length(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (low, high, step) = (call.int(0)?, call.int(1)?, call.int(2)?);
    // In 128 bits nothing overflows.
    let (low, high, wide) = (low as i128, high as i128, step as i128);
    let length = match step {
        0 => return Err(Fault::raised("range() arg 3 must not be zero")),
        1.. if low < high => 1 + (high - 1 - low) / wide,
        ..0 if low > high => 1 + (low - 1 - high) / -wide,
        _ => 0,
    };
    Ok(Value::Int(length.min(i64::MAX as i128) as i64))
}

fn derive_index(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (index, start, step) = (call.int(0)?, call.int(1)?, call.int(2)?);
    Ok(Value::Int(start.wrapping_add(index.wrapping_mul(step))))
}

fn range_list(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = call.int(0)?;
    if n < 0 {
        return Err(Fault::raised("vector::reserve"));
    }
    // A list is not metered while it lives, but one that could never fit is refused before it is made.
    drop(call.room::<Value>(&[n as usize])?);
    let items = (0..n).map(Value::Int).collect();
    Ok(Value::List(List::new(call.allocator, ListContent { item: Type::Int, items })))
}

/// Warns without the place: only those who know the call's position could name it.
fn warn(call: &mut Call<'_>) -> Result<Value, Fault> {
    call.printed.warnings.push(call.str(0)?.to_string());
    Ok(Value::None)
}

fn unwrap_optional(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.value(0) {
        Value::None => Err(Fault::raised("Unwrapping null optional")),
        value => Ok(value.clone()),
    }
}

fn assert_scalar(call: &mut Call<'_>) -> Result<Value, Fault> {
    if call.scalar(0)?.is_true() { Ok(Value::None) } else { Err(Fault::raised(&**call.str(1)?)) }
}
