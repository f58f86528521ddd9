//! Debug records: from offsets in a code file to stretches of the user's own source.

use crate::graph::Span;

/// The source ranges of one code file.
#[derive(Debug, Default)]
pub struct Table {
    /// Offsets in the code file where each range begins to hold, ascending.
    rows: Vec<(u32, Option<Span>)>,
}

impl Table {
    /// Where the user wrote what stands at `offset` of the code file: the last row that begins at or before it.
    pub fn lookup(&self, offset: usize) -> Option<&Span> {
        let after = self.rows.partition_point(|row| row.0 as usize <= offset);
        self.rows.get(after.checked_sub(1)?)?.1.as_ref()
    }
}
