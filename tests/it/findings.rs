//! Findings about forks and waits themselves: deadlocks, lost errors, forks that nobody waits for, pools that starve.
//!
//! One small program for each lesson, and one that looks alike and is fine. Lines are those of the code below, whose
//! first line is 1: no archive that PyTorch writes is needed to say what they are about.

use forkcheck::audit::audit;
use forkcheck::report::{FindingReport, Report, Verdict};
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Schedule;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_tests::archive::program_of;

/// Findings of these kinds are what this file is about.
const KINDS: [&str; 4] = ["deadlock", "lost-error", "unwaited-fork", "pool-starvation"];

/// What is said of a finding: code, kind, line, line of the fork, task, target.
type Said<'a> = (&'a str, &'a str, u32, u32, &'a str, &'a str);

fn program(code: &str) -> Program {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Value::Tensor(Tensor::from_vec(&mut allocator, &[2], &[1.0f32, 2.0]).expect("two elements"));
    program_of(code, &[], vec![x])
}

/// The body of `forward`, which begins on line 4, and what else it calls.
fn module(forward: &str, functions: &str) -> String {
    format!(
        "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{forward}{functions}"
    )
}

fn said(finding: &FindingReport) -> Said<'_> {
    let line = |line: Option<u32>| line.unwrap_or(0);
    (finding.code, finding.kind, line(finding.line), line(finding.fork_line), &finding.task, &finding.target)
}

fn of_this_file(report: &Report) -> Vec<Said<'_>> {
    report.findings.iter().filter(|finding| KINDS.contains(&finding.kind)).map(said).collect()
}

/// Audits a program: it has the verdict, and of the kinds of this file exactly these findings, under every strategy.
fn check(code: &str, verdict: Verdict, truth: &[Said<'_>]) -> Report {
    let program = program(code);
    let report = audit(&program, &Config::default());
    assert_eq!(of_this_file(&report), truth, "{code}");
    assert_eq!(report.verdict, Some(verdict), "{code}");
    for strategy in ["dfs", "dpor", "states", "random"] {
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            let strategy = strategy.parse().expect("a strategy");
            let other = audit(&program, &Config { strategy, atomicity, executions: 200, ..Config::default() });
            assert_eq!(of_this_file(&other), truth, "{strategy} {atomicity}\n{code}");
        }
    }
    report
}

/// Two tasks that get a list to which their futures are added later.
fn circle(first: &str, second: &str) -> String {
    module(
        &format!(
            "    fs = annotate(List[Future[Tensor]], [])
    def __forked_function():
      return __torch__.{first}
    a = fork(__forked_function)
    def __forked_function0():
      return __torch__.{second}
    b = fork(__forked_function0)
    _0 = torch.append(fs, a)
    _1 = torch.append(fs, b)
    return torch.add(torch.wait(a), torch.wait(b))
"
        ),
        "def last(fs: List[Future[Tensor]], x: Tensor) -> Tensor:
  if torch.gt(torch.len(fs), 1):
    y = torch.wait(fs[1])
  else:
    y = x
  return y
def first(fs: List[Future[Tensor]], x: Tensor) -> Tensor:
  if torch.gt(torch.len(fs), 0):
    y = torch.wait(fs[0])
  else:
    y = x
  return y
def at(fs: List[Future[Tensor]], i: int, x: Tensor) -> Tensor:
  if torch.gt(torch.len(fs), i):
    y = torch.wait(fs[i])
  else:
    y = x
  return y
def count(fs: List[Future[Tensor]], x: Tensor) -> Tensor:
  return torch.add(x, torch.len(fs))
",
    )
}

