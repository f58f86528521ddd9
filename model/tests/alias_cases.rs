//! Our answers about aliases beside those of PyTorch 2.7's `AliasDb`, case by case.
//!
//! `alias_cases/NAME.json` has PyTorch's answers. Where ours differ, `alias_cases/differences.txt` has a line that says how;
//! ours may say less than PyTorch's only where that is right, and more only where PyTorch's is unsound.

use std::collections::BTreeSet;
use std::path::PathBuf;

use forkcheck_model::effects::{Aliases, World};
use forkcheck_model::graph::parse::{GraphText, parse};
use forkcheck_model::graph::{Block, Graph, ValueId};
use forkcheck_model::module::{Function, FunctionId};
use serde_json::Value as Json;

/// The name that every task gets.
fn callee(_: &[Function], _: FunctionId) -> String {
    "fork".to_string()
}

struct Case {
    name: String,
    source: String,
    text: GraphText,
    answers: Json,
}

fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/alias_cases");
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ir"));
    files.sort();
    let case = |path: PathBuf| Case {
        source: read(&path),
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        text: parse(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        answers: serde_json::from_str(&read(&path.with_extension("json"))).expect("JSON"),
    };
    files.into_iter().map(case).collect()
}

/// The values of the graph and of its blocks, in the order of the text.
fn values(graph: &Graph) -> Vec<ValueId> {
    fn block(of: &Block, all: &mut Vec<ValueId>) {
        all.extend(&of.params);
        for node in &of.nodes {
            all.extend(&node.outputs);
            node.blocks.iter().for_each(|inner| block(inner, all));
        }
    }
    let mut all = Vec::new();
    block(&graph.body, &mut all);
    all
}

/// The names of the values, in the same order: whatever is followed by its type.
fn names(text: &str) -> Vec<String> {
    let graph = text.split("\nwith ").next().expect("there is a graph");
    let bound = graph.match_indices('%').filter_map(|(at, _)| {
        let name = graph[at..].split([' ', ',', ')']).next()?;
        let rest = &graph[at + name.len()..];
        // A function that is a constant is part of the call here.
        (rest.starts_with(" : ") && !rest.starts_with(" : Function =")).then(|| name.to_string())
    });
    bound.collect()
}

/// Where our answers differ from PyTorch's: a line each.
fn differences(case: &Case) -> Vec<String> {
    let world = World { functions: &case.text.functions, classes: &case.text.classes, root: None, callee };
    let aliases = Aliases::of(&world, GraphText::MAIN).expect("it is small");
    let graph = &case.text.functions[0].graph;
    let ids: Vec<(String, ValueId)> = names(&case.source).into_iter().zip(values(graph)).collect();
    let answers = &case.answers["default"];
    let types = &case.answers["values"];
    let is_function = |node: &Json| {
        let output = node["outputs"][0].as_str().unwrap_or_default();
        node["kind"] == "prim::Constant" && types[output].as_str().is_some_and(|ty| ty.starts_with("__torch__"))
    };
    let all = case.answers["nodes"].as_array().expect("nodes");
    let functions = all.iter().filter(|node| is_function(node)).count();
    assert_eq!(ids.len() + functions, types.as_object().expect("values").len(), "{}", case.name);
    // Our numbers of PyTorch's nodes: a function that is a constant has none.
    let nodes: Vec<usize> = (0..all.len()).filter(|&i| !is_function(&all[i])).collect();
    // Several results are a tuple here, which one more node makes.
    assert!((nodes.len()..=nodes.len() + 1).contains(&graph.body.nodes.len()), "{}", case.name);
    let mut lines = Vec::new();
    let texts = |json: &Json| -> BTreeSet<String> {
        json.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_string())).collect()
    };
    let written = texts(&answers["has_writers"]);
    for (name, id) in &ids {
        let (ours, theirs) = (aliases.has_writers(*id), written.contains(name));
        lines.extend((ours != theirs).then(|| format!("{} writers of {name}", if ours { "more" } else { "less" })));
    }
    let pairs: BTreeSet<(String, String)> = answers["may_contain_alias"]
        .as_array()
        .expect("pairs")
        .iter()
        .map(|pair| (pair[0].as_str().expect("a name").to_string(), pair[1].as_str().expect("a name").to_string()))
        .flat_map(|(a, b)| [(a.clone(), b.clone()), (b, a)])
        .collect();
    for (i, (a, first)) in ids.iter().enumerate() {
        for (b, second) in &ids[i + 1..] {
            let (ours, theirs) = (aliases.may_contain_alias(*first, *second), pairs.contains(&(a.clone(), b.clone())));
            lines.extend(
                (ours != theirs).then(|| format!("{} alias of {a} and {b}", if ours { "more" } else { "less" })),
            );
        }
    }
    let [mut more, mut less] = [0; 2];
    for (word, after) in [("before", false), ("after", true)] {
        let allowed: BTreeSet<(u64, u64)> = answers[format!("can_move_{word}")]
            .as_array()
            .expect("pairs")
            .iter()
            .map(|pair| (pair[0].as_u64().expect("a number"), pair[1].as_u64().expect("a number")))
            .collect();
        for i in 0..nodes.len() {
            for j in (0..nodes.len()).filter(|&j| j != i) {
                let theirs = allowed.contains(&(nodes[i] as u64, nodes[j] as u64));
                match (aliases.can_move(i, j, after), theirs) {
                    (true, false) => more += 1,
                    (false, true) => less += 1,
                    _ => {}
                }
            }
        }
    }
    lines.extend((more > 0).then(|| format!("{more} moves more")));
    lines.extend((less > 0).then(|| format!("{less} moves less")));
    lines
}

