//! Tensors, with PyTorch's operators under PyTorch's names, every access of which is known.
//!
//! An operator here is the same row of the table that archives use: its schema says what it reads and writes, and its kernel
//! computes it.

use std::fmt;
use std::ops;
use std::panic::Location as Caller;
use std::sync::{Arc, OnceLock};

use forkcheck_model::operators::schema::Literal;
use forkcheck_model::operators::{Call, Correction, Fault, Modes, Operator, Printed};
use forkcheck_model::slot::{Allocator, Memory, OutOfMemory, SlotId};
use forkcheck_model::tensor::{Content, Layout, Tensor as Plain};
use forkcheck_model::types::Type;
use forkcheck_model::value::{Generator, List, ListContent, Value};
use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use super::look::{Look, Outcome, Shown};
use super::module::Held;
use super::state::{State, Step, Touched, step, store};
use super::world::{self, World};
use super::{outside, stack};
use crate::execution::Cut;
use crate::machine::access::{self, Thing};
use crate::machine::{Store, apply, of_a_call, private_copies, public};

pub use forkcheck_model::tensor::{Bool8, DType, Element};

/// A tensor.
///
/// A clone is another handle of the same tensor, as assignment is in Python; [`copy`](Tensor::copy) makes one with memory of
/// its own. Views (`select`, `narrow`, `view`, `t`, …) look at the same memory, and a name that ends in `_` writes in place.
/// Shapes and element types follow PyTorch's rules, with its errors as panics.
///
/// ```
/// use forkcheck::Tensor;
/// use ndarray::array;
///
/// let x = Tensor::from(array![[1.0f32, 2.0], [3.0, 4.0]]);
/// let row = x.select(0, 1);
/// row.mul_(10.0);
/// assert_eq!(x.to_array::<f32>(), array![[1.0, 2.0], [30.0, 40.0]].into_dyn());
/// assert_eq!(x.sum().item(), 73.0);
/// ```
///
/// # Panics
/// Each operator, if it cannot be computed (shapes that do not fit, say), or if a tensor was made in another execution.
#[derive(Clone)]
pub struct Tensor {
    plain: Plain,
    serial: u64,
    made: &'static Caller<'static>,
}

/// A tensor or a number: the right side of an arithmetic operator.
#[derive(Debug, Clone)]
pub enum Operand {
    /// A tensor.
    Tensor(Tensor),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl From<Tensor> for Operand {
    fn from(tensor: Tensor) -> Self {
        Operand::Tensor(tensor)
    }
}

impl From<&Tensor> for Operand {
    fn from(tensor: &Tensor) -> Self {
        Operand::Tensor(tensor.clone())
    }
}

macro_rules! numbers {
    ($($ty:ty => $variant:ident $into:ty),* $(,)?) => { $(
        impl From<$ty> for Operand {
            fn from(number: $ty) -> Self {
                Operand::$variant(<$into>::from(number))
            }
        }
    )* };
}
numbers!(f32 => Float f64, f64 => Float f64, i32 => Int i64, i64 => Int i64, u8 => Int i64, u32 => Int i64);

/// A row of the table, found once.
struct Row {
    /// `aten::add_.Tensor`
    full_name: &'static str,
    found: OnceLock<&'static Operator>,
}

impl Row {
    const fn new(full_name: &'static str) -> Self {
        Self { full_name, found: OnceLock::new() }
    }

    fn get(&self) -> &'static Operator {
        self.found.get_or_init(|| {
            forkcheck_model::operators::find(self.full_name)
                .unwrap_or_else(|| panic!("{} is in the table", self.full_name))
        })
    }
}

