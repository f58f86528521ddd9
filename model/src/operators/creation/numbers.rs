//! Numbers and lists become tensors, and tensors numbers.

use num_complex::Complex64;

use super::super::{Call, Correction, Fault, Kernel};
use super::factories::{check_sizes, dtype_of, make};
use crate::operators::corrections::Row;
use crate::tensor::promote::{result_type, result_type_number};
use crate::tensor::{DType, Dims, Layout, Scalar, Tensor, dispatch};
use crate::types::Type;
use crate::value::{List, Value};

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::tensor", tensor_of_list),
    ("aten::tensor.bool", tensor_of_number),
    ("aten::tensor.int", tensor_of_number),
    ("aten::tensor.float", tensor_of_number),
    ("aten::tensor.complex", tensor_of_number),
    ("aten::as_tensor.list", tensor_of_list),
    ("aten::as_tensor.bool", tensor_of_number),
    ("aten::as_tensor.int", tensor_of_number),
    ("aten::as_tensor.float", tensor_of_number),
    ("aten::as_tensor.complex", tensor_of_number),
    ("prim::NumToTensor.Scalar", num_to_tensor),
    ("prim::NumToTensor.bool", num_to_tensor),
    ("aten::item", item),
    ("aten::_local_scalar_dense", item),
    ("aten::Bool.Tensor", to_bool),
    ("aten::is_nonzero", to_bool),
    ("aten::Int.Tensor", to_int),
    ("aten::Float.Tensor", to_float),
    ("aten::Complex.Tensor_Tensor", to_complex),
    ("aten::Complex.Tensor_float", to_complex),
    ("aten::Complex.float_Tensor", to_complex),
    ("aten::Complex.Tensor_int", to_complex),
    ("aten::Complex.int_Tensor", to_complex),
    ("aten::Complex.Tensor_bool", to_complex),
    ("aten::Complex.bool_Tensor", to_complex),
    ("aten::IntImplicit", implicit_int),
    ("aten::FloatImplicit", implicit_float),
    ("aten::ComplexImplicit", implicit_complex),
    ("aten::ScalarImplicit", implicit_scalar),
    ("aten::result_type.Tensor", |call| Ok(code(result_type(call.tensor(0)?, call.tensor(1)?)?))),
    ("aten::result_type.Scalar", |call| Ok(code(result_type_number(call.tensor(0)?, call.scalar(1)?)?))),
    ("aten::result_type.Scalar_Tensor", |call| Ok(code(result_type_number(call.tensor(1)?, call.scalar(0)?)?))),
];

const SHAPE_ONLY: &[Correction] = &[Correction::ShapeOnly];

pub(super) const CORRECTIONS: &[Row] = &[
    ("aten::result_type.Tensor", SHAPE_ONLY),
    ("aten::result_type.Scalar", SHAPE_ONLY),
    ("aten::result_type.Scalar_Tensor", SHAPE_ONLY),
];

fn code(dtype: DType) -> Value {
    Value::Int(dtype.code())
}

/// Marks a new tensor as one that gradients are wanted for, if the call says so.
fn with_grad(call: &Call<'_>, value: Value) -> Result {
    if let Some(i) = call.position("requires_grad")
        && call.bool(i)?
        && let Value::Tensor(tensor) = &value
    {
        tensor.slot().update(|metadata| metadata.requires_grad = true);
    }
    Ok(value)
}

fn tensor_of_number(call: &mut Call<'_>) -> Result {
    let number = call.scalar(0)?;
    let dtype = dtype_of(call, number.dtype())?;
    let tensor = make(call, Layout::contiguous(&[]), dtype, number)?;
    with_grad(call, tensor)
}

/// A float keeps all its bits here, unlike in `torch.tensor`.
fn num_to_tensor(call: &mut Call<'_>) -> Result {
    let number = call.scalar(0)?;
    let dtype = match number {
        Scalar::Float(_) => DType::Float64,
        Scalar::Complex(_) => DType::Complex128,
        other => other.dtype(),
    };
    make(call, Layout::contiguous(&[]), dtype, number)
}

/// A list of lists of numbers, as deep as its type says.
fn tensor_of_list(call: &mut Call<'_>) -> Result {
    let list = call.list(0)?;
    let (depth, mut item) = (depth_of(list), list.content().item.clone());
    while let Type::List(inner) = item {
        item = (*inner).clone();
    }
    let mut sizes = Dims::new();
    measure(list, depth, &mut sizes);
    let mut numbers = Vec::new();
    collect(list, &sizes, 0, &mut numbers)?;
    let default = match item {
        Type::Bool => DType::Bool,
        Type::Int => DType::Int64,
        Type::Complex => DType::Complex64,
        // The type of an empty list may have got lost; a float is what PyTorch takes then.
        _ => numbers.first().map_or(DType::Float32, |number| number.dtype()),
    };
    let dtype = dtype_of(call, default)?;
    check_sizes(&sizes)?;
    let tensor = dispatch!(all dtype, call.operator.name, T => {
        let elements: Vec<T> = numbers.iter().map(|number| number.cast()).collect();
        Tensor::from_vec(call.allocator, &sizes, &elements)?
    });
    with_grad(call, Value::Tensor(tensor))
}

