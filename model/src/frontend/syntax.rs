//! From text to tree. The only file that knows the parser.
//!
//! The parser accepts all of Python at any depth; what it gives is converted at once, and whatever PyTorch would
//! not print is refused. Building, converting and dropping its tree recurse, so that they are done on a thread
//! with a stack that a text of the greatest accepted length cannot exhaust.

use std::sync::Arc;

use ruff_python_ast as py;
use ruff_text_size::{Ranged, TextRange};

use super::tree::{Class, Definition, Expr, ExprKind, File, Function, Member, Param, Place, Statement, StatementKind};
use crate::error::Error;

/// The longest text that is read.
pub const SOURCE_LIMIT: usize = 4 << 20;

/// How deep expressions and blocks may be nested, together.
pub const DEPTH_LIMIT: u32 = 1000;

/// Enough for the parser's recursion on any text of [`SOURCE_LIMIT`], of which only what is used is ever committed.
const STACK: usize = 64 << 20;

/// Runs `work` on a thread whose stack is deep enough for the parser, and for our own recursion over its trees.
pub fn on_deep_stack<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("frontend".into())
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|error| Error::new(format!("cannot start a thread to parse the code: {error}")))?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// The tree of a text. Must run inside of [`on_deep_stack`], as [`super::parse`] does.
pub(super) fn parse(text: &str) -> Result<File, Error> {
    if text.len() > SOURCE_LIMIT {
        return Err(Error::new(format!("code of {} bytes; at most {SOURCE_LIMIT} are read", text.len())));
    }
    let module = match ruff_python_parser::parse_module(text) {
        Ok(parsed) => parsed.into_syntax(),
        Err(error) => {
            return Err(Error::new(error.error.to_string()).at_line(line_of(text, error.location.start().to_u32())));
        }
    };
    let mut converter = Converter { text, depth: 0 };
    converter.file(&module.body).map_err(|refusal| Error::new(refusal.message).at_line(line_of(text, refusal.at)))
}

/// The line of the byte `offset`, from 1.
pub(super) fn line_of(text: &str, offset: u32) -> u32 {
    let before = &text.as_bytes()[..text.len().min(offset as usize)];
    1 + before.iter().filter(|&&byte| byte == b'\n').count() as u32
}

/// Something that PyTorch does not print, and where it stands.
struct Refusal {
    message: String,
    at: u32,
}

type Converted<T> = Result<T, Refusal>;

fn refuse<T>(node: &impl Ranged, message: impl Into<String>) -> Converted<T> {
    Err(Refusal { message: message.into(), at: node.start().to_u32() })
}

fn place(range: TextRange) -> Place {
    Place { start: range.start().to_u32(), end: range.end().to_u32() }
}

struct Converter<'a> {
    text: &'a str,
    depth: u32,
}

