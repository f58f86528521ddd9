//! Files of `torch.save`: tensors and plain values, read and written without any code.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::container::Container;
use super::read_pickle;
use super::rebuild::rebuild;
use crate::error::Error;
use crate::slot::{Allocator, Memory, SlotId};
use crate::tensor::{DType, Quantizer, Storage, Tensor};
use crate::value::{Key, Value};

/// Reads what `torch.save` wrote: tensors, numbers, texts, tuples, lists and dicts of them. State dicts are dicts.
pub fn read_saved(bytes: &[u8], allocator: &mut Allocator) -> Result<Value, Error> {
    let mut container = Container::open(bytes)?;
    if !container.contains("data.pkl") {
        return Err(Error::new("expected a file of torch.save, found a zip file without data.pkl"));
    }
    if container.names().any(|name| name.starts_with("code/")) {
        return Err(Error::new("expected a file of torch.save, found a TorchScript archive, which holds a program"));
    }
    let (pickle, storages) = read_pickle(&mut container, "data")?;
    let rebuilt =
        rebuild(&pickle, &storages, &BTreeMap::new(), allocator).map_err(|error| error.in_record("data.pkl"))?;
    Ok(rebuilt.value)
}

/// Writes a file that `torch.load(..., weights_only=True)` reads back: strides, and who shares memory with whom, are
/// kept. Objects of classes in C++ are what they are saved as, and only we read them back. The bytes are the same for the same value.
pub fn write_saved(value: &Value) -> Result<Vec<u8>, Error> {
    let mut pickler = Pickler {
        out: vec![0x80, 2],
        memo: BTreeMap::new(),
        next: 0,
        storages: Vec::new(),
        keys: BTreeMap::new(),
        allocator: Allocator::new(u32::MAX - 1, Memory::unlimited()),
    };
    pickler.value(value, 0)?;
    pickler.out.push(b'.');
    let failed = |error: &dyn std::fmt::Display| Error::new(format!("the file cannot be put together: {error}"));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut put = |name: &str, bytes: &[u8]| -> Result<(), Error> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(bytes.len() > u32::MAX as usize / 2)
            .with_alignment(64);
        zip.start_file(format!("archive/{name}"), options).map_err(|error| failed(&error))?;
        zip.write_all(bytes).map_err(|error| failed(&error))
    };
    put("data.pkl", &pickler.out)?;
    put(".format_version", b"1")?;
    put(".storage_alignment", b"64")?;
    put("byteorder", b"little")?;
    for (key, (storage, _)) in pickler.storages.iter().enumerate() {
        put(&format!("data/{key}"), storage.content().bytes())?;
    }
    put("version", b"3\n")?;
    let file = zip.finish().map_err(|error| failed(&error))?;
    Ok(file.into_inner())
}

/// Values nest at most this deep, since each level is a call.
const DEEPEST: u32 = 500;

struct Pickler {
    out: Vec<u8>,
    /// Places in the memo of what may occur again, by identity.
    memo: BTreeMap<SlotId, u32>,
    next: u32,
    /// The storages met so far, with the dtype under which each is written.
    storages: Vec<(Storage, DType)>,
    keys: BTreeMap<SlotId, usize>,
    /// Names the tensors that only the file has: the scales of channels.
    allocator: Allocator,
}

