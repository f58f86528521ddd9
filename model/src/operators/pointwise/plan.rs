//! What all element-wise operators do alike: find the common dtype and sizes, check the destination, loop.
//!
//! The loops run over slices, and compute in one of few types: f32 for the narrow floats, i64 for all integers and
//! bools, whose arithmetic wraps when it is narrowed just as their own would. An operand that does not lie as the
//! result does, or is of another dtype, is gathered first. So a kernel is just a function of elements.

use bytemuck::cast;
use smallvec::SmallVec;

use super::super::output::Buffer;
use super::super::{Call, Destination, Fault};
use crate::operators::creation::formats::Format;
use crate::tensor::broadcast::broadcast_all;
use crate::tensor::overlap::result_layout;
use crate::tensor::promote::{Promotion, to_float};
use crate::tensor::{DType, Dims, Elements, Layout, Metadata, Number, Scalar, Tensor, dispatch};
use crate::value::Value;

/// Runs its body with `T` named for the type that a plan's dtype is computed in; other dtypes leave the function.
///
/// The sets: `any`, `real` (without complex), `numbers` (without bool), `floats`, `integers` (without bool),
/// `complex`; all but `any` are without uint16, uint32, uint64, which few of PyTorch's kernels know either.
macro_rules! compute {
    (any $($rest:tt)*) => { compute!(@ [
        Float32 | Float16 | BFloat16 => f32, Float64 => f64,
        Int64 | Int32 | Int16 | Int8 | UInt8 | Bool | UInt16 | UInt32 | UInt64 => i64,
        Complex64 => Complex32, Complex128 => Complex64
    ] $($rest)*) };
    (real $($rest:tt)*) => { compute!(@ [
        Float32 | Float16 | BFloat16 => f32, Float64 => f64, Int64 | Int32 | Int16 | Int8 | UInt8 | Bool => i64
    ] $($rest)*) };
    (numbers $($rest:tt)*) => { compute!(@ [
        Float32 | Float16 | BFloat16 => f32, Float64 => f64, Int64 | Int32 | Int16 | Int8 | UInt8 => i64
    ] $($rest)*) };
    (floats $($rest:tt)*) => { compute!(@ [Float32 | Float16 | BFloat16 => f32, Float64 => f64] $($rest)*) };
    (integers $($rest:tt)*) => { compute!(@ [Int64 | Int32 | Int16 | Int8 | UInt8 => i64] $($rest)*) };
    (complex $($rest:tt)*) => { compute!(@ [Complex64 => Complex32, Complex128 => Complex64] $($rest)*) };
    (@ [$($($variant:ident)|+ => $rust:ident),*] $plan:expr, $call:expr, $T:ident => $body:expr) => {
        match $plan.dtype {
            $($($crate::tensor::DType::$variant)|+ => {
                type $T = $crate::tensor::dispatch::types::$rust;
                $body
            })*
            other => Err($crate::operators::pointwise::plan::missing($call.operator.name, other)),
        }
    };
}

pub(super) use compute;

/// What an operator says of elements that it does not compute with.
pub(super) fn missing(operator: &str, dtype: DType) -> Fault {
    let words = NO_COMPLEX.iter().find(|(_, names)| names.contains(&operator.strip_suffix('_').unwrap_or(operator)));
    match words {
        Some((words, _)) if dtype.is_complex() => Fault::raised(*words),
        _ => Fault::no_kernel(operator, dtype),
    }
}

