//! Operators that replace a tensor's metadata: its sizes, its memory, whether it wants gradients.

use super::super::{Call, Correction, Fault, Kernel, Operator, When};
use super::layouts;
use super::reshaping;
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{Content, Dims, Layout, Storage, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::requires_grad_", requires_grad),
    ("aten::resize_", |call| resize(call, |call| call.ints(1))),
    ("aten::resize_as_", |call| resize(call, |call| Ok(call.tensor(1)?.sizes()))),
    ("aten::set_", set_empty),
    ("aten::set_.source_Tensor", set_tensor),
    ("aten::set_.source_Tensor_storage_offset", set_strided),
    ("aten::set_data", set_data),
];

/// What the schemas do not say: that metadata is all that is written, and all that is read of the other tensor.
/// `resize_` writes zeros where the memory grows; when it does not, saying that it reads is on the safe side.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::requires_grad_", WRITES_SHAPE),
    ("aten::resize_", RESIZES),
    ("aten::resize_as_", RESIZES),
    ("aten::set_", WRITES_SHAPE),
    ("aten::set_.source_Tensor", REBINDS),
    ("aten::set_.source_Tensor_storage_offset", REBINDS),
    ("aten::set_data", REBINDS),
];

/// Only the metadata of `self` are written, and only those of others are read.
pub(super) const WRITES_SHAPE: &[Correction] = &[Correction::WritesShape(&["self"]), Correction::ShapeOnly];

const REBINDS: &[Correction] = &[Correction::WritesShape(&["self"]), Correction::ShapeOnly, Correction::Rebinds];

const RESIZES: &[Correction] =
    &[Correction::Writes(&["self"], When::Arguments(grows)), Correction::WritesShape(&["self"]), Correction::ShapeOnly];

fn requires_grad(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let wanted = call.bool(1)?;
    let dtype = tensor.dtype();
    if wanted && !dtype.is_floating_point() && !dtype.is_complex() {
        return Err(Fault::raised("only Tensors of floating point dtype can require gradients"));
    }
    tensor.slot().update(|metadata| metadata.requires_grad = wanted);
    Ok(Value::Tensor(tensor.clone()))
}

fn resize(call: &mut Call<'_>, sizes: fn(&Call<'_>) -> Result<Dims, Fault>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = sizes(call)?;
    if !matches!(call.opt_int(2)?, None | Some(0 | 1)) {
        return Err(Fault::Unsupported(format!("{} with a memory format", call.name())));
    }
    // Equal sizes change nothing, not even strides.
    if tensor.sizes() != sizes {
        layouts::checked(&sizes, &contiguous_strides(&sizes), 0)?;
        tensor.resize(&sizes)?;
    }
    Ok(Value::Tensor(tensor.clone()))
}

/// Bytes of storage that a layout needs; `None` if they cannot be counted.
fn bytes_needed(layout: &Layout, item: usize) -> Option<u64> {
    match layout.numel() {
        0 => Some(0),
        _ => layout.end().and_then(|end| end.checked_mul(item as i64)).map(|bytes| bytes as u64),
    }
}

/// Whether `resize_` or `resize_as_` has to grow the memory.
fn grows(_: &Operator, args: &[Value]) -> bool {
    let Value::Tensor(tensor) = &args[0] else { return false };
    let sizes: Dims = match &args[1] {
        Value::Tensor(template) => template.sizes(),
        Value::List(list) => {
            let int = |value: &Value| if let Value::Int(value) = value { *value } else { -1 };
            list.content().items.iter().map(int).collect()
        }
        _ => return false,
    };
    let metadata = tensor.metadata();
    if metadata.layout.sizes() == &sizes[..] {
        return false;
    }
    let Ok(layout) = layouts::checked(&sizes, &contiguous_strides(&sizes), metadata.layout.offset()) else {
        return false;
    };
    let len = metadata.storage.slot().lock().len() as u64;
    bytes_needed(&layout, metadata.dtype.size()).is_none_or(|needed| needed > len)
}

/// Takes over the memory of `source` with this layout.
fn set(call: &Call<'_>, storage: Storage, layout: Layout) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    tensor.slot().update(|metadata| {
        metadata.storage = storage;
        metadata.layout = layout;
    });
    Ok(Value::Tensor(tensor.clone()))
}

fn set_empty(call: &mut Call<'_>) -> Result<Value, Fault> {
    let empty = Content::zeroed(0, call.allocator.memory())?;
    let storage = Storage::new(call.allocator, empty);
    set(call, storage, Layout::contiguous(&[0]))
}

/// The tensor whose memory is taken over: of the same dtype.
fn source<'a>(call: &Call<'a>) -> Result<&'a Tensor, Fault> {
    let source = call.tensor(1)?;
    let (old, new) = (call.tensor(0)?.dtype(), source.dtype());
    match old == new {
        true => Ok(source),
        false => Err(Fault::raised(format!(
            "Could not set tensor of type {} to a tensor of type {}",
            new.c_name(),
            old.c_name()
        ))),
    }
}

fn set_tensor(call: &mut Call<'_>) -> Result<Value, Fault> {
    let metadata = source(call)?.metadata();
    set(call, metadata.storage.clone(), metadata.layout.clone())
}

fn set_strided(call: &mut Call<'_>) -> Result<Value, Fault> {
    let metadata = source(call)?.metadata();
    let (sizes, mut strides) = (call.ints(3)?, call.ints(4)?);
    if strides.is_empty() {
        strides = contiguous_strides(&sizes);
    }
    if sizes.len() != strides.len() {
        return Err(Fault::raised(format!(
            "unequal size length ({}) and stride length ({})",
            sizes.len(),
            strides.len()
        )));
    }
    let len = metadata.storage.slot().lock().len();
    // PyTorch would grow the memory of the source.
    let layout = reshaping::as_strided(&sizes, &strides, call.int(2)?, metadata.dtype.size(), len).map_err(
        |fault| match fault {
            Fault::Raised { message, .. } if message.starts_with("setStorage") => {
                Fault::Unsupported("aten::set_ beyond the end of a storage".into())
            }
            fault => fault,
        },
    )?;
    set(call, metadata.storage.clone(), layout)
}

/// `x.data = y`: everything of `y` but whether gradients are wanted.
fn set_data(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, new) = (call.tensor(0)?, call.tensor(1)?.metadata());
    tensor.slot().update(|metadata| {
        metadata.storage = new.storage.clone();
        metadata.dtype = new.dtype;
        metadata.layout = new.layout.clone();
    });
    Ok(Value::None)
}
