//! Devices and dtypes. Names of devices are read as PyTorch reads them, whichever of them exist.

use super::rows;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::promote::{can_cast, promote};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| device(call.str(0)?) => "aten::device";
    |call| device(&format!("{}:{}", call.str(0)?, call.int(1)?)) => "aten::device.with_index";
    |call| Ok(Value::str(parts(call)?.0)) => "prim::type";
    |call| Ok(parts(call)?.1.map_or(Value::None, Value::Int)) => "prim::index";
    |call| Ok(Value::Int(parts(call)?.1.unwrap_or(-1))) => "cuda::device_index";
    |call| Ok(Value::Int(promote(call.dtype(0)?, call.dtype(1)?)?.code())) => "aten::promote_types";
    |call| Ok(Value::Bool(can_cast(call.dtype(0)?, call.dtype(1)?))) => "aten::can_cast";
    |call| {
        let (a, b) = (call.scalar(0)?, call.scalar(1)?);
        Ok(Value::Int(promote(a.dtype(), b.dtype())?.code()))
    } => "aten::result_type.Scalar_Scalar";
};

const TYPES: &str = "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, \
                     meta, hpu, mtia, privateuseone";

fn device(text: &str) -> Result<Value, Fault> {
    if text.is_empty() {
        return Err(Fault::raised("Device string must not be empty"));
    }
    let (kind, index) = text.split_once(':').map_or((text, None), |(kind, index)| (kind, Some(index)));
    let digits = |index: &str| {
        !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) && (index == "0" || !index.starts_with('0'))
    };
    if index.is_some_and(|index| !digits(index)) {
        return Err(Fault::raised(format!("Invalid device string: '{text}'")));
    }
    if !TYPES.split(", ").any(|known| known == kind) {
        return Err(Fault::raised(format!("Expected one of {TYPES} device type at start of device string: {kind}")));
    }
    Ok(Value::Device(text.into()))
}

/// The type and the index of the device that is the first argument.
fn parts<'a>(call: &Call<'a>) -> Result<(&'a str, Option<i64>), Fault> {
    match call.value(0) {
        Value::Device(text) => Ok(match text.split_once(':') {
            Some((kind, index)) => (kind, index.parse().ok()),
            None => (text, None),
        }),
        _ => Err(call.wrong(0, "a device")),
    }
}
