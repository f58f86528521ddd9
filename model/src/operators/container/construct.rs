//! Dicts made from pairs.

use super::rows;
use crate::operators::{Call, Fault, Kernel};
use crate::types::Type;
use crate::value::{Dict, DictContent, Key, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    empty => "aten::dict";
    from_pairs => "aten::dict.str" "aten::dict.int" "aten::dict.bool" "aten::dict.float" "aten::dict.complex"
        "aten::dict.Tensor";
};

fn empty(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = DictContent { key: Type::Str, value: Type::Tensor, entries: Default::default() };
    Ok(Value::Dict(Dict::new(call.allocator, content)))
}

/// Of several pairs with one key the last gives the value, the first the place.
fn from_pairs(call: &mut Call<'_>) -> Result<Value, Fault> {
    let pairs = call.list(0)?.content();
    let (key, value) = match &pairs.item {
        Type::Tuple(types) if types.len() == 2 => (types[0].clone(), types[1].clone()),
        _ => return Err(call.wrong(0, "a list of pairs")),
    };
    let mut content = DictContent { key, value, entries: Default::default() };
    for pair in &pairs.items {
        let entry = match pair {
            Value::Tuple(pair) if pair.len() == 2 => Key::from_value(&pair[0]).map(|key| (key, pair[1].clone())),
            _ => None,
        };
        let (key, value) = entry.ok_or_else(|| call.wrong(0, "a list of pairs"))?;
        content.entries.insert(key, value);
    }
    Ok(Value::Dict(Dict::new(call.allocator, content)))
}
