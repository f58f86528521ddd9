//! Everything that code files declare: classes, attributes, constants, and the signatures of all functions.
//!
//! Definitions refer to each other across files in any order, so that the names are gathered first, then the
//! types, and the bodies are left for later.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::annotations::{Checked, Complaint, complain, dotted, type_of};
use super::hierarchy::{Classes, is_subtype};
use super::lower::type_of_value;
use super::syntax::line_of;
use super::tree::{self, Definition, Expr, ExprKind, Member};
use crate::archive::CodeFile;
use crate::error::Error;
use crate::graph::{Source, Span};
use crate::module::{Attribute, Class, ClassKind, FunctionId, Parameter};
use crate::slot::Allocator;
use crate::types::Type;
use crate::value::{Dict, DictContent, EnumMember, Key, List, ListContent, Value};

/// What is declared, and where the bodies are.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// The version of the archive, which says what operators mean.
    pub(super) version: u32,
    /// The code files.
    pub(super) files: Vec<SourceFile<'a>>,
    /// Names of all class-like types.
    pub(super) class_names: BTreeSet<Arc<str>>,
    /// Every class-like type.
    pub(super) classes: Classes,
    /// Every function and method, by number.
    pub(super) functions: Vec<Signature<'a>>,
    /// Free functions by qualified name.
    pub(super) names: BTreeMap<Arc<str>, FunctionId>,
    /// The places of attributes in their classes, by class and name. Only looked up, never iterated.
    attribute_places: FxHashMap<Arc<str>, FxHashMap<Arc<str>, usize>>,
    /// Constants of classes that stand in the archive's table: by class and name, the place in the table.
    pub(super) table_constants: BTreeMap<(Arc<str>, Arc<str>), usize>,
    /// Defaults of parameters that stand in the table.
    table_defaults: Vec<TableDefault>,
}

/// A default that stands in the archive's table: of which parameter, and where in the table.
#[derive(Debug)]
struct TableDefault {
    function: usize,
    param: usize,
    index: usize,
    place: tree::Place,
}

/// A code file with its tree.
#[derive(Debug)]
pub(super) struct SourceFile<'a> {
    /// The record.
    pub(super) code: &'a CodeFile,
    /// The text as a source of spans, for what the debug records do not know.
    pub(super) source: Arc<Source>,
}

/// A function before its body is looked at.
#[derive(Debug)]
pub(super) struct Signature<'a> {
    /// Qualified name.
    pub(super) name: Arc<str>,
    /// Parameters, `self` first.
    pub(super) params: Vec<Parameter>,
    /// What it returns.
    pub(super) returns: Type,
    /// Which file it stands in.
    pub(super) file: usize,
    /// Its definition; `None` where an interface only declares it.
    pub(super) body: Option<&'a tree::Function>,
}

impl Program<'_> {
    /// Gives the parameters their defaults that stand in the archive's table.
    pub(super) fn fill_defaults(&mut self, table: &[Value]) -> Result<(), Error> {
        for default in std::mem::take(&mut self.table_defaults) {
            let signature = &mut self.functions[default.function];
            let param = &mut signature.params[default.param];
            param.default = table.get(default.index).cloned();
            let found = param.default.as_ref().map(type_of_value);
            if !found.as_ref().is_some_and(|found| is_subtype(&self.classes, found, &param.ty)) {
                let found = found.map_or("nothing".into(), |ty| format!("`{ty}`"));
                let complaint = format!("expected `{}` in the table of constants, found {found}", param.ty);
                let file = &self.files[signature.file];
                return Err(file.error(Complaint { message: complaint, place: default.place }));
            }
        }
        Ok(())
    }

    /// The place of an attribute in its class, found without a search.
    pub(super) fn attribute(&self, class: &Class, name: &str) -> Option<usize> {
        self.attribute_places.get(&class.name)?.get(name).copied()
    }
}

