//! All that is needed to run: a module, the method to enter it by, and its inputs.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use forkcheck_model::Error;
use forkcheck_model::copy::copy_deep;
use forkcheck_model::graph::Span;
use forkcheck_model::module::{FunctionId, Module, Parameter};
use forkcheck_model::operators::{GeneratorState, Modes};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{Bool8, Layout, Math, Tensor};
use forkcheck_model::value::{Key, Value};
use forkcheck_scheduler::Tasks;

use crate::config::{Atomicity, Library};
use crate::execution::Site;
use crate::machine::code::Codes;
use crate::machine::reuse::Reuse;
use crate::machine::{ChildFirst, Machine};
use crate::names::{self, NameKey, Named};

/// A module, an entry and its inputs. Cheap to clone: executions on other threads hold the same one.
#[derive(Debug, Clone)]
pub struct Program(Arc<Parts>);

/// What a program consists of.
#[derive(Debug)]
pub struct Parts {
    /// What the user calls it: the path of the archive.
    pub name: String,
    /// The module.
    pub module: Module,
    /// The method that is entered.
    pub method: String,
    /// The same, by number.
    pub entry: FunctionId,
    /// The arguments after `self`, one for each parameter.
    pub inputs: Vec<Value>,
    /// The module's functions, flat.
    pub codes: Codes,
    /// Whose frames are not the user's.
    pub library: Library,
    /// What the user calls everything that exists before the run.
    pub names: BTreeMap<NameKey, Named>,
    /// What kernels gave, for executions that come later.
    pub reuse: Reuse,
    /// How its kernels compute.
    pub math: Math,
}

impl Program {
    /// The program that calls `method` of `module` on `inputs`, defaults filled in.
    ///
    /// # Errors
    /// If there is no such method, or the inputs are not those that it takes.
    pub fn new(name: &str, module: Module, method: &str, inputs: Inputs, library: Library) -> Result<Self, Error> {
        let entry = module.method(method).ok_or_else(|| {
            let known: Vec<_> = module.root.class().methods.keys().map(|name| name.to_string()).collect();
            Error::new(format!("expected a method of the module ({}), found `{method}`", known.join(", ")))
        })?;
        let params = &module.function(entry).params[1..];
        let inputs = inputs.bind(method, params)?;
        // Every execution starts with copies that are named alike, so these names hold in all of them.
        let mut values = vec![Value::Object(module.root.clone())];
        values.extend(inputs.iter().cloned());
        let copies = copy_deep(&values, &mut Allocator::new(0, Memory::unlimited()));
        let names: Vec<String> = params.iter().map(|param| param.name.to_string()).collect();
        let names = names::of_entry(&names, &copies[1..], &copies[0]);
        let codes = Codes::of(&module);
        let name = name.to_string();
        let method = method.into();
        Ok(Self(Arc::new(Parts {
            name,
            method,
            entry,
            inputs,
            codes,
            library,
            names,
            reuse: Reuse::default(),
            math: Math::Native,
            module,
        })))
    }

    /// The same program with kernels that compute so.
    ///
    /// # Panics
    /// If the program is shared already: what its kernels gave is kept for all who have it.
    pub fn with_math(mut self, math: Math) -> Self {
        Arc::get_mut(&mut self.0).expect("nobody else has the program").math = math;
        self
    }
}

impl Deref for Program {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Parts {
    /// The modes that the entry starts in.
    pub(crate) fn modes(&self) -> Modes {
        Modes { math: self.math, ..Modes::default() }
    }

    /// The root object and the arguments, copied for one execution.
    pub(crate) fn entry_values(&self, allocator: &mut Allocator) -> Vec<Value> {
        let mut values = vec![Value::Object(self.module.root.clone())];
        values.extend(self.inputs.iter().cloned());
        copy_deep(&values, allocator)
    }

    /// The constants that can be written, copied for one execution: all at once, because nodes that name one entry of the
    /// archive's constants share it.
    pub(crate) fn shared_values(&self, allocator: &mut Allocator) -> Vec<Value> {
        let values: Vec<Value> = self.codes.shared.iter().map(|shared| shared.value.clone()).collect();
        copy_deep(&values, allocator)
    }

    /// The innermost place of a stack that the user wrote; if all of it is library code, the innermost place.
    pub fn user_span(&self, stack: &[Site]) -> Option<&Span> {
        self.library.users(stack.iter().filter_map(|&site| self.span(site)))
    }

