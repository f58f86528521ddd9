//! The text of a graph means to us what it means to PyTorch: each node is of the kind and overload that PyTorch took.

use std::path::Path;

use forkcheck_model::graph::{NodeKind, parse};
use serde_json::Value;

#[test]
fn every_node_has_the_overload_that_pytorch_took() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/alias_cases");
    let mut operators = 0;
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "ir") {
            continue;
        }
        cases += 1;
        let read = |path: &Path| std::fs::read_to_string(path).expect("a text");
        let parsed = parse::parse(&read(&path)).expect("a graph");
        let answers: Value = serde_json::from_str(&read(&path.with_extension("json"))).expect("JSON");
        // Constants of functions are part of the calls here, and several results are one tuple.
        let expected =
            answers["nodes"].as_array().expect("nodes").iter().filter(|node| node["kind"] != "prim::Constant");
        let found = parsed.functions[0].graph.body.nodes.iter();
        let mut found = found.filter(|node| !matches!(node.kind, NodeKind::Constant(_)));
        for node in expected {
            let ours = found.next().expect("as many nodes");
            assert_eq!(node["kind"], ours.kind.name(), "{}", path.display());
            match ours.kind {
                NodeKind::Operator(operator) => {
                    assert_eq!(node["overload"], operator.full_name(), "{}", path.display());
                    operators += 1;
                }
                NodeKind::Wait => {}
                ref kind => assert!(kind.name().starts_with("prim::"), "{} in {}", kind.name(), path.display()),
            }
        }
        assert!(found.all(|node| matches!(node.kind, NodeKind::TupleConstruct(_))), "{}", path.display());
    }
    assert_eq!(cases, 43);
    // As many nodes of the answers are `aten::` and no wait.
    assert_eq!(operators, 133);
}
