//! Type promotion: the dtype that operands of several dtypes are computed in.
//!
//! PyTorch ranks operands in three categories: tensors with dimensions, tensors without, plain numbers. A lower
//! category changes the dtype only when it is of a higher kind (bool, integer, float, complex).

use super::{DType, Scalar, Tensor};
use crate::operators::Fault;

/// The dtypes of the operands seen so far, by category.
#[derive(Debug, Clone, Copy, Default)]
pub struct Promotion {
    dimensioned: Option<DType>,
    zero_dim: Option<DType>,
    number: Option<DType>,
}

impl Promotion {
    /// Takes a tensor into account.
    pub fn tensor(&mut self, tensor: &Tensor) -> Result<(), Fault> {
        let metadata = tensor.slot().lock();
        self.dtype(metadata.dtype, metadata.layout.rank())
    }

    /// Takes a tensor of this dtype and rank into account.
    pub fn dtype(&mut self, dtype: DType, rank: usize) -> Result<(), Fault> {
        let category = if rank > 0 { &mut self.dimensioned } else { &mut self.zero_dim };
        *category = Some(category.map_or(Ok(dtype), |known| promote(known, dtype))?);
        Ok(())
    }

    /// Takes a plain number into account.
    pub fn number(&mut self, scalar: Scalar) -> Result<(), Fault> {
        let dtype = scalar.dtype();
        self.number = Some(self.number.map_or(Ok(dtype), |known| promote(known, dtype))?);
        Ok(())
    }

    /// The common dtype.
    ///
    /// # Panics
    /// If nothing was taken into account.
    pub fn result(self) -> Result<DType, Fault> {
        let low = combine(self.zero_dim, self.number)?;
        Ok(combine(self.dimensioned, low)?.expect("an operator has operands"))
    }
}

/// The common dtype of two tensors.
pub fn result_type(a: &Tensor, b: &Tensor) -> Result<DType, Fault> {
    let mut promotion = Promotion::default();
    promotion.tensor(a)?;
    promotion.tensor(b)?;
    promotion.result()
}

/// The common dtype of a tensor and a number.
pub fn result_type_number(a: &Tensor, b: Scalar) -> Result<DType, Fault> {
    let mut promotion = Promotion::default();
    promotion.tensor(a)?;
    promotion.number(b)?;
    promotion.result()
}

/// The common dtype of all these tensors, as for `cat` and `stack`.
///
/// # Panics
/// If there are none.
pub fn result_type_all<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Result<DType, Fault> {
    let mut promotion = Promotion::default();
    for tensor in tensors {
        promotion.tensor(tensor)?;
    }
    promotion.result()
}

/// A dtype, or the default float if it is a bool or an integer: what `sqrt` and `true_divide` compute in.
pub fn to_float(dtype: DType) -> DType {
    if dtype.is_floating_point() || dtype.is_complex() { dtype } else { DType::Float32 }
}

/// Whether a result of dtype `from` may be written to a tensor of dtype `to`: kinds may only go up.
pub fn can_cast(from: DType, to: DType) -> bool {
    if from.is_complex() && !to.is_complex() {
        return false;
    }
    if from.is_floating_point() && !(to.is_floating_point() || to.is_complex()) {
        return false;
    }
    from == DType::Bool || to != DType::Bool
}

/// Checks [`can_cast`], or raises PyTorch's words.
pub fn check_can_cast(from: DType, to: DType) -> Result<(), Fault> {
    if can_cast(from, to) {
        return Ok(());
    }
    let (from, to) = (from.scalar_type_name(), to.scalar_type_name());
    Err(Fault::raised(format!("result type {from} can't be cast to the desired output type {to}")))
}

/// A category of operands, and the lower ones.
fn combine(higher: Option<DType>, lower: Option<DType>) -> Result<Option<DType>, Fault> {
    let (Some(high), Some(low)) = (higher, lower) else { return Ok(higher.or(lower)) };
    Ok(Some(match high {
        _ if high.is_complex() => high,
        _ if high.is_floating_point() && low.is_complex() => complex_of(high),
        _ if high.is_floating_point() => high,
        _ if high == DType::Bool || low.is_floating_point() || low.is_complex() => promote(high, low)?,
        _ => high,
    }))
}

