//! What the checker must say of a program whose truth is known.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use forkcheck::audit::audit;
use forkcheck::explore::{Coverage, Exploration, explore, schedule};
use forkcheck::machine::{Kept, Outcome as Checked};
use forkcheck::report::{Assurance, FindingReport, Report};
use forkcheck::{Atomicity, Config, Program, static_audit};
use forkcheck_model::value::{Key, Value};
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Schedule, Spec};

use super::eager;
use super::program::{KEYS, Sample, Size, Statement, Var};
use super::render::{Rendered, program};
use super::state::{Look, Seen};
use super::truth::{Draws, Found, Truth, every_order};
use crate::archive::program_of;

/// The strategies that answer for every schedule.
pub const EXHAUSTIVE: &[Spec] = &[Spec::Auto, Spec::Dfs, Spec::Dpor, Spec::States];
/// The strategies that run each class of schedules exactly once.
pub const ONCE_EACH: &[Spec] = &[Spec::Dfs, Spec::Dpor];
/// A search that begins executions in vain is given up after so many times the classes, and a few.
pub(super) const IN_VAIN: u64 = 50;
/// The strategies that run some schedules.
pub const SAMPLING: &[Spec] = &[
    Spec::Random,
    Spec::Pct { depth: 2 },
    Spec::Pct { depth: 3 },
    Spec::Pos,
    Spec::Uniform,
    Spec::RoundRobin,
    Spec::ChildFirst,
];
/// The strategies that several threads can share.
pub const SHARED: &[Spec] = &[Spec::Auto, Spec::States, Spec::Uniform];

/// How much is tried of one program.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// The length of programs.
    pub size: Size,
    /// Beginnings of executions that the oracle looks at before it gives the program up.
    pub beginnings: usize,
    /// Orders that the oracle goes through one by one.
    pub orders: usize,
    /// Executions of each sampling strategy.
    pub samples: u64,
    /// Executions that loom may take.
    pub loom: u64,
}

/// What became of a program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Programs that were compared.
    pub programs: u64,
    /// Programs that are too large to try everything.
    pub skipped: u64,
    /// Those of which even every order was tried.
    pub every_order: u64,
    /// Depth-first searches that were given up, because they began too many executions in vain.
    pub given_up: u64,
    /// Those with a race.
    pub racy: u64,
    /// Those with a race that loom came to the end of, by atomicity.
    pub loom: u64,
    /// Those with several outcomes.
    pub nondeterministic: u64,
    /// Those with an error in some outcome.
    pub errors: u64,
    /// Those with a deadlock in some outcome.
    pub deadlocks: u64,
    /// Classes of schedules, with an operator as one step.
    pub classes: u64,
    /// Outcomes, when operators are split.
    pub outcomes: u64,
    /// Those that are pure on this input, and proved to be pure on all.
    pub proved: u64,
    /// Those that are pure on this input, and for some input nobody knows.
    pub unproved: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Tally) {
        self.programs += other.programs;
        self.skipped += other.skipped;
        self.every_order += other.every_order;
        self.given_up += other.given_up;
        self.racy += other.racy;
        self.loom += other.loom;
        self.nondeterministic += other.nondeterministic;
        self.errors += other.errors;
        self.deadlocks += other.deadlocks;
        self.classes += other.classes;
        self.outcomes += other.outcomes;
        self.proved += other.proved;
        self.unproved += other.unproved;
    }
}

/// Holds every law for one program; otherwise says which is broken, with the program.
///
/// # Errors
/// If a law is broken.
pub fn check(sample: &Sample, draws: &Draws, effort: Effort) -> Result<Tally, String> {
    let rendered = Rendered::new(sample);
    let mut tally = Tally::default();
    for split in [false, true] {
        let Some(truth) = Truth::of(sample, &rendered, draws, split, effort.beginnings) else {
            return Ok(Tally { skipped: 1, ..Tally::default() });
        };
        let laws =
            Laws { sample, rendered: &rendered, program: program(sample, &rendered), split, effort, truth: &truth };
        laws.hold(draws, &mut tally).map_err(|wrong| {
            let atomicity = if split { "split" } else { "op" };
            format!("--atomicity {atomicity}: {wrong}\ny is {:?}\n{}", sample.y, rendered.text)
        })?;
    }
    tally.programs = 1;
    Ok(tally)
}

