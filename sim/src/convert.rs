//! Inputs made to fit: what `torch.save` wrote, as the types that the entry declares.

use forkcheck_model::types::Type;
use forkcheck_model::value::{Key, Value};

/// `value` as a value of type `ty`: numbers widen, and containers learn the types of their items. The error says what
/// was found instead.
pub(crate) fn to_type(value: Value, ty: &Type) -> Result<Value, String> {
    let found = |value: &Value| format!("{} where {} was expected", describe(value), ty.code());
    match (value, ty) {
        (value, Type::Any) => Ok(value),
        (Value::None, Type::Optional(_) | Type::None) => Ok(Value::None),
        (value, Type::Optional(item)) => to_type(value, item),
        (value, Type::Union(types)) => {
            let fits = types.iter().find_map(|ty| to_type(value.clone(), ty).ok());
            fits.ok_or_else(|| found(&value))
        }
        (Value::Int(value), Type::Float) => Ok(Value::Float(value as f64)),
        (value @ Value::Tensor(_), Type::Tensor)
        | (value @ Value::Int(_), Type::Int | Type::Number)
        | (value @ Value::Float(_), Type::Float | Type::Number)
        | (value @ Value::Bool(_), Type::Bool | Type::Number)
        | (value @ Value::Complex(_), Type::Complex | Type::Number)
        | (value @ Value::Str(_), Type::Str)
        | (value @ Value::Device(_), Type::Device)
        | (value @ Value::Generator(_), Type::Generator)
        | (value @ Value::Object(_), Type::Named(_))
        | (value @ Value::Enum(_), Type::Named(_))
        | (value @ Value::Tuple(_), Type::Named(_)) => Ok(value),
        (Value::List(list), Type::List(item)) => {
            let items =
                list.content().items.iter().map(|value| to_type(value.clone(), item)).collect::<Result<_, _>>()?;
            list.slot().update(|content| {
                content.item = (**item).clone();
                content.items = items;
            });
            Ok(Value::List(list))
        }
        (Value::Dict(dict), Type::Dict(key, item)) => {
            let mut entries = dict.content().entries.clone();
            for value in entries.values_mut() {
                *value = to_type(value.clone(), item)?;
            }
            let mut keys = entries.keys().map(Key::to_value);
            if let Some(wrong) = keys.find(|value| to_type(value.clone(), key).is_err()) {
                return Err(format!("a key that is {} where {} was expected", describe(&wrong), key.code()));
            }
            drop(keys);
            dict.slot().update(|content| {
                content.key = (**key).clone();
                content.value = (**item).clone();
                content.entries = entries;
            });
            Ok(Value::Dict(dict))
        }
        (Value::Tuple(items), Type::Tuple(types)) if items.len() == types.len() => {
            let items: Result<Vec<_>, _> =
                items.iter().zip(types.iter()).map(|(value, ty)| to_type(value.clone(), ty)).collect();
            Ok(Value::tuple(items?))
        }
        (value, _) => Err(found(&value)),
    }
}

/// What kind of value it is, for a message.
pub(crate) fn describe(value: &Value) -> &'static str {
    match value {
        Value::None => "None",
        Value::Bool(_) => "a bool",
        Value::Int(_) => "an int",
        Value::Float(_) => "a float",
        Value::Complex(_) => "a complex",
        Value::Str(_) => "a str",
        Value::Device(_) => "a device",
        Value::Tensor(_) => "a tensor",
        Value::List(_) => "a list",
        Value::Dict(_) => "a dict",
        Value::Tuple(_) => "a tuple",
        Value::Object(_) => "an object",
        Value::Enum(_) => "an enum member",
        Value::Future(_) => "a future",
        Value::Await(_) => "an awaitable",
        Value::Generator(_) => "a generator",
        Value::Function(_) => "a function",
        Value::Uninitialized => "an uninitialized value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkcheck_model::slot::{Allocator, Memory};
    use forkcheck_model::value::{List, ListContent};

    #[test]
    fn numbers_widen_and_containers_learn_their_types() {
        assert!(matches!(to_type(Value::Int(2), &Type::Float), Ok(Value::Float(2.0))));
        assert!(matches!(to_type(Value::None, &Type::optional(Type::Tensor)), Ok(Value::None)));
        let content = ListContent { item: Type::Any, items: vec![Value::Int(1), Value::Float(0.5)] };
        let list = Value::List(List::new(&mut Allocator::new(0, Memory::unlimited()), content));
        let Ok(Value::List(list)) = to_type(list, &Type::list(Type::Float)) else { panic!("a list of floats") };
        let content = list.content();
        assert_eq!(content.item, Type::Float);
        assert!(matches!(content.items[..], [Value::Float(1.0), Value::Float(0.5)]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let found = to_type(Value::Float(1.5), &Type::Int).unwrap_err();
        assert_eq!(found, "a float where int was expected");
        assert!(to_type(Value::Bool(true), &Type::Tensor).is_err());
    }
}
