//! Between numbers and quantized elements, and what a quantized tensor says of itself.

use super::super::creation::copies::copy_as;
use super::super::{Call, Correction, Fault, Kernel, Operator, When};
use super::parts::{Parts, per_tensor_expected, suggested, together};
use super::wrong_backend;
use crate::operators::corrections::Row;
use crate::tensor::quantizer::range;
use crate::tensor::{Affine, DType, Layout, Quantizer, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_choose_qparams_per_tensor", choose_parameters),
    ("aten::_empty_affine_quantized", empty),
    ("aten::_make_per_channel_quantized_tensor", make_per_channel),
    ("aten::_make_per_tensor_quantized_tensor", make_per_tensor),
    ("aten::dequantize.self", |call| dequantize(call, 0)),
    ("aten::dequantize.tensor", |call| dequantize(call, 0)),
    ("aten::dequantize.tensors", dequantize_list),
    ("aten::dequantize.list", dequantize_list),
    ("aten::int_repr", int_repr),
    ("aten::q_per_channel_axis", |call| channels(call).map(|(.., axis)| Value::Int(axis as i64))),
    ("aten::q_per_channel_scales", |call| channels(call).map(|(scales, ..)| Value::Tensor(scales))),
    ("aten::q_per_channel_zero_points", |call| channels(call).map(|(_, zeros, _)| Value::Tensor(zeros))),
    ("aten::q_scale", |call| per_tensor(call).map(|affine| Value::Float(affine.scale))),
    ("aten::q_zero_point", |call| per_tensor(call).map(|affine| Value::Int(affine.zero_point))),
    ("aten::qscheme", qscheme),
    ("aten::quantize_per_channel", quantize_per_channel),
    ("aten::quantize_per_tensor", quantize_per_tensor),
    ("aten::quantize_per_tensor.tensor_qparams", quantize_per_tensor),
    ("aten::quantize_per_tensor_dynamic", quantize_dynamic),
];

const SHAPE_ONLY: &[Correction] = &[Correction::ShapeOnly];

/// A tensor of floats is handed through.
const ALIASES: &[Correction] = &[Correction::AliasesWhen(When::Arguments(is_float))];

pub(super) const CORRECTIONS: &[Row] = &[
    ("aten::dequantize.self", ALIASES),
    ("aten::dequantize.tensor", ALIASES),
    ("aten::q_per_channel_axis", SHAPE_ONLY),
    ("aten::q_per_channel_scales", SHAPE_ONLY),
    ("aten::q_per_channel_zero_points", SHAPE_ONLY),
    ("aten::q_scale", SHAPE_ONLY),
    ("aten::q_zero_point", SHAPE_ONLY),
    ("aten::qscheme", SHAPE_ONLY),
    ("aten::quantize_per_tensor_dynamic", &[Correction::AliasesWhen(When::Arguments(stays_half))]),
];

/// A new quantized tensor of these numbers, in row-major order.
pub(super) fn quantized(
    call: &mut Call<'_>,
    numbers: &[f32],
    layout: Layout,
    dtype: DType,
    affine: Affine,
) -> Result<Tensor, Fault> {
    let integers: Vec<i64> = numbers.iter().map(|&number| affine.quantize(number, dtype)).collect();
    together(call, &integers, layout, dtype, Quantizer::PerTensor(affine))
}

/// A number, or a tensor of one.
fn number(call: &Call<'_>, i: usize) -> Result<f64, Fault> {
    match call.value(i) {
        Value::Tensor(tensor) => Ok(tensor.item()?.to_f64()),
        _ => call.float(i),
    }
}

fn quantize_per_tensor(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, dtype) = (call.tensor(0)?, call.dtype(3)?);
    let affine = Affine { scale: number(call, 1)?, zero_point: number(call, 2)? as i64 };
    check_float(call, input, "Quantize only works on Float Tensor, got")?;
    check_dtype(call, dtype)?;
    check_zero_point(affine.zero_point, dtype, "quantize_tensor_per_tensor_affine")?;
    let layout = suggested(&input.metadata().layout, &input.sizes())?;
    let numbers = call.read::<f32>(input)?;
    Ok(Value::Tensor(quantized(call, &numbers, layout, dtype, affine)?))
}

fn quantize_per_channel(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, dtype) = (call.tensor(0)?, call.dtype(4)?);
    check_float(call, input, "quantize_tensor_per_channel_affine expects a Float Tensor, got")?;
    check_dtype(call, dtype)?;
    let (channels, axis) = given_channels(call, input)?;
    for channel in &channels {
        check_zero_point(channel.zero_point, dtype, "quantize_tensor_per_channel_affine")?;
    }
    let sizes = input.sizes();
    let inner = sizes[axis + 1..].iter().product::<i64>().max(1) as usize;
    let numbers = call.read::<f32>(input)?;
    let quantize = |(i, &number): (usize, &f32)| channels[i / inner % channels.len()].quantize(number, dtype);
    let integers: Vec<i64> = numbers.iter().enumerate().map(quantize).collect();
    let layout = suggested(&input.metadata().layout, &sizes)?;
    let quantizer = Quantizer::PerChannel { channels, axis };
    Ok(Value::Tensor(together(call, &integers, layout, dtype, quantizer)?))
}

