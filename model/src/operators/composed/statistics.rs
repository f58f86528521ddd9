//! Differences, integrals and covariances.

use super::of;
use crate::operators::arguments::wrap_dim;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault, Kernel, out};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::corrcoef", corrcoef),
    ("aten::cov", cov),
    ("aten::cumulative_trapezoid.dx", |call| trapezoid(call, true)),
    ("aten::cumulative_trapezoid.x", |call| trapezoid(call, true)),
    ("aten::diff", diff),
    ("aten::diff.out", out::cast),
    ("aten::trapezoid.dx", |call| trapezoid(call, false)),
    ("aten::trapezoid.x", |call| trapezoid(call, false)),
    ("aten::trapz.dx", |call| trapezoid(call, false)),
    ("aten::trapz.x", |call| trapezoid(call, false)),
];

/// A part of a tensor along a dimension.
fn slice(call: &mut Call<'_>, x: &Tensor, dim: usize, from: i64, to: i64) -> Result<Tensor> {
    call.run_tensor("aten::slice.Tensor", &[of(x), Value::Int(dim as i64), Value::Int(from), Value::Int(to)])
}

/// Differences of neighbours, `n` times over.
fn diff(call: &mut Call<'_>) -> Result {
    let (x, n) = (call.tensor(0)?, call.int(1)?);
    if x.sizes().is_empty() {
        return Err(Fault::raised("diff expects input to be at least one-dimensional"));
    }
    let dim = wrap_dim(call.int(2)?, x.sizes().len())?;
    if n < 0 {
        return Err(Fault::raised(format!("order must be non-negative but got {n}")));
    }
    let parts: Vec<Tensor> =
        [call.opt_tensor(3)?, Some(x), call.opt_tensor(4)?].into_iter().flatten().cloned().collect();
    let mut result = if parts.len() == 1 {
        call.run_tensor("aten::clone", &[of(x)])?
    } else {
        let parts = call.tensor_list(parts);
        call.run_tensor("aten::cat", &[parts, Value::Int(dim as i64)])?
    };
    for _ in 0..n.min(result.sizes()[dim]) {
        let size = result.sizes()[dim];
        let (next, own) = (slice(call, &result, dim, 1, size)?, slice(call, &result, dim, 0, size - 1)?);
        let name = if result.dtype() == DType::Bool { "aten::logical_xor" } else { "aten::sub.Tensor" };
        result = call.run_tensor(name, &[of(&next), of(&own)])?;
    }
    Ok(Value::Tensor(result))
}

/// The integral by trapezoids, in all or up to each point.
fn trapezoid(call: &mut Call<'_>, cumulated: bool) -> Result {
    let (y, dim) = (call.tensor(0)?, call.int(2)?);
    let dim = wrap_dim(dim, y.sizes().len())?;
    let size = y.sizes().get(dim).copied().unwrap_or(1);
    if size == 0 && !cumulated {
        let mut sizes = y.sizes();
        sizes.remove(dim);
        return call.zeros(y.dtype(), &sizes).map(Value::Tensor);
    }
    let (left, right) = (slice(call, y, dim, 0, size - 1)?, slice(call, y, dim, 1, size)?);
    let sums = call.run("aten::add.Tensor", &[of(&left), of(&right)])?;
    let areas = match call.value(1) {
        Value::Tensor(x) => {
            let x_dim = if x.sizes().len() == 1 { 0 } else { wrap_existing_dim(call.int(2)?, x.sizes().len())? };
            let points = x.sizes()[x_dim];
            if points != size {
                return Err(Fault::raised("There must be one `x` value for each sample point"));
            }
            let (from, to) = (slice(call, x, x_dim, 0, points - 1)?, slice(call, x, x_dim, 1, points)?);
            let mut widths = call.run_tensor("aten::sub.Tensor", &[of(&to), of(&from)])?;
            if x.sizes().len() == 1 {
                let mut sizes = vec![1; y.sizes().len()];
                sizes[dim] = points - 1;
                let sizes = call.int_list(&sizes);
                widths = call.run_tensor("aten::reshape", &[of(&widths), sizes])?;
            }
            call.run("aten::mul.Tensor", &[sums, of(&widths)])?
        }
        width => call.run("aten::mul.Scalar", &[sums, width.clone()])?,
    };
    let summed = if cumulated {
        call.run("aten::cumsum", &[areas, Value::Int(dim as i64)])?
    } else {
        let dims = call.int_list(&[dim as i64]);
        call.run("aten::sum.dim_IntList", &[areas, dims])?
    };
    call.run("aten::div.Scalar", &[summed, Value::Float(2.0)])
}

