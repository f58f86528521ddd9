//! Solving, inverting and factoring square matrices: LU with partial pivots, Cholesky, and QR by Householder's reflections.
//!
//! All is computed in `f64`, or with two for a complex number, by the rules of LAPACK (which row is a pivot, which sign a reflection has), so the results are
//! PyTorch's up to rounding. Matrices of a batch are one after the other; results lie column by column, as LAPACK leaves them.

use std::ops::Range;

use super::super::results::tuple;
use super::super::{Call, Destination, Fault, out};
use super::field::Field;
use crate::slot::Charge;
use crate::tensor::broadcast::broadcast;
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{DType, Dims, Layout, Storage, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// A row-major matrix.
#[derive(Clone)]
pub(super) struct Matrix<T> {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) elements: Vec<T>,
}

impl<T: Field> Matrix<T> {
    pub(super) fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, elements: vec![T::default(); rows * columns] }
    }

    pub(super) fn identity(size: usize) -> Self {
        let mut matrix = Self::zeros(size, size);
        (0..size).for_each(|i| *matrix.at_mut(i, i) = 1.0.into());
        matrix
    }

    pub(super) fn at(&self, row: usize, column: usize) -> T {
        self.elements[row * self.columns + column]
    }

    pub(super) fn at_mut(&mut self, row: usize, column: usize) -> &mut T {
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

    /// Transposed, and each element conjugated.
    pub(super) fn adjoint(&self) -> Self {
        let mut result = self.transposed();
        result.elements.iter_mut().for_each(|x| *x = x.conjugate());
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
pub(super) struct Lu<T> {
    pub(super) factors: Matrix<T>,
    pub(super) pivots: Vec<usize>,
    pub(super) zero: Option<usize>,
}

impl<T: Field> Lu<T> {
    pub(super) fn of(mut a: Matrix<T>) -> Self {
        let steps = a.rows.min(a.columns);
        let (mut pivots, mut zero) = (Vec::with_capacity(steps), None);
        for k in 0..steps {
            let pivot =
                (k..a.rows).fold(k, |best, row| if a.at(row, k).size() > a.at(best, k).size() { row } else { best });
            pivots.push(pivot);
            if a.at(pivot, k).is_zero() {
                zero = zero.or(Some(k));
                continue;
            }
            a.swap_rows(k, pivot);
            for row in k + 1..a.rows {
                let factor = a.at(row, k).over(a.at(k, k));
                *a.at_mut(row, k) = factor;
                for column in k + 1..a.columns {
                    let part = factor * a.at(k, column);
                    *a.at_mut(row, column) -= part;
                }
            }
        }
        Self { factors: a, pivots, zero }
    }

    /// The pivots, and the sign that the exchange of rows gives their product.
    fn diagonal(&self) -> (impl Iterator<Item = T> + '_, T) {
        let exchanges = self.pivots.iter().enumerate().filter(|(k, pivot)| k != *pivot).count();
        let sign = if exchanges % 2 == 1 { -1.0 } else { 1.0 };
        ((0..self.factors.rows).map(|k| self.factors.at(k, k)), sign.into())
    }

    /// The sign (of a complex one the direction) and the logarithm of the size of the determinant.
    fn log_determinant(&self) -> (T, f64) {
        let (pivots, start) = self.diagonal();
        pivots.fold((start, 0.0), |(sign, log), pivot| (sign * pivot.direction(), log + libm::log(pivot.modulus())))
    }

    fn determinant(&self) -> T {
        let (pivots, start) = self.diagonal();
        pivots.fold(start, |product, pivot| product * pivot)
    }

    pub(super) fn solve(&self, mut b: Matrix<T>) -> Matrix<T> {
        self.pivots.iter().enumerate().for_each(|(k, &pivot)| b.swap_rows(k, pivot));
        let b = triangular(&self.factors, b, false, true);
        triangular(&self.factors, b, true, false)
    }

    /// The same for the adjoint matrix.
    pub(super) fn solve_adjoint(&self, b: Matrix<T>) -> Matrix<T> {
        let turned = self.factors.adjoint();
        let b = triangular(&turned, b, false, false);
        let mut b = triangular(&turned, b, true, true);
        self.pivots.iter().enumerate().rev().for_each(|(k, &pivot)| b.swap_rows(k, pivot));
        b
    }

    /// The exchange of rows as a matrix, and both factors: `A = P L U`.
    pub(super) fn parts(&self) -> [Matrix<T>; 3] {
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
                *lower.at_mut(row, row) = 1.0.into();
            }
        }
        [order.transposed(), lower, upper]
    }
}