/// The scales, zero points and axis that are the arguments 1 to 3.
fn given_channels(call: &Call<'_>, input: &Tensor) -> Result<(Vec<Affine>, usize), Fault> {
    let (scales, zero_points) = (call.tensor(1)?, call.tensor(2)?);
    let raised = |words: &str| Err(Fault::raised(words));
    if scales.sizes().len() != 1 {
        return raised("scale tensor must have dimension 1");
    }
    if zero_points.sizes().len() != 1 {
        return raised("zero_points tensor must have dimension 1");
    }
    if scales.numel() != zero_points.numel() {
        return raised("number of elements in scales and zero_points must match");
    }
    if zero_points.dtype().is_floating_point() {
        return Err(Fault::unsupported(format!("{} with float zero points", call.name())));
    }
    let (axis, sizes) = (call.int(3)?, input.sizes());
    let Some(&size) = usize::try_from(axis).ok().and_then(|axis| sizes.get(axis)) else {
        return raised("Channel axis out of range in per channel affine quantization.");
    };
    if scales.numel() != size {
        return raised("Expected scales to have as many elements as the channel axis");
    }
    let (scales, zero_points) = (call.read::<f64>(scales)?, call.read::<i64>(zero_points)?);
    let pairs = scales.iter().zip(zero_points.iter());
    Ok((pairs.map(|(&scale, &zero_point)| Affine { scale, zero_point }).collect(), axis as usize))
}

fn quantize_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, dtype, reduce_range) = (call.tensor(0)?, call.dtype(1)?, call.bool(2)?);
    if dtype == DType::Float16 {
        let input = call.run("aten::contiguous", &call.args[..1])?;
        return call.run("aten::to.dtype", &[input, Value::Int(dtype.code())]);
    }
    check_float(call, input, "Quantize only works on Float Tensor, got")?;
    if !matches!(dtype, DType::QInt8 | DType::QUInt8) {
        return Err(Fault::raised(format!("dtype {}not supported", dtype.scalar_type_name())));
    }
    let numbers = call.read::<f32>(input)?;
    let affine = chosen(&numbers, dtype, reduce_range);
    let layout = suggested(&input.metadata().layout, &input.sizes())?;
    Ok(Value::Tensor(quantized(call, &numbers, layout, dtype, affine)?))
}

/// The scale and zero point of `quint8` for the numbers of a tensor.
fn choose_parameters(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, reduce_range) = (call.tensor(0)?, call.bool(1)?);
    let affine = chosen(&call.read::<f32>(input)?, DType::QUInt8, reduce_range);
    Ok(Value::tuple([Value::Float(affine.scale), Value::Int(affine.zero_point)]))
}

/// The scale and zero point for these numbers.
pub(super) fn chosen(numbers: &[f32], dtype: DType, reduce_range: bool) -> Affine {
    let least = numbers.iter().copied().reduce(f32::min).unwrap_or(0.0);
    let greatest = numbers.iter().copied().reduce(f32::max).unwrap_or(0.0);
    Affine::choose(least, greatest, dtype, reduce_range)
}

fn check_float(call: &Call<'_>, input: &Tensor, words: &str) -> Result<(), Fault> {
    if input.metadata().quantizer.is_some() {
        return Err(wrong_backend(call, "QuantizedCPU"));
    }
    match input.dtype() {
        DType::Float32 => Ok(()),
        other => Err(Fault::raised(format!("{words} {}", other.scalar_type_name()))),
    }
}

fn check_dtype(call: &Call<'_>, dtype: DType) -> Result<(), Fault> {
    match dtype {
        DType::QInt8 | DType::QUInt8 | DType::QInt32 => Ok(()),
        other => Err(Fault::no_kernel(call.operator.name, other)),
    }
}

fn check_zero_point(zero_point: i64, dtype: DType, function: &str) -> Result<(), Fault> {
    let (least, greatest) = range(dtype);
    if zero_point > greatest {
        return Err(Fault::raised(format!("{function} zero_point {zero_point} is above upper bound.")));
    }
    if zero_point < least {
        return Err(Fault::raised(format!("{function} zero_point {zero_point} is below lower bound.")));
    }
    Ok(())
}

/// Halves that become halves are handed through, if they lie in order.
fn stays_half(_: &Operator, args: &[Value]) -> bool {
    let (Value::Tensor(tensor), Value::Int(code)) = (&args[0], &args[1]) else { return false };
    let half = DType::Float16;
    tensor.dtype() == half && *code == half.code() && tensor.metadata().layout.is_contiguous()
}

fn is_float(_: &Operator, args: &[Value]) -> bool {
    matches!(&args[0], Value::Tensor(tensor) if tensor.dtype() == DType::Float32)
}

