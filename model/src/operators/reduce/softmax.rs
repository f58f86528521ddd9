//! Softmax, its logarithm, and the logarithm of a sum of exponentials.

use num_complex::Complex64;

use super::rows::{Reduced, Rows, from_rows};
use super::sums::over;
use crate::operators::curves::Curves;
use crate::operators::vectorised::{Loops, vectorised};
use crate::operators::{Call, Fault};
use crate::tensor::promote::to_float;
use crate::tensor::{DType, Math, Tensor, Wide, dispatch};
use crate::value::Value;

/// Each row along a dimension, turned into another of the same length.
fn along(call: &mut Call<'_>, tensor: &Tensor, dtype: DType, dim: usize, log: bool) -> Result<Tensor, Fault> {
    let sizes = tensor.sizes();
    let reduced = Reduced::one(dim, sizes.len());
    let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
    let math = call.modes.math;
    dispatch!(wide wide, call.operator.name, T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        let mut results: Vec<T> = Vec::with_capacity(tensor.numel() as usize);
        for row in rows.iter() {
            if log { log_softmax_row(row, &mut results, math) } else { softmax_row(row, &mut results, math) }
        }
        from_rows(call, dtype, &sizes, dim, &results)
    })
}

/// Appends the softmax of a row.
pub(in crate::operators) fn softmax_row<T: Curves>(row: &[T], results: &mut Vec<T>, math: Math) {
    let start = results.len();
    results.extend_from_slice(row);
    vectorised(math, Softmax { row: &mut results[start..], most: greatest(row) });
}

/// A row, with its greatest element, that becomes its softmax.
struct Softmax<'a, T> {
    row: &'a mut [T],
    most: T,
}

impl<T: Curves> Loops for Softmax<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        self.row.iter_mut().for_each(|x| *x = (*x - self.most).decay::<FUSED>());
        let total: T = self.row.iter().copied().sum();
        self.row.iter_mut().for_each(|x| *x = *x / total);
    }
}

fn log_softmax_row<T: Wide>(row: &[T], results: &mut Vec<T>, math: Math) {
    let most = greatest(row);
    let total = math.ln(row.iter().map(|&x| math.exp(x - most)).sum::<T>());
    results.extend(row.iter().map(|&x| x - most - total));
}

fn greatest<T: Wide>(row: &[T]) -> T {
    row.iter().fold(-T::INFINITY, |most, &x| if x > most || x.is_nan() { x } else { most })
}

/// `softmax` and `log_softmax`: converted to the argument `dtype` first.
fn with_dtype(call: &mut Call<'_>, log: bool) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let dtype = call.dtype_or(2, tensor.dtype())?;
    let dim = call.dim(1, tensor.sizes().len())?;
    check_float(tensor, dtype, dim, log)?;
    let result = along(call, tensor, dtype, dim, log)?;
    call.deliver(result)
}

/// Of nothing there is a softmax in every dtype.
fn check_float(tensor: &Tensor, dtype: DType, dim: usize, log: bool) -> Result<(), Fault> {
    if dtype.is_floating_point() || tensor.numel() == 0 {
        return Ok(());
    }
    let kernel = match (dim + 1 < tensor.sizes().len(), log) {
        (true, _) => "softmax_kernel_impl",
        (false, true) => "log_softmax_lastdim_kernel_impl",
        (false, false) => "softmax_lastdim_kernel_impl",
    };
    Err(Fault::raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())))
}

pub(super) fn softmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    with_dtype(call, false)
}

pub(super) fn log_softmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    with_dtype(call, true)
}

/// `_softmax` and `_log_softmax`, which may widen a half to a float.
fn inner(call: &mut Call<'_>, log: bool) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let dim = call.dim(1, tensor.sizes().len())?;
    if call.bool(2)? {
        return Err(Fault::raised("softmax with half to float conversion is not supported on CPU"));
    }
    check_float(tensor, tensor.dtype(), dim, log)?;
    let result = along(call, tensor, tensor.dtype(), dim, log)?;
    call.deliver(result)
}

pub(super) fn softmax_inner(call: &mut Call<'_>) -> Result<Value, Fault> {
    inner(call, false)
}

pub(super) fn log_softmax_inner(call: &mut Call<'_>) -> Result<Value, Fault> {
    inner(call, true)
}

pub(super) fn logsumexp(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, (reduced, keepdim)) = (call.tensor(0)?, over(call)?);
    let dtype = to_float(tensor.dtype());
    let sizes = reduced.result_sizes(&tensor.sizes(), keepdim);
    // An infinity stands for itself: its difference with itself would be no number.
    let most = |row: &[f64]| Some(greatest(row)).filter(|most| most.is_finite()).unwrap_or(0.0);
    let result = if dtype.is_complex() {
        let rows = Rows::<Complex64>::of(call, tensor, &reduced)?;
        let log = |row: &[Complex64]| {
            let most = most(&row.iter().map(|x| x.re).collect::<Vec<f64>>());
            let power = |x: &Complex64| libm::exp(x.re - most) * Complex64::new(libm::cos(x.im), libm::sin(x.im));
            let total: Complex64 = row.iter().map(power).sum();
            Complex64::new(libm::log(libm::hypot(total.re, total.im)) + most, libm::atan2(total.im, total.re))
        };
        let results: Vec<Complex64> = rows.iter().map(log).collect();
        call.create(dtype, &sizes, &results)?
    } else {
        let rows = Rows::<f64>::of(call, tensor, &reduced)?;
        let log = |row: &[f64]| {
            let most = most(row);
            libm::log(row.iter().map(|x| libm::exp(x - most)).sum::<f64>()) + most
        };
        let results: Vec<f64> = rows.iter().map(log).collect();
        call.create(dtype, &sizes, &results)?
    };
    call.deliver(result)
}
