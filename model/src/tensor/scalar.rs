//! Single numbers: `Scalar` arguments, and what `item` gives.

use num_complex::Complex64;

use super::{Bool8, Content, DType, Layout, Number, Tensor, dispatch};
use crate::operators::Fault;
use crate::slot::{Allocator, OutOfMemory};
use crate::value::Value;

/// A number of a dtype category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A complex number.
    Complex(Complex64),
}

impl Scalar {
    /// The number that a value is, if it is one.
    pub fn from_value(value: &Value) -> Option<Scalar> {
        Some(match value {
            Value::Bool(value) => Scalar::Bool(*value),
            Value::Int(value) => Scalar::Int(*value),
            Value::Float(value) => Scalar::Float(*value),
            Value::Complex(value) => Scalar::Complex(**value),
            _ => return None,
        })
    }

    /// The number as a value.
    pub fn to_value(self) -> Value {
        match self {
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => Value::Int(value),
            Scalar::Float(value) => Value::Float(value),
            Scalar::Complex(value) => Value::Complex(Box::new(value)),
        }
    }

    /// The dtype that a tensor made of the number has, with PyTorch's default float.
    pub fn dtype(self) -> DType {
        match self {
            Scalar::Bool(_) => DType::Bool,
            Scalar::Int(_) => DType::Int64,
            Scalar::Float(_) => DType::Float32,
            Scalar::Complex(_) => DType::Complex64,
        }
    }

    /// Converted to an element, as C casts.
    pub fn cast<T: Number>(self) -> T {
        match self {
            Scalar::Bool(value) => T::from_i64(value as i64),
            Scalar::Int(value) => T::from_i64(value),
            Scalar::Float(value) => T::from_f64(value),
            Scalar::Complex(value) => T::from_complex(value),
        }
    }

    /// Converted to an element of `dtype`, and then to `T`.
    #[inline]
    pub fn cast_through<T: Number>(&self, dtype: DType) -> Result<T, Fault> {
        if dtype == T::DTYPE { Ok(self.cast()) } else { self.cast_through_another(dtype) }
    }

    fn cast_through_another<T: Number>(&self, dtype: DType) -> Result<T, Fault> {
        dispatch!(all dtype, "a number", D => Ok(self.cast::<D>().cast()))
    }

    /// Raises PyTorch's error if an element of `dtype` cannot hold it.
    pub fn check_fits(self, dtype: DType) -> Result<(), Fault> {
        if self.fits(dtype) {
            return Ok(());
        }
        let name = checked_name(dtype);
        Err(Fault::raised(format!("value cannot be converted to type {name} without overflow")))
    }

    /// Whether an element of `dtype` can hold it; fractions may be cut off, and a negative number may wrap.
    fn fits(self, dtype: DType) -> bool {
        let (low, high) = match dtype {
            DType::UInt8 => (0.0, u8::MAX as f64),
            DType::Int8 => (i8::MIN as f64, i8::MAX as f64),
            DType::Int16 => (i16::MIN as f64, i16::MAX as f64),
            DType::Int32 => (i32::MIN as f64, i32::MAX as f64),
            DType::UInt16 => (0.0, u16::MAX as f64),
            DType::UInt32 => (0.0, u32::MAX as f64),
            DType::UInt64 => (0.0, u64::MAX as f64),
            DType::Int64 => (i64::MIN as f64, i64::MAX as f64),
            DType::Float16 => (-65504.0, 65504.0),
            DType::BFloat16 => (f64::from(half::bf16::MIN), f64::from(half::bf16::MAX)),
            DType::Float32 | DType::Complex64 => (f32::MIN as f64, f32::MAX as f64),
            _ => return !matches!(self, Scalar::Complex(value) if !dtype.is_complex() && value.im != 0.0),
        };
        let float = match self {
            Scalar::Bool(_) => return true,
            // Two's complement: minus one is the greatest unsigned number.
            Scalar::Int(value) if low == 0.0 => return (value.unsigned_abs() as f64) <= high,
            Scalar::Int(value) => value as f64,
            Scalar::Float(value) => value,
            Scalar::Complex(value) if value.im != 0.0 && !dtype.is_complex() => return false,
            Scalar::Complex(value) => value.re,
        };
        if dtype.is_integral() {
            float >= low && float <= high
        } else {
            !float.is_finite() || (low..=high).contains(&float)
        }
    }

    /// As a float.
    pub fn to_f64(self) -> f64 {
        self.cast()
    }

    /// As an integer.
    pub fn to_i64(self) -> i64 {
        self.cast()
    }

