//! Views by index arithmetic against views by brute force: an index that goes in, and the place that comes out.
//!
//! The elements of a tensor stand for their own places in the storage, so two layouts that show the same numbers
//! alias the same elements: a write through the one shows in the other.

use proptest::prelude::*;

use super::{layouts, reshaping};
use crate::operators::Fault;
use crate::tensor::{Dims, Layout};

/// A tensor without strides: sizes, and the place of every element in row-major order.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    sizes: Vec<i64>,
    places: Vec<usize>,
}

impl Plain {
    fn of(layout: &Layout) -> Self {
        let mut places = Vec::new();
        layout.for_each(|place| places.push(place));
        Self { sizes: layout.sizes().to_vec(), places }
    }

    /// The tensor of these sizes whose element at each index is this one's element at `from(index)`.
    fn map(&self, sizes: &[i64], from: impl Fn(&[i64]) -> Vec<i64>) -> Self {
        let at = |index: &[i64]| {
            let number = index.iter().zip(&self.sizes).fold(0, |number, (&i, &size)| number * size + i);
            self.places[number as usize]
        };
        Self { sizes: sizes.to_vec(), places: indices(sizes).iter().map(|index| at(&from(index))).collect() }
    }
}

/// Every index into these sizes, in row-major order.
fn indices(sizes: &[i64]) -> Vec<Vec<i64>> {
    sizes.iter().fold(vec![vec![]], |all, &size| {
        all.iter().flat_map(|index| (0..size).map(move |i| [&index[..], &[i]].concat())).collect()
    })
}

/// One view: its layout, and what brute force says of it.
fn step(layout: &Layout, plain: &Plain, kind: u8, a: usize, b: i64, c: i64) -> Option<(Layout, Plain)> {
    let rank = layout.rank();
    let dim = a % rank.max(1);
    let size = layout.sizes().get(dim).copied().unwrap_or(1);
    let mut sizes = plain.sizes.clone();
    let (found, expected): (Result<Layout, Fault>, Plain) = match kind {
        0 if rank > 0 && size > 0 => {
            let index = b.rem_euclid(size);
            sizes.remove(dim);
            let negative = if c % 2 == 0 { index } else { index - size };
            (
                layouts::select(layout, dim as i64, negative),
                plain.map(&sizes, |i| [&i[..dim], &[index], &i[dim..]].concat()),
            )
        }
        1 if rank > 0 => {
            let (start, step) = (b.rem_euclid(size + 1), c.rem_euclid(3) + 1);
            sizes[dim] = (size - start + step - 1) / step;
            let moved = |i: &[i64]| {
                let mut i = i.to_vec();
                i[dim] = start + i[dim] * step;
                i
            };
            (layouts::slice(layout, dim as i64, Some(start), None, step), plain.map(&sizes, moved))
        }
        2 if rank > 0 => {
            let other = b.rem_euclid(rank as i64) as usize;
            sizes.swap(dim, other);
            let swapped = |i: &[i64]| {
                let mut i = i.to_vec();
                i.swap(dim, other);
                i
            };
            (layouts::transpose(layout, dim as i64, other as i64 - rank as i64), plain.map(&sizes, swapped))
        }
        3 => {
            let dim = a % (rank + 1);
            sizes.insert(dim, 1);
            (layouts::unsqueeze(layout, dim as i64), plain.map(&sizes, |i| [&i[..dim], &i[dim + 1..]].concat()))
        }
        4 if rank > 0 => {
            let mut target: Vec<i64> = sizes.iter().map(|&size| if size == 1 { 2 } else { size }).collect();
            target.insert(0, 2);
            let old = sizes.clone();
            let first = |i: &[i64]| i[1..].iter().zip(&old).map(|(&i, &size)| if size == 1 { 0 } else { i }).collect();
            (layouts::expand(layout, &target, crate::DType::Int64), plain.map(&target, first))
        }
        5 if rank > 1 => {
            let other = (dim + 1) % rank;
            let offset = b % 3;
            let (down, right) = ((-offset).max(0), offset.max(0));
            let length = (sizes[dim] - down).min(sizes[other] - right).max(0);
            for gone in [dim.max(other), dim.min(other)] {
                sizes.remove(gone);
            }
            sizes.push(length);
            let on = |i: &[i64]| {
                let (&along, rest) = i.split_last().expect("the diagonal is a dimension");
                let mut rest = rest.iter();
                (0..rank)
                    .map(|d| match d {
                        _ if d == dim => along + down,
                        _ if d == other => along + right,
                        _ => *rest.next().expect("a dimension that stays"),
                    })
                    .collect()
            };
            (layouts::diagonal(layout, offset, dim as i64, other as i64), plain.map(&sizes, on))
        }
        6 if rank > 0 && size > 0 => {
            let (window, step) = (b.rem_euclid(size) + 1, c.rem_euclid(2) + 1);
            sizes[dim] = (size - window) / step + 1;
            sizes.push(window);
            let within = |i: &[i64]| {
                let (&inside, rest) = i.split_last().expect("the window is a dimension");
                let mut i = rest.to_vec();
                i[dim] = i[dim] * step + inside;
                i
            };
            (layouts::unfold(layout, dim as i64, window, step), plain.map(&sizes, within))
        }
        7 => {
            let squeezed: Vec<i64> = sizes.iter().copied().filter(|&size| size != 1).collect();
            (layouts::squeeze(layout, None), Plain { sizes: squeezed, places: plain.places.clone() })
        }
        _ => return None,
    };
    let found = found.unwrap_or_else(|fault| panic!("kind {kind} of {layout:?}: {fault:?}"));
    Some((found, expected))
}

