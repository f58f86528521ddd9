//! The whole way of an audit in one function: a program and a configuration in, a report out.

use std::collections::BTreeSet;

use forkcheck_model::Error;
use forkcheck_model::difference::first_difference;
use forkcheck_model::graph::Span;
use forkcheck_model::module::Module;
use forkcheck_model::value::Value;
use forkcheck_scheduler::strategy::replay::{Mode, Stale};
use forkcheck_scheduler::{Deviation, Schedule, Tasks};

use crate::check::{Finding, Findings, Kind, Severity, StuckWait};
use crate::config::Config;
use crate::explore::repeat::check;
use crate::explore::schedule::{self, Replayed, replay, shorten};
use crate::explore::{Basis, Coverage, Exploration, Missed, Seen, explore};
use crate::machine::code::Site;
use crate::machine::{Cut, Kept, Outcome, Raised};
use crate::program::Program;
use crate::report::{
    Assurance, Difference, FindingReport, ForkReport, FrameReport, MissedReport, Outcomes, Places, RaceReport, Report,
    Stats, Verdict, WaitReport, Witness,
};

/// How many different outcomes a report shows.
const WITNESSES: usize = 4;

/// How many executions go into making schedules shorter.
const SHRINK_RUNS: usize = 128;

/// How many schedules are made shorter, to show the simplest.
const WITNESSES_SHRUNK: usize = 2 * WITNESSES;

/// Of how many outcomes the schedules are compared.
const WITNESSES_RECORDED: usize = 24;