/// The [parts](Lu::parts) of all.
pub(super) fn parts_of<T: Field>(all: impl Iterator<Item = Lu<T>>) -> [Vec<Matrix<T>>; 3] {
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for lu in all {
        parts.iter_mut().zip(lu.parts()).for_each(|(all, part)| all.push(part));
    }
    parts
}

/// Solves `T X = B` for a triangular matrix; `unit` takes ones for its diagonal.
pub(super) fn triangular<T: Field>(t: &Matrix<T>, mut b: Matrix<T>, upper: bool, unit: bool) -> Matrix<T> {
    let n = t.rows;
    for step in 0..n {
        let row = if upper { n - 1 - step } else { step };
        let known = if upper { row + 1..n } else { 0..row };
        for column in 0..b.columns {
            let sum: T = known.clone().map(|k| t.at(row, k) * b.at(k, column)).sum();
            let rest = b.at(row, column) - sum;
            *b.at_mut(row, column) = if unit { rest } else { rest.over(t.at(row, row)) };
        }
    }
    b
}

/// The lower factor of `A = L L*`, or the order of the first minor that is not positive, with as much of the factor as is found before, and
/// of the matrix behind. Of the diagonal the real parts are taken.
fn cholesky_of<T: Field>(a: &Matrix<T>) -> (Matrix<T>, Option<usize>) {
    let n = a.rows;
    let mut l = a.clone();
    for row in 0..n {
        (row + 1..n).for_each(|column| *l.at_mut(row, column) = T::default());
    }
    for j in 0..n {
        let rest = a.at(j, j).real() - (0..j).map(|k| l.at(j, k).square()).sum::<f64>();
        if rest.is_nan() || rest <= 0.0 {
            *l.at_mut(j, j) = rest.into();
            return (l, Some(j + 1));
        }
        let root = rest.sqrt();
        *l.at_mut(j, j) = root.into();
        for i in j + 1..n {
            let sum: T = (0..j).map(|k| l.at(i, k) * l.at(j, k).conjugate()).sum();
            *l.at_mut(i, j) = (a.at(i, j) - sum) / root;
        }
    }
    (l, None)
}

/// Solves `L L* X = B`.
fn by_cholesky<T: Field>(l: &Matrix<T>, b: Matrix<T>) -> Matrix<T> {
    let y = triangular(l, b, false, false);
    triangular(&l.adjoint(), y, true, false)
}

/// Reflections `I - tau v v*`, each of the rows from its own number on.
pub(super) type Reflections<T> = Vec<(Vec<T>, T)>;

/// The reflection whose adjoint makes a vector its first element alone, and what that becomes: a real number.
fn reflection_of<T: Field>(x: &[T]) -> (Vec<T>, T, T) {
    let (alpha, below) = (x[0], x[1..].iter().map(|x| x.size()).sum::<f64>());
    // What is so already is left as it is, whatever its sign.
    if below == 0.0 && alpha.parts()[1] == 0.0 {
        return (vec![T::default(); x.len()], T::default(), alpha);
    }
    let norm = x.iter().map(|x| x.square()).sum::<f64>().sqrt();
    let beta = T::from(if alpha.real() >= 0.0 { -norm } else { norm });
    let mut v: Vec<T> = x.iter().map(|x| x.over(alpha - beta)).collect();
    v[0] = 1.0.into();
    (v, (beta - alpha).over(beta), beta)
}

