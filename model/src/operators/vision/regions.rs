//! Pooling of regions of interest: bins of a region become the elements of a small image.
//!
//! `roi_align` averages samples between pixels (He et al., "Mask R-CNN", 2017), `roi_pool` takes the greatest pixel
//! (Girshick, "Fast R-CNN", 2015). The position-sensitive forms take each bin from a channel of its own (Dai et al., "R-FCN",
//! 2016). All is computed in the dtype of the image, in torchvision's order.

use crate::operators::results::tuple;
use crate::operators::{Call, Fault};
use crate::tensor::{DType, Elements, Wide, dispatch};
use crate::value::Value;

fn raised<R>(words: impl Into<String>) -> Result<R, Fault> {
    Err(Fault::raised(words))
}

/// A batch of images, the regions of them, and the size that each becomes.
struct Pooling<T> {
    images: Elements<T>,
    regions: Elements<T>,
    count: usize,
    samples: usize,
    channels: usize,
    height: i64,
    width: i64,
    rows: usize,
    columns: usize,
    scale: T,
}

impl<T: Wide> Pooling<T> {
    fn of(call: &Call<'_>) -> Result<Self, Fault> {
        let (images, regions) = (call.tensor(0)?, call.tensor(1)?);
        let (sizes, region_sizes) = (images.sizes(), regions.sizes());
        let &[samples, channels, height, width] = &sizes[..] else {
            return raised(format!("Dimension out of range: expected images of 4 dimensions, got {}", sizes.len()));
        };
        Ok(Self {
            images: call.read::<T>(images)?,
            regions: call.read::<T>(regions)?,
            count: region_sizes[0] as usize,
            samples: samples as usize,
            channels: channels as usize,
            height,
            width,
            rows: call.int(3)?.max(0) as usize,
            columns: call.int(4)?.max(0) as usize,
            scale: T::of(call.float(2)?),
        })
    }

    /// The image that region `n` is of, and its scaled corners: left, top, right, bottom.
    fn region(&self, n: usize) -> Result<(usize, [T; 4]), Fault> {
        let region = &self.regions[n * 5..n * 5 + 5];
        let image = region[0].to_i64();
        if !(0..self.samples as i64).contains(&image) {
            // PyTorch reads whatever memory is there.
            return Err(Fault::unsupported(format!("a region of image {image}, of {}", self.samples)));
        }
        let corners = std::array::from_fn(|i| region[i + 1] * self.scale);
        Ok((image as usize, corners))
    }

    fn plane(&self, image: usize, channel: usize) -> &[T] {
        let size = (self.height * self.width) as usize;
        let start = (image * self.channels + channel) * size;
        &self.images[start..start + size]
    }

    /// The sizes of the result, by how many channels it has.
    fn sizes(&self, channels: usize) -> [i64; 4] {
        [self.count as i64, channels as i64, self.rows as i64, self.columns as i64]
    }

    /// How many channels the position-sensitive forms have.
    fn fewer_channels(&self) -> Result<usize, Fault> {
        let bins = self.rows * self.columns;
        if bins == 0 || !self.channels.is_multiple_of(bins) {
            return raised("input channels must be a multiple of pooling height * pooling width");
        }
        Ok(self.channels / bins)
    }

    /// A value between the pixels; nothing far outside of the image.
    fn between(&self, plane: &[T], y: T, x: T) -> T {
        let (zero, one) = (T::of(0.0), T::of(1.0));
        let within = |at: T, size: i64| at >= -one && at <= T::of(size as f64);
        if !(within(y, self.height) && within(x, self.width)) {
            return zero;
        }
        let axis = |at: T, size: i64| {
            let at = if at <= zero { zero } else { at };
            let low = at.to_i64();
            if low >= size - 1 {
                return ((size - 1) as usize, (size - 1) as usize, zero);
            }
            (low as usize, low as usize + 1, at - T::of(low as f64))
        };
        let ((top, bottom, ly), (left, right, lx)) = (axis(y, self.height), axis(x, self.width));
        let (hy, hx) = (one - ly, one - lx);
        let pixel = |y: usize, x: usize| plane[y * self.width as usize + x];
        hy * hx * pixel(top, left)
            + hy * lx * pixel(top, right)
            + ly * hx * pixel(bottom, left)
            + ly * lx * pixel(bottom, right)
    }

