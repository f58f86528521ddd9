//! The archive: named records of a zip file, and what they hold.
//!
//! Bytes become an [`Archive`] in one step: the records are checked ([`container`]), the pickles taken apart
//! ([`pickle`]), code and debug tables read. Values follow in a second step ([`Archive::root`],
//! [`Archive::constants`]), because they need the classes, and those need the code. A file may be hostile: whatever it
//! holds, the answer is a value or an [`Error`], and nothing that it names is ever called.

mod conform;
pub mod container;
pub mod debug;
pub mod globals;
mod machine;
pub mod pickle;
pub mod rebuild;
pub mod saved;
pub mod storages;
mod tensors;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use rebuild::Rebuilt;
pub use saved::{read_saved, write_saved};

use self::container::Container;
use self::pickle::{Node, Pickle};
use self::storages::Storages;
use crate::error::Error;
use crate::module::Class;
use crate::slot::Allocator;
use crate::value::Value;

/// An archive written by `torch.jit.save`, taken apart but not yet resolved.
#[derive(Debug)]
pub struct Archive {
    /// The version of the format.
    pub version: u32,
    /// The code files, by path below `code/` (`__torch__/torch/nn/modules/linear.py`).
    pub code: BTreeMap<String, CodeFile>,
    /// `data.pkl`, whose root is an object.
    data: Pickle,
    data_storages: Storages,
    /// `constants.pkl`, if there is one.
    constants: Option<Pickle>,
    constant_storages: Storages,
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

/// The newest version of the format that is understood.
pub const NEWEST_VERSION: u32 = 10;
/// More code than this is not read.
const MOST_CODE: u64 = 64 << 20;

impl Archive {
    /// Takes the bytes of a file apart.
    pub fn read(bytes: &[u8]) -> Result<Archive, Error> {
        let mut container = Container::open(bytes)?;
        check_kind(&container)?;
        let version = read_version(&mut container)?;
        let (data, data_storages) = read_pickle(&mut container, "data")?;
        if !matches!(data.node(data.root()), Node::Object(_)) {
            return Err(data.unexpected(data.root(), "an object of a class of the archive").in_record("data.pkl"));
        }
        let (constants, constant_storages) = match container.contains("constants.pkl") {
            true => read_pickle(&mut container, "constants").map(|(pickle, storages)| (Some(pickle), storages))?,
            false => (None, Storages::default()),
        };
        let code = read_code(&mut container)?;
        Ok(Archive { version, code, data, data_storages, constants, constant_storages })
    }

    /// The qualified name of the root object's class.
    pub fn root_class(&self) -> &Arc<str> {
        match self.data.node(self.data.root()) {
            Node::Object(object) => &object.class,
            _ => panic!("the root is an object, as it was when the archive was read"),
        }
    }

    /// The pickle of the root object.
    pub fn data(&self) -> &Pickle {
        &self.data
    }

    /// Builds what `CONSTANTS.cN` stands for: item N.
    pub fn constants(
        &self,
        classes: &BTreeMap<Arc<str>, Arc<Class>>,
        allocator: &mut Allocator,
    ) -> Result<Vec<Value>, Error> {
        let Some(pickle) = &self.constants else { return Ok(Vec::new()) };
        let named = |error: Error| error.in_record("constants.pkl");
        let rebuilt = rebuild::rebuild(pickle, &self.constant_storages, classes, allocator).map_err(named)?;
        if let Some((object, _)) = rebuilt.pending_set_state.first() {
            let message = format!("expected plain constants, `{}` has a `__setstate__`", object.class().name);
            return Err(named(Error::new(message)));
        }
        match rebuilt.value {
            Value::Tuple(items) => Ok(items.to_vec()),
            _ => Err(named(pickle.unexpected(pickle.root(), "a tuple of constants"))),
        }
    }

    /// Builds the root object with all that it holds.
    pub fn root(&self, classes: &BTreeMap<Arc<str>, Arc<Class>>, allocator: &mut Allocator) -> Result<Rebuilt, Error> {
        rebuild::rebuild(&self.data, &self.data_storages, classes, allocator)
            .map_err(|error| error.in_record("data.pkl"))
    }
}

/// Tells apart what else comes in zip files.
fn check_kind(container: &Container<'_>) -> Result<(), Error> {
    let has_code = container.names().any(|name| name.starts_with("code/"));
    let wrong = match () {
        () if container.contains("model.json") => {
            "the format of PyTorch before 1.0 (`model.json`) is not read; save it again"
        }
        () if has_code && container.contains("data.pkl") => return Ok(()),
        () if has_code => "the record data.pkl is missing",
        () if !container.contains("data.pkl") => {
            "expected a TorchScript archive, found a zip file without data.pkl and code/"
        }
        () if !container.contains("constants.pkl") => {
            "expected a TorchScript archive, found tensors: the file was saved with torch.save, not torch.jit.save"
        }
        () => "expected a TorchScript archive, but there are no records below code/",
    };
    Err(Error::new(wrong))
}

fn read_version(container: &mut Container<'_>) -> Result<u32, Error> {
    // PyTorch looks into both places too, in this order.
    let record = if container.contains(".data/version") { ".data/version" } else { "version" };
    let named = |message: String| Error::new(message).in_record(record);
    let Some(text) = container.read_at_most(record, 64)? else {
        return Err(named("the record is missing: expected the version of the format".into()));
    };
    match std::str::from_utf8(&text).ok().and_then(|text| text.trim().parse::<u64>().ok()) {
        Some(version) if (1..=u64::from(NEWEST_VERSION)).contains(&version) => Ok(version as u32),
        Some(version) => {
            Err(named(format!("expected a version of the format from 1 to {NEWEST_VERSION}, found {version}")))
        }
        None => Err(named(format!("expected a number, found `{}`", text.escape_ascii()))),
    }
}

/// The pickle `NAME.pkl` and the storages `NAME/*` that it names.
fn read_pickle(container: &mut Container<'_>, name: &str) -> Result<(Pickle, Storages), Error> {
    let record = format!("{name}.pkl");
    let missing = || Error::new("the record is missing").in_record(&*record);
    let bytes = container.read(&record)?.ok_or_else(missing)?;
    let pickle = Pickle::read(&bytes).map_err(|error| error.in_record(&*record))?;
    let storages = Storages::read(container, name, &pickle).map_err(|error| error.in_record(record))?;
    Ok((pickle, storages))
}

fn read_code(container: &mut Container<'_>) -> Result<BTreeMap<String, CodeFile>, Error> {
    let is_code = |name: &&str| name.starts_with("code/") && name.ends_with(".py");
    let names: Vec<String> = container.names().filter(is_code).map(str::to_owned).collect();
    let mut code = BTreeMap::new();
    for record in names {
        let bytes = container.read_at_most(&record, MOST_CODE)?.expect("the record is listed");
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            Error::new("expected code in UTF-8").at_byte(at as u64).in_record(&*record)
        })?;
        let debug_record = format!("{record}.debug_pkl");
        let debug = match container.read_at_most(&debug_record, MOST_CODE)? {
            Some(bytes) => Some(debug::Table::read(&bytes).map_err(|error| error.in_record(debug_record))?),
            None => None,
        };
        let path = record["code/".len()..].to_owned();
        code.insert(path, CodeFile { record, text, debug });
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
