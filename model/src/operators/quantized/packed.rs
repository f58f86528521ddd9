//! Weights and biases packed for the kernels: opaque to a program, and to us what they would be saved as.
//!
//! So an object that is made by `linear_prepack` and one that is read from an archive are alike. Packing copies, and
//! so does taking apart.

use std::sync::Arc;

use super::super::creation::copies::copy_as;
use super::super::shape::layouts;
use super::super::{Call, Fault, Kernel};
use super::parts::channels_last;
use super::wrong_backend;
use crate::module::Class;
use crate::tensor::{Affine, DType, Dims, Quantizer, Tensor};
use crate::types::Type;
use crate::value::{List, ListContent, Object, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("_quantized::conv2d_prepack", |call| conv_prepack(call, false)),
    ("_quantized::conv3d_prepack", |call| conv_prepack(call, false)),
    ("_quantized::conv_transpose1d_prepack", |call| conv_prepack(call, true)),
    ("_quantized::conv_transpose2d_prepack", |call| conv_prepack(call, true)),
    ("_quantized::conv_transpose3d_prepack", |call| conv_prepack(call, true)),
    ("_quantized::linear_prepack", linear_prepack),
    ("_quantized::linear_prepack_fp16", linear_prepack_fp16),
    ("quantized::conv1d_prepack", |call| conv_prepack(call, false)),
    ("quantized::conv1d_unpack", conv_unpack),
    ("quantized::conv2d_dilation", |call| line(call, |conv| conv.dilation)),
    ("quantized::conv2d_groups", groups),
    ("quantized::conv2d_output_padding", |call| line(call, |conv| conv.output_padding)),
    ("quantized::conv2d_padding", |call| line(call, |conv| conv.padding)),
    ("quantized::conv2d_prepack", |call| conv_prepack(call, false)),
    ("quantized::conv2d_stride", |call| line(call, |conv| conv.stride)),
    ("quantized::conv2d_transpose", transposed),
    ("quantized::conv2d_unpack", conv_unpack),
    ("quantized::conv3d_dilation", |call| line(call, |conv| conv.dilation)),
    ("quantized::conv3d_groups", groups),
    ("quantized::conv3d_output_padding", |call| line(call, |conv| conv.output_padding)),
    ("quantized::conv3d_padding", |call| line(call, |conv| conv.padding)),
    ("quantized::conv3d_prepack", |call| conv_prepack(call, false)),
    ("quantized::conv3d_stride", |call| line(call, |conv| conv.stride)),
    ("quantized::conv3d_transpose", transposed),
    ("quantized::conv3d_unpack", conv_unpack),
    ("quantized::conv_prepack", |call| conv_prepack(call, false)),
    ("quantized::conv_transpose1d_prepack", |call| conv_prepack(call, true)),
    ("quantized::conv_transpose1d_unpack", conv_unpack),
    ("quantized::conv_transpose2d_dilation", |call| line(call, |conv| conv.dilation)),
    ("quantized::conv_transpose2d_groups", groups),
    ("quantized::conv_transpose2d_output_padding", |call| line(call, |conv| conv.output_padding)),
    ("quantized::conv_transpose2d_padding", |call| line(call, |conv| conv.padding)),
    ("quantized::conv_transpose2d_prepack", |call| conv_prepack(call, true)),
    ("quantized::conv_transpose2d_stride", |call| line(call, |conv| conv.stride)),
    ("quantized::conv_transpose2d_transpose", transposed),
    ("quantized::conv_transpose2d_unpack", conv_unpack),
    ("quantized::conv_transpose3d_dilation", |call| line(call, |conv| conv.dilation)),
    ("quantized::conv_transpose3d_groups", groups),
    ("quantized::conv_transpose3d_output_padding", |call| line(call, |conv| conv.output_padding)),
    ("quantized::conv_transpose3d_padding", |call| line(call, |conv| conv.padding)),
    ("quantized::conv_transpose3d_prepack", |call| conv_prepack(call, true)),
    ("quantized::conv_transpose3d_stride", |call| line(call, |conv| conv.stride)),
    ("quantized::conv_transpose3d_transpose", transposed),
    ("quantized::conv_transpose3d_unpack", conv_unpack),
    ("quantized::conv_unpack", conv_unpack),
    ("quantized::embedding_bag_byte", embedding_bag),
    ("quantized::embedding_bag_prepack", embedding_prepack),
    ("quantized::embedding_bag_unpack", embedding_unpack),
    ("quantized::embedding_byte", embedding),
    ("quantized::linear_prepack", linear_prepack),
    ("quantized::linear_prepack_fp16", linear_prepack_fp16),
    ("quantized::linear_unpack", linear_unpack),
    ("quantized::linear_unpack_fp16", linear_unpack),
    ("quantized::make_quantized_cell_params_dynamic", cell_dynamic),
    ("quantized::make_quantized_cell_params_fp16", cell_fp16),
];

