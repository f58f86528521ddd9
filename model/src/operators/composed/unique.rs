//! The different slices of a tensor along a dimension.

use std::cmp::Ordering;

use super::of;
use crate::operators::arguments::wrap_dim;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::DType;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] =
    &[("aten::unique_dim", |call| unique(call, true)), ("aten::unique_dim_consecutive", |call| unique(call, false))];

/// Slices that differ, in order or as they come; for each slice which of them it is, and how many are the same.
fn unique(call: &mut Call<'_>, sorted: bool) -> Result {
    let x = call.tensor(0)?;
    let sizes = x.sizes();
    let kind = x.dtype();
    if kind.is_complex() {
        return Err(Fault::raised(format!("\"unique_dim\" not implemented for '{}'", kind.scalar_type_name())));
    }
    if sizes.is_empty() {
        let dim = call.int(1)?;
        return Err(Fault::raised(format!("Dimension specified as {dim} but tensor has no dimensions")));
    }
    let dim = wrap_dim(call.int(1)?, sizes.len())?;
    let count = sizes.get(dim).copied().unwrap_or(1);
    if x.numel() == 0 {
        let zeros = sizes.iter().filter(|&&size| size == 0).count();
        if count != 0 || zeros != 1 {
            return Err(Fault::raised(if count == 0 {
                "Number of zero sized dimensions is more than one, so unique cannot be applied "
            } else {
                "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
            }));
        }
    }
    let first = call.run_tensor("aten::movedim.int", &[of(x), Value::Int(dim as i64), Value::Int(0)])?;
    // Integers are compared as such, so that great ones stay apart.
    let (floats, integers) = (call.read::<f64>(&first)?, call.read::<i64>(&first)?);
    let width = if count == 0 { 0 } else { floats.len() / count as usize };
    let integral = x.dtype().is_integral();
    let compare = |a: usize, b: usize| {
        let each = |k: usize| {
            let (i, j) = (a * width + k, b * width + k);
            let last = || floats[i].is_nan().cmp(&floats[j].is_nan());
            if integral {
                integers[i].cmp(&integers[j])
            } else {
                floats[i].partial_cmp(&floats[j]).unwrap_or_else(last)
            }
        };
        (0..width).map(each).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    };
    let same = |a: usize, b: usize| {
        (0..width).all(|k| floats[a * width + k] == floats[b * width + k]) && compare(a, b).is_eq()
    };
    let mut order: Vec<usize> = (0..count as usize).collect();
    if sorted {
        order.sort_by(|&a, &b| compare(a, b));
    }
    let (mut chosen, mut counts, mut inverse): (Vec<i64>, Vec<i64>, Vec<i64>) = Default::default();
    inverse.resize(count as usize, 0);
    for (position, &slice) in order.iter().enumerate() {
        if position == 0 || !same(order[position - 1], slice) {
            chosen.push(slice as i64);
            counts.push(0);
        }
        inverse[slice] = counts.len() as i64 - 1;
        *counts.last_mut().expect("one was begun") += 1;
    }
    drop((floats, integers));
    let index = call.create(DType::Int64, &[chosen.len() as i64], &chosen)?;
    let output = call.run("aten::index_select", &[of(&first), Value::Int(0), of(&index)])?;
    let output = call.run("aten::movedim.int", &[output, Value::Int(0), Value::Int(dim as i64)])?;
    let inverse = call.create(DType::Int64, &[count], &inverse)?;
    let counts = call.create(DType::Int64, &[counts.len() as i64], &counts)?;
    Ok(Value::tuple([output, of(&inverse), of(&counts)]))
}
