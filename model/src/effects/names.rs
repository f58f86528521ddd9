//! What a user would call what a program touches: `input xs[1]`, `self.inner.n`, `local y`.
//!
//! Everything is looked up in tables that are made once, so that naming all accesses of a program costs little more than
//! naming a few.

use rustc_hash::{FxHashMap, FxHashSet};

use super::Place;
use super::heap::{LocationId, Origin, Sort, Thing};
use super::interpret::Interpreter;
use super::record::Touch;
use crate::graph::{NodeKind, ValueId};
use crate::module::FunctionId;
use crate::slot::SlotId;
use crate::types::Type;
use crate::value::Value;

/// What a user would call a thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// By this path: `input xs[1]`, `self.inner.n`, `global RNG`.
    Path(String),
    /// The variable of a function; `true` if it is its metadata alone.
    Local(FunctionId, String, bool),
    /// The constant that a node binds.
    Constant(Place),
    /// It has no name.
    Nameless,
}

/// The names of everything in a program.
pub(super) struct Names<'a> {
    interpreter: &'a Interpreter<'a>,
    /// What attributes hold, by where it comes from, with the path.
    attributes: FxHashMap<(Origin, Sort, u32), String>,
    /// Of a calling context: the first variable that may be what was made there, wherever that is by now.
    variables: FxHashMap<u32, FxHashMap<(Origin, Sort), ValueId>>,
    /// The node of a constant that holds a loaded thing.
    constants: Option<FxHashMap<SlotId, Place>>,
}

impl<'a> Names<'a> {
    /// Names everything that can be reached from the root; the rest is named when it is asked for.
    pub(super) fn of(interpreter: &'a Interpreter<'a>) -> Self {
        let mut names =
            Self { interpreter, attributes: FxHashMap::default(), variables: FxHashMap::default(), constants: None };
        names.name_attributes();
        names
    }

    /// What a user would call what is touched, and whether it is an attribute or what one holds.
    pub(super) fn target(&mut self, touch: &Touch) -> (Target, bool) {
        let heap = &self.interpreter.heap;
        let location = heap.location(touch.location);
        let path = |text: &str| Target::Path(text.to_string());
        match &location.origin {
            Origin::Stdout => return (path("stdout"), false),
            Origin::Generator => return (path("global RNG"), false),
            Origin::Flags => return (path("process flags"), false),
            _ => {}
        }
        let prefix = if location.sort == Sort::Shape { "shape of " } else { "" };
        if let Some(name) = self.attributes.get(&(location.origin.clone(), location.sort, touch.cell)) {
            return (Target::Path(format!("{prefix}{name}")), true);
        }
        let target = match &location.origin {
            Origin::Input(at) => Target::Path(format!("{prefix}input {}{}", heap.path_text(*at), self.member(touch))),
            Origin::Constant(function, node) => Target::Constant(Place { function: *function, node: *node }),
            Origin::Loaded(slot) => self.constant(*slot),
            _ => self.local(touch),
        };
        (target, false)
    }

    /// The attribute of an object of the inputs.
    fn member(&self, touch: &Touch) -> String {
        let heap = &self.interpreter.heap;
        let class = match heap.input_class(touch.location) {
            Some(Type::Named(name)) => self.interpreter.world.classes.get(name),
            _ => None,
        };
        let attribute = class.and_then(|class| class.attributes.get(touch.cell as usize));
        match heap.location(touch.location).sort {
            Sort::Object => attribute.map_or(String::new(), |attribute| format!(".{}", attribute.name)),
            _ => String::new(),
        }
    }

    /// The constant that holds a loaded thing which no attribute holds.
    fn constant(&mut self, slot: SlotId) -> Target {
        let interpreter = self.interpreter;
        let constants = self.constants.get_or_insert_with(|| constants(interpreter));
        constants.get(&slot).map_or(Target::Nameless, |place| Target::Constant(*place))
    }

