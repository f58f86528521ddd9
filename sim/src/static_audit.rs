//! The audit that runs nothing: what the analysis of a module says of all inputs, as a report.

use std::collections::BTreeMap;

use forkcheck_model::Error;
use forkcheck_model::effects::{self, Analysis, ForkId, Place, World, Write};
use forkcheck_model::graph::parse::GraphText;
use forkcheck_model::graph::{NodeKind, Span};
use forkcheck_model::module::{FunctionId, Module};
use forkcheck_model::operators::Correction;

use crate::check::{Deed, Kind, Severity};
use crate::config::{Config, Library};
use crate::machine::code::callee_name;
use crate::program::Program;
use crate::remedies::{self, Site};
use crate::report::{Assurance, FindingReport, ForkReport, FrameReport, Places, RaceReport, Report, Stats, Verdict};
use crate::static_words::Words;

/// Says of a method of a module what it may do, on any inputs and under any schedule.
///
/// # Errors
/// If the module has no such method.
pub fn static_audit(name: &str, method: &str, module: &Module, config: &Config) -> Result<Report, Error> {
    let entry = module
        .method(method)
        .ok_or_else(|| Error::new(format!("expected a method of the module, found `{method}`")).in_file(name))?;
    let told = Static::with_remedies(&World::of(module, callee_name), entry, &config.library);
    Ok(told.report(name, method, config))
}

/// The same of the text of a graph: its callees are not in it, so whatever calls something is unknown.
pub fn static_audit_of_graph(name: &str, text: &GraphText, config: &Config) -> Report {
    let world = World { functions: &text.functions, classes: &text.classes, root: None, callee: callee_name };
    Static::with_remedies(&world, GraphText::MAIN, &config.library).report(name, "graph", config)
}

/// Lets an audit that ran the program say what is known without running it: what both have found has both as evidence, what
/// no run has shown is possible on other inputs, and what is proved of all inputs holds for this one.
pub fn meet(report: &mut Report, program: &Program) {
    let told = Static::with_remedies(&World::of(&program.module, callee_name), program.entry, &program.library);
    let proved = told.verdict() == Verdict::Pure;
    for finding in told.findings {
        match report.findings.iter_mut().find(|known| is_same(known, &finding)) {
            Some(known) => {
                known.evidence.push("static");
                known.remedies = finding.remedies;
            }
            None => report.possible.push(finding),
        }
    }
    report.notes.extend(told.notes.into_iter().map(|note| format!("nothing is said of other inputs: {note}")));
    if proved && report.verdict == Some(Verdict::Pure) {
        report.assurance = Some(Assurance::Proved);
        report.rests_on = Some(PROVED.to_string());
    }
}

/// Whether a run and the analysis speak of the same: one node, one line, one fork. An input of the run may be an attribute
/// by another way.
fn is_same(dynamic: &FindingReport, of_all: &FindingReport) -> bool {
    let given = |kind: &str| matches!(kind, "input-mutation" | "attribute-mutation");
    let kinds = dynamic.kind == of_all.kind || given(dynamic.kind) && given(of_all.kind);
    kinds && dynamic.place() == of_all.place()
}

/// What a proof says, and what it assumes.
const PROVED: &str = "for all inputs and every schedule, no task writes what is not its own, or what a fork is using; \
                      assumed: inputs may share memory with each other, but not with attributes";

/// What is known of a module without running it.
pub(crate) struct Static {
    /// Its forks, one for each place where a task forks.
    pub(crate) forks: Vec<ForkReport>,
    /// What is wrong, or may be.
    pub(crate) findings: Vec<FindingReport>,
    /// What each finding is about.
    pub(crate) sites: Vec<Site>,
    /// Why there is no answer.
    pub(crate) notes: Vec<String>,
    /// How many nodes were looked at.
    pub(crate) nodes: usize,
}

impl Static {
    /// Analyses the method `entry`.
    pub(crate) fn of(world: &World<'_>, entry: FunctionId, library: &Library) -> Static {
        match effects::analyse(world, entry) {
            Ok(analysis) => {
                let mut teller = Teller { words: Words::of(world.functions), library, analysis: &analysis };
                let (findings, sites) = teller.findings().into_iter().unzip();
                Static { forks: teller.forks(), findings, sites, notes: Vec::new(), nodes: analysis.nodes }
            }
            Err(too_large) => Static {
                forks: Vec::new(),
                findings: Vec::new(),
                sites: Vec::new(),
                notes: vec![too_large.to_string()],
                nodes: 0,
            },
        }
    }

