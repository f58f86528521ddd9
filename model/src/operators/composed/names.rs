//! Operators that are others under another name, or nearly.

use super::of;
use crate::operators::corrections::When;
use crate::operators::shape::layouts::wrap_existing_dim;
use crate::operators::{Call, Correction, Fault, Kernel};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::_adaptive_avg_pool2d", |call| same(call, "aten::adaptive_avg_pool2d")),
    ("aten::_adaptive_avg_pool3d", |call| same(call, "aten::adaptive_avg_pool3d")),
    ("aten::_add_relu.Scalar", |call| add_relu(call, "aten::add.Scalar", "aten::relu")),
    ("aten::_add_relu.Tensor", |call| add_relu(call, "aten::add.Tensor", "aten::relu")),
    ("aten::_add_relu_.Scalar", |call| add_relu(call, "aten::add_.Scalar", "aten::relu_")),
    ("aten::_add_relu_.Tensor", |call| add_relu(call, "aten::add_.Tensor", "aten::relu_")),
    ("aten::_addmm_activation", addmm_activation),
    ("aten::_aminmax", |call| same(call, "aten::aminmax")),
    ("aten::_aminmax.dim", |call| same(call, "aten::aminmax")),
    ("aten::_assert_async", assert_true),
    ("aten::_assert_async.msg", assert_true),
    ("aten::_dim_arange", dim_arange),
    ("aten::_is_all_true", |call| same(call, "aten::all")),
    ("aten::_is_any_true", |call| same(call, "aten::any")),
    ("aten::_list_to_tensor", list_to_tensor),
    ("aten::_no_grad_embedding_renorm_", embedding_renorm),
    ("aten::_no_grad_fill_", |call| same(call, "aten::fill_.Scalar")),
    ("aten::_no_grad_zero_", |call| same(call, "aten::zero_")),
    ("aten::_prelu_kernel", prelu),
    ("aten::_reshape_from_tensor", reshape_from_tensor),
    ("aten::_shape_as_tensor", shape_as_tensor),
    ("aten::_tensor_to_list", |call| {
        let items = call.tensor(0)?.to_i64s(&call.memory())?;
        Ok(call.int_list(&items))
    }),
    ("aten::float_power.Scalar", float_power),
    ("aten::float_power.Tensor_Scalar", float_power),
    ("aten::float_power.Tensor_Tensor", float_power),
    ("aten::float_power_.Scalar", float_power),
    ("aten::float_power_.Tensor", float_power),
    ("aten::ldexp.Tensor", ldexp),
    ("aten::ldexp_", ldexp),
    ("aten::log_sigmoid_forward", log_sigmoid_forward),
    ("aten::native_channel_shuffle", |call| same(call, "aten::channel_shuffle")),
    ("aten::renorm_", renorm_),
    ("aten::special_log_softmax", |call| same(call, "aten::log_softmax.int")),
    ("aten::sum_to_size", sum_to_size),
    ("prim::abs", |call| same(call, "aten::abs")),
];

/// What the schemas do not say.
pub(super) const CORRECTIONS: &[(&str, &[Correction])] = &[
    ("aten::_dim_arange", &[Correction::ShapeOnly]),
    ("aten::_no_grad_embedding_renorm_", &[Correction::Writes(&["weight"], When::Always)]),
    ("aten::_no_grad_fill_", &[Correction::Overwrites(&["tensor"])]),
    ("aten::_no_grad_zero_", &[Correction::Overwrites(&["tensor"])]),
    ("aten::_shape_as_tensor", &[Correction::ShapeOnly]),
];

fn add_relu(call: &mut Call<'_>, add: &str, relu: &str) -> Result {
    let sum = call.run(add, call.args)?;
    call.run(relu, &[sum])
}

/// Runs the other operator on the same arguments.
fn same(call: &mut Call<'_>, full_name: &str) -> Result {
    call.run(full_name, call.args)
}

/// PyTorch gives `weight` back, though the schema promises a new tensor. `torch.nn.functional.embedding`, which alone calls
/// this, does not look at the result, so it is what the schema promises.
fn embedding_renorm(call: &mut Call<'_>) -> Result {
    let weight = same(call, "aten::embedding_renorm_")?;
    call.run("aten::clone", &[weight])
}

fn addmm_activation(call: &mut Call<'_>) -> Result {
    let gelu = call.bool(5)?;
    let sum = call.run("aten::addmm", &call.args[..5])?;
    call.run(if gelu { "aten::gelu" } else { "aten::relu" }, &[sum])
}

fn assert_true(call: &mut Call<'_>) -> Result {
    let told = call.tensor(0)?;
    let numel = told.numel();
    if numel != 1 {
        let words = if numel == 0 { "no values" } else { "more than one value" };
        return Err(Fault::raised(format!("Boolean value of Tensor with {words} is ambiguous")));
    }
    if told.to_f64s(&call.memory())?[0] != 0.0 {
        return Ok(Value::None);
    }
    let message = if call.args.len() > 1 { call.str(1)?.to_string() } else { String::new() };
    let default = "Expected Tensor with single nonzero value, but got zero";
    Err(Fault::raised(if message.is_empty() { default.to_string() } else { message }))
}

