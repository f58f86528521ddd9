//! What is true of a program, found by trying everything.
//!
//! [`Truth::of`] goes through all orders of visible steps, but only once through orders that differ in nothing but the
//! order of neighbours that do not conflict (Mazurkiewicz's traces); [`every_order`] goes through all, without that
//! assumption. Races are found by comparing each pair of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::program::Sample;
use super::render::{Code, Rendered};
use super::state::{Look, Names, Outcome, Place, State, Step, TaskName};

/// A finding: kind, line of the write, line of the fork that it belongs to, whether it races.
pub type Found = BTreeMap<(&'static str, u32, u32), bool>;

/// What is true of a program under one atomicity.
#[derive(Debug, Default)]
pub struct Truth {
    /// Every possible outcome.
    pub outcomes: BTreeSet<Outcome>,
    /// How many orders of visible steps differ in more than the order of neighbours that do not conflict.
    pub classes: u64,
    /// Whether two steps of some execution race.
    pub racy: bool,
    /// Whether two steps of the first execution race.
    pub racy_at_first: bool,
    /// Whether a task of some execution raises an error, or waits for ever.
    pub failing: bool,
    /// Whether some execution met what [`State::overlapping`] says.
    pub overlapping: bool,
    /// Whether tasks race for what decides which elements another step touches: a container, an attribute that holds a
    /// tensor, the sizes of a tensor.
    pub varying: bool,
    /// Effects, writes by the owner while a fork uses it, other races.
    pub found: Found,
    /// The lines of forks, and whether each is pure.
    pub forks: BTreeMap<u32, bool>,
}

/// Draws of `randint(0, 100, [2])`, by seed.
pub type Draws = Rc<BTreeMap<u64, Vec<[i64; 2]>>>;

impl Truth {
    /// Finds everything out; `None` if there are more beginnings of executions than `most`, or very long ones.
    pub fn of(sample: &Sample, rendered: &Rendered, draws: &Draws, split: bool, most: usize) -> Option<Self> {
        let mut names = Names::default();
        let start = start(sample, rendered, draws, split, &mut names);
        let mut truth = Truth::default();
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(state) = open.pop() {
            let enabled = state.enabled();
            if enabled.is_empty() {
                truth.note(&state);
                continue;
            }
            if state.is_long() {
                return None;
            }
            for task in enabled {
                let mut next = state.clone();
                next.step(task, &mut names);
                if seen.insert(normal_form(&next.steps)) {
                    open.push(next);
                }
            }
            if seen.len() > most {
                return None;
            }
        }
        Some(truth)
    }

    /// What a caller can see in the end, when every task has ended.
    pub fn at_rest(&self) -> BTreeSet<&Look> {
        self.outcomes.iter().map(|outcome| &outcome.at_rest).collect()
    }

    /// Whether some task waits for ever in some execution.
    pub fn deadlocks(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.deadlock)
    }

    /// What a report that looked at everything must say.
    pub fn verdict(&self) -> &'static str {
        match self.outcomes.len() {
            1 if self.found.is_empty() && !self.deadlocks() => "pure",
            1 => "impure",
            _ => "nondeterministic",
        }
    }

    /// Adds an execution that has ended.
    fn note(&mut self, state: &State) {
        self.classes += 1;
        self.outcomes.insert(state.outcome());
        self.failing |= state.is_failing();
        self.overlapping |= state.overlapping;
        for task in state.forked() {
            self.forks.entry(state.fork_line(task)).or_insert(true);
        }
        for step in &state.steps {
            for &(place, effect, attribute) in step.writes.iter().filter(|write| write.1) {
                assert!(effect, "only effects were kept");
                self.effect(state, step, place, attribute);
            }
        }
        let races = races(&state.steps);
        if self.classes == 1 {
            self.racy_at_first = !races.is_empty();
        }
        self.racy |= !races.is_empty();
        for race in races {
            self.varying |= matches!(
                race.place,
                Place::List(_) | Place::Dict(_) | Place::W | Place::Held(_) | Place::T(_) | Place::Meta(_)
            );
            self.race(state, &race);
        }
    }

    fn effect(&mut self, state: &State, step: &Step, place: Place, attribute: bool) {
        let key = (effect_kind(place, attribute), step.line, state.fork_line(step.task));
        self.found.entry(key).or_default();
        let mut task = step.task;
        while task != 0 && !state.owns(task, place) {
            self.forks.insert(state.fork_line(task), false);
            task = state.parent(task);
        }
    }

    fn race(&mut self, state: &State, race: &Race) {
        let mut attributed = false;
        let [(a, a_writes), (b, b_writes)] = race.steps;
        for (writer, writes, other) in [(a, a_writes, b), (b, b_writes, a)] {
            let (writer, other) = (&state.steps[writer], &state.steps[other]);
            let Some(&(_, effect, attribute)) = writer.writes.iter().find(|write| writes && write.0 == race.place)
            else {
                continue;
            };
            let key = if effect {
                (effect_kind(race.place, attribute), writer.line, state.fork_line(writer.task))
            } else if other.task != 0 && race.place != Place::Generator {
                ("parent-mutation", writer.line, state.fork_line(other.task))
            } else {
                continue;
            };
            self.found.insert(key, true);
            attributed = true;
        }
        if !attributed {
            let writer = &state.steps[if a_writes { a } else { b }];
            self.found.insert(("race", writer.line, state.fork_line(writer.task)), true);
        }
    }
}

