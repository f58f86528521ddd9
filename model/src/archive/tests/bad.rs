//! Every bad file is refused with words that say what is wrong and where; what is legal is read.

use std::path::Path;

use super::{allocator, classes, module_kind, zipped};
use crate::archive::Archive;
use crate::error::Error;
use crate::value::Value;

/// The files of `tests/bad`: what is wrong with each, and the words that say so. No words: the archive reader has
/// nothing against it, since the fault is in the code, or it is legal.
const BAD: &[(&str, &str, &str)] = &[
    ("_good", "nothing: the others are variations of it", ""),
    ("bad_crc", "one bit of a storage is flipped", "record data/0: the record cannot be read: Invalid checksum"),
    ("bad_indent", "wrong indentation in the code", ""),
    ("bad_version", "version 999999", "record version: expected a version of the format from 1 to 10, found 999999"),
    ("big_endian", "legal: elements are swapped", ""),
    (
        "data_pkl_short",
        "data.pkl is cut short",
        "record data.pkl, byte 60: the pickle ends too early: expected an opcode",
    ),
    ("deep_pickle", "a tuple nested 100000 deep", "record data.pkl, byte 685: expected values nested at most 500 deep"),
    (
        "deflate_bomb",
        "64 KiB that unpack to 64 MiB",
        "record data/0: expected at most 31 bytes, the record claims 67108864",
    ),
    ("dotdot", "names with ../, which nobody looks at", ""),
    ("duplicate_records", "two records named data.pkl", "byte 1172: two records have the name `m/data.pkl`"),
    ("empty", "an empty file", "expected a zip file, found an empty file"),
    ("endless_loop", "legal until it runs", ""),
    ("fork_bomb", "legal until it runs", ""),
    ("huge_alloc", "legal until it runs", ""),
    ("missing_constant", "the code names a constant that is not there", ""),
    ("missing_storage", "a storage without record", "record data.pkl, byte 112: the record data/0 is missing"),
    ("negative_offset", "offset -2", "byte 113: expected an offset that is not negative, found the int -2"),
    ("negative_size", "size -4", "byte 119: expected a size that is not negative, found the int -4"),
    ("negative_stride", "stride -1", "byte 126: expected a stride that is not negative, found the int -1"),
    ("no_code", "no code/", "expected a TorchScript archive, but there are no records below code/"),
    ("no_version", "no version record", "record version: the record is missing: expected the version of the format"),
    ("not_utf8", "code that is not UTF-8", "record code/__torch__.py, byte 217: expected code in UTF-8"),
    (
        "numel_overflow",
        "sizes whose product overflows",
        "record data.pkl, byte 134: the number of elements of a tensor",
    ),
    ("offset_past_end", "offset 3 of 4 elements", "offset 3 reach to byte 28 of a storage of 16 bytes"),
    ("os_system", "calls posix.system", "record data.pkl, byte 2: the pickle names `posix.system`"),
    ("pickle_bad_memo", "reads an empty place of the memo", "byte 2: place 4000000000 of the memo was never written"),
    ("pickle_cycle", "a list in itself", "byte 2: expected an object of a class of the archive, found a list of 1"),
    ("pickle_stack_underflow", "takes more than there is", "byte 2: the opcode goes back to a mark, but there is none"),
    ("pickle_unknown_opcode", "opcode 0xff", "byte 2: expected an opcode of protocol 2, found 0xff"),
    ("self_recursion", "the code calls itself", ""),
    ("short_storage", "a storage of 2 in place of 4", "record data/0: expected a storage of 16 bytes, found 8"),
    (
        "size_lie",
        "16 bytes claim to be 4 GiB",
        "record data/0: a stored record takes 16 bytes but claims to hold 4294967280",
    ),
    ("size_stride_mismatch", "two sizes, one stride", "byte 113: expected as many strides as sizes, found 1 for 2"),
    ("state_dict", "saved with torch.save", "the file was saved with torch.save, not torch.jit.save"),
    (
        "storage_key_dotdot",
        "a key that is a path",
        "expected the key of a storage, a plain name, found the text `../version`",
    ),
    ("stride0_huge", "legal: 2^40 elements, 4 of them stored", ""),
    ("stride_past_end", "strides of 100 in 4 elements", "offset 0 reach to byte 408 of a storage of 16 bytes"),
    ("syntax_error", "the code is not Python", ""),
    ("text", "a text file", "byte 0: expected a zip file, which begins with `PK`"),
    ("truncated", "the second half is missing", "expected the list of records at the end of a zip file"),
    ("two_roots", "a second top folder, which nobody looks at", ""),
    ("undefined_name", "the code names an unknown variable", ""),
    ("unknown_class", "an object of no class", "the class `__torch__.NoSuchClass` is not defined below code/"),
    ("unknown_op", "the code calls an unknown operator", ""),
    (
        "unknown_storage_type",
        "QuaternionStorage",
        "expected a known class of storages, found `torch.QuaternionStorage`",
    ),
    ("wait_on_tensor", "the code waits on a tensor", ""),
    ("zip64_lie", "2^40 records claimed", "expected the list of records at the end of a zip file"),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/bad")
}

