//! Holds the laws of random programs for as many seeds as one likes: `long_run --from 0 --count 100000`.
//!
//! Prints the program of the first broken law and fails; otherwise prints what was compared.

#![expect(clippy::print_stdout, reason = "it is a command")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use forkcheck_tests::oracle::closures;
use forkcheck_tests::oracle::laws::{Effort, Tally, check, check_proof, draws};
use forkcheck_tests::oracle::program::{Language, Sample, Size};
use forkcheck_tests::oracle::values;

/// Random programs about what values hold.
fn values_of(seeds: std::ops::Range<u64>, show: bool) -> ExitCode {
    let mut tally = values::Tally::default();
    for seed in seeds.clone() {
        if show {
            println!("{}", values::code(&values::choices(seed)));
        }
        let one = || values::check(&values::choices(seed));
        match catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(|_| Err("panicked".to_string())) {
            Ok(one) => tally.add(&one),
            Err(wrong) => {
                println!("seed {seed}: {wrong}");
                return ExitCode::FAILURE;
            }
        }
    }
    println!("seeds {seeds:?}: {tally:?}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)).map_or(default, |text| text.parse().expect("a number"))
    };
    let asked = |name: &str| args.iter().any(|arg| arg == name);
    // Of the static part alone, which is quick.
    let proofs = asked("--proofs");
    // As Rust bodies instead of archives.
    let closures = asked("--closures");
    let language = match (asked("--queues"), asked("--rich")) {
        (true, _) => Language::Queues,
        (_, true) => Language::Rich,
        _ => Language::Plain,
    };
    let (from, count) = (number("--from", 0), number("--count", 1000));
    let effort = Effort {
        size: Size {
            main: number("--main", 6) as usize,
            function: number("--function", 4) as usize,
            functions: 3,
            language,
        },
        beginnings: number("--beginnings", 3000) as usize,
        orders: number("--orders", 2000) as usize,
        samples: 10,
        loom: number("--loom", 300),
    };
    let (draws, start, mut tally, mut broken) = (draws(), Instant::now(), Tally::default(), 0);
    let law = match (closures, proofs) {
        (true, _) => closures::check,
        (_, true) => check_proof,
        _ => check,
    };
    if asked("--values") {
        return values_of(from..from + count, asked("--show"));
    }
    for seed in from..from + count {
        let one = || law(&Sample::of_seed(seed, effort.size), &draws, effort);
        let panicked = |_| Err("panicked".to_string());
        match catch_unwind(AssertUnwindSafe(one)).unwrap_or_else(panicked) {
            Ok(one) => tally.add(&one),
            Err(wrong) => {
                println!("seed {seed}: {wrong}");
                broken += 1;
                if broken >= number("--broken", 1) {
                    break;
                }
            }
        }
    }
    println!("seeds {from}..{}: {tally:?}, {:.1} s", from + count, start.elapsed().as_secs_f64());
    ExitCode::from(u8::from(broken > 0))
}
