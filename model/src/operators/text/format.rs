//! `"{}".format(…)` and `"%d" % …`, which know fewer directives than Python's.

use super::{check_room, rows, value_text};
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Scalar;
use crate::tensor::display::scientific;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    format => "aten::format";
    percent_format => "aten::percentFormat";
};

/// Each `{}` takes the next value; anything else is copied, `{0}` and `{{` too.
fn format(call: &mut Call<'_>) -> Result<Value, Fault> {
    let template = call.str(0)?;
    let mut values = call.args[1..].iter();
    let mut parts = template.split("{}");
    let mut text = parts.next().expect("a split gives one part at least").to_string();
    for part in parts {
        let value =
            values.next().ok_or_else(|| Fault::raised(format!("Too few arguments for format string: {template}")))?;
        let value = value_text(value, call.allocator.memory())?;
        push(call, &mut text, [&value, part])?;
    }
    Ok(Value::str(text))
}

/// The values are one tuple, or one value that is none.
fn percent_format(call: &mut Call<'_>) -> Result<Value, Fault> {
    let template = call.str(0)?;
    let mut values = match call.args.get(1) {
        Some(Value::Tuple(values)) => values.iter(),
        Some(value) => std::slice::from_ref(value).iter(),
        None => [].iter(),
    };
    let mut parts = template.split('%');
    let mut text = parts.next().expect("a split gives one part at least").to_string();
    while let Some(part) = parts.next() {
        let Some(key) = part.chars().next() else {
            // Nothing between two signs is one that is meant; a sign at the end is not.
            let rest = parts.next().ok_or_else(|| Fault::raised("Incomplete format specifier"))?;
            text.push('%');
            text.push_str(rest);
            continue;
        };
        let value = values.next().ok_or_else(|| Fault::raised("Too few arguments for format string"))?;
        let value = formatted(call, key, value)?;
        push(call, &mut text, [&value, &part[key.len_utf8()..]])?;
    }
    if values.next().is_some() {
        return Err(Fault::raised("Too many arguments for format string"));
    }
    Ok(Value::str(text))
}

/// Appends to a text that may grow to what memory allows.
fn push(call: &Call<'_>, text: &mut String, parts: [&str; 2]) -> Result<(), Fault> {
    check_room(call, (text.len() + parts[0].len() + parts[1].len()) as u64)?;
    text.extend(parts);
    Ok(())
}

fn formatted(call: &Call<'_>, key: char, value: &Value) -> Result<String, Fault> {
    let needs = |what| Fault::raised(format!("%{key} requires {what} for formatting, but got {}", tag(value)));
    let number = || match value {
        Value::Int(_) | Value::Float(_) => Ok(Scalar::from_value(value).expect("a number")),
        _ => Err(needs("a number")),
    };
    Ok(match key {
        'd' | 'i' => match number()? {
            Scalar::Float(float) => Scalar::Float(float).cast::<i32>().to_string(),
            int => int.to_i64().to_string(),
        },
        // Six digits of a 32-bit float.
        'e' => scientific(f64::from(number()?.to_f64() as f32), 6),
        'E' => scientific(f64::from(number()?.to_f64() as f32), 6).to_uppercase(),
        'f' => fixed(number()?),
        'F' => fixed(number()?).to_uppercase(),
        'c' => match value {
            Value::Int(code) => match u8::try_from(*code & 0xff).expect("a byte") {
                byte if byte.is_ascii() => char::from(byte).to_string(),
                _ => return Err(Fault::unsupported("a text that is cut inside a character")),
            },
            Value::Str(text) if text.len() == 1 => text.to_string(),
            _ => return Err(needs("an int or char")),
        },
        's' => value_text(value, call.allocator.memory())?,
        _ => {
            let message = format!("The specifier %{key} is not supported in TorchScript format strings");
            return Err(Fault::raised(message));
        }
    })
}

fn fixed(number: Scalar) -> String {
    let value = number.to_f64() as f32;
    if value.is_finite() { format!("{value:.6}") } else { scientific(f64::from(value), 6) }
}

/// The kind of a value, as PyTorch's messages name it.
fn tag(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "Bool",
        Value::Int(_) => "Int",
        Value::Float(_) => "Double",
        Value::Complex(_) => "ComplexDouble",
        Value::Str(_) => "String",
        Value::Device(_) => "Device",
        Value::Tensor(_) => "Tensor",
        Value::List(_) => "GenericList",
        Value::Dict(_) => "GenericDict",
        Value::Tuple(_) => "Tuple",
        Value::Object(_) => "Object",
        Value::Enum(_) => "Enum",
        Value::Future(_) => "Future",
        Value::Await(_) => "Await",
        Value::Generator(_) => "Generator",
        Value::Function(_) | Value::Uninitialized => "Uninitialized",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::find;
    use crate::operators::observe::call_within;

    #[test]
    fn a_text_that_does_not_fit_is_not_put_together() {
        let half = Value::str("a".repeat(600 << 10));
        let both = Value::tuple([half.clone(), half.clone()]);
        for (name, args) in [
            ("aten::format", vec![Value::str("{}{}"), half.clone(), half]),
            ("aten::percentFormat", vec![Value::str("%s%s"), both]),
        ] {
            let call = |bytes| call_within(bytes, find(name).expect("PyTorch has it"), &args);
            assert!(matches!(call(1 << 20), Err(Fault::Memory(_))), "{name}");
            assert!(call(1 << 22).is_ok(), "{name}");
        }
    }
}
