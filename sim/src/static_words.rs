//! What the static analysis found, in words of the code: its nodes, its lines, and what users call things.

use std::collections::BTreeMap;

use forkcheck_model::effects::{Place, Target};
use forkcheck_model::graph::Node;
use forkcheck_model::module::{Function, FunctionId};

use crate::machine::code::assigned_name;
use crate::names::{NAMELESS, UserNames};

/// Functions, to be asked about their nodes.
pub(crate) struct Words<'a> {
    functions: &'a [Function],
    /// The nodes of functions that were asked for, by number.
    nodes: BTreeMap<FunctionId, Vec<&'a Node>>,
    /// What is known of the user's variables in functions that were asked for.
    names: BTreeMap<FunctionId, UserNames<'a>>,
}

impl<'a> Words<'a> {
    /// Of these functions.
    pub(crate) fn of(functions: &'a [Function]) -> Self {
        Self { functions, nodes: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// The function of this number.
    pub(crate) fn function(&self, id: FunctionId) -> &'a Function {
        &self.functions[id.0 as usize]
    }

    /// The node at a place.
    pub(crate) fn node(&mut self, place: Place) -> &'a Node {
        self.nodes(place.function)[place.node as usize]
    }

    /// What users call a thing, as they read it in reports.
    pub(crate) fn target(&mut self, target: &Target) -> String {
        match target {
            Target::Path(path) => path.clone(),
            Target::Nameless => NAMELESS.to_string(),
            Target::Constant(place) => {
                let node = self.node(*place);
                let variable = &self.function(place.function).graph.value(node.outputs[0]).name;
                let assigned = node.span.as_ref().and_then(assigned_name);
                let name = assigned.or(variable.as_ref().map(|name| name.to_string()));
                name.map_or("a constant".to_string(), |name| format!("constant {name}"))
            }
            Target::Local(function, name, shape) => {
                if !self.names.contains_key(function) {
                    let spans = self.nodes(*function).iter().filter_map(|node| node.span.as_ref());
                    let names = UserNames::of(spans);
                    self.names.insert(*function, names);
                }
                let names = &self.names[function];
                format!("{}local {}", if *shape { "shape of " } else { "" }, names.of_variable(name))
            }
        }
    }

    fn nodes(&mut self, function: FunctionId) -> &[&'a Node] {
        let functions = self.functions;
        self.nodes.entry(function).or_insert_with(|| functions[function.0 as usize].graph.body.nodes_within().collect())
    }
}
