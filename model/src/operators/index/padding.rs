//! Padding: by a constant, by reflection, by the border, by wrapping around.

use super::super::shape::layouts;
use super::super::{Call, Fault, Kernel};
use super::elements::{Grid, charge_places, clone, copy_to, count, picked, places, zeros};
use super::folding::fill_each;
use crate::tensor::{DType, Dims, Layout, Scalar, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::_pad_circular", |call| {
        let result = circular(call, &call.ints(1)?)?;
        call.deliver(result)
    }),
    ("aten::constant_pad_nd", constant_pad_nd),
    ("aten::pad", pad),
    ("aten::reflection_pad1d", |call| pad_by(call, Border::Reflect, 1)),
    ("aten::reflection_pad1d.out", |call| pad_by(call, Border::Reflect, 1)),
    ("aten::reflection_pad2d", |call| pad_by(call, Border::Reflect, 2)),
    ("aten::reflection_pad2d.out", |call| pad_by(call, Border::Reflect, 2)),
    ("aten::reflection_pad3d", |call| pad_by(call, Border::Reflect, 3)),
    ("aten::reflection_pad3d.out", |call| pad_by(call, Border::Reflect, 3)),
    ("aten::replication_pad1d", |call| pad_by(call, Border::Replicate, 1)),
    ("aten::replication_pad1d.out", |call| pad_by(call, Border::Replicate, 1)),
    ("aten::replication_pad2d", |call| pad_by(call, Border::Replicate, 2)),
    ("aten::replication_pad2d.out", |call| pad_by(call, Border::Replicate, 2)),
    ("aten::replication_pad3d", |call| pad_by(call, Border::Replicate, 3)),
    ("aten::replication_pad3d.out", |call| pad_by(call, Border::Replicate, 3)),
];

/// Where elements beyond the border come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Border {
    Reflect,
    Replicate,
}

fn pad(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (amounts, mode, value) = (call.ints(1)?, call.str(2)?, call.opt_float(3)?);
    let rank = call.tensor(0)?.sizes().len();
    if amounts.len() % 2 != 0 {
        return Err(Fault::raised("Padding length must be divisible by 2"));
    }
    if amounts.len() > 2 * rank {
        return Err(Fault::raised(format!(
            "Padding length should be less than or equal to two times the input dimension but got padding length {} \
             and input of dimension {rank}",
            amounts.len()
        )));
    }
    if &**mode == "constant" {
        let value = Value::Float(value.unwrap_or(0.0));
        return call.run("aten::constant_pad_nd", &[call.value(0).clone(), call.value(1).clone(), value]);
    }
    if value.is_some_and(|value| value != 0.0) {
        return Err(Fault::raised(format!("Padding mode \"{mode}\" doesn't take in value argument")));
    }
    let supported = matches!((amounts.len(), rank), (2, 2 | 3) | (4, 3 | 4) | (6, 4 | 5));
    let border = match &**mode {
        "reflect" => Border::Reflect,
        "replicate" => Border::Replicate,
        "circular" if supported => return Ok(Value::Tensor(circular(call, &amounts)?)),
        "circular" => Border::Reflect,
        other => return Err(Fault::raised(format!("Unrecognised padding mode {other}"))),
    };
    if !supported {
        return Err(Fault::raised("Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now"));
    }
    Ok(Value::Tensor(bordered(call, border, &amounts)?))
}

fn constant_pad_nd(call: &mut Call<'_>) -> Result<Value, Fault> {
    let amounts = call.ints(1)?;
    let rank = call.tensor(0)?.sizes().len();
    if amounts.len() % 2 != 0 {
        return Err(Fault::raised(format!("Length of pad must be even but instead it equals {}", amounts.len())));
    }
    if amounts.len() > 2 * rank {
        return Err(Fault::raised(format!(
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is {}while \
             the input has {rank}dimensions.",
            amounts.len()
        )));
    }
    let result = constant(call, &amounts, call.scalar(2)?)?;
    call.deliver(result)
}

/// The amounts before and after each dimension: they are given for the last dimension first.
fn amounts_of(amounts: &[i64], rank: usize, dim: usize) -> (i64, i64) {
    let i = 2 * (rank - 1 - dim);
    (amounts.get(i).copied().unwrap_or(0), amounts.get(i + 1).copied().unwrap_or(0))
}

/// A new tensor of `value`s with the first argument in the middle; negative amounts cut off.
fn constant(call: &mut Call<'_>, amounts: &[i64], value: Scalar) -> Result<Tensor, Fault> {
    let source = call.tensor(0)?.metadata();
    let rank = source.layout.rank();
    if amounts.iter().all(|&amount| amount == 0) {
        return clone(call, call.tensor(0)?);
    }
    let mut kept = source.layout.clone();
    let mut sizes = Dims::new();
    for dim in 0..rank {
        let (before, after) = amounts_of(amounts, rank, dim);
        let cut = (before.min(0).saturating_neg(), after.min(0).saturating_neg());
        if cut.0 > 0 || cut.1 > 0 {
            let length = kept.sizes()[dim].saturating_sub(cut.0).saturating_sub(cut.1);
            kept = layouts::narrow(&kept, dim as i64, cut.0.min(kept.sizes()[dim]), length)?;
        }
        sizes.push(kept.sizes()[dim].saturating_add(before.max(0)).saturating_add(after.max(0)));
    }
    count(&sizes)?;
    let result = zeros(call.allocator, &sizes, source.dtype)?;
    let layout = result.metadata().layout.clone();
    if value != Scalar::Float(0.0) && value != Scalar::Int(0) {
        let _charge = charge_places(call, layout.numel())?;
        fill_each(&result.storage(), source.dtype, &places(&layout), value)?;
    }
    let mut middle = layout;
    for dim in 0..rank {
        let before = amounts_of(amounts, rank, dim).0.max(0);
        middle = layouts::narrow(&middle, dim as i64, before, kept.sizes()[dim])?;
    }
    let mut shown = (*source).clone();
    shown.layout = kept;
    copy_to(&result.storage(), &middle, &shown);
    Ok(result)
}

