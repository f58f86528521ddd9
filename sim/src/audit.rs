//! The whole way of an audit in one function: a program and a configuration in, a report out.

use forkcheck_scheduler::Schedule;
use forkcheck_scheduler::strategy::replay::Mode;

use crate::check::{Deed, Finding, Findings, Key, Kind};
use crate::config::Config;
use crate::execution::{Cut, Outcome, Subject};
use crate::explore::repeat::check;
use crate::explore::schedule::{self, replay, shorten};
use crate::explore::{Coverage, Exploration, Seen, explore};
use crate::report::Report;
use crate::report::build::{self, Told};

/// How many different outcomes a report shows.
const WITNESSES: usize = 4;

/// How many executions go into making schedules shorter.
const SHRINK_RUNS: usize = 128;

/// How many schedules are made shorter, to show the simplest.
const WITNESSES_SHRUNK: usize = 2 * WITNESSES;

/// Of how many outcomes the schedules are compared.
const WITNESSES_RECORDED: usize = 24;

/// Runs `program` under every schedule that matters, and says what is wrong with it.
pub fn audit<S: Subject>(program: &S, config: &Config) -> Report {
    let mut exploration = explore(program, config);
    let admitted = admit_stored(program, config, &mut exploration);
    exploration.tell_second(program, config, None);
    let mut findings = exploration.findings.clone();
    add_cut(program, &exploration, &mut findings);
    findings.judge_pools(&exploration.names);
    let (witnesses, unrepeated) = witnesses(program, config, &exploration);
    let unrepeatable = !unrepeated.is_empty() || matches!(exploration.cut, Some(Cut::Unrepeatable(_)));
    let notes = [build::notes(&exploration, config, admitted), unrepeated].concat();
    build::report(program, config, &exploration, Told { findings: &findings, witnesses, unrepeatable, notes })
}

/// Two outcomes that were once seen are in hand whatever this exploration has met. Where it has met two itself, nothing
/// is added: a report is the same with stored failures and without.
fn admit_stored<S: Subject>(program: &S, config: &Config, exploration: &mut Exploration) -> usize {
    if exploration.outcomes.len() != 1 {
        return 0;
    }
    let admitted = schedule::admit(program, config, exploration);
    if admitted > 0 {
        exploration.coverage = Coverage::Sampled;
    }
    admitted
}

/// An operator that could not be executed is a finding too.
fn add_cut<S: Subject>(program: &S, exploration: &Exploration, findings: &mut Findings) {
    if let Some(Cut::Opaque { operator, reason, stack, task }) = &exploration.cut {
        let span = program.user_span(stack);
        let key = Key {
            kind: Kind::OpaqueOperator,
            deed: Deed::Node(stack[0]),
            line: span.map(|span| (span.file().to_string(), span.line())),
            fork: None,
            circle: Vec::new(),
        };
        let finding = Finding {
            kind: Kind::OpaqueOperator,
            operator: operator.clone(),
            targets: vec![reason.clone()],
            stack: stack.clone(),
            fork: None,
            task: *task,
            race: None,
            waits: Vec::new(),
        };
        findings.add(key, finding);
    }
}

/// Schedules with different outcomes: the default order first, then those that deviate least from it. Each was made
/// short, and repeated. And what is to be said where one could not be.
fn witnesses<'a, S: Subject>(
    program: &S,
    config: &Config,
    exploration: &'a Exploration,
) -> (Vec<(Schedule, &'a Seen)>, Vec<String>) {
    let (mut recorded, mut notes) = (Vec::new(), Vec::new());
    for seen in exploration.outcomes.iter().take(WITNESSES_RECORDED) {
        match schedule::of(program, config, &exploration.names, seen) {
            Some(schedule) => recorded.push((schedule, seen)),
            None => notes
                .push("the order of an execution could not be followed again: the program is not deterministic".into()),
        }
    }
    // Stable: of two that deviate as little, the one that was seen first.
    recorded.sort_by_key(|(schedule, _)| schedule.deviations.len());
    let repeated = |schedule: &Schedule, seen: &Seen| {
        let replayed = replay(program, schedule, Mode::Strict, &config.limits);
        replayed.stale.is_none() && replayed.outcome.is_some_and(|outcome| outcome.same_as(&seen.outcome))
    };
    let (mut witnesses, mut runs) = (Vec::new(), SHRINK_RUNS);
    for (schedule, seen) in recorded.into_iter().take(WITNESSES_SHRUNK) {
        let wanted = |outcome: &Outcome| outcome.same_as(&seen.outcome);
        let short = shorten(program, schedule.clone(), &exploration.hot, &config.limits, runs, wanted);
        runs -= short.runs;
        match [&short.schedule, &schedule].into_iter().find(|schedule| repeated(schedule, seen)) {
            Some(schedule) => witnesses.push((schedule.clone(), seen)),
            None => {
                let why = check(program, &schedule, &config.limits);
                let why = why.map_or("it leads elsewhere".to_string(), |divergence| divergence.to_string());
                notes.push(format!("the schedule {schedule} could not be repeated: {why}"));
            }
        }
    }
    witnesses.sort_by_key(|(schedule, _)| schedule.deviations.len());
    witnesses.truncate(WITNESSES);
    notes.dedup();
    notes.iter().for_each(|note| tracing::error!("{}: {note}", program.name()));
    (witnesses, notes)
}
