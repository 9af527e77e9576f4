//! A point of a curve: an operation with an input of one size.

use funcify_benches::case::Subject;

/// A point of a curve.
pub(crate) struct Point {
    pub(crate) curve: &'static str,
    /// Ours, or a peer.
    pub(crate) side: &'static str,
    /// The size of the input.
    pub(crate) size: u64,
    /// What one figure is divided by: the records of a batch, say.
    pub(crate) parts: u64,
    pub(crate) subject: Subject,
    pub(crate) is_median: bool,
}

impl Point {
    pub(crate) fn new(curve: &'static str, size: u64, subject: Subject) -> Self {
        Self { curve, side: "funcify", size, parts: 1, subject, is_median: false }
    }

    /// The time is that of each of these parts.
    pub(crate) fn per_part(self, parts: u64) -> Self {
        Self { parts, ..self }
    }

    /// The peer's, with the same input.
    pub(crate) fn of(self, side: &'static str) -> Self {
        Self { side, ..self }
    }

    /// Where waiting for another process is a part of the time.
    pub(crate) fn by_median(self) -> Self {
        Self { is_median: true, ..self }
    }
}
