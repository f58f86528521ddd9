//! Finding operators by name: PyTorch's whole list of schemas, joined with our corrections and kernels.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::output::Accepts;
use super::scalar::plain::{IDENTITY, PLAIN};
use super::{Correction, Kernel, Kinds, Operator, Plain, Schema, foreach, historic, out, quantized, scripted};

/// Every schema of PyTorch 2.7, one a line, sorted by name; the overloads of a name stand in the order in which
/// PyTorch registers and tries them.
const SCHEMAS: &str = include_str!("schemas.txt");
/// Those of torchvision 0.22 that its models call.
const TORCHVISION: &str = include_str!("torchvision.txt");

/// A family of operators: its kernels, in one table or several, and its corrections, both by full name
/// (`aten::add_.Tensor`).
struct Family {
    kernels: &'static [&'static [(&'static str, Kernel)]],
    corrections: &'static [(&'static str, &'static [Correction])],
}

/// The rows of each family's folder.
macro_rules! families {
    ($($name:ident),*) => {
        const FAMILIES: &[Family] = &[$(Family { kernels: super::$name::KERNELS, corrections: super::$name::CORRECTIONS }),*];
    };
}

families!(
    composed,
    container,
    creation,
    effects_only,
    foreach,
    historic,
    index,
    linalg,
    nested,
    network,
    pointwise,
    profiler,
    quantized,
    random,
    reduce,
    scalar,
    scripted,
    shape,
    spectral,
    text,
    vision
);

/// Every overload of `name` (such as `aten::add`), or `None` if PyTorch has no operator of that name.
///
/// ```
/// use forkcheck_model::operators;
/// let add_ = operators::overloads("aten::add_").unwrap();
/// assert!(add_.iter().any(|operator| operator.overload == "Tensor"));
/// assert!(operators::overloads("aten::no_such_thing").is_none());
/// ```
pub fn overloads(name: &str) -> Option<&'static [Operator]> {
    let (name, group) = groups().get_key_value(name)?;
    Some(group.operators.get_or_init(|| {
        let mut operators: Vec<Operator> = group.lines.iter().map(|line| operator(name, line)).collect();
        restrict_versions(&mut operators);
        for operator in &mut operators {
            if operator.kernel.is_none() && foreach::single(operator).is_some() {
                operator.kernel = Some(foreach::each);
            }
        }
        let derived = |i: usize| Some((i, out::derived(&operators[i], &operators)?));
        let derived: Vec<(usize, Kernel)> = (0..operators.len()).filter_map(derived).collect();
        for (i, kernel) in derived {
            operators[i].kernel = Some(kernel);
        }
        operators
    }))
}

/// The operator with this full name: `aten::add_.Tensor`, `aten::relu`.
pub fn find(full_name: &str) -> Option<&'static Operator> {
    let (name, overload) = split(full_name);
    overloads(name)?.iter().find(|operator| operator.overload == overload)
}

/// Names of all operators, without overloads, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    groups().keys().copied()
}

/// The overloads of one name: parsed when they are first asked for, since a program uses few of 4 406.
struct Group {
    lines: Vec<&'static str>,
    operators: OnceLock<Vec<Operator>>,
}

fn groups() -> &'static BTreeMap<&'static str, Group> {
    static GROUPS: OnceLock<BTreeMap<&'static str, Group>> = OnceLock::new();
    GROUPS.get_or_init(|| {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for line in
            SCHEMAS.lines().chain(TORCHVISION.lines()).chain(historic::SCHEMAS.lines()).chain(scripted::SCHEMAS.lines())
        {
            let name = split(&line[..line.find('(').expect("a schema has arguments")]).0;
            let group = groups.entry(name).or_insert_with(|| Group { lines: Vec::new(), operators: OnceLock::new() });
            group.lines.push(line);
        }
        groups
    })
}