/// Two steps that race.
struct Race {
    /// Their numbers, and whether each writes.
    steps: [(usize, bool); 2],
    /// What they race for.
    place: Place,
}

fn effect_kind(place: Place, attribute: bool) -> &'static str {
    match place {
        Place::Generator => "global-state",
        Place::Stdout => "output",
        _ if attribute => "attribute-mutation",
        _ => "input-mutation",
    }
}

fn start(sample: &Sample, rendered: &Rendered, draws: &Draws, split: bool, names: &mut Names) -> State {
    let codes: Vec<Rc<Code>> = rendered.codes.iter().cloned().map(Rc::new).collect();
    State::new(Rc::new(codes), sample.y, sample.one_sub, draws.clone(), split, names)
}

/// Pairs of steps that conflict, unordered by program order, forks and waits; with each place where they do.
fn races(steps: &[Step]) -> Vec<Race> {
    let mut races = Vec::new();
    for (j, later) in steps.iter().enumerate() {
        for (i, earlier) in steps[..j].iter().enumerate().filter(|(i, _)| later.sync & 1 << i == 0) {
            for a in &earlier.whole {
                let racing = later.whole.iter().filter(|b| a.conflicts(b));
                races.extend(racing.map(|b| Race { steps: [(i, a.how.1), (j, b.how.1)], place: b.place }));
            }
        }
    }
    races
}

/// The first, in the order of words, of all orders of these steps that differ only by neighbours that do not conflict:
/// always the smallest task that has all before it behind it.
fn normal_form(steps: &[Step]) -> Vec<TaskName> {
    let mut done = 0u128;
    let mut form = Vec::with_capacity(steps.len());
    for _ in steps {
        let free = |&i: &usize| done & 1 << i == 0 && steps[i].down & !done == 1 << i;
        let next = (0..steps.len()).filter(free).min_by_key(|&i| steps[i].task).expect("an order has a first step");
        done |= 1 << next;
        form.push(steps[next].task);
    }
    form
}

/// The outcomes of every order of visible steps; `None` if there are more than `most`.
pub fn every_order(
    sample: &Sample,
    rendered: &Rendered,
    draws: &Draws,
    split: bool,
    most: usize,
) -> Option<BTreeSet<Outcome>> {
    let mut names = Names::default();
    let mut open = vec![start(sample, rendered, draws, split, &mut names)];
    let (mut outcomes, mut orders) = (BTreeSet::new(), 0);
    while let Some(state) = open.pop() {
        let enabled = state.enabled();
        if enabled.is_empty() {
            orders += 1;
            outcomes.insert(state.outcome());
        }
        // Those that are open will all end, each in an order of its own.
        if orders + open.len() > most {
            return None;
        }
        for task in enabled {
            let mut next = state.clone();
            next.step(task, &mut names);
            open.push(next);
        }
    }
    Some(outcomes)
}
