//! The frontend held to PyTorch, to its law, and to its errors.

mod errors;
mod graphs;
mod pytorch;
mod syntax;

use std::collections::BTreeMap;

use super::{Code, compile_code};
use crate::archive::{CodeFile, NEWEST_VERSION};
use crate::error::Error;
use crate::module::FunctionId;
use crate::slot::{Allocator, Memory};
use crate::value::Value;

/// Compiles code files, given as `#### path` and text after it.
fn compile_files(text: &str) -> Result<Code, Error> {
    let mut code = BTreeMap::new();
    for section in text.split("#### ").skip(1) {
        let (path, text) = section.split_once('\n').expect("a path on a line of its own");
        let file = CodeFile { record: format!("code/{path}"), text: text.into(), debug: None };
        code.insert(path.to_owned(), file);
    }
    let mut allocator = Allocator::new(0, Memory::unlimited());
    compile_code(&code, NEWEST_VERSION, |_, _| Ok(vec![Value::str("é")]), &mut allocator)
}

/// Compiles one file, `__torch__.py`.
fn compile(text: &str) -> Result<Code, Error> {
    compile_files(&format!("#### __torch__.py\n{text}"))
}

/// A function by name, as text without the places.
fn graph(code: &Code, name: &str) -> String {
    let id = code.functions.iter().position(|function| &*function.name == name).expect("the function is there");
    let text = crate::graph::print::text(&code.functions, FunctionId(id as u32));
    let lines = text.lines().map(|line| line.split(" # ").next().expect("there is always a first part"));
    lines.collect::<Vec<_>>().join("\n")
}
