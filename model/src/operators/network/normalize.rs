//! Normalisation: by batch, instance, layer, group and root mean square.

use crate::operators::compose::of;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Elements, Tensor, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Mean and biased variance.
fn moments_of(row: &[f64]) -> (f64, f64) {
    let count = row.len() as f64;
    let mean = lanes(row, |x| x) / count;
    (mean, lanes(row, |x| (x - mean) * (x - mean)) / count)
}

/// The sum of what is made of each number, eight sums at a time, as many as a processor can keep busy with.
fn lanes(row: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let (parts, rest) = row.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for part in parts {
        (0..8).for_each(|i| sums[i] += of(part[i]));
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| of(x)).sum::<f64>()
}

/// Mean and biased variance of what comes one after the other.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (sum, count) = values.clone().fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    let mean = sum / count;
    (mean, values.map(|x| (x - mean) * (x - mean)).sum::<f64>() / count)
}

/// The elements of an optional tensor as floats.
fn floats(call: &Call<'_>, tensor: Option<&Tensor>) -> Result<Option<Elements<f64>>, Fault> {
    tensor.map(|tensor| call.read::<f64>(tensor)).transpose()
}

/// Raises for what PyTorch has no kernel for.
fn check_float(tensor: &Tensor, kernel: &str) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    if dtype.is_floating_point() {
        return Ok(());
    }
    raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name()))
}

/// Weights and statistics have the dtype of the input, or are floats where the input is of halves: then the statistics
/// that are given are floats, too. Gives the dtype of these.
fn check_parameters(input: &Tensor, parameters: &[Option<&Tensor>]) -> Result<DType, Fault> {
    let (own, narrow) = (input.dtype(), matches!(input.dtype(), DType::Float16 | DType::BFloat16));
    let mut dtypes = parameters.iter().flatten().map(|tensor| tensor.dtype());
    let Some(first) = dtypes.next().filter(|&first| first != own || dtypes.clone().any(|dtype| dtype != own)) else {
        return Ok(own);
    };
    if narrow && first == own {
        let found = dtypes.find(|&dtype| dtype != own).unwrap_or(own);
        return raised(format!(
            "expected scalar type {} but found {}",
            own.scalar_type_name(),
            found.scalar_type_name()
        ));
    }
    if !narrow || first != DType::Float32 || dtypes.any(|dtype| dtype != DType::Float32) {
        return raised("mixed dtype (CPU): expect parameter to have scalar type of Float");
    }
    Ok(DType::Float32)
}

/// What the normalisation of nothing is: weight and bias count for its dtype alone.
fn of_nothing(call: &mut Call<'_>, input: &Tensor, affine: [Option<&Tensor>; 2]) -> Result<Value, Fault> {
    let mut output = call.run("aten::clone", &[of(input)])?;
    for (tensor, name) in affine.into_iter().zip(["aten::mul.Tensor", "aten::add.Tensor"]) {
        if let Some(tensor) = tensor {
            let first = call.run("aten::select.int", &[of(tensor), Value::Int(0), Value::Int(0)]);
            output = call.run(name, &[output, first?])?;
        }
    }
    Ok(output)
}

/// The arguments of a normalisation by channels, and what it computes of them.
struct Channels<'a> {
    input: &'a Tensor,
    weight: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    running: Option<(&'a Tensor, &'a Tensor)>,
    /// Whether the statistics are those of the input, rather than the running ones.
    training: bool,
    momentum: f64,
    eps: f64,
    /// Whether every sample has statistics of its own.
    by_instance: bool,
}

/// A normalised tensor with the means and the inverted deviations that were used.
struct Normalized {
    output: Tensor,
    means: Vec<f64>,
    scales: Vec<f64>,
}