impl SourceFile<'_> {
    /// A complaint as an error that names the record and the line.
    pub(super) fn error(&self, complaint: Complaint) -> Error {
        Error::new(complaint.message)
            .at_line(line_of(&self.code.text, complaint.place.start))
            .in_record(&*self.code.record)
    }

    /// The code file's own text at `place`.
    pub(super) fn own_span(&self, place: tree::Place) -> Span {
        Span::new(self.source.clone(), place.start as usize, place.end as usize)
    }
}

/// The qualified prefix of the definitions in a code file: `__torch__/a/b.py` holds `__torch__.a.b.…`.
fn prefix(path: &str) -> String {
    path.strip_suffix(".py").unwrap_or(path).replace('/', ".")
}

/// Declares everything in `files`: paths below `code/`, records and trees.
pub(super) fn declare<'a>(
    files: &'a [(&'a str, &'a CodeFile, tree::File)],
    version: u32,
    allocator: &mut Allocator,
) -> Result<Program<'a>, Error> {
    let mut declarer = Declarer {
        program: Program {
            version,
            files: files.iter().map(|(_, code, _)| SourceFile { code, source: own_source(code) }).collect(),
            class_names: BTreeSet::new(),
            classes: Classes::new(),
            functions: Vec::new(),
            names: BTreeMap::new(),
            attribute_places: FxHashMap::default(),
            table_constants: BTreeMap::new(),
            table_defaults: Vec::new(),
        },
        allocator,
    };
    let all = || {
        files.iter().enumerate().flat_map(|(i, (path, _, tree))| {
            let prefix = prefix(path);
            tree.definitions.iter().map(move |definition| (i, prefix.clone(), definition))
        })
    };
    for (file, prefix, definition) in all() {
        if let Definition::Class(class) = definition
            && !declarer.program.class_names.insert(qualified(&prefix, &class.name))
        {
            let twice = complain::<()>(class.place, format!("class `{}` is defined twice", class.name));
            return Err(declarer.program.files[file].error(twice.expect_err("a complaint")));
        }
    }
    // Constants of a class may be members of an enum, never the other way round.
    for enums in [true, false] {
        for (file, prefix, definition) in all() {
            let checked = match definition {
                Definition::Class(class) if is_enum(class) == enums => declarer.class(file, &prefix, class),
                Definition::Function(function) if !enums => declarer.free_function(file, &prefix, function),
                _ => Ok(()),
            };
            checked.map_err(|complaint| declarer.program.files[file].error(complaint))?;
        }
    }
    Ok(declarer.program)
}

fn own_source(code: &CodeFile) -> Arc<Source> {
    Arc::new(Source {
        file: code.record.clone(),
        text: code.text.clone(),
        first_line: 1,
        first_column: 0,
        trace: String::new(),
        lines: Default::default(),
    })
}

fn qualified(prefix: &str, name: &str) -> Arc<str> {
    format!("{prefix}.{name}").into()
}

fn is_enum(class: &tree::Class) -> bool {
    class.base.as_deref() == Some("Enum")
}

struct Declarer<'a, 'b> {
    program: Program<'a>,
    allocator: &'b mut Allocator,
}

