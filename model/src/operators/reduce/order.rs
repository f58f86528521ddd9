//! Sorting, and the first of a sorted order.

use super::number::{Computed, compute};
use super::rows::{Reduced, Rows, from_rows};
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

/// The first `length` of every sorted row along a dimension, and where they stood. Ties keep their order.
fn sorted(
    call: &mut Call<'_>,
    tensor: &Tensor,
    dim: usize,
    descending: bool,
    length: Option<i64>,
) -> Result<(Tensor, Tensor), Fault> {
    let (mut sizes, dtype) = (tensor.sizes(), tensor.dtype());
    let reduced = Reduced::one(dim, sizes.len());
    let mut places = Vec::new();
    let values = compute!(dtype, call.operator.name, T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        let length = length.map_or(rows.length(), |length| length as usize);
        if let Some(size) = sizes.get_mut(dim) {
            *size = length as i64;
        }
        let mut values = Vec::new();
        for row in rows.iter() {
            for &place in sorted_places(row, descending).iter().take(length) {
                places.push(place as i64);
                values.push(row[place]);
            }
        }
        from_rows(call, dtype, &sizes, dim, &values)?
    });
    Ok((values, from_rows(call, DType::Int64, &sizes, dim, &places)?))
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
    let (values, places) = sorted(call, call.tensor(0)?, dim, descending, None)?;
    Ok(tuple([values, places]))
}

pub(super) fn argsort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (dim, descending) = sort_arguments(call)?;
    let (_, places) = sorted(call, call.tensor(0)?, dim, descending, None)?;
    call.deliver(places)
}

pub(super) fn msort(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (values, _) = sorted(call, call.tensor(0)?, 0, false, None)?;
    call.deliver(values)
}

pub(super) fn topk(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, k, largest) = (call.tensor(0)?, call.int(1)?, call.bool(3)?);
    let sizes = tensor.sizes();
    let dim = call.dim(2, sizes.len())?;
    if !(0..=sizes.get(dim).copied().unwrap_or(1)).contains(&k) {
        return Err(Fault::raised("selected index k out of range"));
    }
    // Of a number alone there is nothing to choose.
    let k = if sizes.is_empty() { 1 } else { k };
    if tensor.dtype() == DType::Bool {
        return Err(Fault::raised("\"topk_cpu\" not implemented for 'Bool'"));
    }
    let (values, places) = sorted(call, tensor, dim, largest, Some(k))?;
    Ok(tuple([values, places]))
}