/// PyTorch's words for complex numbers, where it has any of its own, and the operators that say them.
const NO_COMPLEX: &[(&str, &[&str])] = &[
    (
        "clamp is not supported for complex types",
        &[
            "aten::clamp",
            "aten::clamp_min",
            "aten::clamp_max",
            "aten::clip",
            "aten::relu",
            "aten::relu6",
            "aten::hardtanh",
        ],
    ),
    ("trunc is not supported for complex inputs", &["aten::trunc", "aten::fix"]),
    ("ceil is not supported for complex inputs", &["aten::ceil"]),
    ("floor is not supported for complex inputs", &["aten::floor"]),
    (
        "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.",
        &["aten::sign"],
    ),
    ("signbit is not implemented for complex tensors.", &["aten::signbit"]),
    ("deg2rad is not supported for complex tensors.", &["aten::deg2rad"]),
    ("rad2deg is not supported for complex tensors.", &["aten::rad2deg"]),
    ("fmax not implemented for complex tensors.", &["aten::fmax"]),
    ("fmin not implemented for complex tensors.", &["aten::fmin"]),
    ("maximum not implemented for complex tensors.", &["aten::maximum", "aten::max"]),
    ("minimum not implemented for complex tensors.", &["aten::minimum", "aten::min"]),
    ("isposinf does not support complex inputs.", &["aten::isposinf"]),
    ("isneginf does not support complex inputs.", &["aten::isneginf"]),
];

/// An operand: a tensor, or a number that fits itself to the tensors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operand<'a> {
    Tensor(&'a Tensor),
    Number(Scalar),
    /// The element of a tensor without dimensions, which is all that a new result needs of it, and its dtype.
    Single(Scalar, DType),
}

impl<'a> Operand<'a> {
    pub(super) fn of(call: &Call<'a>, i: usize) -> Result<Self, Fault> {
        match call.value(i) {
            Value::Tensor(tensor) => Ok(Operand::Tensor(tensor)),
            _ => Ok(Operand::Number(call.scalar(i)?)),
        }
    }

    /// The element of a tensor without dimensions, where a number can be any that it may be.
    fn element(self) -> Self {
        self.tensor().and_then(Tensor::single).map_or(self, |(number, dtype)| Operand::Single(number, dtype))
    }

    pub(super) fn tensor(self) -> Option<&'a Tensor> {
        match self {
            Operand::Tensor(tensor) => Some(tensor),
            Operand::Number(_) | Operand::Single(..) => None,
        }
    }

    /// Whether it has no dimensions.
    pub(super) fn is_single(self) -> bool {
        self.tensor().is_none_or(|tensor| tensor.slot().lock().layout.rank() == 0)
    }

    pub(super) fn promote(self, promotion: &mut Promotion) -> Result<(), Fault> {
        match self {
            Operand::Tensor(tensor) => promotion.tensor(tensor),
            Operand::Number(number) => promotion.number(number),
            Operand::Single(_, dtype) => promotion.dtype(dtype, 0),
        }
    }

    pub(super) fn dtype(self) -> DType {
        match self {
            Operand::Tensor(tensor) => tensor.dtype(),
            Operand::Number(number) => number.dtype(),
            Operand::Single(_, dtype) => dtype,
        }
    }
}

/// An operand's elements as the loop reads them.
pub(super) enum Lane<T> {
    /// The same for all of the result.
    One(T),
    /// One for each of the result.
    Many(Elements<T>),
}

impl<T: Number> Lane<T> {
    pub(super) fn at(&self, i: usize) -> T {
        match self {
            Lane::One(x) => *x,
            Lane::Many(x) => x[i],
        }
    }

    pub(super) fn any(&self, f: impl Fn(T) -> bool) -> bool {
        match self {
            Lane::One(x) => f(*x),
            Lane::Many(x) => x.iter().any(|&x| f(x)),
        }
    }
}

/// An element-wise call that is about to be computed.
pub(super) struct Plan<'a> {
    pub(super) operands: SmallVec<[Operand<'a>; 3]>,
    /// The dtype that the operands are converted to.
    pub(super) dtype: DType,
    /// The dtype of a new result.
    result: DType,
    /// Sizes of the result, and how a new one would lie.
    layout: Layout,
    destination: Destination<'a>,
}

/// What the result's dtype is, given the operands'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The common dtype.
    Common,
    /// The common dtype, or the default float in place of integers.
    Float,
    /// Bool, whatever the operands are.
    Bool,
}