const LINEAR: &str = "__torch__.torch.classes.quantized.LinearPackedParamsBase";
const CONV2D: &str = "__torch__.torch.classes.quantized.Conv2dPackedParamsBase";
const CONV3D: &str = "__torch__.torch.classes.quantized.Conv3dPackedParamsBase";
const EMBEDDING: &str = "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase";
const CELL: &str = "__torch__.torch.classes.rnn.CellParamsBase";

/// The weight (rows of outputs) and the bias of a linear layer.
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
}

/// A convolution of two or three dimensions. One of one dimension has height 1.
pub(super) struct Convolution {
    pub(super) weight: Tensor,
    pub(super) bias: Option<Tensor>,
    pub(super) stride: Dims,
    pub(super) padding: Dims,
    pub(super) dilation: Dims,
    pub(super) output_padding: Dims,
    pub(super) groups: i64,
    pub(super) transposed: bool,
}

/// The weights of a recurrent cell, and whether activations take half of their range.
pub(super) struct Cell {
    pub(super) input: Linear,
    pub(super) hidden: Linear,
    pub(super) reduce_range: bool,
}

impl Linear {
    /// The argument number `i`.
    pub(super) fn of(call: &Call<'_>, i: usize) -> Result<Self, Fault> {
        Self::from_value(call.value(i)).ok_or_else(|| call.wrong(i, "packed parameters of a linear layer"))
    }

    pub(super) fn from_value(value: &Value) -> Option<Self> {
        match &state_of(value, &[LINEAR])?[..] {
            [Value::Tensor(weight), bias] if weight.sizes().len() == 2 => {
                let bias = optional(bias)?;
                let outputs = weight.sizes()[0];
                let fits = bias.as_ref().is_none_or(|bias| bias.sizes().as_slice() == [outputs]);
                fits.then(|| Self { weight: weight.clone(), bias })
            }
            _ => None,
        }
    }
}

impl Convolution {
    /// The argument number `i`.
    pub(super) fn of(call: &Call<'_>, i: usize) -> Result<Self, Fault> {
        Self::from_value(call.value(i)).ok_or_else(|| call.wrong(i, "packed parameters of a convolution"))
    }

