//! The same elements in another order, or several times: flips, rolls, rotations, repetitions, shuffles.

use super::super::arguments::wrap_dim;
use super::super::shape::views::reshaped;
use super::super::shape::{layouts, reshaping};
use super::super::{Call, Fault, Kernel};
use super::elements::{Grid, charge_places, contiguous, count, gathered, indices, picked};
use super::selecting::taken;
use crate::tensor::overlap::result_layout;
use crate::tensor::{DType, Dims, Layout, Metadata, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::channel_shuffle", channel_shuffle),
    ("aten::flip", |call| flip(call, &call.ints(1)?)),
    ("aten::fliplr", |call| flip_from(call, 2, 1)),
    ("aten::flipud", |call| flip_from(call, 1, 0)),
    ("aten::pixel_shuffle", pixel_shuffle),
    ("aten::pixel_unshuffle", pixel_unshuffle),
    ("aten::repeat", |call| repeat(call, &call.ints(1)?)),
    ("aten::repeat_interleave.Tensor", repeat_numbers),
    ("aten::repeat_interleave.self_Tensor", repeat_interleave),
    ("aten::repeat_interleave.self_int", repeat_interleave),
    ("aten::roll", roll),
    ("aten::rot90", rot90),
    ("aten::tile", tile),
];

/// A new contiguous tensor of the places picked, delivered.
fn pick(call: &mut Call<'_>, source: &Metadata, places: &Grid) -> Result<Value, Fault> {
    let result = picked(call.allocator, source, places)?;
    call.deliver(result)
}

fn flip(call: &mut Call<'_>, dims: &[i64]) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let dims = layouts::wrap_dims(dims, source.layout.rank())?;
    let mut grid = Grid::of(&source.layout);
    for dim in dims.into_iter().filter(|&dim| dim < source.layout.rank()) {
        grid = grid.reversed(dim);
    }
    // The result lies as `empty_like` makes it.
    let layout = result_layout(&[&source.layout], source.layout.sizes());
    let result = gathered(call.allocator, &source, layout, &grid)?;
    call.deliver(result)
}

fn flip_from(call: &mut Call<'_>, rank: usize, dim: i64) -> Result<Value, Fault> {
    if call.tensor(0)?.sizes().len() < rank {
        return Err(Fault::raised(format!("Input must be >= {rank}-d.")));
    }
    flip(call, &[dim])
}

fn roll(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let (shifts, dims) = (call.ints(1)?, call.ints(2)?);
    if shifts.is_empty() {
        return Err(Fault::raised("`shifts` required"));
    }
    if dims.is_empty() && shifts.len() == 1 {
        // Without dimensions the elements roll as one row.
        let sizes = source.layout.sizes();
        let _charge = charge_places(call, 2 * source.layout.numel())?;
        let mut all = Vec::with_capacity(source.layout.numel() as usize);
        source.layout.for_each(|place| all.push(place));
        rotate(&mut all, shifts[0]);
        let result = taken(call.allocator, &source, sizes, &all)?;
        return call.deliver(result);
    }
    if shifts.len() != dims.len() {
        return Err(Fault::raised(format!(
            "shifts and dimensions must align. shifts: {}, dims:{}",
            shifts.len(),
            dims.len()
        )));
    }
    let mut grid = Grid::of(&source.layout);
    for (&shift, &dim) in shifts.iter().zip(&dims) {
        if source.layout.numel() == 0 {
            break;
        }
        let dim = layouts::wrap_existing_dim(dim, source.layout.rank())?;
        let _charge = charge_places(call, source.layout.sizes()[dim])?;
        let mut offsets = grid.offsets(dim);
        rotate(&mut offsets, shift);
        grid = grid.with(dim, offsets);
    }
    pick(call, &source, &grid)
}

/// Moves every item `shift` places on, those at the end to the start.
fn rotate<T>(items: &mut [T], shift: i64) {
    if !items.is_empty() {
        items.rotate_right(shift.rem_euclid(items.len() as i64) as usize);
    }
}

