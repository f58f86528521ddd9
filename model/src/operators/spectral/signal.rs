//! Complex numbers in several dimensions, and what Fourier transforms do to one of them.

use num_complex::Complex64;
use rustfft::FftPlannerScalar;

use crate::operators::complex::from_polar;
use crate::operators::creation::formats::Format;
use crate::operators::{Call, Fault};
use crate::slot::Charge;
use crate::tensor::layout::contiguous_strides;
use crate::tensor::{DType, Dims, Layout, Math, Storage, Tensor};

/// The elements of a tensor in row-major order, on their way through transforms.
pub(super) struct Signal {
    pub(super) sizes: Dims,
    pub(super) elements: Vec<Complex64>,
    /// How PyTorch's tensor would lie.
    strides: Dims,
    math: Math,
    /// The memory that they take, twice: each step makes new ones of the old.
    charge: Charge,
}

impl Signal {
    /// Reads a tensor.
    pub(super) fn of(call: &Call<'_>, tensor: &Tensor) -> Result<Self, Fault> {
        let charge = call.room::<[Complex64; 2]>(&[tensor.numel() as usize])?;
        let elements = call.read::<Complex64>(tensor)?.to_vec();
        let strides = tensor.metadata().layout.strides().into();
        Ok(Self { sizes: tensor.sizes(), elements, strides, math: call.modes.math, charge })
    }

    /// The same in a dtype that transforms take.
    pub(super) fn converted(call: &Call<'_>, tensor: &Tensor, dtype: DType) -> Result<Self, Fault> {
        let mut signal = Self::of(call, tensor)?;
        if tensor.dtype() != dtype {
            signal.copy()?;
        }
        Ok(signal)
    }

    /// What lies elsewhere lies like the original, without gaps.
    pub(super) fn copy(&mut self) -> Result<(), Fault> {
        self.strides = Format::Preserve.layout(&Layout::strided(&self.sizes, &self.strides, 0))?.strides().into();
        Ok(())
    }

    /// A new tensor of this complex or real dtype.
    pub(super) fn tensor(&self, call: &mut Call<'_>, dtype: DType) -> Result<Tensor, Fault> {
        let layout = Layout::strided(&self.sizes, &self.strides, 0);
        let storage = Storage::for_layout(call.allocator, &layout, dtype)?;
        let tensor = Tensor::new(call.allocator, storage, dtype, layout);
        tensor.store(&self.elements)?;
        Ok(tensor)
    }

    /// Lies as the result of a transform along these dimensions: they are innermost, and they and the others stand in the order in
    /// which they lay, but for the last one, if it is halved.
    pub(super) fn lie_along(&mut self, dims: &[usize], halved: bool) {
        let outermost = |dim: &usize| std::cmp::Reverse(self.strides[*dim]);
        let mut order: Vec<usize> = (0..self.sizes.len()).filter(|dim| !dims.contains(dim)).collect();
        order.sort_by_key(outermost);
        let others = order.len();
        order.extend(dims);
        let end = order.len() - halved as usize;
        order[others..end].sort_by_key(outermost);
        let sizes: Dims = order.iter().map(|&dim| self.sizes[dim]).collect();
        for (&dim, stride) in order.iter().zip(contiguous_strides(&sizes)) {
            self.strides[dim] = stride;
        }
    }

    /// Maps each row along a dimension to one of another length.
    pub(super) fn map_rows(&mut self, dim: usize, length: usize, mut map: impl FnMut(&[Complex64], &mut [Complex64])) {
        let before = self.sizes[dim] as usize;
        let inner: usize = self.sizes[dim + 1..].iter().product::<i64>() as usize;
        let outer: usize = self.sizes[..dim].iter().product::<i64>() as usize;
        let mut result = vec![Complex64::ZERO; outer * length * inner];
        let (mut row, mut mapped) = (vec![Complex64::ZERO; before], vec![Complex64::ZERO; length]);
        for o in 0..outer {
            for i in 0..inner {
                for (k, x) in row.iter_mut().enumerate() {
                    *x = self.elements[(o * before + k) * inner + i];
                }
                map(&row, &mut mapped);
                for (k, x) in mapped.iter().enumerate() {
                    result[(o * length + k) * inner + i] = *x;
                }
            }
        }
        self.elements = result;
        self.sizes[dim] = length as i64;
    }

