//! Picking, placing and reducing along one dimension, by an index of its own for every element.

use super::super::shape::views::over;
use super::super::shape::{layouts, reshaping};
use super::super::{Call, Fault, Kernel};
use super::elements::{charge_places, flat_clone, indices, place_each, places, write_to};
use super::folding::{Fold, fill_each, fold_each, fold_number};
use super::selecting::taken;
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Dims, Layout, Scalar, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::gather", gather),
    ("aten::gather.out", gather),
    ("aten::scatter.reduce", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.reduce_out", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.src", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.src_out", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.value", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.value_out", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.value_reduce", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter.value_reduce_out", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter_.reduce", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter_.src", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter_.value", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter_.value_reduce", |call| write_to(call, flat_clone, scatter)),
    ("aten::scatter_add", |call| write_to(call, flat_clone, scatter_add)),
    ("aten::scatter_add.out", |call| write_to(call, flat_clone, scatter_add)),
    ("aten::scatter_add_", |call| write_to(call, flat_clone, scatter_add)),
    ("aten::scatter_reduce.two", reduce),
    ("aten::scatter_reduce.two_out", reduce),
    ("aten::scatter_reduce_.two", reduce),
    ("aten::index_reduce", index_reduce),
    ("aten::index_reduce.out", index_reduce),
    ("aten::index_reduce_", index_reduce),
    ("aten::take_along_dim", take_along_dim),
    ("aten::take_along_dim.out", take_along_dim),
];

/// Sizes with at least one dimension.
fn seen(layout: &Layout) -> Layout {
    if layout.rank() == 0 { Layout::strided(&[1], &[1], layout.offset()) } else { layout.clone() }
}

/// The places that an index leads to: every dimension but `dim` goes along with the index.
fn led_to(call: &Call<'_>, layout: &Layout, dim: usize, index: &Tensor) -> Result<Vec<usize>, Fault> {
    let _charge = charge_places(call, index.numel().saturating_mul(2))?;
    let layout = seen(layout);
    let (size, stride) = (layout.sizes()[dim], layout.strides()[dim]);
    let wanted = indices(call, index)?;
    if let Some(wrong) = wanted.iter().find(|index| !(0..size).contains(*index)) {
        return Err(Fault::raised(format!("index {wrong} is out of bounds for dimension {dim} with size {size}")));
    }
    let mut strides = Dims::from_slice(layout.strides());
    strides[dim] = 0;
    let sizes = seen(&index.metadata().layout);
    let rows = places(&Layout::strided(sizes.sizes(), &strides, layout.offset()));
    Ok(rows.into_iter().zip(wanted.iter()).map(|(place, index)| place + (index * stride) as usize).collect())
}

fn gather(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, index) = (call.tensor(0)?, call.tensor(2)?);
    let dim = call.dim(1, source.sizes().len())?;
    let result = gathered_along(call, source, dim, index)?;
    call.deliver(result)
}

fn gathered_along(call: &mut Call<'_>, source: &Tensor, dim: usize, index: &Tensor) -> Result<Tensor, Fault> {
    let metadata = source.metadata();
    if index.dtype() != DType::Int64 && index.numel() > 0 {
        return Err(Fault::raised("gather(): Expected dtype int64 for index"));
    }
    if index.numel() == 0 {
        return taken(call.allocator, &metadata, &index.sizes(), &[]);
    }
    let (own, wanted) = (seen(&metadata.layout), seen(&index.metadata().layout));
    if own.rank() != wanted.rank() {
        return Err(Fault::raised("Index tensor must have the same number of dimensions as input tensor"));
    }
    for d in (0..own.rank()).filter(|&d| d != dim) {
        if wanted.sizes()[d] > own.sizes()[d] {
            return Err(Fault::raised(format!(
                "Size does not match at dimension {d} expected index {:?} to be no larger than self {:?} apart from \
                 dimension {dim}",
                index.sizes(),
                source.sizes()
            )));
        }
    }
    let from = led_to(call, &metadata.layout, dim, index)?;
    taken(call.allocator, &metadata, &index.sizes(), &from)
}

