//! The dropout family: each element, or each feature, is kept with probability `1 - p`.

use super::distribution::DrawnFloat;
use super::fill::bernoulli;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::promote::check_can_cast;
use crate::tensor::{DType, Float, Number, Tensor, Wide, dispatch};
use crate::value::{Generator, Value};

/// What is kept together, and what becomes of what is not.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Zeros, element by element.
    Plain,
    /// Zeros, feature by feature.
    Feature,
    /// Values that keep mean and variance (Klambauer et al., "Self-Normalizing Neural Networks", 2017).
    Alpha,
    /// The same, feature by feature.
    FeatureAlpha,
}

/// A kernel for a new tensor and one in place.
macro_rules! kernels {
    ($($new:ident $in_place:ident $kind:ident;)*) => {
        $(
            pub(super) fn $new(call: &mut Call<'_>) -> Result<Value, Fault> {
                dropped(call, Kind::$kind).map(Value::Tensor)
            }

            pub(super) fn $in_place(call: &mut Call<'_>) -> Result<Value, Fault> {
                let dropped = dropped(call, Kind::$kind)?;
                let input = call.tensor(0)?;
                if !dropped.is(input) {
                    dispatch!(all input.dtype(), "aten::dropout_", T => input.write(&dropped.to_vec::<T>()));
                }
                Ok(call.args[0].clone())
            }
        )*
    };
}

kernels! {
    dropout dropout_ Plain;
    feature_dropout feature_dropout_ Feature;
    alpha_dropout alpha_dropout_ Alpha;
    feature_alpha_dropout feature_alpha_dropout_ FeatureAlpha;
}

/// The tensor after dropout; the argument itself when nothing can be dropped.
fn dropped(call: &mut Call<'_>, kind: Kind) -> Result<Tensor, Fault> {
    let (input, p, train) = (call.tensor(0)?, call.float(1)?, call.bool(2)?);
    if !(0.0..=1.0).contains(&p) {
        return Err(Fault::raised(format!("dropout probability has to be between 0 and 1, but got {p}")));
    }
    if p == 0.0 || !train || input.numel() == 0 {
        return Ok(input.clone());
    }
    apply(call, input, p, kind)
}

/// Dropout of elements in training, for other operators.
pub(in crate::operators) fn drop_elements(call: &mut Call<'_>, input: &Tensor, p: f64) -> Result<Tensor, Fault> {
    if p == 0.0 || input.numel() == 0 { Ok(input.clone()) } else { apply(call, input, p, Kind::Plain) }
}

fn apply(call: &mut Call<'_>, input: &Tensor, p: f64, kind: Kind) -> Result<Tensor, Fault> {
    let (dtype, sizes) = (input.dtype(), input.sizes());
    let output = call.zeros_like(input, dtype)?;
    if p == 1.0 {
        // The product with zero keeps a NaN and the sign of a zero.
        let zeroed: Vec<f64> = call.read::<f64>(input)?.iter().map(|x| x * 0.0).collect();
        output.store(&zeroed)?;
        return Ok(output);
    }
    let noise = draw_noise(call, input, p, kind)?;
    // PyTorch notices only now that the noise of an integer tensor cannot be scaled.
    check_can_cast(DType::Float32, dtype)?;
    let memory = call.memory();
    dispatch!(floats dtype, "aten::dropout", T => {
        let (elements, kept) = (input.read::<T>(&memory)?, noise.read_expanded::<T>(&sizes, &memory)?);
        let result: Vec<T> = elements.iter().zip(&*kept).map(|(&x, &kept)| combine(x, kept, p, kind)).collect();
        output.write(&result);
    });
    Ok(output)
}

/// Ones for what is kept and zeros for what is not, drawn in the order in which they lie in memory.
fn draw_noise(call: &mut Call<'_>, input: &Tensor, p: f64, kind: Kind) -> Result<Tensor, Fault> {
    let noise = match kind {
        Kind::Plain | Kind::Alpha => call.zeros_like(input, input.dtype())?,
        Kind::Feature | Kind::FeatureAlpha => {
            let mut sizes = input.sizes();
            if sizes.len() < 2 {
                return Err(Fault::raised("Feature dropout requires at least 2 dimensions in the input"));
            }
            sizes[2..].fill(1);
            call.zeros(input.dtype(), &sizes)?
        }
    };
    bernoulli(&noise, call.generator, 1.0 - p)?;
    Ok(noise)
}

/// What becomes of `x`, with every intermediate result rounded as PyTorch's tensors are.
fn combine<T: Float>(x: T, kept: T, p: f64, kind: Kind) -> T {
    let of = T::Wide::of;
    let round = |value: T::Wide| T::narrow(value).widen();
    let kept = kept.widen();
    if matches!(kind, Kind::Plain | Kind::Feature) {
        return T::narrow(x.widen() * round(kept / of(1.0 - p)));
    }
    const ALPHA: f64 = 1.7580993408473766;
    let a = 1.0 / ((ALPHA * ALPHA * p + 1.0) * (1.0 - p)).sqrt();
    let shift = round(round(round(kept - of(1.0)) * of(ALPHA * a)) + of(ALPHA * a * p));
    T::narrow(round(x.widen() * round(kept * of(a))) + shift)
}

