//! Eigenvalues of symmetric matrices, singular values, and what is made of them; powers and exponentials of matrices.
//!
//! By Jacobi's rotations, in `f64`. Values are PyTorch's up to rounding. Vectors are determined up to their signs, and those of
//! equal values not even so: they are some, not those that LAPACK happens to find.

use super::super::results::tuple;
use super::super::{Call, Fault};
use super::factor::{Batch, Matrix, check_sizes, size_of};
use crate::operators::compose::of;
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Dims, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

pub(super) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let mut result = Matrix::zeros(a.rows, b.columns);
    for row in 0..a.rows {
        for k in 0..a.columns {
            let factor = a.at(row, k);
            (0..b.columns).for_each(|column| *result.at_mut(row, column) += factor * b.at(k, column));
        }
    }
    result
}

/// The angle that makes two columns orthogonal, or an off-diagonal element zero: its cosine and sine.
fn rotation(aa: f64, bb: f64, ab: f64) -> (f64, f64) {
    let zeta = (bb - aa) / (2.0 * ab);
    let t = if zeta >= 0.0 { 1.0 } else { -1.0 } / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + t * t).sqrt();
    (cosine, cosine * t)
}

/// Rotates two columns.
fn rotate(a: &mut Matrix, p: usize, q: usize, (cosine, sine): (f64, f64)) {
    for row in 0..a.rows {
        let (x, y) = (a.at(row, p), a.at(row, q));
        *a.at_mut(row, p) = cosine * x - sine * y;
        *a.at_mut(row, q) = sine * x + cosine * y;
    }
}

/// More sweeps than any matrix needs: each at least squares what is left.
const SWEEPS: usize = 60;

/// Eigenvalues in rising order, and their vectors as columns.
fn eigen(mut a: Matrix) -> (Vec<f64>, Matrix) {
    let n = a.rows;
    let mut vectors = Matrix::identity(n);
    let scale = a.elements.iter().map(|x| x * x).sum::<f64>().sqrt();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                if a.at(p, q).abs() <= f64::EPSILON * 0.01 * scale {
                    continue;
                }
                rotated = true;
                let angle = rotation(a.at(p, p), a.at(q, q), a.at(p, q));
                rotate(&mut a, p, q, angle);
                let mut turned = a.transposed();
                rotate(&mut turned, p, q, angle);
                a = turned.transposed();
                rotate(&mut vectors, p, q, angle);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(i, i).total_cmp(&a.at(j, j)));
    let mut sorted = Matrix::zeros(n, n);
    for (column, &from) in order.iter().enumerate() {
        (0..n).for_each(|row| *sorted.at_mut(row, column) = vectors.at(row, from));
    }
    (order.iter().map(|&i| a.at(i, i)).collect(), sorted)
}

/// `A = U diag(S) Vᵀ` with falling singular values; as many columns as the shorter side.
struct Svd {
    u: Matrix,
    values: Vec<f64>,
    v: Matrix,
}

fn singular(a: &Matrix) -> Svd {
    if a.rows < a.columns {
        let Svd { u, values, v } = singular(&a.transposed());
        return Svd { u: v, values, v: u };
    }
    let (mut w, n) = (a.clone(), a.columns);
    let mut v = Matrix::identity(n);
    let dot = |w: &Matrix, p: usize, q: usize| (0..w.rows).map(|row| w.at(row, p) * w.at(row, q)).sum::<f64>();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (pp, qq, pq) = (dot(&w, p, p), dot(&w, q, q), dot(&w, p, q));
                if pq == 0.0 || pq.abs() <= f64::EPSILON * (pp * qq).sqrt() {
                    continue;
                }
                rotated = true;
                let angle = rotation(pp, qq, pq);
                rotate(&mut w, p, q, angle);
                rotate(&mut v, p, q, angle);
            }
        }
        if !rotated {
            break;
        }
    }
    let lengths: Vec<f64> = (0..n).map(|column| dot(&w, column, column).sqrt()).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| lengths[j].total_cmp(&lengths[i]));
    let (mut u, mut turned) = (Matrix::zeros(a.rows, n), Matrix::zeros(n, n));
    let least = f64::EPSILON * lengths.iter().copied().fold(0.0, f64::max);
    let mut known = 0;
    for (column, &from) in order.iter().enumerate() {
        (0..n).for_each(|row| *turned.at_mut(row, column) = v.at(row, from));
        if lengths[from] > least {
            (0..a.rows).for_each(|row| *u.at_mut(row, column) = w.at(row, from) / lengths[from]);
            known = column + 1;
        }
    }
    let u = completed(u, known);
    Svd { u, values: order.iter().map(|&i| lengths[i]).collect(), v: turned }
}