fn take_along_dim(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, index) = (call.tensor(0)?.clone(), call.tensor(1)?.clone());
    if index.dtype() != DType::Int64 {
        return Err(Fault::raised(format!(
            "torch.take_along_dim(): dtype of indices should be Long but got {}",
            index.dtype().scalar_type_name()
        )));
    }
    let spread = |call: &mut Call<'_>, tensor: &Tensor, sizes: &[i64]| {
        let layout = layouts::expand(&tensor.metadata().layout, sizes, tensor.dtype())?;
        Ok::<_, Fault>(over(call, tensor, layout))
    };
    let result = match call.opt_int(2)? {
        None => {
            let flat = |call: &mut Call<'_>, tensor: &Tensor| {
                let layout = reshaping::strict_view(&tensor.metadata().layout, &[tensor.numel()])?;
                Ok::<_, Fault>(over(call, tensor, layout))
            };
            let (source, index) = (flat(call, &source)?, flat(call, &index)?);
            gathered_along(call, &source, 0, &index)?
        }
        Some(dim) => {
            let (own, wanted) = (source.sizes(), index.sizes());
            if own.len() != wanted.len() {
                return Err(Fault::raised(format!(
                    "torch.take_along_dim(): input and indices should have the same number of dimensions, but got {} \
                     dimensions for input, and {} dimensions for indices",
                    own.len(),
                    wanted.len()
                )));
            }
            let dim = layouts::wrap_existing_dim(dim, own.len())?;
            let mut common = Dims::from_slice(&own);
            common[dim] = wanted[dim];
            let index_sizes = broadcast(&common, &wanted)?;
            let mut common = Dims::from_slice(&wanted);
            common[dim] = own[dim];
            let source_sizes = broadcast(&common, &own)?;
            let (source, index) = (spread(call, &source, &source_sizes)?, spread(call, &index, &index_sizes)?);
            gathered_along(call, &source, dim, &index)?
        }
    };
    call.deliver(result)
}

/// Where to write and what to read; nothing when the index is empty.
fn pairs(call: &Call<'_>, target: &Tensor, source: Option<&Tensor>) -> Result<(Vec<usize>, Vec<usize>), Fault> {
    let (layout, index) = (target.metadata().layout.clone(), call.tensor(2)?);
    let dim = call.dim(1, layout.rank())?;
    if index.dtype() != DType::Int64 && index.numel() > 0 {
        return Err(Fault::raised("scatter(): Expected dtype int64 for index"));
    }
    if source.is_some_and(|source| source.dtype() != target.dtype()) {
        return Err(Fault::raised("scatter(): Expected self.dtype to be equal to src.dtype"));
    }
    if index.numel() == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    check_sizes(&layout, dim, index, source)?;
    let to = led_to(call, &layout, dim, index)?;
    let from = match source {
        None => Vec::new(),
        Some(source) => {
            let (wanted, theirs) = (seen(&index.metadata().layout), seen(&source.metadata().layout));
            places(&Layout::strided(wanted.sizes(), theirs.strides(), theirs.offset()))
        }
    };
    Ok((to, from))
}

fn check_sizes(layout: &Layout, dim: usize, index: &Tensor, source: Option<&Tensor>) -> Result<(), Fault> {
    let (own, wanted) = (seen(layout), seen(&index.metadata().layout));
    if own.rank() != wanted.rank() {
        return Err(Fault::raised("Index tensor must have the same number of dimensions as self tensor"));
    }
    let theirs = source.map(|source| seen(&source.metadata().layout));
    if theirs.as_ref().is_some_and(|theirs| theirs.rank() != wanted.rank()) {
        return Err(Fault::raised("Index tensor must have the same number of dimensions as src tensor"));
    }
    let too_large = |d: usize| {
        let size = wanted.sizes()[d];
        d != dim && size > own.sizes()[d] || theirs.as_ref().is_some_and(|theirs| size > theirs.sizes()[d])
    };
    if !(0..own.rank()).any(too_large) {
        return Ok(());
    }
    let (index, own) = (index.sizes(), layout.sizes());
    let mut words = format!("Expected index {index:?} to be no larger than self {own:?} apart from dimension {dim}");
    if let Some(source) = source {
        words += &format!(" and to be no larger size than src {:?}", source.sizes());
    }
    Err(Fault::raised(words))
}