impl Pickler {
    fn value(&mut self, value: &Value, depth: u32) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(Error::new(format!("expected a value nested at most {DEEPEST} deep")));
        }
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(value) => self.out.push(if *value { 0x88 } else { 0x89 }),
            Value::Int(value) => self.int(*value),
            Value::Float(value) => self.float(*value),
            Value::Complex(value) => {
                self.global("__builtin__", "complex");
                self.float(value.re);
                self.float(value.im);
                self.out.extend([0x86, b'R']);
            }
            Value::Str(text) => self.text(text)?,
            Value::Device(name) => {
                self.global("torch", "device");
                self.text(name)?;
                self.out.extend([0x85, b'R']);
            }
            Value::Tensor(tensor) => self.once(tensor.id(), |pickler| pickler.tensor(tensor))?,
            Value::Tuple(items) => {
                self.out.push(b'(');
                items.iter().try_for_each(|item| self.value(item, depth + 1))?;
                self.out.push(b't');
            }
            Value::List(list) => {
                if self.recall(list.id()) {
                    return Ok(());
                }
                self.out.push(b']');
                self.remember(list.id());
                self.out.push(b'(');
                list.content().items.iter().try_for_each(|item| self.value(item, depth + 1))?;
                self.out.push(b'e');
            }
            Value::Dict(dict) => {
                if self.recall(dict.id()) {
                    return Ok(());
                }
                self.out.push(b'}');
                self.remember(dict.id());
                self.out.push(b'(');
                for (key, value) in &dict.content().entries {
                    self.value(&Key::to_value(key), depth + 1)?;
                    self.value(value, depth + 1)?;
                }
                self.out.push(b'u');
            }
            Value::Enum(member) => self.value(&member.value, depth + 1)?,
            Value::Object(object) if object.class().is_of_cpp() => {
                if self.recall(object.id()) {
                    return Ok(());
                }
                let (module, name) = object.class().name.rsplit_once('.').expect("a qualified name");
                self.global(module, name);
                self.out.extend(b")\x81");
                self.remember(object.id());
                self.value(&object.attribute(0), depth + 1)?;
                self.out.push(b'b');
            }
            other => return Err(Error::new(format!("expected a value that torch.save can hold, found {other:?}"))),
        }
        Ok(())
    }

    /// Writes what has an identity once, and refers to it afterwards.
    fn once(&mut self, id: SlotId, write: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if !self.recall(id) {
            write(self)?;
            self.remember(id);
        }
        Ok(())
    }

    fn recall(&mut self, id: SlotId) -> bool {
        let Some(place) = self.memo.get(&id) else { return false };
        self.out.push(b'j');
        self.out.extend(place.to_le_bytes());
        true
    }

    fn remember(&mut self, id: SlotId) {
        self.out.push(b'r');
        self.out.extend(self.next.to_le_bytes());
        self.memo.insert(id, self.next);
        self.next += 1;
    }

    fn tensor(&mut self, tensor: &Tensor) -> Result<(), Error> {
        let metadata = tensor.metadata();
        if metadata.nested.is_some() {
            let found = "found a nested one: give `to_padded_tensor(0.)` of it back, or its `unbind()`";
            return Err(Error::new(format!("expected tensors of one size in each dimension, {found}")));
        }
        let (storage, dtype, layout) = (&metadata.storage, metadata.dtype, &metadata.layout);
        let key = *self.keys.entry(storage.id()).or_insert_with(|| {
            self.storages.push((storage.clone(), dtype));
            self.storages.len() - 1
        });
        // One key has one class; who sees the storage with another dtype names it as bytes.
        let untyped = dtype.storage_class().is_empty() || self.storages[key].1 != dtype;
        let quantizer = metadata.quantizer.as_deref();
        if quantizer.is_some() && untyped {
            return Err(Error::new("expected a quantized tensor with a storage of its own dtype"));
        }
        self.global(
            "torch._utils",
            match quantizer {
                Some(_) => "_rebuild_qtensor",
                None if untyped => "_rebuild_tensor_v3",
                None => "_rebuild_tensor_v2",
            },
        );
        self.out.extend(b"((");
        self.text("storage")?;
        match untyped {
            true => self.global("torch.storage", "UntypedStorage"),
            false => self.global("torch", dtype.storage_class()),
        }
        self.text(&key.to_string())?;
        self.text("cpu")?;
        let bytes = storage.slot().lock().len();
        self.int(if untyped { bytes } else { bytes / dtype.size() } as i64);
        self.out.extend(b"tQ");
        self.int(layout.offset());
        for numbers in [layout.sizes(), layout.strides()] {
            self.out.push(b'(');
            numbers.iter().for_each(|&number| self.int(number));
            self.out.push(b't');
        }
        if let Some(quantizer) = quantizer {
            self.quantizer(quantizer)?;
        }
        self.out.push(if metadata.requires_grad { 0x88 } else { 0x89 });
        self.global("collections", "OrderedDict");
        self.out.extend(b")R");
        if untyped {
            self.global("torch", dtype.name());
        }
        self.out.extend(b"tR");
        Ok(())
    }

    fn quantizer(&mut self, quantizer: &Quantizer) -> Result<(), Error> {
        self.out.push(b'(');
        self.global("torch", quantizer.scheme());
        if let Quantizer::PerTensor(affine) = quantizer {
            self.float(affine.scale);
            self.int(affine.zero_point);
        } else {
            let channels = quantizer.channels(&mut self.allocator).expect("the memory has no limit");
            let (scales, zero_points, axis) = channels.expect("it has channels");
            self.tensor(&scales)?;
            self.tensor(&zero_points)?;
            self.int(axis as i64);
        }
        self.out.push(b't');
        Ok(())
    }

    fn global(&mut self, module: &str, name: &str) {
        self.out.extend(format!("c{module}\n{name}\n").bytes());
    }

    fn int(&mut self, value: i64) {
        match value {
            0..=0xff => self.out.extend([b'K', value as u8]),
            _ => match i32::try_from(value) {
                Ok(value) => {
                    self.out.push(b'J');
                    self.out.extend(value.to_le_bytes());
                }
                Err(_) => {
                    self.out.extend([0x8a, 8]);
                    self.out.extend(value.to_le_bytes());
                }
            },
        }
    }

    fn float(&mut self, value: f64) {
        self.out.push(b'G');
        self.out.extend(value.to_be_bytes());
    }

    fn text(&mut self, text: &str) -> Result<(), Error> {
        let length = u32::try_from(text.len()).map_err(|_| Error::new("expected text of less than 4 GiB"))?;
        self.out.push(b'X');
        self.out.extend(length.to_le_bytes());
        self.out.extend(text.bytes());
        Ok(())
    }
}
