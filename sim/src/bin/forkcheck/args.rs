//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use forkcheck::config::Budget;
use forkcheck_scheduler::Spec;

/// Checks that what torch.jit.fork runs is pure, and shows what happens if it is not.
#[derive(Debug, Parser)]
#[command(
    name = "forkcheck",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 nothing wrong, 1 findings (or `run` failed), 2 bad usage or unreadable input, 3 nothing is known, \
4 a schedule no longer applies."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say of each fork whether it is pure, and whether the result depends on the schedule.
    Audit(Audit),
    /// Run the program once and print its result.
    Run(Run),
    /// Repeat a schedule that an audit printed, or a failure that it stored.
    Replay(Replay),
    /// Print the graph of a method.
    Graph(Graph),
    /// Say what a code such as FC0102 means, with a bad and a good example.
    Explain {
        /// A code, or a kind such as `attribute-mutation`; without it, all are listed.
        code: Option<String>,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// A program and its inputs.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// An archive written by torch.jit.save; for `audit --static-only` also the text of a graph (`print(m.graph)`).
    pub(crate) program: PathBuf,
    /// Inputs written by torch.save: a tuple of arguments, one tensor, or a dict of keyword arguments.
    #[arg(long, value_name = "FILE.pt", conflicts_with = "example")]
    pub(crate) inputs: Option<PathBuf>,
    /// An argument made up: 'f32[1,3,64,64]', 'i64[4]<10', '3', '0.5', '"text"'. Once for each argument.
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(crate) example: Vec<String>,
    /// The method to enter.
    #[arg(long, default_value = "forward", value_name = "NAME")]
    pub(crate) method: String,
    /// Treat files whose path begins with this as library code.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) library: Vec<String>,
    /// Treat files whose path begins with this as the user's code after all.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) user_code: Vec<String>,
    /// Refuse to let more bytes live at once, such as 4GiB [default: 80 % of the machine's memory].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_memory: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Look at the archive only, and run nothing.
    #[arg(long)]
    pub(crate) static_only: bool,
    /// Who goes next: auto, child-first, round-robin, random, pct:D, pos, uniform, dfs, dpor, states, loom.
    #[arg(long, default_value = "auto", value_name = "SPEC")]
    pub(crate) strategy: Spec,
    /// Most executions, or most time (such as 30s); a time makes reports depend on the machine [default: 10000, and
    /// `auto` ends earlier once two results are in hand and it has seen enough].
    #[arg(long, value_name = "N|TIME")]
    pub(crate) budget: Option<Budget>,
    /// Seeds the strategies that draw, and --example.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// What is one step: an operator, or its reading and its storing apart.
    #[arg(long, default_value = "split")]
    pub(crate) atomicity: AtomicityArg,
    /// Cores to use; the report is the same for any number.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: u32,
    /// Treat warnings as errors.
    #[arg(long, value_name = "warnings")]
    pub(crate) deny: Option<Deny>,
    /// How to print the report.
    #[arg(long, default_value = "text")]
    pub(crate) format: AuditFormat,
    /// Write the report to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Who goes next: child-first, round-robin, random, pct:D, pos, uniform, or threads:N for N real threads.
    #[arg(long, default_value = "child-first", value_name = "SPEC")]
    pub(crate) strategy: Spec,
    /// Seeds the strategies that draw, and --example.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// Write the result, for torch.load.
    #[arg(long, value_name = "FILE.pt")]
    pub(crate) save: Option<PathBuf>,
    /// Compare the result with what torch.save wrote; {"__error__": text} expects a failure with that text.
    #[arg(long, value_name = "FILE.pt")]
    pub(crate) expect: Option<PathBuf>,
    /// Largest relative difference.
    #[arg(long, default_value_t = 1e-5, value_name = "R")]
    pub(crate) rtol: f64,
    /// Largest absolute difference.
    #[arg(long, default_value_t = 1e-8, value_name = "A")]
    pub(crate) atol: f64,
    /// How kernels compute: as fast as this processor can, or with the same bits on every processor.
    #[arg(long, value_enum, default_value_t = MathMode::Native, value_name = "MODE")]
    pub(crate) math: MathMode,
}

/// `forkcheck_model::tensor::Math`, as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MathMode {
    /// As fast as this processor can.
    Native,
    /// With the same bits on every processor: slower.
    Portable,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A schedule: fc1.…; or the file of a stored failure.
    #[arg(value_name = "SCHEDULE|CASE.json")]
    pub(crate) what: String,
    /// An archive written by torch.jit.save; a stored failure knows its own.
    pub(crate) program: Option<PathBuf>,
    /// Inputs written by torch.save; a stored failure knows its own.
    #[arg(long, value_name = "FILE.pt", conflicts_with = "example")]
    pub(crate) inputs: Option<PathBuf>,
    /// An argument made up, as for audit.
    #[arg(long, value_name = "SPEC", allow_hyphen_values = true)]
    pub(crate) example: Vec<String>,
    /// The method to enter [default: forward, or that of the stored failure].
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<String>,
    /// Treat files whose path begins with this as library code.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) library: Vec<String>,
    /// Treat files whose path begins with this as the user's code after all.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) user_code: Vec<String>,
    /// Refuse to let more bytes live at once, such as 4GiB [default: 80 % of the machine's memory].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_memory: Option<u64>,
    /// Skip the parts of the schedule that do not apply, and say which.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// What is one step; the schedule knows, so anything else is refused.
    #[arg(long)]
    pub(crate) atomicity: Option<AtomicityArg>,
    /// Seeds --example [default: 0, or that of the stored failure].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How to print the report.
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// An archive written by torch.jit.save, or the text of a graph, as `print(m.graph)` shows it.
    pub(crate) program: PathBuf,
    /// The method of the archive to print.
    #[arg(long, default_value = "forward", value_name = "NAME")]
    pub(crate) method: String,
    /// Say of each node what it reads and writes, and of each fork whether it is pure for all inputs.
    #[arg(long)]
    pub(crate) effects: bool,
    /// How to print the graph.
    #[arg(long, default_value = "text")]
    pub(crate) format: GraphFormat,
}

/// What is one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AtomicityArg {
    /// An operator.
    Op,
    /// What an operator reads, then what it stores.
    Split,
}

/// What to treat as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deny {
    /// Findings that are only warnings.
    Warnings,
}

/// How to print a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How to print the report of an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// SARIF 2.1.0, for GitHub code scanning and editors.
    Sarif,
    /// JUnit XML, for the test reports of CI systems.
    Junit,
    /// Workflow commands of GitHub Actions, which become annotations.
    Github,
}

/// How to print a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// In PyTorch's form, for people and for forkcheck.
    Text,
    /// A drawing, for Graphviz.
    Dot,
}

fn size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 10] = [
        ("KiB", 1024.0),
        ("MiB", 1048576.0),
        ("GiB", 1073741824.0),
        ("TiB", 1099511627776.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("B", 1.0),
        ("", 1.0),
    ];
    let size =
        UNITS.iter().find_map(|&(unit, bytes)| Some(text.strip_suffix(unit)?.trim().parse::<f64>().ok()? * bytes));
    size.filter(|&size| size >= 1.0)
        .map(|size| size as u64)
        .ok_or_else(|| "expected a size such as 512MiB or 4GiB".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("1GiB"), Ok(1 << 30));
        assert_eq!(size("10 kB"), Ok(10_000));
        assert_eq!(size("7"), Ok(7));
        for bad in ["", "GiB", "-1B", "0"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_arguments_hold_together() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
