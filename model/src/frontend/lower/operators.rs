//! Calls of operators: the overload, the conversions, and the defaults.

use std::sync::Arc;

use super::super::annotations::{Checked, complain};
use super::super::hierarchy::{tuple_items, unknown};
use super::super::resolve::{Conversion, Given, Match, resolve};
use super::super::tree::Place;
use super::calls::Named;
use super::{ConstantKey, Item, Lowering, Operand};
use crate::graph::NodeKind;
use crate::operators::schema::Literal;
use crate::operators::{Argument, Operator, overloads};
use crate::types::Type;
use crate::value::Value;

impl Lowering<'_, '_> {
    /// A call of an operator by name, such as `aten::add`.
    pub(super) fn builtin(&mut self, name: &str, args: Vec<Operand>, named: Named, place: Place) -> Checked<Item> {
        let Some(overloads) = overloads(name) else {
            return match name.split_once("::") {
                Some(("aten" | "prim", _)) | None => complain(place, format!("unknown operator `{name}`")),
                Some(_) => Ok(self.opaque(name, args, named, place)),
            };
        };
        let positional: Vec<_> = args.iter().map(Operand::actual).collect();
        let by_name: Vec<_> = named.iter().map(|(name, operand)| (name.clone(), operand.actual())).collect();
        match resolve(self.classes(), overloads, self.program.version, &positional, &by_name) {
            Ok(found) => {
                let operands = args.into_iter().chain(named.into_iter().map(|(_, operand)| operand)).collect();
                self.emit_operator(found, positional.len(), operands, place)
            }
            Err(message) => complain(place, message),
        }
    }

    /// The same, of an operator with one result.
    pub(super) fn builtin_value(&mut self, name: &str, args: Vec<Operand>, place: Place) -> Checked<Operand> {
        let item = self.builtin(name, args, Named::new(), place)?;
        self.one(item, place)
    }

    fn emit_operator(
        &mut self,
        found: Match,
        positional: usize,
        operands: Vec<Operand>,
        place: Place,
    ) -> Checked<Item> {
        let mut inputs = Vec::with_capacity(found.arguments.len());
        for (given, argument) in found.arguments.iter().zip(&found.operator.schema.arguments) {
            let input = match given {
                Given::Argument(index, conversion) => self.apply(operands[*index].clone(), conversion, place)?,
                Given::Collected(from, item, conversions) => {
                    let mut items = Vec::with_capacity(conversions.len());
                    for (operand, conversion) in operands[*from..positional].iter().zip(conversions) {
                        items.push(self.apply(operand.clone(), conversion, place)?);
                    }
                    self.list_of(items, item.clone(), place)
                }
                Given::Default => self.default_argument(argument, place),
            };
            inputs.push(input.id);
        }
        inputs.extend(operands[found.rest..positional].iter().map(|operand| operand.id));
        let outputs = self.emit(node_kind(found.operator), inputs, &found.returns, place);
        let mut results: Vec<Operand> =
            outputs.into_iter().zip(found.returns).map(|(id, ty)| Operand { id, ty, empty_list: false }).collect();
        Ok(match results.len() {
            0 => Item::Nothing,
            1 => Item::Value(results.remove(0)),
            _ => Item::Several(results),
        })
    }

    /// A call of something without schema: it gets everything, and may return anything.
    pub(super) fn opaque(&mut self, name: &str, args: Vec<Operand>, named: Named, place: Place) -> Item {
        let inputs = args.iter().chain(named.iter().map(|(_, operand)| operand)).map(|operand| operand.id).collect();
        Item::Value(self.emit_one(NodeKind::Opaque(name.into()), inputs, unknown(), place))
    }

    /// Does to a value what makes it fit.
    pub(super) fn apply(&mut self, operand: Operand, conversion: &Conversion, place: Place) -> Checked<Operand> {
        Ok(match conversion {
            Conversion::None => operand,
            Conversion::Call(name, _) => self.builtin_value(name, vec![operand], place)?,
            Conversion::Repeat(count) => {
                let item = operand.ty.clone();
                self.list_of(vec![operand; *count], item, place)
            }
            Conversion::EmptyList(item) => self.list_of(Vec::new(), item.clone(), place),
            Conversion::TupleToList(item) => {
                let items = self.tuple_operands(operand, place);
                self.list_of(items, item.clone(), place)
            }
            Conversion::Items(conversions, _) => {
                let items = self.tuple_operands(operand, place);
                let mut converted = Vec::with_capacity(items.len());
                for (item, conversion) in items.into_iter().zip(conversions) {
                    converted.push(self.apply(item, conversion, place)?);
                }
                self.tuple(converted, None, place)
            }
        })
    }

