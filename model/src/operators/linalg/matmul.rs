//! Products of tensors: of matrices, vectors, batches of them, and what is added to them.

use super::complex;
use super::product::{Factor, Matrix, Right, Shape, Steps, affine};
use crate::operators::compose::of;
use crate::operators::reduce::number::{Computed, compute};
use crate::operators::results::sizes_text;
use crate::operators::{Call, Destination, Fault};
use crate::slot::Memory;
use crate::tensor::broadcast::{broadcast, expands_to};
use crate::tensor::promote::result_type_all;
use crate::tensor::{DType, Dims, Elements, Layout, Scalar, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Raises unless two factors have the same dtype.
pub(super) fn same_dtype(a: DType, b: DType) -> Result<(), Fault> {
    if a == b {
        return Ok(());
    }
    raised(format!("expected m1 and m2 to have the same dtype, but got: {} != {}", a.c_name(), b.c_name()))
}

/// Raises for what PyTorch has no kernel for.
pub(super) fn known(dtype: DType, kernel: &str) -> Result<(), Fault> {
    if dtype == DType::Bool { raised(format!("\"{kernel}\" not implemented for 'Bool'")) } else { Ok(()) }
}

/// Raises unless `sizes` can be expanded to `target`.
pub(super) fn check_expands(sizes: &[i64], target: &[i64]) -> Result<(), Fault> {
    if expands_to(sizes, target) {
        return Ok(());
    }
    let (targets, tensors) = (sizes_text(target), sizes_text(sizes));
    if sizes.len() > target.len() {
        return raised(format!(
            "expand(torch.FloatTensor{{{sizes:?}}}, size={target:?}): the number of sizes provided ({}) must be greater \
             or equal to the number of dimensions in the tensor ({})",
            target.len(),
            sizes.len()
        ));
    }
    let new = target.len() - sizes.len();
    let dim = (0..sizes.len()).rev().find(|&dim| sizes[dim] != target[new + dim] && sizes[dim] != 1);
    let dim = dim.expect("one that cannot be expanded");
    raised(format!(
        "The expanded size of the tensor ({}) must match the existing size ({}) at non-singleton dimension {}.  Target \
         sizes: {targets}.  Tensor sizes: {tensors}",
        target[new + dim],
        sizes[dim],
        new + dim
    ))
}

/// Raises in PyTorch's words unless the rows of one matrix are as long as the columns of the other.
fn check_matrices(a: (i64, i64), b: (i64, i64)) -> Result<(), Fault> {
    if a.1 == b.0 {
        return Ok(());
    }
    raised(format!("mat1 and mat2 shapes cannot be multiplied ({}x{} and {}x{})", a.0, a.1, b.0, b.1))
}

fn check_vector(rows: i64, columns: i64, vector: i64) -> Result<(), Fault> {
    if columns == vector {
        return Ok(());
    }
    raised(format!("size mismatch, got input ({rows}), mat ({rows}x{columns}), vec ({vector})"))
}

pub(super) fn mm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    if a.sizes().len() != 2 {
        return raised("self must be a matrix");
    }
    if b.sizes().len() != 2 {
        return raised("mat2 must be a matrix");
    }
    let result = matmul_of(call, a, b)?;
    call.deliver(result)
}

pub(super) fn mv(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (a_rank, b_rank) = (a.sizes().len(), b.sizes().len());
    if a_rank != 2 || b_rank != 1 {
        return raised(format!("vector + matrix @ vector expected, got 1, {a_rank}, {b_rank}"));
    }
    let result = matmul_of(call, a, b)?;
    call.deliver(result)
}

pub(super) fn dot(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (a_rank, b_rank) = (a.sizes().len(), b.sizes().len());
    if a_rank != 1 || b_rank != 1 {
        return raised(format!("1D tensors expected, but got {a_rank}D and {b_rank}D tensors"));
    }
    let result = matmul_of(call, a, b)?;
    call.deliver(result)
}

/// `dot` with the conjugates of the first vector.
pub(super) fn vdot(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    if !a.dtype().is_complex() || a.sizes().len() != 1 || b.sizes().len() != 1 {
        return dot(call);
    }
    let conjugates = call.run_tensor("aten::conj_physical", &call.args[..1])?;
    let result = matmul_of(call, &conjugates, b)?;
    call.deliver(result)
}

