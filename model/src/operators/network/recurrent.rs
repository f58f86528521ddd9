//! Recurrent layers: LSTM, GRU and the plain ones, over whole sequences and as single cells.

use crate::operators::compose::of;
use crate::operators::curves::Curves;
use crate::operators::linalg::matmul::linear_of;
use crate::operators::linalg::product::{Matrix, Right, Shape, affine};
use crate::operators::random::drop_elements;
use crate::operators::results::tuple;
use crate::operators::scratch::Scratch;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::vectorised::{Loops, vectorised};
use crate::operators::{Call, Fault, Operator};
use crate::tensor::{DType, Dims, Layout, Tensor, dispatch};
use crate::value::Value;

/// What is computed at each step.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Lstm,
    Gru,
    Tanh,
    Relu,
}

impl Kind {
    fn of(call: &Call<'_>) -> Kind {
        match call.operator.name.trim_start_matches("aten::").trim_end_matches("_cell") {
            "lstm" => Kind::Lstm,
            "gru" => Kind::Gru,
            "rnn_tanh" => Kind::Tanh,
            _ => Kind::Relu,
        }
    }

    fn gates(self) -> i64 {
        match self {
            Kind::Lstm => 4,
            Kind::Gru => 3,
            _ => 1,
        }
    }
}

/// The weights of one layer in one direction.
struct Weights<'a> {
    input: &'a Tensor,
    hidden: &'a Tensor,
    bias: Option<(&'a Tensor, &'a Tensor)>,
}

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// One step for one sample: `x` and `h` are what the weights made of input and hidden state, `state` the hidden
/// state, `cell` the state of the cell.
struct Step<'a, T> {
    kind: Kind,
    x: &'a [T],
    h: &'a [T],
    state: &'a mut [T],
    cell: &'a mut [T],
}

impl<T: Curves> Loops for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Step { x, h, state, cell, .. } = self;
        let n = state.len();
        match self.kind {
            Kind::Lstm => {
                let [xi, xf, xn, xo] = gates::<T, 4>(x, n);
                let [hi, hf, hn, ho] = gates::<T, 4>(h, n);
                let cell = &mut cell[..n];
                for i in 0..n {
                    let (input, forget) = ((xi[i] + hi[i]).sigmoid::<FUSED>(), (xf[i] + hf[i]).sigmoid::<FUSED>());
                    let (new, output) = ((xn[i] + hn[i]).tangent::<FUSED>(), (xo[i] + ho[i]).sigmoid::<FUSED>());
                    cell[i] = forget * cell[i] + input * new;
                    state[i] = output * cell[i].tangent::<FUSED>();
                }
            }
            Kind::Gru => {
                let [xr, xu, xn] = gates::<T, 3>(x, n);
                let [hr, hu, hn] = gates::<T, 3>(h, n);
                for i in 0..n {
                    let (reset, update) = ((xr[i] + hr[i]).sigmoid::<FUSED>(), (xu[i] + hu[i]).sigmoid::<FUSED>());
                    let new = (xn[i] + reset * hn[i]).tangent::<FUSED>();
                    state[i] = (state[i] - new) * update + new;
                }
            }
            Kind::Tanh => {
                let ([x], [h]) = (gates::<T, 1>(x, n), gates::<T, 1>(h, n));
                (0..n).for_each(|i| state[i] = (x[i] + h[i]).tangent::<FUSED>());
            }
            Kind::Relu => {
                let ([x], [h]) = (gates::<T, 1>(x, n), gates::<T, 1>(h, n));
                for i in 0..n {
                    let sum = x[i] + h[i];
                    state[i] = if sum < T::of(0.0) { T::of(0.0) } else { sum };
                }
            }
        }
    }
}

/// The gates of a row, all of one length.
#[inline(always)]
fn gates<T, const GATES: usize>(row: &[T], n: usize) -> [&[T]; GATES] {
    std::array::from_fn(|gate| &row[gate * n..(gate + 1) * n])
}

/// Sequences of several samples, step after step: how many samples go on at each step, the longest first.
struct Sequence {
    batch_sizes: Vec<usize>,
}

