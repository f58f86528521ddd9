//! Our speed beside PyTorch's: `cargo bench -p forkcheck-tests --bench pytorch`.
//!
//! PyTorch's figures were recorded once (2.7.0, TorchScript after its warm-up, one thread, an AMD EPYC with 2 cores) and
//! stand in `table.rs`; ours are measured by criterion. A row is a line of that table and a benchmark with its name.

mod interpreter;
mod networks;
mod operators;
mod table;

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use forkcheck::config::Limits;
use forkcheck::parallel;
use forkcheck::program::Program;
use forkcheck_model::value::Value;

fn main() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pytorch");
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .output_directory(&folder)
        .configure_from_args();
    interpreter::measure(&mut criterion);
    networks::measure(&mut criterion);
    operators::measure(&mut criterion);
    criterion.final_summary();
    std::io::Write::write_all(&mut std::io::stdout(), table::render(&folder).as_bytes()).expect("somebody reads it");
}

/// Measures one run of a program, from a copy of its module to its result, as `forkcheck run` goes.
fn run(criterion: &mut Criterion, row: &str, program: &Program) {
    criterion.bench_function(row, |bencher| bencher.iter(|| black_box(result(program, 1))));
}

/// # Panics
/// If the program raises.
fn result(program: &Program, threads: u32) -> Value {
    match parallel::run(program, &Limits::default(), threads).result {
        Some(Ok(value)) => value,
        other => panic!("{other:?}"),
    }
}