fn rot90(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let rank = source.layout.rank() as i64;
    let (turns, dims) = (call.int(1)?.rem_euclid(4), call.ints(2)?);
    if dims.len() != 2 {
        return Err(Fault::raised(format!("expected total rotation dims == 2, but got dims = {}", dims.len())));
    }
    if rank < 2 {
        return Err(Fault::raised(format!("expected total dims >= 2, but got total dims = {rank}")));
    }
    let (first, second) = (dims[0], dims[1]);
    if first == second || (first - second).abs() == rank {
        return Err(Fault::raised(format!(
            "expected rotation dims to be different, but got dim0 = {first} and dim1 = {second}"
        )));
    }
    for (i, dim) in [first, second].into_iter().enumerate() {
        if !(-rank..rank).contains(&dim) {
            return Err(Fault::raised(format!("Rotation dim{i} out of range, dim{i} = {dim}")));
        }
    }
    let (a, b) = (wrap_dim(first, rank as usize)?, wrap_dim(second, rank as usize)?);
    let grid = Grid::of(&source.layout);
    let grid = match turns {
        1 => grid.reversed(b),
        2 => grid.reversed(a).reversed(b),
        3 => grid.reversed(a),
        _ => return pick(call, &source, &grid),
    };
    let flipped_layout = result_layout(&[&source.layout], source.layout.sizes());
    let flipped = gathered(call.allocator, &source, flipped_layout, &grid)?;
    if turns % 2 == 1 {
        let layout = layouts::transpose(&flipped.metadata().layout, first, second)?;
        flipped.slot().update(|metadata| metadata.layout = layout);
    }
    call.deliver(flipped)
}

/// The whole tensor so many times in each dimension; there may be more dimensions than it has.
fn repeat(call: &mut Call<'_>, times: &[i64]) -> Result<Value, Fault> {
    let source = call.tensor(0)?.metadata();
    let sizes = source.layout.sizes();
    let Some(new) = times.len().checked_sub(sizes.len()) else {
        return Err(Fault::raised(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
        ));
    };
    let mut grid = Grid::of(&source.layout);
    for _ in 0..new {
        grid = grid.insert(0, vec![0]);
    }
    let mut wanted = grid.sizes();
    for (size, &times) in wanted.iter_mut().zip(times) {
        *size = size.checked_mul(times).ok_or_else(|| Fault::raised("numel: integer multiplication overflow"))?;
    }
    if let Some(&size) = wanted.iter().find(|&&size| size < 0) {
        return Err(Fault::raised(format!("Trying to create tensor with negative dimension {size}: {wanted:?}")));
    }
    count(&wanted)?;
    for (dim, &times) in times.iter().enumerate() {
        // Those that are repeated are a list too, which is longer if they are repeated not once.
        let _charges = (charge_places(call, wanted[dim])?, charge_places(call, grid.sizes()[dim])?);
        let offsets = grid.offsets(dim).repeat(times as usize);
        grid = grid.with(dim, offsets);
    }
    pick(call, &source, &grid)
}

fn tile(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rank = call.tensor(0)?.sizes().len();
    let times = call.ints(1)?;
    let mut all = Dims::from_elem(1, rank.saturating_sub(times.len()));
    all.extend_from_slice(&times);
    repeat(call, &all)
}

/// How often each index of a dimension is taken. One number is for all `size` of them.
fn checked_times(call: &Call<'_>, repeats: &Tensor, size: i64) -> Result<Vec<i64>, Fault> {
    if !matches!(repeats.dtype(), DType::Int64 | DType::Int32) {
        return Err(Fault::raised(format!(
            "\"repeat_interleave_cpu\" not implemented for '{}'",
            repeats.dtype().scalar_type_name()
        )));
    }
    let mut times = indices(call, repeats)?.to_vec();
    if times.len() == 1 {
        times = vec![times[0]; size as usize];
    }
    match times.iter().any(|&times| times < 0) {
        true => Err(Fault::raised("repeats can not be negative")),
        false => Ok(times),
    }
}

