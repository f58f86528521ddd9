//! Loops that are compiled twice: for every processor, and for those with AVX2 and FMA.
//!
//! This is the one place with `unsafe` code of this crate. A kernel is plain Rust over slices and arrays of a known
//! length; inlined into a function that may use wider registers, it is compiled to them. Which of the two runs is the
//! same for the whole life of a process, so the same inputs give the same bits; [`Math::Portable`] runs the first always.

use crate::tensor::Math;

/// A kernel and its arguments.
pub(in crate::operators) trait Loops: Sized {
    /// What it gives.
    type Output;

    /// Computes. `FUSED` says that `mul_add` is one instruction here; where it is not it would be a slow call.
    ///
    /// Must be `#[inline(always)]`, with all that it calls, or it is compiled for every processor only.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// Runs a kernel with the widest instructions that the processor has, or, portably, with those of every processor.
pub(in crate::operators) fn vectorised<L: Loops>(math: Math, loops: L) -> L::Output {
    #[cfg(target_arch = "x86_64")]
    if math == Math::Native && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: calling a function with target features is sound if the processor has them, which the line above
        // asked it. The function itself is safe code.
        #[expect(unsafe_code, reason = "the only way from code for every processor to code for this one")]
        return unsafe { wide(loops) };
    }
    loops.run::<false>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn wide<L: Loops>(loops: L) -> L::Output {
    loops.run::<true>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says which version runs, and what it makes of a number that rounding twice would change.
    struct Probe(f64);

    impl Loops for Probe {
        type Output = (bool, f64);

        #[inline(always)]
        fn run<const FUSED: bool>(self) -> (bool, f64) {
            let x = self.0;
            (FUSED, if FUSED { x.mul_add(x, -1.0) } else { x * x - 1.0 })
        }
    }

    #[test]
    fn the_wide_version_runs_where_the_processor_has_it_and_both_compute() {
        let x = 1.0 + f64::EPSILON;
        let (fused, y) = vectorised(Math::Native, Probe(x));
        #[cfg(target_arch = "x86_64")]
        assert_eq!(fused, is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"));
        // (1 + e)^2 - 1 is 2e + e^2, of which rounding the product drops the last term.
        let (once, twice) = (2.0 * f64::EPSILON + f64::EPSILON * f64::EPSILON, 2.0 * f64::EPSILON);
        assert_eq!(y, if fused { once } else { twice });
        assert_eq!(vectorised(Math::Portable, Probe(x)), (false, twice));
    }
}
