//! What the elements of a view stand for, of a tensor that is quantized per channel: the dimension of the channels moves.

use std::sync::Arc;

use super::super::{Call, Fault};
use crate::tensor::{Layout, Quantizer};

/// Views that PyTorch makes by new strides, which it has for one quantizer of all elements only.
const STRIDED: &[&str] = &[
    "aten::diagonal",
    "aten::expand",
    "aten::expand_as",
    "aten::mH",
    "aten::mT",
    "aten::moveaxis",
    "aten::movedim",
    "aten::permute",
    "aten::swapaxes",
    "aten::swapdims",
    "aten::t",
    "aten::transpose",
];

/// The quantizer of a view of the first argument, which lies as `old` says.
pub(in crate::operators) fn viewed(
    call: &Call<'_>,
    quantizer: &Arc<Quantizer>,
    old: &Layout,
) -> Result<Arc<Quantizer>, Fault> {
    let Some((_, axis)) = quantizer.slices() else { return Ok(quantizer.clone()) };
    let wrapped = |dim: i64, rank: usize| (if dim < 0 { dim + rank as i64 } else { dim }) as usize;
    let (name, rank) = (call.operator.name, old.rank());
    let squeezed = |dims: &[i64]| {
        let gone = |dim: usize| old.sizes()[dim] == 1 && dims.iter().any(|&other| wrapped(other, rank) == dim);
        if gone(axis) {
            let words = "Squeeze is only possible on non-axis dimension for Per-Channel Quantized Tensors.";
            return Err(Fault::raised(words));
        }
        Ok(axis - (0..axis).filter(|&dim| gone(dim)).count())
    };
    let axis = match (name, call.operator.overload) {
        ("aten::select", _) => {
            let dim = wrapped(call.int(1)?, rank);
            if dim == axis {
                return one(call, quantizer, wrapped(call.int(2)?, old.sizes()[axis] as usize));
            }
            axis - usize::from(dim < axis)
        }
        ("aten::unsqueeze", _) => axis + usize::from(wrapped(call.int(1)?, rank + 1) <= axis),
        ("aten::squeeze", "dim") => squeezed(&[call.int(1)?])?,
        ("aten::squeeze", "dims") => squeezed(&call.ints(1)?)?,
        ("aten::squeeze", _) => squeezed(&(0..rank as i64).collect::<Vec<_>>())?,
        ("aten::transpose" | "aten::swapaxes" | "aten::swapdims", _)
            if wrapped(call.int(1)?, rank) == wrapped(call.int(2)?, rank) =>
        {
            axis
        }
        _ if STRIDED.contains(&name) => {
            return Err(Fault::raised("Setting strides is possible only on uniformly quantized tensor"));
        }
        _ => return Ok(quantizer.clone()),
    };
    Ok(Arc::new(match &**quantizer {
        Quantizer::PerChannel { channels, .. } => Quantizer::PerChannel { channels: channels.clone(), axis },
        Quantizer::PerChannelFloat { channels, .. } => Quantizer::PerChannelFloat { channels: channels.clone(), axis },
        Quantizer::PerTensor(affine) => Quantizer::PerTensor(*affine),
    }))
}

/// The quantizer of one channel.
fn one(call: &Call<'_>, quantizer: &Quantizer, channel: usize) -> Result<Arc<Quantizer>, Fault> {
    match quantizer {
        Quantizer::PerChannel { channels, .. } if channel < channels.len() => {
            Ok(Arc::new(Quantizer::PerTensor(channels[channel])))
        }
        _ => Err(Fault::unsupported(format!("{} of one channel with a float zero point", call.name()))),
    }
}