impl<'a> Declarer<'a, '_> {
    fn class(&mut self, file: usize, prefix: &str, class: &'a tree::Class) -> Checked<()> {
        let name = qualified(prefix, &class.name);
        let mut declared = Class {
            name: name.clone(),
            kind: class_kind(class)?,
            attributes: Vec::new(),
            constants: BTreeMap::new(),
            methods: BTreeMap::new(),
        };
        for member in &class.members {
            match member {
                Member::Names(..) => {}
                Member::Attribute { name: attribute, ty, value, place } => {
                    self.attribute(&mut declared, attribute, ty.as_ref(), value.as_ref(), *place)?;
                }
                Member::Method(method) => {
                    let body = (declared.kind != ClassKind::Interface).then_some(method);
                    let id = self.function(file, &name, method, body, Some(&name))?;
                    if declared.methods.insert(method.name.clone(), id).is_some() {
                        return complain(method.place, format!("method `{}` is defined twice", method.name));
                    }
                }
            }
        }
        self.program.classes.insert(name, Arc::new(declared));
        Ok(())
    }

    fn attribute(
        &mut self,
        class: &mut Class,
        name: &Arc<str>,
        ty: Option<&Expr>,
        value: Option<&Expr>,
        place: tree::Place,
    ) -> Checked<()> {
        let places = self.program.attribute_places.entry(class.name.clone()).or_default();
        if places.contains_key(name) || class.constants.contains_key(name) {
            return complain(place, format!("attribute `{name}` is declared twice"));
        }
        match (ty, value) {
            (Some(ty), None) => {
                places.insert(name.clone(), class.attributes.len());
                class.attributes.push(Attribute { name: name.clone(), ty: type_of(&self.program.class_names, ty)? });
            }
            (ty, Some(value)) => {
                let ty = ty.map(|ty| type_of(&self.program.class_names, ty)).transpose()?;
                if let Some(index) = table_index(value)? {
                    self.program.table_constants.insert((class.name.clone(), name.clone()), index);
                    return Ok(());
                }
                let value = literal(&self.program.classes, value, ty.as_ref(), self.allocator)?;
                let value = match class.kind {
                    ClassKind::Enum => {
                        let (class, name) = (class.name.clone(), name.clone());
                        Value::Enum(Arc::new(EnumMember { class, name, value }))
                    }
                    _ => value,
                };
                class.constants.insert(name.clone(), value);
            }
            (None, None) => unreachable!("the parser gives a type or a value"),
        }
        Ok(())
    }

    fn free_function(&mut self, file: usize, prefix: &str, function: &'a tree::Function) -> Checked<()> {
        let id = self.function(file, prefix, function, Some(function), None)?;
        match self.program.names.insert(qualified(prefix, &function.name), id) {
            Some(_) => complain(function.place, format!("function `{}` is defined twice", function.name)),
            None => Ok(()),
        }
    }

    /// Declares a function; a method's first parameter is of its class even where the text does not say so.
    fn function(
        &mut self,
        file: usize,
        prefix: &str,
        function: &'a tree::Function,
        body: Option<&'a tree::Function>,
        class: Option<&Arc<str>>,
    ) -> Checked<FunctionId> {
        let mut params: Vec<Parameter> = Vec::with_capacity(function.params.len());
        let mut names = BTreeSet::new();
        for (i, param) in function.params.iter().enumerate() {
            let ty = match (&param.ty, class) {
                (Some(ty), _) => type_of(&self.program.class_names, ty)?,
                (None, Some(class)) if i == 0 => Type::Named(class.clone()),
                (None, _) => return complain(param.place, format!("expected a type for parameter `{}`", param.name)),
            };
            if !names.insert(&param.name) {
                return complain(param.place, format!("parameter `{}` is declared twice", param.name));
            }
            let default = match &param.default {
                Some(value) => match table_index(value)? {
                    Some(index) => {
                        let (function, place) = (self.program.functions.len(), value.place);
                        self.program.table_defaults.push(TableDefault { function, param: i, index, place });
                        None
                    }
                    None => Some(literal(&self.program.classes, value, Some(&ty), self.allocator)?),
                },
                None => None,
            };
            params.push(Parameter { name: param.name.clone(), ty, default });
        }
        if class.is_some() && params.is_empty() {
            return complain(function.place, format!("method `{}` has no `self`", function.name));
        }
        let Some(returns) = &function.returns else {
            return complain(function.place, format!("function `{}` does not declare its result", function.name));
        };
        let returns = type_of(&self.program.class_names, returns)?;
        let name = qualified(prefix, &function.name);
        self.program.functions.push(Signature { name, params, returns, file, body });
        Ok(FunctionId(self.program.functions.len() as u32 - 1))
    }
}

fn class_kind(class: &tree::Class) -> Checked<ClassKind> {
    let listed = |wanted: &str| {
        let lists = class.members.iter().filter_map(|member| match member {
            Member::Names(name, names) if &**name == wanted => Some(names.clone()),
            _ => None,
        });
        lists.flatten().collect()
    };
    Ok(match class.base.as_deref() {
        None => ClassKind::Plain,
        Some("Module") => ClassKind::Module { parameters: listed("__parameters__"), buffers: listed("__buffers__") },
        Some("NamedTuple") => ClassKind::NamedTuple,
        Some("Enum") => ClassKind::Enum,
        Some("Interface" | "ModuleInterface") => ClassKind::Interface,
        Some(other) => return complain(class.place, format!("unknown kind of class `{other}`")),
    })
}