    /// Reads the three forms in which such an object was ever saved.
    fn from_value(value: &Value) -> Option<Self> {
        let state = state_of(value, &[CONV2D, CONV3D])?;
        let (numbers, weight, bias) = match &state[..] {
            // The first had a tensor for each number, and neither padding of outputs nor transposition.
            [Value::Tensor(weight), bias, stride, padding, dilation, groups] => {
                let mut numbers = vec![0];
                for list in [stride, padding, dilation] {
                    numbers.extend(number_tensors(list)?);
                }
                let n = (numbers.len() - 1) / 3;
                numbers[0] = n as i64;
                numbers.extend(vec![0; n]);
                numbers.extend(number_tensors(groups)?);
                numbers.push(0);
                (numbers, weight.clone(), optional(bias)?)
            }
            [Value::Str(version), Value::List(tensors), Value::List(optionals)] if &**version == "2" => {
                let (tensors, optionals) = (tensors.content(), optionals.content());
                match (&tensors.items[..], &optionals.items[..]) {
                    ([numbers, Value::Tensor(weight)], [bias]) => {
                        (number_tensors(numbers)?, weight.clone(), optional(bias)?)
                    }
                    _ => return None,
                }
            }
            [Value::Int(3), Value::List(numbers), Value::List(tensors)] => {
                let (numbers, tensors) = (numbers.content(), tensors.content());
                let int = |value: &Value| if let Value::Int(value) = value { Some(*value) } else { None };
                match &tensors.items[..] {
                    [_, Value::Tensor(weight), bias] => {
                        (numbers.items.iter().map(int).collect::<Option<_>>()?, weight.clone(), optional(bias)?)
                    }
                    _ => return None,
                }
            }
            _ => return None,
        };
        let n = usize::try_from(*numbers.first()?).ok()?;
        if !(2..=3).contains(&n) || numbers.len() != 4 * n + 3 || weight.sizes().len() != n + 2 {
            return None;
        }
        let part = |i: usize| Dims::from_slice(&numbers[1 + i * n..1 + (i + 1) * n]);
        let (groups, transposed) = (numbers[4 * n + 1], numbers[4 * n + 2] & 1 == 1);
        let (stride, padding, dilation, output_padding) = (part(0), part(1), part(2), part(3));
        Some(Self { weight, bias, stride, padding, dilation, output_padding, groups, transposed })
    }

    fn to_value(&self, call: &mut Call<'_>) -> Result<Value, Fault> {
        let mut numbers = vec![self.stride.len() as i64];
        for line in [&self.stride, &self.padding, &self.dilation, &self.output_padding] {
            numbers.extend(line);
        }
        numbers.extend([self.groups, i64::from(self.transposed)]);
        let numbers = call.create(DType::Int16, &[numbers.len() as i64], &numbers)?;
        let tensors = call.tensor_list(vec![numbers, self.weight.clone()]);
        let bias = self.bias.clone().map_or(Value::None, Value::Tensor);
        let optionals = ListContent { item: Type::optional(Type::Tensor), items: vec![bias] };
        let optionals = Value::List(List::new(call.allocator, optionals));
        let class = if self.stride.len() == 2 { CONV2D } else { CONV3D };
        Ok(object(call, class, [Value::str("2"), tensors, optionals]))
    }

    /// How many channels go in and come out.
    pub(super) fn channels(&self) -> (i64, i64) {
        let sizes = self.weight.sizes();
        match self.transposed {
            true => (sizes[0], sizes[1] * self.groups),
            false => (sizes[1] * self.groups, sizes[0]),
        }
    }
}

impl Cell {
    /// Such an object.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let state = state_of(value, &[CELL])?;
        let [Value::Str(_), _, _, Value::List(numbers), Value::List(packed)] = &state[..] else { return None };
        let (numbers, packed) = (numbers.content(), packed.content());
        let [input, hidden] = &packed.items[..] else { return None };
        let reduce_range = matches!(numbers.items.first(), Some(Value::Int(1)));
        Some(Self { input: Linear::from_value(input)?, hidden: Linear::from_value(hidden)?, reduce_range })
    }
}

/// The state of an object of one of these classes.
fn state_of(value: &Value, classes: &[&str]) -> Option<Arc<[Value]>> {
    match value {
        Value::Object(object) if classes.contains(&&*object.class().name) => match object.attribute(0) {
            Value::Tuple(items) => Some(items),
            _ => None,
        },
        _ => None,
    }
}

/// A tensor or nothing.
fn optional(value: &Value) -> Option<Option<Tensor>> {
    match value {
        Value::None => Some(None),
        Value::Tensor(tensor) => Some(Some(tensor.clone())),
        _ => None,
    }
}

