//! The archive: named records of a zip file, and what they hold.

pub mod debug;

use std::collections::BTreeMap;

/// An archive written by `torch.jit.save`, taken apart but not yet resolved.
#[derive(Debug)]
pub struct Archive {
    /// The version of the format.
    pub version: u32,
    /// The code files, by path below `code/` (`__torch__/torch/nn/modules/linear.py`).
    pub code: BTreeMap<String, CodeFile>,
}

/// A code file of an archive.
#[derive(Debug)]
pub struct CodeFile {
    /// The record's name, for messages.
    pub record: String,
    /// The text.
    pub text: String,
    /// Where each part of the text was written by the user, if the archive says.
    pub debug: Option<debug::Table>,
}