/// Each of 0, 1, 2... as often as said.
fn numbers(call: &Call<'_>, times: &[i64]) -> Result<Vec<i64>, Fault> {
    let total = times.iter().try_fold(0i64, |sum, &times| sum.checked_add(times));
    let total = total.ok_or_else(|| Fault::raised("numel: integer multiplication overflow"))?;
    let _charge = charge_places(call, total)?;
    Ok(times.iter().enumerate().flat_map(|(i, &times)| std::iter::repeat_n(i as i64, times as usize)).collect())
}

fn repeat_numbers(call: &mut Call<'_>) -> Result<Value, Fault> {
    let repeats = call.tensor(0)?;
    if repeats.sizes().len() != 1 {
        return Err(Fault::raised("repeat_interleave only accept 1D vector as repeat"));
    }
    let times = checked_times(call, repeats, 1)?;
    let numbers = numbers(call, &times)?;
    check_output_size(call, 1, numbers.len() as i64)?;
    let wide = Tensor::from_vec(call.allocator, &[numbers.len() as i64], &numbers)?;
    let result = wide.convert(call.allocator, repeats.dtype())?;
    call.deliver(result)
}

fn check_output_size(call: &Call<'_>, i: usize, size: i64) -> Result<(), Fault> {
    match call.opt_int(i)? {
        Some(wanted) if wanted != size => {
            Err(Fault::raised(format!("repeat_interleave: Invalid output_size, expected {size} but got {wanted}")))
        }
        _ => Ok(()),
    }
}

/// Each index of a dimension so many times, or each element in one row.
fn repeat_interleave(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, given) = (call.tensor(0)?, call.opt_int(2)?);
    let flat = match given {
        Some(_) => source.clone(),
        None => reshaped(call, source, &[source.numel()])?,
    };
    let metadata = flat.metadata();
    let times = times_given(call, &metadata.layout, given)?;
    let numbers = numbers(call, &times)?;
    check_output_size(call, 3, numbers.len() as i64)?;
    let dim = wrap_dim(given.unwrap_or(0), metadata.layout.rank())?;
    let stride = metadata.layout.strides()[dim];
    let offsets = numbers.into_iter().map(|i| i * stride).collect();
    pick(call, &metadata, &Grid::of(&metadata.layout).with(dim, offsets))
}

/// How often each index is to be taken, of a tensor that is found to have the dimension.
fn times_given(call: &Call<'_>, layout: &Layout, given: Option<i64>) -> Result<Vec<i64>, Fault> {
    let size_of = |dim| Ok::<i64, Fault>(layout.sizes()[wrap_dim(dim, layout.rank())?]);
    let Value::Tensor(repeats) = call.value(1) else {
        let times = call.int(1)?;
        if times < 0 {
            return Err(Fault::raised("Repeats must be non-negative"));
        }
        let dim = wrap_dim(given.unwrap_or(0), layout.rank())?;
        if layout.rank() == 0 {
            // PyTorch looks for the dimension behind it.
            wrap_dim(dim as i64 + 1, 0)?;
        }
        let size = size_of(dim as i64)?;
        let _charge = charge_places(call, size)?;
        return Ok(vec![times; size as usize]);
    };
    let rank = repeats.sizes().len();
    if rank > 1 {
        return Err(Fault::raised("repeats must be 0-dim or 1-dim tensor"));
    }
    if layout.rank() == 0 {
        layouts::wrap_existing_dim(given.unwrap_or(0), 0)?;
    }
    let size = size_of(given.unwrap_or(0))?;
    if repeats.numel() != 1 && repeats.numel() != size {
        return Err(Fault::raised(format!(
            "repeats must have the same size as input along dim, but got repeats.size(0) = {} and input.size({}) = \
             {size}",
            repeats.numel(),
            given.unwrap_or(0)
        )));
    }
    let _charge = charge_places(call, size)?;
    checked_times(call, repeats, size)
}

