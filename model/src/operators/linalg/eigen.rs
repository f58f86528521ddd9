//! Eigenvalues and eigenvectors of general matrices, which are complex.
//!
//! A real matrix is made Hessenberg's form by reflections, and that almost triangular by Francis's steps with two shifts (Golub and Van Loan,
//! "Matrix Computations", 7.4 and 7.5). Two rows that are left together are turned to be triangular, too, with complex numbers; then
//! the vectors are those of a triangular matrix. They have the length one, and the greatest element of a complex one is real, as
//! LAPACK leaves them. Values come in the order in which they stand on the diagonal, which LAPACK's need not have.

use num_complex::Complex64;

use super::super::{Call, Fault, Kernel};
use super::factor::{Batch, Matrix, reflect_columns, size_of};
use crate::tensor::{DType, Dims, Layout, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::_linalg_eigvals", eigenvalues),
    ("aten::linalg_eig", eigenvectors),
    ("aten::linalg_eigvals", eigenvalues),
];

/// The eigenvalues of matrices one after the other, and the vectors.
struct Found {
    /// The sizes of the batch.
    batch: Dims,
    n: usize,
    dtype: DType,
    values: Vec<Complex64>,
    /// Column by column, as LAPACK leaves them.
    vectors: Vec<Complex64>,
}

fn find(call: &Call<'_>) -> Result<Found> {
    let (complex, mut all) = (call.tensor(0)?.dtype().is_complex(), Vec::new());
    let (dtype, batch) = if complex {
        let batch = Batch::<Complex64>::of(call, 0, NAME, true)?;
        for a in &batch.matrices {
            all.push(eigen_of_complex(a.elements.chunks(a.columns.max(1)).map(<[_]>::to_vec).collect())?);
        }
        (batch.dtype, batch.sizes)
    } else {
        let batch = Batch::<f64>::of(call, 0, NAME, true)?;
        for a in &batch.matrices {
            all.push(eigen(a)?);
        }
        let complex = if batch.dtype == DType::Float64 { DType::Complex128 } else { DType::Complex64 };
        (complex, batch.sizes)
    };
    let (n, _) = size_of(call, 0)?;
    let (values, vectors): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    Ok(Found { batch, n, dtype, values: values.concat(), vectors: vectors.concat().concat() })
}

/// What PyTorch calls it.
const NAME: &str = "linalg.eig";

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

fn check_finite(mut elements: impl Iterator<Item = f64>) -> Result<()> {
    if elements.any(|x| !x.is_finite()) {
        return raised("torch.linalg.eig: input tensor should not contain infs or NaNs.");
    }
    Ok(())
}

fn value_tensor(call: &mut Call<'_>, found: &Found) -> Result<Tensor> {
    let mut sizes = found.batch.clone();
    sizes.push(found.n as i64);
    call.create(found.dtype, &sizes, &found.values)
}

fn eigenvalues(call: &mut Call<'_>) -> Result {
    let found = find(call)?;
    value_tensor(call, &found).map(Value::Tensor)
}

fn eigenvectors(call: &mut Call<'_>) -> Result {
    let found = find(call)?;
    let values = value_tensor(call, &found)?;
    let mut sizes = found.batch.clone();
    sizes.extend([found.n as i64, found.n as i64]);
    let turned = call.create(found.dtype, &sizes, &found.vectors)?;
    let mut strides = turned.metadata().layout.strides().to_vec();
    let rank = strides.len();
    strides.swap(rank - 2, rank - 1);
    let vectors = Tensor::new(call.allocator, turned.storage(), turned.dtype(), Layout::strided(&sizes, &strides, 0));
    Ok(Value::tuple([Value::Tensor(values), Value::Tensor(vectors)]))
}

