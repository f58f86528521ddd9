//! Sequences of several lengths: packed step after step for the recurrent layers, and padded again.

use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, Layout, Tensor, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// Lengths or batch sizes.
fn lengths(call: &Call<'_>, tensor: &Tensor) -> Result<Vec<i64>, Fault> {
    let (rank, dtype) = (tensor.sizes().len(), tensor.dtype());
    if rank != 1 || dtype != DType::Int64 {
        return raised(format!(
            "'lengths' argument should be a 1D CPU int64 tensor, but got {rank}D cpu {} tensor",
            dtype.scalar_type_name()
        ));
    }
    Ok(call.read::<i64>(tensor)?.to_vec())
}

/// The same tensor with its first two dimensions exchanged.
fn exchanged(call: &mut Call<'_>, tensor: &Tensor) -> Tensor {
    let metadata = tensor.metadata();
    let (mut sizes, mut strides): (Dims, Dims) = (metadata.layout.sizes().into(), metadata.layout.strides().into());
    sizes.swap(0, 1);
    strides.swap(0, 1);
    let layout = Layout::strided(&sizes, &strides, metadata.layout.offset());
    Tensor::new(call.allocator, metadata.storage.clone(), metadata.dtype, layout)
}

/// The steps of all samples that last as long, one step after the other, and how many samples each step has.
pub(super) fn pack_padded(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, batch_first) = (call.tensor(0)?, call.bool(2)?);
    if input.numel() == 0 {
        return raised("Cannot pack empty tensors.");
    }
    if input.sizes().len() < 2 {
        return raised("Dimension out of range (expected to be in range of [-1, 0], but got 1)");
    }
    let input = if batch_first { exchanged(call, input) } else { input.clone() };
    let lengths = lengths(call, call.tensor(1)?)?;
    let sizes = input.sizes();
    let (steps, batch) = (sizes[0], sizes[1]);
    if lengths.len() as i64 != batch {
        let found = lengths.len();
        return raised(format!(
            "Expected `len(lengths)` to be equal to batch_size, but got {found} (batch_size={batch})"
        ));
    }
    if lengths.last().is_some_and(|&last| last <= 0) {
        return raised(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0",
        );
    }
    if lengths.windows(2).any(|pair| pair[1] > pair[0]) {
        return raised(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass \
             `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement if you do \
             not need ONNX exportability.",
        );
    }
    if lengths[0] > steps {
        // PyTorch's blocks are shorter than their shape then.
        let (shape, found) = (lengths[0], steps);
        return raised(format!("Expected lengths of at most {found} steps, but got a length of {shape}"));
    }
    let batch_sizes: Vec<i64> =
        (0..lengths[0]).map(|step| lengths.iter().take_while(|&&length| length > step).count() as i64).collect();
    let width: usize = sizes[2..].iter().product::<i64>() as usize;
    let mut packed_sizes: Dims = sizes[2..].into();
    packed_sizes.insert(0, batch_sizes.iter().sum());
    let data = dispatch!(all input.dtype(), "aten::_pack_padded_sequence", T => {
        let all = call.read::<T>(&input)?;
        let steps = batch_sizes.iter().enumerate();
        let elements: Vec<T> = steps
            .flat_map(|(step, &batch_size)| &all[step * batch as usize * width..][..batch_size as usize * width])
            .copied()
            .collect();
        call.create(input.dtype(), &packed_sizes, &elements)?
    });
    let count = batch_sizes.len() as i64;
    Ok(tuple([data, call.create(DType::Int64, &[count], &batch_sizes)?]))
}

/// The samples of a packed sequence, each padded to the longest, and their lengths.
pub(super) fn pad_packed(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (data, batch_first, padding, total) = (call.tensor(0)?, call.bool(2)?, call.scalar(3)?, call.int(4)?);
    let batch_sizes = lengths(call, call.tensor(1)?)?;
    let (&batch, steps) = (batch_sizes.first().unwrap_or(&0), batch_sizes.len() as i64);
    if total > 0 && total < steps {
        return raised(format!(
            "Expected total_length to be at least the length of the longest sequence in input, but got \
             total_length={total} and max sequence length being {steps}"
        ));
    }
    let shrinks = batch_sizes.windows(2).all(|pair| pair[0] >= pair[1]) && batch_sizes.iter().all(|&size| size > 0);
    let sizes = data.sizes();
    if !shrinks || sizes.is_empty() || batch_sizes.iter().sum::<i64>() != sizes[0] {
        return raised("batch_sizes must not grow and sum to the number of rows of the packed data");
    }
    let width: usize = sizes[1..].iter().product::<i64>() as usize;
    let mut padded_sizes: Dims = [steps.max(total), batch].into_iter().collect();
    padded_sizes.extend_from_slice(&sizes[1..]);
    let output = call.zeros(data.dtype(), &padded_sizes)?;
    dispatch!(all data.dtype(), "aten::_pad_packed_sequence", T => {
        let mut elements = vec![padding.cast::<T>(); output.numel() as usize];
        let packed = call.read::<T>(data)?;
        let mut rest = &packed[..];
        for (step, &batch_size) in batch_sizes.iter().enumerate() {
            let (rows, others) = rest.split_at(batch_size as usize * width);
            elements[step * batch as usize * width..][..rows.len()].copy_from_slice(rows);
            rest = others;
        }
        output.store(&elements)?;
    });
    let lengths: Vec<i64> =
        (0..batch).map(|sample| batch_sizes.iter().take_while(|&&size| size > sample).count() as i64).collect();
    let output = if batch_first { exchanged(call, &output) } else { output };
    Ok(tuple([output, call.create(DType::Int64, &[batch], &lengths)?]))
}