/// The same first columns, and others that are orthogonal to all before.
fn completed(mut a: Matrix, known: usize) -> Matrix {
    let mut next = 0;
    for column in known..a.columns {
        while next < a.rows {
            let mut candidate: Vec<f64> = (0..a.rows).map(|row| (row == next) as u8 as f64).collect();
            next += 1;
            // Twice, since once is not exact.
            for _ in 0..2 {
                for other in 0..column {
                    let dot: f64 = (0..a.rows).map(|row| candidate[row] * a.at(row, other)).sum();
                    (0..a.rows).for_each(|row| candidate[row] -= dot * a.at(row, other));
                }
            }
            let length = candidate.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > 0.1 / (a.rows as f64).sqrt() {
                (0..a.rows).for_each(|row| *a.at_mut(row, column) = candidate[row] / length);
                break;
            }
        }
    }
    a
}

/// The same with so many columns.
fn widened(a: &Matrix, columns: usize) -> Matrix {
    let mut wide = Matrix::zeros(a.rows, columns);
    for row in 0..a.rows {
        (0..a.columns).for_each(|column| *wide.at_mut(row, column) = a.at(row, column));
    }
    completed(wide, a.columns)
}

/// A tensor of a row of numbers for each matrix.
pub(super) fn rows(call: &mut Call<'_>, batch: &Batch, length: usize, values: &[f64]) -> Result<Tensor, Fault> {
    let mut sizes = batch.sizes.clone();
    sizes.push(length as i64);
    call.create(batch.dtype, &sizes, values)
}

fn symmetric(call: &mut Call<'_>, name: &str) -> Result<(Batch, Vec<f64>, Vec<Matrix>), Fault> {
    let batch = Batch::of(call, 0, name, true)?;
    let told = call.str(1)?.to_uppercase();
    if told != "L" && told != "U" {
        return raised(format!("Expected UPLO argument to be 'L' or 'U', but got {}", call.str(1)?));
    }
    let mirrored = |a: &Matrix| {
        let mut result = a.clone();
        for row in 0..a.rows {
            for column in 0..row {
                let value = if told == "L" { a.at(row, column) } else { a.at(column, row) };
                (*result.at_mut(row, column), *result.at_mut(column, row)) = (value, value);
            }
        }
        result
    };
    let (values, vectors): (Vec<Vec<f64>>, Vec<Matrix>) = batch.matrices.iter().map(|a| eigen(mirrored(a))).unzip();
    Ok((batch, values.concat(), vectors))
}

pub(super) fn symmetric_eigen(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (batch, values, vectors) = symmetric(call, "linalg.eigh")?;
    let (n, _) = size_of(call, 0)?;
    let values = rows(call, &batch, n, &values)?;
    Ok(tuple([values, batch.matrices(call, (n, n), &vectors)?]))
}

pub(super) fn symmetric_eigenvalues(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (batch, values, _) = symmetric(call, "linalg.eigh")?;
    let (n, _) = size_of(call, 0)?;
    rows(call, &batch, n, &values).map(Value::Tensor)
}

