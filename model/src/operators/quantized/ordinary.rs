//! Ordinary operators on quantized tensors: those that move or compare elements work on the integers, those that average
//! on the integers less their zero point, functions on the numbers.

use super::super::creation::formats::Format;
use super::super::shape::layouts;
use super::super::{Call, Fault, Kernel};
use super::conversion::{dequantized, quantized};
use super::elements::{chosen, compared, equal, filled, in_order, like, masked, ordered, padded};
use super::not_here;
use super::parts::{Parts, relabelled, suggested, together};
use crate::tensor::{Affine, DType, Layout, Quantizer, Scalar, Tensor};
use crate::value::Value;

/// What takes the place of the kernel when an argument is quantized.
pub(in crate::operators) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_adaptive_avg_pool2d", averaged),
    ("aten::_adaptive_avg_pool3d", averaged),
    ("aten::_upsample_nearest_exact2d", averaged),
    ("aten::_upsample_nearest_exact2d.vec", averaged),
    ("aten::_upsample_nearest_exact3d", averaged),
    ("aten::_upsample_nearest_exact3d.vec", averaged),
    ("aten::adaptive_avg_pool1d", averaged),
    ("aten::adaptive_avg_pool2d", averaged),
    ("aten::adaptive_avg_pool3d", averaged),
    ("aten::argsort", chosen),
    ("aten::argsort.stable", chosen),
    ("aten::avg_pool1d", averaged),
    ("aten::avg_pool2d", averaged),
    ("aten::avg_pool3d", averaged),
    ("aten::cat", join),
    ("aten::clamp", clamp),
    ("aten::clamp_", clamp),
    ("aten::clip", clamp),
    ("aten::column_stack", join),
    ("aten::concat", join),
    ("aten::concatenate", join),
    ("aten::constant_pad_nd", padded),
    ("aten::copy_", copy),
    ("aten::dstack", join),
    ("aten::elu", |call| function(call, None)),
    ("aten::empty_like", like),
    ("aten::eq.Scalar", compared),
    ("aten::eq.Tensor", compared),
    ("aten::equal", equal),
    ("aten::fill.Scalar", filled),
    ("aten::fill.Tensor", filled),
    ("aten::fill_.Scalar", filled),
    ("aten::fill_.Tensor", filled),
    ("aten::flip", in_order),
    ("aten::fliplr", in_order),
    ("aten::flipud", in_order),
    ("aten::full_like", like),
    ("aten::ge.Scalar", compared),
    ("aten::ge.Tensor", compared),
    ("aten::gelu", |call| function(call, None)),
    ("aten::gelu_", replace),
    ("aten::greater.Scalar", compared),
    ("aten::greater.Tensor", compared),
    ("aten::greater_equal.Scalar", compared),
    ("aten::greater_equal.Tensor", compared),
    ("aten::gt.Scalar", compared),
    ("aten::gt.Tensor", compared),
    ("aten::hardsigmoid", |call| function(call, Some((1.0 / 256.0, 0, -128)))),
    ("aten::hardtanh", clamp),
    ("aten::hardtanh_", clamp),
    ("aten::hstack", join),
    ("aten::is_nonzero", compared),
    ("aten::item", compared),
    ("aten::le.Scalar", compared),
    ("aten::le.Tensor", compared),
    ("aten::leaky_relu", |call| function(call, None)),
    ("aten::leaky_relu_", replace),
    ("aten::less.Scalar", compared),
    ("aten::less.Tensor", compared),
    ("aten::less_equal.Scalar", compared),
    ("aten::less_equal.Tensor", compared),
    ("aten::lt.Scalar", compared),
    ("aten::lt.Tensor", compared),
    ("aten::masked_fill.Scalar", masked),
    ("aten::masked_fill.Tensor", masked),
    ("aten::masked_fill_.Scalar", masked),
    ("aten::masked_fill_.Tensor", masked),
    ("aten::max", chosen),
    ("aten::max.dim", chosen),
    ("aten::max_pool1d", averaged),
    ("aten::max_pool2d", averaged),
    ("aten::max_pool3d", averaged),
    ("aten::mean", mean),
    ("aten::mean.dim", mean),
    ("aten::min", chosen),
    ("aten::min.dim", chosen),
    ("aten::msort", chosen),
    ("aten::ne.Scalar", compared),
    ("aten::ne.Tensor", compared),
    ("aten::not_equal.Scalar", compared),
    ("aten::not_equal.Tensor", compared),
    ("aten::ones_like", like),
    ("aten::relu", relu),
    ("aten::relu6", |call| clamped(call, Some(0.0), Some(6.0))),
    ("aten::relu6_", |call| clamped(call, Some(0.0), Some(6.0))),
    ("aten::relu_", relu),
    ("aten::row_stack", join),
    ("aten::sigmoid", |call| function(call, Some((1.0 / 256.0, 0, -128)))),
    ("aten::sort", chosen),
    ("aten::sort.stable", chosen),
    ("aten::special_expit", |call| function(call, Some((1.0 / 256.0, 0, -128)))),
    ("aten::stack", join),
    ("aten::std", |call| function(call, None)),
    ("aten::std.correction", |call| function(call, None)),
    ("aten::std.dim", |call| function(call, None)),
    ("aten::tanh", |call| function(call, Some((2.0 / 256.0, 128, 0)))),
    ("aten::threshold", |call| function(call, None)),
    ("aten::topk", chosen),
    ("aten::upsample_bilinear2d", averaged),
    ("aten::upsample_bilinear2d.vec", averaged),
    ("aten::upsample_nearest1d", averaged),
    ("aten::upsample_nearest1d.vec", averaged),
    ("aten::upsample_nearest2d", averaged),
    ("aten::upsample_nearest2d.vec", averaged),
    ("aten::upsample_nearest3d", averaged),
    ("aten::upsample_nearest3d.vec", averaged),
    ("aten::vstack", join),
];

