//! An awaitable is computed by whoever waits first, and remembers: that is a write, and what comes of it may depend on who it is.

use forkcheck::Config;
use forkcheck::audit::audit;
use forkcheck::report::Assurance;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::program_of;

use super::proofs::{READ, code, fork, indented, kinds, ran, said};

#[test]
fn whoever_computes_an_awaitable_writes_it() {
    // Two tasks wait for one awaitable, which reads what the first of them writes afterwards.
    let make = "y = torch.add(x, 1)\ndef __awaitable_function():\n  return __torch__.read(y, )\na = awaitable(__awaitable_function)\n";
    let wait = |change: &str| {
        format!(
            "{READ}def look(a: Await[Tensor],\n    y: Tensor) -> Tensor:\n  r = ops.prim.awaitable_wait(a)\n{change}  return r\n"
        )
    };
    let (own, write) = ("s = ops.prim.awaitable_wait(a)\n", "  _0 = torch.add_(y, 1)\n");
    let end = "r = torch.wait(f)\n";
    for (main, functions, said_of_it, runs) in [
        // Before the fork: it remembers already. That is only known when it runs.
        (format!("{make}{own}{}{end}return s", fork("f", "look", "a, y")), wait(""), vec!["input-mutation"], vec![]),
        // The fork is the first, and the caller comes after it.
        (
            format!("{make}{}{end}{own}return s", fork("f", "look", "a, y")),
            wait(""),
            vec!["input-mutation"],
            vec!["input-mutation"],
        ),
        (
            format!("{make}{}{own}{end}return s", fork("f", "look", "a, y")),
            wait(write),
            vec!["input-mutation", "input-mutation", "parent-mutation"],
            vec!["input-mutation", "input-mutation", "parent-mutation"],
        ),
        // Each has its own.
        (
            format!("{}{make}{own}{end}return s", fork("f", "alone", "x")),
            format!(
                "{READ}def alone(x: Tensor) -> Tensor:\n{}  return ops.prim.awaitable_wait(a)\n",
                indented(&make.replace("function", "function0"), 1)
            ),
            vec![],
            vec![],
        ),
    ] {
        let mut sorted = kinds(&said(&main, &functions));
        sorted.sort_unstable();
        assert_eq!(sorted, said_of_it, "{main}{functions}");
        let mut sorted = ran(&code(&main, &functions), &[Value::Bool(true), Value::Int(2)]);
        sorted.sort_unstable();
        assert_eq!(sorted, runs, "{main}{functions}");
    }
}

#[test]
fn a_race_for_an_awaitable_has_all_its_results() {
    let main = format!(
        "y = torch.add(x, 1)\ndef __awaitable_function():\n  return __torch__.read(y, )\na = awaitable(__awaitable_function)\n{}s = \
         ops.prim.awaitable_wait(a)\nr = torch.wait(f)\nreturn s",
        fork("f", "look", "a, y")
    );
    let look = "def look(a: Await[Tensor],\n    y: Tensor) -> Tensor:\n  r = ops.prim.awaitable_wait(a)\n  _0 = torch.add_(y, 1)\n  return r\n";
    let code = code(&main, &format!("{READ}{look}"));
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = Tensor::from_vec(&mut allocator, &[2], &[1i64, 2]).expect("it is small");
    let inputs = vec![Value::Tensor(x), Value::Bool(true), Value::Int(2)];
    // The caller begins before the fork has computed it, and reads before or after the write.
    for strategy in [Spec::Auto, Spec::Dfs, Spec::Dpor, Spec::States, Spec::Loom] {
        let report = audit(&program_of(&code, &[], inputs.clone()), &Config { strategy, ..Config::default() });
        let outcomes = report.outcomes.as_ref().map(|outcomes| outcomes.distinct);
        assert_eq!((outcomes, report.assurance), (Some(2), Some(Assurance::Exhausted)), "{strategy}");
    }
}
