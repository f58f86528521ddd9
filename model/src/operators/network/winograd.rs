//! Convolutions with kernels of 3x3 by fewer products: Winograd's F(2x2, 3x3) (Lavin and Gray, 2015).
//!
//! Two by two neighbours of the output, a *tile*, see four by four elements of the input, its *places*. They are 36 products,
//! which are sums of only 16 others: each place has one factor made of the input and one made of the weights by additions and
//! halves. So a convolution becomes sixteen products of matrices, each outputs by channels times channels by tiles, with 4/9 of
//! the work. Whole numbers stay exact.
//!
//! What a tile sees is added up before it is told which element sees what. An infinity, a NaN or a number near the greatest
//! would reach neighbours that do not see it, so such inputs are [left to others](suits).

use std::ops::Range;

use super::planes::Planes;
use super::window::{Axis, Window};
use crate::operators::linalg::product::{Factor, Matrix, Right, Shape};
use crate::operators::scratch::Scratch;
use crate::operators::vectorised::{Loops, vectorised};
use crate::tensor::Math;

/// What a tile sees of a plane, and the products that it takes.
const PLACES: usize = 16;
/// How many tiles go through the products at a time, about: their factors stay in the second cache.
const TILES: usize = 256;
/// Tiles, or kernels, that are added up side by side.
const LANES: usize = 16;
/// What is of a place begins somewhat after the end of what is of the one before: sixteen that lie alike in their pages would
/// drive each other out of the first cache.
const GAP: usize = 16;
/// Greater numbers are left to others.
const GREATEST: f64 = 1e16;

/// How the planes of a group of channels are cut into tiles.
#[derive(Debug)]
pub(super) struct Tiles {
    window: Window,
    /// Tiles are windows of 4x4 in steps of two, and what they see of a place is a slice.
    planes: Planes,
    channels: usize,
    outputs: usize,
    /// Rows of tiles, and tiles in a row.
    rows: usize,
    columns: usize,
}

impl Tiles {
    /// The tiles of a convolution of a group of so many channels, if they are worth it.
    pub(super) fn of(window: &Window, channels: usize, outputs: usize) -> Option<Self> {
        let [depth, height, width] = window.0;
        let is_square = [height, width].iter().all(|axis| (axis.kernel, axis.stride, axis.dilation) == (3, 1, 1));
        if !is_square || depth.kernel != 1 || depth.output != 1 || depth.padding != 0 {
            return None;
        }
        // To transform weights costs what a hundred elements of the output save, as measured on a processor with AVX2; to transform
        // a channel of the input or the output what fifteen channels of the other one save.
        let share = |cost: usize, of: usize| cost as f64 / of.max(1) as f64;
        if share(100, window.output()) + share(15, outputs) + share(15, channels) > 1.0 {
            return None;
        }
        let tiles = |axis: Axis| Axis { kernel: 4, stride: 2, output: (axis.output + 1) / 2, ..axis };
        let (height, width) = (tiles(height), tiles(width));
        let planes = Planes::of(&Window::of(&[height, width]));
        let (rows, columns) = (height.output as usize, width.output as usize);
        Some(Self { window: *window, planes, channels, outputs, rows, columns })
    }

    /// From a row of tiles to the next one: between them is one that is not there.
    fn step(&self) -> usize {
        self.columns + 1
    }

    fn rows_at_once(&self) -> usize {
        (TILES / self.step()).clamp(1, self.rows)
    }

    /// Tiles in so many rows, filled up to whole lanes.
    fn count(&self, rows: usize) -> usize {
        (rows * self.step()).next_multiple_of(LANES)
    }
}

/// Whether all numbers are finite and far from the greatest.
pub(super) fn suits<T: Factor>(elements: &[T], math: Math) -> bool {
    vectorised(math, Suits(elements))
}

struct Suits<'a, T>(&'a [T]);

impl<T: Factor> Loops for Suits<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<const FUSED: bool>(self) -> bool {
        let (least, greatest) = (T::from_f64(-GREATEST), T::from_f64(GREATEST));
        let mut all = true;
        for &x in self.0 {
            all &= least.at_most(x) & x.at_most(greatest);
        }
        all
    }
}

