//! A tensor as rows to be worked on one by one, whatever the dimensions that are reduced.

use crate::operators::arguments::wrap_dim;
use crate::operators::{Call, Fault};
use crate::slot::Charge;
use crate::tensor::{DType, Dims, Elements, Layout, Number, Tensor};

/// Which dimensions are reduced, ascending.
#[derive(Debug, Clone)]
pub(super) struct Reduced(Vec<usize>);

impl Reduced {
    /// Every dimension.
    pub(super) fn all(rank: usize) -> Self {
        Self((0..rank).collect())
    }

    /// One dimension; of a tensor without dimensions, none.
    pub(super) fn one(dim: usize, rank: usize) -> Self {
        Self(if rank == 0 { Vec::new() } else { vec![dim] })
    }

    /// The dimensions of a list, which is not empty.
    pub(super) fn these(dims: &[i64], rank: usize) -> Result<Self, Fault> {
        let mut reduced = Vec::with_capacity(dims.len());
        for &dim in dims {
            let dim = wrap_dim(dim, rank)?;
            if reduced.contains(&dim) {
                return Err(Fault::raised(format!("dim {dim} appears multiple times in the list of dims")));
            }
            reduced.push(dim);
        }
        reduced.sort_unstable();
        reduced.retain(|&dim| dim < rank);
        Ok(Self(reduced))
    }

    /// The dimensions of a list argument; all for an empty list or `None`.
    pub(super) fn argument(call: &Call<'_>, i: usize, rank: usize) -> Result<Self, Fault> {
        match call.opt_ints(i)? {
            Some(dims) if !dims.is_empty() => Self::these(&dims, rank),
            _ => Ok(Self::all(rank)),
        }
    }

    /// The dimension of an int argument; all for `None`.
    pub(super) fn argument_one(call: &Call<'_>, i: usize, rank: usize) -> Result<Self, Fault> {
        match call.opt_int(i)? {
            Some(dim) => Ok(Self::one(wrap_dim(dim, rank)?, rank)),
            None => Ok(Self::all(rank)),
        }
    }

    /// The sizes of the result.
    pub(super) fn result_sizes(&self, sizes: &[i64], keepdim: bool) -> Dims {
        let kept = |dim: usize| !self.0.contains(&dim);
        (0..sizes.len()).filter(|&dim| keepdim || kept(dim)).map(|dim| if kept(dim) { sizes[dim] } else { 1 }).collect()
    }

    /// The first reduced dimension without elements.
    pub(super) fn empty_dim(&self, sizes: &[i64]) -> Option<usize> {
        self.0.iter().copied().find(|&dim| sizes[dim] == 0)
    }

    /// The layout with the reduced dimensions last.
    fn arrange(&self, layout: &Layout) -> Layout {
        let kept = (0..layout.rank()).filter(|dim| !self.0.contains(dim));
        let order: Vec<usize> = kept.chain(self.0.iter().copied()).collect();
        let pick = |from: &[i64]| order.iter().map(|&dim| from[dim]).collect::<Dims>();
        Layout::strided(&pick(layout.sizes()), &pick(layout.strides()), layout.offset())
    }
}

/// Rows of equal length, one for each element of the result of a reduction.
pub(super) struct Rows<T> {
    elements: Elements<T>,
    count: usize,
    length: usize,
    /// Room for a number of each row.
    _room: Charge,
}

impl<T: Number> Rows<T> {
    /// The rows of a tensor, its elements converted to `T`.
    pub(super) fn of(call: &Call<'_>, tensor: &Tensor, reduced: &Reduced) -> Result<Self, Fault> {
        let metadata = tensor.metadata();
        let sizes = metadata.layout.sizes();
        let length = reduced.0.iter().map(|&dim| sizes[dim]).product::<i64>() as usize;
        let count = (0..sizes.len()).filter(|dim| !reduced.0.contains(dim)).map(|dim| sizes[dim]).product::<i64>();
        let elements = tensor.read_as(&reduced.arrange(&metadata.layout), &call.memory())?;
        let count = count as usize;
        Ok(Self { elements, count, length, _room: call.room::<[f64; 2]>(&[count])? })
    }

    /// The rows in the order of the result's elements.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.count).map(|i| &self.elements[i * self.length..(i + 1) * self.length])
    }
}

/// A tensor of `sizes`, its elements given row by row, the rows lying along `dim`.
pub(super) fn from_rows<T: Number>(
    call: &mut Call<'_>,
    dtype: DType,
    sizes: &[i64],
    dim: usize,
    elements: &[T],
) -> Result<Tensor, Fault> {
    let tensor = call.zeros(dtype, sizes)?;
    store_rows(call, &tensor, dim, elements)?;
    Ok(tensor)
}

/// The same with a layout of its own, which is dense.
pub(super) fn from_rows_as<T: Number>(
    call: &mut Call<'_>,
    dtype: DType,
    layout: Layout,
    dim: usize,
    elements: &[T],
) -> Result<Tensor, Fault> {
    let plain = call.zeros(dtype, layout.sizes())?;
    let tensor = Tensor::new(call.allocator, plain.storage(), dtype, layout);
    store_rows(call, &tensor, dim, elements)?;
    Ok(tensor)
}

fn store_rows<T: Number>(call: &mut Call<'_>, tensor: &Tensor, dim: usize, elements: &[T]) -> Result<(), Fault> {
    let layout = tensor.metadata().layout.clone();
    let arranged = Reduced::one(dim, layout.rank()).arrange(&layout);
    Tensor::new(call.allocator, tensor.storage(), tensor.dtype(), arranged).store(elements)
}
