//! Views that read the same bytes as elements of another dtype, and those that are views of real tensors only.

use super::super::{Call, Fault, Kernel};
use super::layouts;
use super::views::over;
use crate::tensor::{DType, Dims, Layout, Metadata, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::adjoint", |call| adjoint(call, "adjoint()")),
    ("aten::imag", imag),
    ("aten::mH", |call| adjoint(call, "mH")),
    ("aten::mH.a", |call| adjoint(call, "mH")),
    ("aten::matrix_H", matrix_h),
    ("aten::matrix_H.a", matrix_h),
    ("aten::real", real),
    ("aten::view.dtype", view_dtype),
    ("aten::view_as_complex", view_as_complex),
    ("aten::view_as_real", view_as_real),
];

/// A new tensor over the memory of `tensor`, read as another dtype.
fn read_as(call: &mut Call<'_>, tensor: &Tensor, dtype: DType, layout: Layout) -> Value {
    let old = tensor.metadata();
    let requires_grad = old.requires_grad && call.modes.grad;
    let (storage, quantizer) = (old.storage.clone(), None);
    Value::Tensor(Tensor::with(
        call.allocator,
        Metadata { storage, dtype, layout, requires_grad, quantizer, nested: None },
    ))
}

/// The same elements if they have one size; otherwise the last dimension grows or shrinks.
fn view_dtype(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let dtype = call.dtype(1)?;
    let old = tensor.metadata();
    let layout = match (old.dtype.size(), dtype.size()) {
        (from, to) if from == to => old.layout.clone(),
        (from, to) => {
            let names = format!(
                "to view {} as {} (different element sizes)",
                old.dtype.scalar_type_name(),
                dtype.scalar_type_name()
            );
            if old.layout.rank() == 0 {
                return Err(Fault::raised(format!("self.dim() cannot be 0 {names}")));
            }
            if from > to {
                cut_elements(&old.layout, (from / to) as i64, &names)?
            } else {
                join_elements(&old.layout, (to / from) as i64, &names)?
            }
        }
    };
    Ok(read_as(call, tensor, dtype, layout))
}

/// Each element seen as `parts` smaller ones.
fn cut_elements(layout: &Layout, parts: i64, names: &str) -> Result<Layout, Fault> {
    let last = layout.rank() - 1;
    if layout.strides()[last] != 1 {
        let stride = layout.strides()[last];
        return Err(Fault::raised(format!("self.stride(-1) must be 1 {names}, but got {stride}")));
    }
    let times = |values: &[i64]| values.iter().map(|value| value.saturating_mul(parts)).collect::<Dims>();
    let (mut sizes, mut strides) = (Dims::from_slice(layout.sizes()), times(layout.strides()));
    sizes[last] = sizes[last].saturating_mul(parts);
    strides[last] = 1;
    layouts::checked(&sizes, &strides, layout.offset().saturating_mul(parts))
}

/// Every `parts` elements of the last dimension seen as one greater.
fn join_elements(layout: &Layout, parts: i64, names: &str) -> Result<Layout, Fault> {
    let last = layout.rank() - 1;
    let divisible = |what: String, value: i64| match value % parts {
        0 => Ok(value / parts),
        _ => Err(Fault::raised(format!("self.{what} must be divisible by {parts} {names}, but got {value}"))),
    };
    let (mut sizes, mut strides) = (Dims::from_slice(layout.sizes()), Dims::from_slice(layout.strides()));
    sizes[last] = divisible("size(-1)".into(), sizes[last])?;
    let offset = divisible("storage_offset()".into(), layout.offset())?;
    if layout.strides()[last] != 1 {
        let stride = layout.strides()[last];
        return Err(Fault::raised(format!("self.stride(-1) must be 1 {names}, but got {stride}")));
    }
    for dim in 0..last {
        strides[dim] = divisible(format!("stride({dim})"), strides[dim])?;
    }
    layouts::checked(&sizes, &strides, offset)
}

/// The real parts, in place; a real tensor is its own.
fn real(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if !tensor.dtype().is_complex() {
        return Ok(Value::Tensor(tensor.clone()));
    }
    part(call, tensor, 0)
}

