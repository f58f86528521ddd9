//! Resizing planes: nearest, linear, cubic, and with antialiasing. Each output is a weighted sum of inputs along one
//! dimension after the other.

use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, Wide, dispatch};
use crate::value::Value;

/// How one dimension is resized.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    NearestExact,
    Linear,
    Cubic,
    LinearAntialias,
    CubicAntialias,
}

/// The inputs that an output is made of, with their weights.
type Taps = Vec<(usize, f64)>;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The step in the input for a step in the output.
fn scale_of(input: i64, output: i64, align: bool, scale: Option<f64>) -> f64 {
    match scale {
        _ if align => {
            if output > 1 {
                (input - 1) as f64 / (output - 1) as f64
            } else {
                0.0
            }
        }
        Some(scale) if scale > 0.0 => 1.0 / scale,
        _ => input as f64 / output as f64,
    }
}

/// The taps of every output of a dimension.
fn taps(mode: Mode, input: i64, output: i64, align: bool, scale: Option<f64>) -> Vec<Taps> {
    let nearest = matches!(mode, Mode::Nearest | Mode::NearestExact);
    let scale = scale_of(input, output, align && !nearest, scale);
    let clamped = |i: f64| i.clamp(0.0, (input - 1) as f64) as usize;
    // PyTorch steps in single precision where it rounds to the nearest.
    let step = |x: f64| (x as f32 * scale as f32).floor() as f64;
    let source = |o: i64| if align { scale * o as f64 } else { scale * (o as f64 + 0.5) - 0.5 };
    let of = |o: i64| match mode {
        Mode::Nearest => vec![(clamped(step(o as f64)), 1.0)],
        Mode::NearestExact => vec![(clamped(step(o as f64 + 0.5)), 1.0)],
        // Whatever the scale: as many outputs as inputs are these.
        Mode::Linear if input == output => vec![(o as usize, 1.0)],
        Mode::Linear => {
            let x = source(o).max(0.0);
            let first = x.floor().min((input - 1) as f64);
            let weight = (x - first).clamp(0.0, 1.0);
            vec![(clamped(first), 1.0 - weight), (clamped(first + 1.0), weight)]
        }
        Mode::Cubic => {
            let x = source(o);
            let first = x.floor();
            let at = |k: i32| (clamped(first + k as f64), cubic(x - first - k as f64, -0.75));
            (-1..3).map(at).collect()
        }
        Mode::LinearAntialias => antialiased(o, input, scale, 1.0, |x| (1.0 - x.abs()).max(0.0)),
        Mode::CubicAntialias => antialiased(o, input, scale, 2.0, |x| cubic(x, -0.5)),
    };
    (0..output).map(of).collect()
}

/// Keys' kernel (Keys, "Cubic convolution interpolation for digital image processing", 1981).
fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}

/// Taps of a kernel that is widened when the plane shrinks.
fn antialiased(o: i64, input: i64, scale: f64, radius: f64, kernel: impl Fn(f64) -> f64) -> Taps {
    let (support, inverse) = if scale >= 1.0 { (radius * scale, 1.0 / scale) } else { (radius, 1.0) };
    let center = scale * (o as f64 + 0.5);
    let first = ((center - support + 0.5) as i64).max(0);
    let last = ((center + support + 0.5) as i64).min(input);
    let mut taps: Taps = (first..last).map(|i| (i as usize, kernel((i as f64 - center + 0.5) * inverse))).collect();
    let total: f64 = taps.iter().map(|(_, weight)| weight).sum();
    if total != 0.0 {
        taps.iter_mut().for_each(|(_, weight)| *weight /= total);
    }
    taps
}

