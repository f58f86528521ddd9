//! Graphs made flat: one instruction after another with jumps, and a register for each value.
//!
//! A task can be paused before any instruction and copied at any time, because all that it is doing is a list of
//! frames, each a place in such a code and its registers. Nothing of it lives on a native stack.

use crate::execution::Site;
use std::sync::{Arc, OnceLock};

use forkcheck_model::graph::{Block, Graph, Node, NodeKind, Span, ValueId};
use forkcheck_model::module::{AWAITABLE_BODY, Function, FunctionId, Module};
use forkcheck_model::operators::Plain;
use forkcheck_model::value::Value;
use forkcheck_scheduler::schedule::site_hash;
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_64;

/// A value's place in a frame; values of a graph keep their numbers, loop counters come after them.
pub type Register = u32;

/// The flat form of a function.
#[derive(Debug)]
pub struct Code {
    /// Which function.
    pub function: FunctionId,
    /// How many registers a frame needs.
    pub registers: u32,
    /// Where the arguments go.
    pub params: Vec<Register>,
    /// What is executed.
    pub instructions: Vec<Instruction>,
    /// The variable of the source that each register holds, if it holds one.
    pub names: Vec<Option<Arc<str>>>,
    /// By instruction: the registers that are still read. Found out when it is first asked for.
    pub(super) live: OnceLock<Vec<Box<[Register]>>>,
    /// By instruction: the inputs that are read for the last time. Found out when it is first asked for.
    pub(super) dying: OnceLock<Box<[u64]>>,
    /// What a task is called that runs this as a closure.
    pub callee: Arc<str>,
}

/// One step of a code.
#[derive(Debug)]
pub struct Instruction {
    /// What it does.
    pub action: Action,
    /// Registers that are read.
    pub inputs: Box<[Register]>,
    /// Registers that are set.
    pub outputs: Box<[Register]>,
    /// Where it stands in the program.
    pub site: Site,
}

/// What an instruction does.
#[derive(Debug)]
pub enum Action {
    /// Everything that a graph's node does, but control flow and constants.
    Node(NodeKind),
    /// The same for an operator that needs no call while its inputs are plain values.
    Plain(PlainStep, NodeKind),
    /// Sets the output to a value that cannot be written.
    Constant(Value),
    /// Sets the output to the constant number `usize` of the execution: it can be written, and all tasks share it.
    Shared(usize),
    /// Goes on elsewhere.
    Jump(usize),
    /// Goes on elsewhere if the input is false.
    Unless(usize),
    /// Leaves a loop unless input 0 (trips made) is less than input 1 (most trips) and input 2, if there is one, is true.
    LoopTest(usize),
    /// Counts a trip of a loop, whose inputs are as for the test, and goes on with the body for another one.
    Again(usize),
    /// Copies the inputs to the outputs, one after the other.
    Copy,
    /// The same where an output is an input that is still to be read: all at once.
    CopyAtOnce,
    /// Leaves the function with the inputs.
    Return,
}

/// An operator on plain values with its registers at hand.
#[derive(Debug)]
pub struct PlainStep {
    /// The operator.
    pub function: Plain,
    /// What it reads: the same twice, if it takes one value.
    pub inputs: [Register; 2],
    /// Where the result goes.
    pub output: Register,
}

impl Action {
    /// Whether it concerns the frame alone, or may do so.
    pub fn is_local(&self) -> bool {
        !matches!(self, Action::Node(_) | Action::Shared(_) | Action::Return)
    }
}

/// What is known of a site.
#[derive(Debug)]
pub struct SiteInfo {
    /// The function it is in.
    pub function: FunctionId,
    /// PyTorch's name of what it does.
    pub operator: Box<str>,
    /// Where the user wrote it.
    pub span: Option<Span>,
}

impl SiteInfo {
    /// The words that the user wrote.
    fn words(&self) -> &str {
        self.span.as_ref().map_or("", Span::text)
    }
}

/// The flat form of a module.
#[derive(Debug)]
pub struct Codes {
    /// By [`FunctionId`].
    pub functions: Vec<Arc<Code>>,
    /// By [`Site`].
    pub sites: Vec<SiteInfo>,
    /// Constants that can be written, in the order of [`Action::Shared`].
    pub shared: Vec<Shared>,
    /// The calls that lead to where a task begins: none.
    pub no_calls: Arc<[Site]>,
}

