//! Activations of neural networks.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

use super::super::complex as of_complex;
use super::super::{Call, Fault, Kernel};
use super::calculate::Calculate;
use super::functions::in_f64;
use super::plan::{Operand, Plan, Rule, compute, missing};
use super::{complex, forms, rows};
use crate::operators::arguments::wrap_dim;
use crate::tensor::number::Wide;
use crate::tensor::{DType, Dims, Layout, Math, Scalar, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const FORMS: &[(&str, Kernel)] = forms! {
    relu; leaky_relu; elu; celu; gelu; silu; mish; hardtanh; hardsigmoid; hardswish; threshold;
};

pub(super) const ROWS: &[(&str, Kernel)] = rows! {
    relu6: "relu6" "relu6_";
    selu: "selu" "selu_";
    hardshrink: "hardshrink" "hardshrink.out";
    softshrink: "softshrink" "softshrink.out";
    softplus: "softplus" "softplus.out";
    log_sigmoid: "log_sigmoid" "log_sigmoid.out";
    prelu: "prelu";
    glu: "glu" "glu.out";
};

/// Activations of a float without parameters.
macro_rules! activations {
    ($($name:ident: |$x:ident $(, $math:ident)?| $body:expr;)*) => {
        $(fn $name(call: &mut Call<'_>) -> Result {
            fn compute<W: Wide>($x: W $(, $math: Math)?) -> W {
                $body
            }
            $(let $math = call.modes.math;)?
            map_float(call, |x| compute(x $(, $math)?), |x| compute(x $(, $math)?))
        })*
    };
}

activations! {
    silu_of_float: |x, math| x / (W::of(1.0) + math.exp(-x));
    mish: |x, math| x * math.tanh(math.ln_1p(math.exp(x)));
    hardsigmoid: |x| between(x + W::of(3.0), 0.0, 6.0) / W::of(6.0);
    hardswish: |x| x * between(x + W::of(3.0), 0.0, 6.0) / W::of(6.0);
    log_sigmoid: |x, math| between(x, f64::NEG_INFINITY, 0.0) - math.ln_1p(math.exp(-x.abs()));
    gelu_erf: |x| W::of(0.5) * x * (W::of(1.0) + in_f64(x * W::of(FRAC_1_SQRT_2), libm::erf));
    gelu_tanh: |x, math| {
        let inner = W::of(SQRT_2 * FRAC_2_SQRT_PI * 0.5) * (x + W::of(0.044715) * x * x * x);
        W::of(0.5) * x * (W::of(1.0) + math.tanh(inner))
    };
}

fn silu(call: &mut Call<'_>) -> Result {
    if !call.tensor(0)?.dtype().is_complex() {
        return silu_of_float(call);
    }
    let plan = Plan::unary(call, Rule::Common)?;
    complex::map(plan, call, |math, x| x / (1.0 + of_complex::exp(math, -x)))
}

/// Clamped, with NaN left as it is.
fn between<W: Wide>(x: W, low: f64, high: f64) -> W {
    let (low, high) = (W::of(low), W::of(high));
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// Maps the first argument by one function, given for both widths; integers have no such activation.
fn map_float(call: &mut Call<'_>, narrow: impl Fn(f32) -> f32, wide: impl Fn(f64) -> f64) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    match plan.dtype {
        DType::Float64 => plan.map(call, wide),
        DType::Float32 | DType::Float16 | DType::BFloat16 => plan.map(call, narrow),
        other => Err(missing(call.operator.name, other)),
    }
}

fn relu(call: &mut Call<'_>) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    if plan.dtype == DType::Bool {
        return Err(Fault::raised("Boolean inputs not supported for relu"));
    }
    compute!(numbers plan, call, T => {
        let zero = T::default();
        plan.map(call, |x: T| if x < zero { zero } else { x })
    })
}

fn gelu(call: &mut Call<'_>) -> Result {
    match &**call.str(1)? {
        "none" => gelu_erf(call),
        "tanh" => gelu_tanh(call),
        _ => Err(Fault::raised("approximate argument must be either none or tanh.")),
    }
}

