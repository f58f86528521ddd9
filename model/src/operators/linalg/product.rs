//! The product of matrices that all others are made of, convolutions too.
//!
//! Goto's way (Goto and van de Geijn, 2008): both factors are copied into panels as wide as a tile of the result, so
//! that the innermost loop reads them one after the other and keeps the tile in registers. Because panels are copied
//! anyway, a factor may lie as it likes: transposed, or as what the windows of a convolution see.
//!
//! The order in which terms are added depends on the shape alone, so a product has the same bits whenever it is
//! computed on one processor.

use crate::operators::reduce::number::Computed;
use crate::operators::scratch::Scratch;
use crate::operators::vectorised::{Loops, vectorised};
use crate::operators::{Call, Fault};
use crate::slot::Charge;
use crate::tensor::Math;

/// The rows, the summed length and the columns of a product.
#[derive(Debug, Clone, Copy)]
pub(in crate::operators) struct Shape {
    pub(in crate::operators) rows: usize,
    pub(in crate::operators) inner: usize,
    pub(in crate::operators) columns: usize,
}

impl Shape {
    /// Takes the memory of the panels that both factors of a product are copied to; they are a little wider than the matrices.
    pub(in crate::operators) fn room<T>(self, call: &Call<'_>) -> Result<Charge, Fault> {
        call.room::<T>(&[(self.rows.saturating_add(self.columns)).saturating_add(32), self.inner])
    }
}

/// Where the rows or columns of a matrix begin.
#[derive(Debug, Clone, Copy)]
pub(in crate::operators) enum Steps<'a> {
    /// So many elements apart.
    Even(usize),
    /// Each at a place of its own.
    Table(&'a [usize]),
}

impl Steps<'_> {
    #[inline(always)]
    fn at(self, i: usize) -> usize {
        match self {
            Steps::Even(step) => i * step,
            Steps::Table(places) => places[i],
        }
    }

    #[inline(always)]
    fn is_one(self) -> bool {
        matches!(self, Steps::Even(1))
    }
}

/// A factor: the element of a row and a column is where both their steps lead.
#[derive(Debug, Clone, Copy)]
pub(in crate::operators) struct Matrix<'a, T> {
    pub(in crate::operators) elements: &'a [T],
    pub(in crate::operators) rows: Steps<'a>,
    pub(in crate::operators) columns: Steps<'a>,
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix row by row, with rows of this length.
    pub(in crate::operators) fn of_rows(elements: &'a [T], length: usize) -> Self {
        Self { elements, rows: Steps::Even(length), columns: Steps::Even(1) }
    }

    /// A matrix column by column, with columns of this length.
    pub(in crate::operators) fn of_columns(elements: &'a [T], length: usize) -> Self {
        Self { elements, rows: Steps::Even(1), columns: Steps::Even(length) }
    }
}

/// A number that matrices are multiplied in.
pub(in crate::operators) trait Factor: Computed {
    /// `self * other + summand`, rounded once.
    fn fused(self, other: Self, summand: Self) -> Self;

    /// Whether there are halves.
    const DIVIDES: bool;

    /// The difference; integers wrap.
    fn minus(self, other: Self) -> Self;

    /// Whether it is less than another or equal to it; no NaN is.
    fn at_most(self, other: Self) -> bool;

