//! What is said without running anything: every effect that a run can show, and nothing of what is pure.

use forkcheck::audit::audit;
use forkcheck::report::{Assurance, Report, Verdict};
use forkcheck::{Config, meet, static_audit};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::{archive_of, program_of};
use forkcheck_tests::oracle::eager::was_foreseen;
use forkcheck_tests::{Effects, cases};

/// The effects that a report names.
fn effects(report: &Report) -> Effects {
    let line = |line: Option<u32>| line.map_or(0, u64::from);
    let rows = report.findings.iter().filter(|finding| finding.severity == "error").map(|finding| {
        (
            finding.kind.to_string(),
            finding.operator.clone(),
            finding.target.clone(),
            line(finding.line),
            line(finding.fork_line),
        )
    });
    rows.collect()
}

#[test]
fn every_case_has_just_its_effects_for_all_inputs() {
    let mut complaints = Vec::new();
    for case in cases() {
        let program = case.program().expect("it loads");
        let report =
            static_audit(&case.name, "forward", &program.module, &Config::default()).expect("it has a forward");
        let verdict = if case.verdict() == "pure" { "pure" } else { "impure" };
        let found = report.verdict.expect("an audit has one").name();
        let assurance = (verdict == "pure").then_some(Assurance::Proved);
        if (found, report.assurance, effects(&report)) != (verdict, assurance, case.effects()) {
            complaints.push(format!("{}: {found} {:?}, truth {:?}", case.name, effects(&report), case.effects()));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_a_run_shows_was_foreseen() {
    let mut complaints = Vec::new();
    for case in cases() {
        let program = case.program().expect("it loads");
        let mut report = audit(&program, &Config::default());
        meet(&mut report, &program);
        let effect = |kind: &str| kind.ends_with("mutation") || kind == "global-state" || kind == "output";
        for finding in report.findings.iter().filter(|finding| effect(finding.kind)) {
            if finding.evidence != ["dynamic", "static"] {
                complaints.push(format!("{}: {} on line {:?}", case.name, finding.kind, finding.line));
            }
        }
        // The cases are such that one input shows everything.
        complaints.extend(report.possible.iter().map(|finding| format!("{}: possible {}", case.name, finding.target)));
        let proved = report.assurance == Some(Assurance::Proved);
        if proved != (case.verdict() == "pure") {
            complaints.push(format!("{}: {:?}", case.name, report.assurance));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// What is said of a module whose `forward` does as `main` says; `functions` can be forked by `fork_NAME`.
pub(super) fn said(main: &str, functions: &str) -> Report {
    said_of(&code(main, functions), &[])
}

/// The code of such a module.
pub(super) fn code(main: &str, functions: &str) -> String {
    format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor,\n    \
         flag: bool,\n    n: int) -> Tensor:\n{}{functions}",
        indented(main, 2)
    )
}

/// Lines further to the right.
pub(super) fn indented(text: &str, depth: usize) -> String {
    text.lines().map(|line| format!("{}{line}\n", "  ".repeat(depth))).collect()
}

/// The kinds of errors of a module of this code when it runs, on two numbers and these.
pub(super) fn ran(code: &str, more: &[Value]) -> Vec<&'static str> {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Tensor::from_vec(&mut allocator, &[2], &[1i64, 2]).expect("it is small");
    let inputs = [&[Value::Tensor(x)][..], more].concat();
    let foreseen = was_foreseen(&program_of(code, &[], inputs.clone()));
    assert_eq!(foreseen, Ok(()), "{code}");
    let report = audit(&program_of(code, &[], inputs), &Config::default());
    report.findings.iter().filter(|finding| finding.severity == "error").map(|finding| finding.kind).collect()
}

/// What is said of a module of this code.
fn said_of(code: &str, attributes: &[(&str, Value)]) -> Report {
    let bytes = archive_of(code, attributes);
    let module = forkcheck::program::load(&bytes, u64::MAX).unwrap_or_else(|error| panic!("{error}\n{code}"));
    static_audit("by hand", "forward", &module, &Config::default()).expect("it has a forward")
}

/// The closure that calls `f` on these, and its fork.
pub(super) fn fork(future: &str, f: &str, args: &str) -> String {
    format!("def __forked_function():\n  return __torch__.{f}({args}, )\n{future} = fork(__forked_function)\n")
}

pub(super) const READ: &str = "def read(x: Tensor) -> Tensor:\n  return torch.add(x, 1)\n";
pub(super) const WRITE: &str = "def write(x: Tensor) -> Tensor:\n  return torch.add_(x, 1)\n";

/// The kinds of what is said, in order.
pub(super) fn kinds(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_parent_may_write_before_the_fork_and_after_the_wait() {
    let (fork, write) = (fork("f", "read", "y"), "_0 = torch.add_(y, 1)\n");
    let begin = "y = torch.add(x, 1)\n";
    for (main, found) in [
        (format!("{begin}{write}{fork}z = torch.wait(f)\nreturn z"), vec![]),
        (format!("{begin}{fork}z = torch.wait(f)\n{write}return z"), vec![]),
        (format!("{begin}{fork}{write}z = torch.wait(f)\nreturn z"), vec!["parent-mutation"]),
        (format!("{begin}{fork}{write}return y"), vec!["parent-mutation"]),
        // If the wait is skipped, the fork may still run.
        (
            format!("{begin}{fork}if flag:\n  z = torch.wait(f)\nelse:\n  z = y\n{write}return z"),
            vec!["parent-mutation"],
        ),
        // Either way it was waited for.
        (
            format!(
                "{begin}{fork}if flag:\n  z = torch.wait(f)\nelse:\n  z = torch.neg(torch.wait(f))\n{write}return z"
            ),
            vec![],
        ),
    ] {
        assert_eq!(kinds(&said(&main, READ)), found, "{main}");
    }
}

#[test]
fn a_fork_in_a_loop_runs_beside_the_next_trip_unless_it_is_waited_for() {
    let fork = fork("f", "read", "y").replace('\n', "\n  ");
    let fork = fork.trim_end();
    let begin = "y = torch.add(x, 1)\n";
    for (main, found) in [
        (format!("for i in range(n):\n  {fork}\n  z = torch.wait(f)\n  _0 = torch.add_(y, 1)\nreturn y"), vec![]),
        // The write of a trip meets the fork of the one before.
        (format!("for i in range(n):\n  _0 = torch.add_(y, 1)\n  {fork}\nreturn y"), vec!["parent-mutation"]),
    ] {
        let main = format!("{begin}{main}");
        assert_eq!(kinds(&said(&main, READ)), found, "{main}");
    }
}

#[test]
fn a_loop_over_all_futures_waits_for_all() {
    let fork = fork("f", "read", "y").replace('\n', "\n  ");
    let begin = format!(
        "y = torch.add(x, 1)\nfs = annotate(List[Future[Tensor]], [])\nfor i in range(n):\n  {}\n  _0 = torch.append(fs, f)\n",
        fork.trim_end()
    );
    let wait_for =
        |futures: &str| format!("for i0 in range(torch.len({futures})):\n  g = fs[i0]\n  z = torch.wait(g)\n");
    for (rest, found) in [
        (format!("{}_1 = torch.add_(y, 1)\nreturn y", wait_for("fs")), vec![]),
        // Only some of them, as far as anybody knows.
        (
            "for i0 in range(n):\n  g = fs[i0]\n  z = torch.wait(g)\n_1 = torch.add_(y, 1)\nreturn y".into(),
            vec!["parent-mutation"],
        ),
        // One was taken out before.
        (format!("h = torch.pop(fs, 0)\n{}_1 = torch.add_(y, 1)\nreturn y", wait_for("fs")), vec!["parent-mutation"]),
        ("z = torch.wait(fs[0])\n_1 = torch.add_(y, 1)\nreturn y".into(), vec!["parent-mutation"]),
    ] {
        let main = format!("{begin}{rest}");
        assert_eq!(kinds(&said(&main, READ)), found, "{main}");
    }
}

#[test]
fn a_loop_over_a_list_waits_for_what_was_counted_in_it() {
    let begin = "y = torch.add(x, 1)\nfs = annotate(List[Future[Tensor]], [])\n";
    let append = |future: &str, number: &str| {
        fork(future, "read", "y").replace("function", number) + &format!("_{number} = torch.append(fs, {future})\n")
    };
    let wait = |length: &str, then: &str| {
        format!("for i in range({length}):\n  g = fs[i]\n  z = torch.wait(g)\n{}", then.replace('\n', "\n  "))
    };
    let meddle = |name: &str| fork("t", name, "fs, x").replace("function", "0");
    let (first, again) = (append("f", "1"), append("h", "2"));
    for (main, found) in [
        (first.clone() + &wait("torch.len(fs)", ""), &[][..]),
        // It was counted before this one was there.
        (format!("k = torch.len(fs)\n{first}{}", wait("k", "")), &["parent-mutation"]),
        (format!("{first}k = torch.len(fs)\n{}", wait("k", "")), &[]),
        // More come while the loop waits.
        (first.clone() + &wait("torch.len(fs)", &format!("  {}", again.trim_end())), &["parent-mutation"]),
        // Another task has taken one out, which is not its own to do.
        (
            format!("{first}{}h = torch.wait(t)\n{}", meddle("take"), wait("torch.len(fs)", "")),
            &["input-mutation", "parent-mutation"],
        ),
        // It has put one in while this one was, and of two that put at the same time one may be lost.
        (
            format!("{}{first}{}", meddle("put"), wait("torch.len(fs)", "h = torch.wait(t)\n")),
            &["input-mutation", "parent-mutation"],
        ),
    ] {
        let main = format!("{begin}{main}\n_3 = torch.add_(y, 1)\nreturn y");
        let functions = "def take(fs: List[Future[Tensor]], x: Tensor) -> int:\n  f = torch.pop(fs)\n  return 1\n\
                         def put(fs: List[Future[Tensor]], x: Tensor) -> int:\n";
        let functions = format!(
            "{READ}{functions}{}  _0 = torch.append(fs, f)\n  return 1\n",
            indented(&fork("f", "read", "x"), 1)
        );
        let mut kinds = kinds(&said(&main, &functions));
        kinds.dedup();
        assert_eq!(kinds, found, "{main}");
    }
}

#[test]
fn what_another_task_waits_for_has_ended_only_if_it_surely_waits() {
    let wait_in_another = |before: &str, given: &str| {
        let (first, other) = (fork("f", "read", "y"), fork("g", "other", given).replace("function", "function0"));
        format!("y = torch.add(x, 1)\n{first}{before}{other}z = torch.wait(g)\n_1 = torch.add_(y, 1)\nreturn y")
    };
    let other = |takes: &str, body: &str| format!("{READ}def other({takes}, flag: bool) -> int:\n{body}  return 1\n");
    let list = "fs = annotate(List[Future[Tensor]], [])\n_0 = torch.append(fs, f)\n";
    for (before, given, takes, body, found) in [
        ("", "f, flag", "f: Future[Tensor]", "  z = torch.wait(f)\n", &[][..]),
        ("", "f, flag", "f: Future[Tensor]", "  if flag:\n    z = torch.wait(f)\n", &["parent-mutation"]),
        // A loop may have no trip.
        (
            list,
            "fs, flag",
            "fs: List[Future[Tensor]]",
            "  for i in range(torch.len(fs)):\n    z = torch.wait(fs[i])\n",
            &["parent-mutation"],
        ),
        (list, "fs, flag", "fs: List[Future[Tensor]]", "  for i in range(1):\n    z = torch.wait(fs[i])\n", &[]),
    ] {
        let main = wait_in_another(before, given);
        assert_eq!(kinds(&said(&main, &other(takes, body))), found, "{main}\n{body}");
    }
}

#[test]
fn a_future_from_outside_may_be_of_another_task_of_the_same_fork() {
    // Each task forks one, is given the future that the task before it has returned, and writes what its own fork reads.
    let main = format!(
        "g = annotate(Optional[Future[Tensor]], None)\nfor i in range(2):\n{}  g = torch.wait(h)\nreturn x",
        indented(&fork("h", "step", "g, x"), 1)
    );
    let step = |wait: &str| {
        format!(
            "{READ}def step(g: Optional[Future[Tensor]],\n    x: Tensor) -> Future[Tensor]:\n  y = torch.add(x, 1)\n{}  if \
             torch.__isnot__(g, None):\n    g0 = unchecked_cast(Future[Tensor], g)\n{wait}    _1 = torch.add_(y, 1)\n  else:\n    \
             pass\n  return k\n",
            indented(&fork("k", "read", "y").replace("function", "function0"), 1)
        )
    };
    let over = |future: &str| format!("    for j in range(torch.len({future})):\n      _0 = torch.wait({future}[j])\n");
    for (wait, found) in [
        ("    _0 = torch.wait(k)\n".to_string(), vec![]),
        (String::new(), vec!["parent-mutation"]),
        ("    _0 = torch.wait(g0)\n".into(), vec!["parent-mutation"]),
        (format!("    l = [k]\n{}", over("l")), vec![]),
        (format!("    l = [g0]\n{}", over("l")), vec!["parent-mutation"]),
        // A third task waits for either.
        (format!("{}    _0 = torch.wait(e)\n", indented(&fork("e", "look", "k"), 2)), vec![]),
        (format!("{}    _0 = torch.wait(e)\n", indented(&fork("e", "look", "g0"), 2)), vec!["parent-mutation"]),
    ] {
        let look = "def look(g: Future[Tensor]) -> Tensor:\n  return torch.wait(g)\n";
        let functions = format!("{}{look}", step(&wait));
        let errors = |kinds: Vec<&'static str>| -> Vec<_> {
            kinds.into_iter().filter(|kind| *kind != "unwaited-fork").collect()
        };
        assert_eq!(errors(kinds(&said(&main, &functions))), found, "{wait}");
        assert_eq!(errors(ran(&code(&main, &functions), &[Value::Bool(true), Value::Int(2)])), found, "{wait}");
    }
}

#[test]
fn what_one_task_has_made_is_not_the_next_ones() {
    // Each trip hands what the task before has returned to a task of the same fork, which writes it.
    let fork = fork("f", "write", "y").replace('\n', "\n  ");
    let main = format!("y = torch.add(x, 1)\nfor i in range(n):\n  {}\n  y = torch.wait(f)\nreturn y", fork.trim_end());
    assert_eq!(kinds(&said(&main, WRITE)), ["input-mutation"], "{main}");
    let own = "def own(x: Tensor) -> Tensor:\n  return torch.add_(torch.add(x, 1), 1)\n";
    assert_eq!(kinds(&said(&main.replace("write", "own"), own)), Vec::<&str>::new());
}

#[test]
fn what_a_child_returns_belongs_to_its_parent() {
    let outer = |inner: &str| {
        let fork = indented(&fork("f", inner, "x"), 1);
        format!("def outer(x: Tensor) -> Tensor:\n{fork}  y = torch.wait(f)\n  _0 = torch.add_(y, 1)\n  return y\n")
    };
    let main = format!("{}return torch.wait(f)", fork("f", "outer", "x"));
    assert_eq!(kinds(&said(&main, &(outer("read") + READ))), Vec::<&str>::new());
    // It gives back what was the caller's.
    let same = "def same(x: Tensor) -> Tensor:\n  return torch.select(x, 0, 0)\n";
    let report = said(&main, &(outer("same") + same));
    assert_eq!(kinds(&report), ["input-mutation"]);
    assert_eq!(report.forks.iter().map(|fork| fork.pure).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn what_a_task_returns_may_be_in_use_by_those_it_has_left() {
    let outer = |made: &str, wait: &str| {
        let fork = indented(&fork("f", "use", "y"), 1);
        format!("def outer(x: Tensor) -> Tensor:\n  y = {made}\n{fork}{wait}  return y\n")
    };
    let wait = "  z = torch.wait(f)\n";
    for (made, uses, write, ty) in [
        ("torch.add(x, 1)", "torch.neg(x)", "torch.add_(y, 1)", "Tensor"),
        ("[x]", "torch.neg(x[0])", "torch.append(y, y[0])", "List[Tensor]"),
    ] {
        let uses = format!("def use(x: {ty}) -> Tensor:\n  return {uses}\n");
        let main = format!("{}y = torch.wait(f)\n_0 = {write}\nreturn torch.neg(x)", fork("f", "outer", "x"));
        for (wait, found) in [("", &["parent-mutation"][..]), (wait, &[])] {
            let functions = outer(made, wait).replace("-> Tensor", &format!("-> {ty}")) + &uses;
            assert_eq!(kinds(&said(&main, &functions)), found, "{main}\n{functions}");
        }
    }
}

#[test]
fn branches_that_no_execution_takes_do_nothing() {
    let choose = |condition: &str| {
        format!(
            "def choose(x: Tensor, n: int) -> Tensor:\n  if {condition}:\n    y = torch.add_(x, 1)\n  else:\n    y = torch.add(x, 1)\n  return y\n"
        )
    };
    let main = |n: &str| format!("{}return torch.wait(f)", fork("f", "choose", &format!("x, {n}")));
    let found = |n: &str, condition: &str| kinds(&said(&main(n), &choose(condition)));
    assert_eq!(found("3", "torch.gt(n, 5)"), Vec::<&str>::new());
    assert_eq!(found("7", "torch.gt(n, 5)"), ["input-mutation"]);
    assert_eq!(found("n", "torch.gt(n, 5)"), ["input-mutation"]);
    assert_eq!(found("3", "torch.__isnot__(n, None)"), ["input-mutation"]);
}

/// Kind and target of what is said, in order.
fn targets(report: &Report) -> Vec<(&'static str, &str)> {
    report.findings.iter().map(|finding| (finding.kind, finding.target.as_str())).collect()
}

#[test]
fn bodies_write_what_they_write_and_no_more() {
    // The bodies of PyTorch's answers in `model/tests/alias_cases`, with the callees that the text of a graph lacks: PyTorch
    // says of each that it writes all that it is given, or all of the same type.
    let forward = |params: &str, returns: &str, args: &str, rest: &str, body: &str| {
        format!(
            "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    {params}) -> \
             {returns}:\n    def __forked_function():\n      return __torch__.body({args}, )\n    a = \
             fork(__forked_function)\n{rest}def body{body}\n"
        )
    };
    let wait = "    return torch.wait(a)\n";
    let given = "input-mutation";
    for (code, wanted) in [
        (
            forward("x: Tensor", "Tensor", "x", wait, "(x: Tensor) -> Tensor:\n  return torch.add_(x, 1)"),
            vec![(given, "input x")],
        ),
        (forward("x: Tensor", "Tensor", "x", wait, "(x: Tensor) -> Tensor:\n  return torch.add(x, 1)"), vec![]),
        (
            forward(
                "x: Tensor",
                "Tensor",
                "torch.select(x, 0, 0)",
                wait,
                "(v: Tensor) -> Tensor:\n  return torch.zero_(v)",
            ),
            vec![(given, "input x")],
        ),
        // The list is written; the tensors in it are not.
        (
            forward(
                "l: List[Tensor],\n    x: Tensor",
                "int",
                "l, x",
                wait,
                "(l: List[Tensor],\n    x: Tensor) -> int:\n  _0 = torch.append(l, x)\n  return torch.len(l)",
            ),
            vec![(given, "input l")],
        ),
        (
            forward(
                "l: List[Tensor]",
                "int",
                "l",
                wait,
                "(l: List[Tensor]) -> int:\n  _0 = torch._set_item(l, 0, torch.add(l[0], 1))\n  return 0",
            ),
            vec![(given, "input l")],
        ),
        // An element of the tuple.
        (
            forward(
                "x: Tensor",
                "Tensor",
                "(x, 2)",
                wait,
                "(t: Tuple[Tensor, int]) -> Tensor:\n  a, b, = t\n  return torch.add_(a, b)",
            ),
            vec![(given, "input x")],
        ),
        (
            forward(
                "x: Tensor,\n    n: int",
                "Tensor",
                "x, n",
                wait,
                "(x: Tensor,\n    i: int) -> Tensor:\n  if torch.eq(torch.remainder(i, 2), 0):\n    _0 = torch.add(x, i)\n  else:\n    _0 = torch.add_(x, i)\n  return _0",
            ),
            vec![(given, "input x")],
        ),
        // The parent writes what the body gave back, when the body is done.
        (
            forward(
                "x: Tensor",
                "Tensor",
                "x",
                "    r = torch.wait(a)\n    r0 = torch.add_(r, 1)\n    return x\n",
                "(x: Tensor) -> Tensor:\n  return x",
            ),
            vec![],
        ),
        // Of two arguments that are tensors, the first.
        (
            forward(
                "n: int",
                "Tensor",
                "y, z",
                wait,
                "(x: Tensor,\n    y: Tensor) -> Tensor:\n  x0 = torch.add_(x, 1)\n  return torch.add(x0, y)",
            )
            .replace("    def __forked", "    y = torch.rand([2])\n    z = torch.ones([2])\n    def __forked"),
            vec![(given, "local y")],
        ),
    ] {
        assert_eq!(targets(&said_of(&code, &[])), wanted, "{code}");
    }
}

#[test]
fn attributes_are_told_apart() {
    let code = |body: &str| {
        format!(
            "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  n : int\n  k : int\n  def forward(self: \
             __torch__.M,\n    x: Tensor) -> Tensor:\n    def __forked_function():\n      return (self).body(x, )\n    a = \
             fork(__forked_function)\n    b = self.k\n    return torch.add(torch.wait(a), b)\n  def body(self: \
             __torch__.M,\n    x: Tensor) -> Tensor:\n{body}    return torch.add(x, self.n)\n"
        )
    };
    let attributes = [("n", Value::Int(0)), ("k", Value::Int(1))];
    assert_eq!(targets(&said_of(&code(""), &attributes)), []);
    let writes = code("    n = self.n\n    self.n = torch.add(n, 1)\n");
    let report = said_of(&writes, &attributes);
    assert_eq!(targets(&report), [("attribute-mutation", "self.n")]);
    // The caller reads another attribute meanwhile.
    assert!(report.findings[0].race.is_none());
}

#[test]
fn a_loop_waits_for_one_list_of_those_that_are_made_in_one_place() {
    let futures = "annotate(List[Future[Tensor]], [])";
    let (fork, write) = (fork("f", "read", "y"), "_9 = torch.add_(y, 1)\nreturn y");
    let wait = |list: &str| format!("for j in range(torch.len({list})):\n  g = {list}[j]\n  z = torch.wait(g)\n");
    let begin = format!("y = torch.add(x, 1)\nbase = {futures}\nls = annotate(List[List[Future[Tensor]]], [])\n");
    for (main, found) in [
        // Each trip waits for all that it has forked.
        (
            format!(
                "for i in range(2):\n  l = {futures}\n{}  _1 = torch.append(l, f)\n{}",
                indented(&fork, 1),
                indented(&wait("l"), 1)
            ),
            vec![],
        ),
        // The future is in the first list, and the loop is over the second.
        (
            format!(
                "for i in range(2):\n  l = {futures}\n  _1 = torch.append(ls, l)\n{fork}a = ls[0]\n_2 = torch.append(a, f)\nb = \
                 ls[1]\n{}",
                wait("b")
            ),
            vec!["parent-mutation"],
        ),
        // The same, where each list comes from another task.
        (
            format!(
                "for i in range(2):\n{}  l = torch.wait(m)\n  _1 = torch.append(ls, l)\n{fork}a = ls[0]\n_2 = torch.append(a, f)\nb = \
                 ls[1]\n{}",
                indented(&self::fork("m", "make", "x").replace("function", "function0"), 1),
                wait("b")
            ),
            vec!["parent-mutation"],
        ),
        // The list of the last trip has the last future.
        (
            format!(
                "l = annotate(Optional[List[Future[Tensor]]], None)\nfor i in range(2):\n  l1 = torch.list(base)\n{}  _1 = \
                 torch.append(l1, f)\n  l = l1\nl2 = unchecked_cast(List[Future[Tensor]], l)\n{}",
                indented(&fork, 1),
                wait("l2")
            ),
            vec!["parent-mutation"],
        ),
    ] {
        let main = format!("{begin}{main}{write}");
        let functions = format!("{READ}def make(x: Tensor) -> List[Future[Tensor]]:\n  l = {futures}\n  return l\n");
        assert_eq!(kinds(&said(&main, &functions)), found, "{main}");
        assert_eq!(ran(&code(&main, &functions), &[Value::Bool(true), Value::Int(2)]), found, "{main}");
    }
}

/// A module whose `forward` does as `main` says with objects of the classes `A` and `B`, which are both of an interface `I`: their
/// method `go(y, f)` does as these say. `A` has an object of the interface in its attribute `next`.
fn interface(main: &str, a: &str, b: &str) -> String {
    let go = |class: &str, body: &str| {
        format!(
            "  def go(self: __torch__.{class},\n    y: Tensor,\n    f: Future[Tensor]) -> Future[Tensor]:\n{}",
            indented(body, 2)
        )
    };
    format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor,\n    flag: \
         bool) -> Tensor:\n    y = torch.add(x, 1)\n    a = __torch__.A.__new__(__torch__.A)\n    b = \
         __torch__.B.__new__(__torch__.B)\n    b.k = 1\n    a.next = annotate(__torch__.I, b)\n{}    _9 = torch.add_(y, 1)\n    \
         return y\nclass I(Interface):\n{}class A:\n  next : __torch__.I\n{}class B:\n  k : int\n{}{READ}",
        indented(main, 2),
        go("I", "pass"),
        go("A", a),
        go("B", b),
    )
}

#[test]
fn a_call_of_one_of_two_methods_has_waited_if_both_do() {
    let main = format!(
        "{}if flag:\n  c = annotate(__torch__.I, a)\nelse:\n  c = annotate(__torch__.I, b)\n_1 = (c).go(y, f, )\n",
        fork("f", "read", "y")
    );
    let (wait, nothing) = ("z = torch.wait(f)\nreturn f", "return f");
    // `a` is chosen, and then `b`.
    for (a, b, runs) in
        [(wait, wait, [0, 0]), (wait, nothing, [0, 1]), (nothing, wait, [1, 0]), (nothing, nothing, [1, 1])]
    {
        let code = interface(&main, a, b);
        let found = |count| vec!["parent-mutation"; count];
        assert_eq!(kinds(&said_of(&code, &[])), found(runs[0] | runs[1]), "{a} {b}");
        for (flag, count) in [true, false].into_iter().zip(runs) {
            assert_eq!(ran(&code, &[Value::Bool(flag)]), found(count), "{a} {b} {flag}");
        }
    }
}

#[test]
fn what_a_call_from_within_has_forked_may_be_running() {
    // `a` has another of its class, so that its method calls itself; that one has `b`.
    let main = "c = __torch__.A.__new__(__torch__.A)\nc.next = annotate(__torch__.I, a)\n";
    let main = format!("{main}{}z = torch.wait(f)\n_1 = (c).go(y, f, )\n", fork("f", "read", "y"));
    let (inner, own) = ("h = (self.next).go(y, f, )\n", fork("e", "read", "y"));
    for (a, said, runs) in [
        (format!("{inner}return h"), 0, 0),
        // Each call waits for its own: that both do is only known when it runs.
        (format!("{inner}{own}z = torch.wait(e)\nreturn e"), 1, 0),
        // Each call waits for that of the one within, and the outermost is waited for by nobody.
        (format!("{inner}{own}z = torch.wait(h)\nreturn e"), 1, 1),
        // The outer call writes while the fork of the inner one reads; so does `forward`.
        (format!("{inner}_0 = torch.add_(y, 1)\n{own}return e"), 2, 2),
    ] {
        let code = interface(&main, &a, "return f");
        let found = |count| vec!["parent-mutation"; count];
        assert_eq!(kinds(&said_of(&code, &[])), found(said), "{a}");
        assert_eq!(ran(&code, &[Value::Bool(true)]), found(runs), "{a}");
    }
}

#[test]
fn parts_of_a_tensor_are_not_known_once_its_sizes_are_written() {
    // Two numbers, and twice these; the fork reads the first row.
    let begin = "y = torch.add(torch.stack([x, x]), 1)\na = torch.select(y, 0, 0)\n";
    let write = "b = torch.select(y, 0, 1)\n_9 = torch.add_(b, 1)\nreturn y";
    for (change, said_of_it, runs) in [
        ("", 0, 0),
        ("_1 = torch.t_(y)\n", 1, 1),
        ("_1 = torch.transpose_(y, 0, 1)\n", 1, 1),
        ("_1 = torch.as_strided_(y, [2, 2], [1, 2])\n", 1, 1),
        // The rows are where they were, and nothing is written to memory that is new: that is only known when it runs.
        ("_1 = torch.resize_(y, [2, 2])\n", 2, 0),
        // Another tensor's sizes are of no interest.
        ("z = torch.add(y, 1)\n_1 = torch.t_(z)\n", 0, 0),
    ] {
        let main = format!("{begin}{}{change}{write}", fork("f", "read", "a"));
        let found = |count| vec!["parent-mutation"; count];
        assert_eq!(kinds(&said(&main, READ)), found(said_of_it), "{change}");
        assert_eq!(ran(&code(&main, READ), &[Value::Bool(true), Value::Int(2)]), found(runs), "{change}");
    }
}

#[test]
fn what_a_tensor_shows_is_not_followed_once_it_is_given_other_memory() {
    let write = format!("{}_9 = torch.add_(y, 1)\nreturn y", fork("f", "read", "z"));
    for change in
        ["_1 = torch.set_(y, z)", "_1 = torch.set_(y, z, 0, [2], [1])", "torch.set_data(y, z)", "torch.set_data(z, y)"]
    {
        let main = format!("y = torch.add(x, 1)\nz = torch.add(x, 2)\n{change}\n{write}");
        let report = said(&main, READ);
        assert_eq!((kinds(&report), report.verdict), (vec!["opaque-operator"], Some(Verdict::Unknown)), "{change}");
        assert_eq!(ran(&code(&main, READ), &[Value::Bool(true), Value::Int(2)]), ["parent-mutation"], "{change}");
    }
}

#[test]
fn parts_of_a_tensor_meet_if_an_element_is_in_both() {
    // A fork reads one part of the numbers from 0 to 9 while main writes the other.
    let every = |k: i64| format!("torch.slice(y, 0, 0, 10, {k})");
    for (a, b, said_of_it, runs) in [
        ("torch.select(y, 0, 1)".to_string(), "torch.select(y, 0, 2)".to_string(), 0, 0),
        (format!("torch.select({}, 0, 1)", every(2)), format!("torch.select({}, 0, 2)", every(2)), 0, 0),
        // The fourth of every second number and the third of every third.
        (format!("torch.select({}, 0, 3)", every(2)), format!("torch.select({}, 0, 2)", every(3)), 1, 1),
        (format!("torch.select({}, 0, 2)", every(3)), "torch.select(y, 0, 6)".into(), 1, 1),
        ("torch.slice(y, 0, 6, 7)".into(), "torch.slice(y, 0, -6, 7)".into(), 1, 1),
        ("torch.narrow(torch.narrow(y, 0, 2, 3), 0, 1, 1)".into(), "torch.select(y, 0, 3)".into(), 1, 1),
        ("torch.select(torch.view(y, [2, 5]), 0, 0)".into(), "torch.select(y, 0, 1)".into(), 1, 1),
        // Which parts these are is only known when it runs.
        ("torch.unbind(y)[0]".into(), "torch.unbind(y)[1]".into(), 1, 0),
    ] {
        let main = format!(
            "y = torch.arange(10)\na = {a}\nb = {b}\n{}_1 = torch.add_(b, 1)\nreturn y",
            fork("f", "read", "a")
        );
        let found = |count| vec!["parent-mutation"; count];
        assert_eq!(kinds(&said(&main, READ)), found(said_of_it), "{a} {b}");
        assert_eq!(ran(&code(&main, READ), &[Value::Bool(true), Value::Int(2)]), found(runs), "{a} {b}");
    }
}

#[test]
fn what_a_future_brings_belongs_to_those_who_have_it() {
    // Each trip hands the future that the task before has returned to a task of the same fork, which writes what it brings.
    let main = format!(
        "g = annotate(Optional[Future[Tensor]], None)\nfor i in range(2):\n{}  g = torch.wait(h)\ng1 = \
         unchecked_cast(Future[Tensor], g)\nreturn torch.wait(g1)",
        indented(&fork("h", "step", "g, x"), 1)
    );
    let step = |change: &str| {
        format!(
            "{READ}def step(g: Optional[Future[Tensor]],\n    x: Tensor) -> Future[Tensor]:\n{}  if torch.__isnot__(g, None):\n    \
             g0 = unchecked_cast(Future[Tensor], g)\n    t = torch.wait(g0)\n    _1 = torch.{change}(t, 1)\n  else:\n    \
             pass\n  return k\n",
            indented(&fork("k", "read", "x").replace("function", "function0"), 1)
        )
    };
    // A task returns the future of another that a third still waits for, and the caller writes what it brings.
    let left =
        format!("{}g = torch.wait(h)\nt = torch.wait(g)\n_1 = torch.add_(t, 1)\nreturn t", fork("h", "leave", "x"));
    let leave = |wait: &str| {
        format!(
            "{READ}def look(g: Future[Tensor]) -> Tensor:\n  return torch.neg(torch.wait(g))\ndef leave(x: Tensor) -> \
             Future[Tensor]:\n{}{}{wait}  return g\n",
            indented(&fork("g", "read", "x").replace("function", "function0"), 1),
            indented(&fork("k", "look", "g").replace("function", "function1"), 1)
        )
    };
    for (main, functions, found) in [
        (&main, step("add_"), vec!["input-mutation"]),
        (&main, step("add"), vec![]),
        (&left, leave(""), vec!["parent-mutation"]),
        (&left, leave("  z = torch.wait(k)\n"), vec![]),
    ] {
        assert_eq!(kinds(&said(main, &functions)), found, "{main}\n{functions}");
        assert_eq!(ran(&code(main, &functions), &[Value::Bool(true), Value::Int(2)]), found, "{main}\n{functions}");
    }
}

/// PyTorch gives 2 and 1 for x = [0], and the error for an index of 3.
#[test]
fn an_index_into_a_tuple_may_be_known_only_when_it_runs() {
    let code = |index: &str, then: &str| {
        format!(
            "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> \
             Tensor:\n    t = (x, torch.add(x, 1), torch.add(x, 2))\n    i = torch.sub({index}, 0)\n    y = (t)[i]\n{then}{READ}{WRITE}"
        )
    };
    let run = |index: &str| {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let x = Value::Tensor(Tensor::from_vec(&mut allocator, &[1], &[0i64]).expect("it is small"));
        let program = program_of(&code(index, "    return y\n"), &[], vec![x]);
        match forkcheck::parallel::run(&program, &Default::default(), 1).result.expect("it ends") {
            Ok(Value::Tensor(y)) => y.to_vec::<i64>().first().map(i64::to_string).expect("an element"),
            other => format!("{other:?}"),
        }
    };
    assert_eq!((run("-1"), run("1")), ("2".to_owned(), "1".to_owned()));
    assert!(run("3").contains("Tuple list index out of range"), "{}", run("3"));
    // The fork may read x, which is written beside it; or else only what is new.
    let said = |code: &str| said_of(code, &[]).findings.iter().map(|finding| finding.kind).collect::<Vec<_>>();
    let forked = "    def __forked_function():\n      return __torch__.read(y, )\n    f = fork(__forked_function)\n    \
                  _0 = torch.add_(x, 1)\n    z = torch.wait(f)\n    return z\n";
    assert_eq!(said(&code("1", forked)), ["parent-mutation"]);
    assert_eq!(said(&code("1", forked).replace("t = (x,", "t = (torch.add(x, 3),")), Vec::<&str>::new());
}
