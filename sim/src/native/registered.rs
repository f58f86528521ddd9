//! What a traced function can reach from the start: the tensors of its inputs, and what a module holds under its names.

use std::sync::Arc;

use forkcheck_model::tensor::Tensor as Plain;
use forkcheck_model::types::Type;
use forkcheck_model::value::Value;

use super::look::Look;
use super::module::Visitor;

/// What was visited, as a trace sees it.
#[derive(Default)]
pub(super) struct Registered {
    /// The tensors of the inputs, in order.
    pub(super) inputs: Vec<Plain>,
    /// The module, if there is one, and all that it holds, each after its owner.
    attributes: Vec<Attribute>,
    /// The tensors among these, with their places there.
    tensors: Vec<(Plain, usize)>,
}

/// Something that a module holds.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    /// The place of what holds it.
    pub(super) owner: usize,
    pub(super) name: Arc<str>,
    /// The how manieth it is of its owner.
    pub(super) index: usize,
    pub(super) ty: Type,
}

impl Registered {
    /// The place of the module itself.
    pub(super) const SELF: usize = 0;

    /// Takes what a visit has found.
    pub(super) fn new(visitor: &Visitor) -> Self {
        let mut registered = Self::default();
        for (path, class) in &visitor.modules {
            if let Some(place) = registered.reach(path) {
                registered.attributes[place].ty = Type::named(class_name(class));
            }
        }
        for (path, held) in &visitor.held {
            registered.hold(path, &held.look(&mut Look::default()).0);
        }
        registered
    }

    /// The type of the module, if there is one.
    pub(super) fn module(&self) -> Option<&Type> {
        self.attributes.first().map(|module| &module.ty)
    }

    /// What stands at a place.
    pub(super) fn attribute(&self, place: usize) -> &Attribute {
        &self.attributes[place]
    }

    /// The place of a tensor; of the first of its names.
    pub(super) fn place_of(&self, tensor: &Plain) -> Option<usize> {
        self.tensors.iter().find(|(known, _)| known.is(tensor)).map(|(_, place)| *place)
    }

    /// Takes the tensors of a value that stands at a path.
    fn hold(&mut self, path: &str, value: &Value) {
        match value {
            Value::Tensor(tensor) => match self.reach(path) {
                Some(place) => {
                    self.attributes[place].ty = Type::Tensor;
                    self.tensors.push((tensor.clone(), place));
                }
                None => self.inputs.push(tensor.clone()),
            },
            Value::Tuple(items) => {
                items.iter().enumerate().for_each(|(i, item)| self.hold(&format!("{path}[{i}]"), item));
            }
            _ => {}
        }
    }

    /// The place of the path of an attribute; nowhere for an input.
    fn reach(&mut self, path: &str) -> Option<usize> {
        let mut rest = path.strip_prefix("self")?;
        let list = || Type::named("__torch__.torch.nn.modules.container.ModuleList");
        if self.attributes.is_empty() {
            self.attributes.push(Attribute { owner: Self::SELF, name: "self".into(), index: 0, ty: list() });
        }
        let mut place = Self::SELF;
        while let Some(first) = rest.chars().next() {
            // An item of a container is an attribute with a number, or a key, for a name.
            let (name, after) = match first {
                '[' => rest[1..].split_once(']').unwrap_or((&rest[1..], "")),
                _ => rest[1..].split_at(rest[1..].find(['.', '[']).unwrap_or(rest.len() - 1)),
            };
            (place, rest) = (self.child(place, name.trim_matches('"'), list()), after);
        }
        Some(place)
    }

    fn child(&mut self, owner: usize, name: &str, ty: Type) -> usize {
        let children = || self.attributes.iter().enumerate().skip(1).filter(|(_, child)| child.owner == owner);
        let known = children().find(|(_, child)| &*child.name == name).map(|(place, _)| place);
        let index = children().count();
        known.unwrap_or_else(|| {
            self.attributes.push(Attribute { owner, name: name.into(), index, ty });
            self.attributes.len() - 1
        })
    }
}

/// The name of a class as PyTorch writes it, after that of a type in the compiler's words.
fn class_name(full: &str) -> String {
    let wrapper = |name| full.strip_prefix(name).and_then(|inner| inner.strip_suffix('>'));
    match wrapper("alloc::boxed::Box<").or_else(|| wrapper("forkcheck::native::script::Scripted<")) {
        Some(inner) => class_name(inner.strip_prefix("dyn ").unwrap_or(inner)),
        None => format!("__torch__.{}", super::fork::short_name(full)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_attributes_of_attributes() {
        let mut registered = Registered::default();
        for path in ["self", "self.a.weight", "self.a.bias", "self.layers[1].weight", "self.by[\"k.x\"]"] {
            registered.reach(path);
        }
        let rows: Vec<_> = registered.attributes.iter().map(|at| (at.owner, &*at.name, at.index)).collect();
        let expected = [
            (0, "self", 0),
            (0, "a", 0),
            (1, "weight", 0),
            (1, "bias", 1),
            (0, "layers", 1),
            (4, "1", 0),
            (5, "weight", 0),
            (0, "by", 2),
            (7, "k.x", 0),
        ];
        assert_eq!(rows, expected);
        assert_eq!(registered.reach("input 0"), None);
    }

    #[test]
    fn classes_are_named_without_their_path() {
        for (full, class) in [
            ("mine::net::Linear", "__torch__.Linear"),
            ("alloc::boxed::Box<dyn mine::Layer>", "__torch__.Layer"),
            ("forkcheck::native::script::Scripted<mine::Linear>", "__torch__.Linear"),
            ("mine::Pair<mine::Linear>", "__torch__.Pair"),
        ] {
            assert_eq!(class_name(full), class);
        }
    }
}
