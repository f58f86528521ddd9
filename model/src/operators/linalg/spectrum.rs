//! Eigenvalues of symmetric and Hermitian matrices, singular values, and what is made of them; powers and exponentials of matrices.
//!
//! By Jacobi's rotations, in `f64`. Values are PyTorch's up to rounding. Vectors are determined up to their signs (complex ones up to a
//! factor of modulus one, which makes those elements real that are real in LAPACK), and those of equal values not even so: they are
//! some, not those that LAPACK happens to find.

use super::super::results::tuple;
use super::super::{Call, Fault};
use super::factor::{Batch, Matrix, check_dtype, check_sizes, size_of};
use super::field::Field;
use crate::operators::compose::of;
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Dims};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

pub(super) fn product<T: Field>(a: &Matrix<T>, b: &Matrix<T>) -> Matrix<T> {
    let mut result = Matrix::zeros(a.rows, b.columns);
    for row in 0..a.rows {
        for k in 0..a.columns {
            let factor = a.at(row, k);
            (0..b.columns).for_each(|column| *result.at_mut(row, column) += factor * b.at(k, column));
        }
    }
    result
}

/// What makes two columns orthogonal that have these squares and this product, or an off-diagonal element zero: the cosine of an
/// angle and its sine, this in the direction of the product.
fn rotation<T: Field>(aa: f64, bb: f64, ab: T) -> (f64, T) {
    let zeta = (bb - aa) / (2.0 * ab.modulus());
    let t = if zeta >= 0.0 { 1.0 } else { -1.0 } / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + t * t).sqrt();
    (cosine, ab.direction() * (cosine * t))
}

/// Rotates two columns.
fn rotate<T: Field>(a: &mut Matrix<T>, p: usize, q: usize, (cosine, sine): (f64, T)) {
    for row in 0..a.rows {
        let (x, y) = (a.at(row, p), a.at(row, q));
        *a.at_mut(row, p) = x * cosine - sine.conjugate() * y;
        *a.at_mut(row, q) = sine * x + y * cosine;
    }
}

/// The factor of modulus one that makes a number real and leaves a real one as it is.
fn to_real<T: Field>(x: T) -> T {
    match x.is_zero() {
        true => 1.0.into(),
        false => x.direction().conjugate() * 1f64.copysign(x.real()),
    }
}

/// Multiplies each column by a factor.
fn turn_columns<T: Field>(vectors: &mut Matrix<T>, factors: &[T]) {
    for row in 0..vectors.rows {
        (0..vectors.columns).for_each(|column| *vectors.at_mut(row, column) *= factors[column]);
    }
}

/// The factors that make a row real: LAPACK's reflections leave one alone. A matrix without rows has none.
fn making_real<T: Field>(vectors: &Matrix<T>, row: usize) -> Vec<T> {
    (0..vectors.columns).map(|column| to_real(vectors.at(row, column))).collect()
}

/// More sweeps than any matrix needs: each at least squares what is left.
const SWEEPS: usize = 60;

/// Eigenvalues in rising order, and their vectors as columns.
fn eigen<T: Field>(mut a: Matrix<T>) -> (Vec<f64>, Matrix<T>) {
    let n = a.rows;
    let mut vectors = Matrix::identity(n);
    let scale = a.elements.iter().map(|x| x.square()).sum::<f64>().sqrt();
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                if a.at(p, q).modulus() <= f64::EPSILON * 0.01 * scale {
                    continue;
                }
                rotated = true;
                let angle = rotation(a.at(p, p).real(), a.at(q, q).real(), a.at(p, q));
                rotate(&mut a, p, q, angle);
                let mut turned = a.adjoint();
                rotate(&mut turned, p, q, angle);
                a = turned.adjoint();
                rotate(&mut vectors, p, q, angle);
            }
        }
        if !rotated {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a.at(i, i).real().total_cmp(&a.at(j, j).real()));
    let mut sorted = Matrix::zeros(n, n);
    for (column, &from) in order.iter().enumerate() {
        (0..n).for_each(|row| *sorted.at_mut(row, column) = vectors.at(row, from));
    }
    (order.iter().map(|&i| a.at(i, i).real()).collect(), sorted)
}