/// Applies the taps of one dimension, of which `inner` elements lie together.
fn apply<T: Wide>(x: &[T], length: usize, inner: usize, taps: &[Taps]) -> Vec<T> {
    let mut output = Vec::with_capacity(x.len() / (length * inner).max(1) * taps.len() * inner);
    for plane in x.chunks((length * inner).max(1)) {
        for taps in taps {
            for j in 0..inner {
                output.push(match taps[..] {
                    // What is only moved must not change, not even a NaN or a zero's sign.
                    [(i, 1.0)] => plane[i * inner + j],
                    _ => taps.iter().map(|&(i, weight)| plane[i * inner + j] * T::of(weight)).sum(),
                });
            }
        }
    }
    output
}

/// The arguments of a resize: the sizes of the output and the scales that were given.
struct Sizes {
    output: Dims,
    scales: Vec<Option<f64>>,
}

impl Sizes {
    fn of(call: &Call<'_>, spatial: usize, first_scale: usize) -> Result<Sizes, Fault> {
        let input = call.tensor(0)?.sizes();
        if call.operator.overload == "vec" {
            return Self::of_vec(call, &input, first_scale);
        }
        let output = call.ints(1)?;
        if output.len() != spatial {
            let found = output.len();
            return raised(format!("It is expected output_size equals to {spatial}, but got size {found}"));
        }
        let scales = (0..spatial).map(|i| call.opt_float(first_scale + i)).collect::<Result<_, Fault>>()?;
        Ok(Sizes { output, scales })
    }

    /// The overloads that are given either sizes or factors.
    fn of_vec(call: &Call<'_>, input: &[i64], scales: usize) -> Result<Sizes, Fault> {
        let spatial = input.len().saturating_sub(2);
        let words = "Must specify exactly one of output_size and scale_factors";
        match (call.opt_ints(1)?, call.opt_floats(scales)?) {
            (Some(output), None) => Ok(Sizes { output, scales: vec![None; spatial] }),
            (None, Some(scales)) if scales.len() == spatial => {
                let size = |(&size, scale): (&i64, &f64)| (size as f32 as f64 * scale) as i64;
                let output = input.iter().skip(2).zip(&scales).map(size).collect();
                Ok(Sizes { output, scales: scales.into_iter().map(Some).collect() })
            }
            _ => raised(words),
        }
    }
}

fn resized(call: &mut Call<'_>, mode: Mode, has_align: bool) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    let digit = call.operator.name.bytes().find(u8::is_ascii_digit).expect("a name with a digit");
    let spatial = (digit - b'0') as usize;
    let align = has_align && call.bool(2)?;
    let Sizes { output, scales } = Sizes::of(call, spatial, 2 + has_align as usize)?;
    let sizes = input.sizes();
    check(&sizes, &output, spatial)?;
    let result_sizes: Dims = sizes[..2].iter().chain(&output).copied().collect();
    let dtype = input.dtype();
    let nearest = matches!(mode, Mode::Nearest | Mode::NearestExact);
    if !(dtype.is_floating_point() || nearest && dtype == DType::UInt8) {
        return Err(Fault::no_kernel(&call.name(), dtype));
    }
    let result = call.zeros(dtype, &result_sizes)?;
    let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
    dispatch!(wide wide, call.operator.name, T => {
        let mut elements: Vec<T> = call.read::<T>(input)?.to_vec();
        // The last dimension first, as long as the planes are still small in the others.
        for dim in (0..spatial).rev() {
            let taps = taps(mode, sizes[dim + 2], output[dim], align, scales[dim]);
            let inner = output[dim + 1..].iter().product::<i64>() as usize;
            elements = apply(&elements, sizes[dim + 2] as usize, inner, &taps);
        }
        result.store(&elements)?;
    });
    Ok(Value::Tensor(result))
}

