//! The entries of a nested tensor, and their sizes.

use super::super::arguments::wrap_dim;
use super::super::shape::views::over;
use super::super::{Call, Fault};
use super::{nested, of, refuse};
use crate::tensor::DType;
use crate::value::Value;

/// Each entry: views.
pub(super) fn unbind(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, nested, dim) = (call.tensor(0)?, nested(call, 0)?, call.int(1)?);
    if dim != 0 {
        let words = format!("NestedTensor can only be unbound along dimension 0 got dimension {dim} instead.");
        return Err(Fault::raised(words));
    }
    let entries = nested.layouts().map(|layout| over(call, tensor, layout)).collect();
    Ok(call.tensor_list(entries))
}

/// One entry: a view.
pub(super) fn select(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, nested, index) = (call.tensor(0)?, nested(call, 0)?, call.int(2)?);
    let count = nested.entries().len() as i64;
    if count == 0 {
        return Err(Fault::raised("You can only select when the NT is not empty."));
    }
    if wrap_dim(call.int(1)?, nested.rank())? != 0 {
        return Err(refuse(call));
    }
    if !(-count..count).contains(&index) {
        let words = format!("index {index} is out of bounds for dimension 0 with size {count}");
        return Err(Fault::raised(words));
    }
    let layout = nested.layouts().nth(index.rem_euclid(count) as usize).expect("the index is in range");
    Ok(of(&over(call, tensor, layout)))
}

pub(super) fn size(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (nested, dim) = (nested(call, 0)?, call.int(1)?);
    let size = nested.size(wrap_dim(dim, nested.rank())?);
    let words = || format!("Given dimension {dim} is irregular and does not have a size.");
    size.map(Value::Int).ok_or_else(|| Fault::raised(words()))
}

/// The sizes of all entries as a matrix.
pub(super) fn sizes_of_entries(call: &mut Call<'_>) -> Result<Value, Fault> {
    let nested = nested(call, 0)?;
    let numbers: Vec<i64> = nested.entries().iter().flatten().copied().collect();
    let sizes = [nested.entries().len() as i64, nested.rank() as i64 - 1];
    Ok(of(&call.create(DType::Int64, &sizes, &numbers)?))
}
