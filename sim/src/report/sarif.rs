//! The report as SARIF 2.1.0, for GitHub code scanning and editors.
//!
//! A result has the place of the write as its one location, the fork and the other side of a race as related locations, and a code
//! flow: a thread from the fork through the calls to the write, and a thread for the other side. Nothing in it depends on the
//! clock or the machine; files are named as the program names them.
//!
//! What no run confirmed (`possible`) is a `note` of the default kind `fail`: SARIF wants the level `none` for the kinds
//! `open` and `review`, and code scanning shows such results nowhere.
//!
//! GitHub's limits are kept: texts of 1024 units of UTF-16, names of 255, 25 000 results, and of each result 10 000 steps.

use std::collections::{BTreeMap, BTreeSet};

use forkcheck_model::graph::Span;
use serde_json::{Map, Value, json};

use super::explain::{RULES, Rule};
use super::words::{self, fit};
use super::{Change, FindingReport, FrameReport, RaceReport, RemedyReport, Report, Verdict, WaitReport};
use crate::check::Severity;

/// Where the files of a program are.
const ROOT: &str = "%SRCROOT%";
/// The longest text that GitHub takes, in units of UTF-16.
const TEXT: usize = 1024;
/// The most results of a run.
const RESULTS: usize = 25_000;
/// The most frames shown at each end of a stack.
const FRAMES: usize = 100;
/// The most waits shown of a circle.
const WAITS: usize = 40;

/// The report as one SARIF log with one run.
pub fn render(report: &Report) -> String {
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run(report)],
    });
    serde_json::to_string_pretty(&log).expect("plain data has a JSON form") + "\n"
}

fn run(report: &Report) -> Value {
    let mut fingerprints = Fingerprints::default();
    let findings = report.findings.iter().map(|finding| (finding, finding.severity));
    let possible = report.possible.iter().map(|finding| (finding, "note"));
    let results: Vec<Value> = findings
        .chain(possible)
        .take(RESULTS)
        .map(|(finding, level)| result(report, finding, level, &mut fingerprints))
        .collect();
    json!({
        "tool": { "driver": {
            "name": "forkcheck",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
        } },
        "automationDetails": { "id": format!("forkcheck/{}/{}/", report.program, report.method) },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { ROOT: { "description": message("The folder that the program's sources are named from.") } },
        "invocations": [invocation(report, results.len())],
        "results": results,
        "properties": properties(report),
    })
}

fn rule(rule: &Rule) -> Value {
    let level = if rule.kind.severity() == Severity::Error { "error" } else { "warning" };
    let name = rule.kind.name().split('-').map(capital).collect::<String>();
    json!({
        "id": rule.kind.code(),
        "name": name,
        "shortDescription": message(&sentence(rule.short)),
        "fullDescription": message(&rule.paragraphs()),
        "help": { "text": rule.text(), "markdown": rule.markdown() },
        "defaultConfiguration": { "level": level },
        "properties": {
            "tags": ["concurrency", "determinism"],
            "precision": "very-high",
            "problem.severity": level,
        },
    })
}

fn invocation(report: &Report, shown: usize) -> Value {
    let all = report.findings.len() + report.possible.len();
    let left_out = (all > shown).then(|| format!("{} more findings are left out", all - shown));
    let notification = |text: &String| json!({ "level": "note", "message": message(&sentence(text)) });
    json!({
        "executionSuccessful": report.verdict != Some(Verdict::Unknown),
        "exitCode": report.exit_code(),
        "exitCodeDescription": words::verdict(report),
        "toolExecutionNotifications": report.notes.iter().chain(&left_out).map(notification).collect::<Vec<_>>(),
    })
}

