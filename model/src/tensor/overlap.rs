//! How tensors lie in memory: which share elements, and in which order a result should lie.

use super::{Dims, Layout, Metadata, Tensor};
use crate::operators::Fault;

impl Layout {
    /// Whether every element between the first and the last is shown just once, in whatever order of dimensions
    /// (PyTorch's `is_non_overlapping_and_dense`).
    pub fn is_dense(&self) -> bool {
        if self.is_contiguous() {
            return true;
        }
        let mut dims: Dims = (0..self.rank() as i64).filter(|&dim| self.sizes()[dim as usize] != 1).collect();
        dims.sort_by_key(|&dim| self.strides()[dim as usize]);
        let mut expected = 1;
        dims.iter().all(|&dim| {
            let fits = self.strides()[dim as usize] == expected;
            expected *= self.sizes()[dim as usize];
            fits
        })
    }
}

/// The layout of a new result of element-wise work on these operands, expanded to `sizes`: as PyTorch's
/// `TensorIterator` does it, the dimensions lie in the order in which they lie in the operands.
pub fn result_layout(operands: &[&Layout], sizes: &[i64]) -> Layout {
    if operands.iter().all(|operand| operand.sizes() == sizes && operand.is_contiguous()) {
        return Layout::contiguous(sizes);
    }
    let expanded: Vec<Layout> = operands.iter().map(|operand| operand.expanded(sizes)).collect();
    // The fastest dimension comes first. Comparisons may be undecided, so this insertion sort is its own.
    let mut order: Vec<usize> = (0..sizes.len()).rev().collect();
    for i in 1..order.len() {
        let mut moving = i;
        for before in (0..i).rev() {
            match should_swap(&expanded, sizes, order[before], order[moving]) {
                Some(true) => {
                    order.swap(before, moving);
                    moving = before;
                }
                Some(false) => break,
                None => {}
            }
        }
    }
    if order.iter().rev().copied().eq(0..sizes.len()) {
        return Layout::contiguous(sizes);
    }
    let mut strides = Dims::from_elem(0, sizes.len());
    let mut step = 1;
    for dim in order {
        strides[dim] = step;
        step *= sizes[dim].max(1);
    }
    Layout::strided(sizes, &strides, 0)
}

/// Whether dimension `a` should lie outside of dimension `b`; `None` if the operands do not say.
fn should_swap(operands: &[Layout], sizes: &[i64], a: usize, b: usize) -> Option<bool> {
    for operand in operands {
        let (x, y) = (operand.strides()[a], operand.strides()[b]);
        match x.cmp(&y) {
            _ if x == 0 || y == 0 => {}
            std::cmp::Ordering::Less => return Some(false),
            std::cmp::Ordering::Greater => return Some(true),
            std::cmp::Ordering::Equal if sizes[a] > sizes[b] => return Some(true),
            std::cmp::Ordering::Equal => {}
        }
    }
    None
}

/// Raises PyTorch's error if a write to the tensor would write some element twice.
pub fn check_no_internal_overlap(written: &Tensor) -> Result<(), Fault> {
    if !written.metadata().layout.overlaps_itself() {
        return Ok(());
    }
    Err(Fault::raised(
        "unsupported operation: more than one element of the written-to tensor refers to a single memory location. \
         Please clone() the tensor before performing the operation.",
    ))
}

/// Raises PyTorch's error if the written tensor shares some elements with the one that is read, but not all.
pub fn check_no_partial_overlap(written: &Tensor, read: &Tensor) -> Result<(), Fault> {
    if written.is(read) || !overlaps_partially(&written.metadata(), &read.metadata()) {
        return Ok(());
    }
    Err(Fault::raised(
        "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory \
         location. Please clone() the tensor before performing the operation.",
    ))
}

/// Like PyTorch, gives tensors with gaps the benefit of the doubt.
fn overlaps_partially(a: &Metadata, b: &Metadata) -> bool {
    if !a.storage.is(&b.storage) || a.layout.numel() == 0 || b.layout.numel() == 0 {
        return false;
    }
    if !a.layout.is_dense() || !b.layout.is_dense() {
        return false;
    }
    let range = |metadata: &Metadata| {
        let size = metadata.dtype.size() as i64;
        let start = metadata.layout.offset() * size;
        start..start + metadata.layout.numel() * size
    };
    let (x, y) = (range(a), range(b));
    if x == y { a.layout.strides() != b.layout.strides() } else { x.start < y.end && y.start < x.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_lie_as_their_operands_do() {
        let check = |operands: &[(&[i64], &[i64])], sizes: &[i64], expected: &[i64]| {
            let layouts: Vec<Layout> =
                operands.iter().map(|(sizes, strides)| Layout::strided(sizes, strides, 0)).collect();
            let layouts: Vec<&Layout> = layouts.iter().collect();
            assert_eq!(result_layout(&layouts, sizes).strides(), expected);
        };
        check(&[(&[3, 2], &[1, 3])], &[3, 2], &[1, 3]);
        check(&[(&[3, 2], &[1, 6])], &[3, 2], &[1, 3]);
        check(&[(&[3, 2], &[2, 1]), (&[3, 2], &[1, 3])], &[3, 2], &[2, 1]);
        check(&[(&[2], &[1]), (&[3, 2], &[1, 3])], &[3, 2], &[1, 3]);
        check(&[(&[3, 1], &[1, 1]), (&[2], &[0])], &[3, 2], &[2, 1]);
        check(&[(&[1, 4, 2, 3], &[24, 1, 12, 4])], &[1, 4, 2, 3], &[24, 1, 12, 4]);
    }

    #[test]
    fn a_dense_tensor_has_no_gaps() {
        assert!(Layout::strided(&[3, 2], &[1, 3], 7).is_dense());
        assert!(!Layout::strided(&[3, 2], &[1, 4], 7).is_dense());
        assert!(!Layout::strided(&[3], &[0], 7).is_dense());
        assert!(Layout::strided(&[1, 3], &[0, 1], 7).is_dense());
    }
}
