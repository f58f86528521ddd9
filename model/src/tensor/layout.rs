//! Which elements of a storage a tensor shows, and in which order.

use smallvec::SmallVec;

/// Sizes or strides; tensors of up to five dimensions need no allocation.
pub type Dims = SmallVec<[i64; 5]>;

/// Sizes, strides and offset, counted in elements.
///
/// Invariant: as many strides as sizes, no size negative, the number of elements fits in an `i64`.
/// Strides may be zero (expanded) but are never negative, as in PyTorch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Layout {
    sizes: Dims,
    strides: Dims,
    offset: i64,
}

impl Layout {
    /// Row-major elements from the start of a storage.
    ///
    /// # Panics
    /// If a size is negative or the number of elements overflows; callers check first with [`Layout::count`].
    pub fn contiguous(sizes: &[i64]) -> Self {
        Self::strided(sizes, &contiguous_strides(sizes), 0)
    }

    /// One element at the start of a storage, in no dimension.
    pub fn single() -> Self {
        Self { sizes: Dims::new(), strides: Dims::new(), offset: 0 }
    }

    /// Elements by explicit strides.
    ///
    /// # Panics
    /// If an invariant of the type is broken.
    pub fn strided(sizes: &[i64], strides: &[i64], offset: i64) -> Self {
        assert_eq!(sizes.len(), strides.len(), "as many strides as sizes");
        assert!(Self::count(sizes).is_some(), "the number of elements fits");
        assert!(offset >= 0, "the offset is not negative");
        Self { sizes: sizes.into(), strides: strides.into(), offset }
    }

    /// The number of elements of a tensor with these sizes, or `None` if a size is negative or it does not fit.
    pub fn count(sizes: &[i64]) -> Option<i64> {
        // A zero size makes the tensor empty, but the other sizes must still be sane.
        let mut count = 1i64;
        let mut empty = false;
        for &size in sizes {
            match size {
                i64::MIN..0 => return None,
                0 => empty = true,
                _ => count = count.checked_mul(size)?,
            }
        }
        Some(if empty { 0 } else { count })
    }

    /// Size of each dimension, in elements.
    pub fn sizes(&self) -> &[i64] {
        &self.sizes
    }

    /// Distance between neighbours in each dimension, in elements.
    pub fn strides(&self) -> &[i64] {
        &self.strides
    }

    /// Index of the first element in the storage.
    pub fn offset(&self) -> i64 {
        self.offset
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.sizes.len()
    }

    /// Number of elements shown.
    pub fn numel(&self) -> i64 {
        Self::count(&self.sizes).expect("checked when it was made")
    }

    /// Whether the elements lie row-major without gaps (PyTorch's `is_contiguous()`).
    pub fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        if self.sizes.contains(&0) {
            return true;
        }
        for (&size, &stride) in self.sizes.iter().zip(&self.strides).rev() {
            if size != 1 {
                if stride != expected {
                    return false;
                }
                expected *= size;
            }
        }
        true
    }

    /// One past the last element reached, or `None` on overflow; the offset itself for an empty tensor.
    pub fn end(&self) -> Option<i64> {
        if self.sizes.contains(&0) {
            return Some(self.offset);
        }
        let mut last = self.offset;
        for (&size, &stride) in self.sizes.iter().zip(&self.strides) {
            last = last.checked_add((size - 1).checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }
}

/// Strides of a row-major tensor; a size of zero counts as one, as in PyTorch.
pub fn contiguous_strides(sizes: &[i64]) -> Dims {
    let mut strides: Dims = sizes.into();
    let mut step = 1i64;
    for (stride, &size) in strides.iter_mut().zip(sizes).rev() {
        *stride = step;
        step = step.saturating_mul(size.max(1));
    }
    strides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transpose_is_not_contiguous() {
        assert!(Layout::contiguous(&[2, 3]).is_contiguous());
        assert!(!Layout::strided(&[3, 2], &[1, 3], 0).is_contiguous());
        assert!(Layout::strided(&[1, 3], &[7, 1], 2).is_contiguous(), "the stride of a size of one does not matter");
        assert!(Layout::strided(&[0, 3], &[7, 9], 2).is_contiguous());
    }

    #[test]
    fn the_end_is_one_past_the_last_element() {
        assert_eq!(Layout::strided(&[3, 2], &[1, 3], 5).end(), Some(5 + 2 + 3 + 1));
        assert_eq!(Layout::strided(&[3, 0], &[1, 3], 5).end(), Some(5));
        assert_eq!(Layout::strided(&[3], &[i64::MAX], 5).end(), None);
    }

    #[test]
    fn counts_refuse_what_does_not_fit() {
        assert_eq!(Layout::count(&[2, 3]), Some(6));
        assert_eq!(Layout::count(&[]), Some(1));
        assert_eq!(Layout::count(&[-1]), None);
        assert_eq!(Layout::count(&[1 << 40, 1 << 40]), None);
        assert_eq!(Layout::count(&[1 << 40, 1 << 40, 0]), None);
    }
}
