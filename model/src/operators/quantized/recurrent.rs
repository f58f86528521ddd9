//! Recurrent networks with quantized weights: activations are quantized on their way into each product, and states are
//! numbers.

use super::super::{Call, Fault, Kernel};
use super::layers::dynamic;
use super::packed::{Cell, Linear};
use crate::tensor::Tensor;
use crate::value::Value;

pub(super) const KERNELS: &[(&str, Kernel)] = &[
    ("aten::quantized_gru.input", gru),
    ("aten::quantized_lstm.input", lstm),
    ("quantized::quantized_gru_cell_dynamic", |call| simple_cell(call, gru_step)),
    ("quantized::quantized_lstm_cell_dynamic", lstm_cell),
    ("quantized::quantized_rnn_relu_cell_dynamic", |call| simple_cell(call, relu_step)),
    ("quantized::quantized_rnn_tanh_cell_dynamic", |call| simple_cell(call, tanh_step)),
];

/// A step of a cell: from what the input gives, and the states, to the states.
type Step = fn(&mut Call<'_>, &Tensor, &[Tensor], &Cell) -> Result<Vec<Tensor>, Fault>;

fn lstm(call: &mut Call<'_>) -> Result<Value, Fault> {
    let states = call.tensors(1)?;
    if states.len() != 2 {
        return Err(Fault::raised("lstm expects two hidden states"));
    }
    network(call, &states, lstm_step)
}

fn gru(call: &mut Call<'_>) -> Result<Value, Fault> {
    let states = [call.tensor(1)?.clone()];
    network(call, &states, gru_step)
}

/// All layers, in one direction or both. Each state has a row for each cell.
fn network(call: &mut Call<'_>, states: &[Tensor], step: Step) -> Result<Value, Fault> {
    let wrong = || call.wrong(2, "parameters of recurrent cells");
    let cells: Vec<Cell> = match call.value(2) {
        Value::List(list) => {
            list.content().items.iter().map(Cell::from_value).collect::<Option<_>>().ok_or_else(wrong)?
        }
        _ => return Err(wrong()),
    };
    let (layers, dropout, train) = (call.int(4)?, call.float(5)?, call.bool(6)?);
    let (both_ways, batch_first) = (call.bool(7)?, call.bool(8)?);
    let directions = 1 + usize::from(both_ways);
    if cells.len() as i64 != layers * directions as i64 {
        return Err(Fault::raised("got an incorrect number of RNN parameters"));
    }
    if train && dropout > 0.0 && layers > 1 {
        return Err(Fault::unsupported(format!("{} that drops out between its layers", call.name())));
    }
    let mut input = call.tensor(0)?.clone();
    if batch_first {
        input = swapped(call, &input)?;
    }
    let mut last: Vec<Vec<Tensor>> = vec![Vec::new(); states.len()];
    for layer in cells.chunks(directions) {
        let mut outputs = Vec::new();
        for (direction, cell) in layer.iter().enumerate() {
            let number = Value::Int(last[0].len() as i64);
            let mut state = Vec::new();
            for all in states {
                state.push(
                    call.run_tensor("aten::select.int", &[Value::Tensor(all.clone()), Value::Int(0), number.clone()])?,
                );
            }
            let (output, state) = one_layer(call, &input, state, cell, direction == 1, step)?;
            outputs.push(output);
            last.iter_mut().zip(state).for_each(|(all, state)| all.push(state));
        }
        input = match <[Tensor; 1]>::try_from(outputs) {
            Ok([output]) => output,
            Err(outputs) => {
                let outputs = call.tensor_list(outputs);
                call.run_tensor("aten::cat", &[outputs, Value::Int(2)])?
            }
        };
    }
    if batch_first {
        input = swapped(call, &input)?;
    }
    let mut results = vec![Value::Tensor(input)];
    for states in last {
        let states = call.tensor_list(states);
        results.push(call.run("aten::stack", &[states, Value::Int(0)])?);
    }
    Ok(Value::Tuple(results.into()))
}

fn swapped(call: &mut Call<'_>, tensor: &Tensor) -> Result<Tensor, Fault> {
    call.run_tensor("aten::transpose.int", &[Value::Tensor(tensor.clone()), Value::Int(0), Value::Int(1)])
}

/// One cell along the sequence. The products of all inputs are made at once, so they have one scale.
fn one_layer(
    call: &mut Call<'_>,
    input: &Tensor,
    mut state: Vec<Tensor>,
    cell: &Cell,
    backwards: bool,
    step: Step,
) -> Result<(Tensor, Vec<Tensor>), Fault> {
    let gates = dynamic(call, input, &cell.input, cell.reduce_range, false)?;
    let steps = input.sizes()[0];
    let mut outputs = Vec::new();
    for i in 0..steps {
        let at = Value::Int(if backwards { steps - 1 - i } else { i });
        let gates = call.run_tensor("aten::select.int", &[Value::Tensor(gates.clone()), Value::Int(0), at])?;
        state = step(call, &gates, &state, cell)?;
        outputs.push(state[0].clone());
    }
    if backwards {
        outputs.reverse();
    }
    let outputs = call.tensor_list(outputs);
    Ok((call.run_tensor("aten::stack", &[outputs, Value::Int(0)])?, state))
}

fn lstm_step(call: &mut Call<'_>, gates: &Tensor, state: &[Tensor], cell: &Cell) -> Result<Vec<Tensor>, Fault> {
    let hidden = dynamic(call, &state[0], &cell.hidden, cell.reduce_range, false)?;
    let gates = add(call, &hidden, gates)?;
    let gates = call.run_tensors("aten::chunk", &[Value::Tensor(gates), Value::Int(4), Value::Int(1)])?;
    let [input, forget, content, output] = &gates[..] else { return Err(Fault::raised("four gates were expected")) };
    let (input, forget) = (apply(call, "aten::sigmoid", input)?, apply(call, "aten::sigmoid", forget)?);
    let (content, output) = (apply(call, "aten::tanh", content)?, apply(call, "aten::sigmoid", output)?);
    let (kept, new) = (mul(call, &forget, &state[1])?, mul(call, &input, &content)?);
    let memory = add(call, &kept, &new)?;
    let shown = apply(call, "aten::tanh", &memory)?;
    Ok(vec![mul(call, &output, &shown)?, memory])
}

fn gru_step(call: &mut Call<'_>, gates: &Tensor, state: &[Tensor], cell: &Cell) -> Result<Vec<Tensor>, Fault> {
    let hidden = dynamic(call, &state[0], &cell.hidden, cell.reduce_range, false)?;
    let three = |call: &mut Call<'_>, gates: &Tensor| {
        call.run_tensors("aten::chunk", &[Value::Tensor(gates.clone()), Value::Int(3), Value::Int(1)])
    };
    let (gates, hidden) = (three(call, gates)?, three(call, &hidden)?);
    let reset = add(call, &hidden[0], &gates[0])?;
    let reset = apply(call, "aten::sigmoid", &reset)?;
    let update = add(call, &hidden[1], &gates[1])?;
    let update = apply(call, "aten::sigmoid", &update)?;
    let new = mul(call, &hidden[2], &reset)?;
    let new = add(call, &gates[2], &new)?;
    let new = apply(call, "aten::tanh", &new)?;
    let args = [Value::Tensor(state[0].clone()), Value::Tensor(new.clone()), Value::Int(1)];
    let difference = call.run_tensor("aten::sub.Tensor", &args)?;
    let kept = mul(call, &difference, &update)?;
    Ok(vec![add(call, &kept, &new)?])
}