/// The reflections that make a matrix triangular, and what they make of it.
pub(super) fn reflections_of<T: Field>(a: &Matrix<T>) -> (Reflections<T>, Matrix<T>) {
    let (m, n) = (a.rows, a.columns);
    let mut r = a.clone();
    let mut reflections = Reflections::new();
    for k in 0..m.min(n) {
        let column: Vec<T> = (k..m).map(|row| r.at(row, k)).collect();
        let (v, tau, beta) = reflection_of(&column);
        if !tau.is_zero() {
            reflect(&mut r, k, &v, tau.conjugate());
        }
        *r.at_mut(k, k) = beta;
        (k + 1..m).for_each(|i| *r.at_mut(i, k) = T::default());
        reflections.push((v, tau));
    }
    (reflections, r)
}

/// The first columns of the product of reflections.
pub(super) fn product_of<T: Field>(reflections: &Reflections<T>, (rows, columns): (usize, usize)) -> Matrix<T> {
    let mut q = Matrix::zeros(rows, columns);
    (0..rows.min(columns)).for_each(|i| *q.at_mut(i, i) = 1.0.into());
    for (k, (v, tau)) in reflections.iter().enumerate().rev() {
        reflect(&mut q, k, v, *tau);
    }
    q
}

/// `A = Q R` with so many columns of `Q`.
fn qr_of<T: Field>(a: &Matrix<T>, columns: usize) -> (Matrix<T>, Matrix<T>) {
    let (m, n) = (a.rows, a.columns);
    let (reflections, r) = reflections_of(a);
    let q = product_of(&reflections, (m, columns));
    let mut cut = Matrix::zeros(columns, n);
    for i in 0..columns.min(m) {
        (i..n).for_each(|j| *cut.at_mut(i, j) = r.at(i, j));
    }
    (q, cut)
}

/// Applies `I - tau v v*` to the rows from `k` on.
pub(super) fn reflect<T: Field>(a: &mut Matrix<T>, k: usize, v: &[T], tau: T) {
    reflect_columns(a, k, (v, tau), 0..a.columns);
}

