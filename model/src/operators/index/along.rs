//! Picking, placing and summing along one dimension, by a list of indices for all rows alike.

use super::super::{Call, Fault, Kernel};
use super::elements::{Grid, charge_places, clone, count, flat_clone, indices, picked, place_each, places, write_to};
use super::folding::{Fold, fill_each, fold_each};
use crate::tensor::{DType, Dims, Layout, Scalar, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::index_add", |call| write_to(call, flat_clone, index_add)),
    ("aten::index_add.out", |call| write_to(call, clone, index_add)),
    ("aten::index_add_", |call| write_to(call, clone, index_add)),
    ("aten::index_copy", |call| write_to(call, flat_clone, index_copy)),
    ("aten::index_copy.out", |call| write_to(call, clone, index_copy)),
    ("aten::index_copy_", |call| write_to(call, clone, index_copy)),
    ("aten::index_fill.int_Scalar", |call| write_to(call, clone, index_fill)),
    ("aten::index_fill.int_Tensor", |call| write_to(call, clone, index_fill)),
    ("aten::index_fill_.int_Scalar", |call| write_to(call, clone, index_fill)),
    ("aten::index_fill_.int_Tensor", |call| write_to(call, clone, index_fill)),
    ("aten::index_select", index_select),
    ("aten::index_select.out", index_select),
];

/// The first argument seen with at least one dimension, the dimension of argument 1, and its size and stride.
struct Along {
    layout: Layout,
    dim: usize,
    size: i64,
    stride: i64,
}

impl Along {
    fn of(call: &Call<'_>, tensor: &Tensor) -> Result<Self, Fault> {
        let layout = tensor.metadata().layout.clone();
        let dim = call.dim(1, layout.rank())?;
        let layout = if layout.rank() == 0 { Layout::strided(&[1], &[1], layout.offset()) } else { layout };
        let (size, stride) = (layout.sizes()[dim], layout.strides()[dim]);
        Ok(Self { layout, dim, size, stride })
    }

    /// The places at these indices of the dimension, all in range.
    fn at(&self, indices: &[i64]) -> Grid {
        Grid::of(&self.layout).with(self.dim, indices.iter().map(|index| index * self.stride).collect())
    }

    /// The first index that is out of range.
    fn wrong(&self, indices: &[i64]) -> Option<i64> {
        indices.iter().copied().find(|index| !(0..self.size).contains(index))
    }

    fn check(&self, indices: &[i64]) -> Result<(), Fault> {
        match self.wrong(indices) {
            None => Ok(()),
            Some(index) => Err(Fault::raised(format!(
                "index {index} is out of bounds for dimension {} with size {}",
                self.dim, self.size
            ))),
        }
    }
}

fn is_long_or_int(dtype: DType) -> bool {
    matches!(dtype, DType::Int64 | DType::Int32)
}

fn index_select(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, index) = (call.tensor(0)?, call.tensor(2)?);
    let along = Along::of(call, source)?;
    let (rank, chosen) = (source.sizes().len(), index.numel());
    if index.sizes().len() > 1 {
        return Err(Fault::raised("index_select(): Index is supposed to be a vector"));
    }
    if rank == 0 && chosen != 1 {
        return Err(Fault::raised(format!(
            "index_select(): Index to scalar can have only 1 value, got {chosen} value(s)"
        )));
    }
    if !is_long_or_int(index.dtype()) {
        return Err(Fault::raised("index_select(): Expected dtype int32 or int64 for index"));
    }
    let wanted = indices(call, index)?;
    if let Some(wrong) = along.wrong(&wanted) {
        // Rows are copied by another kernel than the rest, with other words.
        return Err(Fault::raised(match along.dim {
            0 => "index out of range in self".to_owned(),
            _ => format!("INDICES element is out of DATA bounds, id={wrong} axis_dim={}", along.size),
        }));
    }
    let result = picked(call.allocator, &source.metadata(), &along.at(&wanted))?;
    if rank == 0 {
        result.resize(&[])?;
    }
    call.deliver(result)
}

