//! Spectrograms: transforms of windows that slide along a signal, and back.

use super::signal::Signal;
use crate::operators::compose::of;
use crate::operators::results::sizes_text;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// What both directions are told.
struct Windows<'a> {
    fft: i64,
    hop: i64,
    length: i64,
    window: Option<&'a Tensor>,
}

impl<'a> Windows<'a> {
    fn of(call: &Call<'a>) -> Result<Self, Fault> {
        let fft = call.int(1)?;
        let (hop, length) = (call.opt_int(2)?.unwrap_or(fft >> 2), call.opt_int(3)?.unwrap_or(fft));
        Ok(Self { fft, hop, length, window: call.opt_tensor(4)? })
    }

    /// How PyTorch's messages begin.
    fn shown(&self, call: &Call<'_>, rest: &[(&str, usize)]) -> Result<String, Fault> {
        let input = call.tensor(0)?;
        let name = |tensor: &Tensor| format!("CPU{}Type", tensor.dtype().scalar_type_name());
        let window = match self.window {
            Some(window) => format!("{}{{{}}}", name(window), sizes_text(&window.sizes())),
            None => "None".into(),
        };
        let (sizes, Self { fft, hop, length, .. }) = (sizes_text(&input.sizes()), self);
        let operator = call.operator.name.trim_start_matches("aten::");
        let mut text = format!(
            "{operator}({}{sizes}, n_fft={fft}, hop_length={hop}, win_length={length}, window={window}",
            name(input)
        );
        for &(name, i) in rest {
            let value = match call.args.get(i) {
                Some(Value::Bool(value)) => (*value as i64).to_string(),
                Some(Value::Int(value)) => value.to_string(),
                _ => "None".into(),
            };
            text.push_str(&format!(", {name}={value}"));
        }
        Ok(text + ") ")
    }

    /// The window in the middle of so many numbers as are transformed; `None` if it is all ones.
    fn placed(&self, call: &mut Call<'_>, dtype: DType) -> Result<Option<Tensor>, Fault> {
        let left = (self.fft - self.length) / 2;
        let window = match self.window {
            Some(window) => window.clone(),
            None if self.length == self.fft => return Ok(None),
            None => {
                let sizes = call.int_list(&[self.length]);
                call.run_tensor("aten::ones", &[sizes, Value::Int(dtype.code())])?
            }
        };
        if self.length == self.fft {
            return Ok(Some(window));
        }
        let around = call.int_list(&[left, self.fft - self.length - left]);
        call.run_tensor("aten::constant_pad_nd", &[of(&window), around, Value::Int(0)]).map(Some)
    }
}

pub(super) fn stft(call: &mut Call<'_>) -> Result<Value, Fault> {
    transformed(call, None, 5)
}

pub(super) fn stft_centered(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mode = if call.bool(5)? { Some(call.str(6)?.to_string()) } else { None };
    transformed(call, mode, 7)
}

