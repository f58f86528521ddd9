//! `einsum` and what can be said by it: sums over products of elements with named indices.

use super::matmul::known;
use super::product::{Factor, Shape, products};
use crate::operators::compose::of;
use crate::operators::reduce::number::compute;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Fault, Operator};
use crate::tensor::{Dims, Layout, Tensor};
use crate::value::Value;

/// An index: a letter, or one of the dimensions that an ellipsis stands for.
type Label = u32;

/// The labels of an ellipsis' dimensions, counted from the last.
const ELLIPSIS: Label = 1000;

/// An equation with its operands' labels resolved.
struct Equation {
    operands: Vec<Vec<Label>>,
    output: Vec<Label>,
}

fn raised<R>(words: impl std::fmt::Display) -> Result<R, Fault> {
    Err(Fault::raised(format!("einsum(): {words}")))
}

impl Equation {
    fn parse(text: &str, ranks: &[usize]) -> Result<Equation, Fault> {
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text, None),
        };
        let terms: Vec<&str> = left.split(',').collect();
        if terms.len() > ranks.len() {
            return raised("fewer operands were provided than specified in the equation");
        }
        if terms.len() < ranks.len() {
            return raised("more operands were provided than specified in the equation");
        }
        let mut start = 0;
        let mut operands = Vec::new();
        for (i, (term, &rank)) in terms.iter().zip(ranks).enumerate() {
            operands.push(operand_labels(term, start, rank, i)?);
            start += term.len() + 1;
        }
        let most = operands.iter().flatten().filter(|&&label| label >= ELLIPSIS).max().copied();
        let ellipsis = || (ELLIPSIS..=most.unwrap_or(ELLIPSIS - 1)).rev();
        let output = match right {
            Some(right) => output_labels(right, start + 1, ellipsis(), &operands)?,
            None => {
                // The letters that occur once, in the order of the alphabet.
                let mut once: Vec<Label> = operands.iter().flatten().copied().filter(|&l| l < ELLIPSIS).collect();
                once.sort_unstable();
                let count = |label: Label| operands.iter().flatten().filter(|&&l| l == label).count();
                ellipsis().chain(once.into_iter().filter(|&label| count(label) == 1)).collect()
            }
        };
        Ok(Equation { operands, output })
    }
}

/// The labels in a term, with `None` for an ellipsis.
fn labels(term: &str, start: usize) -> Result<Vec<Option<Label>>, Fault> {
    let mut labels = Vec::new();
    let mut chars = term.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            ' ' => {}
            '.' => {
                if !term[i..].starts_with("...") {
                    return raised("found '.' for operand that is not part of any ellipsis");
                }
                chars.nth(1);
                labels.push(None);
            }
            'a'..='z' | 'A'..='Z' => labels.push(Some(c as Label)),
            _ => {
                let words = "in the equation string, subscripts must be in [a-zA-Z]";
                return raised(format!("invalid subscript given at index {} {words}", start + i));
            }
        }
    }
    Ok(labels)
}

fn operand_labels(term: &str, start: usize, rank: usize, operand: usize) -> Result<Vec<Label>, Fault> {
    let labels = labels(term, start)?;
    let named = labels.iter().flatten().count();
    let ellipses = labels.len() - named;
    if ellipses > 1 {
        return raised(format!("found '.' for operand {operand} for which an ellipsis was already found"));
    }
    if named > rank || (ellipses == 0 && named < rank) {
        let words = "the number of subscripts in the equation";
        let more = if ellipses == 0 { "does not match" } else { "is more than" };
        let end = if ellipses == 0 { " and no ellipsis was given" } else { "" };
        return raised(format!(
            "{words} ({named}) {more} the number of dimensions ({rank}) for operand {operand}{end}"
        ));
    }
    let hidden = (rank - named) as Label;
    let expand = |label: &Option<Label>| match label {
        Some(label) => vec![*label],
        None => (ELLIPSIS..ELLIPSIS + hidden).rev().collect(),
    };
    Ok(labels.iter().flat_map(expand).collect())
}

fn output_labels(
    term: &str,
    start: usize,
    ellipsis: impl Iterator<Item = Label>,
    operands: &[Vec<Label>],
) -> Result<Vec<Label>, Fault> {
    let ellipsis: Vec<Label> = ellipsis.collect();
    let mut output = Vec::new();
    for label in labels(term, start)? {
        let Some(label) = label else {
            output.extend(&ellipsis);
            continue;
        };
        let letter = char::from_u32(label).expect("a letter");
        if output.contains(&label) {
            return raised(format!("output subscript {letter} appears more than once in the output"));
        }
        if !operands.iter().flatten().any(|&l| l == label) {
            return raised(format!("output subscript {letter} does not appear in the equation for any input operand"));
        }
        output.push(label);
    }
    Ok(output)
}

