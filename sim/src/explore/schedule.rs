//! Schedules that last: from the order of steps that a search took to deviations from the default order, and back.

use std::collections::BTreeSet;
use std::sync::Arc;

use forkcheck_scheduler::schedule;
use forkcheck_scheduler::strategy::replay::{Mode, Replay, Stale};
use forkcheck_scheduler::{Deviation, Footprint, Location, Precedence, Schedule, Shrunk, TaskId, Tasks, Tried, shrink};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::check::Findings;
use crate::config::{Atomicity, Config, Limits};
use crate::execution::{Event, Execution, Go, Guide, Outcome, Site, Subject};
use crate::explore::{Exploration, Seen};
use crate::machine::{Kept, Machine};
use crate::program::Program;

/// A replay that was carried through.
#[derive(Debug)]
pub struct Replayed<E = Machine> {
    /// How the execution ended; `None` if it was cut.
    pub outcome: Option<Outcome>,
    /// The first deviation that did not apply, if a strict replay met one.
    pub stale: Option<Stale>,
    /// The deviations that a lenient replay left out.
    pub skipped: Vec<Deviation>,
    /// What was found on the way.
    pub findings: Findings,
    /// The execution as it ended.
    pub execution: E,
}

/// Runs `program` once as `schedule` says.
pub fn replay<S: Subject>(program: &S, schedule: &Schedule, mode: Mode, limits: &Limits) -> Replayed<S::Execution> {
    follow(program.execution(schedule.atomicity, limits, Tasks::new()), schedule, mode)
}

fn follow<E: Execution>(mut execution: E, schedule: &Schedule, mode: Mode) -> Replayed<E> {
    let mut follower = Follower::new(schedule, mode);
    execution.run(&mut follower);
    let stale = follower.stale.or_else(|| follower.replay.finished().err());
    let skipped = follower.replay.skipped().cloned().collect();
    let (outcome, findings) = (execution.outcome(), execution.take_findings());
    Replayed { outcome, stale, skipped, findings, execution }
}

/// The same, and what the caller saw when the entry returned, and when every task had ended.
pub fn replay_and_look(
    program: &Program,
    schedule: &Schedule,
    mode: Mode,
    limits: &Limits,
) -> (Replayed, Option<(Kept, Kept)>) {
    let mut machine = program.execution(schedule.atomicity, limits, Tasks::new());
    machine.keep_values();
    let replayed = follow(machine, schedule, mode);
    let looks = match replayed.execution.kept() {
        Some(kept) if replayed.outcome.is_some() => Some((kept.clone(), replayed.execution.snapshot())),
        _ => None,
    };
    (replayed, looks)
}

/// The schedule that leads to an outcome that was seen; `None` as for [`record`].
pub fn of<S: Subject>(program: &S, config: &Config, names: &Tasks, seen: &Seen) -> Option<Schedule> {
    match &seen.order {
        None => Some(Schedule::new(config.atomicity, program.tag())),
        Some(order) => record(program, config.atomicity, &config.limits, names, &seen.hot, order),
    }
}

/// The schedule of the simplest execution that is equivalent to the one that takes the steps at hot locations in this
/// order; `None` if the order cannot be followed, which only a program with nondeterminism of its own can bring about.
pub fn record<S: Subject>(
    program: &S,
    atomicity: Atomicity,
    limits: &Limits,
    names: &Tasks,
    hot: &Arc<FxHashSet<Location>>,
    order: &[TaskId],
) -> Option<Schedule> {
    let machine = || program.execution(atomicity, limits, names.clone()).with_hot(hot.clone()).unwatched();
    let steps = steps(&mut machine().into_search(), order)?;
    let mut machine = machine();
    let mut recorder = Recorder {
        precedence: Precedence::of(&steps),
        parked: BTreeSet::new(),
        deviations: Vec::new(),
        sites: Sites::default(),
        lost: false,
    };
    machine.run(&mut recorder);
    let followed = !recorder.lost && recorder.precedence.left() == 0 && machine.outcome().is_some();
    followed.then(|| Schedule { atomicity, program: program.tag(), deviations: recorder.deviations })
}

