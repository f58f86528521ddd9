//! The machine as whoever explores sees it: an [`Execution`] of a [`Program`].

use std::collections::BTreeSet;

use forkcheck_model::difference::first_difference;
use forkcheck_model::graph::Span;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Footprint, Location, Schedule, TaskId, Tasks};

use super::access::{self, Touches};
use super::{Kept, Machine};
use crate::check::Findings;
use crate::config::{Atomicity, Config, Limits};
use crate::execution::{Cut, Event, Execution, Guide, Outcome, Raised, Site, Sought, Subject};
use crate::explore::schedule::replay_and_look;
use crate::explore::{self, Exploration, Hot};
use crate::program::Program;
use crate::report::Difference;
use crate::report::build::json;

impl Subject for Program {
    type Execution = Machine;

    fn execution(&self, atomicity: Atomicity, limits: &Limits, names: Tasks) -> Machine {
        Machine::new(self, atomicity, limits.clone(), names)
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn tag(&self) -> u32 {
        explore::schedule::program_tag(self)
    }

    fn span(&self, site: Site) -> Option<Span> {
        (**self).span(site).cloned()
    }

    fn user_span(&self, stack: &[Site]) -> Option<Span> {
        (**self).user_span(stack).cloned()
    }

    fn function_name(&self, site: Site) -> String {
        (**self).function_name(site).to_string()
    }

    fn operator(&self, site: Site) -> String {
        (**self).operator(site).to_string()
    }

    fn replay_command(&self, schedule: &Schedule) -> String {
        format!("forkcheck replay {schedule} {}", self.name)
    }

    fn error_text(&self, raised: &Raised) -> String {
        error_text(self, raised)
    }

    fn difference(&self, config: &Config, first: &Schedule, second: &Schedule) -> Option<Difference> {
        difference(self, config, first, second)
    }

    fn states(&self, config: &Config, exploration: &mut Exploration) -> Sought {
        explore::states::explore(self, config, exploration)
    }

    fn all_states(&self, config: &Config, exploration: &mut Exploration) -> Sought {
        explore::states::states(self, config, exploration)
    }

    fn loom(&self, config: &Config, first: Exploration) -> Exploration {
        explore::loom::search(self, config, first)
    }
}

impl Execution for Machine {
    type Touches = Touches;

    fn with_hot(self, hot: Hot) -> Self {
        Machine::with_hot(self, hot)
    }

    fn with_findings(self, findings: Findings) -> Self {
        Machine::with_findings(self, findings)
    }

    fn into_search(self) -> Self {
        Machine::into_search(self)
    }

    fn unwatched(self) -> Self {
        Machine::unwatched(self)
    }

    fn with_digests(self) -> Self {
        Machine::with_digests(self)
    }

    fn run(&mut self, guide: &mut dyn Guide) {
        Machine::run(self, guide);
    }

    fn outcome(&self) -> Option<Outcome> {
        Machine::outcome(self)
    }

    fn cut(&self) -> Option<&Cut> {
        Machine::cut(self)
    }

    fn steps(&self) -> u64 {
        Machine::steps(self)
    }

    fn task_count(&self) -> u32 {
        Machine::task_count(self)
    }

    fn names(&self) -> &Tasks {
        Machine::names(self)
    }

    fn newly_hot(&self) -> &BTreeSet<Location> {
        Machine::newly_hot(self)
    }

    fn take_findings(&mut self) -> Findings {
        Machine::take_findings(self)
    }

    fn into_parts(self) -> (Findings, Tasks) {
        Machine::into_parts(self)
    }

    fn is_ready(&self, task: TaskId) -> bool {
        Machine::is_ready(self, task)
    }

    fn newest_first(&self) -> impl Iterator<Item = TaskId> {
        self.ready.newest_first()
    }

    fn is_hot(&self, touches: &Touches) -> bool {
        Machine::is_hot(self, touches)
    }

    fn footprint(&self, touches: &Touches) -> Footprint {
        access::footprint(touches)
    }

    fn halves(&self, event: &Event<'_>) -> bool {
        Machine::halves(self, event)
    }

    fn can_halve(&self, task: TaskId) -> bool {
        Machine::can_halve(self, task)
    }

    fn anchor(&self, site: Site) -> u64 {
        Machine::anchor(self, site)
    }
}

fn difference(program: &Program, config: &Config, first: &Schedule, second: &Schedule) -> Option<Difference> {
    let (a_return, a_rest) = replay_and_look(program, first, Mode::Strict, &config.limits).1?;
    let (b_return, b_rest) = replay_and_look(program, second, Mode::Strict, &config.limits).1?;
    let names: Vec<String> = program.input_names();
    let look = |a: &Kept, b: &Kept, at: &str| {
        let pairs = [("output".to_string(), a.result.clone(), b.result.clone())];
        let inputs = names
            .iter()
            .enumerate()
            .map(|(i, name)| (format!("input {name}"), Some(a.entry[i + 1].clone()), Some(b.entry[i + 1].clone())));
        let root = [("self".to_string(), Some(a.entry[0].clone()), Some(b.entry[0].clone()))];
        pairs.into_iter().chain(inputs).chain(root).find_map(|(name, a, b)| {
            let (Some(a), Some(b)) = (a, b) else { return None };
            let found = first_difference(&name, &a, &b)?;
            Some(Difference { place: format!("{}{at}", found.place), a: json(&found.a), b: json(&found.b) })
        })
    };
    look(&a_return, &b_return, "").or_else(|| look(&a_rest, &b_rest, " when every task has ended"))
}

/// The error as PyTorch prints it: the trail through calls, waits and forks, outermost first, then the message.
fn error_text(program: &Program, raised: &Raised) -> String {
    let mut text = String::from("Traceback of TorchScript (most recent call last):\n");
    for &site in raised.trail.iter().rev() {
        let Some(span) = Subject::span(program, site) else { continue };
        text.push_str(&format!(
            "  File \"{}\", line {}, in {}\n",
            span.file(),
            span.line(),
            Subject::function_name(program, site)
        ));
        text.push_str(&format!("    {}\n", span.text().lines().next().unwrap_or_default()));
    }
    let class = raised.class.as_deref().unwrap_or("RuntimeError");
    text.push_str(&format!("{class}: {}", raised.message));
    text
}