/// The elements of a tensor, or of each of a list of tensors.
fn number_tensors(value: &Value) -> Option<Vec<i64>> {
    let elements = |tensor: &Tensor| tensor.to_i64s(&crate::slot::Memory::unlimited()).ok();
    match value {
        Value::Tensor(tensor) => elements(tensor),
        Value::List(list) => {
            let content = list.content();
            let first =
                |item: &Value| if let Value::Tensor(tensor) = item { elements(tensor)?.first().copied() } else { None };
            content.items.iter().map(first).collect()
        }
        _ => None,
    }
}

fn object<const N: usize>(call: &mut Call<'_>, class: &str, state: [Value; N]) -> Value {
    Value::Object(Object::new(call.allocator, Arc::new(Class::of_cpp(class)), vec![Value::tuple(state)]))
}

/// A tensor of its own with the same elements.
fn copied(call: &mut Call<'_>, tensor: &Tensor) -> Result<Tensor, Fault> {
    call.run_tensor("aten::clone", &[Value::Tensor(tensor.clone())])
}

fn copied_value(call: &mut Call<'_>, tensor: Option<&Tensor>) -> Result<Value, Fault> {
    tensor.map_or(Ok(Value::None), |tensor| copied(call, tensor).map(Value::Tensor))
}

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The quantizer with scales in single precision, as the kernels keep them.
fn narrowed(quantizer: &Quantizer) -> Quantizer {
    let narrow = |affine: &Affine| Affine { scale: f64::from(affine.scale as f32), ..*affine };
    match quantizer {
        Quantizer::PerTensor(affine) => Quantizer::PerTensor(narrow(affine)),
        Quantizer::PerChannel { channels, axis } => {
            Quantizer::PerChannel { channels: channels.iter().map(narrow).collect(), axis: *axis }
        }
        other => other.clone(),
    }
}

/// The weight of a convolution as fbgemm gives it back: channels last, seen from its outputs, with narrowed scales. The engine
/// 'x86' leaves weights whose zero points are all zero to oneDNN where the processor has VNNI, and that keeps them as they are.
fn repacked(call: &mut Call<'_>, weight: Tensor, output_padding: &[i64], transposed: bool) -> Result<Tensor, Fault> {
    let metadata = weight.metadata();
    let quantizer = metadata.quantizer.as_deref().expect("it was looked at");
    let symmetric = match quantizer {
        Quantizer::PerTensor(affine) => affine.zero_point == 0,
        Quantizer::PerChannel { channels, .. } => channels.iter().all(|channel| channel.zero_point == 0),
        Quantizer::PerChannelFloat { .. } => false,
    };
    if symmetric && output_padding.iter().all(|&padding| padding == 0) {
        return Ok(weight);
    }
    let mut sizes = metadata.layout.sizes().to_vec();
    if transposed {
        sizes.swap(0, 1);
    }
    let layout = channels_last(&sizes)?;
    let layout = if transposed { layouts::transpose(&layout, 0, 1)? } else { layout };
    let copy = copy_as(call, &weight, metadata.dtype, layout)?;
    Ok(copy.quantized(Some(Arc::new(narrowed(quantizer)))))
}

fn linear_prepack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, bias) = (call.tensor(0)?, call.opt_tensor(1)?);
    let metadata = weight.metadata();
    if metadata.quantizer.is_none() {
        return Err(wrong_backend(call, "CPU"));
    }
    let sizes = metadata.layout.sizes();
    if sizes.len() != 2 {
        return raised("The weight tensor for quantized::linear_prepack (fbgemm) should be 2-dimensional.");
    }
    if metadata.dtype != DType::QInt8 {
        return raised(format!("expected scalar type QInt8 but found {}", metadata.dtype.scalar_type_name()));
    }
    check_bias(bias, sizes[0], "N")?;
    let quantizer = narrowed(metadata.quantizer.as_deref().expect("it was looked at"));
    let (weight, bias) = (copied(call, weight)?, copied_value(call, bias)?);
    let weight = weight.quantized(Some(Arc::new(quantizer)));
    Ok(object(call, LINEAR, [Value::Tensor(weight), bias]))
}

