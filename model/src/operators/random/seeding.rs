//! Generators as values, and their seeds.

use super::fill;
use crate::operators::{Call, Fault, GeneratorState};
use crate::value::{Generator, Value};

/// What a new `torch.Generator` is seeded with, as in PyTorch.
const DEFAULT_SEED: u64 = 67280421310721;

pub(super) fn manual_seed(call: &mut Call<'_>) -> Result<Value, Fault> {
    call.generator.slot().set(GeneratorState::seeded(call.int(0)? as u64).into());
    Ok(Value::None)
}

/// `Generator.manual_seed`
pub(super) fn generator_manual_seed(call: &mut Call<'_>) -> Result<Value, Fault> {
    generator(call)?.slot().set(GeneratorState::seeded(call.int(1)? as u64).into());
    Ok(call.args[0].clone())
}

/// `Generator.seed`: PyTorch asks the operating system for a seed. A simulation must not, so the generator gives the
/// seed itself: one of the values that the program must be ready for, and the same in every run.
pub(super) fn seed(call: &mut Call<'_>) -> Result<Value, Fault> {
    let seed = generator(call)?.slot().update(|state| {
        // PyTorch's seeds have 53 bits, for Lua's sake.
        let seed = state.next_u64() & ((1 << 53) - 1);
        *state = GeneratorState::seeded(seed);
        seed
    });
    Ok(Value::Int(seed as i64))
}

pub(super) fn initial_seed(call: &mut Call<'_>) -> Result<Value, Fault> {
    Ok(Value::Int(generator(call)?.content().seed() as i64))
}

/// `torch.Generator(device, seed)`
pub(super) fn new_generator(call: &mut Call<'_>) -> Result<Value, Fault> {
    let seed = call.opt_int(1)?.map_or(DEFAULT_SEED, |seed| seed as u64);
    Ok(Value::Generator(Generator::new(call.allocator, GeneratorState::seeded(seed))))
}

fn generator<'a>(call: &Call<'a>) -> Result<&'a Generator, Fault> {
    match call.value(0) {
        Value::Generator(generator) => Ok(generator),
        _ => Err(call.wrong(0, "a generator")),
    }
}

/// `torch.nn.init.uniform_`, as TorchScript knows it.
pub(super) fn no_grad_uniform_(call: &mut Call<'_>) -> Result<Value, Fault> {
    fill::uniform(call.tensor(0)?, call.drawn_from(), call.float(1)?, call.float(2)?)?;
    Ok(call.args[0].clone())
}

/// `torch.nn.init.normal_`, as TorchScript knows it.
pub(super) fn no_grad_normal_(call: &mut Call<'_>) -> Result<Value, Fault> {
    fill::normal(call.tensor(0)?, call.drawn_from(), call.float(1)?, call.float(2)?)?;
    Ok(call.args[0].clone())
}
