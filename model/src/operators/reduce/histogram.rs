//! How many elements, or which weight of them, lie between edges; or how many rows, in boxes.

use super::sums::check_kernel;
use crate::operators::compose::of;
use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Tensor};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// What is counted: rows of one number or of several.
struct Rows {
    numbers: Vec<f64>,
    width: usize,
    dtype: DType,
}

impl Rows {
    /// The first argument's elements, each alone, or its innermost dimension.
    fn of(call: &Call<'_>, wide: bool) -> Result<Self, Fault> {
        let x = call.tensor(0)?;
        let (sizes, dtype) = (x.sizes(), x.dtype());
        if wide && sizes.len() < 2 {
            let more = if call.operator.overload == "TensorList_bins" {
                format!(", but got {}", sizes.len())
            } else {
                String::new()
            };
            return raised(format!("torch.histogramdd: input tensor should have at least 2 dimensions{more}"));
        }
        let width = if wide { sizes[sizes.len() - 1] as usize } else { 1 };
        Ok(Self { numbers: x.to_f64s(&call.memory())?, width, dtype })
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks(self.width.max(1))
    }

    /// The least and the greatest number of a column, or a NaN that is among them.
    fn ends(&self, column: usize) -> (f64, f64) {
        let pick = |best: f64, x: f64, better: bool| if best.is_nan() || !(better || x.is_nan()) { best } else { x };
        let mut column = self.rows().map(|row| row[column]);
        let first = column.next().unwrap_or(0.0);
        column.fold((first, first), |(least, most), x| (pick(least, x, x < least), pick(most, x, x > most)))
    }

    /// So many bins for a column, from the least to the greatest number if no range is given.
    fn edges(&self, call: &mut Call<'_>, column: usize, bins: i64, range: Option<(f64, f64)>) -> Result<Tensor, Fault> {
        if bins < 1 {
            return raised(format!("torch.histogram(): bins must be > 0, but got {bins} for dimension {column}"));
        }
        // The ends of halves and integers are not looked for.
        let wide = matches!(self.dtype, DType::Float32 | DType::Float64);
        let none = self.numbers.is_empty();
        check_kernel("histogramdd", self.dtype, wide || range.is_some() || none)?;
        let (mut left, mut right) = range.unwrap_or_else(|| if none { (0.0, 1.0) } else { self.ends(column) });
        if left == right {
            (left, right) = (left - 0.5, right + 0.5);
        }
        if !left.is_finite() || !right.is_finite() {
            let words = |x: f64| if x.is_nan() { "nan".to_string() } else { x.to_string() };
            return raised(format!(
                "torch.histogramdd: dimension {column}'s range [{}, {}] is not finite",
                words(left),
                words(right)
            ));
        }
        if left > right {
            return raised(format!(
                "torch.histogramdd: min should not exceed max, but got min {left} max {right} for dimension {column}"
            ));
        }
        let dtype = Value::Int(self.dtype.code());
        call.run_tensor("aten::linspace", &[Value::Float(left), Value::Float(right), Value::Int(bins + 1), dtype])
    }

    /// The edges that are given for a column, copied.
    fn given(&self, call: &mut Call<'_>, column: usize, edges: &Tensor) -> Result<Tensor, Fault> {
        if edges.dtype() != self.dtype {
            return Err(Fault::unsupported(format!("{} between edges of another dtype, or none", call.name())));
        }
        if edges.sizes().len() != 1 {
            return raised(format!(
                "torch.histogramdd: bins tensor should have one dimension, but got {} dimensions in the bins tensor for dimension \
                 {column}",
                edges.sizes().len()
            ));
        }
        if edges.numel() == 0 {
            return raised(format!(
                "torch.histogramdd: bins tensor should have at least 1 element, but got 0 elements in the bins tensor for \
                 dimension {column}"
            ));
        }
        if edges.numel() == 1 {
            return raised(format!("torch.histogram(): bins must be > 0, but got 0 for dimension {column}"));
        }
        call.run_tensor("aten::clone", &[of(edges)])
    }

    /// The ranges of all columns, from argument `i`.
    fn ranges(&self, call: &Call<'_>, i: usize) -> Result<Option<Vec<f64>>, Fault> {
        let ranges = call.opt_floats(i)?;
        match &ranges {
            Some(ranges) if ranges.len() != 2 * self.width => raised(format!(
                "torch.histogramdd: for a {}-dimensional histogram range should have {} elements, but got {}",
                self.width,
                2 * self.width,
                ranges.len()
            )),
            _ => Ok(ranges),
        }
    }

    fn all_edges(&self, call: &mut Call<'_>, bins: &[i64], range: usize) -> Result<Vec<Tensor>, Fault> {
        if bins.len() != self.width {
            return raised("histogramdd: The size of bins must be equal to the innermost dimension of the input.");
        }
        let ranges = self.ranges(call, range)?;
        let range = |column: usize| ranges.as_ref().map(|ranges| (ranges[2 * column], ranges[2 * column + 1]));
        (0..self.width).map(|column| self.edges(call, column, bins[column], range(column))).collect()
    }

