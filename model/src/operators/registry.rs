//! Finding operators by name: PyTorch's whole list of schemas, joined with our corrections and kernels.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::{Kernel, Operator, Schema, corrections};

/// Every schema of PyTorch 2.7, one a line, sorted by name.
const SCHEMAS: &str = include_str!("schemas.txt");

/// The kernels of each family: full names (`aten::add_.Tensor`) and how to compute them.
const FAMILIES: &[&[(&str, Kernel)]] = &[];

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
    Some(group.operators.get_or_init(|| group.lines.iter().map(|line| operator(name, line)).collect()))
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
        for line in SCHEMAS.lines() {
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
    Operator {
        name,
        overload,
        schema: Schema::parse(signature),
        corrections: corrections::of(name, overload),
        kernel: kernel(full_name),
    }
}

fn kernel(full_name: &str) -> Option<Kernel> {
    FAMILIES.iter().copied().flatten().find(|row| row.0 == full_name).map(|row| row.1)
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
        assert_eq!(count, 4406);
    }

    #[test]
    fn every_kernel_is_of_a_known_operator() {
        for (full_name, _) in FAMILIES.iter().copied().flatten() {
            assert!(find(full_name).is_some_and(|operator| operator.kernel.is_some()), "{full_name}");
        }
    }
}
