//! Solving, inverting and factoring square matrices: LU with partial pivots, Cholesky, and QR by Householder's reflections.
//!
//! All is computed in `f64` by the rules of LAPACK (which row is a pivot, which sign a reflection has), so the results are
//! PyTorch's up to rounding. Matrices of a batch are one after the other; results lie column by column, as LAPACK leaves them.

use std::ops::Range;

use super::super::results::tuple;
use super::super::{Call, Fault};
use crate::tensor::broadcast::broadcast;
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{DType, Dims, Layout, Storage, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// A row-major matrix.
#[derive(Clone)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) elements: Vec<f64>,
}

impl Matrix {
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, elements: vec![0.0; rows * columns] }
    }

    pub(super) fn identity(size: usize) -> Self {
        let mut matrix = Self::zeros(size, size);
        (0..size).for_each(|i| *matrix.at_mut(i, i) = 1.0);
        matrix
    }

    pub(super) fn at(&self, row: usize, column: usize) -> f64 {
        self.elements[row * self.columns + column]
    }

    pub(super) fn at_mut(&mut self, row: usize, column: usize) -> &mut f64 {
        &mut self.elements[row * self.columns + column]
    }

    pub(super) fn transposed(&self) -> Self {
        let mut result = Self::zeros(self.columns, self.rows);
        for row in 0..self.rows {
            for column in 0..self.columns {
                *result.at_mut(column, row) = self.at(row, column);
            }
        }
        result
    }

    pub(super) fn swap_rows(&mut self, a: usize, b: usize) {
        if a != b {
            (0..self.columns)
                .for_each(|column| self.elements.swap(a * self.columns + column, b * self.columns + column));
        }
    }
}

/// `P A = L U`, both factors in one matrix; the row that each step exchanged its own with; the first pivot that is zero.
pub(super) struct Lu {
    pub(super) factors: Matrix,
    pub(super) pivots: Vec<usize>,
    pub(super) zero: Option<usize>,
}

impl Lu {
    pub(super) fn of(mut a: Matrix) -> Self {
        let steps = a.rows.min(a.columns);
        let (mut pivots, mut zero) = (Vec::with_capacity(steps), None);
        for k in 0..steps {
            let pivot =
                (k..a.rows).fold(k, |best, row| if a.at(row, k).abs() > a.at(best, k).abs() { row } else { best });
            pivots.push(pivot);
            if a.at(pivot, k) == 0.0 {
                zero = zero.or(Some(k));
                continue;
            }
            a.swap_rows(k, pivot);
            for row in k + 1..a.rows {
                let factor = a.at(row, k) / a.at(k, k);
                *a.at_mut(row, k) = factor;
                for column in k + 1..a.columns {
                    *a.at_mut(row, column) -= factor * a.at(k, column);
                }
            }
        }
        Self { factors: a, pivots, zero }
    }

    /// The sign and the logarithm of the size of the determinant.
    fn log_determinant(&self) -> (f64, f64) {
        let exchanges = self.pivots.iter().enumerate().filter(|(k, pivot)| k != *pivot).count();
        let start = if exchanges % 2 == 1 { -1.0 } else { 1.0 };
        (0..self.factors.rows).map(|k| self.factors.at(k, k)).fold((start, 0.0), |(sign, log), pivot| {
            let sign_of = if pivot == 0.0 { 0.0 } else { pivot.signum() };
            (sign * sign_of, log + libm::log(pivot.abs()))
        })
    }

    fn determinant(&self) -> f64 {
        let exchanges = self.pivots.iter().enumerate().filter(|(k, pivot)| k != *pivot).count();
        let start = if exchanges % 2 == 1 { -1.0 } else { 1.0 };
        (0..self.factors.rows).map(|k| self.factors.at(k, k)).fold(start, |product, pivot| product * pivot)
    }