/// Calls an operator: announces what it touches, waits for its turn, computes.
#[track_caller]
fn call(row: &'static Row, given: Vec<Value>) -> Value {
    let (operator, at) = (row.get(), Caller::caller());
    let args = with_defaults(operator, given);
    let touches: Vec<Touched> = touched(operator, &args);
    let serial = world::checked(|state| state.serial).unwrap_or(outside::SERIAL);
    let step_of = Step {
        serial,
        made: None,
        touches: &touches,
        operator: operator.name,
        at: Some(at),
        splits: operator.splits(),
    };
    let value = if step(step_of).half {
        let (copies, later) = private_copies(operator, &args);
        let value = run(operator, &copies);
        store(step_of);
        let value = match &later {
            Store::Tensors(stores) => public(value, stores),
            Store::Append(..) => unreachable!("tensors are no lists"),
        };
        apply(later).expect("nothing here changes the sizes of a tensor, so no room is made");
        value
    } else {
        run(operator, &args)
    };
    note(operator, &args, &value, at);
    value
}

/// Tells those who look that an operator was called.
fn note(operator: &'static Operator, args: &[Value], value: &Value, at: &'static Caller<'static>) {
    world::with(|world| match world {
        World::Plain => {}
        World::Checked(state) => {
            if let (Value::Tensor(tensor), Some(watch)) = (value, &mut state.watch) {
                let slot = tensor.storage().id();
                if [state.current.number(), u32::MAX].contains(&slot.owner()) {
                    watch.made(slot, "tensor", at);
                }
            }
        }
        World::Traced(recorder) => recorder.operator(operator, args, value, at),
    });
}

/// What a call touches. Nothing here changes the sizes of a tensor, so to read them is no access.
fn touched(operator: &Operator, args: &[Value]) -> Vec<Touched> {
    let touches = access::of_operator(operator, args, &generator());
    let touches = touches.into_iter().filter(|touch| !matches!(touch.thing, Thing::Shape(_)));
    touches.map(|touch| Touched { thing: touch.thing.identity(), access: touch.to_access() }).collect()
}

/// The arguments in schema order: those that are given, then defaults.
fn with_defaults(operator: &Operator, mut given: Vec<Value>) -> Vec<Value> {
    for argument in operator.schema.arguments.iter().skip(given.len()) {
        let default = argument.default.as_ref().unwrap_or_else(|| panic!("{} wants {}", operator.name, argument.name));
        given.push(literal(default, &argument.ty));
    }
    given
}

fn literal(literal: &Literal, ty: &Type) -> Value {
    match (literal, ty) {
        (Literal::None, _) => Value::None,
        (Literal::Bool(value), _) => Value::Bool(*value),
        (Literal::Int(value), Type::Float) => Value::Float(*value as f64),
        (Literal::Int(value), Type::Bool) => Value::Bool(*value != 0),
        (Literal::Int(value), _) => Value::Int(*value),
        (Literal::Float(value), _) => Value::Float(*value),
        (Literal::Str(text), _) => Value::Str(text.clone()),
        (Literal::List(items), Type::List(item)) => {
            list(item, items.iter().map(|value| self::literal(value, item)).collect())
        }
        (Literal::List(_), _) => unreachable!("a list is the default of a list"),
    }
}

/// A list for the length of a call.
fn list(item: &Type, items: Vec<Value>) -> Value {
    Value::List(List::new(&mut of_a_call(), ListContent { item: item.clone(), items }))
}

fn ints(values: &[i64]) -> Value {
    list(&Type::Int, values.iter().copied().map(Value::Int).collect())
}

/// Makes something whose parts are named by the task that makes it.
fn compute<R>(work: impl FnOnce(&mut Allocator, &mut Modes) -> R) -> R {
    let mut work = Some(work);
    let mut once =
        |allocator: &mut Allocator, modes: &mut Modes| (work.take().expect("it is done once"))(allocator, modes);
    if let Some(done) = world::checked(|state| state.make(&mut once)) {
        return done;
    }
    let mut allocator = outside::allocator();
    let done = once(&mut allocator, &mut outside::modes());
    outside::made(&allocator);
    done
}

