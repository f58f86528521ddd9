//! Filling tensors with random numbers, in place and as new tensors.

use half::{bf16, f16};
use num_complex::Complex;

use super::distribution::{self, DrawnFloat, DrawnWhole};
use crate::operators::compose::of;
use crate::operators::creation::formats::Format;
use crate::operators::results::{memory_order, sizes_text};
use crate::operators::{Call, Fault, GeneratorState};
use crate::tensor::broadcast::{broadcast, expands_to};
use crate::tensor::{Bool8, DType, Element, Float, Layout, Math, Number, Tensor, Wide, dispatch};
use crate::value::{Generator, Value};

/// Runs its body with the element type of a dtype that integers can be drawn for.
macro_rules! dispatch_whole {
    ($kernel:literal, $dtype:expr, $T:ident => $body:expr) => {{
        macro_rules! with {
            ($rust:ty) => {{
                type $T = $rust;
                $body
            }};
        }
        match $dtype {
            DType::UInt8 => with!(u8),
            DType::Int8 => with!(i8),
            DType::Int16 => with!(i16),
            DType::Int32 => with!(i32),
            DType::Int64 => with!(i64),
            DType::Bool => with!(Bool8),
            DType::Float16 => with!(f16),
            DType::BFloat16 => with!(bf16),
            DType::Float32 => with!(f32),
            DType::Float64 => with!(f64),
            other => Err(not_implemented($kernel, other)),
        }
    }};
}

/// The error of a kernel that does not know a dtype, in PyTorch's words.
pub(super) fn not_implemented(kernel: &str, dtype: DType) -> Fault {
    Fault::raised(format!("\"{kernel}\" not implemented for '{}'", dtype.scalar_type_name()))
}

/// Sets every element, in the order in which they lie in memory.
fn fill<T: Element>(
    tensor: &Tensor,
    generator: &Generator,
    mut draw: impl FnMut(&mut GeneratorState) -> T,
) -> Result<(), Fault> {
    let metadata = tensor.metadata();
    if metadata.layout.overlaps_itself() {
        return Err(Fault::raised(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory \
             location. Please clone() the tensor before performing the operation.",
        ));
    }
    let walk = permuted(&metadata.layout, &memory_order(&metadata.layout));
    generator.slot().update(|state| {
        metadata.storage.update(|content| {
            let all = content.elements_mut::<T>();
            walk.for_each(|i| all[i] = draw(state));
        });
    });
    Ok(())
}

/// Sets both parts of every complex number, one after the other.
fn fill_both<T: DrawnFloat>(
    tensor: &Tensor,
    generator: &Generator,
    mut draw: impl FnMut(&mut GeneratorState) -> T,
) -> Result<(), Fault> {
    dispatch!(complex tensor.dtype(), "aten::view_as_real", C => {
        fill(tensor, generator, |state| {
            let (re, im) = (draw(state), draw(state));
            C::new(re.to_f64() as _, im.to_f64() as _)
        })
    })
}

/// The same elements with the dimensions in another order.
fn permuted(layout: &Layout, order: &[usize]) -> Layout {
    let sizes: Vec<i64> = order.iter().map(|&dim| layout.sizes()[dim]).collect();
    let strides: Vec<i64> = order.iter().map(|&dim| layout.strides()[dim]).collect();
    Layout::strided(&sizes, &strides, layout.offset())
}

/// The dtype of the real and imaginary parts, if the elements have such.
fn part(dtype: DType) -> DType {
    match dtype {
        DType::Complex64 => DType::Float32,
        DType::Complex128 => DType::Float64,
        other => other,
    }
}

/// Uniform numbers in `[from, to)`; of a complex number, both parts.
pub(super) fn uniform(tensor: &Tensor, generator: &Generator, from: f64, to: f64) -> Result<(), Fault> {
    let dtype = part(tensor.dtype());
    if !matches!(dtype, DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64) {
        return Err(not_implemented("check_uniform_bounds", dtype));
    }
    dispatch!(floats dtype, "uniform_", T => {
        for (name, bound) in [("from", from), ("to", to)] {
            // Not a number is out of bounds, too.
            if !(-T::GREATEST..=T::GREATEST).contains(&bound) {
                return Err(Fault::raised(format!("{name} is out of bounds for {}", dtype.c_name())));
            }
        }
        if from > to {
            let words = format!("uniform_ expects to return a [from, to) range, but found from={from} > to={to}");
            return Err(Fault::raised(words));
        }
        if to - from > T::GREATEST {
            return Err(Fault::raised(format!(
                "uniform_ expects to-from <= std::numeric_limits<{}>::max(), but found to={to} and from={from} which \
                 result in to-from to exceed the limit",
                dtype.scalar_type_name()
            )));
        }
        if tensor.numel() == 0 {
            return Ok(());
        }
        let draw = |state: &mut GeneratorState| T::uniform(state, from, to);
        match tensor.dtype().is_complex() {
            true => fill_both::<T>(tensor, generator, draw),
            false => fill(tensor, generator, draw),
        }
    })
}

