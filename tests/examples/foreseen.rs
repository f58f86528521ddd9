//! Runs archives on the spot and holds every value against what the static part foresaw: `foreseen model.pt other.pt`.
//!
//! The inputs are `inputs.pt` beside the archive, else those that are bundled, else three small numbers.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use forkcheck::{Inputs, Program};
use forkcheck_model::archive::saved::read_saved;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_tests::oracle::eager;

fn main() -> ExitCode {
    let mut wrong = 0;
    for path in std::env::args().skip(1) {
        let run = catch_unwind(AssertUnwindSafe(|| program(Path::new(&path)).map(|program| eager::run(&program))));
        match run {
            Ok(Ok(Some(run))) => {
                let end = run.result.err().map_or("returns".to_string(), |stop| format!("{stop:?}"));
                println!("{path}: {} values, {} pairs, {end}", run.values, run.pairs);
                run.complaints.iter().for_each(|complaint| println!("  {complaint}"));
                wrong += run.complaints.len();
            }
            Ok(Ok(None)) => println!("{path}: the static part gives it up"),
            Ok(Err(error)) => println!("{path}: {error}"),
            Err(_) => wrong += 1,
        }
    }
    println!("{wrong} not foreseen");
    ExitCode::from(u8::from(wrong > 0))
}

fn program(path: &Path) -> Result<Program, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = |error: forkcheck_model::Error| error.to_string();
    let module = forkcheck::program::load(&read(path)?, u64::MAX).map_err(text)?;
    let params = &module.function(module.method("forward").ok_or("no forward")?).params[1..];
    let names: Vec<String> = params.iter().map(|param| param.name.to_string()).collect();
    let beside = path.with_file_name("inputs.pt");
    let inputs = if beside.exists() {
        let saved = read_saved(&read(&beside)?, &mut Allocator::new(0, Memory::unlimited())).map_err(text)?;
        Inputs::from_saved(saved, &names)
    } else {
        match forkcheck::program::bundled(&module, u64::MAX).map_err(text)? {
            Some(inputs) => inputs,
            None => forkcheck::program::examples(&["i64[3]<9".into()], 0, u64::MAX).map_err(text)?,
        }
    };
    Program::new("foreseen", module, "forward", inputs, Default::default()).map_err(text)
}
