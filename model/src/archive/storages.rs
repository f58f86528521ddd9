//! The memory behind tensors, taken out of the container: as many bytes as the pickle says, no more.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::container::Container;
use super::pickle::{Node, Pickle, StorageId};
use crate::error::Error;
use crate::tensor::DType;

/// The bytes of every storage that a pickle names, by key.
#[derive(Debug, Default)]
pub struct Storages {
    records: BTreeMap<Arc<str>, Vec<u8>>,
}

impl Storages {
    /// Reads the records below `folder` that `pickle` names.
    pub fn read(container: &mut Container<'_>, folder: &str, pickle: &Pickle) -> Result<Storages, Error> {
        let big_endian = is_big_endian(container)?;
        let mut storages = Storages::default();
        for (id, node) in pickle.nodes() {
            let Node::Storage(storage) = node else { continue };
            if let Some(bytes) = storages.records.get(&storage.key) {
                check_length(storage, bytes).map_err(|error| error.in_record(format!("{folder}/{}", storage.key)))?;
                continue;
            }
            let record = format!("{folder}/{}", storage.key);
            // A storage may end in a part of an element.
            let bytes = match container.read_at_most(&record, storage.bytes.saturating_add(15))? {
                Some(bytes) => bytes,
                None if storage.bytes == 0 => Vec::new(),
                None => return Err(pickle.error(id, format!("the record {record} is missing"))),
            };
            let bytes = check_length(storage, &bytes).and_then(|()| swapped(bytes, storage, big_endian));
            storages.records.insert(storage.key.clone(), bytes.map_err(|error| error.in_record(record))?);
        }
        Ok(storages)
    }

    /// The bytes of the storage `key`.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.records.get(key).map(Vec::as_slice)
    }
}

fn check_length(storage: &StorageId, bytes: &[u8]) -> Result<(), Error> {
    if (bytes.len() as u64) < storage.bytes {
        return Err(Error::new(format!("expected a storage of {} bytes, found {}", storage.bytes, bytes.len())));
    }
    Ok(())
}

fn is_big_endian(container: &mut Container<'_>) -> Result<bool, Error> {
    // Old archives do not say, and are little-endian.
    let Some(order) = container.read_at_most("byteorder", 16)? else { return Ok(false) };
    match order.trim_ascii() {
        b"little" => Ok(false),
        b"big" => Ok(true),
        other => {
            let found = other.escape_ascii();
            Err(Error::new(format!("expected `little` or `big`, found `{found}`")).in_record("byteorder"))
        }
    }
}

/// The bytes in the machine's order.
fn swapped(mut bytes: Vec<u8>, storage: &StorageId, big_endian: bool) -> Result<Vec<u8>, Error> {
    if !big_endian {
        return Ok(bytes);
    }
    let width = match storage.dtype {
        Some(dtype @ (DType::ComplexHalf | DType::Complex64 | DType::Complex128)) => dtype.size() / 2,
        Some(dtype) => dtype.size(),
        None => return Err(Error::new("expected typed elements in a big-endian archive, found an untyped storage")),
    };
    bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    Ok(bytes)
}