/// What PyTorch has no kernel for either, and says so. These are called so often that nobody looks at their arguments before.
pub(in crate::operators) const NOT_HERE: &[(&str, Kernel)] = &[
    ("aten::add.Tensor", |_| Err(not_here("aten::add.out", "QuantizedCPU"))),
    ("aten::div.Tensor", |_| Err(not_here("aten::div.out", "QuantizedCPU"))),
    ("aten::mul.Tensor", |_| Err(not_here("aten::mul.out", "QuantizedCPU"))),
    ("aten::sub.Tensor", |_| Err(not_here("aten::sub.out", "QuantizedCPU"))),
];

/// Whether a quantized tensor is among the arguments.
pub(in crate::operators) fn is_asked(args: &[Value]) -> bool {
    args.iter().any(|arg| match arg {
        Value::Tensor(tensor) => tensor.dtype().is_quantized(),
        Value::List(list) => {
            let tensors = list.content();
            let tensors = tensors
                .items
                .iter()
                .map_while(|item| if let Value::Tensor(tensor) = item { Some(tensor) } else { None });
            tensors.into_iter().any(|tensor| tensor.dtype().is_quantized())
        }
        _ => false,
    })
}

/// The first argument, and how its elements stand for numbers.
fn first<'a>(call: &mut Call<'a>) -> Result<(&'a Tensor, Parts, Affine), Fault> {
    let (parts, affine) = Parts::with_affine(call, 0)?;
    Ok((call.tensor(0)?, parts, affine))
}

/// An operator whose results are averages of elements, or some of them: it is run on the elements less their zero point.
fn averaged(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, parts, affine) = first(call)?;
    let mut args = call.args.to_vec();
    args[0] = Value::Tensor(parts.centred(call)?);
    let unquantized = call.operator.kinds.expect("it has two kernels").plain;
    let averages = match call.run_kernel(unquantized, &args)? {
        Value::Tensor(averages) => averages,
        other => return Err(Fault::unsupported(format!("{} that gives {other:?}", call.name()))),
    };
    // PyTorch averages elements as they are, unless channels lie last.
    let (name, own) = (call.operator.name, &tensor.metadata().layout);
    // A line is an image of height one.
    let image = (name.contains("1d") && own.rank() == 3).then(|| layouts::unsqueeze(own, -2)).transpose()?;
    let own = image.as_ref().unwrap_or(own);
    let rank = if name.contains("3d") { 5 } else { 4 };
    let last = [Format::ChannelsLast, Format::ChannelsLast3d].iter().any(|format| format.holds(own));
    let as_they_are = name.contains("avg_pool") && name != "aten::avg_pool3d" && !(own.rank() == rank && last);
    let round = if as_they_are { Affine::round_shifted } else { Affine::round };
    let averages_read = call.read::<f64>(&averages)?;
    let integers: Vec<i64> = averages_read.iter().map(|&average| round(affine, average as f32, parts.dtype)).collect();
    let layout = suggested(&tensor.metadata().layout, &averages.sizes())?;
    Ok(Value::Tensor(together(call, &integers, layout, parts.dtype, Quantizer::PerTensor(affine))?))
}

