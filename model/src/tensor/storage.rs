//! The unit of aliasing: bytes that several tensors may look at.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytemuck::Pod;
use smallvec::{SmallVec, smallvec};
use xxhash_rust::xxh3::xxh3_128;

use super::{DType, Layout};
use crate::slot::{Allocator, Charge, Memory, OutOfMemory, Slot, SlotId};

/// The memory behind tensors. Cloning the handle shares it.
#[derive(Clone)]
pub struct Storage(Arc<Body>);

/// The slot of a storage, and what it pays for.
struct Body {
    slot: Slot<Content>,
    /// The charge for a content that a cache keeps too, and that is charged to the cache's meter itself: an execution
    /// pays for what it uses, whether it was computed or found.
    rent: Mutex<Option<Charge>>,
}

impl Storage {
    /// A storage of its own around `content`.
    pub fn new(allocator: &mut Allocator, content: Content) -> Self {
        Self::with(Slot::new(allocator, content), None)
    }

    fn with(slot: Slot<Content>, rent: Option<Charge>) -> Self {
        Self(Arc::new(Body { slot, rent: Mutex::new(rent) }))
    }

    /// A storage of its own that begins with the content of another.
    pub fn sharing(allocator: &mut Allocator, content: Arc<Content>) -> Self {
        Self::with(Slot::sharing(allocator, content), None)
    }

    /// A storage of its own that begins with a content from a cache, and pays for it.
    pub fn renting(allocator: &mut Allocator, content: Arc<Content>) -> Result<Self, OutOfMemory> {
        let rent = allocator.memory().charge(content.len() as u64)?;
        Ok(Self::with(Slot::sharing(allocator, content), Some(rent)))
    }

    /// Replaces the bytes by a content from a cache, and pays for it.
    pub fn rent(&self, content: Arc<Content>, memory: &Memory) {
        let rent = memory.charge_always(content.len() as u64);
        self.0.slot.set(content);
        *self.rented() = Some(rent);
    }

    /// Gives the content to a cache too: it is charged to the cache's meter from now on, while the storage goes on paying
    /// what it paid. `None` if others hold the content already.
    pub fn lend(&self, cache: &Memory) -> Option<Arc<Content>> {
        let mut slot = self.0.slot.lock();
        let content = Arc::get_mut(&mut slot)?;
        let lent = cache.charge_always(content.charge.bytes());
        let charge = std::mem::replace(&mut content.charge, lent);
        self.rented().get_or_insert(charge);
        Some(slot.clone())
    }

    fn rented(&self) -> std::sync::MutexGuard<'_, Option<Charge>> {
        self.0.rent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A storage of zeros, just long enough for a tensor of this layout and dtype.
    ///
    /// # Panics
    /// If the layout reaches further than an `i64` counts.
    pub fn for_layout(allocator: &mut Allocator, layout: &Layout, dtype: DType) -> Result<Self, OutOfMemory> {
        // An empty layout ends where it begins.
        let end = layout.end().expect("the layout ends");
        let content = Content::for_elements(&[end], dtype, allocator.memory())?;
        Ok(Self::new(allocator, content))
    }

    /// Who it is.
    pub fn id(&self) -> SlotId {
        self.0.slot.id()
    }

    /// Whether both handles are of the same memory.
    pub fn is(&self, other: &Storage) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The slot, for those who keep and restore contents.
    pub fn slot(&self) -> &Slot<Content> {
        &self.0.slot
    }

    /// The bytes as they are now.
    pub fn content(&self) -> Arc<Content> {
        self.0.slot.get()
    }

    /// Changes the bytes in place, or in a copy when the old ones are kept by somebody.
    pub fn update<R>(&self, change: impl FnOnce(&mut Content) -> R) -> R {
        self.0.slot.update(|content| {
            content.hash = OnceLock::new();
            change(content)
        })
    }

