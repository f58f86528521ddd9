//! Linear layers and convolutions: exact sums of products of integers, rounded once.
//!
//! The sums are computed with doubles, which hold every one of them exactly, so that the kernels for floats serve here
//! too and the order of a sum does not matter.

use super::super::{Call, Fault, Kernel};
use super::conversion::chosen;
use super::packed::{Convolution, Linear};
use super::parts::{Parts, channels_last, together};
use super::wrong_backend;
use crate::tensor::{Affine, DType, Layout, Quantizer, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("_quantized::conv2d", |call| convolution(call, false)),
    ("_quantized::conv2d_relu", |call| convolution(call, true)),
    ("_quantized::conv3d", |call| convolution(call, false)),
    ("_quantized::conv3d_relu", |call| convolution(call, true)),
    ("_quantized::conv_transpose1d", |call| convolution(call, false)),
    ("_quantized::conv_transpose2d", |call| convolution(call, false)),
    ("_quantized::linear", |call| linear(call, false)),
    ("_quantized::linear_dynamic", |call| linear_dynamic(call, false)),
    ("quantized::conv1d", |call| convolution(call, false)),
    ("quantized::conv1d_relu", |call| convolution(call, true)),
    ("quantized::conv2d.new", |call| convolution(call, false)),
    ("quantized::conv2d_relu.new", |call| convolution(call, true)),
    ("quantized::conv3d.new", |call| convolution(call, false)),
    ("quantized::conv3d_relu.new", |call| convolution(call, true)),
    ("quantized::conv_transpose1d", |call| convolution(call, false)),
    ("quantized::conv_transpose2d", |call| convolution(call, false)),
    ("quantized::conv_transpose3d", |call| convolution(call, false)),
    ("quantized::linear", |call| linear(call, false)),
    ("quantized::linear_dynamic", |call| linear_dynamic(call, false)),
    ("quantized::linear_dynamic_fp16", |call| linear_fp16(call, false)),
    ("quantized::linear_relu", |call| linear(call, true)),
    ("quantized::linear_relu_dynamic", |call| linear_dynamic(call, true)),
    ("quantized::linear_relu_dynamic_fp16", |call| linear_fp16(call, true)),
];

/// What becomes of exact sums: the scales of the activations and of the weight's channels, and the bias.
struct Scales {
    /// Activation times weight, for each channel or for all.
    products: Vec<f32>,
    bias: Option<Vec<f32>>,
}

impl Scales {
    fn of(call: &Call<'_>, activation: f64, weight: &Parts, bias: Option<&Tensor>) -> Result<Self, Fault> {
        let products = weight.scales(call)?.iter().map(|&scale| activation as f32 * scale).collect();
        let bias = bias.map(|bias| call.read::<f32>(bias)).transpose()?.map(|bias| bias.to_vec());
        Ok(Self { products, bias })
    }

    fn product(&self, channel: usize) -> f32 {
        self.products[if self.products.len() == 1 { 0 } else { channel }]
    }

    fn bias(&self, channel: usize) -> f32 {
        self.bias.as_ref().map_or(0.0, |bias| bias[channel])
    }

    /// The element of the output for a sum.
    fn requantize(&self, sum: f64, channel: usize, output: Affine, relu: bool) -> i64 {
        let product = self.product(channel);
        let sum = sum as f32 + self.bias(channel) / product;
        let element = output.round(sum * (product / output.scale as f32), DType::QUInt8);
        if relu { element.max(output.zero_point) } else { element }
    }

    /// The number for a sum.
    fn dequantize(&self, sum: f64, channel: usize, relu: bool) -> f32 {
        let number = sum as f32 * self.product(channel) + self.bias(channel);
        if relu { number.max(0.0) } else { number }
    }
}

/// The quantized activations, which the kernels take as `quint8` only.
fn activations(call: &mut Call<'_>) -> Result<(Parts, Affine), Fault> {
    let parts = Parts::of(call, 0)?;
    if parts.dtype != DType::QUInt8 {
        let found = parts.dtype.scalar_type_name();
        return Err(Fault::raised(format!("Expected input data type QUInt8 but got {found}")));
    }
    let affine = parts.affine()?;
    Ok((parts, affine))
}

