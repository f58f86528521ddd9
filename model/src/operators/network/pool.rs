//! Pools: the greatest or the mean of what a window sees.

use super::depthwise;
use super::planes::Planes;
use super::window::{Axis, Window, split_sizes};
use crate::operators::reduce::number::{Computed, compute};
use crate::operators::results::tuple;
use crate::operators::scratch::Scratch;
use crate::operators::shape::layouts::wrap_existing_dim;
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
    /// The arguments of a pool from the second on; a mean has no dilation.
    fn of(call: &Call<'_>, dilation: Option<usize>, ceil: usize) -> Result<Pool, Fault> {
        let n = dimensions(call);
        if n == 1 {
            check_rank(call, n)?;
        }
        let kernel = numbers(call, 1, n)?;
        let stride = numbers(call, 2, n)?;
        let pool = Pool {
            stride: if stride.is_empty() { kernel.clone() } else { stride },
            padding: numbers(call, 3, n)?,
            dilation: dilation.map_or_else(|| Ok(Dims::from_elem(1, n)), |i| numbers(call, i, n))?,
            ceil: call.bool(ceil)?,
            kernel,
        };
        check_rank(call, n)?;
        Ok(pool)
    }

    /// The window over the last dimensions of the input, checked, and the sizes of the result.
    fn window(&self, call: &Call<'_>, input: &Tensor) -> Result<(Window, Dims), Fault> {
        let n = self.kernel.len();
        let (lead, planes) = split_sizes(input, n);
        match base_name(call) {
            "max_pool1d" if !call.operator.name.ends_with("indices") => self.check_line()?,
            _ => self.check_arguments()?,
        }
        check_sizes(call, &lead, &planes)?;
        if call.operator.name == "aten::avg_pool3d"
            && planes.iter().zip(&self.kernel).any(|(size, kernel)| size < kernel)
        {
            let [t, h, w] = planes[..] else { unreachable!("three dimensions") };
            let [kt, kh, kw] = self.kernel[..] else { unreachable!("three dimensions") };
            return raised(format!(
                "input image (T: {t} H: {h} W: {w}) smaller than kernel size (kT: {kt} kH: {kh} kW: {kw})"
            ));
        }
        let axes: Vec<Axis> = (0..n).map(|i| self.axis(i, planes[i])).collect();
        let outputs: Dims = axes.iter().map(|axis| axis.output).collect();
        if outputs.iter().any(|&output| output < 1) {
            return raised(too_small(call, &lead, &planes, &outputs));
        }
        Ok((Window::of(&axes), lead.into_iter().chain(outputs).collect()))
    }

    /// What PyTorch's maximum along a line checks of its arguments.
    fn check_line(&self) -> Result<(), Fault> {
        let (kernel, padding) = (self.kernel[0], self.padding[0]);
        let positive = |name: &str, value: i64| match value > 0 {
            true => Ok(()),
            false => raised(format!("max_pool1d() {name} must be greater than zero, but got {value}")),
        };
        positive("kernel_size", kernel)?;
        positive("stride", self.stride[0])?;
        if padding < 0 {
            return raised(format!("max_pool1d() padding must be non-negative, but got {padding}"));
        }
        if padding > kernel / 2 {
            return raised(format!(
                "max_pool1d() padding should be at most half of kernel size, but got padding={padding} and \
                 kernel_size={kernel}"
            ));
        }
        positive("dilation", self.dilation[0])
    }

    /// What all others check: first what the sizes of the result need, axis by axis.
    fn check_arguments(&self) -> Result<(), Fault> {
        for (i, &kernel) in self.kernel.iter().enumerate() {
            let (pad, dilation) = (self.padding[i], self.dilation[i]);
            if self.stride[i] == 0 {
                return raised("stride should not be zero");
            }
            if pad < 0 {
                return raised(format!("pad must be non-negative, but got pad: {pad}"));
            }
            if pad > dilation.saturating_mul(kernel.saturating_sub(1)).saturating_add(1) / 2 {
                return raised(format!(
                    "pad should be at most half of effective kernel size, but got pad={pad}, kernel_size={kernel} and \
                     dilation={dilation}"
                ));
            }
        }
        let all = [
            ("kernel size", "k", &self.kernel),
            ("stride", "d", &self.stride),
            ("dilation", "dilation", &self.dilation),
        ];
        match all.into_iter().find(|(.., values)| values.iter().any(|&value| value <= 0)) {
            None => Ok(()),
            Some((name, letter, values)) => {
                raised(format!("{name} should be greater than zero, but got {}", by_axis(letter, values)))
            }
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

/// The operator's name without `aten::`, and without what it gives besides.
fn base_name<'a>(call: &Call<'a>) -> &'a str {
    call.operator.name.trim_start_matches("aten::").trim_end_matches("_with_indices")
}

