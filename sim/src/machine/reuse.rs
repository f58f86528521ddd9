//! What costly kernels gave, kept for the next schedule.
//!
//! Schedules differ in the order of a few racing steps, and most of a network does not depend on it: its operators are
//! called again on contents that they were called on before. A call is known by its operator, its arguments, and the
//! content hashes and layouts of its tensors; what it gave is the contents of the tensors that it made or wrote. Nothing
//! can tell whether a result was computed or found: slots are named alike, and memory is charged alike.
//!
//! Only calls that could be known wholly are kept: they draw nothing, print nothing, change no sizes and no container,
//! and give tensors of their own or those that they were told to write.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use forkcheck_model::operators::{Access, Modes, Operator, Place};
use forkcheck_model::slot::{Allocator, Memory, OutOfMemory};
use forkcheck_model::tensor::{Content, DType, Layout, Metadata, Nested, Quantizer, Storage, Tensor};
use forkcheck_model::types::Type;
use forkcheck_model::value::Value;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_128;

/// Calls on fewer elements than this are as quickly computed as looked for.
const ELEMENTS_LEAST: i64 = 256;

/// How many bytes are kept at most.
const BYTES_MOST: u64 = 1 << 30;

/// What an entry takes besides its contents, about.
const BYTES_EACH: u64 = 512;

/// Results of calls, shared by all executions of a program. Nothing is kept at first, because a single execution has
/// nothing to gain; a search opens it.
#[derive(Debug, Clone, Default)]
pub struct Reuse(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Decided once.
    terms: OnceLock<Terms>,
    results: Mutex<Results>,
}

/// What is kept.
#[derive(Debug)]
struct Terms {
    /// How many bytes at most.
    bytes: u64,
    /// Of calls on how many elements at least.
    elements: i64,
    /// The meter of the contents that are kept.
    meter: Memory,
}

/// Two generations: what is found moves to the young one, and when that is full, the old one goes.
#[derive(Debug, Default)]
struct Results {
    young: FxHashMap<u128, Arc<Kept>>,
    old: FxHashMap<u128, Arc<Kept>>,
    /// Bytes of the young.
    bytes: u64,
    uses: Uses,
}

/// How often a result was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uses {
    /// It was there.
    pub found: u64,
    /// It had to be computed.
    pub computed: u64,
}

/// What a call gave.
#[derive(Debug)]
pub(super) struct Kept {
    /// The storages that it made: the place among the slots that it named, and the content.
    storages: Vec<(u32, Arc<Content>)>,
    /// Its results, in order.
    results: SmallVec<[Piece; 1]>,
    /// Whether they are a tuple.
    several: bool,
    /// What it wrote: the position of the argument, and the content after it.
    written: SmallVec<[(usize, Arc<Content>); 2]>,
    /// How many slots it named.
    slots: u32,
}

/// A result.
#[derive(Debug)]
enum Piece {
    /// An argument, which was written.
    Argument(usize),
    /// A new tensor.
    Made {
        /// Its place among the slots that were named.
        slot: u32,
        /// Which of the storages.
        storage: usize,
        dtype: DType,
        layout: Layout,
        requires_grad: bool,
        quantizer: Option<Arc<Quantizer>>,
        nested: Option<Arc<Nested>>,
    },
}

impl Reuse {
    /// From now on results are kept, for a part of the `memory` that an execution may take, unless it was decided before.
    pub fn open(&self, memory: u64) {
        self.open_for(ELEMENTS_LEAST, (memory / 4).min(BYTES_MOST));
    }

    /// From now on, results of calls on so many elements are kept, up to so many bytes, unless it was decided before.
    pub fn open_for(&self, elements: i64, bytes: u64) {
        self.0.terms.get_or_init(|| Terms { bytes, elements, meter: Memory::unlimited() });
    }

    /// Never keeps anything, unless it was decided before.
    pub fn close(&self) {
        self.open_for(i64::MAX, 0);
    }

    /// Whether results are kept.
    pub fn is_open(&self) -> bool {
        self.0.terms.get().is_some_and(|terms| terms.bytes > 0)
    }

    /// The call, if it is worth keeping and can be known wholly.
    pub(super) fn know(&self, operator: &'static Operator, args: &[Value], modes: &Modes) -> Option<Known> {
        let elements: i64 = args.iter().map(elements).fold(0, i64::saturating_add);
        let worth = elements >= self.0.terms.get()?.elements && gives_tensors(operator);
        worth.then(|| Known::of(operator, args, modes))?
    }

    /// How often results were found so far.
    pub fn uses(&self) -> Uses {
        self.results().uses
    }

    /// How many bytes the contents take that are kept.
    pub fn bytes(&self) -> u64 {
        let results = self.results();
        let kept = results.young.values().chain(results.old.values());
        kept.map(|kept| kept.bytes()).sum()
    }