fn properties(report: &Report) -> Value {
    let outcomes = report.outcomes.as_ref();
    let fork = |fork: &super::ForkReport| json!({ "id": fork.id, "function": fork.function, "pure": fork.pure });
    present([
        ("program", Some(json!(report.program))),
        ("method", Some(json!(report.method))),
        ("verdict", report.verdict.map(|verdict| json!(verdict.name()))),
        ("assurance", report.assurance.map(|assurance| json!(assurance.name()))),
        ("restsOn", report.rests_on.as_ref().map(|text| json!(text))),
        ("atomicity", Some(json!(report.atomicity))),
        ("strategy", Some(json!(report.strategy))),
        ("forks", Some(report.forks.iter().map(fork).collect())),
        ("outcomes", outcomes.map(|outcomes| json!(outcomes))),
        ("executions", report.stats.executions.map(|executions| json!(executions))),
        ("replay", report.replay.as_ref().map(|replay| json!(replay))),
    ])
}

fn result(report: &Report, finding: &FindingReport, level: &str, fingerprints: &mut Fingerprints) -> Value {
    let here = Place::here(finding);
    let related = related(finding);
    let index = RULES.iter().position(|rule| rule.kind.code() == finding.code);
    present([
        ("ruleId", Some(json!(finding.code))),
        ("ruleIndex", index.map(|index| json!(index))),
        ("level", Some(json!(level))),
        ("message", Some(message(&said(finding)))),
        ("locations", Some(json!([here.location(report, None)]))),
        ("relatedLocations", some(related.iter().enumerate().map(|(i, place)| place.location(report, Some(i + 1))))),
        ("codeFlows", some(code_flow(report, finding).into_iter())),
        ("fixes", some(finding.remedies.iter().filter_map(fix))),
        ("partialFingerprints", Some(json!({ "forkcheckFinding/v1": fingerprints.next(finding) }))),
        ("properties", Some(of_finding(finding))),
    ])
}

/// A remedy that can be applied to the file.
fn fix(remedy: &RemedyReport) -> Option<Value> {
    let Change { at, text } = remedy.change.as_ref()?;
    let column = |at: usize, text: &str| text[..at].chars().rev().take_while(|&c| c != '\n').count() + 1;
    let (source, range) = (&at.source().text, at.range());
    let replacement = json!({
        "deletedRegion": {
            "startLine": at.line(),
            "startColumn": column(range.start, source),
            "endLine": last_line(at),
            "endColumn": column(range.end, source),
        },
        "insertedContent": { "text": text },
    });
    Some(json!({
        "description": message(&sentence(&remedy.text)),
        "artifactChanges": [{ "artifactLocation": artifact(at.file()), "replacements": [replacement] }],
    }))
}

fn of_finding(finding: &FindingReport) -> Value {
    present([
        ("operator", Some(json!(finding.operator))),
        ("target", Some(json!(finding.target))),
        ("task", (!finding.task.is_empty()).then(|| json!(finding.task))),
        ("certainty", Some(json!(finding.certainty))),
        ("evidence", Some(json!(finding.evidence))),
        ("race", finding.race.as_ref().map(|race| json!(race))),
    ])
}

/// The finding in sentences; what stands in brackets leads to a related location.
fn said(finding: &FindingReport) -> String {
    // A link of ours is not to be confused with what happens to look like one.
    let plain = |text: &str| text.replace("](", "] (");
    let mut text = sentence(&plain(&words::title(finding)));
    let links = related(finding).into_iter().enumerate();
    let links: Vec<String> = links.map(|(i, place)| format!("[{}]({})", plain(&place.message), i + 1)).collect();
    let deed = match finding.kind {
        _ if !finding.waits.is_empty() => String::new(),
        "lost-error" | "unwaited-fork" => sentence(&plain(&words::deed(finding))),
        _ => sentence(&format!("By {}", plain(&words::deed(finding)))),
    };
    let links = match links.is_empty() {
        true => String::new(),
        false => format!("See: {}.", links.join("; ")),
    };
    let helps = finding.remedies.iter().map(|remedy| sentence(&plain(&remedy.sentence())));
    for part in [deed, links].into_iter().chain(helps) {
        if !part.is_empty() {
            text = format!("{text} {part}");
        }
    }
    text
}

/// A place in a file, and what is to be said of it.
#[derive(Clone)]
struct Place<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    span: Option<&'a Span>,
    function: Option<&'a str>,
    message: String,
}

