//! Texts made from texts and numbers.

use super::{check_room, rows, text};
use crate::operators::{Call, Fault, Kernel};
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    add => "aten::add.str";
    |call| Ok(Value::str(call.str(0)?.to_ascii_uppercase())) => "aten::upper";
    |call| Ok(Value::str(call.str(0)?.to_ascii_lowercase())) => "aten::lower";
    |call| letters(call, |_, _, byte| byte ^ (byte.is_ascii_alphabetic() as u8) << 5) => "aten::swapcase";
    |call| letters(call, |first, _, byte| cased(first, byte)) => "aten::capitalize";
    |call| letters(call, |_, inside, byte| cased(!inside, byte)) => "aten::title";
    replace => "aten::replace";
    |call| padded(call, |padding, width| padding / 2 + (padding & width & 1)) => "aten::center";
    |call| padded(call, |_, _| 0) => "aten::ljust";
    |call| padded(call, |padding, _| padding) => "aten::rjust";
    zero_fill => "aten::zfill";
    expand_tabs => "aten::expandtabs";
    chr => "aten::chr";
    |call| digits(call, |n| format!("0x{n:x}")) => "aten::hex";
    |call| digits(call, |n| format!("0o{n:o}")) => "aten::oct";
    |call| digits(call, |n| format!("0b{n:b}")) => "aten::bin";
    |call| match call.value(0) {
        Value::Enum(member) => Ok(Value::Str(member.name.clone())),
        _ => Err(call.wrong(0, "a member of an enum")),
    } => "prim::EnumName";
    |call| match call.value(0) {
        Value::Enum(member) => Ok(member.value.clone()),
        _ => Err(call.wrong(0, "a member of an enum")),
    } => "prim::EnumValue.int" "prim::EnumValue.float" "prim::EnumValue.str";
    hash => "aten::hash.generic";
};

fn add(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.str(0)?, call.str(1)?);
    check_room(call, (a.len() + b.len()) as u64)?;
    Ok(Value::str([&**a, &**b].concat()))
}

/// Changes each byte, told whether it is the first and whether it follows a letter.
fn letters(call: &Call<'_>, change: fn(bool, bool, u8) -> u8) -> Result<Value, Fault> {
    let mut inside = false;
    let changed = call.str(0)?.bytes().enumerate().map(|(i, byte)| {
        let changed = change(i == 0, inside, byte);
        inside = byte.is_ascii_alphabetic();
        changed
    });
    text(changed.collect::<Vec<_>>())
}

fn cased(large: bool, byte: u8) -> u8 {
    if large { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
}

fn replace(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (whole, old, new, most) = (call.str(0)?, call.str(1)?, call.str(2)?, call.int(3)?);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if old.is_empty() {
        if most == usize::MAX {
            return Err(Fault::unsupported("replacing an empty text, which never ends in PyTorch"));
        }
        // PyTorch finds the empty text again and again behind what it has put in.
        check_room(call, (most as u64).saturating_mul(new.len() as u64))?;
        return Ok(Value::str(if new.is_empty() { whole.to_string() } else { new.repeat(most) + whole }));
    }
    let count = whole.matches(&**old).take(most).count();
    check_room(call, whole.len() as u64 + (count as u64).saturating_mul(new.len() as u64))?;
    Ok(Value::str(whole.replacen(&**old, new, count)))
}

/// Filled up to a width; `left` says how much of the padding goes before the text.
fn padded(call: &Call<'_>, left: fn(usize, usize) -> usize) -> Result<Value, Fault> {
    let (whole, width, fill) = (call.str(0)?, call.int(1)?, call.str(2)?);
    if fill.len() != 1 {
        return Err(Fault::raised("TypeError: The fill character must be exactly one character long"));
    }
    let width = usize::try_from(width).unwrap_or(0);
    check_room(call, width as u64)?;
    let padding = width.saturating_sub(whole.len());
    let before = left(padding, width);
    Ok(Value::str([&fill.repeat(before), &**whole, &fill.repeat(padding - before)].concat()))
}

/// A sign is not looked for.
fn zero_fill(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (whole, width) = (call.str(0)?, usize::try_from(call.int(1)?).unwrap_or(0));
    check_room(call, width as u64)?;
    Ok(Value::str("0".repeat(width.saturating_sub(whole.len())) + whole))
}

/// Columns are counted from the start of the text, not of the line.
fn expand_tabs(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (whole, size) = (call.str(0)?, usize::try_from(call.int(1)?).unwrap_or(0));
    let tabs = whole.bytes().filter(|&b| b == b'\t').count() as u64;
    check_room(call, tabs.saturating_mul(size as u64).saturating_add(whole.len() as u64))?;
    let mut expanded = Vec::new();
    for byte in whole.bytes() {
        match byte {
            b'\t' if size == 0 => {}
            b'\t' => expanded.resize((expanded.len() / size + 1) * size, b' '),
            _ => expanded.push(byte),
        }
    }
    text(expanded)
}

/// A single byte, whatever the number.
fn chr(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.int(0)? {
        code @ 0..0x110000 => text([code as u8]),
        code => Err(Fault::raised(format!("chr() arg not in range(0x110000), found {code}"))),
    }
}

fn digits(call: &Call<'_>, show: fn(u64) -> String) -> Result<Value, Fault> {
    let n = call.int(0)?;
    let sign = if n < 0 { "-" } else { "" };
    Ok(Value::str(format!("{sign}{}", show(n.unsigned_abs()))))
}

/// The hashes of the C++ library that PyTorch is built with: a number is its own, bytes go through MurmurHash.
fn hash(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Int(match call.value(0) {
        Value::None => 0,
        Value::Bool(value) => *value as i64,
        Value::Int(value) => *value,
        // Both zeros hash alike.
        Value::Float(value) if *value == 0.0 => 0,
        Value::Float(value) => murmur(&value.to_le_bytes()) as i64,
        Value::Str(text) => murmur(text.as_bytes()) as i64,
        value @ (Value::List(_) | Value::Dict(_) | Value::Complex(_)) => {
            let kind = match value {
                Value::List(list) => format!("List[{}]", list.content().item.code()),
                Value::Dict(dict) => format!("Dict[{}, {}]", dict.content().key.code(), dict.content().value.code()),
                _ => "complex".into(),
            };
            return Err(Fault::raised(format!("unhashable type: '{kind}'")));
        }
        _ => return Err(Fault::unsupported("the hash of a thing, which is its address in PyTorch")),
    }))
}

/// MurmurHash64A by Austin Appleby, with the seed of libstdc++.
fn murmur(bytes: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
    let mix = |x: u64| x ^ (x >> 47);
    let mut hash = 0xc70f_6907 ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        hash ^= mix(word.wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let word = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
    }
    mix(mix(hash).wrapping_mul(MULTIPLIER))
}
