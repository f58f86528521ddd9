//! Law: all searches find the same outcomes of a program, and every random walk ends in one of them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::scheduling::program(bytes));