fn eigen(a: &Matrix<f64>) -> Result<(Vec<Complex64>, Vec<Vec<Complex64>>)> {
    check_finite(a.elements.iter().copied())?;
    let n = a.rows;
    let (mut h, mut z) = (a.clone(), Matrix::identity(n));
    hessenberg(&mut h, &mut z);
    almost_triangular(&mut h, &mut z)?;
    let mut schur = Schur::of(&h, &z);
    let pairs = schur.make_triangular();
    let mut vectors: Vec<Vec<Complex64>> = Vec::with_capacity(n);
    for k in 0..n {
        let value = schur.t[k][k];
        // The second of a pair mirrors the first.
        let vector = if k > 0 && pairs[k - 1] {
            vectors[k - 1].iter().map(|x| x.conj()).collect()
        } else {
            normal(schur.vector(k), value.im == 0.0)
        };
        vectors.push(vector);
    }
    Ok(((0..n).map(|k| schur.t[k][k]).collect(), vectors))
}

fn eigen_of_complex(a: Vec<Vec<Complex64>>) -> Result<(Vec<Complex64>, Vec<Vec<Complex64>>)> {
    check_finite(a.iter().flatten().flat_map(|x| [x.re, x.im]))?;
    let n = a.len();
    let z = (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j)).into()).collect()).collect();
    let mut schur = Schur { t: a, z };
    schur.make_hessenberg();
    schur.chase()?;
    let vectors = (0..n).map(|k| normal(schur.vector(k), false)).collect();
    Ok(((0..n).map(|k| schur.t[k][k]).collect(), vectors))
}

/// The reflection that makes a vector its first element alone, if there is something to do: `I - tau v vᵀ` with this `v` and `tau`.
fn reflection(x: &[f64]) -> Option<(Vec<f64>, f64)> {
    let scale = x.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    if x[1..].iter().all(|x| *x == 0.0) {
        return None;
    }
    let mut v: Vec<f64> = x.iter().map(|x| x / scale).collect();
    let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
    v[0] += length.copysign(v[0]);
    let tau = 2.0 / v.iter().map(|x| x * x).sum::<f64>();
    Some((v, tau))
}

/// Applies a reflection to columns from `k` on, in these rows.
fn from_right(a: &mut Matrix<f64>, (v, tau): &(Vec<f64>, f64), k: usize, rows: std::ops::Range<usize>) {
    for row in rows {
        let dot: f64 = v.iter().enumerate().map(|(i, v)| v * a.at(row, k + i)).sum();
        v.iter().enumerate().for_each(|(i, v)| *a.at_mut(row, k + i) -= tau * dot * v);
    }
}

/// Makes zeros below the first diagonal under the main one; `z` collects what that took.
fn hessenberg(h: &mut Matrix<f64>, z: &mut Matrix<f64>) {
    let n = h.rows;
    for k in 0..n.saturating_sub(2) {
        let column: Vec<f64> = (k + 1..n).map(|row| h.at(row, k)).collect();
        if let Some(turn) = reflection(&column) {
            reflect_columns(h, k + 1, (&turn.0, turn.1), k..n);
            from_right(h, &turn, k + 1, 0..n);
            from_right(z, &turn, k + 1, 0..n);
        }
        (k + 2..n).for_each(|row| *h.at_mut(row, k) = 0.0);
    }
}

/// So many steps for one eigenvalue are more than any matrix needs.
const STEPS: usize = 100;

fn no_end<R>() -> Result<R> {
    raised(format!(
        "{NAME}: The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated eigenvalues."
    ))
}

/// Leaves one or two rows together along the diagonal.
fn almost_triangular(h: &mut Matrix<f64>, z: &mut Matrix<f64>) -> Result<()> {
    let norm = h.elements.iter().map(|x| x * x).sum::<f64>().sqrt();
    let (mut end, mut steps) = (h.rows, 0);
    while end > 1 {
        let small = |h: &Matrix<f64>, k: usize| {
            let beside = h.at(k, k).abs() + h.at(k - 1, k - 1).abs();
            h.at(k, k - 1).abs() <= f64::EPSILON * if beside == 0.0 { norm } else { beside }
        };
        let start = (1..end).rev().find(|&k| small(h, k)).unwrap_or(0);
        if start > 0 {
            *h.at_mut(start, start - 1) = 0.0;
        }
        if end - start <= 2 {
            (end, steps) = (start, 0);
            continue;
        }
        steps += 1;
        if steps > STEPS {
            return no_end();
        }
        francis(h, z, start, end, steps);
    }
    Ok(())
}

