//! The text of a graph, in the form PyTorch prints.
//!
//! Names are those of the code with a number that makes them unique. PyTorch gives some things to nodes as inputs
//! that are part of the node here (the function that is called, the index into a tuple); their constants are
//! written before the node that uses them.

use std::fmt::{self, Display, Formatter, Write};

use rustc_hash::FxHashMap;

use super::{Block, Node, NodeKind, ValueId};
use crate::module::{Function, FunctionId};
use crate::types::Type;
use crate::value::Value;

/// What is said of a graph between its lines.
pub trait Comments {
    /// Said of a node of a function, above it.
    fn of_node(&mut self, _function: FunctionId, _node: &Node) -> Option<String> {
        None
    }

    /// Said of a function, below its graph: lines.
    fn of_function(&mut self, _function: FunctionId) -> Vec<String> {
        Vec::new()
    }
}

/// Nothing is said.
impl Comments for () {}

/// The text of the function `id`, the closures that it starts included.
pub fn text(functions: &[Function], id: FunctionId) -> String {
    text_with(functions, id, &mut ())
}

/// The same with comments, each in a line of its own behind a `#`. Without these lines it is the text.
pub fn text_with(functions: &[Function], id: FunctionId, comments: &mut dyn Comments) -> String {
    let mut text = String::new();
    section(&mut text, functions, id, "", comments).expect("writing to a string does not fail");
    text
}

/// A graph, headed by `head`, and after it the closures that it starts.
fn section(
    out: &mut String,
    functions: &[Function],
    id: FunctionId,
    head: &str,
    comments: &mut dyn Comments,
) -> fmt::Result {
    let mut printer = Printer::of(functions, id);
    printer.graph(head, comments)?;
    out.push_str(&printer.out);
    let closures = printer.closures;
    for (name, id) in closures {
        section(out, functions, id, &format!("with {name} = "), comments)?;
    }
    Ok(())
}

/// What prints one graph.
pub(super) struct Printer<'a> {
    functions: &'a [Function],
    id: FunctionId,
    function: &'a Function,
    /// What was printed.
    pub(super) out: String,
    /// By value.
    names: Vec<String>,
    /// The next number of a value without name.
    next: u32,
    /// What is started, as it is printed; forks and awaitables are counted together.
    pub(super) closures: Vec<(String, FunctionId)>,
}

impl<'a> Printer<'a> {
    /// Begins with a function.
    pub(super) fn of(functions: &'a [Function], id: FunctionId) -> Self {
        let function = &functions[id.0 as usize];
        let mut printer =
            Printer { functions, id, function, out: String::new(), names: Vec::new(), next: 0, closures: Vec::new() };
        printer.name_values();
        printer
    }

    fn name_values(&mut self) {
        let mut used: FxHashMap<&str, u32> = FxHashMap::default();
        for value in &self.function.graph.values {
            self.names.push(match &value.name {
                Some(name) => {
                    let count = used.entry(name).or_default();
                    *count += 1;
                    format!("%{name}.{count}")
                }
                None => {
                    self.next += 1;
                    format!("%{}", self.next - 1)
                }
            });
        }
    }

    fn graph(&mut self, head: &str, comments: &mut dyn Comments) -> fmt::Result {
        let body = &self.function.graph.body;
        write!(self.out, "{head}graph(")?;
        self.bindings(&body.params, ",\n      ")?;
        self.out.push_str("):\n");
        self.nodes(body, 1, comments)?;
        write!(self.out, "  return ")?;
        self.uses(&body.returns);
        self.out.push('\n');
        comments.of_function(self.id).into_iter().for_each(|line| self.comment(&line, 0));
        Ok(())
    }

