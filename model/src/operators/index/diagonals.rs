//! Triangles and diagonals of matrices.

use super::super::arguments::wrap_dim;
use super::super::shape::layouts;
use super::super::shape::views::reshaped;
use super::super::{Call, Destination, Fault, Kernel};
use super::elements::{Grid, by_width, contiguous, copy_to, picked, zeros};
use crate::tensor::overlap::check_no_internal_overlap;
use crate::tensor::{Layout, Metadata, Tensor};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::diag", diag),
    ("aten::diag.out", diag),
    ("aten::diag_embed", diag_embed),
    ("aten::diagflat", diagflat),
    ("aten::tril", |call| triangle(call, "tril", |row, column, k| column - row <= k)),
    ("aten::tril.out", |call| triangle(call, "tril", |row, column, k| column - row <= k)),
    ("aten::tril_", |call| triangle(call, "tril", |row, column, k| column - row <= k)),
    ("aten::triu", |call| triangle(call, "triu", |row, column, k| column - row >= k)),
    ("aten::triu.out", |call| triangle(call, "triu", |row, column, k| column - row >= k)),
    ("aten::triu_", |call| triangle(call, "triu", |row, column, k| column - row >= k)),
];

/// The elements that `keeps` says, by row, column and diagonal; zeros elsewhere.
fn triangle(call: &mut Call<'_>, name: &str, keeps: fn(i64, i64, i64) -> bool) -> Result<Value, Fault> {
    let source = call.tensor(0)?;
    let layout = source.metadata().layout.clone();
    // So that no difference of row and column overflows.
    let diagonal = call.int(1)?.clamp(-(1 << 62), 1 << 62);
    let Some(last) = layout.rank().checked_sub(2) else {
        return Err(Fault::raised(format!("{name}: input tensor must have at least 2 dimensions")));
    };
    let target = match call.destination()? {
        Destination::InPlace(target) => {
            check_no_internal_overlap(target)?;
            target.clone()
        }
        Destination::New | Destination::Out(..) => contiguous(call.allocator, source)?,
    };
    let (rows, columns) = (layout.sizes()[last], layout.sizes()[last + 1]);
    let written = target.metadata();
    written.storage.update(|content| {
        by_width!(written.dtype, W => {
            let all = content.elements_mut::<W>();
            let mut at = 0;
            written.layout.for_each(|place| {
                if !keeps(at / columns % rows, at % columns, diagonal) {
                    all[place] = W::default();
                }
                at += 1;
            });
        });
    });
    match call.destination()? {
        Destination::InPlace(target) => Ok(Value::Tensor(target.clone())),
        _ => call.deliver(target),
    }
}

fn diag(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, offset) = (call.tensor(0)?, call.int(1)?);
    let result = match source.sizes().len() {
        1 => embedded(call, source, offset, 0, 1)?,
        2 => {
            let layout = layouts::diagonal(&source.metadata().layout, offset, 0, 1)?;
            let shown = Metadata { layout, ..(*source.metadata()).clone() };
            picked(call.allocator, &shown, &Grid::of(&shown.layout))?
        }
        rank => return Err(Fault::raised(format!("diag(): Supports 1D or 2D tensors. Got {rank}D"))),
    };
    call.deliver(result)
}

fn diagflat(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (source, offset) = (call.tensor(0)?, call.int(1)?);
    let flat = contiguous(call.allocator, source)?;
    let flat = reshaped(call, &flat, &[source.numel()])?;
    Ok(Value::Tensor(embedded(call, &flat, offset, 0, 1)?))
}

fn diag_embed(call: &mut Call<'_>) -> Result<Value, Fault> {
    let source = call.tensor(0)?;
    let result = embedded(call, source, call.int(1)?, call.int(2)?, call.int(3)?)?;
    call.deliver(result)
}

/// Zeros with the last dimension of `source` on a diagonal of two new ones.
fn embedded(call: &mut Call<'_>, source: &Tensor, offset: i64, dim1: i64, dim2: i64) -> Result<Tensor, Fault> {
    let metadata = source.metadata();
    let sizes = metadata.layout.sizes();
    let rank = sizes.len() + 1;
    let (first, second) = (wrap_dim(dim1, rank)?, wrap_dim(dim2, rank)?);
    if first == second {
        return Err(Fault::raised(format!("diagonal dimensions cannot be identical {dim1}, {dim2}")));
    }
    let (&last, batch) = sizes.split_last().expect("a scalar has no two dimensions to wrap");
    let length = last.saturating_add(offset.saturating_abs());
    let mut wanted: Vec<i64> = batch.to_vec();
    wanted.insert(first.min(second), length);
    wanted.insert(first.max(second), length);
    let result = zeros(call.allocator, &wanted, metadata.dtype)?;
    let layout: Layout = layouts::diagonal(&result.metadata().layout, offset, first as i64, second as i64)?;
    copy_to(&result.storage(), &layout, &metadata);
    Ok(result)
}