fn load(bytes: &[u8]) -> Result<Value, Error> {
    let archive = Archive::read(bytes)?;
    let classes = classes(&[("__torch__.M", module_kind(), &[("w", "Tensor"), ("training", "bool")])]);
    let mut allocator = allocator();
    archive.constants(&classes, &mut allocator)?;
    Ok(archive.root(&classes, &mut allocator)?.value)
}

/// `bytes` are refused with these words, or read if there are none.
fn check(name: &str, bytes: &[u8], words: &str) {
    match load(bytes) {
        Ok(_) => assert_eq!(words, "", "{name} was read"),
        Err(error) => {
            let found = error.to_string();
            assert!(!words.is_empty() && found.contains(words), "{name}: {found}");
        }
    }
}

#[test]
fn every_bad_file_is_refused_for_its_fault() {
    for (name, _, words) in BAD {
        check(name, &std::fs::read(folder().join(format!("{name}.pt"))).unwrap(), words);
    }
    let there = std::fs::read_dir(folder()).unwrap().count();
    assert_eq!(there, BAD.len(), "every file is in the table");
}

/// The good archive in pieces, to be spoilt: names and contents of its records.
fn good() -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(folder().join("_good.pt")).unwrap();
    let mut container = crate::archive::container::Container::open(&bytes).unwrap();
    let names: Vec<String> = container.names().map(str::to_owned).collect();
    names.iter().map(|name| (format!("m/{name}"), container.read(name).unwrap().unwrap())).collect()
}

/// The good archive with the record `name` replaced by `content`, refused with `words`.
fn check_with(name: &str, content: &[u8], words: &str) {
    let mut records = good();
    records.retain(|record| record.0 != name);
    records.push((name.to_owned(), content.to_vec()));
    check(name, &zipped(&records), words);
}

#[test]
fn records_that_lie_are_refused() {
    check("nothing spoilt", &zipped(&good()), "");
    check_with("m/byteorder", b"middle", "record byteorder: expected `little` or `big`, found `middle`");
    check_with("m/version", b"ten\n", "record version: expected a number, found `ten\\n`");
    check_with("m/constants.pkl", b"\x80\x02].", "record constants.pkl, byte 2: expected a tuple of constants");
    check_with("m/constants.pkl", b"\x80\x02)).", "record constants.pkl, byte 4: expected one value at the end");
    check_with("m/constants.pkl", b"\x80\x02).!", "record constants.pkl, byte 3: expected the end of the record");
    check_with("m/constants.pkl", b"\x80\x04).", "byte 0: expected a pickle of protocol 2, found protocol 4");
    check_with("m/constants.pkl", b"\x80\x02]q\x00h\x00a\x85.", "byte 2: the value contains itself");
    check_with("m/code/__torch__.py.debug_pkl", b"\x80\x02N.", "debug_pkl, byte 2: expected a tuple of source ranges");
    check_with("m/code/__torch__.py.debug_pkl", b"\x80\x02K\x00\x85\x85.", "expected a row of a debug table");
}

#[test]
fn other_files_are_told_apart() {
    check("a pickle", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "the format of PyTorch before 1.6 is not read");
    let zip = |names: &[&str]| zipped(&names.iter().map(|name| (name.to_string(), Vec::new())).collect::<Vec<_>>());
    check("old", &zip(&["m/model.json", "m/code/m.py"]), "PyTorch before 1.0 (`model.json`)");
    check("jar", &zip(&["META-INF/MANIFEST.MF"]), "found a zip file without data.pkl and code/");
    check("no data", &zip(&["m/code/m.py", "m/version"]), "the record data.pkl is missing");
    check("no folder", &zip(&["data.pkl", "version"]), "found a zip file without data.pkl and code/");
}

#[test]
fn depth_is_no_danger() {
    // A million tuples around nothing: read, refused and dropped without recursion.
    let mut pickle = b"\x80\x02N".to_vec();
    pickle.extend(std::iter::repeat_n(0x85, 1_000_000));
    pickle.push(b'.');
    check_with("m/constants.pkl", &pickle, "expected values nested at most 500 deep");
    // Each of sixty tuples holds the one before twice: 2^60 paths to one None.
    let mut pickle = b"\x80\x02N".to_vec();
    (0..60u8).for_each(|i| pickle.extend([b'q', i, b'h', i, 0x86]));
    pickle.push(b'.');
    check_with("m/constants.pkl", &pickle, "expected a value of at most 16777216 parts");
}

#[test]
fn a_storage_is_not_copied_out() {
    let Value::Object(root) = load(&std::fs::read(folder().join("stride0_huge.pt")).unwrap()).unwrap() else {
        panic!()
    };
    let Value::Tensor(huge) = root.attribute(0) else { panic!() };
    assert_eq!((huge.numel(), huge.storage().content().len()), (1 << 40, 16));
    let Value::Object(root) = load(&std::fs::read(folder().join("big_endian.pt")).unwrap()).unwrap() else { panic!() };
    let Value::Tensor(swapped) = root.attribute(0) else { panic!() };
    let Value::Object(root) = load(&std::fs::read(folder().join("_good.pt")).unwrap()).unwrap() else { panic!() };
    let Value::Tensor(plain) = root.attribute(0) else { panic!() };
    let reversed: Vec<f32> = plain.to_vec::<f32>().iter().map(|x| f32::from_bits(x.to_bits().swap_bytes())).collect();
    assert_eq!(swapped.to_vec::<f32>(), reversed, "the file says big, so the same bytes mean other numbers");
}
