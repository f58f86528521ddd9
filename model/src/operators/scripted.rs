//! Functions that PyTorch has written in TorchScript: a number before a tensor, properties of tensors, and what archives of
//! its first versions call.
//!
//! PyTorch resolves them like operators, after these, and puts their bodies where they are called. Archives hardly name
//! them therefore, but code that is written by hand does, and so do archives from before they were functions
//! (`ops.prim.shape`).

use super::{Call, Correction, Fault, Kernel};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

/// Their schemas, in the order in which they are tried.
pub(super) const SCHEMAS: &str = include_str!("scripted.txt");

pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    NUMBERS_FIRST,
    &[
        ("aten::floordiv.Tensor_Tensor", |call| call.run("aten::floor_divide", call.args)),
        ("aten::floordiv.Tensor_Scalar", |call| call.run("aten::floor_divide.Scalar", call.args)),
        ("aten::__contains__.str_str", |call| Ok(Value::Bool(call.str(0)?.contains(&**call.str(1)?)))),
        ("aten::list_with_default", with_default),
        ("aten::_assert_int_or_pair", |_| Ok(Value::None)),
        ("prim::ndim", |call| call.run("aten::dim", call.args)),
        ("prim::shape", |call| call.run("aten::size", call.args)),
        ("prim::T", |call| call.run("aten::numpy_T", call.args)),
        ("prim::H", |call| call.run("aten::matrix_H", call.args)),
        ("prim::mT", |call| call.run("aten::mT", call.args)),
        ("prim::mH", |call| call.run("aten::mH", call.args)),
    ],
];

/// Where a number stands before a tensor.
#[rustfmt::skip]
const NUMBERS_FIRST: &[(&str, Kernel)] = &[
    ("aten::mul.float_Tensor", |call| swapped(call, "aten::mul.Scalar")),
    ("aten::add.float_Tensor", |call| swapped(call, "aten::add.Scalar")),
    ("aten::ne.float_Tensor", |call| swapped(call, "aten::ne.Scalar")),
    ("aten::eq.float_Tensor", |call| swapped(call, "aten::eq.Scalar")),
    ("aten::sub.float_Tensor", sub),
    ("aten::div.float_Tensor", div),
    ("aten::mul.int_Tensor", |call| swapped(call, "aten::mul.Scalar")),
    ("aten::add.int_Tensor", |call| swapped(call, "aten::add.Scalar")),
    ("aten::ne.int_Tensor", |call| swapped(call, "aten::ne.Scalar")),
    ("aten::eq.int_Tensor", |call| swapped(call, "aten::eq.Scalar")),
    ("aten::sub.int_Tensor", sub),
    ("aten::div.int_Tensor", div),
    ("aten::mul.complex_Tensor", |call| swapped(call, "aten::mul.Scalar")),
    ("aten::add.complex_Tensor", |call| swapped(call, "aten::add.Scalar")),
    ("aten::ne.complex_Tensor", |call| swapped(call, "aten::ne.Scalar")),
    ("aten::eq.complex_Tensor", |call| swapped(call, "aten::eq.Scalar")),
    ("aten::sub.complex_Tensor", sub),
    ("aten::div.complex_Tensor", div),
    ("aten::lt.float_Tensor", |call| swapped(call, "aten::gt.Scalar")),
    ("aten::le.float_Tensor", |call| swapped(call, "aten::ge.Scalar")),
    ("aten::gt.float_Tensor", |call| swapped(call, "aten::lt.Scalar")),
    ("aten::ge.float_Tensor", |call| swapped(call, "aten::le.Scalar")),
    ("aten::lt.int_Tensor", |call| swapped(call, "aten::gt.Scalar")),
    ("aten::le.int_Tensor", |call| swapped(call, "aten::ge.Scalar")),
    ("aten::gt.int_Tensor", |call| swapped(call, "aten::lt.Scalar")),
    ("aten::ge.int_Tensor", |call| swapped(call, "aten::le.Scalar")),
];

const SHAPE_ONLY: &[Correction] = &[Correction::ShapeOnly];

pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[("prim::ndim", SHAPE_ONLY), ("prim::shape", SHAPE_ONLY)];

/// `2 < x` is `x > 2`.
fn swapped(call: &mut Call<'_>, name: &str) -> Result {
    call.run(name, &[call.args[1].clone(), call.args[0].clone()])
}

/// `2 - x` is `-x + 2`.
fn sub(call: &mut Call<'_>) -> Result {
    let negative = call.run("aten::neg", &call.args[1..])?;
    call.run("aten::add.Scalar", &[negative, call.args[0].clone()])
}

/// `2 / x` is `1 / x * 2`.
fn div(call: &mut Call<'_>) -> Result {
    let reciprocal = call.run("aten::reciprocal", &call.args[1..])?;
    call.run("aten::mul.Scalar", &[reciprocal, call.args[0].clone()])
}

/// The sizes that were given, of which there are fewer than defaults.
fn with_default(call: &mut Call<'_>) -> Result {
    if call.list(1)?.content().items.len() <= call.list(0)?.content().items.len() {
        return Err(Fault::raised("AssertionError: "));
    }
    Ok(call.args[0].clone())
}

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn a_number_may_stand_before_a_tensor() {
        // 2 - 5 = -3, 2 / 4 = 0.5; 2 < 3 and not 2 < 2.
        replay(
            "aten::mul.int_Tensor 2 i64[2]{3 4} -> i64[2]{6 8}
aten::add.float_Tensor 0.5 f32[2]{1.0 2.0} -> f32[2]{1.5 2.5}
aten::sub.int_Tensor 2 f32[2]{5.0 1.0} -> f32[2]{-3.0 1.0}
aten::div.int_Tensor 2 f32[2]{4.0 8.0} -> f32[2]{0.5 0.25}
aten::eq.int_Tensor 2 i64[2]{2 3} -> b8[2]{1 0}
aten::ne.float_Tensor 2.0 i64[2]{2 3} -> b8[2]{0 1}
aten::lt.int_Tensor 2 i64[3]{1 2 3} -> b8[3]{0 0 1}
aten::le.int_Tensor 2 i64[3]{1 2 3} -> b8[3]{0 1 1}
aten::gt.int_Tensor 2 i64[3]{1 2 3} -> b8[3]{1 0 0}
aten::ge.float_Tensor 2.0 i64[3]{1 2 3} -> b8[3]{1 1 0}
aten::floordiv.Tensor_Scalar i64[2]{7 -7} 2 -> i64[2]{3 -4}
aten::floordiv.Tensor_Tensor i64[2]{7 -7} i64[2]{2 2} -> i64[2]{3 -4}",
        );
    }

    #[test]
    fn tensors_have_properties() {
        replay(
            r#"prim::shape f32[2,3]{1.0 2.0 3.0 4.0 5.0 6.0} -> [2, 3]
prim::ndim f32[2,3]{1.0 2.0 3.0 4.0 5.0 6.0} -> 2
aten::_assert_int_or_pair [1, 2] "size" "two" -> None
aten::list_with_default [1, 2] [3, 4] -> ! AssertionError: 
aten::__contains__.str_str "abc" "bc" -> True
aten::__contains__.str_str "abc" "cb" -> False"#,
        );
    }
}
