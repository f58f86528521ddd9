//! The sentences that reports have in common, whatever their form.

use super::{FindingReport, RaceReport, Report, Verdict};
use crate::check::finding::TARGETS;

/// What is wrong, in one line.
pub(super) fn title(finding: &FindingReport) -> String {
    let (target, written) = (listed(&finding.targets, ""), listed(&finding.targets, "`"));
    let sure = finding.certainty != "may";
    let does = |does: &'static str, may: &'static str| if sure { does } else { may };
    match finding.kind {
        "input-mutation" | "attribute-mutation" => format!("a fork {} {written}", does("writes", "may write")),
        "global-state" => format!("a fork {} the {target}", does("changes", "may change")),
        "output" => format!("a fork {}", does("prints", "may print")),
        "parent-mutation" => format!("{written} {} written while a fork uses it", does("is", "may be")),
        "race" => format!("two tasks {} for {written}", does("race", "may race")),
        "deadlock" => format!("tasks wait for each other: {target}"),
        "lost-error" => format!("the caller never sees an error: {}", target.lines().next().unwrap_or_default()),
        "unwaited-fork" => format!("nobody waits for {target}"),
        "pool-starvation" => format!("a pool that blocks at a wait needs {target}"),
        _ if !sure => format!("nobody knows what `{}` reads and writes", finding.operator),
        _ => format!("forkcheck cannot execute {}: {target}", finding.operator),
    }
}

/// So many names are read; more are counted.
const NAMES: usize = 4;

/// What is written, in quotes.
fn listed(targets: &[String], quote: &str) -> String {
    let names: Vec<String> = targets.iter().take(NAMES).map(|name| format!("{quote}{name}{quote}")).collect();
    let (names, least) = (names.join(", "), if targets.len() < TARGETS { "" } else { "at least " });
    match targets.len().saturating_sub(NAMES) {
        0 => names,
        more => format!("{names} and {least}{more} more"),
    }
}

/// What it does at the place of the finding, and in which task, where that is known.
pub(super) fn deed(finding: &FindingReport) -> String {
    let task = &finding.task;
    match finding.kind {
        _ if task.is_empty() => finding.operator.clone(),
        "lost-error" => format!("raised in task {task}"),
        "unwaited-fork" => format!("forked by task {task}, and never waited for"),
        _ => format!("{} in task {task}", finding.operator),
    }
}

/// The other side of a race.
pub(super) fn other_side(race: &RaceReport) -> String {
    let what = match (race.other_operator.as_str(), race.other_writes) {
        ("return", _) => "the caller's look at the results".to_string(),
        (operator, true) => format!("the write of {operator}"),
        (operator, false) => format!("the read of {operator}"),
    };
    if race.other_task.is_empty() { what } else { format!("{what} in task {}", race.other_task) }
}

/// The other side, and where it is.
pub(super) fn race_note(race: &RaceReport) -> String {
    let other = other_side(race);
    match (&race.other_file, race.other_line) {
        (Some(file), Some(line)) => format!("races with {other} at {file}:{line}"),
        _ => format!("races with {other}"),
    }
}

/// What it means that a pool is too small.
pub(super) const STARVATION: &str = "with a thread less, all can be held by tasks that wait for one that never starts";

/// What can be said of a finding without its sources, a line each: where, forked where, who else, and what to do.
pub(super) fn lines(finding: &FindingReport) -> Vec<String> {
    let at = |file: &Option<String>, line: Option<u32>| match (file, line) {
        (Some(file), Some(line)) => format!(" at {file}:{line}"),
        _ => String::new(),
    };
    let mut lines = Vec::new();
    for wait in &finding.waits {
        lines.push(format!("{} waits for {}{}", wait.task, wait.waits_for, at(&wait.file, wait.line)));
    }
    if lines.is_empty() {
        lines.push(format!("{}{}", deed(finding), at(&finding.file, finding.line)));
    }
    if finding.fork_line.is_some() && finding.kind != "unwaited-fork" && finding.waits.is_empty() {
        lines.push(format!("forked{}", at(&finding.fork_file, finding.fork_line)));
    }
    if finding.kind == "pool-starvation" {
        lines.push(STARVATION.to_string());
    }
    lines.extend(finding.race.as_ref().map(race_note));
    lines.extend(finding.remedies.iter().map(|remedy| format!("help: {}", remedy.sentence())));
    lines
}

/// What else to do about it, beside what is verified: in the words of TorchScript.
pub(crate) fn unverified(finding: &FindingReport) -> Option<&'static str> {
    let is_helped = !finding.remedies.is_empty();
    let draws = finding.kind == "global-state" && finding.target == "global RNG";
    match finding.kind {
        "input-mutation" if is_helped => Some("return the new value instead of writing it"),
        _ if is_helped => None,
        "global-state" if draws && advice(finding) == Some(DRAW) => Some(
            "draw before the fork and pass the numbers in; a generator made in a script does not help: it is one constant \
             that all forks share",
        ),
        _ => advice(finding),
    }
}

