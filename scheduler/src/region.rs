//! Parts of a location: exactly the bytes that a strided view touches, and whether two of them overlap.
//!
//! Two columns of a matrix, or its even and its odd elements, share no byte although their extents do, and a checker
//! that only compares extents cries wolf. Whether two views overlap is a question about a bounded linear
//! Diophantine equation: is there an element of each, at most an element's width apart? In general that is as hard
//! as subset sum; with the few dimensions of a tensor it is cheap. The view's own dimensions are joined where they
//! can be; dimensions of equal stride of the two views are one; small strides are swallowed by the width; a common
//! divisor is divided out; two dimensions are decided by Euclid's algorithm; and more are tried, fewest values first.

/// A part of a location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// All of it, and the way to speak of what has no bytes: a list, an attribute.
    Whole,
    /// Some bytes of a storage.
    Bytes(Bytes),
}

/// Blocks of bytes at regular distances.
///
/// Invariant: dimensions ascend by stride, the first stride is greater than the block, each has at least two values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes {
    start: u64,
    /// One past the last byte touched; equal to `start` when nothing is.
    end: u64,
    /// Length of each block.
    block: u64,
    dims: Box<[Dim]>,
}

/// So many values, so far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Dim {
    stride: u64,
    size: u64,
}

impl Region {
    /// The `length` bytes from `start`.
    pub fn bytes(start: u64, length: u64) -> Self {
        Self::strided(start, length, &[])
    }

    /// Elements of `element` bytes, the first at byte `offset`; `dims` are pairs of a size and a stride in bytes.
    ///
    /// A view that cannot lie in memory, because its end does not fit 64 bits, counts as the whole location.
    pub fn strided(offset: u64, element: u64, dims: &[(u64, u64)]) -> Self {
        Bytes::new(offset, element, dims).map_or(Region::Whole, Region::Bytes)
    }

    /// Whether no byte is touched. The whole of a location is not empty.
    pub fn is_empty(&self) -> bool {
        matches!(self, Region::Bytes(bytes) if bytes.start == bytes.end)
    }

    /// Whether the two have a byte in common. An empty region overlaps nothing, the whole everything else.
    pub fn overlaps(&self, other: &Region) -> bool {
        match (self, other) {
            (Region::Bytes(a), Region::Bytes(b)) => a.overlaps(b),
            (a, b) => !a.is_empty() && !b.is_empty(),
        }
    }
}

impl Bytes {
    fn new(start: u64, element: u64, dims: &[(u64, u64)]) -> Option<Self> {
        if element == 0 || dims.iter().any(|&(size, _)| size == 0) {
            return Some(Self { start: 0, end: 0, block: 0, dims: Box::default() });
        }
        let mut dims: Vec<Dim> = dims.iter().map(|&(size, stride)| Dim { stride, size }).collect();
        dims.retain(|dim| dim.size > 1 && dim.stride > 0);
        dims.sort();
        let mut block = element;
        let mut end = start.checked_add(element)?;
        let mut joined: Vec<Dim> = Vec::with_capacity(dims.len());
        for Dim { stride, size } in dims {
            let reach = stride.checked_mul(size - 1)?;
            end = end.checked_add(reach)?;
            match joined.last_mut() {
                // Blocks that touch or overlap are one longer block.
                None if stride <= block => block += reach,
                // Multiples of the smaller step that begin before or where the smaller steps end are more of these.
                Some(last) if stride % last.stride == 0 && stride / last.stride <= last.size => {
                    last.size += reach / last.stride;
                }
                _ => joined.push(Dim { stride, size }),
            }
        }
        Some(Self { start, end, block, dims: joined.into() })
    }