/// The transform of each window, with the signal padded at both ends in this mode; `first` is the position of `normalized`.
fn transformed(call: &mut Call<'_>, padded: Option<String>, first: usize) -> Result<Value, Fault> {
    let (input, windows) = (call.tensor(0)?, Windows::of(call)?);
    let normalized = call.bool(first)?;
    let (onesided, return_complex) = (call.opt_bool(first + 1)?, call.opt_bool(first + 2)?);
    let any_complex = input.dtype().is_complex() || windows.window.is_some_and(|window| window.dtype().is_complex());
    if !return_complex.unwrap_or(any_complex) && return_complex.is_none() {
        return raised(
            "stft requires the return_complex parameter be given for real inputs, and will further require that \
             return_complex=True in a future PyTorch release.",
        );
    }
    if call.opt_bool(first + 3)?.unwrap_or(false) {
        return Err(Fault::unsupported("aten::stft with align_to_window"));
    }
    let told =
        [("normalized", first), ("onesided", first + 1), ("return_complex", first + 2), ("align_to_window", first + 3)];
    let shown = windows.shown(call, &told)?;
    let Windows { fft, hop, length, window } = windows;
    let (dtype, rank) = (input.dtype(), input.sizes().len());
    if !dtype.is_floating_point() && !dtype.is_complex() {
        return raised(format!("{shown}: expected a tensor of floating point or complex values"));
    }
    if !(1..=2).contains(&rank) {
        return raised(format!("{shown}: expected a 1D or 2D tensor"));
    }
    let mut signal =
        if rank == 1 { call.run_tensor("aten::unsqueeze", &[of(input), Value::Int(0)])? } else { input.clone() };
    if let Some(mode) = padded {
        let ends = call.int_list(&[fft / 2, fft / 2]);
        let planes = call.run("aten::unsqueeze", &[of(&signal), Value::Int(0)])?;
        let planes = call.run("aten::pad", &[planes, ends, Value::str(mode)])?;
        signal = call.run_tensor("aten::squeeze.dim", &[planes, Value::Int(0)])?;
    }
    let (batch, samples) = (signal.sizes()[0], signal.sizes()[1]);
    if fft <= 0 || fft > samples {
        return raised(format!("{shown}: expected 0 < n_fft < {samples}, but got n_fft={length}"));
    }
    if hop <= 0 {
        return raised(format!("{shown}: expected hop_length > 0, but got hop_length={hop}"));
    }
    if length <= 0 || length > fft {
        return raised(format!("{shown}: expected 0 < win_length <= n_fft, but got win_length={length}"));
    }
    if let Some(window) = window.filter(|window| window.sizes()[..] != [length]) {
        let found = sizes_text(&window.sizes());
        return raised(format!(
            "{shown}: expected a 1D window tensor of size equal to win_length={length}, but got window with size {found}"
        ));
    }
    let frames = 1 + (samples - fft) / hop;
    let strides = signal.metadata().layout.strides().to_vec();
    let (sizes, steps) =
        (call.int_list(&[batch, frames, fft]), call.int_list(&[strides[0], hop * strides[1], strides[1]]));
    let offset = Value::Int(signal.metadata().layout.offset());
    let mut windowed = call.run_tensor("aten::as_strided", &[of(&signal), sizes, steps, offset])?;
    if let Some(window) = (Windows { fft, hop, length, window }).placed(call, dtype)? {
        windowed = call.run_tensor("aten::mul.Tensor", &[of(&windowed), of(&window)])?;
    }
    let complex = windowed.dtype().is_complex();
    let onesided = onesided.unwrap_or(!complex);
    let (dims, mode) = (call.int_list(&[2]), Value::Int(normalized as i64));
    if complex && onesided {
        return raised("Cannot have onesided output if window or input is complex");
    }
    let transform = if complex { "aten::_fft_c2c" } else { "aten::_fft_r2c" };
    let last = Value::Bool(if complex { true } else { onesided });
    let spectra = call.run(transform, &[of(&windowed), dims, mode, last])?;
    let mut result = call.run("aten::transpose.int", &[spectra, Value::Int(1), Value::Int(2)])?;
    if rank == 1 {
        result = call.run("aten::squeeze.dim", &[result, Value::Int(0)])?;
    }
    if return_complex.unwrap_or(any_complex) { Ok(result) } else { call.run("aten::view_as_real", &[result]) }
}

