//! Law: any text is a schedule or an error; what is printed is read as the same, and not at all with a letter changed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::scheduling::schedule(bytes));