    pub(super) fn solve(&self, mut b: Matrix) -> Matrix {
        self.pivots.iter().enumerate().for_each(|(k, &pivot)| b.swap_rows(k, pivot));
        let b = triangular(&self.factors, b, false, true);
        triangular(&self.factors, b, true, false)
    }

    /// The same for the transposed matrix.
    pub(super) fn solve_transposed(&self, b: Matrix) -> Matrix {
        let turned = self.factors.transposed();
        let b = triangular(&turned, b, false, false);
        let mut b = triangular(&turned, b, true, true);
        self.pivots.iter().enumerate().rev().for_each(|(k, &pivot)| b.swap_rows(k, pivot));
        b
    }

    /// The exchange of rows as a matrix, and both factors: `A = P L U`.
    pub(super) fn parts(&self) -> [Matrix; 3] {
        let (rows, columns) = (self.factors.rows, self.factors.columns);
        let inner = rows.min(columns);
        let mut order = Matrix::identity(rows);
        self.pivots.iter().enumerate().for_each(|(k, &pivot)| order.swap_rows(k, pivot));
        let (mut lower, mut upper) = (Matrix::zeros(rows, inner), Matrix::zeros(inner, columns));
        for row in 0..rows {
            for column in 0..columns {
                let factor = self.factors.at(row, column);
                if row > column && column < inner {
                    *lower.at_mut(row, column) = factor;
                } else if row <= column && row < inner {
                    *upper.at_mut(row, column) = factor;
                }
            }
            if row < inner {
                *lower.at_mut(row, row) = 1.0;
            }
        }
        [order.transposed(), lower, upper]
    }
}

/// The [parts](Lu::parts) of all.
pub(super) fn parts_of(all: impl Iterator<Item = Lu>) -> [Vec<Matrix>; 3] {
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for lu in all {
        parts.iter_mut().zip(lu.parts()).for_each(|(all, part)| all.push(part));
    }
    parts
}

/// Solves `T X = B` for a triangular matrix; `unit` takes ones for its diagonal.
pub(super) fn triangular(t: &Matrix, mut b: Matrix, upper: bool, unit: bool) -> Matrix {
    let n = t.rows;
    for step in 0..n {
        let row = if upper { n - 1 - step } else { step };
        let known = if upper { row + 1..n } else { 0..row };
        for column in 0..b.columns {
            let sum: f64 = known.clone().map(|k| t.at(row, k) * b.at(k, column)).sum();
            let rest = b.at(row, column) - sum;
            *b.at_mut(row, column) = if unit { rest } else { rest / t.at(row, row) };
        }
    }
    b
}

/// The lower factor of `A = L Lᵀ`, or the order of the first minor that is not positive.
fn cholesky_of(a: &Matrix) -> (Matrix, Option<usize>) {
    let n = a.rows;
    let mut l = Matrix::zeros(n, n);
    for j in 0..n {
        let rest = a.at(j, j) - (0..j).map(|k| l.at(j, k) * l.at(j, k)).sum::<f64>();
        if rest.is_nan() || rest <= 0.0 {
            return (l, Some(j + 1));
        }
        *l.at_mut(j, j) = rest.sqrt();
        for i in j + 1..n {
            let sum: f64 = (0..j).map(|k| l.at(i, k) * l.at(j, k)).sum();
            *l.at_mut(i, j) = (a.at(i, j) - sum) / l.at(j, j);
        }
    }
    (l, None)
}

/// Reflections, each of the rows from its own number on.
pub(super) type Reflections = Vec<(Vec<f64>, f64)>;

