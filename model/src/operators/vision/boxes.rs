//! Boxes that overlap better ones are left out.

use crate::operators::{Call, Fault};
use crate::tensor::{DType, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// The boxes that no better one overlaps by more than the threshold, best first; of equal scores the first is better.
pub(super) fn nms(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (boxes, scores, threshold) = (call.tensor(0)?, call.tensor(1)?, call.float(2)?);
    let (sizes, score_sizes, dtype) = (boxes.sizes(), scores.sizes(), boxes.dtype());
    if sizes.len() != 2 {
        return raised(format!("boxes should be a 2d tensor, got {}D", sizes.len()));
    }
    if sizes[1] != 4 {
        return raised(format!("boxes should have 4 elements in dimension 1, got {}", sizes[1]));
    }
    if score_sizes.len() != 1 {
        return raised(format!("scores should be a 1d tensor, got {}D", score_sizes.len()));
    }
    if sizes[0] != score_sizes[0] {
        let (boxes, scores) = (sizes[0], score_sizes[0]);
        return raised(format!(
            "boxes and scores should have same number of elements in dimension 0, got {boxes} and {scores}"
        ));
    }
    if !matches!(dtype, DType::Float32 | DType::Float64) {
        return raised(format!("\"nms_kernel\" not implemented for '{}'", dtype.scalar_type_name()));
    }
    if dtype != scores.dtype() {
        return raised("dets should have the same type as scores");
    }
    let kept = dispatch!(wide dtype, "torchvision::nms", T => {
        kept::<T>(&call.read::<T>(boxes)?, &call.read::<T>(scores)?, threshold)
    });
    call.create(DType::Int64, &[kept.len() as i64], &kept).map(Value::Tensor)
}

/// The numbers of the boxes that stay. All is computed in the dtype of the boxes, as torchvision does.
fn kept<T: Wide>(boxes: &[T], scores: &[T], threshold: f64) -> Vec<i64> {
    let corners: Vec<[T; 4]> = boxes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect();
    let area = |[x1, y1, x2, y2]: [T; 4]| (x2 - x1) * (y2 - y1);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // What is not a number is greater than all, as in PyTorch's sort.
    order.sort_by(|&a, &b| {
        let (a, b) = (scores[a].to_f64(), scores[b].to_f64());
        b.partial_cmp(&a).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    });
    let mut suppressed = vec![false; scores.len()];
    let mut kept = Vec::new();
    for (position, &i) in order.iter().enumerate() {
        if suppressed[i] {
            continue;
        }
        kept.push(i as i64);
        let [x1, y1, x2, y2] = corners[i];
        for &j in order[position + 1..].iter() {
            let [ox1, oy1, ox2, oy2] = corners[j];
            let zero = T::of(0.0);
            let width = greater(zero, lesser(x2, ox2) - greater(x1, ox1));
            let height = greater(zero, lesser(y2, oy2) - greater(y1, oy1));
            let shared = width * height;
            let overlap = shared / (area(corners[i]) + area(corners[j]) - shared);
            suppressed[j] |= overlap.to_f64() > threshold;
        }
    }
    kept
}

/// `std::max`, which keeps its first argument when there is no order.
fn greater<T: PartialOrd>(a: T, b: T) -> T {
    if a < b { b } else { a }
}

/// `std::min`.
fn lesser<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}
