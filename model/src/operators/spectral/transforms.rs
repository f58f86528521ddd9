//! `torch.fft`: transforms along one dimension or several, frequencies, shifts.

use super::signal::Signal;
use crate::operators::arguments::wrap_dim;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, Tensor, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The real and the complex dtype that a transform of `dtype` works with.
fn dtypes(dtype: DType) -> Result<(DType, DType), Fault> {
    match dtype {
        DType::Float64 | DType::Complex128 => Ok((DType::Float64, DType::Complex128)),
        DType::Float32 | DType::Complex64 => Ok((DType::Float32, DType::Complex64)),
        dtype if dtype.is_floating_point() || dtype.is_complex() => {
            raised(format!("Unsupported dtype {}", dtype.scalar_type_name()))
        }
        _ => Ok((DType::Float32, DType::Complex64)),
    }
}

/// What the sum over so many numbers is multiplied by.
fn factor(norm: Option<&str>, forward: bool, count: i64) -> Result<f64, Fault> {
    let count = count as f64;
    match norm {
        None | Some("backward") => Ok(if forward { 1.0 } else { 1.0 / count }),
        Some("forward") => Ok(if forward { 1.0 / count } else { 1.0 }),
        Some("ortho") => Ok(1.0 / count.sqrt()),
        Some(other) => raised(format!("Invalid normalization mode: \"{other}\"")),
    }
}

/// The same by the number that inner operators take.
fn factor_of(mode: i64, count: i64) -> f64 {
    match mode {
        1 => 1.0 / (count as f64).sqrt(),
        2 => 1.0 / count as f64,
        _ => 1.0,
    }
}

fn dim_of(dim: i64, rank: usize) -> Result<usize, Fault> {
    if rank == 0 {
        return raised(format!("Dimension specified as {dim} but tensor has no dimensions"));
    }
    wrap_dim(dim, rank)
}

fn check_points(points: i64) -> Result<(), Fault> {
    if points >= 1 { Ok(()) } else { raised(format!("Invalid number of data points ({points}) specified")) }
}

/// Whether a transform takes reals and gives half a spectrum, or takes half a spectrum and gives reals.
fn is_half(name: &str) -> (bool, bool) {
    let name = name.trim_end_matches('n');
    (matches!(name, "rfft" | "ihfft"), matches!(name, "irfft" | "hfft"))
}

/// `fft`, `ifft`, `rfft`, `irfft`, `hfft`, `ihfft`: along one dimension.
pub(super) fn one(call: &mut Call<'_>, name: &str) -> Result<Value, Fault> {
    let (input, points, norm) = (call.tensor(0)?, call.opt_int(1)?, call.opt_str(3)?);
    let (to_half, from_half) = is_half(name);
    if to_half && input.dtype().is_complex() {
        let found = input.dtype().scalar_type_name();
        return raised(format!("{name} expects a real input tensor, but got {found}"));
    }
    let (real, complex) = dtypes(input.dtype())?;
    let dim = dim_of(call.int(2)?, input.sizes().len())?;
    let size = input.sizes()[dim];
    let length = points.unwrap_or(if from_half { 2 * (size - 1) } else { size });
    check_points(length)?;
    let forward = !name.starts_with('i');
    let factor = factor(norm.map(|norm| &**norm), forward, length)?;
    let mut signal =
        Signal::converted(call, input, if from_half || input.dtype().is_complex() { complex } else { real })?;
    if points.is_some() {
        signal.fit(dim, if from_half { length / 2 + 1 } else { length })?;
    }
    if from_half {
        if forward {
            signal.conjugate();
            signal.copy()?;
        }
        signal.transform_to_real(dim, length)?;
    } else {
        signal.transform(dim, forward);
    }
    if to_half {
        signal.resize(dim, length / 2 + 1)?;
    }
    signal.lie_along(&[dim], true);
    signal.scale(factor);
    signal.tensor(call, if from_half { real } else { complex }).map(Value::Tensor)
}