impl<'a> Plan<'a> {
    /// A plan for the arguments at these positions.
    pub(super) fn new(call: &Call<'a>, positions: &[usize], rule: Rule) -> Result<Self, Fault> {
        let mut operands = SmallVec::new();
        let is_new = call.destination()?.target().is_none();
        for &i in positions {
            let operand = Operand::of(call, i)?;
            operands.push(if is_new { operand.element() } else { operand });
        }
        Self::of(call, operands, rule)
    }

    /// A plan for the first argument.
    pub(super) fn unary(call: &Call<'a>, rule: Rule) -> Result<Self, Fault> {
        Self::new(call, &[0], rule)
    }

    /// A plan for the first two arguments.
    pub(super) fn binary(call: &Call<'a>, rule: Rule) -> Result<Self, Fault> {
        Self::new(call, &[0, 1], rule)
    }

    /// A plan for these operands.
    pub(super) fn of(call: &Call<'a>, operands: SmallVec<[Operand<'a>; 3]>, rule: Rule) -> Result<Self, Fault> {
        let mut promotion = Promotion::default();
        for operand in &operands {
            operand.promote(&mut promotion)?;
        }
        let common = promotion.result()?;
        let dtype = if rule == Rule::Float { to_float(common) } else { common };
        Self::with_dtype(call, operands, dtype, if rule == Rule::Bool { DType::Bool } else { dtype })
    }

    /// A plan for these operands, computed in `dtype`, which gives elements of `result`.
    pub(super) fn with_dtype(
        call: &Call<'a>,
        operands: SmallVec<[Operand<'a>; 3]>,
        dtype: DType,
        result: DType,
    ) -> Result<Self, Fault> {
        let destination = call.destination()?;
        let layout = if destination.target().is_none() && operands.iter().all(|operand| operand.is_single()) {
            Layout::single()
        } else {
            let tensors: SmallVec<[&Tensor; 3]> = operands.iter().filter_map(|operand| operand.tensor()).collect();
            destination.check_overlap(&tensors)?;
            let (all, wanted) = (tensors.len() == operands.len(), !matches!(destination, Destination::InPlace(_)));
            let layout = common_layout(&tensors, dtype, all, wanted)?;
            destination.check_sizes(layout.sizes())?;
            layout
        };
        destination.check_dtype(result)?;
        Ok(Self { operands, dtype, result, layout, destination })
    }

    /// The same, computed in another dtype.
    pub(super) fn computed_in(self, dtype: DType) -> Result<Self, Fault> {
        self.destination.check_dtype(dtype)?;
        Ok(Self { dtype, result: dtype, ..self })
    }

    /// The same with a new result that is contiguous.
    pub(super) fn contiguous(self) -> Self {
        Self { layout: Layout::contiguous(self.layout.sizes()), ..self }
    }

    /// The same with a new result that lies as if these were the operands, in this order: others are numbers that PyTorch's kernel
    /// has besides.
    pub(super) fn ordered(self, order: &[usize]) -> Result<Self, Fault> {
        let tensors: SmallVec<[&Tensor; 3]> = order.iter().filter_map(|&i| self.operands[i].tensor()).collect();
        if tensors.is_empty() || matches!(self.destination, Destination::InPlace(_)) {
            return Ok(self);
        }
        let layout = common_layout(&tensors, self.dtype, tensors.len() == order.len(), true)?;
        Ok(Self { layout, ..self })
    }

    /// Number of elements of the result.
    pub(super) fn count(&self) -> usize {
        self.layout.numel() as usize
    }

    /// A number as the operands are: rounded or wrapped to their dtype.
    pub(super) fn number<T: Number>(&self, number: &Scalar) -> Result<T, Fault> {
        number.cast_through(self.dtype)
    }

    /// The elements of operand `i`, rounded or wrapped to the common dtype.
    #[inline(always)]
    pub(super) fn lane<T: Number>(&self, call: &Call<'_>, i: usize) -> Result<Lane<T>, Fault> {
        match &self.operands[i] {
            Operand::Number(number) | Operand::Single(number, _) => Ok(Lane::One(self.number(number)?)),
            Operand::Tensor(tensor) => self.lane_of(call, tensor),
        }
    }

    fn lane_of<T: Number>(&self, call: &Call<'_>, tensor: &Tensor) -> Result<Lane<T>, Fault> {
        let memory = call.allocator.memory();
        if tensor.numel() == 1 {
            return Ok(Lane::One(if self.converts::<T>(tensor) {
                self.number(&tensor.item()?)?
            } else {
                tensor.read::<T>(memory)?[0]
            }));
        }
        if self.converts::<T>(tensor) {
            // The conversion changes values, and so comes before that to what is computed in.
            return dispatch!(all self.dtype, call.operator.name, D => {
                Ok(Lane::Many(tensor.read_expanded::<D>(self.layout.sizes(), memory)?.cast(memory)?))
            });
        }
        Ok(Lane::Many(tensor.read_expanded(self.layout.sizes(), memory)?))
    }

    /// The elements of operand `i` as `T`, whatever the common dtype is.
    pub(super) fn exact_lane<T: Number>(&self, call: &Call<'_>, i: usize) -> Result<Lane<T>, Fault> {
        let memory = call.allocator.memory();
        match self.operands[i] {
            Operand::Number(number) | Operand::Single(number, _) => Ok(Lane::One(number.cast())),
            Operand::Tensor(tensor) => Ok(Lane::Many(tensor.read_expanded(self.layout.sizes(), memory)?)),
        }
    }

    /// Whether the tensor's elements have to be rounded or wrapped to the common dtype before they become `T`.
    fn converts<T: Number>(&self, tensor: &Tensor) -> bool {
        self.dtype != T::DTYPE && self.dtype != tensor.dtype()
    }

    /// Computes a result from one operand.
    pub(super) fn map<T: Number, R: Number>(self, call: &mut Call<'_>, f: impl Fn(T) -> R) -> Result<Value, Fault> {
        if let Some(target) = self.own_elements::<T, R>() {
            target.update_elements(|elements: &mut [T]| elements.iter_mut().for_each(|x| *x = cast(f(*x))));
            return Ok(Value::Tensor(target.clone()));
        }
        let lane = self.lane::<T>(call, 0)?;
        let mut buffer = self.buffer::<R>(call)?;
        let out = buffer.elements();
        match lane {
            Lane::One(x) => out.fill(f(x)),
            Lane::Many(x) => out.iter_mut().zip(&*x).for_each(|(out, &x)| *out = f(x)),
        }
        self.finish(call, buffer)
    }

    /// Computes a result from two operands.
    pub(super) fn zip<T: Number, R: Number>(self, call: &mut Call<'_>, f: impl Fn(T, T) -> R) -> Result<Value, Fault> {
        if let Some(target) = self.own_elements::<T, R>() {
            // A second operand in the same memory is kept by its lane as it was, and the write is to a copy.
            let b = self.lane::<T>(call, 1)?;
            target.update_elements(|elements: &mut [T]| match b {
                Lane::Many(b) => elements.iter_mut().zip(&*b).for_each(|(x, &b)| *x = cast(f(*x, b))),
                Lane::One(b) => elements.iter_mut().for_each(|x| *x = cast(f(*x, b))),
            });
            return Ok(Value::Tensor(target.clone()));
        }
        let (a, b) = (self.lane::<T>(call, 0)?, self.lane::<T>(call, 1)?);
        let mut buffer = self.buffer::<R>(call)?;
        let out = buffer.elements();
        match (a, b) {
            (Lane::Many(a), Lane::Many(b)) => {
                out.iter_mut().zip(&*a).zip(&*b).for_each(|((out, &a), &b)| *out = f(a, b));
            }
            (Lane::Many(a), Lane::One(b)) => out.iter_mut().zip(&*a).for_each(|(out, &a)| *out = f(a, b)),
            (Lane::One(a), Lane::Many(b)) => out.iter_mut().zip(&*b).for_each(|(out, &b)| *out = f(a, b)),
            (Lane::One(a), Lane::One(b)) => out.fill(f(a, b)),
        }
        self.finish(call, buffer)
    }

    /// Computes a result from three operands, the first of which may be of another type.
    pub(super) fn zip3<S: Number, T: Number, R: Number>(
        self,
        call: &mut Call<'_>,
        f: impl Fn(S, T, T) -> R,
    ) -> Result<Value, Fault> {
        let a = if S::DTYPE == T::DTYPE { self.lane::<S>(call, 0)? } else { self.exact_lane(call, 0)? };
        let (b, c) = (self.lane::<T>(call, 1)?, self.lane::<T>(call, 2)?);
        let mut buffer = self.buffer::<R>(call)?;
        for (i, out) in buffer.elements().iter_mut().enumerate() {
            *out = f(a.at(i), b.at(i), c.at(i));
        }
        drop((a, b, c));
        self.finish(call, buffer)
    }

    /// Computes a result from the first two operands, and the number of the element.
    pub(super) fn zip_indexed<T: Number>(
        self,
        call: &mut Call<'_>,
        f: impl Fn(usize, T, T) -> T,
    ) -> Result<Value, Fault> {
        let (a, b) = (self.lane::<T>(call, 0)?, self.lane::<T>(call, 1)?);
        let mut buffer = self.buffer::<T>(call)?;
        for (i, out) in buffer.elements().iter_mut().enumerate() {
            *out = f(i, a.at(i), b.at(i));
        }
        drop((a, b));
        self.finish(call, buffer)
    }

    /// The first operand, if the result goes there, element by element and as it is computed.
    fn own_elements<T: Number, R: Number>(&self) -> Option<&'a Tensor> {
        let Destination::InPlace(target) = self.destination else { return None };
        let own = self.operands[0].tensor().is_some_and(|tensor| tensor.is(target));
        let metadata = target.metadata();
        let plain = metadata.layout.is_contiguous() && metadata.layout.sizes() == self.layout.sizes();
        let dtypes = [T::DTYPE, R::DTYPE, self.dtype, self.result];
        (own && plain && dtypes.iter().all(|&dtype| dtype == metadata.dtype)).then_some(target)
    }

    fn buffer<R: Number>(&self, call: &Call<'_>) -> Result<Buffer<R>, Fault> {
        self.destination.buffer(call, &self.layout, self.result)
    }

    fn finish<R: Number>(self, call: &mut Call<'_>, buffer: Buffer<R>) -> Result<Value, Fault> {
        self.destination.finish(call, buffer, self.layout, self.result)
    }
}

