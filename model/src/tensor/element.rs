//! Elements in Rust's types, and walking them in a tensor's own order.

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};
use num_complex::Complex;

use super::{Content, DType, Layout, Storage, Tensor};
use crate::slot::{Allocator, OutOfMemory};

/// A Rust type that a dtype's elements are stored as.
pub trait Element: Pod + PartialEq + Send + Sync + std::fmt::Debug + 'static {
    /// The dtype.
    const DTYPE: DType;
}

/// An element of `torch.bool`: one byte, 0 or 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(transparent)]
pub struct Bool8(u8);

impl From<bool> for Bool8 {
    fn from(value: bool) -> Self {
        Bool8(value as u8)
    }
}

impl From<Bool8> for bool {
    fn from(value: Bool8) -> Self {
        // A file may hold any byte.
        value.0 != 0
    }
}

macro_rules! elements {
    ($($rust:ty => $dtype:ident),* $(,)?) => {
        $(impl Element for $rust {
            const DTYPE: DType = DType::$dtype;
        })*
    };
}

elements! {
    u8 => UInt8, i8 => Int8, i16 => Int16, i32 => Int32, i64 => Int64, u16 => UInt16, u32 => UInt32, u64 => UInt64,
    f16 => Float16, bf16 => BFloat16, f32 => Float32, f64 => Float64, Bool8 => Bool,
    Complex<f32> => Complex64, Complex<f64> => Complex128,
}

impl Layout {
    /// Calls `each` with the place in the storage (in elements) of every element, in row-major order.
    pub fn for_each(&self, mut each: impl FnMut(usize)) {
        let count = self.numel() as usize;
        let start = self.offset() as usize;
        if self.is_contiguous() {
            (start..start + count).for_each(each);
            return;
        }
        if count == 0 {
            return;
        }
        // The last dimension is the inner loop; the others count like an odometer.
        let (last, outer) = (self.rank() - 1, self.rank() - 1);
        let (inner_size, inner_stride) = (self.sizes()[last], self.strides()[last] as usize);
        let mut index = vec![0i64; outer];
        let mut row = start;
        loop {
            for i in 0..inner_size as usize {
                each(row + i * inner_stride);
            }
            let mut dim = outer;
            loop {
                if dim == 0 {
                    return;
                }
                dim -= 1;
                index[dim] += 1;
                row += self.strides()[dim] as usize;
                if index[dim] < self.sizes()[dim] {
                    break;
                }
                row -= (index[dim] * self.strides()[dim]) as usize;
                index[dim] = 0;
            }
        }
    }
}

impl Tensor {
    /// A new contiguous tensor that holds `elements` in row-major order.
    ///
    /// # Panics
    /// If there are not as many elements as `sizes` says.
    pub fn from_vec<T: Element>(allocator: &mut Allocator, sizes: &[i64], elements: &[T]) -> Result<Self, OutOfMemory> {
        assert_eq!(Layout::count(sizes), Some(elements.len() as i64), "as many elements as the sizes say");
        let content = Content::from_slice(elements, allocator.memory())?;
        let storage = Storage::new(allocator, content);
        Ok(Tensor::new(allocator, storage, T::DTYPE, Layout::contiguous(sizes)))
    }

    /// A new contiguous tensor of zeros.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn zeros(allocator: &mut Allocator, sizes: &[i64], dtype: DType) -> Result<Self, OutOfMemory> {
        let content = Content::for_elements(sizes, dtype, allocator.memory())?;
        let storage = Storage::new(allocator, content);
        Ok(Tensor::new(allocator, storage, dtype, Layout::contiguous(sizes)))
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// If the tensor's dtype is not that of `T`.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        let metadata = self.metadata();
        assert_eq!(metadata.dtype, T::DTYPE, "elements are read as what they are");
        let content = metadata.storage.content();
        let all = content.elements::<T>();
        let layout = &metadata.layout;
        if layout.is_contiguous() {
            let start = layout.offset() as usize;
            // An empty tensor may lie past the end of its storage.
            return all.get(start..start + layout.numel() as usize).unwrap_or_default().to_vec();
        }
        let mut elements = Vec::with_capacity(layout.numel() as usize);
        layout.for_each(|i| elements.push(all[i]));
        elements
    }

    /// The bytes of the elements in row-major order, whatever their dtype.
    pub fn row_major_bytes(&self) -> Vec<u8> {
        let metadata = self.metadata();
        let content = metadata.storage.content();
        let size = metadata.dtype.size();
        let mut bytes = Vec::with_capacity(metadata.layout.numel() as usize * size);
        metadata.layout.for_each(|i| bytes.extend_from_slice(&content.bytes()[i * size..][..size]));
        bytes
    }

    /// Writes the elements, given in row-major order.
    ///
    /// # Panics
    /// If the tensor's dtype is not that of `T`, or there are not as many as the tensor has.
    pub fn write<T: Element>(&self, elements: &[T]) {
        let metadata = self.metadata();
        assert_eq!(metadata.dtype, T::DTYPE, "elements are written as what they are");
        assert_eq!(metadata.layout.numel() as usize, elements.len(), "as many elements as the tensor has");
        metadata.storage.update(|content| {
            let all = content.elements_mut::<T>();
            let mut next = elements.iter();
            metadata.layout.for_each(|i| all[i] = *next.next().expect("as many as counted"));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slot::Memory;

    #[test]
    fn strided_elements_come_in_row_major_order() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = Tensor::from_vec(&mut allocator, &[2, 3], &[0i64, 1, 2, 3, 4, 5]).unwrap();
        let t = Tensor::new(&mut allocator, x.storage(), DType::Int64, Layout::strided(&[3, 2], &[1, 3], 0));
        assert_eq!(t.to_vec::<i64>(), [0, 3, 1, 4, 2, 5]);
        t.write(&[10i64, 13, 11, 14, 12, 15]);
        assert_eq!(x.to_vec::<i64>(), [10, 11, 12, 13, 14, 15]);
        let row = Tensor::new(&mut allocator, x.storage(), DType::Int64, Layout::strided(&[2, 2], &[0, 1], 3));
        assert_eq!(row.to_vec::<i64>(), [13, 14, 13, 14]);
        let none = Tensor::new(&mut allocator, x.storage(), DType::Int64, Layout::strided(&[2, 0, 3], &[5, 5, 5], 0));
        assert!(none.to_vec::<i64>().is_empty());
        let scalar = Tensor::new(&mut allocator, x.storage(), DType::Int64, Layout::strided(&[], &[], 5));
        assert_eq!(scalar.to_vec::<i64>(), [15]);
    }
}