pub(super) fn singular_values(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.svd", false)?;
    let (m, n) = size_of(call, 0)?;
    let values: Vec<f64> = batch.matrices.iter().flat_map(|a| singular(a).values).collect();
    rows(call, &batch, m.min(n), &values).map(Value::Tensor)
}

/// `linalg_svd` gives `Vᵀ`, the older `svd` gives `V`.
fn decomposed(call: &mut Call<'_>, full: bool, transposed: bool) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.svd", false)?;
    let (m, n) = size_of(call, 0)?;
    let (inner, mut u, mut values, mut v) = (m.min(n), Vec::new(), Vec::new(), Vec::new());
    let (left, right) = if full { (m, n) } else { (inner, inner) };
    for svd in batch.matrices.iter().map(singular) {
        u.push(widened(&svd.u, left));
        values.extend(svd.values);
        let turned = widened(&svd.v, right);
        v.push(if transposed { turned.transposed() } else { turned });
    }
    let u = batch.matrices(call, (m, left), &u)?;
    let values = rows(call, &batch, inner, &values)?;
    let v = batch.matrices(call, if transposed { (right, n) } else { (n, right) }, &v)?;
    Ok(tuple([u, values, v]))
}

pub(super) fn svd(call: &mut Call<'_>) -> Result<Value, Fault> {
    let full = call.bool(1)?;
    decomposed(call, full, true)
}

pub(super) fn older_svd(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (some, vectors) = (call.bool(1)?, call.bool(2)?);
    if !vectors {
        return Err(Fault::unsupported("aten::svd without vectors"));
    }
    decomposed(call, !some, false)
}

/// What is above the diagonal of a symmetric matrix is not looked at.
fn mirror(a: &mut Matrix) {
    for row in 0..a.rows {
        (row + 1..a.columns).for_each(|column| *a.at_mut(row, column) = a.at(column, row));
    }
}

/// What counts as zero beside the greatest singular value, absolutely and as a part of it, for each matrix; and the matrices, as
/// many as there are tolerances for.
fn with_tolerances(call: &Call<'_>, name: &str) -> Result<(Batch, Vec<(f64, f64)>), Fault> {
    let (mut batch, (m, n)) = (Batch::of(call, 0, name, false)?, size_of(call, 0)?);
    let epsilon = if batch.dtype == DType::Float64 { f64::EPSILON } else { f32::EPSILON as f64 };
    if call.position("hermitian").map_or(Ok(false), |i| call.bool(i))? {
        if m != n {
            return raised(format!("{name}: A must be batches of square matrices, but they are {m} by {n} matrices"));
        }
        batch.matrices.iter_mut().for_each(mirror);
    }
    let mut given = [None, None];
    for (i, names) in [["atol", "tol"], ["rtol", "rcond"]].into_iter().enumerate() {
        given[i] = names.iter().find_map(|name| call.position(name)).filter(|&i| call.given(i));
    }
    for i in given.into_iter().flatten() {
        if let Value::Tensor(tolerance) = call.value(i) {
            let together = broadcast(&batch.sizes, &tolerance.sizes())?;
            batch = Batch::read(call, call.tensor(0)?, together)?;
        }
    }
    let count = batch.matrices.len();
    let each = |i: Option<usize>| -> Result<Option<Vec<f64>>, Fault> {
        let Some(i) = i else { return Ok(None) };
        match call.value(i) {
            Value::Tensor(tolerance) => {
                Ok(Some(tolerance.read_expanded::<f64>(&batch.sizes, &call.memory())?.to_vec()))
            }
            _ => Ok(Some(vec![call.float(i)?; count])),
        }
    };
    let (absolute, relative) = (each(given[0])?, each(given[1])?);
    // One that is given alone has none beside it.
    let only = call.position("tol").or(call.position("rcond")).is_some();
    let tolerance = |i: usize| {
        let atol = absolute.as_ref().map_or(0.0, |each| each[i]);
        let default = if only || atol > 0.0 { 0.0 } else { epsilon * m.max(n) as f64 };
        (atol, relative.as_ref().map_or(default, |each| each[i]))
    };
    let tolerances = (0..count).map(tolerance).collect();
    Ok((batch, tolerances))
}

