//! Everything that an execution could write, as finitely many locations, and what each may hold.
//!
//! A location stands for one thing of the loaded module, for what an input brings, or for all that one node makes in one
//! calling context. What was made inside of a fork and has left it is another location than what is still inside
//! ([`Heap::raise`]): the first belongs to whoever has it now, so that the next task of the same fork does not own what
//! the one before it made.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::forks::{ForkId, Forks};
use super::lattice::{Abstract, Constant, Plain};
use super::region::Region;
use crate::module::{Attribute, FunctionId};
use crate::slot::SlotId;
use crate::tensor::{Layout, Tensor};
use crate::types::Type;
use crate::value::{Key, Value};

/// A location, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LocationId(pub(super) u32);

/// A thing that a value may be, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ThingId(pub u32);

/// A thing that a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Thing {
    /// A tensor: what it shows of which memory, and its metadata.
    Tensor { storage: LocationId, region: Region, shape: LocationId },
    /// A list, dict, object, generator or awaitable.
    Whole(LocationId),
    /// The future of a task; whether it is that of the last one forked there, and within which fork's tasks it has stayed.
    Future { fork: ForkId, last: bool, scope: ForkId },
    /// A future that was there before.
    Foreign(LocationId),
}

/// What a location is a part of everything that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Sort {
    /// The elements of a tensor.
    Storage,
    /// The metadata of a tensor.
    Shape,
    /// A list or a dict.
    Container,
    /// An object; its attributes are told apart.
    Object,
    /// A generator of random numbers.
    Generator,
    /// What an awaitable remembers.
    Await,
    /// A future that came with the inputs.
    Future,
}

/// Where something comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// It was loaded with the module.
    Loaded(SlotId),
    /// It is a constant of a function, made once for all who execute the node.
    Constant(FunctionId, u32),
    /// It came with the inputs, by this path.
    Input(PathId),
    /// A node made it: in which calling context, which node, and as which part of its results.
    Made { instance: u32, node: u32, part: u16 },
    /// What the program prints to.
    Stdout,
    /// The default generator.
    Generator,
    /// Flags of the whole process.
    Flags,
}

/// The way from a parameter to a thing, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PathId(u32);

/// One step of such a way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Stride {
    /// The parameter of this name.
    Parameter(Arc<str>),
    /// An item, by its index if it is known.
    Item(Option<i64>),
    /// A value of a dict, by its key if it is known.
    Key(Option<Arc<str>>),
    /// An attribute.
    Attribute(Arc<str>),
    /// The result of a future.
    Result,
}

/// What is known of a location.
#[derive(Debug)]
pub(super) struct Location {
    pub(super) origin: Origin,
    pub(super) sort: Sort,
    /// It belongs to the tasks of this fork, and to those whose subtree it is in.
    pub(super) scope: ForkId,
    /// What an input has by its type; for containers and objects.
    ty: Option<Type>,
    /// The loaded thing itself.
    real: Option<Value>,
}

/// Inputs of inputs are told apart to this depth; what is deeper is as its parent.
const DEEPEST_PATH: u32 = 12;

/// All locations, things and contents.
#[derive(Debug, Default)]
pub(super) struct Heap {
    locations: Vec<Location>,
    by_origin: FxHashMap<(Origin, Sort, ForkId), LocationId>,
    things: Vec<Thing>,
    by_thing: FxHashMap<Thing, ThingId>,
    paths: Vec<(Option<PathId>, Stride, u32)>,
    by_path: FxHashMap<(Option<PathId>, Stride), PathId>,
    /// What a container holds, or the attribute of an object with this number.
    cells: FxHashMap<(LocationId, u32), Abstract>,
    /// The cells of each location that hold something.
    known_cells: FxHashMap<LocationId, Vec<u32>>,
    /// A location inside of a fork, and what it is outside.
    links: Vec<(LocationId, LocationId)>,
    /// The same; only asked.
    linked: FxHashSet<(LocationId, LocationId)>,
    /// Where from what came out of its fork while that, or a fork below it, may still run.
    leaked: FxHashSet<(Origin, Sort)>,
    /// Where memory comes from of which some tensor's metadata are written: which part of it that tensor shows is not known then.
    reshaped: FxHashSet<Origin>,
    /// Cells of what the program was given or loaded which were written.
    pub(super) written: FxHashSet<(LocationId, u32)>,
    /// Counts changes of contents.
    pub(super) version: u64,
}

