//! Reading programs and their inputs, and writing results.

use std::path::Path;

use forkcheck::Inputs;
use forkcheck::failures::program_digest;
use forkcheck_model::Error;
use forkcheck_model::archive::saved::read_saved;
use forkcheck_model::graph::parse::{self, GraphText};
use forkcheck_model::module::Module;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::value::Value;

use crate::args::Target;

/// What a file holds that is given as a program.
#[derive(Debug)]
pub(crate) enum Source {
    /// An archive: a program, ready to run, and the digest of the file.
    Archive(Module, String),
    /// The text of a graph, without the values that a run would need.
    Graph(GraphText),
}

/// The program in the file `path`, or the graph whose text it is.
pub(crate) fn open(path: &Path, memory: u64) -> Result<Source, Error> {
    let in_file = |error: Error| error.in_file(path.display().to_string());
    let bytes = read(path)?;
    let named = path.extension().is_some_and(|extension| extension == "ir");
    match std::str::from_utf8(&bytes) {
        Ok(text) if named || parse::is_graph(text) => parse::parse(text).map(Source::Graph).map_err(in_file),
        Err(_) if named => Err(in_file(Error::new("expected the text of a graph, in UTF-8"))),
        _ => {
            let module = forkcheck::program::load(&bytes, memory).map_err(in_file)?;
            Ok(Source::Archive(module, program_digest(&bytes)))
        }
    }
}

/// The program in the file `path`, ready to run, and the digest of the file.
pub(crate) fn load(path: &Path, memory: u64) -> Result<(Module, String), Error> {
    match open(path, memory)? {
        Source::Archive(module, digest) => Ok((module, digest)),
        Source::Graph(_) => Err(not_runnable(path)),
    }
}

/// The error of a graph's text where a program is wanted.
pub(crate) fn not_runnable(path: &Path) -> Error {
    Error::new(
        "expected an archive: the text of a graph has no weights, objects or callees, so that it cannot be run; \
         `forkcheck graph` and `forkcheck audit --static-only` read it",
    )
    .in_file(path.display().to_string())
}

/// Refuses the name of a method that a graph's text cannot have.
pub(crate) fn has_no_methods(path: &Path, method: &str) -> Result<(), Error> {
    if method == "forward" {
        return Ok(());
    }
    let message = format!("expected no --method, since the text of a graph has none, found `{method}`");
    Err(Error::new(message).in_file(path.display().to_string()))
}

/// What torch.save wrote to the file `path`.
pub(crate) fn saved(path: &Path, memory: u64) -> Result<Value, Error> {
    let bytes = read(path)?;
    let mut allocator = Allocator::new(0, Memory::with_limit(memory));
    read_saved(&bytes, &mut allocator).map_err(|error| error.in_file(path.display().to_string()))
}

/// The inputs that the arguments ask for: a file, examples, or what is bundled with the module; `None` without any.
pub(crate) fn inputs(target: &Target, module: &Module, seed: u64) -> Result<Option<Inputs>, Error> {
    let memory = target.max_memory.unwrap_or_else(default_memory);
    if let Some(path) = &target.inputs {
        let value = saved(path, memory)?;
        let params = match module.method(&target.method) {
            Some(method) => module.function(method).params.iter().skip(1).map(|param| param.name.to_string()).collect(),
            None => Vec::new(),
        };
        return Ok(Some(Inputs::from_saved(value, &params)));
    }
    if !target.example.is_empty() {
        return forkcheck::program::examples(&target.example, seed, memory).map(Some);
    }
    if target.method == "forward" {
        return forkcheck::program::bundled(module, memory);
    }
    Ok(None)
}

/// 80 % of the machine's memory, or no limit where it cannot be told.
pub(crate) fn default_memory() -> u64 {
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    total.map_or(u64::MAX, |kilobytes| kilobytes * 1024 / 5 * 4)
}

/// Writes a file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes)
        .map_err(|error| Error::new(format!("expected to write: {error}")).in_file(path.display().to_string()))
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path)
        .map_err(|error| Error::new(format!("expected to read: {error}")).in_file(path.display().to_string()))
}