/// An operand or an intermediate result: row-major elements, each dimension named once.
struct Named<T> {
    labels: Vec<Label>,
    sizes: Vec<usize>,
    elements: Vec<T>,
}

/// The layout that shows the diagonal of dimensions with the same label, and the labels that are left.
fn diagonal(layout: &Layout, labels: &[Label]) -> (Layout, Vec<Label>) {
    let (mut kept, mut sizes, mut strides) = (Vec::new(), Dims::new(), Dims::new());
    for (dim, &label) in labels.iter().enumerate() {
        match kept.iter().position(|&l| l == label) {
            Some(i) => strides[i] += layout.strides()[dim],
            None => {
                kept.push(label);
                sizes.push(layout.sizes()[dim]);
                strides.push(layout.strides()[dim]);
            }
        }
    }
    (Layout::strided(&sizes, &strides, layout.offset()), kept)
}

/// The layout with the dimensions in the order of `wanted`; a label that is not there has size one.
fn ordered(layout: &Layout, labels: &[Label], wanted: &[Label]) -> Layout {
    let dim = |label: &Label| labels.iter().position(|l| l == label);
    let sizes: Dims = wanted.iter().map(|label| dim(label).map_or(1, |dim| layout.sizes()[dim])).collect();
    let strides: Dims = wanted.iter().map(|label| dim(label).map_or(0, |dim| layout.strides()[dim])).collect();
    Layout::strided(&sizes, &strides, layout.offset())
}

impl<T: Factor> Named<T> {
    fn layout(&self) -> Layout {
        Layout::contiguous(&self.sizes.iter().map(|&size| size as i64).collect::<Vec<i64>>())
    }

    fn size(&self, label: Label) -> usize {
        self.labels.iter().position(|&l| l == label).map_or(1, |dim| self.sizes[dim])
    }

    /// The elements with the dimensions in another order.
    fn arranged(&self, wanted: &[Label]) -> Vec<T> {
        if self.labels == wanted {
            return self.elements.clone();
        }
        let mut elements = Vec::with_capacity(self.elements.len());
        ordered(&self.layout(), &self.labels, wanted).for_each(|i| elements.push(self.elements[i]));
        elements
    }

    /// The sum over every dimension that is not kept.
    fn summed(self, keep: impl Fn(Label) -> bool) -> Named<T> {
        let (kept, gone): (Vec<Label>, Vec<Label>) = self.labels.iter().partition(|&&label| keep(label));
        if gone.is_empty() {
            return self;
        }
        let length = gone.iter().map(|&label| self.size(label)).product::<usize>();
        let order: Vec<Label> = kept.iter().chain(&gone).copied().collect();
        let sizes: Vec<usize> = kept.iter().map(|&label| self.size(label)).collect();
        let arranged = self.arranged(&order);
        let rows = sizes.iter().product::<usize>();
        let sum = |row: usize| crate::operators::reduce::number::sum(&arranged[row * length..(row + 1) * length]);
        let elements = (0..rows).map(sum).collect();
        Named { labels: kept, sizes, elements }
    }

