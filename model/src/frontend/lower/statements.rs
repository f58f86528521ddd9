//! Statements: assignments, branches, loops and context managers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::annotations::{Checked, complain, type_of};
use super::super::hierarchy::{is_unknown, tuple_items, unify};
use super::super::tree::{Expr, ExprKind, Place, Statement, StatementKind};
use super::attributes::Use;
use super::{Item, Local, Lowering, Operand};
use crate::graph::{Block, Node, NodeKind, ValueId};
use crate::types::Type;

/// What the names that a block assigned stand for at its end.
type Assigned<'a> = BTreeMap<Arc<str>, Local<'a>>;

impl<'a> Lowering<'a, '_> {
    /// Lowers statements into the innermost open block.
    pub(super) fn statements(&mut self, statements: &'a [Statement]) -> Checked<()> {
        for statement in statements {
            let outer = std::mem::replace(&mut self.statement, statement.place);
            self.statement(statement)?;
            self.check_types()?;
            self.statement = outer;
        }
        Ok(())
    }

    fn statement(&mut self, statement: &'a Statement) -> Checked<()> {
        let place = statement.place;
        match &statement.kind {
            StatementKind::Assign(target, annotation, value) => self.assign(target, annotation.as_ref(), value, place),
            StatementKind::Unpack(targets, value) => self.unpack(targets, value, place),
            StatementKind::Expr(value) => self.item(value, None).map(drop),
            StatementKind::If(condition, then, otherwise) => self.conditional(condition, then, otherwise, place),
            StatementKind::For(variable, count, body) => self.counted_loop(variable, count, body, place),
            StatementKind::While(condition, body) => self.while_loop(condition, body, place),
            StatementKind::With(manager, target, body) => self.with(manager, target.as_ref(), body, place),
            StatementKind::Return(_) => complain(place, "expected `return` only at the end of a function"),
            StatementKind::Closure(function) => {
                self.set(function.name.clone(), Local::Closure(function));
                Ok(())
            }
            StatementKind::Pass => Ok(()),
        }
    }

    fn assign(&mut self, target: &'a Expr, annotation: Option<&Expr>, value: &'a Expr, place: Place) -> Checked<()> {
        let declared = annotation.map(|ty| type_of(&self.program.class_names, ty)).transpose()?;
        let item = self.item(value, declared.as_ref())?;
        let item = match declared {
            Some(declared) => {
                let operand = self.one(item, value.place)?;
                let operand = self.convert(operand, &declared, value.place, || "the assignment".into())?;
                Item::Value(Operand { ty: declared, ..operand })
            }
            None => item,
        };
        self.store(target, item, value.place, place)
    }

    /// Lets a name stand for something, or writes an attribute.
    fn store(&mut self, target: &'a Expr, item: Item, value: Place, place: Place) -> Checked<()> {
        match &target.kind {
            ExprKind::Name(name) => {
                match item {
                    Item::Function(_) | Item::Class(_) => self.set(name.clone(), Local::Item(item)),
                    item => {
                        let operand = self.one(item, value)?;
                        self.bind(name.clone(), operand.id, operand.ty);
                    }
                }
                Ok(())
            }
            ExprKind::Attribute(object, name) => {
                let operand = self.one(item, value)?;
                self.set_attribute(object, name, operand, place)
            }
            _ => unreachable!("the parser accepts no other target"),
        }
    }

    fn set_attribute(&mut self, object: &'a Expr, name: &Arc<str>, value: Operand, place: Place) -> Checked<()> {
        let object = self.value(object)?;
        let class = match &object.ty {
            Type::Named(class) => self.classes().get(class),
            _ => None,
        };
        let Some((index, attribute)) =
            class.and_then(|class| self.program.attribute(class, name).map(|index| (index, &class.attributes[index])))
        else {
            return complain(place, format!("`{}` has no attribute `{name}` to assign to", object.ty));
        };
        let value = self.require(value, &attribute.ty, place, || format!("attribute `{name}`"))?;
        let kind = NodeKind::SetAttr { name: name.clone(), index };
        self.hint = self.attribute_span(self.statement, name, Use::Write);
        self.emit(kind, vec![object.id, value.id], &[], place);
        Ok(())
    }

    fn unpack(&mut self, targets: &'a [Expr], value: &'a Expr, place: Place) -> Checked<()> {
        let item = self.item(value, None)?;
        let items = self.unpacked(item, targets.len(), value.place)?;
        for (target, operand) in targets.iter().zip(items) {
            self.store(target, Item::Value(operand), value.place, place)?;
        }
        Ok(())
    }

    /// The `count` items of a tuple or list.
    fn unpacked(&mut self, item: Item, count: usize, place: Place) -> Checked<Vec<Operand>> {
        if let Item::Several(items) = item {
            return match items.len() == count {
                true => Ok(items),
                false => complain(place, format!("expected {count} values, found {}", items.len())),
            };
        }
        let operand = self.one(item, place)?;
        let (kind, types) = match (&operand.ty, tuple_items(self.classes(), &operand.ty)) {
            (_, Some(items)) if items.len() == count => (NodeKind::TupleUnpack, items.to_vec()),
            (_, Some(items)) => return complain(place, format!("expected {count} values, found {}", items.len())),
            (Type::List(item), None) => (NodeKind::ListUnpack, vec![(**item).clone(); count]),
            (ty, None) if is_unknown(ty) => (NodeKind::TupleUnpack, vec![ty.clone(); count]),
            (ty, None) => return complain(place, format!("expected {count} values, found `{ty}`")),
        };
        let outputs = self.emit(kind, vec![operand.id], &types, place);
        Ok(outputs.into_iter().zip(types).map(|(id, ty)| Operand { id, ty, empty_list: false }).collect())
    }

    fn conditional(
        &mut self,
        condition: &'a Expr,
        then: &'a [Statement],
        otherwise: &'a [Statement],
        place: Place,
    ) -> Checked<()> {
        let condition = self.condition(condition)?;
        let span = self.span(place);
        let (then_nodes, mut then_names) = self.scoped(|this| this.statements(then))?;
        let (else_nodes, mut else_names) = self.scoped(|this| this.statements(otherwise))?;
        let mut blocks =
            [Block { nodes: then_nodes, ..Block::default() }, Block { nodes: else_nodes, ..Block::default() }];
        let mut outputs = Vec::new();
        let names: BTreeSet<Arc<str>> = then_names.keys().chain(else_names.keys()).cloned().collect();
        for name in names {
            let before = self.locals.get(&name).cloned();
            let a = then_names.remove(&name).or_else(|| before.clone());
            let b = else_names.remove(&name).or(before);
            match (a, b) {
                // A name that one branch alone knows is not known afterwards.
                (None, _) | (_, None) => {}
                (Some(Local::Item(Item::Value(a))), Some(Local::Item(Item::Value(b)))) => {
                    match unify(self.classes(), &a.ty, &b.ty) {
                        Some(ty) => {
                            blocks[0].returns.push(a.id);
                            blocks[1].returns.push(b.id);
                            let id = self.fresh(None, ty.clone());
                            outputs.push(id);
                            self.bind(name, id, ty);
                        }
                        None => {
                            let reason =
                                format!("`{name}` is `{}` in one branch of the `if` and `{}` in the other", a.ty, b.ty);
                            self.set(name, Local::Unusable(reason.into()));
                        }
                    }
                }
                _ => {
                    let reason = format!("`{name}` is not a value after the `if`");
                    self.set(name, Local::Unusable(reason.into()));
                }
            }
        }
        self.push_with_blocks(NodeKind::If, vec![condition.id], outputs, blocks.into(), span);
        Ok(())
    }

    fn counted_loop(
        &mut self,
        variable: &'a Arc<str>,
        count: &'a Expr,
        body: &'a [Statement],
        place: Place,
    ) -> Checked<()> {
        let limit = self.value(count)?;
        let limit = self.convert(limit, &Type::Int, count.place, || "the number of trips".into())?;
        let go_on = self.bool(true, place);
        self.repeat(limit.id, go_on.id, body, place, |this, trip| {
            if let Some(trip) = trip {
                this.bind(variable.clone(), trip, Type::Int);
            }
            Ok(go_on.id)
        })
    }

    fn while_loop(&mut self, condition: &'a Expr, body: &'a [Statement], place: Place) -> Checked<()> {
        let limit = self.int(i64::MAX, place);
        let first = self.condition(condition)?;
        self.repeat(limit.id, first.id, body, place, |this, trip| match trip {
            Some(_) => Ok(first.id),
            None => Ok(this.condition(condition)?.id),
        })
    }

    /// A loop. `edge` is called with the trip's number when the body begins, and without it when it ends, where it
    /// gives the next condition.
    fn repeat(
        &mut self,
        limit: ValueId,
        first: ValueId,
        body: &'a [Statement],
        place: Place,
        mut edge: impl FnMut(&mut Self, Option<ValueId>) -> Checked<ValueId>,
    ) -> Checked<()> {
        let span = self.span(place);
        let mut assigned = BTreeSet::new();
        gather_assigned(body, &mut assigned);
        let mut carried: Vec<(Arc<str>, Operand)> = Vec::new();
        for name in assigned {
            if let Some(Local::Item(Item::Value(operand))) = self.locals.get(name) {
                carried.push((name.clone(), operand.clone()));
            }
        }
        let trip = self.fresh(None, Type::Int);
        let mut block = Block { params: vec![trip], ..Block::default() };
        let mut inputs = vec![limit, first];
        for (_, operand) in &carried {
            block.params.push(self.fresh(None, operand.ty.clone()));
            inputs.push(operand.id);
        }
        let params = block.params.clone();
        let mut returns = Vec::new();
        let (nodes, _) = self.scoped(|this| {
            for ((name, operand), &param) in carried.iter().zip(&params[1..]) {
                this.bind(name.clone(), param, operand.ty.clone());
            }
            edge(this, Some(trip))?;
            this.statements(body)?;
            returns.push(edge(this, None)?);
            for (name, operand) in &carried {
                let now = this.local(name, place)?;
                let now = this.one(now, place)?;
                returns.push(this.require(now, &operand.ty, place, || format!("`{name}` in the loop"))?.id);
            }
            Ok(())
        })?;
        block.nodes = nodes;
        block.returns = returns;
        let mut outputs = Vec::with_capacity(carried.len());
        for (name, operand) in carried {
            let id = self.fresh(None, operand.ty.clone());
            outputs.push(id);
            self.bind(name, id, operand.ty);
        }
        self.push_with_blocks(NodeKind::Loop, inputs, outputs, vec![block], span);
        Ok(())
    }

    fn with(
        &mut self,
        manager: &'a Expr,
        target: Option<&'a Expr>,
        body: &'a [Statement],
        place: Place,
    ) -> Checked<()> {
        let object = self.value(manager)?;
        let class = match &object.ty {
            Type::Named(class) => self.classes().get(class),
            _ => None,
        };
        let method = |name: &str| class.and_then(|class| class.methods.get(name).copied());
        let (Some(enter), Some(_)) = (method("__enter__"), method("__exit__")) else {
            return complain(manager.place, format!("expected a context manager, found `{}`", object.ty));
        };
        let entered = self.output.functions[enter.0 as usize].returns.clone();
        let entered = self.emit_one(NodeKind::Enter, vec![object.id], entered, manager.place);
        if let Some(target) = target {
            self.store(target, Item::Value(entered), manager.place, place)?;
        }
        self.statements(body)?;
        self.emit(NodeKind::Exit, vec![object.id], &[], manager.place);
        Ok(())
    }

    /// Lowers something into a block of its own; gives its nodes, and what it assigned.
    fn scoped(&mut self, lower: impl FnOnce(&mut Self) -> Checked<()>) -> Checked<(Vec<Node>, Assigned<'a>)> {
        let mark = self.undo.len();
        self.open.push(Vec::new());
        lower(self)?;
        let nodes = self.open.pop().expect("the block opened above");
        let mut assigned = BTreeMap::new();
        for (name, before) in self.undo.drain(mark..).rev() {
            let now = match before {
                Some(before) => self.locals.insert(name.clone(), before),
                None => self.locals.remove(&name),
            };
            // The last assignment comes first here, and is the one that counts.
            assigned.entry(name).or_insert(now.expect("what was assigned is bound"));
        }
        Ok((nodes, assigned))
    }

    fn push_with_blocks(
        &mut self,
        kind: NodeKind,
        inputs: Vec<ValueId>,
        outputs: Vec<ValueId>,
        blocks: Vec<Block>,
        span: Option<crate::graph::Span>,
    ) {
        let node = Node { id: 0, kind, inputs, outputs, blocks, span };
        self.open.last_mut().expect("a block is open").push(node);
    }

    /// A condition: a bool, or what PyTorch makes one of.
    fn condition(&mut self, condition: &'a Expr) -> Checked<Operand> {
        let operand = self.value(condition)?;
        match operand.ty {
            Type::Tensor | Type::Int | Type::Float => self.builtin_value("aten::Bool", vec![operand], condition.place),
            _ => self.require(operand, &Type::Bool, condition.place, || "the condition".into()),
        }
    }
}

/// The names that statements assign, those of closures aside.
fn gather_assigned<'a>(statements: &'a [Statement], names: &mut BTreeSet<&'a Arc<str>>) {
    fn target<'a>(target: &'a Expr, names: &mut BTreeSet<&'a Arc<str>>) {
        if let ExprKind::Name(name) = &target.kind {
            names.insert(name);
        }
    }
    for statement in statements {
        match &statement.kind {
            StatementKind::Assign(to, ..) => target(to, names),
            StatementKind::Unpack(targets, _) => targets.iter().for_each(|to| target(to, names)),
            StatementKind::If(_, then, otherwise) => {
                gather_assigned(then, names);
                gather_assigned(otherwise, names);
            }
            StatementKind::For(variable, _, body) => {
                names.insert(variable);
                gather_assigned(body, names);
            }
            StatementKind::While(_, body) => gather_assigned(body, names),
            StatementKind::With(_, to, body) => {
                to.iter().for_each(|to| target(to, names));
                gather_assigned(body, names);
            }
            StatementKind::Expr(_) | StatementKind::Return(_) | StatementKind::Closure(_) | StatementKind::Pass => {}
        }
    }
}