/// What each of these steps touches.
fn steps(machine: &mut impl Execution, order: &[TaskId]) -> Option<Vec<(TaskId, Footprint)>> {
    let step = |&task: &TaskId| {
        let footprint = machine.enabled().contains(task).then(|| machine.pending(task).clone())?;
        machine.step(task).ok()?;
        Some((task, footprint))
    };
    order.iter().map(step).collect()
}

/// Runs schedules that once had different outcomes, and adds to the exploration what they lead to if it has not met that.
/// Says how many outcomes that were.
pub fn admit<S: Subject>(program: &S, config: &Config, exploration: &mut Exploration) -> usize {
    let met = exploration.outcomes.len();
    for schedule in config.stored.iter().filter(|schedule| schedule.atomicity == config.atomicity) {
        // Again, if it turns out that the order matters in more places.
        while !admit_one(program, config, schedule, exploration) {}
    }
    exploration.outcomes.len() - met
}

fn admit_one<S: Subject>(program: &S, config: &Config, schedule: &Schedule, exploration: &mut Exploration) -> bool {
    let names = std::mem::take(&mut exploration.names);
    let mut machine = program
        .execution(config.atomicity, &config.limits, names)
        .with_hot(exploration.hot.clone())
        .with_findings(std::mem::take(&mut exploration.findings));
    let mut follower = Follower::new(schedule, Mode::Strict);
    follower.events = Some(Vec::new());
    machine.run(&mut follower);
    let newly: Vec<Location> = machine.newly_hot().iter().copied().collect();
    let outcome = machine.outcome();
    (exploration.findings, exploration.names) = machine.into_parts();
    let stale = follower.stale.is_some() || follower.replay.finished().is_err();
    match outcome {
        Some(_) if !stale && !newly.is_empty() => {
            Arc::make_mut(&mut exploration.hot).extend(newly);
            return false;
        }
        Some(outcome) if !stale => {
            let order = follower.events.into_iter().flatten().map(|event| event.task).collect();
            let seen = Seen { outcome, order: Some(order), hot: exploration.hot.clone(), drawn: None };
            exploration.keep(seen, exploration.executions);
        }
        _ => {}
    }
    true
}

/// A shorter schedule with an outcome that `wanted` says yes to, at the cost of at most `runs` executions. `hot` is where
/// the order matters.
pub fn shorten<S: Subject>(
    program: &S,
    schedule: Schedule,
    hot: &Arc<FxHashSet<Location>>,
    limits: &Limits,
    runs: usize,
    wanted: impl Fn(&Outcome) -> bool,
) -> Shrunk {
    shrink(schedule, runs, |candidate| {
        let machine = program.execution(candidate.atomicity, limits, Tasks::new()).with_hot(hot.clone());
        let mut machine = machine.unwatched();
        let mut follower = Follower::new(candidate, Mode::Lenient);
        follower.events = Some(Vec::new());
        machine.run(&mut follower);
        let events = follower.events.expect("they were asked for");
        Tried {
            holds: machine.outcome().is_some_and(|outcome| wanted(&outcome)),
            applied: follower.replay.applied().cloned().collect(),
            events: events.iter().map(|event| event.anchor(machine.names())).collect(),
        }
    })
}

/// A few bits that tell a schedule of another program apart.
pub fn program_tag(program: &Program) -> u32 {
    let class = &program.module.root.class().name;
    schedule::program_tag(xxhash_rust::xxh3::xxh3_64(format!("{class}.{}", program.method).as_bytes()))
}

/// How often each task has come by each site, and the anchors of sites.
#[derive(Default)]
struct Sites {
    passed: FxHashMap<(TaskId, Site), u32>,
    anchors: FxHashMap<Site, u64>,
}

