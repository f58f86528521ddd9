//! What instructions do to a frame, and nodes to their inputs: all that does not depend on who runs the tasks.

use std::mem;

use forkcheck_model::graph::NodeKind;
use forkcheck_model::module::{FunctionId, Module};
use forkcheck_model::operators::Fault;
use forkcheck_model::slot::Allocator;
use forkcheck_model::value::{Await, Awaited, Dict, DictContent, Key, List, ListContent, Object, Value};

use super::code::{Action, Code, Instruction, PlainStep, Register};
use super::task::Frame;

/// Why an operator cannot be executed that is not in the table.
pub(crate) const FOREIGN: &str = "an operator of another library";

/// Why one cannot that is.
pub(crate) const NO_KERNEL: &str = "we know what it touches, but cannot compute it";

/// Executes the instructions that concern the frame alone, up to the next one that does not, at most `most`; says how many.
/// Nobody else sees them, so nobody is asked. What is read for the last time is `dying`, and need not be kept.
pub(crate) fn glide(code: &Code, frame: &mut Frame, most: u64, dying: Option<&[u64]>) -> u64 {
    let registers = &mut frame.registers[..];
    let mut next = frame.next;
    let mut steps = 0;
    while steps < most {
        let Instruction { action, inputs, outputs, .. } = &code.instructions[next];
        let at = |i: usize| inputs[i] as usize;
        match action {
            Action::Plain(PlainStep { function, inputs: [first, second], output }, _) => {
                let value = function(&registers[*first as usize], &registers[*second as usize]);
                let register = &mut registers[*output as usize];
                // What was just written in two parts is slow to be read as a whole.
                match value {
                    Some(Value::Int(value)) => put(register, Value::Int(value)),
                    Some(Value::Bool(value)) => put(register, Value::Bool(value)),
                    Some(Value::Float(value)) => put(register, Value::Float(value)),
                    Some(value) => put(register, value),
                    None => break,
                }
                next += 1;
            }
            Action::Constant(value) => {
                put(&mut registers[outputs[0] as usize], copied(value));
                next += 1;
            }
            Action::Copy => {
                let dies = dying.map_or(0, |dying| dying[next]);
                for i in 0..inputs.len() {
                    let value = read(&mut registers[at(i)], dies >> i & 1 == 1);
                    put(&mut registers[outputs[i] as usize], value);
                }
                next += 1;
            }
            Action::CopyAtOnce => {
                let values: smallvec::SmallVec<[Value; 4]> =
                    inputs.iter().map(|&register| copied(&registers[register as usize])).collect();
                for (&register, value) in outputs.iter().zip(values) {
                    put(&mut registers[register as usize], value);
                }
                next += 1;
            }
            Action::Jump(to) => next = *to,
            Action::Unless(to) => next = if truth(&registers[at(0)]) { next + 1 } else { *to },
            Action::LoopTest(to) => {
                let trips = int(&registers[at(0)]);
                next = if goes_on(trips, inputs, registers) { next + 1 } else { *to };
            }
            Action::Again(to) => {
                let trips = int(&registers[at(0)]) + 1;
                put(&mut registers[at(0)], Value::Int(trips));
                next = if goes_on(trips, inputs, registers) { *to } else { next + 1 };
            }
            Action::Node(_) | Action::Shared(_) | Action::Return => break,
        }
        steps += 1;
    }
    frame.next = next;
    steps
}

/// Whether a loop takes another trip: the inputs are trips made, most trips, and perhaps a condition.
#[inline(always)]
fn goes_on(trips: i64, inputs: &[Register], registers: &[Value]) -> bool {
    let at = |i: usize| &registers[inputs[i] as usize];
    trips < int(at(1)) && (inputs.len() < 3 || truth(at(2)))
}

/// The value of a register, which goes if nobody reads it again.
#[inline]
fn read(register: &mut Value, dies: bool) -> Value {
    if dies { mem::replace(register, Value::Uninitialized) } else { copied(register) }
}

