//! Debug records: from offsets in a code file to stretches of the user's own source.
//!
//! A record is a pickle in one of three formats: rows with their texts, rows with a tag before the text, and (today)
//! rows that build their texts of lines in a table that all rows of the record share.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::pickle::{Call, Node, NodeId, Pickle};
use crate::error::Error;
use crate::graph::{Source, Span};

/// The source ranges of one code file.
#[derive(Debug, Default)]
pub struct Table {
    /// Offsets in the code file where each range begins to hold, ascending.
    rows: Vec<(u32, Option<Span>)>,
}

impl Table {
    /// Reads the record of a code file.
    pub fn read(bytes: &[u8]) -> Result<Table, Error> {
        let pickle = Pickle::read(bytes)?;
        // Lines are shared between texts, so the texts are longer than the record; but not beyond all measure.
        let mut reader =
            Reader { pickle: &pickle, sources: FxHashMap::default(), by_node: FxHashMap::default(), budget: 0 };
        reader.budget = (4 << 20) + 64 * bytes.len();
        let mut rows = reader.rows()?;
        rows.sort_by_key(|row| row.0);
        Ok(Table { rows })
    }

    /// Where the user wrote what stands at `offset` of the code file: the last row that begins at or before it.
    pub fn lookup(&self, offset: usize) -> Option<&Span> {
        let after = self.rows.partition_point(|row| row.0 as usize <= offset);
        self.rows.get(after.checked_sub(1)?)?.1.as_ref()
    }

    /// Every row: where it begins to hold in the code file, and the stretch of source, if it has one.
    pub fn rows(&self) -> impl Iterator<Item = (u32, Option<&Span>)> {
        self.rows.iter().map(|(offset, span)| (*offset, span.as_ref()))
    }
}

struct Reader<'a> {
    pickle: &'a Pickle,
    /// One source for each distinct text; no source for an empty one.
    sources: FxHashMap<SourceKey, Option<Arc<Source>>>,
    /// The same by the node that describes it, which the rows mostly share.
    by_node: FxHashMap<NodeId, Option<Arc<Source>>>,
    /// How many bytes the texts may still take.
    budget: usize,
}

/// What makes two sources the same: text (in pieces), file, first line. The map is never iterated.
#[derive(PartialEq, Eq, Hash)]
struct SourceKey {
    pieces: Vec<i64>,
    /// The whole text, in the formats that have no table.
    text: Option<Arc<str>>,
    file: Option<Arc<str>>,
    first_line: u32,
}

impl<'a> Reader<'a> {
    fn rows(&mut self) -> Result<Vec<(u32, Option<Span>)>, Error> {
        let pickle = self.pickle;
        let items = pickle.tuple(pickle.root(), "a tuple of source ranges")?;
        match items {
            &[format, texts, rows] if matches!(pickle.node(format), Node::Str(_)) => {
                if &**pickle.str(format, "the format")? != "FORMAT_WITH_STRING_TABLE" {
                    return Err(pickle.unexpected(format, "FORMAT_WITH_STRING_TABLE"));
                }
                let texts = pickle.tuple(texts, "a tuple of texts")?;
                let rows = pickle.tuple(rows, "a tuple of rows")?;
                rows.iter().map(|&row| self.row(row, Some(texts))).collect()
            }
            rows => rows.iter().map(|&row| self.row(row, None)).collect(),
        }
    }

    /// `(offset, range, tag)`, `(offset, tag, range)` or `(offset, range)`.
    fn row(&mut self, id: NodeId, texts: Option<&'a [NodeId]>) -> Result<(u32, Option<Span>), Error> {
        let pickle = self.pickle;
        let (offset, range) = match *pickle.tuple(id, "a row of a debug table")? {
            [offset, range] => (offset, range),
            [offset, range, _tag] if matches!(pickle.node(range), Node::Tuple(_)) => (offset, range),
            [offset, _tag, range] => (offset, range),
            _ => return Err(pickle.unexpected(id, "a row of a debug table")),
        };
        let &[source, start, end] = pickle.tuple(range, "a source range")? else {
            return Err(pickle.unexpected(range, "a source range of three"));
        };
        let (offset, start, end) = (self.position(offset)?, self.position(start)?, self.position(end)?);
        let source = match self.by_node.get(&source) {
            Some(known) => known.clone(),
            None => {
                let found = self.source(source, texts)?;
                self.by_node.insert(source, found.clone());
                found
            }
        };
        Ok((offset, source.map(|source| Span::new(source, start as usize, end as usize))))
    }

    fn position(&self, id: NodeId) -> Result<u32, Error> {
        let value = self.pickle.int(id, "a position")?;
        u32::try_from(value).map_err(|_| self.pickle.unexpected(id, "a position"))
    }