    /// The product of two, summed over what both have and nobody wants any more.
    fn times(self, other: Named<T>, keep: impl Fn(Label) -> bool, call: &Call<'_>) -> Result<Named<T>, Fault> {
        // A size of one stands for any: then the dimension is the other's alone.
        let (a, b) = (self.without_ones(&other), other);
        let b = b.without_ones(&a);
        let a = a.summed(|label| keep(label) || b.labels.contains(&label));
        let b = b.summed(|label| keep(label) || a.labels.contains(&label));
        let shared = |label: &&Label| b.labels.contains(label);
        let batch: Vec<Label> = a.labels.iter().filter(shared).copied().filter(|&label| keep(label)).collect();
        let inner: Vec<Label> = a.labels.iter().filter(shared).copied().filter(|&label| !keep(label)).collect();
        let rows: Vec<Label> = a.labels.iter().copied().filter(|label| !b.labels.contains(label)).collect();
        let columns: Vec<Label> = b.labels.iter().copied().filter(|label| !a.labels.contains(label)).collect();
        let count = |labels: &[Label], named: &Named<T>| labels.iter().map(|&l| named.size(l)).product::<usize>();
        let shape = Shape { rows: count(&rows, &a), inner: count(&inner, &a), columns: count(&columns, &b) };
        let batches = count(&batch, &a);
        let _room = (call.room::<T>(&[batches, shape.rows, shape.columns])?, shape.room::<T>(call)?);
        let x = a.arranged(&[&batch[..], &rows, &inner].concat());
        let y = b.arranged(&[&batch[..], &inner, &columns].concat());
        let mut elements = vec![T::ZERO; batches * shape.rows * shape.columns];
        products(&x, &y, (0..batches).map(|i| (i, i)), shape, &mut elements, call.modes.math);
        let sizes_of =
            |labels: &[Label], named: &Named<T>| -> Vec<usize> { labels.iter().map(|&l| named.size(l)).collect() };
        Ok(Named {
            sizes: [sizes_of(&batch, &a), sizes_of(&rows, &a), sizes_of(&columns, &b)].concat(),
            labels: [batch, rows, columns].concat(),
            elements,
        })
    }

    /// Without the dimensions of size one where the other has a greater one.
    fn without_ones(self, other: &Named<T>) -> Named<T> {
        let keep = |i: &usize| self.sizes[*i] != 1 || other.size(self.labels[*i]) == 1;
        let kept: Vec<usize> = (0..self.labels.len()).filter(keep).collect();
        Named {
            labels: kept.iter().map(|&i| self.labels[i]).collect(),
            sizes: kept.iter().map(|&i| self.sizes[i]).collect(),
            elements: self.elements,
        }
    }
}