/// The generator of random numbers of whoever runs this code.
fn generator() -> Generator {
    world::checked(State::generator).unwrap_or_else(outside::generator)
}

#[track_caller]
fn run(operator: &'static Operator, args: &[Value]) -> Value {
    let kernel = operator.kernel.unwrap_or_else(|| panic!("{} cannot be computed", operator.full_name()));
    let draws = |row: &Correction| matches!(row, Correction::Draws(_) | Correction::Seeds);
    world::checked(|state| state.drawn |= operator.corrections.iter().any(draws));
    let (generator, mut printed) = (generator(), Printed::default());
    let result = compute(|allocator, modes| {
        Call { operator, args, allocator, generator: &generator, modes, printed: &mut printed }.compute(kernel)
    });
    match result {
        Ok(value) => value,
        Err(Fault::Raised { message, .. }) => panic!("{}: {message}", operator.name),
        Err(Fault::Unsupported(what)) => panic!("{}: forkcheck cannot compute {what}", operator.name),
        Err(Fault::Memory(error)) => out_of_memory(operator.name, error),
    }
}

/// There is no room for what an operator makes: the execution is cut.
///
/// # Panics
/// Where nobody checks.
#[track_caller]
fn out_of_memory(operator: &str, error: OutOfMemory) -> ! {
    if world::checked(|state| state.stop(Cut::Memory(error))).is_none() || stack::is_falling() {
        panic!("{operator}: there is no memory for {} bytes", error.asked);
    }
    stack::never()
}

impl Tensor {
    fn of(plain: Plain, made: &'static Caller<'static>) -> Self {
        let serial = world::checked(|state| state.serial).unwrap_or(outside::SERIAL);
        Self { plain, serial, made }
    }

    /// The tensor without the place where it was made.
    pub(super) fn plain(&self) -> &Plain {
        &self.plain
    }

    pub(super) fn storage_slot(&self) -> SlotId {
        self.plain.storage().id()
    }

    /// The tensor as an argument of an operator at this place.
    #[track_caller]
    fn value(&self, row: &Row, at: &'static Caller<'static>) -> Value {
        self.check(row.full_name, at);
        Value::Tensor(self.plain.clone())
    }

    /// A tensor with these elements, in row-major order.
    ///
    /// # Panics
    /// If there are not as many elements as `sizes` says.
    #[track_caller]
    pub fn new<T: Element>(sizes: &[i64], elements: &[T]) -> Self {
        let made = Caller::caller();
        let count = Layout::count(sizes);
        assert!(
            count == Some(elements.len() as i64),
            "{} elements do not make a tensor of sizes {sizes:?}",
            elements.len()
        );
        let plain = match compute(|allocator, _| Plain::from_vec(allocator, sizes, elements)) {
            Ok(plain) => plain,
            Err(error) => out_of_memory("Tensor::new", error),
        };
        let tensor = Self::of(plain, made);
        world::checked(|state| {
            if let Some(watch) = &mut state.watch {
                watch.made(tensor.plain.storage().id(), "tensor", made);
            }
        });
        tensor
    }

    /// The sizes of its dimensions.
    pub fn sizes(&self) -> Vec<i64> {
        self.plain.sizes().to_vec()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.plain.dtype()
    }

    /// How many elements it has.
    pub fn numel(&self) -> i64 {
        self.plain.numel()
    }

