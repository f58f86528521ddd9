//! Modules: things with attributes and submodules, as `torch.nn.Module` is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::{self, Write as _};
use std::ops::{Range, RangeInclusive};
use std::rc::Rc;
use std::sync::Arc;

use forkcheck_model::slot::SlotId;
use forkcheck_scheduler::TaskId;
use ndarray::{ArrayBase, Data, Dimension};

use super::cell::Attr;
use super::fork::{Future, Input};
use super::look::{Look, Outcome, Shown};
use super::tensor::Tensor;
use super::world;
use crate::names::NameKey;

/// Something that holds tensors and attributes, each of which has a name.
///
/// Registration is one method, without macros: name what you hold, in the order of declaration.
///
/// ```
/// use forkcheck::{Attr, Forward, Module, Tensor, Visitor};
///
/// #[derive(Clone)]
/// struct Linear { weight: Tensor, calls: Attr<u64> }
///
/// impl Module for Linear {
///     fn visit(&self, visitor: &mut Visitor) {
///         visitor.attribute("weight", &self.weight);
///         visitor.attribute("calls", &self.calls);
///     }
/// }
///
/// impl Forward<(Tensor,)> for Linear {
///     type Out = Tensor;
///
///     fn forward(&self, (x,): (Tensor,)) -> Tensor {
///         x.matmul(&self.weight)
///     }
/// }
/// ```
///
/// A fork that writes `calls` is reported as writing `self.calls`. A clone of such a struct shares its tensors and
/// attributes, as two names of one module do in Python.
pub trait Module {
    /// Visits everything that it holds.
    fn visit(&self, visitor: &mut Visitor);
}

/// A module that can be called, and forked, with arguments `A`.
pub trait Forward<A>: Module {
    /// What it returns.
    type Out;

    /// What it does when it is called.
    fn forward(&self, args: A) -> Self::Out;
}

/// Goes through what modules and arguments hold, and gives it names.
#[derive(Default)]
pub struct Visitor {
    path: String,
    /// Whether it is the attributes of a module that are visited.
    attribute: bool,
    pub(super) found: Vec<(NameKey, Arc<str>, bool)>,
    /// Whether names are all that is asked for.
    names_only: bool,
    pub(super) held: Vec<(String, Box<dyn Held>)>,
    /// What attributes led to.
    pub(super) reached: Vec<Box<dyn Held>>,
    /// Modules by path, each with the name of its type.
    pub(super) modules: Vec<(String, &'static str)>,
}

/// Something with contents that was met.
pub(super) trait Held: Send + Sync {
    /// Makes the contents what they were when it was met.
    fn restore(&self);
    /// The contents.
    fn look(&self, look: &mut Look) -> Shown;
}

impl fmt::Debug for dyn Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("something with contents")
    }
}

impl std::fmt::Debug for Visitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Visitor").field("path", &self.path).field("found", &self.found).finish_non_exhaustive()
    }
}

impl Visitor {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// One that gives names and keeps nothing of what it meets.
    pub(super) fn of_names() -> Self {
        Self { names_only: true, ..Self::default() }
    }

    /// Something that the module holds, under the name that it has there: a tensor, an attribute, a submodule, or a
    /// container of these.
    pub fn attribute(&mut self, name: &str, value: &impl Input) {
        self.within(format_args!(".{name}"), true, |visitor| value.visit_input(visitor));
    }

    /// Names the attributes of what is forked.
    pub(super) fn root(&mut self, module: &impl Module) {
        self.within(format_args!("self"), true, |visitor| visitor.module(module));
    }

    fn module<M: Module>(&mut self, module: &M) {
        if !self.names_only {
            self.modules.push((self.path.clone(), std::any::type_name::<M>()));
        }
        module.visit(self);
    }

    /// Names what the argument number `index` holds.
    pub(super) fn argument(&mut self, index: usize, visit: impl FnOnce(&mut Self)) {
        self.within(format_args!("input {index}"), false, visit);
    }

    fn within(&mut self, part: fmt::Arguments<'_>, attribute: bool, visit: impl FnOnce(&mut Self)) {
        let (length, before) = (self.path.len(), self.attribute);
        self.path.write_fmt(part).expect("a string takes everything");
        self.attribute |= attribute;
        visit(self);
        self.path.truncate(length);
        self.attribute = before;
    }

    fn item(&mut self, index: impl std::fmt::Display, value: &impl Input) {
        let visit = |visitor: &mut Self| value.visit_input(visitor);
        match self.path.is_empty() {
            true => self.within(format_args!("input {index}"), false, visit),
            false => self.within(format_args!("[{index}]"), false, visit),
        }
    }

