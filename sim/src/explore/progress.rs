//! How far an exploration is, for whoever waits for it.

use std::fmt;

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Both orders of each racing pair.
    Pairs,
    /// Every inequivalent execution.
    Executions,
    /// Every state.
    States,
    /// One execution after another under a strategy that picks.
    Sampling,
}

/// How far it is. No clock is read here: rates and times are for the watcher to add.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Executions or states so far.
    pub done: u64,
    /// How many there will be, known or estimated.
    pub total: Option<f64>,
    /// Different outcomes so far.
    pub outcomes: usize,
    /// Executions or states since the last new outcome.
    pub since_new: u64,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Stage::Pairs => "racing pairs",
            Stage::Executions => "executions",
            Stage::States => "states",
            Stage::Sampling => "samples",
        })
    }
}