    /// Its elements in row-major order. Those of a mask are [`Bool8`], which is a `bool` in a byte:
    ///
    /// ```
    /// use forkcheck::{Bool8, Tensor};
    ///
    /// let mask = Tensor::from([1.0f32, 3.0]).gt(2.0);
    /// assert_eq!(mask.to_vec::<Bool8>(), [false.into(), true.into()]);
    /// ```
    ///
    /// # Panics
    /// If they are of another type.
    #[track_caller]
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        assert!(self.dtype() == T::DTYPE, "a tensor of {} has no elements of {}", self.dtype(), T::DTYPE);
        self.read(Caller::caller());
        self.plain.to_vec()
    }

    /// Its elements as an array of the same dimensions.
    ///
    /// # Panics
    /// If they are of another type.
    #[track_caller]
    pub fn to_array<T: Element>(&self) -> ArrayD<T> {
        let sizes: Vec<usize> = self.plain.sizes().iter().map(|&size| size as usize).collect();
        let elements = self.to_vec();
        ArrayD::from_shape_vec(IxDyn(&sizes), elements).expect("as many elements as the sizes say")
    }

    /// Its only element, as a float.
    ///
    /// # Panics
    /// If it has none or several, or they are no real numbers.
    #[track_caller]
    pub fn item(&self) -> f64 {
        assert!(self.numel() == 1, "a tensor of {} elements is no number", self.numel());
        self.read(Caller::caller());
        let numbers = self.plain.to_f64s(&Memory::unlimited());
        numbers.unwrap_or_else(|_| panic!("an element of {} is no real number", self.dtype()))[0]
    }

    /// Sees to it that it is used where it was made.
    #[track_caller]
    fn check(&self, operator: &'static str, at: &'static Caller<'static>) {
        let own = world::checked(|state| (state.serial, state.adopted.contains(&self.storage_slot())));
        let (own, adopted) = own.unwrap_or((outside::SERIAL, false));
        if own != self.serial && !adopted {
            outside::refuse(
                &Step {
                    serial: self.serial,
                    made: Some(self.made),
                    touches: &[],
                    operator,
                    at: Some(at),
                    splits: false,
                },
                own,
            );
        }
    }

    /// Announces that all elements are read.
    #[track_caller]
    fn read(&self, at: &'static Caller<'static>) {
        self.check("read", at);
        let touched: Vec<Touched> = self.touched().into_iter().collect();
        step(Step {
            serial: self.serial,
            made: Some(self.made),
            touches: &touched,
            operator: "read",
            at: Some(at),
            splits: false,
        });
    }

    fn touched(&self) -> Option<Touched> {
        let touch = access::Touch::data(&self.plain, forkcheck_model::operators::Access::Read)?;
        Some(Touched { thing: touch.thing.identity(), access: touch.to_access() })
    }

    pub(super) fn holding(&self) -> HeldTensor {
        HeldTensor { tensor: self.clone(), content: self.plain.storage().content() }
    }
}

/// A tensor, and what its memory held when it was met.
pub(super) struct HeldTensor {
    tensor: Tensor,
    content: Arc<Content>,
}

impl Held for HeldTensor {
    fn restore(&self) {
        self.tensor.plain.storage().slot().set(self.content.clone());
    }

    fn look(&self, look: &mut Look) -> Shown {
        self.tensor.look(look)
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The elements are not shown: to read them is an access, and the debugger is nobody's task.
        let sizes: Vec<String> = self.plain.sizes().iter().map(i64::to_string).collect();
        write!(f, "Tensor({}[{}])", self.dtype(), sizes.join(", "))
    }
}

impl Outcome for Tensor {
    fn look(&self, look: &mut Look) -> Shown {
        self.touched().into_iter().for_each(|touched| look.reads(touched));
        look.keep(self.storage_slot(), || self.holding());
        Shown(Value::Tensor(self.plain.clone()))
    }
}