/// A step of Francis for the rows from `start` to `end`, of which there are three at least.
fn francis(h: &mut Matrix<f64>, z: &mut Matrix<f64>, start: usize, end: usize, step: usize) {
    let (n, last) = (h.rows, end - 1);
    let corner = |i: usize, j: usize| h.at(last - 1 + i, last - 1 + j);
    let (mut sum, mut product) =
        (corner(0, 0) + corner(1, 1), corner(0, 0) * corner(1, 1) - corner(0, 1) * corner(1, 0));
    if step.is_multiple_of(10) {
        // Where the shifts go in circles, others end that.
        let size = corner(1, 0).abs() + h.at(last - 1, last - 2).abs();
        (sum, product) = (1.5 * size, size * size);
    }
    let at = |i: usize, j: usize| h.at(start + i, start + j);
    let mut first = vec![
        at(0, 0) * at(0, 0) + at(0, 1) * at(1, 0) - sum * at(0, 0) + product,
        at(1, 0) * (at(0, 0) + at(1, 1) - sum),
        at(1, 0) * at(2, 1),
    ];
    for k in start..last {
        if let Some(turn) = reflection(&first) {
            let from = if k > start { k - 1 } else { start };
            reflect_columns(h, k, (&turn.0, turn.1), from..n);
            from_right(h, &turn, k, 0..(k + 4).min(end));
            from_right(z, &turn, k, 0..n);
        }
        if k > start {
            (k + 1..(k + 3).min(end)).for_each(|row| *h.at_mut(row, k - 1) = 0.0);
        }
        first = (k + 1..(k + 4).min(end)).map(|row| h.at(row, k)).collect();
    }
}

/// `A = Z T Z*`, with complex numbers.
struct Schur {
    t: Vec<Vec<Complex64>>,
    z: Vec<Vec<Complex64>>,
}

impl Schur {
    fn of(t: &Matrix<f64>, z: &Matrix<f64>) -> Self {
        let rows = |a: &Matrix<f64>| -> Vec<Vec<Complex64>> {
            (0..a.rows).map(|row| (0..a.columns).map(|column| a.at(row, column).into()).collect()).collect()
        };
        Self { t: rows(t), z: rows(z) }
    }

    /// Turns each two rows that are together, and says of which the values are conjugate.
    fn make_triangular(&mut self) -> Vec<bool> {
        let n = self.t.len();
        let mut pairs = vec![false; n];
        for (k, conjugate) in pairs.iter_mut().enumerate().take(n.saturating_sub(1)) {
            let [a, b, c, d] = [(k, k), (k, k + 1), (k + 1, k), (k + 1, k + 1)].map(|(i, j)| self.t[i][j].re);
            if c == 0.0 {
                continue;
            }
            let (middle, half) = ((a + d) / 2.0, (a - d) / 2.0);
            let square = half * half + b * c;
            let values = if square < 0.0 {
                *conjugate = true;
                let root = (-square).sqrt();
                [Complex64::new(middle, root), Complex64::new(middle, -root)]
            } else {
                // The one that is a sum first, since it has all its digits; the other by the product.
                let far = half + square.sqrt().copysign(half);
                let near = if far == 0.0 { 0.0 } else { b * c / far };
                [Complex64::from(d + far), Complex64::from(d - near)]
            };
            self.turn(k, [values[0] - d, c.into()], k);
            (self.t[k][k], self.t[k + 1][k + 1], self.t[k + 1][k]) = (values[0], values[1], 0.0.into());
        }
        pairs
    }

    /// Makes this vector of two rows the first of their axes. Columns before `from` are zero in both.
    fn turn(&mut self, k: usize, [x, y]: [Complex64; 2], from: usize) {
        let length = (x.norm_sqr() + y.norm_sqr()).sqrt();
        if length == 0.0 {
            return;
        }
        let (x, y, n) = (x / length, y / length, self.t.len());
        for column in from..n {
            let (p, q) = (self.t[k][column], self.t[k + 1][column]);
            self.t[k][column] = x.conj() * p + y.conj() * q;
            self.t[k + 1][column] = x * q - y * p;
        }
        for row in self.t.iter_mut().chain(self.z.iter_mut()) {
            let (p, q) = (row[k], row[k + 1]);
            row[k] = x * p + y * q;
            row[k + 1] = x.conj() * q - y.conj() * p;
        }
    }

