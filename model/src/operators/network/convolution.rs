//! Convolutions and transposed convolutions of one, two and three dimensions, as products of matrices.

use super::depthwise;
use super::planes::Planes;
use super::window::{Axis, Window};
use super::winograd::{Tiles, Winograd, suits};
use crate::operators::compose::of;
use crate::operators::linalg::product::{Factor, Matrix, Right, Shape, Steps};
use crate::operators::reduce::number::{Computed, compute};
use crate::operators::scratch::Scratch;
use crate::operators::{Call, Fault};
use crate::tensor::{Dims, Math, Tensor};
use crate::value::Value;

/// What is convolved, and how.
struct Convolution<'a> {
    input: &'a Tensor,
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
    stride: Dims,
    padding: Dims,
    /// Padding after the last element, where it differs from that before the first.
    padding_after: Dims,
    dilation: Dims,
    /// The padding of the output, when the convolution is transposed.
    transposed: Option<Dims>,
    groups: i64,
}

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Spatial dimensions of the operator: the digit in its name.
fn dimensions(call: &Call<'_>) -> usize {
    let digit = call.operator.name.bytes().find(u8::is_ascii_digit).expect("a name with a digit");
    (digit - b'0') as usize
}

/// `conv1d`, `conv2d`, `conv3d`, with padding as numbers or as `same` or `valid`.
pub(super) fn conv(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = dimensions(call);
    let (input, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?);
    check_rank(call, input, n)?;
    let spatial = weight.sizes().len().saturating_sub(2);
    let (stride, dilation) = (expanded(call, 3, spatial, "stride")?, expanded(call, 5, spatial, "dilation")?);
    let (padding, padding_after) = match call.value(4) {
        Value::Str(name) => named_padding(name, weight.sizes().get(2..).unwrap_or_default(), &stride, &dilation)?,
        _ => {
            let padding = expanded(call, 4, spatial, "padding")?;
            (padding.clone(), padding)
        }
    };
    let groups = call.int(6)?;
    let convolution =
        Convolution { input, weight, bias, stride, padding, padding_after, dilation, transposed: None, groups };
    unbatched(call, &convolution, n).map(Value::Tensor)
}

/// `conv_transpose1d`, `conv_transpose2d`, `conv_transpose3d`
pub(super) fn conv_transpose(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = dimensions(call);
    let (input, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?);
    check_rank(call, input, n)?;
    let spatial = weight.sizes().len().saturating_sub(2);
    let (stride, padding) = (expanded(call, 3, spatial, "stride")?, expanded(call, 4, spatial, "padding")?);
    let output_padding = expanded(call, 5, spatial, "output_padding")?;
    let (groups, dilation) = (call.int(6)?, expanded(call, 7, spatial, "dilation")?);
    let padding_after = padding.clone();
    let transposed = Some(output_padding);
    let convolution = Convolution { input, weight, bias, stride, padding, padding_after, dilation, transposed, groups };
    unbatched(call, &convolution, n).map(Value::Tensor)
}

/// `convolution` and `_convolution`, which both kinds come down to.
pub(super) fn convolution(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?);
    let spatial = weight.sizes().len().saturating_sub(2);
    let (stride, padding) = (expanded(call, 3, spatial, "stride")?, expanded(call, 4, spatial, "padding")?);
    let dilation = expanded(call, 5, spatial, "dilation")?;
    let output_padding = expanded(call, 7, spatial, "output_padding")?;
    let transposed = call.bool(6)?.then_some(output_padding);
    let (groups, padding_after) = (call.int(8)?, padding.clone());
    let convolution = Convolution { input, weight, bias, stride, padding, padding_after, dilation, transposed, groups };
    convolution.compute(call).map(Value::Tensor)
}

/// `_convolution_mode`: padding by name.
pub(super) fn convolution_mode(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?);
    let spatial = weight.sizes().len().saturating_sub(2);
    let (stride, dilation) = (expanded(call, 3, spatial, "stride")?, expanded(call, 5, spatial, "dilation")?);
    let (padding, padding_after) =
        named_padding(call.str(4)?, weight.sizes().get(2..).unwrap_or_default(), &stride, &dilation)?;
    let groups = call.int(6)?;
    let convolution =
        Convolution { input, weight, bias, stride, padding, padding_after, dilation, transposed: None, groups };
    convolution.compute(call).map(Value::Tensor)
}