    /// The same, and of each finding what would help.
    fn with_remedies(world: &World<'_>, entry: FunctionId, library: &Library) -> Static {
        let mut told = Static::of(world, entry, library);
        remedies::suggest(&mut told, world, entry, library);
        told
    }

    fn report(self, name: &str, method: &str, config: &Config) -> Report {
        let verdict = self.verdict();
        Report {
            schema_version: 1,
            program: name.to_string(),
            method: method.to_string(),
            verdict: Some(verdict),
            assurance: (verdict == Verdict::Pure).then_some(Assurance::Proved),
            rests_on: (verdict == Verdict::Pure).then(|| PROVED.to_string()),
            atomicity: config.atomicity.to_string(),
            strategy: config.strategy.to_string(),
            forks: self.forks,
            findings: self.findings,
            possible: Vec::new(),
            outcomes: None,
            stats: Stats::default(),
            replay: None,
            notes: self.notes,
        }
    }

    fn verdict(&self) -> Verdict {
        let wrong = self.findings.iter().any(|finding| finding.severity == "error");
        match (wrong, self.notes.is_empty() && self.findings.is_empty()) {
            (true, _) => Verdict::Impure,
            (false, true) => Verdict::Pure,
            (false, false) => Verdict::Unknown,
        }
    }
}

/// What makes two findings the same.
type Key = (Kind, Deed<Place>, Option<(String, u32)>, Option<Place>);

/// Turns an analysis into what is said of it.
struct Teller<'a> {
    words: Words<'a>,
    library: &'a Library,
    analysis: &'a Analysis,
}