/// `fftn` and its like: along several dimensions, the last of which may be half.
pub(super) fn several(call: &mut Call<'_>, name: &str) -> Result<Value, Fault> {
    let (input, norm) = (call.tensor(0)?, call.opt_str(3)?);
    let (to_half, from_half) = is_half(name);
    if name == "rfftn" && input.dtype().is_complex() {
        let found = input.dtype().scalar_type_name();
        return raised(format!("rfftn expects a real-valued input tensor, but got {found}"));
    }
    let (mut shape, dims) = shape_and_dims(call, input)?;
    if (to_half || from_half) && shape.is_empty() {
        return raised(format!("{name} must transform at least one axis"));
    }
    let mut lengths = shape.clone();
    if from_half {
        let last = dims[dims.len() - 1];
        let given = call.opt_ints(1)?.and_then(|sizes| sizes.last().copied()).filter(|&size| size != -1);
        let length = given.unwrap_or(2 * (input.sizes()[last] - 1));
        check_points(length)?;
        *lengths.last_mut().expect("a dimension") = length;
        *shape.last_mut().expect("a dimension") = length / 2 + 1;
    }
    let (real, complex) = dtypes(input.dtype())?;
    if to_half && input.dtype().is_complex() {
        return raised(format!("{name} expects a real input tensor, but got {}", input.dtype().scalar_type_name()));
    }
    let forward = !name.starts_with('i');
    let factor = factor(norm.map(|norm| &**norm), forward, lengths.iter().product())?;
    let mut signal = Signal::converted(call, input, if to_half { real } else { complex })?;
    for (&dim, &size) in dims.iter().zip(&shape) {
        signal.fit(dim, size)?;
    }
    let whole = if to_half || from_half { &dims[..dims.len() - 1] } else { &dims[..] };
    if to_half {
        let (&last, &length) = (dims.last().expect("a dimension"), lengths.last().expect("a dimension"));
        signal.transform(last, forward);
        signal.resize(last, length / 2 + 1)?;
        if !forward {
            signal.lie_along(&[last], true);
        }
    }
    whole.iter().for_each(|&dim| signal.transform(dim, forward));
    match to_half && forward {
        true => signal.lie_along(&dims, true),
        false if whole.is_empty() => {}
        false => signal.lie_along(whole, false),
    }
    if from_half {
        if forward {
            signal.conjugate();
            signal.copy()?;
        }
        let last = dims[dims.len() - 1];
        signal.transform_to_real(last, lengths[lengths.len() - 1])?;
        signal.lie_along(&[last], true);
    }
    signal.scale(factor);
    signal.tensor(call, if from_half { real } else { complex }).map(Value::Tensor)
}

/// The dimensions that are transformed, and their sizes: as given, or all.
fn shape_and_dims(call: &Call<'_>, input: &Tensor) -> Result<(Dims, Vec<usize>), Fault> {
    let (shape, dims, sizes) = (call.opt_ints(1)?, call.opt_ints(2)?, input.sizes());
    let rank = sizes.len();
    let wrapped = |dims: Dims| dims.iter().map(|&dim| dim_of(dim, rank)).collect::<Result<Vec<usize>, Fault>>();
    let dims = dims.map(wrapped).transpose()?;
    if let Some(dims) = &dims {
        let mut sorted = dims.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return raised("FFT dims must be unique");
        }
    }
    let (shape, dims): (Dims, Vec<usize>) = match (shape, dims) {
        (Some(shape), dims) => {
            if dims.as_ref().is_some_and(|dims| dims.len() != shape.len()) {
                return raised("When given, dim and shape arguments must have the same length");
            }
            if shape.len() > rank {
                let values = shape.len();
                return raised(format!("Got shape with {values} values but input tensor only has {rank} dimensions."));
            }
            let dims = dims.unwrap_or_else(|| (rank - shape.len()..rank).collect());
            let size = |(&n, &dim): (&i64, &usize)| if n == -1 { sizes[dim] } else { n };
            (shape.iter().zip(&dims).map(size).collect(), dims)
        }
        (None, Some(dims)) => (dims.iter().map(|&dim| sizes[dim]).collect(), dims),
        (None, None) => (sizes.clone(), (0..rank).collect()),
    };
    shape.iter().try_for_each(|&size| check_points(size))?;
    Ok((shape, dims))
}

/// The dimensions that an inner operator names.
fn dims(call: &Call<'_>, input: &Tensor) -> Result<Vec<usize>, Fault> {
    let rank = input.sizes().len();
    call.ints(1)?.iter().map(|&dim| dim_of(dim, rank)).collect()
}