/// Whether some strides show these places under these sizes; searched among strides that two places can have.
fn can_be_shown(plain: &Plain, sizes: &[i64]) -> bool {
    let wanted = Plain { sizes: sizes.to_vec(), places: plain.places.clone() };
    let stride = |dim: usize| {
        let step: i64 = sizes[dim + 1..].iter().product();
        if sizes[dim] > 1 { Some(wanted.places[step as usize] as i64 - wanted.places[0] as i64) } else { Some(0) }
    };
    let strides: Option<Vec<i64>> = (0..sizes.len()).map(stride).collect();
    let Some(strides) = strides else { return false };
    indices(sizes).iter().zip(&wanted.places).all(|(index, &place)| {
        let offset: i64 = index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        wanted.places[0] as i64 + offset == place as i64
    })
}

proptest! {
    #[test]
    fn views_show_what_brute_force_says(
        sizes in proptest::collection::vec(0i64..4, 0..4),
        steps in proptest::collection::vec((0u8..8, 0usize..6, -4i64..5, 0i64..4), 0..6),
    ) {
        let mut layout = Layout::contiguous(&sizes);
        let mut plain = Plain::of(&layout);
        for (kind, a, b, c) in steps {
            if layout.numel() > 200 {
                break;
            }
            if let Some((next, expected)) = step(&layout, &plain, kind, a, b, c) {
                prop_assert_eq!(&Plain::of(&next), &expected, "kind {} of {:?}", kind, layout);
                (layout, plain) = (next, expected);
            }
        }
        // A view exists exactly when some strides show the elements in their order.
        let count = layout.numel();
        if count > 0 {
            for parts in [vec![count], vec![1, count], vec![2, count / 2], vec![count / 2, 2], vec![count / 3, 3, 1]] {
                if parts.iter().product::<i64>() != count {
                    continue;
                }
                let viewed = reshaping::view(&layout, &parts);
                if let Some(viewed) = &viewed {
                    let expected = Plain { sizes: parts.clone(), places: plain.places.clone() };
                    prop_assert_eq!(&Plain::of(viewed), &expected);
                } else if layout.strides().iter().all(|&stride| stride > 0) {
                    prop_assert!(!can_be_shown(&plain, &parts), "{:?} as {:?}", layout, parts);
                }
            }
        }
    }

    #[test]
    fn an_inferred_size_completes_the_count(sizes in proptest::collection::vec(1i64..5, 1..5), unknown in 0usize..4) {
        let count = sizes.iter().product();
        let mut wanted = sizes.clone();
        let unknown = unknown % sizes.len();
        wanted[unknown] = -1;
        prop_assert_eq!(reshaping::infer_size(&wanted, count), Ok(Dims::from_slice(&sizes)));
    }
}
