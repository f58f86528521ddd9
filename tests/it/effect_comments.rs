//! What `forkcheck graph --effects` says of each node and fork, and that it does not disturb the graph.

use std::collections::BTreeSet;
use std::path::Path;

use forkcheck::effect_comments::EffectComments;
use forkcheck::{Config, static_audit};
use forkcheck_model::graph::parse::{GraphText, parse};
use forkcheck_model::graph::{dot, print};
use forkcheck_tests::cases;

/// A graph with its effects.
fn shown(text: &str) -> String {
    let parsed = parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut comments = EffectComments::of_graph(&parsed).expect("it is small");
    print::text_with(&parsed.functions, GraphText::MAIN, &mut comments)
}

/// The lines of a text that are comments, or the others.
fn lines(text: &str, comments: bool) -> String {
    let wanted = |line: &&str| line.trim_start().starts_with('#') == comments;
    text.lines().filter(wanted).map(|line| format!("{}\n", if comments { line.trim_start() } else { line })).collect()
}

#[test]
fn nodes_say_what_they_read_and_write_and_forks_whether_they_are_pure() {
    let text = "\
graph(%x.1 : Tensor, %xs.1 : Tensor[]):
  %one : int = prim::Constant[value=1]()
  %none : NoneType = prim::Constant()
  %y.1 : Tensor = aten::clone(%x.1, %none)
  %z.1 : Tensor = aten::neg(%y.1)
  %f.1 : Future(Tensor) = prim::fork_0(%y.1, %xs.1)
  %g.1 : Future(Tensor) = prim::fork_1(%x.1)
  %size : int[] = aten::size(%x.1)
  %w : Tensor = aten::wait(%f.1)
  %v : Tensor = aten::wait(%g.1)
  %later : Tensor = aten::zero_(%y.1)
  return (%later)
with prim::fork_0 = graph(%y.1 : Tensor, %xs.1 : Tensor[]):
  %one : int = prim::Constant[value=1]()
  %list : Tensor[] = aten::append(%xs.1, %y.1)
  %t : Tensor = aten::exp(%y.1)
  %u : Tensor = aten::add_(%t, %t, %one)
  return (%u)
with prim::fork_1 = graph(%x.1 : Tensor):
  %r : Tensor = aten::neg(%x.1)
  return (%r)
";
    // `%y` is read by a fork, so reads of it are said; `%t` is written, so it is too; nobody else touches `%z` or `%r`.
    let expected = "\
# reads input x
# reads local y
# forks main/fork#0
# forks main/neg#0
# reads shape of input x
# writes local y
# reads input xs; writes input xs
# reads local y
# reads local t; writes local t
# main/fork#0: impure; must write input xs; may run beside main, main/neg#0
# reads input x
# main/neg#0: pure; may run beside main, main/fork#0
";
    assert_eq!(lines(&shown(text), true), expected);
}

#[test]
fn a_call_sums_up_what_it_does_and_the_forks_in_it() {
    let of = |name: &str| {
        let program = cases().into_iter().find(|case| case.name == name).expect("a case").program().expect("it loads");
        let entry = program.module.method("forward").expect("a method");
        let mut comments = EffectComments::of_module(&program.module, entry).expect("it is small");
        lines(&print::text_with(&program.module.functions, entry, &mut comments), true)
    };
    let expected = "\
# forks main/forward#0
# reads input x
# forks main/forward#1
# reads self.inner.n, self.inner.lin.weight, self.inner.lin.bias, input x; writes self.inner.n
# main/forward#0: impure; must write self.inner.n; may run beside main, main/forward#1
# reads self.inner.n, self.inner.lin.weight, self.inner.lin.bias; writes self.inner.n
# main/forward#1: impure; must write self.inner.n; may run beside main/forward#0
";
    assert_eq!(of("b01_counter_buffer"), expected);
    let nested = of("b30_nested_counter");
    assert!(nested.contains("# main/forward#0: impure by what main/forward#0/note#0 writes"), "{nested}");
}