/// A clone, without a call for what is copied most.
#[inline]
fn copied(value: &Value) -> Value {
    match value {
        Value::Int(value) => Value::Int(*value),
        Value::Float(value) => Value::Float(*value),
        Value::Bool(value) => Value::Bool(*value),
        value => value.clone(),
    }
}

/// Puts a value into a register, without a call where nothing has to be dropped, and without reading the old one then.
#[inline]
fn put(register: &mut Value, value: Value) {
    if is_plain(register) {
        mem::forget(mem::replace(register, value));
    } else {
        *register = value;
    }
}

/// Whether there is nothing behind a value that would have to be dropped.
#[inline]
fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Bool(_) | Value::Float(_) | Value::Uninitialized)
}

/// The inputs of a node.
pub(crate) type Inputs = smallvec::SmallVec<[Value; 8]>;

impl Frame {
    /// Collects the inputs of an instruction; those that are `dies` go.
    #[inline]
    pub(crate) fn inputs(&mut self, instruction: &Instruction, dies: u64, inputs: &mut Inputs) {
        inputs.reserve(instruction.inputs.len());
        for (i, &register) in instruction.inputs.iter().enumerate() {
            inputs.push(read(&mut self.registers[register as usize], i < 64 && dies >> i & 1 == 1));
        }
    }

    /// Sets the instruction's outputs and goes on to the next one.
    pub(crate) fn set(&mut self, instruction: &Instruction, value: Value) {
        // Unpacking gives a tuple of the items, however many there are; other operators give one value for one output.
        let unpacks = matches!(instruction.action, Action::Node(NodeKind::TupleUnpack | NodeKind::ListUnpack));
        match (&*instruction.outputs, value) {
            ([], _) => {}
            ([register], value) if !unpacks => self.registers[*register as usize] = value,
            (registers, Value::Tuple(items)) => {
                assert_eq!(registers.len(), items.len(), "an operator gives as many values as its schema says");
                for (&register, item) in registers.iter().zip(items.iter()) {
                    self.registers[register as usize] = item.clone();
                }
            }
            (registers, other) => unreachable!("{} values expected, {other:?} found", registers.len()),
        }
        self.next += 1;
    }
}

/// What a node gives that neither calls anything nor concerns another task, with `outputs` results.
///
/// # Panics
/// For a node that does: whoever runs tasks knows what it means there.
pub(crate) fn compute(
    kind: &NodeKind,
    inputs: &[Value],
    outputs: usize,
    allocator: &mut Allocator,
) -> Result<Value, Fault> {
    Ok(match kind {
        NodeKind::GetAttr { index, .. } => object(&inputs[0]).attribute(*index),
        NodeKind::ContainerIndex => {
            let index = super::types::container_index(inputs).map_err(Fault::raised)?;
            object(&inputs[0]).attribute(index)
        }
        NodeKind::SetAttr { index, .. } => {
            object(&inputs[0]).set_attribute(*index, inputs[1].clone());
            Value::None
        }
        NodeKind::IsInstance(types) => Value::Bool(types.iter().any(|ty| super::types::is_instance(&inputs[0], ty))),
        NodeKind::RaiseException => return Err(raised(inputs)),
        NodeKind::ListConstruct(item) => {
            Value::List(List::new(allocator, ListContent { item: item.clone(), items: inputs.to_vec() }))
        }
        NodeKind::TupleConstruct(_) => Value::tuple(inputs),
        NodeKind::DictConstruct(key, value) => {
            let pairs = inputs.chunks_exact(2);
            let entries = pairs.map(|pair| (Key::from_value(&pair[0]).expect("a key"), pair[1].clone())).collect();
            Value::Dict(Dict::new(allocator, DictContent { key: key.clone(), value: value.clone(), entries }))
        }
        NodeKind::ListUnpack => match &inputs[0] {
            Value::List(list) => {
                let content = list.content();
                if content.items.len() != outputs {
                    let message = format!("Expected {outputs} elements in a list but found {}", content.items.len());
                    return Err(Fault::raised(message));
                }
                Value::tuple(&*content.items)
            }
            other => unreachable!("a list, not {other:?}"),
        },
        NodeKind::TupleUnpack => inputs[0].clone(),
        NodeKind::TupleIndex(index) => tuple(&inputs[0])[*index].clone(),
        NodeKind::TupleItem => {
            let (items, index) = (tuple(&inputs[0]), int(&inputs[1]));
            let index = if index < 0 { index + items.len() as i64 } else { index };
            let item = usize::try_from(index).ok().and_then(|index| items.get(index));
            item.cloned().ok_or_else(|| Fault::raised("Tuple list index out of range"))?
        }
        NodeKind::TupleSlice(begin, end) => Value::tuple(&tuple(&inputs[0])[*begin..*end]),
        NodeKind::CreateObject(class) => {
            let values = vec![Value::Uninitialized; class.attributes.len()];
            Value::Object(Object::new(allocator, class.clone(), values))
        }
        NodeKind::Awaitable(body) => {
            Value::Await(Await::new(allocator, Awaited::Pending { body: *body, captures: inputs.to_vec() }))
        }
        NodeKind::AwaitableNowait => Value::Await(Await::new(allocator, Awaited::Done(inputs[0].clone()))),
        NodeKind::EnumName | NodeKind::EnumValue => match (&inputs[0], kind) {
            (Value::Enum(member), NodeKind::EnumName) => Value::Str(member.name.clone()),
            (Value::Enum(member), _) => member.value.clone(),
            (other, _) => unreachable!("an enum member, not {other:?}"),
        },
        NodeKind::Uninitialized => Value::Uninitialized,
        NodeKind::ToList => super::types::to_list(&inputs[0], allocator)?,
        other => unreachable!("{} is for those who run tasks", other.name()),
    })
}

