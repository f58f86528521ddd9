//! Where a result goes: the three forms of an operator share one computation and differ in this.
//!
//! `add` makes a tensor, `add_` writes its first argument, `add.out` writes `out` and may give it new sizes.

use super::{Call, Fault};
use crate::slot::Charge;
use crate::tensor::overlap::{check_no_internal_overlap, check_no_partial_overlap};
use crate::tensor::promote::{can_cast, check_can_cast};
use crate::tensor::{Content, DType, Layout, Number, Tensor, dispatch};
use crate::value::Value;

/// Where a result goes.
#[derive(Debug, Clone, Copy)]
pub enum Destination<'a> {
    /// A new tensor.
    New,
    /// The first argument, which keeps its sizes and dtype.
    InPlace(&'a Tensor),
    /// The `out` argument, which keeps its dtype, and what dtypes that may be.
    Out(&'a Tensor, Accepts),
}

/// Which dtypes an operator's `out` may have, and whose words say so if it has another: PyTorch's kernels have several ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Accepts {
    /// Any that the result can be cast to, in the words of `TensorIterator`.
    #[default]
    Castable,
    /// The same in the words of linear algebra, which name the operator.
    SafelyCastable(&'static str),
    /// The result's own.
    Same,
    /// The result's own in the words of `TensorIterator`.
    Found,
    /// The result's own in the words of norms of matrices.
    Norm,
}

impl Accepts {
    /// The forms that are not like most, each with a word before it: `same`, `found`, `norm`, or its name in the words of linear algebra.
    const LIST: &'static str = include_str!("out_dtypes.txt");

    /// What the forms of the list accept.
    pub(super) fn listed() -> impl Iterator<Item = (&'static str, Accepts)> {
        Self::LIST.lines().map(|line| match line.split_once(' ').expect("a word and a name") {
            ("same", name) => (name, Accepts::Same),
            ("found", name) => (name, Accepts::Found),
            ("norm", name) => (name, Accepts::Norm),
            (own, name) => (name, Accepts::SafelyCastable(own)),
        })
    }

    /// Raises unless a result of one dtype may be written to an `out` of the other.
    fn check(self, result: DType, out: DType) -> Result<(), Fault> {
        let (from, to) = (result.scalar_type_name(), out.scalar_type_name());
        match self {
            Accepts::Castable => check_can_cast(result, out),
            Accepts::SafelyCastable(_) if can_cast(result, out) => Ok(()),
            Accepts::Same | Accepts::Found | Accepts::Norm if result == out => Ok(()),
            Accepts::Norm => {
                Err(Fault::raised(format!("linalg.matrix_norm expected out tensor dtype {from} but got: {to}")))
            }
            Accepts::Same => Err(Fault::raised(format!(
                "Expected out tensor to have dtype {}, but got {} instead",
                result.c_name(),
                out.c_name()
            ))),
            Accepts::Found => Err(Fault::raised(format!("Found dtype {to} but expected {from}"))),
            Accepts::SafelyCastable(name) => {
                let words = "Expected result to be safely castable from";
                Err(Fault::raised(format!("{name}: {words} {from} dtype, but got result with dtype {to}")))
            }
        }
    }
}

impl<'a> Call<'a> {
    /// Where the schema says that the (only) result goes.
    pub fn destination(&self) -> Result<Destination<'a>, Fault> {
        let arguments = &self.operator.schema.arguments;
        let Some(i) = arguments.iter().rposition(|argument| argument.alias.as_ref().is_some_and(|alias| alias.writes))
        else {
            return Ok(Destination::New);
        };
        let tensor = self.tensor(i)?;
        Ok(if arguments[i].is_out() {
            Destination::Out(tensor, self.operator.accepts)
        } else {
            Destination::InPlace(tensor)
        })
    }

    /// Hands over a computed tensor as the schema says: as it is, or written to the first argument or to `out`.
    pub fn deliver(&mut self, result: Tensor) -> Result<Value, Fault> {
        let destination = self.destination()?;
        let Some(target) = destination.target() else { return Ok(Value::Tensor(result)) };
        destination.receive(self, &result)?;
        Ok(Value::Tensor(target.clone()))
    }
}

impl<'a> Destination<'a> {
    /// Writes a computed tensor to the target, if the result is not a new one.
    pub(super) fn receive(self, call: &Call<'_>, result: &Tensor) -> Result<(), Fault> {
        let Some(target) = self.target() else { return Ok(()) };
        let metadata = result.metadata();
        self.check_write(metadata.layout.sizes(), metadata.dtype, &[])?;
        dispatch!(all metadata.dtype, call.operator.name, T => {
            let elements = result.read::<T>(call.allocator.memory())?;
            self.prepare(&metadata.layout)?;
            target.store(&elements)
        })
    }

