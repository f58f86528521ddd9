//! Rust programs: `fork`, `wait` and the state that they share, run and checked as archives are.
//!
//! The names are those of a user's code: [`fork`](fork()), [`wait`], [`Tensor`], [`Attr`], [`Global`], [`Module`]. Whatever they do,
//! they ask [`world`] where they are. Under the checker each access is a [`state::step`]; a task that must let others go
//! first is paused on a [`stack`] of its own. [`run`] makes of all that an execution that can be explored.

mod all;
mod baton;
mod cell;
mod checker;
mod edge;
mod fork;
mod guarded;
mod lift;
mod look;
mod module;
mod outside;
mod panics;
mod pool;
mod recorder;
mod registered;
mod run;
mod script;
mod sites;
mod stack;
mod state;
mod tensor;
mod trace;
mod watch;
mod world;

pub use all::wait_all;
pub use cell::{Attr, Global, Rng, rng};
pub use checker::{Checker, audit, check};
pub use fork::{Call, Future, Input, fork, wait};
pub use look::{Look, Outcome, Shown};
pub use module::{Forward, Module, Visitor};
pub use script::{Script, Scripted, script};
pub use tensor::{Bool8, DType, Element, Operand, Tensor};
pub use trace::{Graph, trace};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex guards. Whatever panics while it is held leaves it whole, for values are replaced and not built there.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