    /// The creator's variable, or that of whoever called it; else that of the writer.
    fn local(&mut self, touch: &Touch) -> Target {
        let interpreter = self.interpreter;
        let location = interpreter.heap.location(touch.location);
        let Origin::Made { instance, .. } = location.origin else { return Target::Nameless };
        let key = (location.origin.clone(), location.sort);
        let callers = std::iter::successors(Some(instance), |&index| {
            interpreter.instances[index as usize].caller.map(|(caller, _)| caller)
        });
        // A fork's parameters are what the captures are called.
        let forked = interpreter.forks.get(touch.fork).instance;
        let callee = interpreter.instances.get(forked as usize + 1).map(|_| forked + 1);
        for index in callers.chain([touch.instance]).chain(callee) {
            let variables = self.variables.entry(index).or_insert_with(|| variables(interpreter, index));
            if let Some(&value) = variables.get(&key) {
                let function = interpreter.instances[index as usize].function;
                let name = &interpreter.world.function(function).graph.value(value).name;
                let name = name.as_ref().expect("only variables are listed").to_string();
                return Target::Local(function, name, location.sort == Sort::Shape);
            }
        }
        Target::Nameless
    }

    /// Names everything that can be reached from the root, by the first path in declaration order, depth first.
    fn name_attributes(&mut self) {
        let Some(root) = self.interpreter.world.root else { return };
        let heap = &self.interpreter.heap;
        let Some(begin) = heap.find(&Origin::Loaded(root.id()), Sort::Object) else { return };
        let mut seen = FxHashSet::default();
        let mut waiting = vec![(Thing::Whole(begin), "self".to_string())];
        while let Some((thing, path)) = waiting.pop() {
            let mut name = |location: LocationId, cell: u32, path: &str| {
                let known = heap.location(location);
                self.attributes.entry((known.origin.clone(), known.sort, cell)).or_insert_with(|| path.to_string());
            };
            match thing {
                Thing::Tensor { storage, shape, .. } => {
                    name(storage, 0, &path);
                    name(shape, 0, &path);
                }
                Thing::Whole(location) if seen.insert(location) => {
                    let sort = heap.location(location).sort;
                    let first = waiting.len();
                    if sort == Sort::Object {
                        for (i, attribute) in heap.attributes(location).iter().enumerate() {
                            let path = attribute.path_from(&path);
                            name(location, i as u32, &path);
                            for thing in heap.held(location, i as u32) {
                                waiting.push((thing.1, path.clone() + &thing.0));
                            }
                        }
                    } else {
                        name(location, 0, &path);
                        for thing in heap.held(location, 0) {
                            waiting.push((thing.1, path.clone() + &thing.0));
                        }
                    }
                    waiting[first..].reverse();
                }
                _ => {}
            }
        }
    }
}

/// The variables of a calling context, by what they may be.
fn variables(interpreter: &Interpreter<'_>, index: u32) -> FxHashMap<(Origin, Sort), ValueId> {
    let heap = &interpreter.heap;
    let instance = &interpreter.instances[index as usize];
    let graph = &interpreter.world.function(instance.function).graph;
    let mut variables = FxHashMap::default();
    for (i, (info, value)) in graph.values.iter().zip(&instance.values).enumerate() {
        if info.name.is_none() {
            continue;
        }
        let mut add = |location: LocationId| {
            let known = heap.location(location);
            variables.entry((known.origin.clone(), known.sort)).or_insert(ValueId(i as u32));
        };
        for thing in value.things.iter() {
            match *heap.thing(thing) {
                Thing::Tensor { storage, shape, .. } => {
                    add(storage);
                    add(shape);
                }
                Thing::Whole(location) => add(location),
                _ => {}
            }
        }
    }
    variables
}

/// The constants of all functions that run, by the loaded things that they are.
fn constants(interpreter: &Interpreter<'_>) -> FxHashMap<SlotId, Place> {
    let mut constants = FxHashMap::default();
    let mut seen = FxHashSet::default();
    for instance in &interpreter.instances {
        let function = instance.function;
        if !seen.insert(function) {
            continue;
        }
        for node in interpreter.world.function(function).graph.body.nodes_within() {
            let mut add = |slot| {
                constants.entry(slot).or_insert(Place { function, node: node.id });
            };
            match &node.kind {
                NodeKind::Constant(Value::Tensor(tensor)) => {
                    add(tensor.id());
                    add(tensor.storage().id());
                }
                NodeKind::Constant(Value::List(list)) => add(list.id()),
                NodeKind::Constant(Value::Dict(dict)) => add(dict.id()),
                NodeKind::Constant(Value::Object(object)) => add(object.id()),
                _ => {}
            }
        }
    }
    constants
}