/// `scatter` with a tensor or a number, and with `reduce`.
fn scatter(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let source = match call.value(3) {
        Value::Tensor(source) => Some(source),
        _ => None,
    };
    let (to, from) = pairs(call, target, source)?;
    let how = match call.position("reduce").map(|i| call.str(i)).transpose()? {
        None => None,
        Some(name) => match &**name {
            "add" => Some(Fold::Add),
            "multiply" => Some(Fold::Multiply),
            _ => return Err(Fault::raised("reduce argument must be either add or multiply.")),
        },
    };
    let memory = call.allocator.memory();
    match (source, how) {
        (Some(source), Some(how)) => fold_each(memory, target, &to, source, &from, how, Scalar::Int(1)),
        (Some(source), None) => {
            place_each(&target.storage(), &to, &source.metadata(), &from);
            Ok(())
        }
        (None, Some(how)) => fold_number(target, &to, call.scalar(3)?, how),
        (None, None) => fill_each(&target.storage(), target.dtype(), &to, call.scalar(3)?),
    }
}

fn scatter_add(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let source = call.tensor(3)?;
    let (to, from) = pairs(call, target, Some(source))?;
    fold_each(call.allocator.memory(), target, &to, source, &from, Fold::Add, Scalar::Int(1))
}

/// `scatter_reduce` in all of its forms.
fn reduce(call: &mut Call<'_>) -> Result<Value, Fault> {
    match &**call.str(4)? {
        "mean" => scatter_mean(call),
        _ => write_to(call, flat_clone, scatter_reduce),
    }
}

/// The sums, divided by how many elements each is made of.
fn scatter_mean(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [own, dim, index, source, _, include_self, ..] = call.args else { unreachable!("the schema has them") };
    let args = [own.clone(), dim.clone(), index.clone(), source.clone(), Value::str("sum"), include_self.clone()];
    let sums = call.run_tensor("aten::scatter_reduce.two", &args)?;
    let start = if call.bool(5)? { "aten::ones_like" } else { "aten::zeros_like" };
    let start = call.run(start, std::slice::from_ref(own))?;
    let ones = call.run("aten::ones_like", std::slice::from_ref(source))?;
    let counts = call.run("aten::scatter_add", &[start, dim.clone(), index.clone(), ones])?;
    let counts = call.run("aten::clamp_min", &[counts, Value::Int(1)])?;
    let (whole, sums) = (!sums.dtype().is_floating_point(), Value::Tensor(sums));
    let means = match whole {
        true => call.run_tensor("aten::div.Tensor_mode", &[sums, counts, Value::str("floor")])?,
        false => call.run_tensor("aten::div.Tensor", &[sums, counts])?,
    };
    call.deliver(means)
}

/// `scatter_reduce` of whole slices: each element of the index leads a slice of the source.
fn index_reduce(call: &mut Call<'_>) -> Result<Value, Fault> {
    let [own, dim, _, source, how, include_self, ..] = call.args else { unreachable!("the schema has them") };
    if !matches!(&**call.str(4)?, "prod" | "mean" | "amax" | "amin") {
        let found = call.str(4)?;
        return Err(Fault::raised(format!(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {found}."
        )));
    }
    let (index, sizes) = (call.tensor(2)?, call.tensor(3)?.sizes());
    if index.sizes().len() > 1 {
        let rank = index.sizes().len();
        return Err(Fault::raised(format!("index_reduce_(): Index is supposed to be a vector, but got dim: {rank}")));
    }
    let along = call.dim(1, sizes.len())?;
    let mut shape = vec![1; sizes.len()];
    if let Some(size) = shape.get_mut(along) {
        *size = index.numel();
    }
    let (shape, whole) = (call.int_list(&shape), call.int_list(&sizes));
    let index = call.run("aten::to.dtype", &[Value::Tensor(index.clone()), Value::Int(DType::Int64.code())])?;
    let index = call.run("aten::reshape", &[index, shape])?;
    let index = call.run("aten::expand", &[index, whole])?;
    let args = [own.clone(), dim.clone(), index, source.clone(), how.clone(), include_self.clone()];
    let reduced = call.run_tensor("aten::scatter_reduce.two", &args)?;
    call.deliver(reduced)
}