pub(super) fn complex_to_complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, mode, forward) = (call.tensor(0)?, call.int(2)?, call.bool(3)?);
    let mut signal = Signal::of(call, input)?;
    let dims = dims(call, input)?;
    let count = dims.iter().map(|&dim| signal.sizes[dim]).product();
    dims.iter().for_each(|&dim| signal.transform(dim, forward));
    match dims.is_empty() {
        true => signal.copy()?,
        false => signal.lie_along(&dims, false),
    }
    signal.scale(factor_of(mode, count));
    signal.tensor(call, dtypes(input.dtype())?.1).map(Value::Tensor)
}

pub(super) fn real_to_complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, mode, onesided) = (call.tensor(0)?, call.int(2)?, call.bool(3)?);
    let mut signal = Signal::of(call, input)?;
    let dims = dims(call, input)?;
    let count = dims.iter().map(|&dim| signal.sizes[dim]).product();
    dims.iter().for_each(|&dim| signal.transform(dim, true));
    if let Some(&last) = dims.last().filter(|_| onesided) {
        let half = signal.sizes[last] / 2 + 1;
        signal.resize(last, half)?;
    }
    signal.lie_along(&dims, !dims.is_empty());
    signal.scale(factor_of(mode, count));
    signal.tensor(call, dtypes(input.dtype())?.1).map(Value::Tensor)
}

pub(super) fn complex_to_real(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, mode, length) = (call.tensor(0)?, call.int(2)?, call.int(3)?);
    let mut signal = Signal::of(call, input)?;
    let dims = dims(call, input)?;
    check_points(length)?;
    if let Some((&last, others)) = dims.split_last() {
        others.iter().for_each(|&dim| signal.transform(dim, false));
        if !others.is_empty() {
            signal.lie_along(others, false);
        }
        signal.resize(last, length / 2 + 1)?;
        signal.transform_to_real(last, length)?;
        signal.lie_along(&[last], true);
    }
    let count = dims.iter().map(|&dim| signal.sizes[dim]).product();
    signal.scale(factor_of(mode, count));
    signal.tensor(call, dtypes(input.dtype())?.0).map(Value::Tensor)
}

pub(super) fn frequencies(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = call.int(0)?;
    if n < 0 {
        return raised(format!("Trying to create tensor with negative dimension {n}: [{n}]"));
    }
    let _room = call.room::<[i64; 2]>(&[n as usize])?;
    let order: Vec<i64> = (0..(n + 1) / 2).chain(-(n / 2)..0).collect();
    scaled(call, "fftfreq", &order)
}

pub(super) fn real_frequencies(call: &mut Call<'_>) -> Result<Value, Fault> {
    let half = call.int(0)? / 2;
    let _room = call.room::<[i64; 2]>(&[half.max(0) as usize])?;
    let order: Vec<i64> = (0..=half).collect();
    scaled(call, "rfftfreq", &order)
}

/// The frequencies of samples that are `d` apart.
fn scaled(call: &mut Call<'_>, name: &str, order: &[i64]) -> Result<Value, Fault> {
    let (n, d, dtype) = (call.int(0)?, call.float(1)?, call.dtype_or(2, DType::Float32)?);
    if !dtype.is_floating_point() && !dtype.is_complex() {
        return raised(format!("{name} requires a floating point or complex dtype"));
    }
    let factor = 1.0 / (n as f64 * d);
    let tensor = call.zeros(dtype, &[order.len() as i64])?;
    dispatch!(floats dtype, "aten::fft_fftfreq", T => {
        type W<T> = <T as crate::tensor::Float>::Wide;
        let scaled = |&k: &i64| <T as crate::tensor::Float>::narrow(W::<T>::of(k as f64) * W::<T>::of(factor));
        tensor.store(&order.iter().map(scaled).collect::<Vec<T>>())?;
    });
    Ok(Value::Tensor(tensor))
}

/// Moves the zero frequency to the middle, or back.
pub(super) fn shift(call: &mut Call<'_>, more: i64) -> Result<Value, Fault> {
    let (input, given) = (call.tensor(0)?, call.opt_ints(1)?);
    let sizes = input.sizes();
    let dims: Dims = match given {
        Some(dims) => dims.iter().map(|&dim| Ok(dim_of(dim, sizes.len())? as i64)).collect::<Result<_, Fault>>()?,
        None => (0..sizes.len() as i64).collect(),
    };
    let shifts: Dims = dims.iter().map(|&dim| (sizes[dim as usize] + more) / 2).collect();
    let (shifts, dims) = (call.int_list(&shifts), call.int_list(&dims));
    call.run("aten::roll", &[Value::Tensor(input.clone()), shifts, dims])
}