pub(super) fn bmm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    check_batches(&a.sizes(), &b.sizes())?;
    if a.dtype() != b.dtype() {
        let (a, b) = (a.dtype().scalar_type_name(), b.dtype().scalar_type_name());
        return raised(format!("expected scalar type {a} but found {b}"));
    }
    known(a.dtype(), "bmm")?;
    let result = matmul_of(call, a, b)?;
    call.deliver(result)
}

fn check_batches(a: &[i64], b: &[i64]) -> Result<(), Fault> {
    for (name, sizes) in [("batch1", a), ("batch2", b)] {
        if sizes.len() != 3 {
            return raised(format!("{name} must be a 3D tensor"));
        }
    }
    if a[0] != b[0] || a[2] != b[1] {
        return raised(format!(
            "Expected size for first two dimensions of batch2 tensor to be: [{}, {}] but got: [{}, {}].",
            a[0], a[2], b[0], b[1]
        ));
    }
    Ok(())
}

pub(super) fn matmul(call: &mut Call<'_>) -> Result<Value, Fault> {
    let result = matmul_of(call, call.tensor(0)?, call.tensor(1)?)?;
    call.deliver(result)
}

/// The product of two tensors by the rules of `torch.matmul`.
pub(in crate::operators) fn matmul_of(call: &mut Call<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor, Fault> {
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    if a_sizes.is_empty() || b_sizes.is_empty() {
        let (a, b) = (a_sizes.len(), b_sizes.len());
        return raised(format!("both arguments to matmul need to be at least 1D, but they are {a}D and {b}D"));
    }
    let plan = Plan::new(&a_sizes, &b_sizes)?;
    let dtype = a.dtype();
    match (a_sizes.len(), b_sizes.len()) {
        (1, 1) if dtype != b.dtype() => {
            let (a, b) = (dtype.scalar_type_name(), b.dtype().scalar_type_name());
            return raised(format!("dot : expected both vectors to have same dtype, but found {a} and {b}"));
        }
        (1, 1) => known(dtype, "dot")?,
        (2, 1) => {
            same_dtype(dtype, b.dtype())?;
            known(dtype, "addmv_impl_cpu")?;
        }
        _ => {
            same_dtype(dtype, b.dtype())?;
            known(dtype, if a_sizes.len().max(b_sizes.len()) > 2 { "bmm" } else { "addmm_impl_cpu_" })?;
        }
    }
    if dtype.is_complex() {
        return complex::product(call, a, b, matmul_of);
    }
    compute!(dtype, "aten::matmul", T => {
        let memory = call.memory();
        let (x, y) = (Stack::<T>::of(a, plan.folded, &memory)?, Stack::<T>::of(b, false, &memory)?);
        let (math, _room) = (call.modes.math, plan.shape.room::<T>(call)?);
        let size = plan.shape.rows * plan.shape.columns;
        call.write::<T>(dtype, &plan.result, |result| {
            for (k, (i, j)) in plan.pairs().into_iter().enumerate() {
                let part = &mut result[k * size..(k + 1) * size];
                T::product(x.matrix(i), Right::Matrix(y.matrix(j)), part, plan.shape, math);
            }
            Ok(())
        })
    })
}

/// The matrices of a tensor, as they lie.
struct Stack<T> {
    elements: Elements<T>,
    /// Where each begins.
    starts: Vec<usize>,
    /// Steps from row to row and from column to column.
    steps: (usize, usize),
}

impl<T: Factor> Stack<T> {
    /// The matrices in the last two dimensions, or, `folded`, one of the rows of them all. A vector is whichever matrix it
    /// has to be: one of its steps is not used.
    fn of(tensor: &Tensor, folded: bool, memory: &Memory) -> Result<Stack<T>, Fault> {
        let metadata = tensor.metadata();
        let layout = &metadata.layout;
        let (sizes, strides, rank) = (layout.sizes(), layout.strides(), layout.rank());
        let batch = rank.saturating_sub(2);
        if metadata.dtype == T::DTYPE && layout.numel() > 0 && !(folded && batch > 0) {
            let all = metadata.storage.content().len() / metadata.dtype.size();
            let elements = tensor.read_as(&Layout::contiguous(&[all as i64]), memory)?;
            let mut starts = Vec::new();
            Layout::strided(&sizes[..batch], &strides[..batch], layout.offset()).for_each(|start| starts.push(start));
            let last = strides[rank - 1] as usize;
            return Ok(Stack {
                elements,
                starts,
                steps: (if rank > 1 { strides[rank - 2] as usize } else { last }, last),
            });
        }
        let columns = sizes[rank - 1] as usize;
        let size = if rank > 1 { sizes[rank - 2] as usize * columns } else { columns };
        let count = if folded { 1 } else { sizes[..batch].iter().product::<i64>() as usize };
        let steps = if rank > 1 { (columns, 1) } else { (1, 1) };
        Ok(Stack { elements: tensor.read(memory)?, starts: (0..count).map(|i| i * size).collect(), steps })
    }

    fn matrix(&self, i: usize) -> Matrix<'_, T> {
        let elements = &self.elements[self.starts[i]..];
        Matrix { elements, rows: Steps::Even(self.steps.0), columns: Steps::Even(self.steps.1) }
    }
}

