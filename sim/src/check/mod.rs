//! From accesses to findings: what each fork wrote that was not its own, and which accesses raced.

pub mod finding;
mod nests;
mod shadow;

pub(crate) use finding::TARGETS;
pub use finding::{Finding, Findings, ForkSite, Key, Kind, RaceSide, Severity, StuckWait, Told};
pub(crate) use nests::{Nest, NestTask};
pub use shadow::{Entry, Races, Shadow, ShadowMark};