impl Sequence {
    /// The number of the first row of a step.
    fn start(&self, step: usize) -> usize {
        self.batch_sizes[..step].iter().sum()
    }
}

/// Hidden states and cells, both of `samples` rows of `size`.
struct States<T> {
    hidden: Vec<T>,
    cell: Vec<T>,
    size: usize,
}

/// One layer in one direction over a sequence. `x` is what the input weights made of the whole sequence.
fn run<T: Curves>(
    call: &Call<'_>,
    kind: Kind,
    sequence: &Sequence,
    x: &[T],
    weights: &Weights<'_>,
    states: &mut States<T>,
    backward: bool,
) -> Result<Vec<T>, Fault> {
    let (n, math) = (states.size, call.modes.math);
    let width = n * kind.gates() as usize;
    let mut output = vec![T::default(); sequence.batch_sizes.iter().sum::<usize>() * n];
    let hidden_weights = T::pack(Matrix::of_columns(&call.read::<T>(weights.hidden)?, n), n, width);
    let bias = weights.bias.map(|bias| call.read::<T>(bias.1)).transpose()?;
    let mut h = Scratch::<T>::of(sequence.batch_sizes.first().map_or(0, |batch| batch * width));
    let mut steps: Vec<usize> = (0..sequence.batch_sizes.len()).collect();
    if backward {
        steps.reverse();
    }
    for t in steps {
        let (batch, start) = (sequence.batch_sizes[t], sequence.start(t));
        let h = &mut h[..batch * width];
        let shape = Shape { rows: batch, inner: n, columns: width };
        let (hidden, weights) = (Matrix::of_rows(&states.hidden, n), Right::Packed(&hidden_weights));
        affine(hidden, weights, bias.as_deref(), h, shape, math);
        for sample in 0..batch {
            let (rows, gates) = (sample * n..(sample + 1) * n, sample * width..(sample + 1) * width);
            let row = start + sample;
            let x = &x[row * width..(row + 1) * width];
            let cell = if states.cell.is_empty() { &mut [] } else { &mut states.cell[rows.clone()] };
            vectorised(math, Step { kind, x, h: &h[gates], state: &mut states.hidden[rows.clone()], cell });
            output[row * n..(row + 1) * n].copy_from_slice(&states.hidden[rows]);
        }
    }
    Ok(output)
}

/// Everything about a call but its sequence.
struct Stack {
    kind: Kind,
    /// Initial hidden states, and cells of an LSTM: layers and directions, samples, elements.
    hidden: Tensor,
    cell: Option<Tensor>,
    params: Vec<Tensor>,
    biases: bool,
    layers: usize,
    dropout: f64,
    train: bool,
    bidirectional: bool,
}

impl Stack {
    /// The arguments from position `i`: states, parameters, and so on.
    fn of(call: &Call<'_>, i: usize) -> Result<Stack, Fault> {
        let kind = Kind::of(call);
        let (hidden, cell) = match (kind, call.value(i)) {
            (Kind::Lstm, _) => match &call.tensors(i)?[..] {
                [hidden, cell] => (hidden.clone(), Some(cell.clone())),
                _ => return raised("lstm expects two hidden states"),
            },
            _ => (call.tensor(i)?.clone(), None),
        };
        Ok(Stack {
            kind,
            hidden,
            cell,
            params: call.tensors(i + 1)?,
            biases: call.bool(i + 2)?,
            layers: usize::try_from(call.int(i + 3)?).unwrap_or(0),
            dropout: call.float(i + 4)?,
            train: call.bool(i + 5)?,
            bidirectional: call.bool(i + 6)?,
        })
    }

    fn directions(&self) -> usize {
        1 + self.bidirectional as usize
    }