/// `conv_tbc`: time, batch, channels.
pub(super) fn conv_tbc(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, weight, bias, pad) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?, call.int(3)?);
    if input.sizes().len() != 3 {
        return raised("Input must have 3 dims: time, batch, in_channel");
    }
    if weight.sizes().len() != 3 {
        return raised("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.");
    }
    let input = reordered(call, input, [1, 2, 0])?;
    let weight = reordered(call, weight, [2, 1, 0])?;
    let one = |value: i64| Dims::from_elem(value, 1);
    let convolution = Convolution {
        input: &input,
        weight: &weight,
        bias: Some(bias),
        stride: one(1),
        padding: one(pad),
        padding_after: one(pad),
        dilation: one(1),
        transposed: None,
        groups: 1,
    };
    let output = convolution.compute(call)?;
    reordered(call, &output, [2, 0, 1]).map(Value::Tensor)
}

/// A view of a tensor of three dimensions with these in another order.
fn reordered(call: &mut Call<'_>, tensor: &Tensor, order: [usize; 3]) -> Result<Tensor, Fault> {
    let metadata = tensor.metadata();
    let pick = |from: &[i64]| order.map(|dim| from[dim]);
    let layout = &metadata.layout;
    let layout = crate::tensor::Layout::strided(&pick(layout.sizes()), &pick(layout.strides()), layout.offset());
    Ok(Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout))
}

fn check_rank(call: &Call<'_>, input: &Tensor, n: usize) -> Result<(), Fault> {
    let sizes = input.sizes();
    if sizes.len() == n + 1 || sizes.len() == n + 2 {
        return Ok(());
    }
    let name = call.operator.name.trim_start_matches("aten::");
    let (single, batch) = (n + 1, n + 2);
    raised(format!(
        "Expected {single}D (unbatched) or {batch}D (batched) input to {name}, but got input of size: {sizes:?}"
    ))
}

/// A list argument with one number for each dimension.
fn expanded(call: &Call<'_>, i: usize, spatial: usize, name: &str) -> Result<Dims, Fault> {
    let given = call.ints(i)?;
    match given.len() {
        1 => Ok(Dims::from_elem(given[0], spatial)),
        count if count == spatial => Ok(given),
        _ => raised(format!(
            "expected {name} to be a single integer value or a list of {spatial} values to match the convolution \
             dimensions, but got {name}={given:?}"
        )),
    }
}

/// Padding before and after.
fn named_padding(name: &str, kernel: &[i64], stride: &[i64], dilation: &[i64]) -> Result<(Dims, Dims), Fault> {
    let zeros = Dims::from_elem(0, kernel.len());
    match name {
        "valid" => Ok((zeros.clone(), zeros)),
        "same" if stride.iter().any(|&stride| stride != 1) => {
            raised("padding='same' is not supported for strided convolutions")
        }
        "same" => {
            let total = || kernel.iter().zip(dilation).map(|(k, d)| d.saturating_mul(k - 1).max(0));
            Ok((total().map(|total| total / 2).collect(), total().map(|total| total - total / 2).collect()))
        }
        _ => raised(format!("Invalid padding string: '{name}'")),
    }
}

/// Convolves one sample as a batch of one, if need be.
fn unbatched(call: &mut Call<'_>, convolution: &Convolution<'_>, n: usize) -> Result<Tensor, Fault> {
    if convolution.input.sizes().len() != n + 1 {
        return convolution.compute(call);
    }
    let metadata = convolution.input.metadata();
    let (sizes, strides) = (metadata.layout.sizes(), metadata.layout.strides());
    let (sizes, strides) = ([&[1], sizes].concat(), [&[0], strides].concat());
    let layout = crate::tensor::Layout::strided(&sizes, &strides, metadata.layout.offset());
    let batch = Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout);
    let stride = convolution.stride.clone();
    let batched = Convolution {
        input: &batch,
        stride,
        padding: convolution.padding.clone(),
        padding_after: convolution.padding_after.clone(),
        dilation: convolution.dilation.clone(),
        transposed: convolution.transposed.clone(),
        ..*convolution
    };
    let output = batched.compute(call)?;
    let sizes = output.sizes();
    let layout = crate::tensor::Layout::contiguous(&sizes[1..]);
    Ok(Tensor::new(call.allocator, output.storage(), output.dtype(), layout))
}

