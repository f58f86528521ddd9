//! An operator that draws, reads and writes: where others race for what it writes it takes two steps, and it draws in the first.

use forkcheck::audit::audit;
use forkcheck::{Atomicity, Config};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;

const DROPS: &str = "\
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function() -> Tensor:
      return torch.dropout_(x, 0.5, True)
    f = fork(__forked_function)
    def __forked_function0() -> Tensor:
      return torch.dropout_(x, 0.5, True)
    g = fork(__forked_function0)
    a = torch.wait(f)
    b = torch.wait(g)
    return x
";

#[test]
fn a_draw_belongs_to_the_first_half() {
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[16], &[1.0f32; 16]).expect("it is small");
    let program = program_of(DROPS, &[], vec![Value::Tensor(x)]);
    for (atomicity, orders, outcomes) in [
        // Whoever comes first draws the first mask: x is the product of both masks either way.
        (Atomicity::Op, 2, 1),
        // Each reads and draws, then writes, and all conflict: 4! / (2! 2!) orders. If one is done before the other begins, x is
        // the product of both masks; else it is the mask of the one that writes last, which drew first or second.
        (Atomicity::Split, 6, 3),
    ] {
        for strategy in ["dfs", "dpor", "states", "random"] {
            let config = Config { strategy: strategy.parse().expect("a strategy"), atomicity, ..Config::default() };
            let report = audit(&program, &config);
            let found = report.outcomes.as_ref().expect("it was run");
            assert_eq!(found.distinct, outcomes, "{strategy} {atomicity:?}");
            assert!(report.notes.is_empty(), "{strategy} {atomicity:?}: {:?}", report.notes);
            if strategy == "dpor" {
                assert_eq!(report.stats.executions, Some(orders), "{atomicity:?}");
            }
        }
    }
}
