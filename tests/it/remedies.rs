//! What is suggested against a finding was tried on the graph; what the patches say, done in the code, makes the program pure.

use std::fmt::Write as _;

use forkcheck::audit::audit;
use forkcheck::report::{FindingReport, Report, Verdict, sarif};
use forkcheck::{Config, meet, static_audit};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::{case, cases};

fn said(name: &str) -> Report {
    let program = case(name).program().expect("it loads");
    static_audit(name, "forward", &program.module, &Config::default()).expect("it has a forward")
}

/// The verified remedies of a finding; what has no patch is marked.
fn verified(finding: &FindingReport) -> Vec<String> {
    let verified = finding.remedies.iter().filter(|remedy| remedy.verified);
    let mark = |patch: &Option<String>| if patch.is_some() { "" } else { " (no patch)" };
    verified.map(|remedy| remedy.text.clone() + mark(&remedy.patch)).collect()
}

#[test]
fn each_case_has_its_verified_remedies() {
    let mut table = String::new();
    for case in cases() {
        let report = said(&case.name);
        let mut rows: Vec<String> = Vec::new();
        for finding in report.findings.iter().filter(|finding| finding.severity == "error") {
            let row = match &verified(finding)[..] {
                [] => format!("{} {}: -", finding.line.unwrap_or(0), finding.operator),
                texts => format!("{} {}: {}", finding.line.unwrap_or(0), finding.operator, texts.join("; ")),
            };
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows.iter().for_each(|row| writeln!(table, "{} {row}", &case.name[..3]).expect("a string takes everything"));
    }
    assert_eq!(table, include_str!("../data/remedies.txt"));
}

#[test]
fn a_patch_is_a_diff_of_the_lines_that_change() {
    let check = |name: &str, remedy: usize, expected: &str| {
        let patch = said(name).findings[0].remedies[remedy].patch.clone();
        assert_eq!(patch.as_deref(), Some(expected), "{name}");
    };
    check(
        "b14_parent_writes",
        0,
        "--- source.py\n+++ source.py\n@@ -14 +14,2 @@\n+        torch.jit.wait(f)\n         y.add_(1.0)  # E: parent-mutation \
         aten::add_ \"local y\" <- F1\n",
    );
    check(
        "b14_parent_writes",
        1,
        "--- source.py\n+++ source.py\n@@ -13 +13 @@\n-        f = torch.jit.fork(total, y)  # F1\n+        \
         f = torch.jit.fork(total, y.clone())  # F1\n",
    );
    check(
        "b22_list_element",
        0,
        "--- source.py\n+++ source.py\n@@ -8 +8,2 @@\n+    xs = [t.clone() for t in xs]\n     xs[1].relu_()  # E: \
         input-mutation aten::relu_ \"input xs[1]\" <- F1\n",
    );
}

#[test]
fn what_a_run_shows_has_the_remedies_too_and_the_verdict_stays() {
    let program = case("b14_parent_writes").program().expect("it loads");
    let mut report = audit(&program, &Config::default());
    let before = report.verdict;
    meet(&mut report, &program);
    assert_eq!((report.verdict, verified(&report.findings[0]).len()), (before, 2));
}

#[test]
fn sarif_has_a_fix_for_each_patch() {
    let log: serde_json::Value = serde_json::from_str(&sarif::render(&said("b14_parent_writes"))).expect("it is JSON");
    let fixes = log["runs"][0]["results"][0]["fixes"].as_array().expect("there are some");
    let found: Vec<_> = fixes
        .iter()
        .map(|fix| {
            let change = &fix["artifactChanges"][0];
            let replacement = &change["replacements"][0];
            let region = &replacement["deletedRegion"];
            let ends = ["startLine", "startColumn", "endLine", "endColumn"].map(|key| region[key].as_u64().unwrap());
            let inserted = replacement["insertedContent"]["text"].as_str().unwrap();
            (change["artifactLocation"]["uri"].as_str().unwrap(), ends, inserted)
        })
        .collect();
    // A whole line is added before line 14; the last argument of `        f = torch.jit.fork(total, y)` has column 35.
    let truth =
        [("source.py", [14, 1, 14, 1], "        torch.jit.wait(f)\n"), ("source.py", [13, 35, 13, 36], "y.clone()")];
    assert_eq!(found, truth);
}

/// A module with a buffer whose `forward` takes a tensor and forks `f`, a method; `rest` comes after the fork.
fn program(work: &str, argument: &str, rest: &str) -> forkcheck::Program {
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = [\"n\", ]\n  n : Tensor\n  def forward(self: __torch__.M,\n    \
         x: Tensor) -> Tensor:\n    y = torch.add(x, 1)\n{argument}    def __forked_function():\n      return \
         __torch__.work(self, y, )\n    f = fork(__forked_function)\n{rest}def work(self: __torch__.M,\n    y: Tensor) -> \
         Tensor:\n{work}"
    );
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut tensor = |items: &[i64]| Value::Tensor(Tensor::from_vec(&mut allocator, &[2], items).unwrap());
    let (n, x) = (tensor(&[1, 2]), tensor(&[10, 20]));
    program_of(&code, &[("n", n)], vec![x])
}

/// The kinds of all that an audit of one input and of all inputs finds, and the verdict.
fn audited(program: &forkcheck::Program) -> (Option<Verdict>, Vec<&'static str>, Vec<Vec<String>>) {
    let mut report = audit(program, &Config::default());
    meet(&mut report, program);
    assert!(report.possible.is_empty(), "one input shows everything");
    let findings = &report.findings;
    (report.verdict, findings.iter().map(|f| f.kind).collect(), findings.iter().map(verified).collect())
}

#[test]
fn what_is_said_to_help_makes_the_program_pure() {
    let texts = |list: &[&str]| vec![list.iter().map(|text| format!("{text} (no patch)")).collect::<Vec<_>>()];
    let read = "  return torch.neg(y)\n";
    let write = "  return torch.add_(y, 1)\n";
    let result = "    return torch.add(torch.wait(f), y)\n";
    let late = format!("    _0 = torch.mul_(y, 2)\n{result}");

    // A task that writes what it was given: it begins with a clone.
    let helps = texts(&["begin `work` with `y = y.clone()`, and return what the caller needs of it"]);
    let (_, kinds, remedies) = audited(&program(write, "", result));
    assert_eq!((kinds, remedies), (vec!["input-mutation"], helps));
    let fixed = program("  y0 = torch.clone(y)\n  return torch.add_(y0, 1)\n", "", result);
    assert_eq!(audited(&fixed), (Some(Verdict::Pure), vec![], vec![]));

    // A parent that writes what its task reads: it waits first, or gives a clone.
    let (verdict, kinds, remedies) = audited(&program(read, "", &late));
    assert_eq!((verdict, kinds), (Some(Verdict::Nondeterministic), vec!["parent-mutation"]));
    let helps = ["wait for the fork before the write", "give the fork `y.clone()`, so that it does not see the write"];
    assert_eq!(remedies, texts(&helps));
    let waited = format!("    _1 = torch.wait(f)\n{late}");
    let cloned = late.replace("(y, 2)", "(z, 2)").replace("(f), y)", "(f), z)");
    for fixed in [
        program(read, "", &waited),
        // The task has the clone, under the name that it reads.
        program(read, "    z = y\n    y = torch.clone(z)\n", &cloned),
    ] {
        assert_eq!(audited(&fixed), (Some(Verdict::Pure), vec![], vec![]));
    }
}

#[test]
fn what_does_not_help_is_not_called_verified() {
    // It writes an attribute through `self`, whatever it is given.
    let work = "  n = self.n\n  _0 = torch.add_(n, y)\n  return torch.neg(y)\n";
    let result = "    return torch.add(torch.wait(f), y)\n";
    let mut report = audit(&program(work, "", result), &Config::default());
    meet(&mut report, &program(work, "", result));
    let remedies: Vec<_> = report.findings.iter().flat_map(|f| &f.remedies).map(|r| (&*r.text, r.verified)).collect();
    assert_eq!(remedies, [("return the new value, and let the caller store it after the wait", false)]);
    // It writes what it was given, and an attribute: the clone helps against the one, and not against the other.
    let work = "  n = self.n\n  _0 = torch.add_(torch.select(n, 0, 0), 1)\n  return torch.add_(y, 1)\n";
    let (_, kinds, remedies) = audited(&program(work, "", result));
    assert_eq!(kinds, ["input-mutation", "attribute-mutation"]);
    assert_eq!((remedies[0].len(), remedies[1].len()), (1, 0));
}

#[test]
fn a_draw_goes_before_the_fork_only_where_it_needs_nothing_of_the_task() {
    let result = "    return torch.add(torch.wait(f), y)\n";
    let rand = |size: &str| format!("torch.rand({size}, dtype=6, layout=None, device=None, pin_memory=False)");
    let draw = |size: &str| format!("  r = {}\n  return torch.add(r, y)\n", rand(size));
    let texts = |work: &str| audited(&program(work, "", result)).2;
    assert_eq!(texts(&draw("[2]")), [["draw before the fork and pass the numbers in (no patch)"]]);
    // Its size is that of the argument.
    assert_eq!(texts(&draw("[torch.size(y, 0)]")), [[""; 0]]);
    // It is drawn as often as a loop goes round.
    let often = format!("  for i in range(3):\n    y = torch.add({}, y)\n  return y\n", rand("[2]"));
    assert_eq!(texts(&often), [[""; 0]]);
}
