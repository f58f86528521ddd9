//! Schedules last: strings of earlier versions, the lengths of those of today, and failures that are told in time.

use std::sync::{Arc, Mutex};

use forkcheck::audit::audit;
use forkcheck::config::Limits;
use forkcheck::explore::repeat::{self, Difference};
use forkcheck::machine::access::Thing;
use forkcheck::machine::{ChildFirst, Event, Go, Guide, Machine};
use forkcheck::report::Witness;
use forkcheck::{Atomicity, Config};
use forkcheck_scheduler::Schedule;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_tests::{case, cases};

/// Strings that version 0.1.0 made, with the digest of the outcome. None of them may ever mean anything else.
const FROZEN: [(&str, &str, &str); 7] = [
    ("b14_parent_writes", "fc1.split.nqqkq.aeqc65dporqwyizqaiak2zd2wj3a.5eszami", "c15c8ab9e28c7c3400fc89081589f6c9"),
    (
        "b30_nested_counter",
        "fc1.split.lfgik.ajcc6ztpoj3wc4teemyc63tporssgmbdauys63tporssgmadaj3iotlfxedqgaa.h7sw7dy",
        "3f4c9616161b561f6a799927496fc405",
    ),
    (
        "b18_aggregator",
        "fc1.split.drfa2.aiuc6ztpoj3wc4teemyqkmqdajcvvcz3ridqgaa.ongysua",
        "95ab1032bb9d3ded7165b8682c332c29",
    ),
    (
        "b34_unwaited_list",
        "fc1.op.klj6q.aioc653pojvsgmafgebqb3iy7vqc6bqbaadacaa.togtmxi",
        "18675faa54e600d34bc16b551830e1e5",
    ),
    (
        "b15_unwaited_mutation",
        "fc1.split.34yfc.aesc6zdpovrgyzjdgabaei47qkdvm.z6uwtfa",
        "7a28895366d5b0a0e7a87fc4371e70b2",
    ),
    ("b37_swap", "fc1.op.mkjh2.aeoc643xmfycgmacaboixjwxvy.s6appja", "b0fc36233d88de54a117170e33f6976d"),
    ("b08_list_append", "fc1.split.2sosw.aeoc64dvonucgmacacjiribnz4.xxocw7q", "ce56069fc02ae45a38d6660a152a36e2"),
];

#[test]
fn schedules_of_earlier_versions_mean_what_they_meant() {
    for (name, text, digest) in FROZEN {
        let program = case(name).program().expect("it loads");
        let schedule: Schedule = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let (report, replayed) =
            forkcheck::replay::replay_report(&program, &Config::default(), &schedule, Mode::Strict);
        assert_eq!(replayed.stale, None, "{name}: {text}");
        assert_eq!(report.outcomes.expect("it was run").witnesses[0].digest, digest, "{name}: {text}");
    }
    // What is frozen: a second deviation, the second half of an operator, forks in forks.
    let schedules: Vec<Schedule> = FROZEN.iter().map(|(_, text, _)| text.parse().expect("it was just read")).collect();
    let deviations = || schedules.iter().flat_map(|schedule| &schedule.deviations);
    assert!(schedules.iter().any(|schedule| schedule.deviations.len() == 2));
    assert!(deviations().any(|deviation| deviation.at.phase == 1));
    assert!(deviations().any(|deviation| deviation.at.task.matches('/').count() == 2));
}

/// One switch or two take no more than 80 characters, unless it is between forks of forks; and no sample needs more than
/// three.
#[test]
fn schedules_are_short() {
    for case in cases() {
        let program = case.program().expect("it loads");
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            let report = audit(&program, &Config { atomicity, ..Config::default() });
            for Witness { schedule: text, .. } in report.outcomes.expect("it was run").witnesses {
                let schedule: Schedule = text.parse().expect("what was printed can be read");
                assert!(schedule.deviations.len() <= 3, "{}: {text}", case.name);
                let nested = |path: &str| path.matches('/').count() > 1;
                let long =
                    schedule.deviations.iter().any(|deviation| nested(&deviation.at.task) || nested(&deviation.to));
                assert!(text.len() <= 80 || long || schedule.deviations.len() > 2, "{}: {text}", case.name);
            }
        }
    }
}