/// A constant that can be written: made before the run, and shared by all who execute its node.
#[derive(Debug)]
pub struct Shared {
    /// What it holds at the start.
    pub value: Value,
    /// The variable that it is bound to.
    pub name: Option<String>,
}

impl Codes {
    /// Flattens every function of `module`.
    pub fn of(module: &Module) -> Codes {
        let no_calls = Arc::new([]);
        let mut codes = Codes { functions: Vec::new(), sites: Vec::new(), shared: Vec::new(), no_calls };
        for (id, function) in module.functions.iter().enumerate() {
            let callee = callee_name(&module.functions, FunctionId(id as u32)).into();
            let code = Flattener::new(&mut codes, FunctionId(id as u32), function).run(callee);
            codes.functions.push(Arc::new(code));
        }
        codes
    }

    /// The flat form of the function `id`.
    pub fn function(&self, id: FunctionId) -> &Arc<Code> {
        &self.functions[id.0 as usize]
    }

    /// What is known of a node's site.
    ///
    /// # Panics
    /// For [`Site::LOOK`], which is not a node's.
    pub fn site(&self, site: Site) -> &SiteInfo {
        &self.sites[site.0 as usize]
    }

    /// The name of a site that survives edits elsewhere in the program: a hash of the function, the operator, the
    /// user's words, and how many of the same stand before it in the function.
    pub fn anchor(&self, module: &Module, site: Site) -> u64 {
        if site == Site::LOOK {
            return site_hash(xxh3_64(b"look"));
        }
        let info = self.site(site);
        let before = self.sites[..site.0 as usize].iter().rev().take_while(|other| other.function == info.function);
        let nth = before.filter(|other| other.operator == info.operator && other.words() == info.words()).count();
        let function = &module.function(info.function).name;
        site_hash(xxh3_64(format!("{function}\n{}\n{}\n{nth}", info.operator, info.words()).as_bytes()))
    }
}

/// Loops that carry more variables than this are not looked at for shortcuts, which would take the square of their number.
const COPIES_MOST: usize = 256;

/// Turns one graph into a code.
struct Flattener<'a> {
    codes: &'a mut Codes,
    id: FunctionId,
    function: &'a Function,
    instructions: Vec<Instruction>,
    registers: u32,
    /// Values that are the constant `True`.
    truths: FxHashSet<ValueId>,
}

impl<'a> Flattener<'a> {
    fn new(codes: &'a mut Codes, id: FunctionId, function: &'a Function) -> Self {
        let registers = function.graph.values.len() as u32;
        let constants = function.graph.body.nodes_within();
        let truths = constants.filter(|node| matches!(node.kind, NodeKind::Constant(Value::Bool(true))));
        let truths = truths.map(|node| node.outputs[0]).collect();
        Self { codes, id, function, instructions: Vec::new(), registers, truths }
    }

    fn run(mut self, callee: Arc<str>) -> Code {
        let graph: &Graph = &self.function.graph;
        // The body of an awaitable ends by letting that remember.
        let awaited = self.function.name.contains(AWAITABLE_BODY);
        let end = self.site(if awaited { "prim::awaitable_wait" } else { "return" }, None);
        self.block(&graph.body);
        self.push(Action::Return, &graph.body.returns, &[], end);
        for Instruction { action, inputs, outputs, .. } in &mut self.instructions {
            if let Action::Plain(step, _) = action {
                step.inputs = [inputs[0], *inputs.last().expect("an operator has inputs")];
                step.output = outputs[0];
            }
        }
        let mut names: Vec<_> = graph.values.iter().map(|value| value.name.clone()).collect();
        names.resize(self.registers as usize, None);
        Code {
            function: self.id,
            registers: self.registers,
            params: registers(&graph.body.params).into(),
            instructions: self.instructions,
            names,
            live: OnceLock::new(),
            dying: OnceLock::new(),
            callee,
        }
    }

