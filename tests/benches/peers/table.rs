//! The table at the end: medians from what criterion wrote, and their ratios.

use std::fmt::Write as _;
use std::path::Path;

use forkcheck_tests::estimates::{median, time};

/// A group, a workload, the peer that it is held against if there is one, and the ratio that we want at least.
const ROWS: &[(&str, &str, &str, f64)] = &[
    ("random", "W1 N=4", "shuttle", 20.0),
    ("pct", "W1 N=4", "shuttle", 10.0),
    ("uniform", "W1 N=4", "shuttle", 10.0),
    ("random", "W5 N=100", "shuttle", 1.0),
    ("pct", "W5 N=100", "shuttle", 1.0),
    ("uniform", "W5 N=100", "shuttle", 1.0),
    ("random", "W5 N=1000", "shuttle", 1.0),
    ("pct", "W5 N=1000", "shuttle", 100.0),
    ("uniform", "W5 N=1000", "shuttle", 1.0),
    ("exhaustive", "W1 N=2", "loom", 1.0),
    ("exhaustive", "W1 N=3", "loom", 1000.0),
    ("exhaustive", "W2 N=4", "loom", 1000.0),
    ("closures random", "W1 N=4", "shuttle", 6.0),
    ("closures pct", "W1 N=4", "shuttle", 1.0),
    ("closures uniform", "W1 N=4", "shuttle", 1.0),
    ("closures random", "W5 N=100", "shuttle", 1.0),
    ("closures random", "W5 N=1000", "shuttle", 5.0),
    ("closures pct", "W5 N=1000", "shuttle", 50.0),
    ("closures exhaustive", "W1 N=2", "loom", 1.0),
    ("closures exhaustive", "W1 N=3", "loom", 300.0),
    ("closures exhaustive", "W2 N=4", "loom", 1.0),
    ("closures bug", "chain reversed", "shuttle", 10.0),
    ("closures bug", "cycle", "shuttle", 10.0),
];

/// What we alone do: loom and shuttle do not finish, or have no such thing.
const ALONE: &[(&str, &str)] = &[
    ("pos", "W1 N=4"),
    ("pos", "W5 N=1000"),
    ("exhaustive", "W1 N=4"),
    ("closures exhaustive", "W1 N=4"),
    ("exhaustive", "W3"),
    ("exhaustive", "W4 depth 3"),
    ("states", "10 writers"),
    ("states", "12 writers"),
    ("auto", "chain"),
    ("auto", "chain reversed"),
    ("auto", "cycle"),
    ("states", "15 writers, 1 job"),
    ("states", "15 writers, 2 jobs"),
    ("interpreter", "1000 samples of W1 N=4"),
    ("interpreter", "dpor W1 N=3"),
    ("interpreter", "dpor W1 N=4"),
    ("interpreter", "states 10 writers"),
    ("interpreter", "100 000 samples, 1 job"),
    ("interpreter", "100 000 samples, 2 jobs"),
];

/// The table, as Markdown.
pub(crate) fn render(folder: &Path) -> String {
    let mut text =
        String::from("\n| strategy | workload | forkcheck | peer | ratio | wanted |\n|---|---|---|---|---|---|\n");
    for &(group, workload, peer, wanted) in ROWS {
        let (Some(ours), Some(theirs)) = (
            median(folder, &format!("{group}/{workload}/forkcheck")),
            median(folder, &format!("{}/{workload}/{peer}", group.trim_start_matches("closures "))),
        ) else {
            continue;
        };
        let wanted = if wanted > 1.0 { format!("{wanted}x") } else { String::new() };
        let (a, b, ratio) = (time(ours), time(theirs), theirs / ours);
        writeln!(text, "| {group} | {workload} | {a} | {b} ({peer}) | {ratio:.1}x | {wanted} |").expect("a string");
    }
    for &(group, workload) in ALONE {
        let Some(ours) = median(folder, &format!("{group}/{workload}/forkcheck")) else { continue };
        writeln!(text, "| {group} | {workload} | {} | | | |", time(ours)).expect("a string");
    }
    text
}