/// What convolves samples, one after the other.
pub(super) struct Winograd<'a, T> {
    tiles: Tiles,
    /// For each group, for each place a matrix of outputs by channels.
    weights: Scratch<T>,
    bias: Option<&'a [T]>,
    math: Math,
    planes: Scratch<T>,
    /// For each place a matrix of channels by tiles.
    inputs: Scratch<T>,
    /// For each place a matrix of outputs by tiles.
    products: Scratch<T>,
    /// The elements of one plane of the output: the first of each tile, the second, ...
    corners: Scratch<T>,
}

impl Tiles {
    /// Elements of the weights, the planes, the inputs, the products and the corners.
    fn rooms(&self, groups: usize) -> [usize; 5] {
        let count = self.count(self.rows_at_once());
        let of = |matrix: usize| matrix.saturating_add(GAP).saturating_mul(PLACES);
        [
            of(self.outputs.saturating_mul(self.channels)).saturating_mul(groups),
            self.channels.saturating_mul(self.planes.plane()).saturating_add(LANES),
            of(self.channels.saturating_mul(count)),
            of(self.outputs.saturating_mul(count)),
            4 * count,
        ]
    }

    /// Elements of memory that are needed to convolve, or `usize::MAX` if they are more.
    pub(super) fn room(&self, groups: usize) -> usize {
        self.rooms(groups).into_iter().fold(0, usize::saturating_add)
    }
}

impl<'a, T: Factor> Winograd<'a, T> {
    /// Transforms the weights of all groups, a kernel of nine for each output and channel.
    pub(super) fn new(tiles: Tiles, weights: &[T], bias: Option<&'a [T]>, math: Math) -> Self {
        let (kernels, rest) = weights.as_chunks::<9>();
        let size = tiles.outputs * tiles.channels;
        assert!(rest.is_empty() && kernels.len().is_multiple_of(size), "kernels of three by three for each group");
        let rooms = tiles.rooms(kernels.len() / size);
        let [mut room, mut planes, inputs, products, corners] = rooms.map(Scratch::of);
        for (kernels, room) in kernels.chunks_exact(size).zip(room.chunks_exact_mut(PLACES * (size + GAP))) {
            vectorised(math, Weights { kernels, room });
        }
        // Padding is written here only.
        planes.fill(T::ZERO);
        Self { tiles, weights: room, bias, math, planes, inputs, products, corners }
    }

    /// Convolves a group of channels of a sample.
    pub(super) fn convolve(&mut self, input: &[T], group: usize, result: &mut [T]) {
        let (tiles, math) = (&self.tiles, self.math);
        let planes = self.planes.chunks_exact_mut(tiles.planes.plane());
        let inputs = input.chunks_exact(tiles.window.input());
        planes.zip(inputs).for_each(|(plane, input)| tiles.planes.lay_out(input, plane));
        let weights = tiles.outputs * tiles.channels + GAP;
        let weights = &self.weights[group * PLACES * weights..(group + 1) * PLACES * weights];
        let bias = self.bias.map(|bias| &bias[group * tiles.outputs..(group + 1) * tiles.outputs]);
        for first in (0..tiles.rows).step_by(tiles.rows_at_once()) {
            let rows = first..tiles.rows.min(first + tiles.rows_at_once());
            let count = tiles.count(rows.len());
            let inputs = &mut self.inputs[..PLACES * (tiles.channels * count + GAP)];
            vectorised(math, Inputs { tiles, planes: &self.planes, first, count, inputs });
            let products = &mut self.products[..PLACES * (tiles.outputs * count + GAP)];
            multiply(
                weights,
                inputs,
                Shape { rows: tiles.outputs, inner: tiles.channels, columns: count },
                products,
                math,
            );
            vectorised(math, Outputs { tiles, products, bias, rows, count, corners: &mut self.corners, result });
        }
    }
}

/// The products of all places.
fn multiply<T: Factor>(weights: &[T], inputs: &[T], shape: Shape, products: &mut [T], math: Math) {
    let Shape { rows, inner, columns } = shape;
    let weights = weights.chunks_exact(rows * inner + GAP);
    let inputs = inputs.chunks_exact(inner * columns + GAP);
    for ((a, b), product) in weights.zip(inputs).zip(products.chunks_exact_mut(rows * columns + GAP)) {
        let (a, b) = (Matrix::of_rows(a, inner), Right::Matrix(Matrix::of_rows(b, columns)));
        T::product(a, b, &mut product[..rows * columns], shape, math);
    }
}

