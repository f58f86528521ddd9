//! Factors in the form that LAPACK stores them in: made, unpacked, multiplied, solved with.

use super::super::results::tuple;
use super::super::{Call, Fault, Kernel};
use super::factor::{Batch, Lu, Matrix, Reflections, parts_of, product_of, reflect, reflections_of, size_of};
use super::field::{Field, by_field};
use crate::tensor::DType;
use crate::tensor::broadcast::{broadcast, expands_to};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::geqrf", by_field!(stored_qr)),
    ("aten::linalg_householder_product", by_field!(householder_product)),
    ("aten::linalg_lu_solve", by_field!(lu_solve)),
    ("aten::lu_solve", by_field!(older_lu_solve)),
    ("aten::lu_unpack", by_field!(lu_unpack)),
    ("aten::orgqr", by_field!(householder_product)),
    ("aten::ormqr", by_field!(times_q)),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// The factors at a position with their pivots, for a batch of these sizes.
fn factors<T: Field>(call: &Call<'_>, [lu, pivots]: [usize; 2], batch: &[i64]) -> Result<Vec<Lu<T>>> {
    let (rows, columns) = size_of(call, lu)?;
    let steps = rows.min(columns);
    let mut sizes = batch.to_vec();
    sizes.push(steps as i64);
    let found = call.tensor(pivots)?.sizes();
    if !expands_to(&found, &sizes) {
        return raised(format!("pivots of sizes {sizes:?} were expected for this matrix, but got {found:?}"));
    }
    let exchanged = call.tensor(pivots)?.read_expanded::<i64>(&sizes, &call.memory())?;
    if exchanged.iter().any(|&row| !(1..=rows as i64).contains(&row)) {
        return raised("pivots passed to lu_unpack must be between 1 and LU.size(-2) inclusive.");
    }
    let matrices = Batch::<T>::read(call, call.tensor(lu)?, batch.into())?.matrices;
    let of = |(i, factors): (usize, Matrix<T>)| {
        let pivots = exchanged[i * steps..][..steps].iter().map(|&row| row as usize - 1).collect();
        Lu { factors, pivots, zero: None }
    };
    Ok(matrices.into_iter().enumerate().map(of).collect())
}

fn check_pivots(call: &Call<'_>, i: usize, name: &str) -> Result<()> {
    match call.tensor(i)?.dtype() {
        DType::Int32 => Ok(()),
        _ => raised(format!("{name} should be a Tensor of scalar type torch.int32")),
    }
}

fn lu_solve<T: Field>(call: &mut Call<'_>) -> Result {
    let (left, adjoint) = (call.bool(3)?, call.bool(4)?);
    solve_by_factors::<T>(call, [0, 1, 2], left, adjoint)
}

fn older_lu_solve<T: Field>(call: &mut Call<'_>) -> Result {
    solve_by_factors::<T>(call, [1, 2, 0], true, false)
}

/// Solves `A X = B` or `X A = B`, or the same with `A*`, by the factors of `A`.
fn solve_by_factors<T: Field>(call: &mut Call<'_>, [lu, pivots, b]: [usize; 3], left: bool, adjoint: bool) -> Result {
    let batch = Batch::<T>::of(call, lu, "torch.linalg.lu_solve", true)?;
    let right = Batch::<T>::of(call, b, "torch.linalg.lu_solve", false)?;
    if batch.dtype != right.dtype {
        return raised(format!(
            "linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {} and B of type {} instead",
            batch.dtype.scalar_type_name(),
            right.dtype.scalar_type_name()
        ));
    }
    check_pivots(call, pivots, "linalg.lu_solve: pivots")?;
    let ((n, _), (rows, columns)) = (size_of(call, lu)?, size_of(call, b)?);
    if n != if left { rows } else { columns } {
        return raised(format!(
            "linalg.lu_solve: Incompatible shapes of A and B for the equation {} ({n}x{n} and {rows}x{columns})",
            if left { "AX = B" } else { "XA = B" }
        ));
    }
    let together = broadcast(&batch.sizes, &right.sizes)?;
    let factors = factors::<T>(call, [lu, pivots], &together)?;
    let right = Batch::<T>::read(call, call.tensor(b)?, together)?;
    let solved = |(lu, b): (&Lu<T>, &Matrix<T>)| match (left, adjoint) {
        (true, false) => lu.solve(b.clone()),
        (true, true) => lu.solve_adjoint(b.clone()),
        (false, false) => lu.solve_adjoint(b.adjoint()).adjoint(),
        (false, true) => lu.solve(b.adjoint()).adjoint(),
    };
    let results: Vec<Matrix<T>> = factors.iter().zip(&right.matrices).map(solved).collect();
    // What is solved from the other side is a transposed equation.
    let made = if left { Batch::matrices } else { Batch::products };
    made(&right, call, (rows, columns), &results).map(Value::Tensor)
}