    /// The average of a bin's samples.
    fn average(&self, plane: &[T], bin: &Bin<T>) -> T {
        let mut sum = T::of(0.0);
        for iy in 0..bin.grid.0 {
            let y = bin.start.0 + T::of(iy as f64 + 0.5) * bin.size.0 / T::of(bin.grid.0 as f64);
            for ix in 0..bin.grid.1 {
                let x = bin.start.1 + T::of(ix as f64 + 0.5) * bin.size.1 / T::of(bin.grid.1 as f64);
                sum = sum + self.between(plane, y, x);
            }
        }
        sum
    }

    /// The bins of a region, row by row, with so many samples along each side, or as many as its pixels.
    fn bins(&self, [left, top, right, bottom]: [T; 4], least: Option<T>, sampling: i64) -> Vec<Bin<T>> {
        let extent =
            |from: T, to: T| least.map_or(to - from, |least| if to - from < least { least } else { to - from });
        let (height, width) = (extent(top, bottom), extent(left, right));
        let (rows, columns) = (T::of(self.rows as f64), T::of(self.columns as f64));
        let size = (height / rows, width / columns);
        let samples = |bin: T| if sampling > 0 { sampling } else { bin.ceil().to_i64().max(0) };
        let grid = (samples(size.0), samples(size.1));
        let start =
            |row: usize, column: usize| (top + T::of(row as f64) * size.0, left + T::of(column as f64) * size.1);
        let each = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        each.map(|(row, column)| Bin { start: start(row, column), size, grid }).collect()
    }
}

/// A part of a region; each pair is of rows and of columns.
struct Bin<T> {
    start: (T, T),
    size: (T, T),
    grid: (i64, i64),
}

/// What the kernels of the pools say; that of `roi_align` has words of its own.
const FIVE: &str = "Tensor rois should have shape as Tensor[K, 5]";
const SAME: &str = "Expected tensor for argument #1 'input' to have the same type as tensor for argument #2 'rois'";

fn check(call: &Call<'_>, five: &str, same: &str) -> Result<DType, Fault> {
    let (images, regions) = (call.tensor(0)?, call.tensor(1)?);
    if regions.sizes().len() != 2 || regions.sizes()[1] != 5 {
        return raised(five);
    }
    if images.dtype() != regions.dtype() {
        return raised(same);
    }
    Ok(images.dtype())
}

pub(super) fn align(call: &mut Call<'_>) -> Result<Value, Fault> {
    let dtype = check(call, "rois must have shape as Tensor[K, 5]", "input should have the same type as rois")?;
    let (sampling, aligned) = (call.int(5)?, call.bool(6)?);
    dispatch!(wide dtype, "torchvision::roi_align", T => {
        let pooling = Pooling::<T>::of(call)?;
        let (offset, least) = (T::of(if aligned { 0.5 } else { 0.0 }), (!aligned).then(|| T::of(1.0)));
        let mut elements = Vec::new();
        for n in 0..pooling.count {
            let (image, corners) = pooling.region(n)?;
            let bins = pooling.bins(corners.map(|corner| corner - offset), least, sampling);
            for channel in 0..pooling.channels {
                let plane = pooling.plane(image, channel);
                let count = |bin: &Bin<T>| T::of((bin.grid.0 * bin.grid.1).max(1) as f64);
                elements.extend(bins.iter().map(|bin| pooling.average(plane, bin) / count(bin)));
            }
        }
        call.create(dtype, &pooling.sizes(pooling.channels), &elements).map(Value::Tensor)
    })
}

pub(super) fn position_sensitive_align(call: &mut Call<'_>) -> Result<Value, Fault> {
    let dtype = check(call, FIVE, "input should have the same type as rois")?;
    let sampling = call.int(5)?;
    dispatch!(wide dtype, "torchvision::ps_roi_align", T => {
        let pooling = Pooling::<T>::of(call)?;
        let channels = pooling.fewer_channels()?;
        let mut elements = Vec::new();
        for n in 0..pooling.count {
            let (image, corners) = pooling.region(n)?;
            let bins = pooling.bins(corners.map(|corner| corner - T::of(0.5)), None, sampling);
            for channel in 0..pooling.channels {
                let bin = &bins[channel % bins.len()];
                let count = T::of((bin.grid.0 * bin.grid.1) as f64);
                elements.push(pooling.average(pooling.plane(image, channel), bin) / count);
            }
        }
        position_sensitive(call, dtype, &pooling, channels, &elements)
    })
}

