//! From bodies to graphs: every name becomes a value that is bound once.
//!
//! Straight-line code needs only a table of what each name stands for now. At the end of a branch or a loop's body
//! the names that it assigned become results of the node; that is all there is to single assignment here, since
//! the code has no jumps. Constants stand at the head of a function, each once, as PyTorch pools them.

pub(super) use expressions::type_of_value;

mod attributes;
mod calls;
mod closures;
mod expressions;
mod operators;
mod special;
mod statements;

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::annotations::{Checked, complain};
use super::declare::{Program, SourceFile};
use super::hierarchy::{Classes, TYPE_LIMIT, is_small, is_unknown};
use super::resolve::Actual;
use super::tree::{self, Place, StatementKind};
use crate::error::Error;
use crate::graph::{Block, Graph, Node, NodeKind, Span, ValueId, ValueInfo};
use crate::module::{Class, Function, FunctionId, Parameter};
use crate::types::Type;
use crate::value::Value;

/// Lowers every body of `program`. The closures follow the declared functions.
pub(super) fn lower_all(program: &Program<'_>, table: &[Value]) -> Result<Vec<Function>, Error> {
    let mut output = Output { functions: Vec::new(), table };
    for signature in &program.functions {
        output.functions.push(Function {
            name: signature.name.clone(),
            params: signature.params.clone(),
            returns: signature.returns.clone(),
            graph: Graph::default(),
        });
    }
    for (i, signature) in program.functions.iter().enumerate() {
        let Some(body) = signature.body else { continue };
        let file = &program.files[signature.file];
        let mut lowering = Lowering::new(program, &mut output, file, signature.name.clone());
        let graph = lowering.function(&signature.params, &signature.returns, body);
        let graph = graph.map_err(|complaint| file.error(complaint))?;
        output.functions[i].graph = graph;
    }
    if cfg!(debug_assertions) {
        output.functions.iter().filter(|function| !function.graph.values.is_empty()).for_each(|f| f.graph.verify());
    }
    Ok(output.functions)
}

/// What lowering adds to.
struct Output<'a> {
    /// Declared functions, then closures.
    functions: Vec<Function>,
    /// What `CONSTANTS.cN` stands for.
    table: &'a [Value],
}

/// A value with the type that the code gives it, which may be wider than what it is known to be.
#[derive(Debug, Clone)]
struct Operand {
    id: ValueId,
    ty: Type,
    /// Whether it is the literal `[]`.
    empty_list: bool,
}

impl Operand {
    fn actual(&self) -> Actual {
        Actual { ty: self.ty.clone(), empty_list: self.empty_list }
    }
}

/// What an expression stands for.
#[derive(Debug, Clone)]
enum Item {
    /// A value.
    Value(Operand),
    /// Several values that are not a tuple yet.
    Several(Vec<Operand>),
    /// What a call without result gives.
    Nothing,
    /// A function.
    Function(FunctionId),
    /// A class.
    Class(Arc<Class>),
}

/// What a name stands for.
#[derive(Debug, Clone)]
enum Local<'a> {
    Item(Item),
    /// A closure that can be forked.
    Closure(&'a tree::Function),
    /// The branches of an `if` disagree about it.
    Unusable(Arc<str>),
}

/// What the names of a function stand for; only looked up, never iterated.
type Locals<'a> = FxHashMap<Arc<str>, Local<'a>>;

/// A constant, compared so that equal ones are one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum ConstantKey {
    None,
    Bool(bool),
    Int(i64),
    Float(u64),
    Complex(u64, u64),
    Str(Arc<str>),
    Function(FunctionId),
    /// By class and name.
    Member(Arc<str>, Arc<str>),
    /// A place in the archive's table.
    Table(usize),
}

/// A number that a closure takes from the function around it.
struct Number {
    param: ValueId,
    value: Value,
    ty: Type,
    place: Place,
}

