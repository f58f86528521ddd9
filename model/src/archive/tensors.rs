//! Tensors out of a pickle: every number is checked against the storage before a tensor is made of it.

use std::sync::Arc;

use super::globals::Global;
use super::pickle::{Call, Node, NodeId, StorageId};
use super::rebuild::Builder;
use crate::error::Error;
use crate::tensor::Metadata;
use crate::tensor::layout::Dims;
use crate::tensor::storage::Content;
use crate::tensor::{Affine, DType, Layout, Quantizer, Storage, Tensor};
use crate::value::Value;

impl Builder<'_> {
    /// `_rebuild_qtensor(storage, offset, sizes, strides, quantizer, requires_grad, hooks)`,
    /// `_rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks[, metadata])`, `_v3` with the dtype
    /// behind the hooks, or `_rebuild_from_type_v2(rebuilder, class, arguments, state)`.
    pub(super) fn tensor(&mut self, id: NodeId, call: &Call) -> Result<Value, Error> {
        let pickle = self.pickle;
        let (mut function, mut arguments) = (&call.function, call.arguments);
        if *function == Global::FromType {
            let &[rebuilder, class, inner, _state] = pickle.tuple(arguments, "four arguments")? else {
                return Err(pickle.unexpected(arguments, "four arguments"));
            };
            if !matches!(pickle.node(class), Node::Global(global) if **global == Global::TensorClass) {
                return Err(pickle.unexpected(class, "a plain tensor"));
            }
            let Node::Global(global) = pickle.node(rebuilder) else {
                return Err(pickle.unexpected(rebuilder, "a rebuilder of tensors"));
            };
            (function, arguments) = (global, inner);
        }
        let mut items = pickle.tuple(arguments, "the arguments of a tensor")?.to_vec();
        let quantizer = match *function == Global::QuantizedTensor && items.len() > 4 {
            true => Some(Arc::new(self.quantizer(items.remove(4))?)),
            false => None,
        };
        let &[storage, offset, sizes, strides, requires_grad, _hooks, ref rest @ ..] = &items[..] else {
            return Err(pickle.unexpected(arguments, "six arguments of a tensor"));
        };
        let Node::Storage(storage_id) = pickle.node(storage) else {
            return Err(pickle.unexpected(storage, "a storage"));
        };
        let (dtype, extra) = match (function, rest) {
            (Global::Tensor | Global::QuantizedTensor, extra) => {
                (storage_id.dtype.ok_or_else(|| pickle.unexpected(storage, "a typed storage"))?, extra)
            }
            (Global::TensorWithDtype, &[dtype, ref extra @ ..]) => (self.dtype(dtype)?, extra),
            _ => return Err(pickle.unexpected(arguments, "the arguments of a tensor")),
        };
        // Views that are conjugated or negated lazily say so here.
        if let Some(&extra) =
            extra.first().filter(|&&extra| !matches!(pickle.node(extra), Node::Dict(entries) if entries.is_empty()))
        {
            return Err(pickle.unexpected(extra, "a tensor without a lazy conjugation or negation"));
        }
        let Node::Bool(requires_grad) = *pickle.node(requires_grad) else {
            return Err(pickle.unexpected(requires_grad, "whether gradients are required"));
        };
        if dtype.is_quantized() != quantizer.is_some() {
            return Err(pickle.error(id, format!("expected no tensor of {} elements here", dtype.name())));
        }
        let layout = self.layout(sizes, strides, offset)?;
        let storage = self.storage(storage, storage_id)?;
        self.check_fit(id, &layout, dtype, &storage)?;
        self.check_channels(id, &layout, quantizer.as_deref())?;
        let metadata = Metadata { storage, dtype, layout, requires_grad, quantizer, nested: None };
        Ok(Value::Tensor(Tensor::with(self.allocator, metadata)))
    }

    /// `(scheme, scale, zero point)`, or `(scheme, scales, zero points, axis)` with two tensors.
    fn quantizer(&self, id: NodeId) -> Result<Quantizer, Error> {
        let pickle = self.pickle;
        let expected = "how a tensor is quantized";
        let items = pickle.tuple(id, expected)?;
        let scheme = items.first().map(|&scheme| pickle.node(scheme));
        let Some(Node::Global(scheme)) = scheme else { return Err(pickle.unexpected(id, expected)) };
        let Global::QuantizationScheme(scheme) = **scheme else { return Err(pickle.unexpected(id, expected)) };
        match (scheme, &items[1..]) {
            ("per_tensor_affine", &[scale, zero_point]) => match *pickle.node(scale) {
                Node::Float(scale) => Ok(Quantizer::per_tensor(scale, pickle.int(zero_point, "a zero point")?)),
                _ => Err(pickle.unexpected(scale, "a scale")),
            },
            (_, &[scales, zero_points, axis]) if scheme != "per_tensor_affine" => {
                let numbers = |id: NodeId| match self.built(id) {
                    Value::Tensor(tensor) => {
                        let numbers = tensor.to_f64s(self.allocator.memory());
                        numbers.map_err(|_| pickle.unexpected(id, "a tensor of numbers"))
                    }
                    _ => Err(pickle.unexpected(id, "a tensor of numbers")),
                };
                let (scales, zero_points) = (numbers(scales)?, numbers(zero_points)?);
                if scales.len() != zero_points.len() {
                    return Err(pickle.error(id, "expected as many zero points as scales"));
                }
                let axis = usize::try_from(pickle.int(axis, "an axis")?);
                let axis = axis.map_err(|_| pickle.unexpected(id, "an axis that is not negative"))?;
                let pairs = scales.into_iter().zip(zero_points);
                Ok(if scheme == "per_channel_affine" {
                    let channels = pairs.map(|(scale, zero)| Affine { scale, zero_point: zero as i64 }).collect();
                    Quantizer::PerChannel { channels, axis }
                } else {
                    let channels = pairs.map(|(scale, zero)| (scale as f32, zero as f32)).collect();
                    Quantizer::PerChannelFloat { channels, axis }
                })
            }
            _ => Err(pickle.unexpected(id, expected)),
        }
    }

    /// The tensors among the arguments of a quantized tensor: the scales and zero points of its channels.
    pub(super) fn channels_of(&self, call: &Call) -> Vec<NodeId> {
        let pickle = self.pickle;
        let arguments = pickle.tuple(call.arguments, "").unwrap_or_default();
        let quantizer = arguments.get(4).and_then(|&quantizer| pickle.tuple(quantizer, "").ok()).unwrap_or_default();
        quantizer.iter().copied().filter(|&id| matches!(pickle.node(id), Node::Call(_))).collect()
    }

    fn check_channels(&self, id: NodeId, layout: &Layout, quantizer: Option<&Quantizer>) -> Result<(), Error> {
        let Some((channels, axis)) = quantizer.and_then(Quantizer::slices) else { return Ok(()) };
        match layout.sizes().get(axis) {
            Some(&size) if size == channels as i64 => Ok(()),
            _ => {
                let sizes = layout.sizes();
                let message =
                    format!("expected a scale for each channel, found {channels} for axis {axis} of {sizes:?}");
                Err(self.pickle.error(id, message))
            }
        }
    }

    /// `_rebuild_parameter(tensor, requires_grad, hooks)`: the tensor itself, shared with who else has it.
    pub(super) fn parameter(&mut self, call: &Call) -> Result<Value, Error> {
        let pickle = self.pickle;
        let &[data, requires_grad, ..] = pickle.tuple(call.arguments, "the arguments of a parameter")? else {
            return Err(pickle.unexpected(call.arguments, "the arguments of a parameter"));
        };
        let Value::Tensor(tensor) = self.built(data) else {
            return Err(pickle.unexpected(data, "a tensor"));
        };
        let Node::Bool(requires_grad) = *pickle.node(requires_grad) else {
            return Err(pickle.unexpected(requires_grad, "whether gradients are required"));
        };
        // A new handle, as in Python: the parameter shares the memory, but it is not the tensor it was made of.
        let metadata = Metadata { requires_grad, ..(*tensor.metadata()).clone() };
        Ok(Value::Tensor(Tensor::with(self.allocator, metadata)))
    }

    fn dtype(&self, id: NodeId) -> Result<DType, Error> {
        match self.pickle.node(id) {
            Node::Global(global) => match **global {
                Global::DType(dtype) => Ok(dtype),
                _ => Err(self.pickle.unexpected(id, "a dtype")),
            },
            _ => Err(self.pickle.unexpected(id, "a dtype")),
        }
    }

    fn layout(&self, sizes: NodeId, strides: NodeId, offset: NodeId) -> Result<Layout, Error> {
        let pickle = self.pickle;
        let numbers = |id: NodeId, what: &str| -> Result<Dims, Error> {
            let items = match pickle.node(id) {
                Node::Tuple(items) => items,
                // `torch.Size` around a tuple.
                Node::Call(call) if call.function == Global::Size => match *pickle.tuple(call.arguments, what)? {
                    [inner] => pickle.tuple(inner, what)?,
                    _ => return Err(pickle.unexpected(call.arguments, what)),
                },
                _ => return Err(pickle.unexpected(id, what)),
            };
            items
                .iter()
                .map(|&item| pickle.int(item, what).and_then(|value| not_negative(self, item, value, what)))
                .collect()
        };
        let (size_list, stride_list) = (numbers(sizes, "a size")?, numbers(strides, "a stride")?);
        if size_list.len() != stride_list.len() {
            let (sizes, strides) = (size_list.len(), stride_list.len());
            return Err(pickle.error(offset, format!("expected as many strides as sizes, found {strides} for {sizes}")));
        }
        let offset_value =
            pickle.int(offset, "an offset").and_then(|value| not_negative(self, offset, value, "an offset"))?;
        if Layout::count(&size_list).is_none() {
            return Err(
                pickle.error(sizes, format!("the number of elements of a tensor of sizes {size_list:?} overflows"))
            );
        }
        Ok(Layout::strided(&size_list, &stride_list, offset_value))
    }

    /// The storage that `id` names; the same one for everybody who names its key.
    fn storage(&mut self, node: NodeId, id: &StorageId) -> Result<Storage, Error> {
        if let Some(storage) = self.storages.get(&id.key) {
            return Ok(storage.clone());
        }
        let missing = || self.pickle.error(node, format!("the storage `{}` is missing", id.key));
        let bytes = self.records.get(&id.key).ok_or_else(missing)?;
        let content = Content::from_bytes(bytes, self.allocator.memory()).map_err(|full| {
            self.pickle
                .error(node, format!("a storage of {} bytes goes beyond the limit of {} bytes", full.asked, full.limit))
        })?;
        let storage = Storage::new(self.allocator, content);
        self.storages.insert(id.key.clone(), storage.clone());
        Ok(storage)
    }

    fn check_fit(&self, id: NodeId, layout: &Layout, dtype: DType, storage: &Storage) -> Result<(), Error> {
        let len = storage.slot().lock().len() as i64;
        let end = layout.end().and_then(|end| end.checked_mul(dtype.size() as i64));
        // An empty tensor touches nothing, wherever it lies.
        if layout.numel() == 0 || end.is_some_and(|end| end <= len) {
            return Ok(());
        }
        let (sizes, strides, offset) = (layout.sizes(), layout.strides(), layout.offset());
        let end = end.map_or_else(|| "beyond all numbers".to_owned(), |end| format!("to byte {end}"));
        let message =
            format!("sizes {sizes:?}, strides {strides:?} and offset {offset} reach {end} of a storage of {len} bytes");
        Err(self.pickle.error(id, message))
    }
}

fn not_negative(builder: &Builder<'_>, id: NodeId, value: i64, what: &str) -> Result<i64, Error> {
    if value < 0 {
        return Err(builder.pickle.unexpected(id, &format!("{what} that is not negative")));
    }
    Ok(value)
}
