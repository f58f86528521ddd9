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
    /// Looks at the metadata of these arguments only, never at their elements.
    Unread(&'static [&'static str]),
    /// Writes these arguments without reading them first.
    Overwrites(&'static [&'static str]),
    /// Writes the metadata of these arguments, and leaves their elements alone.
    WritesShape(&'static [&'static str]),
    /// Makes its first argument show the memory of another from then on.
    Rebinds,
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
    /// May write things that are not among its arguments, and nobody knows which.
    Unknown,
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
    /// When a function of the arguments says so, which looks at tensors or lists.
    Arguments(fn(&Operator, &[Value]) -> bool),
    /// When a function of the plain arguments says so: numbers, truth values, texts. It takes `None` in the place of a
    /// tensor for one with elements, and tells no two floats apart that 0, 1/2 and 1 do not, nor two ints that 0 to 3 do not.
    Plain(fn(&Operator, &[Value]) -> bool),
}

impl When {
    /// When the first argument is a list of one item.
    pub const ONE: When =
        When::Arguments(|_, args| matches!(&args[0], Value::List(list) if list.content().items.len() == 1));
}

/// A family's row: the full name of an operator, and its corrections.
pub(super) type Row = (&'static str, &'static [Correction]);

/// How many rows these tables have.
pub(super) const fn count(tables: &[&[Row]]) -> usize {
    let (mut total, mut table) = (0, 0);
    while table < tables.len() {
        total += tables[table].len();
        table += 1;
    }
    total
}

/// The rows of several tables as one.
pub(super) const fn joined<const N: usize>(tables: &[&[Row]]) -> [Row; N] {
    let mut rows: [Row; N] = [("", &[]); N];
    let (mut row, mut table) = (0, 0);
    while table < tables.len() {
        let mut i = 0;
        while i < tables[table].len() {
            rows[row] = tables[table][i];
            row += 1;
            i += 1;
        }
        table += 1;
    }
    assert!(row == N, "the rows were counted before");
    rows
}

/// Operators that write only the elements that another argument selects, and whether they read those first. The others
/// they leave alone, so two of them that select different elements never lose each other's writes.
pub(super) const PARTIAL_WRITERS: &[(&str, bool)] = &[
    ("aten::_index_put_impl_", true),
    ("aten::index_add_", true),
    ("aten::index_copy_", false),
    ("aten::index_fill_", false),
    ("aten::index_put_", true),
    ("aten::index_reduce_", true),
    ("aten::masked_fill_", false),
    ("aten::masked_scatter_", false),
    ("aten::put_", true),
    ("aten::scatter_", false),
    ("aten::scatter_add_", true),
    ("aten::scatter_reduce_", true),
];