/// The same in some columns only.
pub(super) fn reflect_columns<T: Field>(a: &mut Matrix<T>, k: usize, (v, tau): (&[T], T), columns: Range<usize>) {
    for column in columns {
        let dot: T = v.iter().enumerate().map(|(i, v)| v.conjugate() * a.at(k + i, column)).sum();
        v.iter().enumerate().for_each(|(i, v)| *a.at_mut(k + i, column) -= tau * *v * dot);
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

/// Raises in the words of those functions that name the right side first.
pub(super) fn check_same_dtype(b: &Tensor, a: &Tensor) -> Result<(), Fault> {
    if b.dtype() == a.dtype() {
        return Ok(());
    }
    raised(format!(
        "Expected b and A to have the same dtype, but found b of type {} and A of type {} instead.",
        b.dtype().scalar_type_name(),
        a.dtype().scalar_type_name()
    ))
}

/// What some functions call an input that is no matrix.
const NO_MATRIX: &[(&str, &str)] = &[
    ("torch.linalg.householder_product", "input"),
    ("torch.linalg.matrix_rank", "The input tensor input"),
    ("torch.ormqr", "input"),
];

/// The matrices of a batch, and the sizes of the batch.
pub(super) struct Batch<T> {
    pub(super) matrices: Vec<Matrix<T>>,
    pub(super) sizes: Dims,
    pub(super) dtype: DType,
    /// Room for what factorizations make of the matrices: one is square at most, and there are a few.
    _room: Charge,
}

impl<T: Field> Batch<T> {
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
        let elements = tensor.read_expanded::<T>(&all, &call.memory())?;
        let count = batch.iter().product::<i64>() as usize;
        let most = rows.max(columns);
        let _room = call.room::<[T; 3]>(&[count, most, most])?;
        let matrix = |i: usize| elements[i * rows * columns..][..rows * columns].to_vec();
        let matrices = (0..count).map(|i| Matrix { rows, columns, elements: matrix(i) }).collect();
        Ok(Self { matrices, sizes: batch, dtype: tensor.dtype(), _room })
    }

    /// A contiguous tensor of one matrix for each, as products of others are.
    pub(super) fn products(
        &self,
        call: &mut Call<'_>,
        (rows, columns): (usize, usize),
        results: &[Matrix<T>],
    ) -> Result<Tensor, Fault> {
        let sizes = self.sizes_with(rows, columns);
        let elements: Vec<T> = results.iter().flat_map(|matrix| matrix.elements.iter().copied()).collect();
        call.create(self.dtype, &sizes, &elements)
    }

    /// A tensor of one matrix for each, column by column, as LAPACK leaves them.
    pub(super) fn matrices(
        &self,
        call: &mut Call<'_>,
        (rows, columns): (usize, usize),
        results: &[Matrix<T>],
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
    fn by_columns(&self, call: &mut Call<'_>, sizes: &[i64], results: &[Matrix<T>]) -> Result<Tensor, Fault> {
        let mut strides = contiguous_strides(sizes);
        if let ([.., row, column], [.., rows, _]) = (&mut strides[..], sizes) {
            (*row, *column) = (1, (*rows).max(1));
        }
        let layout = Layout::strided(sizes, &strides, 0);
        let storage = Storage::for_layout(call.allocator, &layout, self.dtype)?;
        let tensor = Tensor::new(call.allocator, storage, self.dtype, layout);
        let elements: Vec<T> = results.iter().flat_map(|matrix| matrix.elements.iter().copied()).collect();
        tensor.store(&elements)?;
        Ok(tensor)
    }

    /// A tensor of one number for each.
    fn numbers(&self, call: &mut Call<'_>, numbers: &[T]) -> Result<Tensor, Fault> {
        call.create(self.dtype, &self.sizes, numbers)
    }

    /// A tensor of a row of numbers for each.
    pub(super) fn rows(&self, call: &mut Call<'_>, length: usize, numbers: &[T]) -> Result<Tensor, Fault> {
        call.create(self.dtype, &self.sizes_of_rows(length), numbers)
    }

    /// A tensor of a row of real numbers for each.
    pub(super) fn real_rows(&self, call: &mut Call<'_>, length: usize, numbers: &[f64]) -> Result<Tensor, Fault> {
        call.create(self.real(), &self.sizes_of_rows(length), numbers)
    }

    fn sizes_of_rows(&self, length: usize) -> Dims {
        let mut sizes = self.sizes.clone();
        sizes.push(length as i64);
        sizes
    }

    /// The dtype of what is measured of the matrices.
    pub(super) fn real(&self) -> DType {
        self.dtype.of_parts()
    }

    /// The least difference to one that it knows.
    pub(super) fn epsilon(&self) -> f64 {
        if self.real() == DType::Float64 { f64::EPSILON } else { f32::EPSILON as f64 }
    }

    /// A tensor of what went wrong with each: zero for nothing.
    pub(super) fn infos(&self, call: &mut Call<'_>, infos: &[i64]) -> Result<Tensor, Fault> {
        call.create(DType::Int32, &self.sizes, infos)
    }

    /// Raises for the first matrix that something is wrong with.
    pub(super) fn raise(&self, name: &str, infos: &[i64], words: impl Fn(i64) -> String) -> Result<(), Fault> {
        let Some(i) = infos.iter().position(|&info| info != 0) else { return Ok(()) };
        let place = if self.sizes.is_empty() { String::new() } else { format!("(Batch element {i}): ") };
        raised(format!("{name}: {place}{}", words(infos[i])))
    }
}

/// Functions that leave it to their kernels to refuse floats of low precision, and some of them all other dtypes.
const UNCHECKED: &[(&str, &str, bool)] = &[
    ("linalg.lu", "lu_cpu", true),
    ("linalg.qr", "geqrf_cpu", false),
    ("linalg.solve_triangular", "triangular_solve_cpu", true),
    ("linalg.svd", "linalg_svd_cpu", false),
    ("torch.linalg.ldl_factor_ex", "ldl_factor_kernel_cpu", false),
    ("torch.linalg.lu_factor", "lu_cpu", true),
];

fn is_low(dtype: DType) -> bool {
    matches!(dtype, DType::Float16 | DType::BFloat16)
}

pub(super) fn check_dtype(dtype: DType, name: &str) -> Result<(), Fault> {
    match dtype {
        DType::Float32 | DType::Float64 | DType::Complex64 | DType::Complex128 => Ok(()),
        _ if let Some(&(_, kernel, _)) = UNCHECKED.iter().find(|row| row.0 == name && (row.2 || is_low(dtype))) => {
            raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name()))
        }
        dtype if is_low(dtype) => {
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

/// Raises for singular matrices if told what PyTorch calls the function then.
fn inverted<T: Field>(call: &mut Call<'_>, check: Option<&str>) -> Result<[Tensor; 2], Fault> {
    let batch = Batch::<T>::of(call, 0, "linalg.inv", true)?;
    let factors: Vec<Lu<T>> = batch.matrices.iter().cloned().map(Lu::of).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    if let Some(name) = check {
        batch.raise(name, &infos, singular)?;
    }
    let inverses: Vec<Matrix<T>> = factors.iter().map(|lu| lu.solve(Matrix::identity(lu.factors.rows))).collect();
    let (rows, _) = size_of(call, 0)?;
    Ok([batch.matrices(call, (rows, rows), &inverses)?, batch.infos(call, &infos)?])
}

/// Rows and columns of the matrices of an argument, also of none. Whether it is matrices was checked before.
pub(super) fn size_of(call: &Call<'_>, i: usize) -> Result<(usize, usize), Fault> {
    let sizes = call.tensor(i)?.sizes();
    Ok((sizes[sizes.len() - 2] as usize, sizes[sizes.len() - 1] as usize))
}

/// `linalg_inv`, `inverse`
pub(super) fn inverse<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [inverse, _] = inverted::<T>(call, Some("linalg.inv"))?;
    Ok(Value::Tensor(inverse))
}

pub(super) fn inverse_ex<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(1)?.then_some("linalg.inv_ex");
    inverted::<T>(call, check).map(tuple)
}

/// `linalg_det`, `det`
pub(super) fn determinant<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::<T>::of(call, 0, "linalg.det", true)?;
    let results: Vec<T> = batch.matrices.iter().cloned().map(|a| Lu::of(a).determinant()).collect();
    batch.numbers(call, &results).map(Value::Tensor)
}