impl Heap {
    /// What is known of a location.
    pub(super) fn location(&self, id: LocationId) -> &Location {
        &self.locations[id.0 as usize]
    }

    /// The location of this origin.
    pub(super) fn at(&mut self, origin: Origin, sort: Sort, scope: ForkId) -> LocationId {
        self.located(origin, sort, scope, None, None)
    }

    fn located(
        &mut self,
        origin: Origin,
        sort: Sort,
        scope: ForkId,
        ty: Option<&Type>,
        real: Option<&Value>,
    ) -> LocationId {
        let Heap { locations, by_origin, .. } = self;
        *by_origin.entry((origin.clone(), sort, scope)).or_insert_with(|| {
            locations.push(Location { origin, sort, scope, ty: ty.cloned(), real: real.cloned() });
            LocationId(locations.len() as u32 - 1)
        })
    }

    /// What stands behind the number.
    pub(super) fn thing(&self, id: ThingId) -> &Thing {
        &self.things[id.0 as usize]
    }

    /// The number of a thing.
    pub(super) fn intern(&mut self, thing: Thing) -> ThingId {
        let Heap { things, by_thing, .. } = self;
        *by_thing.entry(thing).or_insert_with_key(|thing| {
            things.push(thing.clone());
            ThingId(things.len() as u32 - 1)
        })
    }

    /// What a node makes of this type, with nothing in it.
    pub(super) fn made(&mut self, ty: &Type, maker: Maker, part: u16) -> Abstract {
        let origin = Origin::Made { instance: maker.instance, node: maker.node, part };
        match ty {
            Type::Tensor => {
                let storage = self.at(origin.clone(), Sort::Storage, maker.fork);
                let shape = self.at(origin, Sort::Shape, maker.fork);
                let base = (!maker.overlaps).then_some(shape);
                Abstract::thing(self.intern(Thing::Tensor { storage, region: Region::whole(base), shape }))
            }
            Type::List(_) | Type::Dict(..) => self.made_whole(origin, Sort::Container, maker.fork),
            Type::Generator => self.made_whole(origin, Sort::Generator, maker.fork),
            Type::Await(_) => self.made_whole(origin, Sort::Await, maker.fork),
            Type::Named(_) => {
                let location = self.located(origin, Sort::Object, maker.fork, Some(ty), None);
                Abstract::thing(self.intern(Thing::Whole(location)))
            }
            _ => Abstract::any(),
        }
    }

    fn made_whole(&mut self, origin: Origin, sort: Sort, fork: ForkId) -> Abstract {
        let location = self.at(origin, sort, fork);
        Abstract::thing(self.intern(Thing::Whole(location)))
    }

    /// The way that goes on from `parent`.
    pub(super) fn path(&mut self, parent: Option<PathId>, stride: Stride) -> PathId {
        let depth = parent.map_or(0, |parent| self.paths[parent.0 as usize].2 + 1);
        if let Some(parent) = parent.filter(|_| depth > DEEPEST_PATH) {
            return parent;
        }
        let Heap { paths, by_path, .. } = self;
        *by_path.entry((parent, stride.clone())).or_insert_with(|| {
            paths.push((parent, stride, depth));
            PathId(paths.len() as u32 - 1)
        })
    }

