//! The report for people: each finding with the user's source, both sites of a race, and what to do; then the verdict.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use forkcheck_model::graph::Span;

use super::{FindingReport, Report, Verdict};

/// The text of a report, with the colours of a terminal if `colour`.
pub fn render(report: &Report, colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&renderer.render(&[group(finding)]));
        text.push_str("\n\n");
    }
    text.push_str(&summary(report));
    text
}

fn group(finding: &FindingReport) -> Group<'_> {
    let level = if finding.severity == "error" { Level::ERROR } else { Level::WARNING };
    let mut group = level.primary_title(title(finding)).id(finding.code).elements(snippets(finding));
    let shown = |span: &Option<Span>| span.as_ref().is_some_and(|span| !span.source().text.is_empty());
    if let (false, Some(file), Some(line)) = (shown(&finding.places.here), &finding.file, finding.line) {
        group = group.element(Level::NOTE.message(format!("{} at {file}:{line}", finding.operator)));
    }
    if let (false, Some(file), Some(line)) = (shown(&finding.places.fork), &finding.fork_file, finding.fork_line) {
        group = group.element(Level::NOTE.message(format!("forked at {file}:{line}")));
    }
    for (wait, (span, _)) in finding.waits.iter().zip(&finding.places.waits) {
        if let (false, Some(file), Some(line)) = (shown(span), &wait.file, wait.line) {
            let note = format!("{} waits for {} at {file}:{line}", wait.task, wait.waits_for);
            group = group.element(Level::NOTE.message(note));
        }
    }
    if finding.kind == "pool-starvation" {
        let note = "with a thread less, all can be held by tasks that wait for one that never starts";
        group = group.element(Level::NOTE.message(note));
    }
    if let Some(race) = &finding.race {
        group = group.element(Level::NOTE.message(race_note(race)));
    }
    match advice(finding) {
        Some(advice) => group.element(Level::HELP.message(advice)),
        None => group,
    }
}

fn title(finding: &FindingReport) -> String {
    let target = &finding.target;
    match finding.kind {
        "input-mutation" | "attribute-mutation" => format!("a fork writes `{target}`"),
        "global-state" => format!("a fork changes the {target}"),
        "output" => "a fork prints".to_string(),
        "parent-mutation" => format!("`{target}` is written while a fork uses it"),
        "race" => format!("two tasks race for `{target}`"),
        "deadlock" => format!("tasks wait for each other: {target}"),
        "lost-error" => format!("the caller never sees an error: {}", target.lines().next().unwrap_or_default()),
        "unwaited-fork" => format!("nobody waits for {target}"),
        "pool-starvation" => format!("a pool that blocks at a wait needs {target}"),
        _ => format!("forkcheck cannot execute {}: {target}", finding.operator),
    }
}

fn race_note(race: &super::RaceReport) -> String {
    let what = match (race.other_operator.as_str(), race.other_writes) {
        ("return", _) => "the caller's look at the results".to_string(),
        (operator, true) => format!("the write of {operator}"),
        (operator, false) => format!("the read of {operator}"),
    };
    match (&race.other_file, race.other_line) {
        (Some(file), Some(line)) => format!("races with {what} in task {} at {file}:{line}", race.other_task),
        _ => format!("races with {what} in task {}", race.other_task),
    }
}