    /// Copies the second factor of several products into panels.
    fn pack(matrix: Matrix<'_, Self>, inner: usize, columns: usize) -> Panels<Self>;

    /// Puts a product into `result`, a matrix row by row, whatever that holds. Both factors are read as the shape says.
    fn product(a: Matrix<'_, Self>, b: Right<'_, Self>, result: &mut [Self], shape: Shape, math: Math);

    /// The same, added to what `result` holds.
    fn add_product(a: Matrix<'_, Self>, b: Right<'_, Self>, result: &mut [Self], shape: Shape, math: Math);
}

/// The second factor.
#[derive(Debug, Clone, Copy)]
pub(in crate::operators) enum Right<'a, T> {
    Matrix(Matrix<'a, T>),
    /// Copied into panels before.
    Packed(&'a Panels<T>),
}

/// A matrix in panels: strips of a few rows or columns, the *lanes*, each strip from the first to the last summed index.
#[derive(Debug)]
pub(in crate::operators) struct Panels<T> {
    elements: Scratch<T>,
    depth: usize,
    width: usize,
}

impl<T: Factor> Panels<T> {
    /// Room for panels of this width that hold so many lanes.
    fn of(lanes: usize, depth: usize, width: usize) -> Self {
        Self { elements: Scratch::of(lanes.div_ceil(width) * width * depth), depth, width }
    }

    #[inline(always)]
    fn panel(&self, i: usize) -> &[T] {
        let size = self.depth * self.width;
        &self.elements[i * size..(i + 1) * size]
    }
}

macro_rules! factors {
    ($($number:ident, $rows:literal, $columns:literal, $divides:literal, $minus:expr, $fused:expr;)*) => {
        $(impl Factor for $number {
            #[inline(always)]
            fn fused(self, other: Self, summand: Self) -> Self {
                $fused(self, other, summand)
            }

            const DIVIDES: bool = $divides;

            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                $minus(self, other)
            }

            #[inline(always)]
            fn at_most(self, other: Self) -> bool {
                self <= other
            }

            fn pack(matrix: Matrix<'_, Self>, inner: usize, columns: usize) -> Panels<Self> {
                let mut panels = Panels::of(columns, inner, $columns);
                pack::<Self, $columns>(&mut panels, matrix.elements, matrix.columns, matrix.rows, (0, columns));
                panels
            }

            fn product(a: Matrix<'_, Self>, b: Right<'_, Self>, result: &mut [Self], shape: Shape, math: Math) {
                vectorised(math, Product::<Self, $rows, $columns> { a, b, result, shape, added: false });
            }

            fn add_product(a: Matrix<'_, Self>, b: Right<'_, Self>, result: &mut [Self], shape: Shape, math: Math) {
                vectorised(math, Product::<Self, $rows, $columns> { a, b, result, shape, added: true });
            }
        })*
    };
}

// Twelve registers of 32 bytes hold a tile; integers have no such instructions.
factors! {
    f32, 6, 16, true, |a, b| a - b, f32::mul_add;
    f64, 6, 8, true, |a, b| a - b, f64::mul_add;
    i64, 4, 4, false, i64::wrapping_sub, |a: i64, b: i64, c: i64| a.wrapping_mul(b).wrapping_add(c);
}

/// `a * b + c`, rounded once where that is fast.
#[inline(always)]
pub(in crate::operators) fn multiply_add<T: Factor, const FUSED: bool>(a: T, b: T, c: T) -> T {
    if FUSED { a.fused(b, c) } else { a.times(b).plus(c) }
}

/// How many elements of the panels of the first factor are kept: what fits the second cache with those of the second.
const LEFT: usize = 1 << 17;
/// The same of the second factor.
const RIGHT: usize = 1 << 17;
/// How much of the summed length goes through the innermost loop at a time: a panel fits the first cache.
const DEPTH: usize = 256;
/// How many panels of the first factor go by for each of the second: they stay in the second cache meanwhile.
const PANELS: usize = 16;
/// A factor of so few rows or columns is not worth panels.
const FEW: usize = 4;

/// A product to be computed, with tiles of so many rows and columns.
struct Product<'a, T, const ROWS: usize, const COLUMNS: usize> {
    a: Matrix<'a, T>,
    b: Right<'a, T>,
    result: &'a mut [T],
    shape: Shape,
    /// Whether it is added to what the result holds.
    added: bool,
}

impl<T: Factor, const ROWS: usize, const COLUMNS: usize> Loops for Product<'_, T, ROWS, COLUMNS> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Shape { rows, inner, columns } = self.shape;
        assert_eq!(self.result.len(), rows * columns, "the result has the shape");
        if rows == 0 || inner == 0 || columns == 0 {
            if !self.added {
                self.result.fill(T::ZERO);
            }
            return;
        }
        match self.b {
            Right::Matrix(b) if columns <= FEW && self.a.columns.is_one() => {
                let few = vectors((b.elements, b.columns, columns), b.rows, inner);
                let many = (self.a.elements, self.a.rows, rows);
                dots::<T, FUSED>(many, &few, inner, (columns, 1), self.result, self.added);
            }
            Right::Matrix(b) if rows <= FEW && b.rows.is_one() => {
                let few = vectors((self.a.elements, self.a.rows, rows), self.a.columns, inner);
                let many = (b.elements, b.columns, columns);
                dots::<T, FUSED>(many, &few, inner, (1, columns), self.result, self.added);
            }
            Right::Matrix(b) if columns <= COLUMNS && self.a.columns.is_one() => self.narrow::<FUSED>(b),
            _ => self.blocked::<FUSED>(),
        }
    }
}

