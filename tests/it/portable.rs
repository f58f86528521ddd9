//! `--math portable` gives these very bits: whoever runs this on another processor or system holds it to them.

use forkcheck::config::Limits;
use forkcheck::{Program, parallel};
use forkcheck_model::difference::{close, numbers};
use forkcheck_model::slot::{Allocator, Memory};
use forkcheck_model::tensor::{Math, Scalar, Tensor};
use forkcheck_model::value::Value;
use forkcheck_tests::archive::program_of;

/// What is computed of `x`, 16 rows of 64 floats, and the hash of the result's bits.
const ROWS: &[(&str, &str, u64)] = &[
    ("product", "torch.matmul(x, torch.t(x))", 0x32ab627855a35949),
    ("product of doubles", "torch.matmul(torch.to(x, 7), torch.t(torch.to(x, 7)))", 0x3c04055e1f36676c),
    ("einsum", "torch.einsum(\"ij,kj->ik\", [x, x])", 0x32ab627855a35949),
    (
        "convolution",
        "torch.conv2d(image, torch.reshape(torch.slice(flat, 0, 0, 288, 1), [8, 4, 3, 3]), None, [1, 1], [1, 1])",
        0x9df3ec4c0a8f4211,
    ),
    (
        "depthwise convolution",
        "torch.conv2d(image, torch.reshape(torch.slice(flat, 0, 0, 36, 1), [4, 1, 3, 3]), None, [1, 1], [1, 1], [1, 1], 4)",
        0x758d07a7c0a9fbc9,
    ),
    (
        "transposed convolution",
        "torch.conv_transpose2d(image, torch.reshape(torch.slice(flat, 0, 0, 288, 1), [4, 8, 3, 3]), None, [2, 2])",
        0x71a4f579470212b8,
    ),
    (
        "recurrent layer",
        "(torch.lstm(torch.unsqueeze(x, 1), [state, state], [x, gates, bias, bias], True, 1, 0., False, False, False))[0]",
        0x7dcf14edde0793d5,
    ),
    (
        "attention",
        "torch.scaled_dot_product_attention(torch.unsqueeze(x, 0), torch.unsqueeze(x, 0), torch.unsqueeze(x, 0))",
        0xeb7a47d689335049,
    ),
    ("softmax", "torch.softmax(x, 1)", 0xea7885ddd5a44d53),
    ("softmax of doubles", "torch.softmax(torch.to(x, 7), 1)", 0x3e67d116d401ba2a),
    ("logarithm of softmax", "torch.log_softmax(x, 1)", 0xc730f927e1daff12),
    ("normalisation", "torch.layer_norm(x, [64])", 0xe2c53c3b01bab493),
    ("gelu", "torch.gelu(x)", 0x2ad05e156fcd4166),
    ("gelu by tanh", "torch.gelu(x, approximate=\"tanh\")", 0xed744b8c46602b09),
    ("silu", "torch.silu(x)", 0x595d5f755cbd16da),
    ("mish", "torch.mish(x)", 0xd17a1c33d680976e),
    ("sigmoid", "torch.sigmoid(x)", 0xf10f72423b00499b),
    ("exponential", "torch.exp(x)", 0xbdc6765a74ed2fbf),
    ("logarithm", "torch.log(torch.add(torch.abs(x), 1))", 0x03293d7f7d630764),
    ("power", "torch.pow(torch.abs(x), 1.3)", 0x24336cebed0472e9),
    ("angle", "torch.atan2(x, torch.flip(x, [0]))", 0xe1e79f8cdc20d4d7),
    ("sine of doubles", "torch.sin(torch.to(x, 7))", 0x821aa397706ff957),
    (
        "numbers",
        "torch.tensor([torch.exp(0.7), torch.pow(0.7, 1.3), torch.log(0.7), torch.sin(0.7)], dtype=7)",
        0xeebfd670d8c4c95a,
    ),
    ("spectrum", "torch.view_as_real(torch.fft_fft(x))", 0x11cdd518c7083088),
    (
        "inverse",
        "torch.linalg_inv(torch.add(torch.slice(x, 1, 0, 16, 1), torch.eye(16), alpha=40))",
        0xc655cca679e2fea3,
    ),
    ("random numbers", "torch.randn([37])", 0xfecfb34accfca8d1),
    ("window", "torch.hann_window(33)", 0x6b966dad67f63201),
];

fn program(expression: &str, math: Math) -> Program {
    let code = format!(
        "class M(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.M,
    x: Tensor) -> Tensor:
    flat = torch.reshape(x, [-1])
    image = torch.reshape(x, [1, 4, 16, 16])
    state = torch.reshape(torch.slice(flat, 0, 0, 4, 1), [1, 1, 4])
    gates = torch.reshape(torch.slice(flat, 0, 0, 64, 1), [16, 4])
    bias = torch.slice(flat, 0, 0, 16, 1)
    return {expression}
"
    );
    let numbers: Vec<f32> = (0..16 * 64).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
    let x = Tensor::from_vec(&mut Allocator::new(0, Memory::unlimited()), &[16, 64], &numbers).unwrap();
    program_of(&code, &[("training", Value::Bool(false))], vec![Value::Tensor(x)]).with_math(math)
}

fn result(expression: &str, math: Math, threads: u32) -> Tensor {
    let ran = parallel::run(&program(expression, math), &Limits::default(), threads);
    match ran.result {
        Some(Ok(Value::Tensor(tensor))) => tensor,
        other => panic!("{expression}: {other:?}, {:?}", ran.cut),
    }
}

/// Fowler, Noll and Vo's hash, 1a, of the numbers as doubles.
fn hash(tensor: &Tensor) -> u64 {
    let bits = |number: &Scalar| number.to_f64().to_bits().to_le_bytes();
    let bytes = numbers(tensor).expect("numbers").iter().flat_map(bits).collect::<Vec<u8>>();
    bytes.iter().fold(0xcbf29ce484222325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100000001b3))
}

#[test]
fn results_have_these_bits_on_every_machine() {
    let mut found = String::new();
    for (name, expression, expected) in ROWS {
        let tensor = result(expression, Math::Portable, 1);
        if hash(&tensor) != *expected {
            found += &format!("{name}: {:#018x}\n", hash(&tensor));
        }
        assert_eq!(hash(&tensor), hash(&result(expression, Math::Portable, 2)), "{name} on two threads");
    }
    assert!(found.is_empty(), "other bits:\n{found}");
}

#[test]
fn results_are_close_to_those_of_the_fast_kernels() {
    for (name, expression, _) in ROWS {
        let [native, portable] = [Math::Native, Math::Portable].map(|math| Value::Tensor(result(expression, math, 1)));
        let difference = close(name, &native, &portable, 1e-4, 1e-5);
        assert!(difference.is_none(), "{name}: {difference:?}");
    }
}
