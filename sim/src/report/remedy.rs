//! What would help against a finding: a sentence, whether it was tried, and what it looks like in the source.

use forkcheck_model::graph::{Source, Span};
use serde::Serialize;

/// What would help.
#[derive(Debug, Clone, Serialize)]
pub struct RemedyReport {
    /// What to do.
    pub text: String,
    /// Whether it was done on a copy of the program, which was analysed then: the finding is gone, and there is no new one.
    pub verified: bool,
    /// The change of the user's file as a unified diff, where it is certain.
    pub patch: Option<String>,
    /// The same change; not part of the JSON.
    #[serde(skip)]
    pub change: Option<Change>,
}

/// A change of a source.
#[derive(Debug, Clone)]
pub struct Change {
    /// What is taken away; nothing, where something is added.
    pub at: Span,
    /// What comes instead.
    pub text: String,
}

impl RemedyReport {
    pub(crate) fn of(text: &str, verified: bool) -> Self {
        RemedyReport { text: text.to_string(), verified, patch: None, change: None }
    }

    /// What to do, and whether it was tried.
    pub fn sentence(&self) -> String {
        match self.verified {
            true => format!("{} (verified: with this change the audit finds nothing here)", self.text),
            false => self.text.clone(),
        }
    }
}

impl Change {
    /// The change of whole lines, as `diff -u` shows it: lines that stay are shown only where a line is added before them.
    pub fn diff(&self) -> String {
        let Source { file, text, .. } = &**self.at.source();
        let range = self.at.range();
        let begin = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline);
        let old = &text[begin..end];
        let new = format!("{}{}{}", &text[begin..range.start], self.text, &text[range.end..end]);
        let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        // A line that is added stands before one that stays.
        let kept = usize::from(after.len() > before.len() && before.last() == after.last());
        let first = self.at.line();
        let count = |lines: &[&str]| if lines.len() == 1 { String::new() } else { format!(",{}", lines.len()) };
        let mut diff = format!("--- {file}\n+++ {file}\n@@ -{first}{} +{first}{} @@\n", count(&before), count(&after));
        let mut put = |sign: char, lines: &[&str]| lines.iter().for_each(|line| diff += &format!("{sign}{line}\n"));
        put('-', &before[..before.len() - kept]);
        put('+', &after[..after.len() - kept]);
        put(' ', &before[before.len() - kept..]);
        diff
    }
}
