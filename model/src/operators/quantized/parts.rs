//! Quantized tensors taken apart and put together: integers, and what they stand for.

use std::sync::Arc;

use super::super::creation::formats::Format;
use super::super::{Call, Fault};
use crate::tensor::{Affine, DType, Layout, Metadata, Quantizer, Tensor};

/// A quantized tensor.
#[derive(Clone)]
pub(super) struct Parts {
    /// A view of its elements as plain integers.
    pub(super) integers: Tensor,
    pub(super) dtype: DType,
    pub(super) quantizer: Arc<Quantizer>,
}

impl Parts {
    /// The argument number `i`, which PyTorch's operator takes quantized only.
    pub(super) fn of(call: &mut Call<'_>, i: usize) -> Result<Self, Fault> {
        let tensor = call.tensor(i)?;
        Self::of_tensor(call, tensor)?.ok_or_else(|| super::wrong_backend(call, "CPU"))
    }

    /// The same of one in which all elements stand for numbers in one way: and that way.
    pub(super) fn with_affine(call: &mut Call<'_>, i: usize) -> Result<(Self, Affine), Fault> {
        let parts = Self::of(call, i)?;
        let affine = parts.affine()?;
        Ok((parts, affine))
    }

    /// A tensor's, if it is quantized.
    pub(super) fn of_tensor(call: &mut Call<'_>, tensor: &Tensor) -> Result<Option<Self>, Fault> {
        let metadata = tensor.metadata();
        let Some(quantizer) = metadata.quantizer.clone() else {
            // An operator that moves bytes and knows nothing of quantizers may have made it.
            return if metadata.dtype.is_quantized() {
                Err(Fault::no_kernel(call.operator.name, metadata.dtype))
            } else {
                Ok(None)
            };
        };
        let integers = tensor.integers(call.allocator);
        let integers = integers.ok_or_else(|| Fault::no_kernel(call.operator.name, metadata.dtype))?;
        Ok(Some(Self { integers, dtype: metadata.dtype, quantizer }))
    }

    /// How all elements stand for numbers, if it is one way.
    pub(super) fn affine(&self) -> Result<Affine, Fault> {
        match &*self.quantizer {
            Quantizer::PerTensor(affine) => Ok(*affine),
            _ => Err(per_tensor_expected()),
        }
    }

    /// The integers less their zero points, exactly: in row-major order as a tensor of doubles.
    pub(super) fn centred(&self, call: &mut Call<'_>) -> Result<Tensor, Fault> {
        let elements = call.read::<f64>(&self.integers)?;
        let zero_points = self.each_channel(call, |affine| affine.zero_point as f64)?;
        let sizes = self.integers.sizes();
        call.write::<f64>(DType::Float64, &sizes, |centred| {
            for (i, (to, from)) in centred.iter_mut().zip(elements.iter()).enumerate() {
                *to = from - zero_points[self.quantizer.channel(i, &sizes)];
            }
            Ok(())
        })
    }

    /// The scales of all channels, or the one of the tensor.
    pub(super) fn scales(&self, call: &Call<'_>) -> Result<Vec<f32>, Fault> {
        self.each_channel(call, |affine| affine.scale as f32)
    }

    fn each_channel<T>(&self, call: &Call<'_>, part: impl Fn(Affine) -> T) -> Result<Vec<T>, Fault> {
        match &*self.quantizer {
            Quantizer::PerTensor(affine) => Ok(vec![part(*affine)]),
            Quantizer::PerChannel { channels, .. } => Ok(channels.iter().map(|&channel| part(channel)).collect()),
            Quantizer::PerChannelFloat { .. } => {
                Err(Fault::unsupported(format!("{} of a tensor with float zero points", call.name())))
            }
        }
    }
}

/// What PyTorch says when it asks a tensor for its one scale that has many.
pub(super) fn per_tensor_expected() -> Fault {
    Fault::raised(
        "Expected quantizer->qscheme() == kPerTensorAffine to be true, but got false.  (Could this error message be improved?  \
         If so, please report an enhancement request to PyTorch.)",
    )
}

/// A new quantized tensor that lies in memory as `layout` says, from its integers in row-major order.
pub(super) fn together(
    call: &mut Call<'_>,
    integers: &[i64],
    layout: Layout,
    dtype: DType,
    quantizer: Quantizer,
) -> Result<Tensor, Fault> {
    let plain = dtype.of_integers().ok_or_else(|| Fault::no_kernel(call.operator.name, dtype))?;
    let memory = call.zeros(plain, layout.sizes())?.storage();
    let tensor = Tensor::new(call.allocator, memory.clone(), plain, layout.clone());
    tensor.store(integers)?;
    Ok(Tensor::new(call.allocator, memory, dtype, layout).quantized(Some(Arc::new(quantizer))))
}

/// The same memory as a quantized tensor.
pub(super) fn relabelled(call: &mut Call<'_>, integers: &Tensor, dtype: DType, quantizer: Arc<Quantizer>) -> Tensor {
    let metadata = Metadata { dtype, quantizer: Some(quantizer), ..(*integers.metadata()).clone() };
    Tensor::with(call.allocator, metadata)
}

/// How a new tensor of these sizes lies, beside `like`: channels last if that does, row-major otherwise.
pub(in crate::operators) fn suggested(like: &Layout, sizes: &[i64]) -> Result<Layout, Fault> {
    let plain = Layout::contiguous(sizes);
    if like.is_contiguous() || like.rank() != sizes.len() {
        return Ok(plain);
    }
    match [Format::ChannelsLast, Format::ChannelsLast3d].into_iter().find(|format| format.holds(like)) {
        Some(format) => format.layout(&plain),
        None => Ok(plain),
    }
}

/// Channels last, for images and volumes.
pub(super) fn channels_last(sizes: &[i64]) -> Result<Layout, Fault> {
    let format = if sizes.len() == 4 { Format::ChannelsLast } else { Format::ChannelsLast3d };
    format.layout(&Layout::contiguous(sizes))
}
