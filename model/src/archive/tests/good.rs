//! Good archives: every kind of value arrives as what it was, and what was shared stays shared.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::{allocator, classes, module_kind};
use crate::archive::{Archive, Rebuilt, read_saved, write_saved};
use crate::error::Error;
use crate::module::{Class, ClassKind, FunctionId};
use crate::tensor::{DType, Tensor};
use crate::types::Type;
use crate::value::{Key, Object, Value};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/archive").join(name)).unwrap()
}

/// The classes of `everything.pt`: a module with an attribute of every type that PyTorch pickles.
fn everything_classes() -> BTreeMap<Arc<str>, Arc<Class>> {
    let module: &[(&str, &str)] = &[
        ("training", "bool"),
        ("_is_full_backward_hook", "NoneType"),
        ("box", "__torch__.Box"),
        ("st", "__torch__.St"),
        ("u", "Union[int, str]"),
        ("f", "List[float]"),
        ("bl", "List[bool]"),
        ("cl", "List[complex]"),
        ("nested", "List[List[int]]"),
        ("el", "List[str]"),
        ("tu", "Tuple[int, str, List[int]]"),
        ("ot", "List[Optional[Tensor]]"),
        ("dd", "Dict[int, Dict[str, Tensor]]"),
        ("h", "Tensor"),
        ("bf", "Tensor"),
        ("e", "Tensor"),
        ("bo", "Tensor"),
        ("c64", "Tensor"),
        ("u16", "Tensor"),
        ("f8", "Tensor"),
        ("ex", "Tensor"),
        ("big", "int"),
        ("neg", "int"),
        ("uni", "str"),
        ("i", "__torch__.I"),
        ("ml", "__torch__.torch.nn.modules.container.ModuleList"),
        ("tied", "__torch__.torch.nn.modules.linear.Linear"),
    ];
    let linear = "__torch__.torch.nn.modules.linear.Linear";
    let linear_attributes: &[(&str, &str)] =
        &[("weight", "Tensor"), ("bias", "Tensor"), ("training", "bool"), ("_is_full_backward_hook", "NoneType")];
    let mut classes = classes(&[
        ("__torch__.M", module_kind(), module),
        ("__torch__.Box", ClassKind::Plain, &[("x", "int"), ("t", "List[Tensor]")]),
        ("__torch__.St", ClassKind::Plain, &[("x", "int")]),
        ("__torch__.I", ClassKind::Interface, &[]),
        ("__torch__.Sub", module_kind(), &[("training", "bool"), ("_is_full_backward_hook", "Optional[bool]")]),
        (
            "__torch__.torch.nn.modules.container.ModuleList",
            module_kind(),
            &[("training", "bool"), ("_is_full_backward_hook", "NoneType"), ("0", linear), ("1", linear)],
        ),
        (linear, module_kind(), linear_attributes),
    ]);
    let state = Arc::get_mut(classes.get_mut("__torch__.St").unwrap()).unwrap();
    state.methods.insert("__setstate__".into(), FunctionId(0));
    classes
}

fn everything() -> Rebuilt {
    let archive = Archive::read(&file("everything.pt")).unwrap();
    assert_eq!((&**archive.root_class(), archive.version), ("__torch__.M", 3));
    let code: Vec<&str> = archive.code.keys().map(String::as_str).collect();
    let library = ["__torch__/torch/nn/modules/container.py", "__torch__/torch/nn/modules/linear.py"];
    assert_eq!(code, ["__torch__.py", library[0], library[1]]);
    assert!(archive.constants(&everything_classes(), &mut allocator()).unwrap().is_empty());
    archive.root(&everything_classes(), &mut allocator()).unwrap()
}

fn attribute(object: &Object, path: &str) -> Value {
    let mut value = Value::Object(object.clone());
    for name in path.split('.') {
        let Value::Object(object) = value else { panic!("{path}: {value:?}") };
        value = object.attribute(object.class().attribute(name).unwrap());
    }
    value
}

fn tensor(object: &Object, path: &str) -> Tensor {
    match attribute(object, path) {
        Value::Tensor(tensor) => tensor,
        other => panic!("{path}: {other:?}"),
    }
}