/// Weights in half precision: cut off at its greatest number, and rounded.
fn linear_prepack_fp16(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, bias) = (call.tensor(0)?, call.opt_tensor(1)?);
    if weight.metadata().quantizer.is_some() {
        return Err(wrong_backend(call, "QuantizedCPU"));
    }
    let greatest = half::f16::MAX.to_f32();
    let halves: Vec<f32> =
        call.read::<f32>(weight)?.iter().map(|&x| half::f16::from_f32(x.clamp(-greatest, greatest)).to_f32()).collect();
    let sizes = weight.sizes();
    if sizes.len() != 2 {
        return raised("The weight tensor for quantized::linear_prepack_fp16 (fbgemm) should be 2-dimensional.");
    }
    check_bias(bias, sizes[0], "N")?;
    let weight = call.create(DType::Float32, &sizes, &halves)?;
    let bias = copied_value(call, bias)?;
    Ok(object(call, LINEAR, [Value::Tensor(weight), bias]))
}

fn check_bias(bias: Option<&Tensor>, outputs: i64, letter: &str) -> Result<(), Fault> {
    let Some(bias) = bias else { return Ok(()) };
    match bias.sizes().as_slice() {
        [size] if *size == outputs => Ok(()),
        [_] => raised(format!("bias should have {letter} elements: {outputs}")),
        _ => raised("bias should be a vector (1D Tensor)"),
    }
}

fn linear_unpack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let packed = Linear::of(call, 0)?;
    let weight = copied(call, &packed.weight)?;
    Ok(Value::tuple([Value::Tensor(weight), copied_value(call, packed.bias.as_ref())?]))
}

/// `conv1d_prepack`, `conv2d_prepack`, `conv_transpose3d_prepack`, …
fn conv_prepack(call: &mut Call<'_>, transposed: bool) -> Result<Value, Fault> {
    let (weight, bias) = (call.tensor(0)?, call.opt_tensor(1)?);
    if weight.metadata().quantizer.is_none() {
        return Err(wrong_backend(call, "CPU"));
    }
    // Before there were others, a convolution was of two dimensions.
    let n = call.operator.name.bytes().find(u8::is_ascii_digit).map_or(2, |digit| usize::from(digit - b'0'));
    let mut lines = Vec::new();
    for i in 2..call.args.len() - 1 {
        lines.push(call.ints(i)?);
    }
    if !transposed {
        lines.insert(2, Dims::from_elem(0, lines[0].len()));
    }
    let groups = call.int(call.args.len() - 1)?;
    let mut weight = copied(call, weight)?;
    if n == 1 {
        // A line is an image of height one.
        weight = call.run_tensor("aten::unsqueeze", &[Value::Tensor(weight), Value::Int(2)])?;
        for (i, line) in lines.iter_mut().enumerate() {
            let along = line.last().copied().ok_or_else(|| Fault::raised("Argument must have elements."))?;
            *line = Dims::from_slice(&[i64::from(i == 0 || i == 3), along]);
        }
    }
    let n = n.max(2);
    let [stride, padding, output_padding, dilation] = <[Dims; 4]>::try_from(lines).expect("four lines of numbers");
    if weight.sizes().len() != n + 2 {
        return raised(format!("Weights are expected to have {} dimensions", n + 2));
    }
    if stride.len() != n {
        return raised(format!("stride should contain {n} elements for {n}D convolution."));
    }
    if padding.len() != n {
        return raised(
            "Specify front/top/left padding only. end/bottom/right padding assumed to be equal to front/top/left",
        );
    }
    if transposed && output_padding.len() != n {
        return raised(
            "quantized::conv_prepack: Specify top/left output padding only. bottom/right padding assumed to be equal to \
             top/left",
        );
    }
    if dilation.len() != n {
        return raised(format!("dilation should contain {n} elements for {n}D convolution."));
    }
    let per_tensor = matches!(weight.metadata().quantizer.as_deref(), Some(Quantizer::PerTensor(_)));
    if transposed && !per_tensor {
        return raised("Per Channel Quantization is currently disabled for transposed conv");
    }
    let bias = bias.map(|bias| copied(call, bias)).transpose()?;
    let weight = repacked(call, weight, &output_padding, transposed)?;
    let packed = Convolution { weight, bias, stride, padding, dilation, output_padding, groups, transposed };
    check_bias(packed.bias.as_ref(), packed.channels().1, "K")?;
    packed.to_value(call)
}

