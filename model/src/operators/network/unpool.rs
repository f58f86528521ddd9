//! Pooling undone: each maximum goes back to where it stood, and all else is zero.

use crate::operators::results::sizes_text;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Dims, dispatch};
use crate::value::Value;

pub(super) fn max_unpool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, indices, size) = (call.tensor(0)?, call.tensor(1)?, call.ints(2)?);
    let n = if call.operator.name == "aten::max_unpool2d" { 2 } else { 3 };
    let (sizes, raised) = (input.sizes(), |words: String| Err(Fault::raised(words)));
    if indices.dtype() != DType::Int64 {
        let found = indices.dtype().scalar_type_name();
        let words = "elements in indices should be type int64";
        return raised(if n == 2 { format!("{words} but got: {found}") } else { words.into() });
    }
    if size.len() != n {
        let (words, found) = if n == 2 {
            ("two elements (height, width)", size.len())
        } else {
            ("three elements (depth, height, width)", size.len())
        };
        return raised(format!("There should be exactly {words} in output_size, but got {found} elements."));
    }
    if sizes.len() != n + 1 && sizes.len() != n + 2 {
        return raised(format!(
            "Input to max_unpooling{n}d should be a {}d or {}d Tensor, but got a tensor with {} dimensions.",
            n + 1,
            n + 2,
            sizes.len()
        ));
    }
    if indices.sizes() != sizes {
        return raised(format!(
            "Expected shape of indices to be same as that of the input tensor ({}) but got indices tensor with shape: {}",
            sizes_text(&sizes),
            sizes_text(&indices.sizes())
        ));
    }
    let mut result: Dims = sizes[..sizes.len() - n].into();
    result.extend_from_slice(&size);
    let plane = sizes[sizes.len() - n..].iter().product::<i64>() as usize;
    let target = size.iter().product::<i64>() as usize;
    let output = call.zeros(input.dtype(), &result)?;
    let places = indices.to_i64s(&call.memory())?;
    if let Some(place) = places.iter().find(|&&place| !(0..target as i64).contains(&place)) {
        let volume = size.iter().map(i64::to_string).collect::<Vec<_>>().join("x");
        return raised(format!("Found an invalid max index: {place} (output volumes are of size {volume}"));
    }
    dispatch!(usual_numbers input.dtype(), "aten::max_unpool", T => {
        let values = call.read::<T>(input)?;
        let mut elements = vec![T::default(); output.numel() as usize];
        for (i, (&value, &place)) in values.iter().zip(&places).enumerate() {
            elements[i / plane.max(1) * target + place as usize] = value;
        }
        output.store(&elements)?;
    });
    Ok(Value::Tensor(output))
}
