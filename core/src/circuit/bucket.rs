use crate::Timestamp;

/// The reports of one or several seconds, summed up for the rate rule.
///
/// A report counts for as many calls as its weight. The numbers of reports show how certain the sums are.
/// A bucket is stored as `[age, calls, failures, slow, reports, failed reports, slow reports]`. The age
/// is in seconds, relative to the newest bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// When the bucket begins: a whole second.
    pub at: Timestamp,
    /// How many calls the reports represent.
    pub calls: u32,
    /// How many of the calls failed.
    pub failures: u32,
    /// How many of the calls were slow.
    pub slow: u32,
    /// How many reports there are.
    pub reports: u32,
    /// How many of the reports are of failed calls.
    pub failed_reports: u32,
    /// How many of the reports are of slow calls.
    pub slow_reports: u32,
}

impl Bucket {
    /// Adds the sums of `other`.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.calls, other.calls),
            (&mut self.failures, other.failures),
            (&mut self.slow, other.slow),
            (&mut self.reports, other.reports),
            (&mut self.failed_reports, other.failed_reports),
            (&mut self.slow_reports, other.slow_reports),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// The stored form of all buckets. Storing ages instead of times halves its size.
pub(super) mod list {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Bucket;
    use crate::Timestamp;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        at: Timestamp,
        cells: Vec<(u32, u32, u32, u32, u32, u32, u32)>,
    }

    pub(in super::super) fn serialize<S: Serializer>(
        buckets: &[Bucket],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let at = buckets.iter().map(|bucket| bucket.at).max().unwrap_or_default();
        let cell = |b: &Bucket| {
            let age = u32::try_from(at.since(b.at).as_secs()).unwrap_or(u32::MAX);
            (age, b.calls, b.failures, b.slow, b.reports, b.failed_reports, b.slow_reports)
        };
        Stored { at, cells: buckets.iter().map(cell).collect() }.serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Bucket>, D::Error> {
        let Stored { at, cells } = Stored::deserialize(from)?;
        let bucket = |(age, calls, failures, slow, reports, failed_reports, slow_reports): (
            u32,
            u32,
            u32,
            u32,
            u32,
            u32,
            u32,
        )| Bucket {
            at: at - Duration::from_secs(u64::from(age)),
            calls,
            failures,
            slow,
            reports,
            failed_reports,
            slow_reports,
        };
        Ok(cells.into_iter().map(bucket).collect::<Vec<Bucket>>())
    }
}
