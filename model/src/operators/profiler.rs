//! `record_function`: networks say what they are doing to a profiler. There is none, so nobody listens.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Call, Correction, Fault, Kernel};
use crate::module::{Class, ClassKind};
use crate::tensor::DType;
use crate::value::{Object, Value};

pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[&[
    ("profiler::_record_function_enter", |call| call.zeros(DType::UInt8, &[1]).map(Value::Tensor)),
    ("profiler::_record_function_enter_new", enter),
    ("profiler::_record_function_exit", |_| Ok(Value::None)),
    ("profiler::_record_function_exit._RecordFunction", |_| Ok(Value::None)),
]];

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

/// A new object without attributes, which is given back at the end.
fn enter(call: &mut Call<'_>) -> Result<Value, Fault> {
    let class = Class {
        name: "__torch__.torch.classes.profiler._RecordFunction".into(),
        kind: ClassKind::Plain,
        attributes: Vec::new(),
        constants: BTreeMap::new(),
        methods: BTreeMap::new(),
    };
    Ok(Value::Object(Object::new(call.allocator, Arc::new(class), Vec::new())))
}
