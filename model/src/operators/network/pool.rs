//! Pools: the greatest or the mean of what a window sees.

use super::depthwise;
use super::planes::Planes;
use super::window::{Axis, Window, ints_of, split_sizes};
use crate::operators::reduce::number::{Computed, compute};
use crate::operators::results::tuple;
use crate::operators::scratch::Scratch;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, Number, Tensor, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Spatial dimensions of the operator: the digit in its name.
fn dimensions(call: &Call<'_>) -> usize {
    let digit = call.operator.name.bytes().find(u8::is_ascii_digit).expect("a name with a digit");
    (digit - b'0') as usize
}

/// The arguments that all pools have.
struct Pool {
    kernel: Dims,
    stride: Dims,
    padding: Dims,
    dilation: Dims,
    ceil: bool,
}

impl Pool {
    /// The window over the last dimensions of the input, checked, and the sizes of the result.
    fn window(&self, call: &Call<'_>, input: &Tensor) -> Result<(Window, Dims), Fault> {
        let n = self.kernel.len();
        let (lead, planes) = split_sizes(input, n);
        self.check_arguments(n)?;
        let no_batch = planes.len() < n || !(1..=2).contains(&lead.len());
        if no_batch || planes.contains(&0) || lead.last() == Some(&0) {
            return raised(self.rank_words(call, n, input));
        }
        for i in 0..n {
            let (pad, kernel, dilation) = (self.padding[i], self.kernel[i], self.dilation[i]);
            if pad > (dilation.saturating_mul(kernel - 1).saturating_add(1)) / 2 {
                return raised(format!(
                    "pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={kernel} and \
                     dilation={dilation}"
                ));
            }
        }
        let axes: Vec<Axis> = (0..n).map(|i| self.axis(i, planes[i])).collect();
        let outputs: Dims = axes.iter().map(|axis| axis.output).collect();
        if outputs.iter().any(|&output| output < 1) {
            return raised(too_small(call, &lead, &planes, &outputs));
        }
        Ok((Window::of(&axes), lead.into_iter().chain(outputs).collect()))
    }

    fn check_arguments(&self, n: usize) -> Result<(), Fault> {
        if self.kernel.iter().any(|&kernel| kernel <= 0) {
            let names = [("kT", 3), ("kH", 2), ("kW", 1)];
            let texts: Vec<String> = names
                .iter()
                .filter(|(_, least)| n >= *least)
                .map(|(name, from_end)| format!("{name}: {}", self.kernel[n - from_end]))
                .collect();
            return raised(format!("kernel size should be greater than zero, but got {}", texts.join(" ")));
        }
        if self.stride.contains(&0) {
            return raised("stride should not be zero");
        }
        if let Some(pad) = self.padding.iter().find(|&&pad| pad < 0) {
            return raised(format!("pad must be non-negative, but got pad: {pad}"));
        }
        if self.stride.iter().any(|&stride| stride < 0) {
            return raised("stride should be greater than zero");
        }
        if self.dilation.iter().any(|&dilation| dilation <= 0) {
            return raised("dilation should be greater than zero");
        }
        Ok(())
    }

    fn rank_words(&self, call: &Call<'_>, n: usize, input: &Tensor) -> String {
        match n {
            1 => format!(
                "{}() Expected 2D or 3D input tensor, but got {:?}",
                call.operator.name.trim_start_matches("aten::"),
                input.sizes()
            ),
            2 => "non-empty 3D or 4D (batch mode) tensor expected for input".into(),
            _ => "non-empty 4D or 5D (batch mode) tensor expected for input".into(),
        }
    }

    fn axis(&self, i: usize, input: i64) -> Axis {
        let (kernel, stride, padding, dilation) = (self.kernel[i], self.stride[i], self.padding[i], self.dilation[i]);
        let reach = dilation.saturating_mul(kernel - 1).saturating_add(1);
        let room = input.saturating_add(2 * padding).saturating_sub(reach);
        let mut output = (if self.ceil { room.saturating_add(stride - 1) } else { room }).div_euclid(stride) + 1;
        // The last window must begin inside the input or the padding before it.
        if self.ceil && (output - 1).saturating_mul(stride) >= input + padding {
            output -= 1;
        }
        Axis { input, kernel, stride, padding, dilation, output }
    }
}

