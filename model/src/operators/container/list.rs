//! What a list can do.

use super::{check_room, equal, new_list, place, rows, slice_places};
use crate::operators::text::value_text;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::broadcast::broadcast;
use crate::types::Type;
use crate::value::{ListContent, Value};

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    append => "aten::append.t";
    |call| extend(call).map(|()| Value::None) => "aten::extend.t";
    |call| extend(call).map(|()| call.value(0).clone()) => "aten::add_.t";
    insert => "aten::insert.t";
    pop => "aten::pop.t";
    remove => "aten::remove.int" "aten::remove.float" "aten::remove.bool" "aten::remove.str" "aten::remove.Tensor";
    delete => "aten::Delete.t";
    clear => "aten::clear.t";
    reverse => "aten::reverse.t";
    copy => "aten::copy.t" "aten::list.t" "aten::Size";
    get_item => "aten::__getitem__.t" "aten::select.t";
    set_item => "aten::_set_item.t";
    |call| Ok(Value::Int(call.list(0)?.slot().lock().items.len() as i64)) => "aten::len.t" "aten::len.any";
    infer_size => "aten::_infer_size";
    size_if_not_equal => "aten::_size_if_not_equal";
    slice => "aten::slice.t";
    add => "aten::add.t";
    |call| repeated(call, 0, 1) => "aten::mul.left_t";
    |call| repeated(call, 1, 0) => "aten::mul.right_";
    repeat_in_place => "aten::mul_.t";
    |call| Ok(Value::Bool(find(call)?.is_some())) =>
        "aten::__contains__.int_list" "aten::__contains__.float_list" "aten::__contains__.str_list";
    index => "aten::index.list_int" "aten::index.list_float" "aten::index.list_bool" "aten::index.list_str"
        "aten::index.list_Tensor";
    count => "aten::count.int" "aten::count.float" "aten::count.bool" "aten::count.str" "aten::count.Tensor";
};

fn append(call: &mut Call<'_>) -> Result<Value, Fault> {
    let item = call.value(1).clone();
    call.list(0)?.slot().update(|list| {
        check_growth(call, list)?;
        list.items.push(item);
        Ok(call.value(0).clone())
    })
}

/// Refuses a list that grows beyond what could be had, when it is about to move.
fn check_growth(call: &Call<'_>, list: &ListContent) -> Result<(), Fault> {
    if list.items.len() == list.items.capacity() { check_room(call, 2 * list.items.len() as u64) } else { Ok(()) }
}

fn extend(call: &Call<'_>) -> Result<(), Fault> {
    let (slot, more) = (call.list(0)?.slot(), call.list(1)?.content());
    check_room(call, (slot.lock().items.len() + more.items.len()) as u64)?;
    slot.update(|list| list.items.extend_from_slice(&more.items));
    Ok(())
}

/// An index beyond the ends inserts there.
fn insert(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (index, item) = (call.int(1)?, call.value(2).clone());
    call.list(0)?.slot().update(|list| {
        check_growth(call, list)?;
        let len = list.items.len() as i64;
        let at = if index < 0 { index.saturating_add(len) } else { index }.clamp(0, len);
        list.items.insert(at as usize, item);
        Ok(Value::None)
    })
}

fn pop(call: &mut Call<'_>) -> Result<Value, Fault> {
    let index = call.int(1)?;
    let slot = call.list(0)?.slot();
    let len = slot.lock().items.len();
    if len == 0 {
        return Err(Fault::raised("pop from empty list"));
    }
    let at = place(index, len)?;
    Ok(slot.update(|list| list.items.remove(at)))
}

fn remove(call: &mut Call<'_>) -> Result<Value, Fault> {
    let at = find(call)?.ok_or_else(|| Fault::raised("list.remove(x): x not in list"))?;
    call.list(0)?.slot().update(|list| list.items.remove(at));
    Ok(Value::None)
}

fn delete(call: &mut Call<'_>) -> Result<Value, Fault> {
    let slot = call.list(0)?.slot();
    let at = place(call.int(1)?, slot.lock().items.len())?;
    slot.update(|list| list.items.remove(at));
    Ok(Value::None)
}

