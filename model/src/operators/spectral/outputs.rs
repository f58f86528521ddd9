//! Transforms that write an `out`: of any complex dtype, or of any float, where the result is real.

use crate::operators::out::{copy, write};
use crate::operators::output::Accepts;
use crate::operators::{Call, Destination, Fault};
use crate::tensor::Tensor;
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
        expect(call, out, "complex", out.dtype().is_complex())?;
        copy(call, out, result)
    })
}

pub(super) fn real(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| {
        expect(call, out, "floating point", out.dtype().is_floating_point())?;
        copy(call, out, result)
    })
}

/// `ihfft`: the conjugates of a transform are what is written, so `out` has their dtype and strides.
pub(super) fn conjugates(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| {
        expect(call, out, "complex", out.dtype().is_complex())?;
        Destination::Out(out, Accepts::Found).receive(call, result)
    })
}

/// Raises what PyTorch does if `out` is not of the kind that a transform gives.
fn expect(call: &Call<'_>, out: &Tensor, kind: &str, is_so: bool) -> Result<(), Fault> {
    if is_so {
        return Ok(());
    }
    let (name, found) = (named(call.operator.name), out.dtype().scalar_type_name());
    Err(Fault::raised(format!("{name} expects a {kind} output tensor, but got {found}")))
}
