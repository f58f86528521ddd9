//! What PyTorch prints is read and printed as it was; what it does not print is refused in words that help.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::{GraphText, check_law, is_graph, parse};
use crate::graph::{Block, NodeKind, print};
use crate::module::{FunctionId, Module};
use crate::slot::{Allocator, Memory};

/// A text without what reading it does not keep, one node a line:
/// - values are numbered in the order in which they are met in their graph;
/// - constants stand where they are used, since an index or a function is a part of its node here;
/// - tensor constants have no elements, tensor types no shapes;
/// - several results of a graph are one tuple;
/// - a place without a file is none.
fn canonical(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut constants: BTreeMap<String, String> = BTreeMap::new();
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let (line, place) = line.split_once(" # ").unwrap_or((line, ""));
        if line.contains("graph(") {
            constants.clear();
            numbers.clear();
        }
        if let Some((output, value)) = line.split_once(" = prim::Constant") {
            let (name, ty) = output.trim().split_once(" : ").expect("a type");
            let value = if ty == "Tensor" { "<Tensor>" } else { value };
            constants.insert(name.into(), format!("<{ty} {value}>"));
            continue;
        }
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('%') {
            let length = rest[at + 1..].find(|c: char| !(c.is_alphanumeric() || "_.".contains(c)));
            let end = length.map_or(rest.len(), |length| at + 1 + length);
            let name = &rest[at..end];
            out += &rest[..at];
            out += &constants.get(name).cloned().unwrap_or_else(|| {
                let next = numbers.len();
                format!("%{}", numbers.entry(name.into()).or_insert(next))
            });
            rest = &rest[end..];
        }
        out += rest;
        if !place.is_empty() && !place.starts_with(':') {
            out += &format!(" # {place}");
        }
        let results = out.trim().strip_prefix("return (");
        let tuple = lines.last().and_then(|last| last.trim().split_once(" = prim::TupleConstruct("));
        if let (Some(results), Some((tuple, items))) = (results, tuple)
            && results.trim_end_matches(')') == tuple.split(' ').next().expect("a name")
        {
            let items = items.trim_end_matches(')').to_owned();
            out = format!("  return ({items})");
            lines.pop();
        }
        lines.push(out);
    }
    lines.join("\n")
}

fn printed(text: &str) -> String {
    let parsed = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    print::text(&parsed.functions, GraphText::MAIN)
}

/// The texts in a folder of `tests`, by name.
fn texts(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == extension));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a text"))).collect()
}

#[test]
fn the_alias_cases_go_round() {
    let texts = texts("alias_cases", "ir");
    assert_eq!(texts.len(), 43);
    for (path, text) in texts {
        assert_eq!(canonical(&printed(&text)), canonical(&text), "{}", path.display());
        check_law(&text);
    }
}
#[test]
fn graphs_of_scripted_and_traced_modules_go_round() {
    let texts = texts("graphs", "ir");
    assert_eq!(texts.len(), 6);
    for (path, text) in texts {
        assert_eq!(canonical(&printed(&text)), canonical(&text), "{}", path.display());
        check_law(&text);
    }
}

#[test]
fn what_we_print_of_archives_is_read() {
    let mut count = 0;
    for path in folders("../tests/cases") {
        let bytes = std::fs::read(path.join("model.pt")).expect("an archive");
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let module = Module::load(&bytes, &mut allocator).expect("a module");
        for (i, function) in module.functions.iter().enumerate() {
            // What an interface declares has no body.
            if !function.graph.values.is_empty() {
                let text = print::text(&module.functions, FunctionId(i as u32));
                assert_eq!(canonical(&printed(&text)), canonical(&text), "{} of {}", function.name, path.display());
                let again = parse(&text).expect("a graph");
                let name = &function.name;
                assert_eq!(operators(&again.functions[0].graph.body), operators(&function.graph.body), "{name}");
                check_law(&text);
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count} functions");
}

/// The overloads that a block calls, in order.
fn operators(block: &Block) -> Vec<String> {
    let mut names = Vec::new();
    for node in &block.nodes {
        if let NodeKind::Operator(operator) = node.kind {
            names.push(operator.full_name());
        }
        names.extend(node.blocks.iter().flat_map(operators));
    }
    names
}

fn folders(name: &str) -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.join("model.pt").exists());
    paths.sort();
    paths
}