fn too_small(call: &Call<'_>, lead: &[i64], planes: &[i64], outputs: &[i64]) -> String {
    if planes.len() == 1 {
        let name = call.operator.name.trim_start_matches("aten::").trim_end_matches("_with_indices");
        if name.starts_with("max") {
            return format!("{name}() Invalid computed output size: {}", outputs[0]);
        }
        // The mean of one dimension is one of two to PyTorch.
        let (channels, input, output) = (lead[lead.len() - 1], planes[0], outputs[0]);
        return format!(
            "Given input size: ({channels}x1x{input}). Calculated output size: ({channels}x1x{output}). Output size is \
             too small"
        );
    }
    let text = |sizes: &[i64]| {
        let all: Vec<String> = lead[lead.len() - 1..].iter().chain(sizes).map(i64::to_string).collect();
        all.join("x")
    };
    format!(
        "Given input size: ({}). Calculated output size: ({}). Output size is too small",
        text(planes),
        text(outputs)
    )
}

/// The window of a `max_pool`, and the sizes of its result.
fn max_window(call: &Call<'_>) -> Result<(Window, Dims), Fault> {
    let (n, input) = (dimensions(call), call.tensor(0)?);
    let kernel = ints_of(call, 1, n, None)?;
    let pool = Pool {
        stride: ints_of(call, 2, n, Some(&kernel))?,
        padding: ints_of(call, 3, n, None)?,
        dilation: ints_of(call, 4, n, None)?,
        ceil: call.bool(5)?,
        kernel,
    };
    pool.window(call, input)
}

/// The greatest element of each window, and its place in its plane of the input.
fn max_pooled(call: &mut Call<'_>) -> Result<(Tensor, Vec<i64>, Dims), Fault> {
    let ((window, sizes), input) = (max_window(call)?, call.tensor(0)?);
    let output = call.zeros(input.dtype(), &sizes)?;
    let mut places = Vec::with_capacity(output.numel() as usize);
    compute!(input.dtype(), "aten::max_pool", T => {
        let elements = call.read::<T>(input)?;
        let mut values: Vec<T> = Vec::with_capacity(output.numel() as usize);
        for plane in elements.chunks(window.input()) {
            window.for_each_output(|_, o| {
                let place = greatest(&window, o, plane);
                places.push(place.map_or(-1, |place| place as i64));
                values.push(place.map_or(T::LOWEST, |place| plane[place]));
            });
        }
        output.store(&values)?;
    });
    // One whose elements lie far apart may step over all there is; PyTorch gives it a place outside.
    match places.contains(&-1) {
        true => Err(Fault::unsupported("aten::max_pool with places, where a window sees padding alone")),
        false => Ok((output, places, sizes)),
    }
}

/// The first of the greatest elements that a window sees; the last NaN, if it sees any.
fn greatest<T: Computed>(window: &Window, o: [i64; 3], plane: &[T]) -> Option<usize> {
    let mut best: Option<usize> = None;
    window.for_each_element(o, |_, i| {
        let better = best.is_none_or(|best| plane[i].is_nan() || plane[i].order(plane[best]).is_gt());
        if better {
            best = Some(i);
        }
    });
    best
}

pub(super) fn max_pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let ((window, sizes), input) = (max_window(call)?, call.tensor(0)?);
    let planes = Planes::of(&window);
    compute!(input.dtype(), "aten::max_pool", T => {
        let room = planes.plane().saturating_add(planes.run());
        let _charge = call.memory().charge(room.saturating_mul(size_of::<T>()) as u64)?;
        let elements = call.read::<T>(input)?;
        let result = call.write::<T>(input.dtype(), &sizes, |result| {
            let (mut plane, mut run) = (Scratch::<T>::of(planes.plane()), Scratch::<T>::of(planes.run()));
            // What a window sees of the padding is never the greatest; and it mostly sees something else.
            plane.fill(T::LOWEST);
            for (input, output) in elements.chunks(window.input()).zip(result.chunks_mut(window.output())) {
                planes.lay_out(input, &mut plane);
                depthwise::greatest(&plane, &planes, &mut run);
                planes.gather(&run, output);
            }
            Ok(())
        })?;
        Ok(Value::Tensor(result))
    })
}

pub(super) fn max_pool_with_indices(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (values, places, sizes) = max_pooled(call)?;
    let places = call.create(DType::Int64, &sizes, &places)?;
    Ok(tuple([values, places]))
}