    fn tuple_operands(&mut self, tuple: Operand, place: Place) -> Vec<Operand> {
        let types = tuple_items(self.classes(), &tuple.ty).expect("only tuples are converted so");
        let outputs = self.emit(NodeKind::TupleUnpack, vec![tuple.id], &types, place);
        outputs
            .into_iter()
            .zip(types.iter())
            .map(|(id, ty)| Operand { id, ty: ty.clone(), empty_list: false })
            .collect()
    }

    fn list_of(&mut self, items: Vec<Operand>, item: Type, place: Place) -> Operand {
        let inputs = items.iter().map(|operand| operand.id).collect();
        self.emit_one(NodeKind::ListConstruct(item.clone()), inputs, Type::list(item), place)
    }

    /// The default of an argument, as the schema has it.
    fn default_argument(&mut self, argument: &Argument, place: Place) -> Operand {
        let default = argument.default.as_ref().expect("resolution found a default");
        self.schema_literal(default, &argument.ty, argument.size, place)
    }

    fn schema_literal(&mut self, literal: &Literal, ty: &Type, size: Option<usize>, place: Place) -> Operand {
        let ty = super::expressions::without_optional(ty);
        match (literal, ty) {
            (Literal::None, _) => self.none(place),
            (Literal::List(items), Type::List(item)) => {
                let items = items.iter().map(|literal| self.schema_literal(literal, item, None, place)).collect();
                self.list_of(items, (**item).clone(), place)
            }
            (single, Type::List(item)) => {
                let single = self.schema_literal(single, item, None, place);
                self.list_of(vec![single; size.unwrap_or(1)], (**item).clone(), place)
            }
            (Literal::Bool(value), _) => self.bool(*value, place),
            (Literal::Int(value), Type::Float) => self.float(*value as f64, place),
            (Literal::Int(value), Type::Bool) => self.bool(*value != 0, place),
            (Literal::Int(value), _) => self.int(*value, place),
            (Literal::Float(value), _) => self.float(*value, place),
            (Literal::Str(text), _) => {
                self.constant(ConstantKey::Str(text.clone()), Value::Str(text.clone()), Type::Str, place)
            }
            (Literal::List(_), _) => unreachable!("a list is the default of a list"),
        }
    }

    fn float(&mut self, value: f64, place: Place) -> Operand {
        self.constant(ConstantKey::Float(value.to_bits()), Value::Float(value), Type::Float, place)
    }
}

/// Some operators are kinds of nodes.
fn node_kind(operator: &'static Operator) -> NodeKind {
    match operator.name {
        "aten::wait" => NodeKind::Wait,
        "prim::awaitable_wait" => NodeKind::AwaitableWait,
        "prim::awaitable_nowait" => NodeKind::AwaitableNowait,
        "prim::Print" => NodeKind::Print,
        "prim::RaiseException" => NodeKind::RaiseException,
        "prim::unchecked_cast" => NodeKind::UncheckedCast,
        "prim::EnumName" => NodeKind::EnumName,
        "prim::EnumValue" => NodeKind::EnumValue,
        _ => NodeKind::Operator(operator),
    }
}

/// The name of the operator behind a word such as `len`.
pub(super) fn operator_of_word(word: &str) -> Option<Arc<str>> {
    let name = match word {
        "print" => "prim::Print",
        "min" | "max" | "abs" | "id" | "rangelist" => return Some(format!("prim::{word}").into()),
        "len" | "sorted" | "hex" | "oct" | "round" | "hash" | "all" | "any" | "divmod" | "sum" | "list" | "ord"
        | "chr" | "bin" => return Some(format!("aten::{word}").into()),
        "_to_tensor" => "prim::NumToTensor",
        _ => return None,
    };
    Some(name.into())
}
