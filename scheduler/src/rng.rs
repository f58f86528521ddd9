//! Random numbers that mean the same in every release: ChaCha8 behind our own reduction, and the seed of each run.
//!
//! The distributions of the `rand` crates change between their versions, the words of ChaCha8 do not. What is
//! made of the words here is frozen: a printed seed must repeat its run for ever.

use rand_chacha::ChaCha8Core;
use rand_chacha::rand_core::SeedableRng as _;
use rand_chacha::rand_core::block::Generator as _;

/// A stream of random numbers, fixed by its seed.
///
/// The words that the core makes at once are kept here and not by the crate's `ChaCha8Rng`, which could only be replaced where
/// another seed is wanted, and one is for each execution.
#[derive(Debug, Clone)]
pub struct Rng {
    core: ChaCha8Core,
    words: [u32; WORDS],
    /// How many of these are drawn.
    drawn: usize,
}

/// How many words the core makes at once.
const WORDS: usize = 64;

impl Rng {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Self { core: core(seed), words: [0; WORDS], drawn: WORDS }
    }

    /// Becomes the stream of another seed, from its start.
    pub fn reseed(&mut self, seed: u64) {
        (self.core, self.drawn) = (core(seed), WORDS);
    }

    /// The next 64 bits: two times 32, the lower ones first.
    pub fn next_u64(&mut self) -> u64 {
        let low = self.next_u32();
        u64::from(self.next_u32()) << 32 | u64::from(low)
    }

    /// The next 32 bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        if self.drawn >= WORDS {
            self.refill();
        }
        let word = self.words[self.drawn];
        self.drawn += 1;
        word
    }

    #[cold]
    fn refill(&mut self) {
        self.core.generate(&mut self.words);
        self.drawn = 0;
    }

    /// A number below `n`, each equally likely (Lemire, 2019: multiply, and reject the few that would be favoured).
    /// 32 bits are drawn, or 64 if `n` does not fit 32.
    ///
    /// # Panics
    /// If `n` is 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is a number below n");
        match u32::try_from(n) {
            Ok(n) => self.below_u32(n) as usize,
            Err(_) => self.below_u64(n as u64) as usize,
        }
    }

    #[inline]
    fn below_u32(&mut self, n: u32) -> u32 {
        loop {
            let product = u64::from(self.next_u32()) * u64::from(n);
            let low = product as u32;
            // The division is needed for few numbers only.
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 32) as u32;
            }
        }
    }

    fn below_u64(&mut self, n: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }
}

/// What makes the words of `seed`.
fn core(seed: u64) -> ChaCha8Core {
    // Our own key, because the expansion of small seeds is a detail of the crate.
    let mut key = *b"........forkcheck: who goes next";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    ChaCha8Core::from_seed(key)
}

/// The seed of run `i` in a campaign with the seed `seed`, fixed for ever.
///
/// Run 0 has the campaign's own seed. Hence a campaign that is started with the seed of any run repeats that run as
/// its first, which is all that `--seed RUNSEED --budget 1` needs. The other seeds are a SplitMix64 sequence, so
/// those of one campaign differ from each other.
pub fn run_seed(seed: u64, i: u64) -> u64 {
    match i {
        0 => seed,
        _ => mix(mix(seed).wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): one-to-one, every bit depends on every bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::Rng as _;

    /// The values come from another implementation of ChaCha8 and of the rules above.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut rng = Rng::new(42);
        assert_eq!([(); 3].map(|()| rng.next_u64()), [12438757442301576377, 8456156816293607622, 7789975836095009895]);
        let mut rng = Rng::new(42);
        assert_eq!([(); 12].map(|()| rng.below(7)), [3, 4, 2, 3, 6, 2, 6, 2, 2, 4, 5, 2]);
        // A quarter of the words is rejected; the last numbers are of another block than the first.
        let mut rng = Rng::new(42);
        let numbers: Vec<usize> = (0..70).map(|_| rng.below(3 << 30)).collect();
        assert_eq!(numbers[..3], [1756976010, 2172092925, 1210206868]);
        assert_eq!(numbers[68..], [3128127899, 925683844]);
        let mut rng = Rng::new(42);
        assert_eq!([(); 2].map(|()| rng.below(3 << 62)), [9329068081726182282, 6342117612220205716]);
        assert_eq!(
            [0, 1, 2, 1000].map(|i| run_seed(42, i)),
            [42, 0x989b3f130a063869, 0x290db4bf2570ded7, 0xfb16b4ac08c7b90a]
        );
        assert_eq!(run_seed(0, 1), 0xe220a8397b1dcdaf);
    }

    #[test]
    fn the_words_are_those_of_the_crate_and_another_seed_begins_anew() {
        let mut key = *b"........forkcheck: who goes next";
        key[..8].copy_from_slice(&9u64.to_le_bytes());
        let mut theirs = ChaCha8Rng::from_seed(key);
        let mut rng = Rng::new(8);
        // Of two numbers of 64 bits that lie across the end of a block one is asked for here.
        for drawn in [0, 1, 63, 64, 200] {
            (0..drawn).for_each(|_| _ = rng.next_u32());
            rng.reseed(9);
            assert_eq!(rng.next_u64(), Rng::new(9).next_u64());
        }
        rng.reseed(9);
        for draws in 1..100 {
            assert_eq!(rng.next_u32(), theirs.next_u32());
            (0..draws % 5).for_each(|_| assert_eq!(rng.next_u64(), theirs.next_u64()));
        }
    }

    #[test]
    fn a_campaign_from_a_run_seed_repeats_that_run_first() {
        for i in 0..100 {
            let seed = run_seed(7, i);
            assert_eq!(run_seed(seed, 0), seed);
        }
    }

    #[test]
    fn every_number_below_n_is_about_equally_likely() {
        let mut rng = Rng::new(1);
        for n in [1, 2, 3, 10] {
            let mut seen = vec![0u32; n];
            (0..n * 1000).for_each(|_| seen[rng.below(n)] += 1);
            assert!(seen.iter().all(|&count| (850..1150).contains(&count)), "{seen:?}");
        }
    }

    #[test]
    fn below_a_huge_number_stays_below() {
        let mut rng = Rng::new(3);
        assert!((0..100).all(|_| rng.below(usize::MAX) < usize::MAX));
    }
}