fn pad_by(call: &mut Call<'_>, border: Border, dims: usize) -> Result<Value, Fault> {
    let amounts = call.ints(1)?;
    if amounts.len() != 2 * dims {
        return Err(Fault::raised(format!("padding size is expected to be {}, but got: {}", 2 * dims, amounts.len())));
    }
    let result = bordered(call, border, &amounts)?;
    call.deliver(result)
}

/// The first argument with borders made of its own elements.
fn bordered(call: &mut Call<'_>, border: Border, amounts: &[i64]) -> Result<Tensor, Fault> {
    let source = call.tensor(0)?.metadata();
    let layout = &source.layout;
    let (rank, padded) = (layout.rank(), amounts.len() / 2);
    let batched = rank == padded + 2;
    let empty = (0..rank).any(|dim| layout.sizes()[dim] == 0 && !(batched && dim == 0));
    if !(batched || rank == padded + 1) || empty {
        return Err(Fault::raised(format!(
            "Expected {}D or {}D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for \
             input, but got: {:?}",
            padded + 1,
            padded + 2,
            layout.sizes()
        )));
    }
    let mut grid = Grid::of(layout);
    // The last dimension is checked first.
    for dim in (rank - padded..rank).rev() {
        let (before, after) = amounts_of(amounts, rank, dim);
        let size = layout.sizes()[dim];
        if border == Border::Reflect && (before >= size || after >= size) {
            return Err(Fault::raised(format!(
                "Argument #{}: Padding size should be less than the corresponding input dimension, but got: padding \
                 ({before}, {after}) at dimension {dim} of input {:?}",
                4 + 2 * (rank - 1 - dim),
                layout.sizes()
            )));
        }
    }
    for dim in rank - padded..rank {
        let (before, after) = amounts_of(amounts, rank, dim);
        let (size, stride) = (layout.sizes()[dim], layout.strides()[dim]);
        let wanted = size.saturating_add(before).saturating_add(after);
        if wanted < 1 {
            return Err(too_small(layout, padded, amounts));
        }
        let _charge = charge_places(call, wanted)?;
        let from = |i: i64| match border {
            Border::Replicate => i.clamp(0, size - 1),
            Border::Reflect if i < 0 => -i,
            Border::Reflect if i >= size => 2 * (size - 1) - i,
            Border::Reflect => i,
        };
        grid = grid.with(dim, (-before..wanted - before).map(|i| from(i) * stride).collect());
    }
    if source.dtype == DType::Bool {
        return Err(Fault::no_kernel(call.operator.name, DType::Bool));
    }
    picked(call.allocator, &source, &grid)
}

fn too_small(layout: &Layout, padded: usize, amounts: &[i64]) -> Fault {
    let rank = layout.rank();
    let names = ["D", "H", "W"].into_iter().skip(3 - padded);
    let told: Vec<(String, String)> = names
        .zip(rank - padded..rank)
        .map(|(name, dim)| {
            let (size, (before, after)) = (layout.sizes()[dim], amounts_of(amounts, rank, dim));
            (format!("{name}: {size}"), format!("{name}: {}", size.saturating_add(before).saturating_add(after)))
        })
        .collect();
    let (input, output): (Vec<_>, Vec<_>) = told.into_iter().unzip();
    Fault::raised(format!("input ({}) is too small. Calculated output {}", input.join(", "), output.join(" ")))
}

fn circular(call: &mut Call<'_>, amounts: &[i64]) -> Result<Tensor, Fault> {
    let source = call.tensor(0)?.metadata();
    let layout = &source.layout;
    let (rank, padded) = (layout.rank(), amounts.len() / 2);
    if padded + 1 != rank && padded + 2 != rank {
        return Err(Fault::raised("Invalid padding size, expected "));
    }
    let mut grid = Grid::of(layout);
    for dim in rank - padded..rank {
        let (before, after) = amounts_of(amounts, rank, dim);
        let (size, stride) = (layout.sizes()[dim], layout.strides()[dim]);
        if before > size || after > size {
            return Err(Fault::raised("Padding value causes wrapping around more than once."));
        }
        let wanted = size.saturating_add(before).saturating_add(after);
        if wanted < 0 {
            return Err(Fault::raised("Negative padding value is resulting in an empty dimension"));
        }
        let _charge = charge_places(call, wanted)?;
        // What is cut off at an end is not wrapped around to the other.
        let (first, kept) =
            (before.min(0).saturating_neg(), size.saturating_add(before.min(0)).saturating_add(after.min(0)));
        if kept <= 0 && wanted > 0 {
            return Err(Fault::raised("Padding value causes wrapping around more than once."));
        }
        let from = |i: i64| first + (i - before.max(0)).rem_euclid(kept.max(1));
        grid = grid.with(dim, (0..wanted).map(|i| from(i) * stride).collect());
    }
    picked(call.allocator, &source, &grid)
}
