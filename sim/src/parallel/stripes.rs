//! Locks that make each step of a program atomic, whatever the program races for.
//!
//! What is written has a lock of its own already, so that memory stays whole. But an operator looks at several
//! things: without more it could read one before and another after somebody's two writes, which no order of steps explains.
//! So a step holds what it touches, those who read together. The locks are a table that slots are hashed into and are taken
//! in the order of the table, so nobody waits in a circle; a step never waits for anything else while it holds some.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use smallvec::SmallVec;

use crate::machine::access::{Touch, Touches};

/// How many locks there are. Two things that share one are rarely in use at once.
const LOCKS: usize = 256;

/// The table of locks.
#[derive(Debug)]
pub(super) struct Stripes(Box<[RwLock<()>]>);

/// Locks that are held.
#[derive(Debug)]
pub(super) struct Held<'s> {
    _guards: SmallVec<[Guard<'s>; 8]>,
}

#[derive(Debug)]
enum Guard<'s> {
    Read { _guard: RwLockReadGuard<'s, ()> },
    Write { _guard: RwLockWriteGuard<'s, ()> },
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self((0..LOCKS).map(|_| RwLock::new(())).collect())
    }

    /// Holds what a step touches, given by `touches`, which is asked again when it is held: a list may have changed until then.
    pub(super) fn hold(&self, touches: impl Fn() -> Touches) -> Held<'_> {
        let mut wanted = places(&touches());
        loop {
            let held = Held { _guards: wanted.iter().map(|&place| self.guard(place)).collect() };
            let now = places(&touches());
            if now == wanted {
                return held;
            }
            wanted = now;
        }
    }

    /// Holds everything, for a look at all that there is.
    pub(super) fn hold_all(&self) -> Held<'_> {
        Held { _guards: (0..LOCKS).map(|at| self.guard((at, true))).collect() }
    }

    fn guard(&self, (at, writes): (usize, bool)) -> Guard<'_> {
        let lock = &self.0[at];
        if writes {
            Guard::Write { _guard: lock.write().unwrap_or_else(PoisonError::into_inner) }
        } else {
            Guard::Read { _guard: lock.read().unwrap_or_else(PoisonError::into_inner) }
        }
    }
}

/// The locks that these need, ascending, and whether for writing.
fn places(touches: &[Touch]) -> SmallVec<[(usize, bool); 8]> {
    // Neighbouring slots are used together: a multiplication by an odd number spreads them (Knuth, volume 3, 6.4).
    let place = |slot: u64| (slot.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % LOCKS;
    let mut places: SmallVec<[(usize, bool); 8]> =
        touches.iter().map(|touch| (place(touch.thing.slot().bits()), touch.access.writes())).collect();
    places.sort_unstable_by_key(|&(at, writes)| (at, !writes));
    places.dedup_by_key(|&mut (at, _)| at);
    places
}

#[cfg(test)]
mod tests {
    use forkcheck_model::operators::Access;
    use forkcheck_model::slot::{Allocator, Memory};
    use forkcheck_model::tensor::Tensor;

    use super::*;

    #[test]
    fn a_lock_is_taken_once_and_for_writing_if_anybody_writes() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = Tensor::from_vec(&mut allocator, &[2], &[1f32, 2.0]).expect("there is room");
        let touch = |access| Touch::data(&x, access).expect("it has elements");
        let both = places(&[touch(Access::Read), touch(Access::Write), touch(Access::Read)]);
        assert_eq!((both.len(), both[0].1), (1, true));
        let stripes = Stripes::new();
        let held = stripes.hold(|| vec![touch(Access::Read)]);
        assert!(stripes.0[both[0].0].try_read().is_ok() && stripes.0[both[0].0].try_write().is_err());
        drop(held);
        let held = stripes.hold(|| vec![touch(Access::ReadWrite)]);
        assert!(stripes.0[both[0].0].try_read().is_err());
        drop(held);
        assert!(stripes.0[both[0].0].try_write().is_ok());
    }
}