    /// The way in a user's words: `xs[1]`, `d['w']`.
    pub(super) fn path_text(&self, path: PathId) -> String {
        let (parent, stride, _) = &self.paths[path.0 as usize];
        let parent = parent.map_or(String::new(), |parent| self.path_text(parent));
        match stride {
            Stride::Parameter(name) => name.to_string(),
            Stride::Item(Some(index)) => format!("{parent}[{index}]"),
            Stride::Item(None) | Stride::Key(None) => format!("{parent}[…]"),
            Stride::Key(Some(key)) => format!("{parent}['{key}']"),
            Stride::Attribute(name) => format!("{parent}.{name}"),
            Stride::Result => parent,
        }
    }

    /// What an input of this type may be, with everything in it.
    pub(super) fn input(&mut self, ty: &Type, path: PathId) -> Abstract {
        let origin = Origin::Input(path);
        let mut whole = |sort, wrap: fn(LocationId) -> Thing| {
            let location = self.located(origin.clone(), sort, ForkId::MAIN, Some(ty), None);
            Abstract::thing(self.intern(wrap(location)))
        };
        match ty {
            Type::Tensor => {
                let storage = self.at(origin.clone(), Sort::Storage, ForkId::MAIN);
                let shape = self.at(origin, Sort::Shape, ForkId::MAIN);
                // An input may be expanded: nothing is known of its parts.
                Abstract::thing(self.intern(Thing::Tensor { storage, region: Region::whole(None), shape }))
            }
            Type::List(_) | Type::Dict(..) | Type::AnyList => whole(Sort::Container, Thing::Whole),
            Type::Generator => whole(Sort::Generator, Thing::Whole),
            Type::Named(_) => whole(Sort::Object, Thing::Whole),
            Type::Future(_) => whole(Sort::Future, Thing::Foreign),
            Type::Await(_) => whole(Sort::Await, Thing::Whole),
            Type::Optional(item) => {
                let mut value = self.input(item, path);
                value.join(&Abstract::any());
                value
            }
            Type::Union(items) => {
                let mut value = Abstract::default();
                for item in items.iter() {
                    let item = self.input(item, path);
                    value.join(&item);
                }
                value
            }
            Type::Tuple(items) => {
                let mut parts = Vec::new();
                for (i, ty) in items.iter().enumerate() {
                    let path = self.path(Some(path), Stride::Item(Some(i as i64)));
                    parts.push(self.input(ty, path));
                }
                Abstract::tuple(parts)
            }
            // Anything at all: a tensor, a list of anything, a plain value.
            Type::Any | Type::AnyTuple | Type::Variable(_) => {
                let mut value = self.input(&Type::Tensor, path);
                let list = self.located(
                    Origin::Input(path),
                    Sort::Container,
                    ForkId::MAIN,
                    Some(&Type::list(Type::Any)),
                    None,
                );
                value.join(&Abstract::thing(self.intern(Thing::Whole(list))));
                value.join(&Abstract::any());
                value
            }
            _ => Abstract::any(),
        }
    }

    /// What a loaded value is.
    pub(super) fn loaded(&mut self, value: &Value) -> Abstract {
        self.real(value, None)
    }

    /// What a constant is: things in it are made once, before the run.
    pub(super) fn constant(&mut self, value: &Value, function: FunctionId, node: u32) -> Abstract {
        self.real(value, Some(Origin::Constant(function, node)))
    }

    fn real(&mut self, value: &Value, constant: Option<Origin>) -> Abstract {
        let mut whole = |slot, sort| {
            let location = self.located(Origin::Loaded(slot), sort, ForkId::MAIN, None, Some(value));
            Abstract::thing(self.intern(Thing::Whole(location)))
        };
        match value {
            Value::Tensor(tensor) => self.real_tensor(tensor),
            Value::List(list) => whole(list.id(), Sort::Container),
            Value::Dict(dict) => whole(dict.id(), Sort::Container),
            Value::Object(object) => whole(object.id(), Sort::Object),
            Value::Await(awaited) => whole(awaited.id(), Sort::Await),
            Value::Generator(generator) => {
                let origin = constant.unwrap_or(Origin::Loaded(generator.id()));
                self.made_whole(origin, Sort::Generator, ForkId::MAIN)
            }
            Value::Tuple(items) => {
                let items: Vec<_> = items.iter().map(|item| self.real(item, constant.clone())).collect();
                Abstract::tuple(items)
            }
            Value::Uninitialized => Abstract::default(),
            other => Constant::of(other).map_or_else(Abstract::any, Abstract::known),
        }
    }

