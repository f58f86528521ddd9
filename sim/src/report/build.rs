//! From what was explored to what is said of it.

use std::collections::BTreeSet;

use forkcheck_model::graph::Span;
use forkcheck_model::value::Value;
use forkcheck_scheduler::{Schedule, Tasks};

use super::{
    Assurance, FindingReport, ForkReport, FrameReport, MissedReport, Outcomes, Places, RaceReport, RemedyReport,
    Report, Stats, Verdict, WaitReport, Witness,
};
use crate::check::{Finding, Findings, Kind, Severity, StuckWait};
use crate::config::Config;
use crate::execution::{Cut, Site, Subject};
use crate::explore::{Basis, Coverage, Exploration, Missed, Seen};

/// What an audit has come to, beside the exploration.
pub(crate) struct Told<'a> {
    /// Everything that is wrong.
    pub(crate) findings: &'a Findings,
    /// Schedules with different outcomes.
    pub(crate) witnesses: Vec<(Schedule, &'a Seen)>,
    /// Whether executions could not be repeated: then nothing is known of what they lead to.
    pub(crate) unrepeatable: bool,
    /// Sentences for the reader.
    pub(crate) notes: Vec<String>,
}

/// The report of an audit.
pub(crate) fn report<S: Subject>(program: &S, config: &Config, exploration: &Exploration, told: Told<'_>) -> Report {
    let verdict = verdict(exploration, &told);
    let Told { findings, witnesses, notes, .. } = told;
    let first_difference = match &witnesses[..] {
        [(first, _), (second, _), ..] => program.difference(config, first, second),
        _ => None,
    };
    let distinct_at_rest: BTreeSet<u128> = exploration.outcomes.iter().map(|seen| seen.outcome.digests.1).collect();
    let complete = exploration.coverage != Coverage::Sampled;
    Report {
        schema_version: 1,
        program: program.name().to_string(),
        method: program.method().to_string(),
        verdict: Some(verdict),
        assurance: (verdict != Verdict::Unknown).then_some(match exploration.coverage {
            Coverage::Certified => Assurance::Certified,
            Coverage::Exhausted => Assurance::Exhausted,
            Coverage::Sampled => Assurance::Sampled,
        }),
        rests_on: (verdict != Verdict::Unknown).then(|| rests_on(exploration, config)),
        atomicity: config.atomicity.to_string(),
        strategy: config.strategy.to_string(),
        forks: forks(program, exploration),
        findings: findings.iter().map(|finding| finding_report(program, &exploration.names, finding)).collect(),
        possible: Vec::new(),
        replay: witnesses.get(1).map(|(schedule, _)| program.replay_command(schedule)),
        outcomes: Some(Outcomes {
            distinct: exploration.outcomes.len(),
            distinct_at_rest: distinct_at_rest.len(),
            complete,
            missed: exploration
                .missed
                .filter(|_| !complete)
                .map(|missed| MissedReport { depth: missed.depth, chance: missed.chance }),
            error: common_error(program, exploration),
            witnesses: witnesses.iter().map(|(schedule, seen)| witness(program, schedule, seen)).collect(),
            first_difference,
        }),
        stats: Stats {
            executions: Some(exploration.executions),
            discarded: exploration.discarded,
            steps: exploration.steps,
            states: exploration.states,
            tasks: exploration.tasks,
            seconds: 0.0,
        },
        notes,
    }
}

fn verdict(exploration: &Exploration, told: &Told<'_>) -> Verdict {
    let Told { findings, witnesses, unrepeatable, .. } = told;
    let wrong = findings.iter().any(|finding| finding.kind.severity() == Severity::Error);
    let opaque = findings.iter().any(|finding| finding.kind == Kind::OpaqueOperator);
    match exploration.outcomes.len() {
        // Two outcomes are in hand only if both can be had again.
        2.. if witnesses.len() >= 2 || !unrepeatable => Verdict::Nondeterministic,
        _ if *unrepeatable => Verdict::Unknown,
        0 => Verdict::Unknown,
        _ if opaque => Verdict::Unknown,
        _ if wrong => Verdict::Impure,
        _ => Verdict::Pure,
    }
}