/// How variables, one a row, vary together.
fn cov(call: &mut Call<'_>) -> Result {
    let (x, correction) = (call.tensor(0)?, call.int(1)?);
    let sizes = x.sizes();
    if sizes.len() > 2 {
        let rank = sizes.len();
        return Err(Fault::raised(format!(
            "cov(): expected input to have two or fewer dimensions but got an input with {rank} dimensions"
        )));
    }
    if x.dtype() == DType::Bool {
        return Err(Fault::raised("cov(): bool dtype is not supported for input"));
    }
    if x.dtype().is_complex() {
        return Err(Fault::no_kernel("aten::cov", x.dtype()));
    }
    let dtype = if x.dtype().is_floating_point() { x.dtype() } else { DType::Float32 };
    let (variables, samples) = match sizes[..] {
        [rows, columns] => (rows as usize, columns as usize),
        _ => (1, x.numel() as usize),
    };
    let mut weights = vec![1.0; samples];
    for i in [2, 3] {
        if let Some(given) = call.opt_tensor(i)? {
            if given.numel() as usize != samples {
                let name = if i == 2 { "fweights" } else { "aweights" };
                return Err(Fault::raised(format!(
                    "cov(): expected {name} to have the same numel as there are observations in the input but got {} != {samples}",
                    given.numel()
                )));
            }
            weights.iter_mut().zip(&*call.read::<f64>(given)?).for_each(|(weight, given)| *weight *= given);
        }
    }
    let total: f64 = weights.iter().sum();
    let data = call.read::<f64>(x)?;
    let mean = |row: &[f64]| row.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() / total;
    let centered: Vec<Vec<f64>> = (0..variables)
        .map(|v| &data[v * samples..(v + 1) * samples])
        .map(|row| row.iter().map(|x| x - mean(row)).collect())
        .collect();
    let squares = match (call.opt_tensor(3)?, correction) {
        (None, _) | (_, 0) => total,
        (Some(analytic), _) => {
            let analytic = call.read::<f64>(analytic)?;
            weights.iter().zip(&*analytic).map(|(w, a)| w * a).sum::<f64>() / total
        }
    };
    let norm =
        if call.given(3) && correction != 0 { total - correction as f64 * squares } else { total - correction as f64 };
    let norm = norm.max(0.0);
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(&weights).map(|((a, b), w)| a * b * w).sum::<f64>() / norm;
    let elements: Vec<f64> = centered.iter().flat_map(|a| centered.iter().map(|b| product(a, b))).collect();
    let sizes = if sizes.len() == 2 { vec![variables as i64; 2] } else { Vec::new() };
    call.create(dtype, &sizes, &elements).map(Value::Tensor)
}

/// Covariances divided by both deviations, kept between minus one and one.
fn corrcoef(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    if x.sizes().len() > 2 {
        let rank = x.sizes().len();
        return Err(Fault::raised(format!(
            "corrcoef(): expected input to have two or fewer dimensions but got an input with {rank} dimensions"
        )));
    }
    let covariance = call.run_tensor("aten::cov", &[of(x)])?;
    let elements = call.read::<f64>(&covariance)?.to_vec();
    let n = if covariance.sizes().is_empty() { 1 } else { covariance.sizes()[0] as usize };
    let deviation = |i: usize| elements[i * n + i].sqrt();
    let ratio = |i: usize, j: usize| (elements[i * n + j] / deviation(i) / deviation(j)).clamp(-1.0, 1.0);
    let ratios: Vec<f64> = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| ratio(i, j)).collect();
    call.create(covariance.dtype(), &covariance.sizes(), &ratios).map(Value::Tensor)
}
