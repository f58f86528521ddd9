//! Where the user wrote something: a stretch of a source text, kept with the text itself.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

/// A source text: the user's Python as the debug records kept it, or a code file of the archive.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// The file's name as it was recorded.
    pub file: String,
    /// The text that is kept: mostly one function.
    pub text: String,
    /// The line of the file on which the text begins, from 1.
    pub first_line: u32,
    /// Bytes of that line that come before the text.
    pub first_column: u32,
    /// Of what was recorded by tracing: Python's stack, innermost frame first, a line each (`net.py(7): forward`). There
    /// is no text then.
    pub trace: String,
    /// Where the lines begin.
    pub lines: Lines,
}

/// Where the lines of a text begin, found out when it is first asked for. It says nothing that the text does not say, so any
/// two are equal.
#[derive(Debug, Default)]
pub struct Lines(OnceLock<Box<[u32]>>);

impl PartialEq for Lines {
    fn eq(&self, _: &Lines) -> bool {
        true
    }
}

impl Eq for Lines {}

impl Hash for Lines {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Source {
    /// What tracing recorded: a place without text, the innermost frame that is not an installed package's.
    pub fn of_trace(trace: &str) -> Option<Source> {
        let frames = || trace.lines().filter_map(trace_frame);
        let own = |file: &str| !file.contains("site-packages") && !file.contains("dist-packages");
        let (file, first_line) = frames().find(|(file, _)| own(file)).or_else(|| frames().next())?;
        Some(Source {
            file: file.to_string(),
            text: String::new(),
            first_line,
            first_column: 0,
            trace: trace.to_string(),
            lines: Default::default(),
        })
    }

    /// A place of which only file, line and column are known.
    pub fn of_place(file: &str, first_line: u32, first_column: u32) -> Source {
        Source {
            file: file.to_string(),
            text: String::new(),
            first_line,
            first_column,
            trace: String::new(),
            lines: Default::default(),
        }
    }

    /// Where the body that this is a part of was forked, if tracing recorded it.
    pub fn traced_fork(&self) -> Option<Source> {
        let mut frames = self.trace.lines().filter_map(trace_frame);
        frames.find(|(file, _)| file.ends_with("_async.py"))?;
        let (file, first_line) = frames.next()?;
        Some(Source {
            file: file.to_string(),
            text: String::new(),
            first_line,
            first_column: 0,
            trace: String::new(),
            lines: Default::default(),
        })
    }
}

/// `net.py(7): forward`: the file and the line.
fn trace_frame(line: &str) -> Option<(&str, u32)> {
    let (place, _) = line.split_once("): ")?;
    let (file, number) = place.rsplit_once('(')?;
    Some((file, number.parse().ok()?))
}

/// A stretch of a source text, in bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Span {
    source: Arc<Source>,
    start: u32,
    end: u32,
}

impl Span {
    /// The bytes `start..end` of `source`; positions past the text, or inside of a character, are drawn back.
    pub fn new(source: Arc<Source>, start: usize, end: usize) -> Self {
        let floor = |at: usize| source.text.floor_char_boundary(at.min(source.text.len()));
        let (start, end) = (floor(start), floor(end));
        Self { start: start as u32, end: end.max(start) as u32, source }
    }

    /// The text it is a stretch of.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The bytes of the text.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The words themselves.
    pub fn text(&self) -> &str {
        &self.source.text[self.range()]
    }

    /// The file's name as it was recorded.
    pub fn file(&self) -> &str {
        &self.source.file
    }

    /// The line of the file on which it starts, from 1.
    pub fn line(&self) -> u32 {
        let begins = self.source.lines.0.get_or_init(|| {
            let newlines = self.source.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            newlines.map(|(at, _)| at as u32 + 1).collect()
        });
        self.source.first_line + begins.partition_point(|&begin| begin <= self.start) as u32
    }

    /// Bytes from the start of its line to the start of the stretch, from 0.
    pub fn column(&self) -> u32 {
        let before = &self.source.text[..self.start as usize];
        match before.rfind('\n') {
            Some(newline) => (before.len() - newline - 1) as u32,
            None => self.source.first_column + before.len() as u32,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file(), self.line(), self.column())
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_the_text() {
        let source = Arc::new(Source {
            file: "m.py".into(),
            text: "def f(x):\n    x.add_(1)\n".into(),
            first_line: 7,
            first_column: 0,
            trace: String::new(),
            lines: Default::default(),
        });
        let span = Span::new(source.clone(), 14, 23);
        assert_eq!((span.text(), span.to_string().as_str()), ("x.add_(1)", "m.py:8:4"));
        assert_eq!(Span::new(source, 99, 3).line(), 9);
    }

    #[test]
    fn a_trace_is_a_place_without_text() {
        let trace = "/x/site-packages/torch/functional.py(3): relu\nnet.py(14): bump\n/x/torch/jit/_async.py(99): fork\nnet.py(20): forward\n";
        let source = Source::of_trace(trace).unwrap();
        assert_eq!((source.file.as_str(), source.first_line), ("net.py", 14));
        let fork = source.traced_fork().unwrap();
        assert_eq!((fork.file.as_str(), fork.first_line), ("net.py", 20));
        assert!(Source::of_trace("def f(x):\n    return g(x)\n").is_none());
    }
}