fn conv_unpack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let packed = Convolution::of(call, 0)?;
    let layout = packed.weight.metadata().layout.clone();
    let mut weight = copy_as(call, &packed.weight, packed.weight.dtype(), layout)?;
    if call.operator.name.contains('1') {
        weight = call.run_tensor("aten::squeeze.dim", &[Value::Tensor(weight), Value::Int(2)])?;
    }
    Ok(Value::tuple([Value::Tensor(weight), copied_value(call, packed.bias.as_ref())?]))
}

fn line(call: &mut Call<'_>, part: fn(Convolution) -> Dims) -> Result<Value, Fault> {
    let line = part(Convolution::of(call, 0)?);
    Ok(call.int_list(&line))
}

fn groups(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Int(Convolution::of(call, 0)?.groups))
}

fn transposed(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Int(i64::from(Convolution::of(call, 0)?.transposed)))
}

/// The weight of an embedding: `(version, [weight], [], [bits])`.
fn embedding_prepack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let weight = call.tensor(0)?;
    let bits = match weight.dtype() {
        DType::QUInt8 => 8,
        other => return Err(Fault::no_kernel(call.operator.name, other)),
    };
    let weight = copied(call, weight)?;
    let tensors = call.tensor_list(vec![weight]);
    let doubles = Value::List(List::new(call.allocator, ListContent { item: Type::Float, items: Vec::new() }));
    let longs = call.int_list(&[bits]);
    Ok(object(call, EMBEDDING, [Value::Int(1), tensors, doubles, longs]))
}

fn embedding_unpack(call: &mut Call<'_>) -> Result<Value, Fault> {
    let weight = embedding_weight(call)?;
    copied(call, &weight).map(Value::Tensor)
}

