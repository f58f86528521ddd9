//! Elements in Rust's types, and walking them in a tensor's own order.

use bytemuck::{Pod, Zeroable};
use half::{bf16, f16};
use num_complex::Complex;
use smallvec::SmallVec;

use super::{Content, DType, Layout, Tensor};
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
        self.for_each_run(|start, count, step| (0..count).for_each(|i| each(start + i * step)));
    }

    /// Calls `each` with the places of every element, in row-major order, as runs: the first place, how many there are,
    /// and the step from one to the next. Dimensions that go on where the next one ends are one run.
    pub fn for_each_run(&self, mut each: impl FnMut(usize, usize, usize)) {
        if self.numel() == 0 {
            return;
        }
        let mut dims: SmallVec<[(usize, usize); 6]> = SmallVec::new();
        for (&size, &stride) in self.sizes().iter().zip(self.strides()) {
            let (size, stride) = (size as usize, stride as usize);
            match dims.last_mut() {
                _ if size == 1 => {}
                Some(outer) if outer.1 == stride.wrapping_mul(size) => *outer = (outer.0 * size, stride),
                _ => dims.push((size, stride)),
            }
        }
        let (count, step) = dims.pop().unwrap_or((1, 1));
        // The outer dimensions count like an odometer.
        let mut index: SmallVec<[usize; 6]> = SmallVec::from_elem(0, dims.len());
        let mut start = self.offset() as usize;
        'runs: loop {
            each(start, count, step);
            for dim in (0..dims.len()).rev() {
                let (size, stride) = dims[dim];
                index[dim] += 1;
                start += stride;
                if index[dim] < size {
                    continue 'runs;
                }
                start -= size * stride;
                index[dim] = 0;
            }
            return;
        }
    }

    /// The elements that it shows of `all`, in row-major order.
    pub fn gather<T: Copy>(&self, all: &[T]) -> Vec<T> {
        let mut elements = Vec::with_capacity(self.numel() as usize);
        self.for_each_run(|start, count, step| match step {
            0 => elements.extend(std::iter::repeat_n(all[start], count)),
            1 => elements.extend_from_slice(&all[start..start + count]),
            _ => elements.extend(all[start..].iter().step_by(step).take(count)),
        });
        elements
    }

    /// Writes the elements, given in row-major order, where it shows them in `all`.
    ///
    /// # Panics
    /// If there are fewer than it shows.
    pub fn scatter<T: Copy>(&self, all: &mut [T], elements: &[T]) {
        let mut rest = elements;
        self.for_each_run(|start, count, step| {
            let (run, after) = rest.split_at(count);
            rest = after;
            match step {
                1 => all[start..start + count].copy_from_slice(run),
                _ => run.iter().enumerate().for_each(|(i, &element)| all[start + i * step] = element),
            }
        });
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
        Ok(Tensor::owning(allocator, content, T::DTYPE, Layout::contiguous(sizes)))
    }

    /// A new contiguous tensor of zeros.
    ///
    /// # Panics
    /// If the number of elements does not fit an `i64`.
    pub fn zeros(allocator: &mut Allocator, sizes: &[i64], dtype: DType) -> Result<Self, OutOfMemory> {
        let content = Content::for_elements(sizes, dtype, allocator.memory())?;
        Ok(Tensor::owning(allocator, content, dtype, Layout::contiguous(sizes)))
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
        layout.gather(all)
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
        metadata.storage.update(|content| metadata.layout.scatter(content.elements_mut(), elements));
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

    #[test]
    fn runs_are_all_places_in_row_major_order() {
        let sizes = [[2, 3, 4], [2, 1, 4], [1, 3, 1], [2, 0, 4]];
        let strides = [[12, 4, 1], [1, 2, 6], [0, 0, 1], [5, 0, 0], [0, 4, 1], [24, 8, 2], [0, 0, 0], [12, 4, 0]];
        for (sizes, strides) in sizes.iter().flat_map(|sizes| strides.iter().map(move |strides| (sizes, strides))) {
            let layout = Layout::strided(sizes, strides, 3);
            let mut expected = Vec::new();
            for (i, j) in (0..sizes[0]).flat_map(|i| (0..sizes[1]).map(move |j| (i, j))) {
                expected.extend((0..sizes[2]).map(|k| (3 + i * strides[0] + j * strides[1] + k * strides[2]) as usize));
            }
            let mut found = Vec::new();
            layout.for_each(|place| found.push(place));
            assert_eq!(found, expected, "{layout:?}");
            let all: Vec<usize> = (0..60).collect();
            assert_eq!(layout.gather(&all), expected, "{layout:?}");
            let mut written = vec![0; 60];
            layout.scatter(&mut written, &expected);
            let shown: Vec<usize> = (0..60).map(|i| if expected.contains(&i) { i } else { 0 }).collect();
            assert_eq!(written, shown, "{layout:?}");
        }
        // Rows that follow each other are one run, and so are rows that are shown again and again.
        let runs = |sizes: &[i64], strides: &[i64]| {
            let mut runs = Vec::new();
            Layout::strided(sizes, strides, 0).for_each_run(|start, count, step| runs.push((start, count, step)));
            runs
        };
        assert_eq!(runs(&[2, 3, 4], &[20, 4, 1]), [(0, 12, 1), (20, 12, 1)]);
        assert_eq!(runs(&[1, 2, 5, 5], &[2, 1, 0, 0]), [(0, 25, 0), (1, 25, 0)]);
        assert_eq!(runs(&[], &[]), [(0, 1, 1)]);
    }
}