/// The quantized weight of packed parameters.
fn weight_parts(call: &mut Call<'_>, weight: &Tensor) -> Result<Parts, Fault> {
    let parts = Parts::of_tensor(call, weight)?;
    parts.ok_or_else(|| Fault::unsupported(format!("{} with weights that are not quantized", call.name())))
}

fn output(call: &Call<'_>) -> Result<Affine, Fault> {
    Ok(Affine { scale: call.float(2)?, zero_point: call.int(3)? })
}

fn linear(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let (input, affine) = activations(call)?;
    let (packed, output) = (Linear::of(call, 1)?, output(call)?);
    let centred = input.centred(call)?;
    let (sums, scales) = linear_sums(call, &centred, affine.scale, &packed)?;
    let (elements, outputs) = (call.read::<f64>(&sums)?, packed.weight.sizes()[0] as usize);
    let element = |(i, &sum): (usize, &f64)| scales.requantize(sum, i % outputs, output, relu);
    let integers: Vec<i64> = elements.iter().enumerate().map(element).collect();
    let layout = Layout::contiguous(&sums.sizes());
    let quantizer = Quantizer::PerTensor(output);
    Ok(Value::Tensor(together(call, &integers, layout, DType::QUInt8, quantizer)?))
}

/// The activations are quantized on the way, and the result is numbers.
pub(super) fn linear_dynamic(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let (input, reduce_range) = (call.tensor(0)?, call.bool(2)?);
    let packed = Linear::of(call, 1)?;
    dynamic(call, input, &packed, reduce_range, relu).map(Value::Tensor)
}

/// A linear layer on activations that are quantized for it.
pub(super) fn dynamic(
    call: &mut Call<'_>,
    input: &Tensor,
    packed: &Linear,
    reduce_range: bool,
    relu: bool,
) -> Result<Tensor, Fault> {
    if input.metadata().quantizer.is_some() {
        return Err(wrong_backend(call, "QuantizedCPU"));
    }
    if packed.weight.metadata().quantizer.is_none() {
        return halves(call, input, packed, relu);
    }
    if input.dtype() != DType::Float32 {
        let found = input.dtype().scalar_type_name();
        return Err(Fault::raised(format!("expected scalar type Float but found {found}")));
    }
    let numbers = call.read::<f32>(input)?;
    let affine = chosen(&numbers, DType::QUInt8, reduce_range);
    let (inverse, zero_point) = (1.0 / affine.scale as f32, affine.zero_point as f32);
    // fbgemm adds the zero point before it rounds, in one step with the product.
    let centred =
        |number: &f32| f64::from(number.mul_add(inverse, zero_point).round_ties_even().clamp(0.0, 255.0) - zero_point);
    let centred: Vec<f64> = numbers.iter().map(centred).collect();
    let centred = call.create(DType::Float64, &input.sizes(), &centred)?;
    let (sums, scales) = linear_sums(call, &centred, affine.scale, packed)?;
    let (elements, outputs) = (call.read::<f64>(&sums)?, packed.weight.sizes()[0] as usize);
    call.write::<f32>(DType::Float32, &sums.sizes(), |result| {
        for (i, (to, &sum)) in result.iter_mut().zip(elements.iter()).enumerate() {
            *to = scales.dequantize(sum, i % outputs, relu);
        }
        Ok(())
    })
}

/// The sums of products of centred activations and weights.
fn linear_sums(call: &mut Call<'_>, centred: &Tensor, scale: f64, packed: &Linear) -> Result<(Tensor, Scales), Fault> {
    let sizes = centred.sizes();
    if sizes.len() < 2 {
        return Err(Fault::raised("The dimension of input tensor should be larger than or equal to 2"));
    }
    let inner = sizes[sizes.len() - 1];
    if inner != packed.weight.sizes()[1] {
        return Err(Fault::raised(format!("The number of rows in the packB should be equal to K: {inner}")));
    }
    let weight = weight_parts(call, &packed.weight)?;
    let scales = Scales::of(call, scale, &weight, packed.bias.as_ref())?;
    let weight = weight.centred(call)?;
    let sums = call.run_tensor("aten::linear", &[Value::Tensor(centred.clone()), Value::Tensor(weight)])?;
    Ok((sums, scales))
}