impl Convolution<'_> {
    fn compute(&self, call: &mut Call<'_>) -> Result<Tensor, Fault> {
        self.check()?;
        self.check_dtypes()?;
        let dtype = self.input.dtype();
        if dtype.is_complex() {
            return self.complex(call);
        }
        compute!(dtype, "aten::convolution", T => match &self.transposed {
            None => self.forward::<T>(call),
            Some(output_padding) => self.transposed::<T>(call, output_padding),
        })
    }

    /// Of complex numbers: of the real parts, of the imaginary ones, and of the sums of both, by Gauss's trick.
    fn complex(&self, call: &mut Call<'_>) -> Result<Tensor, Fault> {
        let part = |call: &mut Call<'_>, name: &str, x: &Tensor| call.run_tensor(name, &[of(x)]);
        let sum = |call: &mut Call<'_>, a: &Tensor, b: &Tensor| call.run_tensor("aten::add.Tensor", &[of(a), of(b)]);
        let parts = |call: &mut Call<'_>, x: &Tensor| -> Result<[Tensor; 3], Fault> {
            let (re, im) = (part(call, "aten::real", x)?, part(call, "aten::imag", x)?);
            let both = sum(call, &re, &im)?;
            Ok([re, im, both])
        };
        let (inputs, weights) = (parts(call, self.input)?, parts(call, self.weight)?);
        let biases = self.bias.map(|bias| parts(call, bias)).transpose()?;
        let mut products = Vec::new();
        for i in 0..3 {
            let bias = biases.as_ref().map(|biases| &biases[i]).filter(|_| i != 1);
            let real = Convolution {
                input: &inputs[i],
                weight: &weights[i],
                bias,
                stride: self.stride.clone(),
                padding: self.padding.clone(),
                padding_after: self.padding_after.clone(),
                dilation: self.dilation.clone(),
                transposed: self.transposed.clone(),
                groups: self.groups,
            };
            products.push(real.compute(call)?);
        }
        let [re, im, both] = &products[..] else { unreachable!("three products") };
        let real = call.run("aten::sub.Tensor", &[of(re), of(im)])?;
        let rest = sum(call, re, im)?;
        let imaginary = call.run("aten::sub.Tensor", &[of(both), of(&rest)])?;
        call.run_tensor("aten::complex", &[real, imaginary])
    }

    /// Raises what `check_shape_forward` raises.
    fn check(&self) -> Result<(), Fault> {
        let (input, weight, groups) = (self.input.sizes(), self.weight.sizes(), self.groups);
        if self.stride.iter().any(|&stride| stride <= 0) {
            return raised("non-positive stride is not supported");
        }
        if self.padding.iter().any(|&padding| padding < 0) {
            return raised("negative padding is not supported");
        }
        if self.dilation.iter().any(|&dilation| dilation <= 0) {
            return raised("dilation should be greater than zero");
        }
        if groups <= 0 {
            return raised("non-positive groups is not supported");
        }
        if weight.len() < 3 {
            return raised("weight should have at least three dimensions");
        }
        if weight.len() != input.len() {
            let (w, i) = (weight.len(), input.len());
            return raised(format!(
                "Expected {w}-dimensional input for {w}-dimensional weight {weight:?}, but got {i}-dimensional input of \
                 size {input:?} instead"
            ));
        }
        if weight[0] < groups {
            return raised(format!(
                "Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size \
                 {weight:?} instead"
            ));
        }
        if weight[0] % groups != 0 {
            return raised(format!(
                "Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of \
                 size [{weight:?}] instead"
            ));
        }
        let transposed = self.transposed.is_some();
        let (given, channels) = if transposed {
            ("transposed=1".to_owned(), weight[0])
        } else {
            (format!("groups={groups}"), weight[1] * groups)
        };
        if input[1] != channels {
            let found = input[1];
            return raised(format!(
                "Given {given}, weight of size {weight:?}, expected input{input:?} to have {channels} channels, but got \
                 {found} channels instead"
            ));
        }
        self.check_bias(&weight)?;
        if transposed { Ok(()) } else { self.check_kernel(&input, &weight) }
    }

    fn check_bias(&self, weight: &[i64]) -> Result<(), Fault> {
        let Some(bias) = self.bias else { return Ok(()) };
        let (given, outputs) = match self.transposed {
            Some(_) => ("transposed=1, ", weight[1] * self.groups),
            None => ("", weight[0]),
        };
        let sizes = bias.sizes();
        if sizes.as_slice() == [outputs] {
            return Ok(());
        }
        raised(format!(
            "Given {given}weight of size {weight:?}, expected bias to be 1-dimensional with {outputs} elements, but got \
             bias of size {sizes:?} instead"
        ))
    }

    fn check_kernel(&self, input: &[i64], weight: &[i64]) -> Result<(), Fault> {
        let spatial = 0..weight.len() - 2;
        let padding = |i: usize| self.padding[i].saturating_add(self.padding_after[i]);
        let padded: Vec<i64> = spatial.clone().map(|i| input[i + 2].saturating_add(padding(i))).collect();
        let reach = |i: usize| self.dilation[i].saturating_mul(weight[i + 2] - 1).saturating_add(1);
        let kernel: Vec<i64> = spatial.map(reach).collect();
        if padded.iter().zip(&kernel).all(|(padded, kernel)| padded >= kernel) {
            return Ok(());
        }
        let text = |sizes: &[i64]| sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ");
        raised(format!(
            "Calculated padded input size per channel: ({}). Kernel size: ({}). Kernel size can't be greater than \
             actual input size",
            text(&padded),
            text(&kernel)
        ))
    }

    fn check_dtypes(&self) -> Result<(), Fault> {
        let dtype = self.input.dtype();
        if let Some(bias) = self.bias.filter(|bias| bias.dtype() != dtype) {
            let (a, b) = (dtype.c_name(), bias.dtype().c_name());
            return raised(format!("Input type ({a}) and bias type ({b}) should be the same"));
        }
        if self.weight.dtype() != dtype {
            let (a, b) = (dtype.scalar_type_name(), self.weight.dtype().scalar_type_name());
            return raised(format!("expected scalar type {a} but found {b}"));
        }
        Ok(())
    }

    /// The window in input (or, transposed, output) planes of these sizes, with this many places.
    fn window(&self, planes: &[i64], places: &[i64]) -> Window {
        let kernel = &self.weight.sizes()[2..];
        let axis = |i: usize| Axis {
            input: planes[i],
            kernel: kernel[i],
            stride: self.stride[i],
            padding: self.padding[i],
            dilation: self.dilation[i],
            output: places[i],
        };
        Window::of(&(0..kernel.len()).map(axis).collect::<Vec<Axis>>())
    }

    fn forward<T: Factor>(&self, call: &mut Call<'_>) -> Result<Tensor, Fault> {
        let (input, weight) = (self.input.sizes(), self.weight.sizes());
        let places: Dims = (0..weight.len() - 2)
            .map(|i| {
                let padded = input[i + 2].saturating_add(self.padding[i]).saturating_add(self.padding_after[i]);
                (padded - self.dilation[i].saturating_mul(weight[i + 2] - 1) - 1) / self.stride[i] + 1
            })
            .collect();
        let sizes: Dims = [input[0], weight[0]].into_iter().chain(places.iter().copied()).collect();
        let window = self.window(&input[2..], &places);
        let _places = call.room::<[usize; 2]>(&[window.kernel()])?;
        let planes = Planes::of(&window);
        let groups = self.groups as usize;
        let (channels, outputs) = (weight[1] as usize, weight[0] as usize / groups);
        let laid_out = if planes.is_plain() { 0 } else { channels.saturating_mul(planes.plane()) };
        let run = if planes.is_dense() { 0 } else { outputs.saturating_mul(planes.run()) };
        let tiles = if T::DIVIDES { Tiles::of(&window, channels, outputs) } else { None };
        let room = laid_out.saturating_add(run).max(tiles.as_ref().map_or(0, |tiles| tiles.room(groups)));
        let _room = call.room::<T>(&[room])?;
        let (x, w) = (call.read::<T>(self.input)?, call.read::<T>(self.weight)?);
        let bias = self.bias.map(|bias| call.read::<T>(bias)).transpose()?;
        let (bias, math) = (bias.as_deref(), call.modes.math);
        call.write::<T>(self.input.dtype(), &sizes, |elements| {
            let part = channels * window.input();
            let results = elements.chunks_exact_mut((outputs * window.output()).max(1)).enumerate();
            if let Some(tiles) = tiles.filter(|_| suits(&x, math) && suits(&w, math)) {
                let mut winograd = Winograd::new(tiles, &w, bias, math);
                results.for_each(|(i, result)| winograd.convolve(&x[i * part..(i + 1) * part], i % groups, result));
                return Ok(());
            }
            let parts = Parts { planes, window, channels, outputs, weights: &w, bias, math };
            let mut rooms = Rooms { planes: Scratch::of(laid_out), run: Scratch::of(run) };
            // Padding is written here only.
            rooms.planes.fill(T::ZERO);
            results
                .for_each(|(i, result)| parts.convolve(&x[i * part..(i + 1) * part], i % groups, &mut rooms, result));
            Ok(())
        })
    }

    fn transposed<T: Factor>(&self, call: &mut Call<'_>, output_padding: &[i64]) -> Result<Tensor, Fault> {
        let (input, weight) = (self.input.sizes(), self.weight.sizes());
        self.check_output_padding(output_padding)?;
        let places: Dims = (0..weight.len() - 2)
            .map(|i| {
                let reach = self.dilation[i].saturating_mul(weight[i + 2] - 1).saturating_add(1);
                let stretched = (input[i + 2] - 1).saturating_mul(self.stride[i]);
                stretched.saturating_sub(self.padding[i].saturating_mul(2)).saturating_add(reach + output_padding[i])
            })
            .collect();
        let groups = self.groups as usize;
        let (channels, outputs) = (weight[0] as usize / groups, weight[1] as usize);
        let all = weight[1] * self.groups;
        let sizes: Dims = [input[0], all].into_iter().chain(places.iter().copied()).collect();
        // The window slides over the output: each of its places is an element of the input.
        let window = self.window(&places, &input[2..]);
        let shape = Shape { rows: outputs * window.kernel(), inner: channels, columns: window.output() };
        let _charge = self.charge::<T>(call, shape)?;
        let (x, w) = (call.read::<T>(self.input)?, call.read::<T>(self.weight)?);
        let bias = self.bias.map(|bias| call.read::<T>(bias)).transpose()?;
        let math = call.modes.math;
        call.fill::<T>(self.input.dtype(), &sizes, |elements| {
            let (part, out_part) = (channels * window.output(), outputs * window.input());
            let mut columns = vec![T::ZERO; shape.rows * shape.columns];
            for (i, result) in elements.chunks_exact_mut(out_part.max(1)).enumerate() {
                let weights = &w[i % groups * channels * shape.rows..][..channels * shape.rows];
                let seen = Matrix::of_rows(&x[i * part..(i + 1) * part], shape.columns);
                T::product(Matrix::of_columns(weights, shape.rows), Right::Matrix(seen), &mut columns, shape, math);
                window.add_columns(&columns, result, Computed::plus);
                if let Some(bias) = &bias {
                    add_bias(result, window.input(), &bias[i % groups * outputs..]);
                }
            }
            Ok(())
        })
    }

    fn check_output_padding(&self, output_padding: &[i64]) -> Result<(), Fault> {
        if output_padding.iter().any(|&padding| padding < 0) {
            return raised("negative output_padding is not supported");
        }
        let fits = |i: usize| output_padding[i] < self.stride[i] || output_padding[i] < self.dilation[i];
        if (0..output_padding.len()).all(fits) {
            return Ok(());
        }
        // A convolution of one dimension is one of two to PyTorch.
        let both = |values: &[i64], missing: i64| match values {
            [width] => (missing, *width),
            [.., height, width] => (*height, *width),
            [] => (missing, missing),
        };
        let ((ph, pw), (sh, sw)) = (both(output_padding, 0), both(&self.stride, 1));
        let (dh, dw) = both(&self.dilation, 1);
        raised(format!(
            "output padding must be smaller than either stride or dilation, but got output_padding_height: {ph} \
             output_padding_width: {pw} stride_height: {sh} stride_width: {sw} dilation_height: {dh} dilation_width: {dw}"
        ))
    }

    /// Pays for the matrix of columns.
    fn charge<T>(&self, call: &Call<'_>, shape: Shape) -> Result<crate::slot::Charge, Fault> {
        call.room::<T>(&[shape.inner.max(shape.rows), shape.columns])
    }
}