/// The reflections that make a matrix triangular, and what they make of it.
pub(super) fn reflections_of(a: &Matrix) -> (Reflections, Matrix) {
    let (m, n) = (a.rows, a.columns);
    let mut r = a.clone();
    let mut reflections = Reflections::new();
    for k in 0..m.min(n) {
        let norm = (k..m).map(|i| r.at(i, k) * r.at(i, k)).sum::<f64>().sqrt();
        let below = (k + 1..m).map(|i| r.at(i, k).abs()).sum::<f64>();
        // A column that is zero below its diagonal is left as it is, whatever its sign.
        if below == 0.0 {
            reflections.push((vec![0.0; m - k], 0.0));
            continue;
        }
        let alpha = r.at(k, k);
        let beta = if alpha >= 0.0 { -norm } else { norm };
        let mut v: Vec<f64> = (k..m).map(|i| r.at(i, k) / (alpha - beta)).collect();
        v[0] = 1.0;
        let tau = (beta - alpha) / beta;
        reflect(&mut r, k, &v, tau);
        *r.at_mut(k, k) = beta;
        (k + 1..m).for_each(|i| *r.at_mut(i, k) = 0.0);
        reflections.push((v, tau));
    }
    (reflections, r)
}

/// The first columns of the product of reflections.
pub(super) fn product_of(reflections: &Reflections, (rows, columns): (usize, usize)) -> Matrix {
    let mut q = Matrix::zeros(rows, columns);
    (0..rows.min(columns)).for_each(|i| *q.at_mut(i, i) = 1.0);
    for (k, (v, tau)) in reflections.iter().enumerate().rev() {
        reflect(&mut q, k, v, *tau);
    }
    q
}

/// `A = Q R` with so many columns of `Q`.
fn qr_of(a: &Matrix, columns: usize) -> (Matrix, Matrix) {
    let (m, n) = (a.rows, a.columns);
    let (reflections, r) = reflections_of(a);
    let q = product_of(&reflections, (m, columns));
    let mut cut = Matrix::zeros(columns, n);
    for i in 0..columns.min(m) {
        (i..n).for_each(|j| *cut.at_mut(i, j) = r.at(i, j));
    }
    (q, cut)
}

/// Applies `I - tau v vᵀ` to the rows from `k` on.
pub(super) fn reflect(a: &mut Matrix, k: usize, v: &[f64], tau: f64) {
    reflect_columns(a, k, (v, tau), 0..a.columns);
}

/// The same in some columns only.
pub(super) fn reflect_columns(a: &mut Matrix, k: usize, (v, tau): (&[f64], f64), columns: Range<usize>) {
    for column in columns {
        let dot: f64 = v.iter().enumerate().map(|(i, v)| v * a.at(k + i, column)).sum();
        v.iter().enumerate().for_each(|(i, v)| *a.at_mut(k + i, column) -= tau * v * dot);
    }
}

/// Raises what PyTorch raises for a tensor that is no matrices, or no square ones where those are wanted.
pub(super) fn check_sizes(sizes: &[i64], name: &str, square: bool) -> Result<(), Fault> {
    match *sizes {
        [.., rows, columns] if square && rows != columns => {
            raised(format!("{name}: A must be batches of square matrices, but they are {rows} by {columns} matrices"))
        }
        [.., _, _] => Ok(()),
        _ => {
            let own = NO_MATRIX.iter().find(|row| row.0 == name).map(|row| row.1);
            raised(format!("{name}: {} must have at least 2 dimensions.", own.unwrap_or("The input tensor A")))
        }
    }
}

/// What some functions call an input that is no matrix.
const NO_MATRIX: &[(&str, &str)] = &[
    ("torch.linalg.householder_product", "input"),
    ("torch.linalg.matrix_rank", "The input tensor input"),
    ("torch.ormqr", "input"),
];

/// The matrices of a batch, and the sizes of the batch.
pub(super) struct Batch {
    pub(super) matrices: Vec<Matrix>,
    pub(super) sizes: Dims,
    pub(super) dtype: DType,
}

impl Batch {
    /// Reads a tensor of matrices, square ones if told so; `name` is what PyTorch calls the function.
    pub(super) fn of(call: &Call<'_>, i: usize, name: &str, square: bool) -> Result<Self, Fault> {
        let tensor = call.tensor(i)?;
        let sizes = tensor.sizes();
        check_sizes(&sizes, name, square)?;
        check_dtype(tensor.dtype(), name)?;
        Self::read(call, tensor, sizes[..sizes.len() - 2].into())
    }

