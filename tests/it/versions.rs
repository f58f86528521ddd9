//! Archives of older versions: an operator whose meaning changed means what it did when the archive was written.

use forkcheck::audit::audit;
use forkcheck::config::Limits;
use forkcheck::{Config, Inputs, Program, parallel, program, static_audit};
use forkcheck_model::operators::value_text;
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::archive_of_version;

/// What a module of this version computes, as text, or why it does not: `expression` is of `i`, the integers 7 and -7.
fn value(version: u32, expression: &str) -> String {
    let code = format!(
        "class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M,
    i: Tensor) -> Tensor:
    return {expression}
"
    );
    run(&archive_of_version(version, &code, &[]))
}

fn run(archive: &[u8]) -> String {
    let module = match program::load(archive, u64::MAX) {
        Ok(module) => module,
        Err(error) => return error.to_string(),
    };
    let i = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[2], &[7i64, -7]).unwrap();
    let inputs = Inputs::Positional(vec![Value::Tensor(i)]);
    let program = Program::new("made by hand", module, "forward", inputs, Default::default()).unwrap();
    match parallel::run(&program, &Limits::default(), 1).result.expect("it ends") {
        Ok(value) => value_text(&value, &Memory::unlimited()).unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
        Err(raised) => raised.message,
    }
}

/// An expression, its last old version, what it gives there, and what it gives from the next version on.
type Row = (&'static str, u32, &'static str, &'static str);

/// Old division of integers loses what is behind the point, 3 of 3.5 and -3 of -3.5; today it is true, which does not fit
/// where integers are. Old `full` made floats of integers. Old sequences had 100 steps if nobody said how many (0 + 1 + … +
/// 99 is 4950), which today is missing. Today's `gelu` can be told to approximate.
const CHANGED: &[Row] = &[
    ("torch.div(i, 2)", 3, "3 -3 [ CPULongType{2} ]", "3.5000 -3.5000 [ CPUFloatType{2} ]"),
    ("torch.div(i, torch.full_like(i, 2))", 3, "3 -3 [ CPULongType{2} ]", "3.5000 -3.5000 [ CPUFloatType{2} ]"),
    ("torch.div_(i, 2)", 3, "3 -3 [ CPULongType{2} ]", UNFIT),
    ("torch.div_(i, torch.full_like(i, 2))", 3, "3 -3 [ CPULongType{2} ]", UNFIT),
    ("torch.div(i, torch.full_like(i, 2), out=torch.clone(i))", 3, "3 -3 [ CPULongType{2} ]", UNFIT),
    ("torch.full([2], 3)", 4, "3 3 [ CPUFloatType{2} ]", "3 3 [ CPULongType{2} ]"),
    ("torch.sum(torch.linspace(0, 99, None, dtype=4))", 7, "4950 [ CPULongType{} ]", NO_STEPS),
    ("torch.sum(torch.linspace(0, 99, out=torch.clone(i)))", 7, "4950 [ CPULongType{} ]", MISSING),
    ("torch.sum(torch.logspace(0, 1, None, 1., dtype=4))", 8, "100 [ CPULongType{} ]", NO_POWERS),
    ("torch.sum(torch.logspace(0, 1, None, 1., out=torch.clone(i)))", 8, "100 [ CPULongType{} ]", NO_POWERS),
    (r#"torch.gelu(torch.zeros([1], dtype=6), approximate="tanh")"#, 9, NO_CHOICE, "0 [ CPUFloatType{1} ]"),
];

const UNFIT: &str = "result type Float can't be cast to the desired output type Long";
const NO_STEPS: &str = "no overload of `aten::linspace` takes (int, int, NoneType)";
const MISSING: &str = "no overload of `aten::linspace` takes (int, int)";
const NO_POWERS: &str = "no overload of `aten::logspace` takes (int, int, NoneType, float)";
const NO_CHOICE: &str = "unexpected argument `approximate`";

#[test]
fn operators_mean_what_they_meant() {
    let mut wrong = Vec::new();
    for (expression, last, old, new) in CHANGED {
        for (version, expected) in [(1, old), (*last, old), (last + 1, new), (10, new)] {
            let found = value(version, expression);
            // Why an archive is refused has more words around it.
            let refused = found.starts_with("record") && found.contains(*expected);
            if found != *expected && !refused {
                wrong.push(format!("{expression} in version {version}: expected {expected:?}, found {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn whoever_names_a_rounding_or_an_output_gets_it_at_any_version() {
    for version in [3, 4] {
        assert_eq!(value(version, r#"torch.div(i, 2, rounding_mode="floor")"#), "3 -4 [ CPULongType{2} ]");
        assert_eq!(value(version, r#"torch.div_(i, 2, rounding_mode="trunc")"#), "3 -3 [ CPULongType{2} ]");
        assert_eq!(value(version, "torch.full([2], 3, out=torch.clone(i))"), "3 3 [ CPULongType{2} ]");
        // Numbers that are no tensors were always divided so: 7 / 2.
        assert_eq!(
            value(version, "torch.add(torch.zeros([1], dtype=7), torch.div(7, 2))"),
            "3.5000 [ CPUDoubleType{1} ]"
        );
    }
}

#[test]
fn the_record_counts_and_not_the_version_that_old_code_begins_with() {
    // PyTorch reads the line and forgets it.
    let code = "op_version_set = 1
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M,
    i: Tensor) -> Tensor:
    return torch.div(i, 2)
";
    assert_eq!(run(&archive_of_version(3, code, &[])), "3 -3 [ CPULongType{2} ]");
    assert_eq!(run(&archive_of_version(4, code, &[])), "3.5000 -3.5000 [ CPUFloatType{2} ]");
}

#[test]
fn an_old_division_in_place_is_seen_as_the_write_that_it_is() {
    let code = "class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M,
    i: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.halve(i, )
    f = fork(__forked_function)
    return torch.wait(f)
def halve(i: Tensor) -> Tensor:
  return torch.div_(i, 2)
";
    let module = program::load(&archive_of_version(3, code, &[]), u64::MAX).unwrap();
    let i = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[2], &[7i64, -7]).unwrap();
    let inputs = Inputs::Positional(vec![Value::Tensor(i)]);
    let program = Program::new("made by hand", module, "forward", inputs, Default::default()).unwrap();
    let report = audit(&program, &Config::default());
    let found: Vec<_> =
        report.findings.iter().map(|finding| (finding.kind, &*finding.operator, &*finding.target)).collect();
    assert_eq!(found, [("input-mutation", "aten::div_", "input i")]);
    let proved = static_audit("made by hand", "forward", &program.module, &Config::default()).unwrap();
    assert_eq!(proved.findings.iter().map(|finding| &*finding.target).collect::<Vec<_>>(), ["input i"]);
}