    fn real_tensor(&mut self, tensor: &Tensor) -> Abstract {
        let metadata = tensor.metadata();
        let storage = self.at(Origin::Loaded(metadata.storage.id()), Sort::Storage, ForkId::MAIN);
        let shape = self.at(Origin::Loaded(tensor.id()), Sort::Shape, ForkId::MAIN);
        let base = is_dense(&metadata.layout).then_some(shape);
        Abstract::thing(self.intern(Thing::Tensor { storage, region: Region::whole(base), shape }))
    }

    /// What a container may hold, or an attribute of an object; `at` is the index or key that is asked for, if it is known.
    pub(super) fn content(&mut self, location: LocationId, cell: u32, at: Option<&Constant>) -> Abstract {
        let mut content = self.begin_content(location, cell, at);
        if let Some(stored) = self.cells.get(&(location, cell)) {
            content.join(stored);
        }
        content
    }

    /// What it held at the start.
    fn begin_content(&mut self, location: LocationId, cell: u32, at: Option<&Constant>) -> Abstract {
        let Location { origin, ty, real, .. } = self.location(location);
        if let Some(real) = real.clone() {
            return self.real_content(&real, cell);
        }
        let (Origin::Input(path), Some(ty)) = (origin.clone(), ty.clone()) else { return Abstract::default() };
        match ty {
            Type::List(item) => {
                let index = if let Some(Constant::Int(index @ 0..)) = at { Some(*index) } else { None };
                let path = self.path(Some(path), Stride::Item(index));
                self.input(&item, path)
            }
            Type::Dict(key, item) => {
                let name = if let Some(Constant::Str(key)) = at { Some(key.clone()) } else { None };
                let path = self.path(Some(path), Stride::Key(name));
                let mut value = self.input(&item, path);
                if *key == Type::Tensor {
                    let key = self.input(&key, path);
                    value.join(&key);
                }
                value
            }
            Type::AnyList => {
                let path = self.path(Some(path), Stride::Item(None));
                self.input(&Type::Any, path)
            }
            Type::Future(item) | Type::Await(item) => {
                let path = self.path(Some(path), Stride::Result);
                self.input(&item, path)
            }
            _ => Abstract::default(),
        }
    }

    fn real_content(&mut self, real: &Value, cell: u32) -> Abstract {
        let mut content = Abstract::default();
        let mut join = |heap: &mut Heap, value: &Value| {
            let value = heap.real(value, None);
            content.join(&value);
        };
        match real {
            Value::List(list) => list.content().items.iter().for_each(|item| join(self, item)),
            Value::Dict(dict) => {
                for (key, item) in &dict.content().entries {
                    if let Key::Tensor(_) = key {
                        join(self, &key.to_value());
                    }
                    join(self, item);
                }
            }
            Value::Object(object) => join(self, &object.attribute(cell as usize)),
            _ => {}
        }
        content
    }

    /// What an attribute of an input object may be.
    pub(super) fn input_attribute(&mut self, location: LocationId, name: &Arc<str>, ty: &Type) -> Option<Abstract> {
        let Location { origin: Origin::Input(path), .. } = self.location(location) else { return None };
        let path = self.path(Some(*path), Stride::Attribute(name.clone()));
        Some(self.input(ty, path))
    }

    /// The object itself, if it was loaded.
    pub(super) fn real_object(&self, location: LocationId) -> Option<&Value> {
        self.location(location).real.as_ref()
    }

