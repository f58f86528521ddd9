//! Operators that tell something of a tensor's metadata.

use super::super::{Call, Correction, Fault, Kernel};
use super::layouts::wrap_existing_dim;
use crate::tensor::{DType, Dims, Layout, Metadata};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

/// A row whose operator tells the metadata of its first argument.
macro_rules! tells {
    ($told:expr) => {
        |call| Ok($told(&call.tensor(0)?.metadata()).told())
    };
}

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::dim", tells!(rank)),
    ("aten::element_size", tells!(item_size)),
    ("aten::get_device", tells!(|_: &Metadata| -1)),
    ("aten::is_coalesced", |_| {
        Err(Fault::raised("is_coalesced expected sparse coordinate tensor layout but got Strided"))
    }),
    ("aten::is_complex", tells!(|x: &Metadata| x.dtype.is_complex())),
    ("aten::is_conj", tells!(never)),
    ("aten::is_contiguous", tells!(|x: &Metadata| x.layout.is_contiguous())),
    ("aten::is_contiguous.memory_format", is_contiguous),
    ("aten::is_distributed", tells!(never)),
    ("aten::is_floating_point", tells!(|x: &Metadata| x.dtype.is_floating_point())),
    ("aten::is_inference", tells!(never)),
    ("aten::is_leaf", tells!(|_: &Metadata| true)),
    ("aten::is_neg", tells!(never)),
    ("aten::is_non_overlapping_and_dense", tells!(|x: &Metadata| x.layout.is_dense())),
    ("aten::is_pinned", tells!(never)),
    ("aten::is_same_size", |call| Ok(Value::Bool(call.tensor(0)?.sizes() == call.tensor(1)?.sizes()))),
    ("aten::is_set_to", is_set_to),
    ("aten::is_signed", tells!(|x: &Metadata| is_signed(x.dtype))),
    ("aten::len.Tensor", len),
    ("aten::numel", tells!(count)),
    ("aten::size", |call| sizes(call, |layout| layout.sizes().into())),
    ("aten::size.int", |call| one(call, |layout, dim| layout.sizes()[dim])),
    ("aten::storage_offset", tells!(|x: &Metadata| x.layout.offset())),
    ("aten::stride", |call| sizes(call, |layout| layout.strides().into())),
    ("aten::stride.int", |call| one(call, |layout, dim| layout.strides()[dim])),
    ("aten::sym_numel", tells!(count)),
    ("aten::sym_size", |call| sizes(call, |layout| layout.sizes().into())),
    ("aten::sym_size.int", |call| one(call, |layout, dim| layout.sizes()[dim])),
    ("aten::sym_storage_offset", tells!(|x: &Metadata| x.layout.offset())),
    ("aten::sym_stride", |call| sizes(call, |layout| layout.strides().into())),
    ("aten::sym_stride.int", |call| one(call, |layout, dim| layout.strides()[dim])),
    ("prim::device", |_| Ok(Value::Device("cpu".into()))),
    ("prim::dtype", tells!(|x: &Metadata| x.dtype.code())),
    ("prim::is_cpu", tells!(|_: &Metadata| true)),
    ("prim::is_cuda", tells!(never)),
    ("prim::is_ipu", tells!(never)),
    ("prim::is_maia", tells!(never)),
    ("prim::is_meta", tells!(never)),
    ("prim::is_mkldnn", tells!(never)),
    ("prim::is_mps", tells!(never)),
    ("prim::is_mtia", tells!(never)),
    ("prim::is_nested", tells!(never)),
    ("prim::is_quantized", tells!(|x: &Metadata| x.dtype.is_quantized())),
    ("prim::is_sparse", tells!(never)),
    ("prim::is_sparse_csr", tells!(never)),
    ("prim::is_vulkan", tells!(never)),
    ("prim::is_xla", tells!(never)),
    ("prim::is_xpu", tells!(never)),
    ("prim::itemsize", tells!(item_size)),
    ("prim::layout", tells!(|_: &Metadata| 0)),
    ("prim::name", |_| Ok(Value::None)),
    ("prim::nbytes", tells!(|x: &Metadata| count(x) * item_size(x))),
    ("prim::requires_grad", tells!(|x: &Metadata| x.requires_grad)),
];

