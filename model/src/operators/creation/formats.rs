//! Memory formats: how the dimensions of a new tensor lie in memory.

use super::super::Fault;
use crate::tensor::overlap::result_layout;
use crate::tensor::{Dims, Layout};

/// PyTorch's memory formats, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::operators) enum Format {
    /// Row-major.
    Contiguous,
    /// As another tensor lies.
    Preserve,
    /// Images with the channels (dimension 1) next to each other.
    ChannelsLast,
    /// The same with three dimensions of space.
    ChannelsLast3d,
}

impl Format {
    pub(in crate::operators) fn from_code(code: i64) -> Result<Self, Fault> {
        Ok(match code {
            0 => Format::Contiguous,
            1 => Format::Preserve,
            2 => Format::ChannelsLast,
            3 => Format::ChannelsLast3d,
            other => return Err(Fault::unsupported(format!("the memory format {other}"))),
        })
    }

    /// Whether a tensor lies so already.
    pub(in crate::operators) fn holds(self, layout: &Layout) -> bool {
        let Some(order) = self.order() else { return self == Format::Preserve || layout.is_contiguous() };
        if layout.rank() != order.len() {
            return false;
        }
        let mut expected = 1;
        order.iter().all(|&dim| {
            let size = layout.sizes()[dim];
            let fits = size == 1 || layout.strides()[dim] == expected;
            expected *= size;
            fits
        })
    }

    /// The layout of a new tensor with the sizes of another.
    pub(in crate::operators) fn layout(self, other: &Layout) -> Result<Layout, Fault> {
        let sizes = other.sizes();
        let Some(order) = self.order() else {
            return Ok(match self {
                Format::Preserve if other.is_dense() => Layout::strided(sizes, other.strides(), 0),
                Format::Preserve => result_layout(&[other], sizes),
                _ => Layout::contiguous(sizes),
            });
        };
        if sizes.len() != order.len() {
            let (rank, name) = match self {
                Format::ChannelsLast => (4, "channels_last"),
                _ => (5, "channels_last_3d"),
            };
            return Err(Fault::raised(format!("required rank {rank} tensor to use {name} format")));
        }
        let mut strides = Dims::from_elem(0, sizes.len());
        let mut step = 1i64;
        for &dim in order {
            strides[dim] = step;
            step *= sizes[dim].max(1);
        }
        Ok(Layout::strided(sizes, &strides, 0))
    }

    /// The dimensions from the nearest to the farthest, for the formats of images.
    fn order(self) -> Option<&'static [usize]> {
        match self {
            Format::ChannelsLast => Some(&[1, 3, 2, 0]),
            Format::ChannelsLast3d => Some(&[1, 4, 3, 2, 0]),
            _ => None,
        }
    }
}
