//! Choosing between elements: `where`, masks, bounds, and blends of three operands.

use smallvec::{SmallVec, smallvec};

use super::super::{Call, Correction, Destination, Fault, Kernel};
use super::calculate::Calculate;
use super::plan::{Operand, Plan, Rule, compute};
use super::{forms, rows};
use crate::tensor::broadcast::broadcast;
use crate::tensor::number::Wide;
use crate::tensor::overlap::check_no_partial_overlap;
use crate::tensor::promote::{Promotion, can_cast};
use crate::tensor::{Bool8, DType, Number, Scalar, Tensor, dispatch};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const FORMS: &[(&str, Kernel)] = forms! {
    clamp; clip = clamp; clamp_min; clamp_max; addcmul; addcdiv;
};

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    clamp: "clamp.Tensor" "clamp_.Tensor" "clamp.Tensor_out" "clip.Tensor" "clip_.Tensor" "clip.Tensor_out";
    clamp_min: "clamp_min.Tensor" "clamp_min_.Tensor" "clamp_min.Tensor_out";
    clamp_max: "clamp_max.Tensor" "clamp_max_.Tensor" "clamp_max.Tensor_out";
    where_: "where.self" "where.self_out" "where.Scalar" "where.ScalarOther" "where.ScalarSelf";
    masked_fill: "masked_fill.Scalar" "masked_fill.Tensor" "masked_fill.Scalar_out" "masked_fill.Tensor_out";
    masked_fill_: "masked_fill_.Scalar" "masked_fill_.Tensor";
    lerp: "lerp.Scalar" "lerp.Tensor" "lerp_.Scalar" "lerp_.Tensor" "lerp.Scalar_out" "lerp.Tensor_out";
};

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

/// The bounds may be numbers, tensors or missing; a NaN anywhere wins.
fn clamp(call: &mut Call<'_>) -> Result {
    check_bounds(call)?;
    match (call.given(1), call.given(2)) {
        (false, false) => Err(Fault::raised("torch.clamp: At least one of 'min' or 'max' must not be None")),
        (true, false) => bound(call, 1, false),
        (false, true) => bound(call, 2, true),
        (true, true) => {
            let mut plan = Plan::new(call, &[0, 1, 2], Rule::Common)?;
            if let [_, Operand::Number(_), Operand::Number(_)] = plan.operands[..] {
                plan = plan.ordered(&[0])?;
            }
            compute!(numbers plan, call, T => {
                plan.zip3(call, |x: T, low: T, high: T| Calculate::minimum(Calculate::maximum(x, low), high))
            })
        }
    }
}

/// In place, bounds of a higher kind than the tensor's are refused, in words of their own.
fn check_bounds(call: &Call<'_>) -> Result<()> {
    let Destination::InPlace(target) = call.destination()? else { return Ok(()) };
    let mut promotion = Promotion::default();
    promotion.tensor(target)?;
    for i in [1, 2] {
        if call.given(i) {
            Operand::of(call, i)?.promote(&mut promotion)?;
        }
    }
    let (from, to) = (promotion.result()?, target.dtype());
    if can_cast(from, to) {
        return Ok(());
    }
    let (from, to) = (from.scalar_type_name(), to.c_name());
    Err(Fault::raised(format!("result type {from} can't be cast to the desired output type {to}")))
}

fn clamp_min(call: &mut Call<'_>) -> Result {
    bound(call, 1, false)
}

fn clamp_max(call: &mut Call<'_>) -> Result {
    bound(call, 1, true)
}

fn bound(call: &mut Call<'_>, i: usize, above: bool) -> Result {
    let mut plan = Plan::new(call, &[0, i], Rule::Common)?;
    if let Operand::Number(_) = plan.operands[1] {
        plan = plan.ordered(&[0])?;
    }
    compute!(real plan, call, T => {
        plan.zip::<T, T>(call, if above { Calculate::minimum } else { Calculate::maximum })
    })
}