/// How a new result of element-wise work on these tensors lies.
pub(in crate::operators) fn layout_of(tensors: &[&Tensor]) -> Result<Layout, Fault> {
    common_layout(tensors, tensors[0].dtype(), true, true)
}

/// What [`Plan::zip`] computes of two single floats, or of one and a number, as a new tensor: the arithmetic of losses and
/// counters, for which a plan that fits all takes longer than all the rest. `None` where the call is of another form, or fails.
#[inline]
pub(super) fn zip_singles<R: Number>(call: &mut Call<'_>, f: impl Fn(f32, f32) -> R) -> Option<Value> {
    let (Ok(Destination::New), [a, b, ..]) = (call.destination(), call.args) else { return None };
    let (a, b) = match (a, b) {
        (Value::Tensor(a), Value::Tensor(b)) => (a.single_of()?, b.single_of()?),
        (Value::Tensor(a), Value::Int(b)) => (a.single_of()?, *b as f32),
        (Value::Tensor(a), Value::Float(b)) => (a.single_of()?, *b as f32),
        _ => return None,
    };
    Tensor::of_single(call.allocator, f(a, b)).ok().map(Value::Tensor)
}

/// The sizes that the operands have in common; also how a new result would lie, if that is `wanted`, where `all` of the operands
/// are these tensors.
fn common_layout(tensors: &[&Tensor], dtype: DType, all: bool, wanted: bool) -> Result<Layout, Fault> {
    let metadata: SmallVec<[_; 3]> = tensors.iter().map(|tensor| tensor.metadata()).collect();
    let sizes: Dims = broadcast_all(metadata.iter().map(|metadata| metadata.layout.sizes()))?;
    let plain = |metadata: &Metadata| *metadata.layout.sizes() == *sizes && metadata.layout.is_contiguous();
    if !wanted || metadata.iter().all(|metadata| plain(metadata)) {
        return Ok(Layout::contiguous(&sizes));
    }
    // What is of another dtype is a copy by then.
    let lies = |metadata: &Metadata| match metadata.dtype == dtype {
        true => Ok(metadata.layout.clone()),
        false => Format::Preserve.layout(&metadata.layout),
    };
    let layouts = metadata.iter().map(|metadata| lies(metadata)).collect::<Result<SmallVec<[Layout; 3]>, Fault>>()?;
    if all && layouts.iter().all(|layout| *layout.sizes() == *sizes) {
        if layouts.iter().all(|layout| Format::ChannelsLast.holds(layout)) {
            return Format::ChannelsLast.layout(&layouts[0]);
        }
        let strides = layouts[0].strides();
        if layouts.iter().all(|layout| layout.is_dense() && layout.strides() == strides) {
            return Ok(Layout::strided(&sizes, strides, 0));
        }
    }
    Ok(result_layout(&layouts.iter().collect::<SmallVec<[&Layout; 3]>>(), &sizes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::find;
    use crate::operators::observe::observe;
    use crate::slot::{Allocator, Memory};

    /// What an operator gives of two floats: its dtype, and the bytes of its first element.
    fn given(name: &str, a: Value, b: Value) -> (DType, Vec<u8>) {
        let operator = find(name).expect("an operator");
        let mut args = vec![a, b];
        args.resize(operator.schema.arguments.len(), Value::Int(1));
        let Ok(Value::Tensor(result)) = observe(operator, &args) else { panic!("{name} gives a tensor") };
        let dtype = result.dtype();
        (dtype, result.storage().content().bytes()[..dtype.size()].to_vec())
    }

    /// `zip_singles` against [`Plan::zip`], which numbers without a dimension never get to, and tensors of two elements do.
    #[test]
    fn two_numbers_are_computed_with_as_elements_of_vectors_are() {
        let mut allocator = Allocator::new(0, Memory::unlimited());
        let mut tensor = |sizes: &[i64], x: f32| {
            let elements = vec![x; sizes.iter().product::<i64>() as usize];
            Value::Tensor(Tensor::from_vec(&mut allocator, sizes, &elements).expect("memory"))
        };
        // 16777217 is the first integer that is no f32, 0.1 is none either, and the last two are too large for one.
        let numbers = [0.0, -0.0, 1.0, -2.5, 0.1, 16_777_217.0, f64::INFINITY, f64::NAN, 1e-45, 1e39, -9.2e18];
        for (operator, other) in ["add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge"]
            .into_iter()
            .flat_map(|operator| ["Tensor", "Scalar"].map(|other| (operator, other)))
        {
            let name = format!("aten::{operator}.{other}");
            for (a, b) in numbers.iter().flat_map(|&a| numbers.map(|b| (a as f32, b))) {
                let mut others = vec![];
                if other == "Tensor" {
                    others.push((tensor(&[], b as f32), tensor(&[2], b as f32)));
                } else {
                    others.extend([Value::Float(b), Value::Int(b as i64)].map(|b| (b.clone(), b)));
                }
                for (single, double) in others {
                    let (single, double) =
                        (given(&name, tensor(&[], a), single), given(&name, tensor(&[2], a), double));
                    assert_eq!(single, double, "{name} of {a} and {b}");
                }
            }
        }
    }
}