/// Adds its bias to each of several planes. There are at least as many biases as planes.
fn add_bias<T: Computed>(planes: &mut [T], plane: usize, bias: &[T]) {
    for (plane, &bias) in planes.chunks_exact_mut(plane.max(1)).zip(bias) {
        plane.iter_mut().for_each(|x| *x = x.plus(bias));
    }
}

/// What is the same for every group of every sample.
struct Parts<'a, T> {
    planes: Planes,
    window: Window,
    /// Channels of a group of the input.
    channels: usize,
    /// Channels of a group of the output.
    outputs: usize,
    weights: &'a [T],
    bias: Option<&'a [T]>,
    math: Math,
}

/// Room that is used again for each group: for planes as they are laid out, and for the output before windows that are
/// not there are left out.
struct Rooms<T> {
    planes: Scratch<T>,
    run: Scratch<T>,
}

impl<T: Factor> Parts<'_, T> {
    /// Convolves a group of channels of a sample.
    fn convolve(&self, input: &[T], group: usize, rooms: &mut Rooms<T>, result: &mut [T]) {
        let planes = if self.planes.is_plain() {
            input
        } else {
            let planes = rooms.planes.chunks_exact_mut(self.planes.plane().max(1));
            let inputs = input.chunks(self.window.input().max(1));
            planes.zip(inputs).for_each(|(plane, input)| self.planes.lay_out(input, plane));
            &rooms.planes
        };
        let run = if self.planes.is_dense() { &mut *result } else { &mut rooms.run[..] };
        self.convolve_run(planes, group, run);
        if self.planes.is_dense() {
            return;
        }
        let runs = rooms.run.chunks_exact(self.planes.run());
        for (run, output) in runs.zip(result.chunks_exact_mut(self.window.output())) {
            self.planes.gather(run, output);
        }
    }

    /// The output planes of a group, as runs.
    fn convolve_run(&self, planes: &[T], group: usize, run: &mut [T]) {
        let (inner, columns) = (self.channels * self.window.kernel(), self.planes.run());
        let weights = &self.weights[group * self.outputs * inner..(group + 1) * self.outputs * inner];
        let bias = |output: usize| self.bias.map_or(T::ZERO, |bias| bias[group * self.outputs + output]);
        if self.channels == 1 {
            for (output, run) in run.chunks_exact_mut(columns).enumerate() {
                let weights = &weights[output * inner..(output + 1) * inner];
                depthwise::convolve(planes, &self.planes, (weights, bias(output)), run, self.math);
            }
            return;
        }
        let plane = if self.planes.is_plain() { self.window.input() } else { self.planes.plane() };
        let channels = (0..self.channels).map(|channel| channel * plane);
        let rows: Vec<usize> =
            channels.flat_map(|start| self.planes.offsets().iter().map(move |offset| start + offset)).collect();
        let seen = Matrix { elements: planes, rows: Steps::Table(&rows), columns: Steps::Even(1) };
        let shape = Shape { rows: self.outputs, inner, columns };
        let (weights, seen) = (Matrix::of_rows(weights, inner), Right::Matrix(seen));
        if self.bias.is_none() {
            return T::product(weights, seen, run, shape, self.math);
        }
        run.chunks_exact_mut(columns).enumerate().for_each(|(output, run)| run.fill(bias(output)));
        T::add_product(weights, seen, run, shape, self.math);
    }
}

