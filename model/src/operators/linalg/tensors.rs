//! Tensors as matrices, some dimensions as rows and the others as columns: their inverses and equations.

use super::super::compose::of;
use super::super::{Call, Fault, Kernel, out};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::linalg_tensorinv", inverse),
    ("aten::linalg_tensorinv.out", out::cast),
    ("aten::linalg_tensorsolve", solve),
    ("aten::linalg_tensorsolve.out", out::cast),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// The inverse of a tensor whose first dimensions are the rows of a square matrix.
fn inverse(call: &mut Call<'_>) -> Result {
    let (x, first) = (call.tensor(0)?, call.int(1)?);
    if first <= 0 {
        return raised(format!("Expected a strictly positive integer for 'ind', but got {first}"));
    }
    let sizes = x.sizes();
    if first as usize > sizes.len() {
        return raised(format!("ArrayRef: invalid slice, N = {first}; size = {}", sizes.len()));
    }
    let (rows, columns) = sizes.split_at(first as usize);
    let (height, width): (i64, i64) = (rows.iter().product(), columns.iter().product());
    if height != width {
        return raised(format!(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {width} != \
             {height}"
        ));
    }
    let square = call.int_list(&[height, width]);
    let matrix = call.run("aten::reshape", &[of(x), square])?;
    let inverse = call.run("aten::linalg_inv", &[matrix])?;
    let sizes = call.int_list(&[columns, rows].concat());
    call.run("aten::reshape", &[inverse, sizes])
}

/// The tensor whose product with the first, over its last dimensions, is the second.
fn solve(call: &mut Call<'_>) -> Result {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let rank = a.sizes().len();
    let mut matrix = a.clone();
    if let Some(dims) = call.opt_ints(2)? {
        let to: Vec<i64> = (rank as i64 - dims.len() as i64..rank as i64).collect();
        let (from, to) = (call.args[2].clone(), call.int_list(&to));
        matrix = call.run_tensor("aten::movedim.intlist", &[of(a), from, to])?;
    }
    let sizes = matrix.sizes()[b.sizes().len().min(rank)..].to_vec();
    let (unknowns, equations): (i64, i64) = (sizes.iter().product(), b.numel());
    if unknowns != equations || matrix.numel() != unknowns * equations {
        return raised(format!(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got \
             {unknowns} != {equations}"
        ));
    }
    let square = call.int_list(&[equations, unknowns]);
    let matrix = call.run("aten::reshape", &[of(&matrix), square])?;
    let flat = call.int_list(&[-1]);
    let right = call.run("aten::reshape", &[of(b), flat])?;
    let solution = call.run("aten::linalg_solve", &[matrix, right])?;
    let sizes = call.int_list(&sizes);
    call.run("aten::reshape", &[solution, sizes])
}