/// `linalg_slogdet`, `slogdet`
pub(super) fn sign_and_log_determinant<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::<T>::of(call, 0, "linalg.slogdet", true)?;
    let (signs, logs): (Vec<T>, Vec<f64>) = batch.matrices.iter().cloned().map(|a| Lu::of(a).log_determinant()).unzip();
    let signs = batch.numbers(call, &signs)?;
    Ok(tuple([signs, call.create(batch.real(), &batch.sizes, &logs)?]))
}

pub(super) fn log_determinant<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let batch = Batch::<T>::of(call, 0, "logdet", true)?;
    let log = |(sign, log): (T, f64)| sign.logarithm() + log.into();
    let results: Vec<T> = batch.matrices.iter().cloned().map(|a| log(Lu::of(a).log_determinant())).collect();
    batch.numbers(call, &results).map(Value::Tensor)
}

/// Raises for singular matrices if told what PyTorch calls the function then.
fn solved<T: Field>(call: &mut Call<'_>, check: Option<&str>) -> Result<[Tensor; 2], Fault> {
    let name = "linalg.solve";
    let (a, b, left) = (call.tensor(0)?, call.tensor(1)?, call.bool(2)?);
    let batch = Batch::<T>::of(call, 0, name, true)?;
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
    let right_batch = Batch::<T>::read(call, &right, together.clone())?;
    let left_batch = Batch::<T>::read(call, a, together)?;
    let turned = |matrix: &Matrix<T>| if left { matrix.clone() } else { matrix.transposed() };
    let factors: Vec<Lu<T>> = left_batch.matrices.iter().map(|a| Lu::of(turned(a))).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    if let Some(name) = check {
        let words = |_| "The solver failed because the input matrix is singular.".to_string();
        left_batch.raise(name, &infos, words)?;
    }
    let results: Vec<Matrix<T>> =
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

pub(super) fn solve<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [result, _] = solved::<T>(call, Some("torch.linalg.solve"))?;
    Ok(Value::Tensor(result))
}

