//! The sample programs, and what is known to be true of each.
//!
//! A case is a folder of `cases/`: `source.py` (what the user wrote), `model.pt` (what `torch.jit.save` made of it),
//! `inputs.pt`, `expected.pt` (PyTorch's result when every fork runs to its end at the fork) and `truth.json`.

pub mod archive;
pub mod estimates;
pub mod oracle;

use std::collections::BTreeSet;
use std::path::PathBuf;

use forkcheck::{Inputs, Program};
use forkcheck_model::Error;
use forkcheck_model::archive::saved::read_saved;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::value::Value;

/// A sample program.
#[derive(Debug)]
pub struct Case {
    /// The folder's name.
    pub name: String,
    folder: PathBuf,
    /// What is known to be true of it.
    pub truth: serde_json::Value,
}

/// The effects of a program: kind, operator, target, line, line of the fork.
pub type Effects = BTreeSet<(String, String, String, u64, u64)>;

/// Every case, by name.
///
/// # Panics
/// If the folder of cases cannot be read.
pub fn cases() -> Vec<Case> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    let mut folders: Vec<_> =
        std::fs::read_dir(folder).expect("the folder of cases").map(|e| e.expect("an entry").path()).collect();
    folders.sort();
    folders
        .into_iter()
        .map(|folder| {
            let truth = std::fs::read_to_string(folder.join("truth.json")).expect("each case has a truth");
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            Case { name, folder, truth: serde_json::from_str(&truth).expect("the truth is JSON") }
        })
        .collect()
}

/// The case of this name.
///
/// # Panics
/// If there is none.
pub fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("a case named {name}"))
}

impl Case {
    /// The path of a file of the case.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The bytes of a file of the case.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path(file)).unwrap_or_else(|error| panic!("{} of {}: {error}", file, self.name))
    }

    /// What `torch.save` wrote to a file of the case.
    ///
    /// # Panics
    /// If it cannot be read.
    pub fn saved(&self, file: &str) -> Value {
        read_saved(&self.bytes(file), &mut Allocator::new(0, Memory::unlimited()))
            .unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// The program with its inputs.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn program(&self) -> Result<Program, Error> {
        let module = forkcheck::program::load(&self.bytes("model.pt"), u64::MAX)?;
        let inputs = match self.saved("inputs.pt") {
            Value::Tuple(items) => Inputs::Positional(items.to_vec()),
            other => Inputs::Positional(vec![other]),
        };
        Program::new(&self.name, module, "forward", inputs, Default::default())
    }

    /// The verdict that a report should have.
    pub fn verdict(&self) -> &str {
        match self.truth["verdict"].as_str() {
            Some("impure-deterministic") => "impure",
            Some(verdict) => verdict,
            None => "",
        }
    }

    /// The effects that a report should name.
    ///
    /// # Panics
    /// If the truth is not of the expected form.
    pub fn effects(&self) -> Effects {
        let text = |row: &serde_json::Value, key: &str| row[key].as_str().expect("a text").to_string();
        let number = |row: &serde_json::Value, key: &str| row[key].as_u64().expect("a number");
        let rows = self.truth["effects"].as_array().expect("a list of effects");
        let effect = |row| {
            (text(row, "kind"), text(row, "op"), text(row, "target"), number(row, "line"), number(row, "fork_line"))
        };
        rows.iter().map(effect).collect()
    }
}
