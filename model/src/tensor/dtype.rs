//! Element types, with PyTorch's numbers and names.

use std::fmt;

/// The type of a tensor's elements. The discriminants are PyTorch's `ScalarType` numbers, as code files print them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DType {
    /// `torch.uint8`
    UInt8 = 0,
    /// `torch.int8`
    Int8 = 1,
    /// `torch.int16`
    Int16 = 2,
    /// `torch.int32`
    Int32 = 3,
    /// `torch.int64`
    Int64 = 4,
    /// `torch.float16`
    Float16 = 5,
    /// `torch.float32`
    Float32 = 6,
    /// `torch.float64`
    Float64 = 7,
    /// `torch.complex32`
    ComplexHalf = 8,
    /// `torch.complex64`
    Complex64 = 9,
    /// `torch.complex128`
    Complex128 = 10,
    /// `torch.bool`
    Bool = 11,
    /// `torch.qint8`
    QInt8 = 12,
    /// `torch.quint8`
    QUInt8 = 13,
    /// `torch.qint32`
    QInt32 = 14,
    /// `torch.bfloat16`
    BFloat16 = 15,
    /// `torch.quint4x2`
    QUInt4x2 = 16,
    /// `torch.quint2x4`
    QUInt2x4 = 17,
    /// `torch.float8_e5m2`
    Float8E5M2 = 23,
    /// `torch.float8_e4m3fn`
    Float8E4M3Fn = 24,
    /// `torch.float8_e5m2fnuz`
    Float8E5M2Fnuz = 25,
    /// `torch.float8_e4m3fnuz`
    Float8E4M3Fnuz = 26,
    /// `torch.uint16`
    UInt16 = 27,
    /// `torch.uint32`
    UInt32 = 28,
    /// `torch.uint64`
    UInt64 = 29,
}

/// Every dtype with its Python name (after `torch.`), the name its tensors print with (`CPUFloatType`), the class
/// of its storages in a pickle, and the size of an element in bytes.
const TABLE: &[(DType, &str, &str, &str, usize)] = &[
    (DType::UInt8, "uint8", "Byte", "ByteStorage", 1),
    (DType::Int8, "int8", "Char", "CharStorage", 1),
    (DType::Int16, "int16", "Short", "ShortStorage", 2),
    (DType::Int32, "int32", "Int", "IntStorage", 4),
    (DType::Int64, "int64", "Long", "LongStorage", 8),
    (DType::Float16, "float16", "Half", "HalfStorage", 2),
    (DType::Float32, "float32", "Float", "FloatStorage", 4),
    (DType::Float64, "float64", "Double", "DoubleStorage", 8),
    (DType::ComplexHalf, "complex32", "ComplexHalf", "ComplexHalfStorage", 4),
    (DType::Complex64, "complex64", "ComplexFloat", "ComplexFloatStorage", 8),
    (DType::Complex128, "complex128", "ComplexDouble", "ComplexDoubleStorage", 16),
    (DType::Bool, "bool", "Bool", "BoolStorage", 1),
    (DType::QInt8, "qint8", "QInt8", "QInt8Storage", 1),
    (DType::QUInt8, "quint8", "QUInt8", "QUInt8Storage", 1),
    (DType::QInt32, "qint32", "QInt32", "QInt32Storage", 4),
    (DType::BFloat16, "bfloat16", "BFloat16", "BFloat16Storage", 2),
    (DType::QUInt4x2, "quint4x2", "QUInt4x2", "QUInt4x2Storage", 1),
    (DType::QUInt2x4, "quint2x4", "QUInt2x4", "QUInt2x4Storage", 1),
    (DType::Float8E5M2, "float8_e5m2", "Float8_e5m2", "", 1),
    (DType::Float8E4M3Fn, "float8_e4m3fn", "Float8_e4m3fn", "", 1),
    (DType::Float8E5M2Fnuz, "float8_e5m2fnuz", "Float8_e5m2fnuz", "", 1),
    (DType::Float8E4M3Fnuz, "float8_e4m3fnuz", "Float8_e4m3fnuz", "", 1),
    (DType::UInt16, "uint16", "UInt16", "", 2),
    (DType::UInt32, "uint32", "UInt32", "", 4),
    (DType::UInt64, "uint64", "UInt64", "", 8),
];