impl<T: Factor, const ROWS: usize, const COLUMNS: usize> Product<'_, T, ROWS, COLUMNS> {
    #[inline(always)]
    fn blocked<const FUSED: bool>(self) {
        let Shape { rows, inner, columns } = self.shape;
        let block = |most: usize, width: usize| (most / inner / width).max(16) * width;
        let (rows_at_once, columns_at_once) = (block(LEFT, ROWS), block(RIGHT, COLUMNS));
        let mut left = Panels::of(rows_at_once.min(rows), inner, ROWS);
        let right_lanes = if matches!(self.b, Right::Packed(_)) { 0 } else { columns_at_once.min(columns) };
        let mut right = Panels::of(right_lanes, inner, COLUMNS);
        for i in (0..rows).step_by(rows_at_once) {
            let height = rows_at_once.min(rows - i);
            pack::<T, ROWS>(&mut left, self.a.elements, self.a.rows, self.a.columns, (i, height));
            for j in (0..columns).step_by(columns_at_once) {
                let width = columns_at_once.min(columns - j);
                let (panels, first) = match self.b {
                    Right::Packed(panels) => (panels, j / COLUMNS),
                    Right::Matrix(b) => {
                        pack::<T, COLUMNS>(&mut right, b.elements, b.columns, b.rows, (j, width));
                        (&right, 0)
                    }
                };
                let result = &mut self.result[i * columns + j..];
                let block = (height, inner, width);
                write_block::<T, FUSED, ROWS, COLUMNS>(&left, panels, first, (result, columns), block, self.added);
            }
        }
    }
}

impl<T: Factor, const ROWS: usize, const COLUMNS: usize> Product<'_, T, ROWS, COLUMNS> {
    /// With one panel of the second factor, each element of the first is read once: it is read where it lies.
    #[inline(always)]
    fn narrow<const FUSED: bool>(self, b: Matrix<'_, T>) {
        let Shape { rows, inner, columns } = self.shape;
        let mut right = Panels::of(columns, inner, COLUMNS);
        pack::<T, COLUMNS>(&mut right, b.elements, b.columns, b.rows, (0, columns));
        let (panel, _) = right.panel(0).as_chunks::<COLUMNS>();
        for i in (0..rows).step_by(ROWS) {
            // The last tile may end with the last row several times.
            let lane = |r: usize| &self.a.elements[self.a.rows.at((i + r).min(rows - 1))..][..inner];
            let tile = tile_of_rows::<T, FUSED, ROWS, COLUMNS>(std::array::from_fn(lane), panel);
            let result = self.result[i * columns..].chunks_exact_mut(columns);
            for (row, tile) in result.zip(&tile).take(rows - i) {
                write_row(row, tile, self.added);
            }
        }
    }
}

/// The product of some rows and a panel. Rows are read a few elements at a time: within these no index is checked, and only so
/// does the tile stay in registers.
#[inline(always)]
fn tile_of_rows<T: Factor, const FUSED: bool, const ROWS: usize, const COLUMNS: usize>(
    rows: [&[T]; ROWS],
    b: &[[T; COLUMNS]],
) -> [[T; COLUMNS]; ROWS] {
    const AT_ONCE: usize = 8;
    let rows = rows.map(|row| row.as_chunks::<AT_ONCE>());
    let (whole, rest) = b.as_chunks::<AT_ONCE>();
    let mut tile = [[T::ZERO; COLUMNS]; ROWS];
    for (k, b) in whole.iter().enumerate() {
        let a: [&[T; AT_ONCE]; ROWS] = std::array::from_fn(|i| &rows[i].0[k]);
        for p in 0..AT_ONCE {
            add_outer::<T, FUSED, ROWS, COLUMNS>(&mut tile, std::array::from_fn(|i| a[i][p]), &b[p]);
        }
    }
    for (p, b) in rest.iter().enumerate() {
        add_outer::<T, FUSED, ROWS, COLUMNS>(&mut tile, std::array::from_fn(|i| rows[i].1[p]), b);
    }
    tile
}