    fn overlaps(&self, other: &Bytes) -> bool {
        if self.start.max(other.start) >= self.end.min(other.end) {
            return false;
        }
        if self.dims.is_empty() && other.dims.is_empty() {
            return true;
        }
        // One order, so that the question and the answer are the same from both sides.
        let (a, b) = if self <= other { (self, other) } else { (other, self) };
        // Block i of a begins at a.start + Σ i·s and block j of b at b.start + Σ j·t. They overlap if the second
        // begins less than a.block after the first, and the first less than b.block after the second. Counting the
        // j from their end, to make all coefficients positive:
        //     -a.block < a.start - b.start - reach(b) + Σ i·s + Σ j'·t < b.block
        let base = i128::from(a.start) - i128::from(b.start) - (i128::from(b.end - b.start) - i128::from(b.block));
        let mut dims: Vec<Term> = Vec::with_capacity(a.dims.len() + b.dims.len());
        for dim in a.dims.iter().chain(&b.dims) {
            let term = Term { step: i128::from(dim.stride), most: i128::from(dim.size) - 1 };
            match dims.iter_mut().find(|known| known.step == term.step) {
                Some(known) => known.most += term.most,
                None => dims.push(term),
            }
        }
        dims.sort_by_key(|term| term.step);
        let mut work = WORK_MAX;
        reaches(&dims, 1 - i128::from(a.block) - base, i128::from(b.block) - 1 - base, &mut work)
    }
}

/// How many partial sums are tried before views are taken to overlap.
///
/// Views of up to two different strides between them never come near; only contrived ones with four or more long
/// dimensions that fit nowhere into each other do, and for them a false conflict is better than a hang,
/// and errs on the safe side.
const WORK_MAX: u32 = 1 << 18;

/// `step · x` for some x from 0 to `most`. Invariant: both are positive.
#[derive(Debug, Clone, Copy)]
struct Term {
    step: i128,
    most: i128,
}

impl Term {
    fn reach(self) -> i128 {
        self.step * self.most
    }
}

/// Whether the terms, ascending by step, can sum to a number from `low` to `high`.
fn reaches(terms: &[Term], mut low: i128, mut high: i128, work: &mut u32) -> bool {
    let mut total: i128 = terms.iter().map(|term| term.reach()).sum();
    // Smaller terms leave no gap that the target's width would not cover.
    let mut rest = terms;
    while let [smallest, larger @ ..] = rest
        && smallest.step <= high - low + 1
    {
        low -= smallest.reach();
        total -= smallest.reach();
        rest = larger;
    }
    (low, high) = (low.max(0), high.min(total));
    if low > high {
        return false;
    }
    if low == 0 || high == total {
        return true;
    }
    if let [one] = rest {
        return high / one.step * one.step >= low;
    }
    // All sums are multiples of the common divisor.
    let divisor = rest.iter().fold(0, |divisor, term| gcd(divisor, term.step));
    if divisor > 1 {
        let terms: Vec<Term> = rest.iter().map(|term| Term { step: term.step / divisor, most: term.most }).collect();
        return reaches(&terms, (low + divisor - 1).div_euclid(divisor), high.div_euclid(divisor), work);
    }
    match rest {
        [] | [_] => unreachable!("no term leaves the sum 0 alone, and one was decided above"),
        [a, b] => pair_reaches(*a, *b, low, high),
        _ => try_values(rest, low, high, work),
    }
}

/// Tries each value of the term that can take the fewest, and asks again about the others.
fn try_values(terms: &[Term], low: i128, high: i128, work: &mut u32) -> bool {
    let total: i128 = terms.iter().map(|term| term.reach()).sum();
    let values = |term: &Term| {
        let least = (low - (total - term.reach()) + term.step - 1).div_euclid(term.step).max(0);
        (least, (high / term.step).min(term.most))
    };
    let fewest = (0..terms.len())
        .min_by_key(|&i| {
            let (least, most) = values(&terms[i]);
            most - least
        })
        .expect("there are terms");
    let (least, most) = values(&terms[fewest]);
    let mut others = terms.to_vec();
    let term = others.remove(fewest);
    (least..=most).any(|x| {
        if *work == 0 {
            return true;
        }
        *work -= 1;
        reaches(&others, low - term.step * x, high - term.step * x, work)
    })
}

/// Whether `a·x + b·y` can lie from `low` to `high`, which is narrower than either step.
///
/// The least x that leaves a multiple of b is found by Euclid's algorithm, so sizes may be huge.
fn pair_reaches(a: Term, b: Term, low: i128, high: i128) -> bool {
    // y is between 0 and its most exactly if b·y is between 0 and its reach, so x is bounded twice.
    let least = (low - b.reach() + a.step - 1).div_euclid(a.step).max(0);
    let most = high.div_euclid(a.step).min(a.most);
    if least > most {
        return false;
    }
    // A multiple of b lies from low - a·x to high - a·x exactly if the remainder of the latter is at most the width,
    // for x = least + k exactly if a·k leaves a remainder from residue - width to residue.
    let width = high - low;
    let residue = (high - a.step * least).rem_euclid(b.step);
    if residue <= width {
        return true;
    }
    let found = first_in_residues(a.step % b.step, b.step, residue - width, residue);
    found.is_some_and(|k| least + k <= most)
}

