//! Factors of symmetric and Hermitian matrices that need not be positive: `P A Pᵀ = L D L*` by the pivots of Bunch and Kaufman.
//!
//! `D` has blocks of one row or of two. As LAPACK does it (`sytf2`, `hetf2`), the lower part of a matrix is read, and exchanges of rows are
//! not made in the columns before. Without `hermitian` a complex matrix is symmetric, and nothing is conjugated.

use super::super::results::tuple;
use super::super::{Call, Fault, Kernel};
use super::factor::{Batch, Matrix, check_same_dtype, size_of};
use super::field::{Field, by_field};
use crate::tensor::DType;
use crate::tensor::Tensor;
use crate::tensor::broadcast::broadcast;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::linalg_ldl_factor", by_field!(factor)),
    ("aten::linalg_ldl_factor_ex", by_field!(factor_ex)),
    ("aten::linalg_ldl_solve", by_field!(solve)),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// A block of `D`: by which row its last one was exchanged, and whether it has two.
#[derive(Clone, Copy)]
struct Block {
    pivot: usize,
    double: bool,
}

/// Both factors in one matrix, the blocks from their first rows on, and the first pivot that is zero.
struct Ldl<T> {
    factors: Matrix<T>,
    blocks: Vec<(usize, Block)>,
    zero: Option<usize>,
    hermitian: bool,
}

/// The block `(a, b'; b, c)` of `D`, where `b'` is `b` or its conjugate.
struct Pair<T> {
    a: T,
    b: T,
    c: T,
    opposite: T,
}

impl<T: Field> Pair<T> {
    /// The solution of the equation with the block, or with its transpose. Divided by `b` first, which is the greatest.
    fn solve(&self, [x, y]: [T; 2], transposed: bool) -> [T; 2] {
        let (right, below) = if transposed { (self.b, self.opposite) } else { (self.opposite, self.b) };
        let least = self.a.over(below) * self.c.over(right) - T::from(1.0);
        let solved = |own: T, x: T, y: T, over: T, by: T| (own.over(by) * x - y).over(over * least);
        [solved(self.c, x, y, below, right), solved(self.a, y, x, right, below)]
    }
}

impl<T: Field> Ldl<T> {
    fn of(a: &Matrix<T>, hermitian: bool) -> Self {
        let (n, mut at) = (a.rows, 0);
        let mut ldl = Self { factors: whole(a, hermitian), blocks: Vec::new(), zero: None, hermitian };
        while at < n {
            let block = ldl.block(at);
            let last = at + usize::from(block.double);
            exchange(&mut ldl.factors, at, last, block.pivot);
            match block.double {
                true => ldl.eliminate_two(at),
                false => ldl.eliminate_one(at),
            }
            ldl.blocks.push((at, block));
            at = last + 1;
        }
        for row in 0..n {
            (row + 1..n).for_each(|column| *ldl.factors.at_mut(row, column) = T::default());
        }
        ldl
    }

    fn opposite(&self, x: T) -> T {
        if self.hermitian { x.conjugate() } else { x }
    }

    /// Which pivot is great enough beside what it is to eliminate.
    fn block(&mut self, k: usize) -> Block {
        let (a, n) = (&self.factors, self.factors.rows);
        let single = |pivot: usize| Block { pivot, double: false };
        let own = a.at(k, k).size();
        let row = (k + 1..n).fold(None, |best, row| match best {
            Some(best) if a.at(row, k).size() <= a.at(best, k).size() => Some(best),
            _ => Some(row),
        });
        let in_column = row.map_or(0.0, |row| a.at(row, k).size());
        if own.is_nan() || own.max(in_column) == 0.0 {
            self.zero = self.zero.or(Some(k));
            return single(k);
        }
        let least = (1.0 + 17f64.sqrt()) / 8.0;
        let Some(row) = row.filter(|_| own < least * in_column) else { return single(k) };
        let others = (k..n).filter(|&column| column != row);
        let in_row = others.map(|column| a.at(row, column).size()).fold(0.0, f64::max);
        if own >= least * in_column * (in_column / in_row) {
            single(k)
        } else {
            Block { pivot: row, double: a.at(row, row).size() < least * in_row }
        }
    }

    fn eliminate_one(&mut self, k: usize) {
        let (n, pivot) = (self.factors.rows, self.factors.at(k, k));
        if pivot.is_zero() {
            return;
        }
        let column: Vec<T> = (k + 1..n).map(|row| self.factors.at(row, k)).collect();
        for (i, &x) in column.iter().enumerate() {
            let factor = x.over(pivot);
            *self.factors.at_mut(k + 1 + i, k) = factor;
            for (j, &y) in column.iter().enumerate() {
                let part = factor * self.opposite(y);
                *self.factors.at_mut(k + 1 + i, k + 1 + j) -= part;
            }
        }
    }

