//! What is made where nobody checks, and what may not be used there.

use std::cell::{Cell, RefCell};
use std::panic::Location as Caller;

use forkcheck_model::operators::{GeneratorState, Modes};
use forkcheck_model::slot::{Allocator, Memory, SlotId};
use forkcheck_model::value::Generator;

use super::stack;
use super::state::{Step, Taken};

/// The number of no execution.
pub(super) const SERIAL: u64 = 0;

/// What is made outside has these numbers among main's, far from those of what is made inside.
const FIRST: u32 = 1 << 31;

thread_local! {
    static NEXT: Cell<u32> = const { Cell::new(FIRST) };
    static GENERATOR: RefCell<Option<Generator>> = const { RefCell::new(None) };
}

/// An allocator for what an operator makes.
pub(super) fn allocator() -> Allocator {
    Allocator::new(0, Memory::unlimited()).at(NEXT.get())
}

/// Takes note of what an allocator has made.
pub(super) fn made(allocator: &Allocator) {
    NEXT.set(allocator.count().max(FIRST));
}

/// The identity of something new.
pub(super) fn fresh() -> SlotId {
    let mut allocator = allocator();
    let slot = allocator.fresh();
    made(&allocator);
    slot
}

/// The generator of this thread.
pub(super) fn generator() -> Generator {
    GENERATOR.with_borrow_mut(|generator| generator.get_or_insert_with(|| Generator::default_seeded(0)).clone())
}

/// 64 random bits.
pub(super) fn draw() -> u64 {
    generator().slot().update(GeneratorState::next_u64)
}

/// The modes of code that nobody checks.
pub(super) fn modes() -> Modes {
    Modes::default()
}

/// Something is used that was made elsewhere.
///
/// # Panics
/// Always, unless the stack is being taken down, when nothing matters any more.
#[cold]
#[inline(never)]
#[track_caller]
pub(super) fn refuse(step: &Step<'_>, own: u64) -> Taken {
    if stack::is_falling() {
        return Taken::default();
    }
    let Step { serial, made, operator, at, .. } = *step;
    let place = |at: &Caller<'_>| format!(" at {}:{}", at.file(), at.line());
    let (at, made) = (at.map_or(String::new(), place), made.map_or(String::new(), place));
    match (serial, own) {
        (_, SERIAL) => panic!(
            "{operator}{at}: what it uses was made{made}, inside of a checked body, and is used outside of it: after its end, or \
             on a thread that forkcheck does not run. Return what you need, and use `fork` for threads"
        ),
        (SERIAL, _) => panic!(
            "{operator}{at}: what it uses was made{made}, outside of the checked body, so executions would disturb each other. \
             Make it inside, or pass it in with `audit(&module, inputs)`"
        ),
        _ => panic!("{operator}{at}: what it uses was made{made}, in another execution of a checked body"),
    }
}
