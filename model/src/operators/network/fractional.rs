//! Pools whose windows begin where a random number says (Graham, "Fractional Max-Pooling", 2014). The number is an argument, so
//! nothing is drawn here.

use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims};
use crate::value::Value;

const NAMES: [&str; 3] = ["time", "height", "width"];

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Where the windows of a dimension begin, computed in the dtype of the tensor as PyTorch does.
fn starts(sample: f64, (input, output, window): (i64, i64, i64), dtype: DType) -> Vec<i64> {
    let place = |i: i64| -> i64 {
        if dtype == DType::Float32 {
            let (sample, alpha) = (sample as f32, (input - window) as f32 / (output - 1) as f32);
            ((i as f32 + sample) * alpha) as i64 - (sample * alpha) as i64
        } else {
            let alpha = (input - window) as f64 / (output - 1) as f64;
            ((i as f64 + sample) * alpha) as i64 - (sample * alpha) as i64
        }
    };
    (0..output).map(|i| if i == output - 1 { input - window } else { place(i) }).collect()
}

fn check_samples(call: &Call<'_>, batch: i64, planes: i64, n: usize) -> Result<(), Fault> {
    let (input, samples) = (call.tensor(0)?, call.tensor(3)?);
    let sizes = samples.sizes();
    if samples.dtype() != input.dtype() {
        return raised("Expect _random_samples to have the same dtype as input");
    }
    let &[count, channels, dims] = &sizes[..] else {
        return raised(format!("Expect _random_samples to have 3 dimensions, got {}", sizes.len()));
    };
    if count < batch {
        return raised("Expect _random_samples.size(0) no less then input batch size.");
    }
    if channels != planes {
        return raised("Expect _random_samples.size(1) equals to input channel size.");
    }
    if dims != n as i64 {
        return raised(format!("Expect _random_samples.size(2) equals to {n}; got {dims}."));
    }
    Ok(())
}

pub(super) fn pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = if call.operator.name == "aten::fractional_max_pool2d" { 2 } else { 3 };
    let (input, window, output) = (call.tensor(0)?, call.ints(1)?, call.ints(2)?);
    let (sizes, name) = (input.sizes(), format!("fractional_max_pool{n}d()"));
    if sizes.len() != n + 1 && sizes.len() != n + 2 {
        return raised(format!("{name}: Expected {}D or {}D tensor, but got: {sizes:?}", n + 1, n + 2));
    }
    for (sizes, argument) in [(&window, "kernel_size"), (&output, "output_size")] {
        if sizes.len() != n {
            let name = call.operator.name.trim_start_matches("aten::");
            return raised(format!("{name}: {argument} must either be a single Int or tuple of Ints"));
        }
    }
    let dtype = input.dtype();
    if !matches!(dtype, DType::Float32 | DType::Float64) {
        return Err(Fault::no_kernel(call.operator.name, dtype));
    }
    let own = &sizes[sizes.len() - n..];
    for dim in 0..n {
        if output[dim] < 1 || window[dim] < 1 || output[dim] + window[dim] - 1 > own[dim] {
            let side = NAMES[3 - n + dim];
            return raised(format!(
                "{name}: pool {side} {} too large relative to input {side} {}",
                window[dim], own[dim]
            ));
        }
    }
    let planes = sizes[sizes.len() - n - 1];
    let batch = if sizes.len() == n + 2 { sizes[0] } else { 1 };
    check_samples(call, batch, planes, n)?;
    let (elements, samples) = (call.read::<f64>(input)?, call.tensor(3)?.to_f64s(&call.memory())?);
    let plane: usize = own.iter().product::<i64>() as usize;
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for i in 0..(batch * planes) as usize {
        // In a plane the first number is for the width, in a volume for the first dimension.
        let sample = |dim: usize| samples[i * n + if n == 2 { 1 - dim } else { dim }];
        let starts: Vec<Vec<i64>> =
            (0..n).map(|dim| starts(sample(dim), (own[dim], output[dim], window[dim]), dtype)).collect();
        for at in indices(&output) {
            let corner: Vec<i64> = (0..n).map(|dim| starts[dim][at[dim] as usize]).collect();
            let (value, place) = greatest(&elements[i * plane..][..plane], own, &corner, &window);
            values.push(value);
            places.push(place);
        }
    }
    let mut result: Dims = sizes[..sizes.len() - n].into();
    result.extend_from_slice(&output);
    let values = call.create(dtype, &result, &values)?;
    Ok(tuple([values, call.create(DType::Int64, &result, &places)?]))
}

/// All places of a box, the last dimension first.
fn indices(sizes: &[i64]) -> impl Iterator<Item = Vec<i64>> + '_ {
    (0..sizes.iter().product::<i64>()).map(|mut i| {
        let mut at = vec![0; sizes.len()];
        for dim in (0..sizes.len()).rev() {
            (at[dim], i) = (i % sizes[dim], i / sizes[dim]);
        }
        at
    })
}

/// The greatest element of a window, or the last NaN in it, and its place.
fn greatest(plane: &[f64], sizes: &[i64], corner: &[i64], window: &[i64]) -> (f64, i64) {
    let place = |at: &[i64]| (0..sizes.len()).fold(0, |place, dim| place * sizes[dim] + corner[dim] + at[dim]);
    let mut best = (f64::NEG_INFINITY, place(&vec![0; sizes.len()]));
    for at in indices(window) {
        let place = place(&at);
        let value = plane[place as usize];
        if value > best.0 || value.is_nan() {
            best = (value, place);
        }
    }
    best
}
