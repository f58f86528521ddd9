//! What an audit says, as plain data; the JSON report is this, word for word.

pub(crate) mod build;
pub mod explain;
pub mod github;
pub mod junit;
mod remedy;
pub mod sarif;
pub mod text;
pub(crate) mod words;

pub use remedy::{Change, RemedyReport};
use serde::{Deserialize, Serialize};

/// The result of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this structure.
    pub schema_version: u32,
    /// The program's file.
    pub program: String,
    /// The method that was entered.
    pub method: String,
    /// The answer; `None` for a replay.
    pub verdict: Option<Verdict>,
    /// What the answer rests on; `None` where nothing was shown.
    pub assurance: Option<Assurance>,
    /// What that means here, in a sentence.
    pub rests_on: Option<String>,
    /// What one step was.
    pub atomicity: String,
    /// Who went next.
    pub strategy: String,
    /// The forks that were seen.
    pub forks: Vec<ForkReport>,
    /// What is wrong.
    pub findings: Vec<FindingReport>,
    /// Static findings that no run confirmed.
    pub possible: Vec<FindingReport>,
    /// The results; `None` if nothing was run.
    pub outcomes: Option<Outcomes>,
    /// How much was done.
    pub stats: Stats,
    /// A command that repeats a schedule with another result.
    pub replay: Option<String>,
    /// Sentences for the reader: why an answer is not stronger.
    pub notes: Vec<String>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No fork writes what is not its own, in any schedule.
    Pure,
    /// Some fork does; every outcome examined is the same.
    Impure,
    /// Two different outcomes are in hand.
    Nondeterministic,
    /// No execution completed.
    Unknown,
}

/// What the answer rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Assurance {
    /// All inputs, all schedules.
    Proved,
    /// This input, every schedule: one run without a race.
    Certified,
    /// This input: every inequivalent schedule was run.
    Exhausted,
    /// This input: some schedules were run.
    Sampled,
}

/// A fork of the program.
#[derive(Debug, Clone, Serialize)]
pub struct ForkReport {
    /// The fork path of the first task that was forked here, without `main/`.
    pub id: String,
    /// The function that is forked.
    pub function: String,
    /// The user's file.
    pub file: Option<String>,
    /// The user's line.
    pub line: Option<u32>,
    /// Whether every task forked here leaves alone what is not its own.
    pub pure: bool,
}

/// A finding.
#[derive(Debug, Clone, Serialize)]
pub struct FindingReport {
    /// The code that `forkcheck explain` knows.
    pub code: &'static str,
    /// What kind.
    pub kind: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// PyTorch's name of what is executed.
    pub operator: String,
    /// What is written, as a user would write it: all of `targets`.
    pub target: String,
    /// The same, each by itself; not part of the JSON.
    #[serde(skip)]
    pub targets: Vec<String>,
    /// The user's file.
    pub file: Option<String>,
    /// The user's line, from 1.
    pub line: Option<u32>,
    /// The column on that line, from 1.
    pub column: Option<u32>,
    /// The file of the fork that it belongs to.
    pub fork_file: Option<String>,
    /// The line of that fork.
    pub fork_line: Option<u32>,
    /// The fork path of the task that does it.
    pub task: String,
    /// The exact place, then the calls that lead there, innermost first.
    pub stack: Vec<FrameReport>,
    /// `must` where a run showed it.
    pub certainty: &'static str,
    /// Who found it.
    pub evidence: Vec<&'static str>,
    /// The access that it races with.
    pub race: Option<RaceReport>,
    /// The waits that never end: the circle of a deadlock, or those that take all threads of a pool.
    pub waits: Vec<WaitReport>,
    /// What would help; what was verified first.
    pub remedies: Vec<RemedyReport>,
    /// Where the sources can be shown; not part of the JSON.
    #[serde(skip)]
    pub places: Places,
}

/// What executes it, the user's file, line and column, and the file and line of the fork.
pub(crate) type FindingPlace = (String, Option<String>, Option<u32>, Option<u32>, Option<String>, Option<u32>);

impl FindingReport {
    /// Where it is: two findings of one kind and place are of the same node, line and fork, whoever has found them.
    pub(crate) fn place(&self) -> FindingPlace {
        let Self { operator, file, line, column, fork_file, fork_line, .. } = self;
        (operator.clone(), file.clone(), *line, *column, fork_file.clone(), *fork_line)
    }

    /// Sets what is written.
    pub(crate) fn set_targets(&mut self, targets: Vec<String>) {
        (self.target, self.targets) = (targets.join(", "), targets);
    }
}

/// The stretches of source that a text report shows of a finding.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// What is executed, in the user's words.
    pub here: Option<forkcheck_model::graph::Span>,
    /// The fork.
    pub fork: Option<forkcheck_model::graph::Span>,
    /// The other side of the race.
    pub other: Option<forkcheck_model::graph::Span>,
    /// Each wait, and where the task that it waits for is forked.
    pub waits: Vec<(Option<forkcheck_model::graph::Span>, Option<forkcheck_model::graph::Span>)>,
}

