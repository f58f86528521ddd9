//! Special functions that PyTorch has for few dtypes, element by element.

use std::cmp::Ordering;

use half::bf16;

use super::super::results::tuple;
use super::super::{Call, Fault, Kernel};
use super::functions::in_f64;
use super::gamma::check_dtype;
use super::plan::{Plan, Rule, compute};
use super::{bessel, normal, rows, special};
use crate::tensor::DType;
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    airy_ai: "special_airy_ai" "special_airy_ai.out";
    bessel_j0: "special_bessel_j0" "special_bessel_j0.out";
    bessel_j1: "special_bessel_j1" "special_bessel_j1.out";
    bessel_y0: "special_bessel_y0" "special_bessel_y0.out";
    bessel_y1: "special_bessel_y1" "special_bessel_y1.out";
    frexp: "frexp.Tensor";
    erfcx: "special_erfcx" "special_erfcx.out";
    i0e: "special_i0e" "special_i0e.out";
    i1: "special_i1" "special_i1.out";
    i1e: "special_i1e" "special_i1e.out";
    log_ndtr: "special_log_ndtr" "special_log_ndtr.out";
    modified_i0: "special_modified_bessel_i0" "special_modified_bessel_i0.out";
    modified_i1: "special_modified_bessel_i1" "special_modified_bessel_i1.out";
    modified_k0: "special_modified_bessel_k0" "special_modified_bessel_k0.out";
    modified_k1: "special_modified_bessel_k1" "special_modified_bessel_k1.out";
    ndtri: "special_ndtri" "special_ndtri.out";
    nextafter: "nextafter" "nextafter_" "nextafter.out";
    scaled_k0: "special_scaled_modified_bessel_k0" "special_scaled_modified_bessel_k0.out";
    scaled_k1: "special_scaled_modified_bessel_k1" "special_scaled_modified_bessel_k1.out";
    spherical_j0: "special_spherical_bessel_j0" "special_spherical_bessel_j0.out";
};

/// Functions of one number, of `any` float or `wide` ones only.
macro_rules! functions {
    ($($name:ident: $which:ident $function:path;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            let plan = Plan::unary(call, Rule::Float)?;
            functions!(@ $which call, plan);
            compute!(floats plan, call, T => plan.map(call, |x: T| in_f64(x, $function)))
        })*
    };
    (@ any $call:ident, $plan:ident) => {};
    (@ wide $call:ident, $plan:ident) => { check_dtype($call, &$plan)? };
}

functions! {
    airy_ai: wide bessel::airy_ai;
    bessel_j0: wide bessel::j0;
    bessel_j1: wide bessel::j1;
    bessel_y0: wide bessel::y0;
    bessel_y1: wide bessel::y1;
    erfcx: wide normal::erfcx;
    i0e: any bessel::scaled_i0;
    i1: any bessel::i1;
    i1e: any bessel::scaled_i1;
    log_ndtr: wide normal::log_ndtr;
    modified_i0: wide special::i0;
    modified_i1: wide bessel::i1;
    modified_k0: wide bessel::k0;
    modified_k1: wide bessel::k1;
    ndtri: wide normal::ndtri;
    scaled_k0: wide bessel::scaled_k0;
    scaled_k1: wide bessel::scaled_k1;
    spherical_j0: wide bessel::spherical_j0;
}

/// A number between a half and one, and the power of two that it is multiplied with.
fn frexp(call: &mut Call<'_>) -> Result {
    let x = call.tensor(0)?;
    if !x.dtype().is_floating_point() {
        return Err(Fault::raised("torch.frexp() only supports floating-point dtypes"));
    }
    let parts: Vec<(f64, i32)> = x.to_f64s(&call.memory())?.into_iter().map(libm::frexp).collect();
    let (fractions, exponents): (Vec<f64>, Vec<i64>) = parts.iter().map(|part| (part.0, part.1 as i64)).unzip();
    let (fraction, exponent) = (call.zeros_like(x, x.dtype())?, call.zeros_like(x, DType::Int32)?);
    fraction.store(&fractions)?;
    exponent.store(&exponents)?;
    Ok(tuple([fraction, exponent]))
}

/// The neighbour of `self` on the way to `other`, in the dtype of both.
fn nextafter(call: &mut Call<'_>) -> Result {
    let plan = Plan::binary(call, Rule::Common)?;
    match plan.dtype {
        DType::Float64 => plan.zip(call, |x: f64, to: f64| neighbour(x, to, f64::next_up, f64::next_down)),
        DType::Float32 => plan.zip(call, |x: f32, to: f32| neighbour(x, to, f32::next_up, f32::next_down)),
        DType::BFloat16 => {
            plan.zip(call, |x: f32, to: f32| neighbour(x, to, |x| narrow(x, true), |x| narrow(x, false)))
        }
        other => Err(Fault::no_kernel(call.operator.name, other)),
    }
}

/// The goal where it is reached, and NaN where there is one.
fn neighbour<T: Copy + std::ops::Add<Output = T> + PartialOrd>(
    x: T,
    to: T,
    up: impl Fn(T) -> T,
    down: impl Fn(T) -> T,
) -> T {
    match x.partial_cmp(&to) {
        None => x + to,
        Some(Ordering::Equal) => to,
        Some(Ordering::Less) => up(x),
        Some(Ordering::Greater) => down(x),
    }
}

/// The next number of 16 bits.
fn narrow(x: f32, up: bool) -> f32 {
    let bits = bf16::from_f32(x).to_bits();
    let next = if x == 0.0 {
        if up { 1 } else { 0x8001 }
    } else if up == (x > 0.0) {
        bits + 1
    } else {
        bits - 1
    };
    bf16::from_bits(next).to_f32()
}
