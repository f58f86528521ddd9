//! Our speed beside PyTorch's: `cargo bench -p forkcheck-tests --bench pytorch`.
//!
//! A row is a line of the table at the end and a benchmark with its name: ours is measured by criterion. PyTorch's is
//! measured afterwards on the same archive, by the Python that the variable `PYTHON` names (`python3` if there is none), or
//! else was recorded once: `table.rs` has the figures.

mod interpreter;
mod networks;
mod operators;
mod peer;
mod table;
mod workload;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Bencher, Criterion};
use forkcheck::config::Limits;
use forkcheck::parallel;
use forkcheck::program::{Program, load};
use forkcheck_model::value::Value;
use forkcheck_tests::estimates::{forget, median};

use crate::peer::Peer;
use crate::workload::Workload;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pytorch");
    let criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .output_directory(&folder)
        .configure_from_args();
    let mut bench = Bench { criterion, peer: Peer::new(folder.join("peer")), folder };
    // Networks first: whoever loads one has a fresh heap, not that of ten thousand forks.
    networks::measure(&mut bench);
    interpreter::measure(&mut bench);
    operators::measure(&mut bench);
    bench.criterion.final_summary();
    let table = table::render(&bench.folder, bench.peer.measure().as_ref());
    std::io::Write::write_all(&mut std::io::stdout(), table.as_bytes()).expect("somebody reads it");
}

/// Measures rows, and notes for PyTorch those that were.
struct Bench {
    criterion: Criterion,
    peer: Peer,
    folder: PathBuf,
}

impl Bench {
    /// Measures one run, from a copy of the module to its result, as `forkcheck run` goes.
    fn run(&mut self, row: &str, workload: &Workload) {
        self.run_on(1, row, workload);
    }

    fn run_on(&mut self, threads: u32, row: &str, workload: &Workload) {
        let program = workload.program();
        self.measure(row, threads, workload, |bencher| bencher.iter(|| black_box(result(&program, threads))));
    }

    /// Measures how long it takes to load the archive.
    fn load(&mut self, row: &str, workload: &Workload) {
        self.measure(row, 1, workload, |bencher| {
            bencher.iter(|| black_box(load(&workload.archive, u64::MAX).expect("PyTorch wrote it")));
        });
    }

    fn measure(&mut self, row: &str, threads: u32, workload: &Workload, ours: impl FnMut(&mut Bencher<'_>)) {
        // Not every row is measured: arguments may name some of them.
        forget(&self.folder, row);
        self.criterion.bench_function(row, ours);
        if median(&self.folder, row).is_some() {
            self.peer.note(row, threads, workload);
        }
    }
}

/// # Panics
/// If the program raises.
fn result(program: &Program, threads: u32) -> Value {
    match parallel::run(program, &Limits::default(), threads).result {
        Some(Ok(value)) => value,
        other => panic!("{other:?}"),
    }
}