fn dim_arange(call: &mut Call<'_>) -> Result {
    let sizes = call.tensor(0)?.sizes();
    let dim = wrap_existing_dim(call.int(1)?, sizes.len())?;
    call.run("aten::arange", &[Value::Int(sizes[dim]), Value::Int(DType::Int64.code())])
}

fn list_to_tensor(call: &mut Call<'_>) -> Result {
    let items = call.ints(0)?;
    call.create(DType::Int32, &[items.len() as i64], &items).map(Value::Tensor)
}

fn shape_as_tensor(call: &mut Call<'_>) -> Result {
    let sizes = call.tensor(0)?.sizes();
    call.create(DType::Int64, &[sizes.len() as i64], &sizes).map(Value::Tensor)
}

fn reshape_from_tensor(call: &mut Call<'_>) -> Result {
    let sizes = call.tensor(1)?.to_i64s(&call.memory())?;
    let sizes = call.int_list(&sizes);
    let reshaped = call.run("aten::reshape", &[call.args[0].clone(), sizes])?;
    call.run("aten::clone", &[reshaped])
}

fn prelu(call: &mut Call<'_>) -> Result {
    let (x, weight) = (call.tensor(0)?, call.tensor(1)?);
    let positive = call.run("aten::gt.Scalar", &[of(x), Value::Int(0)])?;
    let scaled = call.run("aten::mul.Tensor", &[of(weight), of(x)])?;
    call.run("aten::where.self", &[positive, of(x), scaled])
}

/// A power in doubles, whatever the dtypes are.
fn float_power(call: &mut Call<'_>) -> Result {
    let doubled = |call: &mut Call<'_>, i: usize| match call.value(i) {
        Value::Tensor(tensor) => {
            let dtype = if tensor.dtype().is_complex() { DType::Complex128 } else { DType::Float64 };
            call.run("aten::to.dtype", &[of(tensor), Value::Int(dtype.code())])
        }
        Value::Int(number) => Ok(Value::Float(*number as f64)),
        other => Ok(other.clone()),
    };
    let (base, exponent) = (doubled(call, 0)?, doubled(call, 1)?);
    let name = match (&base, &exponent) {
        (Value::Tensor(_), Value::Tensor(_)) => "aten::pow.Tensor_Tensor",
        (Value::Tensor(_), _) => "aten::pow.Tensor_Scalar",
        _ => "aten::pow.Scalar",
    };
    if call.operator.name == "aten::float_power_" {
        let complex = |value: &Value| match value {
            Value::Tensor(tensor) => tensor.dtype().is_complex(),
            number => matches!(number, Value::Complex(_)),
        };
        let wide = if complex(&base) || complex(&exponent) { DType::Complex128 } else { DType::Float64 };
        let found = call.tensor(0)?.dtype();
        if found != wide {
            let names = [found, wide].map(DType::scalar_type_name);
            return Err(Fault::raised(format!(
                "the base given to float_power_ has dtype {} but the operation's result requires dtype {}",
                names[0], names[1]
            )));
        }
    }
    let result = call.run_tensor(name, &[base, exponent])?;
    call.deliver(result)
}

/// `self * 2 ** other`
fn ldexp(call: &mut Call<'_>) -> Result {
    let power = call.run("aten::pow.Scalar", &[Value::Float(2.0), call.args[1].clone()])?;
    let result = call.run_tensor("aten::mul.Tensor", &[call.args[0].clone(), power])?;
    call.deliver(result)
}

/// The logarithm of the sigmoid, and what the backward pass wants to keep: `exp(-|x|)`.
fn log_sigmoid_forward(call: &mut Call<'_>) -> Result {
    let x = call.args[0].clone();
    let output = call.run("aten::log_sigmoid", std::slice::from_ref(&x))?;
    let size = call.run("aten::abs", &[x])?;
    let size = call.run("aten::neg", &[size])?;
    Ok(Value::tuple([output, call.run("aten::exp", &[size])?]))
}

fn renorm_(call: &mut Call<'_>) -> Result {
    let result = call.run_tensor("aten::renorm", call.args)?;
    call.deliver(result)
}

/// Sums over the dimensions that a broadcast had added or stretched.
fn sum_to_size(call: &mut Call<'_>) -> Result {
    let (x, sizes) = (call.tensor(0)?, call.ints(1)?);
    let own = x.sizes();
    let more = own.len().wrapping_sub(sizes.len());
    let expands = sizes.len() <= own.len() && (0..sizes.len()).all(|i| sizes[i] == 1 || sizes[i] == own[more + i]);
    if !expands {
        let (sizes, own) = (crate::operators::results::sizes_text(&sizes), crate::operators::results::sizes_text(&own));
        return Err(Fault::raised(format!("size {{{sizes}}} is not expandable to size {{{own}}}.")));
    }
    let summed: Vec<i64> =
        (0..own.len()).filter(|&i| i < more || (sizes[i - more] == 1 && own[i] != 1)).map(|i| i as i64).collect();
    let summed_tensor: Tensor = if summed.is_empty() {
        x.clone()
    } else {
        let dims = call.int_list(&summed);
        call.run_tensor("aten::sum.dim_IntList", &[of(x), dims, Value::Bool(true)])?
    };
    let sizes = call.int_list(&sizes);
    let result = call.run("aten::reshape", &[of(&summed_tensor), sizes])?;
    if summed.is_empty() { call.run("aten::clone", &[result]) } else { Ok(result) }
}