    fn eliminate_two(&mut self, k: usize) {
        let (n, pair) = (self.factors.rows, self.pair(k));
        let columns: Vec<[T; 2]> =
            (k + 2..n).map(|row| [self.factors.at(row, k), self.factors.at(row, k + 1)]).collect();
        for (i, &both) in columns.iter().enumerate() {
            let factors = pair.solve(both, true);
            (0..2).for_each(|column| *self.factors.at_mut(k + 2 + i, k + column) = factors[column]);
            for (j, &[x, y]) in columns.iter().enumerate() {
                let part = factors[0] * self.opposite(x) + factors[1] * self.opposite(y);
                *self.factors.at_mut(k + 2 + i, k + 2 + j) -= part;
            }
        }
    }

    fn pair(&self, k: usize) -> Pair<T> {
        let b = self.factors.at(k + 1, k);
        Pair { a: self.factors.at(k, k), b, c: self.factors.at(k + 1, k + 1), opposite: self.opposite(b) }
    }

    fn solve(&self, mut b: Matrix<T>) -> Matrix<T> {
        for &(k, block) in &self.blocks {
            let last = k + usize::from(block.double);
            b.swap_rows(last, block.pivot);
            for column in 0..b.columns {
                for row in last + 1..b.rows {
                    let part: T = (k..=last).map(|i| self.factors.at(row, i) * b.at(i, column)).sum();
                    *b.at_mut(row, column) -= part;
                }
                if block.double {
                    let solved = self.pair(k).solve([b.at(k, column), b.at(last, column)], false);
                    (*b.at_mut(k, column), *b.at_mut(last, column)) = (solved[0], solved[1]);
                } else {
                    *b.at_mut(k, column) = b.at(k, column).over(self.factors.at(k, k));
                }
            }
        }
        for &(k, block) in self.blocks.iter().rev() {
            let last = k + usize::from(block.double);
            for column in 0..b.columns {
                for i in k..=last {
                    let below = last + 1..b.rows;
                    let part: T = below.map(|row| self.opposite(self.factors.at(row, i)) * b.at(row, column)).sum();
                    *b.at_mut(i, column) -= part;
                }
            }
            b.swap_rows(last, block.pivot);
        }
        b
    }

    /// Counted from one, below zero for both rows of a block of two.
    fn pivots(&self) -> impl Iterator<Item = i64> + '_ {
        self.blocks.iter().flat_map(|(_, block)| {
            let pivot = block.pivot as i64 + 1;
            if block.double { vec![-pivot; 2] } else { vec![pivot] }
        })
    }
}

/// The matrix of which this is the lower part.
fn whole<T: Field>(a: &Matrix<T>, hermitian: bool) -> Matrix<T> {
    if hermitian {
        return super::spectrum::mirrored(a, true);
    }
    let mut whole = a.clone();
    for row in 0..a.rows {
        (0..row).for_each(|column| *whole.at_mut(column, row) = a.at(row, column));
    }
    whole
}

/// Exchanges two rows and columns of the part of a matrix that begins at `from`.
fn exchange<T: Field>(a: &mut Matrix<T>, from: usize, p: usize, q: usize) {
    let n = a.rows;
    (from..n).for_each(|column| a.elements.swap(p * n + column, q * n + column));
    (from..n).for_each(|row| a.elements.swap(row * n + p, row * n + q));
}

fn factored<T: Field>(call: &mut Call<'_>, check: Option<&str>) -> Result<[Tensor; 3]> {
    let (batch, hermitian) = (Batch::<T>::of(call, 0, "torch.linalg.ldl_factor_ex", true)?, call.bool(1)?);
    let (n, _) = size_of(call, 0)?;
    let all: Vec<Ldl<T>> = batch.matrices.iter().map(|a| Ldl::of(a, hermitian)).collect();
    let infos: Vec<i64> = all.iter().map(|ldl| ldl.zero.map_or(0, |k| k as i64 + 1)).collect();
    if let Some(name) = check {
        batch.raise(name, &infos, |info| format!("Unknown error code: {info}."))?;
    }
    let pivots: Vec<i64> = all.iter().flat_map(Ldl::pivots).collect();
    let mut sizes = batch.sizes.clone();
    sizes.push(n as i64);
    let pivots = call.create(DType::Int32, &sizes, &pivots)?;
    let infos = batch.infos(call, &infos)?;
    let factors: Vec<Matrix<T>> = all.into_iter().map(|ldl| ldl.factors).collect();
    Ok([batch.matrices(call, (n, n), &factors)?, pivots, infos])
}