/// The complex dtype whose parts are of this float.
pub fn complex_of(float: DType) -> DType {
    match float {
        DType::Float64 => DType::Complex128,
        DType::Float16 => DType::ComplexHalf,
        _ => DType::Complex64,
    }
}

/// The smallest dtype that holds both (`torch.promote_types`).
pub fn promote(a: DType, b: DType) -> Result<DType, Fault> {
    use DType::*;
    if a == b {
        return Ok(a);
    }
    let names = || format!("{} and {}", a.scalar_type_name(), b.scalar_type_name());
    let is = |wanted: fn(DType) -> bool| (wanted(a), wanted(b));
    if let (true, _) | (_, true) = is(|dtype| matches!(dtype, QInt8 | QUInt8 | QInt32 | QUInt4x2 | QUInt2x4)) {
        return Err(Fault::Unsupported(format!("promotion of {}", names())));
    }
    if let (true, _) | (_, true) = is(|dtype| dtype.is_floating_point() && dtype.size() == 1) {
        let words = format!("Promotion for Float8 Types is not supported, attempted to promote {}", names());
        return Err(Fault::raised(words));
    }
    if let (true, _) | (_, true) = is(|dtype| matches!(dtype, UInt16 | UInt32 | UInt64)) {
        match is(DType::is_floating_point) {
            (true, _) => return Ok(a),
            (_, true) => return Ok(b),
            _ => {}
        }
        let words =
            format!("Promotion for uint16, uint32, uint64 types is not supported, attempted to promote {}", names());
        return Err(Fault::raised(words));
    }
    Ok(match (is(DType::is_complex), is(DType::is_floating_point)) {
        ((true, true), _) => a.max(b),
        ((true, false), _) => complex_with(a, b),
        ((false, true), _) => complex_with(b, a),
        // Neither of the two short floats holds the other.
        (_, (true, true)) if a.size() == b.size() => Float32,
        (_, (true, true)) => {
            if a.size() > b.size() {
                a
            } else {
                b
            }
        }
        (_, (true, false)) => a,
        (_, (false, true)) => b,
        _ => match (a, b) {
            (Bool, other) | (other, Bool) => other,
            (UInt8, Int8) | (Int8, UInt8) => Int16,
            _ => {
                if a.size() > b.size() {
                    a
                } else {
                    b
                }
            }
        },
    })
}

/// A complex dtype with a real one.
fn complex_with(complex: DType, real: DType) -> DType {
    match (complex, real) {
        (_, DType::Float64) => DType::Complex128,
        (DType::ComplexHalf, DType::Float32 | DType::BFloat16) => DType::Complex64,
        _ => complex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_rank_before_dtypes() {
        use DType::*;
        let check = |dimensioned: Option<DType>, zero_dim: Option<DType>, number: Option<Scalar>, expected| {
            let mut promotion = Promotion::default();
            for (dtype, rank) in [(dimensioned, 1), (zero_dim, 0)] {
                dtype.map_or(Ok(()), |dtype| promotion.dtype(dtype, rank)).unwrap();
            }
            number.map_or(Ok(()), |number| promotion.number(number)).unwrap();
            assert_eq!(promotion.result(), Ok(expected));
        };
        check(Some(UInt8), None, Some(Scalar::Int(300)), UInt8);
        check(Some(UInt8), None, Some(Scalar::Float(1.0)), Float32);
        check(Some(Float16), Some(Float64), None, Float16);
        check(Some(Int32), Some(Float64), Some(Scalar::Float(1.0)), Float64);
        check(None, Some(Int32), Some(Scalar::Int(1)), Int32);
        check(None, Some(Bool), Some(Scalar::Int(1)), Int64);
        check(Some(Float64), Some(Complex64), None, Complex128);
    }

    #[test]
    fn two_dtypes_promote_to_one_that_holds_both() {
        use DType::*;
        let check = |a, b, expected| {
            assert_eq!((promote(a, b), promote(b, a)), (Ok(expected), Ok(expected)));
        };
        check(UInt8, Int8, Int16);
        check(UInt8, Int64, Int64);
        check(Float16, BFloat16, Float32);
        check(Int64, Float16, Float16);
        check(ComplexHalf, BFloat16, Complex64);
        check(Complex64, Float64, Complex128);
        assert!(promote(UInt16, Int32).is_err());
    }
}
