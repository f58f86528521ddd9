//! Operators of `quantized::` that are computed on numbers: taken out of their elements, and put back in with the scale
//! and zero point that the call gives.

use super::super::creation::copies::copy_as;
use super::super::{Call, Correction, Fault, Kernel, When};
use super::conversion::{dequantized, quantized};
use super::parts::{Parts, channels_last, suggested, together};
use super::wrong_backend;
use crate::operators::corrections::Row;
use crate::tensor::broadcast::broadcast;
use crate::tensor::{Affine, DType, Quantizer, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("_quantized::add", |call| add(call, false)),
    ("quantized::add", |call| add(call, false)),
    ("quantized::add_relu", |call| add(call, true)),
    ("quantized::batch_norm", |call| batch_norm(call, false)),
    ("quantized::batch_norm1d", |call| batch_norm(call, false)),
    ("quantized::batch_norm1d_relu", |call| batch_norm(call, true)),
    ("quantized::batch_norm2d", |call| batch_norm(call, false)),
    ("quantized::batch_norm2d_relu", |call| batch_norm(call, true)),
    ("quantized::batch_norm3d", |call| batch_norm(call, false)),
    ("quantized::batch_norm3d_relu", |call| batch_norm(call, true)),
    ("quantized::batch_norm_relu", |call| batch_norm(call, true)),
    ("quantized::cat", |call| cat(call, false)),
    ("quantized::cat_relu", |call| cat(call, true)),
    ("quantized::celu", |call| function(call, "aten::celu", 3, 1)),
    ("quantized::clamp", |call| super::ordinary::clamp(call)),
    ("quantized::elu", |call| function(call, "aten::elu", 3, 1)),
    ("quantized::group_norm", |call| normalized(call, "aten::group_norm", 5)),
    ("quantized::hardswish", |call| function(call, "aten::hardswish", 3, 1)),
    ("quantized::instance_norm", instance_norm),
    ("quantized::layer_norm", |call| normalized(call, "aten::layer_norm", 5)),
    ("quantized::leaky_relu", leaky_relu),
    ("quantized::max_pool1d", |call| call.run("aten::max_pool1d", call.args)),
    ("quantized::max_pool2d", |call| call.run("aten::max_pool2d", call.args)),
    ("quantized::mul", |call| mul(call, false)),
    ("quantized::mul_relu", |call| mul(call, true)),
    ("quantized::relu6", relu6),
    ("quantized::sigmoid", |call| function(call, "aten::sigmoid", 3, 1)),
    ("quantized::softmax", softmax),
    ("quantized::threshold", |call| call.run("aten::threshold", call.args)),
];

/// A clamp in place is what the argument asks for, and what the schema does not say.
pub(super) const CORRECTIONS: &[Row] = &[(
    "quantized::relu6",
    &[Correction::Writes(&["qx"], When::Argument("inplace")), Correction::AliasesWhen(When::Argument("inplace"))],
)];

/// The scale and zero point that are the arguments from number `i`.
fn output(call: &Call<'_>, i: usize) -> Result<Affine, Fault> {
    Ok(Affine { scale: call.float(i)?, zero_point: call.int(i + 1)? })
}

/// Puts numbers into a tensor like the first argument.
fn put(call: &mut Call<'_>, numbers: &Tensor, like: &Tensor, affine: Affine) -> Result<Value, Fault> {
    let layout = suggested(&like.metadata().layout, &numbers.sizes())?;
    let numbers = call.read::<f32>(numbers)?;
    Ok(Value::Tensor(quantized(call, &numbers, layout, like.dtype(), affine)?))
}

/// A quantized first argument, and its numbers.
fn taken<'a>(call: &mut Call<'a>) -> Result<(&'a Tensor, Tensor), Fault> {
    let tensor = call.tensor(0)?;
    if tensor.metadata().quantizer.is_none() {
        return Err(wrong_backend(call, "CPU"));
    }
    Ok((tensor, dequantized(call, tensor)?))
}