    /// Where the user wrote what stands at a site.
    pub fn span(&self, site: Site) -> Option<&Span> {
        if site == Site::LOOK { None } else { self.codes.site(site).span.as_ref() }
    }

    /// PyTorch's name of what stands at a site.
    pub fn operator(&self, site: Site) -> &str {
        if site == Site::LOOK { "return" } else { &self.codes.site(site).operator }
    }

    /// The name of the function that a site is in.
    pub fn function_name(&self, site: Site) -> &str {
        if site == Site::LOOK {
            return &self.method;
        }
        &self.module.function(self.codes.site(site).function).name
    }
}

/// Arguments as a user gives them.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// One after the other.
    Positional(Vec<Value>),
    /// By name.
    Keyword(Vec<(String, Value)>),
}

impl Inputs {
    /// The inputs that a file of `torch.save` holds: a tuple of arguments, or a dict of keyword arguments if all its
    /// keys are names of parameters, or else one argument.
    pub fn from_saved(value: Value, params: &[String]) -> Inputs {
        match &value {
            Value::Tuple(items) => Inputs::Positional(items.to_vec()),
            Value::Dict(dict) => {
                let content = dict.content();
                let named = content.entries.iter().map(|(key, value)| match key {
                    Key::Str(name) if params.iter().any(|param| **param == **name) => {
                        Some((name.to_string(), value.clone()))
                    }
                    _ => None,
                });
                let named: Option<Vec<_>> = named.collect();
                match named.filter(|named| !named.is_empty()) {
                    Some(named) => Inputs::Keyword(named),
                    None => Inputs::Positional(vec![value.clone()]),
                }
            }
            _ => Inputs::Positional(vec![value]),
        }
    }

    fn bind(self, method: &str, params: &[Parameter]) -> Result<Vec<Value>, Error> {
        let takes: Vec<_> = params.iter().map(|param| format!("{}: {}", param.name, param.ty.code())).collect();
        let takes = format!("{method}({})", takes.join(", "));
        let mut given: Vec<Option<Value>> = match self {
            Inputs::Positional(values) => {
                if values.len() > params.len() {
                    let message =
                        format!("expected at most {} inputs for {takes}, found {}", params.len(), values.len());
                    return Err(Error::new(message));
                }
                values.into_iter().map(Some).collect()
            }
            Inputs::Keyword(mut named) => params
                .iter()
                .map(|param| named.iter().position(|(name, _)| **name == *param.name).map(|i| named.swap_remove(i).1))
                .collect(),
        };
        given.resize(params.len(), None);
        let bound = given.into_iter().zip(params).map(|(value, param)| {
            let value = value.or_else(|| param.default.clone());
            let value = value
                .ok_or_else(|| Error::new(format!("expected an input for `{}` of {takes}, found none", param.name)))?;
            let stray = stray_key(&value, params);
            crate::convert::to_type(value, &param.ty).map_err(|found| {
                let keys = stray.map(|key| {
                    format!("; the keys of a dict are names of arguments, but `{key}` is none of these parameters")
                });
                let keys = keys.unwrap_or_default();
                Error::new(format!("expected `{}` of {takes}, found {found}{keys}", param.name))
            })
        });
        bound.collect()
    }
}

/// The first key that keeps a dict from being keyword arguments, if others are names of parameters.
fn stray_key(value: &Value, params: &[Parameter]) -> Option<Arc<str>> {
    let Value::Dict(dict) = value else { return None };
    let content = dict.content();
    let keys = content.entries.keys().filter_map(|key| if let Key::Str(name) = key { Some(name) } else { None });
    let is_named = |name: &&Arc<str>| params.iter().any(|param| *param.name == ***name);
    let (named, stray): (Vec<_>, Vec<_>) = keys.partition(is_named);
    stray.first().filter(|_| !named.is_empty()).map(|&name| name.clone())
}

impl Program {
    /// The names of the entry's parameters after `self`.
    pub fn input_names(&self) -> Vec<String> {
        self.module.function(self.entry).params[1..].iter().map(|param| param.name.to_string()).collect()
    }
}

/// Loads an archive, and runs the `__setstate__` of the classes that have one.
///
/// # Errors
/// If the bytes are not an archive that can be resolved, or a `__setstate__` raises.
pub fn load(bytes: &[u8], memory: u64) -> Result<Module, Error> {
    let mut module = Module::load(bytes, &mut Allocator::new(0, Memory::with_limit(memory)))?;
    for (object, state) in std::mem::take(&mut module.pending_set_state) {
        let class = object.class().clone();
        let function = class.methods.get("__setstate__").copied();
        let function = function.ok_or_else(|| Error::new(format!("expected {} to have a __setstate__", class.name)))?;
        call(&mut module, function, vec![Value::Object(object), state], memory)?;
    }
    Ok(module)
}