    /// Whether it is not zero.
    pub fn is_true(self) -> bool {
        self.cast::<Bool8>().into()
    }
}

/// The name that the error of [`Scalar::check_fits`] gives to a dtype.
fn checked_name(dtype: DType) -> &'static str {
    match dtype {
        DType::UInt8 => "uint8_t",
        DType::Int8 => "int8_t",
        DType::Int16 => "int16_t",
        DType::Int32 => "int",
        DType::Int64 => "int64_t",
        DType::UInt16 => "uint16_t",
        DType::UInt32 => "uint32_t",
        DType::UInt64 => "uint64_t",
        DType::Float16 => "at::Half",
        DType::BFloat16 => "at::BFloat16",
        DType::Float32 => "float",
        DType::Float64 => "double",
        DType::Complex64 => "c10::complex<float>",
        DType::Complex128 => "c10::complex<double>",
        other => other.name(),
    }
}

impl Tensor {
    /// The element of a tensor without dimensions, and its dtype, if that is one of the four that most numbers have.
    pub fn single(&self) -> Option<(Scalar, DType)> {
        let metadata = self.slot().lock();
        if metadata.layout.rank() != 0 {
            return None;
        }
        let at = metadata.layout.offset() as usize;
        let content = metadata.storage.slot().lock();
        let number = match metadata.dtype {
            DType::Float32 => Scalar::Float(f64::from(content.elements::<f32>()[at])),
            DType::Float64 => Scalar::Float(content.elements()[at]),
            DType::Int64 => Scalar::Int(content.elements()[at]),
            DType::Bool => Scalar::Bool(content.bytes()[at] != 0),
            _ => return None,
        };
        Some((number, metadata.dtype))
    }

    /// The element of a tensor without dimensions, if that is a `T`.
    pub fn single_of<T: Number>(&self) -> Option<T> {
        let metadata = self.slot().lock();
        if metadata.layout.rank() != 0 || metadata.dtype != T::DTYPE {
            return None;
        }
        let at = metadata.layout.offset() as usize;
        Some(metadata.storage.slot().lock().elements()[at])
    }

    /// A new tensor without dimensions.
    pub fn of_single<T: Number>(allocator: &mut Allocator, element: T) -> Result<Self, OutOfMemory> {
        let content = Content::single(element, allocator.memory())?;
        Ok(Tensor::owning(allocator, content, T::DTYPE, Layout::single()))
    }

    /// Its only element, or PyTorch's error if it has not just one.
    pub fn item(&self) -> Result<Scalar, Fault> {
        let metadata = self.metadata();
        let count = metadata.layout.numel();
        if count != 1 {
            return Err(Fault::raised(format!("a Tensor with {count} elements cannot be converted to Scalar")));
        }
        let content = metadata.storage.content();
        let at = metadata.layout.offset() as usize;
        dispatch!(all metadata.dtype, "aten::item", T => {
            let element = content.elements::<T>()[at];
            Ok(if metadata.dtype.is_complex() {
                Scalar::Complex(element.cast())
            } else if metadata.dtype.is_floating_point() {
                Scalar::Float(element.cast())
            } else if metadata.dtype == DType::Bool {
                Scalar::Bool(element.is_true())
            } else {
                Scalar::Int(element.cast())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::f16;

    #[test]
    fn conversions_are_those_of_x86() {
        assert_eq!(Scalar::Float(-1.9).cast::<i64>(), -1);
        assert_eq!(Scalar::Float(f64::NAN).cast::<i64>(), i64::MIN);
        assert_eq!(Scalar::Float(1e30).cast::<i32>(), i32::MIN);
        assert_eq!(Scalar::Float(300.0).cast::<u8>(), 44);
        assert_eq!(Scalar::Float(-1.0).cast::<u8>(), 255);
        assert_eq!(Scalar::Float(300.0).cast::<i8>(), 44);
        assert_eq!(Scalar::Float(f64::NAN).cast::<i8>(), 0);
        assert_eq!(Scalar::Int(300).cast::<i8>(), 44);
        assert_eq!(Scalar::Int(-1).cast::<u64>(), u64::MAX);
        assert_eq!(u64::MAX.cast::<f32>(), 18446744073709551616.0);
        assert_eq!(Scalar::Float(0.5).cast::<Bool8>(), true.into());
        assert_eq!(Scalar::Float(70000.0).cast::<f16>(), f16::INFINITY);
        assert_eq!(Scalar::Complex(Complex64::new(2.5, 1.0)).cast::<f32>(), 2.5);
    }
}
