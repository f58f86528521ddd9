//! What a dict can do. Entries keep the order in which their keys came; setting a key again keeps its place, and a
//! key that was deleted comes last when it returns.

use std::sync::Arc;

use super::{check_room, new_list, rows};
use crate::operators::text::value_text;
use crate::operators::{Call, Fault, Kernel};
use crate::types::Type;
use crate::value::{Dict, DictContent, Key, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    get_item =>
        "aten::__getitem__.Dict_str" "aten::__getitem__.Dict_int" "aten::__getitem__.Dict_bool"
        "aten::__getitem__.Dict_float" "aten::__getitem__.Dict_complex" "aten::__getitem__.Dict_Tensor";
    set_item =>
        "aten::_set_item.str" "aten::_set_item.int" "aten::_set_item.bool"
        "aten::_set_item.float" "aten::_set_item.complex" "aten::_set_item.Tensor";
    delete =>
        "aten::Delete.Dict_str" "aten::Delete.Dict_int" "aten::Delete.Dict_bool"
        "aten::Delete.Dict_float" "aten::Delete.Dict_complex" "aten::Delete.Dict_Tensor";
    keys =>
        "aten::keys.str" "aten::keys.int" "aten::keys.bool"
        "aten::keys.float" "aten::keys.complex" "aten::keys.Tensor";
    values =>
        "aten::values.str" "aten::values.int" "aten::values.bool"
        "aten::values.float" "aten::values.complex" "aten::values.Tensor";
    items =>
        "aten::items.str" "aten::items.int" "aten::items.bool"
        "aten::items.float" "aten::items.complex" "aten::items.Tensor";
    get =>
        "aten::get.str" "aten::get.int" "aten::get.bool"
        "aten::get.float" "aten::get.complex" "aten::get.Tensor";
    get_or =>
        "aten::get.default_str" "aten::get.default_int" "aten::get.default_bool"
        "aten::get.default_float" "aten::get.default_complex" "aten::get.default_Tensor";
    set_default =>
        "aten::setdefault.str" "aten::setdefault.int" "aten::setdefault.bool"
        "aten::setdefault.float" "aten::setdefault.complex" "aten::setdefault.Tensor";
    pop =>
        "aten::pop.Dict_str" "aten::pop.Dict_int" "aten::pop.Dict_bool"
        "aten::pop.Dict_float" "aten::pop.Dict_complex" "aten::pop.Dict_Tensor";
    pop_or =>
        "aten::pop.Dict_default_str" "aten::pop.Dict_default_int" "aten::pop.Dict_default_bool"
        "aten::pop.Dict_default_float" "aten::pop.Dict_default_complex" "aten::pop.Dict_default_Tensor";
    pop_item =>
        "aten::popitem.str" "aten::popitem.int" "aten::popitem.bool"
        "aten::popitem.float" "aten::popitem.complex" "aten::popitem.Tensor";
    update =>
        "aten::update.str" "aten::update.int" "aten::update.bool"
        "aten::update.float" "aten::update.complex" "aten::update.Tensor";
    clear =>
        "aten::clear.str" "aten::clear.int" "aten::clear.bool"
        "aten::clear.float" "aten::clear.complex" "aten::clear.Tensor";
    copy =>
        "aten::copy.Dict_str" "aten::copy.Dict_int" "aten::copy.Dict_bool"
        "aten::copy.Dict_float" "aten::copy.Dict_complex" "aten::copy.Dict_Tensor";
    copy =>
        "aten::dict.Dict_str" "aten::dict.Dict_int" "aten::dict.Dict_bool"
        "aten::dict.Dict_float" "aten::dict.Dict_complex" "aten::dict.Dict_Tensor";
    |call| Ok(Value::Bool(dict(call)?.slot().lock().entries.contains_key(&key(call)?))) =>
        "aten::__contains__.str" "aten::__contains__.int" "aten::__contains__.bool"
        "aten::__contains__.float" "aten::__contains__.complex" "aten::__contains__.Tensor";
    |call| Ok(Value::Int(dict(call)?.slot().lock().entries.len() as i64)) =>
        "aten::len.Dict_str" "aten::len.Dict_int" "aten::len.Dict_bool"
        "aten::len.Dict_float" "aten::len.Dict_complex" "aten::len.Dict_Tensor";
};

