//! Exhaustive searches: every execution that could differ, under a budget.
//!
//! Only steps at racing locations are choice points. An execution that shows a race elsewhere makes that location one of
//! them, and the search starts again; what was found until then stays.

use std::ops::ControlFlow;
use std::sync::Arc;

use forkcheck_scheduler::strategy::dfs::dfs;
use forkcheck_scheduler::strategy::dpor::dpor;
use forkcheck_scheduler::{Ending, Location, Searched};

use super::{CUT_EXECUTIONS, Coverage, Exploration, Stage};
use crate::config::Config;
use crate::machine::Machine;
use crate::program::Program;

/// How to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Search {
    /// Depth first, with sleep sets.
    Dfs,
    /// Optimal partial-order reduction.
    Dpor,
}

/// Runs every execution that could differ, as far as the budget goes.
pub(super) fn executions(program: &Program, config: &Config, search: Search, exploration: &mut Exploration) {
    loop {
        (exploration.executions, exploration.discarded, exploration.cuts) = (0, 0, 0);
        let mut machine = exploration.machine(program, config);
        let mut spent = 0;
        let mut visitor = |machine: &mut Machine, ending: Ending| {
            match ending {
                Ending::Blocked => exploration.discarded += 1,
                Ending::Complete | Ending::Cut => exploration.note(machine, None),
            }
            spent += 1;
            exploration.tell(config, Stage::Executions, None);
            let over = spent >= config.executions || config.limits.expired() || exploration.cuts >= CUT_EXECUTIONS;
            let enough = over || !machine.newly_hot().is_empty();
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let searched: Searched = match search {
            Search::Dfs => dfs(&mut machine, &mut visitor),
            Search::Dpor => dpor(&mut machine, &mut visitor),
        };
        let over = spent >= config.executions || config.limits.expired() || exploration.cuts >= CUT_EXECUTIONS;
        if exploration.take_back(machine) && !over {
            continue;
        }
        if searched.exhausted() {
            exploration.coverage = Coverage::Exhausted;
        }
        return;
    }
}

impl Exploration {
    /// A machine to search with, which goes on collecting what is found.
    fn machine(&mut self, program: &Program, config: &Config) -> Machine {
        let (findings, names) = (std::mem::take(&mut self.findings), std::mem::take(&mut self.names));
        Machine::new(program, config.atomicity, config.limits.clone(), names)
            .with_hot(self.hot.clone())
            .with_findings(findings)
            .into_search()
    }

    /// Takes what the machine has found; says whether it is raced for more locations than we knew.
    fn take_back(&mut self, machine: Machine) -> bool {
        let newly: Vec<Location> = machine.newly_hot().iter().copied().collect();
        (self.findings, self.names) = machine.into_parts();
        if newly.is_empty() {
            return false;
        }
        tracing::info!(newly = newly.len(), "more locations are raced for: the search starts again");
        Arc::make_mut(&mut self.hot).extend(newly);
        true
    }
}
