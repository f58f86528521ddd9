//! Lists and dicts: each is one location, read or written as a whole.
//!
//! A list keeps the type of its items, so that an empty one still knows what it is of.

mod construct;
mod dict;
mod equality;
mod list;
mod order;

use super::scalar::rows;
use super::{Call, Correction, Fault, Kernel, When};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

pub(in crate::operators) use equality::equal;

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] =
    &[construct::KERNELS, dict::KERNELS, equality::KERNELS, list::KERNELS, order::KERNELS];

/// Full names and corrections. A list of tensors is worked on as a list here, and its tensors are looked at where
/// items are compared; a dict looks at no tensor, since tensors are keys by identity.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::eq.Tensor_list", LOOKS_INSIDE),
    ("aten::ne.Tensor_list", LOOKS_INSIDE),
    ("aten::index.list_Tensor", LOOKS_INSIDE),
    ("aten::count.Tensor", LOOKS_INSIDE),
    ("aten::remove.Tensor", LOOKS_INSIDE),
    ("aten::sort.Tensor", LOOKS_INSIDE),
    ("aten::sort.any", LOOKS_INSIDE),
    ("aten::sorted.Tensor", &[Correction::ReadsElements, Correction::AliasesWhen(When::Always)]),
    ("aten::sorted.any", LOOKS_INSIDE),
    // The schemas say that the second dict is written; it is only read.
    ("aten::update.str", READS_SECOND),
    ("aten::update.int", READS_SECOND),
    ("aten::update.bool", READS_SECOND),
    ("aten::update.float", READS_SECOND),
    ("aten::update.complex", READS_SECOND),
    ("aten::update.Tensor", READS_SECOND),
];

const LOOKS_INSIDE: &[Correction] = &[Correction::ReadsElements];
const READS_SECOND: &[Correction] = &[Correction::Writes(&["to_add"], When::Plain(|_, _| false))];

/// A new list.
fn new_list(call: &mut Call<'_>, item: Type, items: Vec<Value>) -> Value {
    Value::List(List::new(call.allocator, ListContent { item, items }))
}

/// Refuses a container of `count` items that could never fit, before it is made. Its items come from others that are still there
/// then, and a list that grows is moved: so there must be room for it twice.
fn check_room(call: &Call<'_>, count: u64) -> Result<(), Fault> {
    drop(call.allocator.memory().charge(count.saturating_mul(2 * size_of::<Value>() as u64))?);
    Ok(())
}

/// The place in a list of `len` items that a Python index means.
fn place(index: i64, len: usize) -> Result<usize, Fault> {
    let from_start = if index < 0 { index.saturating_add(len as i64) } else { index };
    usize::try_from(from_start).ok().filter(|&i| i < len).ok_or_else(|| Fault::raised("list index out of range"))
}

/// The places that a slice takes from `len` items, in order, as Python's `slice.indices` gives them.
pub(in crate::operators) fn slice_places(
    len: usize,
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> Result<impl Iterator<Item = usize>, Fault> {
    if step == 0 {
        return Err(Fault::raised("List slice should have non-zero step"));
    }
    let len = len as i64;
    // Going down, the end may lie before the first item.
    let (least, most) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: i64| (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(least, most);
    let start = start.map_or(if step > 0 { least } else { most }, clamp);
    let end = end.map_or(if step > 0 { most } else { least }, clamp);
    let inside = move |i: &i64| if step > 0 { *i < end } else { *i > end };
    Ok(std::iter::successors(Some(start), move |i| i.checked_add(step)).take_while(inside).map(|i| i as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{Access, Place, find};
    use crate::slot::{Allocator, Memory};
    use crate::tensor::Tensor;
    use crate::value::{Dict, DictContent, Key};

    fn check(name: &str, args: &[Value], expected: &[(Place, Access)]) {
        let effects = find(name).expect("PyTorch has it").effects(args);
        let effects: Vec<_> = effects.iter().map(|effect| (effect.place, effect.access)).collect();
        assert_eq!(effects, expected, "{name}");
    }

    #[test]
    fn containers_do_not_grow_beyond_the_limit() {
        use crate::operators::observe::call_within;
        let mut allocator = Allocator::new(0, Memory::unlimited());
        // As many as fit without a move: twice as many pairs do not fit a mebibyte.
        let items = vec![Value::Int(0); 1 << 15];
        let list = Value::List(List::new(&mut allocator, ListContent { item: Type::Int, items }));
        let mut entries: indexmap::IndexMap<Key, Value, rustc_hash::FxBuildHasher> =
            (0..1 << 14).map(|i| (Key::Int(i), Value::Int(i))).collect();
        (entries.len() as i64..entries.capacity() as i64)
            .for_each(|i| drop(entries.insert(Key::Int(i), Value::Int(i))));
        let dict = Value::Dict(Dict::new(&mut allocator, DictContent { key: Type::Int, value: Type::Int, entries }));
        let calls = [
            ("aten::append.t", vec![list.clone(), Value::Int(1)]),
            ("aten::insert.t", vec![list, Value::Int(0), Value::Int(1)]),
            ("aten::_set_item.int", vec![dict.clone(), Value::Int(-1), Value::Int(1)]),
            ("aten::setdefault.int", vec![dict, Value::Int(-1), Value::Int(1)]),
        ];
        let call = |bytes, name, args: &[Value]| call_within(bytes, find(name).expect("PyTorch has it"), args);
        for (name, args) in &calls {
            assert!(matches!(call(1 << 20, name, args), Err(Fault::Memory(_))), "{name} of a full container");
        }
        for (name, args) in &calls {
            assert!(call(1 << 24, name, args).is_ok(), "{name} where there is room");
        }
    }

    #[test]
    fn containers_are_written_and_what_is_in_them_is_read() {
        use Access::{Read, ReadWrite};
        use Place::{Data, Items, Shape};
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = Value::Tensor(Tensor::from_vec(&mut allocator, &[], &[1i64]).unwrap());
        let content = ListContent { item: Type::Tensor, items: vec![x.clone()] };
        let list = Value::List(List::new(&mut allocator, content));
        let content = DictContent { key: Type::Str, value: Type::Tensor, entries: Default::default() };
        let dict = Value::Dict(Dict::new(&mut allocator, content));
        let inside = [(Shape(0), Read), (Data(0), Read)];
        check("aten::append.t", &[list.clone(), x.clone()], &[(Items(0), ReadWrite)]);
        check("aten::append.t", &[list.clone(), list.clone()], &[(Items(0), ReadWrite)]);
        check("aten::__getitem__.t", &[list.clone(), Value::Int(0)], &[(Items(0), Read)]);
        check(
            "aten::sort.Tensor",
            &[list.clone(), Value::Bool(false)],
            &[&[(Items(0), ReadWrite)], &inside[..]].concat(),
        );
        check(
            "aten::eq.Tensor_list",
            &[list.clone(), list.clone()],
            &[(Items(0), Read), (Shape(0), Read), (Data(0), Read), (Items(1), Read), (Shape(1), Read), (Data(1), Read)],
        );
        check("aten::update.str", &[dict.clone(), dict], &[(Items(0), ReadWrite), (Items(1), Read)]);
        check("aten::str", &[Value::tuple([list])], &[&[(Items(0), Read)], &inside[..]].concat());
    }
}
