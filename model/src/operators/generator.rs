//! PyTorch's generator of random numbers on the CPU: mt19937.
//!
//! Matsumoto and Nishimura, "Mersenne Twister", 1998; seeded and read as `at::mt19937` does, so that programs
//! draw the very bits that PyTorch draws.

const N: usize = 624;
const M: usize = 397;

/// The state of a generator.
#[derive(Clone, PartialEq)]
pub struct GeneratorState {
    state: [u32; N],
    /// How many words of `state` were handed out; `N` before the first refill.
    used: usize,
    seed: u64,
    /// The second of a pair of float normals, not yet handed out.
    pub next_normal_float: Option<f32>,
    /// The second of a pair of double normals, not yet handed out.
    pub next_normal_double: Option<f64>,
}

impl GeneratorState {
    /// The state after `torch.manual_seed(seed)`; as in PyTorch only the low 32 bits seed the words.
    pub fn seeded(seed: u64) -> Self {
        let mut state = [0; N];
        state[0] = seed as u32;
        for i in 1..N {
            state[i] = 1812433253u32.wrapping_mul(state[i - 1] ^ (state[i - 1] >> 30)).wrapping_add(i as u32);
        }
        Self { state, used: N, seed, next_normal_float: None, next_normal_double: None }
    }

    /// The seed it was last seeded with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == N {
            self.refill();
        }
        let mut y = self.state[self.used];
        self.used += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    /// The next 64 random bits: two words, the first drawn is the high one.
    pub fn next_u64(&mut self) -> u64 {
        let high = self.next_u32() as u64;
        high << 32 | self.next_u32() as u64
    }

    /// Every byte of the state, for digests.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.state.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.extend((self.used as u64).to_le_bytes());
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend(format!("{:?}{:?}", self.next_normal_float, self.next_normal_double).into_bytes());
        bytes
    }

    fn refill(&mut self) {
        let s = &mut self.state;
        for i in 0..N {
            let y = (s[i] & 0x8000_0000) | (s[(i + 1) % N] & 0x7fff_ffff);
            let twist = if s[(i + 1) % N] & 1 == 1 { 0x9908_b0df } else { 0 };
            s[i] = s[(i + M) % N] ^ (y >> 1) ^ twist;
        }
        self.used = 0;
    }
}

impl std::fmt::Debug for GeneratorState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GeneratorState(seed {}, {} used)", self.seed, self.used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_paper() {
        // The reference implementation's 10 000th word for its default seed 5489.
        let mut generator = GeneratorState::seeded(5489);
        let last = (0..10_000).map(|_| generator.next_u32()).last();
        assert_eq!(last, Some(4123659995));
    }
}
