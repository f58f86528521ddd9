//! Norms of matrices, and how much one may enlarge errors, of other operators as PyTorch composes them.

use super::super::arguments::wrap_dim;
use super::super::compose::of;
use super::super::reduce::moments::check_norm_dtype;
use super::super::{Call, Fault, Kernel};
use super::factor::check_sizes;
use crate::tensor::Tensor;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::linalg_cond", cond),
    ("aten::linalg_cond.p_str", cond),
    ("aten::linalg_matrix_norm", |call| norm(call, 1)),
    ("aten::linalg_matrix_norm.str_ord", |call| norm(call, 1)),
    ("aten::nuclear_norm.dim", |call| {
        let args = [call.args[0].clone(), Value::Str("nuc".into()), call.args[1].clone(), call.args[2].clone()];
        call.run("aten::linalg_matrix_norm.str_ord", &args)
    }),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// What a norm is made of.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    /// The root of the sum of squares.
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// The greatest (or least) singular value.
    Singular(bool),
    /// The greatest (or least) sum of a column, or of a row.
    Sums { greatest: bool, of_rows: bool },
}

fn order(value: &Value) -> Result<Order> {
    let (named, number) = match value {
        Value::Str(name) => (name.to_string(), f64::NAN),
        Value::Int(number) => (number.to_string(), *number as f64),
        Value::Float(number) => (number.to_string(), *number),
        Value::Bool(number) => (u8::from(*number).to_string(), f64::from(u8::from(*number))),
        Value::Complex(_) => return raised("linalg.matrix_norm: Expected a non-complex scalar as the order of norm."),
        other => return Err(Fault::unsupported(format!("a norm of order {other:?}"))),
    };
    let greatest = number > 0.0;
    match (&*named, number.abs()) {
        ("fro", _) => Ok(Order::Frobenius),
        ("nuc", _) => Ok(Order::Nuclear),
        (_, 2.0) => Ok(Order::Singular(greatest)),
        (_, size) if size == 1.0 || size.is_infinite() => Ok(Order::Sums { greatest, of_rows: size != 1.0 }),
        _ => raised(format!("linalg.matrix_norm: Order {named} not supported.")),
    }
}

/// The order is argument `i`; dimensions, `keepdim` and the dtype follow it.
fn norm(call: &mut Call<'_>, i: usize) -> Result {
    let (x, order) = (call.tensor(0)?, order(call.value(i))?);
    let (sizes, dtype) = (x.sizes(), x.dtype());
    if sizes.len() < 2 {
        return raised("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.");
    }
    if !dtype.is_floating_point() && !dtype.is_complex() {
        let name = dtype.scalar_type_name();
        return raised(format!("linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {name}"));
    }
    let dims = call.ints(i + 1)?;
    let &[first, second] = &dims[..] else {
        return raised(format!("linalg.matrix_norm: dim must be a 2-tuple. Got {dims:?}"));
    };
    let (first, second) = (wrap_dim(first, sizes.len())?, wrap_dim(second, sizes.len())?);
    if first == second {
        return raised(format!("linalg.matrix_norm: dims must be different. Got ({first}, {second})"));
    }
    let x = match call.value(i + 3) {
        Value::None => x.clone(),
        given => {
            check_norm_dtype("linalg.matrix_norm", dtype, call.dtype(i + 3)?)?;
            call.run_tensor("aten::to.dtype", &[of(x), given.clone()])?
        }
    };
    let keepdim = call.args[i + 2].clone();
    match order {
        Order::Frobenius => {
            let dims = call.int_list(&[first as i64, second as i64]);
            call.run("aten::linalg_vector_norm", &[of(&x), Value::Int(2), dims, keepdim])
        }
        Order::Sums { greatest, of_rows } => {
            let (summed, compared) = if of_rows { (second, first) } else { (first, second) };
            sums(call, &x, (summed as i64, compared as i64), greatest, keepdim)
        }
        _ => of_singular_values(call, &x, (first, second), order, keepdim),
    }
}

