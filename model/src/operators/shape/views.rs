//! Operators that show a tensor's elements through another layout, and what is made from each of them: the view
//! itself, its copy (`select_copy`), and the same done to the tensor in place (`transpose_`).

use super::super::index::elements;
use super::super::quantized::viewed;
use super::super::{Call, Correction, Fault, Kernel, When};
use super::in_place::WRITES_SHAPE;
use super::layouts;
use super::lists::ALIASES;
use super::reshaping;
use crate::tensor::{Dims, Layout, Metadata, Tensor};
use crate::value::Value;

/// What a view does to the layout of its first argument, by the others.
type Change = fn(&Call<'_>, &Layout) -> Result<Layout, Fault>;

/// The sizes that a reshape wants, by its arguments. Both the kernel and its correction ask.
type Wanted = fn(&[Value], &Layout) -> Result<Dims, Fault>;

/// A kernel that makes a view, a copy of a view, or changes a tensor in place.
macro_rules! kernel {
    ($kind:ident $change:expr) => {
        |call| $kind(call, $change)
    };
}

/// Views and their copies.
pub(super) const VIEWS: &[(&str, Kernel)] = &[
    ("aten::_reshape_alias", kernel!(view as_strided)),
    ("aten::_reshape_alias_copy", kernel!(copy as_strided)),
    ("aten::_unsafe_view", kernel!(view view_sizes)),
    ("aten::as_strided", kernel!(view as_strided)),
    ("aten::as_strided_copy", kernel!(copy as_strided)),
    ("aten::broadcast_to", kernel!(view expand)),
    ("aten::data", kernel!(view same)),
    ("aten::diagonal", kernel!(view diagonal)),
    ("aten::diagonal_copy", kernel!(copy diagonal)),
    ("aten::expand", kernel!(view expand)),
    ("aten::expand_as", kernel!(view expand_as)),
    ("aten::expand_copy", kernel!(copy expand)),
    ("aten::linalg_diagonal", kernel!(view diagonal)),
    ("aten::mT", kernel!(view matrix_transpose)),
    ("aten::mT.a", kernel!(view matrix_transpose)),
    ("aten::moveaxis.int", kernel!(view movedim_int)),
    ("aten::moveaxis.intlist", kernel!(view movedim)),
    ("aten::movedim.int", kernel!(view movedim_int)),
    ("aten::movedim.intlist", kernel!(view movedim)),
    ("aten::narrow", kernel!(view narrow)),
    ("aten::narrow.Tensor", kernel!(view narrow_tensor)),
    ("aten::narrow_copy", kernel!(copy narrow)),
    ("aten::numpy_T", kernel!(view reversed)),
    ("aten::numpy_T.a", kernel!(view reversed)),
    ("aten::permute", kernel!(view permute)),
    ("aten::permute_copy", kernel!(copy permute)),
    ("aten::select.int", kernel!(view select)),
    ("aten::select_copy.int", kernel!(copy select)),
    ("aten::slice.Tensor", kernel!(view slice)),
    ("aten::slice_copy.Tensor", kernel!(copy slice)),
    ("aten::squeeze", kernel!(view squeeze)),
    ("aten::squeeze.dim", kernel!(view squeeze_dim)),
    ("aten::squeeze.dims", kernel!(view squeeze_dims)),
    ("aten::squeeze_copy", kernel!(copy squeeze)),
    ("aten::squeeze_copy.dim", kernel!(copy squeeze_dim)),
    ("aten::squeeze_copy.dims", kernel!(copy squeeze_dims)),
    ("aten::swapaxes", kernel!(view transpose)),
    ("aten::swapdims", kernel!(view transpose)),
    ("aten::t", kernel!(view t)),
    ("aten::t_copy", kernel!(copy t)),
    ("aten::transpose.int", kernel!(view transpose)),
    ("aten::transpose_copy.int", kernel!(copy transpose)),
    ("aten::unfold", kernel!(view unfold)),
    ("aten::unfold_copy", kernel!(copy unfold)),
    ("aten::unsqueeze", kernel!(view unsqueeze)),
    ("aten::unsqueeze_copy", kernel!(copy unsqueeze)),
    ("aten::view", kernel!(view view_sizes)),
    ("aten::view_as", kernel!(view view_as)),
    ("prim::data", kernel!(view same)),
];

/// Views that become copies when no strides can show the wanted sizes.
pub(super) const RESHAPES: &[(&str, Kernel)] = &[
    ("aten::_reshape_copy", reshape_copy),
    ("aten::flatten.using_ints", |call| reshape(call, flattened)),
    ("aten::ravel", ravel),
    ("aten::reshape", |call| reshape(call, sized)),
    ("aten::reshape_as", |call| reshape(call, sized_as)),
    ("aten::unflatten.int", |call| reshape(call, unflattened)),
    ("aten::view_copy", reshape_copy),
];

/// What the schemas do not say. When a reshape copies is the kernel's own decision.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_unsafe_view", ALIASES),
    ("aten::as_strided_", WRITES_SHAPE),
    ("aten::data", ALIASES),
    ("aten::expand_as", OTHER_UNREAD),
    ("aten::flatten.using_ints", &[Correction::CopiesWhen(When::Arguments(|_, args| copies(args, flattened)))]),
    ("aten::ravel", &[Correction::CopiesWhen(When::Arguments(|_, args| !is_contiguous(&args[0])))]),
    ("aten::reshape", &[Correction::CopiesWhen(When::Arguments(|_, args| copies(args, sized)))]),
    (
        "aten::reshape_as",
        &[Correction::CopiesWhen(When::Arguments(|_, args| copies(args, sized_as))), Correction::Unread(&["other"])],
    ),
    ("aten::squeeze_", WRITES_SHAPE),
    ("aten::squeeze_.dim", WRITES_SHAPE),
    ("aten::squeeze_.dims", WRITES_SHAPE),
    ("aten::swapaxes_", WRITES_SHAPE),
    ("aten::swapdims_", WRITES_SHAPE),
    ("aten::t_", WRITES_SHAPE),
    ("aten::transpose_", WRITES_SHAPE),
    ("aten::unflatten.int", &[Correction::CopiesWhen(When::Arguments(|_, args| copies(args, unflattened)))]),
    ("aten::unsqueeze_", WRITES_SHAPE),
    ("aten::view_as", OTHER_UNREAD),
];

