//! Real threads: what they lead to is what explorations find, and everything of a fork is there: errors, depth, tasks that
//! nobody waits for, waits for ever.

use std::collections::BTreeSet;
use std::fmt::Write;

use forkcheck::config::Limits;
use forkcheck::execution::{Cut, OutcomeKey, Subject};
use forkcheck::explore::{Coverage, explore};
use forkcheck::parallel::{Ran, run, run_and_look};
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::cases;
use forkcheck_tests::oracle::program::{Language, Sample, Size};
use forkcheck_tests::oracle::render::{self, Rendered};

/// Runs of each program on each number of threads.
const RUNS: usize = 25;

/// Random programs.
const PROGRAMS: u64 = 150;

fn key(program: &Program, threads: u32) -> OutcomeKey {
    let ran = run_and_look(program, &Limits::default(), threads);
    ran.outcome.unwrap_or_else(|| panic!("{:?}", ran.cut)).key()
}

/// The outcomes of all orders of whole steps, if they can be enumerated.
fn explored(program: &Program) -> Option<BTreeSet<OutcomeKey>> {
    let found = explore(program, &Config { atomicity: Atomicity::Op, executions: 3_000, ..Config::default() });
    (found.coverage != Coverage::Sampled).then(|| found.outcomes.iter().map(|seen| seen.outcome.key()).collect())
}

/// Holds many runs against the explored outcomes; says how many of these threads came to.
fn check(name: &str, program: &Program) -> usize {
    let Some(outcomes) = explored(program) else { return 0 };
    let mut met = BTreeSet::new();
    for threads in [1, 2, 4] {
        for _ in 0..RUNS {
            let outcome = key(program, threads);
            assert!(outcomes.contains(&outcome), "{name} on {threads} threads: no order of steps leads there");
            met.insert(outcome);
        }
    }
    met.len()
}

#[test]
fn one_thread_goes_the_default_way() {
    for case in cases() {
        let program = case.program().expect("it loads");
        let first = explore(&program, &Config { strategy: Spec::ChildFirst, ..Config::default() });
        assert_eq!(key(&program, 1), first.outcomes[0].outcome.key(), "{}", case.name);
    }
}

#[test]
fn outcomes_on_threads_are_among_the_explored() {
    let met: usize = cases().iter().map(|case| check(&case.name, &case.program().expect("it loads"))).sum();
    // Each has one at least.
    assert!(met >= cases().len(), "{met}");
}

/// Random programs race more than users' do, raise errors, and wait in circles.
#[test]
fn outcomes_of_random_programs_on_threads_are_among_the_explored() {
    let mut met = 0;
    for seed in 0..PROGRAMS {
        let language = Language::ALL[seed as usize % Language::ALL.len()];
        let sample = Sample::of_seed(seed, Size { main: 6, function: 4, functions: 3, language });
        let program = render::program(&sample, &Rendered::new(&sample));
        met += check(&format!("seed {seed}"), &program);
    }
    assert!(met as u64 > PROGRAMS / 2, "most can be enumerated: {met}");
}

fn program(code: &str, inputs: Vec<Value>) -> Program {
    let head = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n";
    program_of(&format!("{head}{code}"), &[], inputs)
}

/// Kernels that take a while: two that update one tensor, and one that reads a tensor slowly and then another, while both are
/// written. No order of whole steps loses an update, or sees the second write but not the first.
#[test]
fn a_step_is_whole_however_long_it_takes() {
    let updates = "    x: Tensor,\n    y: Tensor) -> Tensor:\n    def __forked_function0():\n      return __torch__.f(x, )\n    \
                   v = fork(__forked_function0)\n    def __forked_function1():\n      return __torch__.f(x, )\n    \
                   w = fork(__forked_function1)\n    a = torch.wait(v)\n    b = torch.wait(w)\n    return x\n\
                   def f(x: Tensor) -> Tensor:\n  return torch.add_(x, 1)\n";
    let between = "    x: Tensor,\n    y: Tensor) -> Tensor:\n    def __forked_function0():\n      return __torch__.f(x, y, )\n    \
                   v = fork(__forked_function0)\n    def __forked_function1():\n      return __torch__.g(x, y, )\n    \
                   w = fork(__forked_function1)\n    a = torch.wait(w)\n    return torch.wait(v)\n\
                   def f(x: Tensor,\n    y: Tensor) -> Tensor:\n  return torch.add(torch.t(x), y)\n\
                   def g(x: Tensor,\n    y: Tensor) -> Tensor:\n  a = torch.add_(x, 1)\n  return torch.add_(y, 1)\n";
    for (code, outcomes) in [(updates, 1), (between, 3)] {
        let program = program(code, vec![large(), large()]);
        assert_eq!(explored(&program).map(|all| all.len()), Some(outcomes));
        check("long steps", &program);
    }
}

fn large() -> Value {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    Value::Tensor(Tensor::from_vec(&mut allocator, &[1000, 1000], &vec![0f32; 1_000_000]).expect("there is room"))
}