/// What the verdict rests on, in a sentence.
fn rests_on(exploration: &Exploration, config: &Config) -> String {
    let Exploration { executions, states, .. } = exploration;
    match (exploration.coverage, exploration.basis) {
        (Coverage::Certified, _) => {
            "on this input no two accesses race, so every schedule gives this result".to_string()
        }
        (Coverage::Exhausted, Basis::States) => {
            format!("on this input every state that a schedule leads to was visited ({states} states)")
        }
        (Coverage::Exhausted, _) => {
            format!("on this input every schedule that could differ was run ({executions} executions)")
        }
        (Coverage::Sampled, Basis::One) => "on this input one execution was run; others may differ".to_string(),
        (Coverage::Sampled, Basis::Executions) => {
            format!("on this input {executions} executions were run that could differ; there are others")
        }
        (Coverage::Sampled, Basis::States) => format!("on this input {states} states were visited; there are others"),
        (Coverage::Sampled, Basis::Samples) => {
            let missed = exploration.missed.map(|missed| {
                let Missed { depth, chance } = missed;
                format!(
                    "; what takes {depth} steps in a certain order was missed with a chance of at most {}",
                    percent(chance)
                )
            });
            let (strategy, missed) = (config.strategy, missed.unwrap_or_default());
            format!("on this input {executions} executions were run under {strategy}; others may differ{missed}")
        }
    }
}

/// A bound in words. Rounded up, so that it is still one.
fn percent(chance: f64) -> String {
    let hundredths = (chance * 10_000.0).ceil().clamp(1.0, 10_000.0);
    format!("{:.2} %", hundredths / 100.0)
}

/// A schedule and its outcome, for a report.
pub(crate) fn witness<S: Subject>(program: &S, schedule: &Schedule, seen: &Seen) -> Witness {
    let (at_return, at_rest) = seen.outcome.digests;
    let digest = xxhash_rust::xxh3::xxh3_128(
        format!("{at_return:032x}{at_rest:032x}{}", seen.outcome.deadlock.is_empty()).as_bytes(),
    );
    let mut summary = match (&seen.outcome.error, seen.outcome.deadlock.is_empty()) {
        (_, false) => "deadlock".to_string(),
        (Some(raised), _) => format!("raises {}", super::message_line(&program.error_text(raised))),
        (None, _) => format!("result {:08x}", (at_return >> 96) as u32),
    };
    match schedule.deviations.len() {
        0 => summary.push_str(", in the default order"),
        1 => summary.push_str(", with 1 switch"),
        n => summary.push_str(&format!(", with {n} switches")),
    }
    if let Some((strategy, seed)) = seen.drawn {
        summary.push_str(&format!(", found by --strategy {strategy} --seed {seed} --budget 1"));
    }
    Witness { schedule: schedule.to_string(), digest: format!("{digest:032x}"), summary }
}

/// The error that every schedule raises.
fn common_error<S: Subject>(program: &S, exploration: &Exploration) -> Option<String> {
    let mut errors = exploration.outcomes.iter().map(|seen| seen.outcome.error.as_ref());
    let first = errors.next()??;
    errors.all(|error| error.is_some_and(|error| error.message == first.message)).then(|| program.error_text(first))
}

fn forks<S: Subject>(program: &S, exploration: &Exploration) -> Vec<ForkReport> {
    let fork = |fork: &crate::check::finding::Fork| {
        let span = program.user_span(&fork.stack);
        let path = exploration.names.path(fork.task);
        ForkReport {
            id: path.strip_prefix("main/").unwrap_or(&path).to_string(),
            function: exploration.names.callee(fork.task).to_string(),
            file: span.as_ref().map(|span| span.file().to_string()),
            line: span.map(|span| span.line()),
            pure: fork.pure,
        }
    };
    exploration.findings.forks().map(fork).collect()
}

