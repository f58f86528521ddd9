//! What would help against a finding, tried out before it is said: the fix is made on a copy of the program, and the copy is
//! analysed as the program was.
//!
//! A fix is *verified* if the finding is gone then, and nothing is found that was not found before. That says nothing of what
//! the program computes: whoever needs what the fork wrote gets it from elsewhere. What is tried is what is said: a clone against
//! a write of the fork is made by the task, since whatever its parent made is not its own; one against a write of the parent
//! is made before the fork.

mod edit;
mod patch;

use std::collections::BTreeMap;

use forkcheck_model::effects::{Place, World};
use forkcheck_model::graph::{Node, ValueId};
use forkcheck_model::module::{Function, FunctionId};
use forkcheck_model::value::Object;

use crate::check::Kind;
use crate::config::Library;
use crate::report::{Change, FindingPlace, FindingReport, RemedyReport, words};
use crate::static_audit::Static;
use edit::Copying;

/// So many fixes are tried for a report.
const TRIES: usize = 32;

/// So many nodes are looked at for them, each in each calling context once, so that it stays cheap.
const NODES: usize = 50_000;

/// What a finding is about, in numbers of the program.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// What kind of finding.
    pub(crate) kind: Kind,
    /// The node, then the calls of its task that lead there.
    pub(crate) stack: Vec<Place>,
    /// Where the fork is that it is held against, then the calls that lead there.
    pub(crate) fork: Vec<Place>,
}

/// Adds to each finding what would help against it: what was verified first.
pub(crate) fn suggest(told: &mut Static, world: &World<'_>, entry: FunctionId, library: &Library) {
    let mut trier = Trier {
        world,
        entry,
        library,
        before: Signatures::of(&told.findings),
        tries: TRIES.min(NODES / told.nodes.max(1)),
        tried: BTreeMap::new(),
    };
    for i in 0..told.findings.len() {
        let remedies = trier.remedies(&told.findings[i], &told.sites[i]);
        let finding = &mut told.findings[i];
        finding.remedies = remedies;
        let sentence = words::unverified(finding);
        finding.remedies.extend(sentence.map(|text| RemedyReport::of(text, false)));
    }
}

/// A fix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fix {
    /// Wait for the fork before this node.
    Wait(Place, Place),
    /// `eval()`.
    Eval,
    /// Draw before the fork what is drawn at the end of these calls.
    Draw(Vec<Place>, Place),
    /// Give the fork a copy of the captured value of this number.
    Copy(Place, usize, Copying),
    /// Let the function begin with a copy of the parameter of this number.
    Own(FunctionId, usize, Copying),
}

struct Trier<'a> {
    world: &'a World<'a>,
    entry: FunctionId,
    library: &'a Library,
    /// What was found before.
    before: Signatures,
    /// How many fixes may still be tried.
    tries: usize,
    /// What was found with each fix that could be made.
    tried: BTreeMap<Fix, Option<Signatures>>,
}

