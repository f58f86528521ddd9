//! Operators of torchvision: choosing among boxes, pooling regions of images, deformable convolution.

mod boxes;
mod deformable;
mod regions;

use super::{Correction, Kernel};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[&[
    ("torchvision::deform_conv2d", deformable::convolution),
    ("torchvision::nms", boxes::nms),
    ("torchvision::ps_roi_align", regions::position_sensitive_align),
    ("torchvision::ps_roi_pool", regions::position_sensitive_pool),
    ("torchvision::roi_align", regions::align),
    ("torchvision::roi_pool", regions::pool),
]];

/// All are as their schemas say.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    /// The values were worked out by hand from the definitions; none is recorded.
    #[test]
    fn boxes_and_regions_are_as_worked_out() {
        replay(include_str!("worked_out.txt"));
    }
}
