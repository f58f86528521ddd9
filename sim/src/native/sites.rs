//! Places in the user's Rust source: numbered in the order in which they are first met, and named so that they last.

use std::borrow::Cow;
use std::panic::Location as Caller;
use std::sync::Arc;

use forkcheck_model::graph::{Source, Span};
use forkcheck_scheduler::schedule::site_hash;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::execution::Site;

/// Reads a source file by the name that the compiler recorded; `None` if it is not there. Given from the edge.
pub(super) type ReadSource = fn(&str) -> Option<String>;

/// What is known of a place.
#[derive(Debug)]
struct Place {
    file: Cow<'static, str>,
    /// From 1.
    line: u32,
    /// From 1.
    column: u32,
    operator: &'static str,
}

/// All places that were met.
#[derive(Debug, Default)]
pub(super) struct Sites {
    places: Vec<Place>,
    /// By file, line, column and operator; only looked up.
    numbers: FxHashMap<(Cow<'static, str>, u32, u32, &'static str), Site>,
    /// The same for places of which the compiler keeps one record, by its address: the address never leaves this table.
    records: FxHashMap<(usize, &'static str), Site>,
    /// By name: the text, if there is one.
    sources: FxHashMap<String, Option<Arc<Source>>>,
    /// Only looked up.
    anchors: FxHashMap<Site, u64>,
    read: Option<ReadSource>,
}

impl Sites {
    /// Places whose source can be read so.
    pub(super) fn reading(read: ReadSource) -> Self {
        Self { read: Some(read), ..Self::default() }
    }

    /// The number of a caller's place.
    pub(super) fn number(&mut self, at: &'static Caller<'static>, operator: &'static str) -> Site {
        let record = (std::ptr::from_ref(at).addr(), operator);
        if let Some(&site) = self.records.get(&record) {
            return site;
        }
        let site = self.number_at(at.file().into(), at.line(), at.column(), operator);
        self.records.insert(record, site);
        site
    }

    /// The number of a place.
    pub(super) fn number_at(
        &mut self,
        file: Cow<'static, str>,
        line: u32,
        column: u32,
        operator: &'static str,
    ) -> Site {
        let next = Site(self.places.len() as u32);
        let site = *self.numbers.entry((file.clone(), line, column, operator)).or_insert(next);
        if site == next {
            self.places.push(Place { file, line, column, operator });
        }
        site
    }

    /// What is executed at a place.
    pub(super) fn operator(&self, site: Site) -> &'static str {
        if site == Site::LOOK { "return" } else { self.places[site.0 as usize].operator }
    }

    /// The file, line and column of a place.
    pub(super) fn place(&self, site: Site) -> Option<(String, u32, u32)> {
        let place = self.places.get(site.0 as usize)?;
        Some((place.file.to_string(), place.line, place.column))
    }

    /// Where the user wrote it: the words themselves where the source can be read, else the line alone.
    pub(super) fn span(&mut self, site: Site) -> Option<Span> {
        let place = self.places.get(site.0 as usize)?;
        let (file, line, column) = (place.file.to_string(), place.line, place.column);
        let bare = || {
            let source = Source {
                file: file.clone(),
                text: String::new(),
                first_line: line,
                first_column: 0,
                trace: String::new(),
                lines: Default::default(),
            };
            Span::new(Arc::new(source), 0, 0)
        };
        let Some(source) = self.source(&file) else { return Some(bare()) };
        let Some(start) = offset(&source.text, line, column) else { return Some(bare()) };
        let end = start + words(&source.text[start..]);
        Some(Span::new(source, start, end))
    }

    /// The innermost function around a place, by the nearest `fn` above it.
    pub(super) fn function(&mut self, site: Site) -> Option<String> {
        let place = self.places.get(site.0 as usize)?;
        let (file, line) = (place.file.clone(), place.line as usize);
        let source = self.source(&file)?;
        let above: Vec<&str> = source.text.lines().take(line).collect();
        above.into_iter().rev().find_map(function_name)
    }

    /// What a user calls a thing: the variable that it was made for, if it is the writer's own or a global and the source says.
    pub(super) fn named(&mut self, raw: &str) -> String {
        let mut variable = || {
            let (what, place) = raw.split_once(" made at ")?;
            let (file, line) = place.rsplit_once(':')?;
            let text = self.line_text(file, line.parse().ok()?)?;
            match what {
                "global" => static_name(&text).map(|name| format!("global {name}")),
                "tensor" | "attribute" => variable_name(&text).map(|name| format!("local {name}")),
                _ => None,
            }
        };
        variable().unwrap_or_else(|| raw.to_string())
    }

    /// The line of the user's source at a place.
    pub(super) fn line_text(&mut self, file: &str, line: u32) -> Option<String> {
        let source = self.source(file)?;
        source.text.lines().nth(line as usize - 1).map(str::to_string)
    }

    /// A name that outlasts edits elsewhere: a hash of the file, what is executed, the user's line, the column in it, and
    /// how many lines of the same words stand before it. Without the source it is the number of the line.
    pub(super) fn anchor(&mut self, site: Site) -> u64 {
        if let Some(&anchor) = self.anchors.get(&site) {
            return anchor;
        }
        let anchor = self.find_anchor(site);
        self.anchors.insert(site, anchor);
        anchor
    }