/// The greatest or least of some values along dimensions.
fn extreme(call: &mut Call<'_>, values: Value, dim: i64, greatest: bool, keepdim: Value) -> Result {
    let dim = call.int_list(&[dim]);
    call.run(if greatest { "aten::amax" } else { "aten::amin" }, &[values, dim, keepdim])
}

fn sums(call: &mut Call<'_>, x: &Tensor, (summed, compared): (i64, i64), greatest: bool, keepdim: Value) -> Result {
    let dims = call.int_list(&[summed]);
    let sums = call.run("aten::linalg_vector_norm", &[of(x), Value::Int(1), dims, keepdim.clone()])?;
    // A dimension that is gone moves those behind it.
    let gone = matches!(keepdim, Value::Bool(false)) && compared > summed;
    extreme(call, sums, compared - gone as i64, greatest, keepdim)
}

fn of_singular_values(
    call: &mut Call<'_>,
    x: &Tensor,
    (first, second): (usize, usize),
    order: Order,
    keepdim: Value,
) -> Result {
    let rank = x.sizes().len();
    let others = (0..rank).filter(|&dim| dim != first && dim != second);
    let moved: Vec<i64> = others.chain([first, second]).map(|dim| dim as i64).collect();
    let dims = call.int_list(&moved);
    let matrices = call.run("aten::permute", &[of(x), dims])?;
    let values = call.run("aten::linalg_svdvals", &[matrices])?;
    let result = if let Order::Singular(greatest) = order {
        extreme(call, values, -1, greatest, keepdim.clone())?
    } else {
        let dim = call.int_list(&[-1]);
        call.run("aten::sum.dim_IntList", &[values, dim, keepdim.clone()])?
    };
    if !matches!(keepdim, Value::Bool(true)) {
        return Ok(result);
    }
    let result = call.run("aten::unsqueeze", &[result, Value::Int(-1)])?;
    let mut back = vec![0; rank];
    moved.iter().enumerate().for_each(|(to, &from)| back[from as usize] = to as i64);
    let back = call.int_list(&back);
    call.run("aten::permute", &[result, back])
}

/// How much a matrix may enlarge errors: the norm, times that of the inverse.
fn cond(call: &mut Call<'_>) -> Result {
    let (x, p) = (call.args[0].clone(), call.args[1].clone());
    let by_values = match &p {
        Value::None => Some(true),
        p => match order(p)? {
            Order::Singular(greatest) => Some(greatest),
            _ => None,
        },
    };
    if let Some(greatest) = by_values {
        let values = call.run("aten::linalg_svdvals", &[x])?;
        let end = |call: &mut Call<'_>, i: i64| {
            call.run("aten::select.int", &[values.clone(), Value::Int(-1), Value::Int(i)])
        };
        let (most, least) = (end(call, 0)?, end(call, -1)?);
        let (above, below) = if greatest { (most, least) } else { (least, most) };
        return call.run("aten::div.Tensor", &[above, below]);
    }
    check_sizes(&call.tensor(0)?.sizes(), "linalg.cond", true)?;
    let inverse = call.run_tensors("aten::linalg_inv_ex", std::slice::from_ref(&x))?;
    // Where there is no inverse its elements are infinite.
    let mut failed = call.run("aten::gt.Scalar", &[of(&inverse[1]), Value::Int(0)])?;
    for _ in 0..2 {
        failed = call.run("aten::unsqueeze", &[failed, Value::Int(-1)])?;
    }
    let infinite = Value::Float(f64::INFINITY);
    let inverse = call.run("aten::masked_fill.Scalar", &[of(&inverse[0]), failed, infinite.clone()])?;
    let name = if matches!(p, Value::Str(_)) { "aten::linalg_matrix_norm.str_ord" } else { "aten::linalg_matrix_norm" };
    let (own, other) = (call.run(name, &[x, p.clone()])?, call.run(name, &[inverse, p])?);
    let product = call.run("aten::mul.Tensor", &[own, other])?;
    call.run("aten::nan_to_num", &[product, infinite.clone(), infinite.clone(), infinite])
}