/// How two tensors are multiplied.
struct Plan {
    shape: Shape,
    /// Sizes of the batch dimensions of either factor and of the result.
    batches: (Dims, Dims, Dims),
    result: Dims,
    /// Whether the batches of the first factor are rows of one matrix.
    folded: bool,
}

impl Plan {
    fn new(a: &[i64], b: &[i64]) -> Result<Plan, Fault> {
        let (a_batch, b_batch) = (&a[..a.len().saturating_sub(2)], &b[..b.len().saturating_sub(2)]);
        let rows = if a.len() > 1 { a[a.len() - 2] } else { 1 };
        let columns = if b.len() > 1 { b[b.len() - 1] } else { 1 };
        let (inner, b_inner) = (a[a.len() - 1], b[b.len().saturating_sub(2)]);
        let folded = a_batch.iter().product::<i64>() * rows;
        let batch = match (a.len(), b.len()) {
            (1, 1) if inner != b_inner => {
                let words = "to have the same number of elements";
                return raised(format!(
                    "inconsistent tensor size, expected tensor [{inner}] and src [{b_inner}] {words}, but got {inner} \
                     and {b_inner} elements respectively"
                ));
            }
            (2.., 1) => {
                check_vector(folded, inner, b_inner)?;
                a_batch.into()
            }
            (_, ..=2) => {
                check_matrices((folded, inner), (b_inner, columns))?;
                a_batch.into()
            }
            (1, _) => {
                // PyTorch multiplies the transposed batch with the vector.
                check_vector(b_batch.iter().product::<i64>() * columns, b_inner, inner)?;
                b_batch.into()
            }
            _ => {
                let batch = broadcast(a_batch, b_batch)?;
                let count = batch.iter().product::<i64>();
                check_batches(&[count, rows, inner], &[count, b_inner, columns])?;
                batch
            }
        };
        let mut result: Dims = batch.clone();
        if a.len() > 1 {
            result.push(rows);
        }
        if b.len() > 1 {
            result.push(columns);
        }
        let shape = Shape { rows: rows as usize, inner: inner as usize, columns: columns as usize };
        // A batch of matrices with one matrix is one product of all their rows.
        if b_batch.is_empty() && !a_batch.is_empty() {
            let shape = Shape { rows: folded as usize, ..shape };
            return Ok(Plan { shape, batches: Default::default(), result, folded: true });
        }
        Ok(Plan { shape, batches: (a_batch.into(), b_batch.into(), batch), result, folded: false })
    }

    /// Which matrix of one factor goes with which of the other.
    fn pairs(&self) -> Vec<(usize, usize)> {
        let (a, b, batch) = &self.batches;
        let count = batch.iter().product::<i64>();
        (0..count).map(|i| (position(i, batch, a), position(i, batch, b))).collect()
    }
}

