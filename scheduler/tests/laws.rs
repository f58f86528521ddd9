//! The laws of the fuzz targets, held over their corpora and over thousands of inputs, without a fuzzer.

#[path = "../../fuzz/src/scheduling.rs"]
#[expect(unreachable_pub, reason = "the fuzz targets use them from another crate")]
mod scheduling;

use std::path::Path;

use forkcheck_scheduler::Rng;

/// Every file of a folder of the fuzzer's corpus, in the order of their names.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the corpus is in the tree");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has files", folder.display());
    paths.iter().map(|path| std::fs::read(path).expect("a file")).collect()
}

/// The files, then as many inputs made of them by changing bytes.
fn inputs(folder: &str, seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let files = files(folder);
    let mut random = Rng::new(seed);
    let spoilt: Vec<Vec<u8>> = (0..count)
        .map(|i| {
            let mut bytes = files[i % files.len()].clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            bytes
        })
        .collect();
    files.into_iter().chain(spoilt)
}

#[test]
fn texts_of_schedules_keep_the_law() {
    inputs("schedule", 1, 20_000).for_each(|bytes| scheduling::schedule(&bytes));
}

#[test]
fn programs_keep_the_law() {
    inputs("program", 2, 2_000).for_each(|bytes| scheduling::program(&bytes));
}