    fn block(&mut self, block: &Block) {
        for node in &block.nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &Node) {
        let site = self.site(node.kind.name(), node.span.clone());
        match &node.kind {
            NodeKind::If => self.branch(node, site),
            NodeKind::Loop => self.repeat(node, site),
            NodeKind::Constant(value) => {
                let action = if is_mutable(value) {
                    let variable = self.function.graph.value(node.outputs[0]).name.as_ref();
                    let name = node.span.as_ref().and_then(assigned_name).or(variable.map(|name| name.to_string()));
                    self.codes.shared.push(Shared { value: value.clone(), name });
                    Action::Shared(self.codes.shared.len() - 1)
                } else {
                    Action::Constant(value.clone())
                };
                self.push(action, &[], &node.outputs, site);
            }
            // Retyping does nothing when it runs.
            NodeKind::UncheckedCast => self.copy(&node.inputs, &node.outputs, site),
            kind => self.push(action(kind), &node.inputs, &node.outputs, site),
        }
    }

    fn branch(&mut self, node: &Node, site: Site) {
        let unless = self.push_jump(Action::Unless(0), &node.inputs, site);
        self.block(&node.blocks[0]);
        self.copy(&node.blocks[0].returns, &node.outputs, site);
        let jump = self.push_jump(Action::Jump(0), &[], site);
        self.land(unless);
        self.block(&node.blocks[1]);
        self.copy(&node.blocks[1].returns, &node.outputs, site);
        self.land(jump);
    }

    fn repeat(&mut self, node: &Node, site: Site) {
        let (max, condition, carried) = (node.inputs[0], node.inputs[1], &node.inputs[2..]);
        let body = &node.blocks[0];
        let trip = body.params[0];
        let counted = self.truths.contains(&condition) && self.truths.contains(&body.returns[0]);
        // A condition changes from trip to trip, so it has a register of its own.
        let going = (!counted).then(|| self.register());
        let test: Vec<ValueId> = [trip, max].into_iter().chain(going).collect();
        self.push(Action::Constant(Value::Int(0)), &[], &[trip], site);
        self.copy(if counted { &[] } else { std::slice::from_ref(&condition) }, going.as_slice(), site);
        self.copy(carried, &body.params[1..], site);
        let leave = self.push_jump(Action::LoopTest(0), &test, site);
        let first = self.instructions.len();
        self.block(body);
        let next = going.iter().chain(&body.params[1..]).copied();
        let returns = &body.returns[counted as usize..];
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (&value, register) in returns.iter().zip(next) {
            if !self.computed_into(register, value, returns, first) {
                from.push(value);
                to.push(register);
            }
        }
        self.copy(&from, &to, site);
        self.push(Action::Again(first), &test, &[trip], site);
        self.land(leave);
        self.copy(&body.params[1..], &node.outputs, site);
    }

    /// Lets the body of a loop, which begins at `first` and ends here, compute what the next trip gets into its register, so that
    /// nothing is copied. That is possible where nobody reads the register after that, nor the value elsewhere, and both are
    /// of one variable.
    fn computed_into(&mut self, register: ValueId, value: ValueId, returns: &[ValueId], first: usize) -> bool {
        let variable = |id: ValueId| self.function.graph.values.get(id.0 as usize).map(|value| &value.name);
        if returns.len() > COPIES_MOST {
            return false;
        }
        let once = returns.iter().filter(|&&other| other == value).count() == 1 && !returns.contains(&register);
        if !once || variable(register) != variable(value) {
            return false;
        }
        let body = &self.instructions[first..];
        let sets = |instruction: &Instruction| instruction.outputs.contains(&value.0);
        let Some(at) = body.iter().position(sets) else { return false };
        let read_again = body.iter().any(|instruction| instruction.inputs.contains(&value.0))
            || body[at + 1..].iter().any(|instruction| instruction.inputs.contains(&register.0) || sets(instruction));
        // A branch or a loop around it would set it at times, or several times.
        let at = first + at;
        let jumps = (first..).zip(body).any(|(from, instruction)| match instruction.action {
            Action::Jump(to) | Action::Unless(to) | Action::LoopTest(to) | Action::Again(to) => {
                (from < at && at < to) || (to <= at && at < from)
            }
            _ => false,
        });
        if read_again || jumps {
            return false;
        }
        let outputs = self.instructions[at].outputs.iter_mut();
        outputs.filter(|output| **output == value.0).for_each(|output| *output = register.0);
        true
    }

