//! The strategies, one algorithm a file.
//!
//! Linear ones are a [`Scheduler`](crate::Scheduler) and see one execution after another; searches are functions over
//! a [`System`](crate::System).

pub mod auto;
pub mod child_first;
pub mod dfs;
pub mod dpor;
pub mod pairs;
pub mod random;
pub mod replay;
pub mod round_robin;
pub mod states;
