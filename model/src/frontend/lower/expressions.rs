//! Expressions other than calls.

use std::sync::Arc;

use num_complex::Complex64;

use super::super::annotations::{Checked, complain, dotted};
use super::super::declare::table_index;
use super::super::hierarchy::{is_subtype, tuple_items, unify};
use super::super::resolve::conversion;
use super::super::tree::{Expr, ExprKind, Place};
use super::attributes::Use;
use super::{ConstantKey, Item, Local, Lowering, Operand};
use crate::graph::NodeKind;
use crate::module::ClassKind;
use crate::types::Type;
use crate::value::Value;

impl<'a> Lowering<'a, '_> {
    /// An expression as one value.
    pub(super) fn value(&mut self, expr: &'a Expr) -> Checked<Operand> {
        let item = self.item(expr, None)?;
        self.one(item, expr.place)
    }

    /// What an expression stands for; `hint` is the type that the code declares for it.
    pub(super) fn item(&mut self, expr: &'a Expr, hint: Option<&Type>) -> Checked<Item> {
        let place = expr.place;
        Ok(Item::Value(match &expr.kind {
            ExprKind::Name(name) => return self.local(name, place),
            ExprKind::None => self.none(place),
            ExprKind::Bool(value) => self.bool(*value, place),
            ExprKind::Int(value) => self.number(ConstantKey::Int(*value), Value::Int(*value), Type::Int, place),
            ExprKind::Float(value) if value.is_finite() => {
                self.number(ConstantKey::Float(value.to_bits()), Value::Float(*value), Type::Float, place)
            }
            ExprKind::Float(value) => {
                self.constant(ConstantKey::Float(value.to_bits()), Value::Float(*value), Type::Float, place)
            }
            ExprKind::Complex(re, im) => {
                let value = Value::Complex(Box::new(Complex64::new(*re, *im)));
                self.constant(ConstantKey::Complex(re.to_bits(), im.to_bits()), value, Type::Complex, place)
            }
            ExprKind::Str(text) => {
                self.constant(ConstantKey::Str(text.clone()), Value::Str(text.clone()), Type::Str, place)
            }
            ExprKind::Tuple(items) => {
                let types = match hint.map(without_optional) {
                    Some(Type::Tuple(types)) => Some(types),
                    _ => None,
                };
                let mut operands = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    let item_value = self.item(item, types.and_then(|types| types.get(i)))?;
                    operands.push(self.one(item_value, item.place)?);
                }
                return Ok(Item::Several(operands));
            }
            ExprKind::List(items) => self.list(items, hint, place)?,
            ExprKind::Dict(items) => self.dict(items, hint, place)?,
            ExprKind::Attribute(object, name) => return self.attribute(expr, object, name),
            ExprKind::Subscript(container, index) => return self.subscript(container, index, hint, place),
            ExprKind::Slice(tuple, begin, end) => self.slice(tuple, begin.as_deref(), end.as_deref(), place)?,
            ExprKind::Call(callee, args, named) => return self.call(expr, callee, args, named, hint),
        }))
    }

    /// What a name stands for.
    pub(super) fn local(&mut self, name: &str, place: Place) -> Checked<Item> {
        match self.locals.get(name) {
            Some(Local::Item(item)) => Ok(item.clone()),
            Some(Local::Closure(_)) => complain(place, format!("closure `{name}` can only be forked")),
            Some(Local::Unusable(reason)) => complain(place, &**reason),
            None => complain(place, format!("unknown name `{name}`")),
        }
    }

    fn list(&mut self, items: &'a [Expr], hint: Option<&Type>, place: Place) -> Checked<Operand> {
        let declared = match hint.map(without_optional) {
            Some(Type::List(item)) => Some((**item).clone()),
            _ => None,
        };
        let mut operands = self.items(items, declared.as_ref())?;
        let item = match &declared {
            Some(item) => {
                operands =
                    self.convert_all(operands, items.iter().map(|item| item.place), item, "an item of the list")?;
                item.clone()
            }
            None => self.common_type(&operands, place, "items of the list")?.unwrap_or(Type::Tensor),
        };
        let inputs = operands.iter().map(|operand| operand.id).collect();
        let kind = NodeKind::ListConstruct(item.clone());
        let list = self.emit_one(kind, inputs, Type::list(item), place);
        Ok(Operand { empty_list: items.is_empty() && declared.is_none(), ..list })
    }

    fn dict(&mut self, items: &'a [(Expr, Expr)], hint: Option<&Type>, place: Place) -> Checked<Operand> {
        let declared = match hint.map(without_optional) {
            Some(Type::Dict(key, value)) => Some(((**key).clone(), (**value).clone())),
            _ => None,
        };
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for (key, value) in items {
            keys.push(self.value(key)?);
            let item = self.item(value, declared.as_ref().map(|(_, value)| value))?;
            values.push(self.one(item, value.place)?);
        }
        let (key, value) = match declared {
            Some((key, value)) => {
                keys = self.convert_all(keys, items.iter().map(|item| item.0.place), &key, "a key of the dict")?;
                values =
                    self.convert_all(values, items.iter().map(|item| item.1.place), &value, "a value of the dict")?;
                (key, value)
            }
            None => (
                self.common_type(&keys, place, "keys of the dict")?.unwrap_or(Type::Str),
                self.common_type(&values, place, "values of the dict")?.unwrap_or(Type::Tensor),
            ),
        };
        let inputs = keys.iter().zip(&values).flat_map(|(key, value)| [key.id, value.id]).collect();
        let ty = Type::dict(key.clone(), value.clone());
        Ok(self.emit_one(NodeKind::DictConstruct(key, value), inputs, ty, place))
    }

    fn items(&mut self, items: &'a [Expr], hint: Option<&Type>) -> Checked<Vec<Operand>> {
        let mut operands = Vec::with_capacity(items.len());
        for expr in items {
            let item = self.item(expr, hint)?;
            operands.push(self.one(item, expr.place)?);
        }
        Ok(operands)
    }

    fn convert_all(
        &mut self,
        operands: Vec<Operand>,
        places: impl Iterator<Item = Place>,
        ty: &Type,
        what: &str,
    ) -> Checked<Vec<Operand>> {
        operands
            .into_iter()
            .zip(places)
            .map(|(operand, place)| self.convert(operand, ty, place, || what.into()))
            .collect()
    }

    /// The type that all have in common; `None` if there are none.
    fn common_type(&self, operands: &[Operand], place: Place, what: &str) -> Checked<Option<Type>> {
        let Some((first, rest)) = operands.split_first() else { return Ok(None) };
        let mut common = first.ty.clone();
        for operand in rest {
            common = match unify(self.classes(), &common, &operand.ty) {
                Some(common) => common,
                None => return complain(place, format!("{what} are `{common}` and `{}`", operand.ty)),
            };
        }
        Ok(Some(common))
    }

    fn attribute(&mut self, whole: &'a Expr, object: &'a Expr, name: &Arc<str>) -> Checked<Item> {
        if let Some(path) = self.global_path(whole) {
            return self.global(whole, &path);
        }
        let object = self.value(object)?;
        self.attribute_of(object, name, whole.place).map(Item::Value)
    }

    /// The dotted path, if it starts at none of the locals but at one of the global names.
    pub(super) fn global_path(&self, expr: &Expr) -> Option<String> {
        let mut root = expr;
        while let ExprKind::Attribute(inner, _) = &root.kind {
            root = inner;
        }
        match &root.kind {
            ExprKind::Name(name)
                if matches!(&**name, "__torch__" | "torch" | "ops" | "CONSTANTS")
                    && !self.locals.contains_key(name) =>
            {
                dotted(expr)
            }
            _ => None,
        }
    }

    /// What a global path stands for, where it is not called.
    fn global(&mut self, expr: &'a Expr, path: &str) -> Checked<Item> {
        let place = expr.place;
        if let Some(index) = table_index(expr)? {
            return self.table_constant(index, place).map(Item::Value);
        }
        if let Some(&id) = self.program.names.get(path) {
            return Ok(Item::Function(id));
        }
        if let Some(class) = self.classes().get(path) {
            return Ok(Item::Class(class.clone()));
        }
        if let Some((class, name)) = path.rsplit_once('.')
            && let Some(class) = self.classes().get(class)
            && let Some(value @ Value::Enum(_)) = class.constants.get(name)
        {
            let key = ConstantKey::Member(class.name.clone(), name.into());
            return Ok(Item::Value(self.constant(key, value.clone(), Type::Named(class.name.clone()), place)));
        }
        complain(place, format!("unknown name `{path}`"))
    }

    fn table_constant(&mut self, index: usize, place: Place) -> Checked<Operand> {
        let table = self.output.table;
        let Some(value) = table.get(index) else {
            return complain(place, format!("constant {index} of a table of {}", table.len()));
        };
        Ok(self.constant(ConstantKey::Table(index), value.clone(), type_of_value(value), place))
    }

    /// Reads an attribute of an object, or what else stands behind the dot.
    pub(super) fn attribute_of(&mut self, object: Operand, name: &Arc<str>, place: Place) -> Checked<Operand> {
        if let Type::Named(class) = &object.ty
            && let Some(class) = self.classes().get(class)
        {
            if let Some(index) = self.program.attribute(class, name) {
                let ty = class.attributes[index].ty.clone();
                let kind = match class.kind {
                    ClassKind::NamedTuple => NodeKind::TupleIndex(index),
                    _ => NodeKind::GetAttr { name: name.clone(), index },
                };
                if matches!(kind, NodeKind::GetAttr { .. }) {
                    self.hint = self.attribute_span(place, name, Use::Read);
                }
                return Ok(self.emit_one(kind, vec![object.id], ty, place));
            }
            if class.kind == ClassKind::Enum && matches!(&**name, "name" | "value") {
                return self.enum_field(object, class, name, place);
            }
            if let Some(&index) = self.program.table_constants.get(&(class.name.clone(), name.clone())) {
                return self.table_constant(index, place);
            }
            if let Some(value) = class.constants.get(name) {
                let key = ConstantKey::Member(class.name.clone(), name.clone());
                return Ok(self.constant(key, value.clone(), type_of_value(value), place));
            }
        }
        // `x.dtype` and its like are operators.
        let operator = format!("prim::{name}");
        match object.ty {
            Type::Tensor | Type::Device if crate::operators::overloads(&operator).is_some() => {
                self.builtin_value(&operator, vec![object], place)
            }
            ty => complain(place, format!("`{ty}` has no attribute `{name}`")),
        }
    }

    fn enum_field(
        &mut self,
        member: Operand,
        class: &crate::module::Class,
        name: &str,
        place: Place,
    ) -> Checked<Operand> {
        let (kind, ty) = match (name, class.constants.values().next()) {
            ("name", _) => (NodeKind::EnumName, Type::Str),
            (_, Some(Value::Enum(first))) => (NodeKind::EnumValue, type_of_value(&first.value)),
            _ => return complain(place, format!("enum `{}` has no members", class.name)),
        };
        Ok(self.emit_one(kind, vec![member.id], ty, place))
    }

    fn subscript(&mut self, container: &'a Expr, index: &'a Expr, hint: Option<&Type>, place: Place) -> Checked<Item> {
        let container = self.value(container)?;
        if let Some(items) = tuple_items(self.classes(), &container.ty) {
            return self.tuple_index(container, &items, index, place).map(Item::Value);
        }
        let index = self.value(index)?;
        if let Type::Named(class) = &container.ty
            && let Some(class) = self.classes().get(class)
        {
            // The declared type of the result is an interface that every item of the container has.
            if let (ClassKind::Module { .. }, Some(ty)) = (&class.kind, hint) {
                let inputs = vec![container.id, index.id];
                return Ok(Item::Value(self.emit_one(NodeKind::ContainerIndex, inputs, ty.clone(), place)));
            }
            return self.call_method(container, &"__getitem__".into(), vec![index], Vec::new(), place);
        }
        self.builtin_value("aten::__getitem__", vec![container, index], place).map(Item::Value)
    }

    fn tuple_index(&mut self, tuple: Operand, items: &[Type], index: &'a Expr, place: Place) -> Checked<Operand> {
        let ExprKind::Int(position) = index.kind else {
            return self.tuple_item(tuple, items, index, place);
        };
        let length = items.len() as i64;
        let position = if position < 0 { position.saturating_add(length) } else { position };
        if !(0..length).contains(&position) {
            return complain(index.place, format!("index {position} of a tuple of {length} items"));
        }
        let position = position as usize;
        Ok(self.emit_one(NodeKind::TupleIndex(position), vec![tuple.id], items[position].clone(), place))
    }

    /// At an index that is known when it runs, so that the items must be of one type.
    fn tuple_item(&mut self, tuple: Operand, items: &[Type], index: &'a Expr, place: Place) -> Checked<Operand> {
        let Some(first) = items.first().filter(|first| items.iter().all(|ty| ty == *first)) else {
            return complain(index.place, "expected a literal as index of a tuple of items of several types");
        };
        let at = self.value(index)?;
        if at.ty != Type::Int {
            return complain(index.place, format!("expected an int as index of a tuple, found `{}`", at.ty));
        }
        Ok(self.emit_one(NodeKind::TupleItem, vec![tuple.id, at.id], first.clone(), place))
    }

    fn slice(
        &mut self,
        tuple: &'a Expr,
        begin: Option<&'a Expr>,
        end: Option<&'a Expr>,
        place: Place,
    ) -> Checked<Operand> {
        let tuple = self.value(tuple)?;
        let Some(items) = tuple_items(self.classes(), &tuple.ty) else {
            return complain(place, format!("expected a tuple to slice, found `{}`", tuple.ty));
        };
        let length = items.len() as i64;
        let bound = |bound: Option<&Expr>, absent: i64| match bound.map(|bound| (&bound.kind, bound.place)) {
            None => Ok(absent as usize),
            Some((ExprKind::Int(at), _)) => {
                let at = if *at < 0 { at.saturating_add(length) } else { *at };
                Ok(at.clamp(0, length) as usize)
            }
            Some((_, place)) => complain(place, "expected a literal as bound of a tuple's slice"),
        };
        let begin = bound(begin, 0)?;
        let end = bound(end, length)?.max(begin);
        let ty = Type::tuple(items[begin..end].to_vec());
        Ok(self.emit_one(NodeKind::TupleSlice(begin, end), vec![tuple.id], ty, place))
    }

    /// Makes a value fit a type, implicitly converted if need be, or says what was expected.
    pub(super) fn convert(
        &mut self,
        operand: Operand,
        wanted: &Type,
        place: Place,
        what: impl Fn() -> String,
    ) -> Checked<Operand> {
        match conversion(self.classes(), &operand.actual(), wanted, true) {
            Some(conversion) => self.apply(operand, &conversion, place),
            None => mismatch(&operand, wanted, place, what),
        }
    }

    /// The same where PyTorch converts nothing.
    pub(super) fn require(
        &mut self,
        operand: Operand,
        wanted: &Type,
        place: Place,
        what: impl Fn() -> String,
    ) -> Checked<Operand> {
        match is_subtype(self.classes(), &operand.ty, wanted) {
            true => Ok(operand),
            false => mismatch(&operand, wanted, place, what),
        }
    }
}