impl<S: Data<Elem = T>, T: Element, D: Dimension> From<ArrayBase<S, D>> for Tensor {
    /// A tensor of the same dimensions, with memory of its own.
    #[track_caller]
    fn from(array: ArrayBase<S, D>) -> Self {
        let sizes: Vec<i64> = array.shape().iter().map(|&size| size as i64).collect();
        let elements: Vec<T> = array.iter().copied().collect();
        Self::new(&sizes, &elements)
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    /// A tensor of one dimension.
    #[track_caller]
    fn from(elements: Vec<T>) -> Self {
        Self::new(&[elements.len() as i64], &elements)
    }
}

impl<T: Element, const N: usize> From<[T; N]> for Tensor {
    /// A tensor of one dimension.
    #[track_caller]
    fn from(elements: [T; N]) -> Self {
        Self::new(&[N as i64], &elements)
    }
}

macro_rules! scalars {
    ($($ty:ty),*) => { $(
        impl From<$ty> for Tensor {
            /// A tensor without dimensions.
            #[track_caller]
            fn from(element: $ty) -> Self {
                Self::new(&[], &[element])
            }
        }
    )* };
}
scalars!(f32, f64, i32, i64, u8);

#[track_caller]
fn tensor(value: Value, at: &'static Caller<'static>) -> Tensor {
    match value {
        Value::Tensor(plain) => Tensor::of(plain, at),
        other => unreachable!("a tensor, not {other:?}"),
    }
}

/// A list of tensors as an argument of an operator at this place.
#[track_caller]
fn values(tensors: &[Tensor], row: &Row, at: &'static Caller<'static>) -> Value {
    for tensor in tensors {
        tensor.check(row.full_name, at);
    }
    list(&Type::Tensor, tensors.iter().map(|tensor| Value::Tensor(tensor.plain.clone())).collect())
}

/// Operators of one tensor and what is given in parentheses.
macro_rules! operators {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty => $value:expr),*) = $row:literal;)*) => {
        impl Tensor { $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, $($arg: $ty),*) -> Tensor {
                static ROW: Row = Row::new($row);
                let at = Caller::caller();
                let given = vec![self.value(&ROW, at), $($value),*];
                tensor(call(&ROW, given), at)
            }
        )* }
    };
}

