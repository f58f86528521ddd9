//! What operators on lists and dicts of any type do: their schemas are matched against what they are given.

use super::forks::ForkId;
use super::heap::{LocationId, Maker, Thing};
use super::interpret::{Frame, Interpreter};
use super::lattice::{Abstract, Constant};
use super::operator::Result;
use super::record::is_one;
use crate::graph::Node;
use crate::operators::Operator;
use crate::types::Type;

impl Interpreter<'_> {
    /// What is put into containers by the call.
    pub(super) fn store_arguments(
        &mut self,
        frame: Frame,
        node: &Node,
        operator: &'static Operator,
        args: &[Abstract],
    ) {
        if !is_generic(operator) {
            return;
        }
        let arguments = &operator.schema.arguments;
        for (i, argument) in arguments.iter().enumerate() {
            if !argument.alias.as_ref().is_some_and(|alias| alias.writes) || !is_container(&argument.ty) {
                continue;
            }
            self.note_write(frame, node, operator, &args[i]);
            for (j, other) in arguments.iter().enumerate() {
                let value = match &other.ty {
                    Type::Variable(_) => args[j].clone(),
                    ty if j != i && is_container(ty) => self.content(&args[j], None),
                    Type::Tensor if has_tensors_for_keys(&argument.ty) => args[j].clone(),
                    _ => continue,
                };
                self.store_all(&args[i], 0, &value);
            }
        }
    }

    /// What an operator of any type gives.
    pub(super) fn generic_result(
        &mut self,
        frame: Frame,
        operator: &'static Operator,
        Result { returned, ty, .. }: Result<'_>,
        args: &[Abstract],
        maker: Maker,
    ) -> Abstract {
        let writes = returned.alias.as_ref().is_some_and(|alias| alias.writes);
        if writes && is_container(&returned.ty) {
            let first = operator.schema.arguments.iter().position(|argument| is_container(&argument.ty));
            return first.map_or_else(Abstract::any, |i| args[i].clone());
        }
        // The index or key that is asked for; only inputs tell their items apart.
        let at = match operator.name {
            "aten::__getitem__" => args.get(1).and_then(Abstract::constant),
            _ => None,
        };
        let mut held = Held::default();
        for (argument, arg) in operator.schema.arguments.iter().zip(args) {
            if argument.ty.mentions_variable() {
                let bound = self.bound(&argument.ty, arg, at);
                held.values.join(&bound);
                held.keys |= has_tensors_for_keys(&argument.ty);
            }
        }
        self.built(frame, (&returned.ty, ty), &held, maker, 0)
    }

    /// What the type variable of `ty` stands for where `arg` is given for it. Keys that are tensors count as values, here and in
    /// what a dict holds.
    fn bound(&mut self, ty: &Type, arg: &Abstract, at: Option<&Constant>) -> Abstract {
        match ty {
            Type::Variable(_) | Type::Tensor => arg.clone(),
            Type::Optional(item) => {
                let some = if self.heap.is_none(arg) == Some(true) { Abstract::default() } else { arg.clone() };
                self.bound(item, &some, at)
            }
            Type::List(item) | Type::Dict(_, item) => {
                let content = self.content(arg, at);
                self.bound(item, &content, None)
            }
            Type::Tuple(items) => {
                let mut bound = Abstract::default();
                for (i, item) in items.iter().enumerate() {
                    let item = self.bound(item, &arg.item(i), None);
                    bound.join(&item);
                }
                bound
            }
            _ => Abstract::default(),
        }
    }

    /// A result of a type of a schema, and of the graph.
    fn built(
        &mut self,
        frame: Frame,
        (returned, ty): (&Type, &Type),
        held: &Held,
        maker: Maker,
        part: u16,
    ) -> Abstract {
        match (returned, ty) {
            (Type::Variable(_), _) => held.values.clone(),
            (Type::Tensor, _) if held.keys => held.values.clone(),
            (Type::Optional(item), _) => {
                let ty = if let Type::Optional(ty) = ty { ty } else { ty };
                let mut value = self.built(frame, (item, ty), held, maker, part);
                value.join(&Abstract::known(Constant::None));
                value
            }
            (Type::List(item), Type::List(of)) | (Type::Dict(_, item), Type::Dict(_, of)) => {
                let made = self.heap.made(ty, maker, part);
                self.renew(frame, &made);
                let item = self.built(frame, (item, of), held, maker, part + 1);
                self.store_all(&made, 0, &item);
                made
            }
            (Type::Tuple(items), Type::Tuple(of)) => {
                let item = |(i, pair)| self.built(frame, pair, held, maker, part + 1 + i as u16);
                let items: Vec<_> = items.iter().zip(of.iter()).enumerate().map(item).collect();
                Abstract::tuple(items)
            }
            _ => self.made_result(ty, maker, part),
        }
    }

    /// An operator writes a container, which may be a list of futures.
    fn note_write(&mut self, frame: Frame, node: &Node, operator: &Operator, written: &Abstract) {
        if self.recorder.is_none() {
            return;
        }
        let appends = operator.name == "aten::append";
        for list in self.locations(written) {
            let (recorder, list_of) = (self.recorder.as_mut().expect("it records"), self.heap.location(list));
            recorder.write_list(&list_of.origin, list_of.scope);
            if !appends {
                recorder.lose(list);
            }
        }
        if let Some(list) = self.only_list(frame, node.inputs[0]).filter(|_| appends) {
            let value = self.input(frame, node, 1);
            self.append(list, &value);
        }
    }

    /// A value is put into a list: if it is a future, the list has it now.
    pub(super) fn append(&mut self, list: LocationId, value: &Abstract) {
        let Some(recorder) = &mut self.recorder else { return };
        if let Some(&Thing::Future { fork, last: true, scope }) =
            value.things.single().map(|thing| self.heap.thing(thing))
        {
            recorder.hold((fork, scope), list, &self.heap.location(list).origin, &self.forks);
        }
    }

    /// A list is made, perhaps where one was made before.
    pub(super) fn renew(&mut self, frame: Frame, made: &Abstract) {
        let locations = self.locations(made);
        let Some(recorder) = &mut self.recorder else { return };
        for list in locations {
            let several = frame.repeats || !is_one(frame.fork, ForkId::MAIN, &self.forks);
            recorder.renew(list, &self.heap.location(list).origin, several);
        }
    }
}

/// What a call of an operator of any type is given.
#[derive(Default)]
struct Held {
    /// What the type variable stands for.
    values: Abstract,
    /// Whether keys of dicts are among them, which are tensors.
    keys: bool,
}

/// Whether the operator is one for containers of any type.
pub(super) fn is_generic(operator: &Operator) -> bool {
    operator.schema.arguments.iter().any(|argument| argument.ty.mentions_variable())
}

/// Whether it is the type of dicts whose keys are things.
pub(super) fn has_tensors_for_keys(ty: &Type) -> bool {
    matches!(ty, Type::Dict(key, _) if **key == Type::Tensor)
}

fn is_container(ty: &Type) -> bool {
    matches!(ty, Type::List(_) | Type::Dict(..))
}