/// What PyTorch's compiler does when it runs a program, and we do not.
pub(crate) const AUTOCAST: &str = "torch.autocast";

/// The method that enters a `with`.
///
/// The methods of `torch.autocast` do nothing: what many operators between them are given is rounded by PyTorch's compiler.
pub(crate) fn enter(manager: &Value) -> Result<FunctionId, Fault> {
    let class = object(manager).class();
    let attribute = |name: &str| class.attribute(name).map(|index| object(manager).attribute(index));
    let rounds = class.name.ends_with("autocast_mode.autocast")
        && matches!(attribute("_enabled"), Some(Value::Bool(true)))
        && matches!(attribute("device"), Some(Value::Str(device)) if &*device == "cpu");
    match rounds {
        true => Err(Fault::Unsupported("we do not round what operators inside of it are given".into())),
        false => Ok(method(manager, "__enter__")),
    }
}

/// The method that leaves a `with`, and what it is given: what an exception would be told is `None`.
pub(crate) fn exit(module: &Module, inputs: impl IntoIterator<Item = Value>) -> (FunctionId, Vec<Value>) {
    let mut args: Vec<Value> = inputs.into_iter().collect();
    let function = method(&args[0], "__exit__");
    args.resize(module.function(function).params.len(), Value::None);
    (function, args)
}

/// The method of an object's class.
pub(crate) fn method(value: &Value, name: &str) -> FunctionId {
    let class = object(value).class();
    *class.methods.get(name).unwrap_or_else(|| unreachable!("{} has a method {name}", class.name))
}

fn raised(inputs: &[Value]) -> Fault {
    let text = |value: &Value| match value {
        Value::Str(text) => text.to_string(),
        other => crate::text_of(other),
    };
    let class = inputs.get(1).filter(|class| !matches!(class, Value::None)).map(text);
    Fault::Raised { class, message: text(&inputs[0]) }
}

fn object(value: &Value) -> &Object {
    match value {
        Value::Object(object) => object,
        other => unreachable!("an object, not {other:?}"),
    }
}

fn tuple(value: &Value) -> &[Value] {
    match value {
        Value::Tuple(items) => items,
        other => unreachable!("a tuple, not {other:?}"),
    }
}

fn truth(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        other => unreachable!("a bool, not {other:?}"),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(value) => *value,
        other => unreachable!("an int, not {other:?}"),
    }
}