/// A mean over the innermost dimensions of what lies in order is of the elements as they are; others are of the numbers.
fn mean(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, parts, affine) = first(call)?;
    let layout = tensor.metadata().layout.clone();
    let rank = layout.rank() as i64;
    let mut dims = match call.position("dim") {
        Some(i) => call.opt_ints(i)?.unwrap_or_default().to_vec(),
        None => Vec::new(),
    };
    dims.iter_mut().for_each(|dim| *dim += if *dim < 0 { rank } else { 0 });
    dims.sort_unstable();
    let innermost = dims.iter().rev().enumerate().all(|(i, &dim)| dim == rank - 1 - i as i64);
    if !innermost || !layout.is_contiguous() || layout.numel() == 0 {
        return function(call, None);
    }
    let mut args = call.args.to_vec();
    args[0] = Value::Tensor(parts.centred(call)?);
    let plain = call.operator.kinds.expect("it has two kernels").plain;
    let Value::Tensor(means) = call.run_kernel(plain, &args)? else { unreachable!("a mean is a tensor") };
    let integers: Vec<i64> =
        call.read::<f64>(&means)?.iter().map(|&mean| affine.round_shifted(mean as f32, parts.dtype)).collect();
    let layout = Layout::contiguous(&means.sizes());
    Ok(Value::Tensor(together(call, &integers, layout, parts.dtype, Quantizer::PerTensor(affine))?))
}

/// A function of numbers in place.
fn replace(call: &mut Call<'_>) -> Result<Value, Fault> {
    let target = call.tensor(0)?;
    let name = call.name();
    let found = call.run(name.trim_end_matches('_'), call.args)?;
    call.run("aten::copy_", &[Value::Tensor(target.clone()), found, Value::Bool(false)])
}

/// A function of numbers, whose results are quantized as the argument is, or as is said: the scale, and the zero points of
/// `quint8` and `qint8`.
fn function(call: &mut Call<'_>, output: Option<(f64, i64, i64)>) -> Result<Value, Fault> {
    let (tensor, parts, affine) = first(call)?;
    let mut args = call.args.to_vec();
    args[0] = Value::Tensor(dequantized(call, tensor)?);
    let unquantized = call.operator.kinds.expect("it has two kernels").plain;
    let Value::Tensor(numbers) = call.run_kernel(unquantized, &args)? else {
        return Err(Fault::unsupported(format!("{} of quantized elements", call.name())));
    };
    let affine = match (output, parts.dtype) {
        // The scale goes through a tensor of floats.
        (None, _) if call.operator.name == "aten::gelu" => Affine { scale: f64::from(affine.scale as f32), ..affine },
        (None, _) => affine,
        (Some((scale, zero_point, _)), DType::QUInt8) => Affine { scale, zero_point },
        (Some((scale, _, zero_point)), DType::QInt8) => Affine { scale, zero_point },
        (Some(_), other) => return Err(Fault::no_kernel(call.operator.name, other)),
    };
    let layout = suggested(&tensor.metadata().layout, &numbers.sizes())?;
    let numbers = call.read::<f32>(&numbers)?;
    Ok(Value::Tensor(quantized(call, &numbers, layout, parts.dtype, affine)?))
}

/// `relu`, and `relu_` in place: nothing below the zero point.
fn relu(call: &mut Call<'_>) -> Result<Value, Fault> {
    clamped(call, Some(0.0), None)
}

