//! Random numbers from a seed, so that a simulation can be repeated exactly.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The golden gamma of SplitMix64 (Steele, Lea, Flood: *Fast Splittable Pseudorandom Number
/// Generators*, OOPSLA 2014).
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A source of random numbers for jitter and sampling. Do not use it for secrets or ids.
///
/// It does not lock or allocate, so that the fast path of a breaker can use it.
///
/// # Examples
///
/// ```
/// use funcify_core::engine::Chance;
///
/// let (one, other) = (Chance::seeded(7), Chance::seeded(7));
/// assert_eq!(one.draw(), other.draw());
/// assert!((0.0..1.0).contains(&Chance::from_entropy().draw()));
/// ```
#[derive(Debug)]
pub struct Chance(AtomicU64);

impl Chance {
    /// Creates a source that is seeded with the operating system's entropy.
    #[must_use]
    pub fn from_entropy() -> Self {
        let mut seed = [0; 8];
        fill(&mut seed);
        Self::seeded(u64::from_ne_bytes(seed))
    }

    /// Creates a source from `seed`: the same seed gives the same draws.
    #[must_use]
    pub const fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Draws 64 uniform bits.
    pub fn bits(&self) -> u64 {
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Draws a number from `0.0` to just below `1.0`.
    pub fn draw(&self) -> f64 {
        // An f64 can represent 2^53 evenly spaced numbers from 0 to 1.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Draws a duration from zero to just below `bound` (full jitter).
    pub fn up_to(&self, bound: Duration) -> Duration {
        bound.mul_f64(self.draw())
    }
}

/// Fills `bytes` with the operating system's entropy.
///
/// A booted system always has entropy. If it has none, the keys of the standard hasher and the time are
/// used instead, because an id must never be a constant.
pub(crate) fn fill(bytes: &mut [u8]) {
    if getrandom::fill(bytes).is_ok() {
        return;
    }
    use std::hash::BuildHasher;
    let keys = std::hash::RandomState::new();
    let time = std::time::SystemTime::now();
    for (place, chunk) in bytes.chunks_mut(8).enumerate() {
        let word = keys.hash_one((time, place)).to_ne_bytes();
        for (byte, random) in chunk.iter_mut().zip(word) {
            *byte = random;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_below_one() {
        let chance = Chance::seeded(1);
        let draws: Vec<f64> = (0..300_000).map(|_| chance.draw()).collect();
        let mean = draws.iter().sum::<f64>() / 300_000.0;
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!((0.497..0.503).contains(&mean), "{mean}");
    }

    #[test]
    fn different_seeds_give_different_draws() {
        assert_ne!(Chance::seeded(1).bits(), Chance::seeded(2).bits());
    }
}