/// Raises unless the sizes of equal labels agree; gives the size of each label of the output.
fn check_sizes(equation: &Equation, operands: &[Tensor]) -> Result<Vec<i64>, Fault> {
    let mut known: Vec<(Label, i64)> = Vec::new();
    for (i, (labels, tensor)) in equation.operands.iter().zip(operands).enumerate() {
        let sizes = tensor.sizes();
        for (dim, &label) in labels.iter().enumerate() {
            let size = sizes[dim];
            if let Some(first) = labels[..dim].iter().position(|&l| l == label)
                && sizes[first] != size
            {
                let letter = char::from_u32(label).unwrap_or('.');
                return raised(format!(
                    "subscript {letter} is repeated for operand {i} but the sizes don't match, {size} != {}",
                    sizes[first]
                ));
            }
            match known.iter_mut().find(|(l, _)| *l == label) {
                None => known.push((label, size)),
                Some((_, seen)) if *seen == 1 => *seen = size,
                Some((_, seen)) if size != 1 && *seen != size => {
                    let name = if label < ELLIPSIS {
                        format!("subscript {}", char::from_u32(label).expect("a letter"))
                    } else {
                        format!("dimension {} covered by ellipsis", label - ELLIPSIS)
                    };
                    let seen = *seen;
                    return raised(format!(
                        "{name} has size {size} for operand {i} which does not broadcast with previously seen size \
                         {seen}"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    let size = |label: &Label| known.iter().find(|(l, _)| l == label).map_or(1, |(_, size)| *size);
    Ok(equation.output.iter().map(size).collect())
}

pub(super) fn einsum(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (text, operands) = (call.str(0)?, call.tensors(1)?);
    if operands.is_empty() {
        return raised("must provide at least one operand");
    }
    let ranks: Vec<usize> = operands.iter().map(|tensor| tensor.sizes().len()).collect();
    let equation = Equation::parse(text, &ranks)?;
    let sizes = check_sizes(&equation, &operands)?;
    if let Some(view) = view(call, &equation, &operands) {
        return Ok(Value::Tensor(view));
    }
    if operands.len() > 1 {
        known(operands[0].dtype(), "bmm")?;
    }
    contract(call, &equation, &operands, &sizes).map(Value::Tensor)
}

/// Whether the result is a view: nothing is multiplied or summed.
pub(super) fn is_view(_: &Operator, args: &[Value]) -> bool {
    let (Value::Str(text), Value::List(operands)) = (&args[0], &args[1]) else { return false };
    let [Value::Tensor(operand)] = &operands.content().items[..] else { return false };
    Equation::parse(text, &[operand.sizes().len()]).is_ok_and(|equation| sums_nothing(&equation))
}

fn sums_nothing(equation: &Equation) -> bool {
    equation.operands.len() == 1 && equation.operands[0].iter().all(|label| equation.output.contains(label))
}

fn view(call: &mut Call<'_>, equation: &Equation, operands: &[Tensor]) -> Option<Tensor> {
    if !sums_nothing(equation) {
        return None;
    }
    let metadata = operands[0].metadata();
    let (layout, labels) = diagonal(&metadata.layout, &equation.operands[0]);
    let layout = ordered(&layout, &labels, &equation.output);
    Some(Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout))
}

/// Multiplies the operands from left to right.
fn contract(call: &mut Call<'_>, equation: &Equation, operands: &[Tensor], sizes: &[i64]) -> Result<Tensor, Fault> {
    let dtype = operands[0].dtype();
    if let Some(other) = operands.iter().find(|tensor| tensor.dtype() != dtype) {
        let (a, b) = (dtype.scalar_type_name(), other.dtype().scalar_type_name());
        return Err(Fault::raised(format!("expected scalar type {a} but found {b}")));
    }
    if dtype.is_complex() {
        return contract_complex(call, equation, operands, sizes);
    }
    compute!(dtype, "aten::einsum", T => {
        let mut product: Option<Named<T>> = None;
        for (i, tensor) in operands.iter().enumerate() {
            let (layout, labels) = diagonal(&tensor.metadata().layout, &equation.operands[i]);
            let elements = tensor.read_as::<T>(&layout, &call.memory())?.to_vec();
            let sizes = layout.sizes().iter().map(|&size| size as usize).collect();
            let next = Named { labels, sizes, elements };
            let later = &equation.operands[i + 1..];
            let keep = |label: Label| equation.output.contains(&label) || later.iter().flatten().any(|&l| l == label);
            product = Some(match product {
                None => next,
                Some(product) => product.times(next, keep, call)?,
            });
        }
        let product = product.expect("an operand").summed(|label| equation.output.contains(&label));
        call.create(dtype, sizes, &product.arranged(&equation.output))
    })
}

/// The same of complex operands: of the real and of the imaginary part of each, one after the other.
fn contract_complex(
    call: &mut Call<'_>,
    equation: &Equation,
    operands: &[Tensor],
    sizes: &[i64],
) -> Result<Tensor, Fault> {
    let Some(i) = operands.iter().position(|operand| operand.dtype().is_complex()) else {
        return contract(call, equation, operands, sizes);
    };
    let mut part = |name: &str| {
        let mut operands = operands.to_vec();
        operands[i] = call.run_tensor(name, &[Value::Tensor(operands[i].clone())])?;
        contract_complex(call, equation, &operands, sizes)
    };
    let (re, im) = (part("aten::real")?, part("aten::imag")?);
    let (complex, re, im) = (re.dtype().is_complex(), Value::Tensor(re), Value::Tensor(im));
    if !complex {
        return call.run_tensor("aten::complex", &[re, im]);
    }
    let im = call.run("aten::mul.Scalar", &[im, Value::Complex(Box::new(num_complex::Complex64::I))])?;
    call.run_tensor("aten::add.Tensor", &[re, im])
}

/// `tensordot`: the sum over pairs of dimensions.
pub(super) fn tensordot(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b, a_dims, b_dims) = (call.tensor(0)?, call.tensor(1)?, call.ints(2)?, call.ints(3)?);
    if a_dims.len() != b_dims.len() {
        return Err(Fault::raised("both dimension lists should have same length"));
    }
    let (mut operands, ranks) = ([a.clone(), b.clone()], (a.sizes().len(), b.sizes().len()));
    let a_labels: Vec<Label> = (0..ranks.0 as Label).collect();
    let mut b_labels: Vec<Label> = (0..ranks.1 as Label).map(|label| label + 500).collect();
    for (&i, &j) in a_dims.iter().zip(&b_dims) {
        let i = wrap_existing_dim(i, ranks.0)?;
        let j = wrap_existing_dim(j, ranks.1)?;
        let (left, right) = (a.sizes()[i], b.sizes()[j]);
        if left != right && (left == 1 || right == 1) {
            // What is to be multiplied by one number can be summed before.
            let (longer, dim) = if left == 1 { (&mut operands[1], j) } else { (&mut operands[0], i) };
            let dims = call.int_list(&[dim as i64]);
            *longer = call.run_tensor("aten::sum.dim_IntList", &[of(longer), dims, Value::Bool(true), Value::None])?;
        } else if left != right {
            return Err(Fault::raised(format!(
                "contracted dimensions need to match, but first has size {} in dim {i} and second has size {} in dim {j}",
                left, right
            )));
        }
        b_labels[j] = i as Label;
    }
    let output: Vec<Label> = (a_labels.iter().filter(|label| !b_labels.contains(label)))
        .chain(b_labels.iter().filter(|label| !a_labels.contains(label)))
        .copied()
        .collect();
    let equation = Equation { operands: vec![a_labels, b_labels], output };
    let sizes = check_sizes(&equation, &operands)?;
    let result = contract(call, &equation, &operands, &sizes)?;
    call.deliver(result)
}

/// `bilinear`: `input1 @ weight[k] @ input2` for each `k`.
pub(super) fn bilinear(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (x, y, weight, bias) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?, call.opt_tensor(3)?);
    let (x_sizes, y_sizes, w_sizes) = (x.sizes(), y.sizes(), weight.sizes());
    if w_sizes.len() != 3 || x_sizes.is_empty() || x_sizes.len() != y_sizes.len() {
        return Err(Fault::raised(format!(
            "bilinear(): input dimensions do not match: got {} and {}",
            x_sizes.len(),
            y_sizes.len()
        )));
    }
    let last = x_sizes.len() - 1;
    for (name, sizes, wanted) in [("input1", &x_sizes, w_sizes[1]), ("input2", &y_sizes, w_sizes[2])] {
        if sizes[last] != wanted {
            let found = sizes[last];
            return Err(Fault::raised(format!(
                "bilinear(): {name} size does not match weight size: got {found} but expected {wanted}"
            )));
        }
    }
    let batch: Vec<Label> = (ELLIPSIS..ELLIPSIS + last as Label).collect();
    let equation = Equation {
        operands: vec![[&batch[..], &[0]].concat(), vec![2, 0, 1], [&batch[..], &[1]].concat()],
        output: [&batch[..], &[2]].concat(),
    };
    let operands = [x.clone(), weight.clone(), y.clone()];
    let sizes = check_sizes(&equation, &operands)?;
    let result = contract(call, &equation, &operands, &sizes)?;
    if let Some(bias) = bias {
        return call.run("aten::add.Tensor", &[Value::Tensor(result), of(bias), Value::Int(1)]);
    }
    Ok(Value::Tensor(result))
}

/// `_trilinear`: the product of three tensors, each with new dimensions, summed over some.
pub(super) fn trilinear(call: &mut Call<'_>) -> Result<Value, Fault> {
    let mut product = None;
    for i in 0..3 {
        let mut factor = call.args[i].clone();
        let mut dims = call.ints(3 + i)?;
        dims.sort_unstable();
        for dim in dims {
            factor = call.run("aten::unsqueeze", &[factor, Value::Int(dim)])?;
        }
        product = Some(match product {
            Some(product) => call.run("aten::mul.Tensor", &[product, factor])?,
            None => factor,
        });
    }
    let product = product.expect("three factors");
    if call.ints(6)?.is_empty() {
        return Ok(product);
    }
    call.run("aten::sum.dim_IntList", &[product, call.args[6].clone()])
}

/// `kron`: every product of two elements, block by block.
pub(super) fn kron(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let rank = a.sizes().len().max(b.sizes().len());
    let padded = |tensor: &Tensor| -> Dims {
        let sizes = tensor.sizes();
        std::iter::repeat_n(1, rank - sizes.len()).chain(sizes).collect()
    };
    let (a_sizes, b_sizes) = (padded(a), padded(b));
    let overflow = || Fault::raised("numel: integer multiplication overflow");
    let sizes = a_sizes.iter().zip(&b_sizes).map(|(x, &y)| x.checked_mul(y).ok_or_else(overflow));
    let sizes = sizes.collect::<Result<Dims, Fault>>()?;
    // Each dimension of one stands before that of the other.
    let (ones, pairs) = (Dims::from_elem(1, rank), |x: &Dims, y: &Dims| -> Dims {
        x.iter().zip(y).flat_map(|(&x, &y)| [x, y]).collect()
    });
    let (left, right) = (call.int_list(&pairs(&a_sizes, &ones)), call.int_list(&pairs(&ones, &b_sizes)));
    let factors = [call.run("aten::reshape", &[of(a), left])?, call.run("aten::reshape", &[of(b), right])?];
    let products = call.run("aten::mul.Tensor", &factors)?;
    let sizes = call.int_list(&sizes);
    let result = call.run_tensor("aten::reshape", &[products, sizes])?;
    call.deliver(result)
}