/// The pseudoinverse of Moore and Penrose.
pub(super) fn pseudoinverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (dtype, mut sizes) = (call.tensor(0)?.dtype(), call.tensor(0)?.sizes());
    if let [.., m, n] = &mut sizes[..]
        && *m * *n == 0
        && (dtype.is_floating_point() || dtype.is_complex())
    {
        std::mem::swap(m, n);
        return call.zeros(dtype, &sizes).map(Value::Tensor);
    }
    let ((batch, tolerances), (m, n)) = (with_tolerances(call, "linalg.pinv")?, size_of(call, 0)?);
    let results: Vec<Matrix> =
        batch.matrices.iter().zip(tolerances).map(|(a, tolerances)| pseudoinverse_of(a, tolerances).0).collect();
    batch.products(call, (n, m), &results).map(Value::Tensor)
}

/// What is not greater counts as zero, of singular values that descend.
fn least_of(values: &[f64], (atol, rtol): (f64, f64)) -> f64 {
    atol.max(rtol * values.first().copied().unwrap_or(0.0))
}

/// The pseudoinverse, the singular values, and how many of them are not taken for zero.
pub(super) fn pseudoinverse_of(a: &Matrix, tolerances: (f64, f64)) -> (Matrix, Vec<f64>, usize) {
    let Svd { u, values, mut v } = singular(a);
    let least = least_of(&values, tolerances);
    for (column, &value) in values.iter().enumerate() {
        let factor = if value > least { 1.0 / value } else { 0.0 };
        (0..v.rows).for_each(|row| *v.at_mut(row, column) *= factor);
    }
    let rank = values.iter().filter(|&&value| value > least).count();
    (product(&v, &u.transposed()), values, rank)
}

pub(super) fn rank(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (sizes, numel) = (call.tensor(0)?.sizes(), call.tensor(0)?.numel());
    check_sizes(&sizes, "torch.linalg.matrix_rank", false)?;
    if numel == 0 {
        return call.zeros(DType::Int64, &sizes[..sizes.len() - 2]).map(Value::Tensor);
    }
    let (batch, tolerances) = with_tolerances(call, "torch.linalg.matrix_rank")?;
    let count = |(a, tolerances): (&Matrix, (f64, f64))| {
        let values = singular(a).values;
        let least = least_of(&values, tolerances);
        values.iter().filter(|&&value| value > least).count() as i64
    };
    let ranks: Vec<i64> = batch.matrices.iter().zip(tolerances).map(count).collect();
    call.create(DType::Int64, &batch.sizes, &ranks).map(Value::Tensor)
}

/// The sum of the singular values.
pub(super) fn nuclear_norm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.matrix_norm", false)?;
    let keepdim = call.bool(1)?;
    let sums: Vec<f64> = batch.matrices.iter().map(|a| singular(a).values.iter().sum()).collect();
    let mut sizes: Dims = batch.sizes.clone();
    if keepdim {
        sizes.extend([1, 1]);
    }
    call.create(batch.dtype, &sizes, &sums).map(Value::Tensor)
}