    /// The class that an object of the inputs has by its type.
    pub(super) fn input_class(&self, location: LocationId) -> Option<&Type> {
        self.location(location).ty.as_ref()
    }

    /// Stores: what the cell may hold grows, and whatever is stored outside of the fork that made it is outside now.
    pub(super) fn store(&mut self, location: LocationId, cell: u32, value: &Abstract, forks: &Forks) {
        let scope = self.location(location).scope;
        self.written.insert((location, cell));
        let raised = self.raise(value, scope, forks, true);
        self.join_cell(location, cell, &raised);
    }

    fn join_cell(&mut self, location: LocationId, cell: u32, value: &Abstract) {
        let known_cells = &mut self.known_cells;
        let held = self.cells.entry((location, cell)).or_insert_with(|| {
            known_cells.entry(location).or_default().push(cell);
            Abstract::default()
        });
        if held.join(value) {
            self.version += 1;
        }
    }

    /// What a value is to the tasks of `scope` and around them: what is still inside of a fork in it comes out. `leaks` if that
    /// fork may go on, or others below it.
    pub(super) fn raise(&mut self, value: &Abstract, scope: ForkId, forks: &Forks, leaks: bool) -> Abstract {
        value.map_things(&mut |id| match self.thing(id).clone() {
            Thing::Tensor { storage, region, shape } => {
                let storage = self.raise_location(storage, scope, forks, leaks);
                let raised = self.raise_location(shape, scope, forks, leaks);
                let base = region.base.map(|base| self.raise_location(base, scope, forks, leaks));
                self.intern(Thing::Tensor { storage, region: region.with_base(base), shape: raised })
            }
            Thing::Whole(location) => {
                let location = self.raise_location(location, scope, forks, leaks);
                self.intern(Thing::Whole(location))
            }
            Thing::Future { fork, last, scope: inner } if inner != scope && forks.is_within(inner, scope) => {
                self.intern(Thing::Future { fork, last, scope })
            }
            Thing::Future { .. } | Thing::Foreign(_) => id,
        })
    }

    fn raise_location(&mut self, location: LocationId, scope: ForkId, forks: &Forks, leaks: bool) -> LocationId {
        let Location { origin, sort, scope: inner, .. } = self.location(location);
        let (origin, sort, inner) = (origin.clone(), *sort, *inner);
        if inner == scope || !forks.is_within(inner, scope) {
            return location;
        }
        if leaks && self.leaked.insert((origin.clone(), sort)) {
            self.version += 1;
        }
        let (ty, real) = (self.location(location).ty.clone(), self.location(location).real.clone());
        let outer = self.located(origin, sort, scope, ty.as_ref(), real.as_ref());
        if !matches!(sort, Sort::Storage | Sort::Shape) && self.linked.insert((location, outer)) {
            self.links.push((location, outer));
            self.version += 1;
        }
        outer
    }

    /// Lets what is inside of a fork show outside of it; and the other way round for what leaked while the fork may go on.
    pub(super) fn spread(&mut self, forks: &Forks) {
        let mut at = 0;
        while at < self.links.len() {
            let (inner, outer) = self.links[at];
            at += 1;
            let leaks = self.is_leaked(inner);
            let scope = self.location(outer).scope;
            for cell in self.cells_of(inner) {
                let content = self.cells[&(inner, cell)].clone();
                let raised = self.raise(&content, scope, forks, leaks);
                self.join_cell(outer, cell, &raised);
            }
            if leaks {
                for cell in self.cells_of(outer) {
                    let content = self.cells[&(outer, cell)].clone();
                    self.join_cell(inner, cell, &content);
                }
            }
        }
    }

    /// The cells of a location that hold something.
    pub(super) fn cells_of(&self, location: LocationId) -> Vec<u32> {
        self.known_cells.get(&location).cloned().unwrap_or_default()
    }

