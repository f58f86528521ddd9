//! Distances and angles between vectors, and the cross product.

use crate::operators::arguments::wrap_dim;
use crate::operators::compose::of;
use crate::operators::reduce::moments::norm_of;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault};
use crate::tensor::broadcast::broadcast;
use crate::tensor::promote::result_type;
use crate::tensor::{DType, Dims, Tensor};
use crate::value::Value;

/// The distance of every row of one batch to every row of the other.
pub(super) fn cdist(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, p) = (call.tensor(0)?, call.tensor(1)?, call.float(2)?);
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    for (name, tensor, sizes) in [("X1", a, &a_sizes), ("X2", b, &b_sizes)] {
        if !tensor.dtype().is_floating_point() {
            let name_of = tensor.dtype().scalar_type_name();
            return Err(Fault::raised(format!("cdist only supports floating-point dtypes, {name} got: {name_of}")));
        }
        if sizes.len() < 2 {
            return Err(Fault::raised(format!(
                "cdist only supports at least 2D tensors, {name} got: {}D",
                sizes.len()
            )));
        }
    }
    let (a_last, b_last) = (a_sizes.len() - 2, b_sizes.len() - 2);
    let (rows, columns, length) = (a_sizes[a_last], b_sizes[b_last], a_sizes[a_last + 1]);
    if length != b_sizes[b_last + 1] {
        let other = b_sizes[b_last + 1];
        return Err(Fault::raised(format!("X1 and X2 must have the same number of columns. X1: {length} X2: {other}")));
    }
    if p < 0.0 {
        return Err(Fault::raised("cdist only supports non-negative p values"));
    }
    let batch = broadcast(&a_sizes[..a_last], &b_sizes[..b_last])?;
    let with = |rows: i64| -> Dims { batch.iter().copied().chain([rows, length]).collect() };
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&with(rows), &memory)?, b.read_expanded::<f64>(&with(columns), &memory)?);
    let sizes: Dims = batch.iter().copied().chain([rows, columns]).collect();
    let result = call.zeros(result_type(a, b)?, &sizes)?;
    let (rows, columns, length) = (rows as usize, columns as usize, length as usize);
    let mut distances = Vec::with_capacity(result.numel() as usize);
    for i in 0..batch.iter().product::<i64>() as usize {
        for row in 0..rows {
            for column in 0..columns {
                let (u, v) = ((i * rows + row) * length, (i * columns + column) * length);
                let differences: Vec<f64> = (0..length).map(|k| x[u + k] - y[v + k]).collect();
                distances.push(norm_of(&differences, p));
            }
        }
    }
    result.store(&distances)?;
    Ok(Value::Tensor(result))
}

/// The distance of every row to every later one.
pub(super) fn pdist(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (x, p) = (call.tensor(0)?, call.float(1)?);
    let &[rows, length] = &x.sizes()[..] else {
        return Err(Fault::raised(format!("pdist only supports 2D tensors, got: {}D", x.sizes().len())));
    };
    if !x.dtype().is_floating_point() {
        return Err(Fault::raised("pdist only supports floating-point dtypes"));
    }
    if p < 0.0 {
        return Err(Fault::raised("pdist only supports non-negative p values"));
    }
    if matches!(x.dtype(), DType::Float16 | DType::BFloat16) {
        return Err(Fault::no_kernel(call.operator.name, x.dtype()));
    }
    let (elements, rows, length) = (call.read::<f64>(x)?, rows as usize, length as usize);
    let row = |i: usize| &elements[i * length..][..length];
    let _room = call.room::<f64>(&[rows, rows])?;
    let mut distances = Vec::with_capacity(rows * rows.saturating_sub(1) / 2);
    for i in 0..rows {
        for j in i + 1..rows {
            let differences: Vec<f64> = row(i).iter().zip(row(j)).map(|(a, b)| a - b).collect();
            distances.push(norm_of(&differences, p));
        }
    }
    call.create(x.dtype(), &[distances.len() as i64], &distances).map(Value::Tensor)
}

/// A number for each pair of lines along `dim` of two tensors that are broadcast.
fn pairs(
    call: &mut Call<'_>,
    (a, b): (&Tensor, &Tensor),
    dim: i64,
    keepdim: bool,
    number: impl Fn(&[f64], &[f64]) -> f64,
) -> Result<Tensor, Fault> {
    let sizes = broadcast(&a.sizes(), &b.sizes())?;
    let dim = wrap_dim(dim, sizes.len())?;
    let dtype = result_type(a, b)?;
    if !dtype.is_floating_point() {
        let name = dtype.scalar_type_name();
        return Err(Fault::raised(format!("expected common dtype to be floating point, yet common dtype is {name}")));
    }
    let memory = call.memory();
    let (x, y) = (a.read_expanded::<f64>(&sizes, &memory)?, b.read_expanded::<f64>(&sizes, &memory)?);
    let length = sizes.get(dim).copied().unwrap_or(1) as usize;
    let inner = sizes.iter().skip(dim + 1).product::<i64>() as usize;
    let outer = sizes.iter().take(dim).product::<i64>() as usize;
    let line = |from: &[f64], i: usize, j: usize| -> Vec<f64> {
        (0..length).map(|k| from[(i * length + k) * inner + j]).collect()
    };
    let _room = call.room::<f64>(&[outer, inner])?;
    let mut results = Vec::with_capacity(outer * inner);
    for i in 0..outer {
        for j in 0..inner {
            results.push(number(&line(&x, i, j), &line(&y, i, j)));
        }
    }
    let mut result_sizes = sizes;
    if keepdim && dim < result_sizes.len() {
        result_sizes[dim] = 1;
    } else if dim < result_sizes.len() {
        result_sizes.remove(dim);
    }
    call.create(dtype, &result_sizes, &results)
}

