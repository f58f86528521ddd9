//! A random forest: trees of one split, each fitted to a sample of the data drawn with replacement, vote.

use forkcheck::{Future, Input, Module, Visitor, fork, rng, wait_all};
use ndarray::{Array1, Array2, ArrayView1};

/// Samples by row, and what each is to be taken for.
#[derive(Debug, Clone)]
pub struct Data {
    /// Features of samples.
    pub x: Array2<f64>,
    /// Classes of samples.
    pub y: Array1<bool>,
}

/// Nothing in it can be written by those who share it.
impl Module for Data {
    fn visit(&self, visitor: &mut Visitor) {
        visitor.attribute("x", &self.x);
        visitor.attribute("y", &self.y);
    }
}

/// Says yes to samples with a feature above a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stump {
    feature: usize,
    threshold: f64,
}

impl Stump {
    /// The one that is wrong about the fewest of these samples; the first of several.
    fn fit(data: &Data, samples: &[usize]) -> Self {
        let all = (0..data.x.ncols()).flat_map(|feature| samples.iter().map(move |&sample| (feature, sample)));
        let stumps = all.map(|(feature, sample)| Stump { feature, threshold: data.x[[sample, feature]] });
        let wrong = |stump: &Stump| samples.iter().filter(|&&s| stump.says(data.x.row(s)) != data.y[s]).count();
        stumps.min_by_key(wrong).expect("there are samples")
    }

    fn says(&self, sample: ArrayView1<'_, f64>) -> bool {
        sample[self.feature] > self.threshold
    }
}

/// For each sample, how many of the trees say yes.
fn votes(data: &Data, trees: &[Stump]) -> Vec<u64> {
    let count = |sample: ArrayView1<'_, f64>| trees.iter().filter(|tree| tree.says(sample)).count() as u64;
    data.x.rows().into_iter().map(count).collect()
}

/// Each tree draws its sample from the one generator: which numbers it gets, the schedule decides.
pub fn global(data: &Data, trees: usize) -> Vec<u64> {
    let grow = |data: Data| {
        let n = data.y.len() as u64;
        let samples: Vec<usize> = (0..n).map(|_| rng().below(n) as usize).collect(); // a tree draws
        Stump::fit(&data, &samples)
    };
    let forest: Vec<Future<Stump>> = (0..trees).map(|_| fork(grow, (data.clone(),))).collect();
    votes(data, &wait_all(&forest))
}

/// The caller draws a seed for each tree, which has a generator of its own.
pub fn seeded(data: &Data, trees: usize) -> Vec<u64> {
    let grow = |data: Data, mut own: SplitMix| {
        let n = data.y.len() as u64;
        let samples: Vec<usize> = (0..n).map(|_| (own.next() % n) as usize).collect();
        Stump::fit(&data, &samples)
    };
    let forest: Vec<Future<Stump>> =
        (0..trees).map(|_| fork(grow, (data.clone(), SplitMix(rng().next_u64())))).collect();
    votes(data, &wait_all(&forest))
}

/// A small generator, as any of a crate would be.
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// It is the fork's own.
impl Input for SplitMix {
    fn visit_input(&self, _: &mut Visitor) {}
}

#[cfg(test)]
mod tests {
    use forkcheck::Checker;
    use forkcheck::report::Verdict;
    use ndarray::array;

    use super::*;
    use crate::testing::{check_certified, check_finds, line_of};

    fn data() -> Data {
        let x = array![[0.0, 3.0], [1.0, 2.0], [2.0, 5.0], [3.0, 1.0], [4.0, 4.0], [5.0, 0.0]];
        Data { x, y: array![false, false, true, false, true, true] }
    }

    #[test]
    fn trees_that_draw_from_one_generator_are_found() {
        let report = Checker::new().run(|| global(&data(), 2));
        assert_eq!(report.verdict, Some(Verdict::Nondeterministic), "{report}");
        check_finds(&report, "global-state", "global RNG", line_of(include_str!("forest.rs"), "a tree draws"));
    }

    #[test]
    fn trees_with_seeds_are_certified() {
        check_certified(&Checker::new().run(|| seeded(&data(), 8)));
    }
}