/// The dict that is the first argument.
fn dict<'a>(call: &Call<'a>) -> Result<&'a Dict, Fault> {
    match call.value(0) {
        Value::Dict(dict) => Ok(dict),
        _ => Err(call.wrong(0, "a dict")),
    }
}

/// The key that is the second argument.
fn key(call: &Call<'_>) -> Result<Key, Fault> {
    Key::from_value(call.value(1)).ok_or_else(|| call.wrong(1, "a key"))
}

fn missing(call: &Call<'_>) -> Fault {
    match value_text(call.value(1), call.allocator.memory()) {
        Ok(text) => Fault::raised(format!("KeyError: {text}")),
        Err(fault) => fault,
    }
}

fn found(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    Ok(dict(call)?.slot().lock().entries.get(&key(call)?).cloned())
}

fn get_item(call: &mut Call<'_>) -> Result<Value, Fault> {
    found(call)?.ok_or_else(|| missing(call))
}

fn get(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(found(call)?.unwrap_or(Value::None))
}

fn get_or(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(found(call)?.unwrap_or_else(|| call.value(2).clone()))
}

fn set_item(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (key, value) = (key(call)?, call.value(2).clone());
    insert(call, key, value)?;
    Ok(Value::None)
}

/// Refuses a dict that grows beyond what could be had, when it is about to move.
fn insert(call: &Call<'_>, key: Key, value: Value) -> Result<(), Fault> {
    dict(call)?.slot().update(|dict| {
        if dict.entries.len() == dict.entries.capacity() {
            // A key takes as much as a value, and the index of the hashes is less than that.
            check_room(call, 4 * dict.entries.len() as u64)?;
        }
        dict.entries.insert(key, value);
        Ok(())
    })
}

fn set_default(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (key, default) = (key(call)?, call.value(2).clone());
    if let Some(value) = found(call)? {
        return Ok(value);
    }
    insert(call, key, default.clone())?;
    Ok(default)
}

fn taken(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let key = key(call)?;
    Ok(dict(call)?.slot().update(|dict| dict.entries.shift_remove(&key)))
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fault> {
    taken(call)?.map(|_| Value::None).ok_or_else(|| missing(call))
}

fn pop(call: &mut Call<'_>) -> Result<Value, Fault> {
    taken(call)?.ok_or_else(|| missing(call))
}

fn pop_or(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(taken(call)?.unwrap_or_else(|| call.value(2).clone()))
}

/// The first entry, not the last as in Python.
fn pop_item(call: &mut Call<'_>) -> Result<Value, Fault> {
    match dict(call)?.slot().update(|dict| dict.entries.shift_remove_index(0)) {
        Some((key, value)) => Ok(Value::tuple([key.to_value(), value])),
        None => Err(Fault::raised("popitem(): dictionary is empty")),
    }
}

fn keys(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = dict(call)?.content();
    Ok(new_list(call, content.key.clone(), content.entries.keys().map(Key::to_value).collect()))
}

fn values(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = dict(call)?.content();
    Ok(new_list(call, content.value.clone(), content.entries.values().cloned().collect()))
}

fn items(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = dict(call)?.content();
    let item = Type::tuple([content.key.clone(), content.value.clone()]);
    let pairs = content.entries.iter().map(|(key, value)| Value::tuple([key.to_value(), value.clone()])).collect();
    Ok(new_list(call, item, pairs))
}

fn update(call: &mut Call<'_>) -> Result<Value, Fault> {
    let more = match call.value(1) {
        Value::Dict(more) => more.content(),
        _ => return Err(call.wrong(1, "a dict")),
    };
    let entries = more.entries.iter().map(|(key, value)| (key.clone(), value.clone()));
    dict(call)?.slot().update(|dict| dict.entries.extend(entries));
    Ok(Value::None)
}

fn clear(call: &mut Call<'_>) -> Result<Value, Fault> {
    dict(call)?.slot().update(|dict| dict.entries.clear());
    Ok(Value::None)
}

fn copy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content: Arc<DictContent> = dict(call)?.content();
    Ok(Value::Dict(Dict::new(call.allocator, DictContent::clone(&content))))
}
