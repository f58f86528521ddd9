//! From accesses to findings: what each fork wrote that was not its own, and which accesses raced.

pub mod finding;
mod shadow;

pub use finding::{Finding, Findings, ForkSite, Key, Kind, RaceSide, Severity};
pub use shadow::{Entry, Shadow};