pub(super) fn solve_ex<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(3)?.then_some("torch.linalg.solve_ex");
    solved::<T>(call, check).map(tuple)
}

fn not_positive(info: i64) -> String {
    format!(
        "The factorization could not be completed because the input is not positive-definite (the leading minor of order \
         {info} is not positive-definite)."
    )
}

fn factored<T: Field>(call: &mut Call<'_>, name: &str, check: bool) -> Result<[Tensor; 2], Fault> {
    let (batch, upper) = (Batch::<T>::of(call, 0, name, true)?, call.bool(1)?);
    let turned = |matrix: &Matrix<T>| if upper { matrix.adjoint() } else { matrix.clone() };
    let results: Vec<(Matrix<T>, Option<usize>)> = batch.matrices.iter().map(|a| cholesky_of(&turned(a))).collect();
    let infos: Vec<i64> = results.iter().map(|(_, order)| order.unwrap_or(0) as i64).collect();
    if check {
        batch.raise(name, &infos, not_positive)?;
    }
    let factors: Vec<Matrix<T>> = results.iter().map(|(l, _)| turned(l)).collect();
    let (rows, _) = size_of(call, 0)?;
    Ok([batch.matrices(call, (rows, rows), &factors)?, batch.infos(call, &infos)?])
}

/// `linalg_cholesky`
pub(super) fn cholesky<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [factor, _] = factored::<T>(call, "linalg.cholesky", true)?;
    Ok(Value::Tensor(factor))
}

/// `torch.cholesky`, the older one, which does not look at a tensor without elements.
pub(super) fn older_cholesky<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let a = call.tensor(0)?;
    if a.numel() == 0 {
        return call.zeros(a.dtype(), &a.sizes()).map(Value::Tensor);
    }
    let [factor, _] = factored::<T>(call, "cholesky", true)?;
    Ok(Value::Tensor(factor))
}

pub(super) fn cholesky_ex<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(2)?;
    factored::<T>(call, "linalg.cholesky_ex", check).map(tuple)
}

/// Solves with a factor of Cholesky's: `self` is the right-hand side.
pub(super) fn cholesky_solve<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (b, upper) = (call.tensor(0)?, call.bool(2)?);
    let factor = Batch::<T>::of(call, 1, "cholesky_solve", true)?;
    let sizes = b.sizes();
    if sizes.len() < 2 {
        return raised(format!("b should have at least 2 dimensions, but has {} dimensions instead", sizes.len()));
    }
    check_same_dtype(b, call.tensor(1)?)?;
    let together = broadcast(&factor.sizes, &sizes[..sizes.len() - 2])?;
    let factor = Batch::<T>::read(call, call.tensor(1)?, together.clone())?;
    let right = Batch::<T>::read(call, b, together)?;
    let ((n, _), (rows, columns)) = (size_of(call, 1)?, size_of(call, 0)?);
    if n != rows {
        return raised(format!(
            "Incompatible matrix sizes for cholesky_solve: each A matrix is {n} by {n} but each b matrix is {rows} by {columns}"
        ));
    }
    let solved = |(l, b): (&Matrix<T>, &Matrix<T>)| {
        let l = if upper { l.adjoint() } else { l.clone() };
        by_cholesky(&l, b.clone())
    };
    let results: Vec<Matrix<T>> = factor.matrices.iter().zip(&right.matrices).map(solved).collect();
    right.matrices(call, (rows, columns), &results).map(Value::Tensor)
}

