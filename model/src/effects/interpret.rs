//! Runs a program on all inputs at once: each value is everything that it may be, each branch is taken that may be.
//!
//! Calls are followed with what is really given, each in a context of its own, so that what a function does to its
//! arguments is said of the caller's things; a function that calls itself has one context for all. Values grow until
//! nothing changes (Cousot and Cousot, 1977); contents of containers and objects are those of the whole execution, since
//! tasks may come by at any time. A last pass records the accesses, and which forks may be running at each.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::forks::{Fork, ForkId, Forks};
use super::generic::has_tensors_for_keys;
use super::heap::{Heap, LocationId, Maker, Origin, Sort, Stride, Thing, ThingId};
use super::lattice::{Abstract, Constant, Plain};
use super::record::Recorder;
use super::{Place, TooLarge, World};
use crate::graph::{Block, Graph, Node, NodeKind, ValueId};
use crate::module::{ClassKind, FunctionId};
use crate::operators::Access;
use crate::types::Type;
use crate::value::{Object, Value};

/// Calls nest to this depth; ours do too.
const DEEPEST_CALLS: u32 = 200;

/// So many nodes are looked at in all passes together.
const MOST_WORK: u64 = 20_000_000;

/// A function in one calling context.
#[derive(Debug)]
pub(super) struct Instance {
    /// Which function.
    pub(super) function: FunctionId,
    /// The fork whose task runs it.
    pub(super) fork: ForkId,
    /// Who calls it, and at which node; a fork's body has no caller.
    pub(super) caller: Option<(u32, u32)>,
    /// What each value may be.
    pub(super) values: Vec<Abstract>,
    /// What it returns.
    pub(super) result: Abstract,
    /// Whether it calls itself.
    repeats: bool,
    /// The state of the heap before the last look, if that has changed nothing, and no argument has changed since.
    clean: Option<u64>,
}

/// How a function is being looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    /// The calling context.
    pub(super) instance: u32,
    /// The fork whose task runs it.
    pub(super) fork: ForkId,
    /// Whether every execution of the task comes here.
    pub(super) certain: bool,
    /// Whether the task may come here again.
    pub(super) repeats: bool,
    depth: u32,
}

/// Everything found so far.
pub(super) struct Interpreter<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) heap: Heap,
    pub(super) forks: Forks,
    pub(super) instances: Vec<Instance>,
    /// What is called at a node: its context.
    calls: FxHashMap<(u32, u32, FunctionId), u32>,
    forked: FxHashMap<(u32, u32), ForkId>,
    awaitables: FxHashMap<Origin, FunctionId>,
    /// Of the last pass: who touches what.
    pub(super) recorder: Option<Recorder>,
    pub(super) folder: super::operator::Folder,
    changed: bool,
    work: u64,
}

impl<'a> Interpreter<'a> {
    /// Looks at the entry until nothing changes, and once more to record: who touches what, and which forks are outlived.
    pub(super) fn run(world: &'a World<'a>, entry: FunctionId) -> Result<Self, TooLarge> {
        let mut this = Self {
            world,
            heap: Heap::default(),
            forks: Forks::new(entry, "main".into()),
            instances: Vec::new(),
            calls: FxHashMap::default(),
            forked: FxHashMap::default(),
            awaitables: FxHashMap::default(),
            recorder: None,
            folder: super::operator::Folder::default(),
            changed: false,
            work: 0,
        };
        let mut given = Vec::new();
        for (i, param) in world.function(entry).params.iter().enumerate() {
            let is_root = |root: &&Object| i == 0 && param.ty == Type::Named(root.class().name.clone());
            given.push(match world.root.filter(is_root) {
                Some(root) => this.heap.loaded(&Value::Object(root.clone())),
                None => {
                    let path = this.heap.path(None, Stride::Parameter(param.name.clone()));
                    this.heap.input(&param.ty, path)
                }
            });
        }
        let main = this.instance(entry, ForkId::MAIN, None);
        this.bind_params(main, &given);
        let frame = Frame { instance: main, fork: ForkId::MAIN, certain: true, repeats: false, depth: 0 };
        loop {
            this.settle(frame)?;
            this.recorder = Some(Recorder::default());
            this.function(frame)?;
            if !this.forks.note_outlived() {
                return Ok(this);
            }
            // What comes out of these forks is in use still: more may be the same.
            this.recorder = None;
            this.heap.version += 1;
        }
    }