    /// Reads matrices for a batch of these sizes.
    pub(super) fn read(call: &Call<'_>, tensor: &Tensor, batch: Dims) -> Result<Self, Fault> {
        let sizes = tensor.sizes();
        let (rows, columns) = (sizes[sizes.len() - 2] as usize, sizes[sizes.len() - 1] as usize);
        let mut all = batch.clone();
        all.extend_from_slice(&sizes[sizes.len() - 2..]);
        let elements = tensor.read_expanded::<f64>(&all, &call.memory())?;
        let count = batch.iter().product::<i64>() as usize;
        let matrix = |i: usize| elements[i * rows * columns..][..rows * columns].to_vec();
        let matrices = (0..count).map(|i| Matrix { rows, columns, elements: matrix(i) }).collect();
        Ok(Self { matrices, sizes: batch, dtype: tensor.dtype() })
    }

    /// A contiguous tensor of one matrix for each, as products of others are.
    pub(super) fn products(
        &self,
        call: &mut Call<'_>,
        (rows, columns): (usize, usize),
        results: &[Matrix],
    ) -> Result<Tensor, Fault> {
        let sizes = self.sizes_with(rows, columns);
        let elements: Vec<f64> = results.iter().flat_map(|matrix| matrix.elements.iter().copied()).collect();
        call.create(self.dtype, &sizes, &elements)
    }

    /// A tensor of one matrix for each, column by column, as LAPACK leaves them.
    pub(super) fn matrices(
        &self,
        call: &mut Call<'_>,
        (rows, columns): (usize, usize),
        results: &[Matrix],
    ) -> Result<Tensor, Fault> {
        let sizes = self.sizes_with(rows, columns);
        self.by_columns(call, &sizes, results)
    }

    /// Those of a tensor of one matrix for each.
    fn sizes_with(&self, rows: usize, columns: usize) -> Dims {
        let mut sizes = self.sizes.clone();
        sizes.extend([rows as i64, columns as i64]);
        sizes
    }

    /// The elements of all matrices in a tensor of these sizes, the last two of which lie column by column, if there are two.
    fn by_columns(&self, call: &mut Call<'_>, sizes: &[i64], results: &[Matrix]) -> Result<Tensor, Fault> {
        let mut strides = contiguous_strides(sizes);
        if let ([.., row, column], [.., rows, _]) = (&mut strides[..], sizes) {
            (*row, *column) = (1, (*rows).max(1));
        }
        let layout = Layout::strided(sizes, &strides, 0);
        let storage = Storage::for_layout(call.allocator, &layout, self.dtype)?;
        let tensor = Tensor::new(call.allocator, storage, self.dtype, layout);
        let elements: Vec<f64> = results.iter().flat_map(|matrix| matrix.elements.iter().copied()).collect();
        tensor.store(&elements)?;
        Ok(tensor)
    }

    /// A tensor of one number for each.
    pub(super) fn numbers(&self, call: &mut Call<'_>, numbers: &[f64]) -> Result<Tensor, Fault> {
        call.create(self.dtype, &self.sizes, numbers)
    }

    /// A tensor of what went wrong with each: zero for nothing.
    fn infos(&self, call: &mut Call<'_>, infos: &[i64]) -> Result<Tensor, Fault> {
        call.create(DType::Int32, &self.sizes, infos)
    }

    /// Raises for the first matrix that something is wrong with.
    fn raise(&self, name: &str, infos: &[i64], words: impl Fn(i64) -> String) -> Result<(), Fault> {
        let Some(i) = infos.iter().position(|&info| info != 0) else { return Ok(()) };
        let place = if self.sizes.is_empty() { String::new() } else { format!("(Batch element {i}): ") };
        raised(format!("{name}: {place}{}", words(infos[i])))
    }
}