    /// The weights of a layer and direction.
    fn weights(&self, i: usize) -> Weights<'_> {
        let params = &self.params[i * if self.biases { 4 } else { 2 }..];
        let bias = self.biases.then(|| (&params[2], &params[3]));
        Weights { input: &params[0], hidden: &params[1], bias }
    }

    fn check(&self, samples: usize) -> Result<(), Fault> {
        let states = self.layers.saturating_mul(self.directions());
        if self.params.len() != states.saturating_mul(if self.biases { 4 } else { 2 }) {
            return raised("got an incorrect number of RNN parameters");
        }
        let sizes = self.hidden.sizes();
        let fits = |tensor: &Tensor| {
            let found = tensor.sizes();
            found.len() == 3 && found[0] as usize == states && found[1] as usize == samples && found[2] == sizes[2]
        };
        if !fits(&self.hidden) || !self.cell.as_ref().is_none_or(fits) {
            return raised(format!("Expected hidden size ({states}, {samples}, ...), got {sizes:?}"));
        }
        for i in 0..states {
            let (gates, n) = (self.kind.gates() * sizes[2], sizes[2]);
            let Weights { input, hidden, bias } = self.weights(i);
            let right = input.sizes().len() == 2
                && input.sizes()[0] == gates
                && hidden.sizes().as_slice() == [gates, n]
                && bias.is_none_or(|(a, b)| [a, b].iter().all(|bias| bias.sizes().as_slice() == [gates]));
            if !right {
                return raised(format!("weights of layer {i} do not fit a hidden size of {n}"));
            }
        }
        Ok(())
    }

    /// Runs all layers. Gives the output, rows of step after step, and the last states.
    fn run<T: Curves>(&self, call: &mut Call<'_>, data: &Tensor, sequence: &Sequence) -> Result<Ran, Fault> {
        let (dtype, n) = (data.dtype(), self.hidden.sizes()[2] as usize);
        let samples = sequence.batch_sizes.first().copied().unwrap_or(0);
        let rows: usize = sequence.batch_sizes.iter().sum();
        let mut layer_input = data.clone();
        let (mut hidden, mut cells) = (Vec::new(), Vec::new());
        for layer in 0..self.layers {
            if layer > 0 && self.train && self.dropout != 0.0 {
                layer_input = drop_elements(call, &layer_input, self.dropout)?;
            }
            let mut outputs = Vec::new();
            for direction in 0..self.directions() {
                let i = layer * self.directions() + direction;
                let weights = self.weights(i);
                let gates = linear_of(call, &layer_input, weights.input, weights.bias.map(|bias| bias.0))?;
                let x = call.read::<T>(&gates)?;
                let part = |tensor: &Tensor, call: &Call<'_>| -> Result<Vec<T>, Fault> {
                    Ok(call.read::<T>(tensor)?[i * samples * n..(i + 1) * samples * n].to_vec())
                };
                let mut states = States {
                    hidden: part(&self.hidden, call)?,
                    cell: self.cell.as_ref().map_or(Ok(Vec::new()), |cell| part(cell, call))?,
                    size: n,
                };
                let output = run(call, self.kind, sequence, &x, &weights, &mut states, direction == 1)?;
                outputs.push(output);
                hidden.extend(states.hidden);
                cells.extend(states.cell);
            }
            let mut joined = Vec::with_capacity(rows * n * outputs.len());
            for row in 0..rows {
                outputs.iter().for_each(|output| joined.extend_from_slice(&output[row * n..(row + 1) * n]));
            }
            layer_input = call.create(dtype, &[rows as i64, (n * outputs.len()) as i64], &joined)?;
        }
        let sizes: Dims = self.hidden.sizes();
        let hidden = call.create(dtype, &sizes, &hidden)?;
        let cell = if self.cell.is_some() { Some(call.create(dtype, &sizes, &cells)?) } else { None };
        Ok(Ran { output: layer_input, hidden, cell })
    }

    /// `run` in the float type for the data.
    fn ran(&self, call: &mut Call<'_>, data: &Tensor, sequence: &Sequence) -> Result<Ran, Fault> {
        let dtype = data.dtype();
        if !dtype.is_floating_point() {
            return Err(Fault::no_kernel(call.operator.name, dtype));
        }
        if let Some(other) = self.params.iter().chain([&self.hidden]).find(|tensor| tensor.dtype() != dtype) {
            let (a, b) = (dtype.scalar_type_name(), other.dtype().scalar_type_name());
            return raised(format!("Input and parameter tensors are not of the same dtype, found {a} and {b}"));
        }
        let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
        dispatch!(wide wide, call.operator.name, T => self.run_wide::<T>(call, data, sequence))
    }

    /// Halves are computed as floats throughout, parameters and all.
    fn run_wide<T: Curves>(&self, call: &mut Call<'_>, data: &Tensor, sequence: &Sequence) -> Result<Ran, Fault> {
        let dtype = data.dtype();
        if dtype == T::DTYPE {
            return self.run::<T>(call, data, sequence);
        }
        let wide = |tensor: &Tensor, call: &mut Call<'_>| tensor.convert(call.allocator, T::DTYPE);
        let stack = Stack {
            hidden: wide(&self.hidden, call)?,
            cell: self.cell.as_ref().map(|cell| wide(cell, call)).transpose()?,
            params: self.params.iter().map(|param| wide(param, call)).collect::<Result<_, Fault>>()?,
            ..*self
        };
        let data = wide(data, call)?;
        let ran = stack.run::<T>(call, &data, sequence)?;
        let narrow = |tensor: Tensor, call: &mut Call<'_>| tensor.convert(call.allocator, dtype);
        Ok(Ran {
            output: narrow(ran.output, call)?,
            hidden: narrow(ran.hidden, call)?,
            cell: ran.cell.map(|cell| narrow(cell, call)).transpose()?,
        })
    }
}