fn leaky_relu(call: &mut Call<'_>) -> Result {
    let slope = call.scalar(1)?.to_f64();
    let narrow = slope as f32;
    map_float(call, |x| if x > 0.0 { x } else { x * narrow }, |x| if x > 0.0 { x } else { x * slope })
}

fn elu(call: &mut Call<'_>) -> Result {
    let (alpha, scale, input_scale) = (call.scalar(1)?.to_f64(), call.scalar(2)?.to_f64(), call.scalar(3)?.to_f64());
    exponential_unit(call, alpha * scale, scale, input_scale)
}

fn selu(call: &mut Call<'_>) -> Result {
    let (alpha, scale) = (1.6732632423543772, 1.0507009873554805);
    exponential_unit(call, alpha * scale, scale, 1.0)
}

fn celu(call: &mut Call<'_>) -> Result {
    let alpha = call.scalar(1)?.to_f64();
    if alpha == 0.0 {
        return Err(Fault::raised("ZeroDivisionError: alpha cannot be 0 for CELU"));
    }
    exponential_unit(call, alpha, 1.0, 1.0 / alpha)
}

/// `negative * (exp(x * inner) - 1)` below zero, `positive * x` above.
fn exponential_unit(call: &mut Call<'_>, negative: f64, positive: f64, inner: f64) -> Result {
    fn unit<W: Wide>(x: W, [negative, positive, inner]: [f64; 3], math: Math) -> W {
        if x <= W::of(0.0) { math.exp_m1(x * W::of(inner)) * W::of(negative) } else { x * W::of(positive) }
    }
    let (factors, math) = ([negative, positive, inner], call.modes.math);
    map_float(call, |x| unit(x, factors, math), |x| unit(x, factors, math))
}

fn relu6(call: &mut Call<'_>) -> Result {
    clamp_to(call, Scalar::Int(0), Scalar::Int(6))
}

fn hardtanh(call: &mut Call<'_>) -> Result {
    let (low, high) = (call.scalar(1)?, call.scalar(2)?);
    clamp_to(call, low, high)
}

/// Clamps in the tensor's own dtype.
fn clamp_to(call: &mut Call<'_>, low: Scalar, high: Scalar) -> Result {
    let plan = Plan::unary(call, Rule::Common)?;
    match plan.dtype {
        DType::Bool => return Err(Fault::raised("Bool inputs not supported for hardtanh")),
        DType::UInt8 if low.to_f64() < 0.0 || high.to_f64() < 0.0 => {
            return Err(Fault::raised("cannot do hardtanh on an unsigned type with negative limits"));
        }
        _ => {}
    }
    compute!(numbers plan, call, T => {
        let (low, high): (T, T) = (plan.number(&low)?, plan.number(&high)?);
        plan.map(call, |x: T| if x < low { low } else if x > high { high } else { x })
    })
}

fn hardshrink(call: &mut Call<'_>) -> Result {
    fn shrink<W: Wide>(x: W, lambda: f64) -> W {
        if x >= W::of(-lambda) && x <= W::of(lambda) { W::of(0.0) } else { x }
    }
    let lambda = call.scalar(1)?.to_f64();
    map_float(call, |x| shrink(x, lambda), |x| shrink(x, lambda))
}

fn softshrink(call: &mut Call<'_>) -> Result {
    fn shrink<W: Wide>(x: W, lambda: f64) -> W {
        let lambda = W::of(lambda);
        if x > lambda {
            x - lambda
        } else if x < -lambda {
            x + lambda
        } else {
            x * W::of(0.0)
        }
    }
    let lambda = call.scalar(1)?.to_f64();
    if lambda < 0.0 {
        let text = format!("lambda must be greater or equal to 0, but found to be {lambda}.");
        return Err(Fault::raised(text));
    }
    map_float(call, |x| shrink(x, lambda), |x| shrink(x, lambda))
}

