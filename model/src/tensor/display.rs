//! Tensors as text, as PyTorch's C++ prints them: elements as doubles, in columns, then type and sizes.
//!
//! The layout depends on the greatest and least elements, and the number format that one matrix sets stays set
//! for the next, as it does in a C++ stream.

use std::fmt::Write;

use super::{Quantizer, Tensor};
use crate::operators::Fault;
use crate::slot::{Allocator, Memory};

/// Characters of a line; wider matrices are printed in groups of columns.
const LINE: usize = 80;

/// The text of a tensor; its elements and the text are charged to `memory` while it is made.
pub fn tensor_text(tensor: &Tensor, memory: &Memory) -> Result<String, Fault> {
    let (sizes, dtype) = (tensor.sizes(), tensor.dtype());
    if let Some(nested) = tensor.nested() {
        let mut allocator = Allocator::new(u32::MAX - 1, memory.clone());
        let mut entry = |layout| Tensor::new(&mut allocator, tensor.storage(), dtype, layout);
        let texts: Result<Vec<String>, Fault> =
            nested.layouts().map(|layout| tensor_text(&entry(layout), memory)).collect();
        return Ok(format!("nested_tensor([\n{}\n])", texts?.join(",\n")));
    }
    if tensor.is_vast() {
        return Err(Fault::unsupported(format!("the text of {} elements", tensor.numel())));
    }
    // An element takes a dozen characters.
    let _charge = memory.charge((tensor.numel() as u64).saturating_mul(12))?;
    let elements = match tensor.stands_for(memory)? {
        Some(numbers) => numbers.into_iter().map(f64::from).collect(),
        None => tensor.to_f64s(memory)?,
    };
    let mut stream = Stream { out: String::new(), format: Format::General, precision: 6 };
    let size = |dim: usize| sizes[dim] as usize;
    match sizes.len() {
        0 => {
            stream.number(elements[0], 0);
            stream.out.push('\n');
        }
        _ if elements.is_empty() => {}
        1 => stream.vector(&elements),
        2 => stream.matrix(&elements, size(0), size(1), 0),
        rank => {
            let (rows, columns) = (size(rank - 2), size(rank - 1));
            stream.matrices(&elements, &sizes[..rank - 2], rows, columns);
        }
    }
    let sizes: Vec<String> = sizes.iter().map(i64::to_string).collect();
    let name = dtype.scalar_type_name();
    let kind = if dtype.is_quantized() { "QuantizedCPU" } else { "CPU" };
    write!(stream.out, "[ {kind}{name}Type{{{}}}", sizes.join(",")).expect("a string takes all");
    match tensor.metadata().quantizer.as_deref() {
        None => {}
        Some(Quantizer::PerTensor(affine)) => {
            stream.out.push_str(", qscheme: per_tensor_affine, scale: ");
            stream.number(affine.scale, 0);
            write!(stream.out, ", zero_point: {}", affine.zero_point).expect("a string takes all");
        }
        Some(other) => {
            let mut allocator = Allocator::new(u32::MAX - 1, memory.clone());
            let (scales, zero_points, axis) = other.channels(&mut allocator)?.expect("it has channels");
            let (scales, zero_points) = (tensor_text(&scales, memory)?, tensor_text(&zero_points, memory)?);
            let scheme = other.scheme();
            let text = format!(", qscheme: {scheme}, scales: {scales}, zero_points: {zero_points}, axis: {axis}");
            stream.out.push_str(&text);
        }
    }
    stream.out.push_str(" ]");
    Ok(stream.out)
}

/// A C++ stream with its sticky number format.
struct Stream {
    out: String,
    format: Format,
    precision: usize,
}

#[derive(Clone, Copy)]
enum Format {
    General,
    Fixed,
    Scientific,
}

impl Stream {
    fn number(&mut self, value: f64, width: usize) {
        let text = match self.format {
            Format::General => general(value, self.precision),
            Format::Fixed if value.is_finite() => format!("{value:.*}", self.precision),
            Format::Fixed | Format::Scientific => scientific(value, self.precision),
        };
        write!(self.out, "{text:>width$}").expect("a string takes all");
    }

    fn vector(&mut self, elements: &[f64]) {
        let (scale, width) = self.choose_format(elements);
        self.scale(scale);
        for element in elements {
            self.number(element / scale, width);
            self.out.push('\n');
        }
    }

