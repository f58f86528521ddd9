//! Whole networks: loading them, and one forward pass on one thread.
//!
//! The archives are in `networks/`, as `torch.jit.save` wrote them, but for their weights: of those there is only the bound
//! within which they are drawn here, so that a few kilobytes stand for megabytes.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;

use crate::Bench;
use crate::workload::Workload;

pub(crate) fn measure(bench: &mut Bench) {
    for name in ["squeezenet1_1", "mobilenet_v3_small"] {
        let archive = archive(name);
        bench.load(&format!("load/{name}"), &Workload::new(archive.clone(), &[]));
        for size in [64, 224] {
            let workload = Workload::new(archive.clone(), &[&format!("f32[1,3,{size},{size}]")]);
            // The archive is of a module that forks its network.
            let network = Workload { submodule: Some("net"), ..workload };
            bench.run(&format!("forward/{name} 1x3x{size}x{size}"), &network);
        }
    }
    bench.run("forward/LSTM(64, 64, 2 layers)", &lstm(1));
    bench.run("forward/LSTM in 4 forks", &lstm(4));
    let attention = Workload::new(archive("attention_heads"), &["f32[2,6,8]"]);
    bench.run("forward/attention with a fork per head", &attention);
    bench.run("forward/transformer layer 20x4x64", &transformer());
}

/// Draws the weights of a network and stores its records as PyTorch does, without compression.
fn archive(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/pytorch/networks/{name}.pt"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut bare = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip file");
    let mut full = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut state = 1u64;
    for index in 0..bare.len() {
        let mut record = bare.by_index(index).expect("it is below the length");
        let name = record.name().expect("a name of ours").to_string();
        let mut bytes = Vec::new();
        record.read_to_end(&mut bytes).expect("memory gives every read");
        if name.contains("/data/") && bytes.len() > 8 && bytes[4..].iter().all(|&byte| byte == 0) {
            draw(&mut bytes, &mut state);
        }
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        full.start_file(name, options).expect("a name of PyTorch's");
        full.write_all(&bytes).expect("memory takes every write");
    }
    full.finish().expect("memory takes every write").into_inner()
}

/// Replaces floats by uniform ones, bounded by the first of them.
fn draw(bytes: &mut [u8], state: &mut u64) {
    let (floats, _) = bytes.as_chunks_mut::<4>();
    let bound = f32::from_le_bytes(floats[0]);
    for float in floats {
        *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let uniform = (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
        *float = (uniform * bound).to_le_bytes();
    }
}

/// So many LSTMs over a sequence of 20 steps of 4 samples, each in a fork if there are several.
pub(crate) fn lstm(count: usize) -> Workload {
    let call = "x, w0, w1, b0, b1, w2, w3, b2, b3, ";
    let parameters = "x: Tensor,\n    w0: Tensor,\n    w1: Tensor,\n    b0: Tensor,\n    b1: Tensor,\n    w2: Tensor,\n    \
                      w3: Tensor,\n    b2: Tensor,\n    b3: Tensor";
    let mut body = String::new();
    for i in 0..count {
        body += &match count {
            1 => format!("    y{i} = __torch__.f({call})\n"),
            _ => format!(
                "    def __forked_function{i}():\n      return __torch__.f({call})\n    v{i} = fork(__forked_function{i})\n"
            ),
        };
    }
    if count > 1 {
        body += &(0..count).map(|i| format!("    y{i} = torch.wait(v{i})\n")).collect::<String>();
    }
    let code = format!(
        "class M(Module):\n  __parameters__ = []\n  __buffers__ = []\n  def forward(self: __torch__.M,\n    {parameters}) -> \
         Tensor:\n{body}    return y0\ndef f({parameters}) -> Tensor:\n  h = torch.zeros([2, 4, 64])\n  c = torch.zeros([2, \
         4, 64])\n  weights = [w0, w1, b0, b1, w2, w3, b2, b3]\n  y, h0, c0, = torch.lstm(x, [h, c], weights, True, 2, 0., \
         False, False, False)\n  return y\n"
    );
    let layer = ["f32[256,64]", "f32[256,64]", "f32[256]", "f32[256]"];
    Workload::of_code(&code, &[&["f32[20,4,64]"], &layer[..], &layer[..]].concat())
}

/// A layer of a transformer's encoder: 20 steps of 4 samples, 4 heads of 16, 256 hidden.
fn transformer() -> Workload {
    let code = "\
class M(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.M,
    x: Tensor,
    w_in: Tensor,
    b_in: Tensor,
    w_out: Tensor,
    b_out: Tensor,
    w_1: Tensor,
    b_1: Tensor,
    w_2: Tensor,
    b_2: Tensor) -> Tensor:
    q, k, v, = torch.chunk(torch.linear(x, w_in, b_in), 3, 2)
    q0 = torch.transpose(torch.reshape(q, [20, 16, 16]), 0, 1)
    k0 = torch.transpose(torch.reshape(k, [20, 16, 16]), 0, 1)
    v0 = torch.transpose(torch.reshape(v, [20, 16, 16]), 0, 1)
    scores = torch.mul(torch.bmm(q0, torch.transpose(k0, 1, 2)), 0.25)
    seen = torch.bmm(torch.softmax(scores, 2), v0)
    heads = torch.reshape(torch.transpose(seen, 0, 1), [20, 4, 64])
    y = torch.layer_norm(torch.add(x, torch.linear(heads, w_out, b_out)), [64])
    z = torch.linear(torch.relu(torch.linear(y, w_1, b_1)), w_2, b_2)
    return torch.layer_norm(torch.add(y, z), [64])
";
    let inputs = [
        "f32[20,4,64]",
        "f32[192,64]",
        "f32[192]",
        "f32[64,64]",
        "f32[64]",
        "f32[256,64]",
        "f32[256]",
        "f32[64,256]",
        "f32[64]",
    ];
    Workload::of_code(code, &inputs)
}