/// The position in a tensor of `sizes` that is shown at position `i` of the tensor expanded to `expanded`.
fn position(mut i: i64, expanded: &[i64], sizes: &[i64]) -> usize {
    let (mut position, mut step) = (0, 1);
    let new = expanded.len() - sizes.len();
    for dim in (0..expanded.len()).rev() {
        let index = i % expanded[dim];
        i /= expanded[dim];
        if dim >= new {
            position += if sizes[dim - new] == 1 { 0 } else { index * step };
            step *= sizes[dim - new];
        }
    }
    position as usize
}

/// `beta * self + alpha * product`, where a `beta` of zero hides even a NaN.
fn plus_product<T: Computed>(addend: &[T], product: &[T], beta: Scalar, alpha: Scalar) -> Vec<T> {
    let (beta, alpha): (T, T) = (beta.cast(), alpha.cast());
    let hidden = beta == T::ZERO;
    let sum = |(&x, &p): (&T, &T)| if hidden { alpha.times(p) } else { beta.times(x).plus(alpha.times(p)) };
    addend.iter().zip(product).map(sum).collect()
}

/// What `addmm` and its like share: the product is computed, checked against `self` and added.
fn added(call: &mut Call<'_>, product: &Tensor, summed: bool) -> Result<Value, Fault> {
    let addend = call.tensor(0)?;
    let (dtype, mut sizes) = (product.dtype(), product.sizes());
    if summed {
        sizes.remove(0);
    }
    if let Destination::InPlace(_) = call.destination()?
        && addend.sizes() != sizes
    {
        let (found, wanted) = (sizes_text(&addend.sizes()), sizes_text(&sizes));
        return raised(format!(
            "Bad in-place call: input tensor size {found} and output tensor size {wanted} should match"
        ));
    }
    check_expands(&addend.sizes(), &sizes)?;
    let (beta, alpha) = (
        call.scalar(call.position("beta").expect("a scaled sum"))?,
        call.scalar(call.position("alpha").expect("a scaled sum"))?,
    );
    let memory = call.memory();
    let result = compute!(dtype, call.operator.name, T => {
        let x = addend.read_expanded::<T>(&sizes, &memory)?;
        let product = call.read::<T>(product)?;
        let result = if summed {
            let mut sum = vec![T::ZERO; x.len()];
            for part in product.chunks(x.len().max(1)) {
                sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum = Computed::plus(*sum, x));
            }
            plus_product(&x, &sum, beta, alpha)
        } else {
            plus_product(&x, &product, beta, alpha)
        };
        call.create(dtype, &sizes, &result)?
    });
    call.deliver(result)
}

/// The product, computed without rounding a half.
fn wide_product(call: &mut Call<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor, Fault> {
    let dtype = a.dtype();
    if !matches!(dtype, DType::Float16 | DType::BFloat16) {
        return matmul_of(call, a, b);
    }
    let a = a.convert(call.allocator, DType::Float32)?;
    let b = b.convert(call.allocator, DType::Float32)?;
    matmul_of(call, &a, &b)
}

/// `added` of a product that may be wider than the result.
fn add_product(call: &mut Call<'_>, a: &Tensor, b: &Tensor, summed: bool) -> Result<Value, Fault> {
    if a.dtype().is_complex() && !summed {
        let product = matmul_of(call, a, b)?;
        return add_complex(call, product);
    }
    let wide = wide_product(call, a, b)?;
    if wide.dtype() == a.dtype() {
        return added(call, &wide, summed);
    }
    // Only the halves come here: the sum is computed wide, too, and rounded once.
    let sum = added_wide(call, &wide, summed)?;
    let rounded = sum.convert(call.allocator, a.dtype())?;
    call.deliver(rounded)
}

/// `beta * self + alpha * product` of complex numbers.
fn add_complex(call: &mut Call<'_>, product: Tensor) -> Result<Value, Fault> {
    let factor = |name: &str| call.value(call.position(name).expect("a scaled sum")).clone();
    let (beta, alpha) = (factor("beta"), factor("alpha"));
    let product = call.run("aten::mul.Scalar", &[Value::Tensor(product), alpha])?;
    let addend = call.run("aten::mul.Scalar", &[call.args[0].clone(), beta])?;
    let sum = call.run_tensor("aten::add.Tensor", &[product, addend])?;
    call.deliver(sum)
}

fn added_wide(call: &mut Call<'_>, product: &Tensor, summed: bool) -> Result<Tensor, Fault> {
    let addend = call.tensor(0)?;
    let mut sizes = product.sizes();
    if summed {
        sizes.remove(0);
    }
    check_expands(&addend.sizes(), &sizes)?;
    let (beta, alpha) = (
        call.scalar(call.position("beta").expect("a scaled sum"))?,
        call.scalar(call.position("alpha").expect("a scaled sum"))?,
    );
    let x = addend.read_expanded::<f32>(&sizes, &call.memory())?;
    let product = call.read::<f32>(product)?;
    let mut sum = vec![0.0f32; x.len()];
    for part in product.chunks(x.len().max(1)) {
        sum.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
    }
    call.create(DType::Float32, &sizes, &plus_product(&x, &sum, beta, alpha))
}

pub(super) fn addmm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (addend, a, b) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (a_sizes, b_sizes) = (a.sizes(), b.sizes());
    for (name, sizes) in [("mat1", &a_sizes), ("mat2", &b_sizes)] {
        if sizes.len() != 2 {
            return raised(format!("{name} must be a matrix, got {}-D tensor", sizes.len()));
        }
    }
    check_matrices((a_sizes[0], a_sizes[1]), (b_sizes[0], b_sizes[1]))?;
    check_addend(addend, a, b)?;
    known(a.dtype(), "addmm_impl_cpu_")?;
    add_product(call, a, b, false)
}