impl Converter<'_> {
    fn file(&mut self, body: &[py::Stmt]) -> Converted<File> {
        let mut definitions = Vec::new();
        for statement in body {
            match statement {
                py::Stmt::ClassDef(class) => definitions.push(Definition::Class(self.class(class)?)),
                py::Stmt::FunctionDef(function) => definitions.push(Definition::Function(self.function(function)?)),
                // Archives of the first format begin with imports and a version of the operators.
                py::Stmt::Import(_) => {}
                py::Stmt::Assign(assign) if is_name(&assign.targets, "op_version_set") => {}
                other => return refuse(other, "expected a class or a function"),
            }
        }
        Ok(File { definitions })
    }

    /// A string. PyTorch wrote it byte by byte, those that are not ASCII as octal numbers: `\303\251` is one `é`, not
    /// two letters.
    fn string(&self, expr: &py::Expr) -> Converted<Arc<str>> {
        let py::Expr::StringLiteral(literal) = expr else { return refuse(expr, "expected a string") };
        let value = literal.value.to_str();
        if !value.is_ascii() && self.text[expr.range()].is_ascii() {
            let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            if let Some(text) = bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
                return Ok(text.into());
            }
        }
        Ok(value.into())
    }

    fn strings(&self, expr: &py::Expr) -> Converted<Vec<Arc<str>>> {
        match expr {
            py::Expr::List(list) => list.elts.iter().map(|item| self.string(item)).collect(),
            other => refuse(other, "expected a list of strings"),
        }
    }

    fn class(&mut self, class: &py::StmtClassDef) -> Converted<Class> {
        if class.type_params.is_some() || !class.decorator_list.is_empty() {
            return refuse(class, "expected a class without decorators or type parameters");
        }
        let base = match class.arguments.as_deref() {
            None => None,
            Some(arguments) => match (&*arguments.args, arguments.keywords.is_empty()) {
                ([], true) => None,
                ([py::Expr::Name(base)], true) => Some(base.id.as_str().into()),
                _ => return refuse(arguments, "expected one base class"),
            },
        };
        let mut members = Vec::new();
        for statement in &class.body {
            self.member(statement, &mut members)?;
        }
        Ok(Class { name: class.name.as_str().into(), base, members, place: place(class.name.range()) })
    }

    fn member(&mut self, statement: &py::Stmt, members: &mut Vec<Member>) -> Converted<()> {
        let place = place(statement.range());
        match statement {
            py::Stmt::FunctionDef(function) => members.push(Member::Method(self.function(function)?)),
            py::Stmt::AnnAssign(line) => {
                let py::Expr::Name(name) = &*line.target else { return refuse(line, "expected a name") };
                members.push(Member::Attribute {
                    name: name.id.as_str().into(),
                    ty: Some(self.expr(&line.annotation)?),
                    value: line.value.as_ref().map(|value| self.expr(value)).transpose()?,
                    place,
                });
            }
            py::Stmt::Assign(line) => match &line.targets[..] {
                [py::Expr::Name(name)] if name.id.as_str() == "__annotations__" => {}
                [py::Expr::Name(name)] if is_list_of_names(name.id.as_str()) => {
                    members.push(Member::Names(name.id.as_str().into(), self.strings(&line.value)?));
                }
                [py::Expr::Name(name)] => members.push(Member::Attribute {
                    name: name.id.as_str().into(),
                    ty: None,
                    value: Some(self.expr(&line.value)?),
                    place,
                }),
                [py::Expr::Subscript(target)] if is_name(std::slice::from_ref(&target.value), "__annotations__") => {
                    members.push(Member::Attribute {
                        name: self.string(&target.slice)?,
                        ty: Some(self.expr(&line.value)?),
                        value: None,
                        place,
                    });
                }
                _ => return refuse(line, "expected an attribute of a class"),
            },
            py::Stmt::Pass(_) => {}
            other => return refuse(other, "expected an attribute or a method"),
        }
        Ok(())
    }

    fn function(&mut self, function: &py::StmtFunctionDef) -> Converted<Function> {
        if function.is_async || function.type_params.is_some() || !function.decorator_list.is_empty() {
            return refuse(function, "expected a plain function");
        }
        let parameters = &function.parameters;
        let plain = parameters.posonlyargs.is_empty() && parameters.kwonlyargs.is_empty();
        if !plain || parameters.vararg.is_some() || parameters.kwarg.is_some() {
            return refuse(&**parameters, "expected plain parameters");
        }
        let mut params = Vec::with_capacity(parameters.args.len());
        for parameter in &parameters.args {
            params.push(Param {
                name: parameter.parameter.name.as_str().into(),
                ty: parameter.parameter.annotation.as_ref().map(|ty| self.expr(ty)).transpose()?,
                default: parameter.default.as_ref().map(|value| self.expr(value)).transpose()?,
                place: place(parameter.parameter.range()),
            });
        }
        let returns = function.returns.as_ref().map(|ty| self.expr(ty)).transpose()?;
        let body = self.block(&function.body)?;
        Ok(Function { name: function.name.as_str().into(), params, returns, body, place: place(function.name.range()) })
    }

    fn block(&mut self, statements: &[py::Stmt]) -> Converted<Vec<Statement>> {
        statements.iter().map(|statement| self.nested(statement, |this| this.statement(statement))).collect()
    }

    /// Converts something one level deeper.
    fn nested<T>(&mut self, node: &impl Ranged, convert: impl FnOnce(&mut Self) -> Converted<T>) -> Converted<T> {
        if self.depth == DEPTH_LIMIT {
            return refuse(node, format!("nested more than {DEPTH_LIMIT} deep"));
        }
        self.depth += 1;
        let converted = convert(self);
        self.depth -= 1;
        converted
    }

    fn statement(&mut self, statement: &py::Stmt) -> Converted<Statement> {
        let kind = match statement {
            py::Stmt::Assign(assign) => self.assignment(assign)?,
            py::Stmt::AnnAssign(assign) => {
                let Some(value) = &assign.value else { return refuse(assign, "expected a value") };
                let py::Expr::Name(_) = &*assign.target else { return refuse(assign, "expected a name") };
                let (target, ty) = (self.target(&assign.target)?, self.expr(&assign.annotation)?);
                StatementKind::Assign(target, Some(ty), self.expr(value)?)
            }
            py::Stmt::Expr(statement) => StatementKind::Expr(self.expr(&statement.value)?),
            py::Stmt::If(statement) => self.conditional(statement)?,
            py::Stmt::For(statement) => self.counted_loop(statement)?,
            py::Stmt::While(statement) if statement.orelse.is_empty() => {
                StatementKind::While(self.expr(&statement.test)?, self.block(&statement.body)?)
            }
            py::Stmt::With(statement) => match (&statement.items[..], statement.is_async) {
                ([item], false) if !item.context_expr.is_tuple_expr() => {
                    let target = item.optional_vars.as_ref().map(|target| self.target(target)).transpose()?;
                    StatementKind::With(self.expr(&item.context_expr)?, target, self.block(&statement.body)?)
                }
                _ => return refuse(statement, "expected one context manager"),
            },
            py::Stmt::Return(statement) => {
                StatementKind::Return(statement.value.as_ref().map(|value| self.expr(value)).transpose()?)
            }
            py::Stmt::FunctionDef(function) => {
                let closure = self.function(function)?;
                if !closure.params.is_empty() {
                    return refuse(function, "expected a closure without parameters");
                }
                StatementKind::Closure(Arc::new(closure))
            }
            py::Stmt::Pass(_) => StatementKind::Pass,
            other => return refuse(other, "this statement is not part of TorchScript's code"),
        };
        Ok(Statement { kind, place: place(statement.range()) })
    }

    fn assignment(&mut self, assign: &py::StmtAssign) -> Converted<StatementKind> {
        let [target] = &assign.targets[..] else { return refuse(assign, "expected one assignment") };
        if let py::Expr::Tuple(targets) = target {
            let targets = targets.elts.iter().map(|target| self.target(target)).collect::<Converted<_>>()?;
            return Ok(StatementKind::Unpack(targets, self.expr(&assign.value)?));
        }
        Ok(StatementKind::Assign(self.target(target)?, None, self.expr(&assign.value)?))
    }

    /// What can be assigned to: a name or an attribute.
    fn target(&mut self, target: &py::Expr) -> Converted<Expr> {
        match target {
            py::Expr::Name(_) | py::Expr::Attribute(_) if !is_infinite_word(target) => self.expr(target),
            other => refuse(other, "expected a name or an attribute to assign to"),
        }
    }

    fn conditional(&mut self, statement: &py::StmtIf) -> Converted<StatementKind> {
        let otherwise = match &statement.elif_else_clauses[..] {
            [] => Vec::new(),
            [clause] if clause.test.is_none() => self.block(&clause.body)?,
            [clause, ..] => return refuse(clause, "expected `else:`"),
        };
        Ok(StatementKind::If(self.expr(&statement.test)?, self.block(&statement.body)?, otherwise))
    }

    fn counted_loop(&mut self, statement: &py::StmtFor) -> Converted<StatementKind> {
        let py::Expr::Name(variable) = &*statement.target else { return refuse(statement, "expected a name") };
        if statement.is_async || !statement.orelse.is_empty() {
            return refuse(statement, "expected a plain loop");
        }
        let py::Expr::Call(call) = &*statement.iter else { return refuse(&*statement.iter, "expected `range(…)`") };
        match &*call.arguments.args {
            [count] if is_name(std::slice::from_ref(&call.func), "range") && call.arguments.keywords.is_empty() => {
                let count = self.expr(count)?;
                Ok(StatementKind::For(variable.id.as_str().into(), count, self.block(&statement.body)?))
            }
            _ => refuse(&*statement.iter, "expected `range(…)` with one argument"),
        }
    }

    fn expr(&mut self, expr: &py::Expr) -> Converted<Expr> {
        self.nested(expr, |this| this.expr_inner(expr))
    }

    fn exprs(&mut self, exprs: &[py::Expr]) -> Converted<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr_inner(&mut self, expr: &py::Expr) -> Converted<Expr> {
        let mut whole = place(expr.range());
        let kind = match expr {
            py::Expr::Name(name) => match name.id.as_str() {
                "inf" => ExprKind::Float(f64::INFINITY),
                "nan" => ExprKind::Float(f64::NAN),
                "infj" => ExprKind::Complex(0.0, f64::INFINITY),
                "nanj" => ExprKind::Complex(0.0, f64::NAN),
                name => ExprKind::Name(name.into()),
            },
            py::Expr::NoneLiteral(_) => ExprKind::None,
            py::Expr::BooleanLiteral(literal) => ExprKind::Bool(literal.value),
            py::Expr::NumberLiteral(literal) => number(expr, &literal.value, false)?,
            py::Expr::StringLiteral(_) => ExprKind::Str(self.string(expr)?),
            py::Expr::UnaryOp(unary) if unary.op == py::UnaryOp::USub => self.negative(unary)?,
            py::Expr::BinOp(sum) => self.complex(sum)?,
            py::Expr::Attribute(attribute) => {
                let inner = self.expr(&attribute.value)?;
                whole.start = inner.place.start;
                ExprKind::Attribute(Box::new(inner), attribute.attr.as_str().into())
            }
            py::Expr::Call(call) => {
                let callee = self.expr(&call.func)?;
                whole.start = callee.place.start;
                let args = self.exprs(&call.arguments.args)?;
                let mut named = Vec::with_capacity(call.arguments.keywords.len());
                for keyword in &call.arguments.keywords {
                    let Some(name) = &keyword.arg else { return refuse(keyword, "expected a named argument") };
                    named.push((name.as_str().into(), self.expr(&keyword.value)?));
                }
                ExprKind::Call(Box::new(callee), args, named)
            }
            py::Expr::Subscript(subscript) => {
                let inner = self.expr(&subscript.value)?;
                whole.start = inner.place.start;
                self.subscript(inner, &subscript.slice)?
            }
            py::Expr::Tuple(tuple) => ExprKind::Tuple(self.exprs(&tuple.elts)?),
            py::Expr::List(list) => ExprKind::List(self.exprs(&list.elts)?),
            py::Expr::Dict(dict) => {
                let mut items = Vec::with_capacity(dict.items.len());
                for item in &dict.items {
                    let Some(key) = &item.key else { return refuse(&item.value, "expected a key") };
                    items.push((self.expr(key)?, self.expr(&item.value)?));
                }
                ExprKind::Dict(items)
            }
            other => return refuse(other, "this expression is not part of TorchScript's code"),
        };
        Ok(Expr { kind, place: whole })
    }

    fn subscript(&mut self, inner: Expr, index: &py::Expr) -> Converted<ExprKind> {
        let py::Expr::Slice(slice) = index else {
            return Ok(ExprKind::Subscript(Box::new(inner), Box::new(self.expr(index)?)));
        };
        if let Some(step) = &slice.step {
            return refuse(&**step, "expected a slice without step");
        }
        let mut bound =
            |bound: &Option<Box<py::Expr>>| bound.as_ref().map(|bound| self.expr(bound).map(Box::new)).transpose();
        let (begin, end) = (bound(&slice.lower)?, bound(&slice.upper)?);
        Ok(ExprKind::Slice(Box::new(inner), begin, end))
    }

    /// A negative number, which is one literal.
    fn negative(&mut self, unary: &py::ExprUnaryOp) -> Converted<ExprKind> {
        if let py::Expr::NumberLiteral(literal) = &*unary.operand {
            return number(&unary.operand, &literal.value, true);
        }
        match self.expr(&unary.operand)?.kind {
            ExprKind::Float(value) if is_infinite_word(&unary.operand) => Ok(ExprKind::Float(-value)),
            ExprKind::Complex(re, im) if is_infinite_word(&unary.operand) => Ok(ExprKind::Complex(-re, -im)),
            _ => refuse(unary, "expected a number after `-`"),
        }
    }

    /// `1.+2.j`, which is one literal.
    fn complex(&mut self, sum: &py::ExprBinOp) -> Converted<ExprKind> {
        let sign = match sum.op {
            py::Operator::Add => 1.0,
            py::Operator::Sub => -1.0,
            _ => return refuse(sum, "this expression is not part of TorchScript's code"),
        };
        let re = match self.expr(&sum.left)?.kind {
            ExprKind::Float(value) => value,
            ExprKind::Int(value) => value as f64,
            _ => return refuse(sum, "expected a complex number"),
        };
        match self.expr(&sum.right)?.kind {
            ExprKind::Complex(zero, im) if zero.to_bits() == 0 => Ok(ExprKind::Complex(re, sign * im)),
            _ => refuse(sum, "expected a complex number"),
        }
    }
}