/// The imaginary parts, in place.
fn imag(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if !tensor.dtype().is_complex() {
        return Err(Fault::raised("imag is not implemented for tensors with non-complex dtypes."));
    }
    part(call, tensor, 1)
}

fn part(call: &mut Call<'_>, tensor: &Tensor, index: i64) -> Result<Value, Fault> {
    let (dtype, layout) = parts(tensor);
    let layout = layouts::select(&layout, -1, index)?;
    Ok(read_as(call, tensor, dtype, layout))
}

fn view_as_real(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if !tensor.dtype().is_complex() {
        return Err(Fault::raised("view_as_real is only supported for complex tensors"));
    }
    let (dtype, layout) = parts(tensor);
    Ok(read_as(call, tensor, dtype, layout))
}

/// A complex tensor with its two parts as a last dimension.
fn parts(tensor: &Tensor) -> (DType, Layout) {
    let metadata = tensor.metadata();
    let mut sizes = Dims::from_slice(metadata.layout.sizes());
    let mut strides: Dims = metadata.layout.strides().iter().map(|stride| stride.saturating_mul(2)).collect();
    sizes.push(2);
    strides.push(1);
    // Half of the bytes hold each part, so what fitted the storage still fits.
    (metadata.dtype.of_parts(), Layout::strided(&sizes, &strides, metadata.layout.offset() * 2))
}

fn view_as_complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let metadata = tensor.metadata();
    let dtype = match metadata.dtype {
        DType::Float16 => DType::ComplexHalf,
        DType::Float32 => DType::Complex64,
        DType::Float64 => DType::Complex128,
        other => {
            return Err(Fault::raised(format!(
                "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar \
                 type: {}",
                other.scalar_type_name()
            )));
        }
    };
    let (sizes, strides) = (metadata.layout.sizes(), metadata.layout.strides());
    let Some(last) = sizes.len().checked_sub(1) else {
        return Err(Fault::raised("Input tensor must have one or more dimensions"));
    };
    if sizes[last] != 2 {
        return Err(Fault::raised("Tensor must have a last dimension of size 2"));
    }
    if strides[last] != 1 {
        return Err(Fault::raised("Tensor must have a last dimension with stride 1"));
    }
    if strides[..last].iter().any(|stride| stride % 2 != 0) {
        return Err(Fault::raised("Tensor must have a stride divisible by 2 for all but last dimension"));
    }
    if metadata.layout.offset() % 2 != 0 {
        return Err(Fault::raised("Tensor must have a storage_offset divisible by 2"));
    }
    let halves: Dims = strides[..last].iter().map(|stride| stride / 2).collect();
    let layout = layouts::checked(&sizes[..last], &halves, metadata.layout.offset() / 2)?;
    Ok(read_as(call, tensor, dtype, layout))
}

/// The conjugate transpose of the last two dimensions.
fn adjoint(call: &mut Call<'_>, name: &str) -> Result<Value, Fault> {
    let tensor = real_only(call)?;
    match tensor.sizes().len() {
        0 => Ok(Value::Tensor(over(call, tensor, tensor.metadata().layout.clone()))),
        1 => Err(Fault::raised(format!(
            "tensor.{name} is only supported on matrices or batches of matrices. Got 1-D tensor."
        ))),
        _ => {
            let layout = layouts::transpose(&tensor.metadata().layout, -2, -1)?;
            Ok(Value::Tensor(over(call, tensor, layout)))
        }
    }
}

fn matrix_h(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rank = call.tensor(0)?.sizes().len();
    if rank == 0 || rank == 2 {
        return adjoint(call, "H");
    }
    let batches = if rank > 2 { " For batches of matrices, consider using tensor.mH" } else { "" };
    Err(Fault::raised(format!("tensor.H is only supported on matrices (2-D tensors). Got {rank}-D tensor.{batches}")))
}

/// The first argument, if it is its own conjugate: we have no tensors that are conjugated only when they are read.
fn real_only<'a>(call: &Call<'a>) -> Result<&'a Tensor, Fault> {
    let tensor = call.tensor(0)?;
    match tensor.dtype().is_complex() {
        true => Err(Fault::Unsupported(format!("{} of a complex tensor", call.name()))),
        false => Ok(tensor),
    }
}
