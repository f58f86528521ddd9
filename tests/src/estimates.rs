//! What criterion estimated, for the tables at the end of benchmarks.

use std::path::{Path, PathBuf};

/// The median of a benchmark that was run with its output in `folder`, in nanoseconds.
pub fn median(folder: &Path, id: &str) -> Option<f64> {
    let estimates = std::fs::read_to_string(file(folder, id)).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&estimates).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Forgets the median of a run before: if there is one afterwards, it is of this run.
pub fn forget(folder: &Path, id: &str) {
    // There may be none.
    let _ = std::fs::remove_file(file(folder, id));
}

fn file(folder: &Path, id: &str) -> PathBuf {
    folder.join(id.replace('/', "_")).join("new/estimates.json")
}

/// Nanoseconds, as a person reads them.
pub fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        t if t < 1e3 => format!("{t:.0} ns"),
        t if t < 1e6 => format!("{:.2} µs", t / 1e3),
        t if t < 1e9 => format!("{:.2} ms", t / 1e6),
        t => format!("{:.2} s", t / 1e9),
    }
}
