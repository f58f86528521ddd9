//! Checks that what `torch.jit.fork` runs is pure, and shows what happens if it is not.
//!
//! PyTorch's documentation asks that forked functions be pure, because tasks run in any order; nothing in PyTorch
//! checks it. This crate does: it loads a TorchScript archive, runs its forks as tasks of a simulated scheduler, says
//! which of them write what is not their own, and proves on one run that every schedule gives the same result, or
//! shows two schedules with two results.
//!
//! The rooms: [`program`] is what is run, [`machine`] one execution of it, [`explore`] many executions, [`mod@check`] turns
//! accesses into findings, [`report`] is what is said about it all, [`failures`] what is
//! kept of it for the next time, and [`audit()`] is the way through.

pub mod audit;
pub mod check;
pub mod config;
mod convert;
pub mod execution;
pub mod explore;
pub mod failures;
pub mod machine;
pub mod names;
mod native;
pub mod program;
pub mod replay;
pub mod report;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use config::{Atomicity, Config};
pub use program::{Inputs, Program};
pub use report::Report;

use forkcheck_model::value::Value;

/// The text of a value, as a scripted `print` would show it.
pub fn text_of(value: &Value) -> String {
    let text = forkcheck_model::operators::text::value_text(value, &forkcheck_model::slot::Memory::unlimited());
    text.unwrap_or_else(|_| format!("{value:?}"))
}

pub use native::{
    Attr, Call, Checker, DType, Element, Forward, Future, Global, Graph, Input, Look, Module, Operand, Outcome, Rng,
    Script, Scripted, Shown, Tensor, Visitor, audit, check, fork, rng, script, trace, wait, wait_all,
};