    /// `(text ids, file id, first line)` with a table, else `(text, file, first line)`.
    fn source(&mut self, id: NodeId, texts: Option<&'a [NodeId]>) -> Result<Option<Arc<Source>>, Error> {
        let pickle = self.pickle;
        let &[text, file, first_line] = pickle.tuple(id, "a text with its file and line")? else {
            return Err(pickle.unexpected(id, "a text with its file and line"));
        };
        let first_line = self.position(first_line)?;
        let key = match texts {
            Some(texts) => {
                let file = Some(self.text_at(file, texts)?.clone());
                let pieces = self.int_list(text)?.iter().map(|&piece| pickle.int(piece, "the number of a text"));
                SourceKey { pieces: pieces.collect::<Result<_, _>>()?, text: None, file, first_line }
            }
            None => {
                let file = match pickle.node(file) {
                    Node::None => None,
                    _ => Some(pickle.str(file, "the name of a file")?.clone()),
                };
                SourceKey {
                    pieces: Vec::new(),
                    text: Some(pickle.str(text, "a source text")?.clone()),
                    file,
                    first_line,
                }
            }
        };
        if let Some(known) = self.sources.get(&key) {
            return Ok(known.clone());
        }
        let whole = match (&key.text, texts) {
            (None, Some(texts)) => self.join(text, texts)?,
            (text, _) => self.charge(id, text.as_deref().unwrap_or_default())?.to_owned(),
        };
        let file = key.file.as_deref().filter(|file| !file.is_empty()).unwrap_or("<unknown>").to_owned();
        let source = match Source::of_trace(&whole) {
            Some(traced) => Some(Arc::new(traced)),
            None => {
                let source = Source {
                    file,
                    text: whole,
                    first_line,
                    first_column: 0,
                    trace: String::new(),
                    lines: Default::default(),
                };
                (!source.text.is_empty()).then(|| Arc::new(source))
            }
        };
        self.sources.insert(key, source.clone());
        Ok(source)
    }

    fn join(&mut self, list: NodeId, texts: &[NodeId]) -> Result<String, Error> {
        let mut whole = String::new();
        for &piece in self.int_list(list)? {
            let piece = self.text_at(piece, texts)?;
            let piece = self.charge(list, piece)?;
            whole.push_str(piece);
        }
        Ok(whole)
    }