/// The last three dimensions of a tensor that has them.
fn image(call: &Call<'_>, name: &str, factor: &str) -> Result<(Layout, i64), Fault> {
    let (layout, by) = (call.tensor(0)?.metadata().layout.clone(), call.int(1)?);
    if layout.rank() < 3 {
        return Err(Fault::raised(format!(
            "{name} expects input to have at least 3 dimensions, but got input with {} dimension(s)",
            layout.rank()
        )));
    }
    if by <= 0 {
        return Err(Fault::raised(format!("{name} expects a positive {factor}, but got {by}")));
    }
    Ok((layout, by))
}

/// A copy of the first argument seen as `parts`, the dimensions reordered, then as `sizes`.
fn shuffled(call: &mut Call<'_>, parts: &[i64], order: &[i64], sizes: &[i64]) -> Result<Value, Fault> {
    let source = contiguous(call.allocator, call.tensor(0)?)?;
    let layout = layouts::permute(&reshaping::strict_view(&source.metadata().layout, parts)?, order)?;
    let metadata = source.metadata();
    let result = gathered(call.allocator, &metadata, Layout::contiguous(sizes), &Grid::of(&layout))?;
    call.deliver(result)
}

fn pixel_shuffle(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (layout, by) = image(call, "pixel_shuffle", "upscale_factor")?;
    let at = layout.rank() - 3;
    let (batch, image) = layout.sizes().split_at(at);
    let square = by.saturating_mul(by);
    if image[0] % square != 0 {
        return Err(Fault::raised(format!(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, \
             but input.size(-3)={} is not divisible by {square}",
            image[0]
        )));
    }
    let channels = image[0] / square;
    let with = |rest: &[i64]| batch.iter().copied().chain(rest.iter().copied()).collect::<Dims>();
    let order = (0..at as i64).chain([0, 3, 1, 4, 2].map(|dim| dim + at as i64)).collect::<Dims>();
    let sizes = with(&[channels, image[1].saturating_mul(by), image[2].saturating_mul(by)]);
    shuffled(call, &with(&[channels, by, by, image[1], image[2]]), &order, &sizes)
}

fn pixel_unshuffle(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (layout, by) = image(call, "pixel_unshuffle", "downscale_factor")?;
    let at = layout.rank() - 3;
    let (batch, image) = layout.sizes().split_at(at);
    for (dim, name) in [(1, "height"), (2, "width")] {
        if image[dim] % by != 0 {
            return Err(Fault::raised(format!(
                "pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({})={} is not \
                 divisible by {by}",
                dim as i64 - 3,
                image[dim]
            )));
        }
    }
    let with = |rest: &[i64]| batch.iter().copied().chain(rest.iter().copied()).collect::<Dims>();
    let (height, width) = (image[1] / by, image[2] / by);
    let order = (0..at as i64).chain([0, 2, 4, 1, 3].map(|dim| dim + at as i64)).collect::<Dims>();
    let sizes = with(&[image[0].saturating_mul(by.saturating_mul(by)), height, width]);
    shuffled(call, &with(&[image[0], height, by, width, by]), &order, &sizes)
}

fn channel_shuffle(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (sizes, groups) = (call.tensor(0)?.sizes(), call.int(1)?);
    if sizes.len() < 3 {
        return Err(Fault::raised(format!(
            "channel_shuffle expects input with > 2 dims, but got input with sizes {sizes:?}"
        )));
    }
    if groups <= 0 {
        return Err(Fault::raised(format!(
            "Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )));
    }
    if sizes[1] % groups != 0 {
        return Err(Fault::raised(format!(
            "Number of channels must be divisible by groups. Got {} channels and {groups} groups.",
            sizes[1]
        )));
    }
    let rest: i64 = sizes[2..].iter().product();
    shuffled(call, &[sizes[0], groups, sizes[1] / groups, rest], &[0, 2, 1, 3], &sizes)
}