/// A value as text, without identities.
fn show(value: &Value) -> String {
    let all = |items: &[Value]| items.iter().map(show).collect::<Vec<_>>().join(", ");
    match value {
        Value::List(list) => format!("{}[{}]", list.content().item.code(), all(&list.content().items)),
        Value::Tuple(items) => format!("({})", all(items)),
        Value::Dict(dict) => {
            let entries = dict
                .content()
                .entries
                .iter()
                .map(|(key, value)| show(&key.to_value()) + ": " + &show(value))
                .collect::<Vec<_>>();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Tensor(tensor) => format!("{}{:?}", tensor.dtype().name(), &tensor.sizes()[..]),
        Value::Int(value) => value.to_string(),
        Value::Str(text) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_kind_of_value_arrives() {
    let Rebuilt { value: Value::Object(root), pending_set_state } = everything() else { panic!() };
    let expected = [
        ("training", "Bool(true)"),
        ("_is_full_backward_hook", "None"),
        ("box.x", "3"),
        ("box.t", "Tensor[float32[2]]"),
        ("u", "3"),
        ("f", "float[Float(1.0), Float(2.0)]"),
        ("bl", "bool[Bool(true)]"),
        ("cl", "complex[Complex(Complex { re: 1.0, im: 2.0 })]"),
        ("nested", "List[int][int[1], int[2, 3]]"),
        ("el", "str[]"),
        ("tu", "(1, \"x\", int[1])"),
        ("ot", "Optional[Tensor][None, float32[1]]"),
        ("dd", "{1: {\"a\": float32[1]}}"),
        ("h", "float16[3]"),
        ("bf", "bfloat16[3]"),
        ("e", "float32[0]"),
        ("bo", "bool[1]"),
        ("c64", "complex64[2]"),
        ("u16", "uint16[3]"),
        ("f8", "float8_e5m2[3]"),
        ("ex", "float32[5, 5]"),
        ("big", "1099511627776"),
        ("neg", "-3"),
        ("uni", "\"é\\n\""),
        ("ml.0.weight", "float32[1, 1]"),
        ("i.training", "Bool(true)"),
        ("st.x", "Uninitialized"),
    ];
    for (path, text) in expected {
        assert_eq!(show(&attribute(&root, path)), text, "{path}");
    }
    assert_eq!(tensor(&root, "u16").to_vec::<u16>(), [1, 1, 1]);
    assert_eq!(tensor(&root, "ex").storage().content().len(), 4, "an expanded tensor stays one element");
    let [(object, state)] = &pending_set_state[..] else { panic!() };
    assert_eq!((&*object.class().name, show(state).as_str()), ("__torch__.St", "(5, \"a\")"));
}

#[test]
fn what_was_shared_stays_shared() {
    let Rebuilt { value: Value::Object(root), .. } = everything() else { panic!() };
    let (weight, tied) = (tensor(&root, "ml.0.weight"), tensor(&root, "tied.weight"));
    assert!(weight.is(&tied), "a tied parameter is one tensor");
    assert!(!weight.is(&tensor(&root, "ml.1.weight")));
    let Value::Object(root) = load("script.pt").unwrap() else { panic!() };
    let same = tensor(&root, "a.weight").is(&tensor(&root, "b.weight"));
    assert!(same, "PyTorch scripts a module under two names twice, around the same parameters");
    let (v, w) = (tensor(&root, "v"), tensor(&root, "w"));
    assert!(v.storage().is(&w.storage()) && !v.is(&w), "two views share their memory");
    w.write(&[10f32, 20.0]);
    assert_eq!(v.to_vec::<f32>(), [1.0, 10.0]);
}

/// Loads `script.pt`, whose classes are assumed to have attributes of any type.
fn load(name: &str) -> Result<Value, Error> {
    let archive = Archive::read(&file(name))?;
    let linear: &[(&str, &str)] =
        &[("weight", "Any"), ("bias", "Any"), ("training", "Any"), ("_is_full_backward_hook", "Any")];
    let names =
        ["training", "_is_full_backward_hook", "a", "b", "l", "d", "e", "o", "ts", "p", "k", "c", "dev", "v", "w"];
    let module: Vec<(&str, &str)> = names.iter().map(|name| (*name, "Any")).collect();
    let mut classes = classes(&[
        ("__torch__.M", module_kind(), &module),
        ("__torch__.Color", ClassKind::Enum, &[]),
        ("__torch__.torch.nn.modules.linear.Linear", module_kind(), linear),
    ]);
    let color = Arc::get_mut(classes.get_mut("__torch__.Color").unwrap()).unwrap();
    color.constants = [("RED".into(), Value::Int(1)), ("BLUE".into(), Value::Int(2))].into();
    archive.root(&classes, &mut allocator()).map(|rebuilt| rebuilt.value)
}

#[test]
fn enums_and_named_tuples_take_their_classes_word() {
    let Value::Object(root) = load("script.pt").unwrap() else { panic!() };
    let Value::Enum(member) = attribute(&root, "e") else { panic!() };
    assert_eq!((&*member.class, &*member.name), ("__torch__.Color", "BLUE"));
    assert_eq!(show(&attribute(&root, "p")), "(float32[1], 3)", "a named tuple is a tuple");
    assert_eq!(show(&attribute(&root, "dev")), "Device(\"cpu\")");
    assert_eq!(show(&attribute(&root, "d")), "{\"k\": float[Float(1.5)]}");
}

/// `everything.pt` with a changed class is refused with these words.
fn check_refused(class: &str, change: impl Fn(&mut Class), words: &str) {
    let mut classes = everything_classes();
    change(Arc::get_mut(classes.get_mut(class).unwrap()).unwrap());
    let error =
        Archive::read(&file("everything.pt")).unwrap().root(&classes, &mut allocator()).unwrap_err().to_string();
    assert!(error.starts_with("record data.pkl, byte ") && error.contains(words), "{error}");
}

#[test]
fn objects_have_the_attributes_of_their_class() {
    let of = |class: &mut Class, name: &str, ty: Type| {
        let index = class.attribute(name).unwrap();
        class.attributes[index].ty = ty;
    };
    check_refused(
        "__torch__.M",
        |class| drop(class.attributes.remove(4)),
        "the class `__torch__.M` has no attribute `u`",
    );
    let more =
        |class: &mut Class| class.attributes.push(crate::module::Attribute { name: "more".into(), ty: Type::Int });
    check_refused("__torch__.Box", more, "the object of `__torch__.Box` lacks the attribute `more`");
    let words = "attribute `h` of `__torch__.M`: expected a value of type int, found Tensor";
    check_refused("__torch__.M", |class| of(class, "h", Type::Int), words);
    let words = "attribute `tu` of `__torch__.M`: expected a value of type str, found int";
    check_refused("__torch__.M", |class| of(class, "tu", Type::tuple([Type::Str, Type::Str, Type::Any])), words);
    let words = "attribute `box` of `__torch__.M`: expected a value of type __torch__.St, found __torch__.Box";
    check_refused("__torch__.M", |class| of(class, "box", Type::named("__torch__.St")), words);
    check_refused(
        "__torch__.Box",
        |class| class.kind = ClassKind::Enum,
        "`__torch__.Box` is not a class that has objects",
    );
}

#[test]
fn memory_has_its_limit() {
    let mut small = crate::slot::Allocator::new(0, crate::slot::Memory::with_limit(10));
    let error = Archive::read(&file("good.pt"))
        .unwrap()
        .root(&classes(&[("__torch__.M", module_kind(), &[("w", "Tensor"), ("training", "bool")])]), &mut small);
    let words = "record data.pkl, byte 112: a storage of 16 bytes goes beyond the limit of 10 bytes";
    assert_eq!(error.unwrap_err().to_string(), words);
}

#[test]
fn debug_tables_lead_to_the_users_source() {
    let archive = Archive::read(&file("script.pt")).unwrap();
    let code = &archive.code["__torch__.py"];
    let at = code.text.find("torch.wait(").unwrap();
    let span = code.debug.as_ref().unwrap().lookup(at).unwrap();
    assert!(span.file().ends_with("net.py"), "{span}");
    assert_eq!(span.text(), "torch.jit.wait", "the callee, as in PyTorch's own messages");
    let rows = code.debug.as_ref().unwrap().rows();
    let mut sources: Vec<_> = rows.filter_map(|row| row.1).map(|span| Arc::as_ptr(span.source())).collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 1, "one function, one source");
}

#[test]
fn saved_values_go_round() {
    let value = read_saved(&file("saved.pt"), &mut allocator()).unwrap();
    let text = concat!(
        r#"{"a": (float32[6], float32[2]), "b": Any[1, Float(2.5), None, Bool(true), "x"], "p": float32[6], "u": uint16[], "#,
        r#""c": Complex(Complex { re: 1.0, im: 2.0 }), "d": Device("cpu"), "n": -5, "big": 1099511627776}"#,
    );
    assert_eq!(show(&value), text);
    let written = write_saved(&value).unwrap();
    assert_eq!(written, write_saved(&value).unwrap(), "the bytes are a function of the value");
    let again = read_saved(&written, &mut allocator()).unwrap();
    assert_eq!(show(&again), text);
    let Value::Dict(dict) = &again else { panic!() };
    let entry = |name: &str| dict.content().entries[&Key::Str(name.into())].clone();
    let (Value::Tuple(pair), Value::Tensor(parameter)) = (entry("a"), entry("p")) else { panic!() };
    let [Value::Tensor(whole), Value::Tensor(part)] = &pair[..] else { panic!() };
    assert!(whole.storage().is(&part.storage()) && whole.storage().is(&parameter.storage()));
    assert_eq!((part.to_vec::<f32>(), parameter.metadata().requires_grad), (vec![2.0, 3.0], true));
    let state_dict = read_saved(&file("state_dict.pt"), &mut allocator()).unwrap();
    let names = r#""weight": float32[2], "bias": float32[2], "running_mean": float32[2], "running_var": float32[2]"#;
    assert_eq!(show(&state_dict), format!("{{{names}, \"num_batches_tracked\": int64[]}}"));
}

#[test]
fn one_storage_may_be_seen_with_two_dtypes() {
    let mut allocator = allocator();
    let floats = Tensor::from_vec(&mut allocator, &[2], &[1.0f32, -2.0]).unwrap();
    let layout = crate::tensor::Layout::contiguous(&[2]);
    let ints = Tensor::new(&mut allocator, floats.storage(), DType::Int32, layout);
    let written = write_saved(&Value::tuple([Value::Tensor(floats), Value::Tensor(ints)])).unwrap();
    let Value::Tuple(pair) = read_saved(&written, &mut allocator).unwrap() else { panic!() };
    let [Value::Tensor(floats), Value::Tensor(ints)] = &pair[..] else { panic!() };
    assert!(floats.storage().is(&ints.storage()));
    assert_eq!((floats.to_vec::<f32>(), ints.to_vec::<i32>()[0]), (vec![1.0, -2.0], 1.0f32.to_bits() as i32));
}

#[test]
fn saving_refuses_what_it_cannot_hold() {
    let refused = write_saved(&Value::tuple([Value::Future(std::sync::Arc::new(0))])).unwrap_err();
    assert_eq!(refused.message(), "expected a value that torch.save can hold, found Future(0)");
    let deep = (0..600).fold(Value::None, |inner, _| Value::tuple([inner]));
    assert_eq!(write_saved(&deep).unwrap_err().message(), "expected a value nested at most 500 deep");
    let refused = read_saved(&file("script.pt"), &mut allocator()).unwrap_err();
    assert_eq!(refused.message(), "expected a file of torch.save, found a TorchScript archive, which holds a program");
}

#[test]
fn an_object_of_a_class_in_cpp_keeps_what_it_was_saved_as() {
    let pickle: &[u8] =
        b"\x80\x02c__torch__\nM\n)\x81}(X\x01\x00\x00\x00ac__torch__.torch.classes.x\nCtx\n)\x81(K\x01K\x02tbub.";
    let records =
        [("version", &b"3\n"[..]), ("data.pkl", pickle), ("constants.pkl", b"\x80\x02)."), ("code/__torch__.py", b"")];
    let records = records.map(|(name, bytes)| (format!("m/{name}"), bytes.to_vec()));
    let classes = classes(&[("__torch__.M", module_kind(), &[("a", "__torch__.torch.classes.x.Ctx")])]);
    let archive = Archive::read(&super::zipped(&records)).unwrap();
    let Value::Object(root) = archive.root(&classes, &mut allocator()).unwrap().value else { panic!("an object") };
    let Value::Object(object) = attribute(&root, "a") else { panic!("an object") };
    assert_eq!(
        (&*object.class().name, &*show(&attribute(&root, "a.state"))),
        ("__torch__.torch.classes.x.Ctx", "(1, 2)")
    );
}

#[test]
fn a_quantized_tensor_is_what_it_holds() {
    let pickle: &[u8] =
        b"\x80\x02c__torch__\nM\n)\x81}(X\x01\x00\x00\x00actorch._utils\n_rebuild_qtensor\n((X\x07\x00\x00\x00storage\
        ctorch\nQInt8Storage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\
        (ctorch\nper_tensor_affine\nG?\xe0\x00\x00\x00\x00\x00\x00K\x00t\x89ccollections\nOrderedDict\n)RtRub.";
    let records = [
        ("version", &b"3\n"[..]),
        ("data.pkl", pickle),
        ("data/0", b"\x01\xff"),
        ("constants.pkl", b"\x80\x02)."),
        ("code/__torch__.py", b""),
    ];
    let records = records.map(|(name, bytes)| (format!("m/{name}"), bytes.to_vec()));
    let classes = classes(&[("__torch__.M", module_kind(), &[("a", "Tensor")])]);
    let archive = Archive::read(&super::zipped(&records)).unwrap();
    let Value::Object(root) = archive.root(&classes, &mut allocator()).unwrap().value else { panic!("an object") };
    assert_eq!(show(&attribute(&root, "a")), "qint8[2]");
}
