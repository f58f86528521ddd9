//! Variances, deviations and norms.

use super::number::sum;
use super::rows::{Reduced, Rows};
use super::sums::over;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
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
        return Ok(call.opt_scalar(i)?.map_or(1.0, |correction| correction.to_f64()));
    }
    let unbiased = call.position("unbiased").expect("an overload with `unbiased` or `correction`");
    Ok(if call.bool(unbiased)? { 1.0 } else { 0.0 })
}

/// The variances or deviations, and the means.
fn moments(call: &mut Call<'_>, wanted: Wanted) -> Result<(Tensor, Tensor), Fault> {
    let tensor = call.tensor(0)?;
    let dtype = tensor.dtype();
    if dtype.is_complex() {
        return Err(Fault::no_kernel(call.operator.name, dtype));
    }
    if !dtype.is_floating_point() {
        let name = call.operator.name.trim_start_matches("aten::");
        let who = if name.ends_with("_mean") { name } else { "std and var" };
        return Err(Fault::raised(format!("{who} only support floating point and complex dtypes")));
    }
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
    let p = call.opt_scalar(1)?.map_or(2.0, |p| p.to_f64());
    let dtype = call.position("dtype").map_or(Ok(tensor.dtype()), |i| call.dtype(i))?;
    check_float(tensor, "norm(): input dtype should be either floating point or complex")?;
    let over = over(call)?;
    norms(call, tensor, p, over, dtype)
}

fn check_float(tensor: &Tensor, words: &str) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    if dtype.is_floating_point() || dtype.is_complex() {
        return Ok(());
    }
    Err(Fault::raised(format!("{words}. Got {} instead.", dtype.scalar_type_name())))
}

pub(super) fn frobenius_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let over = over(call)?;
    norms(call, tensor, 2.0, over, tensor.dtype())
}

pub(super) fn vector_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, p) = (call.tensor(0)?, call.scalar(1)?.to_f64());
    let dtype = call.dtype_or(4, tensor.dtype())?;
    check_float(tensor, "linalg.vector_norm: Expected a floating point or complex tensor as input")?;
    let over = over(call)?;
    if (p.is_infinite() || p < 0.0) && over.0.empty_dim(&tensor.sizes()).is_some() {
        return Err(Fault::raised(format!(
            "linalg.vector_norm cannot compute the {p} norm on an empty tensor because the operation does not have an \
             identity"
        )));
    }
    norms(call, tensor, p, over, dtype)
}

/// `linalg_norm`: of a vector if one dimension or no order is given, of a matrix otherwise.
pub(super) fn linalg_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let rank = tensor.sizes().len();
    check_float(tensor, "linalg.norm: Expected a floating point or complex tensor as input")?;
    let dtype = call.dtype_or(4, tensor.dtype())?;
    let dims = call.opt_ints(2)?;
    if let Some(dims) = dims.as_ref().filter(|dims| !(1..=2).contains(&dims.len())) {
        return Err(Fault::raised(format!(
            "linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dims:?}"
        )));
    }
    let over = over(call)?;
    let order = match call.value(1) {
        Value::Str(_) => return matrix_norm(call, "aten::linalg_matrix_norm.str_ord"),
        _ => call.opt_scalar(1)?.map(|order| order.to_f64()),
    };
    let vector = dims.as_ref().map_or(rank == 1, |dims| dims.len() == 1);
    match order {
        None => norms(call, tensor, 2.0, over, dtype),
        Some(p) if vector => norms(call, tensor, p, over, dtype),
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
    let (a, b, p) = (call.tensor(0)?, call.tensor(1)?, call.scalar(2)?.to_f64());
    let sizes = crate::tensor::broadcast::broadcast(&a.sizes(), &b.sizes())?;
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let differences: Vec<f64> = x.iter().zip(&*y).map(|(x, y)| x - y).collect();
    let dtype = crate::tensor::promote::result_type(a, b)?;
    let result = call.create(dtype, &[], &[norm_of(&differences, p)])?;
    call.deliver(result)
}

/// Parts along a dimension, scaled down to a norm where theirs is greater.
pub(super) fn renorm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, p, limit) = (call.tensor(0)?, call.scalar(1)?.to_f64(), call.scalar(3)?.to_f64());
    let sizes = tensor.sizes();
    if sizes.len() < 2 {
        let found = sizes.len();
        return Err(Fault::raised(format!("renorm: input needs at least 2 dimensions, got {found} dimensions")));
    }
    let dim = call.dim(2, sizes.len())?;
    let elements = tensor.to_f64s(&call.memory())?;
    let inner: usize = sizes[dim + 1..].iter().product::<i64>() as usize;
    let part = |i: usize| i / inner.max(1) % sizes[dim].max(1) as usize;
    let mut parts = vec![Vec::new(); sizes[dim] as usize];
    elements.iter().enumerate().for_each(|(i, &x)| parts[part(i)].push(x));
    let scale = |numbers: &Vec<f64>| {
        let norm = norm_of(numbers, p);
        if norm > limit { limit / (norm + 1e-7) } else { 1.0 }
    };
    let scales: Vec<f64> = parts.iter().map(scale).collect();
    let scaled: Vec<f64> = elements.iter().enumerate().map(|(i, x)| x * scales[part(i)]).collect();
    let result = call.create(tensor.dtype(), &sizes, &scaled)?;
    call.deliver(result)
}