/// Adds the products of each of `a` with each of `b`.
#[inline(always)]
fn add_outer<T: Factor, const FUSED: bool, const ROWS: usize, const COLUMNS: usize>(
    tile: &mut [[T; COLUMNS]; ROWS],
    a: [T; ROWS],
    b: &[T; COLUMNS],
) {
    for i in 0..ROWS {
        for j in 0..COLUMNS {
            tile[i][j] = multiply_add::<T, FUSED>(a[i], b[j], tile[i][j]);
        }
    }
}

/// Computes a block of the result, whose rows are `stride` apart, from packed factors.
#[inline(always)]
fn write_block<T: Factor, const FUSED: bool, const ROWS: usize, const COLUMNS: usize>(
    left: &Panels<T>,
    right: &Panels<T>,
    first: usize,
    (result, stride): (&mut [T], usize),
    (height, inner, width): (usize, usize, usize),
    added: bool,
) {
    let panels = height.div_ceil(ROWS);
    for p in (0..inner).step_by(DEPTH) {
        let depth = DEPTH.min(inner - p);
        for some in (0..panels).step_by(PANELS) {
            for j in 0..width.div_ceil(COLUMNS) {
                let (b, _) = right.panel(first + j)[p * COLUMNS..(p + depth) * COLUMNS].as_chunks::<COLUMNS>();
                let w = COLUMNS.min(width - j * COLUMNS);
                for i in some..panels.min(some + PANELS) {
                    let (a, _) = left.panel(i)[p * ROWS..(p + depth) * ROWS].as_chunks::<ROWS>();
                    let tile = tile::<T, FUSED, ROWS, COLUMNS>(a, b);
                    let rows = result[i * ROWS * stride + j * COLUMNS..].chunks_mut(stride);
                    for (row, tile) in rows.zip(&tile).take(height - i * ROWS) {
                        write_row(&mut row[..w], tile, added || p > 0);
                    }
                }
            }
        }
    }
}

/// Puts a row of a tile into the result, or adds it to what is there.
#[inline(always)]
fn write_row<T: Factor, const COLUMNS: usize>(row: &mut [T], tile: &[T; COLUMNS], added: bool) {
    match (<&mut [T; COLUMNS]>::try_from(&mut *row), added) {
        (Ok(row), false) => *row = *tile,
        (Ok(row), true) => (0..COLUMNS).for_each(|c| row[c] = row[c].plus(tile[c])),
        (Err(_), false) => row.copy_from_slice(&tile[..row.len()]),
        (Err(_), true) => row.iter_mut().zip(tile).for_each(|(x, &y)| *x = x.plus(y)),
    }
}

/// The product of two panels. All loops but the first are unrolled, and the tile lives in registers.
#[inline(always)]
fn tile<T: Factor, const FUSED: bool, const ROWS: usize, const COLUMNS: usize>(
    a: &[[T; ROWS]],
    b: &[[T; COLUMNS]],
) -> [[T; COLUMNS]; ROWS] {
    let mut tile = [[T::ZERO; COLUMNS]; ROWS];
    for (a, b) in a.iter().zip(b) {
        add_outer::<T, FUSED, ROWS, COLUMNS>(&mut tile, *a, b);
    }
    tile
}

/// Copies some lanes into panels. Lanes that are missing from the last panel are zeros.
#[inline(always)]
fn pack<T: Factor, const WIDTH: usize>(
    panels: &mut Panels<T>,
    elements: &[T],
    lanes: Steps<'_>,
    depths: Steps<'_>,
    (first, count): (usize, usize),
) {
    let depth = panels.depth;
    let used = count.div_ceil(WIDTH);
    for (i, panel) in panels.elements.chunks_exact_mut((WIDTH * depth).max(1)).take(used).enumerate() {
        let lane = first + i * WIDTH;
        let here = WIDTH.min(first + count - lane);
        let (panel, _) = panel.as_chunks_mut::<WIDTH>();
        if lanes.is_one() && here == WIDTH {
            for (p, row) in panel.iter_mut().enumerate() {
                let start = depths.at(p) + lane;
                *row = elements[start..start + WIDTH].try_into().expect("as wide as a panel");
            }
        } else if depths.is_one() && here == WIDTH {
            let lanes: [&[T]; WIDTH] = std::array::from_fn(|i| &elements[lanes.at(lane + i)..][..depth]);
            for (p, row) in panel.iter_mut().enumerate() {
                for i in 0..WIDTH {
                    row[i] = lanes[i][p];
                }
            }
        } else {
            for (p, row) in panel.iter_mut().enumerate() {
                let place = depths.at(p);
                for i in 0..WIDTH {
                    row[i] = if i < here { elements[place + lanes.at(lane + i)] } else { T::ZERO };
                }
            }
        }
    }
}