fn embedding_weight(call: &Call<'_>) -> Result<Tensor, Fault> {
    let wrong = || call.wrong(0, "packed parameters of an embedding");
    let state = state_of(call.value(0), &[EMBEDDING]).ok_or_else(wrong)?;
    match state.get(1) {
        Some(Value::List(tensors)) => match tensors.content().items.first() {
            Some(Value::Tensor(weight)) => Ok(weight.clone()),
            _ => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

/// The rows that the indices name, as numbers.
fn embedding(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, indices) = (embedding_weight(call)?, call.tensor(1)?);
    if call.bool(2)? {
        return Err(Fault::unsupported(format!("{} with rows left out", call.name())));
    }
    let rows = super::conversion::dequantized(call, &weight)?;
    call.run("aten::embedding", &[Value::Tensor(rows), Value::Tensor(indices.clone())])
}

/// The sum of the rows of each bag: one in each row of the indices, or from each offset to the next. The mode is not looked at,
/// by PyTorch neither.
fn embedding_bag(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weight, indices) = (embedding_weight(call)?, call.tensor(1)?);
    if call.bool(5)? {
        return Err(Fault::unsupported(format!("{} with rows left out", call.name())));
    }
    let named = indices.dtype();
    if !matches!(named, DType::Int32 | DType::Int64) {
        let text = format!("Expect 32 or 64 bit indices, but found {} instead.", named.scalar_type_name());
        return Err(Fault::raised(text));
    }
    let bags = bags(call, &indices.sizes())?;
    let rows = super::conversion::dequantized(call, &weight)?;
    let (count, width) = (rows.sizes()[0], rows.sizes()[1] as usize);
    let (rows, named) = (call.read::<f32>(&rows)?, call.read::<i64>(indices)?);
    let factors = call.opt_tensor(6)?.map(|factors| call.read::<f32>(factors)).transpose()?;
    let mut sums = vec![0.0; bags.len() * width];
    for (sum, bag) in sums.chunks_exact_mut(width.max(1)).zip(&bags) {
        for at in bag.clone() {
            let row = named.get(at).copied().unwrap_or(-1);
            if !(0..count).contains(&row) {
                return Err(Fault::raised(format!("Index {at} is out of bounds: {row}, range 0 to {count}")));
            }
            let factor = factors.as_ref().map_or(Some(1.0), |factors| factors.get(at).copied());
            let factor = factor.ok_or_else(|| Fault::unsupported(format!("{} with too few weights", call.name())))?;
            let row = &rows[row as usize * width..][..width];
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
        }
    }
    call.create(DType::Float32, &[bags.len() as i64, width as i64], &sums).map(Value::Tensor)
}

/// The positions of the indices of each bag.
fn bags(call: &Call<'_>, sizes: &[i64]) -> Result<Vec<std::ops::Range<usize>>, Fault> {
    let name = call.operator.name.trim_start_matches("quantized::");
    match (sizes, call.opt_tensor(2)?) {
        (&[count, length], None) => {
            Ok((0..count).map(|i| (i * length) as usize..((i + 1) * length) as usize).collect())
        }
        ([_, _], Some(_)) => Err(Fault::raised(format!(
            "{name} operator: input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length \
             sequences."
        ))),
        ([_], None) => Err(Fault::raised(format!("{name} expects offsets to be set for 1D indices."))),
        (&[count], Some(offsets)) => {
            let mut ends = call.read::<i64>(offsets)?.to_vec();
            if !call.bool(8)? {
                ends.push(count);
            }
            let known = |end: &i64| usize::try_from(*end).ok().filter(|end| *end <= count as usize);
            let ends: Option<Vec<usize>> = ends.iter().map(known).collect();
            let ends = ends.ok_or_else(|| Fault::unsupported(format!("{name} of offsets beyond the indices")))?;
            Ok(ends.windows(2).map(|ends| ends[0]..ends[1]).collect())
        }
        _ => {
            let text = format!("qembedding/qembedding_bag operator supports 1 or 2d indices, got {}", sizes.len());
            Err(Fault::raised(text))
        }
    }
}

/// The cell of a dynamically quantized recurrent network: `(kind, biases, [], [reduce range], weights)`.
fn cell_dynamic(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, hidden) = (call.value(0).clone(), call.value(1).clone());
    let (bias_input, bias_hidden, reduce_range) = (call.tensor(2)?, call.tensor(3)?, call.bool(4)?);
    let biases = vec![copied(call, bias_input)?, copied(call, bias_hidden)?];
    let biases = call.tensor_list(biases);
    let reduce_range = call.int_list(&[i64::from(reduce_range)]);
    Ok(cell(call, "quantized_dynamic", biases, reduce_range, [input, hidden]))
}

fn cell_fp16(call: &mut Call<'_>) -> Result<Value, Fault> {
    let weights = [call.value(0).clone(), call.value(1).clone()];
    let (biases, numbers) = (call.tensor_list(Vec::new()), call.int_list(&[]));
    Ok(cell(call, "quantized_fp16", biases, numbers, weights))
}

fn cell(call: &mut Call<'_>, kind: &str, biases: Value, numbers: Value, weights: [Value; 2]) -> Value {
    let doubles = ListContent { item: Type::Float, items: Vec::new() };
    let doubles = Value::List(List::new(call.allocator, doubles));
    let weights = ListContent { item: Type::named(LINEAR), items: weights.to_vec() };
    let weights = Value::List(List::new(call.allocator, weights));
    object(call, CELL, [Value::str(kind), biases, doubles, numbers, weights])
}