    /// The location of this origin that belongs to all, if anything has come there.
    pub(super) fn find(&self, origin: &Origin, sort: Sort) -> Option<LocationId> {
        self.by_origin.get(&(origin.clone(), sort, ForkId::MAIN)).copied()
    }

    /// The attributes of a loaded object's class.
    pub(super) fn attributes(&self, location: LocationId) -> &[Attribute] {
        match &self.location(location).real {
            Some(Value::Object(object)) => &object.class().attributes,
            _ => &[],
        }
    }

    /// What a cell holds of which anything is known, each with what follows its path: first what was loaded, then what was
    /// stored. What no access has come by is not among it.
    pub(super) fn held(&self, location: LocationId, cell: u32) -> Vec<(String, Thing)> {
        let mut held = Vec::new();
        match &self.location(location).real {
            Some(Value::Object(object)) => {
                self.loaded_things(&object.attribute(cell as usize), String::new(), &mut held)
            }
            Some(Value::List(list)) => {
                for (i, item) in list.content().items.iter().enumerate() {
                    self.loaded_things(item, format!("[{i}]"), &mut held);
                }
            }
            Some(Value::Dict(dict)) => {
                for (key, item) in &dict.content().entries {
                    self.loaded_things(item, format!("[{}]", key.literal()), &mut held);
                }
            }
            _ => {}
        }
        let within = if self.location(location).sort == Sort::Container { "[…]" } else { "" };
        if let Some(stored) = self.cells.get(&(location, cell)) {
            stored.each_thing(&mut |thing| held.push((within.to_string(), self.thing(thing).clone())));
        }
        held
    }

    fn loaded_things(&self, value: &Value, path: String, held: &mut Vec<(String, Thing)>) {
        let known = |slot, sort| self.by_origin.get(&(Origin::Loaded(slot), sort, ForkId::MAIN)).copied();
        let mut whole =
            |slot, sort| held.extend(known(slot, sort).map(|location| (path.clone(), Thing::Whole(location))));
        match value {
            Value::Tensor(tensor) => {
                let storage = known(tensor.storage().id(), Sort::Storage);
                let shape = known(tensor.id(), Sort::Shape);
                if let (Some(storage), Some(shape)) = (storage, shape) {
                    held.push((path, Thing::Tensor { storage, region: Region::whole(None), shape }));
                }
            }
            Value::List(list) => whole(list.id(), Sort::Container),
            Value::Dict(dict) => whole(dict.id(), Sort::Container),
            Value::Object(object) => whole(object.id(), Sort::Object),
            Value::Generator(generator) => whole(generator.id(), Sort::Generator),
            Value::Tuple(items) => {
                for (i, item) in items.iter().enumerate() {
                    self.loaded_things(item, format!("{path}[{i}]"), held);
                }
            }
            _ => {}
        }
    }

    /// What a location holds, of which anything is known.
    pub(super) fn known_contents(&self, location: LocationId) -> Vec<Abstract> {
        let mut contents: Vec<Abstract> =
            self.cells_of(location).into_iter().map(|cell| self.cells[&(location, cell)].clone()).collect();
        // Of inputs: whatever anybody has asked for.
        if let Origin::Input(path) = &self.location(location).origin {
            let below = |at: &LocationId| match &self.location(*at).origin {
                Origin::Input(other) => self.paths[other.0 as usize].0 == Some(*path),
                _ => false,
            };
            let things = self.things.iter().enumerate().filter(|(_, thing)| match thing {
                Thing::Tensor { storage, .. } => below(storage),
                Thing::Whole(location) | Thing::Foreign(location) => below(location),
                Thing::Future { .. } => false,
            });
            contents.extend(things.map(|(i, _)| Abstract::thing(ThingId(i as u32))));
        }
        contents
    }

    /// Everything that was there before the run.
    pub(super) fn all_from_outside(&self) -> Vec<LocationId> {
        let outside = |id: &LocationId| !matches!(self.location(*id).origin, Origin::Made { .. });
        (0..self.locations.len() as u32).map(LocationId).filter(outside).collect()
    }

