//! Every value as text, as PyTorch's C++ prints it: `1.` for a float, strings without quotes, tensors over lines.

use std::fmt::Write;

use super::rows;
use crate::operators::{Fault, Kernel};
use crate::slot::Memory;
use crate::tensor::display::{general, tensor_text};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| value_text(call.value(0), call.allocator.memory()).map(Value::str) => "aten::str";
    |call| {
        let line = print_values(call.args, call.allocator.memory())?;
        call.printed.text.push_str(&line);
        Ok(Value::None)
    } => "prim::Print";
};

/// Values nest no deeper than this to be shown; PyTorch's stack would end somewhere, too.
const DEPTH: usize = 256;

/// What `print(values…)` prints in a script function, with the newline.
pub fn print_values(values: &[Value], memory: &Memory) -> Result<String, Fault> {
    let mut line = String::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            line.push(' ');
        }
        show(value, &mut line, memory, DEPTH)?;
    }
    line.push('\n');
    Ok(line)
}

/// What `str(value)` is in a script function. The memory bounds the text of tensors.
pub fn value_text(value: &Value, memory: &Memory) -> Result<String, Fault> {
    let mut text = String::new();
    show(value, &mut text, memory, DEPTH)?;
    Ok(text)
}

fn show(value: &Value, out: &mut String, memory: &Memory, depth: usize) -> Result<(), Fault> {
    if depth == 0 {
        return Err(Fault::unsupported(format!("text of values nested deeper than {DEPTH}")));
    }
    match value {
        Value::None => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Int(value) => write!(out, "{value}").expect("a string takes all"),
        Value::Float(value) => out.push_str(&float_text(*value)),
        Value::Complex(value) => {
            let sign = if value.im >= 0.0 { '+' } else { '-' };
            write!(out, "{}{sign}{}j", float_text(value.re), float_text(value.im.abs())).expect("a string takes all");
        }
        Value::Str(text) | Value::Device(text) => out.push_str(text),
        Value::Tensor(tensor) => out.push_str(&tensor_text(tensor, memory)?),
        Value::List(list) => {
            let content = list.content();
            in_brackets(content.items.iter(), ["[", "]"], out, memory, depth)?;
        }
        Value::Tuple(items) => {
            in_brackets(items.iter(), ["(", if items.len() == 1 { ",)" } else { ")" }], out, memory, depth)?;
        }
        Value::Dict(dict) => {
            out.push('{');
            for (i, (key, value)) in dict.content().entries.iter().enumerate() {
                out.push_str(if i > 0 { ", " } else { "" });
                show(&key.to_value(), out, memory, depth - 1)?;
                out.push_str(": ");
                show(value, out, memory, depth - 1)?;
            }
            out.push('}');
        }
        // An address in PyTorch; here what is the same in every execution.
        Value::Object(object) => {
            let id = object.id();
            write!(out, "<{} object at {}:{}>", object.class().name, id.owner(), id.index())
                .expect("a string takes all");
        }
        Value::Enum(member) => {
            let class = member.class.rsplit('.').next().expect("a split gives one part at least");
            write!(out, "Enum<{class}.{}>", member.name).expect("a string takes all");
        }
        Value::Future(_) => out.push_str("Future"),
        Value::Await(_) => out.push_str("Await"),
        Value::Generator(_) => out.push_str("Generator"),
        Value::Function(_) => out.push_str("Function"),
        Value::Uninitialized => out.push_str("Uninitialized"),
    }
    Ok(())
}

fn in_brackets<'a>(
    items: impl Iterator<Item = &'a Value>,
    [open, close]: [&str; 2],
    out: &mut String,
    memory: &Memory,
    depth: usize,
) -> Result<(), Fault> {
    out.push_str(open);
    for (i, item) in items.enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        show(item, out, memory, depth - 1)?;
    }
    out.push_str(close);
    Ok(())
}

/// A float as C++ shows an `IValue`: whole ones that fit an integer with a bare point, others with 17 digits.
fn float_text(value: f64) -> String {
    if value.trunc() == value && (i64::MIN as f64..-(i64::MIN as f64)).contains(&value) {
        return format!("{}.", value as i64);
    }
    general(value, 17)
}
