//! A graph as a drawing, in the language of Graphviz: blocks and closures as clusters, forks as dashed edges.

use std::fmt::{self, Write};

use rustc_hash::FxHashMap;

use super::print::{Comments, Printer};
use super::{Block, Graph, Node, NodeKind, ValueId};
use crate::module::{Function, FunctionId};

/// The drawing of the function `id`, of the closures that it starts, and of what is said of them.
pub fn text_with(functions: &[Function], id: FunctionId, comments: &mut dyn Comments) -> String {
    let mut out = "digraph {\n  compound=true;\n  node [shape=box, fontname=monospace];\n".to_string();
    let mut sections = vec![("graph".to_string(), id)];
    let mut drawn = 0;
    while drawn < sections.len() {
        let (name, id) = sections[drawn].clone();
        let section = Section {
            number: drawn,
            first: sections.len(),
            id,
            graph: &functions[id.0 as usize].graph,
            printer: Printer::of(functions, id),
            comments,
            out: &mut out,
            edges: String::new(),
            made: FxHashMap::default(),
            clusters: 0,
        };
        sections.extend(section.draw(&name).expect("writing to a string does not fail"));
        drawn += 1;
    }
    out + "}\n"
}

/// A graph that is being drawn.
struct Section<'a> {
    /// Which of the drawing.
    number: usize,
    /// Which of the drawing the first closure is that it starts.
    first: usize,
    id: FunctionId,
    graph: &'a Graph,
    printer: Printer<'a>,
    comments: &'a mut dyn Comments,
    out: &'a mut String,
    edges: String,
    /// The box of what binds each value.
    made: FxHashMap<ValueId, String>,
    clusters: usize,
}

impl Section<'_> {
    /// Draws it; gives the closures that it starts.
    fn draw(mut self, name: &str) -> Result<Vec<(String, FunctionId)>, fmt::Error> {
        let body = &self.graph.body;
        let mut title = vec![name.to_string()];
        title.extend(self.comments.of_function(self.id));
        self.open(&format!("s{}", self.number), &title)?;
        let begin = format!("s{}_begin", self.number);
        self.printer.bindings(&body.params, "\n")?;
        let params = std::mem::take(&mut self.printer.out);
        self.place(&begin, &[params])?;
        body.params.iter().for_each(|&param| _ = self.made.insert(param, begin.clone()));
        self.block(body, &format!("s{}_end", self.number), "return ")?;
        self.out.push_str("  }\n");
        self.out.push_str(&self.edges);
        Ok(self.printer.closures)
    }

    fn block(&mut self, block: &Block, end: &str, word: &str) -> fmt::Result {
        for node in &block.nodes {
            self.node(node)?;
        }
        self.printer.uses(&block.returns);
        let returns = word.to_string() + &std::mem::take(&mut self.printer.out);
        self.place(end, &[returns])?;
        self.connect(&block.returns, end)
    }

    fn node(&mut self, node: &Node) -> fmt::Result {
        let this = format!("s{}_n{}", self.number, node.id);
        let extra = match node.kind {
            NodeKind::CallFunction(id) => Some(self.printer.short_name(id).to_string()),
            NodeKind::TupleIndex(index) => Some(index.to_string()),
            _ => None,
        };
        let started = self.printer.closures.len();
        self.printer.statement(node, extra)?;
        let mut label = vec![std::mem::take(&mut self.printer.out)];
        label.extend(self.comments.of_node(self.id, node));
        self.place(&this, &label)?;
        self.connect(&node.inputs, &this)?;
        if self.printer.closures.len() > started {
            let closure = self.first + started;
            writeln!(self.edges, "  {this} -> s{closure}_begin [style=dashed, lhead=cluster_s{closure}];")?;
        }
        for (i, block) in node.blocks.iter().enumerate() {
            self.clusters += 1;
            self.open(&format!("s{}_{}", self.number, self.clusters), &[format!("block{i} of {}", node.kind.name())])?;
            // A block gets its parameters from the node, and the node its results from the block.
            block.params.iter().for_each(|&param| _ = self.made.insert(param, this.clone()));
            let end = format!("{this}_b{i}");
            self.block(block, &end, "-> ")?;
            self.out.push_str("  }\n");
            writeln!(self.edges, "  {end} -> {this};")?;
        }
        node.outputs.iter().for_each(|&output| _ = self.made.insert(output, this.clone()));
        Ok(())
    }

    fn open(&mut self, name: &str, title: &[String]) -> fmt::Result {
        writeln!(self.out, "  subgraph cluster_{name} {{\n  label=\"{}\";", Label(title))
    }

    fn place(&mut self, name: &str, label: &[String]) -> fmt::Result {
        writeln!(self.out, "  {name} [label=\"{}\"];", Label(label))
    }

    fn connect(&mut self, values: &[ValueId], to: &str) -> fmt::Result {
        for value in values {
            let from = &self.made[value];
            writeln!(self.edges, "  {from} -> {to};")?;
        }
        Ok(())
    }
}

/// Lines in a box, to the left.
struct Label<'a>(&'a [String]);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.iter().flat_map(|text| text.split('\n')) {
            for c in line.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c.is_control() => write!(f, "\\{}", c.escape_debug())?,
                    c => f.write_char(c)?,
                }
            }
            f.write_str("\\l")?;
        }
        Ok(())
    }
}