pub(super) fn cosine_similarity(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, dim, least) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?, call.float(3)?);
    let cosine = |x: &[f64], y: &[f64]| {
        let (x_norm, y_norm) = (norm_of(x, 2.0).max(least), norm_of(y, 2.0).max(least));
        x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + x / x_norm * (y / y_norm))
    };
    pairs(call, (a, b), dim, false, cosine).map(Value::Tensor)
}

pub(super) fn pairwise_distance(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, p, shift, keepdim) = (call.tensor(0)?, call.tensor(1)?, call.float(2)?, call.float(3)?, call.bool(4)?);
    let distance =
        |x: &[f64], y: &[f64]| norm_of(&x.iter().zip(y).map(|(x, y)| x - y + shift).collect::<Vec<f64>>(), p);
    pairs(call, (a, b), -1, keepdim, distance).map(Value::Tensor)
}

/// The sum of products along a dimension.
pub(super) fn vecdot(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, dim) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?);
    let (dtype, other) = (a.dtype(), b.dtype());
    let name = DType::scalar_type_name;
    if !dtype.is_floating_point() && !dtype.is_complex() {
        let words = "linalg.vecdot: Expected a floating point or complex tensor as input. Got";
        return Err(Fault::raised(format!("{words} {}", name(dtype))));
    }
    if dtype != other {
        let words = "linalg.vecdot: Expected x and y to have the same dtype, but found x of type";
        return Err(Fault::raised(format!("{words} {} and y of type {} instead", name(dtype), name(other))));
    }
    if let Some(out) = call.destination()?.target().map(Tensor::dtype).filter(|&out| out != dtype) {
        let (own, out) = (name(dtype), name(out));
        return Err(Fault::raised(format!("linalg.vecdot: Expected out of dtype{own} but found {out}")));
    }
    if dtype.is_complex() {
        let conjugates = call.run("aten::_conj_physical", &[of(a)])?;
        let products = call.run("aten::mul.Tensor", &[conjugates, of(b)])?;
        let dims = call.int_list(&[dim]);
        let sums = call.run_tensor("aten::sum.dim_IntList", &[products, dims, Value::Bool(false), Value::None])?;
        return call.deliver(sums);
    }
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).fold(0.0, |sum, (x, y)| sum + x * y);
    let result = pairs(call, (a, b), dim, false, dot)?;
    call.deliver(result)
}

/// `linalg_cross`, and `cross` whose dimension may be left out: then it is the first of size three.
pub(super) fn cross(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    let given = match call.opt_int(2)? {
        Some(dim) => dim,
        None => {
            let Some(dim) = a_sizes.iter().position(|&size| size == 3) else {
                return Err(Fault::raised("no dimension of size 3 in input"));
            };
            dim as i64
        }
    };
    if a_sizes.len() != b_sizes.len() {
        return Err(Fault::raised("linalg.cross: inputs must have the same number of dimensions."));
    }
    let dim = wrap_existing_dim(given, a_sizes.len())?;
    if a_sizes[dim] != 3 || b_sizes[dim] != 3 {
        let (x, y) = (a_sizes[dim], b_sizes[dim]);
        return Err(Fault::raised(format!(
            "linalg.cross: inputs dimension {given} must have length 3. Got {x} and {y}"
        )));
    }
    if a.dtype() != b.dtype() {
        let (first, second) = (a.dtype().scalar_type_name(), b.dtype().scalar_type_name());
        return Err(Fault::raised(format!("expected scalar type {first} but found {second}")));
    }
    if a.dtype() == DType::Bool {
        return Err(Fault::raised("\"cross\" not implemented for 'Bool'"));
    }
    let rolled = |call: &mut Call<'_>, x: &Tensor, by: i64| {
        let (by, dims) = (call.int_list(&[by]), call.int_list(&[dim as i64]));
        call.run("aten::roll", &[of(x), by, dims])
    };
    // Each component is made of the two others in order.
    let mut product = |next: i64, last: i64| {
        let factors = [rolled(call, a, next)?, rolled(call, b, last)?];
        call.run("aten::mul.Tensor", &factors)
    };
    let products = [product(-1, -2)?, product(-2, -1)?, Value::Int(1)];
    let result = call.run_tensor("aten::sub.Tensor", &products)?;
    call.deliver(result)
}