impl Channels<'_> {
    fn check(&self) -> Result<(), Fault> {
        let sizes = self.input.sizes();
        let Some(&channels) = sizes.get(1) else {
            return raised(format!("Expected at least 2 dimensions, but got input of size {sizes:?}"));
        };
        let (mean, var) = self.running.unzip();
        let named = [("running_mean", mean), ("running_var", var), ("weight", self.weight), ("bias", self.bias)];
        for (name, tensor) in named {
            match tensor {
                Some(tensor) if tensor.numel() != channels => {
                    let found = tensor.numel();
                    return raised(format!("{name} should contain {channels} elements not {found}"));
                }
                None if name.starts_with("running") && !self.training => {
                    return raised(format!("{name} must be defined in evaluation mode"));
                }
                _ => {}
            }
        }
        check_float(self.input, "batch_norm")
    }

    /// The dtype of the statistics.
    fn statistics(&self) -> Result<DType, Fault> {
        let (mean, var) = self.running.unzip();
        check_parameters(self.input, &[self.weight, self.bias, mean, var])
    }

    fn normalize(&self, call: &mut Call<'_>) -> Result<Normalized, Fault> {
        let sizes = self.input.sizes();
        let (samples, channels) = (sizes[0] as usize, sizes[1] as usize);
        let plane = sizes[2..].iter().product::<i64>() as usize;
        let (weight, bias) = (floats(call, self.weight)?, floats(call, self.bias)?);
        let groups = if self.by_instance { samples } else { 1 };
        let (means, variances) = if self.training {
            let x = call.read::<f64>(self.input)?;
            let group = samples / groups.max(1);
            let of = |g: usize, c: usize| {
                let start = move |s: usize| ((g * group + s) * channels + c) * plane;
                moments((0..group).flat_map(move |s| start(s)..start(s) + plane).map(|i| x[i]))
            };
            let all = (0..groups).flat_map(|g| (0..channels).map(move |c| (g, c)));
            all.map(|(g, c)| of(g, c)).unzip()
        } else {
            let (mean, var) = self.running.expect("checked");
            let repeated = |elements: Elements<f64>| -> Vec<f64> { elements.repeat(groups) };
            (repeated(call.read(mean)?), repeated(call.read(var)?))
        };
        if self.training {
            self.update_running(call, &means, &variances, samples / groups.max(1) * plane, channels)?;
        }
        let scales: Vec<f64> = variances.iter().map(|variance: &f64| 1.0 / (variance + self.eps).sqrt()).collect();
        let line = |i: usize| {
            let channel = i % channels;
            let stat = if self.by_instance { i } else { channel };
            let scale = scales[stat] * weight.as_ref().map_or(1.0, |weight| weight[channel]);
            (scale, bias.as_ref().map_or(0.0, |bias| bias[channel]) - means[stat] * scale)
        };
        let dtype = self.input.dtype();
        let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
        let output = dispatch!(wide wide, call.operator.name, T => {
            let x = call.read::<T>(self.input)?;
            call.write::<T>(dtype, &sizes, |elements| {
                let planes = elements.chunks_mut(plane.max(1)).zip(x.chunks(plane.max(1)));
                for (i, (elements, x)) in planes.enumerate() {
                    let (scale, shift) = line(i);
                    let (scale, shift) = (<T as Wide>::of(scale), <T as Wide>::of(shift));
                    elements.iter_mut().zip(x).for_each(|(y, &x)| *y = x * scale + shift);
                }
                Ok(())
            })?
        });
        Ok(Normalized { output, means, scales })
    }

    /// Moves the running statistics towards those of the input.
    fn update_running(
        &self,
        call: &Call<'_>,
        means: &[f64],
        variances: &[f64],
        count: usize,
        channels: usize,
    ) -> Result<(), Fault> {
        let Some((running_mean, running_var)) = self.running else { return Ok(()) };
        let count = count as f64;
        let instances = (means.len() / channels.max(1)) as f64;
        let moved = |running: &Tensor, stats: &[f64], factor: f64| -> Result<Vec<f64>, Fault> {
            let old = call.read::<f64>(running)?;
            let mean = |c: usize| stats.iter().skip(c).step_by(channels).sum::<f64>() / instances * factor;
            Ok((0..channels).map(|c| (1.0 - self.momentum) * old[c] + self.momentum * mean(c)).collect())
        };
        running_mean.store(&moved(running_mean, means, 1.0)?)?;
        running_var.store(&moved(running_var, variances, count / (count - 1.0))?)
    }
}

