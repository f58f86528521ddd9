//! What the tests of all programs ask of reports.

use forkcheck::Report;
use forkcheck::report::{Assurance, Verdict};

/// The line of a source that ends in this comment, from 1.
pub(crate) fn line_of(source: &str, mark: &str) -> u32 {
    let mark = format!("// {mark}");
    let found: Vec<_> = source.lines().enumerate().filter(|(_, line)| line.ends_with(&mark)).collect();
    let [(index, _)] = found[..] else { panic!("{} lines end in {mark:?}", found.len()) };
    index as u32 + 1
}

/// The report has this finding: kind, target, line.
#[track_caller]
pub(crate) fn check_finds(report: &Report, kind: &str, target: &str, line: u32) {
    let wanted = (kind, target, Some(line));
    let found = report.findings.iter().any(|finding| (finding.kind, finding.target.as_str(), finding.line) == wanted);
    assert!(found, "expected {wanted:?}:\n{report}");
}

/// One execution was enough to certify that every schedule gives the same, without any effect.
#[track_caller]
pub(crate) fn check_certified(report: &Report) {
    let found = (report.verdict, report.assurance, report.stats.executions);
    assert_eq!(found, (Some(Verdict::Pure), Some(Assurance::Certified), Some(1)), "{report}");
}