impl<'a> Place<'a> {
    fn new(file: &'a Option<String>, line: Option<u32>, span: Option<&'a Span>, message: String) -> Self {
        Self { file: file.as_deref(), line, column: None, span, function: None, message }
    }

    /// Where the finding is.
    fn here(finding: &'a FindingReport) -> Self {
        let (file, line) = (&finding.file, finding.line);
        let frame = finding.stack.iter().find(|frame| (&frame.file, frame.line) == (file, line));
        let frame = frame.or(finding.stack.first());
        let function = frame.map(|frame| frame.function.as_str());
        let message = words::deed(finding);
        Place { column: finding.column, function, ..Place::new(file, line, finding.places.here.as_ref(), message) }
    }

    fn frame(frame: &'a FrameReport, message: String) -> Self {
        let function = Some(frame.function.as_str());
        Place { function, ..Place::new(&frame.file, frame.line, None, message) }
    }

    fn is_at(&self, other: &Place<'_>) -> bool {
        (self.file, self.line) == (other.file, other.line)
    }

    /// The location; where no file is known, that of the program as a whole.
    fn location(&self, report: &Report, id: Option<usize>) -> Value {
        let file = self.file.filter(|file| !file.is_empty());
        let region = match file {
            Some(_) => self.region(),
            None => json!({ "startLine": 1 }),
        };
        let physical = present([
            ("artifactLocation", Some(artifact(file.unwrap_or(&report.program)))),
            ("region", Some(region)),
            ("contextRegion", file.and_then(|_| self.context())),
        ]);
        let function = |name: &str| {
            let last = name.rsplit('.').next().unwrap_or(name);
            json!([{ "name": last, "fullyQualifiedName": name, "kind": "function" }])
        };
        present([
            ("id", id.map(|id| json!(id))),
            ("physicalLocation", Some(physical)),
            ("logicalLocations", self.function.filter(|name| !name.is_empty()).map(function)),
            ("message", id.map(|_| message(&self.message))),
        ])
    }

    /// The stretch of text, if it is known and is what the line says.
    fn stretch(&self) -> Option<&'a Span> {
        self.span.filter(|span| !span.source().text.is_empty() && Some(span.line()) == self.line)
    }

    /// Columns count characters, from 1; the end is the column after the last one.
    fn region(&self) -> Value {
        let Some(span) = self.stretch() else {
            // Of what tracing recorded the line is all that is known.
            let column = self.column.filter(|_| self.span.is_none());
            let line = self.line.unwrap_or(1).max(1);
            return present([("startLine", Some(json!(line))), ("startColumn", column.map(|column| json!(column)))]);
        };
        let (text, range) = (&span.source().text, span.range());
        let column = |at: usize| text[..at].chars().rev().take_while(|&c| c != '\n').count() + 1;
        present([
            ("startLine", Some(json!(span.line()))),
            ("startColumn", Some(json!(column(range.start)))),
            ("endLine", Some(json!(last_line(span)))),
            ("endColumn", Some(json!(column(range.end)))),
            ("snippet", (span.text().len() <= TEXT && !range.is_empty()).then(|| message(span.text()))),
        ])
    }

    /// The whole lines around the stretch, for those who do not have the file.
    fn context(&self) -> Option<Value> {
        let span = self.stretch()?;
        let lines = whole_lines(span);
        let region = json!({ "startLine": span.line(), "endLine": last_line(span), "snippet": message(lines) });
        (lines.len() <= TEXT && lines != span.text()).then_some(region)
    }
}

/// The fork, the other side of the race, or all the waits.
fn related(finding: &FindingReport) -> Vec<Place<'_>> {
    let mut places: Vec<Place<'_>> =
        waits(finding).map(|(wait, span)| Place::new(&wait.file, wait.line, span, waits_for(wait))).collect();
    if places.is_empty() && finding.kind != "unwaited-fork" {
        places.extend(fork(finding));
    }
    places.extend(finding.race.as_ref().and_then(|race| other(finding, race)));
    places
}