#[test]
fn a_circle_of_waits_is_named_wait_by_wait() {
    // `last` waits for the second task, `first` for the first: they meet if both look after the list is filled. Where
    // they do not, `last` may have to wait for what stands behind it in the queue of a pool.
    let report = check(
        &circle("last(fs, x, )", "first(fs, x, )"),
        Verdict::Nondeterministic,
        &[
            ("FC0202", "deadlock", 22, 10, "main/first#0", "main/first#0 waits for main/last#0 waits for main/first#0"),
            ("FC0303", "pool-starvation", 16, 7, "main/last#0", "at least 2 threads"),
        ],
    );
    let finding = report.findings.iter().find(|finding| finding.kind == "deadlock").expect("it was just seen");
    let wait = |task: &str, other: &str, line: u32, fork: u32| (task.into(), other.into(), Some(line), Some(fork));
    let waits: Vec<(String, String, _, _)> =
        finding.waits.iter().map(|w| (w.task.clone(), w.waits_for.clone(), w.line, w.fork_line)).collect();
    assert_eq!(
        waits,
        [wait("main/first#0", "main/last#0", 22, 7), wait("main/last#0", "main/first#0", 16, 10)],
        "each with the line of the wait, and where the other was forked"
    );
    let stack: Vec<_> = finding.waits[1].stack.iter().map(|frame| (frame.function.as_str(), frame.line)).collect();
    assert_eq!(stack.first(), Some(&("__torch__.last", Some(16))));
    assert_eq!(stack.len(), 2, "the wait, and the call in the forked function: {stack:?}");
    // One of the witnesses is the deadlock, and its replay finds the same.
    let outcomes = report.outcomes.as_ref().expect("it was run");
    let stuck = outcomes.witnesses.iter().find(|witness| witness.summary.starts_with("deadlock")).expect("a witness");
    let schedule: Schedule = stuck.schedule.parse().expect("what was printed can be read");
    let program = program(&circle("last(fs, x, )", "first(fs, x, )"));
    let (replayed, _) = forkcheck::replay::replay_report(&program, &Config::default(), &schedule, Mode::Strict);
    let again = replayed.findings.iter().find(|finding| finding.kind == "deadlock").expect("the same deadlock");
    assert_eq!((said(again), again.waits.len()), (said(finding), 2));
}

#[test]
fn a_task_can_wait_for_itself() {
    check(
        &circle("first(fs, x, )", "last(fs, x, )"),
        Verdict::Nondeterministic,
        &[
            ("FC0202", "deadlock", 16, 10, "main/last#0", "main/last#0 waits for main/last#0"),
            ("FC0202", "deadlock", 22, 7, "main/first#0", "main/first#0 waits for main/first#0"),
        ],
    );
    // Both wait for the first: one of them for itself, and the other is not part of the circle.
    check(
        &circle("first(fs, x, )", "first(fs, x, )"),
        Verdict::Nondeterministic,
        &[("FC0202", "deadlock", 22, 7, "main/first#0", "main/first#0 waits for main/first#0")],
    );
}

#[test]
fn a_future_can_reach_its_own_task_through_an_attribute() {
    let code = "class M(Module):
  __parameters__ = []
  f : Optional[Future[Tensor]]
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.again(self, x, )
    a = fork(__forked_function)
    self.f = a
    return torch.wait(a)
def again(self: __torch__.M, x: Tensor) -> Tensor:
  f = self.f
  if torch.__isnot__(f, None):
    f0 = unchecked_cast(Future[Tensor], f)
    y = torch.wait(f0)
  else:
    y = x
  return y
";
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Value::Tensor(Tensor::from_vec(&mut allocator, &[1], &[1.0f32]).expect("one element"));
    let report = audit(&program_of(code, &[("f", Value::None)], vec![x]), &Config::default());
    let truth = [("FC0202", "deadlock", 14, 7, "main/again#0", "main/again#0 waits for main/again#0")];
    assert_eq!(of_this_file(&report), truth);
    assert_eq!(report.verdict, Some(Verdict::Nondeterministic));
}

#[test]
fn one_line_can_hold_a_whole_circle() {
    check(
        &circle("at(fs, 1, x, )", "at(fs, 0, x, )"),
        Verdict::Nondeterministic,
        &[
            ("FC0202", "deadlock", 28, 7, "main/at#0", "main/at#0 waits for main/at#1 waits for main/at#0"),
            ("FC0303", "pool-starvation", 28, 7, "main/at#0", "at least 2 threads"),
        ],
    );
}

#[test]
fn a_wait_for_an_older_task_is_no_deadlock() {
    // The same list and the same race, but the first task waits for nobody.
    check(&circle("count(fs, x, )", "first(fs, x, )"), Verdict::Nondeterministic, &[]);
}

/// A fork of `callee` whose future is kept in a list, and how `forward` ends.
fn kept(callee: &str, end: &str) -> String {
    module(
        &format!(
            "    fs = annotate(List[Future[Tensor]], [])
    def __forked_function():
      return __torch__.{callee}
    a = fork(__forked_function)
    _0 = torch.append(fs, a)
{end}"
        ),
        BODIES,
    )
}

/// Functions to be forked; with `end` of one line, they begin on line 10.
const BODIES: &str = "def work(x: Tensor) -> Tensor:
  return torch.mul(x, 2)