/// The `3` of `CONSTANTS.c3`, if the expression is one.
pub(super) fn table_index(expr: &Expr) -> Checked<Option<usize>> {
    let ExprKind::Attribute(table, name) = &expr.kind else { return Ok(None) };
    if !matches!(&table.kind, ExprKind::Name(name) if &**name == "CONSTANTS") {
        return Ok(None);
    }
    match name.strip_prefix('c').and_then(|digits| digits.parse().ok()) {
        Some(index) => Ok(Some(index)),
        None => complain(expr.place, format!("unknown constant `CONSTANTS.{name}`")),
    }
}

/// The value of a literal, of a constant or a default.
fn literal(classes: &Classes, expr: &Expr, ty: Option<&Type>, allocator: &mut Allocator) -> Checked<Value> {
    let ty = match ty {
        Some(Type::Optional(ty)) => Some(&**ty),
        ty => ty,
    };
    Ok(match &expr.kind {
        ExprKind::None => Value::None,
        ExprKind::Bool(value) => Value::Bool(*value),
        ExprKind::Int(value) => Value::Int(*value),
        ExprKind::Float(value) => Value::Float(*value),
        ExprKind::Complex(re, im) => Value::Complex(Box::new(num_complex::Complex64::new(*re, *im))),
        ExprKind::Str(text) if ty == Some(&Type::Device) => Value::Device(text.clone()),
        ExprKind::Str(text) => Value::Str(text.clone()),
        ExprKind::Tuple(items) => {
            let types = match ty {
                Some(Type::Tuple(types)) => Some(types),
                _ => None,
            };
            let items: Vec<Value> = items
                .iter()
                .enumerate()
                .map(|(i, item)| literal(classes, item, types.and_then(|types| types.get(i)), allocator))
                .collect::<Checked<_>>()?;
            Value::tuple(items)
        }
        ExprKind::List(items) => {
            let Some(Type::List(item)) = ty else { return complain(expr.place, "expected no list here") };
            let items: Vec<Value> =
                items.iter().map(|value| literal(classes, value, Some(item), allocator)).collect::<Checked<_>>()?;
            Value::List(List::new(allocator, ListContent { item: (**item).clone(), items }))
        }
        ExprKind::Dict(items) => {
            let Some(Type::Dict(key, value)) = ty else { return complain(expr.place, "expected no dict here") };
            let (key, value) = ((**key).clone(), (**value).clone());
            let mut content = DictContent { key, value, entries: Default::default() };
            for (item_key, item) in items {
                let found = literal(classes, item_key, Some(&content.key), allocator)?;
                let Some(found) = Key::from_value(&found) else { return complain(item_key.place, "expected a key") };
                content.entries.insert(found, literal(classes, item, Some(&content.value), allocator)?);
            }
            Value::Dict(Dict::new(allocator, content))
        }
        // `annotate(List[int], [])`: the declared type says as much.
        ExprKind::Call(callee, args, _) if matches!(&callee.kind, ExprKind::Name(name) if &**name == "annotate") => {
            match &args[..] {
                [_, value] => literal(classes, value, ty, allocator)?,
                _ => return complain(expr.place, "expected `annotate(type, value)`"),
            }
        }
        ExprKind::Call(callee, args, _) if dotted(callee).as_deref() == Some("torch.device") => match &args[..] {
            [Expr { kind: ExprKind::Str(name), .. }] => Value::Device(name.clone()),
            _ => return complain(expr.place, "expected `torch.device(\"…\")`"),
        },
        ExprKind::Attribute(class, member) => {
            let found = dotted(class).and_then(|class| classes.get(&*class)?.constants.get(member).cloned());
            match found {
                Some(value @ Value::Enum(_)) => value,
                _ => return complain(expr.place, "expected a constant"),
            }
        }
        _ => return complain(expr.place, "expected a constant"),
    })
}
