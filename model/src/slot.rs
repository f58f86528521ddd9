//! The unit of mutable state: an identity, and a content that is replaced as a whole.
//!
//! Everything that a program can write lives in a slot: a storage, a tensor's metadata, a list, a dict, the
//! attributes of an object, the generator. The content is an [`Arc`], so that keeping an old state costs a
//! reference count: a search rewinds by putting old contents back, and a write copies only what is still kept.
//! The lock makes racing writers memory-safe whatever a user's forks do; in a simulation it is never contended.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Names a slot by its allocation path: the task that made it, and how many that task had made before.
///
/// The same in every execution, whatever the schedule; never an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(u64);

impl SlotId {
    /// The default generator of random numbers, one for the process.
    pub const GENERATOR: SlotId = SlotId::new(u32::MAX, 0);
    /// What the program prints to.
    pub const STDOUT: SlotId = SlotId::new(u32::MAX, 1);
    /// Flags of the whole process, such as those of `torch.backends`.
    pub const PROCESS_FLAGS: SlotId = SlotId::new(u32::MAX, 2);

    /// The slot that the task numbered `owner` made as its `index`-th.
    pub const fn new(owner: u32, index: u32) -> Self {
        Self((owner as u64) << 32 | index as u64)
    }

    /// Both as one number.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The number of the task that made the slot; `u32::MAX` for what the process owns.
    pub const fn owner(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// How many slots its owner had made before.
    pub const fn index(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Debug for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.owner(), self.index())
    }
}

/// Names new slots for one task, and watches the memory that their contents take.
#[derive(Debug, Clone)]
pub struct Allocator {
    owner: u32,
    next: u32,
    memory: Memory,
}

impl Allocator {
    /// An allocator for the task numbered `owner`, which has made nothing yet.
    pub fn new(owner: u32, memory: Memory) -> Self {
        Self { owner, next: 0, memory }
    }

    /// The identity of the next slot.
    ///
    /// # Panics
    /// When a task makes 2^32 slots; the budget of steps ends an execution long before.
    pub fn fresh(&mut self) -> SlotId {
        let id = SlotId::new(self.owner, self.next);
        self.next = self.next.checked_add(1).expect("a task makes fewer than 2^32 slots");
        id
    }

    /// How many slots were named so far.
    pub fn count(&self) -> u32 {
        self.next
    }

    /// The number of the task that it names slots for.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// An allocator that goes on from the slot number `count`: for what was made before, and is made once more under the
    /// same names.
    pub fn at(&self, count: u32) -> Allocator {
        Self { owner: self.owner, next: count, memory: self.memory.clone() }
    }

    /// The meter that contents are charged to.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

/// A meter of the bytes held by live contents, with a limit.
#[derive(Debug, Clone)]
pub struct Memory {
    live: Arc<AtomicU64>,
    limit: u64,
}

impl Memory {
    /// A meter that refuses to go beyond `limit` bytes.
    pub fn with_limit(limit: u64) -> Self {
        Self { live: Arc::new(AtomicU64::new(0)), limit }
    }

    /// A meter without limit, for programs that are known to be small.
    pub fn unlimited() -> Self {
        Self::with_limit(u64::MAX)
    }

    /// The greatest number of bytes that may live at once.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes `bytes`, or says that they would pass the limit. The charge is given back when it is dropped.
    pub fn charge(&self, bytes: u64) -> Result<Charge, OutOfMemory> {
        let live = self.live.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if live > self.limit {
            self.live.fetch_sub(bytes, Ordering::Relaxed);
            return Err(OutOfMemory { asked: bytes, limit: self.limit });
        }
        Ok(Charge { memory: self.clone(), bytes })
    }

    /// Takes `bytes` even beyond the limit, for copies that cannot be refused.
    pub fn charge_always(&self, bytes: u64) -> Charge {
        self.live.fetch_add(bytes, Ordering::Relaxed);
        Charge { memory: self.clone(), bytes }
    }
}

/// Bytes taken from a [`Memory`], given back on drop.
#[derive(Debug)]
pub struct Charge {
    memory: Memory,
    bytes: u64,
}

impl Charge {
    /// How many bytes are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The meter that was charged.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.memory.live.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A content would have passed the limit of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes that were asked for.
    pub asked: u64,
    /// Bytes that may live at once.
    pub limit: u64,
}

/// An identity and a replaceable content.
pub struct Slot<T> {
    id: SlotId,
    content: Mutex<Arc<T>>,
}

impl<T> Slot<T> {
    /// A slot named by `allocator`.
    pub fn new(allocator: &mut Allocator, content: T) -> Self {
        Self::named(allocator.fresh(), content)
    }

    /// A slot named by `allocator` that begins with a content that others may hold too.
    pub fn sharing(allocator: &mut Allocator, content: Arc<T>) -> Self {
        Self { id: allocator.fresh(), content: Mutex::new(content) }
    }

    /// A slot with a name of its own, for the state that a process has once.
    pub fn named(id: SlotId, content: T) -> Self {
        Self { id, content: Mutex::new(Arc::new(content)) }
    }

    /// The content, for the only owner of the slot.
    pub fn get_mut(&mut self) -> &mut Arc<T> {
        self.content.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// The identity.
    pub fn id(&self) -> SlotId {
        self.id
    }

    /// The content as it is now; keeping it makes the next write copy.
    pub fn get(&self) -> Arc<T> {
        self.lock().clone()
    }

    /// Replaces the content.
    pub fn set(&self, content: Arc<T>) {
        *self.lock() = content;
    }

    /// The content under its lock, for reading without a reference count and for writing with [`Arc::make_mut`].
    pub fn lock(&self) -> MutexGuard<'_, Arc<T>> {
        // A panic while the lock is held is our own mistake and ends the process or the test; the content
        // itself is replaced as a whole and so never half-written.
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Clone> Slot<T> {
    /// Changes the content in place, or in a copy when the old one is kept by somebody.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(Arc::make_mut(&mut *self.lock()))
    }
}

impl<T: fmt::Debug> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}={:?}", self.id, &*self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_copies_only_what_is_kept() {
        let slot = Slot::new(&mut Allocator::new(0, Memory::unlimited()), vec![1]);
        let address = slot.get().as_ptr();
        slot.update(|v| v[0] = 2);
        assert_eq!(slot.get().as_ptr(), address, "nobody kept the old content");
        let kept = slot.get();
        slot.update(|v| v[0] = 3);
        assert_eq!((kept[0], slot.get()[0]), (2, 3));
        slot.set(kept);
        assert_eq!(slot.get()[0], 2);
    }

    #[test]
    fn identities_are_allocation_paths() {
        let mut allocator = Allocator::new(7, Memory::unlimited());
        assert_eq!(allocator.fresh(), SlotId::new(7, 0));
        assert_eq!(allocator.fresh(), SlotId::new(7, 1));
        assert_eq!((SlotId::new(7, 1).owner(), SlotId::new(7, 1).index()), (7, 1));
    }

    #[test]
    fn memory_is_given_back_on_drop() {
        let memory = Memory::with_limit(10);
        let charge = memory.charge(8).unwrap();
        assert_eq!(memory.charge(3).unwrap_err(), OutOfMemory { asked: 3, limit: 10 });
        drop(charge);
        assert_eq!(memory.charge(10).unwrap().bytes(), 10);
    }
}