/// Holds the law of the static part alone.
///
/// # Errors
/// If it is broken.
pub fn check_proof(sample: &Sample, draws: &Draws, effort: Effort) -> Result<Tally, String> {
    let rendered = Rendered::new(sample);
    let mut tally = Tally::default();
    let Some(truth) = Truth::of(sample, &rendered, draws, true, effort.beginnings) else {
        return Ok(Tally { skipped: 1, ..tally });
    };
    let program = program(sample, &rendered);
    let laws = Laws { sample, rendered: &rendered, program, split: true, effort, truth: &truth };
    laws.proof(&mut tally).map_err(|wrong| format!("{wrong}\ny is {:?}\n{}", sample.y, rendered.text))?;
    tally.programs = 1;
    Ok(tally)
}

/// The first draws of `randint(0, 100, [2])` by seed, from a program without forks.
///
/// # Panics
/// If that program cannot be run.
pub fn draws() -> Draws {
    let mut code = String::from("class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n");
    code.push_str("  def forward(self: __torch__.M,\n    seed: int) -> List[Tensor]:\n");
    code.push_str("    l = annotate(List[Tensor], [])\n    if torch.gt(seed, 0):\n      torch.manual_seed(seed)\n");
    code.push_str("    else:\n      pass\n    for i in range(512):\n      t = torch.randint(0, 100, [2])\n");
    code.push_str("      _0 = torch.append(l, t)\n    return l\n");
    let drawn = |seed: u64| {
        let program = program_of(&code, &[], vec![Value::Int(seed as i64)]);
        let plain = Schedule::new(Atomicity::Op, schedule::program_tag(&program));
        let (kept, _) =
            schedule::replay_and_look(&program, &plain, Mode::Strict, &Default::default()).1.expect("it runs");
        let Some(Value::List(list)) = kept.result else { panic!("a list") };
        let pair = |value: &Value| match value {
            Value::Tensor(tensor) => <[i64; 2]>::try_from(tensor.to_vec::<i64>()).expect("two numbers"),
            other => panic!("a tensor, not {other:?}"),
        };
        list.content().items.iter().map(pair).collect()
    };
    Rc::new((0..3).map(|seed| (seed, drawn(seed))).collect())
}

struct Laws<'a> {
    sample: &'a Sample,
    rendered: &'a Rendered,
    program: Program,
    split: bool,
    effort: Effort,
    truth: &'a Truth,
}

pub(super) fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, truth: T) -> Result<(), String> {
    if found == truth { Ok(()) } else { Err(format!("{what}: found {found:?}, truth {truth:?}")) }
}