/// The inverse of what a factor of Cholesky's is of.
pub(super) fn cholesky_inverse<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (factor, upper) = (Batch::<T>::of(call, 0, "cholesky_inverse", true)?, call.bool(1)?);
    let inverse = |l: &Matrix<T>| {
        let l = if upper { l.adjoint() } else { l.clone() };
        by_cholesky(&l, Matrix::identity(l.rows))
    };
    let (rows, _) = size_of(call, 0)?;
    let zero = |l: &Matrix<T>| (0..rows).find(|&k| l.at(k, k).is_zero()).map_or(0, |k| k as i64 + 1);
    let infos: Vec<i64> = factor.matrices.iter().map(zero).collect();
    factor.raise("cholesky_inverse", &infos, singular)?;
    let results: Vec<Matrix<T>> = factor.matrices.iter().map(inverse).collect();
    factor.matrices(call, (rows, rows), &results).map(Value::Tensor)
}

pub(super) fn solve_triangular<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let name = "linalg.solve_triangular";
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (upper, left, unit) = (call.bool(2)?, call.bool(3)?, call.bool(4)?);
    let batch = Batch::<T>::of(call, 0, name, true)?;
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
    let (factors, right) = (Batch::<T>::read(call, a, together.clone())?, Batch::<T>::read(call, b, together)?);
    let solved = |(t, b): (&Matrix<T>, &Matrix<T>)| match left {
        true => triangular(t, b.clone(), upper, unit),
        false => triangular(&t.transposed(), b.transposed(), !upper, unit).transposed(),
    };
    let results: Vec<Matrix<T>> = factors.matrices.iter().zip(&right.matrices).map(solved).collect();
    factors.matrices(call, (rows as usize, columns as usize), &results).map(Value::Tensor)
}

/// `torch.triangular_solve`: the solution, and a copy of the coefficients.
pub(super) fn triangular_solve<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (upper, transpose, unit) = (call.bool(2)?, call.bool(3)?, call.bool(4)?);
    let batch = Batch::<T>::of(call, 1, "triangular_solve", true)?;
    let (b, n) = (call.tensor(0)?, size_of(call, 1)?.0);
    check_same_dtype(b, call.tensor(1)?)?;
    let sizes = b.sizes();
    if sizes.len() < 2 || sizes[sizes.len() - 2] as usize != n {
        return raised(format!("triangular_solve: A is {n} by {n} but b has sizes {sizes:?}"));
    }
    let together = broadcast(&batch.sizes, &sizes[..sizes.len() - 2])?;
    let factors = Batch::<T>::read(call, call.tensor(1)?, together.clone())?;
    let right = Batch::<T>::read(call, b, together)?;
    let solved = |(t, b): (&Matrix<T>, &Matrix<T>)| match transpose {
        true => triangular(&t.transposed(), b.clone(), !upper, unit),
        false => triangular(t, b.clone(), upper, unit),
    };
    let results: Vec<Matrix<T>> = factors.matrices.iter().zip(&right.matrices).map(solved).collect();
    let solution = right.matrices(call, size_of(call, 0)?, &results)?;
    Ok(tuple([solution, factors.matrices(call, (n, n), &factors.matrices)?]))
}