fn scalar(value: f32) -> Value {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    Value::Tensor(Tensor::from_vec(&mut allocator, &[], &[value]).expect("there is room"))
}

fn result(ran: Ran) -> String {
    forkcheck::text_of(&ran.result.expect("it ends").expect("it does not raise"))
}

/// A body waits for a body that waits for a body, a thousand deep.
fn nested(depth: usize) -> Program {
    let mut code = String::from("    x: Tensor) -> Tensor:\n    return __torch__.f0(x, )\n");
    for k in 0..depth {
        let next = k + 1;
        let _ = writeln!(
            code,
            "def f{k}(x: Tensor) -> Tensor:\n  def __forked_function0():\n    return __torch__.f{next}(x, )\n  \
             v = fork(__forked_function0)\n  return torch.add(torch.wait(v), 1)"
        );
    }
    let _ = writeln!(code, "def f{depth}(x: Tensor) -> Tensor:\n  return torch.add(x, 1)");
    program(&code, vec![scalar(0.5)])
}

#[test]
fn waits_of_any_depth_take_one_thread() {
    let program = nested(1000);
    for threads in [1, 2, 4] {
        assert_eq!(result(run(&program, &Limits::default(), threads)), "1001.5\n[ CPUFloatType{} ]");
    }
}

#[test]
fn a_hundred_thousand_forks_one_by_one_keep_little() {
    let code = "    x: Tensor,\n    n: int) -> Tensor:\n    y = x\n    for i in range(n):\n      def __forked_function0():\n        \
                return __torch__.f(y, )\n      v = fork(__forked_function0)\n      y = torch.wait(v)\n    return y\n\
                def f(y: Tensor) -> Tensor:\n  return torch.add(y, 1)\n";
    let program = program(code, vec![scalar(0.0), Value::Int(100_000)]);
    // A tensor of one element each is charged 8 bytes; as long as results of earlier forks go, a few live at once.
    let limits = Limits { memory: 4096, tasks: 8, ..Limits::default() };
    for threads in [1, 2] {
        assert_eq!(result(run(&program, &limits, threads)), "100000\n[ CPUFloatType{} ]");
    }
}

#[test]
fn tasks_that_nobody_waits_for_are_finished() {
    let code = "    x: Tensor) -> Tensor:\n    def __forked_function0():\n      return __torch__.f(x, )\n    \
                v = fork(__forked_function0)\n    return torch.add(x, 1)\n\
                def f(x: Tensor) -> Tensor:\n  print(\"done\")\n  return torch.add(x, 1)\n";
    let program = program(code, vec![scalar(1.0)]);
    for threads in [1, 2, 4] {
        let ran = run(&program, &Limits::default(), threads);
        assert_eq!(ran.printed.text, "done\n");
        assert_eq!(result(ran), "2\n[ CPUFloatType{} ]");
    }
}

#[test]
fn warnings_are_no_part_of_what_is_printed() {
    let code = "    x: Tensor) -> Tensor:\n    for i in range(3):\n      torch.warn(\"again\", 2)\n    print(\"done\")\n    \
                torch.warn(\"once\", 2)\n    return x\n";
    let program = program(code, vec![scalar(1.0)]);
    let ran = run(&program, &Limits::default(), 1);
    assert_eq!(ran.printed.text, "done\n");
    assert_eq!(ran.printed.warnings, ["again", "again", "again", "once"]);
    assert_eq!(ran.printed.different_warnings().collect::<Vec<_>>(), ["again", "once"]);
}

#[test]
fn errors_come_through_waits_with_their_trail() {
    let case = cases().into_iter().find(|case| case.name == "a13_raise").expect("it is there");
    let program = case.program().expect("it loads");
    let first = explore(&program, &Config { strategy: Spec::ChildFirst, ..Config::default() });
    let expected = program.error_text(first.outcomes[0].outcome.error.as_ref().expect("it raises"));
    for threads in [1, 2, 4] {
        let ran = run(&program, &Limits::default(), threads);
        let raised = ran.result.expect("it ends").expect_err("it raises");
        assert_eq!(program.error_text(&raised), expected);
    }
}

#[test]
fn limits_end_a_run() {
    let forever =
        "    x: Tensor) -> Tensor:\n    n = 0\n    _0 = True\n    while _0:\n      n = torch.add(n, 1)\n    return x\n";
    let limits = Limits { steps: 100_000, ..Limits::default() };
    let ran = run(&program(forever, vec![scalar(1.0)]), &limits, 2);
    assert_eq!((ran.cut, ran.result.is_none()), (Some(Cut::Steps(100_000)), true));
    let large = "    x: Tensor) -> Tensor:\n    return torch.zeros([1000, 1000])\n";
    let ran = run(&program(large, vec![scalar(1.0)]), &Limits { memory: 1000, ..Limits::default() }, 2);
    assert!(matches!(ran.cut, Some(Cut::Memory(_))), "{:?}", ran.cut);
    let many = run(&nested(100), &Limits { tasks: 50, ..Limits::default() }, 2);
    assert_eq!(many.cut, Some(Cut::Tasks(50)));
}
