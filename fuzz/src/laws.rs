//! What holds for every input of a reader. A law panics where it is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use forkcheck_model::archive::debug::Table;
use forkcheck_model::archive::pickle::{Node, Pickle};
use forkcheck_model::archive::rebuild::rebuild;
use forkcheck_model::archive::storages::Storages;
use forkcheck_model::archive::{Archive, read_saved, write_saved};
use forkcheck_model::module::{Attribute, Class, ClassKind};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::types::Type;

/// Any bytes are an archive, a saved value, or an error.
///
/// The values of an archive are built as far as that goes without its code. A saved value is written again, and the
/// written file is read as a value that is written to the same bytes.
pub fn archive(bytes: &[u8]) {
    match Archive::read(bytes) {
        Ok(archive) => {
            let classes = assumed_classes(archive.data());
            let _ = archive.constants(&classes, &mut allocator());
            let _ = archive.root(&classes, &mut allocator());
            for file in archive.code.values() {
                let found = file.debug.as_ref().and_then(|table| table.lookup(file.text.len()));
                found.inspect(|span| assert!(span.line() >= span.source().first_line));
            }
        }
        Err(error) => assert!(!error.message().is_empty()),
    }
    let Ok(value) = read_saved(bytes, &mut allocator()) else { return };
    let written = write_saved(&value).expect("what was read can be written");
    match read_saved(&written, &mut allocator()) {
        Ok(again) => assert!(write_saved(&again).is_ok_and(|twice| twice == written), "writing is a function"),
        // A pickle of ours spells out what the other one may have shared.
        Err(error) => assert!(error.message().starts_with("expected at most"), "{error}"),
    }
}

/// Any bytes are a pickle or an error, whether they are taken for values or for a debug table.
pub fn pickle(bytes: &[u8]) {
    let Ok(pickle) = Pickle::read(bytes) else { return };
    assert!(pickle.len() <= bytes.len(), "every value takes a byte");
    let _ = rebuild(&pickle, &Storages::default(), &assumed_classes(&pickle), &mut allocator());
    if let Ok(table) = Table::read(bytes) {
        let offsets: Vec<u32> = table.rows().map(|row| row.0).collect();
        assert!(offsets.is_sorted());
    }
}

/// Any text is a code file or an error; the file's own text is read back as the same, and means the same.
pub fn source(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        forkcheck_model::frontend::check_law(text);
    }
}

/// Any text is graphs that are well-formed, or an error; what is printed of the graphs is read back alike.
pub fn graph(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        forkcheck_model::graph::parse::check_law(text);
    }
}

fn allocator() -> Allocator {
    Allocator::new(0, Memory::with_limit(64 << 20))
}

/// Classes that have the attributes which the pickle's objects have, of any type.
fn assumed_classes(pickle: &Pickle) -> BTreeMap<Arc<str>, Arc<Class>> {
    let mut classes = BTreeMap::new();
    for (_, node) in pickle.nodes() {
        let Node::Object(object) = node else { continue };
        if classes.contains_key(&object.class) {
            continue;
        }
        let entries = match object.state.map(|state| pickle.node(state)) {
            Some(Node::Dict(entries)) => entries.as_slice(),
            _ => &[],
        };
        let mut class = Class {
            name: object.class.clone(),
            kind: ClassKind::Plain,
            attributes: Vec::new(),
            constants: BTreeMap::new(),
            methods: BTreeMap::new(),
        };
        for &name in entries.iter().step_by(2) {
            if let Node::Str(name) = pickle.node(name)
                && class.attribute(name).is_none()
            {
                class.attributes.push(Attribute { name: name.clone(), ty: Type::Any });
            }
        }
        classes.insert(object.class.clone(), Arc::new(class));
    }
    classes
}