impl Laws<'_> {
    fn hold(&self, draws: &Draws, tally: &mut Tally) -> Result<(), String> {
        self.oracle_agrees_with_itself(draws, tally)?;
        let mut digests = BTreeSet::new();
        for &strategy in EXHAUSTIVE {
            let budget = IN_VAIN * (self.truth.classes + 10);
            let exploration = explore(&self.program, &self.config(strategy, budget));
            if strategy == Spec::Dfs && exploration.executions + exploration.discarded >= budget {
                tally.given_up += 1;
                continue;
            }
            self.exhaustive(&exploration, strategy).map_err(|wrong| format!("{strategy}: {wrong}"))?;
            // What a step will touch is foreseen, unless others change what it reaches.
            if strategy == Spec::Dpor && !self.truth.varying {
                same("dpor: executions begun in vain", exploration.discarded, 0)?;
            }
            digests = exploration.outcomes.iter().map(|seen| key(&seen.outcome)).collect();
        }
        for &strategy in SAMPLING {
            self.sampled(strategy, &digests).map_err(|wrong| format!("{strategy}: {wrong}"))?;
        }
        self.report().map_err(|wrong| format!("audit: {wrong}"))?;
        self.loom(&digests, tally).map_err(|wrong| format!("loom: {wrong}"))?;
        self.threads()?;
        self.proof(tally).map_err(|wrong| format!("without running it: {wrong}"))?;
        self.renamed(&digests).map_err(|wrong| format!("with other names: {wrong}"))?;
        self.transformed(&digests)
    }

    fn config(&self, strategy: Spec, executions: u64) -> Config {
        let atomicity = if self.split { Atomicity::Split } else { Atomicity::Op };
        Config { strategy, executions, atomicity, ..Config::default() }
    }

    /// The theorem of ARCHITECTURE.md, held against the oracle, and the oracle's shortcut against the long way.
    fn oracle_agrees_with_itself(&self, draws: &Draws, tally: &mut Tally) -> Result<(), String> {
        let truth = self.truth;
        same("one execution shows whether there is a race", truth.racy_at_first, truth.racy)?;
        if !truth.racy {
            same("classes without a race", truth.classes, 1)?;
            same("outcomes without a race", truth.outcomes.len(), 1)?;
        }
        if let Some(all) = every_order(self.sample, self.rendered, draws, self.split, self.effort.orders) {
            same("outcomes of every order", &all, &truth.outcomes)?;
            tally.every_order += u64::from(self.split);
        }
        match self.split {
            false => tally.classes += truth.classes,
            true => {
                tally.racy += u64::from(truth.racy);
                tally.nondeterministic += u64::from(truth.outcomes.len() > 1);
                tally.errors += u64::from(truth.outcomes.iter().any(|outcome| outcome.at_return.0.is_err()));
                tally.deadlocks += u64::from(truth.deadlocks());
                tally.outcomes += truth.outcomes.len() as u64;
            }
        }
        Ok(())
    }

    fn exhaustive(&self, exploration: &Exploration, strategy: Spec) -> Result<(), String> {
        let truth = self.truth;
        let coverage = if truth.racy { Coverage::Exhausted } else { Coverage::Certified };
        same("coverage", exploration.coverage, coverage)?;
        same("outcomes", exploration.outcomes.len(), truth.outcomes.len())?;
        let at_rest: BTreeSet<u128> = exploration.outcomes.iter().map(|seen| seen.outcome.digests.1).collect();
        same("outcomes at rest", at_rest.len(), truth.at_rest().len())?;
        if ONCE_EACH.contains(&strategy) {
            same("executions", exploration.executions, truth.classes)?;
        }
        self.contents(exploration)?;
        self.findings(exploration)
    }

    /// Every outcome has a schedule that leads to it, and there the caller sees what the oracle says.
    fn contents(&self, exploration: &Exploration) -> Result<(), String> {
        let mut found = BTreeSet::new();
        for seen in &exploration.outcomes {
            let config = self.config(Spec::Auto, 1);
            let recorded = schedule::of(&self.program, &config, &exploration.names, seen).ok_or("no schedule")?;
            let text = recorded.to_string();
            let parsed: Schedule = text.parse().map_err(|error| format!("{text}: {error:?}"))?;
            same("schedule", &parsed, &recorded)?;
            let (replayed, looks) =
                schedule::replay_and_look(&self.program, &parsed, Mode::Strict, &Default::default());
            if let Some(stale) = replayed.stale {
                return Err(format!("{text} is stale: {stale:?}"));
            }
            let outcome = replayed.outcome.ok_or("a replay without outcome")?;
            same("replayed outcome", outcome.same_as(&seen.outcome), true)?;
            let (at_return, at_rest) = looks.map_or((None, None), |(a, b)| (Some(look(&a)), Some(look(&b))));
            found.insert((at_return, at_rest, !outcome.deadlock.is_empty()));
        }
        // The generator is not among what a replay keeps; an entry that never returned keeps nothing.
        let truly = self.truth.outcomes.iter().map(|outcome| {
            let waits = outcome.deadlock && outcome.at_return.0.as_ref().is_err_and(|error| error == "waits for ever");
            let kept = |look: &Look| (!waits).then(|| (look.0.clone().ok(), look.1[..look.1.len() - 1].to_vec()));
            (kept(&outcome.at_return), kept(&outcome.at_rest), outcome.deadlock)
        });
        same("contents", found, truly.collect())
    }

    fn findings(&self, exploration: &Exploration) -> Result<(), String> {
        let line = |stack: &[forkcheck::execution::Site]| self.program.span(stack[0]).map_or(0, |span| span.line());
        let kinds = ["input-mutation", "attribute-mutation", "global-state", "output", "parent-mutation", "race"];
        let mut found = Found::new();
        for finding in exploration.findings.iter() {
            let Some(kind) = kinds.iter().find(|kind| **kind == finding.kind.name()) else { continue };
            let fork = finding.fork.as_ref().map_or(0, |fork| line(&fork.stack));
            *found.entry((kind, line(&finding.stack), fork)).or_default() |= finding.race.is_some();
        }
        same("findings", self.named_alike(&found), self.named_alike(&self.truth.found))?;
        let forks: BTreeMap<u32, bool> =
            exploration.findings.forks().map(|fork| (line(&fork.stack), fork.pure)).collect();
        same("forks", &forks, &self.truth.forks)
    }

    /// What a program puts into an attribute is an input's at one time and an attribute's at another; schedules that do
    /// not differ otherwise may differ in that.
    fn named_alike(&self, found: &Found) -> Found {
        let moves = self
            .sample
            .any(|statement| matches!(statement, Statement::SetW(_) | Statement::GetHeld(..) | Statement::SetHeld(..)));
        let mut alike = Found::new();
        for (&(kind, line, fork), &races) in found {
            let kind = if moves && kind == "attribute-mutation" { "input-mutation" } else { kind };
            *alike.entry((kind, line, fork)).or_default() |= races;
        }
        alike
    }

    fn sampled(&self, strategy: Spec, all: &BTreeSet<(u128, u128, bool)>) -> Result<(), String> {
        let exploration = explore(&self.program, &self.config(strategy, self.effort.samples));
        let some: BTreeSet<_> = exploration.outcomes.iter().map(|seen| key(&seen.outcome)).collect();
        same("all outcomes are possible", some.is_subset(all), true)?;
        same("there is an outcome", some.is_empty(), false)?;
        for seen in &exploration.outcomes {
            let config = self.config(strategy, 1);
            let recorded = schedule::of(&self.program, &config, &exploration.names, seen).ok_or("no schedule")?;
            let replayed = schedule::replay(&self.program, &recorded, Mode::Strict, &Default::default());
            same("a replay of what was recorded applies", replayed.stale, None)?;
            same(
                "a replay of what was recorded",
                replayed.outcome.map(|outcome| key(&outcome)),
                Some(key(&seen.outcome)),
            )?;
        }
        Ok(())
    }

    fn report(&self) -> Result<(), String> {
        let truth = self.truth;
        let report = audit(&self.program, &self.config(Spec::Auto, 1_000_000));
        same("verdict", report.verdict.map(|verdict| verdict.name()), Some(truth.verdict()))?;
        let assurance = if truth.racy { Assurance::Exhausted } else { Assurance::Certified };
        same("assurance", report.assurance, Some(assurance))?;
        let outcomes = report.outcomes.as_ref().ok_or("no outcomes")?;
        same("complete", outcomes.complete, true)?;
        let errors: BTreeSet<_> = truth.outcomes.iter().map(|outcome| outcome.at_return.0.as_ref().err()).collect();
        let alike =
            errors.len() == 1 && errors.iter().all(|error| error.is_some_and(|error| error != "waits for ever"));
        same("an error of all schedules", outcomes.error.is_some(), alike)?;
        same("witnesses", outcomes.witnesses.len(), truth.outcomes.len().min(4))?;
        self.witnesses(&report)
    }

    fn witnesses(&self, report: &Report) -> Result<(), String> {
        let outcomes = report.outcomes.as_ref().ok_or("no outcomes")?;
        let mut digests = BTreeSet::new();
        for witness in &outcomes.witnesses {
            let schedule: Schedule = witness.schedule.parse().map_err(|error| format!("{error:?}"))?;
            let config = self.config(Spec::Auto, 1);
            let (again, replayed) = forkcheck::replay::replay_report(&self.program, &config, &schedule, Mode::Strict);
            same("a witness applies", replayed.stale.is_none(), true)?;
            let found =
                again.outcomes.and_then(|outcomes| outcomes.witnesses.first().map(|first| first.digest.clone()));
            same("a witness leads to its digest", found.as_ref(), Some(&witness.digest))?;
            digests.insert(&witness.digest);
        }
        same("witnesses differ", digests.len(), outcomes.witnesses.len())
    }

    /// Another's search over the same tasks comes to the same, where it can run them and comes to its end.
    fn loom(&self, all: &BTreeSet<(u128, u128, bool)>, tally: &mut Tally) -> Result<(), String> {
        if !self.truth.racy {
            return Ok(());
        }
        let exploration = explore(&self.program, &self.config(Spec::Loom, self.effort.loom));
        let found: BTreeSet<_> = exploration.outcomes.iter().map(|seen| key(&seen.outcome)).collect();
        same("all outcomes are possible", found.is_subset(all), true)?;
        if exploration.coverage == Coverage::Exhausted {
            same("outcomes", &found, all)?;
            self.findings(&exploration)?;
            tally.loom += 1;
        }
        Ok(())
    }

    /// How many threads there are changes nothing.
    fn threads(&self) -> Result<(), String> {
        if !self.truth.racy {
            return Ok(());
        }
        for &strategy in SHARED {
            // Samples go in blocks; this is more than one.
            let report = |jobs| audit(&self.program, &Config { jobs, ..self.config(strategy, 40) });
            let one = report(1);
            same(&format!("{strategy}: the report of two threads"), report(2).to_json(), one.to_json())?;
            for effect in one.findings.iter().filter(|finding| ("FC0101".."FC0105").contains(&finding.code)) {
                let fork = one.forks.iter().find(|fork| fork.line == effect.fork_line);
                same(&format!("{strategy}: a fork with effects is pure"), fork.map(|fork| fork.pure), Some(false))?;
            }
        }
        Ok(())
    }

    /// Whatever this input shows, the static part has said of all inputs.
    fn proof(&self, tally: &mut Tally) -> Result<(), String> {
        // It changes its module, so it has one of its own.
        eager::was_foreseen(&program(self.sample, self.rendered))?;
        let Truth { found, forks, .. } = self.truth;
        let said = static_audit("sample", "forward", &self.program.module, &Config::default());
        let said = said.map_err(|error| error.to_string())?;
        let alike =
            |kind: &str| if kind == "attribute-mutation" { "input-mutation".to_string() } else { kind.to_string() };
        let row = |finding: &FindingReport| {
            (alike(finding.kind), finding.line.unwrap_or_default(), finding.fork_line.unwrap_or_default())
        };
        let possible: BTreeSet<_> = said.findings.iter().map(row).collect();
        for &(kind, line, fork) in found.keys().filter(|row| row.0 != "race") {
            same(
                &format!("{kind} on line {line}, of the fork on {fork}"),
                possible.contains(&(alike(kind), line, fork)),
                true,
            )?;
        }
        for (&line, &pure) in forks {
            let proved = said.forks.iter().find(|fork| fork.line == Some(line)).map(|fork| fork.pure);
            same(&format!("the fork on line {line} is known"), proved.is_some(), true)?;
            same(
                &format!("the fork on line {line} is proved to be pure, and is not"),
                proved == Some(true) && !pure,
                false,
            )?;
        }
        let pure = self.truth.verdict() == "pure";
        match said.verdict.map(|verdict| verdict.name()) {
            Some("pure") => same("proved to be pure, and is not", pure, true)?,
            verdict => same("verdict", verdict, Some("impure"))?,
        }
        if pure && self.split {
            let proved = said.findings.is_empty();
            tally.proved += u64::from(proved);
            tally.unproved += u64::from(!proved);
        }
        Ok(())
    }

    /// Names mean nothing: with others the same lines do the same.
    fn renamed(&self, all: &BTreeSet<(u128, u128, bool)>) -> Result<(), String> {
        let rendered = self.rendered.renamed();
        let again = Laws { program: program(self.sample, &rendered), rendered: &rendered, ..*self };
        for strategy in [Spec::Dpor, Spec::States] {
            let [first, second] = [self, &again].map(|laws| explore(&laws.program, &laws.config(strategy, 1_000_000)));
            again.exhaustive(&second, strategy)?;
            let count = |exploration: &Exploration| (exploration.executions, exploration.states);
            same(&format!("{strategy}: executions and states"), count(&second), count(&first))?;
            let found: BTreeSet<_> = second.outcomes.iter().map(|seen| key(&seen.outcome)).collect();
            same(&format!("{strategy}: outcomes"), &found, all)?;
        }
        again.report()
    }

    /// Programs that must behave alike, or less wildly.
    fn transformed(&self, all: &BTreeSet<(u128, u128, bool)>) -> Result<(), String> {
        let outcomes = |sample: &Sample| -> BTreeSet<_> {
            let program = program(sample, &Rendered::new(sample));
            let exploration = explore(&program, &self.config(Spec::Auto, 1_000_000));
            exploration.outcomes.iter().map(|seen| key(&seen.outcome)).collect()
        };
        same("outcomes with work of a task's own added", &outcomes(&busier(self.sample)), all)?;
        // A wait may show an error that nobody saw, or be for what never ends.
        if let Some(waiting) = waiting(self.sample)
            && !self.truth.failing
        {
            same("a wait adds no outcome", outcomes(&waiting).is_subset(all), true)?;
        }
        Ok(())
    }
}

