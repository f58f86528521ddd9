//! What the elements of a quantized tensor stand for: the number `scale * (element - zero point)`.
//!
//! The arithmetic is that of PyTorch's portable path: single precision, products with the inverse of the scale, and
//! rounding to the nearest, halves to the even neighbour.

use super::{DType, Metadata, Tensor};
use crate::operators::Fault;
use crate::slot::{Allocator, Memory, OutOfMemory};

/// How elements stand for numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantizer {
    /// All in one way.
    PerTensor(Affine),
    /// Each slice along a dimension in its own way.
    PerChannel {
        /// One for each slice.
        channels: Vec<Affine>,
        /// The dimension.
        axis: usize,
    },
    /// The same with zero points that need not be whole, as tables of embeddings have.
    PerChannelFloat {
        /// The scale and the zero point of each slice: `element * scale + zero point` is the number.
        channels: Vec<(f32, f32)>,
        /// The dimension.
        axis: usize,
    },
}

/// A scale and a zero point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// The distance between the numbers of neighbouring elements.
    pub scale: f64,
    /// The element that stands for zero.
    pub zero_point: i64,
}

/// The least scale that is chosen for activations: below it are half precision's subnormal numbers.
const LEAST_SCALE: f32 = 6.1e-5;

impl Affine {
    /// The element that is nearest to a number.
    pub fn quantize(self, value: f32, dtype: DType) -> i64 {
        let inverse = 1.0 / self.scale as f32;
        self.round(value * inverse, dtype)
    }

    /// The element for a number that was divided by the scale.
    pub fn round(self, scaled: f32, dtype: DType) -> i64 {
        let (least, greatest) = range(dtype);
        // What is no number becomes the least int in C, and so does what is too large: it is cut off afterwards.
        let rounded = if scaled.is_nan() { f64::MIN } else { f64::from(scaled.round_ties_even()) };
        (self.zero_point as f64 + rounded).clamp(least as f64, greatest as f64) as i64
    }

    /// The same where the zero point is added before it is rounded: halves go to the neighbour that is even then.
    pub fn round_shifted(self, scaled: f32, dtype: DType) -> i64 {
        let (least, greatest) = range(dtype);
        let shifted = f64::from(scaled) + self.zero_point as f64;
        let rounded = if scaled.is_nan() { f64::MIN } else { shifted.round_ties_even() };
        rounded.clamp(least as f64, greatest as f64) as i64
    }

    /// The number that an element stands for.
    pub fn dequantize(self, element: i64) -> f32 {
        // The difference is of ints in C, and wraps as they do.
        (element as i32).wrapping_sub(self.zero_point as i32) as f32 * self.scale as f32
    }

    /// The scale and zero point for numbers between `least` and `greatest`, so that zero is among what is stood for.
    pub fn choose(least: f32, greatest: f32, dtype: DType, reduce_range: bool) -> Affine {
        let (mut qmin, mut qmax) = range(dtype);
        if reduce_range {
            (qmin, qmax) = (qmin / 2, qmax / 2);
        }
        let (mut least, mut greatest) = (least.min(0.0), greatest.max(0.0));
        let mut scale = (f64::from(greatest) - f64::from(least)) / (qmax - qmin) as f64;
        if scale as f32 == 0.0 || (1.0 / scale as f32).is_infinite() {
            scale = 0.1;
        }
        if scale < f64::from(LEAST_SCALE) {
            let enlarged = LEAST_SCALE / scale as f32;
            scale = f64::from(LEAST_SCALE);
            let whole = LEAST_SCALE * (qmax - qmin) as f32;
            (least, greatest) = match (least == 0.0, greatest == 0.0) {
                (true, _) => (least, whole),
                (_, true) => (-whole, greatest),
                _ => (least * enlarged, greatest * enlarged),
            };
        }
        // Either end gives the zero point; the one that sums smaller numbers is more exact.
        let (below, above) = (f64::from(least) / scale, f64::from(greatest) / scale);
        let (qmin, qmax) = (qmin as f64, qmax as f64);
        let by_least = qmin.abs() - below.abs() < qmax.abs() - above.abs();
        let zero_point = if by_least { qmin - below } else { qmax - above };
        Affine { scale, zero_point: zero_point.clamp(qmin, qmax).round_ties_even() as i64 }
    }
}

impl Quantizer {
    /// All elements in one way.
    pub fn per_tensor(scale: f64, zero_point: i64) -> Self {
        Quantizer::PerTensor(Affine { scale, zero_point })
    }