fn check(sizes: &[i64], output: &[i64], spatial: usize) -> Result<(), Fault> {
    if output.len() != spatial {
        return raised(format!("It is expected output_size equals to {spatial}, but got size {}", output.len()));
    }
    if sizes.len() != spatial + 2 {
        return raised(format!("It is expected input_size equals to {}, but got size {}", spatial + 2, sizes.len()));
    }
    if sizes[2..].iter().chain(output).any(|&size| size <= 0) {
        let names = &["D", "H", "W"][3 - spatial..];
        let text = |sizes: &[i64]| {
            let all: Vec<String> = names.iter().zip(sizes).map(|(name, size)| format!("{name}: {size}")).collect();
            all.join(", ")
        };
        let (from, to) = (text(&sizes[2..]), text(output));
        return raised(format!(
            "Input and output sizes should be greater than 0, but got input ({from}) output ({to})"
        ));
    }
    Ok(())
}

pub(super) fn nearest(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::Nearest, false)
}

pub(super) fn nearest_exact(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::NearestExact, false)
}

pub(super) fn linear(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::Linear, true)
}

pub(super) fn bicubic(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::Cubic, true)
}

pub(super) fn linear_antialiased(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::LinearAntialias, true)
}

pub(super) fn bicubic_antialiased(call: &mut Call<'_>) -> Result<Value, Fault> {
    resized(call, Mode::CubicAntialias, true)
}

/// Where the rows of a plane are looked up: `affine_grid_generator`.
pub(super) fn affine_grid(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (theta, size, align) = (call.tensor(0)?, call.ints(1)?, call.bool(2)?);
    let spatial = size.len().saturating_sub(2);
    if !(2..=3).contains(&spatial) {
        return raised("affine_grid_generator needs 4d (spatial) or 5d (volumetric) inputs.");
    }
    let expected = [size[0], spatial as i64, spatial as i64 + 1];
    if theta.sizes().as_slice() != expected {
        return raised(format!(
            "Expected a batch of affine matrices of shape {expected:?} for size {size:?}. Got {:?}.",
            theta.sizes()
        ));
    }
    let mut result: Dims = size.iter().copied().take(1).chain(size[2..].iter().copied()).collect();
    result.push(spatial as i64);
    let output = call.zeros(theta.dtype(), &result)?;
    let matrices = theta.to_f64s(&call.memory())?;
    let places = |n: i64| -> Vec<f64> {
        let step = |i: i64| if n > 1 { -1.0 + 2.0 * i as f64 / (n - 1) as f64 } else { 0.0 };
        let shrink = if align { 1.0 } else { (n - 1) as f64 / n as f64 };
        (0..n).map(|i| step(i) * shrink).collect()
    };
    let axes: Vec<Vec<f64>> = size[2..].iter().map(|&n| places(n)).collect();
    let mut elements = Vec::with_capacity(output.numel() as usize);
    for matrix in matrices.chunks(spatial * (spatial + 1)) {
        for i in 0..axes.iter().map(Vec::len).product::<usize>() {
            // The point, width first, and a one for the shift.
            let (mut rest, mut point) = (i, vec![]);
            for axis in axes.iter().rev() {
                point.push(axis[rest % axis.len()]);
                rest /= axis.len();
            }
            point.push(1.0);
            elements
                .extend(matrix.chunks(spatial + 1).map(|row| row.iter().zip(&point).map(|(m, p)| m * p).sum::<f64>()));
        }
    }
    output.store(&elements)?;
    Ok(Value::Tensor(output))
}