impl DType {
    fn row(self) -> &'static (DType, &'static str, &'static str, &'static str, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("every dtype has a row")
    }

    /// The dtype with PyTorch's number `code`, as code files print it.
    pub fn from_code(code: i64) -> Option<DType> {
        TABLE.iter().map(|row| row.0).find(|dtype| dtype.code() == code)
    }

    /// The dtype named `name` in Python, without `torch.`.
    pub fn from_name(name: &str) -> Option<DType> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// The dtype whose storages a pickle names `class`, such as `FloatStorage`.
    pub fn from_storage_class(class: &str) -> Option<DType> {
        TABLE.iter().find(|row| !row.3.is_empty() && row.3 == class).map(|row| row.0)
    }

    /// PyTorch's number.
    pub fn code(self) -> i64 {
        self as u8 as i64
    }

    /// The Python name, without `torch.`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The name that PyTorch's messages and printed types use, such as `Float`.
    pub fn scalar_type_name(self) -> &'static str {
        self.row().2
    }

    /// The C++ name of its elements, as some messages have it.
    pub fn c_name(self) -> &'static str {
        match self {
            DType::UInt8 => "unsigned char",
            DType::Int8 => "signed char",
            DType::Int16 => "short int",
            DType::Int32 => "int",
            DType::Int64 => "long int",
            DType::UInt16 => "short unsigned int",
            DType::UInt32 => "unsigned int",
            DType::UInt64 => "long unsigned int",
            DType::Float16 => "c10::Half",
            DType::BFloat16 => "c10::BFloat16",
            DType::Float32 => "float",
            DType::Float64 => "double",
            DType::Complex64 => "c10::complex<float>",
            DType::Complex128 => "c10::complex<double>",
            other => other.name(),
        }
    }

    /// The class of its storages in a pickle; empty for the dtypes that have none.
    pub fn storage_class(self) -> &'static str {
        self.row().3
    }

    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            DType::Float32 | DType::Int32 => 4,
            DType::Float64 | DType::Int64 => 8,
            _ => self.row().4,
        }
    }

    /// Float16, bfloat16, float32 or float64 (or one of the 8-bit floats).
    pub fn is_floating_point(self) -> bool {
        use DType::*;
        matches!(
            self,
            Float16 | BFloat16 | Float32 | Float64 | Float8E5M2 | Float8E4M3Fn | Float8E5M2Fnuz | Float8E4M3Fnuz
        )
    }

    /// One of the complex dtypes.
    pub fn is_complex(self) -> bool {
        matches!(self, DType::ComplexHalf | DType::Complex64 | DType::Complex128)
    }

    /// That of a complex number's parts; other numbers have no parts, and their own.
    pub fn of_parts(self) -> DType {
        match self {
            DType::ComplexHalf => DType::Float16,
            DType::Complex64 => DType::Float32,
            DType::Complex128 => DType::Float64,
            real => real,
        }
    }

    /// One of the dtypes whose elements stand for others.
    pub fn is_quantized(self) -> bool {
        use DType::*;
        matches!(self, QInt8 | QUInt8 | QInt32 | QUInt4x2 | QUInt2x4)
    }

    /// That of the plain integers which quantized elements are; `None` for other dtypes, and where a byte holds several elements.
    pub fn of_integers(self) -> Option<DType> {
        match self {
            DType::QInt8 => Some(DType::Int8),
            DType::QUInt8 => Some(DType::UInt8),
            DType::QInt32 => Some(DType::Int32),
            _ => None,
        }
    }

    /// An integer, bool not included.
    pub fn is_integral(self) -> bool {
        use DType::*;
        matches!(self, UInt8 | Int8 | Int16 | Int32 | Int64 | UInt16 | UInt32 | UInt64)
    }
}

/// The Python name, with `torch.`.
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "torch.{}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_go_round() {
        for row in TABLE {
            assert_eq!(DType::from_code(row.0.code()), Some(row.0));
            assert_eq!(DType::from_name(row.0.name()), Some(row.0));
            assert_eq!(row.0.size(), row.4);
            if !row.3.is_empty() {
                assert_eq!(DType::from_storage_class(row.3), Some(row.0));
            }
        }
        assert_eq!(DType::from_code(18), None);
        assert_eq!(DType::from_storage_class(""), None);
    }
}
