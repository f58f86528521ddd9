//! Sums, products, means, and what is counted.

use num_complex::Complex64;

use super::number::{Computed, compute, sum};
use super::rows::{Reduced, Rows};
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Number, Tensor, dispatch};
use crate::value::Value;

/// What a sum or a product of this dtype has: integers and bools become 64 bits wide.
fn widened(dtype: DType) -> DType {
    if dtype.is_integral() || dtype == DType::Bool { DType::Int64 } else { dtype }
}

/// The reduction of each row to one number, computed in the type for `dtype` and stored as `dtype`.
macro_rules! each_row {
    ($call:ident, $tensor:expr, $reduced:expr, $keepdim:expr, $dtype:expr, $T:ident, $row:ident => $result:expr) => {{
        let (tensor, reduced, dtype): (&Tensor, &Reduced, DType) = ($tensor, $reduced, $dtype);
        let sizes = reduced.result_sizes(&tensor.sizes(), $keepdim);
        compute!(dtype, $call.operator.name, $T => {
            let rows = Rows::<$T>::of($call, tensor, reduced)?;
            let results: Vec<$T> = rows.iter().map(|$row: &[$T]| $result).collect();
            $call.create(dtype, &sizes, &results)
        })
    }};
}

/// The dimensions and `keepdim` of a reduction, by the names of its arguments.
pub(super) fn over(call: &Call<'_>) -> Result<(Reduced, bool), Fault> {
    let rank = call.tensor(0)?.sizes().len();
    let reduced = match call.position("dim") {
        Some(i) if matches!(call.value(i), Value::Int(_)) => Reduced::argument_one(call, i, rank)?,
        Some(i) => Reduced::argument(call, i, rank)?,
        None => Reduced::all(rank),
    };
    let keepdim = call.position("keepdim").map_or(Ok(false), |i| call.bool(i))?;
    Ok((reduced, keepdim))
}

/// The argument `dtype`, or `default` if it is not there.
fn dtype_or(call: &Call<'_>, default: DType) -> Result<DType, Fault> {
    call.position("dtype").map_or(Ok(default), |i| call.dtype_or(i, default))
}

pub(super) fn sum_kernel(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (reduced, keepdim) = over(call)?;
    let tensor = call.tensor(0)?;
    let dtype = dtype_or(call, widened(tensor.dtype()))?;
    if dtype.is_complex() {
        return fold_complex(call, &reduced, keepdim, dtype, |row| row.iter().sum());
    }
    let result = each_row!(call, tensor, &reduced, keepdim, dtype, T, row => sum(row))?;
    call.deliver(result)
}

/// One complex number for each row.
fn fold_complex(
    call: &mut Call<'_>,
    reduced: &Reduced,
    keepdim: bool,
    dtype: DType,
    fold: fn(&[Complex64]) -> Complex64,
) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = reduced.result_sizes(&tensor.sizes(), keepdim);
    let rows = Rows::<Complex64>::of(call, tensor, reduced)?;
    let results: Vec<Complex64> = rows.iter().map(fold).collect();
    let result = call.create(dtype, &sizes, &results)?;
    call.deliver(result)
}

/// The sum of what is a number. Integers all are.
pub(super) fn nansum(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if tensor.dtype().is_complex() {
        return Err(Fault::raised("nansum does not support complex inputs"));
    }
    if !tensor.dtype().is_floating_point() {
        return sum_kernel(call);
    }
    let (reduced, keepdim) = over(call)?;
    let dtype = nansum_dtype(call, tensor)?;
    let result = each_row!(call, tensor, &reduced, keepdim, dtype, T, row => {
        sum(&row.iter().copied().filter(|x| !Computed::is_nan(*x)).collect::<Vec<T>>())
    })?;
    call.deliver(result)
}

fn nansum_dtype(call: &Call<'_>, tensor: &Tensor) -> Result<DType, Fault> {
    let dtype = dtype_or(call, tensor.dtype())?;
    check_kernel("nansum_cpu", dtype, dtype.is_floating_point())?;
    Ok(dtype)
}

/// PyTorch's error where a kernel does not know a dtype.
pub(super) fn check_kernel(kernel: &str, dtype: DType, known: bool) -> Result<(), Fault> {
    if known {
        return Ok(());
    }
    Err(Fault::raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name())))
}

