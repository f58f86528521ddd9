//! Calls: of functions, methods, classes and operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::annotations::{Checked, complain};
use super::super::hierarchy::is_unknown;
use super::super::tree::{Expr, ExprKind, Place};
use super::expressions::type_of_value;
use super::{ConstantKey, Item, Local, Lowering, Operand};
use crate::graph::NodeKind;
use crate::module::{Class, ClassKind, FunctionId, Parameter};
use crate::types::Type;
use crate::value::{Generator, Value};

/// Arguments by name, with where they stand.
pub(super) type Named = Vec<(Arc<str>, Operand)>;

impl<'a> Lowering<'a, '_> {
    /// A call. Arguments are evaluated from left to right, after the object of a method.
    pub(super) fn call(
        &mut self,
        whole: &'a Expr,
        callee: &'a Expr,
        args: &'a [Expr],
        named: &'a [(Arc<str>, Expr)],
        hint: Option<&Type>,
    ) -> Checked<Item> {
        let place = whole.place;
        match &callee.kind {
            ExprKind::Name(name) => match self.locals.get(name) {
                Some(Local::Item(Item::Function(id))) => {
                    let id = *id;
                    let (args, named) = self.arguments(args, named)?;
                    self.call_function(id, args, named, place).map(Item::Value)
                }
                Some(Local::Item(Item::Class(class))) => {
                    let class = class.clone();
                    let (args, named) = self.arguments(args, named)?;
                    self.construct(&class, args, named, place).map(Item::Value)
                }
                Some(Local::Item(Item::Value(operand))) => {
                    complain(callee.place, format!("cannot call a value of type `{}`", operand.ty))
                }
                Some(_) => complain(callee.place, format!("cannot call `{name}`")),
                None => self.call_by_word(name, callee, args, named, hint, place),
            },
            ExprKind::Attribute(object, name) => match self.global_path(callee) {
                Some(path) => self.call_global(&path, callee, args, named, place),
                None => {
                    let object = self.value(object)?;
                    if &**name == "tolist" && object.ty == Type::Tensor {
                        return self.tensor_to_list(object, hint, place).map(Item::Value);
                    }
                    let (args, named) = self.arguments(args, named)?;
                    self.call_method(object, name, args, named, place)
                }
            },
            _ => complain(callee.place, "cannot call this expression"),
        }
    }

    pub(super) fn arguments(
        &mut self,
        args: &'a [Expr],
        named: &'a [(Arc<str>, Expr)],
    ) -> Checked<(Vec<Operand>, Named)> {
        let args = args.iter().map(|arg| self.value(arg)).collect::<Checked<_>>()?;
        let named = named.iter().map(|(name, arg)| Ok((name.clone(), self.value(arg)?))).collect::<Checked<_>>()?;
        Ok((args, named))
    }

    /// `torch.add(…)`, `ops.prim.dtype(…)`, `__torch__.f(…)`
    fn call_global(
        &mut self,
        path: &str,
        callee: &'a Expr,
        args: &'a [Expr],
        named: &'a [(Arc<str>, Expr)],
        place: Place,
    ) -> Checked<Item> {
        if let Some(class) = path.strip_suffix(".__new__") {
            return match self.classes().get(class) {
                Some(class) => Ok(Item::Value(self.create(class, place))),
                None => complain(callee.place, format!("unknown class `{class}`")),
            };
        }
        if let ("torch.Generator", Some(seed)) = (path, generator_seed(named)) {
            // One for all who run the node, not one for each call: PyTorch makes a constant of it when it loads.
            let kind = NodeKind::Constant(Value::Generator(Generator::constant(seed)));
            return Ok(Item::Value(self.emit_one(kind, Vec::new(), Type::Generator, place)));
        }
        let (args, named) = self.arguments(args, named)?;
        if let Some(operator) = operator_name(path) {
            return self.builtin(&operator, args, named, place);
        }
        if let Some(&id) = self.program.names.get(path) {
            return self.call_function(id, args, named, place).map(Item::Value);
        }
        match self.classes().get(path) {
            Some(class) => self.construct(class, args, named, place).map(Item::Value),
            None => complain(callee.place, format!("unknown function `{path}`")),
        }
    }

    pub(super) fn call_function(
        &mut self,
        id: FunctionId,
        args: Vec<Operand>,
        named: Named,
        place: Place,
    ) -> Checked<Operand> {
        let signature = &self.program.functions[id.0 as usize];
        let inputs = self.match_parameters(&signature.name, &signature.params, args, named, place)?;
        Ok(self.emit_one(NodeKind::CallFunction(id), inputs, signature.returns.clone(), place))
    }

    pub(super) fn call_method(
        &mut self,
        object: Operand,
        name: &Arc<str>,
        args: Vec<Operand>,
        named: Named,
        place: Place,
    ) -> Checked<Item> {
        if let Type::Named(class) = &object.ty {
            let declared = self.classes().get(class);
            if let Some(&id) = declared.and_then(|class| class.methods.get(name)) {
                let signature = &self.program.functions[id.0 as usize];
                let args = std::iter::once(object).chain(args).collect();
                let inputs = self.match_parameters(&signature.name, &signature.params, args, named, place)?;
                let kind = NodeKind::CallMethod(name.clone());
                return Ok(Item::Value(self.emit_one(kind, inputs, signature.returns.clone(), place)));
            }
            if declared.is_none() {
                // A class written in C++: there is no code to look into.
                let opaque = format!("{class}.{name}");
                return Ok(self.opaque(&opaque, std::iter::once(object).chain(args).collect(), named, place));
            }
            return complain(place, format!("`{class}` has no method `{name}`"));
        }
        if is_unknown(&object.ty) {
            let opaque = format!("?.{name}");
            return Ok(self.opaque(&opaque, std::iter::once(object).chain(args).collect(), named, place));
        }
        let operator = format!("aten::{name}");
        if crate::operators::overloads(&operator).is_none() {
            return complain(place, format!("`{}` has no method `{name}`", object.ty));
        }
        self.builtin(&operator, std::iter::once(object).chain(args).collect(), named, place)
    }

    /// `P(a, b)` of a NamedTuple, or a new object and its `__init__`.
    fn construct(&mut self, class: &Arc<Class>, args: Vec<Operand>, named: Named, place: Place) -> Checked<Operand> {
        match class.kind {
            ClassKind::NamedTuple => {
                let fields: Vec<Parameter> = class
                    .attributes
                    .iter()
                    .map(|field| Parameter { name: field.name.clone(), ty: field.ty.clone(), default: None })
                    .collect();
                let inputs = self.match_parameters(&class.name, &fields, args, named, place)?;
                let ty = Type::Named(class.name.clone());
                Ok(self.emit_one(NodeKind::TupleConstruct(Some(class.name.clone())), inputs, ty, place))
            }
            ClassKind::Enum | ClassKind::Interface => {
                complain(place, format!("cannot make a value of `{}`", class.name))
            }
            ClassKind::Plain | ClassKind::Module { .. } => {
                let object = self.create(class, place);
                self.call_method(object.clone(), &"__init__".into(), args, named, place)?;
                Ok(object)
            }
        }
    }

    fn create(&mut self, class: &Arc<Class>, place: Place) -> Operand {
        self.emit_one(NodeKind::CreateObject(class.clone()), Vec::new(), Type::Named(class.name.clone()), place)
    }

    /// The arguments in the order of the parameters, with defaults filled in.
    fn match_parameters(
        &mut self,
        callee: &str,
        params: &[Parameter],
        args: Vec<Operand>,
        named: Named,
        place: Place,
    ) -> Checked<Vec<crate::graph::ValueId>> {
        if args.len() > params.len() {
            let (expected, found) = (params.len(), args.len());
            return complain(place, format!("`{callee}`: expected at most {expected} arguments, found {found}"));
        }
        let mut args = args.into_iter();
        let mut by_name: BTreeMap<Arc<str>, Operand> = named.into_iter().collect();
        let mut inputs = Vec::with_capacity(params.len());
        for param in params {
            let given = args.next().or_else(|| by_name.remove(&param.name));
            let given = match (given, &param.default) {
                (Some(given), _) => given,
                (None, Some(default)) => self.default_value(default, &param.ty, place),
                (None, None) => return complain(place, format!("`{callee}`: argument `{}` is missing", param.name)),
            };
            let what = || format!("argument `{}` of `{callee}`", param.name);
            inputs.push(self.convert(given, &param.ty, place, what)?.id);
        }
        if let Some(name) = by_name.keys().next() {
            return complain(place, format!("`{callee}`: unexpected argument `{name}`"));
        }
        Ok(inputs)
    }

    fn default_value(&mut self, value: &Value, ty: &Type, place: Place) -> Operand {
        let key = match value {
            Value::None => ConstantKey::None,
            Value::Bool(value) => ConstantKey::Bool(*value),
            Value::Int(value) => ConstantKey::Int(*value),
            Value::Float(value) => ConstantKey::Float(value.to_bits()),
            Value::Str(text) => ConstantKey::Str(text.clone()),
            Value::Enum(member) => ConstantKey::Member(member.class.clone(), member.name.clone()),
            // Containers are rare here; each call has its own.
            value => {
                let kind = NodeKind::Constant(value.clone());
                return self.emit_one(kind, Vec::new(), ty.clone(), place);
            }
        };
        self.constant(key, value.clone(), type_of_value(value), place)
    }
}

/// The seed of `torch.Generator(device="cpu", seed=…)`.
fn generator_seed(named: &[(Arc<str>, Expr)]) -> Option<u64> {
    named.iter().find(|(name, _)| &**name == "seed").and_then(|(_, seed)| match seed.kind {
        ExprKind::Int(seed) => Some(seed as u64),
        _ => None,
    })
}

/// `torch.add` is `aten::add`, `ops.prim.dtype` is `prim::dtype`; nothing else is an operator.
fn operator_name(path: &str) -> Option<String> {
    if let Some(name) = path.strip_prefix("torch.") {
        let name = name.strip_prefix("autograd.").unwrap_or(name);
        return Some(format!("aten::{name}"));
    }
    let (namespace, name) = path.strip_prefix("ops.")?.split_once('.')?;
    Some(format!("{namespace}::{name}"))
}
