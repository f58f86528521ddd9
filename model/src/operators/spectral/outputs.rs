//! Transforms that write an `out`: of any complex dtype, or of any float, where the result is real.

use crate::operators::out::{copy, write};
use crate::operators::output::Accepts;
use crate::operators::{Call, Destination, Fault};
use crate::value::Value;

/// The name that PyTorch's messages have, by the operator's: those along several dimensions share one.
fn named(operator: &str) -> &str {
    match operator.trim_start_matches("aten::fft_") {
        "fft2" | "ifft2" | "ifftn" => "fftn",
        "rfft2" => "rfftn",
        "irfft2" => "irfftn",
        "hfft2" => "hfftn",
        "ihfft2" => "ihfftn",
        other => other,
    }
}

pub(super) fn complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| {
        let dtype = out.dtype();
        if !dtype.is_complex() {
            let (name, found) = (named(call.operator.name), dtype.scalar_type_name());
            return Err(Fault::raised(format!("{name} expects a complex output tensor, but got {found}")));
        }
        copy(call, out, result)
    })
}

pub(super) fn real(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| {
        let dtype = out.dtype();
        if !dtype.is_floating_point() {
            let (name, found) = (named(call.operator.name), dtype.scalar_type_name());
            return Err(Fault::raised(format!("{name} expects a floating point output tensor, but got {found}")));
        }
        copy(call, out, result)
    })
}

/// `ihfft`: the conjugates of a transform are what is written, so `out` has their dtype and strides.
pub(super) fn conjugates(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| {
        if !out.dtype().is_complex() {
            let found = out.dtype().scalar_type_name();
            return Err(Fault::raised(format!("ihfft expects a complex output tensor, but got {found}")));
        }
        Destination::Out(out, Accepts::Found).receive(call, result)
    })
}