pub(super) fn prod(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (reduced, keepdim) = over(call)?;
    let tensor = call.tensor(0)?;
    let dtype = dtype_or(call, widened(tensor.dtype()))?;
    if dtype.is_complex() {
        return fold_complex(call, &reduced, keepdim, dtype, |row| row.iter().product());
    }
    let result = each_row!(call, tensor, &reduced, keepdim, dtype, T, row => {
        row.iter().fold(T::ONE, |product, &x| product.times(x))
    })?;
    call.deliver(result)
}

/// The dtype of a mean, which must be a float.
fn mean_dtype(call: &Call<'_>, tensor: &Tensor) -> Result<DType, Fault> {
    let dtype = dtype_or(call, tensor.dtype())?;
    if dtype.is_floating_point() || dtype.is_complex() {
        return Ok(dtype);
    }
    let given = call.position("dtype").is_some_and(|i| call.given(i));
    let (verb, whose) = if given { ("infer", "Optional") } else { ("infer", "Input") };
    Err(Fault::raised(format!(
        "mean(): could not {verb} output dtype. {whose} dtype must be either a floating point or complex dtype. \
         Got: {}",
        dtype.scalar_type_name()
    )))
}

pub(super) fn mean(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (reduced, keepdim) = over(call)?;
    let tensor = call.tensor(0)?;
    let dtype = mean_dtype(call, tensor)?;
    if dtype.is_complex() {
        return fold_complex(call, &reduced, keepdim, dtype, |row| row.iter().sum::<Complex64>() / row.len() as f64);
    }
    let result = each_row!(call, tensor, &reduced, keepdim, dtype, T, row => mean_of(row))?;
    call.deliver(result)
}

/// The mean; of nothing, not a number.
fn mean_of<T: Computed>(row: &[T]) -> T {
    T::from_f64(sum(row).to_f64() / row.len() as f64)
}

pub(super) fn nanmean(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if tensor.dtype().is_complex() {
        return Err(Fault::raised("nansum does not support complex inputs"));
    }
    if !tensor.dtype().is_floating_point() {
        let name = tensor.dtype().scalar_type_name();
        return Err(Fault::raised(format!(
            "nanmean(): expected input to have floating point or complex dtype but got {name}"
        )));
    }
    let (reduced, keepdim) = over(call)?;
    let dtype = nansum_dtype(call, tensor)?;
    let result = each_row!(call, tensor, &reduced, keepdim, dtype, T, row => {
        mean_of(&row.iter().copied().filter(|x| !Computed::is_nan(*x)).collect::<Vec<T>>())
    })?;
    call.deliver(result)
}

pub(super) fn count_nonzero(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (reduced, _) = over(call)?;
    let tensor = call.tensor(0)?;
    let sizes = reduced.result_sizes(&tensor.sizes(), false);
    let counts: Vec<i64> = dispatch!(all tensor.dtype(), "aten::count_nonzero", T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        rows.iter().map(|row| row.iter().filter(|x| x.is_true()).count() as i64).collect()
    });
    let result = call.create(DType::Int64, &sizes, &counts)?;
    call.deliver(result)
}

/// Whether `any` (or else `all`) elements of each row are true.
fn truth(call: &mut Call<'_>, any: bool) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let rank = tensor.sizes().len();
    let (reduced, keepdim) = match call.position("dim") {
        // Only here an empty list means no dimension.
        Some(i) if call.opt_ints(i).is_ok_and(|dims| dims.is_some_and(|dims| dims.is_empty())) => {
            (Reduced::these(&[], rank)?, false)
        }
        _ => over(call)?,
    };
    let sizes = reduced.result_sizes(&tensor.sizes(), keepdim);
    let results: Vec<i64> = dispatch!(all tensor.dtype(), call.operator.name, T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        let holds = |row: &[T]| if any { row.iter().any(|x| x.is_true()) } else { row.iter().all(|x| x.is_true()) };
        rows.iter().map(|row| holds(row) as i64).collect()
    });
    // Bytes were PyTorch's bools once.
    let dtype = if tensor.dtype() == DType::UInt8 { DType::UInt8 } else { DType::Bool };
    let result = call.create(dtype, &sizes, &results)?;
    call.deliver(result)
}