const OTHER_UNREAD: &[Correction] = &[Correction::Unread(&["other"])];

/// Changes of a tensor's metadata in place.
pub(super) const IN_PLACE: &[(&str, Kernel)] = &[
    ("aten::as_strided_", kernel!(in_place as_strided)),
    ("aten::squeeze_", kernel!(in_place squeeze)),
    ("aten::squeeze_.dim", kernel!(in_place squeeze_dim)),
    ("aten::squeeze_.dims", kernel!(in_place squeeze_dims)),
    ("aten::swapaxes_", kernel!(in_place transpose)),
    ("aten::swapdims_", kernel!(in_place transpose)),
    ("aten::t_", kernel!(in_place | _, layout | layouts::t(layout, "t_"))),
    ("aten::transpose_", kernel!(in_place transpose)),
    ("aten::unsqueeze_", kernel!(in_place unsqueeze)),
];

/// A new tensor over the memory of `tensor`, with another layout.
pub(in crate::operators) fn over(call: &mut Call<'_>, tensor: &Tensor, layout: Layout) -> Tensor {
    let old = tensor.metadata();
    let requires_grad = old.requires_grad && call.modes.grad;
    let (storage, quantizer) = (old.storage.clone(), old.quantizer.clone());
    Tensor::with(call.allocator, Metadata { storage, dtype: old.dtype, layout, requires_grad, quantizer, nested: None })
}

/// The first argument, with its layout changed.
fn changed(call: &mut Call<'_>, change: Change) -> Result<Tensor, Fault> {
    let tensor = call.tensor(0)?;
    let old = tensor.metadata();
    let layout = change(call, &old.layout)?;
    let quantizer = old.quantizer.as_ref().map(|quantizer| viewed(call, quantizer, &old.layout)).transpose()?;
    Ok(over(call, tensor, layout).quantized(quantizer))
}

fn view(call: &mut Call<'_>, change: Change) -> Result<Value, Fault> {
    Ok(Value::Tensor(changed(call, change)?))
}

fn copy(call: &mut Call<'_>, change: Change) -> Result<Value, Fault> {
    let viewed = changed(call, change)?;
    Ok(Value::Tensor(elements::contiguous(call.allocator, &viewed)?))
}

fn in_place(call: &mut Call<'_>, change: Change) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let layout = change(call, &tensor.metadata().layout)?;
    tensor.slot().update(|metadata| metadata.layout = layout);
    Ok(Value::Tensor(tensor.clone()))
}

/// A view with the sizes that `wanted` says, or a copy if no strides can show them.
fn reshape(call: &mut Call<'_>, wanted: Wanted) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = wanted(call.args, &tensor.metadata().layout)?;
    Ok(Value::Tensor(reshaped(call, tensor, &sizes)?))
}

/// A copy with other sizes.
fn reshape_copy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = sized(call.args, &tensor.metadata().layout)?;
    let copy = elements::contiguous(call.allocator, tensor)?;
    copy.resize(&sizes)?;
    Ok(Value::Tensor(copy))
}

/// Whether [`reshape`] has to copy.
fn copies(args: &[Value], wanted: Wanted) -> bool {
    let Value::Tensor(tensor) = &args[0] else { return false };
    let layout = &tensor.metadata().layout;
    wanted(args, layout).is_ok_and(|sizes| reshaping::view(layout, &sizes).is_none())
}

