//! Where the code that runs now belongs to: nowhere in particular, or to an execution under the checker, or to a trace.
//!
//! `fork`, `wait` and every access of a tensor or an attribute ask. Each thread has a world of its own; an execution
//! brings its world to whatever runs its tasks, and takes it away again.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use super::recorder::Recorder;
use super::state::State;

/// What the code of this thread belongs to.
#[derive(Default)]
pub(super) enum World {
    /// Nobody looks: plain Rust, or the real pool.
    #[default]
    Plain,
    /// An execution under the checker.
    Checked(Box<State>),
    /// A function whose operators are recorded.
    Traced(Box<Recorder>),
}

/// The kinds of worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Checked,
    Traced,
}

thread_local! {
    /// Never dropped, so that nobody who asks need look whether the thread has ended: whoever puts a world in place takes it away.
    static WORLD: RefCell<ManuallyDrop<World>> = const { RefCell::new(ManuallyDrop::new(World::Plain)) };
}

/// Does something with the world. Nothing of the user's may run inside, neither code nor destructors.
///
/// Everything that a task does comes here, so this is to stand in the function that calls: `LocalKey::with` would not.
#[inline(always)]
pub(super) fn with<R>(work: impl FnOnce(&mut World) -> R) -> R {
    match WORLD.try_with(|world| work(&mut world.borrow_mut())) {
        Ok(result) => result,
        Err(_) => unreachable!("it is never dropped"),
    }
}

/// Takes the world away; what is left is nowhere.
pub(super) fn take() -> World {
    with(std::mem::take)
}

/// Puts a world in place.
///
/// # Panics
/// If there is one: a harness inside of a harness was refused before.
pub(super) fn put(new: World) {
    with(|world| {
        let old = std::mem::replace(world, new);
        assert!(matches!(old, World::Plain), "one world at a time");
    });
}

/// Does something with the execution that this code belongs to; `None` if it belongs to none. Nothing of the user's may
/// run inside, neither code nor destructors.
#[inline(always)]
pub(super) fn checked<R>(work: impl FnOnce(&mut State) -> R) -> Option<R> {
    with(|world| match world {
        World::Checked(state) => Some(work(state)),
        _ => None,
    })
}

/// Does something with the trace that this code belongs to, as [`checked`] does with an execution.
pub(super) fn traced<R>(work: impl FnOnce(&mut Recorder) -> R) -> Option<R> {
    with(|world| match world {
        World::Traced(recorder) => Some(work(recorder)),
        _ => None,
    })
}

/// What kind of world this code belongs to.
#[inline]
pub(super) fn kind() -> Kind {
    with(|world| match world {
        World::Plain => Kind::Plain,
        World::Checked(_) => Kind::Checked,
        World::Traced(_) => Kind::Traced,
    })
}

/// Whether a harness of ours runs this code.
pub(super) fn is_harness() -> bool {
    kind() != Kind::Plain
}