/// So many elements side by side.
type Lanes<T> = [T; LANES];

#[inline(always)]
fn lanes_at<T>(elements: &[T], place: usize) -> &Lanes<T> {
    elements[place..place + LANES].try_into().expect("a slice of so many")
}

/// Transforms kernels.
struct Weights<'a, T> {
    kernels: &'a [[T; 9]],
    room: &'a mut [T],
}

impl<T: Factor> Loops for Weights<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let size = self.kernels.len() + GAP;
        for first in (0..self.kernels.len()).step_by(LANES) {
            let mut elements = [[T::ZERO; LANES]; 9];
            for (lane, kernel) in self.kernels[first..].iter().take(LANES).enumerate() {
                for k in 0..9 {
                    elements[k][lane] = kernel[k];
                }
            }
            let mut columns = [[[T::ZERO; LANES]; 4]; 3];
            for (j, column) in columns.iter_mut().enumerate() {
                widen(&elements[j], &elements[3 + j], &elements[6 + j], column);
            }
            #[expect(clippy::needless_range_loop, reason = "a row goes across the columns")]
            for i in 0..4 {
                let mut row = [[T::ZERO; LANES]; 4];
                widen(&columns[0][i], &columns[1][i], &columns[2][i], &mut row);
                for (j, lanes) in row.iter().enumerate() {
                    self.room[(4 * i + j) * size + first..][..LANES].copy_from_slice(lanes);
                }
            }
        }
    }
}

/// The matrix G: of three weights the factors of four places.
#[inline(always)]
fn widen<T: Factor>(a: &Lanes<T>, b: &Lanes<T>, c: &Lanes<T>, to: &mut [Lanes<T>; 4]) {
    let half = T::from_f64(0.5);
    for i in 0..LANES {
        let (outer, inner) = (a[i].plus(c[i]).times(half), b[i].times(half));
        to[0][i] = a[i];
        to[1][i] = outer.plus(inner);
        to[2][i] = outer.minus(inner);
        to[3][i] = c[i];
    }
}

/// Transforms what some tiles see, from row `first` on.
struct Inputs<'a, T> {
    tiles: &'a Tiles,
    planes: &'a [T],
    first: usize,
    count: usize,
    inputs: &'a mut [T],
}

impl<T: Factor> Loops for Inputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Tiles { planes, channels, .. } = self.tiles;
        let size = channels * self.count + GAP;
        for channel in 0..*channels {
            for t in (0..self.count).step_by(LANES) {
                let start = channel * planes.plane() + self.first * self.tiles.step() + t;
                let seen = |place: usize| lanes_at(self.planes, start + planes.offsets()[place]);
                let mut columns = [[[T::ZERO; LANES]; 4]; 4];
                for (j, column) in columns.iter_mut().enumerate() {
                    spread(seen(j), seen(4 + j), seen(8 + j), seen(12 + j), column);
                }
                #[expect(clippy::needless_range_loop, reason = "a row goes across the columns")]
                for i in 0..4 {
                    let mut row = [[T::ZERO; LANES]; 4];
                    spread(&columns[0][i], &columns[1][i], &columns[2][i], &columns[3][i], &mut row);
                    for (j, lanes) in row.iter().enumerate() {
                        let place = (4 * i + j) * size + channel * self.count + t;
                        self.inputs[place..place + LANES].copy_from_slice(lanes);
                    }
                }
            }
        }
    }
}

/// The matrix B, transposed: of four elements the factors of four places.
#[inline(always)]
fn spread<T: Factor>(a: &Lanes<T>, b: &Lanes<T>, c: &Lanes<T>, d: &Lanes<T>, to: &mut [Lanes<T>; 4]) {
    for i in 0..LANES {
        to[0][i] = a[i].minus(c[i]);
        to[1][i] = b[i].plus(c[i]);
        to[2][i] = c[i].minus(b[i]);
        to[3][i] = b[i].minus(d[i]);
    }
}

