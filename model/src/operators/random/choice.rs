//! Random orders and choices: `randperm` and `multinomial`.

use super::distribution::{exponential, uniform};
use super::fill::not_implemented;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Float, Wide, dispatch};
use crate::value::Value;

pub(super) fn randperm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let n = call.int(0)?;
    let dtype = match call.position("dtype") {
        Some(i) => call.dtype_or(i, DType::Int64)?,
        None => DType::Int64,
    };
    let tensor = call.zeros(dtype, &[n])?;
    let most = match dtype {
        DType::UInt8 => u8::MAX as i64,
        DType::Int8 => i8::MAX as i64,
        DType::Int16 => i16::MAX as i64,
        DType::Int32 => i32::MAX as i64,
        DType::Float16 => 65504,
        DType::Bool => return Err(not_implemented("randperm", dtype)),
        _ => i64::MAX,
    };
    if n > most {
        let c_name = match dtype {
            DType::UInt8 => "uint8_t",
            DType::Int8 => "int8_t",
            DType::Int16 => "int16_t",
            DType::Int32 => "int",
            _ => "c10::Half",
        };
        return Err(Fault::raised(format!("value cannot be converted to type {c_name} without overflow")));
    }
    let mut order: Vec<i64> = (0..n).collect();
    call.drawn_from().slot().update(|state| {
        for i in 0..order.len().saturating_sub(1) {
            let chosen = state.next_u32() as usize % (order.len() - i);
            order.swap(i, i + chosen);
        }
    });
    tensor.store(&order)?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn multinomial(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (weights, samples, replacement) = (call.tensor(0)?, call.int(1)?, call.bool(2)?);
    let (sizes, dtype) = (weights.sizes(), weights.dtype());
    let raised = |words: &str| Err(Fault::raised(words));
    if !(1..=2).contains(&sizes.len()) {
        return raised("prob_dist must be 1 or 2 dim");
    }
    if !dtype.is_floating_point() {
        let name = dtype.scalar_type_name();
        return Err(Fault::raised(format!("multinomial only supports floating-point dtypes for input, got: {name}")));
    }
    if samples <= 0 {
        return raised("cannot sample n_sample <= 0 samples");
    }
    let columns = *sizes.last().expect("a dimension");
    if !replacement && samples > columns {
        return raised("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
    }
    let mut result_sizes = sizes.clone();
    *result_sizes.last_mut().expect("a dimension") = samples;
    let result = call.zeros(DType::Int64, &result_sizes)?;
    if weights.numel() == 0 {
        return Ok(Value::Tensor(result));
    }
    let chosen = dispatch!(floats dtype, "aten::multinomial", T => {
        let weights = call.read::<T>(weights)?;
        let choose = if !replacement || samples == 1 { race } else { search };
        choose(call, &weights, samples as usize, columns as usize)?
    });
    result.store(&chosen)?;
    Ok(Value::Tensor(result))
}

/// Each choice runs a race in an exponential time: the first arrivals are the samples without replacement.
fn race<T: Float>(call: &Call<'_>, weights: &[T], samples: usize, columns: usize) -> Result<Vec<i64>, Fault> {
    let zero = T::Wide::of(0.0);
    if !weights.iter().all(|w| w.widen() >= zero && w.widen() < T::Wide::INFINITY) {
        return Err(Fault::raised("probability tensor contains either `inf`, `nan` or element < 0"));
    }
    if weights.chunks(columns).any(|row| row.iter().all(|w| w.widen() == zero)) {
        return Err(Fault::raised("invalid multinomial distribution (sum of probabilities <= 0)"));
    }
    let speeds: Vec<f64> = call.drawn_from().slot().update(|state| {
        let times: Vec<T> = weights.iter().map(|_| T::from_f64(exponential(state, 1.0))).collect();
        weights.iter().zip(times).map(|(w, time)| T::narrow(w.widen() / time.widen()).to_f64()).collect()
    });
    let mut chosen = Vec::with_capacity(speeds.len() / columns * samples);
    for row in speeds.chunks(columns) {
        let mut order: Vec<i64> = (0..columns as i64).collect();
        order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
        chosen.extend_from_slice(&order[..samples]);
    }
    Ok(chosen)
}

/// Samples with replacement: a uniform number is looked up among the summed probabilities.
fn search<T: Float>(call: &Call<'_>, weights: &[T], samples: usize, columns: usize) -> Result<Vec<i64>, Fault> {
    let mut chosen = Vec::with_capacity(weights.len() / columns * samples);
    for row in weights.chunks(columns) {
        let sums = cumulated(row)?;
        call.drawn_from().slot().update(|state| {
            for _ in 0..samples {
                let drawn = uniform(state);
                chosen.push(sums.partition_point(|&sum| sum.to_f64() < drawn).min(columns - 1) as i64);
            }
        });
    }
    Ok(chosen)
}

/// The probability of each choice or one before it, with the roundings of PyTorch.
fn cumulated<T: Float>(row: &[T]) -> Result<Vec<T>, Fault> {
    let zero = T::Wide::of(0.0);
    let mut sum = zero;
    let mut sums = Vec::with_capacity(row.len());
    for weight in row {
        let weight = weight.widen();
        if !weight.is_finite() {
            return Err(Fault::raised(
                "invalid multinomial distribution (encountering probability entry = infinity or NaN)",
            ));
        }
        if weight < zero {
            return Err(Fault::raised("invalid multinomial distribution (encountering probability entry < 0)"));
        }
        sum = sum + weight;
        sums.push(T::narrow(sum));
    }
    if sum <= zero {
        return Err(Fault::raised("invalid multinomial distribution (sum of probabilities <= 0)"));
    }
    for cumulated in &mut sums {
        *cumulated = T::narrow(cumulated.widen() / sum);
    }
    if let Some(last) = sums.last_mut() {
        *last = T::narrow(T::Wide::of(1.0));
    }
    Ok(sums)
}