/// An operator on the numbers of the first argument and on `rest`; its results are put in with the scale and zero point that are the
/// arguments from number `scale`.
fn computed(call: &mut Call<'_>, name: &str, rest: Vec<Value>, relu: bool, scale: usize) -> Result<Value, Fault> {
    let (tensor, numbers) = taken(call)?;
    let args: Vec<Value> = [Value::Tensor(numbers)].into_iter().chain(rest).collect();
    let mut result = call.run_tensor(name, &args)?;
    if relu {
        result = call.run_tensor("aten::relu", &[Value::Tensor(result)])?;
    }
    let affine = output(call, scale)?;
    put(call, &result, tensor, affine)
}

/// A function of each number. The arguments from number `rest` on go to the function.
fn function(call: &mut Call<'_>, name: &str, rest: usize, scale: usize) -> Result<Value, Fault> {
    let rest = call.args.get(rest..).unwrap_or_default().to_vec();
    computed(call, name, rest, false, scale)
}

/// A normalisation, whose arguments up to number `scale` are those of the operator on numbers.
fn normalized(call: &mut Call<'_>, name: &str, scale: usize) -> Result<Value, Fault> {
    let rest = call.args[1..scale].to_vec();
    computed(call, name, rest, false, scale)
}

fn instance_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let value = |i: usize| call.value(i).clone();
    let (statistics, momentum) = (Value::Bool(true), Value::Float(0.1));
    let rest = vec![value(1), value(2), Value::None, Value::None, statistics, momentum, value(3), Value::Bool(false)];
    computed(call, "aten::instance_norm", rest, false, 4)
}

fn check_batch_norm(call: &Call<'_>, rank: usize) -> Result<(), Fault> {
    let (name, raised) = (call.operator.name, |words| Err(Fault::raised(words)));
    let any = ["1d", "2d", "3d"].iter().all(|kind| !name.contains(kind));
    if any && !(2..=5).contains(&rank) {
        return raised("quantized::batch_norm only support 2d, 3d, 4d or 5d inputs.");
    }
    if call.opt_tensor(1)?.is_none() {
        return raised("Weight must be provided");
    }
    if call.opt_tensor(2)?.is_none() {
        return raised("Bias must be provided");
    }
    match rank {
        _ if call.tensor(0)?.numel() == 0 => Ok(()),
        _ if name.contains("3d") && rank != 5 => raised("Expecting the input tensor of rank 5."),
        _ if name.contains("2d") && rank != 4 => raised("Expecting the input tensor of rank 4."),
        _ if name.contains("1d") && !(2..=3).contains(&rank) => raised("Expecting the input tensor of rank 2 or 3."),
        _ => Ok(()),
    }
}

/// Images and volumes become channels last.
fn batch_norm(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let rank = tensor.sizes().len();
    if tensor.dtype().is_quantized() {
        check_batch_norm(call, rank)?;
        if tensor.numel() == 0 {
            return call.run("aten::clone", &[call.value(0).clone(), Value::None]);
        }
    }
    let value = |i: usize| call.value(i).clone();
    let (training, momentum) = (Value::Bool(false), Value::Float(0.1));
    let rest = vec![value(1), value(2), value(3), value(4), training, momentum, value(5), Value::Bool(false)];
    let found = computed(call, "aten::batch_norm", rest, relu, 6)?;
    match (&found, rank) {
        (Value::Tensor(found), 4 | 5) => {
            let layout = channels_last(&found.sizes())?;
            copy_as(call, found, found.dtype(), layout).map(Value::Tensor)
        }
        _ => Ok(found),
    }
}

fn leaky_relu(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rest = vec![call.value(1).clone()];
    computed(call, "aten::leaky_relu", rest, false, 3)
}

fn softmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rest = vec![call.value(1).clone(), Value::None];
    computed(call, "aten::softmax.int", rest, false, 2)
}

fn relu6(call: &mut Call<'_>) -> Result<Value, Fault> {
    let bounded = super::ordinary::clamped(call, Some(0.0), Some(6.0))?;
    if !call.bool(1)? {
        return Ok(bounded);
    }
    call.run("aten::copy_", &[call.value(0).clone(), bounded, Value::Bool(false)])
}