    /// Makes zeros below the first diagonal under the main one.
    fn make_hessenberg(&mut self) {
        let n = self.t.len();
        for column in 0..n.saturating_sub(2) {
            for row in (column + 2..n).rev() {
                self.turn(row - 1, [self.t[row - 1][column], self.t[row][column]], column);
                self.t[row][column] = 0.0.into();
            }
        }
    }

    /// Makes zeros of the first diagonal under the main one, by steps with one shift of Wilkinson's.
    fn chase(&mut self) -> Result<()> {
        let norm = self.t.iter().flatten().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
        let (mut end, mut steps) = (self.t.len(), 0);
        while end > 1 {
            let small = |k: usize| {
                let beside = size(self.t[k][k]) + size(self.t[k - 1][k - 1]);
                size(self.t[k][k - 1]) <= f64::EPSILON * if beside == 0.0 { norm } else { beside }
            };
            let start = (1..end).rev().find(|&k| small(k)).unwrap_or(0);
            if start > 0 {
                self.t[start][start - 1] = 0.0.into();
            }
            if start == end - 1 {
                (end, steps) = (start, 0);
                continue;
            }
            steps += 1;
            if steps > STEPS {
                return no_end();
            }
            let mut vector = [self.t[start][start] - self.shift(end - 1, steps), self.t[start + 1][start]];
            for k in start..end - 1 {
                self.turn(k, vector, if k > start { k - 1 } else { start });
                if k > start {
                    self.t[k + 1][k - 1] = 0.0.into();
                }
                if k + 2 < end {
                    vector = [self.t[k + 1][k], self.t[k + 2][k]];
                }
            }
        }
        Ok(())
    }

    /// The eigenvalue of the last two rows that is nearer to the last element.
    fn shift(&self, last: usize, step: usize) -> Complex64 {
        let [a, b] = [self.t[last - 1][last - 1], self.t[last - 1][last]];
        let [c, d] = [self.t[last][last - 1], self.t[last][last]];
        if step.is_multiple_of(10) {
            // Where the shifts go in circles, another ends that.
            return d + size(c);
        }
        let half = (a - d) / 2.0;
        let mut far = root(half * half + b * c);
        if (half.conj() * far).re < 0.0 {
            far = -far;
        }
        let far = half + far;
        if size(far) == 0.0 { d } else { d - b * c / far }
    }

    /// The eigenvector of a value on the diagonal.
    fn vector(&self, k: usize) -> Vec<Complex64> {
        let n = self.t.len();
        let norm = self.t.iter().flatten().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
        let least = (f64::EPSILON * norm).max(1e-150);
        let mut x = vec![Complex64::default(); n];
        x[k] = 1.0.into();
        for i in (0..k).rev() {
            let sum: Complex64 = (i + 1..=k).map(|j| self.t[i][j] * x[j]).sum();
            let gap = self.t[i][i] - self.t[k][k];
            // Equal values have what vectors they have: this finds the one, or another.
            x[i] = -sum / if size(gap) < least { least.into() } else { gap };
        }
        self.z.iter().map(|row| row.iter().zip(&x).map(|(z, x)| z * x).sum()).collect()
    }
}

fn size(x: Complex64) -> f64 {
    libm::hypot(x.re, x.im)
}

/// The square root to the right of zero.
fn root(x: Complex64) -> Complex64 {
    let part = ((size(x) + x.re.abs()) / 2.0).sqrt();
    if part == 0.0 {
        Complex64::default()
    } else if x.re >= 0.0 {
        Complex64::new(part, x.im / (2.0 * part))
    } else {
        Complex64::new(x.im.abs() / (2.0 * part), part.copysign(x.im))
    }
}

