//! Which part of a tensor a view shows, as far as constant indices say it.
//!
//! `x[0]` and `x[1]` share nothing, and neither do `x[1:, 2]` and `x[0]`. Only selections and slices with constant,
//! non-negative bounds count; whatever comes after another kind of view is an unknown part of what was shown before it.

use smallvec::SmallVec;

use super::heap::LocationId;

/// A part of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Region {
    /// The tensor, by its metadata, if no two of its elements share memory; nothing is known of parts of others.
    pub(super) base: Option<LocationId>,
    /// One selection after the other.
    steps: SmallVec<[Step; 2]>,
    /// Whether it is only some part of what the steps lead to.
    sealed: bool,
}

/// Indices of `start..end` in one dimension: the first, and from there each so many further on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Step {
    /// Which dimension, of what the steps before it show.
    pub(super) dimension: i64,
    /// The first index.
    pub(super) start: i64,
    /// The first index that is not in it.
    pub(super) end: i64,
    /// How far from one to the next.
    pub(super) stride: i64,
    /// Whether the dimension is gone.
    pub(super) select: bool,
}

/// Parts of parts are told apart to this depth. There must be an end: a loop may take a part of what it took before.
const MOST_STEPS: usize = 4;

impl Step {
    /// Whether it shows all that there is, as the colon of `x[:, 0]` does.
    fn is_all(&self) -> bool {
        !self.select && self.start == 0 && self.end == i64::MAX && self.stride == 1
    }
}

impl Region {
    /// All of a tensor.
    pub(super) fn whole(base: Option<LocationId>) -> Self {
        Self { base, steps: SmallVec::new(), sealed: false }
    }

    /// The same part of another tensor.
    pub(super) fn with_base(self, base: Option<LocationId>) -> Self {
        Self { base, ..self }
    }

    /// A part of this part.
    pub(super) fn step(&self, step: Option<Step>) -> Region {
        let mut part = self.clone();
        match step.filter(|_| !self.sealed && self.base.is_some()) {
            Some(step) if step.is_all() => {}
            Some(step) if self.steps.len() < MOST_STEPS => part.steps.push(step),
            _ => part.sealed = true,
        }
        part
    }

    /// Whether no element is in both.
    pub(super) fn is_apart_from(&self, other: &Region) -> bool {
        if self.base.is_none() || self.base != other.base {
            return false;
        }
        let differ = self.steps.iter().zip(&other.steps).find(|(a, b)| a != b);
        differ.is_some_and(|(a, b)| a.dimension == b.dimension && (a.end <= b.start || b.end <= a.start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(dimension: i64, index: i64) -> Option<Step> {
        Some(Step { dimension, start: index, end: index + 1, stride: 1, select: true })
    }

    fn slice(dimension: i64, start: i64, end: i64) -> Option<Step> {
        every(1, start, end).map(|step| Step { dimension, ..step })
    }

    fn every(stride: i64, start: i64, end: i64) -> Option<Step> {
        Some(Step { dimension: 0, start, end, stride, select: false })
    }

    #[test]
    fn parts_are_apart_if_their_first_difference_is() {
        let base = Region::whole(Some(LocationId(7)));
        let at = |steps: &[Option<Step>]| steps.iter().fold(base.clone(), |region, step| region.step(*step));
        for (a, b, apart) in [
            (at(&[select(0, 0)]), at(&[select(0, 1)]), true),
            (at(&[select(0, 0)]), at(&[select(0, 0)]), false),
            (at(&[select(0, 0)]), at(&[]), false),
            (at(&[select(0, 0)]), at(&[slice(0, 1, i64::MAX), select(1, 2)]), true),
            (at(&[select(0, 0), select(0, 3)]), at(&[select(0, 0), select(0, 4)]), true),
            // Rows and columns cross.
            (at(&[select(0, 0)]), at(&[select(1, 1)]), false),
            // What comes after another view is anywhere in it.
            (at(&[None, select(0, 0)]), at(&[None, select(0, 1)]), false),
            (at(&[select(0, 0), None]), at(&[select(0, 1), None]), true),
            (at(&[slice(0, 0, 2)]), at(&[slice(0, 1, 3)]), false),
            (at(&[slice(0, 0, i64::MAX), select(1, 0)]), at(&[select(1, 1)]), true),
            // What is deeper is anywhere in it.
            (at(&[select(0, 0); 4]), at(&[select(0, 0), select(0, 0), select(0, 0), select(0, 1)]), true),
            (
                at(&[select(0, 0); 5]),
                at(&[select(0, 0), select(0, 0), select(0, 0), select(0, 0), select(0, 1)]),
                false,
            ),
            // The fourth of every second and the third of every third are one; the first two of every second are not.
            (at(&[every(2, 0, 10), select(0, 3)]), at(&[every(3, 0, 10), select(0, 2)]), false),
            (at(&[every(2, 0, 10), select(0, 0)]), at(&[every(2, 0, 10), select(0, 1)]), true),
        ] {
            assert_eq!((a.is_apart_from(&b), b.is_apart_from(&a)), (apart, apart), "{a:?} {b:?}");
        }
        let unknown = Region::whole(None);
        assert!(!unknown.step(select(0, 0)).is_apart_from(&unknown.step(select(0, 1))));
    }
}