fn check_addend(addend: &Tensor, a: &Tensor, b: &Tensor) -> Result<(), Fault> {
    for (first, name, second) in [(addend, "self", b), (a, "mat1", b)] {
        if first.dtype() != second.dtype() {
            let (first, second) = (first.dtype().scalar_type_name(), second.dtype().scalar_type_name());
            return raised(format!("{name} and mat2 must have the same dtype, but got {first} and {second}"));
        }
    }
    Ok(())
}

pub(super) fn addmv(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (addend, a, b) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let (sizes, a_sizes, b_sizes) = (addend.sizes(), a.sizes(), b.sizes());
    if sizes.len() > 1 || a_sizes.len() != 2 || b_sizes.len() != 1 {
        let (x, y, z) = (sizes.len(), a_sizes.len(), b_sizes.len());
        return raised(format!("vector + matrix @ vector expected, got {x}, {y}, {z}"));
    }
    let length = sizes.first().copied().unwrap_or(1);
    if a_sizes[1] != b_sizes[0] || (length != a_sizes[0] && length != 1) {
        return raised(format!(
            "size mismatch, got input ({length}), mat ({}x{}), vec ({})",
            a_sizes[0], a_sizes[1], b_sizes[0]
        ));
    }
    known(a.dtype(), "addmv_impl_cpu")?;
    add_product(call, a, b, false)
}

pub(super) fn baddbmm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(1)?, call.tensor(2)?);
    check_batches(&a.sizes(), &b.sizes())?;
    let sizes = [a.sizes()[0], a.sizes()[1], b.sizes()[2]];
    check_expands(&call.tensor(0)?.sizes(), &sizes)?;
    known(a.dtype(), "baddbmm")?;
    add_product(call, a, b, false)
}

pub(super) fn addbmm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(1)?, call.tensor(2)?);
    check_batches(&a.sizes(), &b.sizes())?;
    known(a.dtype(), "addbmm")?;
    add_product(call, a, b, true)
}

pub(super) fn linear(call: &mut Call<'_>) -> Result<Value, Fault> {
    let result = linear_of(call, call.tensor(0)?, call.tensor(1)?, call.opt_tensor(2)?)?;
    call.deliver(result)
}

