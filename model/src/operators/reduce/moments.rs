//! Variances, deviations and norms.

use super::number::sum;
use super::rows::{Reduced, Rows};
use super::sums::over;
use crate::operators::compose::of;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::promote::promote;
use crate::tensor::{DType, Scalar, Tensor};
use crate::value::Value;

/// The two moments of each row that an operator may ask for.
#[derive(Clone, Copy, PartialEq)]
enum Wanted {
    Variance,
    Deviation,
}

/// What is subtracted from the number of elements before dividing by it: `correction`, or 1 for `unbiased`.
fn correction(call: &Call<'_>) -> Result<f64, Fault> {
    if let Some(i) = call.position("correction") {
        return match call.opt_scalar(i)? {
            Some(Scalar::Complex(number)) if number.im != 0.0 => {
                Err(Fault::raised("value cannot be converted to type double without overflow"))
            }
            given => Ok(given.map_or(1.0, Scalar::to_f64)),
        };
    }
    let unbiased = call.position("unbiased").expect("an overload with `unbiased` or `correction`");
    Ok(if call.bool(unbiased)? { 1.0 } else { 0.0 })
}

/// The variances or deviations, and the means.
fn moments(call: &mut Call<'_>, wanted: Wanted) -> Result<(Tensor, Tensor), Fault> {
    let tensor = call.tensor(0)?;
    let dtype = tensor.dtype();
    if dtype.is_complex() {
        return complex_moments(call, wanted);
    }
    if !dtype.is_floating_point() {
        let name = call.operator.name.trim_start_matches("aten::");
        let who = if name.ends_with("_mean") { name } else { "std and var" };
        return Err(Fault::raised(format!("{who} only support floating point and complex dtypes")));
    }
    moments_of(call, tensor, wanted)
}

/// Of complex numbers: the sum of the variances of both parts, and what both means make.
fn complex_moments(call: &mut Call<'_>, wanted: Wanted) -> Result<(Tensor, Tensor), Fault> {
    let x = &call.args[..1];
    let (re, im) = (call.run_tensor("aten::real", x)?, call.run_tensor("aten::imag", x)?);
    let (re_spread, re_mean) = moments_of(call, &re, Wanted::Variance)?;
    let (im_spread, im_mean) = moments_of(call, &im, Wanted::Variance)?;
    let mut spread = call.run_tensor("aten::add.Tensor", &[of(&re_spread), of(&im_spread)])?;
    if wanted == Wanted::Deviation {
        spread = call.run_tensor("aten::sqrt", &[of(&spread)])?;
    }
    Ok((spread, call.run_tensor("aten::complex", &[of(&re_mean), of(&im_mean)])?))
}

/// Those of another tensor of the sizes of the first argument.
fn moments_of(call: &mut Call<'_>, tensor: &Tensor, wanted: Wanted) -> Result<(Tensor, Tensor), Fault> {
    let ((reduced, keepdim), correction) = (over(call)?, correction(call)?);
    let sizes = reduced.result_sizes(&tensor.sizes(), keepdim);
    let rows = Rows::<f64>::of(call, tensor, &reduced)?;
    let (mut spreads, mut means) = (Vec::new(), Vec::new());
    for row in rows.iter() {
        let count = row.len() as f64;
        let mean = sum(row) / count;
        let squares: Vec<f64> = row.iter().map(|x| (x - mean) * (x - mean)).collect();
        let variance = if row.is_empty() { f64::NAN } else { sum(&squares) / (count - correction).max(0.0) };
        spreads.push(if wanted == Wanted::Deviation { variance.sqrt() } else { variance });
        means.push(mean);
    }
    let dtype = tensor.dtype();
    Ok((call.create(dtype, &sizes, &spreads)?, call.create(dtype, &sizes, &means)?))
}

pub(super) fn var(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (variances, _) = moments(call, Wanted::Variance)?;
    call.deliver(variances)
}

pub(super) fn std(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (deviations, _) = moments(call, Wanted::Deviation)?;
    call.deliver(deviations)
}

pub(super) fn var_mean(call: &mut Call<'_>) -> Result<Value, Fault> {
    moments(call, Wanted::Variance).map(|(variances, means)| tuple([variances, means]))
}

pub(super) fn std_mean(call: &mut Call<'_>) -> Result<Value, Fault> {
    moments(call, Wanted::Deviation).map(|(deviations, means)| tuple([deviations, means]))
}