fn mismatch(operand: &Operand, wanted: &Type, place: Place, what: impl Fn() -> String) -> Checked<Operand> {
    let wanted = if *wanted == Type::Tensor { "a tensor".into() } else { format!("`{wanted}`") };
    complain(place, format!("expected {wanted}, found `{}` ({})", operand.ty, what()))
}

pub(super) fn without_optional(ty: &Type) -> &Type {
    match ty {
        Type::Optional(item) => item,
        ty => ty,
    }
}

/// The type of a constant.
pub(in super::super) fn type_of_value(value: &Value) -> Type {
    match value {
        Value::None => Type::None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Complex(_) => Type::Complex,
        Value::Str(_) => Type::Str,
        Value::Device(_) => Type::Device,
        Value::Tensor(_) => Type::Tensor,
        Value::List(list) => Type::list(list.content().item.clone()),
        Value::Dict(dict) => {
            let content = dict.content();
            Type::dict(content.key.clone(), content.value.clone())
        }
        Value::Tuple(items) => Type::tuple(items.iter().map(type_of_value).collect::<Vec<_>>()),
        Value::Object(object) => Type::Named(object.class().name.clone()),
        Value::Enum(member) => Type::Named(member.class.clone()),
        Value::Generator(_) => Type::Generator,
        Value::Future(_) | Value::Await(_) | Value::Function(_) | Value::Uninitialized => Type::Any,
    }
}
