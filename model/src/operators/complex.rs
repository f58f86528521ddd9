//! Elementary functions of complex numbers, made of those of floats: for numbers and for the elements of tensors.

use num_complex::Complex64;

use crate::tensor::Math;

const I: Complex64 = Complex64::I;
const ONE: Complex64 = Complex64::ONE;

pub(super) fn from_polar(math: Math, length: f64, angle: f64) -> Complex64 {
    Complex64::new(length * math.cos(angle), length * math.sin(angle))
}

pub(super) fn length(math: Math, z: Complex64) -> f64 {
    math.hypot(z.re, z.im)
}

pub(super) fn angle(math: Math, z: Complex64) -> f64 {
    math.atan2(z.im, z.re)
}

pub(super) fn exp(math: Math, z: Complex64) -> Complex64 {
    from_polar(math, math.exp(z.re), z.im)
}

pub(super) fn ln(math: Math, z: Complex64) -> Complex64 {
    Complex64::new(math.ln(length(math, z)), angle(math, z))
}

pub(super) fn log10(math: Math, z: Complex64) -> Complex64 {
    ln(math, z) / std::f64::consts::LN_10
}

/// The root with a real part that is not negative; on the axes without angles, which are not exact.
pub(super) fn sqrt(math: Math, z: Complex64) -> Complex64 {
    if z.im == 0.0 {
        let root = z.re.abs().sqrt();
        return if z.re.is_sign_positive() {
            Complex64::new(root, z.im)
        } else {
            Complex64::new(0.0, root.copysign(z.im))
        };
    }
    if z.re == 0.0 {
        let part = (z.im.abs() / 2.0).sqrt();
        return Complex64::new(part, part.copysign(z.im));
    }
    from_polar(math, length(math, z).sqrt(), angle(math, z) / 2.0)
}

pub(super) fn sin(math: Math, z: Complex64) -> Complex64 {
    Complex64::new(math.sin(z.re) * math.cosh(z.im), math.cos(z.re) * math.sinh(z.im))
}

pub(super) fn cos(math: Math, z: Complex64) -> Complex64 {
    Complex64::new(math.cos(z.re) * math.cosh(z.im), -math.sin(z.re) * math.sinh(z.im))
}

pub(super) fn tan(math: Math, z: Complex64) -> Complex64 {
    let twice = z + z;
    Complex64::new(math.sin(twice.re), math.sinh(twice.im)).unscale(math.cos(twice.re) + math.cosh(twice.im))
}

pub(super) fn asin(math: Math, z: Complex64) -> Complex64 {
    -I * ln(math, sqrt(math, ONE - z * z) + I * z)
}

pub(super) fn acos(math: Math, z: Complex64) -> Complex64 {
    -I * ln(math, I * sqrt(math, ONE - z * z) + z)
}

pub(super) fn atan(math: Math, z: Complex64) -> Complex64 {
    if z == I || z == -I {
        return Complex64::new(0.0, f64::INFINITY.copysign(z.im));
    }
    (ln(math, ONE + I * z) - ln(math, ONE - I * z)) / (I + I)
}

pub(super) fn sinh(math: Math, z: Complex64) -> Complex64 {
    Complex64::new(math.sinh(z.re) * math.cos(z.im), math.cosh(z.re) * math.sin(z.im))
}

pub(super) fn cosh(math: Math, z: Complex64) -> Complex64 {
    Complex64::new(math.cosh(z.re) * math.cos(z.im), math.sinh(z.re) * math.sin(z.im))
}

pub(super) fn tanh(math: Math, z: Complex64) -> Complex64 {
    let twice = z + z;
    Complex64::new(math.sinh(twice.re), math.sin(twice.im)).unscale(math.cosh(twice.re) + math.cos(twice.im))
}

pub(super) fn asinh(math: Math, z: Complex64) -> Complex64 {
    ln(math, z + sqrt(math, ONE + z * z))
}

pub(super) fn acosh(math: Math, z: Complex64) -> Complex64 {
    2.0 * ln(math, sqrt(math, (z + ONE) / 2.0) + sqrt(math, (z - ONE) / 2.0))
}

pub(super) fn atanh(math: Math, z: Complex64) -> Complex64 {
    if z == ONE || z == -ONE {
        return Complex64::new(f64::INFINITY.copysign(z.re), 0.0);
    }
    (ln(math, ONE + z) - ln(math, ONE - z)) / 2.0
}

/// As the C++ library: through polar coordinates, zero apart.
pub(super) fn pow(math: Math, a: Complex64, b: Complex64) -> Complex64 {
    if a == Complex64::ZERO { Complex64::ZERO } else { exp(math, b * ln(math, a)) }
}
