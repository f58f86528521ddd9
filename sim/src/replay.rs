//! Schedules that are repeated: what they lead to today, as a report without verdict.

use std::collections::BTreeSet;

use forkcheck_scheduler::strategy::replay::{Mode, Stale};
use forkcheck_scheduler::{Deviation, Schedule};

use crate::config::Config;
use crate::execution::{Cut, Execution, Subject};
use crate::explore::Seen;
use crate::explore::schedule::{Replayed, replay};
use crate::report::build::{finding_report, witness};
use crate::report::{Outcomes, Report, Stats, Witness};

/// What repeating several schedules has shown.
#[derive(Debug)]
pub struct Repeated {
    /// The report: without verdict, with a witness for each schedule that was carried through.
    pub report: Report,
    /// The first deviation that did not apply, if a strict replay met one.
    pub stale: Option<Stale>,
    /// The deviations that lenient replays left out.
    pub skipped: Vec<Deviation>,
    /// Why an execution was cut.
    pub cut: Option<String>,
}

impl Repeated {
    /// The schedules that were carried through, and their outcomes.
    pub fn witnesses(&self) -> &[Witness] {
        self.report.outcomes.as_ref().map_or(&[], |outcomes| &outcomes.witnesses)
    }
}

/// Repeats several schedules in one report, with the findings of the last.
///
/// # Panics
/// If there are none.
pub fn repeat<S: Subject>(program: &S, config: &Config, schedules: &[Schedule], mode: Mode) -> Repeated {
    let mut all: Option<Repeated> = None;
    let mut at_rest = BTreeSet::new();
    for schedule in schedules {
        let (mut report, replayed) = replay_report(program, config, schedule, mode);
        at_rest.extend(replayed.outcome.as_ref().map(|outcome| outcome.digests.1));
        let mut cut = replayed.execution.cut().map(Cut::to_string);
        let (mut stale, mut skipped) = (replayed.stale, replayed.skipped);
        if let Some(before) = all.take() {
            let (outcomes, stats) = (report.outcomes.as_mut().expect("it was run"), &mut report.stats);
            outcomes.witnesses.splice(0..0, before.witnesses().iter().cloned());
            let digests: BTreeSet<&str> = outcomes.witnesses.iter().map(|witness| &*witness.digest).collect();
            (outcomes.distinct, outcomes.distinct_at_rest) = (digests.len(), at_rest.len());
            stats.executions = Some(stats.executions.unwrap_or(0) + before.report.stats.executions.unwrap_or(0));
            stats.steps += before.report.stats.steps;
            stats.tasks = stats.tasks.max(before.report.stats.tasks);
            stale = before.stale.or(stale);
            cut = before.cut.or(cut);
            skipped.splice(0..0, before.skipped);
        }
        all = Some(Repeated { report, stale, skipped, cut });
    }
    let mut all = all.expect("a schedule to repeat");
    if let ([first, second], None, None) = (schedules, &all.stale, &all.cut)
        && let Some(outcomes) = &mut all.report.outcomes
    {
        outcomes.first_difference = program.difference(config, first, second);
    }
    all
}

/// Repeats one schedule: the report has no verdict, one witness, and says whether the schedule still applies.
pub fn replay_report<S: Subject>(
    program: &S,
    config: &Config,
    schedule: &Schedule,
    mode: Mode,
) -> (Report, Replayed<S::Execution>) {
    let mut replayed = replay(program, schedule, mode, &config.limits);
    replayed.findings.judge_pools(replayed.execution.names());
    let (findings, names) = (&replayed.findings, replayed.execution.names());
    let witnesses = replayed.outcome.iter().map(|outcome| {
        let seen = Seen { outcome: outcome.clone(), order: None, hot: Default::default(), drawn: None };
        witness(program, schedule, &seen)
    });
    let report = Report {
        schema_version: 1,
        program: program.name().to_string(),
        method: program.method().to_string(),
        verdict: None,
        assurance: None,
        rests_on: None,
        atomicity: schedule.atomicity.to_string(),
        strategy: "replay".to_string(),
        forks: Vec::new(),
        findings: findings.iter().map(|finding| finding_report(program, names, finding)).collect(),
        possible: Vec::new(),
        outcomes: Some(Outcomes {
            distinct: usize::from(replayed.outcome.is_some()),
            distinct_at_rest: usize::from(replayed.outcome.is_some()),
            complete: false,
            missed: None,
            error: replayed
                .outcome
                .as_ref()
                .and_then(|outcome| outcome.error.as_ref())
                .map(|error| program.error_text(error)),
            witnesses: witnesses.collect(),
            first_difference: None,
        }),
        stats: Stats {
            executions: Some(u64::from(replayed.outcome.is_some())),
            steps: replayed.execution.steps(),
            tasks: replayed.execution.task_count(),
            ..Stats::default()
        },
        replay: None,
        notes: replayed.execution.cut().map(Cut::to_string).into_iter().collect(),
    };
    (report, replayed)
}
