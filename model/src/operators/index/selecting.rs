//! Picking and placing by masks and by positions in the whole tensor.

use super::super::shape::layouts;
use super::super::shape::lists::tensor_list;
use super::super::{Call, Fault, Kernel};
use super::elements::{Grid, by_width, charge_places, clone, count, indices, picked, place_each, places, write_to};
use super::folding::{Fold, fold_each};
use crate::slot::Allocator;
use crate::tensor::broadcast::{broadcast, expands_to};
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{Bool8, Content, DType, Layout, Metadata, Number, Scalar, Tensor, dispatch};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::argwhere", nonzero),
    ("aten::masked_scatter", |call| write_to(call, clone_broadcast, masked_scatter)),
    ("aten::masked_scatter_", |call| write_to(call, clone, masked_scatter)),
    ("aten::masked_select", masked_select),
    ("aten::masked_select.out", masked_select),
    ("aten::nonzero", nonzero),
    ("aten::nonzero.out", nonzero),
    ("aten::nonzero_numpy", nonzero_numpy),
    ("aten::put", |call| write_to(call, clone, put)),
    ("aten::put_", |call| write_to(call, clone, put)),
    ("aten::take", take),
    ("aten::take.out", take),
    ("aten::where", nonzero_numpy),
];

/// The positions of the elements that are not zero, in row-major order: one list for each dimension.
pub(super) fn positions(call: &Call<'_>, tensor: &Tensor) -> Result<Vec<Vec<i64>>, Fault> {
    let metadata = tensor.metadata();
    let content = metadata.storage.content();
    let layout = &metadata.layout;
    let _charge = charge_places(call, layout.numel().saturating_mul(layout.rank() as i64))?;
    let mut columns = vec![Vec::new(); layout.rank()];
    // Where each dimension counts on: the product of the sizes behind it.
    let steps = contiguous_strides(layout.sizes());
    dispatch!(all metadata.dtype, "aten::nonzero", T => {
        let elements = content.elements::<T>();
        let mut at = 0i64;
        layout.for_each(|place| {
            if elements[place].is_true() {
                for (dim, column) in columns.iter_mut().enumerate() {
                    column.push(at / steps[dim] % layout.sizes()[dim]);
                }
            }
            at += 1;
        });
    });
    Ok(columns)
}

/// A row of positions for every element that is not zero. PyTorch writes it column by column.
fn nonzero(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    if let Some(out) = call.destination()?.target().map(Tensor::dtype).filter(|&out| out != DType::Int64) {
        let words = "nonzero: Expected out tensor to have scalar type Long but got scalar type";
        return Err(Fault::raised(format!("{words}{}", out.scalar_type_name())));
    }
    let columns = positions(call, tensor)?;
    let rank = columns.len() as i64;
    let found = match columns.first() {
        Some(column) => column.len() as i64,
        None => tensor.item()?.is_true() as i64,
    };
    let all: Vec<i64> = columns.into_iter().flatten().collect();
    let content = Content::from_slice(&all, call.allocator.memory())?;
    let layout = Layout::strided(&[found, rank], &[1, found.max(1)], 0);
    let result = Tensor::owning(call.allocator, content, DType::Int64, layout);
    call.deliver(result)
}

/// The positions of the elements that are not zero as a list of tensors, one for each dimension.
fn nonzero_numpy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let mut columns = positions(call, tensor)?;
    if columns.is_empty() {
        // A single number is taken to have one dimension.
        columns.push(if tensor.item()?.is_true() { vec![0] } else { vec![] });
    }
    let mut tensors = Vec::with_capacity(columns.len());
    for column in columns {
        tensors.push(Tensor::from_vec(call.allocator, &[column.len() as i64], &column)?);
    }
    Ok(tensor_list(call, tensors))
}

/// Where a mask is true, as the places of `layout`; both are of the same sizes.
fn masked_places(mask: &Metadata, layout: &Layout) -> Vec<usize> {
    let content = mask.storage.content();
    let flags = content.elements::<Bool8>();
    let mut chosen = Vec::with_capacity(layout.numel() as usize);
    mask.layout.for_each(|place| chosen.push(bool::from(flags[place])));
    let (mut all, mut next) = (Vec::new(), chosen.into_iter());
    layout.for_each(|place| {
        if next.next().expect("the sizes are the same") {
            all.push(place);
        }
    });
    all
}

fn masked_select(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, mask) = (call.tensor(0)?.metadata(), call.tensor(1)?.metadata());
    if mask.dtype != DType::Bool {
        return Err(Fault::raised("masked_select: expected BoolTensor for mask"));
    }
    if call.destination()?.target().is_some_and(|out| out.dtype() != source.dtype) {
        return Err(Fault::raised("masked_select(): self and result must have the same scalar type"));
    }
    let sizes = broadcast(mask.layout.sizes(), source.layout.sizes())?;
    let _charge = charge_places(call, 2 * count(&sizes)?)?;
    let spread = Metadata { layout: mask.layout.expanded(&sizes), ..(*mask).clone() };
    let chosen = masked_places(&spread, &source.layout.expanded(&sizes));
    let result = taken(call.allocator, &source, &[chosen.len() as i64], &chosen)?;
    call.deliver(result)
}

