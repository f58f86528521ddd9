//! Frequent operators on plain values as functions of values: what an interpreter does ten million times a second should
//! cost it no [`Call`](crate::operators::Call).
//!
//! A function here says what the kernel of the same name says, or nothing; then the kernel is asked, which also knows how to
//! raise. A test holds each against its kernel.

use crate::operators::Plain;
use crate::value::Value;

/// Rows for two arguments of these kinds.
macro_rules! rows {
    ($($name:literal: |$($kind:ident($x:ident)),+| $result:expr;)*) => {
        &[$(($name, |a, b| rows!(@ a b $($kind($x)),+ => $result))),*]
    };
    (@ $a:ident $b:ident $first:ident($x:ident), $second:ident($y:ident) => $result:expr) => {
        match ($a, $b) {
            (Value::$first($x), Value::$second($y)) => $result,
            _ => None,
        }
    };
    (@ $a:ident $b:ident $kind:ident($x:ident) => $result:expr) => {{
        let _ = $b;
        match $a {
            Value::$kind($x) => $result,
            _ => None,
        }
    }};
}

/// Full names and functions.
pub(in crate::operators) const PLAIN: &[(&str, Plain)] = rows! {
    "aten::add.int": |Int(a), Int(b)| int(a.wrapping_add(*b));
    "aten::sub.int": |Int(a), Int(b)| int(a.wrapping_sub(*b));
    "aten::mul.int": |Int(a), Int(b)| int(a.wrapping_mul(*b));
    "aten::floordiv.int": |Int(a), Int(b)| if divides(*b) { int(a.div_euclid(*b)) } else { None };
    "aten::remainder.int": |Int(a), Int(b)| if divides(*b) { int(a.rem_euclid(*b)) } else { None };
    "aten::div.int": |Int(a), Int(b)| float(*a as f64 / *b as f64);
    "aten::neg.int": |Int(a)| int(a.wrapping_neg());
    "prim::min.int": |Int(a), Int(b)| int(*a.min(b));
    "prim::max.int": |Int(a), Int(b)| int(*a.max(b));
    "aten::eq.int": |Int(a), Int(b)| truth(a == b);
    "aten::ne.int": |Int(a), Int(b)| truth(a != b);
    "aten::lt.int": |Int(a), Int(b)| truth(a < b);
    "aten::le.int": |Int(a), Int(b)| truth(a <= b);
    "aten::gt.int": |Int(a), Int(b)| truth(a > b);
    "aten::ge.int": |Int(a), Int(b)| truth(a >= b);
    "aten::add.float": |Float(a), Float(b)| float(a + b);
    "aten::sub.float": |Float(a), Float(b)| float(a - b);
    "aten::mul.float": |Float(a), Float(b)| float(a * b);
    "aten::div.float": |Float(a), Float(b)| float(a / b);
    "aten::neg.float": |Float(a)| float(-a);
    "aten::eq.float": |Float(a), Float(b)| truth(a == b);
    "aten::ne.float": |Float(a), Float(b)| truth(a != b);
    "aten::lt.float": |Float(a), Float(b)| truth(a < b);
    "aten::le.float": |Float(a), Float(b)| truth(a <= b);
    "aten::gt.float": |Float(a), Float(b)| truth(a > b);
    "aten::ge.float": |Float(a), Float(b)| truth(a >= b);
    "aten::mul.int_float": |Int(a), Float(b)| float(*a as f64 * b);
    "aten::mul.float_int": |Float(a), Int(b)| float(a * *b as f64);
    "aten::add.float_int": |Float(a), Int(b)| float(a + *b as f64);
    "aten::add.int_float": |Int(a), Float(b)| float(*a as f64 + b);
    "aten::Float.Scalar": |Int(a)| float(*a as f64);
    "aten::Float.int": |Int(a)| float(*a as f64);
    "aten::eq.bool": |Bool(a), Bool(b)| truth(a == b);
    "aten::ne.bool": |Bool(a), Bool(b)| truth(a != b);
    "aten::__and__.bool": |Bool(a), Bool(b)| truth(*a & *b);
    "aten::__or__.bool": |Bool(a), Bool(b)| truth(*a | *b);
    "aten::__not__": |Bool(a)| truth(!*a);
    "aten::eq.str": |Str(a), Str(b)| truth(a == b);
    "aten::ne.str": |Str(a), Str(b)| truth(a != b);
};

/// The same for the two that ask whether something is `None`.
pub(in crate::operators) const IDENTITY: &[(&str, Plain)] =
    &[("aten::__is__", |a, b| is_none(a, b)), ("aten::__isnot__", |a, b| is_none(a, b).map(negated))];

/// Whether division is Euclid's: the divisor is positive, and so small that nothing wraps on the way in C++.
fn divides(divisor: i64) -> bool {
    (1..=i64::from(u32::MAX)).contains(&divisor)
}

fn is_none(a: &Value, b: &Value) -> Option<Value> {
    match (a, b) {
        (Value::None, Value::None) => truth(true),
        (Value::None, _) | (_, Value::None) => truth(false),
        _ => None,
    }
}

fn negated(value: Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        other => other,
    }
}

fn int(value: i64) -> Option<Value> {
    Some(Value::Int(value))
}

fn float(value: f64) -> Option<Value> {
    Some(Value::Float(value))
}

fn truth(value: bool) -> Option<Value> {
    Some(Value::Bool(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::{Call, Modes, Printed, find};
    use crate::slot::{Allocator, Memory};
    use crate::value::Generator;

    /// Values of every kind that a row is about, and some that none is.
    fn samples() -> Vec<Value> {
        let ints = [0, 1, -1, 2, 3, -7, 10, i64::MAX, i64::MIN].map(Value::Int);
        let floats = [0.0, -0.0, 1.5, -2.25, 1e300, f64::INFINITY, f64::NAN].map(Value::Float);
        let rest = [Value::None, Value::Bool(true), Value::Bool(false), Value::str("a"), Value::str("b")];
        ints.into_iter().chain(floats).chain(rest).collect()
    }

    #[test]
    fn what_is_said_without_a_call_is_what_the_kernel_says() {
        let mut said = 0;
        let generator = Generator::default_seeded(0);
        for (name, plain) in PLAIN.iter().chain(IDENTITY) {
            let operator = find(name).unwrap_or_else(|| panic!("{name}"));
            let kernel = operator.kernel.unwrap_or_else(|| panic!("{name} has a kernel"));
            let arity = operator.schema.arguments.len();
            let before = said;
            for a in &samples() {
                for b in &samples() {
                    let Some(value) = plain(a, b) else { continue };
                    said += 1;
                    let mut call = Call {
                        operator,
                        args: &[a.clone(), b.clone()][..arity],
                        allocator: &mut Allocator::new(0, Memory::unlimited()),
                        generator: &generator,
                        modes: &mut Modes::default(),
                        printed: &mut Printed::default(),
                    };
                    let expected = kernel(&mut call).unwrap_or_else(|fault| panic!("{name}({a:?}, {b:?}): {fault:?}"));
                    assert_eq!(format!("{value:?}"), format!("{expected:?}"), "{name}({a:?}, {b:?})");
                }
            }
            assert!(said > before, "{name} says something");
        }
    }
}
