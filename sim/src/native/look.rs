//! What the caller sees of a value: its contents, for telling outcomes apart and for showing where they differ.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use forkcheck_model::slot::SlotId;
use forkcheck_model::value::Value;
use forkcheck_scheduler::{Kind, TaskId};
use ndarray::{ArrayBase, Data, Dimension};
use smallvec::SmallVec;

use super::module::Held;
use super::state::Touched;

/// What a checked body returns: something whose contents can be told apart.
///
/// It is there for numbers, strings, tensors, attributes, futures, containers, options, results and tuples. For a type of
/// your own, say what it is made of:
///
/// ```
/// use forkcheck::{Look, Outcome, Shown, Tensor};
///
/// struct Step { loss: f32, weights: Tensor }
///
/// impl Outcome for Step {
///     fn look(&self, look: &mut Look) -> Shown {
///         Shown::fields("Step", [("loss", self.loss.look(look)), ("weights", self.weights.look(look))])
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the outcome of a checked body",
    label = "forkcheck cannot compare this between schedules",
    note = "return a number, a string, a tensor, a container or tuple of these, or `()`; or implement `forkcheck::Outcome` \
            for your type"
)]
pub trait Outcome {
    /// The contents of the value. To be made of other looks alone: nothing may be written, forked or waited for here.
    fn look(&self, look: &mut Look) -> Shown;

    /// Whether values of this type can lead to something that others write. Who says nothing is taken to; that costs executions
    /// that are begun in vain, and no more.
    #[doc(hidden)]
    fn leads() -> bool
    where
        Self: Sized,
    {
        true
    }
}

/// The contents of a value.
#[derive(Debug, Clone)]
pub struct Shown(pub(super) Value);

/// Who looks at a value: notes what is read on the way.
#[derive(Debug, Default)]
pub struct Look {
    pub(super) touches: SmallVec<[Touched; 2]>,
    /// The attributes and globals whose contents may decide what else is seen.
    pub(super) leads: SmallVec<[SlotId; 2]>,
    pub(super) futures: Vec<TaskId>,
    /// What was met, if somebody wants to put it back.
    pub(super) met: Option<Vec<(SlotId, Box<dyn Held>)>>,
}

/// A value that is kept to be looked at.
pub(super) trait Kept: Send + Sync {
    fn look(&self, look: &mut Look) -> Shown;

    /// As of [`Outcome`].
    fn leads(&self) -> bool;

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<T: Outcome + Send + Sync + 'static> Kept for T {
    fn look(&self, look: &mut Look) -> Shown {
        Outcome::look(self, look)
    }

    fn leads(&self) -> bool {
        T::leads()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl std::fmt::Debug for dyn Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }
}

impl Shown {
    /// No contents.
    pub fn nothing() -> Self {
        Self(Value::None)
    }

    /// A text that tells it from others.
    pub fn text(text: impl Into<String>) -> Self {
        Self(Value::str(text.into()))
    }

    /// Several contents in their order.
    pub fn all(parts: impl IntoIterator<Item = Shown>) -> Self {
        Self(Value::tuple(parts.into_iter().map(|shown| shown.0).collect::<Vec<_>>()))
    }

    /// The fields of a structure or a variant, by name.
    pub fn fields<'a>(name: &str, fields: impl IntoIterator<Item = (&'a str, Shown)>) -> Self {
        let fields = fields.into_iter().map(|(name, shown)| Shown::all([Shown::text(name), shown]));
        Shown::all([Shown::text(name)].into_iter().chain(fields))
    }
}

impl Look {
    /// Notes that something was read.
    pub(super) fn reads(&mut self, touched: Touched) {
        debug_assert_eq!(touched.access.kind, Kind::Read, "a look only reads");
        self.touches.push(touched);
    }

    /// Keeps what was met, if somebody wants to put it back.
    pub(super) fn keep<H: Held + 'static>(&mut self, slot: SlotId, held: impl FnOnce() -> H) {
        if let Some(met) = &mut self.met {
            met.push((slot, Box::new(held())));
        }
    }

    /// Notes that something was read that has a location for itself, and whose value may lead elsewhere.
    pub(super) fn reads_whole(&mut self, slot: SlotId, leads: bool) {
        self.reads(Touched::whole(slot, Kind::Read));
        self.leads.extend(leads.then_some(slot));
    }
}

macro_rules! integers {
    ($($int:ty),*) => { $(
        impl Outcome for $int {
            fn look(&self, _: &mut Look) -> Shown {
                match i64::try_from(*self) {
                    Ok(value) => Shown(Value::Int(value)),
                    Err(_) => Shown::text(self.to_string()),
                }
            }

            fn leads() -> bool {
                false
            }
        }
    )* };
}
integers!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

macro_rules! plain {
    ($($ty:ty: |$value:ident| $shown:expr),* $(,)?) => { $(
        impl Outcome for $ty {
            fn look(&self, _: &mut Look) -> Shown {
                let $value = self;
                $shown
            }

            fn leads() -> bool {
                false
            }
        }
    )* };
}
plain! {
    f32: |value| Shown(Value::Float(f64::from(*value))),
    f64: |value| Shown(Value::Float(*value)),
    bool: |value| Shown(Value::Bool(*value)),
    char: |value| Shown::text(*value),
    String: |value| Shown::text(value.as_str()),
    (): |_value| Shown::nothing(),
    std::cmp::Ordering: |value| Shown(Value::Int(*value as i64)),
    std::time::Duration: |value| Shown::text(format!("{value:?}")),
    std::convert::Infallible: |value| match *value {},
    std::io::Error: |value| Shown::text(value.to_string()),
    Box<dyn std::error::Error + Send + Sync>: |value| Shown::text(value.to_string()),
}

