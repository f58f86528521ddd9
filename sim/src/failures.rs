//! Failures that are kept, so that they can be repeated at any time and are run first the next time.
//!
//! A failure is a program, its inputs, and two schedules with two different outcomes. What is kept is the schedules
//! themselves, which outlast changes of seeds and strategies, and digests of all that they depend on, so that a failure
//! that no longer applies is noticed and never taken for a program that is fixed. Files are for the caller: here is
//! what is in one, and what it means for the program of today.

use forkcheck_model::Error;
use forkcheck_model::digest::Digest;
use forkcheck_scheduler::strategy::replay::Mode;
use forkcheck_scheduler::{Schedule, ScheduleError};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::program::Program;
use crate::replay::{Repeated, repeat};
use crate::report::Witness;

/// The folder where failures are stored if nobody says otherwise.
pub const FOLDER: &str = "forkcheck-failures";

/// The version of the format.
const FORMAT: u32 = 1;

/// What is in a file of failures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The version of this structure.
    pub format: u32,
    /// The version of forkcheck that found it.
    pub forkcheck: String,
    /// One line that replays it.
    pub replay: String,
    /// What was run.
    pub subject: Subject,
    /// The strategy that found it.
    pub strategy: String,
    /// The seed of that strategy, and of examples.
    pub seed: u64,
    /// Two schedules with different outcomes; the simpler one first.
    pub witnesses: Vec<Witness>,
}

/// What was run: two failures of one subject are one, found twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The path of the program, from the folder of the file.
    pub program: String,
    /// The digest of its bytes.
    pub program_digest: String,
    /// The method that was entered.
    pub method: String,
    /// The path of the inputs, from the folder of the file.
    pub inputs: Option<String>,
    /// Or else examples that were made up.
    pub examples: Vec<String>,
    /// The digest of the arguments.
    pub input_digest: String,
    /// What one step was.
    pub atomicity: String,
}

/// What a kept failure means for a program of today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There still are two outcomes.
    Holds,
    /// A schedule does not apply any more, or no longer leads where it did; the reason.
    Stale(String),
    /// Both schedules apply and now have the same outcome.
    Same,
    /// An execution was cut; the reason.
    Cut(String),
}

impl Subject {
    /// What a file of this subject is called: the program's name, the method, and eight digits that tell apart
    /// subjects which share these. A changed program has the same name, so that its old failure is met again.
    pub fn file_name(&self) -> String {
        let file = self.program.rsplit(['/', '\\']).next().unwrap_or_default();
        let stem = file.strip_suffix(".pt").unwrap_or(file);
        let plain = |text: &str| -> String {
            text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
        };
        let Self { program, method, input_digest, atomicity, .. } = self;
        let all = format!("{program}\n{method}\n{input_digest}\n{atomicity}");
        let hash = xxhash_rust::xxh3::xxh3_64(all.as_bytes()) >> 32;
        format!("{}-{}-{hash:08x}.json", plain(stem), plain(method))
    }
}