/// The window of `im2col` and `col2im`: kernel, dilation, padding and stride from argument `i`.
fn patch_window(call: &Call<'_>, i: usize, sizes: &[i64], expected: Option<i64>) -> Result<Window, Fault> {
    let list = |i: usize| call.ints(i);
    let (kernel, dilation, padding, stride) = (list(i)?, list(i + 1)?, list(i + 2)?, list(i + 3)?);
    let axis = |k: usize| {
        let reach = dilation[k].saturating_mul(kernel[k] - 1).saturating_add(1);
        let output = (sizes[k].saturating_add(padding[k].saturating_mul(2)) - reach).div_euclid(stride[k]) + 1;
        Axis {
            input: sizes[k],
            kernel: kernel[k],
            stride: stride[k],
            padding: padding[k],
            dilation: dilation[k],
            output,
        }
    };
    let axes = [axis(0), axis(1)];
    let pair = |list: &[i64]| format!("({}, {})", list[0], list[1]);
    let outputs = [axes[0].output, axes[1].output];
    let (k, d, p) = (pair(&kernel), pair(&dilation), pair(&padding));
    match expected {
        None if outputs.iter().any(|&output| output < 1) => raised(format!(
            "Given input with spatial size {}, kernel_size={k}, dilation={d}, padding={p}, calculated shape of the array \
             of sliding blocks as {}, but its components must be at least one.",
            pair(sizes),
            pair(&outputs)
        )),
        Some(blocks) if outputs[0] * outputs[1] != blocks || outputs.iter().any(|&output| output < 1) => {
            raised(format!(
                "Given output_size={}, kernel_size={k}, dilation={d}, padding={p}, stride={}, expected size of input's \
                 dimension 2 to match the calculated number of sliding blocks {} * {} = {}, but got input.size(2)={blocks}.",
                pair(sizes),
                pair(&stride),
                outputs[0],
                outputs[1],
                outputs[0] * outputs[1]
            ))
        }
        _ => Ok(Window::of(&axes)),
    }
}