/// `A = U diag(S) V*` with falling singular values; as many columns as the shorter side, where the first elements are real.
struct Svd<T> {
    u: Matrix<T>,
    values: Vec<f64>,
    v: Matrix<T>,
}

fn singular<T: Field>(a: &Matrix<T>) -> Svd<T> {
    if a.rows < a.columns {
        let Svd { u, values, v } = singular(&a.adjoint());
        return Svd { u: v, values, v: u };
    }
    let (mut w, n) = (a.clone(), a.columns);
    let mut v = Matrix::identity(n);
    let square = |w: &Matrix<T>, p: usize| (0..w.rows).map(|row| w.at(row, p).square()).sum::<f64>();
    let dot = |w: &Matrix<T>, p: usize, q: usize| -> T {
        (0..w.rows).map(|row| w.at(row, p).conjugate() * w.at(row, q)).sum()
    };
    for _ in 0..SWEEPS {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let (pp, qq, pq) = (square(&w, p), square(&w, q), dot(&w, p, q));
                if pq.is_zero() || pq.modulus() <= f64::EPSILON * (pp * qq).sqrt() {
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
    let lengths: Vec<f64> = (0..n).map(|column| square(&w, column).sqrt()).collect();
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
    let factors = making_real(&turned, 0);
    turn_columns(&mut u, &factors);
    turn_columns(&mut turned, &factors);
    let u = completed(u, known);
    Svd { u, values: order.iter().map(|&i| lengths[i]).collect(), v: turned }
}

/// The same first columns, and others that are orthogonal to all before.
fn completed<T: Field>(mut a: Matrix<T>, known: usize) -> Matrix<T> {
    let mut next = 0;
    for column in known..a.columns {
        while next < a.rows {
            let mut candidate: Vec<T> = (0..a.rows).map(|row| f64::from(u8::from(row == next)).into()).collect();
            next += 1;
            // Twice, since once is not exact.
            for _ in 0..2 {
                for other in 0..column {
                    let dot: T = (0..a.rows).map(|row| candidate[row] * a.at(row, other).conjugate()).sum();
                    (0..a.rows).for_each(|row| candidate[row] -= dot * a.at(row, other));
                }
            }
            let length = candidate.iter().map(|x| x.square()).sum::<f64>().sqrt();
            if length > 0.1 / (a.rows as f64).sqrt() {
                (0..a.rows).for_each(|row| *a.at_mut(row, column) = candidate[row] / length);
                break;
            }
        }
    }
    a
}

/// The same with so many columns.
fn widened<T: Field>(a: &Matrix<T>, columns: usize) -> Matrix<T> {
    let mut wide = Matrix::zeros(a.rows, columns);
    for row in 0..a.rows {
        (0..a.columns).for_each(|column| *wide.at_mut(row, column) = a.at(row, column));
    }
    completed(wide, a.columns)
}

/// The Hermitian matrix of which this is the lower part, or the upper one. Its diagonal is real.
pub(super) fn mirrored<T: Field>(a: &Matrix<T>, lower: bool) -> Matrix<T> {
    let mut result = a.clone();
    for row in 0..a.rows {
        *result.at_mut(row, row) = a.at(row, row).real().into();
        for column in 0..row {
            let value = if lower { a.at(row, column) } else { a.at(column, row).conjugate() };
            (*result.at_mut(row, column), *result.at_mut(column, row)) = (value, value.conjugate());
        }
    }
    result
}

/// Eigenvalues and vectors of the Hermitian matrix of this lower or upper part, the first or last elements of the vectors real.
fn hermitian<T: Field>(a: &Matrix<T>, lower: bool) -> (Vec<f64>, Matrix<T>) {
    let (values, mut vectors) = eigen(mirrored(a, lower));
    let factors = making_real(&vectors, if lower { 0 } else { a.rows.saturating_sub(1) });
    turn_columns(&mut vectors, &factors);
    (values, vectors)
}

/// Matrices, the values of one after the other, and the vectors of each.
type Spectra<T> = (Batch<T>, Vec<f64>, Vec<Matrix<T>>);

fn symmetric<T: Field>(call: &mut Call<'_>, name: &str) -> Result<Spectra<T>> {
    let batch = Batch::<T>::of(call, 0, name, true)?;
    let told = call.str(1)?.to_uppercase();
    if told != "L" && told != "U" {
        return raised(format!("Expected UPLO argument to be 'L' or 'U', but got {}", call.str(1)?));
    }
    let (values, vectors): (Vec<Vec<f64>>, Vec<Matrix<T>>) =
        batch.matrices.iter().map(|a| hermitian(a, told == "L")).unzip();
    Ok((batch, values.concat(), vectors))
}

pub(super) fn symmetric_eigen<T: Field>(call: &mut Call<'_>) -> Result {
    let (batch, values, vectors) = symmetric::<T>(call, "linalg.eigh")?;
    let (n, _) = size_of(call, 0)?;
    let values = batch.real_rows(call, n, &values)?;
    Ok(tuple([values, batch.matrices(call, (n, n), &vectors)?]))
}

pub(super) fn symmetric_eigenvalues<T: Field>(call: &mut Call<'_>) -> Result {
    let (batch, values, _) = symmetric::<T>(call, "linalg.eigh")?;
    let (n, _) = size_of(call, 0)?;
    batch.real_rows(call, n, &values).map(Value::Tensor)
}

/// What `linalg_svd` checks before anything: its driver last.
fn check_driver(call: &Call<'_>, i: usize) -> Result<()> {
    let tensor = call.tensor(0)?;
    check_sizes(&tensor.sizes(), "linalg.svd", false)?;
    check_dtype(tensor.dtype(), "linalg.svd")?;
    match call.opt_str(i)? {
        None => Ok(()),
        Some(_) => raised(
            "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend.",
        ),
    }
}

pub(super) fn singular_values<T: Field>(call: &mut Call<'_>) -> Result {
    check_driver(call, 1)?;
    let batch = Batch::<T>::of(call, 0, "linalg.svd", false)?;
    let (m, n) = size_of(call, 0)?;
    let values: Vec<f64> = batch.matrices.iter().flat_map(|a| singular(a).values).collect();
    batch.real_rows(call, m.min(n), &values).map(Value::Tensor)
}

/// `linalg_svd` gives `V*`, the older `svd` gives `V`.
fn decomposed<T: Field>(call: &mut Call<'_>, full: bool, adjoint: bool) -> Result {
    let batch = Batch::<T>::of(call, 0, "linalg.svd", false)?;
    let (m, n) = size_of(call, 0)?;
    let (inner, mut u, mut values, mut v) = (m.min(n), Vec::new(), Vec::new(), Vec::new());
    let (left, right) = if full { (m, n) } else { (inner, inner) };
    for svd in batch.matrices.iter().map(singular) {
        u.push(widened(&svd.u, left));
        values.extend(svd.values);
        let turned = widened(&svd.v, right);
        v.push(if adjoint { turned.adjoint() } else { turned });
    }
    let u = batch.matrices(call, (m, left), &u)?;
    let values = batch.real_rows(call, inner, &values)?;
    let v = batch.matrices(call, if adjoint { (right, n) } else { (n, right) }, &v)?;
    Ok(tuple([u, values, v]))
}

pub(super) fn svd<T: Field>(call: &mut Call<'_>) -> Result {
    let full = call.bool(1)?;
    check_driver(call, 2)?;
    decomposed::<T>(call, full, true)
}

pub(super) fn older_svd<T: Field>(call: &mut Call<'_>) -> Result {
    let (some, vectors) = (call.bool(1)?, call.bool(2)?);
    if !vectors {
        // Zeros stand for the vectors.
        let batch = Batch::<T>::of(call, 0, "linalg.svd", false)?;
        let (m, n) = size_of(call, 0)?;
        let zeros = |size: usize| vec![Matrix::<T>::zeros(size, size); batch.matrices.len()];
        let u = batch.products(call, (m, m), &zeros(m))?;
        let values: Vec<f64> = batch.matrices.iter().flat_map(|a| singular(a).values).collect();
        let values = batch.real_rows(call, m.min(n), &values)?;
        return Ok(tuple([u, values, batch.matrices(call, (n, n), &zeros(n))?]));
    }
    decomposed::<T>(call, !some, false)
}

/// Tolerances are real. PyTorch calls `tol` as its newer form does.
fn check_tolerances(call: &Call<'_>, function: &str) -> Result<()> {
    for (arg, argument) in call.args.iter().zip(&call.operator.schema.arguments) {
        let Value::Tensor(tolerance) = arg else { continue };
        let name = match &*argument.name {
            "atol" | "tol" => "atol",
            name @ ("rtol" | "rcond") => name,
            _ => continue,
        };
        if tolerance.dtype().is_complex() {
            let found = tolerance.dtype().scalar_type_name();
            return raised(format!(
                "torch.linalg.{function}: {name} tensor of complex type is not supported. Got {found}"
            ));
        }
    }
    Ok(())
}

/// An absolute one, and one that is multiplied by the greatest singular value.
type Tolerances = (f64, f64);

/// What counts as zero beside the greatest singular value, absolutely and as a part of it, for each matrix; and the matrices, as
/// many as there are tolerances for.
fn with_tolerances<T: Field>(call: &Call<'_>, name: &str) -> Result<(Batch<T>, Vec<Tolerances>)> {
    let (mut batch, (m, n)) = (Batch::<T>::of(call, 0, name, false)?, size_of(call, 0)?);
    let epsilon = batch.epsilon();
    if call.position("hermitian").map_or(Ok(false), |i| call.bool(i))? {
        if m != n {
            return raised(format!("{name}: A must be batches of square matrices, but they are {m} by {n} matrices"));
        }
        batch.matrices.iter_mut().for_each(|a| *a = mirrored(a, true));
    }
    let mut given = [None, None];
    for (i, names) in [["atol", "tol"], ["rtol", "rcond"]].into_iter().enumerate() {
        given[i] = names.iter().find_map(|name| call.position(name)).filter(|&i| call.given(i));
    }
    for i in given.into_iter().flatten() {
        if let Value::Tensor(tolerance) = call.value(i) {
            let together = broadcast(&batch.sizes, &tolerance.sizes())?;
            batch = Batch::<T>::read(call, call.tensor(0)?, together)?;
        }
    }
    let count = batch.matrices.len();
    let each = |i: Option<usize>| -> Result<Option<Vec<f64>>> {
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
pub(super) fn pseudoinverse<T: Field>(call: &mut Call<'_>) -> Result {
    check_tolerances(call, "pinv")?;
    let (dtype, mut sizes) = (call.tensor(0)?.dtype(), call.tensor(0)?.sizes());
    if let [.., m, n] = &mut sizes[..]
        && *m * *n == 0
        && (dtype.is_floating_point() || dtype.is_complex())
    {
        std::mem::swap(m, n);
        return call.zeros(dtype, &sizes).map(Value::Tensor);
    }
    let ((batch, tolerances), (m, n)) = (with_tolerances::<T>(call, "linalg.pinv")?, size_of(call, 0)?);
    let results: Vec<Matrix<T>> =
        batch.matrices.iter().zip(tolerances).map(|(a, tolerances)| pseudoinverse_of(a, tolerances).0).collect();
    batch.products(call, (n, m), &results).map(Value::Tensor)
}

/// What is not greater counts as zero, of singular values that descend.
fn least_of(values: &[f64], (atol, rtol): Tolerances) -> f64 {
    atol.max(rtol * values.first().copied().unwrap_or(0.0))
}

/// The pseudoinverse, the singular values, and how many of them are not taken for zero.
pub(super) fn pseudoinverse_of<T: Field>(a: &Matrix<T>, tolerances: Tolerances) -> (Matrix<T>, Vec<f64>, usize) {
    let Svd { u, values, mut v } = singular(a);
    let least = least_of(&values, tolerances);
    for (column, &value) in values.iter().enumerate() {
        let factor = if value > least { 1.0 / value } else { 0.0 };
        (0..v.rows).for_each(|row| *v.at_mut(row, column) *= factor.into());
    }
    let rank = values.iter().filter(|&&value| value > least).count();
    (product(&v, &u.adjoint()), values, rank)
}

pub(super) fn rank<T: Field>(call: &mut Call<'_>) -> Result {
    let (sizes, numel) = (call.tensor(0)?.sizes(), call.tensor(0)?.numel());
    check_sizes(&sizes, "torch.linalg.matrix_rank", false)?;
    check_tolerances(call, "matrix_rank")?;
    if numel == 0 {
        return call.zeros(DType::Int64, &sizes[..sizes.len() - 2]).map(Value::Tensor);
    }
    let (batch, tolerances) = with_tolerances::<T>(call, "torch.linalg.matrix_rank")?;
    let count = |(a, tolerances): (&Matrix<T>, Tolerances)| {
        let values = singular(a).values;
        let least = least_of(&values, tolerances);
        values.iter().filter(|&&value| value > least).count() as i64
    };
    let ranks: Vec<i64> = batch.matrices.iter().zip(tolerances).map(count).collect();
    call.create(DType::Int64, &batch.sizes, &ranks).map(Value::Tensor)
}

/// The sum of the singular values.
pub(super) fn nuclear_norm<T: Field>(call: &mut Call<'_>) -> Result {
    let batch = Batch::<T>::of(call, 0, "linalg.matrix_norm", false)?;
    let keepdim = call.bool(1)?;
    let sums: Vec<f64> = batch.matrices.iter().map(|a| singular(a).values.iter().sum()).collect();
    let mut sizes: Dims = batch.sizes.clone();
    if keepdim {
        sizes.extend([1, 1]);
    }
    call.create(batch.real(), &sizes, &sums).map(Value::Tensor)
}

/// By as few products as the bits of the exponent say.
pub(super) fn power(call: &mut Call<'_>) -> Result {
    let (x, exponent) = (call.tensor(0)?, call.int(1)?);
    let sizes = x.sizes();
    check_sizes(&sizes, "linalg.matrix_power", true)?;
    if exponent == 0 {
        let n = sizes[sizes.len() - 1].max(1);
        let _room = call.room::<f64>(&[x.numel() as usize])?;
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
pub(super) fn exponential<T: Field>(call: &mut Call<'_>) -> Result {
    let batch = Batch::<T>::of(call, 0, "linalg.matrix_exp", true)?;
    let (n, _) = size_of(call, 0)?;
    let exponential = |a: &Matrix<T>| {
        let norm = (0..n).map(|row| (0..n).map(|column| a.at(row, column).modulus()).sum::<f64>()).fold(0.0, f64::max);
        let halvings = if norm.is_finite() && norm > 0.5 { libm::log2(norm / 0.5).ceil() as i32 } else { 0 };
        let mut small = a.clone();
        small.elements.iter_mut().for_each(|x| *x = *x / libm::scalbn(1.0, halvings));
        let (mut sum, mut term) = (Matrix::identity(n), Matrix::identity(n));
        for k in 1..=18 {
            term = product(&term, &small);
            term.elements.iter_mut().for_each(|x| *x = *x / k as f64);
            sum.elements.iter_mut().zip(&term.elements).for_each(|(sum, term)| *sum += *term);
        }
        (0..halvings).for_each(|_| sum = product(&sum, &sum));
        sum
    };
    let results: Vec<Matrix<T>> = batch.matrices.iter().map(exponential).collect();
    batch.products(call, (n, n), &results).map(Value::Tensor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &Matrix<f64>, b: &Matrix<f64>) -> bool {
        a.elements.len() == b.elements.len() && a.elements.iter().zip(&b.elements).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    /// Some matrix: numbers without pattern, the last column a copy of the first if told so.
    fn some(rows: usize, columns: usize, singular: bool) -> Matrix<f64> {
        let mut a = Matrix::zeros(rows, columns);
        for i in 0..rows * columns {
            a.elements[i] = ((i * i * 7 + i * 3 + 1) % 11) as f64 / 4.0 - 1.0;
        }
        if singular {
            (0..rows).for_each(|row| *a.at_mut(row, columns - 1) = a.at(row, 0));
        }
        a
    }

    fn diagonal(values: &[f64]) -> Matrix<f64> {
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