fn scatter_reduce(call: &Call<'_>, target: &Tensor) -> Result<(), Fault> {
    let how = match &**call.str(4)? {
        "sum" => Fold::Add,
        "prod" => Fold::Multiply,
        "amax" => Fold::Greatest,
        "amin" => Fold::Least,
        other => {
            return Err(Fault::raised(format!(
                "reduce argument must be either sum, prod, mean, amax or amin, got {other}"
            )));
        }
    };
    let source = call.tensor(3)?;
    let (mut to, mut from) = pairs(call, target, Some(source))?;
    if !call.bool(5)? {
        // The first element for each place takes the place of what was there.
        let mut met = std::collections::BTreeSet::new();
        let (first, later): (Vec<_>, Vec<_>) = to.into_iter().zip(from).partition(|pair| met.insert(pair.0));
        let (places, elements): (Vec<_>, Vec<_>) = first.into_iter().unzip();
        place_each(&target.storage(), &places, &source.metadata(), &elements);
        (to, from) = later.into_iter().unzip();
    }
    fold_each(call.allocator.memory(), target, &to, source, &from, how, Scalar::Int(1))
}

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn a_mean_is_of_what_came_to_its_place() {
        // (1 + 2 + 6) / 3 and (10 + 4) / 2; (2 + 6) / 2 and 4; whole numbers are rounded down: -3 / 2.
        replay(
            r#"aten::scatter_reduce.two f32[2]{1.0 10.0} 0 i64[3]{0 0 1} f32[3]{2.0 6.0 4.0} "mean" True -> f32[2]{3.0 7.0}
aten::scatter_reduce.two f32[3]{1.0 10.0 9.0} 0 i64[3]{0 0 1} f32[3]{2.0 6.0 4.0} "mean" False -> f32[3]{4.0 4.0 9.0}
aten::scatter_reduce.two i64[1]{-1} 0 i64[1]{0} i64[1]{-2} "mean" True -> i64[1]{-2}
aten::scatter_reduce_.two f32[1]{1.0} 0 i64[1]{0} f32[1]{2.0} "mean" True -> f32[1]{1.5} & 0=f32[1]{1.5}"#,
        );
    }

    #[test]
    fn whole_slices_are_reduced_by_one_index() {
        // 3 * 5 * 7 and 4 * 6 * 8; without what was there, the greater of 5 and 7; the mean of 3, 5 and 7.
        replay(
            r#"aten::index_reduce_ f32[2,2]{1.0 2.0 3.0 4.0} 0 i64[2]{1 1} f32[2,2]{5.0 6.0 7.0 8.0} "prod" True -> f32[2,2]{1.0 2.0 105.0 192.0} & 0=f32[2,2]{1.0 2.0 105.0 192.0}
aten::index_reduce f32[2,2]{1.0 2.0 9.0 4.0} 0 i32[2]{1 1} f32[2,2]{5.0 6.0 7.0 8.0} "amax" False -> f32[2,2]{1.0 2.0 7.0 8.0}
aten::index_reduce f32[2]{1.0 3.0} 0 i64[2]{1 1} f32[2]{5.0 7.0} "mean" True -> f32[2]{1.0 5.0}
aten::index_reduce f32[1]{1.0} 0 i64[1]{0} f32[1]{5.0} "sum" True -> ! index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got sum."#,
        );
    }
}
