//! A fix in the user's words: what is to stand in the source instead of what stands there, where that is certain.

use std::ops::Range;
use std::sync::Arc;

use forkcheck_model::effects::Place;
use forkcheck_model::graph::{Graph, NodeKind, Source, Span, ValueId};
use forkcheck_model::module::Function;

use super::edit::Copying;
use crate::config::Library;
use crate::names::UserNames;
use crate::report::Change;

/// How a fork is written, and the wait that belongs to it.
const FORKS: [(&str, &str); 5] = [
    ("torch.jit.fork", "torch.jit.wait"),
    ("torch.jit._fork", "torch.jit._wait"),
    ("jit.fork", "jit.wait"),
    ("fork", "wait"),
    ("_fork", "_wait"),
];

/// Whether it is of a file of the user's, and its text is known.
fn is_own(span: &Span, library: &Library) -> bool {
    let file = span.file();
    !span.source().text.is_empty() && !library.contains(file) && !file.contains("code/__torch__")
}

/// What the user calls a value of a function, if it has a name: the ways in which it may be written.
pub(super) fn expressions(function: &Function, value: ValueId) -> Vec<String> {
    let graph = &function.graph;
    let name = || {
        let name = graph.value(value).name.as_ref()?;
        let spans = graph.body.nodes.iter().filter_map(|node| node.span.as_ref());
        Some(UserNames::of(spans).of_variable(name).to_string())
    };
    attribute(graph, value).into_iter().chain(name()).collect()
}

/// `self.a.b`, if that is how it was read.
fn attribute(graph: &Graph, value: ValueId) -> Option<String> {
    let reader = graph.body.nodes.iter().find(|node| node.outputs.contains(&value))?;
    let NodeKind::GetAttr { name, .. } = &reader.kind else { return None };
    let object = reader.inputs[0];
    let path = match attribute(graph, object) {
        Some(path) => path,
        None => graph.value(object).name.as_deref().filter(|name| *name == "self")?.to_string(),
    };
    Some(format!("{path}.{name}"))
}

/// The fork's argument becomes a copy.
pub(super) fn copied(
    functions: &[Function],
    fork: Place,
    input: usize,
    copying: Copying,
    library: &Library,
) -> Option<Change> {
    let function = &functions[fork.function.0 as usize];
    let node = super::edit::node(&function.graph.body, fork.node)?;
    let span = node.span.as_ref().filter(|span| is_own(span, library))?;
    let Call { range, arguments, .. } = call(span)?;
    let names = expressions(function, node.inputs[input]);
    // Of two values of one name it is not known which one is meant.
    let others = node.inputs.iter().enumerate().filter(|(i, _)| *i != input);
    let taken: Vec<String> = others.flat_map(|(_, &other)| expressions(function, other)).collect();
    let (argument, name) = names.iter().filter(|name| !taken.contains(name)).find_map(|name| {
        let text = &span.source().text;
        let mut found = arguments.iter().skip(1).filter(|argument| text[(*argument).clone()] == **name);
        let first = found.next()?.clone();
        let is_only = words(&span.source().text[range.clone()], name) == 1;
        is_only.then_some((first, name))
    })?;
    let text = copying.words(name);
    change(span.source(), argument, text)
}

/// A change of whole lines that are known.
fn change(source: &Arc<Source>, range: Range<usize>, text: String) -> Option<Change> {
    let at = Span::new(source.clone(), range.start, range.end);
    (source.first_column == 0 || at.line() > source.first_line).then_some(Change { at, text })
}

/// A line at the head of the function that makes a copy of its parameter.
pub(super) fn owned(function: &Function, param: usize, copying: Copying, library: &Library) -> Option<Change> {
    let spans = function.graph.body.nodes.iter().filter_map(|node| node.span.as_ref());
    let source = spans.filter(|span| is_own(span, library)).map(Span::source).next()?;
    let (text, name) = (&source.text, &function.params.get(param)?.name);
    let head = format!("def {}(", function.name.rsplit('.').next()?);
    let (0 | 1, Some(begin)) = (text.matches(&head).count(), text.find(&head)) else { return None };
    let code = Code::of(text);
    let is = |at: usize, byte: u8, depth: u32| text.as_bytes()[at] == byte && code.depth[at] == Some(depth);
    let depth = code.depth[begin]?;
    let colon = (begin..text.len()).find(|&at| is(at, b':', depth))?;
    // What is no code between the head and the first statement are its documentation and comments.
    let is_code = |at: &usize| code.depth[*at].is_some() && !text.as_bytes()[*at].is_ascii_whitespace();
    let first = (colon + 1..text.len()).find(is_code)?;
    let begin_of_line = line_start(text, first);
    let indent = &text[begin_of_line..first];
    let named = words(&text[begin..colon], name) == 1;
    let fits = named && begin_of_line > colon && indent.chars().all(char::is_whitespace);
    let line = format!("{indent}{name} = {}\n", copying.words(name));
    change(source, begin_of_line..begin_of_line, line).filter(|_| fits)
}

