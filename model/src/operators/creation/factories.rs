//! Tensors from nothing: zeros, ones, full, empty, eye; by sizes, like another tensor, from one (`new_zeros`).
//!
//! What PyTorch leaves uninitialised is zero here, so that a program does the same in every run.

use super::super::{Call, Correction, Fault, Kernel};
use super::conversions::check_device;
use super::copies::fill;
use super::formats::Format;
use crate::operators::corrections::Row;
use crate::tensor::{DType, Dims, Layout, Scalar, Storage, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::empty.memory_format", |call| by_sizes(call, Some(Scalar::Int(0)), 0)),
    ("aten::empty.out", |call| by_sizes(call, Some(Scalar::Int(0)), 0)),
    ("aten::zeros", |call| by_sizes(call, Some(Scalar::Int(0)), 0)),
    ("aten::zeros.out", |call| by_sizes(call, Some(Scalar::Int(0)), 0)),
    ("aten::ones", |call| by_sizes(call, Some(Scalar::Int(1)), 0)),
    ("aten::ones.out", |call| by_sizes(call, Some(Scalar::Int(1)), 0)),
    ("aten::full", |call| by_sizes(call, None, 0)),
    ("aten::full.out", |call| by_sizes(call, None, 0)),
    ("aten::new_empty", |call| by_sizes(call, Some(Scalar::Int(0)), 1)),
    ("aten::new_empty.out", |call| by_sizes(call, Some(Scalar::Int(0)), 1)),
    ("aten::new_zeros", |call| by_sizes(call, Some(Scalar::Int(0)), 1)),
    ("aten::new_ones", |call| by_sizes(call, Some(Scalar::Int(1)), 1)),
    ("aten::new_full", |call| by_sizes(call, None, 1)),
    ("aten::empty_like", |call| like(call, Some(Scalar::Int(0)))),
    ("aten::empty_like.out", |call| like(call, Some(Scalar::Int(0)))),
    ("aten::zeros_like", |call| like(call, Some(Scalar::Int(0)))),
    ("aten::ones_like", |call| like(call, Some(Scalar::Int(1)))),
    ("aten::full_like", |call| like(call, None)),
    ("aten::empty_strided", |call| strided(call, 0)),
    ("aten::new_empty_strided", |call| strided(call, 1)),
    ("aten::scalar_tensor", scalar_tensor),
    ("aten::eye", eye),
    ("aten::eye.m", eye),
    ("aten::eye.out", eye),
    ("aten::eye.m_out", eye),
];

const SHAPE_ONLY: &[Correction] = &[Correction::ShapeOnly];

pub(super) const CORRECTIONS: &[Row] = &[
    ("aten::new_empty", SHAPE_ONLY),
    ("aten::new_empty.out", SHAPE_ONLY),
    ("aten::new_zeros", SHAPE_ONLY),
    ("aten::new_zeros.out", SHAPE_ONLY),
    ("aten::new_ones", SHAPE_ONLY),
    ("aten::new_ones.out", SHAPE_ONLY),
    ("aten::new_full", SHAPE_ONLY),
    ("aten::new_full.out", SHAPE_ONLY),
    ("aten::empty_like", SHAPE_ONLY),
    ("aten::empty_like.out", SHAPE_ONLY),
    ("aten::zeros_like", SHAPE_ONLY),
    ("aten::zeros_like.out", SHAPE_ONLY),
    ("aten::ones_like", SHAPE_ONLY),
    ("aten::ones_like.out", SHAPE_ONLY),
    ("aten::full_like", SHAPE_ONLY),
    ("aten::full_like.out", SHAPE_ONLY),
    ("aten::new_empty_strided", SHAPE_ONLY),
];

/// The dtype that a call asks for: by argument, or that of `out`, or else `default`.
pub(super) fn dtype_of(call: &Call<'_>, default: DType) -> Result<DType> {
    if let Some(i) = call.position("device")
        && let Value::Device(device) = call.value(i)
    {
        check_device(device)?;
    }
    if let Some(i) = call.position("layout")
        && call.opt_int(i)?.is_some_and(|layout| layout != 0)
    {
        return Err(Fault::unsupported("tensors that are not strided"));
    }
    if let Some(target) = call.destination()?.target() {
        return Ok(target.dtype());
    }
    call.position("dtype").map_or(Ok(default), |i| call.dtype_or(i, default))
}

