//! The laws of the fuzz targets, held over their corpora and over thousands of spoilt files, without a fuzzer.

#[path = "../../fuzz/src/laws.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use them from another crate")]
mod laws;

use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// Every file of a folder of the repository, in the order of their names.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has files", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn the_corpora_keep_the_laws() {
    files("fuzz/corpus/archive").iter().for_each(|bytes| laws::archive(bytes));
    files("fuzz/corpus/pickle").iter().for_each(|bytes| laws::pickle(bytes));
    files("fuzz/corpus/source").iter().for_each(|bytes| laws::source(bytes));
    files("fuzz/corpus/graph").iter().for_each(|bytes| laws::graph(bytes));
    files("tests/bad").iter().for_each(|bytes| laws::archive(bytes));
}

#[test]
fn spoilt_graphs_keep_the_law() {
    let seeds = files("fuzz/corpus/graph");
    let mut random = Random(5);
    for round in 0..3000 {
        laws::graph(&random.spoil(&seeds, round));
    }
}

#[test]
fn spoilt_sources_keep_the_law() {
    let seeds = files("fuzz/corpus/source");
    let mut random = Random(4);
    for round in 0..1000 {
        laws::source(&random.spoil(&seeds, round));
    }
}

#[test]
fn spoilt_files_keep_the_law() {
    let seeds = files("fuzz/corpus/archive");
    let mut random = Random(1);
    for round in 0..4000 {
        laws::archive(&random.spoil(&seeds, round));
    }
}

#[test]
fn spoilt_pickles_keep_the_law() {
    let seeds = files("fuzz/corpus/pickle");
    let mut random = Random(2);
    for round in 0..20_000 {
        laws::pickle(&random.spoil(&seeds, round));
    }
}

#[test]
fn spoilt_records_in_a_sound_zip_keep_the_law() {
    // A flipped byte of a zip file mostly fails its checksum; here the checksum is that of the spoilt record.
    let seeds = files("fuzz/corpus/archive");
    let mut random = Random(3);
    for round in 0..4000 {
        let mut records = records(&seeds[round % seeds.len()]);
        let victim = random.below(records.len());
        let content = records[victim].1.clone();
        records[victim].1 = random.spoil(&[content], round);
        laws::archive(&zipped(&records));
    }
}

fn records(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let count = zip.len();
    let record = |index| {
        let mut file = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        (file.name().unwrap().into_owned(), content)
    };
    (0..count).map(record).collect()
}

fn zipped(records: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in records {
        zip.start_file(name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A small generator (SplitMix64), so that the same files are spoilt alike for ever.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// One of the seeds with a few bytes flipped, a stretch cut out, or a stretch of another seed put in.
    fn spoil(&mut self, seeds: &[Vec<u8>], round: usize) -> Vec<u8> {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=self.below(3) {
            let (from, length) = (self.below(bytes.len()), self.below(40));
            let to = (from + length).min(bytes.len());
            match self.below(4) {
                0 if !bytes.is_empty() => bytes[from] ^= 1 << self.below(8),
                1 if !bytes.is_empty() => bytes[from] = [0, 0xff, 0x7f, 0x80, b'(', b'.'][self.below(6)],
                2 => drop(bytes.drain(from..to)),
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let start = self.below(other.len());
                    let piece = other[start..(start + length).min(other.len())].to_vec();
                    drop(bytes.splice(from..to, piece));
                }
            }
        }
        bytes
    }
}