/// Normal numbers. A complex number has half of the variance in each of its parts.
pub(super) fn normal(tensor: &Tensor, generator: &Generator, mean: f64, std: f64) -> Result<(), Fault> {
    check_std(std)?;
    let (dtype, layout, complex) =
        (part(tensor.dtype()), tensor.metadata().layout.clone(), tensor.dtype().is_complex());
    if layout.numel() == 0 {
        return Ok(());
    }
    if !matches!(dtype, DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64) {
        return Err(not_implemented("normal_kernel_cpu", dtype));
    }
    let (count, std) = if complex { (2 * layout.numel(), std / 2f64.sqrt()) } else { (layout.numel(), std) };
    dispatch!(floats dtype, "normal_", T => {
        if count < 16 || !layout.is_contiguous() {
            let draw = |state: &mut GeneratorState| T::from_f64(distribution::normal(state, mean, std));
            return match complex {
                true => fill_both::<T>(tensor, generator, draw),
                false => fill(tensor, generator, draw),
            };
        }
        let mut elements = vec![T::default(); count as usize];
        generator.slot().update(|state| normals(state, &mut elements, T::from_f64(mean), T::from_f64(std)));
        if !complex {
            return tensor.store(&elements);
        }
        let parts = elements.chunks_exact(2).map(|part| Complex::new(part[0].to_f64(), part[1].to_f64()));
        tensor.store(&parts.collect::<Vec<_>>())
    })
}

/// Sixteen or more normal numbers: uniform ones first, then Box and Muller's method on groups of sixteen. If some are
/// left, the last sixteen are all drawn again.
fn normals<T: DrawnFloat>(state: &mut GeneratorState, elements: &mut [T], mean: T, std: T) {
    let draw = |state: &mut GeneratorState, group: &mut [T]| {
        group.iter_mut().for_each(|element| *element = T::narrow(T::unit(state)));
    };
    draw(state, elements);
    elements.chunks_exact_mut(16).for_each(|group| box_muller(group, mean, std));
    if !elements.len().is_multiple_of(16) {
        let start = elements.len() - 16;
        draw(state, &mut elements[start..]);
        box_muller(&mut elements[start..], mean, std);
    }
}

/// Makes sixteen normal numbers of sixteen uniform ones: each of the first eight goes with one of the last eight.
fn box_muller<T: DrawnFloat>(group: &mut [T], mean: T, std: T) {
    let (first, second) = group.split_at_mut(8);
    for (a, b) in first.iter_mut().zip(second) {
        let u1 = T::narrow(T::Wide::of(1.0) - a.widen());
        let radius = T::narrow((T::Wide::of(-2.0) * Math::Portable.ln(u1.widen())).sqrt()).widen();
        let angle = T::narrow(T::Wide::of(2.0 * std::f64::consts::PI) * b.widen()).widen();
        *a = T::narrow(radius * Math::Portable.cos(angle) * std.widen() + mean.widen());
        *b = T::narrow(radius * Math::Portable.sin(angle) * std.widen() + mean.widen());
    }
}

fn check_std(std: f64) -> Result<(), Fault> {
    if std >= 0.0 { Ok(()) } else { Err(Fault::raised(format!("normal expects std >= 0.0, but found std {std}"))) }
}

