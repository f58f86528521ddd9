//! Recursion: PyTorch has none, and whoever runs or analyses the graphs may count on it.
//!
//! A call through an interface is not looked into, since only the run knows where it goes.

use super::declare::Program;
use crate::error::Error;
use crate::graph::{Block, Graph, NodeKind};
use crate::module::{Function, FunctionId};
use crate::types::Type;

/// Refuses functions that call themselves, however indirectly.
pub(super) fn refuse(program: &Program<'_>, functions: &[Function]) -> Result<(), Error> {
    let callees: Vec<Vec<FunctionId>> = functions
        .iter()
        .map(|function| {
            let mut found = Vec::new();
            gather(program, &function.graph, &function.graph.body, &mut found);
            found
        })
        .collect();
    // A walk in depth without recursion of its own: a function that is met again while it is open calls itself.
    let mut state = vec![State::New; functions.len()];
    for start in 0..functions.len() {
        let mut open = vec![(start, 0)];
        while let Some((function, next)) = open.last_mut() {
            if *next == 0 && state[*function] == State::Done {
                open.pop();
                continue;
            }
            state[*function] = State::Open;
            let Some(callee) = callees[*function].get(*next) else {
                state[*function] = State::Done;
                open.pop();
                continue;
            };
            *next += 1;
            let callee = callee.0 as usize;
            if state[callee] == State::Open {
                return Err(error(program, functions, callee));
            }
            open.push((callee, 0));
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

fn error(program: &Program<'_>, functions: &[Function], function: usize) -> Error {
    let message = format!("function `{}` calls itself; recursion is not supported", functions[function].name);
    match program.functions.get(function) {
        Some(signature) => {
            let place = signature.body.map(|body| body.place).unwrap_or_default();
            program.files[signature.file].error(super::annotations::Complaint { message, place })
        }
        None => Error::new(message),
    }
}

/// The functions that a block calls.
fn gather(program: &Program<'_>, graph: &Graph, block: &Block, found: &mut Vec<FunctionId>) {
    let method = |receiver: crate::graph::ValueId, name: &str| match &graph.value(receiver).ty {
        Type::Named(class) => program.classes.get(class).and_then(|class| class.methods.get(name).copied()),
        _ => None,
    };
    for node in &block.nodes {
        match &node.kind {
            NodeKind::CallFunction(id) | NodeKind::Fork(id) | NodeKind::Awaitable(id) => found.push(*id),
            NodeKind::CallMethod(name) => found.extend(method(node.inputs[0], name)),
            NodeKind::Enter => found.extend(method(node.inputs[0], "__enter__")),
            NodeKind::Exit => found.extend(method(node.inputs[0], "__exit__")),
            _ => {}
        }
        for block in &node.blocks {
            gather(program, graph, block, found);
        }
    }
}