/// The inputs that are bundled with the module, if there are any: the first of them.
///
/// # Errors
/// If the code that makes them raises.
pub fn bundled(module: &Module, memory: u64) -> Result<Option<Inputs>, Error> {
    let Some(function) = module.method("get_all_bundled_inputs") else { return Ok(None) };
    let mut module = module.clone();
    let root = Value::Object(module.root.clone());
    let all = call(&mut module, function, vec![root], memory)?;
    let first = match &all {
        Value::List(list) => list.content().items.first().cloned(),
        _ => None,
    };
    Ok(match first {
        Some(Value::Tuple(items)) => Some(Inputs::Positional(items.to_vec())),
        _ => None,
    })
}

/// Runs one function of a module on the module's own objects, before any program is made of it.
fn call(module: &mut Module, function: FunctionId, args: Vec<Value>, memory: u64) -> Result<Value, Error> {
    let codes = Codes::of(module);
    let program = Program(Arc::new(Parts {
        name: String::new(),
        method: String::new(),
        entry: function,
        inputs: Vec::new(),
        codes,
        library: Library::default(),
        names: BTreeMap::new(),
        reuse: Reuse::default(),
        math: Math::Native,
        module: module.clone(),
    }));
    let name = &program.module.function(function).name;
    let limits = crate::config::Limits { memory, ..Default::default() };
    let mut machine = Machine::on(&program, args, Atomicity::Op, limits, Tasks::new());
    machine.run(&mut ChildFirst);
    let cut = machine.cut().map(ToString::to_string);
    match machine.into_result() {
        Some(Ok(value)) => Ok(value),
        Some(Err(raised)) => Err(Error::new(format!("expected {name} to run, it raised: {}", raised.message))),
        None => {
            let found = cut.unwrap_or_else(|| "it waits for ever".into());
            Err(Error::new(format!("expected {name} to run to its end, found: {found}")))
        }
    }
}

/// Arguments made up from `--example` texts: `f32[1,3]` is a tensor of normals, `i64[4]<10` of integers below ten; `3`,
/// `0.5`, `"text"`, `True` are themselves.
///
/// # Errors
/// If a text is none of these.
pub fn examples(texts: &[String], seed: u64, memory: u64) -> Result<Inputs, Error> {
    let mut allocator = Allocator::new(0, Memory::with_limit(memory));
    let mut generator = GeneratorState::seeded(seed);
    let values = texts.iter().map(|text| {
        example(text, &mut generator, &mut allocator).ok_or_else(|| {
            Error::new(format!(
                "expected an example such as f32[1,3,64,64], i64[4]<10, 3, 0.5 or \"text\", found `{text}`"
            ))
        })
    });
    Ok(Inputs::Positional(values.collect::<Result<_, _>>()?))
}