/// The lanes of a factor, one after the other.
fn vectors<T: Copy>((elements, lanes, count): (&[T], Steps<'_>, usize), depths: Steps<'_>, depth: usize) -> Vec<T> {
    (0..count).flat_map(|lane| (0..depth).map(move |p| elements[lanes.at(lane) + depths.at(p)])).collect()
}

/// A product with a factor of at most [`FEW`] lanes: every element is a sum over two vectors. The many lanes of the other
/// factor are read as they lie, each from its first to its last element. `steps` are those in the result from one of the
/// many to the next, and from one of the few.
#[inline(always)]
fn dots<T: Factor, const FUSED: bool>(
    (many, lanes, count): (&[T], Steps<'_>, usize),
    few: &[T],
    depth: usize,
    steps: (usize, usize),
    result: &mut [T],
    added: bool,
) {
    for i in 0..count {
        let x = &many[lanes.at(i)..][..depth];
        for (j, y) in few.chunks_exact(depth).enumerate() {
            let place = &mut result[i * steps.0 + j * steps.1];
            let dot = dot::<T, FUSED>(x, y);
            *place = if added { place.plus(dot) } else { dot };
        }
    }
}

/// The sum of products of elements, as many at a time as a processor can keep busy with.
#[inline(always)]
fn dot<T: Factor, const FUSED: bool>(x: &[T], y: &[T]) -> T {
    const LANES: usize = 32;
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (ys, y_rest) = y.as_chunks::<LANES>();
    let mut lanes = [T::ZERO; LANES];
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..LANES {
            lanes[i] = multiply_add::<T, FUSED>(x[i], y[i], lanes[i]);
        }
    }
    let (mut half, mut rest) = (LANES, T::ZERO);
    while half > 1 {
        half /= 2;
        for i in 0..half {
            lanes[i] = lanes[i].plus(lanes[i + half]);
        }
    }
    for (&x, &y) in x_rest.iter().zip(y_rest) {
        rest = multiply_add::<T, FUSED>(x, y, rest);
    }
    lanes[0].plus(rest)
}

/// A product with a `bias` added to each of its rows, or, if that holds as many numbers, to the whole.
pub(in crate::operators) fn affine<T: Factor>(
    a: Matrix<'_, T>,
    b: Right<'_, T>,
    bias: Option<&[T]>,
    result: &mut [T],
    shape: Shape,
    math: Math,
) {
    let Some(bias) = bias else { return T::product(a, b, result, shape, math) };
    result.chunks_exact_mut(bias.len().max(1)).for_each(|row| row.copy_from_slice(bias));
    T::add_product(a, b, result, shape, math);
}

/// Products of matrices that lie one after the other: `pairs` says which of `a` goes with which of `b`.
pub(in crate::operators) fn products<T: Factor>(
    a: &[T],
    b: &[T],
    pairs: impl IntoIterator<Item = (usize, usize)>,
    shape: Shape,
    results: &mut [T],
    math: Math,
) {
    let (a_size, b_size) = (shape.rows * shape.inner, shape.inner * shape.columns);
    let size = shape.rows * shape.columns;
    for (k, (i, j)) in pairs.into_iter().enumerate() {
        let a = Matrix::of_rows(&a[i * a_size..(i + 1) * a_size], shape.inner);
        let b = Matrix::of_rows(&b[j * b_size..(j + 1) * b_size], shape.columns);
        T::product(a, Right::Matrix(b), &mut results[k * size..(k + 1) * size], shape, math);
    }
}