/// The numbers that the elements stand for; a plain tensor becomes one of floats.
fn dequantize(call: &mut Call<'_>, i: usize) -> Result<Value, Fault> {
    let tensor = call.tensor(i)?;
    dequantized(call, tensor).map(Value::Tensor)
}

pub(super) fn dequantized(call: &mut Call<'_>, tensor: &Tensor) -> Result<Tensor, Fault> {
    if tensor.metadata().quantizer.is_none() {
        return call.run_tensor("aten::to.dtype", &[Value::Tensor(tensor.clone()), Value::Int(DType::Float32.code())]);
    }
    let numbers = tensor.stands_for(&call.memory())?;
    let numbers = numbers.ok_or_else(|| Fault::no_kernel(call.operator.name, tensor.dtype()))?;
    let layout = suggested(&tensor.metadata().layout, &tensor.sizes())?;
    let memory = call.zeros(DType::Float32, layout.sizes())?.storage();
    let result = Tensor::new(call.allocator, memory, DType::Float32, layout);
    result.store(&numbers)?;
    Ok(result)
}

fn dequantize_list(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut items = Vec::new();
    for tensor in call.tensors(0)? {
        if tensor.metadata().quantizer.is_none() {
            return Err(Fault::unsupported(format!("{} of tensors that are not quantized", call.name())));
        }
        items.push(Value::Tensor(dequantized(call, &tensor)?));
    }
    Ok(Value::List(List::new(call.allocator, ListContent { item: Type::Tensor, items })))
}

fn int_repr(call: &mut Call<'_>) -> Result<Value, Fault> {
    let parts = Parts::of(call, 0)?;
    let layout = suggested(&parts.integers.metadata().layout, &parts.integers.sizes())?;
    copy_as(call, &parts.integers, parts.integers.dtype(), layout).map(Value::Tensor)
}

fn make_per_tensor(call: &mut Call<'_>) -> Result<Value, Fault> {
    let quantizer = Quantizer::per_tensor(call.float(1)?, call.int(2)?);
    made(call, quantizer)
}

fn make_per_channel(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (channels, axis) = given_channels(call, call.tensor(0)?)?;
    made(call, Quantizer::PerChannel { channels, axis })
}

/// A quantized tensor of these integers.
fn made(call: &mut Call<'_>, quantizer: Quantizer) -> Result<Value, Fault> {
    let integers = call.tensor(0)?;
    let found = integers.dtype();
    let dtype =
        [DType::QInt8, DType::QUInt8, DType::QInt32].into_iter().find(|dtype| dtype.of_integers() == Some(found));
    let dtype = dtype.ok_or_else(|| Fault::no_kernel(call.operator.name, found))?;
    let elements = call.read::<i64>(integers)?;
    let layout = Layout::contiguous(&integers.sizes());
    Ok(Value::Tensor(together(call, &elements, layout, dtype, quantizer)?))
}

fn empty(call: &mut Call<'_>) -> Result<Value, Fault> {
    let sizes = call.ints(0)?;
    let part = |name: &str| call.position(name).expect("the schema has it");
    let (dtype, scale, zero_point) = (part("dtype"), part("scale"), part("zero_point"));
    let dtype = call.dtype_or(dtype, DType::Float32)?;
    let quantizer = Quantizer::per_tensor(call.float(scale)?, call.int(zero_point)?);
    check_dtype(call, dtype)?;
    let zeros = call.zeros(DType::UInt8, &sizes)?;
    let elements = vec![0; zeros.numel() as usize];
    Ok(Value::Tensor(together(call, &elements, Layout::contiguous(&sizes), dtype, quantizer)?))
}

fn per_tensor(call: &Call<'_>) -> Result<Affine, Fault> {
    match call.tensor(0)?.metadata().quantizer.as_deref() {
        None => Err(wrong_backend(call, "CPU")),
        Some(Quantizer::PerTensor(affine)) => Ok(*affine),
        Some(_) => Err(per_tensor_expected()),
    }
}

fn channels(call: &mut Call<'_>) -> Result<(Tensor, Tensor, usize), Fault> {
    let metadata = call.tensor(0)?.metadata();
    let Some(quantizer) = &metadata.quantizer else { return Err(wrong_backend(call, "CPU")) };
    let channels = quantizer.channels(call.allocator)?;
    channels.ok_or_else(|| {
        Fault::raised(
            "Expected quantizer->qscheme() == kPerChannelAffine || quantizer->qscheme() == kPerChannelAffineFloatQParams to be \
             true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)",
        )
    })
}

/// PyTorch's number of the scheme.
fn qscheme(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.tensor(0)?.metadata().quantizer.as_deref() {
        None => Err(wrong_backend(call, "CPU")),
        Some(Quantizer::PerTensor(_)) => Ok(Value::Int(0)),
        Some(Quantizer::PerChannel { .. }) => Ok(Value::Int(1)),
        Some(Quantizer::PerChannelFloat { .. }) => Ok(Value::Int(4)),
    }
}