/// `input @ weight.t() + bias`
pub(in crate::operators) fn linear_of(
    call: &mut Call<'_>,
    input: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<Tensor, Fault> {
    let (sizes, w_sizes, dtype) = (input.sizes(), weight.sizes(), input.dtype());
    if sizes.is_empty() || w_sizes.is_empty() {
        let (a, b) = (sizes.len(), w_sizes.len());
        return raised(format!("both arguments to linear need to be at least 1D, but they are {a}D and {b}D"));
    }
    if w_sizes.len() > 2 {
        return Err(Fault::unsupported("aten::linear with a weight of more than two dimensions"));
    }
    let (rows, inner) = (sizes[..sizes.len() - 1].iter().product::<i64>(), sizes[sizes.len() - 1]);
    let columns = if w_sizes.len() == 2 { w_sizes[0] } else { 1 };
    let w_inner = w_sizes[w_sizes.len() - 1];
    if w_sizes.len() == 1 && sizes.len() > 1 {
        check_vector(rows, inner, w_inner)?;
    }
    check_matrices((rows, inner), (w_inner, columns))?;
    match bias {
        Some(bias) if sizes.len() > 1 => check_addend(bias, input, weight)?,
        _ => same_dtype(dtype, weight.dtype())?,
    }
    known(dtype, "addmm_impl_cpu_")?;
    let mut result: Dims = sizes[..sizes.len() - 1].into();
    if w_sizes.len() == 2 {
        result.push(columns);
    }
    if let Some(bias) = bias {
        check_expands(&bias.sizes(), &[rows, columns])?;
    }
    if dtype.is_complex() {
        let product = complex::product(call, input, weight, |call, x, w| linear_of(call, x, w, None))?;
        return match bias {
            Some(bias) => call.run_tensor("aten::add.Tensor", &[Value::Tensor(product), Value::Tensor(bias.clone())]),
            None => Ok(product),
        };
    }
    let shape = Shape { rows: rows as usize, inner: inner as usize, columns: columns as usize };
    let (memory, math) = (call.memory(), call.modes.math);
    compute!(dtype, "aten::linear", T => {
        let (x, w) = (call.read::<T>(input)?, call.read::<T>(weight)?);
        let bias = bias.map(|bias| -> Result<_, Fault> {
            let whole = bias.sizes().as_slice() != [columns];
            if whole { bias.read_expanded::<T>(&[rows, columns], &memory) } else { bias.read::<T>(&memory) }
        });
        let bias = bias.transpose()?;
        call.write::<T>(dtype, &result, |elements| {
            let (x, w) = (Matrix::of_rows(&x, shape.inner), Right::Matrix(Matrix::of_columns(&w, shape.inner)));
            affine(x, w, bias.as_deref(), elements, shape, math);
            Ok(())
        })
    })
}

/// The product of several matrices, from the left.
pub(super) fn chain(call: &mut Call<'_>) -> Result<Value, Fault> {
    let matrices = call.tensors(0)?;
    let Some((first, rest)) = matrices.split_first() else {
        return raised("chain_matmul(): Expected one or more matrices");
    };
    let mut ranks = matrices.iter().map(|matrix| matrix.sizes().len());
    if let Some(rank) = ranks.rfind(|&rank| rank != 2).filter(|_| call.operator.name == "aten::chain_matmul") {
        return raised(format!("Tensor dimension is {rank}, expected 2 instead."));
    }
    if rest.is_empty() {
        return call.run("aten::clone", &[Value::Tensor(first.clone()), Value::None]);
    }
    let mut product = first.clone();
    for matrix in rest {
        product = matmul_of(call, &product, matrix)?;
    }
    Ok(Value::Tensor(product))
}

/// The same of at least two, of which the first and the last may be vectors.
pub(super) fn multi_dot(call: &mut Call<'_>) -> Result<Value, Fault> {
    match call.tensors(0)?.len() {
        found @ 0..=1 => raised(format!("multi_dot(): expected at least 2 tensors but got {found}")),
        _ => chain(call),
    }
}

/// `outer`, `ger`: every product of an element of one and an element of the other.
pub(super) fn outer(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    for (name, tensor) in [("self", a), ("vec2", b)] {
        let rank = tensor.sizes().len();
        if rank != 1 {
            return raised(format!("outer: Expected 1-D argument {name}, but got {rank}-D"));
        }
    }
    let dtype = crate::tensor::promote::result_type(a, b)?;
    let sizes = [a.numel(), b.numel()];
    if dtype.is_complex() {
        let (rows, columns) = (call.int_list(&[-1, 1]), call.int_list(&[1, -1]));
        let column = call.run("aten::reshape", &[Value::Tensor(a.clone()), rows])?;
        let row = call.run("aten::reshape", &[Value::Tensor(b.clone()), columns])?;
        let result = call.run_tensor("aten::mul.Tensor", &[column, row])?;
        return call.deliver(result);
    }
    let result = compute!(dtype, "aten::outer", T => {
        let (x, y) = (call.read::<T>(a)?, call.read::<T>(b)?);
        let _room = call.room::<T>(&[x.len(), y.len()])?;
        let products: Vec<T> = x.iter().flat_map(|&x| y.iter().map(move |&y| x.times(y))).collect();
        call.create(dtype, &sizes, &products)?
    });
    call.deliver(result)
}

/// `beta * self + alpha * outer(vec1, vec2)`
pub(super) fn addr(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(1)?, call.tensor(2)?);
    let (rows, columns) = (a.numel(), b.numel());
    for (name, vector) in [("vec1", a), ("vec2", b)] {
        let rank = vector.sizes().len();
        if rank != 1 {
            return raised(format!("addr: Expected 1-D argument {name}, but got {rank}-D"));
        }
    }
    let dtype = result_type_all(&[call.tensor(0)?.clone(), a.clone(), b.clone()])?;
    if dtype.is_complex() {
        let (a, b) = (call.run_tensor("aten::unsqueeze", &[of(a), Value::Int(1)])?, b.clone());
        let product = call.run_tensor("aten::mul.Tensor", &[of(&a), of(&b)])?;
        return add_complex(call, product);
    }
    for name in ["beta", "alpha"] {
        let number = call.scalar(call.position(name).expect("a scaled sum"))?;
        if dtype.is_integral() && matches!(number, Scalar::Float(_)) {
            return raised(format!("For integral input tensors, argument {name} must not be a floating point number."));
        }
    }
    let product = compute!(dtype, "aten::addr", T => {
        let (x, y) = (call.read::<T>(a)?, call.read::<T>(b)?);
        let products: Vec<T> = x.iter().flat_map(|&x| y.iter().map(move |&y| x.times(y))).collect();
        call.create(dtype, &[rows, columns], &products)?
    });
    added(call, &product, false)
}