impl Sites {
    /// The event with its place among those of the same task and site. Both halves of an operator have one place, so that
    /// it does not matter which operators before were done in halves.
    fn event<E: Execution>(&mut self, machine: &E, event: &Event<'_, E>, phase: u8) -> schedule::Event {
        let passed = self.passed.get(&(event.task, event.site)).copied().unwrap_or(0);
        let occurrence = if event.phase == 0 { passed } else { passed - 1 };
        schedule::Event { task: event.task, site: self.hash(machine, event.site), occurrence, phase }
    }

    fn hash(&mut self, machine: &impl Execution, site: Site) -> u64 {
        *self.anchors.entry(site).or_insert_with(|| machine.anchor(site))
    }

    fn pass<E: Execution>(&mut self, event: &Event<'_, E>) {
        if event.phase == 0 {
            *self.passed.entry((event.task, event.site)).or_default() += 1;
        }
    }
}

/// Follows a schedule.
pub(super) struct Follower {
    replay: Replay,
    stale: Option<Stale>,
    sites: Sites,
    /// The events at hot locations, if asked for.
    events: Option<Vec<schedule::Event>>,
}

impl Follower {
    pub(super) fn new(schedule: &Schedule, mode: Mode) -> Self {
        Self { replay: Replay::new(schedule, mode), stale: None, sites: Sites::default(), events: None }
    }
}

impl<E: Execution> Guide<E> for Follower {
    fn before(&mut self, machine: &E, event: &Event<'_, E>) -> Go {
        let at = self.sites.event(machine, event, event.phase);
        match self.replay.pick(machine.names(), |task| machine.is_ready(task), &at) {
            Ok(task) if task != event.task => return Go::To(task),
            Ok(_) => {}
            Err(stale) => {
                self.stale = Some(stale);
                return Go::Stop;
            }
        }
        let half = event.phase == 0 && machine.can_halve(event.task) && {
            let store = self.sites.event(machine, event, 1);
            self.replay.waits_for(machine.names(), &store)
        };
        if let Some(events) = self.events.as_mut().filter(|_| machine.is_hot(event.touches)) {
            events.push(at);
            // Done at once, for nobody wants to go between the halves; but somebody could.
            if !half && event.phase == 0 && machine.halves(event) {
                events.push(self.sites.event(machine, event, 1));
            }
        }
        self.sites.pass(event);
        if half { Go::Half } else { Go::On }
    }
}

/// Finds the deviations that give an execution equivalent to a certain one.
struct Recorder {
    /// What must come before each step at a hot location.
    precedence: Precedence,
    /// Tasks that stand before a hot step.
    parked: BTreeSet<TaskId>,
    deviations: Vec<Deviation>,
    sites: Sites,
    lost: bool,
}

impl Recorder {
    /// The task to go to while another may not go on: one that it lacks, or else one that can bring that about.
    fn target<E: Execution>(&self, machine: &E, event: &Event<'_, E>) -> Option<TaskId> {
        let useful = |task: &TaskId| !self.parked.contains(task) || self.precedence.allows(*task);
        let missing = self.precedence.missing(event.task).filter(|&task| machine.is_ready(task)).find(useful);
        missing.or_else(|| machine.newest_first().find(useful))
    }
}

impl<E: Execution> Guide<E> for Recorder {
    fn before(&mut self, machine: &E, event: &Event<'_, E>) -> Go {
        if !machine.is_hot(event.touches) {
            self.sites.pass(event);
            return Go::On;
        }
        if self.precedence.allows(event.task) {
            self.precedence.took(event.task);
            self.parked.remove(&event.task);
            let half = event.phase == 0 && machine.halves(event);
            self.sites.pass(event);
            return if half { Go::Half } else { Go::On };
        }
        self.parked.insert(event.task);
        let Some(target) = self.target(machine, event) else {
            self.lost = true;
            return Go::Stop;
        };
        let at = self.sites.event(machine, event, event.phase).anchor(machine.names());
        self.deviations.push(Deviation { at, to: machine.names().path(target) });
        Go::To(target)
    }
}
