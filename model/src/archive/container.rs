//! The zip file behind an archive: its records by name, each checked before a byte of it is used.
//!
//! The `zip` crate takes the headers at their word: it forgets one of two records with the same name, lets
//! records overlap and believes any size. So the list of records is counted again here, every record has to lie
//! inside the file and apart from the others, and only as much is inflated as the file's length can justify.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{Cursor, Read};

use zip::read::{ArchiveOffset, Config};
use zip::{CompressionMethod, ZipArchive};

use crate::error::Error;

/// The records of a zip file below its top folder.
pub struct Container<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Places in the list of records, by name without the top folder.
    records: BTreeMap<String, usize>,
    /// How many bytes may still be taken out.
    budget: u64,
}

impl<'a> Container<'a> {
    /// Reads and checks the list of records. The top folder is that of the first record; records outside of it, and
    /// those with an absolute name or a `..` in it, are never looked at.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        check_magic(bytes)?;
        let broken = |error: zip::result::ZipError| {
            Error::new(format!("expected the list of records at the end of a zip file, found none that holds: {error}"))
        };
        // Offsets count from the first byte. Looked for, the list of records can be found in a wrong place: PyTorch's end
        // record of a long file lies off by as much as an entry with a name of 30 characters takes.
        let from_the_start = Config { archive_offset: ArchiveOffset::Known(0) };
        let mut zip = ZipArchive::with_config(from_the_start, Cursor::new(bytes)).map_err(broken)?;
        check_count(bytes, &zip)?;
        check_places(&mut zip)?;
        let mut records = BTreeMap::new();
        let mut top: Option<String> = None;
        for index in 0..zip.len() {
            let name = record_name(&zip, index)?;
            let Some((folder, rest)) = name.split_once('/') else { continue };
            let strange = |part: &str| part.is_empty() || part == "." || part == "..";
            if strange(folder) || rest.split('/').any(strange) {
                continue;
            }
            if top.get_or_insert_with(|| folder.to_owned()) == folder {
                records.insert(rest.to_owned(), index);
            }
        }
        let budget = (256 << 20) + 64 * bytes.len() as u64;
        Ok(Self { zip, records, budget })
    }

    /// The names of all records, in order, without the top folder.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.records.keys().map(String::as_str)
    }

    /// Whether there is such a record.
    pub fn contains(&self, name: &str) -> bool {
        self.records.contains_key(name)
    }

    /// The bytes of a record whose checksum holds, or nothing if there is no such record.
    pub fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read_at_most(name, u64::MAX)
    }

    /// As [`read`](Self::read), for a record that has no reason to hold more than `limit` bytes.
    pub fn read_at_most(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(&index) = self.records.get(name) else { return Ok(None) };
        self.inflate(index, limit).map(Some).map_err(|error| error.in_record(name))
    }

    fn inflate(&mut self, index: usize, limit: u64) -> Result<Vec<u8>, Error> {
        let broken = |error: &dyn fmt::Display| Error::new(format!("the record cannot be read: {error}"));
        let entry = self.zip.by_index_data(index).map_err(|error| broken(&error))?;
        let (size, packed, method) = (entry.size(), entry.compressed_size(), entry.compression());
        if entry.encrypted() {
            return Err(Error::new("expected plain bytes, found an encrypted record"));
        }
        let justified = match method {
            CompressionMethod::Stored => packed,
            // Code packs at most some thirty to one; more than this is there to exhaust the reader.
            CompressionMethod::Deflated => (64 << 20) + packed.saturating_mul(256),
            other => return Err(Error::new(format!("expected a stored or deflated record, found method {other}"))),
        };
        if method == CompressionMethod::Stored && size != packed {
            return Err(Error::new(format!("a stored record takes {packed} bytes but claims to hold {size}")));
        }
        if size > limit {
            return Err(Error::new(format!("expected at most {limit} bytes, the record claims {size}")));
        }
        if size > justified || size > self.budget {
            let least = justified.min(self.budget);
            return Err(Error::new(format!("{packed} packed bytes claim to be {size}, at most {least} are read")));
        }
        self.budget -= size;
        let mut file = self.zip.by_index(index).map_err(|error| broken(&error))?;
        let mut bytes = Vec::with_capacity(size as usize);
        // One byte more than claimed, so that the reader sees the end and compares the checksum.
        file.by_ref().take(size + 1).read_to_end(&mut bytes).map_err(|error| broken(&error))?;
        if bytes.len() as u64 != size {
            return Err(Error::new(format!("expected {size} bytes, found {}", bytes.len())));
        }
        Ok(bytes)
    }
}