    fn find_anchor(&mut self, site: Site) -> u64 {
        let Some(place) = self.places.get(site.0 as usize) else { return site_hash(xxh3_64(b"look")) };
        let (file, line, column, operator) = (place.file.clone(), place.line, place.column, place.operator);
        let words = match self.source(&file) {
            Some(source) => {
                let lines: Vec<&str> = source.text.lines().collect();
                let own = lines.get(line as usize - 1).copied().unwrap_or_default();
                let nth =
                    lines[..(line as usize - 1).min(lines.len())].iter().filter(|l| l.trim() == own.trim()).count();
                let indent = own.len() - own.trim_start().len();
                format!("{}\n{}\n{nth}", own.trim(), column as usize - indent.min(column as usize))
            }
            None => format!("{line}:{column}"),
        };
        site_hash(xxh3_64(format!("{file}\n{operator}\n{words}").as_bytes()))
    }

    fn source(&mut self, file: &str) -> Option<Arc<Source>> {
        if !self.sources.contains_key(file) {
            let text = self.read.and_then(|read| read(file));
            let source = text.map(|text| {
                Arc::new(Source {
                    file: file.to_string(),
                    text,
                    first_line: 1,
                    first_column: 0,
                    trace: String::new(),
                    lines: Default::default(),
                })
            });
            self.sources.insert(file.to_string(), source);
        }
        self.sources[file].clone()
    }
}

/// The byte at a line and column, both from 1; columns count characters.
fn offset(text: &str, line: u32, column: u32) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line as usize - 1).map(str::len).sum();
    let rest = text.get(start..)?.lines().next()?;
    let column = rest.char_indices().nth(column as usize - 1).map(|(at, _)| at)?;
    Some(start + column)
}

/// How long the expression at the start of a text is, as far as that can be told from its words: a name or path, then
/// what stands in parentheses; of an expression with an operator, the line up to its end.
fn words(text: &str) -> usize {
    let name = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':' | '!'))).unwrap_or(text.len());
    let rest = &text[name..];
    if name > 0 && rest.starts_with('(') {
        let mut depth = 0usize;
        for (at, c) in rest.char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                '\n' => return name + at,
                _ => {}
            }
            if depth == 0 {
                return name + at + 1;
            }
        }
    }
    let line = text.lines().next().unwrap_or_default();
    line.trim_end().trim_end_matches([';', ',']).len().max(1)
}

/// The variable that a line binds: `let mut x = …`.
fn variable_name(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("let ")?.trim_start();
    name_of(rest.strip_prefix("mut ").unwrap_or(rest).trim_start())
}

/// The name that a line gives to a static: `pub static HITS: …`.
fn static_name(line: &str) -> Option<&str> {
    name_of(line.split_once("static ")?.1.trim_start())
}

fn name_of(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// How many checks a function begins before the one at this place of its source.
pub(super) fn checks_before(text: &str, line: u32, column: u32) -> usize {
    let lines: Vec<&str> = text.lines().take(line as usize).collect();
    let Some((last, before)) = lines.split_last() else { return 0 };
    let own: String = last.chars().take(column.saturating_sub(1) as usize).collect();
    let calls =
        |text: &str| ["check(", ".run(", "check_on("].iter().map(|call| text.matches(call).count()).sum::<usize>();
    if function_name(last).is_some() {
        return calls(&own);
    }
    before.iter().rev().take_while(|line| function_name(line).is_none()).map(|line| calls(line)).sum::<usize>()
        + calls(&own)
}

/// The name of the function that begins on a line.
fn function_name(line: &str) -> Option<String> {
    let (before, after) = line.split_once("fn ")?;
    let starts = before
        .split_whitespace()
        .all(|word| matches!(word, "pub" | "async" | "const" | "unsafe" | "extern") || word.starts_with("pub("));
    let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (starts && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn outer() {\n    let f = fork(|| x.add_(1.0), ());\n    wait(&f) + wait(&g);\n}\n";

    fn read(_: &str) -> Option<String> {
        Some(TEXT.to_string())
    }

    #[test]
    fn a_place_is_shown_by_its_words() {
        let mut sites = Sites::reading(read);
        for (line, column, words) in
            [(2, 13, "fork(|| x.add_(1.0), ())"), (2, 23, "add_(1.0)"), (3, 5, "wait(&f)"), (3, 16, "wait(&g)")]
        {
            let site = sites.number_at("a.rs".into(), line, column, "it");
            assert_eq!(sites.span(site).unwrap().text(), words);
            assert_eq!(sites.function(site).as_deref(), Some("outer"));
            assert_eq!(sites.number_at("a.rs".into(), line, column, "it"), site);
        }
        assert_eq!(sites.places.len(), 4);
    }

    #[test]
    fn an_anchor_outlasts_edits_elsewhere() {
        let anchor = |text: fn(&str) -> Option<String>, line, column| {
            let mut sites = Sites::reading(text);
            let site = sites.number_at("a.rs".into(), line, column, "wait");
            sites.anchor(site)
        };
        let moved: fn(&str) -> Option<String> =
            |_| Some(format!("// A comment.\n\n{TEXT}").replace("    wait", "        wait"));
        assert_eq!(anchor(read, 3, 5), anchor(moved, 5, 9));
        assert_ne!(anchor(read, 3, 5), anchor(read, 3, 16));
        assert_ne!(anchor(read, 3, 5), anchor(|_| None, 3, 5));
    }

    #[test]
    fn checks_of_one_function_are_counted() {
        let text = "fn other() {\n    check(a);\n}\n\n#[test]\nfn two() {\n    check(|| one());\n    Checker::new().run(b); check(c);\n}\n";
        for (line, column, expected) in [(2, 5, 0), (7, 5, 0), (8, 20, 1), (8, 28, 2)] {
            assert_eq!(super::checks_before(text, line, column), expected, "{line}:{column}");
        }
        assert_eq!(super::checks_before("fn f() { check(a); check(b); }", 1, 20), 1);
        assert_eq!(super::checks_before("", 3, 1), 0);
    }
}
