//! Moving elements without looking at them: by the bytes, for every dtype alike.

use std::sync::Arc;

use super::super::{Call, Destination, Fault};
use crate::slot::{Allocator, Charge};
use crate::tensor::overlap::{check_no_internal_overlap, result_layout};
use crate::tensor::{Content, DType, Dims, Layout, Metadata, Storage, Tensor};
use crate::value::Value;

/// Runs its body with a type as wide as an element of the dtype.
macro_rules! by_width {
    ($dtype:expr, $W:ident => $body:expr) => {
        match $dtype.size() {
            1 => {
                type $W = u8;
                $body
            }
            2 => {
                type $W = u16;
                $body
            }
            4 => {
                type $W = u32;
                $body
            }
            8 => {
                type $W = u64;
                $body
            }
            // Contents are aligned to eight bytes, not to sixteen.
            _ => {
                type $W = [u64; 2];
                $body
            }
        }
    };
}

pub(super) use by_width;

/// Places in a storage (in elements): for every dimension some offsets, and every combination of them in row-major
/// order. Indexing, repeating, flipping and padding all are of this form.
#[derive(Debug, Clone)]
pub(in crate::operators) struct Grid {
    base: i64,
    dims: Vec<Offsets>,
}

/// The offsets of one dimension.
#[derive(Debug, Clone)]
enum Offsets {
    /// So many, at this distance. Takes no memory, since an expanded dimension may be longer than any memory.
    Line(i64, i64),
    /// These.
    List(Vec<i64>),
}

impl Offsets {
    fn len(&self) -> i64 {
        match self {
            Offsets::Line(size, _) => *size,
            Offsets::List(offsets) => offsets.len() as i64,
        }
    }

    fn at(&self, i: i64) -> i64 {
        match self {
            Offsets::Line(_, stride) => i * stride,
            Offsets::List(offsets) => offsets[i as usize],
        }
    }
}

impl Grid {
    /// The places of a layout.
    pub(in crate::operators) fn of(layout: &Layout) -> Self {
        let dims = layout.sizes().iter().zip(layout.strides());
        Self { base: layout.offset(), dims: dims.map(|(&size, &stride)| Offsets::Line(size, stride)).collect() }
    }

    /// With the offsets of one dimension replaced.
    pub(super) fn with(mut self, dim: usize, offsets: Vec<i64>) -> Self {
        self.dims[dim] = Offsets::List(offsets);
        self
    }

    /// With one more dimension, put before `dim`.
    pub(super) fn insert(mut self, dim: usize, offsets: Vec<i64>) -> Self {
        self.dims.insert(dim, Offsets::List(offsets));
        self
    }

    /// Without the dimension `dim`.
    pub(super) fn remove(mut self, dim: usize) -> Self {
        self.dims.remove(dim);
        self
    }

    /// With one dimension in the other direction.
    pub(super) fn reversed(mut self, dim: usize) -> Self {
        match &mut self.dims[dim] {
            Offsets::Line(size, stride) => {
                self.base += (*size - 1).max(0) * *stride;
                *stride = -*stride;
            }
            Offsets::List(offsets) => offsets.reverse(),
        }
        self
    }

    /// The offsets of one dimension as a list; charge for them first.
    pub(super) fn offsets(&self, dim: usize) -> Vec<i64> {
        (0..self.dims[dim].len()).map(|i| self.dims[dim].at(i)).collect()
    }

    /// How many there are in each dimension.
    pub(super) fn sizes(&self) -> Dims {
        self.dims.iter().map(Offsets::len).collect()
    }

    /// Calls `each` with every place, in row-major order.
    pub(in crate::operators) fn for_each(&self, mut each: impl FnMut(usize)) {
        if self.dims.iter().any(|dim| dim.len() == 0) {
            return;
        }
        let Some((last, outer)) = self.dims.split_last() else { return each(self.base as usize) };
        let mut index = vec![0i64; outer.len()];
        loop {
            let row = self.base + index.iter().zip(outer).map(|(&i, offsets)| offsets.at(i)).sum::<i64>();
            match last {
                Offsets::Line(size, stride) => (0..*size).for_each(|i| each((row + i * stride) as usize)),
                Offsets::List(offsets) => offsets.iter().for_each(|offset| each((row + offset) as usize)),
            }
            let Some(dim) = (0..outer.len()).rev().find(|&dim| index[dim] + 1 < outer[dim].len()) else { return };
            index[dim] += 1;
            index[dim + 1..].fill(0);
        }
    }
}

/// A charge for lists of so many places, before they are made.
pub(super) fn charge_places(call: &Call<'_>, count: i64) -> Result<Charge, Fault> {
    call.room::<i64>(&[count as usize])
}

/// The number of elements of these sizes, or PyTorch's error if they cannot be counted.
pub(super) fn count(sizes: &[i64]) -> Result<i64, Fault> {
    Layout::count(sizes).ok_or_else(|| Fault::raised("numel: integer multiplication overflow"))
}

