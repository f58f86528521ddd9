//! What operators meant in older archives.
//!
//! An operator whose meaning changed has a row for each: `div.Tensor` is of today, `div.Tensor_0_3` is what archives of
//! the versions 0 to 3 mean by `div.Tensor` (the overload `0_4` is that of an operator whose overload has no name). The
//! frontend looks at the version of the archive, and from there on they are operators like any other.

use std::ops::RangeInclusive;

use super::{Call, Correction, Fault, Kernel};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

/// Their schemas, in the order in which they are tried.
pub(super) const SCHEMAS: &str = include_str!("historic.txt");

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[];

pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[&[
    ("aten::div.Tensor_0_3", div),
    ("aten::div.Scalar_0_3", div),
    ("aten::div.out_0_3", div),
    ("aten::div_.Tensor_0_3", div),
    ("aten::div_.Scalar_0_3", div),
    ("aten::div.Tensor_mode_0_3", same),
    ("aten::div.Scalar_mode_0_3", same),
    ("aten::div.out_mode_0_3", same),
    ("aten::div_.Tensor_mode_0_3", same),
    ("aten::div_.Scalar_mode_0_3", same),
    ("aten::full.0_4", full),
    ("aten::full.out_0_4", same),
    ("aten::gelu.0_9", gelu),
    ("aten::gelu.out_0_9", gelu),
    ("aten::linspace.0_7", steps),
    ("aten::linspace.out_0_7", steps),
    ("aten::logspace.0_8", steps),
    ("aten::logspace.out_0_8", steps),
]];

/// The overload of today, and the versions with the meaning of this one; `None` if it is none of these.
pub(super) fn replaced(overload: &str) -> Option<(&str, RangeInclusive<u32>)> {
    let (today, last) = match overload.strip_prefix("0_") {
        Some(last) => ("", last),
        None => overload.rsplit_once("_0_")?,
    };
    Some((today, 0..=last.parse().ok()?))
}

/// Runs today's overload, or the one that has this added to its name.
fn run_today(call: &mut Call<'_>, added: &str, args: &[Value]) -> Result {
    let (today, _) = replaced(call.operator.overload).expect("a row of this family");
    let dot = if today.is_empty() { "" } else { "." };
    call.run(&format!("{}{dot}{today}{added}", call.operator.name), args)
}

/// Only what may be left out has changed since, or nothing but the number of the version.
fn same(call: &mut Call<'_>) -> Result {
    run_today(call, "", call.args)
}

/// True division if anything is of floating point; otherwise the quotient is truncated, and stays an integer.
fn div(call: &mut Call<'_>) -> Result {
    let is_floating = |arg: &Value| match arg {
        Value::Tensor(tensor) => tensor.dtype().is_floating_point(),
        arg => matches!(arg, Value::Float(_)),
    };
    if call.args.iter().any(is_floating) {
        return same(call);
    }
    let mut args = call.args.to_vec();
    args.insert(2, Value::str("trunc"));
    run_today(call, "_mode", &args)
}

/// Without a dtype, what is filled with an integer is of floating point.
fn full(call: &mut Call<'_>) -> Result {
    let mut args = call.args.to_vec();
    if let Value::None = args[2] {
        args[1] = call.run("aten::Float.Scalar", &args[1..2])?;
    }
    run_today(call, "", &args)
}

/// There was no approximation to choose.
fn gelu(call: &mut Call<'_>) -> Result {
    let mut args = call.args.to_vec();
    args.insert(1, Value::str("none"));
    run_today(call, "", &args)
}

