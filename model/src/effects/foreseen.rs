//! What was foreseen of each value, so that a run can be held against it.
//!
//! The analysis answers for all executions, so whatever one execution shows must be among what it said: no node is reached
//! that it takes for dead, no value is another than it may be, no two values share memory that it keeps apart. That can be
//! asked of every program that runs, whether it forks or not.

use super::heap::{Heap, Thing};
use super::interpret::Interpreter;
use super::lattice::{Abstract, Constant, Plain};
use super::{TooLarge, World};
use crate::graph::ValueId;
use crate::module::FunctionId;
use crate::value::Value;

/// A value of a graph in one calling context.
pub type Seen = (u32, ValueId);

/// Everything that was foreseen of a program.
pub struct Foreseen<'a> {
    interpreter: Interpreter<'a>,
}

impl std::fmt::Debug for Foreseen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Foreseen").field("contexts", &self.interpreter.instances.len()).finish_non_exhaustive()
    }
}

impl<'a> Foreseen<'a> {
    /// The calling context of the entry.
    pub const ENTRY: u32 = 0;

    /// Looks at a function with everything that it calls.
    ///
    /// # Errors
    /// If it is too large.
    pub fn of(world: &'a World<'a>, entry: FunctionId) -> Result<Self, TooLarge> {
        Interpreter::run(world, entry).map(|interpreter| Self { interpreter })
    }

    /// Whether there is no node of which nobody knows what it does.
    pub fn is_complete(&self) -> bool {
        self.interpreter.recorded().opaque.is_empty()
    }

    /// The calling context of what a node calls; `None` if it was not foreseen that it calls this.
    pub fn called(&self, context: u32, node: u32, function: FunctionId) -> Option<u32> {
        self.interpreter.called(context, node, function)
    }

    /// The calling context of what a node forks; `None` if it was not foreseen that it is reached.
    pub fn forked(&self, context: u32, node: u32, body: FunctionId) -> Option<u32> {
        self.interpreter.forked(context, node, body)
    }

    /// Whether a value may be this one, and hold what it holds.
    pub fn admits(&mut self, (context, id): Seen, value: &Value) -> bool {
        let known = self.interpreter.value(context, id).clone();
        self.is_among(&known, value, 3)
    }

    /// Whether two values may be the same thing, or tensors of the same memory.
    pub fn may_share(&self, a: Seen, b: Seen) -> bool {
        self.any_pair(a, b, |heap, a, b| heap.may_be_of_one_origin(a, b))
    }

    /// Whether two tensors may have an element in common, if they show the same memory.
    pub fn may_overlap(&self, a: Seen, b: Seen) -> bool {
        self.any_pair(a, b, |heap, a, b| match (a, b) {
            (
                Thing::Tensor { storage, region, .. },
                Thing::Tensor { storage: other_storage, region: other_region, .. },
            ) => {
                heap.may_be_of_one_origin(a, b)
                    && (storage != other_storage || !heap.are_apart(*storage, region, other_region))
            }
            _ => false,
        })
    }

    /// Whether a node may write anything.
    pub fn writes(&self, context: u32, node: u32) -> bool {
        let recorded = self.interpreter.recorded();
        let here = |touch: &&super::record::Touch| touch.instance == context && touch.node == node;
        recorded.touches.iter().filter(here).any(|touch| touch.access.writes())
    }

    fn any_pair(&self, a: Seen, b: Seen, related: impl Fn(&Heap, &Thing, &Thing) -> bool) -> bool {
        let Interpreter { heap, .. } = &self.interpreter;
        let things = |(context, id): Seen| {
            let mut things = Vec::new();
            self.interpreter.value(context, id).each_thing(&mut |thing| things.push(heap.thing(thing)));
            things
        };
        let others = things(b);
        things(a).into_iter().any(|a| others.iter().any(|b| related(heap, a, b)))
    }

    /// Whether a value is among what is known, and what it holds too, so many levels down.
    fn is_among(&mut self, known: &Abstract, value: &Value, depth: u32) -> bool {
        let heap = &self.interpreter.heap;
        let is_any = |fits: fn(&Thing) -> bool| known.things.iter().any(|thing| fits(heap.thing(thing)));
        let is_whole = || is_any(|thing| matches!(thing, Thing::Whole(_)));
        let is_tensor = || is_any(|thing| matches!(thing, Thing::Tensor { .. }));
        match value {
            Value::Tensor(_) => is_tensor(),
            Value::Future(_) => is_any(|thing| matches!(thing, Thing::Future { .. } | Thing::Foreign(_))),
            Value::Object(_) | Value::Generator(_) | Value::Await(_) => is_whole(),
            Value::List(list) => is_whole() && self.are_within(known, &list.content().items, depth),
            Value::Dict(dict) => is_whole() && self.are_within(known, dict.content().entries.values(), depth),
            Value::Tuple(items) => {
                let is_tuple = known.items.is_some() || !known.things.is_empty() || known.plain == Plain::Any;
                is_tuple && items.iter().enumerate().all(|(i, item)| self.is_among(&known.item(i), item, depth))
            }
            // A tensor that an operator does not give.
            Value::None if is_tensor() => true,
            plain => match &known.plain {
                Plain::Any => true,
                Plain::Never => false,
                Plain::Known(constant) => Constant::of(plain).is_some_and(|plain| plain == *constant),
            },
        }
    }

    /// Whether each of these is among what the containers hold that are known.
    fn are_within<'v>(&mut self, known: &Abstract, items: impl IntoIterator<Item = &'v Value>, depth: u32) -> bool {
        let content = self.interpreter.content(known, None);
        depth == 0 || items.into_iter().all(|item| self.is_among(&content, item, depth - 1))
    }
}