/// Operators of two sides, the right one a tensor or a number.
macro_rules! two_sided {
    ($($(#[$doc:meta])* $name:ident = $tensor:literal, $scalar:literal;)*) => {
        impl Tensor { $(
            $(#[$doc])*
            #[track_caller]
            pub fn $name(&self, other: impl Into<Operand>) -> Tensor {
                static TENSOR: Row = Row::new($tensor);
                static SCALAR: Row = Row::new($scalar);
                let at = Caller::caller();
                let (row, other) = match other.into() {
                    Operand::Tensor(other) => (&TENSOR, other.value(&TENSOR, at)),
                    Operand::Int(number) => (&SCALAR, Value::Int(number)),
                    Operand::Float(number) => (&SCALAR, Value::Float(number)),
                };
                tensor(call(row, vec![self.value(row, at), other]), at)
            }
        )* }
    };
}

two_sided! {
    /// `self + other`, element by element.
    add = "aten::add.Tensor", "aten::add.Scalar";
    /// `self - other`, element by element.
    sub = "aten::sub.Tensor", "aten::sub.Scalar";
    /// `self * other`, element by element.
    mul = "aten::mul.Tensor", "aten::mul.Scalar";
    /// `self / other`, element by element.
    div = "aten::div.Tensor", "aten::div.Scalar";
    /// `self` to the power of `other`, element by element.
    pow = "aten::pow.Tensor_Tensor", "aten::pow.Tensor_Scalar";
    /// Whether elements are equal.
    eq = "aten::eq.Tensor", "aten::eq.Scalar";
    /// Whether elements differ.
    ne = "aten::ne.Tensor", "aten::ne.Scalar";
    /// Whether elements are less.
    lt = "aten::lt.Tensor", "aten::lt.Scalar";
    /// Whether elements are less or equal.
    le = "aten::le.Tensor", "aten::le.Scalar";
    /// Whether elements are greater.
    gt = "aten::gt.Tensor", "aten::gt.Scalar";
    /// Whether elements are greater or equal.
    ge = "aten::ge.Tensor", "aten::ge.Scalar";
    /// Adds in place; gives the same tensor.
    add_ = "aten::add_.Tensor", "aten::add_.Scalar";
    /// Subtracts in place; gives the same tensor.
    sub_ = "aten::sub_.Tensor", "aten::sub_.Scalar";
    /// Multiplies in place; gives the same tensor.
    mul_ = "aten::mul_.Tensor", "aten::mul_.Scalar";
    /// Divides in place; gives the same tensor.
    div_ = "aten::div_.Tensor", "aten::div_.Scalar";
    /// Writes a number, or the only element of a tensor, to every element; gives the same tensor.
    fill_ = "aten::fill_.Tensor", "aten::fill_.Scalar";
}

operators! {
    /// A tensor of the same contents, with memory of its own: PyTorch's `clone`.
    copy() = "aten::clone";
    /// `-self`.
    neg() = "aten::neg";
    /// Absolute values.
    abs() = "aten::abs";
    /// e to the power of each element.
    exp() = "aten::exp";
    /// Natural logarithms.
    log() = "aten::log";
    /// Square roots.
    sqrt() = "aten::sqrt";
    /// Sines.
    sin() = "aten::sin";
    /// Cosines.
    cos() = "aten::cos";
    /// Hyperbolic tangents.
    tanh() = "aten::tanh";
    /// 1 / (1 + e^-x).
    sigmoid() = "aten::sigmoid";
    /// Negative elements become 0.
    relu() = "aten::relu";
    /// The largest integers that are not greater.
    floor() = "aten::floor";
    /// Rounds to the nearest integer, halves to even.
    round() = "aten::round";
    /// The smaller of two elements.
    minimum(other: &Tensor => other.value(&ROW_OF_OTHER, Caller::caller())) = "aten::minimum";
    /// The greater of two elements.
    maximum(other: &Tensor => other.value(&ROW_OF_OTHER, Caller::caller())) = "aten::maximum";
    /// Draws elements below and above back to the two bounds.
    clamp(min: f64 => Value::Float(min), max: f64 => Value::Float(max)) = "aten::clamp";
    /// Elements of `self` where `mask` holds (one `bool` each), else of `other`.
    masked_fill(mask: &Tensor => mask.value(&ROW_OF_OTHER, Caller::caller()), value: f64 => Value::Float(value)) = "aten::masked_fill.Scalar";

    /// Copies the elements of another tensor here, which are repeated if there are too few; gives the same tensor.
    copy_(from: &Tensor => from.value(&ROW_OF_OTHER, Caller::caller())) = "aten::copy_";
    /// Writes 0 to every element; gives the same tensor.
    zero_() = "aten::zero_";
    /// `-self` in place; gives the same tensor.
    neg_() = "aten::neg_";
    /// Negative elements become 0, in place; gives the same tensor.
    relu_() = "aten::relu_";
    /// e to the power of each element, in place; gives the same tensor.
    exp_() = "aten::exp_";
    /// Square roots, in place; gives the same tensor.
    sqrt_() = "aten::sqrt_";
    /// Draws elements back to the two bounds, in place; gives the same tensor.
    clamp_(min: f64 => Value::Float(min), max: f64 => Value::Float(max)) = "aten::clamp_";
    /// Adds the slices of `source` to those of `self` that `index` numbers along `dim`, in place; gives the same tensor.
    index_add_(dim: i64 => Value::Int(dim), index: &Tensor => index.value(&ROW_OF_OTHER, Caller::caller()), source: &Tensor => source.value(&ROW_OF_OTHER, Caller::caller())) = "aten::index_add_";

    /// A view of the slice number `index` along `dim`; from the end if negative.
    select(dim: i64 => Value::Int(dim), index: i64 => Value::Int(index)) = "aten::select.int";
    /// A view of `length` slices along `dim` from number `start` on.
    narrow(dim: i64 => Value::Int(dim), start: i64 => Value::Int(start), length: i64 => Value::Int(length)) = "aten::narrow";
    /// A view of the same elements with other sizes; one of them may be -1.
    view(sizes: &[i64] => ints(sizes)) = "aten::view";
    /// The same elements with other sizes: a view where that is possible.
    reshape(sizes: &[i64] => ints(sizes)) = "aten::reshape";
    /// All elements in one dimension.
    flatten() = "aten::flatten.using_ints";
    /// A view with two dimensions exchanged.
    transpose(a: i64 => Value::Int(a), b: i64 => Value::Int(b)) = "aten::transpose.int";
    /// A view of a matrix with rows and columns exchanged.
    t() = "aten::t";
    /// A view with the dimensions in another order.
    permute(dims: &[i64] => ints(dims)) = "aten::permute";
    /// A view with a dimension of size 1 put in.
    unsqueeze(dim: i64 => Value::Int(dim)) = "aten::unsqueeze";
    /// A view without a dimension of size 1.
    squeeze(dim: i64 => Value::Int(dim)) = "aten::squeeze.dim";
    /// A view that repeats dimensions of size 1.
    expand(sizes: &[i64] => ints(sizes)) = "aten::expand";
    /// The slices along `dim` that `index` numbers.
    index_select(dim: i64 => Value::Int(dim), index: &Tensor => index.value(&ROW_OF_OTHER, Caller::caller())) = "aten::index_select";

    /// The sum of all elements.
    sum() = "aten::sum";
    /// The mean of all elements.
    mean() = "aten::mean";
    /// The product of all elements.
    prod() = "aten::prod";
    /// The greatest element.
    max() = "aten::max";
    /// The least element.
    min() = "aten::min";
    /// The place of the greatest of all elements in row-major order.
    argmax() = "aten::argmax";
    /// Whether any element is not 0.
    any() = "aten::any";
    /// Whether all elements are not 0.
    all() = "aten::all";
    /// Sums along dimensions.
    sum_dim(dims: &[i64] => ints(dims), keepdim: bool => Value::Bool(keepdim)) = "aten::sum.dim_IntList";
    /// Means along dimensions.
    mean_dim(dims: &[i64] => ints(dims), keepdim: bool => Value::Bool(keepdim)) = "aten::mean.dim";
    /// Sums up to each element along `dim`.
    cumsum(dim: i64 => Value::Int(dim)) = "aten::cumsum";
    /// e to the power of each element, divided by their sum along `dim`.
    softmax(dim: i64 => Value::Int(dim)) = "aten::softmax.int";
    /// The product of matrices, or of stacks of them, or of vectors.
    matmul(other: &Tensor => other.value(&ROW_OF_OTHER, Caller::caller())) = "aten::matmul";
    /// The product of two vectors.
    dot(other: &Tensor => other.value(&ROW_OF_OTHER, Caller::caller())) = "aten::dot";
}

/// Names the operand in messages, whichever operator it is of.
static ROW_OF_OTHER: Row = Row::new("aten::clone");

impl Tensor {
    /// Zeros of `f32`.
    #[track_caller]
    pub fn zeros(sizes: &[i64]) -> Tensor {
        Self::full(sizes, 0.0f32)
    }

    /// Ones of `f32`.
    #[track_caller]
    pub fn ones(sizes: &[i64]) -> Tensor {
        Self::full(sizes, 1.0f32)
    }

    /// The same element everywhere.
    ///
    /// # Panics
    /// If a size is negative.
    #[track_caller]
    pub fn full<T: Element>(sizes: &[i64], element: T) -> Tensor {
        assert!(sizes.iter().all(|&size| size >= 0), "sizes are not negative: {sizes:?}");
        let Some(count) = Layout::count(sizes) else { panic!("sizes of {sizes:?} are too many elements") };
        // Room for them is asked for before they are made.
        let bytes = (count as u64).saturating_mul(size_of::<T>() as u64);
        if let Err(error) = compute(|allocator, _| allocator.memory().charge(bytes)) {
            out_of_memory("Tensor::full", error);
        }
        Self::new(sizes, &vec![element; count as usize])
    }

    /// Integers from 0 up to but not including `end`, of `i64`.
    #[track_caller]
    pub fn arange(end: i64) -> Tensor {
        Self::from((0..end).collect::<Vec<i64>>())
    }

    /// Random numbers from 0 up to but not including 1, of `f32`: a draw from the one generator, as `torch.rand` is.
    #[track_caller]
    pub fn rand(sizes: &[i64]) -> Tensor {
        static ROW: Row = Row::new("aten::rand");
        let at = Caller::caller();
        tensor(call(&ROW, vec![ints(sizes)]), at)
    }

    /// Normally distributed random numbers of `f32`: a draw from the one generator, as `torch.randn` is.
    #[track_caller]
    pub fn randn(sizes: &[i64]) -> Tensor {
        static ROW: Row = Row::new("aten::randn");
        let at = Caller::caller();
        tensor(call(&ROW, vec![ints(sizes)]), at)
    }

    /// Tensors one after another along a dimension that they have.
    #[track_caller]
    pub fn cat(tensors: &[Tensor], dim: i64) -> Tensor {
        static ROW: Row = Row::new("aten::cat");
        let at = Caller::caller();
        tensor(call(&ROW, vec![values(tensors, &ROW, at), Value::Int(dim)]), at)
    }

    /// Tensors of the same sizes beside one another along a new dimension.
    #[track_caller]
    pub fn stack(tensors: &[Tensor], dim: i64) -> Tensor {
        static ROW: Row = Row::new("aten::stack");
        let at = Caller::caller();
        tensor(call(&ROW, vec![values(tensors, &ROW, at), Value::Int(dim)]), at)
    }

    /// Whether sizes and elements are the same.
    #[track_caller]
    pub fn equal(&self, other: &Tensor) -> bool {
        static ROW: Row = Row::new("aten::equal");
        let at = Caller::caller();
        matches!(call(&ROW, vec![self.value(&ROW, at), other.value(&ROW, at)]), Value::Bool(true))
    }

    /// Whether elements differ by less than 1e-8, and a hundred thousandth of the other's.
    #[track_caller]
    pub fn allclose(&self, other: &Tensor) -> bool {
        static ROW: Row = Row::new("aten::allclose");
        let at = Caller::caller();
        matches!(call(&ROW, vec![self.value(&ROW, at), other.value(&ROW, at)]), Value::Bool(true))
    }
}

/// Whether sizes and elements are the same, as [`Tensor::equal`] says.
impl PartialEq for Tensor {
    #[track_caller]
    fn eq(&self, other: &Tensor) -> bool {
        self.equal(other)
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident),*) => { $(
        impl<R: Into<Operand>> ops::$trait<R> for Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                Tensor::$method(&self, other)
            }
        }

        impl<R: Into<Operand>> ops::$trait<R> for &Tensor {
            type Output = Tensor;

            #[track_caller]
            fn $method(self, other: R) -> Tensor {
                Tensor::$method(self, other)
            }
        }
    )* };
}
arithmetic!(Add add, Sub sub, Mul mul, Div div);

macro_rules! arithmetic_in_place {
    ($($trait:ident $method:ident $operator:ident),*) => { $(
        /// In place, as in Python: whoever holds the tensor sees it.
        impl<R: Into<Operand>> ops::$trait<R> for Tensor {
            #[track_caller]
            fn $method(&mut self, other: R) {
                Tensor::$operator(self, other);
            }
        }
    )* };
}
arithmetic_in_place!(AddAssign add_assign add_, SubAssign sub_assign sub_, MulAssign mul_assign mul_, DivAssign div_assign div_);

impl ops::Neg for Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(&self)
    }
}

impl ops::Neg for &Tensor {
    type Output = Tensor;

    #[track_caller]
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}