    fn register(&mut self) -> ValueId {
        self.registers += 1;
        ValueId(self.registers - 1)
    }

    fn copy(&mut self, from: &[ValueId], to: &[ValueId], site: Site) {
        let overwritten = |i: usize| to[..i].contains(&from[i]);
        let at_once = from.len() > COPIES_MOST || (0..from.len()).any(overwritten);
        let action = if at_once { Action::CopyAtOnce } else { Action::Copy };
        if !to.is_empty() {
            self.push(action, from, to, site);
        }
    }

    fn push(&mut self, action: Action, inputs: &[ValueId], outputs: &[ValueId], site: Site) {
        let (inputs, outputs) = (registers(inputs), registers(outputs));
        self.instructions.push(Instruction { action, inputs, outputs, site });
    }

    fn push_jump(&mut self, action: Action, inputs: &[ValueId], site: Site) -> usize {
        self.push(action, inputs, &[], site);
        self.instructions.len() - 1
    }

    /// Lets the jump at `from` land on the next instruction.
    fn land(&mut self, from: usize) {
        let here = self.instructions.len();
        match &mut self.instructions[from].action {
            Action::Jump(to) | Action::Unless(to) | Action::LoopTest(to) => *to = here,
            other => unreachable!("{other:?} does not jump"),
        }
    }

    fn site(&mut self, operator: &str, span: Option<Span>) -> Site {
        self.codes.sites.push(SiteInfo { function: self.id, operator: operator.into(), span });
        Site(self.codes.sites.len() as u32 - 1)
    }
}

/// How a node is executed that is no control flow.
fn action(kind: &NodeKind) -> Action {
    let plain = if let NodeKind::Operator(operator) = kind { operator.plain } else { None };
    match plain {
        // Its registers are known when the code is complete.
        Some(function) => Action::Plain(PlainStep { function, inputs: [0; 2], output: 0 }, kind.clone()),
        None => Action::Node(kind.clone()),
    }
}

fn registers(values: &[ValueId]) -> Box<[Register]> {
    values.iter().map(|value| value.0).collect()
}

/// Whether a constant is a thing that can be written, rather than a plain value.
fn is_mutable(value: &Value) -> bool {
    match value {
        Value::Tensor(_) | Value::List(_) | Value::Dict(_) | Value::Object(_) | Value::Generator(_) => true,
        Value::Tuple(items) => items.iter().any(is_mutable),
        _ => false,
    }
}

/// The name that a task gets from the closure it runs: of the function, method or operator that the closure calls,
/// if that is all it does.
pub(crate) fn callee_name(functions: &[Function], closure: FunctionId) -> String {
    let function = |id: FunctionId| &functions[id.0 as usize];
    let mut calls = function(closure).graph.body.nodes.iter().filter(|node| {
        !matches!(node.kind, NodeKind::Constant(_) | NodeKind::ListConstruct(_) | NodeKind::GetAttr { .. })
    });
    match (calls.next().map(|node| &node.kind), calls.next()) {
        (Some(NodeKind::CallMethod(name)), None) => name.to_string(),
        (Some(NodeKind::CallFunction(id)), None) => last_part(&function(*id).name).to_string(),
        (Some(NodeKind::Operator(operator)), None) => operator.name.rsplit("::").next().unwrap_or_default().to_string(),
        _ => "fork".to_string(),
    }
}

/// The variable that the line of `span` assigns to: `g` of `g = torch.Generator()`.
pub(crate) fn assigned_name(span: &Span) -> Option<String> {
    let (text, at) = (&span.source().text, span.range().start);
    let line = &text[text[..at].rfind('\n').map_or(0, |newline| newline + 1)..at];
    let name = line.trim_end().strip_suffix('=')?.trim();
    let identifier = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    // The archive's own temporaries are no names.
    let temporary = name.strip_prefix('_').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    (identifier && !temporary).then(|| name.to_string())
}

fn last_part(qualified: &str) -> &str {
    qualified.rsplit('.').next().unwrap_or(qualified)
}
