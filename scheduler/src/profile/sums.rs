//! Counts by number, with sums over intervals and the count in which the n-th lies, in the logarithm of their number.
//!
//! As in a tree of partial sums (Fenwick, 1994), but each node has 16 children and holds all their partial sums. Three
//! levels are enough for four thousand counts, and no step down depends on a branch that a processor would have to guess.

const CHILDREN: usize = 16;

/// Counts, which can be lowered.
#[derive(Debug)]
pub(super) struct Sums {
    /// For each child of a node, what it and those before it have in all. Leaves first, level by level.
    nodes: Vec<[u32; CHILDREN]>,
    /// Where each level begins.
    levels: Vec<usize>,
    count: usize,
    total: usize,
}

impl Sums {
    /// Of these counts.
    pub(super) fn new(counts: impl Iterator<Item = usize>) -> Self {
        let mut sums = Self { nodes: Vec::new(), levels: Vec::new(), count: 0, total: 0 };
        let mut level: Vec<u32> = counts.map(|count| count as u32).collect();
        sums.count = level.len();
        sums.total = level.iter().map(|&count| count as usize).sum();
        assert!(sums.total < u32::MAX as usize, "fewer than 2^32 steps");
        loop {
            sums.levels.push(sums.nodes.len());
            let nodes = level.chunks(CHILDREN).map(|children| {
                let mut sum = 0;
                std::array::from_fn(|child| {
                    sum += children.get(child).unwrap_or(&0);
                    sum
                })
            });
            sums.nodes.extend(nodes);
            level = sums.nodes[sums.levels[sums.levels.len() - 1]..].iter().map(|node| node[CHILDREN - 1]).collect();
            if level.len() <= 1 {
                return sums;
            }
        }
    }

    /// All counts together.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Lowers the count of this number, which is not 0, by one.
    pub(super) fn lower(&mut self, number: usize) {
        self.total -= 1;
        let mut place = number;
        for &level in &self.levels {
            let child = (place % CHILDREN) as u32;
            place /= CHILDREN;
            for (other, sum) in (0..).zip(&mut self.nodes[level + place]) {
                *sum -= u32::from(other >= child);
            }
        }
    }

    /// The sum of the counts of all numbers below `end`.
    pub(super) fn below(&self, end: usize) -> usize {
        if end >= self.count {
            return self.total;
        }
        let (mut place, mut sum) = (end, 0);
        for &level in &self.levels {
            let child = place % CHILDREN;
            place /= CHILDREN;
            if child > 0 {
                sum += self.nodes[level + place][child - 1] as usize;
            }
        }
        sum
    }

    /// The number in whose count the n-th lies, and which of that count it is.
    pub(super) fn find(&self, n: usize) -> (usize, usize) {
        assert!(n < self.total, "there are more than {n}");
        let (mut place, mut rest) = (0, n as u32);
        for &level in self.levels.iter().rev() {
            let node = &self.nodes[level + place];
            let child: u32 = node.iter().map(|&sum| u32::from(sum <= rest)).sum();
            if let Some(before) = child.checked_sub(1) {
                rest -= node[before as usize % CHILDREN];
            }
            place = place * CHILDREN + child as usize;
        }
        (place, rest as usize)
    }
}

impl Clone for Sums {
    fn clone(&self) -> Self {
        let Self { nodes, levels, count, total } = self;
        Self { nodes: nodes.clone(), levels: levels.clone(), count: *count, total: *total }
    }

    /// Keeps the room.
    fn clone_from(&mut self, other: &Self) {
        self.nodes.clone_from(&other.nodes);
        self.levels.clone_from(&other.levels);
        (self.count, self.total) = (other.count, other.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn sums_are_those_of_the_counts(
            mut counts in prop::collection::vec(0..4usize, 0..600), lowered in prop::collection::vec(any::<usize>(), 40),
        ) {
            let mut sums = Sums::new(counts.iter().copied());
            for choice in lowered {
                let total: usize = counts.iter().sum();
                prop_assert_eq!(sums.total(), total);
                if total == 0 {
                    break;
                }
                let n = choice % total;
                let mut listed = (0..counts.len()).flat_map(|number| (0..counts[number]).map(move |nth| (number, nth)));
                prop_assert_eq!(Some(sums.find(n)), listed.nth(n));
                let end = choice % (counts.len() + 3);
                prop_assert_eq!(sums.below(end), counts.iter().take(end).sum::<usize>());
                let (number, _) = sums.find(n);
                counts[number] -= 1;
                sums.lower(number);
            }
        }
    }
}
