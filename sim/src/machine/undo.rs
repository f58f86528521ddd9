//! Old contents of what was written, so that a search can go back.

use std::sync::Arc;

use forkcheck_model::operators::GeneratorState;
use forkcheck_model::slot::SlotId;
use forkcheck_model::tensor::{Content, Metadata, Storage, Tensor};
use forkcheck_model::value::{Await, Awaited, Dict, DictContent, Generator, List, ListContent, Object, Value};
use rustc_hash::FxHashSet;

use super::access::{Thing, Touch, Touches};

/// Old contents in the order in which they were replaced.
#[derive(Debug, Default)]
pub(super) struct Log {
    saved: Vec<Saved>,
    /// Saved since the last mark: a second write since then needs no second saving.
    since_mark: FxHashSet<SlotId>,
}

/// A slot and its old content.
#[derive(Debug)]
enum Saved {
    Storage(Storage, Arc<Content>),
    Shape(Tensor, Arc<Metadata>),
    List(List, Arc<ListContent>),
    Dict(Dict, Arc<DictContent>),
    Object(Object, Arc<Vec<Value>>),
    Await(Await, Arc<Awaited>),
    Generator(Generator, Arc<GeneratorState>),
}

impl Log {
    /// Keeps the contents that a step with these touches is about to replace.
    pub(super) fn save(&mut self, touches: &Touches) {
        // An `out` of the wrong sizes is resized, which is only known when it has happened.
        let written =
            |touch: &&Touch| touch.access.writes() || matches!(touch.thing, Thing::Shape(_) | Thing::Await(_));
        for touch in touches.iter().filter(written) {
            if self.since_mark.insert(touch.thing.slot()) {
                self.saved.extend(save(&touch.thing));
            }
        }
    }

    /// A point to come back to.
    pub(super) fn mark(&mut self) -> usize {
        self.since_mark.clear();
        self.saved.len()
    }

    /// Puts everything back as it was at the point.
    pub(super) fn rewind(&mut self, mark: usize) {
        self.since_mark.clear();
        for saved in self.saved.drain(mark..).rev() {
            match saved {
                Saved::Storage(handle, content) => handle.slot().set(content),
                Saved::Shape(handle, content) => handle.slot().set(content),
                Saved::List(handle, content) => handle.slot().set(content),
                Saved::Dict(handle, content) => handle.slot().set(content),
                Saved::Object(handle, content) => handle.slot().set(content),
                Saved::Await(handle, content) => handle.slot().set(content),
                Saved::Generator(handle, content) => handle.slot().set(content),
            }
        }
    }
}

fn save(thing: &Thing) -> Option<Saved> {
    Some(match thing {
        Thing::Storage(storage) => Saved::Storage(storage.clone(), storage.content()),
        Thing::Shape(tensor) => Saved::Shape(tensor.clone(), tensor.metadata()),
        Thing::List(list) => Saved::List(list.clone(), list.content()),
        Thing::Dict(dict) => Saved::Dict(dict.clone(), dict.content()),
        Thing::Attribute(object, _) => Saved::Object(object.clone(), object.slot().get()),
        Thing::Await(awaited) => Saved::Await(awaited.clone(), awaited.content()),
        Thing::Generator(generator) => Saved::Generator(generator.clone(), generator.content()),
        // What was printed is cut back to its old length, and no operator we execute sets process flags.
        Thing::Stdout | Thing::ProcessFlags => return None,
    })
}
