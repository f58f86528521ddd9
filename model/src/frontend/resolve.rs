//! Which overload a call means: PyTorch's own procedure.
//!
//! The code does not name overloads. PyTorch tries them in the order of their registration, at first without
//! implicit conversions and then with them, and takes the first that fits; the table of schemas keeps that order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hierarchy::{Classes, is_subtype, is_unknown, tuple_items, unify};
use crate::operators::{Argument, Operator};
use crate::types::Type;

/// An argument of a call, as far as resolution looks at it.
#[derive(Debug, Clone)]
pub(super) struct Actual {
    /// Its type.
    pub(super) ty: Type,
    /// Whether it is the literal `[]`, which may become a list of anything.
    pub(super) empty_list: bool,
}

/// The overload that a call means, and what becomes of its arguments.
#[derive(Debug)]
pub(super) struct Match {
    /// Which.
    pub(super) operator: &'static Operator,
    /// For each declared argument, where its value comes from.
    pub(super) arguments: Vec<Given>,
    /// The positional arguments from this one on belong to the schema's `...`.
    pub(super) rest: usize,
    /// The types of the results.
    pub(super) returns: Vec<Type>,
}

/// Where the value of a declared argument comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Given {
    /// From the argument of this number (named ones follow the positional ones).
    Argument(usize, Conversion),
    /// From all positional arguments from this number on, as a list of this type.
    Collected(usize, Type, Vec<Conversion>),
    /// From the schema.
    Default,
}

/// What is done to a value so that it fits.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Conversion {
    /// Nothing.
    None,
    /// This operator is called on it.
    Call(&'static str, Type),
    /// `2` where `int[3]` is wanted: a list of that many.
    Repeat(usize),
    /// `[]` becomes an empty list of this type.
    EmptyList(Type),
    /// A tuple becomes a list of this type.
    TupleToList(Type),
    /// The items of a tuple are converted one by one.
    Items(Vec<Conversion>, Vec<Type>),
}

/// What the type variables of a schema stand for.
type Bindings = BTreeMap<Arc<str>, Type>;

/// The overload among `overloads` that fits a call in an archive of this version, or why none does.
pub(super) fn resolve(
    classes: &Classes,
    overloads: &'static [Operator],
    version: u32,
    positional: &[Actual],
    named: &[(Arc<str>, Actual)],
) -> Result<Match, String> {
    let mut failures = Vec::new();
    let meant = || overloads.iter().filter(|operator| !is_hidden(operator) && operator.versions.contains(&version));
    // With one overload there is no choice to make, and conversions are allowed at once.
    for conversions in if meant().nth(1).is_none() { &[true][..] } else { &[false, true] } {
        failures.clear();
        for operator in meant() {
            match (Attempt { classes, conversions: *conversions }).fit(operator, positional, named) {
                Ok(found) => return Ok(found),
                Err(failure) => failures.push((operator, failure)),
            }
        }
    }
    Err(explain(&failures, positional))
}

/// The overload of a node that has exactly these inputs: nothing is converted, nothing filled in.
pub(crate) fn overload_of(
    classes: &Classes,
    overloads: &'static [Operator],
    inputs: &[Type],
) -> Result<&'static Operator, String> {
    let attempt = Attempt { classes, conversions: false };
    let fits = |operator: &Operator| {
        let arguments = &operator.schema.arguments;
        let enough = inputs.len() == arguments.len() || (operator.schema.vararg && inputs.len() > arguments.len());
        let mut bindings = Bindings::new();
        enough
            && arguments.iter().zip(inputs).all(|(argument, ty)| {
                attempt.bind(&argument.ty, ty, &mut bindings)
                    && substitute(&argument.ty, &bindings).is_some_and(|wanted| is_subtype(classes, ty, &wanted))
            })
    };
    // What the code never means may still be there: `view` of a dtype, where the input is no list; or what only older
    // archives mean.
    let hidden = |operator: &&Operator| is_hidden(operator) || *operator.versions.end() != u32::MAX;
    let visible = overloads.iter().filter(|operator| !hidden(operator));
    let hidden = overloads.iter().filter(hidden);
    visible.chain(hidden).find(|operator| fits(operator)).ok_or_else(|| {
        let types: Vec<String> = inputs.iter().map(Type::to_string).collect();
        let name = overloads.first().map_or("", |operator| operator.name);
        format!("no overload of `{name}` takes ({})", types.join(", "))
    })
}