/// Checks the lists of `im2col` and `col2im` from argument 1 on, as PyTorch orders what it checks.
fn check_patches(call: &Call<'_>) -> Result<(), Fault> {
    let names = ["output_size", "kernel_size", "dilation", "padding", "stride"];
    let given = names.into_iter().filter_map(|name| call.position(name).map(|i| (name, i)));
    let lists = given.map(|(name, i)| Ok((name, call.ints(i)?))).collect::<Result<Vec<_>, Fault>>()?;
    for (name, list) in &lists {
        if list.len() != 2 {
            return raised(format!("It is expected {name} equals to 2, but got size {}", list.len()));
        }
    }
    let bounds = [
        ("kernel_size", "kernel", "kernel size should be greater than zero", 1),
        ("dilation", "dilation", "dilation should be greater than zero", 1),
        ("padding", "pad", "padding should be non-negative", 0),
        ("stride", "stride", "stride should be greater than zero", 1),
    ];
    let order = if call.position("output_size").is_some() { [0, 3, 1, 2] } else { [0, 1, 2, 3] };
    for (name, short, words, least) in order.map(|i| bounds[i]) {
        let list = lists.iter().find(|(other, _)| *other == name).map(|(_, list)| list);
        if let Some(&[height, width]) = list.map(|list| &list[..]).filter(|list| list.iter().any(|&x| x < least)) {
            return raised(format!("{words}, but got {short}_height: {height} {short}_width: {width}"));
        }
    }
    Ok(())
}

