//! Numbers of events: Poisson's and binomial numbers, drawn as PyTorch draws them on the CPU.
//!
//! Small rates multiply or add up single draws; great ones reject points of a transformed hat (Hörmann, "The transformed rejection
//! method for generating Poisson random variables", 1993, and "The generation of binomial random variates", 1993).

use super::distribution::uniform;
use crate::operators::{Call, Fault, GeneratorState};
use crate::tensor::broadcast::broadcast;
use crate::tensor::{DType, Math, Wide, dispatch};
use crate::value::Value;

pub(super) fn poisson(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rates = call.tensor(0)?;
    let (sizes, dtype) = (rates.sizes(), rates.dtype());
    if !dtype.is_floating_point() {
        return Err(super::fill::not_implemented("poisson_cpu", dtype));
    }
    let each = call.read::<f64>(rates)?;
    if each.iter().any(|&rate| rate.is_nan() || rate < 0.0) {
        return Err(Fault::raised("invalid Poisson rate, expected rate to be non-negative"));
    }
    let counts: Vec<f64> =
        call.drawn_from().slot().update(|state| each.iter().map(|&rate| poisson_number(state, rate)).collect());
    call.create(dtype, &sizes, &counts).map(Value::Tensor)
}

fn poisson_number(state: &mut GeneratorState, rate: f64) -> f64 {
    if rate == 0.0 {
        return 0.0;
    }
    if rate < 10.0 {
        let (end, mut product, mut count) = (libm::exp(-rate), 1.0, 0.0);
        loop {
            product *= uniform(state);
            if product <= end {
                return count;
            }
            count += 1.0;
        }
    }
    let b = 0.931 + 2.53 * rate.sqrt();
    let a = -0.059 + 0.02483 * b;
    let (inverse_alpha, sure) = (1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0));
    loop {
        let (u, v) = (uniform(state) - 0.5, uniform(state));
        let side = 0.5 - u.abs();
        let k = ((2.0 * a / side + b) * u + rate + 0.43).floor();
        if side >= 0.07 && v <= sure {
            return k;
        }
        if k < 0.0 || (side < 0.013 && v > side) {
            continue;
        }
        let hat = libm::log(v) + libm::log(inverse_alpha) - libm::log(a / (side * side) + b);
        if hat <= -rate + k * libm::log(rate) - libm::lgamma(k + 1.0) {
            return k;
        }
    }
}

pub(super) fn binomial(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (trials, chances) = (call.tensor(0)?, call.tensor(1)?);
    let dtype = trials.dtype();
    if !matches!(dtype, DType::Float32 | DType::Float64) {
        return Err(super::fill::not_implemented("binomial_cpu", dtype));
    }
    if chances.dtype() != dtype {
        return Err(Fault::raised(format!(
            "Found dtype {} but expected {}",
            chances.dtype().scalar_type_name(),
            dtype.scalar_type_name()
        )));
    }
    let (sizes, memory) = (broadcast(&trials.sizes(), &chances.sizes())?, call.memory());
    dispatch!(wide dtype, "aten::binomial", T => {
        let trials = trials.read_expanded::<T>(&sizes, &memory)?;
        let chances = chances.read_expanded::<T>(&sizes, &memory)?;
        let counts: Vec<T> = call.drawn_from().slot().update(|state| {
            trials.iter().zip(&*chances).map(|(&n, &p)| binomial_number(state, n, p)).collect()
        });
        call.create(dtype, &sizes, &counts).map(Value::Tensor)
    })
}

fn binomial_number<T: Wide>(state: &mut GeneratorState, trials: T, chance: T) -> T {
    let (zero, one) = (T::of(0.0), T::of(1.0));
    if trials <= zero || chance <= zero {
        return zero;
    }
    if chance >= one {
        return trials;
    }
    if chance.is_nan() {
        return chance;
    }
    let mirrored = chance > T::of(0.5);
    let chance = if mirrored { one - chance } else { chance };
    let count = if (trials * chance).to_f64() >= 10.0 {
        rejected(state, trials, chance)
    } else {
        inverted(state, trials, chance)
    };
    if mirrored { trials - count } else { count }
}

/// Counts how many geometric waits fit into the trials.
fn inverted<T: Wide>(state: &mut GeneratorState, trials: T, chance: T) -> T {
    let (log, mut waited, mut count) = (Math::Portable.ln_1p(-chance).to_f64(), 0.0, T::of(0.0));
    loop {
        waited += (libm::log(uniform(state)) / log).ceil();
        if waited > trials.to_f64() {
            return count;
        }
        count = count + T::of(1.0);
    }
}

/// Transformed rejection; what PyTorch computes in the narrower type is computed in it here, too.
fn rejected<T: Wide>(state: &mut GeneratorState, trials: T, chance: T) -> T {
    let one = T::of(1.0);
    let deviation = (trials * chance * (one - chance)).sqrt().to_f64();
    let b = 1.15 + 2.53 * deviation;
    let a = -0.0873 + 0.0248 * b + 0.01 * chance.to_f64();
    let c = (trials * chance).to_f64() + 0.5;
    let sure = 0.92 - 4.2 / b;
    let r = (chance / (one - chance)).to_f64();
    let alpha = (2.83 + 5.1 / b) * deviation;
    let m = ((trials + one) * chance).floor().to_f64();
    let n = trials.to_f64();
    loop {
        let (u, v) = (uniform(state) - 0.5, uniform(state));
        let side = 0.5 - u.abs();
        let k = T::of(((2.0 * a / side + b) * u + c).floor());
        if k < T::of(0.0) || k > trials {
            continue;
        }
        if side >= 0.07 && v <= sure {
            return k;
        }
        let v = libm::log(v * alpha / (a / (side * side) + b));
        let (k, left) = (k.to_f64(), (trials - k + one).to_f64());
        let bound = (m + 0.5) * libm::log((m + 1.0) / (r * (n - m + 1.0)))
            + (trials + one).to_f64() * libm::log((n - m + 1.0) / left)
            + (k + 0.5) * libm::log(r * left / (k + 1.0))
            + tail(m)
            + tail(n - m)
            - tail(k)
            - tail(n - k);
        if v <= bound {
            return T::of(k);
        }
    }
}

/// What Stirling's formula leaves out of the logarithm of `k!`.
fn tail(k: f64) -> f64 {
    const FIRST: [f64; 10] = [
        0.0810614667953272,
        0.0413406959554092,
        0.0276779256849983,
        0.02079067210376509,
        0.0166446911898211,
        0.0138761288230707,
        0.0118967099458917,
        0.0104112652619720,
        0.00925546218271273,
        0.00833056343336287,
    ];
    if k <= 9.0 {
        return FIRST[k.max(0.0) as usize];
    }
    let square = (k + 1.0) * (k + 1.0);
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0)
}