fn factor<T: Field>(call: &mut Call<'_>) -> Result {
    let [factors, pivots, _] = factored::<T>(call, Some("torch.linalg.ldl_factor"))?;
    Ok(tuple([factors, pivots]))
}

fn factor_ex<T: Field>(call: &mut Call<'_>) -> Result {
    let check = call.bool(2)?.then_some("torch.linalg.ldl_factor_ex");
    factored::<T>(call, check).map(tuple)
}

/// The blocks that pivots tell of.
fn blocks(pivots: &[i64]) -> Result<Vec<(usize, Block)>> {
    let (mut blocks, mut at) = (Vec::new(), 0);
    while at < pivots.len() {
        let double = pivots[at] < 0;
        let (pivot, rows) = (pivots[at].unsigned_abs() as usize, 1 + usize::from(double));
        if !(1..=pivots.len()).contains(&pivot) || at + rows > pivots.len() {
            return Err(Fault::unsupported(format!("torch.linalg.ldl_solve: pivots {pivots:?}")));
        }
        blocks.push((at, Block { pivot: pivot - 1, double }));
        at += rows;
    }
    Ok(blocks)
}

fn solve<T: Field>(call: &mut Call<'_>) -> Result {
    let name = "torch.linalg.ldl_solve";
    let (batch, hermitian) = (Batch::<T>::of(call, 0, name, true)?, call.bool(3)?);
    let (pivots, b, (n, _)) = (call.tensor(1)?, call.tensor(2)?, size_of(call, 0)?);
    check_same_dtype(b, call.tensor(0)?)?;
    let (sizes, found, given) = (b.sizes(), pivots.sizes(), call.tensor(0)?.sizes());
    let [.., rows, columns] = sizes[..] else {
        return raised(format!(
            "{name}: Expected B to have at least 2 dimensions, but it has {} dimensions instead",
            sizes.len()
        ));
    };
    if rows as usize != n {
        return raised(format!(
            "Incompatible matrix sizes for {name}: each A matrix is {n} by {n} but each b matrix is {rows} by {columns}"
        ));
    }
    if found[..] != given[..given.len() - 1] {
        return raised(format!(
            "{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape {found:?} instead"
        ));
    }
    if !pivots.dtype().is_integral() || pivots.dtype() == DType::Bool {
        return raised(format!("{name}: Expected pivots to be integers. Got {}", pivots.dtype().scalar_type_name()));
    }
    let together = broadcast(&batch.sizes, &sizes[..sizes.len() - 2])?;
    let mut all = together.clone();
    all.push(n as i64);
    let pivots = pivots.read_expanded::<i64>(&all, &call.memory())?;
    let factors = Batch::<T>::read(call, call.tensor(0)?, together.clone())?;
    let right = Batch::<T>::read(call, b, together)?;
    let mut results = Vec::with_capacity(right.matrices.len());
    for (i, (factors, b)) in factors.matrices.into_iter().zip(&right.matrices).enumerate() {
        let blocks = blocks(&pivots[i * n..][..n])?;
        results.push(Ldl { factors, blocks, zero: None, hermitian }.solve(b.clone()));
    }
    right.matrices(call, (n, columns as usize), &results).map(Value::Tensor)
}

#[cfg(test)]
mod tests {
    use super::super::spectrum::product;
    use super::*;

    /// Symmetric and Hermitian ones, whose pivots are of one row, of two, and exchanged.
    #[test]
    fn what_is_solved_is_the_equation() {
        for n in 1..7 {
            for shift in 0..12 {
                let element = |i: usize| ((i * i * 7 + i * (shift + 3) + shift) % 23) as f64 / 4.0 - 3.0;
                let some = |columns: usize, shift: usize| Matrix {
                    rows: n,
                    columns,
                    elements: (0..n * columns)
                        .map(|i| num_complex::Complex64::new(element(i), element(i + shift)))
                        .collect(),
                };
                let (a, b) = (some(n, 5), some(2, 9));
                for hermitian in [false, true] {
                    let ldl = Ldl::of(&a, hermitian);
                    let again = product(&whole(&a, hermitian), &ldl.solve(b.clone()));
                    let error = |(x, y): (&num_complex::Complex64, &num_complex::Complex64)| (x - y).size();
                    let most = again.elements.iter().zip(&b.elements).map(error).fold(0.0, f64::max);
                    assert!(ldl.zero.is_some() || most < 1e-9, "{n} {shift} {hermitian}: {most}");
                }
            }
        }
    }
}
