//! Runs a kernel and holds the operator's effects to what the kernel really does.
//!
//! Nothing may change that is not in [`Operator::effects`] as a write, results may share memory with arguments only
//! if the schema or a correction says so, and elements that are said to be unread may not change the result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::effects::{Effect, Place};
use super::possible::Hint;
use super::schema::{Argument, Schema};
use super::{Call, Correction, Fault, GeneratorState, Modes, Operator, Printed};
use crate::effects;
use crate::graph::{Block, Graph, Node, NodeKind, ValueId, ValueInfo};
use crate::module::{Function, FunctionId, Parameter};
use crate::slot::{Allocator, Memory, SlotId};
use crate::tensor::{Content, Metadata, Tensor};
use crate::types::Type;
use crate::value::{Dict, DictContent, Generator, List, ListContent, Value};

/// Calls an operator on arguments of its own.
///
/// # Panics
/// If the kernel does what the operator's effects do not say.
pub(crate) fn observe(operator: &'static Operator, args: &[Value]) -> Result<Value, Fault> {
    let effects = operator.effects(args);
    check_possible(operator, args, &effects);
    let reachable = Reachable::of(args);
    let before = Kept::of(&reachable);
    let unread = run_with_other_elements(operator, args, &effects, &reachable, &before);
    let mut world = World::default();
    let result = world.call(operator, args);
    let name = operator.full_name();
    before.check(&name, &effects, &reachable);
    let drew = world.generator.content().to_bytes() != GeneratorState::seeded(1).to_bytes();
    let allowed = |wanted: Place| effects.iter().any(|effect| effect.place == wanted && effect.access.writes());
    assert!(!drew || allowed(Place::Generator(None)), "{name} draws");
    assert!(world.printed.is_empty() || allowed(Place::Stdout), "{name} prints");
    if let Ok(result) = &result {
        check_aliases(operator, args, result);
        check_foreseen(operator, args, result);
        // What an operator leaves alone is as it was, whether it was looked at or not.
        if let Some(Ok(other)) = unread.filter(|_| !operator.writes_part()) {
            assert_eq!(other, digest(result), "{name} reads elements that it is not said to read");
        }
    }
    result
}

/// Checks that what this call does is among what is said of calls of which only the plain arguments are known, or none.
fn check_possible(operator: &'static Operator, args: &[Value], effects: &[Effect]) {
    let types: Vec<Type> = args.iter().map(type_of).collect();
    let plain = |value: &Value| {
        matches!(value, Value::None | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Str(_))
            .then(|| value.clone())
    };
    for known in [true, false] {
        let hint = |(value, ty)| Hint { ty, value: plain(value).filter(|_| known), none: !known };
        let hints: Vec<Hint<'_>> = args.iter().zip(&types).map(hint).collect();
        let possible = operator.possible_effects(&hints);
        for effect in effects {
            let said = possible.iter().any(|possible| {
                possible.place == effect.place
                    && (possible.access.writes() || !effect.access.writes())
                    && (possible.access.reads() || !effect.access.reads())
            });
            // A draw from a generator that may not be given is one from the default generator too.
            assert!(said, "{} does {effect:?}, of {possible:?}", operator.full_name());
        }
        // What is sure of tensors is not so of those without elements.
        let full = Reachable::of(args).tensors.iter().all(|(_, tensor)| tensor.numel() > 0);
        let certain = possible.iter().filter(|possible| possible.certain && full);
        for possible in certain {
            let done = effects.iter().any(|effect| effect.place == possible.place);
            assert!(done, "{} always does {possible:?}, and now only {effects:?}", operator.full_name());
        }
    }
}

/// Checks that the static part takes the result for possible, of a graph that calls the operator on anything of these types.
fn check_foreseen(operator: &'static Operator, args: &[Value], result: &Value) {
    let Schema { returns, vararg, varret, .. } = &operator.schema;
    if *vararg || *varret || operator.corrections.iter().any(|correction| matches!(correction, Correction::Rebinds)) {
        return;
    }
    let results: &[Value] = match result {
        Value::Tuple(items) if returns.len() > 1 => items,
        Value::None if returns.is_empty() => &[],
        result => std::slice::from_ref(result),
    };
    let function = calling(operator, args, results);
    let id = |i: usize| ValueId(i as u32);
    let (functions, classes) = ([function], BTreeMap::new());
    let world = effects::World { functions: &functions, classes: &classes, root: None, callee: |_, _| String::new() };
    let mut foreseen = effects::Foreseen::of(&world, FunctionId(0)).expect("it is small");
    for (k, result) in results.iter().enumerate() {
        let seen = (effects::Foreseen::ENTRY, id(args.len() + k));
        assert!(foreseen.admits(seen, result), "{} gives {result:?}, which was not foreseen", operator.full_name());
        for (i, arg) in args.iter().enumerate() {
            let given = (effects::Foreseen::ENTRY, id(i));
            // Where there are no elements, there is nothing to share.
            let shares = matches!((arg, result), (Value::Tensor(arg), Value::Tensor(result))
                if arg.storage().is(&result.storage()) && result.numel() > 0);
            let foreseen = !shares || foreseen.may_share(given, seen);
            assert!(
                foreseen,
                "{} gives what shares memory with argument {i}, which was not foreseen",
                operator.full_name()
            );
        }
    }
}