/// Where the fork is that the finding belongs to.
fn fork(finding: &FindingReport) -> Option<Place<'_>> {
    finding.fork_line?;
    let span = finding.places.fork.as_ref();
    Some(Place::new(&finding.fork_file, finding.fork_line, span, "forked here".to_string()))
}

/// The other side of the race, if it has a place.
fn other<'a>(finding: &'a FindingReport, race: &'a RaceReport) -> Option<Place<'a>> {
    race.other_line?;
    let span = finding.places.other.as_ref();
    Some(Place::new(&race.other_file, race.other_line, span, format!("races with {}", words::other_side(race))))
}

fn waits(finding: &FindingReport) -> impl Iterator<Item = (&WaitReport, Option<&Span>)> {
    let span = |i: usize| finding.places.waits.get(i).and_then(|(wait, _)| wait.as_ref());
    finding.waits.iter().enumerate().take(WAITS).map(move |(i, wait)| (wait, span(i)))
}

fn waits_for(wait: &WaitReport) -> String {
    format!("{} waits for {}", wait.task, wait.waits_for)
}

/// One thread from the fork to the write and one for the other side; or one for each wait.
fn code_flow(report: &Report, finding: &FindingReport) -> Option<Value> {
    let mut threads: Vec<Value> = Vec::new();
    if finding.waits.is_empty() {
        threads.push(thread(report, &finding.task, way(finding)));
        if let Some(other) = finding.race.as_ref().and_then(|race| other_way(report, finding, race)) {
            let same = finding.race.as_ref().is_none_or(|race| race.other_task == finding.task);
            let task = finding.race.as_ref().map_or("", |race| race.other_task.as_str());
            threads.push(thread(report, if same { "" } else { task }, other));
        }
    }
    let mut seen = BTreeSet::new();
    for (wait, span) in waits(finding) {
        let end = Place::new(&wait.file, wait.line, span, waits_for(wait));
        let task = if seen.insert(&wait.task) { wait.task.as_str() } else { "" };
        threads.push(thread(report, task, calls(&wait.stack, end)));
    }
    (!threads.is_empty()).then(|| json!({ "threadFlows": threads }))
}

/// From the fork through the calls to the place of the finding.
fn way(finding: &FindingReport) -> Vec<Place<'_>> {
    let end = Place { message: format!("{}: {}", words::deed(finding), finding.target), ..Place::here(finding) };
    let mut way = calls(&finding.stack, end);
    // What a task writes while another uses it belongs to that other's fork.
    let own = !matches!(finding.kind, "parent-mutation" | "unwaited-fork");
    if let Some(fork) = fork(finding).filter(|_| own) {
        let message = match finding.task.is_empty() {
            true => "forked here".to_string(),
            false => format!("task {} is forked here", finding.task),
        };
        if way.len() > 1 && way[0].is_at(&fork) {
            way.remove(0);
        }
        way.insert(0, Place { message, ..fork });
    }
    way
}

/// The other side of a race: its fork, if that is known, and its access.
fn other_way<'a>(report: &'a Report, finding: &'a FindingReport, race: &'a RaceReport) -> Option<Vec<Place<'a>>> {
    let end = other(finding, race)?;
    let message = format!("task {} is forked here", race.other_task);
    let path = race.other_task.strip_prefix("main/").unwrap_or_default();
    let known = report.forks.iter().find(|fork| fork.id == path && fork.line.is_some());
    let known = known.map(|known| Place::new(&known.file, known.line, None, message.clone()));
    let of_finding = || fork(finding).filter(|_| finding.kind == "parent-mutation");
    let start = known.or_else(of_finding).map(|start| Place { message, ..start });
    Some(start.into_iter().chain([end]).collect())
}

