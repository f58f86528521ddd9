//! The greatest, the least, the middle and the most frequent element, and where they stand.

use super::number::{Computed, compute};
use super::rows::{Reduced, Rows};
use super::selection::of_rank;
use super::sums::{check_kernel, over};
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

/// Where a choice stands in a row; rows are not empty.
type Choose<T> = fn(&[T]) -> usize;

/// The first of the greatest elements; a NaN is greater than all.
fn greatest<T: Computed>(row: &[T]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i].order(row[best]).is_gt() { i } else { best })
}

/// The first of the least elements; a NaN counts as less than all.
fn least<T: Computed>(row: &[T]) -> usize {
    row.iter()
        .position(|x| x.is_nan())
        .unwrap_or_else(|| (1..row.len()).fold(0, |best, i| if row[i].order(row[best]).is_lt() { i } else { best }))
}

/// The lower of the two in the middle, or the first NaN.
fn middle<T: Computed>(row: &[T]) -> usize {
    row.iter().position(|x| x.is_nan()).unwrap_or_else(|| at_rank(row, (row.len() - 1) / 2))
}

/// The lower of the two in the middle, NaNs not counted.
fn middle_number<T: Computed>(row: &[T]) -> usize {
    let numbers = row.iter().filter(|x| !x.is_nan()).count();
    at_rank(row, numbers.saturating_sub(1) / 2)
}

/// The element that would stand at `rank` were the row sorted.
fn at_rank<T: Computed>(row: &[T], rank: usize) -> usize {
    let mut order: Vec<usize> = (0..row.len()).collect();
    *order.select_nth_unstable_by(rank, |&a, &b| row[a].order(row[b]).then(a.cmp(&b))).1
}

/// The last of the least of the most frequent elements.
fn most_frequent<T: Computed>(row: &[T]) -> usize {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[a].order(row[b]));
    let (mut best, mut most, mut run) = (order[0], 0, 0);
    for (i, &at) in order.iter().enumerate() {
        let same = i > 0 && row[order[i - 1]] == row[at];
        run = if same { run + 1 } else { 1 };
        if run > most {
            (best, most) = (at, run);
        }
    }
    best
}

/// The values that are chosen from each row, and their places.
fn choices(
    call: &mut Call<'_>,
    tensor: &Tensor,
    reduced: &Reduced,
    keepdim: bool,
    choose: (Choose<f32>, Choose<f64>, Choose<i64>),
) -> Result<(Tensor, Tensor), Fault> {
    let (dtype, sizes) = (tensor.dtype(), reduced.result_sizes(&tensor.sizes(), keepdim));
    let mut places = Vec::new();
    let values = match super::number::computed_in(dtype) {
        DType::Float32 => chosen(call, tensor, reduced, &sizes, choose.0, &mut places)?,
        DType::Float64 => chosen(call, tensor, reduced, &sizes, choose.1, &mut places)?,
        DType::Int64 => chosen(call, tensor, reduced, &sizes, choose.2, &mut places)?,
        other => return Err(Fault::no_kernel(call.operator.name, other)),
    };
    Ok((values, call.create(DType::Int64, &sizes, &places)?))
}

fn chosen<T: Computed>(
    call: &mut Call<'_>,
    tensor: &Tensor,
    reduced: &Reduced,
    sizes: &[i64],
    choose: Choose<T>,
    places: &mut Vec<i64>,
) -> Result<Tensor, Fault> {
    let rows = Rows::<T>::of(call, tensor, reduced)?;
    let mut values = Vec::new();
    for row in rows.iter() {
        let place = choose(row);
        places.push(place as i64);
        values.push(row[place]);
    }
    call.create(tensor.dtype(), sizes, &values)
}

/// One function for each of the types that are computed in.
macro_rules! each_type {
    ($function:ident) => {
        ($function as Choose<f32>, $function as Choose<f64>, $function as Choose<i64>)
    };
}