pub(super) fn any(call: &mut Call<'_>) -> Result<Value, Fault> {
    truth(call, true)
}

pub(super) fn all(call: &mut Call<'_>) -> Result<Value, Fault> {
    truth(call, false)
}

pub(super) fn trace(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let sizes = tensor.sizes();
    let &[rows, columns] = &sizes[..] else {
        return Err(Fault::raised(format!("trace: expected a matrix, but got tensor with dim {}", sizes.len())));
    };
    let dtype = widened(tensor.dtype());
    let narrow = matches!(tensor.dtype(), DType::Bool | DType::Float16 | DType::BFloat16);
    check_kernel("trace", tensor.dtype(), !narrow)?;
    if dtype.is_complex() {
        let diagonal = call.run("aten::diagonal", &call.args[..1])?;
        let trace = call.run_tensor("aten::sum", &[diagonal])?;
        return call.deliver(trace);
    }
    let result = compute!(dtype, "aten::trace", T => {
        let elements = call.read::<T>(tensor)?;
        let diagonal = (0..rows.min(columns)).map(|i| elements[(i * columns + i) as usize]);
        let trace = diagonal.fold(T::ZERO, Computed::plus);
        call.create(dtype, &[], &[trace])?
    });
    call.deliver(result)
}

/// How often each number occurs.
pub(super) fn bincount(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, weights, least) = (call.tensor(0)?, call.opt_tensor(1)?, call.int(2)?);
    let numbers = tensor.to_i64s(&call.memory())?;
    let dtype = tensor.dtype();
    check_kernel("bincount_cpu", dtype, dtype.is_integral())?;
    if tensor.sizes().len() != 1 || numbers.iter().any(|&x| x < 0) {
        return Err(Fault::raised("bincount only supports 1-d non-negative integral inputs."));
    }
    if least < 0 {
        return Err(Fault::raised("minlength should be >= 0"));
    }
    let bins = numbers.iter().max().map_or(0, |&most| most.saturating_add(1)).max(least);
    let Some(weights) = weights.filter(|_| !numbers.is_empty()) else {
        let result = call.zeros(DType::Int64, &[bins])?;
        let mut counts = vec![0i64; bins as usize];
        numbers.iter().for_each(|&x| counts[x as usize] += 1);
        result.store(&counts)?;
        return call.deliver(result);
    };
    if weights.sizes() != tensor.sizes() {
        return Err(Fault::raised("weights should be 1-d and have the same length as input"));
    }
    let dtype = if weights.dtype() == DType::Float32 { DType::Float32 } else { DType::Float64 };
    let result = call.zeros(dtype, &[bins])?;
    let mut sums = vec![0.0f64; bins as usize];
    numbers.iter().zip(weights.to_f64s(&call.memory())?).for_each(|(&x, weight)| sums[x as usize] += weight);
    result.store(&sums)?;
    call.deliver(result)
}

/// How many elements lie in each of equal parts of a range.
pub(super) fn histc(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, bins, dtype) = (call.tensor(0)?, call.int(1)?, call.tensor(0)?.dtype());
    check_kernel("aminmax_cpu", dtype, !dtype.is_complex())?;
    if bins <= 0 {
        return Err(Fault::raised(format!("torch.histogram(): bins must be > 0, but got {bins} for dimension 0")));
    }
    let elements = tensor.to_f64s(&call.memory())?;
    let (mut low, mut high) = (call.scalar(2)?.to_f64(), call.scalar(3)?.to_f64());
    if low == high && !elements.is_empty() {
        low = elements.iter().copied().fold(f64::INFINITY, f64::min);
        high = elements.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    }
    if low == high {
        (low, high) = (low - 1.0, high + 1.0);
    }
    if !(low.is_finite() && high.is_finite()) {
        return Err(Fault::raised(format!("torch.histc: range of [{low}, {high}] is not finite")));
    }
    if low > high {
        return Err(Fault::raised("torch.histc: max must be larger than min"));
    }
    let result = call.zeros(dtype, &[bins])?;
    let mut counts = vec![0i64; bins as usize];
    for x in elements.into_iter().filter(|x| (low..=high).contains(x)) {
        let bin = ((x - low) / (high - low) * bins as f64) as i64;
        counts[bin.min(bins - 1) as usize] += 1;
    }
    result.store(&counts)?;
    call.deliver(result)
}
