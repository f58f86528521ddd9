//! What a test takes from its surroundings, all in one place: variables, source files, stored failures, a clock for budgets
//! that are times.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::Location as Caller;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use forkcheck_model::Error;
use forkcheck_scheduler::strategy::replay::Mode;
use tracing_subscriber::EnvFilter;

use super::checker::Checker;
use super::run::Body;
use super::{lock, sites};
use crate::config::{Budget, Config};
use crate::execution::Subject as _;
use crate::failures::{FOLDER, Failure, Standing, Subject, program_digest};
use crate::files::replace;
use crate::report::{Report, Verdict, Witness};

/// Sets what the variables say.
pub(super) fn configure(mut checker: Checker) -> Result<Checker, Error> {
    checker.store(match text("FORKCHECK_PERSIST")?.as_deref() {
        None => Store::folder(FOLDER.into()),
        Some("off") => Store::off(),
        Some("") => return Err(wrong("FORKCHECK_PERSIST", "a folder, or `off`", "")),
        Some(folder) => Store::folder(folder.into()),
    });
    if let Some(value) = text("FORKCHECK_STRATEGY")? {
        checker.set_strategy(&value).map_err(|error| Error::new(format!("FORKCHECK_STRATEGY: {error}")))?;
    }
    if let Some(seed) = number("FORKCHECK_SEED", 0)? {
        checker.config().seed = seed;
    }
    if let Some(value) = text("FORKCHECK_BUDGET")? {
        match value.parse() {
            Ok(Budget::Executions(executions)) => checker.config().ask_for(executions),
            Ok(Budget::Time(time)) => {
                let end = Instant::now().checked_add(time);
                checker.config().ask_for(u64::MAX);
                checker.config().limits.expired = Some(Arc::new(move || end.is_some_and(|end| Instant::now() >= end)));
            }
            Err(_) => {
                let expected = "a number of executions from 1, or a time such as 500ms, 30s, 5m";
                return Err(wrong("FORKCHECK_BUDGET", expected, &value));
            }
        }
    }
    if let Some(executions) = number("FORKCHECK_ITERS", 1)? {
        checker.config().ask_for(executions);
    }
    if let Some(value) = text("FORKCHECK_REPLAY")? {
        let schedule = value.parse().map_err(|error| Error::new(format!("FORKCHECK_REPLAY: {error}")))?;
        checker.replay_if_own(schedule);
    }
    match text("FORKCHECK_CHECK_DETERMINISM")?.as_deref() {
        None | Some("0") => {}
        Some("1") => checker = checker.check_determinism(),
        Some(other) => return Err(wrong("FORKCHECK_CHECK_DETERMINISM", "0 or 1", other)),
    }
    if let Some(value) = text("FORKCHECK_LOG")? {
        let filter =
            EnvFilter::builder().parse(&value).map_err(|error| Error::new(format!("FORKCHECK_LOG: {error}")))?;
        let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time();
        // Another test of the process may have begun to log before.
        let _ = logs.with_ansi(false).try_init();
    }
    Ok(checker)
}

fn text(name: &str) -> Result<Option<String>, Error> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::new(format!("expected {name} to be UTF-8 text"))),
    }
}

fn number(name: &str, least: u64) -> Result<Option<u64>, Error> {
    let Some(value) = text(name)? else { return Ok(None) };
    match value.parse() {
        Ok(number) if number >= least => Ok(Some(number)),
        _ => Err(wrong(name, &format!("a number from {least}"), &value)),
    }
}

fn wrong(name: &str, expected: &str, found: &str) -> Error {
    Error::new(format!("expected {name} to be {expected}; found {found:?}"))
}

/// A source file by the name that the compiler recorded: from where a test runs, or from a folder above, for the compiler is
/// started at the root of a workspace and a test in its package.
pub(super) fn read_source(file: &str) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    here.ancestors().find_map(|folder| std::fs::read_to_string(folder.join(file)).ok())
}

/// How many checks stand before this one in its function; none, where there is no source. Every source is read once.
pub(super) fn checks_before(at: &'static Caller<'static>) -> usize {
    static KNOWN: Mutex<BTreeMap<(&str, u32, u32), usize>> = Mutex::new(BTreeMap::new());
    let count = || read_source(at.file()).map_or(0, |text| sites::checks_before(&text, at.line(), at.column()));
    *lock(&KNOWN).entry((at.file(), at.line(), at.column())).or_insert_with(count)
}

