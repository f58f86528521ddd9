//! Any text is a tree or an error, and a tree's text is the tree.

use proptest::prelude::*;

use super::super::{check_law, parse};

/// What the body of a function with this line comes out as.
fn round(line: &str) -> String {
    let text = format!("def f(x: Tensor) -> Tensor:\n  {line}\n");
    match parse(&text) {
        Ok(tree) => {
            check_law(&text);
            let printed = tree.to_string();
            printed.split_once(":\n  ").expect("a body").1.trim_end().to_owned()
        }
        Err(error) => error.to_string(),
    }
}

fn check(line: &str, expected: &str) {
    assert_eq!(round(line), expected, "{line}");
}

#[test]
fn literals_are_read_as_pytorch_prints_them() {
    check("return -9223372036854775808", "return -9223372036854775808");
    check("return 9223372036854775808", "line 2: expected an integer of 64 bits");
    check("return 1.0000000000000001e-05", "return 1e-5");
    check("return (inf, -inf, nan, -nan)", "return (inf, -inf, nan, nan, )");
    check("return 1.+2.j", "return 1.0+2.0j");
    check("return -1.-0.5j", "return -1.0-0.5j");
    check("return 0.-infj", "return 0.0-infj");
    check("return 1.+(1.+2.j)", "line 2: expected a complex number");
    check(r#"return "a\"\033[1m\n\tb\\""#, r#"return "a\"\u001b[1m\n\u0009b\\""#);
    check("return {\"a\": [1, 2], }", "return {\"a\": [1, 2, ], }");
}

#[test]
fn parentheses_leave_no_trace() {
    check("return ((((x)).forward(x, )))", "return x.forward(x, )");
    check("a, = (x)", "a, = x");
    check("a, b = (x), x", "a, b, = (x, x, )");
    check("return (t)[0:2]", "return t[0:2]");
    check("return (x, (x), )[1]", "return ((x, x, ))[1]");
}

#[test]
fn what_pytorch_does_not_print_is_refused() {
    let statement = "line 2: this statement is not part of TorchScript's code";
    let expression = "line 2: this expression is not part of TorchScript's code";
    check("x += 1", statement);
    check("del x", statement);
    check("raise x", statement);
    check("import os", statement);
    check("return lambda: x", expression);
    check("return [y for y in x]", expression);
    check("return f\"{x}\"", expression);
    check("return x * 2", expression);
    check("return x and x", expression);
    check("return x if x else x", expression);
    check("return (y := x)", expression);
    check("return await_(*x)", expression);
    check("return f(**x)", "line 2: expected a named argument");
    check("return not x", expression);
    check("x[0] = 1", "line 2: expected a name or an attribute to assign to");
    check("for i in x: pass", "line 2: expected `range(…)`");
    check("for i in range(1, 2): pass", "line 2: expected `range(…)` with one argument");
    check("def g(y): pass", "line 2: expected a closure without parameters");
    check("return (", "line 3: unexpected EOF while parsing");
}

#[test]
fn depth_is_an_error_and_never_the_end() {
    let deep = |open: &str, close: &str, n: usize| round(&format!("return {}x{}", open.repeat(n), close.repeat(n)));
    let refused = "line 2: nested more than 1000 deep";
    assert_eq!(deep("(", ")", 100_000), "return x");
    assert_eq!(deep("[", "]", 100_000), refused);
    assert_eq!(deep("f(", ")", 100_000), refused);
    assert_eq!(deep("-", "", 100_000), refused);
    assert_eq!(deep("", ".y", 100_000), refused);
    assert_eq!(deep("", "()", 100_000), refused);
    assert_eq!(deep("", "[0]", 100_000), refused);
    assert_eq!(deep("1+", "", 100_000), refused);
    assert_eq!(deep("f(", ")", 900), format!("return {}x{}", "f(".repeat(900), ", )".repeat(900)));
    for (depth, fits) in [(900, true), (2000, false)] {
        let mut text = String::from("def f(x: bool) -> NoneType:\n");
        for i in 1..=depth {
            text.push_str(&format!("{}if x:\n", " ".repeat(i)));
        }
        text.push_str(&format!("{}pass\n", " ".repeat(depth + 1)));
        assert_eq!(super::compile(&text).is_ok(), fits, "{depth} blocks");
    }
}

#[test]
fn too_long_a_text_is_refused() {
    let text = " ".repeat(5 << 20);
    assert_eq!(parse(&text).unwrap_err().to_string(), "code of 5242880 bytes; at most 4194304 are read");
}

#[test]
fn the_law_holds_for_real_code() {
    for text in [
        include_str!("../fixtures/language.py"),
        include_str!("../fixtures/forks.py"),
        include_str!("../fixtures/lstm.py"),
    ] {
        // The lines that part the files are comments to Python.
        text.split("#### ").skip(1).for_each(|file| check_law(&format!("#{file}")));
    }
}

/// Pieces of code, so that chance makes something that is nearly right.
const WORDS: &[&str] = &[
    "x",
    "self",
    "T",
    "torch.add",
    "torch.wait",
    "fork",
    "annotate",
    "List",
    "Tensor",
    "int",
    "Future",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ", ",
    " : ",
    ":\n",
    ":\n  ",
    ":\n    ",
    "\n",
    "\n  ",
    "\n    ",
    " = ",
    ".",
    "-",
    "+",
    "1",
    "2.",
    "3j",
    "inf",
    "None",
    "True",
    "\"a\"",
    "if ",
    "else",
    "for i in range(",
    "while ",
    "with ",
    " as ",
    "def f(x: Tensor) -> Tensor",
    "def g()",
    "class M(Module)",
    "class E(Enum)",
    "return ",
    "pass",
    "__torch__.f",
    "CONSTANTS.c0",
    "ops.prim.dtype",
    " -> ",
    "__new__",
    "isinstance",
    "getattr",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_law_holds_for_word_salad(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        check_law(&words.concat());
    }

    #[test]
    fn the_law_holds_for_damaged_code(cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, prop::sample::select(WORDS)), 1..4)) {
        let mut text = format!("#{}", include_str!("../fixtures/interfaces.py"));
        for (at, length, word) in cuts {
            let start = text.floor_char_boundary(at.index(text.len()));
            let end = text.floor_char_boundary((start + length).min(text.len()));
            text.replace_range(start..end, word);
        }
        check_law(&text);
    }
}
