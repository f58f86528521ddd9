//! Law: any text is a code file or an error; the file's own text is read back as the same, and means the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::laws::source(bytes));