/// A function that only calls the operator: its values are the arguments, then the results, which are of these types.
fn calling(operator: &'static Operator, args: &[Value], results: &[Value]) -> Function {
    let Schema { arguments, returns, .. } = &operator.schema;
    let of = |ty: &Type, value: &Value| if ty.mentions_variable() { type_of(value) } else { ty.clone() };
    let given = arguments.iter().zip(args).map(|(argument, arg)| of(&argument.ty, arg));
    let gives = returns.iter().zip(results).map(|(returned, result)| of(&returned.ty, result));
    let types: Vec<Type> = given.chain(gives).chain([Type::None]).collect();
    let id = |i: usize| ValueId(i as u32);
    let (inputs, outputs) = ((0..args.len()).map(id), (args.len()..types.len() - 1).map(id));
    let node = |id, kind, inputs, outputs| Node { id, kind, inputs, outputs, blocks: Vec::new(), span: None };
    let graph = Graph {
        values: types.iter().map(|ty| ValueInfo { name: None, ty: ty.clone() }).collect(),
        body: Block {
            params: inputs.clone().collect(),
            nodes: vec![
                node(0, NodeKind::Operator(operator), inputs.collect(), outputs.collect()),
                node(1, NodeKind::Constant(Value::None), Vec::new(), vec![id(types.len() - 1)]),
            ],
            returns: vec![id(types.len() - 1)],
        },
    };
    let param =
        |(argument, ty): (&Argument, &Type)| Parameter { name: argument.name.clone(), ty: ty.clone(), default: None };
    let params = arguments.iter().zip(&types).map(param).collect();
    Function { name: operator.name.into(), params, returns: Type::None, graph }
}

/// The type of a value, as a graph would say it.
fn type_of(value: &Value) -> Type {
    match value {
        Value::Tensor(_) => Type::Tensor,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Str(_) => Type::Str,
        Value::List(list) => Type::list(list.content().item.clone()),
        Value::Dict(dict) => Type::dict(dict.content().key.clone(), dict.content().value.clone()),
        Value::Generator(_) => Type::Generator,
        Value::None => Type::None,
        _ => Type::Any,
    }
}

/// Calls an operator with at most so many bytes for what it makes.
pub(crate) fn call_within(bytes: u64, operator: &'static Operator, args: &[Value]) -> Result<Value, Fault> {
    let allocator = Allocator::new(1, Memory::with_limit(bytes));
    World { allocator, ..World::default() }.call(operator, args)
}

/// All that a call can touch besides its arguments.
struct World {
    allocator: Allocator,
    generator: Generator,
    modes: Modes,
    printed: Printed,
}

impl Default for World {
    fn default() -> Self {
        Self {
            allocator: Allocator::new(1, Memory::unlimited()),
            generator: Generator::default_seeded(1),
            modes: Modes::default(),
            printed: Printed::default(),
        }
    }
}

impl World {
    fn call(&mut self, operator: &'static Operator, args: &[Value]) -> Result<Value, Fault> {
        let kernel = operator.kernel.unwrap_or_else(|| panic!("{} has a kernel", operator.full_name()));
        let mut call = Call {
            operator,
            args,
            allocator: &mut self.allocator,
            generator: &self.generator,
            modes: &mut self.modes,
            printed: &mut self.printed,
        };
        call.compute(kernel)
    }
}

/// What can be reached from the arguments, with the number of the argument.
#[derive(Default)]
struct Reachable {
    tensors: Vec<(usize, Tensor)>,
    lists: Vec<(usize, List)>,
    dicts: Vec<(usize, Dict)>,
    generators: Vec<(usize, Generator)>,
}

impl Reachable {
    fn of(args: &[Value]) -> Self {
        let mut reachable = Self::default();
        args.iter().enumerate().for_each(|(i, arg)| reachable.add(i, arg));
        reachable
    }

