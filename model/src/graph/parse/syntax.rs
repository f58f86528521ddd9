//! From text to tree.
//!
//! Line ends mean nothing but that a comment ends: a node begins where a value or a kind stands, and its blocks say where
//! they end. Attributes are taken as they are written, since what they mean depends on the node.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::DEPTH_LIMIT;
use super::tree::{Attribute, Binding, Block, Node, Place, Section, Use};
use crate::error::Error;
use crate::types::Type;

/// A text, read.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    pub(super) text: &'t str,
    /// The graph at the top, then all others, each with an owner.
    pub(super) sections: Vec<Section<'t>>,
    /// The fields of the types that are written `NamedTuple(a : Tensor, b : int)`, by that text.
    pub(super) named_tuples: NamedTuples,
}

/// Fields of NamedTuples by the text of their types.
pub(super) type NamedTuples = BTreeMap<Arc<str>, Vec<(Arc<str>, Type)>>;

/// The tree of a text.
pub(super) fn read(text: &str) -> Result<Tree<'_>, Error> {
    let mut cursor = Cursor { text, at: 0, named_tuples: NamedTuples::new() };
    cursor.skip();
    let mut sections = vec![cursor.section("", 0)?];
    while !cursor.at_end() {
        let at = cursor.at;
        cursor.expect("with")?;
        let owner = cursor.until("the node that owns the graph", |c| c.is_whitespace() || c == '=')?;
        cursor.expect("=")?;
        sections.push(cursor.section(owner, at)?);
    }
    let tree = Tree { text, sections, named_tuples: cursor.named_tuples };
    tree.link()?;
    Ok(tree)
}

impl<'t> Tree<'t> {
    pub(super) fn error(&self, at: usize, message: impl Into<String>) -> Error {
        error_at(self.text, at, message)
    }

    /// The types in the list that is an attribute.
    pub(super) fn types(&self, list: Attribute<'t>) -> Result<Vec<Type>, Error> {
        let text = &self.text[..list.at + list.value.len()];
        let mut cursor = Cursor { text, at: list.at, named_tuples: NamedTuples::new() };
        let types = cursor.several("[", "]", 0)?;
        if cursor.at_end() { Ok(types) } else { Err(cursor.expected("the end of the list")) }
    }

    /// Gives each section to its node. All that a graph owns follows it in order, each graph directly followed by what
    /// it owns itself.
    fn link(&self) -> Result<(), Error> {
        let mut next = 1;
        self.link_block(&self.sections[0].body, &mut next, 0)?;
        match self.sections.get(next) {
            None => Ok(()),
            Some(section) => {
                let message = format!("expected a graph that a node before it owns, found that of `{}`", section.owner);
                Err(self.error(section.at, message))
            }
        }
    }

    fn link_block(&self, block: &Block<'t>, next: &mut usize, depth: u32) -> Result<(), Error> {
        for node in &block.nodes {
            if let Some(section) = self.sections.get(*next)
                && section.owner == node.kind
            {
                if depth == DEPTH_LIMIT {
                    return Err(self.error(section.at, nested()));
                }
                node.section.set(*next);
                *next += 1;
                self.link_block(&section.body, next, depth + 1)?;
            }
            for block in &node.blocks {
                self.link_block(block, next, depth)?;
            }
        }
        Ok(())
    }
}

/// What is said of a text that is nested too deep.
pub(super) fn nested() -> String {
    format!("expected graphs and blocks nested at most {DEPTH_LIMIT} deep")
}

/// An error at the byte `at` of `text`.
pub(super) fn error_at(text: &str, at: usize, message: impl Into<String>) -> Error {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    Error::new(message).at_place(line as u32, column as u32)
}

/// A place in a text.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) named_tuples: NamedTuples,
}

impl<'t> Cursor<'t> {
    /// `graph(…):`, nodes, `return (…)`
    fn section(&mut self, owner: &'t str, at: usize) -> Result<Section<'t>, Error> {
        self.expect("graph")?;
        let params = self.bindings()?;
        self.expect(":")?;
        let nodes = self.nodes(0)?;
        self.expect("return")?;
        let returns = self.uses()?;
        Ok(Section { owner, at, body: Block { params, nodes, returns } })
    }

    /// Nodes up to what ends their block.
    fn nodes(&mut self, depth: u32) -> Result<Vec<Node<'t>>, Error> {
        let mut nodes = Vec::new();
        while !(self.at_end() || self.sees("->") || self.sees_word("return") || self.sees_word("with")) {
            nodes.push(self.node(depth)?);
        }
        Ok(nodes)
    }

