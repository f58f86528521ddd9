//! Once two results are in hand, `auto` does not go on for ever: the verdict is known, and executions of a network are slow.

use forkcheck::audit::audit;
use forkcheck::report::Verdict;
use forkcheck::{Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;

/// Two tasks that take a while, and add twelve times to one tensor: in halves, they can go in many ways.
const SLOW: &str = "\
class M(Module):
  __parameters__ = []
  def forward(self: __torch__.M, x: Tensor) -> Tensor:
    def __forked_function() -> int:
      return __torch__.work(x, 1)
    f = fork(__forked_function)
    def __forked_function0() -> int:
      return __torch__.work(x, 2)
    g = fork(__forked_function0)
    a = torch.wait(f)
    b = torch.wait(g)
    return torch.clone(x)
def work(x: Tensor, n: int) -> int:
  k = 0
  for i in range(5000):
    k = torch.add(k, i)
  for i in range(12):
    y = torch.add_(x, n)
  return k
";

fn program() -> Program {
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[1], &[0i64]).expect("it is small");
    program_of(SLOW, &[], vec![Value::Tensor(x)])
}

#[test]
fn auto_ends_when_it_has_two_results_and_has_seen_enough() {
    let of = |strategy: &str, executions: u64, jobs: u32| {
        let strategy = strategy.parse().expect("a strategy");
        audit(&program(), &Config { strategy, executions, jobs, ..Config::default() })
    };
    // Other strategies go on. An execution has two steps for each of 10 000 trips, and one or two hundred for the rest.
    let random = of("random", 120, 1);
    assert_eq!((random.stats.executions, random.notes.len()), (Some(120), 0));
    assert!((20_100..20_200).contains(&(random.stats.steps / 120)), "{}", random.stats.steps);
    let auto = of("auto", 10_000, 1);
    // The execution that takes step 2 000 000 is the last: 99 have taken 1 999 800 at most, and 100 at least 2 010 000.
    let last = 100;
    assert_eq!((auto.verdict, auto.stats.executions), (Some(Verdict::Nondeterministic), Some(last)));
    let note = "because two results are in hand: a budget that is asked for is run to its end";
    assert_eq!(auto.notes, [format!("ended after {last} executions, {note}")]);
    let without_time = |report: &forkcheck::Report| (report.notes.clone(), report.stats.steps, report.rests_on.clone());
    assert_eq!(without_time(&auto), without_time(&of("auto", 10_000, 2)));
    // What is asked for is run.
    let mut config = Config::default();
    config.ask_for(last + 20);
    let asked = audit(&program(), &config);
    assert_eq!((asked.stats.executions, asked.notes.len()), (Some(last + 20), 0));
}
