//! Text: what strings can do, and every value as text.
//!
//! A string of TorchScript is bytes: lengths, places and classes of characters are those of bytes. Where a program
//! cuts inside a character the result is no text, and the call is not supported.

mod format;
mod search;
mod show;
mod split;
mod transform;

use super::scalar::rows;
use super::{Call, Correction, Fault, Kernel};
use crate::types::Type;
use crate::value::{List, ListContent, Value};

pub use show::{print_values, value_text};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] =
    &[format::KERNELS, search::KERNELS, show::KERNELS, split::KERNELS, transform::KERNELS];

/// Full names and corrections. What is formatted is a `...` argument, which is always read as a whole.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] =
    &[("aten::str", &[Correction::ReadsElements]), ("prim::Print", &[Correction::Prints])];

/// Bytes as a text value, if they are text.
fn text(bytes: impl Into<Vec<u8>>) -> Result<Value, Fault> {
    match String::from_utf8(bytes.into()) {
        Ok(text) => Ok(Value::str(text)),
        Err(_) => Err(Fault::unsupported("a text that is cut inside a character")),
    }
}

/// Texts as a list value.
fn texts<'a>(call: &mut Call<'_>, items: impl IntoIterator<Item = &'a [u8]>) -> Result<Value, Fault> {
    let items = items.into_iter().map(text).collect::<Result<_, _>>()?;
    Ok(Value::List(List::new(call.allocator, ListContent { item: Type::Str, items })))
}

/// Refuses a text of `len` bytes that could never fit, before it is made: it is put together and then copied to where it is shared, while
/// what it is made of is still there.
fn check_room(call: &Call<'_>, len: u64) -> Result<(), Fault> {
    drop(call.allocator.memory().charge(len.saturating_mul(3))?);
    Ok(())
}