    /// Takes the memory of rows of this length, if that is more than the signal has.
    fn make_room(&mut self, dim: usize, length: i64) -> Result<(), Fault> {
        let others = self.sizes.iter().enumerate().filter(|&(other, _)| other != dim).map(|(_, &size)| size);
        let bytes =
            others.fold(length.max(0) as u64, |count, size| count.saturating_mul(size as u64)).saturating_mul(32);
        if bytes > self.charge.bytes() {
            self.charge = self.charge.memory().charge(bytes)?;
        }
        Ok(())
    }

    /// Cuts rows, or fills them up with zeros, in a copy.
    pub(super) fn fit(&mut self, dim: usize, length: i64) -> Result<(), Fault> {
        let longer = length > self.sizes[dim];
        self.resize(dim, length)?;
        if longer {
            self.strides = contiguous_strides(&self.sizes);
        }
        Ok(())
    }

    /// Cuts rows, or fills them up with zeros.
    pub(super) fn resize(&mut self, dim: usize, length: i64) -> Result<(), Fault> {
        if self.sizes[dim] != length {
            self.make_room(dim, length)?;
            self.map_rows(dim, length as usize, |row, result| {
                result.fill(Complex64::ZERO);
                let both = row.len().min(result.len());
                result[..both].copy_from_slice(&row[..both]);
            });
        }
        Ok(())
    }

    /// The transform along a dimension, not scaled.
    pub(super) fn transform(&mut self, dim: usize, forward: bool) {
        let length = self.sizes[dim] as usize;
        if self.math == Math::Portable {
            let roots = roots_of_one(length, forward);
            return self.map_rows(dim, length, |row, result| transform_by_definition(row, &roots, result));
        }
        let mut planner = FftPlannerScalar::new();
        let plan = if forward { planner.plan_fft_forward(length) } else { planner.plan_fft_inverse(length) };
        let mut scratch = vec![Complex64::ZERO; plan.get_inplace_scratch_len()];
        self.map_rows(dim, length, |row, result| {
            result.copy_from_slice(row);
            plan.process_with_scratch(result, &mut scratch);
        });
    }

    /// The inverse transform of rows whose second half mirrors the first, which is real: `length` numbers of each.
    pub(super) fn transform_to_real(&mut self, dim: usize, length: i64) -> Result<(), Fault> {
        self.make_room(dim, length)?;
        let half = length as usize / 2;
        self.map_rows(dim, length as usize, |row, result| {
            for k in 0..=half {
                let x = row[k];
                // What has no mirror image counts as real.
                let own = k == 0 || 2 * k == result.len();
                result[k] = if own { Complex64::new(x.re, 0.0) } else { x };
                if !own {
                    let last = result.len();
                    result[last - k] = x.conj();
                }
            }
        });
        self.transform(dim, false);
        self.elements.iter_mut().for_each(|x| x.im = 0.0);
        Ok(())
    }

    /// The complex conjugates.
    pub(super) fn conjugate(&mut self) {
        self.elements.iter_mut().for_each(|x| *x = x.conj());
    }

    /// Multiplies everything.
    pub(super) fn scale(&mut self, factor: f64) {
        if factor != 1.0 {
            self.elements.iter_mut().for_each(|x| *x *= factor);
        }
    }
}

/// The powers of the first root of one, as a forward or an inverse transform takes them.
fn roots_of_one(count: usize, forward: bool) -> Vec<Complex64> {
    let turn = if forward { -std::f64::consts::TAU } else { std::f64::consts::TAU };
    let angles = (0..count).map(|k| turn * k as f64 / count as f64);
    angles.map(|angle| from_polar(Math::Portable, 1.0, angle)).collect()
}

/// Fourier's sums as they are written: `rustfft` is faster, but takes its roots from the system's library.
fn transform_by_definition(row: &[Complex64], roots: &[Complex64], result: &mut [Complex64]) {
    for (k, sum) in result.iter_mut().enumerate() {
        let places = (0..row.len()).scan(0, |place, _| Some(std::mem::replace(place, (*place + k) % row.len())));
        *sum = places.zip(row).map(|(place, x)| x * roots[place]).sum();
    }
}
