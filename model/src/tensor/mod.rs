//! Tensors: a storage, and a layout that says which of its elements are shown.

pub mod broadcast;
pub(crate) mod dispatch;
pub mod display;
pub mod dtype;
pub mod element;
pub mod elementary;
pub mod layout;
pub mod nested;
pub mod number;
pub mod overlap;
pub mod promote;
pub mod quantizer;
pub mod read;
pub mod scalar;
pub mod storage;

use std::fmt;
use std::sync::Arc;

pub(crate) use dispatch::dispatch;
pub use dtype::DType;
pub use element::{Bool8, Element};
pub use elementary::Math;
pub use layout::{Dims, Layout};
pub use nested::Nested;
pub use number::{Float, Number, Real, Wide};
pub use quantizer::{Affine, Quantizer};
pub use read::Elements;
pub use scalar::Scalar;
pub use storage::{Content, Storage};

use crate::slot::{Allocator, Slot, SlotId};

/// A tensor. Cloning the handle gives the same tensor, as assignment does in Python.
///
/// Its metadata is a slot of its own, because operators such as `t_` and `resize_` change it in place.
#[derive(Clone)]
pub struct Tensor(Arc<Slot<Metadata>>);

/// What a tensor is apart from its elements.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// The memory it looks at.
    pub storage: Storage,
    /// The type of its elements.
    pub dtype: DType,
    /// Which elements, in which order.
    pub layout: Layout,
    /// Whether gradients would be recorded.
    pub requires_grad: bool,
    /// What the elements stand for, if the dtype is quantized.
    pub quantizer: Option<Arc<Quantizer>>,
    /// The sizes of its entries, if it is nested; the layout is then that of all their elements.
    pub nested: Option<Arc<Nested>>,
}

impl Metadata {
    fn plain(storage: Storage, dtype: DType, layout: Layout) -> Self {
        Self { storage, dtype, layout, requires_grad: false, quantizer: None, nested: None }
    }
}

impl Tensor {
    /// A new tensor over `storage`: a view, if others look at the storage too.
    ///
    /// # Panics
    /// If the layout reaches past the end of the storage.
    pub fn new(allocator: &mut Allocator, storage: Storage, dtype: DType, layout: Layout) -> Self {
        Self::with(allocator, Metadata::plain(storage, dtype, layout))
    }

    /// A new tensor over a storage of its own.
    ///
    /// # Panics
    /// If the layout reaches past the end of the content.
    pub fn owning(allocator: &mut Allocator, content: Content, dtype: DType, layout: Layout) -> Self {
        assert!(fits(&layout, dtype, content.len()), "the layout fits the content");
        let storage = Storage::new(allocator, content);
        Self(Arc::new(Slot::new(allocator, Metadata::plain(storage, dtype, layout))))
    }

    /// A new tensor with these metadata.
    ///
    /// # Panics
    /// If the layout reaches past the end of the storage.
    pub fn with(allocator: &mut Allocator, metadata: Metadata) -> Self {
        let len = metadata.storage.slot().lock().len();
        assert!(fits(&metadata.layout, metadata.dtype, len), "the layout fits the storage");
        Self(Arc::new(Slot::new(allocator, metadata)))
    }

    /// The tensor, which nobody has seen yet, with elements that stand for what `quantizer` says.
    pub fn quantized(self, quantizer: Option<Arc<Quantizer>>) -> Self {
        if quantizer.is_some() {
            self.0.update(|metadata| metadata.quantizer = quantizer);
        }
        self
    }

    /// Who it is: the identity of its metadata, not of its storage.
    pub fn id(&self) -> SlotId {
        self.0.id()
    }

    /// Whether both handles are of the same tensor.
    pub fn is(&self, other: &Tensor) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The slot of the metadata, for those who keep and restore contents.
    pub fn slot(&self) -> &Slot<Metadata> {
        &self.0
    }

    /// The metadata as they are now.
    pub fn metadata(&self) -> Arc<Metadata> {
        self.0.get()
    }

    /// The memory that it looks at.
    pub fn storage(&self) -> Storage {
        self.0.lock().storage.clone()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.0.lock().dtype
    }

    /// Size of each dimension.
    pub fn sizes(&self) -> Dims {
        self.0.lock().layout.sizes().into()
    }

    /// Number of elements.
    pub fn numel(&self) -> i64 {
        self.0.lock().layout.numel()
    }
}

/// Whether so many bytes hold all elements that a layout shows.
fn fits(layout: &Layout, dtype: DType, len: usize) -> bool {
    let end = layout.end().and_then(|end| end.checked_mul(dtype.size() as i64));
    end.is_some_and(|end| end <= len as i64) || layout.numel() == 0
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = self.metadata();
        write!(f, "Tensor({:?}, {}, {:?}, {:?})", self.id(), metadata.dtype, metadata.layout, metadata.storage)
    }
}

impl Tensor {
    /// Whether it shows more elements than it stores, and more than anybody could hold one by one: an expanded tensor of
    /// a few elements can show 2^40 of them.
    pub fn is_vast(&self) -> bool {
        let metadata = self.metadata();
        let bytes = metadata.layout.numel().saturating_mul(metadata.dtype.size() as i64);
        bytes > 1 << 30 && bytes > metadata.storage.slot().lock().len() as i64
    }

    /// Copies the bytes that this tensor shows to the same places of `storage`. With `base`, only those elements that are
    /// not as in `base`, an earlier content of that storage.
    ///
    /// # Panics
    /// If the storage is too short for the layout.
    pub fn copy_bytes_to(&self, storage: &Storage, base: Option<&Content>) {
        let metadata = self.metadata();
        let size = metadata.dtype.size();
        let new = metadata.storage.content();
        storage.update(|content| {
            let (old, new) = (content.bytes_mut(), new.bytes());
            metadata.layout.for_each(|i| {
                let element = i * size..(i + 1) * size;
                if base.is_none_or(|base| base.bytes()[element.clone()] != new[element.clone()]) {
                    old[element.clone()].copy_from_slice(&new[element]);
                }
            });
        });
    }
}
