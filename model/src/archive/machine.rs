//! The pickle machine: protocol 2, executing nothing.
//!
//! The opcodes move numbers of nodes between a stack and a memo. What a file can make the machine allocate is bounded
//! by its length, and what it may name by the list in [`globals`](super::globals).

use std::sync::Arc;

use super::globals::Global;
use super::pickle::{Call, Node, NodeId, ObjectNode, Pickle};
use crate::error::Error;

/// Reads a whole pickle.
pub(super) fn run(bytes: &[u8]) -> Result<Pickle, Error> {
    let mut machine = Machine {
        bytes,
        at: 0,
        start: 0,
        pickle: Pickle { nodes: Vec::new(), offsets: Vec::new(), root: NodeId(0) },
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
    };
    loop {
        machine.start = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Pickle { root, ..machine.pickle }),
            Err(error) => return Err(error.at_byte(machine.start as u64)),
        }
    }
}

/// More nodes than this are no model but an attempt to exhaust the reader.
const MOST_NODES: usize = 1 << 22;

/// The state of the machine that runs a pickle's opcodes.
struct Machine<'a> {
    bytes: &'a [u8],
    /// The next byte.
    at: usize,
    /// Where the opcode that is being run began.
    start: usize,
    pickle: Pickle,
    stack: Vec<NodeId>,
    /// Heights of the stack; what lies below the last is out of reach.
    marks: Vec<usize>,
    memo: Vec<Option<NodeId>>,
}