fn decomposed<T: Field>(call: &mut Call<'_>, complete: bool, with_q: bool) -> Result<Value, Fault> {
    let batch = Batch::<T>::of(call, 0, "linalg.qr", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let width = if complete { rows } else { rows.min(columns) };
    let (q, r): (Vec<Matrix<T>>, Vec<Matrix<T>>) = batch.matrices.iter().map(|a| qr_of(a, width)).unzip();
    let q = if with_q { batch.matrices(call, (rows, width), &q)? } else { call.zeros(batch.dtype, &[0])? };
    Ok(tuple([q, batch.matrices(call, (width, columns), &r)?]))
}

pub(super) fn qr<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mode = call.str(1)?.to_string();
    match &*mode {
        "reduced" => decomposed::<T>(call, false, true),
        "complete" => decomposed::<T>(call, true, true),
        "r" => decomposed::<T>(call, false, false),
        _ => raised(format!(
            "qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )),
    }
}

/// `torch.qr`, the older one.
pub(super) fn older_qr<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let some = call.bool(1)?;
    decomposed::<T>(call, !some, true)
}

fn not_to_solve_with(info: i64) -> String {
    format!(
        "U[{info},{info}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the \
         factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
    )
}

fn check_pivoting(call: &Call<'_>) -> Result<(), Fault> {
    match call.bool(1)? || call.tensor(0)?.numel() == 0 {
        true => Ok(()),
        false => raised("linalg.lu_factor: LU without pivoting is not implemented on the CPU"),
    }
}

/// Both factors in one, the exchanged rows counted from one, and what went wrong. Raises that if told what PyTorch calls the function.
fn lu<T: Field>(call: &mut Call<'_>, check: Option<&str>) -> Result<[Tensor; 3], Fault> {
    check_pivoting(call)?;
    let batch = Batch::<T>::of(call, 0, "torch.linalg.lu_factor", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let factors: Vec<Lu<T>> = batch.matrices.iter().cloned().map(Lu::of).collect();
    let infos: Vec<i64> = factors.iter().map(|lu| lu.zero.map_or(0, |k| k as i64 + 1)).collect();
    if let Some(name) = check {
        batch.raise(name, &infos, not_to_solve_with)?;
    }
    let pivots: Vec<i64> = factors.iter().flat_map(|lu| lu.pivots.iter().map(|&pivot| pivot as i64 + 1)).collect();
    let mut sizes = batch.sizes.clone();
    sizes.push(rows.min(columns) as i64);
    let pivots = call.create(DType::Int32, &sizes, &pivots)?;
    let infos = batch.infos(call, &infos)?;
    let matrices: Vec<Matrix<T>> = factors.into_iter().map(|lu| lu.factors).collect();
    Ok([batch.matrices(call, (rows, columns), &matrices)?, pivots, infos])
}

pub(super) fn lu_factor<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [factors, pivots, _] = lu::<T>(call, Some("torch.linalg.lu_factor"))?;
    Ok(tuple([factors, pivots]))
}

/// What the pivots are written to is looked at before the matrices are.
pub(super) fn lu_factor_out(call: &mut Call<'_>) -> Result<Value, Fault> {
    Destination::Out(call.tensor(3)?, call.operator.accepts).check_dtype(DType::Int32)?;
    out::copied(call)
}

pub(super) fn lu_factor_ex<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    let check = call.bool(2)?.then_some("torch.linalg.lu_factor_ex");
    lu::<T>(call, check).map(tuple)
}

/// `P`, `L` and `U` with `A = P L U`.
pub(super) fn lu_parts<T: Field>(call: &mut Call<'_>) -> Result<Value, Fault> {
    check_pivoting(call)?;
    let batch = Batch::<T>::of(call, 0, "linalg.lu", false)?;
    let (rows, columns) = size_of(call, 0)?;
    let inner = rows.min(columns);
    let [p, l, u] = parts_of(batch.matrices.iter().cloned().map(Lu::of));
    let p = batch.products(call, (rows, rows), &p)?;
    let l = batch.products(call, (rows, inner), &l)?;
    Ok(tuple([p, l, batch.products(call, (inner, columns), &u)?]))
}