    /// The number that an element of the slice number `channel` stands for.
    ///
    /// # Panics
    /// If there are fewer channels.
    pub fn number(&self, channel: usize, element: i64) -> f32 {
        match self {
            Quantizer::PerTensor(affine) => affine.dequantize(element),
            Quantizer::PerChannel { channels, .. } => channels[channel].dequantize(element),
            Quantizer::PerChannelFloat { channels, .. } => {
                let (scale, zero_point) = channels[channel];
                (element as f32 - zero_point) * scale
            }
        }
    }

    /// Which slice the element number `i`, in row-major order, of a tensor of these sizes is in.
    pub fn channel(&self, i: usize, sizes: &[i64]) -> usize {
        let Some((_, axis)) = self.slices() else { return 0 };
        let inner: i64 = sizes[axis + 1..].iter().product();
        i / inner.max(1) as usize % sizes[axis].max(1) as usize
    }

    /// How many slices have their own way, and along which dimension; `None` if all elements have one.
    pub fn slices(&self) -> Option<(usize, usize)> {
        match self {
            Quantizer::PerTensor(_) => None,
            Quantizer::PerChannel { channels, axis } => Some((channels.len(), *axis)),
            Quantizer::PerChannelFloat { channels, axis } => Some((channels.len(), *axis)),
        }
    }

    /// What PyTorch calls it.
    pub fn scheme(&self) -> &'static str {
        match self {
            Quantizer::PerTensor(_) => "per_tensor_affine",
            Quantizer::PerChannel { .. } => "per_channel_affine",
            Quantizer::PerChannelFloat { .. } => "per_channel_affine_float_qparams",
        }
    }

    /// The scales and the zero points of channels as tensors, and their dimension.
    pub fn channels(&self, allocator: &mut Allocator) -> Result<Option<(Tensor, Tensor, usize)>, OutOfMemory> {
        Ok(match self {
            Quantizer::PerTensor(_) => None,
            Quantizer::PerChannel { channels, axis } => {
                let scales: Vec<f64> = channels.iter().map(|channel| channel.scale).collect();
                let zero_points: Vec<i64> = channels.iter().map(|channel| channel.zero_point).collect();
                let sizes = [channels.len() as i64];
                let scales = Tensor::from_vec(allocator, &sizes, &scales)?;
                Some((scales, Tensor::from_vec(allocator, &sizes, &zero_points)?, *axis))
            }
            Quantizer::PerChannelFloat { channels, axis } => {
                let (scales, zero_points): (Vec<f32>, Vec<f32>) = channels.iter().copied().unzip();
                let sizes = [channels.len() as i64];
                let scales = Tensor::from_vec(allocator, &sizes, &scales)?;
                Some((scales, Tensor::from_vec(allocator, &sizes, &zero_points)?, *axis))
            }
        })
    }

    /// All that it is, as numbers: for digests and comparisons.
    pub fn to_bits(&self) -> Vec<u64> {
        match self {
            Quantizer::PerTensor(affine) => vec![0, affine.scale.to_bits(), affine.zero_point as u64],
            Quantizer::PerChannel { channels, axis } => {
                let channels = channels.iter().flat_map(|affine| [affine.scale.to_bits(), affine.zero_point as u64]);
                [1, *axis as u64].into_iter().chain(channels).collect()
            }
            Quantizer::PerChannelFloat { channels, axis } => {
                let channels =
                    channels.iter().map(|(scale, zero)| u64::from(scale.to_bits()) << 32 | u64::from(zero.to_bits()));
                [2, *axis as u64].into_iter().chain(channels).collect()
            }
        }
    }
}

impl Tensor {
    /// The elements of a quantized tensor as plain integers: another tensor over the same memory. `None` for a plain tensor, and
    /// where a byte holds several elements.
    pub fn integers(&self, allocator: &mut Allocator) -> Option<Tensor> {
        let metadata = self.metadata();
        let dtype = metadata.dtype.of_integers()?;
        let plain = Metadata { dtype, quantizer: None, requires_grad: false, ..(*metadata).clone() };
        Some(Tensor::with(allocator, plain))
    }