/// `tensor` with other sizes of equal count: a view, or a copy if no strides can show them.
pub(in crate::operators) fn reshaped(call: &mut Call<'_>, tensor: &Tensor, sizes: &[i64]) -> Result<Tensor, Fault> {
    match reshaping::view(&tensor.metadata().layout, sizes) {
        Some(layout) => Ok(over(call, tensor, layout)),
        None => {
            let copied = elements::contiguous(call.allocator, tensor)?;
            copied.resize(sizes)?;
            Ok(copied)
        }
    }
}

fn as_strided(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    let metadata = call.tensor(0)?.metadata();
    // `_reshape_alias` has no offset.
    let offset = if call.given(3) { call.int(3)? } else { layout.offset() };
    let len = metadata.storage.slot().lock().len();
    reshaping::as_strided(&call.ints(1)?, &call.ints(2)?, offset, metadata.dtype.size(), len)
}

fn diagonal(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::diagonal(layout, call.int(1)?, call.int(2)?, call.int(3)?)
}

fn expand(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::expand(layout, &call.ints(1)?, call.tensor(0)?.dtype())
}

fn expand_as(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::expand(layout, &call.tensor(1)?.sizes(), call.tensor(0)?.dtype())
}

fn matrix_transpose(_: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    match layout.rank() {
        0 => Ok(layout.clone()),
        1 => Err(Fault::raised("tensor.mT is only supported on matrices or batches of matrices. Got 1-D tensor.")),
        _ => layouts::transpose(layout, -2, -1),
    }
}

fn movedim(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::movedim(layout, &call.ints(1)?, &call.ints(2)?)
}

fn movedim_int(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::movedim(layout, &[call.int(1)?], &[call.int(2)?])
}

fn narrow(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::narrow(layout, call.int(1)?, call.int(2)?, call.int(3)?)
}

fn narrow_tensor(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    let start = call.tensor(2)?;
    if !start.sizes().is_empty() || !start.dtype().is_integral() {
        return Err(Fault::raised("start must be an 0-dim integral Tensor."));
    }
    layouts::narrow(layout, call.int(1)?, start.item()?.to_i64(), call.int(3)?)
}

fn permute(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::permute(layout, &call.ints(1)?)
}

fn reversed(_: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    let dims: Dims = (0..layout.rank() as i64).rev().collect();
    layouts::permute(layout, &dims)
}

fn same(_: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    Ok(layout.clone())
}

fn select(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::select(layout, call.int(1)?, call.int(2)?)
}

fn slice(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::slice(layout, call.int(1)?, call.opt_int(2)?, call.opt_int(3)?, call.int(4)?)
}

fn squeeze(_: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::squeeze(layout, None)
}

fn squeeze_dim(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::squeeze(layout, Some(&[call.int(1)?]))
}

fn squeeze_dims(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::squeeze(layout, Some(&call.ints(1)?))
}

fn t(_: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::t(layout, "t")
}

fn transpose(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::transpose(layout, call.int(1)?, call.int(2)?)
}

fn unfold(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::unfold(layout, call.int(1)?, call.int(2)?, call.int(3)?)
}

fn unsqueeze(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    layouts::unsqueeze(layout, call.int(1)?)
}

fn view_sizes(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    reshaping::strict_view(layout, &call.ints(1)?)
}

fn view_as(call: &Call<'_>, layout: &Layout) -> Result<Layout, Fault> {
    reshaping::strict_view(layout, &call.tensor(1)?.sizes())
}

fn sized(args: &[Value], layout: &Layout) -> Result<Dims, Fault> {
    reshaping::infer_size(&ints(&args[1])?, layout.numel())
}

fn sized_as(args: &[Value], layout: &Layout) -> Result<Dims, Fault> {
    let Value::Tensor(other) = &args[1] else { return Err(not_sizes(&args[1])) };
    reshaping::infer_size(&other.sizes(), layout.numel())
}

/// The elements as one dimension; unlike a reshape it copies whenever they are not contiguous.
fn ravel(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let row = if is_contiguous(call.value(0)) { tensor.clone() } else { elements::contiguous(call.allocator, tensor)? };
    Ok(Value::Tensor(reshaped(call, &row, &[tensor.numel()])?))
}

fn is_contiguous(value: &Value) -> bool {
    matches!(value, Value::Tensor(tensor) if tensor.metadata().layout.is_contiguous())
}

fn flattened(args: &[Value], layout: &Layout) -> Result<Dims, Fault> {
    reshaping::flat_sizes(layout, int(&args[1])?, int(&args[2])?)
}

fn unflattened(args: &[Value], layout: &Layout) -> Result<Dims, Fault> {
    reshaping::unflat_sizes(layout, int(&args[1])?, &ints(&args[2])?)
}

fn int(value: &Value) -> Result<i64, Fault> {
    match value {
        Value::Int(value) => Ok(*value),
        _ => Err(not_sizes(value)),
    }
}

fn ints(value: &Value) -> Result<Dims, Fault> {
    match value {
        Value::List(list) => list.content().items.iter().map(int).collect(),
        _ => Err(not_sizes(value)),
    }
}

fn not_sizes(value: &Value) -> Fault {
    Fault::Unsupported(format!("expected sizes, found {value:?}"))
}
