//! What PyTorch's schemas do not say, or say wrongly, about what an operator touches.
//!
//! A row here changes what both checkers believe; each is held to what the kernels really do by a test.

use super::{Access, Operator};
use crate::value::Value;

/// One thing that a schema does not say.
#[derive(Debug, Clone, Copy)]
pub enum Correction {
    /// Looks at the metadata of its tensors only, never at their elements.
    ShapeOnly,
    /// Writes these arguments without reading them first.
    Overwrites(&'static [&'static str]),
    /// Writes the metadata of these arguments, and leaves their elements alone.
    WritesShape(&'static [&'static str]),
    /// Writes these arguments (after reading them) when the condition holds; only reads them otherwise.
    Writes(&'static [&'static str], When),
    /// The schema promises a view; when the condition holds the call copies, and so reads the elements.
    CopiesWhen(When),
    /// The schema promises a new tensor; when the condition holds the call hands its argument through unread.
    AliasesWhen(When),
    /// Draws from the generator argument, or from the default generator, when the condition holds.
    Draws(When),
    /// Sets the state of the default generator.
    Seeds,
    /// Prints.
    Prints,
    /// Touches flags of the whole process.
    ProcessFlags(Access),
    /// A container operator that looks at the elements of the tensors inside (comparisons, text).
    ReadsElements,
}

/// When a correction holds.
#[derive(Debug, Clone, Copy)]
pub enum When {
    /// In every call.
    Always,
    /// When the boolean argument of this name is true.
    Argument(&'static str),
    /// When a function of the arguments says so.
    Arguments(fn(&Operator, &[Value]) -> bool),
}