#[test]
fn what_nobody_knows_is_said_to_be_unknown() {
    let text = "\
graph(%x : Tensor):
  %f : Future(Tensor) = prim::fork(%x)
  %y : Tensor = own::update(%x)
  %w : Tensor = aten::wait(%f)
  return (%w)
";
    let expected = "\
# forks main/fork#0; nobody knows what else it reads and writes
# nobody knows what it reads and writes
# main/fork#0: unknown; nobody knows what prim::fork reads and writes
";
    assert_eq!(lines(&shown(text), true), expected);
}

#[test]
fn comments_are_lines_of_their_own_and_the_rest_is_the_graph() {
    let mut texts = 0;
    let mut said = 0;
    for case in cases() {
        let program = case.program().expect("it loads");
        let entry = program.module.method("forward").expect("a method");
        let mut comments = EffectComments::of_module(&program.module, entry).expect("it is small");
        let with = print::text_with(&program.module.functions, entry, &mut comments);
        let without = print::text(&program.module.functions, entry);
        assert_eq!(lines(&with, false), without, "{}", case.name);
        let [with_read, without_read] = [&with, &without].map(|text| parse(text).expect("our own text"));
        let printed = |read: &GraphText| print::text(&read.functions, GraphText::MAIN);
        assert_eq!(printed(&with_read), printed(&without_read), "{}", case.name);
        // Each fork is said to be what the audit says that it is.
        let report = static_audit(&case.name, "forward", &program.module, &Config::default()).expect("a report");
        for fork in &report.forks {
            let line = format!("# main/{}: {}", fork.id, if fork.pure { "pure" } else { "impure" });
            assert!(with.lines().any(|found| found.starts_with(&line)), "{}: {line} in\n{with}", case.name);
            said += 1;
        }
    }
    for folder in ["alias_cases", "graphs"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests").join(folder);
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "ir") {
                let parsed = parse(&std::fs::read_to_string(&path).expect("a text")).expect("a graph");
                let mut comments = EffectComments::of_graph(&parsed).expect("it is small");
                let with = print::text_with(&parsed.functions, GraphText::MAIN, &mut comments);
                let without = print::text(&parsed.functions, GraphText::MAIN);
                assert_eq!(lines(&with, false), without, "{}", path.display());
                let again = parse(&with).expect("our own text");
                assert_eq!(print::text(&again.functions, GraphText::MAIN), without, "{}", path.display());
                texts += 1;
            }
        }
    }
    assert!(texts > 43 && said > 54, "{texts} texts, {said} forks");
}

#[test]
fn a_name_with_a_line_end_stays_in_its_line() {
    let text = "\
graph(%self : __torch__.M, %x : Tensor):
  %n : Tensor = prim::GetAttr[name=\"a\\nb\"](%self)
   = prim::SetAttr[name=\"a\\nb\"](%self, %x)
  return (%n)
";
    let with = shown(text);
    assert!(with.contains("# writes input self.a\\nb\n"), "{with}");
    assert!(parse(&with).is_ok(), "{with}");
}

#[test]
fn a_drawing_joins_what_is_in_it() {
    for case in cases() {
        let program = case.program().expect("it loads");
        let entry = program.module.method("forward").expect("a method");
        let mut comments = EffectComments::of_module(&program.module, entry).expect("it is small");
        let drawing = dot::text_with(&program.module.functions, entry, &mut comments);
        let text = print::text(&program.module.functions, entry);
        let mut known = BTreeSet::new();
        let mut dashed = 0;
        let mut open = 0;
        let mut edges = Vec::new();
        for line in drawing.lines().map(str::trim) {
            if let Some((from, to)) = line.split_once(" -> ").filter(|_| !line.contains("label=")) {
                edges.push((from.to_string(), to.trim_end_matches(';').split(' ').next().expect("a name").to_string()));
                dashed += usize::from(line.contains("style=dashed"));
            } else if let Some((name, _)) = line.split_once(" [label=") {
                assert!(known.insert(name.to_string()), "{}: {name} is there twice", case.name);
            }
            open += usize::from(line.ends_with('{'));
            open -= usize::from(line == "}");
        }
        assert_eq!(open, 0, "{}", case.name);
        assert_eq!(dashed, text.matches("\nwith prim::").count(), "{}", case.name);
        for (from, to) in edges {
            assert!(known.contains(&from) && known.contains(&to), "{}: {from} -> {to}", case.name);
        }
    }
}
