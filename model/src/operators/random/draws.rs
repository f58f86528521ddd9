//! When a call draws: exactly when the generator's state changes in PyTorch.

use crate::operators::Operator;
use crate::value::Value;

/// The first argument has elements.
pub(super) fn elements(_: &Operator, args: &[Value]) -> bool {
    has_elements(&args[0])
}

/// The second argument has elements.
pub(super) fn second_elements(_: &Operator, args: &[Value]) -> bool {
    has_elements(&args[1])
}

/// Both have.
pub(super) fn both_elements(_: &Operator, args: &[Value]) -> bool {
    has_elements(&args[0]) && has_elements(&args[1])
}

/// The argument `size` is of a tensor with elements.
pub(super) fn size(operator: &Operator, args: &[Value]) -> bool {
    let i = operator.schema.argument("size").expect("an overload with a size");
    match &args[i] {
        Value::List(sizes) => !sizes.content().items.iter().any(|size| matches!(size, Value::Int(0))),
        _ => true,
    }
}

/// An order of less than two things is no choice.
pub(super) fn permutation(_: &Operator, args: &[Value]) -> bool {
    !matches!(args[0], Value::Int(..2))
}

/// A dropout leaves its argument as it is.
pub(super) fn keeps(operator: &Operator, args: &[Value]) -> bool {
    !drops(operator, args)
}

/// A dropout changes something.
pub(super) fn drops(_: &Operator, args: &[Value]) -> bool {
    has_elements(&args[0]) && probability(&args[1]) != 0.0 && matches!(args[2], Value::Bool(true))
}

/// A dropout changes something, and chance says what.
pub(super) fn drops_some(operator: &Operator, args: &[Value]) -> bool {
    drops(operator, args) && probability(&args[1]) != 1.0
}

/// `native_dropout` draws even if nothing or everything is dropped.
pub(super) fn native(_: &Operator, args: &[Value]) -> bool {
    has_elements(&args[0]) && !matches!(args[2], Value::Bool(false))
}

fn has_elements(value: &Value) -> bool {
    !matches!(value, Value::Tensor(tensor) if tensor.numel() == 0)
}

fn probability(value: &Value) -> f64 {
    match value {
        Value::Float(p) => *p,
        Value::Int(p) => *p as f64,
        _ => f64::NAN,
    }
}
