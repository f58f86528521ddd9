//! The report for GitHub Actions: workflow commands, which become annotations on the lines of a pull request.
//!
//! GitHub shows ten annotations of each kind of a step and drops the rest, so what is beyond that is printed as plain lines of
//! the log. The last line is the verdict.

use super::words::{self, fit};
use super::{FindingReport, Report};

/// How many annotations of a kind GitHub shows.
const SHOWN: usize = 10;
/// The longest title that GitHub takes, in units of UTF-16.
const TITLE: usize = 255;
/// The longest message: it takes 64 KiB, and a unit of UTF-16 has at most three bytes.
const MESSAGE: usize = 20_000;

/// The report as workflow commands, a line each.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    let mut rest = String::new();
    let findings = report.findings.iter().map(|finding| {
        let command = if finding.severity == "error" { "error" } else { "warning" };
        (command, finding)
    });
    let possible = report.possible.iter().map(|finding| ("notice", finding));
    // The verdict is a notice, too.
    let mut left = [("error", SHOWN), ("warning", SHOWN), ("notice", SHOWN - 1)];
    for (command, finding) in findings.chain(possible) {
        let (_, left) = left.iter_mut().find(|row| row.0 == command).expect("one of the three");
        if *left == 0 {
            rest.push_str(&plain(command, finding));
        } else {
            *left -= 1;
            text.push_str(&annotation(command, finding));
        }
    }
    text + &rest + &last(report)
}

/// `::error file=…,line=…,col=…,title=…::message`.
fn annotation(command: &str, finding: &FindingReport) -> String {
    let mut properties = Vec::new();
    if let (Some(file), Some(line)) = (&finding.file, finding.line) {
        properties.push(format!("file={}", property(file)));
        properties.push(format!("line={line}"));
        properties.extend(finding.column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={} {}", finding.code, finding.kind));
    let message = format!("{}\n{}", words::title(finding), words::lines(finding).join("\n"));
    format!("::{command} {}::{}\n", properties.join(","), data(&fit(&message, MESSAGE)))
}

/// A line that is no command.
fn plain(command: &str, finding: &FindingReport) -> String {
    let place = match (&finding.file, finding.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        _ => String::new(),
    };
    let line = format!("{command}[{}]: {place}{}", finding.code, words::title(finding));
    // Of the old form of a command it is enough that `##[` stands somewhere in a line.
    let line: Vec<&str> = line.split(['\n', '\r']).map(str::trim).collect();
    line.join(" ").replace("##[", "## [") + "\n"
}

fn last(report: &Report) -> String {
    let mut lines = Vec::new();
    lines.extend(words::basis(report));
    lines.push(words::forks(report));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(report.replay.iter().map(|replay| format!("replay: {replay}")));
    let title = format!("forkcheck {} of {}", report.method, report.program);
    let message = format!("{}\n{}", words::verdict(report), lines.join("\n"));
    format!("::notice title={}::{}\n", property(&fit(&title, TITLE)), data(&fit(&message, MESSAGE)))
}

/// What follows the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
