//! What a pickle may name. Nothing is ever looked up or called: a name is on this list, or the file is refused.

use std::sync::Arc;

use crate::error::Error;
use crate::tensor::DType;
use crate::types::Type;

/// A name in a pickle, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Global {
    /// `torch._utils._rebuild_tensor_v2`: a tensor from its storage, whose class says the dtype.
    Tensor,
    /// `torch._utils._rebuild_tensor_v3`: a tensor from untyped bytes, with its dtype.
    TensorWithDtype,
    /// `torch._utils._rebuild_parameter` and its like with a state: a parameter is its tensor.
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2`: a tensor made by another rebuilder.
    FromType,
    /// `torch._utils._rebuild_qtensor`: a tensor whose elements stand for others.
    QuantizedTensor,
    /// A rebuilder of tensors that are known but not supported, such as sparse ones.
    UnsupportedTensor(&'static str),
    /// How elements are quantized, an argument of a quantized tensor's rebuilder: its name in Python.
    QuantizationScheme(&'static str),
    /// The Python class of a tensor, as an argument of `FromType`.
    TensorClass,
    /// `collections.OrderedDict`.
    OrderedDict,
    /// The class of a storage with typed elements.
    Storage(DType),
    /// `torch.storage.UntypedStorage`.
    UntypedStorage,
    /// A dtype as a value: `torch.uint16`.
    DType(DType),
    /// `torch.jit._pickle.build_*list`: a list of items of this type.
    TypedList(Type),
    /// `torch.jit._pickle.restore_type_tag`: a container with its type as text.
    TypeTag,
    /// `torch.device`.
    Device,
    /// `complex`.
    Complex,
    /// `torch.Size`.
    Size,
    /// A class of the archive's own code, by qualified name.
    Class(Arc<str>),
}

impl Global {
    /// Finds `module.name` on the list.
    pub fn find(module: &str, name: &str) -> Result<Global, Error> {
        Ok(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Global::Tensor,
            ("torch._utils", "_rebuild_tensor_v3") => Global::TensorWithDtype,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Global::FromType,
            ("torch._utils", "_rebuild_qtensor") => Global::QuantizedTensor,
            ("torch._utils", "_rebuild_sparse_tensor") => Global::UnsupportedTensor("sparse"),
            ("torch._utils", "_rebuild_meta_tensor_no_storage") => Global::UnsupportedTensor("meta"),
            ("torch._utils", "_rebuild_nested_tensor") => Global::UnsupportedTensor("nested"),
            ("torch", "per_tensor_affine") => Global::QuantizationScheme("per_tensor_affine"),
            ("torch", "per_channel_affine") => Global::QuantizationScheme("per_channel_affine"),
            ("torch", "per_channel_affine_float_qparams") => {
                Global::QuantizationScheme("per_channel_affine_float_qparams")
            }
            ("torch", "Tensor") | ("torch.nn.parameter", "Parameter" | "Buffer") => Global::TensorClass,
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch.storage", "UntypedStorage") => Global::UntypedStorage,
            ("torch.jit._pickle", "build_intlist") => Global::TypedList(Type::Int),
            ("torch.jit._pickle", "build_doublelist") => Global::TypedList(Type::Float),
            ("torch.jit._pickle", "build_boollist") => Global::TypedList(Type::Bool),
            ("torch.jit._pickle", "build_tensorlist") => Global::TypedList(Type::Tensor),
            ("torch.jit._pickle", "restore_type_tag") => Global::TypeTag,
            ("torch", "device") => Global::Device,
            ("torch", "Size") => Global::Size,
            ("builtins" | "__builtin__", "complex") => Global::Complex,
            ("torch", _) => return Self::find_in_torch(name),
            _ if module == "__torch__" || module.starts_with("__torch__.") => {
                Global::Class(format!("{module}.{name}").into())
            }
            _ => return Err(refused(module, name)),
        })
    }

    fn find_in_torch(name: &str) -> Result<Global, Error> {
        let Some(element) = name.strip_suffix("Storage") else {
            return DType::from_name(name).map(Global::DType).ok_or_else(|| refused("torch", name));
        };
        // TorchScript makes up classes that Python does not have, such as `UInt16Storage`.
        let dtype =
            (0..=i64::from(u8::MAX)).filter_map(DType::from_code).find(|dtype| dtype.scalar_type_name() == element);
        let unknown = || Error::new(format!("expected a known class of storages, found `torch.{name}`"));
        dtype.map(Global::Storage).ok_or_else(unknown)
    }
}

fn refused(module: &str, name: &str) -> Error {
    Error::new(format!(
        "the pickle names `{module}.{name}`, which no tensor or class of the archive needs; nothing was executed"
    ))
}