fn softplus(call: &mut Call<'_>) -> Result {
    fn soft<W: Wide>(x: W, (beta, threshold): (f64, f64), math: Math) -> W {
        let scaled = x * W::of(beta);
        if scaled > W::of(threshold) { x } else { math.ln_1p(math.exp(scaled)) / W::of(beta) }
    }
    let (shape, math) = ((call.scalar(1)?.to_f64(), call.scalar(2)?.to_f64()), call.modes.math);
    map_float(call, |x| soft(x, shape, math), |x| soft(x, shape, math))
}

fn threshold(call: &mut Call<'_>) -> Result {
    let (threshold, value) = (call.scalar(1)?, call.scalar(2)?);
    let plan = Plan::unary(call, Rule::Common)?;
    compute!(numbers plan, call, T => {
        let (threshold, value): (T, T) = (plan.number(&threshold)?, plan.number(&value)?);
        plan.map(call, |x: T| if x <= threshold { value } else { x })
    })
}

/// A slope of its own for each channel (dimension 1) of negative elements.
fn prelu(call: &mut Call<'_>) -> Result {
    let (input, weight) = (call.tensor(0)?, call.tensor(1)?);
    let (sizes, count) = (input.sizes(), weight.numel());
    if input.dtype() != weight.dtype() {
        let (a, b) = (input.dtype().scalar_type_name(), weight.dtype().scalar_type_name());
        let text = format!("prelu: Type promoting not supported. Got {a} and {b}");
        return Err(Fault::raised(text));
    }
    if weight.sizes().len() > 1 {
        let found = weight.sizes().len();
        return Err(Fault::raised(format!(
            "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {found}"
        )));
    }
    let mut weight_sizes = Dims::from_elem(1, sizes.len());
    if count != 1 {
        if sizes.is_empty() {
            return Err(Fault::raised("Not allow zero-dim input tensor."));
        }
        let channels = sizes.get(1).copied().unwrap_or(1);
        if channels != count {
            let text = "Mismatch of parameter numbers and input channel size.";
            let numbers = format!("Found parameter numbers = {count} and channel size = {channels}.");
            return Err(Fault::raised(format!("{text} {numbers}")));
        }
        if sizes.len() > 1 {
            weight_sizes[1] = count;
        }
    }
    let metadata = weight.metadata();
    let stride = metadata.layout.strides().first().copied().unwrap_or(1);
    let strides = Dims::from_elem(stride, weight_sizes.len());
    let layout = Layout::strided(&weight_sizes, &strides, metadata.layout.offset());
    let weight = Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout);
    let operands = [Operand::Tensor(input), Operand::Tensor(&weight)];
    let dtype = input.dtype();
    let plan = Plan::with_dtype(call, operands.into_iter().collect(), dtype, dtype)?;
    compute!(floats plan, call, T => {
        let zero = T::default();
        plan.zip(call, |x: T, w: T| if x > zero { x } else { Calculate::mul(x, w) })
    })
}

/// One half of the tensor, gated by the sigmoid of the other.
fn glu(call: &mut Call<'_>) -> Result {
    let input = call.tensor(0)?;
    let metadata = input.metadata();
    let layout = &metadata.layout;
    if layout.rank() == 0 {
        return Err(Fault::raised("glu does not support 0-dimensional tensors"));
    }
    let dim = wrap_dim(call.int(1)?, layout.rank())?;
    let size = layout.sizes()[dim];
    if size % 2 != 0 {
        return Err(Fault::raised(format!("Halving dimension must be even, but dimension {dim} is size {size}")));
    }
    let mut sizes: Dims = layout.sizes().into();
    sizes[dim] /= 2;
    let mut half = |start: i64| {
        let offset = layout.offset() + start * layout.strides()[dim];
        let layout = Layout::strided(&sizes, layout.strides(), offset);
        Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout)
    };
    let (values, gates) = (half(0), half(size / 2));
    let operands = [Operand::Tensor(&values), Operand::Tensor(&gates)];
    let plan = Plan::with_dtype(call, operands.into_iter().collect(), metadata.dtype, metadata.dtype)?;
    let math = call.modes.math;
    compute!(floats plan, call, T => {
        plan.zip(call, |x: T, gate: T| {
            x * (1.0 / (1.0 + math.exp(-gate)))
        })
    })
}