    fn nodes(&mut self, block: &Block, depth: usize, comments: &mut dyn Comments) -> fmt::Result {
        for node in &block.nodes {
            self.node(node, depth, comments)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, depth: usize, comments: &mut dyn Comments) -> fmt::Result {
        let extra = self.implied_constant(node, depth)?;
        if let Some(comment) = comments.of_node(self.id, node) {
            self.comment(&comment, depth);
        }
        self.indent(depth);
        self.statement(node, extra)?;
        if let Some(span) = &node.span {
            write!(self.out, " # {span}")?;
        }
        self.out.push('\n');
        for (i, block) in node.blocks.iter().enumerate() {
            self.indent(depth + 1);
            write!(self.out, "block{i}(")?;
            self.bindings(&block.params, ", ")?;
            self.out.push_str("):\n");
            self.nodes(block, depth + 2, comments)?;
            self.indent(depth + 2);
            self.out.push_str("-> ");
            self.uses(&block.returns);
            self.out.push('\n');
        }
        Ok(())
    }

    /// A line that is no part of the graph.
    fn comment(&mut self, text: &str, depth: usize) {
        self.indent(depth);
        self.out.push_str("# ");
        // Names are the program's, and may hold anything.
        for c in text.chars() {
            if c.is_control() { self.out.extend(c.escape_debug()) } else { self.out.push(c) }
        }
        self.out.push('\n');
    }

    /// What a node does, in one line; `extra` is what PyTorch hands to it beside its inputs.
    pub(super) fn statement(&mut self, node: &Node, extra: Option<String>) -> fmt::Result {
        self.bindings(&node.outputs, ", ")?;
        write!(self.out, " = {}", node.kind.name())?;
        match &node.kind {
            NodeKind::Fork(id) => self.start(*id, "prim::fork")?,
            NodeKind::Awaitable(id) => self.start(*id, "prim::awaitable")?,
            kind => attributes(&mut self.out, kind)?,
        }
        self.out.push('(');
        let mut first = true;
        let mut separate = |out: &mut String| out.push_str(if std::mem::take(&mut first) { "" } else { ", " });
        if let (Some(extra), NodeKind::CallFunction(_)) = (&extra, &node.kind) {
            separate(&mut self.out);
            self.out.push_str(extra);
        }
        for input in &node.inputs {
            separate(&mut self.out);
            self.out.push_str(&self.names[input.0 as usize]);
        }
        if let (Some(extra), NodeKind::TupleIndex(_)) = (&extra, &node.kind) {
            separate(&mut self.out);
            self.out.push_str(extra);
        }
        self.out.push(')');
        Ok(())
    }

    /// The constant that PyTorch would hand to the node; its name.
    fn implied_constant(&mut self, node: &Node, depth: usize) -> Result<Option<String>, fmt::Error> {
        let (ty, attribute) = match &node.kind {
            NodeKind::CallFunction(id) => ("Function", format!("name=\"{}\"", self.short_name(*id))),
            NodeKind::TupleIndex(index) => ("int", format!("value={index}")),
            _ => return Ok(None),
        };
        let name = format!("%{}", self.next);
        self.next += 1;
        self.indent(depth);
        writeln!(self.out, "{name} : {ty} = prim::Constant[{attribute}]()")?;
        Ok(Some(name))
    }

    /// The name of a function without its package.
    pub(super) fn short_name(&self, id: FunctionId) -> &str {
        let name = &self.functions[id.0 as usize].name;
        name.rsplit('.').next().unwrap_or(name)
    }

    fn start(&mut self, id: FunctionId, name: &str) -> fmt::Result {
        if self.functions[id.0 as usize].graph.is_unknown_as(name) {
            return Ok(());
        }
        let number = self.closures.len();
        write!(self.out, "_{number}")?;
        self.closures.push((format!("{name}_{number}"), id));
        Ok(())
    }

    fn indent(&mut self, depth: usize) {
        self.out.extend(std::iter::repeat_n("  ", depth));
    }

    /// Values where they are bound, with their types.
    pub(super) fn bindings(&mut self, ids: &[ValueId], separator: &str) -> fmt::Result {
        for (i, &id) in ids.iter().enumerate() {
            self.out.push_str(if i == 0 { "" } else { separator });
            write!(self.out, "{} : {}", self.names[id.0 as usize], self.function.graph.value(id).ty)?;
        }
        Ok(())
    }

    /// Values where they are used.
    pub(super) fn uses(&mut self, ids: &[ValueId]) {
        let names: Vec<&str> = ids.iter().map(|id| &*self.names[id.0 as usize]).collect();
        self.out.push('(');
        self.out.push_str(&names.join(", "));
        self.out.push(')');
    }
}

/// What stands in brackets after the name of a node.
fn attributes(out: &mut String, kind: &NodeKind) -> fmt::Result {
    match kind {
        NodeKind::Constant(Value::None) => Ok(()),
        NodeKind::Constant(value) => write!(out, "[value={}]", Constant(value)),
        NodeKind::GetAttr { name, .. } | NodeKind::SetAttr { name, .. } | NodeKind::CallMethod(name) => {
            write!(out, "[name={}]", Quoted(name))
        }
        NodeKind::TupleSlice(begin, end) => write!(out, "[beg={begin}, end={end}]"),
        NodeKind::IsInstance(types) => write!(out, "[types=[{}]]", Separated(types, Type::to_string)),
        _ => Ok(()),
    }
}

/// A constant's value.
struct Constant<'a>(&'a Value);

