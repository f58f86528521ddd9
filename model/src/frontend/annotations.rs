//! From the expressions that stand for types to types.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tree::{Expr, ExprKind, Place};
use crate::types::Type;

/// What is wrong with a piece of the code, and where.
#[derive(Debug)]
pub(super) struct Complaint {
    /// What was expected and what was found.
    pub(super) message: String,
    /// Where it stands.
    pub(super) place: Place,
}

/// The greatest number of alternatives in a union: comparing two unions compares every pair.
const UNION_LIMIT: usize = 100;

/// A result, or what is wrong.
pub(super) type Checked<T> = Result<T, Complaint>;

/// A complaint about the text at `place`.
pub(super) fn complain<T>(place: Place, message: impl Into<String>) -> Checked<T> {
    Err(Complaint { message: message.into(), place })
}

/// The type that `expr` stands for; class names must be among `names`.
pub(super) fn type_of(names: &BTreeSet<Arc<str>>, expr: &Expr) -> Checked<Type> {
    match &expr.kind {
        ExprKind::None => Ok(Type::None),
        // What objects of C++ hold, which no program looks into.
        ExprKind::Name(name) if &**name == "Capsule" => Ok(Type::named("Capsule")),
        ExprKind::Name(name) => match Type::of_word(name) {
            Some(ty) => Ok(ty),
            None if names.contains(name) => Ok(Type::Named(name.clone())),
            None => complain(expr.place, format!("unknown type `{name}`")),
        },
        ExprKind::Attribute(..) => {
            let Some(path) = dotted(expr) else { return complain(expr.place, "expected a type") };
            match &*path {
                "torch.Generator" => Ok(Type::Generator),
                "torch.Stream" => Ok(Type::Stream),
                "torch.device" | "torch.Device" => Ok(Type::Device),
                "torch.Tensor" => Ok(Type::Tensor),
                // Classes written in C++ have no code.
                _ if names.contains(&*path) || path.starts_with("__torch__.torch.classes.") => Ok(Type::named(&*path)),
                _ => complain(expr.place, format!("unknown class `{path}`")),
            }
        }
        ExprKind::Subscript(constructor, parameter) => parameterised(names, expr, constructor, parameter),
        _ => complain(expr.place, "expected a type"),
    }
}

/// `List[T]` and its like.
fn parameterised(names: &BTreeSet<Arc<str>>, whole: &Expr, constructor: &Expr, parameter: &Expr) -> Checked<Type> {
    let ExprKind::Name(constructor) = &constructor.kind else { return complain(whole.place, "expected a type") };
    let items: Vec<Type> = match &parameter.kind {
        ExprKind::Tuple(items) => items.iter().map(|item| type_of(names, item)).collect::<Checked<_>>()?,
        _ => vec![type_of(names, parameter)?],
    };
    Ok(match (&**constructor, &items[..]) {
        ("List", [item]) => Type::list(item.clone()),
        ("Optional", [item]) => Type::optional(item.clone()),
        ("Future", [item]) => Type::future(item.clone()),
        ("Await", [item]) => Type::Await(Arc::new(item.clone())),
        ("RRef", [item]) => Type::RRef(Arc::new(item.clone())),
        ("Final", [item]) => item.clone(),
        ("Dict", [key, value]) => Type::dict(key.clone(), value.clone()),
        ("Tuple", _) => Type::tuple(items),
        ("Union", _) if items.len() <= UNION_LIMIT => Type::Union(items.into()),
        _ => return complain(whole.place, format!("unknown type `{constructor}` of {} parameters", items.len())),
    })
}

/// `a.b.c` as text, if the expression is names and dots only.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Name(name) => Some(name.to_string()),
        ExprKind::Attribute(inner, name) => {
            let mut path = dotted(inner)?;
            path.push('.');
            path.push_str(name);
            Some(path)
        }
        _ => None,
    }
}