/// `clamp`, `hardtanh` and their like: bounds are the arguments 1 and 2.
pub(super) fn clamp(call: &mut Call<'_>) -> Result<Value, Fault> {
    let number = |bound: Option<Scalar>| bound.map(|bound| bound.to_f64() as f32);
    let (least, greatest) = (number(call.opt_scalar(1)?), number(call.opt_scalar(2)?));
    clamped(call, least, greatest)
}

/// The elements between those that are nearest to two numbers; in place, if the operator writes its argument.
pub(super) fn clamped(call: &mut Call<'_>, least: Option<f32>, greatest: Option<f32>) -> Result<Value, Fault> {
    let (tensor, parts, affine) = first(call)?;
    let bound =
        |number: Option<f32>| number.map_or(Value::None, |number| Value::Int(affine.quantize(number, parts.dtype)));
    let bounds = [bound(least), bound(greatest)];
    let [least, greatest] = bounds;
    if call.destination()?.target().is_some() {
        call.run("aten::clamp_", &[Value::Tensor(parts.integers), least, greatest])?;
        return Ok(Value::Tensor(tensor.clone()));
    }
    let args = [Value::Tensor(ordered(call, &parts)?), least, greatest];
    let integers = call.run_tensor("aten::clamp", &args)?;
    Ok(Value::Tensor(relabelled(call, &integers, parts.dtype, parts.quantizer)))
}

/// `cat`, `stack` and their like: what is quantized in another way than the first becomes as the first.
fn join(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut integers = Vec::new();
    let mut shared: Option<Parts> = None;
    for tensor in call.tensors(0)? {
        let Some(parts) = Parts::of_tensor(call, &tensor)? else {
            return Err(not_here("aten::q_scale", "CPU"));
        };
        if !matches!(&*parts.quantizer, Quantizer::PerTensor(_)) {
            return Err(Fault::raised("Only per-tensor quantization is supported in 'cat'!"));
        }
        let first = shared.get_or_insert_with(|| parts.clone());
        if parts.dtype != first.dtype {
            return Err(Fault::raised("All dtypes must be the same."));
        }
        if parts.quantizer == first.quantizer {
            integers.push(parts.integers);
            continue;
        }
        let numbers = dequantized(call, &tensor)?;
        let (layout, numbers) = (numbers.metadata().layout.clone(), call.read::<f32>(&numbers)?);
        let alike = quantized(call, &numbers, layout, first.dtype, first.affine()?)?;
        integers.push(Parts::of_tensor(call, &alike)?.expect("it was just quantized").integers);
    }
    let shared = shared.expect("one of them is quantized");
    let mut args = call.args.to_vec();
    args[0] = call.tensor_list(integers);
    let plain = call.operator.kinds.expect("it has two kernels").plain;
    let Value::Tensor(joined) = call.run_kernel(plain, &args)? else { unreachable!("tensors are joined to one") };
    Ok(Value::Tensor(relabelled(call, &joined, shared.dtype, shared.quantizer)))
}

/// `copy_` from numbers, which are quantized, or from a tensor that is quantized alike.
fn copy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (target, source) = (call.tensor(0)?, call.tensor(1)?);
    let Some(to) = Parts::of_tensor(call, target)? else {
        return Err(Fault::raised(
            "Copying from quantized Tensor to non-quantized Tensor is not allowed, please use dequantize to get a float \
             Tensor from a quantized Tensor",
        ));
    };
    let integers = match Parts::of_tensor(call, source)? {
        Some(from) => {
            if from.dtype != to.dtype || from.quantizer != to.quantizer {
                return Err(Fault::unsupported("aten::copy_ between tensors that are quantized in different ways"));
            }
            from.integers
        }
        None if source.dtype() != DType::Float32 => {
            return Err(Fault::raised("Quantized copy only works with kFloat as source Tensor"));
        }
        None if source.sizes() != target.sizes() => {
            return Err(Fault::raised("Quantized copy only works with Tensors with the same shape"));
        }
        None => {
            let affine = to.affine()?;
            let elements: Vec<i64> =
                call.read::<f32>(source)?.iter().map(|&number| affine.quantize(number, to.dtype)).collect();
            call.create(DType::Int64, &source.sizes(), &elements)?
        }
    };
    call.run("aten::copy_", &[Value::Tensor(to.integers), Value::Tensor(integers)])?;
    Ok(Value::Tensor(target.clone()))
}
