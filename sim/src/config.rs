//! Every number that an audit depends on, explicit; none is read from the environment here.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use forkcheck_model::graph::Span;
pub use forkcheck_scheduler::Atomicity;
use forkcheck_scheduler::{Schedule, Spec};

use crate::explore::Progress;
use crate::report::Witness;

/// How an audit goes about its work.
#[derive(Clone)]
pub struct Config {
    /// Who goes next.
    pub strategy: Spec,
    /// Seeds the strategies that draw.
    pub seed: u64,
    /// How many executions at most.
    pub executions: u64,
    /// How many steps the strategy `auto` takes at most once two different outcomes are in hand: the verdict is known then,
    /// and what is left of the budget would count outcomes.
    pub enough: u64,
    /// What is one step.
    pub atomicity: Atomicity,
    /// What one execution may take.
    pub limits: Limits,
    /// Whose frames are not the user's.
    pub library: Library,
    /// How many threads may work at once. A report does not depend on it.
    pub jobs: u32,
    /// Is told now and then how far an exploration is.
    pub watch: Option<Watch>,
    /// Is told once, as soon as two different outcomes are in hand.
    pub found: Option<Found>,
    /// Schedules that once had different outcomes: tried again where an exploration meets only one.
    pub stored: Vec<Schedule>,
}

/// Somebody who waits for an exploration.
pub type Watch = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Somebody who keeps failures.
pub type Found = Arc<dyn Fn(&[Witness; 2]) + Send + Sync>;

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { strategy, seed, executions, enough, atomicity, limits, library, jobs, stored, watch: _, found: _ } =
            self;
        f.debug_struct("Config")
            .field("strategy", strategy)
            .field("seed", seed)
            .field("executions", executions)
            .field("enough", enough)
            .field("atomicity", atomicity)
            .field("limits", limits)
            .field("library", library)
            .field("jobs", jobs)
            .field("stored", stored)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    /// The defaults of the command line, without limit of memory.
    fn default() -> Self {
        Self {
            strategy: Spec::Auto,
            seed: 0,
            executions: 10_000,
            enough: 2_000_000,
            atomicity: Atomicity::Split,
            limits: Limits::default(),
            library: Library::default(),
            jobs: 1,
            watch: None,
            found: None,
            stored: Vec::new(),
        }
    }
}

impl Config {
    /// Sets how many executions there are at most. What is asked for is run to its end, whatever is known before.
    pub fn ask_for(&mut self, executions: u64) {
        (self.executions, self.enough) = (executions, u64::MAX);
    }
}

/// How much may be explored: a number of executions, or a time.
///
/// ```
/// use forkcheck::config::Budget;
///
/// assert_eq!("40".parse(), Ok(Budget::Executions(40)));
/// assert_eq!("1.5s".parse(), Ok(Budget::Time(std::time::Duration::from_millis(1500))));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// So many executions, at least one.
    Executions(u64),
    /// As many as there are in this time.
    Time(Duration),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => return Err("expected at least 1".to_string()),
            Ok(executions) => return Ok(Budget::Executions(executions)),
            Err(_) => {}
        }
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
        let seconds =
            units.iter().find_map(|&(unit, seconds)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds));
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        time.map(Budget::Time)
            .ok_or_else(|| "expected a number of executions, or a time such as 500ms, 30s, 5m".to_string())
    }
}

/// What one execution may take before it is cut.
#[derive(Clone)]
pub struct Limits {
    /// Steps.
    pub steps: u64,
    /// Tasks.
    pub tasks: u32,
    /// Bytes that live at once.
    pub memory: u64,
    /// Whether the time is up, asked now and then; time is kept by the caller.
    pub expired: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
}

impl Limits {
    /// Whether the time is up.
    pub fn expired(&self) -> bool {
        self.expired.as_ref().is_some_and(|expired| expired())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 10_000_000, tasks: 1_000_000, memory: u64::MAX, expired: None }
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Limits({} steps, {} tasks, {} bytes)", self.steps, self.tasks, self.memory)
    }
}

/// Which source files are libraries: a finding names the innermost line that is not in one.
#[derive(Debug, Clone, Default)]
pub struct Library {
    /// More prefixes that are libraries.
    pub library: Vec<String>,
    /// Prefixes that are the user's after all.
    pub user_code: Vec<String>,
}

impl Library {
    /// The first of these places, innermost first, that the user wrote; if all are library code, the first.
    pub(crate) fn users<'s>(&self, mut spans: impl Iterator<Item = &'s Span> + Clone) -> Option<&'s Span> {
        let innermost = spans.clone().next();
        spans.find(|span| !self.contains(span.file())).or(innermost)
    }

    /// Whether `file` is a library's.
    pub fn contains(&self, file: &str) -> bool {
        let starts = |prefixes: &[String]| prefixes.iter().any(|prefix| file.starts_with(prefix.as_str()));
        if starts(&self.user_code) {
            return false;
        }
        let installed = file.split(['/', '\\']).any(|part| part == "site-packages" || part == "dist-packages");
        installed
            || ["torch/", "torchvision/", "torchaudio/"].iter().any(|own| file.starts_with(own))
            || starts(&self.library)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_numbers_or_times() {
        assert_eq!("40".parse(), Ok(Budget::Executions(40)));
        assert_eq!("1.5s".parse(), Ok(Budget::Time(Duration::from_millis(1500))));
        assert_eq!("20ms".parse(), Ok(Budget::Time(Duration::from_millis(20))));
        for bad in ["0", "", "s", "-1s", "3 days", "1e99h"] {
            assert!(bad.parse::<Budget>().is_err(), "{bad}");
        }
    }

    #[test]
    fn installed_packages_are_libraries_unless_the_user_says_otherwise() {
        let default = Library::default();
        assert!(default.contains("/usr/lib/python3/site-packages/torch/nn/functional.py"));
        assert!(default.contains("torch/nn/functional.py"));
        assert!(!default.contains("models/torch_like.py"));
        let own = Library { library: vec!["vendor/".into()], user_code: vec!["torch/mine/".into()] };
        assert!(own.contains("vendor/a.py"));
        assert!(!own.contains("torch/mine/a.py"));
    }
}