/// The lowering of one function.
struct Lowering<'a, 'b> {
    program: &'a Program<'a>,
    output: &'b mut Output<'a>,
    file: &'a SourceFile<'a>,
    name: Arc<str>,
    values: Vec<ValueInfo>,
    /// The nodes of the blocks that are open, the innermost last.
    open: Vec<Vec<Node>>,
    constants: Vec<Node>,
    constant_values: BTreeMap<ConstantKey, ValueId>,
    /// In a closure: the numbers that it mentions. They are constants of the function around it, and captured.
    numbers: Option<BTreeMap<ConstantKey, Number>>,
    locals: Locals<'a>,
    /// What was assigned since the outermost block began, and what the name stood for before.
    undo: Vec<(Arc<str>, Option<Local<'a>>)>,
    /// Where the last node with a known place was written.
    last_span: Option<Span>,
    /// Where the next node was written, for nodes that the records leave out.
    hint: Option<Span>,
    /// The statement being lowered.
    statement: Place,
    /// Where a value of a type without measure was computed.
    too_large: Option<Place>,
}

impl<'a, 'b> Lowering<'a, 'b> {
    fn new(program: &'a Program<'a>, output: &'b mut Output<'a>, file: &'a SourceFile<'a>, name: Arc<str>) -> Self {
        Self {
            program,
            output,
            file,
            name,
            values: Vec::new(),
            open: vec![Vec::new()],
            constants: Vec::new(),
            constant_values: BTreeMap::new(),
            numbers: None,
            locals: Locals::default(),
            undo: Vec::new(),
            last_span: None,
            hint: None,
            statement: Place::default(),
            too_large: None,
        }
    }

    /// The graph of a declared function.
    fn function(&mut self, params: &[Parameter], returns: &Type, function: &'a tree::Function) -> Checked<Graph> {
        let params = params
            .iter()
            .map(|param| {
                let id = self.fresh(Some(param.name.clone()), param.ty.clone());
                self.bind(param.name.clone(), id, param.ty.clone());
                id
            })
            .collect();
        let (result, place) = self.body(function)?;
        let result = self.convert(result, returns, place, || format!("the result of `{}`", function.name))?;
        Ok(self.finish(params, result.id))
    }

    /// Lowers the statements of a function, the last of which returns.
    fn body(&mut self, function: &'a tree::Function) -> Checked<(Operand, Place)> {
        let (returned, statements) = match function.body.split_last() {
            Some((last, statements)) => match &last.kind {
                StatementKind::Return(value) => (Some((value.as_ref(), last.place)), statements),
                _ => (None, &function.body[..]),
            },
            None => (None, &function.body[..]),
        };
        self.statements(statements)?;
        let place = returned.map_or(function.place, |(_, place)| place);
        self.statement = place;
        let result = match returned.and_then(|(value, _)| value) {
            Some(value) => self.value(value)?,
            None => self.none(place),
        };
        self.check_types()?;
        Ok((result, place))
    }

    /// Complains if the statement that was just lowered computed a value whose type is too large to go on with.
    fn check_types(&self) -> Checked<()> {
        match self.too_large {
            Some(place) => complain(place, format!("a value whose type has more than {TYPE_LIMIT} parts")),
            None => Ok(()),
        }
    }

    /// The finished graph: constants first, nodes numbered in program order.
    fn finish(&mut self, params: Vec<ValueId>, result: ValueId) -> Graph {
        let mut nodes = std::mem::take(&mut self.constants);
        nodes.append(&mut self.open.pop().expect("the function's own block"));
        assert!(self.open.is_empty(), "every block was closed");
        let mut body = Block { params, nodes, returns: vec![result] };
        number(&mut body, &mut 0);
        Graph { values: std::mem::take(&mut self.values), body }
    }

    fn classes(&self) -> &'a Classes {
        &self.program.classes
    }

    /// A value that nobody binds yet.
    fn fresh(&mut self, name: Option<Arc<str>>, ty: Type) -> ValueId {
        // What an opaque operator returns may be anything, for all that readers of the graph know.
        let ty = if is_unknown(&ty) { Type::Any } else { ty };
        self.values.push(ValueInfo { name, ty });
        ValueId(self.values.len() as u32 - 1)
    }

    /// Lets `name` stand for a value from now on.
    fn bind(&mut self, name: Arc<str>, id: ValueId, ty: Type) {
        let info = &mut self.values[id.0 as usize];
        if info.name.is_none() && !is_temporary(&name) {
            info.name = Some(name.clone());
        }
        self.set(name, Local::Item(Item::Value(Operand { id, ty, empty_list: false })));
    }

    fn set(&mut self, name: Arc<str>, local: Local<'a>) {
        let before = self.locals.insert(name.clone(), local);
        self.undo.push((name, before));
    }