fn check_dtype(dtype: DType, name: &str) -> Result<(), Fault> {
    match dtype {
        DType::Float32 | DType::Float64 => Ok(()),
        DType::Complex64 | DType::Complex128 => Err(Fault::unsupported(format!("{name} of {dtype} matrices"))),
        DType::Float16 | DType::BFloat16 => {
            raised(format!("{name}: Low precision dtypes not supported. Got {}", dtype.scalar_type_name()))
        }
        _ => raised(format!(
            "{name}: Expected a floating point or complex tensor as input. Got {}",
            dtype.scalar_type_name()
        )),
    }
}

fn singular(info: i64) -> String {
    format!(
        "The diagonal element {info} is zero, the inversion could not be completed because the input matrix is singular."
    )
}

fn inverted(call: &mut Call<'_>, check: bool) -> Result<[Tensor; 2], Fault> {
    let batch = Batch::of(call, 0, "linalg.inv", true)?;
    let factors: Vec<Lu> = batch.matrices.iter().cloned().map(Lu::of).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    if check {
        batch.raise("linalg.inv", &infos, singular)?;
    }
    let inverses: Vec<Matrix> = factors.iter().map(|lu| lu.solve(Matrix::identity(lu.factors.rows))).collect();
    let (rows, _) = size_of(call, 0)?;
    Ok([batch.matrices(call, (rows, rows), &inverses)?, batch.infos(call, &infos)?])
}

/// Rows and columns of the matrices of an argument, also of none. Whether it is matrices was checked before.
pub(super) fn size_of(call: &Call<'_>, i: usize) -> Result<(usize, usize), Fault> {
    let sizes = call.tensor(i)?.sizes();
    Ok((sizes[sizes.len() - 2] as usize, sizes[sizes.len() - 1] as usize))
}

/// `linalg_inv`, `inverse`
pub(super) fn inverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [inverse, _] = inverted(call, true)?;
    Ok(Value::Tensor(inverse))
}

pub(super) fn inverse_ex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(1)?;
    inverted(call, check).map(tuple)
}

/// `linalg_det`, `det`
pub(super) fn determinant(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.det", true)?;
    let results: Vec<f64> = batch.matrices.iter().cloned().map(|a| Lu::of(a).determinant()).collect();
    batch.numbers(call, &results).map(Value::Tensor)
}

/// `linalg_slogdet`, `slogdet`
pub(super) fn sign_and_log_determinant(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.slogdet", true)?;
    let results: Vec<(f64, f64)> = batch.matrices.iter().cloned().map(|a| Lu::of(a).log_determinant()).collect();
    let (signs, logs): (Vec<f64>, Vec<f64>) = results.into_iter().unzip();
    let signs = batch.numbers(call, &signs)?;
    Ok(tuple([signs, batch.numbers(call, &logs)?]))
}

pub(super) fn log_determinant(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "logdet", true)?;
    let log = |(sign, log): (f64, f64)| if sign < 0.0 { f64::NAN } else { log };
    let results: Vec<f64> = batch.matrices.iter().cloned().map(|a| log(Lu::of(a).log_determinant())).collect();
    batch.numbers(call, &results).map(Value::Tensor)
}

