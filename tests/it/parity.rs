//! Programs that PyTorch compiled or traced, froze and saved, with what it gave: ours give the same under every schedule.
//!
//! `record/parity.py` made the archives of `parity/`. They are the situations of PyTorch's own tests of forks and awaitables (of which
//! `peer_parity.rs` has the same by hand, with what PyTorch's compiler does not write today) and what else people write.

use std::collections::BTreeSet;
use std::io::{Cursor, Read};
use std::path::PathBuf;

use forkcheck::audit::audit;
use forkcheck::config::Limits;
use forkcheck::execution::{Cut, Raised, Subject};
use forkcheck::machine::{ChildFirst, Machine, State};
use forkcheck::{Atomicity, Config, Inputs, Program, parallel};
use forkcheck_model::archive::saved::read_saved;
use forkcheck_model::difference::close;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Key, List, ListContent, Value};
use forkcheck_scheduler::{TaskId, Tasks};

/// A program that was recorded.
struct Recorded {
    name: String,
    archive: Vec<u8>,
    truth: serde_json::Value,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/parity"))
}

fn recorded() -> Vec<Recorded> {
    let truths = std::fs::read_to_string(folder().join("truth.json")).expect("the truth");
    let truths: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&truths).expect("the truth is JSON");
    let of = |(name, truth): (String, serde_json::Value)| {
        let archive = std::fs::read(folder().join(format!("{name}.pt"))).expect("each has an archive");
        Recorded { name, archive, truth }
    };
    truths.into_iter().map(of).collect()
}