/// A line before the write that waits for the fork.
pub(super) fn waited(fork: Option<&Span>, write: Option<&Span>, library: &Library) -> Option<Change> {
    let fork = fork.filter(|span| is_own(span, library))?;
    let write = write.filter(|span| span.source() == fork.source() && span.range().start > fork.range().end)?;
    let source = fork.source();
    let Call { wait, range, .. } = call(fork)?;
    let rest = source.text[range.end..].lines().next().unwrap_or_default().trim();
    let before = &source.text[line_start(&source.text, fork.range().start)..fork.range().start];
    let future = assigned(before)?;
    let begin = line_start(&source.text, write.range().start);
    let lead = &source.text[begin..write.range().start];
    let indent = &lead[..lead.len() - lead.trim_start().len()];
    let begins_statement = lead.trim().is_empty() || assigned(lead).is_some();
    let is_all = rest.is_empty() || rest.starts_with('#');
    let known_wait = wait.contains('.') || source.text.contains(&format!("{wait}("));
    let code = Code::of(&source.text);
    let continued = source.text[..begin].trim_end_matches(['\n', '\r']).ends_with('\\');
    if !begins_statement
        || !is_all
        || !known_wait
        || continued
        || code.depth[begin] != Some(0)
        || !is_bound_once(source, future)
    {
        return None;
    }
    change(source, begin..begin, format!("{indent}{wait}({future})\n"))
}

/// The variable of `name = ` or `name: T = `, if that is all there is.
fn assigned(lead: &str) -> Option<&str> {
    let target = lead.trim().strip_suffix('=')?;
    let name = target.split(':').next()?.trim();
    let is_name = !name.is_empty() && name.chars().all(is_word) && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some(name)
}

/// Whether a variable is assigned on one line only.
fn is_bound_once(source: &Source, name: &str) -> bool {
    let binds = |line: &&str| {
        let target = match line.trim_start() {
            line if ["for ", "with ", "async ", "def ", "del ", "import ", "from "]
                .iter()
                .any(|word| line.starts_with(word)) =>
            {
                line
            }
            line if line.contains(":=") => line,
            line => line.split('=').next().filter(|target| target.len() < line.len()).unwrap_or(""),
        };
        target.split(|c| !is_word(c)).any(|word| word == name)
    };
    source.text.lines().filter(binds).count() == 1
}

/// The call of a fork.
struct Call {
    /// How its wait is written.
    wait: &'static str,
    /// Where it is, with both brackets: PyTorch's stretch of a call ends before the last.
    range: Range<usize>,
    /// Where its arguments are, what is forked first.
    arguments: Vec<Range<usize>>,
}

fn call(span: &Span) -> Option<Call> {
    let (text, range) = (&span.source().text, span.range());
    let open = range.start + span.text().find('(')?;
    let (_, wait) = FORKS.iter().find(|(fork, _)| *fork == text[range.start..open].trim())?;
    let code = Code::of(text);
    // A bracket counts as outside of what it encloses.
    let outside = code.depth[open]?;
    let close = (open + 1..text.len()).find(|&at| code.depth[at] == Some(outside))?;
    if close + 1 < range.end {
        return None;
    }
    let is_comma = |at: &usize| text.as_bytes()[*at] == b',' && code.depth[*at] == Some(outside + 1);
    let mut arguments = Vec::new();
    let mut from = open + 1;
    for to in (open + 1..close).filter(is_comma).chain([close]) {
        arguments.push(plain(text, from..to));
        from = to + 1;
    }
    Some(Call { wait, range: range.start..close + 1, arguments })
}

/// An argument without the spaces around it, and without the `name=` before it.
fn plain(text: &str, range: Range<usize>) -> Range<usize> {
    let trimmed = |range: Range<usize>| {
        let piece = &text[range.clone()];
        let start = range.start + piece.len() - piece.trim_start().len();
        start..start + piece.trim().len()
    };
    let range = trimmed(range);
    let piece = &text[range.clone()];
    match piece.split_once('=') {
        Some((name, value)) if !value.starts_with('=') && name.trim().chars().all(is_word) => {
            trimmed(range.end - value.len()..range.end)
        }
        _ => range,
    }
}