/// `native_dropout`: gives what was kept, too.
pub(super) fn native_dropout(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, p, train) = (call.tensor(0)?, call.float(1)?, call.opt_bool(2)?.unwrap_or(true));
    let dtype = input.dtype();
    if input.numel() == 0 {
        let empty = call.zeros(dtype, &input.sizes())?;
        return Ok(tuple([input.clone(), empty]));
    }
    let mask = call.zeros_like(input, DType::Bool)?;
    let output = call.zeros_like(input, dtype)?;
    if !train {
        mask.store(&vec![true as u8; mask.numel() as usize])?;
        dispatch!(all dtype, "aten::native_dropout", T => output.write(&input.to_vec::<T>()));
        return Ok(tuple([output, mask]));
    }
    bernoulli(&mask, call.generator, 1.0 - p)?;
    check_can_cast(DType::Float32, dtype)?;
    let scale = if p == 1.0 { 0.0 } else { 1.0 / (1.0 - p) };
    let memory = call.memory();
    dispatch!(floats dtype, "aten::native_dropout", T => {
        let (elements, kept) = (input.read::<T>(&memory)?, mask.read::<T>(&memory)?);
        output.write(&elements.iter().zip(&*kept).map(|(&x, &kept)| scaled(x, kept, scale)).collect::<Vec<T>>());
    });
    Ok(tuple([output, mask]))
}

/// `rrelu`: negative elements are multiplied by a random slope in training, by the middle one otherwise.
pub(super) fn rrelu(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    check_slopes(call)?;
    let output = call.zeros(input.dtype(), &input.sizes())?;
    leak(call, input, None, &output, 1)?;
    Ok(Value::Tensor(output))
}

pub(super) fn rrelu_(call: &mut Call<'_>) -> Result<Value, Fault> {
    let input = call.tensor(0)?;
    check_slopes(call)?;
    leak(call, input, None, input, 1)?;
    Ok(call.args[0].clone())
}

pub(super) fn rrelu_with_noise(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, noise) = (call.tensor(0)?, call.tensor(1)?);
    let output = call.zeros(input.dtype(), &input.sizes())?;
    leak(call, input, Some(noise), &output, 2)?;
    Ok(Value::Tensor(output))
}

pub(super) fn rrelu_with_noise_(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, noise) = (call.tensor(0)?, call.tensor(1)?);
    leak(call, input, Some(noise), input, 2)?;
    Ok(call.args[0].clone())
}

fn check_slopes(call: &Call<'_>) -> Result<(), Fault> {
    match call.scalar(1)?.to_f64() <= call.scalar(2)?.to_f64() {
        true => Ok(()),
        false => Err(Fault::raised("Lower bound should be less than or equal to the upper bound")),
    }
}

/// The bounds of the slope stand from argument `i`, then whether it trains.
fn leak(call: &mut Call<'_>, input: &Tensor, noise: Option<&Tensor>, output: &Tensor, i: usize) -> Result<(), Fault> {
    let (lower, upper, training) = (call.scalar(i)?.to_f64(), call.scalar(i + 1)?.to_f64(), call.bool(i + 2)?);
    if let Some(noise) = noise.filter(|noise| noise.numel() != input.numel()) {
        let (own, other) = (input.sizes(), noise.sizes());
        let words = "noise tensor shape must match self tensor shape.";
        return Err(Fault::raised(format!("{words} Got self.shape = {own:?} noise.shape = {other:?}")));
    }
    let dtype = input.dtype();
    let generator = call.drawn_from();
    dispatch!(floats dtype, "aten::rrelu", T => {
        let elements = call.read::<T>(input)?;
        let _room = call.room::<[T; 2]>(&[elements.len()])?;
        if !training {
            let slope = (lower + upper) / 2.0;
            let leaked = |&x: &T| if is_positive(x) { x } else { scaled(x, Number::from_f64(1.0), slope) };
            output.write(&elements.iter().map(leaked).collect::<Vec<T>>());
            return Ok(());
        }
        let slopes = random_slopes(&elements, generator, lower, upper);
        let result: Vec<T> = elements.iter().zip(&slopes).map(|(&x, &slope)| scaled(x, slope, 1.0)).collect();
        output.write(&result);
        if let Some(noise) = noise {
            noise.store(&slopes)?;
        }
    });
    Ok(())
}

/// A slope for each element: one for a positive one, drawn for the others.
fn random_slopes<T: Float>(elements: &[T], generator: &Generator, lower: f64, upper: f64) -> Vec<T> {
    generator.slot().update(|state| {
        let draw = |&x: &T| {
            if is_positive(x) { T::from_i64(1) } else { T::from_f64(f64::uniform(state, lower, upper)) }
        };
        elements.iter().map(draw).collect()
    })
}

fn is_positive<T: Float>(x: T) -> bool {
    // PyTorch asks whether it is not positive, which a NaN is not.
    let x = x.widen();
    x > T::Wide::of(0.0) || x.is_nan()
}

/// `x * factor * scale` with both products rounded.
fn scaled<T: Float>(x: T, factor: T, scale: f64) -> T {
    T::narrow(T::narrow(x.widen() * factor.widen()).widen() * T::Wide::of(scale))
}