/// Overloads that PyTorch itself skips, since dtypes are ints and could not be told apart.
fn is_hidden(operator: &Operator) -> bool {
    matches!((operator.name, operator.overload), ("aten::view", "dtype") | ("aten::max" | "aten::min", "unary_out"))
}

fn explain(failures: &[(&Operator, String)], positional: &[Actual]) -> String {
    match failures {
        [(operator, failure)] => format!("`{}`: {failure}", operator.name),
        [(operator, failure), ..] => {
            let types: Vec<String> = positional.iter().map(|actual| actual.ty.to_string()).collect();
            format!(
                "no overload of `{}` takes ({}); the first of {} says: {failure}",
                operator.name,
                types.join(", "),
                failures.len()
            )
        }
        [] => "no overload can be called".into(),
    }
}

/// One try to fit a call to a schema.
struct Attempt<'a> {
    classes: &'a Classes,
    conversions: bool,
}

impl Attempt<'_> {
    fn fit(
        &self,
        operator: &'static Operator,
        positional: &[Actual],
        named: &[(Arc<str>, Actual)],
    ) -> Result<Match, String> {
        let schema = &operator.schema;
        let mut bindings = Bindings::new();
        let mut arguments = Vec::with_capacity(schema.arguments.len());
        let mut used = 0;
        let mut used_names = 0;
        for (i, argument) in schema.arguments.iter().enumerate() {
            if !argument.keyword_only && used < positional.len() {
                let last = schema.arguments.get(i + 1).is_none_or(|next| next.keyword_only);
                if self.conversions && last && takes_rest(argument) {
                    let collected = self.collect(argument, used, positional, &mut bindings)?;
                    if let Some(collected) = collected {
                        used = positional.len();
                        arguments.push(collected);
                        continue;
                    }
                }
                let conversion = self.fit_argument(argument, &positional[used], &mut bindings)?;
                arguments.push(Given::Argument(used, conversion));
                used += 1;
            } else if let Some(found) = named.iter().position(|(name, _)| is_called(argument, name)) {
                let conversion = self.fit_argument(argument, &named[found].1, &mut bindings)?;
                arguments.push(Given::Argument(positional.len() + found, conversion));
                used_names += 1;
            } else if argument.default.is_some() {
                arguments.push(Given::Default);
            } else {
                return Err(format!("argument `{}` is missing", argument.name));
            }
        }
        if used < positional.len() && !schema.vararg {
            return Err(format!("expected at most {used} arguments, found {}", positional.len()));
        }
        if used_names < named.len() {
            let known = |name: &str| schema.arguments.iter().any(|argument| is_called(argument, name));
            let name = named.iter().find(|(name, _)| !known(name)).map_or(&named[0].0, |(name, _)| name);
            return Err(format!("unexpected argument `{name}`"));
        }
        let mut returns = Vec::with_capacity(schema.returns.len());
        for result in &schema.returns {
            let ty = substitute(&result.ty, &bindings);
            returns.push(ty.ok_or_else(|| format!("cannot tell the type of the result `{}`", result.ty))?);
        }
        Ok(Match { operator, arguments, rest: used, returns })
    }

    /// `zeros(2, 3)`: the remaining positional arguments as one list, unless the first is a list already.
    fn collect(
        &self,
        argument: &Argument,
        from: usize,
        positional: &[Actual],
        bindings: &mut Bindings,
    ) -> Result<Option<Given>, String> {
        let Type::List(item) = &argument.ty else { return Ok(None) };
        let first = &positional[from].ty;
        if matches!(first, Type::List(_)) || is_unknown(first) || self.tuple_as_list(first, &argument.ty) {
            return Ok(None);
        }
        let one = Argument { ty: (**item).clone(), ..argument.clone() };
        let conversions = positional[from..]
            .iter()
            .map(|actual| self.fit_argument(&one, actual, bindings))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Given::Collected(from, (**item).clone(), conversions)))
    }

    fn fit_argument(
        &self,
        argument: &Argument,
        actual: &Actual,
        bindings: &mut Bindings,
    ) -> Result<Conversion, String> {
        if let Some(size) = argument.size
            && matches!(actual.ty, Type::Int | Type::Float)
            && matches!(without_optional(&argument.ty), Type::List(item) if **item == actual.ty)
        {
            return Ok(Conversion::Repeat(size));
        }
        let mismatch =
            || format!("argument `{}`: expected {}, found `{}`", argument.name, described(&argument.ty), actual.ty);
        if !self.bind(&argument.ty, &actual.ty, bindings) {
            return Err(mismatch());
        }
        let wanted = substitute(&argument.ty, bindings).ok_or_else(mismatch)?;
        conversion(self.classes, actual, &wanted, self.conversions).ok_or_else(mismatch)
    }

    /// Makes the type variables in `formal` stand for what `actual` has in their places.
    fn bind(&self, formal: &Type, actual: &Type, bindings: &mut Bindings) -> bool {
        match (formal, actual) {
            (Type::Variable(name), _) => match bindings.get(name) {
                Some(bound) => unify(self.classes, bound, actual).is_some(),
                None => {
                    bindings.insert(name.clone(), actual.clone());
                    true
                }
            },
            _ if !has_variables(formal) => true,
            (_, actual) if is_unknown(actual) => bind_all(formal, actual, bindings),
            (Type::List(formal), Type::List(actual))
            | (Type::Future(formal), Type::Future(actual))
            | (Type::Await(formal), Type::Await(actual))
            | (Type::RRef(formal), Type::RRef(actual))
            | (Type::Optional(formal), Type::Optional(actual)) => self.bind(formal, actual, bindings),
            (Type::List(formal), Type::Tuple(items)) => {
                let mut items = items.iter();
                let first = items.next().cloned();
                let common =
                    first.and_then(|first| items.try_fold(first, |common, item| unify(self.classes, &common, item)));
                common.is_some_and(|common| self.bind(formal, &common, bindings))
            }
            (Type::Tuple(formal), Type::Tuple(actual)) if formal.len() == actual.len() => {
                formal.iter().zip(actual.iter()).all(|(formal, actual)| self.bind(formal, actual, bindings))
            }
            (Type::Dict(key, value), Type::Dict(actual_key, actual_value)) => {
                self.bind(key, actual_key, bindings) && self.bind(value, actual_value, bindings)
            }
            (Type::Optional(formal), actual) if *actual != Type::None => self.bind(formal, actual, bindings),
            _ => false,
        }
    }

    fn tuple_as_list(&self, ty: &Type, list: &Type) -> bool {
        tuple_to_list(self.classes, ty, list).is_some()
    }
}