/// What a stack of layers gives.
struct Ran {
    output: Tensor,
    hidden: Tensor,
    cell: Option<Tensor>,
}

impl Ran {
    fn value(self, output: Tensor) -> Value {
        match self.cell {
            Some(cell) => tuple([output, self.hidden, cell]),
            None => tuple([output, self.hidden]),
        }
    }
}

/// A view of a tensor of three dimensions with the first two exchanged.
fn exchanged(call: &mut Call<'_>, tensor: &Tensor) -> Tensor {
    let metadata = tensor.metadata();
    let pick = |from: &[i64]| [from[1], from[0], from[2]];
    let layout =
        Layout::strided(&pick(metadata.layout.sizes()), &pick(metadata.layout.strides()), metadata.layout.offset());
    Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout)
}

/// `lstm.input` and its like: every sample goes through all steps.
pub(super) fn of_input(call: &mut Call<'_>) -> Result<Value, Fault> {
    let stack = Stack::of(call, 1)?;
    let (mut input, batch_first) = (call.tensor(0)?.clone(), call.bool(8)?);
    if input.sizes().len() != 3 {
        return raised(format!("Expected 3 dimensions of input, got {}", input.sizes().len()));
    }
    if batch_first {
        input = exchanged(call, &input);
    }
    let sizes = input.sizes();
    let (steps, samples) = (sizes[0] as usize, sizes[1] as usize);
    stack.check(samples)?;
    if steps == 0 {
        return raised("Expected sequence length to be larger than 0 in RNN");
    }
    let sequence = Sequence { batch_sizes: vec![samples; steps] };
    let rows = flattened(call, &input)?;
    let ran = stack.ran(call, &rows, &sequence)?;
    let width = ran.output.sizes()[1];
    let layout = Layout::contiguous(&[sizes[0], sizes[1], width]);
    let output = Tensor::new(call.allocator, ran.output.storage(), ran.output.dtype(), layout);
    let output = if batch_first { exchanged(call, &output) } else { output };
    Ok(ran.value(output))
}

/// The rows of all steps, one after the other.
fn flattened(call: &mut Call<'_>, input: &Tensor) -> Result<Tensor, Fault> {
    let sizes = input.sizes();
    let contiguous = input.convert(call.allocator, input.dtype())?;
    let layout = Layout::contiguous(&[sizes[0] * sizes[1], sizes[2]]);
    Ok(Tensor::new(call.allocator, contiguous.storage(), input.dtype(), layout))
}

