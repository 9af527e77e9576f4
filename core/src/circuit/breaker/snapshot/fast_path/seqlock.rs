use super::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Several words that are read together, without a lock and without a write to shared memory.
///
/// This is a sequence lock (Boehm: *Can Seqlocks Get Along With Programming Language Memory Models?*,
/// MSPC 2012). A read that overlaps with a write returns nothing, and the reader must use another source.
#[derive(Debug)]
pub(super) struct Seqlock<const WORDS: usize> {
    /// An odd number while the words are being replaced.
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Seqlock<WORDS> {
    pub(super) fn new(words: [u64; WORDS]) -> Self {
        Self { sequence: AtomicU64::new(0), words: words.map(AtomicU64::new) }
    }

    /// Replaces the words. The caller must make sure that nobody else writes at the same time.
    pub(super) fn write(&self, words: [u64; WORDS]) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence.wrapping_add(1), Relaxed);
        fence(Release);
        for (stored, word) in self.words.iter().zip(words) {
            stored.store(word, Relaxed);
        }
        self.sequence.store(sequence.wrapping_add(2), Release);
    }

    /// Returns the words of one write. `None` if the read overlaps with a write.
    #[inline]
    pub(super) fn read(&self) -> Option<[u64; WORDS]> {
        let sequence = self.sequence.load(Acquire);
        let mut words = [0; WORDS];
        for (word, stored) in words.iter_mut().zip(&self.words) {
            *word = stored.load(Relaxed);
        }
        fence(Acquire);
        let is_whole = sequence.is_multiple_of(2) && self.sequence.load(Relaxed) == sequence;
        is_whole.then_some(words)
    }
}