/// How a value comes to be of type `wanted`; `None` if it cannot.
pub(super) fn conversion(classes: &Classes, actual: &Actual, wanted: &Type, conversions: bool) -> Option<Conversion> {
    let inner = match wanted {
        Type::Optional(inner) if !matches!(actual.ty, Type::Optional(_) | Type::None) => inner,
        wanted => wanted,
    };
    if actual.empty_list
        && let Type::List(item) = inner
    {
        return Some(Conversion::EmptyList((**item).clone()));
    }
    if let Some(item) = tuple_to_list(classes, &actual.ty, inner) {
        return Some(Conversion::TupleToList(item));
    }
    if is_subtype(classes, &actual.ty, wanted) {
        return Some(Conversion::None);
    }
    if let (Type::Tuple(items), Type::Tuple(wanted)) = (&actual.ty, inner)
        && items.len() == wanted.len()
    {
        let converted: Option<Vec<Conversion>> = items
            .iter()
            .zip(wanted.iter())
            .map(|(ty, wanted)| conversion(classes, &Actual { ty: ty.clone(), empty_list: false }, wanted, conversions))
            .collect();
        return Some(Conversion::Items(converted?, wanted.to_vec()));
    }
    if !conversions {
        return None;
    }
    let call = match (&actual.ty, inner) {
        (Type::Tensor, Type::Float) => "aten::FloatImplicit",
        (Type::Tensor, Type::Complex) => "aten::ComplexImplicit",
        (Type::Tensor, Type::Int) => "aten::IntImplicit",
        (Type::Tensor, Type::Number) => "aten::ScalarImplicit",
        (Type::Number, Type::Float) => "aten::Float",
        (Type::Number, Type::Complex) => "aten::Complex",
        (Type::Number, Type::Int) => "aten::Int",
        (Type::Str, Type::Device) => "aten::device",
        _ => return None,
    };
    Some(Conversion::Call(call, inner.clone()))
}