pub(super) fn avg_pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (n, input) = (dimensions(call), call.tensor(0)?);
    let dtype = input.dtype();
    let kernel = ints_of(call, 1, n, None)?;
    let pool = Pool {
        stride: ints_of(call, 2, n, Some(&kernel))?,
        padding: ints_of(call, 3, n, None)?,
        dilation: Dims::from_elem(1, n),
        ceil: call.bool(4)?,
        kernel,
    };
    let count_padding = call.bool(5)?;
    let divisor = call.position("divisor_override").map_or(Ok(None), |i| call.opt_int(i))?;
    if divisor == Some(0) {
        return raised("divisor must be not zero");
    }
    let (window, sizes) = pool.window(call, input)?;
    if !(dtype.is_floating_point() || dtype == DType::Int64) {
        let name = dtype.scalar_type_name();
        return raised(format!("\"avg_pool{}d\" not implemented for '{name}'", if n == 1 { 2 } else { n }));
    }
    let output = call.zeros(dtype, &sizes)?;
    let elements = call.read::<f64>(input)?;
    let mut means = Vec::with_capacity(output.numel() as usize);
    for plane in elements.chunks(window.input()) {
        window.for_each_output(|_, o| {
            let (mut sum, mut seen) = (0.0, 0);
            window.for_each_element(o, |_, i| {
                sum += plane[i];
                seen += 1;
            });
            let divisor = divisor.unwrap_or(if count_padding { padded_size(&window, o) } else { seen });
            means.push(if seen == 0 { 0.0 } else { sum / divisor as f64 });
        });
    }
    output.store(&means)?;
    Ok(Value::Tensor(output))
}

/// Elements of a window, padding counted, but not what lies beyond it.
fn padded_size(window: &Window, o: [i64; 3]) -> i64 {
    let length = |axis: &Axis, o: i64| {
        let start = o * axis.stride - axis.padding;
        (start + axis.kernel).min(axis.input + axis.padding) - start
    };
    window.0.iter().zip(o).map(|(axis, o)| length(axis, o)).product()
}

/// Windows that part each dimension evenly: the first and one past the last element of each.
struct Adaptive {
    inputs: [i64; 3],
    outputs: [i64; 3],
}

impl Adaptive {
    /// The parts of the last dimensions of the input, and the sizes of the result.
    fn of(call: &Call<'_>, input: &Tensor) -> Result<(Adaptive, Dims), Fault> {
        let n = dimensions(call);
        let (lead, planes) = split_sizes(input, n);
        let name = call.operator.name.trim_start_matches("aten::");
        let sizes = input.sizes();
        if !(1..=2).contains(&lead.len()) || planes.len() < n {
            return raised(format!("{name}(): Expected {}D or {}D tensor, but got {sizes:?}", n + 1, n + 2));
        }
        let outputs = call.ints(1)?;
        if outputs.len() != n {
            return raised(format!("{name}: internal error: output_size.size() must be {n}"));
        }
        if outputs.iter().any(|&output| output < 0) {
            return raised(format!(
                "{name}: elements of output_size must be greater than or equal to 0 but received {outputs:?}"
            ));
        }
        if let Some(i) = planes.iter().position(|&size| size == 0) {
            return raised(format!(
                "{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes {sizes:?} \
                 with dimension {} being empty",
                lead.len() + i
            ));
        }
        let three = |dims: &[i64]| {
            let mut all = [1; 3];
            all[3 - n..].copy_from_slice(dims);
            all
        };
        let parts = Adaptive { inputs: three(&planes), outputs: three(&outputs) };
        Ok((parts, lead.into_iter().chain(outputs).collect()))
    }

    fn plane(&self) -> usize {
        self.inputs.iter().product::<i64>() as usize
    }

    /// Calls `each` with the places in a plane of the elements of every part.
    fn for_each_part(&self, mut each: impl FnMut(&[usize])) {
        let range = |dim: usize, o: i64| {
            let (input, output) = (self.inputs[dim], self.outputs[dim]);
            (o * input / output)..((o + 1) * input + output - 1) / output
        };
        let mut part = Vec::new();
        for od in 0..self.outputs[0] {
            for oh in 0..self.outputs[1] {
                for ow in 0..self.outputs[2] {
                    part.clear();
                    for d in range(0, od) {
                        for h in range(1, oh) {
                            let row = (d * self.inputs[1] + h) * self.inputs[2];
                            part.extend(range(2, ow).map(|w| (row + w) as usize));
                        }
                    }
                    each(&part);
                }
            }
        }
    }
}

