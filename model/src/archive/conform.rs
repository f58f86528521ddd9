//! Whether a value is of a type, as far as a file claims it: no kernel shall meet a text where it expects a tensor.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;
use crate::module::{Class, ClassKind};
use crate::types::Type;
use crate::value::Value;

/// The classes of an archive.
#[derive(Clone, Copy)]
pub(super) struct Classes<'a>(pub(super) &'a BTreeMap<Arc<str>, Arc<Class>>);

/// Checks that `value` is of the type `ty`. A list or dict that says otherwise of itself takes the type over, if all
/// that it holds agrees: archives of version 2 and torch.save do not write the types of containers.
pub(super) fn conform(value: &Value, ty: &Type, classes: Classes<'_>) -> Result<(), Error> {
    let fits = match (ty, value) {
        (Type::Any, _)
        | (Type::Tensor, Value::Tensor(_))
        | (Type::Int, Value::Int(_))
        | (Type::Float, Value::Float(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Complex, Value::Complex(_))
        | (Type::Str, Value::Str(_))
        | (Type::None | Type::Optional(_), Value::None)
        | (Type::Number, Value::Int(_) | Value::Float(_) | Value::Bool(_) | Value::Complex(_))
        | (Type::Device, Value::Device(_))
        | (Type::Generator, Value::Generator(_))
        | (Type::AnyEnum, Value::Enum(_))
        | (Type::AnyList, Value::List(_))
        | (Type::AnyTuple, Value::Tuple(_)) => true,
        (Type::Optional(item), _) => return conform(value, item, classes),
        (Type::Union(options), _) => options.iter().any(|option| conform(value, option, classes).is_ok()),
        (Type::Tuple(types), Value::Tuple(items)) if types.len() == items.len() => {
            return items.iter().zip(&**types).try_for_each(|(item, ty)| conform(item, ty, classes));
        }
        (Type::List(item), Value::List(list)) => {
            let content = list.content();
            if content.item != **item {
                content.items.iter().try_for_each(|value| conform(value, item, classes))?;
                list.slot().update(|content| content.item = (**item).clone());
            }
            true
        }
        (Type::Dict(key, item), Value::Dict(dict)) => {
            let content = dict.content();
            if content.key != **key || content.value != **item {
                content.entries.keys().try_for_each(|value| conform(&value.to_value(), key, classes))?;
                content.entries.values().try_for_each(|value| conform(value, item, classes))?;
                drop(content);
                dict.slot().update(|content| (content.key, content.value) = ((**key).clone(), (**item).clone()));
            }
            true
        }
        (Type::Named(name), _) => return conform_named(value, name, classes),
        _ => false,
    };
    if fits { Ok(()) } else { Err(mismatch(value, ty)) }
}

fn conform_named(value: &Value, name: &Arc<str>, classes: Classes<'_>) -> Result<(), Error> {
    let class = classes.0.get(name);
    let fits = match (class.map(|class| (&class.kind, class)), value) {
        (Some((ClassKind::NamedTuple, class)), Value::Tuple(items)) if class.attributes.len() == items.len() => {
            let fields = class.attributes.iter().map(|attribute| &attribute.ty);
            return items.iter().zip(fields).try_for_each(|(item, ty)| conform(item, ty, classes));
        }
        (Some((ClassKind::Interface, _)), Value::Object(_)) => true,
        (Some((ClassKind::Enum, _)), Value::Enum(member)) => member.class == *name,
        // A class that the archive does not define is written in C++.
        (_, Value::Object(object)) => object.class().name == *name,
        _ => false,
    };
    if fits { Ok(()) } else { Err(mismatch(value, &Type::Named(name.clone()))) }
}

fn mismatch(value: &Value, ty: &Type) -> Error {
    Error::new(format!("expected a value of type {}, found {}", ty.code(), type_of(value).code()))
}

/// The type that all items share: `Any` if they differ or there are none.
pub(super) fn type_of_items<'a>(items: impl IntoIterator<Item = &'a Value>) -> Type {
    let mut items = items.into_iter();
    let Some(first) = items.next().map(type_of) else { return Type::Any };
    if items.all(|item| type_of(item) == first) { first } else { Type::Any }
}

/// The type of a value by itself. What nests deeper than a few levels is `Any`, since a type that is read off a value
/// would otherwise grow with it.
fn type_of(value: &Value) -> Type {
    type_within(value, 4)
}

fn type_within(value: &Value, levels: u32) -> Type {
    let Some(inner) = levels.checked_sub(1) else { return Type::Any };
    match value {
        Value::None => Type::None,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Complex(_) => Type::Complex,
        Value::Str(_) => Type::Str,
        Value::Device(_) => Type::Device,
        Value::Tensor(_) => Type::Tensor,
        Value::List(list) => Type::list(trim(&list.slot().lock().item, inner)),
        Value::Dict(dict) => {
            let content = dict.content();
            Type::dict(trim(&content.key, inner), trim(&content.value, inner))
        }
        Value::Tuple(items) if items.len() > 16 => Type::AnyTuple,
        Value::Tuple(items) => Type::tuple(items.iter().map(|item| type_within(item, inner)).collect::<Vec<_>>()),
        Value::Object(object) => Type::Named(object.class().name.clone()),
        Value::Enum(member) => Type::Named(member.class.clone()),
        Value::Generator(_) => Type::Generator,
        Value::Future(_) | Value::Await(_) | Value::Function(_) | Value::Uninitialized => Type::Any,
    }
}

/// `ty` without what nests deeper than `levels`.
fn trim(ty: &Type, levels: u32) -> Type {
    let Some(inner) = levels.checked_sub(1) else { return Type::Any };
    match ty {
        Type::List(item) => Type::list(trim(item, inner)),
        Type::Dict(key, value) => Type::dict(trim(key, inner), trim(value, inner)),
        Type::Tuple(items) => Type::tuple(items.iter().map(|item| trim(item, inner)).collect::<Vec<_>>()),
        other => other.clone(),
    }
}