/// Runs `program` under every schedule that matters, and says what is wrong with it.
pub fn audit(program: &Program, config: &Config) -> Report {
    let mut exploration = explore(program, config);
    let admitted = admit_stored(program, config, &mut exploration);
    exploration.tell_second(program, config, None);
    let mut findings = exploration.findings.clone();
    add_cut(program, &exploration, &mut findings);
    findings.judge_pools(&exploration.names);
    let (witnesses, unrepeated) = witnesses(program, config, &exploration);
    let verdict = verdict(&exploration, &findings);
    let first_difference = match &witnesses[..] {
        [(first, _), (second, _), ..] => difference(program, config, first, second),
        _ => None,
    };
    let distinct_at_rest: BTreeSet<u128> = exploration.outcomes.iter().map(|seen| seen.outcome.digests.1).collect();
    let complete = exploration.coverage != Coverage::Sampled;
    Report {
        schema_version: 1,
        program: program.name.clone(),
        method: program.method.clone(),
        verdict: Some(verdict),
        assurance: (verdict != Verdict::Unknown).then_some(match exploration.coverage {
            Coverage::Certified => Assurance::Certified,
            Coverage::Exhausted => Assurance::Exhausted,
            Coverage::Sampled => Assurance::Sampled,
        }),
        rests_on: (verdict != Verdict::Unknown).then(|| rests_on(&exploration, config)),
        atomicity: config.atomicity.to_string(),
        strategy: config.strategy.to_string(),
        forks: forks(program, &exploration),
        findings: findings.iter().map(|finding| finding_report(program, &exploration.names, finding)).collect(),
        possible: Vec::new(),
        replay: witnesses.get(1).map(|(schedule, _)| format!("forkcheck replay {schedule} {}", program.name)),
        outcomes: Some(Outcomes {
            distinct: exploration.outcomes.len(),
            distinct_at_rest: distinct_at_rest.len(),
            complete,
            missed: exploration
                .missed
                .filter(|_| !complete)
                .map(|missed| MissedReport { depth: missed.depth, chance: missed.chance }),
            error: common_error(program, &exploration),
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
        notes: [notes(&exploration, admitted), unrepeated].concat(),
    }
}

/// The report on a program without inputs, of which nothing was run.
///
/// # Errors
/// If the module has no such method.
pub fn not_run(name: &str, method: &str, module: &Module, config: &Config) -> Result<Report, Error> {
    if module.method(method).is_none() {
        return Err(Error::new(format!("expected a method of the module, found `{method}`")).in_file(name));
    }
    Ok(Report {
        schema_version: 1,
        program: name.to_string(),
        method: method.to_string(),
        verdict: Some(Verdict::Unknown),
        assurance: None,
        rests_on: None,
        atomicity: config.atomicity.to_string(),
        strategy: config.strategy.to_string(),
        forks: Vec::new(),
        findings: Vec::new(),
        possible: Vec::new(),
        outcomes: None,
        stats: Stats::default(),
        replay: None,
        notes: vec!["nothing was run: give --inputs FILE.pt or --example SPEC".to_string()],
    })
}

/// Repeats one schedule: the report has no verdict, one witness, and says whether the schedule still applies.
pub fn replay_report(program: &Program, config: &Config, schedule: &Schedule, mode: Mode) -> (Report, Replayed) {
    let mut replayed = replay(program, schedule, mode, &config.limits, false);
    replayed.findings.judge_pools(&replayed.names);
    let (findings, names) = (&replayed.findings, &replayed.names);
    let witnesses = replayed.outcome.iter().map(|outcome| {
        let seen = Seen { outcome: outcome.clone(), order: None, hot: Default::default(), drawn: None };
        witness(program, schedule, &seen)
    });
    let report = Report {
        schema_version: 1,
        program: program.name.clone(),
        method: program.method.clone(),
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
                .map(|error| error_text(program, error)),
            witnesses: witnesses.collect(),
            first_difference: None,
        }),
        stats: Stats {
            executions: Some(u64::from(replayed.outcome.is_some())),
            steps: replayed.steps,
            tasks: replayed.tasks,
            ..Stats::default()
        },
        replay: None,
        notes: replayed.cut.iter().map(cut_note).collect(),
    };
    (report, replayed)
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
pub fn repeat(program: &Program, config: &Config, schedules: &[Schedule], mode: Mode) -> Repeated {
    let mut all: Option<Repeated> = None;
    let mut at_rest = BTreeSet::new();
    for schedule in schedules {
        let (mut report, replayed) = replay_report(program, config, schedule, mode);
        at_rest.extend(replayed.outcome.as_ref().map(|outcome| outcome.digests.1));
        let (mut stale, mut skipped, mut cut) = (replayed.stale, replayed.skipped, replayed.cut.as_ref().map(cut_note));
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
        outcomes.first_difference = difference(program, config, first, second);
    }
    all
}

fn percent(chance: f64) -> String {
    match chance * 100.0 {
        percent if percent < 0.01 => "0.01 %".to_string(),
        percent => format!("{percent:.2} %"),
    }
}

fn verdict(exploration: &Exploration, findings: &Findings) -> Verdict {
    let wrong = findings.iter().any(|finding| finding.kind.severity() == Severity::Error);
    let opaque = findings.iter().any(|finding| finding.kind == Kind::OpaqueOperator);
    match exploration.outcomes.len() {
        2.. => Verdict::Nondeterministic,
        0 => Verdict::Unknown,
        _ if opaque => Verdict::Unknown,
        _ if wrong => Verdict::Impure,
        _ => Verdict::Pure,
    }
}

/// Two outcomes that were once seen are in hand whatever this exploration has met. Where it has met two itself, nothing
/// is added: a report is the same with stored failures and without.
fn admit_stored(program: &Program, config: &Config, exploration: &mut Exploration) -> usize {
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
fn add_cut(program: &Program, exploration: &Exploration, findings: &mut Findings) {
    if let Some(Cut::Opaque { operator, reason, stack, task }) = &exploration.cut {
        let span = program.user_span(stack);
        let key = crate::check::Key {
            kind: Kind::OpaqueOperator,
            site: stack[0],
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
fn witnesses<'a>(
    program: &Program,
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
        let replayed = replay(program, schedule, Mode::Strict, &config.limits, false);
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
    notes.iter().for_each(|note| tracing::error!("{}: {note}", program.name));
    (witnesses, notes)
}

fn difference(program: &Program, config: &Config, first: &Schedule, second: &Schedule) -> Option<Difference> {
    let (a_return, a_rest) = replay(program, first, Mode::Strict, &config.limits, true).looks?;
    let (b_return, b_rest) = replay(program, second, Mode::Strict, &config.limits, true).looks?;
    let names: Vec<String> = program.input_names();
    let look = |a: &Kept, b: &Kept, at: &str| {
        let pairs = [("output".to_string(), a.result.clone(), b.result.clone())];
        let inputs = names
            .iter()
            .enumerate()
            .map(|(i, name)| (format!("input {name}"), Some(a.entry[i + 1].clone()), Some(b.entry[i + 1].clone())));
        let root = [("self".to_string(), Some(a.entry[0].clone()), Some(b.entry[0].clone()))];
        pairs.into_iter().chain(inputs).chain(root).find_map(|(name, a, b)| {
            let (Some(a), Some(b)) = (a, b) else { return None };
            let found = first_difference(&name, &a, &b)?;
            Some(Difference { place: format!("{}{at}", found.place), a: json(&found.a), b: json(&found.b) })
        })
    };
    look(&a_return, &b_return, "").or_else(|| look(&a_rest, &b_rest, " when every task has ended"))
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::None => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) if value.is_finite() => (*value).into(),
        Value::Str(value) => value.to_string().into(),
        other => crate::text_of(other).into(),
    }
}

/// A schedule and its outcome, for a report.
pub(crate) fn witness(program: &Program, schedule: &Schedule, seen: &Seen) -> Witness {
    let (at_return, at_rest) = seen.outcome.digests;
    let digest = xxhash_rust::xxh3::xxh3_128(
        format!("{at_return:032x}{at_rest:032x}{}", seen.outcome.deadlock.is_empty()).as_bytes(),
    );
    let mut summary = match (&seen.outcome.error, seen.outcome.deadlock.is_empty()) {
        (_, false) => "deadlock".to_string(),
        (Some(raised), _) => format!("raises {}", error_text(program, raised).lines().last().unwrap_or_default()),
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
fn common_error(program: &Program, exploration: &Exploration) -> Option<String> {
    let mut errors = exploration.outcomes.iter().map(|seen| seen.outcome.error.as_ref());
    let first = errors.next()??;
    errors.all(|error| error.is_some_and(|error| error.message == first.message)).then(|| error_text(program, first))
}

/// The error as PyTorch prints it: the trail through calls, waits and forks, outermost first, then the message.
pub fn error_text(program: &Program, raised: &Raised) -> String {
    let mut text = String::from("Traceback of TorchScript (most recent call last):\n");
    for &site in raised.trail.iter().rev() {
        let Some(span) = program.span(site) else { continue };
        text.push_str(&format!(
            "  File \"{}\", line {}, in {}\n",
            span.file(),
            span.line(),
            program.function_name(site)
        ));
        text.push_str(&format!("    {}\n", span.text().lines().next().unwrap_or_default()));
    }
    let class = raised.class.as_deref().unwrap_or("RuntimeError");
    text.push_str(&format!("{class}: {}", raised.message));
    text
}

fn forks(program: &Program, exploration: &Exploration) -> Vec<ForkReport> {
    let fork = |fork: &crate::check::finding::Fork| {
        let span = program.user_span(&fork.stack);
        let path = exploration.names.path(fork.task);
        ForkReport {
            id: path.strip_prefix("main/").unwrap_or(&path).to_string(),
            function: exploration.names.callee(fork.task).to_string(),
            file: span.map(|span| span.file().to_string()),
            line: span.map(|span| span.line()),
            pure: fork.pure,
        }
    };
    exploration.findings.forks().map(fork).collect()
}

fn finding_report(program: &Program, names: &Tasks, finding: &Finding) -> FindingReport {
    let here = program.user_span(&finding.stack);
    let fork = finding.fork.as_ref().and_then(|fork| program.user_span(&fork.stack));
    let other = finding.race.as_ref().and_then(|race| program.user_span(&race.stack));
    let frame = |&site: &Site| {
        let span = program.span(site);
        FrameReport {
            function: program.function_name(site).to_string(),
            file: span.map(|span| span.file().to_string()),
            line: span.map(|span| span.line()),
        }
    };
    let places = |wait: &StuckWait| (program.user_span(&wait.stack), program.user_span(&wait.fork));
    let waits: Vec<_> = finding.waits.iter().map(places).collect();
    let file = |span: Option<&Span>| span.map(|span| span.file().to_string());
    let wait = |wait: &StuckWait| {
        let (here, fork) = places(wait);
        WaitReport {
            task: wait.task.clone(),
            waits_for: wait.target.clone(),
            file: file(here),
            line: here.map(Span::line),
            stack: wait.stack.iter().map(frame).collect(),
            fork_file: file(fork),
            fork_line: fork.map(Span::line),
        }
    };
    FindingReport {
        code: finding.kind.code(),
        kind: finding.kind.name(),
        severity: if finding.kind.severity() == Severity::Error { "error" } else { "warning" },
        operator: finding.operator.clone(),
        target: finding.targets.join(", "),
        file: here.map(|span| span.file().to_string()),
        line: here.map(|span| span.line()),
        column: here.map(|span| span.column() + 1),
        fork_file: fork.map(|span| span.file().to_string()),
        fork_line: fork.map(|span| span.line()),
        task: names.path(finding.task),
        stack: finding.stack.iter().map(frame).collect(),
        certainty: "must",
        evidence: vec!["dynamic"],
        race: finding.race.as_ref().map(|race| RaceReport {
            other_task: names.path(race.task),
            other_operator: race.operator.clone(),
            other_file: other.map(|span| span.file().to_string()),
            other_line: other.map(|span| span.line()),
            other_writes: race.writes,
        }),
        waits: finding.waits.iter().map(wait).collect(),
        places: Places {
            here: here.cloned(),
            fork: fork.cloned(),
            other: other.cloned(),
            waits: waits.into_iter().map(|(here, fork)| (here.cloned(), fork.cloned())).collect(),
        },
    }
}

fn notes(exploration: &Exploration, admitted: usize) -> Vec<String> {
    let mut notes: Vec<String> = exploration.cut.iter().map(cut_note).collect();
    if admitted > 0 {
        notes.push(
            "only a stored failure shows the second outcome: the executions of this audit did not meet it".into(),
        );
    }
    notes
}

/// A sentence on why an execution was cut.
pub fn cut_note(cut: &Cut) -> String {
    match cut {
        Cut::Steps(limit) => format!("an execution was cut after {limit} steps: does the program end?"),
        Cut::Tasks(limit) => format!("an execution was cut at {limit} tasks"),
        Cut::Memory(error) => {
            format!(
                "an execution was cut: it asked for {} bytes, and {} may live at once (--max-memory)",
                error.asked, error.limit
            )
        }
        Cut::Time => "the time is up".to_string(),
        Cut::Refused(reason) => reason.clone(),
        Cut::Opaque { operator, reason, .. } => format!("{operator} cannot be executed: {reason}"),
    }
}
