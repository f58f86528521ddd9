//! What is known of a value before the run: a plain value if there is only one, and every thing that it may be.

use std::sync::Arc;

use super::heap::ThingId;
use crate::module::FunctionId;
use crate::value::Value;

/// All that a value may be, in every execution.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Abstract {
    /// The plain values among them.
    pub(super) plain: Plain,
    /// The things among them.
    pub(super) things: Things,
    /// Of a tuple, what its items may be.
    pub(super) items: Option<Arc<[Abstract]>>,
}

/// The plain values that something may be.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Plain {
    /// None at all.
    #[default]
    Never,
    /// This one.
    Known(Constant),
    /// Any.
    Any,
}

/// A plain value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constant {
    None,
    Bool(bool),
    Int(i64),
    /// By its bits, so that a value is equal to itself.
    Float(u64),
    Str(Arc<str>),
    Function(FunctionId),
}

impl Constant {
    /// The constant that a value is, if it is one.
    pub(super) fn of(value: &Value) -> Option<Constant> {
        Some(match value {
            Value::None => Constant::None,
            Value::Bool(value) => Constant::Bool(*value),
            Value::Int(value) => Constant::Int(*value),
            Value::Float(value) => Constant::Float(value.to_bits()),
            Value::Str(value) => Constant::Str(value.clone()),
            Value::Function(id) => Constant::Function(*id),
            _ => return None,
        })
    }

    /// The value that it is.
    pub(super) fn value(&self) -> Value {
        match self {
            Constant::None => Value::None,
            Constant::Bool(value) => Value::Bool(*value),
            Constant::Int(value) => Value::Int(*value),
            Constant::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Constant::Str(value) => Value::Str(value.clone()),
            Constant::Function(id) => Value::Function(*id),
        }
    }
}

impl Plain {
    /// Takes in what else it may be; whether that is news.
    fn join(&mut self, other: &Plain) -> bool {
        match (&*self, other) {
            (_, Plain::Never) | (Plain::Any, _) => false,
            (Plain::Never, other) => {
                *self = other.clone();
                true
            }
            (Plain::Known(a), Plain::Known(b)) if a == b => false,
            (Plain::Known(_), _) => {
                *self = Plain::Any;
                true
            }
        }
    }
}

impl Abstract {
    /// Any plain value.
    pub(super) fn any() -> Self {
        Self { plain: Plain::Any, ..Self::default() }
    }

    /// This plain value.
    pub(super) fn known(constant: Constant) -> Self {
        Self { plain: Plain::Known(constant), ..Self::default() }
    }

    /// This thing.
    pub(super) fn thing(thing: ThingId) -> Self {
        Self { things: Things::one(thing), ..Self::default() }
    }

    /// A tuple.
    pub(super) fn tuple(items: impl Into<Arc<[Abstract]>>) -> Self {
        Self { items: Some(items.into()), ..Self::default() }
    }

    /// Whether no execution comes to it.
    pub(super) fn is_never(&self) -> bool {
        self.plain == Plain::Never && self.things.is_empty() && self.items.is_none()
    }

    /// The plain value that it is in every execution.
    pub(super) fn constant(&self) -> Option<&Constant> {
        match &self.plain {
            Plain::Known(constant) if self.things.is_empty() && self.items.is_none() => Some(constant),
            _ => None,
        }
    }

    /// Whether it may be `None`.
    pub(super) fn may_be_none(&self) -> bool {
        matches!(self.plain, Plain::Any | Plain::Known(Constant::None))
    }

    /// Takes in what else it may be; whether that is news.
    pub(super) fn join(&mut self, other: &Abstract) -> bool {
        let mut news = self.plain.join(&other.plain) | self.things.join(&other.things);
        match (&mut self.items, &other.items) {
            (_, None) => {}
            (None, Some(items)) => {
                self.items = Some(items.clone());
                news = true;
            }
            (Some(ours), Some(theirs)) if Arc::ptr_eq(ours, theirs) => {}
            (Some(ours), Some(theirs)) if ours.len() == theirs.len() => {
                let mut joined = ours.to_vec();
                let mut grown = false;
                joined.iter_mut().zip(theirs.iter()).for_each(|(a, b)| grown |= a.join(b));
                if grown {
                    *ours = joined.into();
                }
                news |= grown;
            }
            // Tuples of different lengths: one item that may be any of all.
            (Some(ours), Some(theirs)) => {
                let mut all = Abstract::default();
                ours.iter().chain(theirs.iter()).for_each(|item| {
                    all.join(item);
                });
                if ours.len() != 1 || ours[0] != all {
                    *ours = [all].into();
                    news = true;
                }
            }
        }
        news
    }

    /// The item number `index` of the tuple that it is.
    pub(super) fn item(&self, index: usize) -> Abstract {
        match &self.items {
            // Tuples of different lengths were joined.
            Some(items) if items.len() == 1 => items[0].clone(),
            Some(items) => items.get(index).cloned().unwrap_or_default(),
            None if self.is_never() => Abstract::default(),
            None => Abstract { items: None, ..self.clone() },
        }
    }

    /// An item of it as a tuple, at an index that is not known.
    pub(super) fn any_item(&self) -> Abstract {
        let Some(items) = &self.items else { return self.item(0) };
        let mut any = Abstract::default();
        for item in items.iter() {
            any.join(item);
        }
        any
    }

    /// Calls `found` with every thing that it may be, or that is an item of a tuple that it may be.
    pub(super) fn each_thing(&self, found: &mut impl FnMut(ThingId)) {
        self.things.iter().for_each(&mut *found);
        self.items.iter().flat_map(|items| items.iter()).for_each(|item| item.each_thing(found));
    }

    /// The same with each thing replaced.
    pub(super) fn map_things(&self, map: &mut impl FnMut(ThingId) -> ThingId) -> Abstract {
        let mut nothing_changes = true;
        self.each_thing(&mut |thing| nothing_changes &= map(thing) == thing);
        if nothing_changes {
            return self.clone();
        }
        Abstract {
            plain: self.plain.clone(),
            things: self.things.iter().map(&mut *map).collect(),
            items: self.items.as_ref().map(|items| items.iter().map(|item| item.map_things(map)).collect()),
        }
    }
}

/// A set of things, ascending. Cheap to clone: many values are the same things.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Things(Option<Arc<[ThingId]>>);

impl Things {
    /// The set of one.
    pub(super) fn one(thing: ThingId) -> Self {
        Self(Some(Arc::new([thing])))
    }

    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |things| things.len())
    }

    /// All of them, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = ThingId> + '_ {
        self.0.iter().flat_map(|things| things.iter().copied())
    }

    /// The only one.
    pub(super) fn single(&self) -> Option<ThingId> {
        self.0.as_ref().filter(|things| things.len() == 1).map(|things| things[0])
    }

    /// Takes in others; whether there are any new ones.
    pub(super) fn join(&mut self, other: &Things) -> bool {
        let Some(theirs) = &other.0 else { return false };
        let Some(ours) = &self.0 else {
            self.0 = Some(theirs.clone());
            return true;
        };
        if Arc::ptr_eq(ours, theirs) || theirs.iter().all(|thing| ours.binary_search(thing).is_ok()) {
            return false;
        }
        *self = ours.iter().chain(theirs.iter()).copied().collect();
        true
    }
}

impl FromIterator<ThingId> for Things {
    fn from_iter<I: IntoIterator<Item = ThingId>>(things: I) -> Self {
        let mut things: Vec<ThingId> = things.into_iter().collect();
        things.sort_unstable();
        things.dedup();
        Self((!things.is_empty()).then(|| things.into()))
    }
}