/// Raises if a row would be empty: `name` is the operator's name in the message.
fn check_rows(tensor: &Tensor, reduced: &Reduced, given: Option<i64>, name: &str) -> Result<(), Fault> {
    let sizes = tensor.sizes();
    match (given, reduced.empty_dim(&sizes)) {
        (_, None) => Ok(()),
        (Some(dim), _) => Err(Fault::raised(format!("{name}(): Expected reduction dim {dim} to have non-zero size."))),
        (None, _) => {
            let words = "Expected reduction dim to be specified for input.numel() == 0.";
            let advice =
                if name.starts_with("arg") { "" } else { " Specify the reduction dim with the 'dim' argument." };
            Err(Fault::raised(format!("{name}(): {words}{advice}")))
        }
    }
}

/// `max`, `min`: of all elements.
fn of_all(call: &mut Call<'_>, choose: (Choose<f32>, Choose<f64>, Choose<i64>)) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let reduced = Reduced::all(tensor.sizes().len());
    check_rows(tensor, &reduced, None, call.operator.name.trim_start_matches("aten::"))?;
    let (values, _) = choices(call, tensor, &reduced, false, choose)?;
    call.deliver(values)
}

/// `max.dim` and its like: along a dimension, values and places.
fn along(call: &mut Call<'_>, name: &str, choose: (Choose<f32>, Choose<f64>, Choose<i64>)) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let rank = tensor.sizes().len();
    let at = call.position("dim").expect("an overload with a dimension");
    let dim = call.dim(at, rank)?;
    let reduced = Reduced::one(dim, rank);
    check_rows(tensor, &reduced, Some(dim as i64), name)?;
    if tensor.dtype().is_complex() {
        return Err(Fault::raised(match name {
            "mode" => format!("\"mode_cpu\" not implemented for '{}'", tensor.dtype().scalar_type_name()),
            _ => format!("{name}(): does not support complex input"),
        }));
    }
    let keepdim = call.bool(call.position("keepdim").expect("an overload that may keep the dimension"))?;
    let (values, places) = choices(call, tensor, &reduced, keepdim, choose)?;
    Ok(tuple([values, places]))
}

pub(super) fn max(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_all(call, each_type!(greatest))
}

pub(super) fn min(call: &mut Call<'_>) -> Result<Value, Fault> {
    of_all(call, each_type!(least))
}

pub(super) fn max_dim(call: &mut Call<'_>) -> Result<Value, Fault> {
    along(call, "max", each_type!(greatest))
}

pub(super) fn min_dim(call: &mut Call<'_>) -> Result<Value, Fault> {
    along(call, "min", each_type!(least))
}

pub(super) fn median_dim(call: &mut Call<'_>) -> Result<Value, Fault> {
    known(call.tensor(0)?, "median_out")?;
    along(call, "median", each_type!(middle))
}

pub(super) fn nanmedian_dim(call: &mut Call<'_>) -> Result<Value, Fault> {
    known(call.tensor(0)?, "median_out")?;
    along(call, "median", each_type!(middle_number))
}

pub(super) fn mode(call: &mut Call<'_>) -> Result<Value, Fault> {
    along(call, "mode", each_type!(most_frequent))
}

/// Most of these operators know no bools, and none knows complex numbers.
fn known(tensor: &Tensor, kernel: &str) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    check_kernel(kernel, dtype, dtype != DType::Bool && !dtype.is_complex())
}

/// `median`, `nanmedian` of all elements; of none it is not a number.
fn median_of_all(call: &mut Call<'_>, choose: (Choose<f32>, Choose<f64>, Choose<i64>)) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    known(tensor, "median_cpu")?;
    let values = if tensor.numel() == 0 {
        call.create(tensor.dtype(), &[], &[f64::NAN])?
    } else {
        choices(call, tensor, &Reduced::all(tensor.sizes().len()), false, choose)?.0
    };
    call.deliver(values)
}