    /// The result of the call with this key.
    pub(super) fn find(&self, key: u128) -> Option<Arc<Kept>> {
        let most = self.0.terms.get()?.bytes;
        let mut results = self.results();
        let found = match results.young.get(&key) {
            Some(kept) => Some(kept.clone()),
            None => {
                let kept = results.old.remove(&key);
                kept.inspect(|kept| results.add(key, kept.clone(), most))
            }
        };
        let count = if found.is_some() { &mut results.uses.found } else { &mut results.uses.computed };
        *count += 1;
        found
    }

    /// Keeps what a call gave that has just been made, if it can be known wholly. `before` is how many slots the task had
    /// named before the call.
    pub(super) fn keep(&self, call: &Known, args: &[Value], value: &Value, before: u32, after: &Allocator) {
        let Some(terms) = self.0.terms.get() else { return };
        if let Some(kept) = Kept::of(call, args, value, before, after, &terms.meter) {
            self.results().add(call.key, Arc::new(kept), terms.bytes);
        }
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.0.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Results {
    fn add(&mut self, key: u128, kept: Arc<Kept>, most: u64) {
        self.bytes += kept.bytes();
        self.young.insert(key, kept);
        if self.bytes > most / 2 {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
    }
}

/// A call that can be known wholly.
#[derive(Debug)]
pub(super) struct Known {
    /// Stands for the operator, the arguments and their contents.
    pub(super) key: u128,
    /// The arguments that it writes.
    written: SmallVec<[usize; 2]>,
}

impl Known {
    /// The call, if it can be known wholly.
    fn of(operator: &'static Operator, args: &[Value], modes: &Modes) -> Option<Self> {
        let (mut reads, mut written) = (false, SmallVec::new());
        for effect in operator.effects(args) {
            match (effect.place, effect.access) {
                (Place::Data(i), access) => {
                    reads |= access.reads();
                    if access.writes() {
                        matches!(args[i], Value::Tensor(_)).then(|| written.push(i))?;
                    }
                }
                (Place::Shape(_) | Place::Items(_), Access::Read) => {}
                _ => return None,
            }
        }
        // What looks at no elements costs nothing.
        if !reads {
            return None;
        }
        let mut text = Text { bytes: SmallVec::new(), storages: SmallVec::new() };
        text.number(std::ptr::from_ref(operator).addr() as u64);
        text.bytes.extend([modes.grad, modes.inference, modes.autocast].map(u8::from));
        for arg in args {
            text.value(arg)?;
        }
        Some(Self { key: xxh3_128(&text.bytes), written })
    }
}

/// Whether all that an operator gives is tensors, and nothing is resized.
fn gives_tensors(operator: &Operator) -> bool {
    let schema = &operator.schema;
    let tensors = !schema.returns.is_empty() && schema.returns.iter().all(|result| result.ty == Type::Tensor);
    tensors && !schema.vararg && !schema.varret && !schema.arguments.iter().any(|argument| argument.is_out())
}

fn elements(value: &Value) -> i64 {
    match value {
        Value::Tensor(tensor) => tensor.numel(),
        Value::List(list) => {
            let tensors = list.content();
            // Lists of numbers are short, and so are lists of tensors.
            let sizes = tensors.items.iter().take_while(|item| matches!(item, Value::Tensor(_))).map(elements);
            sizes.fold(0, i64::saturating_add)
        }
        _ => 0,
    }
}

/// All that a call depends on, one after the other.
struct Text {
    bytes: SmallVec<[u8; 512]>,
    /// The storages so far: which arguments share one counts, for what is written to it.
    storages: SmallVec<[Storage; 6]>,
}

impl Text {
    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// `None` for a kind of value that no kernel takes.
    fn value(&mut self, value: &Value) -> Option<()> {
        match value {
            Value::None => self.bytes.push(0),
            Value::Bool(value) => self.bytes.extend([1, u8::from(*value)]),
            Value::Int(value) => {
                self.bytes.push(2);
                self.number(*value as u64);
            }
            Value::Float(value) => {
                self.bytes.push(3);
                self.number(value.to_bits());
            }
            Value::Str(text) | Value::Device(text) => {
                self.bytes.push(4);
                self.number(text.len() as u64);
                self.bytes.extend_from_slice(text.as_bytes());
            }
            Value::Tensor(tensor) => {
                self.bytes.push(5);
                self.tensor(&tensor.metadata());
            }
            Value::List(list) => {
                let content = list.content();
                self.bytes.push(6);
                self.number(content.items.len() as u64);
                content.items.iter().try_for_each(|item| self.value(item))?;
            }
            _ => return None,
        }
        Some(())
    }

    fn tensor(&mut self, metadata: &Metadata) {
        let (layout, content) = (&metadata.layout, metadata.storage.content());
        let nested = u8::from(metadata.nested.is_some());
        self.bytes.extend([metadata.dtype as u8, u8::from(metadata.requires_grad), layout.rank() as u8, nested]);
        for &number in layout.sizes().iter().chain(layout.strides()).chain([&layout.offset()]) {
            self.number(number as u64);
        }
        for number in metadata.quantizer.iter().flat_map(|quantizer| quantizer.to_bits()) {
            self.number(number);
        }
        for number in metadata.nested.iter().flat_map(|nested| nested.to_numbers()) {
            self.number(number as u64);
        }
        let place = self.storages.iter().position(|storage| storage.is(&metadata.storage));
        self.number(place.unwrap_or(self.storages.len()) as u64);
        if place.is_none() {
            self.storages.push(metadata.storage.clone());
            self.number(content.len() as u64);
            self.bytes.extend_from_slice(&content.hash().to_le_bytes());
        }
    }
}

impl Kept {
    fn of(call: &Known, args: &[Value], value: &Value, before: u32, after: &Allocator, meter: &Memory) -> Option<Self> {
        let (results, several): (&[Value], bool) = match value {
            Value::Tuple(items) => (items, true),
            one => (std::slice::from_ref(one), false),
        };
        // The place of a slot among those that the call named; `None` for one that was there before.
        let named = |slot: forkcheck_model::slot::SlotId| {
            let own = slot.owner() == after.owner();
            if own { slot.index().checked_sub(before) } else { None }
        };
        let mut made: SmallVec<[Storage; 1]> = SmallVec::new();
        let mut pieces = SmallVec::new();
        for result in results {
            let Value::Tensor(tensor) = result else { return None };
            if let Some(i) = args.iter().position(|arg| matches!(arg, Value::Tensor(arg) if arg.is(tensor))) {
                pieces.push(Piece::Argument(i));
                continue;
            }
            let metadata = tensor.metadata();
            let slot = named(tensor.id())?;
            named(metadata.storage.id())?;
            let storage = made.iter().position(|storage| storage.is(&metadata.storage)).unwrap_or(made.len());
            if storage == made.len() {
                made.push(metadata.storage.clone());
            }
            let (dtype, layout, requires_grad) = (metadata.dtype, metadata.layout.clone(), metadata.requires_grad);
            let (quantizer, nested) = (metadata.quantizer.clone(), metadata.nested.clone());
            pieces.push(Piece::Made { slot, storage, dtype, layout, requires_grad, quantizer, nested });
        }
        let lend = |storage: &Storage| storage.lend(meter);
        let storages = made.iter().map(|storage| Some((named(storage.id())?, lend(storage)?)));
        let storages = storages.collect::<Option<Vec<_>>>()?;
        let mut written: SmallVec<[(usize, Arc<Content>); 2]> = SmallVec::new();
        for &i in &call.written {
            let Value::Tensor(tensor) = &args[i] else { return None };
            written.push((i, lend(&tensor.storage())?));
        }
        Some(Self { storages, results: pieces, several, written, slots: after.count() - before })
    }

    /// Lets the call happen once more.
    pub(super) fn give(&self, args: &[Value], allocator: &mut Allocator) -> Result<Value, OutOfMemory> {
        let before = allocator.count();
        let mut storages: SmallVec<[Storage; 1]> = SmallVec::new();
        for (slot, content) in &self.storages {
            storages.push(Storage::renting(&mut allocator.at(before + slot), content.clone())?);
        }
        for (i, content) in &self.written {
            let Value::Tensor(tensor) = &args[*i] else { unreachable!("the call writes a tensor there") };
            tensor.storage().rent(content.clone(), allocator.memory());
        }
        let result = |piece: &Piece| match piece {
            Piece::Argument(i) => args[*i].clone(),
            Piece::Made { slot, storage, dtype, layout, requires_grad, quantizer, nested } => {
                let (storage, layout, quantizer) = (storages[*storage].clone(), layout.clone(), quantizer.clone());
                let (dtype, requires_grad, nested) = (*dtype, *requires_grad, nested.clone());
                let metadata = Metadata { storage, dtype, layout, requires_grad, quantizer, nested };
                Value::Tensor(Tensor::with(&mut allocator.at(before + slot), metadata))
            }
        };
        let mut results = self.results.iter().map(result);
        let value = if self.several {
            Value::Tuple(results.collect())
        } else {
            results.next().expect("a call gives something")
        };
        *allocator = allocator.at(before + self.slots);
        Ok(value)
    }

    fn bytes(&self) -> u64 {
        let contents = self.storages.iter().map(|row| &row.1).chain(self.written.iter().map(|row| &row.1));
        BYTES_EACH + contents.map(|content| content.len() as u64).sum::<u64>()
    }
}
