//! Tests of the whole reader: good archives, bad ones, mutated ones.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::Arc;

use crate::module::{Attribute, Class, ClassKind};
use crate::slot::{Allocator, Memory};
use crate::types::Type;

mod bad;
mod good;

/// An allocator that refuses more than a test has any reason to hold.
fn allocator() -> Allocator {
    Allocator::new(0, Memory::with_limit(64 << 20))
}

/// A class by name, with attributes `name: type`.
type Description<'a> = (&'a str, ClassKind, &'a [(&'a str, &'a str)]);

/// Classes by name, without methods.
fn classes(descriptions: &[Description<'_>]) -> BTreeMap<Arc<str>, Arc<Class>> {
    let class = |(name, kind, attributes): &Description<'_>| {
        let attribute =
            |(name, ty): &(&str, &str)| Attribute { name: (*name).into(), ty: Type::parse_code(ty).unwrap() };
        let class = Class {
            name: (*name).into(),
            kind: kind.clone(),
            attributes: attributes.iter().map(attribute).collect(),
            constants: BTreeMap::new(),
            methods: BTreeMap::new(),
        };
        (class.name.clone(), Arc::new(class))
    };
    descriptions.iter().map(class).collect()
}

fn module_kind() -> ClassKind {
    ClassKind::Module { parameters: Vec::new(), buffers: Vec::new() }
}

/// A zip file of stored records.
fn zipped(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in records {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