    /// The weights are argument `i`; whether they are made a density follows.
    fn counted(&self, call: &mut Call<'_>, edges: &[Tensor], i: usize) -> Result<Tensor, Fault> {
        let (weight, density) = (call.opt_tensor(i)?, call.bool(i + 1)?);
        let count = self.numbers.len() / self.width.max(1);
        if let Some(weight) = weight {
            // Both are told as the kernel sees them, in rows.
            if weight.numel() as usize != count {
                return raised(format!(
                    "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor excluding its \
                     innermost dimension, but got input with shape [{count}, {}] and weight with shape [{}]",
                    self.width,
                    weight.numel()
                ));
            }
            if weight.dtype() != self.dtype {
                return Err(Fault::unsupported(format!("{} with weights of another dtype", call.name())));
            }
        }
        let wide = matches!(self.dtype, DType::Float32 | DType::Float64);
        check_kernel("histogramdd", self.dtype, wide || (weight.is_none() && !density))?;
        check_kernel("histogram_cpu", self.dtype, self.dtype.is_floating_point())?;
        let weights = weight.map(|weight| weight.to_f64s(&call.memory())).transpose()?;
        let places = edges.iter().map(|edges| edges.to_f64s(&call.memory())).collect::<Result<Vec<_>, Fault>>()?;
        let sizes: Vec<i64> = places.iter().map(|places| places.len() as i64 - 1).collect();
        let mut counts = call.zeros(self.dtype, &sizes)?;
        let mut sums = vec![0.0; counts.numel() as usize];
        for (k, row) in self.rows().enumerate() {
            let bins = row.iter().zip(&places).map(|(&x, places)| bin(x, places));
            let place = bins.zip(&sizes).try_fold(0, |place, (bin, &size)| bin.map(|bin| place * size as usize + bin));
            if let Some(place) = place {
                sums[place] += weights.as_ref().map_or(1.0, |weights| weights[k]);
            }
        }
        counts.store(&sums)?;
        if density {
            let sum = call.run("aten::sum", &[of(&counts)])?;
            counts = call.run_tensor("aten::div.Tensor", &[of(&counts), sum])?;
            for (dim, edges) in edges.iter().enumerate() {
                let mut shape = vec![1; sizes.len()];
                shape[dim] = sizes[dim];
                let (widths, shape) = (call.run("aten::diff", &[of(edges)])?, call.int_list(&shape));
                let widths = call.run("aten::reshape", &[widths, shape])?;
                counts = call.run_tensor("aten::div.Tensor", &[of(&counts), widths])?;
            }
        }
        Ok(counts)
    }
}

/// Between which two places a number lies. What is on one is to its right, but for the last.
fn bin(x: f64, places: &[f64]) -> Option<usize> {
    let last = places.len() - 1;
    if last == 0 || !(places[0]..=places[last]).contains(&x) {
        return None;
    }
    Some((places.partition_point(|&place| place <= x) - 1).min(last - 1))
}

pub(super) fn of_count(call: &mut Call<'_>) -> Result<Value, Fault> {
    let (rows, bins) = (Rows::of(call, false)?, call.int(1)?);
    let edges = rows.all_edges(call, &[bins], 2)?;
    let counts = rows.counted(call, &edges, 3)?;
    Ok(tuple([counts, edges[0].clone()]))
}

pub(super) fn of_edges(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rows = Rows::of(call, false)?;
    let edges = rows.given(call, 0, call.tensor(1)?)?;
    let counts = rows.counted(call, std::slice::from_ref(&edges), 2)?;
    Ok(tuple([counts, edges]))
}

/// `histogramdd`: the bins are a number for all columns, or numbers or edges for each.
pub(super) fn of_rows(call: &mut Call<'_>) -> Result<Value, Fault> {
    let rows = Rows::of(call, true)?;
    let edges = match call.operator.overload {
        "int_bins" => {
            let bins = vec![call.int(1)?; rows.width];
            rows.all_edges(call, &bins, 2)?
        }
        "TensorList_bins" => {
            let given = call.tensors(1)?;
            if given.len() != rows.width {
                return Err(Fault::unsupported(format!(
                    "{} of {} columns by {} bins",
                    call.name(),
                    rows.width,
                    given.len()
                )));
            }
            let copies = given.iter().enumerate().map(|(column, edges)| rows.given(call, column, edges));
            copies.collect::<Result<_, _>>()?
        }
        _ => {
            let bins = call.ints(1)?;
            rows.all_edges(call, &bins, 2)?
        }
    };
    let counts = rows.counted(call, &edges, 3)?;
    Ok(Value::tuple([Value::Tensor(counts), call.tensor_list(edges)]))
}
