//! Single operators, often enough in one script that the way to them does not count.

use criterion::Criterion;

use crate::networks::made_here;

pub(crate) fn measure(criterion: &mut Criterion) {
    for (size, times) in [(64, 200), (256, 10), (512, 2)] {
        let matrix = format!("f32[{size},{size}]");
        operator(criterion, &format!("operator/mm {size}x{size}"), times, "torch.mm(x, w)", [&matrix, &matrix]);
    }
    let convolution = "torch.conv2d(x, w, None, [1, 1], [1, 1], [1, 1], 1)";
    let inputs = ["f32[1,64,56,56]", "f32[64,64,3,3]"];
    operator(criterion, "operator/conv2d 3x3 64 to 64 56x56", 2, convolution, inputs);
}

/// A call on `x` and `w`, so many times.
fn operator(criterion: &mut Criterion, row: &str, times: usize, call: &str, inputs: [&str; 2]) {
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor,\n    w: \
         Tensor) -> Tensor:\n    y = {call}\n    for i in range({}):\n      y = {call}\n    return y\n",
        times - 1
    );
    crate::run(criterion, row, &made_here(&code, &inputs));
}
