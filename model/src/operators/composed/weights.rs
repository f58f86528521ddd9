//! Weights by direction and length (Salimans and Kingma, "Weight Normalization", 2016).

use super::of;
use crate::operators::{Call, Fault, Kernel};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::_weight_norm", |call| Ok(of(&normed(call)?[0]))),
    ("aten::_weight_norm_interface", |call| {
        let [weight, mut norms] = normed(call)?;
        if norms.dtype() == DType::BFloat16 {
            norms = call.run_tensor("aten::to.dtype", &[of(&norms), Value::Int(DType::Float32.code())])?;
        }
        Ok(Value::tuple([of(&weight), of(&norms)]))
    }),
    ("aten::norm_except_dim", |call| {
        let (power, dim) = (call.int(1)?, call.int(2)?);
        norms(call, call.tensor(0)?, power, dim).map(Value::Tensor)
    }),
];

/// The norm over all dimensions but one; `-1` stands for over all.
fn norms(call: &mut Call<'_>, v: &Tensor, power: i64, dim: i64) -> Result<Tensor> {
    let rank = v.sizes().len() as i64;
    if dim != -1 && !(0..rank.max(1)).contains(&dim) {
        return Err(Fault::raised(format!(
            "Dimension out of range (expected to be in range of [{}, {}], but got {dim})",
            -rank.max(1),
            rank.max(1) - 1
        )));
    }
    if dim == -1 {
        return call.run_tensor("aten::norm.Scalar", &[of(v), Value::Int(power)]);
    }
    let others: Vec<i64> = (0..rank).filter(|&other| other != dim).collect();
    if others.is_empty() {
        let flat = call.run("aten::abs", &[of(v)])?;
        return call.run_tensor("aten::clone", &[flat]);
    }
    let others = call.int_list(&others);
    call.run_tensor("aten::norm.ScalarOpt_dim", &[of(v), Value::Int(power), others, Value::Bool(true)])
}

/// `v * (g / norm(v))`, and the norms.
fn normed(call: &mut Call<'_>) -> Result<[Tensor; 2]> {
    let (v, g, dim) = (call.tensor(0)?, call.tensor(1)?, call.int(2)?);
    let norms = norms(call, v, 2, dim)?;
    let scale = call.run("aten::div.Tensor", &[of(g), of(&norms)])?;
    Ok([call.run_tensor("aten::mul.Tensor", &[of(v), scale])?, norms])
}