    /// Whether it came out of the fork that made it while somebody inside may still use it.
    pub(super) fn is_leaked(&self, location: LocationId) -> bool {
        let Location { origin, sort, .. } = self.location(location);
        self.leaked.contains(&(origin.clone(), *sort))
    }

    /// Whether two locations may be the same memory. Inputs may be the same as other inputs.
    pub(super) fn may_be_same(&self, a: LocationId, b: LocationId) -> bool {
        if a == b {
            return true;
        }
        let (one, other) = (self.location(a), self.location(b));
        let inputs = matches!((&one.origin, &other.origin), (Origin::Input(_), Origin::Input(_)));
        one.sort == other.sort && (inputs || one.origin == other.origin && self.is_leaked(a))
    }

    /// The same, whether or not one of them is still inside of the fork that made it.
    pub(super) fn may_be_of_one_origin(&self, a: &Thing, b: &Thing) -> bool {
        let same = |a: LocationId, b: LocationId| {
            let (one, other) = (self.location(a), self.location(b));
            self.may_be_same(a, b) || one.origin == other.origin && one.sort == other.sort
        };
        match (a, b) {
            (Thing::Tensor { storage: a, .. }, Thing::Tensor { storage: b, .. })
            | (Thing::Whole(a), Thing::Whole(b))
            | (Thing::Foreign(a), Thing::Foreign(b)) => same(*a, *b),
            (a, b) => a == b,
        }
    }

    /// Notes that the metadata of a tensor are written which shows a part of this memory.
    pub(super) fn reshape(&mut self, storage: LocationId) {
        let origin = self.location(storage).origin.clone();
        self.reshaped.insert(origin);
    }

    /// Whether two parts of a memory have no element in common.
    pub(super) fn are_apart(&self, storage: LocationId, a: &Region, b: &Region) -> bool {
        a.is_apart_from(b) && !self.reshaped.contains(&self.location(storage).origin)
    }

    /// Whether the things may be one and the same, or show the same elements.
    pub(super) fn may_alias(&self, a: ThingId, b: ThingId) -> bool {
        match (self.thing(a), self.thing(b)) {
            (
                Thing::Tensor { storage, region, .. },
                Thing::Tensor { storage: other_storage, region: other_region, .. },
            ) => self.may_be_same(*storage, *other_storage) && !self.are_apart(*storage, region, other_region),
            (Thing::Whole(a), Thing::Whole(b)) | (Thing::Foreign(a), Thing::Foreign(b)) => self.may_be_same(*a, *b),
            (a, b) => a == b,
        }
    }

    /// The plain value that is known to be `None` or not.
    pub(super) fn is_none(&self, value: &Abstract) -> Option<bool> {
        match &value.plain {
            Plain::Known(Constant::None) if value.things.is_empty() && value.items.is_none() => Some(true),
            Plain::Known(Constant::None) | Plain::Any => None,
            _ if value.is_never() => None,
            _ => Some(false),
        }
    }
}

/// Who makes something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Maker {
    /// The calling context.
    pub(super) instance: u32,
    /// The node.
    pub(super) node: u32,
    /// The fork whose task it is.
    pub(super) fork: ForkId,
    /// Whether several elements of what is made may share memory.
    pub(super) overlaps: bool,
}

/// Whether no two elements share memory.
fn is_dense(layout: &Layout) -> bool {
    let mut dimensions: Vec<(i64, i64)> =
        layout.sizes().iter().copied().zip(layout.strides().iter().copied()).filter(|(size, _)| *size > 1).collect();
    dimensions.sort_by_key(|(_, stride)| *stride);
    let mut reach = 1;
    dimensions.into_iter().all(|(size, stride)| {
        let apart = stride >= reach;
        reach = stride.saturating_mul(size);
        apart
    })
}