fn clear(call: &mut Call<'_>) -> Result<Value, Fault> {
    call.list(0)?.slot().update(|list| list.items.clear());
    Ok(Value::None)
}

fn reverse(call: &mut Call<'_>) -> Result<Value, Fault> {
    call.list(0)?.slot().update(|list| list.items.reverse());
    Ok(Value::None)
}

fn copy(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    Ok(new_list(call, content.item.clone(), content.items.clone()))
}

fn get_item(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.slot().lock();
    let at = place(call.int(1)?, content.items.len())?;
    Ok(content.items[at].clone())
}

fn set_item(call: &mut Call<'_>) -> Result<Value, Fault> {
    let slot = call.list(0)?.slot();
    let at = place(call.int(1)?, slot.lock().items.len())?;
    let item = call.value(2).clone();
    slot.update(|list| list.items[at] = item);
    Ok(call.value(0).clone())
}

fn slice(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    let places = slice_places(content.items.len(), call.opt_int(1)?, call.opt_int(2)?, call.int(3)?)?;
    let items = places.map(|i| content.items[i].clone()).collect();
    Ok(new_list(call, content.item.clone(), items))
}

/// The sizes that two lists of sizes broadcast to.
fn infer_size(call: &mut Call<'_>) -> Result<Value, Fault> {
    // PyTorch takes the two from its stack in the other order, which only its error shows.
    let sizes = broadcast(&call.ints(1)?, &call.ints(0)?)?;
    Ok(new_list(call, Type::Int, sizes.into_iter().map(Value::Int).collect()))
}

fn size_if_not_equal(call: &mut Call<'_>) -> Result<Value, Fault> {
    let sizes = call.ints(0)?;
    if sizes == call.ints(1)? {
        return Ok(Value::None);
    }
    Ok(new_list(call, Type::Int, sizes.into_iter().map(Value::Int).collect()))
}

fn add(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.list(0)?.content(), call.list(1)?.content());
    check_room(call, (a.items.len() + b.items.len()) as u64)?;
    Ok(new_list(call, a.item.clone(), a.items.iter().chain(&b.items).cloned().collect()))
}

fn repeated(call: &mut Call<'_>, list: usize, times: usize) -> Result<Value, Fault> {
    let (content, times) = (call.list(list)?.content(), call.int(times)?);
    let items = repeat(call, &content.items, times)?;
    Ok(new_list(call, content.item.clone(), items))
}

fn repeat_in_place(call: &mut Call<'_>) -> Result<Value, Fault> {
    let times = call.int(1)?;
    let items = if times <= 0 { Vec::new() } else { repeat(call, &call.list(0)?.content().items, times)? };
    call.list(0)?.slot().update(|list| list.items = items);
    Ok(call.value(0).clone())
}

fn repeat(call: &Call<'_>, items: &[Value], times: i64) -> Result<Vec<Value>, Fault> {
    // A negative number of items cannot be reserved; PyTorch says so in the words of the C++ library.
    let times = u64::try_from(times).map_err(|_| Fault::raised("vector::reserve"))?;
    check_room(call, times.saturating_mul(items.len() as u64))?;
    let times = if items.is_empty() { 0 } else { times as usize };
    Ok(std::iter::repeat_n(items, times).flatten().cloned().collect())
}

/// The place of the first item that is equal to the second argument.
fn find(call: &Call<'_>) -> Result<Option<usize>, Fault> {
    let content = call.list(0)?.content();
    for (i, item) in content.items.iter().enumerate() {
        if equal(item, call.value(1))? {
            return Ok(Some(i));
        }
    }
    Ok(None)
}

fn index(call: &mut Call<'_>) -> Result<Value, Fault> {
    match find(call)? {
        Some(i) => Ok(Value::Int(i as i64)),
        None => Err(Fault::raised(format!("'{}' is not in list", value_text(call.value(1), call.allocator.memory())?))),
    }
}

fn count(call: &mut Call<'_>) -> Result<Value, Fault> {
    let content = call.list(0)?.content();
    let mut count = 0;
    for item in &content.items {
        count += equal(item, call.value(1))? as i64;
    }
    Ok(Value::Int(count))
}
