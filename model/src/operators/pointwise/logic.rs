//! Logic: on truth values, and bit by bit.

use super::super::{Call, Fault, Kernel};
use super::plan::{Plan, Rule, compute};
use super::{forms, rows};
use crate::tensor::{Bool8, DType, Number};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const FORMS: &[(&str, Kernel)] = forms! {
    logical_and; logical_or; logical_xor; logical_not; bitwise_not;
};

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    bitwise_and: "bitwise_and.Tensor" "bitwise_and.Scalar" "bitwise_and.Scalar_Tensor" "bitwise_and_.Tensor"
        "bitwise_and_.Scalar" "bitwise_and.Tensor_out" "bitwise_and.Scalar_out" "bitwise_and.Scalar_Tensor_out"
        "__and__.Tensor" "__and__.Scalar" "__iand__.Tensor" "__iand__.Scalar";
    bitwise_or: "bitwise_or.Tensor" "bitwise_or.Scalar" "bitwise_or.Scalar_Tensor" "bitwise_or_.Tensor"
        "bitwise_or_.Scalar" "bitwise_or.Tensor_out" "bitwise_or.Scalar_out" "bitwise_or.Scalar_Tensor_out"
        "__or__.Tensor" "__or__.Scalar" "__ior__.Tensor" "__ior__.Scalar";
    bitwise_xor: "bitwise_xor.Tensor" "bitwise_xor.Scalar" "bitwise_xor.Scalar_Tensor" "bitwise_xor_.Tensor"
        "bitwise_xor_.Scalar" "bitwise_xor.Tensor_out" "bitwise_xor.Scalar_out" "bitwise_xor.Scalar_Tensor_out"
        "__xor__.Tensor" "__xor__.Scalar" "__ixor__.Tensor" "__ixor__.Scalar";
    shift_left: "bitwise_left_shift.Tensor" "bitwise_left_shift.Tensor_Scalar" "bitwise_left_shift.Scalar_Tensor"
        "bitwise_left_shift_.Tensor" "bitwise_left_shift_.Tensor_Scalar" "bitwise_left_shift.Tensor_out"
        "bitwise_left_shift.Tensor_Scalar_out" "bitwise_left_shift.Scalar_Tensor_out"
        "__lshift__.Tensor" "__lshift__.Scalar" "__ilshift__.Tensor" "__ilshift__.Scalar";
    shift_right: "bitwise_right_shift.Tensor" "bitwise_right_shift.Tensor_Scalar" "bitwise_right_shift.Scalar_Tensor"
        "bitwise_right_shift_.Tensor" "bitwise_right_shift_.Tensor_Scalar" "bitwise_right_shift.Tensor_out"
        "bitwise_right_shift.Tensor_Scalar_out" "bitwise_right_shift.Scalar_Tensor_out"
        "__rshift__.Tensor" "__rshift__.Scalar" "__irshift__.Tensor" "__irshift__.Scalar";
};

/// Truth of two operands of any dtypes.
macro_rules! truths {
    ($($name:ident: |$a:ident, $b:ident| $body:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::binary(call, Rule::Bool)?;
            compute!(any plan, call, T => plan.zip(call, |a: T, b: T| {
                let ($a, $b) = (a.is_true(), b.is_true());
                Bool8::from($body)
            }))
        })*
    };
}

truths! {
    logical_and: |a, b| a & b;
    logical_or: |a, b| a | b;
    logical_xor: |a, b| a ^ b;
}

fn logical_not(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Bool)?;
    compute!(any plan, call, T => plan.map(call, |x: T| Bool8::from(!x.is_true())))
}

fn bitwise_not(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    if plan.dtype == DType::Bool {
        return plan.map(call, |x: Bool8| Bool8::from(!x.is_true()));
    }
    compute!(integers plan, call, T => plan.map(call, |x: T| !x))
}

/// Bits of two integers, or of two bools.
macro_rules! bits {
    ($($name:ident: $op:tt;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::binary(call, Rule::Common)?;
            if plan.dtype == DType::Bool {
                return plan.zip(call, |a: Bool8, b: Bool8| Bool8::from(a.is_true() $op b.is_true()));
            }
            compute!(integers plan, call, T => plan.zip(call, |a: T, b: T| a $op b))
        })*
    };
}

bits! {
    bitwise_and: &;
    bitwise_or: |;
    bitwise_xor: ^;
}

/// A shift by more bits than there are, or by a negative number, leaves nothing.
fn shift_left(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    let bits = plan.dtype.size() as i64 * 8;
    compute!(integers plan, call, T => {
        plan.zip(call, |a: T, b: T| if (0..bits).contains(&b) { a << b } else { 0 })
    })
}

/// A shift by more bits than there are, or by a negative number, leaves the sign.
fn shift_right(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    compute!(integers plan, call, T => {
        plan.zip(call, |a: T, b: T| a >> if (0..T::BITS as i64).contains(&b) { b } else { T::BITS as i64 - 1 })
    })
}