/// `quantized_lstm_cell_dynamic`: one step, of an input of rows.
fn lstm_cell(call: &mut Call<'_>) -> Result<Value, Fault> {
    let state = call.tensors(1)?;
    if state.len() != 2 {
        return Err(Fault::raised("lstm_cell expects two hidden states"));
    }
    let state = one_step(call, &state, lstm_step)?;
    Ok(Value::tuple([Value::Tensor(state[0].clone()), Value::Tensor(state[1].clone())]))
}

/// `quantized_gru_cell_dynamic` and its like, with one state.
fn simple_cell(call: &mut Call<'_>, step: Step) -> Result<Value, Fault> {
    let state = [call.tensor(1)?.clone()];
    let state = one_step(call, &state, step)?;
    Ok(Value::Tensor(state[0].clone()))
}

fn relu_step(call: &mut Call<'_>, gates: &Tensor, state: &[Tensor], cell: &Cell) -> Result<Vec<Tensor>, Fault> {
    simple_step(call, gates, state, cell, "aten::relu")
}

fn tanh_step(call: &mut Call<'_>, gates: &Tensor, state: &[Tensor], cell: &Cell) -> Result<Vec<Tensor>, Fault> {
    simple_step(call, gates, state, cell, "aten::tanh")
}

fn simple_step(
    call: &mut Call<'_>,
    gates: &Tensor,
    state: &[Tensor],
    cell: &Cell,
    function: &str,
) -> Result<Vec<Tensor>, Fault> {
    let hidden = dynamic(call, &state[0], &cell.hidden, cell.reduce_range, false)?;
    let sum = add(call, &hidden, gates)?;
    Ok(vec![apply(call, function, &sum)?])
}

fn one_step(call: &mut Call<'_>, state: &[Tensor], step: Step) -> Result<Vec<Tensor>, Fault> {
    let cell = Cell { input: Linear::of(call, 2)?, hidden: Linear::of(call, 3)?, reduce_range: true };
    let gates = dynamic(call, call.tensor(0)?, &cell.input, cell.reduce_range, false)?;
    step(call, &gates, state, &cell)
}

fn apply(call: &mut Call<'_>, name: &str, x: &Tensor) -> Result<Tensor, Fault> {
    call.run_tensor(name, &[Value::Tensor(x.clone())])
}

fn add(call: &mut Call<'_>, x: &Tensor, y: &Tensor) -> Result<Tensor, Fault> {
    call.run_tensor("aten::add.Tensor", &[Value::Tensor(x.clone()), Value::Tensor(y.clone()), Value::Int(1)])
}

fn mul(call: &mut Call<'_>, x: &Tensor, y: &Tensor) -> Result<Tensor, Fault> {
    call.run_tensor("aten::mul.Tensor", &[Value::Tensor(x.clone()), Value::Tensor(y.clone())])
}