def bad(x: Tensor) -> Tensor:
  ops.prim.RaiseException(\"no good\", \"builtins.ValueError\")
  return x
def outer(x: Tensor) -> Tensor:
  def __forked_function():
    return __torch__.bad(x, )
  f = fork(__forked_function)
  return torch.wait(f)
def hasty(fs: List[Future[Tensor]], x: Tensor) -> Tensor:
  if torch.gt(torch.len(fs), 0):
    ops.prim.RaiseException(\"too late\")
  else:
    pass
  return x
def waiter(f: Future[Tensor]) -> Tensor:
  return torch.wait(f)
";

#[test]
fn an_error_that_nobody_waits_for_is_lost() {
    let report = check(
        &kept("bad(x, )", "    return x\n"),
        Verdict::Pure,
        &[
            ("FC0301", "lost-error", 13, 7, "main/bad#0", "builtins.ValueError: no good"),
            ("FC0302", "unwaited-fork", 7, 7, "main", "main/bad#0"),
        ],
    );
    assert_eq!(report.exit_code(), 0, "warnings");
    assert!(report.findings.iter().all(|finding| finding.severity == "warning"));
    assert!(report.forks.iter().all(|fork| fork.pure));
    assert_eq!(report.stats.executions, Some(1), "a certified program shows them in its one run");
    let stack: Vec<_> = report.findings[0].stack.iter().map(|frame| frame.line).collect();
    assert_eq!(stack, [Some(13), Some(7)], "the raise, and the call in what is forked");
}

#[test]
fn an_error_that_comes_to_the_caller_is_not_lost() {
    check(&kept("bad(x, )", "    return torch.wait(a)\n"), Verdict::Pure, &[]);
    check(&kept("bad(x, )", "    return torch.add(torch.wait(a), torch.wait(a))\n"), Verdict::Pure, &[]);
    // It comes by way of two more tasks.
    let through = "    def __forked_function0():
      return __torch__.waiter(a, )
    b = fork(__forked_function0)
    def __forked_function1():
      return __torch__.waiter(b, )
    c = fork(__forked_function1)
    return torch.wait(c)
";
    check(&kept("bad(x, )", through), Verdict::Pure, &[]);
}

#[test]
fn an_error_that_is_passed_on_and_then_lost_is_named_where_it_was_raised() {
    // `outer` waits for `bad` and so fails too; only `bad` is named. A pool of one thread is taken by `outer`.
    check(
        &kept("outer(x, )", "    return x\n"),
        Verdict::Pure,
        &[
            ("FC0301", "lost-error", 13, 18, "main/outer#0/bad#0", "builtins.ValueError: no good"),
            ("FC0302", "unwaited-fork", 7, 7, "main", "main/outer#0"),
            ("FC0303", "pool-starvation", 19, 7, "main/outer#0", "at least 2 threads"),
        ],
    );
}

#[test]
fn the_caller_gets_one_error_and_the_other_is_lost() {
    let second = "    def __forked_function0():
      return __torch__.bad(x, )
    b = fork(__forked_function0)
    return torch.add(torch.wait(a), torch.wait(b))
";
    // The second wait is in the program, so the second fork is not unwaited.
    check(
        &kept("bad(x, )", second),
        Verdict::Pure,
        &[("FC0301", "lost-error", 16, 11, "main/bad#1", "builtins.ValueError: no good")],
    );
}

#[test]
fn an_error_that_only_some_schedules_raise_is_lost_in_those() {
    // In the default order the list is still empty when the task looks.
    check(
        &kept("hasty(fs, x, )", "    return x\n"),
        Verdict::Impure,
        &[
            ("FC0301", "lost-error", 22, 7, "main/hasty#0", "RuntimeError: too late"),
            ("FC0302", "unwaited-fork", 7, 7, "main", "main/hasty#0"),
        ],
    );
}

#[test]
fn a_fork_that_nobody_waits_for_is_named_once_for_all_its_tasks() {
    let forward = |trips: u32, last: &str| {
        format!(
            "    fs = annotate(List[Future[Tensor]], [])
    for i in range({trips}):
      def __forked_function():
        return __torch__.work(x, )
      f = fork(__forked_function)
      _0 = torch.append(fs, f)
    return torch.wait(fs[{last}])
"
        )
    };
    check(
        &module(&forward(3, "-1"), BODIES),
        Verdict::Pure,
        &[("FC0302", "unwaited-fork", 8, 8, "main", "main/work#0, main/work#1")],
    );
    // The first 64 are named, in the order in which they were forked.
    let named: Vec<String> = (1..65).map(|i| format!("main/work#{i}")).collect();
    check(
        &module(&forward(70, "0"), BODIES),
        Verdict::Pure,
        &[("FC0302", "unwaited-fork", 8, 8, "main", &named.join(", "))],
    );
}

#[test]
fn a_future_that_another_task_waits_for_or_the_caller_keeps_is_not_unwaited() {
    let waited = "    def __forked_function0():
      return __torch__.waiter(a, )
    b = fork(__forked_function0)
    return torch.wait(b)
";
    // The older task stands before its waiter in the queue of any pool.
    check(&kept("work(x, )", waited), Verdict::Pure, &[]);
    // The caller may still wait for what it is given, and then gets the error.
    let returned = kept("bad(x, )", "    return fs\n").replace(
        "def forward(self: __torch__.M, x: Tensor) -> Tensor",
        "def forward(self: __torch__.M, x: Tensor) -> List[Future[Tensor]]",
    );
    check(&returned, Verdict::Pure, &[]);
}

/// Tasks that wait for what they have forked, three deep.
const NESTED: &str = "def leaf(x: Tensor) -> Tensor:
  return torch.mul(x, 2)
def inner(x: Tensor) -> Tensor:
  def __forked_function():
    return __torch__.leaf(x, )
  f = fork(__forked_function)
  return torch.wait(f)
def outer(x: Tensor) -> Tensor:
  def __forked_function():
    return __torch__.inner(x, )
  f = fork(__forked_function)
  return torch.wait(f)
def open(x: Tensor) -> Future[Tensor]:
  def __forked_function():
    return __torch__.leaf(x, )
  return fork(__forked_function)
";

/// `forward` forks two functions; `between` comes before the second fork.
fn two(first: &str, between: &str, second: &str, end: &str) -> String {
    let forward = format!(
        "    def __forked_function():
      return __torch__.{first}(x, )
    a = fork(__forked_function)
    y = {between}
    def __forked_function0():
      return __torch__.{second}(x, )
    b = fork(__forked_function0)
    return {end}
"
    );
    module(&forward, NESTED)
}

#[test]
fn each_task_that_waits_at_the_same_time_takes_a_thread() {
    let both = "torch.add(torch.wait(a), torch.wait(b))";
    // `inner` waits for `leaf`, which may stand behind it in the queue.
    let report = check(
        &two("inner", "x", "leaf", both),
        Verdict::Pure,
        &[("FC0303", "pool-starvation", 18, 6, "main/inner#0", "at least 2 threads")],
    );
    let waits = &report.findings[0].waits;
    assert_eq!((waits.len(), waits[0].waits_for.as_str()), (1, "main/inner#0/leaf#0"));
    assert_eq!(
        (waits[0].line, waits[0].fork_line),
        (Some(18), Some(17)),
        "where it waits, and for what was forked where"
    );
    // Two of them, at the same time.
    check(
        &two("inner", "x", "inner", both),
        Verdict::Pure,
        &[("FC0303", "pool-starvation", 18, 6, "main/inner#0", "at least 3 threads")],
    );
    // Each of two waits for one that waits: four threads are taken at once.
    check(
        &two("outer", "x", "outer", both),
        Verdict::Pure,
        &[("FC0303", "pool-starvation", 23, 6, "main/outer#0", "at least 5 threads")],
    );
    // One after the other: two at once.
    check(
        &two("outer", "torch.wait(a)", "outer", both),
        Verdict::Pure,
        &[("FC0303", "pool-starvation", 23, 6, "main/outer#0", "at least 3 threads")],
    );
}

#[test]
fn nested_forks_without_nested_waits_starve_no_pool() {
    let caller = "torch.add(torch.wait(torch.wait(a)), torch.wait(b))";
    check(&two("open", "x", "leaf", caller), Verdict::Pure, &[]);
    check(&two("leaf", "x", "leaf", "torch.add(torch.wait(a), torch.wait(b))"), Verdict::Pure, &[]);
}

#[test]
fn the_samples_have_the_warnings_that_they_should_have() {
    for (name, truth) in [
        // The compiler has deleted the forks of these two.
        ("a07_ignored", vec![]),
        ("b33_unwaited_removed", vec![]),
        ("a13_raise", vec![]),
        ("a16_future_argument", vec![]),
        ("b15_unwaited_mutation", vec![("FC0302", "unwaited-fork", 13, 13, "main", "main/double#0")]),
        ("b34_unwaited_list", vec![("FC0302", "unwaited-fork", 19, 19, "main", "main/work#0, main/work#1")]),
    ] {
        let program = forkcheck_tests::case(name).program().expect("it loads");
        assert_eq!(of_this_file(&audit(&program, &Config::default())), truth, "{name}");
    }
}

#[test]
fn the_number_of_cores_changes_nothing() {
    let program = program(&circle("at(fs, 1, x, )", "at(fs, 0, x, )"));
    let report = |jobs: u32| {
        let strategy = "random".parse().expect("a strategy");
        audit(&program, &Config { strategy, jobs, executions: 100, ..Config::default() }).to_json()
    };
    assert_eq!(report(1), report(3));
}
