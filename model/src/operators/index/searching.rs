//! Positions in sorted sequences, distinct elements, classes as rows of zeros and a one.

use std::cmp::Ordering;

use super::super::{Call, Fault, Kernel};
use super::elements::{count, indices, zeros};
use crate::tensor::promote::promote;
use crate::tensor::{DType, Dims, Real, Scalar, Tensor, dispatch};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_unique", |call| unique(call, 2)),
    ("aten::_unique2", |call| unique(call, 3)),
    ("aten::bucketize.Scalar", bucketize),
    ("aten::bucketize.Tensor", bucketize),
    ("aten::bucketize.Tensor_out", bucketize),
    ("aten::one_hot", one_hot),
    ("aten::searchsorted.Scalar", searchsorted),
    ("aten::searchsorted.Scalar_out", searchsorted),
    ("aten::searchsorted.Tensor", searchsorted),
    ("aten::searchsorted.Tensor_out", searchsorted),
    ("aten::unique_consecutive", unique_consecutive),
];

fn one_hot(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (index, classes) = (call.tensor(0)?, call.int(1)?);
    if index.dtype() != DType::Int64 {
        return Err(Fault::raised("one_hot is only applicable to index tensor of type LongTensor."));
    }
    let values = indices(call, index)?;
    let mut sizes = index.sizes();
    if values.is_empty() {
        if classes <= 0 {
            return Err(Fault::raised("Can not infer total number of classes from empty tensor."));
        }
        sizes.push(classes);
        return Ok(Value::Tensor(zeros(call.allocator, &sizes, DType::Int64)?));
    }
    if values.iter().any(|&value| value < 0) {
        return Err(Fault::raised("Class values must be non-negative."));
    }
    let greatest = values.iter().copied().max().unwrap_or(0);
    let classes = match classes {
        -1 => greatest.saturating_add(1),
        classes if greatest >= classes => {
            return Err(Fault::raised("Class values must be smaller than num_classes."));
        }
        classes => classes,
    };
    sizes.push(classes);
    count(&sizes)?;
    let result = Tensor::build::<i64>(call.allocator, &sizes, |elements| {
        for (row, &value) in elements.chunks_mut(classes as usize).zip(values.iter()) {
            row[value as usize] = 1;
        }
    })?;
    Ok(Value::Tensor(result))
}

/// What is searched for: a tensor, or a number as a tensor without dimensions.
fn sought(call: &mut Call<'_>, i: usize, boundaries: DType) -> Result<Tensor, Fault> {
    if let Value::Tensor(tensor) = call.value(i) {
        return Ok(tensor.clone());
    }
    let scalar = call.scalar(i)?;
    let dtype = match scalar {
        Scalar::Int(_) if boundaries.is_floating_point() => boundaries,
        _ => scalar.dtype(),
    };
    dispatch!(all dtype, "aten::searchsorted", T => Ok(Tensor::from_vec(call.allocator, &[], &[scalar.cast::<T>()])?))
}

fn bucketize(call: &mut Call<'_>) -> Result<Value, Fault> {
    let boundaries = call.tensor(1)?;
    let rank = boundaries.sizes().len();
    if rank != 1 {
        return Err(Fault::raised(format!("boundaries tensor must be 1 dimension, but got dim({rank})")));
    }
    let values = sought(call, 0, boundaries.dtype())?;
    let (narrow, right) = (call.bool(2)?, call.bool(3)?);
    search(call, boundaries, &values, None, narrow, right)
}

fn searchsorted(call: &mut Call<'_>) -> Result<Value, Fault> {
    let sequence = call.tensor(0)?;
    let values = sought(call, 1, sequence.dtype())?;
    let (narrow, mut right, sorter) = (call.bool(2)?, call.bool(3)?, call.opt_tensor(5)?);
    if let Some(side) = call.opt_str(4)? {
        match &**side {
            "left" if right => {
                return Err(Fault::raised(
                    "torch.searchsorted(): side and right can't be set to opposites, got side of left while right \
                     was True",
                ));
            }
            "left" => {}
            "right" => right = true,
            other => {
                return Err(Fault::raised(format!(
                    "torch.searchsorted(): side can only be 'left' or 'right' but got {other}"
                )));
            }
        }
    }
    let (known, asked) = (sequence.sizes(), values.sizes());
    if known.is_empty() || (known.len() != 1 && asked.is_empty()) {
        return Err(Fault::raised(format!(
            "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got \
             boundaries tensor dim({}) and input value's dim({}) numel({})",
            known.len(),
            asked.len(),
            values.numel()
        )));
    }
    if known.len() != 1 && (asked.len() != known.len() || asked[..asked.len() - 1] != known[..known.len() - 1]) {
        return Err(Fault::raised(format!(
            "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries \
             tensor and input value tensor must match, but we got boundaries tensor {known:?} and input value tensor \
             {asked:?}"
        )));
    }
    search(call, sequence, &values, sorter, narrow, right)
}