fn example(text: &str, generator: &mut GeneratorState, allocator: &mut Allocator) -> Option<Value> {
    match text {
        "True" => return Some(Value::Bool(true)),
        "False" => return Some(Value::Bool(false)),
        "None" => return Some(Value::None),
        _ => {}
    }
    if let Some(text) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return Some(Value::str(text));
    }
    if let Ok(value) = text.parse::<i64>() {
        return Some(Value::Int(value));
    }
    if let Ok(value) = text.parse::<f64>() {
        return Some(Value::Float(value));
    }
    let (dtype, rest) = text.split_once('[')?;
    let (sizes, below) = rest.split_once(']')?;
    let sizes: Vec<i64> = match sizes.trim() {
        "" => Vec::new(),
        sizes => sizes.split(',').map(|size| size.trim().parse().ok()).collect::<Option<_>>()?,
    };
    let count = Layout::count(&sizes)? as usize;
    let below = match below.strip_prefix('<') {
        Some(below) => below.trim().parse::<u64>().ok().filter(|&below| below > 0)?,
        None if below.is_empty() => 10,
        None => return None,
    };
    // The meter refuses before anything is drawn.
    allocator.memory().charge((count as u64).checked_mul(8)?).ok()?;
    let mut normal = || {
        // Box and Muller, 1958.
        let uniform = |generator: &mut GeneratorState| (f64::from(generator.next_u32()) + 0.5) / 4294967296.0;
        let (u, v) = (uniform(generator), uniform(generator));
        let math = Math::Portable;
        (-2.0 * math.ln(u)).sqrt() * math.cos(std::f64::consts::TAU * v)
    };
    macro_rules! tensor {
        ($draw:expr) => {{
            let elements: Vec<_> = (0..count).map(|_| $draw).collect();
            Tensor::from_vec(allocator, &sizes, &elements).ok()?
        }};
    }
    Some(Value::Tensor(match dtype {
        "f32" => tensor!(normal() as f32),
        "f64" => tensor!(normal()),
        "f16" => tensor!(half::f16::from_f64(normal())),
        "bf16" => tensor!(half::bf16::from_f64(normal())),
        "i64" => tensor!((generator.next_u64() % below) as i64),
        "i32" => tensor!((generator.next_u64() % below) as i32),
        "i16" => tensor!((generator.next_u64() % below) as i16),
        "i8" => tensor!((generator.next_u64() % below) as i8),
        "u8" => tensor!((generator.next_u64() % below) as u8),
        "bool" => tensor!(Bool8::from(generator.next_u32() & 1 == 1)),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forkcheck_model::DType;

    fn one(text: &str) -> Option<Value> {
        match examples(&[text.to_string()], 0, 1 << 20) {
            Ok(Inputs::Positional(mut values)) => values.pop(),
            _ => None,
        }
    }

    #[test]
    fn examples_are_tensors_or_themselves() {
        for (text, dtype, sizes) in [
            ("f32[1,3,8]", DType::Float32, vec![1, 3, 8]),
            ("f64[]", DType::Float64, vec![]),
            ("bf16[2]", DType::BFloat16, vec![2]),
            ("bool[4]", DType::Bool, vec![4]),
            ("i64[0]", DType::Int64, vec![0]),
        ] {
            let Some(Value::Tensor(tensor)) = one(text) else { panic!("{text}") };
            assert_eq!((tensor.dtype(), tensor.sizes().to_vec()), (dtype, sizes), "{text}");
        }
        let Some(Value::Tensor(tensor)) = one("i64[100]<3") else { panic!("a tensor") };
        assert!(tensor.to_vec::<i64>().iter().all(|element| (0..3).contains(element)));
        assert!(matches!(one("3"), Some(Value::Int(3))));
        assert!(matches!(one("-0.5"), Some(Value::Float(value)) if value == -0.5));
        assert!(matches!(one("\"a b\""), Some(Value::Str(text)) if &*text == "a b"));
        assert!(matches!(one("True"), Some(Value::Bool(true))));
        for bad in
            ["f32", "f32[", "f32[1", "f32[-1]", "f32[x]", "x32[1]", "i64[1]<0", "i64[1]3", "f32[1048576,1048576]", ""]
        {
            assert!(one(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_dict_is_keyword_arguments_if_all_its_keys_are_parameters() {
        use forkcheck_model::types::Type;
        use forkcheck_model::value::{Dict, DictContent, Key};
        let dict = |keys: &[&str]| {
            let entries = keys.iter().map(|&key| (Key::Str(key.into()), Value::Int(1))).collect();
            let content = DictContent { key: Type::Str, value: Type::Int, entries };
            Value::Dict(Dict::new(&mut Allocator::new(0, Memory::unlimited()), content))
        };
        let params = ["x".to_string(), "y".to_string()];
        assert!(matches!(Inputs::from_saved(dict(&["y"]), &params), Inputs::Keyword(named) if named.len() == 1));
        assert!(
            matches!(Inputs::from_saved(dict(&["y", "z"]), &params), Inputs::Positional(values) if values.len() == 1)
        );
        assert!(matches!(Inputs::from_saved(dict(&[]), &params), Inputs::Positional(values) if values.len() == 1));
        // Who misspells one of them is told which.
        let param = |name: &String| Parameter { name: name.as_str().into(), ty: Type::Int, default: None };
        let error = |keys: &[&str]| {
            let inputs = Inputs::from_saved(dict(keys), &params);
            inputs.bind("forward", &params.iter().map(param).collect::<Vec<_>>()).unwrap_err().to_string()
        };
        let found = "expected `x` of forward(x: int, y: int), found a dict where int was expected";
        assert_eq!(error(&["z"]), found);
        let stray = "the keys of a dict are names of arguments, but `z` is none of these parameters";
        assert_eq!(error(&["y", "z"]), format!("{found}; {stray}"));
    }
}
