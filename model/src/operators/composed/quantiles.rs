//! The elements below which a share of all lies, with the NaNs or without.

use super::of;
use crate::operators::arguments::wrap_dim;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::DType;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::quantile", |call| quantile(call, false)),
    ("aten::quantile.scalar", |call| quantile(call, false)),
    ("aten::nanquantile", |call| quantile(call, true)),
    ("aten::nanquantile.scalar", |call| quantile(call, true)),
];

fn raised<R>(words: impl Into<String>) -> Result<R> {
    Err(Fault::raised(words))
}

/// The shares, and whether there is one without a dimension of its own.
fn shares(call: &Call<'_>, dtype: DType) -> Result<(Vec<f64>, bool)> {
    let (shares, single) = match call.value(1) {
        Value::Tensor(q) if q.sizes().len() > 1 => return raised("quantile() q must be a scalar or 1D tensor"),
        Value::Tensor(q) if q.dtype() != dtype => {
            return raised("quantile() q tensor must be same dtype as the input tensor");
        }
        Value::Tensor(q) => (call.read::<f64>(q)?.to_vec(), q.sizes().is_empty()),
        _ => (vec![call.float(1)?], true),
    };
    match shares.iter().all(|share| (0.0..=1.0).contains(share)) {
        true => Ok((shares, single)),
        false => raised("quantile() q values must be in the range [0, 1]"),
    }
}

fn quantile(call: &mut Call<'_>, skip: bool) -> Result {
    let (x, dim, keep, how) = (call.tensor(0)?.clone(), call.opt_int(2)?, call.bool(3)?, call.str(4)?.clone());
    let (dtype, rank) = (x.dtype(), x.sizes().len());
    if x.numel() == 0 {
        return raised("quantile() input tensor must be non-empty");
    }
    if !matches!(dtype, DType::Float32 | DType::Float64) {
        return raised("quantile() input tensor must be either float or double dtype");
    }
    if !matches!(&*how, "linear" | "lower" | "higher" | "midpoint" | "nearest") {
        return raised(format!(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {how}"
        ));
    }
    let (shares, single) = shares(call, dtype)?;
    // The elements of each quantile lie together.
    let (rows, mut sizes) = match dim {
        None => (x, vec![1; if keep { rank } else { 0 }]),
        Some(dim) => {
            let dim = wrap_dim(dim, rank)?;
            let mut sizes = x.sizes().to_vec();
            match keep {
                _ if rank == 0 => {}
                true => sizes[dim] = 1,
                false => drop(sizes.remove(dim)),
            }
            let last = call.run_tensor("aten::movedim.int", &[of(&x), Value::Int(dim as i64), Value::Int(-1)])?;
            (last, sizes)
        }
    };
    let length = if dim.is_none() { rows.numel() } else { rows.sizes().last().copied().unwrap_or(1) } as usize;
    let elements = call.read::<f64>(&rows)?;
    let sorted: Vec<Vec<f64>> = elements.chunks(length).map(|row| in_order(row, skip)).collect();
    let values: Vec<f64> =
        shares.iter().flat_map(|&q| sorted.iter().map(move |row| (q, row))).map(|(q, row)| at(row, q, &how)).collect();
    if !single {
        sizes.insert(0, shares.len() as i64);
    }
    call.create(dtype, &sizes, &values).map(Value::Tensor)
}

/// The row from its least element on; a NaN is all there is to a row that has one, unless NaNs are skipped.
fn in_order(row: &[f64], skip: bool) -> Vec<f64> {
    let mut kept: Vec<f64> = row.iter().copied().filter(|x| !x.is_nan()).collect();
    if kept.is_empty() || !skip && kept.len() < row.len() {
        return vec![f64::NAN];
    }
    kept.sort_by(f64::total_cmp);
    kept
}

/// What lies behind the share `q` of a sorted row.
fn at(row: &[f64], q: f64, how: &str) -> f64 {
    let place = q * (row.len() - 1) as f64;
    let (below, above) = (row[place.floor() as usize], row[place.ceil() as usize]);
    match how {
        "lower" => below,
        "higher" => above,
        "nearest" => row[place.round_ties_even() as usize],
        "midpoint" if below != above => below + (above - below) / 2.0,
        "linear" if below != above => below + (above - below) * place.fract(),
        _ => below,
    }
}