fn number(node: &py::Expr, number: &py::Number, negative: bool) -> Converted<ExprKind> {
    let sign = if negative { -1.0 } else { 1.0 };
    Ok(match number {
        py::Number::Int(value) => {
            let value = value.as_u64().map(|value| if negative { -i128::from(value) } else { i128::from(value) });
            match value.and_then(|value| i64::try_from(value).ok()) {
                Some(value) => ExprKind::Int(value),
                None => return refuse(node, "expected an integer of 64 bits"),
            }
        }
        py::Number::Float(value) => ExprKind::Float(sign * value),
        py::Number::Complex { real, imag } => ExprKind::Complex(sign * real, sign * imag),
    })
}

/// Whether it is one of the names that stand for a number.
fn is_infinite_word(expr: &py::Expr) -> bool {
    matches!(expr, py::Expr::Name(name) if matches!(name.id.as_str(), "inf" | "nan" | "infj" | "nanj"))
}

/// Lines of a class that list names of its members.
fn is_list_of_names(name: &str) -> bool {
    matches!(name, "__parameters__" | "__buffers__" | "__forward_pre_hooks__" | "__forward_hooks__")
}

/// Whether it is this name, and only that.
fn is_name<E: std::borrow::Borrow<py::Expr>>(exprs: &[E], name: &str) -> bool {
    matches!(exprs, [expr] if matches!(expr.borrow(), py::Expr::Name(found) if found.id.as_str() == name))
}
