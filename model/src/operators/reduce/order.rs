//! Sorting, and the first of a sorted order.

use super::number::{Computed, compute};
use super::rows::{Reduced, Rows, from_rows_as};
use super::selection::first_of;
use crate::operators::creation::formats::Format;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Layout, Tensor};
use crate::value::Value;

/// Every row along a dimension sorted, and where its elements stood. Ties keep their order; the results lie in memory as
/// the tensor does.
fn sorted(call: &mut Call<'_>, dim: usize, descending: bool) -> Result<(Tensor, Tensor), Fault> {
    let tensor = call.tensor(0)?;
    let dtype = tensor.dtype();
    if dtype.is_complex() {
        return Err(Fault::raised("Sort currently does not support complex dtypes on CPU."));
    }
    let layout = Format::Preserve.layout(&tensor.metadata().layout)?;
    let results = compute!(dtype, call.operator.name, T => {
        chosen::<T>(call, dim, layout, |row| sorted_places(row, descending))?
    });
    Ok(results)
}

/// Elements that are chosen from every row along a dimension, and where they stood; the results have this layout.
fn chosen<T: Computed>(
    call: &mut Call<'_>,
    dim: usize,
    layout: Layout,
    choose: impl Fn(&[T]) -> Vec<usize>,
) -> Result<(Tensor, Tensor), Fault> {
    let tensor = call.tensor(0)?;
    let rows = Rows::<T>::of(call, tensor, &Reduced::one(dim, layout.rank()))?;
    let (mut places, mut values) = (Vec::new(), Vec::new());
    for row in rows.iter() {
        for place in choose(row) {
            places.push(place as i64);
            values.push(row[place]);
        }
    }
    let values = from_rows_as(call, tensor.dtype(), layout.clone(), dim, &values)?;
    Ok((values, from_rows_as(call, DType::Int64, layout, dim, &places)?))
}

fn sorted_places<T: Computed>(row: &[T], descending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..row.len()).collect();
    if descending {
        places.sort_by(|&a, &b| row[b].order(row[a]));
    } else {
        places.sort_by(|&a, &b| row[a].order(row[b]));
    }
    places
}

/// The arguments `dim` and `descending` of every sort.
fn sort_arguments(call: &Call<'_>) -> Result<(usize, bool), Fault> {
    let (dim, descending) = (call.position("dim"), call.position("descending"));
    let rank = call.tensor(0)?.sizes().len();
    Ok((
        call.dim(dim.expect("a sort along a dimension"), rank)?,
        call.bool(descending.expect("a sort in a direction"))?,
    ))
}

pub(super) fn sort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (dim, descending) = sort_arguments(call)?;
    let (values, places) = sorted(call, dim, descending)?;
    Ok(tuple([values, places]))
}

pub(super) fn argsort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (dim, descending) = sort_arguments(call)?;
    let (_, places) = sorted(call, dim, descending)?;
    call.deliver(places)
}

pub(super) fn msort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (values, _) = sorted(call, 0, false)?;
    call.deliver(values)
}

pub(super) fn topk(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, k, largest) = (call.tensor(0)?, call.int(1)?, call.bool(3)?);
    let sizes = tensor.sizes();
    let dim = call.dim(2, sizes.len())?;
    if !(0..=sizes.get(dim).copied().unwrap_or(1)).contains(&k) {
        return Err(Fault::raised("selected index k out of range"));
    }
    if tensor.dtype() == DType::Bool || tensor.dtype().is_complex() {
        let name = tensor.dtype().scalar_type_name();
        return Err(Fault::raised(format!("\"topk_cpu\" not implemented for '{name}'")));
    }
    let mut sizes = sizes;
    if let Some(size) = sizes.get_mut(dim) {
        *size = k;
    }
    // Of a number alone there is nothing to choose.
    let count = if sizes.is_empty() { 1 } else { k as usize };
    let (sorted, layout) = (call.bool(4)?, Layout::contiguous(&sizes));
    let (values, places) = compute!(tensor.dtype(), "aten::topk", T => {
        chosen::<T>(call, dim, layout, |row| first_of(row, count, largest, sorted))?
    });
    Ok(tuple([values, places]))
}