/// A vector of length one: real, or with a real greatest element.
fn normal(x: Vec<Complex64>, real: bool) -> Vec<Complex64> {
    if real {
        // What is imaginary is rounding's.
        let length = x.iter().map(|x| x.re * x.re).sum::<f64>().sqrt();
        return x.iter().map(|x| Complex64::from(x.re / length)).collect();
    }
    let length = x.iter().map(|x| x.norm_sqr()).sum::<f64>().sqrt();
    let greatest =
        x.iter().fold(Complex64::default(), |most, x| if x.norm_sqr() > most.norm_sqr() { *x } else { most });
    let turn = greatest.conj() / size(greatest) / length;
    let exact = |y: Complex64, x: &Complex64| if *x == greatest { y.re.into() } else { y };
    x.iter().map(|x| exact(x * turn, x)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(a: &Matrix<f64>) {
        let n = a.rows;
        let (values, vectors) = eigen(a).expect("it converges");
        let norm = a.elements.iter().map(|x| x * x).sum::<f64>().sqrt().max(1.0);
        for (value, vector) in values.iter().zip(&vectors) {
            let length: f64 = vector.iter().map(|x| x.norm_sqr()).sum();
            assert!((length - 1.0).abs() < 1e-12, "{length}");
            for row in 0..n {
                let product: Complex64 = (0..n).map(|k| a.at(row, k) * vector[k]).sum();
                let error = size(product - value * vector[row]);
                assert!(error < 1e-12 * norm, "{:?}: {error} of {value}", a.elements);
            }
        }
        let (sum, trace): (Complex64, f64) = (values.iter().sum(), (0..n).map(|k| a.at(k, k)).sum());
        assert!(size(sum - trace) < 1e-11 * norm);
        // Complex values are there with their conjugates, the positive one first.
        let complex: Vec<&Complex64> = values.iter().filter(|value| value.im != 0.0).collect();
        assert!(complex.chunks(2).all(|pair| pair[0].im > 0.0 && *pair[1] == pair[0].conj()), "{values:?}");
    }

    #[test]
    fn values_and_vectors_are_those_of_the_matrix() {
        for n in 1..12 {
            for shift in 0..12 {
                let element = |i: usize| ((i * i * 7 + i * (shift + 3) + shift) % 23) as f64 / 4.0 - 3.0;
                check(&Matrix { rows: n, columns: n, elements: (0..n * n).map(element).collect() });
            }
        }
    }

    #[test]
    fn values_and_vectors_are_those_of_a_complex_matrix() {
        for n in 1..10 {
            for shift in 0..12 {
                let element = |i: usize| ((i * i * 7 + i * (shift + 3) + shift) % 23) as f64 / 4.0 - 3.0;
                let number = |i: usize| Complex64::new(element(i), element(i + shift + 1));
                let a: Vec<Vec<Complex64>> = (0..n).map(|row| (0..n).map(|k| number(row * n + k)).collect()).collect();
                let (values, vectors) = eigen_of_complex(a.clone()).expect("it converges");
                for (value, vector) in values.iter().zip(&vectors) {
                    for row in 0..n {
                        let product: Complex64 = (0..n).map(|k| a[row][k] * vector[k]).sum();
                        assert!(size(product - value * vector[row]) < 1e-11, "{n} {shift}");
                    }
                }
            }
        }
        let turned = vec![vec![0.0.into(), Complex64::i()], vec![Complex64::i(), 0.0.into()]];
        let (mut values, _) = eigen_of_complex(turned).expect("it converges");
        values.sort_by(|x, y| x.im.total_cmp(&y.im));
        assert!(size(values[0] + Complex64::i()) < 1e-15 && size(values[1] - Complex64::i()) < 1e-15);
    }

    #[test]
    fn values_that_are_alike_and_shifts_that_go_in_circles() {
        check(&Matrix::identity(5));
        check(&Matrix::zeros(4, 4));
        // A cycle, whose values are the roots of one.
        for n in 2..9 {
            let mut cycle = Matrix::zeros(n, n);
            (0..n).for_each(|k| *cycle.at_mut((k + 1) % n, k) = 1.0);
            check(&cycle);
        }
        // A defective one: all values are two, and there is one vector.
        let mut jordan = Matrix::identity(4);
        (0..4).for_each(|k| *jordan.at_mut(k, k) = 2.0);
        (0..3).for_each(|k| *jordan.at_mut(k, k + 1) = 1.0);
        check(&jordan);
        // Two times the same plane turned.
        check(&Matrix {
            rows: 4,
            columns: 4,
            elements: vec![0.0, -1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0],
        });
    }
}
