//! Reading elements as a slice of a wanted type, copied only when they have to be.

use std::ops::{Deref, Range};
use std::sync::Arc;

use num_complex::Complex64;

use super::{Content, DType, Element, Layout, Number, Tensor, dispatch};
use crate::operators::Fault;
use crate::slot::{Allocator, Charge, Memory};

/// The elements of a tensor in row-major order; use it as a slice.
///
/// Keeping one makes the next write to the storage copy, so drop it before writing in place.
#[derive(Debug)]
pub struct Elements<T>(Source<T>);

#[derive(Debug)]
enum Source<T> {
    /// They lie in the storage as they are wanted.
    Shared(Arc<Content>, Range<usize>),
    /// They were gathered or converted.
    Own(Vec<T>, #[expect(dead_code, reason = "held until the elements are dropped")] Charge),
}

impl<T: Element> Deref for Elements<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Source::Shared(content, range) => &content.elements()[range.clone()],
            Source::Own(elements, _) => elements,
        }
    }
}

impl<T: Number> Elements<T> {
    /// The elements converted once more.
    pub fn cast<R: Number>(&self, memory: &Memory) -> Result<Elements<R>, Fault> {
        let charge = memory.charge((self.len() as u64).saturating_mul(size_of::<R>() as u64))?;
        Ok(Elements(Source::Own(self.iter().map(|&element| element.cast()).collect(), charge)))
    }
}

impl Tensor {
    /// The elements in row-major order, converted to `T`.
    pub fn read<T: Number>(&self, memory: &Memory) -> Result<Elements<T>, Fault> {
        let metadata = self.metadata();
        read_layout(metadata.storage.content(), metadata.dtype, &metadata.layout, memory)
    }

    /// The elements in row-major order, converted to `T`, as of the tensor expanded to `sizes`.
    ///
    /// # Panics
    /// If it cannot be expanded so; see [`expands_to`](super::broadcast::expands_to).
    pub fn read_expanded<T: Number>(&self, sizes: &[i64], memory: &Memory) -> Result<Elements<T>, Fault> {
        let metadata = self.metadata();
        let content = metadata.storage.content();
        if metadata.layout.sizes() == sizes {
            return read_layout(content, metadata.dtype, &metadata.layout, memory);
        }
        read_layout(content, metadata.dtype, &metadata.layout.expanded(sizes), memory)
    }

    /// The elements that another layout of the same storage shows, converted to `T`.
    ///
    /// # Panics
    /// If the layout reaches past the end of the storage.
    pub fn read_as<T: Number>(&self, layout: &Layout, memory: &Memory) -> Result<Elements<T>, Fault> {
        let metadata = self.metadata();
        read_layout(metadata.storage.content(), metadata.dtype, layout, memory)
    }

    /// The elements as floats, in row-major order.
    pub fn to_f64s(&self, memory: &Memory) -> Result<Vec<f64>, Fault> {
        Ok(self.read::<f64>(memory)?.to_vec())
    }

    /// The elements as integers, in row-major order.
    pub fn to_i64s(&self, memory: &Memory) -> Result<Vec<i64>, Fault> {
        Ok(self.read::<i64>(memory)?.to_vec())
    }

    /// A new contiguous tensor with the elements converted to `dtype`; a copy also when that is its dtype.
    pub fn convert(&self, allocator: &mut Allocator, dtype: DType) -> Result<Tensor, Fault> {
        let sizes = self.sizes();
        dispatch!(all dtype, "a conversion", T => {
            let elements = self.read::<T>(&allocator.memory().clone())?;
            Ok(Tensor::from_vec(allocator, &sizes, &elements)?)
        })
    }

    /// Writes elements, given in row-major order, converting them to the tensor's dtype.
    ///
    /// # Panics
    /// If there are not as many as the tensor has.
    pub fn store<T: Number>(&self, elements: &[T]) -> Result<(), Fault> {
        let dtype = self.dtype();
        if dtype == T::DTYPE {
            self.write_fast(elements);
            return Ok(());
        }
        dispatch!(all dtype, "a conversion", D => {
            let converted: Vec<D> = elements.iter().map(|&element| element.cast()).collect();
            self.write_fast(&converted);
            Ok(())
        })
    }

