//! What a step touches can depend on something that others race for: it is looked at again when they have changed it.

use forkcheck::audit::audit;
use forkcheck::{Atomicity, Config};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::types::Type;
use forkcheck_model::value::{Dict, DictContent, Value};
use forkcheck_tests::archive::program_of;

/// Line 1 is added by the archive. Each task makes a tensor, puts it where the caller will look, and writes it then. In the default order the second has
/// replaced the first's tensor before anybody looks; only where the caller looks in between does it race with the first.
const PUTS_AND_WRITES: &str = "\
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M, d: Dict[str, Tensor], x: Tensor) -> Tensor:
    def __forked_function() -> Tensor:
      a = torch.add(x, 1)
      torch._set_item(d, \"k\", a)
      return torch.fill_(a, 2)
    f = fork(__forked_function)
    def __forked_function0() -> Tensor:
      b = torch.add(x, 3)
      torch._set_item(d, \"k\", b)
      return torch.fill_(b, 4)
    g = fork(__forked_function0)
    return x
";

#[test]
fn the_caller_looks_at_what_was_put_there_last() {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let x = || Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1], &[0.0f32]).expect("one element");
    let content = DictContent { key: Type::Str, value: Type::Tensor, entries: Default::default() };
    let d = Value::Dict(Dict::new(&mut allocator, content));
    let program = program_of(PUTS_AND_WRITES, &[], vec![d, Value::Tensor(x())]);
    for strategy in ["auto", "dfs", "dpor", "states"] {
        let strategy = strategy.parse().expect("a strategy");
        let report = audit(&program, &Config { strategy, atomicity: Atomicity::Op, ..Config::default() });
        let races: Vec<_> = report.findings.iter().filter(|finding| finding.kind == "race").map(|f| f.line).collect();
        assert_eq!(races, [Some(8), Some(13)], "{strategy}: both writes race with the caller's look");
    }
}

/// A copy, where the tensor is not contiguous; otherwise the tensor itself. Two forks turn and fill it meanwhile.
const COPIES_OR_NOT: &str = "\
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function() -> Tensor:
      return torch.t_(x)
    f = fork(__forked_function)
    def __forked_function0() -> Tensor:
      return torch.fill_(x, 0)
    g = fork(__forked_function0)
    y = torch.contiguous(x)
    a = torch.wait(f)
    b = torch.wait(g)
    return y
";

#[test]
fn what_copies_only_after_anothers_step_reads_then() {
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[2, 2], &[1.0f32, 2.0, 3.0, 4.0]);
    let program = program_of(COPIES_OR_NOT, &[], vec![Value::Tensor(x.expect("it is small"))]);
    for strategy in ["dfs", "dpor", "states"] {
        let config = Config { strategy: strategy.parse().expect("a strategy"), ..Config::default() };
        let report = audit(&program, &Config { atomicity: Atomicity::Op, ..config });
        // Where `contiguous` comes before `t_` it reads no elements, and `fill_` conflicts with `t_` alone: 2 orders. Where it
        // comes after, it copies, and all three conflict: 3 orders. In one of the five it copies what was there at first.
        let outcomes = report.outcomes.as_ref().expect("it was run");
        assert_eq!(outcomes.distinct, 2, "{strategy}");
        if strategy != "states" {
            assert_eq!(report.stats.executions, Some(5), "{strategy}");
        }
    }
}
