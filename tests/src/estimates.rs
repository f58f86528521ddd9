//! What criterion estimated, for the tables at the end of benchmarks.

use std::path::Path;

/// The median of a benchmark that was run with its output in `folder`, in nanoseconds.
pub fn median(folder: &Path, id: &str) -> Option<f64> {
    let name = id.replace('/', "_");
    let estimates = std::fs::read_to_string(folder.join(name).join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&estimates).ok()?;
    estimates["median"]["point_estimate"].as_f64()
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