    /// The numbers that the elements of a quantized tensor stand for, in row-major order; `None` where there are no integers.
    pub fn stands_for(&self, memory: &Memory) -> Result<Option<Vec<f32>>, Fault> {
        let mut allocator = Allocator::new(u32::MAX - 1, memory.clone());
        let (Some(integers), Some(quantizer)) = (self.integers(&mut allocator), self.metadata().quantizer.clone())
        else {
            return Ok(None);
        };
        let sizes = self.sizes();
        let elements = integers.read::<i64>(memory)?;
        let number = |(i, &element): (usize, &i64)| quantizer.number(quantizer.channel(i, &sizes), element);
        Ok(Some(elements.iter().enumerate().map(number).collect()))
    }
}

/// The least and the greatest element of a quantized dtype.
///
/// # Panics
/// If the dtype is not quantized.
pub fn range(dtype: DType) -> (i64, i64) {
    match dtype {
        DType::QInt8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        DType::QUInt8 => (0, i64::from(u8::MAX)),
        DType::QInt32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        DType::QUInt4x2 => (0, 15),
        DType::QUInt2x4 => (0, 3),
        other => panic!("{other} is not quantized"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DTYPES: [DType; 3] = [DType::QInt8, DType::QUInt8, DType::QInt32];

    #[test]
    fn halves_go_to_the_even_neighbour_and_what_is_beyond_the_range_to_its_end() {
        let affine = Affine { scale: 0.5, zero_point: 10 };
        let elements =
            |values: &[f32], dtype| -> Vec<i64> { values.iter().map(|&x| affine.quantize(x, dtype)).collect() };
        // -0.25, 0.25 and 0.75 are halves of a step: 0, 0 and 2 are even.
        assert_eq!(elements(&[-0.25, 0.25, 0.75, 1.0], DType::QUInt8), [10, 10, 12, 12]);
        assert_eq!(elements(&[-6.0, 1000.0, f32::INFINITY, f32::NAN], DType::QUInt8), [0, 255, 255, 0]);
        assert_eq!(elements(&[-1000.0, 1000.0], DType::QInt8), [-128, 127]);
        assert_eq!((affine.dequantize(13), affine.dequantize(8)), (1.5, -1.0));
    }

    #[test]
    fn activations_get_a_scale_that_reaches_both_ends_and_has_a_zero() {
        // (3 - -1) / 255, and -1 is 63.75 steps below zero: 64 is the nearest.
        let affine = Affine::choose(-1.0, 3.0, DType::QUInt8, false);
        assert_eq!(affine, Affine { scale: 4.0 / 255.0, zero_point: 64 });
        // Half of the range: 4 / 127, and 31.75 steps.
        assert_eq!(Affine::choose(-1.0, 3.0, DType::QUInt8, true), Affine { scale: 4.0 / 127.0, zero_point: 32 });
        // Zero is among the numbers even if none is on the other side of it.
        assert_eq!(Affine::choose(2.0, 4.0, DType::QUInt8, false), Affine { scale: 4.0 / 255.0, zero_point: 0 });
        assert_eq!(Affine::choose(-4.0, -2.0, DType::QUInt8, false), Affine { scale: 4.0 / 255.0, zero_point: 255 });
        // Nothing but zeros, and nearly so.
        assert_eq!(Affine::choose(0.0, 0.0, DType::QUInt8, false), Affine { scale: 0.1, zero_point: 0 });
        let least = Affine { scale: f64::from(6.1e-5f32), zero_point: 0 };
        assert_eq!(Affine::choose(0.0, 1e-6, DType::QUInt8, false), least);
    }

    proptest! {
        #[test]
        fn a_number_in_the_range_comes_back_within_half_a_step(
            (scale, zero_point, element, rest) in (1e-3..10f64, 0..128i64, 0..128i64, -0.5..0.5f32), dtype in 0..3usize
        ) {
            let affine = Affine { scale, zero_point };
            let x = affine.dequantize(element) + rest * scale as f32;
            let back = affine.dequantize(affine.quantize(x, DTYPES[dtype]));
            // Rounding of the numbers themselves comes on top: some units in the last place of 128 steps.
            let slack = 128.0 * scale as f32 * 4.0 * f32::EPSILON;
            let in_range = element > 0 && element < 127;
            prop_assert!(!in_range || (back - x).abs() <= scale as f32 / 2.0 + slack, "{x} {back}");
        }

        #[test]
        fn what_an_element_stands_for_is_quantized_to_that_element(
            (scale, zero_point, element) in (1e-3..10f64, 0..128i64, 0..128i64)
        ) {
            let affine = Affine { scale, zero_point };
            for dtype in DTYPES {
                prop_assert_eq!(affine.quantize(affine.dequantize(element), dtype), element);
            }
        }
    }
}
