//! `x[i, :, mask]` and `x[i, :, mask] = v`: indexing by tensors, NumPy's rules.
//!
//! Masks become the positions where they are true, index tensors are broadcast together, and the dimensions that they
//! index give way to their common shape: in place if they are neighbours, in front otherwise.

use std::sync::Arc;

use super::super::arguments::wrap_dim;
use super::super::{Call, Destination, Fault, Kernel};
use super::elements::{Grid, charge_places, clone, count, gathered, indices, place_each, places, write_to};
use super::folding::{Fold, fill_each, fold_each};
use super::selecting::positions;
use crate::tensor::broadcast::{broadcast, expands_to};
use crate::tensor::overlap::result_layout;
use crate::tensor::{DType, Dims, Layout, Metadata, Scalar, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_index_put_impl_", index_put),
    ("aten::_index_put_impl_.hacked_twin", index_put),
    ("aten::_unsafe_index.Tensor", index),
    ("aten::_unsafe_index.Tensor_hacked_twin", index),
    ("aten::_unsafe_index_put", index_put),
    ("aten::_unsafe_index_put.hacked_twin", index_put),
    ("aten::index.Tensor", index),
    ("aten::index.Tensor_hacked_twin", index),
    ("aten::index.Tensor_out", index),
    ("aten::index_put", index_put),
    ("aten::index_put.hacked_twin", index_put),
    ("aten::index_put_", index_put),
    ("aten::index_put_.hacked_twin", index_put),
];

fn index(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let indexed = Indexed::of(call, &source.layout, &call.opt_tensor_items(1)?)?;
    let (layout, grid) = (indexed.result_layout()?, indexed.grid(call)?);
    let result = gathered(call.allocator, &source, layout, &grid)?;
    call.deliver(result)
}

fn index_put(call: &mut Call<'_>) -> Result<Value, Fault> {
    // PyTorch lets `index_put_` write elements that overlap themselves, with a warning.
    if let Destination::InPlace(target) = call.destination()? {
        put(call, target)?;
        return Ok(Value::Tensor(target.clone()));
    }
    write_to(call, clone, put)
}

fn put(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let metadata = target.metadata();
    let given = call.opt_tensor_items(1)?;
    let (values, accumulate) = (call.tensor(2)?, call.bool(3)?);
    let masks_only = given.iter().flatten().all(|tensor| matches!(tensor.dtype(), DType::Bool | DType::UInt8));
    // PyTorch goes by way of `masked_fill_`, which converts the value.
    let fills = !accumulate && masks_only && values.numel() == 1;
    let indexed = Indexed::of(call, &metadata.layout, &given)?;
    let sizes = indexed.sizes();
    if fills && given.iter().flatten().any(|tensor| tensor.dtype() == DType::UInt8) {
        return Err(Fault::raised("masked_fill_ only supports boolean masks, but got mask with dtype unsigned char"));
    }
    if !fills {
        check_values(&metadata, values, &sizes)?;
    }
    let grid = indexed.grid(call)?;
    let _charge = charge_places(call, 3 * count(&sizes)?)?;
    let mut to = Vec::new();
    grid.for_each(|place| to.push(place));
    if fills {
        return fill_each(&metadata.storage, metadata.dtype, &to, values.item()?);
    }
    let from = places(&values.metadata().layout.expanded(&sizes));
    match accumulate {
        true => fold_each(call.allocator.memory(), target, &to, values, &from, Fold::Add, Scalar::Int(1)),
        false => {
            place_each(&metadata.storage, &to, &values.metadata(), &from);
            Ok(())
        }
    }
}

fn check_values(target: &Metadata, values: &Tensor, sizes: &[i64]) -> Result<(), Fault> {
    if values.dtype() != target.dtype {
        return Err(Fault::raised(format!(
            "Index put requires the source and destination dtypes match, got {} for the destination and {} for the \
             source.",
            target.dtype.scalar_type_name(),
            values.dtype().scalar_type_name()
        )));
    }
    match expands_to(&values.sizes(), sizes) {
        true => Ok(()),
        false => Err(Fault::raised(format!(
            "shape mismatch: value tensor of shape {:?} cannot be broadcast to indexing result of shape {sizes:?}",
            values.sizes()
        ))),
    }
}

/// A tensor with index tensors for some of its dimensions, all shapes checked.
struct Indexed<'a> {
    layout: &'a Layout,
    /// The indices, and which dimensions they are for.
    by: Vec<(usize, Index)>,
    /// The common shape of the indices.
    shape: Dims,
    /// Where it stands in the result.
    at: usize,
}