fn key(outcome: &Checked) -> (u128, u128, bool) {
    (outcome.digests.0, outcome.digests.1, outcome.deadlock.is_empty())
}

/// What a replay kept, in the oracle's words.
fn look(kept: &Kept) -> (Option<Vec<Seen>>, Vec<Seen>) {
    let Value::Object(root) = &kept.entry[0] else { panic!("the module is an object") };
    let mut seen: Vec<Seen> = kept.entry[1..].iter().map(see).collect();
    seen.extend((0..6).map(|attribute| see(&root.attribute(attribute))));
    (kept.result.as_ref().map(|result| vec![see(result)]), seen)
}

fn see(value: &Value) -> Seen {
    match value {
        Value::Int(number) => Seen::Int(*number),
        Value::Tensor(tensor) => {
            Seen::Tensor(tensor.sizes().iter().map(|&size| size as usize).collect(), tensor.to_vec::<i64>())
        }
        Value::List(list) => Seen::List(list.content().items.iter().map(see).collect()),
        Value::Dict(dict) => {
            let name = |key: &Key| KEYS.into_iter().find(|name| matches!(key, Key::Str(text) if &**text == *name));
            let entries =
                dict.content().entries.iter().map(|(key, item)| (name(key).expect("a key"), see(item))).collect();
            Seen::Dict(entries)
        }
        // A submodule has one attribute.
        Value::Object(object) => see(&object.attribute(0)),
        Value::Tuple(items) => Seen::Tuple(items.iter().map(see).collect()),
        other => panic!("nothing that the caller sees: {other:?}"),
    }
}

/// Further than the variables of any program.
const UNUSED: usize = 1000;

/// The same program, but each function first works on what is its own.
fn busier(sample: &Sample) -> Sample {
    let mut busier = sample.clone();
    for body in [&mut busier.main].into_iter().chain(&mut busier.functions) {
        let (dict, list) = (Var(UNUSED), Var(UNUSED + 1));
        let own = [
            Statement::NewDict(dict),
            Statement::SetKey(dict, 0, Var(1)),
            Statement::NewTensors(list, Var(1)),
            Statement::Append(list, Var(1)),
        ];
        body.statements.splice(0..0, own);
    }
    busier
}

/// The same program, but some fork of `forward` is waited for at once; `None` if `forward` forks nothing.
fn waiting(sample: &Sample) -> Option<Sample> {
    let mut waiting = sample.clone();
    let statements = &mut waiting.main.statements;
    let at = statements.iter().position(|statement| matches!(statement, Statement::Fork(..)))?;
    let Statement::Fork(future, ..) = statements[at] else { unreachable!("it was found") };
    statements.insert(at + 1, Statement::Wait(Var(UNUSED), future));
    Some(waiting)
}
