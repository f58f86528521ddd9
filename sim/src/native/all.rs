//! Waiting for many.

use super::fork::{Future, wait};

/// Forces futures in their order, and gives what their tasks have returned: `torch.futures.wait_all`.
///
/// Better than `futures.iter().map(wait)`: reports then name this line. There the caller is the standard library.
///
/// ```
/// use forkcheck::{fork, wait_all};
///
/// let squares: Vec<_> = (0..4).map(|n: i64| fork(|n: i64| n * n, (n,))).collect();
/// assert_eq!(wait_all(&squares), [0, 1, 4, 9]);
/// ```
///
/// # Panics
/// As [`wait`], at the first future whose task has panicked.
#[track_caller]
pub fn wait_all<T: Clone>(futures: &[Future<T>]) -> Vec<T> {
    let mut results = Vec::with_capacity(futures.len());
    for future in futures {
        results.push(wait(future));
    }
    results
}