/// The cases where PyTorch is unsound, or does not show the callee that it knows: there we say that more is possible.
const WIDER: [&str; 17] = [
    "032_any_arg",
    "040_native_bn_blind",
    "043_seed_order",
    "048_fork_no_write_at_fork",
    "050_fork_unwaited",
    "057_dropout_eval_blind",
    "059_f_writes_input",
    "060_f_pure",
    "062_f_view_outside",
    "064_f_list_append",
    "068_f_tuple_elem",
    "069_f_attr_write",
    "071_f_attr_read",
    "073_f_loop",
    "075_f_result_alias",
    "077_f_object",
    "079_call_no_fork",
];

#[test]
fn our_answers_differ_from_pytorchs_just_where_it_is_written() {
    let mut found = String::new();
    let cases = cases();
    assert_eq!(cases.len(), 43);
    for case in &cases {
        for line in differences(case) {
            // More writers, more aliases, fewer moves: more is possible than PyTorch says.
            let wider = line.starts_with("more") || line.ends_with("moves less");
            // A tuple is its items; PyTorch does not call it written when they are.
            let tuple = case.name == "019_tuple_roundtrip";
            assert!(!wider || tuple || WIDER.contains(&case.name.as_str()), "{}: {line}", case.name);
            found.push_str(&format!("{}: {line}\n", case.name));
        }
    }
    let written = include_str!("alias_cases/differences.txt");
    let written: String =
        written.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert_eq!(found, written);
}

/// A page of the crate's documentation says of each case what it asks, what PyTorch says, what we say and why.
#[test]
fn the_page_that_compares_has_every_case() {
    let page = include_str!("../src/effects/comparison.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(rows.iter().map(|row| row[0].trim_matches('`')).collect::<Vec<_>>(), names);
    for row in rows {
        assert!(row.len() == 6 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        // The second column says what the file of differences says.
        let prefix = format!("{}: ", row[0].trim_matches('`'));
        let differences = include_str!("alias_cases/differences.txt").lines();
        let differences: Vec<&str> = differences.filter_map(|line| line.strip_prefix(&prefix)).collect();
        let any = |word: &str, moves: &str| {
            differences.iter().any(|line| line.starts_with(word) || line.ends_with(&format!("moves {moves}")))
        };
        let kind = match (any("less", "more"), any("more", "less")) {
            (false, false) => "same",
            (true, false) => "less",
            (false, true) => "more",
            (true, true) => "less and more",
        };
        assert_eq!(row[1], kind, "{}", row[0]);
    }
}