/// The product of the last dimensions of both.
pub(super) fn inner(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let (a_sizes, b_sizes, dtype) = (a.sizes(), b.sizes(), a.dtype());
    if dtype != b.dtype() {
        return raised("both inputs should have same dtype");
    }
    let scalar = a_sizes.is_empty() || b_sizes.is_empty();
    if dtype.is_complex() && !scalar {
        let last = call.int_list(&[-1]);
        let result = call.run_tensor("aten::tensordot", &[of(a), of(b), last.clone(), last])?;
        return call.deliver(result);
    }
    let length = |sizes: &[i64]| if scalar { 1 } else { sizes[sizes.len() - 1] };
    let kept = |sizes: &[i64]| -> Dims { if scalar { sizes.into() } else { sizes[..sizes.len() - 1].into() } };
    if length(&a_sizes) != length(&b_sizes) {
        return raised(format!(
            "inner() the last dimension must match on both input tensors but got shapes {a_sizes:?} and {b_sizes:?}"
        ));
    }
    let (a_kept, b_kept) = (kept(&a_sizes), kept(&b_sizes));
    let shape = Shape {
        rows: a_kept.iter().product::<i64>() as usize,
        inner: length(&a_sizes) as usize,
        columns: b_kept.iter().product::<i64>() as usize,
    };
    let sizes: Dims = a_kept.into_iter().chain(b_kept).collect();
    let math = call.modes.math;
    let result = compute!(dtype, "aten::inner", T => {
        let (x, y) = (call.read::<T>(a)?, call.read::<T>(b)?);
        let _room = shape.room::<T>(call)?;
        call.write::<T>(dtype, &sizes, |elements| {
            let y = Right::Matrix(Matrix::of_columns(&y, shape.inner));
            T::product(Matrix::of_rows(&x, shape.inner), y, elements, shape, math);
            Ok(())
        })?
    });
    call.deliver(result)
}
