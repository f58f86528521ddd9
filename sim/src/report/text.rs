//! The report for people: each finding with the user's source, both sites of a race, and what to do; then the verdict.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use forkcheck_model::graph::Span;

use super::{FindingReport, Report, words};

/// So many of what is only possible are shown.
const POSSIBLE: usize = 10;

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
    let mut group = level.primary_title(words::title(finding)).id(finding.code).elements(snippets(finding));
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
        group = group.element(Level::NOTE.message(words::STARVATION));
    }
    if let Some(race) = &finding.race {
        group = group.element(Level::NOTE.message(words::race_note(race)));
    }
    let helps = finding.remedies.iter().map(|remedy| match &remedy.patch {
        Some(patch) => format!("{}\n{}", remedy.sentence(), patch.trim_end()),
        None => remedy.sentence(),
    });
    group.elements(helps.map(|help| Level::HELP.message(help)))
}

/// One snippet for each source text that plays a part; sites in the same text share one.
fn snippets(finding: &FindingReport) -> Vec<Snippet<'_, annotate_snippets::Annotation<'_>>> {
    let places = &finding.places;
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
        labelled.push((&places.here, AnnotationKind::Primary, words::deed(finding)));
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
    line(format_args!("{}", words::verdict(report)));
    if let Some(basis) = words::basis(report) {
        line(format_args!("  {basis}"));
    }
    if report.verdict.is_some() {
        line(format_args!("  {}", words::forks(report)));
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
    for finding in report.possible.iter().take(POSSIBLE) {
        line(format_args!("  possible on other inputs: {}{}", words::title(finding), sites(finding)));
    }
    if report.possible.len() > POSSIBLE {
        line(format_args!("  and {} more; the JSON report has all", report.possible.len() - POSSIBLE));
    }
    for note in &report.notes {
        line(format_args!("  note: {note}"));
    }
    if let Some(replay) = &report.replay {
        line(format_args!("  replay: {replay}"));
    }
    text
}

/// Where a finding is, and its fork, in a few words.
fn sites(finding: &FindingReport) -> String {
    let place = |word: &str, file: &Option<String>, line: Option<u32>| match (file, line) {
        (Some(file), Some(line)) => format!(", {word} {file}:{line}"),
        _ => String::new(),
    };
    place("at", &finding.file, finding.line) + &place("forked at", &finding.fork_file, finding.fork_line)
}
