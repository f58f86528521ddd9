//! `linalg_lstsq`: by the factors of Householder for full rank (the driver `gels`), by singular values otherwise.
//!
//! PyTorch's default driver `gelsy` takes another factorization, which gives the same solution up to rounding.

use super::super::{Call, Fault, Kernel};
use super::factor::{Batch, Matrix, reflect, reflections_of, size_of, triangular};
use super::field::{Field, by_field};
use super::spectrum::{product, pseudoinverse_of};
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[("aten::linalg_lstsq", by_field!(least_squares))];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(format!("torch.linalg.lstsq: {}", words.into())))
}

/// The second argument as matrices: a vector is one column.
fn right_side(call: &mut Call<'_>) -> Result<(Tensor, bool)> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    if a_sizes.len() < 2 {
        return raised("input must have at least 2 dimensions.");
    }
    if b_sizes.is_empty() {
        return raised("other must have at least 1 dimension.");
    }
    if a.dtype() != b.dtype() {
        return raised(format!(
            "Expected input and other to have the same dtype, but got input's dtype {} and other's dtype {}",
            a.dtype().scalar_type_name(),
            b.dtype().scalar_type_name()
        ));
    }
    if b_sizes.len() > a_sizes.len() || b_sizes.len() + 1 < a_sizes.len() {
        return raised("input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1");
    }
    let rows = a_sizes[a_sizes.len() - 2];
    let vector = b_sizes.len() == 1 || b_sizes[..] == a_sizes[..a_sizes.len() - 1];
    if vector {
        if b_sizes[b_sizes.len() - 1] != rows {
            return raised("input.size(-2) should match other.size(-1)");
        }
        return Ok((call.run_tensor("aten::unsqueeze", &[Value::Tensor(b.clone()), Value::Int(-1)])?, true));
    }
    if b_sizes[b_sizes.len() - 2] != rows {
        return raised("input.size(-2) should match other.size(-2)");
    }
    Ok((b.clone(), false))
}

/// What is found for one matrix.
struct Found<T> {
    solution: Matrix<T>,
    values: Vec<f64>,
    rank: usize,
}