/// Who did not say how many got 100.
fn steps(call: &mut Call<'_>) -> Result {
    let mut args = call.args.to_vec();
    if let Value::None = args[2] {
        args[2] = Value::Int(100);
    }
    run_today(call, "", &args)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::fixture::replay;
    use crate::operators::{find, overloads};

    #[test]
    fn a_meaning_ends_where_the_next_one_begins() {
        for line in SCHEMAS.lines() {
            let old = find(line.split('(').next().unwrap()).unwrap();
            let (today, versions) = replaced(old.overload).unwrap();
            let meant = |version: u32| -> Vec<&str> {
                let of_today = |overload: &str| replaced(overload).map_or(overload == today, |other| other.0 == today);
                let all = overloads(old.name).unwrap().iter();
                all.filter(|o| of_today(o.overload) && o.versions.contains(&version)).map(|o| o.overload).collect()
            };
            let last = *versions.end();
            assert_eq!((meant(1), meant(last)), (vec![old.overload], vec![old.overload]), "{line}");
            assert_eq!((meant(last + 1), meant(10)), (vec![today], vec![today]), "{line}");
        }
        // Whatever did not change means the same at any time.
        assert!(overloads("aten::add").unwrap().iter().all(|o| o.versions == (0..=u32::MAX)));
    }

    #[test]
    fn integers_are_divided_without_a_rest_where_nothing_is_of_floating_point() {
        // 7/2 = 3.5 and -7/2 = -3.5 lose what is behind the point: 3 and -3. With an f32 among them it stays.
        replay(
            r#"aten::div.Tensor_0_3 i64[2]{7 -7} i32[2]{2 2} -> i64[2]{3 -3}
aten::div.Tensor_0_3 i64[2]{7 -7} f32[2]{2.0 2.0} -> f32[2]{3.5 -3.5}
aten::div.Scalar_0_3 i32[2]{7 -7} 2 -> i32[2]{3 -3}
aten::div.Scalar_0_3 i32[2]{7 -7} 2.0 -> f32[2]{3.5 -3.5}
aten::div.Scalar_0_3 f64[2]{7.0 -7.0} 2 -> f64[2]{3.5 -3.5}
aten::div.out_0_3 i64[2]{7 -7} i64[2]{2 2} i64[2]{0 0} -> i64[2]{3 -3} & 2=i64[2]{3 -3}
aten::div.out_0_3 i64[2]{7 -7} i64[2]{2 2} f32[2]{0.0 0.0} -> f32[2]{3.5 -3.5} & 2=f32[2]{3.5 -3.5}
aten::div_.Tensor_0_3 i64[2]{7 -7} i64[2]{2 2} -> i64[2]{3 -3} & 0=i64[2]{3 -3}
aten::div_.Tensor_0_3 f32[2]{7.0 -7.0} i64[2]{2 2} -> f32[2]{3.5 -3.5} & 0=f32[2]{3.5 -3.5}
aten::div_.Scalar_0_3 i64[2]{7 -7} 2 -> i64[2]{3 -3} & 0=i64[2]{3 -3}
aten::div_.Scalar_0_3 i64[2]{7 -7} 2.0 -> ! result type Float can't be cast to the desired output type Long"#,
        );
    }

    #[test]
    fn whoever_names_a_rounding_gets_it_at_any_version() {
        replay(
            r#"aten::div.Tensor_mode_0_3 i64[2]{7 -7} i64[2]{2 2} "floor" -> i64[2]{3 -4}
aten::div.Scalar_mode_0_3 i64[2]{7 -7} 2 None -> f32[2]{3.5 -3.5}
aten::div.out_mode_0_3 i64[1]{7} i64[1]{2} "trunc" i64[1]{0} -> i64[1]{3} & 3=i64[1]{3}
aten::div_.Tensor_mode_0_3 i64[1]{-7} i64[1]{2} "floor" -> i64[1]{-4} & 0=i64[1]{-4}
aten::div_.Scalar_mode_0_3 i64[1]{-7} 2 "trunc" -> i64[1]{-3} & 0=i64[1]{-3}"#,
        );
    }

    #[test]
    fn what_is_filled_without_a_dtype_is_of_floating_point() {
        replay(
            "aten::full.0_4 [2] 3 None None None None -> f32[2]{3.0 3.0}
aten::full.0_4 [1] True None None None None -> f32[1]{1.0}
aten::full.0_4 [1] 3 4 None None None -> i64[1]{3}
aten::full.out_0_4 [2] 3 i64[0]{} -> i64[2]{3 3} & 2=i64[2]{3 3}",
        );
    }

    #[test]
    fn sequences_have_a_hundred_steps_if_nobody_says_how_many() {
        for (name, end) in [("aten::linspace.0_7 0 99 None 4", 99), ("aten::logspace.0_8 0 99 None 1.0 4", 0)] {
            // From 0 to 99 in 100 steps; and 100 powers of 1.
            let items: Vec<String> = (0..=99).map(|i| if end == 0 { "1".into() } else { i.to_string() }).collect();
            replay(&format!("{name} None None None -> i64[100]{{{}}}", items.join(" ")));
        }
        replay("aten::linspace.0_7 0 1 3 None None None None -> f32[3]{0.0 0.5 1.0}");
        replay("aten::logspace.out_0_8 0 2 3 10.0 f32[0]{} -> f32[3]{1.0 10.0 100.0} & 4=f32[3]{1.0 10.0 100.0}");
    }

    #[test]
    fn gelu_had_no_approximation() {
        // 1 times the normal distribution's chance to be below 1.
        replay("aten::gelu.0_9 f64[1]{1.0} ~> f64[1]{0.8413447460685429}");
        replay("aten::gelu.out_0_9 f64[1]{1.0} f64[0]{} ~> f64[1]{0.8413447460685429} & 1=f64[1]{0.8413447460685429}");
    }
}