fn solved(call: &mut Call<'_>, check: bool) -> Result<[Tensor; 2], Fault> {
    let name = "linalg.solve";
    let (a, b, left) = (call.tensor(0)?, call.tensor(1)?, call.bool(2)?);
    let batch = Batch::of(call, 0, name, true)?;
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    if a.dtype() != b.dtype() {
        return raised(format!(
            "{name}: Expected A and B to have the same dtype, but found A of type {} and B of type {} instead",
            a.dtype().scalar_type_name(),
            b.dtype().scalar_type_name()
        ));
    }
    let vector = b_sizes.len() == 1 || b_sizes[..] == a_sizes[..a_sizes.len() - 1];
    if vector && !left {
        return raised(format!("{name}: Vector broadcasting of the left hand side is not supported for left=False."));
    }
    let right = if vector {
        call.run_tensor("aten::unsqueeze", &[Value::Tensor(b.clone()), Value::Int(-1)])?
    } else {
        b.clone()
    };
    let sizes = right.sizes();
    if sizes.len() < 2 {
        return raised(format!("{name}: The input tensor B must have at least 2 dimensions."));
    }
    let (n, (rows, columns)) = (a_sizes[a_sizes.len() - 1], (sizes[sizes.len() - 2], sizes[sizes.len() - 1]));
    if n != if left { rows } else { columns } {
        return raised(format!(
            "{name}: Incompatible shapes of A and B for the equation {} ({n}x{n} and {rows}x{columns})",
            if left { "AX = B" } else { "XA = B" }
        ));
    }
    let together = broadcast(&a_sizes[..a_sizes.len() - 2], &sizes[..sizes.len() - 2])?;
    let right_batch = Batch::read(call, &right, together.clone())?;
    let left_batch = Batch::read(call, a, together)?;
    let turned = |matrix: &Matrix| if left { matrix.clone() } else { matrix.transposed() };
    let factors: Vec<Lu> = left_batch.matrices.iter().map(|a| Lu::of(turned(a))).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    if check {
        let words = |_| "The solver failed because the input matrix is singular.".to_string();
        left_batch.raise(name, &infos, words)?;
    }
    let results: Vec<Matrix> =
        factors.iter().zip(&right_batch.matrices).map(|(lu, b)| turned(&lu.solve(turned(b)))).collect();
    let size = (rows as usize, columns as usize);
    let result = match (vector, left) {
        (true, _) => {
            let mut sizes = right_batch.sizes.clone();
            sizes.push(rows);
            right_batch.by_columns(call, &sizes, &results)?
        }
        (false, true) => right_batch.matrices(call, size, &results)?,
        // What is solved from the other side is a transposed equation.
        (false, false) => right_batch.products(call, size, &results)?,
    };
    Ok([result, batch.infos(call, &infos[..batch.matrices.len().min(infos.len())])?])
}

pub(super) fn solve(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [result, _] = solved(call, true)?;
    Ok(Value::Tensor(result))
}

pub(super) fn solve_ex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(3)?;
    solved(call, check).map(tuple)
}

fn not_positive(info: i64) -> String {
    format!(
        "The factorization could not be completed because the input is not positive-definite (the leading minor of order \
         {info} is not positive-definite)."
    )
}

fn factored(call: &mut Call<'_>, name: &str, check: bool) -> Result<[Tensor; 2], Fault> {
    let (batch, upper) = (Batch::of(call, 0, name, true)?, call.bool(1)?);
    let turned = |matrix: &Matrix| if upper { matrix.transposed() } else { matrix.clone() };
    let results: Vec<(Matrix, Option<usize>)> = batch.matrices.iter().map(|a| cholesky_of(&turned(a))).collect();
    let infos: Vec<i64> = results.iter().map(|(_, order)| order.unwrap_or(0) as i64).collect();
    if check {
        batch.raise(name, &infos, not_positive)?;
    }
    let factors: Vec<Matrix> = results.iter().map(|(l, _)| turned(l)).collect();
    let (rows, _) = size_of(call, 0)?;
    Ok([batch.matrices(call, (rows, rows), &factors)?, batch.infos(call, &infos)?])
}

/// `linalg_cholesky`
pub(super) fn cholesky(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [factor, _] = factored(call, "linalg.cholesky", true)?;
    Ok(Value::Tensor(factor))
}

/// `torch.cholesky`, the older one.
pub(super) fn older_cholesky(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [factor, _] = factored(call, "cholesky", true)?;
    Ok(Value::Tensor(factor))
}

pub(super) fn cholesky_ex(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(2)?;
    factored(call, "linalg.cholesky_ex", check).map(tuple)
}

