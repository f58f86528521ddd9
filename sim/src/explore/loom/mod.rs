//! `--strategy loom`: the loom model checker as a second opinion on small programs.
//!
//! Its search is another's, so that agreement means something; ours is the faster one, and has no limit of forks.

#[cfg(feature = "loom")]
mod threads;

use crate::config::Config;
use crate::explore::Exploration;
use crate::program::Program;

/// Forks in one execution: loom has room for five threads, the caller's included, and uses none of them twice.
#[cfg(feature = "loom")]
const FORKS: u32 = 4;

/// Why loom cannot run `program`, if it cannot.
pub fn refusal(program: &Program, config: &Config) -> Option<String> {
    refused(&super::certificate(program, config))
}

/// Goes on from the first run, if anything raced in it, with every schedule that loom finds different.
pub(crate) fn search(program: &Program, config: &Config, mut first: Exploration) -> Exploration {
    if let Some(reason) = refused(&first) {
        first.refuse(reason);
    } else if first.cut.is_none() && !first.hot.is_empty() {
        run(program, config, &mut first);
    }
    first
}

#[cfg(feature = "loom")]
use threads::search as run;

#[cfg(feature = "loom")]
fn refused(first: &Exploration) -> Option<String> {
    (first.tasks > FORKS + 1).then(|| too_many(&(first.tasks - 1).to_string()))
}

#[cfg(feature = "loom")]
fn too_many(forks: &str) -> String {
    format!("loom runs at most {FORKS} forks in one execution, and this program has {forks}: use --strategy dpor")
}

#[cfg(not(feature = "loom"))]
fn refused(_: &Exploration) -> Option<String> {
    Some("this forkcheck was built without its feature `loom`: use --strategy dpor".to_string())
}

#[cfg(not(feature = "loom"))]
fn run(_: &Program, _: &Config, _: &mut Exploration) {
    unreachable!("without loom every program is refused")
}
