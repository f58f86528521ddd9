//! Operators that work element by element: arithmetic, comparison, activation.

mod activation;
mod arithmetic;
mod bessel;
mod calculate;
mod compare;
mod complex;
mod functions;
mod gamma;
mod logic;
mod normal;
pub(super) mod plan;
mod polynomials;
mod rare;
mod rounding;
mod select;
mod special;

use super::{Correction, Kernel};

/// Rows of several overloads that share a kernel: `add: "add.Tensor" "add_.Tensor";`, names without `aten::`.
macro_rules! rows {
    ($($kernel:ident: $($name:literal)+;)*) => {
        &[$($((concat!("aten::", $name), $kernel as $crate::operators::Kernel)),+),*]
    };
}

/// Rows of operators in their three forms (`exp`, `exp_`, `exp.out`), each with a kernel of its own name or a given
/// one: `exp; arcsin = asin;`.
macro_rules! forms {
    ($($name:ident $(= $kernel:ident)?;)*) => {
        &[$(
            (concat!("aten::", stringify!($name)), forms!(@ $name $($kernel)?)),
            (concat!("aten::", stringify!($name), "_"), forms!(@ $name $($kernel)?)),
            (concat!("aten::", stringify!($name), ".out"), forms!(@ $name $($kernel)?))
        ),*]
    };
    (@ $name:ident) => { $name as $crate::operators::Kernel };
    (@ $name:ident $kernel:ident) => { $kernel as $crate::operators::Kernel };
}

use {forms, rows};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    activation::FORMS,
    activation::ROWS,
    arithmetic::ROWS,
    compare::ROWS,
    functions::FORMS,
    functions::ROWS,
    gamma::ROWS,
    logic::FORMS,
    logic::ROWS,
    polynomials::ROWS,
    rare::ROWS,
    rounding::FORMS,
    rounding::ROWS,
    select::FORMS,
    select::ROWS,
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = select::CORRECTIONS;

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn arithmetic_is_pytorchs() {
        replay(include_str!("../fixtures/arithmetic.txt"));
    }

    #[test]
    fn results_lie_as_pytorchs() {
        replay(include_str!("../fixtures/elementwise_layouts.txt"));
    }

    #[test]
    fn functions_are_pytorchs() {
        replay(include_str!("../fixtures/functions.txt"));
    }

    #[test]
    fn activation_is_pytorchs() {
        replay(include_str!("../fixtures/activation.txt"));
    }

    #[test]
    fn comparing_is_pytorchs() {
        replay(include_str!("../fixtures/compare.txt"));
    }

    /// The values were worked out in arithmetic of fifty digits; none is recorded.
    #[test]
    fn special_functions_are_as_worked_out() {
        replay(include_str!("worked_out.txt"));
    }

    #[test]
    fn selecting_is_pytorchs() {
        replay(include_str!("../fixtures/select.txt"));
    }
}
