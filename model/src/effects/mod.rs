//! What a program may do, for all inputs: which forks are pure, and what the others write.
//!
//! An archive is a closed world: every object and every function is in it. So the analysis starts from the loaded objects
//! themselves, knows that `training` is false and that two modules share a parameter, and follows each call with what is
//! really given. Everything that it cannot know, it takes for possible; so what it does not find cannot happen.
//!
//! The way: `lattice` what a value may be, `heap` what can be written, `interpret`, `operator` and `generic` what each node does,
//! `record` who touches what and what runs meanwhile, `verdict` whose fault it is; `names` what a user would call it, and
//! `describe` what is said of each node. `alias` answers the questions of PyTorch's `AliasDb`; [`comparison`] has both
//! answers side by side.
//! That purity follows from what a method writes to what existed before it: Sălcianu and Rinard, 2005.

mod alias;
#[doc = include_str!("comparison.md")]
pub mod comparison {}
mod describe;
mod foreseen;
mod forks;
mod generic;
mod heap;
mod interpret;
mod lattice;
mod names;
mod operator;
mod record;
mod region;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use alias::Aliases;
pub use describe::{Beside, Description, Touched, describe};
pub use foreseen::{Foreseen, Seen};
pub use forks::ForkId;
use interpret::Interpreter;
pub use names::Target;
pub use verdict::{Analysis, ForkEffects, Kind, Other, Place, Write};

use crate::module::{Class, Function, FunctionId, Module};
use crate::value::Object;

/// What is analysed: all functions and classes that there are.
#[derive(Debug)]
pub struct World<'a> {
    /// Every function, by number.
    pub functions: &'a [Function],
    /// Every class, by qualified name.
    pub classes: &'a BTreeMap<Arc<str>, Arc<Class>>,
    /// The object that is entered, if it is known: it is what a first parameter of its class is.
    pub root: Option<&'a Object>,
    /// What a task is called that runs a closure.
    pub callee: fn(&[Function], FunctionId) -> String,
}

impl<'a> World<'a> {
    /// A loaded module.
    pub fn of(module: &'a Module, callee: fn(&[Function], FunctionId) -> String) -> Self {
        World { functions: &module.functions, classes: &module.classes, root: Some(&module.root), callee }
    }

    fn function(&self, id: FunctionId) -> &'a Function {
        &self.functions[id.0 as usize]
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLarge {
    /// Calls nest too deeply.
    Deep,
    /// There is too much to look at.
    Long,
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            TooLarge::Deep => "calls nest too deeply to be followed",
            TooLarge::Long => "the program is too large to be followed through all its calls",
        })
    }
}

/// Analyses the function `entry`, on any arguments.
///
/// # Errors
/// If the program is too large.
pub fn analyse(world: &World<'_>, entry: FunctionId) -> Result<Analysis, TooLarge> {
    Interpreter::run(world, entry).map(|interpreter| verdict::judge(&interpreter))
}
