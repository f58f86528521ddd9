//! Checks that what a fork runs is pure, and shows what happens if it is not: for `torch.jit.fork` in TorchScript archives, and
//! for Rust code under `cargo test`.
//!
//! # A test that fails
//!
//! ```should_panic
//! use forkcheck::{Attr, check, fork, wait};
//!
//! fn hit(hits: Attr<i64>) {
//!     hits.update(|n| n + 1);
//! }
//!
//! check(|| {
//!     let hits = Attr::new(0);
//!     let (a, b) = (fork(hit, (hits.clone(),)), fork(hit, (hits.clone(),)));
//!     wait(&a);
//!     wait(&b);
//!     hits.get()
//! });
//! ```
//!
//! A thread of Rust could not do this: what threads share must be locked or atomic. Tensors and attributes of modules are shared
//! as they are in Python, and a fork that writes one is impure. The test panics with this report, and the like about the other fork:
//!
//! ```text
//! error[FC0101]: a fork writes `input 0`
//!   --> tests/hits.rs:4:10
//!    |
//!  4 |     hits.update(|n| n + 1);
//!    |          ^^^^^^^^^^^^^^^^^ Attr::update in task main/hit#0
//! ...
//! 10 |         let (a, b) = (fork(hit, (hits.clone(),)), fork(hit, (hits.clone(),)));
//!    |                       -------------------------- forked here
//!    |
//!    = note: races with the write of Attr::update in task main/hit#1 at tests/hits.rs:4
//!    = help: clone it before the write, or return the new value instead of writing it
//!
//! nondeterministic: the result depends on the schedule: 2 different outcomes
//!   exhausted: on this input every schedule that could differ was run (4 executions)
//!   2 forks, 2 impure
//!   first difference: output: 2 or 1
//!   fc1.split.vmwco.wxwafua  result d43eaba9, in the default order
//!   fc1.split.vmwco.aemc62djoqrtaaqcd5cfimm5.rpaa3ba  result 75868cbb, with 1 switch
//!   replay: FORKCHECK_REPLAY=fc1.split.vmwco.aemc62djoqrtaaqcd5cfimm5.rpaa3ba cargo test hits_are_counted
//! ```
//!
//! It shows the write and the fork that it belongs to, the other side of the race, and two schedules with two results. The body
//! ran a few times, under every schedule that could differ. The same with `script(f)` instead of a check runs on a pool of
//! threads, where the lost update happens once in a while.
//!
//! # What to do about it
//!
//! Return what is new, and let the caller put it where it belongs after the wait:
//!
//! ```
//! use forkcheck::{Attr, check, fork, wait};
//!
//! check(|| {
//!     let hits = Attr::new(0);
//!     let (a, b) = (fork(|| 1, ()), fork(|| 1, ()));
//!     let sum = wait(&a) + wait(&b);
//!     hits.update(|n| n + sum);
//!     hits.get()
//! });
//! ```
//!
//! This passes after a single execution: without a race, one execution stands for all, and the report says `certified`.
//!
//! # What programs are made of
//!
//! - [`fork`](fork()) starts a function with a tuple of arguments and gives a [`Future`]; [`wait`] forces it, any number of times.
//!   Futures can be stored, passed on, returned and dropped.
//! - [`Tensor`] has PyTorch's operators under PyTorch's names; a clone is the same tensor, and a view shares its memory. It comes
//!   from and goes to arrays of `ndarray`. [`Attr`] is one value that tasks share, [`Global`] a static that begins anew in every
//!   execution, [`rng`] the generator of random numbers. Each access has a place in the source and is seen.
//! - A [`Module`] names what it holds, so that a report says `self.inner.n`; [`Forward`] makes it callable, and a fork can run it.
//! - [`script`] makes a function asynchronous, [`trace`] runs it inline and gives the graph of what it called, in PyTorch's form.
//!   Outside of checks and scripts a fork runs on the spot.
//!
//! # How to check
//!
//! [`check`](check()) panics, [`Checker::run`] reports: the [verdict](report::Verdict), what it
//! [rests on](report::Assurance), the [findings](report::FindingReport), the outcomes with a schedule for each. What a body returns
//! must be an [`Outcome`], so that two results can be told apart. [`audit`](audit()) checks a module on inputs.
//!
//! A schedule that failed is one word. It is run again with `FORKCHECK_REPLAY=fc1.… cargo test NAME`; it is stored as well, in
//! `forkcheck-failures/`, and run first the next time. The variables are listed at [`Checker::from_env`].
//!
//! With the cargo feature `proptest`, `forkcheck::strategies` lets proptest pick inputs while forkcheck picks schedules; both
//! shrink.
//!
//! # Archives
//!
//! The command `forkcheck` audits what `torch.jit.save` wrote; in Rust that is [`audit::audit`] on a [`Program`]. The rooms:
//! [`program`] is what is run, [`execution`] what a run of anything is, [`machine`] that of an archive, [`explore`] many
//! executions, [`check`](mod@check) turns accesses into findings, [`report`] is what is said about it all, [`failures`] what is kept of it for
//! the next time, [`replay`] what repeating a schedule leads to.
//!
//! # Limits
//!
//! - A certificate rests on all shared state being one of the four types. A captured `Arc<AtomicU64>`, a clock, a hash map whose
//!   order is read, a file: nobody sees it. `FORKCHECK_CHECK_DETERMINISM=1` runs the default schedule twice and names the first
//!   event that differs; a body that cannot repeat a step ends as `unknown`, with the reason.
//! - It is one input, that of the body.
//! - Only accesses are steps. A task that computes for ever without one cannot be stopped; one that touches something for ever is
//!   cut by the budget of steps.
//! - An access while a panic unwinds cannot be suspended. Where others race for what it touches, the execution is given up, and
//!   the report says so. A destructor that waits then for a task that has not ended ends the process, as it does where an execution
//!   is given up in the middle: let it wait only `if !std::thread::panicking()`.
//! - Tasks are coroutines of one thread: they share its `thread_local!`s, and a `catch_unwind` of the user's catches the unwinding
//!   that takes a task down. [`Checker::threads`] runs them on threads instead, one at a time.
//! - Each task has a stack of 1 MiB ([`Checker::stack_size`]); one that needs more ends the process.
//! - The states of a native stack cannot be told apart or kept, so the strategy `states` is for archives only.

pub mod audit;
pub mod check;
pub mod config;
mod convert;
pub mod effect_comments;
pub mod execution;
pub mod explore;
pub mod failures;
pub mod files;
pub mod machine;
pub mod names;
mod native;
pub mod parallel;
pub mod program;
mod remedies;
pub mod replay;
pub mod report;
mod static_audit;
mod static_words;
#[cfg(feature = "proptest")]
pub mod strategies;

pub use config::{Atomicity, Config};
pub use program::{Inputs, Program};
pub use report::Report;
pub use static_audit::{meet, static_audit, static_audit_of_graph};

use forkcheck_model::value::Value;

/// The text of a value, as a scripted `print` would show it.
pub fn text_of(value: &Value) -> String {
    let text = forkcheck_model::operators::text::value_text(value, &forkcheck_model::slot::Memory::unlimited());
    text.unwrap_or_else(|_| format!("{value:?}"))
}

pub use native::{
    Attr, Bool8, Call, Checker, DType, Element, Forward, Future, Global, Graph, Input, Look, Module, Operand, Outcome,
    Rng, Script, Scripted, Shown, Tensor, Visitor, audit, check, fork, rng, script, trace, wait, wait_all,
};