/// What each window sees, in columns.
pub(super) fn im2col(call: &mut Call<'_>) -> Result<Value, Fault> {
    check_patches(call)?;
    let input = call.tensor(0)?;
    let sizes = input.sizes();
    if !(3..=4).contains(&sizes.len()) || sizes[sizes.len() - 3..].contains(&0) {
        return raised(format!(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, \
             but got: {sizes:?}"
        ));
    }
    let (lead, plane) = sizes.split_at(sizes.len() - 2);
    let window = patch_window(call, 1, plane, None)?;
    let channels = lead[lead.len() - 1];
    let mut result: Dims = lead[..lead.len() - 1].into();
    result.extend([channels.saturating_mul(window.kernel() as i64), window.output() as i64]);
    let dtype = input.dtype();
    let output = call.zeros(dtype, &result)?;
    compute!(dtype, "aten::im2col", T => output.store(&window.columns(&call.read::<T>(input)?))?);
    Ok(Value::Tensor(output))
}

/// The reverse of `im2col`: overlapping windows are added up.
pub(super) fn col2im(call: &mut Call<'_>) -> Result<Value, Fault> {
    check_patches(call)?;
    let (input, plane, kernel) = (call.tensor(0)?, call.ints(1)?, call.ints(2)?);
    let sizes = input.sizes();
    if !(2..=3).contains(&sizes.len()) || sizes[sizes.len() - 2..].contains(&0) {
        return raised(format!(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for \
             input, but got: {sizes:?}"
        ));
    }
    let (channels, blocks) = (sizes[sizes.len() - 2], sizes[sizes.len() - 1]);
    if channels % kernel[0].saturating_mul(kernel[1]) != 0 {
        return raised(format!(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got \
             input.size(1)={channels} and kernel_size=({}, {}).",
            kernel[0], kernel[1]
        ));
    }
    let window = patch_window(call, 2, &plane, Some(blocks))?;
    let mut result: Dims = sizes[..sizes.len() - 2].into();
    result.extend([sizes[sizes.len() - 2] / window.kernel() as i64, plane[0], plane[1]]);
    let dtype = input.dtype();
    let output = call.zeros(dtype, &result)?;
    compute!(dtype, "aten::col2im", T => {
        let mut elements: Vec<T> = vec![T::ZERO; output.numel() as usize];
        window.add_columns(&call.read::<T>(input)?, &mut elements, Computed::plus);
        output.store(&elements)?;
    });
    Ok(Value::Tensor(output))
}