/// Whole numbers from `from` up to and without `to`; without `to`, up to the greatest.
pub(super) fn integers(tensor: &Tensor, generator: &Generator, from: i64, to: Option<i64>) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    dispatch_whole!("random_from_to_kernel_cpu", dtype, T => {
        let (from, range) = match to {
            Some(to) if from >= to => {
                let words = format!("random_ expects 'from' to be less than 'to', but got from={from} >= to={to}");
                return Err(Fault::raised(words));
            }
            Some(to) => {
                let (from, to) = within_float::<T>(from, to)?;
                check_bounds(dtype, from, to - 1)?;
                (from, (to as u64).wrapping_sub(from as u64))
            }
            None if from == i64::MIN => {
                return fill(tensor, generator, |state| T::from_i64(state.next_u64() as i64));
            }
            None => {
                check_bounds(dtype, from, T::MOST)?;
                (from, (T::MOST as u64).wrapping_sub(from as u64).wrapping_add(1))
            }
        };
        if tensor.numel() == 0 {
            return Ok(());
        }
        fill(tensor, generator, |state| T::from_i64(distribution::integer(state, range, from)))
    })
}

/// Bounds moved to where rounding to a float cannot pass them.
fn within_float<T: Number>(from: i64, to: i64) -> Result<(i64, i64), Fault> {
    let digits = match T::DTYPE {
        DType::Float16 => f16::PRECISION,
        DType::BFloat16 => bf16::PRECISION,
        DType::Float32 => f32::PRECISION,
        DType::Float64 => f64::PRECISION,
        _ => return Ok((from, to)),
    };
    let rounded = |value: i64| T::from_i64(value).to_i64();
    let step = |value: i64| 1i64 << (value.unsigned_abs().ilog2() + 1).saturating_sub(digits);
    let (first, last) = (from.wrapping_add(1), to - 1);
    let from = if rounded(first) < from { rounded(first) + step(first) } else { from };
    let to = if rounded(last) >= to { rounded(last) - step(last) } else { to };
    if from >= to {
        return Err(Fault::raised(format!(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={from} >= \
             to={to}"
        )));
    }
    Ok((from, to))
}

fn check_bounds(dtype: DType, from: i64, last: i64) -> Result<(), Fault> {
    let (least, most) = match dtype {
        DType::UInt8 => (0, u8::MAX as i64),
        DType::Int8 => (i8::MIN as i64, i8::MAX as i64),
        DType::Int16 => (i16::MIN as i64, i16::MAX as i64),
        DType::Int32 => (i32::MIN as i64, i32::MAX as i64),
        DType::Bool => (0, 1),
        DType::Float16 => (-65504, 65504),
        _ => (i64::MIN, i64::MAX),
    };
    for (name, value) in [("from", from), ("to - 1", last)] {
        if value < least || value > most {
            return Err(Fault::raised(format!("{name} is out of bounds for {}", dtype.c_name())));
        }
    }
    Ok(())
}

/// Ones with probability `p`, zeros otherwise.
pub(super) fn bernoulli(tensor: &Tensor, generator: &Generator, p: f64) -> Result<(), Fault> {
    if !(0.0..=1.0).contains(&p) {
        return Err(Fault::raised(format!("bernoulli_ expects p to be in [0, 1], but got p={p}")));
    }
    if tensor.numel() == 0 {
        return Ok(());
    }
    dispatch_whole!("bernoulli_scalar_cpu_", tensor.dtype(), T => {
        fill(tensor, generator, |state| T::from_i64((distribution::uniform(state) < p) as i64))
    })
}

/// Ones with the probabilities `p`, zeros otherwise.
fn bernoulli_each(call: &mut Call<'_>, tensor: &Tensor, p: &Tensor) -> Result<(), Fault> {
    let (sizes, metadata, p_metadata) = (tensor.sizes(), tensor.metadata(), p.metadata());
    if tensor.numel() == 0 {
        return Ok(());
    }
    if !expands_to(p_metadata.layout.sizes(), &sizes) {
        broadcast(&sizes, p_metadata.layout.sizes())?;
        return Err(Fault::unsupported(format!("probabilities of sizes {}", sizes_text(p_metadata.layout.sizes()))));
    }
    if !p_metadata.dtype.is_floating_point() {
        return Err(not_implemented("bernoulli_tensor_cpu_p_", p_metadata.dtype));
    }
    let order = memory_order(&metadata.layout);
    let layout = permuted(&p_metadata.layout.expanded(&sizes), &order);
    let walked = Tensor::new(call.allocator, p_metadata.storage.clone(), p_metadata.dtype, layout);
    let mut probabilities = call.read::<f64>(&walked)?.to_vec().into_iter();
    let double = p_metadata.dtype == DType::Float64;
    let mut improbable = false;
    dispatch_whole!("bernoulli_tensor_cpu_self_", metadata.dtype, T => {
        fill(tensor, call.drawn_from(), |state| {
            let p = probabilities.next().expect("as many as elements");
            improbable |= !(0.0..=1.0).contains(&p);
            if improbable {
                return T::default();
            }
            let uniform = if double { distribution::uniform(state) } else { f32::unit(state) as f64 };
            T::from_i64((uniform < p) as i64)
        })
    })?;
    if improbable {
        return Err(Fault::raised(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If \
             so, please report an enhancement request to PyTorch.)",
        ));
    }
    Ok(())
}