impl Display for Constant<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let inner = |value: &Value| Constant(value).to_string();
        match self.0 {
            Value::None => f.write_str("None"),
            Value::Bool(value) => write!(f, "{}", i32::from(*value)),
            Value::Int(value) => write!(f, "{value}"),
            Value::Float(value) => write!(f, "{}", Float(*value)),
            Value::Complex(value) => {
                let im = Float(value.im).to_string();
                let sign = if im.starts_with('-') { "" } else { "+" };
                write!(f, "{}{sign}{im}j", Float(value.re))
            }
            Value::Str(text) | Value::Device(text) => write!(f, "{}", Quoted(text)),
            Value::Tensor(_) => f.write_str("<Tensor>"),
            Value::List(list) => write!(f, "[{}]", Separated(&list.content().items, inner)),
            Value::Tuple(items) => write!(f, "({})", Separated(items, inner)),
            Value::Dict(dict) => {
                let content = dict.content();
                let entries: Vec<String> = content
                    .entries
                    .iter()
                    .map(|(key, value)| format!("{}: {}", Constant(&key.to_value()), Constant(value)))
                    .collect();
                write!(f, "{{{}}}", entries.join(", "))
            }
            Value::Enum(member) => write!(f, "{}.{}", member.class, member.name),
            Value::Object(object) => write!(f, "object({})", object.class().name),
            Value::Function(id) => write!(f, "function({})", id.0),
            Value::Future(_) | Value::Await(_) | Value::Generator(_) | Value::Uninitialized => f.write_str("<value>"),
        }
    }
}

/// Things separated by commas.
struct Separated<'a, T>(&'a [T], fn(&T) -> String);

impl<T> Display for Separated<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            f.write_str(&(self.1)(item))?;
        }
        Ok(())
    }
}

/// A float as C prints it with 17 digits, and a point after what would look like an integer: `20.`, `1e-08`.
struct Float(f64);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = self.0;
        if !value.is_finite() {
            return f.write_str(&format!("{value:?}").to_lowercase());
        }
        if value.fract() == 0.0 && value.abs() < 1e10 {
            return write!(f, "{value:.0}.");
        }
        let scientific = format!("{value:.16e}");
        let (digits, exponent) = scientific.split_once('e').expect("a number in scientific notation");
        let exponent: i32 = exponent.parse().expect("an exponent");
        if (-4..17).contains(&exponent) {
            let fixed = format!("{value:.*}", (16 - exponent) as usize);
            let text = if fixed.contains('.') { fixed.trim_end_matches('0').trim_end_matches('.') } else { &fixed };
            return f.write_str(text);
        }
        let digits = digits.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{digits}e{sign}{:02}", exponent.abs())
    }
}

/// Text in double quotes with C's escapes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for byte in self.0.bytes() {
            match byte {
                b'"' => f.write_str("\\\"")?,
                b'\\' => f.write_str("\\\\")?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'\r' => f.write_str("\\r")?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                other => write!(f, "\\{other:03o}")?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_printed_as_pytorch_does() {
        let texts = [
            (0.2, "0.20000000000000001"),
            (1e-8, "1e-08"),
            (1e8, "100000000."),
            (-7.0, "-7."),
            (-0.0, "-0."),
            (0.37, "0.37"),
            (1e-5, "1.0000000000000001e-05"),
            (1e-4, "0.0001"),
            (1e10, "10000000000"),
            (2.5e20, "2.5e+20"),
            (1e300, "1.0000000000000001e+300"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ];
        for (value, text) in texts {
            assert_eq!(Float(value).to_string(), text);
        }
    }
}
