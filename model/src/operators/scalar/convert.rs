//! `int(x)`, `float(x)`, `bool(x)` and `complex(x, y)` of numbers and text.

use super::{complex, rows};
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::Scalar;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = rows! {
    |call| Ok(Value::Int(call.scalar(0)?.to_i64())) => "aten::Int.bool" "aten::Int.float";
    |call| match call.scalar(0)? {
        Scalar::Complex(z) if z.im != 0.0 => {
            Err(Fault::raised("value cannot be converted to type int without overflow"))
        }
        x => Ok(Value::Int(x.to_i64())),
    } => "aten::Int.Scalar";
    |call| parse_int(call.str(0)?).map(Value::Int) => "aten::Int.str";
    |call| Ok(Value::Float(call.scalar(0)?.to_f64())) => "aten::Float.Scalar" "aten::Float.bool" "aten::Float.int";
    |call| parse_float(call.str(0)?).map(Value::Float) => "aten::Float.str";
    |call| Ok(Value::Bool(call.scalar(0)?.is_true())) => "aten::Bool.float" "aten::Bool.int";
    to_complex => "aten::Complex.Scalar" "aten::Complex.bool_bool" "aten::Complex.bool_float" "aten::Complex.bool_int"
        "aten::Complex.float_bool" "aten::Complex.float_float" "aten::Complex.float_int" "aten::Complex.int_bool"
        "aten::Complex.int_float" "aten::Complex.int_int";
};

fn to_complex(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(match (call.scalar(0)?, call.args.get(1)) {
        (Scalar::Complex(z), None) => complex(z.re, z.im),
        (re, None) => complex(re.to_f64(), 0.0),
        (re, Some(_)) => complex(re.to_f64(), call.scalar(1)?.to_f64()),
    })
}

/// As `std::stoll` reads, which then must have read all: leading spaces, a sign, digits.
fn parse_int(text: &str) -> Result<i64, Fault> {
    let start = text.trim_start_matches(is_c_space);
    let sign = start.starts_with(['+', '-']) as usize;
    let digits = start[sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Err(Fault::raised("stoll"));
    }
    let number = start[..sign + digits].parse().map_err(|_| Fault::raised("stoll"))?;
    if sign + digits < start.len() {
        return Err(Fault::raised(format!("invalid literal for int() with base 10: '{text}'")));
    }
    Ok(number)
}

/// As `std::stod` reads, which then must have read all; hexadecimal floats too.
fn parse_float(text: &str) -> Result<f64, Fault> {
    let start = text.trim_start_matches(is_c_space);
    let (number, length) = float_prefix(start).ok_or_else(|| Fault::raised("stod"))?;
    if length < start.len() {
        return Err(Fault::raised(format!("could not convert string to float: '{text}'")));
    }
    Ok(number)
}

fn is_c_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// The longest float at the start of `text`, with its length. A number out of range is none, as for `stod`.
fn float_prefix(text: &str) -> Option<(f64, usize)> {
    let sign = text.starts_with(['+', '-']) as usize;
    let body = &text[sign..];
    let signed = |number: f64| if text.starts_with('-') { -number } else { number };
    for (word, number) in [("infinity", f64::INFINITY), ("inf", f64::INFINITY), ("nan", f64::NAN)] {
        if body.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)) {
            return Some((signed(number), sign + word.len()));
        }
    }
    if body.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
        && let Some((number, length)) = hexadecimal(&body[2..])
    {
        return Some((signed(number), sign + 2 + length));
    }
    let digits = |from: usize| body[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(0);
    let mut length = whole;
    if body[length..].starts_with('.') && (whole > 0 || digits(1) > 0) {
        length += 1 + digits(length + 1);
    }
    if length == 0 {
        return None;
    }
    length += exponent_length(&body[length..], ['e', 'E']);
    let number: f64 = body[..length].parse().ok()?;
    let zero = body[..length].bytes().take_while(|b| !matches!(b, b'e' | b'E')).all(|b| !matches!(b, b'1'..=b'9'));
    let in_range = number.is_normal() || zero;
    in_range.then_some((signed(number), sign + length))
}

/// The length of an exponent with its letter, zero if there is none.
fn exponent_length(text: &str, letters: [char; 2]) -> usize {
    if !text.starts_with(letters) {
        return 0;
    }
    let sign = text[1..].starts_with(['+', '-']) as usize;
    let digits = text[1 + sign..].bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 { 0 } else { 1 + sign + digits }
}

/// What follows `0x`: digits, a point, a binary exponent. Up to 13 digits are exact; more are rounded twice.
fn hexadecimal(text: &str) -> Option<(f64, usize)> {
    let (mut number, mut scale, mut digits, mut length, mut point) = (0f64, 0i32, 0, 0, false);
    for c in text.chars() {
        match c.to_digit(16) {
            Some(digit) => {
                number = number * 16.0 + f64::from(digit);
                scale -= 4 * point as i32;
                digits += 1;
            }
            None if c == '.' && !point => point = true,
            None => break,
        }
        length += 1;
    }
    if digits == 0 {
        return None;
    }
    let exponent = exponent_length(&text[length..], ['p', 'P']);
    if exponent > 0 {
        scale = scale.saturating_add(text[length + 1..length + exponent].parse().unwrap_or(i32::MAX));
    }
    Some((libm::scalbn(number, scale), length + exponent))
}
