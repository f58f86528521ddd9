//! Forked closures: functions of their own, whose parameters are what they take from the function around them.

use std::sync::Arc;

use super::super::annotations::{Checked, complain};
use super::super::tree::{self, Expr, ExprKind, Place, Statement, StatementKind};
use super::{Item, Local, Lowering, Operand};
use crate::graph::{Block, Graph, NodeKind, Span, ValueId};
use crate::module::{AWAITABLE_BODY, Function, FunctionId, Parameter};
use crate::types::Type;

impl<'a> Lowering<'a, '_> {
    /// `fork(name)` and `awaitable(name)`.
    pub(super) fn start(&mut self, word: &str, closure: &'a Expr, place: Place) -> Checked<Operand> {
        let body = match &closure.kind {
            ExprKind::Name(name) => match self.locals.get(name) {
                Some(Local::Closure(body)) => *body,
                Some(_) => return complain(closure.place, format!("expected a closure to {word}, found `{name}`")),
                None => return complain(closure.place, format!("unknown name `{name}`")),
            },
            _ => return complain(closure.place, format!("expected the name of a closure to {word}")),
        };
        let kind = if word == "fork" { "<forked function>" } else { AWAITABLE_BODY };
        let (id, inputs, returns) = self.closure(body, kind, place)?;
        // Tracing leaves the fork without a place, but the stack of what it runs goes through it.
        let body = &self.output.functions[id.0 as usize].graph.body;
        let traced = body.nodes.iter().find_map(|node| node.span.as_ref()?.source().traced_fork());
        if let Some(source) = traced {
            self.hint = Some(Span::new(Arc::new(source), 0, 0));
        }
        Ok(match word {
            "fork" => self.emit_one(NodeKind::Fork(id), inputs, Type::future(returns), place),
            _ => self.emit_one(NodeKind::Awaitable(id), inputs, Type::Await(Arc::new(returns)), place),
        })
    }

    /// Lowers a closure to a function. The captured values come in the order of their first use, as in PyTorch.
    fn closure(
        &mut self,
        body: &'a tree::Function,
        kind: &str,
        place: Place,
    ) -> Checked<(FunctionId, Vec<ValueId>, Type)> {
        let mut names = Names::default();
        names.statements(&body.body);
        let name: Arc<str> = format!("{}.{kind}", self.name).into();
        let started_at = self.span(place);
        let mut inner = Lowering::new(self.program, &mut *self.output, self.file, name.clone());
        inner.last_span = started_at;
        inner.numbers = Some(Default::default());
        let mut captured: Vec<(Arc<str>, ValueId, Operand)> = Vec::new();
        for used in names.0 {
            match self.locals.get(used) {
                Some(Local::Item(Item::Value(operand))) => {
                    let param = inner.fresh(None, operand.ty.clone());
                    inner.bind(used.clone(), param, operand.ty.clone());
                    captured.push((used.clone(), param, operand.clone()));
                }
                Some(other) => inner.set(used.clone(), other.clone()),
                None => {}
            }
        }
        let (result, _) = inner.body(body)?;
        let mut graph = inner.finish(Vec::new(), result.id);
        for (key, number) in inner.numbers.take().expect("it was set above") {
            captured.push(("constant".into(), number.param, self.number(key, number.value, number.ty, number.place)));
        }
        let order = first_uses(&graph);
        captured.retain(|(_, param, _)| order[param.0 as usize] != u32::MAX);
        captured.sort_by_key(|(_, param, _)| order[param.0 as usize]);
        graph.body.params = captured.iter().map(|(_, param, _)| *param).collect();
        let params = captured
            .iter()
            .map(|(name, _, operand)| Parameter { name: name.clone(), ty: operand.ty.clone(), default: None })
            .collect();
        let inputs = captured.into_iter().map(|(_, _, operand)| operand.id).collect();
        self.output.functions.push(Function { name, params, returns: result.ty.clone(), graph });
        Ok((FunctionId(self.output.functions.len() as u32 - 1), inputs, result.ty))
    }
}

/// For each value, when it is first used: a number that grows with program order; the greatest if never.
fn first_uses(graph: &Graph) -> Vec<u32> {
    fn note(ids: &[ValueId], next: &mut u32, order: &mut [u32]) {
        for id in ids {
            let first = &mut order[id.0 as usize];
            if *first == u32::MAX {
                *first = *next;
                *next += 1;
            }
        }
    }
    fn visit(block: &Block, next: &mut u32, order: &mut [u32]) {
        for node in &block.nodes {
            note(&node.inputs, next, order);
            node.blocks.iter().for_each(|block| visit(block, next, order));
        }
        note(&block.returns, next, order);
    }
    let mut order = vec![u32::MAX; graph.values.len()];
    visit(&graph.body, &mut 0, &mut order);
    order
}

/// The names that a closure mentions, in the order of the text, each once.
#[derive(Default)]
struct Names<'a>(indexmap::IndexSet<&'a Arc<str>, rustc_hash::FxBuildHasher>);

impl<'a> Names<'a> {
    fn statements(&mut self, statements: &'a [Statement]) {
        for statement in statements {
            match &statement.kind {
                StatementKind::Assign(target, _, value) => {
                    self.expr(value);
                    self.expr(target);
                }
                StatementKind::Unpack(targets, value) => {
                    self.expr(value);
                    self.exprs(targets);
                }
                StatementKind::Expr(value) | StatementKind::Return(Some(value)) => self.expr(value),
                StatementKind::If(condition, then, otherwise) => {
                    self.expr(condition);
                    self.statements(then);
                    self.statements(otherwise);
                }
                StatementKind::For(_, count, body) => {
                    self.expr(count);
                    self.statements(body);
                }
                StatementKind::While(condition, body) => {
                    self.expr(condition);
                    self.statements(body);
                }
                StatementKind::With(manager, _, body) => {
                    self.expr(manager);
                    self.statements(body);
                }
                StatementKind::Closure(closure) => self.statements(&closure.body),
                StatementKind::Return(None) | StatementKind::Pass => {}
            }
        }
    }

    fn exprs(&mut self, exprs: &'a [Expr]) {
        exprs.iter().for_each(|expr| self.expr(expr));
    }

    fn expr(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Name(name) => {
                self.0.insert(name);
            }
            ExprKind::Attribute(inner, _) => self.expr(inner),
            ExprKind::Call(callee, args, named) => {
                self.expr(callee);
                self.exprs(args);
                named.iter().for_each(|(_, arg)| self.expr(arg));
            }
            ExprKind::Subscript(inner, index) => {
                self.expr(inner);
                self.expr(index);
            }
            ExprKind::Slice(inner, begin, end) => {
                self.expr(inner);
                begin.iter().chain(end).for_each(|bound| self.expr(bound));
            }
            ExprKind::Tuple(items) | ExprKind::List(items) => self.exprs(items),
            ExprKind::Dict(items) => items.iter().for_each(|(key, value)| {
                self.expr(key);
                self.expr(value);
            }),
            ExprKind::None
            | ExprKind::Bool(_)
            | ExprKind::Int(_)
            | ExprKind::Float(_)
            | ExprKind::Complex(..)
            | ExprKind::Str(_) => {}
        }
    }
}
