//! Law: any text is graphs that are well-formed, or an error; what is printed of the graphs is read back alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| forkcheck_fuzz::laws::graph(bytes));
