//! The table at the end: what we take, what PyTorch takes or was recorded to take, and the ratio.

use std::fmt::Write as _;
use std::path::Path;

use forkcheck_tests::estimates::{median, time};

use crate::interpreter::TRIPS;
use crate::peer::Measured;

/// What is measured.
#[derive(Clone, Copy)]
enum Unit {
    /// Nanoseconds for each of so many times that the benchmark does it.
    Each(f64),
    /// So many operations on floats in the benchmark.
    Operations(f64),
}

use Unit::{Each, Operations};

impl Unit {
    /// What a median comes to, and how such a figure is shown.
    fn figure(self, median: f64) -> (f64, fn(f64) -> String) {
        match self {
            Each(times) => (median / times, time),
            Operations(count) => (count / median, |rate| format!("{rate:.1} GFLOP/s")),
        }
    }
}

/// A benchmark, what its median means, PyTorch's recorded figure (nanoseconds or GFLOP/s), and the speed relative to PyTorch's that
/// we want at least.
struct Row(&'static str, Unit, Option<f64>, f64);

/// A trip of a loop.
const TRIP: Unit = Each(TRIPS as f64);

const ROWS: &[Row] = &[
    Row("interpreter/tensor + int", TRIP, Some(2.3e3), 8.0),
    Row("interpreter/int + int", TRIP, Some(40.0), 4.0),
    Row("interpreter/int % int and a branch", TRIP, Some(120.0), 4.0),
    Row("interpreter/call of tensor + int", TRIP, Some(2.4e3), 8.0),
    Row("interpreter/fork and wait, tensor + int", TRIP, Some(8.0e3), 10.0),
    Row("interpreter/fork and wait, int + int", TRIP, Some(4.8e3), 10.0),
    Row("interpreter/fork all, then wait, tensor + int", TRIP, Some(7.0e3), 10.0),
    Row("threads/LSTM in 4 forks on 1 thread", Each(1.0), Some(1171e3), 1.0),
    Row("threads/LSTM in 4 forks on 2 threads", Each(1.0), Some(1168e3), 1.0),
    Row("load/squeezenet1_1", Each(1.0), Some(30.6e6), 5.0),
    Row("load/mobilenet_v3_small", Each(1.0), Some(133e6), 5.0),
    Row("forward/squeezenet1_1 1x3x64x64", Each(1.0), Some(3.26e6), 1.0 / 1.6),
    Row("forward/squeezenet1_1 1x3x224x224", Each(1.0), Some(22.0e6), 1.0 / 1.6),
    Row("forward/mobilenet_v3_small 1x3x64x64", Each(1.0), Some(2.70e6), 1.0 / 1.6),
    Row("forward/mobilenet_v3_small 1x3x224x224", Each(1.0), Some(5.11e6), 1.0 / 1.6),
    Row("forward/LSTM(64, 64, 2 layers)", Each(1.0), Some(254e3), 1.0 / 1.6),
    Row("forward/LSTM in 4 forks", Each(1.0), Some(1171e3), 1.0 / 1.6),
    Row("forward/attention with a fork per head", Each(1.0), None, 1.0),
    Row("forward/transformer layer 20x4x64", Each(1.0), None, 1.0),
    Row("operator/mm 64x64", Operations(200.0 * 2.0 * 64.0 * 64.0 * 64.0), Some(76.7), 0.9),
    Row("operator/mm 256x256", Operations(10.0 * 2.0 * 256.0 * 256.0 * 256.0), Some(100.8), 0.9),
    Row("operator/mm 512x512", Operations(10.0 * 2.0 * 512.0 * 512.0 * 512.0), Some(95.1), 0.9),
    Row(
        "operator/conv2d 3x3 64 to 64 56x56",
        Operations(2.0 * 2.0 * 64.0 * 64.0 * 9.0 * 56.0 * 56.0),
        Some(102.6),
        0.6,
    ),
];

/// The table, as Markdown.
pub(crate) fn render(folder: &Path, peer: Option<&Measured>) -> String {
    let version = peer.map_or("2.7 (recorded)", |peer| &peer.version);
    let mut text = format!("\n| workload | forkcheck | PyTorch {version} | speed | wanted |\n|---|---|---|---|---|\n");
    for &Row(name, unit, recorded, wanted) in ROWS {
        let Some(median) = median(folder, name) else { continue };
        let (ours, text_of) = unit.figure(median);
        let ours_text = text_of(ours);
        let theirs = match peer {
            Some(peer) => peer.medians.get(name).map(|&median| unit.figure(median).0),
            None => recorded,
        };
        match theirs {
            Some(theirs) => {
                let speed = if matches!(unit, Each(_)) { theirs / ours } else { ours / theirs };
                writeln!(text, "| {name} | {ours_text} | {} | {speed:.2}x | {wanted:.2}x |", text_of(theirs))
            }
            None => writeln!(text, "| {name} | {ours_text} | | | |"),
        }
        .expect("a string takes everything");
    }
    text
}
