//! Every sample program gets the verdict, the effects and the outcomes that are known to be true of it.

use forkcheck::audit::audit;
use forkcheck::report::{Assurance, Report};
use forkcheck::{Atomicity, Config};
use forkcheck_scheduler::Schedule;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_tests::{Case, Effects, cases};

/// Holds every case against `wrong`, which says what is wrong with it, and fails with all complaints.
fn check(wrong: impl Fn(&Case) -> Vec<String>) {
    let complaints: Vec<String> =
        cases().iter().flat_map(|case| wrong(case).into_iter().map(|text| format!("{}: {text}", case.name))).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn report(case: &Case, atomicity: Atomicity) -> Report {
    let program = case.program().unwrap_or_else(|error| panic!("{}: {error}", case.name));
    audit(&program, &Config { atomicity, ..Config::default() })
}

fn unequal<T: PartialEq + std::fmt::Debug>(what: &str, found: T, truth: T) -> Option<String> {
    (found != truth).then(|| format!("{what}: found {found:?}, truth {truth:?}"))
}

#[test]
fn verdicts_effects_and_outcomes_are_true() {
    check(|case| {
        let report = report(case, Atomicity::Op);
        let mut wrong = Vec::new();
        wrong.extend(unequal("verdict", report.verdict.expect("an audit has one").name(), case.verdict()));
        wrong.extend(unequal("exit code", report.exit_code(), u8::from(case.verdict() != "pure")));
        let found: Effects = report
            .findings
            .iter()
            .filter(|finding| finding.severity == "error")
            .map(|finding| {
                let line = |line: Option<u32>| line.map_or(0, u64::from);
                let (kind, operator, target) =
                    (finding.kind.to_string(), finding.operator.clone(), finding.target.clone());
                (kind, operator, target, line(finding.line), line(finding.fork_line))
            })
            .collect();
        wrong.extend(unequal("effects", found, case.effects()));
        let outcomes = report.outcomes.as_ref().expect("it was run");
        let count = |key: &str| case.truth[key].as_u64().expect("a count") as usize;
        wrong.extend(unequal("distinct outcomes", outcomes.distinct, count("outcomes")));
        wrong.extend(unequal("distinct outcomes at rest", outcomes.distinct_at_rest, count("outcomes_at_rest")));
        wrong.extend(unequal("complete", outcomes.complete, true));
        if let Some(error) = case.truth["error"].as_str() {
            let found = outcomes.error.clone().unwrap_or_default();
            wrong.extend((!found.contains(error)).then(|| format!("error: found {found:?}, truth {error:?}")));
        }
        wrong
    });
}

#[test]
fn a_program_without_races_is_certified_by_one_execution() {
    check(|case| {
        let report = report(case, Atomicity::Split);
        let racing = report.findings.iter().any(|finding| finding.race.is_some());
        let certified = report.assurance == Some(Assurance::Certified);
        let executions = report.stats.executions;
        let mut wrong: Vec<String> = unequal("certified", certified, !racing).into_iter().collect();
        wrong.extend(unequal("certified by one execution", certified, executions == Some(1)));
        if case.truth["interleavings"] == 1 {
            wrong.extend(unequal("race-free", !racing, true));
        }
        wrong
    });
}

#[test]
fn a_pure_program_is_race_free() {
    check(|case| {
        let report = report(case, Atomicity::Split);
        let pure = report.verdict.expect("an audit has one").name() == "pure";
        let certified = report.assurance == Some(Assurance::Certified);
        (pure && !certified).then(|| "pure, but not certified".to_string()).into_iter().collect()
    });
}

#[test]
fn every_witness_is_replayed_from_its_text() {
    check(|case| {
        let program = case.program().expect("it was loaded before");
        let mut wrong = Vec::new();
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            let report = audit(&program, &Config { atomicity, ..Config::default() });
            let outcomes = report.outcomes.expect("it was run");
            wrong.extend(unequal("witnesses", outcomes.witnesses.len(), outcomes.distinct.min(4)));
            for witness in outcomes.witnesses {
                let schedule: Schedule = witness.schedule.parse().expect("what was printed can be read");
                let (replayed, _) =
                    forkcheck::replay::replay_report(&program, &Config::default(), &schedule, Mode::Strict);
                let again = &replayed.outcomes.expect("it was run").witnesses[0];
                wrong.extend(unequal("digest of a replay", &again.digest, &witness.digest));
            }
        }
        wrong
    });
}

#[test]
fn results_are_those_of_pytorch() {
    check(|case| {
        let program = case.program().expect("it was loaded before");
        let schedule = Schedule::new(Atomicity::Split, forkcheck::explore::schedule::program_tag(&program));
        let limits = Default::default();
        let (replayed, looks) =
            forkcheck::explore::schedule::replay_and_look(&program, &schedule, Mode::Strict, &limits);
        let Some((at_return, _)) = looks else {
            return vec![format!("no result: {:?}", replayed.execution.cut())];
        };
        match at_return.result {
            None => (case.truth["error"].is_null()).then(|| "it raises".to_string()).into_iter().collect(),
            Some(result) => {
                let difference =
                    forkcheck_model::difference::close("output", &result, &case.saved("expected.pt"), 1e-4, 1e-5);
                difference.map(|difference| format!("the result differs: {difference:?}")).into_iter().collect()
            }
        }
    });
}
