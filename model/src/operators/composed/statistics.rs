//! Differences, integrals and covariances.

use super::of;
use crate::operators::arguments::wrap_dim;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault, Kernel, out};
use crate::tensor::{DType, Scalar, Tensor};
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

/// What is put before or behind has the sizes of the rest.
fn check_part(call: &Call<'_>, x: &Tensor, part: &Tensor) -> Result<()> {
    let (sizes, found) = (x.sizes(), part.sizes());
    let dim = wrap_dim(call.int(2)?, sizes.len())?;
    if sizes.len() != found.len() {
        return Err(Fault::raised("diff expects prepend or append to be the same dimension as input"));
    }
    match (0..sizes.len()).find(|&i| i != dim && sizes[i] != found[i]) {
        None => Ok(()),
        Some(i) => Err(Fault::raised(format!(
            "diff expects the shape of tensor to prepend or append to match that of input except along the differencing \
             dimension; input.size({i}) = {}, but got tensor.size({i}) = {}",
            sizes[i], found[i]
        ))),
    }
}

/// Differences of neighbours, `n` times over.
fn diff(call: &mut Call<'_>) -> Result {
    let (x, n) = (call.tensor(0)?, call.int(1)?);
    if x.sizes().is_empty() {
        return Err(Fault::raised("diff expects input to be at least one-dimensional"));
    }
    if n < 0 {
        return Err(Fault::raised(format!("order must be non-negative but got {n}")));
    }
    let (before, after) = (call.opt_tensor(3)?, call.opt_tensor(4)?);
    [before, after].into_iter().flatten().try_for_each(|part| check_part(call, x, part))?;
    if n == 0 {
        return call.run("aten::clone", &[of(x)]);
    }
    let dim = wrap_dim(call.int(2)?, x.sizes().len())?;
    let parts: Vec<Tensor> = [before, Some(x), after].into_iter().flatten().cloned().collect();
    let mut result = x.clone();
    if parts.len() > 1 {
        let parts = call.tensor_list(parts);
        result = call.run_tensor("aten::cat", &[parts, Value::Int(dim as i64)])?;
    }
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
    let (rank, name) = (y.sizes().len(), if cumulated { "cumulative_trapezoid" } else { "trapezoid" });
    let raised = |words: &str| Err(Fault::raised(format!("{name}: {words}")));
    let given = if let Value::Tensor(x) = call.value(1) { Some(x) } else { None };
    if !cumulated {
        let dim = wrap_existing_dim(dim, rank)?;
        if y.sizes()[dim] == 0 {
            let mut sizes = y.sizes();
            sizes.remove(dim);
            return call.zeros(y.dtype(), &sizes).map(Value::Tensor);
        }
    }
    if y.dtype() == DType::Bool || given.is_some_and(|x| x.dtype() == DType::Bool) {
        let which = if given.is_some() { "`x` or `y`" } else { "`y`" };
        return raised(&format!("received a bool input for {which}, but bool is not supported"));
    }
    let dim = wrap_existing_dim(dim, rank)?;
    let widths = match given {
        Some(x) => {
            let sizes = x.sizes();
            let mut padded = vec![1; rank.saturating_sub(sizes.len())];
            padded.extend(&sizes);
            if sizes.len() == 1 {
                if sizes[0] != y.sizes()[dim] {
                    return raised("There must be one `x` value for each sample point");
                }
                padded = vec![1; rank];
                padded[dim] = sizes[0];
            }
            let padded = call.int_list(&padded);
            let x = call.run_tensor("aten::reshape", &[of(x), padded])?;
            let (from, to) = neighbours(call, &x, dim)?;
            call.run("aten::sub.Tensor", &[of(&to), of(&from)])?
        }
        None if matches!(call.scalar(1)?, Scalar::Complex(_) | Scalar::Bool(_)) => {
            return raised("Currently, we only support dx as a real number.");
        }
        None => call.value(1).clone(),
    };
    let (left, right) = neighbours(call, y, dim)?;
    let sums = call.run("aten::add.Tensor", &[of(&left), of(&right)])?;
    let product = if given.is_some() { "aten::mul.Tensor" } else { "aten::mul.Scalar" };
    let areas = call.run(product, &[sums, widths])?;
    let summed = if cumulated {
        call.run("aten::cumsum", &[areas, Value::Int(dim as i64)])?
    } else {
        let dims = call.int_list(&[dim as i64]);
        call.run("aten::sum.dim_IntList", &[areas, dims])?
    };
    call.run("aten::div.Scalar", &[summed, Value::Float(2.0)])
}

/// All points but the last, and all but the first.
fn neighbours(call: &mut Call<'_>, x: &Tensor, dim: usize) -> Result<(Tensor, Tensor)> {
    Ok((slice(call, x, dim, 0, -1)?, slice(call, x, dim, 1, i64::MAX)?))
}