impl Failure {
    /// The failure that these two witnesses show, the first of several.
    ///
    /// # Panics
    /// If there are not two witnesses.
    pub fn new(subject: Subject, config: &Config, witnesses: &[Witness]) -> Self {
        Self {
            format: FORMAT,
            forkcheck: env!("CARGO_PKG_VERSION").to_string(),
            replay: String::new(),
            subject,
            strategy: config.strategy.to_string(),
            seed: config.seed,
            witnesses: witnesses[..2].to_vec(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// If it is not one of failures, or of a version that is not known.
    pub fn read(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let expected = |error: &dyn std::fmt::Display| Error::new(format!("expected a stored failure: {error}"));
        let Versioned { format } = serde_json::from_str(text).map_err(|error| expected(&error))?;
        if format != FORMAT {
            return Err(Error::new(format!("expected a stored failure of format {FORMAT}, found format {format}")));
        }
        let failure: Self = serde_json::from_str(text).map_err(|error| expected(&error))?;
        if failure.witnesses.len() != 2 {
            return Err(expected(&format!("expected two witnesses, found {}", failure.witnesses.len())));
        }
        failure.schedules().map_err(|error| expected(&error))?;
        Ok(failure)
    }

    /// The text of a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has a JSON form") + "\n"
    }

    /// The two schedules.
    ///
    /// # Errors
    /// If the text of one is none.
    pub fn schedules(&self) -> Result<Vec<Schedule>, ScheduleError> {
        self.witnesses.iter().map(|witness| witness.schedule.parse()).collect()
    }

    /// Runs both schedules on `program`, which is the subject as it is today. A subject that has changed is tried all
    /// the same: a change elsewhere in it leaves its schedules as they are.
    ///
    /// # Panics
    /// If a schedule cannot be read; [`Failure::read`] has seen to that.
    pub fn repeat(&self, program: &Program, digest: &str, config: &Config, mode: Mode) -> (Repeated, Standing) {
        let changed = self.subject.program_digest != digest || self.subject.input_digest != input_digest(program);
        self.repeat_on(program, changed, config, mode)
    }

    /// The same on any program; `changed` says whether it is known to be another than the one that failed.
    pub(crate) fn repeat_on<S: crate::execution::Subject>(
        &self,
        program: &S,
        changed: bool,
        config: &Config,
        mode: Mode,
    ) -> (Repeated, Standing) {
        let schedules = self.schedules().expect("schedules that were read");
        let repeated = repeat(program, config, &schedules, mode);
        let standing = self.standing(&repeated, changed);
        (repeated, standing)
    }

    fn standing(&self, repeated: &Repeated, changed: bool) -> Standing {
        if let Some(cut) = &repeated.cut {
            return Standing::Cut(cut.clone());
        }
        if let Some(stale) = &repeated.stale {
            return Standing::Stale(stale.to_string());
        }
        let found: Vec<&str> = repeated.witnesses().iter().map(|witness| witness.digest.as_str()).collect();
        let stored: Vec<&str> = self.witnesses.iter().map(|witness| witness.digest.as_str()).collect();
        match found[..] {
            [a, b] if a == b => Standing::Same,
            _ if changed || found == stored => Standing::Holds,
            _ => Standing::Stale("its schedules lead to other outcomes than they did".to_string()),
        }
    }
}

/// The digest of a program's bytes.
pub fn program_digest(bytes: &[u8]) -> String {
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(bytes))
}

/// The digest of a program's arguments.
pub fn input_digest(program: &Program) -> String {
    Digest::of(&program.inputs).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        let witness = |schedule: &str| Witness {
            schedule: schedule.to_string(),
            digest: "00".to_string(),
            summary: "result 0".to_string(),
        };
        let subject = Subject {
            program: "../models/two words.v2.pt".to_string(),
            program_digest: "1".to_string(),
            method: "forward".to_string(),
            inputs: Some("../inputs.pt".to_string()),
            examples: Vec::new(),
            input_digest: "2".to_string(),
            atomicity: "split".to_string(),
        };
        Failure::new(subject, &Config::default(), &[witness("fc1.op.aaaaa.k4wqksa"), witness("fc1.op.aaaaa.k4wqksa")])
    }

    #[test]
    fn a_failure_goes_round() {
        assert_eq!(Failure::read(&failure().to_json()), Ok(failure()));
    }

    /// The name stays when the program's bytes change, and changes with whatever else tells subjects apart.
    #[test]
    fn names_are_of_subjects() {
        let subject = failure().subject;
        let name = subject.file_name();
        assert!(name.starts_with("two-words-v2-forward-") && name.ends_with(".json"), "{name}");
        assert_eq!(Subject { program_digest: "3".into(), ..subject.clone() }.file_name(), name);
        for other in [
            Subject { program: "two words.v2.pt".into(), ..subject.clone() },
            Subject { input_digest: "3".into(), ..subject.clone() },
            Subject { atomicity: "op".into(), ..subject.clone() },
            Subject { method: "../forward".into(), ..subject.clone() },
        ] {
            assert_ne!(other.file_name(), name);
            assert!(!other.file_name().contains('/'));
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let good = failure().to_json();
        for (from, to, message) in [
            ("\"format\": 1", "\"format\": 2", "expected a stored failure of format 1, found format 2"),
            ("\"format\": 1,", "", "missing field `format`"),
            ("aaaaa.k4wqksa", "aaaaa.k4wqksb", "expected a checksum at the end that fits the rest"),
            ("\"seed\": 0,", "", "missing field `seed`"),
            ("{", "[", "expected"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            let error = Failure::read(&bad).expect_err(to).to_string();
            assert!(error.contains(message), "{error}");
        }
        let mut three = failure();
        three.witnesses.push(three.witnesses[0].clone());
        assert!(Failure::read(&three.to_json()).is_err());
    }
}