/// `grid_sampler` of planes: an output for each place of the grid.
pub(super) fn grid_sampler(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, grid) = (call.tensor(0)?, call.tensor(1)?);
    let (mode, padding, align) = (call.int(2)?, call.int(3)?, call.bool(4)?);
    let (sizes, places) = (input.sizes(), grid.sizes());
    if sizes.len() == 5 && call.operator.name == "aten::grid_sampler" {
        return super::volume::grid_sampler(call);
    }
    if sizes.len() != 4 {
        return Err(Fault::unsupported(format!("aten::grid_sampler of {} dimensions", sizes.len())));
    }
    if places.len() != 4 || places[0] != sizes[0] || places[3] != 2 {
        return raised(format!(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes {sizes:?} and \
             grid with sizes {places:?}"
        ));
    }
    if sizes[2] == 0 || sizes[3] == 0 {
        return raised(format!(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {sizes:?}"
        ));
    }
    let result = call.zeros(input.dtype(), &[sizes[0], sizes[1], places[1], places[2]])?;
    let (x, grid) = (input.to_f64s(&call.memory())?, grid.to_f64s(&call.memory())?);
    let sampler = Sampler { height: sizes[2], width: sizes[3], mode, padding, align };
    let (channels, plane, points) =
        (sizes[1] as usize, (sizes[2] * sizes[3]) as usize, (places[1] * places[2]) as usize);
    let mut elements = Vec::with_capacity(result.numel() as usize);
    for (i, plane) in x.chunks(plane).enumerate() {
        let batch = i / channels;
        let points = &grid[batch * points * 2..(batch + 1) * points * 2];
        elements.extend(points.chunks(2).map(|point| sampler.sample(plane, point[0], point[1])));
    }
    result.store(&elements)?;
    Ok(Value::Tensor(result))
}

/// How a plane is looked up at places between its elements.
struct Sampler {
    height: i64,
    width: i64,
    /// 0 linear, 1 nearest, 2 cubic.
    mode: i64,
    /// 0 zeros, 1 the border, 2 reflection.
    padding: i64,
    align: bool,
}

impl Sampler {
    fn sample(&self, plane: &[f64], x: f64, y: f64) -> f64 {
        let place = |at: f64, size: i64| {
            if self.align { (at + 1.0) / 2.0 * (size - 1) as f64 } else { ((at + 1.0) * size as f64 - 1.0) / 2.0 }
        };
        let (x, y) = (place(x, self.width), place(y, self.height));
        if self.mode == 2 {
            let weight = |k: i32, t: f64| cubic(t - k as f64, -0.75);
            let (x0, y0) = (x.floor(), y.floor());
            let terms = (-1..3).flat_map(|j| (-1..3).map(move |i| (i, j)));
            let inside = |at: f64, size: i64| self.inside(at, size);
            let value = |(i, j): (i32, i32)| {
                let (u, v) = (inside(x0 + i as f64, self.width), inside(y0 + j as f64, self.height));
                weight(i, x - x0) * weight(j, y - y0) * self.at(plane, u, v)
            };
            return terms.map(value).sum();
        }
        let (x, y) = (self.inside(x, self.width), self.inside(y, self.height));
        if self.mode == 1 {
            return self.at(plane, x.round_ties_even(), y.round_ties_even());
        }
        let (x0, y0) = (x.floor(), y.floor());
        let (u, v) = (x - x0, y - y0);
        self.at(plane, x0, y0) * (1.0 - u) * (1.0 - v)
            + self.at(plane, x0 + 1.0, y0) * u * (1.0 - v)
            + self.at(plane, x0, y0 + 1.0) * (1.0 - u) * v
            + self.at(plane, x0 + 1.0, y0 + 1.0) * u * v
    }

    /// A place brought inside, as the padding says.
    fn inside(&self, at: f64, size: i64) -> f64 {
        let last = (size - 1) as f64;
        match self.padding {
            1 => at.clamp(0.0, last),
            2 => {
                let (low, high) = if self.align { (0.0, last) } else { (-0.5, last + 0.5) };
                let span = high - low;
                if span <= 0.0 {
                    return 0.0;
                }
                let distance = (at - low).abs();
                let (flips, extra) = ((distance / span).floor(), distance % span);
                let reflected = if flips % 2.0 == 0.0 { low + extra } else { high - extra };
                reflected.clamp(0.0, last)
            }
            _ => at,
        }
    }

    /// The element at a whole place; zero outside.
    fn at(&self, plane: &[f64], x: f64, y: f64) -> f64 {
        let inside = x >= 0.0 && y >= 0.0 && x < self.width as f64 && y < self.height as f64;
        if inside { plane[y as usize * self.width as usize + x as usize] } else { 0.0 }
    }
}