impl Trier<'_> {
    fn remedies(&mut self, finding: &FindingReport, site: &Site) -> Vec<RemedyReport> {
        let mut remedies = Vec::new();
        let mut is_copied = false;
        for fix in self.fixes(site) {
            // One thing that is copied is enough.
            let copies = matches!(fix, Fix::Copy(..));
            if copies && is_copied || !self.helps(&fix, finding) {
                continue;
            }
            is_copied |= copies;
            let change = self.change(&fix);
            let patch = change.as_ref().map(Change::diff);
            remedies.push(RemedyReport { text: self.text(&fix), verified: true, patch, change });
            // Against a write of the parent there are two, and each has its uses.
            if site.kind != Kind::ParentMutation {
                break;
            }
        }
        remedies
    }

    /// What may help, the likeliest first.
    fn fixes(&self, site: &Site) -> Vec<Fix> {
        let mut fixes = Vec::new();
        let fork = site.fork.first().copied();
        let (Some(fork), true) = (fork, site.kind != Kind::Output) else { return fixes };
        if site.kind == Kind::ParentMutation {
            // The call at which the writer leaves the function that has forked, in the same calling context.
            let depth = site.stack.len().checked_sub(site.fork.len());
            let meet = depth.filter(|&depth| {
                site.stack[depth].function == fork.function && site.stack[depth + 1..] == site.fork[1..]
            });
            fixes.extend(meet.map(|depth| Fix::Wait(fork, site.stack[depth])));
        }
        if matches!(site.kind, Kind::AttributeMutation | Kind::GlobalState) {
            fixes.push(Fix::Eval);
        }
        if site.kind == Kind::GlobalState {
            fixes.push(Fix::Draw(site.stack.clone(), fork));
            return fixes;
        }
        if site.kind == Kind::ParentMutation {
            let inputs = self.node(fork).map_or(&[][..], |node| &node.inputs);
            let ways = self.copies(fork.function, inputs);
            fixes.extend(ways.map(|(i, copying)| Fix::Copy(fork, i, copying)));
            return fixes;
        }
        // First what was forked, then what that calls; at last the task itself, which no source shows.
        let Some((task, calls)) = site.stack.split_last() else { return fixes };
        for place in calls.iter().rev().chain([task]) {
            let params = &self.world.functions[place.function.0 as usize].graph.body.params;
            let ways = self.copies(place.function, params);
            fixes.extend(ways.map(|(i, copying)| Fix::Own(place.function, i, copying)));
        }
        fixes
    }

    /// Which of the values of a function can be copied, and how.
    fn copies(&self, function: FunctionId, values: &[ValueId]) -> impl Iterator<Item = (usize, Copying)> {
        let graph = &self.world.functions[function.0 as usize].graph;
        let ways =
            |(i, value): (usize, &ValueId)| Copying::of(&graph.value(*value).ty).into_iter().map(move |way| (i, way));
        values.iter().enumerate().flat_map(ways).collect::<Vec<_>>().into_iter()
    }

    /// Whether the finding is gone with the fix, and nothing else comes.
    fn helps(&mut self, fix: &Fix, finding: &FindingReport) -> bool {
        if !self.tried.contains_key(fix) {
            let after = self.tries.checked_sub(1).and_then(|left| {
                let (functions, root) = self.made(fix)?;
                self.tries = left;
                let root = root.as_ref().or(self.world.root);
                let World { classes, callee, .. } = *self.world;
                let told =
                    Static::of(&World { functions: &functions, classes, root, callee }, self.entry, self.library);
                told.notes.is_empty().then(|| Signatures::of(&told.findings))
            });
            self.tried.insert(fix.clone(), after);
        }
        let after = self.tried[fix].as_ref();
        after.is_some_and(|after| after.lacks(&self.before, finding) && after.is_within(&self.before))
    }

    /// The program with the fix, if it can be made.
    fn made(&self, fix: &Fix) -> Option<(Vec<Function>, Option<Object>)> {
        let functions = match fix {
            Fix::Wait(fork, before) => edit::waited(self.world, *fork, *before)?,
            Fix::Copy(fork, input, copying) => edit::copied(self.world, *fork, *input, *copying)?,
            Fix::Own(function, param, copying) => edit::owned(self.world, *function, *param, *copying)?,
            Fix::Draw(stack, fork) => edit::drawn_before(self.world, stack, *fork)?,
            Fix::Eval => {
                let root = edit::evaluated(self.world.root?)?;
                return Some((self.world.functions.to_vec(), Some(root)));
            }
        };
        Some((functions, None))
    }

    /// The fix in the user's source, where it is certain what it looks like.
    fn change(&self, fix: &Fix) -> Option<Change> {
        let functions = self.world.functions;
        match fix {
            Fix::Wait(fork, before) => {
                let (fork, before) = (self.node(*fork)?.span.as_ref(), self.node(*before)?.span.as_ref());
                patch::waited(fork, before, self.library)
            }
            Fix::Copy(fork, input, copying) => patch::copied(functions, *fork, *input, *copying, self.library),
            Fix::Own(function, param, copying) => {
                patch::owned(&functions[function.0 as usize], *param, *copying, self.library)
            }
            Fix::Eval | Fix::Draw(..) => None,
        }
    }

    fn text(&self, fix: &Fix) -> String {
        match fix {
            Fix::Wait(..) => "wait for the fork before the write".to_string(),
            Fix::Eval => "call `eval()` on the module before it is saved".to_string(),
            Fix::Draw(..) => "draw before the fork and pass the numbers in".to_string(),
            Fix::Copy(fork, input, copying) => {
                let function = &self.world.functions[fork.function.0 as usize];
                let value = self.node(*fork).map(|node| node.inputs[*input]);
                let names = value.map(|value| patch::expressions(function, value)).unwrap_or_default();
                let name = names.first().map(String::as_str).unwrap_or("x");
                format!("give the fork `{}`, so that it does not see the write", copying.words(name))
            }
            Fix::Own(function, param, copying) => {
                let function = &self.world.functions[function.0 as usize];
                let name = &function.params[*param].name;
                let callee = match function.name.rsplit('.').next() {
                    Some(name) if !name.starts_with('<') => format!("`{name}`"),
                    _ => "the forked function".to_string(),
                };
                format!(
                    "begin {callee} with `{name} = {}`, and return what the caller needs of it",
                    copying.words(name)
                )
            }
        }
    }

    fn node(&self, place: Place) -> Option<&Node> {
        edit::node(&self.world.functions[place.function.0 as usize].graph.body, place.node)
    }
}

/// Findings as they can be told again when nodes have other numbers: how often each was found.
struct Signatures {
    whole: BTreeMap<Signature, usize>,
    /// With each target of its own.
    targets: BTreeMap<(Signature, String), usize>,
}

/// The kind of a finding, and where it is.
type Signature = (&'static str, FindingPlace);

fn signature(finding: &FindingReport) -> Signature {
    (finding.kind, finding.place())
}

impl Signatures {
    fn of(findings: &[FindingReport]) -> Self {
        let (mut whole, mut targets) = (BTreeMap::new(), BTreeMap::new());
        for finding in findings {
            *whole.entry(signature(finding)).or_default() += 1;
            for target in finding.target.split(", ") {
                *targets.entry((signature(finding), target.to_string())).or_default() += 1;
            }
        }
        Self { whole, targets }
    }

    /// Whether there is less of the finding than before.
    fn lacks(&self, before: &Signatures, finding: &FindingReport) -> bool {
        let signature = signature(finding);
        self.whole.get(&signature) < before.whole.get(&signature)
    }

    /// Whether there is nothing that was not there before.
    fn is_within(&self, before: &Signatures) -> bool {
        let known = self.whole.iter().all(|(key, count)| before.whole.get(key).is_some_and(|had| had >= count));
        known && self.targets.iter().all(|(key, count)| before.targets.get(key).is_some_and(|had| had >= count))
    }
}