    fn hold<H: Held + 'static>(&mut self, held: impl FnOnce() -> H) {
        if !self.names_only {
            self.held.push((self.path.clone(), Box::new(held())));
        }
    }

    /// What an attribute leads to goes by its name, and is put back with it; the caller sees it through the attribute.
    fn inside(&mut self, attribute: &impl Outcome) {
        if self.names_only {
            return;
        }
        let mut look = Look { met: Some(Vec::new()), ..Look::default() };
        attribute.look(&mut look);
        for (slot, held) in look.met.into_iter().flatten() {
            self.slot(slot);
            self.reached.push(held);
        }
    }

    fn slot(&mut self, slot: SlotId) {
        self.found.push(((slot, None), self.path.as_str().into(), self.attribute));
    }

    /// Tells the execution that this code belongs to what `task` calls things.
    pub(super) fn tell(&self, task: TaskId) {
        world::checked(|state| {
            let Some(watch) = &mut state.watch else { return };
            for (key, path, attribute) in &self.found {
                watch.name(task, *key, path.clone(), *attribute);
            }
        });
    }
}

impl<M: Module> Input for M {
    fn visit_input(&self, visitor: &mut Visitor) {
        visitor.module(self);
    }
}

impl Input for Tensor {
    fn visit_input(&self, visitor: &mut Visitor) {
        visitor.slot(self.storage_slot());
        visitor.hold(|| self.holding());
    }
}

impl<T: Outcome + Clone + Send + Sync + 'static> Input for Attr<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        visitor.slot(self.slot());
        visitor.hold(|| self.holding());
        visitor.inside(self);
    }
}

impl<T> Input for Future<T> {
    fn visit_input(&self, _: &mut Visitor) {}
}

macro_rules! plain {
    ($($ty:ty),* $(,)?) => { $(
        impl Input for $ty {
            fn visit_input(&self, _: &mut Visitor) {}
        }
    )* };
}
plain! {
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64, bool, char, String, &'static str, (),
    std::time::Duration, std::path::PathBuf, super::cell::Rng,
}

macro_rules! pointers {
    ($($pointer:ident),*) => { $(
        impl<T: Input + ?Sized> Input for $pointer<T> {
            fn visit_input(&self, visitor: &mut Visitor) {
                (**self).visit_input(visitor);
            }
        }
    )* };
}
pointers!(Arc, Rc);

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut Visitor) {
        (**self).visit(visitor);
    }
}

impl<T: Input> Input for Option<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        if let Some(value) = self {
            value.visit_input(visitor);
        }
    }
}

impl<T: Input, E: Input> Input for Result<T, E> {
    fn visit_input(&self, visitor: &mut Visitor) {
        match self {
            Ok(value) => value.visit_input(visitor),
            Err(error) => error.visit_input(visitor),
        }
    }
}

impl<T: Input> Input for [T] {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.iter().enumerate().for_each(|(i, item)| visitor.item(i, item));
    }
}

impl<T: Input> Input for Vec<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.as_slice().visit_input(visitor);
    }
}

impl<T: Input, const N: usize> Input for [T; N] {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.as_slice().visit_input(visitor);
    }
}

/// Arrays of numbers, which nobody can write who shares them: what can be copied is no handle.
impl<S: Data<Elem: Input + Copy>, D: Dimension> Input for ArrayBase<S, D> {
    fn visit_input(&self, _: &mut Visitor) {}
}

impl<T: Input> Input for VecDeque<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.iter().enumerate().for_each(|(i, item)| visitor.item(i, item));
    }
}

impl<T: Input> Input for BTreeSet<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.iter().enumerate().for_each(|(i, item)| visitor.item(i, item));
    }
}

impl<K: std::fmt::Debug, V: Input> Input for BTreeMap<K, V> {
    fn visit_input(&self, visitor: &mut Visitor) {
        self.iter().for_each(|(key, item)| visitor.item(format_args!("{key:?}"), item));
    }
}

/// In the order of the keys: that of the map is different in every process.
#[expect(clippy::disallowed_types, reason = "users pass them, and they are sorted here")]
impl<K: std::fmt::Debug, V: Input, S> Input for std::collections::HashMap<K, V, S> {
    fn visit_input(&self, visitor: &mut Visitor) {
        let mut items: Vec<_> = self.iter().map(|(key, item)| (format!("{key:?}"), item)).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items.into_iter().for_each(|(key, item)| visitor.item(key, item));
    }
}

/// In the order of the items: that of the set is different in every process.
#[expect(clippy::disallowed_types, reason = "users pass them, and they are sorted here")]
impl<T: std::fmt::Debug + Input, S> Input for std::collections::HashSet<T, S> {
    fn visit_input(&self, visitor: &mut Visitor) {
        let mut items: Vec<_> = self.iter().map(|item| (format!("{item:?}"), item)).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items.into_iter().enumerate().for_each(|(i, (_, item))| visitor.item(i, item));
    }
}

impl<T: Input> Input for Range<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        visitor.item("start", &self.start);
        visitor.item("end", &self.end);
    }
}

impl<T: Input> Input for RangeInclusive<T> {
    fn visit_input(&self, visitor: &mut Visitor) {
        visitor.item("start", self.start());
        visitor.item("end", self.end());
    }
}

macro_rules! tuples {
    ($(($($name:ident $index:tt)*))*) => { $(
        impl<$($name: Input),*> Input for ($($name,)*) {
            fn visit_input(&self, visitor: &mut Visitor) {
                $(visitor.item($index, &self.$index);)*
            }
        }
    )* };
}
tuples! {
    (A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3) (A 0 B 1 C 2 D 3 E 4) (A 0 B 1 C 2 D 3 E 4 F 5)
}
