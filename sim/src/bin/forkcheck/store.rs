//! The folder of stored failures, the only place that reads and writes it.
//!
//! A failure is stored as soon as its second outcome is in hand, and again with short schedules before the report is
//! printed, so that an audit that is killed loses nothing. Before an audit the stored schedules of the same program and
//! inputs are run. What is said about all this goes to stderr: the report is the same with stored failures and without.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use forkcheck::config::Config;
use forkcheck::failures::{FOLDER, Failure, Standing, Subject, input_digest};
use forkcheck::files::replace;
use forkcheck::program::Program;
use forkcheck::report::{Report, Verdict, Witness};
use forkcheck_model::Error;
use forkcheck_scheduler::strategy::replay::Mode;

use crate::args::Audit;
use crate::replay::{quoted, say_changes};
use crate::{inputs, output};

/// Where failures are stored; `None` if they are not.
pub(crate) struct Store(Option<PathBuf>);

/// The file that belongs to one program with its inputs, and what goes into it.
#[derive(Clone)]
pub(crate) struct Case {
    file: PathBuf,
    subject: Subject,
    config: Config,
}

impl Store {
    /// As `FORKCHECK_PERSIST` says: a folder, or `off`.
    pub(crate) fn from_env() -> Result<Self, Error> {
        match std::env::var_os("FORKCHECK_PERSIST") {
            None => Ok(Self(Some(FOLDER.into()))),
            Some(off) if off == "off" => Ok(Self(None)),
            Some(nothing) if nothing.is_empty() => {
                Err(Error::new("expected FORKCHECK_PERSIST to be a folder, or `off`; found nothing"))
            }
            Some(folder) => Ok(Self(Some(folder.into()))),
        }
    }

    /// The file that belongs to what is audited.
    pub(crate) fn case(&self, audit: &Audit, digest: &str, program: &Program, config: &Config) -> Option<Case> {
        let folder = self.0.as_ref()?;
        let target = &audit.target;
        let subject = Subject {
            program: from(folder, &target.program),
            program_digest: digest.to_string(),
            method: target.method.clone(),
            inputs: target.inputs.as_ref().map(|inputs| from(folder, inputs)),
            examples: target.example.clone(),
            input_digest: input_digest(program),
            atomicity: config.atomicity.to_string(),
        };
        Some(Case { file: folder.join(subject.file_name()), subject, config: config.clone() })
    }
}

impl Case {
    /// Audits the program: its stored failure first, and what fails is stored before it is reported.
    pub(crate) fn audit(&self, program: &Program, config: &Config) -> Report {
        let before = self.read().map(|failure| (self.repeat(&failure, program, config), failure));
        let mut config = config.clone();
        match &before {
            // It is better than what the first two outcomes of the audit will give: it was made short.
            Some((Standing::Holds, failure)) => config.stored = failure.schedules().unwrap_or_default(),
            _ => {
                let case = self.clone();
                config.found = Some(Arc::new(move |witnesses: &[Witness; 2]| {
                    case.write(witnesses);
                }));
            }
        }
        let report = forkcheck::audit::audit(program, &config);
        self.settle(&report, before.map(|(standing, _)| standing));
        report
    }

    /// Runs a stored failure, and says what has become of it.
    fn repeat(&self, failure: &Failure, program: &Program, config: &Config) -> Standing {
        say_changes(&failure.subject, program, &self.subject.program_digest);
        let (_, standing) = failure.repeat(program, &self.subject.program_digest, config, Mode::Strict);
        let file = self.file.display();
        match &standing {
            Standing::Holds => output::note(&format!("{file} was run first: it still fails")),
            Standing::Stale(why) => output::warning(&format!("{file} was run first, and is stale: {why}")),
            Standing::Same => output::note(&format!("{file} was run first: both its schedules have one outcome now")),
            Standing::Cut(why) => output::warning(&format!("{file} was run first, and cut: {why}")),
        }
        standing
    }

    /// Stores what the report has found; a stored failure that is none any more goes.
    fn settle(&self, report: &Report, before: Option<Standing>) {
        let (Some(outcomes), file) = (&report.outcomes, self.file.display()) else { return };
        if report.verdict == Some(Verdict::Nondeterministic) {
            if let [first, second, ..] = &outcomes.witnesses[..]
                && self.write(&[first.clone(), second.clone()])
            {
                output::note(&format!("stored; both outcomes again: {}", self.command()));
            }
            return;
        }
        let gone = match before {
            Some(Standing::Stale(_)) => "it is stale",
            Some(Standing::Same) if outcomes.complete => "no schedule has another outcome",
            _ => return,
        };
        match std::fs::remove_file(&self.file) {
            Ok(()) => output::note(&format!("{file} was removed: {gone}")),
            Err(error) => output::warning(&format!("{file} could not be removed: {error}")),
        }
    }

    fn command(&self) -> String {
        format!("forkcheck replay {}", quoted(&self.file.to_string_lossy()))
    }

    /// The stored failure, if there is one that can be read.
    fn read(&self) -> Option<Failure> {
        if !self.file.exists() {
            return None;
        }
        let failure = inputs::read(&self.file).and_then(|bytes| Failure::read(&String::from_utf8_lossy(&bytes)));
        failure.inspect_err(|error| output::warning(&format!("{} is ignored: {error}", self.file.display()))).ok()
    }

    /// Writes the file, whole or not at all; says whether it could. An audit goes on without.
    fn write(&self, witnesses: &[Witness; 2]) -> bool {
        let mut failure = Failure::new(self.subject.clone(), &self.config, witnesses);
        failure.replay = self.command();
        let written = replace(&self.file, failure.to_json().as_bytes());
        written
            .inspect_err(|error| {
                output::warning(&format!("the failure is not stored: {}: {error}", self.file.display()))
            })
            .is_ok()
    }
}

/// `path` as it is reached from `folder`, so that both can be moved together; absolute if they share no folder.
fn from(folder: &Path, path: &Path) -> String {
    let (folder, path) = (real(folder), real(path));
    let parts = |path: &Path| -> Vec<String> {
        path.components()
            .filter(|part| *part != Component::RootDir)
            .map(|part| part.as_os_str().to_string_lossy().into())
            .collect()
    };
    let (from, to) = (parts(&folder), parts(&path));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return path.display().to_string();
    }
    let up = std::iter::repeat_n("..", from.len() - shared);
    up.chain(to[shared..].iter().map(String::as_str)).collect::<Vec<_>>().join("/")
}

/// The path without links; of a folder that is not there yet, as far as it is.
fn real(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_at_the_folder() {
        for (folder, path, expected) in [
            ("/no/such/repo/forkcheck-failures", "/no/such/repo/models/a.pt", "../models/a.pt"),
            ("/no/such/repo/forkcheck-failures", "/no/such/b.pt", "../../b.pt"),
            ("/no/such/one", "/nor/this/b.pt", "/nor/this/b.pt"),
            ("/no/such/one", "/no/such/one/b.pt", "b.pt"),
        ] {
            assert_eq!(from(Path::new(folder), Path::new(path)), expected);
        }
    }
}