impl Machine<'_> {
    /// Runs one opcode; the root, if it was the last.
    fn step(&mut self) -> Result<Option<NodeId>, Error> {
        match self.take::<1>("an opcode")?[0] {
            b'.' => return self.stop().map(Some),
            0x80 => self.protocol()?,
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Node::None)?,
            0x88 => self.push(Node::Bool(true))?,
            0x89 => self.push(Node::Bool(false))?,
            b'J' => {
                let value = i32::from_le_bytes(self.take("an int")?);
                self.push(Node::Int(value.into()))?;
            }
            b'K' => {
                let value = self.take::<1>("an int")?[0];
                self.push(Node::Int(value.into()))?;
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take("an int")?);
                self.push(Node::Int(value.into()))?;
            }
            0x8a => {
                let length = self.take::<1>("a length")?[0].into();
                self.long(length)?;
            }
            0x8b => {
                let length = u32::from_le_bytes(self.take("a length")?) as usize;
                self.long(length)?;
            }
            b'G' => {
                let value = f64::from_be_bytes(self.take("a float")?);
                self.push(Node::Float(value))?;
            }
            b'X' | b'T' => {
                let length = u32::from_le_bytes(self.take("a length")?) as usize;
                self.text(length)?;
            }
            b'U' => {
                let length = self.take::<1>("a length")?[0].into();
                self.text(length)?;
            }
            b'q' => {
                let index = self.take::<1>("a place in the memo")?[0].into();
                self.put(index)?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.take("a place in the memo")?) as usize;
                self.put(index)?;
            }
            b'h' => {
                let index = self.take::<1>("a place in the memo")?[0].into();
                self.get(index)?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.take("a place in the memo")?) as usize;
                self.get(index)?;
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b')' => self.push(Node::Tuple(Box::default()))?,
            0x85 => self.short_tuple(1)?,
            0x86 => self.short_tuple(2)?,
            0x87 => self.short_tuple(3)?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items.into()))?;
            }
            b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Node::List(items))?;
            }
            b'd' => {
                let entries = self.pop_to_mark()?;
                self.push(Node::Dict(Vec::new()))?;
                self.set_items(entries)?;
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let entries = self.pop_to_mark()?;
                self.set_items(entries)?;
            }
            b'c' => self.global()?,
            b'R' => self.reduce()?,
            0x81 => self.new_object()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => return Err(Error::new(format!("expected an opcode of protocol 2, found {other:#04x}"))),
        }
        Ok(None)
    }

    fn stop(&mut self) -> Result<NodeId, Error> {
        let root = self.pop()?;
        let (left, after) = (self.stack.len() + self.marks.len(), self.bytes.len() - self.at);
        match (left, after) {
            (0, 0) => Ok(root),
            (0, _) => Err(Error::new(format!("expected the end of the record after the pickle, found {after} bytes"))),
            _ => Err(Error::new(format!("expected one value at the end of the pickle, found {left} more"))),
        }
    }

    fn protocol(&mut self) -> Result<(), Error> {
        match self.take::<1>("a protocol")?[0] {
            2 => Ok(()),
            other => Err(Error::new(format!("expected a pickle of protocol 2, found protocol {other}"))),
        }
    }

    fn take<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let bytes = self.take_slice(N, what)?;
        Ok(bytes.try_into().expect("as many as asked for"))
    }

    fn take_slice(&mut self, length: usize, what: &str) -> Result<&[u8], Error> {
        let end = self.at.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            let left = self.bytes.len() - self.at;
            Error::new(format!("the pickle ends too early: expected {what} of {length} bytes, {left} are left"))
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn take_line(&mut self) -> Result<String, Error> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|&byte| byte == b'\n');
        let length = length.ok_or_else(|| Error::new("the pickle ends in the middle of a name"))?;
        self.at += length + 1;
        match std::str::from_utf8(&rest[..length]) {
            Ok(line) if length <= 1000 => Ok(line.to_owned()),
            Ok(_) => Err(Error::new(format!("expected a name, found {length} characters"))),
            Err(_) => Err(Error::new("expected a name in UTF-8")),
        }
    }

    fn push(&mut self, node: Node) -> Result<(), Error> {
        if self.pickle.nodes.len() == MOST_NODES {
            return Err(Error::new(format!("expected at most {MOST_NODES} values in a pickle")));
        }
        let offset = u32::try_from(self.start).map_err(|_| Error::new("expected a pickle of less than 4 GiB"))?;
        self.stack.push(NodeId(self.pickle.nodes.len() as u32));
        self.pickle.nodes.push(node);
        self.pickle.offsets.push(offset);
        Ok(())
    }

    fn pop(&mut self) -> Result<NodeId, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Error::new("the opcode takes a value from the stack, but there is none"));
        }
        Ok(self.stack.pop().expect("just looked"))
    }

    fn top(&mut self) -> Result<NodeId, Error> {
        let top = self.pop()?;
        self.stack.push(top);
        Ok(top)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, Error> {
        let mark = self.marks.pop().ok_or_else(|| Error::new("the opcode goes back to a mark, but there is none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn put(&mut self, index: usize) -> Result<(), Error> {
        // Pickles number the memo from 0 upwards, so a great number is not worth the room.
        if index > self.bytes.len() {
            return Err(Error::new(format!("place {index} in the memo is beyond what a pickle of this length fills")));
        }
        let top = self.top()?;
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    fn get(&mut self, index: usize) -> Result<(), Error> {
        let found = self.memo.get(index).copied().flatten();
        self.stack.push(found.ok_or_else(|| Error::new(format!("place {index} of the memo was never written")))?);
        Ok(())
    }

    /// A little-endian integer in two's complement, of any length.
    fn long(&mut self, length: usize) -> Result<(), Error> {
        let bytes = self.take_slice(length, "an int")?;
        let sign = if bytes.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let mut low = [sign; 8];
        let used = length.min(8);
        low[..used].copy_from_slice(&bytes[..used]);
        let fits = bytes[used..].iter().all(|&byte| byte == sign) && (low[7] >= 0x80) == (sign == 0xff);
        if !fits {
            return Err(Error::new(format!("expected an int of 64 bits, found one of {length} bytes")));
        }
        self.push(Node::Int(i64::from_le_bytes(low)))
    }

    fn text(&mut self, length: usize) -> Result<(), Error> {
        let text: Arc<str> = match std::str::from_utf8(self.take_slice(length, "text")?) {
            Ok(text) => text.into(),
            Err(error) => return Err(Error::new(format!("expected text in UTF-8, found {error}"))),
        };
        self.push(Node::Str(text))
    }

    fn short_tuple(&mut self, length: usize) -> Result<(), Error> {
        let mut items = vec![NodeId(0); length];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Node::Tuple(items.into()))
    }

    fn append(&mut self, items: Vec<NodeId>) -> Result<(), Error> {
        let top = self.top()?;
        match &mut self.pickle.nodes[top.index()] {
            Node::List(list) if list.is_empty() => *list = items,
            Node::List(list) => list.extend(items),
            other => return Err(Error::new(format!("expected a list to append to, found {}", other.describe()))),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<NodeId>) -> Result<(), Error> {
        if !items.len().is_multiple_of(2) {
            return Err(Error::new(format!("expected keys and values by turns, found {} of them", items.len())));
        }
        let top = self.top()?;
        let entries = match &mut self.pickle.nodes[top.index()] {
            Node::Dict(entries) => entries,
            Node::Call(call) if call.function == Global::OrderedDict => &mut call.entries,
            other => return Err(Error::new(format!("expected a dict to fill, found {}", other.describe()))),
        };
        if entries.is_empty() {
            *entries = items
        } else {
            entries.extend(items)
        }
        Ok(())
    }

    fn global(&mut self) -> Result<(), Error> {
        let (module, name) = (self.take_line()?, self.take_line()?);
        self.push(Node::Global(Box::new(Global::find(&module, &name)?)))
    }

    fn reduce(&mut self) -> Result<(), Error> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let Node::Global(global) = self.pickle.node(function) else {
            return Err(Error::new(format!("expected a function, found {}", self.pickle.node(function).describe())));
        };
        let call = Call { function: (**global).clone(), arguments, entries: Vec::new() };
        self.push(Node::Call(Box::new(call)))
    }

    fn new_object(&mut self) -> Result<(), Error> {
        let (arguments, class) = (self.pop()?, self.pop()?);
        let global = match self.pickle.node(class) {
            Node::Global(global) => &**global,
            other => return Err(Error::new(format!("expected a class, found {}", other.describe()))),
        };
        let Global::Class(class) = global else {
            return Err(Error::new(format!("expected a class of the archive, found {global:?}")));
        };
        match self.pickle.node(arguments) {
            Node::Tuple(items) if items.is_empty() => {}
            other => {
                return Err(Error::new(format!(
                    "expected an empty tuple to make an object, found {}",
                    other.describe()
                )));
            }
        }
        let object = ObjectNode { class: class.clone(), state: None };
        self.push(Node::Object(Box::new(object)))
    }

    fn build(&mut self) -> Result<(), Error> {
        let (state, target) = (self.pop()?, self.top()?);
        match &mut self.pickle.nodes[target.index()] {
            Node::Object(object) if object.state.is_none() => object.state = Some(state),
            Node::Object(_) => return Err(Error::new("the object has its state already")),
            // The attributes of a dict (`_metadata` of a state dict) have no meaning here.
            Node::Call(call) if call.function == Global::OrderedDict => {}
            other => return Err(Error::new(format!("expected an object, found {}", other.describe()))),
        }
        Ok(())
    }

    /// A storage: `('storage', class, key, device, count)`.
    fn persistent(&mut self) -> Result<(), Error> {
        let id = self.pop()?;
        let storage = self.pickle.storage_id(id)?;
        self.push(Node::Storage(Box::new(storage)))
    }
}
