//! Convolution that looks where it is told to (Dai et al., "Deformable Convolutional Networks", 2017; with masks: Zhu et al.,
//! 2019).

use crate::operators::{Call, Fault};
use crate::tensor::{Dims, Tensor, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The sizes of a deformable convolution.
struct Shape {
    samples: usize,
    channels: usize,
    image: (i64, i64),
    output: (i64, i64),
    kernel: (i64, i64),
    stride: (i64, i64),
    padding: (i64, i64),
    dilation: (i64, i64),
    groups: usize,
    offset_groups: usize,
    outputs: usize,
}

impl Shape {
    fn of(call: &Call<'_>) -> Result<Self, Fault> {
        let [input, weight, offset, mask, bias] = tensors(call)?;
        let (x, w) = (input.sizes(), weight.sizes());
        let (&[samples, channels, height, width], &[outputs, inner, rows, columns]) = (&x[..], &w[..]) else {
            return raised("Expected input_c.ndimension() == 4 to be true, but got false.");
        };
        let pair = |i: usize| Ok::<_, Fault>((call.int(i)?, call.int(i + 1)?));
        let (stride, padding, dilation) = (pair(5)?, pair(7)?, pair(9)?);
        let (groups, offset_groups, masked) = (call.int(11)?, call.int(12)?, call.bool(13)?);
        for (name, (a, b), least) in [("stride", stride, 1), ("padding", padding, 0), ("dilation", dilation, 1)] {
            if a < least || b < least {
                return raised(format!("{name}_h: {a} {name}_w: {b}"));
            }
        }
        if groups < 1 || inner * groups != channels || outputs % groups != 0 {
            return raised(format!("weight of sizes {w:?} does not go with input of sizes {x:?} and {groups} groups"));
        }
        let side = |size: i64, kernel: i64, stride: i64, padding: i64, dilation: i64| {
            (size + 2 * padding - (dilation * (kernel - 1) + 1)) / stride + 1
        };
        let output = (
            side(height, rows, stride.0, padding.0, dilation.0),
            side(width, columns, stride.1, padding.1, dilation.1),
        );
        if output.0 < 1 || output.1 < 1 {
            return raised(format!("Calculated output size too small - out_h: {} out_w: {}", output.0, output.1));
        }
        if offset_groups < 1 || channels % offset_groups != 0 {
            return raised(format!("{channels} channels cannot be in {offset_groups} offset groups"));
        }
        let points = offset_groups * rows * columns;
        let expected = |planes: i64| -> Dims { [samples, planes, output.0, output.1].into_iter().collect() };
        if offset.sizes() != expected(2 * points) {
            return raised(format!("offset has sizes {:?}, expected {:?}", offset.sizes(), expected(2 * points)));
        }
        if masked && mask.sizes() != expected(points) {
            return raised(format!("mask has sizes {:?}, expected {:?}", mask.sizes(), expected(points)));
        }
        if bias.numel() != outputs {
            return raised(format!("bias has {} elements, expected {outputs}", bias.numel()));
        }
        Ok(Self {
            samples: samples as usize,
            channels: channels as usize,
            image: (height, width),
            output,
            kernel: (rows, columns),
            stride,
            padding,
            dilation,
            groups: groups as usize,
            offset_groups: offset_groups as usize,
            outputs: outputs as usize,
        })
    }
}

fn tensors<'a>(call: &Call<'a>) -> Result<[&'a Tensor; 5], Fault> {
    Ok([call.tensor(0)?, call.tensor(1)?, call.tensor(2)?, call.tensor(3)?, call.tensor(4)?])
}

pub(super) fn convolution(call: &mut Call<'_>) -> Result<Value, Fault> {
    let shape = Shape::of(call)?;
    let [input, weight, offset, mask, bias] = tensors(call)?;
    let (dtype, masked) = (input.dtype(), call.bool(13)?);
    if [weight, offset, bias].iter().any(|tensor| tensor.dtype() != dtype) {
        return raised("expected all tensors of deform_conv2d to have the same dtype");
    }
    dispatch!(wide dtype, "torchvision::deform_conv2d", T => {
        let (input, weight, offset) = (call.read::<T>(input)?, call.read::<T>(weight)?, call.read::<T>(offset)?);
        let (mask, bias) = (call.read::<T>(mask)?, call.read::<T>(bias)?);
        let elements = convolved(&shape, &input, &weight, &offset, masked.then_some(&*mask), &bias);
        let sizes = [shape.samples as i64, shape.outputs as i64, shape.output.0, shape.output.1];
        call.create(dtype, &sizes, &elements).map(Value::Tensor)
    })
}

fn convolved<T: Wide>(
    shape: &Shape,
    input: &[T],
    weight: &[T],
    offset: &[T],
    mask: Option<&[T]>,
    bias: &[T],
) -> Vec<T> {
    let plane = (shape.image.0 * shape.image.1) as usize;
    let (out_h, out_w) = shape.output;
    let area = (out_h * out_w) as usize;
    let points = (shape.kernel.0 * shape.kernel.1) as usize;
    let (inner, outer) = (shape.channels / shape.groups, shape.outputs / shape.groups);
    let together = shape.channels / shape.offset_groups;
    let mut result = Vec::with_capacity(shape.samples * shape.outputs * area);
    let mut columns = vec![T::of(0.0); shape.channels * points];
    let mut of_sample = vec![T::of(0.0); shape.outputs * area];
    for sample in 0..shape.samples {
        for at in 0..area {
            let (y, x) = ((at as i64) / out_w, (at as i64) % out_w);
            for channel in 0..shape.channels {
                let group = sample * shape.offset_groups + channel / together;
                let image = &input[(sample * shape.channels + channel) * plane..][..plane];
                for point in 0..points {
                    let (i, j) = (point as i64 / shape.kernel.1, point as i64 % shape.kernel.1);
                    let moved = |axis: usize| offset[((group * points + point) * 2 + axis) * area + at];
                    let at_y = T::of((y * shape.stride.0 - shape.padding.0 + i * shape.dilation.0) as f64) + moved(0);
                    let at_x = T::of((x * shape.stride.1 - shape.padding.1 + j * shape.dilation.1) as f64) + moved(1);
                    let scale = mask.map_or(T::of(1.0), |mask| mask[(group * points + point) * area + at]);
                    columns[channel * points + point] = scale * between(image, shape.image, at_y, at_x);
                }
            }
            for output in 0..shape.outputs {
                let start = output / outer * inner * points;
                let weights = &weight[output * inner * points..][..inner * points];
                let sum: T = weights.iter().zip(&columns[start..]).map(|(&w, &x)| w * x).sum();
                of_sample[output * area + at] = sum + bias[output];
            }
        }
        result.extend_from_slice(&of_sample);
    }
    result
}

/// A value between the pixels; what is outside of the image is zero.
fn between<T: Wide>(image: &[T], (height, width): (i64, i64), y: T, x: T) -> T {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    if y <= -one || y >= T::of(height as f64) || x <= -one || x >= T::of(width as f64) {
        return zero;
    }
    let (top, left) = (y.floor().to_i64(), x.floor().to_i64());
    let (ly, lx) = (y - T::of(top as f64), x - T::of(left as f64));
    let pixel = |y: i64, x: i64| {
        let within = (0..height).contains(&y) && (0..width).contains(&x);
        if within { image[(y * width + x) as usize] } else { zero }
    };
    (one - ly) * (one - lx) * pixel(top, left)
        + (one - ly) * lx * pixel(top, left + 1)
        + ly * (one - lx) * pixel(top + 1, left)
        + ly * lx * pixel(top + 1, left + 1)
}
