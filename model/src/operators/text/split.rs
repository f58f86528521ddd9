//! Taking texts apart and joining them.

use super::{check_room, rows, text, texts};
use crate::operators::{Call, Fault, Kernel};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    split => "aten::split.str";
    split_from_right => "aten::rsplit";
    split_lines => "aten::splitlines";
    join => "aten::join";
    |call| parted(call, |text, separator| text.split_once(separator)) => "aten::partition";
    |call| parted(call, |text, separator| text.rsplit_once(separator)) => "aten::rpartition";
    |call| stripped(call, true, true) => "aten::strip";
    |call| stripped(call, true, false) => "aten::lstrip";
    |call| stripped(call, false, true) => "aten::rstrip";
};

/// At most so many parts; a negative number of cuts is any number.
fn parts(cuts: i64) -> usize {
    usize::try_from(cuts).map_or(usize::MAX, |cuts| cuts.saturating_add(1))
}

fn split(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (whole, most) = (call.str(0)?, parts(call.int(2)?));
    match call.opt_str(1)? {
        // At runs of white space; PyTorch forgets the limit here.
        None => texts(
            call,
            whole.split([' ', '\t', '\n', '\x0b', '\x0c', '\r']).filter(|part| !part.is_empty()).map(str::as_bytes),
        ),
        Some(separator) if separator.is_empty() => Err(Fault::raised("ValueError: empty separator")),
        Some(separator) => texts(call, whole.splitn(most, &**separator).map(str::as_bytes)),
    }
}

fn split_from_right(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (whole, separator, most) = (call.str(0)?, call.str(1)?, parts(call.int(2)?));
    if separator.is_empty() {
        return Err(Fault::unsupported("splitting at an empty text, which never ends in PyTorch"));
    }
    let mut parts: Vec<&[u8]> = whole.rsplitn(most, &**separator).map(str::as_bytes).collect();
    parts.reverse();
    texts(call, parts)
}

/// Cut at every single byte that ends a line, so that `\r\n` is two ends; kept ends are parts of their own.
fn split_lines(call: &mut Call<'_>) -> Result<Value, Fault> {
    // The bytes of U+2028 and U+2029 stand among PyTorch's delimiters one by one.
    const ENDS: &[u8] = b"\n\r\x0b\x0c\x1c\x1d\x1e\x85\xe2\x80\xa8\xa9";
    let (bytes, keep) = (call.str(0)?.as_bytes(), call.bool(1)?);
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if ENDS.contains(byte) {
            lines.push(&bytes[start..at]);
            if keep {
                lines.push(&bytes[at..=at]);
            }
            start = at + 1;
        }
    }
    if start < bytes.len() {
        lines.push(&bytes[start..]);
    }
    texts(call, lines)
}

fn join(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (separator, content) = (call.str(0)?, call.list(1)?.content());
    let mut joined = String::new();
    for (i, item) in content.items.iter().enumerate() {
        let Value::Str(item) = item else { return Err(call.wrong(1, "a list of texts")) };
        check_room(call, (joined.len() + separator.len() + item.len()) as u64)?;
        joined.push_str(if i > 0 { separator } else { "" });
        joined.push_str(item);
    }
    Ok(Value::str(joined))
}

type Cut = for<'a> fn(&'a str, &str) -> Option<(&'a str, &'a str)>;

/// What is before the separator, it, and what is after; all of a text without it goes to the side searched last.
fn parted(call: &Call<'_>, cut: Cut) -> Result<Value, Fault> {
    let (whole, separator) = (call.str(0)?, call.str(1)?);
    let parts = match cut(whole, separator) {
        Some((before, after)) => [before, separator, after],
        None if call.operator.name == "aten::partition" => [&**whole, "", ""],
        None => ["", "", whole],
    };
    Ok(Value::tuple(parts.map(Value::str)))
}

fn stripped(call: &Call<'_>, left: bool, right: bool) -> Result<Value, Fault> {
    let (bytes, unwanted) = (call.str(0)?.as_bytes(), call.str(1)?.as_bytes());
    let wanted = |byte: &u8| !unwanted.contains(byte);
    let start = if left { bytes.iter().position(wanted).unwrap_or(bytes.len()) } else { 0 };
    let end = if right { bytes.iter().rposition(wanted).map_or(0, |last| last + 1) } else { bytes.len() };
    text(bytes.get(start..end).unwrap_or_default())
}
