//! The planes of a convolution's input, laid out so that what a kernel element sees of all windows is one slice.
//!
//! Padding is written out, and a plane over which windows go in steps of two is split into four: even and odd rows, even
//! and odd columns. Then an element of the kernel sees, from window to window along a row, element after element; and also
//! from the last window of a row to the first of the next, if the windows are thought to go on over the edge. So all
//! windows, a few that are not there among them, are one *run*: a product of matrices reads it as it lies, and what it
//! makes of the windows that are not there is left out at the end.

use super::window::{Axis, Window};

/// One dimension.
#[derive(Debug)]
struct Line {
    axis: Axis,
    /// The remainders, by the stride, of the places that a window sees.
    phases: Vec<i64>,
    /// Elements of each phase.
    length: usize,
}

impl Line {
    fn of(axis: Axis) -> Self {
        let mut phases: Vec<i64> = (0..axis.kernel).map(|k| k * axis.dilation % axis.stride).collect();
        phases.sort_unstable();
        phases.dedup();
        let reach = (axis.kernel - 1).max(0) * axis.dilation / axis.stride;
        Self { axis, phases, length: (reach + axis.output) as usize }
    }

    /// Whether it is the input as it lies.
    fn is_plain(&self) -> bool {
        self.axis.stride == 1 && self.axis.padding == 0 && self.length as i64 == self.axis.input
    }

    /// The phase of a kernel element, and how far in it the element is.
    fn place(&self, k: i64) -> (usize, usize) {
        let place = k * self.axis.dilation;
        let phase = self.phases.binary_search(&(place % self.axis.stride)).expect("every kernel element has its phase");
        (phase, (place / self.axis.stride) as usize)
    }

    /// The element of the input at a place of a phase, unless it is padding.
    fn input(&self, phase: i64, i: usize) -> Option<usize> {
        let place = i as i64 * self.axis.stride + phase - self.axis.padding;
        (0..self.axis.input).contains(&place).then_some(place as usize)
    }
}

/// How planes are laid out for a window.
#[derive(Debug)]
pub(super) struct Planes {
    lines: [Line; 3],
    /// Where each kernel element finds what it sees of the first window.
    offsets: Vec<usize>,
}

impl Planes {
    pub(super) fn of(window: &Window) -> Self {
        let lines = window.0.map(Line::of);
        let mut planes = Self { lines, offsets: Vec::new() };
        let [d, h, w] = &planes.lines;
        let mut offsets = Vec::with_capacity(window.kernel());
        for kd in 0..d.axis.kernel {
            for kh in 0..h.axis.kernel {
                for kw in 0..w.axis.kernel {
                    let places = [d.place(kd), h.place(kh), w.place(kw)];
                    let phase = (places[0].0 * h.phases.len() + places[1].0) * w.phases.len() + places[2].0;
                    let row = places[0].1.saturating_mul(h.length).saturating_add(places[1].1);
                    let element = row.saturating_mul(w.length).saturating_add(places[2].1);
                    offsets.push(phase.saturating_mul(planes.phase()).saturating_add(element));
                }
            }
        }
        planes.offsets = offsets;
        planes
    }

    /// Elements of a phase of a plane. Here and below, what is too large to count is `usize::MAX`: whoever asks for so
    /// much memory is refused.
    fn phase(&self) -> usize {
        self.lines.iter().map(|line| line.length).fold(1, usize::saturating_mul)
    }

    /// Elements of a plane as it is laid out.
    pub(super) fn plane(&self) -> usize {
        self.lines.iter().map(|line| line.phases.len()).product::<usize>().saturating_mul(self.phase())
    }

    /// Whether planes of the input are laid out already.
    pub(super) fn is_plain(&self) -> bool {
        self.lines.iter().all(Line::is_plain)
    }

    /// Where each kernel element finds what it sees of the first window.
    pub(super) fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// The number of windows in a run, with those that are not there.
    pub(super) fn run(&self) -> usize {
        let [d, h, w] = &self.lines;
        let [od, oh, ow] = [d, h, w].map(|line| line.axis.output as usize);
        if od == 0 || oh == 0 || ow == 0 {
            return 0;
        }
        let rows = (od - 1).saturating_mul(h.length).saturating_add(oh - 1);
        rows.saturating_mul(w.length).saturating_add(ow)
    }

    /// Whether a run has no windows that are not there.
    pub(super) fn is_dense(&self) -> bool {
        let [d, h, w] = &self.lines;
        self.run() == [d, h, w].map(|line| line.axis.output as usize).into_iter().fold(1, usize::saturating_mul)
    }

    /// Leaves out of a run the windows that are not there.
    pub(super) fn gather<T: Copy>(&self, run: &[T], output: &mut [T]) {
        let [d, h, w] = &self.lines;
        let (height, width) = (h.axis.output as usize, w.axis.output as usize);
        let starts = (0..d.axis.output as usize).flat_map(|od| (0..height).map(move |oh| od * h.length + oh));
        for (row, start) in output.chunks_exact_mut(width.max(1)).zip(starts) {
            row.copy_from_slice(&run[start * w.length..start * w.length + width]);
        }
    }

    /// Lays out a plane of the input. What is padding in `plane` must be zero already.
    pub(super) fn lay_out<T: Copy>(&self, input: &[T], plane: &mut [T]) {
        let [d, h, w] = &self.lines;
        let mut rows = plane.chunks_exact_mut(w.length.max(1));
        for &pd in &d.phases {
            for &ph in &h.phases {
                for &pw in &w.phases {
                    for i in 0..d.length {
                        for j in 0..h.length {
                            let row = rows.next().expect("a row for each of a phase");
                            let Some((d, h)) = d.input(pd, i).zip(h.input(ph, j)) else { continue };
                            let start = (d * self.lines[1].axis.input as usize + h) * w.axis.input as usize;
                            lay_out_row(w, pw, &input[start..start + w.axis.input as usize], row);
                        }
                    }
                }
            }
        }
    }
}

fn lay_out_row<T: Copy>(line: &Line, phase: i64, input: &[T], row: &mut [T]) {
    let Axis { stride, padding, input: length, .. } = line.axis;
    // The first and the last place that are no padding.
    let first = ((padding - phase).max(0) + stride - 1) / stride;
    let end = ((length + padding - phase).max(0) + stride - 1) / stride;
    let (first, end) = (first as usize, (end as usize).min(row.len()));
    if first >= end {
        return;
    }
    let start = (first as i64 * stride + phase - padding) as usize;
    let (input, row) = (&input[start..], &mut row[first..end]);
    match stride {
        1 => row.copy_from_slice(&input[..row.len()]),
        2 => {
            // The last element may have no neighbour.
            let (pairs, last) = input.as_chunks::<2>();
            row.iter_mut().zip(pairs).for_each(|(x, pair)| *x = pair[0]);
            if row.len() > pairs.len() {
                row[pairs.len()] = last[0];
            }
        }
        _ => row.iter_mut().zip(input.iter().step_by(stride as usize)).for_each(|(x, &y)| *x = y),
    }
}