fn linear_fp16(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let (input, packed) = (call.tensor(0)?, Linear::of(call, 1)?);
    if packed.weight.metadata().quantizer.is_some() {
        return Err(call.wrong(1, "weights in half precision"));
    }
    halves(call, input, &packed, relu).map(Value::Tensor)
}

/// A layer with weights that were rounded to half precision.
fn halves(call: &mut Call<'_>, input: &Tensor, packed: &Linear, relu: bool) -> Result<Tensor, Fault> {
    let bias = packed.bias.clone().map_or(Value::None, Value::Tensor);
    let args = [Value::Tensor(input.clone()), Value::Tensor(packed.weight.clone()), bias];
    let result = call.run_tensor("aten::linear", &args)?;
    if relu { call.run_tensor("aten::relu", &[Value::Tensor(result)]) } else { Ok(result) }
}

/// Convolutions of one, two and three dimensions, transposed or not: the packed parameters say which.
fn convolution(call: &mut Call<'_>, relu: bool) -> Result<Value, Fault> {
    let (input, affine) = activations(call)?;
    let (packed, output) = (Convolution::of(call, 1)?, output(call)?);
    let flat = call.operator.name.contains('1');
    let n = packed.stride.len();
    let rank = input.integers.sizes().len();
    if flat && rank != 3 {
        return Err(Fault::raised("Input shape must be `(N, C, L)`!"));
    }
    if !flat && rank != n + 2 {
        return Err(Fault::raised(format!("Activations are supposed to have {} dimensions.", n + 2)));
    }
    let mut centred = input.centred(call)?;
    if flat {
        centred = call.run_tensor("aten::unsqueeze", &[Value::Tensor(centred), Value::Int(2)])?;
    }
    let (found, expected) = (centred.sizes()[1], packed.channels().0);
    if found != expected {
        return Err(Fault::raised(format!(
            "[QConv{n}D] Given groups={}, weight of size {:?}, expected input {:?} to have {expected} channels, but got {found} \
             channels instead",
            packed.groups,
            packed.weight.sizes(),
            centred.sizes()
        )));
    }
    let weight = weight_parts(call, &packed.weight)?;
    let scales = Scales::of(call, affine.scale, &weight, packed.bias.as_ref())?;
    let weight = weight.centred(call)?;
    let lines = [&packed.stride, &packed.padding, &packed.dilation].map(|line| call.int_list(line));
    let [stride, padding, dilation] = lines;
    let (transposed, groups) = (Value::Bool(packed.transposed), Value::Int(packed.groups));
    let output_padding = call.int_list(&packed.output_padding);
    let args = [
        Value::Tensor(centred),
        Value::Tensor(weight),
        Value::None,
        stride,
        padding,
        dilation,
        transposed,
        output_padding,
        groups,
    ];
    let sums = call.run_tensor("aten::convolution", &args)?;
    let (elements, sizes) = (call.read::<f64>(&sums)?, sums.sizes());
    if sizes.iter().any(|&size| size <= 0) {
        return Err(Fault::raised(format!("[QConv{n}D] each dimension of output tensor should be greater than 0")));
    }
    let (channels, plane) = (sizes[1] as usize, sizes[2..].iter().product::<i64>() as usize);
    let element = |(i, &sum): (usize, &f64)| scales.requantize(sum, i / plane % channels, output, relu);
    let integers: Vec<i64> = elements.iter().enumerate().map(element).collect();
    let layout = channels_last(&sizes)?;
    let mut result = together(call, &integers, layout, DType::QUInt8, Quantizer::PerTensor(output))?;
    if flat {
        result = call.run_tensor("aten::squeeze.dim", &[Value::Tensor(result), Value::Int(2)])?;
    }
    Ok(Value::Tensor(result))
}
