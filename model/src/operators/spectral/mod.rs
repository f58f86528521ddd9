//! Fourier transforms, spectrograms, and the complex numbers that they are made of.
//!
//! All transforms are computed in `f64`, by `rustfft` without vector instructions, so that their bits are the same on every
//! processor.

mod complex;
mod frames;
mod outputs;
mod signal;
mod transforms;

use super::corrections::When;
use super::{Correction, Kernel, out};

/// Full names and kernels.
pub(super) const KERNELS: &[&[(&str, Kernel)]] = &[
    &[
        ("aten::_fft_c2c", transforms::complex_to_complex),
        ("aten::_fft_c2r", transforms::complex_to_real),
        ("aten::_fft_r2c", transforms::real_to_complex),
        ("aten::fft_fft", |call| transforms::one(call, "fft")),
        ("aten::fft_fft2", |call| transforms::several(call, "fftn")),
        ("aten::fft_fftfreq", transforms::frequencies),
        ("aten::fft_fftn", |call| transforms::several(call, "fftn")),
        ("aten::fft_fftshift", |call| transforms::shift(call, 0)),
        ("aten::fft_hfft", |call| transforms::one(call, "hfft")),
        ("aten::fft_hfft2", |call| transforms::several(call, "hfftn")),
        ("aten::fft_hfftn", |call| transforms::several(call, "hfftn")),
        ("aten::fft_ifft", |call| transforms::one(call, "ifft")),
        ("aten::fft_ifft2", |call| transforms::several(call, "ifftn")),
        ("aten::fft_ifftn", |call| transforms::several(call, "ifftn")),
        ("aten::fft_ifftshift", |call| transforms::shift(call, 1)),
        ("aten::fft_ihfft", |call| transforms::one(call, "ihfft")),
        ("aten::fft_ihfft2", |call| transforms::several(call, "ihfftn")),
        ("aten::fft_ihfftn", |call| transforms::several(call, "ihfftn")),
        ("aten::fft_irfft", |call| transforms::one(call, "irfft")),
        ("aten::fft_irfft2", |call| transforms::several(call, "irfftn")),
        ("aten::fft_irfftn", |call| transforms::several(call, "irfftn")),
        ("aten::fft_rfft", |call| transforms::one(call, "rfft")),
        ("aten::fft_rfft2", |call| transforms::several(call, "rfftn")),
        ("aten::fft_rfftfreq", transforms::real_frequencies),
        ("aten::fft_rfftn", |call| transforms::several(call, "rfftn")),
    ],
    &[
        ("aten::_fft_c2c.out", out::converted),
        ("aten::_fft_c2r.out", out::converted),
        ("aten::_fft_r2c.out", out::converted),
        ("aten::fft_fft.out", outputs::complex),
        ("aten::fft_fft2.out", outputs::complex),
        ("aten::fft_fftn.out", outputs::complex),
        ("aten::fft_hfft.out", outputs::real),
        ("aten::fft_hfft2.out", outputs::real),
        ("aten::fft_hfftn.out", outputs::real),
        ("aten::fft_ifft.out", outputs::complex),
        ("aten::fft_ifft2.out", outputs::complex),
        ("aten::fft_ifftn.out", outputs::complex),
        ("aten::fft_ihfft.out", outputs::conjugates),
        ("aten::fft_ihfft2.out", outputs::complex),
        ("aten::fft_ihfftn.out", outputs::complex),
        ("aten::fft_irfft.out", outputs::real),
        ("aten::fft_irfft2.out", outputs::real),
        ("aten::fft_irfftn.out", outputs::real),
        ("aten::fft_rfft.out", outputs::complex),
        ("aten::fft_rfft2.out", outputs::complex),
        ("aten::fft_rfftn.out", outputs::complex),
    ],
    &[("aten::istft", frames::istft), ("aten::stft", frames::stft), ("aten::stft.center", frames::stft_centered)],
    &[
        ("aten::_conj_physical", complex::conjugated),
        ("aten::angle", complex::angle),
        ("aten::complex", complex::complex),
        ("aten::conj", complex::conj),
        ("aten::conj_physical", complex::conj_physical),
        ("aten::conj_physical_", complex::conj_physical_),
        ("aten::polar", complex::polar),
    ],
];

/// Full names and corrections.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] =
    &[("aten::conj_physical", &[Correction::AliasesWhen(When::Arguments(complex::is_real))])];

#[cfg(test)]
mod tests {
    use crate::operators::fixture::replay;

    #[test]
    fn transforms_lie_as_pytorchs() {
        replay(include_str!("../fixtures/transforms.txt"));
    }

    /// The values were worked out by the plain sums of the definitions; none is recorded, but for how they lie.
    #[test]
    fn transforms_are_as_worked_out() {
        replay(include_str!("worked_out.txt"));
    }
}