fn operator(name: &'static str, line: &'static str) -> Operator {
    let (full_name, signature) = line.split_at(line.find('(').expect("a schema has arguments"));
    let overload = split(full_name).1;
    let (kernel, kinds) = kernels(full_name);
    Operator {
        name,
        overload,
        versions: 0..=u32::MAX,
        schema: Schema::parse(signature),
        accepts: rows().accepts.get(full_name).copied().unwrap_or_default(),
        corrections: rows().corrections.get(full_name).copied().unwrap_or_default(),
        kernel,
        kinds,
        plain: rows().plain.get(full_name).copied(),
    }
}

/// The kernel of an operator, and the two that it stands for where quantized tensors have one of their own.
fn kernels(full_name: &str) -> (Option<Kernel>, Option<Kinds>) {
    let of = |table: &[(&str, Kernel)]| table.iter().find(|row| row.0 == full_name).map(|row| row.1);
    let Some(plain) = rows().kernels.get(full_name).copied() else { return (None, None) };
    if let Some(quantized) = of(quantized::ORDINARY) {
        return (Some(quantized::choose), Some(Kinds { plain, quantized }));
    }
    match of(quantized::NOT_HERE) {
        Some(quantized) => (Some(quantized::refuse), Some(Kinds { plain, quantized })),
        None => (Some(plain), None),
    }
}

/// An older meaning ends at its last version, and today's begins after it.
fn restrict_versions(overloads: &mut [Operator]) {
    for i in 0..overloads.len() {
        if let Some((today, versions)) = historic::replaced(overloads[i].overload) {
            let today = overloads.iter().position(|operator| operator.overload == today).expect("today's overload");
            overloads[today].versions = versions.end() + 1..=u32::MAX;
            overloads[i].versions = versions;
        }
    }
}

/// The rows by full name; only looked up, never iterated.
struct Rows {
    kernels: FxHashMap<&'static str, Kernel>,
    corrections: FxHashMap<&'static str, &'static [Correction]>,
    accepts: FxHashMap<&'static str, Accepts>,
    plain: FxHashMap<&'static str, Plain>,
}

fn rows() -> &'static Rows {
    static ROWS: OnceLock<Rows> = OnceLock::new();
    ROWS.get_or_init(|| Rows {
        kernels: FAMILIES.iter().flat_map(|family| family.kernels.iter().copied().flatten()).copied().collect(),
        corrections: FAMILIES.iter().flat_map(|family| family.corrections).copied().collect(),
        accepts: Accepts::listed().collect(),
        plain: PLAIN.iter().chain(IDENTITY).copied().collect(),
    })
}

/// `aten::add_.Tensor` is `aten::add_` and `Tensor`. A name may hold dots of its own only before `::`.
fn split(full_name: &str) -> (&str, &str) {
    full_name.split_once('.').unwrap_or((full_name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_parses() {
        let count: usize = names().map(|name| overloads(name).expect("its own name").len()).sum();
        // PyTorch's, torchvision's, PyTorch's older ones, and those that it has written in TorchScript.
        assert_eq!(count, 4406 + 6 + 19 + 37);
    }

    #[test]
    fn every_row_is_of_a_known_operator_and_stands_once() {
        let kernels = || FAMILIES.iter().flat_map(|family| family.kernels.iter().copied().flatten()).map(|row| row.0);
        for (full_name, _) in quantized::ORDINARY.iter().chain(quantized::NOT_HERE) {
            assert!(find(full_name).is_some_and(|operator| operator.kinds.is_some()), "{full_name}");
        }
        let corrections = || FAMILIES.iter().flat_map(|family| family.corrections).map(|row| row.0);
        for full_name in kernels().chain(corrections()) {
            assert!(find(full_name).is_some(), "{full_name}");
        }
        for mut names in [kernels().collect::<Vec<_>>(), corrections().collect()] {
            names.sort_unstable();
            let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
            assert!(twice.is_empty(), "these stand twice: {twice:?}");
        }
    }
}