/// `lstm.data` and its like: samples of several lengths, packed step after step.
pub(super) fn of_packed(call: &mut Call<'_>) -> Result<Value, Fault> {
    let stack = Stack::of(call, 2)?;
    let (data, sizes) = (call.tensor(0)?, call.read::<i64>(call.tensor(1)?)?.to_vec());
    let shrinks = sizes.windows(2).all(|pair| pair[0] >= pair[1]) && sizes.iter().all(|&size| size > 0);
    if data.sizes().len() != 2 || !shrinks || sizes.iter().sum::<i64>() != data.sizes()[0] {
        return raised("batch_sizes must not grow and sum to the number of rows of the packed data");
    }
    let sequence = Sequence { batch_sizes: sizes.iter().map(|&size| size as usize).collect() };
    stack.check(sequence.batch_sizes.first().copied().unwrap_or(0))?;
    let ran = stack.ran(call, data, &sequence)?;
    let output = ran.output.clone();
    Ok(ran.value(output))
}

/// `lstm_cell` and its like: one step.
pub(super) fn cell(call: &mut Call<'_>) -> Result<Value, Fault> {
    let kind = Kind::of(call);
    let input = call.tensor(0)?;
    let (hidden, cell) = match kind {
        Kind::Lstm => match &call.tensors(1)?[..] {
            [hidden, cell] => (hidden.clone(), Some(cell.clone())),
            _ => return raised("lstm_cell expects two hidden states"),
        },
        _ => (call.tensor(1)?.clone(), None),
    };
    let (w_ih, w_hh) = (call.tensor(2)?, call.tensor(3)?);
    let (b_ih, b_hh) = (call.opt_tensor(4)?, call.opt_tensor(5)?);
    check_cell(input, [Some(&hidden), cell.as_ref()], (w_ih, w_hh))?;
    let states = hidden.sizes();
    let gates = kind.gates() * states[1];
    let usual = [w_ih, w_hh].iter().all(|weight| weight.sizes()[0] == gates)
        && cell.as_ref().is_none_or(|cell| cell.sizes() == states);
    if !usual || !input.dtype().is_floating_point() {
        return odd_cell(call, kind, &hidden, cell.as_ref());
    }
    let x = linear_of(call, input, w_ih, b_ih)?;
    let h = linear_of(call, &hidden, w_hh, b_hh)?;
    let dtype = input.dtype();
    let wide = if dtype == DType::Float64 { DType::Float64 } else { DType::Float32 };
    let math = call.modes.math;
    dispatch!(wide wide, call.operator.name, T => {
        let (x, h) = (call.read::<T>(&x)?, call.read::<T>(&h)?);
        let mut states = call.read::<T>(&hidden)?.to_vec();
        let mut cells = cell.as_ref().map_or(Ok(Vec::new()), |cell| call.read::<T>(cell).map(|c| c.to_vec()))?;
        let sizes = hidden.sizes();
        let n = sizes[1] as usize;
        let width = n * kind.gates() as usize;
        for sample in 0..sizes[0] as usize {
            let (rows, gates) = (sample * n..(sample + 1) * n, sample * width..(sample + 1) * width);
            let cell = if cells.is_empty() { &mut [][..] } else { &mut cells[rows.clone()] };
            vectorised(math, Step { kind, x: &x[gates.clone()], h: &h[gates], state: &mut states[rows], cell });
        }
        let hidden = call.create(dtype, &sizes, &states)?;
        if kind != Kind::Lstm {
            return Ok(Value::Tensor(hidden));
        }
        let cell = call.create(dtype, &sizes, &cells)?;
        Ok(tuple([hidden, cell]))
    })
}

fn check_cell(input: &Tensor, states: [Option<&Tensor>; 2], (w_ih, w_hh): (&Tensor, &Tensor)) -> Result<(), Fault> {
    let size = |tensor: &Tensor, dim: usize| match tensor.sizes()[..] {
        [rows, columns] => Ok([rows, columns][dim]),
        [] | [_] => wrap_existing_dim(dim as i64, tensor.sizes().len()).map(|dim| tensor.sizes()[dim]),
        _ => raised("Expected input, hidden state and weights to be matrices"),
    };
    let (found, expected) = (size(input, 1)?, size(w_ih, 1)?);
    if found != expected {
        return raised(format!("input has inconsistent input_size: got {found} expected {expected}"));
    }
    for (i, state) in states.into_iter().flatten().enumerate() {
        let (samples, batch) = (size(input, 0)?, size(state, 0)?);
        if samples != batch {
            return raised(format!("Input batch size {samples} doesn't match hidden{i} batch size {batch}"));
        }
        let (found, expected) = (size(state, 1)?, size(w_hh, 1)?);
        if found != expected {
            return raised(format!("hidden{i} has inconsistent hidden_size: got {found}, expected {expected}"));
        }
    }
    Ok(())
}