/// A fill by a distribution that is drawn as an `f64`.
fn real(
    tensor: &Tensor,
    generator: &Generator,
    kernel: &str,
    mut draw: impl FnMut(&mut GeneratorState) -> f64,
) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    if tensor.numel() == 0 {
        return Ok(());
    }
    if !matches!(dtype, DType::Float16 | DType::BFloat16 | DType::Float32 | DType::Float64) {
        return Err(not_implemented(kernel, dtype));
    }
    dispatch!(floats dtype, kernel, T => fill(tensor, generator, |state| T::from_f64(draw(state))))
}

/// Exponential numbers.
pub(super) fn exponential(tensor: &Tensor, generator: &Generator, lambda: f64) -> Result<(), Fault> {
    if lambda.is_nan() || lambda <= 0.0 {
        return Err(Fault::raised(format!("exponential_ expects lambda > 0.0, but found lambda={lambda}")));
    }
    check_continuous("Exponential", tensor)?;
    real(tensor, generator, "exponential_cpu", |state| distribution::exponential(state, lambda))
}

fn check_continuous(distribution: &str, tensor: &Tensor) -> Result<(), Fault> {
    let dtype = tensor.dtype();
    if dtype.is_floating_point() || tensor.numel() == 0 {
        return Ok(());
    }
    Err(Fault::raised(format!(
        "{distribution} distribution is a continuous probability distribution. dtype must be a floating point but you \
         specified {}",
        dtype.scalar_type_name()
    )))
}

/// Numbers from Cauchy's distribution.
fn cauchy(tensor: &Tensor, generator: &Generator, median: f64, sigma: f64) -> Result<(), Fault> {
    if sigma.is_nan() || sigma <= 0.0 {
        return Err(Fault::raised(format!("cauchy_ expects sigma > 0.0, but found sigma={sigma}")));
    }
    check_continuous("Cauchy", tensor)?;
    real(tensor, generator, "cauchy_cpu", |state| distribution::cauchy(state, median, sigma))
}

/// Numbers whose logarithms are normal.
fn log_normal(tensor: &Tensor, generator: &Generator, mean: f64, std: f64) -> Result<(), Fault> {
    if std.is_nan() || std <= 0.0 {
        return Err(Fault::raised(format!("log_normal_ expects std > 0.0, but found std={std}")));
    }
    real(tensor, generator, "log_normal_cpu", |state| libm::exp(distribution::normal(state, mean, std)))
}

/// Numbers of trials up to the first success.
fn geometric(tensor: &Tensor, generator: &Generator, p: f64) -> Result<(), Fault> {
    if !(p > 0.0 && p < 1.0) {
        return Err(Fault::raised(format!("geometric_ expects p to be in (0, 1), but got p={p}")));
    }
    if tensor.numel() == 0 {
        return Ok(());
    }
    dispatch_whole!("geometric_cpu", tensor.dtype(), T => {
        fill(tensor, generator, |state| T::from_f64(distribution::geometric(state, p)))
    })
}

/// The fills that have a kernel in place (`uniform_`) and one that gives a new tensor like its argument (`uniform`):
/// named by their arguments after the tensor.
macro_rules! fills {
    ($($in_place:ident $new:ident: |$call:ident, $tensor:ident| $fill:expr;)*) => {
        $(
            pub(super) fn $in_place($call: &mut Call<'_>) -> Result<Value, Fault> {
                let $tensor = $call.tensor(0)?;
                $fill?;
                Ok($call.args[0].clone())
            }

            pub(super) fn $new($call: &mut Call<'_>) -> Result<Value, Fault> {
                let like = $call.tensor(0)?;
                let $tensor = &$call.zeros_like(like, like.dtype())?;
                $fill?;
                Ok(Value::Tensor($tensor.clone()))
            }
        )*
    };
}

