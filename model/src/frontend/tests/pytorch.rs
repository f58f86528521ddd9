//! Operators with their overloads, in order, as PyTorch 2.7 resolved the same code files.
//!
//! The code was written by `torch.jit.save`; beside it stands what `torch.jit.load` made of it: for each function the
//! schemas of its nodes, closures in the place of their fork. Constants, and what only takes values together or
//! apart, are left out, since PyTorch simplifies those.

use super::super::Code;
use super::compile_files;
use crate::graph::{Block, NodeKind};

fn check(name: &str, code: &str, expected: &str) {
    let code = compile_files(code).unwrap_or_else(|error| panic!("{name}: {error}"));
    for section in expected.split("== ").skip(1) {
        let (function, expected) = section.split_once('\n').expect("a name on a line of its own");
        let found = code.functions.iter().find(|found| &*found.name == function);
        let found = found.unwrap_or_else(|| panic!("{name}: {function} is missing"));
        let mut operators = String::new();
        gather(&code, &found.graph.body, &mut operators);
        assert_eq!(operators, expected, "{name}: {function}");
    }
}

fn gather(code: &Code, block: &Block, operators: &mut String) {
    for node in &block.nodes {
        match &node.kind {
            NodeKind::Constant(_)
            | NodeKind::ListConstruct(_)
            | NodeKind::TupleConstruct(_)
            | NodeKind::TupleUnpack
            | NodeKind::TupleIndex(_)
            | NodeKind::TupleItem
            | NodeKind::TupleSlice(..)
            | NodeKind::ListUnpack
            | NodeKind::Uninitialized
            | NodeKind::UncheckedCast => {}
            NodeKind::Operator(operator) if !operator.overload.is_empty() => {
                operators.push_str(&format!("{}.{}\n", operator.name, operator.overload));
            }
            kind => operators.push_str(&format!("{}\n", kind.name())),
        }
        if let NodeKind::Fork(id) | NodeKind::Awaitable(id) = &node.kind {
            gather(code, &code.functions[id.0 as usize].graph.body, operators);
        }
        for block in &node.blocks {
            gather(code, block, operators);
        }
    }
}

macro_rules! same_as_pytorch {
    ($($name:ident),*) => {
        $(#[test]
        fn $name() {
            let code = include_str!(concat!("../fixtures/", stringify!($name), ".py"));
            check(stringify!($name), code, include_str!(concat!("../fixtures/", stringify!($name), ".ops")));
        })*
    };
}

same_as_pytorch!(attention, forks, interfaces, language, lstm);
