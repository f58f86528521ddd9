//! Which type may stand for which, and the common type of two: PyTorch's rules.
//!
//! Lists and dicts are invariant, tuples and futures covariant. An integer is a `Scalar` but not a float, a bool is
//! neither. The result of an operator that nobody knows has a type that fits everywhere, [`unknown`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::module::{Class, ClassKind};
use crate::types::Type;

/// Every class-like type, by qualified name.
pub(crate) type Classes = BTreeMap<Arc<str>, Arc<Class>>;

/// The type of what an opaque operator returns.
pub(crate) fn unknown() -> Type {
    Type::Variable("?".into())
}

/// Whether it is the type of what an opaque operator returns.
pub(crate) fn is_unknown(ty: &Type) -> bool {
    matches!(ty, Type::Variable(name) if &**name == "?")
}

/// The types of a tuple's items, or a NamedTuple's.
pub(super) fn tuple_items(classes: &Classes, ty: &Type) -> Option<Arc<[Type]>> {
    match ty {
        Type::Tuple(items) => Some(items.clone()),
        Type::Named(name) => match classes.get(name) {
            Some(class) if class.kind == ClassKind::NamedTuple => {
                Some(class.attributes.iter().map(|field| field.ty.clone()).collect())
            }
            _ => None,
        },
        _ => None,
    }
}

/// Whether a value of type `a` may stand where `b` is asked for.
pub(super) fn is_subtype(classes: &Classes, a: &Type, b: &Type) -> bool {
    if a == b || is_unknown(a) || is_unknown(b) {
        return true;
    }
    let sub = |a: &Type, b: &Type| is_subtype(classes, a, b);
    match (a, b) {
        (_, Type::Any) => true,
        (Type::Union(items), _) => items.iter().all(|item| sub(item, b)),
        (Type::Optional(item), Type::Union(_)) => sub(&Type::None, b) && sub(item, b),
        (_, Type::Union(items)) => items.iter().any(|item| sub(a, item)),
        (Type::Optional(a), Type::Optional(b)) => sub(a, b),
        (Type::None, Type::Optional(_)) => true,
        (_, Type::Optional(b)) => sub(a, b),
        (Type::Int | Type::Float | Type::Complex, Type::Number) => true,
        (Type::Future(a), Type::Future(b)) | (Type::Await(a), Type::Await(b)) | (Type::RRef(a), Type::RRef(b)) => {
            sub(a, b)
        }
        (Type::List(_), Type::AnyList) => true,
        (_, Type::AnyTuple) => tuple_items(classes, a).is_some(),
        (_, Type::Tuple(wanted)) => tuple_items(classes, a).is_some_and(|items| {
            items.len() == wanted.len() && items.iter().zip(wanted.iter()).all(|(a, b)| sub(a, b))
        }),
        (Type::Named(a), Type::AnyEnum) => classes.get(a).is_some_and(|class| class.kind == ClassKind::Enum),
        (Type::Named(a), Type::Named(b)) => match (classes.get(a), classes.get(b)) {
            (Some(a), Some(b)) if b.kind == ClassKind::Interface => {
                b.methods.keys().all(|method| a.methods.contains_key(method))
            }
            _ => false,
        },
        _ => false,
    }
}

/// The greatest number of parts that the type of a computed value may have.
///
/// Each `b = (a, a)` doubles a type, and each `b = [a]` makes it deeper; programs that people write come nowhere near.
pub(super) const TYPE_LIMIT: usize = 1000;

/// Whether a type has at most [`TYPE_LIMIT`] parts; never looks at more than that.
pub(crate) fn is_small(ty: &Type) -> bool {
    fn visit(ty: &Type, left: &mut usize) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        match ty {
            Type::Optional(ty) | Type::List(ty) | Type::Future(ty) | Type::Await(ty) | Type::RRef(ty) => {
                visit(ty, left)
            }
            Type::Dict(key, value) => visit(key, left) && visit(value, left),
            Type::Tuple(items) | Type::Union(items) => items.iter().all(|ty| visit(ty, left)),
            _ => true,
        }
    }
    visit(ty, &mut TYPE_LIMIT.clone())
}

/// The narrowest type that both fit, if there is a sensible one.
pub(super) fn unify(classes: &Classes, a: &Type, b: &Type) -> Option<Type> {
    if is_subtype(classes, a, b) {
        return Some(if is_unknown(b) { a.clone() } else { b.clone() });
    }
    if is_subtype(classes, b, a) {
        return Some(a.clone());
    }
    match (a, b) {
        (Type::None, item) | (item, Type::None) => Some(Type::optional(item.clone())),
        (Type::Optional(a), b) | (b, Type::Optional(a)) => {
            let b = if let Type::Optional(b) = b { b } else { b };
            unify(classes, a, b).map(Type::optional)
        }
        (Type::Tuple(a), Type::Tuple(b)) if a.len() == b.len() => {
            let items: Option<Vec<Type>> = a.iter().zip(b.iter()).map(|(a, b)| unify(classes, a, b)).collect();
            items.map(Type::tuple)
        }
        (Type::Future(a), Type::Future(b)) => unify(classes, a, b).map(Type::future),
        (Type::Dict(key, a), Type::Dict(other, b)) if key == other => {
            unify(classes, a, b).map(|value| Type::dict((**key).clone(), value))
        }
        _ => None,
    }
}