/// A frame of a stack.
#[derive(Debug, Clone, Serialize)]
pub struct FrameReport {
    /// The function.
    pub function: String,
    /// Its file.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
}

/// A wait that never ends.
#[derive(Debug, Clone, Serialize)]
pub struct WaitReport {
    /// The fork path of the task that waits.
    pub task: String,
    /// The fork path of the task that it waits for.
    pub waits_for: String,
    /// The user's file.
    pub file: Option<String>,
    /// The line of the wait.
    pub line: Option<u32>,
    /// The exact place of the wait, then the calls that lead there, innermost first.
    pub stack: Vec<FrameReport>,
    /// The file where the other task is forked.
    pub fork_file: Option<String>,
    /// The line of that fork.
    pub fork_line: Option<u32>,
}

/// The other side of a race.
#[derive(Debug, Clone, Serialize)]
pub struct RaceReport {
    /// The fork path of the task.
    pub other_task: String,
    /// PyTorch's name of what it executes; `return` for the caller's look at the outcome.
    pub other_operator: String,
    /// The user's file.
    pub other_file: Option<String>,
    /// The user's line.
    pub other_line: Option<u32>,
    /// Whether it writes, too.
    pub other_writes: bool,
}

/// The results that were seen.
#[derive(Debug, Clone, Serialize)]
pub struct Outcomes {
    /// How many different ones: pairs of what was there when the entry returned, and when every task had ended.
    pub distinct: usize,
    /// How many different ones when every task had ended.
    pub distinct_at_rest: usize,
    /// Whether there can be no others.
    pub complete: bool,
    /// What samples may have missed, where that is known.
    pub missed: Option<MissedReport>,
    /// The error that every schedule raises.
    pub error: Option<String>,
    /// Schedules with different outcomes: the smaller of `distinct` and 4.
    pub witnesses: Vec<Witness>,
    /// Where two outcomes differ first.
    pub first_difference: Option<Difference>,
}

/// A bound on what samples may have missed.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MissedReport {
    /// How many steps must come in a certain order.
    pub depth: u32,
    /// The greatest chance that no execution had them so.
    pub chance: f64,
}

/// A schedule and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The schedule, for `forkcheck replay`.
    pub schedule: String,
    /// The outcome, as a digest.
    pub digest: String,
    /// The outcome, in short.
    pub summary: String,
}

/// Where two outcomes differ first.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Such as `output[0][1]`.
    #[serde(rename = "where")]
    pub place: String,
    /// What one schedule gives.
    pub a: serde_json::Value,
    /// What the other gives.
    pub b: serde_json::Value,
}

/// How much was done.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Stats {
    /// Complete executions since the last restart of the search; `None` if nothing was run.
    pub executions: Option<u64>,
    /// Executions that were given up: equivalent to others, or over a limit.
    pub discarded: u64,
    /// Steps of all executions.
    pub steps: u64,
    /// Different states.
    pub states: u64,
    /// Tasks of the largest execution, the caller included.
    pub tasks: u32,
    /// Wall-clock time.
    pub seconds: f64,
}

impl Report {
    /// The exit code of the command line.
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            None | Some(Verdict::Pure) => {
                let errors = self.findings.iter().any(|finding| finding.severity == "error");
                u8::from(errors)
            }
            Some(Verdict::Impure | Verdict::Nondeterministic) => 1,
            Some(Verdict::Unknown) => 3,
        }
    }

    /// Makes errors of all warnings.
    pub fn deny_warnings(&mut self) {
        self.findings.iter_mut().for_each(|finding| finding.severity = "error");
    }

    /// The JSON report.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data has a JSON form")
    }
}

impl Verdict {
    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pure => "pure",
            Verdict::Impure => "impure",
            Verdict::Nondeterministic => "nondeterministic",
            Verdict::Unknown => "unknown",
        }
    }
}

impl Assurance {
    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Assurance::Proved => "proved",
            Assurance::Certified => "certified",
            Assurance::Exhausted => "exhausted",
            Assurance::Sampled => "sampled",
        }
    }
}

/// What an error's text says in the end, class and message, and before it the places that it came through.
///
/// A panic's message may have several lines; of other errors it is the last line.
pub(crate) fn message_of(error: &str) -> (&str, &str) {
    let panic = if error.starts_with("panic: ") { Some(0) } else { error.find("\npanic: ").map(|at| at + 1) };
    let start = panic.unwrap_or_else(|| error.rfind('\n').map_or(0, |at| at + 1));
    (&error[start..], &error[..start])
}

/// The same message on one line.
pub(crate) fn message_line(error: &str) -> String {
    message_of(error).0.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