fills! {
    uniform_ uniform_new: |call, tensor| uniform(tensor, call.drawn_from(), call.float(1)?, call.float(2)?);
    normal_ normal_new: |call, tensor| normal(tensor, call.drawn_from(), call.float(1)?, call.float(2)?);
    random_ random_new: |call, tensor| any(tensor, call.drawn_from());
    random_to_ random_to_new: |call, tensor| integers(tensor, call.drawn_from(), 0, Some(call.int(1)?));
    random_from_ random_from_new: |call, tensor| {
        integers(tensor, call.drawn_from(), call.int(1)?, call.opt_int(2)?)
    };
    bernoulli_each_ bernoulli_each_new: |call, tensor| bernoulli_each(call, tensor, call.tensor(1)?);
    exponential_ exponential_new: |call, tensor| exponential(tensor, call.drawn_from(), call.float(1)?);
    geometric_ geometric_new: |call, tensor| geometric(tensor, call.drawn_from(), call.float(1)?);
    cauchy_ cauchy_new: |call, tensor| cauchy(tensor, call.drawn_from(), call.float(1)?, call.float(2)?);
    log_normal_ log_normal_new: |call, tensor| log_normal(tensor, call.drawn_from(), call.float(1)?, call.float(2)?);
}

/// Any whole numbers.
fn any(tensor: &Tensor, generator: &Generator) -> Result<(), Fault> {
    if tensor.numel() == 0 {
        return Ok(());
    }
    dispatch_whole!("random_kernel_cpu", tensor.dtype(), T => fill(tensor, generator, T::whole))
}

/// `bernoulli_` with one probability.
pub(super) fn bernoulli_p_(call: &mut Call<'_>) -> Result<Value, Fault> {
    bernoulli(call.tensor(0)?, call.drawn_from(), call.float(1)?)?;
    Ok(call.args[0].clone())
}

/// `bernoulli` with one probability: the result is contiguous, whatever the argument is.
pub(super) fn bernoulli_p(call: &mut Call<'_>) -> Result<Value, Fault> {
    let like = call.tensor(0)?;
    let tensor = call.zeros(like.dtype(), &like.sizes())?;
    bernoulli(&tensor, call.drawn_from(), call.float(1)?)?;
    Ok(Value::Tensor(tensor))
}

/// `bernoulli`: the argument holds the probabilities.
pub(super) fn bernoulli_of(call: &mut Call<'_>) -> Result<Value, Fault> {
    let p = call.tensor(0)?;
    let tensor = call.zeros(p.dtype(), &p.sizes())?;
    bernoulli_each(call, &tensor, p)?;
    Ok(Value::Tensor(tensor))
}

/// A new tensor of the argument `size`, of the argument `dtype` or the default.
fn of_size(call: &mut Call<'_>, default: DType) -> Result<Tensor, Fault> {
    let size = call.position("size").expect("an overload with a size");
    let dtype = match call.position("dtype") {
        Some(i) => call.dtype_or(i, default)?,
        None => default,
    };
    let sizes = call.ints(size)?;
    call.zeros(dtype, &sizes)
}

/// A new tensor like the first argument, of the argument `dtype` or of its own.
fn like(call: &mut Call<'_>) -> Result<Tensor, Fault> {
    let like = call.tensor(0)?;
    let dtype = call.dtype_or(call.position("dtype").expect("an overload with a dtype"), like.dtype())?;
    let format = call.opt_int(call.position("memory_format").expect("an overload with a memory format"))?;
    let layout = format.map_or(Ok(Format::Preserve), Format::from_code)?.layout(&like.metadata().layout)?;
    let plain = call.zeros(dtype, layout.sizes())?;
    Ok(Tensor::new(call.allocator, plain.storage(), dtype, layout))
}

