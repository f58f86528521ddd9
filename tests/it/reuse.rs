//! Results of kernels that are used again: nobody can tell.

use forkcheck::audit::audit;
use forkcheck::{Config, Program};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::Tensor;
use forkcheck_model::value::Value;
use forkcheck_scheduler::Spec;
use forkcheck_tests::archive::program_of;
use forkcheck_tests::cases;

/// A small network in training mode, called by two forks that race for its running statistics and its counter.
const NETWORK: &str = r#"class M(Module):
  __parameters__ = []
  __buffers__ = ["w", "mean", "var", "n", ]
  w : Tensor
  mean : Tensor
  var : Tensor
  n : Tensor
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    def __forked_function():
      return __torch__.block(self, x, )
    f = fork(__forked_function)
    x0 = torch.neg(x)
    def __forked_function0():
      return __torch__.block(self, x0, )
    g = fork(__forked_function0)
    return torch.add(torch.wait(f), torch.wait(g))
def block(self: __torch__.M,
    x: Tensor) -> Tensor:
  y = torch.conv2d(x, self.w, None, [1, 1], [1, 1], [1, 1], 1)
  _0 = torch.add_(self.n, 1)
  z = torch.batch_norm(y, None, None, self.mean, self.var, True, 0.10000000000000001, 1.0000000000000001e-05, False)
  r = torch.relu_(z)
  s = torch.conv2d(r, self.w, None, [1, 1], [1, 1], [1, 1], 1)
  return torch.cat([s, torch.flip(s, [3])], 1)
"#;

fn network() -> Program {
    let mut allocator = Allocator::new(0, Memory::unlimited());
    let mut tensor = |sizes: &[i64]| {
        let count: i64 = sizes.iter().product();
        let elements: Vec<f32> = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
        Value::Tensor(Tensor::from_vec(&mut allocator, sizes, &elements).expect("memory without limit"))
    };
    let attributes = [("w", tensor(&[3, 3, 3, 3])), ("mean", tensor(&[3])), ("var", tensor(&[3])), ("n", tensor(&[]))];
    let inputs = vec![tensor(&[2, 3, 12, 12])];
    program_of(NETWORK, &attributes, inputs)
}

/// The report, and how often a result was found and computed.
fn report(program: &Program, config: &Config) -> (String, u64, u64) {
    let report = audit(program, config).to_json();
    let uses = program.reuse.uses();
    (report, uses.found, uses.computed)
}

#[test]
fn a_network_is_computed_once_for_all_schedules() {
    for strategy in [Spec::Auto, Spec::Random] {
        let config = Config { strategy, executions: 100, ..Config::default() };
        let (plain, reused) = (network(), network());
        plain.reuse.close();
        let (expected, found, computed) = report(&plain, &config);
        assert_eq!((found, computed), (0, 0));
        let (report, found, computed) = report(&reused, &config);
        assert_eq!(report, expected);
        // What is not found is the first call of each, and the batch norms on statistics that were not seen before: of
        // the ten calls of a run, few.
        assert!(found > 10 * computed, "{found} found, {computed} computed");
    }
}

#[test]
fn little_room_is_no_error() {
    let config = Config { strategy: Spec::Random, executions: 20, ..Config::default() };
    let (plain, tight) = (network(), network());
    plain.reuse.close();
    // Room for about two of the results of 3 456 bytes.
    tight.reuse.open_for(1, 8000);
    assert_eq!(report(&plain, &config).0, report(&tight, &config).0);
    assert!(tight.reuse.bytes() <= 8000, "{} bytes", tight.reuse.bytes());
}

#[test]
fn every_case_is_the_same_when_each_call_is_looked_for() {
    let mut found = 0;
    for case in cases() {
        let config = Config { executions: 200, ..Config::default() };
        let [plain, reused] = [(); 2].map(|()| case.program().unwrap_or_else(|error| panic!("{}: {error}", case.name)));
        plain.reuse.close();
        reused.reuse.open_for(0, 1 << 30);
        assert_eq!(report(&plain, &config).0, report(&reused, &config).0, "{}", case.name);
        found += reused.reuse.uses().found;
    }
    assert!(found > 1000, "{found} results were found");
}
