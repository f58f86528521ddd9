//! What it costs to get from one operator to the next, to fork and to wait; and what a second thread gives.

use std::fmt::Write as _;

use crate::Bench;
use crate::networks::lstm;
use crate::workload::Workload;

/// Trips of a loop; the table divides by them.
pub(crate) const TRIPS: usize = 10_000;

pub(crate) fn measure(bench: &mut Bench) {
    let wait = "def __forked_function0():\n        return __torch__.f(y, )\n      v = fork(__forked_function0)\n      \
                y = torch.wait(v)";
    let branch = "if torch.eq(torch.remainder(i, 3), 0):\n        y0 = torch.add(y, i)\n      else:\n        \
                  y0 = torch.sub(y, 1)\n      y = y0";
    for (row, ty, body) in [
        ("interpreter/tensor + int", "Tensor", "y = torch.add(y, i)"),
        ("interpreter/int + int", "int", "y = torch.add(y, i)"),
        ("interpreter/int % int and a branch", "int", branch),
        ("interpreter/call of tensor + int", "Tensor", "y = __torch__.f(y, )"),
        ("interpreter/fork and wait, tensor + int", "Tensor", wait),
        ("interpreter/fork and wait, int + int", "int", wait),
    ] {
        bench.run(row, &repeated(ty, body));
    }
    bench.run("interpreter/fork all, then wait, tensor + int", &all_at_once());
    bench.run_on(1, "threads/LSTM in 4 forks on 1 thread", &lstm(4));
    bench.run_on(2, "threads/LSTM in 4 forks on 2 threads", &lstm(4));
}

/// A loop over `y`, which begins as a number or as a tensor of no dimension.
fn repeated(ty: &str, body: &str) -> Workload {
    let begins = if ty == "int" { "0" } else { "x" };
    let mut code = String::from("class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n");
    write!(
        code,
        "  def forward(self: __torch__.M,\n    x: Tensor) -> {ty}:\n    y = {begins}\n    for i in range({TRIPS}):\n      \
         {body}\n    return y\ndef f(y: {ty}) -> {ty}:\n  return torch.add(y, 1)\n"
    )
    .expect("a string takes everything");
    Workload::of_code(&code, &["f32[]"])
}

fn all_at_once() -> Workload {
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor) -> \
         Tensor:\n    futures = annotate(List[Future[Tensor]], [])\n    for i in range({TRIPS}):\n      \
         def __forked_function0():\n        return __torch__.f(x, )\n      v = fork(__forked_function0)\n      \
         _0 = torch.append(futures, v)\n    y = x\n    for i0 in range({TRIPS}):\n      \
         y = torch.wait(futures[i0])\n    return y\ndef f(y: Tensor) -> Tensor:\n  return torch.add(y, 1)\n"
    );
    Workload::of_code(&code, &["f32[]"])
}