/// The calls of a stack, outermost first, and at the end the place that they lead to.
fn calls<'a>(stack: &'a [FrameReport], end: Place<'a>) -> Vec<Place<'a>> {
    let Some((innermost, callers)) = stack.split_first() else { return vec![end] };
    let mut callee = innermost;
    let mut way: Vec<Place<'a>> = Vec::new();
    for caller in callers {
        way.push(Place::frame(caller, format!("calls {}", callee.function)));
        callee = caller;
    }
    way.reverse();
    if way.len() > 2 * FRAMES {
        way.drain(FRAMES..way.len() - FRAMES);
    }
    // The finding is told of the user's line; the exact place may be inside of a library.
    let exact = Place::frame(innermost, end.message.clone());
    way.push(if exact.is_at(&end) { end } else { exact });
    way
}

fn thread(report: &Report, task: &str, way: Vec<Place<'_>>) -> Value {
    let last = way.len().saturating_sub(1);
    let step = |(i, place): (usize, &Place<'_>)| {
        let mut location = place.location(report, None);
        location["message"] = message(&place.message);
        let importance = if i == 0 || i == last { "essential" } else { "important" };
        json!({ "location": location, "nestingLevel": i, "importance": importance })
    };
    present([
        ("id", (!task.is_empty()).then(|| json!(task))),
        ("locations", Some(way.iter().enumerate().map(step).collect())),
    ])
}

/// Names that outlast edits elsewhere: made of words, never of line numbers. Those that are the same are counted.
#[derive(Default)]
struct Fingerprints {
    seen: BTreeMap<u64, usize>,
}

impl Fingerprints {
    fn next(&mut self, finding: &FindingReport) -> String {
        let text = |span: &Option<Span>| span.as_ref().map(whole_lines).unwrap_or_default().trim().to_string();
        // The names of tasks change with the forks before them.
        let target = if finding.waits.is_empty() && finding.kind != "unwaited-fork" { &*finding.target } else { "" };
        let function = Place::here(finding).function.map(unmangled).unwrap_or_default();
        let parts = [
            finding.kind,
            finding.file.as_deref().unwrap_or_default(),
            &text(&finding.places.here),
            &finding.operator,
            &function,
            target,
            finding.fork_file.as_deref().unwrap_or_default(),
            &text(&finding.places.fork),
        ];
        let hash = xxhash_rust::xxh3::xxh3_64(parts.join("\0").as_bytes());
        let count = self.seen.entry(hash).or_insert(0);
        *count += 1;
        format!("{hash:016x}:{count}")
    }
}

/// The lines on which a stretch lies.
fn whole_lines(span: &Span) -> &str {
    let (text, range) = (&span.source().text, span.range());
    let from = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let to = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline);
    &text[from..to]
}

/// The line on which a stretch ends.
fn last_line(span: &Span) -> u32 {
    span.line() + span.text().matches('\n').count() as u32
}

/// A name without the numbers that PyTorch gives to classes of one name, which change when another is added.
fn unmangled(name: &str) -> String {
    name.split('.').filter(|part| !part.starts_with("___torch_mangle_")).collect::<Vec<_>>().join(".")
}

/// Where a file is, as a URI: relative to the root, or absolute if the program names it so.
fn artifact(file: &str) -> Value {
    let path = file.replace('\\', "/");
    let drive = path.as_bytes().get(1) == Some(&b':') && path.as_bytes()[0].is_ascii_alphabetic();
    let encoded = |path: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte);
        let encode = |byte: u8| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") };
        path.bytes().map(encode).collect()
    };
    if drive {
        json!({ "uri": format!("file:///{}:{}", &path[..1], encoded(&path[2..])) })
    } else if path.starts_with('/') {
        json!({ "uri": format!("file://{}", encoded(&path)) })
    } else {
        let path = path.trim_start_matches("./");
        json!({ "uri": encoded(if path.is_empty() { "." } else { path }), "uriBaseId": ROOT })
    }
}

fn message(text: &str) -> Value {
    json!({ "text": fit(text, TEXT) })
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    capital(text) + end
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// The fields that there are.
fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A list, if it has anything in it.
fn some(items: impl Iterator<Item = Value>) -> Option<Value> {
    let items: Vec<Value> = items.collect();
    (!items.is_empty()).then_some(Value::Array(items))
}