/// `condition ? a : b`
fn where_(call: &mut Call<'_>) -> Result {
    let condition = call.tensor(0)?;
    check_condition(condition)?;
    let operands: SmallVec<[Operand<'_>; 3]> =
        smallvec![Operand::Tensor(condition), Operand::of(call, 1)?, Operand::of(call, 2)?];
    let mut promotion = Promotion::default();
    for operand in &operands[1..] {
        operand.promote(&mut promotion)?;
    }
    let dtype = promotion.result()?;
    let plan = Plan::with_dtype(call, operands, dtype, dtype)?;
    compute!(any plan, call, T => {
        plan.zip3(call, |condition: Bool8, a: T, b: T| if condition.is_true() { a } else { b })
    })
}

fn check_condition(condition: &Tensor) -> Result<()> {
    match condition.dtype() {
        DType::Bool | DType::UInt8 => Ok(()),
        other => {
            let text = "where expected condition to be a boolean tensor, but got a tensor with dtype";
            Err(Fault::raised(format!("{text} {}", other.scalar_type_name())))
        }
    }
}

/// The value that a mask puts in: a number, or a tensor without dimensions.
fn filling(call: &Call<'_>) -> Result<Scalar> {
    match call.value(2) {
        Value::Tensor(value) => {
            let rank = value.sizes().len();
            if rank != 0 {
                let text = "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with";
                return Err(Fault::raised(format!("{text} {rank} dimension(s).")));
            }
            value.item()
        }
        _ => call.scalar(2),
    }
}

fn check_mask(mask: &Tensor) -> Result<()> {
    match mask.dtype() {
        DType::Bool => Ok(()),
        other => {
            let text = "masked_fill_ only supports boolean masks, but got mask with dtype";
            Err(Fault::raised(format!("{text} {}", other.c_name())))
        }
    }
}

/// The tensor and the mask are both expanded to the result.
fn masked_fill(call: &mut Call<'_>) -> Result {
    let (input, mask) = (call.tensor(0)?, call.tensor(1)?);
    let value = filling(call)?;
    check_mask(mask)?;
    let dtype = input.dtype();
    value.check_fits(dtype)?;
    let operands = smallvec![Operand::Tensor(mask), Operand::Tensor(input), Operand::Number(value)];
    let plan = Plan::with_dtype(call, operands, dtype, dtype)?.contiguous();
    compute!(any plan, call, T => {
        let value: T = plan.number(&value)?;
        plan.zip3(call, |mask: Bool8, x: T, _: T| if mask.is_true() { value } else { x })
    })
}

/// The mask is expanded to the tensor, in which only what is masked is written.
fn masked_fill_(call: &mut Call<'_>) -> Result {
    let (input, mask) = (call.tensor(0)?, call.tensor(1)?);
    let value = filling(call)?;
    check_mask(mask)?;
    let sizes = input.sizes();
    Destination::InPlace(input).check_sizes(&broadcast(&sizes, &mask.sizes())?)?;
    check_no_partial_overlap(input, mask)?;
    let metadata = input.metadata();
    value.check_fits(metadata.dtype)?;
    let masked = mask.read_expanded::<Bool8>(&sizes, call.allocator.memory())?.to_vec();
    dispatch!(all metadata.dtype, call.operator.name, T => {
        let value: T = value.cast();
        metadata.storage.update(|content| {
            let elements = content.elements_mut::<T>();
            let mut masked = masked.iter();
            metadata.layout.for_each(|at| {
                if masked.next().is_some_and(|masked| masked.is_true()) {
                    elements[at] = value;
                }
            });
        });
    });
    Ok(call.value(0).clone())
}

/// `start + weight * (end - start)`, from whichever end is nearer.
fn lerp(call: &mut Call<'_>) -> Result {
    let dtype = call.tensor(0)?.dtype();
    for i in [1, 2] {
        if let Value::Tensor(other) = call.value(i)
            && other.dtype() != dtype
        {
            let (a, b) = (dtype.c_name(), other.dtype().c_name());
            let name = if i == 1 { "end" } else { "weight" };
            return Err(Fault::raised(format!("expected dtype {a} for `{name}` but got dtype {b}")));
        }
    }
    let operands: SmallVec<[Operand<'_>; 3]> =
        smallvec![Operand::of(call, 0)?, Operand::of(call, 1)?, Operand::of(call, 2)?];
    let order: &[usize] = if operands[2].tensor().is_some() { &[0, 1, 2] } else { &[0, 1] };
    let plan = Plan::with_dtype(call, operands, dtype, dtype)?.ordered(order)?;
    if dtype.is_complex() {
        return compute!(complex plan, call, T => {
            plan.zip3(call, |start: T, end: T, weight: T| {
                let step = end - start;
                if weight.norm_sqr() < 0.25 { start + weight * step } else { end - step * (T::ONE - weight) }
            })
        });
    }
    compute!(floats plan, call, T => {
        let weight = plan.exact_lane::<T>(call, 2)?;
        plan.zip_indexed(call, |i, start: T, end: T| {
            let (weight, step) = (weight.at(i), end - start);
            if weight.abs() < 0.5 { weight.mul_add(step, start) } else { (-step).mul_add(1.0 - weight, end) }
        })
    })
}

/// `self + value * a * b`
fn addcmul(call: &mut Call<'_>) -> Result {
    let plan = Plan::new(call, &[0, 1, 2], Rule::Common)?;
    let value = call.scalar(3)?;
    value.check_fits(plan.dtype)?;
    if plan.dtype.is_complex() {
        return compute!(complex plan, call, T => {
            let value: T = plan.number(&value)?;
            plan.zip3(call, |x: T, a: T, b: T| x + value * a * b)
        });
    }
    compute!(numbers plan, call, T => {
        let value: T = plan.number(&value)?;
        plan.zip3(call, |x: T, a: T, b: T| Calculate::multiply_add(Calculate::mul(value, a), b, x))
    })
}

/// `self + value * a / b`
fn addcdiv(call: &mut Call<'_>) -> Result {
    let plan = Plan::new(call, &[0, 1, 2], Rule::Common)?;
    let value = call.scalar(3)?;
    let integral = |i: usize| {
        let dtype = plan.operands[i].dtype();
        dtype == DType::Bool || dtype.is_integral()
    };
    if integral(1) && integral(2) {
        return Err(Fault::raised(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a \
             true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value \
             * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / \
             tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value \
             * tensor1 / tensor2), for all dtypes.",
        ));
    }
    if plan.dtype.is_complex() {
        return compute!(complex plan, call, T => {
            let value: T = plan.number(&value)?;
            plan.zip3(call, |x: T, a: T, b: T| x + value * a / b)
        });
    }
    value.check_fits(plan.dtype)?;
    compute!(floats plan, call, T => {
        let value = T::of(value.to_f64());
        plan.zip3(call, |x: T, a: T, b: T| x + value * a / b)
    })
}