/// The two quantized arguments of an operator, of one dtype and with one scale each.
fn pair(call: &mut Call<'_>, what: &str) -> Result<[(Parts, Affine); 2], Fault> {
    let tensors = [call.tensor(0)?, call.tensor(1)?];
    if tensors.iter().all(|tensor| tensor.metadata().quantizer.is_none()) {
        return Err(wrong_backend(call, "CPU"));
    }
    let mut parts = Vec::new();
    for tensor in tensors {
        // Each is asked for its scheme, and a plain tensor has none.
        let taken = Parts::of_tensor(call, tensor)?;
        let taken = taken.ok_or_else(|| super::not_here("aten::qscheme", "CPU"))?;
        if !matches!(&*taken.quantizer, Quantizer::PerTensor(_)) {
            return Err(Fault::raised(format!("Only per tensor quantization is supported in {what}.")));
        }
        let affine = taken.affine()?;
        parts.push((taken, affine));
    }
    if parts[0].0.dtype != parts[1].0.dtype {
        return Err(Fault::raised(format!("{what} operands should have same data type.")));
    }
    Ok(<[_; 2]>::try_from(parts).unwrap_or_else(|_| unreachable!("there are two")))
}

fn add(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    combine(call, "Add", |[(x, a), (y, b)], output, dtype| {
        let sum = a.dequantize(x) + b.dequantize(y);
        output.quantize(if relu { sum.max(0.0) } else { sum }, dtype)
    })
}

fn mul(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    combine(call, "Mul", |[(x, a), (y, b)], output, dtype| {
        let inverse = 1.0 / output.scale as f32;
        let multiplier = a.scale as f32 * b.scale as f32 * inverse;
        let product = (x - a.zero_point) * (y - b.zero_point);
        let element = output.round(product as f32 * multiplier, dtype);
        if relu { element.max(output.zero_point) } else { element }
    })
}

/// An operator on two elements, each with what it stands for.
fn combine(
    call: &mut Call<'_>,
    what: &str,
    operator: impl Fn([(i64, Affine); 2], Affine, DType) -> i64,
) -> Result<Value, Fault> {
    let [(x, a), (y, b)] = pair(call, what)?;
    let output = output(call, 2)?;
    let sizes = broadcast(&x.integers.sizes(), &y.integers.sizes())?;
    let memory = call.memory();
    let (left, right) =
        (x.integers.read_expanded::<i64>(&sizes, &memory)?, y.integers.read_expanded::<i64>(&sizes, &memory)?);
    let pairs = left.iter().zip(right.iter());
    let elements: Vec<i64> = pairs.map(|(&i, &j)| operator([(i, a), (j, b)], output, x.dtype)).collect();
    let layout = suggested(&call.tensor(0)?.metadata().layout, &sizes)?;
    Ok(Value::Tensor(together(call, &elements, layout, x.dtype, Quantizer::PerTensor(output))?))
}

/// Several joined: with the scale and zero point that are given, or those of the first.
fn cat(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let tensors = call.tensors(0)?;
    let Some(first) = tensors.first() else {
        return Err(Fault::raised("torch.cat(): expected a non-empty list of Tensors"));
    };
    let mut numbers = Vec::new();
    for tensor in &tensors {
        match tensor.metadata().quantizer.as_deref() {
            Some(Quantizer::PerTensor(_)) => numbers.push(dequantized(call, tensor)?),
            Some(_) => return Err(Fault::raised("Only per-tensor quantization is supported in 'cat'!")),
            None => return Err(wrong_backend(call, "CPU")),
        }
    }
    let Some(Quantizer::PerTensor(own)) = first.metadata().quantizer.as_deref().cloned() else {
        unreachable!("it was just looked at")
    };
    let affine = Affine {
        scale: call.opt_float(2)?.unwrap_or(own.scale),
        zero_point: call.opt_int(3)?.unwrap_or(own.zero_point),
    };
    let list = call.tensor_list(numbers);
    let mut joined = call.run_tensor("aten::cat", &[list, call.value(1).clone()])?;
    if relu {
        joined = call.run_tensor("aten::relu", &[Value::Tensor(joined)])?;
    }
    put(call, &joined, first, affine)
}
