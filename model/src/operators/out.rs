//! The `out` form of operators whose kernel only makes new tensors: what it makes is copied to the `out` arguments.
//!
//! There are two kinds. A form that PyTorch itself generates from the functional one (`generated.txt`) copies, and takes an `out` of
//! the result's dtype only, which it makes contiguous if it gives it new sizes. All others compute what they write: there the result is
//! converted, and a resized `out` lies as a new tensor would. Of the second kind, a form with a row of its own is left alone.

use super::nested::makes_nested;
use super::output::Accepts;
use super::{Argument, Call, Destination, Fault, Kernel, Operator};
use crate::tensor::{Tensor, dispatch};
use crate::types::Type;
use crate::value::Value;

/// The forms that PyTorch has tagged as generated, sorted.
const GENERATED: &str = include_str!("generated.txt");

/// The kernel of a form that is derived, if it is; whether it has one already is the caller's concern, unless PyTorch generates it.
pub(super) fn derived(operator: &Operator, overloads: &[Operator]) -> Option<Kernel> {
    functional(operator, overloads)?;
    let full_name = operator.full_name();
    match GENERATED.lines().any(|line| line == full_name) {
        true => Some(generated),
        false => operator.kernel.is_none().then_some(copied),
    }
}

/// The overload that computes what this one writes to its `out` arguments, if there is one with a kernel.
fn functional<'a>(operator: &Operator, overloads: &'a [Operator]) -> Option<&'a Operator> {
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

/// Writes what the functional overload gives to the `out` arguments.
pub(super) fn copied(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| Destination::Out(out, call.operator.accepts).receive(call, result))
}

/// Copies what the functional overload gives to the `out` arguments, which have its dtypes.
fn generated(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| copy_if(Accepts::Same, call, out, result))
}

/// The same for other operators that compute a tensor of their own: it is converted.
pub(super) fn cast(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, |call, out, result| copy_if(call.operator.accepts, call, out, result))
}

/// The same as `copy_` does it, whatever the dtypes.
pub(super) fn converted(call: &mut Call<'_>) -> Result<Value, Fault> {
    write(call, copy)
}

/// [`copy`], if `out` is of a dtype that is accepted.
fn copy_if(accepts: Accepts, call: &Call<'_>, out: &Tensor, result: &Tensor) -> Result<(), Fault> {
    Destination::Out(out, accepts).check_dtype(result.dtype())?;
    copy(call, out, result)
}

/// Makes `out` what the result is, contiguous if it gets new sizes.
pub(super) fn copy(call: &Call<'_>, out: &Tensor, result: &Tensor) -> Result<(), Fault> {
    Destination::InPlace(out).check_overlap(&[])?;
    dispatch!(all result.dtype(), call.operator.name, T => {
        let elements = result.read::<T>(call.allocator.memory())?;
        if out.sizes() != result.sizes() {
            out.resize(&result.sizes())?;
        }
        out.store(&elements)
    })
}

/// Calls the functional overload, and `to` with each `out` and its result.
pub(super) fn write(
    call: &mut Call<'_>,
    to: fn(&Call<'_>, &Tensor, &Tensor) -> Result<(), Fault>,
) -> Result<Value, Fault> {
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
            to(call, call.tensor(i)?, &result)?;
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
            let is = |kernel: Kernel| operator.kernel.is_some_and(|own| std::ptr::fn_addr_eq(own, kernel));
            if !is(copied) && !is(generated) {
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

    #[test]
    fn results_are_written_and_given_back() {
        crate::operators::fixture::replay(concat!(
            "aten::sort.values f32[3]{3 1 2} -1 False f32[3]{0 0 0} i64[0]{} -> (f32[3]{1 2 3}, i64[3]{1 2 0}) ",
            "& 3=f32[3]{1 2 3} & 4=i64[3]{1 2 0}\n",
            "aten::max.dim_max i64[2,2]{1 4 3 2} 1 False i64[2]{0 0} i64[2]{0 0} -> (i64[2]{4 3}, i64[2]{1 0}) ",
            "& 3=i64[2]{4 3} & 4=i64[2]{1 0}\n",
            "aten::full_like.out f32[2]{5 6} 1.5 None f64[0]{} -> f64[2]{1.5 1.5} & 3=f64[2]{1.5 1.5}\n",
            "aten::embedding.out f32[2,1]{5 6} i64[2]{1 0} -1 False False f32[0]{} -> f32[2,1]{6 5} & 5=f32[2,1]{6 5}",
        ));
    }

    #[test]
    fn generated_forms_are_contiguous_and_of_the_same_dtype_and_others_lie_as_a_new_tensor() {
        crate::operators::fixture::replay(concat!(
            "aten::abs.out i64[2,2/1,2]{1 2 -3 4} i64[0]{} -> i64[2,2/1,2]{1 3 2 4} & 1=i64[2,2/1,2]{1 3 2 4}\n",
            "aten::add.out i64[2,2/1,2]{1 2 -3 4} =0 1 i64[0]{} -> i64[2,2/1,2]{2 -6 4 8} & 3=i64[2,2/1,2]{2 -6 4 8}\n",
            "aten::add.Scalar_out i64[2,2/1,2]{1 2 -3 4} 1 1 i64[0]{} -> i64[2,2]{2 -2 3 5} & 3=i64[2,2]{2 -2 3 5}\n",
            "aten::clone.out i64[2,2/1,2]{1 2 -3 4} None i64[0]{} -> i64[2,2]{1 -3 2 4} & 2=i64[2,2]{1 -3 2 4}\n",
            "aten::add.Scalar_out i64[2,2/1,2]{1 2 -3 4} 1 1 f32[0]{} -> ! Expected out tensor to have dtype long int, but got float ",
            "instead",
        ));
    }

    #[test]
    fn dtypes_that_an_out_may_not_have_are_refused_in_their_words() {
        crate::operators::fixture::replay(concat!(
            "aten::mm.out f32[2,2]{1.0 2.0 3.0 4.0} f32[2,2]{1.0 2.0 3.0 4.0} f64[0]{} ~> ",
            "! Expected out tensor to have dtype float, but got double instead\n",
            "aten::abs.out f32[2]{1.0 2.0} f64[0]{} ~> ",
            "! Found dtype Double but expected Float\n",
            "aten::linalg_pinv.atol_rtol_float_out f32[2,2]{1.0 0.0 0.0 4.0} None None False i32[0]{} ~> ",
            "! linalg.pinv: Expected result to be safely castable from Float dtype, but got result with dtype Int\n",
            "aten::cholesky.out f32[2,2]{4.0 0.0 0.0 1.0} False f64[0]{} ~> ",
            "f64[2,2]{2.0 0.0 0.0 1.0} & 2=f64[2,2]{2.0 0.0 0.0 1.0}",
        ));
    }

    #[test]
    fn what_is_listed_is_known() {
        for (name, _) in Accepts::listed() {
            assert!(crate::operators::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_is_said_to_be_generated_is_known() {
        let known = GENERATED.lines().filter(|name| crate::operators::find(name).is_some()).count();
        assert_eq!(known, 473);
        assert!(GENERATED.lines().is_sorted());
    }
}
