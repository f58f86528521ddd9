//! The words that are no operators: `annotate`, `fork`, `isinstance` and their like.

use std::sync::Arc;

use super::super::annotations::{Checked, complain, type_of};
use super::super::hierarchy::{is_subtype, is_unknown};
use super::super::tree::{Expr, ExprKind, Place};
use super::operators::operator_of_word;
use super::{Item, Lowering, Operand};
use crate::graph::NodeKind;
use crate::types::Type;

impl<'a> Lowering<'a, '_> {
    /// A call of something that is no local name.
    pub(super) fn call_by_word(
        &mut self,
        word: &str,
        callee: &'a Expr,
        args: &'a [Expr],
        named: &'a [(Arc<str>, Expr)],
        hint: Option<&Type>,
        place: Place,
    ) -> Checked<Item> {
        let value = match (word, args, named) {
            ("annotate", [ty, value], []) => self.annotate(ty, value, place)?,
            ("unchecked_cast", [ty, value], []) => {
                let ty = type_of(&self.program.class_names, ty)?;
                let value = self.value(value)?;
                self.emit_one(NodeKind::UncheckedCast, vec![value.id], ty, place)
            }
            ("uninitialized", [ty], []) => {
                let ty = type_of(&self.program.class_names, ty)?;
                self.emit_one(NodeKind::Uninitialized, Vec::new(), ty, place)
            }
            ("fork" | "awaitable", [closure], []) => self.start(word, closure, place)?,
            ("isinstance", [value, types], []) => self.is_instance(value, types, place)?,
            ("getattr", [object, name], []) => {
                let ExprKind::Str(name) = &name.kind else { return complain(name.place, "expected a string") };
                let object = self.value(object)?;
                self.attribute_of(object, name, place)?
            }
            ("int", [value], []) => self.cast(value, Type::Int, "aten::Int", place)?,
            ("float", [value], []) => self.cast(value, Type::Float, "aten::Float", place)?,
            ("bool", [value], []) => self.cast(value, Type::Bool, "aten::Bool", place)?,
            ("str", [value], []) => self.cast(value, Type::Str, "aten::str", place)?,
            ("complex", [value], []) => self.cast(value, Type::Complex, "aten::Complex", place)?,
            ("complex", ..) => {
                let (args, named) = self.arguments(args, named)?;
                return self.builtin("aten::Complex", args, named, place);
            }
            ("tuple", [value], []) => {
                let value = self.item(value, hint)?;
                return Ok(value);
            }
            _ => {
                let Some(operator) = operator_of_word(word) else {
                    return complain(
                        callee.place,
                        format!("unknown name `{word}`, called with {} arguments", args.len()),
                    );
                };
                let (args, named) = self.arguments(args, named)?;
                return self.builtin(&operator, args, named, place);
            }
        };
        Ok(Item::Value(value))
    }

    /// `annotate(T, e)`: `e` is taken for a `T` from here on.
    fn annotate(&mut self, ty: &Expr, value: &'a Expr, place: Place) -> Checked<Operand> {
        let ty = type_of(&self.program.class_names, ty)?;
        let item = self.item(value, Some(&ty))?;
        let operand = self.one(item, value.place)?;
        let operand = self.convert(operand, &ty, place, || "in `annotate`".into())?;
        Ok(Operand { ty, ..operand })
    }

    /// `int(x)` and its like: nothing where it is one already.
    fn cast(&mut self, value: &'a Expr, ty: Type, operator: &str, place: Place) -> Checked<Operand> {
        let operand = self.value(value)?;
        if is_subtype(self.classes(), &operand.ty, &ty) {
            return Ok(operand);
        }
        self.builtin_value(operator, vec![operand], place)
    }

    fn is_instance(&mut self, value: &'a Expr, types: &Expr, place: Place) -> Checked<Operand> {
        let types = match &types.kind {
            ExprKind::Tuple(types) => {
                types.iter().map(|ty| type_of(&self.program.class_names, ty)).collect::<Checked<_>>()?
            }
            _ => vec![type_of(&self.program.class_names, types)?],
        };
        let value = self.value(value)?;
        // What the types already say is not asked: a NamedTuple is a bare tuple when the program runs.
        if !is_unknown(&value.ty) && types.iter().any(|ty| is_subtype(self.classes(), &value.ty, ty)) {
            return Ok(self.bool(true, place));
        }
        Ok(self.emit_one(NodeKind::IsInstance(types), vec![value.id], Type::Bool, place))
    }

    /// `x.tolist()`, whose result is only known from the annotation around it.
    pub(super) fn tensor_to_list(&mut self, tensor: Operand, hint: Option<&Type>, place: Place) -> Checked<Operand> {
        let mut item = hint;
        while let Some(Type::List(inner)) = item {
            item = Some(inner);
        }
        match (hint, item) {
            (Some(ty), Some(Type::Int | Type::Float | Type::Bool | Type::Complex)) => {
                Ok(self.emit_one(NodeKind::ToList, vec![tensor.id], ty.clone(), place))
            }
            _ => complain(place, "expected `annotate(…)` around `tolist()`, with lists of numbers"),
        }
    }
}
