//! Law: any bytes are a pickle or an error, whether they are taken for values or for a debug table.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::laws::pickle(bytes));