/// A cell operator by operator, as PyTorch computes it: of weights that are more or fewer than there are gates of the
/// states, it makes what broadcasting does.
fn odd_cell(call: &mut Call<'_>, kind: Kind, hidden: &Tensor, cell: Option<&Tensor>) -> Result<Value, Fault> {
    let linear = |call: &mut Call<'_>, x: &Tensor, weight: usize| {
        call.run("aten::linear", &[of(x), call.value(weight).clone(), call.value(weight + 2).clone()])
    };
    let (h, x) = (linear(call, hidden, 3)?, linear(call, call.tensor(0)?, 2)?);
    let hidden = of(hidden);
    let two = |call: &mut Call<'_>, name: &str, a: Value, b: Value| call.run(name, &[a, b]);
    let one = |call: &mut Call<'_>, name: &str, x: Value| call.run(name, &[x]);
    let chunks = |call: &mut Call<'_>, x: Value| -> Result<Vec<Value>, Fault> {
        let parts = call.run_tensors("aten::chunk", &[x, Value::Int(kind.gates()), Value::Int(1)])?;
        if parts.len() as i64 != kind.gates() {
            return Err(Fault::unsupported(format!("{} of {} gates", call.name(), parts.len())));
        }
        Ok(parts.iter().map(of).collect())
    };
    match kind {
        Kind::Tanh | Kind::Relu => {
            let sum = two(call, "aten::add_.Tensor", h, x)?;
            one(call, if kind == Kind::Tanh { "aten::tanh" } else { "aten::relu" }, sum)
        }
        Kind::Gru => {
            let (h, x) = (chunks(call, h)?, chunks(call, x)?);
            let mut gate = |i: usize| {
                let sum = two(call, "aten::add_.Tensor", h[i].clone(), x[i].clone())?;
                one(call, "aten::sigmoid_", sum)
            };
            let (reset, update) = (gate(0)?, gate(1)?);
            let kept = two(call, "aten::mul_.Tensor", h[2].clone(), reset)?;
            let new = two(call, "aten::add.Tensor", x[2].clone(), kept)?;
            let new = one(call, "aten::tanh_", new)?;
            let apart = two(call, "aten::sub.Tensor", hidden, new.clone())?;
            let part = two(call, "aten::mul_.Tensor", apart, update)?;
            two(call, "aten::add_.Tensor", part, new)
        }
        Kind::Lstm => {
            let sum = two(call, "aten::add_.Tensor", h, x)?;
            let gates = chunks(call, sum)?;
            let [input, forget, new, output] =
                [("aten::sigmoid_", 0), ("aten::sigmoid_", 1), ("aten::tanh_", 2), ("aten::sigmoid_", 3)]
                    .map(|(name, i)| one(call, name, gates[i].clone()));
            let kept = two(call, "aten::mul.Tensor", forget?, of(cell.expect("an LSTM has two states")))?;
            let written = two(call, "aten::mul.Tensor", input?, new?)?;
            let cell = two(call, "aten::add.Tensor", kept, written)?;
            let shown = one(call, "aten::tanh", cell.clone())?;
            let hidden = two(call, "aten::mul.Tensor", output?, shown)?;
            Ok(Value::tuple([hidden, cell]))
        }
    }
}

/// Whether a stack of layers drops anything by chance.
pub(super) fn draws(operator: &Operator, args: &[Value]) -> bool {
    let value = |name: &str| operator.schema.argument(name).map(|i| &args[i]);
    let several = matches!(value("num_layers"), Some(Value::Int(2..)));
    let train = matches!(value("train"), Some(Value::Bool(true)));
    let some = matches!(value("dropout"), Some(Value::Float(p)) if *p > 0.0 && *p < 1.0);
    several && train && some
}