pub(super) fn adaptive_avg_pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, outputs) = (call.tensor(0)?, call.ints(1)?);
    let n = dimensions(call);
    if n == 1 {
        return adaptive_avg_pool1d(call);
    }
    if outputs.len() != n {
        return raised(format!("adaptive_avg_pool{n}d: output_size must be {n}"));
    }
    if outputs.iter().any(|&output| output < 0) {
        let text: Vec<String> = outputs.iter().map(i64::to_string).collect();
        let text = format!("{}, {}", text[0], text[1..].join(","));
        return raised(format!(
            "adaptive_avg_pool{n}d: elements of output_size must be greater than or equal to 0 but received {{{text}}}"
        ));
    }
    let whole = outputs.iter().all(|&output| output == 1) && !call.operator.name.contains("::_");
    let dtype = input.dtype();
    if whole && !(dtype.is_floating_point() && Adaptive::of(call, input).is_ok()) {
        let dims: Vec<i64> = (1..=n as i64).map(|dim| -dim).collect();
        let dims = call.int_list(&dims);
        return call.run("aten::mean.dim", &[Value::Tensor(input.clone()), dims, Value::Bool(true)]);
    }
    let (parts, sizes) = Adaptive::of(call, input)?;
    if sizes.contains(&0) {
        return call.zeros(dtype, &sizes).map(Value::Tensor);
    }
    if !dtype.is_floating_point() {
        let kernel = if n == 2 { "adaptive_avg_pool2d" } else { "adaptive_avg_pool3d_cpu" };
        return raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name()));
    }
    if whole {
        return plane_means(call, input, parts.plane(), &sizes).map(Value::Tensor);
    }
    let output = call.zeros(dtype, &sizes)?;
    let elements = call.read::<f64>(input)?;
    let mut means = Vec::with_capacity(output.numel() as usize);
    for plane in elements.chunks(parts.plane()) {
        parts.for_each_part(|part| means.push(part.iter().map(|&i| plane[i]).sum::<f64>() / part.len() as f64));
    }
    output.store(&means)?;
    Ok(Value::Tensor(output))
}

/// That of planes of height one.
fn adaptive_avg_pool1d(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (rank, outputs) = (call.tensor(0)?.sizes().len(), call.ints(1)?);
    if !(2..=3).contains(&rank) {
        return raised(format!(
            "Expected 2 to 3 dimensions, but got {rank}-dimensional tensor for argument #1 'self' (while checking \
             arguments for adaptive_avg_pool1d)"
        ));
    }
    let planes = call.run("aten::unsqueeze", &[call.value(0).clone(), Value::Int(-2)])?;
    let outputs = call.int_list(&[&[1], &outputs[..]].concat());
    let means = call.run("aten::adaptive_avg_pool2d", &[planes, outputs])?;
    call.run("aten::squeeze.dim", &[means, Value::Int(-2)])
}

/// The mean of each plane.
fn plane_means(call: &mut Call<'_>, input: &Tensor, plane: usize, sizes: &[i64]) -> Result<Tensor, Fault> {
    let dtype = input.dtype();
    let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
    dispatch!(wide wide, "aten::adaptive_avg_pool", T => {
        let elements = call.read::<T>(input)?;
        let mean = |plane: &[T]| {
            let (parts, rest) = plane.as_chunks::<8>();
            let mut sums = [0.0; 8];
            for part in parts {
                (0..8).for_each(|i| sums[i] += part[i].to_f64());
            }
            let rest: f64 = rest.iter().map(|x| x.to_f64()).sum();
            T::of((sums.iter().sum::<f64>() + rest) / plane.len() as f64)
        };
        call.write::<T>(dtype, sizes, |means| {
            means.iter_mut().zip(elements.chunks(plane)).for_each(|(x, plane)| *x = mean(plane));
            Ok(())
        })
    })
}

pub(super) fn adaptive_max_pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    let (parts, sizes) = Adaptive::of(call, input)?;
    let output = call.zeros(input.dtype(), &sizes)?;
    let mut places = Vec::with_capacity(output.numel() as usize);
    compute!(input.dtype(), "aten::adaptive_max_pool", T => {
        let elements = call.read::<T>(input)?;
        let mut values: Vec<T> = Vec::with_capacity(output.numel() as usize);
        for plane in elements.chunks(parts.plane()) {
            parts.for_each_part(|part| {
                let better = |best: usize, &i: &usize| {
                    if Computed::is_nan(plane[i]) || plane[i].order(plane[best]).is_gt() { i } else { best }
                };
                let place = part[1..].iter().fold(part[0], better);
                places.push(place as i64);
                values.push(plane[place]);
            });
        }
        output.store(&values)?;
    });
    let places = call.create(DType::Int64, &sizes, &places)?;
    Ok(tuple([output, places]))
}