    fn matrices(&mut self, elements: &[f64], outer: &[i64], rows: usize, columns: usize) {
        let mut counter = vec![0i64; outer.len()];
        let count: i64 = outer.iter().product();
        for i in 0..count {
            if i > 0 {
                self.out.push('\n');
            }
            // The first dimension counts fastest.
            let index = counter.iter().zip(outer).fold(0, |index, (&at, &size)| index * size + at) as usize;
            let places: String = counter.iter().map(|at| format!("{},", at + 1)).collect();
            writeln!(self.out, "({places}.,.) = ").expect("a string takes all");
            self.matrix(&elements[index * rows * columns..][..rows * columns], rows, columns, 1);
            for (at, &size) in counter.iter_mut().zip(outer) {
                *at += 1;
                if *at < size {
                    break;
                }
                *at = 0;
            }
        }
    }

    fn matrix(&mut self, elements: &[f64], rows: usize, columns: usize, indent: usize) {
        let (scale, width) = self.choose_format(elements);
        let indentation = " ".repeat(indent);
        self.out.push_str(&indentation);
        let per_line = (LINE - indent) / (width + 1);
        let mut first = 0;
        while first < columns {
            let end = (first + per_line).min(columns);
            if per_line < columns {
                self.out.push_str(if first != 0 { "\n" } else { "" });
                write!(self.out, "Columns {} to {end}{indentation}", first + 1).expect("a string takes all");
            }
            if scale != 1.0 {
                self.scale(scale);
                self.out.push_str(&indentation);
            }
            for row in 0..rows {
                for column in first..end {
                    self.number(elements[row * columns + column] / scale, width);
                    self.out.push(if column + 1 == end { '\n' } else { ' ' });
                }
                if row + 1 < rows {
                    self.out.push_str(&indentation);
                    self.out.push_str(if scale != 1.0 { " " } else { "" });
                }
            }
            first = end;
        }
    }

    /// The factor that was taken out of all elements, if it is not one.
    fn scale(&mut self, scale: f64) {
        if scale != 1.0 {
            writeln!(self.out, "{} *", general(scale, self.precision)).expect("a string takes all");
        }
    }

    /// Sets the number format that suits the elements; gives a scale to divide by, and the width of a column.
    fn choose_format(&mut self, elements: &[f64]) -> (f64, usize) {
        if elements.is_empty() {
            return (1.0, 0);
        }
        let whole = elements.iter().all(|z| !z.is_finite() || *z == z.ceil());
        let (mut least, mut greatest) = (1.0, 1.0);
        if let Some(first) = elements.iter().position(|z| z.is_finite()) {
            (least, greatest) = (elements[first].abs(), elements[first].abs());
            for &z in elements[first..].iter().filter(|z| z.is_finite()) {
                least = z.abs().min(least);
                greatest = z.abs().max(greatest);
            }
            let magnitude = |z: f64| if z == 0.0 { 1.0 } else { libm::log10(z).floor() + 1.0 };
            (least, greatest) = (magnitude(least), magnitude(greatest));
        }
        if whole && greatest > 9.0 {
            self.set(Format::Scientific);
            (1.0, 11)
        } else if whole {
            self.format = Format::General;
            (1.0, greatest as usize + 1)
        } else if greatest - least > 4.0 {
            self.set(Format::Scientific);
            (1.0, if greatest.abs() > 99.0 || least.abs() > 99.0 { 12 } else { 11 })
        } else if !(0.0..=5.0).contains(&greatest) {
            self.set(Format::Fixed);
            (libm::pow(10.0, greatest - 1.0), 7)
        } else {
            self.set(Format::Fixed);
            (1.0, if greatest == 0.0 { 7 } else { greatest as usize + 6 })
        }
    }

    fn set(&mut self, format: Format) {
        (self.format, self.precision) = (format, 4);
    }
}

/// A number as C's `%.{digits}g` writes it.
pub fn general(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return scientific(value, digits);
    }
    // Rounding to the digits may carry into the exponent, so the exponent is that of the rounded number.
    let rounded = format!("{value:.*e}", digits - 1);
    let (_, exponent) = rounded.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let trimmed = |text: &str| -> String {
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text.into() }
    };
    if (-4..digits as i32).contains(&exponent) {
        return trimmed(&format!("{value:.*}", (digits as i32 - 1 - exponent) as usize));
    }
    let text = scientific(value, digits - 1);
    let (mantissa, exponent) = text.split_once('e').expect("an exponent");
    format!("{}e{exponent}", trimmed(mantissa))
}

/// A number as C's `%.{digits}e` writes it: an exponent of two digits at least.
pub fn scientific(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.into();
    }
    let text = format!("{value:.digits$e}");
    let (mantissa, exponent) = text.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