/// Solves with a factor of Cholesky's: `self` is the right-hand side.
pub(super) fn cholesky_solve(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (b, upper) = (call.tensor(0)?, call.bool(2)?);
    let factor = Batch::of(call, 1, "cholesky_solve", true)?;
    let sizes = b.sizes();
    if sizes.len() < 2 {
        return raised(format!("b should have at least 2 dimensions, but has {} dimensions instead", sizes.len()));
    }
    let together = broadcast(&factor.sizes, &sizes[..sizes.len() - 2])?;
    let factor = Batch::read(call, call.tensor(1)?, together.clone())?;
    let right = Batch::read(call, b, together)?;
    let ((n, _), (rows, columns)) = (size_of(call, 1)?, size_of(call, 0)?);
    if n != rows {
        return raised(format!(
            "Incompatible matrix sizes for cholesky_solve: each A matrix is {n} by {n} but each b matrix is {rows} by {columns}"
        ));
    }
    let solved = |(l, b): (&Matrix, &Matrix)| {
        let l = if upper { l.transposed() } else { l.clone() };
        let y = triangular(&l, b.clone(), false, false);
        triangular(&l.transposed(), y, true, false)
    };
    let results: Vec<Matrix> = factor.matrices.iter().zip(&right.matrices).map(solved).collect();
    right.matrices(call, (rows, columns), &results).map(Value::Tensor)
}

/// The inverse of what a factor of Cholesky's is of.
pub(super) fn cholesky_inverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (factor, upper) = (Batch::of(call, 0, "cholesky_inverse", true)?, call.bool(1)?);
    let inverse = |l: &Matrix| {
        let l = if upper { l.transposed() } else { l.clone() };
        let y = triangular(&l, Matrix::identity(l.rows), false, false);
        triangular(&l.transposed(), y, true, false)
    };
    let (rows, _) = size_of(call, 0)?;
    let zero = |l: &Matrix| (0..rows).find(|&k| l.at(k, k) == 0.0).map_or(0, |k| k as i64 + 1);
    let infos: Vec<i64> = factor.matrices.iter().map(zero).collect();
    factor.raise("cholesky_inverse", &infos, singular)?;
    let results: Vec<Matrix> = factor.matrices.iter().map(inverse).collect();
    factor.matrices(call, (rows, rows), &results).map(Value::Tensor)
}

pub(super) fn solve_triangular(call: &mut Call<'_>) -> Result<Value, Fault> {
    let name = "linalg.solve_triangular";
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (upper, left, unit) = (call.bool(2)?, call.bool(3)?, call.bool(4)?);
    let batch = Batch::of(call, 0, name, true)?;
    let (a_sizes, sizes) = (a.sizes(), b.sizes());
    if sizes.len() < 2 {
        return raised(format!("{name}: The input tensor B must have at least 2 dimensions."));
    }
    let (n, (rows, columns)) = (a_sizes[a_sizes.len() - 1], (sizes[sizes.len() - 2], sizes[sizes.len() - 1]));
    if n != if left { rows } else { columns } {
        return raised(format!(
            "{name}: Incompatible shapes of A and B for the equation {} ({n}x{n} and {rows}x{columns})",
            if left { "AX = B" } else { "XA = B" }
        ));
    }
    let together = broadcast(&batch.sizes, &sizes[..sizes.len() - 2])?;
    let (factors, right) = (Batch::read(call, a, together.clone())?, Batch::read(call, b, together)?);
    let solved = |(t, b): (&Matrix, &Matrix)| match left {
        true => triangular(t, b.clone(), upper, unit),
        false => triangular(&t.transposed(), b.transposed(), !upper, unit).transposed(),
    };
    let results: Vec<Matrix> = factors.matrices.iter().zip(&right.matrices).map(solved).collect();
    right.matrices(call, (rows as usize, columns as usize), &results).map(Value::Tensor)
}