    fn node(&mut self, depth: u32) -> Result<Node<'t>, Error> {
        let mut outputs = Vec::new();
        if self.sees("%") {
            outputs.push(self.binding()?);
            while self.eat(",") {
                outputs.push(self.binding()?);
            }
            self.expect("=")?;
        } else {
            // PyTorch prints the sign even if there is nothing before it, and reads a node without it.
            self.eat("=");
        }
        self.skip();
        let at = self.at;
        let kind = self.kind()?;
        let attributes = if self.rest().starts_with('[') { self.attributes()? } else { Vec::new() };
        let head = &self.text[at..self.at];
        let inputs = self.uses()?;
        let place = self.suffix();
        let blocks = self.blocks(depth)?;
        Ok(Node { outputs, kind, head, at, attributes, inputs, blocks, place, section: Cell::new(0) })
    }

    /// `aten::add`; `^scale(2)` of a Python function, whose scalars stand in a list of their own.
    fn kind(&mut self) -> Result<&'t str, Error> {
        let start = self.at;
        let kind = self.until("a node", |c| c.is_whitespace() || "([%=,)".contains(c))?;
        if kind.starts_with('^') {
            let mut end = self.at;
            while self.rest().starts_with('(') {
                end = self.at;
                self.balanced()?;
            }
            self.at = end;
        } else if !kind.contains([':', '.']) {
            return Err(error_at(self.text, start, format!("expected a node such as `aten::add`, found `{kind}`")));
        }
        Ok(&self.text[start..self.at])
    }

    /// `[name=value, …]`
    fn attributes(&mut self) -> Result<Vec<Attribute<'t>>, Error> {
        self.expect("[")?;
        let mut attributes = Vec::new();
        while !self.eat("]") {
            if !attributes.is_empty() {
                self.expect(",")?;
            }
            let name = self.until("an attribute", |c| !(c.is_alphanumeric() || c == '_'))?;
            self.expect("=")?;
            let at = self.at;
            self.value_text()?;
            attributes.push(Attribute { name, value: self.text[at..self.at].trim(), at });
        }
        Ok(attributes)
    }

    /// Goes to the `,` or `]` that ends a value.
    fn value_text(&mut self) -> Result<(), Error> {
        loop {
            match self.rest().chars().next() {
                None => return Err(self.expected("`]`")),
                Some(',' | ']') => return Ok(()),
                Some('(' | '[' | '{') => self.balanced()?,
                Some('"') => self.string().map(|_| ())?,
                Some(other) => self.at += other.len_utf8(),
            }
        }
    }

    /// Goes past brackets of any kind and all that is inside.
    pub(super) fn balanced(&mut self) -> Result<(), Error> {
        let start = self.at;
        let mut closing = Vec::new();
        let unclosed = "expected a bracket that is closed, found one that is not";
        loop {
            match self.rest().chars().next() {
                None => return Err(error_at(self.text, start, unclosed)),
                Some('(') => closing.push(')'),
                Some('[') => closing.push(']'),
                Some('{') => closing.push('}'),
                Some(close @ (')' | ']' | '}')) => {
                    if closing.pop() != Some(close) {
                        return Err(error_at(self.text, start, unclosed));
                    }
                }
                Some('"') => {
                    self.string()?;
                    continue;
                }
                Some(other) => {
                    self.at += other.len_utf8();
                    continue;
                }
            }
            self.at += 1;
            if closing.is_empty() {
                return Ok(());
            }
        }
    }

    /// A string in double quotes with C's escapes. Its bytes are taken for UTF-8.
    pub(super) fn string(&mut self) -> Result<String, Error> {
        let start = self.at;
        self.expect("\"")?;
        let mut bytes = Vec::new();
        let mut chars = self.rest().char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += at + 1;
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                '\\' => match chars.next() {
                    Some((_, digit @ '0'..='7')) => {
                        let mut code = digit as u32 - '0' as u32;
                        for _ in 0..2 {
                            let Some((_, digit)) = chars.next_if(|(_, c)| ('0'..='7').contains(c)) else { break };
                            code = code * 8 + (digit as u32 - '0' as u32);
                        }
                        bytes.push(code as u8);
                    }
                    Some((_, c)) => {
                        let c = match c {
                            'n' => '\n',
                            't' => '\t',
                            'r' => '\r',
                            'a' => '\x07',
                            'b' => '\x08',
                            'f' => '\x0c',
                            'v' => '\x0b',
                            other => other,
                        };
                        bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    }
                    None => break,
                },
                other => bytes.extend(other.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        Err(error_at(self.text, start, "expected a string that is closed, found one that is not"))
    }

    /// `, scope: a/b` and `# file:line:column`, up to the end of the line.
    fn suffix(&mut self) -> Option<Place<'t>> {
        let line = self.rest().split('\n').next().unwrap_or_default();
        let trimmed = line.trim_start();
        let comment = if trimmed.starts_with('#') {
            trimmed.strip_prefix('#')
        } else if trimmed.strip_prefix(',').is_some_and(|rest| rest.trim_start().starts_with("scope:")) {
            Some(trimmed.split_once(" # ").map_or("", |(_, comment)| comment))
        } else {
            None
        };
        let comment = comment?;
        self.at += line.len();
        // Where calls were inlined, the place inside of the callee comes last.
        place(comment.rsplit(" -> ").next().unwrap_or(comment).trim())
    }

    fn blocks(&mut self, depth: u32) -> Result<Vec<Block<'t>>, Error> {
        let mut blocks = Vec::new();
        while self.sees(&format!("block{}(", blocks.len())) {
            if depth == DEPTH_LIMIT {
                return Err(error_at(self.text, self.at, nested()));
            }
            self.at += format!("block{}", blocks.len()).len();
            let params = self.bindings()?;
            self.expect(":")?;
            let nodes = self.nodes(depth + 1)?;
            self.expect("->")?;
            let returns = self.uses()?;
            blocks.push(Block { params, nodes, returns });
        }
        Ok(blocks)
    }

    /// `(%x : Tensor, %y : int)`
    fn bindings(&mut self) -> Result<Vec<Binding<'t>>, Error> {
        self.list(Self::binding)
    }

    /// `%x : Tensor`; what has no type is a tensor.
    fn binding(&mut self) -> Result<Binding<'t>, Error> {
        let Use { name, at } = self.value()?;
        let ty = if self.eat(":") { self.ty()? } else { Type::Tensor };
        Ok(Binding { name, ty, at })
    }

    /// `(%x, %y)`
    fn uses(&mut self) -> Result<Vec<Use<'t>>, Error> {
        self.list(Self::value)
    }

    /// Items in parentheses, with commas between them.
    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.expect("(")?;
        let mut items = Vec::new();
        while !self.eat(")") {
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn value(&mut self) -> Result<Use<'t>, Error> {
        self.skip();
        let at = self.at;
        if !self.eat("%") {
            return Err(self.expected("a value such as `%x`"));
        }
        let name = self.until("the name of a value", |c| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
        Ok(Use { name, at })
    }

    /// Characters up to the first that `ends`, at least one.
    pub(super) fn until(&mut self, what: &str, ends: impl Fn(char) -> bool) -> Result<&'t str, Error> {
        self.skip();
        let rest = self.rest();
        let length = rest.find(ends).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.expected(what));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Past spaces, line ends and comments.
    pub(super) fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip();
        self.rest().is_empty()
    }

    pub(super) fn sees(&mut self, token: &str) -> bool {
        self.skip();
        self.rest().starts_with(token)
    }

    fn sees_word(&mut self, word: &str) -> bool {
        self.sees(word) && !self.rest()[word.len()..].starts_with(|c: char| c.is_alphanumeric() || "_.:".contains(c))
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let seen = self.sees(token);
        self.at += if seen { token.len() } else { 0 };
        seen
    }

    pub(super) fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.eat(token) { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    /// The error that something else stands here.
    pub(super) fn expected(&self, what: &str) -> Error {
        let found = self.rest().lines().next().unwrap_or_default();
        let found: String = found.chars().take(40).collect();
        let found = if self.rest().is_empty() { "the end".into() } else { format!("`{}`", found.escape_debug()) };
        error_at(self.text, self.at, format!("expected {what}, found {found}"))
    }
}

/// `net.py:7:4`; nothing if the file is not named.
fn place(text: &str) -> Option<Place<'_>> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    (!file.is_empty()).then_some(Place { file, line, column })
}