    fn add(&mut self, i: usize, value: &Value) {
        match value {
            Value::Tensor(tensor) => self.tensors.push((i, tensor.clone())),
            Value::Generator(generator) => self.generators.push((i, generator.clone())),
            Value::Tuple(items) => items.iter().for_each(|item| self.add(i, item)),
            Value::List(list) => {
                self.lists.push((i, list.clone()));
                list.content().items.iter().for_each(|item| self.add(i, item));
            }
            Value::Dict(dict) => {
                self.dicts.push((i, dict.clone()));
                dict.content().entries.values().for_each(|item| self.add(i, item));
            }
            _ => {}
        }
    }
}

/// The contents of what is reachable, kept.
struct Kept {
    tensors: Vec<(Arc<Metadata>, Arc<Content>)>,
    lists: Vec<Arc<ListContent>>,
    dicts: Vec<Arc<DictContent>>,
    generators: Vec<Arc<GeneratorState>>,
}

impl Kept {
    fn of(reachable: &Reachable) -> Self {
        let tensor = |tensor: &Tensor| (tensor.metadata(), tensor.storage().content());
        Self {
            tensors: reachable.tensors.iter().map(|(_, t)| tensor(t)).collect(),
            lists: reachable.lists.iter().map(|(_, list)| list.content()).collect(),
            dicts: reachable.dicts.iter().map(|(_, dict)| dict.content()).collect(),
            generators: reachable.generators.iter().map(|(_, generator)| generator.content()).collect(),
        }
    }

    fn restore(&self, reachable: &Reachable) {
        for ((_, tensor), (metadata, content)) in reachable.tensors.iter().zip(&self.tensors) {
            tensor.slot().set(metadata.clone());
            metadata.storage.slot().set(content.clone());
        }
        for ((_, list), content) in reachable.lists.iter().zip(&self.lists) {
            list.slot().set(content.clone());
        }
        for ((_, dict), content) in reachable.dicts.iter().zip(&self.dicts) {
            dict.slot().set(content.clone());
        }
        for ((_, generator), content) in reachable.generators.iter().zip(&self.generators) {
            generator.slot().set(content.clone());
        }
    }

    /// Checks that only what the effects say has changed.
    fn check(&self, name: &str, effects: &[Effect], reachable: &Reachable) {
        let writes = |place: Place| effects.iter().any(|effect| effect.place == place && effect.access.writes());
        let written: Vec<&Tensor> =
            reachable.tensors.iter().filter(|(i, _)| writes(Place::Data(*i))).map(|(_, tensor)| tensor).collect();
        for ((i, tensor), (metadata, content)) in reachable.tensors.iter().zip(&self.tensors) {
            let now = tensor.metadata();
            let moved = now.layout != metadata.layout
                || now.dtype != metadata.dtype
                || now.nested != metadata.nested
                || !now.storage.is(&metadata.storage)
                || now.requires_grad != metadata.requires_grad;
            // One tensor may be given twice.
            let mut given = reachable.tensors.iter().filter(|(_, other)| other.id() == tensor.id());
            let said = given.any(|(i, _)| writes(Place::Shape(*i)));
            assert!(!moved || said, "{name} changes the metadata of argument {i}");
            let mut allowed = vec![false; content.len()];
            for tensor in &written {
                let metadata = tensor.metadata();
                if metadata.storage.is(&now.storage) {
                    let size = metadata.dtype.size();
                    metadata.layout.for_each(|at| {
                        let end = ((at + 1) * size).min(allowed.len());
                        allowed.get_mut(at * size..end).unwrap_or_default().fill(true);
                    });
                }
            }
            let (old, new) = (content, metadata.storage.content());
            let differ = |at: &usize| old.bytes()[*at] != new.bytes()[*at];
            let strange = (0..old.len()).filter(differ).find(|&at| !allowed[at]);
            assert_eq!(strange, None, "{name} changes this byte of argument {i}");
        }
        for ((i, list), content) in reachable.lists.iter().zip(&self.lists) {
            let same = format!("{:?}", list.content().items) == format!("{:?}", content.items);
            assert!(same || writes(Place::Items(*i)), "{name} changes the list {i}");
        }
        for ((i, dict), content) in reachable.dicts.iter().zip(&self.dicts) {
            let same = format!("{:?}", dict.content().entries) == format!("{:?}", content.entries);
            assert!(same || writes(Place::Items(*i)), "{name} changes the dict {i}");
        }
        for ((i, generator), content) in reachable.generators.iter().zip(&self.generators) {
            let same = generator.content().to_bytes() == content.to_bytes();
            assert!(same || writes(Place::Generator(Some(*i))), "{name} draws from generator {i}");
        }
    }
}

