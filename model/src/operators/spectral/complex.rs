//! Complex numbers from their parts, their angles and conjugates.
//!
//! `conj` of complex numbers is no kernel: PyTorch's result is a view that shows its argument's later writes, and no layout of
//! ours can be one. `conj_physical` makes new numbers.

use num_complex::Complex64;

use crate::operators::pointwise::plan::layout_of;
use crate::operators::{Call, Fault, Operator, complex as of_complex};
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Layout, Math, Number, Storage, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

pub(super) fn complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_parts(call, Complex64::new)
}

pub(super) fn polar(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_parts(call, |length, angle| of_complex::from_polar(Math::Portable, length, angle))
}

/// A complex number of two real ones.
fn of_parts(call: &mut Call<'_>, number: fn(f64, f64) -> Complex64) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (first, second) = (a.dtype(), b.dtype());
    let known = |dtype| matches!(dtype, DType::Float16 | DType::Float32 | DType::Float64);
    if !known(first) || !known(second) {
        return raised(format!(
            "Expected both inputs to be Half, Float or Double tensors but got {} and {}",
            first.scalar_type_name(),
            second.scalar_type_name()
        ));
    }
    if first != second {
        return raised(format!(
            "Expected object of scalar type {} but got scalar type {} for second argument",
            first.scalar_type_name(),
            second.scalar_type_name()
        ));
    }
    let dtype = match first {
        DType::Float64 => DType::Complex128,
        DType::Float32 => DType::Complex64,
        other => return Err(Fault::no_kernel(call.operator.name, other)),
    };
    let (sizes, memory) = (broadcast(&a.sizes(), &b.sizes())?, call.memory());
    let layout = layout_of(&[a, b])?;
    let (a, b) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let numbers: Vec<Complex64> = a.iter().zip(&*b).map(|(&a, &b)| number(a, b)).collect();
    lying(call, dtype, layout, &numbers)
}

/// A new tensor of this layout.
fn lying<T: Number>(call: &mut Call<'_>, dtype: DType, layout: Layout, elements: &[T]) -> Result<Value, Fault> {
    let storage = Storage::for_layout(call.allocator, &layout, dtype)?;
    let tensor = Tensor::new(call.allocator, storage, dtype, layout);
    tensor.store(elements)?;
    Ok(Value::Tensor(tensor))
}

/// The angle to the positive real axis.
pub(super) fn angle(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    let dtype = match input.dtype() {
        dtype if dtype.is_complex() || dtype.is_floating_point() => dtype.of_parts(),
        _ => DType::Float32,
    };
    let angles: Vec<f64> = if input.dtype().is_complex() {
        call.read::<Complex64>(input)?.iter().map(|&z| of_complex::angle(Math::Portable, z)).collect()
    } else {
        let angle = |&x: &f64| {
            if x.is_nan() {
                x
            } else if x < 0.0 {
                std::f64::consts::PI
            } else {
                0.0
            }
        };
        call.read::<f64>(input)?.iter().map(angle).collect()
    };
    lying(call, dtype, layout_of(&[input])?, &angles)
}

/// `_conj_physical`: new numbers, of real ones too.
pub(super) fn conjugated(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    let numbers: Vec<Complex64> = call.read::<Complex64>(input)?.iter().map(Complex64::conj).collect();
    lying(call, input.dtype(), layout_of(&[input])?, &numbers)
}

/// A real tensor is its own conjugate.
pub(super) fn is_real(_: &Operator, args: &[Value]) -> bool {
    matches!(&args[0], Value::Tensor(tensor) if !tensor.dtype().is_complex())
}

pub(super) fn conj_physical(call: &mut Call<'_>) -> Result<Value, Fault> {
    if is_real(call.operator, call.args) { Ok(call.args[0].clone()) } else { conjugated(call) }
}

pub(super) fn conj_physical_(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    if input.dtype().is_complex() {
        let numbers: Vec<Complex64> = call.read::<Complex64>(input)?.iter().map(Complex64::conj).collect();
        input.store(&numbers)?;
    }
    Ok(call.args[0].clone())
}

pub(super) fn conj(call: &mut Call<'_>) -> Result<Value, Fault> {
    if call.tensor(0)?.dtype().is_complex() {
        return Err(Fault::unsupported(
            "aten::conj of complex numbers, a view that conjugates; conj_physical makes new ones",
        ));
    }
    Ok(call.args[0].clone())
}