    /// Adds a node with results of these types to the innermost open block.
    fn emit(&mut self, kind: NodeKind, inputs: Vec<ValueId>, results: &[Type], place: Place) -> Vec<ValueId> {
        if !results.iter().all(is_small) {
            self.too_large.get_or_insert(place);
        }
        let outputs: Vec<ValueId> = results.iter().map(|ty| self.fresh(None, ty.clone())).collect();
        let span = self.span(place);
        let node = Node { id: 0, kind, inputs, outputs: outputs.clone(), blocks: Vec::new(), span };
        self.open.last_mut().expect("a block is open").push(node);
        outputs
    }

    /// Adds a node with one result.
    fn emit_one(&mut self, kind: NodeKind, inputs: Vec<ValueId>, ty: Type, place: Place) -> Operand {
        let id = self.emit(kind, inputs, std::slice::from_ref(&ty), place)[0];
        Operand { id, ty, empty_list: false }
    }

    /// Where the user wrote what stands at `place`: as the debug records say, else as they say of the statement or of
    /// what was last seen, else the code file itself.
    fn span(&mut self, place: Place) -> Option<Span> {
        let debug = self.file.code.debug.as_ref();
        let known = |place: Place| debug.and_then(|table| table.lookup(place.start as usize)).cloned();
        let found = self.hint.take().or_else(|| known(place)).or_else(|| known(self.statement));
        if found.is_some() {
            self.last_span = found;
        }
        Some(self.last_span.clone().unwrap_or_else(|| self.file.own_span(place)))
    }

    /// The constant, made once for the function.
    fn constant(&mut self, key: ConstantKey, value: Value, ty: Type, place: Place) -> Operand {
        if let Some(&id) = self.constant_values.get(&key) {
            return Operand { id, ty, empty_list: false };
        }
        let id = self.fresh(None, ty.clone());
        let span = self.span(place);
        let kind = NodeKind::Constant(value);
        self.constants.push(Node { id: 0, kind, inputs: Vec::new(), outputs: vec![id], blocks: Vec::new(), span });
        self.constant_values.insert(key, id);
        Operand { id, ty, empty_list: false }
    }

    /// A number that stands in the code. PyTorch makes it a constant of the outermost function, so that closures
    /// capture it.
    fn number(&mut self, key: ConstantKey, value: Value, ty: Type, place: Place) -> Operand {
        let Some(numbers) = &self.numbers else { return self.constant(key, value, ty, place) };
        if let Some(number) = numbers.get(&key) {
            return Operand { id: number.param, ty, empty_list: false };
        }
        let param = self.fresh(None, ty.clone());
        let number = Number { param, value, ty: ty.clone(), place };
        self.numbers.as_mut().expect("it is a closure").insert(key, number);
        Operand { id: param, ty, empty_list: false }
    }

    fn none(&mut self, place: Place) -> Operand {
        self.constant(ConstantKey::None, Value::None, Type::None, place)
    }

    fn bool(&mut self, value: bool, place: Place) -> Operand {
        self.constant(ConstantKey::Bool(value), Value::Bool(value), Type::Bool, place)
    }

    fn int(&mut self, value: i64, place: Place) -> Operand {
        self.constant(ConstantKey::Int(value), Value::Int(value), Type::Int, place)
    }

    /// What an expression stands for, as one value.
    fn one(&mut self, item: Item, place: Place) -> Checked<Operand> {
        Ok(match item {
            Item::Value(operand) => operand,
            Item::Several(items) => self.tuple(items, None, place),
            Item::Nothing => self.none(place),
            Item::Function(id) => {
                let ty = Type::Function(self.output.functions[id.0 as usize].name.clone());
                self.constant(ConstantKey::Function(id), Value::Function(id), ty, place)
            }
            Item::Class(class) => return complain(place, format!("class `{}` is not a value", class.name)),
        })
    }

    /// A tuple of values; of a NamedTuple, with its name.
    fn tuple(&mut self, items: Vec<Operand>, class: Option<Arc<str>>, place: Place) -> Operand {
        let ty = match &class {
            Some(name) => Type::Named(name.clone()),
            None => Type::tuple(items.iter().map(|item| item.ty.clone()).collect::<Vec<_>>()),
        };
        let inputs = items.iter().map(|item| item.id).collect();
        self.emit_one(NodeKind::TupleConstruct(class), inputs, ty, place)
    }
}

/// Whether PyTorch made the name up: `_3`.
fn is_temporary(name: &str) -> bool {
    name.strip_prefix('_').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Numbers the nodes of a block in program order.
fn number(block: &mut Block, next: &mut u32) {
    for node in &mut block.nodes {
        node.id = *next;
        *next += 1;
        for block in &mut node.blocks {
            number(block, next);
        }
    }
}
