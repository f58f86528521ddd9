//! Bad input: what was expected, what was found, and where in the file.
//!
//! Only input that a user handed us becomes an [`Error`]. A program that misbehaves while it runs is a
//! [`Fault`](crate::operators::Fault), and our own mistakes are panics.

use std::fmt;

/// Input that cannot be read: names the file, the record in it, the position, and what was expected.
///
/// ```
/// use forkcheck_model::Error;
/// let error = Error::new("expected a tensor, found `Future[int]`").at_line(14).in_record("code/net.py").in_file("model.pt");
/// assert_eq!(error.to_string(), "model.pt: record code/net.py, line 14: expected a tensor, found `Future[int]`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    file: Option<String>,
    record: Option<String>,
    position: Option<Position>,
    message: String,
}

/// A place inside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// Offset in bytes from the start of the record.
    Byte(u64),
    /// Line of a text record, from 1.
    Line(u32),
    /// Line and column of a text, both from 1.
    Place(u32, u32),
}

impl Error {
    /// An error that says what was expected and what was found; the place is added by those who know it.
    pub fn new(message: impl Into<String>) -> Self {
        Self { file: None, record: None, position: None, message: message.into() }
    }

    /// Adds the offset in bytes, unless an inner reader already gave a position.
    #[must_use]
    pub fn at_byte(mut self, offset: u64) -> Self {
        self.position.get_or_insert(Position::Byte(offset));
        self
    }

    /// Adds the line (from 1), unless an inner reader already gave a position.
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Self {
        self.position.get_or_insert(Position::Line(line));
        self
    }

    /// Adds the line and the column (both from 1), unless an inner reader already gave a position.
    #[must_use]
    pub fn at_place(mut self, line: u32, column: u32) -> Self {
        self.position.get_or_insert(Position::Place(line, column));
        self
    }

    /// Adds the record's name, unless an inner reader already gave one.
    #[must_use]
    pub fn in_record(mut self, record: impl Into<String>) -> Self {
        self.record.get_or_insert(record.into());
        self
    }

    /// Adds the file's name, unless one is known already.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file.get_or_insert(file.into());
        self
    }

    /// What was expected and found, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        match (&self.record, self.position) {
            (Some(record), Some(position)) => write!(f, "record {record}, {position}: ")?,
            (Some(record), None) => write!(f, "record {record}: ")?,
            (None, Some(position)) => write!(f, "{position}: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Byte(offset) => write!(f, "byte {offset}"),
            Position::Line(line) => write!(f, "line {line}"),
            Position::Place(line, column) => write!(f, "line {line}, column {column}"),
        }
    }
}

impl std::error::Error for Error {}
