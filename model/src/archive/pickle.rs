//! What a pickle says, as an arena of nodes.
//!
//! Nodes refer to each other by number, so that what was one thing in the file stays one thing: an effect checker
//! lives on knowing that two attributes are the same tensor. However deep the file nests, reading and dropping it
//! does not recurse.

use std::sync::Arc;

use super::globals::Global;
use crate::error::Error;
use crate::tensor::DType;

/// What a pickle says, as a graph of nodes.
#[derive(Debug)]
pub struct Pickle {
    pub(super) nodes: Vec<Node>,
    /// Where in the file each node begins.
    pub(super) offsets: Vec<u32>,
    pub(super) root: NodeId,
}

/// A node of a pickle, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) u32);

/// A value as the pickle describes it.
#[derive(Debug, Clone)]
pub enum Node {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Str(Arc<str>),
    /// A name on the list.
    Global(Box<Global>),
    /// The memory behind tensors.
    Storage(Box<StorageId>),
    /// A tuple.
    Tuple(Box<[NodeId]>),
    /// A list.
    List(Vec<NodeId>),
    /// A dict: keys and values alternate.
    Dict(Vec<NodeId>),
    /// A function applied to arguments.
    Call(Box<Call>),
    /// An object of a class.
    Object(Box<ObjectNode>),
}

/// A function applied to arguments; what it means is up to the reader.
#[derive(Debug, Clone)]
pub struct Call {
    /// The function.
    pub function: Global,
    /// Its arguments: a tuple, or the bare value of an enum.
    pub arguments: NodeId,
    /// What was put into the result afterwards, as in [`Node::Dict`].
    pub entries: Vec<NodeId>,
}

/// An object of a class of the archive.
#[derive(Debug, Clone)]
pub struct ObjectNode {
    /// The qualified name of its class.
    pub class: Arc<str>,
    /// Its attributes as a dict, or whatever its `__getstate__` returned.
    pub state: Option<NodeId>,
}

/// The memory behind tensors, as a pickle names it.
#[derive(Debug, Clone)]
pub struct StorageId {
    /// The record that holds it, below the folder of its pickle.
    pub key: Arc<str>,
    /// The type of its elements; `None` if it is counted in bytes.
    pub dtype: Option<DType>,
    /// Its length in bytes.
    pub bytes: u64,
}

impl Pickle {
    /// Reads a whole pickle.
    pub fn read(bytes: &[u8]) -> Result<Pickle, Error> {
        super::machine::run(bytes)
    }

    /// What the pickle is of.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// The node `id`.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// Every node, in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (NodeId(index as u32), node))
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes; never so for a pickle that was read.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// An error about the node `id`.
    pub fn error(&self, id: NodeId, message: impl Into<String>) -> Error {
        Error::new(message).at_byte(self.offsets[id.0 as usize] as u64)
    }

    /// An error that the node `id` is not what was expected.
    pub fn unexpected(&self, id: NodeId, expected: &str) -> Error {
        self.error(id, format!("expected {expected}, found {}", self.node(id).describe()))
    }

    /// The integer that the node `id` is.
    pub fn int(&self, id: NodeId, what: &str) -> Result<i64, Error> {
        match self.node(id) {
            Node::Int(value) => Ok(*value),
            _ => Err(self.unexpected(id, what)),
        }
    }

    /// The text that the node `id` is.
    pub fn str(&self, id: NodeId, what: &str) -> Result<&Arc<str>, Error> {
        match self.node(id) {
            Node::Str(value) => Ok(value),
            _ => Err(self.unexpected(id, what)),
        }
    }

    /// The items of the tuple that the node `id` is.
    pub fn tuple(&self, id: NodeId, what: &str) -> Result<&[NodeId], Error> {
        match self.node(id) {
            Node::Tuple(items) => Ok(items),
            _ => Err(self.unexpected(id, what)),
        }
    }
}

impl NodeId {
    /// The number, for tables that run beside the nodes.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Node {
    /// What it is, for messages.
    pub fn describe(&self) -> String {
        match self {
            Node::None => "None".into(),
            Node::Bool(value) => format!("the bool {value}"),
            Node::Int(value) => format!("the int {value}"),
            Node::Float(value) => format!("the float {value}"),
            Node::Str(text) => format!("the text `{}`", text.chars().take(60).collect::<String>().escape_debug()),
            Node::Global(global) => format!("the name {global:?}"),
            Node::Storage(storage) => format!("the storage `{}`", storage.key.escape_debug()),
            Node::Tuple(items) => format!("a tuple of {}", items.len()),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Dict(entries) => format!("a dict of {}", entries.len() / 2),
            Node::Call(call) => format!("a call of {:?}", call.function),
            Node::Object(object) => format!("an object of `{}`", object.class),
        }
    }
}

/// Storages by their persistent ids.
impl Pickle {
    /// `('storage', class, key, device, count)`
    pub(super) fn storage_id(&self, id: NodeId) -> Result<StorageId, Error> {
        let &[tag, class, key, device, count] = self.tuple(id, "a tuple that names a storage")? else {
            return Err(self.unexpected(id, "a tuple of five that names a storage"));
        };
        if &**self.str(tag, "the word `storage`")? != "storage" {
            return Err(self.unexpected(tag, "the word `storage`"));
        }
        let Node::Global(class_name) = self.node(class) else {
            return Err(self.unexpected(class, "the class of a storage"));
        };
        let dtype = match **class_name {
            Global::Storage(dtype) => Some(dtype),
            Global::UntypedStorage => None,
            _ => return Err(self.unexpected(class, "the class of a storage")),
        };
        let key = self.str(key, "the key of a storage").and_then(|text| self.check_key(key, text))?;
        self.str(device, "the device of a storage")?;
        let elements = u64::try_from(self.int(count, "the length of a storage")?).ok();
        let bytes = elements.and_then(|elements| elements.checked_mul(dtype.map_or(1, DType::size) as u64));
        let bytes = bytes.filter(|&bytes| bytes <= i64::MAX as u64);
        Ok(StorageId { key, dtype, bytes: bytes.ok_or_else(|| self.unexpected(count, "the length of a storage"))? })
    }

    /// A key is the name of a record, never a path to another place.
    fn check_key(&self, id: NodeId, key: &Arc<str>) -> Result<Arc<str>, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if key.is_empty() || key.len() > 100 || !key.chars().all(plain) || key.starts_with('.') {
            return Err(self.unexpected(id, "the key of a storage, a plain name"));
        }
        Ok(key.clone())
    }
}
