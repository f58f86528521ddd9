//! New tensors that kernels give.

use super::{Call, Fault};
use crate::slot::{Charge, Memory};
use crate::tensor::{DType, Elements, Layout, Number, Tensor};
use crate::value::Value;

impl Call<'_> {
    /// The elements of a tensor in row-major order, converted to `T`.
    pub fn read<T: Number>(&self, tensor: &Tensor) -> Result<Elements<T>, Fault> {
        tensor.read(self.allocator.memory())
    }

    /// The meter of memory, for those who charge it themselves.
    pub fn memory(&self) -> Memory {
        self.allocator.memory().clone()
    }

    /// Takes the memory of what a kernel is about to collect besides its result: a `T` for each place of these sizes. It is given back when the
    /// charge is dropped.
    pub fn room<T>(&self, sizes: &[usize]) -> Result<Charge, Fault> {
        let bytes = sizes.iter().fold(size_of::<T>() as u64, |bytes, &size| bytes.saturating_mul(size as u64));
        Ok(self.allocator.memory().charge(bytes)?)
    }

    /// A new contiguous tensor of `dtype` with these elements in row-major order, converted.
    pub fn create<T: Number>(&mut self, dtype: DType, sizes: &[i64], elements: &[T]) -> Result<Tensor, Fault> {
        let tensor = self.zeros(dtype, sizes)?;
        tensor.store(elements)?;
        Ok(tensor)
    }

    /// A new contiguous tensor of `dtype`, whose elements, zeros at first, are filled in by `fill` and converted.
    pub fn fill<T: Number>(
        &mut self,
        dtype: DType,
        sizes: &[i64],
        fill: impl FnOnce(&mut [T]) -> Result<(), Fault>,
    ) -> Result<Tensor, Fault> {
        self.write::<T>(dtype, sizes, |elements| {
            elements.fill(T::default());
            fill(elements)
        })
    }

    /// The same by a `write` that writes every element, whatever it is at first.
    pub fn write<T: Number>(
        &mut self,
        dtype: DType,
        sizes: &[i64],
        write: impl FnOnce(&mut [T]) -> Result<(), Fault>,
    ) -> Result<Tensor, Fault> {
        if dtype == T::DTYPE && sizes.iter().all(|&size| size >= 0) && Layout::count(sizes).is_some() {
            return Tensor::try_write(self.allocator, sizes, write);
        }
        let tensor = self.zeros(dtype, sizes)?;
        let count = tensor.numel() as usize;
        let _room = self.room::<T>(&[count])?;
        let mut elements = vec![T::default(); count];
        write(&mut elements)?;
        tensor.store(&elements)?;
        Ok(tensor)
    }

    /// A new contiguous tensor of zeros, or PyTorch's error if the sizes make no tensor.
    pub fn zeros(&mut self, dtype: DType, sizes: &[i64]) -> Result<Tensor, Fault> {
        if let Some(size) = sizes.iter().find(|&&size| size < 0) {
            return Err(Fault::raised(format!(
                "Trying to create tensor with negative dimension {size}: {}",
                sizes_text(sizes)
            )));
        }
        if Layout::count(sizes).is_none() {
            let words = format!("Storage size calculation overflowed with sizes={}", sizes_text(sizes));
            return Err(Fault::raised(words));
        }
        Ok(Tensor::zeros(self.allocator, sizes, dtype)?)
    }

    /// A new dense tensor of `dtype` and zeros, its dimensions in memory as those of `tensor` (`empty_like`).
    pub fn zeros_like(&mut self, tensor: &Tensor, dtype: DType) -> Result<Tensor, Fault> {
        let metadata = tensor.metadata();
        let layout = dense_like(&metadata.layout);
        let plain = self.zeros(dtype, layout.sizes())?;
        Ok(Tensor::new(self.allocator, plain.storage(), dtype, layout))
    }
}

/// Several results.
pub(super) fn tuple<const N: usize>(results: [Tensor; N]) -> Value {
    Value::Tuple(results.into_iter().map(Value::Tensor).collect())
}

/// Sizes as PyTorch prints them.
pub(super) fn sizes_text(sizes: &[i64]) -> String {
    format!("{sizes:?}")
}

/// A layout without gaps whose dimensions lie in the order of the strides of `layout`.
pub(super) fn dense_like(layout: &Layout) -> Layout {
    let mut strides = vec![0; layout.rank()];
    let mut step = 1;
    for &dim in memory_order(layout).iter().rev() {
        strides[dim] = step;
        step *= layout.sizes()[dim].max(1);
    }
    Layout::strided(layout.sizes(), &strides, 0)
}

/// The dimensions from the outermost in memory to the innermost, as PyTorch's `TensorIterator` walks them.
pub(super) fn memory_order(layout: &Layout) -> Vec<usize> {
    // An insertion sort, because the relation is not transitive when strides are zero: the result is whatever
    // PyTorch's sort makes of it. The innermost comes first here.
    let mut order: Vec<usize> = (0..layout.rank()).rev().collect();
    let (sizes, strides) = (layout.sizes(), layout.strides());
    for i in 1..order.len() {
        let mut current = i;
        for other in (0..i).rev() {
            let (a, b) = (order[other], order[current]);
            let further_out = match strides[a].cmp(&strides[b]) {
                _ if strides[a] == 0 || strides[b] == 0 => continue,
                std::cmp::Ordering::Less => break,
                std::cmp::Ordering::Greater => true,
                std::cmp::Ordering::Equal => sizes[a] > sizes[b],
            };
            if further_out {
                order.swap(other, current);
                current = other;
            }
        }
    }
    order.reverse();
    order
}
