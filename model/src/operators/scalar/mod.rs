//! Numbers, truth values, devices and the modes of a task: everything that touches no tensor and no container.
//!
//! One kernel serves all overloads of a name: it looks at the numbers that it is given, as the overload promised.
//! The results are those of PyTorch, which are not always Python's (`7.0 % 0.0` is nan, `7 / 0` is inf).

mod arithmetic;
mod compare;
mod convert;
mod device;
mod extremes;
mod functions;
pub(super) mod plain;
mod process;

use super::{Call, Correction, Fault, Kernel};
use crate::tensor::Scalar;
use crate::value::Value;

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    arithmetic::KERNELS,
    compare::KERNELS,
    convert::KERNELS,
    device::KERNELS,
    extremes::KERNELS,
    functions::KERNELS,
    process::KERNELS,
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = process::CORRECTIONS;

/// Rows of a table of kernels: each kernel with all the names that it serves.
macro_rules! rows {
    ($($kernel:expr => $($name:literal)+;)*) => {
        &[$($(($name, $kernel as $crate::operators::Kernel)),+),*]
    };
}
pub(in crate::operators) use rows;

/// The fault of numbers that no overload takes, such as a complex one in an order; PyTorch asserts there.
fn not_these_numbers(call: &Call<'_>) -> Fault {
    Fault::raised(format!("{}: not defined for the numbers {:?}", call.name(), call.args))
}

/// The two numbers of a call.
fn pair(call: &Call<'_>) -> Result<(Scalar, Scalar), Fault> {
    Ok((call.scalar(0)?, call.scalar(1)?))
}

fn complex(re: f64, im: f64) -> Value {
    Value::Complex(Box::new(num_complex::Complex64::new(re, im)))
}
