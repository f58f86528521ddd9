//! Law: any bytes are an archive, a saved value, or an error; what was read as a value is written and read alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::laws::archive(bytes));