/// A list argument with a number for each dimension; a stride may be left out.
fn numbers(call: &Call<'_>, i: usize, n: usize) -> Result<Dims, Fault> {
    let (ints, name) = (call.ints(i)?, base_name(call));
    let argument = &*call.operator.schema.arguments[i].name;
    let (count, stride) = (ints.len(), argument == "stride");
    if count == n || (stride && count == 0) {
        return Ok(ints);
    }
    if count == 1 {
        return Ok(Dims::from_elem(ints[0], n));
    }
    if call.operator.name == "aten::max_pool1d" {
        let (what, or) = if stride { ("None, an int", ", or") } else { ("an int", " or") };
        return raised(format!(
            "max_pool1d() {argument} must be {what}, list of ints{or} tuple of ints of size 1 but got size {count}"
        ));
    }
    if n == 1 {
        return raised(format!("{name}() argument '{argument}' should contain one int (got {count})"));
    }
    let verb = match (name, argument) {
        ("avg_pool3d", _) => "must be",
        (_, "dilation") => "must be either",
        _ => "must either be",
    };
    let omitted = if stride { " omitted," } else { "" };
    let many = ["one int", "two ints", "three ints"][n - 1];
    raised(format!("{name}: {argument} {verb}{omitted} a single int, or a tuple of {many}"))
}

/// Dimensions that a pool asks for before all else.
fn check_rank(call: &Call<'_>, n: usize) -> Result<(), Fault> {
    let (sizes, name) = (call.tensor(0)?.sizes(), base_name(call));
    let rank = sizes.len();
    let fits = (n + 1..=n + 2).contains(&rank);
    match call.operator.name {
        _ if fits && call.operator.name != "aten::max_pool1d" => Ok(()),
        "aten::max_pool1d" => match fits && !sizes[rank - 2..].contains(&0) {
            true => Ok(()),
            false => raised(format!(
                "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but \
                 got:{sizes:?}"
            )),
        },
        // It is seen with the other sizes.
        "aten::avg_pool2d" => wrap_existing_dim(-3, rank).map(|_| ()),
        _ if n == 1 => raised(format!(
            "Expected 2 to 3 dimensions, but got {rank}-dimensional tensor for argument #1 'self' (while checking \
             arguments for {name})"
        )),
        _ => raised(format!("non-empty {}D or {}D (batch mode) tensor expected for input", n + 1, n + 2)),
    }
}

/// Only the batch may be of nothing. Planes of one dimension are of height one.
fn check_sizes(call: &Call<'_>, lead: &[i64], planes: &[i64]) -> Result<(), Fault> {
    if (1..=2).contains(&lead.len()) && !planes.contains(&0) && lead.last() != Some(&0) {
        return Ok(());
    }
    if planes.len() == 3 {
        let name = match base_name(call) {
            "max_pool3d" => "max_pool3d_with_indices_out_cpu_template",
            name => name,
        };
        let sizes = [lead, planes].concat();
        return raised(format!(
            "{name}(): Expected input's non-batch dimensions to have positive length, but input has a shape of {sizes:?} \
             and non-batch dimension 0 has length zero!"
        ));
    }
    let height: &[i64] = if planes.len() == 1 { &[1] } else { &[] };
    let sizes = [lead, height, planes].concat();
    raised(format!("Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:{sizes:?}"))
}

