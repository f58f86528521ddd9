//! Windows over one channel by themselves: for each element of the kernel, a slice that is multiplied and added, or of
//! which the greater elements are kept.

use super::planes::Planes;
use crate::operators::linalg::product::{Factor, multiply_add};
use crate::operators::vectorised::{Loops, vectorised};
use crate::tensor::Math;

/// One plane of the output of a convolution, as a run over planes of one channel, starting from a bias.
pub(super) fn convolve<T: Factor>(
    planes: &[T],
    layout: &Planes,
    (weights, bias): (&[T], T),
    run: &mut [T],
    math: Math,
) {
    vectorised(math, Channel { planes, offsets: layout.offsets(), fold: Weighted { weights, bias }, run });
}

/// One plane of the output of a pool: the greatest that each window sees, or a NaN if it sees one.
pub(super) fn greatest<T: Factor>(planes: &[T], layout: &Planes, run: &mut [T]) {
    // Comparisons have the same result anywhere.
    vectorised(Math::Native, Channel { planes, offsets: layout.offsets(), fold: Greatest, run });
}

/// What is made of the elements that a window sees, one kernel element after the other.
trait Fold<T>: Copy {
    fn start(self) -> T;
    fn next<const FUSED: bool>(self, kernel: usize, folded: T, seen: T) -> T;
}

#[derive(Clone, Copy)]
struct Weighted<'a, T> {
    weights: &'a [T],
    bias: T,
}

impl<T: Factor> Fold<T> for Weighted<'_, T> {
    #[inline(always)]
    fn start(self) -> T {
        self.bias
    }

    #[inline(always)]
    fn next<const FUSED: bool>(self, kernel: usize, folded: T, seen: T) -> T {
        multiply_add::<T, FUSED>(self.weights[kernel], seen, folded)
    }
}

#[derive(Clone, Copy)]
struct Greatest;

impl<T: Factor> Fold<T> for Greatest {
    #[inline(always)]
    fn start(self) -> T {
        T::LOWEST
    }

    #[inline(always)]
    fn next<const FUSED: bool>(self, _kernel: usize, folded: T, seen: T) -> T {
        // What is not less or equal is greater, or one of the two is a NaN; a NaN stays.
        if folded.is_nan() || seen.at_most(folded) { folded } else { seen }
    }
}

struct Channel<'a, T, F> {
    planes: &'a [T],
    offsets: &'a [usize],
    fold: F,
    run: &'a mut [T],
}

impl<T: Factor, F: Fold<T>> Loops for Channel<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let whole = self.run.len() / WIDE * WIDE;
        let (wide, rest) = self.run.split_at_mut(whole);
        let some = rest.len() / NARROW * NARROW;
        let (narrow, single) = rest.split_at_mut(some);
        let input = (self.planes, self.offsets);
        windows::<T, F, FUSED, WIDE>(input, self.fold, 0, wide);
        windows::<T, F, FUSED, NARROW>(input, self.fold, whole, narrow);
        windows::<T, F, FUSED, 1>(input, self.fold, whole + some, single);
    }
}

/// So many windows at a time, then so many.
const WIDE: usize = 32;
const NARROW: usize = 8;

/// All windows from one on, as many at a time as there are lanes.
#[inline(always)]
fn windows<T: Factor, F: Fold<T>, const FUSED: bool, const LANES: usize>(
    (planes, offsets): (&[T], &[usize]),
    fold: F,
    first: usize,
    run: &mut [T],
) {
    let (run, _) = run.as_chunks_mut::<LANES>();
    for (i, result) in run.iter_mut().enumerate() {
        let start = first + i * LANES;
        let mut folded = [fold.start(); LANES];
        for (kernel, &offset) in offsets.iter().enumerate() {
            let seen: &[T; LANES] =
                planes[offset + start..offset + start + LANES].try_into().expect("as many as there are lanes");
            for lane in 0..LANES {
                folded[lane] = fold.next::<FUSED>(kernel, folded[lane], seen[lane]);
            }
        }
        *result = folded;
    }
}
