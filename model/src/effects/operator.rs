//! What an operator does to everything that its arguments may be, by its row of the table.

use rustc_hash::FxHashMap;

use super::forks::ForkId;
use super::generic::{has_tensors_for_keys, is_generic};
use super::heap::{LocationId, Maker, Origin, Sort, Thing, ThingId};
use super::interpret::{Frame, Interpreter};
use super::lattice::{Abstract, Constant};
use super::record::Touch;
use super::region::{Region, Step};
use crate::graph::Node;
use crate::operators::possible::{Hint, Holds, Possible};
use crate::operators::schema::{Argument, Return};
use crate::operators::{Access, Call, Correction, Modes, Operator, Place, Printed};
use crate::slot::{Allocator, Memory};
use crate::types::Type;
use crate::value::{Generator, Value};

/// Operators that make tensors of which several elements may share memory.
const OVERLAPPING: [&str; 3] = ["aten::empty_strided", "aten::new_empty_strided", "aten::_efficientzerotensor"];

/// Computes operators on plain values, when all of them are known.
pub(super) struct Folder {
    allocator: Allocator,
    generator: Generator,
    modes: Modes,
    /// Whether an operator depends on plain arguments alone; by its place in the table, only looked up.
    folds: FxHashMap<*const Operator, bool>,
}

impl Default for Folder {
    fn default() -> Self {
        Self {
            allocator: Allocator::new(0, Memory::with_limit(1 << 20)),
            generator: Generator::default_seeded(0),
            modes: Modes::default(),
            folds: FxHashMap::default(),
        }
    }
}

impl Folder {
    fn fold(&mut self, operator: &'static Operator, args: &[Abstract]) -> Option<Constant> {
        let kernel = operator.kernel?;
        let folds = self.folds.entry(operator).or_insert_with(|| {
            let plain = |ty: &Type| matches!(ty, Type::Int | Type::Float | Type::Bool | Type::Str | Type::Number);
            let schema = &operator.schema;
            // What has no arguments answers for a mode of the task.
            !schema.arguments.is_empty()
                && !schema.vararg
                && schema.arguments.iter().all(|argument| plain(&argument.ty))
                && matches!(&schema.returns[..], [only] if plain(&only.ty))
                && operator.corrections.is_empty()
        });
        if !*folds {
            return None;
        }
        let args: Option<Vec<Value>> = args.iter().map(|arg| arg.constant().map(Constant::value)).collect();
        let result = kernel(&mut Call {
            operator,
            args: &args?,
            allocator: &mut self.allocator,
            generator: &self.generator,
            modes: &mut self.modes,
            printed: &mut Printed::default(),
        });
        Constant::of(&result.ok()?)
    }
}