    /// Makes the memory `len` bytes long, the new ones zero, if it is shorter.
    pub fn grow(&self, len: usize) -> Result<(), OutOfMemory> {
        let old = self.content();
        if len > old.len() {
            let mut rent = self.rented();
            let memory = rent.as_ref().unwrap_or(&old.charge).memory();
            let mut content = Content::zeroed(len, memory)?;
            content.bytes_mut()[..old.len()].copy_from_slice(old.bytes());
            self.0.slot.set(Arc::new(content));
            *rent = None;
        }
        Ok(())
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({:?}, {} bytes)", self.id(), self.0.slot.lock().len())
    }
}

/// Bytes aligned for every dtype, with a hash that is computed when it is first asked for.
pub struct Content {
    /// Invariant: just enough words for `len` bytes; the bytes past `len` are zero.
    words: Words,
    len: usize,
    hash: OnceLock<u128>,
    charge: Charge,
}

impl Content {
    /// `len` zero bytes.
    pub fn zeroed(len: usize, memory: &Memory) -> Result<Self, OutOfMemory> {
        let charge = memory.charge(len as u64)?;
        Ok(Self { words: Words::zeroed(len.div_ceil(8)), len, hash: OnceLock::new(), charge })
    }

    /// Zeros for a tensor of these sizes.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn for_elements(sizes: &[i64], dtype: DType, memory: &Memory) -> Result<Self, OutOfMemory> {
        Self::zeroed(bytes_of(sizes, dtype, memory)?, memory)
    }

    /// Room for a tensor of these sizes, which whoever asks for it writes as a whole: it holds anything at first.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn for_writing(sizes: &[i64], dtype: DType, memory: &Memory) -> Result<Self, OutOfMemory> {
        let len = bytes_of(sizes, dtype, memory)?;
        let charge = memory.charge(len as u64)?;
        Ok(Self { words: Words::any(len.div_ceil(8)), len, hash: OnceLock::new(), charge })
    }

    /// A copy of `bytes`.
    pub fn from_bytes(bytes: &[u8], memory: &Memory) -> Result<Self, OutOfMemory> {
        let charge = memory.charge(bytes.len() as u64)?;
        let mut words = Words::any(bytes.len().div_ceil(8));
        bytemuck::cast_slice_mut(&mut words.0)[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { words, len: bytes.len(), hash: OnceLock::new(), charge })
    }

    /// A copy of `elements`.
    pub fn from_slice<T: Pod>(elements: &[T], memory: &Memory) -> Result<Self, OutOfMemory> {
        Self::from_bytes(bytemuck::cast_slice(elements), memory)
    }

    /// A copy of one element.
    pub fn single<T: Pod>(element: T, memory: &Memory) -> Result<Self, OutOfMemory> {
        const { assert!(size_of::<T>() <= size_of::<[u64; 2]>(), "no dtype has longer elements") };
        let len = size_of::<T>();
        let charge = memory.charge(len as u64)?;
        let mut words = [0; 2];
        bytemuck::bytes_of_mut(&mut words)[..len].copy_from_slice(bytemuck::bytes_of(&element));
        Ok(Self {
            words: Words(SmallVec::from_buf_and_len(words, len.div_ceil(8))),
            len,
            hash: OnceLock::new(),
            charge,
        })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes, in the machine's (little-endian) order.
    pub fn bytes(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.words.0)[..self.len]
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.hash = OnceLock::new();
        &mut bytemuck::cast_slice_mut(&mut self.words.0)[..self.len]
    }

    /// The whole elements of type `T` that fit.
    pub fn elements<T: Pod>(&self) -> &[T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice(&self.bytes()[..whole])
    }

    /// The whole elements of type `T` that fit, to be written.
    pub fn elements_mut<T: Pod>(&mut self) -> &mut [T] {
        let whole = self.len / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.bytes_mut()[..whole])
    }

    /// A hash of the bytes that is the same on every platform (XXH3, 128 bits).
    pub fn hash(&self) -> u128 {
        *self.hash.get_or_init(|| xxh3_128(self.bytes()))
    }
}

/// How many bytes the elements of a tensor take.
fn bytes_of(sizes: &[i64], dtype: DType, memory: &Memory) -> Result<usize, OutOfMemory> {
    let count = Layout::count(sizes).expect("the number of elements fits") as u64;
    let bytes = count.checked_mul(dtype.size() as u64).filter(|&bytes| bytes <= i64::MAX as u64);
    Ok(bytes.ok_or(OutOfMemory { asked: u64::MAX, limit: memory.limit() })? as usize)
}

