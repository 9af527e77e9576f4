//! The buckets in which a record counts the calls of a window. The older a bucket, the longer its time.

use std::time::Duration;

use super::super::report::Report;
use crate::{Timestamp, circuit::Bucket};

/// Returns the buckets with one more report. A bucket covers one second. When it is 4 s old it is merged
/// into one of two seconds, and when it is 12 s old into one of an eighth of the window, and at least 8 s.
/// The short windows of the rule need the fine buckets. A minute fits into 18 buckets, so a full record
/// stays under 1 KB.
pub(super) fn with_report(
    buckets: &[Bucket],
    report: &Report,
    window: Duration,
    now: Timestamp,
) -> Vec<Bucket> {
    let coarse = (window.as_secs() / 8).max(8);
    let oldest = now - window - Duration::from_secs(coarse);
    let report = bucket_of(report, now);
    let mut cells: Vec<Bucket> = Vec::with_capacity(buckets.len() + 1);
    for bucket in buckets.iter().filter(|bucket| bucket.at >= oldest).chain([&report]) {
        let width = match now.since(bucket.at).as_secs() {
            0..4 => 1,
            4..12 => 2,
            _ => coarse,
        };
        let at = floored(bucket.at, width);
        match cells.iter_mut().find(|cell| cell.at == at) {
            Some(cell) => cell.absorb(bucket),
            None => cells.push(Bucket { at, ..*bucket }),
        }
    }
    cells
}

/// Returns a bucket with only this report.
fn bucket_of(report: &Report, now: Timestamp) -> Bucket {
    let weight = report.weight.max(1);
    let failed = u32::from(report.outcome.is_failure());
    let slow = u32::from(report.slow);
    Bucket {
        at: now,
        calls: weight,
        failures: weight * failed,
        slow: weight * slow,
        reports: 1,
        failed_reports: failed,
        slow_reports: slow,
    }
}

/// Returns how far back the buckets within the window reach. At least a second.
pub(super) fn covered(buckets: &[Bucket], window: Duration, now: Timestamp) -> Duration {
    let start = start_of(window, now);
    let first = buckets.iter().map(|bucket| bucket.at).filter(|at| *at >= start).min();
    first.map_or(Duration::ZERO, |first| now.since(first)).max(Duration::from_secs(1))
}

/// Returns when a span of time began, rounded down to a whole second like the buckets.
pub(super) fn start_of(span: Duration, now: Timestamp) -> Timestamp {
    floored(now - span, 1)
}

fn floored(at: Timestamp, seconds: u64) -> Timestamp {
    let width = i64::try_from(seconds.max(1)).unwrap_or(1).saturating_mul(1_000);
    Timestamp::from_millis(at.as_millis().saturating_sub(at.as_millis().rem_euclid(width)))
}
