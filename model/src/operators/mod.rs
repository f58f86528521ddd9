//! The one table of operators: schema, corrections of what the schema does not say, kernel.
//!
//! The schemas are PyTorch 2.7's, all of them, so that every name can be resolved and every effect is known; and a few of
//! torchvision's. An operator without kernel can be analysed but not run; [`list`] has them all. Both checkers read the same row: the static one asks
//! what a call may do ([`Operator::corrections`]), the dynamic one what this call does ([`Operator::effects`]).

pub mod arguments;
pub mod corrections;
pub mod effects;
pub mod generator;
#[doc = include_str!("list.md")]
pub mod list {}
pub mod output;
pub mod printed;
#[doc = include_str!("random/numbers.md")]
pub mod random_numbers {}
pub mod registry;
pub mod schema;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
pub(crate) mod observe;
#[cfg(test)]
mod sweep;

mod complex;
mod compose;
mod composed;
mod container;
mod creation;
mod curves;
mod effects_only;
mod foreach;
mod historic;
mod index;
mod linalg;
#[cfg(test)]
mod naive;
pub(crate) mod nested;
mod network;
mod out;
mod pointwise;
pub mod possible;
mod profiler;
mod quantized;
mod random;
#[cfg(test)]
mod recorded;
mod reduce;
mod results;
mod scalar;
mod scratch;
mod scripted;
mod shape;
mod spectral;
pub mod text;
mod vectorised;
mod vision;

pub use corrections::{Correction, When};
pub use effects::{Access, Effect, Place};
pub use generator::GeneratorState;
pub use nested::NO_SIZES;
pub use output::Destination;
pub use printed::Printed;
pub use quantized::Kinds;
pub use registry::{find, overloads};
pub use schema::{Argument, Schema};
pub use text::{print_values, value_text};

use std::ops::RangeInclusive;

use crate::slot::{Allocator, OutOfMemory};
use crate::tensor::{DType, Math};
use crate::value::{Generator, Value};

/// A row of the table.
#[derive(Debug)]
pub struct Operator {
    /// The name without overload: `aten::add_`.
    pub name: &'static str,
    /// The overload: `Tensor`; empty for the one without.
    pub overload: &'static str,
    /// The versions of archives that mean this by the name. Most operators have always been what they are.
    pub versions: RangeInclusive<u32>,
    /// The signature with its alias annotations.
    pub schema: Schema,
    /// Which dtypes its `out` may have.
    pub accepts: output::Accepts,
    /// What the schema gets wrong or does not say.
    pub corrections: &'static [Correction],
    /// How to compute it, if we can: by [`Call::compute`].
    pub kernel: Option<Kernel>,
    /// The two of which `kernel` takes one, where quantized tensors need another than plain ones.
    pub kinds: Option<Kinds>,
    /// The same for plain values without a call, for those that are called most.
    pub plain: Option<Plain>,
}

/// Computes an operator on one or two plain values; `None` where the kernel must be asked.
pub type Plain = fn(&Value, &Value) -> Option<Value>;

/// Computes one operator. The arguments are in schema order with defaults filled in. An operator that returns
/// nothing gives [`Value::None`]; one that returns several values gives them as a tuple.
pub type Kernel = fn(&mut Call<'_>) -> Result<Value, Fault>;

/// A call of an operator: its arguments, and all of the world that it may touch.
#[derive(Debug)]
pub struct Call<'a> {
    /// Which operator.
    pub operator: &'static Operator,
    /// The arguments, in schema order, one for each (more for `...`).
    pub args: &'a [Value],
    /// Names what the operator makes.
    pub allocator: &'a mut Allocator,
    /// The default generator.
    pub generator: &'a Generator,
    /// The modes of the task that calls.
    pub modes: &'a mut Modes,
    /// What the call prints is appended here.
    pub printed: &'a mut Printed,
}

/// Modes that belong to a task, inherited at the fork.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Modes {
    /// Whether gradients would be recorded.
    pub grad: bool,
    /// Inference mode.
    pub inference: bool,
    /// Whether autocast is on for the CPU.
    pub autocast: bool,
    /// How kernels compute.
    pub math: Math,
}

impl Default for Modes {
    /// Without gradients: forkcheck runs forward passes.
    fn default() -> Self {
        Self { grad: false, inference: false, autocast: false, math: Math::Native }
    }
}

/// Why a call gave no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The program raised an error, in PyTorch's words: an outcome like any other.
    Raised {
        /// Qualified class of the exception, when it was raised by a `raise`.
        class: Option<String>,
        /// The message.
        message: String,
    },
    /// We cannot compute this: what exactly.
    Unsupported(String),
    /// The limit of memory would be passed.
    Memory(OutOfMemory),
}

impl Operator {
    /// The name with its overload: `aten::add_.Tensor`, `aten::relu`.
    pub fn full_name(&self) -> String {
        if self.overload.is_empty() { self.name.into() } else { format!("{}.{}", self.name, self.overload) }
    }
}

impl Fault {
    /// An error of an operator, in PyTorch's words.
    pub fn raised(message: impl Into<String>) -> Self {
        Fault::Raised { class: None, message: message.into() }
    }

    /// Something that PyTorch can do and we cannot: what exactly.
    pub fn unsupported(what: impl Into<String>) -> Self {
        Fault::Unsupported(what.into())
    }

    /// An operator that we can compute, but not for elements of this dtype.
    pub fn no_kernel(operator: &str, dtype: DType) -> Self {
        Fault::Unsupported(format!("{operator} of {dtype} elements"))
    }
}

impl From<OutOfMemory> for Fault {
    fn from(error: OutOfMemory) -> Self {
        Fault::Memory(error)
    }
}
