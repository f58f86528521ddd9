//! Questions about values and their types that are only answered when the program runs.

use forkcheck_model::difference::scalars;
use forkcheck_model::module::Attribute;
use forkcheck_model::operators::{Fault, NO_SIZES};
use forkcheck_model::slot::Allocator;
use forkcheck_model::tensor::Scalar;
use forkcheck_model::types::Type;
use forkcheck_model::value::{List, ListContent, Value};

/// Whether `value` is of the type, as `isinstance` asks.
pub(super) fn is_instance(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (_, Type::Any) => true,
        (value, Type::Optional(item)) => matches!(value, Value::None) || is_instance(value, item),
        (value, Type::Union(items)) => items.iter().any(|item| is_instance(value, item)),
        (Value::None, Type::None)
        | (Value::Bool(_), Type::Bool)
        | (Value::Int(_), Type::Int)
        | (Value::Float(_), Type::Float)
        | (Value::Complex(_), Type::Complex)
        | (Value::Int(_) | Value::Float(_) | Value::Complex(_), Type::Number)
        | (Value::Str(_), Type::Str)
        | (Value::Device(_), Type::Device)
        | (Value::Tensor(_), Type::Tensor)
        | (Value::List(_), Type::AnyList)
        | (Value::Tuple(_), Type::AnyTuple)
        | (Value::Generator(_), Type::Generator)
        | (Value::Future(_), Type::Future(_))
        | (Value::Await(_), Type::Await(_)) => true,
        (Value::List(list), Type::List(item)) => list.content().item == **item,
        (Value::Dict(dict), Type::Dict(key, item)) => {
            let content = dict.content();
            content.key == **key && content.value == **item
        }
        (Value::Tuple(items), Type::Tuple(types)) => {
            items.len() == types.len() && items.iter().zip(types.iter()).all(|(item, ty)| is_instance(item, ty))
        }
        (Value::Object(object), Type::Named(name)) => object.class().name == *name,
        (Value::Enum(member), Type::Named(name)) => member.class == *name,
        (Value::Enum(_), Type::AnyEnum) => true,
        _ => false,
    }
}

/// Which attribute of a module container an index or key stands for; the error is PyTorch's.
pub(super) fn container_index(inputs: &[Value]) -> Result<usize, String> {
    let Value::Object(container) = &inputs[0] else { unreachable!("a module container, not {:?}", inputs[0]) };
    let class = container.class();
    let numbered = |attribute: &&Attribute| attribute.name.bytes().all(|byte| byte.is_ascii_digit());
    let name = match &inputs[1] {
        Value::Int(index) if *index < 0 => {
            let length = class.attributes.iter().filter(numbered).count() as i64;
            (index + length).to_string()
        }
        Value::Int(index) => index.to_string(),
        Value::Str(key) => key.to_string(),
        other => unreachable!("an index or a key, not {other:?}"),
    };
    let missing = match &inputs[1] {
        Value::Str(key) => format!("Key Error, {key}"),
        _ => "Index out of range.".to_string(),
    };
    class.attribute(&name).ok_or(missing)
}

/// `x.tolist()`: nested lists as deep as the tensor has dimensions, or a number.
pub(super) fn to_list(value: &Value, allocator: &mut Allocator) -> Result<Value, Fault> {
    let Value::Tensor(tensor) = value else { unreachable!("tolist is of a tensor, not of {value:?}") };
    if tensor.nested().is_some() {
        return Err(Fault::raised(NO_SIZES));
    }
    // The numbers are there as such, as values, and as items of the lists.
    let each = size_of::<Scalar>() + 2 * size_of::<Value>();
    let _room = allocator.memory().charge((tensor.numel() as u64).saturating_mul(each as u64))?;
    let items: Vec<Value> = scalars(tensor, allocator.memory())?.into_iter().map(Scalar::to_value).collect();
    let item_type = match items.first() {
        Some(Value::Float(_)) => Type::Float,
        Some(Value::Bool(_)) => Type::Bool,
        Some(Value::Complex(_)) => Type::Complex,
        _ => Type::Int,
    };
    Ok(nest(&mut items.into_iter(), &tensor.sizes(), &item_type, allocator))
}

fn nest(items: &mut impl Iterator<Item = Value>, sizes: &[i64], item: &Type, allocator: &mut Allocator) -> Value {
    let Some((&size, inner)) = sizes.split_first() else {
        return items.next().expect("as many numbers as the sizes say");
    };
    let ty = inner.iter().fold(item.clone(), |ty, _| Type::list(ty));
    let items = (0..size).map(|_| nest(items, inner, item, allocator)).collect();
    Value::List(List::new(allocator, ListContent { item: ty, items }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkcheck_model::slot::Memory;
    use forkcheck_model::tensor::{Layout, Metadata, Tensor};

    #[test]
    fn a_list_that_does_not_fit_is_not_begun() {
        let mut allocator = Allocator::new(0, Memory::with_limit(1 << 20));
        let one = Tensor::from_vec(&mut allocator, &[1], &[1.0f32]).expect("it fits");
        let mut shown = |count: i64| {
            let layout = Layout::strided(&[count], &[0], 0);
            let vast = Tensor::with(&mut allocator, Metadata { layout, ..(*one.metadata()).clone() });
            to_list(&Value::Tensor(vast), &mut allocator)
        };
        assert!(matches!(shown(3), Ok(Value::List(list)) if list.content().items.len() == 3));
        assert!(matches!(shown(1 << 40), Err(Fault::Memory(_))));
    }
}
