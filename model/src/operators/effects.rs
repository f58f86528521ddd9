//! What a call reads and writes, known before it runs, in terms of its arguments.

use smallvec::SmallVec;

use super::corrections::{Correction, PARTIAL_WRITERS, When};
use super::{Argument, Operator};
use crate::types::Type;
use crate::value::Value;

/// One access of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// What is accessed.
    pub place: Place,
    /// How.
    pub access: Access,
}

/// Something that a call can access; the numbers are positions of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The elements that a tensor shows; of a list, those of every tensor in it (and the list itself is read).
    Data(usize),
    /// A tensor's metadata: sizes, strides, which storage; of a list, those of every tensor in it.
    Shape(usize),
    /// A list or dict as a whole.
    Items(usize),
    /// The state of the generator given by the argument, or of the default one.
    Generator(Option<usize>),
    /// What the program prints to.
    Stdout,
    /// Flags of the whole process.
    ProcessFlags,
}

/// How something is accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// Read only.
    Read,
    /// Written without being read.
    Write,
    /// Read, then written.
    ReadWrite,
}

impl Access {
    /// Whether something is written.
    pub fn writes(self) -> bool {
        self != Access::Read
    }

    /// Whether something is read.
    pub fn reads(self) -> bool {
        self != Access::Write
    }
}

impl Operator {
    /// What this call accesses, argument by argument in schema order, then what is outside of the arguments.
    pub fn effects(&self, args: &[Value]) -> SmallVec<[Effect; 8]> {
        let mut effects = SmallVec::new();
        for (i, argument) in self.schema.arguments.iter().enumerate() {
            self.argument_effects(i, argument, args, &mut effects);
        }
        if self.schema.vararg {
            for (i, value) in args.iter().enumerate().skip(self.schema.arguments.len()) {
                read_all(i, value, &mut effects);
            }
        }
        for correction in self.corrections {
            match correction {
                Correction::Draws(when) if when.holds(self, args) => {
                    let explicit = self.schema.argument("generator").filter(|&i| !matches!(args[i], Value::None));
                    effects.push(Effect { place: Place::Generator(explicit), access: Access::ReadWrite });
                }
                Correction::Seeds => effects.push(Effect { place: Place::Generator(None), access: Access::Write }),
                Correction::Prints => effects.push(Effect { place: Place::Stdout, access: Access::Write }),
                Correction::ProcessFlags(access) => {
                    effects.push(Effect { place: Place::ProcessFlags, access: *access });
                }
                _ => {}
            }
        }
        effects
    }

    /// Whether what a call touches depends on the sizes of its tensors: a copy where there is no view, a draw where there are
    /// elements.
    pub fn depends_on_shapes(&self) -> bool {
        self.has(|correction| match correction {
            Correction::Writes(_, when)
            | Correction::CopiesWhen(when)
            | Correction::AliasesWhen(when)
            | Correction::Draws(when) => matches!(when, When::Arguments(_)),
            _ => false,
        })
    }

    /// Whether the call writes only elements that another argument selects.
    pub fn writes_part(&self) -> bool {
        PARTIAL_WRITERS.iter().any(|row| row.0 == self.name)
    }

    /// Whether the call reads what it writes, of an operator that writes only selected elements.
    pub(super) fn accumulates(&self, args: &[Value]) -> bool {
        let reads = PARTIAL_WRITERS.iter().any(|row| row.0 == self.name && row.1);
        let told = self.schema.argument("accumulate").map(|i| matches!(args[i], Value::Bool(true)));
        reads && told.unwrap_or(true)
    }

    /// Whether a call can be done in two halves, first all reading, then all storing: a tensor operator that writes the
    /// elements of single tensors, or `append`. Kernels are not atomic on real machines, and so neither are these.
    pub fn splits(&self) -> bool {
        let written = |argument: &&Argument| argument.alias.as_ref().is_some_and(|alias| alias.writes);
        let single = |argument: &&Argument| {
            matches!(&argument.ty, Type::Tensor)
                || matches!(&argument.ty, Type::Optional(item) if **item == Type::Tensor)
        };
        self.name == "aten::append"
            || !self.has(|c| matches!(c, Correction::WritesShape(_)))
                && (self.has(|c| matches!(c, Correction::Writes(..)))
                    || self.schema.arguments.iter().any(|argument| written(&argument) && single(&argument)))
                && self.schema.arguments.iter().filter(written).all(|argument| single(&argument))
    }