/// The norm of order `p` of numbers.
pub(in crate::operators) fn norm_of(numbers: &[f64], p: f64) -> f64 {
    let magnitudes = numbers.iter().map(|x| x.abs());
    let extreme = |wanted: fn(f64, f64) -> f64, first: f64| {
        magnitudes.clone().fold(first, |best, x| if x.is_nan() || best.is_nan() { f64::NAN } else { wanted(best, x) })
    };
    let sum_of = |term: &dyn Fn(f64) -> f64| sum(&magnitudes.clone().map(term).collect::<Vec<f64>>());
    match p {
        0.0 => numbers.iter().filter(|&&x| x != 0.0).count() as f64,
        1.0 => sum_of(&|x| x),
        2.0 => sum_of(&|x| x * x).sqrt(),
        f64::INFINITY => extreme(f64::max, 0.0),
        f64::NEG_INFINITY => extreme(f64::min, f64::INFINITY),
        _ => libm::pow(sum_of(&|x| libm::pow(x, p)), 1.0 / p),
    }
}

fn norms(call: &mut Call<'_>, tensor: &Tensor, p: f64, over: (Reduced, bool), dtype: DType) -> Result<Value, Fault> {
    let (reduced, keepdim) = over;
    let sizes = reduced.result_sizes(&tensor.sizes(), keepdim);
    let lengths = match tensor.dtype().is_complex() {
        true => call.run_tensor("aten::abs", &[Value::Tensor(tensor.clone())])?,
        false => tensor.clone(),
    };
    let rows = Rows::<f64>::of(call, &lengths, &reduced)?;
    let results: Vec<f64> = rows.iter().map(|row| norm_of(row, p)).collect();
    let result = call.create(dtype.of_parts(), &sizes, &results)?;
    call.deliver(result)
}

/// `norm`: without an order it is two.
pub(super) fn norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    match call.position("dtype") {
        Some(i) => check_float(call.dtype(i)?, "norm(): the desired output dtype should be")?,
        None => check_float(tensor.dtype(), "norm(): input dtype should be")?,
    }
    let order = call.opt_scalar(1)?.unwrap_or(Scalar::Int(2));
    let dtype = call.position("dtype").map(|i| call.dtype(i)).transpose()?;
    of_vectors(call, order, dtype)
}

fn check_float(dtype: DType, words: &str) -> Result<(), Fault> {
    if dtype.is_floating_point() || dtype.is_complex() {
        return Ok(());
    }
    let name = dtype.scalar_type_name();
    Err(Fault::raised(format!("{words} either floating point or complex. Got {name} instead.")))
}

pub(super) fn frobenius_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    check_float(call.tensor(0)?.dtype(), "norm(): input dtype should be")?;
    of_vectors(call, Scalar::Int(2), None)
}

pub(super) fn vector_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (order, dtype) = (call.scalar(1)?, call.opt_dtype(4)?);
    of_vectors(call, order, dtype)
}

/// The norm as `linalg_vector_norm` has it, whichever operator calls it.
fn of_vectors(call: &mut Call<'_>, order: Scalar, dtype: Option<DType>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let own = tensor.dtype();
    let raised = |words: String| Err(Fault::raised(format!("linalg.vector_norm{words}")));
    if !own.is_floating_point() && !own.is_complex() {
        let name = own.scalar_type_name();
        return raised(format!(": Expected a floating point or complex tensor as input. Got {name}"));
    }
    if matches!(order, Scalar::Complex(_)) {
        return raised(": Expected a non-complex scalar as the order of norm.".into());
    }
    if let Some(dtype) = dtype {
        check_norm_dtype("linalg.vector_norm", own, dtype)?;
    }
    let (over, p, sizes) = (over(call)?, order.to_f64(), tensor.sizes());
    if (p.is_infinite() || p < 0.0)
        && let Some(dim) = over.0.empty_dim(&sizes)
    {
        let given = call.position("dim").map_or(Ok(None), |i| call.opt_ints(i))?.is_some_and(|dims| !dims.is_empty());
        let place = if given {
            format!("on the dimension {dim}because this dimension is empty and")
        } else {
            "on an empty tensor because".into()
        };
        return raised(format!(" cannot compute the {p} norm {place} the operation does not have an identity"));
    }
    norms(call, tensor, p, over, dtype.unwrap_or(own))
}