/// The three factors, of which those that are not wanted are empty.
fn lu_unpack<T: Field>(call: &mut Call<'_>) -> Result {
    let (data, pivots) = (call.bool(2)?, call.bool(3)?);
    let batch = Batch::<T>::of(call, 0, "torch.lu_unpack", false)?;
    if pivots && call.tensor(1)?.dtype() != DType::Int32 {
        return raised(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function is \
             intended to be used with the output produced by torch.linalg.lu_factor",
        );
    }
    let (rows, columns) = size_of(call, 0)?;
    let inner = rows.min(columns);
    let given = match pivots {
        true => factors(call, [0, 1], &batch.sizes)?,
        false => batch.matrices.iter().cloned().map(|factors| Lu { factors, pivots: Vec::new(), zero: None }).collect(),
    };
    let [p, l, u] = parts_of(given.into_iter());
    let mut part = |wanted: bool, size: (usize, usize), matrices: &[Matrix<T>]| match wanted {
        true => batch.products(call, size, matrices),
        false => call.zeros(batch.dtype, &[0]),
    };
    Ok(tuple([part(pivots, (rows, rows), &p)?, part(data, (rows, inner), &l)?, part(data, (inner, columns), &u)?]))
}

/// `R`, under its diagonal the reflections without their first elements, which are ones; and the factors of these.
fn stored_qr<T: Field>(call: &mut Call<'_>) -> Result {
    if call.tensor(0)?.sizes().len() < 2 {
        return raised("torch.geqrf: input must have at least 2 dimensions.");
    }
    let batch = Batch::<T>::of(call, 0, "torch.geqrf", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let (mut stored, mut taus) = (Vec::new(), Vec::new());
    for a in &batch.matrices {
        let (reflections, mut r) = reflections_of(a);
        for (k, (v, tau)) in reflections.iter().enumerate() {
            (1..v.len()).for_each(|i| *r.at_mut(k + i, k) = v[i]);
            taus.push(*tau);
        }
        stored.push(r);
    }
    let stored = batch.matrices(call, (rows, columns), &stored)?;
    Ok(tuple([stored, batch.rows(call, rows.min(columns), &taus)?]))
}

/// The reflections of each matrix: below the diagonals of the first argument, with the factors of the second.
fn reflections<T: Field>(call: &Call<'_>, batch: &Batch<T>) -> Result<Vec<Reflections<T>>> {
    let tau = call.tensor(1)?;
    let count = tau.sizes().last().copied().unwrap_or(0) as usize;
    let factors = call.read::<T>(tau)?;
    let of = |(i, a): (usize, &Matrix<T>)| {
        let reflection = |k: usize| {
            let v = (k..a.rows).map(|row| if row == k { 1.0.into() } else { a.at(row, k) }).collect();
            (v, factors[i * count + k])
        };
        (0..count).map(reflection).collect()
    };
    Ok(batch.matrices.iter().enumerate().map(of).collect())
}

fn check_factors(call: &Call<'_>, name: &str, most: usize) -> Result<()> {
    let (a, tau) = (call.tensor(0)?, call.tensor(1)?);
    let (sizes, taus) = (a.sizes(), tau.sizes());
    let count = taus.last().copied().unwrap_or(0) as usize;
    if taus.is_empty() || count > most {
        return raised(format!("{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"));
    }
    if taus[..taus.len() - 1] != sizes[..sizes.len() - 2] {
        return raised(format!(
            "{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got {:?}",
            &taus[..taus.len() - 1]
        ));
    }
    if tau.dtype() != a.dtype() {
        return raised(format!(
            "{name}: tau dtype {} does not match input dtype {}",
            tau.dtype().scalar_type_name(),
            a.dtype().scalar_type_name()
        ));
    }
    Ok(())
}

/// The first columns of `Q`.
fn householder_product<T: Field>(call: &mut Call<'_>) -> Result {
    let name = "torch.linalg.householder_product";
    let batch = Batch::<T>::of(call, 0, name, false)?;
    let (rows, columns) = size_of(call, 0)?;
    if rows < columns {
        return raised(format!("{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"));
    }
    check_factors(call, name, columns)?;
    let results: Vec<Matrix<T>> =
        reflections(call, &batch)?.iter().map(|all| product_of(all, (rows, columns))).collect();
    batch.matrices(call, (rows, columns), &results).map(Value::Tensor)
}

/// `Q C` or `C Q`, or the same with `Q*`.
fn times_q<T: Field>(call: &mut Call<'_>) -> Result {
    let (left, transpose) = (call.bool(3)?, call.bool(4)?);
    let batch = Batch::<T>::of(call, 0, "torch.ormqr", false)?;
    let ((rows, columns), other) = (size_of(call, 0)?, Batch::<T>::of(call, 2, "torch.ormqr", false)?);
    check_factors(call, "torch.ormqr", rows.min(columns))?;
    let size = size_of(call, 2)?;
    if rows != if left { size.0 } else { size.1 } {
        let dim = if left { -2 } else { -1 };
        return raised(format!("torch.ormqr: other.shape[{dim}] must be equal to input.shape[-2]"));
    }
    if batch.sizes != other.sizes {
        return raised(format!(
            "torch.ormqr: batch dimensions of other to be equal to input.shape[:-2], but got {:?}",
            &other.sizes[..]
        ));
    }
    let turned = |c: &Matrix<T>| if left { c.clone() } else { c.adjoint() };
    let multiplied = |(all, c): (Reflections<T>, &Matrix<T>)| {
        let mut c = turned(c);
        // `C Q` is the adjoint of `Q* C*`, which takes the adjoint reflections in their order.
        let in_order = left == transpose;
        let order: Vec<usize> = if in_order { (0..all.len()).collect() } else { (0..all.len()).rev().collect() };
        for k in order {
            let (v, tau) = &all[k];
            reflect(&mut c, k, v, if in_order { tau.conjugate() } else { *tau });
        }
        turned(&c)
    };
    let results: Vec<Matrix<T>> = reflections(call, &batch)?.into_iter().zip(&other.matrices).map(multiplied).collect();
    other.matrices(call, size, &results).map(Value::Tensor)
}

#[cfg(test)]
mod tests {
    use super::super::spectrum::product;
    use super::*;

    /// What is stored is taken apart again, whatever the shape is.
    #[test]
    fn stored_factors_make_the_matrix_again() {
        for (rows, columns) in [(4, 4), (5, 3), (3, 5)] {
            let mut a = Matrix::zeros(rows, columns);
            a.elements.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * i * 7 + 3 * i + 1) % 11) as f64 / 4.0 - 1.0);
            let close = |b: &Matrix<f64>| a.elements.iter().zip(&b.elements).all(|(a, b)| (a - b).abs() < 1e-12);
            let (all, r) = reflections_of(&a);
            assert!(close(&product(&product_of(&all, (rows, rows)), &r)), "{rows} {columns}");
            let [p, l, u] = Lu::of(a.clone()).parts();
            assert!(close(&product(&product(&p, &l), &u)), "{rows} {columns}");
        }
    }

    #[test]
    fn solving_with_the_adjoint_is_solving_the_adjoint() {
        let a = Matrix { rows: 3, columns: 3, elements: vec![0.0, 2.0, 1.0, 4.0, -1.0, 3.0, 2.0, 5.0, -2.0] };
        let b = Matrix { rows: 3, columns: 1, elements: vec![1.0, 2.0, 3.0] };
        let x = Lu::of(a.clone()).solve_adjoint(b.clone());
        let again = product(&a.transposed(), &x).elements;
        assert!(again.iter().zip(&b.elements).all(|(x, y)| (x - y).abs() < 1e-12), "{again:?}");
    }
}
