//! Where an attribute was read or written: PyTorch's records do not say, but they hold the user's text.
//!
//! The text of the function stands with every range of it, so the place is the first `.name` after what was lowered
//! last; for a store, the first that is assigned to.

use super::{Lowering, Place};
use crate::graph::Span;

/// What is done with an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

impl Lowering<'_, '_> {
    /// The stretch of the user's text that reads or writes the attribute `name`, if it can be found.
    pub(super) fn attribute_span(&self, place: Place, name: &str, used: Use) -> Option<Span> {
        let table = self.file.code.debug.as_ref()?;
        if let Some(known) = table.lookup(place.start as usize) {
            return Some(known.clone());
        }
        let (near, from) = match &self.last_span {
            // The value of an assignment is lowered before it, so its line counts from the start.
            Some(span) => {
                let before = &span.source().text[..span.range().start];
                (span.clone(), before.rfind('\n').map_or(0, |newline| newline + 1))
            }
            // The first thing of a function: the text comes with the next range.
            None => {
                let mut later = table.rows().filter(|row| row.0 >= place.start);
                (later.find_map(|row| row.1.cloned())?, 0)
            }
        };
        let text = &near.source().text;
        let found = |from: usize| {
            occurrences(text, from, name).find(|&(_, end)| used == Use::Read || is_assigned(&text[end..]))
        };
        let (dot, end) = found(from).or_else(|| found(0))?;
        let start =
            text[..dot].rfind(|c: char| !(c.is_alphanumeric() || "_.[]\"'".contains(c))).map_or(0, |before| before + 1);
        let end = match used {
            Use::Read => end,
            Use::Write => {
                let line = text[end..].split(['\n', '#']).next().unwrap_or_default();
                end + line.trim_end().len()
            }
        };
        Some(Span::new(near.source().clone(), start, end))
    }
}

/// Where `.name` stands in `text` at or after `from`: the dot, and the end of the name.
fn occurrences<'t>(text: &'t str, from: usize, name: &'t str) -> impl Iterator<Item = (usize, usize)> + 't {
    let tail = text.get(from..).unwrap_or_default();
    tail.match_indices(name).map(move |(at, _)| (from + at, from + at + name.len())).filter_map(move |(start, end)| {
        let whole = !text[end..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        (whole && text[..start].ends_with('.')).then(|| (start - 1, end))
    })
}

/// Whether what follows a name assigns to it: `=`, `+=`, but not `==` or `>=`.
fn is_assigned(after: &str) -> bool {
    let after = after.trim_start();
    let operator = after.trim_start_matches(['+', '-', '*', '/', '%', '|', '&', '^', '@']);
    operator.len() + 3 > after.len() && operator.starts_with('=') && !operator.starts_with("==")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whole_and_after_a_dot() {
        let text = "n = self.n\nself.nn = self.n\n";
        let found: Vec<_> = occurrences(text, 0, "n").map(|(dot, _)| dot).collect();
        assert_eq!(found, [8, 25]);
        assert_eq!(occurrences(text, 10, "n").count(), 1);
    }

    #[test]
    fn an_assignment_is_told_from_a_comparison() {
        for (after, assigned) in [
            (" = 1", true),
            (" += 1", true),
            (" //= 2", true),
            (" == 1", false),
            (".m = 1", false),
            (")", false),
            (" >= 1", false),
            (" <<= 1", false),
        ] {
            assert_eq!(is_assigned(after), assigned, "{after}");
        }
    }
}
