//! What a user would call a thing that is written: `input x`, `self.inner.n`, `local y`.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_model::graph::Span;
use forkcheck_model::slot::SlotId;
use forkcheck_model::value::Value;
use forkcheck_scheduler::TaskId;
use rustc_hash::FxHashSet;

use crate::machine::Machine;

/// The order of fork paths: a task before those that it forks, and forks of one callee as they were forked.
pub(crate) fn fork_order(a: &str, b: &str) -> Ordering {
    let part = |part: &str| {
        let (callee, occurrence) = part.rsplit_once('#').unwrap_or((part, "0"));
        (callee.to_string(), occurrence.parse::<u32>().unwrap_or(0))
    };
    a.split('/').map(part).cmp(b.split('/').map(part))
}

/// The order of names in which numbers count as such: `self.xs[9]` before `self.xs[10]`.
pub(crate) fn name_order(a: &str, b: &str) -> Ordering {
    fn runs(name: &str) -> impl Iterator<Item = (usize, &[u8])> {
        let runs = name.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
        runs.map(|run| (if run[0].is_ascii_digit() { run.len() } else { 0 }, run))
    }
    runs(a).cmp(runs(b))
}

/// A name, and whether the thing can be reached from the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Such as `self.inner.n`.
    pub path: Arc<str>,
    /// Whether it is an attribute, or what an attribute holds.
    pub attribute: bool,
}

/// What nobody holds in a variable any more, when it is asked for.
pub(crate) const NAMELESS: &str = "local value";

/// The name of what every program has.
pub(crate) fn fixed_name(slot: SlotId) -> Option<&'static str> {
    match slot {
        SlotId::STDOUT => Some("stdout"),
        SlotId::PROCESS_FLAGS => Some("process flags"),
        SlotId::GENERATOR => Some("global RNG"),
        _ => None,
    }
}

/// A slot, and which attribute if it is an object's.
pub type NameKey = (SlotId, Option<usize>);

/// The names of everything that can be reached from the arguments, then from `self`; the first path wins, in
/// declaration order, depth first.
pub(crate) fn of_entry(params: &[String], inputs: &[Value], root: &Value) -> BTreeMap<NameKey, Named> {
    let mut names = BTreeMap::new();
    for (param, input) in params.iter().zip(inputs) {
        walk(input, &format!("input {param}"), &mut |key, path| {
            names.entry(key).or_insert(Named { path: path.into(), attribute: false });
        });
    }
    walk(root, "self", &mut |key, path| {
        names.entry(key).or_insert(Named { path: path.into(), attribute: true }).attribute = true;
    });
    names
}

/// Calls `found` with every location that can be reached from `value`, and the path to it.
fn walk(value: &Value, path: &str, found: &mut impl FnMut(NameKey, String)) {
    let mut seen = FxHashSet::default();
    let mut stack = vec![(value.clone(), path.to_string())];
    while let Some((value, path)) = stack.pop() {
        let first = stack.len();
        match &value {
            Value::Tensor(tensor) => {
                found((tensor.storage().id(), None), path.clone());
                found((tensor.id(), None), format!("shape of {path}"));
            }
            Value::Generator(generator) => found((generator.id(), None), path),
            Value::Await(awaited) => found((awaited.id(), None), path),
            Value::Tuple(items) => {
                stack.extend(items.iter().enumerate().map(|(i, item)| (item.clone(), format!("{path}[{i}]"))));
            }
            Value::List(list) if seen.insert(list.id()) => {
                found((list.id(), None), path.clone());
                let items = list.content();
                let items = items.items.iter().enumerate();
                stack.extend(items.map(|(i, item)| (item.clone(), format!("{path}[{i}]"))));
            }
            Value::Dict(dict) if seen.insert(dict.id()) => {
                found((dict.id(), None), path.clone());
                let content = dict.content();
                stack.extend(
                    content.entries.iter().map(|(key, item)| (item.clone(), format!("{path}[{}]", key.literal()))),
                );
            }
            Value::Object(object) if seen.insert(object.id()) => {
                let values = object.slot().get();
                for (i, (attribute, value)) in object.class().attributes.iter().zip(values.iter()).enumerate() {
                    let path = attribute.path_from(&path);
                    found((object.id(), Some(i)), path.clone());
                    stack.push((value.clone(), path));
                }
            }
            _ => {}
        }
        // Depth first, in declaration order: what was pushed last is taken first.
        stack[first..].reverse();
    }
}

/// What the user calls the variables of a function. The archive numbers what is assigned again: `x`, `x0`, `x1`; a number
/// that the user's text does not have is not the user's.
#[derive(Debug)]
pub(crate) struct UserNames<'a> {
    /// The user's text, if it is known.
    text: Option<&'a str>,
    /// Its words.
    words: OnceCell<FxHashSet<&'a str>>,
}

impl<'a> UserNames<'a> {
    /// Of the function whose nodes have these spans.
    pub(crate) fn of(mut spans: impl Iterator<Item = &'a Span>) -> Self {
        let span = spans.find(|span| span.text().len() < span.source().text.len());
        Self { text: span.map(|span| &*span.source().text), words: OnceCell::new() }
    }

    /// The name of the variable that the archive calls `name`.
    pub(crate) fn of_variable<'n>(&self, name: &'n str) -> &'n str {
        let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let Some(text) = self.text.filter(|_| bare.len() < name.len() && !bare.is_empty()) else { return name };
        let words = self.words.get_or_init(|| text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect());
        if !words.contains(name) && words.contains(bare) { bare } else { name }
    }
}

impl Machine {
    /// The name of a thing that could not be reached at the start.
    pub(crate) fn find_name(&self, wanted: NameKey, writer: TaskId) -> Named {
        if let Some(name) = fixed_name(wanted.0) {
            return Named { path: name.into(), attribute: false };
        }
        let now = of_entry(&[], &[], &self.entry()[0]);
        if let Some(named) = now.get(&wanted) {
            return named.clone();
        }
        let constant = self.constant_name(wanted).map(|name| format!("constant {name}"));
        let path = constant.or_else(|| self.local_name(wanted, writer)).unwrap_or_else(|| NAMELESS.to_string());
        Named { path: path.into(), attribute: false }
    }

    fn constant_name(&self, wanted: NameKey) -> Option<String> {
        self.shared_constants().enumerate().find_map(|(i, (value, name))| {
            let mut path = None;
            let name = name.unwrap_or_else(|| format!("c{i}"));
            walk(value, &name, &mut |key, found| {
                if key == wanted {
                    path.get_or_insert(found);
                }
            });
            path
        })
    }

    /// The creator's variable, or that of whoever holds it now; for a temporary, the callee's parameter.
    fn local_name(&self, wanted: NameKey, writer: TaskId) -> Option<String> {
        let creator = TaskId::new(wanted.0.owner());
        let mut tasks = vec![creator];
        while let Some(parent) = self.names().parent(*tasks.last().expect("it starts with the creator")) {
            tasks.push(parent);
        }
        tasks.push(writer);
        tasks.into_iter().filter(|&id| self.exists(id)).find_map(|id| {
            self.task(id).frames.iter().find_map(|frame| {
                frame.registers.iter().zip(&frame.code.names).find_map(|(value, name)| {
                    let mut path = None;
                    let sites =
                        frame.code.instructions.iter().filter_map(|instruction| self.site_span(instruction.site));
                    let name = UserNames::of(sites).of_variable(name.as_ref()?);
                    walk(value, &format!("local {name}"), &mut |key, found| {
                        if key == wanted {
                            path.get_or_insert(found);
                        }
                    });
                    path
                })
            })
        })
    }
}
