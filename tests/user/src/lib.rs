//! Programs as users write them: each with a fork that is not pure, and the same put right.
//!
//! Nothing is used here but what `forkcheck` publishes. Each file is one program, in two versions side by side. Its tests
//! show what a check finds in the first, by kind, target and line, and that the second is certified.

pub mod cache;
pub mod ensemble;
pub mod forest;
pub mod map_reduce;
pub mod pool;

#[cfg(test)]
mod testing;