/// `torch.triangular_solve`: the solution, and a copy of the coefficients.
pub(super) fn triangular_solve(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (upper, transpose, unit) = (call.bool(2)?, call.bool(3)?, call.bool(4)?);
    let batch = Batch::of(call, 1, "triangular_solve", true)?;
    let (b, n) = (call.tensor(0)?, size_of(call, 1)?.0);
    let sizes = b.sizes();
    if sizes.len() < 2 || sizes[sizes.len() - 2] as usize != n {
        return raised(format!("triangular_solve: A is {n} by {n} but b has sizes {sizes:?}"));
    }
    let together = broadcast(&batch.sizes, &sizes[..sizes.len() - 2])?;
    let factors = Batch::read(call, call.tensor(1)?, together.clone())?;
    let right = Batch::read(call, b, together)?;
    let solved = |(t, b): (&Matrix, &Matrix)| match transpose {
        true => triangular(&t.transposed(), b.clone(), !upper, unit),
        false => triangular(t, b.clone(), upper, unit),
    };
    let results: Vec<Matrix> = factors.matrices.iter().zip(&right.matrices).map(solved).collect();
    let solution = right.matrices(call, size_of(call, 0)?, &results)?;
    Ok(tuple([solution, factors.matrices(call, (n, n), &factors.matrices)?]))
}

fn decomposed(call: &mut Call<'_>, complete: bool, with_q: bool) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.qr", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let width = if complete { rows } else { rows.min(columns) };
    let (q, r): (Vec<Matrix>, Vec<Matrix>) = batch.matrices.iter().map(|a| qr_of(a, width)).unzip();
    let q = if with_q { batch.matrices(call, (rows, width), &q)? } else { call.zeros(batch.dtype, &[0])? };
    Ok(tuple([q, batch.matrices(call, (width, columns), &r)?]))
}

pub(super) fn qr(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mode = call.str(1)?.to_string();
    match &*mode {
        "reduced" => decomposed(call, false, true),
        "complete" => decomposed(call, true, true),
        "r" => decomposed(call, false, false),
        _ => raised(format!(
            "qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )),
    }
}

/// `torch.qr`, the older one.
pub(super) fn older_qr(call: &mut Call<'_>) -> Result<Value, Fault> {
    let some = call.bool(1)?;
    decomposed(call, !some, true)
}

/// Both factors in one, the exchanged rows counted from one, and what went wrong.
fn lu(call: &mut Call<'_>) -> Result<[Tensor; 3], Fault> {
    if !call.bool(1)? {
        return raised("linalg.lu_factor: LU without pivoting is not implemented on the CPU");
    }
    let batch = Batch::of(call, 0, "torch.linalg.lu_factor", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let factors: Vec<Lu> = batch.matrices.iter().cloned().map(Lu::of).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    let pivots: Vec<i64> = factors.iter().flat_map(|lu| lu.pivots.iter().map(|&pivot| pivot as i64 + 1)).collect();
    let mut sizes = batch.sizes.clone();
    sizes.push(rows.min(columns) as i64);
    let pivots = call.create(DType::Int32, &sizes, &pivots)?;
    let infos = batch.infos(call, &infos)?;
    let matrices: Vec<Matrix> = factors.into_iter().map(|lu| lu.factors).collect();
    Ok([batch.matrices(call, (rows, columns), &matrices)?, pivots, infos])
}

pub(super) fn lu_factor(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [factors, pivots, _] = lu(call)?;
    Ok(tuple([factors, pivots]))
}

pub(super) fn lu_factor_ex(call: &mut Call<'_>) -> Result<Value, Fault> {
    lu(call).map(tuple)
}

/// `P`, `L` and `U` with `A = P L U`.
pub(super) fn lu_parts(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::of(call, 0, "linalg.lu", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let inner = rows.min(columns);
    let [p, l, u] = parts_of(batch.matrices.iter().cloned().map(Lu::of));
    let p = batch.products(call, (rows, rows), &p)?;
    let l = batch.products(call, (rows, inner), &l)?;
    Ok(tuple([p, l, batch.products(call, (inner, columns), &u)?]))
}