/// How often a name stands in a text, as a whole.
fn words(text: &str, name: &str) -> usize {
    let apart = |at: usize| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || c == '.') && !after.is_some_and(is_word)
    };
    text.match_indices(name).filter(|(at, _)| apart(*at)).count()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Python, as far as it must be known here: how deep in brackets each byte is; `None` in texts and comments.
struct Code {
    depth: Vec<Option<u32>>,
}

impl Code {
    fn of(text: &str) -> Code {
        let bytes = text.as_bytes();
        let mut depth = vec![None; bytes.len() + 1];
        let (mut at, mut deep) = (0, 0u32);
        while at < bytes.len() {
            match bytes[at] {
                b'#' => at += text[at..].find('\n').unwrap_or(bytes.len() - at),
                quote @ (b'"' | b'\'') => at = end_of_text(bytes, at, quote),
                byte => {
                    if matches!(byte, b')' | b']' | b'}') {
                        deep = deep.saturating_sub(1);
                    }
                    depth[at] = Some(deep);
                    if matches!(byte, b'(' | b'[' | b'{') {
                        deep += 1;
                    }
                    at += 1;
                }
            }
        }
        depth[bytes.len()] = Some(deep);
        Code { depth }
    }
}

/// Where the text ends that begins at `at`.
fn end_of_text(bytes: &[u8], at: usize, quote: u8) -> usize {
    let long = bytes[at..].starts_with(&[quote; 3]);
    let end: &[u8] = if long { &[quote; 3] } else { &[quote] };
    let mut at = at + end.len();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            _ if bytes[at..].starts_with(end) => return at + end.len(),
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Arc<Source> {
        let (file, trace, lines) = ("m.py".to_string(), String::new(), Default::default());
        Arc::new(Source { file, text: text.into(), first_line: 10, first_column: 0, trace, lines })
    }

    fn span(text: &str, part: &str) -> Span {
        let at = text.find(part).expect("it is a part");
        Span::new(source(text), at, at + part.len())
    }

    #[test]
    fn arguments_are_found_where_brackets_and_texts_hide_commas() {
        let check = |text: &str, expected: Option<&[&str]>| {
            let found = call(&span(text, text))
                .map(|call| call.arguments)
                .map(|ranges| ranges.into_iter().map(|range| &text[range]).collect());
            assert_eq!(found, expected.map(<[&str]>::to_vec), "{text}");
        };
        check("torch.jit.fork(f, x, y)", Some(&["f", "x", "y"]));
        check("fork(f, g(x, 1), [y, z])", Some(&["f", "g(x, 1)", "[y, z]"]));
        check("torch.jit.fork(f, ',', k = x)", Some(&["f", "','", "x"]));
        check("torch.jit.fork(f, x == y)", Some(&["f", "x == y"]));
        check("torch.jit.fork(f, # of x, y\n  x)", Some(&["f", "# of x, y\n  x"]));
        check("torch.jit.fork(f, x).then(y)", None);
        check("mine.fork(f, x)", None);
        check("torch.jit.fork(f, x", None);
    }

    #[test]
    fn a_wait_is_put_only_where_a_statement_begins_and_the_future_is_one_variable() {
        let check = |text: &str, expected: Option<&str>| {
            let (fork, write) = (span(text, "torch.jit.fork(g, y)"), span(text, "y.add_(1)"));
            let change = waited(Some(&fork), Some(&write), &Library::default());
            assert_eq!(change.map(|change| change.text).as_deref(), expected, "{text}");
        };
        check("  f = torch.jit.fork(g, y)\n  y.add_(1)\n", Some("  torch.jit.wait(f)\n"));
        check("  f: T = torch.jit.fork(g, y)\n  if c:\n    z = y.add_(1)\n", Some("    torch.jit.wait(f)\n"));
        check("  f = torch.jit.fork(g, y)\n  h(1,\n    y.add_(1))\n", None);
        check("  f = torch.jit.fork(g, y)\n  if c: y.add_(1)\n", None);
        check("  f = torch.jit.fork(g, y)\n  z = 1 + \\\n  y.add_(1)\n", None);
        check("  f = torch.jit.fork(g, y)\n  f = h\n  y.add_(1)\n", None);
        check("  f, k = torch.jit.fork(g, y), 1\n  y.add_(1)\n", None);
        check("  f = torch.jit.fork(g, y), 1\n  y.add_(1)\n", None);
        check("  fs.append(torch.jit.fork(g, y))\n  y.add_(1)\n", None);
    }
}