const DRAW: &str = "draw before the fork and pass the numbers in";

/// What to do about it.
pub(crate) fn advice(finding: &FindingReport) -> Option<&'static str> {
    let training = finding.operator.contains("dropout") || finding.operator.contains("batch_norm");
    // Whoever is the first to wait for an awaitable computes it, and lets it remember.
    let computes = finding.operator == "prim::awaitable_wait";
    Some(match finding.kind {
        "input-mutation" | "attribute-mutation" | "parent-mutation" if computes => {
            "wait for the awaitable before the fork, and pass on what it brings"
        }
        "global-state" if training => {
            "call `eval()` on what is forked, or draw before the fork and pass the numbers in"
        }
        "attribute-mutation" if training => "call `eval()` on what is forked, or fork what keeps no statistics",
        "input-mutation" => "clone it before the write, or return the new value instead of writing it",
        "global-state" if finding.target != "global RNG" && finding.target.starts_with("global ") => {
            "return the new value, and let the caller store it after the wait"
        }
        "attribute-mutation" => "return the new value, and let the caller store it after the wait",
        "global-state" => DRAW,
        "output" => "return what is to be printed, and print it after the wait",
        "parent-mutation" => "wait for the fork before the write, or give it a clone",
        "race" => "wait for the task before its data is used",
        "deadlock" => {
            "pass a future on only to tasks that are forked later, never through what an earlier one can read"
        }
        "lost-error" => "an error comes out of waits and nowhere else: wait for the task, and for whoever waits for it",
        "unwaited-fork" => "wait for it, or return its future: it may still run when its parent has returned",
        "pool-starvation" => {
            "PyTorch's interpreter suspends instead and is safe; for a pool that blocks, return the future and wait in the caller"
        }
        _ => return None,
    })
}

/// The verdict, and what it means.
pub(super) fn verdict(report: &Report) -> String {
    match report.verdict {
        Some(verdict) => format!("{}: {}", verdict.name(), meaning(report, verdict)),
        None => format!("replayed {} of {}", report.method, report.program),
    }
}

fn meaning(report: &Report, verdict: Verdict) -> String {
    let outcomes = report.outcomes.as_ref();
    match verdict {
        Verdict::Pure => "no fork writes what is not its own".to_string(),
        Verdict::Impure if report.forks.iter().all(|fork| fork.pure) => {
            "a task writes what is its own while a fork uses it".to_string()
        }
        Verdict::Impure if outcomes.is_none() => "some forks write what is not their own".to_string(),
        Verdict::Impure => "some forks write what is not their own; the result was always the same".to_string(),
        Verdict::Nondeterministic => {
            let distinct = outcomes.map_or(0, |outcomes| outcomes.distinct);
            let more = if outcomes.is_some_and(|outcomes| outcomes.complete) { "" } else { " at least" };
            format!("the result depends on the schedule:{more} {distinct} different outcomes")
        }
        Verdict::Unknown if outcomes.is_none() => "something happens of which nobody knows what it does".to_string(),
        Verdict::Unknown if outcomes.is_some_and(|outcomes| outcomes.distinct > 0) && !is_opaque(report) => {
            "the same schedule leads to different results, so nothing is known".to_string()
        }
        Verdict::Unknown => "no execution completed, so nothing is known".to_string(),
    }
}

fn is_opaque(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.kind == "opaque-operator")
}

/// What the verdict rests on: `exhausted: on this input …`.
pub(super) fn basis(report: &Report) -> Option<String> {
    let assurance = report.assurance.filter(|_| report.verdict.is_some())?;
    Some(format!("{}: {}", assurance.name(), report.rests_on.as_deref().unwrap_or_default()))
}

/// How many forks there are, and how many are impure.
pub(super) fn forks(report: &Report) -> String {
    let impure = report.forks.iter().filter(|fork| !fork.pure).count();
    format!("{} {}, {impure} impure", report.forks.len(), plural(report.forks.len(), "fork"))
}

/// The word, for one or for several.
pub(super) fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_string() } else { format!("{word}s") }
}

/// As many characters as fit into `most` units of UTF-16, which is how GitHub counts; what is cut off is said to be.
pub(super) fn fit(text: &str, most: usize) -> String {
    let units = |text: &str| text.encode_utf16().count();
    if units(text) <= most {
        return text.to_string();
    }
    let mut kept = String::new();
    let mut room = most.saturating_sub(1);
    for character in text.chars() {
        let Some(left) = room.checked_sub(character.len_utf16()) else { break };
        room = left;
        kept.push(character);
    }
    kept + "…"
}
