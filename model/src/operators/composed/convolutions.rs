//! Convolutions under the names of those who compute them on some machine: a network that was frozen or optimised has
//! them.

use crate::operators::{Call, Fault, Kernel};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::_conv_depthwise2d", depthwise),
    ("aten::_slow_conv2d_forward", |call| convolution(call, false, Value::Int(1))),
    ("aten::conv_depthwise3d", depthwise),
    ("aten::cudnn_convolution", grouped),
    ("aten::cudnn_convolution_relu", |call| {
        let convolved = grouped(call)?;
        call.run("aten::relu", &[convolved])
    }),
    ("aten::mkldnn_convolution", grouped),
    ("aten::slow_conv3d", |call| convolution(call, false, Value::Int(1))),
    ("aten::slow_conv_dilated2d", |call| convolution(call, false, Value::Int(1))),
    ("aten::slow_conv_transpose2d", |call| convolution(call, true, Value::Int(1))),
    ("aten::slow_conv_transpose3d", |call| convolution(call, true, Value::Int(1))),
    ("aten::thnn_conv2d", |call| convolution(call, false, Value::Int(1))),
];

fn grouped(call: &mut Call<'_>) -> Result {
    let groups = call.position("groups").expect("a convolution in groups");
    convolution(call, false, call.value(groups).clone())
}

/// Each channel is a group.
fn depthwise(call: &mut Call<'_>) -> Result {
    let channels = call.tensor(0)?.sizes().get(1).copied().unwrap_or(1);
    convolution(call, false, Value::Int(channels))
}

/// The arguments go by their names, since everybody has an order of his own.
fn convolution(call: &mut Call<'_>, transposed: bool, groups: Value) -> Result {
    let spatial = call.tensor(0)?.sizes().len().saturating_sub(2);
    let mut named = |name: &str, default: i64| match call.position(name) {
        Some(i) => call.value(i).clone(),
        None => call.int_list(&vec![default; spatial]),
    };
    let (stride, padding, dilation) = (named("stride", 1), named("padding", 0), named("dilation", 1));
    let output_padding = named("output_padding", 0);
    let bias = call.position("bias").map_or(Value::None, |i| call.value(i).clone());
    let (input, weight) = (call.value(0).clone(), call.value(1).clone());
    let args = [input, weight, bias, stride, padding, dilation, Value::Bool(transposed), output_padding, groups];
    call.run("aten::convolution", &args)
}
