//! The names of the strategies, as they are typed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::choice::Scheduler;
use crate::profile::Profile;
use crate::strategy::child_first::ChildFirst;
use crate::strategy::pct::Pct;
use crate::strategy::pos::Pos;
use crate::strategy::random::Random;
use crate::strategy::round_robin::RoundRobin;
use crate::strategy::uniform::Uniform;

/// A strategy by name, with its parameter. Whether it can run a given program is for its user to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Spec {
    /// Certificate, then what fits.
    #[default]
    Auto,
    /// The default order, once.
    ChildFirst,
    /// Each task in turn, once.
    RoundRobin,
    /// Random walks.
    Random,
    /// Random priorities with `depth - 1` changes.
    Pct {
        /// The depth of bug that it is aimed at, at least 1.
        depth: u32,
    },
    /// Random priorities per step.
    Pos,
    /// Random executions, each equally likely.
    Uniform,
    /// Depth-first search with sleep sets.
    Dfs,
    /// Optimal dynamic partial-order reduction.
    Dpor,
    /// Search over merged states.
    States,
    /// The loom model checker.
    Loom,
    /// Real threads.
    Threads {
        /// How many, at least 1.
        count: u32,
    },
}

/// The names and what they do, in the order in which help lists them.
pub const STRATEGIES: &[(&str, &str)] = &[
    ("auto", "certify by one race-free run; otherwise whatever search fits the budget"),
    ("child-first", "run each body at its fork, as in eager mode; one execution"),
    ("round-robin", "each task in turn, one step at a time; one execution"),
    ("random", "at each step any enabled task, equally likely"),
    ("pct:D", "random priorities with D-1 changes; finds bugs of depth D with a known chance"),
    ("pos", "random priorities for steps, drawn again where steps conflict"),
    ("uniform", "every execution equally likely, for fork-join programs"),
    ("dfs", "every inequivalent execution, by depth-first search with sleep sets"),
    ("dpor", "every inequivalent execution, exactly once, by optimal partial-order reduction"),
    ("states", "every outcome, by a search that merges equal states"),
    ("loom", "every outcome, by the loom model checker; at most four forks"),
    ("threads:N", "real threads, N of them; `run` only"),
];

impl Spec {
    /// The strategies that run one execution after another, ready to begin; `None` for searches and executors.
    ///
    /// `profile` is of a first execution of the program; an empty one will do where
    /// [`needs_profile`](Spec::needs_profile) says so.
    pub fn scheduler(self, seed: u64, profile: &Arc<Profile>) -> Option<Box<dyn Scheduler + Send>> {
        match self {
            Spec::ChildFirst => Some(Box::new(ChildFirst::new())),
            Spec::RoundRobin => Some(Box::new(RoundRobin::new())),
            Spec::Random => Some(Box::new(Random::new(seed))),
            Spec::Pct { depth } => Some(Box::new(Pct::new(seed, depth, profile))),
            Spec::Pos => Some(Box::new(Pos::new(seed))),
            Spec::Uniform => Some(Box::new(Uniform::new(seed, profile))),
            Spec::Auto | Spec::Dfs | Spec::Dpor | Spec::States | Spec::Loom | Spec::Threads { .. } => None,
        }
    }

    /// Whether the strategy must know how many steps there are, and what happens before them.
    pub fn needs_profile(self) -> bool {
        matches!(self, Spec::Pct { .. } | Spec::Uniform)
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spec::Auto => f.pad("auto"),
            Spec::ChildFirst => f.pad("child-first"),
            Spec::RoundRobin => f.pad("round-robin"),
            Spec::Random => f.pad("random"),
            Spec::Pct { depth } => f.pad(&format!("pct:{depth}")),
            Spec::Pos => f.pad("pos"),
            Spec::Uniform => f.pad("uniform"),
            Spec::Dfs => f.pad("dfs"),
            Spec::Dpor => f.pad("dpor"),
            Spec::States => f.pad("states"),
            Spec::Loom => f.pad("loom"),
            Spec::Threads { count } => f.pad(&format!("threads:{count}")),
        }
    }
}

impl FromStr for Spec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let plain = match name {
            "pct" => return number(parameter).map(|depth| Spec::Pct { depth }).ok_or_else(|| wrong(text, "pct:D")),
            "threads" => {
                return number(parameter).map(|count| Spec::Threads { count }).ok_or_else(|| wrong(text, "threads:N"));
            }
            "auto" => Spec::Auto,
            "child-first" => Spec::ChildFirst,
            "round-robin" => Spec::RoundRobin,
            "random" => Spec::Random,
            "pos" => Spec::Pos,
            "uniform" => Spec::Uniform,
            "dfs" => Spec::Dfs,
            "dpor" => Spec::Dpor,
            "states" => Spec::States,
            "loom" => Spec::Loom,
            _ => {
                let names: Vec<_> = STRATEGIES.iter().map(|(name, _)| *name).collect();
                return Err(SpecError(format!("unknown strategy {text:?}; there are {}", names.join(", "))));
            }
        };
        match parameter {
            None => Ok(plain),
            Some(_) => Err(SpecError(format!("strategy `{name}` takes no parameter, found {text:?}"))),
        }
    }
}

/// Digits alone, at least 1.
fn number(parameter: Option<&str>) -> Option<u32> {
    let digits = parameter.filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok().filter(|&number| number > 0)
}

fn wrong(text: &str, form: &str) -> SpecError {
    SpecError(format!("expected `{form}` with a number from 1, found {text:?}"))
}

/// Why a text names no strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError(String);

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpecError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_list_goes_round() {
        for (name, _) in STRATEGIES {
            let text = name.replace(":D", ":3").replace(":N", ":4");
            let spec: Spec = text.parse().unwrap();
            assert_eq!(spec.to_string(), text);
        }
        assert_eq!("pct:3".parse(), Ok(Spec::Pct { depth: 3 }));
        assert_eq!("threads:4".parse(), Ok(Spec::Threads { count: 4 }));
    }

    fn check_refused(text: &str, part: &str) {
        let message = text.parse::<Spec>().unwrap_err().to_string();
        assert!(message.contains(part), "{text:?}: {message}");
    }

    #[test]
    fn other_names_are_refused_with_what_was_expected() {
        check_refused("", "unknown strategy \"\"; there are auto, child-first");
        check_refused("DFS", "unknown strategy");
        check_refused("pct", "expected `pct:D`");
        check_refused("pct:", "expected `pct:D`");
        check_refused("pct:0", "with a number from 1");
        check_refused("pct:+1", "expected `pct:D`");
        check_refused("threads:99999999999", "expected `threads:N`");
        check_refused("dfs:2", "takes no parameter");
    }

    #[test]
    fn linear_strategies_are_built_and_searches_are_not() {
        for (name, _) in STRATEGIES {
            let spec: Spec = name.replace(":D", ":3").replace(":N", ":4").parse().unwrap();
            let linear = ["child-first", "round-robin", "random", "pct:D", "pos", "uniform"].contains(name);
            assert_eq!(spec.scheduler(0, &Arc::default()).is_some(), linear, "{name}");
        }
    }
}