/// The item type, if a tuple's items may become a list of this type.
fn tuple_to_list(classes: &Classes, ty: &Type, list: &Type) -> Option<Type> {
    let (Type::List(item), Some(items)) = (without_optional(list), tuple_items(classes, ty)) else { return None };
    items.iter().all(|ty| is_subtype(classes, ty, item)).then(|| (**item).clone())
}

/// Whether the argument goes by this name; `self` is also called `input`, as in Python.
fn is_called(argument: &Argument, name: &str) -> bool {
    &*argument.name == name || (&*argument.name == "self" && name == "input")
}

/// Whether the argument can take all that remains.
fn takes_rest(argument: &Argument) -> bool {
    argument.size.is_none() && matches!(&argument.ty, Type::List(item) if !matches!(**item, Type::Variable(_)))
}

fn without_optional(ty: &Type) -> &Type {
    match ty {
        Type::Optional(item) => item,
        ty => ty,
    }
}

/// A type as a message names it.
fn described(ty: &Type) -> String {
    match ty {
        Type::Tensor => "a tensor".into(),
        Type::Future(_) => "a future".into(),
        ty => format!("`{ty}`"),
    }
}

fn has_variables(ty: &Type) -> bool {
    match ty {
        Type::Variable(_) => true,
        Type::List(ty) | Type::Optional(ty) | Type::Future(ty) | Type::Await(ty) | Type::RRef(ty) => has_variables(ty),
        Type::Dict(key, value) => has_variables(key) || has_variables(value),
        Type::Tuple(items) | Type::Union(items) => items.iter().any(has_variables),
        _ => false,
    }
}

/// Makes every variable in `formal` stand for `actual`, where nothing better is known.
fn bind_all(formal: &Type, actual: &Type, bindings: &mut Bindings) -> bool {
    match formal {
        Type::Variable(name) => {
            bindings.entry(name.clone()).or_insert_with(|| actual.clone());
        }
        Type::List(ty) | Type::Optional(ty) | Type::Future(ty) | Type::Await(ty) | Type::RRef(ty) => {
            bind_all(ty, actual, bindings);
        }
        Type::Dict(key, value) => {
            bind_all(key, actual, bindings);
            bind_all(value, actual, bindings);
        }
        Type::Tuple(items) | Type::Union(items) => {
            for ty in items.iter() {
                bind_all(ty, actual, bindings);
            }
        }
        _ => {}
    }
    true
}

/// The type with its variables replaced; `None` if one of them stands for nothing.
fn substitute(ty: &Type, bindings: &Bindings) -> Option<Type> {
    let inner = |ty: &Arc<Type>| substitute(ty, bindings).map(Arc::new);
    Some(match ty {
        Type::Variable(name) => bindings.get(name)?.clone(),
        Type::List(ty) => Type::List(inner(ty)?),
        Type::Optional(ty) => Type::optional(substitute(ty, bindings)?),
        Type::Future(ty) => Type::Future(inner(ty)?),
        Type::Await(ty) => Type::Await(inner(ty)?),
        Type::RRef(ty) => Type::RRef(inner(ty)?),
        Type::Dict(key, value) => Type::Dict(inner(key)?, inner(value)?),
        Type::Tuple(items) => {
            let items: Option<Vec<Type>> = items.iter().map(|ty| substitute(ty, bindings)).collect();
            Type::tuple(items?)
        }
        ty => ty.clone(),
    })
}
