//! From the text of a graph, as PyTorch prints it, to graphs.
//!
//! `print(m.graph)` shows a graph and, in `with` sections after it, the bodies of the closures that it starts. It does not
//! show the functions and methods that it calls, nor the classes of its objects. Here a callee is a function whose only
//! node is [`NodeKind::Opaque`](super::NodeKind::Opaque), so that whoever looks into it meets the unknown; a class has the
//! attributes and methods that the text uses.
//!
//! What a graph of ours does not have is read as what it means, or as unknown:
//! - A constant function is part of the call, a constant index part of `prim::TupleIndex`.
//! - `prim::DifferentiableGraph_0`, `prim::TensorExprGroup_0` and their like run the section that they own, so its nodes
//!   stand in their place.
//! - A fork without a section runs an unknown body.
//! - A graph that does not return exactly one value returns a tuple.
//! - Shapes of tensors, scopes, and the elements of tensor constants (a tensor without elements stands for each) are dropped.
//! - A node is opaque, with its attributes in its name, if neither [`NodeKind`](super::NodeKind) nor PyTorch's list of
//!   operators has its kind, or the list only says `(...)` of it; it also consumes what its blocks use. Only `aten::` nodes
//!   must be known.

mod constants;
mod declare;
mod lower;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;
use crate::frontend::syntax::{DEPTH_LIMIT, on_deep_stack};
use crate::frontend::{CODE_LIMIT, overload_of};
use crate::module::{Class, Function, FunctionId};

/// What the text of a graph holds.
#[derive(Debug, Clone)]
pub struct GraphText {
    /// The graph at the top, then the bodies of closures, then the callees of which only the name is known.
    pub functions: Vec<Function>,
    /// The classes whose objects are used, with the attributes and methods that are seen, by qualified name.
    pub classes: BTreeMap<Arc<str>, Arc<Class>>,
}

impl GraphText {
    /// The graph at the top.
    pub const MAIN: FunctionId = FunctionId(0);
}

/// Reads a graph as PyTorch prints it, with the sections that follow it.
///
/// ```
/// use forkcheck_model::graph::{parse, print};
///
/// let text = "\
/// graph(%x.1 : Tensor):
///   %1 : int = prim::Constant[value=1]()
///   %2 : Tensor = aten::add_(%x.1, %1, %1) # net.py:7:4
///   return (%2)
/// ";
/// let parsed = parse::parse(text)?;
/// let add = &parsed.functions[0].graph.body.nodes[1];
/// assert_eq!(add.kind.name(), "aten::add_");
/// assert_eq!(add.span.as_ref().unwrap().to_string(), "net.py:7:4");
///
/// let error = parse::parse("graph(%x : Tensor):\n  return (%y)\n").unwrap_err();
/// assert_eq!(error.to_string(), "line 2, column 11: expected a value that is bound here, found `%y`");
/// # Ok::<(), forkcheck_model::Error>(())
/// ```
///
/// # Errors
/// If the text is no graph, or calls an operator in a way that PyTorch does not know: with line, column, and what was
/// expected.
pub fn parse(text: &str) -> Result<GraphText, Error> {
    if text.len() > CODE_LIMIT {
        return Err(Error::new(format!("a graph of {} bytes; at most {CODE_LIMIT} are read", text.len())));
    }
    on_deep_stack(|| {
        let tree = syntax::read(text)?;
        let declared = declare::declare(&tree)?;
        lower::lower(&tree, declared)
    })?
}

/// Whether a text begins as a graph does.
pub fn is_graph(text: &str) -> bool {
    let lines = text.lines().map(str::trim_start);
    let mut lines = lines.skip_while(|line| line.is_empty() || line.starts_with('#'));
    lines.next().is_some_and(|line| line.strip_prefix("graph").is_some_and(|rest| rest.trim_start().starts_with('(')))
}

/// The law of this room, for any text at all: it is graphs that are well-formed or an [`Error`], and what is printed of
/// the graphs is read back as what prints the same. For fuzzing and for tests.
///
/// # Panics
/// If the law is broken.
pub fn check_law(text: &str) {
    let law = || {
        let Ok(parsed) = parse(text) else { return };
        parsed.functions.iter().for_each(|function| function.graph.verify());
        let printed = super::print::text(&parsed.functions, GraphText::MAIN);
        let again = parse(&printed).unwrap_or_else(|error| panic!("{error}: its own text\n{printed}"));
        let twice = super::print::text(&again.functions, GraphText::MAIN);
        assert_eq!(twice, printed, "printing and reading again changes nothing");
    };
    on_deep_stack(law).expect("a thread starts");
}