/// Makes of the products of some rows of tiles what they are in the output.
struct Outputs<'a, T> {
    tiles: &'a Tiles,
    products: &'a [T],
    bias: Option<&'a [T]>,
    rows: Range<usize>,
    count: usize,
    corners: &'a mut [T],
    result: &'a mut [T],
}

impl<T: Factor> Loops for Outputs<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(mut self) {
        let output = self.tiles.window.output();
        for channel in 0..self.tiles.outputs {
            self.add_up(channel);
            self.put_down(channel * output);
        }
    }
}

impl<T: Factor> Outputs<'_, T> {
    /// Adds up the products of a channel of the output.
    #[inline(always)]
    fn add_up(&mut self, channel: usize) {
        let bias = self.bias.map_or(T::ZERO, |bias| bias[channel]);
        let size = self.tiles.outputs * self.count + GAP;
        for t in (0..self.count).step_by(LANES) {
            let product = |place: usize| lanes_at(self.products, place * size + channel * self.count + t);
            let mut columns = [[[T::ZERO; LANES]; 2]; 4];
            for (j, column) in columns.iter_mut().enumerate() {
                gather(product(j), product(4 + j), product(8 + j), product(12 + j), column);
            }
            #[expect(clippy::needless_range_loop, reason = "a row goes across the columns")]
            for i in 0..2 {
                let mut row = [[T::ZERO; LANES]; 2];
                gather(&columns[0][i], &columns[1][i], &columns[2][i], &columns[3][i], &mut row);
                for (j, lanes) in row.iter().enumerate() {
                    let corners = &mut self.corners[(2 * i + j) * self.count + t..][..LANES];
                    corners.iter_mut().zip(lanes).for_each(|(x, y)| *x = y.plus(bias));
                }
            }
        }
    }

    /// Puts the corners of tiles down in the plane that begins at `start`.
    #[inline(always)]
    fn put_down(&mut self, start: usize) {
        let [_, height, width] = self.tiles.window.0.map(|axis| axis.output as usize);
        let lines = (2 * self.rows.start..height.min(2 * self.rows.end)).zip(0..);
        for (y, line) in lines {
            // Of the last row of tiles, and the last tile of a row, a half may lie outside.
            let corner = |j: usize| (line % 2 * 2 + j) * self.count + line / 2 * self.tiles.step();
            let left = &self.corners[corner(0)..][..self.tiles.columns];
            let right = &self.corners[corner(1)..][..self.tiles.columns];
            let (pairs, last) = self.result[start + y * width..][..width].as_chunks_mut::<2>();
            pairs.iter_mut().zip(left.iter().zip(right)).for_each(|(pair, (&left, &right))| *pair = [left, right]);
            if let [last] = last {
                *last = left[self.tiles.columns - 1];
            }
        }
    }
}

/// The matrix A, transposed: of the products of four places the two elements.
#[inline(always)]
fn gather<T: Factor>(a: &Lanes<T>, b: &Lanes<T>, c: &Lanes<T>, d: &Lanes<T>, to: &mut [Lanes<T>; 2]) {
    for i in 0..LANES {
        to[0][i] = a[i].plus(b[i]).plus(c[i]);
        to[1][i] = b[i].minus(c[i]).minus(d[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_for_kernels_of_three_by_three_with_enough_around_them() {
        let tiles = |kernel, stride, input, channels, outputs| {
            let output = (input + 2 - kernel) / stride + 1;
            let axis = Axis { input, kernel, stride, padding: 1, dilation: 1, output };
            Tiles::of(&Window::of(&[axis, axis]), channels, outputs).is_some()
        };
        // What `naive` convolves with them, and layers of ResNet and SqueezeNet.
        assert!(
            tiles(3, 1, 32, 40, 40) && tiles(3, 1, 14, 64, 80) && tiles(3, 1, 56, 64, 64) && tiles(3, 1, 13, 64, 256)
        );
        assert!(!tiles(5, 1, 56, 64, 64) && !tiles(3, 2, 56, 64, 64));
        assert!(!tiles(3, 1, 56, 3, 64) && !tiles(3, 1, 56, 64, 3) && !tiles(3, 1, 7, 512, 512));
    }
}