impl Teller<'_> {
    fn forks(&mut self) -> Vec<ForkReport> {
        let mut forks: BTreeMap<Place, ForkReport> = BTreeMap::new();
        for fork in &self.analysis.forks {
            let span = self.user_span(&fork.stack);
            let known = forks.entry(fork.stack[0]).or_insert_with(|| ForkReport {
                id: fork.path.strip_prefix("main/").unwrap_or(&fork.path).to_string(),
                function: fork.callee.clone(),
                file: span.as_ref().map(|span| span.file().to_string()),
                line: span.map(|span| span.line()),
                pure: true,
            });
            known.pure &= fork.pure;
        }
        forks.into_values().collect()
    }

    fn findings(&mut self) -> Vec<(FindingReport, Site)> {
        let mut findings: Vec<(Key, FindingReport, Site)> = Vec::new();
        let mut known: BTreeMap<Key, usize> = BTreeMap::new();
        let mut add = |key: Key, finding: FindingReport, stack: &[Place], fork: Vec<Place>| match known.get(&key) {
            Some(&at) => join(&mut findings[at].1, finding),
            None => {
                known.insert(key.clone(), findings.len());
                let site = Site { kind: key.0, stack: stack.to_vec(), fork };
                findings.push((key, finding, site));
            }
        };
        for write in &self.analysis.writes {
            let (key, finding) = self.write(write);
            add(key, finding, &write.stack, self.fork_stack(write.fork));
        }
        for (stack, fork) in &self.analysis.opaque {
            let (key, finding) = self.opaque(stack, *fork);
            add(key, finding, stack, Vec::new());
        }
        findings.sort_by_key(|(key, _, site)| (key.0, site.stack[0], key.2.clone(), key.3));
        findings.into_iter().map(|(_, finding, site)| (finding, site)).collect()
    }

    fn write(&mut self, write: &Write) -> (Key, FindingReport) {
        let kind = match write.kind {
            effects::Kind::Input => Kind::InputMutation,
            effects::Kind::Attribute => Kind::AttributeMutation,
            effects::Kind::Global => Kind::GlobalState,
            effects::Kind::Output => Kind::Output,
            effects::Kind::Parent => Kind::ParentMutation,
        };
        let fork = self.fork_stack(write.fork);
        let mut finding = self.finding(kind, &write.stack, write.writer, &fork);
        finding.set_targets(vec![self.words.target(&write.target)]);
        finding.certainty = if write.certain { "must" } else { "may" };
        if let Some(other) = &write.other {
            let span = self.user_span(&other.stack);
            finding.race = Some(RaceReport {
                other_task: self.analysis.path(other.fork).to_string(),
                other_operator: self.words.node(other.stack[0]).kind.name().to_string(),
                other_file: span.as_ref().map(|span| span.file().to_string()),
                other_line: span.as_ref().map(Span::line),
                other_writes: other.writes,
            });
            finding.places.other = span;
        }
        (self.key(kind, &write.stack, &fork), finding)
    }

    fn opaque(&mut self, stack: &[Place], fork: ForkId) -> (Key, FindingReport) {
        let mut finding = self.finding(Kind::OpaqueOperator, stack, fork, &[]);
        let rebinds = |correction: &Correction| matches!(correction, Correction::Rebinds);
        let target = match &self.words.node(stack[0]).kind {
            NodeKind::Operator(operator) if operator.corrections.iter().any(rebinds) => {
                "a tensor shows the memory of another from here on, which is not followed"
            }
            _ => "nobody knows what it reads and writes",
        };
        finding.set_targets(vec![target.to_string()]);
        finding.certainty = "may";
        (self.key(Kind::OpaqueOperator, stack, &[]), finding)
    }

    fn key(&mut self, kind: Kind, stack: &[Place], fork: &[Place]) -> Key {
        let span = self.user_span(stack);
        let operator = || self.words.node(stack[0]).kind.name().to_string();
        let deed = Deed::of(kind, stack[0], operator, span.as_ref().map(Span::column));
        (kind, deed, span.map(|span| (span.file().to_string(), span.line())), fork.first().copied())
    }

    fn finding(&mut self, kind: Kind, stack: &[Place], task: ForkId, fork: &[Place]) -> FindingReport {
        let (here, forked) = (self.user_span(stack), self.user_span(fork));
        let file = |span: &Option<Span>| span.as_ref().map(|span| span.file().to_string());
        FindingReport {
            code: kind.code(),
            kind: kind.name(),
            severity: if kind.severity() == Severity::Error { "error" } else { "warning" },
            operator: self.words.node(stack[0]).kind.name().to_string(),
            target: String::new(),
            targets: Vec::new(),
            file: file(&here),
            line: here.as_ref().map(Span::line),
            column: here.as_ref().map(|span| span.column() + 1),
            fork_file: file(&forked),
            fork_line: forked.as_ref().map(Span::line),
            task: self.analysis.path(task).to_string(),
            stack: stack.iter().map(|&place| self.frame(place)).collect(),
            certainty: "must",
            evidence: vec!["static"],
            race: None,
            waits: Vec::new(),
            remedies: Vec::new(),
            places: Places { here, fork: forked, other: None, waits: Vec::new() },
        }
    }

    fn frame(&mut self, place: Place) -> FrameReport {
        let span = self.words.node(place).span.as_ref();
        FrameReport {
            function: self.words.function(place.function).name.to_string(),
            file: span.map(|span| span.file().to_string()),
            line: span.map(Span::line),
        }
    }

    /// Where a fork is forked, innermost first; of the entry, nowhere.
    fn fork_stack(&self, fork: ForkId) -> Vec<Place> {
        self.analysis.fork(fork).map(|fork| fork.stack.clone()).unwrap_or_default()
    }

    /// The innermost place of a stack that the user wrote; if all of it is library code, the innermost place.
    fn user_span(&mut self, stack: &[Place]) -> Option<Span> {
        let spans: Vec<&Span> = stack.iter().filter_map(|&place| self.words.node(place).span.as_ref()).collect();
        self.library.users(spans.into_iter()).cloned()
    }
}

/// Takes in what another context, or another result of the same node, says of the same finding.
fn join(known: &mut FindingReport, other: FindingReport) {
    if known.race.is_none() {
        known.race = other.race;
        known.places.other = other.places.other;
    }
    if other.certainty == "must" {
        known.certainty = "must";
    }
    // That the shape of something may change too is no news.
    let shape_of = |target: &str| format!("shape of {target}");
    let mut targets = std::mem::take(&mut known.targets);
    for target in other.targets {
        if targets.iter().any(|known| *known == target || shape_of(known) == target) {
            continue;
        }
        targets.retain(|known| *known != shape_of(&target));
        targets.push(target);
    }
    targets.truncate(crate::check::finding::TARGETS);
    known.set_targets(targets);
}
