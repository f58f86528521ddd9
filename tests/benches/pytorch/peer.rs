//! PyTorch's figures of the rows of this run, if it is installed: `peer.py` measures them, in a process for each number of
//! threads.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{create_dir_all, write};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workload::Workload;

/// What PyTorch is to measure: lines for the script, by the number of threads.
pub(crate) struct Peer {
    folder: PathBuf,
    lines: BTreeMap<u32, String>,
}

/// What it took.
pub(crate) struct Measured {
    pub(crate) version: String,
    /// Nanoseconds, by row.
    pub(crate) medians: BTreeMap<String, f64>,
}

impl Peer {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, lines: BTreeMap::new() }
    }

    pub(crate) fn note(&mut self, row: &str, threads: u32, workload: &Workload) {
        let path = self.folder.join(format!("{}.pt", row.replace('/', "_")));
        create_dir_all(&self.folder).and_then(|()| write(&path, &workload.archive)).expect("a folder of ours");
        let (submodule, inputs) = (workload.submodule.unwrap_or_default(), workload.inputs.join(" "));
        *self.lines.entry(threads).or_default() += &format!("{row}\t{}\t{submodule}\t{inputs}\n", path.display());
    }

    /// Measures them, or else says why not.
    pub(crate) fn measure(&self) -> Option<Measured> {
        if self.lines.is_empty() {
            return None;
        }
        let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
        let Some(version) = version(&python) else {
            say(&format!("{} cannot import torch: PyTorch's figures are the recorded ones", python.display()));
            return None;
        };
        say(&format!("PyTorch {version} is measured now"));
        let mut medians = BTreeMap::new();
        for (threads, lines) in &self.lines {
            let workloads = self.folder.join(format!("on {threads}.tsv"));
            write(&workloads, lines).expect("a folder of ours");
            let Some(printed) = run(&python, &workloads, *threads) else {
                say("PyTorch cannot do it: its figures are the recorded ones");
                return None;
            };
            let figures = printed.lines().filter_map(|line| line.split_once('\t'));
            medians.extend(figures.map(|(row, median)| (row.to_owned(), median.parse().expect("a number"))));
        }
        Some(Measured { version, medians })
    }
}

/// The version of PyTorch, without how it was built.
fn version(python: &OsStr) -> Option<String> {
    let output = Command::new(python).args(["-c", "import torch; print(torch.__version__)"]).output().ok()?;
    let printed = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    printed.trim().split('+').next().map(str::to_owned)
}

/// What the script prints. Of what goes wrong it tells itself.
fn run(python: &OsStr, workloads: &Path, threads: u32) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pytorch/peer.py");
    let mut command = Command::new(python);
    command.arg(script).arg(workloads).arg(threads.to_string()).stderr(Stdio::inherit());
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}

fn say(line: &str) {
    // Who does not hear it sees it in the table's head.
    let _ = writeln!(std::io::stderr(), "{line}");
}