pub(super) fn rand(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = of_size(call, DType::Float32)?;
    uniform(&tensor, call.drawn_from(), 0.0, 1.0)?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn rand_like(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = like(call)?;
    uniform(&tensor, call.drawn_from(), 0.0, 1.0)?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn randn(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = of_size(call, DType::Float32)?;
    normal(&tensor, call.drawn_from(), 0.0, 1.0)?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn randn_like(call: &mut Call<'_>) -> Result<Value, Fault> {
    let tensor = like(call)?;
    normal(&tensor, call.drawn_from(), 0.0, 1.0)?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn randint(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (low, high) = bounds(call, 0)?;
    // Their schemas have a dtype by default, so `None` is the default of all.
    let tensor = of_size(call, DType::Float32)?;
    integers(&tensor, call.drawn_from(), low, Some(high))?;
    Ok(Value::Tensor(tensor))
}

pub(super) fn randint_like(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (low, high) = bounds(call, 1)?;
    let tensor = like(call)?;
    integers(&tensor, call.drawn_from(), low, Some(high))?;
    Ok(Value::Tensor(tensor))
}

/// The arguments `low`, if the overload has one, and `high`, from position `i`.
fn bounds(call: &Call<'_>, i: usize) -> Result<(i64, i64), Fault> {
    match call.position("low") {
        Some(_) => Ok((call.int(i)?, call.int(i + 1)?)),
        None => Ok((0, call.int(i)?)),
    }
}

/// `normal` of mean and standard deviation, each a tensor or a number.
pub(super) fn normal_of(call: &mut Call<'_>) -> Result<Value, Fault> {
    let part = |i: usize| match call.value(i) {
        Value::Tensor(tensor) => Ok((Some(tensor), 0.0)),
        _ => call.float(i).map(|number| (None, number)),
    };
    let ((mean, mean_number), (std, std_number)) = (part(0)?, part(1)?);
    if std.is_some_and(|std| std.dtype().is_complex()) {
        return Err(Fault::raised("normal expects standard deviation to be non-complex"));
    }
    if let Some(std) = std
        && call.read::<f64>(std)?.iter().any(|&std| std < 0.0 || std.is_nan())
    {
        return Err(Fault::raised("normal expects all elements of std >= 0.0"));
    }
    let (tensor, drawn_std) = match (mean, std) {
        (None, None) => {
            let tensor = of_size(call, DType::Float32)?;
            normal(&tensor, call.drawn_from(), mean_number, std_number)?;
            return Ok(Value::Tensor(tensor));
        }
        (Some(mean), None) => (call.zeros(mean.dtype(), &mean.sizes())?, std_number),
        (None, Some(std)) => (call.zeros(std.dtype(), &std.sizes())?, 1.0),
        (Some(mean), Some(std)) => {
            let sizes = broadcast(&mean.sizes(), &std.sizes())?;
            (call.zeros(mean.dtype(), &sizes)?, 1.0)
        }
    };
    normal(&tensor, call.drawn_from(), 0.0, drawn_std)?;
    let (sizes, memory) = (tensor.sizes(), call.memory());
    if tensor.numel() == 0 {
        return Ok(Value::Tensor(tensor));
    }
    if tensor.dtype().is_complex() {
        return shifted(call, tensor, mean, std, mean_number);
    }
    dispatch!(floats tensor.dtype(), "aten::normal", T => {
        let mut elements = tensor.to_vec::<T>();
        if let Some(std) = std {
            let stds = std.read_expanded::<T>(&sizes, &memory)?;
            elements.iter_mut().zip(&*stds).for_each(|(e, std)| *e = T::narrow(e.widen() * std.widen()));
        }
        match mean {
            Some(mean) => {
                let means = mean.read_expanded::<T>(&sizes, &memory)?;
                elements.iter_mut().zip(&*means).for_each(|(e, mean)| *e = T::narrow(e.widen() + mean.widen()));
            }
            None => {
                let mean = T::from_f64(mean_number).widen();
                elements.iter_mut().for_each(|e| *e = T::narrow(e.widen() + mean));
            }
        }
        tensor.store(&elements)?;
    });
    Ok(Value::Tensor(tensor))
}

/// `x * std + mean`.
fn shifted(
    call: &mut Call<'_>,
    x: Tensor,
    mean: Option<&Tensor>,
    std: Option<&Tensor>,
    number: f64,
) -> Result<Value, Fault> {
    let mut shifted = Value::Tensor(x);
    if let Some(std) = std {
        shifted = call.run("aten::mul.Tensor", &[shifted, of(std)])?;
    }
    match mean {
        Some(mean) => call.run("aten::add.Tensor", &[shifted, of(mean)]),
        None => call.run("aten::add.Scalar", &[shifted, Value::Float(number)]),
    }
}
