//! A window that slides over up to three dimensions: where convolutions and pools look.

use crate::tensor::{Dims, Tensor};

/// One dimension of a window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Size of what it slides over, without padding.
    pub(super) input: i64,
    /// Elements in the window.
    pub(super) kernel: i64,
    /// Steps from one window to the next.
    pub(super) stride: i64,
    /// Zeros before the first element.
    pub(super) padding: i64,
    /// Steps between elements of a window.
    pub(super) dilation: i64,
    /// Number of windows.
    pub(super) output: i64,
}

impl Axis {
    /// A dimension that is not there.
    pub(super) const NONE: Axis = Axis { input: 1, kernel: 1, stride: 1, padding: 0, dilation: 1, output: 1 };

    /// The element that is number `k` of window number `o`, unless it is padding.
    pub(super) fn at(&self, o: i64, k: i64) -> Option<usize> {
        let i = o * self.stride - self.padding + k * self.dilation;
        (0..self.input).contains(&i).then_some(i as usize)
    }
}

/// A window in three dimensions, outermost first; those that are missing are [`Axis::NONE`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Window(pub(super) [Axis; 3]);

impl Window {
    /// A window of the last dimensions.
    pub(super) fn of(axes: &[Axis]) -> Self {
        let mut all = [Axis::NONE; 3];
        all[3 - axes.len()..].copy_from_slice(axes);
        Self(all)
    }

    fn product(&self, of: impl Fn(&Axis) -> i64) -> i64 {
        self.0.iter().map(of).fold(1, i64::saturating_mul)
    }

    /// Elements of one plane of the input.
    pub(super) fn input(&self) -> usize {
        self.product(|axis| axis.input) as usize
    }

    /// Elements of one plane of the output.
    pub(super) fn output(&self) -> usize {
        self.product(|axis| axis.output) as usize
    }

    /// Elements in a window.
    pub(super) fn kernel(&self) -> usize {
        self.product(|axis| axis.kernel) as usize
    }

    /// Calls `each` with the number of every window and its place in each dimension.
    pub(super) fn for_each_output(&self, mut each: impl FnMut(usize, [i64; 3])) {
        let [d, h, w] = self.0;
        let mut i = 0;
        for od in 0..d.output {
            for oh in 0..h.output {
                for ow in 0..w.output {
                    each(i, [od, oh, ow]);
                    i += 1;
                }
            }
        }
    }

    /// Calls `each` with the number of every element of the window at `o` and its place in the input plane.
    pub(super) fn for_each_element(&self, o: [i64; 3], mut each: impl FnMut(usize, usize)) {
        let [d, h, w] = self.0;
        for kd in 0..d.kernel {
            let Some(id) = d.at(o[0], kd) else { continue };
            for kh in 0..h.kernel {
                let Some(ih) = h.at(o[1], kh) else { continue };
                for kw in 0..w.kernel {
                    let Some(iw) = w.at(o[2], kw) else { continue };
                    let k = (kd * h.kernel + kh) * w.kernel + kw;
                    each(k as usize, (id * h.input as usize + ih) * w.input as usize + iw);
                }
            }
        }
    }

    /// Calls `each` for every row of windows that a kernel element sees: with the kernel element's number, the
    /// first output and, for each output of the row, the input element or `None` for padding.
    fn for_each_tap(&self, mut each: impl FnMut(usize, usize, Option<usize>)) {
        let [d, h, w] = self.0;
        let mut k = 0;
        for kd in 0..d.kernel {
            for kh in 0..h.kernel {
                for kw in 0..w.kernel {
                    let mut o = 0;
                    for od in 0..d.output {
                        for oh in 0..h.output {
                            let row = d.at(od, kd).zip(h.at(oh, kh));
                            let row = row.map(|(id, ih)| (id * h.input as usize + ih) * w.input as usize);
                            for ow in 0..w.output {
                                each(k, o, row.and_then(|row| w.at(ow, kw).map(|iw| row + iw)));
                                o += 1;
                            }
                        }
                    }
                    k += 1;
                }
            }
        }
    }

    /// The elements that each window sees, window by window in columns: one row for each channel and kernel element.
    pub(super) fn columns<T: Copy + Default>(&self, planes: &[T]) -> Vec<T> {
        let (input, output, kernel) = (self.input(), self.output(), self.kernel());
        let channels = planes.len() / input.max(1);
        let mut columns = vec![T::default(); channels * kernel * output];
        for (plane, columns) in planes.chunks(input.max(1)).zip(columns.chunks_mut((kernel * output).max(1))) {
            self.for_each_tap(|k, o, i| {
                if let Some(i) = i {
                    columns[k * output + o] = plane[i];
                }
            });
        }
        columns
    }

    /// The reverse of [`Window::columns`]: what several windows see is added up.
    pub(super) fn add_columns<T: Copy>(&self, columns: &[T], planes: &mut [T], add: impl Fn(T, T) -> T) {
        let (input, output, kernel) = (self.input(), self.output(), self.kernel());
        for (plane, columns) in planes.chunks_mut(input.max(1)).zip(columns.chunks((kernel * output).max(1))) {
            self.for_each_tap(|k, o, i| {
                if let Some(i) = i {
                    plane[i] = add(plane[i], columns[k * output + o]);
                }
            });
        }
    }
}

/// The sizes of a tensor before its last `n` dimensions, and of these.
pub(super) fn split_sizes(tensor: &Tensor, n: usize) -> (Dims, Dims) {
    let sizes = tensor.sizes();
    let (lead, last) = sizes.split_at(sizes.len().saturating_sub(n));
    (lead.into(), last.into())
}