pub(crate) fn finding_report<S: Subject>(program: &S, names: &Tasks, finding: &Finding) -> FindingReport {
    let here = program.user_span(&finding.stack);
    let fork = finding.fork.as_ref().and_then(|fork| program.user_span(&fork.stack));
    let other = finding.race.as_ref().and_then(|race| program.user_span(&race.stack));
    let frame = |&site: &Site| {
        let span = program.span(site);
        FrameReport {
            function: program.function_name(site),
            file: span.as_ref().map(|span| span.file().to_string()),
            line: span.map(|span| span.line()),
        }
    };
    let places = |wait: &StuckWait| (program.user_span(&wait.stack), program.user_span(&wait.fork));
    let waits: Vec<_> = finding.waits.iter().map(places).collect();
    let file = |span: &Option<Span>| span.as_ref().map(|span| span.file().to_string());
    let wait = |wait: &StuckWait| {
        let (here, fork) = places(wait);
        WaitReport {
            task: wait.task.clone(),
            waits_for: wait.target.clone(),
            file: file(&here),
            line: here.as_ref().map(Span::line),
            stack: wait.stack.iter().map(frame).collect(),
            fork_file: file(&fork),
            fork_line: fork.as_ref().map(Span::line),
        }
    };
    let mut report = FindingReport {
        code: finding.kind.code(),
        kind: finding.kind.name(),
        severity: if finding.kind.severity() == Severity::Error { "error" } else { "warning" },
        operator: finding.operator.clone(),
        target: String::new(),
        targets: Vec::new(),
        file: file(&here),
        line: here.as_ref().map(Span::line),
        column: here.as_ref().map(|span| span.column() + 1),
        fork_file: file(&fork),
        fork_line: fork.as_ref().map(Span::line),
        task: names.path(finding.task),
        stack: finding.stack.iter().map(frame).collect(),
        certainty: "must",
        evidence: vec!["dynamic"],
        race: finding.race.as_ref().map(|race| RaceReport {
            other_task: names.path(race.task),
            other_operator: race.operator.clone(),
            other_file: file(&other),
            other_line: other.as_ref().map(Span::line),
            other_writes: race.writes,
        }),
        waits: finding.waits.iter().map(wait).collect(),
        remedies: Vec::new(),
        places: Places { here, fork, other, waits },
    };
    report.set_targets(finding.targets.iter().map(|target| program.target(target)).collect());
    report.remedies.extend(super::words::advice(&report).map(|text| RemedyReport::of(text, false)));
    report
}

pub(crate) fn notes(exploration: &Exploration, config: &Config, admitted: usize) -> Vec<String> {
    let mut notes: Vec<String> = exploration.cut.iter().map(Cut::to_string).collect();
    if admitted > 0 {
        notes.push(
            "only a stored failure shows the second outcome: the executions of this audit did not meet it".into(),
        );
    }
    // A second outcome that was admitted has ended nothing.
    if admitted == 0 && exploration.coverage == Coverage::Sampled && exploration.is_settled(config) {
        notes.push(format!(
            "ended after {} executions, because two results are in hand: a budget that is asked for is run to its end",
            exploration.executions
        ));
    }
    notes
}

/// A value in a report.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) if value.is_finite() => (*value).into(),
        Value::Str(value) => value.to_string().into(),
        other => crate::text_of(other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_bound_is_never_rounded_down() {
        let of = |chance, text: &str| assert_eq!(percent(chance), text, "{chance}");
        of(0.0, "0.01 %");
        of(0.000_000_1, "0.01 %");
        of(0.25, "25.00 %");
        // To nearest these would be 12.34, 0.10, and 99.99.
        of(0.123_401, "12.35 %");
        of(0.001_000_1, "0.11 %");
        of(0.999_901, "100.00 %");
        of(1.0, "100.00 %");
    }
}