/// Numbers with the letters of their axes: `kH: 2 kW: 3`. A line has the height one.
fn by_axis(letter: &str, values: &[i64]) -> String {
    let height: &[i64] = if values.len() == 1 { &[1] } else { &[] };
    let values = [height, values].concat();
    let axes = &["T", "H", "W"][3 - values.len()..];
    let texts: Vec<String> = axes.iter().zip(&values).map(|(axis, value)| format!("{letter}{axis}: {value}")).collect();
    texts.join(" ")
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
    let pool = Pool::of(call, Some(4), 5)?;
    let (n, input) = (dimensions(call), call.tensor(0)?);
    let window = pool.window(call, input)?;
    let dtype = input.dtype();
    let (kernel, known) = match (n, call.operator.name) {
        (_, "aten::max_pool1d") => ("max_pool1d_impl", dtype.is_floating_point()),
        (3, _) => ("max_pool3d", dtype != DType::Bool && !dtype.is_complex()),
        _ => ("max_pool2d", dtype != DType::Bool && !dtype.is_complex()),
    };
    check_kernel(kernel, dtype, known)?;
    Ok(window)
}

/// PyTorch's error where a kernel does not know a dtype.
fn check_kernel(kernel: &str, dtype: DType, known: bool) -> Result<(), Fault> {
    match known {
        true => Ok(()),
        false => raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())),
    }
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
    let _places = call.room::<[usize; 2]>(&[window.kernel()])?;
    let planes = Planes::of(&window);
    compute!(input.dtype(), "aten::max_pool", T => {
        let room = planes.plane().saturating_add(planes.run());
        let _room = call.room::<T>(&[room])?;
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
    let pool = Pool::of(call, None, 4)?;
    let count_padding = call.bool(5)?;
    let divisor = call.position("divisor_override").map_or(Ok(None), |i| call.opt_int(i))?;
    if divisor == Some(0) {
        return raised("divisor must be not zero");
    }
    let (window, sizes) = pool.window(call, input)?;
    let kernel = if n == 3 { "avg_pool3d_out_frame" } else { "avg_pool2d" };
    check_kernel(kernel, dtype, dtype.is_floating_point() || dtype == DType::Int64)?;
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
        let name = call.operator.name.trim_start_matches("aten::").trim_start_matches('_');
        let sizes = input.sizes();
        if !(1..=2).contains(&lead.len()) || planes.len() < n {
            if n == 1 {
                let rank = sizes.len();
                return raised(format!(
                    "Expected 2 to 3 dimensions, but got {rank}-dimensional tensor for argument #1 'self' (while \
                     checking arguments for {name})"
                ));
            }
            let colon = if name.contains("max") { ":" } else { "" };
            return raised(format!("{name}(): Expected {}D or {}D tensor, but got{colon} {sizes:?}", n + 1, n + 2));
        }
        let outputs = call.ints(1)?;
        if outputs.len() != n {
            return raised(match n {
                1 => format!("{name}() argument 'output_size' should contain one int (got {})", outputs.len()),
                _ => format!("{name}(): internal error: output_size.size() must be {n}"),
            });
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
    let outer = !call.operator.name.contains("::_");
    if outer && outputs.len() != n {
        return raised(format!("adaptive_avg_pool{n}d: output_size must be {n}"));
    }
    if outer && outputs.iter().any(|&output| output < 0) {
        let text: Vec<String> = outputs.iter().map(i64::to_string).collect();
        let text = format!("{}, {}", text[0], text[1..].join(","));
        return raised(format!(
            "adaptive_avg_pool{n}d: elements of output_size must be greater than or equal to 0 but received {{{text}}}"
        ));
    }
    let whole = outer && outputs.iter().all(|&output| output == 1);
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
    let kernel = if n == 2 { "adaptive_avg_pool2d" } else { "adaptive_avg_pool3d_cpu" };
    check_kernel(kernel, dtype, dtype.is_floating_point())?;
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
    if !(2..=3).contains(&rank) || outputs.len() != 1 {
        // It raises.
        Adaptive::of(call, call.tensor(0)?)?;
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
    let kernel = if dimensions(call) == 3 { "adaptive_max_pool3d_cpu" } else { "adaptive_max_pool2d" };
    check_kernel(kernel, input.dtype(), input.dtype().is_floating_point() || sizes.contains(&0))?;
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