/// The result with other elements where none should be read, all put back; `None` if every element may be read.
fn run_with_other_elements(
    operator: &'static Operator,
    args: &[Value],
    effects: &[Effect],
    reachable: &Reachable,
    before: &Kept,
) -> Option<Result<String, Fault>> {
    let reads = |i: usize| effects.iter().any(|effect| effect.place == Place::Data(i) && effect.access.reads());
    let read: BTreeSet<SlotId> =
        reachable.tensors.iter().filter(|(i, _)| reads(*i)).map(|(_, tensor)| tensor.storage().id()).collect();
    // Gaps of a written tensor keep their elements, so only whole storages that nobody reads are changed.
    let unread: Vec<&Tensor> =
        reachable.tensors.iter().map(|(_, tensor)| tensor).filter(|t| !read.contains(&t.storage().id())).collect();
    if unread.is_empty() {
        return None;
    }
    for tensor in unread {
        let metadata = tensor.metadata();
        let size = metadata.dtype.size();
        metadata.storage.update(|content| {
            let bytes = content.bytes_mut();
            metadata.layout.for_each(|at| bytes[at * size..(at + 1) * size].fill(1));
        });
    }
    let written = |i: usize| effects.iter().any(|e| e.place == Place::Data(i) && e.access.writes());
    let result = World::default().call(operator, args);
    // A view shows the other elements, rightly: only results of its own memory are compared.
    let shares = |value: &Value| {
        let results = Reachable::of(std::slice::from_ref(value));
        results.tensors.iter().any(|(_, result)| {
            reachable.tensors.iter().any(|(i, arg)| !written(*i) && arg.storage().is(&result.storage()))
        })
    };
    let digest = match result {
        Ok(value) if shares(&value) => None,
        Ok(value) => Some(Ok(digest(&value))),
        Err(fault) => Some(Err(fault)),
    };
    before.restore(reachable);
    digest
}

/// Everything about a value, tensors by their elements.
fn digest(value: &Value) -> String {
    match value {
        Value::Tensor(tensor) => {
            let metadata = tensor.metadata();
            let content = metadata.storage.content();
            let size = metadata.dtype.size();
            let mut bytes = Vec::new();
            metadata.layout.for_each(|at| bytes.extend_from_slice(&content.bytes()[at * size..(at + 1) * size]));
            format!("{:?}{:?}{:?}{bytes:?}", metadata.dtype, metadata.layout.sizes(), metadata.nested)
        }
        Value::List(list) => list.content().items.iter().map(digest).collect(),
        Value::Tuple(items) => items.iter().map(digest).collect(),
        Value::Dict(dict) => dict.content().entries.values().map(digest).collect(),
        other => format!("{other:?}"),
    }
}

/// Checks that results share memory with arguments just as the schema says.
fn check_aliases(operator: &Operator, args: &[Value], result: &Value) {
    let name = operator.full_name();
    let holds = |wanted: fn(&Correction) -> Option<&super::When>| {
        operator.corrections.iter().filter_map(wanted).any(|when| when.holds(operator, args))
    };
    let copies = holds(|c| if let Correction::CopiesWhen(when) = c { Some(when) } else { None });
    let aliases = holds(|c| if let Correction::AliasesWhen(when) = c { Some(when) } else { None });
    let results: Vec<Value> = match result {
        Value::Tuple(items) if operator.schema.returns.len() > 1 => items.to_vec(),
        other => vec![other.clone()],
    };
    for (k, result) in results.iter().enumerate() {
        let promised = operator.schema.returns.get(k).and_then(|r| r.alias.as_ref());
        for (_, tensor) in Reachable::of(std::slice::from_ref(result)).tensors {
            let sharing: Vec<usize> = Reachable::of(args)
                .tensors
                .iter()
                .filter(|(_, arg)| arg.storage().is(&tensor.storage()))
                .map(|(i, _)| *i)
                .collect();
            let Some(promised) = promised else {
                // Where there are no elements, there is nothing to share.
                let apart = sharing.is_empty() || tensor.numel() == 0;
                assert!(apart || aliases, "result {k} of {name} shares memory with arguments {sharing:?}");
                continue;
            };
            let wildcard = promised.sets.iter().any(|set| &**set == "*");
            let meant = |i: &usize| {
                let alias = operator.schema.arguments.get(*i).and_then(|argument| argument.alias.as_ref());
                alias.is_some_and(|alias| alias.escapes || alias.sets.iter().any(|set| promised.sets.contains(set)))
            };
            let known = wildcard || sharing.is_empty() || sharing.iter().any(meant);
            assert!(known, "result {k} of {name} shares memory with arguments {sharing:?}");
            if !wildcard && !promised.sets.iter().any(|set| &**set == "b") {
                assert_eq!(sharing.is_empty(), copies, "whether result {k} of {name} is a copy");
            }
        }
    }
}