fn least_squares<T: Field>(call: &mut Call<'_>) -> Result {
    let (right, vector) = right_side(call)?;
    let driver = call.opt_str(3)?.map_or("gelsy".to_string(), |driver| driver.to_string());
    if !["gels", "gelsy", "gelsd", "gelss"].contains(&&*driver) {
        return raised("parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
    }
    let ((m, n), columns) = (size_of(call, 0)?, right.sizes()[right.sizes().len() - 1] as usize);
    let own = Batch::<T>::of(call, 0, "torch.linalg.lstsq", false)?;
    let together = broadcast(&own.sizes, &right.sizes()[..right.sizes().len() - 2])?;
    let batch = Batch::<T>::read(call, call.tensor(0)?, together.clone())?;
    let right = Batch::<T>::read(call, &right, together)?;
    let mut least = call.opt_float(2)?.unwrap_or(batch.epsilon() * m.max(n) as f64);
    if driver == "gelsy" {
        // It takes the first column whatever the others are to be compared with.
        least = least.min(1.0 - f64::EPSILON);
    }
    let mut found = Vec::with_capacity(batch.matrices.len());
    for (a, b) in batch.matrices.iter().zip(&right.matrices) {
        found.push(if driver == "gels" { of_full_rank(a, b)? } else { of_any_rank(a, b, least) });
    }
    let solutions: Vec<Matrix<T>> = found.iter().map(|found| found.solution.clone()).collect();
    // LAPACK writes over the right side, which has more rows if there are more equations than unknowns.
    let written: Vec<Matrix<T>> = solutions.iter().map(|solution| resized(solution, m.max(n))).collect();
    let written = Value::Tensor(batch.matrices(call, (m.max(n), columns), &written)?);
    let mut solution =
        call.run_tensor("aten::narrow", &[written, Value::Int(-2), Value::Int(0), Value::Int(n as i64)])?;
    if vector {
        solution = call.run_tensor("aten::squeeze.dim", &[Value::Tensor(solution), Value::Int(-1)])?;
    }
    let all = found.iter().all(|found| found.rank == n);
    let residuals = if m > n && driver != "gelsy" && all {
        let sums: Vec<f64> = (batch.matrices.iter().zip(&right.matrices).zip(&solutions))
            .flat_map(|((a, b), x)| squares(&product(a, x), b))
            .collect();
        batch.real_rows(call, columns, &sums)?
    } else {
        call.zeros(batch.real(), &[0])?
    };
    let rank = if driver == "gels" {
        call.zeros(DType::Int64, &[0])?
    } else {
        let ranks: Vec<i64> = found.iter().map(|found| found.rank as i64).collect();
        call.create(DType::Int64, &batch.sizes, &ranks)?
    };
    let values = if matches!(&*driver, "gelsd" | "gelss") {
        let values: Vec<f64> = found.iter().flat_map(|found| found.values.iter().copied()).collect();
        batch.real_rows(call, m.min(n), &values)?
    } else {
        call.zeros(batch.real(), &[0])?
    };
    Ok(Value::tuple([solution, residuals, rank, values].map(Value::Tensor)))
}

/// For each column the sum of the squares of the differences.
fn squares<T: Field>(a: &Matrix<T>, b: &Matrix<T>) -> Vec<f64> {
    let square = |row: usize, column: usize| (a.at(row, column) - b.at(row, column)).square();
    (0..a.columns).map(|column| (0..a.rows).map(|row| square(row, column)).sum()).collect()
}

fn of_any_rank<T: Field>(a: &Matrix<T>, b: &Matrix<T>, least: f64) -> Found<T> {
    let (inverse, values, rank) = pseudoinverse_of(a, (0.0, least));
    Found { solution: product(&inverse, b), values, rank }
}

/// The same with so many rows.
fn resized<T: Field>(c: &Matrix<T>, rows: usize) -> Matrix<T> {
    let mut result = Matrix::zeros(rows, c.columns);
    for row in 0..rows.min(c.rows) {
        (0..c.columns).for_each(|column| *result.at_mut(row, column) = c.at(row, column));
    }
    result
}

/// The solution of the least length, if there are many.
fn of_full_rank<T: Field>(a: &Matrix<T>, b: &Matrix<T>) -> Result<Found<T>> {
    let tall = a.rows >= a.columns;
    let (reflections, r) = reflections_of(&if tall { a.clone() } else { a.adjoint() });
    let (rank, longest) = (a.rows.min(a.columns), a.rows.max(a.columns));
    if (0..rank).any(|k| r.at(k, k).is_zero()) {
        return Err(Fault::unsupported("torch.linalg.lstsq with the driver gels of a matrix without full rank"));
    }
    // Of the triangle only its own rows and columns are looked at.
    let triangle = resized(&r, rank);
    let solution = if tall {
        let mut c = b.clone();
        reflections.iter().enumerate().for_each(|(k, (v, tau))| reflect(&mut c, k, v, tau.conjugate()));
        triangular(&triangle, resized(&c, rank), true, false)
    } else {
        let mut c = resized(&triangular(&triangle.adjoint(), b.clone(), false, false), longest);
        reflections.iter().enumerate().rev().for_each(|(k, (v, tau))| reflect(&mut c, k, v, *tau));
        c
    };
    Ok(Found { solution, values: Vec::new(), rank })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left is orthogonal to the columns, and of all solutions both ways find the shortest.
    #[test]
    fn what_is_left_is_orthogonal() {
        for (m, n) in [(5, 3), (4, 4), (3, 5)] {
            let some = |rows: usize, columns: usize, shift: usize| {
                let element = |i: usize| ((i * i * 7 + i * 3 + shift) % 11) as f64 / 4.0 - 1.0;
                Matrix { rows, columns, elements: (0..rows * columns).map(element).collect() }
            };
            let (a, b) = (some(m, n, 1), some(m, 2, 5));
            let direct = of_full_rank(&a, &b).expect("full rank").solution;
            let by_values = of_any_rank(&a, &b, 1e-12);
            assert_eq!(by_values.rank, m.min(n));
            let mut left = product(&a, &direct);
            left.elements.iter_mut().zip(&b.elements).for_each(|(left, b)| *left -= b);
            let angles = product(&a.transposed(), &left);
            assert!(angles.elements.iter().all(|x| x.abs() < 1e-10), "{m} {n}");
            let same = direct.elements.iter().zip(&by_values.solution.elements).all(|(x, y)| (x - y).abs() < 1e-10);
            assert!(same, "{m} {n}");
        }
    }
}
