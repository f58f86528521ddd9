//! What a proof costs: `cargo bench -p forkcheck-tests --bench proofs`.
//!
//! Programs of a thousand, ten thousand and a hundred thousand nodes, in forks of a hundred nodes each: once pure, once with a
//! finding in every fourth node. Growth is close to linear if the time of a node stays what it is. Loading is not part of it.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use forkcheck::{Config, static_audit};
use forkcheck_model::Module;
use forkcheck_tests::archive::archive_of;

/// Nodes of a forked function, a few more or less.
const NODES_OF_A_FORK: usize = 100;

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    for (kind, writes) in [("pure", false), ("impure", true)] {
        let mut group = criterion.benchmark_group(kind);
        for nodes in [1_000, 10_000, 100_000] {
            let module = program(nodes, writes);
            group.throughput(Throughput::Elements(nodes as u64));
            group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| {
                let audit = || static_audit("made here", "forward", &module, &Config::default());
                bencher.iter(|| black_box(audit().expect("it has a forward")));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// Forks one after the other, each of a function of its own that makes tensors, and writes them or the caller's.
fn program(nodes: usize, writes: bool) -> Module {
    let (mut main, mut functions) = (String::new(), String::new());
    let line = |text: &mut String, args: std::fmt::Arguments<'_>| {
        text.write_fmt(args).expect("a string takes everything");
        text.push('\n');
    };
    for f in 0..nodes / NODES_OF_A_FORK {
        line(&mut main, format_args!("    def __forked_function{f}():\n      return __torch__.f{f}(x, buf, )"));
        line(&mut main, format_args!("    v{f} = fork(__forked_function{f})\n    w{f} = torch.wait(v{f})"));
        line(&mut functions, format_args!("def f{f}(x: Tensor,\n    buf: Tensor) -> Tensor:\n  c = x"));
        let last = if writes { "add_(buf, a)" } else { "add(buf, a)" };
        for _ in 0..NODES_OF_A_FORK / 4 {
            line(&mut functions, format_args!("  a = torch.relu(c)\n  b = torch.select(a, 0, 0)"));
            line(&mut functions, format_args!("  d = torch.add_(b, 1)\n  c = torch.{last}"));
        }
        line(&mut functions, format_args!("  return c"));
    }
    let head = "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n";
    let code = format!("{head}    x: Tensor,\n    buf: Tensor) -> Tensor:\n{main}    return x\n{functions}");
    let bytes = archive_of(&code, &[]);
    forkcheck::program::load(&bytes, u64::MAX).unwrap_or_else(|error| panic!("{error}"))
}