/// The result, and which channel each of its elements was taken from.
fn position_sensitive<T: Wide>(
    call: &mut Call<'_>,
    dtype: DType,
    pooling: &Pooling<T>,
    channels: usize,
    elements: &[T],
) -> Result<Value, Fault> {
    let sizes = pooling.sizes(channels);
    let mapping: Vec<i64> = (0..pooling.count).flat_map(|_| 0..pooling.channels as i64).collect();
    let output = call.create(dtype, &sizes, elements)?;
    Ok(tuple([output, call.create(DType::Int32, &sizes, &mapping)?]))
}

/// The pixels of each bin: rows and columns from and to.
struct Pixels {
    rows: (i64, i64),
    columns: (i64, i64),
}

impl<T: Wide> Pooling<T> {
    /// The pixels of each bin, row by row. A region has `more` pixels than its corners are apart, and pixels end before the
    /// last `kept` ones of a side.
    fn pixels(&self, corners: [T; 4], more: i64, kept: i64) -> Vec<Pixels> {
        let [left, top, right, bottom] = corners.map(|corner| corner.to_f64().round() as i64);
        let side = |from: i64, to: i64, bins: usize, size: i64| -> Vec<(i64, i64)> {
            let bin = T::of((to - from + more).max(1) as f64) / T::of(bins as f64);
            let clipped = |at: T| (at.to_i64() + from).clamp(0, (size - kept).max(0));
            let edge = |i: usize| T::of(i as f64) * bin;
            (0..bins).map(|i| (clipped(edge(i).floor()), clipped(edge(i + 1).ceil()))).collect()
        };
        let rows = side(top, bottom, self.rows, self.height);
        let columns = side(left, right, self.columns, self.width);
        rows.iter().flat_map(|&rows| columns.iter().map(move |&columns| Pixels { rows, columns })).collect()
    }
}

impl Pixels {
    /// The places of the pixels in a plane.
    fn places(&self, width: i64) -> impl Iterator<Item = usize> + '_ {
        (self.rows.0..self.rows.1)
            .flat_map(move |row| (self.columns.0..self.columns.1).map(move |column| (row * width + column) as usize))
    }
}

pub(super) fn pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let dtype = check(call, FIVE, SAME)?;
    dispatch!(wide dtype, "torchvision::roi_pool", T => {
        let pooling = Pooling::<T>::of(call)?;
        let (mut elements, mut places) = (Vec::new(), Vec::new());
        for n in 0..pooling.count {
            let (image, corners) = pooling.region(n)?;
            let bins = pooling.pixels(corners, 1, 0);
            for channel in 0..pooling.channels {
                let plane = pooling.plane(image, channel);
                for bin in &bins {
                    let mut found = bin.places(pooling.width).peekable();
                    let least = if found.peek().is_none() { 0.0 } else { -(f32::MAX as f64) };
                    let (mut most, mut at) = (T::of(least), -1);
                    for place in found.filter(|&place| !plane[place].is_nan()) {
                        if plane[place] > most {
                            (most, at) = (plane[place], place as i64);
                        }
                    }
                    elements.push(most);
                    places.push(at);
                }
            }
        }
        let sizes = pooling.sizes(pooling.channels);
        let output = call.create(dtype, &sizes, &elements)?;
        Ok(tuple([output, call.create(DType::Int32, &sizes, &places)?]))
    })
}

pub(super) fn position_sensitive_pool(call: &mut Call<'_>) -> Result<Value, Fault> {
    let dtype = check(call, FIVE, SAME)?;
    dispatch!(wide dtype, "torchvision::ps_roi_pool", T => {
        let pooling = Pooling::<T>::of(call)?;
        let channels = pooling.fewer_channels()?;
        let mut elements = Vec::new();
        for n in 0..pooling.count {
            let (image, corners) = pooling.region(n)?;
            let bins = pooling.pixels(corners, 0, 1);
            for channel in 0..pooling.channels {
                let (plane, bin) = (pooling.plane(image, channel), &bins[channel % bins.len()]);
                let places: Vec<usize> = bin.places(pooling.width).collect();
                let sum = places.iter().fold(T::of(0.0), |sum, &place| sum + plane[place]);
                elements.push(if places.is_empty() { T::of(0.0) } else { sum / T::of(places.len() as f64) });
            }
        }
        position_sensitive(call, dtype, &pooling, channels, &elements)
    })
}