/// By as few products as the bits of the exponent say.
pub(super) fn power(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (x, exponent) = (call.tensor(0)?, call.int(1)?);
    let sizes = x.sizes();
    check_sizes(&sizes, "linalg.matrix_power", true)?;
    if exponent == 0 {
        let n = sizes[sizes.len() - 1].max(1);
        let ones: Vec<f64> = (0..x.numel()).map(|i| if i / n % n == i % n { 1.0 } else { 0.0 }).collect();
        return call.create(x.dtype(), &sizes, &ones).map(Value::Tensor);
    }
    let mut base = match exponent {
        1 => call.run("aten::clone", &[of(x), Value::Int(0)])?,
        2.. => of(x),
        _ => call.run("aten::linalg_inv", &[of(x)])?,
    };
    let (mut result, mut left) = (None, exponent.unsigned_abs());
    loop {
        if left & 1 == 1 {
            result = Some(match result {
                Some(result) => call.run("aten::matmul", &[result, base.clone()])?,
                None => base.clone(),
            });
        }
        left >>= 1;
        if left == 0 {
            return Ok(result.expect("the highest bit is set"));
        }
        base = call.run("aten::matmul", &[base.clone(), base])?;
    }
}

/// By Taylor's series of a matrix that was halved until it is small, squared as often.
pub(super) fn exponential(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.matrix_exp", true)?;
    let (n, _) = size_of(call, 0)?;
    let exponential = |a: &Matrix| {
        let norm = (0..n).map(|row| (0..n).map(|column| a.at(row, column).abs()).sum::<f64>()).fold(0.0, f64::max);
        let halvings = if norm.is_finite() && norm > 0.5 { libm::log2(norm / 0.5).ceil() as i32 } else { 0 };
        let mut small = a.clone();
        small.elements.iter_mut().for_each(|x| *x /= libm::scalbn(1.0, halvings));
        let (mut sum, mut term) = (Matrix::identity(n), Matrix::identity(n));
        for k in 1..=18 {
            term = product(&term, &small);
            term.elements.iter_mut().for_each(|x| *x /= k as f64);
            sum.elements.iter_mut().zip(&term.elements).for_each(|(sum, term)| *sum += term);
        }
        (0..halvings).for_each(|_| sum = product(&sum, &sum));
        sum
    };
    let results: Vec<Matrix> = batch.matrices.iter().map(exponential).collect();
    batch.products(call, (n, n), &results).map(Value::Tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &Matrix, b: &Matrix) -> bool {
        a.elements.len() == b.elements.len() && a.elements.iter().zip(&b.elements).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    /// Some matrix: numbers without pattern, the last column a copy of the first if told so.
    fn some(rows: usize, columns: usize, singular: bool) -> Matrix {
        let mut a = Matrix::zeros(rows, columns);
        for i in 0..rows * columns {
            a.elements[i] = ((i * i * 7 + i * 3 + 1) % 11) as f64 / 4.0 - 1.0;
        }
        if singular {
            (0..rows).for_each(|row| *a.at_mut(row, columns - 1) = a.at(row, 0));
        }
        a
    }

    fn diagonal(values: &[f64]) -> Matrix {
        let mut a = Matrix::zeros(values.len(), values.len());
        values.iter().enumerate().for_each(|(i, &value)| *a.at_mut(i, i) = value);
        a
    }

    /// Vectors have no signs to compare, but they are orthonormal and make the matrix again.
    #[test]
    fn factors_are_orthonormal_and_make_the_matrix_again() {
        for (rows, columns, rank_is_less) in [(4, 4, false), (5, 3, false), (3, 5, false), (4, 4, true), (5, 3, true)] {
            let a = some(rows, columns, rank_is_less);
            let Svd { u, values, v } = singular(&a);
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]));
            assert!(close(&product(&product(&u, &diagonal(&values)), &v.transposed()), &a));
            for (vectors, wanted) in [(&u, rows), (&v, columns)] {
                let whole = widened(vectors, wanted);
                assert!(close(&product(&whole.transposed(), &whole), &Matrix::identity(wanted)));
            }
        }
        let half = some(4, 4, false);
        let a = product(&half, &half.transposed());
        let (values, vectors) = eigen(a.clone());
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(close(&product(&vectors.transposed(), &vectors), &Matrix::identity(4)));
        assert!(close(&product(&product(&vectors, &diagonal(&values)), &vectors.transposed()), &a));
    }
}
