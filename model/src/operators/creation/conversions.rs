//! `to` and its kin: the same tensor if it already is what is wanted, or else a copy.
//!
//! Whether a call copies is decided in one place, for the kernel and for what is known about it beforehand.

use super::super::{Call, Correction, Fault, Kernel, Operator, When};
use super::copies::copy_as;
use super::formats::Format;
use crate::operators::corrections::Row;
use crate::tensor::{DType, Layout, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::to.device", convert),
    ("aten::to.dtype", convert),
    ("aten::to.dtype_layout", convert),
    ("aten::to.other", convert),
    ("aten::to.prim_Device", convert),
    ("aten::to.prim_dtype", convert),
    ("aten::to.prim_other", convert),
    ("aten::type_as", convert),
    ("aten::as_tensor", convert),
    ("aten::to_dense", convert),
    ("aten::contiguous", convert),
    ("aten::cpu", convert),
    ("aten::cuda", convert),
    ("aten::_cast_Byte", convert),
    ("aten::_cast_Char", convert),
    ("aten::_cast_Double", convert),
    ("aten::_cast_Float", convert),
    ("aten::_cast_Half", convert),
    ("aten::_cast_Int", convert),
    ("aten::_cast_Long", convert),
    ("aten::_cast_Short", convert),
    ("aten::resolve_conj", itself),
    ("aten::resolve_neg", itself),
    ("aten::detach", view),
    ("aten::detach_", itself),
    ("aten::alias", view),
    ("aten::lift_fresh", itself),
];

/// The schema promises the same memory, but a call may have to copy.
const COPIES: &[Correction] = &[Correction::CopiesWhen(When::Arguments(copies))];

/// The schema promises a copy, but a call may hand the tensor through.
const ALIASES: &[Correction] = &[Correction::AliasesWhen(When::Arguments(aliases))];

pub(super) const CORRECTIONS: &[Row] = &[
    ("aten::to.device", COPIES),
    ("aten::to.dtype", COPIES),
    ("aten::to.dtype_layout", COPIES),
    ("aten::to.other", COPIES),
    ("aten::to.prim_Device", COPIES),
    ("aten::to.prim_dtype", COPIES),
    ("aten::to.prim_other", COPIES),
    ("aten::type_as", ALIASES),
    ("aten::as_tensor", COPIES),
    ("aten::to_dense", ALIASES),
    ("aten::contiguous", COPIES),
    ("aten::_cast_Byte", ALIASES),
    ("aten::_cast_Char", ALIASES),
    ("aten::_cast_Double", ALIASES),
    ("aten::_cast_Float", ALIASES),
    ("aten::_cast_Half", ALIASES),
    ("aten::_cast_Int", ALIASES),
    ("aten::_cast_Long", ALIASES),
    ("aten::_cast_Short", ALIASES),
];

/// What a conversion makes, if the tensor is not that already.
fn wanted(operator: &Operator, args: &[Value]) -> Result<Option<(DType, Layout)>> {
    let Some(Value::Tensor(tensor)) = args.first() else { return Ok(None) };
    let metadata = tensor.metadata();
    let given = |name: &str| {
        operator.schema.argument(name).and_then(|i| args.get(i)).filter(|value| !matches!(value, Value::None))
    };
    if let Some(Value::Device(device)) = given("device") {
        check_device(device)?;
    }
    let dtype = match (given("dtype"), given("other"), cast(operator.name)) {
        (Some(Value::Int(code)), ..) => {
            DType::from_code(*code).ok_or_else(|| Fault::unsupported(format!("the dtype {code}")))?
        }
        (_, Some(Value::Tensor(other)), _) => other.dtype(),
        (_, _, Some(dtype)) => dtype,
        _ => metadata.dtype,
    };
    let format = match given("memory_format") {
        Some(Value::Int(code)) => Format::from_code(*code)?,
        _ => Format::Preserve,
    };
    let copy = matches!(given("copy"), Some(Value::Bool(true)));
    if !copy && dtype == metadata.dtype && format.holds(&metadata.layout) {
        return Ok(None);
    }
    Ok(Some((dtype, format.layout(&metadata.layout)?)))
}

/// The dtype in the name of a cast.
fn cast(name: &str) -> Option<DType> {
    Some(match name {
        "aten::_cast_Byte" => DType::UInt8,
        "aten::_cast_Char" => DType::Int8,
        "aten::_cast_Double" => DType::Float64,
        "aten::_cast_Float" => DType::Float32,
        "aten::_cast_Half" => DType::Float16,
        "aten::_cast_Int" => DType::Int32,
        "aten::_cast_Long" => DType::Int64,
        "aten::_cast_Short" => DType::Int16,
        _ => return None,
    })
}

/// There is only one device, and the tensors of all others live there: a network that was saved on a GPU names it in its
/// code. But what is on none has no elements.
pub(super) fn check_device(device: &str) -> Result<()> {
    match device.split(':').next() {
        Some("meta") => Err(Fault::unsupported(format!("the device {device}"))),
        _ => Ok(()),
    }
}

fn copies(operator: &Operator, args: &[Value]) -> bool {
    matches!(wanted(operator, args), Ok(Some(_)))
}

fn aliases(operator: &Operator, args: &[Value]) -> bool {
    matches!(wanted(operator, args), Ok(None))
}

fn convert(call: &mut Call<'_>) -> Result {
    match wanted(call.operator, call.args)? {
        None => Ok(call.value(0).clone()),
        Some((dtype, layout)) => Ok(Value::Tensor(copy_as(call, call.tensor(0)?, dtype, layout)?)),
    }
}

fn itself(call: &mut Call<'_>) -> Result {
    Ok(call.value(0).clone())
}

/// Another tensor over the same elements, which no gradient flows through.
fn view(call: &mut Call<'_>) -> Result {
    let metadata = (*call.tensor(0)?.metadata()).clone();
    let requires_grad = metadata.requires_grad && call.operator.name != "aten::detach";
    let metadata = crate::tensor::Metadata { requires_grad, ..metadata };
    Ok(Value::Tensor(Tensor::with(call.allocator, metadata)))
}
