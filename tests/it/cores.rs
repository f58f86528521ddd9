//! A report does not depend on how many cores made it.

use forkcheck::audit::audit;
use forkcheck::report::Assurance;
use forkcheck::{Atomicity, Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::cases;

#[test]
fn one_thread_and_several_give_the_same_report() {
    for case in cases() {
        let program = case.program().expect("it loads");
        for strategy in [Spec::Auto, Spec::States, Spec::Random] {
            // Enough runs for several blocks, the last of them not full.
            let report =
                |jobs| audit(&program, &Config { strategy, executions: 150, jobs, ..Config::default() }).to_json();
            let one = report(1);
            for jobs in [2, 3] {
                assert_eq!(report(jobs), one, "{} under {strategy} with {jobs} threads", case.name);
            }
        }
    }
}

/// `count` tasks that each store a number of their own in the one element of the input.
fn writers(count: usize) -> Program {
    let forks: String = (0..count)
        .map(|task| {
            format!(
                "    def __forked_function{task}() -> Tensor:\n      return torch.fill_(x, {task})\n    f{task} = fork(__forked_function{task})\n"
            )
        })
        .collect();
    let waits: String = (0..count).map(|task| format!("    _{task} = torch.wait(f{task})\n")).collect();
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  def forward(self: __torch__.M, x: Tensor) -> Tensor:\n{forks}{waits}    return x\n"
    );
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1], &[-1.0f32]).expect("one element");
    program_of(&code, &[], vec![Value::Tensor(x)])
}

#[test]
fn every_stage_of_auto_is_reached_and_does_not_depend_on_threads() {
    for (count, executions, assurance, rests_on, distinct) in [
        // 3! orders.
        (3, 10_000, Assurance::Exhausted, "every schedule that could differ was run (6 executions)", 3),
        // 6! = 720 orders are more than a few executions; 6 · 2^5 + 1 states are not many. One more when main has looked.
        (6, 10_000, Assurance::Exhausted, "every state", 6),
        // 9 · 2^8 + 1 states are more than a hundred for each execution: of 9! orders some are drawn.
        (9, 22, Assurance::Sampled, "22 executions", 9),
    ] {
        let program = writers(count);
        let report = |jobs| {
            let config = Config { executions, jobs, atomicity: Atomicity::Op, ..Config::default() };
            audit(&program, &config)
        };
        let one = report(1);
        assert_eq!(one.assurance, Some(assurance), "{count} writers: {:?}", one.rests_on);
        assert!(one.rests_on.as_ref().is_some_and(|basis| basis.contains(rests_on)), "{count}: {:?}", one.rests_on);
        let outcomes = one.outcomes.as_ref().expect("it was run");
        assert!(outcomes.distinct <= distinct && (outcomes.distinct == distinct || !outcomes.complete), "{outcomes:?}");
        for jobs in [2, 3] {
            assert_eq!(report(jobs).to_json(), one.to_json(), "{count} writers with {jobs} threads");
        }
    }
}