/// A vector of weights, one for each observation.
fn weights(call: &Call<'_>, i: usize, observations: i64) -> Result<Option<Value>> {
    let Some(weights) = call.opt_tensor(i)? else { return Ok(None) };
    let (name, kind) = if i == 2 { ("fweights", "integral") } else { ("aweights", "floating point") };
    let raised = |words: String| Err(Fault::raised(format!("cov(): {words}")));
    let (rank, dtype) = (weights.sizes().len(), weights.dtype());
    if rank > 1 {
        return raised(format!(
            "expected {name} to have one or fewer dimensions but got {name} with {rank} dimensions"
        ));
    }
    if !(if i == 2 { dtype.is_integral() } else { dtype.is_floating_point() }) {
        let found = dtype.scalar_type_name();
        return raised(format!("expected {name} to have {kind} dtype but got {name} with {found} dtype"));
    }
    if weights.numel() != observations {
        return raised(format!(
            "expected {name} to have the same numel as there are observations in the input but got {} != {observations}",
            weights.numel()
        ));
    }
    if call.read::<f64>(weights)?.iter().any(|&weight| weight < 0.0) {
        return raised(format!("{name} cannot be negative"));
    }
    Ok(Some(of(weights)))
}

/// How variables, one a row, vary together.
fn cov(call: &mut Call<'_>) -> Result {
    let (x, correction) = (call.tensor(0)?, call.int(1)?);
    let rank = x.sizes().len();
    if rank > 2 {
        return Err(Fault::raised(format!(
            "cov(): expected input to have two or fewer dimensions but got an input with {rank} dimensions"
        )));
    }
    if x.dtype() == DType::Bool {
        return Err(Fault::raised("cov(): bool dtype is not supported for input"));
    }
    let row = call.int_list(&[1, -1]);
    let rows = if rank < 2 { call.run_tensor("aten::reshape", &[of(x), row])? } else { x.clone() };
    let observations = rows.sizes()[1];
    let (often, much) = (weights(call, 2, observations)?, weights(call, 3, observations)?);
    let weights = match (often, &much) {
        (Some(often), Some(much)) => Some(call.run("aten::mul.Tensor", &[often, much.clone()])?),
        (often, much) => often.or(much.clone()),
    };
    let weighted = |call: &mut Call<'_>, x: &Tensor| match &weights {
        Some(weights) => call.run("aten::mul.Tensor", &[of(x), weights.clone()]),
        None => Ok(of(x)),
    };
    let number = |call: &mut Call<'_>, x: Value| match call.run("aten::sum", &[x])? {
        Value::Tensor(sum) => Ok(call.read::<f64>(&sum)?[0]),
        other => Err(Fault::unsupported(format!("a sum that is {other:?}"))),
    };
    let total = match &weights {
        Some(weights) => number(call, weights.clone())?,
        None => observations as f64,
    };
    if weights.is_some() && total == 0.0 {
        return Err(Fault::raised("cov(): weights sum to zero, can't be normalized"));
    }
    let mut norm = total - correction as f64;
    if let (Some(weights), Some(much), true) = (&weights, much, correction != 0) {
        let squares = call.run("aten::mul.Tensor", &[weights.clone(), much])?;
        norm = total - correction as f64 * number(call, squares)? / total;
    }
    let products = weighted(call, &rows)?;
    let along = call.int_list(&[1]);
    let sums = call.run("aten::sum.dim_IntList", &[products, along])?;
    let means = call.run("aten::div.Scalar", &[sums, Value::Float(total)])?;
    let means = call.run("aten::unsqueeze", &[means, Value::Int(1)])?;
    let centered = call.run_tensor("aten::sub.Tensor", &[of(&rows), means])?;
    let products = weighted(call, &centered)?;
    let products = call.run("aten::conj_physical", &[products])?;
    let products = call.run("aten::t", &[products])?;
    let squares = call.run("aten::mm", &[of(&centered), products])?;
    let covariance = call.run("aten::div.Scalar", &[squares, Value::Float(norm.max(0.0))])?;
    let covariance = call.run("aten::squeeze", &[covariance])?;
    call.run("aten::clone", &[covariance])
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
    let mut ratios = call.run_tensor("aten::cov", &[of(x)])?;
    if ratios.sizes().is_empty() {
        return call.run("aten::div.Tensor", &[of(&ratios), of(&ratios)]);
    }
    let complex = ratios.dtype().is_complex();
    let variances = call.run("aten::diagonal", &[of(&ratios)])?;
    let variances = if complex { call.run("aten::real", &[variances])? } else { variances };
    let deviations = call.run("aten::sqrt", &[variances])?;
    for dim in [1, 0] {
        let deviations = call.run("aten::unsqueeze", &[deviations.clone(), Value::Int(dim)])?;
        ratios = call.run_tensor("aten::div.Tensor", &[of(&ratios), deviations])?;
    }
    let clip = |call: &mut Call<'_>, x: Value| call.run("aten::clamp", &[x, Value::Float(-1.0), Value::Float(1.0)]);
    if !complex {
        return clip(call, of(&ratios));
    }
    let (re, im) = (call.run("aten::real", &[of(&ratios)])?, call.run("aten::imag", &[of(&ratios)])?);
    let (re, im) = (clip(call, re)?, clip(call, im)?);
    call.run("aten::complex", &[re, im])
}
