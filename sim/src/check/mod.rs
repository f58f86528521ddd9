//! From accesses to findings: what each fork wrote that was not its own, and which accesses raced.

pub(crate) mod blame;
pub mod finding;
pub(crate) mod joins;
mod nests;
pub(crate) mod scene;
mod shadow;

pub use finding::{Deed, Finding, Findings, ForkSite, Key, Kind, RaceSide, Severity, StuckWait, Told};
pub use shadow::{Entry, Races, Shadow, ShadowMark};