/// Both running statistics, or none.
fn running<'a>(mean: Option<&'a Tensor>, var: Option<&'a Tensor>) -> Option<(&'a Tensor, &'a Tensor)> {
    mean.zip(var)
}

pub(super) fn batch_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let channels = Channels {
        input: call.tensor(0)?,
        weight: call.opt_tensor(1)?,
        bias: call.opt_tensor(2)?,
        running: running(call.opt_tensor(3)?, call.opt_tensor(4)?),
        training: call.bool(5)?,
        momentum: call.float(6)?,
        eps: call.float(7)?,
        by_instance: false,
    };
    if channels.input.numel() == 0 {
        return of_nothing(call, channels.input, [channels.weight, channels.bias]);
    }
    channels.check()?;
    channels.statistics()?;
    channels.normalize(call).map(|normalized| Value::Tensor(normalized.output))
}

/// `native_batch_norm` and its successors, which give the statistics, too.
pub(super) fn native_batch_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let training = call.position("training").map_or(Ok(false), |i| call.bool(i))?;
    let statistics = |name: &str| call.position(name).map_or(Ok(None), |i| call.opt_tensor(i));
    let channels = Channels {
        input: call.tensor(0)?,
        weight: call.opt_tensor(1)?,
        bias: call.opt_tensor(2)?,
        running: running(statistics("running_mean")?, statistics("running_var")?),
        training,
        momentum: call.float(call.position("momentum").expect("a batch norm has one"))?,
        eps: call.float(call.position("eps").expect("a batch norm has one"))?,
        by_instance: false,
    };
    if channels.input.numel() == 0 && !training {
        let dtype = channels.statistics()?;
        let output = call.run("aten::clone", &[of(channels.input)])?;
        let [means, scales] = [call.zeros(dtype, &[0])?, call.zeros(dtype, &[0])?];
        return Ok(Value::tuple([output, of(&means), of(&scales)]));
    }
    channels.check()?;
    let dtype = channels.statistics()?;
    let Normalized { output, means, scales } = channels.normalize(call)?;
    let kept = if training { means.len() } else { 0 };
    let means = call.create(dtype, &[kept as i64], &means[..kept])?;
    let scales = call.create(dtype, &[kept as i64], &scales[..kept])?;
    Ok(tuple([output, means, scales]))
}

pub(super) fn instance_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (mean, var, own) = (call.opt_tensor(3)?, call.opt_tensor(4)?, call.bool(5)?);
    if !own && (mean.is_none() || var.is_none()) {
        return raised("Expected running_mean and running_var to be defined when use_input_stats is false");
    }
    let channels = Channels {
        input: call.tensor(0)?,
        weight: call.opt_tensor(1)?,
        bias: call.opt_tensor(2)?,
        running: running(mean, var),
        training: own,
        momentum: call.float(6)?,
        eps: call.float(7)?,
        by_instance: true,
    };
    channels.check()?;
    channels.normalize(call).map(|normalized| Value::Tensor(normalized.output))
}

/// Rows that are normalised each on its own.
struct Rows {
    output: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
}

/// Normalises rows of equal length; `affine` gives weight and bias of the element of a row at a position.
fn normalize_rows(x: &[f64], length: usize, eps: f64, affine: impl Fn(usize, usize) -> (f64, f64)) -> Rows {
    let mut rows = Rows { output: Vec::with_capacity(x.len()), means: Vec::new(), scales: Vec::new() };
    for (i, row) in x.chunks(length.max(1)).enumerate() {
        let (mean, variance) = moments_of(row);
        let scale = 1.0 / (variance + eps).sqrt();
        for (j, x) in row.iter().enumerate() {
            let (weight, bias) = affine(i, j);
            rows.output.push((x - mean) * scale * weight + bias);
        }
        rows.means.push(mean);
        rows.scales.push(scale);
    }
    rows
}

