//! The laws that the fuzz targets hold, kept apart from the fuzzer so that `cargo test` can hold them too.
//!
//! `cargo fuzz run archive --sanitizer none` works on a stable compiler; without cargo-fuzz, build with
//! `RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
//! -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
//! -Cllvm-args=-sanitizer-coverage-trace-compares" cargo build --release --target TRIPLE` and run
//! `target/TRIPLE/release/archive corpus/archive`. The tests of `model/` and `scheduler/` hold the same laws
//! over the same corpora.

pub mod laws;
pub mod scheduling;
