//! Finding texts in texts, parts of a text, and what a text is made of.

use super::{rows, text, texts};
use crate::operators::container::slice_places;
use crate::operators::{Call, Fault, Kernel};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| Ok(Value::Int(found(call, first)?.map_or(-1, |at| at as i64))) => "aten::find";
    |call| Ok(Value::Int(found(call, last)?.map_or(-1, |at| at as i64))) => "aten::rfind";
    |call| found(call, first)?.map(|at| Value::Int(at as i64)).ok_or_else(not_found) => "aten::index.str";
    |call| found(call, last)?.map(|at| Value::Int(at as i64)).ok_or_else(not_found) => "aten::rindex";
    count => "aten::count";
    |call| Ok(Value::Bool(part(call)?.starts_with(call.str(1)?.as_bytes()))) => "aten::startswith";
    |call| Ok(Value::Bool(part(call)?.ends_with(call.str(1)?.as_bytes()))) => "aten::endswith";
    |call| Ok(Value::Int(call.str(0)?.len() as i64)) => "aten::len.str";
    |call| texts(call, call.str(0)?.as_bytes().chunks(1)) => "aten::list";
    character => "aten::__getitem__.str" "prim::StringIndex";
    slice => "aten::slice.str";
    ord => "aten::ord";
    |call| made_of(call, |b| b.is_ascii_alphabetic()) => "aten::isalpha";
    |call| made_of(call, |b| b.is_ascii_alphanumeric()) => "aten::isalnum";
    |call| made_of(call, |b| b.is_ascii_digit()) => "aten::isdigit" "aten::isdecimal" "aten::isnumeric";
    |call| made_of(call, |b| matches!(b, b' ' | b'\t'..=b'\r')) => "aten::isspace";
    |call| Ok(Value::Bool(call.str(0)?.bytes().all(|b| matches!(b, b' '..=b'~')))) => "aten::isprintable";
    // Without the underscore, which PyTorch forgot.
    |call| {
        let starts_well = !call.str(0)?.starts_with(|c: char| c.is_ascii_digit());
        Ok(if starts_well { made_of(call, |b| b.is_ascii_alphanumeric())? } else { Value::Bool(false) })
    } => "aten::isidentifier";
    |call| cased(call, |b| b.is_ascii_lowercase()) => "aten::isupper";
    |call| cased(call, |b| b.is_ascii_uppercase()) => "aten::islower";
    is_title => "aten::istitle";
};

/// The bounds of a search, counted from the end if negative; -1 is the end itself.
fn bounds(call: &Call<'_>) -> Result<(usize, usize), Fault> {
    let len = call.str(0)?.len() as i64;
    let wrap = |bound: i64, end: i64| if bound < 0 { bound.saturating_add(end).max(0) } else { bound } as usize;
    Ok((wrap(call.int(2)?, len), wrap(call.int(3)?, len + 1)))
}

/// The place of an occurrence that lies within the bounds.
fn found(call: &Call<'_>, search: fn(&[u8], &[u8]) -> Option<usize>) -> Result<Option<usize>, Fault> {
    let (start, end) = bounds(call)?;
    let bytes = call.str(0)?.as_bytes();
    let within = bytes.get(start..end.min(bytes.len()));
    Ok(within.and_then(|within| search(within, call.str(1).ok()?.as_bytes())).map(|at| start + at))
}

fn first(text: &[u8], wanted: &[u8]) -> Option<usize> {
    (0..(text.len() + 1).saturating_sub(wanted.len())).find(|&at| text[at..].starts_with(wanted))
}

fn last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    (0..(text.len() + 1).saturating_sub(wanted.len())).rev().find(|&at| text[at..].starts_with(wanted))
}

fn not_found() -> Fault {
    Fault::raised("ValueError: substring not found")
}

/// How often a text occurs within the bounds, without overlaps.
fn count(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (start, end) = bounds(call)?;
    let (bytes, wanted) = (call.str(0)?.as_bytes(), call.str(1)?.as_bytes());
    if wanted.is_empty() {
        return Err(Fault::unsupported("counting an empty text, which never ends in PyTorch"));
    }
    let mut rest = bytes.get(start..end.min(bytes.len())).unwrap_or_default();
    let mut count = 0;
    while let Some(at) = first(rest, wanted) {
        count += 1;
        rest = &rest[at + wanted.len()..];
    }
    Ok(Value::Int(count))
}

/// What `startswith` and `endswith` look at. An end before the start stands for the end of the text.
fn part<'a>(call: &Call<'a>) -> Result<&'a [u8], Fault> {
    let (start, end) = bounds(call)?;
    let bytes = call.str(0)?.as_bytes();
    if start > bytes.len() {
        let len = bytes.len();
        let message = format!("basic_string::substr: __pos (which is {start}) > this->size() (which is {len})");
        return Err(Fault::raised(message));
    }
    Ok(&bytes[start..if end < start { bytes.len() } else { end.min(bytes.len()) }])
}

fn character(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (bytes, index) = (call.str(0)?.as_bytes(), call.int(1)?);
    let at = if index < 0 { index.wrapping_add(bytes.len() as i64) } else { index } as u64;
    match bytes.get(usize::try_from(at).unwrap_or(usize::MAX)) {
        Some(&byte) => text([byte]),
        None => {
            let len = bytes.len();
            Err(Fault::raised(format!("basic_string::at: __n (which is {at}) >= this->size() (which is {len})")))
        }
    }
}

fn slice(call: &mut Call<'_>) -> Result<Value, Fault> {
    let bytes = call.str(0)?.as_bytes();
    let places = slice_places(bytes.len(), call.opt_int(1)?, call.opt_int(2)?, call.int(3)?)?;
    text(places.map(|at| bytes[at]).collect::<Vec<_>>())
}

fn ord(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.str(0)?.as_bytes() {
        [byte] => Ok(Value::Int(i64::from(*byte))),
        bytes => Err(Fault::raised(format!("String for ord() must be 1 character, found {}", bytes.len()))),
    }
}

/// Whether there are bytes, all of one kind.
fn made_of(call: &Call<'_>, kind: fn(u8) -> bool) -> Result<Value, Fault> {
    let bytes = call.str(0)?.as_bytes();
    Ok(Value::Bool(!bytes.is_empty() && bytes.iter().all(|&b| kind(b))))
}

/// Whether there are letters, none of them of the wrong case.
fn cased(call: &Call<'_>, wrong: fn(u8) -> bool) -> Result<Value, Fault> {
    let bytes = call.str(0)?.as_bytes();
    Ok(Value::Bool(bytes.iter().any(u8::is_ascii_alphabetic) && !bytes.iter().any(|&b| wrong(b))))
}

/// Whether there are letters, large where words begin and small elsewhere.
fn is_title(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (mut inside, mut title) = (false, false);
    for byte in call.str(0)?.bytes() {
        if byte.is_ascii_alphabetic() {
            if byte.is_ascii_uppercase() == inside {
                return Ok(Value::Bool(false));
            }
            title = true;
        }
        inside = byte.is_ascii_alphabetic();
    }
    Ok(Value::Bool(title))
}