/// A new tensor that is filled with a number.
pub(super) fn make(call: &mut Call<'_>, layout: Layout, dtype: DType, number: Scalar) -> Result {
    let storage = Storage::for_layout(call.allocator, &layout, dtype)?;
    let tensor = Tensor::new(call.allocator, storage, dtype, layout);
    if number == Scalar::Int(0) {
        return call.deliver(tensor);
    }
    number.check_fits(dtype)?;
    fill(&tensor, number)?;
    call.deliver(tensor)
}

/// Sizes of a new tensor, all sane.
pub(super) fn check_sizes(sizes: &[i64]) -> Result<()> {
    if let Some(negative) = sizes.iter().find(|&&size| size < 0) {
        let text = format!("Trying to create tensor with negative dimension {negative}: {sizes:?}");
        return Err(Fault::raised(text));
    }
    match Layout::count(sizes) {
        Some(_) => Ok(()),
        None => Err(Fault::raised(format!("Storage size calculation overflowed with sizes={sizes:?}"))),
    }
}

/// Sizes in argument `i`, then the number to fill with if it is not known. A tensor before gives its dtype.
fn by_sizes(call: &mut Call<'_>, number: Option<Scalar>, i: usize) -> Result {
    let sizes = call.ints(i)?;
    let number = number.map_or_else(|| call.scalar(i + 1), Ok)?;
    let default = match (i, call.operator.name) {
        (1, _) => call.tensor(0)?.dtype(),
        (_, "aten::full") => number.dtype(),
        _ => DType::Float32,
    };
    let dtype = dtype_of(call, default)?;
    check_sizes(&sizes)?;
    let format = call.position("memory_format").map_or(Ok(None), |i| call.opt_int(i))?;
    let layout = match Format::from_code(format.unwrap_or(0))? {
        Format::Preserve => Layout::contiguous(&sizes),
        format => format.layout(&Layout::contiguous(&sizes))?,
    };
    make(call, layout, dtype, number)
}

fn like(call: &mut Call<'_>, number: Option<Scalar>) -> Result {
    let other = call.tensor(0)?.metadata();
    let number = number.map_or_else(|| call.scalar(1), Ok)?;
    let dtype = dtype_of(call, other.dtype)?;
    let format = call.position("memory_format").map_or(Ok(None), |i| call.opt_int(i))?;
    let layout = Format::from_code(format.unwrap_or(1))?.layout(&other.layout)?;
    make(call, layout, dtype, number)
}

fn strided(call: &mut Call<'_>, i: usize) -> Result {
    let (sizes, strides) = (call.ints(i)?, call.ints(i + 1)?);
    let default = if i == 1 { call.tensor(0)?.dtype() } else { DType::Float32 };
    let dtype = dtype_of(call, default)?;
    check_sizes(&sizes)?;
    if sizes.len() != strides.len() {
        let (a, b) = (sizes.len(), strides.len());
        let text = format!("dimensionality of sizes ({a}) must match dimensionality of strides ({b})");
        return Err(Fault::raised(text));
    }
    if strides.iter().any(|&stride| stride < 0) {
        let text = format!("Tensor: strides must be non-negative, got strides {strides:?}");
        return Err(Fault::raised(text));
    }
    let layout = Layout::strided(&sizes, &strides, 0);
    if layout.end().is_none() {
        return Err(Fault::raised(format!("Storage size calculation overflowed with sizes={sizes:?}")));
    }
    make(call, layout, dtype, Scalar::Int(0))
}

fn scalar_tensor(call: &mut Call<'_>) -> Result {
    let number = call.scalar(0)?;
    let dtype = dtype_of(call, DType::Float32)?;
    make(call, Layout::contiguous(&[]), dtype, number)
}

fn eye(call: &mut Call<'_>) -> Result {
    let n = call.int(0)?;
    let m = call.position("m").map_or(Ok(n), |i| call.int(i))?;
    let dtype = dtype_of(call, DType::Float32)?;
    for (name, size) in [("n", n), ("m", m)] {
        if size < 0 {
            return Err(Fault::raised(format!("{name} must be greater or equal to 0, got {size}")));
        }
    }
    let sizes = Dims::from_slice(&[n, m]);
    check_sizes(&sizes)?;
    let layout = Layout::contiguous(&sizes);
    let storage = Storage::for_layout(call.allocator, &layout, dtype)?;
    let diagonal = Layout::strided(&[n.min(m)], &[m + 1], 0);
    fill(&Tensor::new(call.allocator, storage.clone(), dtype, diagonal), Scalar::Int(1))?;
    let eye = Tensor::new(call.allocator, storage, dtype, layout);
    call.deliver(eye)
}
