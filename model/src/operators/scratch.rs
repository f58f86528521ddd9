//! Memory that kernels on one thread use again and again: fresh memory costs a kernel of the operating system's time for
//! every page.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;

/// Room for some elements, that hold whatever was there before: a kernel writes them before it reads them. It begins at a
/// line of the cache.
#[derive(Debug)]
pub(in crate::operators) struct Scratch<T> {
    words: Vec<u64>,
    /// The first word and the number of elements.
    start: usize,
    count: usize,
    elements: PhantomData<T>,
}

/// What a thread keeps: no more pieces, and none that is larger (in words).
const PIECES: usize = 6;
const LARGEST: usize = 1 << 19;
/// Words in a line of the cache.
const LINE: usize = 8;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

impl<T: Pod> Scratch<T> {
    pub(in crate::operators) fn of(count: usize) -> Self {
        let needed = (count * size_of::<T>()).div_ceil(size_of::<u64>()) + LINE;
        // The smallest that is large enough, or else the largest, which grows.
        let kept = KEPT.with_borrow_mut(|kept| {
            let fit = |words: &Vec<u64>| (words.len() < needed, words.len().abs_diff(needed));
            let best = (0..kept.len()).min_by_key(|&i| fit(&kept[i]))?;
            Some(kept.swap_remove(best))
        });
        let mut words = kept.unwrap_or_default();
        if words.len() < needed {
            words.resize(needed, 0);
        }
        if cfg!(debug_assertions) {
            // Whoever reads what was not written should notice: these are NaNs.
            words.fill(u64::MAX);
        }
        let start = words.as_ptr().align_offset(LINE * size_of::<u64>()).min(LINE);
        Self { words, start, count, elements: PhantomData }
    }
}

impl<T: Pod> Deref for Scratch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.words[self.start..self.words.len() / 2 * 2])[..self.count]
    }
}

impl<T: Pod> DerefMut for Scratch<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        let end = self.words.len() / 2 * 2;
        &mut bytemuck::cast_slice_mut(&mut self.words[self.start..end])[..self.count]
    }
}

impl<T> Drop for Scratch<T> {
    fn drop(&mut self) {
        let words = std::mem::take(&mut self.words);
        if words.len() <= LARGEST {
            // A thread that ends keeps nothing.
            let _ = KEPT.try_with(|kept| {
                let mut kept = kept.borrow_mut();
                if kept.len() < PIECES {
                    kept.push(words);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_as_long_as_was_asked_and_begins_at_a_line() {
        for count in [0, 1, 7, 8, 100, 1000] {
            let mut first = Scratch::<f32>::of(count);
            let mut second = Scratch::<f64>::of(count);
            first.fill(1.0);
            second.fill(2.0);
            assert_eq!((first.len(), second.len()), (count, count));
            assert!(first.iter().all(|&x| x == 1.0), "pieces in use are not shared");
            assert_eq!(first.as_ptr().align_offset(64), 0);
        }
    }

    #[test]
    fn what_was_given_back_is_used_again() {
        let first = Scratch::<i64>::of(5000).as_ptr();
        assert_eq!(Scratch::<i64>::of(5000).as_ptr(), first);
    }
}
