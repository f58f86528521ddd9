//! Broadcasting: tensors of different sizes that are worked on as if they were of the same.

use super::{Dims, Layout};
use crate::operators::Fault;

/// The common sizes of two operands, or PyTorch's error.
pub fn broadcast(a: &[i64], b: &[i64]) -> Result<Dims, Fault> {
    if a == b {
        return Ok(a.into());
    }
    let rank = a.len().max(b.len());
    let mut sizes = Dims::from_elem(1, rank);
    for dim in (0..rank).rev() {
        let at = |sizes: &[i64]| (dim + sizes.len()).checked_sub(rank).map_or(1, |i| sizes[i]);
        let (x, y) = (at(a), at(b));
        if x != y && x != 1 && y != 1 {
            let words = "must match the size of tensor b";
            let dim = format!("at non-singleton dimension {dim}");
            return Err(Fault::raised(format!("The size of tensor a ({x}) {words} ({y}) {dim}")));
        }
        // A size of one gives way, also to zero.
        sizes[dim] = if x == 1 { y } else { x };
    }
    match Layout::count(&sizes) {
        Some(_) => Ok(sizes),
        None => Err(Fault::raised(format!("Storage size calculation overflowed with sizes={sizes:?}"))),
    }
}

/// The common sizes of any number of operands.
pub fn broadcast_all<'a>(operands: impl IntoIterator<Item = &'a [i64]>) -> Result<Dims, Fault> {
    operands.into_iter().try_fold(Dims::new(), |sizes, operand| broadcast(&sizes, operand))
}

/// Checks that `sizes` can be expanded to `target`, without changing `target`.
pub fn expands_to(sizes: &[i64], target: &[i64]) -> bool {
    sizes.len() <= target.len()
        && sizes.iter().rev().zip(target.iter().rev()).all(|(&size, &wanted)| size == wanted || size == 1)
}

/// PyTorch's error for sizes that [`expands_to`] says cannot be expanded.
pub fn cannot_expand(sizes: &[i64], target: &[i64]) -> Fault {
    if sizes.len() > target.len() {
        let words = "must be greater or equal to the number of dimensions in the tensor";
        let (a, b) = (target.len(), sizes.len());
        return Fault::raised(format!("The number of sizes provided ({a}) {words} ({b})"));
    }
    let new = target.len() - sizes.len();
    let fits = |dim: &usize| sizes[*dim] != target[new + dim] && sizes[*dim] != 1;
    let dim = (0..sizes.len()).rev().find(fits).expect("some dimension does not fit");
    let (wanted, found) = (target[new + dim], sizes[dim]);
    Fault::raised(format!(
        "The expanded size of the tensor ({wanted}) must match the existing size ({found}) at non-singleton dimension \
         {}.  Target sizes: {target:?}.  Tensor sizes: {sizes:?}",
        new + dim
    ))
}

impl Layout {
    /// The layout that shows the same elements expanded to `sizes`: the new dimensions have stride zero.
    ///
    /// # Panics
    /// If they cannot be expanded so; see [`expands_to`].
    pub fn expanded(&self, sizes: &[i64]) -> Layout {
        assert!(expands_to(self.sizes(), sizes), "{:?} cannot be expanded to {sizes:?}", self.sizes());
        let mut strides = Dims::from_elem(0, sizes.len());
        let new = sizes.len() - self.rank();
        for dim in 0..self.rank() {
            strides[new + dim] = if self.sizes()[dim] == sizes[new + dim] { self.strides()[dim] } else { 0 };
        }
        Layout::strided(sizes, &strides, self.offset())
    }

    /// Whether two indices may show the same element: PyTorch's `has_internal_overlap` says yes.
    pub fn overlaps_itself(&self) -> bool {
        self.sizes().iter().zip(self.strides()).any(|(&size, &stride)| size > 1 && stride == 0) && self.numel() > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_meet_from_the_last() {
        let check = |a: &[i64], b: &[i64], expected: &[i64]| {
            assert_eq!(broadcast(a, b).unwrap().as_slice(), expected);
            assert_eq!(broadcast(b, a).unwrap().as_slice(), expected);
        };
        check(&[2, 3], &[3], &[2, 3]);
        check(&[2, 1], &[1, 3], &[2, 3]);
        check(&[], &[4], &[4]);
        check(&[0], &[1], &[0]);
        check(&[5, 0, 1], &[1, 7], &[5, 0, 7]);
    }

    #[test]
    fn errors_are_pytorchs() {
        let expected = "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1";
        assert_eq!(broadcast(&[2, 3], &[4]), Err(Fault::raised(expected)));
    }

    #[test]
    fn expanding_gives_strides_of_zero() {
        let layout = Layout::contiguous(&[2, 1]).expanded(&[4, 2, 3]);
        assert_eq!((layout.strides(), layout.overlaps_itself()), (&[0, 1, 0][..], true));
        assert!(!expands_to(&[2], &[3]));
    }
}
