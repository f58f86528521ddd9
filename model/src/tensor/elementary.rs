//! Elementary functions, by the system's library or by one that gives the same bits everywhere.
//!
//! The system's are faster, and those that PyTorch calls for single numbers; but libraries differ, and one library may
//! choose its instructions by the processor. Where neither reason matters (random numbers, windows, losses) kernels call
//! the `libm` crate itself; those that map numbers ask [`Math`].

/// How kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Math {
    /// As this machine does it best: the system's elementary functions, and a product and a sum rounded at once where
    /// the processor has an instruction for both. The same bits in every schedule on one machine.
    #[default]
    Native,
    /// The same bits on every processor and system.
    Portable,
}

/// Declares the functions, from their names in Rust and in `libm` for both widths.
macro_rules! elementary {
    ($($doc:literal $name:ident($x:ident $(, $y:ident)?) = $f64:ident $f32:ident;)*) => {
        /// A float with elementary functions.
        pub trait Elementary: Copy {
            $(#[doc = $doc] fn $name(self, $($y: Self,)? math: Math) -> Self;)*
        }

        elementary!(impl f64; $($name($x $(, $y)?) = $f64;)*);
        elementary!(impl f32; $($name($x $(, $y)?) = $f32;)*);

        impl Math {
            $(#[doc = $doc]
            #[inline]
            pub fn $name<F: Elementary>(self, $x: F $(, $y: F)?) -> F {
                Elementary::$name($x, $($y,)? self)
            })*
        }
    };
    (impl $float:ident; $($name:ident($x:ident $(, $y:ident)?) = $libm:ident;)*) => {
        impl Elementary for $float {
            $(#[inline]
            #[expect(clippy::disallowed_methods, reason = "the one place that calls the system's")]
            fn $name(self, $($y: Self,)? math: Math) -> Self {
                match math {
                    Math::Native => $float::$name(self $(, $y)?),
                    Math::Portable => libm::$libm(self $(, $y)?),
                }
            })*
        }
    };
}

elementary! {
    "The exponential." exp(x) = exp expf;
    "Two to a power." exp2(x) = exp2 exp2f;
    "The exponential, less one." exp_m1(x) = expm1 expm1f;
    "The natural logarithm." ln(x) = log logf;
    "The logarithm to base two." log2(x) = log2 log2f;
    "The logarithm to base ten." log10(x) = log10 log10f;
    "The natural logarithm of one more." ln_1p(x) = log1p log1pf;
    "Sine." sin(x) = sin sinf;
    "Cosine." cos(x) = cos cosf;
    "Tangent." tan(x) = tan tanf;
    "Arc sine." asin(x) = asin asinf;
    "Arc cosine." acos(x) = acos acosf;
    "Arc tangent." atan(x) = atan atanf;
    "Hyperbolic sine." sinh(x) = sinh sinhf;
    "Hyperbolic cosine." cosh(x) = cosh coshf;
    "Hyperbolic tangent." tanh(x) = tanh tanhf;
    "A power." powf(x, exponent) = pow powf;
    "The angle of a point, its height first." atan2(y, x) = atan2 atan2f;
    "The length of a hypotenuse." hypot(x, y) = hypot hypotf;
}

#[cfg(test)]
mod tests {
    use super::Math;

    #[test]
    fn portable_functions_have_these_bits_on_every_machine() {
        let math = Math::Portable;
        let found = [math.exp(0.7f64), math.ln(0.7), math.sin(0.7), math.tanh(0.7), math.powf(0.7, 1.3)];
        let bits = [0x40001c2a61268987, 0xbfd6d3c324e13f50, 0x3fe49d6e694619b8, 0x3fe356fb17af2e90, 0x3fe4207e29c0d5e4];
        assert_eq!(found.map(f64::to_bits), bits);
        let found = [math.exp(0.7f32), math.ln(0.7), math.sin(0.7), math.tanh(0.7), math.powf(0.7, 1.3)];
        assert_eq!(found.map(f32::to_bits), [0x4000e153, 0xbeb69e1a, 0x3f24eb73, 0x3f1ab7d8, 0x3f2103f1]);
    }

    /// A function of one number, for both widths.
    type OfOne = (fn(Math, f64) -> f64, fn(Math, f32) -> f32);
    type OfTwo = fn(Math, f64, f64) -> f64;

    #[test]
    fn the_two_versions_are_a_few_units_in_the_last_place_apart() {
        let of_one: [(&str, OfOne); 16] = [
            ("exp", (Math::exp, Math::exp)),
            ("exp2", (Math::exp2, Math::exp2)),
            ("exp_m1", (Math::exp_m1, Math::exp_m1)),
            ("ln", (Math::ln, Math::ln)),
            ("log2", (Math::log2, Math::log2)),
            ("log10", (Math::log10, Math::log10)),
            ("ln_1p", (Math::ln_1p, Math::ln_1p)),
            ("sin", (Math::sin, Math::sin)),
            ("cos", (Math::cos, Math::cos)),
            ("tan", (Math::tan, Math::tan)),
            ("asin", (Math::asin, Math::asin)),
            ("acos", (Math::acos, Math::acos)),
            ("atan", (Math::atan, Math::atan)),
            ("sinh", (Math::sinh, Math::sinh)),
            ("cosh", (Math::cosh, Math::cosh)),
            ("tanh", (Math::tanh, Math::tanh)),
        ];
        for (name, (wide, narrow)) in of_one {
            for i in 1..1000 {
                let x = f64::from(i) / 1000.0;
                let (native, portable) = (wide(Math::Native, x), wide(Math::Portable, x));
                assert!((native - portable).abs() <= 4.0 * f64::EPSILON * native.abs(), "{name}({x})");
                let (native, portable) = (narrow(Math::Native, x as f32), narrow(Math::Portable, x as f32));
                assert!((native - portable).abs() <= 4.0 * f32::EPSILON * native.abs(), "{name}({x}), narrow");
            }
        }
        let of_two: [(&str, OfTwo); 3] = [("powf", Math::powf), ("atan2", Math::atan2), ("hypot", Math::hypot)];
        for (name, function) in of_two {
            for i in 1..1000 {
                let (x, y) = (f64::from(i) / 100.0, 3.0 - f64::from(i) / 200.0);
                let (native, portable) = (function(Math::Native, x, y), function(Math::Portable, x, y));
                assert!((native - portable).abs() <= 4.0 * f64::EPSILON * native.abs(), "{name}({x}, {y})");
            }
        }
    }
}
