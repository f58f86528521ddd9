//! The `out` form of operators whose kernel only makes new tensors: what it makes is copied to the `out` arguments.
//!
//! PyTorch derives most of its own so. A form with a kernel of its own has a row of its own, and is left alone.

use super::nested::makes_nested;
use super::{Argument, Call, Destination, Fault, Operator};
use crate::types::Type;
use crate::value::Value;

/// The overload that computes what this one writes to its `out` arguments, if there is one with a kernel.
pub(super) fn functional<'a>(operator: &Operator, overloads: &'a [Operator]) -> Option<&'a Operator> {
    let arguments = &operator.schema.arguments;
    let outs = arguments.iter().filter(|argument| argument.is_out()).count();
    if outs == 0 || arguments.iter().any(|argument| argument.is_out() && argument.ty != Type::Tensor) {
        return None;
    }
    overloads.iter().find(|other| {
        let theirs = &other.schema.arguments;
        let same = |a: &Argument, b: &Argument| a.name == b.name && a.ty == b.ty;
        let kept = |argument: &Argument| argument.is_out() || theirs.iter().any(|other| same(argument, other));
        let known = |other: &Argument| arguments.iter().any(|argument| same(argument, other)) || is_option(other);
        other.kernel.is_some()
            && !makes_nested(other)
            && !theirs.iter().any(|argument| argument.alias.as_ref().is_some_and(|alias| alias.writes))
            && other.schema.returns.len() == outs
            && arguments.iter().all(kept)
            && theirs.iter().all(known)
    })
}

/// What a new tensor is like; an `out` is so already.
fn is_option(argument: &Argument) -> bool {
    matches!(&*argument.name, "dtype" | "layout" | "device" | "pin_memory")
}

/// Runs the functional overload and copies its results.
pub(super) fn copied(call: &mut Call<'_>) -> Result<Value, Fault> {
    let overloads = super::overloads(call.operator.name).expect("the operator's own name");
    let functional = functional(call.operator, overloads).expect("it had one when the table was made");
    let schema = &call.operator.schema;
    let outs: Vec<usize> = (0..schema.arguments.len()).filter(|&i| schema.arguments[i].is_out()).collect();
    let argument = |argument: &Argument| match schema.argument(&argument.name) {
        Some(i) => Ok(call.args[i].clone()),
        None if &*argument.name == "dtype" => Ok(Value::Int(call.tensor(outs[0])?.dtype().code())),
        None => Ok(Value::None),
    };
    let args = functional.schema.arguments.iter().map(argument).collect::<Result<Vec<_>, Fault>>()?;
    let results = match call.run_operator(functional, &args)? {
        Value::Tuple(items) => items.to_vec(),
        single => vec![single],
    };
    for (&i, result) in outs.iter().zip(results) {
        // What is not there, such as weights that nobody asked for, is not written.
        if let Value::Tensor(result) = result {
            Destination::Out(call.tensor(i)?).receive(call, &result)?;
        }
    }
    let mut written = outs.iter().map(|&i| call.args[i].clone());
    Ok(match schema.returns.len() {
        0 => Value::None,
        1 => written.next().expect("an out"),
        _ => Value::Tuple(written.collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::registry::names;
    use crate::operators::{Correction, overloads};

    #[test]
    fn a_derived_form_is_said_to_do_what_its_functional_form_does_besides() {
        let mut derived = Vec::new();
        for operator in names().flat_map(|name| overloads(name).expect("its own name")) {
            let own = overloads(operator.name).expect("its own name");
            if operator.kernel.is_none_or(|kernel| !std::ptr::fn_addr_eq(kernel, copied as super::super::Kernel)) {
                continue;
            }
            derived.push(operator.full_name());
            let functional = functional(operator, own).expect("derived from it");
            for correction in functional.corrections {
                let same = std::mem::discriminant(correction);
                let matters = matches!(
                    correction,
                    Correction::Draws(_)
                        | Correction::Writes(..)
                        | Correction::Seeds
                        | Correction::Prints
                        | Correction::ProcessFlags(_)
                        | Correction::Unknown
                );
                let said = operator.corrections.iter().any(|own| std::mem::discriminant(own) == same);
                assert!(!matters || said, "{}: {correction:?}", operator.full_name());
            }
        }
        for name in ["aten::sort.values", "aten::rand.generator_out", "aten::_pack_padded_sequence.out"] {
            assert!(derived.iter().any(|derived| derived == name), "{name}");
        }
    }

    /// The values are plain: what the functional form gives, in `out`. None is recorded.
    #[test]
    fn results_are_written_and_given_back() {
        crate::operators::fixture::replay(concat!(
            "aten::sort.values f32[3]{3 1 2} -1 False f32[3]{0 0 0} i64[0]{} -> (f32[3]{1 2 3}, i64[3]{1 2 0}) ",
            "& 3=f32[3]{1 2 3} & 4=i64[3]{1 2 0}\n",
            "aten::max.dim_max i64[2,2]{1 4 3 2} 1 False i64[2]{0 0} i64[2]{0 0} -> (i64[2]{4 3}, i64[2]{1 0}) ",
            "& 3=i64[2]{4 3} & 4=i64[2]{1 0}\n",
            "aten::embedding.out f32[2,1]{5 6} i64[2]{1 0} -1 False False f32[2,1]{0 0} -> f32[2,1]{6 5} & 5=f32[2,1]{6 5}\n",
            "aten::full_like.out f32[2]{5 6} 1.5 None f64[0]{} -> f64[2]{1.5 1.5} & 3=f64[2]{1.5 1.5}\n",
            "aten::embedding.out f32[2,1]{5 6} i64[2]{1 0} -1 False False f64[2,1]{0 0} -> ! Expected out tensor to have ",
            "dtype float, but got double instead",
        ));
    }
}