    fn charge<'t>(&mut self, id: NodeId, text: &'t str) -> Result<&'t str, Error> {
        let left = self.budget.checked_sub(text.len());
        self.budget =
            left.ok_or_else(|| self.pickle.error(id, "the source texts are much longer than their record"))?;
        Ok(text)
    }

    /// The text that the number `id` stands for.
    fn text_at(&self, id: NodeId, texts: &[NodeId]) -> Result<&'a Arc<str>, Error> {
        let index = self.pickle.int(id, "the number of a text")?;
        let text = usize::try_from(index).ok().and_then(|index| texts.get(index));
        let text = text.ok_or_else(|| {
            self.pickle.error(id, format!("expected the number of one of {} texts, found {index}", texts.len()))
        })?;
        self.pickle.str(*text, "a text")
    }

    /// The items of a list of ints, tagged as one or bare.
    fn int_list(&self, id: NodeId) -> Result<&'a [NodeId], Error> {
        match self.pickle.node(id) {
            Node::List(items) => Ok(items),
            Node::Call(call) => self.inside(call),
            _ => Err(self.pickle.unexpected(id, "a list of ints")),
        }
    }

    fn inside(&self, call: &Call) -> Result<&'a [NodeId], Error> {
        match *self.pickle.tuple(call.arguments, "a list of ints")? {
            [list] => match self.pickle.node(list) {
                Node::List(items) => Ok(items),
                _ => Err(self.pickle.unexpected(list, "a list of ints")),
            },
            _ => Err(self.pickle.unexpected(call.arguments, "a list of ints")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A value of a debug record, to be pickled.
    enum Item {
        Int(u8),
        Text(&'static str),
        None,
        Tuple(Vec<Item>),
        List(Vec<Item>),
    }
    use Item::{Int, List, Text, Tuple};

    fn pickle(item: &Item, out: &mut Vec<u8>) {
        match item {
            Int(value) => out.extend([b'K', *value]),
            Text(text) => {
                out.push(b'X');
                out.extend((text.len() as u32).to_le_bytes());
                out.extend(text.bytes());
            }
            Item::None => out.push(b'N'),
            Tuple(items) | List(items) => {
                out.push(b'(');
                items.iter().for_each(|item| pickle(item, out));
                out.push(if matches!(item, List(_)) { b'l' } else { b't' });
            }
        }
    }

    fn read(record: Item) -> Result<Table, Error> {
        let mut bytes = vec![0x80, 2];
        pickle(&record, &mut bytes);
        bytes.push(b'.');
        Table::read(&bytes)
    }

    /// The record's rows, each as offset, place and words.
    fn check(record: Item, expected: &[&str]) {
        let table = read(record).unwrap();
        let show = |(offset, span): (u32, Option<&Span>)| match span {
            Some(span) => format!("{offset} {span} {}", span.text()),
            None => format!("{offset} nowhere"),
        };
        assert_eq!(table.rows().map(show).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn all_three_formats_say_the_same() {
        let expected = ["0 nowhere", "4 m.py:8:2 x + y", "9 m.py:7:4 f"];
        let range = |start, end| {
            Tuple(vec![Tuple(vec![Text("def f():\n  x + y"), Text("m.py"), Int(7)]), Int(start), Int(end)])
        };
        let none = || Tuple(vec![Tuple(vec![Text(""), Item::None, Int(0)]), Int(0), Int(0)]);
        let oldest = [(9, range(4, 5)), (0, none()), (4, range(11, 16))];
        check(Tuple(oldest.into_iter().map(|(at, range)| Tuple(vec![Int(at), range])).collect()), &expected);
        let older = [(9, range(4, 5)), (0, none()), (4, range(11, 16))];
        check(Tuple(older.into_iter().map(|(at, range)| Tuple(vec![Int(at), Int(1), range])).collect()), &expected);
        let texts = ["", "def f():\n", "  x + y", "m.py"];
        let row = |at, ids: &[u8], file, start, end| {
            let text = List(ids.iter().map(|&id| Int(id)).collect());
            Tuple(vec![Int(at), Tuple(vec![Tuple(vec![text, Int(file), Int(7)]), Int(start), Int(end)]), Int(0)])
        };
        let rows = vec![row(0, &[0], 0, 0, 0), row(4, &[1, 2], 3, 11, 16), row(9, &[1, 2], 3, 4, 5)];
        let table = Tuple(texts.map(Text).into());
        check(Tuple(vec![Text("FORMAT_WITH_STRING_TABLE"), table, Tuple(rows)]), &expected);
    }

    #[test]
    fn the_last_row_before_an_offset_holds() {
        let range = |start, end| Tuple(vec![Tuple(vec![Text("abcdef"), Text("m.py"), Int(1)]), Int(start), Int(end)]);
        let row = |at, start| Tuple(vec![Int(at), range(start, start + 1)]);
        let table = read(Tuple(vec![row(3, 0), row(5, 1), row(8, 2)])).unwrap();
        let found = |offset| table.lookup(offset).map(|span| span.text().to_owned());
        assert_eq!(
            [2, 3, 4, 5, 7, 8, 99].map(found),
            [None, Some("a"), Some("a"), Some("b"), Some("b"), Some("c"), Some("c")]
                .map(|text| text.map(str::to_owned))
        );
    }

    #[test]
    fn records_that_lie_are_refused() {
        let refused = |record: Item| read(record).unwrap_err().to_string();
        assert!(
            refused(Tuple(vec![Text("NEW"), Tuple(vec![]), Tuple(vec![])]))
                .contains("expected FORMAT_WITH_STRING_TABLE")
        );
        // Two hundred distinct texts, each a long line a hundred times over.
        let long: &'static str = "0123456789abcdef".repeat(4096).leak();
        let text =
            |i: usize| List((0..100).map(|_| Int(0)).chain([Int((i / 250) as u8), Int((i % 250) as u8)]).collect());
        let source = |i| Tuple(vec![text(i), Int(0), Int(1)]);
        let rows = (0..200).map(|i| Tuple(vec![Int(0), Tuple(vec![source(i), Int(0), Int(0)]), Int(0)])).collect();
        let texts = Tuple(std::iter::once(Text(long)).chain((0..250).map(|_| Text("."))).collect());
        let words = refused(Tuple(vec![Text("FORMAT_WITH_STRING_TABLE"), texts, Tuple(rows)]));
        assert!(words.ends_with("the source texts are much longer than their record"), "{words}");
        let source = Tuple(vec![List(vec![Int(3)]), Int(0), Int(1)]);
        let row = Tuple(vec![Int(0), Tuple(vec![source, Int(0), Int(0)]), Int(0)]);
        let words = refused(Tuple(vec![Text("FORMAT_WITH_STRING_TABLE"), Tuple(vec![Text("")]), Tuple(vec![row])]));
        assert!(words.ends_with("expected the number of one of 1 texts, found 3"), "{words}");
    }
}
