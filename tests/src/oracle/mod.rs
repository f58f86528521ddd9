//! Random fork/wait programs, and an oracle that knows what is true of each: an interpreter and a search of its own,
//! written from the README's words, against which the checker is held.
//!
//! [`program`] makes programs, [`render`] writes them as TorchScript, [`state`] runs them step by step, [`truth`] tries
//! every order, [`laws`] says what the checker must then say. [`closures`] does the same for Rust bodies. [`eager`] runs any
//! program, and holds each value that it sees against what the static part foresaw.

pub mod closures;
pub mod eager;
pub mod laws;
pub mod program;
pub mod render;
pub mod state;
pub mod truth;
pub mod values;