impl Outcome for str {
    fn look(&self, _: &mut Look) -> Shown {
        Shown::text(self)
    }
}

macro_rules! pointers {
    ($($pointer:ident),*) => { $(
        impl<T: Outcome + ?Sized> Outcome for $pointer<T> {
            fn look(&self, look: &mut Look) -> Shown {
                (**self).look(look)
            }
        }
    )* };
}
pointers!(Box, Arc, Rc);

impl<T: Outcome + ?Sized> Outcome for &T {
    fn look(&self, look: &mut Look) -> Shown {
        (**self).look(look)
    }
}

impl<T: Outcome> Outcome for [T] {
    fn look(&self, look: &mut Look) -> Shown {
        Shown::all(self.iter().map(|item| item.look(look)))
    }
}

impl<T: Outcome> Outcome for Vec<T> {
    fn look(&self, look: &mut Look) -> Shown {
        self.as_slice().look(look)
    }

    fn leads() -> bool {
        T::leads()
    }
}

impl<T: Outcome, const N: usize> Outcome for [T; N] {
    fn look(&self, look: &mut Look) -> Shown {
        self.as_slice().look(look)
    }

    fn leads() -> bool {
        T::leads()
    }
}

impl<T: Outcome> Outcome for VecDeque<T> {
    fn look(&self, look: &mut Look) -> Shown {
        Shown::all(self.iter().map(|item| item.look(look)))
    }

    fn leads() -> bool {
        T::leads()
    }
}

/// Its sizes and its elements in row-major order.
impl<S: Data<Elem: Outcome>, D: Dimension> Outcome for ArrayBase<S, D> {
    fn look(&self, look: &mut Look) -> Shown {
        Shown::all([self.shape().look(look), Shown::all(self.iter().map(|item| item.look(look)))])
    }

    fn leads() -> bool {
        S::Elem::leads()
    }
}

impl<T: Outcome> Outcome for Option<T> {
    fn look(&self, look: &mut Look) -> Shown {
        match self {
            Some(value) => Shown::all([Shown::text("Some"), value.look(look)]),
            None => Shown::nothing(),
        }
    }

    fn leads() -> bool {
        T::leads()
    }
}

impl<T: Outcome, E: Outcome> Outcome for Result<T, E> {
    fn look(&self, look: &mut Look) -> Shown {
        match self {
            Ok(value) => Shown::all([Shown::text("Ok"), value.look(look)]),
            Err(error) => Shown::all([Shown::text("Err"), error.look(look)]),
        }
    }

    fn leads() -> bool {
        T::leads() || E::leads()
    }
}

impl<K: Outcome, V: Outcome> Outcome for BTreeMap<K, V> {
    fn look(&self, look: &mut Look) -> Shown {
        Shown::all(self.iter().map(|(key, value)| Shown::all([key.look(look), value.look(look)])))
    }

    fn leads() -> bool {
        K::leads() || V::leads()
    }
}

impl<T: Outcome> Outcome for BTreeSet<T> {
    fn look(&self, look: &mut Look) -> Shown {
        Shown::all(self.iter().map(|item| item.look(look)))
    }

    fn leads() -> bool {
        T::leads()
    }
}

/// In the order of the keys' contents: that of the map is different in every process.
#[expect(clippy::disallowed_types, reason = "users return them, and they are sorted here")]
impl<K: Outcome, V: Outcome, S> Outcome for std::collections::HashMap<K, V, S> {
    fn look(&self, look: &mut Look) -> Shown {
        let pairs = self.iter().map(|(key, value)| (key.look(look), value.look(look)));
        let mut pairs: Vec<_> = pairs.map(|(key, value)| (crate::text_of(&key.0), key, value)).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Shown::all(pairs.into_iter().map(|(_, key, value)| Shown::all([key, value])))
    }

    fn leads() -> bool {
        K::leads() || V::leads()
    }
}

/// In the order of the items' contents: that of the set is different in every process.
#[expect(clippy::disallowed_types, reason = "users return them, and they are sorted here")]
impl<T: Outcome, S> Outcome for std::collections::HashSet<T, S> {
    fn look(&self, look: &mut Look) -> Shown {
        let items = self.iter().map(|item| item.look(look));
        let mut items: Vec<_> = items.map(|item| (crate::text_of(&item.0), item)).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        Shown::all(items.into_iter().map(|(_, item)| item))
    }

    fn leads() -> bool {
        T::leads()
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => { $(
        impl<$($name: Outcome),*> Outcome for ($($name,)*) {
            #[allow(non_snake_case, reason = "the names of types serve as those of values")]
            fn look(&self, look: &mut Look) -> Shown {
                let ($($name,)*) = self;
                Shown::all([$($name.look(look)),*])
            }

            fn leads() -> bool {
                $($name::leads())||*
            }
        }
    )* };
}
tuples! {
    (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L)
}