impl Interpreter<'_> {
    /// Looks at a call of an operator.
    pub(super) fn operator(&mut self, frame: Frame, node: &Node, operator: &'static Operator) {
        let args: Vec<Abstract> = (0..node.inputs.len()).map(|i| self.input(frame, node, i)).collect();
        if args.iter().any(Abstract::is_never) {
            // No execution comes here, as far as is known by now.
            return;
        }
        if let Some(known) = self.known(operator, &args) {
            self.set(frame, node.outputs[0], &Abstract::known(known));
            return;
        }
        let graph = self.graph(frame.instance);
        let hint = |(id, arg): (&_, &Abstract)| {
            let value: &crate::graph::ValueInfo = graph.value(*id);
            Hint { ty: &value.ty, value: arg.constant().map(Constant::value), none: arg.may_be_none() }
        };
        let hints: Vec<Hint<'_>> = node.inputs.iter().zip(&args).map(hint).collect();
        let beyond = |correction: &Correction| matches!(correction, Correction::Unknown | Correction::Rebinds);
        if operator.corrections.iter().any(beyond) {
            self.note_opaque(frame, node);
        }
        if self.recorder.is_some() {
            for possible in operator.possible_effects(&hints) {
                self.touch_place(frame, node, possible, &args);
            }
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|_| operator.name == "aten::len") {
            recorder.measure(frame.instance, node.id);
        }
        self.store_arguments(frame, node, operator, &args);
        for (k, returned) in operator.schema.returns.iter().enumerate() {
            if let Some(&output) = node.outputs.get(k) {
                let ty = &graph.value(output).ty;
                let value = self.result(frame, node, operator, Result { returned, k, ty }, &args, &hints);
                self.set(frame, output, &value);
            }
        }
        if operator.schema.varret {
            let all = self.everything(&args);
            node.outputs.iter().for_each(|&output| self.set(frame, output, &all));
        }
    }

    /// The plain value that the call gives in every execution.
    fn known(&mut self, operator: &'static Operator, args: &[Abstract]) -> Option<Constant> {
        let same = match operator.name {
            "aten::__is__" => true,
            "aten::__isnot__" => false,
            _ => return self.folder.fold(operator, args),
        };
        let (one, other) = (self.heap.is_none(&args[0])?, self.heap.is_none(&args[1])?);
        // Of two that are both not `None` nobody knows.
        (one || other).then_some(Constant::Bool((one == other) == same))
    }

    /// What the call returns as its number `k`.
    fn result(
        &mut self,
        frame: Frame,
        node: &Node,
        operator: &'static Operator,
        Result { returned, k, ty }: Result<'_>,
        args: &[Abstract],
        hints: &[Hint<'_>],
    ) -> Abstract {
        let overlaps = OVERLAPPING.contains(&operator.name);
        let maker = Maker { overlaps, ..self.maker(frame, node) };
        let part = k as u16 * 8;
        if is_generic(operator) {
            return self.generic_result(frame, operator, Result { returned, k, ty }, args, maker);
        }
        let sources = Sources { operator, args };
        let Some(alias) = &returned.alias else {
            let mut value = self.made_result(ty, maker, part);
            if operator.may_alias(hints) != Holds::Never && holds_things(ty) {
                let handed = self.tensors_of(&sources.tensors());
                if operator.may_alias(hints) == Holds::Always && handed.things.single().is_some() && *ty == Type::Tensor
                {
                    value = Abstract::default();
                }
                let views = self.views(&handed, None, maker, part + 1);
                self.add_tensors(&mut value, ty, &handed);
                self.add_tensors(&mut value, ty, &views);
            }
            return value;
        };
        let shared = sources.sharing(returned);
        if alias.writes {
            return shared.into_iter().fold(Abstract::default(), |mut value, arg| {
                value.join(arg);
                value
            });
        }
        let unknown = alias.sets.iter().any(|set| &**set == "*") && shared.is_empty();
        let of: Vec<&Abstract> = if unknown { args.iter().collect() } else { shared };
        let shown = if unknown { self.everything(args) } else { self.tensors_of(&of) };
        let views = self.views(&shown, step(operator, args), maker, part + 1);
        let mut value = match ty {
            Type::List(_) => self.made_result(ty, maker, part),
            _ => Abstract::default(),
        };
        if let Type::List(_) = ty {
            // The list is new, and what the row above put into it is not what this call gives.
            self.add_tensors(&mut value, ty, &views);
            return value;
        }
        value.join(&views);
        if operator.may_copy(hints) != Holds::Never || operator.may_alias(hints) != Holds::Never || unknown {
            value.join(&shown);
            let copy = self.made_result(ty, maker, part + 2);
            value.join(&copy);
        }
        if value.is_never() { self.made_result(ty, maker, part) } else { value }
    }

    /// Something new of the type: of containers, with something new in them.
    pub(super) fn made_result(&mut self, ty: &Type, maker: Maker, part: u16) -> Abstract {
        match ty {
            Type::List(item) | Type::Dict(_, item) => {
                let made = self.heap.made(ty, maker, part);
                let mut item = self.made_result(item, maker, part.wrapping_add(4));
                if has_tensors_for_keys(ty) {
                    let key = self.made_result(&Type::Tensor, maker, part.wrapping_add(5));
                    item.join(&key);
                }
                self.store_all(&made, 0, &item);
                made
            }
            Type::Optional(item) => {
                let mut value = self.made_result(item, maker, part);
                value.join(&Abstract::any());
                value
            }
            Type::Tuple(items) => {
                // Parts of parts are numbered so that no two are the same; deep tuples of one node share.
                let item = |(i, ty): (usize, &Type)| {
                    self.made_result(ty, maker, part.wrapping_mul(31).wrapping_add(i as u16 + 1))
                };
                let items: Vec<_> = items.iter().enumerate().map(item).collect();
                Abstract::tuple(items)
            }
            _ => self.heap.made(ty, maker, part),
        }
    }

    /// Lets a result be, or hold, other tensors too.
    fn add_tensors(&mut self, value: &mut Abstract, ty: &Type, tensors: &Abstract) {
        match ty {
            Type::List(_) => self.store_all(value, 0, tensors),
            _ => {
                value.join(tensors);
            }
        }
    }

    /// The tensors that values may be, or that containers hold which they may be.
    fn tensors_of(&mut self, values: &[&Abstract]) -> Abstract {
        let mut tensors = Abstract::default();
        for value in values {
            let mut things: Vec<ThingId> = value.things.iter().collect();
            if let Some(items) = &value.items {
                items.iter().for_each(|item| item.each_thing(&mut |thing| things.push(thing)));
            }
            things.extend(self.content(value, None).things.iter());
            let tensor = |id: &ThingId| matches!(self.heap.thing(*id), Thing::Tensor { .. });
            tensors.things.join(&things.into_iter().filter(tensor).collect());
        }
        tensors
    }

    /// New tensors that show a part of what these show.
    fn views(&mut self, tensors: &Abstract, step: Option<Step>, maker: Maker, part: u16) -> Abstract {
        let origin = Origin::Made { instance: maker.instance, node: maker.node, part };
        let shape = self.heap.at(origin, Sort::Shape, maker.fork);
        let mut views = Vec::new();
        for thing in tensors.things.iter() {
            if let Thing::Tensor { storage, region, .. } = self.heap.thing(thing).clone() {
                views.push(self.heap.intern(Thing::Tensor { storage, region: region.step(step), shape }));
            }
        }
        Abstract { things: views.into_iter().collect(), ..Abstract::default() }
    }

    fn touch_place(&mut self, frame: Frame, node: &Node, possible: Possible, args: &[Abstract]) {
        let Possible { place, access, certain } = possible;
        match place {
            Place::Data(i) => self.touch_data(frame, node, &args[i], access, certain),
            Place::Shape(i) => self.touch_shapes(frame, node, &args[i], access, certain),
            Place::Items(i) => {
                let only = certain && args[i].things.len() == 1;
                for location in self.locations(&args[i]) {
                    if self.heap.location(location).sort == Sort::Container {
                        self.touch(frame, node, location, 0, None, access, only);
                    }
                }
            }
            Place::Generator(Some(i)) => {
                for location in self.locations(&args[i]) {
                    self.touch(frame, node, location, 0, None, access, certain);
                }
            }
            Place::Generator(None) => self.touch_fixed(frame, node, Origin::Generator, access, certain),
            Place::Stdout => self.touch_fixed(frame, node, Origin::Stdout, access, certain),
            Place::ProcessFlags => self.touch_fixed(frame, node, Origin::Flags, access, certain),
        }
    }

    fn touch_fixed(&mut self, frame: Frame, node: &Node, origin: Origin, access: Access, certain: bool) {
        let location = self.heap.at(origin, Sort::Generator, ForkId::MAIN);
        self.touch(frame, node, location, 0, None, access, certain);
    }

    /// What `print` writes to.
    pub(super) fn print(&mut self, frame: Frame, node: &Node) {
        if self.recorder.is_some() {
            self.touch_fixed(frame, node, Origin::Stdout, Access::Write, true);
        }
    }

    /// The elements of tensors; of a container, it is read, and the elements of those in it.
    fn touch_data(&mut self, frame: Frame, node: &Node, value: &Abstract, access: Access, certain: bool) {
        let only = certain && value.things.len() == 1 && value.items.is_none();
        self.read_whole(frame, node, value);
        for (thing, direct) in self.tensors_within(value) {
            if let Thing::Tensor { storage, region, .. } = self.heap.thing(thing).clone() {
                self.touch(frame, node, storage, 0, Some(region), access, only && direct);
            }
        }
    }

    fn touch_shapes(&mut self, frame: Frame, node: &Node, value: &Abstract, access: Access, certain: bool) {
        let only = certain && value.things.len() == 1 && value.items.is_none();
        for (thing, direct) in self.tensors_within(value) {
            if let Thing::Tensor { storage, shape, .. } = *self.heap.thing(thing) {
                if access.writes() {
                    self.heap.reshape(storage);
                }
                self.touch(frame, node, shape, 0, None, access, only && direct);
            }
        }
    }

    /// The tensors that a value may be or hold, and whether it may be them.
    fn tensors_within(&mut self, value: &Abstract) -> Vec<(ThingId, bool)> {
        let mut tensors = Vec::new();
        let mut waiting = vec![(value.clone(), true)];
        let mut seen = rustc_hash::FxHashSet::default();
        while let Some((value, direct)) = waiting.pop() {
            let mut things = Vec::new();
            value.each_thing(&mut |thing| things.push(thing));
            for thing in things {
                match *self.heap.thing(thing) {
                    Thing::Tensor { .. } => tensors.push((thing, direct)),
                    Thing::Whole(location)
                        if self.heap.location(location).sort == Sort::Container && seen.insert(location) =>
                    {
                        let content = self.heap.content(location, 0, None);
                        waiting.push((content, false));
                    }
                    _ => {}
                }
            }
        }
        tensors
    }

    /// Reads containers as such.
    pub(super) fn read_whole(&mut self, frame: Frame, node: &Node, value: &Abstract) {
        if self.recorder.is_none() {
            return;
        }
        for location in self.locations(value) {
            if self.heap.location(location).sort == Sort::Container {
                self.touch(frame, node, location, 0, None, Access::Read, value.things.len() == 1);
            }
        }
    }

    /// Reads everything in a value, as printing does.
    pub(super) fn read_all(&mut self, frame: Frame, node: &Node, value: &Abstract) {
        if self.recorder.is_some() {
            self.touch_shapes(frame, node, value, Access::Read, true);
            self.touch_data(frame, node, value, Access::Read, true);
        }
    }

    /// Notes an access.
    #[expect(clippy::too_many_arguments, reason = "an access is that many things")]
    pub(super) fn touch(
        &mut self,
        frame: Frame,
        node: &Node,
        location: LocationId,
        cell: u32,
        region: Option<Region>,
        access: Access,
        certain: bool,
    ) {
        if let Some(recorder) = &mut self.recorder {
            recorder.touch(Touch {
                instance: frame.instance,
                node: node.id,
                fork: frame.fork,
                location,
                cell,
                region,
                access,
                certain: certain && frame.certain,
                times: Default::default(),
            });
        }
    }

    /// Notes that nobody knows what a node does.
    pub(super) fn note_opaque(&mut self, frame: Frame, node: &Node) {
        if let Some(recorder) = &mut self.recorder {
            recorder.opaque.push((frame.instance, node.id, frame.fork));
        }
    }
}