/// A new contiguous tensor with the elements at these places.
pub(super) fn taken(
    allocator: &mut Allocator,
    source: &Metadata,
    sizes: &[i64],
    places: &[usize],
) -> Result<Tensor, Fault> {
    let from = source.storage.content();
    let mut to = Content::for_elements(sizes, source.dtype, allocator.memory())?;
    by_width!(source.dtype, W => {
        let from = from.elements::<W>();
        to.elements_mut::<W>().iter_mut().zip(places).for_each(|(element, &place)| *element = from[place]);
    });
    Ok(Tensor::owning(allocator, to, source.dtype, Layout::contiguous(sizes)))
}

/// A copy of the first argument, broadcast with the mask.
fn clone_broadcast(call: &mut Call<'_>, source: &Tensor) -> Result<Tensor, Fault> {
    let sizes = broadcast(&call.tensor(1)?.sizes(), &source.sizes())?;
    let metadata = source.metadata();
    picked(call.allocator, &metadata, &Grid::of(&metadata.layout.expanded(&sizes)))
}

fn masked_scatter(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let (metadata, mask, source) = (target.metadata(), call.tensor(1)?.metadata(), call.tensor(2)?.metadata());
    if metadata.dtype != source.dtype {
        return Err(Fault::raised(format!(
            "masked_scatter: expected self and source to have same dtypes but got{} and {}",
            metadata.dtype.scalar_type_name(),
            source.dtype.scalar_type_name()
        )));
    }
    if mask.dtype != DType::Bool {
        return Err(Fault::raised(format!(
            "masked_scatter_ only supports boolean masks, but got mask with dtype {}",
            mask.dtype.scalar_type_name()
        )));
    }
    let sizes = metadata.layout.sizes();
    if !expands_to(mask.layout.sizes(), sizes) {
        layouts::expand(&mask.layout, sizes, mask.dtype)?;
    }
    let _charge = charge_places(call, 2 * metadata.layout.numel() + source.layout.numel())?;
    let spread = Metadata { layout: mask.layout.expanded(sizes), ..(*mask).clone() };
    let to = masked_places(&spread, &metadata.layout);
    let mut from = places(&source.layout);
    if from.len() < to.len() {
        return Err(Fault::raised("Number of elements of source < number of ones in mask"));
    }
    from.truncate(to.len());
    place_each(&metadata.storage, &to, &source, &from);
    Ok(())
}

/// The places of the elements numbered `numbers` in row-major order; negative ones count from the end.
fn numbered(layout: &Layout, numbers: &[i64]) -> Result<Vec<usize>, Fault> {
    let total = layout.numel();
    let all = places(layout);
    let place = |&number: &i64| match number {
        _ if (-total..total).contains(&number) => Ok(all[(if number < 0 { number + total } else { number }) as usize]),
        _ => {
            Err(Fault::raised(format!("out of range: tried to access index {number} on a tensor of {total} elements.")))
        }
    };
    numbers.iter().map(place).collect()
}

fn long_index<'a>(call: &Call<'a>, i: usize, name: &str) -> Result<&'a Tensor, Fault> {
    let index = call.tensor(i)?;
    match index.dtype() {
        DType::Int64 => Ok(index),
        other => Err(Fault::raised(format!(
            "{name}(): Expected a long tensor for index, but got {}",
            other.scalar_type_name()
        ))),
    }
}

fn take(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let index = long_index(call, 1, "take")?;
    if source.layout.numel() == 0 && index.numel() != 0 {
        return Err(Fault::raised("take(): tried to take from an empty tensor"));
    }
    let _charge = charge_places(call, source.layout.numel().saturating_add(index.numel()))?;
    let chosen = numbered(&source.layout, &indices(call, index)?)?;
    let result = taken(call.allocator, &source, &index.sizes(), &chosen)?;
    call.deliver(result)
}

fn put(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let metadata = target.metadata();
    let (index, source) = (long_index(call, 1, "put_")?, call.tensor(2)?);
    if source.dtype() != metadata.dtype {
        return Err(Fault::raised(format!(
            "put_(): self and source expected to have the same dtype, but got self.dtype = {} and source.dtype = {}",
            metadata.dtype.scalar_type_name(),
            source.dtype().scalar_type_name()
        )));
    }
    if source.numel() != index.numel() {
        return Err(Fault::raised(format!(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = {}, \
             index.numel() = {}",
            source.numel(),
            index.numel()
        )));
    }
    if metadata.layout.numel() == 0 && index.numel() != 0 {
        return Err(Fault::raised("put_(): Tried to put elements into an empty tensor"));
    }
    let _charge = charge_places(call, metadata.layout.numel().saturating_add(2 * index.numel()))?;
    let to = numbered(&metadata.layout, &indices(call, index)?)?;
    let from = places(&source.metadata().layout);
    match call.bool(3)? {
        true => fold_each(call.allocator.memory(), target, &to, source, &from, Fold::Add, Scalar::Int(1)),
        false => {
            place_each(&metadata.storage, &to, &source.metadata(), &from);
            Ok(())
        }
    }
}