fn search(
    call: &mut Call<'_>,
    sequence: &Tensor,
    values: &Tensor,
    sorter: Option<&Tensor>,
    narrow: bool,
    right: bool,
) -> Result<Value, Fault> {
    if let Some(sorter) = sorter {
        let (dtype, sizes) = (sorter.dtype(), sorter.sizes());
        if sizes != sequence.sizes() {
            return Err(Fault::raised(format!(
                "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor {:?}and got \
                 sorter tensor {sizes:?}",
                sequence.sizes()
            )));
        }
        if dtype != DType::Int64 {
            let found = dtype.scalar_type_name();
            let words = "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype";
            return Err(Fault::raised(format!("{words} {found}")));
        }
    }
    if let Some(out) = call.destination()?.target().map(Tensor::dtype)
        && out != if narrow { DType::Int32 } else { DType::Int64 }
    {
        let flag = if narrow { "True" } else { "False" };
        return Err(Fault::raised(format!(
            "torch.searchsorted(): output tensor's dtype is wrong, it can only be Int(int32) or Long(int64) depending on \
             whether out_int32 flag is True, but we got output tensor's dtype {} and out_int32 flag is {flag}",
            out.scalar_type_name()
        )));
    }
    let common = promote(sequence.dtype(), values.dtype())?;
    let order = sorter.map(|sorter| indices(call, sorter)).transpose()?;
    let (known, asked) = (sequence.sizes(), values.sizes());
    let length = *known.last().expect("a sequence has a dimension") as usize;
    let row = if known.len() == 1 { values.numel() } else { *asked.last().expect("as many dimensions") } as usize;
    let found: Vec<i64> = dispatch!(real common, "aten::searchsorted", T => {
        let memory = call.allocator.memory();
        let (sequence, values) = (sequence.read::<T>(memory)?, values.read::<T>(memory)?);
        if order.as_ref().is_some_and(|order| {
            order.len() != sequence.len() || order.iter().any(|&i| i < 0 || i as usize >= length)
        }) {
            return Err(Fault::raised("torch.searchsorted(): sorter index out of range"));
        }
        values.iter().enumerate().map(|(i, value)| {
            let start = if known.len() == 1 { 0 } else { i / row * length };
            let at = |i: usize| order.as_ref().map_or(i, |order| order[start + i] as usize);
            // The same halving as PyTorch's, so that also unsorted sequences give what they give there.
            let (mut low, mut high) = (0, length);
            while low < high {
                let middle = low + (high - low) / 2;
                let element = sequence[start + at(middle)];
                // Nothing is greater than a NaN, nor is a NaN greater.
                let passes = if right { element > *value } else { element >= *value };
                if passes { high = middle } else { low = middle + 1 }
            }
            low as i64
        }).collect()
    });
    let result = Tensor::from_vec(call.allocator, &asked, &found)?;
    let result = if narrow { result.convert(call.allocator, DType::Int32)? } else { result };
    call.deliver(result)
}

/// Ascending, NaNs last.
fn ascending<T: Real>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

/// The distinct elements, ascending; which of them each element is; how often each occurs.
fn unique(call: &mut Call<'_>, results: usize) -> Result<Value, Fault> {
    let source = call.tensor(0)?;
    let (inverse, counts) = (call.bool(2)?, results == 3 && call.bool(3)?);
    let (distinct, which, often) = dispatch!(real source.dtype(), "aten::_unique2", T => {
        let elements = source.read::<T>(call.allocator.memory())?;
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by(|&a, &b| ascending(&elements[a], &elements[b]));
        runs(call, &elements, &order)?
    });
    give_unique(call, distinct, (inverse, which, &source.sizes()), (counts, often), results)
}

fn unique_consecutive(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?;
    if call.given(3) {
        return Err(Fault::Unsupported("aten::unique_consecutive along a dimension".into()));
    }
    let (inverse, counts) = (call.bool(1)?, call.bool(2)?);
    let (distinct, which, often) = dispatch!(real source.dtype(), "aten::unique_consecutive", T => {
        let elements = source.read::<T>(call.allocator.memory())?;
        let order: Vec<usize> = (0..elements.len()).collect();
        runs(call, &elements, &order)?
    });
    give_unique(call, distinct, (inverse, which, &source.sizes()), (counts, often), 3)
}

/// Runs of equal elements, taken in this order: the first of each, the run of every element, the lengths.
fn runs<T: Real>(call: &mut Call<'_>, elements: &[T], order: &[usize]) -> Result<(Tensor, Vec<i64>, Vec<i64>), Fault> {
    let (mut distinct, mut which, mut often): (Vec<T>, _, Vec<i64>) = (Vec::new(), vec![0; elements.len()], Vec::new());
    for &i in order {
        if distinct.last() != Some(&elements[i]) {
            distinct.push(elements[i]);
            often.push(0);
        }
        which[i] = distinct.len() as i64 - 1;
        *often.last_mut().expect("a run was begun") += 1;
    }
    Ok((Tensor::from_vec(call.allocator, &[distinct.len() as i64], &distinct)?, which, often))
}

fn give_unique(
    call: &mut Call<'_>,
    distinct: Tensor,
    (inverse, which, sizes): (bool, Vec<i64>, &Dims),
    (counts, often): (bool, Vec<i64>),
    results: usize,
) -> Result<Value, Fault> {
    let mut all = vec![Value::Tensor(distinct)];
    all.push(Value::Tensor(if inverse {
        Tensor::from_vec(call.allocator, sizes, &which)?
    } else {
        Tensor::from_vec::<i64>(call.allocator, &[0], &[])?
    }));
    if results == 3 {
        let often = if counts { often } else { Vec::new() };
        all.push(Value::Tensor(Tensor::from_vec(call.allocator, &[often.len() as i64], &often)?));
    }
    Ok(Value::tuple(all))
}