/// A result that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Result<'a> {
    pub(super) returned: &'a Return,
    k: usize,
    /// What the graph says of it.
    pub(super) ty: &'a Type,
}

/// The arguments that a result may share memory with.
struct Sources<'a> {
    operator: &'a Operator,
    args: &'a [Abstract],
}

impl<'a> Sources<'a> {
    fn rows(&self) -> impl Iterator<Item = (&'a Argument, &'a Abstract)> {
        self.operator.schema.arguments.iter().zip(self.args)
    }

    /// Those of the alias sets of the result.
    fn sharing(&self, returned: &Return) -> Vec<&'a Abstract> {
        let sets = returned.alias.as_ref().map_or(&[][..], |alias| &alias.sets);
        let shares = |argument: &Argument| {
            argument.alias.as_ref().is_some_and(|alias| alias.sets.iter().any(|set| sets.contains(set)))
        };
        self.rows().filter(|(argument, _)| shares(argument)).map(|(_, arg)| arg).collect()
    }

    /// All tensors.
    fn tensors(&self) -> Vec<&'a Abstract> {
        self.rows().filter(|(argument, _)| holds_things(&argument.ty)).map(|(_, arg)| arg).collect()
    }
}

/// The part that a view shows, if constant indices say it.
fn step(operator: &Operator, args: &[Abstract]) -> Option<Step> {
    let at = |i: usize| match args.get(i)?.constant()? {
        Constant::Int(index @ 0..) => Some(*index),
        _ => None,
    };
    match (operator.name, operator.overload) {
        ("aten::select", "int") => {
            let (dimension, index) = (at(1)?, at(2)?);
            Some(Step { dimension, start: index, end: index.checked_add(1)?, stride: 1, select: true })
        }
        ("aten::slice", "Tensor") => {
            let bound = |i: usize, none: i64| match args.get(i)?.constant()? {
                Constant::None => Some(none),
                _ => at(i),
            };
            Some(Step {
                dimension: at(1)?,
                start: bound(2, 0)?,
                end: bound(3, i64::MAX)?,
                stride: at(4)?,
                select: false,
            })
        }
        ("aten::narrow", "") => {
            let (dimension, start, length) = (at(1)?, at(2)?, at(3)?);
            Some(Step { dimension, start, end: start.checked_add(length)?, stride: 1, select: false })
        }
        _ => None,
    }
}

fn holds_things(ty: &Type) -> bool {
    match ty {
        Type::Tensor => true,
        Type::Optional(item) | Type::List(item) => holds_things(item),
        _ => false,
    }
}
