//! Running sums, products and extremes along a dimension.

use num_complex::Complex64;

use super::number::{Computed, compute};
use super::rows::{Reduced, Rows, from_rows};
use crate::operators::results::tuple;
use crate::operators::{Call, Destination, Fault};
use crate::tensor::{DType, Number};
use crate::value::Value;

/// One step of a running result, of floats, of integers and of complex numbers.
type Step = (fn(f64, f64) -> f64, fn(i64, i64) -> i64, fn(Complex64, Complex64) -> Complex64);

/// A running result; floats are summed in `f64` and rounded as they are stored.
fn running(call: &mut Call<'_>, step: Step) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = tensor.sizes();
    let dim = call.dim(1, sizes.len())?;
    let own = tensor.dtype();
    let wide = if own.is_integral() || own == DType::Bool { DType::Int64 } else { own };
    let given = call.position("dtype").map_or(Ok(None), |i| call.opt_dtype(i))?;
    let in_place = matches!(call.destination()?, Destination::InPlace(_));
    let dtype = given.unwrap_or(if in_place { own } else { wide });
    if in_place && dtype != own {
        return Err(Fault::raised(format!(
            "Bad in-place call: input tensor dtype {} and output tensor dtype {} should match",
            own.c_name(),
            dtype.c_name()
        )));
    }
    if dtype == DType::Bool {
        let name = call.operator.name.trim_start_matches("aten::").trim_end_matches('_');
        return Err(Fault::raised(format!("\"{name}_out_cpu\" not implemented for 'Bool'")));
    }
    let result = if dtype.is_floating_point() {
        let scanned = scan::<f64>(call, dim, step.0)?;
        from_rows(call, dtype, &sizes, dim, &scanned)?
    } else if dtype.is_complex() {
        let scanned = scan::<Complex64>(call, dim, step.2)?;
        from_rows(call, dtype, &sizes, dim, &scanned)?
    } else {
        let scanned = scan::<i64>(call, dim, step.1)?;
        from_rows(call, dtype, &sizes, dim, &scanned)?
    };
    call.deliver(result)
}

fn scan<T: Number>(call: &Call<'_>, dim: usize, step: fn(T, T) -> T) -> Result<Vec<T>, Fault> {
    let tensor = call.tensor(0)?;
    let rows = Rows::<T>::of(call, tensor, &Reduced::one(dim, tensor.sizes().len()))?;
    let mut results = Vec::with_capacity(tensor.numel() as usize);
    for row in rows.iter() {
        let mut so_far: Option<T> = None;
        for &x in row {
            let next = so_far.map_or(x, |so_far| step(so_far, x));
            results.push(next);
            so_far = Some(next);
        }
    }
    Ok(results)
}

pub(super) fn cumsum(call: &mut Call<'_>) -> Result<Value, Fault> {
    running(call, (|sum, x| sum + x, i64::wrapping_add, |sum, x| sum + x))
}

pub(super) fn cumprod(call: &mut Call<'_>) -> Result<Value, Fault> {
    running(call, (|product, x| product * x, i64::wrapping_mul, |product, x| product * x))
}

pub(super) fn logcumsumexp(call: &mut Call<'_>) -> Result<Value, Fault> {
    if !call.tensor(0)?.dtype().is_floating_point() {
        let name = call.tensor(0)?.dtype().scalar_type_name();
        return Err(Fault::raised(format!("\"logcumsumexp_out_cpu\" not implemented for '{name}'")));
    }
    let step = |a: f64, b: f64| {
        let (low, high) = if a.is_nan() || b.is_nan() { (f64::NAN, f64::NAN) } else { (a.min(b), a.max(b)) };
        if low == high && high.is_infinite() { high } else { libm::log1p(libm::exp(low - high)) + high }
    };
    running(
        call,
        (step, |_, _| unreachable!("integers were refused"), |_, _| unreachable!("complex numbers were refused")),
    )
}

/// The running extreme, and where it was last met.
fn running_extreme(call: &mut Call<'_>, replaces: fn(std::cmp::Ordering) -> bool) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = tensor.sizes();
    let dim = call.dim(1, sizes.len())?;
    let reduced = Reduced::one(dim, sizes.len());
    let mut places = Vec::new();
    let values = compute!(tensor.dtype(), call.operator.name, T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        let mut values = Vec::new();
        for row in rows.iter() {
            let mut best = 0;
            for i in 0..row.len() {
                let nan = Computed::is_nan(row[best]);
                if Computed::is_nan(row[i]) || (!nan && replaces(row[i].order(row[best]))) {
                    best = i;
                }
                values.push(row[best]);
                places.push(best as i64);
            }
        }
        from_rows(call, tensor.dtype(), &sizes, dim, &values)?
    });
    let places = from_rows(call, DType::Int64, &sizes, dim, &places)?;
    Ok(tuple([values, places]))
}

pub(super) fn cummax(call: &mut Call<'_>) -> Result<Value, Fault> {
    running_extreme(call, std::cmp::Ordering::is_ge)
}

pub(super) fn cummin(call: &mut Call<'_>) -> Result<Value, Fault> {
    running_extreme(call, std::cmp::Ordering::is_le)
}