pub(super) fn median(call: &mut Call<'_>) -> Result<Value, Fault> {
    median_of_all(call, each_type!(middle))
}

pub(super) fn nanmedian(call: &mut Call<'_>) -> Result<Value, Fault> {
    median_of_all(call, each_type!(middle_number))
}

/// The element of a given rank, counted from one.
pub(super) fn kthvalue(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (tensor, k, keepdim) = (call.tensor(0)?, call.int(1)?, call.bool(3)?);
    let sizes = tensor.sizes();
    let dim = call.dim(2, sizes.len())?;
    let length = sizes.get(dim).copied().unwrap_or(1);
    if length == 0 {
        return Err(Fault::raised(format!("kthvalue(): Expected reduction dim {dim} to have non-zero size.")));
    }
    if !(1..=length).contains(&k) {
        return Err(Fault::raised(format!("kthvalue(): selected number k out of range for dimension {dim}")));
    }
    known(tensor, "kthvalue_cpu")?;
    let reduced = Reduced::one(dim, sizes.len());
    let result_sizes = reduced.result_sizes(&sizes, keepdim);
    let mut places = Vec::new();
    let values = compute!(tensor.dtype(), "aten::kthvalue", T => {
        let rows = Rows::<T>::of(call, tensor, &reduced)?;
        places.extend(rows.iter().map(|row| of_rank(row, k as usize - 1) as i64));
        let values: Vec<T> = rows.iter().zip(&places).map(|(row, &place)| row[place as usize]).collect();
        call.create(tensor.dtype(), &result_sizes, &values)?
    });
    let places = call.create(DType::Int64, &result_sizes, &places)?;
    Ok(tuple([values, places]))
}

fn place(call: &mut Call<'_>, name: &str, choose: (Choose<f32>, Choose<f64>, Choose<i64>)) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let (reduced, keepdim) = over(call)?;
    let given = call.opt_int(1)?.map(|dim| if dim < 0 { dim + (tensor.sizes().len() as i64).max(1) } else { dim });
    check_rows(tensor, &reduced, given, name)?;
    known(tensor, &format!("{name}_cpu"))?;
    let (_, places) = choices(call, tensor, &reduced, keepdim, choose)?;
    call.deliver(places)
}

pub(super) fn argmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    place(call, "argmax", each_type!(greatest))
}

pub(super) fn argmin(call: &mut Call<'_>) -> Result<Value, Fault> {
    place(call, "argmin", each_type!(least))
}

fn amax_or_amin(
    call: &mut Call<'_>,
    name: &str,
    choose: (Choose<f32>, Choose<f64>, Choose<i64>),
) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let (reduced, keepdim) = over(call)?;
    let sizes = tensor.sizes();
    // The message has the dimension as it was given.
    let given = call.ints(1)?.into_iter().find(|&dim| {
        let dim = if dim < 0 { dim + sizes.len() as i64 } else { dim };
        sizes.get(dim as usize) == Some(&0)
    });
    check_rows(tensor, &reduced, given, name)?;
    let (values, _) = choices(call, tensor, &reduced, keepdim, choose)?;
    call.deliver(values)
}

pub(super) fn amax(call: &mut Call<'_>) -> Result<Value, Fault> {
    amax_or_amin(call, "amax", each_type!(greatest))
}

pub(super) fn amin(call: &mut Call<'_>) -> Result<Value, Fault> {
    amax_or_amin(call, "amin", each_type!(least))
}

pub(super) fn aminmax(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = call.tensor(0)?;
    let (reduced, keepdim) = over(call)?;
    if reduced.empty_dim(&tensor.sizes()).is_some() {
        return Err(Fault::raised(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
        ));
    }
    let (least_values, _) = choices(call, tensor, &reduced, keepdim, each_type!(least))?;
    let (greatest_values, _) = choices(call, tensor, &reduced, keepdim, each_type!(greatest))?;
    Ok(tuple([least_values, greatest_values]))
}
