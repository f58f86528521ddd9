//! Resizing as the first versions of TorchScript called it: one operator for all modes, by sizes or by factors.

use super::of;
use crate::operators::{Call, Fault, Kernel};
use crate::value::Value;

type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) const ROWS: &[(&str, Kernel)] = &[
    ("aten::__interpolate", interpolate),
    ("aten::__interpolate.scale_list", interpolate),
    ("aten::__interpolate.size_list", interpolate),
    ("aten::__interpolate.size_list_scale_list", interpolate),
    ("aten::__upsample", upsample),
    ("aten::__upsample.size_list", upsample),
    ("aten::__upsample_bilinear", bilinear),
    ("aten::__upsample_bilinear.scale_list", bilinear),
    ("aten::__upsample_bilinear.size_list", bilinear),
    ("aten::__upsample_bilinear.size_list_scale_list", bilinear),
    ("aten::__upsample_nearest", nearest),
    ("aten::__upsample_nearest.size_list", nearest),
];

fn interpolate(call: &mut Call<'_>) -> Result {
    let (mode, align, recompute) = (call.str(3)?.clone(), call.opt_bool(4)?, call.opt_bool(5)?);
    resized(call, &mode, align, recompute)
}

fn upsample(call: &mut Call<'_>) -> Result {
    let (mode, align) = (call.str(3)?.clone(), call.opt_bool(4)?);
    resized(call, &mode, align, None)
}

fn bilinear(call: &mut Call<'_>) -> Result {
    resized(call, "bilinear", Some(true), None)
}

fn nearest(call: &mut Call<'_>) -> Result {
    resized(call, "nearest", None, None)
}

/// One number for all of `count` dimensions, or one for each.
fn numbers(value: &Value, count: usize) -> Vec<f64> {
    match value {
        Value::Int(number) => vec![*number as f64; count],
        Value::Float(number) => vec![*number; count],
        Value::List(list) => list.content().items.iter().flat_map(|item| numbers(item, 1)).collect(),
        _ => Vec::new(),
    }
}

fn resized(call: &mut Call<'_>, mode: &str, align: Option<bool>, recompute: Option<bool>) -> Result {
    if matches!(mode, "nearest" | "area") && align.is_some() {
        return Err(Fault::raised(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear",
        ));
    }
    let input = call.tensor(0)?.clone();
    let sizes = input.sizes();
    let spatial = sizes.len().saturating_sub(2);
    let (given, factors) = (numbers(call.value(1), spatial), numbers(call.value(2), spatial));
    let output: Vec<i64> = match (call.given(1), call.given(2)) {
        (true, _) => given.iter().map(|&size| size as i64).collect(),
        (false, true) => {
            sizes.iter().skip(2).zip(&factors).map(|(&size, factor)| (size as f64 * factor) as i64).collect()
        }
        (false, false) => return Err(Fault::raised("either size or scale_factor should be defined")),
    };
    let name = match (spatial, mode) {
        (1..=3, "nearest") => format!("aten::upsample_nearest{spatial}d"),
        (1..=3, "area") => format!("aten::adaptive_avg_pool{spatial}d"),
        (1, "linear") => "aten::upsample_linear1d".into(),
        (2, "bilinear" | "bicubic") => format!("aten::upsample_{mode}2d"),
        (3, "trilinear") => "aten::upsample_trilinear3d".into(),
        _ => {
            return Err(Fault::raised(format!(
                "Input Error: Only 3D, 4D and 5D input Tensors supported (got {}D) for the modes: nearest | linear | \
                 bilinear | trilinear (got {mode}) ",
                sizes.len()
            )));
        }
    };
    let mut args = vec![of(&input), call.int_list(&output)];
    if !matches!(mode, "nearest" | "area") {
        args.push(Value::Bool(align.unwrap_or(false)));
    }
    // Factors count themselves only for those who ask for it: else the sizes that came of them.
    if mode != "area" && recompute == Some(false) && !factors.is_empty() {
        args.extend(factors.iter().map(|&factor| Value::Float(factor)));
    }
    call.run(&name, &args)
}