fn advice(finding: &FindingReport) -> Option<&'static str> {
    let training = finding.operator.contains("dropout") || finding.operator.contains("batch_norm");
    Some(match finding.kind {
        "global-state" if training => {
            "call `eval()` on what is forked, or draw before the fork and pass the numbers in"
        }
        "attribute-mutation" if training => "call `eval()` on what is forked, or fork what keeps no statistics",
        "input-mutation" => "clone it before the write, or return the new value instead of writing it",
        "global-state" if finding.target != "global RNG" && finding.target.starts_with("global ") => {
            "return the new value, and let the caller store it after the wait"
        }
        "attribute-mutation" => "return the new value, and let the caller store it after the wait",
        "global-state" => "draw before the fork and pass the numbers in",
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

/// One snippet for each source text that plays a part; sites in the same text share one.
fn snippets(finding: &FindingReport) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
    let places = &finding.places;
    let here = match finding.kind {
        "lost-error" => format!("raised in task {}", finding.task),
        "unwaited-fork" => format!("forked by task {}, and never waited for", finding.task),
        _ => format!("{} in task {}", finding.operator, finding.task),
    };
    let mut labelled = Vec::new();
    let stuck: BTreeSet<&str> = finding.waits.iter().map(|wait| wait.task.as_str()).collect();
    for (wait, (here, fork)) in finding.waits.iter().zip(&places.waits) {
        let kind = if labelled.is_empty() { AnnotationKind::Primary } else { AnnotationKind::Context };
        labelled.push((here, kind, format!("{} waits here for {}", wait.task, wait.waits_for)));
        if finding.kind == "pool-starvation" && !stuck.contains(wait.waits_for.as_str()) {
            labelled.push((fork, AnnotationKind::Context, format!("{} finds no thread", wait.waits_for)));
        }
    }
    if labelled.is_empty() {
        labelled.push((&places.here, AnnotationKind::Primary, here));
        labelled.push((&places.other, AnnotationKind::Context, "the other side of the race".to_string()));
        labelled.push((&places.fork, AnnotationKind::Context, "forked here".to_string()));
    }
    // A place is shown once, with the first of what is to be said of it; tasks that do the same there are counted.
    let mut labels: Vec<(&Span, AnnotationKind, String, usize)> = Vec::new();
    for (span, kind, label) in labelled {
        // What tracing recorded has a place, but no text to show.
        let text = |span: &&Span| !span.source().text.is_empty();
        let Some(span) = span.as_ref().filter(text) else { continue };
        match labels.iter_mut().find(|row| row.0 == span) {
            Some((.., more)) => *more += 1,
            None => labels.push((span, kind, label, 0)),
        }
    }
    let mut snippets: Vec<(&Span, Vec<annotate_snippets::Annotation<'_>>)> = Vec::new();
    for (span, kind, mut label, more) in labels {
        if more > 0 && !finding.waits.is_empty() {
            label.push_str(&format!(", and {more} more"));
        }
        let annotation = kind.span(span.range()).label(label);
        match snippets.iter_mut().find(|(other, _)| other.source() == span.source()) {
            Some((_, annotations)) => annotations.push(annotation),
            None => snippets.push((span, vec![annotation])),
        }
    }
    let snippet = |(span, annotations): (&'_ Span, Vec<_>)| (span.source().clone(), annotations);
    snippets
        .into_iter()
        .map(snippet)
        .map(|(source, annotations)| {
            Snippet::source(source.text.clone())
                .line_start(source.first_line as usize)
                .path(source.file.clone())
                .annotations(annotations)
        })
        .collect()
}

fn summary(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a string takes everything");
        text.push('\n');
    };
    match (report.verdict, report.assurance) {
        (Some(verdict), Some(assurance)) => {
            line(format_args!("{}: {}", verdict.name(), meaning(report, verdict)));
            line(format_args!("  {}: {}", assurance.name(), report.rests_on.as_deref().unwrap_or_default()));
        }
        (Some(verdict), None) => line(format_args!("{}: {}", verdict.name(), meaning(report, verdict))),
        (None, _) => line(format_args!("replayed {} of {}", report.method, report.program)),
    }
    let impure = report.forks.iter().filter(|fork| !fork.pure).count();
    if report.verdict.is_some() {
        line(format_args!("  {} {}, {impure} impure", report.forks.len(), plural(report.forks.len(), "fork")));
    }
    if let Some(outcomes) = &report.outcomes {
        if let Some(error) = &outcomes.error {
            line(format_args!("  raises: {}", super::message_line(error)));
        }
        if let Some(difference) = &outcomes.first_difference {
            line(format_args!("  first difference: {}: {} or {}", difference.place, difference.a, difference.b));
        }
        for witness in &outcomes.witnesses {
            line(format_args!("  {}  {}", witness.schedule, witness.summary));
        }
    }
    for note in &report.notes {
        line(format_args!("  note: {note}"));
    }
    if let Some(replay) = &report.replay {
        line(format_args!("  replay: {replay}"));
    }
    text
}

fn meaning(report: &Report, verdict: Verdict) -> String {
    let outcomes = report.outcomes.as_ref();
    match verdict {
        Verdict::Pure => "no fork writes what is not its own".to_string(),
        Verdict::Impure if outcomes.is_none() => "some forks write what is not their own".to_string(),
        Verdict::Impure => "some forks write what is not their own; the result was always the same".to_string(),
        Verdict::Nondeterministic => {
            let distinct = outcomes.map_or(0, |outcomes| outcomes.distinct);
            let more = if outcomes.is_some_and(|outcomes| outcomes.complete) { "" } else { " at least" };
            format!("the result depends on the schedule:{more} {distinct} different outcomes")
        }
        Verdict::Unknown => "no execution completed, so nothing is known".to_string(),
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_string() } else { format!("{word}s") }
}
