//! From code files to typed graphs.
//!
//! Text becomes a small tree of our own (`syntax`, `tree`); the declarations of all files together become classes
//! and signatures (`declare`); then each body is lowered to a graph, with a type for every value (`lower`) and an
//! overload for every operator (`resolve`). All code of an archive is resolved here: what is loaded can run.

mod annotations;
mod declare;
mod display;
mod hierarchy;
mod lower;
mod recursion;
mod resolve;
pub mod syntax;
pub mod tree;

pub(crate) use hierarchy::{is_small, is_unknown, unknown};
pub(crate) use resolve::overload_of;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::archive::{Archive, CodeFile, NEWEST_VERSION};
use crate::error::Error;
use crate::module::{Class, Function, Module};
use crate::slot::{Allocator, Memory};
use crate::value::Value;

/// The most code that is read, all files together: graphs take some fifty times the room of their text.
pub const CODE_LIMIT: usize = 16 << 20;

/// What code files hold, resolved.
#[derive(Debug)]
pub struct Code {
    /// Every class-like type, by qualified name.
    pub classes: BTreeMap<Arc<str>, Arc<Class>>,
    /// Every function and method, then the closures.
    pub functions: Vec<Function>,
}

/// Resolves all code of an archive, and builds the object that it holds.
pub fn compile(archive: &Archive, allocator: &mut Allocator) -> Result<Module, Error> {
    let constants = |classes: &BTreeMap<_, _>, allocator: &mut Allocator| archive.constants(classes, allocator);
    let Code { classes, functions } = compile_code(&archive.code, archive.version, constants, allocator)?;
    let rebuilt = archive.root(&classes, allocator)?;
    let Value::Object(root) = rebuilt.value else {
        return Err(Error::new("expected an object of a class of the archive").in_record("data.pkl"));
    };
    let pending_set_state = rebuilt.pending_set_state;
    Ok(Module { root, functions, classes, version: archive.version, pending_set_state })
}

/// The tree of a text, or what is wrong with it.
pub fn parse(text: &str) -> Result<tree::File, Error> {
    syntax::on_deep_stack(|| syntax::parse(text))?
}

/// Resolves code files, given by their paths below `code/`, of an archive of this version. Once the classes are known,
/// `constants` is asked for what `CONSTANTS.cN` stands for.
pub fn compile_code(
    code: &BTreeMap<String, CodeFile>,
    version: u32,
    constants: impl FnOnce(&BTreeMap<Arc<str>, Arc<Class>>, &mut Allocator) -> Result<Vec<Value>, Error> + Send,
    allocator: &mut Allocator,
) -> Result<Code, Error> {
    let length: usize = code.values().map(|file| file.text.len()).sum();
    if length > CODE_LIMIT {
        return Err(Error::new(format!("code of {length} bytes; at most {CODE_LIMIT} are read")));
    }
    syntax::on_deep_stack(|| {
        let mut files = Vec::with_capacity(code.len());
        for (path, file) in code {
            let tree = syntax::parse(&file.text).map_err(|error| error.in_record(&*file.record))?;
            files.push((&**path, file, tree));
        }
        let mut program = declare::declare(&files, version, allocator)?;
        let table = constants(&program.classes, allocator)?;
        program.fill_defaults(&table)?;
        let functions = lower::lower_all(&program, &table)?;
        recursion::refuse(&program, &functions)?;
        Ok(Code { classes: program.classes, functions })
    })?
}

/// The law of this room, for any text at all: it is a tree or an [`Error`], the tree's own text is read back as the
/// same, and compiling it is a graph or an `Error`. For fuzzing and for tests.
///
/// # Panics
/// If the law is broken.
pub fn check_law(text: &str) {
    let printed = syntax::on_deep_stack(|| {
        let printed = syntax::parse(text).ok()?.to_string();
        let again = syntax::parse(&printed).unwrap_or_else(|error| panic!("{error}: its own text\n{printed}"));
        assert_eq!(again.to_string(), printed, "printing and reading again changes nothing");
        Some(printed)
    });
    let Ok(Some(printed)) = printed else { return };
    let compile = |text: &str| {
        let file = CodeFile { record: "code/__torch__.py".into(), text: text.into(), debug: None };
        let code = BTreeMap::from([("__torch__.py".to_owned(), file)]);
        let mut allocator = Allocator::new(0, Memory::with_limit(1 << 30));
        compile_code(&code, NEWEST_VERSION, |_, _| Ok(Vec::new()), &mut allocator).map(|code| code.functions.len())
    };
    assert_eq!(compile(text).ok(), compile(&printed).ok(), "the tree's text means the same");
}

#[cfg(test)]
mod tests;
