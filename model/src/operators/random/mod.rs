//! Operators that draw random numbers: the same numbers, bit by bit, that PyTorch's CPU generator gives. What of them is the
//! same, and what only nearly, is said in `numbers.md`.

mod choice;
mod counts;
pub(super) mod distribution;
mod draws;
mod dropout;
mod fill;
mod seeding;

use super::corrections::When;
use super::{Correction, Kernel};
use Correction::{AliasesWhen, Draws, Overwrites, Seeds, Writes};
pub(super) use dropout::drop_elements;

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    &[
        ("aten::Generator", seeding::new_generator),
        ("aten::_no_grad_normal_", seeding::no_grad_normal_),
        ("aten::_no_grad_uniform_", seeding::no_grad_uniform_),
        ("aten::initial_seed", seeding::initial_seed),
        ("aten::manual_seed", seeding::manual_seed),
        ("aten::manual_seed.generator", seeding::generator_manual_seed),
        ("aten::seed", seeding::seed),
    ],
    &[
        ("aten::alpha_dropout", dropout::alpha_dropout),
        ("aten::alpha_dropout_", dropout::alpha_dropout_),
        ("aten::dropout", dropout::dropout),
        ("aten::dropout_", dropout::dropout_),
        ("aten::feature_alpha_dropout", dropout::feature_alpha_dropout),
        ("aten::feature_alpha_dropout_", dropout::feature_alpha_dropout_),
        ("aten::feature_dropout", dropout::feature_dropout),
        ("aten::feature_dropout_", dropout::feature_dropout_),
        ("aten::native_dropout", dropout::native_dropout),
        ("aten::rrelu", dropout::rrelu),
        ("aten::rrelu_", dropout::rrelu_),
        ("aten::rrelu_with_noise", dropout::rrelu_with_noise),
        ("aten::rrelu_with_noise_", dropout::rrelu_with_noise_),
    ],
    &[
        ("aten::binomial", counts::binomial),
        ("aten::multinomial", choice::multinomial),
        ("aten::poisson", counts::poisson),
        ("aten::randperm", choice::randperm),
        ("aten::randperm.generator", choice::randperm),
    ],
    &[
        ("aten::bernoulli", fill::bernoulli_of),
        ("aten::bernoulli.Tensor", fill::bernoulli_each_new),
        ("aten::bernoulli.p", fill::bernoulli_p),
        ("aten::bernoulli_.Tensor", fill::bernoulli_each_),
        ("aten::bernoulli_.float", fill::bernoulli_p_),
        ("aten::cauchy", fill::cauchy_new),
        ("aten::cauchy_", fill::cauchy_),
        ("aten::exponential", fill::exponential_new),
        ("aten::exponential_", fill::exponential_),
        ("aten::geometric", fill::geometric_new),
        ("aten::geometric_", fill::geometric_),
        ("aten::log_normal", fill::log_normal_new),
        ("aten::log_normal_", fill::log_normal_),
        ("aten::normal.Tensor_Tensor", fill::normal_of),
        ("aten::normal.Tensor_float", fill::normal_of),
        ("aten::normal.float_Tensor", fill::normal_of),
        ("aten::normal.float_float", fill::normal_of),
        ("aten::normal_", fill::normal_),
        ("aten::normal_functional", fill::normal_new),
        ("aten::rand", fill::rand),
        ("aten::rand.generator", fill::rand),
        ("aten::rand_like", fill::rand_like),
        ("aten::randint", fill::randint),
        ("aten::randint.generator", fill::randint),
        ("aten::randint.low", fill::randint),
        ("aten::randint.low_generator", fill::randint),
        ("aten::randint_like", fill::randint_like),
        ("aten::randint_like.low_dtype", fill::randint_like),
        ("aten::randn", fill::randn),
        ("aten::randn.generator", fill::randn),
        ("aten::randn_like", fill::randn_like),
        ("aten::random", fill::random_new),
        ("aten::random.from", fill::random_from_new),
        ("aten::random.to", fill::random_to_new),
        ("aten::random_", fill::random_),
        ("aten::random_.from", fill::random_from_),
        ("aten::random_.to", fill::random_to_),
        ("aten::uniform", fill::uniform_new),
        ("aten::uniform_", fill::uniform_),
    ],
];