/// None looks at an element.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::dim", SHAPE_ONLY),
    ("aten::element_size", SHAPE_ONLY),
    ("aten::get_device", SHAPE_ONLY),
    ("aten::is_coalesced", SHAPE_ONLY),
    ("aten::is_complex", SHAPE_ONLY),
    ("aten::is_conj", SHAPE_ONLY),
    ("aten::is_contiguous", SHAPE_ONLY),
    ("aten::is_contiguous.memory_format", SHAPE_ONLY),
    ("aten::is_distributed", SHAPE_ONLY),
    ("aten::is_floating_point", SHAPE_ONLY),
    ("aten::is_inference", SHAPE_ONLY),
    ("aten::is_leaf", SHAPE_ONLY),
    ("aten::is_neg", SHAPE_ONLY),
    ("aten::is_non_overlapping_and_dense", SHAPE_ONLY),
    ("aten::is_pinned", SHAPE_ONLY),
    ("aten::is_same_size", SHAPE_ONLY),
    ("aten::is_set_to", SHAPE_ONLY),
    ("aten::is_signed", SHAPE_ONLY),
    ("aten::len.Tensor", SHAPE_ONLY),
    ("aten::numel", SHAPE_ONLY),
    ("aten::size", SHAPE_ONLY),
    ("aten::size.int", SHAPE_ONLY),
    ("aten::storage_offset", SHAPE_ONLY),
    ("aten::stride", SHAPE_ONLY),
    ("aten::stride.int", SHAPE_ONLY),
    ("aten::sym_numel", SHAPE_ONLY),
    ("aten::sym_size", SHAPE_ONLY),
    ("aten::sym_size.int", SHAPE_ONLY),
    ("aten::sym_storage_offset", SHAPE_ONLY),
    ("aten::sym_stride", SHAPE_ONLY),
    ("aten::sym_stride.int", SHAPE_ONLY),
    ("prim::device", SHAPE_ONLY),
    ("prim::dtype", SHAPE_ONLY),
    ("prim::is_cpu", SHAPE_ONLY),
    ("prim::is_cuda", SHAPE_ONLY),
    ("prim::is_ipu", SHAPE_ONLY),
    ("prim::is_maia", SHAPE_ONLY),
    ("prim::is_meta", SHAPE_ONLY),
    ("prim::is_mkldnn", SHAPE_ONLY),
    ("prim::is_mps", SHAPE_ONLY),
    ("prim::is_mtia", SHAPE_ONLY),
    ("prim::is_nested", SHAPE_ONLY),
    ("prim::is_quantized", SHAPE_ONLY),
    ("prim::is_sparse", SHAPE_ONLY),
    ("prim::is_sparse_csr", SHAPE_ONLY),
    ("prim::is_vulkan", SHAPE_ONLY),
    ("prim::is_xla", SHAPE_ONLY),
    ("prim::is_xpu", SHAPE_ONLY),
    ("prim::itemsize", SHAPE_ONLY),
    ("prim::layout", SHAPE_ONLY),
    ("prim::name", SHAPE_ONLY),
    ("prim::nbytes", SHAPE_ONLY),
    ("prim::requires_grad", SHAPE_ONLY),
];

const SHAPE_ONLY: &[Correction] = &[Correction::ShapeOnly];

fn never(_: &Metadata) -> bool {
    false
}

fn rank(metadata: &Metadata) -> i64 {
    metadata.layout.rank() as i64
}

fn item_size(metadata: &Metadata) -> i64 {
    metadata.dtype.size() as i64
}

fn count(metadata: &Metadata) -> i64 {
    metadata.layout.numel()
}

fn is_signed(dtype: DType) -> bool {
    use DType::*;
    !matches!(dtype, UInt8 | UInt16 | UInt32 | UInt64 | Bool | QUInt8 | QUInt4x2 | QUInt2x4)
}

fn sizes(call: &mut Call<'_>, told: fn(&Layout) -> Dims) -> Result<Value, Fault> {
    let told = told(&call.tensor(0)?.metadata().layout);
    let items = told.into_iter().map(Value::Int).collect();
    Ok(Value::List(List::new(call.allocator, ListContent { item: Type::Int, items })))
}

fn one(call: &mut Call<'_>, told: fn(&Layout, usize) -> i64) -> Result<Value, Fault> {
    let metadata = call.tensor(0)?.metadata();
    let dim = wrap_existing_dim(call.int(1)?, metadata.layout.rank())?;
    Ok(Value::Int(told(&metadata.layout, dim)))
}

fn len(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.tensor(0)?.sizes().first() {
        Some(&size) => Ok(Value::Int(size)),
        None => Err(Fault::raised("len() of a 0-d tensor")),
    }
}

fn is_set_to(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?.metadata(), call.tensor(1)?.metadata());
    Ok(Value::Bool(a.storage.is(&b.storage) && a.layout == b.layout))
}

fn is_contiguous(call: &mut Call<'_>) -> Result<Value, Fault> {
    let metadata = call.tensor(0)?.metadata();
    let layout = &metadata.layout;
    Ok(Value::Bool(match call.int(1)? {
        2 => is_channels_last(layout, &[1, 3, 2, 0]),
        3 => is_channels_last(layout, &[1, 4, 3, 2, 0]),
        _ => layout.is_contiguous(),
    }))
}

/// Whether the elements lie without gaps with the dimensions in this order, the fastest first.
fn is_channels_last(layout: &Layout, order: &[usize]) -> bool {
    if layout.rank() != order.len() {
        return false;
    }
    let mut expected = 1i64;
    for &dim in order {
        let size = layout.sizes()[dim];
        if size != 1 {
            if layout.strides()[dim] != expected {
                return false;
            }
            expected = expected.saturating_mul(size);
        }
    }
    true
}

/// What a reader tells, as a value.
trait Told {
    fn told(self) -> Value;
}

impl Told for bool {
    fn told(self) -> Value {
        Value::Bool(self)
    }
}

impl Told for i64 {
    fn told(self) -> Value {
        Value::Int(self)
    }
}