    /// What the call accesses through its argument number `i`.
    fn argument_effects(&self, i: usize, argument: &Argument, args: &[Value], effects: &mut SmallVec<[Effect; 8]>) {
        if matches!(args[i], Value::None) {
            return;
        }
        let mut push = |place, access| effects.push(Effect { place, access });
        // A container operator that looks inside works on a list of tensors as a list.
        let looks_inside = self.has(|c| matches!(c, Correction::ReadsElements));
        match kind_of(&argument.ty, &args[i]) {
            ArgumentKind::Tensors if !(looks_inside && matches!(args[i], Value::List(_))) => {
                let written_shape = self
                    .corrections
                    .iter()
                    .any(|c| matches!(c, Correction::WritesShape(names) if names.contains(&&*argument.name)));
                // An `out` that is empty is given the sizes of the result; one that is not should have them already.
                let written_shape = written_shape || argument.is_out() && is_empty(&args[i]);
                push(Place::Shape(i), if written_shape { Access::ReadWrite } else { Access::Read });
                if let Some(access) = self.data_access(argument, args) {
                    push(Place::Data(i), access);
                }
            }
            ArgumentKind::Tensors | ArgumentKind::Container => {
                let corrected = self.corrections.iter().find_map(|correction| match correction {
                    Correction::Writes(names, when) if names.contains(&&*argument.name) => Some(when.holds(self, args)),
                    _ => None,
                });
                let writes = corrected.unwrap_or(argument.alias.as_ref().is_some_and(|alias| alias.writes));
                push(Place::Items(i), if writes { Access::ReadWrite } else { Access::Read });
                if looks_inside {
                    push(Place::Shape(i), Access::Read);
                    push(Place::Data(i), Access::Read);
                }
            }
            ArgumentKind::Generator => {
                // What is drawn from is told by the correction that says when.
                if !self.has(|c| matches!(c, Correction::Draws(_))) {
                    push(Place::Generator(Some(i)), self.data_access(argument, args).unwrap_or(Access::Read));
                }
            }
            ArgumentKind::Plain if looks_inside => read_all(i, &args[i], effects),
            ArgumentKind::Plain => {}
        }
    }

    /// How the call accesses the elements of a tensor argument; `None` if it does not look at them.
    fn data_access(&self, argument: &Argument, args: &[Value]) -> Option<Access> {
        let named = |names: &[&str]| names.contains(&&*argument.name);
        for correction in self.corrections {
            match correction {
                Correction::Writes(names, when) if named(names) => {
                    return Some(if when.holds(self, args) { Access::ReadWrite } else { Access::Read });
                }
                Correction::WritesShape(names) | Correction::Unread(names) if named(names) => return None,
                Correction::Overwrites(names) if named(names) => return Some(Access::Write),
                _ => {}
            }
        }
        match &argument.alias {
            Some(alias) if alias.writes && argument.is_out() => Some(Access::Write),
            Some(alias) if alias.writes && self.writes_part() && !self.accumulates(args) => Some(Access::Write),
            Some(alias) if alias.writes => Some(Access::ReadWrite),
            _ if self.has(|c| matches!(c, Correction::ShapeOnly)) => None,
            _ if self.has(|c| matches!(c, Correction::AliasesWhen(when) if when.holds(self, args))) => None,
            // A view only looks at the metadata, unless this call has to copy.
            Some(_) => self
                .has(|c| matches!(c, Correction::CopiesWhen(when) if when.holds(self, args)))
                .then_some(Access::Read),
            None => Some(Access::Read),
        }
    }

    pub(super) fn has(&self, wanted: impl Fn(&Correction) -> bool) -> bool {
        self.corrections.iter().any(wanted)
    }
}

/// The accesses of an operator that looks at everything in `value`, such as `format`.
fn read_all(i: usize, value: &Value, effects: &mut SmallVec<[Effect; 8]>) {
    match value {
        Value::Tensor(_) => {
            effects.push(Effect { place: Place::Shape(i), access: Access::Read });
            effects.push(Effect { place: Place::Data(i), access: Access::Read });
        }
        // A tuple is no place itself, but may hold some.
        Value::List(_) | Value::Dict(_) | Value::Tuple(_) => {
            effects.push(Effect { place: Place::Items(i), access: Access::Read });
            effects.push(Effect { place: Place::Shape(i), access: Access::Read });
            effects.push(Effect { place: Place::Data(i), access: Access::Read });
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    matches!(value, Value::Tensor(tensor) if tensor.numel() == 0)
}

/// How an argument carries state.
pub(super) enum ArgumentKind {
    /// A tensor or a list of tensors whose elements the operator works on.
    Tensors,
    /// A list or dict that the operator works on as such.
    Container,
    /// A generator that the operator looks at or seeds.
    Generator,
    /// Nothing that can be shared.
    Plain,
}

/// A `Tensor` or `Tensor[]` of the schema is worked on through; a `t[]` or a dict is worked on as such.
fn kind_of(ty: &Type, value: &Value) -> ArgumentKind {
    match (ty, value) {
        (Type::Optional(item), value) => kind_of(item, value),
        // What can be of any type is handed on, not looked at: an item that is appended, the operands of `is`.
        (Type::Variable(_), _) => ArgumentKind::Plain,
        (_, Value::Tensor(_)) => ArgumentKind::Tensors,
        (Type::List(item), Value::List(_)) if holds_tensors(item) => ArgumentKind::Tensors,
        (_, Value::List(_) | Value::Dict(_)) => ArgumentKind::Container,
        (_, Value::Generator(_)) => ArgumentKind::Generator,
        _ => ArgumentKind::Plain,
    }
}

pub(super) fn holds_tensors(ty: &Type) -> bool {
    match ty {
        Type::Tensor => true,
        Type::Optional(item) | Type::List(item) => holds_tensors(item),
        _ => false,
    }
}

impl When {
    /// Whether the condition holds for these arguments.
    pub fn holds(&self, operator: &Operator, args: &[Value]) -> bool {
        match self {
            When::Always => true,
            When::Argument(name) => {
                let i = operator.schema.argument(name).expect("a correction names an argument of its schema");
                matches!(args[i], Value::Bool(true))
            }
            When::Arguments(condition) | When::Plain(condition) => condition(operator, args),
        }
    }
}
