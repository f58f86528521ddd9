//! The tree of a text of graphs: what is written, not yet what it means.

use std::cell::Cell;

use crate::types::Type;

/// A graph: the one at the top, or what follows `with NAME =`.
#[derive(Debug)]
pub(super) struct Section<'t> {
    /// The node that owns it, as it is printed; empty at the top.
    pub(super) owner: &'t str,
    /// Where it begins.
    pub(super) at: usize,
    pub(super) body: Block<'t>,
}

/// A block: of a graph, or of a node.
#[derive(Debug)]
pub(super) struct Block<'t> {
    pub(super) params: Vec<Binding<'t>>,
    pub(super) nodes: Vec<Node<'t>>,
    pub(super) returns: Vec<Use<'t>>,
}

/// `%x.1 : Tensor`
#[derive(Debug)]
pub(super) struct Binding<'t> {
    /// Without `%`.
    pub(super) name: &'t str,
    pub(super) ty: Type,
    pub(super) at: usize,
}

/// `%x.1`
#[derive(Debug, Clone, Copy)]
pub(super) struct Use<'t> {
    /// Without `%`.
    pub(super) name: &'t str,
    pub(super) at: usize,
}

#[derive(Debug)]
pub(super) struct Node<'t> {
    pub(super) outputs: Vec<Binding<'t>>,
    /// `aten::add`, `prim::fork_0`, `^scale(2)`.
    pub(super) kind: &'t str,
    /// The kind and all attributes, as they are written.
    pub(super) head: &'t str,
    /// Where the kind stands.
    pub(super) at: usize,
    pub(super) attributes: Vec<Attribute<'t>>,
    pub(super) inputs: Vec<Use<'t>>,
    pub(super) blocks: Vec<Block<'t>>,
    pub(super) place: Option<Place<'t>>,
    /// The section that it owns, by number; 0 for none.
    pub(super) section: Cell<usize>,
}

/// `name=value`
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'t> {
    pub(super) name: &'t str,
    /// As it is written.
    pub(super) value: &'t str,
    /// Where the value begins.
    pub(super) at: usize,
}

/// `net.py:7:4`
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'t> {
    pub(super) file: &'t str,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl<'t> Node<'t> {
    pub(super) fn attribute(&self, name: &str) -> Option<Attribute<'t>> {
        self.attributes.iter().find(|attribute| attribute.name == name).copied()
    }
}
