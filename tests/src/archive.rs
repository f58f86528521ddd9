//! Archives made by hand: a code file and the attributes of the module, as `torch.jit.save` would write them.
//!
//! A test says in TorchScript what it is about, and needs no PyTorch to make a file of it. The code is that of
//! `code/__torch__.py`, so the module is the class `__torch__.M`. There are no debug ranges: lines are of the code.

use std::io::{Cursor, Read, Write};

use forkcheck::{Inputs, Program};
use forkcheck_model::archive::NEWEST_VERSION;
use forkcheck_model::archive::saved::write_saved;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Dict, DictContent, Key, Value};
use zip::write::SimpleFileOptions;

/// The program that calls `forward` of the module on `inputs`.
///
/// # Panics
/// If the archive cannot be loaded, or the inputs are not those that it takes.
pub fn program_of(code: &str, attributes: &[(&str, Value)], inputs: Vec<Value>) -> Program {
    program_of_archive(&archive_of(code, attributes), code, inputs)
}

/// The same of an archive with this code.
///
/// # Panics
/// As [`program_of`].
pub fn program_of_archive(archive: &[u8], code: &str, inputs: Vec<Value>) -> Program {
    let module = forkcheck::program::load(archive, u64::MAX).unwrap_or_else(|error| panic!("{error}\n{code}"));
    Program::new("made by hand", module, "forward", Inputs::Positional(inputs), Default::default())
        .unwrap_or_else(|error| panic!("{error}\n{code}"))
}

/// The archive of a module: `code` defines the class `M` and all that it uses, `attributes` are in the order of the class.
///
/// # Panics
/// If an attribute is nothing that can be saved.
pub fn archive_of(code: &str, attributes: &[(&str, Value)]) -> Vec<u8> {
    archive_of_version(NEWEST_VERSION, code, attributes)
}

/// [`archive_of`] as a version of the format has it, which says what operators mean.
///
/// # Panics
/// If an attribute is nothing that can be saved.
pub fn archive_of_version(version: u32, code: &str, attributes: &[(&str, Value)]) -> Vec<u8> {
    archive(version, code, attributes, &[])
}

/// [`archive_of`] with submodules: the name of each, its class, and what its only attribute `k` is. One without a class is the same
/// object as the one before it.
///
/// # Panics
/// If an attribute is nothing that can be saved.
pub fn archive_with_submodules(code: &str, attributes: &[(&str, Value)], submodules: &[(&str, &str, i64)]) -> Vec<u8> {
    archive(NEWEST_VERSION, code, attributes, submodules)
}

fn archive(version: u32, code: &str, attributes: &[(&str, Value)], submodules: &[(&str, &str, i64)]) -> Vec<u8> {
    let entries = attributes.iter().map(|(name, value)| (Key::Str((*name).into()), value.clone())).collect();
    let content = DictContent { key: Type::Str, value: Type::Any, entries };
    let state = Value::Dict(Dict::new(&mut Allocator::new(0, Memory::unlimited()), content));
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Stored)
            .last_modified_time(zip::DateTime::default());
        zip.start_file(format!("archive/{name}"), options).expect("a name of ours");
        zip.write_all(bytes).expect("memory takes every write");
    };
    // A saved dict of the attributes holds their storages, and its pickle is the state of the module's.
    let saved = write_saved(&state).expect("attributes can be saved");
    let mut saved = zip::ZipArchive::new(Cursor::new(saved)).expect("it was just written");
    for index in 0..saved.len() {
        let mut record = saved.by_index(index).expect("it is below the length");
        let name = record.name().expect("a name of ours").trim_start_matches("archive/").to_string();
        let mut bytes = Vec::new();
        record.read_to_end(&mut bytes).expect("memory gives every read");
        match name.as_str() {
            "data.pkl" => put(&name, &object_of(&bytes, submodules)),
            "version" => put(&name, format!("{version}\n").as_bytes()),
            "byteorder" => put(&name, &bytes),
            _ if name.starts_with("data/") => put(&name, &bytes),
            _ => {}
        }
    }
    put("code/__torch__.py", code.as_bytes());
    put("constants.pkl", b"\x80\x02).");
    zip.finish().expect("memory takes every write").into_inner()
}