/// A new tensor that lies as `layout` says; its elements in row-major order are those of `source` at `places`.
pub(in crate::operators) fn gathered(
    allocator: &mut Allocator,
    source: &Metadata,
    layout: Layout,
    places: &Grid,
) -> Result<Tensor, Fault> {
    let from = source.storage.content();
    let mut to = Content::for_elements(layout.sizes(), source.dtype, allocator.memory())?;
    by_width!(source.dtype, W => {
        let from = from.elements::<W>();
        let to = to.elements_mut::<W>();
        if layout.is_contiguous() {
            let mut next = to.iter_mut();
            places.for_each(|place| *next.next().expect("as many places as elements") = from[place]);
        } else {
            let mut taken = Vec::with_capacity(to.len());
            places.for_each(|place| taken.push(from[place]));
            let mut next = taken.into_iter();
            layout.for_each(|place| to[place] = next.next().expect("as many places as elements"));
        }
    });
    Ok(Tensor::owning(allocator, to, source.dtype, layout).quantized(source.quantizer.clone()))
}

/// A new contiguous tensor with the elements of `source` at `places`.
pub(super) fn picked(allocator: &mut Allocator, source: &Metadata, places: &Grid) -> Result<Tensor, Fault> {
    let sizes = places.sizes();
    count(&sizes)?;
    gathered(allocator, source, Layout::contiguous(&sizes), places)
}

/// A new contiguous tensor with the same elements.
pub(in crate::operators) fn contiguous(allocator: &mut Allocator, source: &Tensor) -> Result<Tensor, Fault> {
    let metadata = source.metadata();
    picked(allocator, &metadata, &Grid::of(&metadata.layout))
}

/// A copy with the dimensions lying in the same order, as `clone` makes it.
pub(super) fn clone(call: &mut Call<'_>, source: &Tensor) -> Result<Tensor, Fault> {
    let metadata = source.metadata();
    let layout = match metadata.layout.is_dense() {
        true => Layout::strided(metadata.layout.sizes(), metadata.layout.strides(), 0),
        false => result_layout(&[&metadata.layout], metadata.layout.sizes()),
    };
    gathered(call.allocator, &metadata, layout, &Grid::of(&metadata.layout))
}

/// A contiguous copy, as scattering makes it.
pub(super) fn flat_clone(call: &mut Call<'_>, source: &Tensor) -> Result<Tensor, Fault> {
    contiguous(call.allocator, source)
}

/// Copies the elements of `source` to the places that `layout` shows of a storage of the same dtype.
pub(super) fn copy_to(storage: &Storage, layout: &Layout, source: &Metadata) {
    assert_eq!(layout.sizes(), source.layout.sizes(), "as many elements are written as are read");
    let from = source.storage.content();
    storage.update(|content| {
        by_width!(source.dtype, W => {
            let (from, to) = (from.elements::<W>(), content.elements_mut::<W>());
            if source.layout.is_contiguous() && source.layout.numel() > 0 {
                layout.scatter(to, &from[source.layout.offset() as usize..]);
            } else {
                layout.scatter(to, &source.layout.gather(from));
            }
        });
    });
}

/// Writes the element of `source` at each of `from` to the place of `target` at the same position in `to`, one after
/// the other: of several to one place the last stays.
pub(super) fn place_each(target: &Storage, to: &[usize], source: &Metadata, from: &[usize]) {
    let content = source.storage.content();
    // Read first: the two may share their memory, and the write must not copy because the old bytes are kept.
    by_width!(source.dtype, W => {
        let elements = content.elements::<W>();
        let taken: Vec<W> = from.iter().map(|&place| elements[place]).collect();
        drop(content);
        target.update(|content| {
            let all = content.elements_mut::<W>();
            to.iter().zip(taken).for_each(|(&place, element)| all[place] = element);
        });
    });
}

/// The places of a layout as a list.
pub(super) fn places(layout: &Layout) -> Vec<usize> {
    let mut all = Vec::with_capacity(layout.numel() as usize);
    layout.for_each(|place| all.push(place));
    all
}

/// Runs an operator that writes its first argument: on that argument (`index_add_`), or on a copy of it
/// (`index_add`, `index_add.out`) that `copy` makes.
pub(super) fn write_to(
    call: &mut Call<'_>,
    copy: fn(&mut Call<'_>, &Tensor) -> Result<Tensor, Fault>,
    write: fn(&Call<'_>, &Tensor) -> Result<(), Fault>,
) -> Result<Value, Fault> {
    let first = call.tensor(0)?;
    if let Destination::InPlace(target) = call.destination()? {
        check_no_internal_overlap(target)?;
        write(call, target)?;
        return Ok(Value::Tensor(target.clone()));
    }
    let target = copy(call, first)?;
    write(call, &target)?;
    call.deliver(target)
}

/// A new contiguous tensor of zeros, of any dtype.
pub(super) fn zeros(allocator: &mut Allocator, sizes: &[i64], dtype: DType) -> Result<Tensor, Fault> {
    count(sizes)?;
    Ok(Tensor::zeros(allocator, sizes, dtype)?)
}

/// Integer indices in row-major order.
pub(super) fn indices(call: &Call<'_>, tensor: &Tensor) -> Result<Arc<[i64]>, Fault> {
    Ok(tensor.read::<i64>(call.allocator.memory())?.iter().copied().collect())
}
