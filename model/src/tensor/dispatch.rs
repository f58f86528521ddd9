//! From a dtype known at run time to a Rust type known at compile time.

/// Runs its body with a type named for the dtype's elements; other dtypes leave the function with a
/// [`Fault::Unsupported`](crate::operators::Fault) that names the operator.
///
/// `dispatch!(floats dtype, "aten::exp", T => body)`; the sets are
/// - `all`: everything that has an [`Element`](super::Element) type,
/// - `real`: the same without complex,
/// - `numbers`: integers and floats, without bool,
/// - `floats`: f16, bf16, f32, f64,
/// - `integers`: without bool,
/// - `usual`, `usual_numbers`, `usual_integers`: without uint16, uint32, uint64, which most of PyTorch's own kernels
///   do not know either,
/// - `complex`: complex64, complex128,
/// - `halves`: f16, bf16,
/// - `wide`: f32, f64.
macro_rules! dispatch {
    (all $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Float32 f32, Float64 f64, Int64 i64, Bool Bool8, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, Float16 f16,
            BFloat16 bf16, UInt16 u16, UInt32 u32, UInt64 u64, Complex64 Complex32, Complex128 Complex64
        ] $($rest)*)
    };
    (real $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Float32 f32, Float64 f64, Int64 i64, Bool Bool8, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, Float16 f16,
            BFloat16 bf16, UInt16 u16, UInt32 u32, UInt64 u64
        ] $($rest)*)
    };
    (numbers $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Float32 f32, Float64 f64, Int64 i64, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, Float16 f16, BFloat16 bf16,
            UInt16 u16, UInt32 u32, UInt64 u64
        ] $($rest)*)
    };
    (usual $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Float32 f32, Float64 f64, Int64 i64, Bool Bool8, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, Float16 f16,
            BFloat16 bf16
        ] $($rest)*)
    };
    (usual_numbers $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Float32 f32, Float64 f64, Int64 i64, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, Float16 f16, BFloat16 bf16
        ] $($rest)*)
    };
    (usual_integers $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [Int64 i64, Int32 i32, UInt8 u8, Int8 i8, Int16 i16] $($rest)*)
    };
    (complex $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [Complex64 Complex32, Complex128 Complex64] $($rest)*)
    };
    (floats $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [Float32 f32, Float64 f64, Float16 f16, BFloat16 bf16] $($rest)*)
    };
    (integers $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [
            Int64 i64, Int32 i32, UInt8 u8, Int8 i8, Int16 i16, UInt16 u16, UInt32 u32, UInt64 u64
        ] $($rest)*)
    };
    (halves $($rest:tt)*) => {
        $crate::tensor::dispatch!(@ [Float16 f16, BFloat16 bf16] $($rest)*)
    };
    (wide $($rest:tt)*) => { $crate::tensor::dispatch!(@ [Float32 f32, Float64 f64] $($rest)*) };
    (@ [$($variant:ident $rust:ident),*] $dtype:expr, $operator:expr, $T:ident => $body:expr) => {
        match $dtype {
            $($crate::tensor::DType::$variant => {
                type $T = $crate::tensor::dispatch::types::$rust;
                $body
            })*
            #[allow(unreachable_patterns, reason = "a set may hold every dtype some day")]
            other => return Err($crate::operators::Fault::no_kernel($operator, other)),
        }
    };
}

pub(crate) use dispatch;

/// The names that the macro uses, wherever it is used.
pub(crate) mod types {
    pub(crate) use crate::tensor::Bool8;
    pub(crate) use half::{bf16, f16};
    pub(crate) use num_complex::{Complex32, Complex64};
    pub(crate) use std::primitive::{f32, f64, i8, i16, i32, i64, u8, u16, u32, u64};
}
