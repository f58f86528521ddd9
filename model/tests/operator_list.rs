//! The page of the documentation that lists every operator is the table's own: it is made here, and compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use forkcheck_model::operators::{Correction, Operator, overloads, registry};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/operators/list.md");

#[test]
fn the_page_lists_every_operator() {
    let (page, made) = (std::fs::read_to_string(PAGE).unwrap_or_default(), page());
    if std::env::var_os("UPDATE_PAGES").is_some() {
        std::fs::write(PAGE, &made).expect("the page can be written");
        return;
    }
    let different = page.lines().zip(made.lines()).find(|(old, new)| old != new);
    assert!(page == made, "{different:?}: the table has changed; UPDATE_PAGES=1 with this test rewrites {PAGE}");
}

/// What we know of an operator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Known {
    Kernel,
    Language,
    Effects,
    Nothing,
}

/// Each with what it says over its operators.
const KINDS: [(Known, &str); 4] = [
    (Known::Kernel, "run"),
    (Known::Language, "parts of the language"),
    (Known::Effects, "effects only"),
    (Known::Nothing, "unknown effects"),
];

/// Operators that never are calls of a kernel: graphs have nodes of their own for them.
const LANGUAGE: &[&str] = &[
    "aten::wait",
    "prim::EnumName",
    "prim::EnumValue",
    "prim::ModuleContainerIndex",
    "prim::Print",
    "prim::RaiseException",
    "prim::TupleIndex",
    "prim::TupleUnpack",
    "prim::Uninitialized",
    "prim::awaitable_nowait",
    "prim::awaitable_wait",
    "prim::isinstance",
    "prim::tolist",
    "prim::unchecked_cast",
];

fn known(operator: &Operator) -> Known {
    if operator.kernel.is_some() {
        Known::Kernel
    } else if LANGUAGE.contains(&operator.name) {
        Known::Language
    } else if operator.corrections.iter().any(|correction| matches!(correction, Correction::Unknown)) {
        Known::Nothing
    } else {
        Known::Effects
    }
}

fn page() -> String {
    // By namespace and kind, the overloads of each name.
    let mut namespaces: BTreeMap<&str, BTreeMap<Known, BTreeMap<&str, Vec<&str>>>> = BTreeMap::new();
    for name in registry::names() {
        let (namespace, short) = name.split_once("::").expect("a name has a namespace");
        let kinds = namespaces.entry(namespace).or_default();
        for operator in overloads(name).expect("its own name") {
            kinds.entry(known(operator)).or_default().entry(short).or_default().push(operator.overload);
        }
    }
    let mut page = include_str!("operator_list/introduction.md").to_string();
    let mut row = |name: &str, counts: [usize; 4]| {
        let [run, language, effects, nothing] = counts;
        writeln!(page, "| {name} | {} | {run} | {language} | {effects} | {nothing} |", counts.iter().sum::<usize>())
            .expect("text");
    };
    let counts = |kinds: &BTreeMap<Known, BTreeMap<&str, Vec<&str>>>| {
        KINDS.map(|(kind, _)| kinds.get(&kind).map_or(0, |names| names.values().map(Vec::len).sum()))
    };
    let all = namespaces.values().map(counts).fold([0; 4], |sum, n| std::array::from_fn(|i| sum[i] + n[i]));
    row("all", all);
    namespaces.iter().for_each(|(namespace, kinds)| row(&format!("`{namespace}`"), counts(kinds)));
    for (namespace, kinds) in &namespaces {
        for (kind, heading) in KINDS {
            if let Some(names) = kinds.get(&kind) {
                write!(page, "\n# `{namespace}`: {heading}\n\n{}", wrapped(names)).expect("text");
            }
        }
    }
    page
}

/// The names in lines of at most 120 characters. Each letter begins a line, so that a new name moves few others.
fn wrapped(names: &BTreeMap<&str, Vec<&str>>) -> String {
    let mut text = String::new();
    let mut width = 0;
    let mut letter = None;
    for (name, overloads) in names {
        let begins = letter.replace(name.chars().next()).is_some_and(|before| before != name.chars().next());
        let word = format!("`{name}{}`", braces(overloads));
        let next = if width == 0 {
            ""
        } else if begins || width + 2 + word.len() > 119 {
            ",\n"
        } else {
            ", "
        };
        width = if next == ", " { width + 2 + word.len() } else { word.len() };
        text.push_str(next);
        text.push_str(&word);
    }
    text.push_str(".\n");
    text
}

/// The overloads of a name as a shell writes them: `.Tensor`, or `{.Tensor,.Scalar}`, nothing for the one without.
fn braces(overloads: &[&str]) -> String {
    let each: Vec<String> =
        overloads.iter().map(|name| if name.is_empty() { String::new() } else { format!(".{name}") }).collect();
    if let [one] = &each[..] { one.clone() } else { format!("{{{}}}", each.join(",")) }
}
