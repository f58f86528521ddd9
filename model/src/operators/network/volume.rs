//! Looking volumes up at the places of a grid.

use crate::operators::{Call, Fault};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// How places outside of a volume are treated, and how a coordinate counts.
struct Axis {
    size: i64,
    /// 0 zeros, 1 the border, 2 reflection.
    padding: i64,
    align: bool,
}

impl Axis {
    /// The place among the elements of a coordinate from minus one to one.
    fn place(&self, at: f64) -> f64 {
        let size = self.size as f64;
        let place = if self.align { (at + 1.0) / 2.0 * (size - 1.0) } else { ((at + 1.0) * size - 1.0) / 2.0 };
        let clipped = |place: f64| place.max(0.0).min(size - 1.0);
        match self.padding {
            0 => place,
            1 => clipped(place),
            _ => clipped(self.reflected(place)),
        }
    }

    fn reflected(&self, place: f64) -> f64 {
        let (least, span) = if self.align { (0.0, self.size as f64 - 1.0) } else { (-0.5, self.size as f64) };
        if span == 0.0 {
            return 0.0;
        }
        let away = (place - least).abs();
        let (extra, flips) = (away % span, (away / span).floor());
        if flips % 2.0 == 0.0 { extra + least } else { span - extra + least }
    }

    /// The element at this index, if there is one.
    fn index(&self, at: f64) -> Option<usize> {
        (at >= 0.0 && at < self.size as f64).then_some(at as usize)
    }
}

/// `grid_sampler_3d`, and `grid_sampler` of volumes.
pub(super) fn grid_sampler(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (input, grid) = (call.tensor(0)?, call.tensor(1)?);
    let (mode, padding, align) = (call.int(2)?, call.int(3)?, call.bool(4)?);
    let (sizes, places) = (input.sizes(), grid.sizes());
    if sizes.len() != 5 || places.len() != 5 || places[0] != sizes[0] || places[4] != 3 {
        return raised(format!(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes {sizes:?} and \
             grid with sizes {places:?}"
        ));
    }
    if sizes[2..].contains(&0) {
        return raised(format!(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes {sizes:?}"
        ));
    }
    if mode == 2 {
        return raised("grid_sampler(): bicubic interpolation only supports 4D input");
    }
    let axes = [sizes[2], sizes[3], sizes[4]].map(|size| Axis { size, padding, align });
    let (x, grid) = (input.to_f64s(&call.memory())?, grid.to_f64s(&call.memory())?);
    let (volume, points) = (sizes[2..].iter().product::<i64>() as usize, places[1..4].iter().product::<i64>() as usize);
    let mut elements = Vec::new();
    for (i, volume) in x.chunks(volume).enumerate() {
        let batch = i / sizes[1].max(1) as usize;
        let of_batch = &grid[batch * points * 3..(batch + 1) * points * 3];
        // A point names width, height and depth.
        elements.extend(of_batch.chunks(3).map(|point| sample(volume, &axes, mode, [point[2], point[1], point[0]])));
    }
    let result = [sizes[0], sizes[1], places[1], places[2], places[3]];
    call.create(input.dtype(), &result, &elements).map(Value::Tensor)
}

fn sample(volume: &[f64], axes: &[Axis; 3], mode: i64, point: [f64; 3]) -> f64 {
    let places: [f64; 3] = std::array::from_fn(|i| axes[i].place(point[i]));
    let element = |at: [f64; 3]| {
        let index = |i: usize| axes[i].index(at[i]);
        let (depth, height, width) = (index(0)?, index(1)?, index(2)?);
        Some(volume[(depth * axes[1].size as usize + height) * axes[2].size as usize + width])
    };
    if mode == 1 {
        return element(places.map(f64::round_ties_even)).unwrap_or(0.0);
    }
    let lower = places.map(f64::floor);
    (0..8)
        .map(|corner| {
            let step: [f64; 3] = std::array::from_fn(|i| ((corner >> (2 - i)) & 1) as f64);
            let at: [f64; 3] = std::array::from_fn(|i| lower[i] + step[i]);
            let part = |i: usize| 1.0 - (places[i] - at[i]).abs();
            element(at).map_or(0.0, |value| value * part(0) * part(1) * part(2))
        })
        .sum()
}