fn index_add(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let along = Along::of(call, target)?;
    let (index, source, alpha) = (call.tensor(2)?, call.tensor(3)?, call.scalar(4)?);
    if !is_long_or_int(index.dtype()) {
        return Err(Fault::raised(format!(
            "index_add_(): Expected dtype int32/int64 for index but got: {}",
            index.dtype().scalar_type_name()
        )));
    }
    if index.sizes().len() > 1 {
        return Err(Fault::raised(format!(
            "index_add_(): Index is supposed to be a vector, but got dim: {} with type: {} and size: {:?}",
            index.sizes().len(),
            index.dtype().scalar_type_name(),
            index.sizes()
        )));
    }
    if target.dtype() != source.dtype() {
        return Err(Fault::raised(format!(
            "index_add_(): self ({}) and source ({}) must have the same scalar type",
            target.dtype().scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    let (own, theirs) = (target.sizes(), source.sizes());
    let without = |sizes: &Dims| {
        let mut sizes = sizes.clone();
        if along.dim < sizes.len() {
            sizes.remove(along.dim);
        }
        sizes
    };
    let source_size = theirs.get(along.dim).copied().unwrap_or(1);
    if !own.is_empty() && index.numel() != source_size {
        return Err(Fault::raised(format!(
            "index_add_(): Number of indices ({}) should be equal to source.size(dim): ({source_size}), for dim: {}",
            index.numel(),
            along.dim
        )));
    }
    if own.len() != theirs.len() || without(&own) != without(&theirs) {
        return Err(Fault::raised(format!(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = \
             {own:?} source.shape = {theirs:?}"
        )));
    }
    let wanted = indices(call, index)?;
    along.check(&wanted)?;
    let (to, from) = pairs(call, &along, &wanted, source)?;
    fold_each(call.allocator.memory(), target, &to, source, &from, Fold::Add, alpha)
}

/// Places to write and to read, in order.
fn pairs(call: &Call<'_>, along: &Along, wanted: &[i64], source: &Tensor) -> Result<(Vec<usize>, Vec<usize>), Fault> {
    let _charge = charge_places(call, source.numel().saturating_mul(2))?;
    let mut to = Vec::with_capacity(source.numel() as usize);
    along.at(wanted).for_each(|place| to.push(place));
    Ok((to, places(&source.metadata().layout)))
}

fn index_copy(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let along = Along::of(call, target)?;
    let (index, source) = (call.tensor(2)?, call.tensor(3)?);
    let (own, theirs) = (target.sizes(), source.sizes());
    if index.dtype() != DType::Int64 {
        return Err(Fault::raised(format!(
            "index_copy_(): Expected a long tensor for index, but got {}",
            index.dtype().scalar_type_name()
        )));
    }
    if target.dtype() != source.dtype() {
        return Err(Fault::raised(format!(
            "index_copy_(): self and source expected to have the same dtype, but got (self) {} and (source) {}",
            target.dtype().scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    if index.sizes().len() > 1 {
        return Err(Fault::raised(format!(
            "index_copy_(): Index should have dimension 1 or 0 (got {})",
            index.sizes().len()
        )));
    }
    if own.len() != theirs.len() && !own.is_empty() && !theirs.is_empty() {
        return Err(Fault::raised(format!(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source \
             dimensionality ({}), destination dimensionality ({})",
            theirs.len(),
            own.len()
        )));
    }
    let slice = |sizes: &Dims| {
        let mut slice = sizes.clone();
        if along.dim < slice.len() {
            slice.remove(along.dim);
        }
        slice
    };
    let (own_slice, their_slice) = (slice(&own), slice(&theirs));
    if own_slice != their_slice && !theirs.is_empty() {
        let list = |sizes: &Dims| sizes.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
        return Err(Fault::raised(format!(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: {} at \
             dimension {} and source slice shape: {} at dimension 0.",
            list(&own_slice),
            along.dim,
            list(&their_slice)
        )));
    }
    let source_size = theirs.get(along.dim).copied().unwrap_or(1);
    if index.numel() != source_size {
        return Err(Fault::raised(format!(
            "index_copy_(): Number of indices ({}) should be equal to source.size(dim) ({source_size})",
            index.numel()
        )));
    }
    let wanted = indices(call, index)?;
    if let Some(wrong) = along.wrong(&wanted) {
        return Err(Fault::raised(format!(
            "index_copy_(): index {wrong} is out of bounds for dimension {} with size {}",
            along.dim, along.size
        )));
    }
    let (to, from) = pairs(call, &along, &wanted, source)?;
    place_each(&target.storage(), &to, &source.metadata(), &from);
    Ok(())
}

fn index_fill(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let value = match call.value(3) {
        Value::Tensor(value) if !value.sizes().is_empty() => {
            return Err(Fault::raised(format!(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with {} dimension(s).",
                value.sizes().len()
            )));
        }
        Value::Tensor(value) => value.item()?,
        _ => call.scalar(3)?,
    };
    let index = call.tensor(2)?;
    if index.dtype() != DType::Int64 {
        return Err(Fault::raised("index_fill_(): Expected dtype int64 for index."));
    }
    if matches!(value, Scalar::Complex(_)) && !target.dtype().is_complex() {
        return Err(Fault::raised("index_fill_(): Converting complex Scalar to non-complex type is not supported"));
    }
    let along = Along::of(call, target)?;
    if index.sizes().len() > 1 {
        return Err(Fault::raised("Index has to be a vector/scalar"));
    }
    let mut wanted = indices(call, index)?.to_vec();
    for index in &mut wanted {
        if !(-along.size..along.size).contains(index) {
            along.check(&[*index])?;
            unreachable!("a negative index below the range is out of it");
        }
        *index += if *index < 0 { along.size } else { 0 };
    }
    let grid = along.at(&wanted);
    let _charge = charge_places(call, count(&grid.sizes())?)?;
    let mut to = Vec::new();
    grid.for_each(|place| to.push(place));
    fill_each(&target.storage(), target.dtype(), &to, value)
}