/// Checks the last dimensions of the input against those that are normalised; gives their number of elements.
fn check_layer(call: &Call<'_>, shape: &[i64], affine: [(&str, Option<&Tensor>); 2]) -> Result<usize, Fault> {
    let input = call.tensor(0)?;
    let sizes = input.sizes();
    if shape.is_empty() {
        return raised(format!(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got \
             normalized_shape = {shape:?}"
        ));
    }
    for (name, tensor) in affine {
        if let Some(found) = tensor.map(|tensor| tensor.sizes()).filter(|found| found.as_slice() != shape) {
            return raised(format!(
                "Expected {name} to be of same shape as normalized_shape, but got {name} of shape {found:?} and \
                 normalized_shape = {shape:?}"
            ));
        }
    }
    if !sizes.ends_with(shape) {
        let expected: Vec<String> = shape.iter().map(i64::to_string).collect();
        return raised(format!(
            "Given normalized_shape={shape:?}, expected input with shape [*, {}], but got input of size{sizes:?}",
            expected.join(", ")
        ));
    }
    Ok(shape.iter().product::<i64>() as usize)
}

fn layer(call: &mut Call<'_>) -> Result<(Tensor, Rows, DType), Fault> {
    let (input, shape, eps) = (call.tensor(0)?, call.ints(1)?, call.float(4)?);
    let (weight, bias) = (call.opt_tensor(2)?, call.opt_tensor(3)?);
    let length = check_layer(call, &shape, [("weight", weight), ("bias", bias)])?;
    check_float(input, "LayerNormKernelImpl")?;
    let statistics = check_parameters(input, &[weight, bias])?;
    let (weight, bias) = (floats(call, weight)?, floats(call, bias)?);
    let affine = |_, i: usize| {
        let of = |values: &Option<Elements<f64>>, default| values.as_ref().map_or(default, |v| v[i]);
        (of(&weight, 1.0), of(&bias, 0.0))
    };
    let rows = normalize_rows(&call.read::<f64>(input)?, length, eps, affine);
    Ok((call.create(input.dtype(), &input.sizes(), &rows.output)?, rows, statistics))
}

pub(super) fn layer_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    layer(call).map(|(output, ..)| Value::Tensor(output))
}

pub(super) fn native_layer_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (output, rows, dtype) = layer(call)?;
    let (mut sizes, normalized) = (output.sizes(), call.ints(1)?.len());
    let kept = sizes.len() - normalized;
    sizes[kept..].fill(1);
    statistics(call, output, rows, &sizes, dtype)
}

/// A result with means and scales of so many rows; those of rows of nothing are zero and no number.
fn statistics(call: &mut Call<'_>, output: Tensor, rows: Rows, sizes: &[i64], dtype: DType) -> Result<Value, Fault> {
    if sizes.iter().product::<i64>() != rows.means.len() as i64 {
        let means = call.zeros(dtype, sizes)?;
        let scales = call.run("aten::full_like", &[of(&means), Value::Float(f64::NAN)])?;
        return Ok(Value::tuple([of(&output), of(&means), scales]));
    }
    let means = call.create(dtype, sizes, &rows.means)?;
    let scales = call.create(dtype, sizes, &rows.scales)?;
    Ok(tuple([output, means, scales]))
}