/// What is computed in must hold what is given.
pub(in super::super) fn check_norm_dtype(function: &str, own: DType, dtype: DType) -> Result<(), Fault> {
    let name = dtype.scalar_type_name();
    let kind = if own.is_complex() { "complex" } else { "real" };
    let words = if !dtype.is_floating_point() && !dtype.is_complex() {
        format!("dtype should be floating point or complex, but got {name}")
    } else if dtype.is_complex() != own.is_complex() {
        format!("dtype should be {kind} for {kind} inputs, but got {name}")
    } else if promote(own, dtype)? != dtype {
        let own = own.scalar_type_name();
        format!(
            "the dtype of the input ({own}) should be convertible without narrowing to the specified dtype ({name})"
        )
    } else {
        return Ok(());
    };
    Err(Fault::raised(format!("{function}: {words}")))
}

/// `linalg_norm`: of a vector if one dimension or no order is given, of a matrix otherwise.
pub(super) fn linalg_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let rank = tensor.sizes().len();
    let dtype = call.opt_dtype(4)?;
    let dims = call.opt_ints(2)?;
    if let Some(dims) = dims.as_ref().filter(|dims| !(1..=2).contains(&dims.len())) {
        return Err(Fault::raised(format!(
            "linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dims:?}"
        )));
    }
    let order = match call.value(1) {
        Value::Str(_) => return matrix_norm(call, "aten::linalg_matrix_norm.str_ord"),
        _ => call.opt_scalar(1)?,
    };
    let vector = dims.as_ref().map_or(rank == 1, |dims| dims.len() == 1);
    match order {
        None => of_vectors(call, Scalar::Int(2), dtype),
        Some(order) if vector => of_vectors(call, order, dtype),
        Some(_) => matrix_norm(call, "aten::linalg_matrix_norm"),
    }
}

/// Of the last two dimensions if none are given, which are all there may be then.
fn matrix_norm(call: &mut Call<'_>, full_name: &str) -> Result<Value, Fault> {
    let rank = call.tensor(0)?.sizes().len();
    if !call.given(2) && !(1..=2).contains(&rank) {
        return Err(Fault::raised(format!(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {rank}D."
        )));
    }
    let dims = if call.given(2) { call.args[2].clone() } else { call.int_list(&[-2, -1]) };
    let [x, order, _, keepdim, dtype] = &call.args[..5] else { unreachable!("five arguments") };
    let result = call.run_tensor(full_name, &[x.clone(), order.clone(), dims, keepdim.clone(), dtype.clone()])?;
    call.deliver(result)
}

/// The norm of the difference.
pub(super) fn dist(call: &mut Call<'_>) -> Result<Value, Fault> {
    let apart = call.run("aten::sub.Tensor", &call.args[..2])?;
    call.run("aten::norm.Scalar", &[apart, call.value(2).clone()])
}

/// Parts along a dimension, scaled down to a norm where theirs is greater.
pub(super) fn renorm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, p, limit) = (call.tensor(0)?, call.scalar(1)?, call.scalar(3)?);
    let (sizes, dtype) = (tensor.sizes(), tensor.dtype());
    let raised = |words: String| Err(Fault::raised(format!("renorm: {words}")));
    for (number, name) in [(p, "p"), (limit, "maxnorm")] {
        if matches!(number, Scalar::Complex(_)) {
            return raised(format!("{name} must be real-valued"));
        }
    }
    let limit = limit.to_f64();
    if p.to_f64() <= 0.0 {
        return raised("non-positive-norm not supported".into());
    }
    if limit < 0.0 {
        return raised(format!("expected maxnorm to be >= 0 but got {limit}"));
    }
    if sizes.len() < 2 {
        return raised(format!("input needs at least 2 dimensions, got {} dimensions", sizes.len()));
    }
    let dim = call.dim(2, sizes.len())?;
    let others: Vec<i64> = (0..sizes.len() as i64).filter(|&other| other != dim as i64).collect();
    // Halves are too small for the sum of many squares.
    let wide = if matches!(dtype, DType::Float16 | DType::BFloat16) { DType::Float32 } else { dtype };
    let others = call.int_list(&others);
    let over = [of(tensor), call.value(1).clone(), others, Value::Bool(true), Value::Int(wide.code())];
    let norms = call.run_tensor("aten::linalg_vector_norm", &over)?;
    let scale = |norm: &f64| if *norm > limit { limit / (norm + 1e-7) } else { 1.0 };
    let scales: Vec<f64> = call.read::<f64>(&norms)?.iter().map(scale).collect();
    let scales = call.create(dtype.of_parts(), &norms.sizes(), &scales)?;
    let scaled = call.run_tensor("aten::mul.Tensor", &[of(tensor), of(&scales)])?;
    let result = call.run_tensor("aten::contiguous", &[of(&scaled)])?;
    call.deliver(result)
}