/// A search that is killed must not lose what it has found: the failure is told once, while executions are left.
#[test]
fn a_second_outcome_is_told_as_soon_as_it_is_in_hand() {
    let program = case("b25_rnn_state").program().expect("it loads");
    let told = Arc::new(Mutex::new(Vec::new()));
    let progress = Arc::new(Mutex::new(0));
    let (tell, count, at) = (told.clone(), progress.clone(), progress.clone());
    let config = Config {
        found: Some(Arc::new(move |witnesses| {
            tell.lock().expect("no panic").push((witnesses.clone(), *at.lock().expect("no panic")));
        })),
        watch: Some(Arc::new(move |_| *count.lock().expect("no panic") += 1)),
        ..Config::default()
    };
    audit(&program, &config);
    let told = told.lock().expect("no panic");
    let [(witnesses, before)] = &told[..] else { panic!("told {} times", told.len()) };
    assert!(*before < *progress.lock().expect("no panic") / 2, "told after {before}");
    assert_ne!(witnesses[0].digest, witnesses[1].digest);
    for witness in witnesses {
        let schedule = witness.schedule.parse().expect("a schedule");
        let (report, _) = forkcheck::replay::replay_report(&program, &Config::default(), &schedule, Mode::Strict);
        assert_eq!(report.outcomes.expect("it was run").witnesses[0].digest, witness.digest);
    }
}

/// Lets an event happen as the default order would, but not the same each time: what it is about to touch has changed.
struct Flaky {
    /// Which event, from 0.
    at: usize,
    seen: usize,
}

impl Guide for Flaky {
    fn before(&mut self, _: &Machine, event: &Event<'_>) -> Go {
        if self.seen == self.at {
            let storages = event.touches.iter().filter_map(|touch| match &touch.thing {
                Thing::Storage(storage) => Some(storage),
                _ => None,
            });
            for storage in storages {
                storage.update(|content| content.bytes_mut()[0] ^= 1);
            }
        }
        self.seen += 1;
        Go::On
    }
}

/// A program of ours repeats itself; one with an operator that gives something else each time is found out, and the
/// operator is named.
#[test]
fn hidden_nondeterminism_is_named() {
    for name in ["b01_counter_buffer", "b25_rnn_state", "b04_dropout_train", "b15_unwaited_mutation"] {
        let program = case(name).program().expect("it loads");
        let report = audit(&program, &Config::default());
        for witness in report.outcomes.expect("it was run").witnesses {
            let schedule = witness.schedule.parse().expect("a schedule");
            assert_eq!(repeat::check(&program, &schedule, &Limits::default()), None, "{name}");
        }
    }
    let program = case("b14_parent_writes").program().expect("it loads");
    let diverges = |at: usize| {
        let (atomicity, limits) = (Atomicity::Op, Limits::default());
        repeat::compare(&program, atomicity, &limits, &mut ChildFirst, &mut Flaky { at, seen: 0 })
    };
    // y = x.clone(), the child's y.sum(), y.add_(1.0), the sum of both, and the look.
    let events = ["aten::clone at source.py:12", "aten::sum at source.py:7", "aten::add_ at source.py:14"];
    for (index, event) in events.into_iter().enumerate() {
        let divergence = diverges(index).unwrap_or_else(|| panic!("event {index} is noticed"));
        assert_eq!((divergence.index, divergence.what), (index, Difference::State), "{divergence}");
        assert!(divergence.event.as_ref().is_some_and(|found| found.starts_with(event)), "{divergence}");
    }
    assert_eq!(diverges(1000), None, "no such event");
}