pub(super) fn rms_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, shape, weight) = (call.tensor(0)?, call.ints(1)?, call.opt_tensor(2)?);
    let length = check_layer(call, &shape, [("weight", weight), ("bias", None)])?;
    check_float(input, "rms_norm")?;
    let dtype = input.dtype();
    let epsilon = if dtype == DType::Float64 { f64::EPSILON } else { f32::EPSILON as f64 };
    let (eps, weight) = (call.opt_float(3)?.unwrap_or(epsilon), floats(call, weight)?);
    let mut elements = Vec::with_capacity(input.numel() as usize);
    for row in call.read::<f64>(input)?.chunks(length.max(1)) {
        let scale = 1.0 / (row.iter().map(|x| x * x).sum::<f64>() / length as f64 + eps).sqrt();
        elements.extend(row.iter().enumerate().map(|(i, x)| x * scale * weight.as_ref().map_or(1.0, |w| w[i])));
    }
    call.create(dtype, &input.sizes(), &elements).map(Value::Tensor)
}

/// Normalises groups of channels.
fn group(
    call: &mut Call<'_>,
    affine: (Option<&Tensor>, Option<&Tensor>),
    groups: i64,
    eps: f64,
) -> Result<(Tensor, Rows, DType), Fault> {
    let input = call.tensor(0)?;
    let sizes = input.sizes();
    let (samples, channels) = (sizes[0], sizes[1]);
    let plane = sizes[2..].iter().product::<i64>() as usize;
    let length = (channels / groups) as usize * plane;
    check_float(input, "GroupNormKernelImpl")?;
    let statistics = check_parameters(input, &[affine.0, affine.1])?;
    let (weight, bias) = (floats(call, affine.0)?, floats(call, affine.1)?);
    let per_element = |row: usize, i: usize| {
        let channel = (row * length + i) / plane % channels as usize;
        let of = |values: &Option<Elements<f64>>, default| values.as_ref().map_or(default, |v| v[channel]);
        (of(&weight, 1.0), of(&bias, 0.0))
    };
    let rows = normalize_rows(&call.read::<f64>(input)?, length, eps, per_element);
    debug_assert!(input.numel() == 0 || rows.means.len() as i64 == samples * groups);
    Ok((call.create(input.dtype(), &sizes, &rows.output)?, rows, statistics))
}

fn check_groups(input: &Tensor, groups: i64, affine: (Option<&Tensor>, Option<&Tensor>)) -> Result<(), Fault> {
    let sizes = input.sizes();
    if groups <= 0 {
        return raised(format!("Expected num groups to be greater than 0, got {groups}"));
    }
    if sizes.len() < 2 {
        return raised(format!("Expected at least 2 dimensions for input tensor but received {}", sizes.len()));
    }
    if sizes[1] % groups != 0 {
        return raised(format!(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape {sizes:?} and \
             num_groups={groups}"
        ));
    }
    for (name, tensor) in [("weight", affine.0), ("bias", affine.1)] {
        if let Some(found) = tensor.map(|tensor| tensor.sizes()).filter(|found| found.as_slice() != [sizes[1]]) {
            return raised(format!(
                "Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of \
                 shape {found:?} and input of shape {sizes:?}"
            ));
        }
    }
    Ok(())
}

pub(super) fn group_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, groups, eps) = (call.tensor(0)?, call.int(1)?, call.float(4)?);
    let affine = (call.opt_tensor(2)?, call.opt_tensor(3)?);
    check_groups(input, groups, affine)?;
    group(call, affine, groups, eps).map(|(output, ..)| Value::Tensor(output))
}

pub(super) fn native_group_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, groups, eps) = (call.tensor(0)?, call.int(6)?, call.float(7)?);
    let affine = (call.opt_tensor(1)?, call.opt_tensor(2)?);
    if input.numel() == 0 {
        let rows = Rows { output: Vec::new(), means: Vec::new(), scales: Vec::new() };
        let dtype = check_parameters(input, &[affine.0, affine.1])?;
        let output = call.run_tensor("aten::clone", &[of(input)])?;
        return statistics(call, output, rows, &[call.int(3)?, groups], dtype);
    }
    check_groups(input, groups, affine)?;
    let (output, rows, dtype) = group(call, affine, groups, eps)?;
    statistics(call, output, rows, &[input.sizes()[0], groups], dtype)
}