/// Draws as many numbers as its first argument has elements.
const EACH: &[Correction] = &[Draws(When::Arguments(draws::elements))];
/// Draws and sets every element of its first argument.
const FILLS: &[Correction] = &[Overwrites(&["self"]), Draws(When::Arguments(draws::elements))];
/// Draws as many numbers as the sizes say.
const SIZED: &[Correction] = &[Draws(When::Arguments(draws::size))];
/// A dropout that hands its argument through when there is nothing to drop.
const DROPOUT: &[Correction] = &[AliasesWhen(When::Plain(draws::keeps)), Draws(When::Plain(draws::drops_some))];
/// A dropout in place.
const DROPOUT_: &[Correction] = &[Writes(&["self"], When::Plain(draws::drops)), Draws(When::Plain(draws::drops_some))];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_no_grad_normal_", &[Overwrites(&["tensor"]), Draws(When::Arguments(draws::elements))]),
    ("aten::_no_grad_uniform_", &[Overwrites(&["tensor"]), Draws(When::Arguments(draws::elements))]),
    ("aten::alpha_dropout", DROPOUT),
    ("aten::alpha_dropout_", DROPOUT_),
    ("aten::bernoulli", EACH),
    ("aten::bernoulli.Tensor", EACH),
    ("aten::bernoulli.Tensor_out", EACH),
    ("aten::bernoulli.float_out", EACH),
    ("aten::bernoulli.out", EACH),
    ("aten::bernoulli.p", EACH),
    ("aten::bernoulli_.Tensor", FILLS),
    ("aten::bernoulli_.float", FILLS),
    ("aten::binomial", EACH),
    ("aten::binomial.out", EACH),
    ("aten::cauchy", EACH),
    ("aten::cauchy.out", EACH),
    ("aten::cauchy_", FILLS),
    ("aten::dropout", DROPOUT),
    ("aten::dropout_", DROPOUT_),
    ("aten::exponential", EACH),
    ("aten::exponential.out", EACH),
    ("aten::exponential_", FILLS),
    ("aten::feature_alpha_dropout", DROPOUT),
    ("aten::feature_alpha_dropout_", DROPOUT_),
    ("aten::feature_dropout", DROPOUT),
    ("aten::feature_dropout_", DROPOUT_),
    ("aten::geometric", EACH),
    ("aten::geometric.out", EACH),
    ("aten::geometric_", FILLS),
    ("aten::log_normal", EACH),
    ("aten::log_normal.out", EACH),
    ("aten::log_normal_", FILLS),
    ("aten::manual_seed", &[Seeds]),
    ("aten::manual_seed.generator", &[Overwrites(&["self"])]),
    ("aten::multinomial", EACH),
    ("aten::multinomial.out", EACH),
    ("aten::native_dropout", &[Draws(When::Plain(draws::native))]),
    ("aten::native_dropout.out", &[Draws(When::Plain(draws::native))]),
    ("aten::normal.Tensor_Tensor", &[Draws(When::Arguments(draws::both_elements))]),
    ("aten::normal.Tensor_Tensor_out", &[Draws(When::Arguments(draws::both_elements))]),
    ("aten::normal.Tensor_float", EACH),
    ("aten::normal.Tensor_float_out", EACH),
    ("aten::normal.float_Tensor", &[Draws(When::Arguments(draws::second_elements))]),
    ("aten::normal.float_Tensor_out", &[Draws(When::Arguments(draws::second_elements))]),
    ("aten::normal.float_float", SIZED),
    ("aten::normal.float_float_out", SIZED),
    ("aten::normal.out", EACH),
    ("aten::normal_", FILLS),
    ("aten::normal_functional", EACH),
    ("aten::poisson", EACH),
    ("aten::poisson.out", EACH),
    ("aten::rand", SIZED),
    ("aten::rand.generator", SIZED),
    ("aten::rand.generator_out", SIZED),
    ("aten::rand.generator_with_names", SIZED),
    ("aten::rand.generator_with_names_out", SIZED),
    ("aten::rand.names", SIZED),
    ("aten::rand.names_out", SIZED),
    ("aten::rand.out", SIZED),
    ("aten::rand_like", EACH),
    ("aten::rand_like.out", EACH),
    ("aten::randint", SIZED),
    ("aten::randint.generator", SIZED),
    ("aten::randint.generator_out", SIZED),
    ("aten::randint.low", SIZED),
    ("aten::randint.low_generator", SIZED),
    ("aten::randint.low_generator_out", SIZED),
    ("aten::randint.low_out", SIZED),
    ("aten::randint.out", SIZED),
    ("aten::randint_like", EACH),
    ("aten::randint_like.low_dtype", EACH),
    ("aten::randint_like.low_dtype_out", EACH),
    ("aten::randint_like.out", EACH),
    ("aten::randn", SIZED),
    ("aten::randn.generator", SIZED),
    ("aten::randn.generator_out", SIZED),
    ("aten::randn.generator_with_names", SIZED),
    ("aten::randn.generator_with_names_out", SIZED),
    ("aten::randn.names", SIZED),
    ("aten::randn.names_out", SIZED),
    ("aten::randn.out", SIZED),
    ("aten::randn_like", EACH),
    ("aten::randn_like.out", EACH),
    ("aten::random", EACH),
    ("aten::random.from", EACH),
    ("aten::random.from_out", EACH),
    ("aten::random.out", EACH),
    ("aten::random.to", EACH),
    ("aten::random.to_out", EACH),
    ("aten::random_", FILLS),
    ("aten::random_.from", FILLS),
    ("aten::random_.to", FILLS),
    ("aten::randperm", &[Draws(When::Plain(draws::permutation))]),
    ("aten::randperm.generator", &[Draws(When::Plain(draws::permutation))]),
    ("aten::randperm.generator_out", &[Draws(When::Plain(draws::permutation))]),
    ("aten::randperm.out", &[Draws(When::Plain(draws::permutation))]),
    ("aten::rrelu", &[Draws(When::Argument("training"))]),
    ("aten::rrelu_", &[Draws(When::Argument("training"))]),
    ("aten::rrelu_with_noise", &[Writes(&["noise"], When::Argument("training")), Draws(When::Argument("training"))]),
    (
        "aten::rrelu_with_noise.out",
        &[Writes(&["noise"], When::Argument("training")), Draws(When::Argument("training"))],
    ),
    ("aten::rrelu_with_noise_", &[Writes(&["noise"], When::Argument("training")), Draws(When::Argument("training"))]),
    ("aten::uniform", EACH),
    ("aten::uniform.out", EACH),
    ("aten::uniform_", FILLS),
];

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_pytorch() {
        crate::operators::recorded::check(include_str!("recorded.txt"), 1e-6);
    }

    /// The numbers are those of a second implementation, on a second Mersenne Twister; none is recorded.
    #[test]
    fn counts_are_those_of_a_second_implementation() {
        crate::operators::recorded::check(include_str!("worked_out.txt"), 1e-12);
    }
}