impl<'a> Indexed<'a> {
    fn of(call: &Call<'_>, layout: &'a Layout, given: &[Option<Tensor>]) -> Result<Self, Fault> {
        let too_many = |count: usize| {
            Fault::raised(format!("too many indices for tensor of dimension {} (got {count})", layout.rank()))
        };
        if given.len() > layout.rank() {
            return Err(too_many(given.len()));
        }
        let expanded = expand_masks(call, layout, given)?;
        if expanded.len() > layout.rank() {
            return Err(too_many(expanded.len()));
        }
        let by: Vec<(usize, Index)> =
            expanded.into_iter().enumerate().filter_map(|(dim, index)| Some((dim, index?))).collect();
        let Some(&(first, _)) = by.first() else {
            return Err(Fault::Unsupported(format!("{} without an index tensor", call.name())));
        };
        let shape = common_shape(&by)?;
        let neighbours = by.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0);
        let at = if neighbours { first } else { 0 };
        if by.iter().any(|(dim, _)| layout.sizes()[*dim] == 0) && !shape.contains(&0) {
            return Err(Fault::raised("index is out of bounds for dimension with size 0"));
        }
        Ok(Self { layout, by, shape, at })
    }

    /// What `of_dim` says of every dimension of the result: of the source, or of the indices.
    fn spread(&self, of_source: &[i64], of_indices: &[i64]) -> Dims {
        let is_indexed = |dim: &usize| self.by.iter().any(|(indexed, _)| indexed == dim);
        let mut all: Dims = (0..self.layout.rank()).filter(|dim| !is_indexed(dim)).map(|dim| of_source[dim]).collect();
        all.insert_many(self.at, of_indices.iter().copied());
        all
    }

    /// Sizes of the result.
    fn sizes(&self) -> Dims {
        self.spread(self.layout.sizes(), &self.shape)
    }

    /// The places picked, in the order of the result; the dimensions of the indices are one here.
    fn grid(&self, call: &Call<'_>) -> Result<Grid, Fault> {
        let nothing = count(&self.sizes())? == 0;
        let offsets = offsets(call, self.layout, &self.by, &self.shape, nothing)?;
        let grid = self.by.iter().rev().fold(Grid::of(self.layout), |grid, (dim, _)| grid.remove(*dim));
        Ok(grid.insert(self.at, offsets))
    }

    /// How the result lies: as PyTorch's iterator over the source and the index tensors makes it.
    fn result_layout(&self) -> Result<Layout, Fault> {
        let sizes = self.sizes();
        count(&sizes)?;
        let still = Dims::from_elem(0, self.shape.len());
        let mut operands = vec![Layout::strided(&sizes, &self.spread(self.layout.strides(), &still), 0)];
        let none = Dims::from_elem(0, self.layout.rank());
        for (_, index) in &self.by {
            let strides = self.spread(&none, index.layout.expanded(&self.shape).strides());
            operands.push(Layout::strided(&sizes, &strides, 0));
        }
        Ok(result_layout(&operands.iter().collect::<Vec<_>>(), &sizes))
    }
}

/// An index for one dimension: positions in row-major order, and how the tensor lies that they came from.
struct Index {
    values: Arc<[i64]>,
    layout: Layout,
}

/// Masks as the positions where they are true: one index for every dimension of the mask.
fn expand_masks(call: &Call<'_>, layout: &Layout, given: &[Option<Tensor>]) -> Result<Vec<Option<Index>>, Fault> {
    let mut expanded: Vec<Option<Index>> = Vec::new();
    for tensor in given {
        let Some(tensor) = tensor else {
            expanded.push(None);
            continue;
        };
        match tensor.dtype() {
            DType::Int64 | DType::Int32 => {
                let layout = tensor.metadata().layout.clone();
                expanded.push(Some(Index { values: indices(call, tensor)?, layout }));
            }
            DType::Bool | DType::UInt8 => {
                let (at, mask) = (expanded.len(), tensor.sizes());
                for (j, &size) in mask.iter().enumerate() {
                    if at + j >= layout.rank() {
                        wrap_dim((at + j) as i64, layout.rank())?;
                    }
                    if layout.sizes()[at + j] != size {
                        return Err(Fault::raised(format!(
                            "The shape of the mask {mask:?} at index {j} does not match the shape of the indexed \
                             tensor {:?} at index {}",
                            layout.sizes(),
                            at + j
                        )));
                    }
                }
                let columns = positions(call, tensor)?;
                let count = columns.first().map_or(0, |column| column.len() as i64);
                let found = Layout::contiguous(&[count]);
                expanded.extend(
                    columns.into_iter().map(|column| Some(Index { values: column.into(), layout: found.clone() })),
                );
            }
            _ => return Err(Fault::raised("tensors used as indices must be long, int, byte or bool tensors")),
        }
    }
    Ok(expanded)
}

fn common_shape(by: &[(usize, Index)]) -> Result<Dims, Fault> {
    let shapes = || by.iter().map(|(_, index)| index.layout.sizes());
    shapes().try_fold(Dims::new(), |shape, other| broadcast(&shape, other)).map_err(|_| {
        let all: Vec<String> = shapes().map(|shape| format!("{shape:?}")).collect();
        Fault::raised(format!(
            "shape mismatch: indexing tensors could not be broadcast together with shapes {}",
            all.join(", ")
        ))
    })
}

/// Where the index tensors lead together, in row-major order of their common shape. With `nothing` to pick, they may
/// point anywhere. A message counts the indexed dimensions only, as PyTorch's does.
fn offsets(
    call: &Call<'_>,
    layout: &Layout,
    by: &[(usize, Index)],
    shape: &[i64],
    nothing: bool,
) -> Result<Vec<i64>, Fault> {
    let total = count(shape)?;
    let _charge = charge_places(call, total)?;
    let mut offsets = vec![0i64; total as usize];
    for (number, (dim, index)) in by.iter().enumerate() {
        let (size, stride) = (layout.sizes()[*dim], layout.strides()[*dim]);
        let spread = Layout::contiguous(index.layout.sizes()).expanded(shape);
        let mut next = offsets.iter_mut();
        let mut wrong = None;
        spread.for_each(|at| {
            let (value, offset) = (index.values[at], next.next().expect("as many as the common shape"));
            if (-size..size).contains(&value) {
                *offset += if value < 0 { value + size } else { value } * stride;
            } else {
                wrong.get_or_insert(value);
            }
        });
        if let Some(value) = wrong.filter(|_| !nothing) {
            return Err(Fault::raised(format!(
                "index {value} is out of bounds for dimension {number} with size {size}"
            )));
        }
    }
    Ok(offsets)
}