/// Tells apart what people hand us in place of a zip file.
fn check_magic(bytes: &[u8]) -> Result<(), Error> {
    match bytes {
        [] => Err(Error::new("expected a zip file, found an empty file")),
        [b'P', b'K', ..] => Ok(()),
        [0x80, ..] => Err(Error::new(
            "expected a zip file, found a bare pickle: the format of PyTorch before 1.6 is not read; save it again",
        )),
        _ => Err(Error::new("expected a zip file, which begins with `PK`, found something else").at_byte(0)),
    }
}

/// Walks the central directory: every record that is listed must have been taken in, under a name of its own.
fn check_count(bytes: &[u8], zip: &ZipArchive<Cursor<&[u8]>>) -> Result<(), Error> {
    let start = zip.central_directory_start();
    let mut at = usize::try_from(start).unwrap_or(usize::MAX);
    let mut names = BTreeSet::new();
    let mut listed = 0usize;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.starts_with(b"PK\x01\x02") && rest.len() >= 46) {
        let length = |at: usize| u16::from_le_bytes([rest[at], rest[at + 1]]) as usize;
        let name = rest.get(46..46 + length(28)).unwrap_or_default();
        if !names.insert(name) {
            let message = format!("two records have the name `{}`", name.escape_ascii());
            return Err(Error::new(message).at_byte(at as u64));
        }
        at += 46 + length(28) + length(30) + length(32);
        listed += 1;
    }
    if listed != zip.len() {
        let claimed = zip.len();
        return Err(Error::new(format!("the end record counts {claimed} records, {listed} are listed")).at_byte(start));
    }
    Ok(())
}

/// Every record lies inside the file, before the list, and apart from all others.
fn check_places(zip: &mut ZipArchive<Cursor<&[u8]>>) -> Result<(), Error> {
    let directory = zip.central_directory_start();
    let mut places = Vec::with_capacity(zip.len());
    for index in 0..zip.len() {
        let name = record_name(zip, index)?;
        let inside = match zip.by_index_raw(index) {
            Ok(file) => file.data_start().and_then(|data| {
                let end = data.checked_add(file.compressed_size())?;
                (end <= directory).then_some((file.header_start(), end))
            }),
            Err(error) => return Err(Error::new(format!("the record has no readable header: {error}")).in_record(name)),
        };
        let Some((start, end)) = inside else {
            return Err(Error::new("the record reaches past the end of the file").in_record(name));
        };
        places.push((start, end, index));
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        if pair[0].1 > pair[1].0 {
            let (name, other) = (record_name(zip, pair[1].2)?, record_name(zip, pair[0].2)?);
            return Err(Error::new(format!("the record overlaps the record {other}")).in_record(name));
        }
    }
    Ok(())
}

fn record_name(zip: &ZipArchive<Cursor<&[u8]>>, index: usize) -> Result<String, Error> {
    let raw = zip.by_index_data(index).map(|entry| entry.name_raw().to_vec()).unwrap_or_default();
    String::from_utf8(raw).map_err(|error| {
        Error::new(format!("expected a record name in UTF-8, found `{}`", error.as_bytes().escape_ascii()))
    })
}

impl fmt::Debug for Container<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Container")
            .field("records", &self.records)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}