impl Recorded {
    /// What `torch.save` wrote to a file that the archive holds beside the module.
    fn extra(&self, file: &str) -> Value {
        // What `torch.save` writes is an archive in the archive, which must not be taken for where this one begins.
        let from_the_start = zip::read::Config { archive_offset: zip::read::ArchiveOffset::Known(0) };
        let mut zip = zip::ZipArchive::with_config(from_the_start, Cursor::new(&self.archive)).expect("an archive");
        let mut bytes = Vec::new();
        zip.by_name(&format!("{}/extra/{file}", self.name))
            .expect("a record")
            .read_to_end(&mut bytes)
            .expect("it is whole");
        read_saved(&bytes, &mut Allocator::new(0, Memory::unlimited())).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    fn program(&self) -> Result<Program, String> {
        let module = forkcheck::program::load(&self.archive, u64::MAX).map_err(|error| error.to_string())?;
        let Value::Tuple(inputs) = self.extra("inputs.pt") else { return Err("inputs are a tuple".into()) };
        let method = self.truth["method"].as_str().expect("a name");
        Program::new(&self.name, module, method, Inputs::Positional(inputs.to_vec()), Default::default())
            .map_err(|error| error.to_string())
    }

    fn findings(&self) -> BTreeSet<String> {
        let findings = self.truth["findings"].as_array().expect("a list");
        findings.iter().map(|finding| finding.as_str().expect("kind and target").into()).collect()
    }

    /// What is wrong with a result, or an error.
    fn wrong(&self, program: &Program, result: Result<Value, Raised>) -> Option<String> {
        let expected = self.extra("expected.pt");
        let error = match &expected {
            Value::Dict(dict) => dict.content().entries.get(&Key::Str("__error__".into())).cloned(),
            _ => None,
        };
        match (result, error) {
            // PyTorch's was waited for before it was saved.
            (Ok(Value::Await(_)), None) => None,
            (Ok(result), None) => {
                close("output", &result, &expected, 1e-4, 1e-5).map(|difference| format!("{difference:?}"))
            }
            (Err(raised), Some(Value::Str(said))) => {
                let told = program.error_text(&raised);
                let mut lines = told.lines().filter_map(line_of);
                let trail = self.truth["trail"].as_array().expect("lines");
                // PyTorch forgets where a fork or a wait stands if its compiler has moved it: ours may know of more.
                let known = trail.iter().all(|line| lines.any(|ours| line.as_u64() == Some(ours)));
                let same = known && lines.next().is_none();
                (!same || !told.contains(&*said)).then(|| format!("PyTorch: {trail:?}: {said}\n{told}"))
            }
            (result, error) => Some(format!("{result:?}, PyTorch: {error:?}")),
        }
    }
}

/// The line of the source that a line of a traceback names.
fn line_of(text: &str) -> Option<u64> {
    text.strip_prefix("  File ")?.split_once(", line ")?.1.split(',').next()?.parse().ok()
}

/// Holds every program that can be run against `wrong`, which says what is wrong with it, and fails with all complaints.
fn check(wrong: impl Fn(&Recorded, &Program) -> Vec<String>) {
    let complaints: Vec<String> = recorded()
        .iter()
        .filter(|each| each.truth["unable"] == false)
        .flat_map(|each| {
            let wrong = each.program().map_or_else(|error| vec![error], |program| wrong(each, &program));
            wrong.into_iter().map(|text| format!("{}: {text}", each.name)).collect::<Vec<_>>()
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// What a task has returned or raised.
fn ended(machine: &Machine, task: TaskId) -> Option<Result<Value, Raised>> {
    match &machine.task(task).state {
        State::Ended(result) => Some(result.clone()),
        _ => None,
    }
}

/// A result with what its futures brought in their place: PyTorch's were waited for before they were saved.
fn settled(machine: &Machine, value: &Value) -> Value {
    let all = |items: &[Value]| items.iter().map(|item| settled(machine, item)).collect::<Vec<_>>();
    match value {
        Value::Future(future) => {
            let result = ended(machine, TaskId::new(future.task())).expect("it has ended");
            settled(machine, &result.expect("it raised nothing"))
        }
        Value::Tuple(items) => Value::Tuple(all(items).into()),
        Value::List(list) if list.content().items.iter().any(|item| matches!(item, Value::Future(_))) => {
            let items = all(&list.content().items);
            let mut allocator = Allocator::new(0, Memory::unlimited()).at(1 << 20);
            Value::List(List::new(&mut allocator, ListContent { item: Type::Tensor, items }))
        }
        other => other.clone(),
    }
}

#[test]
fn results_errors_and_tasks_are_those_of_pytorch() {
    check(|each, program| {
        let mut machine = Machine::new(program, Atomicity::Op, Limits::default(), Tasks::new());
        machine.run(&mut ChildFirst);
        let mut wrong = Vec::new();
        let tasks = each.truth["tasks"].as_u64();
        if tasks != Some(machine.task_count().into()) {
            wrong.push(format!("{} tasks, PyTorch: {tasks:?}", machine.task_count()));
        }
        let Some(result) = ended(&machine, TaskId::MAIN) else {
            wrong.push("it does not end".into());
            return wrong;
        };
        wrong.extend(each.wrong(program, result.map(|value| settled(&machine, &value))));
        wrong
    });
}

#[test]
fn findings_are_those_that_are_true_and_pure_programs_have_one_outcome() {
    check(|each, program| {
        let mut wrong = Vec::new();
        for atomicity in [Atomicity::Op, Atomicity::Split] {
            let report = audit(program, &Config { atomicity, ..Config::default() });
            let errors = report.findings.iter().filter(|finding| finding.severity == "error");
            let found: BTreeSet<String> =
                errors.map(|finding| format!("{} {}", finding.kind, finding.target)).collect();
            if found != each.findings() {
                wrong.push(format!("found {found:?}, truth {:?}", each.findings()));
            }
            let outcomes = report.outcomes.as_ref().expect("it was run");
            if !outcomes.complete || found.is_empty() && outcomes.distinct != 1 {
                wrong.push(format!("{} outcomes", outcomes.distinct));
            }
        }
        wrong
    });
}

#[test]
fn threads_give_what_pytorch_gave() {
    check(|each, program| {
        if !each.findings().is_empty() || each.name.ends_with("returned") {
            return Vec::new();
        }
        let run = |threads| match parallel::run(program, &Limits::default(), threads).result {
            Some(result) => each.wrong(program, result),
            None => Some(format!("no end on {threads} threads")),
        };
        [1, 2, 4].into_iter().filter_map(run).collect()
    });
}

#[test]
fn what_cannot_be_run_is_said() {
    for each in recorded().iter().filter(|each| each.truth["unable"] == true) {
        let program = each.program().expect("it loads");
        let report = audit(&program, &Config::default());
        assert_eq!(report.verdict.map(|verdict| verdict.name()), Some("unknown"), "{}", each.name);
        let cut = parallel::run(&program, &Limits::default(), 1).cut;
        assert!(
            matches!(&cut, Some(Cut::Opaque { operator, .. }) if operator == "torch.autocast"),
            "{}: {cut:?}",
            each.name
        );
    }
}