/// The memory of a content. Pieces of middling size are kept by the thread that drops them, and used again by the next
/// content that needs as much: the operating system would take them back, and each page would cost time anew. A number or two
/// need no memory apart.
struct Words(SmallVec<[u64; 2]>);

/// The sizes, in words, of pieces that are kept, and how many a thread keeps.
const KEPT: std::ops::RangeInclusive<usize> = 1 << 12..=1 << 19;
const PIECES: usize = 8;

thread_local! {
    static DROPPED: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

impl Words {
    fn zeroed(count: usize) -> Self {
        match Self::kept(count) {
            Some(mut words) => {
                words.fill(0);
                Self(words)
            }
            None => Self(smallvec![0; count]),
        }
    }

    /// Words that hold anything, but for the last, which is zero: part of it may lie past the end.
    fn any(count: usize) -> Self {
        let mut words = Self::kept(count).unwrap_or_else(|| smallvec![0; count]);
        if cfg!(debug_assertions) {
            // Whoever reads what was not written should notice: these are NaNs in every dtype that has them.
            words.fill(u64::MAX);
        }
        if let Some(last) = words.last_mut() {
            *last = 0;
        }
        Self(words)
    }

    /// A kept piece of this size, or a little larger.
    fn kept(count: usize) -> Option<SmallVec<[u64; 2]>> {
        if !KEPT.contains(&count) {
            return None;
        }
        DROPPED.with_borrow_mut(|dropped| {
            let fits = |words: &Vec<u64>| (count..=count + count / 8).contains(&words.capacity());
            let mut words = dropped.swap_remove(dropped.iter().rposition(fits)?);
            words.resize(count, 0);
            Some(SmallVec::from_vec(words))
        })
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        if !KEPT.contains(&self.0.len()) {
            return;
        }
        let words = std::mem::take(&mut self.0).into_vec();
        // A thread that ends keeps nothing.
        let _ = DROPPED.try_with(|dropped| {
            let mut dropped = dropped.borrow_mut();
            if dropped.len() == PIECES {
                dropped.remove(0);
            }
            dropped.push(words);
        });
    }
}

impl Clone for Content {
    /// A copy made by a write to bytes that somebody keeps. Kept states are bounded by those who keep them,
    /// so the copy is charged but never refused.
    fn clone(&self) -> Self {
        Self {
            words: Words(self.words.0.clone()),
            len: self.len,
            hash: self.hash.clone(),
            charge: self.charge.memory().charge_always(self.charge.bytes()),
        }
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_bytes() {
        let memory = Memory::unlimited();
        let mut content = Content::from_slice(&[1.0f32, 2.0], &memory).unwrap();
        let before = content.hash();
        content.elements_mut::<f32>()[1] = 3.0;
        assert_ne!(content.hash(), before);
        content.elements_mut::<f32>()[1] = 2.0;
        assert_eq!(content.hash(), before);
    }

    #[test]
    fn memory_that_is_used_again_is_zero_where_that_is_promised() {
        let memory = Memory::unlimited();
        let len = 8 * (1 << 13) + 3;
        Content::zeroed(len, &memory).unwrap().bytes_mut().fill(255);
        assert!(Content::zeroed(len, &memory).unwrap().bytes().iter().all(|&byte| byte == 0));
        Content::zeroed(len, &memory).unwrap().bytes_mut().fill(255);
        let any = Content::for_writing(&[len as i64], DType::UInt8, &memory).unwrap();
        assert_eq!(any.words.0.last(), Some(&0));
        assert_eq!(Content::from_bytes(&[7; 11], &memory).unwrap().bytes(), [7; 11]);
    }

    #[test]
    fn only_whole_elements_are_seen() {
        let content = Content::from_bytes(&[0; 11], &Memory::unlimited()).unwrap();
        assert_eq!((content.elements::<i64>().len(), content.elements::<i32>().len(), content.len()), (1, 2, 11));
    }
}