    /// Looks at everything until nothing changes.
    fn settle(&mut self, frame: Frame) -> Result<(), TooLarge> {
        loop {
            let version = self.heap.version;
            self.changed = false;
            self.heap.spread(&self.forks);
            self.function(frame)?;
            if !self.changed && version == self.heap.version {
                return Ok(());
            }
        }
    }

    /// The graph of a calling context.
    pub(super) fn graph(&self, instance: u32) -> &'a Graph {
        &self.world.function(self.instances[instance as usize].function).graph
    }

    /// What the last pass has recorded.
    ///
    /// # Panics
    /// Before that pass.
    pub(super) fn recorded(&self) -> &Recorder {
        self.recorder.as_ref().expect("the last pass records")
    }

    /// Who calls or forks what runs in a calling context; nobody the entry.
    pub(super) fn caller(&self, index: u32) -> Option<(u32, u32)> {
        let instance = &self.instances[index as usize];
        let forked = || (instance.fork != ForkId::MAIN).then(|| self.forks.get(instance.fork).place);
        instance.caller.or_else(forked)
    }

    /// A node, then the calls of its task that lead there.
    pub(super) fn stack(&self, instance: u32, node: u32) -> Vec<Place> {
        let up = |&(index, _): &(u32, u32)| self.instances[index as usize].caller;
        let calls = std::iter::successors(Some((instance, node)), up);
        calls.map(|(index, node)| Place { function: self.instances[index as usize].function, node }).collect()
    }

    /// What a value may be.
    pub(super) fn value(&self, instance: u32, id: ValueId) -> &Abstract {
        &self.instances[instance as usize].values[id.0 as usize]
    }

    fn instance(&mut self, function: FunctionId, fork: ForkId, caller: Option<(u32, u32)>) -> u32 {
        let values = vec![Abstract::default(); self.world.function(function).graph.values.len()];
        let result = Abstract::default();
        self.instances.push(Instance { function, fork, caller, values, result, repeats: false, clean: None });
        self.instances.len() as u32 - 1
    }

    fn bind_params(&mut self, instance: u32, args: &[Abstract]) {
        let graph = self.graph(instance);
        for (&param, arg) in graph.body.params.iter().zip(args) {
            if self.instances[instance as usize].values[param.0 as usize].join(arg) {
                self.instances[instance as usize].clean = None;
                self.changed = true;
            }
        }
    }

    /// Lets a value be what it is found to be.
    pub(super) fn set(&mut self, frame: Frame, id: ValueId, value: &Abstract) {
        self.changed |= self.instances[frame.instance as usize].values[id.0 as usize].join(value);
    }

    fn function(&mut self, frame: Frame) -> Result<(), TooLarge> {
        let index = frame.instance as usize;
        let version = self.heap.version;
        if self.recorder.is_none() && self.instances[index].clean == Some(version) {
            return Ok(());
        }
        if frame.depth > DEEPEST_CALLS {
            return Err(TooLarge::Deep);
        }
        let changed = std::mem::replace(&mut self.changed, false);
        self.instances[index].clean = Some(version);
        let graph = self.graph(frame.instance);
        let repeats = frame.repeats || self.instances[index].repeats;
        self.block(Frame { repeats, ..frame }, &graph.body)?;
        if self.changed {
            // What has changed here, or in what it calls, may be used where it was looked at before.
            self.instances[index].clean = None;
        }
        self.changed |= changed;
        let returned = self.value(frame.instance, graph.body.returns[0]).clone();
        if self.instances[index].result.join(&returned) {
            self.changed = true;
            // Whoever calls it from within has seen less.
            self.heap.version += 1;
        }
        Ok(())
    }

    fn block(&mut self, frame: Frame, block: &'a Block) -> Result<(), TooLarge> {
        for node in &block.nodes {
            self.work += 1;
            if self.work > MOST_WORK {
                return Err(TooLarge::Long);
            }
            self.node(frame, node)?;
        }
        Ok(())
    }

    /// The value of an input of a node.
    pub(super) fn input(&self, frame: Frame, node: &Node, i: usize) -> Abstract {
        self.value(frame.instance, node.inputs[i]).clone()
    }

    fn inputs(&self, frame: Frame, node: &Node) -> Vec<Abstract> {
        node.inputs.iter().map(|&id| self.value(frame.instance, id).clone()).collect()
    }

    /// The type of the only output of a node.
    fn output_type(&self, frame: Frame, node: &Node) -> &'a Type {
        &self.graph(frame.instance).value(node.outputs[0]).ty
    }

    /// Who makes what a node makes.
    pub(super) fn maker(&self, frame: Frame, node: &Node) -> Maker {
        Maker { instance: frame.instance, node: node.id, fork: frame.fork, overlaps: false }
    }

    fn node(&mut self, frame: Frame, node: &'a Node) -> Result<(), TooLarge> {
        let value = match &node.kind {
            NodeKind::If => return self.branch(frame, node),
            NodeKind::Loop => return self.repeat(frame, node),
            NodeKind::Operator(operator) => {
                self.operator(frame, node, operator);
                return Ok(());
            }
            NodeKind::Constant(value) => {
                let function = self.instances[frame.instance as usize].function;
                self.heap.constant(value, function, node.id)
            }
            NodeKind::GetAttr { name, index } => self.get_attribute(frame, node, name, *index),
            NodeKind::SetAttr { index, .. } => {
                let (object, value) = (self.input(frame, node, 0), self.input(frame, node, 1));
                for location in self.locations(&object) {
                    self.heap.store(location, *index as u32, &value, &self.forks);
                    self.touch(frame, node, location, *index as u32, None, Access::Write, object.things.len() == 1);
                }
                return Ok(());
            }
            NodeKind::CallFunction(function) => self.call(frame, node, *function, &self.inputs(frame, node))?,
            NodeKind::CallMethod(name) => self.call_method(frame, node, name, self.inputs(frame, node))?,
            NodeKind::Enter => self.call_method(frame, node, "__enter__", self.inputs(frame, node))?,
            NodeKind::Exit => {
                let mut args = self.inputs(frame, node);
                args.resize(4, Abstract::known(Constant::None));
                self.call_method(frame, node, "__exit__", args)?
            }
            NodeKind::Fork(body) => self.fork(frame, node, *body)?,
            NodeKind::Wait => self.wait(frame, node),
            NodeKind::Awaitable(body) => self.awaitable(frame, node, *body),
            NodeKind::AwaitableWait => self.wait_awaitable(frame, node)?,
            NodeKind::AwaitableNowait => {
                let made = self.heap.made(self.output_type(frame, node), self.maker(frame, node), 0);
                let value = self.input(frame, node, 0);
                self.store_all(&made, 0, &value);
                made
            }
            NodeKind::ListConstruct(_) | NodeKind::DictConstruct(..) => {
                let made = self.heap.made(self.output_type(frame, node), self.maker(frame, node), 0);
                let skip = usize::from(matches!(node.kind, NodeKind::DictConstruct(..)));
                self.renew(frame, &made);
                let list = self.locations(&made)[0];
                let held = if has_tensors_for_keys(self.output_type(frame, node)) { 0..=skip } else { skip..=skip };
                for i in (0..node.inputs.len()).filter(|i| held.contains(&(i % (skip + 1)))) {
                    let value = self.input(frame, node, i);
                    self.append(list, &value);
                    self.store_all(&made, 0, &value);
                }
                made
            }
            NodeKind::ListUnpack => {
                let list = self.input(frame, node, 0);
                self.read_whole(frame, node, &list);
                for (i, &output) in node.outputs.iter().enumerate() {
                    let item = self.content(&list, Some(&Constant::Int(i as i64)));
                    self.set(frame, output, &item);
                }
                return Ok(());
            }
            NodeKind::TupleConstruct(_) => Abstract::tuple(self.inputs(frame, node)),
            NodeKind::TupleUnpack => {
                let tuple = self.input(frame, node, 0);
                for (i, &output) in node.outputs.iter().enumerate() {
                    self.set(frame, output, &tuple.item(i));
                }
                return Ok(());
            }
            NodeKind::TupleIndex(index) => self.input(frame, node, 0).item(*index),
            NodeKind::TupleItem => self.input(frame, node, 0).any_item(),
            NodeKind::TupleSlice(begin, end) => {
                let tuple = self.input(frame, node, 0);
                Abstract::tuple((*begin..*end).map(|i| tuple.item(i)).collect::<Vec<_>>())
            }
            NodeKind::CreateObject(_) => self.heap.made(self.output_type(frame, node), self.maker(frame, node), 0),
            NodeKind::UncheckedCast => self.cast(frame, node),
            NodeKind::Uninitialized | NodeKind::RaiseException => Abstract::default(),
            NodeKind::IsInstance(_) | NodeKind::EnumName | NodeKind::EnumValue => Abstract::any(),
            NodeKind::Print => {
                self.inputs(frame, node).iter().for_each(|value| self.read_all(frame, node, value));
                self.print(frame, node);
                return Ok(());
            }
            NodeKind::ToList => {
                let tensor = self.input(frame, node, 0);
                self.read_all(frame, node, &tensor);
                self.made_result(self.output_type(frame, node), self.maker(frame, node), 0)
            }
            NodeKind::ContainerIndex => self.container_index(frame, node),
            NodeKind::Opaque(_) => return self.opaque(frame, node),
        };
        if let Some(&output) = node.outputs.first() {
            self.set(frame, output, &value);
        }
        Ok(())
    }

    fn branch(&mut self, frame: Frame, node: &'a Node) -> Result<(), TooLarge> {
        let condition = self.input(frame, node, 0);
        let known =
            condition.constant().and_then(|value| if let Constant::Bool(value) = value { Some(*value) } else { None });
        if condition.is_never() {
            return Ok(());
        }
        let taken = |row: &(usize, _)| known.is_none_or(|known| known == (row.0 == 0));
        self.each_way(node.blocks.iter().enumerate().filter(taken), |this, (_, block)| {
            this.block(Frame { certain: frame.certain && known.is_some(), ..frame }, block)?;
            for (&output, &returned) in node.outputs.iter().zip(&block.returns) {
                let value = this.value(frame.instance, returned).clone();
                this.set(frame, output, &value);
            }
            Ok(())
        })
    }

    /// Takes each of some ways, of which an execution takes one.
    fn each_way<W>(
        &mut self,
        ways: impl IntoIterator<Item = W>,
        mut take: impl FnMut(&mut Self, W) -> Result<(), TooLarge>,
    ) -> Result<(), TooLarge> {
        let before = self.recorder.as_ref().map(|recorder| recorder.running().clone());
        let mut after = Vec::new();
        for way in ways {
            if let (Some(recorder), Some(before)) = (&mut self.recorder, &before) {
                recorder.resume(before.clone());
            }
            take(self, way)?;
            after.extend(self.recorder.as_ref().map(|recorder| recorder.running().clone()));
        }
        if let Some(recorder) = self.recorder.as_mut().filter(|_| !after.is_empty()) {
            recorder.merge(after);
        }
        Ok(())
    }

    fn repeat(&mut self, frame: Frame, node: &'a Node) -> Result<(), TooLarge> {
        let body = &node.blocks[0];
        self.set(frame, body.params[0], &Abstract::any());
        let most = self.input(frame, node, 0);
        let none = matches!(most.constant(), Some(Constant::Int(..=0)));
        let some = matches!(most.constant(), Some(Constant::Int(1..)))
            && self.input(frame, node, 1).constant() == Some(&Constant::Bool(true));
        for (i, &output) in node.outputs.iter().enumerate() {
            let first = self.input(frame, node, 2 + i);
            self.set(frame, body.params[1 + i], &first);
            if !some {
                self.set(frame, output, &first);
            }
        }
        if none {
            return Ok(());
        }
        let inner = Frame { certain: frame.certain && some, repeats: true, ..frame };
        let joins = self.recorder.as_ref().and_then(|_| self.joined_list(frame, node));
        let before = self.recorder.as_ref().map(|recorder| recorder.running().clone());
        // What runs at the end of one trip may run in the next. Nothing is started in the third that the second did not know.
        for _ in 0..if self.recorder.is_some() { 2 } else { 1 } {
            self.block(inner, body)?;
            for (i, &returned) in body.returns[1..].iter().enumerate() {
                let value = self.value(frame.instance, returned).clone();
                // The future of a trip is not that of the last one any more.
                let value = self.older(&value);
                self.set(frame, body.params[1 + i], &value);
                self.set(frame, node.outputs[i], &value);
            }
            if let (Some(recorder), Some(before)) = (&mut self.recorder, &before) {
                let after = recorder.running().clone();
                recorder.merge(vec![before.clone(), after]);
            }
        }
        if let (Some(recorder), Some((list, len))) = (&mut self.recorder, joins) {
            let origin = &self.heap.location(list).origin;
            recorder.join_list(list, origin, (frame.instance, len), &self.forks);
        }
        Ok(())
    }

    /// The list whose futures a loop waits for: `for f in futures: wait(f)`. Also the node that has counted them.
    fn joined_list(&self, frame: Frame, node: &Node) -> Option<(LocationId, u32)> {
        let body = &node.blocks[0];
        let graph = self.graph(frame.instance);
        let always = |id: ValueId| self.value(frame.instance, id).constant() == Some(&Constant::Bool(true));
        if !always(node.inputs[1]) || !always(body.returns[0]) {
            return None;
        }
        let len = graph.body.nodes_within().find(|maker| maker.outputs.contains(&node.inputs[0]))?;
        if !matches!(&len.kind, NodeKind::Operator(operator) if operator.name == "aten::len") {
            return None;
        }
        let list = len.inputs[0];
        let item = body.nodes.iter().find(|item| {
            matches!(&item.kind, NodeKind::Operator(operator) if operator.name == "aten::__getitem__")
                && item.inputs == [list, body.params[0]]
        })?;
        body.nodes.iter().find(|wait| matches!(wait.kind, NodeKind::Wait) && wait.inputs == item.outputs)?;
        Some((self.only_list(frame, list)?, len.id))
    }

    /// The location of the list that a value is, if every value that is known to be of it now is that list: one alone is made there,
    /// or the value is what was made there last.
    pub(super) fn only_list(&self, frame: Frame, id: ValueId) -> Option<LocationId> {
        let Thing::Whole(location) = *self.heap.thing(self.value(frame.instance, id).things.single()?) else {
            return None;
        };
        let origin = &self.heap.location(location).origin;
        let &Origin::Made { instance, node, .. } = origin else { return None };
        if !self.recorder.as_ref()?.is_remade(origin) {
            return Some(location);
        }
        let made = || self.graph(instance).body.nodes_within().find(|maker| maker.id == node);
        (instance == frame.instance && made()?.outputs.contains(&id)).then_some(location)
    }

    fn older(&mut self, value: &Abstract) -> Abstract {
        value.map_things(&mut |id| match *self.heap.thing(id) {
            Thing::Future { fork, last: true, scope } => self.heap.intern(Thing::Future { fork, last: false, scope }),
            _ => id,
        })
    }

    /// The locations of the whole things that a value may be.
    pub(super) fn locations(&self, value: &Abstract) -> Vec<LocationId> {
        let whole = |id| if let Thing::Whole(location) = self.heap.thing(id) { Some(*location) } else { None };
        value.things.iter().filter_map(whole).collect()
    }

    /// What the containers that a value may be hold.
    pub(super) fn content(&mut self, value: &Abstract, at: Option<&Constant>) -> Abstract {
        let mut content = Abstract::default();
        for location in self.locations(value) {
            if self.heap.location(location).sort == Sort::Container {
                let held = self.heap.content(location, 0, at);
                content.join(&held);
            }
        }
        content
    }

    /// Stores into all whole things that a value may be.
    pub(super) fn store_all(&mut self, into: &Abstract, cell: u32, value: &Abstract) {
        if value.is_never() {
            return;
        }
        // What is stored may be taken out at any later time.
        let value = self.older(value);
        for location in self.locations(into) {
            self.heap.store(location, cell, &value, &self.forks);
        }
    }

    fn get_attribute(&mut self, frame: Frame, node: &Node, name: &Arc<str>, index: usize) -> Abstract {
        let object = self.input(frame, node, 0);
        let ty = self.output_type(frame, node);
        let mut value = Abstract::default();
        for location in self.locations(&object) {
            if self.heap.location(location).sort != Sort::Object {
                continue;
            }
            let held = self.heap.content(location, index as u32, None);
            value.join(&held);
            if let Some(held) = self.heap.input_attribute(location, name, ty) {
                value.join(&held);
            }
            self.touch(frame, node, location, index as u32, None, Access::Read, object.things.len() == 1);
        }
        value
    }

    fn container_index(&mut self, frame: Frame, node: &Node) -> Abstract {
        let container = self.input(frame, node, 0);
        let mut value = Abstract::default();
        for location in self.locations(&container) {
            let Some(Value::Object(object)) = self.heap.real_object(location) else { continue };
            let class = object.class().clone();
            for index in 0..class.attributes.len() {
                // Anything but a module is no member.
                let held = self.heap.content(location, index as u32, None);
                if !held.things.is_empty() && self.locations(&held).len() == held.things.len() {
                    value.join(&held);
                }
                self.touch(frame, node, location, index as u32, None, Access::Read, false);
            }
        }
        value
    }

    /// A value that is known to be of the output's type now.
    fn cast(&mut self, frame: Frame, node: &Node) -> Abstract {
        let value = self.input(frame, node, 0);
        let ty = self.output_type(frame, node);
        let mut cast = value.clone();
        if !may_be_none(ty) && cast.plain == Plain::Known(Constant::None) {
            cast.plain = Plain::Never;
        }
        if is_thing(ty) {
            cast.plain = Plain::Never;
        }
        if *ty == Type::Tensor {
            let tensor = |id: &_| matches!(self.heap.thing(*id), Thing::Tensor { .. });
            cast.things = cast.things.iter().filter(tensor).collect();
        }
        cast
    }

    fn call_method(
        &mut self,
        frame: Frame,
        node: &'a Node,
        name: &str,
        args: Vec<Abstract>,
    ) -> Result<Abstract, TooLarge> {
        let mut by_function: Vec<(FunctionId, Vec<_>)> = Vec::new();
        let receiver = args.first().cloned().unwrap_or_default();
        let mut unknown = receiver.things.is_empty() && !receiver.is_never();
        for thing in receiver.things.iter() {
            let functions = self.methods(thing, name);
            unknown |= functions.is_empty();
            for function in functions {
                match by_function.iter_mut().find(|row| row.0 == function) {
                    Some((_, things)) => things.push(thing),
                    None => by_function.push((function, vec![thing])),
                }
            }
        }
        if unknown {
            self.opaque(frame, node)?;
        }
        let certain = frame.certain && by_function.len() == 1;
        let mut result = Abstract::default();
        self.each_way(by_function, |this, (function, things)| {
            let mut args = args.clone();
            args[0] = Abstract { things: things.into_iter().collect(), ..Abstract::default() };
            args.truncate(this.world.function(function).params.len());
            let returned = this.call(Frame { certain, ..frame }, node, function, &args)?;
            result.join(&returned);
            Ok(())
        })?;
        Ok(result)
    }

    /// The functions that a call of this method of a thing may run.
    fn methods(&self, thing: ThingId, name: &str) -> Vec<FunctionId> {
        let Thing::Whole(location) = self.heap.thing(thing) else { return Vec::new() };
        if let Some(Value::Object(object)) = self.heap.real_object(*location) {
            return object.class().methods.get(name).copied().into_iter().collect();
        }
        let Some(Type::Named(class)) = self.heap.input_class(*location) else { return Vec::new() };
        let Some(class) = self.world.classes.get(class) else { return Vec::new() };
        if class.kind != ClassKind::Interface {
            return class.methods.get(name).copied().into_iter().collect();
        }
        // The world is closed: an object of an interface is of a class of the archive that has all its methods.
        let fits = |other: &&Arc<crate::module::Class>| {
            !matches!(other.kind, ClassKind::Interface | ClassKind::NamedTuple | ClassKind::Enum)
                && class.methods.keys().all(|method| other.methods.contains_key(method))
        };
        self.world.classes.values().filter(fits).filter_map(|class| class.methods.get(name).copied()).collect()
    }

    fn call(
        &mut self,
        frame: Frame,
        node: &Node,
        function: FunctionId,
        args: &[Abstract],
    ) -> Result<Abstract, TooLarge> {
        let body = self.world.function(function);
        if body.graph.body.returns.is_empty() {
            // Only declared: nobody knows what it does.
            self.note_opaque(frame, node);
            return Ok(self.everything(args));
        }
        if let Some(instance) = self.recursive(frame.instance, function) {
            self.bind_params(instance, args);
            let known = &mut self.instances[instance as usize];
            if !std::mem::replace(&mut known.repeats, true) {
                known.clean = None;
                self.changed = true;
            }
            self.start_within(instance);
            // A future is that of a call within this one.
            let result = self.instances[instance as usize].result.clone();
            return Ok(self.older(&result));
        }
        let key = (frame.instance, node.id, function);
        let instance = match self.calls.get(&key) {
            Some(&instance) => instance,
            None => {
                let instance = self.instance(function, frame.fork, Some((frame.instance, node.id)));
                self.calls.insert(key, instance);
                instance
            }
        };
        let mut args = args.to_vec();
        for param in body.params.iter().skip(args.len()) {
            args.push(param.default.as_ref().map_or_else(Abstract::default, |value| self.heap.loaded(value)));
        }
        self.bind_params(instance, &args);
        self.function(Frame { instance, depth: frame.depth + 1, ..frame })?;
        Ok(self.instances[instance as usize].result.clone())
    }

    /// The context of a function that is being looked at already, by the same task.
    fn recursive(&self, within: u32, function: FunctionId) -> Option<u32> {
        let mut at = Some(within);
        while let Some(index) = at {
            let instance = &self.instances[index as usize];
            if instance.function == function {
                return Some(index);
            }
            at = instance.caller.map(|(caller, _)| caller);
        }
        None
    }

    /// The context of what a node calls, of a function that it was found to call.
    pub(super) fn called(&self, instance: u32, node: u32, function: FunctionId) -> Option<u32> {
        self.calls.get(&(instance, node, function)).copied().or_else(|| self.recursive(instance, function))
    }

    /// The context of what a node forks, if it was found to be reached.
    pub(super) fn forked(&self, instance: u32, node: u32, body: FunctionId) -> Option<u32> {
        let around = || self.own_kind(self.instances[instance as usize].fork, body);
        let fork = self.forked.get(&(instance, node)).copied().or_else(around)?;
        Some(self.forks.get(fork).instance)
    }

    /// A function is called from within: whatever its calls fork may be running.
    fn start_within(&mut self, instance: u32) {
        let Some(recorder) = &mut self.recorder else { return };
        let callers = |at: u32| std::iter::successors(Some(at), |&at| Some(self.instances[at as usize].caller?.0));
        let within = |&fork: &ForkId| callers(self.forks.get(fork).place.0).any(|caller| caller == instance);
        let begun: Vec<ForkId> = self.forks.ids().skip(1).filter(within).collect();
        recorder.start_lost(&begun, &self.forks);
    }

    fn fork(&mut self, frame: Frame, node: &Node, body: FunctionId) -> Result<Abstract, TooLarge> {
        let mut captures = self.inputs(frame, node);
        // A task that forks its own kind: one fork stands for all, and what they are given is nobody's.
        if let Some(fork) = self.own_kind(frame.fork, body) {
            let outside = self.forks.get(fork).parent.unwrap_or(ForkId::MAIN);
            self.forks.get_mut(fork).many = true;
            captures = captures.iter().map(|value| self.heap.raise(value, outside, &self.forks, true)).collect();
            self.bind_params(self.forks.get(fork).instance, &captures);
            if let Some(recorder) = &mut self.recorder {
                let time = recorder.tick();
                self.forks.get_mut(fork).times.push(time);
                recorder.start(fork, &self.forks);
            }
            return Ok(Abstract::thing(self.heap.intern(Thing::Future { fork, last: false, scope: outside })));
        }
        let place = (frame.instance, node.id);
        let fork = match self.forked.get(&place) {
            Some(&fork) => fork,
            None => {
                let instance = self.instances.len() as u32;
                let fork = self.forks.add(
                    frame.fork,
                    place,
                    body,
                    instance,
                    (self.world.callee)(self.world.functions, body).into(),
                );
                self.instance(body, fork, None);
                self.forked.insert(place, fork);
                fork
            }
        };
        let instance = self.forks.get(fork).instance;
        self.forks.get_mut(fork).many |= frame.repeats;
        self.forks.get_mut(fork).certain &= frame.certain;
        self.bind_params(instance, &captures);
        let inner = Frame { instance, fork, certain: true, repeats: false, depth: frame.depth + 1 };
        let outer = self.recorder.as_mut().map(|recorder| recorder.enter(fork));
        self.function(inner)?;
        let result = self.instances[instance as usize].result.clone();
        if self.forks.get_mut(fork).result.join(&result) {
            self.changed = true;
            self.heap.version += 1;
        }
        if let (Some(recorder), Some(outer)) = (&mut self.recorder, outer) {
            let (left, waited) = recorder.leave(outer);
            let time = recorder.tick();
            let this = self.forks.get_mut(fork);
            (this.left, this.waited) = (left, waited);
            this.times.push(time);
            recorder.start(fork, &self.forks);
        }
        Ok(Abstract::thing(self.heap.intern(Thing::Future { fork, last: true, scope: frame.fork })))
    }

    /// The fork of this body whose tasks a task of `fork` is, or is below.
    fn own_kind(&self, fork: ForkId, body: FunctionId) -> Option<ForkId> {
        let up = |&fork: &ForkId| self.forks.get(fork).parent;
        let is_of_body = |fork: &ForkId| *fork != ForkId::MAIN && self.forks.get(*fork).body == body;
        std::iter::successors(Some(fork), up).find(is_of_body)
    }

    fn wait(&mut self, frame: Frame, node: &Node) -> Abstract {
        let future = self.input(frame, node, 0);
        let mut value = Abstract::default();
        for thing in future.things.iter() {
            let returned = match *self.heap.thing(thing) {
                Thing::Future { fork, scope, .. } => {
                    let Fork { result, outlived, parent, .. } = self.forks.get(fork);
                    // Where the future has got out of the task that forked it, others may have what it brings.
                    let leaks = *outlived || *parent != Some(scope);
                    self.heap.raise(result, self.forks.common(scope, frame.fork), &self.forks, leaks)
                }
                Thing::Foreign(location) => {
                    // Whoever runs it may do anything.
                    self.note_opaque(frame, node);
                    self.heap.content(location, 0, None)
                }
                _ => continue,
            };
            value.join(&returned);
        }
        if let (Some(recorder), Some(only)) = (&mut self.recorder, future.things.single())
            && let Thing::Future { fork, last, scope } = *self.heap.thing(only)
        {
            recorder.wait((fork, scope), last, frame.certain, &self.forks);
        }
        value
    }

    fn awaitable(&mut self, frame: Frame, node: &Node, body: FunctionId) -> Abstract {
        let made = self.heap.made(self.output_type(frame, node), self.maker(frame, node), 0);
        for location in self.locations(&made) {
            self.awaitables.insert(self.heap.location(location).origin.clone(), body);
        }
        for (i, capture) in self.inputs(frame, node).iter().enumerate() {
            self.store_all(&made, 1 + i as u32, capture);
        }
        made
    }

    /// Whoever waits first computes it, so everybody who waits may.
    fn wait_awaitable(&mut self, frame: Frame, node: &Node) -> Result<Abstract, TooLarge> {
        let awaited = self.input(frame, node, 0);
        let mut value = Abstract::default();
        for location in self.locations(&awaited) {
            let held = self.heap.content(location, 0, None);
            value.join(&held);
            self.touch(frame, node, location, 0, None, Access::Read, awaited.things.len() == 1);
            if let Origin::Input(_) = self.heap.location(location).origin {
                // Whoever computes it may do anything.
                self.note_opaque(frame, node);
            }
            if let Some(&body) = self.awaitables.get(&self.heap.location(location).origin) {
                let captures = self.world.function(body).params.len() as u32;
                let args: Vec<_> = (0..captures).map(|i| self.heap.content(location, 1 + i, None)).collect();
                self.each_way([false, true], |this, computes| {
                    if computes {
                        let returned = this.call(Frame { certain: false, ..frame }, node, body, &args)?;
                        this.store_all(&awaited, 0, &returned);
                        this.touch(frame, node, location, 0, None, Access::Write, false);
                        value.join(&returned);
                    }
                    Ok(())
                })?;
            }
        }
        Ok(value)
    }

    /// An operation that nobody knows: it may hand on whatever it is given.
    fn opaque(&mut self, frame: Frame, node: &Node) -> Result<(), TooLarge> {
        self.note_opaque(frame, node);
        let reachable = self.everything(&self.inputs(frame, node));
        for (k, &output) in node.outputs.iter().enumerate() {
            let ty = &self.graph(frame.instance).value(output).ty;
            let mut value = self.made_result(ty, self.maker(frame, node), 100 + k as u16);
            if may_be_thing(ty) {
                value.join(&reachable);
            }
            self.set(frame, output, &value);
        }
        Ok(())
    }

    /// Everything that can be reached from values, as one value.
    pub(super) fn everything(&mut self, values: &[Abstract]) -> Abstract {
        let mut all = Abstract::any();
        let mut waiting: Vec<Abstract> = values.to_vec();
        let mut seen = rustc_hash::FxHashSet::default();
        while let Some(value) = waiting.pop() {
            let mut things = Vec::new();
            value.each_thing(&mut |thing| things.push(thing));
            for thing in things {
                if !seen.insert(thing) {
                    continue;
                }
                all.join(&Abstract::thing(thing));
                let Thing::Whole(location) = *self.heap.thing(thing) else { continue };
                let cells = match self.heap.real_object(location) {
                    Some(Value::Object(object)) => (0..object.class().attributes.len() as u32).collect(),
                    _ => [&[0][..], &self.heap.cells_of(location)].concat(),
                };
                for cell in cells {
                    waiting.push(self.heap.content(location, cell, None));
                }
            }
        }
        all
    }
}

fn may_be_none(ty: &Type) -> bool {
    matches!(ty, Type::Optional(_) | Type::None | Type::Any | Type::Union(_) | Type::Variable(_))
}

/// Whether a value of the type can be or hold a thing.
fn may_be_thing(ty: &Type) -> bool {
    match ty {
        Type::Int | Type::Float | Type::Bool | Type::Complex | Type::Str | Type::None | Type::Number | Type::Device => {
            false
        }
        Type::Optional(item) => may_be_thing(item),
        Type::Tuple(items) => items.iter().any(may_be_thing),
        _ => true,
    }
}

/// Whether a value of the type is always a thing.
fn is_thing(ty: &Type) -> bool {
    matches!(ty, Type::Tensor | Type::List(_) | Type::Dict(..) | Type::Future(_) | Type::Generator)
}
