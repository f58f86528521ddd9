//! Single operators, often enough in one script that the way to them does not count.

use crate::Bench;
use crate::workload::Workload;

pub(crate) fn measure(bench: &mut Bench) {
    for (size, times) in [(64, 200), (256, 10), (512, 10)] {
        let matrix = format!("f32[{size},{size}]");
        operator(bench, &format!("operator/mm {size}x{size}"), times, size, "torch.mm(y, w0)", [&matrix, &matrix]);
    }
    let convolution = "torch.conv2d(y, w0, None, [1, 1], [1, 1], [1, 1], 1)";
    let inputs = ["f32[1,64,56,56]", "f32[64,64,3,3]"];
    operator(bench, "operator/conv2d 3x3 64 to 64 56x56", 2, 64 * 9, convolution, inputs);
}

/// A call on `y` and weights, so many times: each on what the one before gave, since PyTorch computes equal calls once.
fn operator(bench: &mut Bench, row: &str, times: u32, terms: u32, call: &str, inputs: [&str; 2]) {
    // An element is a sum of so many terms, and stays as large as those it comes from.
    let scale = 1.0 / f64::from(terms).sqrt();
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    x: Tensor,\n    w: \
         Tensor) -> Tensor:\n    w0 = torch.mul(w, {scale:?})\n    y = x\n    for i in range({times}):\n      y = {call}\n    \
         return y\n"
    );
    bench.run(row, &Workload::of_code(&code, &inputs));
}
