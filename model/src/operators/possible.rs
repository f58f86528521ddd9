//! What a call may read and write when not all of its arguments are known: the static side of a row.
//!
//! [`Operator::effects`] asks the same row about one call; whatever it answers is among the answers here, and a test holds
//! every call of every kernel to that.

use super::corrections::{Correction, When};
use super::effects::{Access, ArgumentKind, Place, holds_tensors};
use super::{Argument, Operator};
use crate::types::Type;
use crate::value::Value;

/// What is known of an argument before the call.
#[derive(Debug, Clone)]
pub struct Hint<'a> {
    /// The type that it is known to have; often narrower than that of the schema.
    pub ty: &'a Type,
    /// The value, if it is a plain one and known.
    pub value: Option<Value>,
    /// Whether it can be `None`.
    pub none: bool,
}

/// Whether a condition holds in some calls, in all, or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// In none.
    Never,
    /// In some, as far as is known.
    Maybe,
    /// In all.
    Always,
}

/// An access that a call may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Possible {
    /// What is accessed.
    pub place: Place,
    /// How.
    pub access: Access,
    /// Whether every call does.
    pub certain: bool,
}

impl Operator {
    /// What a call may access, argument by argument in schema order, then what is outside of the arguments.
    pub fn possible_effects(&self, args: &[Hint<'_>]) -> Vec<Possible> {
        let mut possible = Vec::new();
        for (i, argument) in self.schema.arguments.iter().enumerate() {
            if !matches!(args[i].value, Some(Value::None)) {
                self.possible_of_argument(i, argument, args, &mut possible);
            }
        }
        for i in self.schema.arguments.len()..args.len() {
            read_all(i, true, &mut possible);
        }
        for correction in self.corrections {
            match correction {
                Correction::Draws(when) => self.possible_draw(when.holds_for(self, args), args, &mut possible),
                Correction::Seeds => {
                    possible.push(Possible { place: Place::Generator(None), access: Access::Write, certain: true });
                }
                Correction::Prints => {
                    possible.push(Possible { place: Place::Stdout, access: Access::Write, certain: true });
                }
                Correction::ProcessFlags(access) => {
                    possible.push(Possible { place: Place::ProcessFlags, access: *access, certain: true });
                }
                _ => {}
            }
        }
        possible
    }

    /// Whether a call may hand an argument through that its schema promises to leave alone.
    pub fn may_alias(&self, args: &[Hint<'_>]) -> Holds {
        self.corrected(args, |correction| match correction {
            Correction::AliasesWhen(when) => Some(*when),
            _ => None,
        })
    }

    /// Whether a call may copy where its schema promises a view. Where nothing says when, a view is always one.
    pub fn may_copy(&self, args: &[Hint<'_>]) -> Holds {
        self.corrected(args, |correction| match correction {
            Correction::CopiesWhen(when) => Some(*when),
            _ => None,
        })
    }

    fn corrected(&self, args: &[Hint<'_>], when: impl Fn(&Correction) -> Option<When>) -> Holds {
        let all = self.corrections.iter().filter_map(when).map(|when| when.holds_for(self, args));
        all.reduce(|a, b| if a == b { a } else { Holds::Maybe }).unwrap_or(Holds::Never)
    }

    fn possible_draw(&self, holds: Holds, args: &[Hint<'_>], possible: &mut Vec<Possible>) {
        if holds == Holds::Never {
            return;
        }
        let explicit = self.schema.argument("generator").filter(|&i| !matches!(args[i].value, Some(Value::None)));
        let unsure = explicit.is_some_and(|i| args[i].none);
        let certain = holds == Holds::Always && !unsure;
        let draw = |generator| Possible { place: Place::Generator(generator), access: Access::ReadWrite, certain };
        possible.push(draw(explicit));
        possible.extend(unsure.then(|| draw(None)));
    }

    /// What a call may access through its argument number `i`.
    fn possible_of_argument(&self, i: usize, argument: &Argument, args: &[Hint<'_>], possible: &mut Vec<Possible>) {
        let given = !args[i].none;
        let mut push =
            |place, access: Access, certain| possible.push(Possible { place, access, certain: certain && given });
        let looks_inside = self.has(|c| matches!(c, Correction::ReadsElements));
        match kind_of(&argument.ty, args[i].ty) {
            ArgumentKind::Tensors if !(looks_inside && matches!(args[i].ty, Type::List(_))) => {
                let named =
                    self.has(|c| matches!(c, Correction::WritesShape(names) if names.contains(&&*argument.name)));
                // An `out` that is empty is given the sizes of the result.
                match named || argument.is_out() {
                    true => push(Place::Shape(i), Access::ReadWrite, named),
                    false => push(Place::Shape(i), Access::Read, true),
                }
                if let Some((access, certain)) = self.possible_data(argument, args) {
                    push(Place::Data(i), access, certain);
                }
            }
            ArgumentKind::Tensors | ArgumentKind::Container => {
                let corrected = self.corrections.iter().find_map(|correction| match correction {
                    Correction::Writes(names, when) if names.contains(&&*argument.name) => {
                        Some(when.holds_for(self, args))
                    }
                    _ => None,
                });
                let annotated = argument.alias.as_ref().is_some_and(|alias| alias.writes);
                let holds = corrected.unwrap_or(if annotated { Holds::Always } else { Holds::Never });
                let access = if holds == Holds::Never { Access::Read } else { Access::ReadWrite };
                push(Place::Items(i), access, holds != Holds::Maybe);
                if looks_inside {
                    push(Place::Shape(i), Access::Read, true);
                    push(Place::Data(i), Access::Read, true);
                }
            }
            ArgumentKind::Generator => {
                if !self.has(|c| matches!(c, Correction::Draws(_))) {
                    let (access, certain) = self.possible_data(argument, args).unwrap_or((Access::Read, true));
                    push(Place::Generator(Some(i)), access, certain);
                }
            }
            // It may be a number all the same.
            ArgumentKind::Plain if looks_inside => read_all(i, false, possible),
            ArgumentKind::Plain => {}
        }
    }

    /// How a call may access the elements of a tensor argument, and whether each does; `None` if none does.
    fn possible_data(&self, argument: &Argument, args: &[Hint<'_>]) -> Option<(Access, bool)> {
        let named = |names: &[&str]| names.contains(&&*argument.name);
        for correction in self.corrections {
            match correction {
                Correction::Writes(names, when) if named(names) => {
                    return Some(match when.holds_for(self, args) {
                        Holds::Never => (Access::Read, true),
                        holds => (Access::ReadWrite, holds == Holds::Always),
                    });
                }
                Correction::WritesShape(names) | Correction::Unread(names) if named(names) => return None,
                Correction::Overwrites(names) if named(names) => return Some((Access::Write, true)),
                _ => {}
            }
        }
        match &argument.alias {
            Some(alias) if alias.writes && argument.is_out() => Some((Access::Write, true)),
            Some(alias) if alias.writes && self.writes_part() && !self.may_accumulate(args) => {
                Some((Access::Write, true))
            }
            Some(alias) if alias.writes => Some((Access::ReadWrite, true)),
            _ if self.has(|c| matches!(c, Correction::ShapeOnly)) => None,
            _ if self.may_alias(args) == Holds::Always => None,
            Some(_) => (self.may_copy(args) != Holds::Never).then_some((Access::Read, false)),
            None => Some((Access::Read, self.may_alias(args) == Holds::Never)),
        }
    }

    /// Whether a call may read what it writes, of an operator that writes only selected elements.
    fn may_accumulate(&self, args: &[Hint<'_>]) -> bool {
        let known: Vec<Value> = args.iter().map(|hint| hint.value.clone().unwrap_or(Value::None)).collect();
        let told = self.schema.argument("accumulate").is_some_and(|i| args[i].value.is_none());
        told || self.accumulates(&known)
    }
}

impl When {
    /// Whether the condition holds, as far as the arguments are known.
    pub fn holds_for(&self, operator: &Operator, args: &[Hint<'_>]) -> Holds {
        match self {
            When::Always => Holds::Always,
            When::Argument(name) => {
                let i = operator.schema.argument(name).expect("a correction names an argument of its schema");
                match args[i].value {
                    Some(Value::Bool(true)) => Holds::Always,
                    Some(_) => Holds::Never,
                    None => Holds::Maybe,
                }
            }
            When::Arguments(_) => Holds::Maybe,
            When::Plain(condition) => {
                let mut answers = [false; 2];
                let mut values = Vec::with_capacity(args.len());
                sample(args, &mut values, &mut |values| answers[usize::from(condition(operator, values))] = true);
                match answers {
                    [false, true] => Holds::Always,
                    [true, false] => Holds::Never,
                    _ => Holds::Maybe,
                }
            }
        }
    }
}

/// Calls `try_one` with every choice of the values that tell calls apart, where a plain argument is not known.
fn sample(args: &[Hint<'_>], values: &mut Vec<Value>, try_one: &mut impl FnMut(&[Value])) {
    let Some(hint) = args.get(values.len()) else { return try_one(values) };
    let choices = match (&hint.value, hint.ty) {
        (Some(value), _) => vec![value.clone()],
        (None, Type::Bool) => vec![Value::Bool(false), Value::Bool(true)],
        (None, Type::Int) => (0..4).map(Value::Int).collect(),
        (None, Type::Float | Type::Number) => vec![Value::Float(0.0), Value::Float(0.5), Value::Float(1.0)],
        _ => vec![Value::None],
    };
    for value in choices {
        values.push(value);
        sample(args, values, try_one);
        values.pop();
    }
}

/// The accesses of an operator that looks at everything in an argument.
fn read_all(i: usize, certain: bool, possible: &mut Vec<Possible>) {
    let read = |place| Possible { place, access: Access::Read, certain };
    possible.extend([read(Place::Items(i)), read(Place::Shape(i)), read(Place::Data(i))]);
}

/// How an argument of a schema's type carries state, if it has this type.
fn kind_of(schema: &Type, ty: &Type) -> ArgumentKind {
    match (schema, ty) {
        (Type::Optional(item), ty) => kind_of(item, ty),
        (schema, Type::Optional(item)) => kind_of(schema, item),
        (Type::Variable(_), _) => ArgumentKind::Plain,
        (Type::Tensor, _) | (_, Type::Tensor) => ArgumentKind::Tensors,
        (Type::List(item), _) if holds_tensors(item) => ArgumentKind::Tensors,
        (Type::List(_) | Type::Dict(..) | Type::AnyList, _) | (_, Type::List(_) | Type::Dict(..)) => {
            ArgumentKind::Container
        }
        (Type::Generator, _) | (_, Type::Generator) => ArgumentKind::Generator,
        _ => ArgumentKind::Plain,
    }
}