/// The test that runs now: the harness of `cargo test` gives each a thread of its name.
pub(super) fn test() -> Option<String> {
    std::thread::current().name().filter(|name| *name != "main").map(str::to_string)
}

/// Where failures are stored; nowhere, if there is no folder.
#[derive(Debug, Clone)]
pub(super) struct Store(Option<PathBuf>);

impl Store {
    /// Nowhere.
    pub(super) fn off() -> Self {
        Self(None)
    }

    /// In this folder.
    pub(super) fn folder(folder: PathBuf) -> Self {
        Self(Some(folder))
    }

    /// Audits a body: its stored failure first, and what fails is stored before it is reported.
    ///
    /// A body that is checked on many inputs has one file, of the input that failed last: that is the smallest one when
    /// inputs are shrunk.
    pub(super) fn audit(&self, body: &Body, program: Option<String>, input: Option<&str>, config: &Config) -> Report {
        let Some(folder) = &self.0 else { return crate::audit::audit(body, config) };
        let mut subject = Subject {
            program: program.unwrap_or_else(|| shared_name(body)),
            program_digest: String::new(),
            method: body.method().to_string(),
            inputs: None,
            examples: Vec::new(),
            input_digest: String::new(),
            atomicity: config.atomicity.to_string(),
        };
        let file = folder.join(subject.file_name());
        if let Some(input) = input {
            subject.examples = vec![input.to_string()];
            subject.input_digest = program_digest(input.as_bytes());
        }
        let case = Case { file, subject, config: config.clone() };
        case.audit(body)
    }
}

/// What a stored failure calls a body that has no name of its own: a check that several tests share is another one for each.
fn shared_name(body: &Body) -> String {
    match &body.test {
        Some(test) if !body.name().contains(test.as_str()) => format!("{} in {test}", body.name()),
        _ => body.name().to_string(),
    }
}

/// The file that belongs to one body.
#[derive(Clone)]
struct Case {
    file: PathBuf,
    subject: Subject,
    config: Config,
}

impl Case {
    fn audit(&self, body: &Body) -> Report {
        let before = self.read().map(|failure| {
            // Of another input, perhaps: its schedules are tried all the same, but nothing follows if they do not apply.
            let own = failure.subject.input_digest == self.subject.input_digest;
            let (_, standing) = failure.repeat_on(body, !own, &self.config, Mode::Strict);
            (standing, failure, own)
        });
        let mut config = self.config.clone();
        match &before {
            Some((Standing::Holds, failure, _)) => config.stored = failure.schedules().unwrap_or_default(),
            Some((Standing::Stale(why), _, true)) => say(&format!("{} is stale: {why}", self.file.display())),
            _ => {}
        }
        let case = self.clone();
        let replay = |witness: &Witness| body.replay_command(&witness.schedule.parse().expect("it was just printed"));
        let command = replay_of(body);
        config.found = Some(Arc::new(move |witnesses: &[Witness; 2]| case.write(witnesses, &command)));
        let report = crate::audit::audit(body, &config);
        match (&report.outcomes, report.verdict) {
            (Some(outcomes), Some(Verdict::Nondeterministic)) => {
                if let [first, second, ..] = &outcomes.witnesses[..] {
                    self.write(&[first.clone(), second.clone()], &replay(second));
                }
            }
            (Some(outcomes), _) if before.is_some_and(|(_, _, own)| own) && outcomes.complete => {
                // No schedule has a second outcome any more, on the input that had two.
                let _ = std::fs::remove_file(&self.file);
            }
            _ => {}
        }
        report
    }

    fn read(&self) -> Option<Failure> {
        let text = std::fs::read_to_string(&self.file).ok()?;
        match Failure::read(&text) {
            Ok(failure) => Some(failure),
            Err(error) => {
                say(&format!("{}: {error}", self.file.display()));
                None
            }
        }
    }

    /// A folder that cannot be written is no reason to lose the report.
    fn write(&self, witnesses: &[Witness], replay: &str) {
        let mut failure = Failure::new(self.subject.clone(), &self.config, witnesses);
        failure.replay = replay.to_string();
        if let Err(error) = replace(&self.file, failure.to_json().as_bytes()) {
            say(&format!("{} could not be written: {error}", self.file.display()));
        }
    }
}

/// The command that runs a body again, stored failure first.
fn replay_of(body: &Body) -> String {
    body.command()
}

/// Tells the user something that no report can.
pub(super) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "forkcheck: warning: {text}");
}
