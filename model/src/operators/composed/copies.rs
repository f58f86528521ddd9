//! Copies of what views show, and of what a change of sizes leaves.

use super::of;
use crate::operators::{Call, Correction, Fault, Kernel};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::alias_copy", |call| copied(call, call.args[0].clone())),
    ("aten::detach_copy", |call| copied(call, call.args[0].clone())),
    ("aten::lift_fresh_copy", |call| copied(call, call.args[0].clone())),
    ("aten::resize", |call| resized(call, "aten::resize_")),
    ("aten::resize_as", |call| resized(call, "aten::resize_as_")),
    ("aten::split_copy.Tensor", |call| each(call, "aten::split.Tensor")),
    ("aten::split_with_sizes_copy", |call| each(call, "aten::split_with_sizes")),
    ("aten::unbind_copy.int", |call| each(call, "aten::unbind.int")),
    ("aten::view_as_complex_copy", |call| one(call, "aten::view_as_complex")),
    ("aten::view_as_real_copy", |call| one(call, "aten::view_as_real")),
    ("aten::view_copy.dtype", |call| one(call, "aten::view.dtype")),
];

pub(super) const CORRECTIONS: &[(&str, &[Correction])] =
    &[("aten::resize_as", &[Correction::Unread(&["the_template"])])];

/// A contiguous copy.
fn copied(call: &mut Call<'_>, x: Value) -> Result {
    const CONTIGUOUS: i64 = 0;
    call.run("aten::clone", &[x, Value::Int(CONTIGUOUS)])
}

fn one(call: &mut Call<'_>, view: &str) -> Result {
    let shown = call.run(view, call.args)?;
    copied(call, shown)
}

fn each(call: &mut Call<'_>, views: &str) -> Result {
    let mut copies = Vec::new();
    for shown in call.run_tensors(views, call.args)? {
        let Value::Tensor(copy) = copied(call, of(&shown))? else { unreachable!("a copy is a tensor") };
        copies.push(copy);
    }
    Ok(call.tensor_list(copies))
}

/// What an operator in place would make of the first argument.
fn resized(call: &mut Call<'_>, in_place: &str) -> Result {
    let copy = call.run("aten::clone", &call.args[..1])?;
    let args: Vec<Value> = std::iter::once(copy).chain(call.args[1..].iter().cloned()).collect();
    call.run(in_place, &args)
}