/// The least k >= 0 for which `step · k mod modulus` lies from `low` to `high`, where 0 <= low <= high < modulus.
fn first_in_residues(step: i128, modulus: i128, low: i128, high: i128) -> Option<i128> {
    if low == 0 {
        return Some(0);
    }
    if step == 0 {
        return None;
    }
    if 2 * step > modulus {
        // Going down by the complement is going up in the mirror.
        return first_in_residues(modulus - step, modulus, modulus - high, modulus - low);
    }
    // Reached before the first time round?
    let first = (low + step - 1) / step;
    if first * step <= high {
        return Some(first);
    }
    // The range lies between two multiples of the step, and each time round shifts the multiples: ask which turn
    // is the first to hit, modulo the step.
    let turn = first_in_residues(modulus % step, step, (-high).rem_euclid(step), (-low).rem_euclid(step))?;
    Some((low + modulus * turn + step - 1) / step)
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type View<'a> = (u64, u64, &'a [(u64, u64)]);

    fn region((offset, element, dims): View<'_>) -> Region {
        Region::strided(offset, element, dims)
    }

    /// Every byte, by walking every element.
    fn touched((offset, element, dims): View<'_>) -> BTreeSet<u64> {
        let starts = dims.iter().fold(vec![offset], |starts, &(size, stride)| {
            starts.iter().flat_map(|start| (0..size).map(move |i| start + i * stride)).collect()
        });
        starts.iter().flat_map(|start| *start..start + element).collect()
    }

    fn check(a: View<'_>, b: View<'_>, expected: bool) {
        assert_eq!(region(a).overlaps(&region(b)), expected, "{a:?} {b:?}");
        assert_eq!(region(b).overlaps(&region(a)), expected, "{b:?} {a:?}");
    }

    #[test]
    fn views_of_a_matrix() {
        // Four rows of five elements of four bytes.
        let (whole, rows): (View<'_>, u64) = ((0, 4, &[(4, 20), (5, 4)]), 20);
        let row = |i: u64| (i * rows, 4);
        let column: &[(u64, u64)] = &[(4, 20)];
        check(whole, (40, 4, &[]), true);
        check((row(0).0, 4, &[(5, 4)]), (row(1).0, 4, &[(5, 4)]), false);
        check((0, 4, column), (4, 4, column), false);
        check((4, 4, column), (row(2).0, 4, &[(5, 4)]), true);
        // A column and a part of a row to its right.
        check((4, 4, column), (row(2).0 + 8, 4, &[(3, 4)]), false);
        // The diagonal and the column: they cross in row 1.
        check((0, 4, &[(4, 24)]), (4, 4, column), true);
        // The diagonal and the last column, which it does not reach.
        check((0, 4, &[(4, 24)]), (16, 4, column), false);
        // Transposed, it is the same bytes.
        check((0, 4, &[(5, 4), (4, 20)]), (76, 4, &[]), true);
    }

    #[test]
    fn even_and_odd_elements_never_meet() {
        check((0, 4, &[(1 << 40, 8)]), (4, 4, &[(1 << 40, 8)]), false);
        check((0, 4, &[(1 << 40, 8)]), (6, 4, &[(1 << 40, 8)]), true);
        // Seen as elements of half the width.
        check((0, 4, &[(100, 8)]), (6, 2, &[(100, 8)]), false);
    }

    #[test]
    fn small_views_touch_exactly_the_bytes_of_their_elements() {
        // Gaps of one byte and more, between blocks and between groups of blocks, and blocks that touch or overlap.
        let dims = || (1..=3u64).flat_map(|size| (0..=6u64).map(move |stride| (size, stride)));
        for (element, a, b) in (1..=3)
            .flat_map(|element| dims().map(move |a| (element, a)))
            .flat_map(|(element, a)| dims().map(move |b| (element, a, b)))
        {
            let dims = [a, b];
            let view = (1, element, &dims[..]);
            let bytes = touched(view);
            for byte in 0..30 {
                check(view, (byte, 1, &[]), bytes.contains(&byte));
            }
        }
    }

    #[test]
    fn expanded_views_of_any_size_are_one_element() {
        check((8, 4, &[(u64::MAX, 0), (1 << 62, 0)]), (8, 4, &[]), true);
        check((8, 4, &[(u64::MAX, 0), (1 << 62, 0)]), (12, 4, &[]), false);
    }

    #[test]
    fn huge_sizes_with_coprime_steps() {
        // 1_000_003·x = 1_000_033·y + 1 has its least solution at x = 933_364, by extended Euclid.
        let (p, q) = (1_000_003u64, 1_000_033u64);
        let x = (1..).find(|x| p * x % q == 1).unwrap();
        check((0, 1, &[(x + 1, p)]), (1, 1, &[(1 << 40, q)]), true);
        check((0, 1, &[(x, p)]), (1, 1, &[(1 << 40, q)]), false);
    }

    #[test]
    fn contrived_views_do_not_hang() {
        let a = region((0, 1, &[(1000, 1_000_003), (1000, 2_000_029), (1000, 4_000_037)]));
        let b = region((7, 1, &[(1000, 3_000_017), (1000, 5_000_011), (1000, 7_000_003)]));
        assert_eq!(a.overlaps(&b), b.overlaps(&a));
    }

    #[test]
    fn empty_views_overlap_nothing_and_the_whole_everything_else() {
        let empty = region((4, 4, &[(3, 4), (0, 12)]));
        assert!(empty.is_empty());
        for (a, b, expected) in [
            (&empty, &empty, false),
            (&empty, &Region::Whole, false),
            (&Region::Whole, &Region::Whole, true),
            (&Region::Whole, &Region::bytes(9, 1), true),
            (&Region::bytes(0, 9), &Region::bytes(9, 0), false),
        ] {
            assert_eq!((a.overlaps(b), b.overlaps(a)), (expected, expected), "{a:?} {b:?}");
        }
    }

    #[test]
    fn what_cannot_lie_in_memory_is_the_whole() {
        assert_eq!(region((u64::MAX, 1, &[])), Region::Whole);
        assert_eq!(region((0, 8, &[(1 << 62, 8)])), Region::Whole);
    }

    fn view() -> impl Strategy<Value = (u64, u64, Vec<(u64, u64)>)> {
        let dim = (0u64..7, prop_oneof![0u64..12, 0u64..60, 0u64..400]);
        (0u64..200, prop_oneof![Just(1u64), Just(2), Just(4), 1u64..9], prop::collection::vec(dim, 0..4))
    }

    /// Layouts as tensors have them: strides of a shape, then slices, steps and transposes of it.
    fn slice() -> impl Strategy<Value = (u64, u64, Vec<(u64, u64)>)> {
        let cut = (0u64..3, 1u64..4, 1u64..3);
        (prop::collection::vec(cut, 1..4), Just([3u64, 4, 5, 6]), prop::bool::ANY).prop_map(|(cuts, shape, turned)| {
            let (mut stride, mut offset, mut dims) = (4, 0, Vec::new());
            for ((from, size, step), extent) in cuts.into_iter().zip(shape) {
                offset += from * stride;
                dims.push((size, stride * step));
                stride *= extent;
            }
            if turned {
                dims.reverse();
            }
            (offset, 4, dims)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn overlap_is_what_walking_the_elements_says(a in prop_oneof![view(), slice()], b in prop_oneof![view(), slice()]) {
            let (a, b) = ((a.0, a.1, &*a.2), (b.0, b.1, &*b.2));
            let expected = !touched(a).is_disjoint(&touched(b));
            prop_assert_eq!(region(a).overlaps(&region(b)), expected);
            prop_assert_eq!(region(b).overlaps(&region(a)), expected);
        }

        #[test]
        fn the_first_in_a_range_of_residues(modulus in 1i128..200, step in 0i128..200, a in 0i128..200, b in 0i128..200) {
            let (low, high) = ((a % modulus).min(b % modulus), (a % modulus).max(b % modulus));
            let expected = (0..modulus).find(|k| (low..=high).contains(&(step * k % modulus)));
            prop_assert_eq!(first_in_residues(step % modulus, modulus, low, high), expected);
        }
    }
}