/// The archive with a table of where its lines of code come from: `origin` gives the file and line of each, counted from 1.
///
/// # Panics
/// If the archive is none of ours.
pub fn with_origins(archive: &[u8], code: &str, origin: impl Fn(u32) -> (&'static str, u32)) -> Vec<u8> {
    let number = |n: u32| [b"J", &n.to_le_bytes()[..]].concat();
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let mut table = b"\x80\x02(".to_vec();
    let mut offset = 0;
    for (line, words) in (1..).zip(code.split_inclusive('\n')) {
        let (file, at) = origin(line);
        let source = [b"(", &text(words)[..], &text(file), &number(at), b"t"].concat();
        let range = [b"(", &source[..], &number(0), &number(words.len() as u32), b"t"].concat();
        table.extend([b"(", &number(offset)[..], &range, b"t"].concat());
        offset += words.len() as u32;
    }
    table.extend(b"t.");
    let mut zip = zip::ZipWriter::new_append(Cursor::new(archive.to_vec())).expect("an archive of ours");
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("archive/code/__torch__.py.debug_pkl", stored).expect("a name of ours");
    zip.write_all(&table).expect("memory takes every write");
    zip.finish().expect("memory takes every write").into_inner()
}

/// The pickle of an object of `__torch__.M` from that of its state, a dict, to which submodules are added.
fn object_of(state: &[u8], submodules: &[(&str, &str, i64)]) -> Vec<u8> {
    let state = state.strip_prefix(b"\x80\x02").and_then(|rest| rest.strip_suffix(b".")).expect("a pickle of ours");
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    // A short pickle has no such place.
    let kept = if submodules.iter().any(|(_, class, _)| class.is_empty()) { &b"q\xfa"[..] } else { b"" };
    let sub = |&(name, class, k): &(&str, &str, i64)| match class {
        "" => [&text(name)[..], b"h\xfas"].concat(),
        _ => {
            let state = [b"}", &text("k")[..], &[b'K', u8::try_from(k).expect("a small number")], b"s"].concat();
            [&text(name)[..], b"c__torch__\n", class.as_bytes(), b"\n)\x81", &state, b"b", kept, b"s"].concat()
        }
    };
    let submodules: Vec<u8> = submodules.iter().flat_map(sub).collect();
    [b"\x80\x02c__torch__\nM\n)\x81", state, &submodules, b"b."].concat()
}

#[cfg(test)]
mod tests {
    use forkcheck::Config;
    use forkcheck::audit::audit;
    use forkcheck_model::tensor::Tensor;

    use super::*;

    #[test]
    fn code_and_attributes_become_a_program_whose_findings_have_lines() {
        let code = r#"class M(Module):
  __parameters__ = []
  __buffers__ = ["w", ]
  w : Tensor
  n : int
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.count(self, x, )
    f = fork(__forked_function)
    y = torch.add(x, self.w)
    return torch.add(torch.wait(f), y)
def count(self: __torch__.M,
    x: Tensor) -> Tensor:
  self.n = torch.add(self.n, 1)
  return torch.mul_(x, 2)
"#;
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let mut tensor = |items: &[i64]| Value::Tensor(Tensor::from_vec(&mut allocator, &[2], items).unwrap());
        let (w, x) = (tensor(&[1, 2]), tensor(&[10, 20]));
        let program = program_of(code, &[("w", w), ("n", Value::Int(5))], vec![x]);
        let report = audit(&program, &Config::default());
        // The store of the fork comes before the addition, or after it.
        assert_eq!(report.outcomes.unwrap().distinct, 2);
        let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.target.as_str(), f.line, f.fork_line)).collect();
        let truth =
            [("input-mutation", "input x", Some(16), Some(10)), ("attribute-mutation", "self.n", Some(15), Some(10))];
        assert_eq!(found, truth);
    }

    #[test]
    fn a_state_that_cannot_be_restored_is_refused_with_the_reason() {
        let load = |body: &str| {
            let code = format!(
                "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  n : int\n  \
                 def __setstate__(self: __torch__.M,\n    state: Dict[str, int]) -> NoneType:\n    {body}\n    return None\n"
            );
            forkcheck::program::load(&archive_of(&code, &[("n", Value::Int(1))]), u64::MAX).unwrap_err().to_string()
        };
        assert_eq!(
            load("_0 = ops.mine.pack(3)"),
            "expected __torch__.M.__setstate__ to run to its end, found: mine::pack cannot be executed: an operator of another \
             library"
        );
        assert_eq!(load("ops.prim.RaiseException(\"no\")"), "expected __torch__.M.__setstate__ to run, it raised: no");
    }
}