    /// The tensor that is written, unless the result is a new one.
    pub fn target(self) -> Option<&'a Tensor> {
        match self {
            Destination::New => None,
            Destination::InPlace(tensor) | Destination::Out(tensor, _) => Some(tensor),
        }
    }

    /// Raises what PyTorch raises before it computes: for overlapping elements, wrong sizes, a dtype that cannot
    /// hold the result.
    pub fn check_write(self, sizes: &[i64], dtype: DType, inputs: &[&Tensor]) -> Result<(), Fault> {
        self.check_overlap(inputs)?;
        self.check_sizes(sizes)?;
        self.check_dtype(dtype)
    }

    /// The part of [`Destination::check_write`] about dtypes.
    pub fn check_dtype(self, dtype: DType) -> Result<(), Fault> {
        match self {
            Destination::New => Ok(()),
            Destination::InPlace(target) => check_can_cast(dtype, target.dtype()),
            Destination::Out(target, accepts) => accepts.check(dtype, target.dtype()),
        }
    }

    /// The part of [`Destination::check_write`] about memory.
    pub fn check_overlap(self, inputs: &[&Tensor]) -> Result<(), Fault> {
        let Some(target) = self.target() else { return Ok(()) };
        check_no_internal_overlap(target)?;
        inputs.iter().try_for_each(|input| check_no_partial_overlap(target, input))
    }

    /// The part of [`Destination::check_write`] about sizes: those of an operator in place do not change.
    pub fn check_sizes(self, sizes: &[i64]) -> Result<(), Fault> {
        match self {
            Destination::InPlace(target) if target.sizes().as_slice() != sizes => {
                let found = target.sizes();
                let words = "doesn't match the broadcast shape";
                Err(Fault::raised(format!("output with shape {found:?} {words} {sizes:?}")))
            }
            _ => Ok(()),
        }
    }

    /// Gives `out` the sizes of the result; if it had others, it lies as a new result would.
    pub fn prepare(self, layout: &Layout) -> Result<(), Fault> {
        match self {
            Destination::Out(target, _) if target.sizes().as_slice() != layout.sizes() => target.lay_out(layout),
            _ => Ok(()),
        }
    }

    /// Room for the elements of a result, zeros at first: the new tensor's own memory, if they lie there as they
    /// are computed.
    pub fn buffer<R: Number>(self, call: &Call<'_>, layout: &Layout, dtype: DType) -> Result<Buffer<R>, Fault> {
        let memory = call.allocator.memory();
        if self.target().is_none() && dtype == R::DTYPE && layout.is_contiguous() {
            return Ok(Buffer::Final(Content::for_elements(layout.sizes(), dtype, memory)?));
        }
        let count = layout.numel() as u64;
        let charge = memory.charge(count.saturating_mul(size_of::<R>() as u64))?;
        Ok(Buffer::Temporary(vec![R::default(); count as usize], charge))
    }

    /// Makes or writes the result from its elements in row-major order. A new tensor gets this layout and dtype.
    ///
    /// Whoever reads what is written should have let it go, or the write copies.
    pub fn finish<R: Number>(
        self,
        call: &mut Call<'_>,
        buffer: Buffer<R>,
        layout: Layout,
        dtype: DType,
    ) -> Result<Value, Fault> {
        let elements = match buffer {
            Buffer::Final(content) => return Ok(Value::Tensor(Tensor::owning(call.allocator, content, dtype, layout))),
            Buffer::Temporary(elements, _) => elements,
        };
        if let Some(target) = self.target() {
            self.prepare(&layout)?;
            target.store(&elements)?;
            return Ok(Value::Tensor(target.clone()));
        }
        let content = Content::for_elements(layout.sizes(), dtype, call.allocator.memory())?;
        let tensor = Tensor::owning(call.allocator, content, dtype, layout);
        tensor.store(&elements)?;
        Ok(Value::Tensor(tensor))
    }
}

/// Elements that are being computed, in row-major order.
#[derive(Debug)]
pub enum Buffer<R> {
    /// The memory of the new tensor.
    Final(Content),
    /// Elements that have to be converted or laid out.
    Temporary(Vec<R>, Charge),
}

impl<R: Number> Buffer<R> {
    /// The elements, to be written.
    pub fn elements(&mut self) -> &mut [R] {
        match self {
            Buffer::Final(content) => content.elements_mut(),
            Buffer::Temporary(elements, _) => elements,
        }
    }
}

impl Tensor {
    /// Gives the tensor new sizes in place, as `resize_` does: contiguous from its offset, the storage grows.
    pub fn resize(&self, sizes: &[i64]) -> Result<(), Fault> {
        self.lay_out(&Layout::contiguous(sizes))
    }

    /// Gives the tensor these sizes and strides in place, from its own offset; the storage grows.
    fn lay_out(&self, layout: &Layout) -> Result<(), Fault> {
        let mut metadata = (*self.metadata()).clone();
        let layout = Layout::strided(layout.sizes(), layout.strides(), metadata.layout.offset());
        let end = layout.end().and_then(|end| end.checked_mul(metadata.dtype.size() as i64));
        let end = end.ok_or_else(|| Fault::raised("Storage size calculation overflowed"))? as usize;
        if layout.numel() > 0 && end > metadata.storage.content().len() {
            metadata.storage.grow(end)?;
        }
        metadata.layout = layout;
        self.slot().set(std::sync::Arc::new(metadata));
        Ok(())
    }
}
