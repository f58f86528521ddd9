//! Nested tensors, of PyTorch's strided kind: entries of different sizes, one after the other in one memory.
//!
//! The layout of such a tensor is that of its memory: all elements of all entries in one dimension. So who asks only which
//! elements it shows, or what its views share with it, need not know that it is nested. Who takes a layout for all that
//! there is to know must: kernels (`operators/nested/` keeps them from it), digests, comparisons, files, texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Dims, Layout, Tensor};

/// The sizes of the entries.
///
/// Invariant: all have as many dimensions as `rank` says, and the number of all elements fits in an `i64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nested {
    rank: usize,
    entries: Vec<Dims>,
}

/// Whether this process has nested any tensor yet. It answers no question but whether another need be asked.
static MET: AtomicBool = AtomicBool::new(false);

impl Nested {
    /// Entries of `rank` dimensions; `None` if their elements cannot be counted.
    ///
    /// # Panics
    /// If an entry has another number of dimensions.
    pub fn new(rank: usize, entries: Vec<Dims>) -> Option<Arc<Self>> {
        assert!(entries.iter().all(|sizes| sizes.len() == rank), "entries of {rank} dimensions: {entries:?}");
        entries.iter().try_fold(0i64, |sum, sizes| sum.checked_add(Layout::count(sizes)?))?;
        MET.store(true, Ordering::Relaxed);
        Some(Arc::new(Self { rank, entries }))
    }

    /// Whether a tensor can be nested at all: as long as none has been, nobody need look for one.
    pub fn is_met() -> bool {
        MET.load(Ordering::Relaxed)
    }

    /// Number of dimensions of the whole, the entries being the first.
    pub fn rank(&self) -> usize {
        self.rank + 1
    }

    /// The sizes of each entry.
    pub fn entries(&self) -> &[Dims] {
        &self.entries
    }

    /// Each entry in the memory: contiguous, behind the one before.
    pub fn layouts(&self) -> impl Iterator<Item = Layout> {
        self.entries.iter().scan(0, |offset, sizes| {
            let whole = Layout::contiguous(sizes);
            let layout = Layout::strided(sizes, whole.strides(), *offset);
            *offset += whole.numel();
            Some(layout)
        })
    }

    /// Number of all elements.
    pub fn numel(&self) -> i64 {
        self.entries.iter().map(|sizes| Layout::count(sizes).expect("checked when it was made")).sum()
    }

    /// The size of a dimension, if all entries have the same. Like PyTorch's, it takes the word of a first entry without
    /// elements for all.
    pub fn size(&self, dim: usize) -> Option<i64> {
        let Some(dim) = dim.checked_sub(1) else { return Some(self.entries.len() as i64) };
        let first = self.entries.first().map_or(0, |sizes| sizes[dim]);
        (first == 0 || self.entries.iter().all(|sizes| sizes[dim] == first)).then_some(first)
    }

    /// The least sizes that hold every entry.
    pub fn longest(&self) -> Dims {
        (0..self.rank).map(|dim| self.entries.iter().map(|sizes| sizes[dim]).max().unwrap_or(0)).collect()
    }

    /// The same entries with another last size; `None` if their elements cannot be counted.
    pub fn with_last(&self, last: i64) -> Option<Arc<Self>> {
        let changed = |sizes: &Dims| {
            let mut sizes = sizes.clone();
            sizes.last_mut().map(|size| *size = last).map(|()| sizes)
        };
        Self::new(self.rank, self.entries.iter().map(changed).collect::<Option<_>>()?)
    }

    /// All that it is, as numbers: for digests.
    pub fn to_numbers(&self) -> impl Iterator<Item = i64> {
        let sizes = self.entries.iter().flatten().copied();
        [self.rank as i64, self.entries.len() as i64].into_iter().chain(sizes)
    }
}

impl Tensor {
    /// The sizes of its entries, if it is nested.
    pub fn nested(&self) -> Option<Arc<Nested>> {
        self.slot().lock().nested.clone()
    }

    /// The tensor, which nobody has seen yet, as a nested one: its elements are those of the entries.
    ///
    /// # Panics
    /// If it is not a whole memory in order, or has another number of elements.
    pub fn nest(self, nested: Arc<Nested>) -> Self {
        self.slot().update(|metadata| {
            assert!(
                metadata.layout.is_contiguous() && metadata.layout.offset() == 0,
                "entries lie one after the other"
            );
            assert_eq!(metadata.layout.numel(), nested.numel(), "as many elements as the entries have");
            metadata.layout = Layout::contiguous(&[nested.numel()]);
            metadata.nested = Some(nested);
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(entries: &[[i64; 2]]) -> Arc<Nested> {
        Nested::new(2, entries.iter().map(|sizes| sizes[..].into()).collect()).unwrap()
    }

    #[test]
    fn a_size_is_known_where_all_entries_agree() {
        let sequences = nested(&[[2, 4], [3, 4]]);
        assert_eq!([0, 1, 2].map(|dim| sequences.size(dim)), [Some(2), None, Some(4)]);
        assert_eq!((sequences.rank(), sequences.numel(), sequences.longest().to_vec()), (3, 20, vec![3, 4]));
        // PyTorch compares with the first entry only as long as that is not zero.
        assert_eq!(
            [nested(&[[0, 4], [3, 4]]), nested(&[[3, 4], [0, 4]])].map(|nested| nested.size(1)),
            [Some(0), None]
        );
        assert_eq!([0, 1, 2].map(|dim| nested(&[]).size(dim)), [Some(0); 3]);
    }

    #[test]
    fn entries_lie_behind_each_other() {
        let sequences = nested(&[[2, 4], [0, 4], [3, 4]]);
        let offsets: Vec<i64> = sequences.layouts().map(|layout| layout.offset()).collect();
        assert_eq!(offsets, [0, 8, 8]);
        assert_eq!(sequences.with_last(5), Some(nested(&[[2, 5], [0, 5], [3, 5]])));
        assert_eq!(sequences.with_last(i64::MAX), None);
    }
}
