//! A report does not depend on how many cores made it.

use forkcheck::{Config, audit};
use forkcheck_scheduler::Spec;
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