/// How many lists lie in each other, by the declared type, or else by the first items.
fn depth_of(list: &List) -> usize {
    let content = list.content();
    let mut depth = 1;
    let mut item = &content.item;
    while let Type::List(inner) = item {
        depth += 1;
        item = inner;
    }
    match content.items.first() {
        Some(Value::List(inner)) if depth == 1 => 1 + depth_of(inner),
        _ => depth,
    }
}

/// The lengths of the first lists at each depth; below an empty list there is nothing to see.
fn measure(list: &List, depth: usize, sizes: &mut Dims) {
    let content = list.content();
    sizes.push(content.items.len() as i64);
    if let (true, Some(Value::List(inner))) = (depth > 1, content.items.first()) {
        measure(inner, depth - 1, sizes);
    }
}

fn collect(list: &List, sizes: &[i64], dim: usize, numbers: &mut Vec<Scalar>) -> Result<()> {
    let content = list.content();
    let (found, expected) = (content.items.len() as i64, sizes[dim]);
    if found != expected {
        let text = format!("Expected sequence of length {expected} at dim {dim} (got {found})");
        return Err(Fault::raised(text));
    }
    for item in &content.items {
        match item {
            Value::List(inner) if dim + 1 < sizes.len() => collect(inner, sizes, dim + 1, numbers)?,
            Value::Tensor(tensor) if dim + 1 == sizes.len() => numbers.push(tensor.item()?),
            item => numbers.push(
                Scalar::from_value(item)
                    .ok_or_else(|| Fault::unsupported("a tensor of a list of something else than numbers"))?,
            ),
        }
    }
    Ok(())
}

fn item(call: &mut Call<'_>) -> Result {
    Ok(call.tensor(0)?.item()?.to_value())
}

fn to_bool(call: &mut Call<'_>) -> Result {
    let tensor = call.tensor(0)?;
    match tensor.numel() {
        0 => Err(Fault::raised("Boolean value of Tensor with no values is ambiguous")),
        1 => Ok(Value::Bool(tensor.item()?.is_true())),
        _ => Err(Fault::raised("Boolean value of Tensor with more than one value is ambiguous")),
    }
}

fn int(tensor: &Tensor) -> Result {
    let number = tensor.item()?;
    number.check_fits(DType::Int64)?;
    Ok(Value::Int(number.to_i64()))
}

fn float(tensor: &Tensor) -> Result {
    let number = tensor.item()?;
    number.check_fits(DType::Float64)?;
    Ok(Value::Float(number.to_f64()))
}

fn complex(number: Scalar) -> Complex64 {
    number.cast()
}

fn to_int(call: &mut Call<'_>) -> Result {
    int(call.tensor(0)?)
}

fn to_float(call: &mut Call<'_>) -> Result {
    float(call.tensor(0)?)
}

/// The real part from the first argument, the imaginary one from the second.
fn to_complex(call: &mut Call<'_>) -> Result {
    let part = |i: usize| match call.value(i) {
        Value::Tensor(tensor) => tensor.item(),
        _ => call.scalar(i),
    };
    let (re, im) = (part(0)?, part(1)?);
    Ok(Scalar::Complex(Complex64::new(re.to_f64(), im.to_f64())).to_value())
}

/// Checks what a tensor must be to be passed as a number.
fn implicit<'a>(call: &Call<'a>, integral: bool) -> Result<&'a Tensor> {
    let tensor = call.tensor(0)?;
    let metadata = tensor.metadata();
    if metadata.requires_grad {
        return Err(Fault::raised("Cannot input a tensor that requires grad as a scalar argument"));
    }
    if metadata.layout.rank() > 0 {
        return Err(Fault::raised("Cannot input a tensor of dimension other than 0 as a scalar argument"));
    }
    if integral && !metadata.dtype.is_integral() {
        let name = metadata.dtype.scalar_type_name();
        return Err(Fault::raised(format!("Cannot input a tensor of type {name} as an integral argument")));
    }
    Ok(tensor)
}

fn implicit_int(call: &mut Call<'_>) -> Result {
    int(implicit(call, true)?)
}

fn implicit_float(call: &mut Call<'_>) -> Result {
    float(implicit(call, false)?)
}

fn implicit_complex(call: &mut Call<'_>) -> Result {
    Ok(Scalar::Complex(complex(implicit(call, false)?.item()?)).to_value())
}

fn implicit_scalar(call: &mut Call<'_>) -> Result {
    Ok(implicit(call, false)?.item()?.to_value())
}