    /// [`Tensor::write`], with a plain copy of contiguous elements.
    fn write_fast<T: Element>(&self, elements: &[T]) {
        let metadata = self.metadata();
        if !metadata.layout.is_contiguous() || elements.is_empty() {
            return self.write(elements);
        }
        assert_eq!(metadata.layout.numel() as usize, elements.len(), "as many elements as the tensor has");
        let start = metadata.layout.offset() as usize;
        metadata.storage.update(|content| {
            content.elements_mut()[start..start + elements.len()].copy_from_slice(elements);
        });
    }

    /// Changes the elements of a contiguous tensor in place.
    ///
    /// # Panics
    /// If the tensor is not contiguous, or its dtype is not that of `T`.
    pub fn update_elements<T: Element>(&self, change: impl FnOnce(&mut [T])) {
        let metadata = self.metadata();
        assert!(metadata.layout.is_contiguous(), "elements lie one after the other");
        assert_eq!(metadata.dtype, T::DTYPE, "elements are changed as what they are");
        let (start, count) = (metadata.layout.offset() as usize, metadata.layout.numel() as usize);
        if count > 0 {
            metadata.storage.update(|content| change(&mut content.elements_mut()[start..start + count]));
        }
    }

    /// A new contiguous tensor whose elements, zeros at first, are filled in by `fill`.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn build<T: Element>(
        allocator: &mut Allocator,
        sizes: &[i64],
        fill: impl FnOnce(&mut [T]),
    ) -> Result<Tensor, Fault> {
        Self::try_build(allocator, sizes, |elements| {
            fill(elements);
            Ok(())
        })
    }

    /// [`Tensor::build`] with a filling that may fail.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn try_build<T: Element>(
        allocator: &mut Allocator,
        sizes: &[i64],
        fill: impl FnOnce(&mut [T]) -> Result<(), Fault>,
    ) -> Result<Tensor, Fault> {
        let mut content = Content::for_elements(sizes, T::DTYPE, allocator.memory())?;
        fill(content.elements_mut())?;
        Ok(Tensor::owning(allocator, content, T::DTYPE, Layout::contiguous(sizes)))
    }

    /// [`Tensor::try_build`] with a filling that writes every element, whatever it is at first.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn try_write<T: Element>(
        allocator: &mut Allocator,
        sizes: &[i64],
        write: impl FnOnce(&mut [T]) -> Result<(), Fault>,
    ) -> Result<Tensor, Fault> {
        let mut content = Content::for_writing(sizes, T::DTYPE, allocator.memory())?;
        write(content.elements_mut())?;
        Ok(Tensor::owning(allocator, content, T::DTYPE, Layout::contiguous(sizes)))
    }
}

/// Elements of `content` as a layout shows them.
fn read_layout<T: Number>(
    content: Arc<Content>,
    dtype: DType,
    layout: &Layout,
    memory: &Memory,
) -> Result<Elements<T>, Fault> {
    let count = layout.numel() as usize;
    let start = layout.offset() as usize;
    if dtype == T::DTYPE && layout.is_contiguous() {
        // An empty tensor may lie past the end of its storage.
        let range = if count == 0 { 0..0 } else { start..start + count };
        return Ok(Elements(Source::Shared(content, range)));
    }
    let charge = memory.charge((count as u64).saturating_mul(size_of::<T>().max(8) as u64))?;
    let elements =
        if dtype == T::DTYPE { layout.gather(content.elements()) } else { convert(&content, dtype, layout)? };
    Ok(Elements(Source::Own(elements, charge)))
}

/// The elements that a layout shows, converted: by way of the widest type of their kind, so that there is code for each type but not for
/// each pair of them.
fn convert<T: Number>(content: &Content, dtype: DType, layout: &Layout) -> Result<Vec<T>, Fault> {
    if dtype.is_complex() {
        return Ok(widen::<Complex64>(content, dtype, layout)?.into_iter().map(T::from_complex).collect());
    }
    if dtype.is_floating_point() {
        return Ok(widen::<f64>(content, dtype, layout)?.into_iter().map(T::from_f64).collect());
    }
    if dtype == DType::UInt64 {
        return Ok(layout.gather::<u64>(content.elements()).into_iter().map(T::from_u64).collect());
    }
    Ok(widen::<i64>(content, dtype, layout)?.into_iter().map(T::from_i64).collect())
}

fn widen<W: Number>(content: &Content, dtype: DType, layout: &Layout) -> Result<Vec<W>, Fault> {
    dispatch!(all dtype, "a conversion", S => {
        let all = content.elements::<S>();
        let mut elements = Vec::with_capacity(layout.numel() as usize);
        layout.for_each(|i| elements.push(all[i].cast()));
        Ok(elements)
    })
}