/// What a constant of this type that is written like this comes out as.
fn constant(ty: &str, attributes: &str) -> String {
    let text = format!("graph():\n  %0 : {ty} = prim::Constant{attributes}()\n  return (%0)\n");
    check_law(&text);
    match parse(&text) {
        Ok(parsed) => {
            let printed = print::text(&parsed.functions, GraphText::MAIN);
            let line = printed.lines().nth(1).expect("a node");
            let (_, value) = line.split_once("prim::Constant").expect("a constant");
            let opaque = matches!(parsed.functions[0].graph.body.nodes[0].kind, NodeKind::Opaque(_));
            format!("{}{}", value.trim_end_matches("()"), if opaque { " opaque" } else { "" })
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn constants_of_every_printed_form_are_read() {
    let same = [
        ("int", "[value=-9223372036854775808]"),
        ("bool", "[value=1]"),
        ("float", "[value=20.]"),
        ("float", "[value=1.0000000000000001e-05]"),
        ("float", "[value=-inf]"),
        ("float", "[value=nan]"),
        ("Scalar", "[value=0.5]"),
        ("complex", "[value=1.+2.j]"),
        ("complex", "[value=-0.5-infj]"),
        ("str", r#"[value="a, b] \"q\"\n\\ \303\251"]"#),
        ("Device", r#"[value="cpu"]"#),
        ("NoneType", ""),
        ("Tensor?", ""),
        ("Tensor", "[value=<Tensor>]"),
        ("int[]", "[value=[1, -2]]"),
        ("str[]", r#"[value=["a", "b"]]"#),
        ("Tensor[]", "[value=[<Tensor>, <Tensor>]]"),
        ("(int, str, float?)", r#"[value=(1, "x", None)]"#),
        ("Dict(str, int)", r#"[value={"q": 3, "r": 4}]"#),
        ("Dict(str, int[])", r#"[value={"q": [1]}]"#),
        ("__torch__.m.Color", "[value=__torch__.m.Color.BLUE]"),
    ];
    for (ty, attributes) in same {
        assert_eq!(constant(ty, attributes), attributes, "{ty}");
    }
    let others = [
        ("float", "[value=3]", "[value=3.]"),
        ("float", "[value=NaN]", "[value=nan]"),
        ("bool[]", "[value=[True, False]]", "[value=[1, 0]]"),
        ("int[]", "[value=annotate(List[int], [])]", "[value=[]]"),
        ("Dict(str, Tensor)", "[value=annotate(Dict[str, Tensor], {})]", "[value={}]"),
        ("(Device, int)", "[value=(torch.device(\"cpu\"), 1)]", "[value=(\"cpu\", 1)]"),
        // Elements of tensors are printed for people.
        ("Tensor", "[value={1}]", "[value=<Tensor>]"),
        ("Tensor", "[value= 0  1  2  3 [ CPUFloatType{4} ]]", "[value=<Tensor>]"),
        ("Float(2, 2, strides=[2, 1])", "[value= 0  1\n 2  3\n[ CPUFloatType{2,2} ]]", "[value=<Tensor>]"),
        // Nobody knows an object that is not in the text.
        ("__torch__.M", "[value=object(__torch__.M)]", "[value=object(__torch__.M)] opaque"),
        ("__torch__.M[]", "[value=[<__torch__.M>]]", "[value=[<__torch__.M>]] opaque"),
        ("bool", "[value=2]", "line 2, column 36: expected a constant of type `bool`, found `2`"),
        ("int", "[value=1.5]", "line 2, column 35: expected a constant of type `int`, found `1.5`"),
        ("int", "[value=1 2]", "line 2, column 37: expected the end of the constant, found `2`"),
        ("str", "[value=\"a]", "line 2, column 35: expected a string that is closed, found one that is not"),
    ];
    for (ty, attributes, expected) in others {
        assert_eq!(constant(ty, attributes), expected, "{ty} {attributes}");
    }
}

/// What the body of a graph of a tensor `%x` and an object `%m` comes out as, or what is wrong with it.
fn body(lines: &str) -> String {
    let text = format!("graph(%x : Tensor, %m : __torch__.M):\n{lines}");
    check_law(&text);
    match parse(&text) {
        Ok(parsed) => {
            let printed = print::text(&parsed.functions, GraphText::MAIN);
            printed.split_once("):\n").expect("a body").1.to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_the_text_does_not_have_is_unknown() {
    let text = "\
graph(%self : __torch__.Net,
      %x.1 : Tensor):
  %1 : Function = prim::Constant[name=\"helper\"]()
  %2 : __torch__.Linear = prim::GetAttr[name=\"fc\"](%self)
  %3 : Tensor = prim::CallMethod[name=\"forward\"](%2, %x.1)
  %4 : Tensor = prim::CallFunction(%1, %3)
  %5 : Future[Tensor] = prim::fork(%4)
  %6 : Tensor = aten::wait(%5)
   = prim::SetAttr[name=\"last\"](%self, %6)
  %7 : Tensor = custom::op[mode=\"fast\"](%6)
  return (%7)
";
    let parsed = parse(text).unwrap();
    assert_eq!(canonical(&printed(text)), canonical(text));
    let unknown = |id: FunctionId| {
        let function = &parsed.functions[id.0 as usize];
        let [node] = &function.graph.body.nodes[..] else { panic!("{} has one node", function.name) };
        let NodeKind::Opaque(name) = &node.kind else { panic!("{} is unknown", function.name) };
        assert_eq!(node.inputs, function.graph.body.params);
        (name.to_string(), function.params.len())
    };
    let found: Vec<_> = parsed.functions[0]
        .graph
        .body
        .nodes
        .iter()
        .filter_map(|node| match &node.kind {
            NodeKind::CallFunction(id) | NodeKind::Fork(id) => Some(unknown(*id)),
            NodeKind::CallMethod(name) => Some(unknown(parsed.classes["__torch__.Linear"].methods[name])),
            NodeKind::Opaque(name) => Some((name.to_string(), node.inputs.len())),
            _ => None,
        })
        .collect();
    let expected =
        [("__torch__.Linear.forward", 2), ("helper", 1), ("prim::fork", 1), ("custom::op[mode=\"fast\"]", 1)];
    assert_eq!(found, expected.map(|(name, inputs)| (name.to_owned(), inputs)));
    let attributes: Vec<String> = parsed.classes["__torch__.Net"]
        .attributes
        .iter()
        .map(|attribute| format!("{} : {}", attribute.name, attribute.ty))
        .collect();
    assert_eq!(attributes, ["fc : __torch__.Linear", "last : Tensor"]);
}

#[test]
fn nodes_that_nobody_knows_are_opaque_by_name() {
    let line = "  %0 : Tensor = prim::profile[profiled_type=Float(2, 3, strides=[3, 1]), seen_none=0](%x.1)\n";
    assert_eq!(body(&(line.replace("x.1", "x") + "  return (%0)\n")), line.to_owned() + "  return (%0)\n");
    let python = "  %0 : Tensor = ^scale(2, \"a)\")(%x.1)\n  return (%0)\n";
    assert_eq!(body(&python.replace("x.1", "x")), python);
    // The block uses `%1`, so the node does.
    let blocks = "  %1 : Tensor = aten::neg(%x)
  %2 : Tensor = prim::TracedFork(%x)
    block0():
      %3 : Tensor = aten::abs(%1)
      -> (%3)
  return (%2)
";
    let expected = "  %0 : Tensor = aten::neg(%x.1)
  %1 : Tensor = prim::TracedFork(%x.1, %0)
  return (%1)
";
    assert_eq!(body(blocks), expected);
    assert_eq!(
        body("  %1 : Tensor = aten::no_such(%x)\n  return (%1)\n"),
        "line 2, column 17: unknown operator `aten::no_such`"
    );
}

#[test]
fn groups_of_an_optimised_graph_run_in_place() {
    let text = "\
graph(%x : Tensor):
  %y : Tensor, %z : Tensor = prim::DifferentiableGraph_0(%x)
  %f : Future[Tensor] = prim::fork_1(%y)
  %w : Tensor = aten::wait(%f), scope: Net/fc # net.py:3:4
  return (%z, %w)
with prim::DifferentiableGraph_0 = graph(%a : Tensor):
  %b : Tensor = prim::TensorExprGroup_0(%a)
  %c : Tensor = aten::abs(%b)
  return (%c, %b)
with prim::TensorExprGroup_0 = graph(%a : Float(2, 3)):
  %b : Tensor = aten::neg(%a)
  return (%b)
with prim::fork_1 = graph(%x : Tensor):
  %2 : Tensor = aten::relu(%x)
  return (%2)
";
    let expected = "\
graph(%x.1 : Tensor):
  %b.1 : Tensor = aten::neg(%x.1)
  %c.1 : Tensor = aten::abs(%b.1)
  %f.1 : Future[Tensor] = prim::fork_0(%c.1)
  %w.1 : Tensor = aten::wait(%f.1) # net.py:3:4
  %0 : (Tensor, Tensor) = prim::TupleConstruct(%b.1, %w.1)
  return (%0)
with prim::fork_0 = graph(%x.1 : Tensor):
  %0 : Tensor = aten::relu(%x.1)
  return (%0)
";
    assert_eq!(printed(text), expected);
    check_law(text);
}

#[test]
fn an_overload_is_found_by_what_it_is_given() {
    let text = "\
graph(%x : Tensor, %y : Tensor, %n : int, %l : Tensor[], %d : Dict(str, Tensor), %s : str):
  %1 : Tensor = aten::add_(%x, %y, %n)
  %2 : Tensor = aten::add_(%x, %n, %n)
  %3 : int = aten::add(%n, %n)
  %4 : Tensor = aten::__getitem__(%l, %n)
  %5 : Tensor = aten::__getitem__(%d, %s)
  %6 : Tensor = aten::max(%x, %y)
  %7 : Tensor, %8 : Tensor = aten::sort(%x, %n, %9)
  return (%1)
";
    let text = text.replace("  %1 : Tensor", "  %9 : bool = prim::Constant[value=1]()\n  %1 : Tensor");
    let parsed = parse(&text).unwrap();
    let overloads: Vec<String> = parsed.functions[0]
        .graph
        .body
        .nodes
        .iter()
        .filter_map(|node| match node.kind {
            NodeKind::Operator(operator) => Some(operator.full_name()),
            _ => None,
        })
        .collect();
    let expected =
        ["add_.Tensor", "add_.Scalar", "add.int", "__getitem__.t", "__getitem__.Dict_str", "max.other", "sort"];
    assert_eq!(overloads, expected.map(|name| format!("aten::{name}")));
}

/// A text that cannot be read, and what is said of it.
#[track_caller]
fn refused(text: &str, expected: &str) {
    check_law(text);
    assert_eq!(parse(text).expect_err("an error").to_string(), expected, "{text}");
}

#[test]
fn errors_say_where_and_what_was_expected() {
    refused("", "line 1, column 1: expected `graph`, found the end");
    refused("\n  grph(%x)", "line 2, column 3: expected `graph`, found `grph(%x)`");
    refused("graph(%x : Tensr):", "line 1, column 12: expected a type, found `Tensr`");
    refused("graph(%x : Dict(int)):", "line 1, column 12: expected 2 types in brackets, found 1");
    refused("graph(%x, %x):\n  return (%x)", "line 1, column 11: expected a new value, found `%x` again");
    refused("graph(%x):\n  %y = neg(%x)", "line 2, column 8: expected a node such as `aten::add`, found `neg`");
    refused("graph(%x):\n  %y = aten::neg(x)", "line 2, column 18: expected a value such as `%x`, found `x)`");
    refused("graph(%x):\n  return (%x)\nmore", "line 3, column 1: expected `with`, found `more`");
    let with = |line: &str| format!("graph(%x : Tensor, %n : int, %m : __torch__.M):\n  {line}\n  return (%x)\n");
    let cases = [
        ("%y : Tensor = aten::neg(%z)", "27: expected a value that is bound here, found `%z`"),
        ("%y : Tensor = aten::neg(%x, %n, %n)", "17: no overload of `aten::neg` takes (Tensor, int, int)"),
        ("%y : Tensor, %z : Tensor = aten::neg(%x)", "30: expected 1 results, found 2"),
        ("%y : Tensor = prim::If(%n)", "17: expected 2 blocks, found 0"),
        ("%y : Tensor = prim::ListConstruct(%x)", "3: expected the type of a list, found `Tensor`"),
        ("%y : Tensor = prim::GetAttr(%m)", "17: expected `prim::GetAttr[name=\"…\"]`"),
        ("%y : Tensor = prim::GetAttr[name=\"a\"](%x)", "41: expected an object, found a value of type `Tensor`"),
        ("%y : int = prim::TupleIndex(%x, %n)", "35: expected a constant that is an index into a tuple"),
        ("%y : bool = prim::isinstance(%x)", "15: expected `types=` and a list of types"),
        ("%y : Tensor = aten::neg[a=(](%x)", "29: expected a bracket that is closed, found one that is not"),
    ];
    for (line, expected) in cases {
        refused(&with(line), &format!("line 2, column {expected}"));
    }
    // An index that is not constant needs items of one type.
    let of = |types: &str| {
        with(&format!(
            "%t : {types} = prim::TupleConstruct(%x, %n)\n  %i : int = aten::neg(%n)\n  %y : int = prim::TupleIndex(%t, %i)"
        ))
    };
    parse(&of("(int, int)")).expect("a graph");
    refused(&of("(Tensor, int)"), "line 4, column 35: expected a constant that is an index into a tuple");
    let section = "with prim::fork_0 = graph(%a : Tensor, %b : Tensor):\n  return (%a)\n";
    let forks = with("%f : Future[Tensor] = prim::fork_0(%x)") + section;
    refused(&forks, "line 4, column 1: expected 1 parameters, found 2");
    let stray = with("%y : Tensor = aten::neg(%x)") + section;
    refused(&stray, "line 4, column 1: expected a graph that a node before it owns, found that of `prim::fork_0`");
}

#[test]
fn depth_is_an_error_and_never_the_end() {
    let types = format!("graph(%x : {}", "Future[".repeat(100_000));
    assert!(parse(&types).unwrap_err().message().starts_with("expected a type nested at most 64 deep"));
    assert!(parse(&format!("graph(%x : int{}", "[]".repeat(100_000))).is_err());
    let wide = format!("graph(%x : ({})):", "int, ".repeat(1000) + "int");
    assert_eq!(parse(&wide).unwrap_err().message(), "expected a type of at most 1000 parts");
    let mut blocks = "graph(%c : bool):\n".to_owned();
    blocks += &"prim::If(%c) block0(): ".repeat(100_000);
    assert_eq!(parse(&blocks).unwrap_err().message(), "expected graphs and blocks nested at most 1000 deep");
    let list = format!("graph():\n  %0 : Any = prim::Constant[value={}", "[".repeat(100_000));
    assert!(parse(&list).is_err());
    let list = format!("{}{}]()\n  return (%0)", list, "]".repeat(100_000));
    assert!(parse(&list).unwrap_err().message().starts_with("expected a constant nested at most 64 deep"));
    let fork = "graph(%x : Tensor):\n  %f : Future[Tensor] = prim::fork_0(%x)\n  return (%f)\n";
    let forks = fork.to_owned() + &format!("with prim::fork_0 = {fork}").repeat(5000);
    assert_eq!(parse(&forks).unwrap_err().message(), "expected graphs and blocks nested at most 1000 deep");
    // What is as deep as it may be is read, and can be printed and verified.
    let nested = |n: usize| {
        let mut text = "graph(%c : bool):\n".to_owned();
        text += &"prim::If(%c) block0(): ".repeat(n);
        text += &"-> () block1(): -> () ".repeat(n);
        text + "return (%c)\n"
    };
    check_law(&nested(999));
    assert!(parse(&nested(999)).is_ok());
    assert!(parse(&nested(1001)).is_err());
}

#[test]
fn a_graph_is_known_by_its_first_words() {
    assert!(is_graph("\n# a comment\n  graph(%x : Tensor):"));
    assert!(is_graph("graph ():"));
    assert!(!is_graph("graphs(") && !is_graph("PK\x03\x04graph(") && !is_graph(""));
}

/// Pieces of the grammar, and things that are almost such.
const WORDS: &[&str] = &[
    "graph(",
    "):\n",
    "  return (",
    "%x",
    "%y.1",
    "%2",
    " : ",
    "Tensor",
    "int",
    "bool",
    "Future[Tensor]",
    "Float(2, *)",
    "Dict(str, int)",
    "(int, Tensor)",
    "NamedTuple(a : int)",
    "__torch__.M",
    "Function",
    "?",
    "[]",
    ", ",
    " = ",
    "\n",
    "aten::neg(",
    "aten::add_(",
    "aten::append(",
    "aten::wait(",
    "prim::Constant",
    "[value=1]()",
    "[value=\"a\\",
    "\"",
    "[name=\"f\"](",
    "prim::GetAttr",
    "prim::SetAttr",
    "prim::CallMethod",
    "prim::CallFunction(",
    "prim::fork_0(",
    "prim::fork(",
    "prim::TupleIndex(",
    "prim::TupleUnpack(",
    "prim::TupleConstruct(",
    "prim::ListConstruct(",
    "prim::DictConstruct(",
    "prim::If(",
    "prim::Loop(",
    "    block0(",
    "    block1(",
    "-> (",
    ")",
    "(",
    "[",
    "]",
    "{1}",
    "with prim::fork_0 = graph(",
    "with prim::DifferentiableGraph_0 = graph(",
    "prim::DifferentiableGraph_0(",
    "^f(2)(",
    "# a.py:1:2\n",
    ", scope: a/b",
    "my::op[a=1](",
    "prim::Closure_0(",
    "prim::isinstance[types=[int, Tensor]](",
];

fn damaged() -> impl Strategy<Value = String> {
    let texts: Vec<String> =
        texts("graphs", "ir").into_iter().chain(texts("alias_cases", "ir")).map(|(_, text)| text).collect();
    let cut = (any::<prop::sample::Index>(), 0usize..12, prop::sample::select(WORDS));
    (prop::sample::select(texts), prop::collection::vec(cut, 1..4)).prop_map(|(mut text, cuts)| {
        for (at, length, word) in cuts {
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, word);
        }
        text
    })
}

/// A node of one text in the place of a node of another, so that kinds meet values of other types.
fn crossed() -> impl Strategy<Value = String> {
    let texts: Vec<String> =
        texts("graphs", "ir").into_iter().chain(texts("alias_cases", "ir")).map(|(_, text)| text).collect();
    let lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    let line = (any::<prop::sample::Index>(), prop::sample::select(lines));
    (prop::sample::select(texts), prop::collection::vec(line, 1..4)).prop_map(|(text, changes)| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for (at, line) in changes {
            let at = at.index(lines.len());
            lines[at] = line;
        }
        lines.join("\n")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_law_holds_for_word_salad(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        check_law(&words.concat());
    }

    #[test]
    fn the_law_holds_for_damaged_texts(text in damaged()) {
        check_law(&text);
    }

    #[test]
    fn the_law_holds_for_crossed_texts(text in crossed()) {
        check_law(&text);
    }
}