/// Windows put back where they were, each sample divided by what the squared windows add up to there.
pub(super) fn istft(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, windows) = (call.tensor(0)?, Windows::of(call)?);
    let (center, normalized, onesided) = (call.bool(5)?, call.bool(6)?, call.opt_bool(7)?);
    let (wanted, return_complex) = (call.opt_int(8)?, call.bool(9)?);
    if !input.dtype().is_complex() {
        return raised(
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.",
        );
    }
    let told = [("center", 5), ("normalized", 6), ("onesided", 7), ("length", 8), ("return_complex", 9)];
    let shown = windows.shown(call, &told)?;
    let Windows { fft, hop, length, window } = windows;
    let sizes = input.sizes();
    if input.numel() == 0 {
        return raised(format!("{shown}: input tensor cannot be empty."));
    }
    if !(2..=3).contains(&sizes.len()) {
        let found = sizes.len() + 1;
        return raised(format!("{shown}: expected a tensor with 3 or 4 dimensions, but got {found}"));
    }
    let (frames, bins) = (sizes[sizes.len() - 1], sizes[sizes.len() - 2]);
    let onesided = onesided.unwrap_or(bins != fft);
    let expected = if onesided { fft / 2 + 1 } else { fft };
    if bins != expected {
        let (formula, told) = if onesided { ("n_fft / 2 + 1", "True") } else { ("n_fft", "False") };
        return raised(format!(
            "{shown}: expected the frequency dimension (3rd to the last) of the input tensor to match {formula} when \
             onesided={told}, but got {bins}"
        ));
    }
    if !(0 < hop && hop <= length) {
        return raised(format!("{shown}: expected 0 < hop_length <= win_length"));
    }
    if !(0 < length && length <= fft) {
        return raised(format!("{shown}: expected 0 < win_length <= n_fft"));
    }
    if window.is_some_and(|window| window.sizes()[..] != [length]) {
        return raised(format!("{shown}: Invalid window shape. window has to be 1D and length of `win_length`"));
    }
    if return_complex && onesided {
        return raised("Cannot have onesided output if window or input is complex");
    }
    if window.is_some_and(|window| window.dtype().is_complex()) {
        return match return_complex {
            true => Err(Fault::unsupported("aten::istft with a complex window")),
            false => raised("Complex windows are incompatible with return_complex=False"),
        };
    }
    let real = if input.dtype() == DType::Complex128 { DType::Float64 } else { DType::Float32 };
    let mut signal = Signal::of(call, input)?;
    let dim = sizes.len() - 2;
    if return_complex {
        signal.transform(dim, false);
    } else {
        signal.resize(dim, fft / 2 + 1)?;
        signal.transform_to_real(dim, fft)?;
    }
    signal.scale(if normalized { 1.0 / (fft as f64).sqrt() } else { 1.0 / fft as f64 });

    let window = match (Windows { fft, hop, length, window }).placed(call, real)? {
        Some(window) => call.read::<f64>(&window)?.to_vec(),
        None => vec![1.0; fft as usize],
    };
    let samples = (fft + hop * (frames - 1)) as usize;
    let mut envelope = vec![0.0; samples];
    for frame in 0..frames as usize {
        for (k, w) in window.iter().enumerate() {
            envelope[frame * hop as usize + k] += w * w;
        }
    }
    let start = if center { fft / 2 } else { 0 };
    let end = match wanted {
        Some(wanted) => start + wanted,
        None if center => samples as i64 - fft / 2,
        None => samples as i64,
    };
    let kept = (start.min(samples as i64) as usize)..(end.clamp(start, samples as i64) as usize);
    if kept.is_empty() || envelope[kept.clone()].iter().any(|sum| sum.abs() < 1e-11) {
        return raised(format!("{shown}window overlap add min: 1\n[ CPUBoolType{{}} ]"));
    }
    signal.map_rows(dim, fft as usize, |row, result| {
        for ((to, x), w) in result.iter_mut().zip(row).zip(&window) {
            *to = x * w;
        }
    });
    let channels = signal.elements.len() / (fft * frames) as usize;
    let total = if end > samples as i64 { kept.len() + (end - samples as i64) as usize } else { kept.len() };
    let mut elements = vec![num_complex::Complex64::ZERO; channels * total];
    for (channel, row) in elements.chunks_exact_mut(total).enumerate() {
        let mut sums = vec![num_complex::Complex64::ZERO; samples];
        for k in 0..fft as usize {
            for frame in 0..frames as usize {
                let at = (channel * fft as usize + k) * frames as usize + frame;
                sums[frame * hop as usize + k] += signal.elements[at];
            }
        }
        for (to, at) in row.iter_mut().zip(kept.clone()) {
            *to = sums[at] / envelope[at];
        }
    }
    let dtype = if return_complex { input.dtype() } else { real };
    let sizes = if sizes.len() == 3 { vec![channels as i64, total as i64] } else { vec![total as i64] };
    call.create(dtype, &sizes, &elements).map(Value::Tensor)
}
